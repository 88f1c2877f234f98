"""`down`: the road back. Takes away all that `up` made, from any state, and looks whether it is gone."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from bootstrap.adapters.aws import buckets, emptying, people
from bootstrap.adapters.process import Jobs
from bootstrap.core.counts import counted
from bootstrap.core.inventory import Scan, Thing
from bootstrap.core.membership import Membership
from bootstrap.core.prices import monthly_storage, on_this_laptop
from bootstrap.core.receipt import Archive, Receipt, Unfinished, receipt_id
from bootstrap.core.record import Record
from bootstrap.errors import AwsFailed, BootstrapError, Declined, GitHubFailed
from bootstrap.workflows import handover, local, provision, receipts
from bootstrap.workflows import laptop as laptops
from bootstrap.workflows.archive import make_archive
from bootstrap.workflows.down_ledger import Ledger, now, open_ledger
from bootstrap.workflows.down_preview import (
    STORAGE,
    Going,
    Preview,
    begin_to_look_at_github,
    is_last_local,
    look,
    look_through,
    plan_to_destroy,
)
from bootstrap.workflows.github_desk import finish
from bootstrap.workflows.github_entry import remove_provider, remove_roles
from bootstrap.workflows.guard import guarded
from bootstrap.workflows.history import Chronicle, chronicled, find_place
from bootstrap.workflows.history import read as read_history
from bootstrap.workflows.laptop import Laptop
from bootstrap.workflows.parallel import Side
from bootstrap.workflows.prepare import draft
from bootstrap.workflows.project import Project
from bootstrap.workflows.provision import Provisioner
from bootstrap.workflows.receipts import Kept
from bootstrap.workflows.story import Story
from bootstrap.workflows.target import Place, reach

Confirm = Callable[[Preview], bool]

_SIDE_BY_SIDE = 8


@dataclass(frozen=True)
class Request:
    """What was asked for. `profile` is the operator's AWS profile; `archive` a folder for copies, with `versions` of
    all versions. `unprotect`: the environment goes even if it is protected. `keep_data`: its bucket stays.
    """

    env: str
    profile: str | None = None
    unprotect: bool = False
    keep_data: bool = False
    archive: Path | None = None
    versions: bool = False


@dataclass(frozen=True)
class Gone:
    """What a `down` did: its receipt, and where that lies.

    `unfinished` says why what is on GitHub may still be there.
    """

    record: Record
    kept: Kept
    unfinished: GitHubFailed | None = None

    @property
    def left(self) -> tuple[Thing, ...]:
        """What is still there all the same."""
        return self.kept.receipt.left


@dataclass(frozen=True)
class _Work:
    """One `down` under way. `place` and `provisioner` are None where the emulator is gone with all it held."""

    project: Project
    request: Request
    record: Record
    place: Place | None
    provisioner: Provisioner | None
    going: Going
    side: Side
    story: Story
    chronicle: Chronicle
    ledger: Ledger


def down(project: Project, request: Request, story: Story, confirm: Confirm) -> Gone:
    """Take an environment down. Raises Declined on a no, BootstrapError if it is protected or was never up here.

    Before anything is deleted the archive is complete, if there is to be one. What is left afterwards stands in the
    receipt, and the environment stays on record then, so that the same command goes on.
    """
    env = request.env
    record = _record_of(project, request, story)
    is_lost = project.record(env) is None
    project = project.as_recorded(record)
    _refuse_protected(project, request)
    receipts.check_ready()
    jobs = Jobs()
    with (
        guarded(project.env_folder(env), env, "down", story) as run,
        chronicled("down", story, run) as chronicle,
        Side(jobs, story) as side,
    ):
        # The run that we may have waited for has changed both.
        if project.record(env) is None and not is_lost:
            project.tidy(env)
        record = record if is_lost else project.require_record(env)
        laptop = laptops.look_around(project)
        place = reach(project, record, request.profile, story)
        hub = begin_to_look_at_github(project, record, side)
        provisioner = None
        if place is not None:
            tools = provision.find_tools(project, story)
            provisioner = provision.prepare(project, place, tools, jobs, run, membership=Membership())
            provision.clear_stale_locks(place, run, story)
        else:
            story.note("The emulator is not running, so nothing of it is left; removing what is on this machine.")
        going = look(project, record, place, provisioner, hub, side, story, keep_data=request.keep_data)
        if not confirm(going.preview):
            raise Declined("Nothing was removed.")
        # From here on it is known here, should this be killed.
        project.save(replace(record, complete=False))
        if place is not None:
            chronicle.reached(place)
        chronicle.acts(keep_data=request.keep_data, archive=request.archive is not None)
        ledger = open_ledger(project.env_folder(env))
        work = _Work(project, request, record, place, provisioner, going, side, story, chronicle, ledger)
        gone = _take_away(work, laptop)
        if not gone.left:
            shutil.rmtree(project.env_folder(env), ignore_errors=True)
        project.tidy(env)
    return gone


def _record_of(project: Project, request: Request, story: Story) -> Record:
    """Return what is known of an environment; if that was lost, or is on another machine, what can be found of it.

    Raises BootstrapError if there is nothing to take down.
    """
    env = request.env
    if project.record(env) is None and not any(one.env == env for one in project.joined()):
        with suppress(AwsFailed):
            place = find_place(project, env, request.profile, story)
            if place is not None and look_through(project, place, env).things:
                story.note(f"'{env}' was not brought up from this folder, or its record was lost. It was found in AWS.")
                return draft(project, place)
    return project.require_record(env)


def _refuse_protected(project: Project, request: Request) -> None:
    if project.spec.environment(request.env).protected and not request.unprotect:
        where = project.spec.where("environments", request.env, "protected")
        raise BootstrapError(
            f"'{request.env}' is protected.",
            hint=f"Set protected = false at {where}, or add --unprotect for this once.",
        )


def _take_away(work: _Work, laptop: Laptop) -> Gone:
    """Carry out what was shown, access first; returns what came of it."""
    record, place, scan = work.record, work.place, work.going.scan
    archive = _put_aside(work)
    work.ledger.expect(_ours(work, scan))
    history: tuple[dict[str, Any], ...] = ()
    by = None
    if place is not None:
        by = place.aws.caller().arn
        history = _history(work, place)
        _close_access(work, place)
    unfinished = _clear_github(work)
    local.stop_mlflow(work.project, record.env)
    if place is not None and work.provisioner is not None:
        _destroy(work, place, work.provisioner)
    _clean_laptop(work, laptop)
    scan = _look_again(work, place) if place is not None else None
    if is_last_local(work.project, record) and not work.request.keep_data and local.stop_emulator(work.project):
        work.ledger.enter("laptop", "server", ["the AWS emulator"])
    receipt = _receipt(work, by, scan, archive, history, unfinished)
    return Gone(record, receipts.keep(receipt), unfinished)


def _ours(work: _Work, scan: Scan | None) -> tuple[Thing, ...]:
    """Return what a look through the account found of this environment, and of the project as a whole."""
    found = scan.things if scan else ()
    return tuple(thing for thing in found if thing.env in (None, work.record.env))


def _history(work: _Work, place: Place) -> tuple[dict[str, Any], ...]:
    """Return who did what, for the receipt; nobody's environment stays up because that cannot be read."""
    try:
        told = read_history(place, work.record.env, work.story)
    except AwsFailed as error:
        work.story.note(f"The environment's history is not in the receipt: {error.message}")
        told = ()
    return (*told, *work.chronicle.killed)


