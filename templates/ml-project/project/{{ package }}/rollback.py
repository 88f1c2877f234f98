"""Give an alias of the registry back to the version that had it before."""

from __future__ import annotations

import click

from . import registry, settings


@click.command()
@click.option(
    "--of",
    "alias",
    type=click.Choice([registry.STAGING, registry.CHAMPION]),
    default=registry.CHAMPION,
    show_default=True,
    help="The alias.",
)
def command(alias: str) -> None:
    """Undo the last `promote`. The gate is not asked: what served before may serve again."""
    found = settings.load()
    now, before = registry.open_registry(found).rollback(alias)
    click.echo(f"{found.model_name} version {now} is {alias} again, and version {before} is not.")
