"""What a `down` will take away, found out before anything is: in AWS, on GitHub and on this machine."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from functools import partial

from bootstrap.adapters.aws import buckets, emptying, inventory, machines
from bootstrap.adapters.aws.emptying import Survey
from bootstrap.core.cost import machine_of, what_ends
from bootstrap.core.counts import counted
from bootstrap.core.dagshub import REMOTE
from bootstrap.core.inventory import Scan, Thing
from bootstrap.core.plan import Plan, Step, member_of, steps_from_terraform, without_crowds
from bootstrap.core.prices import Estimate, on_this_laptop
from bootstrap.core.record import Record
from bootstrap.core.stream import Change, Stream
from bootstrap.errors import GitHubFailed
from bootstrap.workflows import github, handover, local, mlflow_machine, provision
from bootstrap.workflows.github_entry import spare_provider
from bootstrap.workflows.parallel import Side
from bootstrap.workflows.project import Project
from bootstrap.workflows.provision import Provisioner
from bootstrap.workflows.story import Story
from bootstrap.workflows.target import Place, what_it_lacks

# Terraform's name for everything that makes the bucket, which stays with `--keep-data`.
STORAGE = "module.storage"
_MACHINE = "aws_instance"


@dataclass(frozen=True)
class OnGitHub:
    """What is on GitHub of ours, in words, and how to remove it; `problem` says why that could not be told.

    `is_another`: what was written is in a repository that bootstrap.toml no longer names.
    """

    ours: list[str]
    remove: Callable[[], list[str]] = list
    problem: GitHubFailed | None = None
    is_another: bool = False


@dataclass(frozen=True)
class Preview:
    """What the user is asked about. `cost` is what ends with it."""

    plan: Plan
    cost: Estimate


@dataclass(frozen=True)
class Going:
    """What is there of an environment. `roots` are the Terraform roots that have something to destroy.

    `scan` is what a look through the account finds of the project; `held` what is in the bucket, None without one.
    `has_storage`: Terraform knows of the bucket. `bucket_goes`: it is ours, by Terraform's state or by name and tags.
    """

    preview: Preview
    on_github: OnGitHub
    roots: tuple[str, ...] = ()
    has_storage: bool = False
    bucket_goes: bool = False
    scan: Scan | None = None
    held: Survey | None = None


def begin_to_look_at_github(project: Project, record: Record, side: Side) -> Future[OnGitHub]:
    """Begin to look what is on GitHub while other things go on."""
    return side.start(partial(_look_at_github, project, record))


def look(
    project: Project,
    record: Record,
    place: Place | None,
    provisioner: Provisioner | None,
    hub: Future[OnGitHub],
    side: Side,
    story: Story,
    *,
    keep_data: bool,
) -> Going:
    """Look at everything at once; `place` and `provisioner` are None where the emulator is gone with all it held."""
    steps: list[Step] = []
    streams: dict[str, Stream] = {}
    scan: Scan | None = None
    held: Survey | None = None
    has_storage = bucket_goes = False
    if place is not None and provisioner is not None:
        with story.step("Working out what has to go"):
            scanning = side.start(partial(look_through, project, place))
            held = _survey(place)
            streams = plan_to_destroy(project, provisioner, place, side)
            scan = side.result(scanning)
            bucket = f":::{place.names.bucket}"
            has_storage = any(one.address.startswith(f"{STORAGE}.") for one in _changes(streams))
            known = any(
                one.kind == inventory.BUCKET and one.arn.endswith(bucket) for one in scan.things if one.removable
            )
            if held is not None and not has_storage and not known:
                story.note(f"The bucket {place.names.bucket} does not carry this environment's tags; it is left alone.")
                held = None
            bucket_goes = held is not None and not keep_data
            if held is not None and bucket_goes:
                steps.append(Step("delete", "aws", _in_words(held, place.names.bucket)))
            for stream in streams.values():
                changes = [one for one in stream.changes if not (keep_data and one.address.startswith(f"{STORAGE}."))]
                steps += without_crowds(steps_from_terraform(changes, {"bucket": record.bucket}))
            kept = {bucket} if keep_data else set()
            steps += _unknown_to_terraform(scan, place, streams, kept)
    on_github = side.result(hub)
    steps += [Step("delete", "github", what) for what in on_github.ours]
    others = any(thing.env not in (None, record.env) for thing in scan.things) if scan else False
    stops = place is not None and not keep_data and not others and is_last_local(project, record)
    steps += _local_steps(project, record, stops_emulator=stops)
    size = held.bytes if held is not None and not keep_data else 0
    cost = on_this_laptop() if record.target == "local" else _ending(project, record, streams, size)
    roots = tuple(name for name, stream in streams.items() if stream.changes)
    return Going(Preview(Plan(tuple(steps)), cost), on_github, roots, has_storage, bucket_goes, scan, held)


def _ending(project: Project, record: Record, streams: dict[str, Stream], size: int) -> Estimate:
    """Return what ends in a month with the machine that Terraform knows of, if any, and with `size` bytes.

    Of what size the machine is, bootstrap.toml says.
    """
    is_there = any(one.kind == _MACHINE for one in _changes(streams))
    machine = machine_of(project.spec.environment(record.env)) if is_there else None
    return what_ends(machine, record.region, size)


def _changes(streams: dict[str, Stream]) -> list[Change]:
    return [change for stream in streams.values() for change in stream.changes]


# What Terraform calls the things of which an environment has but one machine's.
_IN_TERRAFORM = {
    machines.INSTANCE: "aws_instance",
    machines.ADDRESS: "aws_eip",
    machines.GROUP: "aws_security_group",
    # The system's own volume goes with the machine.
    machines.VOLUME: "aws_ebs_volume",
    machines.SCHEDULE: "aws_dlm_lifecycle_policy",
    machines.BUDGET: "aws_budgets_budget",
    inventory.PROFILE: "aws_iam_instance_profile",
}


def _unknown_to_terraform(scan: Scan, place: Place, streams: dict[str, Stream], kept: set[str]) -> list[Step]:
    """Return what goes though no state has it: what others made, and the rest after a kill or a lost state."""
    names = place.names
    changes = _changes(streams)
    made = {one.kind for one in changes}
    known = {f":::{names.bucket}" for one in changes if one.kind == "aws_s3_bucket"}
    known |= {f"/{names.iam_user(member_of(one))}" for one in changes if one.kind == "aws_iam_user"}
    roles = [one.address.startswith("module.mlflow_ec2") for one in changes if one.kind == "aws_iam_role"]
    known |= {f"/{names.github_role}"} if False in roles else set()
    # The name of the machine's second role is one that Terraform works out.
    known |= {f"/{names.mlflow_server}", ".snapshots"} if True in roles else set()

    def is_known(thing: Thing) -> bool:
        return thing.arn.endswith(tuple(known | kept)) or _IN_TERRAFORM.get(thing.kind) in made

    ours = [thing for thing in scan.things if thing.env == names.env and thing.removable and not is_known(thing)]
    snapshots = [thing for thing in ours if thing.kind == machines.SNAPSHOT]
    steps = [Step("delete", "aws", f"{counted(len(snapshots), 'snapshot')} of MLflow's volume")] if snapshots else []
    # Neither of these two was ever Terraform's to know.
    steps += [Step("delete", "aws", thing.what) for thing in ours if thing.kind == machines.PARAMETER]
    return steps + [
        Step("delete", "aws", f"{thing.what}, which no state of Terraform's has")
        for thing in ours
        if thing.kind not in (machines.SNAPSHOT, machines.PARAMETER)
    ]


def plan_to_destroy(project: Project, provisioner: Provisioner, place: Place, side: Side) -> dict[str, Stream]:
    """Let Terraform work out what of its roots has to go; nothing where there is no state any more."""
    names = place.names
    if not buckets.exists(place.aws, names.state_bucket, names.account):
        return {}
    for name in provision.ROOTS:
        provisioner.root(name).write_adoptions({})
    spare_provider(provisioner, place, project)
    return provision.planned(provision.plan_all(provisioner, side, destroy=True), side)


def look_through(project: Project, place: Place, env: str | None = None) -> Scan:
    """Look through the account for what is of this project, or of one environment of it."""
    names = place.names
    envs = {names.env, *project.spec.environments, *(record.env for record in project.recorded())}
    return inventory.scan(
        place.aws,
        names.project,
        names.account,
        env=env,
        envs_known=envs,
        regions=(place.aws.region,),
        lacks=what_it_lacks(place),
        budgets_known=any(one.budget_usd for one in project.spec.environments.values()),
    )


def is_last_local(project: Project, record: Record) -> bool:
    """Tell whether no other environment of this folder lives in its emulator."""
    others = (one for one in project.recorded() if one.env != record.env)
    return record.target == "local" and not any(one.target == "local" for one in others)


def _look_at_github(project: Project, record: Record) -> OnGitHub:
    if record.github is None:
        # An `up` that was killed, or a record that was lost, may have left something there all the same.
        if record.complete or not github.is_wanted(project) or github.is_rehearsal(project, record.target):
            return OnGitHub([])
    elif github.is_another(project, record.github):
        return OnGitHub([], problem=github.left_behind(record.github, record.env), is_another=True)
    try:
        hub = github.connect(project)
        repository = hub.look()
        ours = github.what_is_ours(hub, repository, record.env)
        return OnGitHub(ours, partial(github.remove, hub, repository, record.env))
    except GitHubFailed as error:
        return OnGitHub([], problem=error)


def _survey(place: Place) -> Survey | None:
    names = place.names
    if not buckets.exists(place.aws, names.bucket, names.account):
        return None
    return emptying.survey(place.aws, names.bucket)


def _in_words(held: Survey, bucket: str) -> str:
    versions = counted(held.versions + held.markers, "version")
    return f"{counted(held.objects, 'file')} in {bucket}: {versions} in all, {counted(held.bytes, 'byte')}"


def _local_steps(project: Project, record: Record, *, stops_emulator: bool) -> list[Step]:
    steps: list[Step] = []
    if local.mlflow_server(project, record.env).has_data:
        steps.append(Step("delete", "mlflow", "the MLflow server with its runs and accounts"))
    steps += mlflow_machine.leaving(record)
    steps.append(Step("delete", "laptop", f"the AWS profile {record.aws_profile}"))
    if record.dvc_repository:
        steps.append(Step("delete", "laptop", f"the DVC remote {record.env}"))
    if record.dagshub_remote:
        steps.append(Step("delete", "laptop", f"the DVC remote {REMOTE}, with the token in .dvc/config.local"))
    steps.append(Step("delete", "laptop", "the block of settings in .env"))
    if count := handover.count_invites(project, record.env):
        invites = counted(count, "invite")
        steps.append(Step("delete", "laptop", f"{invites} in {handover.FOLDER}/{record.env}/, dead from now on"))
    if stops_emulator:
        steps.append(Step("delete", "laptop", "the AWS emulator, which nothing else here uses"))
    return steps
