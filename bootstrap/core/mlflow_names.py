"""What belongs to which team in MLflow is said by names alone: `<team>/…` and `<team>.…`.

An experiment may have a slash in its name. A registered model may not, so a team's models and prompts have a dot
instead; a team is a slug and holds neither. https://mlflow.org/docs/latest/ml/model-registry/
"""

from __future__ import annotations

from bootstrap.core.names import SLUG

# The role of everybody who may read all teams.
INSTRUCTORS = "bootstrap-instructors"
_TEAM_ROLE = "bootstrap-team-"
_DEFAULT = "default"


def experiment_of(team: str) -> str:
    """Return the experiment that a team finds ready for use."""
    return f"{team}/{_DEFAULT}"


def default_experiments() -> str:
    """Return a pattern, as SQL's LIKE knows it, of the experiments that all teams find ready."""
    return experiment_of("%")


def team_of_experiment(name: str) -> str | None:
    """Return the team that an experiment is named for, whether or not there is such a team; None without one."""
    return _before("/", name)


def team_of_model(name: str) -> str | None:
    """Return the team that a registered model or a prompt is named for, or None without one."""
    return _before(".", name)


def team_role(team: str) -> str:
    """Return the name of the role that holds what a team may do."""
    return f"{_TEAM_ROLE}{team}"


def team_of_role(role: str) -> str | None:
    """Return the team of a role, or None for a role that is not a team's."""
    team = role.removeprefix(_TEAM_ROLE)
    return team if team != role and SLUG.fullmatch(team) else None


def _before(separator: str, name: str) -> str | None:
    team, found, _ = name.partition(separator)
    return team if found and SLUG.fullmatch(team) else None
