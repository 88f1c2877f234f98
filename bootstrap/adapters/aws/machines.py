"""What an MLflow machine on AWS consists of: found without any state, and taken away.

Its instance, volumes, snapshots, address and security group carry the tags `bootstrap:project` and `bootstrap:env` and
the name that goes with them (tag `Name`, `<project>.<env>.mlflow`): two marks that agree, as everywhere. Snapshots are
made by Data Lifecycle Manager, which copies the volume's tags to them. The machine's parameters lie below
`/<project>/<env>/mlflow/`; the one with the password is ours by its name, every other one by our tags. A budget is ours
by its name and by what it counts.

EC2's own lists are asked, not the Tagging API, which goes on for a while to tell of what is gone.
"""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from bootstrap.adapters.aws.looking import ENV_TAG, PROJECT_TAG, Found, View, in_region, plain
from bootstrap.adapters.aws.session import Aws, error_code, explained, is_denied
from bootstrap.core.inventory import EVERYWHERE, Place, Thing
from bootstrap.core.names import Names, environment_problem
from bootstrap.errors import AwsFailed
from bootstrap.redact import redact

INSTANCE, ADDRESS, INTERFACE, GROUP = "EC2 instance", "Elastic IP", "network interface", "security group"
VOLUME, SNAPSHOT, SCHEDULE = "EBS volume", "EBS snapshot", "snapshot policy"
PARAMETER, BUDGET = "parameter", "budget"

# In the order in which they have to go: nobody uses any more what comes later.
ORDER = (INSTANCE, SCHEDULE, ADDRESS, INTERFACE, GROUP, VOLUME, SNAPSHOT, PARAMETER, BUDGET)

# What is looked for here, as the Tagging API calls it. A rule goes with its group.
LISTED = frozenset(
    {
        *(("ec2", one) for one in ("instance", "volume", "snapshot", "elastic-ip", "network-interface")),
        *(("ec2", one) for one in ("security-group", "security-group-rule")),
        ("dlm", "policy"),
    }
)

# What a call answers about a thing that is not there: https://docs.aws.amazon.com/AWSEC2/latest/APIReference/errors-overview.html
_GONE = {"ResourceNotFoundException", "ParameterNotFound", "NotFoundException"}
# How long the instance may take to end, and a volume to come free of it: seconds between two looks, and looks.
_ENDING: Mapping[str, int] = {"Delay": 5, "MaxAttempts": 120}
_FREEING: Mapping[str, int] = {"Delay": 3, "MaxAttempts": 20}


@dataclass(frozen=True)
class _Ec2Kind:
    """A kind of EC2's: how it is listed, what it is called in an ARN, and how a person removes it by hand.

    `alive` is the filter, if there is one, that leaves out what is gone already or about to go.
    """

    kind: str
    noun: str
    lister: str
    listed: str
    id: str
    resource: str
    by_hand: str
    alive: tuple[str, tuple[str, ...]] | None = None
    more: Mapping[str, Any] = field(default_factory=dict)


_EC2_KINDS = (
    _Ec2Kind(
        *(INSTANCE, "the EC2 instance", "describe_instances", "Reservations", "InstanceId", "instance"),
        "terminate-instances --instance-ids",
        alive=("instance-state-name", ("pending", "running", "stopping", "stopped")),
    ),
    _Ec2Kind(
        *(ADDRESS, "the Elastic IP", "describe_addresses", "Addresses", "AllocationId", "elastic-ip"),
        "release-address --allocation-id",
    ),
    _Ec2Kind(
        *(INTERFACE, "the network interface", "describe_network_interfaces", "NetworkInterfaces"),
        *("NetworkInterfaceId", "network-interface"),
        "delete-network-interface --network-interface-id",
    ),
    _Ec2Kind(
        *(GROUP, "the security group", "describe_security_groups", "SecurityGroups", "GroupId", "security-group"),
        "delete-security-group --group-id",
    ),
    _Ec2Kind(
        *(VOLUME, "the EBS volume", "describe_volumes", "Volumes", "VolumeId", "volume"),
        "delete-volume --volume-id",
        alive=("status", ("creating", "available", "in-use", "error")),
    ),
    _Ec2Kind(
        *(SNAPSHOT, "the EBS snapshot", "describe_snapshots", "Snapshots", "SnapshotId", "snapshot"),
        "delete-snapshot --snapshot-id",
        # Else those that others made public would be among them.
        more={"OwnerIds": ["self"]},
    ),
)


