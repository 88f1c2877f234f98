"""An environment's history, as commands write it into the state bucket and people read it (moto in this process)."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from moto import mock_aws

from bootstrap.adapters.aws import buckets, objects, people
from bootstrap.adapters.aws.buckets import StateLock
from bootstrap.adapters.aws.session import Aws, Caller
from bootstrap.commands import history as history_command
from bootstrap.commands import options
from bootstrap.core.membership import Handover, Member, Membership
from bootstrap.core.names import Names
from bootstrap.core.prices import on_this_laptop
from bootstrap.core.receipt import Receipt, receipt_id
from bootstrap.core.record import Record, Target
from bootstrap.core.spec import Spec
from bootstrap.errors import AwsFailed, BootstrapError, Declined, GitHubFailed
from bootstrap.workflows import github, github_desk, history, offboard, onboard, receipts, rotate, unlock
from bootstrap.workflows.counter import Counter
from bootstrap.workflows.guard import guarded
from bootstrap.workflows.handover import Seal
from bootstrap.workflows.history import Chronicle, chronicled, read
from bootstrap.workflows.project import Project
from bootstrap.workflows.registry import open_registry
from bootstrap.workflows.target import Place
from tests.adapters.doubles import Story

NAMES = Names("demo", "stag", "123456789012")
BEGAN = datetime(2026, 11, 21, 7, 44, tzinfo=timezone.utc)


class Killed(BaseException):
    """The end of a process, as far as one can have it inside of one."""


class School:
    """An environment on moto with ana and bia in it."""

    def __init__(self, folder: Path) -> None:
        self.project = Project(folder, Spec.default("demo"), {}, folder)
        self.aws = Aws("us-east-1")
        self.story = Story()
        self.place = Place("aws", NAMES, self.aws, None, custom_endpoint=False, emulated=False)
        for bucket in (NAMES.bucket, NAMES.state_bucket):
            self.aws.client("s3").create_bucket(Bucket=bucket)
        self.project.save(
            Record(
                *("demo", "stag", "aws", "us-east-1", NAMES.account, None, NAMES.bucket, NAMES.state_bucket),
                *(NAMES.profile, NAMES.dvc_url()),
                complete=True,
            )
        )
        members = {}
        for name in ("ana", "bia"):
            self.aws.client("iam").create_user(UserName=NAMES.iam_user(name), Path=NAMES.iam_path)
            key = people.mint_key(self.aws, NAMES.iam_user(name))
            members[name] = Member(name, handover=Handover(key.id, "2026-01-01T00:00:00+00:00", "code"))
        open_registry(self.project, self.place, self.story).save(Membership(members))

    @property
    def folder(self) -> Path:
        return self.project.env_folder("stag")

    def lines(self) -> tuple[dict[str, Any], ...]:
        return read(self.place, "stag", self.story)

    def put(self, name: str, text: str) -> None:
        key = f"stag/history/{name}.json"
        self.aws.client("s3").put_object(Bucket=NAMES.state_bucket, Key=key, Body=text.encode())


class Terraform:
    """Stands in for Terraform: does nothing, and well. The real one is in tests/e2e."""

    def root(self, _: str) -> Terraform:
        return self

    def write_adoptions(self, _: object) -> None: ...

    def apply_members(self, *_: object, **__: object) -> None: ...


@pytest.fixture
def school(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[School]:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAIOSFODNN7EXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setattr(Counter, "provisioner", lambda _: Terraform())
    with mock_aws():
        yield School(tmp_path)
        wait_for_threads()


def wait_for_threads() -> None:
    """Wait for what no command waits for: who it was, where there is nothing to write."""
    for thread in [one for one in threading.enumerate() if one.name == "bootstrap-history"]:
        thread.join(60)
        assert not thread.is_alive()


# What a block leaves


def acts(chronicle: Chronicle) -> None:
    chronicle.acts(added=["ana"], prune=False)


def acts_and_fails(chronicle: Chronicle) -> None:
    chronicle.acts()
    raise BootstrapError("It broke: password=hunter2\nat length")


def acts_and_is_interrupted(chronicle: Chronicle) -> None:
    chronicle.acts()
    raise KeyboardInterrupt


def acts_but_for_github(chronicle: Chronicle) -> None:
    chronicle.acts()
    chronicle.unfinished(GitHubFailed("GitHub is away."))


def only_looks(_: Chronicle) -> None: ...


def fails_before(_: Chronicle) -> None:
    raise BootstrapError("This cannot be.")


def is_declined(_: Chronicle) -> None:
    raise Declined("Nothing was changed.")


def has_nothing_to_do(chronicle: Chronicle) -> None:
    chronicle.acts()
    chronicle.did_nothing()


def is_killed(chronicle: Chronicle) -> None:
    chronicle.acts()
    raise Killed


def takes_the_place_away(chronicle: Chronicle) -> None:
    chronicle.acts()
    chronicle.close()


BLOCKS: dict[str, tuple[Callable[[Chronicle], None], list[str]]] = {
    "it ends well": (acts, ["done"]),
    "it fails": (acts_and_fails, ["failed: BootstrapError: It broke: password=****"]),
    "it is interrupted": (acts_and_is_interrupted, ["interrupted"]),
    "all but GitHub": (acts_but_for_github, ["unfinished: GitHubFailed: GitHub is away."]),
    "a preview": (only_looks, []),
    "it fails before it acts": (fails_before, []),
    "an answer of no": (is_declined, []),
    "nothing to do": (has_nothing_to_do, []),
    "it is killed": (is_killed, []),
    "it took the bucket away": (takes_the_place_away, []),
}


@pytest.mark.parametrize(("block", "results"), BLOCKS.values(), ids=BLOCKS.keys())
def test_what_is_written_when_a_command_ends(
    school: School, block: Callable[[Chronicle], None], results: list[str]
) -> None:
    with suppress(BootstrapError, KeyboardInterrupt, Killed), chronicled("onboard", school.story) as chronicle:
        chronicle.reached(school.place)
        block(chronicle)
    found = school.lines()
    assert [one["result"] for one in found] == results
    assert school.story.notes == []
    for one in found:
        assert one["command"] == "onboard"
        assert one["who"].startswith("arn:aws:")
        assert one["seconds"] >= 0
        assert one["arguments"] == ({"added": ["ana"]} if block is acts else {})


def test_an_error_goes_on_as_it_was(school: School) -> None:
    def up() -> None:
        with chronicled("up", school.story) as chronicle:
            chronicle.reached(school.place)
            acts_and_fails(chronicle)

    with pytest.raises(BootstrapError, match="It broke"):
        up()


def test_a_command_costs_one_write(school: School, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    school.aws.client("s3").meta.events.register("before-call.s3", lambda model, **_: asked.append(model.name))
    with chronicled("up", school.story) as chronicle:
        chronicle.reached(school.place)
        chronicle.acts(changes="3 to create")
        chronicle.acts(changes="4 to create")
    assert asked == ["PutObject"]
    assert [one["arguments"] for one in school.lines()] == [{"changes": "4 to create"}]


def work(school: School, block: Callable[[Chronicle], None], command: str = "onboard", *, reach: bool = True) -> None:
    """Run a command in the environment's folder, as all of them do."""
    with (
        suppress(Killed, BootstrapError, KeyboardInterrupt),
        guarded(school.folder, "stag", command, school.story) as run,
        chronicled(command, school.story, run) as chronicle,
    ):
        if reach:
            chronicle.reached(school.place)
        block(chronicle)


