"""What an environment needs on GitHub, what is there, and the difference between the two, as values.

Terms are GitHub's: an *environment* holds *secrets* (sealed, nobody reads them again) and *variables* (plain), and says
which branches may use them. https://docs.github.com/actions/reference/workflows-and-actions/deployments-and-environments
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from typing import Any, Literal
from urllib.parse import urlsplit

from bootstrap.core.stream import Action

Scope = Literal["environment", "repository"]

# https://docs.github.com/actions/how-tos/secure-your-work/security-harden-deployments/oidc-in-aws
AUDIENCE = "sts.amazonaws.com"

ROLE_ARN = "AWS_ROLE_ARN"
KEY_SECRETS = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")
LOGIN_SECRETS = ("MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_PASSWORD")
# Ours too, and the only one that no workflow reads: what we wrote, and with which key.
MARKER = "BOOTSTRAP_SYNC"


@dataclass(frozen=True)
class Repository:
    """What GitHub says of a repository.

    `plan` is that of the owner's account, None where the token may not see it. `environments` is what bootstrap.toml
    says about that, None if it leaves it open. `of_a_user`: its owner is a person, not an organization.
    """

    name: str
    id: int
    owner_id: int
    private: bool = False
    archived: bool = False
    admin: bool = True
    plan: str | None = None
    default_subject: bool = True
    environments: bool | None = None
    of_a_user: bool = True

    @property
    def scope(self) -> Scope:
        """Where secrets go: a private repository of a free plan has no environments.

        https://docs.github.com/actions/how-tos/deploy/configure-and-manage-deployments/manage-environments
        """
        if self.environments is not None:
            return "environment" if self.environments else "repository"
        return "repository" if self.private and self.plan == "free" else "environment"


@dataclass(frozen=True)
class Login:
    """The login of `ci` at MLflow."""

    username: str
    password: str = field(repr=False)

    @property
    def mark(self) -> str:
        """What tells this password from another and gives nothing away: the password is 192 random bits."""
        return hashlib.sha256(f"{self.username}:{self.password}".encode()).hexdigest()[:12]


@dataclass(frozen=True)
class Key:
    """The access key of `ci`; `created` is None where AWS could not be asked."""

    id: str
    secret: str = field(repr=False)
    created: datetime | None = None


@dataclass(frozen=True)
class Wanted:
    """What one environment needs. `reviewers`: name on GitHub → id. With `role_arn` there is no `key`, and reverse."""

    env: str
    branch: str
    scope: Scope
    variables: Mapping[str, str]
    reviewers: Mapping[str, int] = field(default_factory=dict)
    key: Key | None = None
    login: Login | None = None

    def name(self, plain: str) -> str:
        """Return the name of a secret or variable where it goes: at repository level the environment stands before."""
        return prefixed(plain, self.env, self.scope)

    def secrets(self) -> dict[str, str]:
        """Return name → value of every secret, in clear: for sealing, and for nothing else."""
        values: dict[str, str] = {}
        if self.key:
            values |= dict(zip(KEY_SECRETS, (self.key.id, self.key.secret), strict=True))
        if self.login:
            values |= dict(zip(LOGIN_SECRETS, (self.login.username, self.login.password), strict=True))
        return {self.name(name): value for name, value in values.items()}

    def marker(self) -> Marker:
        """Return what is written down of all this once it is done, as far as that is known from here."""
        return Marker(
            names=tuple(sorted({self.name(name) for name in self.variables} | set(self.secrets()))),
            key=self.key.id if self.key else None,
            login=self.login.mark if self.login else None,
            branch=self.branch if self.scope == "environment" else None,
            reviewers=tuple(self.reviewers.values()),
        )


@dataclass(frozen=True)
class Marker:
    """What the variable BOOTSTRAP_SYNC says: the names that are ours there, the key and the login they hold.

    `key` is an access key's id, `login` a `Login.mark`; None while they are being written. `replaced` is the key that
    was there before, until it is ended. `made`: whether we made the environment on GitHub; `policy` is how its branch
    policy was if it was there before. `branch` and `reviewers` (ids) are those that we let in and asked for.
    """

    names: tuple[str, ...] = ()
    key: str | None = None
    login: str | None = None
    made: bool = False
    policy: str | None = None
    replaced: str | None = None
    branch: str | None = None
    reviewers: tuple[int, ...] = ()

    def to_text(self) -> str:
        """Return it as the variable's value."""
        return json.dumps(asdict(self))


