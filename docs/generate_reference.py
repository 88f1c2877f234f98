"""Writes docs/reference.md out of the program itself: help texts, exit codes, variables and the JSON it prints.

`python docs/generate_reference.py` writes the page; with `--check` it only compares and exits 1 if the page is old.
Each JSON example comes from the command itself: only the workflow behind it is replaced, by one that returns a sample.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import Path
from unittest import mock

import click
from click.testing import CliRunner

from bootstrap.adapters.aws.buckets import StateLock
from bootstrap.adapters.aws.cost_explorer import Spent
from bootstrap.adapters.aws.session import Aws
from bootstrap.adapters.receipt_store import Stored
from bootstrap.cli import COMMANDS, cli
from bootstrap.commands.access import DIFFERS
from bootstrap.commands.join import CODE_VARIABLE
from bootstrap.commands.plan import CHANGES
from bootstrap.core.access import Cell
from bootstrap.core.cost import in_plan, monthly
from bootstrap.core.dataset import Card, DataFile
from bootstrap.core.doctor import Finding, Report
from bootstrap.core.github import Change
from bootstrap.core.history import Entry
from bootstrap.core.inventory import Place as InventoryPlace
from bootstrap.core.inventory import Scan, Thing
from bootstrap.core.invite import Invite
from bootstrap.core.manifest import Manifest, Origin
from bootstrap.core.membership import Difference, Member
from bootstrap.core.new_project import Answers
from bootstrap.core.plan import Plan, Step
from bootstrap.core.prices import monthly_storage, on_this_laptop
from bootstrap.core.receipt import Receipt, Removed, Verdict
from bootstrap.core.record import Record
from bootstrap.core.scaffold import Write
from bootstrap.core.spec import Environment, Spec
from bootstrap.core.workflow_files import WorkflowFile
from bootstrap.errors import BootstrapError, Unfinished, UsageError
from bootstrap.workflows import offboard, onboard
from bootstrap.workflows.access import Tried
from bootstrap.workflows.copy_out import Archived
from bootstrap.workflows.cost import Cost
from bootstrap.workflows.dataset_desk import Desk
from bootstrap.workflows.dataset_pull import Listed, Pulled
from bootstrap.workflows.dataset_push import Pushed
from bootstrap.workflows.down import Gone
from bootstrap.workflows.expire import Past, PastEnvironment, PastPerson
from bootstrap.workflows.export import Exported
from bootstrap.workflows.github_desk import Row, Told
from bootstrap.workflows.history import Told as ToldHistory
from bootstrap.workflows.join import Joined
from bootstrap.workflows.kept import KeptBucket
from bootstrap.workflows.leave import Left
from bootstrap.workflows.local_servers import ServerStatus
from bootstrap.workflows.members import MemberStatus
from bootstrap.workflows.new import Made
from bootstrap.workflows.new_update import Updated
from bootstrap.workflows.project import Project
from bootstrap.workflows.proof import Proof
from bootstrap.workflows.receipts import Kept
from bootstrap.workflows.receipts import Past as PastReceipt
from bootstrap.workflows.restore_check import Checked
from bootstrap.workflows.rotate import Due
from bootstrap.workflows.status import EnvironmentStatus
from bootstrap.workflows.unlock import HeldLock
from bootstrap.workflows.up import Outcome
from bootstrap.workflows.verify import Check
from bootstrap.workflows.workflow_files import Workflows

PAGE = Path(__file__).with_name("reference.md")
# The same on every terminal, whatever its size.
WIDTH = 100

_OPENING = """\
# Reference

Every command with its options, exit codes, the variables that are read, and the JSON that is printed.

This page is written by `python docs/generate_reference.py` from the program itself. Do not edit it by hand.
"""

_JSON = """\
## JSON

