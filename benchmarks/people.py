"""Measures `bootstrap onboard` against a bare `terraform apply` of the same users, in one run, and prints ratios.

Both get the same emulator software, the same users and the same policies; `onboard` also makes the keys, the MLflow
accounts and the sealed invites. Exit code 1 if a ratio is over its limit. `--sizes 1 10 100 300 1000` prints the curve.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.up import Bare, clean_environment

CLASS = 300
LIMITS = {"whole class": 1.5, "one more": 0.75}
TEAM_SIZE = 10


def main() -> int:
    """Run the benchmark; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", type=int, nargs="+", default=[CLASS])
    parser.add_argument("--rounds", type=int, default=1)
    arguments = parser.parse_args()
    worst = 0
    for size in arguments.sizes:
        with tempfile.TemporaryDirectory(prefix="bootstrap-benchmark-") as folder:
            worst = max(worst, measure(Path(folder), size, arguments.rounds))
    return worst


def measure(folder: Path, size: int, rounds: int) -> int:
    """Measure a class of `size` in `folder`; print a table; return 1 if a limit for a class of 300 is exceeded."""
    course = folder / "course"
    course.mkdir()
    env = clean_environment(folder)
    subprocess.run(["git", "init", "--quiet", course], check=True)
    bare = Bare(folder / "bare", env)
    codes = ("--yes", "--codes", str(folder / "codes.csv"))
    times: dict[str, list[float]] = {}

    def bootstrap(*words: str) -> float:
        began = time.perf_counter()
        done = subprocess.run(["bootstrap", *words], cwd=course, env=env, check=False, capture_output=True, text=True)
        if done.returncode != 0:
            raise SystemExit(f"bootstrap {' '.join(words)} failed:\n{done.stdout}{done.stderr}")
        return time.perf_counter() - began

    def take(name: str, seconds: float) -> None:
        times.setdefault(name, []).append(seconds)

    rows = [f"s{number:04d},student,t{number // TEAM_SIZE:03d}" for number in range(size)]
    try:
        for _ in range(rounds):
            (course / "members.csv").write_text("\n".join(["name,role,team", *rows]) + "\n", encoding="utf-8")
            bootstrap("up", "--env", "stag", "--local", "--yes")
            take("onboard of the class", bootstrap("onboard", "--roster", "members.csv", "--env", "stag", *codes))
            tfvars = course / ".bootstrap/envs/stag/infra/members/terraform.tfvars.json"
            whole = json.loads(tfvars.read_text(encoding="utf-8"))
            take("onboard of one more", bootstrap("onboard", "late", "--team", "t000", "--env", "stag", *codes))
            one_more = json.loads(tfvars.read_text(encoding="utf-8"))
            bootstrap("down", "--env", "stag", "--yes")
            first, second = _bare(bare, whole, one_more)
            take("bare apply of the class", first)
            take("bare apply of one more", second)
    finally:
        # After a failure too, nothing may be left running.
        subprocess.run(["bootstrap", "local", "stop", "--yes"], cwd=course, env=env, check=False, capture_output=True)
    return report(size, {name: statistics.median(values) for name, values in times.items()})


def _bare(bare: Bare, whole: dict[str, Any], one_more: dict[str, Any]) -> tuple[float, float]:
    with bare.emulator({"members": json.dumps(whole)}):
        bare.init("members")
        began = time.perf_counter()
        bare.apply("members")
        first = time.perf_counter() - began
        (bare.folder / "members" / "terraform.tfvars.json").write_text(json.dumps(one_more), encoding="utf-8")
        began = time.perf_counter()
        bare.apply("members")
        return first, time.perf_counter() - began


def report(size: int, median: dict[str, float]) -> int:
    """Print medians (seconds) and ratios; return 1 if a limit is exceeded. Limits hold for a class of 300."""
    ratios = {
        "whole class": median["onboard of the class"] / median["bare apply of the class"],
        "one more": median["onboard of one more"] / median["bare apply of one more"],
    }
    print(f"class of {size}")
    for name, seconds in median.items():
        print(f"  {name:<26} {seconds:7.2f} s")
    for name, ratio in ratios.items():
        limit = f"   at most {LIMITS[name]}" if size == CLASS else ""
        print(f"  ratio {name:<20} {ratio:7.2f}{limit}", flush=True)
    return int(size == CLASS and any(ratio > LIMITS[name] for name, ratio in ratios.items()))


if __name__ == "__main__":
    sys.exit(main())
