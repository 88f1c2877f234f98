"""A plan as a value: what it counts, how it reads."""

from __future__ import annotations

import pytest

from bootstrap.core.plan import Plan, Step, in_words, steps_from_terraform
from bootstrap.core.prices import Estimate
from bootstrap.core.stream import Action, Change
from bootstrap.ui import plan_text

NAMES = {"bucket": "demo--stag--123456789012"}

WORDS = {
    "the bucket by its name": (
        Change("module.storage.aws_s3_bucket.this", "aws_s3_bucket", "create"),
        "the S3 bucket demo--stag--123456789012: data lake, DVC remote, artifacts",
    ),
    "a setting of the bucket": (
        Change("module.storage.aws_s3_bucket_versioning.this", "aws_s3_bucket_versioning", "create"),
        "versioning of the bucket: older versions of every file are kept",
    ),
    "a folder by its key": (
        Change('module.storage.aws_s3_object.folder["dataset/"]', "aws_s3_object", "create"),
        "the folder dataset/ in the bucket",
    ),
    "a member by the key of the module": (
        Change('module.member["ci"].aws_iam_user.this', "aws_iam_user", "create"),
        "the IAM user ci, on a path of this environment's own",
    ),
    "the innermost key of several": (
        Change('module.member["ci"].aws_iam_user_policy.this["extra"]', "aws_iam_user_policy", "create"),
        "what extra may do: one policy, least privilege",
    ),
    "the role of MLflow's machine, by its module": (
        Change("module.mlflow_ec2[0].aws_iam_role.this", "aws_iam_role", "create"),
        "the role of MLflow's machine, or of its daily snapshots",
    ),
    "a door of the firewall": (
        Change(
            'module.mlflow_ec2[0].aws_vpc_security_group_ingress_rule.this["443 from 203.0.113.0/24"]',
            "aws_vpc_security_group_ingress_rule",
            "create",
        ),
        "who may come in: port 443 from 203.0.113.0/24",
    ),
    "a user without a key": (
        Change("aws_iam_user.this", "aws_iam_user", "create"),
        "the IAM user of this environment, on a path of this environment's own",
    ),
    "a bucket that is there already": (
        Change("module.storage.aws_s3_bucket.this", "aws_s3_bucket", "import"),
        "the S3 bucket demo--stag--123456789012: data lake, DVC remote, artifacts (is there already: taken over)",
    ),
    "something we have no words for": (
        Change("module.x.aws_sqs_queue.this", "aws_sqs_queue", "create"),
        "module.x.aws_sqs_queue.this",
    ),
}


@pytest.mark.parametrize(("change", "words"), WORDS.values(), ids=WORDS.keys())
def test_a_change_in_words(change: Change, words: str) -> None:
    assert in_words(change, NAMES) == words


def test_a_bucket_whose_name_is_not_known_yet() -> None:
    bucket = Change("module.storage.aws_s3_bucket.this", "aws_s3_bucket", "create")
    assert "the S3 bucket of this environment" in in_words(bucket, {})


def test_braces_in_a_key_are_text() -> None:
    odd = Change('aws_s3_object.folder["{bucket}"]', "aws_s3_object", "create")
    assert in_words(odd, NAMES) == "the folder {bucket} in the bucket"
    unknown = Change('aws_sqs_queue.this["{x}"]', "aws_sqs_queue", "create")
    assert in_words(unknown, NAMES) == 'aws_sqs_queue.this["{x}"]'


def test_steps_begin_with_what_others_stand_on() -> None:
    kinds = ("aws_sqs_queue", "aws_iam_user_policy", "aws_iam_user", "aws_s3_object", "aws_s3_bucket")
    changes = [Change(f"{kind}.{name}", kind, "delete") for kind in kinds for name in ("b", "a")]
    steps = steps_from_terraform(changes, NAMES)
    assert [step.address for step in steps] == [f"{kind}.{name}" for kind in kinds[:0:-1] for name in ("a", "b")] + [
        "aws_sqs_queue.a",
        "aws_sqs_queue.b",
    ]
    assert {(step.action, step.place) for step in steps} == {("delete", "aws")}


SUMMARIES: dict[str, tuple[tuple[Action, ...], str]] = {
    "nothing": ((), "0 to create, 0 to change, 0 to delete"),
    "taken over counts as made": (("create", "import"), "2 to create, 0 to change, 0 to delete"),
    "replaced counts as changed": (("update", "replace"), "0 to create, 2 to change, 0 to delete"),
    "forgotten counts as deleted": (("delete", "forget", "create"), "1 to create, 0 to change, 2 to delete"),
}


@pytest.mark.parametrize(("actions", "summary"), SUMMARIES.values(), ids=SUMMARIES.keys())
def test_summary(actions: tuple[Action, ...], summary: str) -> None:
    plan = Plan(tuple(Step(action, "aws", "it") for action in actions))
    assert plan.summary() == summary
    assert plan.is_empty is (actions == ())


def test_a_step_for_scripts() -> None:
    assert Step("update", "laptop", "the AWS profile demo-stag").as_dict() == {
        "action": "update",
        "place": "laptop",
        "what": "the AWS profile demo-stag",
        "address": None,
    }


def test_what_it_costs_is_one_line_below_the_summary() -> None:
    step = Step("create", "aws", "it")
    assert plan_text(Plan((step,))).endswith("\n1 to create, 0 to change, 0 to delete.")
    told = plan_text(Plan((step,), Estimate(21.2, "about $21.20 a month")))
    assert told.endswith("\n1 to create, 0 to change, 0 to delete.\nIt costs about $21.20 a month.")
