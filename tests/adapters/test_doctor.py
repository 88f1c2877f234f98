"""`doctor` on moto in this process, and on laptops where one thing is wrong.

IAM's simulator, which moto lacks, is a stand-in here that answers from a list; so is who is signed in, where that is
somebody whom moto cannot be.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from botocore.stub import Stubber
from moto import mock_aws

from bootstrap.adapters.aws import account
from bootstrap.adapters.aws.session import Aws, Caller, KeyPair
from bootstrap.core.access import Ask
from bootstrap.core.doctor import Finding
from bootstrap.core.record import Record
from bootstrap.core.spec import parse_spec
from bootstrap.errors import AwsFailed
from bootstrap.workflows import doctor, doctor_aws
from bootstrap.workflows.doctor import examine, policy_of
from bootstrap.workflows.doctor_aws import Request
from bootstrap.workflows.project import Project
from tests.adapters.doubles import Story

ACCOUNT = "123456789012"
USER = f"arn:aws:iam::{ACCOUNT}:user/staff/teacher"
KEYS = {
    "AWS_ACCESS_KEY_ID": "AKIAIOSFODNN7EXAMPLE",
    "AWS_SECRET_ACCESS_KEY": "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
}
ON_AWS, HERE = Request("stag", "aws"), Request("stag", "local")
RECORD = Record(
    project="course",
    env="stag",
    target="aws",
    region="us-east-1",
    account_id=ACCOUNT,
    endpoint_url=None,
    bucket=f"course--stag--{ACCOUNT}",
    state_bucket=f"course--tfstate--{ACCOUNT}",
    aws_profile="course-stag",
    dvc_remote_url=f"s3://course--stag--{ACCOUNT}/dvc/ci",
)

Lay = Callable[..., Project]
OPERATOR_OF = doctor_aws.operator_of


@pytest.fixture
def lay(tmp_path: Path, home: Path, monkeypatch: pytest.MonkeyPatch) -> Lay:
    """Return what makes a project: the lines of its bootstrap.toml below the name, and variables."""

    def made(*lines: str, **variables: str) -> Project:
        text = "\n".join(['project = "course"', *lines, ""])
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        (tmp_path / "bootstrap.toml").write_text(text)
        return Project(tmp_path, parse_spec(text, "bootstrap.toml"), dict(os.environ), home)

    return made


@pytest.fixture
def real_tools() -> None:
    """Say that a test looks at this machine's own tools; `quick_tools` then does nothing."""


@pytest.fixture(autouse=True)
def quick_tools(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, home: Path) -> Iterator[None]:
    """Put a Terraform that only knows its version in place of the real one, and no other tool: they take time."""
    if "real_tools" in request.fixturenames:
        yield
        return
    terraform = tmp_path_factory.mktemp("bin") / "terraform"
    terraform.write_text("#!/bin/sh\necho Terraform v1.11.4\n")
    terraform.chmod(0o755)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BOOTSTRAP_TERRAFORM", str(terraform))
        patch.setattr(doctor, "find", lambda *_: None)
        yield


@pytest.fixture
def everything_allowed(monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """Put a stand-in where IAM's simulator is; return the actions that it refuses, none until somebody adds one."""
    refused: set[str] = set()

    def simulate(aws: Aws, arn: str, asks: Iterable[Ask], now: datetime) -> dict[Ask, bool]:
        return {ask: ask.action not in refused for ask in asks}

    monkeypatch.setattr(doctor_aws, "simulate", simulate)
    return refused


@pytest.fixture
def signed_in_as(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], None]]:
    """Return what signs somebody in at an AWS of this test's own; until then it is the teacher."""

    def sign_in(arn: str) -> None:
        answer = account.Answer(Caller(ACCOUNT, arn), 0.0)
        monkeypatch.setattr(account, "identify", lambda *_: answer)

    for name, value in KEYS.items():
        monkeypatch.setenv(name, value)
    # With a key of its own, every client reads the same descriptions of services: that is quicker.
    monkeypatch.setattr(doctor_aws, "operator_of", lambda project, _: Aws(project.spec.region, key=KeyPair("a", "b")))
    with mock_aws():
        sign_in(USER)
        yield sign_in


