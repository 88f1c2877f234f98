"""What S3 will not delete: why, and what a person can do about it."""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timezone
from fnmatch import fnmatchcase
from typing import Any

from bootstrap.core.counts import counted
from bootstrap.errors import AwsFailed

_DELETING = ("s3:deleteobjectversion", "s3:deleteobject", "s3:abortmultipartupload")


@dataclass(frozen=True)
class Refused:
    """A version or an upload (`id`) that S3 would not delete; `code` and `words` are S3's."""

    key: str
    id: str
    is_upload: bool
    code: str
    words: str


def refusal(s3: Any, bucket: str, count: int, first: Refused) -> AwsFailed:
    """Return the error for `count` things that S3 would not delete: the first of them, why, and the way out."""
    why, way_out = _cause(s3, bucket, first)
    what = f"{shown(first.key)} ({first.code}){why}"
    if count > 1:
        what = f"{counted(count, 'thing')} in it, the first of them {what}"
        way_out = f"{way_out} The others may be kept for another reason, or for longer."
    return AwsFailed(
        f"Bucket {bucket} could not be emptied: S3 refuses to delete {what}. Everything else in it is deleted.",
        hint=f"{way_out} Then run the same command again.",
    )


def _cause(s3: Any, bucket: str, item: Refused) -> tuple[str, str]:
    """Return why S3 refuses, to go after the code, and the sentences that say the way out."""
    if not item.is_upload and (lock := _lock(s3, bucket, item)):
        return lock
    if (statements := _denying(s3, bucket)) is not None:
        return (
            f": the bucket's policy denies it (statement {statements})",
            f"Take that statement out of the policy (`aws s3api get-bucket-policy --bucket {bucket}`), or take the "
            f"whole policy away: `aws s3api delete-bucket-policy --bucket {bucket}`.",
        )
    if "object lock" in item.words.lower():
        return ": it is locked", "Look at its lock with an identity that has s3:GetObjectRetention and lift it."
    action = "s3:AbortMultipartUpload" if item.is_upload else "s3:DeleteObjectVersion"
    return "", f"Use an identity that has {action} on this bucket, or look at its policy and at its object lock."


def _lock(s3: Any, bucket: str, item: Refused) -> tuple[str, str] | None:
    """As `_cause`, for a version that is locked; None for one that is not, or whose lock may not be read.

    https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-lock.html
    """
    # One request tells of hold and retention, and the emulator knows it too, which has no GetObjectRetention.
    head = _read(lambda: s3.head_object(Bucket=bucket, Key=item.key, VersionId=item.id))
    key = shlex.quote(item.key) if item.key.isprintable() else "KEY"
    named = f"--bucket {bucket} --key {key} --version-id {item.id}"
    if head.get("ObjectLockLegalHoldStatus") == "ON":
        return (
            ": there is a legal hold on it",
            "A legal hold has no end of its own. Somebody with s3:PutObjectLegalHold takes it off: "
            f"`aws s3api put-object-legal-hold {named} --legal-hold Status=OFF`.",
        )
    until = head.get("ObjectLockRetainUntilDate")
    if not isinstance(until, datetime):
        return None
    date = f"{until.astimezone(timezone.utc):%Y-%m-%d %H:%M} UTC"
    if head.get("ObjectLockMode") == "COMPLIANCE":
        return (
            f": object lock keeps it in compliance mode until {date}",
            f"Nobody can lift that, not even the account's root user: wait until {date}.{_default(s3, bucket)}",
        )
    return (
        f": object lock keeps it in governance mode until {date}",
        f"Wait until {date}, or let somebody who has s3:BypassGovernanceRetention delete it: "
        f"`aws s3api delete-object {named} --bypass-governance-retention`.{_default(s3, bucket)}",
    )


def _default(s3: Any, bucket: str) -> str:
    """Return a sentence on how long the bucket locks what is new in it, or nothing if it does not."""
    settings = _read(lambda: s3.get_object_lock_configuration(Bucket=bucket)).get("ObjectLockConfiguration", {})
    default = settings.get("Rule", {}).get("DefaultRetention", {})
    for unit in ("Days", "Years"):
        if unit in default:
            time = counted(int(default[unit]), unit.lower().removesuffix("s"))
            return f" This bucket locks whatever is written into it for {time}."
    return ""


def _denying(s3: Any, bucket: str) -> str | None:
    """Return which statements of the bucket's policy deny deletions, in words; None if there are none to be seen."""
    try:
        policy = json.loads(_read(lambda: s3.get_bucket_policy(Bucket=bucket)).get("Policy", "{}"))
    except ValueError:
        return None
    statements = policy.get("Statement", [])
    found = [
        str(one.get("Sid", "without a Sid"))
        for one in (statements if isinstance(statements, list) else [statements])
        if one.get("Effect") == "Deny" and _deletes(one.get("Action", []))
    ]
    return ", ".join(found) or None


def _deletes(actions: str | list[str]) -> bool:
    patterns = [actions] if isinstance(actions, str) else actions
    return any(fnmatchcase(name, pattern.lower()) for pattern in patterns for name in _DELETING)


def _read(call: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """Return an answer, or nothing: an explanation that cannot be read must not hide what it would explain."""
    from botocore.exceptions import ClientError

    try:
        return call()
    except ClientError:
        return {}


def shown(key: str) -> str:
    """Return a key as it may stand in a message: one that would do something to a terminal is quoted."""
    return key if key.isprintable() and key == key.strip() else repr(key)