With `--json`, standard output holds one JSON document and nothing else. What goes on, questions and errors go to
standard error. After an error, standard output is empty; only `down` prints its result first.
"""

_EXIT_CODES = (
    (0, "done; for `plan`: nothing would change"),
    (
        BootstrapError.exit_code,
        "something to mend: the message says what, and the next step; or you answered no; `doctor`: a problem",
    ),
    (UsageError.exit_code, "wrong usage: an unknown command or option, or a question that nobody is there to answer"),
    (CHANGES, "`plan`: something would change; `expire`: something is past its last day"),
    (
        DIFFERS,
        "`access`: something is allowed or refused that should not be; `github status`: something differs; "
        "`down`, `sweep`: something is left, or could not be looked for",
    ),
    (Unfinished.exit_code, "all is done but what is on GitHub; the message has the command that finishes it"),
    (130, "interrupted with Ctrl-C: run the same command again to go on"),
    (143, "told to end, as by `kill`; 129: its terminal was closed. The same as Ctrl-C"),
)

_VARIABLES = {
    "Ours": {
        "`BOOTSTRAP_TERRAFORM`": "the Terraform program to use, instead of the one on `PATH`",
        "`BOOTSTRAP_TERRAFORM_RELEASES`": "where to fetch Terraform from if it is missing or too old, for instance a "
        "mirror of your school; laid out like HashiCorp's own release site, the checksum must be the same",
        "`BOOTSTRAP_TF_MIRROR`": "a folder with the unpacked AWS provider, for rooms without internet "
        "(see [troubleshooting](troubleshooting.md#no-internet-in-the-classroom))",
        f"`{CODE_VARIABLE}`": "the code of an invite, for `join` in a script; `--code` wins over it",
        "`BOOTSTRAP_SERVER_OF`, `BOOTSTRAP_SERVER`": "not of your shell: the mark of the local target's servers, by "
        "which they are found if `.bootstrap/` was deleted while they ran",
        "`_BOOTSTRAP_COMPLETE`": "set by the completion script of your shell, and by nobody else",
    },
    "Of the AWS tools, read as they read them": {
        "`AWS_PROFILE`, `AWS_DEFAULT_PROFILE`": "your own profile on the `aws` target, if there is no `--profile`. "
        "A profile that this tool wrote for a member is refused. Not used with `--local`",
        "`AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY`, `AWS_SESSION_TOKEN`": "your own credentials on the `aws` "
        "target; `--profile` wins over them. They also win over the profile that `up` or `join` writes, so both warn "
        "of them",
        "`AWS_CONFIG_FILE`, `AWS_SHARED_CREDENTIALS_FILE`": "the two files for the profile, instead of those in "
        "`~/.aws`",
        "`AWS_ENDPOINT_URL`, `AWS_ENDPOINT_URL_S3`": "another address than Amazon's for the `aws` target",
        "`AWS_REGION`, `AWS_DEFAULT_REGION`": "not read: the region stands in `bootstrap.toml`, and Terraform "
        "gets that one",
        "any other `AWS_…`": "what boto3 knows (SSO, roles, proxies) works on the `aws` target. With `--local`, "
        "Terraform and MLflow do not get to see `AWS_SECURITY_TOKEN`, `AWS_ROLE_ARN`, `AWS_WEB_IDENTITY_TOKEN_FILE`, "
        "`AWS_CA_BUNDLE`, `AWS_ENDPOINT_URL_IAM`, `AWS_ENDPOINT_URL_STS` and `AWS_IGNORE_CONFIGURED_ENDPOINT_URLS`",
    },
    "Of GitHub": {
        "`GITHUB_TOKEN`, else `GH_TOKEN`": "the token, if `bootstrap.toml` names a repository; else `gh auth token` is "
        "asked. With `--to-github` none is needed, but GitHub answers more often with one",
        "`BOOTSTRAP_SYNC`": "not of your shell: a variable on GitHub, with what `github sync` wrote there",
    },
    "Of Terraform": {
        "`TF_CLI_ARGS…`, `TF_VAR_…`, `TF_WORKSPACE`, `TF_DATA_DIR`, `TF_INPUT`, `TF_LOG_PATH`": "kept away from the "
        "Terraform that we run: they would change what it does",
        "`TF_CLI_CONFIG_FILE`": "passed on, if that file exists",
        "`TF_PLUGIN_CACHE_DIR`, `TF_PLUGIN_CACHE_MAY_BREAK_DEPENDENCY_LOCK_FILE`": "where the provider is kept when it "
        "has to be downloaded; the second is set to `1` then",
        "`GOGC`": "passed on; 400 if it is not set, which makes Terraform's provider a fifth quicker",
        "any other `TF_…`": "passed on",
    },
    "Of the system": {
        "`PATH`": "where `terraform`, `git`, `dvc` and `aws` are looked for; programs beside our own Python come first",
        "`HOME`, `XDG_CACHE_HOME`, `XDG_STATE_HOME`": "where the cache and the lock files lie "
        "(see [what is written](what-is-written.md))",
        "`XDG_DATA_HOME`, `XDG_DATA_DIRS`, `APPDATA`": "where Terraform's own mirror folders are looked for",
        "`TMPDIR`": "a second place for lock files",
        "`HTTPS_PROXY`, `SSL_CERT_FILE`": "the proxy that Terraform is fetched through, and the authorities that are "
        "trusted then besides those of browsers",
        "`NO_PROXY`": "the loopback addresses are added to it for the programs we start with `--local`",
    },
}

_RECORD = Record(
    project="my-course",
    env="stag",
    target="local",
    region="us-east-1",
    account_id="123456789012",
    endpoint_url="http://127.0.0.1:22440",
    bucket="my-course--stag--123456789012",
    state_bucket="my-course--tfstate--123456789012",
    aws_profile="my-course-stag",
    dvc_remote_url="s3://my-course--stag--123456789012/dvc/ci",
    mlflow_tracking_uri="http://127.0.0.1:22446",
    mlflow_username="ci",
)
_JOINED = replace(
    _RECORD,
    dvc_remote_url="s3://my-course--stag--123456789012/dvc/red",
    mlflow_username="ana",
    member="ana",
    role="student",
    team="red",
)
_INVITE = Invite(
    project=_JOINED.project,
    env=_JOINED.env,
    member="ana",
    role="student",
    team="red",
    target=_JOINED.target,
    region=_JOINED.region,
    endpoint_url=_JOINED.endpoint_url,
    account_id=_JOINED.account_id,
    bucket=_JOINED.bucket,
    state_bucket=_JOINED.state_bucket,
    aws_profile=_JOINED.aws_profile,
    dvc_remote_url=_JOINED.dvc_remote_url,
    access_key_id="",
    secret_access_key="",
    mlflow_tracking_uri=_JOINED.mlflow_tracking_uri,
    mlflow_password=None,
    expires=date(2026, 12, 31),
    created="2026-03-02T10:15:00+00:00",
)
_FOLDER = Project(Path("my-course"), Spec.default("my-course"), {}, Path("home"))
_BUCKET_STEP = Step(
    "create",
    "aws",
    "versioning of the bucket: older versions of every file are kept",
    "module.storage.aws_s3_bucket_versioning.this",
)
_PROFILE_STEP = Step("create", "laptop", "the AWS profile my-course-stag")
_LOG = ".bootstrap/local/emulator.log"
_THING = Thing(
    *("bucket", f"arn:aws:s3:::{_RECORD.bucket}", f"the S3 bucket {_RECORD.bucket}", _RECORD.region, "tag", "stag"),
    command="bootstrap sweep --env stag --delete",
)
_SPOT = InventoryPlace("bucket", "global")
_KEPT = Kept(
    Receipt(
        id="my-course--stag--20261121T173252Z",
        project="my-course",
        env="stag",
        target="local",
        account_id=_RECORD.account_id,
        region=_RECORD.region,
        command="down",
        by="arn:aws:iam::123456789012:user/ana",
        began="2026-11-21T17:32:40Z",
        ended="2026-11-21T17:32:52Z",
        removed=(Removed("bucket", _THING.arn, "aws", "2026-11-21T17:32:50Z"),),
        objects=12,
        versions=17,
        bytes=48_000,
        scan=Scan((), (_SPOT,), ()),
        cost_before=on_this_laptop(),
        cost_now=on_this_laptop(),
    ),
    Stored("my-course--stag--20261121T173252Z", Path("receipts/….json"), Path("receipts/….html")),
    "0" * 64,
    "5e0d-77aa-0b1c-9f3e-2d46-8c15-b7f0-a921",
)
_RECEIPT = {
    "id": "its id, for `bootstrap receipts show`",
    "json": "the signed file",
    "page": "the same as a page to print",
    "sha256": "of the file's JSON",
    "key": "the fingerprint of the key that signed it",
    "clean": "whether nothing is left and everything was looked at",
    "verdict": "that in a sentence",
}
_ENTRY = Entry(
    time="2026-03-02T10:15:00Z",
    command="onboard",
    result="done",
    who="arn:aws:iam::123456789012:user/ana",
    seconds=12.4,
    version="0.1.0",
    arguments={"added": ["bia"]},
)
_DESK = Desk(_JOINED, Aws(_JOINED.region), Path(".bootstrap"), None)
_CARD = Card(
    *("laptops", 2, "2026-03-02T10:15:00+00:00", "prof"),
    (DataFile("laptops.csv", 120_400, "0" * 64, 823, ("brand", "Price")),),
    "Synthetic, made for this course",
)
_CARD_MEANINGS = {
    "name": "the dataset",
    "version": "its version",
    "made": "when it was pushed, in UTC",
    "by": "who pushed it",
    "note": "what they said of it",
    "files": "how many files it has",
    "bytes": "their size together",
    "rows": "the rows of a dataset that is one CSV file; else null",
    "digest": "one SHA-256 for all of it",
}

_OUTPUT = {
    "project": "the project",
    "env": "the environment",
    "target": "`local` or `aws`",
    "region": "AWS region",
    "account_id": "the AWS account's twelve digits",
    "endpoint_url": "address of the emulator; null on AWS",
    "bucket": "the bucket",
    "state_bucket": "the bucket of Terraform's states",
    "aws_profile": "the AWS profile that `up` wrote",
    "dvc_remote_url": "address of the DVC remote",
    "mlflow_tracking_uri": "address of the MLflow server; null without one",
    "mlflow_username": "the login there; null without a server",
}
_ANSWERS = Answers("laptop-pricing", "laptop_pricing", "en", "regression", "Ana Souza", "ana", "stag")
_ANSWERS_MEAN = {
    "name": "the project's name",
    "package": "its Python package",
    "lang": "`en` or `pt-BR`",
    "model": "what kind of value is predicted",
    "author": "whose work it is",
    "team": "the team; without an environment the author's name",
    "env": "the environment",
    "bucket": "its bucket; empty without an environment",
    "profile": "the AWS profile as everybody in the environment calls it; empty without one",
    "mlflow_uri": "address of MLflow; empty without one",
    "gitlab": "whether there is a pipeline for GitLab too",
    "repository": "OWNER/REPO; may be empty",
}
_SERVERS = {
    "servers[].name": "what it is",
    "servers[].state": "`running`, `starting`, `stopped`, or `lost`: it runs, but its record is gone",
    "servers[].url": "its address; null when stopped or lost",
    "servers[].pid": "number of its process; null when stopped",
    "servers[].log": "the file with what it says; `-` when lost",
}


@dataclass(frozen=True)
class Sample:
    """One command's JSON: what to type, what its workflow returns, and what each key means."""

    words: str
    returns: dict[str, object]
    meanings: dict[str, str]
    note: str = ""
    options: tuple[str, ...] = field(default=())


