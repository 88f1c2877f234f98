"""What is up, and how it is."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from datetime import date
from typing import Any, Literal

from bootstrap.adapters.aws import buckets, people
from bootstrap.adapters.process import Jobs
from bootstrap.core.last_day import is_past
from bootstrap.core.plan import steps_from_terraform
from bootstrap.core.record import Record
from bootstrap.errors import BootstrapError
from bootstrap.workflows import laptop as laptops
from bootstrap.workflows import provision
from bootstrap.workflows.guard import guarded
from bootstrap.workflows.kept import KeptBucket, kept_buckets
from bootstrap.workflows.mlflow_server import is_healthy
from bootstrap.workflows.parallel import Side
from bootstrap.workflows.prepare import login
from bootstrap.workflows.project import Project
from bootstrap.workflows.registry import open_registry
from bootstrap.workflows.story import Story
from bootstrap.workflows.target import Place, reach

Up = Literal["up", "incomplete", "lost", "unreachable", "down"]


@dataclass(frozen=True)
class EnvironmentStatus:
    """One environment. Nothing that is not known is guessed: it is None.

    `state`: up; incomplete (an `up` did not end); lost (the emulator was restarted); unreachable; down.
    `drift`: what differs from what `up` made, if that was asked for. `kept`: what `down --keep-data` left of it.
    """

    env: str
    state: Up
    target: str | None = None
    bucket: str | None = None
    members: int | None = None
    mlflow_url: str | None = None
    mlflow_healthy: bool | None = None
    expires: str | None = None
    expired: bool | None = None
    drift: list[str] | None = None
    why: str | None = None
    kept: tuple[KeptBucket, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """Return it for `--json`."""
        return asdict(self)


def status(project: Project, env: str | None, story: Story, *, drift: bool, today: date) -> list[EnvironmentStatus]:
    """Return the status of one environment, or of all that the file, this folder or a kept bucket's receipt knows.

    `today` is the day in UTC. Raises ConfigError for an environment that nothing of these knows.
    """
    kept = kept_buckets(project, story)
    if env is not None:
        if project.record(env) is None and all(one.env != env for one in kept):
            project.spec.environment(env)
        names = [env]
    else:
        recorded = [record.env for record in project.recorded()]
        names = list(dict.fromkeys([*project.spec.environments, *recorded, *(one.env for one in kept)]))
    found = [_one(project, name, story, drift=drift, today=today) for name in names]
    return [replace(each, kept=tuple(one for one in kept if one.env == each.env)) for each in found]


def _one(project: Project, env: str, story: Story, *, drift: bool, today: date) -> EnvironmentStatus:
    table = project.spec.environments.get(env)
    expires = table.expires if table else None
    when = {
        "expires": expires.isoformat() if expires else None,
        "expired": is_past(expires, today) if expires else None,
    }
    record = project.record(env)
    if record is None:
        return EnvironmentStatus(env, "down", **when)  # type: ignore[arg-type]
    project = project.as_recorded(record)
    common: dict[str, Any] = when | {"target": record.target, "bucket": record.bucket}
    if record.mlflow_tracking_uri:
        common |= {"mlflow_url": record.mlflow_tracking_uri, "mlflow_healthy": _healthy(project, record)}
    try:
        place = reach(project, record, None, story)
        if place is None:
            return EnvironmentStatus(env, "lost", why="the emulator is not running", **common)
        if not buckets.exists(place.aws, record.bucket, record.account_id):
            state: Up = "lost" if record.complete else "incomplete"
            return EnvironmentStatus(env, state, why=f"the bucket {record.bucket} is not there", **common)
        common["members"] = len(people.users_on_path(place.aws, place.names.iam_path))
    except BootstrapError as error:
        return EnvironmentStatus(env, "unreachable", why=error.message, **common)
    if drift:
        common["drift"] = _drift(project, record, place, story)
    return EnvironmentStatus(env, "up" if record.complete else "incomplete", **common)


def _healthy(project: Project, record: Record) -> bool | None:
    if record.mlflow != "dagshub":
        return is_healthy(record)
    try:
        found = login(laptops.look_around(project), record)
        return found.login_works() if found is not None else None
    except BootstrapError:
        return False


def _drift(project: Project, record: Record, place: Place, story: Story) -> list[str]:
    """Ask Terraform what has changed since, both roots at once; nothing is changed by asking."""
    jobs = Jobs()
    with (
        guarded(project.env_folder(record.env), record.env, "status", story) as run,
        Side(jobs, story) as side,
        story.step(f"Comparing {record.env} with what was made"),
    ):
        membership = open_registry(project, place, story).membership
        tools = provision.find_tools(project, story)
        provisioner = provision.prepare(project, place, tools, jobs, run, membership=membership)
        streams = provision.planned(provision.plan_all(provisioner, side), side)
        found = [change for name in provision.ROOTS for change in streams[name].changes]
    steps = steps_from_terraform(found, {"bucket": record.bucket})
    return [f"{step.action}: {step.what}" for step in steps]
