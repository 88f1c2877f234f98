"""MLflow on a machine of its own, from `up` to the archive of its runs.

Real: the command, Terraform with the root of this project, the MLflow server, TLS and its verification, SSM's store and
S3 of an emulator that checks permissions. What stands in for the machine, its certificate and the network is in
`machine.py`: it "boots" when the test says so. Nothing here tells whether cloud-init, Caddy, the firewall or
Let's Encrypt do their part. It takes four minutes, most of it Terraform, so it is asked for:

    WALK_MLFLOW_EC2=1 python -m pytest tests/e2e/test_mlflow_ec2.py
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from bootstrap.adapters.aws import people
from bootstrap.adapters.aws.session import Aws, KeyPair
from bootstrap.adapters.emulator import Emulator
from bootstrap.core.names import Names
from tests.ports import some_port

from .course import ACCOUNT, REGION, Course, ended, laptop, wait_for
from .machine import HOST, Machine, machine

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.skipif("WALK_MLFLOW_EC2" not in os.environ, reason="takes four minutes; set WALK_MLFLOW_EC2=1"),
]

URL = f"https://{HOST}"
CONFIG = f"""\
project = "course"

[environments.stag.mlflow]
kind = "ec2"
domain = "{HOST}"
allowed_cidrs = ["203.0.113.7/32"]
"""


@pytest.fixture
def amazon(tmp_path: Path) -> Iterator[Aws]:
    """The account as its operator sees it."""
    emulator = Emulator(tmp_path / "amazon")
    try:
        server = emulator.start(some_port(), dict(os.environ))
        key = people.create_operator(Aws(REGION, server.url, key=KeyPair("a", "b")), "teacher", "/staff/")
        emulator.enforce_permissions(server)
        yield Aws(REGION, server.url, key=key)
    finally:
        emulator.stop()


@pytest.fixture
def there(amazon: Aws, tmp_path: Path) -> Iterator[Machine]:
    with machine(Names("course", "stag", ACCOUNT), amazon, tmp_path / "machine") as found:
        yield found


@pytest.fixture
def operator(course: Course, amazon: Aws, there: Machine) -> Course:
    """A laptop where the operator has signed in, with a course that wants a machine."""
    assert amazon.endpoint_url is not None
    assert amazon.key is not None
    course.env |= there.variables | {
        "AWS_ENDPOINT_URL": amazon.endpoint_url,
        "AWS_ACCESS_KEY_ID": amazon.key.id,
        "AWS_SECRET_ACCESS_KEY": amazon.key.secret,
    }
    (course.folder / "bootstrap.toml").write_text(CONFIG)
    return course


def test_a_course_with_a_machine(operator: Course, there: Machine, tmp_path: Path) -> None:
    course = operator

    begun = course.begin("up", "--env", "stag", "--yes")
    wait_for(lambda: "The first start of the machine takes some minutes" in begun.err, during=begun)
    begun.interrupt()
    stopped = begun.wait()
    assert stopped.code != 0
    assert "Traceback" not in stopped.err
    assert "incomplete" in course.bootstrap("status").out

    begun = course.begin("up", "--env", "stag", "--yes")
    wait_for(lambda: "Waiting for the MLflow server" in begun.err, during=begun)
    there.boot(course.env)
    done = ended(begun, 0)
    assert f"MLflow       {URL}  (login ci, password in .env)" in done.out
    settings = course.dotenv()
    assert (settings["MLFLOW_TRACKING_URI"], settings["MLFLOW_TRACKING_USERNAME"]) == (URL, "ci")

    assert course.bootstrap("up", "--env", "stag", "--yes").out.startswith("No changes: 'stag' is up in AWS account")
    assert course.dotenv() == settings
    assert f"{URL} (healthy)" in course.bootstrap("status").out
    assert course.bootstrap("output", "--env", "stag", "--json").json()["mlflow_tracking_uri"] == URL

    codes = course.home / "codes.csv"
    course.bootstrap("onboard", "ana", "--team", "blue", "--env", "stag", "--yes", "--codes", str(codes))
    _joined(course, codes, there, tmp_path / "ana")
    members = course.bootstrap("members", "--env", "stag", "--json").json()["members"]
    assert {one["name"]: one["mlflow"] for one in members} == {"ci": True, "ana": True}
    proof = course.bootstrap("access", "ana", "--env", "stag", "--json")
    assert "MLflow blue/" in proof.out
    course.bootstrap("offboard", "ana", "--env", "stag", "--yes")

    archive = tmp_path / "archive"
    down = course.bootstrap("down", "--env", "stag", "--archive", str(archive), "--confirm", "stag", "--json")
    assert f"the MLflow server at {URL} with its runs and accounts" in down.err
    assert f"the MLflow server at {URL} with its runs and accounts" in down.json()["removed"]
    with closing(sqlite3.connect(archive / "mlflow" / "mlflow.db")) as runs:
        assert ("blue/default",) in runs.execute("SELECT name FROM experiments").fetchall()
    assert not list(archive.rglob(".backup"))
    assert "Every file is there and unchanged." in course.bootstrap("restore-check", str(archive)).out

    everything = [path for top in (course.home, course.folder, archive) for path in top.rglob("*") if path.is_file()]
    assert not [path for path in everything if there.password.encode() in path.read_bytes()]
    assert not [text for text in course.heard if there.password in text]


def _joined(course: Course, codes: Path, there: Machine, place: Path) -> None:
    """Open ana's invite on a laptop of her own, which reaches the machine as the operator's does."""
    code = codes.read_text().splitlines()[1].rpartition(",")[2]
    with laptop(place, "work") as ana:
        ana.env |= there.variables | {"AWS_ENDPOINT_URL": course.env["AWS_ENDPOINT_URL"]}
        invite = course.folder / "invites" / "stag" / "ana.age"
        (ana.home / "ana.age").write_bytes(invite.read_bytes())
        done = ana.bootstrap("join", str(ana.home / "ana.age"), "--code", code, "--json")
        assert {"what": "log in to MLflow", "expected": True, "found": True} in done.json()["checks"]
        assert ana.dotenv()["MLFLOW_TRACKING_URI"] == URL
        # The emulator takes every condition as met, so that here much is allowed that Amazon refuses.
        assert "MLflow: log in" in ana.bootstrap("access", code=4).out.partition("refused:")[0]
        ana.bootstrap("leave")
