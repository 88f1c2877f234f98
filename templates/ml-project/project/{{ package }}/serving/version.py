"""Which commit of the project this is."""

from __future__ import annotations

import os
import subprocess
from functools import lru_cache
from pathlib import Path

UNKNOWN = "unknown"


@lru_cache(maxsize=1)
def git_commit() -> str:
    """Return the commit that this code is of. In an image, where git is not, GIT_COMMIT says it."""
    if said := os.environ.get("GIT_COMMIT"):
        return said
    try:
        asked = subprocess.run(
            ["git", "rev-parse", "HEAD"],
            cwd=Path(__file__).parent,
            capture_output=True,
            text=True,
            timeout=10,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return UNKNOWN
    return asked.stdout.strip()
