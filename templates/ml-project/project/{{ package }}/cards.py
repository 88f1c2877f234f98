"""The pages about the data and the model, docs/data-card.md and docs/model-card.md, filled with the last run.

What a person has to think about is in the texts beside this module, `cards/`; change it there.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping
from pathlib import Path
from string import Template
from typing import Any

from . import settings
from .gate import missed

_WORDS = {
    "en": {"yes": "yes", "no": "no", "none": "None.", "synthetic": "It is **synthetic**: made up by `sample.py`."},
    "pt-BR": {
        "yes": "sim",
        "no": "não",
        "none": "Nenhum.",
        "synthetic": "São **sintéticos**: inventados por `sample.py`.",
    },
}
SAMPLE = "data/raw/laptop_prices_sample.csv"


def write(folder: Path, language: str) -> None:
    """Write both pages, in one of the languages that there are texts for; else in English."""
    language = language if language in _WORDS else "en"
    facts = _facts(folder, _WORDS[language])
    for name in ("model-card", "data-card"):
        text = (Path(__file__).parent / "cards" / f"{name}.{language}.md").read_text(encoding="utf-8")
        path = folder / "docs" / f"{name}.md"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(Template(text).substitute(facts), encoding="utf-8", newline="\n")


def _facts(folder: Path, words: Mapping[str, str]) -> dict[str, str]:
    params = settings.params(folder)
    reports = {name: settings.read_json(folder / settings.REPORTS / f"{name}.json") for name in _REPORTS}
    model = settings.read_json(folder / settings.MODEL_FACTS)
    metrics, gate = reports["metrics"], dict(settings.param(params, "gate"))
    source = str(settings.param(params, "data.file"))
    price = reports["features"]["columns"]["Price"]
    return {
        "project": str(settings.param(params, "project.model")),
        "version": str(model["version"]),
        "rows": str(model["rows"]),
        "test_rows": str(reports["features"]["test_rows"]),
        "metrics": _table(metrics.items()),
        "cv": _table(reports["train"].items()),
        "parameters": _table(model["parameters"].items()),
        "gate": f"R² > {gate['r2']:g}, MAPE < {gate['mape']:g}",
        "passed": words["no" if missed(metrics, gate) else "yes"],
        "errors": _file_table(folder / settings.REPORTS / "plots" / "errors.csv"),
        "importance": _file_table(folder / settings.REPORTS / "plots" / "importance.csv"),
        "file": source,
        "origin": words["synthetic"] if source == SAMPLE else "",
        "raw_rows": str(reports["ingest"]["rows"]),
        "bad_rows": str(reports["ingest"]["bad"]),
        "reasons": _table(reports["problems"]["problems"].items()) or words["none"],
        "unusual": _table(_unusual(reports["problems"]["unusual_values"])) or words["none"],
        "duplicates": str(reports["process"]["duplicates"]),
        "empty": _table(reports["empty"].items()) or words["none"],
        "clean_rows": str(reports["process"]["rows"]),
        "cheapest": f"{price['min']:.0f}",
        "dearest": f"{price['max']:.0f}",
        "libraries": f"Python {model['python']}, scikit-learn {model['scikit-learn']}",
        "data_md5": str(model["training_data_md5"]),
    }


_REPORTS = ("ingest", "problems", "process", "empty", "features", "train", "metrics")


def _unusual(found: Mapping[str, Mapping[str, int]]) -> list[tuple[str, str]]:
    told = {column: (f"{word} ({count})" for word, count in words.items()) for column, words in found.items()}
    return [(column, ", ".join(words)) for column, words in told.items()]


def _table(rows: Any) -> str:
    lines = [f"| {_cell(name)} | {_cell(value)} |" for name, value in rows]
    return "\n".join(["| | |", "|---|---|", *lines]) if lines else ""


def _file_table(path: Path) -> str:
    with path.open(encoding="utf-8", newline="") as file:
        names, *rows = list(csv.reader(file))
    lines = [f"| {' | '.join(_cell(cell) for cell in cells)} |" for cells in (names, ["---"] * len(names), *rows)]
    return "\n".join(lines)


def _cell(value: object) -> str:
    # What stands in somebody's file must not become a link or a tag of the page.
    text = f"{value:g}" if isinstance(value, float) else str(value)
    return text.replace("\\", "\\\\").replace("|", "\\|").replace("<", "&lt;").replace("[", "\\[")
