"""Databases as an older MLflow left them, for the upgrade."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.machine.root import run

# The oldest MLflow whose databases the upgrade is tried with; it runs on the packages of today.
OLD = "3.10.1"


def old_databases(work: Path) -> Path:
    """Make the databases of an older MLflow, with one run in them, in a folder that is returned."""
    folder, packages = work / "old", work / "old-packages"
    if (folder / "auth.db").exists():
        return folder
    folder.mkdir(parents=True, exist_ok=True)
    pins = [f"{name}=={OLD}" for name in ("mlflow", "mlflow-skinny", "mlflow-tracing")]
    run([sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--target", str(packages), *pins])
    script = f"""
import mlflow
assert mlflow.__version__ == {OLD!r}
from mlflow.server.auth.sqlalchemy_store import SqlAlchemyStore
client = mlflow.MlflowClient("sqlite:///mlflow.db")
run = client.create_run(client.create_experiment("old", artifact_location="mlflow-artifacts:/1"))
client.log_metric(run.info.run_id, "accuracy", 0.5)
store = SqlAlchemyStore()
store.init_db("sqlite:///auth.db")
store.create_user("admin", "of-old-times-12", is_admin=True)
"""
    environ = {**os.environ, "PYTHONPATH": str(packages), "MLFLOW_DISABLE_TELEMETRY": "true"}
    done = subprocess.run([sys.executable, "-c", script], cwd=folder, env=environ, capture_output=True)
    if done.returncode:
        raise RuntimeError(done.stderr.decode(errors="replace"))
    return folder
