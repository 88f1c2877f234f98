"""Tries what a member may and may not do, with the member's own key.

Each probe answers whether it was allowed. But for `may_put` and `may_delete` all of them leave nothing behind, also
where they are allowed and nobody cleans up after them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from bootstrap.adapters.aws.session import Aws, KeyPair, error_code, explained, is_denied

_NONE: frozenset[str] = frozenset()
_ABSENT = frozenset({"NoSuchKey", "NoSuchVersion", "NoSuchUpload", "NoSuchEntity", "404"})
# An upload's id as S3 writes them, of an upload that never was.
_NO_UPLOAD = "bootstrap-never-began-an-upload-with-this-id"


def put_file(aws: Aws, bucket: str, key: str, body: bytes) -> str:
    """Put an object there for others to try; return its version id, `null` in a bucket that keeps no versions."""
    with explained(f"write s3://{bucket}/{key}"):
        return str(aws.client("s3").put_object(Bucket=bucket, Key=key, Body=body).get("VersionId", "null"))


def remove_files(aws: Aws, files: Mapping[tuple[str, str], str]) -> None:
    """Take away for good what `put_file` put there: (bucket, key) → version id. Raises AwsFailed."""
    s3 = aws.client("s3")
    for (bucket, key), version in files.items():
        with explained(f"remove s3://{bucket}/{key}"):
            s3.delete_object(Bucket=bucket, Key=key, VersionId=version)


def anything_begins_with(aws: Aws, bucket: str, beginning: str) -> bool:
    """Tell whether there is an object or an unfinished upload whose name begins so; old versions do not count."""
    s3 = aws.client("s3")
    with explained(f"look for s3://{bucket}/{beginning}*"):
        return bool(
            s3.list_objects_v2(Bucket=bucket, Prefix=beginning, MaxKeys=1).get("Contents")
            or s3.list_multipart_uploads(Bucket=bucket, Prefix=beginning, MaxUploads=1).get("Uploads")
        )


def keeps_versions(aws: Aws, bucket: str) -> bool:
    """Tell whether a bucket keeps the versions of its objects."""
    with explained(f"look whether {bucket} keeps versions (s3:GetBucketVersioning)"):
        return bool(aws.client("s3").get_bucket_versioning(Bucket=bucket).get("Status") == "Enabled")


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
    """Try to delete an object; False if that was refused. Leaves a delete marker, also where nothing was."""
    return _allowed(aws, "delete_object", f"delete s3://{bucket}/{key}", Bucket=bucket, Key=key)


def may_delete_if_there(aws: Aws, bucket: str, key: str) -> bool:
    """Try to delete an object that is not there, on condition that it is; False if that was refused.

    `If-Match: *` needs no other permission than s3:DeleteObject, and nothing is done where there is nothing.
    https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-deletes.html
    """
    what = f"delete s3://{bucket}/{key} if it is there"
    return _allowed(aws, "delete_object", what, _ABSENT | {"PreconditionFailed"}, Bucket=bucket, Key=key, IfMatch="*")


def may_delete_version(aws: Aws, bucket: str, key: str) -> bool:
    """Try to delete a version that is not there; False if that was refused.

    Deleting a version by its id makes no delete marker, and a bucket that always kept versions has no `null` one.
    https://docs.aws.amazon.com/AmazonS3/latest/userguide/DeletingObjectVersions.html
    """
    what = f"delete a version of s3://{bucket}/{key}"
    return _allowed(aws, "delete_object", what, _ABSENT, Bucket=bucket, Key=key, VersionId="null")


def may_read(aws: Aws, bucket: str, key: str, version: str | None = None) -> bool:
    """Try to read the first byte of an object, or of one version of it; False if that was refused.

    S3 says that an object is missing only to whoever may list its name and read it; to others it says "refused". So
    True is certain, and False is for an object that is there.
    https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObject.html
    """
    which = {"VersionId": version} if version else {}
    fine = _ABSENT | {"InvalidRange"}  # an empty object has no first byte
    return _allowed(
        aws, "get_object", f"read s3://{bucket}/{key}", fine, Bucket=bucket, Key=key, Range="bytes=0-0", **which
    )


def may_begin_upload(aws: Aws, bucket: str, key: str) -> bool:
    """Try to begin an upload in parts, which needs s3:PutObject, and break it off; False if that was refused.

    https://docs.aws.amazon.com/AmazonS3/latest/userguide/mpuoverview.html
    """
    with _upload(aws, bucket, key) as upload:
        return upload is not None


def may_copy(aws: Aws, bucket: str, source: str, key: str) -> bool:
    """Try to copy an object into an upload that is broken off again; False if that was refused.

    Needs s3:GetObject where the source is and s3:PutObject where the copy goes.
    https://docs.aws.amazon.com/AmazonS3/latest/API/API_UploadPartCopy.html
    """
    with _upload(aws, bucket, key) as upload:
        return upload is not None and _allowed(
            aws,
            "upload_part_copy",
            f"copy s3://{bucket}/{source}",
            _ABSENT | {"InvalidRequest"},  # for an empty object
            Bucket=bucket,
            Key=key,
            UploadId=upload,
            PartNumber=1,
            CopySource={"Bucket": bucket, "Key": source},
        )


def may_abort_upload(aws: Aws, bucket: str, key: str) -> bool:
    """Try to break off an upload that nobody began; False if that was refused."""
    what = f"break off an upload to s3://{bucket}/{key}"
    return _allowed(aws, "abort_multipart_upload", what, _ABSENT, Bucket=bucket, Key=key, UploadId=_NO_UPLOAD)


def may_list(aws: Aws, bucket: str, prefix: str, delimiter: str = "") -> bool:
    """Try to list a folder; False if that was refused."""
    return _allowed(
        aws,
        "list_objects_v2",
        f"list s3://{bucket}/{prefix}",
        Bucket=bucket,
        Prefix=prefix,
        Delimiter=delimiter,
        MaxKeys=1,
    )


def may_list_versions(aws: Aws, bucket: str, prefix: str) -> bool:
    """Try to list all versions of the objects in a folder; False if that was refused."""
    what = f"list the versions in s3://{bucket}/{prefix}"
    return _allowed(aws, "list_object_versions", what, Bucket=bucket, Prefix=prefix, MaxKeys=1)


def may_list_uploads(aws: Aws, bucket: str) -> bool:
    """Try to list the uploads that go on in a bucket; False if that was refused."""
    return _allowed(aws, "list_multipart_uploads", f"list the uploads to {bucket}", Bucket=bucket, MaxUploads=1)


def may_read_region(aws: Aws, bucket: str) -> bool:
    """Try to find out a bucket's region; False if that was refused."""
    return _allowed(aws, "get_bucket_location", f"find out the region of {bucket}", Bucket=bucket)


