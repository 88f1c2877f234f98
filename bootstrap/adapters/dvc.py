"""The DVC remote in a repository's `.dvc/config`, and what of it is personal in `.dvc/config.local`.

Read and written with configobj, the library DVC itself does it with; its own command takes half a second for each
value. `dvc init` is DVC's own. In `.dvc/config.local` single lines are put in and taken out: it may hold secrets of the
user's, so no copy of it is kept to put it back from.
https://doc.dvc.org/user-guide/project-structure/configuration
"""

from __future__ import annotations

import hashlib
import io
import re
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bootstrap.adapters.files import check_writable, read_text, write_atomic
from bootstrap.adapters.files import remove as remove_file
from bootstrap.adapters.process import Call, find, run
from bootstrap.errors import BootstrapError, ConfigError, ToolMissing

# The file that is shared through git, below the repository.
CONFIG = ".dvc/config"
# The line of `.dvc/.gitignore` by which `dvc init` keeps the personal file out of git.
LOCAL_IGNORED = "/config.local"

# A section's header in the three ways that configobj takes its name, and a line of a section that names a profile.
_HEADER = re.compile(r"""\s*\[\s*(?:'(.*?)'|"(.*?)"|([^'"\s].*?))\s*\]\s*(?:#.*)?$""")
_PROFILE = re.compile(r"""\s*(['"]?)profile\1\s*=""")


@dataclass(frozen=True)
class Remote:
    """A DVC remote of ours: its name, its S3 address and the AWS profile that opens it.

    `profile` is the same for everybody and shared through git. `personal`: the name it has on this machine, if that is
    another one; it goes into the file that git does not see.
    """

    name: str
    url: str
    profile: str
    personal: str | None = None


@dataclass(frozen=True)
class Before:
    """What `core` said before us, so that it can be put back. None: nothing.

    `text`: the whole file, if it is known; then a remote of our name that it had is put back as well, and the file
    byte for byte unless something else in it was changed since.
    """

    default: str | None
    autostage: str | None
    text: str | None = None


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


def init(top: Path, environ: Mapping[str, str], *, holds: int | None = None) -> dict[str, str]:
    """Make the git repository at `top` a DVC repository too; DVC then `holds` a lock with us.

    Returns the files that this made, as `_digests` does. Raises ToolMissing without DVC, BootstrapError.
    """
    program = find("dvc", environ)
    if program is None:
        raise ToolMissing(
            "DVC is not on this machine, so no DVC remote was written.",
            hint="pip install 'dvc[s3]', then run the same command again.",
        )
    before = _digests(top)
    done = run(Call((program, "init"), top, dict(environ) | {"DVC_NO_ANALYTICS": "1"}, holds=holds), timeout=120)
    if done.returncode != 0:
        raise BootstrapError(
            f"`dvc init` in {top} failed: {done.stderr.strip()}",
            hint="Mend that, then run the same command again.",
        )
    return {path: digest for path, digest in _digests(top).items() if path not in before}


def _digests(repository: Path) -> dict[str, str]:
    """Return path below the repository → digest for the files that make it one: all of `.dvc/`, and `.dvcignore`."""
    found = [repository / ".dvcignore", *(repository / ".dvc").rglob("*")]
    return {
        path.relative_to(repository).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(found)
        if path.is_file()
    }


def is_untouched(repository: Path, made: Mapping[str, str]) -> bool:
    """Tell whether nothing but what `dvc init` `made` is there, and as it left it.

    What DVC's own commands leave in `.dvc/tmp` while they look around does not count.
    """
    now = {path: digest for path, digest in _digests(repository).items() if not _is_passing(path)}
    return bool(made) and now == {path: digest for path, digest in made.items() if not _is_passing(path)}


def forget(repository: Path, made: Mapping[str, str]) -> None:
    """Make the repository no DVC repository any more: remove what `dvc init` `made`, and all of `.dvc/`."""
    for path in made:
        (repository / path).unlink(missing_ok=True)
    shutil.rmtree(repository / ".dvc", ignore_errors=True)


def _is_passing(path: str) -> bool:
    """Say whether a path is a file directly in `.dvc/tmp`; folders in there hold experiments that wait to run."""
    return path.startswith(".dvc/tmp/") and path.count("/") == 2


def config_path(repository: Path) -> Path:
    """Return the file that is shared through git."""
    return repository / CONFIG


def local_path(repository: Path) -> Path:
    """Return the file that is for this machine alone; what it says wins over the shared one."""
    return repository / ".dvc" / "config.local"


def local_gitignore(repository: Path) -> Path:
    """Return the file by which `dvc init` keeps the personal one out of git."""
    return repository / ".dvc" / ".gitignore"


def ignores_local(repository: Path) -> bool:
    """Tell whether that file has the line that `dvc init` writes, LOCAL_IGNORED."""
    return LOCAL_IGNORED in (read_text(local_gitignore(repository)) or "").splitlines()


def config_text(repository: Path) -> str:
    """Return the text of that file, empty if there is none."""
    return read_text(config_path(repository)) or ""


