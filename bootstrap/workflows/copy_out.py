"""Fills a folder, or a prefix in S3, with what is in a bucket, until both are the same and every file was compared.

An archive and a member's export are made this way.
"""

from __future__ import annotations

import heapq
import shlex
import tempfile
import threading
import time
from collections.abc import Callable, Iterable
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field, replace
from datetime import datetime, timezone
from pathlib import Path
from typing import TypeVar

from bootstrap.adapters.archive_folder import ArchiveFolder
from bootstrap.adapters.aws.copying import Fetched
from bootstrap.adapters.git import Git
from bootstrap.core.counts import counted
from bootstrap.core.manifest import Entry, Manifest, Origin, Source, place, size_text
from bootstrap.errors import BootstrapError, UsageError
from bootstrap.workflows.archive_store import ArchiveStore, Moved, Readable
from bootstrap.workflows.mlflow_database import Database
from bootstrap.workflows.project import Project
from bootstrap.workflows.story import Step, Story

T = TypeVar("T")
R = TypeVar("R")

Fetch = Callable[[Source, Path, Moved], "Fetched | None"]

_DATABASE = "mlflow/mlflow.db"
_SIDE_BY_SIDE = 8
# Somebody who writes all the time is not waited for.
_ROUNDS = 5
_WAKE_SECONDS = 0.2
# What the manifest and the small files beside it need, generously.
_ROOM_BESIDE = 64 * 1024 * 1024


@dataclass(frozen=True)
class Archived:
    """A finished archive: its folder or address, how many files and bytes are in it, the SHA-256 of its manifest."""

    where: str
    files: int
    bytes: int
    manifest_sha256: str


@dataclass(frozen=True)
class Cargo:
    """What goes into an archive: objects, texts of ours, and the database of MLflow if there is one.

    `texts` gets the moment it is made (ISO 8601, UTC) and returns path → text. `database` says where the runs are.
    """

    origin: Origin
    listing: Callable[[], list[Source]]
    fetch: Fetch
    texts: Callable[[str], dict[str, str]]
    database: Database | None = None


def require_elsewhere(project: Project, destination: Path) -> None:
    """Raise UsageError for a folder that goes with the project's own things."""
    folder = destination.resolve()
    if project.work.resolve() in (folder, *folder.parents):
        raise UsageError(
            f"{destination} is inside {project.work}, which goes when nothing of this project is up any more.",
            hint="Name a folder somewhere else.",
        )


def fill(
    project: Project, store: ArchiveStore, cargo: Cargo, story: Story, settle: Callable[[], None] = lambda: None
) -> Archived:
    """Fill an archive and finish it. One that is finished already and lacks nothing is only read again.

    `settle` is called once everything is copied and verified, and ends all that may still be written; what was
    written until then is copied as well. Raises UsageError for a place with something else in it, BootstrapError if
    anything cannot be copied or does not verify.
    """
    if store.folder is not None:
        require_elsewhere(project, store.folder)
    with store.at_work():
        if (finished := store.manifest()) is not None:
            again = _read_again(store, *finished, cargo, story)
            _settle(cargo, settle)
            _require_no_news(store, finished[0], cargo)
            return again
        store.begin(cargo.origin)
        beside = []
        if store.folder is not None:
            git = Git(store.folder, project.environ)
            if git.top() is not None and not git.ignores(store.folder):
                # Nobody means to commit other people's files.
                beside.append(store.put(".gitignore", "*\n"))
        runs: list[Entry] = []

        def listing() -> list[Source]:
            # Before the list, so that whatever these runs have put into the bucket is in the list.
            if cargo.database is not None:
                with story.step("Copying the runs of MLflow"):
                    cargo.database.copy(store.part(_DATABASE))
                    runs[:] = [store.put_part(_DATABASE)]
            return cargo.listing()

        so_far = SoFar(store.arrived())
        # People may write all the time, until `settle` ends that.
        copy_out(store, listing, cargo.fetch, story, so_far, to_rest=False)
        _settle(cargo, settle)
        copied = copy_out(store, listing, cargo.fetch, story, so_far)
        made = datetime.now(timezone.utc).isoformat(timespec="seconds")
        beside += [store.put(path, text) for path, text in sorted(cargo.texts(made).items())]
        beside += runs
        if broken := _read_back(store, beside, story):
            raise store.unreadable(counted(len(broken), "file"), broken[0])
        manifest = Manifest(cargo.origin, made, (*copied.files, *beside), copied.folders)
        return Archived(store.where, len(manifest.files), manifest.size, store.finish(manifest))


def _settle(cargo: Cargo, settle: Callable[[], None]) -> None:
    settle()
    if cargo.database is not None:
        # From now on nobody writes any more.
        cargo.database.discard()


