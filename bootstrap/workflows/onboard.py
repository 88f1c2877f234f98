"""`onboard`: the members of an environment become those of the roster, each with a sealed invite of their own.

Terraform makes the users; as soon as one of them is whole, that person's key, MLflow account and invite are made,
while Terraform goes on with the next.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from dataclasses import dataclass, field, replace
from datetime import date
from functools import partial
from pathlib import Path
from typing import Any

from bootstrap.adapters.files import read_text, write_atomic
from bootstrap.core.counts import counted
from bootstrap.core.membership import Difference, Member, changes, compare, past_days
from bootstrap.core.roster import Person, Roster, mistaken_columns, parse_roster, person_problems, with_people
from bootstrap.core.stream import Stream
from bootstrap.errors import BootstrapError, ConfigError, Declined, UsageError
from bootstrap.workflows import mlflow_access, offboard, provision
from bootstrap.workflows.counter import Counter, open_counter
from bootstrap.workflows.handover import CodesFile, Desk, Made, SealFor, Tell, account_of, desk_of
from bootstrap.workflows.mlflow_dagshub import by_hand
from bootstrap.workflows.project import Project
from bootstrap.workflows.story import Step, Story

# More targets than these make Terraform slower than looking at everybody does.
_MOST_TARGETS = 20
_POLL_SECONDS = 0.1
_MEMBER = re.compile(r'module\.member\["(?P<name>[^"]+)"\]\.(?P<kind>\w+)\.')


@dataclass(frozen=True)
class Request:
    """What was asked for: these people, or (`whole_roster`) exactly those of the roster. `roster` names its file.

    `seal_for` makes the seal once it is known for whom: it may have to fetch their public keys. `today` is the day in
    UTC, as the last days of people are.
    """

    env: str
    seal_for: SealFor
    today: date
    people: tuple[Person, ...] = ()
    whole_roster: bool = False
    roster: Path | None = None
    prune: bool = False
    profile: str | None = None
    codes: CodesFile | None = None


@dataclass(frozen=True)
class Outcome:
    """What an `onboard` did. `invited` are those who got an invite now, `moved` those who need another one.

    `lists_nobody`: the roster that the environment was to be made equal to has no people in it.
    """

    difference: Difference
    invited: list[str]
    mlflow: list[str]
    moved: list[str] = field(default_factory=list)
    lists_nobody: bool = False


Confirm = Callable[[Difference], bool]
Written = Callable[[Sequence[str]], None]


def onboard(
    project: Project, request: Request, story: Story, confirm: Confirm, tell: Tell, written: Written
) -> Outcome:
    """Bring people into an environment; the same command goes on after a crash at any point.

    `confirm` is asked with the difference unless there is none. `tell` gets codes as invites are written, `written` the
    names before anything else: what comes then may fail or be broken off, and no later run speaks of them again.
    Raises Declined on a no, ConfigError for a bad roster, and any other BootstrapError.
    """
    path = request.roster or project.folder / project.spec.roster
    text = read_text(path)
    if request.whole_roster and text is None:
        raise ConfigError(f"There is no roster {path}.", hint="`bootstrap init` writes an example.")
    shown = str(request.roster or project.spec.roster)
    roster = parse_roster(text, shown) if text is not None else Roster(())
    wanted = roster.people if request.whole_roster else request.people
    for title, column in mistaken_columns(text or "").items():
        story.note(f"{shown}: the column `{title}` is ignored; did you mean `{column}`?")
    after = text if request.whole_roster else with_people(text, wanted)
    if after is not None and after != text:
        # What the new row would do to the others, such as a team named like another member.
        parse_roster(after, shown)
    if request.codes is not None:
        request.codes.check()
    with open_counter(project, request.env, request.profile, "onboard", story) as counter:
        now = counter.registry.membership
        members = [Member(one.name, one.role, one.team, one.expires) for one in wanted]
        difference = compare(now, members, prune=request.prune, only=not request.whole_roster)
        if not difference.is_empty:
            new = {one.name for one in difference.added}.union(difference.waiting)
            seal = request.seal_for({one.name: one.github for one in wanted if one.name in new})
            table = project.spec.environments.get(request.env)
            if past := past_days(difference, members, request.today, table.expires if table else None):
                story.note(f"{', '.join(past)}: their last day is past, so their invite cannot be opened.")
            if not confirm(difference):
                raise Declined("Nothing was changed.")
        if after is not None and after != text:
            write_atomic(path, after)
        if difference.is_empty:
            # What people made in MLflow since; it changes from day to day without any command of ours.
            shared = _share(counter) if request.whole_roster else []
            counter.registry.save(now)
            return Outcome(difference, [], shared, lists_nobody=request.whole_roster and not wanted)
        waiting = [now.members[name] for name in difference.waiting]
        desk = desk_of(counter, seal, tell, [*difference.added, *waiting])
        return _carry_out(counter, desk, difference, written, whole=request.whole_roster)


def people_named(project: Project, names: Sequence[str], given: Mapping[str, Any]) -> tuple[Person, ...]:
    """Return the people of these names: as the roster has them, if it does, with `given` (by field) on top.

    Raises UsageError for a name or a value that will not do, ConfigError for a bad roster.
    """
    text = read_text(project.folder / project.spec.roster) if names else None
    listed = parse_roster(text, project.spec.roster) if text is not None else Roster(())
    found = []
    for name in dict.fromkeys(names):
        person = replace(listed.person(name) or Person(name), **given)
        if problems := person_problems(person):
            raise UsageError(f"{name}: {'; '.join(problems)}")
        found.append(person)
    return tuple(found)


def _carry_out(counter: Counter, desk: Desk, difference: Difference, written: Written, *, whole: bool) -> Outcome:
    registry = counter.registry
    before = registry.membership
    counter.chronicle.acts(
        added=[one.name for one in difference.added],
        invited=difference.waiting,
        changed=[after.name for _, after in difference.changed],
        removed=difference.removed,
        roster=whole,
    )
    if told := by_hand(counter.record, [one.name for one in difference.added], comes=True):
        counter.story.note(told)
    changed = [replace(after, handover=now.handover) for now, after in difference.changed]
    membership = before.with_members([*difference.added, *changed]).without(difference.removed)
    if difference.removed:
        with counter.story.step(f"Closing the access of {counted(len(difference.removed), 'member')}"):
            offboard.close_access(counter, difference.removed)
    # What is meant to be, before Terraform begins: whoever goes on after a crash knows it.
    registry.save(membership)
    invited = [one.name for one in difference.added] + list(difference.waiting)
    touched = [*invited, *(after.name for _, after in difference.changed), *difference.removed]
    provisioner = counter.provisioner()
    interrupted = counter.run.interrupted_since is not None
    if interrupted or difference.waiting:
        provision.adopt_members(provisioner, membership.members)
    else:
        provisioner.root("members").write_adoptions({})
    only = touched if len(touched) <= _MOST_TARGETS and not interrupted else []
    line = _Line(counter, desk, {name: membership.members[name] for name in invited})
    try:
        with counter.story.step(_title(difference)) as step:
            apply = partial(provisioner.apply_members, line.planned, line.finished, only=only)
            applied = counter.side.start(partial(provision.taking_over, provisioner, membership.members, apply))
            applied.add_done_callback(lambda _: line.wake())
            moved = _admit_changed(counter, difference)
            line.hand_over_all(applied, step)
            counter.side.result(applied)
    finally:
        if line.served:
            written(line.served)
    if difference.removed:
        offboard.remove_remains(counter, difference.removed)
    shared = _share(counter) if whole else []
    registry.save(registry.membership)
    line.raise_first()
    return Outcome(difference, invited, shared, moved)


def _title(difference: Difference) -> str:
    count = len(difference.added) + len(difference.waiting)
    if difference.removed and not count and not difference.changed:
        return "Removing their users"
    return f"Making users, keys and invites for {counted(count, 'member')}" if count else "Changing what they may do"


def _admit_changed(counter: Counter, difference: Difference) -> list[str]:
    """Give those whose role or team changed their new place in MLflow; return who needs a new invite for it."""
    if counter.mlflow is not None:
        for _, after in difference.changed:
            mlflow_access.admit(counter.mlflow, account_of(after), None)
    told = ("role", "team")
    return [after.name for before, after in difference.changed if not changes(before, after).keys().isdisjoint(told)]


def _share(counter: Counter) -> list[str]:
    if counter.mlflow is None:
        return []
    with counter.story.step("Sharing experiments and models within teams"):
        accounts = [account_of(one) for one in counter.registry.membership.members.values()]
        return mlflow_access.reconcile(counter.mlflow, accounts)


class _Line:
    """The people who wait for an invite: each is served as soon as Terraform is done with their user.

    `served` are those whose invite is written, in that order.
    """

    def __init__(self, counter: Counter, desk: Desk, waiting: dict[str, Member]) -> None:
        self.served: list[str] = []
        self._counter = counter
        self._desk = desk
        self._waiting = waiting
        self._fresh: set[str] = set()
        self._lock = threading.Lock()
        self._begun: dict[str, Future[Made]] = {}
        self._ever_begun: set[str] = set()
        self._woken: Future[None] = Future()
        self._failures: list[BaseException] = []

    def planned(self, stream: Stream) -> None:
        """Take in what Terraform will do; whoever it has nothing to do for can be served at once."""
        busy: dict[str, set[str]] = {}
        for change in stream.changes:
            if found := _MEMBER.match(change.address):
                busy.setdefault(found["name"], set()).add(f"{found['kind']} {change.action}")
        self._fresh = {name for name, what in busy.items() if "aws_iam_user create" in what}
        # The policy is the last thing that Terraform makes for a user.
        for name in self._waiting:
            if not any(what.startswith("aws_iam_user_policy") for what in busy.get(name, ())):
                self._begin(name)

    def finished(self, address: str) -> None:
        """Take in that Terraform is done with a resource. Called in the thread that follows Terraform."""
        found = _MEMBER.match(address)
        if found and found["kind"] == "aws_iam_user_policy":
            self._begin(found["name"])

    def wake(self) -> None:
        """End the wait: Terraform has ended."""
        if not self._woken.done():
            self._woken.set_result(None)

    def hand_over_all(self, applied: Future[Stream], step: Step) -> None:
        """Write the invites in the order in which they are ready, until nobody is left whom Terraform got to."""
        count = 0
        while True:
            ended = applied.done()
            with self._lock:
                open_ones = list(self._begun.values())
                ready = [name for name, future in self._begun.items() if future.done()]
                batch = [self._begun.pop(name) for name in ready]
            made = [each for future in batch if (each := self._result(future))]
            self._desk.hand_over(made)
            self.served += [each.member.name for each in made]
            count += len(batch)
            if batch:
                step.detail(f"{count} of {len(self._waiting)} invites")
            elif ended and not open_ones:
                return
            else:
                pending: list[Future[object]] = [*open_ones, *([] if ended else [self._woken])]  # type: ignore[list-item]
                wait(pending, timeout=_POLL_SECONDS, return_when=FIRST_COMPLETED)

    def raise_first(self) -> None:
        """Raise what went wrong for a person, once everybody else was served."""
        if self._failures:
            raise self._failures[0]

    def _begin(self, name: str) -> None:
        with self._lock:
            member = self._waiting.get(name)
            if member is None or name in self._ever_begun:
                return
            self._ever_begun.add(name)
            work = partial(self._desk.make, member, fresh=name in self._fresh)
            self._begun[name] = self._counter.side.start(work)

    def _result(self, future: Future[Made]) -> Made | None:
        try:
            return future.result()
        except BootstrapError as error:
            self._failures.append(error)
            return None
