"""One profile in the two files that AWS's tools read, among whatever the user keeps there."""

from __future__ import annotations

import configparser
import contextlib
import functools
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bootstrap.adapters import files
from bootstrap.core import sections
from bootstrap.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_KEY_ID = "aws_access_key_id"
_SECRET = "aws_secret_access_key"  # noqa: S105 - the name of a setting
_REGION = "region"
_ENDPOINT = "endpoint_url"
# What a profile of ours decides; all else in its section is the user's. A session token belongs to one key
# pair, so one that is left over would make the new pair useless.
_OURS = frozenset({_KEY_ID, _SECRET, "aws_session_token", "aws_security_token", _REGION, _ENDPOINT})

# By whether a member's `join` writes the profile, or `up`.
_RENAME = {
    False: "Rename that section, or choose another `project` in bootstrap.toml, then run again.",
    True: "Give your new profile another name: add --profile NAME.",
}
_OTHER = {
    False: "Choose another `project` in bootstrap.toml, or take that environment down.",
    True: "Give your new profile another name: add --profile NAME.",
}


@dataclass(frozen=True)
class _Edit:
    """A file as it is, and as it is to be (None: gone)."""

    path: Path
    before: str | None
    after: str | None
    values: Mapping[str, Mapping[str, str]]


@dataclass(frozen=True)
class AwsFiles:
    """AWS's config and credentials files. They may be one and the same file, and need not exist.

    `name` is always a profile, `owner` whose it is: the `project/environment` that `up` wrote it for, or the
    `project/environment/member` that has joined. Every method that reads raises ConfigError, naming file and line,
    when a file is not text or the markers around our block are damaged.
    """

    config: Path
    credentials: Path

    @classmethod
    def of(cls, environ: Mapping[str, str], home: Path) -> AwsFiles:
        """Find them as AWS's tools do: AWS_CONFIG_FILE and AWS_SHARED_CREDENTIALS_FILE, else under `home`."""

        def place(variable: str, name: str) -> Path:
            given = re.sub(
                r"\$(?:(\w+)|\{(\w+)\})",
                lambda match: environ.get(match[1] or match[2], match[0]),
                environ.get(variable, ""),
            )
            if not given:
                return home / ".aws" / name
            path = Path(given)
            return home.joinpath(*path.parts[1:]) if path.parts[:1] == ("~",) else path

        return cls(place("AWS_CONFIG_FILE", "config"), place("AWS_SHARED_CREDENTIALS_FILE", "credentials"))

    def check(self, name: str, owner: str) -> None:
        """Raise, before anything is made anywhere, what `write` would raise; change nothing.

        ConfigError: AWS's tools cannot read one of the files, the user has a profile of this name, or another
        environment of ours has it. BootstrapError: a file or its folder is read-only.
        """
        for path, headers in self._headers(name).items():
            self._text_for(path, headers, owner)
            files.check_writable(path, hint=self._elsewhere(path))

    def write(
        self,
        name: str,
        owner: str,
        *,
        region: str,
        access_key_id: str,
        secret_access_key: str,
        endpoint_url: str | None,
    ) -> list[Path]:
        """Write the profile; return the files that changed, if any. Raises what `check` raises.

        Settings of the profile that the user added stay.
        """
        settings = {_REGION: region} | ({_ENDPOINT: endpoint_url} if endpoint_url is not None else {})
        sections_of = {
            name: {_KEY_ID: access_key_id, _SECRET: secret_access_key},
            f"profile {name}": settings,
        }
        with self._locked():
            edits = []
            for path, headers in self._headers(name).items():
                values = {header: sections_of[header] for header in headers}
                before = self._text_for(path, headers, owner)
                adopted = None if before is None else sections.adopt_tail(before, owner)
                old = sections.find_block(adopted, owner) if adopted else None
                lines = tuple(
                    line
                    for header, wanted in values.items()
                    for line in (
                        f"[{header}]",
                        *(f"{key} = {value}" for key, value in wanted.items()),
                        *sections.other_lines(old.lines if old else (), header, _OURS),
                    )
                )
                after = sections.put_block(adopted, sections.Block(owner, lines))
                edits.append(_Edit(path, before, after, values))
            return self._apply(edits, owner)

    def remove(self, name: str, owner: str) -> list[Path]:
        """Take the profile out, with the settings the user added to it; return the files that changed.

        A file that `write` made and that holds nothing else goes too. Raises what `check` raises, except that
        somebody else's profile of that name is no error.
        """
        with self._locked():
            edits = []
            for path, headers in self._headers(name).items():
                before = files.read_text(path)
                if before is None:
                    continue
                with files.naming(path):
                    adopted = sections.adopt_tail(before, owner)
                    after = sections.remove_block(adopted, owner)
                if after != before:
                    _parsed(path, before)
                    edits.append(_Edit(path, before, after, {header: {} for header in headers}))
            return self._apply(edits, owner)

    def read_key(self, name: str, owner: str) -> tuple[str, str] | None:
        """Return the key pair that `write` put there (id, secret), or None."""
        values = self._values(self.credentials, name, owner)
        key_id, secret = values.get(_KEY_ID), values.get(_SECRET)
        return (key_id, secret) if key_id and secret else None

    def endpoint(self, name: str, owner: str) -> str | None:
        """Return the endpoint that `write` put there, or None."""
        return self._values(self.config, f"profile {name}", owner).get(_ENDPOINT)

    def region(self, name: str, owner: str) -> str | None:
        """Return the region that `write` put there, or None."""
        return self._values(self.config, f"profile {name}", owner).get("region")

    def owner_of(self, name: str) -> str | None:
        """Return the environment of ours that wrote this profile; None: no such profile, or the user's."""
        for path, headers in self._headers(name).items():
            text = files.read_text(path) or ""
            with files.naming(path):
                places = [place for header in headers for place in sections.section_lines(text, header)]
            for place in places:
                if place.owner is not None:
                    return place.owner
        return None

    def name_of(self, owner: str) -> str | None:
        """Return the profile that this owner has here, or None."""
        for path, prefix in ((self.credentials, ""), (self.config, "profile ")):
            text = files.read_text(path) or ""
            with files.naming(path):
                block = sections.find_block(text, owner)
            for line in block.lines if block else ():
                if line.startswith("[") and line.endswith("]"):
                    return line[1:-1].removeprefix(prefix)
        return None

    def _headers(self, name: str) -> dict[Path, tuple[str, ...]]:
        """Return which sections go where, in the order of writing.

        Credentials first: a profile that has settings but no key would borrow one from elsewhere.
        """
        if os.path.realpath(self.config) == os.path.realpath(self.credentials):
            return {self.credentials: (name, f"profile {name}")}
        return {self.credentials: (name,), self.config: (f"profile {name}",)}

    def _elsewhere(self, path: Path) -> str:
        variable = "AWS_SHARED_CREDENTIALS_FILE" if path == self.credentials else "AWS_CONFIG_FILE"
        return f"Make the file and its folder writable, or let {variable} name another file, then run again."

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        with contextlib.ExitStack() as stack:
            # Sorted, whatever the variables say: two runs then never wait for each other.
            for path in sorted({os.path.realpath(self.credentials), os.path.realpath(self.config)}):
                stack.enter_context(files.locked(Path(path)))
            yield

    def _text_for(self, path: Path, headers: tuple[str, ...], owner: str) -> str | None:
        """Return the file's text, sure that `owner` may have `headers` in it; None: there is no file."""
        text = files.read_text(path)
        if text is None:
            return None
        _parsed(path, text)
        with files.naming(path):
            for header in headers:
                for line, holder in sections.section_lines(text, header):
                    if holder is None:
                        raise ConfigError(
                            f"line {line}: the section [{header}] is your own, and is never overwritten",
                            hint=_RENAME[owner.count("/") > 1],
                        )
                    if holder != owner:
                        raise ConfigError(
                            f"line {line}: the section [{header}] belongs to the environment {holder}",
                            hint=_OTHER[owner.count("/") > 1],
                        )
        return text

    def _values(self, path: Path, header: str, owner: str) -> dict[str, str]:
        text = files.read_text(path) or ""
        with files.naming(path):
            block = sections.find_block(text, owner)
        return sections.section_values(block.lines, header) if block else {}

    def _apply(self, edits: list[_Edit], owner: str) -> list[Path]:
        for edit in edits:
            if edit.after != edit.before:
                files.check_writable(edit.path, hint=self._elsewhere(edit.path))
        return [edit.path for edit in edits if self._applied(edit, owner)]

    def _applied(self, edit: _Edit, owner: str) -> bool:
        hint = self._elsewhere(edit.path)
        if edit.after is None:
            _unharmed(edit, owner, None)
            # Only the folder that AWS's own tools would make; any other is the user's choice.
            own_folder = edit.path.parent.name == ".aws"
            files.remove(edit.path, and_empty_parent=own_folder, hint=hint)
            return True
        return files.write_atomic(
            edit.path,
            edit.after,
            mode=files.PRIVATE_FILE if edit.path == self.credentials else None,
            check=functools.partial(_unharmed, edit, owner),
            hint=hint,
        )


