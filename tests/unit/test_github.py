"""What an environment needs on GitHub, against what is there: tables of found → to do."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta, timezone

import pytest

from bootstrap.core.github import (
    Environment,
    Found,
    Key,
    Login,
    Marker,
    Repository,
    Wanted,
    compare,
    foreign,
    goal,
    issuer,
    parse_marker,
    permissions,
    prefixed,
    subjects,
)

MADE = datetime(2031, 3, 1, 12, 0, 0, 500_000, tzinfo=timezone.utc)
LOGIN = Login("ci", "correct-horse")
KEYS = Wanted("stag", "stag", "environment", {"AWS_REGION": "us-east-1"}, {}, Key("AKIA1", "geheim", MADE), LOGIN)
OIDC = replace(KEYS, key=None, variables={"AWS_REGION": "us-east-1", "AWS_ROLE_ARN": "arn:r"})
IN_PLACE = Environment("custom", ("stag",))


def found(
    want: Wanted,
    marker: Marker | None = None,
    environment: Environment | None = IN_PLACE,
    variables: Mapping[str, str] | None = None,
    written: datetime = MADE + timedelta(minutes=1),
    without: tuple[str, ...] = (),
) -> Found:
    """Return a place that has all that is wanted, but for what is given."""
    have = {want.name(name): value for name, value in want.variables.items()} | dict(variables or {})
    have[want.name("BOOTSTRAP_SYNC")] = (marker or want.marker()).to_text()
    secrets = dict.fromkeys(want.secrets(), written)
    return Found(
        environment,
        {name: value for name, value in have.items() if name not in without},
        {name: time for name, time in secrets.items() if name not in without},
    )


def words(want: Wanted, there: Found) -> list[str]:
    return [f"{change.action} {change.in_words()}" for change in compare(want, there)]


DONE = KEYS.marker()
AN_EMPTY_PLACE = Found(None, {}, {})

TABLE: dict[str, tuple[Wanted, Found, list[str]]] = {
    "all is there": (KEYS, found(KEYS), []),
    "all is there, with a role": (OIDC, found(OIDC), []),
    "nothing is there": (
        KEYS,
        AN_EMPTY_PLACE,
        [
            "create the environment stag",
            "create the rule that only the branch stag may use it",
            "create the variable AWS_REGION",
            "create the secret AWS_ACCESS_KEY_ID",
            "create the secret AWS_SECRET_ACCESS_KEY",
            "create the secret MLFLOW_TRACKING_USERNAME",
            "create the secret MLFLOW_TRACKING_PASSWORD",
        ],
    ),
    "another value": (
        KEYS,
        found(KEYS, variables={"AWS_REGION": "sa-east-1"}),
        ["update the variable AWS_REGION (has another value)"],
    ),
    "another key": (
        KEYS,
        found(KEYS, replace(DONE, key="AKIA0")),
        [
            "update the secret AWS_ACCESS_KEY_ID (holds another key)",
            "update the secret AWS_SECRET_ACCESS_KEY (holds another key)",
        ],
    ),
    "a run that was cut off": (
        KEYS,
        found(KEYS, replace(DONE, key=None, login=None)),
        [f"update the secret {name} (was not finished)" for name in KEYS.secrets()],
    ),
    "another password": (
        KEYS,
        found(KEYS, replace(DONE, login="0" * 12)),
        [
            "update the secret MLFLOW_TRACKING_USERNAME (holds another login)",
            "update the secret MLFLOW_TRACKING_PASSWORD (holds another login)",
        ],
    ),
    "older than the key": (
        KEYS,
        found(KEYS, written=MADE - timedelta(seconds=2)),
        [
            "update the secret AWS_ACCESS_KEY_ID (is older than the key)",
            "update the secret AWS_SECRET_ACCESS_KEY (is older than the key)",
        ],
    ),
    "written in the second in which the key was made": (KEYS, found(KEYS, written=MADE.replace(microsecond=0)), []),
    "from keys to a role": (
        OIDC,
        found(KEYS),
        [
            "create the variable AWS_ROLE_ARN",
            "delete the secret AWS_ACCESS_KEY_ID (is not needed any more)",
            "delete the secret AWS_SECRET_ACCESS_KEY (is not needed any more)",
        ],
    ),
    "from a role to keys": (
        KEYS,
        found(OIDC),
        [
            "create the secret AWS_ACCESS_KEY_ID",
            "create the secret AWS_SECRET_ACCESS_KEY",
            "delete the variable AWS_ROLE_ARN (is not needed any more)",
        ],
    ),
    "any branch may": (
        KEYS,
        found(KEYS, environment=Environment("all")),
        ["update the rule that only the branch stag may use it (any branch may now)"],
    ),
    "protected branches may": (
        KEYS,
        found(KEYS, environment=Environment("protected")),
        ["update the rule that only the branch stag may use it (any protected branch may now)"],
    ),
    "another branch may": (
        KEYS,
        found(KEYS, environment=Environment("custom", ("main",))),
        ["create the rule that only the branch stag may use it"],
    ),
    "a reviewer more": (
        replace(KEYS, reviewers={"bia": 2, "ana": 1}),
        found(KEYS, environment=replace(IN_PLACE, reviewers={"ana": 1})),
        ["update the rule that bia must approve a run"],
    ),
    "a reviewer under a new name": (
        replace(KEYS, reviewers={"ana-new": 1}),
        found(KEYS, environment=replace(IN_PLACE, reviewers={"ana": 1})),
        [],
    ),
    "a reviewer that we asked for and that is not wanted any more": (
        KEYS,
        found(KEYS, replace(DONE, reviewers=(2,)), replace(IN_PLACE, reviewers={"ana": 1, "bia": 2})),
        ["delete the rule that bia must approve a run (not asked any more)"],
    ),
    "another branch than before, in an environment that is ours": (
        KEYS,
        found(KEYS, replace(DONE, branch="old", made=True), Environment("custom", ("old",))),
        [
            "create the rule that only the branch stag may use it",
            "delete the rule that only the branch old may use it (is not its branch any more; the environment is made "
            "anew)",
        ],
    ),
    "another branch than before, in somebody else's environment": (
        KEYS,
        found(KEYS, replace(DONE, branch="old"), Environment("custom", ("old",))),
        ["create the rule that only the branch stag may use it"],
    ),
    "another branch than before, with a secret of somebody else's in it": (
        KEYS,
        found(KEYS, replace(DONE, branch="old", made=True), Environment("custom", ("old",)), {"THEIRS": "1"}),
        ["create the rule that only the branch stag may use it"],
    ),
    "at repository level": (
        replace(OIDC, scope="repository", env="dev-2"),
        Found(None, {}, {}),
        [
            "create the variable DEV_2_AWS_REGION",
            "create the variable DEV_2_AWS_ROLE_ARN",
            "create the secret DEV_2_MLFLOW_TRACKING_USERNAME",
            "create the secret DEV_2_MLFLOW_TRACKING_PASSWORD",
        ],
    ),
}


@pytest.mark.parametrize(("want", "there", "todo"), TABLE.values(), ids=TABLE.keys())
def test_what_is_to_do(want: Wanted, there: Found, todo: list[str]) -> None:
    assert words(want, there) == todo


FOREIGN: dict[str, tuple[Found, list[str]]] = {
    "nothing there": (AN_EMPTY_PLACE, []),
    "all ours": (found(KEYS, variables={"AWS_REGION": "sa-east-1"}), []),
    "somebody's variable with the right value": (Found(IN_PLACE, {"AWS_REGION": "us-east-1"}, {}), []),
    "somebody's variable with another": (Found(IN_PLACE, {"AWS_REGION": "sa-east-1"}, {}), ["AWS_REGION"]),
    "somebody's secret": (Found(IN_PLACE, {}, {"AWS_ACCESS_KEY_ID": MADE}), ["AWS_ACCESS_KEY_ID"]),
    "somebody's marker": (
        Found(IN_PLACE, {"BOOTSTRAP_SYNC": "{}"}, {"AWS_ACCESS_KEY_ID": MADE}),
        ["AWS_ACCESS_KEY_ID"],
    ),
    "names that we do not want": (Found(IN_PLACE, {"X": "1"}, {"Y": MADE}), []),
}


@pytest.mark.parametrize(("there", "names"), FOREIGN.values(), ids=FOREIGN.keys())
def test_what_would_be_overwritten(there: Found, names: list[str]) -> None:
    assert foreign(KEYS, there) == names


def test_a_variable_that_somebody_else_had_set_so_stays_theirs() -> None:
    theirs = Found(IN_PLACE, {"AWS_REGION": "us-east-1"}, {})
    assert "AWS_REGION" not in goal(KEYS, theirs).names
    assert "AWS_REGION" in goal(KEYS, Found(IN_PLACE, {"AWS_REGION": "sa-east-1"}, {})).names
    assert "AWS_REGION" in goal(KEYS, found(KEYS)).names


MARKERS = [Marker(), DONE, Marker(("A",), None, None, True, "protected", "AKIA0", "stag", (1, 2))]


@pytest.mark.parametrize("marker", MARKERS)
def test_a_marker_is_read_as_it_was_written(marker: Marker) -> None:
    assert parse_marker(marker.to_text()) == marker


@pytest.mark.parametrize("text", [None, "", "null", "7", "[]", "{}", '{"names": 3}', "\0", '{"names": []}'])
def test_what_is_no_marker(text: str | None) -> None:
    assert parse_marker(text) is None


def test_a_marker_gives_nothing_away() -> None:
    assert LOGIN.mark != replace(LOGIN, password="another").mark
    assert "correct" not in KEYS.marker().to_text()
    assert "geheim" not in KEYS.marker().to_text()
    assert "geheim" not in repr(KEYS)
    assert "correct" not in repr(KEYS)


ISSUERS = {
    "https://api.github.com": "token.actions.githubusercontent.com",
    "http://127.0.0.1:8080/api/v3": "token.actions.githubusercontent.com",
    "https://github.example.org/api/v3": "github.example.org/_services/token",
    "https://github.example.org:8443/api/v3": "github.example.org:8443/_services/token",
    "https://api.school.ghe.com": "token.actions.school.ghe.com",
}


@pytest.mark.parametrize(("api_url", "host"), ISSUERS.items())
def test_who_signs(api_url: str, host: str) -> None:
    assert issuer(api_url) == host


PUBLIC = Repository("ana/course", 77, 55)
SUBJECTS = {
    "public": (PUBLIC, ("repo:ana/course:environment:prod", "repo:ana@55/course@77:environment:prod")),
    "private, plan unknown": (
        replace(PUBLIC, private=True),
        ("repo:ana/course:environment:prod", "repo:ana@55/course@77:environment:prod"),
    ),
    "told that it has none": (
        replace(PUBLIC, environments=False),
        ("repo:ana/course:ref:refs/heads/main", "repo:ana@55/course@77:ref:refs/heads/main"),
    ),
    "private, free": (
        replace(PUBLIC, private=True, plan="free"),
        ("repo:ana/course:ref:refs/heads/main", "repo:ana@55/course@77:ref:refs/heads/main"),
    ),
}


@pytest.mark.parametrize(("repository", "forms"), SUBJECTS.values(), ids=SUBJECTS.keys())
def test_both_forms_of_the_subject(repository: Repository, forms: tuple[str, str]) -> None:
    assert subjects(repository, "prod", "main") == forms


def test_names_where_there_are_no_environments() -> None:
    assert prefixed("AWS_REGION", "my-env", "repository") == "MY_ENV_AWS_REGION"
    assert prefixed("AWS_REGION", "my-env", "environment") == "AWS_REGION"


def test_who_may_do_what() -> None:
    roles = [("ana", "student"), ("prof", "instructor"), ("", "student")]
    assert permissions(roles) == {"ana": "push", "prof": "maintain"}
    assert permissions(roles, of_a_user=True) == {"ana": "push", "prof": "push"}
