"""What the commands do about MLflow on a machine of its own: what stands in the way, its password, its runs, its end.

moto in this process is the account. No machine is here: what a look at it sees is told by the tests, or seen at
sockets of theirs.
"""

from __future__ import annotations

import socket
import sqlite3
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from moto import mock_aws

from bootstrap.adapters import reachable
from bootstrap.adapters.aws import addresses, parameters, people
from bootstrap.adapters.aws.session import Aws
from bootstrap.adapters.mlflow_api import MlflowApi, User
from bootstrap.adapters.reachable import Look, Obstacle
from bootstrap.core.names import Names
from bootstrap.core.record import Record
from bootstrap.core.spec import parse_spec
from bootstrap.errors import AwsFailed, BootstrapError
from bootstrap.workflows import archive, mlflow_database, mlflow_machine
from bootstrap.workflows.archive import make_archive, open_archive
from bootstrap.workflows.counter import open_counter
from bootstrap.workflows.mlflow_database import MachineDatabase
from bootstrap.workflows.mlflow_kinds import server_up
from bootstrap.workflows.mlflow_machine import OnMachine, end_accounts, leaving
from bootstrap.workflows.offboard import close_access
from bootstrap.workflows.project import Project
from bootstrap.workflows.target import Place
from tests.adapters.doubles import Step, Story

NAMES = Names("course", "stag", "123456789012")
URL = "https://203-0-113-9.sslip.io"
CONFIG = """\
project = "course"
[environments.stag.mlflow]
kind = "ec2"
allowed_cidrs = ["203.0.113.7/32", "2001:db8::/32"]
"""


class Told(Step):
    """Remembers how far something was said to be."""

    def __init__(self) -> None:
        self.details: list[str] = []

    def detail(self, text: str) -> None:
        self.details.append(text)


@dataclass
class School:
    """An environment with a bucket, whose MLflow is on a machine; `slept` are the pauses that were made."""

    project: Project
    place: Place
    record: Record
    story: Story = field(default_factory=Story)
    step: Told = field(default_factory=Told)
    slept: list[float] = field(default_factory=list)

    @property
    def server(self) -> OnMachine:
        return OnMachine(self.project, self.place, self.slept.append, lambda: sum(self.slept))

    def configured(self, text: str) -> School:
        return replace(self, project=replace(self.project, spec=parse_spec(text, "bootstrap.toml")))

    def put(self, key: str, body: bytes = b"content") -> None:
        self.place.aws.client("s3").put_object(Bucket=NAMES.bucket, Key=key, Body=body)

    def has(self, key: str) -> bool:
        found = self.place.aws.client("s3").list_objects_v2(Bucket=NAMES.bucket, Prefix=key)
        return bool(found.get("Contents"))


@pytest.fixture
def school(tmp_path: Path, home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[School]:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAIOSFODNN7EXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    # moto, in this process, breaks off at the one listing that it does not know.
    monkeypatch.setattr(people, "_BELONGINGS", [one for one in people._BELONGINGS if "service" not in one.lister])
    with mock_aws():
        aws = Aws("us-east-1")
        for bucket in (NAMES.bucket, NAMES.state_bucket):
            aws.client("s3").create_bucket(Bucket=bucket)
        project = Project(tmp_path, parse_spec(CONFIG, "bootstrap.toml"), {}, home)
        record = Record(
            *("course", "stag", "aws", "us-east-1", NAMES.account, None, NAMES.bucket, NAMES.state_bucket),
            *(NAMES.profile, NAMES.dvc_url()),
            mlflow_kind="ec2",
            mlflow_tracking_uri=URL,
            mlflow_username="ci",
        )
        yield School(project, Place("aws", NAMES, aws, None, custom_endpoint=False, emulated=False), record)


# --- a look at a server ---


def answering(status: int) -> HTTPServer:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            self.end_headers()

        def log_message(self, *_: object) -> None: ...

    return HTTPServer(("127.0.0.1", 0), Handler)


@pytest.mark.parametrize(("status", "obstacle"), [(200, None), (502, "not ready"), (404, "not ready")])
def test_what_answers(status: int, obstacle: Obstacle | None) -> None:
    server = answering(status)
    thread = threading.Thread(target=server.handle_request)
    thread.start()
    try:
        assert reachable.look(f"http://127.0.0.1:{server.server_port}/health").obstacle == obstacle
    finally:
        thread.join()
        server.server_close()


def test_what_does_not_answer() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        assert reachable.look(f"http://127.0.0.1:{port}/health", timeout=0.2).obstacle == "silence"
        assert reachable.look(f"https://127.0.0.1:{port}/health", timeout=0.2).obstacle == "silence"
    assert reachable.look(f"https://127.0.0.1:{port}/health").obstacle == "refusal"
    assert reachable.look("https://nobody.invalid/health").obstacle == "name"


def test_a_server_without_a_certificate() -> None:
    """It breaks the handshake off, as Caddy does until it has one."""
    with socket.create_server(("127.0.0.1", 0)) as bare:

        def refuse() -> None:
            connection, _ = bare.accept()
            with connection, pytest.raises(ssl.SSLError):
                ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).wrap_socket(connection, server_side=True)

        thread = threading.Thread(target=refuse)
        thread.start()
        found = reachable.look(f"https://127.0.0.1:{bare.getsockname()[1]}/health")
        thread.join()
    assert found.obstacle == "certificate"


