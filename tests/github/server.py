"""The HTTP side of the stand-in for GitHub's REST API; for tests only, because there is no GitHub where they run.

It listens on a free port of 127.0.0.1, in a thread of the test, so that code in this process and a `bootstrap` started
as a process can both talk to it, while the test sets and reads what it keeps (state.py). It answers as GitHub documents
it (routes.py, answers.py), and takes no request that GitHub's own description does not allow (description.py, which
reads github-openapi.json: version 23.0.2 of the npm package @octokit/openapi, trimmed to 33 paths, under the licence
that its `info.license` names, MIT).

This folder has no __init__.py on purpose: with one, pytest would import its tests as the package `github`, which is the
name of PyGithub's, and hide that from everything that runs in the same process.
"""

from __future__ import annotations

import json
import re
import socket
import threading
import traceback
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tests.github.description import answer_problems, find, request_problems
from tests.github.routes import Answer, Call, not_found, refused, respond
from tests.github.state import Environment, Repository, Secret, State, Variable

__all__ = ["Environment", "GitHubServer", "Repository", "Request", "Secret", "Variable"]

_HOURLY = 5000


@dataclass(frozen=True)
class Request:
    """A request that came, and the status it got; None if the connection was dropped instead.

    `path` is without the server's prefix and with the query; `body` is the JSON, None if there was none.
    """

    method: str
    path: str
    status: int | None
    body: Any = field(repr=False)
    headers: Mapping[str, str] = field(repr=False)


@dataclass
class _Fault:
    """Something that goes wrong with the requests it fits: `skip` of them pass first, then `times` go wrong."""

    method: str
    path: re.Pattern[str]
    times: int
    skip: int
    answer: Answer | None = None
    before: bool = True

    def strikes(self, method: str, path: str) -> bool:
        """Count a request, and tell whether it is one that goes wrong."""
        if self.times == 0 or method != self.method or self.path.search(path) is None:
            return False
        if self.skip:
            self.skip -= 1
            return False
        self.times -= 1
        return True


