"""Who outside of AWS may become a role of the account: identity providers, and the roles that trust them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from bootstrap.adapters.aws.belongings import Belonging, take
from bootstrap.adapters.aws.session import Aws, explained

# https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_identifiers.html#identifiers-arns
_RESOURCE = ":oidc-provider/"


@dataclass(frozen=True)
class Provider:
    """An OpenID Connect provider of the account. `audiences` are those whose tokens it takes."""

    arn: str
    tags: dict[str, str]
    audiences: tuple[str, ...]


# What the role may do comes first: a session that has begun can then do nothing any more, whatever becomes of the rest.
_BELONGINGS = (
    Belonging("an inline policy", "list_role_policies", "PolicyNames", "PolicyName", "delete_role_policy"),
    Belonging(
        "an attached policy", "list_attached_role_policies", "AttachedPolicies", "PolicyArn", "detach_role_policy"
    ),
    Belonging(
        "an instance profile",
        "list_instance_profiles_for_role",
        "InstanceProfiles",
        "InstanceProfileName",
        "remove_role_from_instance_profile",
    ),
)


def find(aws: Aws, issuer: str) -> Provider | None:
    """Return the account's provider for an issuer (host and maybe a path, without https://); None if it has none.

    An account has at most one for each issuer, and its ARN ends in the issuer. Raises AwsFailed.

    https://docs.aws.amazon.com/IAM/latest/APIReference/API_CreateOpenIDConnectProvider.html
    """
    iam = aws.client("iam")
    with explained("list the account's identity providers (iam:ListOpenIDConnectProviders)"):
        # Never more than one page: this call has no second one.
        listed = iam.list_open_id_connect_providers()["OpenIDConnectProviderList"]
    arn = next((str(one["Arn"]) for one in listed if str(one["Arn"]).partition(_RESOURCE)[2] == issuer), None)
    if arn is None:
        return None
    with explained(f"look at the identity provider {arn} (iam:GetOpenIDConnectProvider)"):
        try:
            found = iam.get_open_id_connect_provider(OpenIDConnectProviderArn=arn)
        except iam.exceptions.NoSuchEntityException:
            return None
    tags = {str(tag["Key"]): str(tag["Value"]) for tag in found.get("Tags", [])}
    return Provider(arn, tags, tuple(str(audience) for audience in found.get("ClientIDList", [])))


def roles_trusting(aws: Aws, arn: str) -> list[str]:
    """Return the names of all roles of the account whose trust policy names a provider, sorted. Raises AwsFailed."""
    return sorted(
        str(role["RoleName"]) for role in _roles(aws, "/") if arn in _federated(role.get("AssumeRolePolicyDocument"))
    )


def delete(aws: Aws, arn: str) -> None:
    """Delete a provider; fine if it is gone already. Roles that trust it stay, and let nobody in. Raises AwsFailed."""
    iam = aws.client("iam")
    with (
        explained(f"delete the identity provider {arn} (iam:DeleteOpenIDConnectProvider)"),
        suppress(iam.exceptions.NoSuchEntityException),
    ):
        iam.delete_open_id_connect_provider(OpenIDConnectProviderArn=arn)


def roles_on_path(aws: Aws, path: str) -> list[str]:
    """Return the names of all roles on exactly this IAM path, sorted. Raises AwsFailed."""
    return sorted(str(role["RoleName"]) for role in _roles(aws, path) if role["Path"] == path)


def delete_role(aws: Aws, name: str) -> None:
    """Delete a role with everything that hangs on it; fine if it is gone already. Raises AwsFailed.

    Managed policies and instance profiles, which are things of their own, are only taken from it.

    https://docs.aws.amazon.com/IAM/latest/UserGuide/id_roles_manage_delete.html
    """
    iam = aws.client("iam")
    gone = iam.exceptions.NoSuchEntityException
    with explained(f"look for the IAM role {name} (iam:GetRole)"):
        try:
            bounded = "PermissionsBoundary" in iam.get_role(RoleName=name)["Role"]
        except gone:
            return
    for belonging in _BELONGINGS:
        take(aws, "RoleName", name, belonging)
    if bounded:
        # Last: by now there is nothing left that it would hold back.
        with explained(f"take the permissions boundary from {name}"), suppress(gone):
            iam.delete_role_permissions_boundary(RoleName=name)
    with explained(f"delete the IAM role {name} (iam:DeleteRole)"), suppress(gone):
        iam.delete_role(RoleName=name)


def _roles(aws: Aws, path: str) -> Iterator[Mapping[str, Any]]:
    """Yield all roles on a path, with their trust policies."""
    with explained(f"list the IAM roles on {path} (iam:ListRoles)"):
        for page in aws.client("iam").get_paginator("list_roles").paginate(PathPrefix=path):
            yield from page["Roles"]


def _federated(trust: Any) -> set[str]:
    """Return whom outside of AWS a trust policy names, in any of its statements.

    In a policy, what may be a list may also be written without one.
    https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_grammar.html
    """
    found: set[str] = set()
    for statement in _listed(trust.get("Statement") if isinstance(trust, Mapping) else None):
        principal = statement.get("Principal")
        if isinstance(principal, Mapping):  # the other form is "*"
            found.update(_listed(principal.get("Federated")))
    return found


def _listed(value: Any) -> list[Any]:
    if value is None:
        return []
    return value if isinstance(value, list) else [value]
