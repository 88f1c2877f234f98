"""The operator's policy: as new as the recorded calls, short enough for IAM, and about nobody else's things."""

from __future__ import annotations

import json
import runpy
from pathlib import Path
from typing import Any

import pytest
from moto.iam.access_control import IAMPolicy, PermissionResult

from bootstrap.core.names import Names
from bootstrap.core.operator_policy import (
    DOCUMENTS,
    MANAGED_POLICY_MAX,
    PARTS,
    Document,
    Part,
    Whose,
    asks_of,
    operator_policy,
    parts_of,
    size_of,
)
from bootstrap.core.spec import Spec, parse_spec
from bootstrap.workflows.operator import operator_template

GENERATOR = runpy.run_path(str(Path(__file__).resolve().parents[2] / "docs" / "generate_operator_policy.py"))
ACCOUNT = "123456789012"
WHOSE = Whose("course", ACCOUNT, archive="archives")
POLICY = operator_policy(operator_template(), WHOSE, PARTS)
# The names that are as long as they may be.
LONGEST = Whose("p" * 32, ACCOUNT, "aws-us-gov", "b" * 63)


def test_the_policy_is_as_new_as_the_calls() -> None:
    assert GENERATOR["POLICY"].read_text(encoding="utf-8") == GENERATOR["text"]()


def test_a_call_that_nobody_knows_the_permission_for_stops_the_generator() -> None:
    with pytest.raises(LookupError, match="rds CreateDBInstance"):
        list(GENERATOR["needs_of"]("rds CreateDBInstance"))


@pytest.mark.parametrize("document", DOCUMENTS)
def test_it_is_short_enough_for_a_managed_policy(document: Document) -> None:
    assert size_of(operator_policy(operator_template(), LONGEST, DOCUMENTS[document])) <= MANAGED_POLICY_MAX


def test_the_two_documents_hold_all_parts() -> None:
    assert sorted(part for parts in DOCUMENTS.values() for part in parts) == sorted(PARTS)
    assert set(operator_template()) == set(PARTS)


def test_no_action_is_a_pattern_and_nothing_is_left_open() -> None:
    for statement in POLICY["Statement"]:
        assert statement["Effect"] == "Allow"
        assert not [action for action in statement["Action"] if "*" in action]
    assert "@@" not in json.dumps(POLICY)
    sids = [statement["Sid"] for statement in POLICY["Statement"]]
    assert len(sids) == len(set(sids))


# Beside lists and looks, what changes something and cannot be held to the project by a name: new things of EC2's carry
# its tag from the first moment, the others ask for the tag that the thing carries.
MAY_CHANGE = {
    "dlm:CreateLifecyclePolicy",
    "ec2:AllocateAddress",
    "ec2:CreateSecurityGroup",
    "ec2:CreateVolume",
    "ec2:RunInstances",
}
ONLY_LOOKS = ("Describe", "Get", "List", "Simulate", "View")


def test_on_everything_it_only_looks() -> None:
    open_ones = [one for one in POLICY["Statement"] if one["Resource"] == "*" and "Condition" not in one]
    changing = {
        action for one in open_ones for action in one["Action"] if not action.split(":")[1].startswith(ONLY_LOOKS)
    }
    assert changing == MAY_CHANGE


def allows(action: str, resource: str, policy: dict[str, Any] = POLICY) -> bool:
    """Ask moto's evaluator, which is not ours; it takes no statement with a condition."""
    plain = [one for one in policy["Statement"] if "Condition" not in one]
    judge = IAMPolicy({"policy_document": json.dumps({**policy, "Statement": plain})})
    return bool(judge.is_action_permitted(action, resource) == PermissionResult.PERMITTED)


