"""The parts of an environment's MLflow machine that are there, as Terraform calls them: address → import id.

A run that was killed leaves parts that no state knows. Made a second time, some would be refused (roles, the group and
its rules), and some would be there twice and cost twice (machine, volume, address). So Terraform is told to take over
what carries all marks: the tags `bootstrap:project`, `bootstrap:env` and `Name`, the data volume also
`bootstrap:backup`; roles and instance profile their name and path. What an id looks like stands at the end of each
resource's page: https://github.com/hashicorp/terraform-provider-aws/tree/v5.100.0/website/docs/r

Left out is what is the same however often it is made: a role's policies, and that the machine runs.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from bootstrap.adapters.aws.looking import ENV_TAG, PROJECT_TAG
from bootstrap.adapters.aws.session import Aws, explained
from bootstrap.core.names import Names
from bootstrap.errors import BootstrapError

_MODULE = "module.mlflow_ec2[0]"
_LOOKUPS = 8
# As infra/modules/mlflow_ec2 has them: the data volume's device, and the tag by which its snapshots are made.
_DEVICE = "/dev/sdf"
_BACKUP_TAG = "bootstrap:backup"
# What every security group lets out when it is made, until Terraform takes that rule away.
# https://docs.aws.amazon.com/vpc/latest/userguide/security-group-rules.html
_ANY_PROTOCOL = "-1"

_Thing = Mapping[str, Any]
_Rule = tuple[bool, str, int, int, str]  # is it for what goes out, protocol, first port, last port, network


@dataclass(frozen=True)
class Wanted:
    """What of the machine the configuration will have; Terraform takes nothing over for what it will not.

    `allowed_cidrs` are let in on port 443, `challenge_cidrs` on port 80.
    """

    names: Names
    allowed_cidrs: tuple[str, ...]
    challenge_cidrs: tuple[str, ...]
    daily_snapshots: bool


@dataclass(frozen=True)
class There:
    """Terraform's address → import id, and what somebody should know of, in words."""

    ids: dict[str, str]
    notes: tuple[str, ...]


def find(aws: Aws, wanted: Wanted) -> There:
    """Look for all parts at once. Raises AwsFailed, or BootstrapError if another's role or profile has our name."""
    names = wanted.names
    name = names.mlflow_server
    with ThreadPoolExecutor(_LOOKUPS, thread_name_prefix="machine-there") as pool:
        instances = pool.submit(_instances, aws, names)
        volumes = pool.submit(_volumes, aws, names)
        addresses = pool.submit(_addresses, aws, names)
        groups = pool.submit(_groups, aws, names)
        role = pool.submit(_role, aws, name, names.iam_path)
        profile = pool.submit(_profile, aws, name, names.iam_path)
        daily = wanted.daily_snapshots
        snapshots_role = pool.submit(_role, aws, names.mlflow_snapshots_role, names.iam_path) if daily else None
        schedules = pool.submit(_schedules, aws, names) if daily else None
    notes: list[str] = []

    def only(what: str, key: str, found: list[_Thing]) -> _Thing | None:
        """Return what there is one of."""
        if len(found) > 1:
            notes.append(_more_than_one(names.env, what, [str(one[key]) for one in found]))
        return found[0] if len(found) == 1 else None

    instance = only("EC2 instances", "InstanceId", instances.result())
    volume = only("EBS volumes with MLflow's data", "VolumeId", volumes.result())
    address = only("Elastic IPs", "AllocationId", addresses.result())
    group = only("security groups", "GroupId", groups.result())
    schedule = only("snapshot policies", "PolicyId", schedules.result()) if schedules else None
    ids = {
        "aws_instance.this": instance and instance["InstanceId"],
        "aws_ebs_volume.data": volume and volume["VolumeId"],
        "aws_volume_attachment.data": instance and volume and _attachment(instance, volume),
        "aws_eip.this": address and address["AllocationId"],
        "aws_eip_association.this": instance and address and _association(instance, address),
        "aws_security_group.this": group and group["GroupId"],
        "aws_iam_role.this": role.result(),
        "aws_iam_instance_profile.this": profile.result(),
        "aws_iam_role.snapshots[0]": snapshots_role.result() if snapshots_role else None,
        "aws_dlm_lifecycle_policy.daily[0]": schedule and schedule["PolicyId"],
    }
    if group is not None:
        known = _addresses_of_rules(wanted)
        for rule in _rules(aws, group["GroupId"]):
            if (of := _content(rule)) in known:
                ids[known[of]] = rule["SecurityGroupRuleId"]
            else:
                notes.append(_not_wanted(rule))
    return There({f"{_MODULE}.{one}": str(identity) for one, identity in ids.items() if identity}, tuple(notes))


