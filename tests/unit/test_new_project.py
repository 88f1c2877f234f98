"""What a new project may be called, what it is filled in with, and what its answers file may say."""

from __future__ import annotations

import re
from typing import Any

import pytest

from bootstrap.core.new_project import (
    Answers,
    answers_of,
    author_of,
    check_environment,
    check_name,
    check_repository,
    choose,
    language_of,
    render_message,
    team_without_environment,
)
from bootstrap.core.record import Record
from bootstrap.errors import ConfigError, UsageError

WRONG_NAMES = {
    "Laptop Pricing": "lower-case .* bootstrap new laptop-pricing",
    "laptop_pricing": "lower-case .* bootstrap new laptop-pricing",
    "preços": "lower-case .* bootstrap new precos",
    "a/b": "is a path.* bootstrap new a-b",
    "../b": "is a path",
    ".": "has 1 character; .* bootstrap new laptop-pricing",
    "": "has 0 characters",
    "a" * 51: "has 51 characters; .* bootstrap new ",
    "a--b": "single hyphens",
    "-a": "single hyphens",
    "2026-laptops": "begins with a digit",
    "json": "'json', and that name is taken",
    "class": "'class', and that name is taken",
    "tests": "'tests', and that name is taken",
    "mlflow": "'mlflow', and that name is taken",
}


@pytest.mark.parametrize(("name", "told"), WRONG_NAMES.items(), ids=WRONG_NAMES.keys())
def test_a_name_that_will_not_do(name: str, told: str) -> None:
    with pytest.raises(UsageError) as caught:
        check_name(name)
    assert re.search(told, f"{caught.value.message} {caught.value.hint}")


@pytest.mark.parametrize("name", ["laptop-pricing", "ml", "a1-b2", "aws-prices", "classes", "a" * 50])
def test_a_name_that_will_do(name: str) -> None:
    check_name(name)


@pytest.mark.parametrize("name", ["ana", "ana/", "/laptops", "https://github.com/ana/laptops", "ana/lap tops", "-/x"])
def test_what_is_no_repository(name: str) -> None:
    with pytest.raises(UsageError, match="is no repository"):
        check_repository(name)


@pytest.mark.parametrize("name", ["", "ana/laptop-pricing", "school/2026/red/laptops"])
def test_a_repository(name: str) -> None:
    check_repository(name)


def test_what_is_no_environment() -> None:
    check_environment(None)
    check_environment("stag")
    with pytest.raises(UsageError, match="'Stag' will not do"):
        check_environment("Stag")


SPOKEN = {
    "nothing": ({}, "en"),
    "Brazil": ({"LANG": "pt_BR.UTF-8"}, "pt-BR"),
    "Portugal": ({"LANG": "pt_PT"}, "pt-BR"),
    "C": ({"LANG": "C.UTF-8"}, "en"),
    "messages before LANG": ({"LANG": "en_US.UTF-8", "LC_MESSAGES": "pt_BR.UTF-8"}, "pt-BR"),
    "LC_ALL before all": ({"LANG": "pt_BR", "LC_MESSAGES": "pt_BR", "LC_ALL": "en_GB"}, "en"),
    "an empty one is none": ({"LC_ALL": "", "LANG": "pt_BR"}, "pt-BR"),
}


@pytest.mark.parametrize(("environ", "language"), SPOKEN.values(), ids=SPOKEN.keys())
def test_the_language(environ: dict[str, str], language: str) -> None:
    assert language_of(environ) == language


def record(**changes: Any) -> Record:
    values: dict[str, Any] = {
        "project": "course",
        "env": "stag",
        "target": "local",
        "region": "us-east-1",
        "account_id": "123456789012",
        "endpoint_url": None,
        "bucket": "course--stag--123456789012",
        "state_bucket": "course--tfstate--123456789012",
        "aws_profile": "course-stag",
        "dvc_remote_url": "s3://course--stag--123456789012/dvc/red",
    }
    return Record(**values | changes)


ANA = record(member="ana", team="red", aws_profile="mine", mlflow_tracking_uri="http://127.0.0.1:5000")


def test_whose_work_it_is() -> None:
    assert author_of("Ana Souza", ANA, {"USER": "as"}) == "Ana Souza"
    assert author_of("", ANA, {"USER": "as"}) == "ana"
    assert author_of("", record(), {"USER": "as"}) == "as"
    assert author_of("", None, {"USERNAME": "as"}) == "as"
    assert author_of("", None, {}) == "author"


