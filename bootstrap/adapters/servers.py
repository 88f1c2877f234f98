"""A server in the background that outlives the command: started, recognised later, stopped.

What is known of it stands in a small JSON file beside its log; a process is ours only if both its number and the
moment it was created agree with that file. Should somebody delete the file, the server still has a mark in its
environment variables: whose it is, and what.
"""

from __future__ import annotations

import http.client
import json
import time
import urllib.request
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

from bootstrap.adapters.files import write_atomic
from bootstrap.adapters.process import (
    Call,
    ProcessId,
    carriers,
    is_alive,
    listens,
    port_is_free,
    spawn_background,
    stop,
)
from bootstrap.errors import BootstrapError

_POLL_SECONDS = 0.05
_OWNER, _ROLE = "BOOTSTRAP_SERVER_OF", "BOOTSTRAP_SERVER"

# No proxy of the user's has any business between two programs on one machine.
_DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class PortTaken(BootstrapError):
    """Another program came to the port first."""


@dataclass(frozen=True)
class Server:
    """A server that was started here. `instance` tells one start from the next."""

    pid: int
    created: float
    port: int
    instance: str

    @property
    def process(self) -> ProcessId:
        """The process behind it."""
        return ProcessId(self.pid, self.created)

    @property
    def url(self) -> str:
        """Its address on this machine."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def alive(self) -> bool:
        """Whether the very process that was started still runs."""
        return is_alive(self.process)


@dataclass(frozen=True)
class Marked:
    """A server that was found by its mark. `cwd` is the folder it was started in, None if that cannot be known."""

    process: ProcessId
    role: str
    cwd: Path | None


def mark(folder: Path, role: str) -> dict[str, str]:
    """Return the variables that mark a server as that of a project's folder, and as what it is there."""
    return {_OWNER: str(folder.resolve()), _ROLE: role}


def marked(folder: Path) -> list[Marked]:
    """Return the servers that run with the mark of this very folder, whether or not anything is recorded of them."""
    found = carriers(_OWNER, str(folder.resolve()))
    return [Marked(one.process, one.environ.get(_ROLE, ""), one.cwd) for one in found]


def recorded(record: Path) -> Server | None:
    """Return the server that the file tells of, running or not."""
    try:
        return Server(**json.loads(record.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None


def launch(call: Call, *, name: str, port: int, instance: str, record: Path, log: Path) -> Server:
    """Start a server on `port` and write its record. Raises PortTaken."""
    if not port_is_free(port):
        raise PortTaken(
            f"Port {port} on 127.0.0.1, where {name} should listen, is taken by another program.",
            hint="End that program, or run `bootstrap up --local` again: it moves to a free port.",
        )

    def remember(process: ProcessId) -> None:
        server = Server(process.pid, process.created, port, instance)
        write_atomic(record, json.dumps(asdict(server)) + "\n")

    process = spawn_background(call, log, remember)
    return Server(process.pid, process.created, port, instance)


def wait_until_ready(
    server: Server,
    *,
    name: str,
    path: str,
    log: Path,
    timeout: float,
    sleep: Callable[[float], None] = time.sleep,
) -> None:
    """Wait until the server answers on `path`. Raises BootstrapError with the end of its log if it does not; PortTaken
    if it has ended and another program listens there.

    An answer counts only if it is the server's own: between the look at the port and the moment when the server takes
    it, which may be seconds, another program's server may have come there. To talk to that one would be to write into
    somebody else's environment.
    """
    deadline = time.monotonic() + timeout
    while not (answers(f"{server.url}{path}") and listens(server.process, server.port)):
        died = not server.alive
        if died or time.monotonic() > deadline:
            stop(server.process)
            tail = "\n".join(_tail(log))
            what = "ended at once" if died else f"did not answer within {timeout:.0f} seconds"
            lost = died and not port_is_free(server.port)
            raise (PortTaken if lost else BootstrapError)(
                f"{name[0].upper()}{name[1:]} {what}. The end of {log}:\n{tail}", hint="Run the same command again."
            )
        sleep(_POLL_SECONDS)


def answers(url: str) -> bool:
    """Tell whether something answers a plain GET with success."""
    try:
        with _DIRECT.open(url, timeout=5) as answer:
            return bool(200 <= answer.status < 300)
    except (OSError, http.client.HTTPException):  # the latter from what speaks no HTTP
        return False


def end(record: Path) -> bool:
    """Stop the recorded server and forget it. Return False if it was not running."""
    server = recorded(record)
    stopped = server is not None and stop(server.process)
    record.unlink(missing_ok=True)
    return stopped


def _tail(log: Path, lines: int = 15) -> list[str]:
    try:
        return [f"  {line}" for line in log.read_text(encoding="utf-8", errors="replace").splitlines()[-lines:]]
    except OSError:
        return []
