"""Works out what an `up` would do, to the last change: in Terraform's roots, at MLflow and on this machine."""

from __future__ import annotations

from concurrent.futures import Future
from dataclasses import dataclass, replace
from functools import partial

from bootstrap.adapters.aws import people
from bootstrap.adapters.aws.session import KeyPair
from bootstrap.core.cost import in_plan
from bootstrap.core.names import CI_MEMBER
from bootstrap.core.plan import Plan, Step, steps_from_terraform
from bootstrap.core.record import Record
from bootstrap.core.stream import Stream
from bootstrap.errors import BootstrapError
from bootstrap.workflows import github, provision
from bootstrap.workflows import laptop as laptops
from bootstrap.workflows.github import Site
from bootstrap.workflows.laptop import Laptop
from bootstrap.workflows.mlflow_kinds import login_of
from bootstrap.workflows.mlflow_machine import leaving
from bootstrap.workflows.mlflow_server import TO_COME, Server, outlived_on_laptop
from bootstrap.workflows.parallel import Side
from bootstrap.workflows.project import Project
from bootstrap.workflows.provision import Pending
from bootstrap.workflows.story import Story
from bootstrap.workflows.target import Place
from bootstrap.workflows.verify import Check, Login, verify


@dataclass(frozen=True)
class Found:
    """What was there before anything was started or made.

    `settled`: the last run ended well on this very AWS, so what it made need not be looked for one by one. `site` is
    the environment's place on GitHub, None if nothing is written there. `before` is the record of the last time.
    """

    project: Project
    place: Place
    laptop: Laptop
    mlflow: Server
    has_state: bool
    settled: bool
    site: Site | None = None
    before: Record | None = None


@dataclass(frozen=True)
class Prepared:
    """What an `up` does. `checks` are those of an environment that needs no change, tried while that was found out."""

    plan: Plan
    record: Record
    place: Place
    laptop: Laptop
    pending: dict[str, Pending]
    streams: dict[str, Stream]
    key: KeyPair | None
    checks: list[Check] | None
    site: Site | None
    mlflow: Server


def prepare(found: Found, pending: dict[str, Pending], side: Side, story: Story) -> Prepared:
    """Wait for the plans in `pending`, look at everything else meanwhile, and put it all into one value."""
    place, laptop = found.place, found.laptop
    record = draft(found.project, place, found.mlflow)
    if found.site is not None:
        record = replace(record, github=found.site.facts)
    key = laptops.read_key(laptop, record)
    early: Future[list[Check] | None] | None = None
    with story.step("Working out what has to change"):
        works = side.start(partial(_key_works, place, key))
        mlflow = side.start(partial(found.mlflow.steps, record, laptops.read_password(laptop, record)))
        if found.settled and key is not None:
            early = side.start(partial(_try_out_early, found, record, key, story))
        streams = provision.planned(pending, side)
        key_works = side.result(works)
        steps = [] if found.has_state else [_state_step(record)]
        for name in provision.ROOTS:
            steps += steps_from_terraform(streams[name].changes, {"bucket": record.bucket})
        if not key_works:
            steps.append(Step("create", "aws", f"an access key for {CI_MEMBER}, straight into your AWS profile"))
        if provision.leaves_out_budget(found.project.spec, place):
            story.note("A budget is left out: this AWS is an emulator, which cannot hold one.")
        at_mlflow = side.result(mlflow)
        if found.before is not None and record.mlflow != "ec2":
            steps += leaving(found.before)
        if outlived_on_laptop(found.project, record):
            what = "the MLflow server on this laptop stops; its runs stay where they are until `down`"
            steps.append(Step("delete", "mlflow", what))
        # What is known once there is a machine is written here and on GitHub all the same.
        coming = found.mlflow.waits_for_terraform and record.mlflow_tracking_uri is None
        full = replace(record, mlflow_tracking_uri=TO_COME, mlflow_username=CI_MEMBER) if coming else record
        steps += at_mlflow + laptops.steps(laptop, full, key_works, found.mlflow.given_password)
        if found.site is not None:
            if note := github.scope_note(found.site):
                story.note(note)
            # Whatever is done at MLflow, it may end in a new password.
            password = None if at_mlflow else found.mlflow.given_password or laptops.read_password(laptop, record)
            want = github.wanted(found.project, place, full, found.site, key if key_works else None, password)
            steps += github.steps(found.site, want)
        checks = side.result(early) if early is not None and not steps else None
    return Prepared(
        plan=Plan(
            tuple(steps),
            cost=in_plan(found.project.spec.environment(record.env), record.env, record.region, record.target),
        ),
        record=record,
        place=place,
        laptop=laptop,
        pending=pending,
        streams=streams,
        key=key if key_works else None,
        checks=checks,
        site=found.site,
        mlflow=found.mlflow,
    )


def draft(project: Project, place: Place, mlflow: Server) -> Record:
    """Return the record of the environment as it will be."""
    names = place.names
    new = Record(
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
        operator_profile=place.aws.profile,
        emulator_instance=place.emulator.server.instance if place.emulator else None,
    )
    new = mlflow.drafted(new)
    before = project.record(names.env)
    if before is None:
        return new
    return replace(
        new,
        dvc_repository=before.dvc_repository,
        dvc_default_before=before.dvc_default_before,
        dvc_autostage_before=before.dvc_autostage_before,
        github=before.github,
        dagshub_remote=before.dagshub_remote,
    )


def login(laptop: Laptop, record: Record) -> Login | None:
    """Return MLflow as who has the password in our `.env` block; None without a server or a password."""
    return login_of(record, laptops.read_password(laptop, record))


def _state_step(record: Record) -> Step:
    return Step("create", "aws", f"the state bucket {record.state_bucket}: Terraform's memory, private and versioned")


def _key_works(place: Place, key: KeyPair | None) -> bool:
    return key is not None and people.key_works(place.aws.with_key(key), place.names.iam_user(CI_MEMBER))


def _try_out_early(found: Found, record: Record, key: KeyPair, story: Story) -> list[Check] | None:
    """Verify what seems to need no change, while Terraform makes sure. None if it does not work: then it needs some."""
    try:
        if not _key_works(found.place, key):
            return None
        return verify(found.place, record, key, login(found.laptop, record), story)
    except BootstrapError:
        return None
