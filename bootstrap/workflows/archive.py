"""The archive before the end: all of an environment in a folder or another bucket, and proof that it is all of it."""

from __future__ import annotations

import hashlib
import json
import shlex
from collections.abc import Callable
from pathlib import Path

from bootstrap.adapters.archive_folder import ArchiveFolder
from bootstrap.adapters.aws import archive_destination, buckets, copying
from bootstrap.adapters.aws.archive_bucket import ArchiveBucket
from bootstrap.adapters.files import read_text
from bootstrap.core.manifest import Origin, Source
from bootstrap.core.membership import Membership
from bootstrap.core.names import Names
from bootstrap.core.record import Record
from bootstrap.core.s3_address import S3Address
from bootstrap.errors import UsageError
from bootstrap.workflows.archive_store import ArchiveStore
from bootstrap.workflows.copy_out import Archived, Cargo, fill, require_elsewhere
from bootstrap.workflows.mlflow_database import BACKUP, database_of
from bootstrap.workflows.project import Project
from bootstrap.workflows.registry import open_registry
from bootstrap.workflows.story import Story
from bootstrap.workflows.target import Place

_ABOUT = """\
This folder is the {origin},
copied out of the bucket {bucket} and made {made}.

  manifest.json    every file here: its key in the bucket, version, size, SHA-256, and when it was last changed
  bucket/          what everybody shared: dataset/, dvc/, and whatever else lay in the bucket
  members/NAME/    the files of one member, to be given to them
  members.json     who was in; roster.csv, if it is there, is the list that they were brought in with
  mlflow/          artifacts/ is what MLflow kept in the bucket; mlflow.db has its runs
{more}{fetched}
Is everything still here, and unchanged?

  bootstrap restore-check FOLDER

A file whose name in the bucket would be no good name for a file is in a folder +names; manifest.json has its key.

A team's DVC remote, in a clone of the team's repository:

  dvc remote add --default archive FOLDER/bucket/dvc/TEAM
  dvc pull

{mlflow}"""
_FROM_S3 = """
It was put into S3. For everything below, let it come into a folder on a machine first:

  aws s3 cp --recursive {address} FOLDER

Where it lies it can be checked too: bootstrap restore-check {address}
"""
_VERSIONS = """\
  versions/        older and deleted versions of files: versions/KEY/VERSION
"""
_MLFLOW = """\
Every run of MLflow again, at http://127.0.0.1:5000. MLflow writes to its database, so let it work on a copy:

  cp -r FOLDER/mlflow mlflow-again && cd mlflow-again
  pip install 'mlflow>=3.17,<3.18'
  mlflow server --backend-store-uri sqlite:///mlflow.db --artifacts-destination ./artifacts

The accounts of the old server are not here: whoever reaches that address sees everything.
"""
_NO_MLFLOW = """\
There is no mlflow.db: no MLflow server of this environment was on the machine that made this folder.
"""
_AT_DAGSHUB = """\
There is no mlflow.db: the runs are where they were logged, at {url}
"""
_RUNS_MISSING = """\
There is no mlflow.db: the machine that MLflow ran on left no copy of its database, and this was made without it. What
is in mlflow/artifacts can be read; which run it is of, its parameters and metrics are lost unless they are elsewhere.
"""


def require_usable(project: Project, record: Record, destination: Path | S3Address) -> None:
    """Find out what can be known to be wrong with a destination before anybody looks at the environment.

    Raises UsageError.
    """
    if isinstance(destination, S3Address):
        if record.target == "local":
            raise UsageError(
                f"'{record.env}' is a rehearsal on this laptop, and its emulator goes with all its buckets: an archive "
                f"in {destination} would go with it.",
                hint="Name a folder: --archive DIR",
            )
        if _is_the_projects(project, record, destination.bucket):
            raise UsageError(
                f"The bucket {destination.bucket} goes with the project '{record.project}'.",
                hint="Name a bucket that this tool did not make.",
            )
        return
    require_elsewhere(project, destination)
    ArchiveFolder(destination.resolve()).require_usable()


def _is_the_projects(project: Project, record: Record, bucket: str) -> bool:
    """Tell whether a bucket has a name that only an environment of this project gets."""
    # A name that had to be cut short shows only when it is made again.
    ours = {Names(record.project, env, record.account_id).bucket for env in project.spec.environments}
    if bucket in {record.bucket, record.state_bucket, *ours}:
        return True
    return bucket.startswith(f"{record.project}--") and bucket.endswith(f"--{record.account_id}")


