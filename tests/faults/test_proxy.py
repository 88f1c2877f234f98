"""The fault proxy itself: passes on what it is not to break, and breaks what it is told to, as a real service would.

Behind it stands a small HTTP server of this test's own that writes down what reaches it; it is no AWS.
"""

from __future__ import annotations

import http.client
import socket
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from bootstrap.adapters.aws.session import Aws, KeyPair, error_code
from tests.faults.campaign import ANY, FAULTS, Point, all_points, in_rounds, parse_point, sample, told
from tests.faults.proxy import Fault, FaultProxy, Request, Seen

SIGNED = "AWS4-HMAC-SHA256 Credential=AKIA/20260101/us-east-1/{}/aws4_request, SignedHeaders=host, Signature=0"


class _Upstream(ThreadingHTTPServer):
    """Answers everything with 200 and keeps what came: method, path, headers, body."""

    daemon_threads = False

    def __init__(self) -> None:
        self.came: list[tuple[str, str, dict[str, str], bytes]] = []
        super().__init__(("127.0.0.1", 0), _Handler)


class _Handler(BaseHTTPRequestHandler):
    server: _Upstream

    def _handle(self) -> None:
        if "chunked" in self.headers.get("Transfer-Encoding", ""):
            body = b""
            while (size := int(self.rfile.readline(), 16)) != 0:
                body += self.rfile.read(size + 2)[:-2]
        else:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.server.came.append((self.command, self.path, dict(self.headers.items()), body))
        self.send_response(200)
        self.send_header("X-From", "upstream")
        if self.command == "HEAD":
            self.send_header("Content-Length", "12345")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(b"<Answer/>")  # without a length: the end of the connection ends it

    do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = _handle  # noqa: N815 - names that http.server asks for

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name in the standard library
        """Say nothing: the test reads `came`."""


@pytest.fixture
def upstream() -> Iterator[_Upstream]:
    before = set(threading.enumerate())
    server = _Upstream()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()
    assert set(threading.enumerate()) <= before, "neither this nor the proxy leaves a thread behind"


@pytest.fixture
def proxy(upstream: _Upstream) -> Iterator[FaultProxy]:
    with FaultProxy(upstream.server_address[1]) as found:
        yield found


@pytest.fixture
def client(proxy: FaultProxy) -> Iterator[http.client.HTTPConnection]:
    connection = http.client.HTTPConnection("127.0.0.1", proxy.port, timeout=10)
    yield connection
    connection.close()


def request(label: str) -> Request:
    """Return a request that is labelled so."""
    service, method, path = label.split(" ")
    return Request(method, path, {"authorization": SIGNED.format(service)}, b"", b"")


# --- passing on ---


def test_requests_and_answers_pass_unchanged_over_one_connection(
    proxy: FaultProxy, upstream: _Upstream, client: http.client.HTTPConnection
) -> None:
    for number in (1, 2, 3):
        client.request("PUT", f"/b/k%20{number}?x=%2F", b"body", {"Host": "s3.example.org", "X-Amz-Date": "now"})
        answer = client.getresponse()
        assert (answer.status, answer.getheader("X-From"), answer.read()) == (200, "upstream", b"<Answer/>")
    assert [one[:2] for one in upstream.came] == [("PUT", f"/b/k%20{n}?x=%2F") for n in (1, 2, 3)]
    for _, _, headers, body in upstream.came:
        assert (headers["Host"], headers["X-Amz-Date"], body) == ("s3.example.org", "now", b"body")
    assert proxy.seen() == [Seen(f"? PUT /b/k {n}?x", "") for n in (1, 2, 3)]


def test_a_body_in_chunks(upstream: _Upstream, client: http.client.HTTPConnection) -> None:
    client.request("PUT", "/b/k", iter([b"one", b"two"]), encode_chunked=True, headers={"Transfer-Encoding": "chunked"})
    assert client.getresponse().status == 200
    assert upstream.came[0][3] == b"onetwo"


def test_an_answer_to_head_says_the_length_of_what_does_not_come(client: http.client.HTTPConnection) -> None:
    for _ in range(2):
        client.request("HEAD", "/b/k")
        answer = client.getresponse()
        assert (answer.getheader("Content-Length"), answer.read()) == ("12345", b"")


def test_who_asks_before_sending_is_told_to_go_on(proxy: FaultProxy, upstream: _Upstream) -> None:
    with socket.create_connection(("127.0.0.1", proxy.port), timeout=10) as connection:
        connection.sendall(b"PUT /b/k HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n")
        assert connection.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
        connection.sendall(b"body")
        assert connection.recv(100).startswith(b"HTTP/1.1 200 ")
    ((_, _, headers, body),) = upstream.came
    assert body == b"body"
    assert "Expect" not in headers


# --- breaking ---


def aws(proxy: FaultProxy) -> Aws:
    return Aws("us-east-1", proxy.url, key=KeyPair("AKIAIOSFODNN7EXAMPLE", "secret"))


