"""Our block in a project's `.env`, and the line in `.gitignore` that keeps it out of git."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from bootstrap.adapters.files import check_writable, locked, naming, read_text, remove, write_atomic
from bootstrap.core.sections import Block, block_owners, dotenv_values, find_block, put_block, remove_block
from bootstrap.errors import BootstrapError

# What a shell and every reader of such files take as it stands. A `~` would become a folder at a value's beginning.
_PLAIN = re.compile(r"[A-Za-z0-9_./:@%+,=-]*")
# In single quotes, a shell takes everything up to the next one as it stands; python-dotenv undoes backslashes there.
_QUOTABLE = re.compile(r"[^'\\\x00-\x1f\x7f]*")


def check(path: Path) -> None:
    """Raise ConfigError or BootstrapError if the block could not be written later."""
    text = read_text(path)
    if text is not None:
        with naming(path):
            block_owners(text)
    check_writable(path)


def read(path: Path, owner: str) -> dict[str, str]:
    """Return the variables of our block; none if it is not there."""
    text = read_text(path)
    with naming(path):
        block = find_block(text, owner) if text is not None else None
    return dotenv_values(block.lines) if block else {}


def owners(path: Path) -> list[str]:
    """Return whose blocks the file has, in their order there."""
    text = read_text(path)
    with naming(path):
        return block_owners(text) if text is not None else []


def write(path: Path, owner: str, values: Mapping[str, str]) -> bool:
    """Write our block (0600), and nothing else of the file. Return False if it stood there already.

    Its lines end with a line feed whatever the others do: a shell that reads the file would take a carriage return
    for the end of each value, and the profile and the password would be wrong. Raises BootstrapError for a value
    that a shell would read differently.
    """
    lines = tuple(f"{name}={_quoted(name, value)}" for name, value in values.items())
    with locked(path), naming(path):
        before = read_text(path)
        after = put_block(before, Block(owner, lines), newline="\n")
        write_atomic(path, after, mode=0o600)
    return after != before


def take_out(path: Path, owner: str) -> bool:
    """Take our block out; the file goes too if we made it and nothing else is in it. False if it was not there."""
    with locked(path), naming(path):
        before = read_text(path)
        if before is None:
            return False
        after = remove_block(before, owner)
        if after is None:
            remove(path)
        else:
            write_atomic(path, after)
    return after != before


def is_ignored(gitignore: Path) -> bool:
    """Tell whether a `.gitignore` names `.env` in so many words: for a folder that git does not know yet."""
    return not {".env", "/.env"}.isdisjoint((read_text(gitignore) or "").splitlines())


def ignore(gitignore: Path, line: str) -> None:
    """Add one line to a `.gitignore`, in the file's own newline style."""
    with locked(gitignore):
        text = read_text(gitignore) or ""
        newline = "\r\n" if "\r\n" in text else "\n"
        gap = newline if text and not text.endswith("\n") else ""
        write_atomic(gitignore, f"{text}{gap}{line}{newline}", mode=None if text else 0o644)


def state(gitignore: Path) -> str:
    """Return what `ignore` would have to have undone of a file as it is now: `no file`, `no newline` or `whole`."""
    text = read_text(gitignore)
    if text is None:
        return "no file"
    return "no newline" if text and not text.endswith("\n") else "whole"


def no_longer_ignore(gitignore: Path, line: str, before: str) -> bool:
    """Take out the line that `ignore` added to a file which was as `before` says. Return False if it is not there.

    A file that there was none of goes too, if nothing else is in it.
    """
    with locked(gitignore):
        lines = (read_text(gitignore) or "").splitlines(keepends=True)
        places = [place for place, each in enumerate(lines) if each.rstrip("\r\n") == line]
        if not places:
            return False
        was_last = places[-1] == len(lines) - 1
        del lines[places[-1]]
        if was_last and lines and before == "no newline":
            lines[-1] = lines[-1].rstrip("\r\n")
        if not lines and before == "no file":
            remove(gitignore)
        else:
            write_atomic(gitignore, "".join(lines))
    return True


def _quoted(name: str, value: str) -> str:
    if _PLAIN.fullmatch(value):
        return value
    if _QUOTABLE.fullmatch(value):
        return f"'{value}'"
    raise BootstrapError(
        f"The value of {name} holds a quote, a backslash or a control character; a shell would read it differently.",
        hint="Nothing was written for it. Ask whoever chose that value for another.",
    )
