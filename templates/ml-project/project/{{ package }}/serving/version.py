"""Which version of the project this is."""

from __future__ import annotations

import os
import subprocess
from functools import lru_cache
from importlib import metadata
from pathlib import Path

UNKNOWN = "unknown"


@lru_cache(maxsize=1)
def package_version() -> str:
    """Return the version of the installed package. In an image, where it is not installed, PACKAGE_VERSION says it."""
    try:
        return metadata.version(__package__.partition(".")[0])
    except metadata.PackageNotFoundError:
        return os.environ.get("PACKAGE_VERSION") or UNKNOWN


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
