"""MLflow on DagsHub (`kind = "dagshub"`): nobody's account is ours to make, each brings a token of their own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from bootstrap.adapters.dagshub import Dagshub
from bootstrap.adapters.mlflow_api import MlflowApi
from bootstrap.core.dagshub import TOKEN, Hub, hub_of
from bootstrap.core.plan import Step
from bootstrap.core.record import MlflowKind, Record
from bootstrap.errors import BootstrapError, UsageError
from bootstrap.workflows.story import Step as StoryStep
from bootstrap.workflows.story import Story

_FEW = 10


@dataclass(frozen=True)
class AtDagshub:
    """The MLflow of a repository as the person whose token this is; `user` is their name there."""

    hub: Hub
    token: str = field(repr=False)
    user: str
    kind: MlflowKind = "dagshub"
    waits_for_terraform: bool = False

    @property
    def given_password(self) -> str:
        """The token, which is the password there."""
        return self.token

    def begin(self) -> None:
        """There is nothing to start."""

    def drafted(self, record: Record) -> Record:
        """Return the record with the repository's address and the person's name."""
        return replace(
            record, mlflow_kind="dagshub", mlflow_tracking_uri=self.hub.tracking_uri, mlflow_username=self.user
        )

    def located(self, record: Record, outputs: dict[str, Any]) -> Record:  # noqa: ARG002
        """Return the record as it is."""
        return record

    def steps(self, record: Record, password: str | None) -> list[Step]:  # noqa: ARG002
        """Nothing is made there: the repository is the user's own. Raises BootstrapError if its MLflow is closed."""
        require_login(self.hub, self.token, self.user)
        return []

    def admit(self, record: Record, password: str | None, story: Story, step: StoryStep) -> str | None:  # noqa: ARG002
        """Return the token, which is the password there."""
        return self.token

    def administrator(self, record: Record) -> MlflowApi | None:  # noqa: ARG002
        """There is nobody: who may come in is said on DagsHub."""
        return None


def at_dagshub(hub: Hub, environ: Mapping[str, str], known: str | None) -> AtDagshub:
    """Return the repository as the person whose token is in the environment, or was written down here before.

    Raises UsageError without a token, BootstrapError for one that DagsHub does not know.
    """
    token = given_token(environ) or known
    if not token:
        raise UsageError(
            f"MLflow is at {hub.tracking_uri}, and {TOKEN} is not set.",
            hint=f"Make a token at {hub.token_page}, then: export {TOKEN}=…",
        )
    return AtDagshub(hub, token, Dagshub(hub, token).user())


def given_token(environ: Mapping[str, str]) -> str | None:
    """Return the token in the environment. Raises UsageError for a text that no token is, never with it in there."""
    token = environ.get(TOKEN, "").strip()
    if not token:
        return None
    if not token.isascii() or not token.isprintable() or set(token) & set(" '\"\\#"):
        raise UsageError(
            f"What is in {TOKEN} is no token: there are signs in it that none has.", hint="Copy it once more."
        )
    return token


def by_hand(record: Record, names: Sequence[str], *, comes: bool) -> str | None:
    """Return what nobody but the repository's owner can do for these people on DagsHub; None if MLflow is elsewhere."""
    hub = hub_of(record.mlflow_tracking_uri)
    if hub is None or not names:
        return None
    what = "let them into" if comes else "take them out of"
    people = ", ".join(names) if len(names) <= _FEW else f"these {len(names)} people"
    return f"MLflow is on DagsHub, and only you can {what} {hub.repository} there (Settings, Collaboration): {people}."


def require_login(hub: Hub, token: str, user: str) -> None:
    """Raise BootstrapError if the repository's MLflow does not take this person."""
    if not Dagshub(hub, token).login_works(user):
        raise BootstrapError(
            f"MLflow at {hub.tracking_uri} does not take the login of {user}.",
            hint=f"Is there a repository {hub.repository}, and may {user} write to it? Its owner adds people under "
            "Settings, Collaboration.",
        )
