"""Archives below a prefix in S3: whole, taken up again, checked later, refused where they would not last.

With moto in this process, but for the last part. It looks neither at who a bucket must belong to nor at permissions;
where a test is about those, the answer to the one request is put in by hand, as S3 gives it. Nor does it tell a
checksum of parts from one of the whole, which it makes of parts too.
"""

from __future__ import annotations

import hashlib
import json
import os
import shlex
import shutil
import sqlite3
import stat
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from click.testing import CliRunner
from moto import mock_aws

from bootstrap.adapters import process
from bootstrap.adapters.aws import archive_bucket, copying, people, uploading
from bootstrap.adapters.aws.session import Aws, KeyPair
from bootstrap.adapters.emulator import Emulator
from bootstrap.commands.restore_check import command as restore_check_command
from bootstrap.core.manifest import Manifest, Source, parse_manifest
from bootstrap.core.names import Names
from bootstrap.core.record import Record
from bootstrap.core.s3_address import S3Address
from bootstrap.core.spec import Spec
from bootstrap.errors import AwsFailed, BootstrapError, UsageError
from bootstrap.workflows.archive import make_archive, open_archive
from bootstrap.workflows.archive_store import ArchiveStore
from bootstrap.workflows.copy_out import Archived
from bootstrap.workflows.project import Project
from bootstrap.workflows.restore_check import Checked, restore_check
from bootstrap.workflows.target import Place
from tests.adapters.archiving import Story, fetched, interrupt
from tests.ports import some_port

ACCOUNT = "123456789012"
ANYBODY = KeyPair("AKIAIOSFODNN7EXAMPLE", "anything")
SAFE = S3Address("school-archives", "2026/stag")


@dataclass
class Course:
    """An environment with a bucket of its own, and another bucket for its archive."""

    project: Project
    place: Place
    record: Record
    story: Story

    @property
    def s3(self) -> Any:
        return self.place.aws.client("s3")

    def put(self, key: str, body: bytes = b"content") -> None:
        self.s3.put_object(Bucket=self.record.bucket, Key=key, Body=body)

    def open(self, to: S3Address = SAFE) -> ArchiveStore:
        return open_archive(self.project, self.record, self.place, to, self.story)

    def make(self, *, versions: bool = False, to: S3Address = SAFE) -> Archived:
        return make_archive(self.project, self.record, self.place, self.open(to), versions, self.story)

    def files(self, at: S3Address = SAFE) -> dict[str, bytes]:
        """Return what lies below an address: path → content."""
        keys = [one["Key"] for one in self.s3.list_objects_v2(Bucket=at.bucket).get("Contents", [])]
        return {
            key.removeprefix(at.key("")): self.s3.get_object(Bucket=at.bucket, Key=key)["Body"].read()
            for key in keys
            if key.startswith(at.key(""))
        }

    def meddle(self, path: str, body: bytes = b"tampered") -> None:
        self.s3.put_object(Bucket=SAFE.bucket, Key=SAFE.key(path), Body=body)

    def manifest(self) -> Manifest:
        found = parse_manifest(self.files()["manifest.json"].decode())
        assert found is not None
        return found

    def check(self) -> Checked:
        return restore_check(SAFE, Story())

    def answer(self, operation: str, status: int, code: str, only: Callable[[Any], bool] = lambda _: True) -> None:
        """Let S3 refuse an operation from now on, where its parameters (as sent) are such as `only` says."""

        def refuse(params: Any, **_: Any) -> Any:
            parsed = {"Error": {"Code": code, "Message": "no"}, "ResponseMetadata": {"HTTPStatusCode": status}}
            return (SimpleNamespace(status_code=status), parsed) if only(params) else None

        self.s3.meta.events.register_first(f"before-call.s3.{operation}", refuse)


def a_course(folder: Path, home: Path, aws: Aws) -> Course:
    """Make the buckets of an environment and of an archive, in a project in `folder`."""
    folder.mkdir()
    names = Names("course", "stag", ACCOUNT)
    project = Project(folder, Spec.default(names.project), dict(os.environ), home)
    record = Record(
        *(names.project, "stag", "aws", "us-east-1", ACCOUNT, None, names.bucket, names.state_bucket),
        *(names.profile, names.dvc_url()),
    )
    s3 = aws.client("s3")
    for bucket in (names.bucket, names.state_bucket, SAFE.bucket):
        s3.create_bucket(Bucket=bucket)
    s3.put_bucket_versioning(Bucket=names.bucket, VersioningConfiguration={"Status": "Enabled"})
    return Course(project, Place("aws", names, aws, None, custom_endpoint=False, emulated=False), record, Story())


