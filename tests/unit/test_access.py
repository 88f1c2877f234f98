"""The specification of least privilege, cell by cell, and how the proof of it is put together."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import date, datetime, timezone
from typing import Any

import pytest
from moto import mock_aws

from bootstrap.adapters.aws import people, simulation
from bootstrap.adapters.aws.session import Aws, KeyPair
from bootstrap.core.access import ROLES, Ask, Cell, Ground, Person, Role, cells
from bootstrap.errors import AwsFailed, BootstrapError
from bootstrap.workflows.access import PROBE, Subject, Tried, borrowed_key, prove

ACCOUNT = "123456789012"
ARN = f"arn:aws:iam::{ACCOUNT}:user/course/stag/course.stag.anna"
GROUND = Ground.of(ARN, "course--stag", "course--tfstate")
ANNA, BOB = Person("anna", "red", "course.stag.anna"), Person("bob", "blue", "course.stag.bob")
NOW = datetime(2028, 2, 1, 9, 30, tzinfo=timezone.utc)

# The table, word for word; a place that is not in it is nobody's.
SPECIFICATION = """
| place         | student                     | instructor                 | ci                |
| dataset/      | read, list                  | read, write, delete, list  | read, list        |
| dvc/red/      | read, write, list           | read, write, delete, list  | read, write, list |
| dvc/blue/     |                             | read, write, delete, list  | read, write, list |
| members/anna/ | read, write, delete, list   | read, write, delete, list  |                   |
| members/bob/  |                             | read, list                 |                   |
| mlflow/       |                             |                            |                   |
| the state bucket |                          |                            |                   |
| any other bucket |                          |                            |                   |
"""


def matrix(role: Role, **options: Any) -> dict[tuple[str, str], Cell]:
    return {(cell.place, cell.action): cell for cell in cells(role, ANNA, BOB, GROUND, **options)}


def specified() -> Iterator[Any]:
    header, *rows = [[part.strip() for part in line.strip("| ").split("|")] for line in SPECIFICATION.split("\n")[1:-1]]
    for row in rows:
        for role in ROLES:
            may = row[header.index(role)] if header.index(role) < len(row) else ""
            yield pytest.param(role, row[0], {word.strip() for word in may.split(",")} - {""}, id=f"{role} {row[0]}")


@pytest.mark.parametrize(("role", "place", "may"), [*specified()])
def test_the_table_is_the_specification(role: Role, place: str, may: set[str]) -> None:
    found = {action for action in ("read", "write", "delete", "list") if matrix(role)[place, action].allowed}
    assert found == may


@pytest.mark.parametrize("role", ROLES)
def test_no_cell_is_there_twice_and_each_can_be_judged(role: Role) -> None:
    found = cells(role, ANNA, BOB, GROUND, expires=date(2028, 2, 28))
    assert len({(cell.place, cell.action) for cell in found}) == len(found)
    for cell in found:
        assert cell.asks
        assert cell.attempt != "never" or cell.untried, cell
        assert all(ask.arn == "*" or ask.arn.startswith("arn:aws:") for ask in cell.asks)


@pytest.mark.parametrize("role", ROLES)
def test_there_is_no_way_round_the_table(role: Role) -> None:
    found = matrix(role)
    for place in ("dataset/", "dvc/red/", "dvc/blue/", "members/anna/", "members/bob/", "mlflow/"):
        assert found[place, "copy from it"].allowed is found[place, "read"].allowed
        assert found[place, "abort an upload"].allowed is found[place, "write"].allowed
        assert not found[place, "read an old version"].allowed
        assert not found[place, "delete an old version"].allowed
    assert not any(cell.allowed for (place, _), cell in found.items() if place in ("users", "policies", "roles"))
    assert [action for (place, action), cell in found.items() if place == "the bucket" and cell.allowed] == [
        "list the top folders",
        "read its region",
    ]


IN_IAM = {
    "student": {("own user", "read"), ("own keys", "list")},
    "instructor": {("own user", "read"), ("another's user", "read"), ("users here", "list")},
    "ci": set(),
}


@pytest.mark.parametrize("role", ROLES)
def test_what_is_to_be_seen_of_iam(role: Role) -> None:
    found = {key for key, cell in matrix(role).items() if cell.allowed and cell.asks[0].action.startswith("iam:")}
    assert found - {("without TLS", "read own user")} == IN_IAM[role]


def test_collecting_garbage_is_one_cell_more() -> None:
    before, after = matrix("student"), matrix("student", dvc_delete=True)
    assert [key for key in before if before[key] != after[key]] == [("dvc/red/", "delete")]
    assert after["dvc/red/", "delete"].allowed


@pytest.mark.parametrize("role", ROLES)
def test_a_copy_goes_where_that_person_may_write(role: Role) -> None:
    found = matrix(role)["mlflow/", "copy from it"]
    home = "dvc/red/" if role == "ci" else "members/anna/"
    assert [(ask.action, ask.arn) for ask in found.asks] == [
        ("s3:GetObject", "arn:aws:s3:::course--stag/mlflow/file"),
        ("s3:PutObject", f"arn:aws:s3:::course--stag/{home}file"),
    ]


LISTS = {
    ("dataset/", "list"): (("s3:prefix", "dataset/"),),
    ("members/", "list"): (("s3:prefix", "members/"),),
    ("the bucket", "list the top folders"): (("s3:prefix", ""), ("s3:delimiter", "/")),
    ("the bucket", "list everything"): (("s3:prefix", ""),),
}


@pytest.mark.parametrize(("key", "context"), LISTS.items())
def test_a_list_is_asked_for_with_its_prefix(key: tuple[str, str], context: tuple[tuple[str, str], ...]) -> None:
    assert matrix("student")[key].asks == (Ask("s3:ListBucket", "arn:aws:s3:::course--stag", context),)


def test_the_last_day_ends_with_its_last_second() -> None:
    found = cells("student", ANNA, BOB, GROUND, expires=date(2028, 2, 28))
    before, after = ([cell for cell in found if cell.place == place] for place in ("on the last day", "after it"))
    assert {dict(cell.asks[0].context)["aws:CurrentTime"] for cell in before} == {"2028-02-28T23:59:59Z"}
    assert all(cell.allowed for cell in before)
    assert {dict(cell.asks[0].context)["aws:CurrentTime"] for cell in after} == {"2028-02-29T00:00:00Z"}
    assert not any(cell.allowed for cell in after)
    assert {cell.action for cell in after} == {"list", "read", "write", "read own user"}


def test_once_it_is_over_nothing_is_allowed() -> None:
    found = cells("instructor", ANNA, BOB, GROUND, expires=date(2028, 1, 31), expired=True)
    assert len(found) > 80
    assert not any(cell.allowed for cell in found)


def test_without_tls_nothing_is_allowed() -> None:
    found = [cell for cell in cells("student", ANNA, BOB, GROUND) if cell.place == "without TLS"]
    assert {ask.action for cell in found for ask in cell.asks} == {
        *("s3:ListBucket", "s3:GetObject", "s3:PutObject", "iam:GetUser"),
    }
    assert not any(cell.allowed for cell in found)


GROUNDS = {
    ARN: ("aws", ACCOUNT, "/course/stag/", "stag"),
    "arn:aws-cn:iam::210987654321:user/a-b/c/a-b.c.ci": ("aws-cn", "210987654321", "/a-b/c/", "c"),
}


@pytest.mark.parametrize(("arn", "expected"), GROUNDS.items())
def test_the_ground_follows_from_a_users_arn(arn: str, expected: tuple[str, ...]) -> None:
    ground = Ground.of(arn, "b", "s")
    assert (ground.partition, ground.account, ground.path, ground.env) == expected
    assert ground.user(arn.rpartition("/")[2]) == arn


# --- the proof, where it needs no enforcing AWS; what does stands in tests/terraform/test_least_privilege.py ---


@pytest.fixture
def operator() -> Iterator[Aws]:
    """An AWS of this test's own that lets anybody in, with the course's two buckets and one user."""
    with mock_aws():
        aws = Aws("us-east-1", key=KeyPair("AKIAIOSFODNN7EXAMPLE", "nobody"))
        for bucket in (GROUND.bucket, GROUND.state_bucket):
            aws.client("s3").create_bucket(Bucket=bucket)
        aws.client("iam").create_user(UserName=ANNA.user, Path=GROUND.path)
        yield aws


def subject(aws: Aws | None = None, role: Role = "student", **options: Any) -> Subject:
    return Subject("anna", role, "red", ARN, aws, **({"dvc_delete": False} | options))


def run(operator: Aws | None, *subjects: Subject, emulated: bool = False) -> list[Tried]:
    return prove(operator, GROUND.bucket, GROUND.state_bucket, subjects, emulated=emulated, now=NOW)


NOBODY = Person("nobody-else", "nobody-else", "nobody-else")


class Simulator:
    """Stands in for IAM's simulator, which no emulator here has: answers as specified, but for what it is told."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.asked: list[Ask] = []
        self.otherwise: dict[str, bool | None] = {}
        monkeypatch.setattr(simulation, "simulate", self._simulate)
        monkeypatch.setattr("secrets.token_hex", lambda _: "0")  # so that the names of a run are known beforehand
        found = cells("student", ANNA, NOBODY, GROUND, probe=f"{PROBE}-0", expires=date(2028, 2, 28))
        self.allowed = {ask for cell in found if cell.allowed for ask in cell.asks}

    def _simulate(self, _: Aws, arn: str, asks: Iterable[Ask], now: datetime) -> dict[Ask, bool]:
        assert (arn, now) == (ARN, NOW)
        self.asked = list(asks)
        answers = {ask: self.otherwise.get(ask.action, ask in self.allowed) for ask in self.asked}
        return {ask: answer for ask, answer in answers.items() if answer is not None}


