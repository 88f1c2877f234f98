"""The AWS of the local target: moto's server on loopback, which keeps everything in memory."""

from __future__ import annotations

import importlib.util
import secrets
import sys
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from bootstrap.adapters import servers
from bootstrap.adapters.process import Call
from bootstrap.errors import ToolMissing

NAME = "the AWS emulator"
# The account id of everything in moto. https://docs.getmoto.org/en/latest/docs/multi_account.html
ACCOUNT = "123456789012"
_READY_PATH = "/moto-api/"
_READY_SECONDS = 60.0


@dataclass(frozen=True)
class Emulator:
    """The emulator of one project folder; `folder` holds its record and log."""

    folder: Path

    @property
    def record(self) -> Path:
        """Where the running process is remembered."""
        return self.folder / "emulator.json"

    @property
    def log(self) -> Path:
        """What the emulator says."""
        return self.folder / "emulator.log"

    def running(self) -> servers.Server | None:
        """Return the emulator if it runs and answers."""
        server = servers.recorded(self.record)
        return server if server and server.alive and servers.answers(server.url + _READY_PATH) else None

    def start(self, port: int, environ: Mapping[str, str]) -> servers.Server:
        """Start it, empty, and wait until it answers. Raises ToolMissing without moto, BootstrapError."""
        require_local_extra("moto", "the AWS emulator")
        servers.end(self.record)
        call = Call(
            (sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)),
            cwd=self.folder,
            env={name: value for name, value in environ.items() if not name.startswith(("MOTO_", "AWS_"))}
            # The state lives in one process; werkzeug must not fork a second one to watch files.
            | {"PYTHONUNBUFFERED": "1"},
        )
        self.folder.mkdir(parents=True, exist_ok=True)
        server = servers.launch(
            call, name=NAME, port=port, instance=secrets.token_hex(4), record=self.record, log=self.log
        )
        servers.wait_until_ready(server, name=NAME, path=_READY_PATH, log=self.log, timeout=_READY_SECONDS)
        return server

    def enforce_permissions(self, server: servers.Server) -> None:
        """Make it refuse what IAM would refuse, from the next request on.

        https://docs.getmoto.org/en/latest/docs/iam.html
        """
        request = urllib.request.Request(  # noqa: S310 - loopback
            f"{server.url}/moto-api/reset-auth",
            data=b"0",
            headers={"Content-Type": "text/plain"},
            method="POST",
        )
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=10):
            pass

    def stop(self) -> bool:
        """Stop it; what it held is gone. Return False if it was not running."""
        return servers.end(self.record)


def require_local_extra(package: str, purpose: str) -> None:
    """Raise ToolMissing, with the command that helps, if a package of the `local` extra is not installed."""
    if importlib.util.find_spec(package) is None:
        raise ToolMissing(
            f"{purpose[0].upper()}{purpose[1:]} needs the package `{package}`, which is not installed.",
            hint="Install bootstrap with its `local` extra. In your clone of it: "
            "pip install -c .ci/constraints.txt '.[local]'",
        )
