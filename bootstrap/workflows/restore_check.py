"""`restore-check`: whether an archive or an export is still, to the byte, what it was. Needs nothing but its folder."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from bootstrap.adapters.archive_folder import ArchiveFolder
from bootstrap.core.counts import counted
from bootstrap.core.manifest import Manifest
from bootstrap.errors import BootstrapError
from bootstrap.workflows.copy_out import unsound
from bootstrap.workflows.story import Story


@dataclass(frozen=True)
class Checked:
    """What came of it: paths below the folder. `manifest_sha256` is that of the list itself, to compare elsewhere."""

    manifest: Manifest
    manifest_sha256: str
    missing: tuple[str, ...]
    changed: tuple[str, ...]
    extra: tuple[str, ...]

    @property
    def right(self) -> bool:
        """Whether everything is there as it was, and nothing else."""
        return not (self.missing or self.changed or self.extra)


def restore_check(folder: Path, story: Story) -> Checked:
    """Read every file and compare it with the manifest. Raises BootstrapError if there is no manifest to read."""
    if not folder.is_dir():
        raise BootstrapError(f"There is no folder {folder}.", hint="Name the folder of an archive or an export.")
    store = ArchiveFolder(folder)
    manifest = store.manifest()
    if manifest is None:
        if store.is_begun:
            raise BootstrapError(
                f"{folder} was not finished.", hint="Run the command that made it again; it goes on where it stopped."
            )
        raise BootstrapError(
            f"{folder} is no archive: there is no {store.manifest_file.name} in it.",
            hint="Name the folder that `--archive` or `bootstrap export` was given.",
        )
    digest = hashlib.sha256(store.manifest_file.read_bytes()).hexdigest()
    title = f"Reading {counted(len(manifest.files), 'file')}"
    bad = unsound(store, list(manifest.files), story, title)
    missing = tuple(path for path in bad if not (folder / path).exists())
    changed = tuple(path for path in bad if path not in missing)
    return Checked(manifest, digest, missing, changed, tuple(sorted(store.others(manifest))))
