"""`bootstrap history`."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import click

from bootstrap import ui
from bootstrap.commands import options
from bootstrap.core.counts import counted
from bootstrap.core.history import DONE, Entry
from bootstrap.workflows.history import history

_WIDEST = 60


@click.command(
    "history",
    short_help="Show who did what to an environment, when, and how it ended.",
    epilog="\b\nExamples:\n  bootstrap history --env stag\n  bootstrap history --env stag --limit 200 --json",
)
@options.env_option()
@click.option(
    "--limit", type=click.IntRange(min=1), default=50, show_default=True, metavar="N", help="Only the last N commands."
)
@options.profile_option
@options.looking_options
def command(env: str, limit: int, profile: str | None, config: Path | None, as_json: bool, verbose: bool) -> None:
    """Show the commands that changed something in an environment, the newest last. Times are in UTC.

    It is kept in the state bucket, so that everybody who administers the environment sees the same. No secret is in
    it. It goes with the environment; `down` puts it into the receipt, and that is named here afterwards.
    """
    told = history(options.project(config, verbose=verbose), env, profile, ui.TerminalStory(), limit=limit)
    if as_json:
        found = [entry.as_dict() for entry in told.entries]
        gone = asdict(told.gone) if told.gone else None
        options.print_json({"env": env, "older": told.older, "history": found, "gone": gone})
        return
    if told.gone is not None:
        held = f"Its history ({counted(told.gone.lines, 'line')}) is in" if told.gone.lines else "This is"
        when = told.gone.when[:16].replace("T", " ")
        click.echo(f"'{env}' is gone: it was taken down on {when} (UTC). {held} its receipt:")
        click.echo(f"  bootstrap receipts show {told.gone.receipt}")
        return
    if not told.entries:
        click.echo(f"Nothing was written into the history of '{env}' yet.")
        return
    header = ("TIME (UTC)", "COMMAND", "RESULT", "SECONDS", "WHO", "WHAT")
    click.echo(ui.table([_row(entry) for entry in told.entries], header))
    if told.older:
        click.echo(f"{told.older:,} older; to see all: --limit {told.older + len(told.entries)}", err=True)


def _row(entry: Entry) -> tuple[str, ...]:
    time = entry.time[:19].replace("T", " ")
    result = _short(entry.result)
    colour = "green" if result == DONE else "red"
    seconds = "-" if entry.seconds is None else f"{entry.seconds:g}"
    shown = click.style(result, fg=colour)
    return (time, entry.command, shown, seconds, entry.who_in_short, _short(entry.what) or "-")


def _short(text: str) -> str:
    return text if len(text) <= _WIDEST else f"{text[: _WIDEST - 1]}…"
