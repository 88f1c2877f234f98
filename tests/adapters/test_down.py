"""What `down` takes, what it leaves, and what it says of both (moto in this process).

There is no state bucket here, so Terraform, which would have nothing to do, is not even asked; tests/e2e has the real
one, and environments that it made.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from click.testing import CliRunner, Result
from moto import mock_aws

from bootstrap.adapters.aws import people
from bootstrap.adapters.aws.archive_bucket import ArchiveBucket
from bootstrap.adapters.aws.session import Aws
from bootstrap.commands import options
from bootstrap.commands import status as status_command
from bootstrap.core.inventory import EVERYWHERE, Blind, Place, Scan
from bootstrap.core.names import Names
from bootstrap.core.record import Record
from bootstrap.core.s3_address import S3Address
from bootstrap.core.stream import Change, Stream
from bootstrap.errors import BootstrapError, Declined, UsageError
from bootstrap.workflows import down as downs
from bootstrap.workflows import down_preview, provision, receipts, sweep
from bootstrap.workflows.down import Gone, Request, down
from bootstrap.workflows.down_preview import Preview
from bootstrap.workflows.project import Project, open_project
from tests.adapters.doubles import Story
from tests.adapters.lifecycle_manager import LifecycleManager
from tests.adapters.machine import add_machine, parts_left

ACCOUNT = "123456789012"
ENVS = ("stag", "devl")


class School:
    """A project with two environments in an account: a bucket each, and a user with a key."""

    def __init__(self, folder: Path, home: Path) -> None:
        folder.mkdir()
        self.folder, self.home = folder, home
        (folder / "bootstrap.toml").write_text('project = "demo"\n[environments.stag]\n[environments.devl]\n')
        self.aws = Aws("us-east-1")
        self.story = Story()

    @property
    def project(self) -> Project:
        return open_project(self.folder, None, {}, self.home)

    def names(self, env: str = "stag") -> Names:
        return Names("demo", env, ACCOUNT)

    def up(self, env: str = "stag", *, tags: dict[str, str] | None = None) -> str:
        """Make an environment as `up` does, and its record; returns the id of its user's key."""
        names = self.names(env)
        s3, iam = self.aws.client("s3"), self.aws.client("iam")
        s3.create_bucket(Bucket=names.bucket)
        s3.put_bucket_versioning(Bucket=names.bucket, VersioningConfiguration={"Status": "Enabled"})
        ours = {"bootstrap:project": "demo", "bootstrap:env": env} if tags is None else tags
        s3.put_bucket_tagging(
            Bucket=names.bucket, Tagging={"TagSet": [{"Key": key, "Value": value} for key, value in ours.items()]}
        )
        self.put("dataset/a.txt", env)
        iam.create_user(UserName=names.iam_user("ci"), Path=names.iam_path)
        key = iam.create_access_key(UserName=names.iam_user("ci"))["AccessKey"]["AccessKeyId"]
        record = Record(
            *("demo", env, "aws", "us-east-1", ACCOUNT, None, names.bucket, names.state_bucket),
            *(names.profile, names.dvc_url()),
            complete=True,
        )
        self.project.save(record)
        return str(key)

    def put(self, key: str, env: str = "stag") -> None:
        self.aws.client("s3").put_object(Bucket=self.names(env).bucket, Key=key, Body=key.encode())

    def buckets(self) -> set[str]:
        return {one["Name"] for one in self.aws.client("s3").list_buckets()["Buckets"]}

    def users(self) -> list[str]:
        return [one["UserName"] for one in self.aws.client("iam").list_users()["Users"]]

    def down(self, *, env: str = "stag", confirm: Callable[[Preview], bool] = lambda _: True, **options: Any) -> Gone:
        return down(self.project, Request(env, **options), self.story, confirm)

    def told(self, words: str) -> bool:
        return any(words in text for text in self.story.told)


