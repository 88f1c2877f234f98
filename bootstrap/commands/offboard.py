"""`bootstrap offboard`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import click

from bootstrap import ui
from bootstrap.commands import options
from bootstrap.core.counts import counted
from bootstrap.errors import UsageError
from bootstrap.workflows.offboard import Leaving, Request, offboard


@click.command(
    "offboard",
    short_help="End people's access.",
    epilog="\b\nExamples:\n"
    "  bootstrap offboard ana --env stag\n"
    "  bootstrap offboard ana bia --env stag --archive ~/archive --delete-data",
)
@click.argument("names", nargs=-1, required=True, metavar="NAME...")
@options.env_option()
@click.option("--keep-data", is_flag=True, help="Leave their files where they are. That is so anyway.")
@click.option(
    "--archive",
    type=click.Path(path_type=Path, file_okay=False),
    help="First copy their files into this folder, each person's apart.",
)
@click.option("--delete-data", is_flag=True, help="Delete their files, after the copy if there is to be one.")
@options.acting_options
def command(
    names: tuple[str, ...],
    env: str,
    keep_data: bool,
    archive: Path | None,
    delete_data: bool,
    profile: str | None,
    config: Path | None,
    as_json: bool,
    yes: bool,
    verbose: bool,
) -> None:
    """End people's access to an environment: key first, then MLflow, then the IAM user with all that hangs on it.

    Their files in the bucket and their experiments stay, unless --delete-data says otherwise. Their rows go out of the
    roster. Nobody else is touched.
    """
    if keep_data and delete_data:
        raise UsageError("--keep-data and --delete-data exclude each other.")
    ui.require_an_answer(yes=yes)
    project = options.project(config, verbose=verbose)

    def confirm(leaving: Sequence[Leaving]) -> bool:
        for one in leaving:
            files = f"{counted(one.files, 'file')} ({counted(one.size, 'byte')}) in members/{one.name}/"
            fate = "deleted" if delete_data else "kept"
            copied = f" copied to {archive / one.name}, then" if archive else ""
            click.echo(f"  {click.style('-', fg='red')} {one.name}: all access; {files}:{copied} {fate}", err=True)
        return ui.confirm("Do this?", yes=yes)

    place = archive.expanduser().resolve() if archive else None
    gone = offboard(project, Request(env, names, place, delete_data, profile), ui.TerminalStory(), confirm)
    if as_json:
        options.print_json({"env": env, "offboarded": [asdict(one) for one in gone]})
        return
    for one in gone:
        row = f", and out of {project.spec.roster}" if one.from_roster else ""
        click.echo(f"{one.name} is out of '{env}'{row}.")
        if place is not None:
            click.echo(f"  {counted(one.archived, 'file')} copied to {place / one.name}")
        if delete_data:
            click.echo(f"  {counted(one.deleted, 'file')} deleted")
        else:
            stay = "stays" if one.files == 1 else "stay"
            click.echo(f"  {counted(one.files, 'file')} {stay} in members/{one.name}/")
