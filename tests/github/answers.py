"""How the stand-in for GitHub writes what it keeps: the JSON of each kind of answer, as GitHub's description has it."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from tests.github.description import description
from tests.github.state import ROLES, Environment, Repository, Secret, State, Variable

Json = dict[str, Any]

# What the description asks for and nobody here reads gets the empty value of its type.
_EMPTY: dict[str, Any] = {"string": "", "integer": 0, "boolean": False}


def time(when: datetime) -> str:
    """Return a time the way GitHub writes it: 2026-11-21T15:00:00Z."""
    return when.strftime("%Y-%m-%dT%H:%M:%SZ")


def user(state: State, login: str) -> Json:
    """Return an account in short (`simple-user`)."""
    kind = "Organization" if login in state.organizations else "User"
    number = state.organizations[login] if login in state.organizations else state.users[login]
    url = f"{state.url}/users/{login}"
    known = {"login": login, "id": number, "type": kind, "url": url, "html_url": f"https://github.test/{login}"}
    return {**_required("simple-user", url), **known, "user_view_type": "public"}


def profile(state: State, login: str, *, private: bool) -> Json:
    """Return an account in full (`public-user`, or `private-user` with the plan)."""
    kind = "private-user" if private else "public-user"
    url = f"{state.url}/users/{login}"
    answer = {**_required(kind, url), **user(state, login), "user_view_type": "private" if private else "public"}
    if private:
        plan = {"name": state.plans.get(login, "free"), "space": 0, "collaborators": 0, "private_repos": 0}
        answer["plan"] = plan
    return answer


def repository(state: State, repo: Repository) -> Json:
    """Return a repository in full (`full-repository`), with what the token's account may do in it."""
    url = f"{state.url}/repos/{repo.full_name}"
    page = f"https://github.test/{repo.full_name}"
    answer = {
        **_required("full-repository", url),
        **_names(state, repo),
        "clone_url": f"{page}.git",
        "archived": repo.archived,
        "visibility": "private" if repo.private else "public",
        "default_branch": repo.default_branch,
        "permissions": dict(repo.permissions),
    }
    if repo.owner_type == "Organization":
        answer["organization"] = answer["owner"]
    return answer


def invitation(state: State, repo: Repository, login: str) -> Json:
    """Return somebody's invitation to a repository (`repository-invitation`)."""
    url = f"{state.url}/repos/{repo.full_name}"
    short = {**_required("minimal-repository", url), **_names(state, repo)}
    return {
        "id": state.users[login],
        "node_id": "",
        "repository": short,
        "invitee": user(state, login),
        "inviter": user(state, state.login) if state.login in state.users else None,
        "permissions": ROLES[repo.invitations[login]],
        "created_at": time(state.now),
        "url": f"{url}/invitations/{state.users[login]}",
        "html_url": f"https://github.test/{repo.full_name}/invitations",
    }


def collaborator(state: State, login: str, permission: str) -> Json:
    """Return one who works on a repository (`collaborator`); a stronger permission includes the weaker ones."""
    order = list(ROLES)
    allowed = {name: order.index(name) <= order.index(permission) for name in order}
    return {**user(state, login), "permissions": allowed, "role_name": ROLES[permission]}


def environment(state: State, repo: Repository, found: Environment) -> Json:
    """Return an environment (`environment`) with its protection rules."""
    rules: list[Json] = []
    if found.wait_timer:
        rules.append({"type": "wait_timer", "wait_timer": found.wait_timer})
    if found.reviewers:
        reviewers = [{"type": kind, "reviewer": _reviewer(state, kind, number)} for kind, number in found.reviewers]
        asked = {"prevent_self_review": found.prevent_self_review, "reviewers": reviewers}
        rules.append({"type": "required_reviewers", **asked})
    policy = None
    if found.branch_policy is not None:
        rules.append({"type": "branch_policy"})
        custom = found.branch_policy == "custom"
        policy = {"protected_branches": not custom, "custom_branch_policies": custom}
    return {
        "id": found.id,
        "node_id": "",
        "name": found.name,
        "url": f"{state.url}/repos/{repo.full_name}/environments/{found.name}",
        "html_url": f"https://github.test/{repo.full_name}/deployments/activity_log?environments_filter={found.name}",
        "created_at": time(found.created_at),
        "updated_at": time(found.updated_at),
        "protection_rules": [{"id": found.id * 10 + index, "node_id": "", **rule} for index, rule in enumerate(rules)],
        "deployment_branch_policy": policy,
    }


def branch_policy(number: int, kind: str, name: str) -> Json:
    """Return one branch or tag pattern of an environment (`deployment-branch-policy`)."""
    return {"id": number, "node_id": "", "name": name, "type": kind}


def entry(name: str, item: Secret | Variable) -> Json:
    """Return a secret, without its value, or a variable, with it (`actions-secret`, `actions-variable`)."""
    answer = {"name": name, "created_at": time(item.created_at), "updated_at": time(item.updated_at)}
    return {**answer, "value": item.value} if isinstance(item, Variable) else answer


def _names(state: State, repo: Repository) -> Json:
    owner = user(state, repo.owner)
    return {
        "id": repo.id,
        "name": repo.name,
        "full_name": repo.full_name,
        "owner": owner,
        "private": repo.private,
        "html_url": f"https://github.test/{repo.full_name}",
        "url": f"{state.url}/repos/{repo.full_name}",
    }


def _reviewer(state: State, kind: str, number: int) -> Json:
    names = state.users if kind == "User" else state.teams
    name = next(name for name, known in names.items() if known == number)
    if kind == "User":
        return user(state, name)
    return {**_required("team", f"{state.url}/teams/{number}"), "id": number, "name": name, "slug": name}


def _required(schema: str, url: str) -> Json:
    """Return an object with every key that a schema of the description requires, each as empty as it may be."""
    whole = description()["components"]["schemas"][schema]
    return {name: _empty(whole["properties"][name], url) for name in whole["required"]}


def _empty(schema: Json, url: str) -> object:
    if schema.get("nullable") or "$ref" in schema:
        return None
    if schema.get("format") == "date-time":
        return "2026-01-01T00:00:00Z"
    if schema.get("format") == "uri" or schema.get("type") not in _EMPTY:
        return url
    return schema["enum"][0] if "enum" in schema else _EMPTY[schema["type"]]
