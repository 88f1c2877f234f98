"""One root of infra/ in a working copy of its own, driven by real Terraform."""

from __future__ import annotations

import json
import subprocess
from dataclasses import dataclass
from typing import Any

from bootstrap.adapters.terraform_folder import RootFolder

REGION = "eu-west-1"


@dataclass(frozen=True)
class Root:
    """One root of infra/, laid out as the tool lays it out, with its state beside it."""

    program: str
    environ: dict[str, str]
    folder: RootFolder

    def __call__(self, *argv: str, code: int = 0) -> str:
        done = subprocess.run(
            [self.program, *argv],
            cwd=self.folder.path,
            env=self.environ,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            encoding="utf-8",
            check=False,
        )
        assert done.returncode == code, f"terraform {' '.join(argv)}:\n{done.stdout}\n{done.stderr}"
        return done.stdout

    def apply(self, variables: dict[str, object]) -> None:
        self.folder.write_variables(variables)
        self("apply", "-auto-approve", "-input=false", "-no-color")

    def changes(self, variables: dict[str, object], *, code: int = 2) -> dict[str, str]:
        """Plan, and return address → action."""
        self.folder.write_variables(variables)
        told = self("plan", "-json", "-input=false", "-detailed-exitcode", code=code)
        events = [json.loads(line) for line in told.splitlines()]
        return {
            event["change"]["resource"]["addr"]: event["change"]["action"]
            for event in events
            if event["type"] == "planned_change"
        }

    def outputs(self) -> dict[str, Any]:
        return {name: one["value"] for name, one in json.loads(self("output", "-json")).items()}
