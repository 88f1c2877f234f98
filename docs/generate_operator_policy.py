"""Writes templates/aws/operator-policy.json: what whoever runs this needs in AWS, out of the calls that the tests see.

`python docs/generate_operator_policy.py` writes the file; with `--check` it only compares and exits 1 if it is old.
The calls are those of tests/cases/operator_calls.txt, which an end-to-end test compares with what it sees. Which IAM
action a call takes, and on what, is in AWS's own lists:
https://docs.aws.amazon.com/service-authorization/latest/reference/reference_policies_actions-resources-contextkeys.html
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
CALLS = ROOT / "tests" / "cases" / "operator_calls.txt"
POLICY = ROOT / "templates" / "aws" / "operator-policy.json"

_ARN = "arn:@@PARTITION@@"
_IAM = f"{_ARN}:iam::@@ACCOUNT@@"
_OURS = "@@PROJECT@@"

# Sid → the resources of its statement. All of a project's own, by bucket name, IAM path or tag, but for what AWS can
# only allow on everything: lists, and what has no name before it is made.
RESOURCES: dict[str, list[str]] = {
    "Buckets": [f"{_ARN}:s3:::{_OURS}--*"],
    "Objects": [f"{_ARN}:s3:::{_OURS}--*/*"],
    "Users": [f"{_IAM}:user/{_OURS}/*"],
    "Groups": [f"{_IAM}:group/*"],
    "Devices": [f"{_IAM}:mfa/*"],
    "Look": ["*"],
    "ArchiveBucket": [f"{_ARN}:s3:::@@ARCHIVE@@"],
    "ArchiveObjects": [f"{_ARN}:s3:::@@ARCHIVE@@/*"],
    "Roles": [f"{_IAM}:role/{_OURS}/*"],
    "GitHubProvider": [f"{_IAM}:oidc-provider/*"],
}

# --- from calls to actions ---

# https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazons3.html, where the name of the action is
# not that of the operation, or where there are more of them.
_S3: Mapping[str, tuple[str, ...]] = {
    "AbortMultipartUpload": ("s3:AbortMultipartUpload",),
    "CompleteMultipartUpload": ("s3:PutObject",),
    # `up` makes the state bucket with its ownership said in the same request, which takes the second.
    "CreateBucket": ("s3:CreateBucket", "s3:PutBucketOwnershipControls"),
    "CreateMultipartUpload": ("s3:PutObject",),
    "DeleteBucketEncryption": ("s3:PutEncryptionConfiguration",),
    "DeleteBucketLifecycleConfiguration": ("s3:PutLifecycleConfiguration",),
    "DeleteBucketOwnershipControls": ("s3:PutBucketOwnershipControls",),
    "DeleteObjects": ("s3:DeleteObject",),
    "DeletePublicAccessBlock": ("s3:PutBucketPublicAccessBlock",),
    "GetBucketAccelerateConfiguration": ("s3:GetAccelerateConfiguration",),
    "GetBucketCors": ("s3:GetBucketCORS",),
    "GetBucketEncryption": ("s3:GetEncryptionConfiguration",),
    "GetBucketLifecycleConfiguration": ("s3:GetLifecycleConfiguration",),
    "GetBucketReplication": ("s3:GetReplicationConfiguration",),
    "GetObjectLockConfiguration": ("s3:GetBucketObjectLockConfiguration",),
    "GetPublicAccessBlock": ("s3:GetBucketPublicAccessBlock",),
    "HeadBucket": ("s3:ListBucket",),
    "HeadObject": ("s3:GetObject",),
    "ListBuckets": ("s3:ListAllMyBuckets",),
    "ListMultipartUploads": ("s3:ListBucketMultipartUploads",),
    "ListObjectVersions": ("s3:ListBucketVersions",),
    "ListObjectsV2": ("s3:ListBucket",),
    "PutBucketEncryption": ("s3:PutEncryptionConfiguration",),
    "PutBucketLifecycleConfiguration": ("s3:PutLifecycleConfiguration",),
    "PutPublicAccessBlock": ("s3:PutBucketPublicAccessBlock",),
    "UploadPart": ("s3:PutObject",),
}
# https://docs.aws.amazon.com/service-authorization/latest/reference/list_awsidentityandaccessmanagementiam.html: these
# know no resource. All others are about a user, a role or a provider, as their name says.
_IAM_ON_EVERYTHING = frozenset(
    {
        *("ListGroups", "ListInstanceProfiles", "ListOpenIDConnectProviders", "ListPolicies", "ListRoles", "ListUsers"),
        *("ListVirtualMFADevices", "GetAccountSummary"),
        # These know a resource, and it is the operator's own: whoever has signed in by SSO is a role of a path that
        # nobody knows beforehand. Both only read.
        *("GetRole", "SimulatePrincipalPolicy"),
    }
)
# Whoever makes a thing with tags needs the permission to tag, too.
_TAGGING = {
    "CreateUser": "iam:TagUser",
    "CreateRole": "iam:TagRole",
    "CreateOpenIDConnectProvider": "iam:TagOpenIDConnectProvider",
}
# What is no permission: STS tells everybody who they are.
# https://docs.aws.amazon.com/STS/latest/APIReference/API_GetCallerIdentity.html
_FREE = frozenset({"sts GetCallerIdentity"})
# The name that a service signs with → the one that it has in policies.
_PREFIXES = {"tagging": "tag"}
# Where the name of the action is not that of the operation, or where a request has a path and no operation's name.
_ACTIONS = {
    "budgets DescribeBudget": "budgets:ViewBudget",
    "budgets DescribeBudgets": "budgets:ViewBudget",
    "dlm GET /policies": "dlm:GetLifecyclePolicies",
}
_LOOKS = ("Describe", "Get", "List", "View")


def needs_of(call: str) -> Iterator[tuple[str, str]]:
    """Yield the Sid and the action for all that one recorded call takes. Raises LookupError for an unknown service."""
    if call in _FREE:
        return
    service, operation, *rest = call.split(" ")
    if service == "s3":
        yield from _of_s3(operation, rest)
    elif service == "iam":
        sid = _sid_of_iam(operation)
        yield sid, f"iam:{operation}"
        if "tags" in rest:
            yield sid, _TAGGING[operation]
    elif service in ("tagging", "ec2", "servicequotas", "ssm", "dlm", "budgets"):
        action = _ACTIONS.get(call, f"{_PREFIXES.get(service, service)}:{operation}")
        if action.partition(":")[2].startswith(_LOOKS):
            yield "Look", action
        elif not any(action in statement["Action"] for statement in [*EC2, *BUDGET]):
            raise LookupError(f"no permission is known for `{call}`")
    else:
        raise LookupError(f"no permission is known for `{call}`")


def _of_s3(operation: str, rest: list[str]) -> Iterator[tuple[str, str]]:
    place = rest[0] if rest else ""
    kinds = ("ArchiveBucket", "ArchiveObjects") if place.startswith("archive") else ("Buckets", "Objects")
    for action in _S3.get(operation, (f"s3:{operation}",)):
        yield ("Look" if not place else kinds[place.endswith("/")]), action
    if "versions" in rest:
        yield kinds[1], "s3:DeleteObjectVersion"


def _sid_of_iam(operation: str) -> str:
    if operation in _IAM_ON_EVERYTHING:
        return "Look"
    if "OpenIDConnectProvider" in operation:
        return "GitHubProvider"
    if operation == "DeleteVirtualMFADevice":
        return "Devices"
    return "Roles" if "Role" in operation else "Users"


# --- what no test here can see ---

# With the reason for each; an emulator does not ask for it, or nobody's account has it every day.
UNSEEN: dict[str, tuple[str, ...]] = {
    # The rule that refuses requests without TLS is for AWS only (docs/decisions/0007-conditions-on-aws-only.md).
    "Buckets": ("s3:PutBucketPolicy", "s3:DeleteBucketPolicy"),
    # Unfinished uploads are ended before a bucket goes, large files are uploaded in parts, an archive has old versions,
    # and a version that is locked is looked at, to say until when.
    "Objects": (
        "s3:AbortMultipartUpload",
        "s3:GetObjectRetention",
        "s3:GetObjectLegalHold",
        "s3:GetObjectVersion",
        "s3:ListMultipartUploadParts",
    ),
    # What people put on a user by hand goes with the user; tags follow bootstrap.toml.
    "Users": (
        "iam:DeactivateMFADevice",
        "iam:DeleteServiceSpecificCredential",
        "iam:DeleteSigningCertificate",
        "iam:DeleteSSHPublicKey",
        "iam:DeleteUserPermissionsBoundary",
        "iam:DetachUserPolicy",
        "iam:UntagUser",
    ),
    "Groups": ("iam:RemoveUserFromGroup",),
    # On all of them: a device need not lie on its user's path. One that is still in use cannot be deleted, and
    # taking it out of use is allowed for the project's own users only.
    "Devices": ("iam:DeleteVirtualMFADevice",),
    # `doctor` asks for these if there is to be an MLflow machine.
    "Look": ("ec2:DescribeAddresses", "ec2:DescribeSubnets", "ec2:DescribeVpcs"),
    "ArchiveObjects": ("s3:AbortMultipartUpload",),
    "Roles": (
        "iam:DeleteRolePermissionsBoundary",
        "iam:DetachRolePolicy",
        "iam:UntagRole",
        "iam:UpdateAssumeRolePolicy",
        "iam:UpdateRole",
    ),
    "GitHubProvider": (
        "iam:AddClientIDToOpenIDConnectProvider",
        "iam:RemoveClientIDFromOpenIDConnectProvider",
        "iam:UntagOpenIDConnectProvider",
        "iam:UpdateOpenIDConnectProviderThumbprint",
    ),
}

_BASE = ("Buckets", "Objects", "Users", "Groups", "Devices", "Look")
_ARCHIVE = ("ArchiveBucket", "ArchiveObjects")
_GITHUB = ("Roles", "GitHubProvider")

_TAGGED = {"StringEquals": {"aws:ResourceTag/bootstrap:project": _OURS}}

# For kind = "ec2" and `budget_usd`. No emulator here runs all of it, so this is written by hand, after the lists of
# https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonec2.html (and -ssm, -dlm, -budgets) and
# what the provider asks for the resources of infra/modules/mlflow_ec2 and infra/modules/budget.
EC2: list[dict[str, Any]] = [
    {
        "Sid": "MachineLook",
        "Effect": "Allow",
        "Action": [
            "dlm:GetLifecyclePolicies",
            "ec2:DescribeAddressesAttribute",
            "ec2:DescribeAvailabilityZones",
            "ec2:DescribeImages",
            "ec2:DescribeInstanceAttribute",
            "ec2:DescribeInstanceCreditSpecifications",
            "ec2:DescribeInstances",
            "ec2:DescribeInstanceTypeOfferings",
            "ec2:DescribeInstanceTypes",
            "ec2:DescribeNetworkInterfaces",
            "ec2:DescribeSecurityGroupRules",
            "ec2:DescribeSecurityGroups",
            "ec2:DescribeSnapshots",
            "ec2:DescribeTags",
            "ec2:DescribeVolumes",
            "ec2:DescribeVolumesModifications",
            "ec2:DescribeVpcAttribute",
            "ssm:DescribeParameters",
        ],
        "Resource": "*",
    },
    {
        # A machine, a volume, an address and a group of rules have no name before they are made; what they are made
        # with (image, network) is not ours. The plan for snapshots knows no resource; what it may do is its role's.
        "Sid": "MachineMake",
        "Effect": "Allow",
        "Action": [
            "dlm:CreateLifecyclePolicy",
            "ec2:AllocateAddress",
            "ec2:CreateSecurityGroup",
            "ec2:CreateVolume",
            "ec2:RunInstances",
        ],
        "Resource": "*",
    },
    {
        "Sid": "MachineTag",
        "Effect": "Allow",
        "Action": ["ec2:CreateTags"],
        "Resource": "*",
        "Condition": {"StringEquals": {"aws:RequestTag/bootstrap:project": _OURS}},
    },
    {
        "Sid": "MachineChange",
        "Effect": "Allow",
        "Action": [
            "ec2:AssociateAddress",
            "ec2:AssociateIamInstanceProfile",
            "ec2:AttachVolume",
            "ec2:AuthorizeSecurityGroupEgress",
            "ec2:AuthorizeSecurityGroupIngress",
            # Of a thing that has its tags: one that changes comes without the others.
            "ec2:CreateTags",
            "ec2:DeleteNetworkInterface",
            "ec2:DeleteSecurityGroup",
            "ec2:DeleteSnapshot",
            "ec2:DeleteTags",
            "ec2:DeleteVolume",
            "ec2:DetachVolume",
            "ec2:DisassociateAddress",
            "ec2:ModifyInstanceAttribute",
            "ec2:ModifyInstanceCreditSpecification",
            "ec2:ModifyInstanceMetadataOptions",
            "ec2:ModifySecurityGroupRules",
            "ec2:ModifyVolume",
            "ec2:ReleaseAddress",
            "ec2:RevokeSecurityGroupEgress",
            "ec2:RevokeSecurityGroupIngress",
            "ec2:StartInstances",
            "ec2:StopInstances",
            "ec2:TerminateInstances",
        ],
        "Resource": "*",
        "Condition": _TAGGED,
    },
    {
        # What the calls above also name and what carries no tag of ours: a rule before it is made, and the network card
        # that comes with a machine. Alone they allow nothing: the group and the machine are asked about, too.
        # https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/ExamplePolicies_EC2.html
        "Sid": "MachineRules",
        "Effect": "Allow",
        "Action": [
            "ec2:AuthorizeSecurityGroupEgress",
            "ec2:AuthorizeSecurityGroupIngress",
            "ec2:ModifySecurityGroupRules",
        ],
        "Resource": f"{_ARN}:ec2:*:@@ACCOUNT@@:security-group-rule/*",
    },
    {
        "Sid": "MachineCard",
        "Effect": "Allow",
        "Action": ["ec2:AssociateAddress", "ec2:DisassociateAddress"],
        "Resource": f"{_ARN}:ec2:*:@@ACCOUNT@@:network-interface/*",
    },
    {
        "Sid": "MachineProfile",
        "Effect": "Allow",
        "Action": [
            "iam:AddRoleToInstanceProfile",
            "iam:CreateInstanceProfile",
            "iam:DeleteInstanceProfile",
            "iam:GetInstanceProfile",
            "iam:RemoveRoleFromInstanceProfile",
            "iam:TagInstanceProfile",
            "iam:UntagInstanceProfile",
        ],
        "Resource": f"{_IAM}:instance-profile/{_OURS}/*",
    },
    {
        "Sid": "MachineRole",
        "Effect": "Allow",
        "Action": ["iam:PassRole"],
        "Resource": f"{_IAM}:role/{_OURS}/*",
        "Condition": {"StringEquals": {"iam:PassedToService": ["ec2.amazonaws.com", "dlm.amazonaws.com"]}},
    },
    {
        # No other managed policy than the one of AWS's for daily snapshots: any would be a way to every right.
        "Sid": "SnapshotRole",
        "Effect": "Allow",
        "Action": ["iam:AttachRolePolicy"],
        "Resource": f"{_IAM}:role/{_OURS}/*",
        "Condition": {
            "ArnEquals": {"iam:PolicyARN": f"{_ARN}:iam::aws:policy/service-role/AWSDataLifecycleManagerServiceRole"}
        },
    },
    {
        "Sid": "Snapshots",
        "Effect": "Allow",
        "Action": [
            "dlm:DeleteLifecyclePolicy",
            "dlm:GetLifecyclePolicy",
            "dlm:ListTagsForResource",
            "dlm:TagResource",
            "dlm:UntagResource",
            "dlm:UpdateLifecyclePolicy",
        ],
        "Resource": f"{_ARN}:dlm:*:@@ACCOUNT@@:policy/*",
    },
    {
        "Sid": "Parameters",
        "Effect": "Allow",
        "Action": [
            "ssm:DeleteParameter",
            "ssm:DeleteParameters",
            "ssm:GetParameter",
            "ssm:GetParameters",
            "ssm:GetParametersByPath",
            "ssm:ListTagsForResource",
        ],
        "Resource": f"{_ARN}:ssm:*:@@ACCOUNT@@:parameter/{_OURS}/*",
    },
    {
        "Sid": "DebianImage",
        "Effect": "Allow",
        "Action": ["ssm:GetParameter", "ssm:GetParameters"],
        "Resource": f"{_ARN}:ssm:*::parameter/aws/service/debian/*",
    },
]
BUDGET: list[dict[str, Any]] = [
    {
        "Sid": "Budgets",
        "Effect": "Allow",
        "Action": [
            "budgets:ListTagsForResource",
            "budgets:ModifyBudget",
            "budgets:TagResource",
            "budgets:UntagResource",
            "budgets:ViewBudget",
        ],
        "Resource": f"{_ARN}:budgets::@@ACCOUNT@@:budget/{_OURS}.*",
    },
    {"Sid": "Costs", "Effect": "Allow", "Action": ["ce:GetCostAndUsage"], "Resource": "*"},
]


def template(calls: Iterable[str]) -> dict[str, list[dict[str, Any]]]:
    """Return the statements of each part, for the calls that were seen. Raises LookupError for one of no known need."""
    actions: dict[str, set[str]] = {sid: set(more) for sid, more in UNSEEN.items()}
    for call in calls:
        for sid, action in needs_of(call):
            actions.setdefault(sid, set()).add(action)

    def statements(sids: Iterable[str]) -> list[dict[str, Any]]:
        return [
            {"Sid": sid, "Effect": "Allow", "Action": sorted(actions[sid]), "Resource": _one(RESOURCES[sid])}
            for sid in sids
            if actions.get(sid)
        ]

    return {
        "base": statements(_BASE),
        "archive": statements(_ARCHIVE),
        "github": statements(_GITHUB),
        "ec2": [*statements(("Roles",)), *EC2],
        "budget": BUDGET,
    }


def _one(resources: list[str]) -> str | list[str]:
    return resources[0] if len(resources) == 1 else resources


def recorded_calls() -> list[str]:
    """Return the calls that the tests have seen."""
    lines = CALLS.read_text(encoding="utf-8").splitlines()
    return [line for line in lines if line and line[0] not in "#["]


def text() -> str:
    """Return what the file has to say."""
    return json.dumps(template(recorded_calls()), indent=2) + "\n"


def main() -> int:
    """Write the file, or compare it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="only compare; exit code 1 if the file is old")
    now, wanted = (POLICY.read_text(encoding="utf-8") if POLICY.is_file() else ""), text()
    if parser.parse_args().check:
        if now != wanted:
            sys.stderr.write(f"{POLICY} is old: python docs/generate_operator_policy.py\n")
        return int(now != wanted)
    POLICY.parent.mkdir(parents=True, exist_ok=True)
    POLICY.write_text(wanted, encoding="utf-8", newline="\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
