"""`plan` and `up`: from a folder to an environment that has been tried out.

One value, `Prepared`, holds what will happen. `plan` shows it; `up` shows it, asks, and carries that same value out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial

from bootstrap.adapters.aws import buckets, people
from bootstrap.adapters.aws.session import KeyPair, warm_up
from bootstrap.adapters.emulator import require_local_extra
from bootstrap.adapters.files import read_text
from bootstrap.adapters.process import Jobs
from bootstrap.core.last_day import is_past
from bootstrap.core.membership import Membership
from bootstrap.core.mlflow_kind import hub_wanted, kind_wanted, require_usable
from bootstrap.core.names import CI_MEMBER, profile
from bootstrap.core.plan import Plan, in_words
from bootstrap.core.record import Record, Target
from bootstrap.core.roster import parse_roster
from bootstrap.errors import BootstrapError, ConfigError, Declined, GitHubFailed, TerraformFailed
from bootstrap.workflows import github, local, provision
from bootstrap.workflows import laptop as laptops
from bootstrap.workflows.clock import today
from bootstrap.workflows.down_ledger import forget_ledger
from bootstrap.workflows.github_entry import begin_to_look, enter_github, spare_provider
from bootstrap.workflows.guard import guarded
from bootstrap.workflows.history import chronicled
from bootstrap.workflows.laptop import Laptop
from bootstrap.workflows.mlflow_kinds import server_wanted
from bootstrap.workflows.mlflow_server import outlived_on_laptop
from bootstrap.workflows.operator import heed_operator
from bootstrap.workflows.parallel import Side
from bootstrap.workflows.pin import pin_account
from bootstrap.workflows.prepare import Found, Prepared, draft, login, prepare
from bootstrap.workflows.project import Project
from bootstrap.workflows.provision import Provisioner, Tools
from bootstrap.workflows.registry import open_registry
from bootstrap.workflows.story import Silent, Story
from bootstrap.workflows.story import Step as StoryStep
from bootstrap.workflows.target import Place, open_place, require_same
from bootstrap.workflows.verify import Check, verified, verify, verify_access, verify_login

Confirm = Callable[[Plan], bool]


@dataclass(frozen=True)
class Request:
    """What was asked for on the command line. `profile` is the operator's AWS profile."""

    env: str
    target: Target
    profile: str | None = None


_PREVIEW = "preview"


@dataclass(frozen=True)
class Outcome:
    """What an `up` did. `changed` is False if there was nothing to do; `unfinished` says why GitHub is not done.

    `finish` is then the command that does it.
    """

    record: Record
    plan: Plan
    checks: list[Check]
    changed: bool
    unfinished: GitHubFailed | None = None
    finish: str = ""


def preview(project: Project, request: Request, story: Story) -> Plan:
    """Work out what `up` would change, and change nothing.

    Raises any BootstrapError that `up` would meet before its first change.
    """
    tools = _before_anything(project, request, story)
    project.make_work()
    jobs = Jobs()
    with (
        guarded(project.env_folder(request.env), request.env, "plan", story) as run,
        _tidied(project, request.env),
        Side(jobs, story) as side,
        _borrowed_place(project, request, story) as place,
    ):
        looking = begin_to_look(project, request.env, request.target, side)
        laptop = _look_again(project)
        heed_operator(project, place, story)
        has_state = buckets.exists(place.aws, place.names.state_bucket, place.names.account)
        folder = "infra" if has_state else _PREVIEW
        try:
            membership = open_registry(project, place, story).membership if has_state else Membership()
            entry = enter_github(project, place, side.result(looking) if looking else None, story)
            if entry.problem is not None:
                story.note(f"Nothing can be said of GitHub: {entry.problem.message}")
            provisioner = provision.prepare(
                project, place, tools, jobs, run, membership=membership, trust=entry.trust, folder=folder
            )
            if has_state:
                provision.clear_stale_locks(place, run, story)
            provision.adopt_existing(provisioner, project.spec, membership, entry.adopted, story)
            mlflow = server_wanted(project, place, laptop)
            before = project.record(request.env)
            found = Found(
                *(project, place, laptop, mlflow), has_state=has_state, settled=False, site=entry.site, before=before
            )
            pending = provision.plan_all(provisioner, side, local_state=not has_state)
            return prepare(found, pending, side, story).plan
        finally:
            if not has_state:
                provision.remove_working_copies(project, request.env, folder)