def parse_marker(text: str | None) -> Marker | None:
    """Read the variable's value; None if there is none, or somebody else wrote it."""
    try:
        value: Any = json.loads(text or "")
        lists = {"names": tuple(map(str, value["names"])), "reviewers": tuple(map(int, value["reviewers"]))}
        return Marker(**{**value, **lists})
    except (ValueError, TypeError, KeyError):
        return None


@dataclass(frozen=True)
class Environment:
    """An environment as GitHub has it.

    `policy`: `all` branches, only `protected` ones, or `custom`: those named in `branches`. `wait_timer` in minutes.
    """

    policy: Literal["all", "protected", "custom"] = "all"
    branches: tuple[str, ...] = ()
    reviewers: Mapping[str, int] = field(default_factory=dict)
    other_reviewers: tuple[int, ...] = ()
    wait_timer: int = 0
    prevent_self_review: bool = False


@dataclass(frozen=True)
class Found:
    """What is at the place where an environment's settings go. `secrets`: name → when it was last written."""

    environment: Environment | None
    variables: Mapping[str, str]
    secrets: Mapping[str, datetime]

    def marker(self, env: str, scope: Scope) -> Marker | None:
        """Return what an earlier run wrote down here, if one did."""
        return parse_marker(self.variables.get(prefixed(MARKER, env, scope)))


@dataclass(frozen=True)
class Change:
    """One thing to do on GitHub. `why` says for a person what is the matter with it now, if it is there."""

    action: Action
    kind: Literal["environment", "branch", "reviewers", "variable", "secret"]
    name: str
    why: str = ""

    def in_words(self) -> str:
        """Say it as a line of a plan."""
        about = {
            "environment": f"the environment {self.name}",
            "branch": f"the rule that only the branch {self.name} may use it",
            "reviewers": f"the rule that {self.name} must approve a run",
            "variable": f"the variable {self.name}",
            "secret": f"the secret {self.name}",
        }[self.kind]
        return f"{about} ({self.why})" if self.why else about


def compare(wanted: Wanted, found: Found) -> list[Change]:
    """Return what has to change so that GitHub has what is wanted, in the order in which it is done.

    Of secrets only name and time can be read: one is current if the marker names the key, or the login, that it is
    to hold, and if it was written after that key was made.
    """
    marker = found.marker(wanted.env, wanted.scope) or Marker()
    changes = list(_environment_changes(wanted, found, marker)) if wanted.scope == "environment" else []
    for name, value in wanted.variables.items():
        shown = wanted.name(name)
        if shown not in found.variables:
            changes.append(Change("create", "variable", shown))
        elif found.variables[shown] != value:
            changes.append(Change("update", "variable", shown, "has another value"))
    for name in wanted.secrets():
        if name not in found.secrets:
            changes.append(Change("create", "secret", name))
        elif why := _outdated(name, wanted, found, marker):
            changes.append(Change("update", "secret", name, why))
    ours = set(wanted.marker().names)
    for name in marker.names:
        if name not in ours and name in found.secrets:
            changes.append(Change("delete", "secret", name, "is not needed any more"))
        elif name not in ours and name in found.variables:
            changes.append(Change("delete", "variable", name, "is not needed any more"))
    return changes


def can_be_made_anew(found: Found, marker: Marker) -> bool:
    """Tell whether an environment is ours with all that is in it, so that nothing of anybody's goes with it."""
    return marker.made and not ({*found.variables, *found.secrets} - {*marker.names, MARKER})


def goal(wanted: Wanted, found: Found) -> Marker:
    """Return what is written down once all is done. A variable that somebody else had set so already stays theirs."""
    before = found.marker(wanted.env, wanted.scope) or Marker()
    values = {wanted.name(name): value for name, value in wanted.variables.items()}
    done = wanted.marker()
    theirs = {name for name in done.names if name in values and found.variables.get(name) == values[name]}
    return replace(done, names=tuple(name for name in done.names if name not in theirs or name in before.names))


def foreign(wanted: Wanted, found: Found) -> list[str]:
    """Return the names of secrets and variables that we would overwrite, though we did not write them.

    A variable that has the right value already is none of them.
    """
    marker = found.marker(wanted.env, wanted.scope) or Marker()
    names = [name for name in wanted.secrets() if name in found.secrets]
    for plain, value in wanted.variables.items():
        name = wanted.name(plain)
        if name in found.variables and found.variables[name] != value:
            names.append(name)
    return [name for name in names if name not in marker.names]


