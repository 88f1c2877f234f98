"""A new project by itself, in a fresh virtual environment and in each language: what its README says a developer runs.

It installs all that a project needs, some 280 packages, which takes minutes and needs a package index, so it runs when
asked for:

    WALK_ML_PROJECT=1 pytest tests/templates/ml_project/test_on_its_own.py

What costs no installation runs always: the project's linter.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.templates.ml_project.rendered import copied, repository, run

LANGUAGES = ("en", "pt-BR")


@pytest.mark.parametrize("answers", [{}, {"lang": "pt-BR", "name": "ab", "package": "ab"}, {"gitlab": True}], ids=str)
def test_its_linter_finds_nothing(tmp_path: Path, answers: dict[str, object]) -> None:
    project = copied(tmp_path, **answers)
    for words in (("check",), ("format", "--check")):
        done = run(project, "ruff", *words, "--no-cache", ".")
        assert done.returncode == 0, done.stdout


@pytest.fixture(scope="module", params=LANGUAGES)
def project(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return repository(copied(tmp_path_factory.mktemp(request.param), lang=request.param))


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the programs of an environment with all that a project and its developers need, but no project."""
    folder = tmp_path_factory.mktemp("environment")
    alone = copied(tmp_path_factory.mktemp("for its requirements"))
    subprocess.run([sys.executable, "-m", "venv", folder], check=True)
    programs = folder / ("Scripts" if os.name == "nt" else "bin")
    # As the README has it, but from the tools that build a project, which pip would fetch aside for each of them.
    words = ["install", "--quiet", "-r", "requirements.txt", "--no-build-isolation", "-e", ".[dev]"]
    subprocess.run([programs / "pip", "install", "--quiet", "hatchling", "editables"], check=True)
    subprocess.run([programs / "pip", *words], cwd=alone, check=True)
    subprocess.run([programs / "pip", "uninstall", "--quiet", "--yes", "laptop-pricing"], check=True)
    subprocess.run([programs / "pip", "check"], check=True)
    return programs


@pytest.mark.e2e
@pytest.mark.skipif(not os.environ.get("WALK_ML_PROJECT"), reason="takes minutes; set WALK_ML_PROJECT=1")
@pytest.mark.parametrize(
    "words",
    [
        ("ruff", "check", "."),
        ("ruff", "format", "--check", "."),
        ("mypy",),
        ("pytest",),
        ("dvc", "repro"),
        ("mkdocs", "build", "--strict"),
        ("pre-commit", "run", "--all-files"),
    ],
    ids=lambda words: words[0],
)
def test_it_passes(words: tuple[str, ...], project: Path, installed: Path, home: Path) -> None:
    path = f"{installed}{os.pathsep}{os.environ['PATH']}"
    done = run(project, str(installed / words[0]), *words[1:], PATH=path, VIRTUAL_ENV=str(installed.parent))
    assert done.returncode == 0, done.stdout + done.stderr
