"""Where the datasets of an environment are, and as whom we reach them: its operator, or a member who has joined."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from bootstrap.adapters.aws import objects
from bootstrap.adapters.aws.session import Aws, is_denied
from bootstrap.core.dataset import PREFIX, Card, card_key, parse_card, versions_among
from bootstrap.core.record import Record
from bootstrap.core.slip import did_you_mean
from bootstrap.errors import AwsFailed, BootstrapError, UsageError
from bootstrap.workflows import as_member
from bootstrap.workflows import laptop as laptops
from bootstrap.workflows.counter import reach_people
from bootstrap.workflows.project import Project, open_folder, open_project
from bootstrap.workflows.story import Story
from bootstrap.workflows.target import Place

_LOOKUPS = 8


@dataclass(frozen=True)
class Desk:
    """An environment's datasets, as `aws` reaches them. `place` is None for a member, `record.member` for the operator.

    `work` is the folder of ours on this machine.
    """

    record: Record
    aws: Aws
    work: Path
    place: Place | None

    @property
    def bucket(self) -> str:
        """Where they lie."""
        return self.record.bucket

    def who(self) -> str:
        """Return who we are, as a card says it: a member's name, or what of the operator's ARN names them."""
        return self.record.member or self.aws.caller().arn.rpartition(":")[2]

    def address(self, key: str) -> str:
        """Return the address of an object, for people."""
        return f"s3://{self.bucket}/{key}"

    def names(self) -> list[str]:
        """Return the datasets that there are, in order. Raises AwsFailed."""
        with told(self.record):
            return objects.folders(self.aws, self.bucket, PREFIX)

    def inside(self, name: str) -> list[str]:
        """Return the names of the objects that lie in a dataset, its files left out. Raises AwsFailed."""
        with told(self.record):
            found = objects.beside(self.aws, self.bucket, f"{PREFIX}{name}/")
        return [PurePosixPath(one.key).name for one in found]

    def versions(self, name: str) -> list[int]:
        """Return the versions of a dataset, lowest first; none of one that is only being made. Raises AwsFailed."""
        return versions_among(self.inside(name))

    def text(self, key: str) -> objects.Text | None:
        """Return a small object, None if it is not there. Raises AwsFailed."""
        with told(self.record):
            return objects.read_text(self.aws, self.bucket, key)

    def card(self, name: str, version: int) -> Card:
        """Return the card of a version. Raises BootstrapError if it is damaged, AwsFailed."""
        key = card_key(name, version)
        stored = self.text(key)
        card = parse_card(stored.text) if stored else None
        if card is None or (card.name, card.version) != (name, version):
            raise BootstrapError(
                f"{self.address(key)} is damaged, or was written by a newer version of this tool.",
                hint="Update this tool; or let an instructor push the dataset again, as a new version.",
            )
        return card

    def cards(self, wanted: list[tuple[str, int]]) -> list[Card]:
        """Return several cards, in the order in which they are wanted. Errors as `card`."""
        with ThreadPoolExecutor(_LOOKUPS) as pool:
            return list(pool.map(lambda one: self.card(*one), wanted))

    def all_versions(self, names: list[str]) -> list[tuple[str, list[int]]]:
        """Return datasets with their versions; what has none yet is left out. Raises AwsFailed."""
        with ThreadPoolExecutor(_LOOKUPS) as pool:
            found = list(zip(names, pool.map(self.versions, names), strict=True))
        return [(name, versions) for name, versions in found if versions]


def open_desk(
    start: Path,
    config: Path | None,
    environ: Mapping[str, str],
    home: Path,
    env: str | None,
    profile: str | None,
    story: Story,
    *,
    writes: bool = False,
) -> Desk:
    """Reach an environment's datasets, `env` or the only one: as who has joined it here, else as its operator.

    Somebody who has joined elsewhere on this machine, and nothing here, is taken for that. With `writes`, students are
    told whom to ask. Raises BootstrapError where nothing is up or joined, UsageError if several are and none is named.
    """
    folder = open_folder(start, environ, home)

    def administered() -> Desk | None:
        return _operator(open_project(start, config, environ, home), env, profile, story)

    mine = as_member.joined(folder, env) if profile is None and config is None else None
    if mine is not None and not (writes and mine.role != "instructor" and folder.record(mine.env)):
        return _member(folder, mine, writes=writes)
    if (found := administered()) is not None:
        return found
    here = {
        record.env
        for project in (folder, open_project(start, config, environ, home))
        for record in (*project.joined(), *project.recorded())
    }
    return _elsewhere(folder, env, here, story, writes=writes)


def _member(folder: Project, record: Record, *, writes: bool) -> Desk:
    if writes and record.role != "instructor":
        raise BootstrapError(
            f"You have joined '{record.env}' as {record.member}, a {record.role}. Only instructors write into {PREFIX}",
            hint="Ask your instructor to push it. What is your team's own goes with `dvc add` and `dvc push`.",
        )
    return Desk(record, as_member.signed_in(folder, record), folder.work, None)


def _operator(project: Project, env: str | None, profile: str | None, story: Story) -> Desk | None:
    """Return the desk of who administers an environment in this folder; None if none is up here."""
    up = [record for record in project.recorded() if env in (None, record.env)]
    if len(up) > 1:
        names = ", ".join(record.env for record in up)
        raise UsageError(f"Several environments are up in {project.folder}: {names}.", hint="Say which one: --env NAME")
    if not up:
        return None
    place = reach_people(project.as_recorded(up[0]), up[0], profile, story)
    return Desk(up[0], place.aws, project.work, place)


def _elsewhere(folder: Project, env: str | None, here: Collection[str], story: Story, *, writes: bool) -> Desk:
    """Return the desk of who has joined in another folder of this machine, such as the one that a project is in.

    `here`: the environments of other names in this folder, one of which may have been meant.
    """
    found: dict[tuple[str, str], tuple[Project, Record]] = {}
    for place in laptops.joined_folders(folder):
        there = Project(place, folder.spec, folder.environ, folder.home)
        for record in there.joined():
            if env in (None, record.env):
                found.setdefault((record.owner, record.aws_profile), (there, record))
    if len(found) > 1:
        where = "; ".join(f"'{record.env}' in {there.folder}" for there, record in found.values())
        raise UsageError(
            f"Several environments are joined on this machine: {where}.", hint="Go to the folder of the one you mean."
        )
    if not found:
        what = f"'{env}' is" if env else "No environment is"
        neither = "neither up nor joined" if env else "up or joined"
        raise BootstrapError(
            f"{what} {neither} in {folder.folder}.{did_you_mean(env or '', here)}",
            hint="Run this in the folder where you opened your invite with `bootstrap join`, or ran `bootstrap up`.",
        )
    there, record = next(iter(found.values()))
    story.say(f"As {record.member}, who joined '{record.env}' in {there.folder}.")
    return _member(there, record, writes=writes)


@contextmanager
def told(record: Record) -> Iterator[None]:
    """Where AWS refuses a member for lack of permission, say whom to ask instead of what an operator would do."""
    try:
        yield
    except AwsFailed as error:
        if record.member is not None and isinstance(error.__cause__, Exception) and is_denied(error.__cause__):
            raise AwsFailed(
                error.message,
                hint=f"You have joined '{record.env}' as {record.member}, a {record.role}. Your access may have ended, "
                "or your role may have changed: ask the person who invited you.",
            ) from error
        raise
