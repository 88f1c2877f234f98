"""A student's laptop: an invite and its code, and from then on `aws`, `dvc` and `mlflow` just work."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path

import pytest

from bootstrap.adapters import sealing
from bootstrap.adapters.aws import people
from bootstrap.adapters.mlflow import MlflowServer
from bootstrap.adapters.mlflow_api import MlflowApi, new_password
from bootstrap.core.invite import Invite
from bootstrap.core.names import Names
from bootstrap.workflows import mlflow_access
from bootstrap.workflows.mlflow_access import Account

from .course import ACCOUNT, REGION, Course, Done, laptop

pytestmark = pytest.mark.e2e

TEAM = "blue"


def next_lines(done: Done) -> list[str]:
    """Return the command lines that `join` printed to be typed next."""
    return [line.strip() for line in done.out.partition("\nNext:\n")[2].splitlines()]


@dataclass(frozen=True)
class Instructor:
    """The one whose laptop the environment runs on, and who hands out invites."""

    course: Course

    @property
    def mlflow(self) -> MlflowApi:
        server = MlflowServer(self.course.work / "envs" / "stag" / "mlflow")
        running = server.running()
        assert running is not None
        return mlflow_access.administrator(server, running)

    def invite(self, member: str, folder: Path, code: sealing.Code) -> Invite:
        """Put an invite for a student into `folder`, sealed to `code`; an earlier key of theirs is dead then."""
        names = Names(self.course.name, "stag", ACCOUNT)
        operator, user = self.course.operator(), names.iam_user(member)
        iam = operator.client("iam")
        if not people.user_exists(operator, user, names.iam_path):
            iam.create_user(UserName=user, Path=names.iam_path)
        for key in people.key_ids(operator, user):
            people.delete_key(operator, user, key.id)
        bucket = f"arn:aws:s3:::{names.bucket}"
        places = [f"{bucket}/{folder}/*" for folder in (f"dvc/{TEAM}", f"members/{member}")]
        statements = [
            {"Effect": "Allow", "Action": "s3:ListBucket", "Resource": bucket},
            {
                "Effect": "Allow",
                "Action": ["s3:GetObject", "s3:PutObject", "s3:AbortMultipartUpload"],
                "Resource": places,
            },
            {"Effect": "Allow", "Action": "s3:GetObject", "Resource": f"{bucket}/dataset/*"},
        ]
        policy = {"Version": "2012-10-17", "Statement": statements}
        iam.put_user_policy(UserName=user, PolicyName="bootstrap", PolicyDocument=json.dumps(policy))
        key_pair, password = people.mint_key(operator, user), new_password()
        mlflow_access.admit(self.mlflow, Account(member, "student", TEAM), password)
        invite = Invite(
            project=names.project,
            env=names.env,
            member=member,
            role="student",
            team=TEAM,
            target="local",
            region=REGION,
            endpoint_url=f"http://127.0.0.1:{self.course.emulator()['port']}",
            account_id=ACCOUNT,
            bucket=names.bucket,
            state_bucket=names.state_bucket,
            aws_profile=names.profile,
            dvc_remote_url=names.dvc_url(TEAM),
            access_key_id=key_pair.id,
            secret_access_key=key_pair.secret,
            mlflow_tracking_uri=self.mlflow.url,
            mlflow_password=password,
            expires=None,
            created=datetime.now(timezone.utc).isoformat(timespec="seconds"),
        )
        (folder / f"{member}.age").write_text(sealing.seal_to_code(invite.to_bytes(), code))
        return invite


@dataclass
class Student:
    """A laptop with an invite on it, and its code in somebody's head."""

    course: Course
    code: sealing.Code
    invites: list[Invite] = field(default_factory=list)

    @property
    def file(self) -> Path:
        return self.course.home / "ana.age"

    def join(self, *words: str) -> Done:
        return self.course.bootstrap("join", str(self.file), *words, BOOTSTRAP_INVITE_CODE=self.code.secret)


@pytest.fixture(scope="module")
def instructor(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Instructor]:
    with laptop(tmp_path_factory.mktemp("instructor")) as course:
        course.up()
        yield Instructor(course)


@pytest.fixture
def student(instructor: Instructor, tmp_path: Path) -> Iterator[Student]:
    """Return a laptop with an empty git repository and an invite, and nothing else."""
    with laptop(tmp_path, "homework") as course:
        found = Student(course, sealing.new_code())
        found.invites.append(instructor.invite("ana", course.home, found.code))
        yield found