def _environment_changes(wanted: Wanted, place: Found, marker: Marker) -> Iterator[Change]:
    found = place.environment
    if found is None:
        yield Change("create", "environment", wanted.env)
        yield Change("create", "branch", wanted.branch)
    elif found.policy != "custom":
        now = "any branch may now" if found.policy == "all" else "any protected branch may now"
        yield Change("update", "branch", wanted.branch, now)
    elif wanted.branch not in found.branches:
        yield Change("create", "branch", wanted.branch)
    old = marker.branch if found and marker.branch in found.branches else None
    if old and old != wanted.branch and can_be_made_anew(place, marker):
        # GitHub's description has no call that takes a branch out again.
        yield Change("delete", "branch", old, "is not its branch any more; the environment is made anew")
    there = found.reviewers.values() if found else ()
    missing = [login for login, identity in wanted.reviewers.items() if identity not in there]
    if missing:
        yield Change("create" if found is None or not found.reviewers else "update", "reviewers", ", ".join(missing))
    if gone := dismissed(wanted, found, marker):
        yield Change("delete", "reviewers", ", ".join(gone), "not asked any more")


def dismissed(wanted: Wanted, found: Environment | None, marker: Marker) -> dict[str, int]:
    """Return the reviewers, name → id, that we asked for once and that are not wanted any more."""
    gone = set(marker.reviewers) - set(wanted.reviewers.values())
    return {login: one for login, one in (found.reviewers.items() if found else ()) if one in gone}


def _outdated(name: str, wanted: Wanted, found: Found, marker: Marker) -> str:
    """Say why a secret that is there has to be written anew; an empty text if it has not."""
    if name not in marker.names:
        return "is not from here"
    if wanted.key and name in {wanted.name(plain) for plain in KEY_SECRETS}:
        if marker.key != wanted.key.id:
            return "holds another key" if marker.key else "was not finished"
        # GitHub tells the time in whole seconds.
        if wanted.key.created and found.secrets[name] < wanted.key.created.replace(microsecond=0):
            return "is older than the key"
    elif wanted.login and marker.login != wanted.login.mark:
        return "holds another login" if marker.login else "was not finished"
    return ""


def prefixed(plain: str, env: str, scope: Scope) -> str:
    """Return the name of a secret or variable: `STAG_…` for the environment stag where they are the repository's."""
    return plain if scope == "environment" else f"{env.upper().replace('-', '_')}_{plain}"


def issuer(api_url: str) -> str:
    """Return who signs the identity of workflows, without `https://`, for GitHub's API at `api_url`.

    github.com: https://docs.github.com/actions/concepts/security/openid-connect. An Enterprise Server signs at
    HOST/_services/token, a tenant of ghe.com at token.actions.TENANT.ghe.com:
    https://docs.github.com/enterprise-server/actions/how-tos/security-for-github-actions/security-hardening-your-deployments/configuring-openid-connect-in-amazon-web-services
    """
    parts = urlsplit(api_url)
    host = parts.hostname or ""
    if host.startswith("api.") and host.endswith(".ghe.com"):
        return f"token.actions.{host.removeprefix('api.')}"
    if host == "api.github.com" or host in ("127.0.0.1", "localhost", "::1"):
        return "token.actions.githubusercontent.com"
    return f"{parts.netloc}/_services/token"


@dataclass(frozen=True)
class Trust:
    """What Terraform needs to let the workflows of one environment in; `provider_arn` is empty if none is there yet."""

    role_name: str
    path: str
    issuer: str
    provider_arn: str
    subjects: tuple[str, ...]


def subjects(repository: Repository, env: str, branch: str) -> tuple[str, str]:
    """Return the two forms in which a workflow's identity may come, both exact.

    Repositories made, renamed or moved since July 2026 carry the ids of owner and repository in it, so that nobody who
    takes over a name takes over the access; older ones the names alone.
    https://docs.github.com/actions/reference/security/oidc
    """
    what = f"environment:{env}" if repository.scope == "environment" else f"ref:refs/heads/{branch}"
    owner, _, name = repository.name.partition("/")
    return (
        f"repo:{owner}/{name}:{what}",
        f"repo:{owner}@{repository.owner_id}/{name}@{repository.id}:{what}",
    )


def permissions(roles: Iterable[tuple[str, str]], *, of_a_user: bool = False) -> dict[str, str]:
    """Return name on GitHub → permission, for people and their roles here.

    A repository that is a person's (`of_a_user`) knows one kind of collaborator, who may push.

    https://docs.github.com/organizations/managing-user-access-to-your-organizations-repositories/managing-repository-roles/repository-roles-for-an-organization
    """
    return {login: "maintain" if role == "instructor" and not of_a_user else "push" for login, role in roles if login}