@pytest.fixture
def course(tmp_path: Path, home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Course]:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", ANYBODY.id)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", ANYBODY.secret)
    with mock_aws():
        yield a_course(tmp_path / "project", home, Aws("us-east-1", key=ANYBODY))


# --- a whole archive ---

FILES = {
    "dataset/train.csv": b"a,b\n1,2\n",
    "dvc/red/files/md5/ab/cd": b"\0" * 3_000_000,
    "members/ana/notes/one.txt": b"ana's",
    "members/ben/two.txt": b"",
    "mlflow/1/8f/artifacts/model.pkl": b"model",
}
PLACES = {
    "dataset/train.csv": "bucket/dataset/train.csv",
    "dvc/red/files/md5/ab/cd": "bucket/dvc/red/files/md5/ab/cd",
    "members/ana/notes/one.txt": "members/ana/notes/one.txt",
    "members/ben/two.txt": "members/ben/two.txt",
    "mlflow/1/8f/artifacts/model.pkl": "mlflow/artifacts/1/8f/artifacts/model.pkl",
}


@pytest.mark.parametrize("at", [SAFE, S3Address(SAFE.bucket)], ids=str)
def test_everything_is_in_it(course: Course, at: S3Address) -> None:
    for key, body in FILES.items():
        course.put(key, body)
    course.put("dataset/", b"")
    (course.project.folder / "members.csv").write_text("name,team\nana,red\n")
    done = course.make(to=at)
    found = course.files(at)
    assert {path: found[path] for path in PLACES.values()} == {PLACES[key]: body for key, body in FILES.items()}
    assert found.keys() - set(PLACES.values()) == {"manifest.json", "members.json", "roster.csv", "README.txt"}
    manifest = parse_manifest(found["manifest.json"].decode())
    assert manifest is not None
    assert manifest.folders == ("dataset/",)
    assert done == Archived(str(at), len(found) - 1, manifest.size, hashlib.sha256(found["manifest.json"]).hexdigest())
    for one in manifest.files:
        assert hashlib.sha256(found[one.path]).hexdigest() == one.sha256
    checked = restore_check(at, Story())
    assert checked.right
    assert checked.manifest_sha256 == done.manifest_sha256


def test_nothing_of_it_stays_on_this_machine(course: Course) -> None:
    course.put("dataset/a")
    parts: list[Path] = []

    def look(title: str) -> None:
        if title.startswith("Copying"):
            work = course.project.env_folder("stag") / "archive"
            parts.extend(work.rglob("parts"))
            assert stat.S_IMODE(parts[0].stat().st_mode) == 0o700

    course.story.when = look
    course.make()
    assert parts
    assert [path for path in course.project.work.rglob("*") if path.is_file()] == []


def test_s3_is_asked_to_compare_each_upload(course: Course) -> None:
    """S3 refuses what does not have the SHA-256 that comes with it, and keeps it; moto keeps it too.

    So each file comes out of the environment's bucket once, and none of them out of the archive's.
    """
    course.put("dataset/a")
    read: list[str] = []
    course.s3.meta.events.register("before-call.s3.GetObject", lambda params, **_: read.append(params["url_path"]))
    course.make()
    assert [path for path in read if path.endswith("/a")] == ["/dataset/a"]
    for one in course.manifest().files:
        head = course.s3.head_object(Bucket=SAFE.bucket, Key=SAFE.key(one.path), ChecksumMode="ENABLED")
        assert uploading.as_s3_writes(bytes.fromhex(one.sha256)) == head["ChecksumSHA256"]


def test_what_to_type_is_right_for_s3(course: Course) -> None:
    course.make()
    said = course.files()["README.txt"].decode()
    assert f"aws s3 cp --recursive {SAFE} FOLDER" in said
    assert f"bootstrap restore-check {SAFE}" in said
    course.make(to=S3Address(SAFE.bucket, "it's mine"))
    said = course.files(S3Address(SAFE.bucket, "it's mine"))["README.txt"].decode()
    assert """aws s3 cp --recursive 's3://school-archives/it'"'"'s mine' FOLDER""" in said