def _more_than_one(env: str, what: str, ids: list[str]) -> str:
    return (
        f"'{env}' has {len(ids)} {what}: {', '.join(sorted(ids))}. Terraform keeps the one that it knows, if any, and "
        f"takes over none. `bootstrap sweep --env {env}` shows what else there is; remove by hand what nobody needs."
    )


# --- EC2's ---


def _marked(names: Names, *more: tuple[str, list[str]]) -> list[dict[str, Any]]:
    """Return EC2's filters for what carries all marks.

    https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/Using_Filtering.html
    """
    tags = {PROJECT_TAG: names.project, ENV_TAG: names.env, "Name": names.mlflow_server}
    wanted = [(f"tag:{key}", [value]) for key, value in tags.items()]
    return [{"Name": name, "Values": values} for name, values in (*wanted, *more)]


def _instances(aws: Aws, names: Names) -> list[_Thing]:
    alive = ("instance-state-name", ["pending", "running", "stopping", "stopped"])
    with explained(f"look for the EC2 instance {names.mlflow_server} (ec2:DescribeInstances)"):
        pages = aws.client("ec2").get_paginator("describe_instances").paginate(Filters=_marked(names, alive))
        return [one for page in pages for reservation in page["Reservations"] for one in reservation["Instances"]]


def _volumes(aws: Aws, names: Names) -> list[_Thing]:
    """Return the data volumes: the machine's system volume, too, carries the tags of everything here."""
    alive = ("status", ["creating", "available", "in-use"])
    backup = (f"tag:{_BACKUP_TAG}", [names.mlflow_server])
    with explained(f"look for the EBS volume {names.mlflow_server} (ec2:DescribeVolumes)"):
        pages = aws.client("ec2").get_paginator("describe_volumes").paginate(Filters=_marked(names, alive, backup))
        return [one for page in pages for one in page["Volumes"]]


def _addresses(aws: Aws, names: Names) -> list[_Thing]:
    with explained(f"look for the Elastic IP {names.mlflow_server} (ec2:DescribeAddresses)"):
        # Never more than one page: this call has no second one.
        return list(aws.client("ec2").describe_addresses(Filters=_marked(names))["Addresses"])


def _groups(aws: Aws, names: Names) -> list[_Thing]:
    with explained(f"look for the security group {names.mlflow_server} (ec2:DescribeSecurityGroups)"):
        pages = aws.client("ec2").get_paginator("describe_security_groups").paginate(Filters=_marked(names))
        return [one for page in pages for one in page["SecurityGroups"]]


def _attachment(instance: _Thing, volume: _Thing) -> str | None:
    for one in volume.get("Attachments", []):
        here = one.get("InstanceId") == instance["InstanceId"] and one.get("Device") == _DEVICE
        if here and one.get("State") in ("attaching", "attached"):
            return f"{_DEVICE}:{volume['VolumeId']}:{instance['InstanceId']}"
    return None


def _association(instance: _Thing, address: _Thing) -> str | None:
    return address.get("AssociationId") if address.get("InstanceId") == instance["InstanceId"] else None


# --- the group's rules ---


def _addresses_of_rules(wanted: Wanted) -> dict[_Rule, str]:
    """Return content → Terraform's address of all rules that the module makes, named as there."""
    found: dict[_Rule, str] = {}
    for port, cidrs in ((443, wanted.allowed_cidrs), (80, wanted.challenge_cidrs)):
        for cidr in cidrs:
            key = json.dumps(f"{port} from {cidr}")
            found[False, "tcp", port, port, cidr] = f"aws_vpc_security_group_ingress_rule.this[{key}]"
    for port in (80, 443):
        for cidr in ("0.0.0.0/0", "::/0"):
            key = json.dumps(f"{port} to {cidr}")
            found[True, "tcp", port, port, cidr] = f"aws_vpc_security_group_egress_rule.this[{key}]"
    return found


