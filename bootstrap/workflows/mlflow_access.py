"""Who may do what in MLflow: accounts, teams, instructors.

A team's role holds everything the team has, and every member has the role. So who leaves a team loses all of it at
once, and whatever carries the team's name belongs to the team, not to the one who happened to make it. MLflow lets
everybody make things of any name, and gives the maker alone a permission; `reconcile` puts that right afterwards.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from bootstrap.adapters import servers
from bootstrap.adapters.mlflow import ADMIN, MlflowServer
from bootstrap.adapters.mlflow_api import (
    EVERY,
    EXPERIMENT,
    MANAGE,
    MODEL,
    PROMPT,
    READ,
    SCORER,
    Grant,
    MlflowApi,
    Role,
    User,
)
from bootstrap.core import mlflow_names as names
from bootstrap.errors import BootstrapError

# The four kinds that inherit from nothing. Runs, artifacts, traces, logged models and versions follow these; a grant
# on one of those by itself would come before it, and take from instructors what they may do with their own.
_INSTRUCTORS_READ = (EXPERIMENT, MODEL, PROMPT, SCORER)
_WORDS = {EXPERIMENT: "experiment", MODEL: "registered model", PROMPT: "prompt"}
_INSTRUCTOR = "an instructor"


@dataclass(frozen=True)
class Account:
    """A person as MLflow has to know them."""

    name: str
    role: Literal["student", "instructor"]
    team: str


@dataclass(frozen=True)
class TeamRoles:
    """The ids of the roles that are ready for use: of teams by team, and of instructors."""

    teams: Mapping[str, int]
    instructors: int

    def wanted(self, account: Account) -> dict[int, str]:
        """Return the roles that a person of one of these teams has: id → in words what they are with it."""
        wanted = {self.teams[account.team]: f"in team {account.team}"} if account.team in self.teams else {}
        return wanted | ({self.instructors: _INSTRUCTOR} if account.role == "instructor" else {})


@dataclass(frozen=True)
class _Thing:
    """Something in MLflow that is named for a team. `id` is what grants call it."""

    kind: str
    id: str
    name: str
    team: str

    def __str__(self) -> str:
        return f"the {_WORDS[self.kind]} {self.name}"


def administrator(server: MlflowServer, running: servers.Server) -> MlflowApi:
    """Return the API of a running server as its administrator."""
    return MlflowApi(running.url, ADMIN, server.admin_password())


def prepare_teams(api: MlflowApi, teams: Iterable[str]) -> TeamRoles:
    """Make sure that each team has its role and its first experiment, and instructors theirs.

    Two calls if all is there, however many teams; three more for each that is new.
    """
    return _prepare(api, teams, lambda _: None)


def admit(api: MlflowApi, account: Account, password: str | None, roles: TeamRoles | None = None) -> None:
    """Give one person their account and exactly the roles they should have.

    Without a password the account stays as it is; BootstrapError if there is none. With `roles` from `prepare_teams`
    a new student takes two calls. May run side by side with itself, once the teams are prepared.
    """
    if roles is None or account.team not in roles.teams:
        roles = prepare_teams(api, [account.team])
    wanted = roles.wanted(account)
    has: tuple[Role, ...] = ()
    if password is None or not api.ensure_user(account.name, password):
        found = api.roles_of(account.name)
        if found is None:
            raise BootstrapError(
                f"{account.name} has no account in MLflow.",
                hint="`bootstrap rotate` gives them a new one, with a new invite.",
            )
        has = found
    for role_id in set(wanted).difference(role.id for role in has):
        api.assign(account.name, role_id)
    extra = [role for role in has if _is_ours(role) and role.id not in wanted]
    # First what they made there: once the role is gone, nothing tells a next run that they left this team.
    if left := {team for role in extra if (team := names.team_of_role(role.name))}:
        _take_what_is_of(api, account.name, has, left)
    for role in extra:
        api.unassign(account.name, role.id)


def reconcile(api: MlflowApi, accounts: Iterable[Account]) -> list[str]:
    """Make everything as it should be for exactly these people; return in words what was changed.

    What is named for a team of theirs belongs to its role, wholly and alone. Whoever is not among them has no role
    of ours; other accounts, experiments without a team's name and roles that are not ours are left alone.
    """
    people = {account.name: account for account in accounts}
    teams = sorted({account.team for account in people.values()})
    told: list[str] = []
    ready = _prepare(api, teams, told.append)
    things = _things(api)
    roles = [role for role in api.roles().values() if _is_ours(role)]
    for role in roles:
        team = names.team_of_role(role.name)
        if team in teams:
            _settle_role(api, role, things, teams, told.append)
    users = [user for user in api.users() if not user.is_admin]
    _take_personal(api, users, [thing for thing in things.values() if thing.team in teams], told.append)
    for user in users:
        account = people.get(user.name)
        _settle_membership(api, user, ready.wanted(account) if account else {}, told.append)
    for role in roles:
        team = names.team_of_role(role.name)
        if team is not None and team not in teams and api.delete_role(role):
            told.append(f"removed the role of team {team}, which has no members")
    return told


def dismiss(api: MlflowApi, name: str) -> bool:
    """Delete a person's account with all it may do, from this moment on; what they made stays.

    Return False if they had none.
    """
    return api.delete_user(name)


_Tell = Callable[[str], None]


def _prepare(api: MlflowApi, teams: Iterable[str], tell: _Tell) -> TeamRoles:
    wanted = sorted(set(teams))
    there = api.roles()
    # For a single person the answer must not grow with the class.
    pattern = names.experiment_of(wanted[0]) if len(wanted) == 1 else names.default_experiments()
    experiments = api.experiments(pattern)
    ids = {}
    for team in wanted:
        role = there.get(names.team_role(team))
        if role is None:
            role = api.ensure_role(names.team_role(team))
            tell(f"made the role of team {team}")
        ids[team] = role.id
        name = names.experiment_of(team)
        experiment = experiments.get(name)
        grant = role.grant_on(EXPERIMENT, experiment) if experiment else None
        if grant is None or grant.permission != MANAGE:
            _hand_over(api, role, name, tell)
    return TeamRoles(ids, _prepare_instructors(api, there.get(names.INSTRUCTORS), tell))


def _prepare_instructors(api: MlflowApi, role: Role | None, tell: _Tell) -> int:
    if role is None:
        role = api.ensure_role(names.INSTRUCTORS)
        tell("made the role of instructors")
    for kind in _INSTRUCTORS_READ:
        api.ensure_grant(role, kind, EVERY, READ)
    return role.id


def _hand_over(api: MlflowApi, role: Role, name: str, tell: _Tell) -> None:
    """Give a team's role its first experiment, made if need be; whoever was quicker with that name loses it."""
    made = api.create_experiment(name)
    experiment = made or api.existing_experiment(name)
    api.ensure_grant(role, EXPERIMENT, experiment, MANAGE)
    team = names.team_of_role(role.name) or ""
    tell(f"made the experiment {name}" if made else f"gave team {team} the experiment {name}")
    if not made:
        users = [user for user in api.users() if not user.is_admin]
        _take_personal(api, users, [_Thing(EXPERIMENT, experiment, name, team)], tell)


