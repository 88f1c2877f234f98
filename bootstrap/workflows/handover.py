"""From a user in IAM to a sealed invite: key, MLflow login, seal, file, code - for one person or for three hundred.

The order makes a crash harmless at any point: the journal's line comes last, so whoever has none is begun again, and
the key of the first try is deleted before there is a second. A secret is never anywhere but in the sealed text.
"""

from __future__ import annotations

import csv
import io
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import date, datetime, timezone
from pathlib import Path

from bootstrap.adapters import dotenv, github_keys, sealing
from bootstrap.adapters.aws import people
from bootstrap.adapters.aws.session import KeyPair
from bootstrap.adapters.files import read_text, write_atomic
from bootstrap.adapters.git import Git
from bootstrap.adapters.mlflow_api import MlflowApi, new_password
from bootstrap.core.invite import Invite
from bootstrap.core.membership import Handover, Member, Sealed
from bootstrap.core.names import Names
from bootstrap.core.record import Record
from bootstrap.core.roster import parse_roster
from bootstrap.core.slip import did_you_mean
from bootstrap.errors import BootstrapError, UsageError
from bootstrap.workflows import mlflow_access
from bootstrap.workflows.counter import Counter
from bootstrap.workflows.mlflow_access import Account, TeamRoles
from bootstrap.workflows.project import Project
from bootstrap.workflows.registry import Registry
from bootstrap.workflows.target import Place

FOLDER = "invites"
SUFFIX = ".age"
_SIDE_BY_SIDE = 8
# Sealing to a passphrase takes half a gigabyte on purpose (scrypt), for four seconds.
_ONE_AT_A_TIME = threading.Lock()
# MLflow's one worker spends its time on hashing passwords; with more at once each takes longer (measured: 2 to 4).
_AT_MLFLOW = threading.Semaphore(3)
_COLUMNS = ("environment", "member", "invite", "code")


@dataclass(frozen=True)
class Seal:
    """How invites are sealed: to a code each, to one passphrase, or to each person's ssh keys (by member)."""

    kind: Sealed = "code"
    passphrase: str = field(default="", repr=False)
    ssh_keys: Mapping[str, Sequence[str]] = field(default_factory=dict)


# From the members who need an invite, each with their name on GitHub (empty: not known), to how it is sealed.
SealFor = Callable[[Mapping[str, str]], Seal]


def seal_to_github(api_url: str, token: str | None, logins: Mapping[str, str]) -> Seal:
    """Return a seal to the ssh keys that people keep on GitHub.

    Raises BootstrapError if somebody's name there is not known or has no key that will do.
    """
    if unknown := [name for name, login in logins.items() if not login]:
        raise BootstrapError(
            f"The roster has no GitHub name for {', '.join(unknown)}.",
            hint="Fill in the column `github`, or leave --to-github away: each invite is then sealed to a code.",
        )
    with ThreadPoolExecutor(_SIDE_BY_SIDE) as pool:
        found = pool.map(lambda login: github_keys.public_keys(api_url, login, token), logins.values())
        return Seal("ssh", ssh_keys=dict(zip(logins, found, strict=True)))


def github_logins(project: Project) -> dict[str, str]:
    """Return the GitHub names that the roster knows, by member."""
    text = read_text(project.folder / project.spec.roster)
    people_listed = parse_roster(text, project.spec.roster).people if text is not None else ()
    return {person.name: person.github for person in people_listed}


@dataclass(frozen=True)
class Code:
    """What opens one invite, to be sent by another channel than the invite itself."""

    member: str
    invite: Path
    code: str = field(repr=False)


Tell = Callable[[Sequence[Code]], None]


@dataclass(frozen=True)
class Made:
    """A sealed invite that nobody has seen yet, and what it replaces."""

    member: Member
    handover: Handover
    text: str = field(repr=False)
    code: str | None = field(repr=False)


