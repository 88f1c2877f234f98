"""The buckets that `down --keep-data` left: what this machine knows of them from its receipts, without asking AWS."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass

from bootstrap.adapters import receipt_store
from bootstrap.adapters.aws import buckets, inventory
from bootstrap.adapters.aws.session import Aws
from bootstrap.core.inventory import Thing
from bootstrap.core.prices import Estimate
from bootstrap.core.receipt import Receipt
from bootstrap.core.record import Target
from bootstrap.errors import BootstrapError
from bootstrap.workflows import local, receipts
from bootstrap.workflows.project import Project
from bootstrap.workflows.receipts import Past
from bootstrap.workflows.story import Story


@dataclass(frozen=True)
class KeptBucket:
    """A bucket that stayed because the user wished it, as the receipt of its teardown knows it.

    `since` is when that teardown ended (UTC, ISO 8601). `objects`, `versions` and `bytes` are what was in it then, None
    if nobody could count it; `cost` is that of a month. `receipt` is an id. `command` removes bucket and files.
    """

    env: str
    bucket: str
    target: Target
    account_id: str
    region: str
    since: str
    objects: int | None
    versions: int | None
    bytes: int | None
    cost: Estimate
    receipt: str
    command: str


def kept_buckets(project: Project, story: Story) -> list[KeptBucket]:
    """Return the project's kept buckets, by environment.

    The last receipt of an environment in an account counts, if it is proven to be whole. A later `up` from this folder
    takes the bucket over, so what is on record here is not among them. What the emulator kept is there as long as the
    emulator holds it. Receipts that cannot be checked are told of, and nothing is known then.
    """
    try:
        past = receipts.past(project.spec.project)
    except BootstrapError as error:
        story.note(f"What `down --keep-data` left is not known: {error.message}")
        return []
    found = [
        _bucket(one.receipt, thing)
        for one in _last_ones(past)
        if one.receipt is not None and not receipt_store.is_over(one.stored) and not _is_up_again(project, one.receipt)
        for thing in one.receipt.kept
        if thing.kind == inventory.BUCKET
    ]
    return sorted((one for one in found if _may_be_there(project, one)), key=lambda one: (one.env, one.target))


def forget_gone(project: Project, aws: Aws, account: str) -> None:
    """Look for the kept buckets in an AWS account, and remember of those that are not there that they are gone.

    Whoever swept one away need not hear of it again. Where nobody can look, or write, all stays as it is.
    """
    with suppress(BootstrapError):
        for one in _last_ones(receipts.past(project.spec.project)):
            if one.receipt is None or (one.receipt.target, one.receipt.account_id) != ("aws", account):
                continue
            names = [_name(thing) for thing in one.receipt.kept if thing.kind == inventory.BUCKET]
            if names and not any(buckets.exists(aws, name, account) for name in names):
                receipt_store.mark_over(one.stored)


def _last_ones(past: list[Past]) -> list[Past]:
    """Return the newest proven receipt of each environment in each account; `past` has the newest first."""
    last: dict[tuple[str | None, Target, str], Past] = {}
    for one in past:
        if one.receipt is not None and one.verdict.is_proven:
            last.setdefault((one.receipt.env, one.receipt.target, one.receipt.account_id), one)
    return list(last.values())


def _is_up_again(project: Project, receipt: Receipt) -> bool:
    record = project.record(receipt.env) if receipt.env else None
    return record is not None and (record.target, record.account_id) == (receipt.target, receipt.account_id)


def _may_be_there(project: Project, one: KeptBucket) -> bool:
    if one.target == "aws":
        return True
    emulator = local.running_emulator(project)
    if emulator is None:
        return False
    with suppress(BootstrapError):
        return buckets.exists(emulator.aws(one.region), one.bucket, one.account_id)
    return True


def _bucket(receipt: Receipt, thing: Thing) -> KeptBucket:
    env = receipt.env or thing.env or ""
    local_option = " --local" if receipt.target == "local" else ""
    return KeptBucket(
        env=env,
        bucket=_name(thing),
        target=receipt.target,
        account_id=receipt.account_id,
        region=receipt.region,
        since=receipt.ended,
        objects=receipt.objects,
        versions=receipt.versions,
        bytes=receipt.bytes,
        cost=receipt.cost_now,
        receipt=receipt.id,
        command=f"bootstrap sweep --env {env}{local_option} --delete",
    )


def _name(thing: Thing) -> str:
    """Return a bucket's name: the end of its ARN, whatever the partition."""
    return thing.arn.rpartition(":::")[2]
