"""Finds Terraform on this machine, or fetches a pinned release into the user's cache and checks its hash."""

from __future__ import annotations

import hashlib
import io
import os
import re
import shutil
import tempfile
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from bootstrap.adapters.process import Call, run
from bootstrap.errors import BootstrapError, ToolMissing

VARIABLE = "BOOTSTRAP_TERRAFORM"
RELEASES_VARIABLE = "BOOTSTRAP_TERRAFORM_RELEASES"
RELEASES = "https://releases.hashicorp.com/terraform"

# Native locking of S3 states (`use_lockfile`) is no experiment any more since 1.11.
# https://github.com/hashicorp/terraform/blob/v1.11/CHANGELOG.md
MINIMUM = (1, 11, 0)
PINNED = "1.11.4"
# From the release's SHA256SUMS file.
SHA256 = {
    "darwin_amd64": "a56d5002b9f7647291faccc3dd1a70350e60fb61e4c45037629508b8fdc2575b",
    "darwin_arm64": "867e0808fa971217043e25b7a792b10720c79b1546f8a68479b74f138be73e18",
    "linux_amd64": "1ce994251c00281d6845f0f268637ba50c0005657eb3cf096b92f753b42ef4dc",
    "linux_arm64": "a43d1d0da9b9bab214a8305a39db0e40869572594ccf50c416a7756499143633",
}

_MANUAL = f"Install Terraform {PINNED} or later yourself, or point {VARIABLE} at its program."


@dataclass(frozen=True)
class Found:
    """A look around this machine: the program, or None and `why` it has to be fetched."""

    program: Path | None
    why: str = ""


def find_terraform(environ: Mapping[str, str], cache: Path, platform_tag: str, say: Callable[[str], None]) -> Path:
    """Return a Terraform program that is new enough.

    Looks at BOOTSTRAP_TERRAFORM, then on PATH, then in `cache`; else downloads the pinned release there.
    Raises ToolMissing if there is none, if it is too old, if there is no network, or if the download's hash
    is not the pinned one.
    """
    found = look_for_terraform(environ, cache, platform_tag)
    if found.program is not None:
        return found.program
    target = _cached(cache, platform_tag)
    say(f"{found.why}; fetching {PINNED} into {target.parent} (about 30 MB) …")
    _fetch(environ.get(RELEASES_VARIABLE) or RELEASES, platform_tag, target)
    return target


def look_for_terraform(environ: Mapping[str, str], cache: Path, platform_tag: str) -> Found:
    """Look where `find_terraform` does, and ask no network. Raises ToolMissing if what there is cannot be used."""
    if named := environ.get(VARIABLE):
        path = Path(named).expanduser()
        if not path.is_file():
            raise ToolMissing(f"{VARIABLE} is {path}, but there is no such program.", hint=_MANUAL)
        return Found(_new_enough(path, environ))
    if found := shutil.which("terraform", path=environ.get("PATH")):
        return Found(_new_enough(Path(found), environ))
    cached = _cached(cache, platform_tag)
    return Found(cached) if cached.is_file() else Found(None, "Terraform is not on this machine")


def _cached(cache: Path, platform_tag: str) -> Path:
    return cache / "terraform" / PINNED / ("terraform.exe" if platform_tag.startswith("windows") else "terraform")


def terraform_version(binary: Path, environ: Mapping[str, str]) -> tuple[int, int, int]:
    """Return Terraform's version as three numbers. Raises ToolMissing if the program does not say one."""
    done = run(Call((str(binary), "version"), env=dict(environ) | {"CHECKPOINT_DISABLE": "1"}), timeout=30)
    match = re.search(r"Terraform v(\d+)\.(\d+)\.(\d+)", done.stdout)
    if match is None:
        raise ToolMissing(f"{binary} does not answer like Terraform.", hint=_MANUAL)
    major, minor, patch = (int(part) for part in match.groups())
    return major, minor, patch


def _new_enough(binary: Path, environ: Mapping[str, str]) -> Path:
    version = terraform_version(binary, environ)
    if version < MINIMUM:
        have, need = (".".join(map(str, v)) for v in (version, MINIMUM))
        raise ToolMissing(
            f"Terraform {have} at {binary} is too old; this needs {need} or later.",
            hint=f"Upgrade it, or point {VARIABLE} at a newer one.",
        )
    return binary


def _fetch(releases: str, platform_tag: str, target: Path) -> None:
    pinned = SHA256.get(platform_tag)
    if pinned is None:
        raise ToolMissing(f"There is no pinned Terraform for {platform_tag}.", hint=_MANUAL)
    url = f"{releases}/{PINNED}/terraform_{PINNED}_{platform_tag}.zip"
    data = _download(url)
    digest = hashlib.sha256(data).hexdigest()
    if digest != pinned:
        raise ToolMissing(
            f"What {url} gave is not the release we pinned: its SHA-256 is {digest}, not {pinned}. It was thrown away.",
            hint=f"Try again on another network. {_MANUAL}",
        )
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with (
            zipfile.ZipFile(io.BytesIO(data)) as archive,
            tempfile.NamedTemporaryFile(dir=target.parent, delete=False) as part,
        ):
            part.write(archive.read(target.name))
        Path(part.name).chmod(0o755)
        os.replace(part.name, target)  # noqa: PTH105 - the atomic one, on every platform
    except OSError as error:
        raise BootstrapError(f"Cannot write {target}: {error.strerror}.", hint=_MANUAL) from error


def _download(url: str) -> bytes:
    import http.client
    import urllib.request

    try:
        with urllib.request.urlopen(url, timeout=60) as answer:  # noqa: S310 - https, or a test's loopback server
            return bytes(answer.read())
    except (OSError, http.client.HTTPException, ValueError) as error:  # a ValueError: the address is none
        raise ToolMissing(
            f"Terraform is not on this machine and {url} cannot be reached ({error}).", hint=_MANUAL
        ) from error
