"""`local start|stop|status`: the background servers of one folder."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from bootstrap.adapters import servers
from bootstrap.adapters.aws import buckets
from bootstrap.adapters.emulator import Emulator
from bootstrap.core.record import Record
from bootstrap.errors import BootstrapError
from bootstrap.workflows import local
from bootstrap.workflows.project import Project
from bootstrap.workflows.story import Story


@dataclass(frozen=True)
class ServerStatus:
    """One background server: running, starting (it does not answer yet), stopped or lost (its record is gone)."""

    name: str
    state: str
    url: str | None
    pid: int | None
    log: str

    def as_dict(self) -> dict[str, Any]:
        """Return it for `--json`."""
        return asdict(self)


def start(project: Project, story: Story) -> list[ServerStatus]:
    """Start the emulator and the MLflow server of every local environment that was brought up here.

    What ran for this folder with its record lost is stopped first.
    """
    local.meet_lost(project, story, sure=True)
    emulator = local.ensure_emulator(project, story)
    for record in _with_mlflow(project):
        server = local.ensure_mlflow(project, record.env, record.bucket, emulator)
        with story.step(f"Starting the MLflow server of {record.env}"):
            local.mlflow_server(project, record.env).wait(server)
    if emulator.started and _local_records(project):
        envs = ", ".join(record.env for record in _local_records(project))
        story.note(f"The emulator is new and empty. `bootstrap up --env … --local` builds again: {envs}.")
    return status(project)


def stop(project: Project) -> list[str]:
    """Stop what was started in this folder; return what that was."""
    stopped = [
        f"MLflow of {record.env}" for record in _local_records(project) if local.stop_mlflow(project, record.env)
    ]
    if local.stop_emulator(project):
        stopped.append("the AWS emulator")
    lost = local.stop_lost(project, local.lost_servers(project))
    return stopped + [f"{one.what}, whose record was lost" for one in lost]


def what_stopping_loses(project: Project) -> str:
    """Say which files are in the emulator's memory, or nothing if there are none."""
    emulator = local.running_emulator(project)
    if emulator is None:
        return ""
    lost = []
    for record in _local_records(project):
        try:
            count, size = buckets.count_objects(emulator.aws(record.region), record.bucket)
        except BootstrapError:
            continue
        if count:
            lost.append(f"{count} files ({size:,} bytes) in {record.bucket}")
    return ", ".join(lost)


def status(project: Project) -> list[ServerStatus]:
    """Return every server of this folder, running or not."""
    emulator = Emulator(project.local)
    found = [_status("AWS emulator", servers.recorded(emulator.record), "/moto-api/", str(emulator.log))]
    for record in _with_mlflow(project):
        server = local.mlflow_server(project, record.env)
        found.append(_status(f"MLflow ({record.env})", server.recorded(), "/health", str(server.log)))
    for one in local.lost_servers(project):
        name = "AWS emulator" if one.env is None else f"MLflow ({one.env})"
        found.append(ServerStatus(name, "lost", None, one.process.pid, "-"))
    return found


def _status(name: str, server: servers.Server | None, path: str, log: str) -> ServerStatus:
    if server is None or not server.alive:
        return ServerStatus(name, "stopped", None, None, log)
    state = "running" if servers.answers(server.url + path) else "starting"
    return ServerStatus(name, state, server.url, server.pid, log)


def _local_records(project: Project) -> list[Record]:
    return [record for record in project.recorded() if record.target == "local"]


def _with_mlflow(project: Project) -> list[Record]:
    return [record for record in _local_records(project) if record.mlflow_tracking_uri]
