"""Finds an unpacked copy of the AWS provider on this machine, for classrooms without internet.

Terraform's own words for it: a filesystem mirror in the unpacked layout, `HOST/hashicorp/aws/VERSION/OS_ARCH/`
https://developer.hashicorp.com/terraform/cli/config/config-file#implied-local-mirror-directories
"""

from __future__ import annotations

import platform
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

from bootstrap.errors import ToolMissing

VARIABLE = "BOOTSTRAP_TF_MIRROR"

_MACHINES = {"x86_64": "amd64", "amd64": "amd64", "aarch64": "arm64", "arm64": "arm64", "i386": "386"}


def platform_tag() -> str:
    """Return this machine as Terraform writes it, for instance `linux_amd64`."""
    system = {"win32": "windows", "darwin": "darwin"}.get(sys.platform, sys.platform)
    machine = platform.machine().lower()
    return f"{system}_{_MACHINES.get(machine, machine)}"


def search_places(environ: Mapping[str, str], home: Path, folder: Path) -> list[Path]:
    """Return the folders that may be a mirror, in the order they are looked at."""
    places: list[Path] = [folder / "terraform.d" / "plugins"]
    if sys.platform == "win32":
        if roaming := environ.get("APPDATA"):
            places += [
                Path(roaming) / "terraform.d" / "plugins",
                Path(roaming) / "HashiCorp" / "Terraform" / "plugins",
            ]
    else:
        places.append(home / ".terraform.d" / "plugins")
        if sys.platform == "darwin":
            support = "Library/Application Support/io.terraform/plugins"
            places += [home / support, Path("/") / support]
        data_home = environ.get("XDG_DATA_HOME") or str(home / ".local" / "share")
        data_dirs = environ.get("XDG_DATA_DIRS") or "/usr/local/share:/usr/share"
        places += [Path(d) / "terraform" / "plugins" for d in (data_home, *data_dirs.split(":")) if d]
        places += _optional_software(Path("/opt"))
    return list(dict.fromkeys(places))


def find_mirror(environ: Mapping[str, str], home: Path, folder: Path, version: str) -> Path | None:
    """Return the mirror that holds the AWS provider of this version for this machine, or None.

    Raises ToolMissing if BOOTSTRAP_TF_MIRROR names a folder that does not hold it: what was asked for by name
    is not silently replaced.
    """
    if named := environ.get(VARIABLE):
        place = Path(named).expanduser()
        if _holds(place, version):
            return place.resolve()
        raise ToolMissing(
            f"{VARIABLE} is {place}, but there is no {wanted(version)} in it.",
            hint="Unpack the provider there, or unset the variable to let Terraform download it.",
        )
    for place in search_places(environ, home, folder):
        if _holds(place, version):
            return place.resolve()
    return None


def wanted(version: str) -> str:
    """Return what a mirror must hold, for messages."""
    return f"*/hashicorp/aws/{version}/{platform_tag()}/terraform-provider-aws*"


def _holds(place: Path, version: str) -> bool:
    try:
        return any(place.glob(wanted(version)))
    except OSError:
        return False


def _optional_software(root: Path) -> Iterator[Path]:
    try:
        yield from sorted(child for child in root.iterdir() if child.is_dir())
    except OSError:
        return
