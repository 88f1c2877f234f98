"""The `aws` target, from plan to down.

A moto server with permission checks on stands in for Amazon here: reached as a real account would be, through
AWS_ENDPOINT_URL and an operator's key in the environment, with nothing started by the command itself. What it cannot
stand in for: conditions in policies (TLS, expiry), IAM's delays with new keys, other regions and accounts, SSO.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from bootstrap.adapters.aws import people
from bootstrap.adapters.aws.session import Aws, KeyPair
from bootstrap.adapters.emulator import Emulator
from bootstrap.core.operator_policy import DOCUMENTS, Whose, operator_policy
from bootstrap.workflows.operator import operator_template
from tests.dagshub_server import dagshub
from tests.faults.calls import Recorder, recorded, write_walk
from tests.github.server import GitHubServer
from tests.ports import some_port

from .bystanders import Bystanders
from .course import ACCOUNT, REGION, Course
from .known_secrets import found_in, places_of, secrets_in, secrets_on

pytestmark = pytest.mark.e2e

# Set it to write down anew what the operator asks of AWS: tests/faults/README.md.
RECORDS = os.environ.get("OPERATOR_CALLS") == "record"
NO_MLFLOW = 'mlflow.kind = "none"'
# The emulator cannot read a budget back, so none is made there: see infra/modules/budget.
TOML = f"""\
# By us, with love.
project = "course"
owner = "ana@example.org"

[environments.stag]
budget_usd = 20
{NO_MLFLOW}

[github]
repository = "ana/course"
"""
POLICY = f"arn:aws:iam::{ACCOUNT}:policy/operator"


@dataclass(frozen=True)
class Amazon:
    """The account: as whoever owns it sees it, and what its operator has asked of it so far."""

    owner: Aws
    recorder: Recorder
    key: KeyPair

    def allow(self, *without: str) -> None:
        """Give the operator exactly the operator's policy, but for the actions `without`."""
        iam = self.owner.client("iam")
        document = json.dumps(as_moto_judges(without))
        for version in iam.list_policy_versions(PolicyArn=POLICY)["Versions"]:
            if not version["IsDefaultVersion"]:
                iam.delete_policy_version(PolicyArn=POLICY, VersionId=version["VersionId"])
        iam.create_policy_version(PolicyArn=POLICY, PolicyDocument=document, SetAsDefault=True)


def as_moto_judges(without: Sequence[str]) -> dict[str, Any]:
    """Return the operator's policy as moto can judge it.

    moto asks S3's actions about their bucket or object, and all others about the resource `*`: here these are allowed
    on everything, and tests/unit/test_operator_policy.py holds on what. For a look at a bucket it asks for
    `s3:HeadBucket`, which is no action of IAM's; for many objects to delete, for DeleteObject on the bucket and not on
    each of them. It takes some requests that set up a bucket for CreateBucket, calls the service `tag` `tagging`, and
    asks for `budgets:DescribeBudgets` where IAM knows `budgets:ViewBudget`.
    """
    if RECORDS:
        return {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}
    buckets_asked = ["arn:aws:s3:::course--*", "arn:aws:s3:::archives"]
    statements: list[dict[str, Any]] = [
        {"Effect": "Allow", "Action": ["s3:HeadBucket", "s3:DeleteObject"], "Resource": buckets_asked},
        {"Effect": "Allow", "Action": ["tagging:GetResources", "budgets:DescribeBudgets"], "Resource": "*"},
    ]
    whose = Whose("course", ACCOUNT, archive="archives")
    for statement in operator_policy(operator_template(), whose, DOCUMENTS["base"])["Statement"]:
        actions = [action for action in statement["Action"] if action not in without]
        of_s3 = all(action.startswith("s3:") for action in actions)
        if actions:
            statements.append(statement | {"Action": actions} | ({} if of_s3 else {"Resource": "*"}))
    return {"Version": "2012-10-17", "Statement": statements}


