"""Which account and region an environment is tied to, and who may not bring one up at all."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from moto import mock_aws

from bootstrap.adapters.aws.session import Aws, Caller, KeyPair
from bootstrap.core.names import Names
from bootstrap.core.record import Record
from bootstrap.core.spec import parse_spec
from bootstrap.errors import BootstrapError
from bootstrap.workflows.operator import heed_operator
from bootstrap.workflows.pin import pin_account, unpin_account
from bootstrap.workflows.project import Project
from bootstrap.workflows.target import Place, refuse_other_account
from tests.adapters.doubles import Story

ACCOUNT, OTHER = "123456789012", "210987654321"
TEACHER = Caller(ACCOUNT, f"arn:aws:iam::{ACCOUNT}:user/teacher")
RECORD = Record(
    project="course",
    env="stag",
    target="aws",
    region="us-east-1",
    account_id=ACCOUNT,
    endpoint_url=None,
    bucket=f"course--stag--{ACCOUNT}",
    state_bucket=f"course--tfstate--{ACCOUNT}",
    aws_profile="course-stag",
    dvc_remote_url=f"s3://course--stag--{ACCOUNT}/dvc/ci",
)


def project(folder: Path, text: str, name: str = "bootstrap.toml") -> Project:
    (folder / name).write_bytes(text.encode())
    return Project(folder, parse_spec(text, name), {}, folder)


# --- the account ---


@pytest.mark.parametrize(
    ("lines", "env", "told"),
    [
        (f'[environments.stag]\naccount = "{ACCOUNT}"\n', "stag", None),
        (
            f'[environments.stag]\naccount = "{OTHER}"\n',
            "stag",
            f"bootstrap.toml:3: 'stag' is in the AWS account {OTHER}",
        ),
        (f'[environments.stag]\n[environments.prod]\naccount = "{OTHER}"\n', "stag", None),
        (f'[environments.stag]\naccount = "{OTHER}"\n', "tfstate", "the environments are in the AWS account"),
        (f'[environments.a]\naccount = "{OTHER}"\n[environments.b]\naccount = "{ACCOUNT}"\n', "tfstate", None),
        ("", "stag", None),
    ],
)
def test_another_account_than_the_files(tmp_path: Path, lines: str, env: str, told: str | None) -> None:
    found = project(tmp_path, f'project = "course"\n{lines}')
    if told is None:
        refuse_other_account(found, env, TEACHER)
        return
    with pytest.raises(BootstrapError) as caught:
        refuse_other_account(found, env, TEACHER)
    assert told in caught.value.message
    assert ACCOUNT in caught.value.message
    assert OTHER in caught.value.message
    assert "--profile" in caught.value.hint


def test_another_account_than_the_one_this_folder_knows(tmp_path: Path) -> None:
    found = project(tmp_path, 'project = "course"\n')
    found.save(replace(RECORD, account_id=OTHER))
    with pytest.raises(BootstrapError, match=f"'stag' is in the AWS account {OTHER}; you are signed in to {ACCOUNT}"):
        refuse_other_account(found, "stag", TEACHER)


def test_the_account_of_a_rehearsal_here_does_not_count(tmp_path: Path) -> None:
    found = project(tmp_path, 'project = "course"\n')
    found.save(replace(RECORD, account_id=OTHER, target="local"))
    refuse_other_account(found, "stag", TEACHER)


def test_the_account_is_written_once_and_taken_out_again(tmp_path: Path) -> None:
    text = '# mine\r\nproject = "course"\r\n[environments.stag]\r\n'
    story = Story()
    found = project(tmp_path, text, "course.toml")
    pin_account(found, RECORD, story)
    path = tmp_path / "course.toml"
    written = path.read_bytes().decode()
    assert parse_spec(written, "course.toml").environment("stag").account == ACCOUNT
    assert story.said == [f"Wrote the account {ACCOUNT} into course.toml: another account is refused from now on."]
    again = project(tmp_path, written, "course.toml")
    pin_account(again, RECORD, story)
    assert path.read_bytes().decode() == written
    unpin_account(again, RECORD, story)
    assert path.read_bytes().decode() == text


def test_a_file_that_names_no_environment_is_left_as_it_is(tmp_path: Path) -> None:
    """One table in it, and no other environment could be used any more."""
    found, story = project(tmp_path, 'project = "course"\n'), Story()
    pin_account(found, RECORD, story)
    assert (tmp_path / "bootstrap.toml").read_text() == 'project = "course"\n'
    assert story.told == []


def test_where_it_cannot_be_written_it_is_said_what_to_write(tmp_path: Path) -> None:
    text = 'project = "course"\nenvironments = { stag = {} }\n'
    story = Story()
    pin_account(project(tmp_path, text), RECORD, story)
    assert (tmp_path / "bootstrap.toml").read_text() == text
    assert f'write account = "{ACCOUNT}" under [environments.stag] in bootstrap.toml' in story.notes[0]


def test_a_rehearsal_writes_none(tmp_path: Path) -> None:
    text = 'project = "course"\n[environments.stag]\n'
    pin_account(project(tmp_path, text), replace(RECORD, target="local"), Story())
    assert (tmp_path / "bootstrap.toml").read_text() == text


# --- who it is, and the region ---


@pytest.fixture
def virginia() -> Iterator[Aws]:
    """An AWS of this test's own with the project's state bucket in us-east-1."""
    with mock_aws():
        aws = Aws("us-east-1", key=KeyPair("AKIAIOSFODNN7EXAMPLE", "secret"))
        aws.client("s3").create_bucket(Bucket=f"course--tfstate--{ACCOUNT}")
        yield aws


def place(aws: Aws, arn: str = TEACHER.arn) -> Place:
    names = Names("course", "stag", ACCOUNT)
    return Place("aws", names, aws, None, custom_endpoint=False, emulated=False, caller=Caller(ACCOUNT, arn))


def test_a_project_that_is_up_in_another_region(tmp_path: Path, virginia: Aws) -> None:
    found = project(tmp_path, 'project = "course"\nregion = "sa-east-1"\n')
    with pytest.raises(BootstrapError) as caught:
        heed_operator(found, place(replace(virginia, region="sa-east-1", _clients={})), Story())
    assert caught.value.message.startswith("bootstrap.toml:2: region is 'sa-east-1', but 'course' is up in 'us-east-1'")
    assert caught.value.hint.startswith('Write region = "us-east-1".')
    heed_operator(project(tmp_path, 'project = "course"\n'), place(virginia), Story())


def test_a_root_user_is_told(tmp_path: Path, virginia: Aws) -> None:
    story = Story()
    heed_operator(project(tmp_path, 'project = "course"\n'), place(virginia, f"arn:aws:iam::{ACCOUNT}:root"), story)
    assert "root user" in story.notes[0]


def test_a_learner_lab_is_refused_before_anything_is_made(tmp_path: Path) -> None:
    nobody = Aws("us-east-1", key=KeyPair("a", "b"))
    lab = place(nobody, f"arn:aws:sts::{ACCOUNT}:assumed-role/voclabs/user1=ana")
    with pytest.raises(BootstrapError, match="learner lab of AWS Academy") as caught:
        heed_operator(project(tmp_path, 'project = "course"\n'), lab, Story())
    assert "bootstrap up --env stag --local" in caught.value.hint
