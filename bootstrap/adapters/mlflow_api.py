"""MLflow's REST API as one person: log in, and as an administrator: accounts, roles and what they may do.

Roles are new in MLflow 3.1x and partly undocumented; what is said of them here was read in `mlflow/server/auth/` of
3.17 and is held by tests against a real server. https://mlflow.org/docs/latest/self-hosting/security/basic-http-auth/

Each call is a connection of its own, so one value may be used from any number of threads. Keeping connections open
saved nothing measurable: of the 6 ms of a call the server works for 5.
"""

from __future__ import annotations

import base64
import json
import re
import secrets
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from bootstrap.errors import BootstrapError

DEFAULT_EXPERIMENT = "0"

# Kinds of things that can be granted. Runs, traces and logged models follow their experiment, and versions their
# model, as long as nobody grants those kinds themselves: such a grant would override the one on the parent.
EXPERIMENT = "experiment"
MODEL = "registered_model"
PROMPT = "prompt"
SCORER = "scorer"
# Grants are for one thing by its id (of models and prompts: their name) or for all of a kind; there is no prefix.
EVERY = "*"

READ = "READ"
MANAGE = "MANAGE"

# Without workspaces, as here, everything is in this one.
_WORKSPACE = "default"
_USERS = "/api/2.0/mlflow/users"
_ROLES = "/api/3.0/mlflow/roles"
_PERMISSIONS = "/api/3.0/mlflow/users/permissions"
_EXPERIMENTS = "/api/2.0/mlflow/experiments"
_MODELS = "/api/2.0/mlflow/registered-models"
_THERE = "RESOURCE_ALREADY_EXISTS"
_ABSENT = "RESOURCE_DOES_NOT_EXIST"
_PAGE = 1000  # the most that a search of registered models takes
_PERSONAL_ROLE = re.compile(r"__user_\d+__")


@dataclass(frozen=True)
class Grant:
    """A permission on one thing of a kind, or on all of them (`thing` is "*"). `id` is the grant's own."""

    id: int
    kind: str
    thing: str
    permission: str


@dataclass(frozen=True)
class Role:
    """A role with its grants."""

    id: int
    name: str
    grants: tuple[Grant, ...] = ()

    @property
    def is_personal(self) -> bool:
        """Whether it is the hidden role in which MLflow keeps what one person was granted or has created."""
        return _PERSONAL_ROLE.fullmatch(self.name) is not None

    def grant_on(self, kind: str, thing: str) -> Grant | None:
        """Return the grant on exactly this, if there is one."""
        return next((grant for grant in self.grants if (grant.kind, grant.thing) == (kind, thing)), None)


@dataclass(frozen=True)
class User:
    """An account with its roles, the personal one among them."""

    name: str
    is_admin: bool
    roles: tuple[Role, ...] = ()