@pytest.fixture
def amazon(tmp_path: Path) -> Iterator[Amazon]:
    """Return the account, with an operator who has the operator's policy and no other right."""
    emulator = Emulator(tmp_path / "amazon")
    try:
        server = emulator.start(some_port(), dict(os.environ))
        anybody = Aws(REGION, server.url, key=KeyPair("a", "b"))
        owner = Aws(REGION, server.url, key=people.create_operator(anybody, "head", "/staff/"))
        emulator.enforce_permissions(server)
        iam = owner.client("iam")
        iam.create_user(UserName="teacher", Path="/staff/")
        iam.create_policy(PolicyName="operator", PolicyDocument=json.dumps(as_moto_judges(())))
        iam.attach_user_policy(UserName="teacher", PolicyArn=POLICY)
        key = people.mint_key(owner, "teacher")
        recorder = Recorder(server.port, key.id)
        with recorder:
            yield Amazon(owner, recorder, key)
    finally:
        emulator.stop()


@pytest.fixture
def signed_in(course: Course, amazon: Amazon) -> Iterator[Course]:
    """Return a laptop where the operator has signed in, with a project that lets in a repository's workflows."""
    course.env |= {
        "AWS_ENDPOINT_URL": amazon.recorder.url,
        "AWS_ACCESS_KEY_ID": amazon.key.id,
        "AWS_SECRET_ACCESS_KEY": amazon.key.secret,
    }
    with GitHubServer() as hub:
        hub.add_repository("ana/course")
        course.env["GITHUB_TOKEN"] = hub.token
        (course.folder / "bootstrap.toml").write_text(TOML + f'api_url = "{hub.url}"\n')
        yield course


def _come_up_with_dagshub(course: Course) -> None:
    """Bring it up with MLflow and a second DVC remote on a stand-in for DagsHub."""
    token, config = "a" * 40, course.folder / "bootstrap.toml"
    with dagshub() as hub:
        table = f'mlflow = {{ kind = "dagshub", repository = "ana/course", url = "{hub.url}" }}'
        config.write_text(config.read_text().replace(NO_MLFLOW, table))
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
    config.write_text(config.read_text().replace(table, NO_MLFLOW))


def test_from_plan_to_down(signed_in: Course, amazon: Amazon) -> None:
    course = signed_in
    theirs = Bystanders(amazon.owner, "/staff/teacher", staff=("/staff/head",))
    theirs.put()
    written = (course.folder / "bootstrap.toml").read_text()
    told = _told_by_the_doctor(course)
    assert told["AWS", "credentials"] == f"arn:aws:iam::{ACCOUNT}:user/staff/teacher, account {ACCOUNT} (found by env)"
    assert told["AWS", "region"] == "us-east-1 is switched on"
    assert told["GitHub", "token"] == "may change the settings of ana/course, as environment"
    planned = course.bootstrap("plan", "--env", "stag", code=3)
    assert f"the S3 bucket {course.bucket}" in planned.out
    assert "clean-up of unfinished uploads" in planned.out
    assert "A budget is left out" in planned.err
    assert "It costs about $0.00 a month" in planned.out
    theirs.require_alone()
    assert not (course.home / ".aws").exists()

    if not RECORDS:
        amazon.allow("s3:CreateBucket")
        refused = course.bootstrap("up", "--env", "stag", "--yes", code=1)
        assert "s3:CreateBucket" in refused.err
        assert "`bootstrap doctor` lists all that are missing" in refused.err
        amazon.allow()
    _come_up_with_dagshub(course)
    done = course.bootstrap("up", "--env", "stag", "--yes")
    assert "- the DVC remote dagshub" in done.err
    assert "dagshub" not in "".join(path.read_text() for path in (course.folder / ".dvc").glob("config*"))
    assert not [name for name in course.dotenv() if name.startswith("MLFLOW")]
    # The folder is in every bucket: whoever wants a server later finds its place.
    lines = [line for line in (done.out + done.err).splitlines() if "is not needed any more" not in line]
    assert "mlflow" not in "\n".join(lines).replace("the folder mlflow/", "").lower(), "there is none"
    assert "'stag' is up in AWS account 123456789012, us-east-1" in done.out
    assert "It costs about $0.00 a month" in done.err
    tied = '[environments.stag]\naccount = "123456789012"  # `bootstrap up` wrote this: no other account is touched\n'
    assert (course.folder / "bootstrap.toml").read_text() == written.replace("[environments.stag]\n", tied)
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

    _a_member_comes_and_goes(course, amazon)

    assert course.bootstrap("up", "--env", "stag", "--yes").out.startswith("No changes: 'stag' is up in AWS account")

    known = secrets_on(course) | secrets_in(amazon.owner)
    assert {"AWS_SECRET_ACCESS_KEY", "course-stag: aws_secret_access_key of credentials"} <= set(known)
    seen = found_in(known, places_of(course, amazon.owner))
    assert seen == {("course-stag: aws_secret_access_key of credentials", str(course.home / ".aws" / "credentials"))}

    assert course.bootstrap("sweep", "--json").json()["things"] == [], "what is up is no leftover"
    assert " up " in course.bootstrap("history", "--env", "stag").out

    _another_account_is_refused(course)

    shutil.rmtree(course.work)  # or the laptop was lost, and this is another
    found = course.bootstrap("sweep", "--json", code=4).json()
    assert {thing["arn"] for thing in found["things"]} == {
        *(f"arn:aws:s3:::{bucket}" for bucket in (course.bucket, course.state_bucket)),
        "arn:aws:iam::123456789012:user/course/stag/course.stag.ci",
        "arn:aws:iam::123456789012:role/course/stag/course.stag.github",
        "arn:aws:iam::123456789012:oidc-provider/token.actions.githubusercontent.com",
    }

    assert "a --yes is not enough" in course.bootstrap("down", "--env", "stag", "--yes", code=1).err
    s3 = amazon.owner.client("s3")
    s3.create_bucket(Bucket="archives")
    archive = "s3://archives/2026"
    done = course.bootstrap("down", "--env", "stag", "--archive", archive, "--confirm", "stag", "--json")
    receipt = done.json()["receipt"]
    assert "Every file is there and unchanged." in course.bootstrap("restore-check", archive).out
    archived = [one["Key"] for one in s3.list_objects_v2(Bucket="archives")["Contents"]]
    assert [key for key in archived if key.startswith("2026/bucket/dvc/ci/files/")], archived
    known |= secrets_on(course)
    signing = next(course.home.rglob("receipt-key.pem"))
    assert found_in(known, places_of(course, amazon.owner)) == {("what signs receipts", str(signing))}
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
    assert (course.folder / "bootstrap.toml").read_text() == written

    if RECORDS:
        write_walk("aws", amazon.recorder.calls)
    assert amazon.recorder.calls == recorded("aws"), "record the calls anew: tests/faults/README.md"


