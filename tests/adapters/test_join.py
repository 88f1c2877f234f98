"""`join` and `leave` on real files and real repositories, with a key that a real emulator checks.

MLflow is a stand-in here, which knows one login; tests/e2e/test_join.py uses the real server.
"""

from __future__ import annotations

import base64
import json
import os
import shutil
import stat
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta, timezone
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from bootstrap.adapters import sealing
from bootstrap.adapters.aws import people, probes
from bootstrap.adapters.aws.session import Aws, KeyPair
from bootstrap.adapters.emulator import ACCOUNT, Emulator
from bootstrap.commands.join import command as join_command
from bootstrap.commands.leave import command as leave_command
from bootstrap.core.dagshub import Hub
from bootstrap.core.invite import Invite, InviteError
from bootstrap.core.names import Names
from bootstrap.core.record import Record
from bootstrap.core.spec import Spec
from bootstrap.errors import AwsFailed, BootstrapError, ConfigError, UsageError
from bootstrap.workflows.join import Joined, join
from bootstrap.workflows.leave import Left, leave
from bootstrap.workflows.new import Wanted, new
from bootstrap.workflows.project import Project
from tests.adapters.doubles import Story
from tests.dagshub_server import HubServer, dagshub
from tests.ports import some_port

NAMES = Names("course", "stag", ACCOUNT)
NOW = datetime(2031, 3, 1, 12, tzinfo=timezone.utc)
PASSWORD = "correct-horse-battery"


# --- an AWS with two members, and an MLflow that knows one of them ---


@dataclass(frozen=True)
class Cloud:
    url: str
    operator: Aws
    mlflow: str

    def mint(self, member: str = "ana", project: str = "course", env: str = "stag") -> KeyPair:
        """Make a member who may do everything below the places of a student, and nothing else; return a new key."""
        names = Names(project, env, ACCOUNT)
        user, iam = names.iam_user(member), self.operator.client("iam")
        s3 = self.operator.client("s3")
        s3.create_bucket(Bucket=names.bucket)
        if not people.user_exists(self.operator, user, names.iam_path):
            iam.create_user(UserName=user, Path=names.iam_path)
        bucket = f"arn:aws:s3:::{names.bucket}"
        statements = [
            {"Effect": "Allow", "Action": "s3:ListBucket", "Resource": bucket},
            {
                "Effect": "Allow",
                "Action": ["s3:GetObject", "s3:PutObject", "s3:AbortMultipartUpload"],
                "Resource": [f"{bucket}/dvc/blue/*", f"{bucket}/members/{member}/*"],
            },
        ]
        policy = json.dumps({"Version": "2012-10-17", "Statement": statements})
        iam.put_user_policy(UserName=user, PolicyName="bootstrap", PolicyDocument=policy)
        for key in people.key_ids(self.operator, user):
            people.delete_key(self.operator, user, key.id)
        return people.mint_key(self.operator, user)

    def invite(self, key: KeyPair | None = None, **changes: Any) -> Invite:
        """Return an invite to `stag` of `course` for ana, with a new key; her MLflow login works."""
        member = changes.get("member", "ana")
        project, env = changes.get("project", "course"), changes.get("env", "stag")
        names = Names(project, env, ACCOUNT)
        key = key or self.mint(member, project, env)
        values: dict[str, Any] = {
            "project": project,
            "env": env,
            "member": member,
            "role": "student",
            "team": "blue",
            "target": "local",
            "region": "us-east-1",
            "endpoint_url": self.url,
            "account_id": ACCOUNT,
            "bucket": names.bucket,
            "state_bucket": names.state_bucket,
            "aws_profile": names.profile,
            "dvc_remote_url": names.dvc_url("blue"),
            "access_key_id": key.id,
            "secret_access_key": key.secret,
            "mlflow_tracking_uri": self.mlflow,
            "mlflow_password": PASSWORD,
            "expires": None,
            "created": "2031-03-01T09:00:00+00:00",
        }
        return Invite(**values | changes)


