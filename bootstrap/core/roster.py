"""The roster: a CSV file with one row for each person, read with all that spreadsheets do to one, and edited.

The cells are read as Python's `csv` module reads them (RFC 4180, any line ending), strictly: text after a closing
quote is refused, because a stray quote would otherwise swallow the rows below it, and their people with them.
Lines that begin with `#` are comments. An edit leaves everything else as it is, byte for byte.

All functions are pure: text in, text out, with line endings as they stand in the file. Lines count from 1.
"""

from __future__ import annotations

import difflib
import json
import re
import unicodedata
from dataclasses import dataclass, field
from datetime import date
from functools import cached_property
from typing import TYPE_CHECKING

from bootstrap.core import names
from bootstrap.core.membership import ROLES
from bootstrap.core.membership import Role as Role
from bootstrap.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Sequence

COLUMNS = ("name", "role", "team", "email", "github", "expires")

_BOM = "\ufeff"
# What a spreadsheet writes: the comma, or the semicolon where the comma stands in numbers, or a tab.
_SEPARATORS = {",": "commas", ";": "semicolons", "\t": "tabs"}
_LINE = re.compile(r"(?P<content>[^\r\n]*)(?P<ending>\r\n|\r|\n|\Z)")
_LINE_BREAK = re.compile(r"\r\n|\r|\n")
# The lookahead keeps a doubled quote from being taken for a closing one when the real one is missing.
_CELL = {
    separator: re.compile(
        rf'"[^"]*(?:""[^"]*)*"(?!")(?P<rest>[^{separator}\r\n]*)|(?P<bare>[^{separator}\r\n]*)',
    )
    for separator in _SEPARATORS
}

_RESERVED = {
    names.CI_MEMBER: "the member that workflows use",
    # A person of that name would be handed MLflow's whole server.
    "admin": "MLflow's own administrator",
    # Windows keeps these whatever comes after a dot, and an invite is a file named for the person.
    # https://learn.microsoft.com/windows/win32/fileio/naming-a-file#naming-conventions
    **dict.fromkeys(
        ("con", "prn", "aux", "nul", *(f"{port}{n}" for port in ("com", "lpt") for n in range(1, 10))),
        "a name that no file can have on Windows, and the invite is a file",
    ),
}
# https://html.spec.whatwg.org/multipage/input.html#valid-e-mail-address, with a dot in the domain. A spreadsheet
# would run a cell that begins with = + - or @ (https://owasp.org/www-community/attacks/CSV_Injection): no address
# here begins with one, and neither can anything else that is written into the file.
_EMAIL = re.compile(
    r"(?=.{6,254}\Z)[A-Za-z0-9_][A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]*"
    r"@(?:[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.)+[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
)
# Accounts from before GitHub's rule of today have a hyphen at the end or two in a row; those that a company manages
# end in _ and its short code. https://docs.github.com/en/enterprise-cloud@latest/admin/managing-iam/
# iam-configuration-reference/username-considerations-for-external-authentication
_GITHUB = re.compile(r"(?=.{1,39}\Z)[A-Za-z0-9][A-Za-z0-9-]*(?:_[A-Za-z0-9]+)?")
_GITHUB_AROUND = re.compile(r"^(?:(?:https?://)?(?:www\.)?github\.com/|@)|/+$", re.IGNORECASE)
_DAY = re.compile(r"(\d{4})-(\d{2})-(\d{2})", re.ASCII)
_SLASHED_DAY = re.compile(r"(\d{1,2})/(\d{1,2})/(\d{4})", re.ASCII)

_NEVER_CLOSED = 'a quote opens on this line and is never closed; close it, or write "" for a quote inside quotes'
_AFTER_QUOTE = 'a quote that opens on this line closes before its cell ends; write "" for a quote inside quotes'
_HEADER = f"the first line that is no comment names the columns, for instance {','.join(COLUMNS)}"


@dataclass(frozen=True)
class Person:
    """One row. `expires` is the last day of access; `line` is where the row begins, 0 if it is in no file."""

    name: str
    role: Role = "student"
    team: str = ""
    email: str = ""
    github: str = ""
    expires: date | None = None
    line: int = field(default=0, compare=False)

    @property
    def team_name(self) -> str:
        """The team whose DVC remote and experiments this person shares; by default one of their own."""
        return self.team or self.name


