"""Put the model that `dvc repro` left into the registry. One that was never tracked is tracked now."""

from __future__ import annotations

import click

from . import registry, settings, tracking
from .gate import missed


@click.command()
def command() -> None:
    """Make a version of the model in the registry, and call it `candidate`. The same model twice is one version."""
    found = settings.load()
    record = tracking.collect(found.root)
    models = registry.open_registry(found)
    run = tracking.find(found, models.client, record.model_sha256) or tracking.log(found, record)
    version, new = models.add(run, record.model_sha256)
    click.echo(f"{found.model_name} version {version} is the candidate{'' if new else ' (it was there already)'}.")
    gate = settings.params(found.root).get("gate", {})
    if told := missed(record.metrics, gate):
        click.echo(f"It is not good enough to be promoted: {'; '.join(told)}.", err=True)
