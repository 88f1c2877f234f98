"""Which team a name in MLflow belongs to."""

from __future__ import annotations

import pytest

from bootstrap.core import mlflow_names as names

EXPERIMENTS = {
    "red/default": "red",
    "red/a/b": "red",
    "red/": "red",
    "team-7/x.y": "team-7",
    "red": None,
    "Default": None,
    "/red/x": None,
    "Red/x": None,
    " red/x": None,
    "red--blue/x": None,
    "red.model": None,
    "größe/x": None,
    "": None,
}


@pytest.mark.parametrize(("name", "team"), EXPERIMENTS.items())
def test_the_team_of_an_experiment(name: str, team: str | None) -> None:
    assert names.team_of_experiment(name) == team


MODELS = {
    "red.model": "red",
    "red.model.v2": "red",
    "team-7.x y": "team-7",
    "model": None,
    ".model": None,
    "Red.model": None,
    "red/x": None,
    "": None,
}


@pytest.mark.parametrize(("name", "team"), MODELS.items())
def test_the_team_of_a_model(name: str, team: str | None) -> None:
    assert names.team_of_model(name) == team


@pytest.mark.parametrize("team", ["red", "team-7", "instructors", "bootstrap-team-red"])
def test_there_and_back(team: str) -> None:
    assert names.team_of_role(names.team_role(team)) == team
    assert names.team_of_experiment(names.experiment_of(team)) == team


@pytest.mark.parametrize("role", [names.INSTRUCTORS, "__user_7__", "bootstrap-team-", "bootstrap-team-A", "red", ""])
def test_roles_of_no_team(role: str) -> None:
    assert names.team_of_role(role) is None


def test_no_team_reaches_all_teams_by_its_name() -> None:
    assert names.INSTRUCTORS not in {names.team_role(team) for team in ("instructors", "s", "")}
