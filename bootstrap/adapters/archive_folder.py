"""A folder of copies on this machine: begun, filled file by file, interrupted, taken up again, finished, checked.

While it is being filled there is `.unfinished/` in it: what it was begun as, a journal with a line for each file that
arrived, and the files on their way. With `manifest.json` it is finished.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import stat
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from bootstrap.adapters.files import PRIVATE_FILE, PRIVATE_FOLDER, check_writable, locked, read_text, write_atomic
from bootstrap.core.manifest import (
    MANIFEST,
    UNFINISHED,
    Entry,
    Manifest,
    Origin,
    parse_entry,
    parse_origin,
    require_manifest,
    size_text,
)
from bootstrap.errors import BootstrapError, UsageError

_CHUNK = 1024 * 1024
_LOCK_SECONDS = 5.0


@dataclass(frozen=True)
class ArchiveFolder:
    """One such folder. Its methods may be called from several threads where they say so."""

    folder: Path
    _writing: threading.Lock = field(default_factory=threading.Lock, repr=False, compare=False)

    @property
    def noun(self) -> str:
        """What somebody names to put it somewhere else."""
        return "folder"

    @property
    def where(self) -> str:
        """The folder, in a message."""
        return str(self.folder)

    @contextmanager
    def at_work(self) -> Iterator[None]:
        """Keep every other bootstrap of this user away from it. Raises BootstrapError if one is at work there."""
        with locked(self.folder, timeout=_LOCK_SECONDS):
            yield

    @property
    def _work(self) -> Path:
        return self.folder / UNFINISHED

    @property
    def _journal(self) -> Path:
        return self._work / "journal.jsonl"

    @property
    def manifest_file(self) -> Path:
        """The list of what is in it, there as soon as it is finished."""
        return self.folder / MANIFEST

    def manifest(self) -> tuple[Manifest, str] | None:
        """Return the manifest and the SHA-256 of its file; None if the folder is not finished.

        Raises BootstrapError if it is damaged.
        """
        text = read_text(self.manifest_file) if self.folder.is_dir() else None
        if text is None:
            return None
        return require_manifest(text, self.manifest_file, "or bring that file back from a copy of the folder.")

    @property
    def is_begun(self) -> bool:
        """Whether somebody began to fill it and did not come to the end."""
        return not self.manifest_file.exists() and self._work.is_dir()

    def require_usable(self) -> Origin | None:
        """Return what was begun here, if anything. Raises UsageError if something else is in the folder."""
        if self.folder.exists() and not self.folder.is_dir():
            raise UsageError(f"{self.folder} is not a folder.", hint="Name an empty or a new one.")
        above = next((path for path in self.folder.parents if path.exists()), None)
        if above is not None and not above.is_dir():
            raise UsageError(f"{above} is a file, so no folder can be in it.", hint="Name another folder.")
        begun = parse_origin(read_text(self._work / "begun.json") or "")
        others = self.folder.is_dir() and any(path.name != UNFINISHED for path in self.folder.iterdir())
        if begun is None and others and not self.manifest_file.exists():
            raise UsageError(f"{self.folder} is not empty.", hint="Name an empty folder, or a new one.")
        return begun

    def begin(self, origin: Origin) -> None:
        """Make the folder (0700) ready to be filled, or to be filled further.

        Raises UsageError if there is something else in it, BootstrapError if it cannot be written.
        """
        begun = self.require_usable()
        if begun is not None and begun != origin:
            raise UsageError(f"{self.folder} holds an unfinished {begun}.", hint="Name another folder.")
        check_writable(self.folder / MANIFEST, hint="Name a folder that you may write.")
        self._work.mkdir(mode=PRIVATE_FOLDER, parents=True, exist_ok=True)
        self.folder.chmod(PRIVATE_FOLDER)
        write_atomic(self._work / "begun.json", origin.to_json() + "\n")

    def arrived(self) -> dict[str, Entry]:
        """Return what earlier runs wrote down: path → entry."""
        lines = (read_text(self._journal) or "").splitlines()
        return {entry.path: entry for line in lines if (entry := parse_entry(line)) is not None}

    def holds(self, entry: Entry) -> bool:
        """Tell whether there is a file of its size at its place; what is in it is not looked at."""
        try:
            found = (self.folder / entry.path).lstat()
        except OSError:
            return False
        return stat.S_ISREG(found.st_mode) and found.st_size == entry.size

    def part(self, path: str) -> Path:
        """Return where a file is written until it is whole."""
        return self._work / hashlib.sha256(path.encode()).hexdigest()[:32]

    def take_in(self, entry: Entry, moved: Callable[[int], None]) -> None:
        """Put the finished part of an entry in its place (0600). May be called from several threads.

        `moved` is asked once, with no bytes, and may raise to stop.
        """
        moved(0)
        # Written down first: whatever lies in the folder is known, at whichever moment somebody is killed.
        # Not forced to the disk each time: the files themselves are read back before anybody relies on them.
        with self._writing, self._journal.open("a", encoding="utf-8") as journal:
            journal.write(entry.to_json() + "\n")
        self._bring_in(entry.path)

    def _bring_in(self, path: str) -> None:
        target = self.folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        part = self.part(path)
        part.chmod(PRIVATE_FILE)
        part.replace(target)

    def put(self, path: str, text: str) -> Entry:
        """Write a text of ours and return its entry."""
        write_atomic(self.folder / path, text)
        return self._entry(path)

    def put_part(self, path: str) -> Entry:
        """Put the finished part of a file that is no object of the bucket in its place (0600); return its entry."""
        self._bring_in(path)
        return self._entry(path)

    def _entry(self, path: str) -> Entry:
        return Entry(path, (self.folder / path).stat().st_size, self.digest(path))

    def digest(self, path: str, moved: Callable[[int], None] = lambda _: None) -> str:
        """Return the SHA-256 of a file as it is on the disk. May be called from several threads.

        `moved` gets the bytes of each chunk, and may raise to stop.
        """
        found = hashlib.sha256()
        with (self.folder / path).open("rb") as file:
            while chunk := file.read(_CHUNK):
                found.update(chunk)
                moved(len(chunk))
        return found.hexdigest()

    def is_sound(self, entry: Entry, moved: Callable[[int], None]) -> bool:
        """Tell whether a file is to the byte what was written down; `moved` and threads as above."""
        try:
            return self.holds(entry) and self.digest(entry.path, moved) == entry.sha256
        except OSError:
            return False  # a disk that does not give it back has not kept it

    def is_as_written(self, entry: Entry, moved: Callable[[int], None]) -> bool:
        """As `is_sound`: that a disk holds what was written to it shows by reading alone."""
        return self.is_sound(entry, moved)

    def has(self, path: str) -> bool:
        """Tell whether there is anything at a place."""
        return (self.folder / path).exists()

    def drop(self, path: str) -> None:
        """Remove a file of ours, and the folders that are empty then."""
        target = self.folder / path
        target.unlink(missing_ok=True)
        for above in target.relative_to(self.folder).parents:
            place = self.folder / above
            if place == self.folder or not place.is_dir() or any(place.iterdir()):
                return
            place.rmdir()

    def require_room(self, together: int, _at_once: int) -> None:
        """Raise BootstrapError if the disk has no room for files of `together` bytes."""
        free = shutil.disk_usage(self.folder).free
        if together > free:
            raise BootstrapError(
                f"{self.folder} needs {size_text(together)} more, and the disk has {size_text(free)} left.",
                hint="Make room, or name a folder on another disk.",
            )

    def unreadable(self, files: str, first: str) -> BootstrapError:
        """Return the error for so many `files` that are not what was written to them."""
        return BootstrapError(
            f"{files} in {self.folder} cannot be read back as written, the first of them {first}.",
            hint="The disk may be failing: name a folder on another one.",
        )

    def finish(self, manifest: Manifest) -> str:
        """Write the manifest; return its SHA-256. From then on the folder is finished, and on the disk."""
        for folder, _, _ in os.walk(self.folder):
            _settle(Path(folder))
        text = manifest.to_json()
        write_atomic(self.manifest_file, text)
        _settle(self.folder)
        self.tidy()
        return hashlib.sha256(text.encode()).hexdigest()

    def tidy(self) -> None:
        """Remove what only an unfinished folder needs."""
        shutil.rmtree(self._work, ignore_errors=True)

    def others(self, manifest: Manifest) -> Iterator[str]:
        """Yield the path of every file that is not in the manifest."""
        known = {MANIFEST} | {one.path for one in manifest.files}
        # As the system names them: it may write an accent in another way, or take another case, for the same file.
        seen = {_identity(self.folder / path) for path in known}
        for top, folders, names in os.walk(self.folder):
            here = Path(top)
            if here == self.folder and UNFINISHED in folders:
                folders.remove(UNFINISHED)
            for name in [*names, *(each for each in folders if (here / each).is_symlink())]:
                path = (here / name).relative_to(self.folder).as_posix()
                if path not in known and _identity(here / name) not in seen:
                    yield path


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        found = path.lstat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _settle(folder: Path) -> None:
    """Bring the names in a folder to the disk, where the system has a way to ask for that (fsync(2))."""
    if os.name == "posix":
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
