"""The commands printed after `up` name programs the way the user's shell will find them."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import pytest

from bootstrap.core.record import Record
from bootstrap.core.spec import Spec
from bootstrap.workflows.next_steps import missing_programs, next_steps, remote_lines
from bootstrap.workflows.project import Project

RECORD = Record(
    project="demo",
    env="stag",
    target="local",
    region="us-east-1",
    account_id="123456789012",
    endpoint_url="http://127.0.0.1:1",
    bucket="demo--stag--123456789012",
    state_bucket="demo--tfstate--123456789012",
    aws_profile="demo-stag",
    dvc_remote_url="s3://demo--stag--123456789012/dvc/ci",
    mlflow_tracking_uri="http://127.0.0.1:2",
    mlflow_username="ci",
)


def project(folder: Path, path: str) -> Project:
    return Project(folder, Spec.default("demo"), {"PATH": path}, folder)


def program(folder: Path, name: str) -> None:
    file = folder / (f"{name}.exe" if sys.platform == "win32" else name)
    file.write_text("")
    file.chmod(0o755)


def test_a_program_on_path_is_called_by_its_name(tmp_path: Path) -> None:
    program(tmp_path, "aws")
    assert next_steps(project(tmp_path, str(tmp_path)), RECORD)[0] == (
        "aws --profile demo-stag s3 ls s3://demo--stag--123456789012/"
    )


def test_python_of_an_environment_that_is_not_active_is_called_by_its_path(tmp_path: Path) -> None:
    script = next_steps(project(tmp_path, str(tmp_path)), RECORD)[-1]
    assert f"{sys.executable} -c" in script.replace("'", "")
    assert script.startswith("set -a; . ")


def test_a_member_uses_their_own_folder(tmp_path: Path) -> None:
    program(tmp_path, "aws")
    member = replace(RECORD, member="ana", role="student", team="blue")
    assert next_steps(project(tmp_path, str(tmp_path)), member)[0] == (
        "echo hello | aws --profile demo-stag s3 cp - s3://demo--stag--123456789012/members/ana/hello.txt"
    )


def test_lines_for_a_repository_elsewhere() -> None:
    assert remote_lines(RECORD) == [
        "dvc remote add --default stag s3://demo--stag--123456789012/dvc/ci",
        "dvc remote modify stag profile demo-stag",
    ]


def test_what_the_lines_need_and_is_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    here = project(tmp_path, str(tmp_path))
    assert missing_programs(here, RECORD) == []  # all of it is beside this Python
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    program(tmp_path, "aws")
    assert missing_programs(here, RECORD) == ["'dvc[s3]'"]
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    assert missing_programs(here, RECORD) == ["'dvc[s3]'", "mlflow"]
    assert missing_programs(here, replace(RECORD, mlflow_tracking_uri=None)) == ["'dvc[s3]'"]


def test_no_dvc_without_a_repository_and_no_mlflow_without_a_server(tmp_path: Path) -> None:
    bare = replace(RECORD, mlflow_tracking_uri=None)
    assert len(next_steps(project(tmp_path, ""), bare)) == 1