# --- waiting for it ---


def seen(monkeypatch: pytest.MonkeyPatch, *looks: Look) -> None:
    """Let each look at the machine see the next of these, and from then on the last one."""
    left = list(looks)
    monkeypatch.setattr(mlflow_machine, "look", lambda _: left.pop(0) if len(left) > 1 else left[0])


def test_it_is_waited_for(school: School, monkeypatch: pytest.MonkeyPatch) -> None:
    seen(monkeypatch, Look("silence"), Look("refusal"), Look("certificate"), Look("not ready"), Look(None))
    school.server._wait(URL, school.story, school.step)
    assert len(school.slept) == 4
    assert any("You may press Ctrl-C; `bootstrap up --env stag` goes on" in note for note in school.story.notes)
    assert [one.partition(";")[0] for one in school.step.details] == [
        "it does not answer yet",
        "the machine is there, its server is not yet",
        "it has no certificate yet",
        "MLflow starts",
    ]


def test_one_that_answers_is_not_talked_about(school: School, monkeypatch: pytest.MonkeyPatch) -> None:
    seen(monkeypatch, Look(None))
    school.server._wait(URL, school.story, school.step)
    assert (school.slept, school.story.told, school.step.details) == ([], [], [])


@pytest.mark.parametrize(
    ("obstacle", "message", "hint"),
    [
        ("silence", "nothing answers there", "bootstrap.toml:4: 203.0.113.7/32, 2001:db8::/32"),
        ("silence", "nothing answers there", "curl https://checkip.amazonaws.com"),
        ("name", "nobody knows the name 203-0-113-9.sslip.io", "write a `domain` of your own"),
        ("refusal", "its web server does not run", "Get system log"),
        ("certificate", "no valid certificate for 203-0-113-9.sslip.io (why not)", "on port 80"),
        ("not ready", "MLflow does not run (why not)", "course.stag.mlflow"),
        ("network", "why not", "HTTPS_PROXY"),
    ],
)
def test_one_that_never_answers(
    school: School, monkeypatch: pytest.MonkeyPatch, obstacle: Obstacle, message: str, hint: str
) -> None:
    seen(monkeypatch, Look(obstacle, "why not"))
    with pytest.raises(BootstrapError) as caught:
        school.server.admit(school.record, None, school.story, school.step)
    assert 900 <= sum(school.slept) < 915
    assert f"{URL} did not answer within 15 minutes" in caught.value.message
    assert message in caught.value.message
    assert hint in caught.value.hint
    assert caught.value.hint.endswith("Then: bootstrap up --env stag")


def test_a_domain_has_to_lead_to_the_machine(school: School, monkeypatch: pytest.MonkeyPatch) -> None:
    ec2 = school.place.aws.client("ec2")
    assert addresses.elastic_ip(school.place.aws, "course", "stag") is None
    tags = [{"Key": "bootstrap:project", "Value": "course"}, {"Key": "bootstrap:env", "Value": "stag"}]
    specification = [{"ResourceType": "elastic-ip", "Tags": tags}]
    address = ec2.allocate_address(Domain="vpc", TagSpecifications=specification)["PublicIp"]
    ec2.allocate_address(Domain="vpc")
    seen(monkeypatch, Look("name"))
    own = school.configured(CONFIG + 'domain = "mlflow.example.org"\n')
    with pytest.raises(BootstrapError) as caught:
        own.server._wait("https://mlflow.example.org", school.story, school.step)
    told = f"mlflow.example.org has to lead to the machine: make its A record say {address}."
    assert told in school.story.notes
    assert f"bootstrap.toml:5: make the A record of mlflow.example.org say {address}." in caught.value.hint


