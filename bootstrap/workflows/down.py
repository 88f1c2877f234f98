"""`down`: the road back. Takes away all that `up` made, from any state, and looks whether it is gone."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from bootstrap.adapters.aws import buckets, emptying, inventory, machines, people
from bootstrap.adapters.process import Jobs
from bootstrap.core.counts import counted
from bootstrap.core.inventory import Scan, Thing
from bootstrap.core.membership import Membership
from bootstrap.core.prices import Estimate, monthly_storage, on_this_laptop
from bootstrap.core.receipt import Archive, Receipt, Unfinished, receipt_id
from bootstrap.core.record import Record
from bootstrap.core.s3_address import S3Address
from bootstrap.errors import AwsFailed, BootstrapError, Declined, GitHubFailed
from bootstrap.workflows import handover, local, mlflow_machine, provision, receipts
from bootstrap.workflows import laptop as laptops
from bootstrap.workflows.archive import make_archive, open_archive, require_usable
from bootstrap.workflows.archive_store import ArchiveStore
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
from bootstrap.workflows.github_entry import remove_provider
from bootstrap.workflows.guard import guarded
from bootstrap.workflows.history import Chronicle, chronicled
from bootstrap.workflows.history import read as read_history
from bootstrap.workflows.laptop import Laptop
from bootstrap.workflows.lost import found_elsewhere
from bootstrap.workflows.mlflow_machine import OnMachine
from bootstrap.workflows.parallel import Side
from bootstrap.workflows.pin import unpin_account
from bootstrap.workflows.project import Project
from bootstrap.workflows.provision import Provisioner
from bootstrap.workflows.receipts import Kept
from bootstrap.workflows.story import Story
from bootstrap.workflows.sweep import remove_in_aws
from bootstrap.workflows.target import Place, reach

Confirm = Callable[[Preview], bool]

_SIDE_BY_SIDE = 8


@dataclass(frozen=True)
class Request:
    """What was asked for. `profile` is the operator's AWS profile; `archive` where copies go, with `versions` of
    all versions, `without_runs` without MLflow's database. `unprotect`: the environment goes even if it is protected.
    `keep_data`: its bucket stays. `elsewhere`: somebody has named it, so it may be one that this folder knows nothing
    of.
    """

    env: str
    profile: str | None = None
    unprotect: bool = False
    keep_data: bool = False
    archive: Path | S3Address | None = None
    versions: bool = False
    without_runs: bool = False
    elsewhere: bool = False


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
    """One `down` under way. `place` and `provisioner` are None where the emulator is gone with all it held.

    `store` is what the archive goes to, if there is to be one and a place to archive.
    """

    project: Project
    request: Request
    record: Record
    place: Place | None
    provisioner: Provisioner | None
    store: ArchiveStore | None
    going: Going
    side: Side
    story: Story
    chronicle: Chronicle
    ledger: Ledger


def down(project: Project, request: Request, story: Story, confirm: Confirm) -> Gone:
    """Take an environment down. Raises Declined on a no, BootstrapError if it is protected or was never up here.

    Before anything is deleted the archive is complete, if there is to be one. What is left afterwards, or could not be
    looked for, stands in the receipt, and the environment stays on record then, so that the same command goes on.
    """
    env = request.env
    known = project.record(env)
    record = known or _lost_record(project, request, story)
    project = project.as_recorded(record)
    require_unprotected(project, request)
    receipts.check_ready()
    if request.archive is not None:
        require_usable(project, record, request.archive)
    project.make_work()
    jobs = Jobs()
    with (
        guarded(project.env_folder(env), env, "down", story) as run,
        chronicled("down", story, run) as chronicle,
        Side(jobs, story) as side,
    ):
        # The run that we may have waited for has changed both.
        if known is not None and project.record(env) is None:
            project.tidy(env)
            project.require_record(env)
        record = project.record(env) or record
        laptop = laptops.look_around(project)
        place = reach(project, record, request.profile, story)
        _refuse_locked_out(project, record, place)
        store = None
        if place is not None and request.archive is not None:
            store = open_archive(project, record, place, request.archive, story)
        hub = begin_to_look_at_github(project, record, side)
        provisioner = None
        if place is not None:
            tools = provision.find_tools(project, story)
            provisioner = provision.prepare(project, place, tools, jobs, run, membership=Membership())
            provision.clear_stale_locks(place, run, story)
        elif request.keep_data:
            raise BootstrapError(
                "There is nothing to keep: the emulator is gone with all it held. Nothing was removed.",
                hint=f"Without --keep-data: bootstrap down --env {env}",
            )
        else:
            story.note("The emulator is not running, so nothing of it is left; removing what is on this machine.")
        try:
            going = look(project, record, place, provisioner, hub, side, story, keep_data=request.keep_data)
            if not confirm(going.preview):
                raise Declined("Nothing was removed.")
        except BaseException:
            if provisioner is not None:
                provision.discard_plans(provisioner)
            project.tidy(env)
            raise
        ledger = open_ledger(project.env_folder(env))
        work = _Work(project, request, record, place, provisioner, store, going, side, story, chronicle, ledger)
        gone = _take_away(work, laptop)
        if _is_over(gone, going):
            _forget(project, env)
            if not request.keep_data:
                unpin_account(project, record, story)
        project.tidy(env)
    return gone


def require_unprotected(project: Project, request: Request) -> None:
    """Raise BootstrapError if the environment is protected, and nobody said that it goes all the same."""
    if project.spec.environment(request.env).protected and not request.unprotect:
        where = project.spec.where("environments", request.env, "protected")
        raise BootstrapError(
            f"'{request.env}' is protected.",
            hint=f"Set protected = false at {where}, or add --unprotect for this once.",
        )


def _lost_record(project: Project, request: Request, story: Story) -> Record:
    """Return what can be found of an environment that this folder knows nothing of.

    Raises BootstrapError if there is nothing, or if nobody has named it.
    """
    found = found_elsewhere(project, request.env, request.profile, story)
    if found is None:
        return project.require_record(request.env)
    where = "in this folder's emulator" if found.target == "local" else f"in AWS account {found.account_id}"
    told = f"'{request.env}' was not brought up from this folder, or its record was lost. It is {where}, {found.region}"
    if not request.elsewhere:
        raise BootstrapError(
            f"{told}; for what is not known here a --yes is not enough.",
            hint=f"If it is yours to take down: bootstrap down --env {request.env} --confirm {request.env}",
        )
    story.note(f"{told}.")
    return found


def _refuse_locked_out(project: Project, record: Record, place: Place | None) -> None:
    if place is None and record.target == "local" and local.emulator_runs(project):
        raise BootstrapError(
            "The emulator runs, but the key to it is lost, so nobody can look what is in it.",
            hint="`bootstrap local stop` ends it with all that it holds. Then run the same command again.",
        )


def _is_over(gone: Gone, going: Going) -> bool:
    """Tell whether there is nothing left to do for the same command."""
    receipt = gone.kept.receipt
    return not receipt.left and receipt.could_look and (gone.unfinished is None or going.on_github.is_another)


def _forget(project: Project, env: str) -> None:
    """Remove all that is remembered of an environment; the record last, so that a kill leaves it for the next."""
    folder = project.env_folder(env)
    record = folder / "record.json"
    for path in folder.iterdir():
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        elif path != record and path.name not in ("run.json", "run.lock"):
            path.unlink(missing_ok=True)
    record.unlink(missing_ok=True)
    shutil.rmtree(folder, ignore_errors=True)


def _take_away(work: _Work, laptop: Laptop) -> Gone:
    """Carry out what was shown, access first; returns what came of it."""
    record, place = work.record, work.place
    _put_aside(work)
    unfinished = _clear_github(work)
    if place is not None and work.provisioner is not None:
        _destroy(work, place, work.provisioner)
    _clean_laptop(work, laptop)
    scan, is_alone = _look_again(work, place) if place is not None else (None, True)
    is_empty = is_last_local(work.project, record) and is_alone and not work.request.keep_data
    if is_empty and local.stop_emulator(work.project):
        work.ledger.enter("laptop", "server", ["the AWS emulator"])
    return Gone(record, receipts.keep(_receipt(work, scan, unfinished)), unfinished)


def _put_aside(work: _Work) -> None:
    """Copy everything first, if somebody wishes it; end every access before the last look at what there is to copy."""
    request, settle = work.request, partial(_settle, work)
    if request.archive is None:
        settle()
        return
    if work.place is None or work.store is None:
        if "archive" in work.ledger.facts:
            settle()
            return
        raise BootstrapError(
            "There is nothing to archive: the emulator is gone with all it held. Nothing was removed.",
            hint=f"Without --archive: bootstrap down --env {request.env}",
        )
    made = make_archive(
        *(work.project, work.record, work.place, work.store, request.versions, work.story, settle),
        runs=not request.without_runs,
    )
    work.ledger.learn(archive=asdict(Archive(made.where, made.files, made.bytes, made.manifest_sha256)))


def _settle(work: _Work) -> None:
    """End every access to the environment: from here on nothing of it changes any more but by us."""
    place, held, record = work.place, work.going.held, work.record
    work.ledger.begin()
    # From here on it is known here, and not whole any more, should this be killed.
    work.project.save(replace(record, complete=False))
    work.ledger.learn(cost=asdict(work.going.preview.cost))
    if held is not None:
        work.ledger.learn(objects=held.objects, versions=held.versions + held.markers, bytes=held.bytes)
    if place is not None:
        work.chronicle.reached(place)
    work.chronicle.acts(keep_data=work.request.keep_data, archive=work.request.archive is not None)
    if place is None:
        local.stop_mlflow(work.project, record.env)
        return
    found = work.going.scan.things if work.going.scan else ()
    work.ledger.expect(thing for thing in found if thing.env in (None, record.env))
    work.ledger.learn(by=place.aws.caller().arn, history=_history(work, place))
    users = people.users_on_path(place.aws, place.names.iam_path)

    def close(user: str) -> None:
        # Whatever else hangs on a user, put there by hand, would stop Terraform from deleting it.
        people.strip_user(place.aws, user, lambda key: work.ledger.enter("aws", "access key", [key]))

    with work.story.step("Closing every access") as step, ThreadPoolExecutor(_SIDE_BY_SIDE) as pool:
        for count, _ in enumerate(pool.map(close, users), start=1):
            step.detail(f"{count} of {len(users)}")
        if record.mlflow == "ec2":
            mlflow_machine.end_accounts(OnMachine(work.project, place), record, work.story)
    local.stop_mlflow(work.project, record.env)
    if place.emulator is not None:
        local.remove_artifact_user(record.env, place.emulator, record.region)


def _history(work: _Work, place: Place) -> list[dict[str, Any]]:
    """Return who did what, for the receipt; nobody's environment stays up because that cannot be read."""
    try:
        told = read_history(place, work.record.env, work.story)
    except AwsFailed as error:
        work.story.note(f"The environment's history is not in the receipt: {error.message}")
        told = ({"time": now(), "command": "history", "result": f"could not be read: {error.message}"},)
    return [*told, *work.chronicle.killed]


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
    aws, names, story, going = place.aws, place.names, work.story, work.going
    roots, keep_data = going.roots, work.request.keep_data
    _stop_machines(work, place)
    if keep_data and going.has_storage:
        provisioner.forget("environment", STORAGE)
        streams = plan_to_destroy(work.project, provisioner, place, work.side)
        roots = tuple(name for name, stream in streams.items() if stream.changes)
    elif going.bucket_goes and buckets.exists(aws, names.bucket, names.account):
        held = going.held
        total = held.versions + held.markers if held else 0
        with story.step(f"Emptying {names.bucket}") as step:
            emptying.empty(aws, names.bucket, progress=lambda gone: step.detail(f"{gone:,} of {total:,} versions"))
    if roots:
        with story.step("Removing what Terraform made") as step:
            work.side.results(*(work.side.start(partial(provisioner.apply, name, step.detail)) for name in roots))
        if "environment" in roots and mlflow_machine.leaving(work.record):
            work.ledger.enter("mlflow", "server", [mlflow_machine.in_words(work.record)])
    with story.step("Looking for leftovers"):
        # What a kill left outside of any state, or somebody put there by hand.
        found = look_through(work.project, place, names.env).things
        states = inventory.STATES
        todo = [one for one in found if one.removable and one.kind != states and not _stays(work, one)]
        for problem in remove_in_aws(aws, todo, story):
            story.note(problem)
        if kept := remove_provider(place, work.project, work.record):
            story.note(kept)
        work.chronicle.close()  # it is in the receipt by now, and goes with the states
        provision.remove_state(place)


