"""How an environment lets in the workflows of its repository, as `up` and `down` need it for Terraform."""

from __future__ import annotations

from concurrent.futures import Future
from dataclasses import dataclass, field
from functools import partial

from bootstrap.adapters.aws import identity_provider
from bootstrap.core.github import Trust
from bootstrap.core.record import Record
from bootstrap.errors import GitHubFailed
from bootstrap.workflows import github
from bootstrap.workflows.github import Site
from bootstrap.workflows.parallel import Side
from bootstrap.workflows.project import Project
from bootstrap.workflows.provision import Provisioner
from bootstrap.workflows.story import Story
from bootstrap.workflows.target import Place

PROVIDER = f"{github.MODULE}.aws_iam_openid_connect_provider.this[0]"


@dataclass(frozen=True)
class Entry:
    """What is known of GitHub before Terraform plans.

    `site` is None if nothing is to be written, or if it could not be looked at: then `problem` says why. `trust` is
    None without workflows that need a role; `adopted` is what Terraform takes over for it, address → id. `is_new`: the
    last run let in another repository, or let it in another way.
    """

    site: Site | None = None
    problem: GitHubFailed | None = None
    trust: Trust | None = None
    adopted: dict[str, str] = field(default_factory=dict)
    is_new: bool = False


def begin_to_look(project: Project, env: str, target: str, side: Side) -> Future[Site | GitHubFailed] | None:
    """Begin to look at GitHub while other things go on; None if nothing is written there."""
    if not github.is_wanted(project) or github.is_rehearsal(project, target):
        return None
    return side.start(partial(_look, project, env))


def enter_github(project: Project, place: Place, looked: Site | GitHubFailed | None, story: Story) -> Entry:
    """Return what follows from what was found on GitHub.

    While GitHub cannot be asked, or another repository still has what was written for this environment, the workflows
    that were let in stay so, and as they were: their role would be taken away otherwise. Raises BootstrapError if the
    account's identity provider does not serve AWS.
    """
    env = place.names.env
    record = project.record(env)
    before = record.github if record else None
    moved = github.left_behind(before, env) if before and github.is_another(project, before) else None
    if looked is None:
        if moved:
            story.note(f"{moved.message}\n{moved.hint}")
        return Entry(is_new=before is not None)
    site = looked if isinstance(looked, Site) and not moved else None
    problem = moved or (looked if isinstance(looked, GitHubFailed) else None)
    is_new = site is None or before != site.facts
    settings = project.spec.github
    if site:
        if settings.auth == "keys":
            return Entry(site, problem, is_new=is_new)
        trust, adopted = github.trust(place, site.repository, site.branch, settings.api_url)
        return Entry(site, problem, trust, adopted, is_new)
    repository = github.remembered(record)
    if before is None or repository is None or before["auth"] == "keys":
        return Entry(site, problem, is_new=is_new)
    trust, adopted = github.trust(place, repository, str(before["branch"]), str(before["api_url"]))
    return Entry(site, problem, trust, adopted, is_new)


def spare_provider(provisioner: Provisioner, place: Place, project: Project) -> bool:
    """Take the account's identity provider out of the state if others live by it, so that Terraform does not delete it.

    Returns whether it did. Nothing in AWS changes; whoever lives by it last takes it away (`remove_provider`).
    """
    record = project.record(place.names.env)
    if not _concerns(project, record):
        return False
    provider = identity_provider.find(place.aws, github.signer(project, record))
    if provider is None or not github.is_of(provider.tags, place.names):
        return False
    others = set(identity_provider.roles_trusting(place.aws, provider.arn)) - {place.names.github_role}
    if others:
        provisioner.forget("environment", PROVIDER)
    return bool(others)


def remove_roles(place: Place, project: Project, record: Record) -> None:
    """Delete what a kill left outside of any state: the path is this environment's alone."""
    if not _concerns(project, record):
        return
    for role in identity_provider.roles_on_path(place.aws, place.names.iam_path):
        identity_provider.delete_role(place.aws, role)


def remove_provider(place: Place, project: Project, record: Record) -> str | None:
    """Delete the identity provider if this project made it and no role lives by it any more.

    Returns in words what was kept, if it is ours and still in use.
    """
    if not _concerns(project, record):
        return None
    provider = identity_provider.find(place.aws, github.signer(project, record))
    if provider is None or provider.tags.get("bootstrap:project") != place.names.project:
        return None
    if users := identity_provider.roles_trusting(place.aws, provider.arn):
        return f"GitHub's identity provider stays: {', '.join(users[:3])} {'use' if len(users) > 1 else 'uses'} it."
    identity_provider.delete(place.aws, provider.arn)
    return None


def _concerns(project: Project, record: Record | None) -> bool:
    """Tell whether the environment has to do with GitHub at all: else nobody needs the right to list providers."""
    return github.is_wanted(project) or bool(record and record.github)


def _look(project: Project, env: str) -> Site | GitHubFailed:
    try:
        return github.look(project, env)
    except GitHubFailed as error:
        return error