def core(repository: Path) -> Before:
    """Return what the `core` section says now."""
    found = _load(repository).get("core", {})
    return Before(found.get("remote"), found.get("autostage"))


def check(repository: Path, remote: Remote) -> None:
    """Raise ConfigError if a remote of this name is there that somebody wrote by hand.

    One that leads to the bucket of `remote` is not: it came with the repository from a teammate or the instructor.
    Raises BootstrapError if a file cannot be written, ConfigError if `.dvc/config.local` cannot get the personal name.
    """
    check_writable(config_path(repository))
    if remote.personal is not None:
        check_writable(local_path(repository))
        _with_personal(repository, remote.name, remote.personal)
    found = _load(repository).get(_section(remote.name))
    if found is not None and not _is_ours(found, remote) and not _same_bucket(found, remote):
        path = config_path(repository)
        raise ConfigError(
            f"{path} has a DVC remote '{remote.name}' that this tool did not write; it was left alone.",
            hint=f"Give it another name: dvc remote rename {remote.name} my-{remote.name}",
        )


def write(repository: Path, remote: Remote, ours: frozenset[str], *, autostage: bool = True) -> Before | None:
    """Write the remote with `url` and `profile` only, autostage, and make it the default.

    A default remote that is neither this one nor among `ours` (names) is the user's and stays. `autostage` is for a
    repository that git knows too: DVC fails where there is nothing to stage in. Returns what `core` said before, or
    None if nothing had to change.
    """
    config = _load(repository)
    settings = config.setdefault("core", {})
    before = Before(settings.get("remote"), settings.get("autostage"))
    text = _dump(config)
    config[_section(remote.name)] = {"url": remote.url, "profile": remote.profile}
    if autostage:
        settings["autostage"] = "true"
    if before.default is None or before.default == remote.name or before.default in ours:
        settings["remote"] = remote.name
    if _dump(config) == text:
        return None
    _save(repository, config)
    return before


def committed_before(repository: Path, remote: Remote, before: Before, committed: str) -> Before | None:
    """Return what `remove` has to put back where git has a remote of this name, None where it has none of ours.

    `committed` is the text of `.dvc/config` that git has. Another remote of this name that `before` has too is what
    was there before us, and stays what is put back.
    """
    try:
        config = _parse(config_path(repository), committed)
    except ConfigError:
        # Git has it broken; what is on the disk is not, or `remove` says so.
        return None
    section, core = config.get(_section(remote.name)), config.get("core", {})
    if section is None:
        return None
    ours = {"url": remote.url, "profile": remote.profile}
    if {**section, **ours} != dict(section) and _section(remote.name) in _parse(
        config_path(repository), before.text or ""
    ):
        return None
    return Before(core.get("remote"), core.get("autostage"), committed)


def remove(repository: Path, remote: Remote, before: Before) -> bool:
    """Take our remote out again and put `core` back to `before`. Return False if it was not there."""
    config = _load(repository)
    text = _dump(config)
    section = _section(remote.name)
    found = config.get(section)
    if found is None or not _is_ours(found, remote):
        return False
    earlier = _parse(config_path(repository), before.text or "")
    if section in earlier:
        config[section] = earlier[section]
    else:
        del config[section]
    settings = config.get("core", {})
    if settings.get("remote") == remote.name:
        _restore(settings, "remote", before.default if before.default != remote.name or section in earlier else None)
    if settings.get("autostage") == "true":
        _restore(settings, "autostage", before.autostage)
    if not settings and "core" not in earlier:
        config.pop("core", None)
    if _dump(config) == text:
        return True
    if before.text is not None and _dump(config) == _dump(earlier):
        write_atomic(config_path(repository), before.text)
    else:
        _save(repository, config)
    return True


def default_remote(repository: Path) -> str | None:
    """Return the name of the default remote, if there is one."""
    value = core(repository).default
    return str(value) if value else None


def url_of(repository: Path, name: str) -> str | None:
    """Return the address of a remote, if there is one of this name."""
    value = _load(repository).get(_section(name), {}).get("url")
    return str(value) if value else None


def is_written(repository: Path, remote: Remote) -> bool:
    """Tell whether our remote stands there as it should, and the personal name of its profile if it has one."""
    found = _load(repository).get(_section(remote.name))
    if found is None or dict(found) != {"url": remote.url, "profile": remote.profile}:
        return False
    return remote.personal is None or personal_profile(repository, remote.name) == remote.personal


def personal_profile(repository: Path, name: str) -> str | None:
    """Return the profile that `.dvc/config.local` gives a remote, if it does. Raises ConfigError."""
    value = _profile_in(_parse(local_path(repository), _local_text(repository)), name)
    return str(value) if value else None


def personal_before(repository: Path, name: str) -> str:
    """Return what `remove_personal` has to know of `.dvc/config.local` as it is before `write_personal`.

    `no section` and `no profile` are what they say; else it is the line with the user's own profile for this remote.
    """
    lines = _local_text(repository).splitlines()
    header, place = _places(lines, name)
    if header is None:
        return "no section"
    return "no profile" if place is None else lines[place]


