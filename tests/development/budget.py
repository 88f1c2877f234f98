"""Applies the budget module on ministack, an emulator that can read budgets back: `python -m tests.development.budget`.

Not a test that CI runs: see README.md beside this file.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.request import urlopen

from bootstrap.adapters.aws.session import Aws, KeyPair
from bootstrap.adapters.terraform import environment_for
from bootstrap.adapters.terraform_mirror import find_mirror
from bootstrap.assets import INFRA
from tests.ports import some_port

ACCOUNT = "000000000000"
KEY = KeyPair("test", "test")
VERSION = "5.100.0"
ROOT = """
terraform {{
  required_providers {{
    aws = {{
      source  = "hashicorp/aws"
      version = "= {version}"
    }}
  }}
}}

provider "aws" {{
  region                      = "us-east-1"
  skip_credentials_validation = true
  skip_metadata_api_check     = true
  skip_region_validation      = true
  max_retries                 = 2

  default_tags {{
    tags = {{ "bootstrap:project" = "course", "bootstrap:env" = "stag" }}
  }}
}}

variable "limit_usd" {{
  type = number
}}

module "budget" {{
  source = "../modules/budget"

  name      = "course.stag"
  limit_usd = var.limit_usd
  email     = "ada@example.org"
  project   = "course"
  env       = "stag"
}}
"""


@contextmanager
def emulator(program: str, folder: Path) -> Iterator[str]:
    """Run ministack on loopback; yields its address."""
    port = some_port()
    url = f"http://127.0.0.1:{port}"
    environ = os.environ | {"BIND_HOST": "127.0.0.1", "GATEWAY_PORT": str(port), "PERSIST_STATE": "0"}
    with (folder / "ministack.log").open("wb") as log:
        server = subprocess.Popen([program], cwd=folder, env=environ, stdout=log, stderr=subprocess.STDOUT)
        try:
            for _ in range(300):
                try:
                    with urlopen(f"{url}/_ministack/health", timeout=1):  # noqa: S310 - http, on loopback
                        break
                except OSError:
                    time.sleep(0.1)
            yield url
        finally:
            server.terminate()
            server.wait(timeout=20)


def main() -> int:
    """Walk through it; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("ministack", help="the ministack program")
    program = parser.parse_args().ministack
    terraform = shutil.which("terraform")
    if terraform is None:
        sys.exit("terraform is not on PATH")
    with tempfile.TemporaryDirectory() as name, emulator(program, Path(name)) as url:
        folder = Path(name)
        shutil.copytree(INFRA / "modules", folder / "modules", ignore=shutil.ignore_patterns(".terraform*"))
        root = folder / "root"
        root.mkdir()
        (root / "main.tf").write_text(ROOT.format(version=VERSION))
        theirs = {k: v for k, v in os.environ.items() if not k.startswith(("AWS_", "TF_"))}
        keys = {"AWS_ACCESS_KEY_ID": KEY.id, "AWS_SECRET_ACCESS_KEY": KEY.secret, "AWS_ENDPOINT_URL": url}
        environ = environment_for(theirs, keys | {"AWS_EC2_METADATA_DISABLED": "true"})

        def run(*words: str, limit: int, code: int = 0) -> None:
            began = time.monotonic()
            argv = [terraform, *words, "-no-color", f"-var=limit_usd={limit}"]
            done = subprocess.run(argv, cwd=root, env=environ, capture_output=True, text=True, check=False)
            print(f"{' '.join(words)}, limit {limit}: exit code {done.returncode}, {time.monotonic() - began:.1f} s")
            assert done.returncode == code, done.stdout + done.stderr

        mirror = find_mirror(os.environ, Path.home(), Path.cwd(), VERSION)
        from_there = [] if mirror is None else [f"-plugin-dir={mirror}"]
        subprocess.run([terraform, "init", *from_there], cwd=root, env=environ, capture_output=True, check=True)
        client = Aws("us-east-1", url, key=KEY).client("budgets")

        run("apply", "-auto-approve", limit=20)
        budget = client.describe_budget(AccountId=ACCOUNT, BudgetName="course.stag")["Budget"]
        mails: list[dict[str, Any]] = client.describe_notifications_for_budget(
            AccountId=ACCOUNT, BudgetName="course.stag"
        )["Notifications"]
        print(json.dumps({key: budget[key] for key in ("BudgetLimit", "CostFilters", "TimeUnit")}))
        assert sorted(budget["CostFilters"]["TagKeyValue"]) == [
            "user:bootstrap:env$stag",
            "user:bootstrap:project$course",
        ]
        assert {(one["NotificationType"], float(one["Threshold"])) for one in mails} == {
            *(("ACTUAL", 50.0), ("ACTUAL", 80.0), ("ACTUAL", 100.0), ("FORECASTED", 100.0))
        }
        for one in mails:
            who = client.describe_subscribers_for_notification(
                AccountId=ACCOUNT, BudgetName="course.stag", Notification=one
            )["Subscribers"]
            assert who == [{"SubscriptionType": "EMAIL", "Address": "ada@example.org"}]
        run("plan", "-detailed-exitcode", limit=20)
        run("plan", "-detailed-exitcode", limit=25, code=2)
        run("apply", "-auto-approve", limit=25)
        run("plan", "-detailed-exitcode", limit=25)
        run("destroy", "-auto-approve", limit=25)
        assert client.describe_budgets(AccountId=ACCOUNT).get("Budgets", []) == []
    print("The budget was made with its mails, did not change by itself, grew in place, and is gone.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