def look(project: Project, request: Request = ON_AWS) -> dict[str, Finding]:
    """Look at everything; return the findings by what they are about, of several the worst."""
    return by_subject(examine(project, request, Story()).findings)


def look_there(project: Project, request: Request = ON_AWS) -> dict[str, Finding]:
    """Look at the account alone."""
    ground, found = doctor_aws.identified(project, request)
    more = [one for check in doctor_aws.there(ground) for one in check(ground)] if ground is not None else []
    return by_subject([*found, *more])


def by_subject(findings: Iterable[Finding]) -> dict[str, Finding]:
    found: dict[str, Finding] = {}
    levels = ("ok", "warning", "problem")
    for one in findings:
        before = found.get(one.what)
        if before is None or levels.index(one.level) > levels.index(before.level):
            found[one.what] = one
    return found


def levels(found: dict[str, Finding], level: str) -> set[str]:
    return {what for what, one in found.items() if one.level == level}


# --- this machine ---


def test_on_a_laptop_that_is_as_it_should_be_all_is_well(lay: Lay, real_tools: None) -> None:
    found = look(lay(), HERE)
    assert levels(found, "problem") == set()
    assert {"Terraform", "AWS provider", "git", "dvc", "aws", "disk", "moto", "mlflow", "port", "stag"} <= set(found)


def test_nothing_is_written(lay: Lay, home: Path, tmp_path: Path) -> None:
    project = lay()
    examine(project, HERE, Story())
    assert [path.name for path in tmp_path.iterdir()] == ["bootstrap.toml"]
    assert list(home.iterdir()) == []


def test_terraform_that_is_too_old_or_not_there_at_all(lay: Lay, tmp_path: Path) -> None:
    old = tmp_path / "bin" / "terraform"
    old.parent.mkdir()
    old.write_text("#!/bin/sh\necho Terraform v1.9.8\n")
    old.chmod(0o755)
    found = look(lay(BOOTSTRAP_TERRAFORM=str(old)), HERE)["Terraform"]
    assert (found.level, "1.9.8" in found.says, "1.11.0 or later" in found.says) == ("problem", True, True)
    found = look(lay(BOOTSTRAP_TERRAFORM=str(tmp_path / "none")), HERE)["Terraform"]
    assert (found.level, "there is no such program" in found.says) == ("problem", True)


