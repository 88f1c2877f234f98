"""Identity providers and the roles that trust them, on moto in this process."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError
from botocore.stub import Stubber
from moto import mock_aws

from bootstrap.adapters.aws import identity_provider
from bootstrap.adapters.aws.identity_provider import Provider
from bootstrap.adapters.aws.session import Aws, KeyPair
from bootstrap.errors import AwsFailed

ACCOUNT = "123456789012"
ANYBODY = KeyPair("AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY")
ISSUER = "token.actions.githubusercontent.com"
ENTERPRISE = "github.example.org/_services/token"
ARN = f"arn:aws:iam::{ACCOUNT}:oidc-provider/{ISSUER}"
ROLE, PATH = "demo.stag.github", "/demo/stag/"
POLICY = json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:*", "Resource": "*"}]})


@pytest.fixture
def aws() -> Iterator[Aws]:
    """An AWS of this test's own, empty, that takes any key."""
    with mock_aws():
        yield Aws("eu-west-1", key=ANYBODY)


@pytest.fixture
def iam(aws: Aws) -> Any:
    return aws.client("iam")


def trust(principal: object, *, action: str = "sts:AssumeRoleWithWebIdentity") -> str:
    statement = {"Effect": "Allow", "Action": action, "Principal": principal}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


OURS = trust({"Federated": ARN})
MACHINES = trust({"Service": "ec2.amazonaws.com"}, action="sts:AssumeRole")


def add_provider(iam: Any, issuer: str = ISSUER, **more: Any) -> str:
    made = iam.create_open_id_connect_provider(Url=f"https://{issuer}", ClientIDList=["sts.amazonaws.com"], **more)
    return str(made["OpenIDConnectProviderArn"])


def add_role(iam: Any, name: str = ROLE, path: str = PATH, document: str = OURS) -> None:
    iam.create_role(RoleName=name, Path=path, AssumeRolePolicyDocument=document)


def noted(client: Any) -> list[str]:
    """Return a list that the names of all calls are added to from now on."""
    calls: list[str] = []
    client.meta.events.register("provide-client-params", lambda model, **_: calls.append(model.name))
    return calls


# --- providers ---


def test_an_account_without_a_provider(aws: Aws) -> None:
    assert identity_provider.find(aws, ISSUER) is None


def test_a_provider_is_found_with_its_tags_and_audiences(aws: Aws, iam: Any) -> None:
    add_provider(iam, Tags=[{"Key": "bootstrap:env", "Value": "stag"}, {"Key": "bootstrap:project", "Value": "demo"}])
    found = identity_provider.find(aws, ISSUER)
    assert found == Provider(ARN, {"bootstrap:env": "stag", "bootstrap:project": "demo"}, ("sts.amazonaws.com",))


def test_a_provider_of_somebody_elses_making(aws: Aws, iam: Any) -> None:
    theirs = {"ClientIDList": ["a", "b"], "ThumbprintList": ["f" * 40]}
    iam.create_open_id_connect_provider(Url=f"https://{ISSUER}", **theirs)
    assert identity_provider.find(aws, ISSUER) == Provider(ARN, {}, ("a", "b"))


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        (ISSUER, ISSUER),
        (ENTERPRISE, ENTERPRISE),
        (f"{ISSUER}/acme", f"{ISSUER}/acme"),
        ("github.example.org", None),
        ("actions.githubusercontent.com", None),
        (f"{ISSUER}/", None),
        ("", None),
    ],
)
def test_only_the_very_issuer_counts(asked: str, found: str | None, aws: Aws, iam: Any) -> None:
    arns = {issuer: add_provider(iam, issuer) for issuer in (f"{ISSUER}/acme", ISSUER, ENTERPRISE)}
    provider = identity_provider.find(aws, asked)
    assert (provider and provider.arn) == (found and arns[found])


def test_a_provider_that_goes_while_we_look(aws: Aws, iam: Any) -> None:
    with Stubber(iam) as stub:
        stub.add_response("list_open_id_connect_providers", {"OpenIDConnectProviderList": [{"Arn": ARN}]})
        stub.add_client_error("get_open_id_connect_provider", "NoSuchEntity")
        assert identity_provider.find(aws, ISSUER) is None


def test_deleting_a_provider_leaves_the_others(aws: Aws, iam: Any) -> None:
    arn, other = add_provider(iam), add_provider(iam, ENTERPRISE)
    for _ in range(2):  # again, as after a crash
        identity_provider.delete(aws, arn)
        assert identity_provider.find(aws, ISSUER) is None
    found = identity_provider.find(aws, ENTERPRISE)
    assert found is not None
    assert found.arn == other


def test_deleting_a_provider_that_aws_says_is_gone(aws: Aws, iam: Any) -> None:
    with Stubber(iam) as stub:
        stub.add_client_error("delete_open_id_connect_provider", "NoSuchEntity")
        identity_provider.delete(aws, ARN)


# --- who trusts it ---

TRUSTS: dict[str, tuple[str, bool]] = {
    "ours": (OURS, True),
    "one of several": (trust({"Federated": ["cognito-identity.amazonaws.com", ARN]}), True),
    "along with somebody inside": (trust({"Federated": ARN, "AWS": ACCOUNT}), True),
    "a statement that is no list": (
        json.dumps({"Version": "2012-10-17", "Statement": json.loads(OURS)["Statement"][0]}),
        True,
    ),
    "the second statement": (
        json.dumps(
            {"Version": "2012-10-17", "Statement": json.loads(MACHINES)["Statement"] + json.loads(OURS)["Statement"]}
        ),
        True,
    ),
    "a provider below it": (trust({"Federated": f"{ARN}/acme"}), False),
    "another provider": (trust({"Federated": f"arn:aws:iam::{ACCOUNT}:oidc-provider/gitlab.com"}), False),
    "machines": (MACHINES, False),
    "everybody": (trust("*", action="sts:AssumeRole"), False),
}


