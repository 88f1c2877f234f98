"""Files on their way into S3: streamed, and measured against their SHA-256 while they are read."""

from __future__ import annotations

import base64
import hashlib
import io
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from bootstrap.adapters.aws.session import Aws, error_code, explained
from bootstrap.errors import AwsFailed, BootstrapError

# What one request sends, and what is in memory for each file that is on its way. S3 takes parts of 5 MiB and more.
# https://docs.aws.amazon.com/AmazonS3/latest/userguide/qfacts.html
PART = 16 * 1024**2
_MOST_PARTS = 10_000
_ABSENT = {"404", "NoSuchKey"}
# Of an upload in parts S3 itself keeps a checksum of the parts' checksums only; ours stands beside it under this name.
_WHOLE = "sha256"


def upload(aws: Aws, bucket: str, key: str, file: Path, size: int, sha256: str, moved: Callable[[int], None]) -> None:
    """Put a file of so many bytes and that SHA-256 (hexadecimal) into S3, which takes no part that arrives otherwise.

    `moved` gets the bytes of each part that has arrived, and may raise to stop: then nothing of it is there. Raises
    AwsFailed, and BootstrapError if the file is another one by now. May be called from several threads.
    https://docs.aws.amazon.com/AmazonS3/latest/userguide/checking-object-integrity.html
    """
    request = {"Bucket": bucket, "Key": key}
    with explained(f"write s3://{bucket}/{key} (s3:PutObject)"):
        if size > PART:
            in_parts(aws, request, file, part_of(size), moved, sha256)
            return
        content = file.read_bytes()
        _require_same(file, hashlib.sha256(content).hexdigest(), sha256)
        aws.client("s3").put_object(
            **request,
            Body=_Watched(content, moved),
            ChecksumAlgorithm="SHA256",
            ChecksumSHA256=as_s3_writes(bytes.fromhex(sha256)),
        )
    moved(size)


def part_of(size: int, least: int = PART) -> int:
    """Return how many bytes the parts of an upload of `size` bytes have, so that they are not too many."""
    return max(least, -(-size // _MOST_PARTS))


def in_parts(
    aws: Aws,
    request: dict[str, str],
    file: Path,
    part: int,
    moved: Callable[[int], None],
    sha256: str,
    break_off: Callable[[str], None] | None = None,
) -> None:
    """Upload a file in parts of `part` bytes; `request` says where. What is interrupted is broken off.

    `break_off` does that with the upload's id. `moved` and errors as in `upload`, but what boto3 raises stays as it is.
    """
    s3, whole = aws.client("s3"), hashlib.sha256()
    made = s3.create_multipart_upload(**request, ChecksumAlgorithm="SHA256", Metadata={_WHOLE: sha256})
    upload_id = made["UploadId"]
    parts: list[dict[str, Any]] = []
    try:
        with file.open("rb") as content:
            while chunk := content.read(part):
                moved(0)
                whole.update(chunk)
                checksum = as_s3_writes(hashlib.sha256(chunk).digest())
                which = {"PartNumber": len(parts) + 1, "ChecksumSHA256": checksum}
                body = _Watched(chunk, moved)
                answer = s3.upload_part(**request, UploadId=upload_id, Body=body, ChecksumAlgorithm="SHA256", **which)
                parts.append({**which, "ETag": answer["ETag"]})
                moved(len(chunk))
        _require_same(file, whole.hexdigest(), sha256)
        s3.complete_multipart_upload(**request, UploadId=upload_id, MultipartUpload={"Parts": parts})
    except BaseException:
        # Should this fail too, the next run or the bucket's own rule for unfinished uploads does it.
        with suppress(AwsFailed), explained("break off an upload (s3:AbortMultipartUpload)"):
            if break_off is not None:
                break_off(upload_id)
            else:
                s3.abort_multipart_upload(**request, UploadId=upload_id)
        raise


def has(aws: Aws, bucket: str, key: str, size: int, sha256: str) -> bool:
    """Tell by one request whether S3 keeps an object of that size and SHA-256. Raises AwsFailed."""
    from botocore.exceptions import ClientError

    with explained(f"look at s3://{bucket}/{key} (s3:GetObject)"):
        try:
            found = aws.client("s3").head_object(Bucket=bucket, Key=key, ChecksumMode="ENABLED")
        except ClientError as error:
            if error_code(error) in _ABSENT:
                return False
            raise
    if found["ContentLength"] != size:
        return False
    # Of what went in parts: it is there only if each of them arrived as it was sent, and all together are this content.
    if (whole := found.get("Metadata", {}).get(_WHOLE)) is not None:
        return bool(whole == sha256)
    return bool(found.get("ChecksumSHA256") == as_s3_writes(bytes.fromhex(sha256)))


def _require_same(file: Path, now: str, then: str) -> None:
    if now != then:
        raise BootstrapError(
            f"{file} was changed while it was read.",
            hint="Wait until nobody writes to it, then run the same command again.",
        )


class _Watched(io.BytesIO):
    """Bytes that ask, at each read of them, whether to go on: `moved` may raise to stop."""

    def __init__(self, content: bytes, moved: Callable[[int], None]) -> None:
        super().__init__(content)
        self._moved = moved

    def read(self, size: int | None = -1, /) -> bytes:
        self._moved(0)
        return super().read(size)


def as_s3_writes(digest: bytes) -> str:
    """Return a checksum in base64, as S3's API has it."""
    return base64.b64encode(digest).decode()
