"""`bootstrap export`."""

from __future__ import annotations

import os
from pathlib import Path

import click

from bootstrap import ui
from bootstrap.commands import options
from bootstrap.core.counts import counted
from bootstrap.core.manifest import size_text
from bootstrap.workflows.export import export
from bootstrap.workflows.project import here_and_home


@click.command(
    "export",
    short_help="Copy your own part of an environment to your machine.",
    epilog="\b\nExamples:\n  bootstrap export --env stag\n  bootstrap export --env stag --to ~/course-2031 --dataset",
)
@options.env_option(required=False)
@click.option(
    "--to",
    "destination",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="DIR",
    help="The folder to fill, an empty or a new one; default: export-ENV.",
)
@click.option("--dataset", is_flag=True, help="Also copy dataset/, the data that everybody reads.")
@options.json_option
@options.nothing_asked_option
@options.verbose_option
def command(env: str | None, destination: Path | None, dataset: bool, as_json: bool, verbose: bool) -> None:
    """Copy your own files and your team's DVC remote into a folder, with a list that proves it whole.

    For members, in the folder where the invite was opened; --env is needed only where several environments were
    joined. Nothing in the bucket changes. After an interruption, run the same command again: it goes on from there.
    """
    options.set_up_logging(verbose)
    here, home = here_and_home()
    done = export(here, os.environ, home, env, destination, ui.TerminalStory(), dataset=dataset)
    copied, record = done.archived, done.record
    if as_json:
        found = {"project": record.project, "env": record.env, "member": record.member, "folder": copied.where}
        counts = {"files": copied.files, "bytes": copied.bytes, "manifest_sha256": copied.manifest_sha256}
        options.print_json(found | counts)
        return
    click.echo(f"{counted(copied.files, 'file')} ({size_text(copied.bytes)}) are in {copied.where}, and verified.")
    click.echo("README.txt there says how to use them without the bucket.")