def up(project: Project, request: Request, story: Story, confirm: Confirm, *, sure: bool) -> Outcome:
    """Bring an environment up, or up to date; safe to run again after any interruption.

    `confirm` is asked with the plan unless there is nothing to do; `sure` says that the answer is yes anyway, so that
    nothing has to wait for it. Raises Declined on a no, and any other BootstrapError.
    """
    tools = _before_anything(project, request, story)
    project.make_work()
    jobs = Jobs()
    with (
        guarded(project.env_folder(request.env), request.env, "up", story) as run,
        chronicled("up", story, run) as chronicle,
        _tidied(project, request.env),
        Side(jobs, story) as side,
    ):
        forget_ledger(project.env_folder(request.env))
        if request.target == "local":
            local.meet_lost(project, story, sure=sure)
        side.start(warm_up)
        looking = begin_to_look(project, request.env, request.target, side)
        laptop = _look_again(project)
        place = open_place(project, request.env, request.target, request.profile, story)
        heed_operator(project, place, story)
        chronicle.reached(place)
        mlflow = server_wanted(project, place, laptop)
        settled = run.interrupted_since is None and _is_settled(project, place)
        made_state = not settled and _ensure_state(project, place, story)
        if sure:
            side.start(mlflow.begin)
        membership = Membership() if made_state else open_registry(project, place, story).membership
        _tell_of_roster(project, membership, request.env, story)
        entry = enter_github(project, place, side.result(looking) if looking else None, story)
        settled = settled and not entry.is_new
        before = project.record(request.env)
        found = Found(
            *(project, place, laptop, mlflow), has_state=not made_state, settled=settled, site=entry.site, before=before
        )
        provisioner = provision.prepare(project, place, tools, jobs, run, membership=membership, trust=entry.trust)
        if not settled:
            provision.clear_stale_locks(place, run, story)
            provision.adopt_existing(provisioner, project.spec, membership, entry.adopted, story)
            if entry.trust is None and not made_state:
                spare_provider(provisioner, place, project)
            if sure:
                chronicle.acts(target=request.target)
                project.save(draft(project, place, mlflow))
        elif entry.adopted:
            # A plan that was answered with no may have taken the provider out of the state.
            provisioner.root("environment").write_adoptions(entry.adopted)
        # Where most likely nothing changes, a plan by itself is the shorter way to find that out.
        at_once = sure and not settled
        with _careful_next_time(project, request.env):
            pending = (
                provision.apply_all_at_once(provisioner, side, membership)
                if at_once
                else provision.plan_all(provisioner, side)
            )
            prepared = prepare(found, pending, side, story)
            if prepared.plan.is_empty:
                chronicle.did_nothing()
                outcome = _leave_as_is(project, provisioner, prepared, side, story)
                return replace(outcome, unfinished=entry.problem, finish=_again(request))
            if sure:
                confirm(prepared.plan)
            else:
                _ask(project, prepared, confirm, made_state=made_state)
                if request.target == "local":
                    local.meet_lost(project, story, sure=True)
            chronicle.acts(target=request.target, changes=prepared.plan.summary())
            outcome = _carry_out(project, provisioner, prepared, side, story)
        if prepared.site is None:
            chronicle.unfinished(entry.problem)
            return replace(outcome, unfinished=entry.problem, finish=_again(request))
        problem = _write_to_github(project, prepared, outcome.record, story)
        chronicle.unfinished(problem)
        return replace(outcome, unfinished=problem, finish=f"bootstrap github sync --env {request.env}")


def _again(request: Request) -> str:
    """Return the command of this very run: what could not even be looked at may need more than GitHub."""
    return f"bootstrap up --env {request.env}{' --local' if request.target == 'local' else ''}"


