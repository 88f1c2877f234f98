"""What the stand-in for GitHub keeps: accounts, repositories, environments, secrets and variables.

A test reads and writes these objects directly. Names are kept as GitHub keeps them: those of secrets and variables in
upper case, those of environments and accounts as they were first written, found again in any case.
"""

from __future__ import annotations

import base64
import itertools
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import Any, TypeVar

from nacl.exceptions import CryptoError
from nacl.public import PrivateKey, SealedBox

Found = TypeVar("Found")

# What a role on a repository allows, the weakest first, and the older word for it that some answers use.
ROLES = {"pull": "read", "triage": "triage", "push": "write", "maintain": "maintain", "admin": "admin"}
_NAME = re.compile(r"[A-Z_][A-Z0-9_]*", re.ASCII)
# GitHub documents a limit of 255 characters and no list; these are the ones that we take it to refuse.
_REFUSED_IN_ENVIRONMENT = re.compile(r"""[\x00-\x1f\x7f'"`,;\\]""")
_numbers = itertools.count(1001)


def this_second() -> datetime:
    """Return the time as GitHub writes it: UTC, in whole seconds."""
    return datetime.now(timezone.utc).replace(microsecond=0)


def new_id() -> int:
    """Return a number that nothing else has."""
    return next(_numbers)


def new_key_id() -> str:
    """Return a name for a key pair that no other has; GitHub's are long numbers too."""
    return f"{new_id():018}"


@dataclass
class Secret:
    """A secret of GitHub Actions, opened: `value` is what the sender sealed."""

    value: str = field(repr=False)
    created_at: datetime = field(default_factory=this_second)
    updated_at: datetime = field(default_factory=this_second)


@dataclass
class Variable:
    """A variable of GitHub Actions."""

    value: str
    created_at: datetime = field(default_factory=this_second)
    updated_at: datetime = field(default_factory=this_second)


@dataclass(kw_only=True)
class Vault:
    """The secrets and variables of one repository, or of one environment, with the key pair that opens its secrets."""

    key_id: str = field(default_factory=new_key_id)
    secrets: dict[str, Secret] = field(default_factory=dict)
    variables: dict[str, Variable] = field(default_factory=dict)
    private_key: PrivateKey = field(default_factory=PrivateKey.generate, repr=False)

    @property
    def public_key(self) -> str:
        """Return the half that everybody may have, in base64."""
        return base64.b64encode(bytes(self.private_key.public_key)).decode()

    def new_key(self) -> None:
        """Change the key pair, as GitHub may do at any time; what was opened before stays."""
        self.key_id, self.private_key = new_key_id(), PrivateKey.generate()

    def opened(self, sealed: str, key_id: str) -> str | None:
        """Return the text in a sealed box (base64), None if it was sealed for another key or is none."""
        if key_id != self.key_id:
            return None
        try:
            return SealedBox(self.private_key).decrypt(base64.b64decode(sealed, validate=True)).decode()
        except (CryptoError, ValueError):
            return None


@dataclass
class Environment(Vault):
    """A deployment environment.

    `reviewers`: the kind ("User" or "Team") and id of each. `branch_policy`: None (all branches), "protected" or
    "custom". `branches`: the patterns of a custom policy by id, each (type, name).
    """

    name: str
    id: int = field(default_factory=new_id)
    created_at: datetime = field(default_factory=this_second)
    updated_at: datetime = field(default_factory=this_second)
    reviewers: list[tuple[str, int]] = field(default_factory=list)
    wait_timer: int = 0
    prevent_self_review: bool = False
    branch_policy: str | None = None
    policies: dict[int, tuple[str, str]] = field(default_factory=dict)

    @property
    def branches(self) -> list[str]:
        """Return the branch patterns of a custom policy, in the order they came."""
        return [name for kind, name in self.policies.values() if kind == "branch"]


@dataclass(kw_only=True)
class Repository(Vault):
    """A repository; its own secrets and variables are those that every environment sees.

    `plan`: the plan of the account that owns it. `permissions`: what the token's account may do in it.
    `collaborators` and `invitations`: permission (a key of ROLES) by login; the owner is in neither.
    """

    owner: str
    owner_id: int
    name: str
    id: int = field(default_factory=new_id)
    owner_type: str = "User"
    plan: str = "free"
    private: bool = False
    archived: bool = False
    default_branch: str = "main"
    permissions: dict[str, bool] = field(default_factory=dict)
    environments: dict[str, Environment] = field(default_factory=dict)
    collaborators: dict[str, str] = field(default_factory=dict)
    invitations: dict[str, str] = field(default_factory=dict)
    oidc_subject: dict[str, Any] = field(default_factory=lambda: {"use_default": True})

    @property
    def full_name(self) -> str:
        """Return owner and name, as in the repository's address."""
        return f"{self.owner}/{self.name}"

    @property
    def has_environments(self) -> bool:
        """Tell whether the owner's plan has environments for this repository.

        https://docs.github.com/actions/reference/workflows-and-actions/deployments-and-environments
        """
        return not self.private or self.plan != "free"

    @property
    def has_gates(self) -> bool:
        """Tell whether an environment may ask for reviewers or time: in private, on the Enterprise plan only."""
        return not self.private or self.plan == "enterprise"


