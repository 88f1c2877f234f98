"""Measures how a bucket is emptied, and prints ratios: on the emulator against others, on a stub of S3 against itself.

The emulator makes a page in time that grows with its whole bucket, so listing and deleting are told apart there. On the
stub (`s3_stub.py`) a page costs the same at any size: there memory, the time at a quarter, a half and all of it, and
what 50 ms added to every request cost, are of interest. Exit code 1 if a ratio is over its limit.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.up import clean_environment
from bootstrap.adapters.aws import emptying
from bootstrap.adapters.aws.session import Aws, KeyPair
from bootstrap.adapters.process import free_port
from bootstrap.adapters.servers import answers
from bootstrap.adapters.terraform_mirror import find_mirror
from bootstrap.workflows.provision import PROVIDER_VERSION

BUCKET = "course--stag--123456789012"
REGION = "us-east-1"
KEY = KeyPair("AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY")
DELAY = 0.05
MEMORY_MB = 200
LIMITS = {
    "the provider's force_destroy : ours": 6.0,
    "AWS CLI, list-object-versions and delete-objects : ours": 1.0,
    "AWS CLI, s3 rm --recursive, then versions : ours": 1.0,
}
# All : a quarter of it, over four. Limits from above.
MOST = {"linear": 1.25, "behind 50 ms : only listing behind 50 ms": 1.5}
# The emulator's own server, with a bucket in it that one request after the other would take minutes to fill.
_FILLED = """
import sys
from moto.s3.models import s3_backends
from moto.server import main
versions, port, bucket, region = int(sys.argv[1]), *sys.argv[2:]
s3 = s3_backends["123456789012"]["aws"]
s3.create_bucket(bucket, region)
s3.put_bucket_versioning(bucket, "Enabled")
for number in range(versions):
    s3.put_object(bucket, f"dataset/part-{number // 2:06d}.bin", b"0123456789")
