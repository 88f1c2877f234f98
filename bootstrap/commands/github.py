"""`bootstrap github sync|status|remove|workflows|collaborators`."""

from __future__ import annotations

from pathlib import Path

import click

from bootstrap import ui
from bootstrap.commands import options
from bootstrap.commands.github_workflows import command as workflows_command
from bootstrap.core.counts import counted
from bootstrap.core.plan import Plan
from bootstrap.workflows import collaborators as people
from bootstrap.workflows import github_desk

_COLOURS = {"ok": "green", "missing": "red", "differs": "yellow", "stale": "yellow", "leftover": "yellow"}


@click.group(
    "github",
    short_help="Secrets, variables and access for workflows on GitHub.",
    epilog="\b\nExamples:\n"
    "  bootstrap github status --env stag\n"
    "  bootstrap github sync --env stag\n"
    "  bootstrap github workflows\n"
    "  bootstrap github collaborators --env stag --roster members.csv",
)
def command() -> None:
    """What the repository under [github] in bootstrap.toml needs to reach an environment.

    `up` does `sync` by itself. The token comes from GITHUB_TOKEN, GH_TOKEN, or from `gh auth login`; it is never an
    option here, since others on the machine could read it then.
    """


command.add_command(workflows_command)


def _confirm(plan: Plan, *, yes: bool) -> bool:
    ui.show_plan(plan)
    return ui.confirm("Do this?", yes=yes)


@command.command("sync", epilog="\b\nExample:\n  bootstrap github sync --env stag --yes")
@options.env_option()
@click.option(
    "--replace", is_flag=True, help="Also replace secrets and variables of these names that are not from here."
)
@options.acting_options
def sync(
    env: str, replace: bool, profile: str | None, config: Path | None, as_json: bool, yes: bool, verbose: bool
) -> None:
    """Write an environment's secrets and variables to GitHub. A second run changes nothing.

    Shows what will change, and asks. What others wrote there stays. After an interruption the same command goes on.
    """
    project = options.project(config, verbose=verbose)
    ui.require_an_answer(yes=yes)
    changes = github_desk.sync(
        project, env, profile, ui.TerminalStory(), lambda plan: _confirm(plan, yes=yes), replace_foreign=replace
    )
    if as_json:
        found = [{"action": one.action, "kind": one.kind, "name": one.name, "why": one.why} for one in changes]
        options.print_json({"changed": bool(changes), "changes": found})
    else:
        click.echo(f"{len(changes)} changes on GitHub." if changes else "No changes: GitHub has what it needs.")


@command.command("status", epilog="\b\nExample:\n  bootstrap github status --env stag --json")
@options.env_option()
@options.profile_option
@options.looking_options
def status(env: str, profile: str | None, config: Path | None, as_json: bool, verbose: bool) -> None:
    """Show what is on GitHub for an environment, what differs and what is stale. Exit code 4 if anything is.

    Nobody can read a secret. Whether one is current is told by a variable with the id of the key it holds, and by
    when it was written.
    """
    told = github_desk.status(options.project(config, verbose=verbose), env, profile, ui.TerminalStory())
    if as_json:
        found = [row.as_dict() for row in told.rows]
        options.print_json({"repository": told.repository, "scope": told.scope, "auth": told.auth, "settings": found})
    else:
        click.echo(f"{told.repository}, {told.scope} level, auth {told.auth}")
        rows = [
            (row.kind, row.name, click.style(row.state, fg=_COLOURS[row.state]), row.why or "-") for row in told.rows
        ]
        click.echo(ui.table(rows, ("WHAT", "NAME", "STATE", "WHY")))
    if any(row.state != "ok" for row in told.rows):
        click.get_current_context().exit(4)


@command.command("remove", epilog="\b\nExample:\n  bootstrap github remove --env stag")
@options.env_option()
@click.option("--forget", is_flag=True, help="Ask nothing of GitHub, and only stop to remember what is there.")
@options.config_option
@options.json_option
@options.yes_option
@options.verbose_option
def remove(env: str, forget: bool, config: Path | None, as_json: bool, yes: bool, verbose: bool) -> None:
    """Delete from GitHub exactly what `sync` wrote for an environment. What others wrote stays.

    `down` does this by itself; here it is for an environment that is gone, or stays up without GitHub.
    """
    project = options.project(config, verbose=verbose)
    ui.require_an_answer(yes=yes)
    gone = github_desk.remove(project, env, ui.TerminalStory(), lambda plan: _confirm(plan, yes=yes), forget=forget)
    if as_json:
        options.print_json({"removed": gone})
    elif forget:
        click.echo("Forgotten. What is on GitHub stays there.")
    else:
        click.echo(f"Removed {counted(len(gone), 'thing')} from GitHub." if gone else "Nothing of ours is there.")


@command.command(
    "collaborators", epilog="\b\nExample:\n  bootstrap github collaborators --env stag --roster members.csv"
)
@options.env_option()
@click.option(
    "--roster", type=click.Path(path_type=Path, dir_okay=False), help="The class list; default: the project's."
)
@options.config_option
@options.json_option
@options.yes_option
@options.verbose_option
def collaborators(env: str, roster: Path | None, config: Path | None, as_json: bool, yes: bool, verbose: bool) -> None:
    """Invite the roster's people to the repository: students may push, instructors maintain it.

    Shows whom first, and asks. Who has access already keeps it; nobody is removed.
    """
    project = options.project(config, verbose=verbose)
    ui.require_an_answer(yes=yes)
    done = people.invite_all(project, env, roster, ui.TerminalStory(), lambda plan: _confirm(plan, yes=yes))
    if as_json:
        options.print_json({"invited": done})
    else:
        click.echo("\n".join(done) if done else "Everybody has access already.")
