"""GitHub for one environment: what is there, what is wanted, making it so, and taking it away again.

What the workflows get is `ci`'s: its role or its key, and its login at MLflow. Each of these steps can be made again
after a crash: a variable on GitHub says which names are ours, and is written before the first of them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Literal
from urllib.parse import urlsplit

from bootstrap.adapters.aws import identity_provider, people
from bootstrap.adapters.aws.session import KeyPair
from bootstrap.adapters.github import GitHub
from bootstrap.adapters.github_token import find_token
from bootstrap.core.github import (
    AUDIENCE,
    MARKER,
    ROLE_ARN,
    Change,
    Environment,
    Found,
    Key,
    Login,
    Marker,
    Repository,
    Scope,
    Trust,
    Wanted,
    compare,
    dismissed,
    foreign,
    goal,
    issuer,
    prefixed,
    subjects,
)
from bootstrap.core.names import CI_MEMBER, Names
from bootstrap.core.plan import Step
from bootstrap.core.record import Record
from bootstrap.errors import BootstrapError, ConfigError, GitHubFailed
from bootstrap.workflows.project import Project
from bootstrap.workflows.target import Place

_LOOPBACK = ("127.0.0.1", "localhost", "::1")
MODULE = "module.github_oidc[0]"
_MOST_REVIEWERS = 6
# What stands in a plan for a key or a password that does not exist yet.
_TO_COME = "to come"


@dataclass(frozen=True)
class Site:
    """One environment's place on GitHub, as it was when it was looked at.

    `elsewhere` is what an earlier run left in the other scope, before the repository got environments or lost them.
    """

    github: GitHub
    repository: Repository
    env: str
    branch: str
    reviewers: dict[str, int]
    found: Found
    elsewhere: Marker | None
    auth: str

    @property
    def scope(self) -> Scope:
        """Where secrets and variables go."""
        return self.repository.scope

    @property
    def facts(self) -> dict[str, str | int]:
        """What is remembered of the repository, so that its workflows stay let in while GitHub cannot be asked."""
        one = self.repository
        return {
            "api_url": self.github.api_url,
            "repository": self.github.repository,
            "name": one.name,
            "id": one.id,
            "owner_id": one.owner_id,
            "scope": one.scope,
            "branch": self.branch,
            "auth": self.auth,
        }


def is_wanted(project: Project) -> bool:
    """Tell whether bootstrap.toml names a repository."""
    return project.spec.github.repository is not None


def is_rehearsal(project: Project, target: str) -> bool:
    """Tell whether an environment on this laptop would be written to a GitHub that can never reach it."""
    return target == "local" and urlsplit(project.spec.github.api_url).hostname not in _LOOPBACK


def refuse_rehearsal(project: Project, record: Record) -> None:
    """Raise BootstrapError if the environment is on this laptop and GitHub is not."""
    if is_rehearsal(project, record.target):
        raise BootstrapError(
            f"'{record.env}' is on this laptop (--local); workflows on GitHub cannot reach it, so nothing was written.",
            hint=f"Take it down and bring it up on AWS: bootstrap up --env {record.env}",
        )


def connect(project: Project) -> GitHub:
    """Return the project's repository on GitHub. Raises ConfigError if none is named, GitHubFailed without a token."""
    settings = project.spec.github
    if settings.repository is None:
        raise ConfigError(
            f"{project.spec.where('github', 'repository')}: no repository is named.",
            hint='Write this into bootstrap.toml, with your own names:\n  [github]\n  repository = "ana/my-course"',
        )
    token = find_token(project.environ, settings.api_url)
    return GitHub(settings.api_url, settings.repository, token, settings.environments)


def look(project: Project, env: str) -> Site:
    """Look at what is there for one environment. Raises ConfigError, GitHubFailed; changes nothing."""
    github = connect(project)
    repository = github.look()
    table = project.spec.environment(env)
    if project.spec.github.auth == "oidc" and not repository.default_subject:
        raise GitHubFailed(
            f"{repository.name} gives its workflows an identity of its own making (a customized OIDC subject), which "
            "AWS would not know.",
            hint='Set it back to the default, or write auth = "keys" under [github] in bootstrap.toml.',
        )
    if len(table.reviewers) > _MOST_REVIEWERS:
        raise ConfigError(
            f"{project.spec.where('environments', env, 'reviewers')}: GitHub takes {_MOST_REVIEWERS} reviewers at most."
        )
    scope = repository.scope
    other: Scope = "repository" if scope == "environment" else "environment"
    wanted_reviewers = table.reviewers if scope == "environment" else ()
    return Site(
        github=github,
        repository=repository,
        env=env,
        branch=table.branch,
        reviewers={login: github.user_id(login) for login in wanted_reviewers},
        found=github.found(scope, env),
        # Nothing is in environments where there are none.
        elsewhere=github.found(other, env).marker(env, other) if other == "repository" else None,
        auth=project.spec.github.auth,
    )


