"""`plan` and `up`: from a folder to an environment that has been tried out.

One value, `Prepared`, holds what will happen. `plan` shows it; `up` shows it, asks, and carries that same value out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import Literal

from bootstrap.adapters.aws import buckets, people
from bootstrap.adapters.aws.session import KeyPair
from bootstrap.adapters.emulator import require_local_extra
from bootstrap.adapters.mlflow import DEFAULT_EXPERIMENT, MlflowApi, MlflowServer, new_password
from bootstrap.adapters.process import Jobs
from bootstrap.core.names import CI_MEMBER, profile
from bootstrap.core.plan import Plan, Step, in_words, steps_from_terraform
from bootstrap.core.record import Record, Target
from bootstrap.core.stream import Stream
from bootstrap.errors import BootstrapError, Declined, NotSupportedYet
from bootstrap.workflows import laptop as laptops
from bootstrap.workflows import local, provision
from bootstrap.workflows.guard import guarded
from bootstrap.workflows.laptop import Laptop
from bootstrap.workflows.parallel import Side
from bootstrap.workflows.project import Project
from bootstrap.workflows.provision import Provisioner, Tools
from bootstrap.workflows.story import Story
from bootstrap.workflows.target import Place, open_place, require_same_target
from bootstrap.workflows.verify import Check, verify

Confirm = Callable[[Plan], bool]


@dataclass(frozen=True)
class Request:
    """What was asked for on the command line. `profile` is the operator's AWS profile."""

    env: str
    target: Target
    profile: str | None = None


_MlflowState = Literal["unwanted", "new", "stopped", "running"]
_PREVIEW = "preview"


@dataclass(frozen=True)
class _Look:
    """What was found before anything was started or made."""

    project: Project
    place: Place
    laptop: Laptop
    mlflow: _MlflowState
    has_state: bool


@dataclass(frozen=True)
class Prepared:
    """What an `up` would do, worked out to the last change and not begun."""

    plan: Plan
    record: Record
    place: Place
    laptop: Laptop
    provisioner: Provisioner
    streams: dict[str, Stream]
    key: KeyPair | None


@dataclass(frozen=True)
class Outcome:
    """What an `up` did. `changed` is False if there was nothing to do."""

    record: Record
    plan: Plan
    checks: list[Check]
    changed: bool


def preview(project: Project, request: Request, story: Story) -> Plan:
    """Work out what `up` would change, and change nothing.

    Raises any BootstrapError that `up` would meet before its first change.
    """
    tools, laptop = _before_anything(project, request, story)
    project.make_work()
    jobs = Jobs()
    with (
        guarded(project.env_folder(request.env), request.env, "plan", story) as run,
        Side(jobs, story) as side,
        _borrowed_place(project, request, story) as place,
    ):
        has_state = buckets.exists(place.aws, place.names.state_bucket, place.names.account)
        folder = "infra" if has_state else _PREVIEW
        try:
            provisioner = provision.prepare(project, place, tools, jobs, run, folder=folder)
            if has_state:
                provision.clear_stale_locks(place, run, story)
            look = _Look(project, place, laptop, _mlflow_state(project, place), has_state=has_state)
            return _prepare(look, provisioner, side, story).plan
        finally:
            if not has_state:
                provision.remove_working_copies(project, request.env, folder)


def up(project: Project, request: Request, story: Story, confirm: Confirm, *, sure: bool) -> Outcome:
    """Bring an environment up, or up to date; safe to run again after any interruption.

    `confirm` is asked with the plan unless there is nothing to do; `sure` says that the answer is yes anyway, so that
    slow things may begin early. Raises Declined on a no, and any other BootstrapError.
    """
    tools, laptop = _before_anything(project, request, story)
    project.make_work()
    jobs = Jobs()
    with guarded(project.env_folder(request.env), request.env, "up", story) as run, Side(jobs, story) as side:
        place = open_place(project, request.env, request.target, request.profile, story)
        made_state = _ensure_state(project, place, story)
        provision.clear_stale_locks(place, run, story)
        look = _Look(project, place, laptop, _mlflow_state(project, place), has_state=not made_state)
        if sure and look.mlflow != "unwanted":
            side.start(partial(_start_mlflow, project, place))
        provisioner = provision.prepare(project, place, tools, jobs, run)
        prepared = _prepare(look, provisioner, side, story)
        if prepared.plan.is_empty:
            checks = verify(place, prepared.record, _known(prepared.key), _api(prepared), story)
            project.save(prepared.record.completed())
            return Outcome(prepared.record.completed(), prepared.plan, checks, changed=False)
        with _undone_unless_confirmed(project, place, made_state):
            if not confirm(prepared.plan):
                raise Declined("Nothing was changed.")
        return _carry_out(project, prepared, side, story)


