"""The MLflow of an environment, whichever kind it is: where it is, who logs in there, what `up` has to do for it.

Here are what all kinds have in common, the one on this laptop, and none at all. `mlflow_machine` and `mlflow_dagshub`
have the others, `mlflow_kinds` chooses.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Literal, Protocol

from bootstrap.adapters import reachable, servers
from bootstrap.adapters.mlflow import MlflowServer
from bootstrap.adapters.mlflow_api import DEFAULT_EXPERIMENT, MlflowApi, new_password
from bootstrap.core.names import CI_MEMBER
from bootstrap.core.plan import Step
from bootstrap.core.record import MlflowKind, Record
from bootstrap.errors import BootstrapError
from bootstrap.workflows import local
from bootstrap.workflows.local import LocalAws
from bootstrap.workflows.mlflow_access import administrator
from bootstrap.workflows.project import Project
from bootstrap.workflows.story import Step as StoryStep
from bootstrap.workflows.story import Story

# What stands for an address that is known once Terraform has made the machine.
TO_COME = "https://(to come)"


class Server(Protocol):
    """What `up` and the commands about people need of an environment's MLflow."""

    @property
    def kind(self) -> MlflowKind:
        """Which of the kinds it is."""

    @property
    def waits_for_terraform(self) -> bool:
        """Whether it is made by Terraform, so that nothing can be done there before that has ended."""

    @property
    def given_password(self) -> str | None:
        """The password that the user brings; None where we make it."""

    def begin(self) -> None:
        """Start what takes a while, as soon as the answer is yes."""

    def drafted(self, record: Record) -> Record:
        """Return the record with what is known by now: the kind, address and name of the login, or what was known."""

    def located(self, record: Record, outputs: dict[str, Any]) -> Record:
        """Return the record with the address, once Terraform has ended and told its `outputs`."""

    def steps(self, record: Record, password: str | None) -> list[Step]:
        """Say what is to be done there, given the password that is written down here."""

    def admit(self, record: Record, password: str | None, story: Story, step: StoryStep) -> str | None:
        """Wait until it answers, and return the password of the login there: the one given, if that still works.

        May be called again after any interruption. Raises BootstrapError.
        """

    def administrator(self, record: Record) -> MlflowApi | None:
        """Return it as its administrator, once it answers; None where it has none of ours."""


@dataclass(frozen=True)
class Nowhere:
    """No MLflow."""

    kind: MlflowKind = "none"
    waits_for_terraform: bool = False
    given_password: str | None = None

    def begin(self) -> None:
        """There is nothing to start."""

    def drafted(self, record: Record) -> Record:
        """Return the record with no word of MLflow."""
        return replace(record, mlflow_kind="none", mlflow_tracking_uri=None, mlflow_username=None)

    def located(self, record: Record, outputs: dict[str, Any]) -> Record:  # noqa: ARG002
        """Return the record as it is."""
        return record

    def steps(self, record: Record, password: str | None) -> list[Step]:  # noqa: ARG002
        """Nothing is to be done."""
        return []

    def admit(self, record: Record, password: str | None, story: Story, step: StoryStep) -> str | None:  # noqa: ARG002
        """There is no login."""
        return None

    def administrator(self, record: Record) -> MlflowApi | None:  # noqa: ARG002
        """There is nobody."""
        return None


@dataclass(frozen=True)
class OnLaptop:
    """A real server on this machine, with the emulator for its S3. `state` is how it was when the command began."""

    project: Project
    env: str
    bucket: str
    emulator: LocalAws
    state: Literal["new", "stopped", "running"]
    kind: MlflowKind = "laptop"
    waits_for_terraform: bool = False
    given_password: str | None = None

    def begin(self) -> None:
        """Start the server if need be; nobody waits for it yet."""
        self._start()

    def drafted(self, record: Record) -> Record:
        """Return the record with the address where it listens, or will."""
        url = local.mlflow_url(self.project, self.env)
        return replace(record, mlflow_kind="laptop", mlflow_tracking_uri=url, mlflow_username=CI_MEMBER)

    def located(self, record: Record, outputs: dict[str, Any]) -> Record:  # noqa: ARG002
        """Return the record as it is: the address is this machine's own."""
        return record

    def steps(self, record: Record, password: str | None) -> list[Step]:
        """Say whether it is made, started or given a new login."""
        url = record.mlflow_tracking_uri
        if self.state == "new":
            return [Step("create", "mlflow", f"an MLflow server at {url}, with a login for {CI_MEMBER}")]
        if self.state == "stopped":
            return [Step("update", "mlflow", f"the MLflow server at {url}: started again")]
        server = local.mlflow_server(self.project, self.env)
        running = server.running()
        if running is None:
            return []
        server.wait(running)
        works = url is not None and password is not None and MlflowApi(url, CI_MEMBER, password).login_works()
        return [] if works else [Step("update", "mlflow", f"a new password for {CI_MEMBER}")]

    def admit(self, record: Record, password: str | None, story: Story, step: StoryStep) -> str | None:  # noqa: ARG002
        """Start the server if need be, and give `ci` its login there."""
        server = self._start()
        running = server.running()
        if running is None:
            raise BootstrapError(
                f"The MLflow server ended at once; see {server.log}.", hint="Run the same command again."
            )
        server.wait(running)
        return admit_ci(administrator(server, running), password)

    def administrator(self, record: Record) -> MlflowApi:  # noqa: ARG002
        """Return it as its administrator, started if need be."""
        running = local.ensure_mlflow(self.project, self.env, self.bucket, self.emulator)
        server = local.mlflow_server(self.project, self.env)
        server.wait(running)
        return administrator(server, running)

    def _start(self) -> MlflowServer:
        local.ensure_mlflow(self.project, self.env, self.bucket, self.emulator)
        return local.mlflow_server(self.project, self.env)


def outlived_on_laptop(project: Project, record: Record) -> bool:
    """Tell whether a server runs here that the environment is no longer to have."""
    return (
        record.target == "local"
        and record.mlflow != "laptop"
        and local.mlflow_server(project, record.env).running() is not None
    )


def on_laptop(project: Project, env: str, bucket: str, emulator: LocalAws) -> OnLaptop:
    """Return the laptop's server of an environment as it is now."""
    server = local.mlflow_server(project, env)
    state: Literal["new", "stopped", "running"] = "new"
    if server.has_data:
        running = server.running()
        state = "running" if running and running.instance == emulator.server.instance else "stopped"
    return OnLaptop(project, env, bucket, emulator, state)


def admit_ci(admin: MlflowApi, password: str | None) -> str:
    """Give `ci` an account on a server of ours; return its password, made anew unless the one given works."""
    if password and MlflowApi(admin.url, CI_MEMBER, password).login_works():
        chosen = password
    else:
        chosen = new_password()
        admin.ensure_user(CI_MEMBER, chosen)
    # Without it, a script that names no experiment would be refused.
    admin.ensure_experiment_permission(CI_MEMBER, DEFAULT_EXPERIMENT, "EDIT")
    return chosen


def is_healthy(record: Record) -> bool | None:
    """Tell whether a server of ours answers; None where nobody can tell without a login, or there is none."""
    if record.mlflow_tracking_uri is None or record.mlflow in ("none", "dagshub"):
        return None
    health = f"{record.mlflow_tracking_uri}/health"
    if record.mlflow == "laptop":
        return servers.answers(health)
    return reachable.look(health).obstacle is None
