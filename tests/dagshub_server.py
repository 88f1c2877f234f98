"""A stand-in for DagsHub on loopback: whose token it is, and whether a repository's MLflow takes a login.

Written from DagsHub's own client and pages, not from the service itself, which tests never reach. It has no S3.
"""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class HubServer:
    """`tokens`: token → name. `repositories`: user/name → the names that may come in."""

    url: str = ""
    tokens: dict[str, str] = field(default_factory=dict)
    repositories: dict[str, set[str]] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)

    def answer(self, path: str, authorization: str) -> tuple[int, dict[str, object]]:
        """Return status and body of a GET."""
        self.asked.append(path)
        scheme, _, value = authorization.partition(" ")
        if path == "/api/v1/user":
            name = self.tokens.get(value) if scheme == "Bearer" else None
            return (200, {"id": 1, "username": name}) if name else (401, {"message": "no"})
        repository, is_mlflow, _ = path.removeprefix("/").partition(".mlflow/api/2.0/mlflow/")
        if not is_mlflow or repository not in self.repositories:
            return 404, {}
        name, _, token = base64.b64decode(value).decode().partition(":") if scheme == "Basic" else ("", "", "")
        fits = self.tokens.get(token) == name and name in self.repositories[repository]
        return (200, {"experiments": []}) if fits else (401, {})


@contextmanager
def dagshub() -> Iterator[HubServer]:
    """Start it with ana's token and repository; nothing of it runs afterwards."""
    hub = HubServer(tokens={"a" * 40: "ana-hub", "b" * 40: "ben-hub"}, repositories={"ana/course": {"ana-hub"}})

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, body = hub.answer(self.path.partition("?")[0], self.headers.get("Authorization", ""))
            data = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_: object) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    hub.url = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
