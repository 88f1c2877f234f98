"""What an MLflow machine consists of is found and taken away, and nothing that only looks like it (moto, in process).

moto has no Data Lifecycle Manager; `lifecycle_manager` stands in for it. What moto does not check: that a group is in
use, that a volume is attached while it is deleted, how long any of it takes.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from moto import mock_aws

from bootstrap.adapters.aws import inventory, machines
from bootstrap.adapters.aws.session import Aws, KeyPair
from bootstrap.core.inventory import EVERYWHERE, Place, Scan
from bootstrap.core.spec import Spec
from bootstrap.workflows import sweep
from bootstrap.workflows.project import Project
from tests.adapters.doubles import Story
from tests.adapters.lifecycle_manager import LifecycleManager
from tests.adapters.machine import ACCOUNT, add_budget, add_machine, parts_left, tag_list, tags_of

HOME = "us-east-1"
ANYBODY = KeyPair("AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY")
REGIONAL = [one for one in machines.ORDER if one != machines.BUDGET]


@pytest.fixture
def aws(lifecycle_manager: LifecycleManager) -> Iterator[Aws]:
    with mock_aws():
        yield Aws(HOME, key=ANYBODY)


def look(aws: Aws, env: str | None = "stag", **more: Any) -> Scan:
    settings: dict[str, Any] = {"envs_known": ("stag",), "regions": (HOME,), **more}
    return inventory.scan(aws, "course", ACCOUNT, env=env, **settings)


def add_look_alikes(aws: Aws, manager: LifecycleManager) -> None:
    """Fill the account with what a careless sweep would take for ours."""
    add_machine(aws, manager, "course-2", "stag")
    add_machine(aws, manager, "my-course", "stag")
    ec2, ssm = aws.client("ec2"), aws.client("ssm")
    # With tags like ours in another case, and with a name like ours.
    tags = tag_list({"Bootstrap:Project": "course", "bootstrap:env": "stag", "Name": "course.stag.mlflow"})
    ec2.create_volume(Size=1, AvailabilityZone=f"{HOME}a", TagSpecifications=[{"ResourceType": "volume", "Tags": tags}])
    # In folders that begin as ours do, in ours with another's tags, and in ours where only tags could tell.
    for name in ("/course/stag/db-password", "/course/stag-2/mlflow/admin-password", "/course/stag/mlflow2/key"):
        ssm.put_parameter(Name=name, Value="x", Type="String")
    ssm.put_parameter(Name="/course/stag/mlflow/other", Value="x", Type="String")
    ssm.put_parameter(
        Name="/course/prod/mlflow/admin-password", Value="x", Type="String", Tags=tag_list({"team": "shop"})
    )
    add_budget(aws, "course-2.stag", "bootstrap:project$course-2")
    add_budget(aws, "course.stag.more", "bootstrap:project$course")
    add_budget(aws, "course", "bootstrap:project$course")


def sweep_all(aws: Aws, folder: Path, monkeypatch: pytest.MonkeyPatch, env: str | None) -> sweep.Swept:
    monkeypatch.setattr("bootstrap.workflows.target.Aws", lambda **_: aws)
    project = Project(folder, Spec.default("course"), {}, folder)
    return sweep.sweep(project, env, None, "aws", (), Story(), lambda _: True)


def test_all_parts_go_in_order_and_every_look_alike_stays(
    aws: Aws, lifecycle_manager: LifecycleManager, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_look_alikes(aws, lifecycle_manager)
    before = parts_left(aws, lifecycle_manager)
    machine = add_machine(aws, lifecycle_manager)
    add_budget(aws, "course.stag", "bootstrap:env$stag")

    found = look(aws)
    assert [(one.kind, one.arn.rpartition("/")[2]) for one in found.things if one.kind != "role"] == [
        ("EC2 instance", machine.instance),
        ("snapshot policy", machine.policy),
        ("Elastic IP", machine.address),
        ("security group", machine.group),
        *sorted(("EBS volume", one) for one in (machine.volume, machine.system_volume)),
        *sorted(("EBS snapshot", one) for one in machine.snapshots),
        ("parameter", "admin-password"),
        ("budget", "course.stag"),
        ("instance profile", "course.stag.mlflow"),
    ]
    assert {one.command for one in found.things} == {"bootstrap sweep --env stag --delete"}
    assert all(one.removable for one in found.things)
    assert {Place(kind, HOME) for kind in REGIONAL} | {Place("budget", EVERYWHERE)} <= set(found.looked)

    swept = sweep_all(aws, tmp_path, monkeypatch, "stag")
    assert (swept.problems, swept.left.things, swept.left.blind) == ((), (), ())
    assert parts_left(aws, lifecycle_manager) == before
    # What is gone while somebody looks at it is no problem for who removes it.
    for thing in found.things:
        if thing.kind in machines.ORDER:
            machines.remove(aws, thing)


def test_what_has_our_tags_and_another_name_is_shown_and_stays(
    aws: Aws, lifecycle_manager: LifecycleManager, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine = add_machine(aws, lifecycle_manager, name="jump-host")
    add_budget(aws, "course.stag", "team$shop")
    shown = {one.kind: one for one in look(aws, None).things if one.kind in machines.ORDER and not one.removable}
    assert set(shown) == {one for one in machines.ORDER if one not in (machines.INTERFACE, machines.PARAMETER)}
    instance = shown["EC2 instance"]
    assert instance.what == f"the EC2 instance {machine.instance}, jump-host, which is not named as its tags say"
    assert instance.command == f"aws ec2 terminate-instances --instance-ids {machine.instance} --region {HOME}"
    assert shown["budget"].command.startswith(f"aws budgets delete-budget --account-id {ACCOUNT}")
    before = parts_left(aws, lifecycle_manager)
    sweep_all(aws, tmp_path, monkeypatch, None)
    # On our path the two roles and the profile are ours, whatever their names; and so is the parameter by its own.
    ours = {"role jump-host", "role jump-host.snapshots", "profile jump-host", machine.parameter}
    assert before - parts_left(aws, lifecycle_manager) == ours


def test_of_two_environments_one_goes(
    aws: Aws, lifecycle_manager: LifecycleManager, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_machine(aws, lifecycle_manager, env="prod")
    before = parts_left(aws, lifecycle_manager)
    add_machine(aws, lifecycle_manager, env="stag")
    assert {one.env for one in look(aws, None).things} == {"stag", "prod"}
    sweep_all(aws, tmp_path, monkeypatch, "stag")
    assert parts_left(aws, lifecycle_manager) == before


def test_a_parameter_that_carries_our_tags_is_ours_whatever_its_name(aws: Aws) -> None:
    tags = tag_list({key: value for key, value in tags_of("course", "stag").items() if key != "Name"})
    aws.client("ssm").put_parameter(Name="/course/stag/mlflow/flask-key", Value="x", Type="SecureString", Tags=tags)
    assert [one.what for one in look(aws).things] == ["the parameter /course/stag/mlflow/flask-key"]


def refused(operation: str) -> Any:
    def answer(**_: object) -> None:
        raise ClientError({"Error": {"Code": "AccessDeniedException", "Message": "No."}}, operation)

    return answer


def test_each_kind_may_be_blind_alone(aws: Aws) -> None:
    calls = {
        ("ec2", "DescribeInstances"): "EC2 instance",
        ("ec2", "DescribeVolumes"): "EBS volume",
        ("ec2", "DescribeSnapshots"): "EBS snapshot",
        ("ec2", "DescribeAddresses"): "Elastic IP",
        ("ec2", "DescribeNetworkInterfaces"): "network interface",
        ("ec2", "DescribeSecurityGroups"): "security group",
        ("dlm", "GetLifecyclePolicies"): "snapshot policy",
        ("ssm", "DescribeParameters"): "parameter",
    }
    for service, operation in calls:
        aws.client(service).meta.events.register_first(f"before-call.*.{operation}", refused(operation))
    found = look(aws)
    reasons = {one.place: one.reason for one in found.blind}
    assert reasons == {
        Place(kind, HOME): f"{operation}: you lack the permission (AccessDeniedException)"
        for (_, operation), kind in calls.items()
    }
    assert not {one.place for one in found.blind} & set(found.looked)


def test_who_may_not_see_budgets_is_blind_only_if_one_was_asked_for(aws: Aws) -> None:
    aws.client("budgets").meta.events.register_first("before-call.*.DescribeBudgets", refused("DescribeBudgets"))
    budgets = Place("budget", EVERYWHERE)
    unknown, known = look(aws), look(aws, budgets_known=True)
    assert (unknown.blind, budgets in unknown.looked) == ((), False)
    assert [one.place for one in known.blind] == [budgets]


def test_what_an_aws_lacks_is_not_looked_for(aws: Aws) -> None:
    aws.client("dlm").meta.events.register_first("before-call.*.GetLifecyclePolicies", refused("GetLifecyclePolicies"))
    found = look(aws, lacks=(machines.SCHEDULE,))
    assert found.blind == ()
    assert Place("snapshot policy", HOME) not in found.looked
