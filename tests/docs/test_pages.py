"""What the pages say is so: commands parse, examples are read, messages are the program's own, links lead somewhere."""

from __future__ import annotations

import ast
import itertools
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import click
import pytest

from bootstrap.cli import COMMANDS, cli
from bootstrap.core.access import ALL, NOTHING, READ, ROLES, TABLE, WRITE
from bootstrap.core.roster import parse_roster
from bootstrap.core.spec import parse_spec
from bootstrap.errors import ConfigError

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
FOR_USERS = [ROOT / "README.md", *sorted(DOCS.rglob("*.md"))]
ALL_PAGES = [*FOR_USERS, ROOT / "CHANGELOG.md", *sorted(ROOT.glob("infra/**/README.md")), ROOT / "benchmarks/README.md"]
WRONG_ON_PURPOSE = "<!-- wrong on purpose -->"


@dataclass(frozen=True)
class Block:
    """A fenced block: its language, its text, where it stands, and the line of text right above it."""

    page: Path
    line: int
    language: str
    text: str
    above: str

    def __str__(self) -> str:
        return f"{self.page.relative_to(ROOT)}:{self.line}"


def blocks(page: Path) -> Iterator[Block]:
    begun: tuple[int, str] | None = None
    inside: list[str] = []
    above = ""
    for number, line in enumerate(page.read_text(encoding="utf-8").splitlines(), start=1):
        if begun is None and line.startswith("```"):
            begun, inside = (number, line[3:].strip()), []
        elif begun is not None and line == "```":
            yield Block(page, begun[0], begun[1], "\n".join(inside), above)
            begun, above = None, ""
        elif begun is not None:
            inside.append(line)
        elif line.strip():
            above = line.strip()
    assert begun is None, f"{page}: the block of line {begun} is not closed"


BLOCKS = [block for page in FOR_USERS for block in blocks(page)]


def without_blocks(page: Path) -> str:
    return re.sub(r"^```.*?^```$", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)


# Commands


def typed(block: Block) -> Iterator[list[str]]:
    """Yield the words of every `bootstrap …` in a block; in a `console` only lines behind a `$` are typed."""
    for line in block.text.splitlines():
        if block.language == "console" and not line.startswith("$ "):
            continue
        for part in re.split(r"&&|\|\||[|;]", line.removeprefix("$ ")):
            words = shlex.split(part, comments=True)
            if words[:1] == ["bootstrap"]:
                yield words[1:]


def look_up(words: list[str]) -> tuple[click.Command, list[str]]:
    """Return the command that the words name, and what is left for it."""
    command: click.Command = cli
    rest = list(words)
    while isinstance(command, click.Group) and rest and not rest[0].startswith("-"):
        found = command.get_command(click.Context(command), rest[0])
        assert found is not None, f"there is no command {rest[0]}"
        command, rest = found, rest[1:]
    return command, rest


TYPED = [(str(block), words) for block in BLOCKS if block.language in ("bash", "console") for words in typed(block)]


@pytest.mark.parametrize(("place", "words"), TYPED, ids=[f"{place} {' '.join(words)}" for place, words in TYPED])
def test_a_command_in_a_block_can_be_typed(place: str, words: list[str]) -> None:
    command, rest = look_up(words)
    only_help = isinstance(command, click.Group) and not command.invoke_without_command
    assert not only_help, f"{place}: this only shows help"
    with command.make_context(command.name, rest):
        pass


def test_there_are_commands_to_look_at() -> None:
    assert len(TYPED) > 15


SPANS = [
    (page, span)
    for page in FOR_USERS
    for span in re.findall(r"(?<!`)`(bootstrap [^`\n]+)`", without_blocks(page))
    if not re.search(r"[↔→]|\.toml", span)
]