def _stop_machines(work: _Work, place: Place) -> None:
    """Stop what still writes into the bucket. Terraform would stop it anyway, but after the bucket is empty."""
    found = work.going.scan.things if work.going.scan else ()
    ours = (machines.INSTANCE, work.record.env, True)
    for thing in (one for one in found if (one.kind, one.env, one.removable) == ours):
        with work.story.step("Stopping MLflow's machine"):
            machines.stop(place.aws, thing)


def _stays(work: _Work, thing: Thing) -> bool:
    """Tell whether somebody wished that a thing stays: the bucket, whatever the partition of its ARN."""
    bucket = thing.kind == inventory.BUCKET and thing.arn.endswith(f":::{work.record.bucket}")
    return work.request.keep_data and bucket


def _look_again(work: _Work, place: Place) -> tuple[Scan, bool]:
    """Look through the account for what is left, and write down what is not there any more.

    With the project's last environment, its state bucket has gone as well: then nothing that belongs to the whole
    project may be left. Returns that, and whether there is nothing of other environments, which this one's receipt has
    no word on.
    """
    aws, names = place.aws, place.names
    is_last = not buckets.exists(aws, names.state_bucket, names.account)
    others: tuple[Thing, ...] = ()
    with work.story.step("Looking through the account") as step:
        scan = look_through(work.project, place, names.env)
        if is_last:
            whole = look_through(work.project, place)
            others = tuple(thing for thing in whole.things if thing.env not in (None, names.env))
            shared = tuple(thing for thing in whole.things if thing.env is None)
            looked = dict.fromkeys((*scan.looked, *whole.looked))
            scan = Scan((*scan.things, *shared), tuple(looked), tuple(dict.fromkeys((*scan.blind, *whole.blind))))
        step.detail(counted(len(scan.looked), "place"))
    if others:
        envs = ", ".join(sorted({str(thing.env) for thing in others}))
        work.story.note(f"There is something of other environments of this project: {envs}. To see it: bootstrap sweep")
    there = {thing.arn for thing in scan.things}
    looked_at = {spot.kind for spot in scan.looked} - {one.place.kind for one in scan.blind}
    for arn, thing in work.ledger.things.items():
        # Where nobody could look, nothing is known to be gone.
        if arn not in there and thing.kind in looked_at and (thing.env is not None or is_last):
            work.ledger.enter("aws", thing.kind, [arn])
    return scan, is_last and not others


