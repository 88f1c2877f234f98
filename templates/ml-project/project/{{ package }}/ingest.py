"""Step 1: read the raw file, keep the rows that the schema can read, and report the others with the reasons."""

from __future__ import annotations

from pathlib import Path

import click

from . import raw, settings
from .errors import ProjectError
from .schema import Problem, check, unusual

BAD_ROWS = settings.REPORTS / "bad_rows.csv"
REPORT = settings.REPORTS / "ingest.json"
# What is for reading, and not for comparing, is no metric.
DETAILS = settings.REPORTS / "problems.json"


def ingest(folder: Path, source: Path, max_bad_share: float) -> str:
    """Write the rows that can be used, and the report of those that cannot; return in words what was found.

    Raises ProjectError, after the reports are written, if more than this share of the rows is bad.
    """
    frame, problems = raw.read(folder / source)
    misshapen = len(problems)
    good, more = check(frame)
    problems = sorted([*problems, *more], key=lambda problem: problem.row)
    rows, bad = len(frame) + misshapen, len({problem.row for problem in problems})
    raw.write_own(good, folder / settings.ACCEPTED)
    _write_bad(problems, folder / BAD_ROWS)
    reasons: dict[str, int] = {}
    for problem in problems:
        reasons[problem.column or "(row)"] = reasons.get(problem.column or "(row)", 0) + 1
    share = bad / rows if rows else 0.0
    report = {"rows": rows, "good": len(good), "bad": bad, "bad_share": round(share, 6)}
    settings.write_json(folder / REPORT, report)
    settings.write_json(folder / DETAILS, {"problems": reasons, "unusual_values": unusual(good)})
    if rows == 0:
        raise ProjectError(f"{source} has no rows below its header.", "Put the data there, or name another file.")
    if len(good) == 0:
        raise ProjectError(f"No row of {source} can be used.", f"{BAD_ROWS} says why.")
    if share > max_bad_share:
        raise ProjectError(
            f"{bad} of {rows} rows of {source} are bad ({share:.1%}); "
            f"`ingest.max_bad_share` allows {max_bad_share:.1%}.",
            f"{BAD_ROWS} has each with its line and the reason. Correct the file, or allow more in params.yaml.",
        )
    told = f"{source}: {rows} rows, {bad} of them bad"
    return told + (f" (see {BAD_ROWS})." if bad else ".")


def _write_bad(problems: list[Problem], path: Path) -> None:
    import pandas as pd

    cells = [(problem.row, problem.column, problem.value, problem.reason) for problem in problems]
    raw.write_own(pd.DataFrame(cells, columns=["line", "column", "value", "reason"]), path)


@click.command()
def command() -> None:
    """Read the raw file that `data.file` in params.yaml names."""
    folder = settings.root()
    found = settings.params(folder)
    source = Path(str(settings.param(found, "data.file")))
    click.echo(ingest(folder, source, settings.number(found, "ingest.max_bad_share")))
