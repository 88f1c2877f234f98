"""`rotate`: a new key for a person, who is never without one that works.

Create, verify, hand over, disable the old one, delete it: in this order, and each step is remembered before the next,
so that the same command goes on after a crash.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import datetime, timedelta, timezone
from functools import partial

from bootstrap.adapters.aws import people
from bootstrap.adapters.aws.people import KeyInfo
from bootstrap.adapters.aws.session import KeyPair
from bootstrap.core.counts import counted
from bootstrap.core.membership import Member
from bootstrap.core.names import CI_MEMBER
from bootstrap.errors import BootstrapError, Declined, GitHubFailed, Unfinished
from bootstrap.workflows import github, handover
from bootstrap.workflows import laptop as laptops
from bootstrap.workflows.counter import Counter, open_counter
from bootstrap.workflows.handover import CodesFile, Desk, Made, SealFor, Tell
from bootstrap.workflows.project import Project
from bootstrap.workflows.story import Story

_SIDE_BY_SIDE = 8
_COMMAND = "rotate"


@dataclass(frozen=True)
class Request:
    """Whose keys: those of `names`, else everybody's; of these, where `older_than` is given, those that are older."""

    env: str
    seal_for: SealFor
    names: tuple[str, ...] = ()
    older_than: timedelta | None = None
    profile: str | None = None
    codes: CodesFile | None = None


@dataclass(frozen=True)
class Due:
    """A person whose key is to be replaced. `age` is that of the key they have, None if they have none.

    `retiring` is that key's id, or nothing.
    """

    name: str
    age: timedelta | None
    retiring: tuple[str, ...]


Confirm = Callable[[Sequence[Due]], bool]


def rotate(
    project: Project,
    request: Request,
    story: Story,
    confirm: Confirm,
    tell: Tell,
    written: Callable[[Sequence[str]], None] = lambda _: None,
) -> list[Due]:
    """Replace keys; returns whose. `written` gets the people whose new invites are written, all of them at once.

    Raises Declined on a no, BootstrapError if a name is nobody's, Unfinished if GitHub did not take the key of `ci`.
    """
    if request.codes is not None:
        request.codes.check()
    with open_counter(project, request.env, request.profile, _COMMAND, story) as counter:
        membership = counter.registry.membership
        known = {CI_MEMBER: None, **membership.members}
        handover.require_names(known, request.names, counter.place.names)
        chosen = request.names or tuple(known)
        if not request.names and laptops.read_key(laptops.look_around(counter.project), counter.record) is None:
            story.note("`ci` is left out: its key is in the profile of another machine. Rotate it there.")
            chosen = tuple(membership.members)
        chosen = tuple(dict.fromkeys(chosen))
        looking = f"Looking at the keys of {counted(len(chosen), 'member')}"
        with story.step(looking), ThreadPoolExecutor(_SIDE_BY_SIDE) as pool:
            looked = list(pool.map(partial(_look, counter), chosen))
        since = counter.run.interrupted_since if counter.run.interrupted == _COMMAND else None
        due = [
            one
            for one in looked
            if (request.older_than is None or one.age is None or one.age > request.older_than)
            and not _done_already(membership.members.get(one.name), since)
        ]
        unfinished = [one.name for one in membership.members.values() if one.handover and one.handover.retiring]
        if not due and not unfinished:
            return []
        if due:
            logins = handover.github_logins(counter.project)
            seal = request.seal_for({one.name: logins.get(one.name, "") for one in due if one.name != CI_MEMBER})
            if not confirm(due):
                raise Declined("Nothing was changed.")
        counter.chronicle.acts(people=[one.name for one in due], old_keys_ended=unfinished)
        for name in unfinished:
            _retire(counter, name)
        if not due:
            return []
        renewed = [membership.members[one.name] for one in due if one.name != CI_MEMBER]
        if renewed:
            _renew_all(counter, handover.desk_of(counter, seal, tell, renewed), due)
            written([one.name for one in renewed])
        # Last: GitHub may refuse its key, and people's invites are done by then.
        for one in due:
            if one.name == CI_MEMBER:
                with story.step("Making a new key for ci"):
                    _renew_ci(counter, one)
        return due


def _renew_all(counter: Counter, desk: Desk, due: Sequence[Due]) -> None:
    """Give all of these people new keys, `ci` left out."""
    people_due = [one for one in due if one.name != CI_MEMBER]
    with counter.story.step(f"Making new keys for {counted(len(people_due), 'member')}") as step:
        begun = [counter.side.start(partial(_renew, counter, desk, one.name, one.retiring)) for one in people_due]
        for count, future in enumerate(begun, start=1):
            made = counter.side.result(future)
            desk.hand_over([made])
            _retire(counter, made.member.name)
            step.detail(f"{count} of {len(people_due)}")
    counter.registry.save(counter.registry.membership)


