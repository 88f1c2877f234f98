"""What is asked of Cost Explorer and what its answers become, and `cost` before and after an `up`.

moto stands in for AWS, in this process. Of Cost Explorer it has GetCostAndUsage alone: it gives back what a test has
put there, whatever is asked, checks neither filter nor dates nor permissions, and takes no money. So these tests hold
what we ask against AWS's description of the call; that AWS answers it so, nobody has tried here.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from click.testing import CliRunner
from moto import mock_aws
from moto.ce.models import ce_backends

from bootstrap.adapters.aws import budgets, cost_explorer
from bootstrap.adapters.aws.session import Aws, KeyPair
from bootstrap.cli import cli
from bootstrap.core.cost import monthly
from bootstrap.core.prices import in_dollars
from bootstrap.core.record import Record
from bootstrap.core.spec import parse_spec
from bootstrap.errors import AwsFailed, BootstrapError, Declined
from bootstrap.workflows import cost as costs
from bootstrap.workflows.project import Project, open_project
from tests.adapters.doubles import Story

ACCOUNT = "123456789012"
BUCKET = "course--stag--123456789012"
ANYBODY = KeyPair("AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY")
OCTOBER, TODAY = date(2026, 10, 1), date(2026, 11, 21)


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[Aws]:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", ANYBODY.id)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", ANYBODY.secret)
    with mock_aws():
        yield Aws("us-east-1", key=ANYBODY)


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    (tmp_path / "bootstrap.toml").write_text('project = "course"\n[environments.stag]\n[environments.devl]\n')
    for name in ("AWS_PROFILE", "AWS_DEFAULT_PROFILE", "AWS_ENDPOINT_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    return open_project(tmp_path, None, {}, tmp_path)


def month(start: str, end: str, services: dict[str, str], *, estimated: bool = False) -> dict[str, Any]:
    groups = [
        {"Keys": [name], "Metrics": {"UnblendedCost": {"Amount": amount, "Unit": "USD"}}}
        for name, amount in services.items()
    ]
    return {"TimePeriod": {"Start": start, "End": end}, "Total": {}, "Groups": groups, "Estimated": estimated}


def answer(*months: dict[str, Any], more: str | None = None) -> dict[str, Any]:
    found: dict[str, Any] = {"ResultsByTime": list(months), "DimensionValueAttributes": []}
    return found | ({"NextPageToken": more} if more else {})


def will_answer(*answers: dict[str, Any]) -> None:
    ce_backends[ACCOUNT]["aws"].cost_usage_results_queue.extend(answers)


def asked() -> list[dict[str, Any]]:
    return [json.loads(body) for body in ce_backends[ACCOUNT]["aws"].cost_usage_results]


LAST = month("2026-10-01", "2026-11-01", {"Amazon Simple Storage Service": "0.5", "EC2 - Other": "5.25"})
THIS = month("2026-11-01", "2026-11-22", {"EC2 - Other": "3.1"}, estimated=True)


def record(target: Any = "aws") -> Record:
    return Record(
        project="course",
        env="stag",
        target=target,
        region="us-east-1",
        account_id=ACCOUNT,
        endpoint_url=None,
        bucket=BUCKET,
        state_bucket="course--tfstate--123456789012",
        aws_profile="course-stag",
        dvc_remote_url=f"s3://{BUCKET}/dvc/ci",
        mlflow_tracking_uri=None,
        mlflow_username=None,
    )


# --- Cost Explorer ---


def test_one_request_asks_for_both_tags_month_by_month(aws: Aws) -> None:
    will_answer(answer(LAST, THIS))
    last, this = cost_explorer.spent(aws, "course", "stag", OCTOBER, date(2026, 11, 22))
    assert (last.start, last.end, last.usd, last.is_estimate) == (OCTOBER, date(2026, 11, 1), 5.75, False)
    assert last.services == (("EC2 - Other", 5.25), ("Amazon Simple Storage Service", 0.5)), "the dearest first"
    assert (this.usd, this.is_estimate) == (3.1, True)
    [request] = asked()
    assert request == {
        "TimePeriod": {"Start": "2026-10-01", "End": "2026-11-22"},
        "Granularity": "MONTHLY",
        "Metrics": ["UnblendedCost"],
        "GroupBy": [{"Type": "DIMENSION", "Key": "SERVICE"}],
        "Filter": {
            "And": [
                {"Tags": {"Key": "bootstrap:project", "Values": ["course"], "MatchOptions": ["EQUALS"]}},
                {"Tags": {"Key": "bootstrap:env", "Values": ["stag"], "MatchOptions": ["EQUALS"]}},
            ]
        },
    }


def test_an_answer_in_two_pages_is_one(aws: Aws) -> None:
    rest = month("2026-10-01", "2026-11-01", {"AWS Lambda": "0.25"})
    will_answer(answer(LAST, more="page-2"), answer(rest, THIS))
    last, this = cost_explorer.spent(aws, "course", "stag", OCTOBER, date(2026, 11, 22))
    assert (last.usd, len(last.services), this.usd) == (6.0, 3, 3.1)
    assert [request.get("NextPageToken") for request in asked()] == [None, "page-2"]


def test_a_month_without_a_cost_is_a_month(aws: Aws) -> None:
    will_answer(answer(month("2026-10-01", "2026-11-01", {})))
    [found] = cost_explorer.spent(aws, "course", "stag", OCTOBER, date(2026, 11, 1))
    assert (found.usd, found.services) == (0.0, ())


REFUSALS = {
    "AccessDeniedException": ("your identity lacks ce:GetCostAndUsage", "the root user lets IAM users see"),
    "DataUnavailableException": ("Cost Explorer has no data for this account yet", "switched on in the billing"),
    "ExpiredTokenException": ("Could not ask what 'stag' has cost", "sign in again"),
}


@pytest.mark.parametrize("code", REFUSALS)
def test_a_refusal_names_what_is_missing(aws: Aws, code: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(**_: object) -> None:
        raise ClientError({"Error": {"Code": code, "Message": "No."}}, "GetCostAndUsage")

    monkeypatch.setattr(aws.client("ce"), "get_cost_and_usage", refuse)
    with pytest.raises(AwsFailed) as caught:
        cost_explorer.spent(aws, "course", "stag", OCTOBER, date(2026, 11, 1))
    message, hint = REFUSALS[code]
    assert message in caught.value.message
    assert hint in caught.value.hint


# --- the workflow ---


def test_before_up_nobody_is_asked(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Aws, "client", lambda *_: pytest.fail("there is nothing to ask AWS"))
    found = costs.cost(project, "stag", None, Story())
    assert (found.target, found.spent) == (None, None)
    assert found.monthly.known == pytest.approx(21.814)


def test_on_a_laptop_it_says_what_aws_would_take(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Aws, "client", lambda *_: pytest.fail("there is nothing to ask AWS"))
    project.save(record("local"))
    found = costs.cost(project, "stag", None, Story())
    assert found.target == "local"
    assert found.monthly.known == pytest.approx(21.814)
    with pytest.raises(BootstrapError, match="AWS sends no bill"):
        costs.actual(project, "stag", None, Story(), lambda _: True, TODAY)


def test_of_one_that_is_up_every_version_counts(aws: Aws, project: Project) -> None:
    project.save(record())
    s3 = aws.client("s3")
    s3.create_bucket(Bucket=BUCKET)
    s3.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})
    for _ in range(2):
        s3.put_object(Bucket=BUCKET, Key="dataset/a", Body=b"x" * 1000)
    [files] = [line for line in costs.cost(project, "stag", None, Story()).monthly.lines if "S3" in line.what]
    assert files.amount == "2,000 bytes so far"


def test_without_credentials_the_rest_is_told(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    project.save(record())

    def fail(*_: object) -> None:
        raise AwsFailed("There are no AWS credentials on this machine.")

    monkeypatch.setattr(costs, "reach", fail)
    story = Story()
    found = costs.cost(project, "stag", None, story).monthly
    assert found.usd is None
    assert found.known == pytest.approx(21.814)
    assert story.notes == ["What is in the bucket is not counted: There are no AWS credentials on this machine."]


def test_a_no_asks_nothing_that_costs(aws: Aws, project: Project) -> None:
    will_answer(answer(LAST))
    questions: list[str] = []

    def no(question: str) -> bool:
        questions.append(question)
        return False

    with pytest.raises(Declined, match="AWS was not asked"):
        costs.actual(project, "stag", None, Story(), no, TODAY)
    assert questions == ["AWS takes $0.01 for the answer. Ask?"]
    assert asked() == []


# --- the command ---


def shown(*words: str) -> str:
    result = CliRunner().invoke(cli, ["cost", "--env", "stag", *words], catch_exceptions=False)
    assert result.exit_code == 0
    return result.stdout


def test_the_page_has_each_part_the_sum_and_where_it_was_read(project: Project) -> None:
    page = " ".join(shown().split())
    for words in (
        "machine for MLflow, t3.small 730 hours $0.0208 per hour $15.18",
        "its disks, gp3 16 + 20 GB $0.08 per GB-month $2.88",
        "In us-east-1 about $21.81 a month.",
        "With all 20 GB written: $1.00",
        "10,000 requests that read: $0.004",
        "machine for MLflow, t3.small: github.com/skypilot-org/skypilot-catalog",
        "What holds is what AWS says: https://aws.amazon.com/ec2/pricing/on-demand/",
    ):
        assert words in page


def test_where_no_price_is_known_no_list_is_announced(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    text = 'project = "abc"\nregion = "ap-east-2"\n[environments.stag]\nmlflow.kind = "none"\n'
    (project.folder / "bootstrap.toml").write_text(text)
    page = shown()
    assert "not known" in page
    assert "List prices" not in page


def test_the_page_in_the_docs_is_the_programs_own(project: Project) -> None:
    page = (Path(__file__).parents[2] / "docs" / "cost.md").read_text()
    [block] = re.findall(r"^```text\n(PART .*?)^```$", page, re.MULTILINE | re.DOTALL)
    assert shown().startswith(block)
    arm = parse_spec(
        'project = "abc"\n[environments.stag]\nmlflow = { kind = "ec2", instance_type = "t4g.small" }', "x"
    )
    assert in_dollars(monthly(arm.environment("stag"), "us-east-1").known) in page


def test_what_aws_says_comes_after_it(aws: Aws, project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bootstrap.commands.cost.today", lambda: TODAY)
    will_answer(answer(LAST, THIS))
    page = shown("--actual", "--yes")
    assert "2026-10-01 up to 2026-11-01: $5.75\n" in page
    assert "2026-11-01 up to 2026-11-22: $3.10, not final\n" in page
    assert "activates the tags" not in page
    found = json.loads(shown("--actual", "--yes", "--json"))
    assert [one["usd"] for one in found["spent"]] == [5.75, 3.1]


def test_without_activated_tags_the_way_to_activate_them_is_told(aws: Aws, project: Project) -> None:
    page = shown("--actual", "--yes")
    assert "activates the tags bootstrap:project and bootstrap:env" in page
    assert "aws ce update-cost-allocation-tags-status --cost-allocation-tags-status TagKey=bootstrap:project" in page


# --- the budget ---


def put_budget(aws: Aws, *filters: str) -> None:
    budget = {
        "BudgetName": "course.stag",
        "BudgetType": "COST",
        "TimeUnit": "MONTHLY",
        "BudgetLimit": {"Amount": "20", "Unit": "USD"},
        "CostFilters": {"TagKeyValue": list(filters)},
    }
    aws.client("budgets").create_budget(AccountId=ACCOUNT, Budget=budget)


TAGS = {"bootstrap:project": "course", "bootstrap:env": "stag"}


def test_a_budget_that_a_killed_run_left_is_known_as_ours(aws: Aws) -> None:
    assert not budgets.exists(aws, ACCOUNT, "course.stag", TAGS)
    put_budget(aws, "user:bootstrap:env$stag", "user:bootstrap:project$course")
    assert budgets.exists(aws, ACCOUNT, "course.stag", TAGS)


def test_somebody_elses_budget_of_our_name_is_left_alone(aws: Aws) -> None:
    put_budget(aws, "user:team$accounting")
    with pytest.raises(BootstrapError, match="does not count this environment's tags"):
        budgets.exists(aws, ACCOUNT, "course.stag", TAGS)
