"""The user's own text files: read exactly, written whole or not at all, one writer at a time."""

from __future__ import annotations

import contextlib
import getpass
import hashlib
import os
import re
import stat
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import platformdirs

from bootstrap.errors import BootstrapError, ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

PRIVATE_FILE = 0o600
PRIVATE_FOLDER = 0o700

_POLL_SECONDS = 0.05


def read_text(path: Path) -> str | None:
    """Return a file's text with the line endings it has, or None if there is no such file.

    Raises ConfigError, naming the line, when it is not UTF-8, and BootstrapError when it cannot be read.
    """
    target = _target(path)
    try:
        data = target.read_bytes() if _is_file(path, target) else None
    except OSError as error:
        raise BootstrapError(
            f"{path} cannot be read: {_reason(error)}",
            hint="Give yourself the right to read it, then run again.",
        ) from error
    if data is None:
        return None
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        line = len(re.findall(rb"\r\n|\r|\n", data[: error.start])) + 1
        # Not chained: the exception carries the whole file, secrets and all.
        raise ConfigError(
            f"{path}, line {line}: a byte that is not UTF-8 text",
            hint="Save the file as UTF-8 in your editor, then run again.",
        ) from None


def check_writable(path: Path, *, hint: str = "") -> None:
    """Raise BootstrapError if `path` could not be written now. Leaves no trace and changes no byte.

    It tries instead of reading mode bits, which know nothing of access lists and read-only file systems.
    """
    target = _target(path)
    try:
        if _is_file(path, target):
            with target.open("r+b"):
                pass
        folder = target.parent
        while not folder.exists():
            folder = folder.parent
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise _unwritable(path, error, hint) from error


def write_atomic(
    path: Path,
    text: str,
    *,
    mode: int | None = None,
    check: Callable[[Path], None] | None = None,
    hint: str = "",
) -> bool:
    """Make `text` the content of `path`, all of it or nothing. Return whether anything changed.

    A symbolic link stays one: the file it leads to is written. A missing folder is made, for the user alone.
    `check` gets the finished temporary file and raises to stop the replacement. The file ends up with `mode`,
    else the mode it had, else 0600. Raises BootstrapError, with `hint`, when the file or its folder cannot be
    written; whatever is raised, the old file is still whole and no temporary file stays.
    """
    target = _target(path)
    data = text.encode("utf-8")
    try:
        before = target.stat() if _is_file(path, target) else None
        if before and target.read_bytes() == data:
            if mode is None or os.name == "nt" or stat.S_IMODE(before.st_mode) == mode:
                return False
            target.chmod(mode)
            return True
        if before:
            # `os.replace` would go through on a file its owner made read-only.
            with target.open("r+b"):
                pass
            mode = stat.S_IMODE(before.st_mode) if mode is None else mode
        target.parent.mkdir(mode=PRIVATE_FOLDER, parents=True, exist_ok=True)
        descriptor, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.", suffix=".tmp")
    except OSError as error:
        raise _unwritable(path, error, hint) from error
    temporary = Path(name)
    try:
        try:
            with os.fdopen(descriptor, "wb") as stream:
                stream.write(data)
                stream.flush()
                os.fsync(stream.fileno())
            if check:
                check(temporary)
            if before:
                _give_to(temporary, before)
            temporary.chmod(PRIVATE_FILE if mode is None else mode)
            temporary.replace(target)
        except OSError as error:
            raise _unwritable(path, error, hint) from error
    finally:
        temporary.unlink(missing_ok=True)
    return True


def append_line(path: Path, line: str) -> None:
    """Add one line to a file of ours (0600), on the disk when this returns; the folder has to be there.

    For what must survive a kill line by line. A kill in the middle leaves half a line at the end, which the reader
    passes over.
    """
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, PRIVATE_FILE)
        with os.fdopen(descriptor, "ab") as stream:
            stream.write(line.encode("utf-8") + b"\n")
            stream.flush()
            os.fsync(stream.fileno())
    except OSError as error:
        raise _unwritable(path, error, "") from error


