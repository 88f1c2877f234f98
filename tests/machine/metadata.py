"""Answers one request to the address 169.254.169.254, as EC2 does for a machine with a role and IMDSv2 required.

The emulated computer's network starts this program for each connection, with the connection as its standard input
and output. The role's keys stand in the JSON file that the only argument names.
https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/configuring-instance-metadata-service.html
"""

from __future__ import annotations

import json
import socketserver
import sys
from io import BufferedIOBase
from pathlib import Path
from typing import cast

TOKEN = "proof"
_ROLES = "/latest/meta-data/iam/security-credentials/"
ROLE = "course.stag.mlflow"


def answer(method: str, path: str, headers: dict[str, str], keys: Path) -> tuple[int, str]:
    """Return status and body. Without a session's token everything is refused."""
    if method == "PUT" and path == "/latest/api/token":
        return 200, TOKEN
    if headers.get("x-aws-ec2-metadata-token") != TOKEN:
        return 401, ""
    if path == _ROLES:
        return 200, ROLE
    if path == _ROLES + ROLE:
        return 200, keys.read_text(encoding="utf-8")
    return 404, ""


def document(key_id: str, secret: str, token: str) -> str:
    """Return what EC2 says of a role's keys."""
    return json.dumps(
        {
            "Code": "Success",
            "Type": "AWS-HMAC",
            "LastUpdated": "2026-01-01T00:00:00Z",
            "Expiration": "2099-01-01T00:00:00Z",
            "AccessKeyId": key_id,
            "SecretAccessKey": secret,
            "Token": token,
        }
    )


def converse(source: BufferedIOBase, target: BufferedIOBase, keys: Path) -> None:
    """Read one request and answer it."""
    method, path, _ = source.readline().decode("ascii").split(" ", 2)
    headers = {}
    while line := source.readline().decode("ascii").strip():
        name, _, value = line.partition(":")
        headers[name.lower()] = value.strip()
    status, body = answer(method, path, headers, keys)
    target.write(f"HTTP/1.1 {status} x\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n{body}".encode())
    target.flush()


class _Connection(socketserver.StreamRequestHandler):
    def handle(self) -> None:
        converse(self.rfile, self.wfile, Path(sys.argv[1]))


def main() -> None:
    """Answer one request, or with `--listen` all that come to the address."""
    if sys.argv[2:] == ["--listen"]:
        with socketserver.ThreadingTCPServer(("169.254.169.254", 80), _Connection) as server:
            server.serve_forever()
    converse(cast(BufferedIOBase, sys.stdin.buffer), cast(BufferedIOBase, sys.stdout.buffer), Path(sys.argv[1]))


if __name__ == "__main__":
    main()