def open_archive(
    project: Project, record: Record, place: Place, destination: Path | S3Address, story: Story
) -> ArchiveStore:
    """Return what an archive is written to, when it is certain that it can be; leaves nothing there.

    A bucket is looked at closely: it must be there, in the environment's account, not go with any environment, not be
    public, and take, give and remove a small object of ours, all of it as the operator. Raises UsageError for what is
    wrong with the destination, BootstrapError for what cannot be done there.
    """
    require_usable(project, record, destination)
    if not isinstance(destination, S3Address):
        return ArchiveFolder(destination.resolve())
    bucket, owner = destination.bucket, place.names.account
    aws = archive_destination.located(place.aws, bucket, owner)
    archive_destination.require_lasting(aws, bucket)
    archive_destination.require_private(aws, bucket, story.note)
    digest = hashlib.sha256(str(destination).encode()).hexdigest()[:16]
    store = ArchiveBucket(aws, destination, owner, work=project.env_folder(record.env) / "archive" / digest)
    store.require_usable()
    archive_destination.try_out(aws, destination, owner)
    return store


def make_archive(
    project: Project,
    record: Record,
    place: Place,
    store: ArchiveStore,
    versions: bool,
    story: Story,
    settle: Callable[[], None] = lambda: None,
    *,
    runs: bool = True,
) -> Archived:
    """Copy all that an environment holds into `store` and verify it; nothing is deleted.

    Without `runs`, MLflow's database is left out, and the archive says so. `settle` is called when everything is there
    but the end: it ends all that may still be written.
    Goes on where an interrupted one stopped. A finished archive that has everything that is there now is read again,
    and taken for this one; so a `down` can be run again. Raises UsageError for a destination with something else in
    it, BootstrapError if anything cannot be copied or does not verify.
    """
    names, aws, bucket = place.names, place.aws, record.bucket
    there = buckets.exists(aws, bucket, names.account)
    # A machine is asked by way of the bucket; a `down` before this one may have come further than that.
    database = database_of(project, record, place, story) if runs and (there or record.mlflow != "ec2") else None

    # At the beginning: should the list of members be damaged, nobody waits for the files first.
    people = _people(open_registry(project, place, story).membership)

    def listing() -> list[Source]:
        if not there:
            return []
        found = copying.listed_versions(aws, bucket) if versions else copying.listed(aws, bucket, [""])
        return [one for one in found if not one.key.startswith(BACKUP)]

    def fetch(source: Source, target: Path, moved: Callable[[int], None]) -> copying.Fetched | None:
        return copying.fetch(aws, bucket, source, target, moved)

    def texts(made: str) -> dict[str, str]:
        found = {"members.json": people}
        if (roster := read_text(project.folder / project.spec.roster)) is not None:
            found["roster.csv"] = roster
        more, mlflow = _VERSIONS if versions else "", _about_runs(record, has=database is not None)
        fetched = _FROM_S3.format(address=shlex.quote(store.where)) if store.folder is None else ""
        words = {"origin": origin, "bucket": bucket, "made": made, "more": more, "fetched": fetched, "mlflow": mlflow}
        found["README.txt"] = _ABOUT.format(**words)
        return found

    origin = Origin("archive", record.project, record.env, names.account, bucket, versions=versions)
    cargo = Cargo(origin, listing, fetch, texts, database)
    try:
        return fill(project, store, cargo, story, settle)
    finally:
        if database is not None:
            database.discard()


def _about_runs(record: Record, *, has: bool) -> str:
    if has:
        return _MLFLOW
    if record.mlflow == "dagshub":
        return _AT_DAGSHUB.format(url=record.mlflow_tracking_uri)
    return _RUNS_MISSING if record.mlflow == "ec2" and record.mlflow_tracking_uri else _NO_MLFLOW


def _people(membership: Membership) -> str:
    """Return who is in, without anything that has to do with their keys."""
    listed = [
        {
            "name": one.name,
            "role": one.role,
            "team": one.team_name,
            "expires": one.expires.isoformat() if one.expires else None,
        }
        for _, one in sorted(membership.members.items())
    ]
    return json.dumps({"members": listed}, indent=1) + "\n"
