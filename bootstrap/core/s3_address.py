"""Where in S3 something goes, as people write it: `s3://BUCKET/PREFIX`."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass

from bootstrap.errors import UsageError

# As an address begins, or what somebody meant for one; one letter in front of the colon is a drive of Windows.
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+:/|(?i:s3|arn):")
# https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html
_BUCKET = re.compile(r"(?!.*\.\.)[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_IP_ADDRESS = re.compile(r"\d+\.\d+\.\d+\.\d+")
# Bytes. A key has 1,024 at most, and the path of a file below the prefix up to 600 (`core.manifest`).
# https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-keys.html
_LONGEST_PREFIX = 400


@dataclass(frozen=True)
class S3Address:
    """A bucket and a prefix in it, without slashes at its ends; empty: the whole bucket."""

    bucket: str
    prefix: str = ""

    def __str__(self) -> str:
        return f"s3://{self.bucket}/{self.prefix}" if self.prefix else f"s3://{self.bucket}"

    def __truediv__(self, name: str) -> S3Address:
        return S3Address(self.bucket, self.key(name))

    def key(self, path: str) -> str:
        """Return the key of what lies at `path` below the address; of an empty path what all keys there begin with."""
        return f"{self.prefix}/{path}" if self.prefix else path


def parse_s3_address(text: str) -> S3Address | None:
    """Read an address; None if `text` is no address at all, but the path of a folder.

    Raises UsageError if it is one that cannot be used, and says what is wrong with it.
    """
    if not text:
        # As from a variable of the shell that is not set. As a folder it would be the one somebody stands in.
        raise UsageError("No place is named: it is empty.", hint="Write s3://BUCKET/PREFIX, or name a folder.")
    if not _SCHEME.match(text):
        return None
    if not text.startswith("s3://"):
        raise _unusable(text, "is neither a folder nor an address that begins with s3://")
    bucket, _, prefix = text.removeprefix("s3://").partition("/")
    if not _BUCKET.fullmatch(bucket) or _IP_ADDRESS.fullmatch(bucket):
        raise _unusable(text, f"names no bucket: '{bucket}' is no name that S3 gives")
    prefix = prefix.removesuffix("/")
    if prefix and {"", ".", ".."} & set(prefix.split("/")):
        raise _unusable(text, "has a part between its slashes that is empty, or only dots")
    # Control characters, and halves of a pair, which are no text.
    if any(unicodedata.category(sign) in ("Cc", "Cs") for sign in prefix):
        raise _unusable(text, "has a sign in it that cannot be seen")
    if len(prefix.encode()) > _LONGEST_PREFIX:
        raise _unusable(text, f"is too long: below its bucket it may have {_LONGEST_PREFIX} bytes")
    return S3Address(bucket, prefix)


def _unusable(text: str, why: str) -> UsageError:
    shown = text if text.isprintable() else ascii(text)
    return UsageError(f"{shown} {why}.", hint="Write s3://BUCKET/PREFIX, or name a folder on this machine.")