@pytest.mark.parametrize(("page", "span"), SPANS, ids=[f"{page.name} {span}" for page, span in SPANS])
def test_a_command_in_a_sentence_exists(page: Path, span: str) -> None:
    command, rest = look_up(shlex.split(span)[1:])
    known = {name for parameter in command.params for name in parameter.opts} | {"--help", "--version"}
    assert {word for word in rest if word.startswith("-")} <= known


@pytest.mark.parametrize("name", COMMANDS)
def test_each_command_is_explained_and_in_the_readme(name: str) -> None:
    assert f"### bootstrap {name}\n" in (DOCS / "reference.md").read_text(encoding="utf-8")
    assert re.search(rf"`bootstrap {name}\b", (ROOT / "README.md").read_text(encoding="utf-8"))


def test_a_wrong_command_would_be_seen() -> None:
    with pytest.raises(AssertionError):
        look_up(["upp"])
    command, rest = look_up(["up", "--env", "stag", "--lokal"])
    with pytest.raises(click.UsageError):
        command.make_context("up", rest)


# bootstrap.toml

TOML = [block for block in BLOCKS if block.language == "toml"]
RIGHT = [block for block in TOML if block.above != WRONG_ON_PURPOSE]
WRONG = [block for block in TOML if block.above == WRONG_ON_PURPOSE]


@pytest.mark.parametrize("block", RIGHT, ids=str)
def test_an_example_of_bootstrap_toml_is_read(block: Block) -> None:
    parse_spec(block.text, "bootstrap.toml")


@pytest.mark.parametrize("block", WRONG, ids=str)
def test_an_example_of_a_mistake_gets_the_message_below_it(block: Block) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_spec(block.text, "bootstrap.toml")
    told = BLOCKS[BLOCKS.index(block) + 1]
    assert told.language == "text"
    assert told.text == f"Error: {caught.value.message}"


def test_the_complete_example_has_every_key() -> None:
    [complete] = [block for block in RIGHT if "memory" in block.text]
    page = (DOCS / "configuration.md").read_text(encoding="utf-8")
    template = (ROOT / "templates/bootstrap.toml").read_text(encoding="utf-8")
    keys = set(re.findall(r"^(?:# )?(\w+) = ", template, re.MULTILINE))
    assert keys >= {"project", "branch", "volume_gb", "api_url"}
    for key in keys:
        assert re.search(rf"^(\w+\.)?{key} = ", complete.text, re.MULTILINE), key
        assert f"`{key}`" in page, key


# Rosters

CSV = [block for block in BLOCKS if block.language == "csv"]


@pytest.mark.parametrize("block", CSV, ids=str)
def test_an_example_of_a_roster_is_read_or_gets_the_message_below_it(block: Block) -> None:
    if block.above != WRONG_ON_PURPOSE:
        assert parse_roster(block.text, "members.csv").people
        return
    with pytest.raises(ConfigError) as caught:
        parse_roster(block.text, "members.csv")
    told = BLOCKS[BLOCKS.index(block) + 1]
    assert told.text == f"Error: {caught.value.message}"


def test_there_is_a_right_and_a_wrong_roster_to_look_at() -> None:
    assert {block.above == WRONG_ON_PURPOSE for block in CSV} == {True, False}


# Who may do what

MAY = {NOTHING: "nothing", READ: "read", WRITE: "read, write", ALL: "read, write, delete"}


def test_the_table_of_roles_is_the_specification() -> None:
    told = rows(DOCS / "people.md", "place in the bucket", *ROLES)
    # What stands in brackets is an option.
    found = {place.strip("`"): [cell.partition(" (")[0] for cell in cells] for place, *cells in told}
    assert found == {place: [MAY[TABLE[place][role]] for role in ROLES] for place in TABLE}


# The two pages for students

ENGLISH, PORTUGUESE = DOCS / "students.md", DOCS / "students.pt-BR.md"