def _before_anything(project: Project, request: Request, story: Story) -> tuple[Tools, Laptop]:
    """Find all that can be known to fail before anything is touched, and say what this version leaves out."""
    env = project.spec.environment(request.env)
    require_same_target(project, request.env, request.target)
    if request.target == "aws":
        _refuse_unsupported(project, request.env, story)
    elif _wants_mlflow(project, request.env):
        require_local_extra("mlflow", "the MLflow server")
    if request.target == "local":
        require_local_extra("moto", "the AWS emulator")
    if project.spec.github.repository is not None:
        story.note(f"{project.spec.where('github', 'repository')}: writing to GitHub is not supported yet.")
    laptop = laptops.look_around(project)
    owner = f"{project.spec.project}/{env.name}"
    laptops.check(laptop, profile(project.spec.project, env.name), owner, env.name)
    if shadowing := laptops.shadowing(project.environ):
        story.note(
            f"{', '.join(shadowing)} in your shell wins over any AWS profile; `unset` it before you use "
            f"the profile {profile(project.spec.project, env.name)}."
        )
    return provision.find_tools(project, story), laptop


def _refuse_unsupported(project: Project, env: str, story: Story) -> None:
    table = project.spec.environment(env)
    if table.mlflow is not None and table.mlflow.kind != "none":
        where = project.spec.where("environments", env, "mlflow", "kind")
        raise NotSupportedYet(
            f'{where}: MLflow with kind = "{table.mlflow.kind}" is not supported yet on AWS.',
            hint='Write kind = "none" to bring up the rest, or rehearse with a real MLflow server: add --local.',
        )
    if table.mlflow is None:
        story.note("An MLflow server on AWS is not supported yet; everything else is brought up.")
    if table.budget_usd is not None:
        where = project.spec.where("environments", env, "budget_usd")
        story.note(f"{where}: a budget alarm is not supported yet.")


def _wants_mlflow(project: Project, env: str) -> bool:
    mlflow = project.spec.environment(env).mlflow
    return mlflow is None or mlflow.kind != "none"


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


@contextmanager
def _undone_unless_confirmed(project: Project, place: Place, made_state: bool) -> Iterator[None]:
    """Take back the little that planning needed, if the answer is no or does not come."""
    try:
        yield
    except BaseException:
        if made_state:
            buckets.empty(place.aws, place.names.state_bucket)
            buckets.delete(place.aws, place.names.state_bucket)
        if place.emulator and place.emulator.started:
            local.stop_emulator(project)
        raise


def _prepare(look: _Look, provisioner: Provisioner, side: Side, story: Story) -> Prepared:
    project, place, laptop = look.project, look.place, look.laptop
    record = _draft(project, place)
    key = laptops.read_key(laptop, record)
    with story.step("Working out what has to change"):
        works = side.start(partial(_key_works, place, key))
        mlflow = side.start(partial(_mlflow_steps, look, record))
        provision.adopt_existing(provisioner)
        local_state = provisioner.base.name == _PREVIEW
        streams = provision.plan_all(provisioner, side, local_state=local_state)
        key_works = side.result(works)
        steps = [] if look.has_state else [_state_step(record)]
        for name in provision.ROOTS:
            steps += steps_from_terraform(streams[name].changes, {"bucket": record.bucket})
        if not key_works:
            steps.append(Step("create", "aws", f"an access key for {CI_MEMBER}, straight into your AWS profile"))
        steps += side.result(mlflow) + laptops.steps(laptop, record, key_works)
    return Prepared(
        plan=Plan(tuple(steps)),
        record=record,
        place=place,
        laptop=laptop,
        provisioner=provisioner,
        streams=streams,
        key=key if key_works else None,
    )


def _draft(project: Project, place: Place) -> Record:
    """Return the record of the environment as it will be."""
    names = place.names
    before = project.record(names.env)
    url = username = None
    if place.emulator and _wants_mlflow(project, names.env):
        url, username = local.mlflow_url(project, names.env), CI_MEMBER
    draft = Record(
        project=names.project,
        env=names.env,
        target=place.kind,
        region=place.aws.region,
        account_id=names.account,
        endpoint_url=place.endpoint_url,
        bucket=names.bucket,
        state_bucket=names.state_bucket,
        aws_profile=names.profile,
        dvc_remote_url=names.dvc_url(),
        mlflow_tracking_uri=url,
        mlflow_username=username,
        operator_profile=place.aws.profile,
    )
    if before is None:
        return draft
    return replace(
        draft,
        dvc_repository=before.dvc_repository,
        dvc_default_before=before.dvc_default_before,
        dvc_autostage_before=before.dvc_autostage_before,
    )