STRANGE = [
    "members/ana/../../../outside",
    "/absolute",
    "a//b",
    "what?.txt",
    "new\nline",
    "\x01control",
    "plus+and space%20",
    "größe/é",
    "Read.me",
    "read.ME",
    "folder",
    "folder/inside",
    "x" * 1024,
    "with content/",
    "& <xml> \"quotes\" 'too'",
    "🎓",
]


def test_no_key_is_lost(course: Course) -> None:
    at = S3Address(SAFE.bucket, "größe & more+/" + "p" * 380)
    for key in STRANGE:
        course.put(key, key.encode())
    course.make(to=at)
    found = course.files(at)
    manifest = parse_manifest(found["manifest.json"].decode())
    assert manifest is not None
    assert {one.key: found[one.path] for one in manifest.files if one.key} == {key: key.encode() for key in STRANGE}
    assert restore_check(at, Story()).right


def test_all_versions(course: Course) -> None:
    for body in (b"one", b"two", b"three"):
        course.put("a.txt", body)
    course.put("gone.txt", b"gone")
    course.s3.delete_object(Bucket=course.record.bucket, Key="gone.txt")
    course.make(versions=True)
    found = course.files()
    assert found["bucket/a.txt"] == b"three"
    assert {body for path, body in found.items() if path.startswith("versions/")} == {b"one", b"two", b"gone"}
    assert course.check().right


def test_beside_what_else_is_in_the_bucket(course: Course) -> None:
    for key in ("2026/stag2/theirs", "2026/stag.txt", "2026/sta/x"):
        course.s3.put_object(Bucket=SAFE.bucket, Key=key, Body=b"theirs")
    # What the console makes for a new folder.
    course.s3.put_object(Bucket=SAFE.bucket, Key="2026/stag/", Body=b"")
    course.put("a")
    course.make()
    assert course.check().right
    for key in ("2026/stag2/theirs", "2026/stag.txt", "2026/sta/x"):
        assert course.s3.get_object(Bucket=SAFE.bucket, Key=key)["Body"].read() == b"theirs"


def test_in_another_region(course: Course) -> None:
    at = S3Address("far-archives", "stag")
    where = {"LocationConstraint": "eu-west-1"}
    course.s3.create_bucket(Bucket=at.bucket, CreateBucketConfiguration=where)
    course.put("a")
    course.make(to=at)
    assert restore_check(at, Story()).right


def test_a_large_file_goes_in_parts_and_is_read_back(course: Course, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive_bucket, "_AT_ONCE", 6_000_000)
    monkeypatch.setattr(archive_bucket, "_PART", 5 * 1024**2)
    body = bytes(range(256)) * 50_000
    course.put("dataset/large", body)
    sent: list[int] = []
    course.s3.meta.events.register("before-call.s3.UploadPart", lambda **_: sent.append(1))
    read: list[str] = []
    digest = copying.digest

    def noted(aws: Aws, bucket: str, source: Source, moved: Callable[[int], None]) -> str | None:
        read.append(source.key)
        return digest(aws, bucket, source, moved)

    monkeypatch.setattr(copying, "digest", noted)
    # As S3 tells of it: https://docs.aws.amazon.com/AmazonS3/latest/API/API_HeadObject.html
    course.s3.meta.events.register(
        "after-call.s3.HeadObject", lambda parsed, **_: parsed.update(ChecksumType="COMPOSITE")
    )
    course.make()
    assert len(sent) == 3
    assert SAFE.key("bucket/dataset/large") in read
    assert course.files()["bucket/dataset/large"] == body
    assert "Uploads" not in course.s3.list_multipart_uploads(Bucket=SAFE.bucket)


def test_an_upload_in_parts_that_fails_leaves_nothing_that_costs(
    course: Course, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archive_bucket, "_AT_ONCE", 6_000_000)
    monkeypatch.setattr(archive_bucket, "_PART", 5 * 1024**2)
    course.put("dataset/large", b"x" * 12_000_000)
    with monkeypatch.context() as patch:
        # A kill, which tidies nothing up.
        patch.setattr(archive_bucket.ArchiveBucket, "_abort", lambda *_: None)
        patch.setattr(course.s3, "complete_multipart_upload", fail)
        with pytest.raises(KeyboardInterrupt):
            course.make()
    theirs = course.s3.create_multipart_upload(Bucket=SAFE.bucket, Key=SAFE.key("theirs"))["UploadId"]
    assert len(course.s3.list_multipart_uploads(Bucket=SAFE.bucket)["Uploads"]) == 2
    with monkeypatch.context() as patch:
        patch.setattr(course.s3, "complete_multipart_upload", fail)
        with pytest.raises(KeyboardInterrupt):
            course.make()
    left = course.s3.list_multipart_uploads(Bucket=SAFE.bucket)["Uploads"]
    assert [one["UploadId"] for one in left] == [theirs]
    course.make()
    assert course.check().right


