"""Which of the long walks a run of the whole suite takes: a share of them, another one each day.

Together they take longer than one is willing to wait before a change lands, and each tries a state that few changes
come near. So the marker `by_turns` puts them on a list, a run takes every fourth, and four days later each has been
walked. TURN=1 to 4 takes a share by its number, TURN=all takes them all; so does a run that is told what to test.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from datetime import datetime, timezone

import pytest

VARIABLE = "TURN"
MARKER = "by_turns"
TURNS = 4


def pytest_configure(config: pytest.Config) -> None:
    """Decide once, for this process and for the workers that it starts. Raises UsageError for another word."""
    if VARIABLE not in os.environ:
        whole = config.args_source is pytest.Config.ArgsSource.TESTPATHS
        os.environ[VARIABLE] = str(1 + datetime.now(timezone.utc).toordinal() % TURNS) if whole else "all"
    turn = os.environ[VARIABLE]
    if turn not in ("all", *map(str, range(1, TURNS + 1))):
        raise pytest.UsageError(f"{VARIABLE}={turn}: it is a number from 1 to {TURNS}, or 'all'.")


def pytest_report_header() -> str:
    """Say which share it is, so that it can be taken again."""
    turn = os.environ[VARIABLE]
    if turn == "all":
        return "long walks: all"
    return f"long walks: every fourth ({VARIABLE}={turn}; {VARIABLE}=all takes all)"


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Take those away whose turn it is not."""
    turn = os.environ[VARIABLE]
    if turn == "all":
        return
    lists = [_list(item) for item in items]
    wanted = taken(lists, int(turn))
    taken_now = [name is None or name in wanted for name in lists]
    config.hook.pytest_deselected(items=[item for item, now in zip(items, taken_now, strict=True) if not now])
    items[:] = [item for item, now in zip(items, taken_now, strict=True) if now]


def taken(lists: Sequence[str | None], turn: int) -> set[str]:
    """Return the names whose `turn` (from 1) it is, of those in the order in which they were collected.

    What stands side by side comes apart: a file's walks are spread over the turns.
    """
    names = list(dict.fromkeys(name for name in lists if name is not None))
    return {name for number, name in enumerate(names) if number % TURNS == turn - 1}


def _list(item: pytest.Item) -> str | None:
    """Return what a test goes by: what the marker says if several belong together, else its own name."""
    marker = item.get_closest_marker(MARKER)
    if marker is None:
        return None
    return f"{item.path.name}: {marker.args[0]}" if marker.args else item.nodeid
