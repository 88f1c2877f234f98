"""The README's two commands for a newcomer, and `.ci/run`, which takes the second one from there."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from bootstrap.core.toml_lines import parse

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
SECTIONS = ("Quick start", "Run the tests")

needs_a_shell = pytest.mark.skipif(
    sys.platform == "win32" or shutil.which("awk") is None, reason=".ci/run is a shell script"
)


def first_block(section: str) -> str:
    """Return the first fenced block below a heading of the second level, and nothing of the next section."""
    below = re.search(rf"^## {section}\n(.*?)(?=^## |\Z)", README, re.MULTILINE | re.DOTALL)
    assert below is not None, f"there is no section {section}"
    block = re.search(r"^```bash\n(.*?)^```$", below[1], re.MULTILINE | re.DOTALL)
    assert block is not None, f"there is no block in {section}"
    return block[1].removesuffix("\n")


@pytest.mark.parametrize("section", SECTIONS)
def test_a_section_begins_with_one_command_line(section: str) -> None:
    block = first_block(section)
    assert "\n" not in block
    assert not block.endswith("\\")


@pytest.mark.parametrize("section", SECTIONS)
def test_what_the_command_names_is_there(section: str) -> None:
    block = first_block(section)
    project = parse((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"]

    named = re.findall(r"(?:^|\s)-c (\S+)", block)
    assert named == [".ci/constraints.txt"]
    assert all((ROOT / name).is_file() for name in named)

    [asked] = re.findall(r"'\.\[([a-z,]+)\]'", block)
    assert set(asked.split(",")) <= set(extras)

    required = [*project["dependencies"], *(each for extra in extras.values() for each in extra)]
    installed = {re.split(r"[<>=\[; ]", each)[0] for each in required}
    programs = set(re.findall(r"\.venv/bin/(\w+)", block)) - {"activate", "pip", "python"}
    assert programs <= installed
    assert all(module in installed for module in re.findall(r"python -m (?!venv)(\w+)", block))


def test_every_pin_in_the_constraints_is_plain() -> None:
    lines = (ROOT / ".ci/constraints.txt").read_text(encoding="utf-8").splitlines()
    pins = [line for line in lines if line and not line.startswith("#")]
    assert len(pins) > 100
    assert [pin for pin in pins if not re.fullmatch(r"[a-z0-9-]+==[A-Za-z0-9.+!]+( ; .+)?", pin)] == []


def run_ci(folder: Path, readme: str, path: str | None = None) -> subprocess.CompletedProcess[str]:
    """Run `.ci/run` in a copy of the project that has a README and nothing else."""
    (folder / ".ci").mkdir(parents=True)
    shutil.copy(ROOT / ".ci/run", folder / ".ci/run")
    (folder / "README.md").write_text(readme, encoding="utf-8")
    env = {**os.environ, "PATH": path or os.environ["PATH"]}
    return subprocess.run([folder / ".ci/run"], cwd="/", env=env, capture_output=True, text=True, check=False)


@needs_a_shell
def test_ci_runs_the_command_of_the_readme_in_the_project(tmp_path: Path) -> None:
    stub = tmp_path / "bin"
    stub.mkdir()
    for name in ("python3", ".venv/bin/python"):
        program = stub / Path(name).name
        program.write_text('#!/bin/sh\necho "stub: $PWD: $*"\nexit 7\n', encoding="utf-8")
        program.chmod(0o755)
    done = run_ci(tmp_path / "clone", README, path=f"{stub}{os.pathsep}{os.environ['PATH']}")
    printed, ran = done.stdout.splitlines()
    assert printed == first_block("Run the tests")
    assert ran == f"stub: {(tmp_path / 'clone').resolve()}: -m venv .venv"
    assert done.returncode == 7


@needs_a_shell
def test_ci_takes_the_first_block_of_that_section_only(tmp_path: Path) -> None:
    readme = (
        "## Quick start\n\n```bash\necho no\n```\n\n## Run the tests\n\nWords.\n\n"
        "```bash\necho yes\n```\n\n```bash\necho later\n```\n"
    )
    done = run_ci(tmp_path, readme)
    assert (done.returncode, done.stdout) == (0, "echo yes\nyes\n")


@needs_a_shell
def test_ci_fails_without_a_command(tmp_path: Path) -> None:
    done = run_ci(tmp_path, "# bootstrap\n\n## Run the tests\n\nSoon.\n")
    assert done.returncode == 1
    assert "Run the tests" in done.stderr