@pytest.mark.parametrize(
    ("kind", "of_s3", "of_iam", "of_json"),
    [
        ("error", (500, "InternalError"), (500, "ServiceFailure"), (500, "InternalServiceError")),
        ("busy", (503, "SlowDown"), (400, "Throttling"), (400, "ThrottlingException")),
        ("denied", (403, "AccessDenied"), (403, "AccessDenied"), (400, "AccessDeniedException")),
    ],
)
def test_a_refusal_is_worded_as_the_service_does(
    proxy: FaultProxy, upstream: _Upstream, kind: str, of_s3: object, of_iam: object, of_json: object
) -> None:
    from botocore.exceptions import ClientError

    calls: dict[object, Callable[[], object]] = {
        of_s3: lambda: aws(proxy).client("s3").get_bucket_tagging(Bucket="b"),
        of_iam: lambda: aws(proxy).client("iam").list_users(),
        of_json: lambda: aws(proxy).client("secretsmanager").list_secrets(),
    }
    for expected, call in calls.items():
        proxy.arm(Fault(kind, times=None))
        with pytest.raises(ClientError) as caught:
            call()
        status = caught.value.response["ResponseMetadata"]["HTTPStatusCode"]
        assert (status, error_code(caught.value)) == expected
    assert upstream.came == []


@pytest.mark.parametrize(("kind", "reached"), [("cut", 0), ("lost", 1)])
def test_a_connection_ends_before_or_after_the_request_took_effect(
    proxy: FaultProxy, upstream: _Upstream, client: http.client.HTTPConnection, kind: str, reached: int
) -> None:
    proxy.arm(Fault(kind))
    client.request("PUT", "/b/k", b"x")
    with pytest.raises(http.client.RemoteDisconnected):
        client.getresponse()
    assert len(upstream.came) == reached
    assert proxy.seen() == [Seen("? PUT /b/k", kind)]


def test_what_asks_whether_the_emulator_runs_is_neither_counted_nor_broken(
    proxy: FaultProxy, client: http.client.HTTPConnection
) -> None:
    proxy.arm(Fault("error", everything=True))
    client.request("GET", "/moto-api/")
    assert client.getresponse().status == 200
    assert proxy.seen() == []


A, B = "s3 GET /a", "s3 GET /b"


@pytest.mark.parametrize(
    ("fault", "broken"),
    [
        (Fault("cut"), "x......"),
        (Fault("cut", nth=3), "..x...."),
        (Fault("cut", nth=2, times=2), ".x.x..."),  # from then on only those that ask for the same
        (Fault("cut", B), ".x....."),
        (Fault("cut", B, nth=2), "...x..."),
        (Fault("cut", B, nth=2, times=2), "...x.x."),
        (Fault("cut", B, nth=2, times=None), "...x.x."),
        (Fault("cut", B, nth=2, everything=True), "...xxxx"),
        (Fault("cut", B, nth=2, everything=True, seconds=0), "......."),  # over at once
        (Fault("cut", A, nth=9), "......."),
    ],
)
def test_which_requests_are_broken(fault: Fault, broken: str) -> None:
    proxy = FaultProxy(0)
    proxy.arm(fault)
    assert "".join("x" if proxy.judge(request(label)) else "." for label in (A, B, A, B, A, B, A)) == broken
    proxy.arm(None)
    assert proxy.judge(request(A)) == ""


# --- what a request and a point are called ---


@pytest.mark.parametrize(
    ("method", "target", "headers", "body", "label"),
    [
        ("PUT", "/b", {"authorization": SIGNED.format("s3")}, b"", "s3 PUT /b"),
        ("GET", "/", {"authorization": SIGNED.format("s3")}, b"", "s3 GET /"),
        ("GET", "/b/?versioning=&x-id=Y", {"authorization": SIGNED.format("s3")}, b"", "s3 GET /b/?versioning"),
        (
            "PUT",
            "/b-123456789012/stag/history/20261121T182247Z-0a1b2c3d.json",
            {"authorization": SIGNED.format("s3")},
            b"",
            "s3 PUT /b-123456789012/stag/history/*",
        ),
        (
            "POST",
            "/",
            {
                "authorization": SIGNED.format("iam"),
                "content-type": "application/x-www-form-urlencoded; charset=utf-8",
            },
            b"Action=CreateUser&UserName=course.stag.ci&Version=2010-05-08",
            "iam CreateUser UserName=course.stag.ci",
        ),
        (
            "POST",
            "/",
            {"authorization": SIGNED.format("tagging"), "x-amz-target": "Tagging_2017.GetResources"},
            b"{}",
            "tagging GetResources",
        ),
        ("GET", "/", {}, b"", "? GET /"),
    ],
)
def test_a_request_is_called_the_same_in_every_run(
    method: str, target: str, headers: dict[str, str], body: bytes, label: str
) -> None:
    assert Request(method, target, headers, b"", body).label == label


def test_a_point_can_be_typed_as_it_is_printed() -> None:
    recorded = [Seen(A, ""), Seen(B, ""), Seen(A, "")]
    found = all_points("up", recorded, "7", list(FAULTS))
    assert [(point.label, point.nth) for point in found] == [(A, 1), (B, 1), (A, 2)]
    assert found == all_points("up", recorded, "7", list(FAULTS))
    assert [parse_point(str(point)) for point in found] == found
    (one,) = in_rounds([parse_point(text) for text in told(sample("7", 1, 100)[0]).split(",")])
    assert [one] == sample("7", 1, 100)
    assert [point.label for point in one.values()] == [ANY, ANY]
    for wrong in ("", "up", "up:x#1", "up:x#1:boom", "over:x#1:cut", "up:x#one:cut", "up:#1:cut"):
        with pytest.raises(ValueError, match="is no point"):
            parse_point(wrong)


def test_a_point_of_up_shares_a_round_with_the_point_of_down_after_it() -> None:
    up, down = Point("up", A, 1, "cut"), Point("down", A, 1, "cut")
    assert in_rounds([up, up, down, down]) == [{"up": up}, {"up": up, "down": down}, {"down": down}]
