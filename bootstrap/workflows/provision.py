"""Both Terraform roots of an environment: prepared, planned and applied side by side."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

from bootstrap.adapters import terraform_folder
from bootstrap.adapters.aws import buckets, budgets, emptying, machine_there, people
from bootstrap.adapters.process import Jobs
from bootstrap.adapters.terraform import Backend, Terraform, environment_for
from bootstrap.adapters.terraform_folder import RootFolder
from bootstrap.adapters.terraform_install import find_terraform
from bootstrap.adapters.terraform_mirror import find_mirror, platform_tag, search_places, wanted
from bootstrap.assets import INFRA
from bootstrap.core.github import Trust
from bootstrap.core.membership import Membership
from bootstrap.core.mlflow_kind import kind_wanted, machine_wanted
from bootstrap.core.names import CI_MEMBER, STATE, Names
from bootstrap.core.spec import Spec
from bootstrap.core.stream import Stream
from bootstrap.errors import BootstrapError, TerraformFailed
from bootstrap.workflows.guard import Run
from bootstrap.workflows.parallel import Side
from bootstrap.workflows.project import Project
from bootstrap.workflows.story import Story
from bootstrap.workflows.target import Place

ROOTS = ("environment", "members")
# On two processors, the root with less to do lets the longer one go first: both then end sooner.
_PATIENT_ROOTS = frozenset({"members"})
PROVIDER_VERSION = "5.100.0"
_AMAZONS_IMAGE = "/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-x86_64"
# Who may reach port 80 of the machine, for its certificate: the authority asks from addresses that it does not publish.
# https://letsencrypt.org/docs/faq/
_CHALLENGE_CIDRS = ("0.0.0.0/0",)
# What IAM answers to the second of two requests to make a user.
# https://docs.aws.amazon.com/IAM/latest/APIReference/API_CreateUser.html
_TAKEN = "EntityAlreadyExists"


@dataclass(frozen=True)
class Provisioner:
    """Terraform for one environment: where it works, and with what."""

    terraform: Terraform
    base: Path
    configuration: str
    place: Place

    def root(self, name: str) -> RootFolder:
        """Return a root's working copy."""
        return RootFolder(self.base / name)

    def backend(self, name: str) -> Backend:
        """Return where a root's state lies."""
        names = self.place.names
        return Backend(names.state_bucket, names.state_key(name), self.place.aws.region, self.place.custom_endpoint)

    def init(self, name: str, *, local_state: bool = False) -> None:
        """Run `init` if anything it depends on has changed since it last ran."""
        root = self.root(name)
        backend = None if local_state else self.backend(name)
        if local_state:
            root.use_local_state()
        fingerprint = self.terraform.fingerprint(self.configuration, backend)
        if not root.is_initialised(fingerprint):
            root.forget_init()
            self.terraform.init(root.path, backend)
            root.mark_initialised(fingerprint)

    def plan(self, name: str, *, destroy: bool = False, local_state: bool = False) -> Stream:
        """Prepare one root and work out its plan, which stays on disk for `apply`."""
        self.init(name, local_state=local_state)
        root = self.root(name)
        return self.terraform.plan(root.path, root.plan_file, destroy=destroy)

    def apply(self, name: str, progress: Callable[[str], None]) -> Stream:
        """Carry out the plan of one root that `plan` left, and that one only."""
        root = self.root(name)
        try:
            return self.terraform.apply(root.path, root.plan_file, progress)
        finally:
            root.plan_file.unlink(missing_ok=True)

    def forget(self, name: str, address: str) -> None:
        """Take a resource out of a root's state, and leave the resource as it is."""
        self.init(name)
        self.terraform.forget(self.root(name).path, address)

    def outputs(self, name: str) -> dict[str, Any]:
        """Return the outputs that a root's state has; nothing secret is among them."""
        self.init(name)
        return self.terraform.outputs(self.root(name).path)

    def apply_members(
        self, planned: Callable[[Stream], None], progress: Callable[[str], None], *, only: Sequence[str] = ()
    ) -> Stream:
        """Make the users equal to the inputs; with `only` (members' names), no others are looked at or touched.

        The state is taken at its word: the number of API calls follows the number of changes, not of members.
        """
        self.init("members")
        targets = [member_address(name, "") for name in only]
        return self.terraform.apply_at_once(
            self.root("members").path, planned, progress, refresh=False, targets=targets
        )


@dataclass(frozen=True)
class Tools:
    """The programs Terraform needs. `mirror` is None where it downloads the provider itself."""

    binary: Path
    mirror: Path | None
    plugin_cache: Path
    looked_in: tuple[Path, ...]