class GitHubServer(State):
    """A GitHub of the test's own, up while the `with` block lasts.

    `prefix`: the path under which the API is, as GitHub Enterprise has it under "/api/v3". Leaving the block raises
    AssertionError if a request was one that GitHub's description refuses.
    """

    def __init__(self, prefix: str = "") -> None:
        super().__init__()
        self.prefix = prefix
        self.requests: list[Request] = []
        """Every request, in the order they were answered."""
        self.problems: list[str] = []
        """What the description refuses in a request, and what went wrong in the stand-in itself."""
        self._faults: list[_Fault] = []
        self._lock = threading.Lock()

    def __enter__(self) -> GitHubServer:
        self._http = _Http(self)
        self.url = f"http://127.0.0.1:{self._http.server_address[1]}{self.prefix}"
        self._thread = threading.Thread(target=self._http.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._http.shutdown()
        self._thread.join()
        self._http.close()
        # What the description refused is most often why the test failed: it is said along with that failure.
        if self.problems and (error is None or isinstance(error, Exception)):
            raise AssertionError("GitHub would not have understood:\n" + "\n".join(self.problems)) from error

    def fail(
        self,
        method: str,
        path_regex: str,
        status: int = 500,
        *,
        headers: Mapping[str, str] | None = None,
        body: object = None,
        times: int = 1,
        skip: int = 0,
    ) -> None:
        """Answer requests that fit with an error instead of doing them: `skip` pass first, then `times` (-1: all).

        `path_regex` is searched for in the path, which is without prefix and with the query.
        """
        answer = Answer(status, {"message": "Server Error"} if body is None else body, dict(headers or {}))
        self._faults.append(_Fault(method, re.compile(path_regex), times, skip, answer))

    def drop(self, method: str, path_regex: str, *, times: int = 1, skip: int = 0, before: bool = True) -> None:
        """Close the connection on requests that fit, `before` or after they took effect; the rest as in `fail`."""
        self._faults.append(_Fault(method, re.compile(path_regex), times, skip, before=before))

    def answer(self, method: str, target: str, headers: Mapping[str, str], raw: bytes) -> Answer | None:
        """Do one request; None means to hang up. `target` is the path with prefix and query, as it came."""
        with self._lock:
            path = target.removeprefix(self.prefix) if target.startswith(f"{self.prefix}/") else None
            answer = self._outcome(method, path, headers, raw)
            body = None
            with suppress(ValueError):
                body = json.loads(raw) if raw else None
            status = None if answer is None else answer.status
            self.requests.append(Request(method, path or target, status, body, dict(headers)))
            if answer is not None:
                answer.headers = {**self._common_headers(), **answer.headers}
            return answer

    def _outcome(self, method: str, path: str | None, headers: Mapping[str, str], raw: bytes) -> Answer | None:
        parts = urlsplit(path or "")
        operation = find(method, parts.path)
        if path is None or operation is None:
            self.problems.append(f"{method} {path or 'outside of ' + self.prefix}: no such operation")
            return not_found()
        query = parse_qs(parts.query, keep_blank_values=True)
        found = request_problems(operation, query, headers.get("Content-Type"), raw)
        self.problems += [f"{method} {path}: {problem}" for problem in found]
        fault = next((fault for fault in self._faults if fault.strikes(method, path)), None)
        if fault is not None and fault.before:
            return None if fault.answer is None else Answer(**vars(fault.answer))
        if found:
            return refused(422, "Invalid request.", found)
        words = headers.get("Authorization", "").split()
        if not words:
            return refused(401, "Requires authentication")
        if words[0].lower() not in ("bearer", "token") or words[1:] != [self.token]:
            return refused(401, "Bad credentials")
        try:
            answer = respond(Call(self, operation, query, json.loads(raw or b"{}") or {}, parts.path))
        except Exception:  # noqa: BLE001 - a mistake in a handler thread must fail the test, whatever it is
            self.problems.append(f"{method} {path}: {traceback.format_exc()}")
            return refused(500, "Server Error")
        wrong = answer_problems(operation, answer.status, answer.body)
        self.problems += [f"the answer to {method} {path}: {problem}" for problem in wrong]
        return None if fault is not None else answer

    def _common_headers(self) -> dict[str, str]:
        """Return what GitHub puts on each answer.

        https://docs.github.com/rest/using-the-rest-api/rate-limits-for-the-rest-api#checking-the-status-of-your-rate-limit
        """
        used = len(self.requests)
        headers = {
            "X-RateLimit-Limit": str(_HOURLY),
            "X-RateLimit-Remaining": str(max(0, _HOURLY - used)),
            "X-RateLimit-Used": str(used),
            "X-RateLimit-Reset": str(int(self.now.timestamp()) + 3600),
            "X-RateLimit-Resource": "core",
            "X-GitHub-Request-Id": f"{used:04X}",
        }
        if not self.is_fine_grained:
            headers["X-OAuth-Scopes"] = ", ".join(self.scopes or ())
        return headers


class _Http(ThreadingHTTPServer):
    """The listening socket, with the open connections, so that nothing is left when the test ends."""

    daemon_threads = False

    def __init__(self, github: GitHubServer) -> None:
        self.github = github
        self._open: set[socket.socket] = set()
        super().__init__(("127.0.0.1", 0), _Handler)

    def process_request(self, request: Any, client_address: Any) -> None:
        self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        self._open.discard(request)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing: a client that was killed in the middle of a request is a thing that tests do."""

    def close(self) -> None:
        """Hang up on every client, and wait for the threads that served them."""
        for connection in list(self._open):
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        self.server_close()


class _Handler(BaseHTTPRequestHandler):
    """One connection: reads requests, has them answered, and writes each answer in one piece."""

    server: _Http
    protocol_version = "HTTP/1.1"
    # Headers and body go out together: in two pieces, the second waits 40 ms for the first to be acknowledged.
    wbufsize = -1

    def version_string(self) -> str:
        return "github.test"

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name in the standard library
        """Say nothing: the test reads `requests`."""

    def _handle(self) -> None:
        raw = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        headers = {name.title(): value for name, value in self.headers.items()}
        answer = self.server.github.answer(self.command, self.path, headers, raw)
        if answer is None:
            self.close_connection = True
            return
        data = b"" if answer.body is None else json.dumps(answer.body).encode()
        self.send_response(answer.status)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        if data:
            self.send_header("Content-Type", "application/json; charset=utf-8")
        if answer.status != 204:
            self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    do_GET = do_PUT = do_POST = do_PATCH = do_DELETE = do_HEAD = _handle  # noqa: N815 - names that http.server asks for
