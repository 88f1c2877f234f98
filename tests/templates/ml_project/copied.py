"""The project template as copier writes it, with nothing of git or DVC around it."""

from __future__ import annotations

import warnings
from pathlib import Path

import copier

TEMPLATE = Path(__file__).resolve().parents[3] / "templates" / "ml-project"


def copied(folder: Path, **answers: object) -> Path:
    """Write a project into a folder and return it; `answers` replace those of a student of team `red`."""
    given = {"name": "laptop-pricing", "package": "laptop_pricing", "author": "Ana", "team": "red"} | answers
    with warnings.catch_warnings():
        # It wants its template in git, and says so.
        warnings.simplefilter("ignore")
        copier.run_copy(str(TEMPLATE), folder, data=given, defaults=True, overwrite=True, quiet=True)
    return folder
