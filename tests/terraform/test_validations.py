"""What takes validations away takes away one at a time, and leaves the runs that have to miss it."""

from __future__ import annotations

from tests.terraform.validations import each_taken_away, runs_that_refuse

VARIABLES = """variable "plain" {
  type = string
}

variable "name" {
  type = string

  validation {
    condition     = length(var.name) > 2
    error_message = "Too short."
  }

  validation {
    condition = alltrue([
      for letter in var.name : letter != "*"
    ])
    error_message = "A star."
  }
}
"""


def test_one_at_a_time() -> None:
    first, second = each_taken_away(VARIABLES)
    assert (first.variable, first.line, second.variable, second.line) == ("name", 8, "name", 13)
    assert "length(var.name)" not in first.text
    assert "letter" in first.text
    assert "length(var.name)" in second.text
    assert "letter" not in second.text
    for taken in (first, second):
        assert taken.text.count("condition     = var.name == var.name") == 1
        assert taken.text.count("validation {") == 2


def test_the_runs_that_have_to_miss_it() -> None:
    begin = 'variables {\n  name = "ana"\n}\n\n'
    right = 'run "right" {\n  command = plan\n}\n\n'
    star = 'run "star" {\n  expect_failures = [var.name]\n}\n\n'
    both = 'run "both" {\n  expect_failures = [\n    var.plain,\n    var.name,\n  ]\n}\n\n'
    other = 'run "other" {\n  expect_failures = [var.name_of_another]\n}\n'
    assert runs_that_refuse(begin + right + star + both + other, "name") == begin + star + both
