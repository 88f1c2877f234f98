"""What an archive is written to and read from, whichever it is: a folder on this machine, or a prefix in S3.

`adapters.archive_folder.ArchiveFolder` is the one, `adapters.aws.archive_bucket` has the other.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Protocol

from bootstrap.core.manifest import Entry, Manifest, Origin
from bootstrap.errors import BootstrapError

Moved = Callable[[int], None]


class Readable(Protocol):
    """A finished archive. `noun` is what somebody names to have another one, `where` what stands in messages."""

    @property
    def where(self) -> str:
        """The folder or the address, as people write it."""

    @property
    def noun(self) -> str:
        """`folder` or `address`."""

    @property
    def is_begun(self) -> bool:
        """Whether somebody began to fill it and did not come to the end."""

    def manifest(self) -> tuple[Manifest, str] | None:
        """Return the manifest and its SHA-256; None if it is not finished. Raises BootstrapError if it is damaged."""

    def has(self, path: str, /) -> bool:
        """Tell whether there is anything at a place."""

    def is_sound(self, entry: Entry, moved: Moved, /) -> bool:
        """Read a file; tell whether it is to the byte what was written down. May be called from several threads.

        `moved` gets the bytes of each chunk, and may raise to stop.
        """

    def others(self, manifest: Manifest, /) -> Iterator[str]:
        """Yield the path of everything that is not in the manifest."""


class ArchiveStore(Readable, Protocol):
    """An archive that is being made: begun, filled, compared, finished."""

    @property
    def folder(self) -> Path | None:
        """The folder on this machine, if it is one."""

    def at_work(self) -> AbstractContextManager[None]:
        """Keep others away while the block runs."""

    def begin(self, origin: Origin, /) -> None:
        """Make it ready to be filled, or to be filled further. Raises UsageError if there is something else in it."""

    def arrived(self) -> dict[str, Entry]:
        """Return what earlier runs brought there: path → entry."""

    def require_room(self, together: int, at_once: int, /) -> None:
        """Raise BootstrapError if there is no room: bytes of all files, and of those that are on their way at once."""

    def holds(self, entry: Entry, /) -> bool:
        """Tell whether there is a file of its size at its place; what is in it is not looked at."""

    def part(self, path: str, /) -> Path:
        """Return where a file is written, on this machine, until it is whole."""

    def take_in(self, entry: Entry, moved: Moved, /) -> None:
        """Put the finished part of an entry in its place. May be called from several threads."""

    def put(self, path: str, text: str, /) -> Entry:
        """Write a text of ours and return its entry."""

    def put_part(self, path: str, /) -> Entry:
        """Put the finished part of a file that is no object of the environment's bucket in its place."""

    def drop(self, path: str, /) -> None:
        """Remove a file of ours."""

    def is_as_written(self, entry: Entry, moved: Moved, /) -> bool:
        """Tell whether a file is what was written, after it was written. May be called from several threads."""

    def unreadable(self, files: str, first: str, /) -> BootstrapError:
        """Return the error for so many `files` that are not what was written to them."""

    def finish(self, manifest: Manifest, /) -> str:
        """Write the manifest; return its SHA-256."""

    def tidy(self) -> None:
        """Remove what only an unfinished archive needs."""