# --- looking ---


def looks(view: View, region: str) -> dict[Place, Callable[[], Found]]:
    """Return the looks for all that a machine in one region consists of; one each, so that one may be blind alone."""
    there = replace(view, aws=in_region(view.aws, region))
    found: dict[Place, Callable[[], Found]] = {Place(one.kind, region): partial(_ec2, there, one) for one in _EC2_KINDS}
    found[Place(SCHEDULE, region)] = partial(_schedules, there)
    found[Place(PARAMETER, region)] = partial(_parameters, there)
    return found


def budgets(view: View) -> Found:
    """Look for the budgets that are named for an environment of ours. Raises AwsFailed.

    https://docs.aws.amazon.com/aws-cost-management/latest/APIReference/API_budgets_DescribeBudgets.html
    """
    found = Found()
    with explained("list the account's budgets (budgets:ViewBudget)"):
        pages = view.aws.client("budgets").get_paginator("describe_budgets").paginate(AccountId=view.account)
        listed = [one for page in pages for one in page.get("Budgets", [])]
    for one in listed:
        name = str(one["BudgetName"])
        project, _, env = name.partition(".")
        if project != view.project or environment_problem(env) is not None or not view.wants(env):
            continue
        # What it counts are costs with our tag, however that is written.
        counts = json.dumps([one.get("CostFilters"), one.get("FilterExpression")])
        sure = PROJECT_TAG in counts or ENV_TAG in counts
        what = f"the budget {name}" + ("" if sure else ", which does not count by this project's tags")
        by_hand = f"aws budgets delete-budget --account-id {view.account} --budget-name {shlex.quote(name)}"
        command = view.sweep(env) if sure else by_hand
        arn = f"arn:{view.partition}:budgets::{view.account}:budget/{name}"
        found.things.append(Thing(BUDGET, arn, what, EVERYWHERE, "name", env, command, removable=sure))
    return found


def may_not_see_budgets(error: AwsFailed) -> bool:
    """Tell whether AWS refused to show budgets, as it does to most until the account's owner opens the billing pages.

    https://docs.aws.amazon.com/awsaccountbilling/latest/aboutv2/control-access-billing.html
    """
    return isinstance(error.__cause__, Exception) and is_denied(error.__cause__)


def _ec2(view: View, one: _Ec2Kind) -> Found:
    found = Found()
    for entry in _entries(view, one):
        by_hand = f"aws ec2 {one.by_hand} {entry[one.id]} --region {view.aws.region}"
        arn = f"arn:{view.partition}:ec2:{view.aws.region}:{view.account}:{one.resource}/{entry[one.id]}"
        _add(view, found, one.kind, arn, f"{one.noun} {entry[one.id]}", plain(entry.get("Tags", [])), by_hand)
    return found


def _entries(view: View, one: _Ec2Kind) -> Iterator[Mapping[str, Any]]:
    """Yield what EC2 lists of a kind with our tag. Raises AwsFailed.

    https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/Using_Filtering.html
    """
    ec2 = view.aws.client("ec2")
    filters = [{"Name": f"tag:{PROJECT_TAG}", "Values": [view.project]}]
    if one.alive is not None:
        filters.append({"Name": one.alive[0], "Values": list(one.alive[1])})
    action = "".join(word.capitalize() for word in one.lister.split("_"))
    with explained(f"look for {one.kind}s in {view.aws.region} (ec2:{action})"):
        if ec2.can_paginate(one.lister):
            pages = list(ec2.get_paginator(one.lister).paginate(Filters=filters, **one.more))
        else:
            pages = [getattr(ec2, one.lister)(Filters=filters, **one.more)]
    for page in pages:
        for entry in page[one.listed]:
            yield from entry["Instances"] if one.kind == INSTANCE else [entry]


