"""The page of every module and root tells its inputs and outputs as they are."""

from __future__ import annotations

from pathlib import Path

import pytest

from docs.generate_module_readmes import INFRA, folders, render

HEADERS = (
    "| input | type | default | what it is |\n|---|---|---|---|\n{}\n| output | what it is |\n|---|---|\n{}\nThe end.\n"
)


def test_modules_and_roots_are_found() -> None:
    found = {str(folder.relative_to(INFRA)) for folder in folders()}
    assert {"environment", "members", "modules/member", "modules/storage"} <= found


@pytest.mark.parametrize("folder", folders(), ids=lambda folder: str(folder.relative_to(INFRA)))
def test_the_tables_are_those_of_today(folder: Path) -> None:
    page = (folder / "README.md").read_text(encoding="utf-8")
    assert page == render(folder, page), "run `python docs/generate_module_readmes.py`"


VARIABLES = """
variable "plain" {
  description = "Of /<project>/, not `<b>`: a \\"word\\", a | and a *."
  type        = string
}

variable "days" {
  description = "How long."
  type        = number
  default     = 30
}

variable "nothing" {
  description = "Empty unless told."
  type        = set(string)
  default     = []
}

variable "people" {
  description = <<-EOT
    Everybody, by name: a slug.
    role: what they do.
    team: theirs, if any.
    Each one once.
    site: where.
  EOT
  type = map(object({
    role = optional(string, "student")
    team = optional(string, "")
    site = optional(object({ name = string, host = optional(string, "a,b)") }), {})
    host = optional(list(string), ["x", "y"])
  }))
  default = {}
}
"""
INPUT_ROWS = r"""| `plain` | string | | Of /&lt;project>/, not `<b>`: a "word", a \| and a \*. |
| `days` | number | `30` | How long. |
| `nothing` | set(string) | `[]` | Empty unless told. |
| `people` | map(object) | `{}` | Everybody, by name: a slug.<br>`role` (`student`): what they do.<br>`team`: theirs, if any. Each one once.<br>`site`: where. |
"""  # noqa: E501 - a row is one line


@pytest.fixture
def module(tmp_path: Path) -> Path:
    (tmp_path / "variables.tf").write_text(VARIABLES)
    (tmp_path / "outputs.tf").write_text('output "arn" {\n  description = "Its ARN."\n  value = "x"\n}\n')
    return tmp_path


def test_rows_are_made_of_what_terraform_reads(module: Path) -> None:
    old = "| `gone` | string | | Was here once. |\n"
    wanted = "Words.\n" + HEADERS.format(INPUT_ROWS, "| `arn` | Its ARN. |\n")
    assert render(module, "Words.\n" + HEADERS.format(old, "")) == wanted
    assert render(module, wanted) == wanted


@pytest.mark.parametrize("page", ["Words.\n", HEADERS.format("", "") * 2], ids=["nowhere", "twice"])
def test_a_page_without_a_place_for_a_table(page: str, module: Path) -> None:
    with pytest.raises(LookupError, match="has to have this once"):
        render(module, page)