def may_read_settings(aws: Aws, bucket: str) -> bool:
    """Try to read a setting of a bucket; False if that was refused."""
    return _allowed(aws, "get_bucket_versioning", f"read a setting of {bucket}", Bucket=bucket)


def may_keep_versions(aws: Aws, bucket: str) -> bool:
    """Try to switch on that a bucket keeps versions, for one that does already; False if that was refused."""
    configuration = {"Status": "Enabled"}
    what = f"change a setting of {bucket}"
    return _allowed(aws, "put_bucket_versioning", what, Bucket=bucket, VersioningConfiguration=configuration)


def may_delete_bucket(aws: Aws, bucket: str) -> bool:
    """Try to delete a bucket that has something in it, which S3 never does; False if that was refused.

    https://docs.aws.amazon.com/AmazonS3/latest/API/API_DeleteBucket.html
    """
    return _allowed(aws, "delete_bucket", f"delete {bucket}", frozenset({"BucketNotEmpty"}), Bucket=bucket)


def may_list_buckets(aws: Aws) -> bool:
    """Try to list the account's buckets; False if that was refused."""
    return _allowed(aws, "list_buckets", "list the account's buckets")


def may_read_user(aws: Aws, user: str) -> bool:
    """Try to look at an IAM user; False if that was refused."""
    return _allowed(aws, "get_user", f"look at the IAM user {user}", _ABSENT, "iam", UserName=user)


def may_list_keys(aws: Aws, user: str) -> bool:
    """Try to list a user's access keys; False if that was refused."""
    return _allowed(aws, "list_access_keys", f"list the keys of {user}", _ABSENT, "iam", UserName=user)


def may_list_users(aws: Aws, path: str = "/") -> bool:
    """Try to list the users on an IAM path, by default all of the account; False if that was refused."""
    return _allowed(aws, "list_users", f"list the IAM users on {path}", _NONE, "iam", PathPrefix=path, MaxItems=1)


def first_file(aws: Aws, bucket: str, prefix: str) -> tuple[str, str] | None:
    """Return key and version id of a file in a folder; None if there is none, or it may not be listed or read."""
    from botocore.exceptions import ClientError

    s3 = aws.client("s3")
    with explained(f"look for a file in s3://{bucket}/{prefix}"):
        try:
            # The folder itself may be an object of its own, and comes first.
            listed = s3.list_objects_v2(Bucket=bucket, Prefix=prefix, MaxKeys=2).get("Contents", [])
            for key in (entry["Key"] for entry in listed if not entry["Key"].endswith("/")):
                return key, s3.head_object(Bucket=bucket, Key=key).get("VersionId", "null")
        except ClientError as error:
            if not is_denied(error):
                raise
    return None


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


@contextmanager
def _upload(aws: Aws, bucket: str, key: str) -> Iterator[str | None]:
    """Begin an upload in parts and break it off at the end; None if it may not be begun."""
    from botocore.exceptions import ClientError

    s3 = aws.client("s3")
    upload = None
    with explained(f"write s3://{bucket}/{key}"):
        try:
            upload = s3.create_multipart_upload(Bucket=bucket, Key=key)["UploadId"]
        except ClientError as error:
            if not is_denied(error):
                raise
    try:
        yield upload
    finally:
        if upload is not None:
            # Whoever may write but not break off leaves an empty upload, which the bucket's own rule removes in days.
            what = f"break off an upload to s3://{bucket}/{key}"
            _allowed(aws, "abort_multipart_upload", what, _ABSENT, Bucket=bucket, Key=key, UploadId=upload)


def _allowed(
    aws: Aws, operation: str, what: str, fine: frozenset[str] = _NONE, service: str = "s3", **parameters: object
) -> bool:
    """Make one call. True also for the error codes in `fine`: with these AWS refuses only what it has allowed first."""
    from botocore.exceptions import ClientError

    with explained(what):
        try:
            getattr(aws.client(service), operation)(**parameters)
        except ClientError as error:
            if is_denied(error):
                return False
            if error_code(error) not in fine:
                raise
    return True
