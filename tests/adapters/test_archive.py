"""Archives and exports out of a real moto server: whole, taken up again, checked later, read again by MLflow.

One small server in here stands for a network that breaks, which moto's does not.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import shutil
import sqlite3
import stat
import sys
import threading
import time
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from moto import mock_aws

from bootstrap.adapters import process, servers
from bootstrap.adapters.aws import copying, people
from bootstrap.adapters.aws.session import Aws, KeyPair
from bootstrap.adapters.emulator import ACCOUNT
from bootstrap.adapters.mlflow import MlflowServer
from bootstrap.adapters.mlflow_archive import copy_database
from bootstrap.adapters.process import Call
from bootstrap.commands.export import command as export_command
from bootstrap.commands.restore_check import command as restore_check_command
from bootstrap.core.manifest import ODD, Manifest, Source, parse_manifest
from bootstrap.core.membership import Handover, Member, Membership
from bootstrap.core.names import Names
from bootstrap.core.record import Record
from bootstrap.core.spec import Spec
from bootstrap.errors import AwsFailed, BootstrapError, UsageError
from bootstrap.workflows import laptop as laptops
from bootstrap.workflows.archive import make_archive, open_archive
from bootstrap.workflows.copy_out import Archived
from bootstrap.workflows.export import export
from bootstrap.workflows.project import Project
from bootstrap.workflows.registry import open_registry
from bootstrap.workflows.restore_check import Checked, restore_check
from bootstrap.workflows.target import Place
from tests.adapters.archiving import Story, fetched, interrupt
from tests.ports import some_port
from tests.standing import enforcing_emulator

ANYBODY = KeyPair("AKIAIOSFODNN7EXAMPLE", "anything")
HANDED = Handover("AKIAIOSFODNN7EXAMPLE", "2026-11-01T00:00:00+00:00", "code")


@pytest.fixture(scope="module")
def emulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[servers.Server, KeyPair]]:
    """A moto server with permission checks on, and its operator."""
    with enforcing_emulator(tmp_path_factory.mktemp("emulator")) as found:
        yield found


@dataclass
class Course:
    """An environment with a bucket of its own, and a folder for its archive."""

    project: Project
    place: Place
    record: Record
    archive: Path
    story: Story

    def put(self, key: str, body: bytes = b"content") -> None:
        self.place.aws.client("s3").put_object(Bucket=self.record.bucket, Key=key, Body=body)

    def make(self, *, versions: bool = False, to: Path | None = None) -> Archived:
        store = open_archive(self.project, self.record, self.place, to or self.archive, self.story)
        return make_archive(self.project, self.record, self.place, store, versions, self.story)

    def files(self, below: Path | None = None) -> dict[str, bytes]:
        folder = below or self.archive
        return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}

    def manifest(self) -> Manifest:
        found = parse_manifest((self.archive / "manifest.json").read_text())
        assert found is not None
        return found

    def path_of(self, key: str) -> Path:
        return self.archive / next(one.path for one in self.manifest().files if one.key == key)

    def check(self) -> Checked:
        return restore_check(self.archive, Story())


@pytest.fixture
def course(emulator: tuple[servers.Server, KeyPair], tmp_path: Path, request: pytest.FixtureRequest) -> Course:
    server, operator = emulator
    name = hashlib.sha256(request.node.nodeid.encode()).hexdigest()[:8]
    names = Names(f"course-{name}", "stag", ACCOUNT)
    aws = Aws("us-east-1", server.url, key=operator)
    s3 = aws.client("s3")
    for bucket in (names.bucket, names.state_bucket):
        s3.create_bucket(Bucket=bucket)
        s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    folder = tmp_path / "project"
    folder.mkdir()
    project = Project(folder, Spec.default(names.project), dict(os.environ), tmp_path)
    record = Record(
        *(names.project, "stag", "local", "us-east-1", ACCOUNT, server.url, names.bucket, names.state_bucket),
        *(names.profile, names.dvc_url()),
    )
    place = Place("local", names, aws, None, custom_endpoint=True, emulated=True)
    return Course(project, place, record, tmp_path / "archive", Story())


# --- a whole archive ---

FILES = {
    "dataset/train.csv": b"a,b\n1,2\n",
    "dvc/red/files/md5/ab/cd": b"\0" * 3_000_000,
    "members/ana/notes/one.txt": b"ana's",
    "members/ben/two.txt": b"",
    "mlflow/1/8f/artifacts/model.pkl": b"model",
    "put-by-hand": b"x",
}
PLACES = {
    "dataset/train.csv": "bucket/dataset/train.csv",
    "dvc/red/files/md5/ab/cd": "bucket/dvc/red/files/md5/ab/cd",
    "members/ana/notes/one.txt": "members/ana/notes/one.txt",
    "members/ben/two.txt": "members/ben/two.txt",
    "mlflow/1/8f/artifacts/model.pkl": "mlflow/artifacts/1/8f/artifacts/model.pkl",
    "put-by-hand": "bucket/put-by-hand",
}


def test_everything_is_in_it(course: Course) -> None:
    for key, body in FILES.items():
        course.put(key, body)
    course.put("dataset/", b"")
    (course.project.folder / "members.csv").write_text("name,team\nana,red\n")
    ana = Member("ana", team="red", handover=HANDED)
    open_registry(course.project, course.place, course.story).save(Membership({"ana": ana}))
    done = course.make()
    found = course.files()
    assert {path: found[path] for path in PLACES.values()} == {PLACES[key]: body for key, body in FILES.items()}
    assert found.keys() - set(PLACES.values()) == {"manifest.json", "members.json", "roster.csv", "README.txt"}
    assert found["roster.csv"] == b"name,team\nana,red\n"
    member = {"name": "ana", "role": "student", "team": "red", "expires": None}
    assert json.loads(found["members.json"]) == {"members": [member]}
    assert HANDED.key_id not in found["members.json"].decode() + found["manifest.json"].decode()
    assert f"{course.record.bucket}" in found["README.txt"].decode()
    manifest = course.manifest()
    assert manifest.folders == ("dataset/",)
    assert done == Archived(
        str(course.archive), len(found) - 1, manifest.size, hashlib.sha256(found["manifest.json"]).hexdigest()
    )
    for one in manifest.files:
        assert hashlib.sha256(found[one.path]).hexdigest() == one.sha256
        assert len(found[one.path]) == one.size
    data = next(one for one in manifest.files if one.key == "dataset/train.csv")
    head = course.place.aws.client("s3").head_object(Bucket=course.record.bucket, Key="dataset/train.csv")
    assert data.version_id == head["VersionId"]
    assert data.modified == head["LastModified"].isoformat()
    assert course.check().right
    if os.name == "posix":
        assert stat.S_IMODE(course.archive.stat().st_mode) == 0o700
        assert {stat.S_IMODE((course.archive / path).stat().st_mode) for path in found} == {0o600}


STRANGE = [
    "members/ana/../../../outside",
    "/absolute",
    "a//b",
    "./here",
    "what?.txt",
    "back\\slash",
    "new\nline",
    "tab\t",
    "\x01control",
    "plus+and space%20",
    "größe/é",
    "Read.me",
    "read.ME",
    "folder",
    "folder/inside",
    "x" * 300,
    "with content/",
    "con",
    "& <xml> \"quotes\" 'too'",
    "🎓",
]


def test_no_key_is_lost(course: Course) -> None:
    """Whatever key: the content is there, below the folder, and the manifest says which key it was.

    With moto in this process: its server knows no address with a line break in it.
    """
    with mock_aws():
        course.place = replace(course.place, aws=Aws("us-east-1", key=ANYBODY))
        course.place.aws.client("s3").create_bucket(Bucket=course.record.bucket)
        course.place.aws.client("s3").create_bucket(Bucket=course.record.state_bucket)
        for key in STRANGE:
            course.put(key, key.encode())
        course.make()
    for key in STRANGE:
        assert course.path_of(key).read_bytes() == key.encode()
    assert {path.name for path in course.archive.parent.iterdir()} == {"archive", "project"}
    assert course.path_of("Read.me").parent.name == ODD
    assert course.check().right


def test_all_versions(course: Course) -> None:
    s3, bucket = course.place.aws.client("s3"), course.record.bucket
    for body in (b"one", b"two", b"three"):
        course.put("a.txt", body)
    course.put("gone.txt", b"gone")
    s3.delete_object(Bucket=bucket, Key="gone.txt")
    course.make(versions=True)
    entries = [one for one in course.manifest().files if one.key]
    assert {(course.archive / one.path).read_bytes() for one in entries} == {b"one", b"two", b"three", b"gone"}
    assert (course.archive / "bucket/a.txt").read_bytes() == b"three"
    older = {one.path for one in entries if one.path.startswith("versions/")}
    assert older == {f"versions/{one.key}/{one.version_id}" for one in entries if one.path != "bucket/a.txt"}
    assert len(older) == 3
    assert course.check().right


def test_without_versions_the_current_ones_alone(course: Course) -> None:
    course.put("a.txt", b"one")
    course.put("a.txt", b"two")
    course.make()
    assert not (course.archive / "versions").exists()
    assert (course.archive / "bucket/a.txt").read_bytes() == b"two"


def test_an_environment_with_nothing_in_it(course: Course) -> None:
    course.make()
    assert course.files().keys() == {"manifest.json", "members.json", "README.txt"}
    assert course.check().right


def test_a_bucket_that_is_not_there(course: Course) -> None:
    course.place.aws.client("s3").delete_bucket(Bucket=course.record.bucket)
    course.make()
    assert course.check().right


def test_it_is_not_committed_by_mistake(course: Course) -> None:
    folder = course.project.folder
    process.run(Call(("git", "init", "-q"), folder))
    course.put("members/ana/x")
    course.make(to=folder / "archive")
    status = process.run(Call(("git", "status", "--porcelain"), folder))
    assert status.stdout == ""
    assert restore_check(folder / "archive", Story()).right


# --- the bucket changes meanwhile ---


def test_what_changes_while_it_is_copied_is_copied_again(course: Course) -> None:
    for number in range(5):
        course.put(f"dataset/{number}", b"before")
    happened: list[str] = []

    def meddle(title: str) -> None:
        if title.startswith("Reading") and not happened:
            happened.append(title)
            course.put("dataset/0", b"after!")
            course.put("dataset/new", b"new")
            course.place.aws.client("s3").delete_object(Bucket=course.record.bucket, Key="dataset/1")

    course.story.when = meddle
    course.make()
    assert happened
    assert (course.archive / "bucket/dataset/0").read_bytes() == b"after!"
    assert (course.archive / "bucket/dataset/new").read_bytes() == b"new"
    assert not (course.archive / "bucket/dataset/1").exists()
    assert course.check().right


def test_what_changes_between_list_and_copy(course: Course) -> None:
    course.put("dataset/0", b"before")
    happened: list[str] = []

    def meddle(title: str) -> None:
        if title.startswith("Copying") and not happened:
            happened.append(title)
            course.put("dataset/0", b"after!")

    course.story.when = meddle
    course.make()
    assert (course.archive / "bucket/dataset/0").read_bytes() == b"after!"


def test_somebody_who_writes_all_the_time_is_told_of(course: Course) -> None:
    course.put("dataset/0", b"0")
    course.story.when = lambda _: course.put("dataset/0", str(time.monotonic()).encode())
    with pytest.raises(BootstrapError, match="changed each of the 5 times"):
        course.make()
    assert not (course.archive / "manifest.json").exists()


# --- interrupted, and again ---


def test_it_goes_on_where_it_was_interrupted(course: Course, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(20):
        course.put(f"dataset/{number:02}", str(number).encode())
    interrupt(course, monkeypatch, after=12)
    arrived = {path.name for path in (course.archive / "bucket/dataset").iterdir()}
    assert len(arrived) == 12
    with pytest.raises(BootstrapError, match="was not finished"):
        course.check()
    # One of them is another one by now, one lost bytes on the disk, one lost its content but not its size.
    changed, cut, broken = sorted(arrived)[:3]
    course.put(f"dataset/{changed}", b"anew")
    (course.archive / "bucket/dataset" / cut).write_bytes(b"")
    (course.archive / "bucket/dataset" / broken).write_bytes(b"?" * len(str(int(broken))))
    again = fetched(monkeypatch)
    course.make()
    assert sorted(again) == sorted(
        f"dataset/{name}" for name in {f"{n:02}" for n in range(20)} - arrived | {changed, cut, broken}
    )
    assert course.check().right
    assert course.files()[f"bucket/dataset/{changed}"] == b"anew"


def test_what_is_gone_meanwhile_goes_from_the_folder_too(course: Course, monkeypatch: pytest.MonkeyPatch) -> None:
    for key in ("a/b/c", "b", "c", "d"):
        course.put(key)
    interrupt(course, monkeypatch, after=3)
    s3 = course.place.aws.client("s3")
    for key in ("a/b/c", "b"):
        s3.delete_object(Bucket=course.record.bucket, Key=key)
    course.put("a")
    course.put("b/c")
    course.make()
    assert {path for path in course.files() if path.startswith("bucket/")} == {
        f"bucket/{key}" for key in ("a", "b/c", "c", "d")
    }
    assert course.check().right


def test_a_journal_that_breaks_off(course: Course, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(6):
        course.put(f"dataset/{number}")
    interrupt(course, monkeypatch, after=4)
    journal = course.archive / ".unfinished/journal.jsonl"
    assert ANYBODY.secret not in journal.read_text()
    journal.write_bytes(journal.read_bytes()[:-20])
    course.make()
    assert course.check().right


def test_a_failure_in_the_middle_leaves_it_unfinished(course: Course, monkeypatch: pytest.MonkeyPatch) -> None:
    course.put("a")
    course.put("b")

    def refused(*_: Any) -> Any:
        raise AwsFailed("Could not read it.")

    with monkeypatch.context() as patch:
        patch.setattr(copying, "fetch", refused)
        with pytest.raises(AwsFailed, match="Could not read it"):
            course.make()
    assert not (course.archive / "manifest.json").exists()
    course.make()
    assert course.check().right


# --- where it may go ---


def test_a_folder_with_something_in_it(course: Course) -> None:
    course.archive.mkdir()
    (course.archive / "mine.txt").write_text("mine")
    with pytest.raises(UsageError, match="is not empty"):
        course.make()
    assert course.files() == {"mine.txt": b"mine"}


def test_a_file(course: Course) -> None:
    course.archive.write_text("mine")
    with pytest.raises(UsageError, match="is not a folder"):
        course.make()


def test_below_a_file(course: Course) -> None:
    course.archive.write_text("mine")
    course.archive = course.archive / "2026" / "stag"
    with pytest.raises(UsageError, match=r"archive is a file, so no folder can be in it"):
        course.make()


def test_below_our_own_folder(course: Course) -> None:
    with pytest.raises(UsageError, match="is inside"):
        course.make(to=course.project.work / "archive")
    assert not course.project.work.exists()


def test_the_unfinished_archive_of_another_environment(course: Course, monkeypatch: pytest.MonkeyPatch) -> None:
    course.put("a")
    interrupt(course, monkeypatch, after=0)
    before = course.files()
    course.record = replace(course.record, env="prod")
    with pytest.raises(UsageError, match="holds an unfinished archive of 'stag'"):
        course.make()
    assert course.files() == before


def test_too_little_room(course: Course, monkeypatch: pytest.MonkeyPatch) -> None:
    course.put("a", b"x" * 1000)
    nearly_full = shutil.disk_usage(course.project.folder)._replace(free=1_500_000)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: nearly_full)
    with pytest.raises(BootstrapError, match=r"needs 67\.\d MB more, and the disk has 1\.5 MB left"):
        course.make()


# --- a finished one, met again by a `down` that was interrupted ---


def test_a_finished_archive_is_taken_for_this_one(course: Course, monkeypatch: pytest.MonkeyPatch) -> None:
    s3, bucket = course.place.aws.client("s3"), course.record.bucket
    course.put("a", b"old")
    course.put("a", b"new")
    course.put("b")
    first = course.make()
    before = course.files()
    # What a `down` had removed when it was interrupted: one file, and the newest version of another.
    s3.delete_object(Bucket=bucket, Key="b")
    newest = s3.head_object(Bucket=bucket, Key="a")["VersionId"]
    s3.delete_object(Bucket=bucket, Key="a", VersionId=newest)
    keys = fetched(monkeypatch)
    assert course.make() == first
    assert keys == []
    assert course.files() == before


def test_a_finished_archive_that_lacks_something(course: Course) -> None:
    course.put("a")
    course.make()
    before = course.files()
    course.put("dataset/new")
    with pytest.raises(UsageError, match="something new, for instance dataset/new"):
        course.make()
    assert course.files() == before


def test_a_finished_archive_that_was_damaged(course: Course) -> None:
    course.put("a")
    course.make()
    (course.archive / "bucket/a").write_bytes(b"damaged")
    with pytest.raises(BootstrapError, match="not what they were"):
        course.make()


def test_a_finished_archive_of_another_environment(course: Course) -> None:
    course.make()
    course.record = replace(course.record, env="prod")
    with pytest.raises(UsageError, match="finished archive of 'stag'"):
        course.make()


# --- restore-check ---


def run_check(folder: Path, *words: str) -> tuple[int, str]:
    done = CliRunner().invoke(restore_check_command, [str(folder), *words], standalone_mode=False)
    assert done.exception is None, done.exception
    return int(done.return_value or 0), done.stdout


def test_a_good_archive_is_found_good_anywhere(course: Course, tmp_path: Path) -> None:
    course.put("a")
    done = course.make()
    moved = course.archive.rename(tmp_path / "moved")
    code, said = run_check(moved)
    assert code == 0
    assert "Every file is there and unchanged." in said
    assert done.manifest_sha256 in said


def damage_size(folder: Path) -> None:
    (folder / "bucket/a").write_bytes(b"longer than before")


def damage_content(folder: Path) -> None:
    (folder / "bucket/a").write_bytes(b"Content")


def make_a_link(folder: Path) -> None:
    (folder / "bucket/a").rename(folder.parent / "elsewhere")
    (folder / "bucket/a").symlink_to(folder.parent / "elsewhere")


DAMAGES: dict[str, tuple[Callable[[Path], object], dict[str, list[str]]]] = {
    "missing": (lambda folder: (folder / "bucket/a").unlink(), {"missing": ["bucket/a"]}),
    "another size": (damage_size, {"changed": ["bucket/a"]}),
    "the same size": (damage_content, {"changed": ["bucket/a"]}),
    "a link in its place": (make_a_link, {"changed": ["bucket/a"]}),
    "extra": (lambda folder: (folder / "members/more").write_text("x"), {"extra": ["members/more"]}),
    "renamed": (
        lambda folder: (folder / "bucket/a").rename(folder / "bucket/b"),
        {"missing": ["bucket/a"], "extra": ["bucket/b"]},
    ),
}


@pytest.mark.parametrize(("damage", "found"), DAMAGES.values(), ids=DAMAGES.keys())
def test_damage_is_found(course: Course, damage: Callable[[Path], object], found: dict[str, list[str]]) -> None:
    course.put("a")
    course.put("members/ana/x")
    course.make()
    damage(course.archive)
    code, said = run_check(course.archive, "--json")
    assert code == 1
    content = json.loads(said)
    assert {what: content[what] for what in ("missing", "changed", "extra") if content[what]} == found
    assert content["right"] is False
    code, said = run_check(course.archive)
    assert code == 1
    assert "unchanged" not in said


def test_what_is_no_archive(tmp_path: Path) -> None:
    with pytest.raises(BootstrapError, match="is no archive"):
        restore_check(tmp_path, Story())
    with pytest.raises(BootstrapError, match="There is no folder"):
        restore_check(tmp_path / "nowhere", Story())
    (tmp_path / "manifest.json").write_text("{}")
    with pytest.raises(BootstrapError, match="damaged"):
        restore_check(tmp_path, Story())


# --- a network that breaks ---


class Breaking(BaseHTTPRequestHandler):
    """Gives an object, and cuts the connection after every 1,000,000 bytes, or as often as it was told to."""

    body = bytes(range(256)) * 10_000
    etag = f'"{hashlib.md5(body, usedforsecurity=False).hexdigest()}"'
    asked: list[str | None]
    cuts: int
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        wanted = self.headers.get("Range")
        self.asked.append(wanted)
        first = int(wanted.removeprefix("bytes=").rstrip("-")) if wanted else 0
        rest = self.body[first:]
        self.send_response(206 if wanted else 200)
        self.send_header("Content-Length", str(len(rest)))
        self.send_header("ETag", self.etag)
        self.end_headers()
        if len(self.asked) <= self.cuts:
            self.wfile.write(rest[: 1_000_000 if self.cuts < 5 else 0])
            self.close_connection = True
        else:
            self.wfile.write(rest)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def breaking() -> Iterator[tuple[type[Breaking], Aws]]:
    handler = type("Handler", (Breaking,), {"asked": [], "cuts": 2})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield handler, Aws("us-east-1", f"http://127.0.0.1:{server.server_port}", key=ANYBODY)
        server.shutdown()
        thread.join()


def fetch_it(aws: Aws, target: Path, **changes: Any) -> copying.Fetched | None:
    source = Source("x", len(Breaking.body), Breaking.etag, "2031-03-01T12:00:00+00:00")
    return copying.fetch(aws, "bucket", replace(source, **changes), target, lambda _: None)


def test_a_broken_connection_is_taken_up_again(breaking: tuple[type[Breaking], Aws], tmp_path: Path) -> None:
    handler, aws = breaking
    done = fetch_it(aws, tmp_path / "x")
    assert done is not None
    assert done.sha256 == hashlib.sha256(handler.body).hexdigest()
    assert (tmp_path / "x").read_bytes() == handler.body
    assert handler.asked[0] is None
    assert len(handler.asked) == 3
    assert all(wanted and wanted.startswith("bytes=") and wanted != "bytes=0-" for wanted in handler.asked[1:])


def test_a_connection_that_stays_broken(breaking: tuple[type[Breaking], Aws], tmp_path: Path) -> None:
    handler, aws = breaking
    handler.cuts = 1000
    with pytest.raises(AwsFailed, match="Could not read s3://bucket/x"):
        fetch_it(aws, tmp_path / "x")
    assert len(handler.asked) == 5


def test_what_arrives_as_something_else(breaking: tuple[type[Breaking], Aws], tmp_path: Path) -> None:
    handler, aws = breaking
    handler.body = b"?" * len(Breaking.body)
    with pytest.raises(AwsFailed, match="something else"):
        fetch_it(aws, tmp_path / "x")
    assert fetch_it(aws, tmp_path / "x", size=7) is None


def test_a_large_object_is_never_in_memory(emulator: tuple[servers.Server, KeyPair], course: Course) -> None:
    """100 MB pass through while Python's own allocations stay below a tenth of that."""
    import tracemalloc

    course.put("dataset/large", b"\0" * 100_000_000)
    tracemalloc.start()
    try:
        course.make()
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert (course.archive / "bucket/dataset/large").stat().st_size == 100_000_000
    assert peak < 30_000_000


