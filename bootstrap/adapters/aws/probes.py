"""Tries what a member may and may not do, with the member's own key."""

from __future__ import annotations

from bootstrap.adapters.aws.session import Aws, KeyPair, explained, is_denied


def may_put(aws: Aws, bucket: str, key: str, body: bytes) -> bool:
    """Try to write an object; False if that was refused."""
    return _allowed(aws, "put_object", f"write s3://{bucket}/{key}", Bucket=bucket, Key=key, Body=body)


def may_get(aws: Aws, bucket: str, key: str, expected: bytes) -> bool:
    """Try to read an object; False if that was refused or other bytes came back."""
    from botocore.exceptions import ClientError

    with explained(f"read s3://{bucket}/{key}"):
        try:
            return bool(aws.client("s3").get_object(Bucket=bucket, Key=key)["Body"].read() == expected)
        except ClientError as error:
            if is_denied(error):
                return False
            raise


def may_delete(aws: Aws, bucket: str, key: str) -> bool:
    """Try to delete an object; False if that was refused."""
    return _allowed(aws, "delete_object", f"delete s3://{bucket}/{key}", Bucket=bucket, Key=key)


def may_list(aws: Aws, bucket: str, prefix: str) -> bool:
    """Try to list a folder; False if that was refused."""
    return _allowed(aws, "list_objects_v2", f"list s3://{bucket}/{prefix}", Bucket=bucket, Prefix=prefix, MaxKeys=1)


def may_list_users(aws: Aws) -> bool:
    """Try to list the account's users; False if that was refused."""
    from botocore.exceptions import ClientError

    with explained("list the IAM users"):
        try:
            aws.client("iam").list_users(MaxItems=1)
        except ClientError as error:
            if is_denied(error):
                return False
            raise
    return True


def anybody_is_let_in(aws: Aws) -> bool:
    """Tell whether this AWS does not look at keys at all: it takes one that nobody was ever given."""
    from botocore.exceptions import ClientError

    nobody = aws.with_key(KeyPair("AKIAIOSFODNN7EXAMPLE", "nobody"))
    with explained("look whether keys matter here"):
        try:
            nobody.client("sts").get_caller_identity()
        except ClientError:
            return False
    return True


def _allowed(aws: Aws, operation: str, what: str, **parameters: object) -> bool:
    from botocore.exceptions import ClientError

    with explained(what):
        try:
            getattr(aws.client("s3"), operation)(**parameters)
        except ClientError as error:
            if is_denied(error):
                return False
            raise
    return True