def _add(view: View, found: Found, kind: str, arn: str, what: str, tags: Mapping[str, str], by_hand: str) -> None:
    """Add what carries the project's tag. It can be removed if its tags and its name say the same."""
    env = tags.get(ENV_TAG)
    if tags.get(PROJECT_TAG) != view.project or not view.wants(env):
        return
    name = tags.get("Name", "")
    sure = env is not None and environment_problem(env) is None
    sure = sure and name == Names(view.project, str(env), view.account).mlflow_server
    shown = f"{what}, {name}" if name else what
    if not sure:
        shown += ", which is not named as its tags say"
    command = view.sweep(env) if sure else by_hand
    found.things.append(Thing(kind, arn, shown, view.aws.region, "tag", env, command, removable=sure))


def _schedules(view: View) -> Found:
    """Look for the policies by which Data Lifecycle Manager makes snapshots. Raises AwsFailed.

    https://docs.aws.amazon.com/dlm/latest/APIReference/API_GetLifecyclePolicies.html
    """
    found = Found()
    region = view.aws.region
    with explained(f"look for snapshot policies in {region} (dlm:GetLifecyclePolicies)"):
        # This call has one page.
        listed = view.aws.client("dlm").get_lifecycle_policies().get("Policies", [])
    for one in listed:
        name = str(one["PolicyId"])
        arn = f"arn:{view.partition}:dlm:{region}:{view.account}:policy/{name}"
        by_hand = f"aws dlm delete-lifecycle-policy --region {region} --policy-id {name}"
        _add(view, found, SCHEDULE, arn, f"the snapshot policy {name}", one.get("Tags", {}), by_hand)
    return found


def _parameters(view: View) -> Found:
    """Look for what machines left in SSM's store: names alone, no value is asked for. Raises AwsFailed.

    Others too like to name parameters `/<project>/<env>/…`: whatever is not in our own folder there is left alone.
    https://docs.aws.amazon.com/systems-manager/latest/APIReference/API_DescribeParameters.html
    """
    found = Found()
    region = view.aws.region
    ssm = view.aws.client("ssm")
    # Without the slash at its end, which SSM does not take there.
    below = [{"Key": "Path", "Option": "Recursive", "Values": [view.path.rstrip("/")]}]
    with explained(f"look for parameters below {view.path} in {region} (ssm:DescribeParameters)"):
        pages = ssm.get_paginator("describe_parameters").paginate(ParameterFilters=below)
        listed = [str(one["Name"]) for page in pages for one in page["Parameters"]]
    for name in listed:
        env = env_of_parameter(view, name)
        if env is None or not view.wants(env):
            continue
        with explained(f"look at the tags of the parameter {name} (ssm:ListTagsForResource)"):
            try:
                answer = ssm.list_tags_for_resource(ResourceType="Parameter", ResourceId=name)
            except ssm.exceptions.InvalidResourceId:
                continue  # somebody else deletes it at this very moment
        tags = plain(answer.get("TagList", []))
        ours = {PROJECT_TAG: view.project, ENV_TAG: env}
        # The machine tags it in a call of its own, which may not have come through.
        untagged = not tags and name == Names(view.project, env, view.account).mlflow_password_parameter
        if untagged or {key: tags.get(key) for key in ours} == ours:
            arn = f"arn:{view.partition}:ssm:{region}:{view.account}:parameter{name}"
            what = f"the parameter {name}"
            found.things.append(Thing(PARAMETER, arn, what, region, "path", env, view.sweep(env)))
    return found


def env_of_parameter(view: View, name: str) -> str | None:
    """Return the environment in whose machine's folder a parameter lies; None if it lies elsewhere."""
    match = re.fullmatch(rf"/{re.escape(view.project)}/([^/]+)/mlflow/.+", name)
    return match[1] if match and environment_problem(match[1]) is None else None


# --- removing ---


def stop(aws: Aws, thing: Thing) -> None:
    """Stop an instance and wait until it has: nothing writes from it any more. Fine if it is gone. Raises AwsFailed."""
    ec2 = aws.client("ec2")
    with explained(f"stop {thing.what} (ec2:StopInstances)"), _fine_if_gone():
        ec2.stop_instances(InstanceIds=[_id(thing)])
        _wait(ec2, "instance_stopped", thing, _ENDING, InstanceIds=[_id(thing)])