@dataclass(frozen=True)
class Roster:
    """The people of a file, in its order; no name is there twice."""

    people: tuple[Person, ...]

    def person(self, name: str) -> Person | None:
        """Return the person of this name, or None."""
        return self._by_name.get(name)

    @cached_property
    def _by_name(self) -> dict[str, Person]:
        return {person.name: person for person in self.people}


def person_problems(person: Person) -> list[str]:
    """Say what is wrong with one person by themselves, as `column: what; what to do`; empty if nothing is."""
    return [f"{column}: {what}" for column, what in _in_order(_wrong(person))]


def parse_roster(text: str, source: str) -> Roster:
    """Read the text of a roster; `source` is what messages call the file.

    Raise `ConfigError` if anything is wrong with it: the message has one line for each thing that is, in the order
    of the file. Where the header is wrong, nothing is said of the rows.
    """
    table = _read(text)
    problems = list(table.problems)
    if table.header is None:
        problems.append((1, f"has no header; {_HEADER}"))
    drafts = [_draft(table, row) for row in table.people]
    _find_clashes(drafts)
    for person, wrong in drafts:
        problems += [(person.line, f"{column}: {what}") for column, what in _in_order(wrong)]
    if problems:
        problems.sort(key=lambda problem: problem[0])
        raise ConfigError("\n".join(f"{source}:{line}: {what}" for line, what in problems))
    return Roster(tuple(person for person, _ in drafts))


def mistaken_columns(text: str) -> dict[str, str]:
    """Return columns that are ignored and look like a misspelling of one that is not: title → ours."""
    header = _read(text).header
    titles = _titles(header) if header else []
    missing = [column for column in COLUMNS if column not in titles]
    close = {title: difflib.get_close_matches(title, missing, n=1, cutoff=0.75) for title in titles}
    return {title: found[0] for title, found in close.items() if title not in COLUMNS and found}


def with_people(text: str | None, people: Iterable[Person]) -> str:
    """Return `text` with these people in it: the cells that differ changed, new rows at the end.

    A person is written as given: an empty value empties the cell. `text` is None when there is no file yet. Columns
    are added as far as somebody has a value for them. What is wrong in the cells of other people does not matter
    here, nor does what the new row means to them: read the result with `parse_roster` before it is kept.

    Raise `ConfigError` if rows and cells cannot be told (`line N of the roster: ...`), and `ValueError` for a person
    of whom `person_problems` has something to say.
    """
    wanted = {person.name: person for person in people}
    for person in wanted.values():
        if problems := person_problems(person):
            raise ValueError(f"not a person for a roster: {'; '.join(problems)}")
    table = _read_for_edit(text or "")
    header = table.header
    if header is None:
        if text is not None and not wanted:
            return text
        return with_people(_with_lines(text or "", [",".join(COLUMNS)], table.newline), wanted.values())
    _add_columns(table, header, wanted.values())
    for row in table.people:
        if (changed := wanted.get(table.value(row, "name"))) is not None:
            _update(table, header, row, changed)
    known = {table.value(row, "name") for row in table.people}
    rows = [_new_row(table, header, person) for name, person in wanted.items() if name not in known]
    return _with_lines(table.text, rows, table.newline)


def without_people(text: str, names: Collection[str]) -> str:
    """Return `text` without the rows of these people; names that are not in it do not matter.

    A file whose last line has no line ending stays one. Raise `ConfigError` if rows and cells cannot be told
    (`line N of the roster: ...`).
    """
    table = _read_for_edit(text)
    gone = {id(row) for row in table.people if table.value(row, "name") in names}
    kept = [row for row in table.rows if id(row) not in gone]
    if kept and id(table.rows[-1]) in gone and not table.rows[-1].ending and not kept[-1].is_blank:
        kept[-1].ending = ""
    table.rows = kept
    return table.text


