"""A proxy between everything that speaks to AWS here and the emulator: it breaks the one request that it is told to.

There is no AWS where the tests run, so nothing here can have a real bad day. What this stands in for: errors as the
service itself words them, and connections that end. What it cannot: a region that is half there, a list that is old,
IAM's delays.

It forwards a request as it came, byte for byte, because the signature covers the `Host` header and more
(https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html); only `Expect` goes, which
it answers itself and which is in no signature.
"""

from __future__ import annotations

import http.client
import json
import math
import re
import socket
import socketserver
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from io import BufferedIOBase
from types import TracebackType
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

KINDS = ("error", "busy", "denied", "slow", "cut", "lost")
"""error: 500 · busy: 503 SlowDown or Throttling · denied: 403 · slow: passed on late · cut: the connection ends before
the request is passed on · lost: it ends after that, before the answer is."""

_LATE_SECONDS = 1.5
_TIMEOUT_SECONDS = 120.0
_NEVER_COUNTED = "/moto-api/"
# Said anew for each connection, so nothing of the other side's may be passed on (RFC 9110, section 7.6.1).
_OF_ONE_HOP = frozenset({"connection", "keep-alive", "proxy-connection", "transfer-encoding", "upgrade", "te"})
_WITHOUT_BODY = frozenset({204, 304})
# Which service a request is for stands in its signature.
_SCOPE = re.compile(r"Credential=[^/]+/\d+/[^/]+/([^/]+)/aws4_request")
# Names of users and policies tell requests apart that do the same; nothing else of a form is looked at.
_TELLING = ("UserName", "RoleName", "PolicyName", "GroupName")
# What is another in each run: times and random marks in the keys of the history.
_FLEETING = re.compile(r"\d[\dA-Za-z:.-]{11,}")


@dataclass(frozen=True)
class Request:
    """A request as it came. `headers` by lower-case name; `head` and `body` are the very bytes."""

    method: str
    target: str
    headers: dict[str, str]
    head: bytes
    body: bytes

    @property
    def service(self) -> str:
        """The service that it is signed for; "?" for one that is not signed."""
        found = _SCOPE.search(self.headers.get("authorization", ""))
        return found[1] if found else "?"

    @property
    def is_json(self) -> bool:
        """Whether its service speaks JSON."""
        return "json" in self.headers.get("content-type", "")

    @property
    def label(self) -> str:
        """What it asks for, in one line that is the same in every run: `iam CreateUser UserName=course.stag.ci`."""
        parts = urlsplit(self.target)
        if operation := self.headers.get("x-amz-target"):
            return f"{self.service} {operation.rpartition('.')[2]}"
        if self.headers.get("content-type", "").startswith("application/x-www-form-urlencoded"):
            form = dict(parse_qsl(self.body.decode("utf-8", "replace")))
            telling = [f"{name}={form[name]}" for name in _TELLING if name in form]
            return " ".join([self.service, form.get("Action", "?"), *telling])
        bucket, slash, key = unquote(parts.path).lstrip("/").partition("/")
        names = sorted({name for name, _ in parse_qsl(parts.query, keep_blank_values=True)} - {"x-id"})
        asked = f"?{'&'.join(names)}" if names else ""
        return f"{self.service} {self.method} /{bucket}{slash}{_FLEETING.sub('*', key)}{asked}"


@dataclass(frozen=True)
class Fault:
    """What goes wrong: from the `nth` request on that fits `label`, `times` of them.

    `label` None: any request fits, up to the first that is broken; after that, those fit that ask for the same.
    `times` None: all that fit from then on. `everything`: from then on every request, whether it fits or not, until
    `seconds` after the first.
    """

    kind: str
    label: str | None = None
    nth: int = 1
    times: int | None = 1
    everything: bool = False
    seconds: float = math.inf


@dataclass(frozen=True)
class Seen:
    """A request that came, and what was done to it: one of KINDS, or an empty text."""

    label: str
    fault: str