_SAMPLES = (
    Sample(
        "init --json",
        {
            "bootstrap.commands.init.run_init": [
                Write("bootstrap.toml", "", "created"),
                Write("members.csv", "", "kept"),
                Write(".gitignore", "", "added lines"),
            ]
        },
        {
            "folder": "the folder they are in",
            "files": "each file with what was done: `created`, `added lines` or `kept`",
        },
        options=("--config", "my-course/bootstrap.toml"),
    ),
    Sample(
        "doctor --env stag --local --json",
        {
            "bootstrap.commands.doctor.examine": Report(
                (
                    Finding("This machine", "git", "ok", "2.39.5, /usr/bin/git"),
                    Finding("Your files", "credentials file", "warning", "others can read it", "chmod 600 …"),
                )
            )
        },
        {
            "problems": "how many things will stop `up`; the exit code is 1 if there are any",
            "warnings": "how many may surprise",
            "findings[].group": "`This machine`, `Your files`, `AWS`, `Permissions` or `GitHub`",
            "findings[].what": "what was looked at",
            "findings[].level": "`ok`, `warning` or `problem`",
            "findings[].says": "how it is, in words",
            "findings[].fix": "what to do; empty if there is nothing to do",
        },
    ),
    Sample(
        "plan --env stag --local --json",
        {
            "bootstrap.commands.plan.preview": Plan(
                (_BUCKET_STEP, _PROFILE_STEP), in_plan(Environment(), "stag", "us-east-1", "local")
            )
        },
        {
            "env": "the environment",
            "changes[].action": "`create`, `update`, `replace`, `delete`, `import` (taken over) or `forget`",
            "changes[].place": "`aws`, `mlflow` or `laptop`",
            "changes[].what": "in words",
            "changes[].address": "Terraform's name for it; null for what Terraform does not make",
            "cost.usd": "what the environment will cost in a month, in US dollars; null if not all of it is known",
            "cost.says": "in words",
        },
        note="The list is empty if nothing would change.",
    ),
    Sample(
        "up --env stag --local --yes --json",
        {
            "bootstrap.commands.up.up": Outcome(
                _RECORD,
                Plan((_BUCKET_STEP,)),
                [Check("write below dvc/", True, True), Check("write below dataset/", False, False)],
                changed=True,
            )
        },
        {
            "changed": "false if there was nothing to do",
            **{f"output.{key}": meaning for key, meaning in _OUTPUT.items()},
            "checks[].what": "what was tried with the member's own key and login",
            "checks[].expected": "whether it should be allowed",
            "checks[].found": "whether it was",
            "unfinished": "why what belongs on GitHub is not there; else null",
        },
    ),
    Sample(
        "onboard --roster members.csv --env stag --codes codes.csv --yes --json",
        {
            "bootstrap.commands.onboard.onboard": onboard.Outcome(
                Difference(
                    added=(Member("eva", team="red"),),
                    changed=((Member("bia", team="red"), Member("bia", team="green")),),
                    extra=("caio",),
                ),
                ["eva"],
                ["gave team red the experiment red/trees"],
                ["bia"],
            )
        },
        {
            "added": "who is new",
            "changed": "whose role, team or last day changed",
            "removed": "whose access ended, with `--prune`",
            "kept": "who is in the environment and not in the roster",
            "invited": "who got an invite, in the order in which they were written",
            "moved": "whose role or team changed; a new invite, by `rotate`, brings it to their laptop",
            "mlflow": "what was shared or taken back in MLflow, in words",
        },
        note="Codes are only in the file.",
    ),
    Sample(
        "members --env stag --json",
        {
            "bootstrap.commands.members.members": [
                MemberStatus("ana", "student", "red", "in use", 12, "2026-03-14T09:30:00+00:00", True, "2026-12-31")
            ]
        },
        {
            "env": "the environment",
            "members[].name": "the name; `ci` is there too",
            "members[].role": "`student`, `instructor` or `ci`",
            "members[].team": "the team; null for `ci`",
            "members[].invite": "`not yet`, `waiting`, `in use` or `no key`; null for `ci`",
            "members[].key_age_days": "how old the access key is; null without one",
            "members[].last_used": "when it was last used; null if never",
            "members[].mlflow": "whether they have an account; null without a server",
            "members[].expires": "the last day of access; null for no end",
        },
    ),
    Sample(
        "join ana.age --code - --json",
        {
            "bootstrap.adapters.sealing.read_sealed": "",
            "bootstrap.commands.join.open_invite": _INVITE,
            "bootstrap.commands.join.join": Joined(
                _FOLDER, _JOINED, _INVITE, [Check("list dataset/", True, True)], changed=True
            ),
        },
        {
            "changed": "false if there was nothing to do",
            "folder": "the folder that was joined in",
            "member": "the person",
            "role": "`student` or `instructor`",
            "team": "the team",
            "expires": "the last day of access; null for no end",
            **{f"output.{key}": meaning for key, meaning in _OUTPUT.items()},
            "output.aws_profile": "the AWS profile that was written",
            "checks[].what": "what was tried with the person's own key and login",
            "checks[].expected": "whether it should be allowed",
            "checks[].found": "whether it was",
        },
    ),
    Sample(
        "new laptop-pricing --json",
        {
            "bootstrap.commands.new.new": Made(
                Path("my-course/laptop-pricing"), "ml-project", _ANSWERS.connected(_JOINED), _JOINED, "3f1c0d2"
            )
        },
        {
            "folder": "the new folder",
            "template": "what it was made from",
            **{f"answers.{key}": meaning for key, meaning in _ANSWERS_MEAN.items()},
            "branches": "the branches that were made; the first is checked out",
            "commit": "the commit that all of them end with",
            "member": "who has joined the environment; null for its operator, and without one",
            **{f"output.{key}": meaning for key, meaning in _OUTPUT.items()},
        },
        note="Without an environment, `output` is null.",
    ),
    Sample(
        "new --update --json",
        {
            "bootstrap.commands.new.update": Updated(
                Path("my-course/laptop-pricing"), "ml-project", _ANSWERS.connected(_JOINED), changed=True
            )
        },
        {
            "folder": "the project's folder",
            "template": "what it was made from",
            **{f"answers.{key}": meaning for key, meaning in _ANSWERS_MEAN.items()},
            "changed": "false if there was nothing new",
        },
    ),
    Sample(
        "leave --json",
        {"bootstrap.commands.leave.leave": Left(_JOINED, ["the AWS profile my-course-stag", "the block in .env"], [])},
        {
            "project": "the project",
            "env": "the environment",
            "member": "the person",
            "removed": "what was taken out, in words",
            "kept": "what stays and why, in words",
        },
    ),
    Sample(
        "rotate ana --env stag --codes codes.csv --yes --json",
        {"bootstrap.commands.rotate.rotate": [Due("ana", None, ())]},
        {"rotated": "who got a new key; empty if no key was that old"},
    ),
    Sample(
        "offboard eva --env stag --archive archive --yes --json",
        {"bootstrap.commands.offboard.offboard": [offboard.Gone("eva", 2, 2, 0, from_roster=True)]},
        {
            "env": "the environment",
            "offboarded[].name": "the person",
            "offboarded[].files": "how many files were in their folder",
            "offboarded[].archived": "how many were copied",
            "offboarded[].deleted": "how many were deleted",
            "offboarded[].from_roster": "whether their row was in the roster, and is out of it now",
        },
    ),
    Sample(
        "access --env stag --json",
        {
            "bootstrap.workflows.project.Project.record": _RECORD,
            "bootstrap.commands.access.prove_members": Proof(
                (),
                (
                    Tried("ana", Cell("dataset/", "read", True, ()), True, "tried"),
                    Tried(
                        "ana",
                        Cell("mlflow/", "list", False, ()),
                        None,
                        "not tried",
                        "an emulator takes every condition as met",
                    ),
                ),
            ),
        },
        {
            "right": "false if any cell is not; then the exit code is 4",
            "cells[].member": "the person",
            "cells[].place": "the place",
            "cells[].action": "what was tried there",
            "cells[].allowed": "whether it should be allowed",
            "cells[].found": "whether it is; null if that could not be told",
            "cells[].how": "`tried`, `simulated` (by IAM's simulator) or `not tried`",
            "cells[].why": "why it was not tried; empty if it was",
            "cells[].right": "whether it is as it should be, as far as could be told",
        },
    ),
    Sample(
        "dataset push laptops.csv --env stag --yes --json",
        {
            "bootstrap.commands.dataset._desk": _DESK,
            "bootstrap.workflows.dataset_push.push": Pushed(
                _CARD, f"s3://{_RECORD.bucket}/dataset/laptops/v2/", changed=True
            ),
        },
        {
            "env": "the environment",
            **_CARD_MEANINGS,
            "where": "the address of its files",
            "changed": "false if it was that already",
        },
    ),
    Sample(
        "dataset pull --json",
        {
            "bootstrap.commands.dataset._desk": _DESK,
            "bootstrap.workflows.dataset_pull.pull": Pulled(_CARD, Path("/home/ana/work/data/raw"), ("laptops.csv",)),
        },
        {
            "env": "the environment",
            **_CARD_MEANINGS,
            "folder": "where the files are now",
            "written": "the files that were not there, or not as they should be",
        },
    ),
    Sample(
        "dataset list --json",
        {
            "bootstrap.commands.dataset._desk": _DESK,
            "bootstrap.workflows.dataset_pull.datasets": [Listed(_CARD, newest=True)],
        },
        {
            "env": "the environment",
            **{f"datasets[].{key}": meaning for key, meaning in _CARD_MEANINGS.items()},
            "datasets[].newest": "whether it is the newest version; with `--all` there are older ones too",
        },
    ),
    Sample(
        "github sync --env stag --yes --json",
        {
            "bootstrap.workflows.github_desk.sync": [
                Change("update", "secret", "AWS_ACCESS_KEY_ID", "holds another key")
            ]
        },
        {
            "changed": "false if there was nothing to do",
            "changes[].action": "`create`, `update` or `delete`",
            "changes[].kind": "`environment`, `branch`, `reviewers`, `variable` or `secret`",
            "changes[].name": "its name on GitHub",
            "changes[].why": "what was the matter with it; empty if it was not there",
        },
    ),
    Sample(
        "github status --env stag --json",
        {
            "bootstrap.workflows.github_desk.status": Told(
                "ana-example/my-course", "environment", "oidc", [Row("variable", "AWS_REGION", "ok")]
            )
        },
        {
            "repository": "owner/name",
            "scope": "`environment`, or `repository` where GitHub has no environments",
            "auth": "`oidc` or `keys`",
            "settings[].kind": "`environment`, `branch`, `reviewers`, `variable` or `secret`",
            "settings[].name": "its name on GitHub",
            "settings[].state": "`ok`, `missing`, `differs`, `stale` or `leftover`",
            "settings[].why": "what is the matter with it; empty if nothing is",
        },
    ),
    Sample(
        "github remove --env stag --yes --json",
        {"bootstrap.workflows.github_desk.remove": ["the secret AWS_ACCESS_KEY_ID"]},
        {"removed": "what was deleted, in words"},
    ),
    Sample(
        "github workflows --json",
        {
            "bootstrap.commands.github_workflows.write_workflows": Workflows(
                Path("/home/ana/my-course"), (WorkflowFile(".github/workflows/bootstrap-ci.yml", "", "created"),)
            )
        },
        {
            "folder": "the git repository's top folder",
            "files[].path": "the file, seen from there",
            "files[].what": "`created`, `updated`, `unchanged`, `overwritten`, or `kept` (exit code 1)",
        },
    ),
    Sample(
        "github collaborators --env stag --yes --json",
        {"bootstrap.workflows.collaborators.invite_all": ["bia-example: push, invited"]},
        {"invited": "who got which permission, in words"},
    ),
    Sample(
        "status --json",
        {
            "bootstrap.commands.status.status": [
                EnvironmentStatus(
                    "stag",
                    "up",
                    target="local",
                    bucket=_RECORD.bucket,
                    members=1,
                    mlflow_url=_RECORD.mlflow_tracking_uri,
                    mlflow_healthy=True,
                    expires="2026-12-31",
                    expired=False,
                    kept=(
                        KeptBucket(
                            *("stag", _RECORD.bucket, "aws", _RECORD.account_id, "us-east-1", "2026-11-20T17:32:52Z"),
                            *(812, 1200, 5 * 2**30, monthly_storage(5 * 2**30, "us-east-1")),
                            receipt="my-course--stag--20261120T173252Z",
                            command="bootstrap sweep --env stag --delete",
                        ),
                    ),
                )
            ]
        },
        {
            "project": "the project",
            "environments[].env": "the environment",
            "environments[].state": "`up`; `incomplete`: an `up` did not end; `lost`: what it was made on is gone; "
            "`unreachable`; `down`",
            "environments[].target": "`local` or `aws`; null when down",
            "environments[].bucket": "the bucket; null when down",
            "environments[].members": "how many IAM users it has, `ci` among them; null if not known",
            "environments[].mlflow_url": "address of the MLflow server; null without one",
            "environments[].mlflow_healthy": "whether it answers; null without one",
            "environments[].expires": "the last day, from `bootstrap.toml`; null without one",
            "environments[].expired": "whether that day is past; null without one",
            "environments[].drift": "with `--drift`: a list of what differs, in words; else null",
            "environments[].why": "why the state is not `up`, where that is known; else null",
            "environments[].kept[].env": "the environment of a bucket that `down --keep-data` left",
            "environments[].kept[].bucket": "its name",
            "environments[].kept[].target": "`local` or `aws`",
            "environments[].kept[].account_id": "the AWS account it is in",
            "environments[].kept[].region": "and the region",
            "environments[].kept[].since": "when that `down` ended, in UTC",
            "environments[].kept[].objects": "how many objects were in it then; null if nobody could count them",
            "environments[].kept[].versions": "how many versions of them",
            "environments[].kept[].bytes": "how many bytes, every version counted",
            "environments[].kept[].cost.usd": "what that costs a month, in US dollars; null if not known",
            "environments[].kept[].cost.says": "what is in that number",
            "environments[].kept[].receipt": "the receipt that says so",
            "environments[].kept[].command": "what removes the bucket with all in it",
        },
    ),
    Sample(
        "cost --env stag --actual --yes --json",
        {
            "bootstrap.commands.cost.actual": Cost(
                "stag",
                "aws",
                monthly(Environment(), "us-east-1", 5 * 2**30),
                (Spent(date(2026, 10, 1), date(2026, 11, 1), 20.5, (("EC2 - Other", 20.5),), is_estimate=False),),
            )
        },
        {
            "env": "the environment",
            "target": "where it is up, `aws` or `local`; null if it is not",
            "monthly.region": "the AWS region",
            "monthly.usd": "the sum for a month, in US dollars; null if a part of it is not known",
            "monthly.known_usd": "the sum of what is known",
            "monthly.lines[].what": "one part",
            "monthly.lines[].amount": "how much of it",
            "monthly.lines[].price": "the price of one unit",
            "monthly.lines[].usd": "what it costs in a month; null if not known",
            "monthly.lines[].note": "how it was counted",
            "monthly.lines[].page": "AWS's page on it; null where there is none",
            "monthly.lines[].sources": "where the price was read, and when",
            "monthly.extras[].unit": "what use is counted by",
            "monthly.extras[].usd": "the price of one such unit; null if not known",
            "monthly.extras[].page": "AWS's page on it",
            "monthly.extras[].note": "what there is to say to it",
            "monthly.extras[].sources": "where the price was read, and when",
            "spent[].start": "with `--actual`, else null: the first day of a month that AWS was asked about",
            "spent[].end": "the day after its last",
            "spent[].usd": "what it has cost, in US dollars",
            "spent[].services": "name and US dollars of each of AWS's services",
            "spent[].is_estimate": "whether AWS has not closed it yet",
        },
    ),
    Sample(
        "output --env stag --json",
        {"bootstrap.workflows.project.Project.require_record": _RECORD},
        _OUTPUT,
        note="Exactly these keys, and no secret among them.",
    ),
    Sample(
        "history --env stag --json",
        {"bootstrap.commands.history.history": ToldHistory((_ENTRY,), 0)},
        {
            "env": "the environment",
            "older": "how many lines there are before these",
            "history[].time": "when it began, in UTC",
            "history[].command": "the command",
            "history[].arguments": "what was asked for; never a secret",
            "history[].who": "the ARN of who ran it; null if nobody could be asked",
            "history[].result": "`done`, `failed: …`, `unfinished: …`, `interrupted` or `killed`",
            "history[].seconds": "how long it took; null if it was killed",
            "history[].version": "of this tool",
            "gone": "null; after a `down`, and with no line there: `when` it was taken down (UTC), the id of its "
            "`receipt`, and how many `lines` of history are in that",
        },
    ),
    Sample(
        "expire --json",
        {
            "bootstrap.commands.expire.look": Past(
                (PastEnvironment("stag", date(2026, 12, 31), "here", protected=False),),
                (PastPerson("devl", "ana", date(2026, 12, 18)),),
                (("prod", "There are no AWS credentials."),),
            )
        },
        {
            "environments[].env": "an environment that is past its last day",
            "environments[].last_day": "that day",
            "environments[].known": "`here`: brought up from this folder; `elsewhere`: found in AWS; `unknown`",
            "environments[].protected": "whether `--down` leaves it alone",
            "environments[].why": "why it is not known; else null",
            "environments[].command": "what takes it down",
            "people[].env": "the environment that somebody past their day is in",
            "people[].name": "who",
            "people[].last_day": "their last day",
            "people[].command": "what takes them out",
            "unseen[].env": "an environment whose people could not be looked at",
            "unseen[].why": "why",
            "down": "with `--down`: each environment with the exit code of its `down`, message, hint and receipt",
        },
    ),
    Sample(
        "down --env stag --yes --json",
        {"bootstrap.commands.down.down": Gone(_RECORD, _KEPT)},
        {
            "env": "the environment",
            "removed": "ARN or name of all that is gone",
            "left": "ARN of what is there all the same; then the exit code is 4",
            "kept": "ARN of what stayed as you wished",
            "archive": "the folder or address in S3 that everything was copied to first; null without `--archive`",
            "unfinished": "why what is on GitHub may still be there; else null",
            **{f"receipt.{key}": meaning for key, meaning in _RECEIPT.items()},
        },
        note="With `--all`: a list of these, as `environments`.",
    ),
    Sample(
        "receipts --json",
        {"bootstrap.workflows.receipts.past": [PastReceipt(_KEPT.stored, Verdict("own key", ""), _KEPT.receipt)]},
        {
            "receipts[].id": "the receipt",
            "receipts[].when": "when the teardown ended, in UTC; this and what follows null if it was edited",
            "receipts[].project": "the project",
            "receipts[].env": "the environment",
            "receipts[].target": "`local` or `aws`",
            "receipts[].removed": "how many things went",
            "receipts[].left": "how many were left",
            "receipts[].kept": "how many stayed on purpose",
            "receipts[].not_looked_at": "how many places could not be looked at",
            "receipts[].clean": "whether nothing was left and everything was looked at",
            "receipts[].verdict": "that in a sentence",
            "receipts[].signature": "`own key`, `unknown key`, `edited` or `no receipt`",
            "receipts[].json": "the signed file",
            "receipts[].page": "the page to print; null if it was deleted",
        },
    ),
    Sample(
        "receipts show my-course--stag--20261121T173252Z --json",
        {"bootstrap.workflows.receipts.open_receipt": PastReceipt(_KEPT.stored, Verdict("own key", ""), _KEPT.receipt)},
        dict.fromkeys(
            [
                *("id", "when", "project", "env", "target", "removed", "left", "kept", "not_looked_at", "clean"),
                *("verdict", "signature", "json", "page"),
            ],
            "as in `receipts --json`",
        ),
    ),
    Sample(
        "receipts verify bootstrap.toml --json",
        {
            "bootstrap.workflows.receipts.check": [
                (Path("receipt.json"), Verdict("own key", "", "5e0d-77aa-0b1c-9f3e-2d46-8c15-b7f0-a921"))
            ]
        },
        {
            "files[].file": "the file",
            "files[].proven": "whether it is whole, and signed with a key that is known",
            "files[].signature": "`own key`, `named key`, `other key`, `unknown key`, `edited` or `no receipt`",
            "files[].key": "the fingerprint of the key that signed it; null if it is edited or no receipt",
        },
    ),
    Sample(
        "sweep --json",
        {"bootstrap.commands.sweep.find": Scan((_THING,), (_SPOT,), ())},
        {
            "project": "the project",
            "env": "the environment; null for all of the project",
            "things[].kind": "what it is",
            "things[].arn": "its ARN; a path for what is on this laptop",
            "things[].what": "in words",
            "things[].region": "where it is; `global` for IAM and the list of buckets",
            "things[].mark": "how it is known to be ours: `tag`, `path`, `name`, or `mark` in a server's environment",
            "things[].env": "whose it is; null for what belongs to the whole project",
            "things[].command": "what removes it",
            "things[].removable": "whether `--delete` removes it",
            "blind": "places that could not be looked at: kind, region and reason",
            "looked[].kind": "a kind of thing that was looked for",
            "looked[].region": "and where",
            "removed": "with `--delete`: what is gone, as in `things`",
            "problems": "what could not be removed, and why",
        },
    ),
    Sample(
        "restore-check . --json",
        {
            "bootstrap.commands.restore_check.restore_check": Checked(
                Manifest(
                    Origin("archive", "my-course", "stag", "123456789012", _RECORD.bucket),
                    "2026-11-21T17:32:52+00:00",
                    (),
                ),
                *("0" * 64, (), (), ()),
            )
        },
        {
            "right": "whether every file is there and unchanged",
            "folder": "the archive: its folder, or its address in S3",
            "kind": "`archive` or `export`",
            "project": "the project",
            "env": "the environment",
            "member": "whose export it is; null for an archive",
            "made": "when it was finished, in UTC",
            "files": "how many files it has",
            "bytes": "their size together",
            "manifest_sha256": "of the list of files",
            "missing": "files that are not there",
            "changed": "files that are not as they were",
            "extra": "files that the list does not have",
        },
    ),
    Sample(
        "export --json",
        {
            "bootstrap.commands.export.export": Exported(
                _JOINED, Archived("/home/ana/my-course-stag", 12, 48_000, "0" * 64)
            )
        },
        {
            "project": "the project",
            "env": "the environment",
            "member": "whose files they are",
            "folder": "where they are now",
            "files": "how many",
            "bytes": "their size together",
            "manifest_sha256": "of the list of files",
        },
    ),
    Sample(
        "unlock --env stag --yes --json",
        {
            "bootstrap.commands.unlock.unlock": [
                HeldLock("environment", StateLock("stag/environment.tfstate.tflock", "", "ana@laptop", "", ""))
            ]
        },
        {
            "env": "the environment",
            "removed[].root": "whose state it was: `environment` or `members`",
            "removed[].who": "who held the lock",
        },
        note="The list is empty if nothing was locked.",
    ),
    Sample(
        "local start --json",
        {
            "bootstrap.workflows.local_servers.start": [
                ServerStatus("AWS emulator", "running", "http://127.0.0.1:22440", 4711, _LOG)
            ]
        },
        _SERVERS,
    ),
    Sample(
        "local stop --yes --json",
        {
            "bootstrap.workflows.local_servers.what_stopping_loses": "",
            "bootstrap.workflows.local_servers.stop": ["MLflow of stag", "the AWS emulator"],
        },
        {"stopped": "what was stopped; empty if nothing was running"},
    ),
    Sample(
        "local status --json",
        {"bootstrap.workflows.local_servers.status": [ServerStatus("AWS emulator", "stopped", None, None, _LOG)]},
        _SERVERS,
    ),
)


