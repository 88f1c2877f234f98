"""What is remembered of an environment in the folder it was brought up from. No secret is ever among it."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

from bootstrap.core.dagshub import hub_of

Target = Literal["aws", "local"]
# Where an environment's MLflow is: a process on the laptop, a machine of its own, a repository on DagsHub, nowhere.
MlflowKind = Literal["laptop", "ec2", "dagshub", "none"]

# What `bootstrap output` prints: the contract with scripts.
OUTPUT_KEYS = (
    "project",
    "env",
    "target",
    "region",
    "account_id",
    "endpoint_url",
    "bucket",
    "state_bucket",
    "aws_profile",
    "dvc_remote_url",
    "mlflow_tracking_uri",
    "mlflow_username",
)


@dataclass(frozen=True)
class Record:
    """One environment as `up` left it, or as `join` did for one member of it.

    `endpoint_url` is None on AWS, the other `mlflow_*` are None without a server, or until its address is known.

    `complete` is False from the first change until everything was verified. `dvc_*` say which repository got the
    remote (seen from the project's folder) and what its `core` section said before. `dvc_local_profile` is the name
    that `.dvc/config.local` got where the profile has not everybody's, `dvc_local_before` what stood in its place: `no
    section`, `no profile` or the line. `emulator_instance` names the start of the emulator that it was made on.
    `member`, `role`, `team` and `expires` (last day of access, ISO 8601) are those of who has joined, else None.
    `github` is the repository whose workflows were let in: name, id, owner_id, scope and auth. `dagshub_remote` is what
    taking out the DVC remote on DagsHub needs to know: its MLflow's `uri`, and how `config`, `local` and `gitignore`
    were before it.
    """

    project: str
    env: str
    target: Target
    region: str
    account_id: str
    endpoint_url: str | None
    bucket: str
    state_bucket: str
    aws_profile: str
    dvc_remote_url: str
    mlflow_tracking_uri: str | None = None
    mlflow_username: str | None = None
    complete: bool = False
    operator_profile: str | None = None
    dvc_repository: str | None = None
    dvc_default_before: str | None = None
    dvc_autostage_before: str | None = None
    dvc_local_profile: str | None = None
    dvc_local_before: str | None = None
    emulator_instance: str | None = None
    member: str | None = None
    role: str | None = None
    team: str | None = None
    expires: str | None = None
    github: dict[str, str | int] | None = None
    mlflow_kind: MlflowKind | None = None
    dagshub_remote: dict[str, str] | None = None

    @property
    def mlflow(self) -> MlflowKind:
        """Where its MLflow is. For who has joined, and of what an earlier version brought up, the address tells."""
        if self.mlflow_kind is not None:
            return self.mlflow_kind
        if self.mlflow_tracking_uri is None:
            return "none"
        if hub_of(self.mlflow_tracking_uri) is not None:
            return "dagshub"
        return "laptop" if self.target == "local" else "ec2"

    @property
    def owner(self) -> str:
        """The name our blocks in the user's files carry: `project/env`, and `/member` behind it for who has joined."""
        return "/".join(filter(None, (self.project, self.env, self.member)))

    def output(self) -> dict[str, str | None]:
        """Return exactly what `bootstrap output` prints."""
        values = asdict(self)
        return {key: values[key] for key in OUTPUT_KEYS}

    def to_json(self) -> str:
        """Return the record as the text of its file."""
        return json.dumps(asdict(self), indent=2) + "\n"

    def completed(self) -> Record:
        """Return the record of an environment that was verified."""
        return replace(self, complete=True)


def parse_record(text: str) -> Record | None:
    """Read a record's file; None if it is damaged or of a version we do not know."""
    try:
        values: Any = json.loads(text)
        return Record(**values)
    except (ValueError, TypeError):
        return None


@dataclass(frozen=True)
class Before:
    """What a folder was like before the first `join` in it, where the blocks in the user's files do not say.

    `env_file`: whether there was an `.env`. `gitignore`: how `.gitignore` was when it got our line; None: it got none.
    `dvc_config`: the text of `.dvc/config`, None as long as it got no remote of a member's. `dvc_made`: the files that
    our `dvc init` made, as path below the repository → digest; None: there was none, and empty while it runs.
    `dvc_local` and `dvc_gitignore`: how `.dvc/config.local` and `.dvc/.gitignore` were when they got lines of ours (`no
    file`, `no newline` or `whole`), None as long as there are none.
    """

    env_file: bool
    gitignore: str | None = None
    dvc_config: str | None = None
    dvc_made: dict[str, str] | None = None
    dvc_local: str | None = None
    dvc_gitignore: str | None = None

    def to_json(self) -> str:
        """Return it as the text of its file."""
        return json.dumps(asdict(self), indent=2) + "\n"


def parse_before(text: str) -> Before | None:
    """Read the file of a `Before`; None if it is damaged or of a version we do not know."""
    try:
        values: Any = json.loads(text)
        return Before(**values)
    except (ValueError, TypeError):
        return None