MINE = Names("course", "stag", ACCOUNT)
USER, THEIR_USER = f"arn:aws:iam::{ACCOUNT}:user{MINE.iam_path}course.stag.ana", f"arn:aws:iam::{ACCOUNT}:user/ana"
QUESTIONS = {
    "makes the project's bucket": ("s3:CreateBucket", f"arn:aws:s3:::{MINE.bucket}", True),
    "deletes a version in it": ("s3:DeleteObjectVersion", f"arn:aws:s3:::{MINE.bucket}/dvc/x", True),
    "writes the state": ("s3:PutObject", f"arn:aws:s3:::{MINE.state_bucket}/stag/members.tfstate", True),
    "makes a member": ("iam:CreateUser", USER, True),
    "makes a member's key": ("iam:CreateAccessKey", USER, True),
    "copies into the archive": ("s3:PutObject", "arn:aws:s3:::archives/2026/x", True),
    "lets GitHub in": ("iam:CreateRole", MINE.github_role_arn, True),
    "reads another project's bucket": ("s3:GetObject", f"arn:aws:s3:::course-2--stag--{ACCOUNT}/x", False),
    "empties somebody's bucket": ("s3:DeleteObject", "arn:aws:s3:::photos/x", False),
    "removes the archive": ("s3:DeleteBucket", "arn:aws:s3:::archives", False),
    "makes a key for somebody else": ("iam:CreateAccessKey", THEIR_USER, False),
    "gives itself a policy": ("iam:PutUserPolicy", f"arn:aws:iam::{ACCOUNT}:user/staff/teacher", False),
    "gives another project's role a policy": ("iam:PutRolePolicy", f"arn:aws:iam::{ACCOUNT}:role/course-2/x", False),
    "attaches a managed policy": ("iam:AttachUserPolicy", USER, False),
    "changes a managed policy": ("iam:CreatePolicyVersion", f"arn:aws:iam::{ACCOUNT}:policy/operator", False),
    "reads another project's secret": ("ssm:GetParameter", f"arn:aws:ssm:us-east-1:{ACCOUNT}:parameter/x/y", False),
    "reads its own": ("ssm:GetParameter", f"arn:aws:ssm:us-east-1:{ACCOUNT}:parameter/course/stag/mlflow/x", True),
}


@pytest.mark.parametrize(("action", "resource", "allowed"), QUESTIONS.values(), ids=QUESTIONS.keys())
def test_it_is_for_this_project_alone(action: str, resource: str, allowed: bool) -> None:
    assert allows(action, resource) is allowed


def test_every_question_about_a_permission_is_answered_with_yes_by_the_policy_itself() -> None:
    asks = list(asks_of(POLICY, MINE, "us-east-1"))
    assert len(asks) > 100
    assert not [ask for ask in asks if "*" in ask.arn.removesuffix("*") or ask.arn.endswith("/*")]
    refused = [ask for ask in asks if not ask.context and not allows(ask.action, ask.arn)]
    assert refused == []


@pytest.mark.parametrize(
    ("toml", "env", "parts"),
    [
        ('project = "abc"', None, ("base", "ec2")),
        ('project = "abc"\n[environments.a.mlflow]\nkind = "none"', None, ("base",)),
        ('project = "abc"\n[environments.a.mlflow]\nkind = "none"\n[environments.b]', None, ("base", "ec2")),
        ('project = "abc"\n[environments.a.mlflow]\nkind = "none"\n[environments.b]', "a", ("base",)),
        (
            'project = "abc"\nowner = "a@b.org"\n[environments.a]\nbudget_usd = 5\nmlflow.kind = "none"\n'
            '[github]\nrepository = "a/b"',
            None,
            ("base", "github", "budget"),
        ),
    ],
)
def test_only_the_parts_that_are_needed(toml: str, env: str | None, parts: tuple[Part, ...]) -> None:
    assert parts_of(parse_spec(toml, "bootstrap.toml"), env) == parts


def test_an_archive_is_a_part_if_there_is_one() -> None:
    assert "archive" in parts_of(Spec.default("abc"), None, "archives")
