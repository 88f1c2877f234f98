"""A real moto server: started, found again, made to refuse, stopped. And what goes wrong with any server of ours."""

from __future__ import annotations

import json
import os
import socket
import stat
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path

import pytest

from bootstrap.adapters import process, servers
from bootstrap.adapters.aws import buckets, people, probes
from bootstrap.adapters.aws.session import Aws, KeyPair
from bootstrap.adapters.emulator import ACCOUNT, Emulator, require_local_extra
from bootstrap.adapters.process import Call
from bootstrap.core.spec import Spec
from bootstrap.errors import AwsFailed, BootstrapError, ToolMissing
from bootstrap.workflows import local
from bootstrap.workflows.project import Project
from tests.adapters.doubles import Story
from tests.ports import some_port

ANYBODY = KeyPair("anybody", "anything")
UNKNOWN = KeyPair("AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY")
BUCKET = "demo--stag--123456789012"


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Emulator, servers.Server, KeyPair]]:
    """An emulator with permission checks on, and the key of its operator."""
    emulator = Emulator(tmp_path_factory.mktemp("local"))
    # This must not reach the server: it would call itself another account.
    environ = dict(os.environ) | {"MOTO_ACCOUNT_ID": "999999999999"}
    server = emulator.start(some_port(), environ)
    try:
        operator = people.create_operator(at(server, ANYBODY), "operator", "/bootstrap-local/")
        emulator.enforce_permissions(server)
        yield emulator, server, operator
    finally:
        emulator.stop()


@pytest.fixture
def emulator(tmp_path: Path) -> Iterator[Emulator]:
    """An emulator that was not started; stopped after the test if that did."""
    found = Emulator(tmp_path / "local")
    yield found
    found.stop()


def at(server: servers.Server, key: KeyPair) -> Aws:
    return Aws("eu-west-1", server.url, key=key)


@pytest.fixture
def operator(running: tuple[Emulator, servers.Server, KeyPair]) -> Aws:
    _, server, key = running
    return at(server, key)


def test_what_is_remembered_of_it(running: tuple[Emulator, servers.Server, KeyPair]) -> None:
    emulator, server, operator = running
    content = json.loads(emulator.record.read_text())
    assert content == {
        "pid": server.pid,
        "created": server.created,
        "port": server.port,
        "instance": server.instance,
    }
    assert operator.secret not in emulator.record.read_text()
    assert emulator.running() == server
    assert server.alive
    assert server.url == f"http://127.0.0.1:{server.port}"
    if os.name == "posix":
        assert stat.S_IMODE(emulator.log.stat().st_mode) == 0o600


def test_it_listens_on_loopback_alone(running: tuple[Emulator, servers.Server, KeyPair]) -> None:
    import psutil

    _, server, _ = running
    listening = [c for c in psutil.Process(server.pid).net_connections("inet") if c.status == psutil.CONN_LISTEN]
    assert [(c.laddr.ip, c.laddr.port) for c in listening] == [("127.0.0.1", server.port)]


def test_its_account_is_the_one_we_say(operator: Aws) -> None:
    assert operator.caller().account == ACCOUNT
    assert operator.caller().arn.endswith("/bootstrap-local/operator")


def test_an_unknown_key_is_refused(operator: Aws) -> None:
    with pytest.raises(AwsFailed, match="InvalidClientTokenId") as caught:
        people.users_on_path(operator.with_key(UNKNOWN), "/")
    assert "AWS does not know this access key" in caught.value.hint
    assert not people.key_works(operator.with_key(UNKNOWN), "operator")


def test_a_wrong_secret_is_refused(operator: Aws) -> None:
    assert operator.key is not None
    wrong = KeyPair(operator.key.id, UNKNOWN.secret)
    with pytest.raises(AwsFailed, match="SignatureDoesNotMatch"):
        people.users_on_path(operator.with_key(wrong), "/")