@dataclass(frozen=True)
class Desk:
    """Where people of one environment get their invites. `mlflow` is None where the environment has no server,
    `roles` what its teams have there.

    `tell` gets the codes of what was just written, and returns when they are safe.
    """

    project: Project
    place: Place
    record: Record
    registry: Registry
    seal: Seal
    mlflow: MlflowApi | None
    roles: TeamRoles | None
    tell: Tell

    def invite_file(self, member: str) -> Path:
        """Return where a member's invite lies."""
        return invite_file(self.project, self.record.env, member)

    def make(self, member: Member, *, fresh: bool) -> Made:
        """Mint a key and seal it with the MLflow login. `fresh`: the user was made just now and cannot have a key.

        Keys that were never handed to anybody go first; their secrets are lost.
        """
        user = self.place.names.iam_user(member.name)
        if not fresh:
            self._delete_unclaimed(user, member)
        return self.seal_up(member, people.mint_key(self.place.aws, user), retiring=())

    def seal_up(self, member: Member, key: KeyPair, *, retiring: tuple[str, ...]) -> Made:
        """Give the member a new MLflow password, and seal everything."""
        password = None
        if self.mlflow is not None:
            password = new_password()
            with _AT_MLFLOW:
                mlflow_access.admit(self.mlflow, account_of(member), password, self.roles)
        made = datetime.now(timezone.utc).isoformat(timespec="seconds")
        invite = Invite(
            project=self.record.project,
            env=self.record.env,
            member=member.name,
            role=member.role,
            team=member.team_name,
            target=self.record.target,
            region=self.record.region,
            endpoint_url=self.record.endpoint_url,
            account_id=self.record.account_id,
            bucket=self.record.bucket,
            state_bucket=self.record.state_bucket,
            aws_profile=self.record.aws_profile,
            dvc_remote_url=self.place.names.dvc_url(member.team_name),
            access_key_id=key.id,
            secret_access_key=key.secret,
            mlflow_tracking_uri=self.record.mlflow_tracking_uri,
            mlflow_password=password,
            expires=last_day(self.project, self.record.env, member),
            created=made,
        )
        text, code = self._sealed(member.name, invite.to_bytes())
        return Made(member, Handover(key.id, made, self.seal.kind, retiring), text, code)

    def hand_over(self, batch: Sequence[Made]) -> None:
        """Write invites, then tell their codes, then remember that all of it happened."""
        if not batch:
            return
        # Before the first invite is there.
        gitignore = self.project.folder / FOLDER / ".gitignore"
        if "*" not in (read_text(gitignore) or "").splitlines():
            dotenv.ignore(gitignore, "*")
        for made in batch:
            write_atomic(self.invite_file(made.member.name), made.text, mode=0o600)
        codes = [
            Code(made.member.name, self.invite_file(made.member.name), made.code)
            for made in batch
            if made.code is not None
        ]
        if codes:
            self.tell(codes)
        for made in batch:
            self.registry.note(made.member.name, made.handover)

    def _delete_unclaimed(self, user: str, member: Member) -> None:
        claimed = {member.handover.key_id, *member.handover.retiring} if member.handover else set()
        for key in people.key_ids(self.place.aws, user):
            if key.id not in claimed:
                people.delete_key(self.place.aws, user, key.id)

    def _sealed(self, name: str, data: bytes) -> tuple[str, str | None]:
        if self.seal.kind == "code":
            code = sealing.new_code()
            return sealing.seal_to_code(data, code), code.secret
        if self.seal.kind == "ssh":
            return sealing.seal_to_ssh(data, self.seal.ssh_keys[name]), None
        with _ONE_AT_A_TIME:
            return sealing.seal_with_passphrase(data, self.seal.passphrase), None


