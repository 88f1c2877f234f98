"""Whether a bucket is one that an archive may go to: there, ours to write and read, not public, and not about to go."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from contextlib import closing, suppress
from typing import Any

from bootstrap.adapters.aws import buckets
from bootstrap.adapters.aws.looking import PROJECT_TAG, in_region
from bootstrap.adapters.aws.session import Aws, error_code, explained, is_denied
from bootstrap.core.manifest import UNFINISHED
from bootstrap.core.s3_address import S3Address
from bootstrap.errors import AwsFailed, BootstrapError, UsageError

_ABSENT = {"404", "NoSuchBucket", "NotFound"}
# Everybody, and everybody who has any AWS account.
# https://docs.aws.amazon.com/AmazonS3/latest/userguide/acl-overview.html#specifying-grantee
_EVERYBODY = tuple(
    f"http://acs.amazonaws.com/groups/global/{group}"  # not an address that anybody asks: the name of a group
    for group in ("AllUsers", "AuthenticatedUsers")
)
_TRIAL = b"bootstrap looks whether an archive can be written here, and removes this again.\n"
_NEEDED = "s3:ListBucket, s3:PutObject, s3:GetObject and s3:DeleteObject"


def located(aws: Aws, bucket: str, owner: str | None = None) -> Aws:
    """Return the same identity in the region of a bucket.

    With `owner`, an account id, the bucket must belong to that account. Raises BootstrapError for one that is not
    there, is another account's, or that this identity may not see.
    """
    from botocore.exceptions import ClientError

    whose = {"ExpectedBucketOwner": owner} if owner else {}
    with explained(f"look at bucket {bucket} (s3:ListBucket)"):
        try:
            found = aws.client("s3").head_bucket(Bucket=bucket, **whose)
        except ClientError as error:
            if error_code(error) in _ABSENT:
                raise BootstrapError(
                    f"There is no bucket {bucket}.",
                    hint=f"Make one in your account, apart from the project: aws s3 mb s3://{bucket}",
                ) from error
            if is_denied(error) and owner and _is_open(aws, bucket):
                raise BootstrapError(
                    f"The bucket {bucket} belongs to another AWS account than {owner}.",
                    hint="Name a bucket of that account: what lies in another is not yours to keep.",
                ) from error
            if is_denied(error):
                raise BootstrapError(
                    f"The bucket {bucket} belongs to another AWS account, or your identity may not see it.",
                    hint=f"Name a bucket of your own, in which you have {_NEEDED}.",
                ) from error
            raise
    return in_region(aws, str(found.get("BucketRegion") or aws.region))


def _is_open(aws: Aws, bucket: str) -> bool:
    from botocore.exceptions import ClientError

    try:
        aws.client("s3").head_bucket(Bucket=bucket)
    except ClientError:
        return False
    return True


def require_lasting(aws: Aws, bucket: str) -> None:
    """Raise UsageError for a bucket with the tags of a project: what carries them goes with it."""
    if (project := buckets.tags(aws, bucket).get(PROJECT_TAG)) is not None:
        raise UsageError(
            f"The bucket {bucket} carries the tag {PROJECT_TAG} = {project}: it goes with that project.",
            hint="Name a bucket that this tool did not make, or take that tag off it.",
        )


def require_private(aws: Aws, bucket: str, note: Callable[[str], None]) -> None:
    """Raise UsageError for a bucket that everybody may read, by its policy or its access list.

    `note` is told what could not be looked at. A bucket's own block of public access counts; one of the whole account
    is not looked at, so a public policy that it makes void is refused all the same.
    https://docs.aws.amazon.com/AmazonS3/latest/userguide/access-control-block-public-access.html
    """
    s3 = aws.client("s3")
    unseen: list[str] = []

    def ask(what: str, absent: str, call: Callable[..., dict[str, Any]]) -> dict[str, Any]:
        from botocore.exceptions import ClientError

        with explained(f"look at the {what} of {bucket}"):
            try:
                return call(Bucket=bucket)
            except ClientError as error:
                if error_code(error) == absent:
                    return {}
                if is_denied(error) or error_code(error) in ("MethodNotAllowed", "NotImplemented"):
                    unseen.append(what)
                    return {}
                raise

    block = ask("block of public access", "NoSuchPublicAccessBlockConfiguration", s3.get_public_access_block)
    blocked = block.get("PublicAccessBlockConfiguration", {})
    status = ask("policy", "NoSuchBucketPolicy", s3.get_bucket_policy_status).get("PolicyStatus", {})
    grants = ask("access list", "", s3.get_bucket_acl).get("Grants", [])
    why = ""
    if status.get("IsPublic") and not blocked.get("RestrictPublicBuckets"):
        why = "its policy"
    elif not blocked.get("IgnorePublicAcls") and any(one["Grantee"].get("URI") in _EVERYBODY for one in grants):
        why = "its access list"
    if why:
        settings = "BlockPublicAcls=true,IgnorePublicAcls=true,BlockPublicPolicy=true,RestrictPublicBuckets=true"
        raise UsageError(
            f"The bucket {bucket} is public, by {why}: an archive has people's own files in it.",
            hint="Name a private one, or close this one first: aws s3api put-public-access-block "
            f"--bucket {bucket} --public-access-block-configuration {settings}",
        )
    if unseen:
        what = " and ".join(f"its {one}" for one in unseen)
        note(f"Whether {bucket} is public could not be seen for certain: your identity may not see {what}.")


def try_out(aws: Aws, address: S3Address, owner: str) -> None:
    """Write, read and remove a small object below an address. Raises BootstrapError if any of that cannot be done."""
    name = f"{UNFINISHED}/trial-{os.urandom(8).hex()}"
    s3, where = aws.client("s3"), {"Bucket": address.bucket, "Key": address.key(name), "ExpectedBucketOwner": owner}

    def attempt(what: str, call: Callable[[], Any]) -> Any:
        try:
            with explained(f"{what} {address / name}"):
                return call()
        except AwsFailed as error:
            if isinstance(error.__cause__, Exception) and is_denied(error.__cause__):
                raise BootstrapError(
                    f"A trial showed that an archive cannot go to {address}. {error.message}",
                    hint=f"Your identity needs {_NEEDED} there, and the use of its key if it is encrypted with one of "
                    "KMS. Or name another bucket.",
                ) from error
            raise

    def read() -> bytes:
        with closing(s3.get_object(**where)["Body"]) as body:
            return bytes(body.read())

    written = attempt("write", lambda: s3.put_object(**where, Body=_TRIAL))
    try:
        arrived = attempt("read", read)
    finally:
        _remove(s3, where, written.get("VersionId"), attempt)
    if hashlib.sha256(arrived).digest() != hashlib.sha256(_TRIAL).digest():
        raise BootstrapError(
            f"A trial showed that an archive cannot go to {address}: it does not give back what was written to it.",
            hint="Name another bucket.",
        )


def _remove(s3: Any, where: dict[str, str], version: str | None, attempt: Callable[..., Any]) -> None:
    """Remove the trial without a trace; where versions must not be deleted, as an ordinary deletion does."""
    if version is not None:
        with suppress(BootstrapError):
            attempt("remove", lambda: s3.delete_object(**where, VersionId=version))
            return
    attempt("remove", lambda: s3.delete_object(**where))