def _a_member_comes_and_goes(course: Course, amazon: Amazon) -> None:
    """Onboard, rotate and offboard one person; without a permission, each says which one it is."""
    (course.folder / "members.csv").write_text("name\nana\n")
    words = ("--env", "stag", "--yes", "--codes", str(course.home / "codes.csv"))
    if not RECORDS:
        amazon.allow("iam:CreateUser")
        refused = course.bootstrap("onboard", "--roster", "members.csv", *words, code=1)
        assert "iam:CreateUser" in refused.err
        amazon.allow()
    course.bootstrap("onboard", "--roster", "members.csv", *words)
    course.bootstrap("rotate", "ana", *words)
    course.bootstrap("members", "--env", "stag")
    course.bootstrap("offboard", "ana", "--env", "stag", "--yes")


def _told_by_the_doctor(course: Course) -> dict[tuple[str, str], str]:
    """Return what `doctor` finds, by group and subject; for the operator's policy there is no problem."""
    done = course.bootstrap("doctor", "--env", "stag", "--json").json()
    assert done["problems"] == 0
    found = {(one["group"], one["what"]): one["says"] for one in done["findings"]}
    # The emulator has no simulator: what it says of permissions is in tests/adapters/test_doctor.py, from a stand-in.
    assert found["Permissions", "simulator"].startswith("not known: ")
    return found


def _another_account_is_refused(course: Course) -> None:
    """With bootstrap.toml of an environment in another account, no command touches this one."""
    file = course.folder / "bootstrap.toml"
    before = file.read_text()
    file.write_text(before.replace("123456789012", "210987654321"))
    for words in (("up", "--env", "stag", "--yes"), ("sweep",)):
        refused = course.bootstrap(*words, code=1).err
        assert (
            "bootstrap.toml:6: 'stag' is in the AWS account 210987654321; you are signed in to 123456789012" in refused
        )
        assert "Name the profile of 210987654321 with --profile" in refused
    file.write_text(before)
