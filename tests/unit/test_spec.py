"""`bootstrap.toml`: what is read from it, and what is said about one with something wrong in it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from bootstrap.core.spec import Ec2Mlflow, NoMlflow, Spec, default_branch, parse_spec
from bootstrap.errors import ConfigError, UsageError

CASES = Path(__file__).parent.parent / "cases" / "spec"


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8")


@pytest.mark.parametrize("case", sorted(CASES.glob("*.valid.toml")), ids=lambda path: path.name)
def test_a_valid_file_is_read(case: Path) -> None:
    assert parse_spec(_text(case), "bootstrap.toml").source == "bootstrap.toml"


@pytest.mark.parametrize("case", sorted(CASES.glob("*.invalid.toml")), ids=lambda path: path.name)
@pytest.mark.parametrize("newline", ["\n", "\r\n"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_an_invalid_file_is_told_all_that_is_wrong(case: Path, newline: str, mark: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_spec(mark + _text(case).replace("\n", newline), "bootstrap.toml")
    assert caught.value.message + "\n" == _text(case.with_suffix(".txt"))


def test_a_full_file_says_what_it_says() -> None:
    spec = parse_spec(_text(CASES / "everything.valid.toml"), "bootstrap.toml")
    assert (spec.project, spec.region, spec.roster) == ("ml-course-2026", "sa-east-1", "people/turma 1.csv")
    assert spec.environment_names == ("devl", "stag", "prod", "demo-2")
    assert [spec.environment(name).branch for name in spec.environment_names] == [
        "devl",
        "release/next",
        "main",
        "demo-2",
    ]
    assert spec.environment("devl").mlflow == NoMlflow(kind="none")
    assert spec.environment("prod").protected
    assert spec.environment("prod").name == "prod"
    stag = spec.environment("stag")
    assert stag.budget_usd == 12.5
    assert isinstance(stag.mlflow, Ec2Mlflow)
    assert stag.mlflow.allowed_cidrs == ("203.0.113.0/24", "2001:db8::/32")
    assert stag.mlflow.volume_gb == 40
    assert (spec.github.repository, spec.github.auth) == ("ana/ml-course.github.io", "keys")
    assert spec.github.api_url == "http://127.0.0.1:8080/api/v3"


def test_a_file_with_a_project_alone_has_the_defaults_of_no_file() -> None:
    read, default = parse_spec('project = "abc"', "bootstrap.toml"), Spec.default("abc")
    assert read.model_dump() == default.model_dump()
    for spec in (read, default):
        assert spec.region == "us-east-1"
        assert spec.roster == "members.csv"
        assert spec.environment_names == ("devl", "stag", "prod")
        assert spec.environment("prod").branch == "main"
        assert spec.environment("demo").branch == default_branch("demo") == "demo"
        assert spec.environment("demo").mlflow is None


def test_the_line_of_a_key_can_be_asked() -> None:
    text = '\nproject = "abc"\n[environments.stag]\nmlflow = { kind = "ec2" }\n'
    spec = parse_spec(text, "course/bootstrap.toml")
    assert spec.where("environments", "stag", "mlflow", "kind") == "course/bootstrap.toml:4"
    assert spec.where("environments", "stag", "expires") == "course/bootstrap.toml:3"
    assert spec.where("region") == "course/bootstrap.toml:1"
    assert Spec.default("abc").where("region") == "the defaults"


def test_a_spec_cannot_be_changed() -> None:
    spec = parse_spec('project = "abc"\n[environments.stag]', "bootstrap.toml")
    with pytest.raises(ValueError, match="frozen"):
        spec.region = "sa-east-1"
    with pytest.raises(ValueError, match="frozen"):
        spec.environment("stag").protected = True


TWO = 'project = "abc"\n[environments.devl]\n[environments.stag]\n'


def test_an_unknown_environment_is_told_which_there_are() -> None:
    with pytest.raises(ConfigError) as caught:
        parse_spec(TWO, "bootstrap.toml").environment("stga")
    assert caught.value.message == "There is no environment 'stga' in bootstrap.toml; there are: devl, stag"
    assert caught.value.hint.startswith("Did you mean stag? ")
    lines = caught.value.hint.split("\n\n", 1)[1]
    assert parse_spec(TWO + lines, "bootstrap.toml").environment("stga").branch == "stga"


def test_an_illegal_environment_gets_no_lines_to_add() -> None:
    with pytest.raises(ConfigError) as caught:
        parse_spec(TWO, "bootstrap.toml").environment("Stag")
    assert caught.value.hint == "Did you mean stag?"


@pytest.mark.parametrize("name", ["Stag", "", "tfstate", "a--b"])
def test_without_a_file_an_environment_still_needs_a_legal_name(name: str) -> None:
    with pytest.raises(UsageError, match="cannot be an environment's name: it "):
        Spec.default("abc").environment(name)


def test_defaults_need_a_legal_project() -> None:
    with pytest.raises(UsageError) as caught:
        Spec.default("My Course")
    assert caught.value.hint == "A legal name close to it: my-course"


_places = st.sampled_from(
    [
        *("", "[environments]", "[environments.stag]", "[environments.stag.mlflow]", "[environments.Prod]"),
        *("[[environments]]", "[github]", "[environments.devl.mlflow]", '[environments."[key]"]', "[prod]"),
    ]
)
_keys = st.sampled_from(
    [
        *("project", "region", "owner", "roster", "environments", "github", "stag", "branch", "expires"),
        *("budget_usd", "protected", "mlflow", "mlflow.kind", "kind", "instance_type", "domain", "cpu"),
        *("allowed_cidrs", "memory", "volume_gb", "repository", "auth", "api_url", '"[key]"', '"é\\n"', '""'),
    ]
)
_values = st.sampled_from(
    [
        *(
            '"abc"',
            '"us-east-1"',
            '"ec2"',
            '"ecs"',
            '"dagshub"',
            '"none"',
            '"a@b.io"',
            '"10.0.0.0/8"',
            '"\\n\\t"',
        ),
        *("1", "-1", "512", "2048", "1.5", "nan", "-inf", "true", "1e400", "0x" + "f" * 5000, "9" * 400),
        *("2026-12-31", "2026-12-31T10:00:00Z", "10:00:00", "[]", "[1, 'a', []]", "{}", '{ kind = "ec2" }'),
        *(
            "{ kind = [] }",
            '{ stag = { mlflow = { kind = "ecs", cpu = 1 } } }',
            '"http://[::1"',
            '"http://a:b"',
        ),
    ]
)
_toml_like = st.lists(_places | st.builds("{} = {}".format, _keys, _values), max_size=10).map("\n".join)


@given(st.text() | _toml_like)
@example("a = " + "[" * 100_000)
def test_no_text_at_all_is_answered_with_anything_but_plain_words(text: str) -> None:
    try:
        spec = parse_spec(text, "bootstrap.toml")
    except ConfigError as error:
        for line in error.message.split("\n"):
            assert re.match(r"bootstrap\.toml:\d+:(\d+:)? \S", line)
            assert line.isprintable()
            assert not re.search(r"pydantic|[Ii]nput|dict|None|int\(\)|not text", line)
    else:
        assert parse_spec(text, "bootstrap.toml") == spec


@pytest.mark.parametrize("text", ['"\udc80" = 1', "\udc80 = 1", 'project = "\udc80"'])
def test_half_a_character_is_told_like_the_rest(text: str) -> None:
    with pytest.raises(ConfigError, match=r"^bootstrap\.toml:1:"):
        parse_spec(text, "bootstrap.toml")
