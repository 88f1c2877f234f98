"""Blocks of ours inside text files of the user's, and reading INI the way AWS's own parser does.

A block stands between two marker comments. Nothing outside it changes, byte for byte, and taking the last
block out gives back the text from before the first one went in. What that takes is written in the opening
marker, so no other record is needed: `[new file]` when there was no file, `[added newline]` when the text
before did not end its last line.

All functions are pure: text in, text out, with line endings as they stand in the file. Lines count from 1.
Errors say `line N: ...`; the caller, who knows which file it is, puts its name in front.
"""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, NamedTuple

from bootstrap.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Sequence

# `aws configure set` adds a key after the last line of a section that has a `:` or `=` in it, and does not
# leave out comments. A marker with one of the two would pull the user's next setting into our block.
_OPENING = re.compile(r"# >>> bootstrap (?P<owner>[^\s,:=]+),.*?(?: \[(?P<flag>new file|added newline)\])? >>>\s*")
_CLOSING = re.compile(r"# <<< bootstrap (?P<owner>[^\s,:=]+) <<<\s*")
_OWNER = re.compile(r"[^\s,:=]+")
# By the number of parts of the owner's name: an environment of the operator's, or a member in one.
_STORIES = {
    2: "written by 'bootstrap up', removed by 'bootstrap down'",
    3: "written by 'bootstrap join', removed by 'bootstrap leave'",
}
_NEW_FILE = "new file"
_ADDED_NEWLINE = "added newline"

# Only these end a line for an INI parser; `str.splitlines` knows eight more.
_LINE = re.compile(r"[^\r\n]*(?:\r\n|\r|\n)|[^\r\n]+\Z")


@dataclass(frozen=True)
class Block:
    """Lines of ours. `line` is where its opening marker was found, else 0.

    `owner` is `project/environment` for what `up` writes, `project/environment/member` for what `join` writes.

    Raises ValueError for lines or an owner that could not be told apart again when read back.
    """

    owner: str
    lines: tuple[str, ...]
    line: int = field(default=0, compare=False)

    def __post_init__(self) -> None:
        if not _OWNER.fullmatch(self.owner):
            raise ValueError("an owner takes no blank, comma, colon or equals sign")
        for line in self.lines:
            if "\n" in line or "\r" in line or _OPENING.fullmatch(line) or _CLOSING.fullmatch(line):
                raise ValueError("a line of a block takes no line ending and is no marker")


@dataclass(frozen=True)
class _Placed:
    """A block in a list of lines: `first` and `last` are the positions of its markers."""

    block: Block
    flag: str | None
    first: int
    last: int


def put_block(text: str | None, block: Block, newline: Literal["\n", "\r\n"] | None = None) -> str:
    """Return `text` with `block` in it: in place of the owner's earlier block, else at the end.

    `text` is None when there is no file yet. The block's lines end with `newline`, or as the first line of the file
    does. Raises ConfigError for damaged markers.
    """
    if text is None:
        return _rendered(block, _NEW_FILE, newline or "\n")
    lines = _split(text)
    wanted, newline = newline, newline or _newline(lines)
    placed = _of(block.owner, lines)
    if placed is None:
        flag = _ADDED_NEWLINE if lines and not _ending(lines[-1]) else None
        return text + (newline if flag else "") + _rendered(block, flag, newline)
    # Without an ending the closing line is the last of the file, and stays so.
    ending = _ending(lines[placed.last])
    if wanted is not None and ending:
        ending = wanted
    endings = {_ending(line) for line in lines[placed.first : placed.last]} | {_ending(lines[placed.last])}
    if placed.block == block and (wanted is None or endings <= {wanted, ""}):
        return text
    rendered = _bare(_rendered(block, placed.flag, newline)) + ending
    return "".join([*lines[: placed.first], rendered, *lines[placed.last + 1 :]])


def remove_block(text: str, owner: str) -> str | None:
    """Return `text` without the owner's block, or None: the file was ours and nothing else is in it.

    Raises ConfigError for damaged markers.
    """
    lines = _split(text)
    placed = _of(owner, lines)
    if placed is None:
        return text
    before, after = lines[: placed.first], lines[placed.last + 1 :]
    following = _OPENING.fullmatch(_bare(after[0])) if after else None
    if following:
        # What stood before this block now stands before that one.
        after[0] = _opening(following["owner"], placed.flag) + _ending(after[0])
    elif not after and placed.flag == _NEW_FILE and not before:
        return None
    elif not after and placed.flag == _ADDED_NEWLINE and before:
        before[-1] = _bare(before[-1])
    return "".join(before + after)