@dataclass(frozen=True)
class MlflowApi:
    """MLflow's REST API as one person. https://mlflow.org/docs/latest/api_reference/auth/rest-api.html

    Every method raises BootstrapError if the server cannot be reached or refuses. All that change something can be
    called again: what is already so stays so.
    """

    url: str
    username: str
    password: str = field(repr=False)

    # --- as anybody ---

    def login_works(self) -> bool:
        """Tell whether the server accepts this login."""
        status, _ = self._request("GET", f"{_USERS}/current")
        return status == 200

    def refuses_anonymous(self) -> bool:
        """Tell whether the server turns away a request without a login."""
        status, _ = self._request("POST", f"{_EXPERIMENTS}/search", {"max_results": 1}, login=False)
        return status == 401

    # --- accounts, as an administrator ---

    def ensure_user(self, username: str, password: str) -> bool:
        """Create an account, or give an existing one this password. Return whether it was created."""
        login = {"username": username, "password": password}
        status, answer = self._request("POST", f"{_USERS}/create", login)
        created = _code(answer) != _THERE
        if not created:
            status, answer = self._request("PATCH", f"{_USERS}/update-password", login)
        self._expect(status, answer, f"give {username} an account")
        return created

    def delete_user(self, username: str) -> bool:
        """Delete an account with all that was granted to it; what it made stays. Return False if there was none."""
        return self._call("DELETE", f"{_USERS}/delete", {"username": username}, f"delete {username}", unless=_ABSENT)

    def users(self) -> list[User]:
        """Return all accounts with their roles, in one call."""
        answer = self._get(f"{_USERS}/list", {}, "list its accounts")
        return [User(one["username"], one["is_admin"], _roles(one)) for one in answer.get("users", [])]

    def usernames(self) -> set[str]:
        """Return the names of all accounts, in one call."""
        return {user.name for user in self.users()}

    # --- roles, as an administrator ---

    def roles(self) -> dict[str, Role]:
        """Return all roles by name with their grants, personal ones too, in one call."""
        answer = self._get(f"{_ROLES}/list", {"workspace": _WORKSPACE}, "list its roles")
        return {role.name: role for role in _roles(answer)}

    def roles_of(self, username: str) -> tuple[Role, ...] | None:
        """Return the roles of one person with their grants, or None if there is no such account."""
        status, answer = self._request("GET", _with("/api/3.0/mlflow/users/roles/list", {"username": username}))
        if _code(answer) == _ABSENT:
            return None
        self._expect(status, answer, f"list the roles of {username}")
        return _roles(answer)

    def ensure_role(self, name: str) -> Role:
        """Return the role of this name, created if need be."""
        status, answer = self._request("POST", f"{_ROLES}/create", {"name": name, "workspace": _WORKSPACE})
        if _code(answer) == _THERE and (found := self.roles().get(name)):
            return found
        self._expect(status, answer, f"make the role {name}")
        return _role(answer["role"])

    def delete_role(self, role: Role) -> bool:
        """Delete a role; whoever had it loses what it granted. Return False if it was gone."""
        return self._call(
            "DELETE", f"{_ROLES}/delete", {"role_id": role.id}, f"delete the role {role.name}", unless=_ABSENT
        )

    def ensure_grant(self, role: Role, kind: str, thing: str, permission: str) -> bool:
        """Give a role exactly this permission on a thing. Return False if it had it when `role` was read."""
        what = f"let the role {role.name} {permission} the {kind} {thing}"
        before = role.grant_on(kind, thing)
        if before is None:
            grant = {"role_id": role.id, "resource_type": kind, "resource_pattern": thing, "permission": permission}
            if self._call("POST", f"{_ROLES}/permissions/add", grant, what, unless=_THERE):
                return True
            # Somebody else was quicker; which permission they gave has to be looked up.
            now = self.roles().get(role.name)
            before = now.grant_on(kind, thing) if now else None
        if before is None or before.permission == permission:
            return False
        change = {"role_permission_id": before.id, "permission": permission}
        return self._call("PATCH", f"{_ROLES}/permissions/update", change, what)

    def remove_grant(self, role: Role, grant: Grant) -> bool:
        """Take one grant out of a role. Return False if it was gone."""
        what = f"take the {grant.kind} {grant.thing} from the role {role.name}"
        return self._call(
            "DELETE", f"{_ROLES}/permissions/remove", {"role_permission_id": grant.id}, what, unless=_ABSENT
        )

    def assign(self, username: str, role_id: int) -> bool:
        """Give a person a role. Return False if they had it."""
        body = {"username": username, "role_id": role_id}
        return self._call("POST", f"{_ROLES}/assign", body, f"give {username} a role", unless=_THERE)

    def unassign(self, username: str, role_id: int) -> bool:
        """Take a role from a person. Return False if they did not have it."""
        body = {"username": username, "role_id": role_id}
        return self._call("DELETE", f"{_ROLES}/unassign", body, f"take a role from {username}", unless=_ABSENT)

    # --- what one person may do, as an administrator ---

    def effective_permission(self, username: str, kind: str, thing: str) -> str:
        """Return what a person may do with an experiment (by id) or a registered model (by name), all roles together.

        One of NO_PERMISSIONS, READ, USE, EDIT, MANAGE and DENY, worked out by the code that decides about requests.
        MLflow answers it for no prompt.
        """
        query = {"username": username, "resource_type": kind, "resource_id": thing}
        answer = self._get(f"{_PERMISSIONS}/get", query, f"say what {username} may do with the {kind} {thing}")
        return str(answer["permission"])

    def ensure_experiment_permission(self, username: str, experiment_id: str, permission: str) -> None:
        """Give a person exactly this permission on an experiment, whatever their roles say."""
        resource = {"username": username, "resource_type": EXPERIMENT, "resource_id": experiment_id}
        grant = {**resource, "permission": permission}
        status, answer = self._request("POST", f"{_PERMISSIONS}/grant", grant)
        if _code(answer) == _THERE:
            # It does not say which permission is there; taking that away first leaves the one we want.
            self._request("POST", f"{_PERMISSIONS}/revoke", resource)
            status, answer = self._request("POST", f"{_PERMISSIONS}/grant", grant)
        self._expect(status, answer, f"give {username} access to experiment {experiment_id}")

    def revoke(self, username: str, kind: str, thing: str) -> bool:
        """Take away what a person was granted in person; roles are not touched. Return False if there was nothing."""
        body = {"username": username, "resource_type": kind, "resource_id": thing}
        what = f"take the {kind} {thing} from {username}"
        return self._call("POST", f"{_PERMISSIONS}/revoke", body, what, unless=_ABSENT)

    # --- what there is; an administrator sees all of it ---

    def create_experiment(self, name: str) -> str | None:
        """Create an experiment and return its id, or None if the name is taken, be it by a deleted one."""
        status, answer = self._request("POST", f"{_EXPERIMENTS}/create", {"name": name})
        if _code(answer) == _THERE:
            return None
        self._expect(status, answer, f"make the experiment {name}")
        return str(answer["experiment_id"])

    def existing_experiment(self, name: str) -> str:
        """Return the id of an experiment that is there, brought back if it was deleted."""
        what = f"look up the experiment {name}"
        found = self._get(f"{_EXPERIMENTS}/get-by-name", {"experiment_name": name}, what)["experiment"]
        experiment = str(found["experiment_id"])
        if found.get("lifecycle_stage") == "deleted":
            self._call("POST", f"{_EXPERIMENTS}/restore", {"experiment_id": experiment}, f"bring back {name}")
        return experiment

    def experiment_name(self, experiment_id: str) -> str | None:
        """Return the name of an experiment, deleted or not, or None if there is none of this id."""
        status, answer = self._request("GET", _with(f"{_EXPERIMENTS}/get", {"experiment_id": experiment_id}))
        if _code(answer) == _ABSENT:
            return None
        self._expect(status, answer, f"look up the experiment {experiment_id}")
        return str(answer["experiment"]["name"])

    def experiments(self, like: str = "%", *, deleted: bool = False) -> dict[str, str]:
        """Return name → id of all experiments, or of those whose names are `like` a pattern of SQL.

        With `deleted` also those that were deleted and can still be brought back; names are unique among both.
        """
        quoted = like.replace("'", "''")
        search = {"filter": f"name LIKE '{quoted}'", "view_type": "ALL" if deleted else "ACTIVE_ONLY"}
        found: dict[str, str] = {}
        token = ""
        while True:
            body = {"max_results": _PAGE, **search, **({"page_token": token} if token else {})}
            status, answer = self._request("POST", f"{_EXPERIMENTS}/search", body)
            self._expect(status, answer, "list its experiments")
            found |= {one["name"]: one["experiment_id"] for one in answer.get("experiments", [])}
            token = answer.get("next_page_token", "")
            if not token:
                return found

    def registered_models(self) -> set[str]:
        """Return the names of all registered models; prompts are not among them."""
        return self._registered("")

    def prompts(self) -> set[str]:
        """Return the names of all prompts, which MLflow keeps as registered models of another kind."""
        return self._registered("tags.`mlflow.prompt.is_prompt` = 'true'")

    def _registered(self, filtered: str) -> set[str]:
        found: set[str] = set()
        token = ""
        while True:
            query = {"max_results": _PAGE, "filter": filtered, "page_token": token}
            answer = self._get(f"{_MODELS}/search", query, "list its registered models")
            found |= {one["name"] for one in answer.get("registered_models", [])}
            token = answer.get("next_page_token", "")
            if not token:
                return found

    # --- one call ---

    def _get(self, path: str, query: Mapping[str, object], what: str) -> dict[str, Any]:
        status, answer = self._request("GET", _with(path, query))
        self._expect(status, answer, what)
        return answer

    def _call(self, method: str, path: str, body: Mapping[str, object], what: str, *, unless: str = "") -> bool:
        """Make a change. Return False if the server says `unless`: there was nothing to change."""
        status, answer = self._request(method, path, body)
        if unless and _code(answer) == unless:
            return False
        self._expect(status, answer, what)
        return True

    def _expect(self, status: int, answer: Mapping[str, Any], what: str) -> None:
        if status == 200:
            return
        said = str(answer.get("message") or _code(answer) or "no reason given")
        if status == 401:
            said = f"it refuses the login of {self.username}"
        # What follows the first line is the SQL statement, with its values: of an account that is a password's hash.
        raise BootstrapError(
            f"MLflow at {self.url} would not {what}: {said.splitlines()[0]} (HTTP {status}).",
            hint="Run the same command again; it goes on where it stopped.",
        )

    def _request(
        self, method: str, path: str, body: Mapping[str, object] | None = None, *, login: bool = True
    ) -> tuple[int, dict[str, Any]]:
        headers = {"Content-Type": "application/json"}
        if login:
            pair = base64.b64encode(f"{self.username}:{self.password}".encode()).decode()
            headers["Authorization"] = f"Basic {pair}"
        data = json.dumps(body).encode() if body is not None else None
        request = urllib.request.Request(self.url + path, data=data, headers=headers, method=method)  # noqa: S310
        local = urllib.parse.urlsplit(self.url).hostname in ("127.0.0.1", "localhost")
        proxies = urllib.request.ProxyHandler({}) if local else urllib.request.ProxyHandler()
        try:
            with urllib.request.build_opener(proxies).open(request, timeout=30) as answer:
                return answer.status, _json(answer.read())
        except urllib.error.HTTPError as error:
            return error.code, _json(error.read())
        except (urllib.error.URLError, OSError) as error:
            raise BootstrapError(
                f"MLflow at {self.url} cannot be reached: {error}.",
                hint="`bootstrap status` shows what runs."
                + ("" if local else " A server in AWS answers nobody whose address is not in `allowed_cidrs`."),
            ) from error


