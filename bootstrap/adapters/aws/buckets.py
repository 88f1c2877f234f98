"""Buckets: the state bucket, what is in one, and the locks that Terraform leaves in S3."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass

from bootstrap.adapters.aws.session import Aws, error_code, explained

_ABSENT = {"404", "NoSuchBucket", "NotFound"}


@dataclass(frozen=True)
class StateLock:
    """A lock file of Terraform's. `created` is its own text of a UTC time."""

    key: str
    id: str
    who: str
    created: str
    operation: str


def exists(aws: Aws, bucket: str, account: str) -> bool:
    """Tell whether a bucket is there and belongs to this account. Raises AwsFailed if it is somebody else's."""
    from botocore.exceptions import ClientError

    with explained(f"look at bucket {bucket} (s3:ListBucket)"):
        try:
            aws.client("s3").head_bucket(Bucket=bucket, ExpectedBucketOwner=account)
        except ClientError as error:
            if error_code(error) in _ABSENT:
                return False
            raise
    return True


def region_of(aws: Aws, bucket: str, account: str) -> str | None:
    """Return the region that a bucket of this account is in; None if there is no such bucket. Raises AwsFailed.

    https://docs.aws.amazon.com/AmazonS3/latest/API/API_HeadBucket.html
    """
    from botocore.exceptions import ClientError

    with explained(f"look where bucket {bucket} is (s3:ListBucket)"):
        try:
            answer = aws.client("s3").head_bucket(Bucket=bucket, ExpectedBucketOwner=account)
        except ClientError as error:
            if error_code(error) in _ABSENT:
                return None
            raise
    return str(answer["BucketRegion"]) if answer.get("BucketRegion") else None


def create_state_bucket(aws: Aws, bucket: str, tags: Mapping[str, str]) -> None:
    """Make the private, encrypted, versioned bucket for Terraform's states; safe to run again after a crash."""
    s3 = aws.client("s3")
    with explained(f"create the state bucket {bucket} (s3:CreateBucket and its settings)"):
        # us-east-1 is the one region that must not be named. https://docs.aws.amazon.com/AmazonS3/latest/API/API_CreateBucket.html
        where = {} if aws.region == "us-east-1" else {"CreateBucketConfiguration": {"LocationConstraint": aws.region}}
        with suppress(s3.exceptions.BucketAlreadyOwnedByYou):  # a run before this one got this far
            s3.create_bucket(Bucket=bucket, ObjectOwnership="BucketOwnerEnforced", **where)
        s3.put_public_access_block(
            Bucket=bucket,
            PublicAccessBlockConfiguration={
                "BlockPublicAcls": True,
                "IgnorePublicAcls": True,
                "BlockPublicPolicy": True,
                "RestrictPublicBuckets": True,
            },
        )
        s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
        s3.put_bucket_encryption(
            Bucket=bucket,
            ServerSideEncryptionConfiguration={
                "Rules": [
                    {
                        "ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"},
                        "BucketKeyEnabled": True,
                    }
                ]
            },
        )
        s3.put_bucket_tagging(
            Bucket=bucket, Tagging={"TagSet": [{"Key": key, "Value": value} for key, value in tags.items()]}
        )


def tags(aws: Aws, bucket: str) -> dict[str, str]:
    """Return a bucket's tags; none if it has none."""
    from botocore.exceptions import ClientError

    with explained(f"read the tags of {bucket} (s3:GetBucketTagging)"):
        try:
            found = aws.client("s3").get_bucket_tagging(Bucket=bucket)["TagSet"]
        except ClientError as error:
            if error_code(error) == "NoSuchTagSet":
                return {}
            raise
    return {str(tag["Key"]): str(tag["Value"]) for tag in found}


def is_empty(aws: Aws, bucket: str) -> bool:
    """Tell whether a bucket holds no object, no version and no delete marker."""
    with explained(f"list bucket {bucket} (s3:ListBucketVersions)"):
        page = aws.client("s3").list_object_versions(Bucket=bucket, MaxKeys=1)
    return not page.get("Versions") and not page.get("DeleteMarkers")


def count_objects(aws: Aws, bucket: str) -> tuple[int, int]:
    """Return the number of current files and their size together, in bytes; the empty folders do not count."""
    count = size = 0
    with explained(f"list bucket {bucket} (s3:ListBucket)"):
        for page in aws.client("s3").get_paginator("list_objects_v2").paginate(Bucket=bucket):
            files = [entry for entry in page.get("Contents", []) if not entry["Key"].endswith("/")]
            count += len(files)
            size += sum(int(entry["Size"]) for entry in files)
    return count, size


def delete(aws: Aws, bucket: str) -> None:
    """Delete an empty bucket."""
    with explained(f"delete bucket {bucket} (s3:DeleteBucket)"):
        aws.client("s3").delete_bucket(Bucket=bucket)


def read_lock(aws: Aws, bucket: str, state_key: str) -> StateLock | None:
    """Return the lock on a state, if somebody holds it.

    https://developer.hashicorp.com/terraform/language/backend/s3#state-locking
    """
    s3 = aws.client("s3")
    key = f"{state_key}.tflock"
    with explained(f"read the lock of {state_key} (s3:GetObject)"):
        try:
            body = s3.get_object(Bucket=bucket, Key=key)["Body"].read()
        except (s3.exceptions.NoSuchKey, s3.exceptions.NoSuchBucket):
            return None
    try:
        info = json.loads(body)
    except ValueError:
        info = {}
    return StateLock(
        key=key,
        id=str(info.get("ID", "")),
        who=str(info.get("Who", "")),
        created=str(info.get("Created", "")),
        operation=str(info.get("Operation", "")),
    )


def remove_lock(aws: Aws, bucket: str, lock: StateLock) -> None:
    """Delete a lock file."""
    with explained(f"remove the lock {lock.key} (s3:DeleteObject)"):
        aws.client("s3").delete_object(Bucket=bucket, Key=lock.key)