def desk_of(counter: Counter, seal: Seal, tell: Tell, people_served: Sequence[Member]) -> Desk:
    """Return a desk that is ready to serve these people: what their teams have in MLflow is made once, for all."""
    roles = None
    if counter.mlflow is not None and people_served:
        roles = mlflow_access.prepare_teams(counter.mlflow, {one.team_name for one in people_served})
    return Desk(counter.project, counter.place, counter.record, counter.registry, seal, counter.mlflow, roles, tell)


def account_of(member: Member) -> Account:
    """Return a member as MLflow knows them."""
    return Account(member.name, member.role, member.team_name)


def last_day(project: Project, env: str, member: Member) -> date | None:
    """Return the last day of a member's access: their own, else the environment's, as the policy has it."""
    table = project.spec.environments.get(env)
    return member.expires or (table.expires if table else None)


def invite_file(project: Project, env: str, member: str) -> Path:
    """Return where a member's invite to an environment lies."""
    return project.folder / FOLDER / env / f"{member}{SUFFIX}"


def remove_invite(project: Project, env: str, member: str) -> bool:
    """Remove a member's invite, and the folders that are empty then. False if there was none."""
    path = invite_file(project, env, member)
    there = path.is_file()
    path.unlink(missing_ok=True)
    _remove_if_empty(path.parent)
    return there


def count_invites(project: Project, env: str) -> int:
    """Return how many invites to an environment lie here."""
    return len(_invites(project, env))


def remove_invites(project: Project, env: str) -> int:
    """Remove all invites to an environment; return how many there were."""
    return sum(remove_invite(project, env, path.name.removesuffix(SUFFIX)) for path in _invites(project, env))


def _invites(project: Project, env: str) -> list[Path]:
    return sorted((project.folder / FOLDER / env).glob(f"*{SUFFIX}"))


def _remove_if_empty(folder: Path) -> None:
    if folder.is_dir() and not any(folder.iterdir()):
        folder.rmdir()
    above = folder.parent
    gitignore = above / ".gitignore"
    if above.is_dir() and list(above.iterdir()) == [gitignore] and read_text(gitignore) == "*\n":
        gitignore.unlink()
        above.rmdir()


@dataclass(frozen=True)
class CodesFile:
    """A file of codes (0600) for whoever sends them on: one row for each invite, the newest code only."""

    path: Path
    env: str
    folder: Path
    git: Git

    def check(self) -> None:
        """Raise UsageError, before anything is done, if that file is something else or git would take it in."""
        self._rows()
        if self.git.top() is not None and not self.git.ignores(self.path):
            raise UsageError(
                f"{self.path} is in a git repository that does not ignore it; the codes would end up in a commit.",
                hint="Name a file outside of the repository.",
            )

    def tell(self, codes: Sequence[Code]) -> None:
        """Add or replace rows; the file is whole at every moment."""
        rows = self._rows()
        for one in codes:
            invite = one.invite.relative_to(self.folder).as_posix()
            rows[self.env, one.member] = (self.env, one.member, invite, one.code)
        out = io.StringIO()
        writer = csv.writer(out, lineterminator="\n")
        writer.writerows([_COLUMNS, *rows.values()])
        write_atomic(self.path, out.getvalue(), mode=0o600)

    def _rows(self) -> dict[tuple[str, str], tuple[str, ...]]:
        text = read_text(self.path)
        if not text:
            return {}
        header, *rows = csv.reader(io.StringIO(text))
        if tuple(header) != _COLUMNS or any(len(row) != len(_COLUMNS) for row in rows):
            raise UsageError(f"{self.path} is no file of codes; it was left alone.", hint="Name another with --codes.")
        return {(row[0], row[1]): tuple(row) for row in rows}


def require_names(known: Mapping[str, object], names: Sequence[str], names_of: Names) -> None:
    """Raise BootstrapError if a name is no member's."""
    for name in names:
        if name not in known:
            raise BootstrapError(
                f"Nobody called '{name}' is in '{names_of.env}'.{did_you_mean(name, known)}",
                hint=f"`bootstrap members --env {names_of.env}` shows who is.",
            )
