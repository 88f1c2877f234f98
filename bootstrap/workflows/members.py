"""`members`: who is in an environment, with which key, and whether they have begun to use it."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from datetime import datetime, timezone
from typing import Any, Literal

from bootstrap.adapters.aws import people
from bootstrap.adapters.aws.people import KeyInfo
from bootstrap.core.counts import counted
from bootstrap.core.membership import Member
from bootstrap.core.names import CI_MEMBER
from bootstrap.core.record import Record
from bootstrap.errors import BootstrapError
from bootstrap.workflows.counter import mlflow_admin, reach_people
from bootstrap.workflows.handover import last_day
from bootstrap.workflows.project import Project
from bootstrap.workflows.registry import open_registry
from bootstrap.workflows.story import Story
from bootstrap.workflows.target import Place

_LOOKUPS = 8

Invited = Literal["not yet", "waiting", "in use", "no key"]


@dataclass(frozen=True)
class MemberStatus:
    """One member. `key_age_days` and `last_used` (ISO 8601) are None without a key, or if it was never used.

    `invite`: not yet (an `onboard` did not end), waiting (made, its key was never used), in use, no key (it was
    deleted by hand). `mlflow` is None where no server can be asked.
    """

    name: str
    role: str
    team: str | None
    invite: Invited | None
    key_age_days: int | None
    last_used: str | None
    mlflow: bool | None
    expires: str | None

    def as_dict(self) -> dict[str, Any]:
        """Return it for `--json`."""
        return asdict(self)


def members(project: Project, env: str, profile: str | None, story: Story) -> list[MemberStatus]:
    """Return every member of an environment, `ci` first. Changes nothing."""
    record = project.require_record(env)
    project = project.as_recorded(record)
    place = reach_people(project, record, profile, story)
    membership = open_registry(project, place, story).membership
    accounts = _accounts(project, place, record, story)
    now = datetime.now(timezone.utc)

    def look(name: str) -> MemberStatus:
        member = membership.members.get(name)
        keys = people.keys_of(place.aws, place.names.iam_user(name))
        handed = member.handover.key_id if member and member.handover else None
        key = next((one for one in reversed(keys) if handed in (None, one.id)), None)
        ends = last_day(project, env, member or Member(name))
        return MemberStatus(
            name=name,
            role=member.role if member else CI_MEMBER,
            team=member.team_name if member else None,
            invite=_invited(member, key) if member else None,
            key_age_days=(now - key.created).days if key else None,
            last_used=key.last_used.isoformat() if key and key.last_used else None,
            mlflow=name in accounts if accounts is not None else None,
            expires=ends.isoformat() if ends else None,
        )

    names = [CI_MEMBER, *sorted(membership.members)]
    return _each(look, names, story)


def _accounts(project: Project, place: Place, record: Record, story: Story) -> set[str] | None:
    """Return who has an account at MLflow; None without a server, or if it cannot be asked: the rest is told anyway."""
    try:
        api = mlflow_admin(project, place, record)
        return api.usernames() if api is not None else None
    except BootstrapError as error:
        story.note(f"MLflow could not be asked: {error.message}")
        return None


def _each(look: Callable[[str], MemberStatus], names: list[str], story: Story) -> list[MemberStatus]:
    with story.step(f"Looking at {counted(len(names), 'member')}") as step, ThreadPoolExecutor(_LOOKUPS) as pool:
        found = []
        for one in pool.map(look, names):
            found.append(one)
            step.detail(f"{len(found)} of {len(names)}")
    return found


def _invited(member: Member, key: KeyInfo | None) -> Invited:
    if member.handover is None:
        return "not yet"
    if key is None:
        return "no key"
    # `rotate` itself tries a key before it is sealed; from then on only its owner can. `made` is in whole seconds.
    made = datetime.fromisoformat(member.handover.made)
    used = key.last_used is not None and key.last_used.replace(microsecond=0) > made
    return "in use" if used else "waiting"