def _write_to_github(project: Project, prepared: Prepared, record: Record, story: Story) -> GitHubFailed | None:
    """Write what was planned for GitHub; returns what stopped it. It comes last: all else stands without it."""
    site = prepared.site
    if site is None:
        return None
    laptop = laptops.look_around(project)
    key, password = laptops.read_key(laptop, record), laptops.read_password(laptop, record)
    want = github.wanted(project, prepared.place, record, site, key, password)
    try:
        with story.step(f"Writing to {site.repository.name} on GitHub") as step:
            github.sync(site, want, replace_foreign=False, progress=step.detail)
            github.end_replaced_key(site, prepared.place, key)
    except GitHubFailed as error:
        return error
    return None


def _leave_as_is(project: Project, provisioner: Provisioner, prepared: Prepared, side: Side, story: Story) -> Outcome:
    key = prepared.key
    if key is None:
        raise AssertionError("a plan without a step for the key means that there is one")
    api = login(prepared.laptop, prepared.record)
    checks = prepared.checks or verify(prepared.place, prepared.record, key, api, story)
    side.results(*(provision.finish(provisioner, side, *one) for one in prepared.pending.items()))
    project.save(prepared.record.completed())
    pin_account(project, prepared.record, story)
    return Outcome(prepared.record.completed(), prepared.plan, checks, changed=False)


def _ask(project: Project, prepared: Prepared, confirm: Confirm, *, made_state: bool) -> None:
    """Ask; if the answer is no or does not come, take back the little that planning needed, and raise."""
    place = prepared.place
    try:
        if not confirm(prepared.plan):
            raise Declined("Nothing was changed.")
    except BaseException:
        if made_state:
            provision.remove_state(place)
        if place.emulator and place.emulator.started:
            local.stop_emulator(project)
        raise


def _look_again(project: Project) -> Laptop:
    """Look at this machine once more: the run that we may have waited for has changed it."""
    project.make_work()
    return laptops.look_around(project)


def _is_settled(project: Project, place: Place) -> bool:
    record = project.record(place.names.env)
    instance = place.emulator.server.instance if place.emulator else None
    return record is not None and record.complete and record.emulator_instance == instance


@contextmanager
def _careful_next_time(project: Project, env: str) -> Iterator[None]:
    """After a failure, let the next run look at everything again instead of trusting the record."""
    try:
        yield
    except TerraformFailed:
        if record := project.record(env):
            project.save(replace(record, complete=False))
        raise


def _before_anything(project: Project, request: Request, story: Story) -> Tools:
    """Find all that can be known to fail before anything is touched, and say what this version leaves out."""
    env = project.spec.environment(request.env)
    require_same(project, request.env, request.target)
    if request.target == "aws":
        require_usable(project.spec, request.env, "aws")
    elif kind_wanted(project.spec, request.env, request.target) == "laptop":
        require_local_extra("mlflow", "the MLflow server")
    if request.target == "local":
        require_local_extra("moto", "the AWS emulator")
    if is_past(env.expires, today()):
        where = project.spec.where("environments", env.name, "expires")
        story.note(f"{where}: '{env.name}' expired on {env.expires.isoformat()} (UTC).")
    if github.is_wanted(project) and github.is_rehearsal(project, request.target):
        story.note("GitHub is left alone: its workflows could not reach this laptop.")
    laptop = laptops.look_around(project)
    owner = f"{project.spec.project}/{env.name}"
    laptops.check(laptop, profile(project.spec.project, env.name), owner, env.name)
    if request.target == "aws":
        laptops.check_hub(project, laptop, hub_wanted(project.spec, env.name))
    if shadowing := laptops.shadowing(project.environ):
        story.note(
            f"Your shell sets {', '.join(shadowing)}, and that wins over any AWS profile. `unset` before you use "
            f"the profile {profile(project.spec.project, env.name)}."
        )
    return provision.find_tools(project, story)


def _tell_of_roster(project: Project, membership: Membership, env: str, story: Story) -> None:
    """Say how the people of the roster get in, if some of them are not: `up` itself brings in nobody."""
    roster = project.spec.roster
    text = read_text(project.folder / roster)
    if text is None:
        return
    try:
        missing = {person.name for person in parse_roster(text, roster).people} - set(membership.members)
    except ConfigError as error:
        story.note(f"The roster has to be mended before anybody of it can come in:\n{error.message}")
        return
    if missing:
        story.note(
            f"{len(missing)} of {roster} are not in '{env}' yet; to invite them: "
            f"bootstrap onboard --roster {roster} --env {env}"
        )


