"""`bootstrap github workflows`: the files that make GitHub test and train."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from bootstrap.adapters.files import read_text, write_atomic
from bootstrap.adapters.git import Git
from bootstrap.assets import TEMPLATES
from bootstrap.core.workflow_files import WorkflowFile, files_for, plan_writes, render

if TYPE_CHECKING:
    from bootstrap.core.github import Scope
    from bootstrap.workflows.project import Project

# Texts that are meant to be committed and hold no secret.
_MODE = 0o644


@dataclass(frozen=True)
class Workflows:
    """What was done with each workflow, and the folder that their paths begin in."""

    folder: Path
    files: tuple[WorkflowFile, ...]

    @property
    def kept(self) -> tuple[WorkflowFile, ...]:
        """The files that were left alone because somebody else had a hand in them."""
        return tuple(file for file in self.files if file.what == "kept")


def write_workflows(project: Project, scope: Scope, *, force: bool = False) -> Workflows:
    """Write the workflows into the git repository's top folder, or the project's own outside of one.

    GitHub looks for them there and nowhere else. `scope` is where GitHub keeps the variables and secrets of an
    environment. Nothing that was changed by hand is overwritten unless with `force`. Raises what `core.render`
    raises, and BootstrapError where a file cannot be read or written.
    """
    own = project.folder.resolve()
    top = (Git(own, project.environ).top() or own).resolve()
    folder = "" if own == top else own.relative_to(top).as_posix()
    templates = files_for(project.spec)
    rendered = {
        path: render((TEMPLATES / "github" / template).read_text(encoding="utf-8"), project.spec, scope, folder)
        for path, template in templates.items()
    }
    existing = {path: read_text(top / path) for path in templates}
    files = plan_writes(rendered, existing, force=force)
    for file in files:
        if file.what in ("created", "updated", "overwritten"):
            write_atomic(top / file.path, file.text, mode=_MODE)
    return Workflows(top, files)