def render() -> str:
    """Return the whole page."""
    parts = [_OPENING, "## Commands\n", *_help_pages(), "## Exit codes\n", _exit_codes(), "## Variables\n"]
    parts += _variables()
    parts.append(_JSON)
    parts += [_json_page(sample) for sample in _SAMPLES]
    return "\n".join(parts)


def _help_pages() -> Iterator[str]:
    yield f"### bootstrap\n\n```text\n{help_text()}\n```\n"
    for name in COMMANDS:
        yield f"### bootstrap {name}\n\n```text\n{help_text(name)}\n```\n"
        command = _command(name)
        if isinstance(command, click.Group):
            for inner in command.commands:
                yield f"### bootstrap {name} {inner}\n\n```text\n{help_text(name, inner)}\n```\n"


def help_text(*words: str) -> str:
    """Return what `bootstrap WORDS --help` prints, at our fixed width."""
    context = click.Context(cli, info_name="bootstrap", terminal_width=WIDTH, **cli.context_settings)
    for word in words:
        context = click.Context(_command(word, context), info_name=word, parent=context)
    text = context.command.get_help(context)
    return "\n".join(line.rstrip() for line in text.rstrip().splitlines())


def _command(word: str, parent: click.Context | None = None) -> click.Command:
    above = parent or click.Context(cli)
    group = above.command
    found = group.get_command(above, word) if isinstance(group, click.Group) else None
    if found is None:
        raise LookupError(f"there is no command {word}")
    return found