@pytest.mark.parametrize(("document", "named"), TRUSTS.values(), ids=TRUSTS.keys())
def test_whether_a_role_trusts_a_provider(document: str, named: bool, aws: Aws, iam: Any) -> None:
    add_role(iam, "theirs", "/", document)
    assert identity_provider.roles_trusting(aws, ARN) == (["theirs"] if named else [])


def test_roles_that_trust_are_found_wherever_they_are(aws: Aws, iam: Any) -> None:
    for name, path, document in (
        (ROLE, PATH, OURS),
        ("shop.prod.github", "/shop/prod/", OURS),
        ("by-hand", "/", OURS),
        ("machines", PATH, MACHINES),
    ):
        add_role(iam, name, path, document)
    assert identity_provider.roles_trusting(aws, ARN) == ["by-hand", ROLE, "shop.prod.github"]
    assert identity_provider.roles_trusting(aws, f"{ARN}/acme") == []
    assert identity_provider.roles_on_path(aws, PATH) == [ROLE, "machines"]
    assert identity_provider.roles_on_path(aws, "/nobody/") == []


def test_every_page_of_roles_is_read(aws: Aws, iam: Any) -> None:
    names = [f"role-{n:03}" for n in range(205)]  # a page holds a hundred
    for name in names:
        add_role(iam, name)
    assert identity_provider.roles_trusting(aws, ARN) == names
    assert identity_provider.roles_on_path(aws, PATH) == names


# --- a role goes ---


@pytest.fixture
def loaded(iam: Any) -> Any:
    """A client of an AWS with a role that has one of everything that can hang on a role."""
    add_role(iam)
    for name in ("one", "two"):
        iam.put_role_policy(RoleName=ROLE, PolicyName=name, PolicyDocument=POLICY)
        managed = iam.create_policy(PolicyName=f"managed-{name}", PolicyDocument=POLICY)["Policy"]["Arn"]
        iam.attach_role_policy(RoleName=ROLE, PolicyArn=managed)
    iam.create_instance_profile(InstanceProfileName="machine")
    iam.add_role_to_instance_profile(InstanceProfileName="machine", RoleName=ROLE)
    iam.put_role_permissions_boundary(RoleName=ROLE, PermissionsBoundary="arn:aws:iam::aws:policy/ReadOnlyAccess")
    return iam


def test_a_role_goes_with_all_that_hangs_on_it(aws: Aws, loaded: Any) -> None:
    add_role(loaded, "neighbour")
    calls = noted(loaded)
    identity_provider.delete_role(aws, ROLE)
    assert [call for call in calls if not call.startswith(("Get", "List"))] == [
        *["DeleteRolePolicy"] * 2,
        *["DetachRolePolicy"] * 2,
        "RemoveRoleFromInstanceProfile",
        "DeleteRolePermissionsBoundary",
        "DeleteRole",
    ]
    assert identity_provider.roles_on_path(aws, PATH) == ["neighbour"]
    assert loaded.get_instance_profile(InstanceProfileName="machine")["InstanceProfile"]["Roles"] == []
    kept = [one["PolicyName"] for one in loaded.list_policies(Scope="Local")["Policies"]]
    assert sorted(kept) == ["managed-one", "managed-two"]


def test_a_role_that_is_gone(aws: Aws, iam: Any) -> None:
    calls = noted(iam)
    identity_provider.delete_role(aws, ROLE)
    assert calls == ["GetRole"]


@pytest.mark.parametrize("at", ["ListRolePolicies", "DeleteRolePolicy", "ListAttachedRolePolicies", "DeleteRole"])
def test_a_role_that_somebody_else_deletes_meanwhile(at: str, aws: Aws, loaded: Any) -> None:
    somebody = aws.with_key(KeyPair("AKIAI44QH8DHBEXAMPLE", "theirs"))
    loaded.meta.events.register(f"before-call.iam.{at}", lambda **_: identity_provider.delete_role(somebody, ROLE))
    identity_provider.delete_role(aws, ROLE)
    assert identity_provider.roles_on_path(aws, PATH) == []


@pytest.mark.parametrize("at", ["GetRole", "ListRolePolicies", "DetachRolePolicy", "DeleteRole"])
def test_what_aws_refuses_is_told(at: str, aws: Aws, loaded: Any) -> None:
    loaded.meta.events.register(f"before-call.iam.{at}", refusing("AccessDenied", at))
    with pytest.raises(AwsFailed, match=ROLE) as caught:
        identity_provider.delete_role(aws, ROLE)
    assert f"lacks the permission for {at}" in caught.value.hint


def test_listing_that_aws_refuses_is_told(aws: Aws, iam: Any) -> None:
    for operation in ("ListOpenIDConnectProviders", "ListRoles", "DeleteOpenIDConnectProvider"):
        iam.meta.events.register(f"before-call.iam.{operation}", refusing("AccessDenied", operation))
    refused: dict[str, Callable[[], object]] = {
        "iam:ListOpenIDConnectProviders": lambda: identity_provider.find(aws, ISSUER),
        "iam:ListRoles": lambda: identity_provider.roles_trusting(aws, ARN),
        "iam:DeleteOpenIDConnectProvider": lambda: identity_provider.delete(aws, ARN),
    }
    for action, call in refused.items():
        with pytest.raises(AwsFailed, match=action):
            call()


def refusing(code: str, operation: str) -> Callable[..., None]:
    """Return a handler that answers a call as AWS would if it refused."""

    def answer(**_: object) -> None:
        raise ClientError({"Error": {"Code": code, "Message": "No."}}, operation)

    return answer
