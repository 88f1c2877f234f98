"""The files of a dataset on this machine: found in a folder, measured, looked into where they are tables."""

from __future__ import annotations

import csv
import hashlib
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from bootstrap.core.dataset import DataFile

_CHUNK = 1024 * 1024
_TABLES = {".csv", ".tsv"}
_SEPARATORS = ",;\t|"
# How many rows go by between two looks at whether to stop.
_ROWS_AT_ONCE = 20_000
# What a header is at most, in signs: something longer is no table for people.
_LONGEST_HEADER = 100_000
# What makes a folder the place of a project, with invites, rosters and settings in it.
_OF_PROJECTS = (".git", ".bootstrap", "bootstrap.toml")
# How files begin or what stands in their first lines that open something, in small letters.
_SECRETS = {
    b"age-encryption.org/v1": "an invite",
    b"age-secret-key-1": "the code of an invite",
    b"private key-----": "a private key",
    b"aws_secret_access_key": "an AWS key",
    b"secret access key": "an AWS key",
    b"mlflow_tracking_password": "a password",
}
_SECRETS_WITHIN = 64 * 1024


@dataclass(frozen=True)
class Found:
    """What is in a place: path below it with `/` → file, what was left out, and the links that lead out of a folder."""

    files: dict[str, Path]
    left_out: tuple[str, ...] = ()
    astray: tuple[Path, ...] = ()


def is_project(place: Path) -> bool:
    """Tell whether a folder is that of a project, or a home, and not one of data."""
    return any((place / name).exists() for name in _OF_PROJECTS) or place.resolve() == Path.home().resolve()


def secret_in(file: Path) -> str | None:
    """Say what a file has in its first 64 KiB that opens something, such as `a private key`; None for nothing."""
    with file.open("rb") as content:
        beginning = content.read(_SECRETS_WITHIN).lower()
    return next((what for mark, what in _SECRETS.items() if mark in beginning), None)


def find(place: Path) -> Found:
    """Return the file that `place` is, or every file below the folder that it is, in order.

    What is hidden is left out, and so are the notes that DVC makes of files. Links to folders are not followed.
    """
    if not place.is_dir():
        return Found({place.name: place})
    files, left_out, inside = {}, [], place.resolve()
    for top, folders, names in os.walk(place):
        here = Path(top)
        left_out += [(here / one).relative_to(place).as_posix() + "/" for one in folders if _is_beside(one)]
        folders[:] = sorted(one for one in folders if not _is_beside(one))
        for name in sorted(names):
            path = (here / name).relative_to(place).as_posix()
            if _is_beside(name) or not (here / name).is_file():
                left_out.append(path)
            else:
                files[path] = here / name
    astray = tuple(one for one in files.values() if one.is_symlink() and not one.resolve().is_relative_to(inside))
    return Found(dict(sorted(files.items())), tuple(sorted(left_out)), astray)


def _is_beside(name: str) -> bool:
    return name.startswith(".") or name.endswith(".dvc")


def measure(file: Path, path: str, moved: Callable[[int], None] = lambda _: None) -> DataFile:
    """Read a file and return what its card says of it, under the name `path`.

    `moved` gets the bytes of each chunk, and may raise to stop. May be called from several threads.
    """
    size, digest = digest_of(file, moved)
    shape = _shape(file, moved) if file.suffix.lower() in _TABLES else None
    return DataFile(path, size, digest, *(shape or (None, ())))


def digest_of(file: Path, moved: Callable[[int], None] = lambda _: None) -> tuple[int, str]:
    """Return a file's size in bytes and its SHA-256 in hexadecimal; `moved` as in `measure`."""
    found, size = hashlib.sha256(), 0
    with file.open("rb") as content:
        while chunk := content.read(_CHUNK):
            found.update(chunk)
            size += len(chunk)
            moved(len(chunk))
    return size, found.hexdigest()


def _shape(file: Path, moved: Callable[[int], None]) -> tuple[int, tuple[str, ...]] | None:
    """Return the number of rows below the header and the columns; None for what is no table after all."""
    # Excel writes a byte-order mark; a byte that is not UTF-8 changes no count.
    with file.open(encoding="utf-8-sig", errors="replace", newline="") as text:
        first = text.readline(_LONGEST_HEADER)
        separator = max(_SEPARATORS, key=first.count)
        text.seek(0)
        rows = -1
        header: list[str] = []
        try:
            for row in csv.reader(text, delimiter=separator):
                if not row:
                    continue
                if rows < 0:
                    header = row
                rows += 1
                if rows % _ROWS_AT_ONCE == 0:
                    moved(0)
        except csv.Error:
            return None
    return (rows, tuple(name.strip() for name in header)) if header else None
