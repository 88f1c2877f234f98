"""Step 2: spell all values alike, and keep one of those rows that are there more than once.

The same offer twice would stand in what the model learns from and in what it is judged by.
"""

from __future__ import annotations

from pathlib import Path

import click

from . import raw, settings
from .schema import COLUMNS

REPORT = settings.REPORTS / "process.json"
EMPTY = settings.REPORTS / "empty.json"


def process(folder: Path) -> str:
    """Write the clean rows and a report; return in words what was done."""
    frame = raw.read_own(folder / settings.ACCEPTED)
    for column in COLUMNS:
        spelling = {text: column.spell(column.parse(text)) for text in frame[column.name].unique()}
        frame[column.name] = frame[column.name].map(spelling)
    twice = frame.duplicated()
    clean = frame[~twice]
    raw.write_own(clean, folder / settings.CLEAN)
    empty = {column.name: int((clean[column.name] == "").sum()) for column in COLUMNS}
    report = {"rows": len(clean), "duplicates": int(twice.sum())}
    settings.write_json(folder / REPORT, report)
    settings.write_json(folder / EMPTY, {name: count for name, count in empty.items() if count})
    return f"{len(clean)} rows; {report['duplicates']} were there twice and were left out (see {REPORT})."


@click.command()
def command() -> None:
    """Clean the rows that were accepted."""
    click.echo(process(settings.root()))
