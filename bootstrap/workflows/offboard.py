"""`offboard`: a person's access ends, key first; what they made stays unless somebody asks for it to go."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from bootstrap.adapters.aws import objects, people
from bootstrap.adapters.files import read_text, write_atomic
from bootstrap.core.names import CI_MEMBER
from bootstrap.core.roster import without_people
from bootstrap.errors import BootstrapError, Declined
from bootstrap.workflows import handover, mlflow_access
from bootstrap.workflows.counter import Counter, open_counter
from bootstrap.workflows.mlflow_dagshub import by_hand
from bootstrap.workflows.project import Project
from bootstrap.workflows.story import Story

_SIDE_BY_SIDE = 8


@dataclass(frozen=True)
class Request:
    """Who has to go, and what becomes of their files: `archive` gets copies, `delete_data` ends the originals."""

    env: str
    names: tuple[str, ...]
    archive: Path | None = None
    delete_data: bool = False
    profile: str | None = None


@dataclass(frozen=True)
class Leaving:
    """One person on their way out: their IAM user, and what lies in their folder (bytes)."""

    name: str
    user: str
    files: int
    size: int


@dataclass(frozen=True)
class Gone:
    """What an `offboard` did for one person."""

    name: str
    files: int
    archived: int
    deleted: int
    from_roster: bool


Confirm = Callable[[Sequence[Leaving]], bool]


def offboard(project: Project, request: Request, story: Story, confirm: Confirm) -> list[Gone]:
    """Take people out of an environment; safe to run again after a crash in any step.

    Raises Declined on a no, BootstrapError if a name is nobody's, and whatever an archive that cannot be made whole
    raises: then nothing was changed.
    """
    if CI_MEMBER in request.names:
        raise BootstrapError("`ci` belongs to the environment itself.", hint="It goes with `bootstrap down`.")
    # A roster that cannot be edited is found out now, and not when everything else is done.
    rows_of(project, request.names)
    with open_counter(project, request.env, request.profile, "offboard", story, keys_first=True) as counter:
        names = counter.place.names
        there = set(people.users_on_path(counter.place.aws, names.iam_path))
        known = dict(counter.registry.membership.members)
        # Who is no member any more but still has a user or a row: a run before this one was killed half-way.
        listed = rows_of(project, request.names)
        half_gone = [
            name for name in request.names if name not in known and (names.iam_user(name) in there or name in listed)
        ]
        handover.require_names({**known, **dict.fromkeys(half_gone)}, request.names, names)
        leaving = [_look(counter, name) for name in dict.fromkeys(request.names)]
        if not confirm(leaving):
            raise Declined("Nothing was changed.")
        counter.chronicle.acts(
            people=[one.name for one in leaving],
            archived=request.archive is not None,
            files_deleted=request.delete_data,
        )
        archived = {one.name: _archive(counter, one, request.archive) for one in leaving if request.archive}
        with story.step("Closing their access"):
            close_access(counter, [one.name for one in leaving])
        deleted = {one.name: _delete_files(counter, one) for one in leaving if request.delete_data}
        counter.registry.save(counter.registry.membership.without(request.names))
        # The row last: as long as it is there, the same command finds the person again.
        with story.step("Removing their users"):
            provisioner = counter.provisioner()
            provisioner.root("members").write_adoptions({})
            applied = counter.side.start(
                lambda: provisioner.apply_members(lambda _: None, lambda _: None, only=request.names)
            )
            counter.side.result(applied)
            remove_remains(counter, [one.name for one in leaving])
        take_from_roster(counter.project, listed)
        return [
            Gone(one.name, one.files, archived.get(one.name, 0), deleted.get(one.name, 0), one.name in listed)
            for one in leaving
        ]


def close_access(counter: Counter, names: Sequence[str]) -> None:
    """End all access of these members at once: keys first, then MLflow, then all else that hangs on their users."""
    place = counter.place

    def close(name: str) -> None:
        people.strip_user(place.aws, place.names.iam_user(name))
        if counter.mlflow is not None:
            mlflow_access.dismiss(counter.mlflow, name)
        handover.remove_invite(counter.project, counter.record.env, name)

    if told := by_hand(counter.record, names, comes=False):
        counter.story.note(told)
    with ThreadPoolExecutor(_SIDE_BY_SIDE) as pool:
        list(pool.map(close, names))


def remove_remains(counter: Counter, names: Sequence[str]) -> None:
    """Remove users of these names that Terraform did not know of, as after a crash."""
    place = counter.place
    there = set(people.users_on_path(place.aws, place.names.iam_path))
    for user in there.intersection(place.names.iam_user(name) for name in names):
        people.delete_user(place.aws, user)


def rows_of(project: Project, names: Sequence[str]) -> set[str]:
    """Return those of these people who have a row in the roster. Raises ConfigError for one that cannot be edited."""
    text = read_text(project.folder / project.spec.roster) or ""
    return {name for name in names if without_people(text, [name]) != text}


def take_from_roster(project: Project, names: Collection[str]) -> None:
    """Take people out of the roster file, so that it does not bring them back."""
    path = project.folder / project.spec.roster
    text = read_text(path)
    if text is not None and names:
        write_atomic(path, without_people(text, names))


def _look(counter: Counter, name: str) -> Leaving:
    found = objects.listed(counter.place.aws, counter.record.bucket, f"members/{name}/")
    user = counter.place.names.iam_user(name)
    return Leaving(name, user, len(found), sum(one.size for one in found))


def _archive(counter: Counter, one: Leaving, folder: Path) -> int:
    with counter.story.step(f"Copying the files of {one.name}") as step:
        copied = objects.download(
            counter.place.aws,
            counter.record.bucket,
            f"members/{one.name}/",
            folder / one.name,
            lambda count: step.detail(f"{count} of {one.files}"),
        )
    return len(copied)


def _delete_files(counter: Counter, one: Leaving) -> int:
    aws, bucket, prefix = counter.place.aws, counter.record.bucket, f"members/{one.name}/"
    found = objects.listed(aws, bucket, prefix)
    objects.delete_keys(aws, bucket, (each.key for each in found))
    return len(found)
