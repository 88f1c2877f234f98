"""The project template, rendered the way copier renders it, without copier: no questions, no answers file, no git."""

from __future__ import annotations

import shutil
from pathlib import Path

import jinja2

TEMPLATE = Path(__file__).resolve().parents[3] / "templates" / "ml-project" / "project"
ANSWERS = {
    "name": "laptop-pricing",
    "package": "laptop_pricing",
    "lang": "en",
    "author": "Ana",
    "team": "red",
    "env": "stag",
    "bucket": "",
    "mlflow_uri": "",
    "profile": "",
    "gitlab": False,
    "repository": "",
}


def render(target: Path, **answers: object) -> Path:
    """Write the project into a folder and return it. A file whose rendered name is empty is left out, as in copier."""
    environment = jinja2.Environment(undefined=jinja2.StrictUndefined, keep_trailing_newline=True)  # noqa: S701 - no HTML
    values = ANSWERS | answers
    for source in sorted(TEMPLATE.rglob("*")):
        parts = [environment.from_string(part).render(values) for part in source.relative_to(TEMPLATE).parts]
        if not source.is_file() or not all(parts) or "__pycache__" in parts:
            continue
        to = target.joinpath(*parts)
        to.parent.mkdir(parents=True, exist_ok=True)
        if to.suffix == ".jinja":
            text = environment.from_string(source.read_text(encoding="utf-8")).render(values)
            to.with_suffix("").write_text(text, encoding="utf-8")
        else:
            shutil.copyfile(source, to)
    return target
