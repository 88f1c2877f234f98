"""`bootstrap github collaborators`: the roster's people get access to the repository, each by their role."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from bootstrap.adapters.files import read_text
from bootstrap.core.github import permissions
from bootstrap.core.plan import Plan, Step
from bootstrap.core.roster import parse_roster
from bootstrap.errors import ConfigError, Declined
from bootstrap.workflows import github
from bootstrap.workflows.project import Project
from bootstrap.workflows.story import Story

_STRENGTH = ("pull", "triage", "push", "maintain", "admin")


def invite_all(
    project: Project, env: str, roster: Path | None, story: Story, confirm: Callable[[Plan], bool]
) -> list[str]:
    """Invite whoever of the roster lacks access; returns in words what was done.

    Nobody loses anything: who may do more already is left as is. Raises Declined on a no, ConfigError for a roster
    that is not there or wrong, GitHubFailed.
    """
    project.spec.environment(env)
    path = roster if roster is not None else project.folder / project.spec.roster
    text = read_text(path)
    if text is None:
        raise ConfigError(f"There is no {path}.", hint="Name the class list with --roster.")
    people = parse_roster(text, path.name).people
    if without := [person.name for person in people if not person.github]:
        story.note(f"Without a name on GitHub in the roster, and so left out: {', '.join(without)}.")
    hub = github.connect(project)
    with story.step("Looking at GitHub"):
        repository = hub.look()
        wanted = permissions(((one.github, one.role) for one in people), of_a_user=repository.of_a_user)
        held = {login.lower(): permission for login, permission in hub.collaborators().items()}
        for login in wanted:
            if login.lower() not in held:
                hub.user_id(login)  # a name that is nobody's is told before anybody is invited
    todo = {
        login: permission
        for login, permission in wanted.items()
        if login.lower() not in held or _STRENGTH.index(held[login.lower()]) < _STRENGTH.index(permission)
    }
    if not todo:
        return []
    steps = [
        Step("update" if login.lower() in held else "create", "github", f"{login}: {permission}")
        for login, permission in todo.items()
    ]
    if not confirm(Plan(tuple(steps))):
        raise Declined("Nobody was invited.")
    done: list[str] = []
    with story.step("Inviting") as step:
        for login, permission in todo.items():
            invited = hub.invite(login, permission)
            done.append(f"{login}: {permission}{', invited' if invited else ''}")
            step.detail(f"{len(done)} of {len(todo)}")
    return done