@dataclass
class _Row:
    """A row as it is written: its cells with their quotes. `ending` is "" at the end of a file without one."""

    line: int
    cells: list[str]
    ending: str
    problem: tuple[int, str] | None = None

    @property
    def is_comment(self) -> bool:
        return self.cells[0].startswith("#")

    @property
    def is_blank(self) -> bool:
        """Whether nothing is in it. A spreadsheet writes an empty row as separators."""
        return self.problem is None and not any(map(_value, self.cells))


@dataclass
class _Table:
    """A roster as rows and cells. `people` are the rows to read, none if the header is wrong."""

    mark: str
    separator: str
    rows: list[_Row]
    header: _Row | None
    columns: dict[str, int] = field(default_factory=dict)
    people: list[_Row] = field(default_factory=list)
    problems: list[tuple[int, str]] = field(default_factory=list)

    @property
    def text(self) -> str:
        return self.mark + "".join(self.separator.join(row.cells) + row.ending for row in self.rows)

    @property
    def newline(self) -> str:
        """The line ending for new rows: that of the header, or else of the first line that has one."""
        rows = [self.header, *self.rows] if self.header else self.rows
        return next((row.ending for row in rows if row.ending), "\n")

    @property
    def cells_are_separated(self) -> str:
        return f"cells are separated by {_SEPARATORS[self.separator]} here"

    def value(self, row: _Row, column: str) -> str:
        """Return what a cell says; nothing where the row ends before it, or where there is no such column."""
        position = self.columns.get(column)
        return _value(row.cells[position]) if position is not None and position < len(row.cells) else ""


def _read(text: str) -> _Table:
    """Take a roster apart. What is wrong with its header, its quotes and its count of cells is in `problems`."""
    mark = _BOM if text.startswith(_BOM) else ""
    body = text[len(mark) :]
    separator = max(_SEPARATORS, key=lambda each: _likeness(_header_of(_rows(body, each))))
    rows = list(_rows(body, separator))
    header = _header_of(rows)
    table = _Table(mark, separator, rows, header)
    if header is None:
        return table
    titles = _titles(header)
    table.columns = {title: titles.index(title) for title in COLUMNS if title in titles}
    comments = [row for row in rows if row.is_comment and row.line < header.line]
    table.problems = _header_problems(header, titles, comments)
    if table.problems:
        return table
    for row in rows:
        if row is header or row.is_comment or row.is_blank:
            continue
        filled = max((n for n, cell in enumerate(row.cells, 1) if _value(cell)), default=0)
        if row.problem is not None:
            table.problems.append(row.problem)
        elif filled > len(titles):
            what = f"has {filled} cells, and the header has {len(titles)}"
            advice = f"{table.cells_are_separated}, so put a cell that holds one in quotes"
            table.problems.append((row.line, f"{what}; {advice}"))
        else:
            table.people.append(row)
    return table


def _read_for_edit(text: str) -> _Table:
    table = _read(text)
    if table.problems:
        raise ConfigError("\n".join(f"line {line} of the roster: {what}" for line, what in table.problems))
    return table


def _rows(text: str, separator: str) -> Iterator[_Row]:
    """Yield every row, comments and blank ones too; put together again, they are the text."""
    position, line = 0, 1
    while position < len(text):
        found = _found(_LINE, text, position)
        content = found["content"]
        if content.startswith("#"):
            yield _Row(line, [content], found["ending"])
        elif '"' not in content:
            yield _Row(line, content.split(separator), found["ending"])
        else:
            row, end = _quoted_row(text, position, line, separator)
            yield row
            line += len(_LINE_BREAK.findall(text, position, end))
            position = end
            continue
        line += 1
        position = found.end()


def _quoted_row(text: str, begin: int, line: int, separator: str) -> tuple[_Row, int]:
    """Return the row that begins at a position and may go over several lines, and the position after it."""
    row = _Row(line, [], "")
    position = begin
    while True:
        found = _found(_CELL[separator], text, position)
        is_open = (found["bare"] or "").startswith('"')
        if row.problem is None and (is_open or (found["rest"] or "").strip()):
            here = line + len(_LINE_BREAK.findall(text, begin, position))
            row.problem = (here, _NEVER_CLOSED if is_open else _AFTER_QUOTE)
        row.cells.append(text[position:] if is_open else found[0])
        if is_open:
            return row, len(text)
        position = found.end()
        if not text.startswith(separator, position):
            break
        position += len(separator)
    row.ending = _found(_LINE, text, position)["ending"]
    return row, position + len(row.ending)