def acts_and_is_killed(chronicle: Chronicle) -> None:
    acts(chronicle)
    raise Killed


def kill_before_it_acts(_: Chronicle) -> None:
    raise Killed


def test_of_runs_that_were_killed_the_next_one_writes(school: School) -> None:
    work(school, acts_and_is_killed, "onboard")
    work(school, is_killed, "up")
    assert school.lines() == ()
    # One that has nothing to do writes of them as well, if it knows where.
    work(school, only_looks, reach=False)
    assert school.lines() == ()
    work(school, only_looks)
    found = [(one["command"], one["result"], one["arguments"], one["who"], one["seconds"]) for one in school.lines()]
    assert found == [
        ("onboard", "killed", {"added": ["ana"]}, None, None),
        ("up", "killed", {}, None, None),
    ]
    work(school, acts)
    assert [one["result"] for one in school.lines()] == ["killed", "killed", "done"]
    assert not (school.folder / "acting.jsonl").exists()


def test_who_takes_the_place_away_can_have_them_first(school: School) -> None:
    work(school, acts_and_is_killed)
    found: list[dict[str, Any]] = []

    def down(chronicle: Chronicle) -> None:
        chronicle.acts()
        found.extend(chronicle.killed)
        chronicle.close()

    work(school, down, "down")
    assert [(one["command"], one["result"]) for one in found] == [("onboard", "killed")]
    assert school.lines() == ()


@pytest.mark.parametrize(
    "block",
    [acts, acts_and_fails, acts_and_is_interrupted, has_nothing_to_do, takes_the_place_away, kill_before_it_acts],
)
def test_who_ends_or_did_nothing_is_not_called_killed(school: School, block: Callable[[Chronicle], None]) -> None:
    work(school, block)
    work(school, only_looks)
    assert "killed" not in [one["result"] for one in school.lines()]


