"""The project template as copier writes it, and what is done in such a project: its own steps, commands, git."""

from __future__ import annotations

import os
import subprocess
import sys
import warnings
from pathlib import Path

import copier

TEMPLATE = Path(__file__).resolve().parents[3] / "templates" / "ml-project"
PACKAGE = "laptop_pricing"


def copied(folder: Path, **answers: object) -> Path:
    """Write a project into a folder and return it; `answers` replace those of a student of team `red`."""
    given = {"name": "laptop-pricing", "package": "laptop_pricing", "author": "Ana", "team": "red"} | answers
    with warnings.catch_warnings():
        # It wants its template in git, and says so.
        warnings.simplefilter("ignore")
        copier.run_copy(str(TEMPLATE), folder, data=given, defaults=True, overwrite=True, quiet=True)
    return folder


def run(folder: Path, *command: str, **environ: str) -> subprocess.CompletedProcess[str]:
    """Run a command in a project as if its packages, and the project itself, were installed; return what it said."""
    programs = str(Path(sys.executable).parent)
    values = os.environ | {"PATH": f"{programs}{os.pathsep}{os.environ['PATH']}", "PYTHONPATH": str(folder)} | environ
    return subprocess.run(command, cwd=folder, env=values, capture_output=True, text=True, timeout=300, check=False)


def step(folder: Path, *words: str, **environ: str) -> subprocess.CompletedProcess[str]:
    """Run one of the project's own commands."""
    return run(folder, sys.executable, "-m", PACKAGE, *words, **environ)


def repository(folder: Path) -> Path:
    """Make a project a git repository with DVC, all of it committed."""
    for command in (
        ("git", "init", "--quiet", "--initial-branch=main"),
        ("git", "config", "user.email", "ana@example.org"),
        ("git", "config", "user.name", "Ana"),
        *([] if (folder / ".dvc" / "config").is_file() else [("dvc", "init", "--quiet")]),
        ("git", "add", "--all"),
        ("git", "commit", "--quiet", "--no-verify", "--message=The project"),
    ):
        done = run(folder, *command)
        assert done.returncode == 0, f"{command}: {done.stderr}"
    return folder
