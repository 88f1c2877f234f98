"""The DVC remote in a repository's `.dvc/config`.

Read and written with configobj, the library DVC itself does it with; its own command takes half a second for each
value. `dvc init` is DVC's own.
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bootstrap.adapters.files import read_text, write_atomic
from bootstrap.adapters.process import Call, find, run
from bootstrap.errors import BootstrapError, ConfigError, ToolMissing


@dataclass(frozen=True)
class Remote:
    """A DVC remote of ours: its name, its S3 address and the AWS profile that opens it."""

    name: str
    url: str
    profile: str


@dataclass(frozen=True)
class Before:
    """What `core` said before us, so that it can be put back. None: nothing."""

    default: str | None
    autostage: str | None


def find_repository(folder: Path, top: Path) -> Path | None:
    """Return the DVC repository that `folder` is in, looking up to the git repository's `top`."""
    for place in (folder, *folder.parents):
        if (place / ".dvc").is_dir():
            return place
        if place == top:
            break
    return None


def is_installed(environ: Mapping[str, str]) -> bool:
    """Tell whether there is a `dvc` command."""
    return find("dvc", environ) is not None


def init(top: Path, environ: Mapping[str, str]) -> None:
    """Make the git repository at `top` a DVC repository too. Raises ToolMissing without DVC, BootstrapError."""
    program = find("dvc", environ)
    if program is None:
        raise ToolMissing(
            "DVC is not on this machine, so no DVC remote was written.",
            hint="pip install 'dvc[s3]', then run the same command again.",
        )
    done = run(Call((program, "init"), top, dict(environ) | {"DVC_NO_ANALYTICS": "1"}), timeout=120)
    if done.returncode != 0:
        raise BootstrapError(
            f"`dvc init` in {top} failed: {done.stderr.strip()}",
            hint="Mend that, then run the same command again.",
        )


def config_path(repository: Path) -> Path:
    """Return the file that is shared through git."""
    return repository / ".dvc" / "config"


def check(repository: Path, remote: Remote) -> None:
    """Raise ConfigError if a remote of this name is there that somebody wrote by hand."""
    found = _load(repository).get(_section(remote.name))
    if found is not None and not _is_ours(found, remote):
        path = config_path(repository)
        raise ConfigError(
            f"{path} has a DVC remote '{remote.name}' that this tool did not write; it was left alone.",
            hint=f"Give it another name: dvc remote rename {remote.name} my-{remote.name}",
        )


def write(repository: Path, remote: Remote, ours: frozenset[str]) -> Before | None:
    """Write the remote with `url` and `profile` only, autostage, and make it the default.

    A default remote that is neither this one nor among `ours` (names) is the user's and stays. Returns what
    `core` said before, or None if nothing had to change.
    """
    config = _load(repository)
    core = config.setdefault("core", {})
    before = Before(core.get("remote"), core.get("autostage"))
    text = _dump(config)
    config[_section(remote.name)] = {"url": remote.url, "profile": remote.profile}
    core["autostage"] = "true"
    if before.default is None or before.default == remote.name or before.default in ours:
        core["remote"] = remote.name
    if _dump(config) == text:
        return None
    _save(repository, config)
    return before


def remove(repository: Path, remote: Remote, before: Before) -> bool:
    """Take our remote out again and put `core` back to `before`. Return False if it was not there."""
    config = _load(repository)
    found = config.get(_section(remote.name))
    if found is None or not _is_ours(found, remote):
        return False
    del config[_section(remote.name)]
    core = config.get("core", {})
    if core.get("remote") == remote.name:
        _restore(core, "remote", before.default if before.default != remote.name else None)
    if core.get("autostage") == "true":
        _restore(core, "autostage", before.autostage)
    if not core:
        config.pop("core", None)
    _save(repository, config)
    return True


def default_remote(repository: Path) -> str | None:
    """Return the name of the default remote, if there is one."""
    value = _load(repository).get("core", {}).get("remote")
    return str(value) if value else None


def is_written(repository: Path, remote: Remote) -> bool:
    """Tell whether our remote stands there as it should."""
    found = _load(repository).get(_section(remote.name))
    return found is not None and dict(found) == {"url": remote.url, "profile": remote.profile}


def _section(name: str) -> str:
    return f'remote "{name}"'


def _is_ours(section: Mapping[str, str], remote: Remote) -> bool:
    # The profile's name holds project and environment; nobody else's remote would use it with our bucket.
    return section.get("profile") == remote.profile


def _restore(core: dict[str, str], name: str, value: str | None) -> None:
    if value is None:
        core.pop(name, None)
    else:
        core[name] = value


def _load(repository: Path) -> Any:
    from configobj import ConfigObj, ConfigObjError

    path = config_path(repository)
    text = read_text(path) or ""
    try:
        # Read and indented as DVC does it, so that neither of us reformats what the other wrote.
        # Left to itself it writes ASCII, and fails on a comment in any other language.
        return ConfigObj(text.splitlines(), interpolation=False, indent_type="    ", default_encoding="utf-8")
    except ConfigObjError as error:
        first = error.errors[0] if getattr(error, "errors", None) else error
        line = getattr(first, "line_number", None)
        where = f"{path}:{line}" if line else str(path)
        # Its own words quote the line, which may hold a key.
        raise ConfigError(
            f"{where}: DVC cannot read this line: it is neither a [section] nor `key = value`.",
            hint="Mend that line; nothing was changed.",
        ) from None


def _dump(config: Any) -> str:
    out = io.BytesIO()
    config.write(out)
    return out.getvalue().decode("utf-8")


def _save(repository: Path, config: Any) -> None:
    # Without a secret in it and shared through git, so readable as git would leave it.
    write_atomic(config_path(repository), _dump(config), mode=0o644)
