"""`bootstrap github sync|status|remove`: GitHub by itself, for an environment that is up, or that is gone."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

from bootstrap.adapters.aws import identity_provider
from bootstrap.adapters.aws.session import KeyPair
from bootstrap.core.github import MARKER, Change, Wanted, compare, prefixed
from bootstrap.core.plan import Plan, Step
from bootstrap.core.record import Record
from bootstrap.errors import BootstrapError, Declined
from bootstrap.workflows import github
from bootstrap.workflows import laptop as laptops
from bootstrap.workflows.counter import reach_people
from bootstrap.workflows.github import Site
from bootstrap.workflows.guard import guarded
from bootstrap.workflows.history import chronicled
from bootstrap.workflows.project import Project
from bootstrap.workflows.story import Story
from bootstrap.workflows.target import Place, reach

Confirm = Callable[[Plan], bool]


@dataclass(frozen=True)
class Row:
    """One thing that should be on GitHub, or should not. `state`: ok, missing, differs, stale or leftover."""

    kind: str
    name: str
    state: str
    why: str = ""

    def as_dict(self) -> dict[str, str]:
        """Return it for `--json`."""
        return {"kind": self.kind, "name": self.name, "state": self.state, "why": self.why}


@dataclass(frozen=True)
class Told:
    """What `status` found: the repository, where in it settings go, and each of them."""

    repository: str
    scope: str
    auth: str
    rows: list[Row]


@dataclass(frozen=True)
class _Desk:
    site: Site
    want: Wanted
    place: Place
    record: Record
    key: KeyPair | None


def finish(command: str, hint: str) -> str:
    """Return the hint of a failure with the one command that finishes the job, unless it names that already."""
    return hint if command in hint else f"{hint}\nThen: {command}"


def sync(
    project: Project, env: str, profile: str | None, story: Story, confirm: Confirm, *, replace_foreign: bool
) -> list[Change]:
    """Make GitHub have what the environment needs. Raises Declined on a no, GitHubFailed, BootstrapError."""
    record = project.require_record(env)
    project = project.as_recorded(record)
    with (
        guarded(project.env_folder(env), env, "github sync", story) as run,
        chronicled("github sync", story, run) as chronicle,
        _open(project, env, profile, story) as desk,
    ):
        site = desk.site
        chronicle.reached(desk.place)
        todo = github.steps(site, desk.want)
        if todo:
            if not confirm(Plan(tuple(todo))):
                raise Declined("Nothing was changed.")
            chronicle.acts(repository=site.repository.name, replace=replace_foreign)
            with story.step(f"Writing to {site.repository.name} on GitHub") as step:
                project.save(replace(desk.record, github=site.facts))
                changes = github.sync(site, desk.want, replace_foreign=replace_foreign, progress=step.detail)
        else:
            changes = []
        github.end_replaced_key(site, desk.place, desk.key)
        return changes


def status(project: Project, env: str, profile: str | None, story: Story) -> Told:
    """Compare what is on GitHub with what should be there; changes nothing."""
    record = project.require_record(env)
    project = project.as_recorded(record)
    with _open(project, env, profile, story) as desk:
        site, want = desk.site, desk.want
        return Told(site.repository.name, site.scope, site.auth, list(_rows(site, want)))


def remove(project: Project, env: str, story: Story, confirm: Confirm, *, forget: bool) -> list[str]:
    """Delete exactly what `sync` wrote; works for an environment that is gone, too. Returns it in words.

    With `forget`, GitHub is not asked: what is there stays, and it is only not remembered here any more.
    """
    record = project.record(env)
    if record is None:
        project.spec.environment(env)
    gone: list[str] = []
    if not forget:
        hub = github.connect(project)
        repository = hub.look()
        if ours := github.what_is_ours(hub, repository, env):
            if not confirm(Plan(tuple(Step("delete", "github", what) for what in ours))):
                raise Declined("Nothing was removed.")
            place = _where_it_is_up(project, record, story)
            with (
                chronicled("github remove", story) as chronicle,
                story.step(f"Removing from {repository.name} on GitHub"),
            ):
                if place is not None:
                    chronicle.reached(place)
                chronicle.acts(repository=repository.name)
                gone = github.remove(hub, repository, env)
    if record is not None and record.github is not None and (forget or not github.is_another(project, record.github)):
        with guarded(project.env_folder(env), env, "github remove", story):
            project.save(replace(project.require_record(env), github=None))
    return gone


def _where_it_is_up(project: Project, record: Record | None, story: Story) -> Place | None:
    """Return where an environment's history is, if it can be reached: GitHub is tidied up without AWS, too."""
    if record is None:
        return None
    try:
        return reach(project.as_recorded(record), record, None, story)
    except BootstrapError as error:
        story.note(f"This goes without a line in the environment's history: {error.message}")
        return None


