"""`members.csv`: who is read from it, what is said about one with something wrong in it, and what edits leave alone."""

from __future__ import annotations

import contextlib
import csv
import io
import json
import re
import time
from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from datetime import date
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from bootstrap.core.membership import ROLES
from bootstrap.core.roster import (
    COLUMNS,
    Person,
    Role,
    Roster,
    mistaken_columns,
    parse_roster,
    person_problems,
    with_people,
    without_people,
)
from bootstrap.errors import ConfigError

CASES = Path(__file__).parent.parent / "cases" / "roster"
BOM = "\ufeff"


def _text(path: Path) -> str:
    # Line endings and the byte order mark are what some of these files are about.
    return path.read_bytes().decode("utf-8")


def _beside(case: Path, ending: str) -> str:
    return _text(case.with_name(case.name.partition(".")[0] + ending))


def _people(text: str) -> tuple[Person, ...]:
    return parse_roster(text, "members.csv").people


def _wrong(text: str) -> str:
    with pytest.raises(ConfigError) as caught:
        parse_roster(text, "members.csv")
    return caught.value.message


@pytest.mark.parametrize("case", sorted(CASES.glob("*.valid.csv")), ids=lambda path: path.name)
@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("mark", ["", BOM])
def test_a_valid_file_is_read(case: Path, newline: str, mark: str) -> None:
    text = mark + _text(case).removeprefix(BOM).replace("\r\n", "\n").replace("\n", newline)
    found = [{**asdict(person), "line": person.line} for person in _people(text)]
    assert json.loads(json.dumps(found, default=date.isoformat)) == json.loads(_beside(case, ".people.json"))


@pytest.mark.parametrize("case", sorted(CASES.glob("*.invalid.csv")), ids=lambda path: path.name)
@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("mark", ["", BOM])
def test_an_invalid_file_is_told_all_that_is_wrong(case: Path, newline: str, mark: str) -> None:
    assert _wrong(mark + _text(case).replace("\n", newline)) + "\n" == _beside(case, ".message.txt")


def test_a_person_is_found_by_name() -> None:
    roster = parse_roster("name,team\nana,\nbruno,sun", "members.csv")
    assert roster.person("bruno") == Person("bruno", team="sun")
    assert roster.person("bruno").team_name == "sun"  # type: ignore[union-attr]
    assert roster.person("Bruno") is roster.person("") is None
    assert roster == Roster((Person("ana"), Person("bruno", team="sun")))


@pytest.mark.parametrize(
    ("person", "problems"),
    [
        (Person("ana"), []),
        (Person("a", "instructor", "b", "a@b.co", "A-", date(2026, 12, 31)), []),
        (Person("0" * 64, team="1" * 64), []),
        (Person(""), ["name: is empty; write one like ana-souza"]),
        (Person("ci"), ["name: ci is the member that workflows use; choose another"]),
        (Person("ana", "ci"), ["role: ci is no role for a person: 'bootstrap up' makes that member for workflows; "]),  # type: ignore[arg-type]
        (
            Person("Ana", team="Tëam 1", email="ana", github="@Ana"),
            [
                'name: "Ana" cannot be a name: it takes lower-case letters, digits and single hyphens between them; '
                "write ana",
                'team: "T\u00ebam 1" cannot be a team: it takes lower-case letters, digits and single hyphens between '
                "them; write team-1",
                'email: "ana" is not a plain email address; write one like ana@example.org',
                'github: "@Ana" is not the name of a GitHub account; write Ana',
            ],
        ),
    ],
)
def test_a_person_from_the_command_line_is_told_all_that_is_wrong(person: Person, problems: list[str]) -> None:
    found = person_problems(person)
    assert len(found) == len(problems)
    assert all(said.startswith(expected) for said, expected in zip(found, problems, strict=True))


@pytest.mark.parametrize("name", ["ci", "admin", "con", "com1", "lpt9"])
def test_a_name_that_is_taken_elsewhere_is_refused(name: str) -> None:
    assert _wrong(f"name\n{name}").endswith("; choose another")


