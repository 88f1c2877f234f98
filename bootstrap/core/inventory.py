"""What a look through the account found of ours, where it looked, and where it could not."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

# How we know that a thing is ours: it carries our tags, lies on our IAM path, has a name that only we give, or is a
# process with our mark in its environment.
Mark = Literal["tag", "path", "name", "mark"]

# Of IAM, and of lists of buckets: they have no region.
EVERYWHERE = "global"


@dataclass(frozen=True)
class Thing:
    """One thing of ours. `what` names it in words; `env` is None for what belongs to the whole project.

    `kind` is `bucket`, `state`, `user`, `MFA device`, `role`, `instance profile` or `identity provider`; of an MLflow
    machine `EC2 instance`, `EBS volume`, `EBS snapshot`, `snapshot policy`, `Elastic IP`, `network interface`,
    `security group` or `parameter`; `budget`; on a laptop `MLflow server` or `emulator`; or for what this version
    cannot remove AWS's own name of it (`sqs`): those have `removable` False. `arn` is a path below the project's
    folder for what is on a laptop, or `process` and its number; `region` is `this laptop` there. `command` is what a
    person types to be rid of it.
    """

    kind: str
    arn: str
    what: str
    region: str
    mark: Mark
    env: str | None
    command: str
    removable: bool = True


@dataclass(frozen=True)
class Place:
    """One kind of thing in one region, as it was looked for."""

    kind: str
    region: str


@dataclass(frozen=True)
class Blind:
    """A place that could not be looked at, and why: never to be taken for an empty one."""

    place: Place
    reason: str


@dataclass(frozen=True)
class Scan:
    """The result of one look through an account."""

    things: tuple[Thing, ...]
    looked: tuple[Place, ...]
    blind: tuple[Blind, ...]
