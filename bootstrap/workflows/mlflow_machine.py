"""MLflow on a machine of its own (`kind = "ec2"`): waited for after Terraform has made it, and known by its address.

The machine makes its administrator's password itself, before the server's first start, and leaves it in SSM's store;
here it is in memory only.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urlsplit

from bootstrap.adapters.aws import addresses, parameters
from bootstrap.adapters.mlflow import ADMIN
from bootstrap.adapters.mlflow_api import MlflowApi
from bootstrap.adapters.reachable import Look, Obstacle, look
from bootstrap.core.mlflow_kind import machine_wanted, who_may_come_in
from bootstrap.core.names import CI_MEMBER
from bootstrap.core.plan import Step
from bootstrap.core.record import MlflowKind, Record
from bootstrap.errors import AwsFailed, BootstrapError
from bootstrap.workflows.mlflow_server import admit_ci
from bootstrap.workflows.project import Project
from bootstrap.workflows.story import Step as StoryStep
from bootstrap.workflows.story import Story
from bootstrap.workflows.target import Place

OUTPUT = "mlflow_url"
# A first boot installs MLflow and gets a certificate; three to six minutes are usual on a t3.small.
_READY_SECONDS = 900.0
_FIRST_PAUSE, _LONGEST_PAUSE = 1.0, 10.0
_DELETIONS = 4
_IN_WORDS: dict[Obstacle, str] = {
    "name": "nobody knows its name yet",
    "silence": "it does not answer yet",
    "refusal": "the machine is there, its server is not yet",
    "certificate": "it has no certificate yet",
    "not ready": "MLflow starts",
    "network": "it cannot be reached yet",
}


@dataclass(frozen=True)
class OnMachine:
    """The server on the machine that Terraform makes."""

    project: Project
    place: Place
    sleep: Callable[[float], None] = time.sleep
    clock: Callable[[], float] = time.monotonic
    kind: MlflowKind = "ec2"
    waits_for_terraform: bool = True
    given_password: str | None = None

    def begin(self) -> None:
        """Nothing begins before there is a machine."""

    def drafted(self, record: Record) -> Record:
        """Return the record with the address of the last time, if there was one."""
        before = self.project.record(record.env)
        url = before.mlflow_tracking_uri if before is not None and before.mlflow == "ec2" else None
        return replace(
            record, mlflow_kind="ec2", mlflow_tracking_uri=url, mlflow_username=CI_MEMBER if url is not None else None
        )

    def located(self, record: Record, outputs: dict[str, Any]) -> Record:
        """Return the record with the address that Terraform tells."""
        url = outputs.get(OUTPUT)
        if not isinstance(url, str) or not url.startswith("https://"):
            raise BootstrapError(
                f"Terraform has made no address for the MLflow server of '{record.env}': its state has no {OUTPUT}.",
                hint="Run the same command again; if it stays so, add -v to see more.",
            )
        return replace(record, mlflow_tracking_uri=url, mlflow_username=CI_MEMBER)

    def steps(self, record: Record, password: str | None) -> list[Step]:
        """Say what login is to be made; a server that does not answer now is waited for later."""
        url = record.mlflow_tracking_uri
        if url is None:
            return [Step("create", "mlflow", f"a login for {CI_MEMBER} at the MLflow server on that machine")]
        if look(f"{url}/health").obstacle is not None:
            return [Step("update", "mlflow", f"the login of {CI_MEMBER} at {url}, as soon as that server answers")]
        works = password is not None and MlflowApi(url, CI_MEMBER, password).login_works()
        return [] if works else [Step("update", "mlflow", f"a new password for {CI_MEMBER} at {url}")]

    def admit(self, record: Record, password: str | None, story: Story, step: StoryStep) -> str | None:
        """Wait for the machine's first start, and give `ci` its login there."""
        self._wait(str(record.mlflow_tracking_uri), story, step)
        return admit_ci(self.administrator(record), password)

    def administrator(self, record: Record) -> MlflowApi:
        """Return it as its administrator; whether it answers is not asked."""
        name = self.place.names.mlflow_password_parameter
        password = parameters.read_secret(self.place.aws, name)
        if password is None:
            raise BootstrapError(
                f"The password of MLflow's administrator is not in SSM's store: there is no parameter {name} in "
                f"{self.place.aws.region}.",
                hint="The machine puts it there before its server starts. Look what it says: aws ec2 "
                f"get-console-output --latest --instance-id … (its Name tag is {self.place.names.mlflow_server}). "
                "A restart of the machine makes it try again.",
            )
        return MlflowApi(str(record.mlflow_tracking_uri), ADMIN, password)

    def _wait(self, url: str, story: Story, step: StoryStep) -> None:
        began, pause, told = self.clock(), _FIRST_PAUSE, False
        while (seen := look(f"{url}/health")).obstacle is not None:
            if not told:
                self._tell(story)
                told = True
            waited = self.clock() - began
            if waited >= _READY_SECONDS:
                raise self._lost(url, seen)
            step.detail(f"{_IN_WORDS[seen.obstacle]}; {waited / 60:.0f} of at most {_READY_SECONDS / 60:.0f} minutes")
            self.sleep(pause)
            pause = min(pause * 1.5, _LONGEST_PAUSE)

    def _tell(self, story: Story) -> None:
        """Say what takes so long, and what the user has to do meanwhile."""
        again = f"`bootstrap up --env {self.place.names.env}` goes on from there"
        story.note(f"The first start of the machine takes some minutes. You may press Ctrl-C; {again}.")
        domain = machine_wanted(self.project.spec, self.place.names.env).domain
        if domain is not None and (address := self._address()) is not None:
            story.note(f"{domain} has to lead to the machine: make its A record say {address}.")

    def _address(self) -> str | None:
        try:
            return addresses.elastic_ip(self.place.aws, self.place.names.project, self.place.names.env)
        except AwsFailed:
            return None  # whoever may not ask finds it in the console

    def _lost(self, url: str, seen: Look) -> BootstrapError:
        """Return what to say when the time is over, by what stood in the way at the end."""
        env, host = self.place.names.env, urlsplit(url).hostname
        spec = self.project.spec
        where = spec.where("environments", env, "mlflow", "domain")
        domain = machine_wanted(spec, env).domain
        told: dict[Obstacle, tuple[str, str]] = {
            "name": (
                f"nobody knows the name {host}",
                f"{where}: make the A record of {domain} say {self._address() or 'the address of the machine'}."
                if domain
                else "Some networks hide such names; name another DNS server, or write a `domain` of your own.",
            ),
            "silence": ("nothing answers there", who_may_come_in(spec, env)),
            "refusal": ("its web server does not run", self._console()),
            "certificate": (
                f"it has no valid certificate for {host} ({seen.said})",
                "Let's Encrypt gives it one when it reaches the machine on port 80 under that name; "
                "behind a proxy that opens TLS, SSL_CERT_FILE has to name that proxy's authority.",
            ),
            "not ready": (f"MLflow does not run ({seen.said})", self._console()),
            "network": (seen.said, "Check your network, and HTTPS_PROXY if you are behind a proxy."),
        }
        what, hint = told[seen.obstacle or "network"]
        return BootstrapError(
            f"The MLflow server at {url} did not answer within {_READY_SECONDS / 60:.0f} minutes: {what}.",
            hint=f"{hint}\nThen: bootstrap up --env {env}",
        )

    def _console(self) -> str:
        name = self.place.names.mlflow_server
        return f"The machine ({name}) says why: EC2 console, Actions, Monitor, Get system log."


def end_accounts(server: OnMachine, record: Record, story: Story) -> None:
    """Delete every account but the administrator's, so that nobody writes any more. A server that is gone has none.

    https://mlflow.org/docs/latest/api_reference/auth/rest-api.html
    """
    if record.mlflow_tracking_uri is None:
        return
    try:
        api = server.administrator(record)
        names = [user.name for user in api.users() if not user.is_admin]
        with ThreadPoolExecutor(_DELETIONS) as pool:
            list(pool.map(api.delete_user, names))
    except BootstrapError as error:
        story.note(f"The accounts at MLflow end with its machine; before that they could not be ended: {error.message}")


def leaving(record: Record) -> list[Step]:
    """Say what goes with the machine."""
    if record.mlflow != "ec2" or record.mlflow_tracking_uri is None:
        return []
    return [Step("delete", "mlflow", in_words(record))]


def in_words(record: Record) -> str:
    """Name the server as `down` shows it and its receipt has it."""
    return f"the MLflow server at {record.mlflow_tracking_uri} with its runs and accounts"