def remove(path: Path, *, and_empty_parent: bool = False, hint: str = "") -> None:
    """Remove a file if it is there (a link to it stays), and its folder too if told and it is empty then.

    Raises BootstrapError, with `hint`, when the file cannot be removed.
    """
    target = _target(path)
    try:
        target.unlink(missing_ok=True)
    except OSError as error:
        raise _unwritable(path, error, hint) from error
    if and_empty_parent:
        with contextlib.suppress(OSError):
            target.parent.rmdir()


@contextlib.contextmanager
def locked(path: Path, timeout: float = 30) -> Iterator[int]:
    """Hold `path` against every other bootstrap of this user; it need not exist.

    Yields the descriptor of the lock. A program that is started with it (`Call.holds`) holds `path` too: should this
    process be killed, until that program has ended (flock(2): the lock belongs to the open file, not to a process).
    Raises BootstrapError when another one still holds it after `timeout` seconds.
    """
    # Late: it would cost every command that locks nothing some 25 ms.
    import filelock

    place = os.path.normcase(os.path.realpath(path))
    name = hashlib.sha256(os.fsencode(place)).hexdigest()
    refusal: Exception | None = None
    deadline = time.monotonic() + timeout
    for folder in _lock_folders():
        with contextlib.ExitStack() as stack:
            try:
                folder.mkdir(mode=PRIVATE_FOLDER, parents=True, exist_ok=True)
                descriptor = os.open(folder / f"{name[:32]}.lock", os.O_RDWR | os.O_CREAT, PRIVATE_FILE)
                stack.callback(os.close, descriptor)  # and with that the lock goes
                while not filelock.lock_descriptor(descriptor, blocking=False):
                    if time.monotonic() > deadline:
                        raise BootstrapError(
                            f"Another bootstrap has been working on {path} for {timeout:g} seconds.",
                            hint="Wait until it has ended, then run again.",
                        )
                    time.sleep(_POLL_SECONDS)
            except OSError as error:
                refusal = error
                continue
            yield descriptor
            return
    raise BootstrapError(
        f"No lock can be had for {path}: neither your state folder nor the temporary one can be written.",
        hint="Make one of them writable, for instance by setting TMPDIR, then run again.",
    ) from refusal


@contextlib.contextmanager
def naming(path: Path) -> Iterator[None]:
    """Put `path` in front of a ConfigError that names only a line, as `core` raises them."""
    try:
        yield
    except ConfigError as error:
        raise ConfigError(f"{path}, {error.message}", hint=error.hint) from None


def _lock_folders() -> tuple[Path, Path]:
    """Return where lock files may lie, best first. Users share the temporary folder: one for each in it."""
    user = str(os.getuid()) if hasattr(os, "getuid") else getpass.getuser()
    return (
        platformdirs.user_state_path("bootstrap") / "locks",
        Path(tempfile.gettempdir()) / f"bootstrap-locks-{user}",
    )


def _target(path: Path) -> Path:
    return Path(os.path.realpath(path))


def _is_file(path: Path, target: Path) -> bool:
    """Say whether there is a file. Raises BootstrapError for a folder or a device, such as /dev/null."""
    try:
        kind = target.stat().st_mode
    except FileNotFoundError:
        return False
    if not stat.S_ISREG(kind):
        raise BootstrapError(f"{path} is not an ordinary file", hint="Move it, or name another file, then run again.")
    return True


def _give_to(temporary: Path, before: os.stat_result) -> None:
    """Keep the owner: under sudo, a user's file must not come to belong to root."""
    if hasattr(os, "chown"):
        now = temporary.stat()
        if (now.st_uid, now.st_gid) != (before.st_uid, before.st_gid):
            with contextlib.suppress(PermissionError):
                os.chown(temporary, before.st_uid, before.st_gid)


def _unwritable(path: Path, error: OSError, hint: str) -> BootstrapError:
    return BootstrapError(
        f"{path} cannot be written: {_reason(error)}",
        hint=hint or "Make the file and its folder writable for you, then run again.",
    )


def _reason(error: OSError) -> str:
    return error.strerror or type(error).__name__
