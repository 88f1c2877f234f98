"""The database of MLflow for an archive: the laptop's is copied, a machine is asked for a copy of its own.

The machine looks once a minute for an object that says that a copy is wanted, leaves a consistent one beside it and
takes that object away. It never is under any other name in the bucket, and nobody but the operator reads that place.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from bootstrap.adapters.aws import objects
from bootstrap.adapters.mlflow_archive import copy_database
from bootstrap.core.record import Record
from bootstrap.errors import BootstrapError
from bootstrap.workflows import local
from bootstrap.workflows.project import Project
from bootstrap.workflows.story import Story
from bootstrap.workflows.target import Place

# Where a machine is asked and answers. What lies there is no file of anybody's, and goes into no archive.
BACKUP = "mlflow/.backup/"
_WANTED, _COPY = f"{BACKUP}wanted", f"{BACKUP}mlflow.db"
_SECONDS = 180.0
_PAUSE = 2.0

WITHOUT = "--without-runs"


class Database(Protocol):
    """Where the runs come from."""

    def copy(self, target: Path) -> None:
        """Write a sound copy, as they are at that moment, in place of `target`. Raises BootstrapError."""

    def discard(self) -> None:
        """Throw away what was kept of the last copy: the next one is new."""


@dataclass(frozen=True)
class LaptopDatabase:
    """The database of a server on this machine, running or not."""

    path: Path

    def copy(self, target: Path) -> None:
        """Copy the file."""
        copy_database(self.path, target)

    def discard(self) -> None:
        """Nothing is kept: each copy is new."""


@dataclass
class MachineDatabase:
    """The database of a server on a machine of its own. Asked once, until `discard`: a copy takes it up to a minute."""

    place: Place
    bucket: str
    env: str
    story: Story
    sleep: Callable[[float], None] = time.sleep
    _folder: tempfile.TemporaryDirectory[str] | None = field(default=None, init=False)

    def copy(self, target: Path) -> None:
        """Ask for a copy unless there is one, and clean it as the laptop's is cleaned."""
        if self._folder is None:
            self._folder = self._fetched()
        copy_database(Path(self._folder.name) / "mlflow.db", target)

    def discard(self) -> None:
        """Throw away the copy from before."""
        if self._folder is not None:
            self._folder.cleanup()
            self._folder = None

    def _fetched(self) -> tempfile.TemporaryDirectory[str]:
        aws = self.place.aws
        with self.story.step("Asking MLflow's machine for a copy of its database") as step:
            asked = objects.put_empty(aws, self.bucket, _WANTED)
            waited = 0.0
            while objects.changed(aws, self.bucket, _WANTED) is not None:
                if waited >= _SECONDS:
                    objects.delete_keys(aws, self.bucket, iter([_WANTED]))
                    raise self._silent()
                step.detail(f"it looks once a minute; {waited:.0f} of at most {_SECONDS:.0f} s")
                self.sleep(_PAUSE)
                waited += _PAUSE
            made = objects.changed(aws, self.bucket, _COPY)
            if made is None or made < asked:
                raise self._silent()
            folder = tempfile.TemporaryDirectory(prefix="bootstrap-")  # 0700
            try:
                objects.fetch(aws, self.bucket, _COPY, Path(folder.name) / "mlflow.db")
            except BaseException:
                folder.cleanup()
                raise
        return folder

    def _silent(self) -> BootstrapError:
        return BootstrapError(
            f"The machine that MLflow of '{self.env}' runs on did not leave a copy of its database within "
            f"{_SECONDS / 60:.0f} minutes. Nothing was removed.",
            hint=f"Look whether it runs: bootstrap status --env {self.env}. To go on without the runs and models, of "
            f"which an archive then has only the artifacts: add {WITHOUT}",
        )


def database_of(project: Project, record: Record, place: Place, story: Story) -> Database | None:
    """Return where an environment's runs are, None where it has no server of ours with any."""
    if record.mlflow == "ec2":
        return MachineDatabase(place, record.bucket, record.env, story) if record.mlflow_tracking_uri else None
    path = local.mlflow_server(project, record.env).folder / "mlflow.db"
    return LaptopDatabase(path) if path.is_file() else None