def _found(pattern: re.Pattern[str], text: str, position: int) -> re.Match[str]:
    """Match one of the patterns here at a position; each of them matches everywhere, if only nothing."""
    return next(pattern.finditer(text, position))


def _value(cell: str) -> str:
    """Return what a cell says, without its quotes and the blanks around it."""
    if cell.startswith('"'):
        return cell.rstrip()[1:-1].replace('""', '"').strip()
    return cell.strip()


def _header_of(rows: Iterable[_Row]) -> _Row | None:
    return next((row for row in rows if not row.is_comment and not row.is_blank), None)


def _titles(header: _Row) -> list[str]:
    return [_value(cell).lower() for cell in header.cells]


def _likeness(header: _Row | None) -> tuple[int, int]:
    """Say how much a row, cut at one of the separators, is like a roster's header: more is greater."""
    titles = _titles(header) if header else []
    return len(set(titles).intersection(COLUMNS)), len(titles)


def _header_problems(header: _Row, titles: Sequence[str], comments: Sequence[_Row]) -> list[tuple[int, str]]:
    if header.problem is not None:
        return [header.problem]
    if "name" in titles:
        return [
            (header.line, f"the header has more than one column called {title}; rename all but one")
            for title in COLUMNS
            if titles.count(title) > 1
        ]
    what = "the header has no column called name"
    for comment in comments:
        if "name" in map(str.strip, re.split(r"[,;\t]", comment.cells[0][1:].lower())):
            advice = f"line {comment.line} begins with #, so it is a comment; begin the header with something else"
            return [(header.line, f"{what}; {advice}")]
    short = [title for title in titles if len(title) <= _SHOWN]
    for close in difflib.get_close_matches("name", short, n=1):
        return [(header.line, f"{what}; {_shown(_value(header.cells[titles.index(close)]))} has to be called name")]
    return [(header.line, f"{what}; {_HEADER}")]


def _draft(table: _Table, row: _Row) -> tuple[Person, dict[str, str]]:
    """Read one row: the person as far as it can be told, and what is wrong, by column."""
    values = {column: table.value(row, column) for column in COLUMNS}
    role, role_problem = _role_of(values["role"])
    expires, day_problem = day_of(values["expires"])
    person = Person(values["name"], role, values["team"], values["email"], values["github"], expires, row.line)
    wrong = _wrong(person)
    if role_problem:
        wrong["role"] = role_problem
    if day_problem:
        wrong["expires"] = day_problem
    if any(separator in person.name for separator in _SEPARATORS if separator != table.separator):
        wrong["name"] = f"{_shown(person.name)} is more than a name; {table.cells_are_separated}"
    for column, value in values.items():
        if _LINE_BREAK.search(value):
            wrong[column] = "goes over more than one line; look for a quote on this line that should not be there"
    return person, wrong


def _find_clashes(drafts: Sequence[tuple[Person, dict[str, str]]]) -> None:
    """Add what is wrong with people only because of each other."""
    by_name, by_lower = _first_of((person.name, person) for person, _ in drafts)
    by_team, by_lower_team = _first_of((person.team, person) for person, _ in drafts if person.team)
    for person, wrong in drafts:
        name, team = person.name, person.team
        first = by_name[name]
        like = by_name.get(name.lower(), by_lower[name.lower()])
        if name and first is not person:
            wrong["name"] = f"{_plain(name)} is in the list already, on line {first.line}; keep one of the two"
        elif like.name != name:
            wrong["name"] = f"{_only_in_case(name, like.name, like.line)}; keep one of the two, as {name.lower()}"
        if not team:
            continue
        mate = by_team.get(team.lower(), by_lower_team[team.lower()])
        if mate.team != team:
            wrong["team"] = f"{_only_in_case(team, mate.team, mate.line)}; write {team.lower()} for both"
        namesake = by_name.get(team)
        if namesake is not None and namesake.team != team and namesake.name != name:
            wrong.setdefault("team", _namesake_problem(namesake))