def fail(**_: Any) -> Any:
    raise KeyboardInterrupt


def test_the_runs_of_mlflow(course: Course) -> None:
    folder = course.project.env_folder("stag") / "mlflow"
    folder.mkdir(parents=True)
    with closing(sqlite3.connect(folder / "mlflow.db", isolation_level=None)) as server:
        server.execute("CREATE TABLE runs (name TEXT)")
        first = course.make()
        again = course.project.folder / "again.db"
        again.write_bytes(course.files()["mlflow/mlflow.db"])
        with closing(sqlite3.connect(again)) as found:
            assert found.execute("SELECT count(*) FROM runs").fetchone() == (0,)
        assert course.make() == first
        server.execute("INSERT INTO runs VALUES ('second')")
        with pytest.raises(UsageError, match="the runs of MLflow"):
            course.make()
    assert "mlflow server" in course.files()["README.txt"].decode()


# --- interrupted, and again ---


def test_it_goes_on_where_it_was_interrupted(course: Course, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(20):
        course.put(f"dataset/{number:02}", str(number).encode())
    interrupt(course, monkeypatch, after=12)
    arrived = {path.removeprefix("bucket/dataset/") for path in course.files() if path.startswith("bucket/")}
    assert len(arrived) == 12
    assert not list(course.project.work.rglob("parts"))
    with pytest.raises(BootstrapError, match="was not finished"):
        course.check()
    # One of them is another one by now, one is gone there, one has other content in the same size.
    changed, gone, broken = sorted(arrived)[:3]
    course.put(f"dataset/{changed}", b"anew")
    course.s3.delete_object(Bucket=SAFE.bucket, Key=SAFE.key(f"bucket/dataset/{gone}"))
    course.meddle(f"bucket/dataset/{broken}", b"?" * len(str(int(broken))))
    again = fetched(monkeypatch)
    course.make()
    missing = {f"{number:02}" for number in range(20)} - arrived
    assert sorted(again) == sorted(f"dataset/{name}" for name in missing | {changed, gone, broken})
    assert course.files()[f"bucket/dataset/{changed}"] == b"anew"
    assert course.check().right
    assert not [path for path in course.files() if path.startswith(".unfinished")]


def test_what_is_gone_meanwhile_goes_from_the_archive_too(course: Course, monkeypatch: pytest.MonkeyPatch) -> None:
    for key in ("a", "b", "c", "d"):
        course.put(key)
    interrupt(course, monkeypatch, after=3)
    assert "bucket/a" in course.files()
    course.s3.delete_object(Bucket=course.record.bucket, Key="a")
    course.make()
    assert {path for path in course.files() if path.startswith("bucket/")} == {"bucket/b", "bucket/c", "bucket/d"}
    assert course.check().right


def test_what_lay_beside_and_is_no_more(course: Course, monkeypatch: pytest.MonkeyPatch) -> None:
    """A roster was put there; then it was interrupted, and the roster is gone."""
    roster = course.project.folder / "members.csv"
    roster.write_text("name\nana\n")
    with monkeypatch.context() as patch:
        patch.setattr(archive_bucket.ArchiveBucket, "_write_once", lambda *_: fail())
        with pytest.raises(KeyboardInterrupt):
            course.make()
    assert "roster.csv" in course.files()
    roster.unlink()
    course.make()
    assert "roster.csv" not in course.files()
    assert course.check().right


def test_begun_on_another_machine(course: Course, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever lies there is not known to be ours here, so nothing of it is overwritten or deleted."""
    course.put("a")
    course.put("b")
    interrupt(course, monkeypatch, after=1)
    before = course.files()
    shutil.rmtree(course.project.work)
    with pytest.raises(UsageError, match="which was not put there from here") as refused:
        course.make()
    assert "Go on where it was begun" in refused.value.hint
    assert course.files() == before


def test_begun_here_and_removed_by_hand(course: Course, monkeypatch: pytest.MonkeyPatch) -> None:
    course.put("a")
    course.put("b")
    interrupt(course, monkeypatch, after=1)
    for path in course.files():
        course.s3.delete_object(Bucket=SAFE.bucket, Key=SAFE.key(path))
    again = fetched(monkeypatch)
    course.make()
    assert sorted(again) == ["a", "b"]
    assert course.check().right


def test_the_unfinished_archive_of_another_environment(course: Course, monkeypatch: pytest.MonkeyPatch) -> None:
    course.put("a")
    interrupt(course, monkeypatch, after=0)
    before = course.files()
    course.record = replace(course.record, env="prod")
    with pytest.raises(UsageError, match="holds an unfinished archive of 'stag'"):
        course.make()
    assert course.files() == before


def test_too_little_room_on_this_machine(course: Course, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only what is on its way together needs room, not the whole."""
    for number in range(20):
        course.put(str(number), b"x" * 1_000_000)
    usual = shutil.disk_usage(course.project.folder)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usual._replace(free=76_000_000))
    course.make()
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usual._replace(free=75_000_000))
    with pytest.raises(BootstrapError, match=r"That needs 75\.1 MB, and the disk has 75\.0 MB left"):
        course.make(to=S3Address(SAFE.bucket, "again"))


