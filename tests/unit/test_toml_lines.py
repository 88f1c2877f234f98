"""Each key of a TOML text is found on the line where it stands."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bootstrap.core.toml_lines import TomlSyntaxError, key_lines, line_of, parse

TEXT = '''\
# a comment with = and [brackets]
project = "x"

[environments.stag] # ends here
  branch = """
[github]
auth = 1
"""
"a.b" = 1
'single' = 2
c . "d e" . f = 3

[ environments . "prod.eu" ]
list = [
  1, # [no]
  # list2 = 5
  2,
]
mlflow = { kind = "ec2", "in.ner" = { x = 1 } }

[[people]]
name = 'a'
[[people]]
name = 'b'
role = 1
[people.team]
size = 2
[github]
'''


@pytest.mark.parametrize(
    ("path", "line"),
    [
        (("project",), 2),
        (("environments",), 4),
        (("environments", "stag"), 4),
        (("environments", "stag", "branch"), 5),
        (("environments", "stag", "a.b"), 9),
        (("environments", "stag", "single"), 10),
        (("environments", "stag", "c"), 11),
        (("environments", "stag", "c", "d e", "f"), 11),
        (("environments", "prod.eu"), 13),
        (("environments", "prod.eu", "list"), 14),
        (("environments", "prod.eu", "mlflow", "kind"), 19),
        (("environments", "prod.eu", "mlflow", "in.ner", "x"), 19),
        (("people",), 21),
        (("people", "name"), 22),
        (("people", "role"), 25),
        (("people", "team", "size"), 27),
        (("github",), 28),
    ],
)
@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_a_key_has_its_line(path: tuple[str, ...], line: int, newline: str) -> None:
    assert line_of(TEXT.replace("\n", newline), path) == line


@pytest.mark.parametrize(
    ("path", "line"),
    [
        ((), 1),
        (("nothing",), 1),
        (("github", "auth"), 28),
        (("environments", "stag", "expires"), 4),
        (("environments", "devl", "branch"), 4),
        (("environments", "prod.eu", "mlflow", "domain"), 19),
    ],
)
def test_a_missing_key_has_the_line_of_the_nearest_table(path: tuple[str, ...], line: int) -> None:
    assert line_of(TEXT, path) == line


def test_the_last_line_needs_no_newline() -> None:
    assert line_of("a = 1\nb = 2", ("b",)) == 2


def _paths(value: Any, path: tuple[str, ...] = ()) -> set[tuple[str, ...]]:
    if isinstance(value, dict):
        return {found for key, inner in value.items() for found in {(*path, key), *_paths(inner, (*path, key))}}
    if isinstance(value, list):
        return {found for inner in value for found in _paths(inner, path)}
    return set()


_keys = st.lists(st.sampled_from(["a", "b", '"c.d"', "'e'", "f-1"]), min_size=1, max_size=3).map(".".join)
_values = st.sampled_from(
    [
        "1",
        '"x"',
        "'''\n[a]\nb = 1\n'''",
        '"""\\\n"""',
        "[\n1,\n# ]\n]",
        "{ g = 1, h.i = [{ j = 2 }] }",
        "[[]]",
    ]
)
_lines = (
    st.sampled_from(["", "# c = 1", "  "])
    | _keys.map("[{}]".format)
    | _keys.map("[[ {} ]] # x".format)
    | st.builds("{} = {}".format, _keys, _values)
)


@given(st.lists(_lines, max_size=8), st.sampled_from(["\n", "\r\n"]))
def test_every_key_of_any_document_is_found(lines: list[str], newline: str) -> None:
    kept: list[str] = []
    for line in lines:
        try:
            parse("\n".join([*kept, line]))
        except TomlSyntaxError:
            continue
        kept.append(line)
    text = "\n".join(kept)
    found = key_lines(text.replace("\n", newline))
    assert set(found) == _paths(parse(text))
    starts = {1 + "\n".join([*kept[:n], ""]).count("\n") for n in range(len(kept))}
    assert set(found.values()) <= starts


@pytest.mark.parametrize(
    ("text", "line", "column"),
    [
        ("a = 1\nb = \n", 2, 5),
        ("\n\na b = 1", 3, 3),
        ('a = """\nb', 2, 2),
        ("a = " + "[" * 100_000, 1, 1),
        ("a = " + "1" * 5_000, 1, 1),
        ("a = [0x" + "f" * 5_000 + "]", 1, 1),
        ("a.b = -9223372036854775809", 1, 1),
    ],
)
def test_a_syntax_error_has_its_place(text: str, line: int, column: int) -> None:
    with pytest.raises(TomlSyntaxError) as caught:
        parse(text)
    assert (caught.value.line, caught.value.column) == (line, column)
    assert "(at" not in caught.value.words
