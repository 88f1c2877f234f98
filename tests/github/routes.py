"""What the stand-in for GitHub does on each request: the rules of GitHub's API, route by route.

Every rule is from the description beside this file or from https://docs.github.com/rest; where those are silent, the
function says what we take GitHub to do.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

from tests.github import answers
from tests.github.description import Operation
from tests.github.state import (
    ROLES,
    Environment,
    Repository,
    Secret,
    State,
    Variable,
    Vault,
    environment_name_problem,
    in_any_case,
    name_problem,
    new_id,
    strongest,
)

Json = dict[str, Any]


@dataclass(eq=False)
class Answer(Exception):
    """What goes back: a status, the JSON (None for an empty answer) and headers of its own; raised to answer early."""

    status: int
    body: object = None
    headers: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Call:
    """A request on its way: the operation, the query and the JSON that came with it."""

    state: State
    operation: Operation
    query: Mapping[str, list[str]]
    body: Json
    path: str

    def value(self, name: str) -> str:
        """Return what stands in the path for a placeholder."""
        return self.operation.values[name]


Handler = Callable[[Call], Answer]


@dataclass(frozen=True)
class Route:
    """How a request is answered, and what it takes.

    `permission` and `level`: what a fine-grained token needs; "" for nothing. `role`: what the token's account must be
    in the repository; None where there is no repository.
    """

    handler: Handler
    permission: str
    level: str
    role: str | None


ROUTES: dict[str, Route] = {}

# The documentation calls the permission Variables, the header by this name.
_IN_HEADER = {"variables": "actions_variables"}


def route(
    *names: str, permission: str = "", level: str = "read", role: str | None = "pull"
) -> Callable[[Handler], Handler]:
    """Make a function the answer to operations, named by method and path.

    https://docs.github.com/rest/authentication/permissions-required-for-fine-grained-personal-access-tokens
    """

    def add(handler: Handler) -> Handler:
        for name in names:
            ROUTES[name] = Route(handler, permission, level, role)
        return handler

    return add


def respond(call: Call) -> Answer:
    """Do what a request asks, if its token may, and return the answer."""
    found = ROUTES.get(call.operation.name)
    if found is None:
        raise LookupError(f"the stand-in for GitHub does not know how to answer {call.operation.name}")
    accepted = f"{_IN_HEADER.get(found.permission, found.permission)}={found.level}" if found.permission else ""
    try:
        _check_token(call, found)
        if "repo" in call.operation.values:
            _check_repository(call, found)
        answer = found.handler(call)
    except Answer as early:
        answer = early
    if call.state.is_fine_grained:
        if accepted:
            answer.headers["X-Accepted-GitHub-Permissions"] = accepted
    else:
        answer.headers["X-Accepted-OAuth-Scopes"] = "repo" if "repo" in call.operation.values else ""
    return answer


def refused(status: int, message: str, errors: list[Any] | None = None) -> Answer:
    """Return an answer that says no, the way GitHub words it."""
    body: Json = {"message": message, "documentation_url": "https://docs.github.com/rest", "status": str(status)}
    return Answer(status, {**body, "errors": errors} if errors else body)


def not_found() -> Answer:
    """Return GitHub's answer for what is not there, or must not be seen."""
    return refused(404, "Not Found")


def _invalid(resource: str, name: str, message: str) -> Answer:
    error = {"resource": resource, "field": name, "code": "custom", "message": message}
    return refused(422, "Validation Failed", [error])


# Who may ask.


def _check_token(call: Call, found: Route) -> None:
    state = call.state
    if state.is_fine_grained:
        most = state.denied.get(found.permission, "write")
        if most is None or (most == "read" and found.level == "write"):
            raise refused(403, "Resource not accessible by personal access token")
    elif "repo" in call.operation.values and "repo" not in (state.scopes or ()):
        if _repository(call).private:
            raise not_found()
        if call.operation.method != "GET" or found.role != "pull":
            raise refused(403, "Must have admin rights to Repository.")