@pytest.fixture
def simulator(monkeypatch: pytest.MonkeyPatch) -> Simulator:
    return Simulator(monkeypatch)


def test_nobody_to_prove(operator: Aws) -> None:
    assert run(operator) == []


def test_whose_key_nobody_else_has_is_put_to_the_simulator(operator: Aws, simulator: Simulator) -> None:
    found = run(operator, subject(expires=date(2028, 2, 28)))
    assert {one.how for one in found} == {"simulated"}
    assert [one for one in found if not one.right] == []
    assert all(one.found is one.cell.allowed for one in found)
    assert {one.why for one in found} == {"nobody else has their key"}
    assert len(simulator.asked) == len(set(simulator.asked))


def test_one_dangerous_action_is_enough_to_be_wrong(operator: Aws, simulator: Simulator) -> None:
    simulator.otherwise = {"iam:PassRole": True}
    assert [one.cell.place for one in run(operator, subject()) if not one.right] == ["roles"]


def test_a_copy_needs_both_of_its_sides(operator: Aws, simulator: Simulator) -> None:
    simulator.otherwise = {"s3:PutObject": False}
    wrong = {(one.cell.place, one.cell.action) for one in run(operator, subject()) if not one.right}
    assert {("dataset/", "copy from it"), ("dvc/red/", "write")} <= wrong
    assert ("mlflow/", "copy from it") not in wrong


