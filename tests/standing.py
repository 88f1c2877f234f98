"""Servers that tests of adapters and templates stand on: an MLflow as `up` starts it, an emulator that refuses."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bootstrap.adapters.aws import buckets, people
from bootstrap.adapters.aws.session import Aws, KeyPair
from bootstrap.adapters.emulator import Emulator
from bootstrap.adapters.mlflow import MlflowServer
from bootstrap.adapters.servers import Server
from tests.ports import some_port

_ANYBODY = KeyPair("AKIAIOSFODNN7EXAMPLE", "anything")


@contextmanager
def own_mlflow(folder: Path, bucket: str) -> Iterator[MlflowServer]:
    """Run a server of our own making, whose artifacts lie in `bucket` of an emulator of its own."""
    emulator, mlflow = Emulator(folder / "local"), MlflowServer(folder / "mlflow")
    plain = {name: os.environ[name] for name in ("PATH", "SYSTEMROOT", "TMPDIR", "LANG") if name in os.environ}
    plain["HOME"] = str(folder)
    try:
        aws = emulator.start(some_port(), plain)
        buckets.create_state_bucket(Aws("eu-west-1", aws.url, key=_ANYBODY), bucket, {})
        environ = plain | {
            "AWS_ENDPOINT_URL": aws.url,
            "AWS_ACCESS_KEY_ID": _ANYBODY.id,
            "AWS_SECRET_ACCESS_KEY": _ANYBODY.secret,
            "AWS_DEFAULT_REGION": "eu-west-1",
        }
        mlflow.wait(mlflow.start(port=some_port(), bucket=bucket, instance="x", environ=environ))
        yield mlflow
    finally:
        mlflow.stop()
        emulator.stop()


@contextmanager
def enforcing_emulator(folder: Path) -> Iterator[tuple[Server, KeyPair]]:
    """Run a moto server with permission checks on; gives it and its operator's key."""
    found = Emulator(folder)
    server = found.start(some_port(), os.environ)
    try:
        operator = people.create_operator(Aws("us-east-1", server.url, key=_ANYBODY), "operator", "/bootstrap/")
        found.enforce_permissions(server)
        yield server, operator
    finally:
        found.stop()