# --- somebody else writes there ---


def test_what_was_changed_behind_the_upload_is_brought_again(course: Course) -> None:
    course.put("a", b"right")
    happened: list[str] = []

    def meddle(title: str) -> None:
        if title.startswith("Comparing") and not happened:
            happened.append(title)
            course.meddle("bucket/a", b"wrong")

    course.story.when = meddle
    course.make()
    assert happened
    assert course.files()["bucket/a"] == b"right"
    assert course.check().right


MEDDLERS: dict[str, Callable[[Course], object]] = {
    "other content": lambda course: course.meddle("bucket/a", b"wrong"),
    "another size": lambda course: course.meddle("bucket/a", b"something else"),
    "deleted": lambda course: course.s3.delete_object(Bucket=SAFE.bucket, Key=SAFE.key("bucket/a")),
}


@pytest.mark.parametrize("meddle", MEDDLERS.values(), ids=MEDDLERS.keys())
def test_what_does_not_stay_as_it_was_written(course: Course, meddle: Callable[[Course], object]) -> None:
    course.put("a", b"right")
    settled: list[str] = []
    course.story.when = lambda title: meddle(course) if title.startswith("Comparing 1 file") else None
    with pytest.raises(BootstrapError, match=r"cannot be read back as written, the first of them bucket/a\."):
        make_archive(
            *(course.project, course.record, course.place, course.open(), False, course.story),
            lambda: settled.append("access ended"),
        )
    assert settled == []
    assert "manifest.json" not in course.files()


LATE: dict[str, tuple[Callable[[Course], object], str]] = {
    "changed": (lambda course: course.meddle("bucket/a"), "bucket/a"),
    "deleted": (lambda course: course.s3.delete_object(Bucket=SAFE.bucket, Key=SAFE.key("bucket/a")), "bucket/a"),
    "put beside it": (lambda course: course.meddle("bucket/more"), "bucket/more"),
}


@pytest.mark.parametrize(("meddle", "path"), LATE.values(), ids=LATE.keys())
def test_what_changes_after_it_was_compared(course: Course, meddle: Callable[[Course], object], path: str) -> None:
    """The last files that are compared are ours beside the bucket's; from then on it is the list that tells."""
    course.put("a")
    course.put("b")
    course.story.when = lambda title: meddle(course) if title.startswith("Comparing 2 files") and last() else None
    seen: list[int] = []

    def last() -> bool:
        seen.append(1)
        return len(seen) == 2

    with pytest.raises(BootstrapError, match=f"{SAFE / path} was changed by somebody else"):
        course.make()
    assert "manifest.json" not in course.files()


def test_two_that_finish_at_once(course: Course) -> None:
    course.put("a")
    course.answer("PutObject", 412, "PreconditionFailed", lambda params: "If-None-Match" in params["headers"])
    with pytest.raises(BootstrapError, match="Somebody else has finished an archive"):
        course.make()


# --- a finished one, met again by a `down` that was interrupted ---


def test_a_finished_archive_is_taken_for_this_one(course: Course, monkeypatch: pytest.MonkeyPatch) -> None:
    course.put("a")
    course.put("b")
    first = course.make()
    before = course.files()
    course.s3.delete_object(Bucket=course.record.bucket, Key="b")
    keys = fetched(monkeypatch)
    assert course.make() == first
    assert keys == []
    assert course.files() == before


