"""Text before -> text after, for every kind of file we may meet."""

from __future__ import annotations

import configparser
import itertools
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from bootstrap.core.sections import (
    Block,
    Place,
    adopt_tail,
    block_owners,
    dotenv_values,
    find_block,
    nested_gap,
    other_lines,
    put_block,
    remove_block,
    section_lines,
    section_values,
)
from bootstrap.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable

STAG = Block("demo/stag", ("[profile demo-stag]", "region = eu-west-1"))
PROD = Block("demo/prod", ("[profile demo-prod]", "region = us-east-1"))
DEVL = Block("other/devl", ())
ANA = Block("demo/stag/ana", ("[profile demo-stag]", "region = eu-west-1"))


def rendered(block: Block, flag: str = "", newline: str = "\n") -> str:
    commands = ("join", "leave") if block.owner.count("/") == 2 else ("up", "down")
    story = "written by 'bootstrap {}', removed by 'bootstrap {}'".format(*commands)
    opening = f"# >>> bootstrap {block.owner}, {story}{flag} >>>"
    return "".join(line + newline for line in (opening, *block.lines, f"# <<< bootstrap {block.owner} <<<"))


USERS = "# mine\n[default]\nregion = us-east-1\n\n[profile work]\ns3 =\n    addressing_style = path\n; end\n"

PUT = {
    "no file": (None, rendered(STAG, " [new file]")),
    "an empty file": ("", rendered(STAG)),
    "comments and nested values": (USERS, USERS + rendered(STAG)),
    "Windows line endings": (
        USERS.replace("\n", "\r\n"),
        USERS.replace("\n", "\r\n") + rendered(STAG, "", "\r\n"),
    ),
    "no final newline": ("[default]", "[default]\n" + rendered(STAG, " [added newline]")),
    "no final newline, Windows": (
        "[default]\r\na = b",
        "[default]\r\na = b\r\n" + rendered(STAG, " [added newline]", "\r\n"),
    ),
    "old Macintosh line endings": ("[default]\ra = b\r", "[default]\ra = b\r" + rendered(STAG)),
    "another block of ours": (rendered(PROD, " [new file]"), rendered(PROD, " [new file]") + rendered(STAG)),
    "an older block of the same owner": (
        "a\n" + rendered(Block(STAG.owner, ("old",))) + "b",
        "a\n" + rendered(STAG) + "b",
    ),
    "an older block with its flag": (
        rendered(Block(STAG.owner, ("old", "older")), " [new file]") + "b",
        rendered(STAG, " [new file]") + "b",
    ),
    "an older block whose last newline is gone": (
        rendered(Block(STAG.owner, ("old",))).rstrip("\n"),
        rendered(STAG).rstrip("\n"),
    ),
}


@pytest.mark.parametrize(("before", "after"), PUT.values(), ids=PUT)
def test_put(before: str | None, after: str) -> None:
    assert put_block(before, STAG) == after
    assert put_block(after, STAG) == after
    assert find_block(after, STAG.owner) == STAG


def test_a_members_block_stands_beside_the_operators() -> None:
    text = put_block(put_block(USERS, STAG), ANA)
    assert text == USERS + rendered(STAG) + rendered(ANA)
    assert "written by 'bootstrap join', removed by 'bootstrap leave'" in text
    assert find_block(text, STAG.owner) == STAG
    assert find_block(text, ANA.owner) == ANA
    assert remove_block(text, STAG.owner) == USERS + rendered(ANA)


WINDOWS = USERS.replace("\n", "\r\n")
WITH_LINE_FEEDS = {
    "no file": (None, rendered(STAG, " [new file]")),
    "Windows line endings": (WINDOWS, WINDOWS + rendered(STAG)),
    "no final newline, Windows": ("a\r\nb", "a\r\nb\n" + rendered(STAG, " [added newline]")),
    "a block that an editor has changed": (WINDOWS + rendered(STAG, "", "\r\n"), WINDOWS + rendered(STAG)),
    "one line of it": (rendered(STAG).replace("west-1\n", "west-1\r\n"), rendered(STAG)),
    "its last line": (rendered(STAG)[:-1] + "\r\n" + WINDOWS, rendered(STAG) + WINDOWS),
    "no newline after it": (rendered(STAG, "", "\r\n")[:-2], rendered(STAG)[:-1]),
}


