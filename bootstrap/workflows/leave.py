"""`leave`: takes out of this machine what `join` wrote, and nothing else. Asks nobody, and needs no network."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from bootstrap.adapters.files import locked
from bootstrap.core.record import Record
from bootstrap.errors import BootstrapError, UsageError
from bootstrap.workflows import laptop as laptops
from bootstrap.workflows.project import Project, open_folder

_LOCK_SECONDS = 150.0


@dataclass(frozen=True)
class Left:
    """What a `leave` took away, and what it left where it is, each in words."""

    record: Record
    removed: list[str]
    kept: list[str]


def leave(start: Path, environ: Mapping[str, str], home: Path, env: str | None) -> Left:
    """Undo the join of `env` (None: the only one) in the folder that `join` would use.

    Raises BootstrapError if nobody has joined here, UsageError if it does not say which of several.
    """
    project = open_folder(start, environ, home)
    with locked(project.joins, timeout=_LOCK_SECONDS):
        record = _find(project, env)
        laptop = laptops.look_around(project)
        elsewhere = laptops.also_joined(project, record)
        out = laptops.take_out(project, laptop, record, with_profile=not elsewhere)
        rest = laptops.put_back(project, laptop, record)
        project.forget_join(record)
        laptops.note_folder(project)
    kept = out.left + rest.left
    if elsewhere:
        kept.append(f"the AWS profile {record.aws_profile}, because it is used in {', '.join(map(str, elsewhere))} too")
    return Left(record, out.gone + rest.gone, kept)


def _find(project: Project, env: str | None) -> Record:
    joined = project.joined()
    found = [record for record in joined if env in (None, record.env)]
    here = ", ".join(record.env for record in joined)
    if len(found) > 1:
        raise UsageError(
            f"Several environments are joined in {project.folder}: {here}.", hint="Say which to leave: --env NAME"
        )
    if not found:
        what = "No environment is" if env is None else f"'{env}' is not"
        folders = [str(folder) for folder in laptops.joined_folders(project) if folder != project.folder]
        raise BootstrapError(
            f"{what} joined in {project.folder}." + (f" Joined here: {here}." if here else ""),
            hint=f"Go to where it was: {' or '.join(folders)}" if folders else "There is nothing to undo.",
        )
    return found[0]
