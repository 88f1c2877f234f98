"""The types are right: mypy over all there is, with the settings of pyproject.toml. Beside the other tests it costs no
time of its own, as it would before them.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path


def test_mypy_finds_nothing() -> None:
    top = Path(__file__).parents[1]
    done = subprocess.run([sys.executable, "-m", "mypy"], cwd=top, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
