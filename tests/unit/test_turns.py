"""The long walks: each has its turn, and what belongs together goes together."""

from __future__ import annotations

import pytest

from tests.turns import TURNS, taken

LISTS = ["a", None, "b", "few", "few", None, "c", "d", "e", "f"]


@pytest.mark.parametrize(
    ("turn", "expected"), [(1, {"a", "d"}), (2, {"b", "e"}), (3, {"few", "f"}), (4, {"c"})], ids=range(1, TURNS + 1)
)
def test_every_fourth(turn: int, expected: set[str]) -> None:
    assert taken(LISTS, turn) == expected


def test_in_as_many_days_as_there_are_turns_all_are_walked_once() -> None:
    shares = [taken(LISTS, turn) for turn in range(1, TURNS + 1)]
    assert sorted(name for share in shares for name in share) == sorted({name for name in LISTS if name})
