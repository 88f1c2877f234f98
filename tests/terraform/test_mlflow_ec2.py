"""The machine for MLflow, made for real: the environment root against an emulator, from nothing to nothing.

It takes six minutes, nearly all of which the provider waits for an emulator that has long answered, so it runs only
when asked for:

    WALK_MLFLOW_EC2=1 python -m pytest tests/terraform/test_mlflow_ec2.py

What the emulator cannot stand in for: Debian's images (one of Amazon's is taken), Data Lifecycle Manager (left out), a
machine that boots. The module's own tests have the rest.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from bootstrap.adapters import terraform_folder
from bootstrap.adapters.aws import machine_there
from bootstrap.adapters.aws.session import Aws
from bootstrap.adapters.emulator import ACCOUNT
from bootstrap.adapters.terraform_folder import RootFolder
from bootstrap.core.names import Names
from tests.terraform.root import REGION, Root

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.skipif("WALK_MLFLOW_EC2" not in os.environ, reason="takes six minutes; set WALK_MLFLOW_EC2=1"),
]

INFRA = Path(__file__).resolve().parents[2] / "infra"
NAME, PARAMETER = "course.stag.mlflow", "/course/stag/mlflow/admin-password"
IMAGES = "/aws/service/ami-amazon-linux-latest"
IMAGE, NEWER_IMAGE = f"{IMAGES}/al2023-ami-kernel-default-x86_64", f"{IMAGES}/amzn2-ami-hvm-x86_64-gp2"
TAGS = {"bootstrap:project": "course", "bootstrap:env": "stag", "Name": NAME}
MODULE = "module.mlflow_ec2[0]"
REPLACED = {
    f"{MODULE}.aws_instance.this": "replace",
    f"{MODULE}.aws_volume_attachment.data": "replace",
    f"{MODULE}.aws_eip_association.this": "replace",
    f"{MODULE}.aws_ec2_instance_state.this": "replace",
}


@pytest.fixture
def root(
    operator: Aws, terraform: str, terraform_environ: dict[str, str], init_options: list[str], tmp_path: Path
) -> Root:
    terraform_folder.lay_out(INFRA, tmp_path / "infra")
    environ = terraform_environ | operator.credentials_environment(terraform_environ)
    folder = RootFolder(tmp_path / "infra" / "environment")
    folder.use_local_state()
    made = Root(terraform, environ, folder)
    made("init", "-input=false", "-no-color", *init_options)
    return made


def inputs(**machine: object) -> dict[str, object]:
    return {
        "target": "aws",
        "region": REGION,
        "account_id": ACCOUNT,
        "custom_endpoint": True,
        "conditional_denies": False,
        "environment": {"project": "course", "name": "stag"},
        "storage": {"bucket": f"course--stag--{ACCOUNT}"},
        "mlflow": {
            "name": NAME,
            "allowed_cidrs": ["203.0.113.0/24", "2001:db8::/32"],
            "daily_snapshots": False,
            "image_parameter": IMAGE,
            **machine,
        },
    }


def first_boot_does_something_else(root: Root) -> None:
    """Change the user data, as another version of this package would."""
    override = root.folder.path.parent / "modules" / "mlflow_ec2" / "user_data_override.tf"
    override.write_text('locals {\n  user_data = base64gzip("#cloud-config\\n# changed\\n")\n}\n')


def machine_of(operator: Aws) -> dict[str, Any]:
    """Return the one instance that runs."""
    alive = [{"Name": "instance-state-name", "Values": ["running"]}]
    [reservation] = operator.client("ec2").describe_instances(Filters=alive)["Reservations"]
    [found] = reservation["Instances"]
    return dict(found)


def volumes_of(machine: dict[str, Any]) -> dict[str, str]:
    """Return device → volume."""
    return {one["DeviceName"]: one["Ebs"]["VolumeId"] for one in machine["BlockDeviceMappings"]}


def plain(tags: list[dict[str, str]]) -> dict[str, str]:
    return {tag["Key"]: tag["Value"] for tag in tags}


def test_from_nothing_to_a_machine_to_another_one_to_nothing(operator: Aws, root: Root) -> None:
    ec2, iam = operator.client("ec2"), operator.client("iam")
    root.apply(inputs())
    found, first = root.outputs(), machine_of(operator)
    address = first["PublicIpAddress"]
    assert found["mlflow_ip"] == address
    assert found["mlflow_url"] == f"https://{address.replace('.', '-')}.sslip.io"
    assert found["mlflow_password_parameter"] == PARAMETER
    assert first["MetadataOptions"]["HttpTokens"] == "required"
    assert [one["GroupName"] for one in first["SecurityGroups"]] == [f"bootstrap.{NAME}"]
    assert first["IamInstanceProfile"]["Arn"].endswith(f":instance-profile/course/stag/{NAME}")
    volumes = ec2.describe_volumes()["Volumes"]
    assert {one["VolumeId"] for one in volumes} == set(volumes_of(first).values())
    assert all(one["Encrypted"] and one["VolumeType"] == "gp3" for one in volumes)
    # The system's volume too, which Terraform makes with the machine: a sweep finds it by these.
    groups = ec2.describe_security_groups(Filters=[{"Name": "group-name", "Values": [f"bootstrap.{NAME}"]}])
    for tags in (
        *(one["Tags"] for one in (first, *volumes, *ec2.describe_addresses()["Addresses"], *groups["SecurityGroups"])),
        iam.get_role(RoleName=NAME)["Role"]["Tags"],
        iam.get_instance_profile(InstanceProfileName=NAME)["InstanceProfile"]["Tags"],
    ):
        assert plain(tags).items() >= TAGS.items()

    assert root.changes(inputs(), code=0) == {}
    # A new image alone changes nothing; a larger volume and another size change in place.
    assert root.changes(inputs(image_parameter=NEWER_IMAGE), code=0) == {}
    assert root.changes(inputs(volume_gb=30, instance_type="t3.medium")) == {
        f"{MODULE}.aws_ebs_volume.data": "update",
        f"{MODULE}.aws_instance.this": "update",
    }
    assert root.changes(inputs(instance_type="t4g.small")) == REPLACED | {
        f"{MODULE}.terraform_data.architecture": "update"
    }

    ec2.stop_instances(InstanceIds=[first["InstanceId"]])
    assert root.changes(inputs()) == {f"{MODULE}.aws_ec2_instance_state.this": "update"}

    first_boot_does_something_else(root)
    assert root.changes(inputs(image_parameter=NEWER_IMAGE)) == REPLACED
    root.apply(inputs(image_parameter=NEWER_IMAGE))
    second = machine_of(operator)
    assert second["InstanceId"] != first["InstanceId"]
    assert second["ImageId"] != first["ImageId"]
    assert second["PublicIpAddress"] == address
    assert volumes_of(second)["/dev/sdf"] == volumes_of(first)["/dev/sdf"]
    assert second["Placement"]["AvailabilityZone"] == first["Placement"]["AvailabilityZone"]

    root("destroy", "-auto-approve", "-input=false", "-no-color")
    left = [
        *ec2.describe_volumes()["Volumes"],
        *ec2.describe_addresses()["Addresses"],
        *(one for one in ec2.describe_security_groups()["SecurityGroups"] if one["GroupName"] != "default"),
        *iam.list_roles()["Roles"],
        *iam.list_instance_profiles()["InstanceProfiles"],
    ]
    assert left == []
    with pytest.raises(ValueError, match="not enough values"):
        machine_of(operator)


def test_what_no_state_knows_is_taken_over_as_it_is(operator: Aws, root: Root) -> None:
    """As after a kill before Terraform had written its state: nothing is made twice, and the machine keeps running."""
    root.apply(inputs())
    before = machine_of(operator)
    root.folder.path.joinpath("terraform.tfstate").unlink()

    wanted = machine_there.Wanted(
        names=Names("course", "stag", ACCOUNT),
        allowed_cidrs=("203.0.113.0/24", "2001:db8::/32"),
        challenge_cidrs=("0.0.0.0/0",),
        daily_snapshots=False,
    )
    there = machine_there.find(operator, wanted)
    assert there.notes == ()
    root.folder.write_adoptions({"module.storage.aws_s3_bucket.this": f"course--stag--{ACCOUNT}", **there.ids})
    of_machine = {
        address.removeprefix(f"{MODULE}."): action
        for address, action in root.changes(inputs()).items()
        if address.startswith(MODULE)
    }
    assert {one for one, action in of_machine.items() if action in ("delete", "replace")} == set()
    # What is the same however often it is made, and what is nowhere but in the state.
    assert {one for one, action in of_machine.items() if action == "create"} == {
        "aws_iam_role_policy.this",
        "aws_ec2_instance_state.this",
        "terraform_data.architecture",
    }

    root.apply(inputs())
    assert root.changes(inputs(), code=0) == {}
    after = machine_of(operator)
    same = ("InstanceId", "PublicIpAddress", "BlockDeviceMappings")
    assert {key: after[key] for key in same} == {key: before[key] for key in same}
    volumes = operator.client("ec2").describe_volumes()["Volumes"]
    assert {one["VolumeId"] for one in volumes} == set(volumes_of(before).values())
    assert all(plain(one["Tags"]).items() >= TAGS.items() for one in volumes)
    assert len(operator.client("ec2").describe_addresses()["Addresses"]) == 1