def test_a_member_may_what_its_policy_says_and_no_more(operator: Aws) -> None:
    buckets.create_state_bucket(operator, BUCKET, {"bootstrap:env": "stag"})
    operator.client("iam").create_user(UserName="demo.stag.ana", Path="/demo/stag/")
    statements = [
        {"Effect": "Allow", "Action": ["s3:PutObject", "s3:GetObject"], "Resource": f"arn:aws:s3:::{BUCKET}/dvc/ana/*"},
        {"Effect": "Allow", "Action": "s3:ListBucket", "Resource": f"arn:aws:s3:::{BUCKET}"},
    ]
    operator.client("iam").put_user_policy(
        UserName="demo.stag.ana",
        PolicyName="member",
        PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": statements}),
    )
    ana = operator.with_key(people.mint_key(operator, "demo.stag.ana"))
    may = {
        "put own": probes.may_put(ana, BUCKET, "dvc/ana/x", b"x"),
        "get own": probes.may_get(ana, BUCKET, "dvc/ana/x", b"x"),
        "list": probes.may_list(ana, BUCKET, "dvc/ana/"),
        "put elsewhere": probes.may_put(ana, BUCKET, "dataset/x", b"x"),
        "get elsewhere": probes.may_get(ana, BUCKET, "dvc/bob/x", b"x"),
        "delete own": probes.may_delete(ana, BUCKET, "dvc/ana/x"),
        "list users": probes.may_list_users(ana),
    }
    assert [what for what, allowed in may.items() if allowed] == ["put own", "get own", "list"]


