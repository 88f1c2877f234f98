"""Single objects in S3: small texts that several people write, and a member's files on their way out."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path, PurePosixPath

from bootstrap.adapters.aws.session import Aws, error_code, explained
from bootstrap.errors import AwsFailed

_ABSENT = {"404", "NoSuchKey", "NoSuchBucket"}
_CHANGED = {"PreconditionFailed", "ConditionalRequestConflict", "412"}
_DOWNLOADS = 8
# Names that a file system somewhere gives a meaning of its own.
_UNSAFE = frozenset('\\:*?"<>|\0')


@dataclass(frozen=True)
class Text:
    """A text object as it was read. `etag` names this very version of it."""

    text: str
    etag: str


@dataclass(frozen=True)
class Stored:
    """An object below a prefix; `size` in bytes."""

    key: str
    size: int


def read_text(aws: Aws, bucket: str, key: str) -> Text | None:
    """Return a small text object; None if it, or its bucket, is not there."""
    from botocore.exceptions import ClientError

    with explained(f"read s3://{bucket}/{key} (s3:GetObject)"):
        try:
            answer = aws.client("s3").get_object(Bucket=bucket, Key=key)
        except ClientError as error:
            if error_code(error) in _ABSENT:
                return None
            raise
        return Text(answer["Body"].read().decode("utf-8", errors="replace"), str(answer["ETag"]))


def write_text(aws: Aws, bucket: str, key: str, text: str, before: Text | None) -> Text:
    """Write a small text object in place of `before`; None: there was none.

    Raises AwsFailed if somebody else has written it since.
    https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes.html
    """
    from botocore.exceptions import ClientError

    condition = {"IfMatch": before.etag} if before else {"IfNoneMatch": "*"}
    with explained(f"write s3://{bucket}/{key} (s3:PutObject)"):
        try:
            answer = aws.client("s3").put_object(Bucket=bucket, Key=key, Body=text.encode(), **condition)
        except ClientError as error:
            if error_code(error) in _CHANGED:
                raise AwsFailed(
                    f"Somebody else has changed s3://{bucket}/{key} just now. Nothing of it was overwritten.",
                    hint="Run the same command again: it begins from what is there now.",
                ) from error
            raise
    return Text(text, str(answer["ETag"]))


def listed(aws: Aws, bucket: str, prefix: str) -> list[Stored]:
    """Return the current objects below a prefix, the empty folder objects left out."""
    with explained(f"list s3://{bucket}/{prefix} (s3:ListBucket)"):
        pages = aws.client("s3").get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
        return [
            Stored(entry["Key"], int(entry["Size"]))
            for page in pages
            for entry in page.get("Contents", [])
            if not entry["Key"].endswith("/")
        ]


def folders(aws: Aws, bucket: str, below: str = "") -> list[str]:
    """Return the names up to the next slash of what is below a prefix of a bucket now, in order. Raises AwsFailed."""
    with explained(f"list s3://{bucket}/{below} (s3:ListBucket)"):
        pages = aws.client("s3").get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=below, Delimiter="/")
        found = [entry["Prefix"] for page in pages for entry in page.get("CommonPrefixes", [])]
    return [prefix.removeprefix(below).rstrip("/") for prefix in found]


def beside(aws: Aws, bucket: str, prefix: str) -> list[Stored]:
    """Return the current objects right below a prefix, and none of what is in a folder there. Raises AwsFailed."""
    with explained(f"list s3://{bucket}/{prefix} (s3:ListBucket)"):
        pages = aws.client("s3").get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix, Delimiter="/")
        return [
            Stored(entry["Key"], int(entry["Size"]))
            for page in pages
            for entry in page.get("Contents", [])
            if not entry["Key"].endswith("/")
        ]


def download(aws: Aws, bucket: str, prefix: str, folder: Path, progress: Callable[[int], None]) -> list[Path]:
    """Copy every object below `prefix` into `folder`, several at a time, and make sure that each arrived whole.

    A file that is there already in the same size is fetched anew all the same: size proves nothing. `progress` gets
    the number of files so far. Raises AwsFailed for a key that would lead out of `folder` or that this machine
    cannot have as a file, before anything is written.
    """
    found = listed(aws, bucket, prefix)
    places = {one.key: _place(folder, one.key.removeprefix(prefix), bucket, one.key) for one in found}
    if len({str(place).casefold() for place in places.values()}) < len(places):
        raise AwsFailed(
            f"Below s3://{bucket}/{prefix} are keys that differ only in case; as files one would overwrite the other.",
            hint="Rename one of them, then run the same command again.",
        )
    for place in places.values():
        place.parent.mkdir(parents=True, exist_ok=True)
    with ThreadPoolExecutor(_DOWNLOADS) as pool:
        for done, _ in enumerate(pool.map(lambda one: _fetch(aws, bucket, one, places[one.key]), found), start=1):
            progress(done)
    return list(places.values())


def _fetch(aws: Aws, bucket: str, one: Stored, place: Path) -> None:
    part = place.with_name(f".{place.name}.part")
    with explained(f"download s3://{bucket}/{one.key} (s3:GetObject)"):
        # The transfer manager checks the checksums that S3 keeps, and tries a broken connection again.
        aws.client("s3").download_file(bucket, one.key, str(part))
    if part.stat().st_size != one.size:
        part.unlink()
        raise AwsFailed(f"s3://{bucket}/{one.key} changed while it was read.", hint="Run the same command again.")
    part.replace(place)


def _place(folder: Path, relative: str, bucket: str, key: str) -> Path:
    parts = PurePosixPath(relative).parts
    if relative.startswith("/") or "//" in relative or any(_is_unsafe(part) for part in parts):
        raise AwsFailed(
            f"s3://{bucket}/{key} has a name that would be no ordinary file below {folder}. Nothing was written.",
            hint="Rename that object (`aws s3 mv`), then run the same command again.",
        )
    return folder.joinpath(*parts)


def _is_unsafe(part: str) -> bool:
    return part in (".", "..") or not _UNSAFE.isdisjoint(part) or any(ord(sign) < 32 for sign in part)


def put_empty(aws: Aws, bucket: str, key: str) -> datetime:
    """Put an empty object in place of whatever was there; return when that was, by S3's clock. Raises AwsFailed."""
    with explained(f"write s3://{bucket}/{key} (s3:PutObject)"):
        aws.client("s3").put_object(Bucket=bucket, Key=key, Body=b"")
        moment = changed(aws, bucket, key)
    return moment if moment is not None else datetime.now(timezone.utc)


def changed(aws: Aws, bucket: str, key: str) -> datetime | None:
    """Return when an object was last written, in whole seconds; None if it is not there. Raises AwsFailed."""
    from botocore.exceptions import ClientError

    with explained(f"look at s3://{bucket}/{key} (s3:GetObject)"):
        try:
            answer = aws.client("s3").head_object(Bucket=bucket, Key=key)
        except ClientError as error:
            if error_code(error) in _ABSENT:
                return None
            raise
    moment: datetime = answer["LastModified"]
    return moment


def fetch(aws: Aws, bucket: str, key: str, target: Path) -> None:
    """Write an object's content to the file `target`. Raises AwsFailed."""
    with explained(f"download s3://{bucket}/{key} (s3:GetObject)"):
        aws.client("s3").download_file(bucket, key, str(target))


def delete_keys(aws: Aws, bucket: str, keys: Iterator[str]) -> None:
    """Delete current objects; their older versions stay as long as the bucket keeps them."""
    s3 = aws.client("s3")
    with explained(f"delete objects of {bucket} (s3:DeleteObject)"):
        for key in keys:
            s3.delete_object(Bucket=bucket, Key=key)
