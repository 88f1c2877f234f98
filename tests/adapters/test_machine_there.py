"""What there is of an MLflow machine is found under Terraform's addresses, and nothing else (moto, in process).

moto has no Data Lifecycle Manager; `lifecycle_manager` stands in for it. That Terraform takes all of it over is
tried in tests/terraform/test_mlflow_ec2.py.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from botocore.exceptions import ClientError
from moto import mock_aws

from bootstrap.adapters.aws import machine_there
from bootstrap.adapters.aws.machine_there import There, Wanted
from bootstrap.adapters.aws.session import Aws, KeyPair
from bootstrap.adapters.terraform_folder import RootFolder
from bootstrap.core.membership import Membership
from bootstrap.core.names import Names
from bootstrap.core.operator_policy import Whose, operator_policy
from bootstrap.core.spec import parse_spec
from bootstrap.errors import AwsFailed, BootstrapError
from bootstrap.workflows.provision import Provisioner, adopt_existing
from bootstrap.workflows.target import Place
from tests.adapters.doubles import Story
from tests.adapters.lifecycle_manager import LifecycleManager
from tests.adapters.machine import ACCOUNT, TRUST, Machine, add_machine, tag_list, tags_of

HOME = "us-east-1"
NAMES = Names("course", "stag", ACCOUNT)
NAME = NAMES.mlflow_server
MODULE = "module.mlflow_ec2[0]"
WANTED = Wanted(NAMES, ("203.0.113.0/24", "2001:db8::/32"), ("0.0.0.0/0",), True)


@pytest.fixture
def aws(lifecycle_manager: LifecycleManager) -> Iterator[Aws]:
    with mock_aws():
        yield Aws(HOME, key=KeyPair("AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"))


@pytest.fixture
def machine(aws: Aws, lifecycle_manager: LifecycleManager) -> Machine:
    """A whole machine of ours, as Terraform leaves it, beside parts of others."""
    made = add_machine(aws, lifecycle_manager)
    ec2 = aws.client("ec2")
    ec2.create_tags(Resources=[made.volume], Tags=tag_list({"bootstrap:backup": NAME}))
    take_default_rule(aws, made)
    for tags in (tags_of("course", "stag", "jump-host"), tags_of("course", "prod"), tags_of("course-2", "stag")):
        add_volume(aws, tags)
        of_others = [{"ResourceType": "elastic-ip", "Tags": tag_list(tags)}]
        ec2.allocate_address(Domain="vpc", TagSpecifications=of_others)
        lifecycle_manager.add(HOME, tags)
    return made


def add_volume(aws: Aws, tags: dict[str, str]) -> str:
    """Make a volume like that of the data."""
    own = [{"ResourceType": "volume", "Tags": tag_list(tags | {"bootstrap:backup": NAME})}]
    made = aws.client("ec2").create_volume(AvailabilityZone=f"{HOME}a", Size=20, TagSpecifications=own)
    return str(made["VolumeId"])


def take_default_rule(aws: Aws, machine: Machine) -> None:
    """Take from the group what every new one lets out, as Terraform does first of all."""
    everything = [{"IpProtocol": "-1", "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}]
    aws.client("ec2").revoke_security_group_egress(GroupId=machine.group, IpPermissions=everything)


def ids(there: There) -> dict[str, str]:
    """Return what was found without the module's own address."""
    assert all(one.startswith(f"{MODULE}.") for one in there.ids)
    return {one.removeprefix(f"{MODULE}."): identity for one, identity in there.ids.items()}


