"""The `aws` target, from plan to down.

A moto server with permission checks on stands in for Amazon here: reached as a real account would be, through
AWS_ENDPOINT_URL and an operator's key in the environment, with nothing started by the command itself. What it cannot
stand in for: conditions in policies (TLS, expiry), IAM's delays with new keys, other regions and accounts, SSO.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from bootstrap.adapters.aws import people
from bootstrap.adapters.aws.session import Aws, KeyPair
from bootstrap.adapters.emulator import Emulator
from tests.dagshub_server import dagshub
from tests.ports import some_port

from .bystanders import Bystanders
from .course import REGION, Course

pytestmark = pytest.mark.e2e

CONFIG = 'project = "course"\n[environments.stag]\nmlflow.kind = "none"\n'


@pytest.fixture
def amazon(tmp_path: Path) -> Iterator[Aws]:
    """Return the account as its operator sees it."""
    emulator = Emulator(tmp_path / "amazon")
    try:
        server = emulator.start(some_port(), dict(os.environ))
        key = people.create_operator(Aws(REGION, server.url, key=KeyPair("a", "b")), "teacher", "/staff/")
        emulator.enforce_permissions(server)
        yield Aws(REGION, server.url, key=key)
    finally:
        emulator.stop()


@pytest.fixture
def signed_in(course: Course, amazon: Aws) -> Course:
    """Return a laptop where the operator has signed in."""
    assert amazon.endpoint_url is not None
    assert amazon.key is not None
    course.env |= {
        "AWS_ENDPOINT_URL": amazon.endpoint_url,
        "AWS_ACCESS_KEY_ID": amazon.key.id,
        "AWS_SECRET_ACCESS_KEY": amazon.key.secret,
    }
    return course


def _come_up_with_dagshub(course: Course) -> None:
    """Bring it up with MLflow and a second DVC remote on a stand-in for DagsHub."""
    token = "a" * 40
    with dagshub() as hub:
        table = f'[environments.stag.mlflow]\nkind = "dagshub"\nrepository = "ana/course"\nurl = "{hub.url}"\n'
        (course.folder / "bootstrap.toml").write_text(f'project = "course"\n{table}')
        refused = course.bootstrap("up", "--env", "stag", "--yes", code=2)
        assert "DAGSHUB_USER_TOKEN is not set" in refused.err
        assert f"{hub.url}/user/settings/tokens" in refused.err
        done = course.bootstrap("up", "--env", "stag", "--yes", DAGSHUB_USER_TOKEN=token)
        assert f"MLflow       {hub.url}/ana/course.mlflow  (login ana-hub, password in .env)" in done.out
        assert f"{hub.url}/ana/course.mlflow (healthy)" in course.bootstrap("status").out
    assert course.dotenv()["MLFLOW_TRACKING_PASSWORD"] == token
    personal = course.folder / ".dvc" / "config.local"
    assert (personal.read_text().count(token), personal.stat().st_mode & 0o777) == (2, 0o600)
    assert course.run("dvc", "remote", "default").out.strip() == "stag"
    listed = course.run("dvc", "remote", "list").out
    assert "s3://dvc" in listed
    holding = [path for path in course.folder.rglob("*") if path.is_file() and token.encode() in path.read_bytes()]
    assert sorted(holding) == sorted([personal, course.folder / ".env"]), "the token is nowhere else"
    assert not [text for text in course.heard if token in text]


def test_from_plan_to_down(signed_in: Course, amazon: Aws) -> None:
    course = signed_in
    (course.folder / "bootstrap.toml").write_text(CONFIG)
    theirs = Bystanders(amazon, "/staff/teacher")
    theirs.put()
    planned = course.bootstrap("plan", "--env", "stag", code=3)
    assert f"the S3 bucket {course.bucket}" in planned.out
    assert "clean-up of unfinished uploads" in planned.out
    theirs.require_alone()
    assert not (course.home / ".aws").exists()

    _come_up_with_dagshub(course)
    (course.folder / "bootstrap.toml").write_text(CONFIG)
    done = course.bootstrap("up", "--env", "stag", "--yes")
    assert "- the DVC remote dagshub" in done.err
    assert "dagshub" not in "".join(path.read_text() for path in (course.folder / ".dvc").glob("config*"))
    assert not [name for name in course.dotenv() if name.startswith("MLFLOW")]
    # The folder is in every bucket: whoever wants a server later finds its place.
    assert "mlflow" not in (done.out + done.err).replace("the folder mlflow/", "").lower(), "there is none"
    assert "'stag' is up in AWS account 123456789012, us-east-1" in done.out
    assert "AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_ENDPOINT_URL" in done.err
    assert theirs.buckets() == sorted([course.bucket, course.state_bucket, theirs.bucket])
    assert theirs.everybody() == sorted(["/course/stag/course.stag.ci", *theirs.users])
    found = course.bootstrap("output", "--env", "stag", "--json").json()
    assert (found["target"], found["endpoint_url"], found["mlflow_tracking_uri"]) == ("aws", None, None)
    assert "endpoint_url" not in (course.home / ".aws" / "config").read_text()
    assert course.argv_of_processes() == []

    as_member: dict[str, str | None] = {"AWS_ACCESS_KEY_ID": None, "AWS_SECRET_ACCESS_KEY": None}
    listed = course.run("aws", "--profile", "course-stag", "s3", "ls", f"s3://{course.bucket}/", **as_member)
    assert "PRE dataset/" in listed.out
    (course.folder / "data.txt").write_text("data\n")
    course.run("dvc", "add", "data.txt")
    course.run("dvc", "push", **as_member)
    refused = course.bootstrap("status", "--drift", AWS_PROFILE="course-stag", code=0, **as_member)
    assert "stag: AWS_PROFILE is 'course-stag', the profile of a member of course/stag." in refused.out

    assert course.bootstrap("up", "--env", "stag", "--yes").out.startswith("No changes: 'stag' is up in AWS account")

    assert course.bootstrap("sweep", "--json").json()["things"] == [], "what is up is no leftover"
    assert " up " in course.bootstrap("history", "--env", "stag").out

    shutil.rmtree(course.work)  # or the laptop was lost, and this is another
    found = course.bootstrap("sweep", "--json", code=4).json()
    assert {thing["arn"] for thing in found["things"]} == {
        *(f"arn:aws:s3:::{bucket}" for bucket in (course.bucket, course.state_bucket)),
        "arn:aws:iam::123456789012:user/course/stag/course.stag.ci",
    }

    assert "a --yes is not enough" in course.bootstrap("down", "--env", "stag", "--yes", code=1).err
    s3 = amazon.client("s3")
    s3.create_bucket(Bucket="archives")
    archive = "s3://archives/2026"
    done = course.bootstrap("down", "--env", "stag", "--archive", archive, "--confirm", "stag", "--json")
    receipt = done.json()["receipt"]
    assert "Every file is there and unchanged." in course.bootstrap("restore-check", archive).out
    archived = [one["Key"] for one in s3.list_objects_v2(Bucket="archives")["Contents"]]
    assert [key for key in archived if key.startswith("2026/bucket/dvc/ci/files/")], archived
    for key in archived:
        s3.delete_object(Bucket="archives", Key=key)
    s3.delete_bucket(Bucket="archives")
    assert (receipt["clean"], done.json()["left"]) == (True, [])
    assert {thing["arn"] for thing in found["things"]} <= set(done.json()["removed"])
    theirs.require_alone()
    assert course.bootstrap("sweep", "--json").json()["things"] == []
    assert "whole, and signed on this machine" in course.bootstrap("receipts", "verify", receipt["json"]).out
    assert not (course.home / ".aws").exists()
    assert not course.work.exists()