def _check_repository(call: Call, found: Route) -> None:
    repo = _repository(call)
    if repo.private and not repo.permissions.get("pull"):
        raise not_found()
    if found.role == "admin" and not repo.permissions.get("admin"):
        raise refused(403, "Must have admin rights to Repository.")
    if found.role == "push" and not repo.permissions.get("push"):
        need = f"have the repository {found.permission} fine-grained permission"
        raise refused(403, f"You must have repository {found.level} permissions or {need}.")
    if repo.archived and call.operation.method != "GET":
        raise refused(403, "Repository was archived so is read-only.")


def _repository(call: Call) -> Repository:
    found = in_any_case(call.state.repositories, f"{call.value('owner')}/{call.value('repo')}")
    if found is None:
        raise not_found()
    return found[1]


def _environment(call: Call) -> Environment:
    repo = _repository(call)
    found = in_any_case(repo.environments, call.value("environment_name"))
    if found is None or not repo.has_environments:
        raise not_found()
    return found[1]


def _vault(call: Call) -> Vault:
    return _environment(call) if "environment_name" in call.operation.values else _repository(call)


def _page(call: Call, items: list[Any], key: str | None, per_page: int = 30) -> Answer:
    """Return one page of a list: bare, or with the total under `total_count` and the items under `key`.

    However many a client asks for, a page has at most 100 entries, and at most 30 of variables:
    https://docs.github.com/rest/using-the-rest-api/using-pagination-in-the-rest-api
    """
    size = max(1, min(int(call.query.get("per_page", [str(per_page)])[0]), 30 if key == "variables" else 100))
    number = max(1, int(call.query.get("page", ["1"])[0]))
    last = max(1, math.ceil(len(items) / size))
    wanted = {
        "prev": number - 1 if number > 1 else None,
        "next": number + 1 if number < last else None,
        "last": last if number < last else None,
        "first": 1 if number > 1 else None,
    }
    links = [
        f'<{call.state.url}{call.path}?{urlencode({"per_page": size, "page": page})}>; rel="{name}"'
        for name, page in wanted.items()
        if page is not None
    ]
    part = items[(number - 1) * size : number * size]
    body = part if key is None else {"total_count": len(items), key: part}
    return Answer(200, body, {"Link": ", ".join(links)} if links else {})


# Accounts.


@route("GET /user", role=None)
def _me(call: Call) -> Answer:
    call.state.add_user(call.state.login)
    return Answer(200, answers.profile(call.state, call.state.login, private=call.state.tells_plan))


@route("GET /users/{username}", role=None)
def _account(call: Call) -> Answer:
    found = in_any_case({**call.state.users, **call.state.organizations}, call.value("username"))
    if found is None:
        raise not_found()
    return Answer(200, answers.profile(call.state, found[0], private=False))


@route("GET /users/{username}/keys", role=None)
def _account_keys(call: Call) -> Answer:
    login = _person(call)
    keys = call.state.keys.get(login, [])
    return _page(call, [{"id": index, "key": key} for index, key in enumerate(keys, start=1)], None)


def _person(call: Call) -> str:
    found = in_any_case(call.state.users, call.value("username"))
    if found is None:
        raise not_found()
    return found[0]


# The repository itself.


@route("GET /repos/{owner}/{repo}", permission="metadata")
def _repository_itself(call: Call) -> Answer:
    return Answer(200, answers.repository(call.state, _repository(call)))


@route("GET /repos/{owner}/{repo}/actions/oidc/customization/sub", permission="actions")
def _subject(call: Call) -> Answer:
    return Answer(200, _repository(call).oidc_subject)


@route("PUT /repos/{owner}/{repo}/actions/oidc/customization/sub", permission="actions", level="write", role="admin")
def _set_subject(call: Call) -> Answer:
    keys = call.body.get("include_claim_keys", [])
    if any(not key.replace("_", "").isalnum() for key in keys) or len(set(keys)) != len(keys):
        raise refused(422, "Invalid claim keys", ["include_claim_keys must be unique, of letters, digits and _"])
    _repository(call).oidc_subject = dict(call.body)
    return Answer(201, {})