class _Mlflow(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        login = base64.b64decode(self.headers.get("Authorization", "").partition(" ")[2]).decode()
        known = login in {f"{who}:{PASSWORD}{more}" for who in ("ana", "ben") for more in ("", "-new")}
        self.send_response(200 if known else 401)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    emulator = Emulator(tmp_path_factory.mktemp("emulator"))
    server = emulator.start(some_port(), os.environ)
    mlflow = HTTPServer(("127.0.0.1", 0), _Mlflow)
    thread = threading.Thread(target=mlflow.serve_forever, daemon=True)
    thread.start()
    try:
        anybody = Aws("us-east-1", server.url, key=KeyPair("AKIAIOSFODNN7EXAMPLE", "nothing"))
        operator = anybody.with_key(people.create_operator(anybody, "operator", "/bootstrap/"))
        emulator.enforce_permissions(server)
        yield Cloud(server.url, operator, f"http://127.0.0.1:{mlflow.server_port}")
    finally:
        mlflow.shutdown()
        mlflow.server_close()
        thread.join()
        emulator.stop()


# --- a laptop with a repository on it ---


@dataclass
class Student:
    """A laptop: its home, the folder somebody works in, and what they were told."""

    home: Path
    folder: Path
    story: Story

    def join(self, invite: Invite, profile: str | None = None, folder: Path | None = None) -> Joined:
        return join(folder or self.folder, os.environ, self.home, invite, profile, self.story, NOW)

    def leave(self, env: str | None = None, folder: Path | None = None) -> Left:
        return leave(folder or self.folder, os.environ, self.home, env)

    def files(self) -> dict[str, tuple[bytes, int]]:
        """Return content and time of every file of the user's; not git's own, nor our locks."""
        locks = self.home / ".local" / "state" / "bootstrap" / "locks"
        return {
            str(path): (path.read_bytes(), path.stat().st_mtime_ns)
            for top in (self.home, self.folder.parent)
            for path in sorted(top.rglob("*"))
            if path.is_file() and ".git" not in path.parts and not path.is_relative_to(locks)
        }

    def texts(self) -> dict[str, bytes]:
        return {path: content for path, (content, _) in self.files().items()}

    def write(self, texts: dict[str, str]) -> None:
        for name, text in texts.items():
            path = self.home / name[2:] if name.startswith("~/") else self.folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(text.encode())

    def read(self, name: str) -> str:
        path = self.home / name[2:] if name.startswith("~/") else self.folder / name
        return path.read_bytes().decode()

    def dvc(self, *words: str) -> None:
        # The one beside this Python: no virtual environment has to be activated for the tests.
        program = Path(sys.executable).with_name("dvc")
        subprocess.run([program, *words], cwd=self.folder, check=True, capture_output=True)

    def git(self, *words: str) -> str:
        who = ["-c", "user.name=ana", "-c", "user.email=ana@example.org"]
        return subprocess.run(["git", *who, *words], cwd=self.folder, check=True, capture_output=True, text=True).stdout


@pytest.fixture
def plain(home: Path, tmp_path: Path) -> Student:
    """Return a laptop with an empty folder on it, in no repository."""
    folder = (tmp_path / "work" / "class").resolve()
    folder.mkdir(parents=True)
    return Student(home, folder, Story())


@pytest.fixture
def student(plain: Student) -> Student:
    """Return a laptop with a git repository that is a DVC repository too; making one takes DVC a second."""
    plain.git("init", "-q")
    plain.write({".dvc/config": ""})
    return plain


@pytest.fixture
def invite(cloud: Cloud) -> Invite:
    return cloud.invite()


# --- join, and leave ---

OPENING = "# >>> bootstrap course/stag/ana, written by 'bootstrap join', removed by 'bootstrap leave'"


def test_what_is_written(student: Student, invite: Invite) -> None:
    done = student.join(invite)
    assert done.changed
    assert [check.right for check in done.checks] == [True] * 7
    block = f"{OPENING} [new file] >>>\n"
    assert student.read("~/.aws/credentials") == (
        f"{block}[course-stag]\naws_access_key_id = {invite.access_key_id}\n"
        f"aws_secret_access_key = {invite.secret_access_key}\n# <<< bootstrap course/stag/ana <<<\n"
    )
    assert f"[profile course-stag]\nregion = us-east-1\nendpoint_url = {invite.endpoint_url}\n" in student.read(
        "~/.aws/config"
    )
    assert student.read(".env") == (
        f"{block}AWS_PROFILE=course-stag\nMLFLOW_TRACKING_URI={invite.mlflow_tracking_uri}\n"
        f"MLFLOW_TRACKING_USERNAME=ana\nMLFLOW_TRACKING_PASSWORD={PASSWORD}\nMLFLOW_EXPERIMENT_NAME=blue/default\n"
        "MLFLOW_ENABLE_PROXY_MULTIPART_DOWNLOAD=false\nMLFLOW_ENABLE_PROXY_MULTIPART_UPLOAD=false\n"
        "# <<< bootstrap course/stag/ana <<<\n"
    )
    assert student.read(".dvc/config") == (
        "[core]\n    autostage = true\n    remote = stag\n"
        f"['remote \"stag\"']\n    url = s3://{NAMES.bucket}/dvc/blue\n    profile = course-stag\n"
    )
    assert student.read(".gitignore") == "/.env\n"
    if os.name == "posix":
        for secret in (student.home / ".aws" / "credentials", student.folder / ".env"):
            assert stat.S_IMODE(secret.stat().st_mode) == 0o600
    remembered = "".join(text.decode() for name, text in student.texts().items() if ".bootstrap" in name)
    assert invite.secret_access_key not in remembered
    assert PASSWORD not in remembered


# --- join, and a project of `new`; the one before the other, and the other way round ---


def test_a_project_made_after_the_join_needs_no_invite(plain: Student, invite: Invite) -> None:
    plain.join(invite)
    made = new(plain.folder, os.environ, plain.home, Wanted("laptops", "ml-project", "en", "regression"), "1", Story())
    before = {path.name: path.read_bytes() for path in (made.folder / ".env", made.folder / ".dvc" / "config")}
    assert f"MLFLOW_TRACKING_PASSWORD={PASSWORD}".encode() in before[".env"]
    # Opened there too, the invite finds that all of it is right.
    done = plain.join(invite, folder=made.folder)
    assert not done.changed
    assert [check.right for check in done.checks] == [True] * 7
    assert {path.name: path.read_bytes() for path in (made.folder / ".env", made.folder / ".dvc" / "config")} == before


def test_a_project_takes_an_invite_later(plain: Student, invite: Invite) -> None:
    made = new(plain.folder, os.environ, plain.home, Wanted("laptops", "ml-project", "en", "regression"), "1", Story())
    done = plain.join(invite, folder=made.folder)
    assert done.project.folder == made.folder
    status = subprocess.run(["git", "status", "-s"], cwd=made.folder, check=True, capture_output=True, text=True).stdout
    assert status.split() == ["M", ".dvc/config"]
    plain.leave(folder=made.folder)
    status = subprocess.run(["git", "status", "-s"], cwd=made.folder, check=True, capture_output=True, text=True).stdout
    assert status == ""
    assert not (made.folder / ".env").exists()


def test_nothing_is_left_in_the_bucket(student: Student, cloud: Cloud, invite: Invite) -> None:
    student.join(invite)
    s3 = cloud.operator.client("s3")
    assert s3.list_object_versions(Bucket=NAMES.bucket).get("Versions") is None
    assert s3.list_multipart_uploads(Bucket=NAMES.bucket).get("Uploads") is None


def test_a_second_join_changes_nothing(student: Student, invite: Invite) -> None:
    assert student.join(invite).changed
    before = student.files()
    again = student.join(invite)
    assert not again.changed
    assert len(again.checks) == 7
    assert student.files() == before


THEIR_REMOTE = "['remote \"mine\"']\n    url = /data\n"
STARTS: dict[str, dict[str, str]] = {
    "an empty repository": {},
    "files of their own": {
        "~/.aws/config": "[default]\nregion = eu-west-1\n",
        "~/.aws/credentials": "# mine\n[default]\naws_access_key_id = AKIAIOSFODNN7EXAMPLE\n",
        ".env": "MINE=1\n",
        ".gitignore": "*.pyc\n",
        ".dvc/config": f"[core]\n    remote = mine\n    autostage = false\n{THEIR_REMOTE}",
    },
    "no last newline": {
        "~/.aws/config": "[default]\nregion = eu-west-1",
        "~/.aws/credentials": "[default]\nx = y",
        ".env": "MINE=1",
        ".gitignore": "*.pyc",
        ".dvc/config": "[core]\n    analytics = false",
    },
    "Windows": {
        "~/.aws/config": "[default]\r\nregion = eu-west-1\r\n",
        "~/.aws/credentials": "[default]\r\nx = y",
        ".env": "MINE=1\r\nMORE=2",
        ".gitignore": "*.pyc\r\n",
        ".dvc/config": "[core]\r\n    analytics = false\r\n",
    },
    ".env is ignored already": {".env": "", ".gitignore": ".env\n"},
    "written by hand": {
        ".dvc/config": "# größe\n[core]\nanalytics=false # no\n\n[ 'remote \"mine\"' ]\nurl=/data\n\n# end"
    },
    "a core without anything in it": {".dvc/config": "[core]\n"},
    "the instructor's remote, committed": {
        ".dvc/config": "[core]\n    remote = stag\n    autostage = true\n"
        f"['remote \"stag\"']\n    jobs = 4\n    url = s3://{NAMES.bucket}/dvc/ci\n    profile = course-stag\n"
    },
    "a teammate's remote, committed": {
        ".dvc/config": "[core]\n    autostage = true\n    remote = stag\n"
        f"['remote \"stag\"']\n    url = s3://{NAMES.bucket}/dvc/blue\n    profile = course-stag\n"
    },
}


@pytest.mark.parametrize("texts", STARTS.values(), ids=STARTS.keys())
def test_leave_gives_every_byte_back(student: Student, invite: Invite, texts: dict[str, str]) -> None:
    student.write(texts)
    before = student.texts()
    student.join(invite)
    assert student.texts() != before
    left = student.leave()
    there = texts == STARTS["a teammate's remote, committed"]
    assert [what.partition(",")[0] for what in left.kept] == ["the DVC remote stag in .dvc/config"] * there
    assert ("the DVC remote stag" in left.removed) is not there
    assert student.texts() == before


@pytest.mark.parametrize("profile", [None, "mine"])
def test_a_remote_that_was_committed_since_stays_for_the_team(
    student: Student, invite: Invite, profile: str | None
) -> None:
    student.join(invite, profile=profile)
    student.git("add", "--all")
    student.git("commit", "-q", "-m", "begin")
    config = student.read(".dvc/config")
    student.write({".dvc/config": config + THEIR_REMOTE})
    left = student.leave()
    assert student.read(".dvc/config") == config + THEIR_REMOTE
    assert not (student.folder / ".dvc" / "config.local").exists()
    assert "the AWS profile " + (profile or "course-stag") in left.removed
    assert "the DVC remote stag" not in left.removed
    assert left.kept[0] == (
        "the DVC remote stag in .dvc/config, because it is committed, for all of your team; no secret is in it"
    )
    assert student.join(invite).changed


def test_a_place_that_join_changed_goes_back_to_what_is_committed(student: Student, invite: Invite) -> None:
    student.write(STARTS["the instructor's remote, committed"])
    student.git("add", "--all")
    student.git("commit", "-q", "-m", "begin")
    student.join(invite)
    assert "the DVC remote stag" in student.leave().removed
    assert student.git("status", "--porcelain") == ""


def test_a_teammates_remote_is_left_alone(student: Student, invite: Invite) -> None:
    student.write(STARTS["a teammate's remote, committed"])
    before = student.files()[str(student.folder / ".dvc" / "config")]
    student.join(invite)
    assert student.files()[str(student.folder / ".dvc" / "config")] == before
    student.leave()
    assert student.files()[str(student.folder / ".dvc" / "config")][0] == before[0]


def test_what_was_added_since_stays(student: Student, invite: Invite) -> None:
    student.join(invite)
    with (student.folder / ".env").open("a") as stream:
        stream.write("MINE=1\n")
    with (student.folder / ".gitignore").open("a") as stream:
        stream.write("*.pyc\n")
    config = student.folder / ".dvc" / "config"
    config.write_text(config.read_text() + THEIR_REMOTE)
    left = student.leave()
    assert student.read(".env") == "MINE=1\n"
    assert student.read(".dvc/config") == THEIR_REMOTE
    # Their own lines may be as secret as ours.
    assert student.read(".gitignore") == "/.env\n*.pyc\n"
    assert len(left.kept) == 1
    assert ".gitignore" in left.kept[0]


def test_only_our_line_of_gitignore_goes(student: Student, invite: Invite) -> None:
    student.write({".gitignore": "a"})
    student.join(invite)
    with (student.folder / ".gitignore").open("a") as stream:
        stream.write("b\n")
    student.leave()
    assert student.read(".gitignore") == "a\nb\n"


def stopped_after(work: Callable[..., object]) -> Callable[..., None]:
    """Return a function that does the work and is interrupted then."""

    def stop(*arguments: object) -> None:
        work(*arguments)
        raise KeyboardInterrupt

    return stop


def test_a_join_can_be_repeated_after_a_stop_anywhere(
    student: Student, invite: Invite, monkeypatch: pytest.MonkeyPatch
) -> None:
    student.write({".env": "MINE=1", ".gitignore": "*.pyc", ".dvc/config": "[core]\n    analytics = false"})
    before = student.texts()
    from bootstrap.workflows import laptop

    for name in ("write_profile", "write_remote", "write_env"):
        with monkeypatch.context() as patch:
            patch.setattr(laptop, name, stopped_after(getattr(laptop, name)))
            with pytest.raises(KeyboardInterrupt):
                student.join(invite)
    assert student.join(invite).changed
    assert not student.join(invite).changed
    assert student.leave().kept == []
    assert student.texts() == before


# --- a new invite for the same person ---


def test_a_rotated_invite_replaces_key_and_password_alone(student: Student, cloud: Cloud, invite: Invite) -> None:
    student.write({".env": "MINE=1\n", ".gitignore": "*.pyc\n"})
    student.join(invite)
    before = student.texts()
    rotated = cloud.invite(mlflow_password=f"{PASSWORD}-new")
    assert student.join(rotated).changed
    expected = {
        name: text.replace(invite.access_key_id.encode(), rotated.access_key_id.encode())
        .replace(invite.secret_access_key.encode(), rotated.secret_access_key.encode())
        .replace(PASSWORD.encode(), f"{PASSWORD}-new".encode())
        for name, text in before.items()
    }
    assert student.texts() == expected
    with pytest.raises(InviteError, match="no longer valid"):
        student.join(invite)
    assert student.texts() == expected


def test_an_invite_without_a_password_keeps_the_one_there_is(student: Student, cloud: Cloud, invite: Invite) -> None:
    student.join(invite)
    before = student.read(".env")
    assert student.join(cloud.invite(mlflow_password=None)).changed
    assert student.read(".env") == before


def test_an_invite_without_a_password_where_there_is_none(student: Student, cloud: Cloud) -> None:
    done = student.join(cloud.invite(mlflow_password=None))
    assert "PASSWORD" not in student.read(".env")
    assert "log in to MLflow" not in [check.what for check in done.checks]
    assert any("Open the invite that came before it first" in note for note in student.story.told)


# --- refused, and then nothing is written ---


def refused(student: Student, error: type[BootstrapError], match: str, invite: Invite, **how: Any) -> BootstrapError:
    before = student.files()
    with pytest.raises(error, match=match) as caught:
        student.join(invite, **how)
    assert student.files() == before
    told = [caught.value.message, caught.value.hint, *student.story.told]
    assert not any(secret in text for secret in (PASSWORD, invite.secret_access_key) for text in told)
    return caught.value


def test_the_operators_own_folder(student: Student, invite: Invite) -> None:
    record = Record("course", "stag", "local", "us-east-1", ACCOUNT, None, "b", "s", "course-stag", "s3://b/dvc/ci")
    for folder, env in ((student.folder, "stag"), (student.folder / "deep", "stag")):
        folder.mkdir(exist_ok=True)
        operator = Project(folder, Spec.default("course"), os.environ, student.home)
        operator.save(replace(record, env=env))
        error = refused(student, BootstrapError, "an operator's folder", invite, folder=folder)
        assert "another folder" in error.hint
        shutil.rmtree(folder / ".bootstrap")


OBSTACLES: dict[str, tuple[dict[str, str], str, str]] = {
    "their own profile": ({"~/.aws/config": "[profile course-stag]\n"}, "is your own", "--profile"),
    "their own credentials": ({"~/.aws/credentials": "a\n[course-stag]\n"}, "first \\[section\\]", "mend that line"),
    "a remote written by hand": (
        {".dvc/config": "['remote \"stag\"']\n    url = s3://mine\n"},
        "that this tool did not write",
        "dvc remote rename",
    ),
    "a damaged block": ({".env": f"{OPENING} >>>\n"}, "damaged", "Mend that"),
    "a DVC file that cannot be read": ({".dvc/config": "[core\n"}, "DVC cannot read this line", "Mend that"),
}


@pytest.mark.parametrize(("texts", "match", "hint"), OBSTACLES.values(), ids=OBSTACLES.keys())
def test_what_is_in_the_way(student: Student, invite: Invite, texts: dict[str, str], match: str, hint: str) -> None:
    student.write(texts)
    assert hint in refused(student, ConfigError, match, invite).hint


def test_an_env_file_that_git_tracks(student: Student, invite: Invite) -> None:
    student.write({".env": "A=1\n"})
    student.git("add", ".env")
    refused(student, ConfigError, "tracked by git", invite)


def test_a_folder_that_another_member_has_joined(student: Student, cloud: Cloud, invite: Invite) -> None:
    student.join(invite)
    error = refused(student, BootstrapError, "ana has joined 'stag'", cloud.invite(member="ben"))
    assert "bootstrap leave --env stag" in error.hint


def test_an_expired_invite(student: Student, invite: Invite) -> None:
    student.join(replace(invite, expires=NOW.date()))
    refused(student, InviteError, "has expired", replace(invite, expires=NOW.date() - timedelta(days=1)))


def test_a_key_that_is_gone(student: Student, cloud: Cloud, invite: Invite) -> None:
    user = NAMES.iam_user("ana")
    people.delete_key(cloud.operator, user, invite.access_key_id)
    error = refused(student, InviteError, "no longer valid", invite)
    assert "new invite" in error.hint


def test_a_key_of_somebody_else(student: Student, cloud: Cloud, invite: Invite) -> None:
    refused(student, InviteError, "is not ana's", cloud.invite(cloud.mint("ben")))


def test_a_rehearsal_whose_server_does_not_run(student: Student, invite: Invite) -> None:
    nowhere = f"http://127.0.0.1:{some_port()}"
    error = refused(student, BootstrapError, "a rehearsal on the laptop", replace(invite, endpoint_url=nowhere))
    assert "bootstrap up --env stag --local" in error.hint


def test_a_server_that_is_no_aws(student: Student, cloud: Cloud, invite: Invite) -> None:
    refused(student, BootstrapError, "a rehearsal on the laptop", replace(invite, endpoint_url=cloud.mlflow))


def test_a_login_that_does_not_work(student: Student, invite: Invite) -> None:
    with pytest.raises(BootstrapError, match="log in to MLflow: should be allowed, was refused"):
        student.join(replace(invite, mlflow_password="wrong-password"))
    assert student.join(invite).changed
    student.leave()
    assert student.texts() == {str(student.folder / ".dvc" / "config"): b""}


def test_an_mlflow_that_does_not_run(student: Student, invite: Invite) -> None:
    with pytest.raises(BootstrapError, match="Everything else is written, and works") as caught:
        student.join(replace(invite, mlflow_tracking_uri=f"http://127.0.0.1:{some_port()}"))
    assert "whether that server runs" in caught.value.hint


# --- waiting for a key that is new; AWS itself is not to be had here, so the first answers are made up ---


@pytest.fixture
def like_aws(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> Cloud:
    """Let the emulator be found as AWS is: without an endpoint in the invite."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", cloud.url)
    return cloud


def unknown() -> AwsFailed:
    from botocore.exceptions import ClientError

    error = AwsFailed("Could not list")
    error.__cause__ = ClientError({"Error": {"Code": "InvalidAccessKeyId"}}, "ListObjectsV2")
    return error


@pytest.mark.parametrize("first", ["refused", "not allowed yet"])
def test_a_new_key_is_waited_for(
    student: Student, like_aws: Cloud, monkeypatch: pytest.MonkeyPatch, first: str
) -> None:
    pauses: list[float] = []
    real = probes.may_list

    def may_list(aws: Aws, bucket: str, prefix: str) -> bool:
        if len(pauses) < 3 and first == "refused":
            raise unknown()
        return len(pauses) >= 3 and real(aws, bucket, prefix)

    monkeypatch.setattr(probes, "may_list", may_list)
    new = like_aws.invite(target="aws", endpoint_url=None, created=(NOW - timedelta(minutes=1)).isoformat())
    done = join(student.folder, os.environ, student.home, new, None, student.story, NOW, pauses.append)
    assert pauses == [0.25, 0.5, 1.0]
    assert done.changed
    assert "endpoint_url" not in student.read("~/.aws/config")


@pytest.mark.parametrize(("age", "waits"), [(timedelta(minutes=1), True), (timedelta(days=1), False)])
def test_only_a_new_key_is_waited_for(student: Student, like_aws: Cloud, age: timedelta, waits: bool) -> None:
    new = like_aws.invite(target="aws", endpoint_url=None, created=(NOW - age).isoformat())
    people.delete_key(like_aws.operator, NAMES.iam_user("ana"), new.access_key_id)
    pauses: list[float] = []
    with pytest.raises(InviteError, match="no longer valid"):
        join(student.folder, os.environ, student.home, new, None, student.story, NOW, pauses.append)
    assert (sum(pauses) > 80) is waits
    assert student.texts() == {str(student.folder / ".dvc" / "config"): b""}


def test_a_clock_that_is_wrong_is_no_dead_invite(student: Student, like_aws: Cloud) -> None:
    key = like_aws.mint()
    bad = like_aws.invite(KeyPair(key.id, "x" * 40), target="aws", endpoint_url=None)
    assert "clock" in refused(student, BootstrapError, "SignatureDoesNotMatch", bad).hint


def test_variables_that_win_over_the_profile_are_told(student: Student, like_aws: Cloud) -> None:
    student.join(like_aws.invite(target="aws", endpoint_url=None))
    assert any("AWS_ENDPOINT_URL, and that wins over" in note for note in student.story.told)


# --- profiles ---


def test_beside_the_operators_profile(student: Student, invite: Invite) -> None:
    from bootstrap.adapters.aws_profile import AwsFiles

    files = AwsFiles.of(os.environ, student.home)
    files.write(
        "course-stag",
        "course/stag",
        region="us-east-1",
        access_key_id="AKIAIOSFODNN7EXAMPLE",
        secret_access_key="theirs",
        endpoint_url=None,
    )
    student.write(STARTS["the instructor's remote, committed"])
    before = student.texts()
    done = student.join(invite)
    assert done.record.aws_profile == "course-stag-ana"
    assert any("that of course/stag; yours is called course-stag-ana" in note for note in student.story.told)
    assert "profile = course-stag\n" in student.read(".dvc/config")
    assert "profile = course-stag-ana\n" in student.read(".dvc/config.local")
    assert any(f"led to s3://{NAMES.bucket}/dvc/ci" in note for note in student.story.told)
    assert "AWS_PROFILE=course-stag-ana" in student.read(".env")
    assert not student.join(invite).changed
    student.leave()
    assert student.texts() == before


def test_two_members_on_one_machine(student: Student, cloud: Cloud, invite: Invite) -> None:
    other = student.folder.parent / "other"
    other.mkdir()
    student.join(invite)
    assert student.join(cloud.invite(member="ben"), folder=other).record.aws_profile == "course-stag-ben"
    student.leave()
    assert "[course-stag-ben]" in student.read("~/.aws/credentials")
    student.leave(folder=other)
    assert not (student.home / ".aws").exists()


def test_a_profile_of_another_name(student: Student, invite: Invite) -> None:
    student.write({"~/.aws/credentials": "[course-stag]\nx = y\n"})
    before = student.texts()
    student.join(invite, profile="My.class_1")
    assert "[profile My.class_1]" in student.read("~/.aws/config")
    assert "AWS_PROFILE=My.class_1" in student.read(".env")
    assert not student.join(invite).changed
    error = refused(student, UsageError, "has the AWS profile My.class_1", invite, profile="another")
    assert "bootstrap leave" in error.hint
    student.leave()
    assert student.texts() == before


@pytest.mark.parametrize("name", ["", "two words", "a]", "a=b", "-x", "a\nb", "ä"])
def test_a_name_that_no_profile_can_have(student: Student, invite: Invite, name: str) -> None:
    refused(student, UsageError, "cannot be the name of a profile", invite, profile=name)


def test_two_folders_with_one_profile(student: Student, cloud: Cloud, invite: Invite) -> None:
    other = student.folder.parent / "other"
    other.mkdir()
    before = student.texts()
    student.join(invite)
    aws = {name: one for name, one in student.files().items() if ".aws" in name}
    student.join(invite, folder=other)
    assert {name: one for name, one in student.files().items() if ".aws" in name} == aws

    assert not any("is used in" in note for note in student.story.told)
    student.join(cloud.invite())
    assert any(f"is used in {other} too" in note for note in student.story.told)

    left = student.leave()
    assert len(left.kept) == 1
    assert f"the AWS profile course-stag, because it is used in {other} too" in left.kept[0]
    assert "[course-stag]" in student.read("~/.aws/credentials")
    assert "the AWS profile course-stag" in student.leave(folder=other).removed
    assert student.texts() == before


def test_a_folder_that_is_gone_keeps_no_profile(student: Student, invite: Invite) -> None:
    other = student.folder.parent / "other"
    other.mkdir()
    student.join(invite)
    student.join(invite, folder=other)
    shutil.rmtree(other)
    assert student.leave().kept == []
    assert not (student.home / ".aws").exists()
    assert not (student.home / ".local" / "state" / "bootstrap" / "joined.json").exists()


# --- a profile of another name, and what is shared through git ---


def dvc_says(student: Student, remote: str = "stag") -> tuple[str, str]:
    """Return address and profile of a remote as DVC itself puts its files together, checked against its schema."""
    from dvc.config import Config

    found = Config(dvc_dir=str(student.folder / ".dvc"), validate=True)["remote"][remote]
    return found["url"], found["profile"]


URL = f"s3://{NAMES.bucket}/dvc/blue"
LOCAL = "['remote \"stag\"']\n    profile = mine\n"
IGNORED = "/config.local\n/tmp\n/cache\n"
LOCALS: dict[str, tuple[dict[str, str], str]] = {
    "no file": ({}, LOCAL),
    "an empty file": ({".dvc/config.local": ""}, LOCAL),
    "other remotes, a cache, comments": (
        {
            ".dvc/config.local": "# größe\n[cache]\ndir=/x # big\n\n[ 'remote \"theirs\"' ]\nurl=s3://d\nsecret_access_key=s"
        },
        f"# größe\n[cache]\ndir=/x # big\n\n[ 'remote \"theirs\"' ]\nurl=s3://d\nsecret_access_key=s\n{LOCAL}",
    ),
    "something else of the same remote": (
        {".dvc/config.local": "['remote \"stag\"']\n    jobs = 4\n[cache]\n    dir = /x\n"},
        "['remote \"stag\"']\n    profile = mine\n    jobs = 4\n[cache]\n    dir = /x\n",
    ),
    "a header and no more": ({".dvc/config.local": '[remote "stag"]'}, '[remote "stag"]\n    profile = mine\n'),
    "another profile of the same remote": (
        {".dvc/config.local": "['remote \"stag\"']\n  profile=old # why\n  jobs=4"},
        "['remote \"stag\"']\n    profile = mine\n  jobs=4",
    ),
    "the same name already": (
        {".dvc/config.local": "['remote \"stag\"']\nprofile=mine # of last year"},
        "['remote \"stag\"']\nprofile=mine # of last year",
    ),
    "Windows": (
        {".dvc/config.local": "[cache]\r\n    dir = /x\r\n"},
        "[cache]\r\n    dir = /x\r\n" + LOCAL.replace("\n", "\r\n"),
    ),
    "not ignored": ({".dvc/.gitignore": "/cache"}, LOCAL),
    "not ignored, and there": ({".dvc/.gitignore": "/cache\n", ".dvc/config.local": "[cache]\n    dir = /x\n"}, ""),
}


@pytest.mark.parametrize(("texts", "local"), LOCALS.values(), ids=LOCALS.keys())
def test_another_name_stays_on_this_machine(
    student: Student, invite: Invite, texts: dict[str, str], local: str
) -> None:
    student.write({".dvc/.gitignore": IGNORED} | texts)
    before = student.texts()
    assert student.join(invite, profile="mine").changed
    assert f"url = {URL}\n    profile = course-stag\n" in student.read(".dvc/config")
    assert student.read(".dvc/config.local") == (local or f"{texts['.dvc/config.local']}{LOCAL}")
    assert dvc_says(student) == (URL, "mine")
    assert student.git("check-ignore", ".dvc/config.local")
    joined = student.files()
    assert not student.join(invite).changed
    assert student.files() == joined
    remembered = "".join(text.decode() for name, text in student.texts().items() if ".bootstrap" in name)
    assert "secret_access_key" not in remembered
    assert student.leave().kept == []
    assert student.texts() == before


def test_teammates_with_other_names_share_one_file(
    student: Student, plain: Student, cloud: Cloud, invite: Invite, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each on a laptop of their own: what one commits and the other pulls is right for both."""
    student.write({".dvc/.gitignore": IGNORED})
    student.join(invite, profile="my-course")
    shared = student.read(".dvc/config")
    student.git("add", "--all")
    assert ".dvc/config.local" not in student.git("diff", "--cached", "--name-only").split()
    for number, name in enumerate((None, "my-other-course")):
        home = student.home.parent / f"home-{number}"
        mate = Student(home, home / "class", Story())
        mate.folder.mkdir(parents=True)
        monkeypatch.setenv("HOME", str(home))
        mate.git("init", "-q")
        mate.write({".dvc/config": shared, ".dvc/.gitignore": IGNORED})
        assert mate.join(cloud.invite(member="ben"), profile=name).record.aws_profile == (name or "course-stag")
        assert mate.read(".dvc/config") == shared
        assert dvc_says(mate) == (URL, name or "course-stag")
        assert (mate.folder / ".dvc" / "config.local").exists() is (name is not None)


def without_profile(student: Student) -> None:
    for name in ("config", "credentials"):
        (student.home / ".aws" / name).unlink()


@pytest.mark.parametrize("text", [None, "", "[cache]\n    dir = /x", "['remote \"stag\"']\n  profile=old # why\n"])
def test_a_name_that_holds_no_more_is_taken_out(student: Student, invite: Invite, text: str | None) -> None:
    """As after somebody removed the profile by hand: the next `join` may give it another name, or everybody's."""
    student.write({".dvc/.gitignore": IGNORED} | ({} if text is None else {".dvc/config.local": text}))
    before = student.texts()
    student.join(invite, profile="mine")
    without_profile(student)
    assert student.join(invite, profile="another").changed
    assert dvc_says(student) == (URL, "another")
    without_profile(student)
    assert student.join(invite).changed
    assert not student.join(invite).changed
    now = student.texts()
    for name in (".dvc/config.local", ".dvc/.gitignore"):
        assert now.get(str(student.folder / name)) == before.get(str(student.folder / name))
    student.leave()
    assert student.texts() == before


@pytest.mark.parametrize("first", ["stag", "prod"])
@pytest.mark.parametrize("text", [None, "[cache]\n    dir = /x", "[cache]\n    dir = /x\n"])
def test_other_names_in_several_environments(
    student: Student, cloud: Cloud, invite: Invite, text: str | None, first: str
) -> None:
    student.write({".dvc/.gitignore": "/cache"} | ({} if text is None else {".dvc/config.local": text}))
    before = student.texts()
    student.join(invite, profile="mine")
    student.join(cloud.invite(env="prod"), profile="mine-too")
    assert (dvc_says(student)[1], dvc_says(student, "prod")[1]) == ("mine", "mine-too")
    student.leave(first)
    other = "prod" if first == "stag" else "stag"
    assert dvc_says(student, other)[1] == ("mine-too" if first == "stag" else "mine")
    student.leave()
    assert student.texts() == before


def test_what_was_added_to_dvcs_personal_file_since_stays(student: Student, invite: Invite) -> None:
    student.write({".dvc/.gitignore": "/cache\n"})
    student.join(invite, profile="mine")
    student.dvc("remote", "modify", "--local", "stag", "session_token", "theirs")
    left = student.leave()
    assert student.read(".dvc/config.local") == "['remote \"stag\"']\n    session_token = theirs\n"
    # It may hold secrets by now.
    assert student.read(".dvc/.gitignore") == "/cache\n/config.local\n"
    assert left.kept == ["the line /config.local in .dvc/.gitignore, because .dvc/config.local is there"]


def test_a_name_that_was_changed_by_hand_since_stays(student: Student, invite: Invite) -> None:
    student.join(invite, profile="mine")
    student.write({".dvc/config.local": LOCAL.replace("mine", "by-hand")})
    student.leave()
    assert student.read(".dvc/config.local") == LOCAL.replace("mine", "by-hand")


def test_another_name_that_an_earlier_version_shared(student: Student, invite: Invite) -> None:
    student.join(invite, profile="mine")
    (student.folder / ".dvc" / "config.local").unlink()
    shared = student.read(".dvc/config")
    student.write({".dvc/config": shared.replace("profile = course-stag", "profile = mine")})
    assert student.join(invite).changed
    assert student.read(".dvc/config") == shared
    assert dvc_says(student) == (URL, "mine")


def test_another_name_on_a_branch_without_the_remote(student: Student, invite: Invite) -> None:
    student.write({".dvc/.gitignore": IGNORED})
    before = student.texts()
    student.join(invite, profile="mine")
    student.write({".dvc/config": ""})
    assert student.join(invite).changed
    assert dvc_says(student) == (URL, "mine")
    student.write({".dvc/config": ""})
    student.leave()
    assert student.texts() == before


@pytest.mark.parametrize("written", [False, True])
def test_another_name_after_a_stop(
    student: Student, invite: Invite, monkeypatch: pytest.MonkeyPatch, written: bool
) -> None:
    from bootstrap.adapters import dvc

    student.write({".dvc/.gitignore": "/cache", ".dvc/config.local": "[cache]\n    dir = /x"})
    before = student.texts()
    for again in (True, False):
        with monkeypatch.context() as patch:
            patch.setattr(dvc, "write_personal", stopped_after(dvc.write_personal if written else lambda *_: None))
            with pytest.raises(KeyboardInterrupt):
                student.join(invite, profile="mine")
        if again:
            assert student.join(invite).changed
            assert dvc_says(student) == (URL, "mine")
        student.leave()
        assert student.texts() == before


def test_another_name_in_a_repository_that_join_made(plain: Student, invite: Invite) -> None:
    plain.git("init", "-q")
    plain.join(invite, profile="mine")
    assert dvc_says(plain) == (URL, "mine")
    assert ".dvc/config.local" not in plain.git("status", "--porcelain", "--untracked-files=all")
    assert plain.leave().kept == []
    assert plain.texts() == {}


def test_a_personal_file_that_git_tracks(student: Student, invite: Invite) -> None:
    student.write({".dvc/config.local": "[cache]\n    dir = /x\n"})
    student.git("add", "--force", ".dvc/config.local")
    error = refused(student, ConfigError, "tracked by git", invite, profile="mine")
    assert error.hint.endswith("git rm --cached .dvc/config.local")
    assert student.join(invite).changed


UNREADABLE = {
    "no configuration": ("[cache\n", "DVC cannot read this line"),
    "a section hidden in a value": (
        "[a]\nx = '''\n['remote \"stag\"']\n'''\n",
        "a value in it goes over several lines",
    ),
}


@pytest.mark.parametrize(("text", "match"), UNREADABLE.values(), ids=UNREADABLE.keys())
def test_a_personal_file_that_cannot_be_changed(student: Student, invite: Invite, text: str, match: str) -> None:
    student.write({".dvc/config.local": text})
    refused(student, ConfigError, match, invite, profile="mine")
    # Everybody's name needs nothing there.
    assert student.join(invite).changed
    student.leave()
    assert student.read(".dvc/config.local") == text


# --- repositories ---


def test_a_git_repository_becomes_a_dvc_repository_and_back(plain: Student, invite: Invite) -> None:
    plain.git("init", "-q")
    deep = plain.folder / "week 1"
    deep.mkdir()
    done = plain.join(invite, folder=deep)
    assert done.record.dvc_repository == "."
    assert "remote = stag" in plain.read(".dvc/config")
    assert plain.git("diff", "--cached", "--name-only").split() == [".dvc/.gitignore", ".dvc/config", ".dvcignore"]
    plain.dvc("remote", "list")
    left = plain.leave(folder=deep)
    assert left.kept == []
    assert ".dvc/, which `dvc init` made here" in left.removed
    assert plain.texts() == {}
    assert not (plain.folder / ".dvc").exists()
    assert plain.git("status", "--porcelain") == ""


@pytest.mark.parametrize(
    ("what", "why"), [("data", "more in it"), ("all", "more in it"), (".dvcignore", "it is committed")]
)
def test_a_dvc_repository_in_use_stays(plain: Student, invite: Invite, what: str, why: str) -> None:
    plain.git("init", "-q")
    plain.join(invite)
    if what == "data":
        plain.write({"data.txt": "x"})
        plain.dvc("add", "-q", "data.txt")
    else:
        plain.git("add", "." if what == "all" else what)
        plain.git("commit", "-q", "-m", "begin", *([] if what == "all" else ["--", what]))
    config = plain.read(".dvc/config")
    left = plain.leave()
    # With all of it the remote is committed too.
    assert len(left.kept) == (2 if what == "all" else 1)
    assert why in left.kept[-1]
    assert plain.read(".dvc/config") == (config if what == "all" else "")
    assert (plain.folder / ".dvcignore").is_file()


def test_without_a_repository(plain: Student, invite: Invite) -> None:
    done = plain.join(invite)
    assert done.record.dvc_repository is None
    assert any("no DVC remote was written" in note for note in plain.story.told)
    assert not plain.join(invite).changed
    # The folder may become a repository later.
    assert plain.read(".gitignore") == "/.env\n"
    plain.leave()
    assert plain.texts() == {}


def test_a_dvc_repository_without_git(plain: Student, invite: Invite) -> None:
    plain.dvc("init", "-q", "--no-scm")
    before = plain.texts()
    plain.join(invite)
    assert "remote = stag" in plain.read(".dvc/config")
    plain.write({"data.txt": "x"})
    plain.dvc("add", "-q", "data.txt")
    plain.leave()
    assert plain.read(".dvc/config") == before[str(plain.folder / ".dvc" / "config")].decode()


def test_without_dvc_the_rest_is_written(plain: Student, invite: Invite, monkeypatch: pytest.MonkeyPatch) -> None:
    from bootstrap.adapters import dvc

    monkeypatch.setattr(dvc, "find", lambda *_: None)
    plain.git("init", "-q")
    plain.join(invite)
    assert any("pip install 'dvc[s3]'" in note for note in plain.story.told)
    assert not plain.join(invite).changed
    plain.leave()
    assert plain.texts() == {}


def test_several_environments_in_one_folder(student: Student, cloud: Cloud, invite: Invite) -> None:
    student.write({".dvc/config": "[core]\n    analytics = false", ".env": "MINE=1"})
    before = student.texts()
    student.join(invite)
    student.join(cloud.invite(env="prod"))
    assert student.read(".env").count("AWS_PROFILE") == 2
    with pytest.raises(UsageError, match="prod, stag") as caught:
        student.leave()
    assert "--env" in caught.value.hint
    with pytest.raises(BootstrapError, match="'devl' is not joined in") as missing:
        student.leave("devl")
    assert "Joined here: prod, stag" in missing.value.message
    student.leave("stag")
    assert "remote = prod" in student.read(".dvc/config")
    assert student.read(".gitignore") == "/.env\n"
    student.leave()
    assert student.texts() == before


def test_the_same_environment_of_two_projects(student: Student, cloud: Cloud, invite: Invite) -> None:
    student.join(invite)
    refused(student, BootstrapError, "has joined 'stag' of the project course", cloud.invite(project="other"))


def test_an_operator_may_work_on_another_environment_in_the_same_folder(student: Student, invite: Invite) -> None:
    before = student.texts()
    student.join(invite)
    joined = student.texts()
    operator = Project(student.folder, Spec.default("course"), os.environ, student.home)
    operator.save(Record("course", "devl", "aws", "us-east-1", ACCOUNT, None, "b", "s", "course-devl", "s3://b/dvc/ci"))
    assert [record.env for record in operator.recorded()] == ["devl"]
    shutil.rmtree(operator.env_folder("devl"))
    operator.tidy("devl")
    assert student.texts() == joined
    assert not student.join(invite).changed
    student.leave()
    assert student.texts() == before
    assert not (student.folder / ".bootstrap").exists()


def test_leaving_what_was_never_joined(student: Student) -> None:
    before = student.files()
    with pytest.raises(BootstrapError, match="No environment is joined in") as caught:
        student.leave()
    assert caught.value.exit_code == 1
    assert caught.value.hint == "There is nothing to undo."
    assert student.files() == before


def test_leaving_in_the_wrong_folder(student: Student, invite: Invite) -> None:
    student.join(invite)
    with pytest.raises(BootstrapError, match="No environment is joined in") as caught:
        student.leave(folder=student.home)
    assert caught.value.hint == f"Go to where it was: {student.folder}"
    with pytest.raises(BootstrapError, match="Joined here: stag") as caught:
        student.leave("prod")
    assert caught.value.hint == "There is nothing to undo."


def test_no_heavy_package_is_needed(student: Student, invite: Invite) -> None:
    """A laptop with neither MLflow nor DVC nor Terraform can join; mlflow alone would take seconds to import."""
    code = sealing.new_code()
    path = student.home / "ana.age"
    path.write_text(sealing.seal_to_code(invite.to_bytes(), code))
    script = (
        "import json, sys\nfrom bootstrap.commands.join import command\n"
        "command([sys.argv[1]], standalone_mode=False)\nfrom bootstrap.commands.leave import command\n"
        "command([], standalone_mode=False)\nprint(json.dumps([name.partition('.')[0] for name in sys.modules]))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(path)],
        cwd=student.folder,
        env={**os.environ, "BOOTSTRAP_INVITE_CODE": code.secret},
        capture_output=True,
        text=True,
        check=True,
    )
    assert "You have joined" in done.stdout
    assert {"mlflow", "dvc", "moto", "python_terraform"} & set(json.loads(done.stdout.splitlines()[-1])) == set()


# --- an `.env` that a shell reads ---


def test_a_shell_reads_our_values_even_among_windows_lines(student: Student, invite: Invite) -> None:
    """A carriage return at the end of our lines would be part of each value."""
    student.write({".env": "MINE=1\r\n"})
    student.join(invite)
    script = 'set -a; . ./.env; printf "%s|%s|%s" "$AWS_PROFILE" "$MLFLOW_TRACKING_PASSWORD" "$MLFLOW_EXPERIMENT_NAME"'
    done = subprocess.run(["sh", "-c", script], cwd=student.folder, capture_output=True, text=True, check=True)
    assert done.stdout == f"course-stag|{PASSWORD}|blue/default"


# --- the command line: what opens an invite ---


@pytest.fixture
def runner(monkeypatch: pytest.MonkeyPatch, student: Student) -> CliRunner:
    monkeypatch.chdir(student.folder)
    return CliRunner()


@pytest.fixture
def sealed(student: Student, invite: Invite) -> tuple[Path, str]:
    """Return an invite's file and its code."""
    code = sealing.new_code()
    path = student.home / "ana.age"
    path.write_text(sealing.seal_to_code(invite.to_bytes(), code))
    return path, code.secret


WAYS: dict[str, tuple[Callable[[str], list[str]], Callable[[str], str | None], dict[str, str]]] = {
    "an option": (lambda code: ["--code", code], lambda _: None, {}),
    "standard input": (lambda _: ["--code", "-"], lambda code: f"{code}\n", {}),
    "a variable": (lambda _: [], lambda _: None, {"BOOTSTRAP_INVITE_CODE": "CODE"}),
}


@pytest.mark.parametrize(("words", "typed", "variables"), WAYS.values(), ids=WAYS.keys())
def test_ways_to_give_the_code(
    runner: CliRunner,
    sealed: tuple[Path, str],
    words: Callable[[str], list[str]],
    typed: Callable[[str], str | None],
    variables: dict[str, str],
) -> None:
    path, code = sealed
    env = {name: value.replace("CODE", code) for name, value in variables.items()}
    done = runner.invoke(join_command, [str(path), *words(code)], input=typed(code), env=env)
    assert done.exit_code == 0, done.exception
    assert "You have joined 'stag' of the project course as ana (student, team blue)" in done.stdout
    assert f"s3://{NAMES.bucket}/members/ana/" in done.stdout
    assert code not in done.output
    assert PASSWORD not in done.output
    gone = runner.invoke(leave_command, [])
    assert gone.exit_code == 0
    assert "You have left 'stag'" in gone.stdout


def test_nobody_there_to_type_the_code(runner: CliRunner, sealed: tuple[Path, str]) -> None:
    done = runner.invoke(join_command, [str(sealed[0])])
    assert isinstance(done.exception, UsageError)
    assert "--code -" in done.exception.hint


def test_the_invite_on_standard_input(runner: CliRunner, sealed: tuple[Path, str]) -> None:
    path, code = sealed
    done = runner.invoke(join_command, ["-", "--code", code, "--json"], input=path.read_text())
    assert done.exit_code == 0, done.exception
    found = json.loads(done.stdout)
    assert (found["changed"], found["member"], found["team"], found["expires"]) == (True, "ana", "blue", None)
    assert found["output"]["bucket"] == NAMES.bucket
    again = runner.invoke(join_command, ["-", "--code", code, "--json", "--yes"], input=path.read_text())
    assert json.loads(again.stdout)["changed"] is False
    both = runner.invoke(join_command, ["-", "--code", "-"], input=path.read_text())
    assert isinstance(both.exception, UsageError)
    left = runner.invoke(leave_command, ["--json"])
    assert json.loads(left.stdout)["member"] == "ana"


def test_a_wrong_code(runner: CliRunner, student: Student, sealed: tuple[Path, str]) -> None:
    before = student.files()
    done = runner.invoke(join_command, [str(sealed[0]), "--code", sealing.new_code().secret])
    assert isinstance(done.exception, InviteError)
    assert "does not open this invite" in done.exception.message
    assert student.files() == before


def test_a_passphrase(runner: CliRunner, student: Student, invite: Invite) -> None:
    path = student.home / "ana.age"
    path.write_text(sealing.seal_with_passphrase(invite.to_bytes(), "four words that fit"))
    done = runner.invoke(join_command, [str(path)], input="four words that fit\n")
    assert done.exit_code == 0, done.exception


def test_an_ssh_key(runner: CliRunner, student: Student, invite: Invite) -> None:
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import ed25519

    key = ed25519.Ed25519PrivateKey.generate()
    public = key.public_key().public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH)
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.OpenSSH,
        serialization.BestAvailableEncryption(b"of the key"),
    )
    path = student.home / "ana.age"
    path.write_text(sealing.seal_to_ssh(invite.to_bytes(), [public.decode()]))
    nowhere = runner.invoke(join_command, [str(path)])
    assert isinstance(nowhere.exception, InviteError)
    elsewhere = student.home / "key of mine"
    elsewhere.write_bytes(private)
    done = runner.invoke(join_command, [str(path), "--identity", str(elsewhere)], input="of the key\n")
    assert done.exit_code == 0, done.exception
    student.write({"~/.ssh/id_ed25519": private.decode()})
    again = runner.invoke(join_command, [str(path)], input="of the key\n")
    assert again.exit_code == 0, again.exception
    assert again.stdout.startswith("No changes: you are in 'stag' as ana")