def _put_aside(work: _Work) -> Archive | None:
    request = work.request
    if request.archive is None:
        return None
    if work.place is None:
        raise BootstrapError(
            "There is nothing to archive: the emulator is gone with all it held. Nothing was removed.",
            hint=f"Without --archive: bootstrap down --env {request.env}",
        )
    made = make_archive(work.project, work.record, work.place, request.archive, request.versions, work.story)
    return Archive(str(made.folder), made.files, made.bytes, made.manifest_sha256)


def _close_access(work: _Work, place: Place) -> None:
    """End every access to the environment: from here on nothing of it changes any more but by us."""
    aws = place.aws
    users = people.users_on_path(aws, place.names.iam_path)
    with work.story.step("Closing every access") as step, ThreadPoolExecutor(_SIDE_BY_SIDE) as pool:
        # Whatever else hangs on a user, put there by hand, would stop Terraform from deleting it.
        for count, keys in enumerate(pool.map(partial(people.strip_user, aws), users), start=1):
            work.ledger.enter("aws", "access key", keys)
            step.detail(f"{count} of {len(users)}")


def _clear_github(work: _Work) -> GitHubFailed | None:
    """Remove what is on GitHub; returns what stopped it. All else goes on without."""
    found = work.going.on_github
    if found.ours:
        try:
            with work.story.step("Removing what is on GitHub"):
                work.ledger.enter("github", "setting", found.remove())
        except GitHubFailed as error:
            return error
    return found.problem


