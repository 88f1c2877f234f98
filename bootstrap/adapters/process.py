"""Other programs: run to their end, followed while they work, or left running in the background.

The only place that imports subprocess. A call is data before it runs, so a test can look at it, and what is
shown of it is redacted here and nowhere else.
"""

from __future__ import annotations

import os
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bootstrap.errors import BootstrapError, ToolMissing
from bootstrap.redact import redact

_POLL_SECONDS = 0.03
_PATIENT_NICENESS = 10
_STOP_SECONDS = 10.0


@dataclass(frozen=True)
class Call:
    """A program about to run: its words, its folder and its whole environment. No secret belongs into `argv`.

    `patient`: others that run at the same time go first, because more waits for them. `holds`: the descriptor of a
    lock that the program shall hold as well (files.locked), so that nobody meets what it does half-done, even if we are
    killed; on POSIX only.
    """

    argv: tuple[str, ...]
    cwd: Path | None = None
    env: Mapping[str, str] | None = field(default=None, repr=False)
    patient: bool = False
    holds: int | None = None

    def shown(self) -> str:
        """Return the command line as a person would type it, without secrets."""
        return redact(shlex.join(self.argv))


@dataclass(frozen=True)
class Finished:
    """What a program left behind: exit code, standard output, standard error."""

    returncode: int
    stdout: str
    stderr: str


@dataclass(frozen=True)
class ProcessId:
    """A process that can be told from a later one with the same number, by the second it was created in."""

    pid: int
    created: float


@dataclass(frozen=True)
class Carrier:
    """A process found by a variable in its environment. `cwd` is where it works, None if that cannot be known.

    A folder that was removed meanwhile has the name that it had.
    """

    process: ProcessId
    environ: Mapping[str, str] = field(repr=False)
    cwd: Path | None


def find(program: str, environ: Mapping[str, str]) -> str | None:
    """Return the path of a program: beside this Python first (a virtual environment), then on PATH."""
    beside = shutil.which(program, path=str(Path(sys.executable).parent))
    return beside or shutil.which(program, path=environ.get("PATH"))


def run(call: Call, *, timeout: float = 120) -> Finished:
    """Run a short program to its end and capture what it says.

    Raises ToolMissing if there is no such program or it cannot be run, BootstrapError if it takes longer than
    `timeout` seconds.
    """
    try:
        done = subprocess.run(
            call.argv,
            cwd=call.cwd,
            env=dict(call.env) if call.env is not None else None,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            encoding="utf-8",
            errors="replace",
            timeout=timeout,
            check=False,
            pass_fds=() if call.holds is None or os.name != "posix" else (call.holds,),
        )
    except OSError as error:
        raise _not_started(call, error) from error
    except subprocess.TimeoutExpired as error:
        raise BootstrapError(f"`{call.shown()}` did not end within {timeout:.0f} seconds.") from error
    return Finished(done.returncode, done.stdout, done.stderr)


class Job:
    """A program whose output goes to a file that is followed while it works.

    A file, not a pipe: should this process be killed, the program finishes its work in order instead of dying
    of a broken pipe half-way.
    """

    def __init__(self, call: Call, log: Path) -> None:
        log.parent.mkdir(parents=True, exist_ok=True)
        self.call = call
        self.log = log
        self._errors = log.with_suffix(".stderr")
        with log.open("wb") as out, self._errors.open("wb") as err:
            try:
                self._process: subprocess.Popen[bytes] = subprocess.Popen(
                    call.argv,
                    cwd=call.cwd,
                    env=dict(call.env) if call.env is not None else None,
                    stdin=subprocess.DEVNULL,
                    stdout=out,
                    stderr=err,
                    **_own_group(),
                )
            except OSError as error:
                raise _not_started(call, error) from error

        if call.patient:
            _give_way(self._process.pid)

    @property
    def id(self) -> ProcessId:
        """Who is running."""
        return _identify(self._process.pid)

    def lines(self) -> Iterator[str]:
        """Yield the lines of standard output as they come, until the program has ended."""
        with self.log.open(encoding="utf-8", errors="replace") as stream:
            rest = ""
            while True:
                ended = self._process.poll() is not None
                chunk = stream.read()
                *whole, rest = (rest + chunk).split("\n")
                yield from whole
                if ended and not chunk:
                    break
                if not chunk:
                    time.sleep(_POLL_SECONDS)
            if rest:
                yield rest

    def wait(self) -> int:
        """Return the exit code, once there is one."""
        return self._process.wait()

    def stderr(self) -> str:
        """Return what the program wrote to standard error so far."""
        return self._errors.read_text(encoding="utf-8", errors="replace")

    def interrupt(self) -> None:
        """Ask the program to finish what it has begun and stop, as Ctrl-C would."""
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGINT if os.name == "posix" else signal.CTRL_BREAK_EVENT)  # type: ignore[attr-defined,unused-ignore]