class FaultProxy:
    """The proxy, in threads of this process, up while the `with` block lasts. `upstream` is a port on loopback."""

    def __init__(self, upstream: int) -> None:
        self.upstream = upstream
        self.stopping = threading.Event()
        self._lock = threading.Lock()
        self._fault: Fault | None = None
        self._label: str | None = None
        self._fitting = 0
        self._over = math.inf
        self._seen: list[Seen] = []

    def __enter__(self) -> FaultProxy:
        self._server = _Server(self)
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02})
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stopping.set()
        self._server.shutdown()
        self._thread.join()
        self._server.hang_up()
        self._server.server_close()

    @property
    def port(self) -> int:
        """Where it listens on loopback."""
        return int(self._server.server_address[1])

    @property
    def url(self) -> str:
        """Its address on this machine."""
        return f"http://127.0.0.1:{self.port}"

    def arm(self, fault: Fault | None) -> None:
        """Forget what came so far and break what `fault` says from now on; nothing, if that is None."""
        with self._lock:
            self._fault, self._label = fault, fault.label if fault else None
            self._fitting, self._over, self._seen = 0, math.inf, []

    def seen(self) -> list[Seen]:
        """Return the requests since `arm`, in the order they came."""
        with self._lock:
            return list(self._seen)

    def judge(self, request: Request) -> str:
        """Count a request, and return what is to be done to it: one of KINDS, or an empty text."""
        label = request.label
        with self._lock:
            kind = self._strikes(label)
            self._seen.append(Seen(label, kind))
        return kind

    def _strikes(self, label: str) -> str:
        fault = self._fault
        if fault is None:
            return ""
        fits = self._label in (None, label)
        self._fitting += fits
        late = self._fitting - fault.nth
        if late < 0 or not (fits or fault.everything):
            return ""
        now = time.monotonic()
        if late == 0 and fits:
            self._label = label
            self._over = now + fault.seconds
        within = now < self._over if fault.everything else fault.times is None or late < fault.times
        return fault.kind if within else ""


class _Server(socketserver.ThreadingTCPServer):
    """The listening socket, with the open connections, so that nothing is left when it closes."""

    allow_reuse_address = True
    daemon_threads = False
    request_queue_size = 128

    def __init__(self, proxy: FaultProxy) -> None:
        self.proxy = proxy
        self._open: set[socket.socket] = set()
        self._lock = threading.Lock()
        super().__init__(("127.0.0.1", 0), _Connection)

    def process_request(self, request: Any, client_address: Any) -> None:
        with self._lock:
            self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        with self._lock:
            self._open.discard(request)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing: a client that goes away in the middle of a request is what happens here."""

    def hang_up(self) -> None:
        """End the connections, so that the threads that serve them end."""
        with self._lock:
            connections = list(self._open)
        for connection in connections:
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)


class _Connection(socketserver.StreamRequestHandler):
    """One client's connection: its requests, one after the other."""

    server: _Server
    # An answer goes out in one piece: in two, the second waits 40 ms for the first to be acknowledged.
    wbufsize = -1
    disable_nagle_algorithm = True

    def handle(self) -> None:
        proxy = self.server.proxy
        while not proxy.stopping.is_set():
            request = _read_request(self.rfile, self.wfile)
            if request is None:
                return
            counted = not request.target.startswith(_NEVER_COUNTED)
            kind = proxy.judge(request) if counted else ""
            if kind == "cut":
                return
            if kind == "slow":
                proxy.stopping.wait(_LATE_SECONDS)
            answer = _refusal(request, kind) if kind in ("error", "busy", "denied") else _forward(request, proxy)
            if answer is None or kind == "lost":
                return
            self.wfile.write(answer)
            self.wfile.flush()
            if request.headers.get("connection", "").lower() == "close":
                return


def _read_request(stream: BufferedIOBase, back: BufferedIOBase) -> Request | None:
    """Read a request; None if the client has gone, or what it says is no HTTP/1.1."""
    lines: list[bytes] = []
    while True:
        line = stream.readline(65536)
        if not line.endswith(b"\n"):
            return None
        if line in (b"\r\n", b"\n"):
            if lines:
                break
            continue
        lines.append(line)
    words = lines[0].decode("latin-1").split()
    if len(words) != 3:
        return None
    pairs = [line.decode("latin-1").partition(":") for line in lines[1:]]
    headers = {name.strip().lower(): value.strip() for name, _, value in pairs}
    if headers.pop("expect", "").lower() == "100-continue":
        back.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        back.flush()
    kept = [line for line in lines if not line.lower().startswith(b"expect:")]
    if headers.get("transfer-encoding", "").lower() == "chunked":
        body = b"".join(_chunks(stream))
    else:
        body = stream.read(int(headers.get("content-length") or 0))
    return Request(words[0], words[1], headers, b"".join(kept) + b"\r\n", body)


