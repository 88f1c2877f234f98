"""The `aws` target, from plan to down.

A moto server with permission checks on stands in for Amazon here: reached as a real account would be, through
AWS_ENDPOINT_URL and an operator's key in the environment, with nothing started by the command itself. What it cannot
stand in for: conditions in policies (TLS, expiry), IAM's delays with new keys, other regions and accounts, SSO.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from bootstrap.adapters.aws import people
from bootstrap.adapters.aws.session import Aws, KeyPair
from bootstrap.adapters.emulator import Emulator
from bootstrap.adapters.process import free_port

from .course import REGION, Course

pytestmark = pytest.mark.e2e


@pytest.fixture
def amazon(tmp_path: Path) -> Iterator[Aws]:
    """Return the account as its operator sees it."""
    emulator = Emulator(tmp_path / "amazon")
    try:
        server = emulator.start(free_port(19000), dict(os.environ))
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


def buckets(amazon: Aws) -> list[str]:
    return sorted(bucket["Name"] for bucket in amazon.client("s3").list_buckets()["Buckets"])


def users(amazon: Aws) -> list[str]:
    return sorted(user["Path"] + user["UserName"] for user in amazon.client("iam").list_users()["Users"])


def test_from_plan_to_down(signed_in: Course, amazon: Aws) -> None:
    course = signed_in
    planned = course.bootstrap("plan", "--env", "stag", code=3)
    assert f"the S3 bucket {course.bucket}" in planned.out
    assert "clean-up of unfinished uploads" in planned.out
    assert buckets(amazon) == []
    assert users(amazon) == ["/staff/teacher"]
    assert not (course.home / ".aws").exists()

    done = course.bootstrap("up", "--env", "stag", "--yes")
    assert "'stag' is up in AWS account 123456789012, us-east-1" in done.out
    assert "An MLflow server on AWS is not supported yet" in done.err
    assert "AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_ENDPOINT_URL" in done.err
    assert buckets(amazon) == [course.bucket, course.state_bucket]
    assert users(amazon) == ["/course/stag/course.stag.ci", "/staff/teacher"]
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

    course.bootstrap("down", "--env", "stag", "--yes")
    assert buckets(amazon) == []
    assert users(amazon) == ["/staff/teacher"]
    assert not (course.home / ".aws").exists()
    assert not course.work.exists()
