"""What the commands about people say and refuse. Their workflows are stood in for: nothing is reached."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner, Result

from bootstrap.commands import offboard as offboard_command
from bootstrap.commands import onboard, options, rotate
from bootstrap.core.counts import counted
from bootstrap.core.membership import Difference, Member
from bootstrap.core.spec import Spec
from bootstrap.errors import UsageError
from bootstrap.workflows.offboard import Gone
from bootstrap.workflows.onboard import Outcome, Request
from bootstrap.workflows.project import Project

NOTHING = Difference()
MOVED = Difference(changed=((Member("bia", team="red"), Member("bia", team="green")),))


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    found = Project(tmp_path, Spec.default("demo"), {}, tmp_path)
    monkeypatch.setattr(options, "project", lambda *_, **__: found)
    return found


def run(command: click.Command, *words: str) -> Result:
    return CliRunner().invoke(command, [*words, "--env", "stag", "--yes"])


def refusal(command: click.Command, *words: str) -> UsageError:
    done = run(command, *words)
    assert isinstance(done.exception, UsageError), done.output
    return done.exception


@pytest.mark.parametrize(
    ("count", "text"), [(0, "0 files"), (1, "1 file"), (2, "2 files"), (1024, "1,024 files")], ids=str
)
def test_one_is_not_many(count: int, text: str) -> None:
    assert counted(count, "file") == text


# onboard


@pytest.mark.parametrize(
    ("day", "told"),
    [
        ("2020-12-31", "--expires: 2020-12-31 is past; an invite that ends then could never be opened."),
        ("31/12/2020", "--expires: 2020-12-31 is past; an invite that ends then could never be opened."),
        ("12/11/2026", "--expires: 12/11/2026 can be read in two ways; write 2026-11-12 or 2026-12-11"),
        ("12/31/2999", "--expires: 12/31/2999 has the month before the day; write 2999-12-31"),
        ("2999-02-30", "--expires: there is no day 2999-02-30; write one like 2026-12-31"),
        ("tomorrow", '--expires: "tomorrow" is not a date; write one like 2026-12-31'),
    ],
)
def test_a_last_day_that_will_not_do_is_refused_before_anything(
    day: str, told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(onboard, "onboard", lambda *_: pytest.fail("it went on"))
    assert refusal(onboard.command, "ana", "--expires", day).message == told


@pytest.mark.parametrize(
    ("day", "expected"),
    [("2999-12-31", date(2999, 12, 31)), (" 31/12/2999 ", date(2999, 12, 31)), ("", None)],
)
def test_the_option_takes_what_the_roster_takes(
    day: str, expected: date | None, project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    (project.folder / "members.csv").write_text("name,expires\nana,2998-01-01\n")
    asked: list[Request] = []

    def work(_: Project, request: Request, *__: object) -> Outcome:
        asked.append(request)
        return Outcome(NOTHING, [], [])

    monkeypatch.setattr(onboard, "onboard", work)
    done = run(onboard.command, "ana", "--expires", day)
    assert done.exit_code == 0, done.exception
    assert [(one.name, one.expires) for one in asked[0].people] == [("ana", expected)]


def ended(outcome: Outcome, monkeypatch: pytest.MonkeyPatch, *words: str) -> Result:
    monkeypatch.setattr(onboard, "onboard", lambda *_: outcome)
    done = run(onboard.command, "--roster", "members.csv", "--codes", "codes.csv", *words)
    assert done.exit_code == 0, done.exception
    return done


def test_a_roster_of_comments_is_called_empty_and_not_up_to_date(monkeypatch: pytest.MonkeyPatch) -> None:
    done = ended(Outcome(NOTHING, [], [], lists_nobody=True), monkeypatch)
    assert done.stdout.startswith("No changes: members.csv lists nobody.\n")
    assert "take away the #" in done.stdout
    assert "already" not in done.stdout
    told = ended(Outcome(NOTHING, [], [], lists_nobody=True), monkeypatch, "--json")
    assert "lists nobody" in told.stderr
    assert json.loads(told.stdout)["invited"] == []


@pytest.mark.parametrize("words", [(), ("--json",)])
def test_who_needs_a_new_invite_is_told_in_any_case(words: tuple[str, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    done = ended(Outcome(MOVED, [], [], ["bia"]), monkeypatch, *words)
    assert "bootstrap rotate bia --env stag" in done.stderr
    if words:
        assert json.loads(done.stdout)["moved"] == ["bia"]


# rotate


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ((), "Name people, or say --all, or --older-than 90d."),
        (("ana", "--older-than", "90"), "NAMEs and --older-than exclude each other."),
        (("ana", "--all"), "NAMEs and --all exclude each other."),
        (("--all", "--older-than", "90d"), "--all and --older-than exclude each other."),
        (("--older-than", "3m"), "--older-than takes a number of days such as 90d, not '3m'."),
    ],
)
def test_whose_keys_is_said_in_one_way(words: tuple[str, ...], told: str) -> None:
    assert refusal(rotate.command, *words).message == told


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (1, "the key of p1"),
        (2, "the keys of p1 and p2"),
        (6, "the keys of p1, p2, p3, p4, p5 and p6"),
        (7, "the keys of p1, p2, p3, p4, p5 and 2 more"),
        (300, "the keys of p1, p2, p3, p4, p5 and 295 more"),
    ],
)
def test_the_question_names_whose_keys(count: int, text: str) -> None:
    assert rotate.keys_of([f"p{number}" for number in range(1, count + 1)]) == text


# offboard


@pytest.mark.parametrize(
    ("files", "words", "told"),
    [
        (1, (), ["1 file stays in members/ana/"]),
        (2, (), ["2 files stay in members/ana/"]),
        (1, ("--archive", "there", "--delete-data"), ["1 file copied to ", "1 file deleted"]),
        (2, ("--archive", "there", "--delete-data"), ["2 files copied to ", "2 files deleted"]),
    ],
)
def test_one_file_stays_and_two_stay(
    files: int, words: tuple[str, ...], told: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def work(*_: Any) -> list[Gone]:
        return [Gone("ana", files, files, files, from_roster=False)]

    monkeypatch.setattr(offboard_command, "offboard", work)
    said = run(offboard_command.command, "ana", *words).stdout
    assert [line for line in told if line not in said] == []
