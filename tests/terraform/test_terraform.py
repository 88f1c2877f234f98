"""infra/ is formatted, valid, keeps to its own rules, and passes Terraform's own tests."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.terraform.validations import each_taken_away

INFRA = Path(__file__).resolve().parents[2] / "infra"
MODULES = sorted(folder.parent.name for folder in INFRA.glob("modules/*/versions.tf"))
ROOTS = sorted(folder.parent.name for folder in INFRA.glob("*/versions.tf"))
FOLDERS = [f"modules/{name}" for name in MODULES] + ROOTS


@dataclass(frozen=True)
class Terraform:
    """Terraform in a copy of infra/, so that nothing is ever written beside the sources."""

    program: str
    environ: dict[str, str]
    infra: Path

    def __call__(self, folder: str, *argv: str) -> str:
        done = subprocess.run(
            [self.program, *argv],
            cwd=self.infra / folder,
            env=self.environ,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            encoding="utf-8",
            check=False,
        )
        assert done.returncode == 0, f"terraform {' '.join(argv)} in {folder}:\n{done.stdout}\n{done.stderr}"
        return done.stdout


@pytest.fixture(scope="session")
def copy(terraform: str, terraform_environ: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Terraform:
    infra = tmp_path_factory.mktemp("terraform") / "infra"
    shutil.copytree(INFRA, infra, ignore=shutil.ignore_patterns(".terraform*", "*.tfstate*"))
    return Terraform(terraform, terraform_environ, infra)


@pytest.fixture(scope="module", params=FOLDERS)
def folder(request: pytest.FixtureRequest, copy: Terraform, init_options: list[str]) -> str:
    name: str = request.param
    copy(name, "init", "-backend=false", "-input=false", "-no-color", *init_options)
    return name


def sources(folder: str) -> str:
    return "\n".join(path.read_text(encoding="utf-8") for path in sorted((INFRA / folder).glob("*.tf")))


def blocks(folder: str) -> set[str]:
    return set(re.findall(r'^\s*([a-z]+)(?: "[^"]*")* \{', sources(folder), re.MULTILINE))


def test_both_kinds_of_folder_are_found() -> None:
    assert {"member", "storage"} <= set(MODULES)
    assert {"environment", "members"} <= set(ROOTS)


def test_formatted(copy: Terraform) -> None:
    assert copy(".", "fmt", "-check", "-recursive", "-no-color") == ""


@pytest.mark.by_turns
def test_own_tests_pass(copy: Terraform, folder: str) -> None:
    """What is not valid fails them too."""
    told = copy(folder, "test", "-no-color")
    assert re.search(r"Success! [1-9]\d* passed, 0 failed", told), told


@pytest.mark.parametrize("name", FOLDERS)
def test_every_validation_has_a_run_that_it_refuses(name: str) -> None:
    """Which of several validations of one input refuses, Terraform does not tell: as many runs as there are of them.

    Whether each really is missed when it is gone, `python -m tests.terraform.validations` tries.
    """
    text = (INFRA / name / "variables.tf").read_text(encoding="utf-8")
    wanted = Counter(taken.variable for taken in each_taken_away(text))
    assert wanted.total() == len(re.findall(r"\bvalidation \{", text))
    runs = "\n".join(path.read_text(encoding="utf-8") for path in (INFRA / name).glob("tests/*.tftest.hcl"))
    expected = re.findall(r"expect_failures\s*=\s*\[(.*?)\]", runs, re.DOTALL)
    refused = Counter(variable for each in expected for variable in re.findall(r"var\.(\w+)", each))
    assert wanted - refused == Counter()


@pytest.mark.parametrize("name", ROOTS)
def test_root_carries_no_resource(name: str) -> None:
    assert not blocks(name) & {"resource", "data"}
    assert {"provider", "backend"} <= blocks(name)


@pytest.mark.parametrize("name", MODULES)
def test_module_carries_neither_provider_nor_backend(name: str) -> None:
    assert not blocks(f"modules/{name}") & {"provider", "backend"}


@pytest.mark.parametrize("name", FOLDERS)
def test_every_input_is_described_typed_and_never_null(name: str) -> None:
    text = (INFRA / name / "variables.tf").read_text(encoding="utf-8")
    for block in re.split(r'(?m)^(?=variable ")', text)[1:]:
        for needed in (r"description\s+= ", r"type\s+= "):
            assert re.search(rf"(?m)^  {needed}", block), block
        assert re.search(r"(?m)^  nullable\s+= false$", block), block
        assert not re.search(r"\bany\b", re.sub(r"<<-EOT.*?EOT|\".*?\"", "", block, flags=re.DOTALL)), block


def skips() -> dict[str, list[str]]:
    """Return what checkov is told not to mind: by the file, the lines that say so."""
    files = {path: path.read_text(encoding="utf-8") for path in sorted(INFRA.rglob("*.tf")) if path.parts[-2][0] != "."}
    found = {str(path.relative_to(INFRA)): re.findall(r".*checkov:.*", text) for path, text in files.items()}
    return {name: lines for name, lines in found.items() if lines}


def without_reason(line: str) -> bool:
    """Whether a line that tells checkov not to mind something says too little of why: no sentence."""
    return not re.fullmatch(r"\s*#checkov:skip=CKV2?_AWS_\d+: [A-Z]\S*(?: \S+){4,}\.", line)


def test_what_checkov_shall_not_mind_has_its_reason_beside_it() -> None:
    """checkov itself is no part of these tests: `.ci/checkov` runs it, in an environment of its own."""
    assert {name: [line for line in lines if without_reason(line)] for name, lines in skips().items()} == {
        name: [] for name in skips()
    }
    assert {"modules/member/main.tf", "modules/storage/main.tf"} <= set(skips())
    script = (INFRA.parent / ".ci" / "checkov").read_text(encoding="utf-8")
    assert not re.search(r"--(skip-check|check|soft-fail|skip-path|skip-framework|baseline)", script)


@pytest.mark.parametrize(
    "line",
    [
        "  #checkov:skip=CKV_AWS_18",
        "  #checkov:skip=CKV_AWS_18:",
        "  #checkov:skip=CKV_AWS_18: Not needed.",
        "  # checkov:skip=CKV_AWS_18 a sentence without its colon in front of it.",
    ],
)
def test_a_skip_without_a_reason_would_be_seen(line: str) -> None:
    assert without_reason(line)


def test_no_access_key_passes_through_terraform() -> None:
    for name in FOLDERS:
        assert "aws_iam_access_key" not in sources(name)


def test_the_modules_agree_with_the_names_of_the_layout() -> None:
    storage = sources("modules/storage")
    policy = sources("modules/access_policy")
    made = set(re.findall(r'"(\w+)/"', re.search(r"folders\s*=\s*toset\((.*?)\)", storage)[1]))  # type: ignore[index]
    reached = set(re.findall(r'"(dataset|dvc|members|mlflow)/', policy))
    assert made == {"dataset", "dvc", "members", "mlflow"}
    assert reached == made - {"mlflow"}