@pytest.mark.parametrize(("before", "after"), WITH_LINE_FEEDS.values(), ids=WITH_LINE_FEEDS)
def test_put_with_line_feeds(before: str | None, after: str) -> None:
    assert put_block(before, STAG, "\n") == after
    assert put_block(after, STAG, "\n") == after
    assert find_block(after, STAG.owner) == STAG


REMOVE = {
    "nothing of ours": (USERS, USERS),
    "our file": (rendered(STAG, " [new file]"), None),
    "a file that was empty": (rendered(STAG), ""),
    "a newline of ours": ("x\n" + rendered(STAG, " [added newline]"), "x"),
    "a Windows newline of ours": ("x\r\n" + rendered(STAG, " [added newline]", "\r\n"), "x"),
    "text after, in our file": (rendered(STAG, " [new file]") + "[mine]\n", "[mine]\n"),
    "text before, in our file": ("[mine]\n" + rendered(STAG, " [new file]"), "[mine]\n"),
    "text after a newline of ours": ("x\n" + rendered(STAG, " [added newline]") + "y", "x\ny"),
    "the next block inherits the file": (
        rendered(STAG, " [new file]") + rendered(PROD),
        rendered(PROD, " [new file]"),
    ),
    "the next block inherits the newline": (
        "x\n" + rendered(STAG, " [added newline]") + rendered(PROD),
        "x\n" + rendered(PROD, " [added newline]"),
    ),
    "a flag that the block before it explains goes with it": (
        "x\n" + rendered(STAG).rstrip("\n") + "\n" + rendered(PROD, " [added newline]"),
        "x\n" + rendered(PROD),
    ),
    "wording of another version": (
        "# >>> bootstrap demo/stag, as of old [new file] >>>\nx\n# <<< bootstrap demo/stag <<<\n",
        None,
    ),
}


@pytest.mark.parametrize(("before", "after"), REMOVE.values(), ids=REMOVE)
def test_remove(before: str, after: str | None) -> None:
    assert remove_block(before, STAG.owner) == after


def removed(text: str | None, owner: str) -> str | None:
    return None if text is None else remove_block(text, owner)


STARTS = [None, "", "x", "x\n", "x\r\ny", USERS, USERS.rstrip("\n"), "\n", "\r"]


@pytest.mark.parametrize("start", STARTS)
def test_blocks_come_and_go_in_any_order(start: str | None) -> None:
    blocks = (STAG, PROD, DEVL)
    for up, down in itertools.product(itertools.permutations(blocks), repeat=2):
        text = start
        for block in up:
            text = put_block(text, block)
        assert block_owners(text or "") == [block.owner for block in up]
        for block in down:
            text = removed(text, block.owner)
        assert text == start


DAMAGED = {
    "no closing line": ("x\n" + rendered(STAG).rsplit("#", 1)[0], 2),
    "no opening line": ("x\n" + rendered(STAG).split("\n", 1)[1], 4),
    "one inside the other": (rendered(STAG).splitlines(keepends=True)[0] + rendered(PROD), 1),
    "closed by another's line": (
        rendered(STAG).replace("# <<< bootstrap demo/stag", "# <<< bootstrap b/c"),
        4,
    ),
    "twice": (rendered(STAG) * 2, 5),
}


@pytest.mark.parametrize(("text", "line"), DAMAGED.values(), ids=DAMAGED)
def test_damaged_markers_are_named_and_never_guessed_at(text: str, line: int) -> None:
    attempts: list[Callable[[], object]] = [
        lambda: put_block(text, STAG),
        lambda: remove_block(text, STAG.owner),
        lambda: find_block(text, "nobody/here"),
        lambda: block_owners(text),
        lambda: adopt_tail(text, STAG.owner),
        lambda: section_lines(text, "default"),
    ]
    for attempt in attempts:
        with pytest.raises(ConfigError, match=rf"^line {line}: ") as caught:
            attempt()
        assert "# <<< bootstrap " in caught.value.hint


@pytest.mark.parametrize("owner", ["", "two words", "a,b", "a:b", "a=b", "a\nb"])
def test_an_owner_that_could_not_be_read_back_is_refused(owner: str) -> None:
    with pytest.raises(ValueError, match="owner"):
        Block(owner, ())


