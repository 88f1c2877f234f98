"""`bootstrap down`."""

from __future__ import annotations

from pathlib import Path

import click

from bootstrap import ui
from bootstrap.commands import options
from bootstrap.core.counts import counted
from bootstrap.core.plan import Plan
from bootstrap.errors import BootstrapError, Unfinished
from bootstrap.workflows.down import down
from bootstrap.workflows.github_desk import finish


@click.command(
    "down",
    short_help="Take an environment down again.",
    epilog="\b\nExamples:\n  bootstrap down --env stag\n  bootstrap down --env stag --yes",
)
@options.env_option()
@options.acting_options
def command(env: str, profile: str | None, config: Path | None, as_json: bool, yes: bool, verbose: bool) -> None:
    """Take an environment down: all that `up` made, with every file in its bucket.

    Removes exactly the AWS profile, the DVC remote and the settings that `up` wrote, and leaves every other line of
    those files alone. There is no way back.
    """
    ui.require_an_answer(yes=yes)
    project = options.project(config, verbose=verbose)

    def confirm(plan: Plan) -> bool:
        ui.show_plan(plan)
        return ui.confirm(f"Remove all of '{env}' for good?", yes=yes)

    gone = down(project, env, profile, ui.TerminalStory(), confirm)
    if as_json:
        unfinished = gone.unfinished.message if gone.unfinished else None
        options.print_json({"env": env, "removed": gone.removed, "left": gone.left, "unfinished": unfinished})
    elif not gone.left:
        rest = "what is on GitHub may be" if gone.unfinished else "nothing of it is"
        click.echo(f"'{env}' is gone: {counted(len(gone.removed), 'thing')} removed, {rest} left.")
    if gone.left:
        raise BootstrapError("Still there: " + ", ".join(gone.left), hint=f"Run `bootstrap down --env {env}` again.")
    if gone.unfinished is not None:
        raise Unfinished(
            f"All is gone but what is on GitHub. {gone.unfinished.message}",
            hint=finish(f"bootstrap github remove --env {env}", gone.unfinished.hint),
        )
