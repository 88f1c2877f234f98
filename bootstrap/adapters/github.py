"""A repository's settings on GitHub: environments, secrets, variables, collaborators.

PyGithub carries the requests and seals secrets; it has no call for an environment's branches, so all go through its
requester, in one way. https://docs.github.com/rest
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlsplit

from bootstrap.core.github import Environment, Found, Repository, Scope
from bootstrap.core.github_limits import is_limit, wait_seconds
from bootstrap.errors import GitHubFailed
from bootstrap.redact import redact

if TYPE_CHECKING:
    from github.Requester import Requester

_SECONDS = 20
_ATTEMPTS = 4
# A longer wait than this is for the user to decide on.
_MOST_WAIT_SECONDS = 60.0
_PAGE = 100
# More than any repository may have of anything here; whoever always says that there is a next one is not GitHub.
_MOST_PAGES = 100
# What nobody has, to find out whether deleting would be allowed.
_NOBODYS = "NOBODYS_OF_BOOTSTRAP"


@dataclass(frozen=True)
class _Answer:
    status: int
    headers: Mapping[str, str]
    body: Any

    def header(self, name: str) -> str | None:
        return self.headers.get(name.lower())

    @property
    def message(self) -> str:
        """What GitHub says about it, in a line."""
        if not isinstance(self.body, dict):
            return ""
        words = str(self.body.get("message", ""))
        details = self.body.get("errors")
        if isinstance(details, list):
            words = " ".join(
                [words, *(one if isinstance(one, str) else str(one.get("message", "")) for one in details)]
            )
        return redact(" ".join(words.split()))[:300]


@dataclass
class GitHub:
    """One repository as the owner of `token` sees it.

    `api_url` and `environments` are as in bootstrap.toml, `repository` is owner/name.

    Every method raises GitHubFailed, with what to do about it: no answer, a token that is refused or may not do this,
    a repository that is not there or is archived, something that GitHub does not take, no more requests for now.
    """

    api_url: str
    repository: str
    token: str = field(repr=False)
    environments: bool | None = None
    sleep: Callable[[float], None] = time.sleep
    _requester: Requester | None = field(default=None, repr=False)
    _sealing_keys: dict[str, tuple[str, str]] = field(default_factory=dict, repr=False)

    # --- looking ---

    def look(self) -> Repository:
        """Return what the repository is. Raises GitHubFailed too if the token is no administrator's."""
        answer = self._ask("GET", self._repo(), fine=(404,))
        scopes = answer.header("X-OAuth-Scopes")
        # A private repository is not even shown to a classic token without it.
        if scopes is not None and "repo" not in {one.strip() for one in scopes.split(",")}:
            raise GitHubFailed(
                f"The token for {self._host} lacks the scope `repo`, which settings of {self.repository} need.",
                hint=f"Give it that scope, or make one that has it: {self._tokens}",
            )
        if answer.status == 404:
            raise self._refused(answer, "")
        found = answer.body
        name, private = str(found["full_name"]), bool(found["private"])
        if name.lower() != self.repository.lower():
            # GitHub leads on from the old name when something is read, and not when it is written.
            raise GitHubFailed(
                f"{self.repository} is called {name} now.",
                hint=f'Write repository = "{name}" under [github] in bootstrap.toml.',
            )
        if found["archived"]:
            raise GitHubFailed(
                f"{name} is archived on GitHub; nothing in it can be changed.",
                hint="Unarchive it in its settings, or name another repository in bootstrap.toml.",
            )
        if not (found.get("permissions") or {}).get("admin"):
            raise GitHubFailed(
                f"The token's owner is no administrator of {name}; only those change its environments and secrets.",
                hint="Ask for the role Admin in the repository's settings, or use the token of somebody who has it.",
            )
        return Repository(
            name=name,
            id=int(found["id"]),
            owner_id=int(found["owner"]["id"]),
            private=private,
            archived=False,
            admin=True,
            plan=self._plan(str(found["owner"]["login"])) if private else None,
            default_subject=self._has_default_subject(),
            environments=self.environments,
            of_a_user=found["owner"].get("type") != "Organization",
        )

    def check_reach(self, scope: Scope, env: str) -> None:
        """Find out before anything is written whether the token may write, by deleting what nobody has.

        A classic token tells its scopes, and `look` reads them; a fine-grained one can only be tried.
        """
        if self._ask("GET", self._repo()).header("X-OAuth-Scopes") is not None:
            return
        for kind in ("variables", "secrets"):
            self._ask("DELETE", f"{self._place(scope, env)}/{kind}/{_NOBODYS}", fine=(404,))

    def found(self, scope: Scope, env: str) -> Found:
        """Return what is there where the settings of the environment `env` go."""
        environment = self.environment(env) if scope == "environment" else None
        if scope == "environment" and environment is None:
            return Found(None, {}, {})
        place = self._place(scope, env)
        variables = {one["name"]: str(one["value"]) for one in self._pages(f"{place}/variables", "variables")}
        secrets = {one["name"]: _time(one["updated_at"]) for one in self._pages(f"{place}/secrets", "secrets")}
        return Found(environment, variables, secrets)

    def environment(self, name: str) -> Environment | None:
        """Return an environment, None if there is none of that name."""
        answer = self._ask("GET", self._environment(name), fine=(404,))
        if answer.status == 404:
            return None
        policy = answer.body.get("deployment_branch_policy")
        reviewers: dict[str, int] = {}
        others: list[int] = []
        wait, prevent = 0, False
        for rule in answer.body.get("protection_rules") or []:
            wait = int(rule.get("wait_timer") or wait)
            prevent = bool(rule.get("prevent_self_review") or prevent)
            for one in rule.get("reviewers") or []:
                if one["type"] == "User":
                    reviewers[str(one["reviewer"]["login"])] = int(one["reviewer"]["id"])
                else:
                    others.append(int(one["reviewer"]["id"]))
        branches: tuple[str, ...] = ()
        if policy and policy["custom_branch_policies"]:
            listed = self._pages(f"{self._environment(name)}/deployment-branch-policies", "branch_policies")
            branches = tuple(str(one["name"]) for one in listed)
        kind: Any = "all" if not policy else "custom" if policy["custom_branch_policies"] else "protected"
        return Environment(kind, branches, reviewers, tuple(others), wait, prevent)

    def user_id(self, login: str) -> int:
        """Return the id of somebody on GitHub."""
        answer = self._ask("GET", f"/users/{quote(login, safe='')}", fine=(404,))
        if answer.status == 404:
            raise GitHubFailed(
                f"Nobody is called {login} on GitHub ({self._host}).", hint="Correct the name: github.com/NAME."
            )
        return int(answer.body["id"])

    # --- writing ---

    def put_environment(self, name: str, environment: Environment) -> None:
        """Create an environment or make it so; a policy of `custom` is followed by `add_branch`.

        What is not given GitHub sets back to nothing, so all of it is given.
        https://docs.github.com/rest/deployments/environments#create-or-update-an-environment
        """
        policies = {"protected_branches": environment.policy == "protected"}
        policies["custom_branch_policies"] = environment.policy == "custom"
        people = [{"type": "User", "id": one} for one in environment.reviewers.values()]
        teams = [{"type": "Team", "id": one} for one in environment.other_reviewers]
        # A private repository of a small plan takes none of these, not even empty; left out they are empty, too.
        rules = {
            "wait_timer": environment.wait_timer,
            "prevent_self_review": environment.prevent_self_review,
            "reviewers": people + teams,
        }
        body: dict[str, Any] = {key: value for key, value in rules.items() if value}
        body["deployment_branch_policy"] = None if environment.policy == "all" else policies
        answer = self._ask("PUT", self._environment(name), body, fine=(404, 422), about=f"the environment {name}")
        if answer.status in (404, 422):
            error = self._refused(answer, f"the environment {name}")
            raise GitHubFailed(
                error.message,
                hint=f"{error.hint} If your plan has no environments for private repositories, write "
                "environments = false under [github].",
            )

    def add_branch(self, name: str, branch: str) -> None:
        """Let a branch use an environment."""
        place = f"{self._environment(name)}/deployment-branch-policies"
        self._ask("POST", place, {"name": branch}, fine=(303,), about=f"the branch {branch}")

    def delete_environment(self, name: str) -> None:
        """Delete an environment with all that is in it, if it is there."""
        self._ask("DELETE", self._environment(name), fine=(404,))
        # Another of the same name has a key of its own.
        self._sealing_keys.clear()

    def set_variable(self, scope: Scope, env: str, name: str, value: str, *, is_there: bool) -> None:
        """Write a variable."""
        place = f"{self._place(scope, env)}/variables"
        change = ("PATCH", f"{place}/{name}", {"name": name, "value": value})
        create = ("POST", place, {"name": name, "value": value})
        first, other = (change, create) if is_there else (create, change)
        # 409: it came to be meanwhile, perhaps by our own request whose answer was lost. 404: it went.
        if self._ask(*first, fine=(404, 409), about=f"the variable {name}").status in (404, 409):
            self._ask(*other, about=f"the variable {name}")

    def set_secret(self, scope: Scope, env: str, name: str, value: str) -> None:
        """Seal a secret to the key of where it goes, and write it.

        https://docs.github.com/rest/guides/encrypting-secrets-for-the-rest-api
        """
        from github.PublicKey import encrypt

        place = f"{self._place(scope, env)}/secrets"
        if place not in self._sealing_keys:
            found = self._ask("GET", f"{place}/public-key").body
            self._sealing_keys[place] = str(found["key_id"]), str(found["key"])
        key_id, key = self._sealing_keys[place]
        body = {"encrypted_value": encrypt(key, value), "key_id": key_id}
        self._ask("PUT", f"{place}/{name}", body, about=f"the secret {name}")

    def delete(self, scope: Scope, env: str, kind: str, name: str) -> None:
        """Delete a secret or a variable, if it is there."""
        self._ask("DELETE", f"{self._place(scope, env)}/{kind}s/{name}", fine=(404,))

    # --- people ---

    def collaborators(self) -> dict[str, str]:
        """Return name → the strongest permission, of everybody who has access to the repository."""
        found = {}
        for one in self._pages(f"{self._repo()}/collaborators", None):
            held = one.get("permissions") or {}
            order = ("admin", "maintain", "push", "triage", "pull")
            found[str(one["login"])] = next((name for name in order if held.get(name)), "pull")
        return found

    def invite(self, login: str, permission: str) -> bool:
        """Give somebody a permission. True if they were sent an invitation, False if they had access already."""
        place = f"{self._repo()}/collaborators/{quote(login, safe='')}"
        return self._ask("PUT", place, {"permission": permission}, about=f"{login} as a collaborator").status == 201

    # --- how ---

    @property
    def _host(self) -> str:
        return urlsplit(self.api_url).netloc

    @property
    def _tokens(self) -> str:
        """Where tokens are made: on the web, the host's name has no `api.`."""
        return f"https://{self._host.removeprefix('api.')}/settings/tokens"

    def _repo(self) -> str:
        return f"/repos/{self.repository}"

    def _environment(self, name: str) -> str:
        return f"{self._repo()}/environments/{quote(name, safe='')}"

    def _place(self, scope: Scope, env: str) -> str:
        return self._environment(env) if scope == "environment" else f"{self._repo()}/actions"

    def _plan(self, owner: str) -> str | None:
        """Return the plan of the token's own account, if that owns the repository; others' plans are not told."""
        answer = self._ask("GET", "/user", fine=(403, 404))
        if answer.status != 200 or str(answer.body.get("login", "")).lower() != owner.lower():
            return None
        return str((answer.body.get("plan") or {}).get("name") or "") or None

    def _has_default_subject(self) -> bool:
        """Tell whether workflows carry the usual `sub`. Raises nothing where GitHub does not tell: then they do."""
        answer = self._ask("GET", f"{self._repo()}/actions/oidc/customization/sub", fine=(403, 404))
        return answer.status != 200 or bool(answer.body.get("use_default", True))

    def _pages(self, path: str, key: str | None) -> Iterator[Any]:
        """Yield every entry of a list, page by page."""
        for page in range(1, _MOST_PAGES + 1):
            answer = self._ask("GET", path, query={"per_page": _PAGE, "page": page})
            yield from answer.body[key] if key else answer.body
            # Not told by the count of entries: of variables GitHub gives 30 at most, whatever is asked for.
            if 'rel="next"' not in (answer.header("Link") or ""):
                return

    def _ask(
        self,
        verb: str,
        path: str,
        body: Mapping[str, Any] | None = None,
        *,
        query: Mapping[str, Any] | None = None,
        fine: tuple[int, ...] = (),
        about: str = "",
    ) -> _Answer:
        """Return GitHub's answer if it is a success or one of `fine`; tries again what may pass by itself.

        Each request here can be made twice with the same result. `about` names for a message what it concerns.
        """
        answer = _Answer(0, {}, None)
        for attempt in range(1, _ATTEMPTS + 1):
            answer = self._once(verb, path, body, query, last=attempt == _ATTEMPTS)
            if 200 <= answer.status < 300 or answer.status in fine:
                return answer
            wait = float(attempt) if not answer.status else None
            if answer.status:
                wait = wait_seconds(answer.status, answer.header, attempt, time.time())
            if wait is None or wait > _MOST_WAIT_SECONDS or attempt == _ATTEMPTS:
                break
            self.sleep(wait)
        raise self._refused(answer, about)

    def _once(
        self, verb: str, path: str, body: Mapping[str, Any] | None, query: Mapping[str, Any] | None, *, last: bool
    ) -> _Answer:
        """Make one request; status 0 if no answer came."""
        from github import GithubException
        from requests.exceptions import RequestException

        try:
            status, headers, text = self._connection().requestJson(
                verb, path, dict(query) if query else None, None, dict(body) if body is not None else None
            )
        except (RequestException, GithubException, RuntimeError, OSError) as error:
            if not last:
                return _Answer(0, {}, None)
            raise GitHubFailed(
                f"GitHub at {self._host} cannot be reached: {_reason(error)}.",
                hint="Check the network and `api_url` in bootstrap.toml, then run the same command again.",
            ) from None
        try:
            content = json.loads(text) if text else None
        except ValueError:
            content = None
            if 200 <= status < 300:
                raise GitHubFailed(
                    f"What {self._host} answered is not GitHub's.", hint="Check `api_url` in bootstrap.toml."
                ) from None
        return _Answer(status, {str(name).lower(): str(value) for name, value in headers.items()}, content)

    def _connection(self) -> Requester:
        if self._requester is None:
            from github import Auth, Github

            # Waiting and trying again is done here, where it is known what may be tried again and for how long.
            client = Github(
                auth=Auth.Token(self.token),
                base_url=self.api_url.rstrip("/"),
                timeout=_SECONDS,
                user_agent="bootstrap",
                retry=None,
                seconds_between_requests=0,
                seconds_between_writes=0,
                lazy=True,
            )
            self._requester = client.requester
        return self._requester

    def _refused(self, answer: _Answer, about: str) -> GitHubFailed:
        status, said = answer.status, answer.message
        what = f" {about}" if about else f" the settings of {self.repository}"
        if status == 401:
            return GitHubFailed(
                f"GitHub at {self._host} refuses the token.",
                hint=f"It may have expired; make a new one: {self._tokens}",
            )
        if is_limit(status, answer.header, time.time()):
            wait = wait_seconds(status, answer.header, 1, time.time())
            when = f"in {max(1, round(wait / 60))} min" if wait is not None else "later"
            return GitHubFailed(
                f"GitHub at {self._host} answers no more requests for now.", hint=f"Run the same command again {when}."
            )
        if status == 403 and "secondary rate limit" in said.lower():
            return GitHubFailed(
                f"GitHub at {self._host} asks for a pause.", hint="Run the same command again in some minutes."
            )
        if status == 403 and "archived" in said.lower():
            return GitHubFailed(
                f"{self.repository} is archived on GitHub; nothing in it can be changed.",
                hint="Unarchive it in its settings, or name another repository in bootstrap.toml.",
            )
        if status == 403:
            lacks = answer.header("X-Accepted-GitHub-Permissions")
            needs = f"it lacks the permission {_permissions(lacks)}" if lacks else f"GitHub says: {said or 'Forbidden'}"
            return GitHubFailed(
                f"The token may not touch{what}: {needs}.",
                hint=f"Give the token that permission for {self.repository}, or use another: {self._tokens}",
            )
        if status == 404:
            return GitHubFailed(
                f"{self._host} has no repository {self.repository}, or does not show{what} to this token.",
                hint="Check `repository` under [github] in bootstrap.toml, and that the token is for this repository.",
            )
        if status == 422:
            return GitHubFailed(
                f"GitHub does not take{what}: {said or 'no reason given'}.",
                hint="Correct it in bootstrap.toml, then run the same command again.",
            )
        return GitHubFailed(
            f"GitHub at {self._host} failed over{what} (HTTP {status}){': ' + said if said else ''}.",
            hint="Run the same command again later; it goes on where it stopped.",
        )


def _permissions(header: str) -> str:
    """Say what `X-Accepted-GitHub-Permissions` asks for, as in `environments=write; secrets=write`."""
    first = header.split(";")[0]
    return ", ".join(f"`{part.strip().replace('=', ': ')}`" for part in first.split(","))


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text.replace("Z", "+00:00"))


def _reason(error: Exception) -> str:
    inner: BaseException = error
    while inner.__context__ is not None:
        inner = inner.__context__
    return redact(str(getattr(inner, "strerror", None) or inner) or type(error).__name__)
