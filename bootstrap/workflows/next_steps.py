"""The commands to type after `up`, written so that they work as typed in the user's shell."""

from __future__ import annotations

import os
import shlex
import shutil
import sys
from pathlib import Path

from bootstrap.adapters import dvc, process
from bootstrap.core.record import Record
from bootstrap.workflows.laptop import repository_of
from bootstrap.workflows.project import Project

_SCRIPT = "import mlflow; mlflow.start_run(); mlflow.log_metric('accuracy', 0.9); mlflow.log_text('hello', 'hello.txt')"


def next_steps(project: Project, record: Record) -> list[str]:
    """Return two or three command lines that use what was just made."""
    found = [f"{_program(project, 'aws')} --profile {record.aws_profile} s3 ls s3://{record.bucket}/"]
    if repository := repository_of(project, record):
        default = dvc.default_remote(repository) == record.env
        push = "push" if default else f"push -r {record.env}"
        program = _program(project, "dvc")
        found.append(f"echo hello > hello.txt && {program} add hello.txt && {program} {push}")
    if record.mlflow_tracking_uri is not None:
        env_file = shlex.quote(os.path.relpath(project.folder / ".env"))
        dotted = env_file if "/" in env_file else f"./{env_file}"
        found.append(f'set -a; . {dotted}; set +a; {_python(project)} -c "{_SCRIPT}"')
    return found


def _program(project: Project, name: str) -> str:
    """Return what to type for a program: its name where the shell finds it, else its path."""
    if shutil.which(name, path=project.environ.get("PATH")):
        return name
    return shlex.quote(process.find(name, project.environ) or name)


def _python(project: Project) -> str:
    found = shutil.which("python", path=project.environ.get("PATH"))
    here = Path(sys.executable).parent
    return "python" if found and Path(found).parent == here else shlex.quote(sys.executable)
