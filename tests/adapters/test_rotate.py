"""A key is replaced without a moment in which its owner has none, wherever the run is killed (moto in this process)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from moto import mock_aws

from bootstrap.adapters import sealing
from bootstrap.adapters.aws import people
from bootstrap.adapters.aws.session import Aws, KeyPair
from bootstrap.core.invite import Invite, parse_invite
from bootstrap.core.membership import Handover, Member, Membership
from bootstrap.core.names import Names
from bootstrap.core.record import Record
from bootstrap.core.spec import Spec
from bootstrap.errors import BootstrapError, UsageError
from bootstrap.workflows import handover, rotate
from bootstrap.workflows.handover import Code, CodesFile, Seal
from bootstrap.workflows.project import Project
from bootstrap.workflows.registry import open_registry
from bootstrap.workflows.target import Place
from tests.adapters.doubles import Story

NAMES = Names("demo", "stag", "123456789012")
USER = NAMES.iam_user("ana")


class Killed(BaseException):
    """The end of a process, as far as one can have it inside of one."""


class School:
    """An environment on moto with one student, who has an invite with a key in it."""

    def __init__(self, folder: Path) -> None:
        self.project = Project(folder, Spec.default("demo"), {}, folder)
        self.aws = Aws("us-east-1")
        self.codes: dict[str, str] = {}
        iam = self.aws.client("iam")
        iam.create_user(UserName=USER, Path=NAMES.iam_path)
        for bucket in (NAMES.bucket, NAMES.state_bucket):
            self.aws.client("s3").create_bucket(Bucket=bucket)
        self.project.save(
            Record(
                *("demo", "stag", "aws", "us-east-1", NAMES.account, None, NAMES.bucket, NAMES.state_bucket),
                *(NAMES.profile, NAMES.dvc_url()),
                complete=True,
            )
        )
        self.first = people.mint_key(self.aws, USER)
        place = Place("aws", NAMES, self.aws, None, custom_endpoint=False, emulated=False)
        handed = Handover(self.first.id, "2026-01-01T00:00:00+00:00", "code")
        registry = open_registry(self.project, place, Story())
        registry.save(Membership({"ana": Member("ana", team="red", handover=handed)}))

    def tell(self, codes: Sequence[Code]) -> None:
        self.codes |= {one.member: one.code for one in codes}

    def rotate(self) -> list[str]:
        request = rotate.Request("stag", lambda _: Seal(), names=("ana",))
        return [one.name for one in rotate.rotate(self.project, request, Story(), lambda _: True, self.tell)]

    def keys(self) -> list[str]:
        return [key.id for key in people.key_ids(self.aws, USER)]

    def invite(self) -> Invite:
        sealed = handover.invite_file(self.project, "stag", "ana").read_text()
        return parse_invite(sealing.open_with_code(sealed, self.codes["ana"]))


@pytest.fixture
def school(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[School]:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAIOSFODNN7EXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    with mock_aws():
        yield School(tmp_path)


def test_the_new_key_is_in_the_invite_and_the_old_one_is_gone(school: School) -> None:
    assert school.rotate() == ["ana"]
    assert school.keys() == [school.invite().access_key_id] != [school.first.id]


@pytest.mark.parametrize(
    "step",
    [
        "people.wait_until_accepted",
        "sealing.seal_to_code",
        "handover.write_atomic",
        "school.tell",
        "people.set_key_active",
        "people.delete_key",
    ],
)
def test_killed_at_any_step_the_same_command_goes_on(
    school: School, step: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    places = {"people": people, "sealing": sealing, "handover": handover, "school": school}
    where, _, name = step.partition(".")

    def kill(*_: object, **__: object) -> None:
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(places[where], name, kill)
        with pytest.raises(Killed):
            school.rotate()
    alive = [key.id for key in people.key_ids(school.aws, USER) if key.active]
    # With the key of before, or with that of an invite whose code was told.
    assert school.first.id in alive or school.invite().access_key_id in alive
    school.rotate()
    assert school.keys() == [school.invite().access_key_id]
    assert school.rotate() == ["ana"]


def test_a_key_that_a_crash_left_behind_makes_room(school: School) -> None:
    people.mint_key(school.aws, USER)
    school.rotate()
    assert school.keys() == [school.invite().access_key_id]


def test_a_key_that_somebody_made_by_hand_and_uses_is_not_deleted(school: School) -> None:
    other = people.mint_key(school.aws, USER)
    people.key_works(school.aws.with_key(KeyPair(other.id, other.secret)), USER)
    if people.keys_of(school.aws, USER)[-1].last_used is None:
        pytest.skip("moto in this process does not note the use of a key")
    with pytest.raises(BootstrapError, match="did not make"):
        school.rotate()
    assert school.keys() == [school.first.id, other.id]


class Git:
    """Stands in for a repository: what it ignores is all that matters here."""

    def __init__(self, *, repository: bool) -> None:
        self._top = Path("/") if repository else None

    def top(self) -> Path | None:
        return self._top

    def ignores(self, _: Path) -> bool:
        return False


def codes_file(path: Path, *, repository: bool = False) -> CodesFile:
    return CodesFile(path, "stag", path.parent, Git(repository=repository))  # type: ignore[arg-type]


def test_a_codes_file_keeps_the_newest_code_of_each(tmp_path: Path) -> None:
    file = codes_file(tmp_path / "codes.csv")
    invite = tmp_path / "invites" / "stag" / "ana.age"
    file.tell([Code("ana", invite, "ONE"), Code("bia", invite.with_name("bia.age"), "TWO")])
    file.tell([Code("ana", invite, "THREE")])
    assert (tmp_path / "codes.csv").read_text() == (
        "environment,member,invite,code\nstag,ana,invites/stag/ana.age,THREE\nstag,bia,invites/stag/bia.age,TWO\n"
    )
    assert (tmp_path / "codes.csv").stat().st_mode & 0o777 == 0o600


def test_a_file_that_is_something_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "codes.csv").write_text("name,role\nana,student\n")
    with pytest.raises(UsageError, match="no file of codes"):
        codes_file(tmp_path / "codes.csv").check()


def test_codes_do_not_go_where_git_would_take_them_in(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="git repository"):
        codes_file(tmp_path / "codes.csv", repository=True).check()