@contextmanager
def _tidied(project: Project, env: str) -> Iterator[None]:
    """Leave nothing behind of an environment that was only looked at; while it is held, or another run might begin."""
    try:
        yield
    finally:
        project.tidy(env)


@contextmanager
def _borrowed_place(project: Project, request: Request, story: Story) -> Iterator[Place]:
    """Open the target for a look; an emulator that had to be started for it is stopped again."""
    place = open_place(project, request.env, request.target, request.profile, story)
    try:
        yield place
    finally:
        if place.emulator and place.emulator.started:
            local.stop_emulator(project)


def _ensure_state(project: Project, place: Place, story: Story) -> bool:
    """Make the state bucket if it is missing. Returns whether it was."""
    names = place.names
    if buckets.exists(place.aws, names.state_bucket, names.account):
        return False
    record = project.record(names.env)
    if record is not None and record.complete and place.emulator:
        story.note(
            "The emulator was restarted since the last `up` and has lost what it held in memory, the files in "
            f"{record.bucket} included. Rebuilding the environment."
        )
    buckets.create_state_bucket(place.aws, names.state_bucket, provision.tags(names, project.spec))
    return True


def _carry_out(project: Project, provisioner: Provisioner, prepared: Prepared, side: Side, story: Story) -> Outcome:
    record, place, laptop = prepared.record, prepared.place, prepared.laptop
    project.save(record)
    mlflow = prepared.mlflow
    before = laptops.read_password(laptop, record)
    early = None if mlflow.waits_for_terraform else side.start(partial(mlflow.admit, record, before, story, Silent()))
    remote = side.start(partial(laptops.write_remote, project, laptop, record, story, mlflow.given_password))
    with story.step("Applying the plan") as step:
        applied = {}
        for name, pending in prepared.pending.items():
            words = {c.address: in_words(c, {"bucket": record.bucket}) for c in prepared.streams[name].changes}
            pending.progress = partial(_tell, step, words)
            applied[name] = provision.finish(provisioner, side, name, pending)
        side.result(applied["members"])
        key = prepared.key or _mint(place, record, laptops.read_key(laptop, record))
        laptops.write_profile(laptop, record, key)
        side.result(applied["environment"])
    tried = side.start(partial(verify_access, place, record, key, story))
    record = side.result(remote)
    if early is None:
        record = mlflow.located(record, provisioner.outputs("environment"))
    project.save(record)
    password = None
    if record.mlflow_tracking_uri is not None:
        with story.step("Waiting for the MLflow server") as step:
            password = side.result(early) if early else mlflow.admit(record, before, story, step)
    if outlived_on_laptop(project, record):
        local.stop_mlflow(project, record.env)
    laptops.write_env(laptop, record, password)
    with story.step("Trying it out with the member's own key and login"):
        checks = verified([*side.result(tried), *verify_login(login(laptop, record))])
    project.save(record.completed())
    pin_account(project, record, story)
    return Outcome(record.completed(), prepared.plan, checks, changed=True)


def _tell(step: StoryStep, words: dict[str, str], address: str) -> None:
    step.detail(words.get(address, address))


def _mint(place: Place, record: Record, dead: KeyPair | None) -> KeyPair:
    """Create the key of `ci`; IAM allows two, so one that is dead or was never used makes room if need be."""
    user = place.names.iam_user(CI_MEMBER)
    keys = people.keys_of(place.aws, user)
    if len(keys) >= people.KEYS_PER_USER:
        spare = next((k for k in keys if (dead and k.id == dead.id) or not k.active or k.last_used is None), None)
        if spare is None:
            ids = " and ".join(key.id for key in keys)
            raise BootstrapError(
                f"{user} has two access keys, both in use ({ids}), and neither is in the profile {record.aws_profile}.",
                hint="Bring the profile over from where it was made, or delete the key that nobody uses: "
                f"aws iam delete-access-key --user-name {user} --access-key-id …",
            )
        people.delete_key(place.aws, user, spare.id)
    return people.mint_key(place.aws, user)
