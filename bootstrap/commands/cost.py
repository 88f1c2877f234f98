"""`bootstrap cost`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import click

from bootstrap import ui
from bootstrap.commands import options
from bootstrap.core.cost import Extra, Line, Monthly
from bootstrap.core.prices import in_dollars
from bootstrap.workflows.clock import today
from bootstrap.workflows.cost import ACTIVATE, TAG_KEYS, Cost, actual, cost


@click.command(
    "cost",
    short_help="Show what an environment costs in a month, part by part.",
    epilog="\b\nExamples:\n  bootstrap cost --env stag\n  bootstrap cost --env stag --actual",
)
@options.env_option()
@click.option(
    "--actual", "ask", is_flag=True, help="Also ask AWS what it has cost; each time AWS takes $0.01 for that."
)
@options.acting_options
def command(
    env: str, ask: bool, profile: str | None, config: Path | None, as_json: bool, yes: bool, verbose: bool
) -> None:
    """Show what an environment costs on AWS in a month, part by part, by list prices, and where those were read.

    It is reckoned from bootstrap.toml, so it can be asked before `up`, without an AWS account. Taxes, credits and free
    tiers are not in it. A price that is not in this version's table is "not known", never guessed.
    """
    project = options.project(config, verbose=verbose)
    options.say_defaults(project)
    story = ui.TerminalStory()
    if ask:
        found = actual(project, env, profile, story, lambda question: ui.confirm(question, yes=yes), today())
    else:
        found = cost(project, env, profile, story)
    if as_json:
        options.print_json(found.as_dict())
        return
    if found.target == "local":
        click.echo(f"'{env}' is on this laptop and costs nothing. On AWS it would be:\n")
    _show(found.monthly)
    if found.spent is not None:
        _show_spent(found)


def _show(monthly: Monthly) -> None:
    header = ("PART", "AMOUNT", "PRICE", "A MONTH")
    click.echo(ui.table([_row(line) for line in monthly.lines], header))
    click.secho(f"\nIn {monthly.region} {monthly.in_short}.", bold=True)
    for line in monthly.lines:
        if line.note:
            click.echo(f"  {line.what}: {line.note}")
    click.echo("\nOn top of that, by use:")
    for extra in monthly.extras:
        click.echo(f"  {_words(extra)}")
    if prices := list(_read(monthly)):
        click.echo("\nList prices in US dollars, as they were read in transcripts of AWS's price lists:")
        for what, sources in prices:
            click.echo(f"  {what}: {'; '.join(sources)}")
    pages = dict.fromkeys(line.page for line in monthly.lines if line.page)
    click.echo(f"What holds is what AWS says: {', '.join(pages)}")


def _read(monthly: Monthly) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Yield each price that was read: of what, and where."""
    yield from ((line.what, line.sources) for line in monthly.lines if line.sources)
    yield from ((extra.unit, extra.sources) for extra in monthly.extras if extra.sources)


def _row(line: Line) -> tuple[str, ...]:
    return (line.what, line.amount, line.price, in_dollars(line.usd))


def _words(extra: Extra) -> str:
    price = f"${extra.usd:g}" if extra.usd is not None else f"not known, see {extra.page}"
    note = f" ({extra.note})" if extra.note else ""
    return f"{extra.unit}: {price}{note}"


def _show_spent(found: Cost) -> None:
    click.secho("\nWhat AWS says it has cost, by the tags of the project and of the environment:", bold=True)
    for month in found.spent or ():
        so_far = ", not final" if month.is_estimate else ""
        click.echo(f"  {month.start.isoformat()} up to {month.end.isoformat()}: {in_dollars(month.usd)}{so_far}")
        for service, usd in month.services:
            click.echo(f"    {service}: {in_dollars(usd)}")
    if not found.is_attributed:
        click.echo(
            f"\nNothing. That is so until the account's owner activates the tags {' and '.join(TAG_KEYS)}, and for all "
            "time before; AWS takes up to 24 hours to offer a new tag, and 24 more to count by it. In the billing "
            f"console under Cost allocation tags, or with:\n  {ACTIVATE}"
        )