# --- MLflow ---


# The columns that matter of MLflow's own tables; that these are in a real database, the test with a server looks at.
MLFLOW_SECRETS = {
    "secrets": "CREATE TABLE secrets (secret_name, encrypted_value, wrapped_dek, masked_value, auth_config)",
    "webhooks": "CREATE TABLE webhooks (webhook_id, url, secret)",
    "webhook_events": "CREATE TABLE webhook_events (webhook_id, entity)",
}


def columns(database: Path, table: str) -> set[str]:
    with closing(sqlite3.connect(database)) as found:
        return {row[1] for row in found.execute(f"PRAGMA table_info({table})")}


def runs(database: Path) -> Any:
    with closing(sqlite3.connect(database)) as found:
        return found.execute("SELECT name FROM runs ORDER BY name").fetchall()


def a_database(path: Path) -> sqlite3.Connection:
    path.parent.mkdir(parents=True)
    found = sqlite3.connect(path, isolation_level=None)
    found.execute("PRAGMA journal_mode=WAL")
    found.execute("CREATE TABLE runs (name TEXT)")
    found.execute("INSERT INTO runs VALUES ('first')")
    return found


def test_the_runs_are_copied_and_the_accounts_are_not(course: Course) -> None:
    folder = course.project.env_folder("stag") / "mlflow"
    with closing(a_database(folder / "mlflow.db")) as server:
        (folder / "auth.db").write_bytes(b"accounts")
        (folder / "basic_auth.ini").write_text("admin_password = secret")
        # Not committed yet: what a server that runs is in the middle of.
        server.execute("BEGIN")
        server.execute("INSERT INTO runs VALUES ('half-made')")
        course.make()
        server.execute("COMMIT")
    assert runs(course.archive / "mlflow/mlflow.db") == [("first",)]
    if os.name == "posix":
        assert stat.S_IMODE((course.archive / "mlflow/mlflow.db").stat().st_mode) == 0o600
    assert {path.name for path in (course.archive / "mlflow").iterdir()} == {"mlflow.db"}
    assert b"mlflow server" in course.files()["README.txt"]
    assert course.check().right