def rows(page: Path, *header: str) -> list[list[str]]:
    """Return the cells of each row of the table with this header."""
    lines = page.read_text(encoding="utf-8").splitlines()
    begin = lines.index(f"| {' | '.join(header)} |") + 2
    table = itertools.takewhile(lambda line: line.startswith("|"), lines[begin:])
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in table]


def test_both_languages_say_the_same() -> None:
    english, portuguese = ([(b.language, b.text) for b in blocks(page)] for page in (ENGLISH, PORTUGUESE))
    assert english == portuguese
    shapes = []
    for page in (ENGLISH, PORTUGUESE):
        lines = without_blocks(page).splitlines()
        shapes.append([re.match(r"#+|\||- |\d\. |", line)[0] for line in lines])  # type: ignore[index]
    assert [each for each in shapes[0] if each] == [each for each in shapes[1] if each]
    quoted = [[row[0] for row in rows(page, *QUOTED[page])] for page in (ENGLISH, PORTUGUESE)]
    assert quoted[0] == quoted[1]


def test_what_a_student_installs_is_pinned() -> None:
    [line] = [block.text for block in blocks(ENGLISH) if "pip install" in block.text]
    words = shlex.split(line.partition("pip install ")[2])
    assert words[:3] == ["-c", ".ci/constraints.txt", "."]
    pinned = {pin.partition("==")[0] for pin in (ROOT / words[1]).read_text(encoding="utf-8").splitlines()}
    assert {word.partition("[")[0] for word in words[3:]} <= pinned


# Page → header of a table whose first column has the program's words; what is left out of them is `…`.
QUOTED = {
    ENGLISH: ("you read", "what to do"),
    PORTUGUESE: ("você lê", "o que fazer"),
    DOCS / "new-project.md": ("you read", "what to do"),
    DOCS / "local-target.md": ("why, as it is printed", "what that is", "on AWS"),
}


@pytest.mark.parametrize("page", QUOTED, ids=lambda page: page.name)
def test_what_a_table_quotes_is_said_by_the_program(page: Path) -> None:
    said = "\n".join(
        node.value
        for path in sorted((ROOT / "bootstrap").rglob("*.py"))
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    )
    quoted = [span for row in rows(page, *QUOTED[page]) for span in re.findall(r"`([^`]+)`", row[0])]
    assert len(quoted) >= 3
    by_the_shell = "command not found: bootstrap"
    for span in set(quoted) - {by_the_shell}:
        for piece in span.split("…"):
            assert piece.strip() in said, span


# Messages


def templates() -> Iterator[str]:
    """Yield a pattern for each text in the program that could begin a message; what it fills in is `.+?`."""
    for path in sorted((ROOT / "bootstrap").rglob("*.py")):
        nodes = list(ast.walk(ast.parse(path.read_text(encoding="utf-8"))))
        passed_over = {id(part) for node in nodes if isinstance(node, ast.JoinedStr) for part in node.values}
        passed_over |= {id(node.value) for node in nodes if isinstance(node, ast.Expr)}  # docstrings
        for node in nodes:
            parts: list[str | None] = []
            if isinstance(node, ast.JoinedStr):
                parts = [str(part.value) if isinstance(part, ast.Constant) else None for part in node.values]
            elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in passed_over:
                parts = [node.value]
            if parts and parts[-1] is None:
                parts.pop()
            # What has no sentence of its own would match everything.
            own = "".join(part for part in parts if part)
            if len(own) >= 12 and " " in own.strip():
                yield "".join(".+?" if part is None else re.escape(part) for part in parts).removesuffix("\\\n")


@pytest.fixture(scope="module")
def known() -> re.Pattern[str]:
    # In front: the file and its line. Behind: what some messages end with, as a reason or a list.
    return re.compile(rf"(?:\S+, )?(?:line \d+: )?(?:{'|'.join(templates())}).*", re.DOTALL)


MESSAGES = [
    block
    for block in BLOCKS
    if block.language == "text" and block.text.startswith(("Error: ", "Note: ")) and block.page.name != "reference.md"
]


