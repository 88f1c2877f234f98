"""Look for better settings of the model, by what it reaches cross-validated on the rows it may learn from.

What is held back is not asked: a setting that was chosen by it would look better than it is.
https://optuna.readthedocs.io/
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import click

from . import raw, settings, tracking
from .errors import ProjectError

REPORT = settings.REPORTS / "search.json"
TRIALS = settings.REPORTS / "plots" / "search.csv"


def search(folder: Path, params: dict[str, Any]) -> list[dict[str, Any]]:
    """Try settings and return all trials, the best first: parameters, metrics, and when each began and ended (ms)."""
    import optuna

    from .train import cross_validated

    def limits(name: str) -> tuple[float, float]:
        found = settings.param(params, f"search.{name}")
        if not isinstance(found, list) or len(found) != 2 or not all(isinstance(one, (int, float)) for one in found):
            raise ProjectError(f"`search.{name}` in params.yaml should be two numbers, as [0.1, 10.0].")
        return float(found[0]), float(found[1])

    alpha, interactions = limits("alpha"), limits("interactions")
    count = int(settings.number(params, "search.trials"))
    frame = raw.read_own(folder / settings.TRAIN)
    split_seed = int(settings.number(params, "split.seed"))
    trials: list[dict[str, Any]] = []

    def one(trial: optuna.Trial) -> float:
        began = time.time_ns() // 1_000_000
        tried = dict(settings.param(params, "model")) | {
            "alpha": round(trial.suggest_float("alpha", *alpha, log=True), 6),
            "interactions": round(trial.suggest_float("interactions", *interactions), 4),
        }
        metrics = cross_validated(frame, tried, split_seed)
        trials.append({"params": tried, "metrics": metrics, "began": began, "ended": time.time_ns() // 1_000_000})
        words = ", ".join(f"{name} {value:g}" for name, value in trial.params.items())
        click.echo(f"{len(trials)} of {count}: {words}: MAPE {metrics['cv_mape']:.4f}", err=True)
        return metrics["cv_mape"]

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(sampler=optuna.samplers.TPESampler(seed=int(settings.number(params, "search.seed"))))
    study.optimize(one, n_trials=count)
    return sorted(trials, key=lambda trial: float(trial["metrics"]["cv_mape"]))


def log(found: settings.Settings, trials: list[dict[str, Any]]) -> str:
    """Log the search as one run, and each trial as a run inside it; return the outer one's id."""
    client = tracking.connect(found)
    from mlflow.entities import Metric, Param, RunTag

    experiment = tracking.set_experiment(found)
    best = trials[0]
    outer = client.create_run(
        experiment, start_time=min(trial["began"] for trial in trials), run_name="search"
    ).info.run_id

    def tell(run: str, trial: dict[str, Any]) -> None:
        metrics = [Metric(name, value, trial["ended"], 0) for name, value in trial["metrics"].items()]
        params = [Param(f"model.{name}", str(value)) for name, value in trial["params"].items()]
        client.log_batch(run, metrics=metrics, params=params, tags=[RunTag("search", "true")])

    for number, trial in enumerate(sorted(trials, key=lambda one: int(one["began"]))):
        tags = {"mlflow.parentRunId": outer}
        inner = client.create_run(experiment, start_time=trial["began"], tags=tags, run_name=f"trial {number}")
        tell(inner.info.run_id, trial)
        client.set_terminated(inner.info.run_id, end_time=trial["ended"])
    tell(outer, best)
    client.set_terminated(outer)
    return str(outer)


def _write(folder: Path, trials: list[dict[str, Any]]) -> None:
    import pandas as pd

    best = trials[0]
    settings.write_json(folder / REPORT, {**best["metrics"], "trials": len(trials), "best": best["params"]})
    rows = [{**trial["params"], **trial["metrics"]} for trial in trials]
    raw.write_own(pd.DataFrame(rows), folder / TRIALS)


@click.command()
def command() -> None:
    """Try `search.trials` settings of the model, and say which was best. It changes no parameter by itself."""
    found = settings.load()
    trials = search(found.root, settings.params(found.root))
    _write(found.root, trials)
    best = trials[0]
    words = ", ".join(f"{name} {value}" for name, value in best["params"].items())
    click.echo(f"Best of {len(trials)}: {words}; cross-validated MAPE {best['metrics']['cv_mape']:.3f}.")
    flags = " ".join(f"-S model.{name}={value}" for name, value in best["params"].items())
    click.echo(f"To use it: dvc exp run {flags}")
    if not found.tracking_uri:
        click.echo("Not tracked: MLFLOW_TRACKING_URI is not set (in .env, say).", err=True)
        return
    try:
        click.echo(f"Tracked: experiment {found.experiment}, run {log(found, trials)}.")
    except ProjectError as error:
        click.echo(f"Not tracked: {error}", err=True)
