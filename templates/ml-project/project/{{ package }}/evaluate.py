"""Step 5: score the model on what was held back, draw it, fill in the pages about it, and say if it is good enough.

All of it goes to MLflow as one run, if there is an MLflow: at the end, when everything is known, and from one process,
because it takes MLflow seconds to be there.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from . import cards, raw, settings
from .errors import ProjectError
from .gate import missed

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

    from .model import Loaded

METRICS = settings.REPORTS / "metrics.json"
PLOTS = settings.REPORTS / "plots"
PICTURE = Path("docs/predictions.png")
_SHUFFLES = 3


def evaluate(folder: Path, language: str = "en") -> dict[str, float]:
    """Write the metrics, the data of the plots, a picture and the cards; return the metrics."""
    import pandas as pd

    from .model import load, prices, scores

    model = load(folder / settings.MODEL)
    frame = raw.read_own(folder / settings.TEST)
    actual, predicted = prices(frame), model.predict(frame)
    metrics = scores(actual, predicted)
    settings.write_json(folder / METRICS, metrics)
    pairs = pd.DataFrame({"actual": actual, "predicted": predicted.round(2)}).sort_values("actual")
    raw.write_own(pairs, folder / PLOTS / "predictions.csv")
    raw.write_own(_errors(pairs), folder / PLOTS / "errors.csv")
    raw.write_own(_importance(model, frame, actual), folder / PLOTS / "importance.csv")
    _draw(pairs, folder / PICTURE)
    cards.write(folder, language)
    return metrics


def _errors(pairs: pd.DataFrame) -> pd.DataFrame:
    """Return how far off the model is for cheap and for dear laptops, in five groups of the same size."""
    import numpy as np
    import pandas as pd

    groups = [part for part in np.array_split(np.arange(len(pairs)), 5) if len(part)]
    rows: list[dict[str, float]] = []
    for part in groups:
        group = pairs.iloc[part]
        mape = (group["predicted"] / group["actual"] - 1).abs().mean()
        rows.append({"price_from": group["actual"].iloc[0], "mape": round(float(mape), 6), "rows": len(group)})
    found: pd.DataFrame = pd.DataFrame(rows)
    return found


def _importance(model: Loaded, frame: pd.DataFrame, actual: NDArray[np.float64]) -> pd.DataFrame:
    """Return by how much MAPE gets worse when a column's values are shuffled, which can be asked of any model."""
    import numpy as np
    import pandas as pd

    from .schema import FEATURES

    chance = np.random.default_rng(0)
    before = float(np.mean(np.abs(model.predict(frame) / actual - 1)))
    rows: list[dict[str, Any]] = []
    for column in FEATURES:
        worse = []
        for _ in range(_SHUFFLES):
            shuffled = frame.copy()
            shuffled[column.name] = chance.permutation(frame[column.name].to_numpy())
            worse.append(float(np.mean(np.abs(model.predict(shuffled) / actual - 1))) - before)
        rows.append({"column": column.name, "mape_lost": round(float(np.mean(worse)), 4)})
    rows.sort(key=lambda row: (-float(row["mape_lost"]), row["column"]))
    found: pd.DataFrame = pd.DataFrame(rows)
    return found


def _draw(pairs: pd.DataFrame, path: Path) -> None:
    # pyplot looks for a screen; a figure alone needs none.
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 4.2), layout="constrained")
    left, right = figure.subplots(1, 2)
    ends = [pairs["actual"].min(), pairs["actual"].max()]
    left.loglog(pairs["actual"], pairs["predicted"], "o", alpha=0.5, markersize=4)
    left.loglog(ends, ends, "-", color="black", linewidth=1)
    left.set(xlabel="price (R$)", ylabel="prediction (R$)", title="What was held back")
    right.hist(100 * (pairs["predicted"] / pairs["actual"] - 1), bins=30)
    right.set(xlabel="too high (+) or too low (-), %", ylabel="laptops", title="How far off")
    path.parent.mkdir(parents=True, exist_ok=True)
    # Without these, the file would name the version of matplotlib.
    figure.savefig(path, dpi=110, metadata={"Software": None})


def _tell_mlflow(found: settings.Settings) -> None:
    """Log the run, or say why it is not logged: what was worked out is in the files either way."""
    from . import tracking

    if not found.tracking_uri:
        click.echo("Not tracked: MLFLOW_TRACKING_URI is not set (in .env, say).", err=True)
        return
    try:
        run = tracking.log(found, tracking.collect(found.root))
    except ProjectError as error:
        click.echo(f"Not tracked: {error}", err=True)
        click.echo(f"  `python -m {__package__} register` logs this model once that is mended.", err=True)
        if error.hint:
            click.echo(f"  {error.hint}", err=True)
    else:
        click.echo(f"Tracked: experiment {found.experiment}, run {run}.")


def line(params: dict[str, Any], metrics: dict[str, float]) -> str:
    """Return the metrics in one line. Raises ProjectError if the model is not good enough."""
    told = f"R² {metrics['r2']:.3f}, MAPE {metrics['mape']:.3f} on what was held back."
    if found := missed(metrics, dict(settings.param(params, "gate"))):
        raise ProjectError(
            f"The model is not good enough: {'; '.join(found)}.",
            f"{METRICS} has all metrics, {PLOTS} where it goes wrong; `gate` in params.yaml sets what is asked for.",
        )
    return told + " Good enough."


@click.command()
def command() -> None:
    """Score the model on what was held back. Exit code 1: it misses `gate` in params.yaml (the reports are written)."""
    found = settings.load()
    metrics = evaluate(found.root, found.language)
    _tell_mlflow(found)
    click.echo(line(settings.params(found.root), metrics))