class Jobs:
    """The jobs of one command, so that Ctrl-C reaches all of them once and in order."""

    def __init__(self) -> None:
        self._running: set[Job] = set()
        self._lock = threading.Lock()
        self._interrupted = False

    def start(self, call: Call, log: Path) -> Job:
        """Start a job. Raises KeyboardInterrupt if the command was interrupted already."""
        with self._lock:
            if self._interrupted:
                raise KeyboardInterrupt
            job = Job(call, log)
            self._running.add(job)
            return job

    def ended(self, job: Job) -> None:
        """Forget a job that has ended."""
        with self._lock:
            self._running.discard(job)

    def interrupt(self) -> int:
        """Interrupt what runs, start nothing more, and return how many jobs that concerned."""
        with self._lock:
            self._interrupted = True
            running = list(self._running)
        for job in running:
            job.interrupt()
        return len(running)


# A program that is not to begin before we know it: the shell waits for a line, and becomes the program.
_HELD = ("/bin/sh", "-c", 'read -r _ && exec "$@" </dev/null', "sh")


def spawn_background(call: Call, log: Path, remember: Callable[[ProcessId], None]) -> ProcessId:
    """Start a server that goes on after this command has ended; all it says goes to `log` (0600).

    It begins once `remember` has returned: should we be killed before that, so that nobody would know of it, it ends.
    (On Windows it begins at once.)
    """
    posix = os.name == "posix"
    log.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as out:
        process = subprocess.Popen(
            (*_HELD, *call.argv) if posix else call.argv,
            cwd=call.cwd,
            env=dict(call.env) if call.env is not None else None,
            stdin=subprocess.PIPE if posix else subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
            **_own_session(),
        )
    identity = _identify(process.pid)
    # The child is left to itself on purpose; without this Python warns that it is still running.
    process.returncode = 0
    if process.stdin is None:
        remember(identity)
        return identity
    # Closed without that line, the pipe ends the shell.
    with suppress(BrokenPipeError), process.stdin as gate:
        remember(identity)
        gate.write(b"\n")
    return identity


def is_alive(process: ProcessId) -> bool:
    """Tell whether exactly this process still runs."""
    return _handle(process) is not None


def stop(process: ProcessId) -> bool:
    """End a process and its children, gently first. Return False if it was not running (any more)."""
    import psutil

    handle = _handle(process)
    if handle is None:
        return False
    family = [handle]
    try:
        family += handle.children(recursive=True)
    except psutil.NoSuchProcess:
        return False
    for member in family:
        _signal(member, "terminate")
    _, stubborn = psutil.wait_procs(family, timeout=_STOP_SECONDS)
    for member in stubborn:
        _signal(member, "kill")
    psutil.wait_procs(stubborn, timeout=_STOP_SECONDS)
    return True


def carriers(variable: str, value: str) -> list[Carrier]:
    """Return the processes of this user that were started with exactly this variable, each without its children.

    One whose environment cannot be read is not among them, and neither is this very process or one that it comes from.
    """
    import psutil

    me = psutil.Process()
    own = {me.pid, *(parent.pid for parent in me.parents())}
    owner = _owner(me)
    found: dict[int, tuple[int, Carrier]] = {}
    for handle in psutil.process_iter():
        if handle.pid in own:
            continue
        try:
            if _owner(handle) != owner:
                continue
            environ = handle.environ()
            if environ.get(variable) != value or handle.status() == psutil.STATUS_ZOMBIE:
                continue
            carrier = Carrier(ProcessId(handle.pid, handle.create_time()), environ, _cwd(handle))
            found[handle.pid] = handle.ppid(), carrier
        except (psutil.Error, OSError):
            continue
    return [carrier for parent, carrier in found.values() if parent not in found]


