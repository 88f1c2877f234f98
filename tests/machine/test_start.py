"""The server as the machine starts it, for real, against an emulator; and what a member can reach of the copies."""

from __future__ import annotations

import base64
import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import pytest

from bootstrap.adapters.emulator import Emulator
from bootstrap.adapters.mlflow_api import MlflowApi
from tests.machine.rendering import MACHINE, SAMPLE, UserData
from tests.machine.test_machine import backup
from tests.ports import some_port

API = "/api/2.0/mlflow"
ARTIFACTS = "/api/2.0/mlflow-artifacts"
BUCKET, HOST = SAMPLE["bucket"], SAMPLE["hostname"]
SECRET = b"all the runs of everybody"
_KEY = {"aws_access_key_id": "any", "aws_secret_access_key": "any"}


def client(endpoint: str, service: str) -> Any:
    # Of a service that is named only when it runs no type checker knows the client.
    make: Any = boto3.client
    return make(service, endpoint_url=endpoint, region_name=SAMPLE["region"], **_KEY)


@dataclass(frozen=True)
class Started:
    """A server that serve.py became, its data folder, and the emulator that is its AWS."""

    data: Path
    port: int
    endpoint: str
    process: subprocess.Popen[bytes]

    def client(self, service: str) -> Any:
        return client(self.endpoint, service)

    def password(self) -> str:
        name = f"{SAMPLE['parameter_path']}mlflow/admin-password"
        found: str = self.client("ssm").get_parameter(Name=name, WithDecryption=True)["Parameter"]["Value"]
        return found

    def ask(
        self, path: str, method: str = "GET", body: Any = None, login: tuple[str, str] | None = None, **headers: str
    ) -> tuple[int, bytes]:
        data = json.dumps(body).encode() if isinstance(body, dict) else body
        # As Caddy passes a request on: with the name that people use.
        headers = {"Host": HOST, "Content-Type": "application/json", **headers}
        if login:
            headers["Authorization"] = f"Basic {base64.b64encode(':'.join(login).encode()).decode()}"
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}{path}", data, headers, method=method)
        try:
            with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=30) as answer:
                return answer.status, answer.read()
        except urllib.error.HTTPError as error:
            return error.code, error.read()