# A team has no file and no account; only its place in the bucket could be another's.
@pytest.mark.parametrize("team", ["admin", "con", "default", "instructors"])
def test_such_a_word_is_no_trouble_for_a_team(team: str) -> None:
    assert _people(f"name,team\nana,{team}") == (Person("ana", team=team),)


NEW = ",".join(COLUMNS)
DAY = date(2026, 12, 31)
EDITS: dict[str, tuple[str | None, list[Person], str]] = {
    "a new file": (
        None,
        [Person("ana", "instructor"), Person("bruno", "student", "sun", "b@example.org", "b-1", DAY)],
        f"{NEW}\nana,instructor,,,,\nbruno,student,sun,b@example.org,b-1,2026-12-31\n",
    ),
    "a new file of nobody": (None, [], f"{NEW}\n"),
    "an empty file": ("", [Person("ana")], f"{NEW}\nana,student,,,,\n"),
    "an empty file stays empty": ("", [], ""),
    "a file with a mark alone": (BOM, [Person("ana")], f"{BOM}{NEW}\nana,student,,,,\n"),
    "a file of comments": ("# who?\r\n\r\n", [Person("ana")], f"# who?\r\n\r\n{NEW}\r\nana,student,,,,\r\n"),
    "a comment that does not end": ("# who?", [Person("ana")], f"# who?\n{NEW}\nana,student,,,,"),
    "at the end": ("name,role\nana,\n", [Person("bruno")], "name,role\nana,\nbruno,student\n"),
    "in their order": ("name\n", [Person("b"), Person("a"), Person("b")], "name\nb\na\n"),
    "no last line ending": ("name\nana", [Person("bruno")], "name\nana\nbruno"),
    "a header without line ending": ("name", [Person("ana")], "name\nana"),
    "after comments and blank lines": ("name\nana\n\n# end\n", [Person("b")], "name\nana\n\n# end\nb\n"),
    "semicolons, CRLF and a mark": (
        f"{BOM}Nota;Name;Role\r\nolá;ana;\r\n",
        [Person("bruno", "instructor")],
        f"{BOM}Nota;Name;Role\r\nolá;ana;\r\n;bruno;instructor\r\n",
    ),
    "tabs": ("role\tname\nstudent\tana\n", [Person("b")], "role\tname\nstudent\tana\nstudent\tb\n"),
    "line endings that differ": ("# a\r\nname\nana\r\n", [Person("b")], "# a\r\nname\nana\r\nb\n"),
    "lone carriage returns": ("name\rana\r", [Person("b")], "name\rana\rb\r"),
    "everything in quotes": (
        '"name","role"\r\n"ana","student"\r\n',
        [Person("ana", "instructor", "sun"), Person("b")],
        '"name","role","team"\r\n"ana","instructor","sun"\r\n"b","student",\r\n',
    ),
    "one cell": (
        "name,role,note\nana,student,x\n",
        [Person("ana", "instructor")],
        "name,role,note\nana,instructor,x\n",
    ),
    "a cell that is not there": (
        "name,note,role\nana\n",
        [Person("ana", "instructor")],
        "name,note,role\nana,,instructor\n",
    ),
    "a cell that becomes empty": ("name,team\nana,sun\n", [Person("ana")], "name,team\nana,\n"),
    "a column that is not there": (
        "# class\nname,note\nana,x\nbruno\ncarla,\n",
        [Person("ana", team="sun"), Person("bruno", team="sun"), Person("dora")],
        "# class\nname,note,team\nana,x,sun\nbruno,,sun\ncarla,\ndora,,\n",
    ),
    "columns in the order of a new file": (
        "name;;\n",
        [Person("ana", "instructor", expires=DAY), Person("b", email="b@example.org")],
        "name;;;role;email;expires\nana;;;instructor;;2026-12-31\nb;;;student;b@example.org;\n",
    ),
    "a role that goes without saying": (
        "name,role\nana,\nb,STUDENT\n",
        [Person("ana"), Person("b")],
        "name,role\nana,\nb,STUDENT\n",
    ),
    "a day in another form": (
        "name,expires\nana,31/12/2026\nb,31/12/2026\n",
        [Person("ana", expires=DAY), Person("b", expires=date(2027, 1, 2))],
        "name,expires\nana,31/12/2026\nb,2027-01-02\n",
    ),
    "blanks around a cell": ("name , team\n ana , sun\n", [Person("ana", team="sun")], "name , team\n ana , sun\n"),
    "what is wrong elsewhere": ("name,role\nÇa!,cook\n", [Person("ana")], "name,role\nÇa!,cook\nana,student\n"),
    "a row over several lines": (
        'note,name,team\n"a\n\n# ""b"",",ana,\nx,b,\n',
        [Person("ana", team="sun")],
        'note,name,team\n"a\n\n# ""b"",",ana,sun\nx,b,\n',
    ),
}


