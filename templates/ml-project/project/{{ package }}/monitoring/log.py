"""The log of predictions: what the model was asked and what it answered, one JSON object a line.

A line holds the model's input columns, the prediction, the model's version and the time. It says nothing of who asked:
no address, no header, no name. It goes to a file, or to a bucket as `s3://bucket/folder`. An object in a bucket cannot
be added to, so there each batch becomes an object of its own, in a folder for each day.
"""

from __future__ import annotations

import contextlib
import json
import logging
import queue
import threading
import uuid
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    import pandas as pd

# The names of what a line says beside the columns, in the frame that `read` returns.
AT, MODEL, PREDICTION = "@at", "@model", "@prediction"

_BATCH_ROWS = 500
_BATCH_SECONDS = 30.0
# Some hours of a class's requests; while a bucket cannot be reached, older ones are dropped rather than memory filled.
_MOST_WAITING = 50_000

_said = logging.getLogger(__name__)


class Log(Protocol):
    """A place that predictions are written to. It never raises: a prediction is worth more than its trace."""

    def write(self, rows: Sequence[Mapping[str, object]], predictions: Sequence[float], model: str) -> None:
        """Note what was asked and answered: one mapping of columns and one number for each row."""

    def close(self) -> None:
        """Write what still waits."""


def open_log(place: str, failed: Callable[[], None] = lambda: None) -> Log:
    """Return the log at `place`: a file, `s3://bucket/folder`, or empty for none. `failed` hears of each loss."""
    if place.startswith("s3://"):
        return _BucketLog(place, failed)
    return _FileLog(Path(place), failed) if place else _NoLog()


def read(place: str, days: int, now: datetime) -> tuple[pd.DataFrame, int]:
    """Return the predictions of the last `days`, and how many lines could not be read.

    The frame has the columns, and beside them AT (text, ISO 8601), MODEL (text) and PREDICTION (number); it is empty
    if there are none, or no log yet. `now` has a time zone. Raises what boto3 raises for a bucket it cannot read.
    """
    import pandas as pd

    since, found, unreadable = now - timedelta(days=days), [], 0
    for line in _bucket_lines(place, since, now) if place.startswith("s3://") else _file_lines(Path(place)):
        # A process that was killed leaves half a line; the other lines are as good as ever.
        try:
            said = json.loads(line)
            if datetime.fromisoformat(said["at"]) >= since:
                found.append(
                    {**said["input"], AT: said["at"], MODEL: said["model"], PREDICTION: float(said["prediction"])}
                )
        except (ValueError, KeyError, TypeError):
            unreadable += 1
    return pd.DataFrame(found), unreadable


def _lines(rows: Sequence[Mapping[str, object]], predictions: Sequence[float], model: str) -> list[str]:
    at = datetime.now(timezone.utc).isoformat(timespec="seconds")
    return [
        json.dumps({"at": at, "model": model, "input": dict(row), "prediction": prediction}, ensure_ascii=False) + "\n"
        for row, prediction in zip(rows, predictions, strict=True)
    ]


class _NoLog:
    def write(self, rows: Sequence[Mapping[str, object]], predictions: Sequence[float], model: str) -> None:
        """Note nothing."""

    def close(self) -> None:
        """Do nothing."""


class _FileLog:
    def __init__(self, path: Path, failed: Callable[[], None]) -> None:
        self._path, self._failed, self._one_at_a_time = path, failed, threading.Lock()

    def write(self, rows: Sequence[Mapping[str, object]], predictions: Sequence[float], model: str) -> None:
        """Add the lines to the file; other processes may add to it too."""
        text = "".join(_lines(rows, predictions, model)).encode()
        try:
            with self._one_at_a_time:
                self._path.parent.mkdir(parents=True, exist_ok=True)
                # Unbuffered and in one call, so that lines of two processes do not mix.
                with self._path.open("ab", buffering=0) as file:
                    file.write(text)
        except OSError as error:
            _said.warning("Predictions could not be written to %s: %s", self._path, error)
            self._failed()

    def close(self) -> None:
        """Do nothing: every line is written."""


class _BucketLog:
    def __init__(self, place: str, failed: Callable[[], None]) -> None:
        self._bucket, _, folder = place.removeprefix("s3://").partition("/")
        self._folder, self._failed = folder.strip("/"), failed
        self._waiting: queue.Queue[str] = queue.Queue(_MOST_WAITING)
        self._closing = threading.Event()
        self._enough = threading.Event()
        self._client: Any = None
        self._writer = threading.Thread(target=self._write_batches, name="prediction-log", daemon=True)
        self._writer.start()

    def write(self, rows: Sequence[Mapping[str, object]], predictions: Sequence[float], model: str) -> None:
        """Put the lines into the next batch; nobody waits for the bucket."""
        for line in _lines(rows, predictions, model):
            while True:
                try:
                    self._waiting.put_nowait(line)
                    break
                except queue.Full:
                    with contextlib.suppress(queue.Empty):
                        self._waiting.get_nowait()
                        self._failed()
        if self._waiting.qsize() >= _BATCH_ROWS:
            self._enough.set()

    def close(self) -> None:
        """Write the last batch, and wait for it a quarter of a minute at most."""
        self._closing.set()
        self._enough.set()
        self._writer.join(timeout=15)

    def _write_batches(self) -> None:
        while not self._closing.is_set():
            self._enough.wait(_BATCH_SECONDS)
            self._enough.clear()
            self._write_batch()
        self._write_batch()

    def _write_batch(self) -> None:
        batch: list[str] = []
        with contextlib.suppress(queue.Empty):
            while True:
                batch.append(self._waiting.get_nowait())
        if not batch:
            return
        now = datetime.now(timezone.utc)
        key = "/".join(
            part for part in (self._folder, f"{now:%Y/%m/%d}", f"{now:%H%M%S}-{uuid.uuid4().hex}.jsonl") if part
        )
        try:
            self._client = self._client or _s3()
            self._client.put_object(Bucket=self._bucket, Key=key, Body="".join(batch).encode())
        # Whatever the cloud's client raises, and it raises a lot: the model goes on answering.
        except Exception as error:  # noqa: BLE001
            _said.warning("Predictions could not be written to s3://%s: %s", self._bucket, error)
            self._failed()
            for line in batch:
                with contextlib.suppress(queue.Full):
                    self._waiting.put_nowait(line)


def _s3() -> Any:
    import boto3

    return boto3.client("s3")


def _file_lines(path: Path) -> Iterator[str]:
    if path.exists():
        with path.open(encoding="utf-8", errors="replace") as file:
            yield from file


def _bucket_lines(place: str, since: datetime, now: datetime) -> Iterable[str]:
    """Return the lines of the days from `since` to `now`; a batch may hold some of the half minute before midnight."""
    client = _s3()
    bucket, _, folder = place.removeprefix("s3://").partition("/")
    first, last = since.astimezone(timezone.utc).date(), now.astimezone(timezone.utc).date()
    for number in range((last - first).days + 1):
        day = f"{first + timedelta(days=number):%Y/%m/%d}/"
        prefix = "/".join(part for part in (folder.strip("/"), day) if part)
        for page in client.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix):
            for one in page.get("Contents", []):
                body = client.get_object(Bucket=bucket, Key=one["Key"])["Body"].read()
                yield from body.decode("utf-8", errors="replace").rstrip("\n").split("\n")