def test_a_proxy_of_the_users_is_not_asked(operator: Aws, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{some_port()}")
    assert operator.key is not None
    assert operator.with_key(operator.key).caller().account == ACCOUNT
    assert operator.endpoint_url is not None
    assert servers.answers(f"{operator.endpoint_url}/moto-api/")


def test_from_start_to_stop_and_anew(emulator: Emulator) -> None:
    assert emulator.running() is None
    assert emulator.stop() is False
    first = emulator.start(some_port(), os.environ)
    everybody = at(first, ANYBODY)
    buckets.create_state_bucket(everybody, BUCKET, {})  # until permission checks are on, any key will do
    assert emulator.running() == first
    second = emulator.start(some_port(), os.environ)
    assert not first.alive  # one folder, one emulator
    assert second.instance != first.instance
    assert not buckets.exists(at(second, ANYBODY), BUCKET, ACCOUNT)  # what it held went with it
    assert emulator.stop() is True
    assert not second.alive
    assert not emulator.record.exists()
    assert emulator.running() is None
    assert emulator.stop() is False
    assert process.port_is_free(second.port)


def test_a_port_that_is_taken(emulator: Emulator) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(BootstrapError) as caught:
            emulator.start(port, os.environ)
    assert caught.value.message == (
        f"Port {port} on 127.0.0.1, where the AWS emulator should listen, is taken by another program."
    )
    assert "it moves to a free port" in caught.value.hint
    assert not emulator.record.exists()


@pytest.mark.parametrize("text", ["", "{", "[]", "null", "{}", '{"pid": 1}'])
def test_a_damaged_record_is_no_server(text: str, emulator: Emulator) -> None:
    emulator.folder.mkdir()
    emulator.record.write_text(text)
    assert emulator.running() is None
    assert emulator.stop() is False
    assert not emulator.record.exists()


def test_a_record_of_a_process_that_is_somebody_elses_now(emulator: Emulator) -> None:
    emulator.folder.mkdir()
    me = process.own_id()
    emulator.record.write_text(
        json.dumps({"pid": me.pid, "created": me.created - 3600, "port": 21000, "instance": "x"})
    )
    assert emulator.running() is None
    assert emulator.stop() is False  # and this test is still running


def test_what_the_local_target_needs_is_told() -> None:
    require_local_extra("moto", "the AWS emulator")
    with pytest.raises(ToolMissing) as caught:
        require_local_extra("no_such_package_of_ours", "the AWS emulator")
    assert caught.value.message == (
        "The AWS emulator needs the package `no_such_package_of_ours`, which is not installed."
    )
    assert "'.[local]'" in caught.value.hint


def test_where_another_comes_to_its_port_first_it_takes_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    start = Emulator.start

    def too_late(self: Emulator, port: int, environ: Mapping[str, str]) -> servers.Server:
        with socket.create_server(("127.0.0.1", port)):
            monkeypatch.setattr(Emulator, "start", start)
            raise servers.PortTaken("The AWS emulator ended at once.")

    monkeypatch.setattr(Emulator, "start", too_late)
    project = Project(tmp_path, Spec.default("demo"), dict(os.environ), tmp_path)
    try:
        assert local.ensure_emulator(project, Story(), port=some_port()).started
    finally:
        local.stop_emulator(project)


# --- any server of ours ---


def launch(code: str, folder: Path) -> servers.Server:
    call = Call((sys.executable, "-u", "-c", code), folder)
    return servers.launch(
        call,
        name="The server",
        port=some_port(),
        instance="x",
        record=folder / "server.json",
        log=folder / "server.log",
    )


def wait(server: servers.Server, folder: Path, timeout: float) -> BootstrapError:
    with pytest.raises(BootstrapError) as caught:
        servers.wait_until_ready(server, name="The server", path="/", log=folder / "server.log", timeout=timeout)
    assert not server.alive
    return caught.value


def test_a_server_that_ends_at_once_is_told_with_its_last_words(tmp_path: Path) -> None:
    code = "for n in range(40): print('line', n)\nraise SystemExit('no such database')"
    error = wait(launch(code, tmp_path), tmp_path, 60)
    assert error.message.startswith(f"The server ended at once. The end of {tmp_path / 'server.log'}:\n")
    assert error.message.endswith("  no such database")
    assert "line 39" in error.message
    assert "line 9\n" not in error.message


def test_a_server_that_never_answers_is_ended(tmp_path: Path) -> None:
    error = wait(launch("import time; time.sleep(600)", tmp_path), tmp_path, 0.2)
    assert error.message.startswith("The server did not answer within 0 seconds.")


def test_what_another_answers_on_its_port_is_not_taken_for_its_answer(tmp_path: Path) -> None:
    """As when two start at once and both found the port free."""
    late = "import sys, time; time.sleep(0.5); sys.exit('address already in use')"
    server = launch(late, tmp_path)
    with socket.create_server(("127.0.0.1", server.port)) as listener:

        def speak() -> None:
            with suppress(OSError):  # the listener was closed
                while True:
                    with listener.accept()[0] as peer:
                        peer.recv(4096)
                        peer.sendall(ANSWERS["success"][0])

        thread = threading.Thread(target=speak)
        thread.start()
        try:
            error = wait(server, tmp_path, 60)
            assert isinstance(error, servers.PortTaken)
            assert error.message.startswith("The server ended at once.")
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join()


ANSWERS = {
    "success": (b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", True),
    "an error": (b"HTTP/1.1 503 Unavailable\r\nContent-Length: 0\r\n\r\n", False),
    "not HTTP": (b"220 mail.example.org ESMTP\r\n", False),
    "nothing": (b"", False),
}


@pytest.mark.parametrize(("answer", "counts"), ANSWERS.values(), ids=ANSWERS.keys())
def test_whether_something_answers(answer: bytes, counts: bool) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def speak() -> None:
            with listener.accept()[0] as peer:
                peer.recv(4096)
                peer.sendall(answer)

        thread = threading.Thread(target=speak)
        thread.start()
        try:
            assert servers.answers(f"http://127.0.0.1:{listener.getsockname()[1]}/") is counts
        finally:
            thread.join()


def test_nobody_answers_on_a_free_port() -> None:
    assert servers.answers(f"http://127.0.0.1:{some_port()}/") is False