def find_block(text: str, owner: str) -> Block | None:
    """Return the owner's block, or None. Raises ConfigError for damaged markers."""
    placed = _of(owner, _split(text))
    return placed.block if placed else None


def block_owners(text: str) -> list[str]:
    """Return who has a block in `text`, in their order there. Raises ConfigError for damaged markers."""
    return [placed.block.owner for placed in _scan(_split(text))]


def adopt_tail(text: str, owner: str) -> str:
    """Move the key lines right after the owner's block into it: they belong to the section it ends with.

    `aws configure set` puts a new key there, two lines below the last one, when the section is the last of
    its file. Left outside, such a line would fall to the section before ours once the block is gone. For INI
    files only. Raises ConfigError for damaged markers.
    """
    lines = _split(text)
    placed = _of(owner, lines)
    if placed is None:
        return text
    end = placed.last + 1
    while end < len(lines) and lines[end].strip() and lines[end].strip()[0] not in "#;[":
        end += 1
    tail = lines[placed.last + 1 : end]
    if not tail:
        return text
    closing, last = lines[placed.last], tail.pop()
    moved = [*tail, _bare(last) + _ending(closing), _bare(closing) + _ending(last)]
    return "".join([*lines[: placed.last], *moved, *lines[end:]])


class Place(NamedTuple):
    """Where a section header stands, and whose block it is in; owner None: the user wrote it."""

    line: int
    owner: str | None


def section_lines(text: str, header: str) -> list[Place]:
    """Return every place where the section `header` (without its brackets) stands in an INI text.

    `profile x` and `profile "x"` are one section, as they are for botocore; blanks inside the brackets do not
    count, because some of AWS's tools drop them and some do not. Raises ConfigError for damaged markers.
    """
    lines = _split(text)
    blocks = _scan(lines)
    wanted = _canonical(header)
    return [
        Place(
            line.number,
            next((b.block.owner for b in blocks if b.first < line.number - 1 < b.last), None),
        )
        for line in _ini(lines)
        if line.kind == "section" and _canonical(line.name) == wanted
    ]


def section_values(lines: Iterable[str], header: str) -> dict[str, str]:
    """Return the keys (in lower case) and values of a section; of a nested value the first line only."""
    return {line.name: line.value for line in _inside(lines, header) if line.kind == "option"}


def other_lines(lines: Iterable[str], header: str, keys: Collection[str]) -> tuple[str, ...]:
    """Return what a section holds besides its header and `keys`: other keys, nested values, comments."""
    kept: list[str] = []
    ours = False
    for line in _inside(lines, header):
        if line.kind == "option":
            ours = line.name in keys
        if line.kind == "comment" or not ours:
            kept.append(line.text)
    return tuple(kept)


def nested_gap(text: str) -> int | None:
    """Return the first line of a nested value without `=`, which botocore refuses without saying where."""
    nested = False
    for line in _ini(_split(text)):
        if line.kind == "option":
            nested = not line.value
        elif line.kind == "more" and nested and "=" not in line.value:
            return line.number
    return None


def dotenv_values(lines: Iterable[str]) -> dict[str, str]:
    """Return the values of `KEY=value` lines; `export` before a key and quotes around a value are dropped."""
    values: dict[str, str] = {}
    for line in lines:
        key, equals, value = line.strip().removeprefix("export ").partition("=")
        if equals and not key.startswith("#"):
            value = value.strip()
            quoted = len(value) > 1 and value[0] == value[-1] and value[0] in "'\""
            values[key.strip()] = value[1:-1] if quoted else value
    return values


def _split(text: str) -> list[str]:
    return _LINE.findall(text)


def _bare(line: str) -> str:
    return line[: len(line) - len(_ending(line))]


def _ending(line: str) -> str:
    if line.endswith("\r\n"):
        return "\r\n"
    return line[-1:] if line.endswith(("\n", "\r")) else ""


def _newline(lines: Sequence[str]) -> Literal["\n", "\r\n"]:
    """Return the line ending for a block among `lines`: that of the first of them.

    Never a lone carriage return: it would swallow a line feed that comes to stand after the block.
    """
    return "\r\n" if lines and _ending(lines[0]) == "\r\n" else "\n"