@pytest.mark.parametrize("line", ["a\nb", "a\r", rendered(PROD).splitlines()[0], "# <<< bootstrap a/b <<<"])
def test_a_line_that_could_not_be_read_back_is_refused(line: str) -> None:
    with pytest.raises(ValueError, match="line ending"):
        Block("demo/stag", (line,))


def test_markers_look_like_no_key_to_a_writer_that_takes_comments_for_keys() -> None:
    markers = [line for line in rendered(STAG, " [new file]").splitlines() if line.startswith("#")]
    assert len(markers) == 2
    assert not any(character in marker for marker in markers for character in ":=")


def test_a_block_knows_its_line() -> None:
    found = find_block("a\nb\n" + rendered(STAG), STAG.owner)
    assert found is not None
    assert found.line == 3


SECTIONS = {
    "plain": ("[profile x]", "profile x", [1]),
    "quoted": ('a\n[profile "x"]', "profile x", [2]),
    "single quotes": ("[profile 'x']", 'profile "x"', [1]),
    "blanks inside": ("[ profile   x ]\n[  x ]", "profile x", [1]),
    "blanks in a plain header": ("[ x ]", "x", [1]),
    "blanks before": ("  [x]", "x", [1]),
    "text after the bracket": ("[x] ; mine", "x", [1]),
    "a bracket in the comment after": ("[x] ; [mine]", "x", []),
    "both spellings": ('[profile x]\n[profile "x"]', "profile x", [1, 2]),
    "one word is another section": ("[x]\n[profilex]", "profile x", []),
    "an open quote": ('[profile "x]', "profile x", []),
    "comments": ("# [x]\n; [x]\n  # [x]", "x", []),
    "a nested value": ("[a]\ns3 =\n  [x]\n\n  [x]\n[x]", "x", [6]),
    "a continued value": ("[a]\nb = c\n  # note\n  [x]", "x", []),
    "indented after a header, so no value": ("[a]\n  [x]", "x", [2]),
    "indented as deep as its key": ("[a]\n  b = c\n  [x]", "x", [3]),
    "only these end a line": ("[a]\nb = c\x0b[x]\u2028[x]\r[x]\r\n[x]", "x", [3, 4]),
}


@pytest.mark.parametrize(("text", "header", "lines"), SECTIONS.values(), ids=SECTIONS)
def test_where_a_section_stands(text: str, header: str, lines: list[int]) -> None:
    assert section_lines(text, header) == [Place(line, None) for line in lines]


def test_whose_a_section_is() -> None:
    text = "[profile demo-prod]\n" + rendered(STAG) + rendered(PROD) + '[profile "demo-stag"]\n'
    assert section_lines(text, "profile demo-stag") == [Place(3, "demo/stag"), Place(10, None)]
    assert section_lines(text, "profile demo-prod") == [Place(1, None), Place(7, "demo/prod")]


def test_values_and_the_rest_of_a_section() -> None:
    lines = (
        "[a]",
        "x = 0",
        "[b]",
        "# note",
        "X = 1 = 2",
        "y:3",
        "s3 =",
        "  x = 9",
        "z =",
        "  # deep",
        "  zz",
    )
    assert section_values(lines, "b") == {"x": "1 = 2", "y": "3", "s3": "", "z": ""}
    assert other_lines(lines, "b", {"x", "z"}) == ("# note", "y:3", "s3 =", "  x = 9", "  # deep")
    assert section_values(lines, "c") == {}


TAILS = {
    "keys right after": (
        rendered(STAG) + "output = json\ns3 =\n  a = b\n\n[x]\n",
        rendered(Block(STAG.owner, (*STAG.lines, "output = json", "s3 =", "  a = b"))) + "\n[x]\n",
    ),
    "no final newline": (
        rendered(STAG) + "output = json",
        rendered(Block(STAG.owner, (*STAG.lines, "output = json"))).rstrip("\n"),
    ),
    "a section": (rendered(STAG) + "[x]\n", rendered(STAG) + "[x]\n"),
    "a comment": (rendered(STAG) + "# x\na = b\n", rendered(STAG) + "# x\na = b\n"),
    "a blank line": (rendered(STAG) + "\na = b\n", rendered(STAG) + "\na = b\n"),
    "nothing": (rendered(STAG), rendered(STAG)),
    "no block": (USERS, USERS),
}