def test_a_finished_archive_that_lacks_something(course: Course) -> None:
    course.put("a")
    course.make()
    before = course.files()
    course.put("dataset/new")
    with pytest.raises(UsageError, match="something new, for instance dataset/new") as refused:
        course.make()
    assert refused.value.hint == f"Name another address. To look at this one: bootstrap restore-check {SAFE}"
    assert course.files() == before


def test_a_finished_archive_that_was_damaged(course: Course) -> None:
    course.put("a")
    course.make()
    course.meddle("bucket/a", b"Content")
    with pytest.raises(BootstrapError, match="not what they were, for instance bucket/a"):
        course.make()


def test_a_finished_archive_of_another_environment(course: Course) -> None:
    course.make()
    course.record = replace(course.record, env="prod")
    with pytest.raises(UsageError, match="finished archive of 'stag'"):
        course.make()


# --- where it may not go ---


def tag(course: Course, project: str) -> S3Address:
    tags = {"TagSet": [{"Key": "bootstrap:project", "Value": project}]}
    course.s3.put_bucket_tagging(Bucket=SAFE.bucket, Tagging=tags)
    return SAFE


def with_policy(course: Course) -> S3Address:
    everything = f"arn:aws:s3:::{SAFE.bucket}/*"
    anybody = {"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": everything}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [anybody]})
    course.s3.put_bucket_policy(Bucket=SAFE.bucket, Policy=policy)
    return SAFE


def with_acl(course: Course) -> S3Address:
    course.s3.put_bucket_acl(Bucket=SAFE.bucket, ACL="public-read")
    return SAFE


def with_something_in_it(course: Course) -> S3Address:
    course.meddle("mine.txt", b"mine")
    return SAFE


def denying(operation: str) -> Callable[[Course], S3Address]:
    def refuse(course: Course) -> S3Address:
        course.answer(operation, 403, "AccessDenied")
        return SAFE

    return refuse


def of_another_account(course: Course) -> S3Address:
    owner = "x-amz-expected-bucket-owner"
    course.answer("HeadBucket", 403, "403", lambda params: params["headers"].get(owner) == ACCOUNT)
    return SAFE


def made(course: Course, bucket: str) -> S3Address:
    course.s3.create_bucket(Bucket=bucket)
    return S3Address(bucket, "x")


REFUSALS: dict[str, tuple[Callable[[Course], S3Address], type[BootstrapError], str]] = {
    "its own bucket": (
        lambda course: S3Address(course.record.bucket, "archive"),
        *(UsageError, "goes with the project 'course'"),
    ),
    "the state bucket": (
        lambda course: S3Address(course.record.state_bucket),
        *(UsageError, "goes with the project 'course'"),
    ),
    "the bucket of another environment": (
        lambda course: made(course, "course--prod--123456789012"),
        *(UsageError, "goes with the project 'course'"),
    ),
    "a bucket with this project's tags": (
        lambda course: tag(course, "course"),
        *(UsageError, "carries the tag bootstrap:project = course"),
    ),
    "a bucket with another project's tags": (
        lambda course: tag(course, "other"),
        *(UsageError, "carries the tag bootstrap:project = other"),
    ),
    "no such bucket": (lambda _: S3Address("nowhere-at-all", "x"), BootstrapError, "There is no bucket nowhere-at-all"),
    "another account's": (of_another_account, BootstrapError, "belongs to another AWS account than 123456789012"),
    "one that cannot be seen": (denying("HeadBucket"), BootstrapError, "or your identity may not see it"),
    "tags that cannot be seen": (denying("GetBucketTagging"), AwsFailed, "Could not read the tags of school-archives"),
    "public by its policy": (with_policy, UsageError, "is public, by its policy"),
    "public by its access list": (with_acl, UsageError, "is public, by its access list"),
    "one that cannot be listed": (denying("ListObjectsV2"), AwsFailed, "Could not list school-archives"),
    "one that cannot be written": (denying("PutObject"), BootstrapError, "A trial showed that an archive cannot go to"),
    "one that cannot be emptied": (denying("DeleteObject"), BootstrapError, "Could not remove s3://school-archives/"),
    "something else there": (with_something_in_it, UsageError, "is not empty: s3://school-archives/2026/stag/mine.txt"),
}


