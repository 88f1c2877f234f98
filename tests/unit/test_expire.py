"""What is past its last day, what becomes of it with `--down`, and the exit code that cron gets.

AWS and `down` are stood in for: what they do is tested where they are.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from datetime import date, datetime, timezone
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from click.testing import CliRunner, Result

from bootstrap import ui
from bootstrap.adapters.aws import buckets, objects
from bootstrap.commands import expire as expire_command
from bootstrap.commands import options
from bootstrap.core.membership import Member, Membership
from bootstrap.core.names import Names
from bootstrap.core.receipt import Unfinished
from bootstrap.core.record import Record
from bootstrap.core.spec import parse_spec
from bootstrap.core.workflow_files import files_for
from bootstrap.errors import AwsFailed, BootstrapError, Declined, GitHubFailed, UsageError
from bootstrap.workflows import clock, expire, receipts
from bootstrap.workflows import down as downs
from bootstrap.workflows.expire import Ended, Past, PastPerson, look, take_down, worst
from bootstrap.workflows.project import Project
from bootstrap.workflows.workflow_files import write_workflows

ACCOUNT = "123456789012"
TODAY = date(2026, 7, 1)
YESTERDAY = date(2026, 6, 30)
TOML = """
project = "demo"
[environments.devl]
expires = 2026-06-30
[environments.stag]
expires = 2026-07-01
[environments.prod]
expires = 2026-01-31
protected = true
[environments.open]
"""


class Story:
    def say(self, text: str) -> None: ...

    def note(self, text: str) -> None: ...

    def step(self, _: str) -> AbstractContextManager[Any]:
        return nullcontext()


def gone(verdict: str = "", *, could_look: bool = True, unfinished: GitHubFailed | None = None) -> Any:
    """What a `down` returns; with a verdict, something is left."""
    left = ("something",) if verdict and could_look else ()
    steps = (Unfinished("GitHub is away.", "bootstrap down --env devl"),)
    receipt = SimpleNamespace(left=left, could_look=could_look, verdict=verdict, unfinished=steps)
    kept = SimpleNamespace(receipt=receipt, stored=SimpleNamespace(page=Path("receipt.html")))
    return SimpleNamespace(kept=kept, unfinished=unfinished)


@dataclass
class World:
    """A folder with a bootstrap.toml, an AWS that is only a list of what is in it, and a `down` that is a table."""

    project: Project
    in_aws: set[str] = field(default_factory=set)
    states: set[str] = field(default_factory=set)
    members: dict[str, list[Member]] = field(default_factory=dict)
    refusal: BootstrapError | None = None
    signed_in: int = 0
    ends: dict[str, BootstrapError | Any] = field(default_factory=dict)
    taken: list[str] = field(default_factory=list)

    def up(self, *envs: str) -> None:
        """Bring environments up from this folder."""
        for env in envs:
            names = Names("demo", env, ACCOUNT)
            self.project.save(
                Record(
                    *("demo", env, "aws", "us-east-1", ACCOUNT, None, names.bucket, names.state_bucket),
                    *(names.profile, names.dvc_url()),
                    complete=True,
                )
            )
            self.in_aws.add(env)

    def look(self, today: date = TODAY) -> Past:
        return look(self.project, None, Story(), today)

    # What stands in for AWS:

    def open_place(self, _: Project, env: str, *__: object) -> Any:
        self.signed_in += 1
        if self.refusal is not None:
            raise self.refusal
        return PlaceLike(Names("demo", env, ACCOUNT))

    def exists(self, _: object, bucket: str, __: str) -> bool:
        envs = {bucket.split("--")[1]}
        return bool(envs & self.in_aws) or (envs == {"tfstate"} and bool(self.in_aws | self.states))

    def listed(self, _: object, __: str, prefix: str) -> list[str]:
        return [f"{prefix}members.tfstate"] if prefix.rstrip("/") in self.states else []

    def registry(self, _: Project, place: Any, __: object) -> Any:
        found = {one.name: one for one in self.members.get(place.names.env, [])}
        return SimpleNamespace(membership=Membership(found))

    def down(self, _: Project, request: downs.Request, __: object, confirm: Callable[[Any], bool]) -> Any:
        end = self.ends.get(request.env)
        self.taken.append(request.env)
        if isinstance(end, BaseException):
            raise end
        if not confirm(SimpleNamespace(plan=None, cost=SimpleNamespace(dollars="0.00 USD", says=""))):
            raise Declined("Nothing was removed.")
        return end or gone()


@dataclass(frozen=True)
class PlaceLike:
    names: Names
    aws: None = None


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    found = World(Project(tmp_path, parse_spec(TOML, "bootstrap.toml"), {}, tmp_path))
    monkeypatch.setattr(expire, "open_place", found.open_place)
    monkeypatch.setattr(expire, "reach", lambda project, record, *_: found.open_place(project, record.env))
    monkeypatch.setattr(buckets, "exists", found.exists)
    monkeypatch.setattr(objects, "listed", found.listed)
    monkeypatch.setattr(expire, "open_registry", found.registry)
    monkeypatch.setattr(downs, "down", found.down)
    monkeypatch.setattr(receipts, "past", lambda _: [])
    monkeypatch.setattr(options, "project", lambda *_, **__: found.project)
    return found


# What is past


@pytest.mark.parametrize(
    ("today", "past"),
    [
        (date(2026, 6, 30), ["prod"]),  # the last day is still a day
        (date(2026, 7, 1), ["devl", "prod"]),
        (date(2026, 7, 2), ["devl", "stag", "prod"]),
    ],
)
def test_a_last_day_is_past_when_it_is_over(world: World, today: date, past: list[str]) -> None:
    world.up("devl", "stag", "prod", "open")
    found = world.look(today)
    assert [one.env for one in found.environments] == past
    assert {one.known for one in found.environments} == {"here"}
    assert found.code == 3


def test_what_is_not_up_anywhere_is_not_past(world: World) -> None:
    assert world.look() == Past((), ())
    assert world.look().code == 0


def test_what_another_folder_brought_up_is_looked_for_in_aws(world: World) -> None:
    world.in_aws.add("devl")
    world.states.add("prod")
    assert [(one.env, one.known) for one in world.look().environments] == [("devl", "elsewhere"), ("prod", "elsewhere")]


def test_aws_is_signed_in_to_once_and_only_if_there_is_something_to_look_for(world: World) -> None:
    world.look()
    assert world.signed_in == 1
    world.up("devl", "prod")
    world.look()
    assert world.signed_in == 1


def test_what_nobody_could_look_at_is_not_taken_for_gone(world: World) -> None:
    world.refusal = AwsFailed("There are no AWS credentials.")
    found = world.look()
    assert [(one.env, one.known, one.why) for one in found.environments] == [
        ("devl", "unknown", "There are no AWS credentials."),
        ("prod", "unknown", "There are no AWS credentials."),
    ]
    assert [env for env, _ in found.unseen] == ["stag", "open"]
    assert found.code == 3


RECEIPTS = {
    "nothing is left": ({}, []),
    "something is left": ({"is_clean": False}, ["devl"]),
    "the bucket was kept": ({"kept": ("the bucket",)}, ["devl"]),
    "edited": ({"is_proven": False}, ["devl"]),
    "of another environment": ({"env": "stag"}, ["devl"]),
}


@pytest.mark.parametrize(("change", "past"), RECEIPTS.values(), ids=RECEIPTS.keys())
def test_where_aws_cannot_be_asked_a_clean_receipt_is_believed(
    world: World, change: dict[str, Any], past: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    said = {"env": "devl", "is_clean": True, "kept": (), "is_proven": True} | change
    newest = SimpleNamespace(receipt=SimpleNamespace(**said), verdict=SimpleNamespace(**said))
    older = SimpleNamespace(receipt=SimpleNamespace(**said | {"is_clean": False}), verdict=SimpleNamespace(**said))
    monkeypatch.setattr(receipts, "past", lambda _: [newest, older])
    world.refusal = AwsFailed("There are no AWS credentials.")
    assert [one.env for one in world.look().environments if one.env != "prod"] == past
    # What AWS says counts for more: somebody may have brought it up again.
    world.refusal = None
    world.in_aws.add("devl")
    assert [one.env for one in world.look().environments] == ["devl"]


def test_people_are_past_with_their_own_day_or_that_of_their_environment(world: World) -> None:
    world.up("devl", "open")
    people = [
        Member("ana", expires=YESTERDAY),
        Member("bia", expires=TODAY),
        Member("caio"),
        Member("davi", expires=date(2025, 1, 1)),
    ]
    world.members = {"open": people, "devl": people}
    found = world.look()
    # Those of devl go with it.
    assert found.people == (PastPerson("open", "ana", YESTERDAY), PastPerson("open", "davi", date(2025, 1, 1)))
    assert found.people[0].command == "bootstrap offboard ana --env open"


def test_a_runner_of_github_sees_the_people_too(world: World) -> None:
    world.in_aws.add("open")
    world.members = {"open": [Member("ana", expires=YESTERDAY)]}
    assert [one.name for one in world.look().people] == ["ana"]


def test_people_of_what_cannot_be_reached_are_not_known(world: World) -> None:
    world.up("open")
    world.refusal = AwsFailed("Your session has expired.")
    found = world.look(date(2020, 1, 1))
    assert found == Past((), (), (("open", "Your session has expired."),))


# Taking it down


def ended(world: World, answer: bool = True) -> list[Ended]:
    return list(take_down(world.project, world.look().environments, None, Story(), lambda _: lambda _: answer))


THINGS = gone("The teardown of 'devl' is not complete: 1 thing of it is left.")
ENDS: dict[str, tuple[Any, int, str]] = {
    "gone": (None, 0, "'devl' is gone: nothing of it is left."),
    "something is left": (THINGS, 4, "The teardown of 'devl' is not complete: 1 thing of it is left."),
    "not all could be looked at": (gone("Not all was seen.", could_look=False), 4, "Not all was seen."),
    "all but GitHub": (
        gone(unfinished=GitHubFailed("GitHub is away.")),
        5,
        "'devl': all is gone but what is on GitHub. GitHub is away.",
    ),
    "it failed": (BootstrapError("It broke.", hint="Mend it."), 1, "'devl': It broke."),
}


@pytest.mark.parametrize(("end", "code", "message"), ENDS.values(), ids=ENDS.keys())
def test_what_became_of_an_environment(world: World, end: Any, code: int, message: str) -> None:
    world.up("devl")
    world.ends["devl"] = end
    first = ended(world)[0]
    assert (first.env, first.code, first.message) == ("devl", code, message)
    assert bool(first.hint) is bool(code)
    assert first.receipt == (Path("receipt.html") if code != 1 else None)


def test_a_no_leaves_it_and_goes_on(world: World) -> None:
    world.up("devl", "stag")
    found = list(take_down(world.project, world.look(date(2027, 1, 1)).environments, None, Story(), lambda _: no))
    assert [(one.env, one.code) for one in found] == [("devl", 3), ("stag", 3)]
    assert world.taken == ["devl", "stag"]


def no(_: Any) -> bool:
    return False


def test_a_failure_of_one_does_not_keep_the_next(world: World) -> None:
    world.up("devl", "stag")
    world.ends["devl"] = BootstrapError("It broke.")
    found = list(take_down(world.project, world.look(date(2027, 1, 1)).environments, None, Story(), lambda _: no))
    assert [(one.env, one.code) for one in found] == [("devl", 1), ("stag", 3)]
    assert world.taken == ["devl", "stag"]


def test_what_is_protected_or_from_elsewhere_is_left_and_named(world: World) -> None:
    world.up("prod")
    world.in_aws.add("devl")
    found = ended(world)
    assert world.taken == []
    assert [(one.env, one.code) for one in found] == [("devl", 1), ("prod", 3)]
    assert "not brought up from this folder" in found[0].message
    assert "bootstrap down --env devl --confirm devl" in found[0].hint
    assert "bootstrap.toml:9" in found[1].message
    assert found[1].hint == "bootstrap down --env prod --unprotect"


@pytest.mark.parametrize(
    ("codes", "code"),
    [([], 0), ([0, 0], 0), ([0, 3], 3), ([3, 5], 5), ([5, 4, 0], 4), ([4, 1], 1), ([2, 3], 1)],
)
def test_the_worst_code_counts(codes: list[int], code: int) -> None:
    assert worst(codes) == code


# The command


class Clock(datetime):
    @classmethod
    def now(cls, tz: Any = None) -> Clock:
        assert tz is timezone.utc, "last days are those of UTC"
        return cls(2026, 7, 1, 0, 0, 1, tzinfo=timezone.utc)


def run(monkeypatch: pytest.MonkeyPatch, *words: str) -> Result:
    monkeypatch.setattr(clock, "datetime", Clock)
    monkeypatch.setattr(ui, "show_plan", lambda _: None)
    return CliRunner().invoke(expire_command.command, list(words))


def test_nothing_is_past(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    done = run(monkeypatch)
    assert (done.exit_code, done.stdout) == (0, "Nothing is past its last day.\n")


def test_what_to_type_is_told(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.up("devl", "open")
    world.members = {"open": [Member("ana", expires=YESTERDAY), Member("bia", expires=YESTERDAY)]}
    done = run(monkeypatch)
    assert done.exit_code == 3
    assert done.stdout.splitlines()[-2:] == ["  bootstrap down --env devl", "  bootstrap offboard ana bia --env open"]
    told = json.loads(run(monkeypatch, "--json").stdout)
    assert [one["command"] for one in told["environments"]] == ["bootstrap down --env devl"]
    assert [one["name"] for one in told["people"]] == ["ana", "bia"]
    assert told["down"] == []


def test_without_credentials_it_says_that_it_may_be_gone(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.refusal = AwsFailed("There are no AWS credentials.")
    done = run(monkeypatch)
    assert done.exit_code == 3
    assert "Nobody could look whether 'devl' is still there: There are no AWS credentials." in done.stdout
    assert "take its `expires` out of bootstrap.toml" in done.stdout


@pytest.mark.parametrize(
    ("ends", "people", "code"),
    [
        ({}, [], 0),
        ({}, [Member("ana", expires=YESTERDAY)], 3),
        ({"devl": THINGS}, [], 4),
        ({"devl": BootstrapError("It broke.")}, [Member("ana", expires=YESTERDAY)], 1),
    ],
)
def test_down_ends_with_the_worst_code(
    world: World, ends: dict[str, Any], people: list[Member], code: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.up("devl", "open")
    world.ends, world.members = ends, {"open": people}
    done = run(monkeypatch, "--down", "--yes", "--json")
    assert done.exit_code == code, done.output
    assert [one["env"] for one in json.loads(done.stdout)["down"]] == ["devl"]
    assert world.taken == ["devl"]


def test_nobody_there_to_answer(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.up("devl")
    done = run(monkeypatch, "--down")
    assert isinstance(done.exception, UsageError)
    assert world.taken == []


# The workflow on GitHub


@pytest.mark.parametrize(("toml", "offered"), [(TOML, True), ('project = "demo"\n[environments.stag]\n', False)])
def test_the_workflow_is_for_who_has_a_last_day(toml: str, offered: bool) -> None:
    files = files_for(parse_spec(toml, "bootstrap.toml"))
    assert (".github/workflows/bootstrap-expire.yml" in files) is offered
    assert {".github/workflows/bootstrap-ci.yml", ".github/workflows/bootstrap-train.yml"} <= set(files)


def test_it_is_written_as_the_others_are(tmp_path: Path) -> None:
    project = Project(tmp_path, parse_spec(TOML, "bootstrap.toml"), {}, tmp_path)
    for what in ("created", "unchanged"):
        assert [one.what for one in write_workflows(project, "environment").files] == [what] * 3
    assert "bootstrap expire" in (tmp_path / ".github/workflows/bootstrap-expire.yml").read_text()
