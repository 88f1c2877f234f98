"""Move an alias of the registry to another version, if that one is good enough."""

from __future__ import annotations

import click

from . import registry, settings


@click.command()
@click.option("--to", "alias", type=click.Choice(list(registry.BEFORE)), required=True, help="The alias.")
@click.option("--version", help="Which version; else staging takes the candidate, and champion what is staging.")
def command(alias: str, version: str | None) -> None:
    """Make a version `staging` (tried out) or `champion` (what the API serves). Exit code 1: it misses the gate."""
    found = settings.load()
    gate = dict(settings.param(settings.params(found.root), "gate"))
    moved, before = registry.open_registry(found).promote(alias, version, gate)
    told = {None: "", moved: " (it was before)"}.get(before, f"; it was version {before}")
    click.echo(f"{found.model_name} version {moved} is {alias}{told}.")
    if alias == registry.CHAMPION:
        click.echo(f"The API serves it with MODEL_URI=models:/{found.model_name}@{alias}")
