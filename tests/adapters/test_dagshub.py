"""MLflow and a DVC remote on DagsHub, with a stand-in for the service (tests/dagshub_server.py)."""

from __future__ import annotations

import os
import stat
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from bootstrap.adapters.aws.session import Aws
from bootstrap.adapters.dagshub import Dagshub
from bootstrap.core.dagshub import Hub, hub_of
from bootstrap.core.names import Names
from bootstrap.core.record import Record
from bootstrap.core.spec import Spec, parse_spec
from bootstrap.errors import BootstrapError, ConfigError
from bootstrap.workflows import laptop as laptops
from bootstrap.workflows.github import Site, wanted
from bootstrap.workflows.laptop import Laptop
from bootstrap.workflows.mlflow_dagshub import AtDagshub, at_dagshub, by_hand, require_login
from bootstrap.workflows.mlflow_kinds import login_of
from bootstrap.workflows.project import Project
from bootstrap.workflows.target import Place
from tests.adapters.doubles import Story
from tests.dagshub_server import HubServer, dagshub

ANA, BEN = "a" * 40, "b" * 40


@pytest.fixture
def server() -> Iterator[HubServer]:
    with dagshub() as found:
        yield found


@pytest.fixture
def hub(server: HubServer) -> Hub:
    return Hub(server.url, "ana/course")


def record_of(hub: Hub, env: str = "stag") -> Record:
    return Record(
        *("demo", env, "aws", "us-east-1", "123456789012", None, f"demo--{env}--123456789012", "demo--tfstate--1"),
        *(f"demo-{env}", f"s3://demo--{env}--123456789012/dvc/ci"),
        mlflow_kind="dagshub",
        mlflow_tracking_uri=hub.tracking_uri,
        mlflow_username="ana-hub",
    )


@pytest.mark.parametrize("url", ["https://dagshub.com", "http://127.0.0.1:8080/hub"])
def test_an_address_tells_its_repository(url: str) -> None:
    hub = Hub(url, "ana/course.2026")
    assert hub_of(hub.tracking_uri) == hub
    assert hub.s3_endpoint == f"{url}/ana/course.2026.s3"


@pytest.mark.parametrize("uri", [None, "", "http://127.0.0.1:20001", "https://mlflow.example.org", "https://x.mlflow"])
def test_a_server_of_ours_is_no_repository(uri: str | None) -> None:
    assert hub_of(uri) is None


def test_the_token_says_who_it_is(server: HubServer, hub: Hub) -> None:
    found = at_dagshub(hub, {"DAGSHUB_USER_TOKEN": f" {ANA}\n"}, None)
    assert (found.user, found.given_password) == ("ana-hub", ANA)
    assert at_dagshub(hub, {}, ANA) == found, "the one that was written down the last time"
    assert found.steps(record_of(hub), None) == []
    record = found.drafted(record_of(hub))
    login = login_of(record, ANA)
    assert login is not None
    assert login.login_works()
    assert ANA not in repr([found, login])
    assert not any(ANA in path for path in server.asked)


@pytest.mark.parametrize(
    ("environ", "message", "hint"),
    [
        ({}, "DAGSHUB_USER_TOKEN is not set", "/user/settings/tokens"),
        ({"DAGSHUB_USER_TOKEN": "  "}, "DAGSHUB_USER_TOKEN is not set", "export DAGSHUB_USER_TOKEN="),
        ({"DAGSHUB_USER_TOKEN": "two words"}, "is no token", "Copy it once more"),
        ({"DAGSHUB_USER_TOKEN": "unknown-token"}, "does not know the token", "/user/settings/tokens"),
    ],
    ids=["none", "blank", "no token", "unknown"],
)
def test_a_token_that_will_not_do(hub: Hub, environ: dict[str, str], message: str, hint: str) -> None:
    with pytest.raises(BootstrapError) as caught:
        at_dagshub(hub, environ, None)
    assert message in caught.value.message
    assert hint in caught.value.hint
    for token in filter(str.strip, environ.values()):
        assert token not in caught.value.message + caught.value.hint


def test_a_repository_that_is_somebody_elses(hub: Hub) -> None:
    with pytest.raises(BootstrapError, match="does not take the login of ben-hub") as caught:
        AtDagshub(hub, BEN, "ben-hub").steps(record_of(hub), None)
    assert "Is there a repository ana/course" in caught.value.hint
    with pytest.raises(BootstrapError, match="does not take"):
        require_login(replace(hub, repository="ana/other"), ANA, "ana-hub")