@pytest.fixture(scope="module")
def started(user_data: UserData, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Started]:
    folder = tmp_path_factory.mktemp("start")
    data, emulator = folder / "data", Emulator(folder / "aws")
    data.mkdir(mode=0o700)
    plain = {name: os.environ[name] for name in ("PATH", "TMPDIR", "LANG") if name in os.environ}
    plain["HOME"] = str(folder)
    try:
        aws = emulator.start(some_port(), plain)
        region = {"LocationConstraint": SAMPLE["region"]}
        client(aws.url, "s3").create_bucket(Bucket=BUCKET, CreateBucketConfiguration=region)
        port = some_port()
        environ = plain | user_data.settings
        environ |= {"MACHINE_DATA": str(data), "MACHINE_PORT": str(port), "AWS_ENDPOINT_URL": aws.url}
        environ |= {"AWS_ACCESS_KEY_ID": "any", "AWS_SECRET_ACCESS_KEY": "any", "PYTHONDONTWRITEBYTECODE": "1"}
        with (folder / "log").open("wb") as log:
            process = subprocess.Popen(
                [sys.executable, str(MACHINE / "serve.py")],
                cwd=data,
                env=environ,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        server = Started(data, port, aws.url, process)
        try:
            _wait(server, folder / "log")
            yield server
        finally:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
    finally:
        emulator.stop()


def _wait(server: Started, log: Path) -> None:
    end = time.monotonic() + 120
    while True:
        try:
            if server.ask("/health")[0] == 200:
                return
        except OSError:
            assert server.process.poll() is None, log.read_text()
            assert time.monotonic() < end, log.read_text()
            time.sleep(0.1)


@pytest.fixture(scope="module")
def admin(started: Started) -> tuple[str, str]:
    return "admin", started.password()


@pytest.fixture(scope="module")
def ana(started: Started, admin: tuple[str, str]) -> tuple[str, str]:
    """A member with an experiment, a run and an artifact of her own; and a copy of the database is in the bucket."""
    MlflowApi(f"http://localhost:{started.port}", *admin).ensure_user("ana", "a-password-of-ana")
    started.client("s3").put_object(Bucket=BUCKET, Key=backup.COPY, Body=SECRET)
    return "ana", "a-password-of-ana"


def test_the_operator_finds_the_password_encrypted_and_tagged(started: Started, admin: tuple[str, str]) -> None:
    assert started.ask(f"{API}/experiments/search?max_results=1", login=admin)[0] == 200
    ssm = started.client("ssm")
    (parameter,) = ssm.describe_parameters()["Parameters"]
    assert (parameter["Name"], parameter["Type"]) == ("/course/stag/mlflow/admin-password", "SecureString")
    tags = ssm.list_tags_for_resource(ResourceType="Parameter", ResourceId=parameter["Name"])["TagList"]
    assert {tag["Key"]: tag["Value"] for tag in tags} == {"bootstrap:project": "course", "bootstrap:env": "stag"}


def test_nobody_else_gets_in(started: Started) -> None:
    for login in (None, ("admin", "password1234"), ("admin", "")):
        assert started.ask(f"{API}/experiments/search?max_results=1", login=login)[0] == 401


def test_no_other_host_and_no_other_origin(started: Started, admin: tuple[str, str]) -> None:
    assert started.ask("/", login=admin, Host="evil.example.org")[0] == 403
    body = {"name": "from a page"}
    for origin, status in (("https://evil.example.org", 403), (f"https://{HOST}", 200)):
        assert started.ask(f"{API}/experiments/create", "POST", body, admin, Origin=origin)[0] == status


def test_every_secret_is_in_a_private_file_and_in_no_argument(started: Started) -> None:
    files = [path for path in started.data.rglob("*") if path.is_file()]
    assert {path.name for path in files} >= {"basic_auth.ini", "flask_secret_key", "auth.db", "mlflow-version"}
    private = {path.name for path in files if path.stat().st_mode & 0o077 == 0}
    assert private >= {"basic_auth.ini", "flask_secret_key"}
    argv = Path(f"/proc/{started.process.pid}/cmdline")
    if argv.exists():
        assert started.password() not in argv.read_text()
        assert (started.data / "flask_secret_key").read_text() not in argv.read_text()


def ways_to_a_copy() -> dict[str, tuple[str, str, Any]]:
    """Return, by name, the requests with which somebody might try to reach the copies; `{run}` is a run of theirs."""
    file, folder = ".backup/mlflow.db", ".backup"
    ways: dict[str, tuple[str, str, Any]] = {}
    for prefix in ("/api", "/ajax-api"):
        proxy = f"{prefix}/2.0/mlflow-artifacts"
        ways |= {
            f"read {prefix}": ("GET", f"{proxy}/artifacts/{file}", None),
            f"list {prefix}": ("GET", f"{proxy}/artifacts?path={folder}", None),
            f"list all {prefix}": ("GET", f"{proxy}/artifacts", None),
            f"write {prefix}": ("PUT", f"{proxy}/artifacts/{folder}/wanted", b""),
            f"delete {prefix}": ("DELETE", f"{proxy}/artifacts/{file}", None),
            f"presigned {prefix}": ("GET", f"{proxy}/presigned/{file}", None),
            f"multipart {prefix}": ("POST", f"{proxy}/mpu/create/{folder}", {"path": file, "num_parts": 1}),
        }
    for name, way in {
        "up": "{experiment}/../" + file,
        "up, encoded": "{experiment}/%2e%2e/" + file,
        "up, encoded twice": "{experiment}/%252e%252e/" + file,
        "slash, encoded": "{experiment}%2f..%2f" + file,
        "two slashes": "/" + file,
        "a dot": "./" + file,
        "name, encoded": "%2ebackup/mlflow.db",
        "name, encoded twice": "%252ebackup/mlflow.db",
    }.items():
        ways[name] = ("GET", f"{ARTIFACTS}/artifacts/{way}", None)
    for path in (f"../../../{file}", f"%2e%2e/%2e%2e/%2e%2e/{file}", f"/{file}"):
        ways[f"through the run {path}"] = ("GET", f"/get-artifact?run_id={{run}}&path={path}", None)
    return ways


def test_a_member_cannot_reach_the_copies(started: Started, admin: tuple[str, str], ana: tuple[str, str]) -> None:
    """By no way that leads to artifacts, though the server's own key opens them."""
    created = json.loads(started.ask(f"{API}/experiments/create", "POST", {"name": "ana's"}, ana)[1])
    experiment = created["experiment_id"]
    run = json.loads(started.ask(f"{API}/runs/create", "POST", {"experiment_id": experiment}, ana)[1])
    run_id = run["run"]["info"]["run_id"]
    own = f"{ARTIFACTS}/artifacts/{experiment}/{run_id}/artifacts/note.txt"
    assert started.ask(own, "PUT", b"hers", ana)[0] == 200
    assert started.ask(own, login=ana) == (200, b"hers")
    for what, (method, path, body) in ways_to_a_copy().items():
        status, said = started.ask(path.format(experiment=experiment, run=run_id), method, body, ana)
        assert status in (400, 403, 404, 405, 500, 501), what
        assert SECRET not in said, what
        assert b"mlflow.db" not in said or status != 200, what
    assert started.client("s3").get_object(Bucket=BUCKET, Key=backup.COPY)["Body"].read() == SECRET
    # The way is there: it is the login that it does not open to.
    assert started.ask(f"{ARTIFACTS}/artifacts/.backup/mlflow.db", login=admin) == (200, SECRET)


def test_a_model_made_of_the_copies_is_refused(started: Started, ana: tuple[str, str]) -> None:
    """The server reads what a version of a model consists of; nobody may say that it is the copies."""
    created = json.loads(started.ask(f"{API}/experiments/create", "POST", {"name": "ana's model"}, ana)[1])
    run = json.loads(started.ask(f"{API}/runs/create", "POST", created, ana)[1])["run"]["info"]
    assert started.ask(f"{API}/registered-models/create", "POST", {"name": "hers"}, ana)[0] == 200
    sources = [
        "mlflow-artifacts:/.backup",
        "mlflow-artifacts:///.backup",
        f"{run['artifact_uri']}/../../../.backup",
        f"{run['artifact_uri']}/%2e%2e/%2e%2e/%2e%2e/.backup",
        f"runs:/{run['run_id']}/../../../.backup",
        f"s3://{BUCKET}/mlflow/.backup",
    ]
    for source in sources:
        for anchor in ({}, {"run_id": run["run_id"]}):
            version = {"name": "hers", "source": source, **anchor}
            status, said = started.ask(f"{API}/model-versions/create", "POST", version, ana)
            if status == 200:
                # What is taken must still lead nowhere.
                number = json.loads(said)["model_version"]["version"]
                query = urllib.parse.urlencode({"name": "hers", "version": number, "path": "mlflow.db"})
                status, said = started.ask(f"/model-versions/get-artifact?{query}", login=ana)
            assert status != 200, version
            assert SECRET not in said, version


def test_a_copy_is_made_when_it_is_wanted_or_due(started: Started, tmp_path: Path) -> None:
    s3, now = started.client("s3"), time.time()
    (started.data / "backed-up").unlink(missing_ok=True)
    assert backup.look(s3, BUCKET, started.data, now) is True
    assert backup.look(s3, BUCKET, started.data, now + 3600) is False
    s3.delete_object(Bucket=BUCKET, Key=backup.COPY)
    s3.put_object(Bucket=BUCKET, Key=backup.WANTED, Body=b"")
    assert backup.look(s3, BUCKET, started.data, now + 3600) is True
    left = {one["Key"] for one in s3.list_objects_v2(Bucket=BUCKET, Prefix="mlflow/.backup/")["Contents"]}
    assert left == {backup.COPY}
    assert backup.look(s3, BUCKET, started.data, now + 3600 + 90_000) is True
    assert not (started.data / "backup.db").exists()


def test_nothing_is_copied_before_the_first_start(started: Started, tmp_path: Path) -> None:
    assert backup.look(started.client("s3"), BUCKET, tmp_path, time.time()) is False
