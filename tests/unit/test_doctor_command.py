"""What `bootstrap doctor` prints, and how it ends. Nothing is looked at here: a report stands in for that."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from bootstrap.commands import doctor
from bootstrap.core.doctor import Finding, Report
from bootstrap.errors import ConfigError, UsageError
from bootstrap.workflows.doctor_aws import Request

FIX = "Give it the policy."
FINDINGS = (
    Finding("This machine", "git", "ok", "2.39.5"),
    Finding("AWS", "clock", "warning", "2 minutes behind", "Set it."),
    Finding("Permissions", "iam", "problem", "missing iam:CreateUser", FIX),
    Finding("Permissions", "s3", "problem", "missing s3:CreateBucket", FIX),
)


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[Request]:
    """Return what the workflow is asked for; it answers with what the command found, else with FINDINGS."""
    requests: list[Request] = []

    def examine(_: object, request: Request, __: object, found: list[Finding]) -> Report:
        requests.append(request)
        return Report((*found, *(() if found else FINDINGS)))

    monkeypatch.setattr(doctor, "examine", examine)
    monkeypatch.chdir(tmp_path)
    return requests


def run(*words: str) -> Result:
    return CliRunner().invoke(doctor.command, list(words))


def test_it_prints_by_groups_and_says_once_what_mends_several(asked: list[Request]) -> None:
    done = run("--env", "stag", "--profile", "me")
    assert done.exit_code == 1
    assert asked == [Request("stag", "aws", "me")]
    lines = [line.strip() for line in done.stdout.splitlines() if line]
    assert lines == [
        "This machine",
        "ok       git    2.39.5",
        "AWS",
        "warning  clock  2 minutes behind",
        "→ Set it.",
        "Permissions",
        "problem  iam    missing iam:CreateUser",
        "problem  s3     missing s3:CreateBucket",
        f"→ {FIX}",
        "2 problems, 1 warning: the lines behind → say what to do.",
    ]


def test_json_has_all_of_it(asked: list[Request]) -> None:
    done = run("--local", "--json")
    assert asked == [Request(None, "local", None)]
    said = json.loads(done.stdout)
    assert (said["problems"], said["warnings"], len(said["findings"])) == (2, 1, 4)
    assert said["findings"][2]["fix"] == FIX


@pytest.mark.parametrize(
    ("text", "words", "told"),
    [
        ("project = course\n", (), "bootstrap.toml:1:11: this is not TOML"),
        ('project = "course"\n[environments.stag]\n', ("--env", "pord"), "There is no environment 'pord'"),
    ],
)
def test_a_file_with_something_wrong_in_it_is_a_finding(
    asked: list[Request], tmp_path: Path, text: str, words: tuple[str, ...], told: str
) -> None:
    (tmp_path / "bootstrap.toml").write_text(text)
    done = run(*words, "--json")
    assert done.exit_code == 1
    assert told in json.loads(done.stdout)["findings"][0]["says"]
    assert asked[0].env is None
    assert isinstance(run(*words, "--policy").exception, ConfigError), "a policy for another name is worse than none"


def test_the_policy_alone_is_on_standard_output(asked: list[Request], tmp_path: Path) -> None:
    (tmp_path / "bootstrap.toml").write_text('project = "course"\n')
    base, server = (json.loads(run("--policy", *words).stdout) for words in ((), ("server",)))
    assert "arn:aws:s3:::course--*" in str(base)
    assert "ec2:RunInstances" in str(server)
    assert "ec2:RunInstances" not in str(base)
    assert asked == []


def test_where_there_is_no_server_there_is_no_policy_for_one(asked: list[Request], tmp_path: Path) -> None:
    (tmp_path / "bootstrap.toml").write_text('project = "course"\n[environments.stag.mlflow]\nkind = "none"\n')
    assert isinstance(run("--policy", "server").exception, UsageError)
    assert isinstance(run("--archive-bucket", "x").exception, UsageError)
