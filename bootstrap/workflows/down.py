"""`down`: the road back. Takes away all that `up` made, from any state, and leaves everything else alone."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Collection
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial

from bootstrap.adapters.aws import buckets, people
from bootstrap.adapters.process import Jobs
from bootstrap.core.counts import counted
from bootstrap.core.membership import Membership
from bootstrap.core.plan import Plan, Step, steps_from_terraform
from bootstrap.core.record import Record
from bootstrap.errors import BootstrapError, Declined, GitHubFailed
from bootstrap.workflows import github, handover, local, provision
from bootstrap.workflows import laptop as laptops
from bootstrap.workflows.github_entry import remove_provider, remove_roles, spare_provider
from bootstrap.workflows.guard import guarded
from bootstrap.workflows.laptop import Laptop
from bootstrap.workflows.parallel import Side
from bootstrap.workflows.project import Project
from bootstrap.workflows.provision import Provisioner
from bootstrap.workflows.story import Story
from bootstrap.workflows.target import Place, reach

Confirm = Callable[[Plan], bool]

_SIDE_BY_SIDE = 8


@dataclass(frozen=True)
class Gone:
    """What a `down` did: what of its plan is taken away, in words, and what is still there all the same.

    `unfinished` says why what is on GitHub may still be there.
    """

    record: Record
    removed: list[str]
    left: list[str]
    unfinished: GitHubFailed | None = None


def down(project: Project, env: str, profile: str | None, story: Story, confirm: Confirm) -> Gone:
    """Take an environment down. Raises Declined on a no, BootstrapError if it is protected or was never up here."""
    record = project.require_record(env)
    project = project.as_recorded(record)
    if project.spec.environment(env).protected:
        raise BootstrapError(
            f"'{env}' is protected.",
            hint=f"Set protected = false at {project.spec.where('environments', env, 'protected')} first.",
        )
    jobs = Jobs()
    with guarded(project.env_folder(env), env, "down", story) as run, Side(jobs, story) as side:
        # The run that we may have waited for has changed both.
        if project.record(env) is None:
            project.tidy(env)
        record = project.require_record(env)
        laptop = laptops.look_around(project)
        place = reach(project, record, profile, story)
        hub = side.start(partial(_look_at_github, project, record))
        steps: list[Step] = []
        provisioner = None
        planned: list[str] = []
        if place is not None:
            tools = provision.find_tools(project, story)
            provisioner = provision.prepare(project, place, tools, jobs, run, membership=Membership())
            provision.clear_stale_locks(place, run, story)
            found, planned = _plan(project, provisioner, place, record, side, story)
            steps += found
        else:
            story.note("The emulator is not running, so nothing of it is left; removing what is on this machine.")
        on_github = side.result(hub)
        steps += [Step("delete", "github", what) for what in on_github.ours]
        stops_emulator = place is not None and record.target == "local" and _is_last_local(project, record)
        steps += _local_steps(project, record, stops_emulator=stops_emulator)
        if not confirm(Plan(tuple(steps))):
            raise Declined("Nothing was removed.")
        removed = [step.what for step in steps if step.place not in ("laptop", "github")]
        left: list[str] = []
        unfinished = on_github.problem
        if on_github.ours:
            try:
                with story.step("Removing what is on GitHub"):
                    on_github.remove()
                removed += on_github.ours
            except GitHubFailed as error:
                unfinished = error
        if provisioner is not None and place is not None:
            left = _destroy(project, provisioner, planned, place, record, side, story)
        removed += _clean_laptop(project, laptop, record)
        if not left:
            shutil.rmtree(project.env_folder(env), ignore_errors=True)
        project.tidy(env)
    return Gone(record, removed, left, unfinished)


@dataclass(frozen=True)
class _OnGitHub:
    """What is on GitHub of ours, in words, and how to remove it; `problem` says why that could not be told."""

    ours: list[str]
    remove: Callable[[], list[str]] = list
    problem: GitHubFailed | None = None


def _look_at_github(project: Project, record: Record) -> _OnGitHub:
    if record.github is None:
        return _OnGitHub([])
    if github.is_another(project, record.github):
        return _OnGitHub([], problem=github.left_behind(record.github, record.env))
    try:
        hub = github.connect(project)
        repository = hub.look()
        ours = github.what_is_ours(hub, repository, record.env)
        return _OnGitHub(ours, partial(github.remove, hub, repository, record.env))
    except GitHubFailed as error:
        return _OnGitHub([], problem=error)


def _plan(
    project: Project, provisioner: Provisioner, place: Place, record: Record, side: Side, story: Story
) -> tuple[list[Step], list[str]]:
    """Return the steps in words, and the roots that have something to destroy."""
    names = place.names
    if not buckets.exists(place.aws, names.state_bucket, names.account):
        return [], []
    with story.step("Working out what has to go"):
        for name in provision.ROOTS:
            provisioner.root(name).write_adoptions({})
        spare_provider(provisioner, place, project)
        streams = provision.planned(provision.plan_all(provisioner, side, destroy=True), side)
        steps: list[Step] = []
        if buckets.exists(place.aws, names.bucket, names.account):
            count, size = buckets.count_objects(place.aws, names.bucket)
            files = counted(count, "file")
            steps.append(Step("delete", "aws", f"{files} in {names.bucket} ({counted(size, 'byte')}), all versions"))
        for name in provision.ROOTS:
            steps += steps_from_terraform(streams[name].changes, {"bucket": record.bucket})
    return steps, [name for name in provision.ROOTS if streams[name].changes]


def _local_steps(project: Project, record: Record, *, stops_emulator: bool) -> list[Step]:
    steps: list[Step] = []
    if local.mlflow_server(project, record.env).has_data:
        steps.append(Step("delete", "mlflow", "the MLflow server with its runs and accounts"))
    steps.append(Step("delete", "laptop", f"the AWS profile {record.aws_profile}"))
    if record.dvc_repository:
        steps.append(Step("delete", "laptop", f"the DVC remote {record.env}"))
    steps.append(Step("delete", "laptop", "the block of settings in .env"))
    if count := handover.count_invites(project, record.env):
        invites = counted(count, "invite")
        steps.append(Step("delete", "laptop", f"{invites} in {handover.FOLDER}/{record.env}/, dead from now on"))
    if stops_emulator:
        steps.append(Step("delete", "laptop", "the AWS emulator, which nothing else here uses"))
    return steps


def _destroy(
    project: Project,
    provisioner: Provisioner,
    planned: Collection[str],
    place: Place,
    record: Record,
    side: Side,
    story: Story,
) -> list[str]:
    """Take away what is in AWS, access first. Returns what is there all the same."""
    aws, names = place.aws, place.names
    with story.step("Closing every access"), ThreadPoolExecutor(_SIDE_BY_SIDE) as pool:
        # Whatever else hangs on a user, put there by hand, would stop Terraform from deleting it.
        list(pool.map(partial(people.strip_user, aws), people.users_on_path(aws, names.iam_path)))
    if buckets.exists(aws, record.bucket, names.account):
        with story.step(f"Emptying {record.bucket}") as step:
            buckets.empty(aws, record.bucket, progress=lambda gone: step.detail(counted(gone, "version")))
    if planned:
        with story.step("Removing what Terraform made") as step:
            side.results(*(side.start(partial(provisioner.apply, name, step.detail)) for name in planned))
    with story.step("Looking for leftovers"):
        # What a kill left outside of any state. The path and the name are this environment's alone.
        for user in people.users_on_path(aws, names.iam_path):
            people.delete_user(aws, user)
        if buckets.exists(aws, record.bucket, names.account):
            buckets.empty(aws, record.bucket)
            buckets.delete(aws, record.bucket)
        remove_roles(place, project, record)
        if kept := remove_provider(place, project, record):
            story.note(kept)
        provision.remove_state(place)
        left = [f"the IAM user {user}" for user in people.users_on_path(aws, names.iam_path)]
        if buckets.exists(aws, record.bucket, names.account):
            left.append(f"the bucket {record.bucket}")
    return left


def _clean_laptop(project: Project, laptop: Laptop, record: Record) -> list[str]:
    gone = laptops.take_out(project, laptop, record)
    if count := handover.remove_invites(project, record.env):
        gone.append(counted(count, "invite"))
    # Its data is what the plan speaks of.
    local.stop_mlflow(project, record.env)
    if record.target == "local" and _is_last_local(project, record) and local.stop_emulator(project):
        gone.append("the AWS emulator")
    return gone


def _is_last_local(project: Project, record: Record) -> bool:
    return not any(r.target == "local" and r.env != record.env for r in project.recorded())
