"""Run on the machine inside the very sandbox of the MLflow server: says, as JSON, what can be done in there."""

from __future__ import annotations

import ctypes
import json
import mmap
import os
import socket
import sys
import time
import urllib.request
from collections.abc import Callable
from functools import partial
from pathlib import Path

PLACES = (
    *("/", "/etc", "/usr", "/usr/local/bin", "/boot", "/opt", "/opt/mlflow", "/opt/mlflow-machine", "/root", "/home"),
    *("/srv", "/srv/data", "/srv/data/caddy", "/var", "/var/lib", "/var/log", "/var/lib/cloud", "/var/cache"),
    *("/run", "/run/systemd", "/etc/systemd/system", "/etc/mlflow", "/sys", "/proc/sys/kernel", "/media", "/mnt"),
    *("/srv/data/mlflow", "/tmp", "/var/tmp", "/dev/shm"),  # noqa: S108 - these it may
)
PRIVATE = ("/srv/data/caddy", "/etc/shadow", "/root", "/dev/nvme0n1", "/dev/vda")


def can(do: Callable[[], object]) -> bool:
    """Tell whether it works."""
    try:
        do()
    except (OSError, PermissionError, AttributeError):
        return False
    return True


def write(place: str) -> None:
    """Leave a file somewhere and take it away again."""
    path = Path(place, "probe-of-the-sandbox")
    path.write_text("x", encoding="ascii")
    path.unlink()


def read(place: str) -> None:
    """List a folder, or open a file or disk."""
    path = Path(place)
    if path.is_dir():
        next(path.iterdir(), None)
    else:
        path.open("rb").close()


def system_call(name: str, *arguments: object) -> None:
    """Make a call of the C library. Raises OSError if it fails."""
    if getattr(ctypes.CDLL(None, use_errno=True), name)(*arguments) != 0:
        raise OSError(ctypes.get_errno(), name)


def metadata() -> None:
    """Ask for a token where the role's keys come from."""
    request = urllib.request.Request("http://169.254.169.254/latest/api/token", method="PUT")
    request.add_header("X-aws-ec2-metadata-token-ttl-seconds", "60")
    with urllib.request.urlopen(request, timeout=20) as answer:  # noqa: S310
        if answer.status != 200:
            raise OSError


def main() -> None:
    """Try everything and print what worked."""
    found = {
        "writes": [place for place in PLACES if can(partial(write, place))],
        "reads": [place for place in PRIVATE if can(partial(read, place))],
        "powers": [
            name
            for name, do in {
                "become root": lambda: os.setuid(0),
                "mount": lambda: system_call("mount", b"none", b"/tmp", b"tmpfs", 0, None),
                "new namespace": lambda: system_call("unshare", 0x10000000),
                "raw packets": lambda: socket.socket(socket.AF_PACKET, socket.SOCK_RAW),
                "writable code": lambda: mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC),
                "change the host's name": lambda: socket.sethostname("x"),
                "set the clock": lambda: time.clock_settime(time.CLOCK_REALTIME, time.time()),
            }.items()
            if can(do)
        ],
        "sees process 1": Path("/proc/1").exists(),
        "user": os.getuid(),
        "reaches the role's keys": can(metadata),
    }
    sys.stdout.write(json.dumps(found) + "\n")


if __name__ == "__main__":
    main()