def _first_of(entries: Iterable[tuple[str, Person]]) -> tuple[dict[str, Person], dict[str, Person]]:
    """Return the first person by a word as it is written, and by the word in lower case."""
    exact: dict[str, Person] = {}
    lower: dict[str, Person] = {}
    for word, person in entries:
        exact.setdefault(word, person)
        lower.setdefault(word.lower(), person)
    return exact, lower


def _only_in_case(word: str, other: str, line: int) -> str:
    return f"{_plain(word)} differs from {_plain(other)} (line {line}) only in case"


def _namesake_problem(namesake: Person) -> str:
    """Say why a team may not have this person's name: a person without a team has the folder of that name."""
    name = namesake.name
    theirs = f"whose team is {_plain(namesake.team)}" if namesake.team else "who has a team of their own"
    return (
        f"{name} is also a person (line {namesake.line}), {theirs}; choose another team, or write {name} as the "
        f"team on line {namesake.line} too"
    )


def _in_order(wrong: dict[str, str]) -> list[tuple[str, str]]:
    return [(column, wrong[column]) for column in COLUMNS if column in wrong]


def _wrong(person: Person) -> dict[str, str]:
    """Return what is wrong with a person by themselves, by column."""
    found = {
        "name": _name_problem(person.name),
        "role": "" if person.role in ROLES else _role_problem(person.role),
        "team": _team_problem(person.team),
    }
    if person.email and not _EMAIL.fullmatch(person.email):
        found["email"] = f"{_shown(person.email)} is not a plain email address; write one like ana@example.org"
    if person.github and not _GITHUB.fullmatch(person.github):
        inner = _GITHUB_AROUND.sub("", person.github)
        advice = f"write {inner}" if _GITHUB.fullmatch(inner) else "write what comes after github.com/ in its address"
        found["github"] = f"{_shown(person.github)} is not the name of a GitHub account; {advice}"
    return {column: what for column, what in found.items() if what}


def _name_problem(name: str) -> str:
    if not name:
        return "is empty; write one like ana-souza"
    if problem := names.slug_problem(name, names.MEMBER_LENGTH):
        return f"{_shown(name)} cannot be a name: it {problem}; write {_slug_like(name, 'ana-souza')}"
    if name in _RESERVED:
        return f"{name} is {_RESERVED[name]}; choose another"
    return ""


def _team_problem(team: str) -> str:
    if not team:
        return ""
    if problem := names.slug_problem(team, names.MEMBER_LENGTH):
        return f"{_shown(team)} cannot be a team: it {problem}; write {_slug_like(team, 'team-1')}"
    if team == names.CI_MEMBER:
        # Its DVC remote is dvc/ci, and it answers to no team.
        return f"{team} is the team of the member that workflows use; choose another"
    return ""


def _role_of(text: str) -> tuple[Role, str]:
    """Return the role that a cell names, student by default, and what is wrong with the cell, if anything."""
    if not text:
        return "student", ""
    for role in ROLES:
        if text.lower() == role:
            return role, ""
    return "student", _role_problem(text)


def _role_problem(text: str) -> str:
    either = " or ".join(ROLES)
    if text.lower() == names.CI_MEMBER:
        return f"ci is no role for a person: 'bootstrap up' makes that member for workflows; write {either}"
    close = difflib.get_close_matches(text.lower(), ROLES, n=1) if len(text) <= _SHOWN else []
    return f"there is no role {_shown(text)}; {f'did you mean {close[0]}?' if close else f'write {either}'}"


