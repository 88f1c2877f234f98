"""Who is in an environment, as the environment itself remembers it: one JSON object beside its Terraform states.

Everybody who administers the environment sees the same one, from whichever laptop. No secret is in it, and of a
person no more than what access needs: not the mail address, not the name on GitHub.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import date
from typing import Any, Literal

from bootstrap.core.last_day import is_past

Role = Literal["student", "instructor"]
Sealed = Literal["code", "ssh", "passphrase"]
ROLES: tuple[Role, ...] = ("student", "instructor")
FORMAT = 1


@dataclass(frozen=True)
class Handover:
    """What a person was given: the id of the key in the invite, when it was made (ISO 8601, UTC), how it was sealed.

    `retiring` holds the ids of keys that this one replaces and that still have to be deleted.
    """

    key_id: str
    made: str
    sealed: Sealed
    retiring: tuple[str, ...] = ()


@dataclass(frozen=True)
class Member:
    """A person in an environment. `expires` is the last day of access, None for the environment's own."""

    name: str
    role: Role = "student"
    team: str = ""
    expires: date | None = None
    handover: Handover | None = field(default=None, compare=False)

    @property
    def team_name(self) -> str:
        """The team whose DVC remote and experiments this person shares; by default one of their own."""
        return self.team or self.name


@dataclass(frozen=True)
class Membership:
    """All members of an environment by name, `ci` not among them: that one is always there."""

    members: Mapping[str, Member] = field(default_factory=dict)

    def with_members(self, changed: Iterable[Member]) -> Membership:
        """Return it with members added or replaced; what they were handed stays known."""
        found = dict(self.members)
        for one in changed:
            before = found.get(one.name)
            kept = one.handover or (before.handover if before else None)
            found[one.name] = replace(one, handover=kept)
        return Membership(found)

    def without(self, names: Iterable[str]) -> Membership:
        """Return it without some members."""
        gone = set(names)
        return Membership({name: one for name, one in self.members.items() if name not in gone})

    def handed(self, name: str, handover: Handover) -> Membership:
        """Return it with what a member was given; unchanged if there is no such member."""
        if name not in self.members:
            return self
        return Membership({**self.members, name: replace(self.members[name], handover=handover)})

    @property
    def teams(self) -> tuple[str, ...]:
        """The teams of all members, sorted."""
        return tuple(sorted({one.team_name for one in self.members.values()}))

    def to_json(self) -> str:
        """Return it as the text of its object."""
        listed = [_plain(one) for _, one in sorted(self.members.items())]
        return json.dumps({"format": FORMAT, "members": listed}, indent=1) + "\n"


def parse_membership(text: str) -> Membership | None:
    """Read the object; None if it is damaged or of a version we do not know."""
    try:
        content: Any = json.loads(text)
        if content["format"] != FORMAT:
            return None
        listed = [_member(entry) for entry in content["members"]]
    except (ValueError, TypeError, KeyError):
        return None
    return Membership({one.name: one for one in listed})


def from_tags(tags: Iterable[Mapping[str, str]]) -> Membership:
    """Work the membership out from the tags of IAM users: the way back when the object is lost."""
    found = []
    for one in tags:
        name, role = one.get("bootstrap:member"), one.get("bootstrap:role")
        for known in ROLES:
            if name and role == known:
                team = one.get("bootstrap:team", "")
                found.append(Member(name, known, "" if team == name else team, _day(one.get("bootstrap:expires"))))
    return Membership({one.name: one for one in found})


@dataclass(frozen=True)
class Difference:
    """What would make an environment's members equal to what is wanted.

    `waiting` are members who were never handed a key, as after a crash; `extra` are members nobody asked for, who
    stay unless that was asked for too.
    """

    added: tuple[Member, ...] = ()
    changed: tuple[tuple[Member, Member], ...] = ()
    removed: tuple[str, ...] = ()
    waiting: tuple[str, ...] = ()
    extra: tuple[str, ...] = ()

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to do."""
        return not (self.added or self.changed or self.removed or self.waiting)

    def summary(self) -> str:
        """Return it in a few signs, such as `+3 -1 ~2 (1 role, 1 team)`."""
        parts = [f"{sign}{len(what)}" for sign, what in (("+", self.added), ("-", self.removed)) if what]
        if self.changed:
            counts = {
                what: sum(what in changes(*pair) for pair in self.changed) for what in ("role", "team", "expires")
            }
            detail = ", ".join(f"{count} {what}" for what, count in counts.items() if count)
            parts.append(f"~{len(self.changed)} ({detail})")
        if self.waiting:
            parts.append(f"{len(self.waiting)} without an invite yet")
        return " ".join(parts) or "no difference"


def changes(before: Member, after: Member) -> dict[str, tuple[str, str]]:
    """Return what differs between two states of a member: what → (before, after), in words."""
    pairs = {
        "role": (before.role, after.role),
        "team": (before.team_name, after.team_name),
        "expires": (_word(before.expires), _word(after.expires)),
    }
    return {what: pair for what, pair in pairs.items() if pair[0] != pair[1]}


def compare(now: Membership, wanted: Iterable[Member], *, prune: bool, only: bool = False) -> Difference:
    """Compare an environment with who is wanted in it.

    `only`: `wanted` speaks of a few people, and says nothing of all others. `prune`: whoever is not wanted goes.
    """
    listed = {one.name: one for one in wanted}
    others = () if only else tuple(sorted(set(now.members) - set(listed)))
    return Difference(
        added=tuple(one for name, one in listed.items() if name not in now.members),
        changed=tuple(
            (now.members[name], one)
            for name, one in listed.items()
            if name in now.members and changes(now.members[name], one)
        ),
        removed=others if prune else (),
        waiting=tuple(name for name in listed if name in now.members and now.members[name].handover is None),
        extra=() if prune else others,
    )


def past_days(
    difference: Difference, wanted: Iterable[Member], today: date, otherwise: date | None = None
) -> list[str]:
    """Return who gets an invite or is changed, and has a last day before `today` (UTC, as all last days).

    `wanted` is what the difference was made with; `otherwise` is the last day of whoever has none of their own.
    People who are in and stay as they are, are no news.
    """
    served = [*difference.added, *(after for _, after in difference.changed)]
    touched = {one.name for one in served}.union(difference.waiting)
    days = {one.name: one.expires or otherwise for one in wanted if one.name in touched}
    return [name for name, day in days.items() if is_past(day, today)]


def _plain(one: Member) -> dict[str, Any]:
    values = asdict(one)
    values["expires"] = one.expires.isoformat() if one.expires else None
    return values


def _member(entry: Any) -> Member:
    handover = entry["handover"]
    if handover is not None:
        handover = Handover(**{**handover, "retiring": tuple(handover["retiring"])})
    if entry["role"] not in ROLES:
        raise ValueError(entry["role"])
    return Member(str(entry["name"]), entry["role"], str(entry["team"]), _day(entry["expires"]), handover)


def _day(text: str | None) -> date | None:
    return date.fromisoformat(text) if text else None


def _word(day: date | None) -> str:
    return day.isoformat() if day else "with the environment"