@pytest.mark.parametrize(("before", "people", "after"), EDITS.values(), ids=EDITS.keys())
def test_people_are_put_in(before: str | None, people: list[Person], after: str) -> None:
    assert with_people(before, people) == after
    assert with_people(after, people) == after


REMOVALS = {
    "a row": ("name,role\nana,\nbruno,\ncarla,\n", ["bruno"], "name,role\nana,\ncarla,\n"),
    "several": ("name\nana\nbruno\ncarla\n", {"carla", "ana"}, "name\nbruno\n"),
    "everybody": ("name\r\nana\r\n", ["ana"], "name\r\n"),
    "nobody": ("name\nana\n", [], "name\nana\n"),
    "a stranger": (f"{BOM}name;x\rana;\r", ["bruno", "", "Ana", "name"], f"{BOM}name;x\rana;\r"),
    "from no file to speak of": ("# nothing\n", ["ana"], "# nothing\n"),
    "the last line": ("name\nana\nbruno", ["bruno"], "name\nana"),
    "all but the header": ("name\nana\nbruno", ["ana", "bruno"], "name"),
    "the last line after a blank one": ("name\nana\n\nbruno", ["bruno"], "name\nana\n\n"),
    "comments stay": ("# a\nname\n# b\nana\n# c\n\n", ["ana"], "# a\nname\n# b\n# c\n\n"),
    "a row over several lines": ('name,note\nana,"x\n\nana,""\n"\nbruno,\n', ["ana"], "name,note\nbruno,\n"),
    "a name in quotes": ('"name"\n"ana"\n" bruno "\n', ["bruno"], '"name"\n"ana"\n'),
    "a row with something wrong": ("name,role\nana,cook\nbruno,\n", ["ana"], "name,role\nbruno,\n"),
    "both rows of one name": ("name\nana\nbruno\nana\n", ["ana"], "name\nbruno\n"),
}