def test_from_an_invite_to_everything_working(instructor: Instructor, student: Student) -> None:
    course = student.course
    before = course.snapshot()
    done = student.join()
    assert "You have joined 'stag' of the project course as ana (student, team blue); 7 checks passed." in done.out
    assert "terraform" not in done.said.lower()
    copy, push, run = next_lines(done)

    course.bash(copy)
    body = (
        instructor.course.operator()
        .client("s3")
        .get_object(Bucket=instructor.course.bucket, Key="members/ana/hello.txt")
    )
    assert body["Body"].read() == b"hello\n"
    pushed = course.bash(push)
    assert "1 file pushed" in pushed.out, pushed.said
    assert instructor.course.keys(instructor.course.bucket, "dvc/blue/files/")
    course.bash(run)
    experiment = instructor.mlflow.experiments()[f"{TEAM}/default"]
    (artifact,) = instructor.course.keys(instructor.course.bucket, f"mlflow/{experiment}/")
    assert artifact.endswith("/artifacts/hello.txt")

    # What is a member's goes no further.
    profile = ("--profile", "course-stag")
    refused = course.start(
        "aws", *profile, "s3", "cp", "hello.txt", f"s3://{instructor.course.bucket}/members/ben/x"
    ).wait()
    assert refused.code != 0
    assert "AccessDenied" in refused.err

    now = course.snapshot()
    again = student.join("--json").json()
    assert again["changed"] is False
    assert all(check["found"] for check in again["checks"])
    assert course.snapshot() == now

    left = course.bootstrap("leave")
    assert "Stays: .dvc/, which `dvc init` made here" in left.out
    after = course.snapshot()
    # DVC's own, and what the student made with it; `.gitignore` is DVC's too.
    made = {str(course.folder / name) for name in ("hello.txt", "hello.txt.dvc", ".gitignore", ".dvcignore")}
    assert {path for path in after if path not in made and not path.startswith(str(course.folder / ".dvc"))} == set(
        before
    )
    assert (course.folder / ".dvc" / "config").read_text() == ""
    assert (course.folder / ".gitignore").read_text() == "/hello.txt\n"
    assert not course.work.exists()

    secrets = [
        student.code.secret,
        *(s for i in student.invites for s in (i.secret_access_key, i.mlflow_password or "")),
    ]
    assert not [text for text in course.heard if any(secret in text for secret in secrets)]


def test_join_and_leave_give_every_byte_back(student: Student) -> None:
    course = student.course
    (course.home / ".aws").mkdir()
    (course.home / ".aws" / "config").write_bytes(
        b"# mine\r\n[default]\r\nregion = eu-west-1\r\n\r\n[profile work]\r\ns3 =\r\n  a = b"
    )
    (course.home / ".aws" / "credentials").write_bytes(b"[default]\naws_access_key_id = AKIAIOSFODNN7EXAMPLE\n")
    (course.folder / ".env").write_bytes(b"MINE=1")
    (course.folder / ".gitignore").write_bytes(b"*.pyc")
    before = course.snapshot()
    status = course.run("git", "status", "--porcelain", "--untracked-files=all").out
    student.join()
    listed = course.run("git", "status", "--porcelain", "--untracked-files=all").out
    assert ".env" not in listed
    assert ".bootstrap" not in listed
    assert course.run("aws", "--profile", "course-stag", "s3", "ls", "s3://course--stag--123456789012/").code == 0
    done = course.bootstrap("leave", "--json").json()
    assert done["kept"] == []
    after = course.snapshot()
    assert {path: content for path, (content, _) in after.items()} == {
        path: content for path, (content, _) in before.items()
    }
    assert course.run("git", "status", "--porcelain", "--untracked-files=all").out == status
    course.bootstrap("leave", code=1)


@pytest.mark.by_turns
def test_a_new_invite_takes_the_place_of_the_old_one(instructor: Instructor, student: Student) -> None:
    course = student.course
    student.join()
    old = student.file.read_text()
    student.invites.append(instructor.invite("ana", course.home, student.code))
    new = student.file.read_text()
    student.file.write_text(old)
    before = course.snapshot()
    refused = course.bootstrap("join", str(student.file), BOOTSTRAP_INVITE_CODE=student.code.secret, code=1)
    assert "no longer valid" in refused.err
    assert course.snapshot() == before
    student.file.write_text(new)
    assert student.join("--json").json()["changed"] is True
    copy, push, _ = next_lines(student.join())
    for line in (copy, push):
        course.bash(line)


@pytest.mark.by_turns
def test_the_instructor_tries_an_invite_on_the_same_machine(instructor: Instructor, student: Student) -> None:
    """Both profiles are there then, and the instructor's folder is not one to join in."""
    home = str(instructor.course.home)
    refused = instructor.course.bootstrap("join", str(student.file), BOOTSTRAP_INVITE_CODE=student.code.secret, code=1)
    assert "an operator's folder" in refused.err
    before = instructor.course.snapshot()
    done = student.course.bootstrap(
        "join", str(student.file), BOOTSTRAP_INVITE_CODE=student.code.secret, HOME=home, USERPROFILE=home
    )
    assert "yours is called course-stag-ana" in done.err
    assert instructor.course.profiles() == ["course-stag", "course-stag-ana"]
    copy, _, run = next_lines(done)
    for line in (copy, run):
        assert student.course.run("bash", "-c", line, HOME=home).code == 0
    student.course.bootstrap("leave", HOME=home, USERPROFILE=home)
    assert instructor.course.snapshot() == before
    instructor.course.bootstrap("status")