def test_what_the_simulator_does_not_answer_is_not_called_right(operator: Aws, simulator: Simulator) -> None:
    simulator.otherwise = {"s3:DeleteObject": None}
    found = [one for one in run(operator, subject()) if one.cell.action == "delete"]
    assert {(one.how, one.found, one.why) for one in found} == {("not tried", None, "the simulator gave no answer")}


def test_the_simulator_is_not_asked_what_it_cannot_know(operator: Aws, simulator: Simulator) -> None:
    [listed] = [one for one in run(operator, subject(role="instructor")) if one.cell.place == "users here"]
    assert (listed.how, listed.why) == ("not tried", "the simulator knows no paths")
    assert GROUND.user("") not in {ask.arn for ask in simulator.asked}


def test_what_cannot_be_tried_with_a_key_is_simulated(operator: Aws, simulator: Simulator) -> None:
    found = run(operator, subject(operator))
    by_place = {
        one.cell.place: one.how for one in found if one.cell.place in ("without TLS", "any other bucket", "roles")
    }
    assert set(by_place.values()) == {"simulated"}
    assert {one.how for one in found if one.cell.place == "dataset/"} == {"tried"}


def test_an_emulator_has_no_simulator(operator: Aws, simulator: Simulator) -> None:
    found = run(operator, subject(), emulated=True)
    assert {(one.how, one.found, one.why) for one in found} == {("not tried", None, "nobody else has their key")}
    assert simulator.asked == []


