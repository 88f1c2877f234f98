"""Where predictions are logged."""

from __future__ import annotations

from pathlib import Path

USUAL = "logs/predictions.jsonl"
_OFF = "off"


def place_of(said: str, root: Path) -> str:
    """Return the log that PREDICTION_LOG means: a whole path or `s3://…`; empty if it says `off`.

    If it says nothing, it is a file in the project's folder, which git does not see.
    """
    if said == _OFF:
        return ""
    return said if said.startswith("s3://") else str(root / (said or USUAL))