@pytest.mark.parametrize(("before", "after"), TAILS.values(), ids=TAILS)
def test_adopt_tail(before: str, after: str) -> None:
    assert adopt_tail(before, STAG.owner) == after


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("[a]\ns3 =\n  x = y\n  oops\n", 4),
        ("[a]\nb = c\n  fine\n", None),
        ("[a]\ns3 =\n  x = y\n", None),
        ("[a]\ns3 =\n\n  # note\n  oops", 5),
    ],
)
def test_nested_gap(text: str, line: int | None) -> None:
    assert nested_gap(text) == line


def test_dotenv_values() -> None:
    lines = ["# a=b", "", "A=1", " export B = 'two words' ", 'C="x=y"', "D='", "E=", "no value", "F=it's"]
    expected = {"A": "1", "B": "two words", "C": "x=y", "D": "'", "E": "", "F": "it's"}
    assert dotenv_values(lines) == expected


# A busy machine is no failure.
unhurried = settings(deadline=None)

# Few characters, so that what matters to a parser turns up often.
TEXT = st.text(st.sampled_from("ab=:#;[] \t\n\r\x0b\x85\u2028é\ufeff"), max_size=40)
LINE = st.text(st.characters(exclude_characters="\r\n", exclude_categories=["Cs"]), max_size=20)
BLOCKS = st.sampled_from(["demo/stag", "demo/stag/ana", "a-b/c"]).flatmap(
    lambda owner: st.builds(Block, st.just(owner), st.lists(LINE, max_size=3).map(tuple))
)


@unhurried
@given(st.none() | TEXT, BLOCKS, st.sampled_from([None, "\n", "\r\n"]))
def test_put_and_remove_are_opposites(text: str | None, block: Block, newline: Any) -> None:
    once = put_block(text, block, newline)
    assert once.startswith(text or "")
    assert put_block(once, block, newline) == once
    assert find_block(once, block.owner) == block
    assert remove_block(once, block.owner) == text


@unhurried
@given(TEXT, TEXT, BLOCKS, LINE)
def test_every_byte_around_a_block_stays(before: str, after: str, block: Block, line: str) -> None:
    with_block = put_block(before, block) + after
    changed = put_block(with_block, Block(block.owner, (line, *block.lines)))
    assert changed.startswith(before)
    assert changed.endswith(after)
    kept = remove_block(changed, block.owner)
    assert kept is not None
    assert kept in {before + after, before + "\n" + after, before + "\r\n" + after}
    if before.endswith(("\n", "\r")) or not before or not after:
        assert kept == before + after


@unhurried
@given(st.none() | TEXT, st.lists(BLOCKS | st.sampled_from(["demo/stag", "demo/stag/ana", "a-b/c"]), max_size=8))
def test_any_history_ends_where_it_began(start: str | None, steps: list[Block | str]) -> None:
    text = start
    for step in steps:
        text = put_block(text, step) if isinstance(step, Block) else removed(text, step)
    for owner in block_owners(text or ""):
        text = removed(text, owner)
    assert text == start


INI = st.lists(
    st.sampled_from(
        [
            "[a]",
            "[b]",
            " [c]",
            "[ d]",
            "x = 1",
            "y: 2",
            "  z = 3",
            "s3 =",
            "    [b]",
            "# [a]",
            "; b",
            "",
            "   ",
        ]
    ),
    max_size=8,
).map("\n".join)


@unhurried
@given(INI)
def test_sections_are_where_the_standard_parser_sees_them(text: str) -> None:
    parser = configparser.RawConfigParser()
    try:
        parser.read_string(text)
    except configparser.Error:
        assume(False)
    lines = text.split("\n")
    for name in ("a", "b", "c", "d"):
        real = next((section for section in parser.sections() if section.strip() == name), None)
        assert len(section_lines(text, name)) == (real is not None)
        first_lines = {key: value.split("\n")[0] for key, value in parser.items(real)} if real else {}
        assert section_values(lines, name) == first_lines
