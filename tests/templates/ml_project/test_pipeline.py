"""The generated project's pipeline, with the real `dvc`: what a student sees on the first day and after a change.

The same against a real MLflow, with the logins of a course, takes a minute and more:

    WALK_ML_PROJECT=1 python -m pytest tests/templates/ml_project
"""

from __future__ import annotations

import csv
import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.templates.ml_project.rendered import copied, repository, run, step

LONG = "WALK_ML_PROJECT" in os.environ
# How the sample would have come out had chance been another one.
SEEDS = 20 if LONG else 2


def report(folder: Path, name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "reports" / f"{name}.json").read_text(encoding="utf-8"))
    return found


def change(folder: Path, name: str, before: str, after: str) -> None:
    text = (folder / name).read_text(encoding="utf-8")
    assert before in text
    (folder / name).write_text(text.replace(before, after), encoding="utf-8")


@pytest.mark.by_turns
def test_from_nothing_to_a_model_and_once_more(tmp_path: Path) -> None:
    project = repository(copied(tmp_path))
    first = run(project, "dvc", "repro")
    assert first.returncode == 0, first.stderr
    assert "synthetic" in first.stdout
    assert "Not tracked: MLFLOW_TRACKING_URI is not set" in first.stderr
    assert "Good enough." in first.stdout
    metrics = report(project, "metrics")
    assert 0.6 < metrics["r2"] < 0.99
    assert 0.07 < metrics["mape"] < 0.15

    second = run(project, "dvc", "repro")
    assert second.returncode == 0
    assert "Running stage" not in second.stdout
    assert "up to date" in second.stdout

    # What DVC keeps is not in git, and what git keeps has no data in it.
    tracked = run(project, "git", "ls-files", "--others", "--cached", "--exclude-standard").stdout.splitlines()
    assert not [name for name in tracked if name.endswith((".joblib", "accepted.csv", "laptops.csv", "sample.csv"))]
    assert {"dvc.lock", "reports/metrics.json", "docs/model-card.md"} <= set(tracked)

    shown = run(project, "dvc", "metrics", "show", "--json", "reports/metrics.json")
    assert json.loads(shown.stdout)[""]["data"]["reports/metrics.json"]["data"] == metrics
    plots = run(project, "dvc", "plots", "show", "--json")
    drawn = json.loads(plots.stdout)
    assert not drawn.get("errors")
    assert len(drawn["data"]) == 4
    unknown = "the stage that one asks for, never run"
    assert run(project, "dvc", "status", "search/dvc.yaml").stdout, unknown

    # A gate that is too high: exit code 1, in words, and the metrics are there.
    change(project, "params.yaml", "mape: 0.15", "mape: 0.01")
    (project / "reports" / "metrics.json").unlink()
    third = run(project, "dvc", "repro")
    assert third.returncode != 0
    assert "The model is not good enough: MAPE is" in third.stderr
    assert "Running stage 'train'" not in third.stdout
    assert "Traceback" not in third.stderr
    assert report(project, "metrics") == metrics


def test_the_baseline_passes_by_merit(tmp_path: Path) -> None:
    """Neither by luck nor because the answer stands in the data: with whatever chance makes of the sample."""
    project = copied(tmp_path)
    code = """
import json, sys
from pathlib import Path
from laptop_pricing import features, ingest, model, process, raw, sample, settings
for seed in range(int(sys.argv[1])):
    folder = Path(f"seed{seed}")
    (folder / "data/raw").mkdir(parents=True)
    (folder / "data/raw/x.csv").write_text(sample.text(640, seed), encoding="utf-8")
    ingest.ingest(folder, Path("data/raw/x.csv"), 0.05)
    process.process(folder)
    features.split(folder, 0.2, 42)
    learned, judged = (raw.read_own(folder / path) for path in (settings.TRAIN, settings.TEST))
    params = settings.params(Path.cwd())["model"]
    fitted = model.build(params).fit(learned, model.prices(learned))
    found = model.scores(model.prices(judged), fitted.predict(judged))
    span = float(model.prices(learned).max() / model.prices(learned).min())
    print(json.dumps(found | {"span": span}))
"""
    done = run(project, sys.executable, "-c", code, str(SEEDS))
    assert done.returncode == 0, done.stderr
    found = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(found) == SEEDS
    for one in found:
        assert 0.75 < one["r2"] < 0.99, found
        assert 0.08 < one["mape"] < 0.14, found
        assert one["span"] > 40, found


@pytest.mark.by_turns
def test_a_file_like_the_courses_runs_through_unchanged_code(tmp_path: Path) -> None:
    """A stand-in for the course's own CSV, which is not to be had here: its columns, and spellings of all kinds."""
    project = copied(tmp_path)
    assert step(project, "sample").returncode == 0
    with (project / "data/raw/laptop_prices_sample.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    for number, row in enumerate(rows):
        if row["Price"].isdigit():
            row["Price"] = f"R$ {int(row['Price']):,}.00".translate(str.maketrans(",.", ".,"))
        if number % 40 == 0:
            row["Price"] = "NA"
        if row["ssd"] == "1024 GB":
            row["ssd"] = "1 TB"
        row["brand"] = f" {row['brand']} " if number % 5 else "Positivo"
        row["rating"] = "NA" if number % 7 == 0 else row["rating"]
        row["warranty"] = {"1 year": "1 ano", "No warranty": "no warranty"}.get(row["warranty"], row["warranty"])
    with (project / "data/raw/course.csv").open("w", encoding="utf-8-sig", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]), delimiter=";")
        writer.writeheader()
        writer.writerows(rows)
    change(project, "params.yaml", "laptop_prices_sample.csv", "course.csv")
    for word in ("ingest", "process", "features", "train"):
        done = step(project, word)
        assert done.returncode == 0, done.stderr
    found = report(project, "ingest")
    assert found["bad"] >= 10
    assert found["rows"] == found["good"] + found["bad"]
    assert report(project, "problems")["unusual_values"]["brand"]["Positivo"] > 20
    assert report(project, "train")["cv_mape"] < 0.25


def test_the_notebooks_and_the_pages_are_in_the_language_of_the_project(tmp_path: Path) -> None:
    for lang, word in (("en", "Looking at the data"), ("pt-BR", "Olhando os dados")):
        project = copied(tmp_path / lang, lang=lang)
        cells = json.loads((project / "notebooks/01-exploration.ipynb").read_text(encoding="utf-8"))["cells"]
        assert word in cells[0]["source"][0]
        assert f"lang: {lang}" in (project / "params.yaml").read_text(encoding="utf-8")
