"""How what `doctor` found is judged."""

from __future__ import annotations

import pytest

from bootstrap.core.caller import kind_of, partition_of, role_of
from bootstrap.core.doctor import (
    Finding,
    Level,
    Report,
    in_order,
    judge_permissions,
    judge_quota,
    judge_room,
    judge_skew,
    version_in,
)

OK = Finding("AWS", "clock", "ok", "fine")
WARNING = Finding("This machine", "aws", "warning", "odd", "look")
PROBLEM = Finding("Your files", "stag", "problem", "bad", "mend")


def test_a_report_is_in_the_order_of_its_groups_and_counts() -> None:
    report = in_order([OK, PROBLEM, WARNING])
    assert report.findings == (WARNING, PROBLEM, OK)
    assert (report.problems, report.warnings) == (1, 1)
    assert report.as_dict()["problems"] == 1


@pytest.mark.parametrize(
    ("findings", "verdict"),
    [
        ((OK,), "No problem."),
        ((OK, WARNING), "No problem, 1 warning."),
        ((PROBLEM, WARNING), "1 problem, 1 warning: the lines behind → say what to do."),
        ((PROBLEM, PROBLEM), "2 problems: the lines behind → say what to do."),
    ],
)
def test_the_verdict(findings: tuple[Finding, ...], verdict: str) -> None:
    assert Report(findings).verdict == verdict


@pytest.mark.parametrize(
    ("text", "version"),
    [
        ("git version 2.39.5 (Apple Git-154)\n", (2, 39, 5)),
        ("aws-cli/2.15.30 Python/3.11.8 Linux/6", (2, 15, 30)),
        ("3.67.1\n", (3, 67, 1)),
        ("no version here", None),
    ],
)
def test_a_version_is_read(text: str, version: tuple[int, ...] | None) -> None:
    assert version_in(text) == version


@pytest.mark.parametrize(
    ("ahead", "level", "said"),
    [
        (None, "ok", "could not be compared"),
        (-3.0, "ok", "to the minute"),
        (61.0, "warning", "1 minute ahead of AWS's"),
        (-299.0, "warning", "5 minutes behind AWS's"),
        (300.0, "problem", "AWS refuses every request"),
        (-86400.0, "problem", "24 hours behind AWS's"),
    ],
)
def test_the_clock(ahead: float | None, level: Level, said: str) -> None:
    found = judge_skew(ahead)
    assert (found.level, bool(found.fix)) == (level, level != "ok")
    assert said in found.says


@pytest.mark.parametrize(
    ("free", "download", "level"),
    [
        (50 * 10**9, True, "ok"),
        (10**9, False, "warning"),
        (10**9, True, "warning"),
        (10**9 - 1, True, "problem"),
        (10**8 - 1, False, "problem"),
    ],
)
def test_the_disk(free: int, download: bool, level: Level) -> None:
    assert judge_room("/", free, download=download).level == level


@pytest.mark.parametrize(
    ("used", "most", "needs", "level"),
    [(0, 5, 1, "ok"), (4, 5, 1, "warning"), (5, 5, 1, "problem"), (5, 5, 0, "ok"), (4998, 5000, 3, "problem")],
)
def test_a_quota(used: int, most: int, needs: int, level: Level) -> None:
    assert judge_quota("x", used, most, needs, "ask").level == level


def test_missing_permissions_are_named_by_service() -> None:
    allowed = {"s3:CreateBucket": False, "s3:ListBucket": True, "iam:CreateUser": True, "s3:PutBucketTagging": False}
    allowed |= {"ec2:RunInstances": False, "ec2:DescribeVpcs": False, "ce:GetCostAndUsage": False}
    assert judge_permissions(allowed, "fix") == [
        Finding("Permissions", "ce", "problem", "missing 1 of 1: ce:GetCostAndUsage", "fix"),
        Finding("Permissions", "ec2", "problem", "none of 2 actions is allowed", "fix"),
        Finding("Permissions", "iam", "ok", "1 action, all allowed"),
        Finding("Permissions", "s3", "problem", "missing 2 of 3: s3:CreateBucket, s3:PutBucketTagging", "fix"),
    ]


@pytest.mark.parametrize(
    ("arn", "kind", "role"),
    [
        ("arn:aws:iam::123456789012:root", "root", None),
        ("arn:aws:iam::123456789012:user/staff/teacher", "user", None),
        ("arn:aws:sts::123456789012:assumed-role/voclabs/user123=ana", "academy", "voclabs"),
        (
            "arn:aws:sts::123456789012:assumed-role/AWSReservedSSO_Admin_0/ana@x.org",
            "session",
            "AWSReservedSSO_Admin_0",
        ),
        ("arn:aws-us-gov:sts::123456789012:federated-user/ana", "other", None),
        ("nonsense", "other", None),
    ],
)
def test_who_somebody_is(arn: str, kind: str, role: str | None) -> None:
    assert (kind_of(arn), role_of(arn)) == (kind, role)
    assert partition_of(arn) == ("aws-us-gov" if "gov" in arn else "aws")
