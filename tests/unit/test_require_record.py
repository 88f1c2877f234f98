"""What a command says that needs an environment which is not up in this folder."""

from __future__ import annotations

from pathlib import Path

import pytest

from bootstrap.core.record import Record
from bootstrap.core.spec import Spec
from bootstrap.errors import BootstrapError
from bootstrap.workflows.project import Project

JOINED = Record(
    project="course",
    env="stag",
    target="local",
    region="us-east-1",
    account_id="123456789012",
    endpoint_url="http://127.0.0.1:22440",
    bucket="course--stag--123456789012",
    state_bucket="course--tfstate--123456789012",
    aws_profile="course-stag",
    dvc_remote_url="s3://course--stag--123456789012/dvc/red",
    member="caio",
    role="student",
    team="red",
)


def test_a_member_is_not_told_to_bring_it_up(tmp_path: Path) -> None:
    project = Project(tmp_path, Spec.default("course"), {}, tmp_path)
    project.save(JOINED)
    with pytest.raises(BootstrapError) as caught:
        project.require_record("stag")
    assert caught.value.message.startswith("You have joined 'stag' here as caio, a student;")
    assert "bootstrap up" not in caught.value.hint


def test_in_any_other_folder_it_is_said_how_to_bring_it_up(tmp_path: Path) -> None:
    with pytest.raises(BootstrapError) as caught:
        Project(tmp_path, Spec.default("course"), {}, tmp_path).require_record("stag")
    assert caught.value.message == f"The environment 'stag' is not up in {tmp_path}."
    assert caught.value.hint.startswith("`bootstrap up --env stag --local`")
