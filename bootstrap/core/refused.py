"""Which permissions somebody lacks, out of what the AWS provider and AWS itself say when a request is refused."""

from __future__ import annotations

import re

# AWS's own words, as for IAM: "User: arn:… is not authorized to perform: iam:CreateUser on resource: …".
# https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot_access-denied.html
_NAMED = re.compile(r"not authorized to perform: ([a-z0-9-]+:\w+)")
# S3 only says that it refuses; the provider says at which operation.
_AT = re.compile(r"operation error (?P<service>[\w ]+): (?P<operation>\w+),[^\n]*?StatusCode: 403")
# An operation of S3's whose permission has another name; more of them in docs/generate_operator_policy.py.
_S3 = {"HeadBucket": "ListBucket", "HeadObject": "GetObject", "ListObjectsV2": "ListBucket"}


def missing_permissions(text: str) -> list[str]:
    """Return the actions (`iam:CreateUser`) that a message says somebody may not do, in its order; none: it says none.

    Where only the operation is told, that is the name: for most it is the one that stands in policies.
    """
    found: dict[str, None] = {}
    for line in text.splitlines():
        if named := _NAMED.findall(line):
            found.update(dict.fromkeys(named))
            continue
        for one in _AT.finditer(line):
            service, operation = one["service"].replace(" ", "").lower(), one["operation"]
            found[f"{service}:{_S3.get(operation, operation) if service == 's3' else operation}"] = None
    return list(found)