def trust(place: Place, repository: Repository, branch: str, api_url: str) -> tuple[Trust, dict[str, str]]:
    """Return how Terraform lets the workflows in, and what it takes over for that: address → id.

    The account has one identity provider for GitHub, whoever made it: it belongs to this environment's state only if
    this environment made it. Raises BootstrapError if one is there that does not serve AWS.
    """
    names, signs = place.names, issuer(api_url)
    adopted: dict[str, str] = {}
    provider = identity_provider.find(place.aws, signs)
    arn = provider.arn if provider else ""
    if provider:
        if AUDIENCE not in provider.audiences:
            raise BootstrapError(
                f"The identity provider {provider.arn} in your account does not take tokens for {AUDIENCE}.",
                hint="Add it: aws iam add-client-id-to-open-id-connect-provider "
                f"--open-id-connect-provider-arn {provider.arn} --client-id {AUDIENCE}",
            )
        if is_of(provider.tags, names):
            adopted[f"{MODULE}.aws_iam_openid_connect_provider.this[0]"] = provider.arn
            arn = ""
    if names.github_role in identity_provider.roles_on_path(place.aws, names.iam_path):
        adopted[f"{MODULE}.aws_iam_role.this"] = names.github_role
    let_in = subjects(repository, names.env, branch)
    return Trust(names.github_role, names.iam_path, signs, arn, let_in), adopted


def remembered(record: Record | None) -> Repository | None:
    """Return the repository whose workflows were let in before."""
    facts = record.github if record else None
    if not facts:
        return None
    has = facts["scope"] == "environment"
    return Repository(str(facts["name"]), int(facts["id"]), int(facts["owner_id"]), environments=has)


def is_another(project: Project, facts: Mapping[str, str | int]) -> bool:
    """Tell whether what was written went to another repository than bootstrap.toml names now, if any."""
    settings = project.spec.github
    named = (settings.api_url, (settings.repository or "").lower())
    return (str(facts["api_url"]), str(facts["repository"]).lower()) != named


def signer(project: Project, record: Record | None) -> str:
    """Return who signs for the workflows that are let in, or that will be."""
    facts = record.github if record else None
    return issuer(str(facts["api_url"]) if facts else project.spec.github.api_url)


def left_behind(facts: Mapping[str, str | int], env: str) -> GitHubFailed:
    """Return what to say of a repository that has settings of an environment and is not named any more."""
    name = facts["repository"]
    return GitHubFailed(
        f"What was written for '{env}' to {name} on GitHub is still there; bootstrap.toml does not name it any more.",
        hint=f'Write repository = "{name}" under [github] once more, and then: bootstrap github remove --env {env}\n'
        "If that repository is gone, or none of your concern any more, add --forget.",
    )


def wanted(
    project: Project, place: Place, record: Record, site: Site, key: KeyPair | None, password: str | None
) -> Wanted:
    """Return what the environment needs on GitHub. Without `key` or `password` something stands for those to come."""
    variables = {
        "AWS_REGION": record.region,
        "DATA_BUCKET": record.bucket,
        "DVC_REMOTE_URL": record.dvc_remote_url,
    }
    if record.mlflow_tracking_uri:
        variables["MLFLOW_TRACKING_URI"] = record.mlflow_tracking_uri
    given: Key | None = None
    if project.spec.github.auth == "oidc":
        variables[ROLE_ARN] = place.names.github_role_arn
    elif key is None:
        given = Key(_TO_COME, _TO_COME)
    else:
        made = {one.id: one.created for one in people.key_ids(place.aws, place.names.iam_user(CI_MEMBER))}
        given = Key(key.id, key.secret, made.get(key.id))
    user = record.mlflow_username or CI_MEMBER
    login = Login(user, password or _TO_COME) if record.mlflow_tracking_uri else None
    return Wanted(site.env, site.branch, site.scope, variables, site.reviewers, given, login)