def test_an_option_nobody_knows_of_here_is_not_judged(operator: Aws, simulator: Simulator) -> None:
    for known in (None, False):
        found = run(operator, subject(dvc_delete=known))
        [one] = [one for one in found if (one.cell.place, one.cell.action) == ("dvc/red/", "delete")]
        assert (one.how, one.right) == ("not tried" if known is None else "simulated", True)


def test_after_the_last_day_everything_should_be_refused(operator: Aws, simulator: Simulator) -> None:
    found = run(operator, subject(expires=date(2028, 1, 31)))
    assert not any(one.cell.allowed for one in found)
    assert [one for one in found if not one.right]  # this simulator goes on allowing
    assert all(one.cell.allowed for one in run(operator, subject(expires=date(2028, 2, 1)))[:2])


def test_an_aws_that_lets_anybody_in_is_not_asked_what_it_refuses(operator: Aws) -> None:
    found = run(operator, subject(operator), emulated=True)
    assert [one for one in found if not one.right] == []
    assert not any(one.how == "tried" for one in found if not one.cell.allowed)
    assert "this AWS lets anybody in" in {one.why for one in found}
    assert any(one.how == "tried" for one in found)


def test_what_a_killed_run_left_goes_with_the_next(operator: Aws) -> None:
    s3 = operator.client("s3")
    s3.put_object(Bucket=GROUND.bucket, Key=f"members/anna/{PROBE}-dead", Body=b"")
    s3.create_multipart_upload(Bucket=GROUND.bucket, Key=f"dvc/red/{PROBE}-dead")
    s3.put_object(Bucket=GROUND.bucket, Key="members/anna/thesis.pdf", Body=b"x")
    run(operator, subject(operator), emulated=True)
    assert [one["Key"] for one in s3.list_objects_v2(Bucket=GROUND.bucket)["Contents"]] == ["members/anna/thesis.pdf"]
    assert not s3.list_multipart_uploads(Bucket=GROUND.bucket).get("Uploads")


def test_the_files_go_also_if_the_proof_breaks_off(operator: Aws, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> bool:
        raise AwsFailed("Could not list it.")

    monkeypatch.setattr("bootstrap.adapters.aws.probes.may_list", broken)
    with pytest.raises(AwsFailed, match="Could not list it"):
        run(operator, subject(operator), emulated=True)
    assert "Contents" not in operator.client("s3").list_objects_v2(Bucket=GROUND.bucket)


def test_how_far_it_is_is_told(operator: Aws, simulator: Simulator) -> None:
    told: list[str] = []
    prove(operator, GROUND.bucket, GROUND.state_bucket, [subject()], emulated=False, now=NOW, progress=told.append)
    assert told == ["1 of 1"]


# --- a key for the time of the proof ---


def test_a_borrowed_key_is_given_back(operator: Aws) -> None:
    with borrowed_key(operator, ANNA.user) as anna:
        assert people.key_works(anna, ANNA.user)
        assert len(people.key_ids(operator, ANNA.user)) == 1
    assert people.key_ids(operator, ANNA.user) == []


def test_a_borrowed_key_is_given_back_when_all_goes_wrong(operator: Aws) -> None:
    with pytest.raises(ValueError, match="ours"), borrowed_key(operator, ANNA.user):
        raise ValueError("ours")
    assert people.key_ids(operator, ANNA.user) == []


def test_nobody_loses_a_key_for_the_proof(operator: Aws) -> None:
    theirs = [people.mint_key(operator, ANNA.user).id for _ in range(2)]
    with (
        pytest.raises(BootstrapError, match=f"{ANNA.user} has 2 access keys") as caught,
        borrowed_key(operator, ANNA.user),
    ):
        pass
    assert "bootstrap rotate" in caught.value.hint
    assert {key.id for key in people.key_ids(operator, ANNA.user)} == set(theirs)