# Environments.


@route("GET /repos/{owner}/{repo}/environments", permission="actions")
def _environments(call: Call) -> Answer:
    repo = _repository(call)
    found = repo.environments.values() if repo.has_environments else ()
    return _page(call, [answers.environment(call.state, repo, each) for each in found], "environments")


@route("GET /repos/{owner}/{repo}/environments/{environment_name}", permission="actions")
def _one_environment(call: Call) -> Answer:
    return Answer(200, answers.environment(call.state, _repository(call), _environment(call)))


@route(
    "PUT /repos/{owner}/{repo}/environments/{environment_name}",
    permission="administration",
    level="write",
    role="admin",
)
def _put_environment(call: Call) -> Answer:
    """Create an environment or set it anew: what is not named goes back to its default."""
    repo, name, now = _repository(call), call.value("environment_name"), call.state.now
    if (problem := environment_name_problem(name)) is not None:
        raise refused(422, f"Environment name {problem}")
    if not repo.has_environments:
        raise refused(422, "Failed to create the environment. Please ensure the billing plan supports environments.")
    reviewers = [(each.get("type"), each.get("id")) for each in call.body.get("reviewers") or []]
    wait, policy = call.body.get("wait_timer") or 0, call.body.get("deployment_branch_policy")
    _check_gates(call, repo, reviewers, wait)
    if policy is not None and policy["protected_branches"] == policy["custom_branch_policies"]:
        raise refused(422, "protected_branches and custom_branch_policies cannot have the same value")
    found = in_any_case(repo.environments, name)
    if found is None:
        environment = Environment(name=name, created_at=now)
        repo.environments[name] = environment
    else:
        environment = found[1]
    environment.updated_at = now
    environment.reviewers, environment.wait_timer = reviewers, wait
    environment.prevent_self_review = bool(call.body.get("prevent_self_review"))
    environment.branch_policy = None
    if policy is not None:
        environment.branch_policy = "custom" if policy["custom_branch_policies"] else "protected"
    if environment.branch_policy != "custom":
        environment.policies.clear()
    return Answer(200, answers.environment(call.state, repo, environment))


def _check_gates(call: Call, repo: Repository, reviewers: list[Any], wait: int) -> None:
    """Refuse reviewers and waits that cannot be.

    Reviewers must be able to read the repository, and both need the Enterprise plan where the repository is private:
    https://docs.github.com/actions/reference/workflows-and-actions/deployments-and-environments
    """
    rule = "required reviewers" if reviewers else "wait timer"
    if (reviewers or wait) and not repo.has_gates:
        plan = f"Please ensure the billing plan supports the {rule} protection rule."
        raise refused(422, f"Failed to create the environment protection rule. {plan}")
    if not 0 <= wait <= 43_200:
        raise refused(422, "Wait timer must be between 0 and 43200 minutes")
    if len(reviewers) > 6:
        raise refused(422, "Failed to create the environment protection rule. There can be at most 6 reviewers.")
    readers = {*repo.collaborators, repo.owner, call.state.login}
    for kind, number in reviewers:
        names = {"User": call.state.users, "Team": call.state.teams}.get(kind, {})
        name = next((name for name, known in names.items() if known == number), None)
        if name is None or (kind == "User" and repo.private and name not in readers):
            raise refused(422, f"Failed to create the environment protection rule. Invalid reviewer: {kind} {number}")


@route(
    "DELETE /repos/{owner}/{repo}/environments/{environment_name}",
    permission="administration",
    level="write",
    role="admin",
)
def _delete_environment(call: Call) -> Answer:
    del _repository(call).environments[_environment(call).name]
    return Answer(204)


_POLICIES = "/repos/{owner}/{repo}/environments/{environment_name}/deployment-branch-policies"