@dataclass(frozen=True)
class UnknownMlflow(MlflowApi):
    """A server whose administrator's password could not be found out: whatever is asked of it raises the `problem`."""

    problem: BootstrapError

    def _request(self, *_: object, **__: object) -> tuple[int, dict[str, Any]]:
        raise self.problem


def new_password() -> str:
    """Make a random password of 192 bits, of characters that need no quoting anywhere."""
    return secrets.token_urlsafe(24)


def _with(path: str, query: Mapping[str, object]) -> str:
    asked = urllib.parse.urlencode({name: value for name, value in query.items() if value != ""})
    return f"{path}?{asked}" if asked else path


def _code(answer: Mapping[str, Any]) -> str:
    return str(answer.get("error_code", ""))


def _roles(answer: Mapping[str, Any]) -> tuple[Role, ...]:
    return tuple(_role(one) for one in answer.get("roles", []))


def _role(one: Mapping[str, Any]) -> Role:
    grants = (
        Grant(grant["id"], grant["resource_type"], grant["resource_pattern"], grant["permission"])
        for grant in one.get("permissions", [])
    )
    return Role(one["id"], one["name"], tuple(grants))


def _json(body: bytes) -> dict[str, Any]:
    try:
        parsed = json.loads(body)
    except ValueError:
        return {}
    return parsed if isinstance(parsed, dict) else {}
