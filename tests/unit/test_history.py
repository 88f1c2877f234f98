"""What a line of an environment's history says, and what it never says."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from datetime import datetime, timedelta, timezone

import pytest

from bootstrap.core.history import Entry, arguments, key, own_mark, parse_entry, prefix, result_of, stamp
from bootstrap.errors import AwsFailed, BootstrapError, GitHubFailed, Unfinished

BEGAN = datetime(2026, 11, 21, 7, 44, 5, 678_901, tzinfo=timezone.utc)
WHO = "arn:aws:iam::123456789012:user/ana"
ENTRY = Entry(stamp(BEGAN), "onboard", "done", WHO, 4.2, "0.1.0", {"added": ["ana", "bia"], "roster": True})


def test_a_line_is_one_line_and_is_read_again() -> None:
    text = ENTRY.to_json()
    assert text.count("\n") == 1
    assert json.loads(text) == {
        "schema": 1,
        "time": "2026-11-21T07:44:05.678+00:00",
        "command": "onboard",
        "arguments": {"added": ["ana", "bia"], "roster": True},
        "who": WHO,
        "version": "0.1.0",
        "result": "done",
        "seconds": 4.2,
    }
    assert parse_entry(text) == ENTRY


DAMAGED = {
    "nothing": "",
    "no JSON": "{",
    "no object": "[]",
    "a newer version": ENTRY.to_json().replace('"schema": 1', '"schema": 2'),
    "no command": ENTRY.to_json().replace('"command"', '"commend"'),
    "no time": ENTRY.to_json().replace("2026-11-21", "some day"),
    "arguments that are none": ENTRY.to_json().replace('{"added": ["ana", "bia"], "roster": true}', '"ana"'),
    "seconds that are none": ENTRY.to_json().replace("4.2", '"four"'),
}


@pytest.mark.parametrize("text", DAMAGED.values(), ids=DAMAGED.keys())
def test_what_is_damaged_is_not_guessed_at(text: str) -> None:
    assert parse_entry(text) is None


def test_keys_in_their_order_are_in_the_order_of_time() -> None:
    moments = [BEGAN + timedelta(milliseconds=step) for step in (0, 1, 400, 1_000, 60_000, 86_400_000, 40 * 86_400_000)]
    entries = [replace(ENTRY, time=stamp(moment)) for moment in moments]
    keys = [key("stag", entry, f"{99 - at:08x}") for at, entry in enumerate(entries)]
    assert keys == sorted(keys)
    assert keys[0] == "stag/history/20261121T074405.678Z-00000063.json"
    assert all(one.startswith(prefix("stag")) for one in keys)
    elsewhere = replace(ENTRY, time="2026-11-21T04:44:05.678-03:00")
    assert key("stag", elsewhere, "00000063") == keys[0]


def test_an_entry_has_one_mark_of_its_own() -> None:
    assert re.fullmatch("[0-9a-f]{8}", own_mark(ENTRY))
    assert own_mark(replace(ENTRY)) == own_mark(ENTRY)
    assert own_mark(replace(ENTRY, command="up")) != own_mark(ENTRY)


RESULTS = {
    "nothing went wrong": (None, None, "done"),
    "Ctrl-C": (KeyboardInterrupt(), None, "interrupted"),
    "an error of ours": (AwsFailed("Could not list.\nAnd more."), None, "failed: AwsFailed: Could not list."),
    "another error": (OSError(28, "No space left"), None, "failed: OSError: [Errno 28] No space left"),
    "all but GitHub, raised": (Unfinished("Not on GitHub."), None, "unfinished: Not on GitHub."),
    "all but GitHub, told": (None, GitHubFailed("It is away."), "unfinished: GitHubFailed: It is away."),
    "an error without words": (BootstrapError(""), None, "failed: BootstrapError: "),
}


@pytest.mark.parametrize(("error", "unfinished", "told"), RESULTS.values(), ids=RESULTS.keys())
def test_how_a_command_ended(error: BaseException | None, unfinished: BootstrapError | None, told: str) -> None:
    assert result_of(error, unfinished) == told


def test_no_secret_and_no_sign_for_a_terminal_gets_into_a_result() -> None:
    told = result_of(BootstrapError("secret_access_key=abcdef \x1b[31m AKIAIOSFODNN7EXAMPLE"))
    assert "abcdef" not in told
    assert "IOSFODNN" not in told
    assert "\x1b" not in told
    assert len(result_of(BootstrapError("long " * 1000))) < 600


GIVEN = {
    "what was not asked for is left out": ({"prune": False, "names": [], "archive": None, "to": ""}, {}),
    "words, counts and yes": ({"to": "a", "count": 3, "roster": True}, {"to": "a", "count": 3, "roster": True}),
    "names": ({"added": ("ana", "bia")}, {"added": ["ana", "bia"]}),
    "a secret in a text": ({"to": "password=abc"}, {"to": "password=****"}),
    "a secret in a list": ({"all": ["token=x"]}, {"all": ["token=****"]}),
    "signs for a terminal": ({"names": ["a\x1b[2Jb"]}, {"names": ["a?[2Jb"]}),
}


@pytest.mark.parametrize(("given", "written"), GIVEN.values(), ids=GIVEN.keys())
def test_what_is_written_of_the_arguments(given: dict[str, object], written: dict[str, object]) -> None:
    assert arguments(given) == written


SHOWN = {
    "nothing": ({}, ""),
    "names and a yes": ({"added": ["ana", "bia"], "roster": True}, "added ana, bia; roster"),
    "a text and a number": ({"target": "local", "old_keys": 2}, "target local; old keys 2"),
}


@pytest.mark.parametrize(("given", "shown"), SHOWN.values(), ids=SHOWN.keys())
def test_the_arguments_in_words(given: dict[str, object], shown: str) -> None:
    assert Entry("", "", "", arguments=given).what == shown


ARNS = {
    WHO: "user/ana",
    "arn:aws:sts::123456789012:assumed-role/Admin/ana@example.org": "assumed-role/Admin/ana@example.org",
    "arn:aws-cn:iam::123456789012:root": "root",
    "somebody": "somebody",
    None: "-",
}


@pytest.mark.parametrize(("arn", "shown"), ARNS.items(), ids=[str(arn) for arn in ARNS])
def test_who_in_short(arn: str | None, shown: str) -> None:
    assert Entry("", "", "", who=arn).who_in_short == shown
