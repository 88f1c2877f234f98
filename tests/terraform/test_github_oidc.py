"""The role for GitHub's workflows, made for real: the environment root against an emulator that enforces permissions.

The emulator takes every condition of a trust policy as met, so that nobody is refused here by subject. What the trust
policy says is compared word for word instead, and in the module's own tests.
"""

from __future__ import annotations

import re
import urllib.request
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore import UNSIGNED
from botocore.config import Config

from bootstrap.adapters import terraform_folder
from bootstrap.adapters.aws import identity_provider, people
from bootstrap.adapters.aws.identity_provider import Provider
from bootstrap.adapters.aws.session import Aws
from bootstrap.adapters.emulator import ACCOUNT
from bootstrap.adapters.terraform_folder import RootFolder
from bootstrap.core.plan import in_words
from bootstrap.core.stream import Change
from tests.terraform.root import REGION, Root

INFRA = Path(__file__).resolve().parents[2] / "infra"
ISSUER = "token.actions.githubusercontent.com"
PROVIDER = f"arn:aws:iam::{ACCOUNT}:oidc-provider/{ISSUER}"
BUCKET, PATH, ROLE, USER = f"course--stag--{ACCOUNT}", "/course/stag/", "course.stag.github", "course.stag.ci"
BY_ENVIRONMENT = ["repo:ana/course:environment:stag", "repo:ana@1001/course@2002:environment:stag"]
BY_BRANCH = ["repo:ana/course:ref:refs/heads/stag", "repo:ana@1001/course@2002:ref:refs/heads/stag"]
SHARED: dict[str, object] = {
    "target": "local",
    "region": REGION,
    "account_id": ACCOUNT,
    "custom_endpoint": True,
    "environment": {"project": "course", "name": "stag", "owner": "ana@example.org", "expires": "2028-02-28"},
}
MEMBERS = SHARED | {"bucket": BUCKET, "members": {"ci": {"user_name": USER, "role": "ci"}}}


@pytest.fixture
def roots(
    operator: Aws, terraform: str, terraform_environ: dict[str, str], init_options: list[str], tmp_path: Path
) -> dict[str, Root]:
    terraform_folder.lay_out(INFRA, tmp_path / "infra")
    environ = terraform_environ | operator.credentials_environment(terraform_environ)
    found = {}
    for name in ("environment", "members"):
        folder = RootFolder(tmp_path / "infra" / name)
        folder.use_local_state()
        found[name] = Root(terraform, environ, folder)
        found[name]("init", "-input=false", "-no-color", *init_options)
    return found


@pytest.fixture
def environment(roots: dict[str, Root]) -> Root:
    return roots["environment"]


def inputs(github: dict[str, object] | None = None) -> dict[str, object]:
    return SHARED | {"storage": {"bucket": BUCKET}, "github": github}


def github(subjects: list[str], **more: object) -> dict[str, object]:
    """Return the root's variable `github` as the tool writes it."""
    return {"role_name": ROLE, "path": PATH, "issuer": ISSUER, "provider_arn": "", "subjects": subjects} | more


def trust(subjects: list[str], issuer: str = ISSUER) -> dict[str, object]:
    """Return the whole trust policy that there should be."""
    return {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Sid": "Workflows",
                "Effect": "Allow",
                "Action": "sts:AssumeRoleWithWebIdentity",
                "Principal": {"Federated": f"arn:aws:iam::{ACCOUNT}:oidc-provider/{issuer}"},
                "Condition": {"StringEquals": {f"{issuer}:aud": "sts.amazonaws.com", f"{issuer}:sub": subjects}},
            }
        ],
    }


def role_of(operator: Aws) -> dict[str, Any]:
    found: dict[str, Any] = operator.client("iam").get_role(RoleName=ROLE)["Role"]
    return found


def nothing_is_left(operator: Aws) -> bool:
    iam, s3 = operator.client("iam"), operator.client("s3")
    left = [*iam.list_roles()["Roles"], *s3.list_buckets()["Buckets"], *people.users_on_path(operator, PATH)]
    return not left