class State:
    """All that GitHub keeps, and who is asking: the part of the stand-in that tests set and read."""

    def __init__(self) -> None:
        self.url = ""
        """The address of the API; every address in an answer begins with it."""
        self.token = "ghp_" + new_key_id() * 2
        """The one token that is taken."""
        self.login = "instructor"
        """The token's account; the owner of the first repository of a person, unless set afterwards."""
        self.scopes: tuple[str, ...] | None = ("repo",)
        """The scopes of a classic token; None for a fine-grained one."""
        self.denied: dict[str, str | None] = {}
        """What a fine-grained token may do at the most, by permission: "read", or None for nothing; a permission
        that is not named here it has in full. While something is named, the token is fine-grained, whatever `scopes`
        says. The names are those of the settings page: actions, administration, environments, secrets, variables …"""
        self.tells_plan = True
        """Whether GET /user says private things, the plan among them: to a classic token of scope `user` it does."""
        self.users: dict[str, int] = {}
        """The id of each person, by login."""
        self.organizations: dict[str, int] = {}
        self.teams: dict[str, int] = {}
        """The id of each team, by its short name."""
        self.plans: dict[str, str] = {}
        """The plan of each account, by login; "free" if it is not here."""
        self.keys: dict[str, list[str]] = {}
        """The public SSH keys of each person, by login."""
        self.repositories: dict[str, Repository] = {}
        self._now: datetime | None = None

    @property
    def now(self) -> datetime:
        """The time on GitHub's clock, in whole seconds; it is the real time until a test sets it."""
        return self._now or this_second()

    @now.setter
    def now(self, value: datetime) -> None:
        self._now = value

    @property
    def is_fine_grained(self) -> bool:
        """Tell whether the token is a fine-grained one, which has permissions instead of scopes."""
        return self.scopes is None or bool(self.denied)

    def add_user(self, login: str, id: int | None = None) -> int:  # noqa: A002 - GitHub's word for it
        """Add a person, and return their id."""
        return self.users.setdefault(login, id or new_id())

    def add_repository(
        self,
        full_name: str,
        *,
        private: bool = False,
        archived: bool = False,
        owner_type: str = "User",
        plan: str = "free",
        permissions: Mapping[str, bool] | None = None,
        id: int | None = None,  # noqa: A002 - GitHub's word for it
        owner_id: int | None = None,
    ) -> Repository:
        """Add a repository and the account that owns it, and return the repository.

        `plan` ("free", "pro", "team", "enterprise") is the owner's. `permissions` are changes to what the token's
        account may do, which is everything: {"admin": False}.
        """
        owner, _, name = full_name.partition("/")
        accounts = self.users if owner_type == "User" else self.organizations
        if owner_type == "User" and not any(kept.owner_type == "User" for kept in self.repositories.values()):
            self.login = owner
        accounts.setdefault(owner, owner_id or new_id())
        self.plans[owner] = plan
        repository = Repository(
            owner=owner,
            owner_id=accounts[owner],
            name=name,
            id=id or new_id(),
            owner_type=owner_type,
            plan=plan,
            private=private,
            archived=archived,
            permissions={**dict.fromkeys(ROLES, True), **(permissions or {})},
        )
        self.repositories[full_name] = repository
        return repository


def in_any_case(items: Mapping[str, Found], name: str) -> tuple[str, Found] | None:
    """Return a name as it is kept, with what it stands for; None if there is nothing of that name."""
    return next(((kept, item) for kept, item in items.items() if kept.lower() == name.lower()), None)


def name_problem(name: str) -> str | None:
    """Return why a secret or variable cannot have a name (already in upper case), None if it can.

    https://docs.github.com/actions/reference/security/secrets#naming-your-secrets
    """
    if name.startswith("GITHUB_"):
        return "must not start with GITHUB_"
    if not _NAME.fullmatch(name):
        return "can only contain alphanumeric characters or underscores, and must not start with a number"
    return None


def environment_name_problem(name: str) -> str | None:
    """Return why GitHub refuses an environment's name, None if it does not."""
    if len(name) > 255:
        return "is too long (maximum is 255 characters)"
    if not name.strip() or _REFUSED_IN_ENVIRONMENT.search(name):
        return "contains invalid characters"
    return None


def strongest(permissions: Iterable[str]) -> str | None:
    """Return the strongest of some permissions, None if there is none."""
    order = list(ROLES)
    return max((name for name in permissions if name in ROLES), key=order.index, default=None)
