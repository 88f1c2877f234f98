"""Objects on their way out of S3: listed, and streamed without ever being in memory as a whole."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, closing
from dataclasses import dataclass
from datetime import timezone
from pathlib import Path
from typing import Any

from bootstrap.adapters.aws.session import Aws, error_code, explained
from bootstrap.core.manifest import Source
from bootstrap.errors import AwsFailed

_CHUNK = 1024 * 1024
# How often one object is taken up again where the connection broke.
_TRIES = 5
# Gone, or another one than was listed.
_OTHER = {"NoSuchKey", "NoSuchVersion", "404", "PreconditionFailed", "412"}


@dataclass(frozen=True)
class Fetched:
    """A file that holds an object: its SHA-256 in hexadecimal, and the version it is, where the bucket keeps any."""

    sha256: str
    version_id: str | None


def listed(aws: Aws, bucket: str, prefixes: Sequence[str]) -> list[Source]:
    """Return the current objects below each prefix (s3:ListBucket); folder objects are among them."""
    found = []
    with explained(f"list {bucket} (s3:ListBucket)"):
        for prefix in prefixes:
            for page in aws.client("s3").get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix):
                found += [_source(entry) for entry in page.get("Contents", [])]
    return found


def listed_versions(aws: Aws, bucket: str) -> list[Source]:
    """Return all versions of all objects of a bucket (s3:ListBucketVersions); a delete marker is none.

    A current one that keeps its plain place is not `old`.
    """
    found = []
    with explained(f"list the versions in {bucket} (s3:ListBucketVersions)"):
        for page in aws.client("s3").get_paginator("list_object_versions").paginate(Bucket=bucket):
            found += [
                _source(entry, version_id=str(entry["VersionId"]), old=not entry["IsLatest"])
                for entry in page.get("Versions", [])
            ]
    return found


def _source(entry: dict[str, Any], version_id: str | None = None, *, old: bool = False) -> Source:
    modified = entry["LastModified"].astimezone(timezone.utc).isoformat()
    return Source(str(entry["Key"]), int(entry["Size"]), str(entry["ETag"]), modified, version_id, old)


def fetch(aws: Aws, bucket: str, source: Source, target: Path, moved: Callable[[int], None]) -> Fetched | None:
    """Stream an object into `target`; None if by now it is gone or another one than was listed.

    What arrived is measured against the size, against the checksum that S3 keeps of it and, where the ETag is one,
    against its MD5; then it is on the disk, not only on its way there. `moved` gets the bytes of each chunk, and may
    raise to stop. Where a connection breaks it goes on from there. Raises AwsFailed.
    """
    sha256, md5 = hashlib.sha256(), hashlib.md5(usedforsecurity=False)
    with target.open("wb") as file, _explained(bucket, source):

        def take(chunk: bytes) -> None:
            file.write(chunk)
            sha256.update(chunk)
            md5.update(chunk)
            moved(len(chunk))

        answer = _stream(aws, bucket, source, take)
        file.flush()
        os.fsync(file.fileno())
    if answer is None:
        return None
    if _is_md5(answer) and source.etag.strip('"') != md5.hexdigest():
        raise AwsFailed(
            f"s3://{bucket}/{source.key} arrived as something else than S3 says it holds.",
            hint="Try the same command again; it goes on where it stopped.",
        )
    version = answer.get("VersionId")
    return Fetched(sha256.hexdigest(), str(version) if version else source.version_id)


def digest(aws: Aws, bucket: str, source: Source, moved: Callable[[int], None]) -> str | None:
    """Read an object and return its SHA-256 in hexadecimal; `moved`, connections that break and errors as in `fetch`.

    None if by now it is gone or another one, or is not what the checksum says that S3 keeps of it.
    """
    from botocore.exceptions import FlexibleChecksumError

    sha256 = hashlib.sha256()

    def take(chunk: bytes) -> None:
        sha256.update(chunk)
        moved(len(chunk))

    with _explained(bucket, source):
        try:
            answer = _stream(aws, bucket, source, take)
        except FlexibleChecksumError:
            return None
    return sha256.hexdigest() if answer is not None else None


def _explained(bucket: str, source: Source) -> AbstractContextManager[None]:
    return explained(f"read s3://{bucket}/{source.key} (s3:GetObject)")


def _stream(aws: Aws, bucket: str, source: Source, take: Callable[[bytes], None]) -> dict[str, Any] | None:
    """Give an object to `take` chunk by chunk; return what S3 says of it, None if it is gone or another one."""
    from botocore.exceptions import ClientError, HTTPClientError, IncompleteReadError, ResponseStreamingError

    done = tries = 0
    answer: dict[str, Any] | None = None
    while True:
        try:
            answer = aws.client("s3").get_object(**_request(bucket, source, done))
            # Its own `with` would hand out what lies below, and with that none of the checks on what arrives.
            with closing(answer["Body"]) as body:
                while chunk := body.read(_CHUNK):
                    take(chunk)
                    done += len(chunk)
            break
        except ClientError as error:
            if error_code(error) in _OTHER:
                return None
            raise
        except (HTTPClientError, IncompleteReadError, ResponseStreamingError):
            tries += 1
            if tries == _TRIES:
                raise
            # A file of no bytes is not there before S3 has said so.
            if answer is not None and done >= source.size:
                break
    return answer if done == source.size else None


def _request(bucket: str, source: Source, done: int) -> dict[str, str]:
    """Return the parameters that read this very state of an object, from the byte `done` on."""
    request = {"Bucket": bucket, "Key": source.key, "IfMatch": source.etag}
    if source.version_id is not None:
        request["VersionId"] = source.version_id
    if done:
        request["Range"] = f"bytes={done}-"
    return request


def _is_md5(answer: dict[str, Any]) -> bool:
    """Tell whether the ETag is the MD5 of the content: neither put in parts nor encrypted with a key of KMS.

    https://docs.aws.amazon.com/AmazonS3/latest/API/API_Object.html
    """
    etag = str(answer["ETag"]).strip('"')
    plain = answer.get("ServerSideEncryption", "AES256") == "AES256" and "SSECustomerAlgorithm" not in answer
    return plain and len(etag) == 32 and "-" not in etag