def test_of_a_killed_run_is_told_later_if_it_cannot_be_now(school: School, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: object) -> None:
        raise AwsFailed("Could not write.")

    work(school, acts_and_is_killed)
    with monkeypatch.context() as patch:
        patch.setattr(objects, "write_text", refused)
        work(school, acts)
    work(school, only_looks)
    assert [one["result"] for one in school.lines()] == ["killed"]


def test_a_line_that_is_there_already_is_written_once(school: School) -> None:
    work(school, acts_and_is_killed)
    trace = (school.folder / "acting.jsonl").read_text()
    for _ in range(2):
        (school.folder / "acting.jsonl").write_text(trace + "{")
        work(school, only_looks)
    assert [one["result"] for one in school.lines()] == ["killed"]
    assert [note for note in school.story.notes if "history" in note] == []


# What must not matter


def test_a_history_that_cannot_be_written_is_told_and_no_more(school: School, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: object) -> None:
        raise AwsFailed("Could not write: AccessDenied.")

    monkeypatch.setattr(objects, "write_text", refused)
    with chronicled("up", school.story) as chronicle:
        chronicle.reached(school.place)
        acts(chronicle)
    assert school.story.notes == [
        "This could not be written into the environment's history: Could not write: AccessDenied."
    ]


def test_nobody_waits_long_for_it(school: School, monkeypatch: pytest.MonkeyPatch) -> None:
    gone = threading.Event()
    monkeypatch.setattr(objects, "write_text", lambda *_: gone.wait(60))
    monkeypatch.setattr(history, "_PATIENCE_SECONDS", 0.05)
    try:
        with chronicled("up", school.story) as chronicle:
            chronicle.reached(school.place)
            acts(chronicle)
        assert "took too long" in school.story.notes[0]
    finally:
        gone.set()
        wait_for_threads()


