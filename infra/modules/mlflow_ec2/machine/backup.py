"""Puts a copy of MLflow's database beside the artifacts: once a day, and when an archive asks for one.

Run once a minute by mlflow-backup.timer. Whoever wants a copy puts an object at `mlflow/.backup/wanted`; when that is
gone again, `mlflow/.backup/mlflow.db` is newer than the wish. Logins and other secrets are not in it.
"""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import database

WANTED = "mlflow/.backup/wanted"
COPY = "mlflow/.backup/mlflow.db"
_DAY = 24 * 60 * 60


def main() -> None:
    """Look whether a copy is wanted or due, and make it."""
    import boto3

    look(boto3.client("s3"), os.environ["MACHINE_BUCKET"], Path(os.environ["MACHINE_DATA"]), time.time())


def look(s3: Any, bucket: str, data: Path, now: float) -> bool:
    """Make a copy if one is wanted, or the last is a day old at `now` (seconds). Return whether one was made."""
    source, stamp = data / "mlflow.db", data / "backed-up"
    if not source.exists():
        return False
    wanted = _is_there(s3, bucket)
    if not wanted and stamp.exists() and now - stamp.stat().st_mtime < _DAY:
        return False
    copied = data / "backup.db"
    try:
        database.copy(source, copied, without_secrets=True)
        s3.upload_file(str(copied), bucket, COPY)
    finally:
        copied.unlink(missing_ok=True)
    stamp.touch(mode=0o600)
    os.utime(stamp, (now, now))
    if wanted:
        # Last, so that its absence means that the copy is there.
        s3.delete_object(Bucket=bucket, Key=WANTED)
    print("A copy of the database is in the bucket.")
    return True


def _is_there(s3: Any, bucket: str) -> bool:
    # Not asked for by its key: to a role that may list below a prefix only, S3 may answer 403 for what is not there.
    # https://docs.aws.amazon.com/AmazonS3/latest/API/API_HeadObject.html
    found = s3.list_objects_v2(Bucket=bucket, Prefix=WANTED, MaxKeys=1)
    return any(one["Key"] == WANTED for one in found.get("Contents", []))


if __name__ == "__main__":
    main()