def find_tools(project: Project, story: Story) -> Tools:
    """Find Terraform and the AWS provider. Raises ToolMissing if Terraform is not to be had."""
    from platformdirs import user_cache_path

    cache = user_cache_path("bootstrap", appauthor=False)
    places = (project.environ, project.home, project.folder)
    binary = find_terraform(project.environ, cache, platform_tag(), story.say, story.step)
    mirror = find_mirror(*places, PROVIDER_VERSION)
    plugins = Path(project.environ.get("TF_PLUGIN_CACHE_DIR") or cache / "terraform-plugins")
    if mirror is None and not any(plugins.glob(wanted(PROVIDER_VERSION))):
        story.say("Terraform downloads the AWS provider first: several hundred MB, once for this machine …")
    return Tools(
        binary=binary,
        mirror=mirror,
        plugin_cache=plugins,
        looked_in=tuple(search_places(*places)),
    )


def prepare(
    project: Project,
    place: Place,
    tools: Tools,
    jobs: Jobs,
    run: Run | None = None,
    *,
    membership: Membership,
    trust: Trust | None = None,
    folder: str = "infra",
) -> Provisioner:
    """Lay out the roots for one environment with these members and write their inputs.

    `trust` is None if no workflows on GitHub are let in.
    """
    env = place.names.env
    environ = place.operator_environment(project)
    extra: dict[str, str] = {}
    if tools.mirror is None:
        # We keep no lock file from which Terraform could know that what is in the cache is what it wants.
        extra = {"TF_PLUGIN_CACHE_DIR": str(tools.plugin_cache), "TF_PLUGIN_CACHE_MAY_BREAK_DEPENDENCY_LOCK_FILE": "1"}
    else:
        # Terraform would bring the mirror's copy into the user's cache, and two `init` at once break each other there.
        environ = {name: value for name, value in environ.items() if name != "TF_PLUGIN_CACHE_DIR"}
    terraform = Terraform(
        binary=tools.binary,
        environ=environment_for(environ, extra),
        mirror=tools.mirror,
        plugin_cache=tools.plugin_cache,
        jobs=jobs,
        looked_in=tools.looked_in,
        patient_roots=_PATIENT_ROOTS,
        unlock_command=f"bootstrap unlock --env {env}",
        on_start=run.note_terraform if run else lambda _: None,
        on_success=run.forget_terraform if run else lambda _: None,
    )
    base = project.env_folder(env) / folder
    configuration = terraform_folder.lay_out(INFRA, base)
    provisioner = Provisioner(terraform, base, configuration, place)
    for name, variables in inputs(project.spec, place, membership, trust).items():
        provisioner.root(name).write_variables(variables)
    return provisioner


def inputs(
    spec: Spec, place: Place, membership: Membership, trust: Trust | None = None
) -> dict[str, dict[str, object]]:
    """Return the variables of both roots."""
    names = place.names
    table = spec.environment(names.env)
    expires = table.expires
    shared: dict[str, object] = {
        "target": place.kind,
        "region": place.aws.region,
        "account_id": names.account,
        "custom_endpoint": place.custom_endpoint,
        "conditional_denies": not place.emulated,
        "environment": {
            "project": names.project,
            "name": names.env,
            "owner": spec.owner or "",
            "expires": expires.isoformat() if expires else "",
        },
    }
    members: dict[str, dict[str, object]] = {
        CI_MEMBER: {"user_name": names.iam_user(CI_MEMBER), "role": CI_MEMBER},
        **{
            name: {
                "user_name": names.iam_user(name),
                "role": one.role,
                "team": one.team_name,
                "expires": one.expires.isoformat() if one.expires else "",
                "dvc_delete": table.dvc_gc and one.role == "student",
            }
            for name, one in membership.members.items()
        },
    }
    return {
        "environment": shared
        | {
            "storage": {"bucket": names.bucket},
            "github": asdict(trust) if trust is not None else None,
            "mlflow": _machine(spec, place),
            "budget": _budget(spec, place),
        },
        "members": shared | {"bucket": names.bucket, "members": members},
    }


def _budget(spec: Spec, place: Place) -> dict[str, object] | None:
    """Return the budget that the environment is to have; a laptop needs none."""
    names = place.names
    limit = spec.environment(names.env).budget_usd
    if limit is None or place.kind == "local":
        return None
    return {
        "name": names.budget,
        "limit_usd": limit,
        "email": spec.owner or "",
        "project": names.project,
        "env": names.env,
        # The emulator makes a budget, and cannot read it back: Terraform would try that for many minutes.
        "rehearsal": place.emulated,
    }


