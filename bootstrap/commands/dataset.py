"""`bootstrap dataset push|pull|list`."""

from __future__ import annotations

import os
from pathlib import Path

import click

from bootstrap import ui
from bootstrap.commands import options
from bootstrap.core.counts import counted
from bootstrap.core.dataset import Card, parse_version
from bootstrap.core.manifest import size_text
from bootstrap.core.plan import Plan
from bootstrap.errors import UsageError
from bootstrap.workflows import dataset_desk, dataset_pull, dataset_push
from bootstrap.workflows.project import here_and_home

_FOLDER = Path("data", "raw")


@click.group(
    "dataset",
    short_help="Give a class its data, versioned and verified; fetch it.",
    epilog="\b\nExamples:\n"
    "  bootstrap dataset push laptops.csv --env stag\n"
    "  bootstrap dataset list\n"
    "  bootstrap dataset pull laptops",
)
def command() -> None:
    """The data that everybody in an environment reads, under dataset/ in its bucket.

    Instructors push; everybody pulls, into data/raw. A version that was pushed is never changed again.
    """


def _desk(env: str | None, profile: str | None, config: Path | None, *, writes: bool = False) -> dataset_desk.Desk:
    here, home = here_and_home()
    return dataset_desk.open_desk(here, config, os.environ, home, env, profile, ui.TerminalStory(), writes=writes)


def _confirm(plan: Plan, *, yes: bool) -> bool:
    ui.show_plan(plan)
    return ui.confirm("Do this?", yes=yes)


@command.command(
    "push",
    epilog="\b\nExamples:\n"
    "  bootstrap dataset push laptops.csv --env stag\n"
    '  bootstrap dataset push photos/ --env stag --name cats --note "Own photos, CC BY 4.0"',
)
@click.argument("source", metavar="FILE|DIR", type=click.Path(path_type=Path))
@options.env_option()
@click.option("--local", is_flag=True, help="Only if the environment is on this laptop; without it, wherever it is.")
@click.option("--name", metavar="NAME", help="What it is called; default: the name of the file or folder.")
@click.option("--anyway", is_flag=True, help="Also files that look as if they had a key or a password in them.")
@click.option("--note", metavar="TEXT", default="", help="What it is and where it comes from, for its data card.")
@options.acting_options
def push(
    source: Path,
    env: str,
    local: bool,
    name: str | None,
    anyway: bool,
    note: str,
    profile: str | None,
    config: Path | None,
    as_json: bool,
    yes: bool,
    verbose: bool,
) -> None:
    """Put a file or a folder into dataset/, as a new version, with a data card.

    For instructors, with the key of their invite, and for who administers the environment. Nothing is overwritten:
    other content under a name that is there becomes its next version; the same content is nothing to do. Nobody sees a
    version before all of it has arrived. After an interruption, run the same command again: it goes on from there.
    """
    options.set_up_logging(verbose)
    ui.require_an_answer(yes=yes)
    desk = _desk(env, profile, config, writes=True)
    if local and desk.record.target != "local":
        raise UsageError(f"'{env}' is up on AWS, not on this laptop.", hint="Leave --local away.")
    done = dataset_push.push(
        desk, source, name, note, ui.TerminalStory(), lambda plan: _confirm(plan, yes=yes), anyway=anyway
    )
    if as_json:
        found = {"env": desk.record.env, **done.card.as_dict()}
        options.print_json({**found, "where": done.where, "changed": done.changed})
    elif done.changed:
        click.echo(f"{done.card.title} is there: {_what(done.card)}, in {done.where}")
        click.echo(f"Everybody gets it with: bootstrap dataset pull {done.card.name}")
    else:
        click.echo(f"Nothing to do: {done.card.title} is that already, pushed {_when(done.card)} by {done.card.by}.")


@command.command(
    "pull",
    epilog="\b\nExamples:\n  bootstrap dataset pull\n  bootstrap dataset pull laptops --version 1 --to data/external",
)
@click.argument("name", required=False)
@click.option("--version", metavar="V", help="The version, for instance 2; default: the newest.")
@click.option(
    "--to",
    "folder",
    type=click.Path(path_type=Path),
    default=_FOLDER,
    metavar="DIR",
    help="The folder for its files; default: data/raw.",
)
@click.option("--overwrite", is_flag=True, help="Also replace files that were changed here.")
@options.env_option(required=False)
@options.profile_option
@options.looking_options
def pull(
    name: str | None,
    version: str | None,
    folder: Path,
    overwrite: bool,
    env: str | None,
    profile: str | None,
    config: Path | None,
    as_json: bool,
    verbose: bool,
) -> None:
    """Bring a dataset into a folder, every file compared with the SHA-256 of its card.

    NAME is needed only where there are several. Files that are there already, and right, are not fetched again; files
    of an older version are replaced; one that was changed here stays, and is told of.
    """
    options.set_up_logging(verbose)
    number = parse_version(version) if version is not None else None
    desk = _desk(env, profile, config)
    done = dataset_pull.pull(desk, name, number, folder, ui.TerminalStory(), overwrite=overwrite)
    if as_json:
        found = {"env": desk.record.env, **done.card.as_dict(), "folder": str(done.folder.resolve())}
        options.print_json({**found, "written": list(done.written)})
    elif done.written:
        click.echo(f"{done.card.title} is in {done.folder}: {_what(done.card)}, and verified.")
    else:
        click.echo(f"Nothing to do: {done.folder} holds {done.card.title}, and every file is as it should be.")


@command.command("list", epilog="\b\nExamples:\n  bootstrap dataset list\n  bootstrap dataset list --all --json")
@click.option("--all", "every_version", is_flag=True, help="Every version, not only the newest.")
@options.env_option(required=False)
@options.profile_option
@options.looking_options
def list_(
    every_version: bool, env: str | None, profile: str | None, config: Path | None, as_json: bool, verbose: bool
) -> None:
    """Show the datasets of an environment: newest version, size, who pushed it and when."""
    options.set_up_logging(verbose)
    desk = _desk(env, profile, config)
    found = dataset_pull.datasets(desk, every_version=every_version)
    if as_json:
        rows = [{**one.card.as_dict(), "newest": one.newest} for one in found]
        options.print_json({"env": desk.record.env, "datasets": rows})
        return
    if not found:
        click.echo(f"There is no dataset in '{desk.record.env}' yet.")
        return
    header = ("NAME", "VERSION", "FILES", "SIZE", "ROWS", "PUSHED", "BY", "NOTE")
    click.echo(ui.table([_row(one.card) for one in found], header))


def _row(card: Card) -> tuple[str, ...]:
    rows = f"{card.rows:,}" if card.rows is not None else "-"
    size, by = size_text(card.size), card.by.rpartition("/")[2]
    return (card.name, f"v{card.version}", f"{len(card.files):,}", size, rows, _when(card), by, card.note or "-")


def _what(card: Card) -> str:
    rows = f", {counted(card.rows, 'row')}" if card.rows is not None else ""
    return f"{counted(len(card.files), 'file')} ({size_text(card.size)}{rows})"


def _when(card: Card) -> str:
    return card.made[:16].replace("T", " ")
