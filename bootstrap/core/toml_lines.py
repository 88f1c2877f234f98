"""TOML with its line numbers: where a syntax error is, and on which line each key stands.

The standard parser tells values, not places. So the text is cut into statements, and that same parser reads
each of them.
"""

from __future__ import annotations

import re
import sys
from typing import TYPE_CHECKING, Any

if sys.version_info >= (3, 11):
    import tomllib
else:
    # Checked on a newer Python, where tomli is not installed, mypy finds no tomli.
    import tomli as tomllib  # type: ignore[import-not-found,unused-ignore]

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

KeyPath = tuple[str, ...]

_PLACE = re.compile(r"\s*\(at (?:line (\d+), column (\d+)|end of document)\)$")


# TOML's own limits. Python's parser knows none, and then not every such number can be shown in a message.
_LEAST, _MOST = -(2**63), 2**63 - 1
_TOO_LONG = "a number is too long"


class TomlSyntaxError(ValueError):
    """A text is not TOML. `words` are the parser's own; `line` and `column` count from 1."""

    def __init__(self, words: str, line: int, column: int) -> None:
        super().__init__(f"{words} (line {line}, column {column})")
        self.words = words
        self.line = line
        self.column = column


def parse(text: str) -> dict[str, Any]:
    """Return the document that `text` holds; raise `TomlSyntaxError` if it is not TOML."""
    try:
        document: dict[str, Any] = tomllib.loads(text)
    except RecursionError:
        raise TomlSyntaxError("lists or tables are nested too deeply", 1, 1) from None
    except ValueError as error:
        message = str(error)
        place = _PLACE.search(message)
        if place is None:
            # The parser always names the place; int() does not, which gives up on thousands of digits.
            raise TomlSyntaxError(_TOO_LONG, 1, 1) from None
        words = message[: place.start()]
        if place[1]:
            raise TomlSyntaxError(words, int(place[1]), int(place[2])) from None
        written = text.rstrip().split("\n")
        raise TomlSyntaxError(words, len(written), len(written[-1]) + 1) from None
    if any(isinstance(value, int) and not _LEAST <= value <= _MOST for _, value in _walk(document)):
        raise TomlSyntaxError(_TOO_LONG, 1, 1)
    return document


def key_lines(text: str) -> dict[KeyPath, int]:
    """Return the line, counted from 1, on which each key of a valid TOML text is first written.

    Tables count as keys, also those that are only named on the way to another one. A key inside an inline
    table has the line on which the statement begins. Lists are looked through: `[[a]]` with `b` below it is
    the key ("a", "b").
    """
    found: dict[KeyPath, int] = {}
    table: KeyPath = ()
    for line, statement, content in _statements(text):
        is_header = statement.lstrip().startswith("[")
        if is_header:
            table = max((path for path, _ in _walk(content)), key=len)
        for path, _ in _walk(content):
            found.setdefault(path if is_header else table + path, line)
    return found


def nearest_line(lines: Mapping[KeyPath, int], path: KeyPath) -> int:
    """Return the line that `key_lines` found for `path`, or for its nearest ancestor that is there, or 1."""
    return next((lines[path[:n]] for n in range(len(path), 0, -1) if path[:n] in lines), 1)


def line_of(text: str, path: KeyPath) -> int:
    """Return the line, counted from 1, of the key `path` in a valid TOML text.

    A key that is not there has the line of its nearest ancestor that is, or 1.
    """
    return nearest_line(key_lines(text), path)


def _statements(text: str) -> Iterator[tuple[int, str, dict[str, Any]]]:
    """Yield first line, text and content of each statement.

    A statement ends on the first line that makes it parse: before that, a string, list or table is open.
    """
    begins, pending = 1, ""
    for number, line in enumerate(text.replace("\r\n", "\n").split("\n"), start=1):
        pending += line + "\n"
        try:
            content = parse(pending)
        except TomlSyntaxError:
            continue
        if content:
            yield begins, pending, content
        begins, pending = number + 1, ""


def _walk(content: dict[str, Any]) -> Iterator[tuple[KeyPath, object]]:
    """Yield every value below `content` with its path; a list and its items have the same one.

    Dotted keys may nest deeper than Python calls may, hence a stack.
    """
    stack: list[tuple[KeyPath, object]] = [((key,), value) for key, value in content.items()]
    while stack:
        path, value = stack.pop()
        yield path, value
        if isinstance(value, dict):
            stack.extend(((*path, key), inner) for key, inner in value.items())
        elif isinstance(value, list):
            stack.extend((path, inner) for inner in value)
