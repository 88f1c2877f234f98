"""Measures `bootstrap up --local` against bare Terraform in one run, and prints ratios.

Every figure is the median of `--rounds` runs. The rounds of what is compared alternate, so that a machine that gets
slower meanwhile slows both. Exit code 1 if a ratio is over its limit.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from bootstrap.adapters.aws import buckets, people
from bootstrap.adapters.aws.session import Aws, KeyPair
from bootstrap.adapters.emulator import Emulator
from bootstrap.adapters.process import free_port
from bootstrap.adapters.terraform_mirror import find_mirror
from bootstrap.assets import INFRA
from bootstrap.core.names import Names
from bootstrap.workflows.provision import PROVIDER_VERSION, ROOTS

LIMITS = {"cold up": 1.25, "second up": 1.3, "--help": 1.0}
REGION = "us-east-1"


def main() -> int:
    """Run the benchmark; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    rounds = parser.parse_args().rounds
    with tempfile.TemporaryDirectory(prefix="bootstrap-benchmark-") as folder:
        return measure(Path(folder), rounds)


def measure(folder: Path, rounds: int) -> int:
    """Measure everything in `folder`; print a table; return 1 if a limit is exceeded."""
    course = folder / "course"
    course.mkdir()
    env = clean_environment(folder)
    subprocess.run(["git", "init", "--quiet", course], check=True)
    bare = Bare(folder / "bare", env)
    times: dict[str, list[float]] = {}

    def take(name: str, work: Callable[[], object]) -> None:
        began = time.perf_counter()
        work()
        times.setdefault(name, []).append(time.perf_counter() - began)

    def bootstrap(*words: str) -> None:
        subprocess.run(["bootstrap", *words], cwd=course, env=env, check=True, capture_output=True)

    up = ("up", "--env", "stag", "--local", "--yes")
    bootstrap(*up)  # reads everything from the disk once, and leaves the inputs of both roots for the bare runs
    variables = {
        root: (course / f".bootstrap/envs/stag/infra/{root}/terraform.tfvars.json").read_text(encoding="utf-8")
        for root in ROOTS
    }
    bootstrap("down", "--env", "stag", "--yes")
    for _ in range(rounds):
        with bare.emulator(variables):
            take("bare init+apply", bare.apply_all)
            for root in ROOTS:
                take(f"bare plan of {root}", lambda root=root: bare.plan(root))  # type: ignore[misc]
        take("cold up", lambda: bootstrap(*up))
        take("second up", lambda: bootstrap(*up))
        bootstrap("down", "--env", "stag", "--yes")
    for _ in range(rounds * 3):
        take("--help", lambda: bootstrap("--help"))
        take("aws --version", lambda: subprocess.run(["aws", "--version"], env=env, check=True, capture_output=True))
    return report({name: statistics.median(values) for name, values in times.items()})


def report(median: dict[str, float]) -> int:
    """Print medians (seconds) and ratios; return 1 if a limit is exceeded."""
    for name, seconds in median.items():
        print(f"{name:<28} {seconds:7.2f} s")
    slower_plan = max(median[f"bare plan of {root}"] for root in ROOTS)
    ratios = {
        "cold up": median["cold up"] / median["bare init+apply"],
        "second up": median["second up"] / slower_plan,
        "--help": median["--help"] / median["aws --version"],
    }
    for name, ratio in ratios.items():
        print(f"ratio {name:<22} {ratio:7.2f}   at most {LIMITS[name]}")
    return int(any(ratio > LIMITS[name] for name, ratio in ratios.items()))


def clean_environment(folder: Path) -> dict[str, str]:
    """Return an environment with a home of its own and nothing of the user's AWS in it."""
    env = {k: v for k, v in os.environ.items() if not k.startswith(("AWS_", "MLFLOW_", "TF_"))}
    home = folder / "home"
    home.mkdir()
    here = str(Path(sys.executable).parent)
    return env | {"HOME": str(home), "PATH": f"{here}{os.pathsep}{env['PATH']}", "CHECKPOINT_DISABLE": "1"}


class Bare:
    """The same two roots with plain `terraform`, the way a person types it: one after the other."""

    def __init__(self, folder: Path, env: dict[str, str]) -> None:
        self.folder = folder
        self.env = env
        self.mirror = find_mirror(env, Path(env["HOME"]), folder, PROVIDER_VERSION)

    def emulator(self, variables: dict[str, str]) -> _Running:
        """Return a context in which an emulator runs that has a state bucket and nothing else."""
        return _Running(self, variables)

    def apply_all(self) -> None:
        """Init and apply both roots."""
        for root in ROOTS:
            self.init(root)
            self.apply(root)

    def init(self, root: str) -> None:
        """Init one root."""
        plugins = [f"-plugin-dir={self.mirror}"] if self.mirror else []
        backend = [f"-backend-config={key}={value}" for key, value in self._backend(root).items()]
        self._terraform(root, "init", *plugins, *backend)

    def apply(self, root: str) -> None:
        """Plan and apply one root."""
        self._terraform(root, "apply", "-auto-approve")

    def plan(self, root: str) -> None:
        """Plan one root."""
        self._terraform(root, "plan")

    def _backend(self, root: str) -> dict[str, str]:
        skips = ("credentials_validation", "metadata_api_check", "region_validation", "requesting_account_id")
        return {
            "bucket": self.names.state_bucket,
            "key": self.names.state_key(root),
            "region": REGION,
            "use_lockfile": "true",
            "use_path_style": "true",
            **{f"skip_{what}": "true" for what in skips},
        }

    @property
    def names(self) -> Names:
        """The names of the environment."""
        return Names("course", "stag", "123456789012")

    def _terraform(self, root: str, *words: str) -> None:
        done = subprocess.run(
            ["terraform", *words, "-input=false", "-no-color"],
            cwd=self.folder / root,
            env=self.env,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            raise SystemExit(f"terraform {words[0]} failed:\n{done.stdout}{done.stderr}")


class _Running:
    def __init__(self, bare: Bare, variables: dict[str, str]) -> None:
        self._bare = bare
        self._variables = variables
        self._emulator = Emulator(bare.folder.parent / "bare-emulator")

    def __enter__(self) -> None:
        bare = self._bare
        shutil.rmtree(bare.folder, ignore_errors=True)
        shutil.copytree(INFRA, bare.folder)
        for root, text in self._variables.items():
            (bare.folder / root / "terraform.tfvars.json").write_text(text, encoding="utf-8")
        server = self._emulator.start(free_port(19000), bare.env)
        operator = people.create_operator(Aws(REGION, server.url, key=KeyPair("a", "b")), "operator", "/operator/")
        self._emulator.enforce_permissions(server)
        buckets.create_state_bucket(Aws(REGION, server.url, key=operator), bare.names.state_bucket, {})
        bare.env |= {
            "AWS_ENDPOINT_URL": server.url,
            "AWS_ACCESS_KEY_ID": operator.id,
            "AWS_SECRET_ACCESS_KEY": operator.secret,
        }

    def __exit__(self, *_: object) -> None:
        self._emulator.stop()
        for name in ("AWS_ENDPOINT_URL", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            self._bare.env.pop(name)


if __name__ == "__main__":
    sys.exit(main())