def _state_step(record: Record) -> Step:
    return Step("create", "aws", f"the state bucket {record.state_bucket}: Terraform's memory, private and versioned")


def _key_works(place: Place, key: KeyPair | None) -> bool:
    return key is not None and people.key_works(place.aws.with_key(key), place.names.iam_user(CI_MEMBER))


def _mlflow_state(project: Project, place: Place) -> _MlflowState:
    if place.emulator is None or not _wants_mlflow(project, place.names.env):
        return "unwanted"
    server = local.mlflow_server(project, place.names.env)
    if not server.has_data:
        return "new"
    running = server.running()
    return "running" if running and running.instance == place.emulator.server.instance else "stopped"


def _mlflow_steps(look: _Look, record: Record) -> list[Step]:
    url = record.mlflow_tracking_uri
    if look.mlflow == "new":
        return [Step("create", "mlflow", f"an MLflow server at {url}, with a login for {CI_MEMBER}")]
    if look.mlflow == "stopped":
        return [Step("update", "mlflow", f"the MLflow server at {url}: started again")]
    server = local.mlflow_server(look.project, record.env)
    running = server.running() if look.mlflow == "running" else None
    if running is None:
        return []
    server.wait(running)
    password = laptops.read_password(look.laptop, record)
    if password and MlflowApi(running.url, CI_MEMBER, password).login_works():
        return []
    return [Step("update", "mlflow", f"a new password for {CI_MEMBER}")]


def _start_mlflow(project: Project, place: Place) -> MlflowServer:
    if place.emulator is None:
        raise AssertionError("only the local target runs an MLflow server here")
    local.ensure_mlflow(project, place.names.env, place.names.bucket, place.emulator)
    return local.mlflow_server(project, place.names.env)


def _carry_out(project: Project, prepared: Prepared, side: Side, story: Story) -> Outcome:
    record, place, laptop = prepared.record, prepared.place, prepared.laptop
    project.save(record)
    login = side.start(partial(_ensure_login, project, prepared)) if record.mlflow_tracking_uri else None
    remote = side.start(partial(laptops.write_remote, project, laptop, record, story))
    with story.step("Applying the plan") as step:
        applied = {name: side.start(partial(_apply, prepared, name, step.detail)) for name in provision.ROOTS}
        side.result(applied["members"])
        key = prepared.key or _mint(place, record, laptops.read_key(laptop, record))
        laptops.write_profile(laptop, record, key)
        side.result(applied["environment"])
    record = side.result(remote)
    project.save(record)
    password = None
    if login is not None:
        with story.step("Waiting for the MLflow server"):
            password = side.result(login)
    laptops.write_env(laptop, record, password)
    with story.step("Trying it out with the member's own key"):
        api = (
            MlflowApi(record.mlflow_tracking_uri, CI_MEMBER, password)
            if password and record.mlflow_tracking_uri
            else None
        )
        checks = verify(place, record, key, api, story)
    project.save(record.completed())
    return Outcome(record.completed(), prepared.plan, checks, changed=True)


def _apply(prepared: Prepared, name: str, progress: Callable[[str], None]) -> None:
    changes = prepared.streams[name].changes
    if changes:
        words = {change.address: in_words(change, {"bucket": prepared.record.bucket}) for change in changes}
        prepared.provisioner.apply(name, lambda address: progress(words.get(address, address)))


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


def _ensure_login(project: Project, prepared: Prepared) -> str:
    """Start the MLflow server if need be, and return the password of `ci` there, made anew unless the old one works."""
    server = _start_mlflow(project, prepared.place)
    running = server.running()
    if running is None:
        raise BootstrapError(f"The MLflow server ended at once; see {server.log}.", hint="Run the same command again.")
    server.wait(running)
    before = laptops.read_password(prepared.laptop, prepared.record)
    if before and MlflowApi(running.url, CI_MEMBER, before).login_works():
        password = before
    else:
        password = new_password()
        server.admin(running).ensure_user(CI_MEMBER, password)
    # Without it, a script that names no experiment would be refused.
    server.admin(running).ensure_experiment_permission(CI_MEMBER, DEFAULT_EXPERIMENT, "EDIT")
    return password


def _api(prepared: Prepared) -> MlflowApi | None:
    password = laptops.read_password(prepared.laptop, prepared.record)
    url = prepared.record.mlflow_tracking_uri
    return MlflowApi(url, CI_MEMBER, password) if url and password else None


def _known(key: KeyPair | None) -> KeyPair:
    if key is None:
        raise AssertionError("a plan without a step for the key means that there is one")
    return key
