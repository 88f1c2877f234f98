"""`unlock`: takes a lock on a Terraform state away from a run that has died."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from bootstrap.adapters.aws import buckets
from bootstrap.adapters.aws.buckets import StateLock
from bootstrap.errors import Declined
from bootstrap.workflows import provision
from bootstrap.workflows.history import chronicled, find_place
from bootstrap.workflows.project import Project
from bootstrap.workflows.story import Story


@dataclass(frozen=True)
class HeldLock:
    """A lock and the root whose state it is on."""

    root: str
    lock: StateLock


def unlock(
    project: Project, env: str, profile: str | None, story: Story, confirm: Callable[[list[HeldLock]], bool]
) -> list[HeldLock]:
    """Show who holds the environment's states and, after a yes, remove the locks. Returns those removed.

    Raises Declined on a no, BootstrapError if the environment cannot be reached.
    """
    place = find_place(project, env, profile, story)
    if place is None:
        story.say("The emulator is not running; its locks went with it.")
        return []
    names = place.names
    if not buckets.exists(place.aws, names.state_bucket, names.account):
        return []
    held = [
        HeldLock(root, lock)
        for root in provision.ROOTS
        if (lock := buckets.read_lock(place.aws, names.state_bucket, names.state_key(root))) is not None
    ]
    if not held:
        return []
    if not confirm(held):
        raise Declined("The locks were left alone.")
    with chronicled("unlock", story) as chronicle:
        chronicle.reached(place)
        chronicle.acts(
            roots=[one.root for one in held], held_by=[f"{one.lock.who} since {one.lock.created}" for one in held]
        )
        for one in held:
            buckets.remove_lock(place.aws, names.state_bucket, one.lock)
    return held
