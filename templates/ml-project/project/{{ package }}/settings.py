"""What the steps have to know: `params.yaml`, and from the environment (or `.env`) where MLflow is and who you are.

No secret is in the code. A variable that is set comes before `.env`, so that CI needs no such file.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .errors import ProjectError

PARAMS = "params.yaml"
MODEL = Path("models/model.joblib")
MODEL_FACTS = Path("models/model.json")
ACCEPTED = Path("data/interim/accepted.csv")
CLEAN = Path("data/interim/laptops.csv")
TRAIN = Path("data/processed/train.csv")
TEST = Path("data/processed/test.csv")
REPORTS = Path("reports")


@dataclass(frozen=True)
class Settings:
    """The project's folder, its names in MLflow, and the MLflow server; "" for what is not set."""

    root: Path
    language: str
    experiment: str
    model_name: str
    tracking_uri: str
    username: str
    password: str = field(repr=False)
    model_uri: str
    prediction_log: str


def root() -> Path:
    """Return the project's folder: the nearest one, from here upwards, with a `params.yaml`; else this one."""
    here = Path.cwd()
    return next((folder for folder in (here, *here.parents) if (folder / PARAMS).is_file()), here)


def params(folder: Path) -> dict[str, Any]:
    """Return what `params.yaml` says. Raises ProjectError if it is not there or is no YAML mapping."""
    import yaml

    path = folder / PARAMS
    try:
        found = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ProjectError(f"There is no {PARAMS} here.", "Go to the project's folder first.") from None
    except yaml.YAMLError as error:
        raise ProjectError(f"{path} is no YAML: {' '.join(str(error).split())}") from None
    if not isinstance(found, dict):
        raise ProjectError(f"{path} should be lines such as `seed: 1`.")
    return found


def param(found: Mapping[str, Any], name: str) -> Any:
    """Return one parameter by its dotted name, as `dvc exp run -S` calls it. Raises ProjectError if it is missing."""
    value: Any = found
    for part in name.split("."):
        if not isinstance(value, Mapping) or part not in value:
            raise ProjectError(f"`{name}` is missing from {PARAMS}.", "`git diff params.yaml` shows what changed.")
        value = value[part]
    return value


def number(found: Mapping[str, Any], name: str) -> float:
    """Return a parameter that has to be a number. Raises ProjectError if it is none."""
    value = param(found, name)
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise ProjectError(f"`{name}` in {PARAMS} should be a number, not {value!r}.")
    return float(value)


def load() -> Settings:
    """Return the settings, from the environment and from `.env` in the project's folder."""
    from dotenv import load_dotenv

    folder = root()
    load_dotenv(folder / ".env")
    names = params(folder).get("project", {}) if (folder / PARAMS).is_file() else {}
    return Settings(
        root=folder,
        language=str(names.get("lang", "en")),
        experiment=str(names.get("experiment", "")),
        model_name=str(names.get("model", "")),
        tracking_uri=os.environ.get("MLFLOW_TRACKING_URI", "").rstrip("/"),
        username=os.environ.get("MLFLOW_TRACKING_USERNAME", ""),
        password=os.environ.get("MLFLOW_TRACKING_PASSWORD", ""),
        model_uri=os.environ.get("MODEL_URI", "") or str(MODEL),
        prediction_log=os.environ.get("PREDICTION_LOG", ""),
    )


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Write a JSON file, with the same bytes each time the content is the same."""
    path.parent.mkdir(parents=True, exist_ok=True)
    text = json.dumps(content, indent=2, ensure_ascii=False) + "\n"
    path.write_text(text, encoding="utf-8", newline="\n")


def read_json(path: Path) -> dict[str, Any]:
    """Return what an earlier step wrote. Raises ProjectError if it is not there."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ProjectError(f"{path} is not there.", "`dvc repro` makes it.") from None
    assert isinstance(found, dict)
    return found
