"""A section of ours in one of DVC's configuration files, put in and taken out line by line: text → text.

Everything else in the file keeps its bytes: it may hold secrets and comments of the user's. The form is configobj's, as
DVC writes it. https://doc.dvc.org/user-guide/project-structure/configuration
"""

from __future__ import annotations

import re
from collections.abc import Mapping

# A header in the three ways that configobj takes its name.
_HEADER = re.compile(r"""\s*\[\s*(?:'(.*?)'|"(.*?)"|([^'"\s].*?))\s*\]\s*(?:#.*)?$""")
_LINE = re.compile(r"""\s*(['"]?)([A-Za-z0-9_]+)\1\s*=\s*(.*?)\s*$""")


def section_of(remote: str) -> str:
    """Return the name of a remote's section."""
    return f'remote "{remote}"'


def values(text: str, section: str) -> dict[str, str] | None:
    """Return the settings of a section, quotes around a value taken off; None if there is no such section."""
    lines = text.splitlines()
    place = _place(lines, section)
    if place is None:
        return None
    found = (_LINE.match(line) for line in lines[place[0] + 1 : place[1]])
    return {one[2]: _bare(one[3]) for one in found if one}


def with_values(text: str, section: str, wanted: Mapping[str, str]) -> str:
    """Return the text with these settings in a section: lines that differ replaced, missing ones behind the header.

    A section that is not there goes to the end.
    """
    newline = "\r\n" if "\r\n" in text else "\n"
    lines = text.splitlines(keepends=True)
    place = _place(lines, section)
    if place is None:
        if lines and not lines[-1].endswith("\n"):
            lines[-1] += newline
        block = [f"['{section}']", *(_written(name, value) for name, value in wanted.items())]
        return "".join([*lines, *(f"{line}{newline}" for line in block)])
    header, end = place
    missing = dict(wanted)
    for number in range(header + 1, end):
        found = _LINE.match(lines[number].rstrip("\r\n"))
        if found and found[2] in missing:
            value = missing.pop(found[2])
            if _bare(found[3]) != value:
                lines[number] = _written(found[2], value) + (_ending(lines[number]) or newline)
    if missing and not _ending(lines[header]):
        lines[header] += newline
    lines[header + 1 : header + 1] = [f"{_written(name, value)}{newline}" for name, value in missing.items()]
    return "".join(lines)


def without_values(text: str, section: str, ours: Mapping[str, str], before: str) -> str:
    """Return the text without the lines of a section that say what is `ours`, and without its header if that was all.

    `before`: whether the file ended without a line break then, `no newline`.
    """
    lines = text.splitlines(keepends=True)
    place = _place(lines, section)
    if place is None:
        return text
    header, end = place
    mine = [number for number in range(header + 1, end) if _says(lines[number], ours)]
    rest = [number for number in range(header + 1, end) if number not in mine and lines[number].strip()]
    gone = set(mine if rest else [header, *mine])
    if not mine and rest:
        return text
    was_last = max(gone) == len(lines) - 1
    kept = [line for number, line in enumerate(lines) if number not in gone]
    if was_last and kept and before == "no newline":
        kept[-1] = kept[-1].rstrip("\r\n")
    return "".join(kept)


def _says(line: str, ours: Mapping[str, str]) -> bool:
    found = _LINE.match(line.rstrip("\r\n"))
    return found is not None and ours.get(found[2]) == _bare(found[3])


def _place(lines: list[str], section: str) -> tuple[int, int] | None:
    """Return the numbers of a section's header and of the first line behind the section."""
    headers = [(number, name) for number, line in enumerate(lines) if (name := _header(line)) is not None]
    for position, (number, name) in enumerate(headers):
        if name == section:
            end = headers[position + 1][0] if position + 1 < len(headers) else len(lines)
            return number, end
    return None


def _header(line: str) -> str | None:
    found = _HEADER.match(line.rstrip("\r\n"))
    return next(part for part in found.groups() if part is not None).strip() if found else None


def _written(name: str, value: str) -> str:
    return f"    {name} = {value}"


def _bare(value: str) -> str:
    quoted = len(value) > 1 and value[0] == value[-1] and value[0] in "'\""
    return value[1:-1] if quoted else value


def _ending(line: str) -> str:
    return line[len(line.rstrip("\r\n")) :]