@pytest.mark.parametrize(
    ("author", "team"), [("Ana Souza", "ana-souza"), ("João", "joao"), ("李", "team"), ("aj", "team-aj")]
)
def test_the_team_of_somebody_in_none(author: str, team: str) -> None:
    assert team_without_environment(author) == team


def answers(**changes: Any) -> Answers:
    values: dict[str, Any] = {
        "name": "laptops",
        "package": "laptops",
        "lang": "en",
        "model": "regression",
        "author": "Ana",
        "team": "ana",
        "env": "devl",
    }
    return Answers(**values | changes)


def test_an_environment_is_filled_in_as_it_is_for_everybody_in_it() -> None:
    assert answers().connected(ANA) == answers(
        team="red",
        env="stag",
        bucket="course--stag--123456789012",
        profile="course-stag",  # and not the name that ana's has on her machine
        mlflow_uri="http://127.0.0.1:5000",
    )
    assert (answers().connected(record()).team, answers().connected(record()).mlflow_uri) == ("ci", "")


STAG, PROD = record(), record(env="prod", target="aws")
CHOICES = {
    "none": ([], None, False, None),
    "the only one": ([STAG], None, False, STAG),
    "the one named": ([STAG, PROD], "prod", False, PROD),
    "another is named": ([STAG], "prod", False, None),
    "the local one": ([STAG, PROD], None, True, STAG),
}


@pytest.mark.parametrize(("records", "env", "local", "chosen"), CHOICES.values(), ids=CHOICES.keys())
def test_which_environment(records: list[Record], env: str | None, local: bool, chosen: Record | None) -> None:
    assert choose(records, env, local=local) == chosen


UNCLEAR = {
    "two": ([STAG, PROD], None, False, "several environments .*: prod, stag", "--env NAME"),
    "two of the same name": ([STAG, ANA], "stag", False, "course/stag, course/stag/ana", "opened the invite"),
    "not on this laptop": ([PROD], "prod", True, "'prod' is on AWS", "Leave --local away"),
}


@pytest.mark.parametrize(("records", "env", "local", "told", "hint"), UNCLEAR.values(), ids=UNCLEAR.keys())
def test_which_environment_cannot_be_told(
    records: list[Record], env: str | None, local: bool, told: str, hint: str
) -> None:
    with pytest.raises(UsageError, match=told) as caught:
        choose(records, env, local=local)
    assert hint in caught.value.hint


# --- the answers file ---


def test_the_answers_come_back() -> None:
    said = answers(gitlab=True, bucket="b").as_data()
    assert answers_of({"template": "ml-project", **said}, "x") == ("ml-project", answers(gitlab=True, bucket="b"))


def test_a_question_that_is_newer_than_the_file_gets_its_default() -> None:
    _, found = answers_of({"template": "ml-project", "name": "laptops", "package": "laptops", "gone": 1}, "x")
    assert found == answers(author="", team="laptops", env="stag")


WRONG_ANSWERS: dict[str, tuple[object, str]] = {
    "nothing": (None, "`template` does not name"),
    "a list": ([], "`template` does not name"),
    "a template that is a path": ({"template": "../../etc", "name": "a", "package": "a"}, "`template` does not name"),
    "no name": ({"template": "ml-project", "package": "a"}, "`name` is missing"),
    "a number": ({"template": "ml-project", "name": 7, "package": "a"}, "`name` has to be a text"),
    "a word": ({"template": "ml-project", "name": "a", "package": "a", "gitlab": "yes"}, "has to be true or false"),
}


@pytest.mark.parametrize(("kept", "told"), WRONG_ANSWERS.values(), ids=WRONG_ANSWERS.keys())
def test_answers_that_cannot_be_used(kept: object, told: str) -> None:
    with pytest.raises(ConfigError, match=told) as caught:
        answers_of(kept, ".copier-answers.yml")
    assert caught.value.message.startswith(".copier-answers.yml: ")
    assert caught.value.hint


def test_what_a_commit_of_the_template_says() -> None:
    assert render_message("New", "ml-project", "0.1.0", "abc") == (
        "New\n\nBootstrap-Template: ml-project\nBootstrap-Version: 0.1.0\nBootstrap-Tree: abc\n"
    )