# --- its administrator ---


def test_the_password_is_where_the_machine_left_it(school: School) -> None:
    assert server_up(school.project, school.place, school.record) == OnMachine(school.project, school.place)
    with pytest.raises(BootstrapError, match="there is no parameter /course/stag/mlflow/admin-password in us-east-1"):
        school.server.administrator(school.record)
    name = NAMES.mlflow_password_parameter
    school.place.aws.client("ssm").put_parameter(Name=name, Value="s3cret-of-admin", Type="SecureString")
    api = school.server.administrator(school.record)
    assert (api.url, api.username, api.password) == (URL, "admin", "s3cret-of-admin")
    assert "s3cret" not in repr(api)


def test_somebody_who_may_not_read_it(school: School, monkeypatch: pytest.MonkeyPatch) -> None:
    """A stub, since moto in this process lets everybody do everything."""

    class Refusing:
        def get_parameter(self, **_: Any) -> None:
            raise ClientError({"Error": {"Code": "AccessDeniedException", "Message": "no"}}, "GetParameter")

    monkeypatch.setitem(school.place.aws._clients, "ssm", Refusing())
    with pytest.raises(AwsFailed) as caught:
        parameters.read_secret(school.place.aws, NAMES.mlflow_password_parameter)
    parameter = "arn:aws:ssm:us-east-1:*:parameter/course/stag/mlflow/admin-password"
    assert f"lacks ssm:GetParameter on {parameter}" in caught.value.hint


def test_what_is_to_be_done_there(school: School, monkeypatch: pytest.MonkeyPatch) -> None:
    server, record = school.server, school.record
    new = replace(record, mlflow_tracking_uri=None)
    assert [step.what for step in server.steps(new, None)] == ["a login for ci at the MLflow server on that machine"]
    seen(monkeypatch, Look("silence"))
    assert "as soon as that server answers" in server.steps(record, "old")[0].what
    seen(monkeypatch, Look(None))
    monkeypatch.setattr(MlflowApi, "login_works", lambda api: api.password == "good")
    assert server.steps(record, "good") == []
    assert [step.what for step in server.steps(record, "bad")] == [f"a new password for ci at {URL}"]
    assert [step.what for step in server.steps(record, None)] == [f"a new password for ci at {URL}"]


def test_the_address_is_terraforms(school: School) -> None:
    new = replace(school.record, mlflow_tracking_uri=None, mlflow_username=None)
    assert school.server.located(new, {"mlflow_url": URL}) == school.record
    with pytest.raises(BootstrapError, match="its state has no mlflow_url"):
        school.server.located(new, {})
    assert school.server.drafted(new).mlflow_tracking_uri is None
    school.project.save(school.record)
    assert school.server.drafted(new).mlflow_tracking_uri == URL


# --- its end ---


def test_accounts_end_before_the_machine_does(school: School, monkeypatch: pytest.MonkeyPatch) -> None:
    name = NAMES.mlflow_password_parameter
    school.place.aws.client("ssm").put_parameter(Name=name, Value="s3cret-of-admin", Type="SecureString")
    ended: list[str] = []
    users = [User("admin", True), User("ci", False), User("ana", False)]
    monkeypatch.setattr(MlflowApi, "users", lambda _: users)
    monkeypatch.setattr(MlflowApi, "delete_user", lambda _, name: ended.append(name))
    end_accounts(school.server, school.record, school.story)
    assert (sorted(ended), school.story.told) == (["ana", "ci"], [])


def test_a_machine_that_is_gone_holds_nobody_up(school: School) -> None:
    end_accounts(school.server, school.record, school.story)
    assert len(school.story.notes) == 1
    assert "The accounts at MLflow end with its machine" in school.story.notes[0]