def remove(aws: Aws, thing: Thing) -> None:
    """Take away one of the things that were found here, in `aws`'s region; fine if it is gone. Raises AwsFailed.

    What comes earlier in ORDER has to be gone.
    """
    with explained(f"remove {thing.what}"), _fine_if_gone():
        _REMOVERS[thing.kind](aws, thing)


def delete_profile(aws: Aws, name: str) -> None:
    """Delete an instance profile, its role taken from it first; fine if it is gone already. Raises AwsFailed."""
    iam = aws.client("iam")
    with explained(f"delete the instance profile {name} (iam:DeleteInstanceProfile)"):
        try:
            for role in iam.get_instance_profile(InstanceProfileName=name)["InstanceProfile"]["Roles"]:
                iam.remove_role_from_instance_profile(InstanceProfileName=name, RoleName=role["RoleName"])
            iam.delete_instance_profile(InstanceProfileName=name)
        except iam.exceptions.NoSuchEntityException:
            return


def _remove_instance(aws: Aws, thing: Thing) -> None:
    ec2 = aws.client("ec2")
    ec2.terminate_instances(InstanceIds=[_id(thing)])
    _wait(ec2, "instance_terminated", thing, _ENDING, InstanceIds=[_id(thing)])


def _remove_address(aws: Aws, thing: Thing) -> None:
    ec2 = aws.client("ec2")
    [address] = ec2.describe_addresses(AllocationIds=[_id(thing)])["Addresses"]
    if "AssociationId" in address:
        ec2.disassociate_address(AssociationId=address["AssociationId"])
    ec2.release_address(AllocationId=_id(thing))


def _remove_volume(aws: Aws, thing: Thing) -> None:
    ec2 = aws.client("ec2")
    # A machine that has just ended may hold it for some seconds more.
    _wait(ec2, "volume_available", thing, _FREEING, VolumeIds=[_id(thing)])
    ec2.delete_volume(VolumeId=_id(thing))


def _remove_budget(aws: Aws, thing: Thing) -> None:
    account = thing.arn.split(":")[4]
    aws.client("budgets").delete_budget(AccountId=account, BudgetName=_id(thing))


_REMOVERS: dict[str, Callable[[Aws, Thing], Any]] = {
    INSTANCE: _remove_instance,
    SCHEDULE: lambda aws, one: aws.client("dlm").delete_lifecycle_policy(PolicyId=_id(one)),
    ADDRESS: _remove_address,
    INTERFACE: lambda aws, one: aws.client("ec2").delete_network_interface(NetworkInterfaceId=_id(one)),
    GROUP: lambda aws, one: aws.client("ec2").delete_security_group(GroupId=_id(one)),
    VOLUME: _remove_volume,
    SNAPSHOT: lambda aws, one: aws.client("ec2").delete_snapshot(SnapshotId=_id(one)),
    PARAMETER: lambda aws, one: aws.client("ssm").delete_parameter(Name=one.arn.partition(":parameter")[2]),
    BUDGET: _remove_budget,
}


def _id(thing: Thing) -> str:
    return thing.arn.rpartition("/")[2]


@contextmanager
def _fine_if_gone() -> Iterator[None]:
    """Pass over what AWS answers about a thing that is not there any more."""
    from botocore.exceptions import ClientError

    try:
        yield
    except ClientError as error:
        if not _is_gone(error_code(error)):
            raise


def _wait(ec2: Any, state: str, thing: Thing, how_long: Mapping[str, int], **ids: list[str]) -> None:
    """Wait until a thing is in a state, or is gone. Raises AwsFailed if that takes too long."""
    from botocore.exceptions import WaiterError

    try:
        ec2.get_waiter(state).wait(**ids, WaiterConfig=dict(how_long))
    except WaiterError as error:
        answer = error.last_response
        if not (isinstance(answer, dict) and _is_gone(str(answer.get("Error", {}).get("Code", "")))):
            raise AwsFailed(
                f"Waited in vain for {thing.what} to be {state.rpartition('_')[2]}: {redact(str(error))}",
                hint="Try the same command again; it goes on where it stopped.",
            ) from error


def _is_gone(code: str) -> bool:
    return code.endswith(".NotFound") or code in _GONE