@route(f"GET {_POLICIES}", permission="actions")
def _branch_policies(call: Call) -> Answer:
    policies = _environment(call).policies.items()
    return _page(call, [answers.branch_policy(number, *policy) for number, policy in policies], "branch_policies")


@route(f"POST {_POLICIES}", permission="administration", level="write", role="admin")
def _add_branch_policy(call: Call) -> Answer:
    environment = _environment(call)
    if environment.branch_policy != "custom":
        raise not_found()
    policy = (call.body.get("type", "branch"), call.body["name"])
    if policy in environment.policies.values():
        raise Answer(303)
    number = new_id()
    environment.policies[number] = policy
    return Answer(200, answers.branch_policy(number, *policy))


# Secrets and variables: of the repository and of an environment, by the same rules.

_OF_REPOSITORY = "/repos/{owner}/{repo}/actions"
_OF_ENVIRONMENT = "/repos/{owner}/{repo}/environments/{environment_name}"


def _both(method: str, rest: str, kind: str, level: str) -> Callable[[Handler], Handler]:
    """Make a function the answer for a repository and for an environment: each asks for a permission of its own."""

    def add(handler: Handler) -> Handler:
        of_environment = route(f"{method} {_OF_ENVIRONMENT}{rest}", permission="environments", level=level, role="push")
        return of_environment(
            route(f"{method} {_OF_REPOSITORY}{rest}", permission=kind, level=level, role="push")(handler)
        )

    return add


def _name(call: Call, placeholder: str) -> str:
    return call.value(placeholder).upper()


def _check_name(resource: str, name: str) -> None:
    if (problem := name_problem(name)) is not None:
        raise _invalid(resource, "name", f"{resource} name {problem}")


@_both("GET", "/secrets/public-key", "secrets", "read")
def _public_key(call: Call) -> Answer:
    vault = _vault(call)
    return Answer(200, {"key_id": vault.key_id, "key": vault.public_key})


@_both("GET", "/secrets", "secrets", "read")
def _secrets(call: Call) -> Answer:
    return _page(call, [answers.entry(name, item) for name, item in sorted(_vault(call).secrets.items())], "secrets")


@_both("GET", "/secrets/{secret_name}", "secrets", "read")
def _secret(call: Call) -> Answer:
    name = _name(call, "secret_name")
    found = _vault(call).secrets.get(name)
    return not_found() if found is None else Answer(200, answers.entry(name, found))


@_both("PUT", "/secrets/{secret_name}", "secrets", "write")
def _put_secret(call: Call) -> Answer:
    vault, name, now = _vault(call), _name(call, "secret_name"), call.state.now
    _check_name("Secret", name)
    value = vault.opened(call.body["encrypted_value"], call.body["key_id"])
    if value is None:
        raise _invalid("Secret", "encrypted_value", "is not sealed with this place's public key")
    is_new = name not in vault.secrets
    created = now if is_new else vault.secrets[name].created_at
    vault.secrets[name] = Secret(value, created, now)
    return Answer(201, {}) if is_new else Answer(204)


@_both("DELETE", "/secrets/{secret_name}", "secrets", "write")
def _delete_secret(call: Call) -> Answer:
    return not_found() if _vault(call).secrets.pop(_name(call, "secret_name"), None) is None else Answer(204)


@_both("GET", "/variables", "variables", "read")
def _variables(call: Call) -> Answer:
    items = [answers.entry(name, item) for name, item in sorted(_vault(call).variables.items())]
    return _page(call, items, "variables", per_page=10)


@_both("POST", "/variables", "variables", "write")
def _add_variable(call: Call) -> Answer:
    vault, name, now = _vault(call), call.body["name"].upper(), call.state.now
    _check_name("Variable", name)
    if name in vault.variables:
        raise refused(409, "Already exists - Variable already exists")
    vault.variables[name] = Variable(call.body["value"], now, now)
    return Answer(201, {})


@_both("GET", "/variables/{name}", "variables", "read")
def _variable(call: Call) -> Answer:
    name = _name(call, "name")
    found = _vault(call).variables.get(name)
    return not_found() if found is None else Answer(200, answers.entry(name, found))