def test_a_line_without_a_name_is_better_than_none(school: School, monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(_: Aws) -> Caller:
        raise AwsFailed("Could not find out who you are.")

    monkeypatch.setattr(Aws, "caller", unknown)
    with chronicled("up", school.story) as chronicle:
        chronicle.reached(school.place)
        acts(chronicle)
    assert [(one["who"], one["result"]) for one in school.lines()] == [(None, "done")]


def test_where_the_bucket_went_with_the_environment_nothing_is_said(school: School) -> None:
    objects.delete_keys(school.aws, NAMES.state_bucket, iter(["stag/members.json"]))
    buckets.delete(school.aws, NAMES.state_bucket)
    with chronicled("down", school.story) as chronicle:
        chronicle.reached(school.place)
        acts(chronicle)
    assert (school.lines(), school.story.notes) == ((), [])


# Reading


def test_it_is_read_in_the_order_of_time_over_many_pages(school: School, monkeypatch: pytest.MonkeyPatch) -> None:
    moments = [BEGAN + timedelta(seconds=step) for step in range(25)]
    for moment in reversed(moments):
        line = {"schema": 1, "time": moment.isoformat(), "command": "up", "arguments": {}, "who": None}
        school.put(f"{moment:%Y%m%dT%H%M%S}-x", json.dumps({**line, "version": "", "result": "done", "seconds": 1}))
    listing = school.aws.client("s3").meta.events
    listing.register("before-parameter-build.s3.ListObjectsV2", lambda params, **_: params.update(MaxKeys=10))
    assert [datetime.fromisoformat(one["time"]) for one in school.lines()] == moments
    told = history.history(school.project, "stag", None, school.story, limit=3)
    assert [datetime.fromisoformat(one.time) for one in told.entries] == moments[-3:]
    assert told.older == 22


def test_what_is_damaged_is_left_out_and_told(school: School) -> None:
    with chronicled("up", school.story) as chronicle:
        chronicle.reached(school.place)
        acts(chronicle)
    school.put("20200101T000000.000Z-00000000", "{")
    school.put("20200101T000000.000Z-00000001", '{"schema": 9}')
    assert [one["command"] for one in school.lines()] == ["up"]
    [note] = school.story.notes
    assert note.startswith(f"2 lines in s3://{NAMES.state_bucket}/stag/history/ cannot be read")


def test_another_environment_has_another_history(school: School) -> None:
    other = Place(
        "aws", Names("demo", "stag-2", NAMES.account), school.aws, None, custom_endpoint=False, emulated=False
    )
    with chronicled("up", school.story) as chronicle:
        chronicle.reached(other)
        acts(chronicle)
    assert school.lines() == ()
    assert len(read(other, "stag-2", school.story)) == 1


def test_it_is_read_where_the_environment_was_not_brought_up(school: School, tmp_path: Path) -> None:
    with chronicled("up", school.story) as chronicle:
        chronicle.reached(school.place)
        acts(chronicle)
    elsewhere = Project(tmp_path / "elsewhere", Spec.default("demo"), {}, tmp_path)
    told = history.history(elsewhere, "stag", None, school.story, limit=5)
    assert [one.command for one in told.entries] == ["up"]


# The command


def run(project: Project, monkeypatch: pytest.MonkeyPatch, *words: str) -> Any:
    monkeypatch.setattr(options, "project", lambda *_, **__: project)
    done = CliRunner().invoke(history_command.command, ["--env", "stag", *words])
    assert done.exit_code == 0, done.exception
    return done


def test_the_command_shows_it_to_people_and_to_scripts(school: School, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "Nothing was written" in run(school.project, monkeypatch).stdout
    for names in (["ana"], ["bia", "caio"]):
        with chronicled("onboard", school.story) as chronicle:
            chronicle.reached(school.place)
            chronicle.acts(added=names)
    shown = run(school.project, monkeypatch)
    assert shown.stdout.startswith("TIME (UTC)")
    assert [line.endswith("added ana") for line in shown.stdout.splitlines()] == [False, True, False]
    last = run(school.project, monkeypatch, "--limit", "1")
    assert last.stdout.splitlines()[1].endswith("added bia, caio")
    assert "1 older; to see all: --limit 2" in last.stderr
    told = json.loads(run(school.project, monkeypatch, "--json", "--limit", "1").stdout)
    assert (told["env"], told["older"]) == ("stag", 1)
    assert told["history"][0]["arguments"] == {"added": ["bia", "caio"]}


# After a teardown


def taken_down(env: str = "stag", *, target: Target, lines: int = 2, ended: str = "2026-11-21T17:32:52Z") -> str:
    """Write the receipt of a teardown, as `down` does; returns its id."""
    receipt = Receipt(
        id=receipt_id("demo", env, ended),
        project="demo",
        env=env,
        target=target,
        account_id=NAMES.account,
        region="us-east-1",
        command="down",
        by=None,
        began=ended,
        ended=ended,
        removed=(),
        objects=0,
        versions=0,
        bytes=0,
        scan=None,
        cost_before=on_this_laptop(),
        cost_now=on_this_laptop(),
        history=({"command": "up"},) * lines,
    )
    return receipts.keep(receipt).receipt.id


@pytest.fixture
def elsewhere(school: School, tmp_path: Path) -> Project:
    """A folder in which nothing is on record, as after a `down`."""
    return Project(tmp_path / "elsewhere", Spec.default("demo"), {}, tmp_path)


@pytest.mark.parametrize(
    ("lines", "says"), [(2, "Its history (2 lines) is in its receipt:"), (0, "This is its receipt:")]
)
def test_of_one_that_was_on_this_laptop_the_receipt_is_named_and_aws_is_not_asked(
    elsewhere: Project, monkeypatch: pytest.MonkeyPatch, lines: int, says: str
) -> None:
    taken_down(target="aws", ended="2026-11-20T00:00:00Z")
    name = taken_down(target="local", lines=lines)
    monkeypatch.setattr(Aws, "client", lambda *_: pytest.fail("AWS was asked"))
    shown = run(elsewhere, monkeypatch).stdout
    assert shown == (
        f"'stag' is gone: it was taken down on 2026-11-21 17:32 (UTC). {says}\n  bootstrap receipts show {name}\n"
    )
    told = json.loads(run(elsewhere, monkeypatch, "--json").stdout)
    assert told == {
        "env": "stag",
        "older": 0,
        "history": [],
        "gone": {"when": "2026-11-21T17:32:52Z", "receipt": name, "lines": lines},
    }


def test_who_names_a_profile_means_the_one_in_aws(
    school: School, elsewhere: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken_down(target="local")
    (tmp_path / "none").write_text("[me]\naws_access_key_id = AKIAIOSFODNN7EXAMPLE\naws_secret_access_key = secret\n")
    with chronicled("up", school.story) as chronicle:
        chronicle.reached(school.place)
        acts(chronicle)
    told = history.history(elsewhere, "stag", "me", school.story, limit=5)
    assert ([one.command for one in told.entries], told.gone) == (["up"], None)


def test_one_that_was_in_aws_is_looked_for_there(
    school: School, elsewhere: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken_down(target="local", ended="2026-11-20T00:00:00Z")
    name = taken_down(target="aws")
    gone = history.history(elsewhere, "stag", None, school.story, limit=5).gone
    assert gone is not None
    assert gone.receipt == name
    # Somebody else has brought it up again since.
    with chronicled("up", school.story) as chronicle:
        chronicle.reached(school.place)
        acts(chronicle)
    told = history.history(elsewhere, "stag", None, school.story, limit=5)
    assert ([one.command for one in told.entries], told.gone) == (["up"], None)

    def unknown(_: Aws) -> Caller:
        raise AwsFailed("There are no AWS credentials.")

    monkeypatch.setattr(Aws, "caller", unknown)
    assert history.history(elsewhere, "stag", None, school.story, limit=5).gone == gone
    assert "There are no AWS credentials." in school.story.notes[-1]


def test_one_that_is_up_again_here_is_not_gone(school: School) -> None:
    taken_down(target="local")
    assert history.history(school.project, "stag", None, school.story, limit=5).gone is None


def test_the_end_of_another_environment_says_nothing(elsewhere: Project, school: School) -> None:
    taken_down("devl", target="local")
    assert history.history(elsewhere, "stag", None, school.story, limit=5).gone is None


# The commands that write it


def test_each_command_about_people_says_whom(school: School, monkeypatch: pytest.MonkeyPatch) -> None:
    # moto in this process cannot be asked for all that hangs on a user.
    for name in ("close_access", "remove_remains"):
        monkeypatch.setattr(offboard, name, lambda *_: None)

    def bring_in(text: str, answer: bool = True) -> None:
        (school.project.folder / "members.csv").write_text(text)
        request = onboard.Request("stag", lambda _: Seal(), BEGAN.date(), whole_roster=True, prune=True)
        onboard.onboard(school.project, request, school.story, lambda _: answer, lambda _: None, lambda _: None)

    bring_in("name\nana\nbia\n")
    with pytest.raises(Declined):
        bring_in("name,team\nana,red\n", answer=False)
    assert school.lines() == ()
    bring_in("name,team\nana,red\nbia,\n")
    offboard.offboard(school.project, offboard.Request("stag", ("bia",)), school.story, lambda _: True)
    asked = rotate.Request("stag", lambda _: Seal(), names=("ana",))
    codes: list[str] = []
    rotate.rotate(
        school.project, asked, school.story, lambda _: True, lambda told: codes.extend(one.code for one in told)
    )
    assert [(one["command"], one["arguments"]) for one in school.lines()] == [
        ("onboard", {"changed": ["ana"], "roster": True}),
        ("offboard", {"people": ["bia"]}),
        ("rotate", {"people": ["ana"]}),
    ]
    [code] = codes
    assert code not in json.dumps(school.lines())


def test_a_lock_that_was_taken_away_is_remembered_with_its_holder(
    school: School, monkeypatch: pytest.MonkeyPatch
) -> None:
    lock = StateLock("stag/members.tfstate.tflock", "1", "caio@laptop", "2026-11-21T07:44:00Z", "OperationTypeApply")
    monkeypatch.setattr(buckets, "read_lock", lambda *_: lock if "members" in _[-1] else None)
    with pytest.raises(Declined):
        unlock.unlock(school.project, "stag", None, school.story, lambda _: False)
    assert school.lines() == ()
    unlock.unlock(school.project, "stag", None, school.story, lambda _: True)
    [line] = school.lines()
    assert line["arguments"] == {"roots": ["members"], "held_by": ["caio@laptop since 2026-11-21T07:44:00Z"]}


class Hub:
    """Stands in for GitHub, where one variable of ours is. A real conversation with it is in tests/e2e."""

    def look(self) -> Any:
        class Repository:
            name = "ana/course"

        return Repository()


@pytest.mark.parametrize("reached", [True, False])
def test_github_is_tidied_up_without_aws_and_says_that_nobody_wrote_it_down(
    school: School, reached: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unknown(_: Aws) -> Caller:
        raise AwsFailed("There are no AWS credentials.")

    monkeypatch.setattr(github, "connect", lambda _: Hub())
    for name in ("what_is_ours", "remove"):
        monkeypatch.setattr(github, name, lambda *_: ["the variable DATA_BUCKET"])
    with monkeypatch.context() as patch:
        if not reached:
            patch.setattr(Aws, "caller", unknown)
        gone = github_desk.remove(school.project, "stag", school.story, lambda _: True, forget=False)
    assert gone == ["the variable DATA_BUCKET"]
    expected = [("github remove", {"repository": "ana/course"})] if reached else []
    assert [(one["command"], one["arguments"]) for one in school.lines()] == expected
    assert ["without a line" in note for note in school.story.notes] == ([] if reached else [True])