def _parsed(path: Path, text: str) -> dict[str, Any]:
    """Return what botocore reads in `path`, whose text is `text`. Raises ConfigError where it fails."""
    # Late: most commands never read these files, and need not wait for botocore.
    from botocore.configloader import raw_config_parse
    from botocore.exceptions import ConfigParseError

    try:
        return dict(raw_config_parse(str(path)))
    except ConfigParseError as error:
        details: Mapping[str, object] = error.kwargs
        line, what = _diagnosis(text, details["error"])
        # Not chained: botocore's message quotes the line, and that may be a key.
        raise ConfigError(
            f"{path}, line {line}: {what}",
            hint="AWS's tools cannot read the file, and none of its profiles, as long as that is so. "
            "It was left as it is; mend that line, then run again.",
        ) from None


def _diagnosis(text: str, error: object) -> tuple[int, str]:
    """Return the line where botocore's parser gives up, and why, without a word of what the line holds."""
    if text.startswith("\ufeff"):
        return 1, "the file begins with a byte-order mark; save it as UTF-8 without one"
    if isinstance(error, configparser.DuplicateSectionError):
        return error.lineno or 1, f"the section [{error.section}] is there a second time"
    if isinstance(error, configparser.DuplicateOptionError):
        return error.lineno or 1, f"a key of the section [{error.section}] is there a second time"
    if isinstance(error, configparser.MissingSectionHeaderError):
        return error.lineno, "this line stands before the first [section]"
    if isinstance(error, configparser.ParsingError):
        return error.errors[0][0], "this is neither a [section] nor a `key = value`"
    if isinstance(error, UnicodeDecodeError):
        start = next(index for index, character in enumerate(text) if not character.isascii())
        line = text.count("\n", 0, start) + 1
        return line, f"a character that this system's encoding ({error.encoding}) lacks"
    return sections.nested_gap(text) or 1, "a nested value without `=`"


def _others(parsed: dict[str, Any], edit: _Edit) -> dict[str, Any]:
    return {name: values for name, values in parsed.items() if name not in edit.values}


def _unharmed(edit: _Edit, owner: str, temporary: Path | None) -> None:
    """Raise ConfigError unless botocore reads our sections as meant and every other one just as before.

    `temporary` is the new file, None if it is to go.
    """
    before = _parsed(edit.path, edit.before) if edit.before is not None else {}
    with contextlib.suppress(ConfigError):
        after = _parsed(temporary, edit.after or "") if temporary else {}
        as_meant = all(wanted.items() <= after.get(header, {}).items() for header, wanted in edit.values.items())
        if as_meant and _others(before, edit) == _others(after, edit):
            return
    block = sections.find_block(edit.before or "", owner)
    raise ConfigError(
        f"{edit.path}, line {block.line if block else 1}: the block of bootstrap {owner} cannot be changed "
        "without changing another section; it was left as it is",
        hint="Somebody else's lines stand inside that block or right below it. "
        "Move them under a [section] of their own, above or below, then run again.",
    )