def test_a_key_ends_even_if_mlflow_cannot_be_asked(school: School) -> None:
    aws, user = school.place.aws, NAMES.iam_user("ana")
    aws.client("iam").create_user(UserName=user, Path=NAMES.iam_path)
    people.mint_key(aws, user)
    school.project.save(school.record.completed())
    with (
        open_counter(school.project, "stag", None, "offboard", school.story, keys_first=True) as counter,
        pytest.raises(BootstrapError, match="is not in SSM's store"),
    ):
        close_access(counter, ["ana"])
    assert people.key_ids(aws, user) == []


def test_what_down_says_of_it(school: School) -> None:
    assert [step.what for step in leaving(school.record)] == [f"the MLflow server at {URL} with its runs and accounts"]
    assert leaving(replace(school.record, mlflow_tracking_uri=None)) == []
    assert leaving(replace(school.record, mlflow_kind="none")) == []


# --- its runs, in an archive ---


def a_database(path: Path, *names: str) -> bytes:
    path.unlink(missing_ok=True)
    with closing(sqlite3.connect(path)) as found:
        found.execute("CREATE TABLE experiments (name TEXT)")
        found.executemany("INSERT INTO experiments VALUES (?)", [(name,) for name in names])
        found.commit()
    return path.read_bytes()


def names_in(path: Path) -> list[str]:
    with closing(sqlite3.connect(path)) as found:
        return [name for (name,) in found.execute("SELECT name FROM experiments")]


def timer(school: School, tmp_path: Path, *copies: str) -> Callable[[float], None]:
    """Return a pause in which the machine leaves its copy, the second time the next one."""
    left = list(copies)

    def pause(seconds: float) -> None:
        school.slept.append(seconds)
        if left and len(school.slept) % 3 == 0:
            school.put("mlflow/.backup/mlflow.db", a_database(tmp_path / "machine.db", left.pop(0)))
            school.place.aws.client("s3").delete_object(Bucket=NAMES.bucket, Key="mlflow/.backup/wanted")

    return pause


def archived(school: School, place: Path, *, runs: bool = True, settle: Callable[[], None] = lambda: None) -> Path:
    store = open_archive(school.project, school.record, school.place, place, school.story)
    make_archive(school.project, school.record, school.place, store, False, school.story, settle, runs=runs)
    return place


def test_an_archive_has_the_last_word_of_the_machine(
    school: School, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    school.put("mlflow/0/abc/artifacts/model.txt")
    pause = timer(school, tmp_path, "before", "after")
    database = MachineDatabase(school.place, NAMES.bucket, "stag", school.story, pause)
    monkeypatch.setattr(archive, "database_of", lambda *_: database)
    place = archived(school, tmp_path / "archive")
    assert names_in(place / "mlflow" / "mlflow.db") == ["after"]
    assert len(school.slept) == 6, "asked once before everything has ended, and once after"
    assert (place / "mlflow" / "artifacts" / "0" / "abc" / "artifacts" / "model.txt").is_file()
    assert not [path for path in place.rglob("*") if "backup" in path.name]
    assert not school.has("mlflow/.backup/wanted")


def test_a_machine_that_leaves_no_copy(school: School, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    school.put("mlflow/.backup/mlflow.db", a_database(tmp_path / "old.db", "of last night"))
    ended: list[bool] = []
    found = mlflow_database.database_of(school.project, school.record, school.place, school.story)
    assert isinstance(found, MachineDatabase)
    database = replace(found, sleep=school.slept.append)
    monkeypatch.setattr(archive, "database_of", lambda *_: database)
    with pytest.raises(BootstrapError) as caught:
        archived(school, tmp_path / "archive", settle=lambda: ended.append(True))
    assert "did not leave a copy of its database within 3 minutes. Nothing was removed." in caught.value.message
    assert "add --without-runs" in caught.value.hint
    assert (sum(school.slept), ended) == (180.0, [])
    assert not school.has("mlflow/.backup/wanted"), "nobody is left asking"

    place = archived(school, tmp_path / "archive", runs=False, settle=lambda: ended.append(True))
    assert ended == [True]
    assert not (place / "mlflow" / "mlflow.db").exists()
    assert "left no copy of its database" in (place / "README.txt").read_text()


def test_a_bucket_that_is_gone_already_is_not_asked(school: School, tmp_path: Path) -> None:
    """As after a `down` that was killed when it had come that far."""
    school.place.aws.client("s3").delete_bucket(Bucket=NAMES.bucket)
    place = archived(school, tmp_path / "archive")
    assert school.slept == []
    assert "mlflow.db" not in [path.name for path in place.rglob("*")]
