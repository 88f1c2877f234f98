"""`bootstrap unlock`."""

from __future__ import annotations

from pathlib import Path

import click

from bootstrap import ui
from bootstrap.commands import options
from bootstrap.workflows.unlock import HeldLock, unlock


@click.command(
    "unlock",
    short_help="Remove the lock that a run which died left.",
    epilog="\b\nExamples:\n  bootstrap unlock --env stag",
)
@options.env_option()
@options.acting_options
def command(env: str, profile: str | None, config: Path | None, as_json: bool, yes: bool, verbose: bool) -> None:
    """Show who holds an environment's Terraform states, since when, and remove the locks after a yes.

    Only for a run that has died: a run that is still at work would go on without its lock.
    """

    def confirm(held: list[HeldLock]) -> bool:
        for one in held:
            lock = one.lock
            click.echo(f"{one.root}: held by {lock.who}, since {lock.created}, for {lock.operation}", err=True)
        return ui.confirm("Is that run dead for certain? Remove the lock?", yes=yes)

    removed = unlock(options.project(config, verbose=verbose), env, profile, ui.TerminalStory(), confirm)
    if as_json:
        options.print_json({"env": env, "removed": [{"root": one.root, "who": one.lock.who} for one in removed]})
    elif removed:
        click.echo(f"Removed {len(removed)} lock(s). The next `bootstrap up --env {env}` goes on from here.")
    else:
        click.echo(f"'{env}' is not locked.")
