"""A stand-in for Docker, of which there is none here: the steps of a Dockerfile, run in folders instead of images.

A stage is a folder, and `/venv`, `/app` and `/build` are folders in it. Python is the one that runs the tests. What a
container adds is left out: another user, a root that cannot be written, an operating system of its own.
https://docs.docker.com/reference/dockerfile/
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

_FOLDERS = re.compile(r"/(?=(?:venv|app|build)\b)")


@dataclass
class Stage:
    """A stage that was built: its folder, what a container of it runs, where, and with which environment."""

    root: Path
    workdir: str = "/"
    env: dict[str, str] = field(default_factory=dict)
    command: list[str] = field(default_factory=list)
    health: list[str] = field(default_factory=list)

    def words(self, said: str) -> list[str]:
        """Return a command that stands in JSON, its folders being those of the stage."""
        found = json.loads(said)
        assert isinstance(found, list)
        return [str(word) for word in found]

    @property
    def folder(self) -> Path:
        """The folder in which commands run."""
        return self.root / self.workdir.lstrip("/")

    def environment(self, **more: str) -> dict[str, str]:
        """Return the environment of a command: nothing of this machine's but where its programs are."""
        here = {name: _FOLDERS.sub(f"{self.root}/", value) for name, value in self.env.items()}
        path = here.get("PATH", "$PATH").replace("$PATH", os.environ["PATH"])
        return {**here, "PATH": path, "HOME": str(self.root), **more}


def build(project: Path, scratch: Path) -> dict[str, Stage]:
    """Build every stage of a project's Dockerfile below `scratch`; stage → what came out."""
    text = re.sub(r"^#.*\n", "", (project / "Dockerfile").read_text(encoding="utf-8"), flags=re.MULTILINE)
    lines = [line for line in text.replace("\\\n", " ").splitlines() if line.strip()]
    context = _context(project, scratch / "context")
    stages: dict[str, Stage] = {}
    stage = Stage(scratch)
    for line in lines:
        word, _, rest = line.partition(" ")
        if word == "FROM":
            base, _, name = rest.partition(" AS ")
            stage = Stage(scratch / name)
            stage.root.mkdir(parents=True)
            if base in stages:
                shutil.copytree(stages[base].root, stage.root, symlinks=True, dirs_exist_ok=True)
                stage.workdir, stage.env = stages[base].workdir, dict(stages[base].env)
            stages[name] = stage
        else:
            _step(word, rest.strip(), stage, stages, context)
    return stages


def _step(word: str, rest: str, stage: Stage, stages: dict[str, Stage], context: Path) -> None:
    if word == "ENV":
        stage.env |= dict(pair.split("=", 1) for pair in rest.split())
    elif word == "WORKDIR":
        stage.workdir = rest
        stage.folder.mkdir(parents=True, exist_ok=True)
    elif word == "CMD":
        stage.command = stage.words(rest)
    elif word == "HEALTHCHECK":
        stage.health = stage.words(rest.partition("CMD ")[2])
    elif word == "COPY":
        *sources, to = rest.split()
        whence = context
        if sources[0].startswith("--from="):
            whence = stages[sources.pop(0).removeprefix("--from=")].root
        target = stage.root / to.lstrip("/") if to.startswith("/") else stage.folder / to
        for source in sources:
            _copy(whence / source.lstrip("/"), target)
    elif word == "RUN":
        if rest.startswith("useradd"):
            # Another user is a container's affair; the folders that it is given are not.
            (stage.root / "app" / "logs").mkdir(parents=True)
            return
        script = _FOLDERS.sub(f"{stage.root}/", rest)
        if script.startswith("python -m venv"):
            script = script.replace("python", sys.executable, 1)
        done = subprocess.run(
            ["sh", "-ec", script],
            cwd=stage.folder if stage.workdir != "/" else stage.root,
            env=stage.environment(),
            capture_output=True,
            text=True,
            timeout=1200,
        )
        assert done.returncode == 0, done.stdout + done.stderr
    else:
        assert word in ("ARG", "EXPOSE", "USER"), word


def _copy(source: Path, target: Path) -> None:
    if source.is_dir():
        # What is started from an environment's folder finds its packages beside itself, so links are as good here.
        if source.name == "venv":
            target.symlink_to(source)
        else:
            shutil.copytree(source, target, dirs_exist_ok=True)
    else:
        target.mkdir(parents=True, exist_ok=True)
        shutil.copy(source, target)


def _context(project: Path, to: Path) -> Path:
    """Copy what .dockerignore lets through: it ignores everything and then names what may in."""
    for line in (project / ".dockerignore").read_text(encoding="utf-8").splitlines():
        if not line.startswith("!"):
            continue
        source, target = project / line[1:], to / line[1:]
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
        elif source.exists():
            shutil.copy(source, target)
    return to
