"""`bootstrap local start|stop|status`."""

from __future__ import annotations

from pathlib import Path

import click

from bootstrap import ui
from bootstrap.commands import options
from bootstrap.errors import Declined
from bootstrap.workflows import local_servers


@click.group(
    "local",
    short_help="Start, stop or look at the servers of the local target.",
    epilog="\b\nExamples:\n  bootstrap local status\n  bootstrap local stop",
)
def command() -> None:
    """Start, stop or look at the servers of this folder's local target: the AWS emulator and MLflow.

    The emulator keeps its buckets and users in memory: they go when it stops, and `bootstrap up` builds them again.
    MLflow's runs and accounts are on disk and stay.
    """


@command.command("start")
@options.looking_options
def start(config: Path | None, as_json: bool, verbose: bool) -> None:
    """Start what is not running."""
    project = options.project(config, verbose=verbose)
    _print(local_servers.start(project, ui.TerminalStory()), as_json)


@command.command("stop")
@options.config_option
@options.json_option
@options.yes_option
@options.verbose_option
def stop(config: Path | None, as_json: bool, yes: bool, verbose: bool) -> None:
    """Stop the servers that were started in this folder, and no others."""
    project = options.project(config, verbose=verbose)
    loses = local_servers.what_stopping_loses(project)
    if loses:
        click.echo(f"The emulator holds everything in memory. Stopping it loses {loses}.", err=True)
        click.echo("`bootstrap up --local` builds the environments again, without the files.", err=True)
        if not ui.confirm("Stop it?", yes=yes):
            raise Declined("Nothing was stopped.")
    stopped = local_servers.stop(project)
    if as_json:
        options.print_json({"stopped": stopped})
    else:
        click.echo(f"Stopped: {', '.join(stopped)}." if stopped else "Nothing was running.")


@command.command("status")
@options.looking_options
def status(config: Path | None, as_json: bool, verbose: bool) -> None:
    """Show the servers of this folder."""
    _print(local_servers.status(options.project(config, verbose=verbose)), as_json)


def _print(found: list[local_servers.ServerStatus], as_json: bool) -> None:
    if as_json:
        options.print_json({"servers": [one.as_dict() for one in found]})
        return
    rows = [(one.name, one.state, one.url or "-", str(one.pid or "-"), one.log) for one in found]
    click.echo(ui.table(rows, ("SERVER", "STATE", "ADDRESS", "PID", "LOG")))
