"""What every command about people begins with: the environment as it is up, its members, its MLflow."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from bootstrap.adapters.aws import buckets
from bootstrap.adapters.mlflow_api import MlflowApi, UnknownMlflow
from bootstrap.adapters.process import Jobs
from bootstrap.core.record import Record
from bootstrap.errors import BootstrapError
from bootstrap.workflows import provision
from bootstrap.workflows.guard import Run, guarded
from bootstrap.workflows.history import Chronicle, chronicled
from bootstrap.workflows.mlflow_kinds import server_up
from bootstrap.workflows.parallel import Side
from bootstrap.workflows.project import Project
from bootstrap.workflows.provision import Provisioner
from bootstrap.workflows.registry import Registry, open_registry
from bootstrap.workflows.story import Story
from bootstrap.workflows.target import Place, reach


@dataclass(frozen=True)
class Counter:
    """An environment that is up, open for work on its people. `mlflow` is None without a server.

    Whoever changes something says so to `chronicle` first.
    """

    project: Project
    record: Record
    place: Place
    registry: Registry
    mlflow: MlflowApi | None
    run: Run
    jobs: Jobs
    side: Side
    story: Story
    chronicle: Chronicle

    def provisioner(self) -> Provisioner:
        """Return Terraform for the members as the registry has them now."""
        tools = provision.find_tools(self.project, self.story)
        membership = self.registry.membership
        return provision.prepare(self.project, self.place, tools, self.jobs, self.run, membership=membership)


@contextmanager
def open_counter(
    project: Project, env: str, profile: str | None, command: str, story: Story, *, keys_first: bool = False
) -> Iterator[Counter]:
    """Hold an environment for work on its people.

    With `keys_first`, an MLflow that nobody can administer now is told of when it is asked for something, and holds up
    nothing that comes before. Raises BootstrapError if it is not up, not whole, or was lost with its emulator.
    """
    record = project.require_record(env)
    project = project.as_recorded(record)
    jobs = Jobs()
    with (
        guarded(project.env_folder(env), env, command, story) as run,
        chronicled(command, story, run) as chronicle,
        Side(jobs, story) as side,
    ):
        record = project.require_record(env)  # a run that we waited for may have changed it
        place = reach_people(project, record, profile, story)
        chronicle.reached(place)
        provision.clear_stale_locks(place, run, story)
        registry = open_registry(project, place, story)
        try:
            api = mlflow_admin(project, place, record)
        except BootstrapError as error:
            if not keys_first:
                raise
            api = UnknownMlflow(record.mlflow_tracking_uri or "", "", "", error)
        yield Counter(project, record, place, registry, api, run, jobs, side, story, chronicle)


def reach_people(project: Project, record: Record, profile: str | None, story: Story) -> Place:
    """Reach an environment that is up and whole. Raises BootstrapError if it is not."""
    local_option = " --local" if record.target == "local" else ""
    again = f"bootstrap up --env {record.env}{local_option}"
    place = reach(project, record, profile, story)
    if place is None:
        raise BootstrapError(
            f"The emulator that '{record.env}' lives in is not running.",
            hint=f"`{again}` starts it and builds the environment anew; what it held is gone.",
        )
    if not buckets.exists(place.aws, record.state_bucket, record.account_id):
        raise BootstrapError(f"Nothing of '{record.env}' is there any more.", hint=f"`{again}` builds it anew.")
    if not record.complete:
        raise BootstrapError(f"The last `up` of '{record.env}' did not end well.", hint=f"First run `{again}`.")
    return place


def mlflow_admin(project: Project, place: Place, record: Record) -> MlflowApi | None:
    """Return the environment's MLflow as its administrator, started if need be; None without a server of ours."""
    return server_up(project, place, record).administrator(record)