@pytest.mark.parametrize(("prepare", "kind", "why"), REFUSALS.values(), ids=REFUSALS.keys())
def test_what_is_refused(
    course: Course, prepare: Callable[[Course], S3Address], kind: type[BootstrapError], why: str
) -> None:
    """Before anything is touched, and without a trace, but for the trial that could not be removed."""
    at = prepare(course)
    before = course.files(S3Address(SAFE.bucket)) if "listed" not in why and "list " not in why else None
    with pytest.raises(kind) as refused:
        course.open(at)
    assert why in refused.value.message
    assert refused.value.hint
    assert type(refused.value) is kind
    if before is not None and "remove" not in why:
        assert course.files(S3Address(SAFE.bucket)) == before
    assert not course.project.work.exists()


def test_one_that_cannot_be_read(course: Course) -> None:
    """Asked for what is begun there S3 gives nothing, so that the trial is the first to be refused."""
    trial = f"/{SAFE.key('.unfinished/trial-')}"
    course.answer("GetObject", 403, "AccessDenied", lambda params: trial in params["url_path"])
    with pytest.raises(BootstrapError, match="A trial showed that an archive cannot go to") as refused:
        course.open()
    assert "s3:GetObject" in refused.value.hint
    assert course.files() == {}


def test_a_rehearsal(course: Course) -> None:
    course.record = replace(course.record, target="local")
    with pytest.raises(UsageError, match="is a rehearsal on this laptop") as refused:
        course.open()
    assert refused.value.hint == "Name a folder: --archive DIR"


def test_a_public_policy_that_the_bucket_makes_void(course: Course) -> None:
    with_policy(course)
    with_acl(course)
    block = ("BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets")
    course.s3.put_public_access_block(Bucket=SAFE.bucket, PublicAccessBlockConfiguration=dict.fromkeys(block, True))
    course.make()
    assert course.check().right


def test_what_cannot_be_seen_of_a_bucket_is_told(course: Course) -> None:
    course.answer("GetBucketPolicyStatus", 403, "AccessDenied")
    course.make()
    assert any("is public could not be seen for certain" in text and "its policy" in text for text in course.story.told)


@pytest.mark.parametrize("keeps_versions", [True, False])
def test_the_trial_leaves_no_trace(course: Course, keeps_versions: bool) -> None:
    if keeps_versions:
        course.s3.put_bucket_versioning(Bucket=SAFE.bucket, VersioningConfiguration={"Status": "Enabled"})
    course.open()
    found = course.s3.list_object_versions(Bucket=SAFE.bucket)
    assert not found.get("Versions")
    assert not found.get("DeleteMarkers")


def test_a_bucket_whose_versions_stay(course: Course) -> None:
    """As one with object lock has it: a version is not deleted, but a delete marker hides it."""
    course.s3.put_bucket_versioning(Bucket=SAFE.bucket, VersioningConfiguration={"Status": "Enabled"})
    course.answer("DeleteObject", 403, "AccessDenied", lambda params: "versionId" in params["query_string"])
    course.put("a")
    course.make()
    assert course.check().right


# --- over the wire, with a server that looks at permissions ---


@pytest.fixture
def served(tmp_path: Path, home: Path) -> Iterator[Course]:
    """Make a course on a server of its own, as its operator."""
    emulator = Emulator(tmp_path / "emulator")
    server = emulator.start(some_port(), os.environ)
    try:
        operator = people.create_operator(Aws("us-east-1", server.url, key=ANYBODY), "operator", "/staff/")
        emulator.enforce_permissions(server)
        yield a_course(tmp_path / "project", home, Aws("us-east-1", server.url, key=operator))
    finally:
        emulator.stop()


def test_what_the_readme_says_brings_it_home(served: Course, tmp_path: Path) -> None:
    """The real `aws` fetches it, and the folder is an archive like any other."""
    for key, body in FILES.items():
        served.put(key, body)
    served.make()
    said = served.files()["README.txt"].decode()
    (line,) = (line.strip() for line in said.splitlines() if "aws s3 cp" in line)
    folder = tmp_path / "home again"
    words = [str(folder) if word == "FOLDER" else word for word in shlex.split(line)]
    environ = dict(os.environ) | served.place.aws.credentials_environment(os.environ)
    environ["AWS_CONFIG_FILE"] = environ["AWS_SHARED_CREDENTIALS_FILE"] = os.devnull
    done = process.run(process.Call(tuple(words), tmp_path, environ))
    assert done.returncode == 0, done.stderr
    assert restore_check(folder, Story()).right
    assert (folder / "members/ana/notes/one.txt").read_bytes() == b"ana's"


