"""The wheel: it holds all that is needed, works outside of the clone, and nothing is written into the package."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

import pytest

from .course import Course, ended

pytestmark = pytest.mark.e2e

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def installed(tmp_path: Path) -> Path:
    """Return the Python of a new virtual environment with the wheel in it, and with this one's other packages."""
    source = tmp_path / "source"
    ignored = shutil.ignore_patterns("__pycache__", ".terraform*", "*.tfstate*")
    for name in ("bootstrap", "infra", "templates"):
        shutil.copytree(ROOT / name, source / name, ignore=ignored)
    for name in ("pyproject.toml", "README.md"):
        shutil.copy(ROOT / name, source)
    environ = {k: v for k, v in os.environ.items() if not k.startswith("PYTHON")}
    # With its own environment `build` fetches the backend from the package index.
    isolated = () if importlib.util.find_spec("hatchling") is None else ("--no-isolation",)
    build = (sys.executable, "-m", "build", "--wheel", *isolated, "--outdir", str(tmp_path / "dist"), str(source))
    subprocess.run(build, env=environ, check=True, capture_output=True)
    (wheel,) = (tmp_path / "dist").iterdir()

    venv.create(tmp_path / "venv", with_pip=False, symlinks=True)
    python = tmp_path / "venv" / "bin" / "python"
    pip = (sys.executable, "-m", "pip", "--python", str(python), "install", "--no-deps", "--no-index", "--no-compile")
    subprocess.run((*pip, str(wheel)), env=environ, check=True, capture_output=True)
    (package,) = (tmp_path / "venv").glob("lib/python*/site-packages/bootstrap")
    # The folder alone: what else it holds of .pth files, such as one of an editable install, is not looked at.
    (package.parent / "others.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return python


def listing(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


@pytest.mark.by_turns
def test_it_works_outside_of_the_clone(course: Course, installed: Path) -> None:
    course.env["PYTHONDONTWRITEBYTECODE"] = "1"
    where = course.run(str(installed), "-c", "import bootstrap; print(bootstrap.__file__)").out.strip()
    package = Path(where).parent
    assert package.is_relative_to(installed.parents[1]), "it is the clone's"
    assert (package / "_data" / "infra" / "environment" / "main.tf").is_file()
    before = listing(package)

    command = str(installed.with_name("bootstrap"))
    done = ended(course.start(command, "plan", "--env", "stag", "--local"), 3)
    assert f"the S3 bucket {course.bucket}" in done.out
    ended(course.start(command, "init"), 0)
    assert "[environments.stag]" in (course.folder / "bootstrap.toml").read_text()
    ended(course.start(command, "new", "laptops"), 0)
    # Names that packaging might pass over: of files that begin with a dot, and of folders that copier fills in.
    made = ("README.md", ".gitignore", ".dvc/config", ".dvc/.gitignore", ".vscode/settings.json", "data/raw/.gitkeep")
    assert [name for name in made if not (course.folder / "laptops" / name).is_file()] == []
    assert listing(package) == before