@contextmanager
def _open(project: Project, env: str, profile: str | None, story: Story) -> Iterator[_Desk]:
    record = project.require_record(env)
    if github.is_wanted(project):
        github.refuse_rehearsal(project, record)
        if record.github and github.is_another(project, record.github):
            raise github.left_behind(record.github, env)
    with story.step("Looking at GitHub"):
        site = github.look(project, env)
        if note := github.scope_note(site):
            story.note(note)
        place = reach_people(project, record, profile, story)
        laptop = laptops.look_around(project)
        key, password = laptops.read_key(laptop, record), laptops.read_password(laptop, record)
        _require_what_it_needs(project, site, place, record, key, password)
        want = github.wanted(project, place, record, site, key, password)
    yield _Desk(site, want, place, record, key)


def _require_what_it_needs(
    project: Project, site: Site, place: Place, record: Record, key: KeyPair | None, password: str | None
) -> None:
    """Raise BootstrapError if what GitHub is to get is not there, or not on this machine."""
    local_option = " --local" if record.target == "local" else ""
    up = f"bootstrap up --env {record.env}{local_option}"
    if project.spec.github.auth == "oidc":
        is_there = place.names.github_role in identity_provider.roles_on_path(place.aws, place.names.iam_path)
        if not is_there or record.github != site.facts:
            raise BootstrapError(
                f"'{record.env}' has no role yet for the workflows of {site.repository.name} as it is now.",
                hint=f"`{up}` makes it, and does this too.",
            )
    elif key is None:
        raise BootstrapError(
            f"The key of `ci` is not in the profile {record.aws_profile} of this machine.",
            hint="Run this where the environment was brought up.",
        )
    if record.mlflow_tracking_uri and password is None:
        raise BootstrapError(
            "The MLflow password of `ci` is not in .env here.", hint=f"Run this where the environment is up, or: {up}"
        )


def _rows(site: Site, want: Wanted) -> Iterator[Row]:
    changes: dict[tuple[str, str], Change] = {(one.kind, one.name): one for one in compare(want, site.found)}
    if want.scope == "environment":
        expected = [("environment", want.env), ("branch", want.branch)]
        if want.reviewers:
            changed = next((name for kind, name in changes if kind == "reviewers"), None)
            expected.append(("reviewers", changed or ", ".join(want.reviewers)))
    else:
        expected = []
    expected += [("variable", want.name(name)) for name in want.variables]
    expected += [("secret", name) for name in want.secrets()]
    for kind, name in expected:
        change = changes.pop((kind, name), None)
        if change is None:
            yield Row(kind, name, "ok")
        elif change.action == "create":
            yield Row(kind, name, "missing")
        else:
            yield Row(kind, name, "stale" if kind == "secret" else "differs", change.why)
    for left in changes.values():
        yield Row(left.kind, left.name, "leftover", left.why)
    there = site.found.environment
    if there is not None and there.policy == "custom":
        for branch in there.branches:
            if branch != want.branch:
                yield Row("branch", branch, "leftover", "may use the environment too; not from here")
    ours = {*want.marker().names, prefixed(MARKER, want.env, want.scope)}
    others = {*site.found.variables, *site.found.secrets} - ours - {left.name for left in changes.values()}
    for name in sorted(others) if want.scope == "environment" else ():
        yield Row("secret" if name in site.found.secrets else "variable", name, "ok", "not from here; left alone")
