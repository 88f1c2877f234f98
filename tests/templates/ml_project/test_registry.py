"""The generated project with a real MLflow that asks for logins: track, register, promote, go back, share.

WALK_ML_PROJECT=1 python -m pytest tests/templates/ml_project/test_registry.py
"""

from __future__ import annotations

import csv
import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from bootstrap.adapters.mlflow_api import MlflowApi, new_password
from bootstrap.workflows.mlflow_access import Account, administrator, admit, reconcile
from tests.standing import own_mlflow
from tests.templates.ml_project.rendered import copied, repository, run, step

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.skipif("WALK_ML_PROJECT" not in os.environ, reason="takes a minute and more; set WALK_ML_PROJECT=1"),
]
BUCKET = "demo--stag--123456789012"
PEOPLE = [Account("ana", "student", "red"), Account("bia", "student", "red"), Account("caio", "student", "blue")]
CHAMPION = "models:/red.laptop-pricing@champion"


@pytest.fixture(scope="module")
def admin(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MlflowApi]:
    with own_mlflow(tmp_path_factory.mktemp("servers"), BUCKET) as mlflow:
        running = mlflow.running()
        assert running is not None
        yield administrator(mlflow, running)


def predicted(path: Path) -> list[str]:
    with path.open(encoding="utf-8", newline="") as file:
        return [row["predicted_Price"] for row in csv.DictReader(file)]


def test_a_members_day(admin: MlflowApi, tmp_path: Path) -> None:
    logins = {}
    for one in PEOPLE:
        password = new_password()
        admit(admin, one, password)
        lines = (f"URI={admin.url}", f"USERNAME={one.name}", f"PASSWORD={password}")
        logins[one.name] = "".join(f"MLFLOW_TRACKING_{line}\n" for line in lines)
    project = repository(copied(tmp_path))
    (project / ".env").write_text(logins["ana"], encoding="utf-8")

    done = run(project, "dvc", "repro")
    assert done.returncode == 0, done.stderr
    assert "Tracked: experiment red/laptop-pricing" in done.stdout
    assert "arning" not in done.stderr
    for words, told in (
        (("register",), "version 1 is the candidate."),
        (("register",), "(it was there already)"),
        (("promote", "--to", "staging"), "version 1 is staging."),
        (("promote", "--to", "champion"), "version 1 is champion."),
    ):
        done = step(project, *words)
        assert told in done.stdout, done.stderr

    # The run says where it came from, and the registered model says what the file says.
    experiment = admin.existing_experiment("red/laptop-pricing")
    _, answer = admin._request("POST", "/api/2.0/mlflow/runs/search", {"experiment_ids": [experiment]})
    (logged,) = answer["runs"]
    tags = {one["key"]: one["value"] for one in logged["data"]["tags"]}
    assert tags["mlflow.source.git.commit"] == run(project, "git", "rev-parse", "HEAD").stdout.strip()
    (dataset,) = logged["inputs"]["dataset_inputs"]
    sample = (project / "data/raw/laptop_prices_sample.csv").read_bytes()
    assert dataset["dataset"]["digest"] == hashlib.md5(sample, usedforsecurity=False).hexdigest()
    ask = project / "data/processed/test.csv"
    for uri, name in ((CHAMPION, "registered.csv"), ("models/model.joblib", "file.csv")):
        done = step(project, "predict", str(ask), "--model", uri, "--output", name)
        assert done.returncode == 0, done.stderr
    assert predicted(project / "registered.csv") == predicted(project / "file.csv")

    # Another model becomes champion, and the first one again.
    done = run(project, "dvc", "exp", "run", "-S", "model.alpha=2.5")
    assert done.returncode == 0, done.stderr
    assert "Running stage 'ingest'" not in done.stdout
    assert "version 2 is the candidate." in step(project, "register").stdout
    assert step(project, "promote", "--to", "staging").returncode == 0
    assert "it was version 1" in step(project, "promote", "--to", "champion").stdout
    assert "version 1 is champion again" in step(project, "rollback").stdout

    # One that is not good enough stays a candidate.
    text = (project / "params.yaml").read_text(encoding="utf-8")
    (project / "params.yaml").write_text(text.replace("mape: 0.15", "mape: 0.01"), encoding="utf-8")
    done = step(project, "promote", "--to", "champion")
    assert done.returncode == 1
    assert "not good enough for champion" in done.stderr

    # A stranger gets nothing; a teammate everything, once the instructor has shared it.
    refused = step(project, "predict", str(ask), "--model", CHAMPION, **environment(logins["caio"]))
    assert refused.returncode == 1
    assert "Permission denied" in refused.stderr
    assert "Traceback" not in refused.stderr
    reconcile(admin, PEOPLE)
    shared = step(project, "predict", str(ask), "--model", CHAMPION, "--output", "b.csv", **environment(logins["bia"]))
    assert shared.returncode == 0, shared.stderr
    assert predicted(project / "b.csv") == predicted(project / "registered.csv")

    # A search is one run with the others inside.
    text = (project / "params.yaml").read_text(encoding="utf-8")
    (project / "params.yaml").write_text(text.replace("trials: 20", "trials: 3"), encoding="utf-8")
    done = run(project, "dvc", "repro", "search/dvc.yaml")
    assert done.returncode == 0, done.stderr
    _, answer = admin._request("POST", "/api/2.0/mlflow/runs/search", {"experiment_ids": [experiment]})
    parents = [
        tag["value"] for one in answer["runs"] for tag in one["data"]["tags"] if tag["key"] == "mlflow.parentRunId"
    ]
    assert len(parents) == 3
    assert len(set(parents)) == 1


def environment(login: str) -> dict[str, str]:
    """Return the variables of a login: set, they come before those in `.env`."""
    return dict(line.split("=", 1) for line in login.splitlines())
