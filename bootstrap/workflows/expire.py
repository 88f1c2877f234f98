"""`expire`: what is past its last day, and with `--down` the end of the environments that are.

A last day is still a day of access; it is over when it is over in UTC. From then on AWS refuses the people: the
condition stands in their policies. What goes on is the bill, and a list of members who are none any more.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import Literal

from bootstrap.adapters.aws import buckets, objects
from bootstrap.core.last_day import is_past
from bootstrap.core.membership import Membership
from bootstrap.core.names import Names
from bootstrap.errors import BootstrapError, Declined
from bootstrap.workflows import down as downs
from bootstrap.workflows import receipts
from bootstrap.workflows.handover import last_day
from bootstrap.workflows.project import Project
from bootstrap.workflows.registry import open_registry
from bootstrap.workflows.story import Story
from bootstrap.workflows.target import Place, open_place, reach

# How bad an exit code is: the later, the worse. What is left behind costs money, but what failed may be all there is.
FINE, PAST, FAILED, LEFT, UNFINISHED = 0, 3, 1, 4, 5
_WORSE = (FINE, PAST, UNFINISHED, LEFT, FAILED)

Known = Literal["here", "elsewhere", "unknown"]


@dataclass(frozen=True)
class PastEnvironment:
    """An environment whose last day is over.

    `known`: brought up from this folder (here); from another, and AWS has it (elsewhere); unknown, where nobody could
    look, and then `why` says why not.
    """

    env: str
    last_day: date
    known: Known
    protected: bool = False
    why: str = ""

    @property
    def command(self) -> str:
        """What a person types to end it."""
        return f"bootstrap down --env {self.env}{' --unprotect' if self.protected else ''}"


@dataclass(frozen=True)
class PastPerson:
    """A member whose last day is over, in an environment whose own is not."""

    env: str
    name: str
    last_day: date

    @property
    def command(self) -> str:
        """What a person types to take them out."""
        return f"bootstrap offboard {self.name} --env {self.env}"


@dataclass(frozen=True)
class Past:
    """All that is past. `unseen` are environments whose people could not be looked at, each with the reason."""

    environments: tuple[PastEnvironment, ...]
    people: tuple[PastPerson, ...]
    unseen: tuple[tuple[str, str], ...] = ()

    @property
    def code(self) -> int:
        """The exit code of a look: 0 nothing is past, 3 something is."""
        return PAST if self.environments or self.people else FINE


@dataclass(frozen=True)
class Ended:
    """What became of one environment that was to be taken down: an exit code as of `down`, and why in words.

    `receipt` is the page of it, None where nothing was taken down.
    """

    env: str
    code: int
    message: str = ""
    hint: str = ""
    receipt: Path | None = None


def look(project: Project, profile: str | None, story: Story, today: date) -> Past:
    """Return what is past its last day; `today` is the day in UTC. Changes nothing, and raises nothing for AWS.

    An environment is known from this folder's records. One that bootstrap.toml names and this folder did not bring up
    is looked for in AWS: if it is past its day, or if nothing was brought up here, as on a runner of GitHub's. Where
    AWS cannot be asked, this machine's receipts are believed.
    """
    records = {record.env: record for record in project.recorded()}
    elsewhere = _Elsewhere(project, profile, story)
    environments: list[PastEnvironment] = []
    people: list[PastPerson] = []
    unseen: list[tuple[str, str]] = []
    for env in dict.fromkeys([*project.spec.environments, *records]):
        table, record = project.spec.environments.get(env), records.get(env)
        past = table.expires if table and is_past(table.expires, today) else None
        protected = table is not None and table.protected
        try:
            if past and record:
                environments.append(PastEnvironment(env, past, "here", protected))
            elif past and elsewhere.has(env):
                environments.append(PastEnvironment(env, past, "elsewhere", protected))
            elif record:
                mine = project.as_recorded(record)
                people += _people(mine, env, reach(mine, record, profile, story), story, today)
            elif not past and not records and elsewhere.has(env):
                people += _people(project, env, elsewhere.place(env), story, today)
        except BootstrapError as error:
            if record is None and _was_taken_down(project, env):
                continue
            if past:
                environments.append(PastEnvironment(env, past, "unknown", protected, error.message))
            else:
                unseen.append((env, error.message))
    return Past(tuple(environments), tuple(people), tuple(unseen))


def take_down(
    project: Project,
    environments: Iterable[PastEnvironment],
    profile: str | None,
    story: Story,
    confirm: Callable[[str], downs.Confirm],
) -> Iterator[Ended]:
    """Take environments down, one after the other; a failure of one does not keep the next. Yields each as it ends.

    `confirm` makes the question for an environment. What is protected, or was not brought up from this folder, is
    left, and says so.
    """
    for one in environments:
        if one.protected:
            where = project.spec.where("environments", one.env, "protected")
            yield Ended(one.env, PAST, f"'{one.env}' is protected ({where}) and was left alone.", one.command)
        elif one.known != "here":
            yield Ended(
                one.env,
                FAILED,
                f"'{one.env}' was not brought up from this folder, and was left alone.",
                f"If it is yours to take down: bootstrap down --env {one.env} --confirm {one.env}",
            )
        else:
            yield _end(project, one, profile, story, confirm(one.env))


def worst(codes: Iterable[int]) -> int:
    """Return the worst of some exit codes; one that is not known here counts as a failure."""
    return max((code if code in _WORSE else FAILED for code in codes), key=_WORSE.index, default=FINE)


def _end(project: Project, one: PastEnvironment, profile: str | None, story: Story, confirm: downs.Confirm) -> Ended:
    try:
        gone = downs.down(project, downs.Request(env=one.env, profile=profile), story, confirm)
    except Declined as answer:
        return Ended(one.env, PAST, f"'{one.env}': {answer.message}", one.command)
    except BootstrapError as error:
        return Ended(one.env, error.exit_code, f"'{one.env}': {error.message}", error.hint or one.command)
    receipt, page = gone.kept.receipt, gone.kept.stored.page
    if receipt.left or not receipt.could_look:
        return Ended(one.env, LEFT, receipt.verdict, f"bootstrap sweep --env {one.env}", page)
    if gone.unfinished is not None:
        message = f"'{one.env}': all is gone but what is on GitHub. {gone.unfinished.message}"
        return Ended(one.env, UNFINISHED, message, receipt.unfinished[0].command, page)
    return Ended(one.env, FINE, f"'{one.env}' is gone: nothing of it is left.", "", page)


def _was_taken_down(project: Project, env: str) -> bool:
    """Tell whether the last that this machine knows of an environment is a receipt that says that nothing is left."""
    with suppress(BootstrapError):
        for past in receipts.past(project.spec.project):
            if past.receipt is not None and past.receipt.env == env:
                return past.verdict.is_proven and past.receipt.is_clean and not past.receipt.kept
    return False


def _people(project: Project, env: str, place: Place | None, story: Story, today: date) -> Iterator[PastPerson]:
    """Yield the members past their day; nobody where the environment is gone, with its emulator for instance."""
    if place is None or not buckets.exists(place.aws, place.names.state_bucket, place.names.account):
        return
    membership: Membership = open_registry(project, place, story).membership
    for name, member in sorted(membership.members.items()):
        day = last_day(project, env, member)
        if is_past(day, today):
            yield PastPerson(env, name, day)


class _Elsewhere:
    """AWS, asked for environments that this folder knows nothing of; reached once, and only if there is one."""

    def __init__(self, project: Project, profile: str | None, story: Story) -> None:
        self._project = project
        self._profile = profile
        self._story = story
        self._reached: Place | BootstrapError | None = None

    def has(self, env: str) -> bool:
        """Tell whether an environment is there. Raises BootstrapError if that cannot be known."""
        place = self.place(env)
        aws, names = place.aws, place.names
        if buckets.exists(aws, names.bucket, names.account):
            return True
        # Without its bucket, as after a `down` that was killed, its states say that something may be left.
        there = buckets.exists(aws, names.state_bucket, names.account)
        return there and bool(objects.listed(aws, names.state_bucket, f"{env}/"))

    def place(self, env: str) -> Place:
        """Return where an environment would be. Raises BootstrapError if AWS cannot be asked."""
        if self._reached is None:
            try:
                self._reached = open_place(self._project, env, "aws", self._profile, self._story)
            except BootstrapError as error:
                self._reached = error
        if isinstance(self._reached, BootstrapError):
            raise self._reached
        names = Names(self._project.spec.project, env, self._reached.names.account)
        return replace(self._reached, names=names)