def day_of(text: str) -> tuple[date | None, str]:
    """Return the day that a cell `expires` names, None for an empty one, and what is wrong with the cell, if anything.

    A spreadsheet set to Portuguese turns every date into DD/MM/YYYY; set to American English, it would have been
    MM/DD/YYYY. So one with slashes is taken only if no other reading is a day: access that ends on another day than
    was meant is worse than a question.
    """
    if not text:
        return None, ""
    if found := _DAY.fullmatch(text):
        day = _date(*map(int, found.groups()))
        return day, "" if day else f"there is no day {text}; write one like 2026-12-31"
    if not (found := _SLASHED_DAY.fullmatch(text)):
        return None, f"{_shown(text)} is not a date; write one like 2026-12-31"
    first, second, year = map(int, found.groups())
    day, month_first = _date(year, second, first), _date(year, first, second)
    if day and month_first in (None, day):
        return day, ""
    if day:
        return None, f"{text} can be read in two ways; write {day} or {month_first}"
    if month_first:
        return None, f"{text} has the month before the day; write {month_first}"
    return None, f"there is no day {text}; write one like 2026-12-31"


def _date(year: int, month: int, day: int) -> date | None:
    try:
        return date(year, month, day)
    except ValueError:
        return None


def _slug_like(text: str, example: str) -> str:
    """Return the slug that `text` is closest to; where nothing of it is left, words that show what one looks like."""
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode().lower()
    slug = re.sub(r"[^a-z0-9]+", "-", plain).strip("-")[: names.MEMBER_LENGTH[1]].strip("-")
    return slug if slug and slug not in _RESERVED else f"one like {example}"


_SHOWN = 40


def _shown(text: str) -> str:
    """Quote what stands in a cell, cut to 40 characters; what cannot be printed, escaped."""
    short = text if len(text) <= _SHOWN else text[: _SHOWN - 1] + "…"
    return json.dumps(short, ensure_ascii=not short.isprintable())


def _plain(word: str) -> str:
    """Return a slug as it is, and anything else quoted."""
    return word if names.slug_problem(word, names.MEMBER_LENGTH) is None else _shown(word)


def _written(person: Person) -> dict[str, str]:
    """Return what the cells of a person say, by column."""
    return {
        "name": person.name,
        "role": person.role,
        "team": person.team,
        "email": person.email,
        "github": person.github,
        "expires": person.expires.isoformat() if person.expires else "",
    }


def _add_columns(table: _Table, header: _Row, people: Iterable[Person]) -> None:
    """Add to the header what it lacks and one of `people` has a value for; rows with nothing there stay shorter."""
    nothing = _written(Person(""))
    needed = {column for person in people for column, value in _written(person).items() if value != nothing[column]}
    for column in COLUMNS:
        if column in needed and column not in table.columns:
            table.columns[column] = len(header.cells)
            header.cells.append(_in_the_style_of(header.cells[table.columns["name"]], column))


def _update(table: _Table, header: _Row, row: _Row, person: Person) -> None:
    """Change the cells of a row that say something else than the person; an empty one has its title's quotes."""
    for column, value in _written(person).items():
        now = table.value(row, column)
        if column == "role":
            is_so = _role_of(now) == (person.role, "")
        elif column == "expires":
            is_so = day_of(now) == (person.expires, "")
        else:
            is_so = now == value
        if is_so:
            continue
        position = table.columns[column]
        row.cells += [""] * (position + 1 - len(row.cells))
        row.cells[position] = _in_the_style_of(row.cells[position] or header.cells[position], value)


def _new_row(table: _Table, header: _Row, person: Person) -> str:
    """Return the row of a new person, without line ending, quoted where the title of its column is."""
    cells = [""] * len(header.cells)
    for column, value in _written(person).items():
        if value and column in table.columns:
            position = table.columns[column]
            cells[position] = _in_the_style_of(header.cells[position], value)
    return table.separator.join(cells)


def _in_the_style_of(cell: str, value: str) -> str:
    """Quote a value if `cell` is. None of the values that are legal here needs it."""
    return f'"{value}"' if cell.startswith('"') else value


def _with_lines(text: str, lines: Sequence[str], newline: str) -> str:
    """Add lines at the end. If the last line has no ending, the last one added has none either."""
    if not text.removeprefix(_BOM) or text.endswith(("\n", "\r")):
        return text + "".join(line + newline for line in lines)
    return text + "".join(newline + line for line in lines)
