"""Which permission is missing, out of the words of a refusal."""

from __future__ import annotations

import pytest

from bootstrap.core.refused import missing_permissions

REFUSED = "https response error StatusCode: 403, RequestID: 1"
AT_IAM = f"Error: creating IAM User (course.stag.ana): operation error IAM: CreateUser, {REFUSED}"


@pytest.mark.parametrize(
    ("text", "actions"),
    [
        (
            f"{AT_IAM}, api error AccessDenied: User: arn:aws:iam::123456789012:user/ana is not authorized to perform: "
            "iam:CreateUser on resource: arn:aws:iam::123456789012:user/course/stag/course.stag.ana because no "
            "identity-based policy allows the iam:CreateUser action",
            ["iam:CreateUser"],
        ),
        (f"{AT_IAM}, api error UnknownError: UnknownError", ["iam:CreateUser"]),
        (
            f"reading S3 Bucket (x): operation error S3: HeadBucket, {REFUSED}\n"
            f"putting tags: operation error S3: PutBucketTagging, {REFUSED}, api error AccessDenied",
            ["s3:ListBucket", "s3:PutBucketTagging"],
        ),
        ("operation error IAM: CreateUser, https response error StatusCode: 409, EntityAlreadyExists", []),
        ("something else", []),
    ],
)
def test_the_action_is_named(text: str, actions: list[str]) -> None:
    assert missing_permissions(text) == actions
