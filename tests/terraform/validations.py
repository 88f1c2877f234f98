"""Takes each validation in infra/ away in turn, and looks whether the folder's tests miss it.

`python -m tests.terraform.validations [FOLDER …]`, from the project's folder, some minutes for all of infra/. Ends with
exit code 1 if a validation can be taken away unseen. Of the tests, only those that expect a refusal of its input run.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from bootstrap.adapters.terraform import environment_for
from bootstrap.adapters.terraform_mirror import find_mirror

INFRA = Path(__file__).resolve().parents[2] / "infra"

# As `terraform fmt` leaves them, which a test holds.
_VARIABLE = re.compile(r'^variable "(\w+)" \{\n.*?^\}\n', re.MULTILINE | re.DOTALL)
_VALIDATION = re.compile(r"^  validation \{\n.*?^  \}\n", re.MULTILINE | re.DOTALL)
# What Terraform says of a run whose `expect_failures` did not come true.
_MISSED = "Missing expected failure"


@dataclass(frozen=True)
class Without:
    """A folder's variables.tf in which one validation of `variable`, on `line`, lets everything through."""

    variable: str
    line: int
    text: str


def each_taken_away(text: str) -> Iterator[Without]:
    """Yield variables.tf once for each validation, without that one."""
    for variable in _VARIABLE.finditer(text):
        name = variable[1]
        nothing = f'  validation {{\n    condition     = var.{name} == var.{name}\n    error_message = "None."\n  }}\n'
        for validation in _VALIDATION.finditer(text, variable.start(), variable.end()):
            line = text.count("\n", 0, validation.start()) + 1
            yield Without(name, line, text[: validation.start()] + nothing + text[validation.end() :])


def runs_that_refuse(text: str, variable: str) -> str:
    """Return a test file with its settings, and with those runs alone that expect a refusal of `variable`."""
    settings, *runs = re.split(r'(?m)^(?=run ")', text)
    wanted = re.compile(rf"expect_failures\s*=\s*\[[^]]*\bvar\.{variable}\b")
    return settings + "".join(run for run in runs if wanted.search(run))


def _is_missed(folder: Path, environ: dict[str, str], taken: Without) -> bool:
    """Whether the tests of a folder (a copy) miss a validation."""
    originals = {path: path.read_text(encoding="utf-8") for path in folder.glob("tests/*.tftest.hcl")}
    variables = folder / "variables.tf"
    originals[variables] = variables.read_text(encoding="utf-8")
    try:
        for path, text in originals.items():
            path.write_text(
                taken.text if path == variables else runs_that_refuse(text, taken.variable), encoding="utf-8"
            )
        return _MISSED in _terraform(folder, environ, "test", "-no-color")
    finally:
        for path, text in originals.items():
            path.write_text(text, encoding="utf-8")


def _terraform(folder: Path, environ: dict[str, str], *words: str) -> str:
    done = subprocess.run(
        ["terraform", *words], cwd=folder, env=environ, capture_output=True, text=True, encoding="utf-8", check=False
    )
    return done.stdout + done.stderr


def main() -> int:
    """Try every validation of these folders; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folders", nargs="*", metavar="FOLDER", help="as modules/storage; all of infra/ without")
    wanted = parser.parse_args().folders
    names = wanted or sorted(str(path.parent.relative_to(INFRA)) for path in INFRA.rglob("variables.tf"))
    environ = environment_for({k: v for k, v in os.environ.items() if not k.startswith(("TF_", "AWS_"))}, {})
    pin = re.search(r'version = "= ([\d.]+)"', (INFRA / "environment" / "versions.tf").read_text(encoding="utf-8"))
    mirror = find_mirror(os.environ, Path.home(), Path.cwd(), pin[1]) if pin else None
    unseen = 0
    with tempfile.TemporaryDirectory() as place:
        infra = Path(shutil.copytree(INFRA, Path(place) / "infra", ignore=shutil.ignore_patterns(".terraform*")))
        for name in names:
            folder = infra / name
            _terraform(folder, environ, "init", "-backend=false", *([f"-plugin-dir={mirror}"] if mirror else []))
            for taken in each_taken_away((folder / "variables.tf").read_text(encoding="utf-8")):
                missed = _is_missed(folder, environ, taken)
                unseen += not missed
                told = "missed, as it has to be" if missed else "NOT MISSED BY ANY TEST"
                sys.stdout.write(f"infra/{name}/variables.tf:{taken.line}: {taken.variable}: {told}\n")
                sys.stdout.flush()
    return 1 if unseen else 0


if __name__ == "__main__":
    sys.exit(main())
