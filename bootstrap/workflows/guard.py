"""One run at a time for an environment, and a trace of each run that a later one can clean up after.

The lock is the operating system's and goes with the process, even if that is killed. The trace stays then, and
tells the next run what was going on.
"""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import TYPE_CHECKING

from bootstrap.adapters import process
from bootstrap.adapters.files import read_text, write_atomic
from bootstrap.adapters.process import ProcessId
from bootstrap.errors import BootstrapError, StateLocked, TerraformFailed
from bootstrap.workflows.story import Story

if TYPE_CHECKING:
    from filelock import FileLock

_WAIT_SECONDS = 600.0
_POLL_SECONDS = 0.2
# A run that has only just taken the lock is about to write down who it is.
_QUIET_SECONDS = 0.5
# A killed Terraform goes on to finish its applies; the slowest resource takes about a minute.
_ORPHAN_SECONDS = 600.0
_CLOCK_SLACK = timedelta(seconds=5)


@dataclass
class Run:
    """A run that holds the environment. `interrupted_since` is set if the one before it never ended.

    `interrupted` is the command that this was, or an empty text.
    """

    trace: Path
    command: str
    started: datetime
    interrupted_since: datetime | None = None
    interrupted: str = ""
    terraform: list[ProcessId] = field(default_factory=list)
    _writing: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def note_terraform(self, terraform: ProcessId) -> None:
        """Remember a Terraform process, should we not live to see its end. Called from several threads."""
        with self._writing:
            self.terraform.append(terraform)
            self.write()

    def forget_terraform(self, terraform: ProcessId) -> None:
        """Forget a Terraform process that did all it was to do, and so has released its lock."""
        with self._writing:
            self.terraform.remove(terraform)
            self.write()

    def write(self) -> None:
        """Write the trace anew."""
        me = process.own_id()
        content = {
            "command": self.command,
            "pid": me.pid,
            "created": me.created,
            "started": (self.interrupted_since or self.started).isoformat(),
            "terraform": [[one.pid, one.created] for one in self.terraform],
        }
        write_atomic(self.trace, json.dumps(content) + "\n")

    def left_lock(self, who: str, created: str) -> bool:
        """Tell whether a lock on a Terraform state was left behind by the run that was interrupted here.

        It was if it was taken on this machine after that run had begun: this run holds the environment, so
        nobody else in this folder can have taken it since.
        """
        return self.interrupted_since is not None and _is_taken_here(
            who, created, self.interrupted_since - _CLOCK_SLACK
        )

    def may_leave_lock(self, error: Exception) -> bool:
        """Tell whether a lock of our own may stay on a Terraform state when this run ends with `error`.

        A Terraform that was killed or cannot reach S3 any more leaves its lock, and that may have happened beside
        whatever the error is about. If the answer to the request that makes a lock is lost, Terraform asks again and
        then takes its own lock for another's: that one was made on this machine, since this run began.
        """
        if isinstance(error, StateLocked):
            # Such a time is read to the second.
            return _is_taken_here(error.who, error.created, self.started.replace(microsecond=0))
        return isinstance(error, TerraformFailed) or bool(self.terraform)


def _is_taken_here(who: str, created: str, since: datetime) -> bool:
    """Tell whether a lock was taken on this machine, at that time or later."""
    taken = parse_lock_time(created)
    return who.rpartition("@")[2] == socket.gethostname() and taken is not None and taken >= since


def parse_lock_time(text: str) -> datetime | None:
    """Read the time in a lock, in either of Terraform's two spellings of UTC (RFC 3339, or Go's own)."""
    head = text.strip()[:19].replace(" ", "T")
    try:
        return datetime.strptime(head, "%Y-%m-%dT%H:%M:%S").replace(tzinfo=timezone.utc)
    except ValueError:
        return None


@contextmanager
def guarded(folder: Path, env: str, command: str, story: Story) -> Iterator[Run]:
    """Hold an environment for one command; wait for another run, and say whose it is.

    Raises BootstrapError if the other one does not end within ten minutes.
    """
    from filelock import FileLock, Timeout

    trace = folder / "run.json"
    lock = FileLock(folder / "run.lock", mode=0o600)
    try:
        _hold(lock, folder, _QUIET_SECONDS)
    except Timeout:
        story.note(f"{_holder(trace)} is working on '{env}' in this folder; waiting for it to end …")
        try:
            _hold(lock, folder, _WAIT_SECONDS)
        except Timeout as error:
            raise BootstrapError(
                f"{_holder(trace)} has held '{env}' for more than {_WAIT_SECONDS / 60:.0f} minutes.",
                hint="Look what it waits for, or end it; then run the same command again.",
            ) from error
    except OSError as error:
        raise BootstrapError(
            f"Cannot write into {folder}: {error.strerror}.", hint="Run this in a folder of your own."
        ) from error
    try:
        run = _after(_read(trace), trace, command, story)
        run.write()
        try:
            yield run
        except Exception as error:
            # An error that was told ends the run in order, unless there is something to look after.
            if not run.may_leave_lock(error):
                trace.unlink(missing_ok=True)
            raise
        trace.unlink(missing_ok=True)
    finally:
        lock.release()


def _hold(lock: FileLock, folder: Path, seconds: float) -> None:
    """Take the lock. A `down` that ends takes the folder away, lock and all: then it is made anew."""
    deadline = time.monotonic() + seconds
    while True:
        folder.mkdir(parents=True, exist_ok=True)
        with suppress(FileNotFoundError):
            lock.acquire(timeout=max(0.0, deadline - time.monotonic()), poll_interval=_POLL_SECONDS)
            if Path(lock.lock_file).exists():
                return
            lock.release()


def _after(before: dict[str, object] | None, trace: Path, command: str, story: Story) -> Run:
    now = datetime.now(timezone.utc)
    if before is None:
        return Run(trace, command, now)
    story.note(f"The last `{before.get('command', 'bootstrap')}` did not end; going on from what it left.")
    started = parse_lock_time(str(before.get("started", ""))) or now
    recorded = before.get("terraform")
    for entry in recorded if isinstance(recorded, list) else []:
        orphan = ProcessId(int(entry[0]), float(entry[1]))
        if process.is_alive(orphan):
            with story.step("Terraform of the interrupted run is still at work; waiting until it is done"):
                process.wait_for_end(orphan, timeout=_ORPHAN_SECONDS)
    return Run(trace, command, now, interrupted_since=started, interrupted=str(before.get("command", "")))


def _read(trace: Path) -> dict[str, object] | None:
    text = read_text(trace)
    if text is None:
        return None
    try:
        content = json.loads(text)
    except ValueError:
        content = {}
    return content if isinstance(content, dict) else {}


def _holder(trace: Path) -> str:
    found = _read(trace) or {}
    command, pid = found.get("command", "Another command"), found.get("pid", "?")
    started = parse_lock_time(str(found.get("started", "")))
    since = f", since {started.astimezone():%H:%M:%S}" if started else ""
    return f"`{command}` (process {pid}{since})"
