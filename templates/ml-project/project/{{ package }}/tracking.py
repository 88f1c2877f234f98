"""What MLflow is told about a run: parameters, metrics, data, code, environment, pictures and the model itself.

MLflow is imported here and in registry.py, inside the functions: it takes seconds. Before that, one quick question
finds out whether the server is there and takes your login, for MLflow's own client would ask for minutes.
"""

from __future__ import annotations

import base64
import importlib.metadata
import logging
import os
import subprocess
import urllib.error
import urllib.parse
import urllib.request
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from . import raw, settings
from .errors import ProjectError
from .gate import missed

_SECONDS = 5
# What a run is found by: the SHA-256 of models/model.joblib.
MODEL_TAG = "model_sha256"
_REPORTED = ("metrics", "train", "ingest", "process")


@dataclass(frozen=True)
class Record:
    """All there is to say about one run. `data_md5` is what DVC knows the raw file by."""

    params: dict[str, str]
    metrics: dict[str, float]
    tags: dict[str, str]
    files: tuple[Path, ...]
    model: Path
    model_sha256: str
    data: Path
    data_md5: str
    train: Path


def collect(folder: Path) -> Record:
    """Return what the last run of the pipeline left. Raises ProjectError if it has not run."""
    from .model import digest

    params = settings.params(folder)
    metrics: dict[str, float] = {}
    for name in _REPORTED:
        found = settings.read_json(folder / settings.REPORTS / f"{name}.json")
        prefix = "" if name in ("metrics", "train") else f"{name}_"
        metrics |= {f"{prefix}{key}": float(value) for key, value in found.items() if isinstance(value, (int, float))}
    facts = settings.read_json(folder / settings.MODEL_FACTS)
    data = Path(str(settings.param(params, "data.file")))
    wrong = missed(metrics, dict(settings.param(params, "gate")))
    used = {group: params.get(group, {}) for group in ("data", "ingest", "split", "model", "gate")}
    tags = {MODEL_TAG: facts["sha256"], "gate": "missed" if wrong else "passed", **_code(folder)}
    for name in ("DVC_EXP_NAME", "DVC_EXP_BASELINE_REV"):
        if value := os.environ.get(name):
            tags[name.casefold()] = value
    pages = ("docs/model-card.md", "docs/data-card.md", "docs/predictions.png")
    files = [folder / page for page in pages] + sorted((folder / settings.REPORTS).rglob("*"))
    return Record(
        params={f"{group}.{key}": str(value) for group, values in used.items() for key, value in values.items()},
        metrics=metrics,
        tags=tags,
        files=tuple(file for file in files if file.suffix in (".csv", ".json", ".md", ".png") and file.is_file()),
        model=folder / settings.MODEL,
        model_sha256=str(facts["sha256"]),
        data=data,
        data_md5=digest(folder / data, "md5") if (folder / data).is_file() else "",
        train=folder / settings.TRAIN,
    )


def check_reachable(found: settings.Settings) -> None:
    """Raise ProjectError, within seconds, if MLflow does not answer or refuses the login."""
    if not found.tracking_uri:
        raise ProjectError(
            "MLFLOW_TRACKING_URI is not set.",
            "Put it into .env, with MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD; `bootstrap join` does.",
        )
    parts = urllib.parse.urlsplit(found.tracking_uri)
    if parts.scheme not in ("http", "https", "file", "sqlite"):
        raise ProjectError(
            f"MLFLOW_TRACKING_URI is no address of an MLflow: {found.tracking_uri.rpartition('@')[2]!r}.",
            "It looks like https://mlflow.example.org or http://127.0.0.1:5000; .env or this terminal sets it.",
        )
    if parts.scheme in ("file", "sqlite"):
        return
    request = urllib.request.Request(f"{found.tracking_uri}/api/2.0/mlflow/experiments/search?max_results=1")
    if found.username:
        pair = base64.b64encode(f"{found.username}:{found.password}".encode()).decode()
        request.add_header("Authorization", f"Basic {pair}")
    local = parts.hostname in ("127.0.0.1", "localhost", "::1")
    proxies = urllib.request.ProxyHandler({}) if local else urllib.request.ProxyHandler()
    try:
        urllib.request.build_opener(proxies).open(request, timeout=_SECONDS).close()
    except urllib.error.HTTPError as error:
        error.close()
        if error.code in (401, 403):
            who = found.username or "nobody (MLFLOW_TRACKING_USERNAME is not set)"
            raise ProjectError(
                f"MLflow at {found.tracking_uri} refuses the login of {who}.",
                "MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD in .env have to be yours.",
            ) from None
        # Anything else is an answer: not every server has this address.
    except OSError as error:
        reason = getattr(error, "reason", None) or error
        raise ProjectError(
            f"MLflow at {found.tracking_uri} does not answer: {reason}.",
            "Is it running, and are you in a network that may ask it? `bootstrap status` or your instructor knows.",
        ) from None


def connect(found: settings.Settings) -> Any:
    """Return MLflow's client, set up. Raises ProjectError if there is no server or it refuses the login."""
    check_reachable(found)
    # A server that has just answered needs no seven attempts with minutes between them.
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "2")
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "30")
    os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    os.environ.setdefault("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")
    import mlflow

    logging.getLogger("mlflow").setLevel(logging.ERROR)
    mlflow.set_tracking_uri(found.tracking_uri)
    return mlflow.MlflowClient()


