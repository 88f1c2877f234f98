"""`restore-check`: whether an archive or an export is still, to the byte, what it was. Needs nothing else."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from bootstrap.adapters.archive_folder import ArchiveFolder
from bootstrap.adapters.aws import archive_destination
from bootstrap.adapters.aws.archive_bucket import ArchivedObjects
from bootstrap.adapters.aws.session import Aws
from bootstrap.core.counts import counted
from bootstrap.core.manifest import MANIFEST, Manifest
from bootstrap.core.s3_address import S3Address
from bootstrap.errors import BootstrapError
from bootstrap.workflows.archive_store import Readable
from bootstrap.workflows.copy_out import unsound
from bootstrap.workflows.story import Story

# Where S3 knows in which region each bucket is, but for those of China and of the US government.
_ANY_REGION = "us-east-1"


@dataclass(frozen=True)
class Checked:
    """What came of it: paths below the folder or the address.

    `manifest_sha256` is that of the list itself, to compare elsewhere.
    """

    manifest: Manifest
    manifest_sha256: str
    missing: tuple[str, ...]
    changed: tuple[str, ...]
    extra: tuple[str, ...]

    @property
    def right(self) -> bool:
        """Whether everything is there as it was, and nothing else."""
        return not (self.missing or self.changed or self.extra)


def restore_check(place: Path | S3Address, story: Story, *, profile: str | None = None, region: str = "") -> Checked:
    """Read every file and compare it with the manifest. Raises BootstrapError if there is no manifest to read.

    In S3 each object is read, with the rights of `profile`; a `region` is where S3 is asked first, and none is needed
    in most parts of AWS. Raises AwsFailed there for what this identity may not read.
    """
    store = _open(place, profile, region)
    if (finished := store.manifest()) is None:
        if store.is_begun:
            raise BootstrapError(
                f"{store.where} was not finished.",
                hint="Run the command that made it again; it goes on where it stopped.",
            )
        raise BootstrapError(
            f"{store.where} is no archive: there is no {MANIFEST} in it.",
            hint=f"Name the {store.noun} that `--archive` or `bootstrap export` was given.",
        )
    manifest, digest = finished
    title = f"Reading {counted(len(manifest.files), 'file')}"
    bad = unsound(store.is_sound, list(manifest.files), story, title)
    missing = tuple(path for path in bad if not store.has(path))
    changed = tuple(path for path in bad if path not in missing)
    return Checked(manifest, digest, missing, changed, tuple(sorted(store.others(manifest))))


def _open(place: Path | S3Address, profile: str | None, region: str) -> Readable:
    if isinstance(place, S3Address):
        aws = Aws(region or _ANY_REGION, profile=profile)
        return ArchivedObjects(archive_destination.located(aws, place.bucket), place)
    if not place.is_dir():
        raise BootstrapError(f"There is no folder {place}.", hint="Name the folder of an archive or an export.")
    return ArchiveFolder(place)
