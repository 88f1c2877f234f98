"""What the MLflow machine installs: made from .ci/constraints.txt, so that server and clients are of one version.

`python -m tests.machine.requirements` writes it anew, after .ci/renew-constraints, in an environment that has the
`local` extra. Which packages these are is read from those installed here, as Python 3.11 on Linux would need them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from importlib.metadata import distribution
from pathlib import Path

from packaging.markers import Marker
from packaging.requirements import Requirement

from tests.machine.rendering import MACHINE

CONSTRAINTS = Path(__file__).resolve().parents[2] / ".ci" / "constraints.txt"
REQUIREMENTS = MACHINE / "requirements.txt"
_HEAD = """\
# mlflow[auth], boto3 and all they need on Python 3.11 for Linux, at the versions of .ci/constraints.txt.
# Made by tests/machine/requirements.py; do not edit.
"""
# Debian 12 has Python 3.11.2. Which of the two architectures it is makes no difference to the list.
_DEBIAN = {
    "python_version": "3.11",
    "python_full_version": "3.11.2",
    "sys_platform": "linux",
    "platform_system": "Linux",
    "platform_machine": "x86_64",
    "os_name": "posix",
    "implementation_name": "cpython",
    "platform_python_implementation": "CPython",
}


def wanted() -> str:
    """Return what requirements.txt has to say."""
    pins = dict(_pins(CONSTRAINTS.read_text(encoding="utf-8").splitlines()))
    needed: dict[str, set[str]] = {}
    _add(needed, "mlflow", ["auth"])
    _add(needed, "boto3", [])
    return _HEAD + "".join(f"{name}=={pins[name]}\n" for name in sorted(needed))


def _pins(lines: Iterable[str]) -> Iterable[tuple[str, str]]:
    for line in lines:
        pin, _, marker = line.partition(" ; ")
        if "==" in pin and (not marker or Marker(marker).evaluate(_DEBIAN)):
            name, _, version = pin.partition("==")
            yield _normal(name), version.strip()


def _add(needed: dict[str, set[str]], name: str, extras: Iterable[str]) -> None:
    known = needed.setdefault(_normal(name), set())
    new = {"", *extras} - known
    known |= new
    for text in distribution(name).requires or () if new else ():
        requirement = Requirement(text)
        marker = requirement.marker
        if marker is None or any(marker.evaluate({**_DEBIAN, "extra": extra}) for extra in new):
            _add(needed, requirement.name, requirement.extras)


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


if __name__ == "__main__":
    REQUIREMENTS.write_text(wanted(), encoding="utf-8")
