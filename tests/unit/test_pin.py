"""The line that ties an environment to its account: put in and taken out of a bootstrap.toml that stays as it was."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bootstrap.core.pin import put_account, take_account
from bootstrap.core.spec import parse_spec

ACCOUNT = "123456789012"
LINE = 'account = "123456789012"  # `bootstrap up` wrote this: no other account is touched'

PUT = {
    "below the header": (
        'project = "abc"\n[environments.stag] # ours\nexpires = 2026-12-31\n',
        f'project = "abc"\n[environments.stag] # ours\n{LINE}\nexpires = 2026-12-31\n',
    ),
    "of the right environment": (
        'project = "abc"\n[environments.stag-2]\n[environments.stag]\n[environments.prod]\n',
        f'project = "abc"\n[environments.stag-2]\n[environments.stag]\n{LINE}\n[environments.prod]\n',
    ),
    "with the line ends of the file": (
        'project = "abc"\r\n\r\n[ environments . "stag" ]\r\n',
        f'project = "abc"\r\n\r\n[ environments . "stag" ]\r\n{LINE}\r\n',
    ),
    "where the last line has no end": (
        'project = "abc"\n[environments.stag]',
        f'project = "abc"\n[environments.stag]\n{LINE}',
    ),
    "where the file begins with a mark": (
        "\ufeff[environments.stag]\n[github]\n",
        f"\ufeff[environments.stag]\n{LINE}\n[github]\n",
    ),
    "not where it is only written about": (
        'project = "abc"\nowner = """\n[environments.stag]\n"""\n[environments.stag]\n',
        f'project = "abc"\nowner = """\n[environments.stag]\n"""\n[environments.stag]\n{LINE}\n',
    ),
}


@pytest.mark.parametrize(("before", "after"), PUT.values(), ids=PUT.keys())
def test_it_is_put_in_and_taken_out_again(before: str, after: str) -> None:
    assert put_account(before, "stag", ACCOUNT) == after
    assert take_account(after, "stag") == before


LEFT_ALONE = {
    "no such environment": 'project = "abc"\n[environments.prod]\n',
    "no environments": 'project = "abc"\n',
    "an inline table": 'project = "abc"\nenvironments = { stag = {} }\n',
    "a table within": 'project = "abc"\n[environments]\nstag = { protected = true }\n',
    "a table below alone": 'project = "abc"\n[environments.stag.mlflow]\nkind = "none"\n',
    "an account already": 'project = "abc"\n[environments.stag]\naccount = "210987654321"\n',
    "no TOML": "[environments.stag]\nno\n",
}


@pytest.mark.parametrize("text", LEFT_ALONE.values(), ids=LEFT_ALONE.keys())
def test_a_file_that_has_no_place_for_it_is_left_alone(text: str) -> None:
    assert put_account(text, "stag", ACCOUNT) is None
    assert take_account(text, "stag") == text


@pytest.mark.parametrize(
    "text",
    [
        f'project = "abc"\n[environments.prod]\n{LINE}\n[environments.stag]\n',
        'project = "abc"\n[environments.stag]\naccount = "123456789012"\n',
        f'project = "abc"\n[environments.stag]\nbranch = """\n{LINE}\n"""\n',
    ],
    ids=["another environment's", "a person's own", "within a text"],
)
def test_what_is_not_ours_to_take_stays(text: str) -> None:
    assert take_account(text, "stag") == text


@given(
    st.lists(st.sampled_from(["[environments.stag]", "[environments.b]", "branch = 'x'", "# c", "", "\t"])),
    st.booleans(),
)
def test_whatever_the_file_nothing_else_changes(lines: list[str], ends: bool) -> None:
    text = "\n".join(lines) + ("\n" if ends else "")
    if (changed := put_account(text, "stag", ACCOUNT)) is not None:
        assert take_account(changed, "stag") == text
        assert changed.replace(LINE, "", 1).split() == text.split()


def test_what_was_put_in_is_read() -> None:
    changed = put_account('project = "abc"\n[environments.stag]\n', "stag", ACCOUNT)
    assert changed is not None
    assert parse_spec(changed, "bootstrap.toml").environment("stag").account == ACCOUNT