def test_a_service_that_is_not_there() -> None:
    with pytest.raises(BootstrapError, match="cannot be reached") as caught:
        Dagshub(Hub("http://127.0.0.1:9", "ana/course"), ANA).user()
    assert ANA not in caught.value.message
    assert "urlopen" not in caught.value.message


# --- the DVC remote ---


@pytest.fixture
def project(tmp_path: Path, home: Path) -> Project:
    folder = tmp_path / "course"
    folder.mkdir()
    project = Project(folder, Spec.default("demo"), dict(os.environ), home)
    git(project, "init", "--quiet")
    (folder / ".dvc").mkdir()
    (folder / ".dvc" / ".gitignore").write_text("/config.local\n/tmp\n/cache\n")
    return project


def git(project: Project, *words: str) -> str:
    done = subprocess.run(["git", *words], cwd=project.folder, check=True, capture_output=True, text=True)
    return done.stdout


def snapshot(project: Project) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in (project.folder / ".dvc").iterdir() if path.is_file()}


def written(project: Project, record: Record, token: str | None = ANA) -> tuple[Laptop, Record]:
    laptop = laptops.look_around(project)
    laptops.check_hub(project, laptop, hub_of(record.mlflow_tracking_uri))
    return laptop, laptops.write_remote(project, laptop, record, Story(), token)


CONFIGS = {
    "nothing": (None, None),
    "empty": ("", ""),
    "another remote": ("[core]\n    remote = mine\n['remote \"mine\"']\n    url = /data\n", None),
    "no last newline": ("['remote \"mine\"']\n    url = /data", "['remote \"mine\"']\n    password = s3cr=t  # my own"),
    "line ends of Windows": ("['remote \"mine\"']\r\n    url = /data\r\n", "['core']\r\n    check_update = false\r\n"),
}


@pytest.mark.parametrize(("config", "local"), CONFIGS.values(), ids=CONFIGS.keys())
def test_dvc_reads_the_remote_and_the_token(project: Project, hub: Hub, config: str | None, local: str | None) -> None:
    for name, text in (("config", config), ("config.local", local)):
        if text is not None:
            (project.folder / ".dvc" / name).write_bytes(text.encode())
    from dvc.config import Config

    written(project, record_of(hub))
    found = Config(str(project.folder / ".dvc"), validate=False)["remote"]["dagshub"]
    assert {name: found[name] for name in ("url", "endpointurl", "access_key_id", "secret_access_key")} == {
        "url": "s3://dvc",
        "endpointurl": hub.s3_endpoint,
        "access_key_id": ANA,
        "secret_access_key": ANA,
    }
    personal = project.folder / ".dvc" / "config.local"
    assert stat.S_IMODE(personal.stat().st_mode) == 0o600
    assert ANA not in (project.folder / ".dvc" / "config").read_text()
    assert ".dvc/config.local" not in git(project, "status", "--porcelain", "--untracked-files=all")
    assert (local or "") in personal.read_bytes().decode()


@pytest.mark.parametrize(("config", "local"), CONFIGS.values(), ids=CONFIGS.keys())
def test_what_is_put_in_comes_out_again(project: Project, hub: Hub, config: str | None, local: str | None) -> None:
    for name, text in (("config", config), ("config.local", local)):
        if text is not None:
            (project.folder / ".dvc" / name).write_bytes(text.encode())
    before = snapshot(project)
    laptop = laptops.look_around(project)
    plain = laptops.write_remote(project, laptop, replace(record_of(hub), mlflow_kind="none"), Story())
    without_hub = snapshot(project)

    laptop, record = written(project, replace(record_of(hub), **ours(plain)))
    once = snapshot(project)
    assert written(project, record)[1] == record
    assert snapshot(project) == once, "a second time the same changes nothing"
    _, again = written(project, replace(record, mlflow_kind="none"))
    assert again.dagshub_remote is None
    assert snapshot(project) == without_hub, "an environment that goes elsewhere takes its lines along"

    _, record = written(project, replace(record_of(hub), **ours(plain)))
    gone = laptops.take_out(project, laptop, record)
    assert "the DVC remote dagshub" in gone.gone
    left = snapshot(project)
    assert left.get("config.local") == before.get("config.local")
    assert ANA.encode() not in b"".join(left.values())