def _exit_codes() -> str:
    rows = "\n".join(f"| {code} | {meaning} |" for code, meaning in _EXIT_CODES)
    return f"| code | meaning |\n|---|---|\n{rows}\n"


def _variables() -> Iterator[str]:
    yield "What the tool reads from its surroundings. Nothing has to be set.\n"
    for title, variables in _VARIABLES.items():
        rows = "\n".join(f"| {name} | {meaning} |" for name, meaning in variables.items())
        yield f"### {title}\n\n| variable | what it does |\n|---|---|\n{rows}\n"


def _json_page(sample: Sample) -> str:
    printed = _printed(sample)
    paths = list(_described(json.loads(printed), sample.meanings))
    if unused := set(sample.meanings) - set(paths):
        raise LookupError(f"{sample.words} prints no {', '.join(sorted(unused))}")
    rows = "\n".join(f"| `{path}` | {sample.meanings[path]} |" for path in paths)
    note = f"\n{sample.note}\n" if sample.note else ""
    table = f"| key | what it is |\n|---|---|\n{rows}\n"
    return f"### bootstrap {sample.words}\n\n```json\n{printed.rstrip()}\n```\n\n{table}{note}"


def _printed(sample: Sample) -> str:
    """Run the command with the sample in place of its workflow, and return what it prints."""
    with ExitStack() as stack:
        stack.enter_context(mock.patch("bootstrap.commands.options.open_project", return_value=_FOLDER))
        for target, value in sample.returns.items():
            stack.enter_context(mock.patch(target, return_value=value))
        words = [*sample.words.split(), *sample.options]
        result = CliRunner().invoke(cli, words, prog_name="bootstrap", catch_exceptions=False)
    return result.stdout


def _described(value: object, meanings: dict[str, str], path: str = "") -> Iterator[str]:
    """Yield the paths that are described, in the order of the document; a key without a description is an error."""
    inside = any(known.startswith((f"{path}.", f"{path}[]")) for known in meanings) if path else True
    if isinstance(value, dict) and inside:
        for key, inner in value.items():
            yield from _described(inner, meanings, f"{path}.{key}" if path else key)
    elif isinstance(value, list) and inside:
        yield from _described(value[0], meanings, f"{path}[]")
    else:
        if path not in meanings:
            raise LookupError(f"nothing says what {path} is")
        yield path


def main() -> int:
    """Write or check the page; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 if the page is out of date")
    check = parser.parse_args().check
    text = render()
    if not check:
        PAGE.write_text(text, encoding="utf-8", newline="\n")
        return 0
    if PAGE.is_file() and PAGE.read_text(encoding="utf-8") == text:
        return 0
    sys.stderr.write("docs/reference.md is out of date: run `python docs/generate_reference.py`.\n")
    return 1


if __name__ == "__main__":
    sys.exit(main())