def _read_again(store: ArchiveStore, finished: Manifest, digest: str, cargo: Cargo, story: Story) -> Archived:
    """Return an archive that was finished by an earlier run, if it still holds all that is there now, and is sound."""
    elsewhere = _elsewhere(store)
    if finished.origin not in (cargo.origin, replace(cargo.origin, versions=True)):
        raise UsageError(f"{store.where} holds a finished {finished.origin}.", hint=elsewhere)
    _require_no_news(store, finished, cargo)
    title = f"Reading the archive in {store.where} again"
    if broken := unsound(store.is_sound, list(finished.files), story, title):
        raise BootstrapError(
            f"{counted(len(broken), 'file')} in {store.where} are not what they were, for instance {broken[0]}.",
            hint=elsewhere,
        )
    store.tidy()
    return Archived(store.where, len(finished.files), finished.size, digest)


def _elsewhere(store: Readable) -> str:
    return f"Name another {store.noun}. To look at this one: bootstrap restore-check {shlex.quote(store.where)}"


def _require_no_news(store: ArchiveStore, finished: Manifest, cargo: Cargo) -> None:
    news = _news(cargo.listing(), finished)
    if not news and cargo.database is not None and _has_new_runs(cargo.database, finished):
        news = ["the runs of MLflow"]
    if news:
        raise UsageError(
            f"{store.where} was finished on {finished.made}, and since then there is something new, "
            f"for instance {news[0]}.",
            hint=_elsewhere(store),
        )


def _news(sources: list[Source], finished: Manifest) -> list[str]:
    """Return the keys of the objects that were written after the archive was finished.

    One that is not in it, and older, is what was below: a `down` that was interrupted had taken away the newest
    versions, and so an older one can be read again.
    """
    by_key: dict[str | None, list[Entry]] = {}
    for entry in finished.files:
        by_key.setdefault(entry.key, []).append(entry)
    last = max((entry.modified or "" for entry in finished.files), default="")
    found = []
    for one in sources:
        entries = by_key.get(one.key, [])
        # S3 tells whole seconds. Of one key, what is older than what we have was below it.
        newer = one.modified > max(entry.modified or "" for entry in entries) if entries else one.modified >= last
        if newer and not one.is_folder and not any(entry.is_of(one) for entry in entries):
            found.append(one.key)
    return found


def _has_new_runs(database: Database, finished: Manifest) -> bool:
    before = next((entry.sha256 for entry in finished.files if entry.path == _DATABASE), None)
    with tempfile.TemporaryDirectory() as folder:
        database.copy(Path(folder) / "mlflow.db")
        return ArchiveFolder(Path(folder)).digest("mlflow.db") != before


@dataclass(frozen=True)
class Copied:
    """What is in the archive now: an entry for each object, and the keys of empty folder objects, both in order."""

    files: tuple[Entry, ...]
    folders: tuple[str, ...]


@dataclass
class SoFar:
    """What is in the archive by now, path → entry, and the paths of those that this run has compared."""

    kept: dict[str, Entry]
    sound: set[str] = field(default_factory=set)


def copy_out(
    store: ArchiveStore,
    listing: Callable[[], list[Source]],
    fetch: Fetch,
    story: Story,
    so_far: SoFar,
    *,
    to_rest: bool = True,
) -> Copied:
    """Make the archive hold exactly what `listing` tells of, which is asked again until nothing has changed meanwhile.

    Without `to_rest` once is enough. `so_far` is brought up to date; what is there already is not fetched again, if it
    is still the same object. Raises BootstrapError if there is no room, if a file does not read back as it was written,
    or if the bucket does not come to rest.
    """
    kept, sound = so_far.kept, so_far.sound
    for _ in range(_ROUNDS):
        sources = listing()
        wanted = place([one for one in sources if not one.is_folder])
        for path in kept.keys() - wanted.keys():
            store.drop(path)
            del kept[path]
        todo = {path: one for path, one in wanted.items() if not _is_there(store, kept.get(path), one)}
        sound &= wanted.keys() - todo.keys()
        if not todo and sound == wanted.keys():
            folders = sorted({one.key for one in sources if one.is_folder})
            return Copied(tuple(kept[path] for path in sorted(wanted)), tuple(folders))
        if todo:
            _require_room(store, todo.values())
            _copy(store, todo, fetch, kept, story)
        unread = [kept[path] for path in sorted(wanted) if path in kept and path not in sound]
        broken = _read_back(store, unread, story)
        sound.update(entry.path for entry in unread if entry.path not in broken)
        for path in broken:
            del kept[path]
        if not (to_rest or broken):
            return Copied((), ())
    if broken:
        raise store.unreadable(counted(len(broken), "file"), broken[0])
    raise BootstrapError(
        f"The bucket changed each of the {_ROUNDS} times that it was copied, the last time {len(todo)} of its objects.",
        hint="Wait until nobody writes to it, then run the same command again; it goes on where it stopped.",
    )


