"""`sweep`: finds what is left of a project without the help of any state, and takes it away if asked to.

What is up in this folder is no leftover: it is neither shown nor touched, and `down` is the way to end it. Nothing is
deleted that was not shown before the question, and nothing that is not found a second time after the answer.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import partial

from bootstrap.adapters import servers
from bootstrap.adapters.aws import buckets, emptying, identity_provider, inventory, machines, objects, people
from bootstrap.adapters.aws.looking import in_region
from bootstrap.adapters.aws.session import Aws, error_code
from bootstrap.adapters.emulator import ACCOUNT, Emulator
from bootstrap.core.counts import counted
from bootstrap.core.inventory import Blind, Place, Scan, Thing
from bootstrap.core.names import STATE, Names, environment_problem
from bootstrap.core.record import Record, Target
from bootstrap.core.spec import region_problem
from bootstrap.errors import AwsFailed, BootstrapError, Declined, UsageError
from bootstrap.workflows import kept, local
from bootstrap.workflows.guard import Run, guarded
from bootstrap.workflows.history import Chronicle, chronicled
from bootstrap.workflows.project import WORK, Project
from bootstrap.workflows.story import Step, Story
from bootstrap.workflows.target import Place as Where
from bootstrap.workflows.target import at_emulator, open_place, what_it_lacks

# Where the things are that this laptop holds for the local target.
LAPTOP = "this laptop"
MLFLOW, EMULATOR = "MLflow server", "emulator"

_SIDE_BY_SIDE = 8
_LOCK_SUFFIX = ".tflock"
_ABSENT = {"NoSuchBucket", "404", "NoSuchEntity"}

Confirm = Callable[[Scan], bool]


@dataclass(frozen=True)
class Swept:
    """What a `sweep` did: what is gone, what the look after it found, and in words what would not go."""

    removed: tuple[Thing, ...]
    left: Scan
    problems: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Ground:
    """Where a sweep looks. `place` is None on the local target; its emulator may come and go while we look."""

    project: Project
    env: str | None
    target: Target
    account: str
    place: Where | None
    regions: tuple[str, ...]

    @property
    def state_bucket(self) -> str:
        return Names(self.project.spec.project, STATE, self.account).state_bucket

    def at(self, env: str) -> Where | None:
        """Return where an environment would be; None if that is an emulator which does not run."""
        if self.place is not None:
            return replace(self.place, names=Names(self.project.spec.project, env, self.account))
        emulator = local.running_emulator(self.project)
        return at_emulator(self.project, env, emulator) if emulator else None

    def reach(self) -> Aws | None:
        """Return who acts there; None if that is an emulator which does not run."""
        place = self.at(self.env or STATE)
        return place.aws if place else None

    def up(self) -> set[str]:
        """Return the environments that this folder has up there: their things are no leftovers."""
        return {record.env for record in self.project.recorded() if record.complete and self.is_here(record)}

    def is_here(self, record: Record) -> bool:
        """Tell whether a record of this folder is of an environment in the account that is looked through."""
        there = (record.project, record.target, record.account_id)
        return there == (self.project.spec.project, self.target, self.account)


def find(
    project: Project, env: str | None, profile: str | None, target: Target, regions: Sequence[str], story: Story
) -> Scan:
    """Return what is left of a project, or of one environment; changes nothing.

    Raises UsageError for a name that no environment and no region can have, BootstrapError for an environment that is
    up here, AwsFailed without usable credentials.
    """
    ground = _open(project, env, profile, target, regions, story)
    _tell_what_is_known(ground, story)
    return _look(ground, story)


def sweep(
    project: Project,
    env: str | None,
    profile: str | None,
    target: Target,
    regions: Sequence[str],
    story: Story,
    confirm: Confirm,
) -> Swept:
    """Find what is left and, after a yes, take away what can be; then look again.

    Raises Declined on a no, BootstrapError if a run is at work on one of the environments, and what `find` raises.
    What cannot be taken away keeps nothing else from going: it is told in the result.
    """
    ground = _open(project, env, profile, target, regions, story)
    _tell_what_is_known(ground, story)
    shown = _look(ground, story)
    wanted = {_identity(thing) for thing in shown.things if thing.removable}
    if not wanted:
        _forget_gone(ground)
        return Swept((), shown)
    if not confirm(shown):
        raise Declined("Nothing was removed.")
    envs = sorted({thing.env for thing in shown.things if thing.removable and thing.env})
    with ExitStack() as stack:
        runs = {}
        for one in envs:
            project.make_work()
            runs[one] = stack.enter_context(guarded(project.env_folder(one), one, "sweep", story))
            # While it is held: another run may begin right afterwards.
            stack.callback(_tidy, project, one)
        # By now much may have changed: a run that we waited for, or a person with as much patience as we.
        _refuse_what_is_up(ground)
        found = _look(ground, story)
        todo = [thing for thing in found.things if thing.removable and _identity(thing) in wanted]
        aws = ground.reach()
        if aws is not None:
            _refuse_running(aws, ground, runs, story)
        chronicles = _begin_chronicles(ground, todo, story, stack)
        envs_of_things = sorted({thing.env for thing in todo if thing.env})
        for chronicle in chronicles:
            chronicle.acts(envs=envs_of_things, things=len(todo))
        problems = _remove(aws, ground, todo, story)
        left = _look(ground, story)
        _forget_gone(ground)
        there = {_identity(thing) for thing in left.things}
        unseen = {blind.place.kind for blind in left.blind}
        gone = tuple(thing for thing in todo if _identity(thing) not in there and thing.kind not in unseen)
        for chronicle in chronicles:
            chronicle.acts(envs=envs_of_things, removed=len(gone), problems=len(problems))
    return Swept(gone, left, tuple(problems))


def _begin_chronicles(ground: _Ground, todo: Sequence[Thing], story: Story, stack: ExitStack) -> list[Chronicle]:
    """Open the histories that outlive this sweep: those of all environments which keep something in the state bucket.

    One whose states go has no history any more, and a line there would be the next sweep's leftover. So those who
    administer the others read of it. What cannot be read or written is told of, and keeps nothing from being removed.
    """
    bucket = ground.state_bucket
    aws = ground.reach()
    going = {thing.arn.rpartition(":::")[2].rstrip("/") for thing in todo}
    if not todo or aws is None or bucket in going or any(_is_the_emulator(thing) for thing in todo):
        return []
    try:
        envs = objects.folders(aws, bucket) if buckets.exists(aws, bucket, ground.account) else []
    except AwsFailed as error:
        story.note(f"This could not be written into the environments' history: {error.message}")
        return []
    found = []
    for env in envs:
        place = ground.at(env) if environment_problem(env) is None and f"{bucket}/{env}" not in going else None
        if place is not None:
            found.append(stack.enter_context(chronicled("sweep", story)))
            found[-1].reached(place)
    return found


def _is_the_emulator(thing: Thing) -> bool:
    """Tell whether a thing is the emulator that a sweep looks through, and not one that lost its record."""
    return thing.kind == EMULATOR and thing.mark != "mark"


def _forget_gone(ground: _Ground) -> None:
    if ground.place is not None:
        kept.forget_gone(ground.project, ground.place.aws, ground.account)


def _tidy(project: Project, env: str) -> None:
    # A record that we cannot read, for instance a newer version's, is a record all the same.
    if not (project.env_folder(env) / "record.json").exists():
        project.tidy(env)


def _open(
    project: Project, env: str | None, profile: str | None, target: Target, regions: Sequence[str], story: Story
) -> _Ground:
    # Not `spec.environment`: what is left may well be of an environment that nobody has written down any more.
    if env is not None and (problem := environment_problem(env)):
        raise UsageError(f"{env!r} cannot be an environment's name: it {problem}.")
    for region in regions:
        if problem := region_problem(region):
            raise UsageError(f"--region: {region!r} {problem}.", hint="It looks like us-east-1 or sa-east-1.")
    here = [record for record in project.recorded() if record.target == target]
    places = tuple(dict.fromkeys((project.spec.region, *(record.region for record in here), *regions)))
    if target == "local":
        ground = _Ground(project, env, target, ACCOUNT, None, places)
        _refuse_what_is_up(ground)
        if Emulator(project.local).running() is None:
            story.note("The emulator is not running, so nothing is in it; looking at what lies on this laptop.")
        return ground
    # The profile that any environment of this folder was made with is as good as that of the one asked for.
    named = env or next((record.env for record in here), STATE)
    place = open_place(project, named, target, profile, story)
    ground = _Ground(project, env, target, place.names.account, place, places)
    _refuse_what_is_up(ground)
    return ground


def _refuse_what_is_up(ground: _Ground) -> None:
    if ground.env is not None and ground.env in ground.up():
        raise BootstrapError(
            f"'{ground.env}' is up here; a sweep is for what is left when nobody keeps it any more.",
            hint=f"To take it away: bootstrap down --env {ground.env}",
        )


def _tell_what_is_known(ground: _Ground, story: Story) -> None:
    """Tell which environments this folder knows of, as for those `down` is the better way."""
    up = ground.up()
    for record in ground.project.recorded():
        if not ground.is_here(record) or ground.env not in (None, record.env):
            continue
        if record.env in up:
            story.note(f"'{record.env}' is up here: what it has and needs is no leftover, and stays.")
        else:
            story.note(
                f"'{record.env}' was begun here and is not complete. "
                f"`bootstrap down --env {record.env}` also takes away what is on this laptop."
            )


def _identity(thing: Thing) -> tuple[str, str, str, str, str | None]:
    """Return what makes a thing the same one in two looks: not how it is told, which may change meanwhile."""
    return thing.kind, thing.arn, thing.region, thing.mark, thing.env


# --- looking ---


def _look(ground: _Ground, story: Story) -> Scan:
    aws, project = ground.reach(), ground.project
    found = Scan((), (), ())
    with story.step("Looking for what is left") as step:
        if aws is not None:
            found = inventory.scan(
                aws,
                project.spec.project,
                ground.account,
                env=ground.env,
                envs_known=_envs_known(project),
                regions=ground.regions,
                lacks=what_it_lacks(ground.place),
                budgets_known=any(one.budget_usd for one in project.spec.environments.values()),
                progress=step.detail,
            )
            found = _with_protection(aws, ground, _without_what_is_up(ground, found))
        if ground.target == "local":
            found = _with_servers(ground, aws, found)
    return found


def _envs_known(project: Project) -> set[str]:
    return {*project.spec.environment_names, *(record.env for record in project.recorded())}


def _without_what_is_up(ground: _Ground, found: Scan) -> Scan:
    up = ground.up()
    if not up:
        return found
    state_bucket = f":::{ground.state_bucket}"

    def is_used(thing: Thing) -> bool:
        return thing.env in up or thing.kind == inventory.PROVIDER or thing.arn.endswith(state_bucket)

    return replace(found, things=tuple(thing for thing in found.things if not is_used(thing)))


def _with_protection(aws: Aws, ground: _Ground, found: Scan) -> Scan:
    """Make unremovable what bootstrap.toml protects, and with it what a protected environment cannot be without."""
    spec = ground.project.spec
    protected = {name for name, one in spec.environments.items() if one.protected}
    bucket = ground.state_bucket
    if not protected or not found.things:
        return found
    there = sorted(env for env in protected if any(thing.env == env for thing in found.things))
    if any(thing.arn.endswith(f":::{bucket}") for thing in found.things):
        there += sorted(env for env in protected.difference(there) if _has_states(aws, bucket, env))

    def held(thing: Thing) -> Thing:
        holders = there if thing.env is None else [env for env in there if env == thing.env]
        if not holders or not thing.removable:
            return thing
        holder = holders[0]
        where = spec.where("environments", holder, "protected")
        return replace(
            thing,
            what=f"{thing.what}; '{holder}' is protected",
            command=f"protected = false at {where}, then: {thing.command}",
            removable=False,
        )

    return replace(found, things=tuple(held(thing) for thing in found.things))


def _has_states(aws: Aws, bucket: str, env: str) -> bool:
    try:
        return bool(objects.listed(aws, bucket, f"{env}/"))
    except AwsFailed:
        return True  # as long as nobody can tell, it is safer to keep them


def _with_servers(ground: _Ground, aws: Aws | None, found: Scan) -> Scan:
    """Add what there is on this laptop of servers that belong to no environment any more."""
    looked, blind = [Place(MLFLOW, LAPTOP)], list(found.blind)
    emulator = Place(EMULATOR, LAPTOP)
    if aws is None and Emulator(ground.project.local).running() is not None:
        blind.append(Blind(emulator, "it runs, but nobody knows its operator's key any more"))
    else:
        looked.append(emulator)
    things = (*found.things, *_servers_left(ground, aws, found.things))
    return Scan(things, (*found.looked, *looked), tuple(blind))


def _servers_left(ground: _Ground, aws: Aws | None, in_aws: Sequence[Thing]) -> list[Thing]:
    project, found = ground.project, []
    folder = project.work / "envs"
    envs = sorted(path.name for path in folder.iterdir() if path.is_dir()) if folder.is_dir() else []
    # A record that we cannot read, for instance a newer version's, is a record all the same.
    recorded = {env for env in envs if (folder / env / "record.json").exists()}
    for env in envs:
        server = local.mlflow_server(project, env)
        running = server.running()
        if env in recorded or ground.env not in (None, env) or not (running or server.has_data):
            continue
        state = f"running at {running.url}" if running else "stopped"
        what = f"the MLflow server of {env} with its runs and accounts, {state}"
        place = f"{WORK}/envs/{env}/mlflow"
        command = f"bootstrap sweep --env {env} --local --delete"
        found.append(Thing(MLFLOW, place, what, LAPTOP, "name", env, command))
    emulator = servers.recorded(Emulator(project.local).record)
    used = any(record.target == "local" for record in project.recorded()) or _has_unreadable_record(project, recorded)
    if ground.env is None and not used and emulator is not None and emulator.alive:
        strangers = inventory.strangers(aws, in_aws, local.OPERATOR_PATH) if aws is not None else ["what nobody knows"]
        holds = f", which holds {', '.join(strangers[:3])}" if strangers else ""
        command = "bootstrap local stop" if strangers else "bootstrap sweep --local --delete"
        what = f"the AWS emulator at {emulator.url}{holds}"
        found.append(
            Thing(EMULATOR, f"{WORK}/local", what, LAPTOP, "name", None, command, removable=not strangers),
        )
    return [*found, *_lost_servers(ground)]


def _lost_servers(ground: _Ground) -> list[Thing]:
    """Return what runs for this folder with its record lost: nobody can reach what it holds any more."""
    return [
        Thing(
            EMULATOR if one.env is None else MLFLOW,
            _process(one),
            f"{one.what}, whose record was lost",
            LAPTOP,
            "mark",
            one.env,
            "bootstrap sweep --local --delete",
        )
        for one in local.lost_servers(ground.project)
        if ground.env in (None, one.env)
    ]


def _process(one: local.LostServer) -> str:
    return f"process {one.process.pid}"


def _has_unreadable_record(project: Project, recorded: Iterable[str]) -> bool:
    return any(project.record(env) is None for env in recorded)


# --- removing ---


def _refuse_running(aws: Aws, ground: _Ground, runs: dict[str, Run], story: Story) -> None:
    """Raise BootstrapError if a run somewhere holds a Terraform state of what is about to go.

    Locks of a run that died in this folder are taken away, as `up` and `down` do.
    """
    bucket = ground.state_bucket
    if not buckets.exists(aws, bucket, ground.account):
        return
    for one in objects.listed(aws, bucket, f"{ground.env}/" if ground.env else ""):
        state, suffix = one.key[: -len(_LOCK_SUFFIX)], one.key[-len(_LOCK_SUFFIX) :]
        env = state.partition("/")[0]
        if suffix != _LOCK_SUFFIX or env in ground.up():
            continue
        lock = buckets.read_lock(aws, bucket, state)
        if lock is None:
            continue
        run = runs.get(env)
        if run is None or not run.left_lock(lock.who, lock.created):
            raise BootstrapError(
                f"'{env}' is being worked on: {lock.who or 'somebody'} holds its state since {lock.created}. "
                "Nothing was removed.",
                hint=f"Wait until that run has ended. If it is dead for certain: bootstrap unlock --env {env}",
            )
        buckets.remove_lock(aws, bucket, lock)
        story.say(f"Removed the lock that the interrupted run had left on `{state}`.")


def _remove(aws: Aws | None, ground: _Ground, todo: Sequence[Thing], story: Story) -> list[str]:
    """Take things away, access first; returns in words what would not go."""
    problems = remove_in_aws(aws, todo, story) if aws is not None else []
    lost = {_process(one): one for one in local.lost_servers(ground.project)} if ground.target == "local" else {}
    for thing in todo:
        if thing.mark == "mark":
            local.stop_lost(ground.project, [lost[thing.arn]] if thing.arn in lost else [])
        elif thing.kind == MLFLOW and thing.env:
            local.stop_mlflow(ground.project, thing.env)
            shutil.rmtree(ground.project.env_folder(thing.env) / "mlflow", ignore_errors=True)
        elif thing.kind == EMULATOR:
            local.stop_emulator(ground.project)
    return problems


def remove_in_aws(aws: Aws, todo: Sequence[Thing], story: Story) -> list[str]:
    """Take away what a look has found in AWS, access first; returns in words what would not go. One keeps no other."""
    problems: list[str] = []

    def attempt(remove: Callable[[Thing], None], thing: Thing) -> None:
        try:
            remove(thing)
        except AwsFailed as error:
            if error_code(error.__cause__) not in _ABSENT:
                problems.append(" ".join(filter(None, (error.message, error.hint))))

    users = [thing for thing in todo if thing.kind == inventory.USER]
    if users:
        noun = counted(len(users), "user")
        with story.step(f"Ending the access of {noun}"), ThreadPoolExecutor(_SIDE_BY_SIDE) as pool:
            list(pool.map(partial(attempt, lambda one: people.delete_user(aws, _last(one))), users))
    # In the order of the scan, which is the one in which they have to go.
    for thing in (one for one in todo if one.kind in _REMOVERS):
        with story.step(f"Removing {thing.what}") as step:
            attempt(partial(_REMOVERS[thing.kind], aws, step), thing)
    return problems


def _last(thing: Thing) -> str:
    """Return the name at the end of an ARN with a path."""
    return thing.arn.rpartition("/")[2]


def _remove_bucket(aws: Aws, step: Step, thing: Thing) -> None:
    name = thing.arn.rpartition(":::")[2]
    here = in_region(aws, thing.region)
    # One that is ours by its name alone was empty. If it no more is, S3 refuses, and that is as it should be.
    if thing.mark == "tag":
        emptying.empty(here, name, progress=lambda gone: step.detail(counted(gone, "version")))
    buckets.delete(here, name)


def _remove_states(aws: Aws, _: Step, thing: Thing) -> None:
    name, _slash, prefix = thing.arn.rpartition(":::")[2].partition("/")
    emptying.empty(in_region(aws, thing.region), name, prefix)


def _remove_provider(aws: Aws, _: Step, thing: Thing) -> None:
    if users := identity_provider.roles_trusting(aws, thing.arn):
        raise AwsFailed(f"The identity provider {thing.arn} stays: {', '.join(users[:3])} would lose their way in.")
    identity_provider.delete(aws, thing.arn)


def _remove_part(aws: Aws, _: Step, thing: Thing) -> None:
    machines.remove(in_region(aws, thing.region), thing)


_REMOVERS: dict[str, Callable[[Aws, Step, Thing], None]] = {
    **dict.fromkeys(machines.ORDER, _remove_part),
    inventory.PROFILE: lambda aws, _, one: machines.delete_profile(aws, _last(one)),
    inventory.DEVICE: lambda aws, _, one: inventory.delete_device(aws, one.arn),
    inventory.ROLE: lambda aws, _, one: identity_provider.delete_role(aws, _last(one)),
    inventory.BUCKET: _remove_bucket,
    inventory.STATES: _remove_states,
    inventory.PROVIDER: _remove_provider,
}