main(["-H", "127.0.0.1", "-p", port])
"""


def main() -> int:
    """Run the benchmark; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--versions", type=int, default=20_000, help="on the emulator; 0: leave it out")
    parser.add_argument("--large", type=int, default=100_000, help="on the stub; 0: leave it out")
    parser.add_argument("--with-force-destroy", action="store_true", help="takes five minutes")
    parser.add_argument("--without-rm", action="store_true", help="leave out `aws s3 rm`, which takes minutes too")
    parser.add_argument("--one", metavar="URL", help=argparse.SUPPRESS)
    parser.add_argument("--survey", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        print(json.dumps(one(arguments.one, arguments.large, only_look=arguments.survey)))
        return 0
    over = False
    if arguments.versions:
        with tempfile.TemporaryDirectory(prefix="bootstrap-benchmark-") as folder:
            ways: list[Way] = [_ours, _cli]
            ways += [] if arguments.without_rm else [_rm]
            ways += [_force_destroy] if arguments.with_force_destroy else []
            over |= on_the_emulator(Path(folder), arguments.versions, ways)
    if arguments.large:
        over |= on_the_stub(arguments.large)
    return int(over)


# --- on the emulator ---

# Empties the bucket at an address; the folder is for its own files.
Way = Callable[[str, Path, dict[str, str]], str]


def on_the_emulator(folder: Path, versions: int, ways: list[Way]) -> bool:
    """Measure ours and theirs on one bucket after the other; print them; tell whether a limit is exceeded."""
    env = clean_environment(folder)
    times: dict[str, float] = {}
    for way in ways:
        with emulator(versions, env) as url:
            began = time.perf_counter()
            name = way(url, folder, env | _access(url))
            times[name] = time.perf_counter() - began
            print(f"{name:<60} {times[name]:8.2f} s", flush=True)
            left = emptying.survey(Aws(REGION, url, key=KEY), BUCKET)
            assert left.versions + left.markers == 0, f"{name} left something behind: {left}"
    over = False
    for name, seconds in times.items():
        if name != "ours":
            ratio, limit = seconds / times["ours"], LIMITS[f"{name} : ours"]
            print(f"ratio {name + ' : ours':<66} {ratio:6.1f}   at least {limit:g}")
            over |= ratio < limit
    return over


@contextmanager
def emulator(versions: int, env: dict[str, str]) -> Iterator[str]:
    """Run the emulator with a filled bucket; yield its address."""
    port = free_port(19000)
    script = [sys.executable, "-c", _FILLED, str(versions), str(port), BUCKET, REGION]
    with subprocess.Popen(script, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        url = f"http://127.0.0.1:{port}"
        try:
            while not answers(f"{url}/moto-api/"):
                assert process.poll() is None, "the emulator ended"
                time.sleep(0.2)
            yield url
        finally:
            process.terminate()


def _access(url: str) -> dict[str, str]:
    return {
        "AWS_ENDPOINT_URL": url,
        "AWS_ACCESS_KEY_ID": KEY.id,
        "AWS_SECRET_ACCESS_KEY": KEY.secret,
        "AWS_REGION": REGION,
        "AWS_EC2_METADATA_DISABLED": "true",
    }


def _ours(url: str, _: Path, __: dict[str, str]) -> str:
    aws = Aws(REGION, url, key=KEY)
    spent = _watch(aws.client("s3"))
    emptying.empty(aws, BUCKET)
    print(f"  of it listing {spent['list']:.2f} s, deleting {spent['delete']:.2f} s")
    return "ours"


def _watch(client: Any) -> Counter[str]:
    """Add up the seconds that lists and deletions take, several at once counted apart."""
    spent: Counter[str] = Counter()
    here = threading.local()

    def begin(**_: Any) -> None:
        here.began = time.perf_counter()

    def end(model: Any, **_: Any) -> None:
        spent["list" if model.name.startswith("List") else "delete"] += time.perf_counter() - here.began

    client.meta.events.register("before-call.s3", begin)
    client.meta.events.register("after-call.s3", end)
    return spent


def _cli(_: str, folder: Path, env: dict[str, str]) -> str:
    """Do as the usual recipe does, but list once, in pages as large as ours."""
    listed = _aws(env, "s3api", "list-object-versions", "--bucket", BUCKET, "--page-size", "10000")
    answer = json.loads(listed)
    entries = answer.get("Versions", []) + answer.get("DeleteMarkers", [])
    named = [{"Key": entry["Key"], "VersionId": entry["VersionId"]} for entry in entries]
    batch = folder / "batch.json"
    for start in range(0, len(named), 1000):
        batch.write_text(json.dumps({"Objects": named[start : start + 1000], "Quiet": True}), encoding="utf-8")
        _aws(env, "s3api", "delete-objects", "--bucket", BUCKET, "--delete", f"file://{batch}")
    return "AWS CLI, list-object-versions and delete-objects"


def _rm(url: str, folder: Path, env: dict[str, str]) -> str:
    _aws(env, "s3", "rm", "--recursive", "--only-show-errors", f"s3://{BUCKET}/")
    _cli(url, folder, env)
    return "AWS CLI, s3 rm --recursive, then versions"


def _aws(env: dict[str, str], *words: str) -> str:
    command = ["aws", *words, "--output", "json"]
    return subprocess.run(command, env=env, check=True, capture_output=True, text=True).stdout


def _force_destroy(_: str, folder: Path, env: dict[str, str]) -> str:
    root = folder / "force-destroy"
    root.mkdir()
    (root / "main.tf").write_text(
        f"""
        terraform {{
          required_providers {{
            aws = {{ source = "hashicorp/aws", version = "{PROVIDER_VERSION}" }}
          }}
        }}
        provider "aws" {{
          s3_use_path_style           = true
          skip_credentials_validation = true
          skip_metadata_api_check     = true
          skip_requesting_account_id  = true
        }}
        import {{
          to = aws_s3_bucket.it
          id = "{BUCKET}"
        }}
        resource "aws_s3_bucket" "it" {{
          bucket        = "{BUCKET}"
          force_destroy = true
        }}
        """,
        encoding="utf-8",
    )
    mirror = find_mirror(env, Path(env["HOME"]), root, PROVIDER_VERSION)
    for words in (
        ["init", *([f"-plugin-dir={mirror}"] if mirror else [])],
        ["apply", "-auto-approve"],
        ["destroy", "-auto-approve"],
    ):
        done = subprocess.run(
            ["terraform", *words, "-input=false", "-no-color"],
            cwd=root,
            env=env,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            raise SystemExit(f"terraform {words[0]} failed:\n{done.stdout}{done.stderr}")
    return "the provider's force_destroy"


# --- on the stub ---


def on_the_stub(versions: int) -> bool:
    """Measure time, memory and patience at a large bucket; print them; tell whether a limit is exceeded."""
    quick = _run(versions, 0.0)
    slow = _run(versions, DELAY)
    only_listing = _run(versions, DELAY, "--survey")
    at = {float(share): seconds for share, seconds in quick["at"].items()}
    for share, seconds in at.items():
        print(f"stub, {share * versions:7,.0f} of {versions:,} gone after {seconds:24.2f} s")
    print(f"stub, memory above the start {max(quick['mb'], slow['mb']):43.0f} MB   at most {MEMORY_MB}")
    print(f"stub, behind {DELAY * 1000:.0f} ms {slow['seconds']:53.2f} s")
    print(f"stub, only listing, behind {DELAY * 1000:.0f} ms {only_listing['seconds']:39.2f} s")
    ratios = {
        "linear": at[1.0] / at[0.25] / 4,
        "behind 50 ms : only listing behind 50 ms": slow["seconds"] / only_listing["seconds"],
    }
    for name, ratio in ratios.items():
        print(f"ratio {name:<66} {ratio:6.2f}   at most {MOST[name]}")
    return max(quick["mb"], slow["mb"]) > MEMORY_MB or any(ratio > MOST[name] for name, ratio in ratios.items())


def _run(versions: int, seconds: float, *words: str) -> dict[str, Any]:
    """Empty a stub of that many versions, both in processes of their own; return what `one` measured."""
    stub = [sys.executable, str(Path(__file__).with_name("s3_stub.py")), str(versions), "--seconds", str(seconds)]
    with subprocess.Popen(stub, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            url = process.stdout.readline().strip()
            command = [sys.executable, __file__, "--large", str(versions), "--one", url, *words]
            done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
            result: dict[str, Any] = json.loads(done.stdout)
            return result
        finally:
            process.terminate()


def one(url: str, versions: int, *, only_look: bool) -> dict[str, Any]:
    """Empty the bucket at an address, or only list it: seconds, MB above the start, seconds at each quarter."""
    aws = Aws(REGION, url, key=KEY)
    emptying.survey(aws, BUCKET, "nothing begins so")  # imports, and opens a connection
    process = psutil.Process(os.getpid())
    start = most = process.memory_info().rss
    at: dict[float, float] = {}
    done = threading.Event()

    def watch() -> None:
        nonlocal most
        while not done.wait(0.01):
            most = max(most, process.memory_info().rss)

    def progress(count: int) -> None:
        for share in (0.25, 0.5, 1.0):
            if count >= share * versions:
                at.setdefault(share, time.perf_counter() - began)

    watcher = threading.Thread(target=watch)
    watcher.start()
    began = time.perf_counter()
    try:
        if only_look:
            emptying.survey(aws, BUCKET)
        else:
            emptying.empty(aws, BUCKET, progress=progress)
    finally:
        done.set()
        watcher.join()
    return {"seconds": time.perf_counter() - began, "mb": (most - start) / 1e6, "at": at}


if __name__ == "__main__":
    sys.exit(main())
