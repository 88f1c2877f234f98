"""What is told, and when, as people are brought in (moto in this process).

Terraform is stood in for: it makes the user by itself and says so, as the real one does; the real one is in tests/e2e.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import date
from pathlib import Path

import pytest
from moto import mock_aws

from bootstrap.adapters.aws import people
from bootstrap.adapters.aws.session import Aws
from bootstrap.commands.invitations import Invitations, say_how_to_go_on
from bootstrap.core.membership import Difference, Handover, Member, Membership
from bootstrap.core.names import Names
from bootstrap.core.record import Record
from bootstrap.core.spec import Spec
from bootstrap.core.stream import Stream
from bootstrap.errors import BootstrapError, Declined, TerraformFailed
from bootstrap.workflows import handover, onboard
from bootstrap.workflows.counter import Counter
from bootstrap.workflows.handover import Seal
from bootstrap.workflows.project import Project
from bootstrap.workflows.registry import open_registry
from bootstrap.workflows.target import Place
from tests.adapters.doubles import Story

NAMES = Names("demo", "stag", "123456789012")
TODAY = date(2026, 11, 21)
HANDED = Handover("AKIAIOSFODNN7EXAMPLE", "2026-11-01T00:00:00+00:00", "code")


class Terraform:
    """Stands in for Terraform: makes the users it is asked for, then ends well or not."""

    def __init__(self, aws: Aws, *, fails: bool = False) -> None:
        self._aws = aws
        self._fails = fails

    def root(self, _: str) -> Terraform:
        return self

    def write_adoptions(self, _: object) -> None: ...

    def apply_members(
        self, _: Callable[[Stream], None], finished: Callable[[str], None], *, only: Sequence[str]
    ) -> Stream:
        for name in only:
            self._aws.client("iam").create_user(UserName=NAMES.iam_user(name), Path=NAMES.iam_path)
            finished(f'module.member["{name}"].aws_iam_user_policy.this')
        if self._fails:
            raise BootstrapError("Terraform could not go on.")
        return Stream()


class LosesAnAnswer(Terraform):
    """The first request to make a user is answered too late: the second meets the user that the first has made."""

    def __init__(self, aws: Aws, place: Place) -> None:
        super().__init__(aws)
        self.place = place
        self.adopted: dict[str, str] = {}

    def write_adoptions(self, found: object) -> None:
        assert isinstance(found, dict)
        self.adopted = found

    def apply_members(
        self, _: Callable[[Stream], None], finished: Callable[[str], None], *, only: Sequence[str]
    ) -> Stream:
        for name in only:
            if f'module.member["{name}"].aws_iam_user.this' not in self.adopted:
                self._aws.client("iam").create_user(UserName=NAMES.iam_user(name), Path=NAMES.iam_path)
                if name == only[-1]:
                    raise TerraformFailed("creating IAM User: StatusCode: 409, EntityAlreadyExists")
            finished(f'module.member["{name}"].aws_iam_user_policy.this')
        return Stream()


class School:
    """An environment on moto with bia in it, whose last day is past."""

    def __init__(self, folder: Path) -> None:
        self.project = Project(folder, Spec.default("demo"), {}, folder)
        self.aws = Aws("us-east-1")
        self.story = Story()
        self.listed: list[str] = []
        for bucket in (NAMES.bucket, NAMES.state_bucket):
            self.aws.client("s3").create_bucket(Bucket=bucket)
        self.project.save(
            Record(
                *("demo", "stag", "aws", "us-east-1", NAMES.account, None, NAMES.bucket, NAMES.state_bucket),
                *(NAMES.profile, NAMES.dvc_url()),
                complete=True,
            )
        )
        self.place = place = Place("aws", NAMES, self.aws, None, custom_endpoint=False, emulated=False)
        bia = Member("bia", team="red", expires=date(2026, 1, 31), handover=HANDED)
        open_registry(self.project, place, self.story).save(Membership({"bia": bia}))

    def write_roster(self, *rows: str) -> None:
        (self.project.folder / "members.csv").write_text("\n".join(["name,team,expires", *rows, ""]))

    def onboard(self, answer: Callable[[Difference], bool] = lambda _: True) -> onboard.Outcome:
        roster = self.project.folder / "members.csv"
        request = onboard.Request("stag", lambda _: Seal(), TODAY, whole_roster=True, roster=roster)
        return onboard.onboard(self.project, request, self.story, answer, lambda _: None, self.listed.extend)

    def told_of(self, words: str) -> list[str]:
        return [text for text in self.story.told if words in text]


@pytest.fixture
def school(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[School]:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAIOSFODNN7EXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    with mock_aws():
        found = School(tmp_path)
        monkeypatch.setattr(Counter, "provisioner", lambda _: Terraform(found.aws))
        yield found


IN_ALREADY = "bia,red,2026-01-31"


@pytest.mark.parametrize(
    ("rows", "told"),
    [
        ([IN_ALREADY, "ana,red,2026-11-20", "caio,,2026-11-21"], "ana"),
        ([IN_ALREADY, "ana,red,2020-12-31", "caio,,31/12/2020"], "ana, caio"),
        (["bia,green,2026-01-31"], "bia"),
        ([IN_ALREADY, "ana,red,"], None),
    ],
)
def test_a_past_last_day_is_told_before_the_question(school: School, rows: list[str], told: str | None) -> None:
    school.write_roster(*rows)
    heard: list[str] = []

    def answer(_: Difference) -> bool:
        heard.extend(school.told_of("their last day is past"))
        return False

    with pytest.raises(Declined):
        school.onboard(answer)
    expected = f"{told}: their last day is past, so their invite cannot be opened."
    assert [one.removeprefix(f"{school.project.folder}/") for one in heard] == ([expected] if told else [])


def test_of_people_who_are_in_already_a_past_day_is_no_news(school: School) -> None:
    school.write_roster(IN_ALREADY)
    assert school.onboard().difference.is_empty
    assert school.told_of("is past") == []


def test_a_roster_that_lists_nobody_is_known_as_such(school: School) -> None:
    template = Path(__file__).resolve().parents[2] / "templates" / "members.csv"
    (school.project.folder / "members.csv").write_text(template.read_text())
    found = school.onboard()
    assert (found.lists_nobody, found.difference.extra) == (True, ("bia",))
    school.write_roster(IN_ALREADY)
    assert not school.onboard().lists_nobody


def test_what_to_send_is_told_even_if_the_rest_is_broken_off(school: School, monkeypatch: pytest.MonkeyPatch) -> None:
    school.write_roster(IN_ALREADY, "ana,red,")

    def broken_off(_: object) -> list[str]:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(onboard, "_share", broken_off)
        with pytest.raises(KeyboardInterrupt):
            school.onboard()
    assert school.listed == ["ana"]
    assert handover.invite_file(school.project, "stag", "ana").is_file()
    # The next run has nothing to say of her.
    assert school.onboard().difference.is_empty
    assert school.listed == ["ana"]


@pytest.mark.parametrize(
    ("names", "told"),
    [
        (["ana"], "  bootstrap join ana.age\n"),
        (["bob", "ana"], "  bootstrap join NAME.age     each with their own, as in: "),
    ],
)
def test_each_person_is_told_to_open_their_own_file(
    school: School, capsys: pytest.CaptureFixture[str], names: list[str], told: str
) -> None:
    tell = say_how_to_go_on(
        school.project, "stag", Invitations(lambda _: handover.Seal(), lambda _: None), as_json=False
    )
    tell(names)
    assert told in capsys.readouterr().out


def test_what_to_send_is_told_of_those_whom_a_failing_terraform_came_to(
    school: School, monkeypatch: pytest.MonkeyPatch
) -> None:
    school.write_roster(IN_ALREADY, "ana,red,")
    monkeypatch.setattr(Counter, "provisioner", lambda _: Terraform(school.aws, fails=True))
    with pytest.raises(BootstrapError, match="could not go on"):
        school.onboard()
    assert school.listed == ["ana"]
    assert len(people.key_ids(school.aws, NAMES.iam_user("ana"))) == 1


def test_people_by_name_keep_the_day_of_their_row_and_an_empty_one_takes_it_out(school: School) -> None:
    school.write_roster("ana,red,31/12/2999")
    (kept,) = onboard.people_named(school.project, ["ana"], {"team": "blue"})
    (without,) = onboard.people_named(school.project, ["ana"], {"expires": None})
    assert (kept.expires, without.expires) == (date(2999, 12, 31), None)


def test_a_user_whose_making_was_answered_too_late_is_taken_over(
    school: School, monkeypatch: pytest.MonkeyPatch
) -> None:
    school.write_roster(IN_ALREADY, "ana,red,", "caio,red,")
    monkeypatch.setattr(Counter, "provisioner", lambda _: LosesAnAnswer(school.aws, school.place))
    assert sorted(school.onboard().invited) == ["ana", "caio"]
    assert sorted(school.listed) == ["ana", "caio"]
    for name in ("ana", "caio"):
        assert len(people.key_ids(school.aws, NAMES.iam_user(name))) == 1
