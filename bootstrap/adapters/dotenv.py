"""Our block in a project's `.env`, and the line in `.gitignore` that keeps it out of git."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from bootstrap.adapters.files import check_writable, locked, naming, read_text, remove, write_atomic
from bootstrap.core.sections import Block, dotenv_values, find_block, put_block, remove_block


def check(path: Path) -> None:
    """Raise ConfigError or BootstrapError if the block could not be written later."""
    text = read_text(path)
    if text is not None:
        with naming(path):
            find_block(text, "")
    check_writable(path)


def read(path: Path, owner: str) -> dict[str, str]:
    """Return the variables of our block; none if it is not there."""
    text = read_text(path)
    with naming(path):
        block = find_block(text, owner) if text is not None else None
    return dotenv_values(block.lines) if block else {}


def write(path: Path, owner: str, values: Mapping[str, str]) -> bool:
    """Write our block (0600), and nothing else of the file. Return False if it stood there already."""
    lines = tuple(f"{name}={value}" for name, value in values.items())
    with locked(path), naming(path):
        before = read_text(path)
        after = put_block(before, Block(owner, lines))
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
