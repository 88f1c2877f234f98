"""Waiting for something on a machine, as long as the machine itself is there."""

from __future__ import annotations

import contextlib
import subprocess
import time
from collections.abc import Callable


def wait_for(
    machine: subprocess.Popen[bytes] | None,
    what: str,
    there: Callable[[], object],
    *,
    seconds: float,
    pause: float,
) -> None:
    """Wait until `there` returns something true. Raises RuntimeError if it does not, or the machine's process ends."""
    end = time.monotonic() + seconds
    while True:
        with contextlib.suppress(RuntimeError, OSError, subprocess.TimeoutExpired):
            if there():
                return
        if machine is None or machine.poll() is not None:
            raise RuntimeError(f"the machine ended while waiting for {what}")
        if time.monotonic() > end:
            raise RuntimeError(f"no {what} within {seconds:.0f} s")
        time.sleep(pause)