def wait_for_end(process: ProcessId, *, timeout: float) -> bool:
    """Wait until a process that is not our child has ended; False if it outlives `timeout` seconds."""
    import psutil

    handle = _handle(process)
    if handle is None:
        return True
    gone, _ = psutil.wait_procs([handle], timeout=timeout)
    return bool(gone)


def own_id() -> ProcessId:
    """Return the identity of this very process."""
    return _identify(os.getpid())


def free_port(preferred: int) -> int:
    """Return `preferred` if nothing listens there on loopback, else the next free port above it."""
    for port in range(preferred, min(preferred + 200, 65536)):
        if port_is_free(port):
            return port
    raise BootstrapError(
        f"Found no free port between {preferred} and {preferred + 199} on 127.0.0.1.",
        hint="End a program that listens there, then run the same command again.",
    )


def listens(process: ProcessId, port: int) -> bool:
    """Tell whether this process, or a child of its, listens on `port`; True where the system does not let us look."""
    import psutil

    handle = _handle(process)
    if handle is None:
        return False
    try:
        return any(
            connection.status == psutil.CONN_LISTEN and connection.laddr.port == port
            for member in (handle, *handle.children(recursive=True))
            for connection in member.net_connections("tcp")
        )
    except psutil.AccessDenied:
        return True
    except psutil.NoSuchProcess:  # it, or a child, has ended meanwhile: the next look tells which
        return False


def port_is_free(port: int) -> bool:
    """Tell whether a server could listen on this loopback port now."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        if os.name == "posix":
            # As the servers themselves do: a port in TIME_WAIT counts as free, one that is listened on does not.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


def _not_started(call: Call, error: OSError) -> ToolMissing:
    if isinstance(error, FileNotFoundError):
        return ToolMissing(f"`{call.argv[0]}` is not on this machine.")
    return ToolMissing(f"`{call.argv[0]}` cannot be run: {error.strerror}.")


def _own_session() -> dict[str, Any]:
    # A server outlives the terminal it was started from.
    if os.name == "posix":
        return {"start_new_session": True}
    return {"creationflags": subprocess.CREATE_NEW_PROCESS_GROUP}  # type: ignore[attr-defined,unused-ignore]


def _own_group() -> dict[str, Any]:
    # Ctrl-C in the terminal goes to the whole foreground group; jobs get theirs from us, once. Not a session of its
    # own where that can be avoided: Linux shares the processors out by sessions, and `patient` would mean nothing.
    if os.name == "posix" and sys.version_info >= (3, 11):
        return {"process_group": 0}
    return _own_session()


def _give_way(pid: int) -> None:
    import psutil

    with suppress(psutil.Error, OSError):
        lower = psutil.BELOW_NORMAL_PRIORITY_CLASS if sys.platform == "win32" else _PATIENT_NICENESS
        psutil.Process(pid).nice(lower)


def _identify(pid: int) -> ProcessId:
    import psutil

    try:
        return ProcessId(pid, psutil.Process(pid).create_time())
    except psutil.NoSuchProcess:
        return ProcessId(pid, 0.0)


def _owner(handle: Any) -> object:
    return handle.uids().real if os.name == "posix" else handle.username()


def _cwd(handle: Any) -> Path | None:
    import psutil

    try:
        return Path(handle.cwd()) if handle.cwd() else None
    except (psutil.Error, OSError):
        return None


def _handle(process: ProcessId) -> Any:
    import psutil

    try:
        handle = psutil.Process(process.pid)
        same = abs(handle.create_time() - process.created) < 1.0
        return handle if same and handle.status() != psutil.STATUS_ZOMBIE else None
    except (psutil.NoSuchProcess, psutil.AccessDenied):
        return None


def _signal(handle: Any, verb: str) -> None:
    import psutil

    try:
        getattr(handle, verb)()
    except psutil.NoSuchProcess:
        return
