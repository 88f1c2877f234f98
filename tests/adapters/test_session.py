"""Who answers where AWS should be."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
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


def test_threads_that_ask_at_once_know_the_same_errors() -> None:
    """With classes of its own, a thread would not catch what is raised: a user was left behind, and nobody told."""
    aws = Aws("us-east-1", "http://127.0.0.1:1", key=KeyPair("AKIAIOSFODNN7EXAMPLE", "secret"))
    iam = aws.client("iam")
    together = threading.Barrier(8)

    def error(_: int) -> object:
        together.wait()
        return iam.exceptions.NoSuchEntityException

    often = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        with ThreadPoolExecutor(8) as pool:
            assert len(set(pool.map(error, range(8)))) == 1
    finally:
        sys.setswitchinterval(often)
