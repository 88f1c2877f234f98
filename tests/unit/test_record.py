"""What is remembered of an environment, and what scripts may rely on."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from bootstrap.core.record import OUTPUT_KEYS, Before, Record, parse_before, parse_record

AWS = Record(
    project="demo",
    env="stag",
    target="aws",
    region="eu-west-1",
    account_id="123456789012",
    endpoint_url=None,
    bucket="demo--stag--123456789012",
    state_bucket="demo--tfstate--123456789012",
    aws_profile="demo-stag",
    dvc_remote_url="s3://demo--stag--123456789012/dvc/ci",
)
LOCAL = replace(
    AWS,
    target="local",
    endpoint_url="http://127.0.0.1:20000",
    mlflow_tracking_uri="http://127.0.0.1:20001",
    mlflow_username="ci",
    complete=True,
    operator_profile="admin",
    dvc_repository="/home/añá/course",
    dvc_default_before="mine",
    dvc_autostage_before="false",
)


JOINED = replace(
    LOCAL,
    member="ana",
    role="student",
    team="blue",
    mlflow_username="ana",
    operator_profile=None,
    aws_profile="mine",
    dvc_local_profile="mine",
    dvc_local_before="no section",
)


@pytest.mark.parametrize("record", [AWS, LOCAL, JOINED], ids=["aws", "local", "joined"])
def test_the_file_gives_the_record_back(record: Record) -> None:
    assert parse_record(record.to_json()) == record


def test_the_file_is_text_with_a_last_newline() -> None:
    assert LOCAL.to_json().endswith("}\n")
    assert json.loads(LOCAL.to_json())["env"] == "stag"


WHOLE = json.loads(AWS.to_json())
DAMAGED = {
    "empty": "",
    "cut off": AWS.to_json()[:50],
    "not an object": "[]",
    "null": "null",
    "a number": "1",
    "a key is missing": json.dumps({key: value for key, value in WHOLE.items() if key != "bucket"}),
    "a key of a later version": json.dumps(WHOLE | {"from_2030": 1}),
}


@pytest.mark.parametrize("text", DAMAGED.values(), ids=DAMAGED.keys())
def test_a_damaged_file_is_no_record(text: str) -> None:
    assert parse_record(text) is None


def test_a_file_from_before_a_key_with_a_default() -> None:
    older = {key: value for key, value in WHOLE.items() if not key.startswith(("dvc_default", "operator"))}
    assert parse_record(json.dumps(older)) == AWS


@pytest.mark.parametrize("record", [AWS, LOCAL], ids=["aws", "local"])
def test_output_has_every_key_in_order_and_no_other(record: Record) -> None:
    assert (
        tuple(record.output())
        == OUTPUT_KEYS
        == (
            *("project", "env", "target", "region", "account_id", "endpoint_url", "bucket", "state_bucket"),
            *("aws_profile", "dvc_remote_url", "mlflow_tracking_uri", "mlflow_username"),
        )
    )


def test_output_keeps_the_keys_that_have_no_value() -> None:
    assert AWS.output()["endpoint_url"] is None
    assert AWS.output()["mlflow_tracking_uri"] is None
    assert LOCAL.output()["endpoint_url"] == "http://127.0.0.1:20000"


def test_completed_changes_nothing_else() -> None:
    assert AWS.complete is False
    assert AWS.completed() == replace(AWS, complete=True)


def test_owner_is_unique_per_environment_and_member() -> None:
    assert AWS.owner == "demo/stag"
    assert JOINED.owner == "demo/stag/ana"


BEFORE = Before(
    env_file=True,
    gitignore="no file",
    dvc_config="# größe\r\n",
    dvc_made={".dvc/config": "e3b0"},
    dvc_local="no newline",
    dvc_gitignore="whole",
)


@pytest.mark.parametrize("before", [BEFORE, Before(env_file=False)])
def test_the_file_gives_back_how_a_folder_was(before: Before) -> None:
    assert parse_before(before.to_json()) == before


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"env_file": true, "from_2030": 1}'])
def test_a_damaged_file_says_nothing_of_a_folder(text: str) -> None:
    assert parse_before(text) is None
