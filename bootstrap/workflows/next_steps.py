"""The commands to type after `up` or `join`, written so that they work as typed in the user's shell."""

from __future__ import annotations

import importlib.util
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
    aws = f"{_program(project, 'aws')} --profile {record.aws_profile} s3"
    if record.member is None:
        found = [f"{aws} ls s3://{record.bucket}/"]
    else:
        found = [f"echo hello | {aws} cp - s3://{record.bucket}/members/{record.member}/hello.txt"]
    if repository := repository_of(project, record):
        default = dvc.default_remote(repository) == record.env
        push = "push" if default else f"push -r {record.env}"
        program = _program(project, "dvc")
        found.append(f"echo hello > hello.txt && {program} add hello.txt && {program} {push}")
    if record.mlflow_tracking_uri is not None and record.mlflow_username is not None:
        env_file = shlex.quote(os.path.relpath(project.folder / ".env"))
        dotted = env_file if "/" in env_file else f"./{env_file}"
        found.append(f'set -a; . {dotted}; set +a; {_python(project)} -c "{_SCRIPT}"')
    return found


def remote_lines(record: Record) -> list[str]:
    """Return the two command lines that add the DVC remote to any DVC repository."""
    return [
        f"dvc remote add --default {record.env} {record.dvc_remote_url}",
        f"dvc remote modify {record.env} profile {record.aws_profile}",
    ]


def missing_programs(project: Project, record: Record) -> list[str]:
    """Return what the lines of `next_steps` need and this machine lacks, each as typed after `pip install`."""
    packages = {"aws": "awscli", "dvc": "'dvc[s3]'"}
    found = [package for name, package in packages.items() if process.find(name, project.environ) is None]
    # Looked for, not imported: that would take seconds.
    if record.mlflow_tracking_uri is not None and importlib.util.find_spec("mlflow") is None:
        found.append("mlflow")
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
