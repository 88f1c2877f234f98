"""`dataset push`: files of this machine become a new version of a dataset, whole or not at all."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path

from bootstrap.adapters import data_files
from bootstrap.adapters.aws import copying, objects, uploading
from bootstrap.adapters.aws.objects import Text
from bootstrap.adapters.files import locked
from bootstrap.core.counts import counted
from bootstrap.core.dataset import (
    Card,
    Claim,
    DataFile,
    card_key,
    changes,
    claim_key,
    digest_of,
    folder_key,
    name_of,
    page_key,
    parse_claim,
    path_problem,
    versions_among,
)
from bootstrap.core.manifest import size_text
from bootstrap.core.plan import Plan, Step
from bootstrap.errors import BootstrapError, Declined, UsageError
from bootstrap.workflows.copy_out import Meter, each
from bootstrap.workflows.dataset_desk import Desk, told
from bootstrap.workflows.history import chronicled
from bootstrap.workflows.story import Story

_LOCK_SECONDS = 5.0
_FOR_ALL = "Everybody in the environment gets what is pushed. If it is data, copy it to where it is only that."
_ANYWAY = "Everybody in the environment gets what is pushed: take it out of there. If it only looks so, add --anyway."
# How many files a plan names.
_NAMED = 8


@dataclass(frozen=True)
class Pushed:
    """What is there now: the card, the address of its files, and whether this run has changed anything."""

    card: Card
    where: str
    changed: bool


@dataclass(frozen=True)
class _Free:
    """The version that is to be filled, and what is written down about that already."""

    version: int
    claim: Text | None


def push(
    desk: Desk,
    source: Path,
    name: str | None,
    note: str,
    story: Story,
    confirm: Callable[[Plan], bool],
    *,
    anyway: bool = False,
) -> Pushed:
    """Make the file or folder `source` the newest version of a dataset; if it already is, change nothing.

    Goes on where an interrupted run of the same files stopped. `anyway`: also files that look as if they had a key or a
    password in them. Raises UsageError for what cannot be a dataset, Declined, BootstrapError if files change meanwhile
    or somebody else is at it, AwsFailed.
    """
    called = name_of(source.resolve().name if source.is_dir() else source.stem, name)
    with locked(desk.work / "dataset" / called, timeout=_LOCK_SECONDS):
        found = _find(source, story)
        files = _measured(found, story, anyway=anyway)
        inside = desk.inside(called)
        versions = versions_among(inside)
        newest = desk.card(called, versions[-1]) if versions else None
        if newest is not None and newest.digest == digest_of(files):
            _forget_claim(desk, called, newest.version, inside)
            return Pushed(newest, desk.address(folder_key(called, newest.version)), changed=False)
        who = desk.who()
        free = _free(desk, called, versions, inside, who, digest_of(files), story)
        card = Card(called, free.version, _now(), who, tuple(files), note)
        if not confirm(_plan(desk, card, newest)):
            raise Declined("Nothing was changed.")
        # A member's key does not reach the place of the history.
        with nullcontext() if desk.place is None else chronicled("dataset push", story) as chronicle:
            if chronicle is not None and desk.place is not None:
                chronicle.reached(desk.place)
                chronicle.acts(dataset=card.title, files=len(files))
            with told(desk.record):
                _fill(desk, card, found, free.claim, story)
        return Pushed(card, desk.address(folder_key(called, card.version)), changed=True)


def _now() -> str:
    return datetime.now(timezone.utc).isoformat(timespec="seconds")


def _find(source: Path, story: Story) -> dict[str, Path]:
    if not source.exists():
        raise UsageError(f"There is no file or folder {source}.", hint="Look where it is, and give its path.")
    if source.is_dir() and data_files.is_project(source):
        raise UsageError(
            f"{source.resolve()} is the folder of a project, with more in it than data.",
            hint="Name the folder or the file in it that everybody may have: bootstrap dataset push data/raw",
        )
    found = data_files.find(source)
    if found.left_out:
        some = ", ".join(found.left_out[:3]) + (" …" if len(found.left_out) > 3 else "")
        story.note(f"Left out, as hidden or a note of DVC's: {some}")
    if not found.files:
        raise UsageError(f"There is no file in {source}.", hint="Name a file, or a folder with files in it.")
    _refuse_private(source, found)
    _refuse_empty(source, found.files, story)
    if problem := path_problem(list(found.files)):
        raise UsageError(f"{source}: {problem}.", hint="Rename it, then run the same command again.")
    return found.files


def _refuse_private(source: Path, found: data_files.Found) -> None:
    """Raise UsageError for what is hardly meant for everybody in the environment."""
    if not source.is_dir() and source.name.startswith("."):
        raise UsageError(f"{source} is hidden, as settings and logins are.", hint=_FOR_ALL)
    for link in found.astray:
        raise UsageError(f"{link} is a link that leads out of the folder, to {link.resolve()}.", hint=_FOR_ALL)


def _refuse_empty(source: Path, files: dict[str, Path], story: Story) -> None:
    """Raise UsageError if there is nothing in any file; tell of single ones in which there is not."""
    empty = [path for path, file in files.items() if file.stat().st_size == 0]
    if len(empty) == len(files):
        what = "is empty (0 bytes)" if len(empty) == 1 else "has only empty files in it (0 bytes each)"
        raise UsageError(f"{source} {what}; nobody could use it.", hint="Look whether saving it went wrong.")
    if empty:
        some = ", ".join(empty[:3]) + (" …" if len(empty) > 3 else "")
        story.note(f"{counted(len(empty), 'file')} of 0 bytes among them: {some}")


def _measured(found: dict[str, Path], story: Story, *, anyway: bool) -> list[DataFile]:
    size = sum(path.stat().st_size for path in found.values())
    measured: list[DataFile] = []
    with story.step(f"Reading {counted(len(found), 'file')} ({size_text(size)})") as step:
        meter = Meter(step, len(found), size)

        def work(item: tuple[str, Path]) -> DataFile:
            path, file = item
            if not anyway and (what := data_files.secret_in(file)):
                raise UsageError(f"{file} has {what} in it.", hint=_ANYWAY)
            one = data_files.measure(file, path, meter.moved)
            meter.file()
            return one

        each(work, found.items(), measured.append, meter.stop)
    return sorted(measured, key=lambda one: one.path)


def _free(
    desk: Desk, name: str, versions: list[int], inside: Sequence[str], who: str, digest: str, story: Story
) -> _Free:
    """Return the first version behind the newest that nobody else is filling.

    What we began ourselves is gone on with, also with other files by now; what somebody else began only with the same.
    """
    version = versions[-1] + 1 if versions else 1
    while _basename(claim_key(name, version)) in inside:
        stored = desk.text(claim_key(name, version))
        claim = parse_claim(stored.text) if stored else None
        if claim is None or claim.by == who or claim.digest == digest:
            return _Free(version, stored)
        story.note(f"{claim.by} began v{version} on {claim.made[:10]} and has not finished it; this becomes the next.")
        version += 1
    return _Free(version, None)


def _basename(key: str) -> str:
    return key.rpartition("/")[2]


def _plan(desk: Desk, card: Card, newest: Card | None) -> Plan:
    where = desk.address(folder_key(card.name, card.version))
    what = f"the dataset {card.title}: {counted(len(card.files), 'file')}, {size_text(card.size)}, into {where}"
    if len(card.files) > 1:
        more = len(card.files) - _NAMED
        what += f" ({', '.join(one.path for one in card.files[:_NAMED])}{f' and {more:,} more' if more > 0 else ''})"
    if newest is not None:
        what += f" ({changes(newest, card.files) or 'the same files'}; v{newest.version} stays)"
    return Plan((Step("create", "aws", what),))


def _fill(desk: Desk, card: Card, found: dict[str, Path], claimed: Text | None, story: Story) -> None:
    """Upload what is not there yet, look at all of it, and write the card."""
    aws, bucket, folder = desk.aws, desk.bucket, folder_key(card.name, card.version)
    claim = claim_key(card.name, card.version)
    begun = objects.write_text(aws, bucket, claim, Claim(card.by, card.made, card.digest).to_json(), claimed)
    there = {one.key.removeprefix(folder): one.size for one in copying.listed(aws, bucket, [folder])}
    # Left by a run of ours that was interrupted, with other files.
    objects.delete_keys(aws, bucket, (folder + path for path in sorted(there.keys() - found.keys())))
    with story.step(f"Uploading {counted(len(card.files), 'file')} ({size_text(card.size)})") as step:
        meter = Meter(step, len(card.files), card.size)

        def work(one: DataFile) -> DataFile | None:
            key = folder + one.path
            arrived = there.get(one.path) == one.size and uploading.has(aws, bucket, key, one.size, one.sha256)
            if arrived:
                meter.moved(one.size)
            else:
                uploading.upload(aws, bucket, key, found[one.path], one.size, one.sha256, meter.moved)
                arrived = uploading.has(aws, bucket, key, one.size, one.sha256)
            meter.file()
            return None if arrived else one

        lost: list[DataFile | None] = []
        each(work, card.files, lost.append, meter.stop)
    if broken := next((one for one in lost if one is not None), None):
        raise BootstrapError(
            f"{desk.address(folder + broken.path)} is not what was sent there.",
            hint="Somebody else may be writing there. Run the same command again: it looks at each file.",
        )
    if (still := objects.read_text(aws, bucket, claim)) is None or still.etag != begun.etag:
        raise BootstrapError(
            f"Somebody else has begun to fill {card.title} meanwhile.", hint="Agree who does, then run it again."
        )
    page = page_key(card.name, card.version)
    objects.write_text(aws, bucket, page, card.to_markdown(), objects.read_text(aws, bucket, page))
    # From here on it is there for everybody, and all of it.
    objects.write_text(aws, bucket, card_key(card.name, card.version), card.to_json(), None)
    objects.delete_keys(aws, bucket, iter([claim]))


def _forget_claim(desk: Desk, name: str, version: int, inside: Sequence[str]) -> None:
    """Remove what a run left that ended between the card and its own last request."""
    key = claim_key(name, version)
    if desk.place is not None and _basename(key) in inside:
        objects.delete_keys(desk.aws, desk.bucket, iter([key]))
