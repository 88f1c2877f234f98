"""The local target: an emulator for the folder, an MLflow server for each environment, and who may talk to them."""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from bootstrap.adapters import process, servers
from bootstrap.adapters.aws import people
from bootstrap.adapters.aws.session import Aws, KeyPair
from bootstrap.adapters.emulator import Emulator
from bootstrap.adapters.files import locked, read_text, write_atomic
from bootstrap.adapters.mlflow import MlflowServer
from bootstrap.adapters.process import ProcessId, free_port
from bootstrap.core.names import environment_problem
from bootstrap.workflows.project import WORK, Project
from bootstrap.workflows.story import Story

OPERATOR = "bootstrap-operator"
OPERATOR_PATH = "/bootstrap-local/"
_START_SECONDS = 120.0
# Below what systems hand out by themselves (32768 on Linux, 49152 elsewhere), above the well-known ones.
_FIRST_PORT, _PORT_RANGE, _PORTS_EACH = 20000, 10000, 20
_FIRST_SLOTS = 10
# What a server is, in its mark. Behind the second one comes the environment's name.
_EMULATOR, _MLFLOW = "emulator", "mlflow "


@dataclass(frozen=True)
class LocalAws:
    """The emulator with its operator. `started` tells whether this command had to start it."""

    server: servers.Server
    operator: KeyPair
    started: bool

    def aws(self, region: str) -> Aws:
        """Return the emulator as its operator sees it."""
        return Aws(region=region, endpoint_url=self.server.url, key=self.operator)


@dataclass(frozen=True)
class LostServer:
    """A server of this folder that runs though its record is gone. `env` is None for the emulator."""

    process: ProcessId
    env: str | None

    @property
    def what(self) -> str:
        """It in words."""
        what = "the AWS emulator" if self.env is None else f"the MLflow server of {self.env}"
        return f"{what} (process {self.process.pid})"


def ensure_emulator(project: Project, story: Story, *, port: int | None = None) -> LocalAws:
    """Return the folder's emulator, started if need be, with permission checks on.

    Raises ToolMissing without the `local` extra, BootstrapError if it does not start.
    """
    emulator = Emulator(project.local)
    project.make_work()
    with locked(project.local / "emulator", timeout=_START_SECONDS):
        if found := running_emulator(project):
            return found
        with story.step("Starting the AWS emulator"):
            environ = {**project.environ, **servers.mark(project.folder, _EMULATOR)}
            server = _start(emulator, port or _preferred_port(project), environ)
            region = project.spec.region
            operator = people.create_operator(Aws(region, server.url, key=_ANYBODY), OPERATOR, OPERATOR_PATH)
            content = {"instance": server.instance, "id": operator.id, "secret": operator.secret}
            write_atomic(project.local / "operator.json", json.dumps(content) + "\n", mode=0o600)
            emulator.enforce_permissions(server)
        return LocalAws(server, operator, started=True)


def _start(emulator: Emulator, port: int, environ: Mapping[str, str]) -> servers.Server:
    """Start it on the first free port from `port` on; on the next one if another program comes there first."""
    try:
        return emulator.start(free_port(port), environ)
    except servers.PortTaken:
        return emulator.start(free_port(port), environ)


# Until its permission checks are on, the emulator takes any key.
_ANYBODY = KeyPair("anybody", "anything")


def running_emulator(project: Project) -> LocalAws | None:
    """Return the folder's emulator if it runs and its operator is known."""
    server = Emulator(project.local).running()
    text = read_text(project.local / "operator.json")
    if server is None or text is None:
        return None
    try:
        content = json.loads(text)
        known = content["instance"] == server.instance
        operator = KeyPair(content["id"], content["secret"])
    except (ValueError, KeyError, TypeError):
        return None
    return LocalAws(server, operator, started=False) if known else None


def mlflow_server(project: Project, env: str) -> MlflowServer:
    """Return the MLflow server of an environment, running or not."""
    return MlflowServer(project.env_folder(env) / "mlflow")


def mlflow_url(project: Project, env: str) -> str:
    """Return where the environment's MLflow server listens, or will listen if it is started now."""
    return f"http://127.0.0.1:{_mlflow_port(project, env)}"


def ensure_mlflow(project: Project, env: str, bucket: str, local: LocalAws) -> servers.Server:
    """Return the environment's MLflow server, started (not waited for) if need be.

    One that was started against an emulator that is gone would hold a dead key, and is started anew.
    """
    server = mlflow_server(project, env)
    with locked(server.folder / "start", timeout=_START_SECONDS):
        found = server.running()
        if found is not None and found.instance == local.server.instance:
            return found
        if found is not None:
            server.stop()
        operator = local.aws(project.spec.region)
        # What people log reaches S3 through the server, so the server reaches no more than what is MLflow's.
        key = people.create_artifact_store(operator, _artifact_user(env), OPERATOR_PATH, bucket)
        aws = operator.with_key(key)
        environ = {k: v for k, v in project.environ.items() if k not in aws.displaced_variables()}
        environ |= aws.credentials_environment(project.environ) | servers.mark(project.folder, f"{_MLFLOW}{env}")
        return server.start(
            port=_mlflow_port(project, env), bucket=bucket, instance=local.server.instance, environ=environ
        )