def _opening(owner: str, flag: str | None) -> str:
    story = _STORIES.get(owner.count("/") + 1, _STORIES[2])
    return f"# >>> bootstrap {owner}, {story}{f' [{flag}]' if flag else ''} >>>"


def _closing(owner: str) -> str:
    return f"# <<< bootstrap {owner} <<<"


def _rendered(block: Block, flag: str | None, newline: str) -> str:
    lines = (_opening(block.owner, flag), *block.lines, _closing(block.owner))
    return "".join(line + newline for line in lines)


def _scan(lines: Sequence[str]) -> list[_Placed]:
    """Return all blocks in order. Raises ConfigError when markers do not pair: no telling what is ours."""
    found: dict[str, _Placed] = {}
    begun: tuple[int, str, str | None] | None = None
    for position, line in enumerate(lines):
        if opening := _OPENING.fullmatch(_bare(line)):
            owner = opening["owner"]
            if begun:
                raise _damaged(begun[0], begun[1], f"another block begins on line {position + 1}, before it ends")
            if owner in found:
                raise _damaged(position, owner, f"a second one; the first is on line {found[owner].first + 1}")
            begun = (position, owner, opening["flag"])
        elif closing := _CLOSING.fullmatch(_bare(line)):
            if begun is None or begun[1] != closing["owner"]:
                raise _damaged(position, closing["owner"], "this line ends it, but no line begins it")
            first, owner, flag = begun
            inner = tuple(_bare(each) for each in lines[first + 1 : position])
            found[owner] = _Placed(Block(owner, inner, first + 1), flag, first, position)
            begun = None
    if begun:
        raise _damaged(begun[0], begun[1], "no line ends it")
    return list(found.values())


def _damaged(position: int, owner: str, why: str) -> ConfigError:
    return ConfigError(
        f"line {position + 1}: the block of bootstrap {owner} is damaged: {why}",
        hint=f"A block begins with '# >>> bootstrap {owner}, ... >>>' and ends with '{_closing(owner)}'. "
        "Mend that, or delete the whole block, then run again.",
    )


def _of(owner: str, lines: Sequence[str]) -> _Placed | None:
    return next((placed for placed in _scan(lines) if placed.block.owner == owner), None)


class _IniLine(NamedTuple):
    number: int
    kind: Literal["section", "option", "more", "comment", "other"]
    name: str
    value: str
    text: str


_SECTION = re.compile(r"\[(.+)\]")
_OPTION = re.compile(r"(.*?)\s*[=:]\s*(.*)$")


def _ini(lines: Iterable[str]) -> Iterator[_IniLine]:
    """Say of each line what `configparser.RawConfigParser`, which botocore reads with, takes it for.

    A line indented deeper than its key continues that key's value, whatever it looks like; blank lines and
    comments in between do not end it.
    """
    in_section = in_option = False
    level = 0
    for number, raw in enumerate(lines, start=1):
        text = _bare(raw)
        value = text.strip()
        indent = len(text) - len(text.lstrip())
        if not value or value[0] in "#;":
            yield _IniLine(number, "comment", "", "", text)
        elif in_section and in_option and indent > level:
            yield _IniLine(number, "more", "", value, text)
        elif header := _SECTION.match(value):
            in_section, in_option, level = True, False, indent
            yield _IniLine(number, "section", header[1], "", text)
        elif option := _OPTION.match(value):
            in_option, level = True, indent
            yield _IniLine(number, "option", option[1].lower(), option[2], text)
        else:
            level = indent
            yield _IniLine(number, "other", "", "", text)


def _inside(lines: Iterable[str], header: str) -> Iterator[_IniLine]:
    wanted = _canonical(header)
    inside = False
    for line in _ini(lines):
        if line.kind == "section":
            inside = _canonical(line.name) == wanted
        elif inside:
            yield line


def _canonical(header: str) -> tuple[str, ...]:
    """Return one value for all spellings of a section; botocore asks only that it *begins* with `profile`."""
    header = header.strip()
    if header.startswith("profile"):
        try:
            words = shlex.split(header)
        except ValueError:
            return (header,)
        if len(words) == 2:
            return ("profile", words[1])
    return (header,)
