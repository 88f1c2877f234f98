"""What lies in a folder of copies out of a bucket: where each object goes, and the list that proves it whole.

An archive (all of an environment) and an export (one member's part) have the same layout and the same `manifest.json`.
No secret is in it.
"""

from __future__ import annotations

import hashlib
import json
import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

from bootstrap.errors import BootstrapError

Kind = Literal["archive", "export"]

SCHEMA = 1
MANIFEST = "manifest.json"
# What lies here is about an archive that is not finished yet, and no part of it.
UNFINISHED = ".unfinished"
# Where objects go whose key is no good name for a file, each with a name of ours.
ODD = "+names"

# Where the artifacts of MLflow lie in the bucket, and where beside the copy of its database.
_MLFLOW_PREFIX, _ARTIFACTS = "mlflow/", "mlflow/artifacts"
# Signs and names that Windows gives a meaning of its own; `/` never comes here, `\` does.
# https://learn.microsoft.com/windows/win32/fileio/naming-a-file
_UNSAFE = frozenset('\\:*?"<>|')
_DEVICE = re.compile(r"(?i)(con|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³])(\..*)?")
# Bytes: of one name on every usual file system, and of a whole path, so that it has room below any folder of macOS,
# which takes 1,024.
_LONGEST_NAME, _LONGEST_PATH = 255, 600
_DIGEST, _TAIL = 32, 80
_SHA256 = re.compile(r"[0-9a-f]{64}")
_STEPS = ("bytes", "KB", "MB", "GB", "TB")


@dataclass(frozen=True)
class Source:
    """One object in the bucket, as a list tells of it; `size` in bytes, `modified` ISO 8601 in UTC.

    `version_id` is None where the list does not name it. `old`: not what a plain read would give.
    """

    key: str
    size: int
    etag: str
    modified: str
    version_id: str | None = None
    old: bool = False

    @property
    def is_folder(self) -> bool:
        """Whether it is what a console makes for a folder: a name, and nothing in it."""
        return self.key.endswith("/") and self.size == 0


@dataclass(frozen=True)
class Entry:
    """One file of the folder: `path` below it with `/`, `size` in bytes, `sha256` in hexadecimal.

    The rest is None for a file that is no object of the bucket: the roster, the database of MLflow.
    """

    path: str
    size: int
    sha256: str
    key: str | None = None
    version_id: str | None = None
    etag: str | None = None
    modified: str | None = None

    def is_of(self, source: Source) -> bool:
        """Tell whether it was copied from this very state of an object."""
        same_version = source.version_id is None or source.version_id == self.version_id
        return (self.key, self.etag, self.size) == (source.key, source.etag, source.size) and same_version

    def to_json(self) -> str:
        """Return it as one line."""
        return json.dumps(asdict(self))


@dataclass(frozen=True)
class Origin:
    """What a folder is a copy of. `member` is None for all of an environment."""

    kind: Kind
    project: str
    env: str
    account_id: str
    bucket: str
    member: str | None = None
    versions: bool = False

    def to_json(self) -> str:
        """Return it as one line."""
        return json.dumps(asdict(self))

    def __str__(self) -> str:
        whose = f" of {self.member}" if self.member else ""
        return f"{self.kind}{whose} of '{self.env}' of the project {self.project}"


@dataclass(frozen=True)
class Manifest:
    """The list of a finished folder. `made` is ISO 8601 in UTC; `folders` are the keys of empty folder objects."""

    origin: Origin
    made: str
    files: tuple[Entry, ...]
    folders: tuple[str, ...] = ()

    @property
    def size(self) -> int:
        """The bytes of all files together."""
        return sum(one.size for one in self.files)

    def to_json(self) -> str:
        """Return it as the text of its file, with a line for each file of the folder."""
        head = {"schema": SCHEMA, **asdict(self.origin), "made": self.made, "folders": list(self.folders)}
        lines = ",\n".join(f"  {one.to_json()}" for one in self.files)
        return f'{json.dumps(head, indent=1)[:-2]},\n "files": [\n{lines}\n ]\n}}\n'


def parse_manifest(text: str) -> Manifest | None:
    """Read a manifest; None if it is damaged, of a version we do not know, or speaks of a file outside its folder."""
    try:
        content: Any = json.loads(text)
        if content.pop("schema") != SCHEMA:
            return None
        made, folders = str(content.pop("made")), tuple(str(key) for key in content.pop("folders"))
        files = tuple(_entry(one) for one in content.pop("files"))
        found = Manifest(Origin(**content), made, files, folders)
    except (ValueError, TypeError, KeyError, AttributeError):
        return None
    return found if len({one.path for one in files}) == len(files) else None


def require_manifest(text: str, where: object, hint: str) -> tuple[Manifest, str]:
    """Read the manifest that lies at `where`; return it and the SHA-256 of its text.

    Raises BootstrapError if it cannot be read; `hint` says where another one may be had.
    """
    if (found := parse_manifest(text)) is None:
        raise BootstrapError(
            f"{where} is damaged, or was written by a newer version.", hint=f"Update this tool; {hint}"
        )
    return found, hashlib.sha256(text.encode()).hexdigest()