def steps(site: Site, want: Wanted) -> list[Step]:
    """Return what `sync` would do, in words."""
    found = [Step(change.action, "github", change.in_words()) for change in compare(want, site.found)]
    if site.elsewhere:
        found.append(Step("delete", "github", f"{len(site.elsewhere.names)} settings of the repository itself"))
    return found


def scope_note(site: Site) -> str | None:
    """Return what to say where the repository has no environments, else None."""
    if site.scope == "environment":
        return None
    name = site.repository.name
    return (
        f"{name} is private and its owner on GitHub's free plan, which has no environments there: secrets and "
        f"variables go to the repository itself, with {prefixed('', site.env, site.scope)} before their names. "
        "For workflows that fit: bootstrap github workflows --scope repository"
    )


def sync(site: Site, want: Wanted, *, replace_foreign: bool, progress: Callable[[str], None]) -> list[Change]:
    """Make GitHub have what is wanted; returns what was changed.

    Raises GitHubFailed; the same call again goes on from there. What somebody else wrote under a name of ours is left
    alone, and nothing written, unless `replace_foreign`.
    """
    changes = compare(want, site.found)
    if not changes and not site.elsewhere:
        return []
    if _TO_COME in want.secrets().values():
        raise GitHubFailed(
            "The MLflow password of `ci` is not in .env here, or its key not in the profile.",
            hint=f"Run this where the environment was brought up, or bring it up again: bootstrap up --env {want.env}",
        )
    if (theirs := foreign(want, site.found)) and not replace_foreign:
        raise GitHubFailed(
            f"{site.repository.name} has {', '.join(theirs)} already, and not from here; nothing was written.",
            hint=f"If they may be replaced: bootstrap github sync --env {site.env} --replace",
        )
    github, scope, env = site.github, site.scope, site.env
    github.check_reach(scope, env)
    marker = site.found.marker(env, scope)
    before = marker or _first_marker(site)
    if any((change.action, change.kind) == ("delete", "branch") for change in changes):
        github.delete_environment(env)
        site, marker = replace(site, found=Found(None, {}, {})), None
        before = replace(before, names=(), branch=None, reviewers=())
        changes = compare(want, site.found)
    # Shown before the first write: what is wanted must not be on GitHub without our knowing it for ours.
    if scope == "environment":
        _write_environment(site, want, changes, before, progress)
    held = before.key or before.replaced
    replaced = held if want.key and held != want.key.id else None
    done = replace(goal(want, site.found), made=before.made, policy=before.policy, replaced=replaced)
    begun = replace(done, names=tuple(sorted({*before.names, *done.names})))
    if any(change.kind == "secret" for change in changes):
        begun = replace(begun, key=None, login=None, replaced=held)
    if changes:
        _write_marker(site, begun, is_there=marker is not None)
    values = {want.name(name): value for name, value in want.variables.items()}
    secrets = want.secrets()
    for change in changes:
        progress(change.in_words())
        if change.kind == "variable" and change.action != "delete":
            is_there = change.action == "update"
            github.set_variable(scope, env, change.name, values[change.name], is_there=is_there)
        elif change.kind == "secret" and change.action != "delete":
            github.set_secret(scope, env, change.name, secrets[change.name])
        elif change.kind in ("variable", "secret"):
            github.delete(scope, env, change.kind, change.name)
    if changes:
        _write_marker(site, done, is_there=True)
    if site.elsewhere:
        _delete_names(github, "repository", env, site.elsewhere)
    return changes


def remove(github: GitHub, repository: Repository, env: str) -> list[str]:
    """Delete exactly what `sync` wrote for an environment; returns it in words. Raises GitHubFailed."""
    gone: list[str] = []
    scopes: tuple[Scope, ...] = ("environment", "repository") if repository.scope == "environment" else ("repository",)
    for scope in scopes:
        found = github.found(scope, env)
        marker = found.marker(env, scope)
        if marker is None:
            continue
        ours = {*marker.names, prefixed(MARKER, env, scope)}
        theirs = (set(found.variables) | set(found.secrets)) - ours
        gone += [f"the secret {name}" for name in marker.names if name in found.secrets]
        gone += [f"the variable {name}" for name in sorted(ours) if name in found.variables]
        if scope == "environment" and marker.made and not theirs:
            github.delete_environment(env)
            gone.append(f"the environment {env}")
            continue
        _put_policy_back(github, env, found.environment, marker)
        _delete_names(github, scope, env, marker)
    return gone