def _is_there(store: ArchiveStore, entry: Entry | None, source: Source) -> bool:
    return entry is not None and entry.is_of(source) and store.holds(entry)


def _require_room(store: ArchiveStore, todo: Iterable[Source]) -> None:
    sizes = [one.size for one in todo]
    store.require_room(sum(sizes) + _ROOM_BESIDE, sum(heapq.nlargest(_SIDE_BY_SIDE, sizes)) + _ROOM_BESIDE)


class Meter:
    """Says how far it is, and stops whoever reports to it once it was told to."""

    def __init__(self, step: Step, files: int, size: int) -> None:
        self.stop = threading.Event()
        self._step, self._files, self._size = step, files, size
        self._lock = threading.Lock()
        self._began = self._told = time.monotonic()
        self._done = self._moved = 0

    def moved(self, count: int) -> None:
        """Count bytes. May be called from several threads."""
        if self.stop.is_set():
            raise _Stopped
        with self._lock:
            self._moved += count
            now = time.monotonic()
            if now - self._told > _WAKE_SECONDS:
                self._told = now
                self._step.detail(self._text(now - self._began))

    def file(self) -> None:
        """Count a file."""
        with self._lock:
            self._done += 1

    def _text(self, seconds: float) -> str:
        far = f"{self._done:,} of {counted(self._files, 'file')}, {size_text(self._moved)} of {size_text(self._size)}"
        return f"{far}, {size_text(self._moved / seconds)}/s"


class _Stopped(BaseException):
    """Not an Exception: in the middle of an upload botocore would take that for a broken connection, and try again."""


def _copy(store: ArchiveStore, todo: dict[str, Source], fetch: Fetch, kept: dict[str, Entry], story: Story) -> None:
    size = sum(one.size for one in todo.values())
    with story.step(f"Copying {counted(len(todo), 'file')} ({size_text(size)})") as step:
        meter = Meter(step, len(todo), size)

        def work(item: tuple[str, Source]) -> Entry | None:
            path, source = item
            got = fetch(source, store.part(path), meter.moved)
            if got is None:
                return None
            entry = Entry(path, source.size, got.sha256, source.key, got.version_id, source.etag, source.modified)
            store.take_in(entry, meter.moved)
            meter.file()
            return entry

        def done(entry: Entry | None) -> None:
            if entry is not None:
                kept[entry.path] = entry

        each(work, todo.items(), done, meter.stop)


def _read_back(store: ArchiveStore, entries: list[Entry], story: Story) -> list[str]:
    """Return the paths of the files that are not what was written to them."""
    files = counted(len(entries), "file")
    title = f"Reading {files} back from the disk" if store.folder else f"Comparing {files} with {store.where}"
    return unsound(store.is_as_written, entries, story, title)


def unsound(check: Callable[[Entry, Moved], bool], entries: list[Entry], story: Story, title: str) -> list[str]:
    """Check files, several at a time; return the paths of those that are not what their entries say, in order."""
    found: list[str] = []
    with story.step(title) as step:
        meter = Meter(step, len(entries), sum(entry.size for entry in entries))

        def work(entry: Entry) -> tuple[Entry, bool]:
            right = check(entry, meter.moved)
            meter.file()
            return entry, right

        def done(one: tuple[Entry, bool]) -> None:
            entry, right = one
            if not right:
                found.append(entry.path)

        each(work, entries, done, meter.stop)
    return sorted(found)


def each(work: Callable[[T], R], items: Iterable[T], done: Callable[[R], None], stop: threading.Event) -> None:
    """Work on items, several at a time and few in waiting; `done` gets each result, in this thread.

    Whatever ends it early, Ctrl-C too, makes the workers stop at their next chunk.
    """
    with ThreadPoolExecutor(_SIDE_BY_SIDE, thread_name_prefix="copy") as pool:
        waiting: set[Future[R]] = set()
        try:
            for item in items:
                waiting.add(pool.submit(work, item))
                while len(waiting) >= 4 * _SIDE_BY_SIDE:
                    waiting = _drained(waiting, done)
            while waiting:
                waiting = _drained(waiting, done)
        except BaseException:
            stop.set()
            for future in waiting:
                future.cancel()
            raise


def _drained(waiting: set[Future[R]], done: Callable[[R], None]) -> set[Future[R]]:
    # With a timeout the main thread stays open to Ctrl-C, on Windows too.
    finished, rest = wait(waiting, timeout=_WAKE_SECONDS, return_when=FIRST_COMPLETED)
    for future in finished:
        done(future.result())
    return rest