def write_personal(repository: Path, name: str, profile: str) -> None:
    """Let `.dvc/config.local` give a remote this `profile`; every other line stays as it is. Raises ConfigError."""
    write_atomic(local_path(repository), _with_personal(repository, name, profile))


def remove_personal(repository: Path, name: str, profile: str, before: str, file: str) -> bool:
    """Undo `write_personal`. Return False, and change nothing, if another profile stands there by now.

    `before` is what `personal_before` said. `file`: what there was before our first line of any remote: `no file`,
    `no newline` at its end, or `whole`.
    """
    if personal_profile(repository, name) != profile:
        return False
    path = local_path(repository)
    lines = _local_text(repository).splitlines(keepends=True)
    header, place = _places(lines, name)
    if header is None or place is None:
        return False
    if before not in ("no section", "no profile"):
        lines[place] = before + _ending(lines[place])
    else:
        alone = before == "no section" and all(
            number == place or not lines[number].strip() for number in range(header + 1, _end(lines, header))
        )
        was_last = place == len(lines) - 1
        del lines[place]
        if alone:
            del lines[header]
        if was_last and lines and file == "no newline":
            lines[-1] = lines[-1].rstrip("\r\n")
    if not lines and file == "no file":
        remove_file(path)
    else:
        write_atomic(path, "".join(lines))
    return True


def _section(name: str) -> str:
    return f'remote "{name}"'


def _is_ours(section: Mapping[str, str], remote: Remote) -> bool:
    # The profile's name holds project and environment; nobody else's remote would use it with our bucket.
    if section.get("profile") == remote.profile:
        return True
    # A personal name says so only together with the bucket. Earlier versions wrote it here.
    return remote.personal is not None and section.get("profile") == remote.personal and _same_bucket(section, remote)


def _same_bucket(section: Mapping[str, str], remote: Remote) -> bool:
    bucket = remote.url.removeprefix("s3://").partition("/")[0]
    return bool(bucket) and str(section.get("url", "")).startswith(f"s3://{bucket}/")


def _restore(settings: dict[str, str], name: str, value: str | None) -> None:
    if value is None:
        settings.pop(name, None)
    else:
        settings[name] = value


def _local_text(repository: Path) -> str:
    return read_text(local_path(repository)) or ""


def _with_personal(repository: Path, name: str, profile: str) -> str:
    """Return the text of `.dvc/config.local` with this profile for a remote, and nothing else changed.

    Raises ConfigError for a file that DVC cannot read, or in which a value over several lines hides the place.
    """
    path = local_path(repository)
    text = _local_text(repository)
    config = _parse(path, text)
    if _profile_in(config, name) == profile:
        return text
    newline = "\r\n" if "\r\n" in text else "\n"
    line = f"    profile = {profile}"
    lines = text.splitlines(keepends=True)
    header, place = _places(lines, name)
    if place is not None:
        lines[place] = line + _ending(lines[place])
    else:
        if header is None:
            header = len(lines)
            # Quoted as configobj does it, and with it DVC.
            lines.append(f"['{_section(name)}']{newline}")
        if header and not _ending(lines[header - 1]):
            lines[header - 1] += newline
        if not _ending(lines[header]):
            lines[header] += newline
        lines.insert(header + 1, line + newline)
    after = "".join(lines)
    config.setdefault(_section(name), {})["profile"] = profile
    if _parse(path, after).dict() != config.dict():
        raise ConfigError(
            f"{path} cannot be changed line by line: a value in it goes over several lines.",
            hint=f"Write each value in one line, or do it yourself: dvc remote modify --local {name} profile {profile}",
        )
    return after


def _places(lines: Sequence[str], name: str) -> tuple[int | None, int | None]:
    """Return which of the lines is the header of a remote's section, and which in it names the profile."""
    header = next((number for number, line in enumerate(lines) if _header_of(line) == _section(name)), None)
    if header is None:
        return None, None
    inside = range(header + 1, _end(lines, header))
    return header, next((number for number in inside if _PROFILE.match(lines[number])), None)


def _end(lines: Sequence[str], header: int) -> int:
    """Return the number of the first line behind a section."""
    return next((n for n in range(header + 1, len(lines)) if _header_of(lines[n]) is not None), len(lines))


def _header_of(line: str) -> str | None:
    found = _HEADER.match(line)
    return next(part for part in found.groups() if part is not None).strip() if found else None


def _ending(line: str) -> str:
    return line[len(line.rstrip("\r\n")) :]


def _profile_in(config: Any, name: str) -> Any:
    section = config.get(_section(name))
    return section.get("profile") if isinstance(section, Mapping) else None


def _load(repository: Path) -> Any:
    return _parse(config_path(repository), config_text(repository))


def _parse(path: Path, text: str) -> Any:
    from configobj import ConfigObj, ConfigObjError

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
