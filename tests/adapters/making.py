"""A laptop on which projects are made, in a folder of its own, with what somebody has joined or brought up there."""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from bootstrap.adapters.aws.session import KeyPair
from bootstrap.core.record import Record
from bootstrap.workflows import laptop as laptops
from bootstrap.workflows.leave import Left, leave
from bootstrap.workflows.new import Made, Wanted, new
from bootstrap.workflows.new_update import Changes, Updated, update
from bootstrap.workflows.project import Project, open_folder
from tests.adapters.doubles import Story

VERSION = "1.2.3"
PASSWORD = "correct-horse-battery"
KEY = KeyPair("AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI-K7MDENG-bPxRfiCYEXAMPLEKEY")
STAG = Record(
    project="course",
    env="stag",
    target="local",
    region="us-east-1",
    account_id="123456789012",
    endpoint_url="http://127.0.0.1:5999",
    bucket="course--stag--123456789012",
    state_bucket="course--tfstate--123456789012",
    aws_profile="course-stag",
    dvc_remote_url="s3://course--stag--123456789012/dvc/ci",
    mlflow_tracking_uri="http://127.0.0.1:5998",
    mlflow_username="ci",
    complete=True,
)
ANA = replace(
    STAG,
    dvc_remote_url="s3://course--stag--123456789012/dvc/red",
    mlflow_username="ana",
    member="ana",
    role="student",
    team="red",
)


def git(folder: Path, *words: str) -> str:
    """Run git as ana, and return what it says."""
    who = ("-c", "user.name=ana", "-c", "user.email=ana@example.org")
    return subprocess.run(["git", *who, *words], cwd=folder, check=True, capture_output=True, text=True).stdout


def files(folder: Path) -> dict[str, bytes]:
    """Return path → content of every file in a project but git's own."""
    found = {path.relative_to(folder): path for path in sorted(folder.rglob("*")) if path.is_file()}
    return {path.as_posix(): full.read_bytes() for path, full in found.items() if path.parts[0] != ".git"}


@dataclass
class Maker:
    """Somebody at a terminal in `folder`, and what they are told."""

    home: Path
    folder: Path
    story: Story = field(default_factory=Story)

    def knows_git(self, name: str = "Ana Souza") -> None:
        """Tell git who this is, as everybody does once."""
        (self.home / ".gitconfig").write_text(f"[user]\n    name = {name}\n    email = ana@example.org\n")

    def new(self, name: str = "laptops", folder: Path | None = None, **more: Any) -> Made:
        wanted = Wanted(name, "ml-project", more.pop("lang", "en"), "regression", **more)
        return new(folder or self.folder, os.environ, self.home, wanted, VERSION, self.story)

    def update(self, folder: Path, version: str = VERSION, **changes: Any) -> Updated:
        return update(folder, os.environ, self.home, Changes(**changes), version, self.story)

    def has_joined(self, record: Record = ANA, folder: Path | None = None) -> None:
        """Leave behind what a `join` does, without an AWS to ask: the real one is in test_join.py."""
        project = self._remembered(record, folder)
        laptops.note_folder(project)

    def brought_up(self, record: Record = STAG) -> None:
        """Leave behind what an `up` does on the laptop."""
        self._remembered(record, None)

    def leave(self, folder: Path) -> Left:
        return leave(folder, os.environ, self.home, None)

    def _remembered(self, record: Record, folder: Path | None) -> Project:
        where = folder or self.folder
        where.mkdir(exist_ok=True)
        project = open_folder(where, os.environ, self.home)
        laptop = laptops.look_around(project)
        project.make_work()
        project.save(record)
        laptops.write_profile(laptop, record, KEY)
        laptops.write_env(laptop, record, PASSWORD, project if record.member else None)
        return project
