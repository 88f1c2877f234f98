"""`bootstrap members`."""

from __future__ import annotations

from pathlib import Path

import click

from bootstrap import ui
from bootstrap.commands import options
from bootstrap.workflows.members import MemberStatus, members


@click.command(
    "members",
    short_help="Show who is in an environment.",
    epilog="\b\nExamples:\n  bootstrap members --env stag\n  bootstrap members --env stag --json",
)
@options.env_option()
@options.profile_option
@options.looking_options
def command(env: str, profile: str | None, config: Path | None, as_json: bool, verbose: bool) -> None:
    """Show each member: role, team, the age and the last use of their key, MLflow account, invite and last day.

    INVITE is `waiting` until the key in it was used for the first time, then `in use`.
    """
    project = options.project(config, verbose=verbose)
    found = members(project, env, profile, ui.TerminalStory())
    if as_json:
        options.print_json({"env": env, "members": [one.as_dict() for one in found]})
        return
    header = ("NAME", "ROLE", "TEAM", "KEY", "LAST USED", "MLFLOW", "INVITE", "LAST DAY")
    click.echo(ui.table([_row(one) for one in found], header))


def _row(one: MemberStatus) -> tuple[str, ...]:
    age = "-" if one.key_age_days is None else f"{one.key_age_days} days"
    mlflow = {None: "-", True: "yes", False: "no account"}[one.mlflow]
    used = one.last_used[:16].replace("T", " ") if one.last_used else "never"
    return (one.name, one.role, one.team or "-", age, used, mlflow, one.invite or "-", one.expires or "-")