def test_without_terraform_it_is_said_what_will_be_fetched(
    lay: Lay, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("BOOTSTRAP_TERRAFORM")
    project = lay(PATH=str(tmp_path))
    found = look(project, HERE)
    assert found["Terraform"].level == "ok"
    assert "fetches a pinned release" in found["Terraform"].says
    assert found["git"].level == "warning"


def test_a_mirror_without_the_provider(lay: Lay, tmp_path: Path) -> None:
    found = look(lay(BOOTSTRAP_TF_MIRROR=str(tmp_path)), HERE)["AWS provider"]
    assert (found.level, "BOOTSTRAP_TF_MIRROR is" in found.says) == ("problem", True)


def test_tools_of_old(lay: Lay, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, says in (("dvc", "2.58.2"), ("aws", "aws-cli/2.11.0 Python/3.11"), ("git", "usage: git")):
        program = tmp_path / name
        program.write_text(f"#!/bin/sh\necho {says}\n")
        program.chmod(0o755)
    monkeypatch.setattr(doctor, "find", lambda name, _: str(tmp_path / name))
    found = look(lay(), HERE)
    assert (found["dvc"].level, found["aws"].level, found["git"].level) == ("warning", "warning", "problem")
    assert found["aws"].fix == "Upgrade it to 2.13 or later."


# --- the user's files ---


def aws_file(home: Path, name: str, text: str, mode: int = 0o600) -> Path:
    path = home / ".aws" / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    path.chmod(mode)
    return path


def test_a_profile_of_the_users_own_is_in_the_way(lay: Lay, home: Path) -> None:
    aws_file(home, "config", "[profile course-stag]\nregion = eu-west-1\n")
    found = look(lay(), HERE)["stag"]
    assert (found.level, "is your own, and is never overwritten" in found.says) == ("problem", True)


def test_a_file_that_cannot_be_read_as_ini_is_a_problem_with_its_line(lay: Lay, home: Path) -> None:
    aws_file(home, "credentials", "[a]\naws_access_key_id = x\n[a]\n")
    found = look(lay(), HERE)["stag"]
    assert (found.level, "credentials, line 3: the section [a] is there a second time" in found.says) == (
        "problem",
        True,
    )


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such modes")
def test_secrets_that_others_may_read(lay: Lay, home: Path) -> None:
    path = aws_file(home, "credentials", "[a]\n", 0o644)
    found = look(lay(), HERE)["credentials file"]
    assert (found.level, found.fix) == ("warning", f"chmod 600 {path}")


def test_a_link_is_told(lay: Lay, home: Path, tmp_path: Path) -> None:
    aws_file(home, "config", "")
    (home / ".aws" / "credentials").symlink_to(tmp_path / "dotfiles")
    (tmp_path / "dotfiles").write_text("")
    (tmp_path / "dotfiles").chmod(0o600)
    assert f"is a link to {tmp_path / 'dotfiles'}" in look(lay(), HERE)["credentials file"].says


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="root may write everywhere")
def test_a_home_that_cannot_be_written(lay: Lay, home: Path) -> None:
    home.chmod(0o500)
    try:
        assert look(lay(), HERE)["stag"].level == "problem"
    finally:
        home.chmod(0o700)


# --- AWS ---


def test_without_credentials_all_else_is_said(lay: Lay) -> None:
    found = look(lay())
    assert levels(found, "problem") == {"credentials", "MLflow of stag"}
    assert "no AWS credentials on this machine" in found["credentials"].says
    assert {"Terraform", "git", "stag", "repository"} <= set(found)


@pytest.mark.parametrize(
    ("lines", "says"),
    {
        "nobody may reach it": ((), "nothing says who may reach it: environments.stag.mlflow.allowed_cidrs is missing"),
        "a later version's": (('mlflow.kind = "ecs"',), 'MLflow with kind = "ecs" is not supported yet'),
        "no token": (('mlflow = { kind = "dagshub", repository = "ana/c" }',), "DAGSHUB_USER_TOKEN is not set"),
        "a machine": (('mlflow = { kind = "ec2", allowed_cidrs = ["8.8.4.4/32"] }',), None),
        "none": (('mlflow.kind = "none"',), None),
    }.values(),
)
def test_an_mlflow_that_up_would_refuse_at_once(lines: tuple[str, ...], says: str | None, lay: Lay) -> None:
    found = look(lay("[environments.stag]", *lines))
    if says is None:
        assert "MLflow of stag" not in found
    else:
        assert found["MLflow of stag"].level == "problem"
        assert says in found["MLflow of stag"].says


def test_a_network_that_hardly_means_what_it_says_is_warned_of(lay: Lay) -> None:
    found = look(lay("[environments.stag]", 'mlflow = { kind = "ec2", allowed_cidrs = ["8.8.4.4/32", "0.0.0.0/0"] }'))
    assert found["MLflow of stag"].level == "warning"
    assert found["MLflow of stag"].says.startswith("bootstrap.toml:3: 0.0.0.0/0 is the whole world")


def test_a_file_that_cannot_be_read_is_one_problem_not_three(lay: Lay) -> None:
    project = lay("[environments.stag]", 'mlflow.kind = "none"')
    (project.home / ".aws").mkdir(exist_ok=True)
    (project.home / ".aws" / "config").write_text("[default\n")
    assert levels(look(project), "problem") <= {"stag", "config file"}


def test_an_account_with_all_there_is(
    lay: Lay, everything_allowed: set[str], signed_in_as: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(doctor_aws, "operator_of", OPERATOR_OF)
    found = look_there(lay("[environments.stag]"))
    assert levels(found, "problem") == set()
    assert found["credentials"].says == f"{USER}, account {ACCOUNT} (found by env)"
    assert found["variables"].fix == "unset AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY, before you use that profile"
    assert found["region"].says == "us-east-1 is switched on"
    assert found["network"].says == "us-east-1 has its default VPC, with a subnet"
    assert found["Elastic IPs"].says == "0 of 5 (AWS's default)"
    assert found["clock"].says == "as AWS's, to the minute"
    assert found["iam"].says.endswith("actions, all allowed")


def test_a_missing_permission_is_named(lay: Lay, everything_allowed: set[str], signed_in_as: object) -> None:
    everything_allowed |= {"iam:CreateUser", "s3:PutBucketVersioning", "s3:CreateBucket"}
    found = look_there(lay("[environments.stag]"))
    assert levels(found, "problem") == {"iam", "s3"}
    assert "s3:CreateBucket, s3:PutBucketVersioning" in found["s3"].says
    assert "iam:CreateUser" in found["iam"].says
    assert found["s3"].fix == (
        f"Give {USER} the operator's policy; this prints it: bootstrap doctor --env stag --policy"
    )


def test_an_account_that_is_full_or_lacks_its_network(
    lay: Lay, everything_allowed: set[str], signed_in_as: object
) -> None:
    project = lay("[environments.stag]")
    ec2 = Aws("us-east-1").client("ec2")
    for _ in range(5):
        ec2.allocate_address(Domain="vpc")
    for subnet in ec2.describe_subnets()["Subnets"]:
        ec2.delete_subnet(SubnetId=subnet["SubnetId"])
    found = look_there(project)
    assert levels(found, "problem") == {"Elastic IPs", "network"}
    assert found["network"].fix == "aws ec2 create-default-vpc --region us-east-1"
    project = lay("[environments.stag]", 'mlflow.kind = "none"')
    assert levels(look_there(project), "problem") == set(), "without a machine neither is needed"


def test_the_simulator_is_asked_as_the_role_of_a_session(
    lay: Lay, signed_in_as: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def simulate(aws: Aws, arn: str, asks: Iterable[Ask], now: datetime) -> dict[Ask, bool]:
        asked.append(arn)
        raise AwsFailed("Could not simulate (iam:SimulatePrincipalPolicy): no", hint="Ask for it.")

    monkeypatch.setattr(doctor_aws, "simulate", simulate)
    signed_in_as(f"arn:aws:sts::{ACCOUNT}:assumed-role/Admin/ana")
    role = Aws("us-east-1").client("iam").create_role(RoleName="Admin", Path="/sso/", AssumeRolePolicyDocument="{}")
    found = look_there(lay())
    assert asked == [role["Role"]["Arn"]]
    assert found["simulator"].level == "warning"
    assert found["simulator"].says == "not known: Could not simulate (iam:SimulatePrincipalPolicy): no"


def test_the_root_user_is_warned_off(
    lay: Lay, everything_allowed: set[str], signed_in_as: Callable[[str], None]
) -> None:
    signed_in_as(f"arn:aws:iam::{ACCOUNT}:root")
    found = look_there(lay())
    assert found["credentials"].level == "warning"
    assert "root user" in found["credentials"].fix


def test_a_learner_lab_is_told_as_what_it_is(
    lay: Lay, everything_allowed: set[str], signed_in_as: Callable[[str], None]
) -> None:
    signed_in_as(f"arn:aws:sts::{ACCOUNT}:assumed-role/voclabs/user1=ana")
    found = look_there(lay())
    assert levels(found, "problem") == {"credentials"}
    assert "learner lab of AWS Academy" in found["credentials"].says
    assert "bootstrap up --env stag --local" in found["credentials"].fix
    assert "simulator" not in found


def test_another_account_or_region_than_the_environments(
    lay: Lay, everything_allowed: set[str], signed_in_as: object
) -> None:
    found = look_there(lay("[environments.stag]", 'account = "210987654321"'))
    assert found["stag"].level == "problem"
    assert "bootstrap.toml:3: 'stag' is in the AWS account 210987654321" in found["stag"].says
    project = lay('region = "sa-east-1"', "[environments.stag]")
    project.save(RECORD)
    found = look_there(project)
    assert "region is 'sa-east-1', but 'stag' is up with region 'us-east-1'" in found["stag"].says


def test_an_environment_of_this_laptop_is_a_problem_only_if_it_is_meant(
    lay: Lay, everything_allowed: set[str], signed_in_as: object
) -> None:
    project = lay("[environments.stag]")
    project.save(replace(RECORD, target="local"))
    assert "'stag' is up on this laptop (--local), not on AWS." in look_there(project)["stag"].says
    assert "stag" not in look_there(project, Request(None, "aws"))


def test_the_region_of_the_profile_is_another(
    lay: Lay, home: Path, everything_allowed: set[str], signed_in_as: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(doctor_aws, "operator_of", OPERATOR_OF)
    aws_file(home, "config", "[profile me]\nregion = sa-east-1\n")
    aws_file(home, "credentials", "[me]\naws_access_key_id = x\naws_secret_access_key = y\n")
    found = look_there(lay(), Request("stag", "aws", "me"))
    assert found["region"].level == "warning"
    assert found["region"].says.startswith("your profile says sa-east-1, bootstrap.toml says us-east-1")


def test_a_members_profile_is_refused(lay: Lay, home: Path) -> None:
    project = lay(AWS_PROFILE="course-stag")
    from bootstrap.adapters.aws_profile import AwsFiles

    AwsFiles.of(project.environ, home).write(
        "course-stag",
        "course/stag",
        region="us-east-1",
        access_key_id="AKIAIOSFODNN7EXAMPLE",
        secret_access_key="x",
        endpoint_url=None,
    )
    found = look_there(project)["credentials"]
    assert (found.level, "the profile of a member of course/stag" in found.says) == ("problem", True)


def test_github_without_a_token(lay: Lay, tmp_path: Path) -> None:
    found = look(lay("[github]", 'repository = "ana/course"', PATH=str(tmp_path)))["token"]
    assert (found.level, "no token for GitHub" in found.says) == ("problem", True)
    assert "gh auth login" in found.fix


# --- who we are, and what time it is there ---

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=timezone.utc)


def stubbed(monkeypatch: pytest.MonkeyPatch) -> tuple[Aws, Stubber]:
    aws = Aws("sa-east-1", key=KeyPair("AKIAIOSFODNN7EXAMPLE", "secret"))
    client = aws.client("sts")
    return aws, Stubber(client)


def said_at(when: datetime) -> dict[str, Any]:
    return {"HTTPHeaders": {"date": when.strftime("%a, %d %b %Y %H:%M:%S GMT")}}


def test_the_clock_is_compared_with_the_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    aws, stubber = stubbed(monkeypatch)
    answer = {"Account": ACCOUNT, "Arn": USER, "ResponseMetadata": said_at(NOW - timedelta(minutes=2))}
    stubber.add_response("get_caller_identity", answer)
    with stubber:
        found = account.identify(aws, lambda: NOW)
    assert (found.caller, found.ahead) == (Caller(ACCOUNT, USER), 120.0)


def test_a_refusal_tells_the_time_too(monkeypatch: pytest.MonkeyPatch) -> None:
    aws, stubber = stubbed(monkeypatch)
    meta = said_at(NOW + timedelta(hours=3))
    stubber.add_client_error("get_caller_identity", "SignatureDoesNotMatch", "expired", 403, response_meta=meta)
    with stubber:
        found = account.identify(aws, lambda: NOW)
    assert (found.caller, found.ahead) == (None, -10800.0)
    assert found.error is not None


def test_an_expired_session_says_how_to_sign_in(monkeypatch: pytest.MonkeyPatch) -> None:
    aws, stubber = stubbed(monkeypatch)
    stubber.add_client_error("get_caller_identity", "ExpiredToken", "The security token is expired", 403)
    with stubber:
        found = account.identify(aws, lambda: NOW)
    assert found.error is not None
    assert "aws sso login" in found.error.hint


# --- the policy ---


def test_the_policy_is_for_the_account_that_is_known(lay: Lay) -> None:
    def users(project: Project) -> str:
        statements: Any = policy_of(project, ON_AWS, "base", None)["Statement"]
        return str(next(one["Resource"] for one in statements if one["Sid"] == "Users"))

    assert users(lay()) == "arn:aws:iam::*:user/course/*"
    assert users(lay("[environments.stag]", f'account = "{ACCOUNT}"')) == f"arn:aws:iam::{ACCOUNT}:user/course/*"


def test_the_policy_has_the_bucket_of_the_archives(lay: Lay) -> None:
    assert "arn:aws:s3:::archives/*" in str(policy_of(lay(), ON_AWS, "base", "archives"))
    assert "archives" not in str(policy_of(lay(), ON_AWS, "base", None))