def test_every_part_has_its_address(aws: Aws, machine: Machine) -> None:
    ec2 = aws.client("ec2")
    ec2.authorize_security_group_ingress(
        GroupId=machine.group,
        IpPermissions=[
            {"IpProtocol": "tcp", "FromPort": 443, "ToPort": 443, "Ipv6Ranges": [{"CidrIpv6": "2001:db8::/32"}]},
            {"IpProtocol": "tcp", "FromPort": 80, "ToPort": 80, "IpRanges": [{"CidrIp": "0.0.0.0/0"}]},
        ],
    )
    ec2.authorize_security_group_egress(
        GroupId=machine.group,
        IpPermissions=[{"IpProtocol": "tcp", "FromPort": 80, "ToPort": 80, "Ipv6Ranges": [{"CidrIpv6": "::/0"}]}],
    )
    [address] = ec2.describe_addresses(AllocationIds=[machine.address])["Addresses"]
    which = [{"Name": "group-id", "Values": [machine.group]}]
    rules = {
        (one["IsEgress"], one["FromPort"], one.get("CidrIpv4") or one["CidrIpv6"]): one["SecurityGroupRuleId"]
        for one in ec2.describe_security_group_rules(Filters=which)["SecurityGroupRules"]
    }
    there = machine_there.find(aws, WANTED)
    assert ids(there) == {
        "aws_instance.this": machine.instance,
        "aws_ebs_volume.data": machine.volume,
        "aws_volume_attachment.data": f"/dev/sdf:{machine.volume}:{machine.instance}",
        "aws_eip.this": machine.address,
        "aws_eip_association.this": address["AssociationId"],
        "aws_security_group.this": machine.group,
        'aws_vpc_security_group_ingress_rule.this["443 from 203.0.113.0/24"]': rules[False, 443, "203.0.113.0/24"],
        'aws_vpc_security_group_ingress_rule.this["443 from 2001:db8::/32"]': rules[False, 443, "2001:db8::/32"],
        'aws_vpc_security_group_ingress_rule.this["80 from 0.0.0.0/0"]': rules[False, 80, "0.0.0.0/0"],
        'aws_vpc_security_group_egress_rule.this["80 to ::/0"]': rules[True, 80, "::/0"],
        "aws_iam_role.this": NAME,
        "aws_iam_instance_profile.this": NAME,
        "aws_iam_role.snapshots[0]": f"{NAME}.snapshots",
        "aws_dlm_lifecycle_policy.daily[0]": machine.policy,
    }
    assert there.notes == ()