@pytest.mark.parametrize("block", MESSAGES, ids=str)
def test_a_message_is_one_that_the_program_gives(block: Block, known: re.Pattern[str]) -> None:
    message = block.text.partition(": ")[2]
    # Those on a line of bootstrap.toml or of a roster stand in these pages too, where they are compared word by word.
    pages = ("configuration.md", "people.md")
    compared = [other.text for other in BLOCKS if other.page.name in pages and other.language == "text"]
    assert known.fullmatch(message) or any(message in text for text in compared), message


def test_an_invented_message_would_be_seen(known: re.Pattern[str]) -> None:
    assert len(MESSAGES) > 40
    assert known.fullmatch("'prod' is protected.")
    assert not known.fullmatch("'prod' is under protection.")
    assert not known.fullmatch("There is nothing like that.")


# Links


def headings(page: Path) -> set[str]:
    """Return the anchors of a page, made as GitHub makes them."""
    found: set[str] = set()
    for heading in re.findall(r"^#{1,6} (.+)$", without_blocks(page), re.MULTILINE):
        plain = re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", heading).strip().lower()
        anchor = re.sub(r"[^\w\- ]", "", plain).replace(" ", "-")
        count = 0
        while (f"{anchor}-{count}" if count else anchor) in found:
            count += 1
        found.add(f"{anchor}-{count}" if count else anchor)
    return found


@pytest.mark.parametrize("page", ALL_PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_leads_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", without_blocks(page)):
        if re.match(r"https?://", target):
            continue
        file, _, anchor = target.partition("#")
        path = (page.parent / file).resolve() if file else page
        assert path.exists(), target
        assert path.is_relative_to(ROOT), target
        if anchor:
            assert anchor in headings(path), target


def test_every_page_can_be_reached_from_the_readme() -> None:
    reached, new = set(), {ROOT / "README.md"}
    while new:
        page = new.pop()
        reached.add(page)
        links = re.findall(r"\]\(([^)\s#]+\.md)[^)]*\)", page.read_text(encoding="utf-8"))
        new |= {(page.parent / link).resolve() for link in links if "://" not in link} - reached
    assert set(FOR_USERS) <= reached


# Decisions

DECISIONS = sorted((DOCS / "decisions").glob("[0-9]*.md"))


@pytest.mark.parametrize("record", DECISIONS, ids=lambda record: record.name)
def test_a_decision_is_short_and_says_why(record: Path) -> None:
    text = record.read_text(encoding="utf-8")
    assert re.findall(r"^#+ (.+)$", text, re.MULTILINE)[1:] == ["Context", "Decision", "Consequence"]
    assert 10 <= len(text.splitlines()) <= 25
    title = re.match(r"# (\d+)\. (.+)\n", text)
    assert title is not None
    assert int(title[1]) == int(record.name[:4])
    index = (DOCS / "decisions/README.md").read_text(encoding="utf-8")
    assert f"| [{title[1]}]({record.name}) | {title[2]} |" in index


# The generated page


def test_the_reference_is_current() -> None:
    done = subprocess.run(
        [sys.executable, DOCS / "generate_reference.py", "--check"],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_every_variable_in_the_code_is_in_the_reference() -> None:
    reference = (DOCS / "reference.md").read_text(encoding="utf-8")
    found = {
        node.value
        for path in (ROOT / "bootstrap").rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
        if re.fullmatch(r"_?(BOOTSTRAP|AWS|TF|XDG)_[A-Z0-9_]*[A-Z0-9]", node.value)
    }
    set_by_us = {"AWS_EC2_METADATA_DISABLED", "TF_IN_AUTOMATION"}
    assert found >= {"BOOTSTRAP_TF_MIRROR", "AWS_PROFILE", *set_by_us}
    assert {name for name in found - set_by_us if name not in reference} - {"TF_CLI_ARGS", "TF_VAR_"} == set()
