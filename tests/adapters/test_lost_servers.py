"""Servers of a folder that run though their record is gone are found by their mark, and nothing that looks like one is.

Where it does not matter what a server serves, a Python that sleeps stands in for it, with the mark of a real one.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest
from click.testing import CliRunner, Result

from bootstrap.adapters import process, servers
from bootstrap.adapters.emulator import Emulator
from bootstrap.adapters.process import Call, ProcessId
from bootstrap.cli import cli
from bootstrap.core.record import MlflowKind, Record
from bootstrap.core.spec import Spec
from bootstrap.workflows import local, local_servers
from bootstrap.workflows.mlflow_server import outlived_on_laptop
from bootstrap.workflows.project import Project
from tests.adapters.doubles import Story

SLEEPS = (sys.executable, "-c", "import time; time.sleep(600)")
HAS_A_CHILD = (sys.executable, "-c", "import subprocess, sys; subprocess.run(sys.argv[1:])", *SLEEPS)

pytestmark = pytest.mark.skipif(os.name != "posix", reason="the stand-ins are started as on POSIX")


Start = Callable[..., ProcessId]


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Project]:
    """A folder `course`, in which the commands are typed; nothing of it runs any more afterwards."""
    folder = tmp_path / "course"
    folder.mkdir()
    monkeypatch.chdir(folder)
    found = Project(folder, Spec.default("course"), dict(os.environ), tmp_path)
    yield found
    local_servers.stop(found)


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Start a stand-in with a mark, in a folder; it is ended after the test."""
    begun: list[ProcessId] = []

    def run(folder: Path, role: str, *, cwd: Path = tmp_path, argv: tuple[str, ...] = SLEEPS, **more: str) -> ProcessId:
        cwd.mkdir(parents=True, exist_ok=True)
        call = Call(argv, cwd=cwd, env={**os.environ, **servers.mark(folder, role), **more})
        one = process.spawn_background(call, tmp_path / f"{len(begun)}.log", lambda _: None)
        begun.append(one)
        # A shell waits for us and becomes the program, and in that very moment it has no environment.
        seen, deadline = psutil.Process(one.pid), time.monotonic() + 30
        while not (tuple(seen.cmdline()) == argv and seen.environ()) and time.monotonic() < deadline:
            time.sleep(0.01)
        return one

    yield run
    for one in begun:
        process.stop(one)


def lost(project: Project) -> list[tuple[int, str | None]]:
    return sorted((one.process.pid, one.env) for one in local.lost_servers(project))


def record(path: Path, server: ProcessId) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    content = {"pid": server.pid, "created": server.created, "port": 1, "instance": "x"}
    path.write_text(json.dumps(content))


def bootstrap(*words: str) -> Result:
    return CliRunner().invoke(cli, list(words))


# --- what is one ---


def test_each_is_found_once_with_what_it_is(project: Project, start: Start) -> None:
    emulator = start(project.folder, "emulator", argv=HAS_A_CHILD)
    mlflow = start(project.folder, "mlflow stag")
    assert lost(project) == sorted([(emulator.pid, None), (mlflow.pid, "stag")])
    link = project.folder.with_name("link")
    link.symlink_to(project.folder)
    assert len(lost(Project(link, project.spec, {}, project.home))) == 2


def test_what_only_looks_like_one_is_none(project: Project, start: Start) -> None:
    other = project.folder.with_name("course-2")
    for folder in (other, project.folder / "inner", project.folder.parent, Path(f"{project.folder}x")):
        start(folder, "emulator")
    start(project.folder, "emulator", BOOTSTRAP_SERVER_OF=f"{project.folder}/")
    start(project.folder, "emulator", BOOTSTRAP_SERVER_OF=str(project.folder).upper())
    start(project.folder, "something else")
    start(project.folder, "mlflow ../../x")
    start(project.folder, "emulator", BOOTSTRAP_SERVER_OF="", OTHER_SERVER_OF=str(project.folder))
    start(other, "emulator", argv=(*SLEEPS, f"BOOTSTRAP_SERVER_OF={project.folder}"))
    assert lost(project) == []