def test_new_runs_are_seen_after_it_was_finished(course: Course) -> None:
    with closing(a_database(course.project.env_folder("stag") / "mlflow/mlflow.db")) as server:
        first = course.make()
        assert course.make() == first
        server.execute("INSERT INTO runs VALUES ('second')")
        with pytest.raises(UsageError, match="the runs of MLflow"):
            course.make()


def test_no_secret_goes_with_the_runs(tmp_path: Path) -> None:
    source, target = tmp_path / "server/mlflow.db", tmp_path / "there/mlflow.db"
    with closing(a_database(source)) as server:
        for table in MLFLOW_SECRETS.values():
            server.execute(table)
        server.execute(
            "INSERT INTO secrets VALUES ('openai', x'73656372657431', x'73656372657432', 'secret3', 'secret4')"
        )
        server.execute("INSERT INTO webhooks VALUES ('w', 'https://hooks.example/secret5', 'secret6')")
        server.execute("INSERT INTO webhook_events VALUES ('w', 'secret7')")
        copy_database(source, target)
    assert runs(target) == [("first",)]
    assert b"secret1" in b"".join(path.read_bytes() for path in source.parent.iterdir())
    for number in range(1, 8):
        assert f"secret{number}".encode() not in target.read_bytes()


def test_a_damaged_database_is_told_of(tmp_path: Path) -> None:
    source = tmp_path / "mlflow.db"
    source.write_bytes(b"no database at all" * 1000)
    with pytest.raises(BootstrapError, match="cannot be copied"):
        copy_database(source, tmp_path / "there" / "mlflow.db")
    assert list((tmp_path / "there").iterdir()) == []


