"""An MLflow machine in moto, as Terraform and the machine itself leave it when every state is lost."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from bootstrap.adapters.aws.session import Aws
from bootstrap.core.names import Names
from tests.adapters.lifecycle_manager import LifecycleManager

ACCOUNT = "123456789012"
POLICY = json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:*", "Resource": "*"}]})
TRUST = json.dumps(
    {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"Service": "ec2.amazonaws.com"}}],
    }
)


@dataclass(frozen=True)
class Machine:
    """The ids of its parts."""

    instance: str
    system_volume: str
    volume: str
    snapshots: tuple[str, str]
    address: str
    group: str
    policy: str
    parameter: str


def tag_list(tags: dict[str, str]) -> list[dict[str, str]]:
    return [{"Key": key, "Value": value} for key, value in tags.items()]


def tags_of(project: str, env: str, name: str | None = None) -> dict[str, str]:
    """Return the tags that each part carries; `name` is another one than those tags call for."""
    return {
        "bootstrap:project": project,
        "bootstrap:env": env,
        "Name": name or Names(project, env, ACCOUNT).mlflow_server,
    }


def add_machine(
    aws: Aws, manager: LifecycleManager, project: str = "course", env: str = "stag", name: str | None = None
) -> Machine:
    """Put one into an account, with everything that goes with it but its budget."""
    ec2, iam, ssm = aws.client("ec2"), aws.client("iam"), aws.client("ssm")
    names, tags = Names(project, env, ACCOUNT), tags_of(project, env, name)

    def tagged(kind: str) -> list[dict[str, Any]]:
        return [{"ResourceType": kind, "Tags": tag_list(tags)}]

    subnet = min(ec2.describe_subnets()["Subnets"], key=lambda one: one["AvailabilityZone"])
    group = ec2.create_security_group(
        GroupName=f"bootstrap.{tags['Name']}",
        Description="MLflow",
        VpcId=subnet["VpcId"],
        TagSpecifications=tagged("security-group"),
    )["GroupId"]
    ec2.authorize_security_group_ingress(
        GroupId=group,
        IpPermissions=[
            {"IpProtocol": "tcp", "FromPort": 443, "ToPort": 443, "IpRanges": [{"CidrIp": "203.0.113.0/24"}]}
        ],
        TagSpecifications=tagged("security-group-rule"),
    )
    role = tags["Name"]
    iam.create_role(RoleName=role, Path=names.iam_path, AssumeRolePolicyDocument=TRUST)
    iam.put_role_policy(RoleName=role, PolicyName="bootstrap", PolicyDocument=POLICY)
    iam.create_role(RoleName=f"{role}.snapshots", Path=names.iam_path, AssumeRolePolicyDocument=TRUST)
    iam.create_instance_profile(InstanceProfileName=role, Path=names.iam_path)
    iam.add_role_to_instance_profile(InstanceProfileName=role, RoleName=role)
    [instance] = ec2.run_instances(
        ImageId=ec2.describe_images()["Images"][0]["ImageId"],
        InstanceType="t3.small",
        MinCount=1,
        MaxCount=1,
        SubnetId=subnet["SubnetId"],
        SecurityGroupIds=[group],
        IamInstanceProfile={"Name": role},
        TagSpecifications=[*tagged("instance"), *tagged("volume")],
    )["Instances"]
    which = [{"Name": "attachment.instance-id", "Values": [instance["InstanceId"]]}]
    [system] = ec2.describe_volumes(Filters=which)["Volumes"]
    volume = ec2.create_volume(
        AvailabilityZone=subnet["AvailabilityZone"], Size=20, VolumeType="gp3", TagSpecifications=tagged("volume")
    )["VolumeId"]
    ec2.attach_volume(VolumeId=volume, InstanceId=instance["InstanceId"], Device="/dev/sdf")
    first, second = (
        ec2.create_snapshot(VolumeId=volume, TagSpecifications=tagged("snapshot"))["SnapshotId"] for _ in range(2)
    )
    address = ec2.allocate_address(Domain="vpc", TagSpecifications=tagged("elastic-ip"))["AllocationId"]
    ec2.associate_address(AllocationId=address, InstanceId=instance["InstanceId"])
    parameter = names.mlflow_password_parameter
    ssm.put_parameter(Name=parameter, Value="a-password", Type="SecureString")
    policy = manager.add(aws.region, tags)
    return Machine(
        instance["InstanceId"], system["VolumeId"], volume, (first, second), address, group, policy, parameter
    )


def add_budget(aws: Aws, name: str, tag: str) -> None:
    """Put a budget into an account that counts what carries a tag (`key$value`)."""
    aws.client("budgets").create_budget(
        AccountId=ACCOUNT,
        Budget={
            "BudgetName": name,
            "BudgetLimit": {"Amount": "20", "Unit": "USD"},
            "TimeUnit": "MONTHLY",
            "BudgetType": "COST",
            "CostFilters": {"TagKeyValue": [f"user:{tag}"]},
        },
    )


def parts_left(aws: Aws, manager: LifecycleManager) -> set[str]:
    """Return the ids and names of all parts of machines, whoever's, that are there."""
    ec2, iam, ssm = aws.client("ec2"), aws.client("iam"), aws.client("ssm")
    found = {
        instance["InstanceId"]
        for reservation in ec2.describe_instances()["Reservations"]
        for instance in reservation["Instances"]
        if instance["State"]["Name"] != "terminated"
    }
    found |= {one["VolumeId"] for one in ec2.describe_volumes()["Volumes"]}
    # moto has hundreds of its own, for its images; none of them has a name.
    named = [{"Name": "tag-key", "Values": ["Name"]}]
    found |= {one["SnapshotId"] for one in ec2.describe_snapshots(OwnerIds=["self"], Filters=named)["Snapshots"]}
    found |= {one["AllocationId"] for one in ec2.describe_addresses()["Addresses"]}
    groups = ec2.describe_security_groups()["SecurityGroups"]
    found |= {one["GroupId"] for one in groups if one["GroupName"] != "default"}
    found |= {one["Name"] for one in ssm.describe_parameters()["Parameters"]}
    found |= {f"role {one['RoleName']}" for one in iam.list_roles()["Roles"]}
    found |= {f"profile {one['InstanceProfileName']}" for one in iam.list_instance_profiles()["InstanceProfiles"]}
    found |= {one["BudgetName"] for one in aws.client("budgets").describe_budgets(AccountId=ACCOUNT)["Budgets"]}
    return found | set(manager.policies.get(aws.region, {}))
