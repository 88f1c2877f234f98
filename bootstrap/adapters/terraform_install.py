"""Finds Terraform on this machine, or fetches a pinned release into the user's cache and checks its hash."""

from __future__ import annotations

import hashlib
import io
import os
import re
import shutil
import time
import zipfile
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from bootstrap.adapters.files import check_writable, locked
from bootstrap.adapters.process import Call, run
from bootstrap.core.manifest import size_text
from bootstrap.errors import BootstrapError, ToolMissing

if TYPE_CHECKING:
    import urllib.request

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
_OFFLINE = f"Connect, or behind a proxy set HTTPS_PROXY. Without a network: {_MANUAL}"

# How long another run of ours may take to fetch it.
_WAIT_SECONDS = 900.0
# How long a server may say nothing.
_SILENCE_SECONDS = 30.0
# What is waited before each further try after a download broke off.
_PAUSES = (1.0, 2.0, 4.0, 8.0)
_PASSING = frozenset({429, 500, 502, 503, 504})
_CHUNK = 1 << 16
_SHOWN_EVERY_SECONDS = 0.25


class UnderWay(Protocol):
    """Something that takes a while."""

    def detail(self, text: str) -> None:
        """Say how far it is."""


@dataclass(frozen=True)
class Found:
    """A look around this machine: the program, or None and `why` it has to be fetched."""

    program: Path | None
    why: str = ""


def find_terraform(
    environ: Mapping[str, str],
    cache: Path,
    platform_tag: str,
    say: Callable[[str], None],
    step: Callable[[str], AbstractContextManager[UnderWay]],
) -> Path:
    """Return a Terraform program that is new enough.

    Looks at BOOTSTRAP_TERRAFORM, then on PATH, then in `cache`; else downloads the pinned release there, which `say`
    tells before and `step` while it goes on. What is too old on PATH stays there and is passed over.
    Raises ToolMissing if there is none, if the one that was named is too old, if there is no network, or if the
    download's hash is not the pinned one, and BootstrapError if it cannot be written.
    """
    found = look_for_terraform(environ, cache, platform_tag)
    if found.program is not None:
        return found.program
    target = _cached(cache, platform_tag)
    say(f"{found.why}; fetching {PINNED} into {target.parent} (about 30 MB) …")
    with step(f"Fetching Terraform {PINNED}") as under_way:
        _fetch(environ.get(RELEASES_VARIABLE) or RELEASES, platform_tag, target, found.why, under_way.detail)
    return target


def look_for_terraform(environ: Mapping[str, str], cache: Path, platform_tag: str) -> Found:
    """Look where `find_terraform` does, and ask no network.

    Raises ToolMissing if what BOOTSTRAP_TERRAFORM names is not there or too old (what was asked for by name is not
    silently replaced), or if what is there does not answer like Terraform.
    """
    if named := environ.get(VARIABLE):
        path = Path(named).expanduser()
        if not path.is_file():
            raise ToolMissing(f"{VARIABLE} is {path}, but there is no such program.", hint=_MANUAL)
        if too_old := _too_old(path, environ):
            raise ToolMissing(f"{too_old}.", hint=f"Upgrade it, or point {VARIABLE} at a newer one.")
        return Found(path)
    why = "Terraform is not on this machine"
    if on_path := shutil.which("terraform", path=environ.get("PATH")):
        if not (too_old := _too_old(Path(on_path), environ)):
            return Found(Path(on_path))
        why = too_old
    cached = _cached(cache, platform_tag)
    return Found(cached) if cached.is_file() else Found(None, why)


def terraform_version(binary: Path, environ: Mapping[str, str]) -> tuple[int, int, int]:
    """Return Terraform's version as three numbers. Raises ToolMissing if the program does not say one."""
    done = run(Call((str(binary), "version"), env=dict(environ) | {"CHECKPOINT_DISABLE": "1"}), timeout=30)
    match = re.search(r"Terraform v(\d+)\.(\d+)\.(\d+)", done.stdout)
    if match is None:
        raise ToolMissing(f"{binary} does not answer like Terraform.", hint=_MANUAL)
    major, minor, patch = (int(part) for part in match.groups())
    return major, minor, patch


def _too_old(binary: Path, environ: Mapping[str, str]) -> str:
    """Return a sentence (without its full stop) if this one is too old, else nothing."""
    version = terraform_version(binary, environ)
    have, need = (".".join(map(str, v)) for v in (version, MINIMUM))
    return f"Terraform {have} at {binary} is too old; this needs {need} or later" if version < MINIMUM else ""


def _cached(cache: Path, platform_tag: str) -> Path:
    return cache / "terraform" / PINNED / ("terraform.exe" if platform_tag.startswith("windows") else "terraform")


