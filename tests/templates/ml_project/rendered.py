"""The project template, rendered the way copier renders it, without copier: no questions, no answers file, no git."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import jinja2

TEMPLATE = Path(__file__).resolve().parents[3] / "templates" / "ml-project"
PACKAGE = "laptop_pricing"
ANSWERS = {
    "name": "laptop-pricing",
    "package": PACKAGE,
    "lang": "en",
    "model": "regression",
    "author": "Ana",
    "team": "red",
    "env": "stag",
    "bucket": "",
    "mlflow_uri": "",
    "profile": "",
    "gitlab": False,
    "repository": "",
}
_LEFT_BY_TOOLS = {"__pycache__", ".ipynb_checkpoints", ".mypy_cache", ".pytest_cache", ".ruff_cache"}


def render(target: Path, **answers: object) -> Path:
    """Write the project into a folder and return it. A file whose rendered name is empty is left out, as in copier."""
    environment = jinja2.Environment(  # noqa: S701 - what is rendered is no HTML
        undefined=jinja2.StrictUndefined, keep_trailing_newline=True, loader=jinja2.FileSystemLoader(TEMPLATE)
    )
    environment.filters["to_json"] = json.dumps
    values = ANSWERS | answers | {"_copier_answers": {}}
    project = TEMPLATE / "project"
    for source in sorted(project.rglob("*")):
        relative = source.relative_to(project)
        if not source.is_file() or _LEFT_BY_TOOLS.intersection(relative.parts):
            continue
        parts = [environment.from_string(part).render(values) for part in relative.parts]
        if not all(part.removesuffix(".jinja") for part in parts):
            continue
        to = target.joinpath(*parts)
        to.parent.mkdir(parents=True, exist_ok=True)
        if to.suffix != ".jinja":
            shutil.copyfile(source, to)
        elif "_copier" not in relative.name and ".copier-answers" not in relative.name:
            text = environment.from_string(source.read_text(encoding="utf-8")).render(values)
            to.with_suffix("").write_text(text, encoding="utf-8")
    return target


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
