"""One run at a time for an environment, and what a later run knows of one that died."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from bootstrap.adapters import process
from bootstrap.adapters.process import ProcessId
from bootstrap.errors import AwsFailed, BootstrapError, Declined, StateLocked, TerraformFailed
from bootstrap.workflows import guard
from bootstrap.workflows.guard import Run, guarded, parse_lock_time

if TYPE_CHECKING:
    from bootstrap.workflows.story import Step

HERE = socket.gethostname()
BEGAN = datetime(2026, 11, 21, 7, 44, tzinfo=timezone.utc)
PATIENCE = 30.0


class Told:
    """A story that remembers what it was told."""

    def __init__(self) -> None:
        self.notes: list[str] = []
        self.steps: list[str] = []

    def say(self, text: str) -> None:
        self.notes.append(text)

    def note(self, text: str) -> None:
        self.notes.append(text)

    def step(self, text: str) -> AbstractContextManager[Step]:
        @contextmanager
        def shown() -> Iterator[Step]:
            self.steps.append(text)
            yield self

        return shown()

    def detail(self, text: str) -> None:
        self.notes.append(text)


def eventually(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.01)


def left_behind(folder: Path, **changes: object) -> Path:
    """Write the trace of a run that died."""
    folder.mkdir(parents=True, exist_ok=True)
    trace = folder / "run.json"
    content = {
        "command": "bootstrap up --env stag",
        "pid": 4711,
        "created": 1.0,
        "started": BEGAN.isoformat(),
        "terraform": [],
    }
    trace.write_text(json.dumps(content | changes))
    return trace


@contextmanager
def another_python(code: str, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """Run code beside us; it is told to end by the end of its standard input."""
    with subprocess.Popen(
        [sys.executable, "-c", code, *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as child:
        try:
            yield child
        finally:
            child.kill()


TIMES = {
    "RFC 3339": ("2026-11-21T07:44:00.123456789Z", BEGAN),
    "RFC 3339 without a fraction": ("2026-11-21T07:44:00Z", BEGAN),
    "Go's own": ("2026-11-21 07:44:00.123 +0000 UTC", BEGAN),
    "Go's own without a fraction": ("2026-11-21 07:44:00 +0000 UTC", BEGAN),
    "our own": (BEGAN.isoformat(), BEGAN),
    "with space around": ("  2026-11-21 07:44:00.123 +0000 UTC\n", BEGAN),
    "nothing": ("", None),
    "words": ("a while ago", None),
    "no such day": ("2026-02-30T07:44:00Z", None),
    "a day without a time": ("2026-11-21", None),
}


@pytest.mark.parametrize(("text", "time"), TIMES.values(), ids=TIMES.keys())
def test_the_times_in_locks(text: str, time: datetime | None) -> None:
    assert parse_lock_time(text) == time


def seconds_later(seconds: float) -> str:
    return (BEGAN + timedelta(seconds=seconds)).isoformat()


LOCKS = {
    "taken by the run that died": (f"ana@{HERE}", seconds_later(60), True),
    "taken at its very start": (f"ana@{HERE}", seconds_later(0), True),
    "taken as it began, by a clock that is a little behind": (f"ana@{HERE}", seconds_later(-3), True),
    "as Go writes the time": (f"ana@{HERE}", "2026-11-21 07:45:00.5 +0000 UTC", True),
    "taken before it began": (f"ana@{HERE}", seconds_later(-60), False),
    "taken on another machine": ("ana@elsewhere", seconds_later(60), False),
    "taken on a machine whose name ends like ours": (f"ana@not-{HERE}", seconds_later(60), False),
    "taken by nobody in particular": ("", seconds_later(60), False),
    "taken at a time that cannot be read": (f"ana@{HERE}", "some day", False),
}


@pytest.mark.parametrize(("who", "created", "ours"), LOCKS.values(), ids=LOCKS.keys())
def test_whether_a_lock_was_left_by_the_run_that_died(who: str, created: str, ours: bool, tmp_path: Path) -> None:
    run = Run(tmp_path / "run.json", "up", datetime.now(timezone.utc), interrupted_since=BEGAN)
    assert run.left_lock(who, created) is ours


def test_without_an_interrupted_run_no_lock_was_left(tmp_path: Path) -> None:
    assert not Run(tmp_path / "run.json", "up", BEGAN).left_lock(f"ana@{HERE}", seconds_later(60))


def test_a_run_leaves_its_trace_only_while_it_runs(tmp_path: Path) -> None:
    folder = tmp_path / "envs" / "stag"
    with guarded(folder, "stag", "bootstrap up --env stag", Told()) as run:
        content = json.loads((folder / "run.json").read_text())
        assert content["command"] == "bootstrap up --env stag"
        assert (content["pid"], content["created"]) == (process.own_id().pid, process.own_id().created)
        assert content["terraform"] == []
        run.note_terraform(ProcessId(12, 34.5))
        assert json.loads((folder / "run.json").read_text())["terraform"] == [[12, 34.5]]
    assert not (folder / "run.json").exists()


ENDS = {
    "an error that was told": (AwsFailed("no"), False),
    "a no of the user": (Declined("no"), False),
    "a state that somebody else holds": (StateLocked("no"), False),
    "a bug of ours": (ZeroDivisionError(), False),
    "Terraform's failure: it may have been killed": (TerraformFailed("no"), True),
    "Ctrl-C": (KeyboardInterrupt(), True),
    "the end of the interpreter": (SystemExit(1), True),
}


@pytest.mark.parametrize(("error", "stays"), ENDS.values(), ids=ENDS.keys())
def test_which_ends_leave_a_trace(error: BaseException, stays: bool, tmp_path: Path) -> None:
    with pytest.raises(type(error)), guarded(tmp_path, "stag", "up", Told()):
        raise error
    assert (tmp_path / "run.json").exists() is stays
    story = Told()
    with guarded(tmp_path, "stag", "up", story) as run:  # and the next one can hold it at once
        assert (run.interrupted_since is not None) is stays
    assert len(story.notes) == stays


OWN_LOCKS = {
    "made while this ran: the answer to the request that made it was lost": (f"ana@{HERE}", 1, True),
    "made before this ran": (f"ana@{HERE}", -60, False),
    "made on another machine": ("ana@elsewhere", 1, False),
}


@pytest.mark.parametrize(("who", "seconds", "stays"), OWN_LOCKS.values(), ids=OWN_LOCKS.keys())
def test_a_lock_that_may_be_our_own_is_left_to_the_next_run(
    who: str, seconds: int, stays: bool, tmp_path: Path
) -> None:
    created = (datetime.now(timezone.utc) + timedelta(seconds=seconds)).isoformat()
    with pytest.raises(StateLocked), guarded(tmp_path, "stag", "up", Told()):
        raise StateLocked("locked", who=who, created=created)
    with guarded(tmp_path, "stag", "up", Told()) as run:
        assert run.left_lock(who, created) is stays


@pytest.mark.parametrize("ended_well", [True, False])
def test_beside_another_error_a_terraform_that_failed_may_leave_its_lock(ended_well: bool, tmp_path: Path) -> None:
    def refused() -> None:
        with guarded(tmp_path, "stag", "up", Told()) as run:
            run.note_terraform(ProcessId(12, 34.5))
            if ended_well:
                run.forget_terraform(ProcessId(12, 34.5))
            raise AwsFailed("no")

    with pytest.raises(AwsFailed):
        refused()
    assert (tmp_path / "run.json").exists() is not ended_well


def test_a_run_after_one_that_died_says_so_and_cleans_up(tmp_path: Path) -> None:
    trace = left_behind(tmp_path)
    story = Told()
    with guarded(tmp_path, "stag", "bootstrap down", story) as run:
        assert run.interrupted_since == BEGAN
        assert story.notes == ["The last `bootstrap up --env stag` did not end; going on from what it left."]
    assert not trace.exists()


def test_the_first_interruption_counts_for_all_that_follow(tmp_path: Path) -> None:
    left_behind(tmp_path)
    for _ in range(2):
        with pytest.raises(KeyboardInterrupt), guarded(tmp_path, "stag", "up", Told()):
            raise KeyboardInterrupt
    with guarded(tmp_path, "stag", "up", Told()) as run:
        assert run.interrupted_since == BEGAN


@pytest.mark.parametrize(
    "damage",
    [b"", b"{", b"[]", b"{}", b'{"terraform": null, "started": 7}'],
)
def test_a_damaged_trace_stops_nobody(damage: bytes, tmp_path: Path) -> None:
    (tmp_path / "run.json").write_bytes(damage)
    story = Told()
    with guarded(tmp_path, "stag", "up", story) as run:
        assert run.interrupted_since is not None
    assert story.notes == ["The last `bootstrap` did not end; going on from what it left."]
    assert not (tmp_path / "run.json").exists()


def test_terraform_of_a_killed_run_is_waited_for(tmp_path: Path) -> None:
    with another_python("import sys; sys.stdin.read()") as orphan:
        assert orphan.stdin is not None
        identity = process._identify(orphan.pid)
        left_behind(tmp_path, terraform=[[1, 2.0], [identity.pid, identity.created]])
        story, held = Told(), threading.Event()

        def hold() -> None:
            with guarded(tmp_path, "stag", "up", story):
                held.set()

        thread = threading.Thread(target=hold)
        thread.start()
        try:
            eventually(lambda: bool(story.steps))
            assert not held.is_set()
            assert "Terraform of the interrupted run is still at work" in story.steps[0]
        finally:
            orphan.stdin.close()
            orphan.wait()
            thread.join(PATIENCE)
        assert held.is_set()
        assert len(story.steps) == 1  # process 1 is not the one that was noted


HOLDER = """
import sys
from pathlib import Path
from bootstrap.workflows.guard import guarded

