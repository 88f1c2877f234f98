"""A small S3 on loopback with one bucket: it lists versions and uploads and deletes them, and nothing else.

Not S3, and not made to be believed about permissions, locks or signatures: it looks at none of them. What it has that
the emulator has not is what S3 promises about lists: a page of 1,000 costs the same however large the bucket is, a
marker is a place whether or not what it names is still there, keys are escaped if that is asked for, and something may
be deleted while a page is made. `python benchmarks/s3_stub.py 100000` prints its address and serves until it is ended.
"""

from __future__ import annotations

import argparse
import re
import threading
import time
from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, quote_plus, unquote, urlsplit
from xml.sax.saxutils import escape, unescape

PAGE = 1000
# Of every version, in bytes.
SIZE = 10
_OBJECT = re.compile(r"<Object><Key>(.*?)</Key><VersionId>(.*?)</VersionId></Object>", re.DOTALL)
_REFERENCES = {"&#xD;": "\r", "&#xA;": "\n", "&quot;": '"', "&apos;": "'"}

# Operation → an error of the whole answer (status, code), or None. May take its time.
Fault = Callable[[str], tuple[int, str] | None]
# Key → the code with which its deletion is refused within an answer that is otherwise good, or None.
Refuse = Callable[[str], str | None]


class Stub(ThreadingHTTPServer):
    """The bucket and its server. A version's id is its place among `keys`, which are sorted here; so is an upload's."""

    daemon_threads = True
    request_queue_size = 64

    def __init__(self, keys: Sequence[str], uploads: Sequence[str] = (), seconds: float = 0.0) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.keys = sorted(keys, key=str.encode)
        self.order = [key.encode() for key in self.keys]
        self.there = bytearray(b"\1" * len(keys))
        self.uploads = dict(enumerate(sorted(uploads, key=str.encode)))
        self.seconds = seconds
        self.fault: Fault = lambda _: None
        self.refuse: Refuse = lambda _: None
        self.gone = False
        self.requests: Counter[str] = Counter()
        self.at_once: Counter[str] = Counter()
        self.most_at_once: Counter[str] = Counter()
        self.lock = threading.Lock()

    @property
    def url(self) -> str:
        """Where it answers."""
        return f"http://127.0.0.1:{self.server_address[1]}"

    def left(self) -> list[str]:
        """Return the keys of what is still there, once for each version."""
        return [key for key, there in zip(self.keys, self.there, strict=True) if there]

    @contextmanager
    def serving(self) -> Iterator[Stub]:
        """Serve in a thread."""
        thread = threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield self
        finally:
            self.shutdown()
            thread.join()
            self.server_close()


