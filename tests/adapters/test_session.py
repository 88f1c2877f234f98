"""Who answers where AWS should be."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from bootstrap.adapters.aws.session import Aws, KeyPair
from bootstrap.errors import AwsFailed


def test_something_else_than_aws_at_the_endpoint_is_told_as_that(http_server: str) -> None:
    aws = Aws("us-east-1", http_server, key=KeyPair("AKIAIOSFODNN7EXAMPLE", "secret"))
    with pytest.raises(AwsFailed, match="not AWS"):
        aws.caller()


@pytest.fixture
def http_server() -> Iterator[str]:
    """A server that answers everything with a page, as any program on that port may."""

    class Page(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"<html>hello")

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Page) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
