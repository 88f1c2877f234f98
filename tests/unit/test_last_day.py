"""A last day ends at midnight in UTC, for every command and wherever the laptop is."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from datetime import date, datetime, timedelta, timezone, tzinfo
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from bootstrap.cli import cli
from bootstrap.core.last_day import day_in_utc, is_past
from bootstrap.core.spec import parse_spec
from bootstrap.errors import BootstrapError
from bootstrap.workflows import clock, expire, provision, up
from bootstrap.workflows.project import Project

DAY = date(2031, 3, 14)
EAST, WEST = "Etc/GMT-14", "Etc/GMT+12"  # POSIX has the signs the other way round


@pytest.mark.parametrize(
    ("last", "past"),
    [(None, False), (date(2031, 3, 13), True), (DAY, False), (date(2031, 3, 15), False), (date(2030, 12, 31), True)],
)
def test_the_last_day_itself_still_counts(last: date | None, past: bool) -> None:
    assert is_past(last, DAY) is past


@pytest.mark.parametrize(
    ("moment", "day"),
    [
        ("2031-03-14T00:00:00+00:00", 14),
        ("2031-03-14T23:59:59+00:00", 14),
        ("2031-03-15T13:30:00+14:00", 14),
        ("2031-03-13T21:00:00-03:00", 14),
        ("2031-03-13T20:59:59-03:00", 13),
    ],
)
def test_the_day_is_that_of_greenwich(moment: str, day: int) -> None:
    assert day_in_utc(datetime.fromisoformat(moment)) == date(2031, 3, day)


class Story:
    """Remembers what was noted."""

    def __init__(self) -> None:
        self.notes: list[str] = []

    def say(self, text: str) -> None: ...

    def note(self, text: str) -> None:
        self.notes.append(text)

    def step(self, _: str) -> AbstractContextManager[Any]:
        return nullcontext()


@pytest.fixture(params=[(EAST, "23:30"), (WEST, "00:30")], ids=["east, late", "west, early"])
def abroad(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A laptop where it is another day by now, or still, than in UTC; there it is `DAY`."""
    if not hasattr(time, "tzset"):
        pytest.skip("the zone of a process can be set on POSIX only")
    zone, at = request.param
    moment = datetime.fromisoformat(f"{DAY}T{at}:00+00:00")

    class Clock(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> Any:
            return moment.astimezone(tz) if tz else moment.astimezone().replace(tzinfo=None)

    monkeypatch.setattr(clock, "datetime", Clock)
    with monkeypatch.context() as patch:
        patch.setenv("TZ", zone)
        time.tzset()
        assert moment.astimezone().date() != DAY
        yield
    time.tzset()


@pytest.mark.usefixtures("abroad")
@pytest.mark.parametrize(("last", "past"), [(DAY, False), (DAY - timedelta(days=1), True)], ids=["today", "yesterday"])
def test_status_up_and_expire_agree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, last: date, past: bool) -> None:
    text = f'project = "demo"\n[environments.stag]\nexpires = {last}\nmlflow.kind = "none"\n'
    (tmp_path / "bootstrap.toml").write_text(text)
    monkeypatch.chdir(tmp_path)
    [found] = json.loads(CliRunner().invoke(cli, ["status", "--json"]).stdout)["environments"]
    assert found["expired"] is past

    monkeypatch.setattr(expire, "open_place", lambda *_: pytest.fail("nobody is to be asked"))
    monkeypatch.setattr(expire._Elsewhere, "has", lambda *_: past)
    assert CliRunner().invoke(cli, ["expire"]).exit_code == (expire.PAST if past else expire.FINE)

    def enough(*_: object) -> None:
        raise BootstrapError("That will do.")

    monkeypatch.setattr(provision, "find_tools", enough)
    story = Story()
    project = Project(tmp_path, parse_spec(text, "bootstrap.toml"), dict(os.environ), tmp_path)
    with pytest.raises(BootstrapError, match="That will do"):
        up.preview(project, up.Request("stag", "aws"), story)
    assert any("'stag' expired on" in note for note in story.notes) is past


def test_the_clock_is_the_real_one() -> None:
    before = datetime.now(timezone.utc).date()
    assert before <= clock.today() <= datetime.now(timezone.utc).date()