def test_one_that_is_recorded_is_not_lost(project: Project, start: Start) -> None:
    emulator, mlflow = start(project.folder, "emulator"), start(project.folder, "mlflow stag")
    record(project.local / "emulator.json", emulator)
    record(project.env_folder("stag") / "mlflow" / "server.json", mlflow)
    assert lost(project) == []
    # That of another one says nothing of this one.
    record(project.local / "emulator.json", mlflow)
    assert lost(project) == [(emulator.pid, None)]


def test_those_of_a_folder_that_was_moved_are_not_those_of_a_new_one_in_its_place(
    project: Project, start: Start
) -> None:
    emulator = start(project.folder, "emulator", cwd=project.local)
    record(project.local / "emulator.json", emulator)
    project.folder.rename(project.folder.with_name("moved"))
    project.folder.mkdir()
    assert lost(project) == []
    shutil.rmtree(project.folder.with_name("moved") / ".bootstrap")
    assert lost(project) == [(emulator.pid, None)]


def test_a_process_whose_environment_cannot_be_read_is_not_ours(
    project: Project, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    start(project.folder, "emulator")

    def denied(_: psutil.Process) -> dict[str, str]:
        raise psutil.AccessDenied

    monkeypatch.setattr(psutil.Process, "environ", denied)
    assert lost(project) == []


@pytest.mark.skipif(os.name != "posix" or os.geteuid() != 0, reason="only root can start one as somebody else")
def test_a_process_of_another_user_is_not_ours(project: Project, start: Start) -> None:
    mark = servers.mark(project.folder, "emulator")
    with subprocess.Popen(("/bin/sleep", "600"), env={**os.environ, **mark}, user=65534) as theirs:
        try:
            assert lost(project) == []
            assert process.carriers("BOOTSTRAP_SERVER_OF", str(project.folder)) == []
        finally:
            theirs.kill()


def test_a_command_does_not_find_itself_or_who_started_it(project: Project) -> None:
    ask = "import sys; from bootstrap.adapters import process; print(process.carriers(*sys.argv[1:]))"
    inner = (sys.executable, "-c", ask, "BOOTSTRAP_SERVER_OF", str(project.folder))
    outer = "import subprocess, sys; raise SystemExit(subprocess.run(sys.argv[1:]).returncode)"
    env = {**os.environ, **servers.mark(project.folder, "emulator"), "PYTHONPATH": os.pathsep.join(sys.path)}
    done = process.run(Call((sys.executable, "-c", outer, *inner), env=env))
    assert (done.stdout.strip(), done.returncode) == ("[]", 0), done.stderr


# --- what becomes of one ---


def test_local_stop_stops_them_with_all_they_started_and_nothing_else(project: Project, start: Start) -> None:
    emulator = start(project.folder, "emulator", argv=HAS_A_CHILD)
    mlflow = start(project.folder, "mlflow stag")
    bystander = start(project.folder.with_name("course-2"), "emulator")
    shown = bootstrap("local", "status")
    assert [line.split()[-3:-1] for line in shown.stdout.splitlines() if "lost" in line] == [
        ["-", str(pid)] for pid, _ in lost(project)
    ]
    done = bootstrap("local", "stop", "--yes")
    assert done.exit_code == 0, done.output
    assert f"the AWS emulator (process {emulator.pid}), whose record was lost" in done.stdout
    assert f"the MLflow server of stag (process {mlflow.pid}), whose record was lost" in done.stdout
    assert not process.is_alive(emulator)
    assert not process.is_alive(mlflow)
    assert process.is_alive(bystander)
    assert lost(project) == []
    assert bootstrap("local", "stop").stdout == "Nothing was running.\n"


def test_a_sweep_shows_them_and_stops_them_only_after_a_yes(project: Project, start: Start) -> None:
    emulator, mlflow = start(project.folder, "emulator"), start(project.folder, "mlflow stag")
    bystander = start(project.folder.with_name("course-2"), "emulator")
    shown = bootstrap("sweep", "--local", "--json")
    assert shown.exit_code == 4
    things = {one["arn"]: one for one in json.loads(shown.stdout)["things"]}
    assert set(things) == {f"process {emulator.pid}", f"process {mlflow.pid}"}
    assert things[f"process {mlflow.pid}"]["env"] == "stag"
    assert {one["mark"] for one in things.values()} == {"mark"}
    assert {one["command"] for one in things.values()} == {"bootstrap sweep --local --delete"}
    of_one = json.loads(bootstrap("sweep", "--env", "stag", "--local", "--json").stdout)["things"]
    assert [one["arn"] for one in of_one] == [f"process {mlflow.pid}"]
    assert process.is_alive(emulator)
    done = bootstrap("sweep", "--local", "--delete", "--yes")
    assert done.exit_code == 0, done.output
    assert "Removed 2 things" in done.stdout
    assert [process.is_alive(one) for one in (emulator, mlflow, bystander)] == [False, False, True]
    assert not project.work.exists()


def test_as_long_as_somebody_is_still_to_be_asked_they_are_only_told_of(project: Project, start: Start) -> None:
    emulator, story = start(project.folder, "emulator"), Story()
    local.meet_lost(project, story, sure=False)
    assert process.is_alive(emulator)
    local.meet_lost(project, story, sure=True)
    assert not process.is_alive(emulator)
    local.meet_lost(project, story, sure=True)
    assert [note.split()[0] for note in story.notes] == ["Running", "Stopped"]


def test_one_that_is_recorded_by_now_is_let_live(project: Project, start: Start) -> None:
    emulator = start(project.folder, "emulator")
    seen = local.lost_servers(project)
    record(project.local / "emulator.json", emulator)
    assert local.stop_lost(project, seen) == []
    assert process.is_alive(emulator)


def test_a_number_that_another_process_has_by_now_is_left_alone(project: Project, start: Start) -> None:
    other = start(project.folder.with_name("course-2"), "emulator")
    seen = local.LostServer(ProcessId(other.pid, other.created - 60), None)
    assert local.stop_lost(project, [seen]) == []
    assert process.is_alive(other)


def test_a_real_emulator_is_found_after_its_folder_was_deleted(project: Project) -> None:
    story = Story()
    first = local.ensure_emulator(project, story)
    assert lost(project) == []
    shutil.rmtree(project.work)
    assert lost(project) == [(first.server.pid, None)]
    local_servers.start(project, story)
    second = servers.recorded(Emulator(project.local).record)
    assert second is not None
    assert not first.server.alive
    assert second.alive
    # It has the port that everybody's profile names.
    assert second.port == first.server.port
    assert story.notes == [
        "Stopped what ran for this folder though its record was gone, as after `rm -rf .bootstrap`: "
        f"the AWS emulator (process {first.server.pid})."
    ]
    assert lost(project) == []


@pytest.mark.parametrize(("kind", "outlived"), [("laptop", False), ("none", True)])
def test_a_server_that_bootstrap_toml_no_longer_asks_for_is_seen(
    kind: MlflowKind, outlived: bool, project: Project, start: Start
) -> None:
    """Then `up` stops it, and says so before."""
    found = Record(
        *("course", "stag", "local", "us-east-1", "123456789012", None, "b", "s", "course-stag", "s3://b/dvc/ci"),
        mlflow_kind=kind,
    )
    assert not outlived_on_laptop(project, found), "nothing runs"
    record(local.mlflow_server(project, "stag").record, start(project.folder, "mlflow stag"))
    assert outlived_on_laptop(project, found) is outlived
