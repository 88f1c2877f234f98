"""`bootstrap output`."""

from __future__ import annotations

from pathlib import Path

import click

from bootstrap.commands import options


@click.command(
    "output",
    short_help="Print an environment's names and addresses.",
    epilog="\b\nExamples:\n  bootstrap output --env stag\n  bootstrap output --env stag --json",
)
@options.env_option()
@options.looking_options
def command(env: str, config: Path | None, as_json: bool, verbose: bool) -> None:
    """Print an environment's names and addresses: bucket, profile, DVC remote, MLflow. No secret is among them."""
    values = options.project(config, verbose=verbose).require_record(env).output()
    if as_json:
        options.print_json(values)
    else:
        width = max(len(name) for name in values)
        for name, value in values.items():
            click.echo(f"{name:<{width}}  {'-' if value is None else value}")