def leaves_out_budget(spec: Spec, place: Place) -> bool:
    """Tell whether the environment's budget is not made, as this AWS is an emulator."""
    wanted = _budget(spec, place)
    return wanted is not None and bool(wanted["rehearsal"])


def _machine(spec: Spec, place: Place) -> dict[str, object] | None:
    """Return the variable `mlflow` of the root, None without a machine.

    Nor is there one to be made that nobody may reach; `up` refuses that, and all else has to work all the same.
    """
    names = place.names
    machine = machine_wanted(spec, names.env)
    if kind_wanted(spec, names.env, place.kind) != "ec2" or not machine.allowed_cidrs:
        return None
    # What an emulator lacks: AWS's list of Debian's images, and Data Lifecycle Manager.
    lacking = {"image_parameter": _AMAZONS_IMAGE, "daily_snapshots": False} if place.emulated else {}
    return lacking | {
        "name": names.mlflow_server,
        "path": names.iam_path,
        "parameter_path": names.parameter_path,
        "instance_type": machine.instance_type,
        "domain": machine.domain or "",
        "allowed_cidrs": list(machine.allowed_cidrs),
        "challenge_cidrs": list(_CHALLENGE_CIDRS),
        "volume_gb": machine.volume_gb,
    }


def tags(names: Names, spec: Spec) -> dict[str, str]:
    """Return the tags of the state bucket, which belongs to the project and to no environment."""
    found = {"bootstrap:project": names.project, "bootstrap:env": STATE}
    return found | ({"bootstrap:owner": spec.owner} if spec.owner else {})


@dataclass
class Pending:
    """The change of one root that is under way: first `planned`, then carried out by `finish`."""

    planned: Future[Stream]
    applied: Future[Stream] | None = None
    progress: Callable[[str], None] = lambda _: None

    def report(self, address: str) -> None:
        """Pass on that a resource is done."""
        self.progress(address)


def plan_all(
    provisioner: Provisioner, side: Side, *, destroy: bool = False, local_state: bool = False
) -> dict[str, Pending]:
    """Begin to plan both roots at once; they do not depend on each other. The plans stay on disk for `finish`."""
    return {
        name: Pending(side.start(partial(provisioner.plan, name, destroy=destroy, local_state=local_state)))
        for name in ROOTS
    }


def apply_all_at_once(provisioner: Provisioner, side: Side, membership: Membership) -> dict[str, Pending]:
    """Begin to plan both roots and, without a stop, to carry out those plans: for when the answer is yes already."""
    pending = {}
    for name in ROOTS:
        one = Pending(Future())
        one.applied = side.start(partial(_apply_at_once, provisioner, name, one, membership))
        pending[name] = one
    return pending


def _apply_at_once(provisioner: Provisioner, name: str, pending: Pending, membership: Membership) -> Stream:
    def planned(stream: Stream) -> None:
        if not pending.planned.done():  # a second try plans the rest again
            pending.planned.set_result(stream)

    try:
        provisioner.init(name)
        apply = partial(provisioner.terraform.apply_at_once, provisioner.root(name).path, planned, pending.report)
        return taking_over(provisioner, [CI_MEMBER, *membership.members], apply) if name == "members" else apply()
    except BaseException as error:
        if not pending.planned.done():
            pending.planned.set_exception(error)
        raise


def planned(pending: dict[str, Pending], side: Side) -> dict[str, Stream]:
    """Wait until it is known what will change."""
    streams = side.results(*(one.planned for one in pending.values()))
    return dict(zip(pending, streams, strict=True))


def finish(provisioner: Provisioner, side: Side, name: str, pending: Pending) -> Future[Stream]:
    """Carry out what was planned for one root; nothing is started where there is nothing to do."""
    if pending.applied is not None:
        return pending.applied
    if not pending.planned.result().changes:
        provisioner.root(name).plan_file.unlink(missing_ok=True)
        return pending.planned
    return side.start(partial(provisioner.apply, name, pending.report))


def member_address(name: str, resource: str = "aws_iam_user.this") -> str:
    """Return Terraform's address of a member, or of one of the member's resources."""
    module = f'module.member["{name}"]'
    return f"{module}.{resource}" if resource else module