def test_what_is_missing_takes_nothing_else_along(aws: Aws, machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    ec2 = aws.client("ec2")
    there = ids(machine_there.find(aws, WANTED))

    def lost(wanted: Wanted = WANTED) -> set[str]:
        """Return what is not found any more, or not as it was."""
        nonlocal there
        before, there = there, ids(machine_there.find(aws, wanted))
        return {one for one, identity in before.items() if there.get(one) != identity}

    [address] = ec2.describe_addresses(AllocationIds=[machine.address])["Addresses"]
    ec2.disassociate_address(AssociationId=address["AssociationId"])
    assert lost() == {"aws_eip_association.this"}
    ec2.detach_volume(VolumeId=machine.volume, InstanceId=machine.instance)
    assert lost() == {"aws_volume_attachment.data"}
    second = add_volume(aws, tags_of("course", "stag"))
    assert lost() == {"aws_ebs_volume.data"}
    ec2.delete_tags(Resources=[machine.volume], Tags=[{"Key": "bootstrap:backup"}])
    assert lost() == set()
    assert there["aws_ebs_volume.data"] == second
    ec2.terminate_instances(InstanceIds=[machine.instance])
    assert lost() == {"aws_instance.this"}
    # Nobody is asked for snapshots where none are wanted: an emulator could not answer.
    monkeypatch.setattr(aws.client("dlm"), "get_lifecycle_policies", refused)
    assert lost(replace(WANTED, daily_snapshots=False)) == {
        "aws_iam_role.snapshots[0]",
        "aws_dlm_lifecycle_policy.daily[0]",
    }


def test_of_two_that_fit_none_is_taken_and_somebody_is_told(aws: Aws, machine: Machine) -> None:
    tags = [{"ResourceType": "elastic-ip", "Tags": tag_list(tags_of("course", "stag"))}]
    second = aws.client("ec2").allocate_address(Domain="vpc", TagSpecifications=tags)["AllocationId"]
    there = machine_there.find(aws, WANTED)
    assert not {one for one in ids(there) if one.startswith("aws_eip")}
    [note] = there.notes
    both = ", ".join(sorted((machine.address, second)))
    assert note.startswith(f"'stag' has 2 Elastic IPs: {both}. ")
    assert "`bootstrap sweep --env stag`" in note


def test_a_rule_that_nobody_asked_for_is_told_of_with_what_removes_it(aws: Aws, machine: Machine) -> None:
    """Those of a run with other networks, and what a group lets out until Terraform has taken that away."""
    ec2 = aws.client("ec2")
    ec2.authorize_security_group_egress(
        GroupId=machine.group, IpPermissions=[{"IpProtocol": "-1", "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}]
    )
    there = machine_there.find(aws, Wanted(NAMES, ("198.51.100.0/24",), (), True))
    assert not [one for one in there.ids if "security_group_" in one]
    told = sorted(re.sub(r"sgr-\w+", "sgr-1", note).replace(machine.group, "sg-1") for note in there.notes)
    begin, end = (
        "The security group sg-1 of MLflow's machine",
        "which is not as bootstrap.toml says. If this run does not",
    )
    assert told == [
        f"{begin} lets 203.0.113.0/24 in on tcp 443, {end} remove it: "
        "aws ec2 revoke-security-group-ingress --group-id sg-1 --security-group-rule-ids sgr-1",
        f"{begin} lets everything out to 0.0.0.0/0, {end} remove it: "
        "aws ec2 revoke-security-group-egress --group-id sg-1 --security-group-rule-ids sgr-1",
    ]


def test_up_and_plan_hand_over_what_is_there(aws: Aws, machine: Machine, tmp_path: Path) -> None:
    """With the bucket and all else; a kind without a machine asks for none."""
    place = Place("aws", NAMES, aws, None, custom_endpoint=False, emulated=False)
    root = RootFolder(tmp_path / "environment")
    root.path.mkdir()
    members = RootFolder(tmp_path / "members")
    roots = SimpleNamespace(place=place, root={"environment": root, "members": members}.__getitem__)
    machine_wanted = """\
project = "course"
[environments.stag.mlflow]
kind = "ec2"
allowed_cidrs = ["198.51.100.0/24"]
"""
    nothing_wanted = 'project = "course"\n[environments.stag]\nmlflow.kind = "none"\n'
    story = Story()
    for text, told in ((machine_wanted, 1), (nothing_wanted, 0)):
        story.notes.clear()
        spec = parse_spec(text, "bootstrap.toml")
        adopt_existing(cast(Provisioner, roots), spec, Membership(), {"a.b": "c"}, story)
        written = (root.path / "adopt.tf").read_text(encoding="utf-8")
        assert "to = a.b" in written
        assert (f'id = "{machine.instance}"' in written) is (text == machine_wanted)
        assert len(story.notes) == told


@pytest.mark.parametrize("name", [NAME, f"{NAME}.snapshots"])
def test_a_role_of_anothers_with_our_name_is_left_alone(name: str, aws: Aws) -> None:
    aws.client("iam").create_role(RoleName=name, Path="/shop/", AssumeRolePolicyDocument=TRUST)
    with pytest.raises(BootstrapError, match=f"IAM role {name} exists on the path /shop/; ours would be on") as raised:
        machine_there.find(aws, WANTED)
    assert "another `project`" in raised.value.hint


def test_so_is_an_instance_profile(aws: Aws) -> None:
    aws.client("iam").create_instance_profile(InstanceProfileName=NAME, Path="/shop/")
    with pytest.raises(BootstrapError, match=f"instance profile {NAME} exists on the path /shop/"):
        machine_there.find(aws, WANTED)


def refused(**_: object) -> None:
    raise ClientError({"Error": {"Code": "UnauthorizedOperation", "Message": "No."}}, "Anything")


CALLS = {
    *("ec2:DescribeInstances", "ec2:DescribeVolumes", "ec2:DescribeAddresses", "ec2:DescribeSecurityGroups"),
    *("ec2:DescribeSecurityGroupRules", "iam:GetRole", "iam:ListInstanceProfiles", "dlm:GetLifecyclePolicies"),
}


def test_a_permission_that_is_missing_is_told_by_name(aws: Aws, machine: Machine) -> None:
    for action in sorted(CALLS):
        service, _, operation = action.partition(":")
        visitor = Aws(HOME, key=aws.key)
        visitor.client(service).meta.events.register_first(f"before-call.{service}.{operation}", refused)
        with pytest.raises(AwsFailed, match=re.escape(f"({action})")) as raised:
            machine_there.find(visitor, WANTED)
        assert "bootstrap doctor" in raised.value.hint


def test_the_operators_policy_has_them_all(policy_template: dict[str, Any]) -> None:
    allowed = operator_policy(policy_template, Whose("course"), ("base", "ec2"))["Statement"]
    on_everything = {
        action for one in allowed if one["Resource"] == "*" and "Condition" not in one for action in one["Action"]
    }
    assert set(CALLS) <= on_everything


@pytest.fixture
def policy_template() -> dict[str, Any]:
    path = Path(__file__).resolve().parents[2] / "templates" / "aws" / "operator-policy.json"
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return found
