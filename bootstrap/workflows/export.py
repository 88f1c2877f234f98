"""`export`: a member's own part of an environment, copied out with nothing but their own key."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from bootstrap.adapters.archive_folder import ArchiveFolder
from bootstrap.adapters.aws import copying
from bootstrap.adapters.aws.session import is_denied
from bootstrap.core.invite import ASK_FOR_A_NEW_ONE
from bootstrap.core.manifest import Origin, Source
from bootstrap.core.record import Record
from bootstrap.errors import AwsFailed, BootstrapError
from bootstrap.workflows import as_member
from bootstrap.workflows.copy_out import Archived, Cargo, fill
from bootstrap.workflows.project import Project, open_folder
from bootstrap.workflows.story import Story

_ABOUT = """\
This folder is the {origin},
copied out of the bucket {bucket} and made {made}.

  manifest.json           every file here: its key in the bucket, size, SHA-256, and when it was last changed
  members/{member}/       your own files
  bucket/dvc/{team}/      your team's DVC remote
{more}
Is everything still here, and unchanged?

  bootstrap restore-check FOLDER

A file whose name in the bucket would be no good name for a file is in a folder +names; manifest.json has its key.

Your DVC files, in a clone of your repository, also when the course's bucket is gone:

  dvc remote add --default archive FOLDER/bucket/dvc/{team}
  dvc pull
"""
_DATASET = """\
  bucket/dataset/         the data that everybody reads
"""


@dataclass(frozen=True)
class Exported:
    """What was copied, and for whom."""

    record: Record
    archived: Archived


def export(
    start: Path,
    environ: Mapping[str, str],
    home: Path,
    env: str | None,
    destination: Path | None,
    story: Story,
    *,
    dataset: bool,
) -> Exported:
    """Copy a member's own files and their team's DVC remote into a folder, by default `export-ENV` in `start`.

    Goes on where an interrupted one stopped. Raises BootstrapError where nobody has joined or the key is dead,
    UsageError for a folder with something else in it, or if it is not said which of several environments is meant.
    """
    folder = open_folder(start, environ, home)
    record = _joined(folder, start, env)
    member, team = record.member or "", record.team or record.member or ""
    aws = as_member.signed_in(folder, record)
    prefixes = [f"members/{member}/", f"dvc/{team}/", *(["dataset/"] if dataset else [])]

    def listing() -> list[Source]:
        return copying.listed(aws, record.bucket, prefixes)

    def fetch(source: Source, target: Path, moved: Callable[[int], None]) -> copying.Fetched | None:
        return copying.fetch(aws, record.bucket, source, target, moved)

    def texts(made: str) -> dict[str, str]:
        more = _DATASET if dataset else ""
        about = _ABOUT.format(origin=origin, bucket=record.bucket, made=made, member=member, team=team, more=more)
        return {"README.txt": about}

    origin = Origin("export", record.project, record.env, record.account_id, record.bucket, member)
    cargo = Cargo(origin, listing, fetch, texts)
    target = destination if destination is not None else start / f"export-{record.env}"
    try:
        return Exported(record, fill(folder, ArchiveFolder(target.resolve()), cargo, story))
    except AwsFailed as error:
        if isinstance(error.__cause__, Exception) and is_denied(error.__cause__):
            hint = f"Your access may have ended, or your role or team may have changed. {ASK_FOR_A_NEW_ONE}"
            raise AwsFailed(error.message, hint=hint) from error
        raise


def _joined(folder: Project, start: Path, env: str | None) -> Record:
    """Return the environment that somebody has joined here, `env` or the only one."""
    if (mine := as_member.joined(folder, env)) is not None:
        return mine
    here = ", ".join(record.env for record in folder.joined())
    all_up = folder.recorded() + replace(folder, folder=start).recorded()
    up = next((record for record in all_up if env in (None, record.env)), None)
    if up is not None:
        raise BootstrapError(
            f"You administer '{up.env}' here. `export` is for members: it copies what is theirs, with their own key.",
            hint=f"All of it, before it goes: bootstrap down --env {up.env} --archive FOLDER",
        )
    what = "No environment is" if env is None else f"'{env}' is not"
    raise BootstrapError(
        f"{what} joined in {folder.folder}." + (f" Joined here: {here}." if here else ""),
        hint="Run this in the folder where you opened your invite with `bootstrap join`.",
    )
