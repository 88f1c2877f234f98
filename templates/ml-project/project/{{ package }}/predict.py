"""Predict the prices of a file of laptops."""

from __future__ import annotations

from pathlib import Path

import click

from . import raw, settings
from .errors import ProjectError
from .schema import TARGET, check

_COLUMN = f"predicted_{TARGET}"


def predict(source: Path, model_uri: str, output: Path, *, overwrite: bool = False) -> str:
    """Write the file's rows with a price each; return in words what was done.

    Rows that cannot be read have no price, but stand in the file, in their place, and are counted. Raises ProjectError
    if the file or the model is not there, if no row can be read, or if `output` is no place to write to: the file that
    is read, one that is there already (unless `overwrite`), or one in a folder that is not there.
    """
    from .model import load

    _check_output(source, output, overwrite)
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


def _check_output(source: Path, output: Path, overwrite: bool) -> None:
    if not output.parent.is_dir():
        raise ProjectError(f"There is no folder {output.parent}.", "Make it first, or give another --output.")
    if output.is_dir():
        raise ProjectError(f"{output} is a folder.", "Give --output the name of a file.")
    if not output.exists():
        return
    if source.exists() and output.samefile(source):
        raise ProjectError(f"{output} is the file that is read.", "Give another --output: this one stays as it is.")
    if not overwrite:
        raise ProjectError(f"{output} is there already.", "--overwrite replaces it; --output gives another name.")


@click.command()
@click.argument("source", type=click.Path(path_type=Path), metavar="FILE")
@click.option("--model", "uri", help="A file, or models:/NAME@champion; else MODEL_URI, else models/model.joblib.")
@click.option("--output", type=click.Path(path_type=Path), help="Where to; by default beside FILE.")
@click.option("--overwrite", is_flag=True, help="Replace what an earlier run wrote there.")
def command(source: Path, uri: str | None, output: Path | None, overwrite: bool) -> None:
    """Write FILE again with a predicted price in each row. It needs the raw columns; the price may be missing."""
    found = settings.load()
    model = uri or found.model_uri
    if ":/" not in model and not Path(model).is_file():
        model = str(found.root / model)
    target = output or source.with_name(f"{source.stem}.predicted.csv")
    click.echo(predict(source, model, target, overwrite=overwrite))
