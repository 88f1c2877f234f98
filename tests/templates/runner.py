"""A stand-in for GitHub's runner: there is no GitHub here.

It does what the templates need of one: `${{ }}` is worked out, a `run:` is really run by bash as GitHub runs it, and
the three actions are replaced by what they leave behind (the code, a Python, credentials in the environment).
https://docs.github.com/actions/reference/workflows-and-actions/workflow-syntax#jobsjob_idstepsshell
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from bootstrap.core.github import Scope
from bootstrap.core.spec import parse_spec
from bootstrap.core.workflow_files import render

TEMPLATES = Path(__file__).resolve().parents[2] / "templates" / "github"
# The programs beside this Python: no virtual environment has to be activated for the tests.
PROGRAMS = Path(sys.executable).parent
ONE = "[environments.stag]\n"
THREE = "[environments.devl]\n[environments.stag]\n[environments.prod]\n"


def rendered(template: str, auth: str, scope: Scope, environments: str = THREE, folder: str = "") -> str:
    toml = f'project = "course"\n{environments}[github]\nrepository = "ana/course"\nauth = "{auth}"\n'
    spec = parse_spec(toml, "bootstrap.toml")
    return render((TEMPLATES / template).read_text(encoding="utf-8"), spec, scope, folder)


def parsed(text: str) -> dict[str, Any]:
    # Every value stays the text it is; YAML 1.1 would make the key `on` a True.
    found = yaml.load(text, Loader=yaml.BaseLoader)  # noqa: S506 - builds nothing but texts, lists and mappings
    assert isinstance(found, dict)
    return found


def evaluate(text: str, contexts: Mapping[str, str], folder: Path | None = None) -> str:
    """Work out every `${{ }}` of a text; `contexts` are as `vars.AWS_REGION`. What is not there is empty."""
    return re.sub(r"\$\{\{ (.*?) \}\}", lambda found: _value(found[1], contexts, folder), text)


def _value(expression: str, contexts: Mapping[str, str], folder: Path | None) -> str:
    value = ""
    for alternative in expression.split(" || "):
        value = "true"
        for part in alternative.split(" && "):
            if value not in ("", "false"):
                value = _compared(part, contexts, folder)
        if value not in ("", "false"):
            return value
    return value


def _compared(part: str, contexts: Mapping[str, str], folder: Path | None) -> str:
    for operator, equal in ((" == ", True), (" != ", False)):
        if operator in part:
            left, right = (_term(term, contexts, folder) for term in part.split(operator))
            return "true" if (left.casefold() == right.casefold()) is equal else "false"
    return _term(part, contexts, folder)


def _term(term: str, contexts: Mapping[str, str], folder: Path | None) -> str:
    if literal := re.fullmatch(r"'((?:[^']|'')*)'", term):
        return literal[1].replace("''", "'")
    if hashed := re.fullmatch(r"hashFiles\('(.*)'\)", term):
        assert folder is not None
        return "some digest" if (folder / hashed[1]).is_file() else ""
    assert re.fullmatch(r"(github|vars|secrets)\.[A-Za-z_]+", term), term
    return contexts.get(term, "")


@dataclass
class Runner:
    """One machine of GitHub's: `origin` is the repository there, `home` where the machine keeps everything."""

    origin: Path
    home: Path
    branch: str
    contexts: dict[str, str]
    sign_in: Callable[[Mapping[str, str]], dict[str, str]]
    world: Mapping[str, str] = field(default_factory=dict)
    said: str = ""
    installed: list[str] = field(default_factory=list)

    @property
    def workspace(self) -> Path:
        return self.home / "work"

    def run(self, workflow: Mapping[str, Any], without: str = "") -> bool:
        """Run the one job of a workflow, leaving out the step named `without`; tell whether it went well."""
        self.workspace.mkdir(parents=True)
        contexts = {"github.ref": f"refs/heads/{self.branch}"} | self.contexts
        [job] = workflow["jobs"].values()
        assert evaluate(job.get("if", "true"), contexts) == "true"
        from_actions: dict[str, str] = {}
        for step in job["steps"]:
            given = {name: evaluate(text, contexts, self.workspace) for name, text in step.get("with", {}).items()}
            action = step.get("uses", "").partition("@")[0]
            if action == "actions/checkout":
                git = ["git", "clone", "--quiet", "--branch", self.branch, str(self.origin), str(self.workspace)]
                subprocess.run(git, check=True, timeout=60)
            elif action == "aws-actions/configure-aws-credentials":
                from_actions |= self.sign_in(given)
            elif action != "actions/setup-python" and step["name"] != without:
                own = {
                    name: evaluate(text, contexts) for part in (job, step) for name, text in part.get("env", {}).items()
                }
                folder = step.get("working-directory", workflow["defaults"]["run"].get("working-directory", "."))
                if not self._bash(step["run"], self.workspace / folder, from_actions | own):
                    return False
        return True

    def _bash(self, script: str, folder: Path, env: Mapping[str, str]) -> bool:
        done = subprocess.run(
            ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", script],
            cwd=folder,
            env={**self._machine(), **env},
            capture_output=True,
            text=True,
            timeout=240,
        )
        self.said += done.stdout + done.stderr
        log = self.home / "pip.log"
        self.installed = log.read_text().splitlines() if log.exists() else []
        return done.returncode == 0

    def _machine(self) -> dict[str, str]:
        """The environment of a machine that has nobody's files on it, and a pip that only writes down what it gets."""
        programs = self.home / "bin"
        if not programs.exists():
            programs.mkdir()
            python = programs / "python"
            python.write_text(
                "#!/bin/sh\n"
                f'case "$1 $2" in "-m pip" | "-m pytest") echo "$*" >> "{self.home}/pip.log"; exit ;; esac\n'
                f'exec "{sys.executable}" "$@"\n'
            )
            python.chmod(0o755)
        return {
            "PATH": os.pathsep.join([str(programs), str(PROGRAMS), os.environ["PATH"]]),
            "HOME": str(self.home),
            "CI": "true",
            "DVC_NO_ANALYTICS": "1",
            "AWS_EC2_METADATA_DISABLED": "true",
            "GITHUB_REF_NAME": self.branch,
            "GITHUB_WORKSPACE": str(self.workspace),
            **self.world,
        }