def ask(server: servers.Server, path: str, login: str = "", **values: Any) -> dict[str, Any]:
    """Send a request to an MLflow server as its clients do; with `values`, those are posted."""
    headers = {"Content-Type": "application/json"}
    if login:
        headers["Authorization"] = f"Basic {base64.b64encode(login.encode()).decode()}"
    data = json.dumps(values).encode() if values else None
    request = urllib.request.Request(f"{server.url}/api/2.0/mlflow/{path}", data, headers)  # noqa: S310 - ours
    with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310
        found: dict[str, Any] = json.loads(answer.read())
    return found


def artifact(server: servers.Server, path: str, login: str = "", body: bytes | None = None) -> bytes:
    """Read an artifact through an MLflow server, or with `body` write it."""
    headers = {"Authorization": f"Basic {base64.b64encode(login.encode()).decode()}"} if login else {}
    url = f"{server.url}/api/2.0/mlflow-artifacts/artifacts/{urllib.parse.quote(path)}"
    method = "GET" if body is None else "PUT"
    request = urllib.request.Request(url, body, headers, method=method)  # noqa: S310 - ours
    with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310
        found: bytes = answer.read()
    return found


@pytest.mark.by_turns
def test_mlflow_serves_every_run_again(course: Course, tmp_path: Path) -> None:
    """A real server writes, the archive is made while it runs, and another real server reads the archive."""
    aws = course.place.aws
    mlflow = MlflowServer(course.project.env_folder("stag") / "mlflow")
    environ = dict(os.environ) | aws.credentials_environment(os.environ)
    try:
        server = mlflow.start(port=some_port(), bucket=course.record.bucket, instance="x", environ=environ)
        mlflow.wait(server)
        login = f"admin:{mlflow.admin_password()}"
        experiment = ask(server, "experiments/create", login, name="red/default")["experiment_id"]
        run = ask(server, "runs/create", login, experiment_id=experiment, run_name="first")["run"]["info"]["run_id"]
        ask(server, "runs/log-parameter", login, run_id=run, key="depth", value="3")
        for step, value in enumerate((0.5, 0.9)):
            ask(server, "runs/log-metric", login, run_id=run, key="accuracy", value=value, timestamp=1, step=step)
        artifact(server, f"{experiment}/{run}/artifacts/model/weights.bin", login, b"weights")
        ask(server, "registered-models/create", login, name="red.model")
        course.make()
    finally:
        mlflow.stop()
    assert course.check().right
    assert mlflow.admin_password().encode() not in b"".join(course.files().values())

    for table, made in MLFLOW_SECRETS.items():
        known = made.partition("(")[2].rstrip(")").split(", ")
        assert set(known) <= columns(course.archive / "mlflow/mlflow.db", table)

    copy = tmp_path / "mlflow-again"
    shutil.copytree(course.archive / "mlflow", copy)
    port = some_port()
    call = Call(
        (
            *(sys.executable, "-m", "mlflow", "server", "--port", str(port), "--workers", "1"),
            *("--backend-store-uri", "sqlite:///mlflow.db", "--artifacts-destination", "./artifacts"),
        ),
        cwd=copy,
        env=dict(os.environ) | {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false", "MLFLOW_DISABLE_TELEMETRY": "true"},
    )
    record, log = tmp_path / "again.json", tmp_path / "again.log"
    try:
        again = servers.launch(call, name="MLflow", port=port, instance="y", record=record, log=log)
        servers.wait_until_ready(again, name="MLflow", path="/health", log=log, timeout=120)
        found = ask(again, "runs/search", experiment_ids=[experiment])["runs"]
        assert [one["info"]["run_name"] for one in found] == ["first"]
        assert found[0]["data"]["params"] == [{"key": "depth", "value": "3"}]
        assert [one["value"] for one in found[0]["data"]["metrics"]] == [0.9]
        history = ask(again, f"metrics/get-history?run_id={run}&metric_key=accuracy")["metrics"]
        assert [one["value"] for one in history] == [0.5, 0.9]
        listed = ask(again, f"artifacts/list?run_id={run}&path=model")["files"]
        assert [one["path"] for one in listed] == ["model/weights.bin"]
        assert artifact(again, f"{experiment}/{run}/artifacts/model/weights.bin") == b"weights"
        models = ask(again, "registered-models/search")["registered_models"]
        assert [one["name"] for one in models] == ["red.model"]
    finally:
        servers.end(record)
    # The copy was used; the archive itself was not touched.
    assert course.check().right


# --- a member's own part ---


@dataclass
class Ana:
    """A member who joined `stag` in a folder of her own, with a key that opens what is hers."""

    course: Course
    folder: Path
    home: Path

    def export(self, *, dataset: bool = False, env: str | None = "stag", to: Path | None = None) -> Archived:
        environ, story = self.course.project.environ, Story()
        return export(self.folder, environ, self.home, env, to, story, dataset=dataset).archived


@pytest.fixture
def ana(course: Course, home: Path, tmp_path: Path) -> Ana:
    names, record = course.place.names, course.record
    user, iam = names.iam_user("ana"), course.place.aws.client("iam")
    iam.create_user(UserName=user, Path=names.iam_path)
    bucket = f"arn:aws:s3:::{names.bucket}"
    own = [f"{bucket}/{prefix}/*" for prefix in ("members/ana", "dvc/red", "dataset")]
    statements = [
        {"Effect": "Allow", "Action": "s3:ListBucket", "Resource": bucket},
        {"Effect": "Allow", "Action": "s3:GetObject", "Resource": own},
    ]
    policy = json.dumps({"Version": "2012-10-17", "Statement": statements})
    iam.put_user_policy(UserName=user, PolicyName="bootstrap", PolicyDocument=policy)
    folder = tmp_path / "ana"
    folder.mkdir()
    project = Project(folder, Spec.default("ana"), course.project.environ, home)
    joined = replace(record, member="ana", role="student", team="red", complete=True)
    project.save(joined)
    laptops.write_profile(laptops.look_around(project), joined, people.mint_key(course.place.aws, user))
    for key in ("members/ana/own.txt", "members/ben/secret.txt", "dvc/red/files/x", "dvc/blue/files/y", "dataset/d"):
        course.put(key, key.encode())
    return Ana(course, folder, home)


def test_a_member_gets_what_is_theirs(ana: Ana) -> None:
    done = ana.export()
    assert done.where == str(ana.folder / "export-stag")
    found = ana.course.files(ana.folder / "export-stag")
    assert found.keys() == {"members/ana/own.txt", "bucket/dvc/red/files/x", "README.txt", "manifest.json"}
    assert found["members/ana/own.txt"] == b"members/ana/own.txt"
    assert restore_check(ana.folder / "export-stag", Story()).right
    assert json.loads(found["manifest.json"])["member"] == "ana"
    # Nothing is new, so the folder stays as it is.
    assert ana.export() == done


def test_the_command_says_where_it_is(ana: Ana, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ana.folder)
    done = CliRunner().invoke(export_command, ["--env", "stag", "--to", "mine", "--json"])
    assert done.exit_code == 0, done.output
    found = json.loads(done.stdout)
    assert (found["member"], found["folder"]) == ("ana", str(ana.folder / "mine"))
    assert restore_check(ana.folder / "mine", Story()).manifest_sha256 == found["manifest_sha256"]
    assert "and verified" in CliRunner().invoke(export_command, ["--to", "again"]).stdout


def test_the_dataset_too(ana: Ana, tmp_path: Path) -> None:
    done = ana.export(dataset=True, env=None, to=tmp_path / "mine")
    assert done.where == str(tmp_path / "mine")
    assert "bucket/dataset/d" in ana.course.files(tmp_path / "mine")
    assert restore_check(tmp_path / "mine", Story()).right


def test_a_member_whose_access_ended(ana: Ana) -> None:
    aws, user = ana.course.place.aws, ana.course.place.names.iam_user("ana")
    aws.client("iam").delete_user_policy(UserName=user, PolicyName="bootstrap")
    with pytest.raises(AwsFailed) as refused:
        ana.export()
    assert "administer" not in refused.value.hint
    assert "Your access may have ended" in refused.value.hint
    for key in people.key_ids(aws, user):
        people.delete_key(aws, user, key.id)
    with pytest.raises(BootstrapError, match="does not know the key"):
        ana.export()


def test_who_is_no_member(course: Course, tmp_path: Path, home: Path) -> None:
    course.project.save(course.record)
    environ = course.project.environ
    with pytest.raises(BootstrapError, match="You administer 'stag' here") as operator:
        export(course.project.folder, environ, home, "stag", None, Story(), dataset=False)
    assert "bootstrap down --env stag --archive" in operator.value.hint
    with pytest.raises(BootstrapError, match="'stag' is not joined"):
        export(tmp_path, environ, home, "stag", None, Story(), dataset=False)


def test_of_several_environments_one_is_named(ana: Ana) -> None:
    project = Project(ana.folder, Spec.default("ana"), ana.course.project.environ, ana.home)
    project.save(replace(ana.course.record, env="prod", member="ana"))
    with pytest.raises(UsageError, match="Several environments"):
        ana.export(env=None)


def test_a_rehearsal_that_is_over(ana: Ana) -> None:
    project = Project(ana.folder, Spec.default("ana"), ana.course.project.environ, ana.home)
    (joined,) = project.joined()
    project.save(replace(joined, endpoint_url=f"http://127.0.0.1:{some_port()}"))
    with pytest.raises(BootstrapError, match="is a rehearsal"):
        ana.export()