def test_the_last_day_is_told(runner: CliRunner, student: Student, invite: Invite) -> None:
    code = sealing.new_code()
    path = student.home / "ana.age"
    path.write_text(sealing.seal_to_code(replace(invite, expires=date(2999, 7, 1)).to_bytes(), code))
    done = runner.invoke(join_command, [str(path), "--code", code.secret])
    assert "last day     2999-07-01 (UTC)" in done.stdout


# --- MLflow on DagsHub: the invite has its address, each brings a token of their own ---

TOKEN = "a" * 40


@pytest.fixture
def hub() -> Iterator[HubServer]:
    with dagshub() as found:
        yield found


def of_hub(cloud: Cloud, hub: HubServer) -> Invite:
    uri = f"{hub.url}/ana/course.mlflow"
    return cloud.invite(mlflow_tracking_uri=uri, mlflow_password=None)


def test_a_token_in_the_environment(
    student: Student, cloud: Cloud, hub: HubServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = student.texts()
    monkeypatch.setenv("DAGSHUB_USER_TOKEN", TOKEN)
    done = student.join(of_hub(cloud, hub))
    assert "log in to MLflow" in [check.what for check in done.checks]
    settings = student.read(".env")
    assert "MLFLOW_TRACKING_USERNAME=ana-hub\n" in settings
    assert f"MLFLOW_TRACKING_PASSWORD={TOKEN}\n" in settings
    assert student.read(".dvc/config.local").count(TOKEN) == 2
    assert TOKEN not in student.read(".dvc/config")
    monkeypatch.delenv("DAGSHUB_USER_TOKEN")
    files = student.files()
    assert not student.join(done.invite).changed, "the token that is written here still does"
    assert student.files() == files
    assert not any(TOKEN in text for text in student.story.told)
    student.leave()
    assert student.texts() == before


def test_a_token_that_is_asked_for(student: Student, cloud: Cloud, hub: HubServer) -> None:
    asked = []

    def answer(of: Hub) -> str:
        asked.append(of.token_page)
        return TOKEN

    how = (os.environ, student.home, of_hub(cloud, hub), None, student.story, NOW)
    assert join(student.folder, *how, ask_token=answer).changed
    assert asked == [f"{hub.url}/user/settings/tokens"]
    assert TOKEN in student.read(".env")


def test_without_a_token_all_but_mlflow_works(student: Student, cloud: Cloud, hub: HubServer) -> None:
    done = student.join(of_hub(cloud, hub))
    assert "log in to MLflow" not in [check.what for check in done.checks]
    assert "MLFLOW" not in student.read(".env")
    assert any("/user/settings/tokens, then: export DAGSHUB_USER_TOKEN=" in note for note in student.story.told)


def test_somebody_whom_the_repository_does_not_know_yet(
    student: Student, cloud: Cloud, hub: HubServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub.repositories["ana/course"] = set()
    monkeypatch.setenv("DAGSHUB_USER_TOKEN", TOKEN)
    student.join(of_hub(cloud, hub))
    assert any("does not take ana-hub yet" in note for note in student.story.told)
    hub.repositories["ana/course"] = {"ana-hub"}
    assert student.join(of_hub(cloud, hub)).changed
    assert TOKEN in student.read(".env")


def test_a_token_that_dagshub_does_not_know(
    student: Student, cloud: Cloud, hub: HubServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DAGSHUB_USER_TOKEN", "c" * 40)
    error = refused(student, BootstrapError, "does not know the token", of_hub(cloud, hub))
    assert "/user/settings/tokens" in error.hint
    assert "c" * 40 not in error.message + error.hint
