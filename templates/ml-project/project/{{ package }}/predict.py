"""Predict the prices of a file of laptops."""

from __future__ import annotations

from pathlib import Path

import click

from . import raw, settings
from .errors import ProjectError
from .schema import TARGET, check

_COLUMN = f"predicted_{TARGET}"


def predict(source: Path, model_uri: str, output: Path) -> str:
    """Write the file's rows with a price each; return in words what was done.

    Rows that cannot be read have no price, but stand in the file, in their place, and are counted. Raises ProjectError
    if the file or the model is not there, or if no row can be read.
    """
    from .model import load

    frame, misshapen = raw.read(source)
    good, problems = check(frame, target=False)
    if len(good) == 0:
        first = (misshapen + problems)[:1]
        told = f" The first: line {first[0].row}, {first[0].column}: {first[0].reason}." if first else ""
        raise ProjectError(f"No row of {source} can be read.{told}")
    model = load(model_uri)
    frame[_COLUMN] = ""
    frame.loc[good.index, _COLUMN] = [f"{price:.2f}" for price in model.predict(good)]
    raw.write_own(frame, output)
    for problem in [*misshapen, *problems]:
        click.echo(f"{source}, line {problem.row}: {problem.column} {problem.reason}", err=True)
    return f"{len(good)} prices by model {model.version}, in {output}."


@click.command()
@click.argument("source", type=click.Path(path_type=Path), metavar="FILE")
@click.option("--model", "uri", help="A file, or models:/NAME@champion; else MODEL_URI, else models/model.joblib.")
@click.option("--output", type=click.Path(path_type=Path), help="Where to; by default beside FILE.")
def command(source: Path, uri: str | None, output: Path | None) -> None:
    """Write FILE again with a predicted price in each row. It needs the raw columns; the price may be missing."""
    found = settings.load()
    model = uri or found.model_uri
    if ":/" not in model and not Path(model).is_file():
        model = str(found.root / model)
    click.echo(predict(source, model, output or source.with_name(f"{source.stem}.predicted.csv")))
