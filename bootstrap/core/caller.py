"""What kind of identity an ARN of STS's is, as far as the name tells."""

from __future__ import annotations

import re
from typing import Literal

# The role that a learner lab of AWS Academy signs everybody in with. It may make neither users nor roles, and its
# services may only take on the role `LabRole`, which is there from the beginning. (AWS publishes that in each lab's own
# instructions only; the names are those that learners quote.)
ACADEMY_ROLE = "voclabs"

CallerKind = Literal["root", "academy", "session", "user", "other"]

# https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_identifiers.html#identifiers-arns
_ARN = re.compile(r"arn:(?P<partition>[a-z-]+):(?:iam|sts)::(?P<account>\d{12}):(?P<rest>.+)")


def kind_of(arn: str) -> CallerKind:
    """Tell the account's root user, a session of AWS Academy's, one of any other role, and an IAM user apart."""
    found = _ARN.fullmatch(arn)
    rest = found["rest"] if found else ""
    if rest == "root":
        return "root"
    kind, _, name = rest.partition("/")
    if kind == "assumed-role":
        return "academy" if name.partition("/")[0] == ACADEMY_ROLE else "session"
    return "user" if kind == "user" else "other"


def role_of(arn: str) -> str | None:
    """Return the name of the role whose session this is (its path is not in the ARN); None for anybody else."""
    found = _ARN.fullmatch(arn)
    kind, _, name = found["rest"].partition("/") if found else ("", "", "")
    return name.partition("/")[0] if kind == "assumed-role" else None


def partition_of(arn: str) -> str:
    """Return the partition of an ARN: `aws`, `aws-cn` or `aws-us-gov`; `aws` for what is no ARN of STS's."""
    found = _ARN.fullmatch(arn)
    return found["partition"] if found else "aws"
