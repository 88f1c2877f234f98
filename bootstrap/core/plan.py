"""What a command is about to do, as one value: it is shown to the user, and that same value is carried out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from bootstrap.core.counts import counted
from bootstrap.core.names import CI_MEMBER
from bootstrap.core.prices import Estimate
from bootstrap.core.stream import Action, Change

Place = Literal["aws", "mlflow", "github", "laptop"]

# Terraform's resource types in a student's words; `{name}` is the resource's own name where it helps.
_IN_WORDS = {
    "aws_s3_bucket": "the S3 bucket {bucket}: data lake, DVC remote, artifacts",
    "aws_s3_bucket_versioning": "versioning of the bucket: older versions of every file are kept",
    "aws_s3_bucket_server_side_encryption_configuration": "encryption of everything in the bucket",
    "aws_s3_bucket_public_access_block": "a lock against making the bucket public",
    "aws_s3_bucket_ownership_controls": "the rule that the account owns every file in the bucket",
    "aws_s3_bucket_policy": "the rule that only encrypted connections reach the bucket",
    "aws_s3_bucket_lifecycle_configuration": "clean-up of unfinished uploads and of old versions",
    "aws_s3_object": "the folder {key} in the bucket",
    "aws_iam_user": "the IAM user {key}, on a path of this environment's own",
    "aws_iam_user_policy": "what {key} may do: one policy, least privilege",
    "aws_iam_openid_connect_provider": "the account's trust in the tokens that GitHub signs for its workflows",
    "aws_iam_role": "the role that the repository's workflows take on, without a stored key",
    "aws_iam_role_policy": "what the workflows may do: one policy, least privilege, the same as ci",
    "aws_instance": "the machine that MLflow runs on",
    "aws_ec2_instance_state": "that it runs, also after somebody has stopped it",
    "aws_ebs_volume": "the volume with MLflow's runs and accounts, which outlives its machine",
    "aws_volume_attachment": "that volume, attached to the machine",
    "aws_eip": "MLflow's public address, which stays when the machine is replaced",
    "aws_eip_association": "that address, given to the machine",
    "aws_security_group": "the machine's firewall",
    "aws_vpc_security_group_ingress_rule": "who may come in: port {key}",
    "aws_vpc_security_group_egress_rule": "where the machine may go: port {key}",
    "aws_iam_instance_profile": "the way by which the machine takes its role on",
    "aws_iam_role_policy_attachment": "what it takes to make and delete snapshots: a policy of AWS's own",
    "aws_dlm_lifecycle_policy": "a snapshot of that volume every day, each kept for 7 days",
    "terraform_data": "a note of which kind of processor the machine has",
    "aws_budgets_budget": "the monthly budget: AWS writes to the owner as its limit comes near",
}

# Where a type means something else in one module.
_OF_MODULE = {
    ("mlflow_ec2", "aws_iam_role"): "the role of MLflow's machine, or of its daily snapshots",
    ("mlflow_ec2", "aws_iam_role_policy"): "what the machine may do: its artifacts and its own parameters",
}


@dataclass(frozen=True)
class Step:
    """One thing that will change. `what` is for a person, `address` is Terraform's name for it, if it has one."""

    action: Action
    place: Place
    what: str
    address: str | None = None

    def as_dict(self) -> dict[str, str | None]:
        """Return it for `--json`."""
        return {"action": self.action, "place": self.place, "what": self.what, "address": self.address}


@dataclass(frozen=True)
class Plan:
    """All steps of a command, in the order they are shown.

    `cost` is what the environment will cost in a month, None for a command that it is no question of.
    """

    steps: tuple[Step, ...]
    cost: Estimate | None = None

    @property
    def is_empty(self) -> bool:
        """Whether nothing will change."""
        return not self.steps

    def summary(self) -> str:
        """Return one line such as `9 to create, 1 to change, 0 to delete`."""
        counts = {
            "to create": self._count("create", "import"),
            "to change": self._count("update", "replace"),
            "to delete": self._count("delete", "forget"),
        }
        return ", ".join(f"{count} {what}" for what, count in counts.items())

    def _count(self, *actions: str) -> int:
        return sum(step.action in actions for step in self.steps)


def steps_from_terraform(changes: Iterable[Change], names: Mapping[str, str]) -> list[Step]:
    """Turn Terraform's changes into words, what others stand on first. `names` fills `{bucket}`."""
    known = {kind: position for position, kind in enumerate(_IN_WORDS)}
    ordered = sorted(changes, key=lambda change: (known.get(change.kind, len(known)), change.address))
    return [Step(change.action, "aws", in_words(change, names), change.address) for change in ordered]


_FEW_PEOPLE = 5


def without_crowds(steps: Iterable[Step]) -> list[Step]:
    """Return steps with those of many people as one line: nobody reads six hundred before they say yes."""
    found = list(steps)
    users = [step for step in found if step.address and step.address.endswith(".aws_iam_user.this")]
    names = [_key(step.address or "") for step in users]
    people = [name for name in names if name != CI_MEMBER]
    if len(people) <= _FEW_PEOPLE:
        return found
    crowd = tuple(f'module.member["{name}"].' for name in people)
    rest = [step for step in found if not (step.address and step.address.startswith(crowd))]
    some = ", ".join(sorted(people)[:_FEW_PEOPLE])
    crowded = f"{counted(len(people), 'IAM user')} ({some} …), their keys and what they may do"
    return [Step(users[0].action, "aws", crowded), *rest]


def in_words(change: Change, names: Mapping[str, str]) -> str:
    """Say in a student's words what a resource is."""
    module = change.address.removeprefix("module.").partition(".")[0].partition("[")[0]
    phrase = _OF_MODULE.get((module, change.kind)) or _IN_WORDS.get(change.kind, "{address}")
    bucket = names.get("bucket", "of this environment")
    what = phrase.format(bucket=bucket, key=_key(change.address), address=change.address)
    return f"{what} (is there already: taken over)" if change.action == "import" else what


def member_of(change: Change) -> str:
    """Return the member whom a resource of the root `members` belongs to."""
    return _key(change.address)


def _key(address: str) -> str:
    """Return the last `["key"]` of an address, which says which one of several it is."""
    before, _, after = address.rpartition('["')
    return after.partition('"')[0] if before else "of this environment"