def enforce(operator: Aws, calls: str) -> None:
    """Make the emulator check permissions after so many calls: `0` is from now on, `inf` is never.

    https://docs.getmoto.org/en/latest/docs/iam.html
    """
    request = urllib.request.Request(  # noqa: S310 - loopback
        f"{operator.endpoint_url}/moto-api/reset-auth", calls.encode(), {"Content-Type": "text/plain"}, method="POST"
    )
    with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=10):
        pass


def as_workflow(operator: Aws) -> Any:
    """Take the role on as a workflow does, with a token instead of a key, and return an S3 client of it.

    The emulator takes any token. While it checks permissions it answers 500 to every call without a signature, and
    this one has none; so it looks away for that one call.
    """
    sts = boto3.client(
        "sts",
        region_name=REGION,
        endpoint_url=operator.endpoint_url,
        config=Config(signature_version=UNSIGNED, proxies={}),
    )
    enforce(operator, "inf")
    taken = sts.assume_role_with_web_identity(
        RoleArn=role_of(operator)["Arn"], RoleSessionName="run-1", WebIdentityToken="header.claims.signature"
    )
    enforce(operator, "0")
    key = taken["Credentials"]
    session = boto3.Session(key["AccessKeyId"], key["SecretAccessKey"], key["SessionToken"], region_name=REGION)
    return session.client("s3", endpoint_url=operator.endpoint_url, config=Config(proxies={}))


@pytest.mark.by_turns
def test_an_account_without_a_provider_gets_one_and_keeps_none(operator: Aws, roots: dict[str, Root]) -> None:
    environment, members = roots["environment"], roots["members"]
    environment.apply(inputs(github(BY_ENVIRONMENT)))

    role = role_of(operator)
    assert role["AssumeRolePolicyDocument"] == trust(BY_ENVIRONMENT)
    assert role["Path"] == PATH
    assert environment.outputs()["github_role_arn"] == role["Arn"] == f"arn:aws:iam::{ACCOUNT}:role{PATH}{ROLE}"
    tags = {
        "bootstrap:project": "course",
        "bootstrap:env": "stag",
        "bootstrap:owner": "ana@example.org",
        "bootstrap:expires": "2028-02-28",
    }
    assert {tag["Key"]: tag["Value"] for tag in role["Tags"]} == tags | {"bootstrap:role": "ci"}
    assert identity_provider.find(operator, ISSUER) == Provider(PROVIDER, tags, ("sts.amazonaws.com",))
    assert identity_provider.roles_trusting(operator, PROVIDER) == [ROLE]

    iam = operator.client("iam")
    assert iam.list_role_policies(RoleName=ROLE)["PolicyNames"] == ["bootstrap"]
    assert iam.list_attached_role_policies(RoleName=ROLE)["AttachedPolicies"] == []
    try:
        members.apply(MEMBERS)
    except AssertionError as error:
        if "EntityAlreadyExists" not in str(error):
            raise
        # On a busy machine an answer may be lost; Terraform asks again, and meets what it has made. So the tool does.
        members.folder.write_adoptions({'module.member["ci"].aws_iam_user.this': USER})
        members.apply(MEMBERS)
    with_key = iam.get_user_policy(UserName=USER, PolicyName="bootstrap")["PolicyDocument"]
    assert iam.get_role_policy(RoleName=ROLE, PolicyName="bootstrap")["PolicyDocument"] == with_key

    assert environment.changes(inputs(github(BY_ENVIRONMENT)), code=0) == {}
    assert environment.changes(inputs(github(BY_ENVIRONMENT[::-1])), code=0) == {}

    for root in (members, environment):
        root("destroy", "-auto-approve", "-input=false", "-no-color")
    assert identity_provider.find(operator, ISSUER) is None
    assert nothing_is_left(operator)