def stop_mlflow(project: Project, env: str) -> bool:
    """Stop an environment's MLflow server; its data stays. False if it was not running."""
    return mlflow_server(project, env).stop()


def remove_artifact_user(env: str, emulator: LocalAws, region: str) -> None:
    """Remove the user as which an environment's MLflow server reached S3."""
    people.delete_user(emulator.aws(region), _artifact_user(env))


def _artifact_user(env: str) -> str:
    return f"mlflow.{env}"


def emulator_runs(project: Project) -> bool:
    """Tell whether the folder's emulator runs, even if nobody has its operator's key any more."""
    return Emulator(project.local).running() is not None


def port_for_emulator(project: Project) -> tuple[int, int]:
    """Return the port that the folder's emulator likes best, and the one that it would get if it were started now."""
    wanted = _preferred_port(project)
    return wanted, free_port(wanted)


def stop_emulator(project: Project) -> bool:
    """Stop the folder's emulator; all that it held is gone. False if it was not running."""
    with locked(project.local / "emulator", timeout=_START_SECONDS):
        stopped = Emulator(project.local).stop()
        (project.local / "operator.json").unlink(missing_ok=True)
    return stopped


def lost_servers(project: Project) -> list[LostServer]:
    """Return the servers of this folder that run with nobody knowing of them, as after `rm -rf .bootstrap`.

    One whose record lies where it was started is not lost, even if that folder has another name by now.
    """
    return [lost for one in servers.marked(project.folder) if (lost := _lost(project, one)) is not None]


def stop_lost(project: Project, lost: Iterable[LostServer]) -> list[LostServer]:
    """Stop such servers; return those that ran. What the emulator held is gone."""
    return [one for one in lost if _stop_lost(project, one)]


def meet_lost(project: Project, story: Story, *, sure: bool) -> None:
    """Stop the lost servers of this folder, and say so; as long as somebody is still to be asked, only tell of them."""
    lost = lost_servers(project)
    if lost and not sure:
        names = ", ".join(one.what for one in lost)
        story.note(f"Running for this folder, though its record is gone: {names}. After a yes it is stopped.")
    elif stopped := stop_lost(project, lost):
        names = ", ".join(one.what for one in stopped)
        story.note(f"Stopped what ran for this folder though its record was gone, as after `rm -rf {WORK}`: {names}.")


def _lost(project: Project, one: servers.Marked) -> LostServer | None:
    env = one.role.removeprefix(_MLFLOW) if one.role.startswith(_MLFLOW) else None
    known = one.role == _EMULATOR if env is None else not environment_problem(env)
    if not known:
        return None  # of a version that has other servers
    lost = LostServer(one.process, env)
    places = [_home(project, lost), *([one.cwd] if one.cwd else [])]
    return None if any(_is_recorded(lost, place) for place in places) else lost


def _stop_lost(project: Project, one: LostServer) -> bool:
    # As its start: between the moment when a server runs and the one when it is recorded it only looks lost.
    with locked(_home(project, one) / ("emulator" if one.env is None else "start"), timeout=_START_SECONDS):
        return not _is_recorded(one, _home(project, one)) and process.stop(one.process)


def _home(project: Project, one: LostServer) -> Path:
    return project.local if one.env is None else mlflow_server(project, one.env).folder


def _is_recorded(one: LostServer, folder: Path) -> bool:
    record = Emulator(folder).record if one.env is None else MlflowServer(folder).record
    found = servers.recorded(record)
    return found is not None and found.process.pid == one.process.pid and found.alive


def _mlflow_port(project: Project, env: str) -> int:
    """Return the port in use, else the one of the last time if it is free, else another near by."""
    server = mlflow_server(project, env)
    if running := server.running():
        return running.port
    before = server.recorded()
    return free_port(before.port if before else _preferred_port(project) + 1 + zlib.crc32(env.encode()) % _FIRST_SLOTS)


def _preferred_port(project: Project) -> int:
    """Return a port that is the same for this folder every time, so that profiles stay true after a restart."""
    slot = zlib.crc32(str(project.folder.resolve()).encode()) % (_PORT_RANGE // _PORTS_EACH)
    return _FIRST_PORT + slot * _PORTS_EACH
