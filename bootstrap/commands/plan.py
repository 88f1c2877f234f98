"""`bootstrap plan`."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import click

from bootstrap import ui
from bootstrap.commands import options
from bootstrap.core.plan import Plan
from bootstrap.workflows.up import Request, preview

CHANGES = 3


@click.command(
    "plan",
    short_help="Show what `up` would change, and change nothing.",
    epilog="\b\nExamples:\n  bootstrap plan --env stag --local\n  bootstrap plan --env stag --json",
)
@options.env_option()
@options.local_option
@options.profile_option
@options.looking_options
def command(env: str, local: bool, profile: str | None, config: Path | None, as_json: bool, verbose: bool) -> int:
    """Show what `up` would change, resource by resource, and change nothing.

    Exit code 0: nothing would change. 3: something would.
    """
    project = options.project(config, verbose=verbose)
    options.say_defaults(project)
    plan = preview(project, Request(env, "local" if local else "aws", profile), ui.TerminalStory())
    if as_json:
        cost = asdict(plan.cost) if plan.cost is not None else None
        options.print_json({"env": env, "changes": [step.as_dict() for step in plan.steps], "cost": cost})
    else:
        _show(plan, env)
    return 0 if plan.is_empty else CHANGES


def _show(plan: Plan, env: str) -> None:
    if plan.is_empty:
        click.echo(f"No changes: '{env}' is as it should be.")
    else:
        click.echo(ui.plan_text(plan))
