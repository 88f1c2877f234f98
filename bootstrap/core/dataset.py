"""Datasets in an environment's bucket: where each lies, and the card that makes a version of it exist.

    dataset/laptops/v2/laptop.csv    the files of version 2, under their own names; never changed once it is there
    dataset/laptops/v2.json          its card: every file with size and SHA-256. Written last: without it there is no v2
    dataset/laptops/v2.md            the same for people
    dataset/laptops/v2.begun.json    who is filling v2; gone when its card is there

The newest version is the one with the highest number that has a card, so there is no pointer that could lead elsewhere.
"""

from __future__ import annotations

import hashlib
import json
import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from bootstrap.core.counts import counted
from bootstrap.core.manifest import folded, is_plain, size_text
from bootstrap.core.names import slug_problem
from bootstrap.core.slip import did_you_mean
from bootstrap.errors import BootstrapError, UsageError

PREFIX = "dataset/"
SCHEMA = 1
NAME_LENGTH = (1, 64)

_CARD = re.compile(r"v([1-9][0-9]{0,5})\.json")
_SHA256 = re.compile(r"[0-9a-f]{64}")
# As many columns as a page still shows well.
_SHOWN_COLUMNS = 40


@dataclass(frozen=True)
class DataFile:
    """A file of a dataset: `path` below it with `/`, `size` in bytes, `sha256` in hexadecimal.

    Of a table (CSV) also its number of rows, without the header, and its columns; of anything else None and nothing.
    """

    path: str
    size: int
    sha256: str
    rows: int | None = None
    columns: tuple[str, ...] = ()


@dataclass(frozen=True)
class Card:
    """One version of a dataset. `made` is ISO 8601 in UTC, `by` who pushed it, `note` what they said of it."""

    name: str
    version: int
    made: str
    by: str
    files: tuple[DataFile, ...]
    note: str = ""

    @property
    def size(self) -> int:
        """The bytes of all files together."""
        return sum(one.size for one in self.files)

    @property
    def rows(self) -> int | None:
        """The rows of its only table; None if it is none, or several."""
        return self.files[0].rows if len(self.files) == 1 else None

    @property
    def digest(self) -> str:
        """One SHA-256 for all of it."""
        return digest_of(self.files)

    @property
    def title(self) -> str:
        """Name and version, in a message."""
        return f"{self.name} v{self.version}"

    def as_dict(self) -> dict[str, Any]:
        """Return it for `--json`, without its files one by one."""
        return {
            "name": self.name,
            "version": self.version,
            "made": self.made,
            "by": self.by,
            "note": self.note,
            "files": len(self.files),
            "bytes": self.size,
            "rows": self.rows,
            "digest": self.digest,
        }

    def to_json(self) -> str:
        """Return it as the text of its object."""
        head = {**self.as_dict(), "schema": SCHEMA, "files": [asdict(one) for one in self.files]}
        return json.dumps(head, indent=1, ensure_ascii=False) + "\n"

    def to_markdown(self) -> str:
        """Return it as a page for people."""
        lines = [f"# {self.name}, version {self.version}", ""]
        lines += [self.note, ""] if self.note else []
        lines += [
            f"{counted(len(self.files), 'file')}, {size_text(self.size)}; pushed {self.made[:10]} by {self.by}.",
            f"Digest: `{self.digest}`",
            "",
            "| file | size | rows | columns | SHA-256 |",
            "|---|---|---|---|---|",
        ]
        for one in self.files:
            rows, width = ("-", "-") if one.rows is None else (f"{one.rows:,}", str(len(one.columns)))
            lines.append(f"| {_cell(one.path)} | {size_text(one.size)} | {rows} | {width} | `{one.sha256}` |")
        for one in self.files:
            if one.columns:
                shown = ", ".join(_cell(name) for name in one.columns[:_SHOWN_COLUMNS])
                more = len(one.columns) - _SHOWN_COLUMNS
                lines += ["", f"Columns of {_cell(one.path)}: {shown}" + (f", and {more} more" if more > 0 else "")]
        return "\n".join(lines) + "\n"


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def digest_of(files: Iterable[DataFile]) -> str:
    """Return one SHA-256 for files and their names: that of what `sha256sum` prints of them, sorted by path."""
    lines = "".join(f"{one.sha256}  {one.path}\n" for one in sorted(files, key=lambda one: one.path))
    return hashlib.sha256(lines.encode()).hexdigest()


def parse_card(text: str) -> Card | None:
    """Read a card; None if it is damaged, of a version we do not know, or names a file outside its folder."""
    try:
        found: Any = json.loads(text)
        if found["schema"] != SCHEMA:
            return None
        files = tuple(DataFile(**{**one, "columns": tuple(one["columns"])}) for one in found["files"])
        card = Card(found["name"], int(found["version"]), found["made"], found["by"], files, found["note"])
        sound = all(_SHA256.fullmatch(one.sha256) and one.size >= 0 for one in files)
        if not sound or path_problem([one.path for one in files]) or found["digest"] != card.digest:
            return None
    except (ValueError, TypeError, KeyError, AttributeError):
        return None
    return card