def parse_entry(line: str) -> Entry | None:
    """Read a line of a journal; None if it is damaged, as the last one of a run that was killed may be."""
    try:
        return _entry(json.loads(line))
    except (ValueError, TypeError):
        return None


def parse_origin(text: str) -> Origin | None:
    """Read what a folder was begun as; None if it is damaged or of a version we do not know."""
    try:
        return Origin(**json.loads(text))
    except (ValueError, TypeError):
        return None


def _entry(values: Any) -> Entry:
    found = Entry(**values)
    if not _stays_below(found.path) or not _SHA256.fullmatch(found.sha256) or found.size < 0:
        raise ValueError(found.path)
    return found


def _stays_below(path: str) -> bool:
    return "\\" not in path and "\0" not in path and not {"", ".", ".."} & set(path.split("/"))


def place(sources: Sequence[Source]) -> dict[str, Source]:
    """Return where each object goes: path below the folder, with `/` → object.

    Each gets a path of its own, also where the file system takes upper and lower case, or two ways to write the same
    accent, for the same. No path leads out of the folder, and none is also the folder of another. Where a key is no
    good path it is given one in `ODD`, made of a digest of the key and what of its end can be read. The order of
    `sources` changes nothing. Folder objects do not belong here.
    """
    plain: dict[Source, str] = {}
    odd: dict[Source, str] = {}
    for one in sources:
        home, rest = _home(one)
        odd[one] = _odd_path(one, home)
        if is_plain(rest) and len(f"{home}/{rest}".encode()) <= _LONGEST_PATH:
            plain[one] = f"{home}/{rest}"
    folders: set[str] = set()
    for path in (*plain.values(), *odd.values()):
        folders.update(_above(folded(path)))
    taken: dict[str, int] = {}
    for path in plain.values():
        taken[folded(path)] = taken.get(folded(path), 0) + 1
    found = {}
    for one in sources:
        path = plain.get(one, "")
        alone = path and taken[folded(path)] == 1 and folded(path) not in folders
        found[path if alone else odd[one]] = one
    return found


def folded(path: str) -> str:
    """Return what of a path a file system may look at that knows no case, and one way only to write an accent."""
    # Upper case in between brings together what only shares that, such as the i with and without its dot.
    plain = unicodedata.normalize("NFD", path).casefold().upper().casefold()
    return unicodedata.normalize("NFD", plain)


def _home(one: Source) -> tuple[str, str]:
    """Return the folder that an object belongs to, and its path from there on."""
    if one.old:
        return "versions", f"{one.key}/{one.version_id}"
    if one.key.startswith(_MLFLOW_PREFIX):
        return _ARTIFACTS, one.key.removeprefix(_MLFLOW_PREFIX)
    top, _, rest = one.key.partition("/")
    if top != "members":
        return "bucket", one.key
    name, has_more, inside = rest.partition("/")
    # Each member's own, so that it can be given to them in one piece.
    return (f"members/{name}", inside) if has_more and is_plain(name) else ("members", rest)


def is_plain(path: str) -> bool:
    """Tell whether a path with `/` can be one on every usual file system, and stays below the folder it is in."""
    return all(_is_plain_name(name) for name in path.split("/"))


def _is_plain_name(name: str) -> bool:
    if name in ("", ".", "..") or name[-1] in " ." or folded(name) == folded(ODD):
        return False
    # Control characters, and halves of a pair, which are no text.
    if any(unicodedata.category(sign) in ("Cc", "Cs") for sign in name) or not _UNSAFE.isdisjoint(name):
        return False
    return len(name.encode()) <= _LONGEST_NAME and not _DEVICE.fullmatch(name)


def _odd_path(one: Source, home: str) -> str:
    whole = f"{one.key}\0{one.version_id}" if one.old else one.key
    digest = hashlib.sha256(whole.encode("utf-8", "surrogatepass")).hexdigest()[:_DIGEST]
    tail = re.sub(r"[^A-Za-z0-9._-]+", "_", one.key.rpartition("/")[2])[-_TAIL:].strip("._-")
    return f"{home}/{ODD}/{digest}-{tail}" if tail else f"{home}/{ODD}/{digest}"


def _above(path: str) -> Iterator[str]:
    while "/" in path:
        path = path.rpartition("/")[0]
        yield path


def size_text(size: float) -> str:
    """Return a number of bytes for people: `512 bytes`, `1.5 GB` (a thousand a step, as disks are sold)."""
    step = 0
    while size >= 999.5 and step < len(_STEPS) - 1:
        size, step = size / 1000, step + 1
    return f"{size:.0f} {_STEPS[step]}" if step == 0 or size >= 99.95 else f"{size:.1f} {_STEPS[step]}"