@pytest.mark.by_turns
def test_a_provider_of_the_account_is_reused_and_left_as_it_was(operator: Aws, environment: Root) -> None:
    iam = operator.client("iam")
    iam.create_open_id_connect_provider(
        Url=f"https://{ISSUER}",
        ClientIDList=["sts.amazonaws.com", "theirs"],
        ThumbprintList=["f" * 40],
        Tags=[{"Key": "team", "Value": "platform"}],
    )

    def provider() -> dict[str, Any]:
        found: dict[str, Any] = iam.get_open_id_connect_provider(OpenIDConnectProviderArn=PROVIDER)
        return {key: value for key, value in found.items() if key != "ResponseMetadata"}

    before = provider()
    wanted = inputs(github(BY_BRANCH, provider_arn=PROVIDER))
    environment.apply(wanted)
    assert role_of(operator)["AssumeRolePolicyDocument"] == trust(BY_BRANCH)
    assert [one["Arn"] for one in iam.list_open_id_connect_providers()["OpenIDConnectProviderList"]] == [PROVIDER]
    assert "openid" not in environment("state", "list")
    assert environment.changes(wanted, code=0) == {}
    environment("destroy", "-auto-approve", "-input=false", "-no-color")
    assert nothing_is_left(operator)
    assert provider() == before


@pytest.mark.by_turns
def test_a_server_of_enterprise_has_a_provider_of_its_own(operator: Aws, environment: Root) -> None:
    issuer = "github.example.org/_services/token"
    environment.apply(inputs(github(BY_ENVIRONMENT, issuer=issuer)))
    found = identity_provider.find(operator, issuer)
    assert found is not None
    assert found.arn.endswith(f":oidc-provider/{issuer}")
    assert role_of(operator)["AssumeRolePolicyDocument"] == trust(BY_ENVIRONMENT, issuer)
    assert identity_provider.roles_trusting(operator, found.arn) == [ROLE]


@pytest.mark.by_turns
def test_where_environments_come_to_be_had_the_role_stays(operator: Aws, environment: Root) -> None:
    """From no repository to one and back: tests/e2e/test_github.py."""
    environment.apply(inputs(github(BY_BRANCH)))
    changed = environment.changes(inputs(github(BY_ENVIRONMENT)))
    assert changed == {"module.github_oidc[0].aws_iam_role.this": "update"}
    assert role_of(operator)["AssumeRolePolicyDocument"] == trust(BY_BRANCH)


@pytest.mark.by_turns
def test_a_workflow_may_what_ci_may_and_no_more(operator: Aws, environment: Root) -> None:
    environment.apply(inputs(github(BY_ENVIRONMENT)))
    operator.client("s3").put_object(Bucket=BUCKET, Key="dataset/a.csv", Body=b"x")
    s3 = as_workflow(operator)

    def may(call: str, key: str, **more: object) -> bool:
        try:
            getattr(s3, call)(Bucket=BUCKET, Key=key, **more)
        except s3.exceptions.ClientError as error:
            if error.response["Error"]["Code"] != "AccessDenied":
                raise
            return False
        return True

    found = {
        "read dataset": may("get_object", "dataset/a.csv"),
        "write dataset": may("put_object", "dataset/b.csv", Body=b"x"),
        "write remote": may("put_object", "dvc/red/files/1", Body=b"x"),
        "read remote": may("get_object", "dvc/red/files/1"),
        "delete remote": may("delete_object", "dvc/red/files/1"),
        "write folder": may("put_object", "members/ana/x", Body=b"x"),
        "read artifacts": may("get_object", "mlflow/1/model"),
    }
    assert [what for what, allowed in found.items() if allowed] == ["read dataset", "write remote", "read remote"]


@pytest.mark.by_turns
def test_no_key_takes_the_role_on_whatever_it_may_do(operator: Aws, environment: Root) -> None:
    environment.apply(inputs(github(BY_ENVIRONMENT)))
    sts = operator.client("sts")
    with pytest.raises(sts.exceptions.ClientError, match="not authorized to perform: sts:AssumeRole"):
        sts.assume_role(RoleArn=role_of(operator)["Arn"], RoleSessionName="run-1")


def test_every_kind_of_resource_has_words() -> None:
    sources = "\n".join(path.read_text(encoding="utf-8") for path in INFRA.rglob("*.tf"))
    kinds = set(re.findall(r'(?m)^resource "(\w+)"', sources))
    assert {"aws_iam_role", "aws_iam_role_policy", "aws_iam_openid_connect_provider", "aws_s3_bucket"} <= kinds
    for kind in kinds:
        assert f"{kind}." not in in_words(Change(f"module.x.{kind}.this", kind, "create"), {})