def _chunks(stream: BufferedIOBase) -> Iterator[bytes]:
    """Yield a chunked body as it stands, sizes and all, up to the empty line after its trailer (RFC 9112, 7.1)."""
    size = 1
    while size:
        line = stream.readline(65536)
        yield line
        size = int(line.partition(b";")[0], 16)
        if size:
            yield stream.read(size + 2)
    line = b""
    while line not in (b"\r\n", b"\n"):
        line = stream.readline(65536)
        if not line:
            return
        yield line


def _forward(request: Request, proxy: FaultProxy) -> bytes | None:
    """Pass a request on, and return the answer as it goes to the client; None if there is none."""
    try:
        with socket.create_connection(("127.0.0.1", proxy.upstream), timeout=_TIMEOUT_SECONDS) as upstream:
            upstream.sendall(request.head + request.body)
            answer = http.client.HTTPResponse(upstream, method=request.method)
            try:
                answer.begin()
                body = answer.read()
                return _written(request, answer.status, answer.reason, answer.getheaders(), body)
            finally:
                answer.close()
    except (OSError, http.client.HTTPException):
        return None


def _written(request: Request, status: int, reason: str, headers: list[tuple[str, str]], body: bytes) -> bytes:
    """Return an answer as bytes, with the length of its body said: the connection stays open after it."""
    said = [(name, value) for name, value in headers if name.lower() not in _OF_ONE_HOP]
    # The length in an answer to HEAD is that of a body which does not come.
    if request.method != "HEAD" and status not in _WITHOUT_BODY:
        said = [(name, value) for name, value in said if name.lower() != "content-length"]
        said.append(("Content-Length", str(len(body))))
    head = "".join(f"{name}: {value}\r\n" for name, value in said)
    return f"HTTP/1.1 {status} {reason}\r\n{head}\r\n".encode("latin-1") + body


# Status, code for S3, code for the APIs that take forms, code for the APIs that speak JSON, message.
# https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html
# https://docs.aws.amazon.com/IAM/latest/APIReference/CommonErrors.html
_REFUSALS = {
    "error": (500, "InternalError", "ServiceFailure", "InternalServiceError", "We met an internal error. Try again."),
    "busy": (503, "SlowDown", "Throttling", "ThrottlingException", "Rate exceeded"),
    "denied": (403, "AccessDenied", "AccessDenied", "AccessDeniedException", "Access Denied"),
}
_REQUEST_ID = "4442587FB7D0A2F9"


def _refusal(request: Request, kind: str) -> bytes:
    """Return the answer of a service that does not do what it was asked, in its own words."""
    status, of_s3, of_forms, of_json, message = _REFUSALS[kind]
    headers = [("x-amz-request-id", _REQUEST_ID)]
    if request.is_json:
        status = 400 if status != 500 else status
        headers += [("Content-Type", "application/x-amz-json-1.1"), ("x-amzn-ErrorType", of_json)]
        body = json.dumps({"__type": of_json, "message": message})
    elif request.service == "s3":
        headers.append(("Content-Type", "application/xml"))
        body = f"<Error><Code>{of_s3}</Code><Message>{message}</Message><RequestId>{_REQUEST_ID}</RequestId></Error>"
    else:
        status = 400 if kind == "busy" else status
        headers.append(("Content-Type", "text/xml"))
        error = f"<Error><Type>Sender</Type><Code>{of_forms}</Code><Message>{message}</Message></Error>"
        body = f"<ErrorResponse>{error}<RequestId>{_REQUEST_ID}</RequestId></ErrorResponse>"
        if request.service == "ec2":
            error = f"<Error><Code>{of_forms}</Code><Message>{message}</Message></Error>"
            body = f"<Response><Errors>{error}</Errors><RequestID>{_REQUEST_ID}</RequestID></Response>"
    text = "" if request.method == "HEAD" else body
    return _written(request, status, "Refused", headers, text.encode())
