"""Who is in an environment, kept in the state bucket (moto in this process), and what a killed run leaves of it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from moto import mock_aws

from bootstrap.adapters.aws import objects, people
from bootstrap.adapters.aws.session import Aws, KeyPair
from bootstrap.core.membership import Handover, Member, Membership
from bootstrap.core.names import Names
from bootstrap.core.spec import Spec
from bootstrap.errors import AwsFailed, BootstrapError
from bootstrap.workflows.project import Project
from bootstrap.workflows.registry import Registry, open_registry
from bootstrap.workflows.target import Place
from tests.adapters.doubles import Story

NAMES = Names("demo", "stag", "123456789012")
ANA = Member("ana", team="red")
BIA = Member("bia", "instructor")
HANDED = Handover("AKIAIOSFODNN7EXAMPLE", "2026-11-21T10:00:00+00:00", "code")


@pytest.fixture
def place() -> Iterator[Place]:
    with mock_aws():
        aws = Aws("us-east-1", key=KeyPair("AKIAIOSFODNN7EXAMPLE", "secret"))
        aws.client("s3").create_bucket(Bucket=NAMES.state_bucket)
        yield Place("aws", NAMES, aws, None, custom_endpoint=False, emulated=False)


@pytest.fixture
def project(tmp_path: Path) -> Project:
    (tmp_path / ".bootstrap" / "envs" / "stag").mkdir(parents=True)
    return Project(tmp_path, Spec.default("demo"), {}, tmp_path)


def opened(project: Project, place: Place) -> Registry:
    return open_registry(project, place, Story())


def test_what_one_laptop_writes_another_reads(project: Project, place: Place, tmp_path: Path) -> None:
    opened(project, place).save(Membership({"ana": ANA}))
    elsewhere = Project(tmp_path / "elsewhere", Spec.default("demo"), {}, tmp_path)
    assert opened(elsewhere, place).membership == Membership({"ana": ANA})


def test_of_two_who_write_at_once_the_second_is_told_and_overwrites_nothing(project: Project, place: Place) -> None:
    opened(project, place).save(Membership({"ana": ANA}))
    first, second = opened(project, place), opened(project, place)
    first.save(Membership({"ana": ANA, "bia": BIA}))
    with pytest.raises(AwsFailed, match="Somebody else has changed"):
        second.save(Membership())
    assert set(opened(project, place).membership.members) == {"ana", "bia"}


def test_what_a_killed_run_had_handed_over_is_known_to_the_next(project: Project, place: Place) -> None:
    registry = opened(project, place)
    registry.save(Membership({"ana": ANA, "bia": BIA}))
    registry.note("ana", HANDED)
    with registry.journal.open("a") as journal:
        journal.write('{"member": "bia", "key_')  # killed while it wrote
    again = opened(project, place)
    assert again.membership.members["ana"].handover == HANDED
    assert again.membership.members["bia"].handover is None
    again.save(again.membership)
    assert not again.journal.exists()
    assert opened(project, place).membership.members["ana"].handover == HANDED


def test_a_lost_list_is_found_again_and_nobody_gets_a_second_key(project: Project, place: Place) -> None:
    iam = place.aws.client("iam")
    for name, role in (("ana", "student"), ("ci", "ci")):
        tags = {"bootstrap:member": name, "bootstrap:role": role, "bootstrap:team": "red"}
        listed = [{"Key": key, "Value": value} for key, value in tags.items()]
        iam.create_user(UserName=NAMES.iam_user(name), Path=NAMES.iam_path, Tags=listed)
    key = people.mint_key(place.aws, NAMES.iam_user("ana"))
    story = Story()
    found = open_registry(project, place, story).membership
    assert found == Membership({"ana": ANA})
    handover = found.members["ana"].handover
    assert handover is not None
    assert handover.key_id == key.id
    assert "found again" in story.told[0]


def test_a_damaged_list_is_not_guessed_at(project: Project, place: Place) -> None:
    objects.write_text(place.aws, NAMES.state_bucket, "stag/members.json", "{}", None)
    with pytest.raises(BootstrapError, match="damaged"):
        opened(project, place)


class TestDownload:
    def put(self, place: Place, *keys: str) -> None:
        for key in keys:
            place.aws.client("s3").put_object(Bucket=NAMES.state_bucket, Key=key, Body=key.encode())

    def fetch(self, place: Place, folder: Path) -> list[str]:
        found = objects.download(place.aws, NAMES.state_bucket, "members/ana/", folder, lambda _: None)
        return sorted(path.relative_to(folder).as_posix() for path in found)

    def test_every_file_arrives_where_its_key_says(self, place: Place, tmp_path: Path) -> None:
        self.put(place, "members/ana/", "members/ana/a.txt", "members/ana/maçã/b c.txt", "members/anabel/no.txt")
        assert self.fetch(place, tmp_path / "out") == ["a.txt", "maçã/b c.txt"]
        assert (tmp_path / "out/a.txt").read_text() == "members/ana/a.txt"
        assert not list((tmp_path / "out").rglob("*.part"))

    @pytest.mark.parametrize("name", ["../out.txt", "/etc/x", "a//b", "a\\..\\b", "x/../../y", "tab\there", "a:b"])
    def test_a_key_that_is_no_plain_file_name_stops_it_before_anything_is_written(
        self, place: Place, tmp_path: Path, name: str
    ) -> None:
        self.put(place, "members/ana/a.txt", f"members/ana/{name}")
        with pytest.raises(AwsFailed, match="no ordinary file"):
            self.fetch(place, tmp_path / "out")
        assert not (tmp_path / "out").exists()

    def test_keys_that_differ_only_in_case_do_not_overwrite_each_other(self, place: Place, tmp_path: Path) -> None:
        self.put(place, "members/ana/a.txt", "members/ana/A.txt")
        with pytest.raises(AwsFailed, match="differ only in case"):
            self.fetch(place, tmp_path / "out")