class _Handler(BaseHTTPRequestHandler):
    server: Stub
    protocol_version = "HTTP/1.1"
    # Head and body go in two pieces; without this the second waits for an answer to the first.
    disable_nagle_algorithm = True

    def log_message(self, *_: object) -> None:
        """Say nothing."""

    def do_GET(self) -> None:
        self._serve(self._uploads if "uploads" in self._query() else self._versions)

    def do_POST(self) -> None:
        self._serve(self._delete_objects)

    def do_DELETE(self) -> None:
        self._serve(self._abort if "uploadId" in self._query() else self._delete_object)

    def _query(self) -> dict[str, str]:
        return {name: values[0] for name, values in parse_qs(urlsplit(self.path).query, keep_blank_values=True).items()}

    def _serve(self, operation: Callable[[dict[str, str], str], str]) -> None:
        stub, name = self.server, operation.__name__.removeprefix("_")
        body = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()
        with stub.lock:
            stub.requests[name] += 1
            stub.at_once[name] += 1
            stub.most_at_once[name] = max(stub.most_at_once[name], stub.at_once[name])
        time.sleep(stub.seconds)
        fault = (404, "NoSuchBucket") if stub.gone else stub.fault(name)
        try:
            if fault is None:
                done = operation(self._query(), body)
                self._answer(200 if done else 204, done)
            else:
                self._answer(fault[0], f"<Error><Code>{fault[1]}</Code><Message>{fault[1]}</Message></Error>")
        finally:
            with stub.lock:
                stub.at_once[name] -= 1

    def _answer(self, status: int, body: str) -> None:
        data = f'<?xml version="1.0" encoding="UTF-8"?>{body}'.encode() if body else b""
        self.send_response(status)
        self.send_header("Content-Type", "application/xml")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def _versions(self, query: dict[str, str], _: str) -> str:
        stub = self.server
        prefix = query.get("prefix", "").encode()
        if query.get("version-id-marker"):
            place = int(query["version-id-marker"]) + 1
        else:
            place = bisect_right(stub.order, query["key-marker"].encode()) if query.get("key-marker") else 0
        found: list[int] = []
        while len(found) <= PAGE and (place := stub.there.find(1, place)) >= 0:
            if stub.order[place].startswith(prefix):
                found.append(place)
            place += 1
        entries = "".join(
            f"<Version><Key>{quote_plus(stub.keys[number])}</Key><VersionId>{number}</VersionId>"
            "<IsLatest>true</IsLatest><LastModified>2026-11-21T10:00:00.000Z</LastModified>"
            f'<ETag>"0123456789abcdef0123456789abcdef"</ETag><Size>{SIZE}</Size><StorageClass>STANDARD</StorageClass>'
            "</Version>"
            for number in found[:PAGE]
        )
        more = len(found) > PAGE
        last = found[:PAGE][-1] if more else 0
        markers = f"<NextKeyMarker>{quote_plus(stub.keys[last])}</NextKeyMarker>" if more else ""
        markers += f"<NextVersionIdMarker>{last}</NextVersionIdMarker>" if more else ""
        return (
            f"<ListVersionsResult><EncodingType>url</EncodingType><IsTruncated>{str(more).lower()}</IsTruncated>"
            f"{markers}{entries}</ListVersionsResult>"
        )

    def _uploads(self, query: dict[str, str], _: str) -> str:
        stub = self.server
        after = int(query.get("upload-id-marker", -1))
        found = [
            number
            for number, key in sorted(stub.uploads.items())
            if number > after and key.startswith(query.get("prefix", ""))
        ]
        more = len(found) > PAGE
        entries = "".join(
            f"<Upload><Key>{quote_plus(stub.uploads[number])}</Key><UploadId>{number}</UploadId></Upload>"
            for number in found[:PAGE]
        )
        markers = ""
        if more:
            last = found[PAGE - 1]
            markers = f"<NextKeyMarker>{quote_plus(stub.uploads[last])}</NextKeyMarker>"
            markers += f"<NextUploadIdMarker>{last}</NextUploadIdMarker>"
        return (
            f"<ListMultipartUploadsResult><EncodingType>url</EncodingType><IsTruncated>{str(more).lower()}"
            f"</IsTruncated>{markers}{entries}</ListMultipartUploadsResult>"
        )

    def _delete_objects(self, _: dict[str, str], body: str) -> str:
        objects = [(unescape(key, _REFERENCES), int(version)) for key, version in _OBJECT.findall(body)]
        assert 0 < len(objects) <= PAGE, "S3 takes at most 1,000"
        errors = ""
        for key, number in objects:
            assert self.server.keys[number] == key, f"{key!r} is not what was listed"
            if code := self.server.refuse(key):
                errors += f"<Error><Key>{escape(key)}</Key><VersionId>{number}</VersionId><Code>{code}</Code></Error>"
            else:
                self.server.there[number] = 0
        return f"<DeleteResult>{errors}</DeleteResult>"

    def _delete_object(self, query: dict[str, str], _: str) -> str:
        number = int(query["versionId"])
        assert self.server.keys[number] == unquote(urlsplit(self.path).path.split("/", 2)[2])
        self.server.there[number] = 0
        return ""

    def _abort(self, query: dict[str, str], _: str) -> str:
        self.server.uploads.pop(int(query["uploadId"]), None)
        return ""


def main() -> None:
    """Serve a bucket of that many versions."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("versions", type=int)
    parser.add_argument("--seconds", type=float, default=0.0, help="that every request takes besides")
    arguments = parser.parse_args()
    stub = Stub([f"dataset/part-{number:07d}.bin" for number in range(arguments.versions)], seconds=arguments.seconds)
    print(stub.url, flush=True)
    stub.serve_forever()


if __name__ == "__main__":
    main()
