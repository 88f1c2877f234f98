"""`bootstrap status`."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import click

from bootstrap import ui
from bootstrap.commands import options
from bootstrap.workflows.status import EnvironmentStatus, status


@click.command(
    "status",
    short_help="Show what is up, and how it is.",
    epilog="\b\nExamples:\n  bootstrap status\n  bootstrap status --env stag --drift",
)
@options.env_option(required=False)
@click.option("--drift", is_flag=True, help="Also ask Terraform what differs from what was made (some seconds).")
@options.looking_options
def command(env: str | None, drift: bool, config: Path | None, as_json: bool, verbose: bool) -> None:
    """Show each environment: where it is, whether it is up, its bucket, MLflow, members and expiry."""
    project = options.project(config, verbose=verbose)
    found = status(project, env, ui.TerminalStory(), drift=drift, today=date.today())
    if as_json:
        options.print_json({"project": project.spec.project, "environments": [one.as_dict() for one in found]})
    elif not found:
        click.echo("Nothing is up here. `bootstrap up --env stag --local` brings up an environment on this laptop.")
    else:
        header = ("ENVIRONMENT", "STATE", "TARGET", "BUCKET", "MEMBERS", "MLFLOW", "EXPIRES")
        click.echo(ui.table([_row(one) for one in found], header))
        for one in found:
            if one.why:
                click.echo(f"{one.env}: {one.why}")
            if one.drift is not None:
                click.echo(f"{one.env}: " + ("no drift" if not one.drift else "drift"))
                for line in one.drift:
                    click.echo(f"  {line}")


def _row(one: EnvironmentStatus) -> tuple[str, ...]:
    health = {None: "-", True: f"{one.mlflow_url} (healthy)", False: f"{one.mlflow_url} (not answering)"}
    expires = one.expires or "-"
    return (
        one.env,
        one.state,
        one.target or "-",
        one.bucket or "-",
        "-" if one.members is None else str(one.members),
        health[one.mlflow_healthy],
        f"{expires} (past)" if one.expired else expires,
    )
