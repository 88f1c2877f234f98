"""`bootstrap leave`."""

from __future__ import annotations

import os

import click

from bootstrap.commands import options
from bootstrap.workflows.leave import leave
from bootstrap.workflows.project import here_and_home


@click.command(
    "leave",
    short_help="Undo what `join` wrote on this machine.",
    epilog="\b\nExamples:\n  bootstrap leave\n  bootstrap leave --env stag",
)
@options.env_option(required=False)
@options.json_option
@options.nothing_asked_option
@options.verbose_option
def command(env: str | None, as_json: bool, verbose: bool) -> None:
    """Take out of this machine exactly what `join` wrote in this folder; --env is needed only where several
    environments were joined.

    Your files in the bucket, your runs in MLflow and your access as such stay: an invite that is still valid can be
    opened again.
    """
    options.set_up_logging(verbose)
    here, home = here_and_home()
    left = leave(here, os.environ, home, env)
    record = left.record
    if as_json:
        found = {"project": record.project, "env": record.env, "member": record.member}
        options.print_json({**found, "removed": left.removed, "kept": left.kept})
        return
    click.echo(f"You have left '{record.env}' of the project {record.project} on this machine.")
    for what in left.removed:
        click.echo(f"  - {what}")
    for what in left.kept:
        click.echo(f"Stays: {what}.")
