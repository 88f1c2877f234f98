"""The machine's user data as Terraform renders it, and its files laid out below a folder."""

from __future__ import annotations

import base64
import gzip
import json
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

MACHINE = Path(__file__).resolve().parents[2] / "infra" / "modules" / "mlflow_ec2" / "machine"
SETTINGS = "/etc/mlflow/machine.env"
SAMPLE = {
    "hostname": "203-0-113-7.sslip.io",
    "region": "eu-west-1",
    "bucket": "course--stag--123456789012",
    "parameter_path": "/course/stag/",
    "volume_id": "vol-0123456789abcdef0",
}


@dataclass(frozen=True)
class UserData:
    """What EC2 gets (`raw`, gzip), and what cloud-init makes of it."""

    raw: bytes

    @property
    def text(self) -> str:
        return gzip.decompress(self.raw).decode()

    @property
    def config(self) -> dict[str, Any]:
        parsed: dict[str, Any] = yaml.safe_load(self.text)
        return parsed

    @property
    def files(self) -> dict[str, str]:
        """Return the path of each file that cloud-init writes → its content."""
        return {file["path"]: file["content"] for file in self.config["write_files"]}

    @property
    def settings(self) -> dict[str, str]:
        """Return what stands in machine.env, as systemd reads it."""
        lines = self.files[SETTINGS].splitlines()
        return {name: value.strip('"') for name, _, value in (line.partition("=") for line in lines)}

    def lay_out(self, root: Path) -> None:
        """Write the files below `root`, as cloud-init writes them below `/`."""
        for file in self.config["write_files"]:
            path = root / file["path"].lstrip("/")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(file["content"], encoding="utf-8")
            path.chmod(int(file["permissions"], 8))


def render(program: str, environ: Mapping[str, str], folder: Path, **inputs: str) -> UserData:
    """Let Terraform render the user data in `folder`. It has no provider, so nothing is downloaded."""
    shutil.copytree(MACHINE, folder / "machine", ignore=shutil.ignore_patterns("__pycache__"), dirs_exist_ok=True)
    root = {
        "module": {"machine": {"source": "./machine", **SAMPLE, **inputs}},
        "output": {"user_data": {"value": "${module.machine.user_data}"}},
    }
    (folder / "main.tf.json").write_text(json.dumps(root), encoding="utf-8")
    for argv in (["init", "-input=false"], ["apply", "-auto-approve", "-input=false"]):
        _terraform(program, environ, folder, *argv)
    outputs = json.loads(_terraform(program, environ, folder, "output", "-json"))
    return UserData(base64.b64decode(outputs["user_data"]["value"]))


def _terraform(program: str, environ: Mapping[str, str], folder: Path, *argv: str) -> str:
    done = subprocess.run(
        [program, *argv, "-no-color"], cwd=folder, env=dict(environ), stdin=subprocess.DEVNULL, capture_output=True
    )
    if done.returncode:
        raise RuntimeError(f"terraform {' '.join(argv)}:\n{done.stdout.decode()}\n{done.stderr.decode()}")
    return done.stdout.decode()