def _clean_laptop(work: _Work, laptop: Laptop) -> None:
    project, env = work.project, work.record.env
    gone = laptops.take_out(project, laptop, work.record).gone
    if count := handover.remove_invites(project, env):
        gone.append(counted(count, "invite"))
    work.ledger.enter("laptop", "setting", gone)
    server = local.mlflow_server(project, env)
    if server.has_data:
        shutil.rmtree(server.folder, ignore_errors=True)
        if not server.folder.exists():
            work.ledger.enter("mlflow", "server", ["the MLflow server with its runs and accounts"])
    if work.record.mlflow == "dagshub":
        work.story.note(f"What was logged at {work.record.mlflow_tracking_uri} stays there.")


def _receipt(work: _Work, scan: Scan | None, unfinished: GitHubFailed | None) -> Receipt:
    record, facts, ended = work.record, work.ledger.facts, now()
    kept = tuple(thing for thing in scan.things if _stays(work, thing)) if scan else ()
    command = "github remove" if work.going.on_github.is_another else "down"
    again = f"bootstrap {command} --env {record.env}"
    receipt = Receipt(
        id=receipt_id(record.project, record.env, ended),
        project=record.project,
        env=record.env,
        target=record.target,
        account_id=record.account_id,
        region=record.region,
        command="down",
        by=facts.get("by"),
        began=work.ledger.began,
        ended=ended,
        removed=tuple(work.ledger.removed),
        objects=facts.get("objects"),
        versions=facts.get("versions"),
        bytes=facts.get("bytes"),
        scan=scan,
        cost_before=Estimate(**facts["cost"]),
        cost_now=on_this_laptop(),
        archive=Archive(**facts["archive"]) if "archive" in facts else None,
        kept=kept,
        unfinished=(Unfinished(unfinished.message, finish(again, unfinished.hint)),) if unfinished else (),
        history=tuple(facts.get("history", ())),
    )
    return replace(receipt, cost_now=_cost_now(work, receipt))


def _cost_now(work: _Work, receipt: Receipt) -> Estimate:
    if receipt.target == "local":
        return on_this_laptop()
    if receipt.left or not receipt.could_look:
        return Estimate(None, "Something is left, or could not be looked for.")
    held = work.going.held
    return monthly_storage(held.bytes if held and receipt.kept else 0, receipt.region)
