"""`drift`: compare what the model is asked with what it learned from, and write a page about it.

The measure is PSI (see psi.py) rather than a library for monitoring: evidently would bring some thirty packages with
it, among them a second web framework and an older plotly, for the one number and the bars that are needed here.
"""

from __future__ import annotations

import sys
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING

import click

from .. import raw, settings
from ..errors import ProjectError
from ..schema import FEATURES, TARGET
from .page import LANGUAGES, Period, render
from .place import place_of

if TYPE_CHECKING:
    import pandas as pd

    from .psi import Comparison

PAGE = settings.REPORTS / "drift.html"
NUMBERS = settings.REPORTS / "drift.json"
# What the command ends with if there is drift: 1 and 2 mean that something went wrong.
DRIFT = 4


def compare(training: pd.DataFrame, recent: pd.DataFrame) -> list[Comparison]:
    """Compare the columns of the schema, the most drifted first; the price is compared with what was predicted.

    `training` has texts as the pipeline writes them, `recent` is what log.read gives.
    """
    import pandas as pd

    from .log import PREDICTION
    from .psi import compare as compare_columns

    columns = [column.name for column in FEATURES]
    asked = recent.reindex(columns=columns)
    asked[TARGET] = recent[PREDICTION]
    known = training[[*columns, TARGET]].astype("string")
    # An empty text means that nobody knew.
    known, asked = (one.mask(one.astype("string").fillna("") == "", pd.NA) for one in (known, asked.astype("string")))
    return compare_columns(known, asked, [*columns, TARGET])


def report(folder: Path, place: str, days: int, fewest: int, language: str, now: datetime) -> tuple[str, bool]:
    """Write the page and its numbers; return in words what was found, and whether there is drift.

    With fewer than `fewest` predictions nothing is compared or written. Raises ProjectError if the log or the training
    data cannot be read.
    """
    from .log import AT, MODEL, read

    training = raw.read_own(folder / settings.TRAIN)
    try:
        recent, unreadable = read(place, days, now)
    # boto3 raises dozens of kinds of errors, for keys, names, permissions and the network.
    except Exception as error:
        raise ProjectError(
            f"The predictions at {place} cannot be read: {error}", "PREDICTION_LOG says where they are."
        ) from error
    if len(recent) < fewest:
        told = (
            f"{len(recent)} predictions in the last {days} days at {place}: too few to compare (--fewest is {fewest})."
        )
        return told + (f" {unreadable} lines could not be read." if unreadable else ""), False
    comparisons = compare(training, recent)
    period = Period(
        training_rows=len(training),
        recent_rows=len(recent),
        first=str(recent[AT].min()),
        last=str(recent[AT].max()),
        models=tuple(sorted(set(recent[MODEL].astype(str)))),
        unreadable=unreadable,
    )
    path = folder / PAGE
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(render(comparisons, period, language, TARGET), encoding="utf-8", newline="\n")
    psi = {one.column: {"psi": round(one.psi, 4), "verdict": one.verdict} for one in comparisons}
    settings.write_json(
        folder / NUMBERS, {"rows": len(recent), "first": period.first, "last": period.last, "columns": psi}
    )
    drifted = [one.column for one in comparisons if one.verdict == "drifted"]
    changed = [one.column for one in comparisons if one.verdict == "changed"]
    found = f"drift in {', '.join(drifted)}" if drifted else "no drift"
    also = f"; changed a little: {', '.join(changed)}" if changed else ""
    return f"{len(recent)} predictions of the last {days} days: {found}{also}. The report: {PAGE}", bool(drifted)


@click.command(epilog=f"Exit code {DRIFT}: there is drift. Example: drift --days 30")
@click.option("--log", "log_place", metavar="PLACE", help="A file or s3://bucket/folder; by default PREDICTION_LOG's.")
@click.option("--days", default=7, show_default=True, type=click.IntRange(1, 366), help="How far back to look.")
@click.option("--fewest", default=50, show_default=True, type=click.IntRange(2), help="Compare from so many on.")
@click.option("--lang", type=click.Choice(LANGUAGES), help="By default the project's language.")
def command(log_place: str | None, days: int, fewest: int, lang: str | None) -> None:
    """Compare recent predictions with the training data and write reports/drift.html."""
    found = settings.load()
    language = lang or (found.language if found.language in LANGUAGES else "en")
    place = place_of(log_place or found.prediction_log, found.root)
    if not place:
        raise ProjectError("Predictions are not logged: PREDICTION_LOG is 'off'.", "Give it a file, or s3://….")
    # A log that nobody has written yet is no mistake, one that was named by hand and is not there most likely is.
    if log_place and not place.startswith("s3://") and not Path(place).is_file():
        raise ProjectError(
            f"There is no log of predictions at {place}.", "The API writes one: PREDICTION_LOG says where."
        )
    words, drifted = report(found.root, place, days, fewest, language, datetime.now(timezone.utc))
    click.echo(words)
    if drifted:
        sys.exit(DRIFT)