def adopt_members(provisioner: Provisioner, names: Iterable[str]) -> None:
    """Let Terraform take over those of these members whose user is there but may be missing in its state.

    One listing of the environment's users, however many members.
    """
    place = provisioner.place
    there = set(people.users_on_path(place.aws, place.names.iam_path))
    wanted = {name: place.names.iam_user(name) for name in names}
    found = {member_address(name): user for name, user in wanted.items() if user in there}
    provisioner.root("members").write_adoptions(found)


def taking_over(provisioner: Provisioner, names: Iterable[str], apply: Callable[[], Stream]) -> Stream:
    """Apply the root `members`; if the answer to the making of one of these was lost, take the user over and go on.

    The request is tried again by itself, and the second one meets the user that the first has made. It is ours if it
    is on our path. Raises TerraformFailed.
    """
    try:
        return apply()
    except TerraformFailed as error:
        if _TAKEN not in error.message:
            raise
        adopt_members(provisioner, names)
        return apply()


def adopt_existing(
    provisioner: Provisioner, spec: Spec, membership: Membership, more: Mapping[str, str], story: Story
) -> None:
    """Let Terraform take over what is there but may be missing in its state, as after a kill.

    `more` is what else there is of the environment: address → id. Raises BootstrapError if something of another's has
    our name.
    """
    place = provisioner.place
    names = place.names
    ours = {"bootstrap:project": names.project, "bootstrap:env": names.env}
    bucket: dict[str, str] = {}
    if buckets.exists(place.aws, names.bucket, names.account):
        found = buckets.tags(place.aws, names.bucket)
        if found and {key: found.get(key) for key in ours} != ours:
            raise BootstrapError(
                f"The bucket {names.bucket} is in your account, but does not carry this environment's tags. "
                "It was left alone.",
                hint="If it is yours to give, tag it bootstrap:project and bootstrap:env; else choose another "
                "`project` in bootstrap.toml.",
            )
        bucket = {"module.storage.aws_s3_bucket.this": names.bucket}
    budget: dict[str, str] = {}
    wanted = _budget(spec, place)
    if wanted is not None and not wanted["rehearsal"] and budgets.exists(place.aws, names.account, names.budget, ours):
        budget = {"module.budget[0].aws_budgets_budget.this": f"{names.account}:{names.budget}"}
    machine = _machine_there(spec, place, story)
    provisioner.root("environment").write_adoptions({**bucket, **budget, **machine, **more})
    # Users have one name space whatever their path: one elsewhere would make Terraform fail without saying why.
    people.user_exists(place.aws, names.iam_user(CI_MEMBER), names.iam_path)
    adopt_members(provisioner, [CI_MEMBER, *membership.members])


def _machine_there(spec: Spec, place: Place, story: Story) -> dict[str, str]:
    """Return what there is of the machine for MLflow, address → id; nobody is asked where none is wanted."""
    machine = _machine(spec, place)
    if machine is None:
        return {}
    there = machine_there.find(
        place.aws,
        machine_there.Wanted(
            names=place.names,
            allowed_cidrs=machine_wanted(spec, place.names.env).allowed_cidrs,
            challenge_cidrs=_CHALLENGE_CIDRS,
            daily_snapshots=bool(machine.get("daily_snapshots", True)),
        ),
    )
    for note in there.notes:
        story.note(note)
    return there.ids


def clear_stale_locks(place: Place, run: Run, story: Story) -> None:
    """Remove the locks that the interrupted run of this folder left on the states, and say so."""
    if run.interrupted_since is None:
        return
    for name in ROOTS:
        lock = buckets.read_lock(place.aws, place.names.state_bucket, place.names.state_key(name))
        if lock is not None and run.left_lock(lock.who, lock.created):
            buckets.remove_lock(place.aws, place.names.state_bucket, lock)
            story.say(f"Removed the lock that the interrupted run had left on the state of `{name}`.")


def discard_plans(provisioner: Provisioner) -> None:
    """Remove the plans that nobody is going to carry out; one of them may be to destroy everything."""
    for name in ROOTS:
        provisioner.root(name).plan_file.unlink(missing_ok=True)


def remove_state(place: Place) -> None:
    """Remove the environment's states; the bucket they lie in goes with the last environment's."""
    aws, names = place.aws, place.names
    if buckets.exists(aws, names.state_bucket, names.account):
        emptying.empty(aws, names.state_bucket, prefix=f"{names.env}/")
        if buckets.is_empty(aws, names.state_bucket):
            buckets.delete(aws, names.state_bucket)


def remove_working_copies(project: Project, env: str, folder: str = "infra") -> None:
    """Remove an environment's working copies."""
    terraform_folder.remove(project.env_folder(env) / folder)