def _rules(aws: Aws, group: str) -> Iterator[_Thing]:
    """Yield all rules of a group of ours.

    One that was made for us may lack its tags: the provider gives them in a second request. In our own group it is ours
    by its content, and EC2 refuses a second one of the same.
    https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DescribeSecurityGroupRules.html
    """
    which = [{"Name": "group-id", "Values": [group]}]
    with explained(f"look at the rules of the security group {group} (ec2:DescribeSecurityGroupRules)"):
        for page in aws.client("ec2").get_paginator("describe_security_group_rules").paginate(Filters=which):
            yield from page["SecurityGroupRules"]


def _content(rule: _Thing) -> _Rule:
    network = rule.get("CidrIpv4") or rule.get("CidrIpv6") or ""
    first, last = int(rule.get("FromPort", -1)), int(rule.get("ToPort", -1))
    return bool(rule["IsEgress"]), str(rule["IpProtocol"]), first, last, network


def _not_wanted(rule: _Thing) -> str:
    """Say that a rule is there which the configuration does not have, and how to remove it."""
    outwards, protocol, first, last, network = _content(rule)
    ports = "" if protocol == _ANY_PROTOCOL else f" on {protocol} {first if first == last else f'{first} to {last}'}"
    whom = network or "others"
    what = f"lets everything out to {whom}{ports}" if outwards else f"lets {whom} in{ports}"
    group, identity = rule["GroupId"], rule["SecurityGroupRuleId"]
    return (
        f"The security group {group} of MLflow's machine {what}, which is not as bootstrap.toml says. If this run does "
        f"not remove it: aws ec2 revoke-security-group-{'egress' if outwards else 'ingress'} "
        f"--group-id {group} --security-group-rule-ids {identity}"
    )


# --- IAM's and Data Lifecycle Manager's ---


def _role(aws: Aws, name: str, path: str) -> str | None:
    iam = aws.client("iam")
    with explained(f"look for the IAM role {name} (iam:GetRole)"):
        try:
            found = iam.get_role(RoleName=name)["Role"]
        except iam.exceptions.NoSuchEntityException:
            return None
    return _on_our_path("IAM role", name, found["Path"], path)


def _profile(aws: Aws, name: str, path: str) -> str | None:
    """Look for the instance profile among all: whoever may read those of our path only could not ask for another's."""
    with explained(f"look for the instance profile {name} (iam:ListInstanceProfiles)"):
        for page in aws.client("iam").get_paginator("list_instance_profiles").paginate():
            for found in page["InstanceProfiles"]:
                if found["InstanceProfileName"] == name:
                    return _on_our_path("instance profile", name, found["Path"], path)
    return None


def _on_our_path(what: str, name: str, found: str, path: str) -> str:
    """Return the name. IAM's names are unique whatever their path, so one elsewhere leaves no room for ours."""
    if found != path:
        raise BootstrapError(
            f"An {what} {name} exists on the path {found}; ours would be on {path}. It was left alone.",
            hint="If nobody needs it, delete it; else choose another `project` in bootstrap.toml.",
        )
    return name


def _schedules(aws: Aws, names: Names) -> list[_Thing]:
    """Return the policies for daily snapshots.

    https://docs.aws.amazon.com/dlm/latest/APIReference/API_GetLifecyclePolicies.html
    """
    ours = {PROJECT_TAG: names.project, ENV_TAG: names.env, "Name": names.mlflow_server}
    with explained(f"look for the snapshot policy {names.mlflow_server} (dlm:GetLifecyclePolicies)"):
        # This call has one page.
        listed = aws.client("dlm").get_lifecycle_policies().get("Policies", [])
    return [one for one in listed if ours.items() <= one.get("Tags", {}).items()]