@pytest.mark.parametrize(("before", "names", "after"), REMOVALS.values(), ids=REMOVALS.keys())
def test_people_are_taken_out(before: str, names: list[str], after: str) -> None:
    assert without_people(before, names) == after
    assert without_people(after, names) == after


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("nome\nana\n", 'line 1 of the roster: the header has no column called name; "nome" has to be called name'),
        ("name,role\nana,,sun\nb,\nc,,sun\n", "line 2 of the roster: has 3 cells, "),
        ('name\nana\n"bruno\n', "line 3 of the roster: a quote opens on this line and is never closed; "),
    ],
)
def test_a_roster_whose_cells_cannot_be_told_is_not_edited(text: str, said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        with_people(text, [Person("dora")])
    assert caught.value.message.startswith(said)
    with pytest.raises(ConfigError) as caught:
        without_people(text, ["dora"])
    assert caught.value.message.startswith(said)


@pytest.mark.parametrize(
    "person", [Person("=1+1"), Person("ana", team="a,b"), Person("ana", email="@x"), Person("ana", github='"')]
)
def test_nothing_that_is_wrong_is_written(person: Person) -> None:
    with pytest.raises(ValueError, match="not a person for a roster"):
        with_people("name\n", [Person("bruno"), person])


_parts = st.text("ab1", min_size=1, max_size=3) | st.text("abcdefghijklmnopqrstuvwxyz0123456789", min_size=1)
_slugs = st.lists(_parts, min_size=1, max_size=3).map("-".join).map(lambda slug: slug[:64].strip("-"))
# A team named like somebody who is not in it has its own tests.
_names = _slugs.filter(lambda name: not person_problems(Person(name)) and not name.startswith("team"))
_roles: st.SearchStrategy[Role] = st.sampled_from(ROLES)
_teams = st.sampled_from(["", "team-0", "team-00"])
_emails = st.just("") | st.emails().filter(lambda email: not person_problems(Person("a", email=email)))
_logins = st.sampled_from(["", "octo-cat", "Ana_acme", "0"])
_days = st.none() | st.dates()


def _classes(columns: Iterable[str] = COLUMNS) -> st.SearchStrategy[list[Person]]:
    """People as a roster with these columns may hold them."""
    values = {"role": _roles, "team": _teams, "email": _emails, "github": _logins, "expires": _days}
    kept = {column: drawn for column, drawn in values.items() if column in columns}
    return st.lists(st.builds(Person, _names, **kept), max_size=6, unique_by=lambda person: person.name)


@given(_classes())
@example([Person("a", team="a"), Person("b", team="a", expires=date(1, 1, 1))])
def test_any_people_can_be_written_and_read(people: list[Person]) -> None:
    text = with_people(None, people)
    assert list(_people(text)) == people
    rows = _csv_rows(text, ",")
    assert [len(row) for row in rows] == [len(COLUMNS)] * (len(people) + 1)
    # What a spreadsheet would take for a formula.
    assert not [cell for row in rows for cell in row if cell.startswith(("=", "+", "-", "@", "\t", "\r", "'"))]


def _csv_rows(text: str, separator: str) -> list[list[str]]:
    """Read a text as Python does, comments and all."""
    return list(csv.reader(io.StringIO(text.removeprefix(BOM), newline=""), delimiter=separator, strict=True))


@dataclass(frozen=True)
class _File:
    """A roster of any look, in pieces of text: what stands above the header, the header, and rows with a name each."""

    columns: tuple[str, ...]
    people: tuple[Person, ...]
    above: str
    header: str
    rows: tuple[tuple[str | None, str], ...]
    separator: str
    newline: str

    @property
    def text(self) -> str:
        return self.above + self.header + "".join(text for _, text in self.rows)

    def without(self, names: Iterable[str]) -> str:
        """Return the text that is left when some people are gone, their own rows and nothing else."""
        gone = set(names)
        return self.above + self.header + "".join(text for name, text in self.rows if name not in gone)

    def notes(self, text: str) -> dict[str, list[str]]:
        """Return what is in the columns that are not ours, by name, in another version of this file."""
        rows = _csv_rows(text, self.separator)
        titles = [[cell.strip().lower() for cell in row[: len(self.columns)]] for row in rows]
        name = self.columns.index("name")
        return {
            row[name].strip(): [cell for cell, column in zip(row, self.columns, strict=False) if column not in COLUMNS]
            for row in rows[titles.index(list(self.columns)) + 1 :]
            if len(row) > name
        }


_notes = (st.text() | st.text("ab,;\t\"#\n\r=é' ", max_size=8)).map(lambda text: text.replace("\0", ""))
_comments = st.sampled_from(["#", '# who, "where', "#name;role", "# one; two\t"])


@st.composite
def _files(draw: st.DrawFn) -> _File:
    known = ["name", *draw(st.lists(st.sampled_from(COLUMNS[1:]), unique=True))]
    other = draw(st.lists(st.sampled_from(["note", "nº", ""]), max_size=2))
    columns = draw(st.permutations([*known, *other]))
    people = draw(_classes(known))
    # One column has no separator; then it is the comma.
    separator = draw(st.sampled_from(",;\t")) if len(columns) > 1 else ","
    newline = draw(st.sampled_from(["\n", "\r\n", "\r"]))
    blanks = ["", " ", separator * 3, f'""{separator}'] if len(columns) > 1 else ["", " "]

    def row(values: Iterable[str]) -> str:
        cells: list[str] = []
        for value in values:
            needs_quotes = set('",;\t\r\n') & set(value) or (not cells and value.startswith("#"))
            quoted = needs_quotes or draw(st.booleans())
            cells.append('"' + value.replace('"', '""') + '"' if quoted else value)
        return separator.join(cells) + newline

    def of(person: Person) -> str:
        day = person.expires
        days = [day.isoformat() if day else ""]
        if day and (day.day > 12 or day.day == day.month):
            days.append(f"{day.day}/{day.month:02}/{day.year:04}")
        said = {
            **{column: getattr(person, column) for column in ("name", "team", "email", "github")},
            "role": draw(
                st.sampled_from([person.role, person.role.title(), ""][: 3 if person.role == "student" else 2])
            ),
            "expires": draw(st.sampled_from(days)),
        }
        return row(said[column] if column in said else draw(_notes) for column in columns)

    def noise() -> list[tuple[str | None, str]]:
        return [(None, text + newline) for text in draw(st.lists(st.sampled_from(blanks) | _comments, max_size=2))]

    mark = draw(st.sampled_from(["", BOM]))
    above = mark + "".join(text for _, text in noise())
    header = row(draw(st.sampled_from([column, column.upper(), f" {column.title()} "])) for column in columns)
    rows = [*noise()]
    for person in people:
        rows += [(person.name, of(person)), *noise()]
    return _File(tuple(columns), tuple(people), above, header, tuple(rows), separator, newline)


@given(_files(), st.booleans())
def test_any_file_that_a_spreadsheet_writes_is_read(file: _File, ends: bool) -> None:
    assert _people(file.text if ends else file.text.removesuffix(file.newline)) == file.people


@given(_files(), st.booleans())
def test_what_is_there_already_changes_nothing(file: _File, ends: bool) -> None:
    text = file.text if ends else file.text.removesuffix(file.newline)
    assert with_people(text, file.people) == text
    assert without_people(text, ["team-not-in-it"]) == text


@given(_files(), st.data(), st.booleans())
def test_taking_people_out_leaves_every_other_byte(file: _File, data: st.DataObject, ends: bool) -> None:
    gone = {person.name for person in file.people if data.draw(st.booleans())}
    if ends:
        assert without_people(file.text, gone) == file.without(gone)
    else:
        left = without_people(file.text.removesuffix(file.newline), gone)
        assert file.without(gone) in (left, left + file.newline)
        assert _people(left) == tuple(person for person in file.people if person.name not in gone)


@given(_files(), st.data(), st.booleans())
def test_putting_people_in_leaves_every_other_byte(file: _File, data: st.DataObject, ends: bool) -> None:
    there = {person.name: person for person in file.people}
    people = {person.name: person for person in data.draw(_classes())}
    for name in there:
        if data.draw(st.booleans()):
            people[name] = replace(people.get(name, there[name]), role=data.draw(_roles), team=data.draw(_teams))
    before = file.text if ends else file.text.removesuffix(file.newline)
    after = with_people(before, people.values())

    assert _people(after) == tuple((there | people).values())
    assert with_people(after, people.values()) == after
    notes = file.notes(after)
    assert {name: notes[name] for name in there} == {name: file.notes(before)[name] for name in there}

    untouched = without_people(after, people)
    title = file.header.removesuffix(file.newline)
    added, *rest = untouched.removeprefix(file.above + title).split(file.newline, 1)
    assert re.fullmatch(r'([,;\t]"?(role|team|email|github|expires)"?)*', added)
    kept = file.above + title + file.newline.join(["", *rest])
    assert file.without(people) in (kept, kept + file.newline)


@given(_files(), st.data())
def test_who_is_taken_out_can_be_put_in_again(file: _File, data: st.DataObject) -> None:
    gone = [person for person in file.people if data.draw(st.booleans())]
    left = without_people(file.text, [person.name for person in gone])
    again = with_people(left, gone)
    assert again.startswith(left)
    assert _people(again) == (*(person for person in file.people if person not in gone), *gone)


_tokens = st.sampled_from(
    [
        *("name", "nome", "role", "team", "email", "github", "expires", "note", "name,role\n", "name;team;expires\n"),
        *(
            "ana",
            "Ana",
            "bruno",
            "ci",
            "student",
            "instructor",
            "chef",
            "a@b.co",
            "2026-12-31",
            "31/12/2026",
            "1/2/2026",
        ),
        *(
            ",",
            ";",
            "\t",
            ",,",
            "\n",
            "\r\n",
            "\r",
            "\n\n",
            '"',
            '""',
            '"\n"',
            "#",
            "\n#",
            " ",
            BOM,
            "\0",
            "\x85",
            "=1",
            "é",
        ),
    ]
)
_roster_like = st.lists(_tokens, max_size=25).map("".join)
_headed = st.builds("".join, st.tuples(st.sampled_from(["name\n", "name,team\n", "note;name\r\n"]), _roster_like))


@given(st.text() | _roster_like | _headed)
@example("name\n" + '"' * 100_001)
@example("name\n\udc80\n")
def test_no_text_at_all_is_answered_with_anything_but_plain_words(text: str) -> None:
    try:
        roster = parse_roster(text, "members.csv")
    except ConfigError as error:
        for line in error.message.split("\n"):
            assert re.match(r"members\.csv:[1-9]\d*: \S", line)
            assert line.isprintable()
    else:
        assert with_people(text, roster.people) == text
        for person in roster.people:
            left = without_people(text, [person.name])
            assert _people(left) == tuple(other for other in roster.people if other != person)


@given(st.text() | _roster_like | _headed, _classes())
@example('name\n"', [Person("ana")])
def test_no_text_at_all_is_edited_with_any_other_error(text: str, people: list[Person]) -> None:
    names = [person.name for person in people]
    try:
        after = with_people(text, people)
        without_people(text, names)
    except ConfigError as error:
        for line in error.message.split("\n"):
            assert re.match(r"line [1-9]\d* of the roster: \S", line)
            assert line.isprintable()
    else:
        assert with_people(after, people) == after
        assert not names or set(names) <= {cell.strip(' "') for cell in re.split(r"[,;\t\r\n\ufeff]", after)}


def test_half_a_character_in_a_cell_is_told_like_the_rest() -> None:
    assert _wrong("name\n\udc80\n").startswith('members.csv:2: name: "\\udc80" cannot be a name: ')


def _seconds(text: str) -> float:
    begun = time.process_time()
    roster = parse_roster(text, "members.csv")
    assert with_people(text, roster.people) == text
    without_people(text, {person.name for person in roster.people})
    return time.process_time() - begun


@pytest.mark.parametrize("quote", ["", '"'])
def test_a_thousand_people_take_no_time(quote: str) -> None:
    people = [Person(f"p{n}", team=f"team-{n // 5}", email=f"p{n}@example.org", expires=DAY) for n in range(1000)]
    text = re.sub(r"[^,\n]+", rf"{quote}\g<0>{quote}", with_people(None, people))
    assert min(_seconds(text) for _ in range(3)) < 0.2


@pytest.mark.parametrize("row", ['"', '"a"b,', '""', '"a\n', 'x"', ",", "#", "\r", '"a",' * 50 + "\n"])
def test_a_quarter_of_a_megabyte_of_anything_takes_no_time(row: str) -> None:
    text = "name\n" + row * (250_000 // len(row))
    begun = time.process_time()
    with pytest.raises(ConfigError) if row not in "#\r," else contextlib.nullcontext():
        parse_roster(text, "members.csv")
    assert time.process_time() - begun < 5


@pytest.mark.parametrize(
    ("header", "found"),
    [
        ("name,expire,teams", {"expire": "expires", "teams": "team"}),
        ("name,team,teams,remarks", {}),
        ("", {}),
    ],
)
def test_a_column_that_is_likely_misspelt_is_found(header: str, found: dict[str, str]) -> None:
    assert mistaken_columns(header) == found