def what_is_ours(github: GitHub, repository: Repository, env: str) -> list[str]:
    """Return what `remove` would delete, in words."""
    scopes: tuple[Scope, ...] = ("environment", "repository") if repository.scope == "environment" else ("repository",)
    count = 0
    for scope in scopes:
        found = github.found(scope, env)
        marker = found.marker(env, scope)
        if marker is not None:
            count += 1 + sum(name in found.secrets or name in found.variables for name in marker.names)
    return [f"{count} secrets and variables of {env} in {repository.name}"] if count else []


def end_replaced_key(site: Site, place: Place, key: KeyPair | None) -> None:
    """End the key of `ci` that GitHub held before, now that it holds another: a `rotate` may have had to leave it.

    Looks again at what is written down there, so it can be called after any `sync`.
    """
    if site.auth != "keys" or key is None:
        return
    marker = site.github.found(site.scope, site.env).marker(site.env, site.scope)
    if marker is None or marker.key != key.id or marker.replaced in (None, key.id):
        return
    user = place.names.iam_user(CI_MEMBER)
    if marker.replaced in {one.id for one in people.key_ids(place.aws, user)}:
        people.set_key_active(place.aws, user, str(marker.replaced), active=False)
        people.delete_key(place.aws, user, str(marker.replaced))
    _write_marker(site, replace(marker, replaced=None), is_there=True)


def _first_marker(site: Site) -> Marker:
    """Return what to remember about an environment that we write to for the first time."""
    there = site.found.environment
    if site.scope == "repository":
        return Marker()
    if there is None:
        return Marker(made=True)
    asked = set(there.reviewers.values()) <= set(site.reviewers.values()) and not there.other_reviewers
    if asked and there.policy == "custom" and set(there.branches) <= {site.branch} and _is_empty(site):
        # A run of ours that was cut off right after it had made the environment.
        return Marker(made=True)
    return Marker(policy=there.policy)


def _is_empty(site: Site) -> bool:
    there = site.found.environment
    rules = there is not None and (there.wait_timer or there.prevent_self_review)
    return not (site.found.variables or site.found.secrets or rules)


def _write_environment(
    site: Site, want: Wanted, changes: list[Change], before: Marker, progress: Callable[[str], None]
) -> None:
    there = site.found.environment or Environment("custom")
    kinds = {change.kind for change in changes}
    if kinds & {"environment", "reviewers"} or there.policy != "custom":
        progress(f"the environment {site.env}")
        gone = dismissed(want, there, before)
        kept = {login: one for login, one in there.reviewers.items() if login not in gone}
        site.github.put_environment(site.env, replace(there, policy="custom", reviewers={**kept, **want.reviewers}))
    if "branch" in kinds:
        site.github.add_branch(site.env, want.branch)


def _put_policy_back(github: GitHub, env: str, there: Environment | None, marker: Marker) -> None:
    """Let the branches use an environment again that could before we came."""
    if there is None or marker.made or marker.policy not in ("all", "protected") or there.policy != "custom":
        return
    theirs = {login: one for login, one in there.reviewers.items() if one not in marker.reviewers}
    policy: Literal["all", "protected"] = "all" if marker.policy == "all" else "protected"
    github.put_environment(env, replace(there, policy=policy, reviewers=theirs))


def _write_marker(site: Site, marker: Marker, *, is_there: bool) -> None:
    name = prefixed(MARKER, site.env, site.scope)
    site.github.set_variable(site.scope, site.env, name, marker.to_text(), is_there=is_there)


def _delete_names(github: GitHub, scope: Scope, env: str, marker: Marker) -> None:
    """Delete what the marker names, and it last: until then it says what there is still to delete."""
    found = github.found(scope, env)
    for name in marker.names:
        for kind, there in (("secret", found.secrets), ("variable", found.variables)):
            if name in there:
                github.delete(scope, env, kind, name)
    github.delete(scope, env, "variable", prefixed(MARKER, env, scope))


def is_of(tags: Mapping[str, str], names: Names) -> bool:
    """Tell whether something in AWS carries this environment's tags."""
    return (tags.get("bootstrap:project"), tags.get("bootstrap:env")) == (names.project, names.env)