def test_a_large_object_is_never_in_memory(served: Course) -> None:
    """100 MB pass through while Python's own allocations stay below a third of that."""
    served.put("dataset/large", b"\0" * 100_000_000)
    tracemalloc.start()
    try:
        served.make()
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert next(one for one in served.manifest().files if one.key == "dataset/large").size == 100_000_000
    assert peak < 30_000_000


def test_who_may_only_read_there(served: Course) -> None:
    iam = served.place.aws.client("iam")
    iam.create_user(UserName="reader")
    read = {"Effect": "Allow", "Action": ["s3:Get*", "s3:List*", "s3:HeadBucket"], "Resource": "*"}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [read]})
    iam.put_user_policy(UserName="reader", PolicyName="read", PolicyDocument=policy)
    key = people.mint_key(served.place.aws, "reader")
    served.place = replace(served.place, aws=served.place.aws.with_key(key))
    with pytest.raises(BootstrapError, match="A trial showed that an archive cannot go to s3://school-archives") as no:
        served.open()
    assert "s3:PutObject" in no.value.hint


# --- restore-check ---


def run_check(*words: str) -> tuple[int, str]:
    done = CliRunner().invoke(restore_check_command, list(words), standalone_mode=False)
    assert done.exception is None, done.exception
    return int(done.return_value or 0), done.stdout


def test_the_command_checks_it_where_it_lies(course: Course) -> None:
    course.put("a")
    done = course.make()
    code, said = run_check(str(SAFE))
    assert code == 0
    assert said.startswith(f"{SAFE}: archive of 'stag'")
    assert done.manifest_sha256 in said
    _, said = run_check(str(SAFE), "--json")
    found = json.loads(said)
    assert (found["folder"], found["right"], found["manifest_sha256"]) == (str(SAFE), True, done.manifest_sha256)


def move(course: Course) -> None:
    course.s3.delete_object(Bucket=SAFE.bucket, Key=SAFE.key("bucket/a"))
    course.meddle("bucket/b", b"content")


DAMAGES: dict[str, tuple[Callable[[Course], object], dict[str, list[str]]]] = {
    "missing": (MEDDLERS["deleted"], {"missing": ["bucket/a"]}),
    "another size": (MEDDLERS["another size"], {"changed": ["bucket/a"]}),
    "the same size": (lambda course: course.meddle("bucket/a", b"Content"), {"changed": ["bucket/a"]}),
    "extra": (lambda course: course.meddle("members/more"), {"extra": ["members/more"]}),
    "renamed": (move, {"missing": ["bucket/a"], "extra": ["bucket/b"]}),
}


@pytest.mark.parametrize(("damage", "found"), DAMAGES.values(), ids=DAMAGES.keys())
def test_damage_is_found(course: Course, damage: Callable[[Course], object], found: dict[str, list[str]]) -> None:
    course.put("a")
    course.put("members/ana/x")
    course.make()
    damage(course)
    code, said = run_check(str(SAFE), "--json")
    assert code == 1
    content = json.loads(said)
    assert {what: content[what] for what in ("missing", "changed", "extra") if content[what]} == found
    assert content["right"] is False


def test_a_checksum_is_not_believed_by_a_check(course: Course) -> None:
    """It reads: here the bytes are others than S3 says that it keeps."""
    course.put("a", b"right")
    course.make()
    from moto.s3.models import s3_backends

    stored = s3_backends[ACCOUNT]["aws"].buckets[SAFE.bucket].keys[SAFE.key("bucket/a")]
    stored.value = b"wrong"
    assert course.check().changed == ("bucket/a",)


def test_what_is_no_archive(course: Course) -> None:
    with pytest.raises(BootstrapError, match=f"{SAFE} is no archive"):
        course.check()
    with pytest.raises(BootstrapError, match="There is no bucket nowhere-at-all"):
        restore_check(S3Address("nowhere-at-all"), Story())
    course.meddle("manifest.json", b"{}")
    with pytest.raises(BootstrapError, match=f"{SAFE / 'manifest.json'} is damaged"):
        course.check()


def test_a_profile_is_for_s3(tmp_path: Path) -> None:
    done = CliRunner().invoke(restore_check_command, [str(tmp_path), "--profile", "x"], standalone_mode=False)
    assert isinstance(done.exception, UsageError)
    assert "--profile is for an archive in S3" in done.exception.message