@pytest.fixture
def school(tmp_path: Path, home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[School]:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAIOSFODNN7EXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    monkeypatch.setattr(provision, "find_tools", lambda *_: None)
    roots = SimpleNamespace(plan_file=tmp_path / "no plan", write_adoptions=lambda _: None)
    stand_in = SimpleNamespace(root=lambda _: roots, forget=lambda *_: pytest.fail("there is no state to forget in"))
    monkeypatch.setattr(provision, "prepare", lambda *_, **__: stand_in)
    # moto, in this process, breaks off at the one listing that it does not know.
    monkeypatch.setattr(people, "_BELONGINGS", [one for one in people._BELONGINGS if "service" not in one.lister])
    with mock_aws():
        yield School(tmp_path / "course", home)


def test_it_takes_what_is_ours_and_the_receipt_names_each(school: School) -> None:
    key = school.up()
    gone = school.down()
    receipt = gone.kept.receipt
    assert (school.buckets(), school.users(), receipt.is_clean) == (set(), [], True)
    assert {(one.kind, one.id) for one in receipt.removed} >= {
        ("access key", key),
        ("bucket", f"arn:aws:s3:::{school.names().bucket}"),
        ("user", f"arn:aws:iam::{ACCOUNT}:user/demo/stag/demo.stag.ci"),
    }
    assert (receipt.objects, receipt.versions) == (1, 1)
    assert receipt.cost_before.usd is not None
    assert not school.project.work.exists()


def test_a_machine_goes_with_what_terraform_never_knew_of(school: School, lifecycle_manager: LifecycleManager) -> None:
    school.up()
    before = parts_left(school.aws, lifecycle_manager)
    machine = add_machine(school.aws, lifecycle_manager, "demo")
    shown: list[str] = []

    def yes(preview: Preview) -> bool:
        shown.extend(step.what for step in preview.plan.steps)
        return True

    receipt = school.down(confirm=yes).kept.receipt
    assert parts_left(school.aws, lifecycle_manager) == before
    assert {"2 snapshots of MLflow's volume", f"the parameter {machine.parameter}"} <= set(shown)
    instance = f"the EC2 instance {machine.instance}, demo.stag.mlflow"
    assert f"{instance}, which no state of Terraform's has" in shown
    assert school.told("Stopping MLflow's machine")
    gone = {(one.kind, one.id.rpartition("/")[2]) for one in receipt.removed}
    assert gone >= {("EBS snapshot", one) for one in machine.snapshots}
    assert gone >= {("EC2 instance", machine.instance), ("parameter", "admin-password")}
    assert receipt.is_clean
    assert receipt.scan is not None
    assert {"EC2 instance", "EBS snapshot", "snapshot policy", "parameter"} <= {one.kind for one in receipt.scan.looked}


def test_a_bucket_of_our_name_with_tags_of_anothers_is_left_alone(school: School) -> None:
    school.up(tags={"team": "accounting"})
    shown: list[Preview] = []

    def yes(preview: Preview) -> bool:
        shown.append(preview)
        return True

    gone = school.down(confirm=yes)
    assert school.buckets() == {school.names().bucket}
    assert school.users() == []
    assert school.told("does not carry this environment's tags")
    assert gone.kept.receipt.is_clean
    assert not any("demo--stag" in step.what for step in shown[0].plan.steps)


def test_what_no_state_has_is_shown_before_the_question(school: School) -> None:
    school.up()
    shown: list[Preview] = []

    def no(preview: Preview) -> bool:
        shown.append(preview)
        return False

    with pytest.raises(Declined):
        school.down(confirm=no)
    steps = [step.what for step in shown[0].plan.steps]
    assert any("demo.stag.ci" in what for what in steps)
    assert any(school.names().bucket in what for what in steps)


def test_a_no_changes_nothing(school: School) -> None:
    school.up()
    before = school.project.record("stag")
    with pytest.raises(Declined):
        school.down(confirm=lambda _: False)
    assert school.project.record("stag") == before
    assert school.users() == ["demo.stag.ci"]
    assert not (school.project.env_folder("stag") / "removed.jsonl").exists()


def test_an_archive_in_s3_stays_and_stands_in_the_receipt(school: School) -> None:
    school.up()
    s3, at = school.aws.client("s3"), S3Address("school-archives", "2026")
    s3.create_bucket(Bucket=at.bucket)
    gone = school.down(archive=at)
    receipt = gone.kept.receipt
    assert receipt.is_clean
    assert receipt.archive is not None
    assert receipt.archive.folder == "s3://school-archives/2026"
    assert "s3://school-archives/2026" in gone.kept.stored.page.read_text(encoding="utf-8")
    assert school.buckets() == {at.bucket}
    assert s3.get_object(Bucket=at.bucket, Key="2026/bucket/dataset/a.txt")["Body"].read() == b"dataset/a.txt"
    assert not school.project.work.exists()


def test_a_destination_that_is_refused_is_refused_before_the_question(school: School) -> None:
    school.up()
    tags = [{"Key": "bootstrap:project", "Value": "demo"}]
    s3 = school.aws.client("s3")
    s3.create_bucket(Bucket="school-archives")
    s3.put_bucket_tagging(Bucket="school-archives", Tagging={"TagSet": tags})
    before = school.project.record("stag")
    with pytest.raises(UsageError, match="carries the tag bootstrap:project = demo"):
        school.down(archive=S3Address("school-archives", "2026"), confirm=lambda _: pytest.fail("it asked"))
    assert (school.users(), school.project.record("stag")) == (["demo.stag.ci"], before)
    assert "Contents" not in s3.list_objects_v2(Bucket="school-archives")


def test_nothing_is_deleted_if_the_archive_in_s3_does_not_verify(
    school: School, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = school.up()
    at = S3Address("school-archives", "2026")
    school.aws.client("s3").create_bucket(Bucket=at.bucket)
    with monkeypatch.context() as patch:
        patch.setattr(ArchiveBucket, "is_as_written", lambda *_: False)
        with pytest.raises(BootstrapError, match="cannot be read back as written"):
            school.down(archive=at)
    assert school.buckets() == {school.names().bucket, at.bucket}
    keys = school.aws.client("iam").list_access_keys(UserName="demo.stag.ci")["AccessKeyMetadata"]
    assert [one["AccessKeyId"] for one in keys] == [key]
    # And the same command goes on.
    assert school.down(archive=at).kept.receipt.is_clean
    assert school.buckets() == {at.bucket}


def test_a_bucket_that_is_kept_is_nobody_elses_leftover(school: School) -> None:
    school.up("devl")
    school.up("stag")
    kept = school.down(env="devl", keep_data=True).kept.receipt
    assert [thing.arn for thing in kept.kept] == [f"arn:aws:s3:::{school.names('devl').bucket}"]
    assert kept.is_clean
    last = school.down(env="stag").kept.receipt
    assert (last.is_clean, last.kept) == (True, ())
    assert school.buckets() == {school.names("devl").bucket}
    assert school.told("something of other environments of this project: devl")


def test_what_could_not_be_looked_at_keeps_it_on_record(school: School, monkeypatch: pytest.MonkeyPatch) -> None:
    school.up()
    usual = down_preview.look_through
    with monkeypatch.context() as patch:

        def blind(*args: Any) -> Scan:
            found = usual(*args)
            unseen = Blind(Place("user", EVERYWHERE), "iam:ListUsers was refused")
            looked = tuple(place for place in found.looked if place.kind != "user")
            return replace(
                found, things=tuple(t for t in found.things if t.kind != "user"), looked=looked, blind=(unseen,)
            )

        patch.setattr(downs, "look_through", blind)
        first = school.down().kept.receipt
    assert (first.state, school.project.record("stag") is not None) == ("not all looked at", True)
    assert not [one for one in first.removed if one.kind == "user"], "nobody saw that it is gone"
    again = school.down().kept.receipt
    assert again.is_clean
    assert {one.kind for one in again.removed} >= {"bucket", "user", "access key"}
    assert (again.objects, again.began) == (1, first.began)
    assert school.project.record("stag") is None


def test_after_a_kill_the_next_receipt_has_all_of_it_once(school: School, monkeypatch: pytest.MonkeyPatch) -> None:
    key = school.up()
    with monkeypatch.context() as patch:

        def broken_off(*_: object) -> list[str]:
            raise KeyboardInterrupt

        patch.setattr(downs, "remove_in_aws", broken_off)
        with pytest.raises(KeyboardInterrupt):
            school.down()
    receipt = school.down().kept.receipt
    ids = [one.id for one in receipt.removed]
    assert (receipt.is_clean, receipt.objects, receipt.versions) == (True, 1, 1)
    assert key in ids
    assert len(ids) == len(set(ids))


class TestArchive:
    def test_what_is_written_until_access_ends_is_in_it(
        self, school: School, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        school.up()
        usual = people.strip_user

        def late(aws: Aws, user: str, ended: Callable[[str], None]) -> None:
            school.put("members/ana/late.txt")
            monkeypatch.setattr(people, "strip_user", usual)
            usual(aws, user, ended)

        monkeypatch.setattr(people, "strip_user", late)
        receipt = school.down(archive=tmp_path / "2026").kept.receipt
        assert (tmp_path / "2026/members/ana/late.txt").read_text() == "members/ana/late.txt"
        assert receipt.archive is not None
        assert receipt.is_clean

    def test_where_it_cannot_be_made_nothing_is_changed(self, school: School, tmp_path: Path) -> None:
        school.up()
        before = school.project.record("stag")
        (tmp_path / "full").mkdir()
        (tmp_path / "full/theirs").write_text("theirs")
        with pytest.raises(BootstrapError):
            school.down(archive=tmp_path / "full")
        assert school.project.record("stag") == before
        assert people.key_ids(school.aws, "demo.stag.ci")[0].active
        assert school.buckets() == {school.names().bucket}


class TestWithoutARecord:
    @pytest.fixture(autouse=True)
    def _record_is_lost(self, school: School) -> None:
        school.up()
        (school.project.env_folder("stag") / "record.json").unlink()

    def test_it_takes_somebody_to_name_it(self, school: School) -> None:
        with pytest.raises(BootstrapError, match="a --yes is not enough") as error:
            school.down()
        assert "--confirm stag" in error.value.hint
        assert school.users() == ["demo.stag.ci"]

    def test_then_it_goes_like_any_other(self, school: School) -> None:
        assert school.down(elsewhere=True).kept.receipt.is_clean
        assert (school.buckets(), school.users()) == (set(), [])

    def test_a_folder_that_only_has_the_name_is_not_enough(self, school: School, tmp_path: Path) -> None:
        (tmp_path / "demo").mkdir()
        project = open_project(tmp_path / "demo", None, {}, school.home)
        with pytest.raises(BootstrapError, match="is not up in"):
            down(project, Request("stag", elsewhere=True), school.story, lambda _: True)
        assert school.users() == ["demo.stag.ci"]

    def test_a_no_leaves_nothing_behind(self, school: School) -> None:
        with pytest.raises(Declined):
            school.down(elsewhere=True, confirm=lambda _: False)
        assert not school.project.work.exists()


class TestKeptBucket:
    """What `status` knows of a bucket that `down --keep-data` left."""

    @pytest.fixture(autouse=True)
    def _at_home(self, school: School, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(options, "project", lambda *_, **__: school.project)

    def status(self, *words: str) -> Result:
        done = CliRunner().invoke(status_command.command, list(words))
        assert done.exit_code == 0, done.exception
        return done

    def kept(self, *words: str) -> dict[str, list[dict[str, Any]]]:
        found = json.loads(self.status("--json", *words).stdout)["environments"]
        return {one["env"]: one["kept"] for one in found if one["kept"]}

    def test_it_is_named_with_all_that_the_receipt_knows(self, school: School, monkeypatch: pytest.MonkeyPatch) -> None:
        school.up()
        receipt = school.down(keep_data=True).kept.receipt
        # Nobody asks AWS for it.
        monkeypatch.setattr(Aws, "client", lambda *_: pytest.fail("AWS was asked"))
        told = self.kept()
        assert told == self.kept("--env", "stag")
        [one] = told["stag"]
        assert one == {
            "env": "stag",
            "bucket": school.names().bucket,
            "target": "aws",
            "account_id": ACCOUNT,
            "region": "us-east-1",
            "since": receipt.ended,
            "objects": 1,
            "versions": 1,
            "bytes": len("dataset/a.txt"),
            "cost": {"usd": one["cost"]["usd"], "says": receipt.cost_now.says},
            "receipt": receipt.id,
            "command": "bootstrap sweep --env stag --delete",
        }
        shown = self.status().stdout
        assert f"{school.names().bucket} (kept)" in shown
        assert f"on {receipt.ended[:10]}" in shown
        assert "it held 1 file (1 version, 13 bytes)" in shown
        assert f"It costs {receipt.cost_now.dollars} a month. {receipt.cost_now.says}" in shown
        assert "To use it again: bootstrap up --env stag\n" in shown
        assert "To remove it with all in it: bootstrap sweep --env stag --delete" in shown

    def test_it_is_known_though_no_file_names_the_environment(self, school: School) -> None:
        school.up()
        school.down(keep_data=True)
        (school.folder / "bootstrap.toml").write_text('project = "demo"\n[environments.devl]\n')
        assert list(self.kept()) == list(self.kept("--env", "stag")) == ["stag"]

    def test_a_teardown_that_kept_nothing_leaves_nothing_to_tell(self, school: School) -> None:
        school.up()
        school.down()
        assert self.kept() == {}
        assert "(kept)" not in self.status().stdout

    def test_an_environment_that_is_up_again_has_taken_it_over(self, school: School) -> None:
        school.up()
        record = school.project.record("stag")
        assert record is not None
        school.down(keep_data=True)
        school.project.save(record)
        assert self.kept() == {}
        # The one on a laptop has nothing to do with the bucket in AWS.
        school.project.save(replace(record, target="local"))
        assert list(self.kept()) == ["stag"]

    def test_the_last_teardown_counts(self, school: School) -> None:
        school.up()
        school.down(keep_data=True)
        school.down(elsewhere=True)
        assert self.kept() == {}

    def test_the_command_that_removes_it_is_heard_of(self, school: School) -> None:
        for env in ENVS:
            school.up(env)
            school.down(env=env, keep_data=True)
        sweep.find(school.project, "stag", None, "aws", (), school.story)
        assert list(self.kept()) == ["stag", "devl"]
        assert len(sweep.sweep(school.project, "stag", None, "aws", (), school.story, lambda _: True).removed) == 1
        assert list(self.kept()) == ["devl"]

    def test_one_that_somebody_removed_by_hand_is_forgotten_by_the_next_sweep(self, school: School) -> None:
        school.up()
        school.down(keep_data=True)
        s3, bucket = school.aws.client("s3"), school.names().bucket
        for one in s3.list_object_versions(Bucket=bucket)["Versions"]:
            s3.delete_object(Bucket=bucket, Key=one["Key"], VersionId=one["VersionId"])
        s3.delete_bucket(Bucket=bucket)
        sweep.sweep(school.project, None, None, "aws", (), school.story, lambda _: True)
        assert self.kept() == {}

    @pytest.mark.parametrize("damage", ["edited", "no key"])
    def test_a_receipt_that_proves_nothing_is_not_believed(self, school: School, damage: str) -> None:
        school.up()
        stored = school.down(keep_data=True).kept.stored
        if damage == "edited":
            stored.json.write_text(stored.json.read_text().replace('"objects": 1', '"objects": 2'))
        else:
            (stored.json.parent.parent / "receipt-key.pem").write_text("no key")
        shown = self.status()
        assert "(kept)" not in shown.stdout
        assert ("is not known" in shown.stderr) == (damage == "no key")

    def test_what_the_emulator_kept_went_with_the_emulator(self, school: School) -> None:
        school.up()
        receipt = school.down(keep_data=True).kept.receipt
        receipts.keep(replace(receipt, target="local", id="demo--stag--local"))
        assert [one["target"] for one in self.kept()["stag"]] == ["aws"]


MACHINE = Stream([Change("module.mlflow_ec2[0].aws_instance.this", "aws_instance", "delete")])


@pytest.mark.parametrize(("stream", "usd"), [(MACHINE, 21.814), (Stream(), 0.0)], ids=["machine", "none"])
def test_what_ends_is_the_machine_too_if_there_is_one(
    school: School, monkeypatch: pytest.MonkeyPatch, stream: Stream, usd: float
) -> None:
    """A stand-in for Terraform says that its state has one; of what size, bootstrap.toml says."""
    school.up()
    monkeypatch.setattr(down_preview, "plan_to_destroy", lambda *_: {"environment": stream})
    shown: list[Preview] = []

    def no(preview: Preview) -> bool:
        shown.append(preview)
        return False

    with pytest.raises(Declined):
        school.down(confirm=no)
    assert shown[0].cost.usd == pytest.approx(usd, abs=1e-4)
    assert ("MLflow's machine (t3.small)" in shown[0].cost.says) == (usd > 1)
