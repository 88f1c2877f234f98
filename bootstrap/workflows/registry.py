"""Where the membership of an environment is kept: beside its states, so that every laptop sees the same one.

What a long run hands over goes into a journal in this folder first, one line each. So a run that is killed at person
137 of 300 is taken up there by the next one, and the object in S3 is not written 300 times.
"""

from __future__ import annotations

import json
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from bootstrap.adapters.aws import objects, people
from bootstrap.adapters.aws.objects import Text
from bootstrap.adapters.files import append_line, read_text
from bootstrap.core.membership import Handover, Membership, from_tags, parse_membership
from bootstrap.errors import BootstrapError
from bootstrap.workflows.project import Project
from bootstrap.workflows.story import Story
from bootstrap.workflows.target import Place

_LOOKUPS = 8


@dataclass
class Registry:
    """The membership of one environment, read and to be written. `stored` is the object as it is in S3."""

    place: Place
    journal: Path
    membership: Membership
    stored: Text | None
    _writing: threading.Lock = field(default_factory=threading.Lock, repr=False)

    @property
    def key(self) -> str:
        """Where the object lies in the state bucket."""
        return f"{self.place.names.env}/members.json"

    def save(self, membership: Membership) -> None:
        """Write the membership, if it is another one. Raises AwsFailed if somebody else has written it meanwhile."""
        self.membership = membership
        text = membership.to_json()
        if self.stored is None or self.stored.text != text:
            names = self.place.names
            self.stored = objects.write_text(self.place.aws, names.state_bucket, self.key, text, self.stored)
        self.journal.unlink(missing_ok=True)

    def note(self, member: str, handover: Handover) -> None:
        """Remember, before anything else happens, what a member was just handed. May be called from several threads."""
        with self._writing:
            append_line(self.journal, json.dumps({"member": member, **asdict(handover)}))
            self.membership = self.membership.handed(member, handover)


def open_registry(project: Project, place: Place, story: Story) -> Registry:
    """Read who is in the environment, with what an interrupted run of this folder had handed over.

    If the object is lost it is worked out from the users that are there. Raises BootstrapError if it is damaged.
    """
    names = place.names
    registry = Registry(place, project.env_folder(names.env) / "handover.jsonl", Membership(), None)
    registry.stored = objects.read_text(place.aws, names.state_bucket, registry.key)
    if registry.stored is None:
        registry.membership = _recovered(place, story)
    else:
        found = parse_membership(registry.stored.text)
        if found is None:
            raise BootstrapError(
                f"s3://{names.state_bucket}/{registry.key} is damaged or was written by a newer version.",
                hint="Update this tool. If it is damaged, bring back an older version of that object, or delete it: "
                "the members are then worked out from their IAM users.",
            )
        registry.membership = found
    for member, handover in _read(registry.journal):
        registry.membership = registry.membership.handed(member, handover)
    return registry


def _read(journal: Path) -> list[tuple[str, Handover]]:
    found = []
    for line in (read_text(journal) or "").splitlines():
        try:
            entry = json.loads(line)
            found.append((str(entry.pop("member")), Handover(**{**entry, "retiring": tuple(entry["retiring"])})))
        except (ValueError, TypeError, KeyError):
            continue  # the last line of a run that was killed while it wrote
    return found


def _recovered(place: Place, story: Story) -> Membership:
    aws, path = place.aws, place.names.iam_path
    users = people.users_on_path(aws, path)
    with ThreadPoolExecutor(_LOOKUPS) as pool:
        tags = dict(zip(users, pool.map(lambda user: people.tags_of(aws, user), users), strict=True))
        found = from_tags(tags.values())
        if not found.members:
            return found
        story.note(f"The list of members was lost; {len(found.members)} were found again by their IAM users.")
        keys = dict(pool.map(lambda name: (name, people.key_ids(aws, place.names.iam_user(name))), found.members))
    # Somebody works with these keys, or has an invite with one: they are not minted anew.
    handed = [
        replace(one, handover=Handover(keys[name][-1].id, keys[name][-1].created.isoformat(), "code"))
        for name, one in found.members.items()
        if keys[name]
    ]
    return found.with_members(handed)