def _things(api: MlflowApi) -> dict[tuple[str, str], _Thing]:
    """Return everything that carries a team's name, whether or not there is such a team, by kind and id."""
    found = [(EXPERIMENT, id_, name) for name, id_ in api.experiments(deleted=True).items()]
    found += [(MODEL, name, name) for name in sorted(api.registered_models())]
    found += [(PROMPT, name, name) for name in sorted(api.prompts())]
    return {(kind, id_): _Thing(kind, id_, name, _team_of(kind, name) or "") for kind, id_, name in found}


def _team_of(kind: str, name: str) -> str | None:
    return names.team_of_experiment(name) if kind == EXPERIMENT else names.team_of_model(name)


def _settle_role(
    api: MlflowApi, role: Role, things: Mapping[tuple[str, str], _Thing], teams: Collection[str], tell: _Tell
) -> None:
    """Let a team's role manage what carries its name, and nothing that is another team's or gone."""
    team = names.team_of_role(role.name)
    for thing in things.values():
        if thing.team == team:
            grant = role.grant_on(thing.kind, thing.id)
            if (grant is None or grant.permission != MANAGE) and api.ensure_grant(role, thing.kind, thing.id, MANAGE):
                tell(f"gave team {team} {thing}")
    for grant in role.grants:
        if grant.kind not in _WORDS or grant.thing == EVERY:
            continue  # an administrator's own doing
        found = things.get((grant.kind, grant.thing))
        # What is gone may come back as something else: names, and even ids, are used again.
        if (found is None or (found.team != team and found.team in teams)) and api.remove_grant(role, grant):
            tell(f"took {found or f'the {_WORDS[grant.kind]} {grant.thing}, which is gone,'} from team {team}")


def _take_personal(api: MlflowApi, users: Iterable[User], things: Iterable[_Thing], tell: _Tell) -> None:
    """Take from people what they hold in person of these things."""
    wanted = {(thing.kind, thing.id): thing for thing in things}
    for user in users:
        for grant in _personal(user.roles):
            thing = wanted.get((grant.kind, grant.thing))
            if thing is not None and api.revoke(user.name, grant.kind, grant.thing):
                tell(f"took from {user.name} their own {grant.permission} of {thing}")


def _take_what_is_of(api: MlflowApi, name: str, roles: Iterable[Role], teams: Collection[str]) -> None:
    """Take from a person what they made in the name of teams that they have left.

    Only this person's own things are looked at, so it takes no longer in a large class.
    """
    for grant in _personal(roles):
        if grant.kind in _WORDS and grant.thing != EVERY:
            called = api.experiment_name(grant.thing) if grant.kind == EXPERIMENT else grant.thing
            if called is not None and _team_of(grant.kind, called) in teams:
                api.revoke(name, grant.kind, grant.thing)


def _settle_membership(api: MlflowApi, user: User, wanted: Mapping[int, str], tell: _Tell) -> None:
    has = {role.id: role for role in user.roles if _is_ours(role)}
    for role_id, place in wanted.items():
        if role_id not in has and api.assign(user.name, role_id):
            tell(f"{user.name} is now {place}")
    for role_id, role in has.items():
        if role_id not in wanted and api.unassign(user.name, role_id):
            team = names.team_of_role(role.name)
            tell(f"{user.name} is no longer {_INSTRUCTOR if team is None else f'in team {team}'}")


def _personal(roles: Iterable[Role]) -> list[Grant]:
    return [grant for role in roles if role.is_personal for grant in role.grants]


def _is_ours(role: Role) -> bool:
    return role.name == names.INSTRUCTORS or names.team_of_role(role.name) is not None