def _destroy(work: _Work, place: Place, provisioner: Provisioner) -> None:
    """Take away what is in AWS: the files, what Terraform made, and what it does not know of."""
    aws, names, story, record = place.aws, place.names, work.story, work.record
    roots = work.going.roots
    if work.request.keep_data:
        provisioner.forget("environment", STORAGE)
        streams = plan_to_destroy(work.project, provisioner, place, work.side)
        roots = tuple(name for name, stream in streams.items() if stream.changes)
    elif buckets.exists(aws, record.bucket, names.account):
        held = work.going.held
        total = held.versions + held.markers if held else 0
        with story.step(f"Emptying {record.bucket}") as step:
            emptying.empty(aws, record.bucket, progress=lambda gone: step.detail(f"{gone:,} of {total:,} versions"))
    if roots:
        with story.step("Removing what Terraform made") as step:
            work.side.results(*(work.side.start(partial(provisioner.apply, name, step.detail)) for name in roots))
    with story.step("Looking for leftovers"):
        # What a kill left outside of any state. The path and the name are this environment's alone.
        for user in people.users_on_path(aws, names.iam_path):
            people.delete_user(aws, user)
        if not work.request.keep_data and buckets.exists(aws, record.bucket, names.account):
            emptying.empty(aws, record.bucket)
            buckets.delete(aws, record.bucket)
        remove_roles(place, work.project, record)
        if kept := remove_provider(place, work.project, record):
            story.note(kept)
        work.chronicle.close()  # it is in the receipt by now, and goes with the states
        provision.remove_state(place)


def _look_again(work: _Work, place: Place) -> Scan:
    """Look through the account for what is left, and write down what is not there any more.

    With the project's last environment, its state bucket has gone as well: then nothing of the project may be left.
    """
    aws, names = place.aws, place.names
    is_last = not buckets.exists(aws, names.state_bucket, names.account)
    with work.story.step("Looking through the account") as step:
        scan = look_through(work.project, place, None if is_last else names.env)
        step.detail(counted(len(scan.looked), "place"))
    there = {thing.arn for thing in scan.things}
    looked = {spot.kind for spot in scan.looked}
    for arn, thing in work.ledger.things.items():
        # Where nobody could look, nothing is known to be gone.
        if arn not in there and thing.kind in looked and (thing.env is not None or is_last):
            work.ledger.enter("aws", thing.kind, [arn])
    return scan


def _clean_laptop(work: _Work, laptop: Laptop) -> None:
    project, env = work.project, work.record.env
    gone = laptops.take_out(project, laptop, work.record)
    if count := handover.remove_invites(project, env):
        gone.append(counted(count, "invite"))
    work.ledger.enter("laptop", "setting", gone)
    if local.mlflow_server(project, env).has_data:
        # The folder itself goes with the environment's own.
        work.ledger.enter("mlflow", "server", ["the MLflow server with its runs and accounts"])


def _receipt(
    work: _Work,
    by: str | None,
    scan: Scan | None,
    archive: Archive | None,
    history: tuple[dict[str, Any], ...],
    unfinished: GitHubFailed | None,
) -> Receipt:
    record, held, ended = work.record, work.going.held, now()
    kept = _kept(work, scan)
    size = held.bytes if held and kept else 0
    again = f"bootstrap github remove --env {record.env}"
    return Receipt(
        id=receipt_id(record.project, record.env, ended),
        project=record.project,
        env=record.env,
        target=record.target,
        account_id=record.account_id,
        region=record.region,
        command="down",
        by=by,
        began=work.ledger.began,
        ended=ended,
        removed=tuple(work.ledger.removed),
        objects=held.objects if held else None,
        versions=held.versions + held.markers if held else None,
        bytes=held.bytes if held else None,
        scan=scan,
        cost_before=work.going.preview.cost,
        cost_now=on_this_laptop() if record.target == "local" else monthly_storage(size, record.region),
        archive=archive,
        kept=kept,
        unfinished=(Unfinished(unfinished.message, finish(again, unfinished.hint)),) if unfinished else (),
        history=history,
    )


def _kept(work: _Work, scan: Scan | None) -> tuple[Thing, ...]:
    if not work.request.keep_data or scan is None:
        return ()
    bucket = f"arn:aws:s3:::{work.record.bucket}"
    return tuple(thing for thing in scan.things if thing.arn == bucket)
