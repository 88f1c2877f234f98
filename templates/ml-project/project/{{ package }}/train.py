"""Step 4: fit the model, and score it five times on parts of what it learns from."""

from __future__ import annotations

import platform
from pathlib import Path
from typing import Any

import click

from . import raw, settings

REPORT = settings.REPORTS / "train.json"
_FOLDS = 5


def cross_validated(frame: Any, params: dict[str, Any], seed: int) -> dict[str, float]:
    """Return the mean and the spread of R² and MAPE over five parts of a frame of texts; nothing held back is used."""
    import numpy as np
    from sklearn.model_selection import KFold
    from threadpoolctl import threadpool_limits

    from .model import build, prices, scores

    price = prices(frame)
    found = []
    for learn, judge in KFold(_FOLDS, shuffle=True, random_state=seed).split(frame):
        with threadpool_limits(1):
            fitted = build(params).fit(frame.iloc[learn], price[learn])
        found.append(scores(price[judge], fitted.predict(frame.iloc[judge])))
    summary: dict[str, float] = {}
    for name in ("r2", "mape"):
        values = [one[name] for one in found]
        summary |= {f"cv_{name}": round(float(np.mean(values)), 6), f"cv_{name}_std": round(float(np.std(values)), 6)}
    return summary


def train(folder: Path, params: dict[str, Any], seed: int) -> str:
    """Write models/model.joblib, what there is to know about it beside it, and a report; return it in words.

    The same data, parameters and libraries give the same file, so that a teammate gets what you have.
    """
    import joblib
    import sklearn
    from threadpoolctl import threadpool_limits

    from .model import build, digest, prices
    from .schema import FEATURES

    frame = raw.read_own(folder / settings.TRAIN)
    summary = cross_validated(frame, params, seed)
    # Several threads add numbers up in another order: with another count of cores it would be another file.
    with threadpool_limits(1):
        fitted = build(params).fit(frame, prices(frame))
    path = folder / settings.MODEL
    path.parent.mkdir(parents=True, exist_ok=True)
    joblib.dump(fitted, path, compress=3)
    sha256 = digest(path, "sha256")
    facts = {
        "version": sha256[:12],
        "sha256": sha256,
        "parameters": params,
        "columns": [column.name for column in FEATURES],
        "rows": len(frame),
        "training_data_md5": digest(folder / settings.TRAIN, "md5"),
        "python": platform.python_version(),
        "scikit-learn": sklearn.__version__,
    }
    settings.write_json(folder / settings.MODEL_FACTS, facts)
    settings.write_json(folder / REPORT, summary)
    return f"Model {facts['version']}: cross-validated R² {summary['cv_r2']:.3f}, MAPE {summary['cv_mape']:.3f}."


@click.command()
def command() -> None:
    """Fit the model that `model` in params.yaml describes."""
    folder = settings.root()
    found = settings.params(folder)
    click.echo(train(folder, dict(settings.param(found, "model")), int(settings.number(found, "split.seed"))))