def _look(counter: Counter, name: str) -> Due:
    """Find out which keys a person has. Raises BootstrapError if one of them is not ours to delete."""
    place, record = counter.place, counter.record
    user = place.names.iam_user(name)
    keys = people.key_ids(place.aws, user)
    if name == CI_MEMBER:
        pair = laptops.read_key(laptops.look_around(counter.project), record)
        if pair is None:
            raise BootstrapError(
                f"The key of `ci` is not in the profile {record.aws_profile} of this machine, so a new one could not "
                "be put in its place where it is used.",
                hint="Run this where the environment was brought up, or name the people whose keys you mean.",
            )
        claimed: set[str] = {pair.id}
        retiring: tuple[str, ...] = ()
    else:
        handed = counter.registry.membership.members[name].handover
        claimed, retiring = ({handed.key_id}, handed.retiring) if handed else (set(), ())
    mine = [key for key in keys if key.id in claimed]
    if name == CI_MEMBER and mine and len(keys) > 1 and _is_on_github(counter):
        _refuse_if_github_waits(counter, {key.id for key in keys} - {mine[-1].id})
    for key in keys:
        if key.id not in claimed.union(retiring):
            _delete_if_never_used(counter, user, key)
    age = datetime.now(timezone.utc) - mine[-1].created if mine else None
    return Due(name, age, tuple(key.id for key in mine))


def _delete_if_never_used(counter: Counter, user: str, key: KeyInfo) -> None:
    """Make room for the new key: one that a crash left behind was never used by anybody."""
    aws = counter.place.aws
    if any(one.id == key.id and one.last_used is not None for one in people.keys_of(aws, user)):
        raise BootstrapError(
            f"{user} has an access key that this tool did not make and somebody uses ({key.id[:4]}…{key.id[-4:]}).",
            hint=f"Find out who made it; then: aws iam delete-access-key --user-name {user} --access-key-id …",
        )
    people.delete_key(aws, user, key.id)


def _done_already(member: Member | None, since: datetime | None) -> bool:
    """Tell whether the run that was interrupted had come past this person."""
    if member is None or member.handover is None or since is None:
        return False
    return datetime.fromisoformat(member.handover.made) >= since


def _renew(counter: Counter, desk: Desk, name: str, old: tuple[str, ...]) -> Made:
    member = counter.registry.membership.members[name]
    user = counter.place.names.iam_user(name)
    key = people.mint_key(counter.place.aws, user)
    if member.handover is not None:
        # Until it is handed over, the new one is the one to delete, should this run be killed.
        counter.registry.note(name, replace(member.handover, retiring=(key.id,)))
    people.wait_until_accepted(counter.place.aws.with_key(key), user)
    return desk.seal_up(member, key, retiring=old)


def _renew_ci(counter: Counter, due: Due) -> None:
    """`ci` has its key in the profile that `up` wrote: the new one goes straight there."""
    user = counter.place.names.iam_user(CI_MEMBER)
    laptop = laptops.look_around(counter.project)
    laptops.check(laptop, counter.record.aws_profile, counter.record.owner, counter.record.env)
    key = people.mint_key(counter.place.aws, user)
    people.wait_until_accepted(counter.place.aws.with_key(key), user)
    laptops.write_profile(laptop, counter.record, key)
    if _is_on_github(counter):
        _give_to_github(counter, key)
    there = {one.id for one in people.key_ids(counter.place.aws, user)}
    for old in there.intersection(due.retiring):
        _end(counter, user, old)


def _is_on_github(counter: Counter) -> bool:
    """Tell whether workflows on GitHub use the key of `ci`."""
    facts = counter.record.github
    if facts is None or facts["auth"] != "keys":
        return False
    if counter.project.spec.github.auth != "keys" or github.is_another(counter.project, facts):
        env = counter.record.env
        raise BootstrapError(
            f"bootstrap.toml says another thing of GitHub than what is up, where {facts['repository']} uses ci's key.",
            hint=f"First: bootstrap up --env {env}{' --local' if counter.record.target == 'local' else ''}",
        )
    return True


def _refuse_if_github_waits(counter: Counter, others: set[str]) -> None:
    """Raise BootstrapError if GitHub still holds one of these keys, which the last `rotate` left alive for it."""
    record = counter.record
    site = github.look(counter.project, record.env)
    marker = site.found.marker(record.env, site.scope)
    if marker is not None and {marker.key, marker.replaced} & others:
        raise BootstrapError(
            "The last `rotate` could not give the new key of `ci` to GitHub, and left the old one alive for it.",
            hint=f"First: bootstrap github sync --env {record.env}",
        )


def _give_to_github(counter: Counter, key: KeyPair) -> None:
    """Put the new key where workflows take it from, while the old one still works. Raises Unfinished if it cannot."""
    project, record = counter.project, counter.record
    try:
        site = github.look(project, record.env)
        password = laptops.read_password(laptops.look_around(project), record)
        want = github.wanted(project, counter.place, record, site, key, password)
        project.save(replace(record, github=site.facts))
        github.sync(site, want, replace_foreign=False, progress=lambda _: None)
        github.end_replaced_key(site, counter.place, key)
    except GitHubFailed as error:
        raise Unfinished(
            f"The new key of `ci` is in the profile, but not on GitHub; the old one was left alive. {error.message}",
            hint=f"{error.hint}\nThen, which also ends the old key: bootstrap github sync --env {record.env}",
        ) from error


def _retire(counter: Counter, name: str) -> None:
    """Disable and delete the keys that a person's new one replaces."""
    member = counter.registry.membership.members[name]
    if member.handover is None:
        return
    user = counter.place.names.iam_user(name)
    for old in member.handover.retiring:
        _end(counter, user, old)
    counter.registry.note(name, replace(member.handover, retiring=()))


def _end(counter: Counter, user: str, key_id: str) -> None:
    people.set_key_active(counter.place.aws, user, key_id, active=False)
    people.delete_key(counter.place.aws, user, key_id)