def _fetch(releases: str, platform_tag: str, target: Path, why: str, progress: Callable[[str], None]) -> None:
    """Bring the pinned release to `target`, whole or not at all, and once if several ask for it at the same time."""
    pinned = SHA256.get(platform_tag)
    if pinned is None:
        raise ToolMissing(f"{why}, and there is no pinned one for {platform_tag}.", hint=_MANUAL)
    if "@" in releases.partition("://")[2].partition("/")[0]:
        raise ToolMissing(f"{RELEASES_VARIABLE} has a login in it, and logs in nowhere.", hint=_MANUAL)
    # Before the download, which is wasted if there is no place for it.
    check_writable(target, hint=_MANUAL)
    with locked(target, timeout=_WAIT_SECONDS):
        if target.is_file():
            return  # another run has fetched it while we waited
        url = f"{releases}/{PINNED}/terraform_{PINNED}_{platform_tag}.zip"
        data = _download(url, why, progress)
        digest = hashlib.sha256(data).hexdigest()
        if digest != pinned:
            raise ToolMissing(
                f"What {url} gave is not the release we pinned: its SHA-256 is {digest}, not {pinned}. "
                "It was thrown away.",
                hint=f"Try again on another network. {_MANUAL}",
            )
        _unpack(data, target)


def _unpack(data: bytes, target: Path) -> None:
    """Write the program in a release to `target`. What a killed run left half-written is written anew."""
    part = target.with_name(f"{target.name}.part")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            with (
                zipfile.ZipFile(io.BytesIO(data)) as archive,
                archive.open(target.name) as source,
                part.open("wb") as file,
            ):
                shutil.copyfileobj(source, file)
                file.flush()
                os.fsync(file.fileno())
            part.chmod(0o755)
            part.replace(target)
        finally:
            part.unlink(missing_ok=True)
    except OSError as error:
        raise BootstrapError(f"{target} cannot be written: {error.strerror}", hint=_MANUAL) from error


def _download(url: str, why: str, progress: Callable[[str], None]) -> bytes:
    """Return what `url` gives. What breaks off is gone on with from there, a few times. Raises ToolMissing."""
    import http.client
    import urllib.error

    opener, data = _opener(), bytearray()
    pauses = iter(_PAUSES)
    while True:
        try:
            _read_on(opener, url, data, progress)
            return bytes(data)
        except urllib.error.HTTPError as error:
            error.close()
            problem, passing = f"answered {error.code} {error.reason}", error.code in _PASSING
        except urllib.error.URLError as error:
            # Where nothing at all has come, nothing will in a few seconds; else the network may be back soon.
            problem, passing = f"cannot be reached ({error.reason})", bool(data)
        except (ValueError, http.client.InvalidURL) as error:  # the address is none
            problem, passing = f"cannot be reached ({error})", False
        except (OSError, http.client.HTTPException) as error:
            reason = str(error) or type(error).__name__
            problem, passing = f"broke off after {size_text(len(data))} ({reason})", True
        pause = next(pauses, None) if passing else None
        if pause is None:
            raise ToolMissing(f"{why}, and {url} {problem}.", hint=_OFFLINE)
        progress(f"{problem}; trying again")
        time.sleep(pause)


def _read_on(opener: urllib.request.OpenerDirector, url: str, data: bytearray, progress: Callable[[str], None]) -> None:
    """Read what of `url` is not in `data` yet. Raises what urllib does, and OSError if the end is missing."""
    import urllib.request

    request = urllib.request.Request(url)  # noqa: S310 - https, or what the user named; the hash is pinned
    if data:
        # https://www.rfc-editor.org/rfc/rfc9110#section-14.2
        request.add_header("Range", f"bytes={len(data)}-")
    with opener.open(request, timeout=_SILENCE_SECONDS) as answer:
        if not str(answer.headers.get("Content-Range", "")).startswith(f"bytes {len(data)}-"):
            data.clear()  # this server begins at the beginning
        length = answer.headers.get("Content-Length", "")
        total = len(data) + int(length) if length.isdigit() else None
        began, before = time.monotonic(), len(data)
        shown = began
        while chunk := answer.read(_CHUNK):
            data += chunk
            now = time.monotonic()
            if now - shown >= _SHOWN_EVERY_SECONDS:
                shown = now
                progress(_how_far(len(data), total, (len(data) - before) / (now - began)))
    if total is not None and len(data) < total:
        raise ConnectionError(f"{size_text(total)} were promised")


def _how_far(done: int, total: int | None, rate: float) -> str:
    """Return how many bytes have come, how many a second, and how long the rest takes at that rate."""
    if total is None:
        return f"{size_text(done)}, {size_text(int(rate))}/s"
    left = (total - done) / rate
    return f"{size_text(done)} of {size_text(total)}, {size_text(int(rate))}/s, {left:.0f} s left"


def _opener() -> urllib.request.OpenerDirector:
    """Return what opens addresses: through the proxy that HTTPS_PROXY and its like name.

    It trusts the authorities that the system trusts, where a school's own proxy may have put its own, and those that
    browsers trust: a Python from python.org knows none of the system's on macOS.
    https://docs.python.org/3/using/mac.html#installation-steps
    """
    import ssl
    import urllib.request

    import certifi

    context = ssl.create_default_context()
    context.load_verify_locations(certifi.where())
    return urllib.request.build_opener(urllib.request.HTTPSHandler(context=context))