@_both("PATCH", "/variables/{name}", "variables", "write")
def _change_variable(call: Call) -> Answer:
    """Change a variable's value, its name, or both."""
    vault, name = _vault(call), _name(call, "name")
    new_name = call.body.get("name", name).upper()
    if (found := vault.variables.get(name)) is None:
        raise not_found()
    _check_name("Variable", new_name)
    if new_name != name and new_name in vault.variables:
        raise refused(409, "Already exists - Variable already exists")
    del vault.variables[name]
    vault.variables[new_name] = Variable(call.body.get("value", found.value), found.created_at, call.state.now)
    return Answer(204)


@_both("DELETE", "/variables/{name}", "variables", "write")
def _delete_variable(call: Call) -> Answer:
    return not_found() if _vault(call).variables.pop(_name(call, "name"), None) is None else Answer(204)


# Those who work on a repository.

_COLLABORATOR = "/repos/{owner}/{repo}/collaborators/{username}"


def _members(call: Call) -> dict[str, str]:
    """Return everybody's permission; in a person's repository the owner is among them."""
    repo = _repository(call)
    return {**({repo.owner: "admin"} if repo.owner_type == "User" else {}), **repo.collaborators}


@route("GET /repos/{owner}/{repo}/collaborators", permission="metadata", role="push")
def _collaborators(call: Call) -> Answer:
    everybody = _members(call)
    if call.query.get("affiliation") == ["outside"]:
        everybody = dict(_repository(call).collaborators)
    wanted = call.query.get("permission")
    chosen = {login: role for login, role in everybody.items() if wanted is None or wanted == [role]}
    return _page(call, [answers.collaborator(call.state, login, role) for login, role in chosen.items()], None)


@route(f"GET {_COLLABORATOR}", permission="metadata", role="push")
def _is_collaborator(call: Call) -> Answer:
    return not_found() if in_any_case(_members(call), call.value("username")) is None else Answer(204)


@route(f"GET {_COLLABORATOR}/permission", permission="metadata", role="push")
def _permission(call: Call) -> Answer:
    """Tell somebody's permission in the older words too: `maintain` is `write` there, and `triage` is `read`."""
    login = _person(call)
    public = [] if _repository(call).private else ["pull"]
    role = strongest([*public, *(role for name, role in _members(call).items() if name == login)])
    if role is None:
        return Answer(200, {"permission": "none", "role_name": "", "user": None})
    older = {"maintain": "write", "triage": "read"}.get(role, ROLES[role])
    member = answers.collaborator(call.state, login, role)
    return Answer(200, {"permission": older, "role_name": ROLES[role], "user": member})


@route(f"PUT {_COLLABORATOR}", permission="administration", level="write", role="admin")
def _invite(call: Call) -> Answer:
    """Change somebody's permission at once, or invite whoever is not in yet; a person's repository knows `push` alone.

    Where the description says nothing, we take it that a second invitation replaces the first.
    """
    repo, login = _repository(call), _person(call)
    permission = call.body.get("permission", "push") if repo.owner_type == "Organization" else "push"
    if permission not in ROLES:
        raise _invalid("Repository", "permission", f"{permission} is not a valid permission")
    if login == repo.owner:
        raise _invalid("Repository", "user", "Repository owner cannot be a collaborator")
    if login in repo.collaborators:
        repo.collaborators[login] = permission
        return Answer(204)
    repo.invitations[login] = permission
    return Answer(201, answers.invitation(call.state, repo, login))


@route(f"DELETE {_COLLABORATOR}", permission="administration", level="write", role="admin")
def _remove_collaborator(call: Call) -> Answer:
    """Take somebody out; an invitation that is still open stays open, and who is not in is no error."""
    found = in_any_case(_repository(call).collaborators, call.value("username"))
    if found is not None:
        del _repository(call).collaborators[found[0]]
    return Answer(204)