def ours(record: Record) -> dict[str, Any]:
    names = ("dvc_repository", "dvc_default_before", "dvc_autostage_before")
    return {name: getattr(record, name) for name in names}


def test_a_new_token_takes_the_old_ones_place(project: Project, hub: Hub, server: HubServer) -> None:
    laptop, record = written(project, record_of(hub))
    assert not any("dagshub" in step.what for step in laptops.steps(laptop, record, True, ANA))
    assert any("the DVC remote dagshub" in step.what for step in laptops.steps(laptop, record, True, "c" * 40))
    written(project, record, "c" * 40)
    personal = (project.folder / ".dvc" / "config.local").read_text()
    assert personal.count("c" * 40) == 2
    assert ANA not in personal


def test_a_remote_that_a_teammate_committed_stays(project: Project, hub: Hub) -> None:
    text = f"['remote \"dagshub\"']\n    url = s3://dvc\n    endpointurl = {hub.s3_endpoint}\n"
    (project.folder / ".dvc" / "config").write_text(text)
    laptop, record = written(project, record_of(hub))
    laptops.take_out(project, laptop, record)
    assert hub.s3_endpoint in (project.folder / ".dvc" / "config").read_text()
    assert not (project.folder / ".dvc" / "config.local").exists()


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("config", "['remote \"dagshub\"']\n    url = s3://dvc\n    endpointurl = https://dagshub.com/ana/other.s3\n"),
        ("config.local", "['remote \"dagshub\"']\n    access_key_id = mine\n"),
    ],
)
def test_somebodys_own_remote_of_that_name(project: Project, hub: Hub, name: str, text: str) -> None:
    (project.folder / ".dvc" / name).write_text(text)
    with pytest.raises(ConfigError, match="has a DVC remote 'dagshub' that this tool did not write") as caught:
        written(project, record_of(hub))
    assert "dvc remote rename dagshub" in caught.value.hint
    assert (project.folder / ".dvc" / name).read_text() == text


@pytest.mark.parametrize("first", ["stag", "devl"])
def test_two_environments_of_one_repository_share_it(project: Project, hub: Hub, first: str) -> None:
    laptop, stag = written(project, record_of(hub))
    project.save(stag)
    _, devl = written(project, record_of(hub, "devl"))
    project.save(devl)
    gone, last = (stag, devl) if first == "stag" else (devl, stag)
    assert "the DVC remote dagshub" not in laptops.take_out(project, laptop, gone).gone
    (project.env_folder(gone.env) / "record.json").unlink()
    assert ANA in (project.folder / ".dvc" / "config.local").read_text()
    assert "the DVC remote dagshub" in laptops.take_out(project, laptop, last).gone
    assert not (project.folder / ".dvc" / "config.local").exists()


# --- workflows on GitHub ---


def test_workflows_log_in_as_who_brought_the_token(project: Project, hub: Hub) -> None:
    spec = parse_spec('project = "demo"\n[github]\nrepository = "ana/course"\n', "bootstrap.toml")
    place = Place("aws", Names("demo", "stag", "123456789012"), Aws("us-east-1"), None, False, False)
    site = SimpleNamespace(env="stag", branch="stag", scope="environment", reviewers={})
    found = wanted(replace(project, spec=spec), place, record_of(hub), cast(Site, site), None, ANA)
    assert found.secrets() == {"MLFLOW_TRACKING_USERNAME": "ana-hub", "MLFLOW_TRACKING_PASSWORD": ANA}
    assert found.variables["MLFLOW_TRACKING_URI"] == hub.tracking_uri


# --- people, who come in and go on DagsHub itself ---


def test_what_only_the_repositorys_owner_can_do(hub: Hub) -> None:
    record = record_of(hub)
    told = by_hand(record, ["ana", "bia"], comes=True)
    assert told is not None
    assert told.endswith("let them into ana/course there (Settings, Collaboration): ana, bia.")
    many = by_hand(record, [f"s{number}" for number in range(40)], comes=False)
    assert many is not None
    assert many.endswith("take them out of ana/course there (Settings, Collaboration): these 40 people.")
    assert by_hand(record, [], comes=True) is None
    assert by_hand(replace(record, mlflow_kind="ec2", mlflow_tracking_uri="https://x.org"), ["ana"], comes=True) is None