@dataclass(frozen=True)
class Claim:
    """That somebody is filling a version: `by` whom, since when (ISO 8601, UTC), and the digest it will have."""

    by: str
    made: str
    digest: str

    def to_json(self) -> str:
        """Return it as the text of its object."""
        return json.dumps(asdict(self)) + "\n"


def parse_claim(text: str) -> Claim | None:
    """Read a claim; None if it is damaged."""
    try:
        return Claim(**json.loads(text))
    except (ValueError, TypeError):
        return None


def folder_key(name: str, version: int) -> str:
    """Return where the files of a version lie, with a slash at the end."""
    return f"{PREFIX}{name}/v{version}/"


def card_key(name: str, version: int) -> str:
    """Return where the card of a version lies."""
    return f"{PREFIX}{name}/v{version}.json"


def page_key(name: str, version: int) -> str:
    """Return where the card for people lies."""
    return f"{PREFIX}{name}/v{version}.md"


def claim_key(name: str, version: int) -> str:
    """Return where it is written down that a version is being filled."""
    return f"{PREFIX}{name}/v{version}.begun.json"


def versions_among(names: Iterable[str]) -> list[int]:
    """Return the versions that have a card, lowest first, of the names of the objects that lie in a dataset."""
    return sorted(int(found[1]) for name in names if (found := _CARD.fullmatch(name)))


def parse_version(text: str) -> int:
    """Read a version as people type it, `2` or `v2`. Raises UsageError."""
    number = text.strip().lower().removeprefix("v")
    if not (number.isascii() and number.isdigit() and int(number) > 0):
        raise UsageError(f"'{text}' is no version of a dataset.", hint="Versions are 1, 2, 3 and so on.")
    return int(number)


def name_of(stem: str, given: str | None) -> str:
    """Return a dataset's name: the one that was `given`, else one made of the name of its file or folder.

    Raises UsageError if that is no name.
    """
    if given is None:
        plain = unicodedata.normalize("NFKD", stem).encode("ascii", "ignore").decode().lower()
        found = re.sub(r"[^a-z0-9]+", "-", plain).strip("-")[: NAME_LENGTH[1]].strip("-")
        if slug_problem(found, NAME_LENGTH) is None:
            return found
        raise UsageError(f"No name can be made of '{stem}'.", hint="Give it one: --name laptops")
    if problem := slug_problem(given, NAME_LENGTH):
        raise UsageError(f"A dataset's name {problem}; '{given}' is none.", hint="For instance --name laptop-prices")
    return given


def path_problem(paths: Sequence[str]) -> str | None:
    """Say why files cannot be taken under these paths, or None if every usual file system can have them all."""
    if odd := next((path for path in paths if not is_plain(path)), None):
        return f"'{odd}' has a name that some machine cannot have for a file"
    seen: dict[str, str] = {}
    for path in paths:
        other = seen.setdefault(folded(path), path)
        if other != path:
            return f"'{other}' and '{path}' are the same name on some machines"
    if len(seen) < len(paths):
        return "a file is there twice"
    return None


def changes(before: Card | None, files: Sequence[DataFile]) -> str:
    """Say in words what is other in `files` than in the version before, such as `1 file changed, 2 new, 1 gone`."""
    then = {one.path: one.sha256 for one in before.files} if before else {}
    now = {one.path: one.sha256 for one in files}
    changed = sum(path in then and then[path] != digest for path, digest in now.items())
    parts = [f"{counted(changed, 'file')} changed" if changed else ""]
    parts += [f"{count:,} {word}" if count else "" for count, word in _came_and_went(then, now)]
    return ", ".join(part for part in parts if part)


def _came_and_went(then: dict[str, str], now: dict[str, str]) -> list[tuple[int, str]]:
    return [(len(now.keys() - then.keys()), "new"), (len(then.keys() - now.keys()), "gone")]


def choose(name: str | None, names: Sequence[str], env: str) -> str:
    """Return the dataset that is meant: the one that is named, or the only one there is.

    Raises BootstrapError if there is no such one, UsageError if there are several and none is named.
    """
    if not names:
        raise BootstrapError(
            f"There is no dataset in '{env}' yet.",
            hint="An instructor puts one there: bootstrap dataset push FILE --env " + env,
        )
    here = ", ".join(names)
    if name is None:
        if len(names) > 1:
            raise UsageError(f"There are several datasets in '{env}': {here}.", hint="Name the one you want.")
        return names[0]
    if name in names:
        return name
    raise BootstrapError(
        f"There is no dataset '{name}' in '{env}'.{did_you_mean(name, names)}", hint=f"There is: {here}."
    )