def set_experiment(found: settings.Settings) -> str:
    """Return the id of the project's experiment, made if need be, and make it the one that runs go to."""
    import mlflow
    from mlflow.exceptions import MlflowException

    try:
        experiment = mlflow.set_experiment(found.experiment)
    except MlflowException as error:
        raise ProjectError(
            f"MLflow gives you no access to the experiment {found.experiment}: {_first(error)}",
            "If a teammate made it, it is not yours yet: your instructor runs `bootstrap onboard --roster members.csv` "
            "again, and it is shared with the team.",
        ) from None
    return str(experiment.experiment_id)


def log(found: settings.Settings, record: Record) -> str:
    """Log a finished run and return its id. Raises ProjectError if MLflow cannot be reached or will not take it."""
    client = connect(found)
    import mlflow
    from mlflow.entities import Metric, Param, RunTag
    from mlflow.exceptions import MlflowException

    set_experiment(found)
    try:
        with mlflow.start_run(run_name=record.tags.get("dvc_exp_name")) as run:
            now = run.info.start_time
            client.log_batch(
                run.info.run_id,
                metrics=[Metric(name, value, now, 0) for name, value in record.metrics.items()],
                params=[Param(name, value) for name, value in record.params.items()],
                tags=[RunTag(name, value) for name, value in record.tags.items()],
            )
            _log_data(record)
            _log_files(record)
            _log_model(record)
            return str(run.info.run_id)
    except MlflowException as error:
        raise ProjectError(f"MLflow would not take the run: {_first(error)}") from None


def find(found: settings.Settings, client: Any, sha256: str) -> str | None:
    """Return the newest finished run that holds this model, or None."""
    experiment = set_experiment(found)
    query = f"tags.{MODEL_TAG} = '{sha256}' and attributes.status = 'FINISHED'"
    runs = client.search_runs([experiment], query, max_results=1, order_by=["attributes.start_time DESC"])
    return str(runs[0].info.run_id) if runs else None


def _log_data(record: Record) -> None:
    import mlflow
    import mlflow.data.pandas_dataset as data

    frame = raw.read_own(record.train)
    source = str(record.data)
    with warnings.catch_warnings():
        # MLflow has two classes for a file on this machine, and warns that it took one of them.
        warnings.filterwarnings("ignore", message="The specified dataset source can be interpreted in multiple ways")
        dataset = data.from_pandas(frame, source=source, name=record.data.stem, digest=record.data_md5 or None)
    tags = {"dvc.path": source, "dvc.md5": record.data_md5}
    mlflow.log_input(dataset, context="training", tags={name: value for name, value in tags.items() if value})


def _log_files(record: Record) -> None:
    """Send the reports, the pages and the environment: all together, for each call takes its time."""
    import shutil
    import tempfile

    import mlflow

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for file in record.files:
            shutil.copyfile(file, folder / file.name)
        installed = sorted(f"{one.name}=={one.version}" for one in importlib.metadata.distributions())
        (folder / "environment.txt").write_text("\n".join(installed) + "\n", encoding="utf-8")
        mlflow.log_artifacts(name)


def _log_model(record: Record) -> None:
    import mlflow.sklearn
    import skops.io as skops
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, DataType, Schema

    from .model import load
    from .schema import FEATURES

    estimator = load(record.model).estimator
    taken = Schema([ColSpec(DataType.string, column.name, required=column.required) for column in FEATURES])
    signature = ModelSignature(taken, Schema([ColSpec(DataType.double)]))
    example = raw.read_own(record.train)[[column.name for column in FEATURES]].head(3)
    # skops holds no code, only the names of the types that may be made again: these are ours and numpy's.
    trusted = skops.get_untrusted_types(data=skops.dumps(estimator))
    versions = [f"{name}=={importlib.metadata.version(name)}" for name in _NEEDED]
    mlflow.sklearn.log_model(
        estimator,
        name="model",
        serialization_format="skops",
        skops_trusted_types=trusted,
        signature=signature,
        input_example=example,
        code_paths=[str(Path(__file__).parent)],
        # Named, they need not be found out by loading the model in another process.
        pip_requirements=versions,
    )


# What it takes to load the model and to predict.
_NEEDED = ("mlflow", "scikit-learn", "pandas", "numpy", "skops")


def _code(folder: Path) -> dict[str, str]:
    """Return the git commit, and whether files differed from it; nothing outside of git."""
    commit = _git(folder, "rev-parse", "HEAD")
    if not commit:
        return {}
    changed = _git(folder, "status", "--porcelain", "--untracked-files=no")
    return {"mlflow.source.git.commit": commit, "git_dirty": str(bool(changed)).casefold()}


def _git(folder: Path, *words: str) -> str:
    try:
        done = subprocess.run(["git", *words], cwd=folder, capture_output=True, text=True, timeout=20, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""


def _first(error: Exception) -> str:
    return str(error).splitlines()[0] if str(error) else type(error).__name__
