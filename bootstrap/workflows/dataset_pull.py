"""`dataset pull` and `dataset list`: what there is, and a version of it brought into a folder, every byte compared."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from bootstrap.adapters import data_files
from bootstrap.adapters.aws import copying
from bootstrap.adapters.files import locked
from bootstrap.core.counts import counted
from bootstrap.core.dataset import Card, DataFile, choose, folder_key
from bootstrap.core.manifest import Source, size_text
from bootstrap.errors import BootstrapError, UsageError
from bootstrap.workflows.copy_out import Meter, each
from bootstrap.workflows.dataset_desk import Desk, told
from bootstrap.workflows.story import Story

_LOCK_SECONDS = 5.0
# Beside files of this size nobody notices that they are read once more.
_ROOM_BESIDE = 16 * 1024**2


@dataclass(frozen=True)
class Listed:
    """A version of a dataset, and whether it is the newest one."""

    card: Card
    newest: bool


@dataclass(frozen=True)
class Pulled:
    """A version as it is in `folder` now, and the paths of the files that this run has written there."""

    card: Card
    folder: Path
    written: tuple[str, ...]


def datasets(desk: Desk, *, every_version: bool = False) -> list[Listed]:
    """Return the newest version of each dataset, or every version, newest first. Raises BootstrapError, AwsFailed."""
    found = desk.all_versions(desk.names())
    wanted = [(name, one) for name, all_of in found for one in (reversed(all_of) if every_version else all_of[-1:])]
    newest = {(name, all_of[-1]) for name, all_of in found}
    return [Listed(card, (card.name, card.version) in newest) for card in desk.cards(wanted)]


def pull(
    desk: Desk, name: str | None, version: int | None, folder: Path, story: Story, *, overwrite: bool = False
) -> Pulled:
    """Bring a version (by default the newest) of a dataset (by default the only one) into a folder.

    Nothing there changes before every file has arrived and was compared with its SHA-256. A file that somebody has
    changed here is only replaced with `overwrite`. Raises UsageError, BootstrapError, AwsFailed.
    """
    names = desk.names()
    # One that is only being made is no dataset yet; then the others are what there is.
    there = dict(desk.all_versions([name])) if name in names and name is not None else {}
    there = there or dict(desk.all_versions(names))
    called = choose(name, list(there), desk.record.env)
    card = desk.card(called, _chosen(called, version, there[called]))
    if folder.exists() and not folder.is_dir():
        raise UsageError(f"{folder} is not a folder.", hint="Name another one: --to DIR")
    with locked(folder, timeout=_LOCK_SECONDS):
        here = _digests(folder, card, story)
        todo = [one for one in card.files if here.get(one.path) != one.sha256]
        if not overwrite:
            older = [desk.card(called, one) for one in there[called] if one != card.version] if here else []
            _require_unchanged(folder, here, todo, older)
        staging = folder / f".{called}-v{card.version}.part"
        _fetch(desk, card, todo, staging, story)
        for one in todo:
            _bring_in(staging / one.path, folder / one.path)
        shutil.rmtree(staging, ignore_errors=True)
    return Pulled(card, folder, tuple(one.path for one in todo))


def _chosen(name: str, version: int | None, there: list[int]) -> int:
    if version in (None, *there):
        return version or there[-1]
    here = ", ".join(f"v{one}" for one in there)
    raise BootstrapError(f"There is no v{version} of '{name}'.", hint=f"There is: {here}.")


def _digests(folder: Path, card: Card, story: Story) -> dict[str, str]:
    """Return the SHA-256 of each file of the dataset that is in the folder already, path → digest."""
    places = {one.path: folder / one.path for one in card.files}
    if odd := next((place for place in places.values() if _is_in_the_way(place, folder)), None):
        raise BootstrapError(
            f"{odd} has to be a file for this dataset, and is something else.",
            hint="Move it away, or name another folder: --to DIR",
        )
    present = [(path, place) for path, place in places.items() if place.is_file()]
    if not present:
        return {}
    found: dict[str, str] = {}
    size = sum(place.stat().st_size for _, place in present)
    with story.step(f"Looking at {counted(len(present), 'file')} in {folder} ({size_text(size)})") as step:
        meter = Meter(step, len(present), size)

        def work(item: tuple[str, Path]) -> tuple[str, str]:
            path, place = item
            digest = data_files.digest_of(place, meter.moved)[1]
            meter.file()
            return path, digest

        each(work, present, lambda one: found.update([one]), meter.stop)
    return found


def _is_in_the_way(place: Path, folder: Path) -> bool:
    between = [above for above in place.parents if folder in above.parents]
    return (place.exists() and not place.is_file()) or any(above.exists() and not above.is_dir() for above in between)


def _require_unchanged(folder: Path, here: dict[str, str], todo: Iterable[DataFile], older: Iterable[Card]) -> None:
    """Raise BootstrapError if a file that would be replaced is not as some version of the dataset has it."""
    known = {(one.path, one.sha256) for card in older for one in card.files}
    changed = [one.path for one in todo if one.path in here and (one.path, here[one.path]) not in known]
    if changed:
        more = f" and {len(changed) - 1:,} more are" if len(changed) > 1 else " is"
        raise BootstrapError(
            f"{folder / changed[0]}{more} not as any version of this dataset has it: somebody changed it here, or it "
            "is another file. Nothing was overwritten.",
            hint="Move it away, name another folder with --to DIR, or replace it with --overwrite.",
        )


def _fetch(desk: Desk, card: Card, todo: list[DataFile], staging: Path, story: Story) -> None:
    """Bring files into a folder beside their places; what an interrupted run has brought there is not fetched again."""
    if not todo:
        return
    size = sum(one.size for one in todo)
    try:
        staging.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise BootstrapError(
            f"No files can be put into {staging.parent}: {error.strerror}.", hint="Name another folder: --to DIR"
        ) from error
    if (free := shutil.disk_usage(staging).free) < size + _ROOM_BESIDE:
        raise BootstrapError(
            f"{staging.parent} needs {size_text(size)} more, and the disk has {size_text(free)} left.",
            hint="Make room, or name a folder on another disk: --to DIR",
        )
    prefix = folder_key(card.name, card.version)
    with told(desk.record):
        listed = {one.key.removeprefix(prefix): one for one in copying.listed(desk.aws, desk.bucket, [prefix])}
    with story.step(f"Fetching {counted(len(todo), 'file')} of {card.title} ({size_text(size)})") as step:
        meter = Meter(step, len(todo), size)

        def work(one: DataFile) -> None:
            target = staging / one.path
            if target.is_file() and data_files.digest_of(target, lambda _: meter.moved(0)) == (one.size, one.sha256):
                meter.moved(one.size)
            else:
                target.parent.mkdir(parents=True, exist_ok=True)
                _fetch_one(desk, card, one, listed.get(one.path), target, meter)
            meter.file()

        each(work, todo, lambda _: None, meter.stop)


def _fetch_one(desk: Desk, card: Card, one: DataFile, source: Source | None, target: Path, meter: Meter) -> None:
    part = target.with_name(f"{target.name}.part")
    try:
        with told(desk.record):
            got = copying.fetch(desk.aws, desk.bucket, source, part, meter.moved) if source is not None else None
        if got is None or got.sha256 != one.sha256:
            raise BootstrapError(
                f"{desk.address(folder_key(card.name, card.version) + one.path)} is not what the card of {card.title} "
                "says: it was changed or removed after it was pushed.",
                hint="Tell your instructor: pushing the dataset again makes a new version.",
            )
        part.replace(target)
    finally:
        with suppress(OSError):
            part.unlink(missing_ok=True)


def _bring_in(part: Path, place: Path) -> None:
    place.parent.mkdir(parents=True, exist_ok=True)
    part.replace(place)