with guarded(Path(sys.argv[1]), "stag", "bootstrap up --env stag", None):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_a_second_process_waits_and_says_for_whom(tmp_path: Path) -> None:
    with another_python(HOLDER, str(tmp_path)) as first:
        assert first.stdin is not None
        assert first.stdout is not None
        assert first.stdout.readline() == "held\n"
        story, held = Told(), threading.Event()

        def hold() -> None:
            with guarded(tmp_path, "stag", "bootstrap down --env stag", story):
                held.set()

        second = threading.Thread(target=hold)
        second.start()
        try:
            eventually(lambda: bool(story.notes))
            assert not held.is_set()
            [note] = story.notes
            assert f"`bootstrap up --env stag` (process {first.pid}, since " in note
            assert "is working on 'stag' in this folder; waiting" in note
        finally:
            first.stdin.close()
            first.wait()
            second.join(PATIENCE)
        assert held.is_set()
        assert story.notes == [note]  # the first ended in order, so nothing was left to go on from


def test_a_second_process_that_waits_too_long_is_told_whom_to_ask(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(guard, "_WAIT_SECONDS", 0.3)
    with another_python(HOLDER, str(tmp_path)) as first:
        assert first.stdout is not None
        assert first.stdout.readline() == "held\n"
        with pytest.raises(BootstrapError) as caught, guarded(tmp_path, "stag", "down", Told()):
            pytest.fail("it is held")
        assert f"`bootstrap up --env stag` (process {first.pid}" in caught.value.message
        assert "run the same command again" in caught.value.hint
        assert (tmp_path / "run.json").exists()  # that is the trace of the other one


def test_a_killed_process_holds_nothing_and_leaves_its_trace(tmp_path: Path) -> None:
    with another_python(HOLDER, str(tmp_path)) as first:
        assert first.stdout is not None
        assert first.stdout.readline() == "held\n"
        first.kill()
        first.wait()
    story = Told()
    with guarded(tmp_path, "stag", "down", story) as run:
        assert run.interrupted_since is not None
    assert story.notes == ["The last `bootstrap up --env stag` did not end; going on from what it left."]


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "envs").write_text("a file where a folder should be")
    with (
        pytest.raises(BootstrapError, match="Cannot write into"),
        guarded(tmp_path / "envs" / "stag", "stag", "up", Told()),
    ):
        pytest.fail("there is no such folder")
