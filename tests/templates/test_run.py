"""The steps of the workflows, really run: git, DVC and the AWS CLI against an emulator that checks permissions."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from bootstrap.adapters import dvc
from bootstrap.adapters.aws import people
from bootstrap.adapters.aws.session import Aws, KeyPair
from bootstrap.adapters.emulator import ACCOUNT, Emulator
from bootstrap.core.github import Scope, prefixed
from bootstrap.core.names import Names
from tests.ports import some_port
from tests.templates.runner import PROGRAMS, Runner, parsed, rendered

NAMES = Names("course", "stag", ACCOUNT)
PASSWORD = "correct-horse-battery"
REPORTS = "dvc/ci/reports/stag/"
TRAIN = """\
import os, pathlib
assert os.environ["MLFLOW_TRACKING_URI"] == "https://mlflow.example.org"
assert os.environ["MLFLOW_TRACKING_USERNAME"] == "ci"
assert os.environ["MLFLOW_TRACKING_PASSWORD"] == "correct-horse-battery"
rows = pathlib.Path("data.csv").read_text().count("\\n")
pathlib.Path("model.txt").write_text(f"a model of {rows} rows\\n")
pathlib.Path("reports").mkdir(exist_ok=True)
pathlib.Path("reports/metrics.json").write_text('{"accuracy": 0.9}')
"""
PIPELINE = """\
stages:
  train:
    cmd: python train.py
    deps: [data.csv, train.py]
    outs: [model.txt]
"""


# --- an AWS with what `ci` may do ---


@dataclass(frozen=True)
class Cloud:
    """An emulator with the bucket of `stag`; `ci` is its user, `role` what workflows may become."""

    url: str
    operator: Aws
    ci: KeyPair
    nobody: KeyPair
    role: str

    def objects(self) -> set[str]:
        pages = self.operator.client("s3").get_paginator("list_objects_v2").paginate(Bucket=NAMES.bucket)
        return {one["Key"] for page in pages for one in page.get("Contents", [])}

    def read(self, key: str) -> str:
        found: bytes = self.operator.client("s3").get_object(Bucket=NAMES.bucket, Key=key)["Body"].read()
        return found.decode()

    def empty(self) -> None:
        for key in self.objects():
            self.operator.client("s3").delete_object(Bucket=NAMES.bucket, Key=key)

    def sign_in(self, given: Mapping[str, str]) -> dict[str, str]:
        """Do what configure-aws-credentials does: take the key it is given, or become the role.

        The operator becomes it here: an emulator that checks permissions has no answer to a call without a signature,
        which is what showing GitHub's token is. Who may become it, tests/terraform/test_github_oidc.py says.
        """
        region = {"AWS_REGION": given["aws-region"], "AWS_DEFAULT_REGION": given["aws-region"]}
        if "aws-access-key-id" in given:
            pair = (given["aws-access-key-id"], given["aws-secret-access-key"])
            return region | dict(zip(("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"), pair, strict=True))
        assert given["role-to-assume"] == self.role
        sts = self.operator.client("sts")
        found = sts.assume_role(RoleArn=self.role, RoleSessionName="GitHubActions")["Credentials"]
        return region | {
            "AWS_ACCESS_KEY_ID": found["AccessKeyId"],
            "AWS_SECRET_ACCESS_KEY": found["SecretAccessKey"],
            "AWS_SESSION_TOKEN": found["SessionToken"],
        }


def ci_policy() -> str:
    """What the role `ci` may do in S3, as infra/modules renders it without its conditions on TLS and time."""
    bucket = f"arn:aws:s3:::{NAMES.bucket}"
    places = {"StringLike": {"s3:prefix": ["dataset/*", "dvc/*"]}}
    write = ["s3:GetObject", "s3:PutObject", "s3:AbortMultipartUpload"]
    statements = [
        {"Effect": "Allow", "Action": ["s3:GetObject"], "Resource": [f"{bucket}/dataset/*"]},
        {"Effect": "Allow", "Action": write, "Resource": [f"{bucket}/dvc/*"]},
        {"Effect": "Allow", "Action": "s3:ListBucket", "Resource": bucket, "Condition": places},
        {"Effect": "Allow", "Action": "s3:GetBucketLocation", "Resource": bucket},
    ]
    return json.dumps({"Version": "2012-10-17", "Statement": statements})


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    emulator = Emulator(tmp_path_factory.mktemp("emulator"))
    server = emulator.start(some_port(), os.environ)
    try:
        anybody = Aws("us-east-1", server.url, key=KeyPair("AKIAIOSFODNN7EXAMPLE", "nothing"))
        operator = anybody.with_key(people.create_operator(anybody, "operator", "/bootstrap/"))
        operator.client("s3").create_bucket(Bucket=NAMES.bucket)
        iam = operator.client("iam")
        for user in ("ci", "nobody"):
            iam.create_user(UserName=user)
        iam.put_user_policy(UserName="ci", PolicyName="bootstrap", PolicyDocument=ci_policy())
        trusted = {"AWS": f"arn:aws:iam::{ACCOUNT}:user/operator"}  # to the emulator, a path is no part of it
        trust = {"Effect": "Allow", "Principal": trusted, "Action": "sts:AssumeRole"}
        document = json.dumps({"Version": "2012-10-17", "Statement": [trust]})
        role = iam.create_role(RoleName="github", AssumeRolePolicyDocument=document)["Role"]["Arn"]
        iam.put_role_policy(RoleName="github", PolicyName="bootstrap", PolicyDocument=ci_policy())
        found = Cloud(
            server.url, operator, people.mint_key(operator, "ci"), people.mint_key(operator, "nobody"), str(role)
        )
        emulator.enforce_permissions(server)
        yield found
    finally:
        emulator.stop()


@pytest.fixture(autouse=True)
def _empty(cloud: Cloud) -> None:
    cloud.empty()


# --- a laptop, and the repository on GitHub that it pushes to ---


@dataclass(frozen=True)
class Laptop:
    """A clone with a DVC remote as `up` or `join` writes it, and the AWS profile that the remote names."""

    cloud: Cloud
    home: Path
    folder: Path
    origin: Path

    def do(self, *words: str) -> None:
        done = subprocess.run(words, cwd=self.folder, env=self.env(), capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, done.stdout + done.stderr

    def env(self) -> dict[str, str]:
        return {
            "PATH": os.pathsep.join([str(PROGRAMS), os.environ["PATH"]]),
            "HOME": str(self.home),
            "DVC_NO_ANALYTICS": "1",
            "GIT_CONFIG_NOSYSTEM": "1",
            "AWS_ENDPOINT_URL": self.cloud.url,
            "AWS_EC2_METADATA_DISABLED": "true",
        }

    def push(self, message: str) -> None:
        self.do("git", "add", "--all")
        self.do("git", "commit", "--quiet", "--message", message)
        self.do("git", "push", "--quiet", "origin", "HEAD:stag")


def laptop(cloud: Cloud, top: Path, remote_url: str, below: str = "") -> Laptop:
    home, clone, origin = top / "laptop", top / "laptop" / "clone", top / "origin.git"
    clone.mkdir(parents=True)
    (home / ".aws").mkdir()
    key = cloud.operator.key
    assert key is not None
    (home / ".aws" / "credentials").write_text(
        f"[{NAMES.profile}]\naws_access_key_id = {key.id}\naws_secret_access_key = {key.secret}\n"
    )
    (home / ".gitconfig").write_text("[user]\n\tname = Ana\n\temail = ana@example.org\n")
    mine = Laptop(cloud, home, clone, origin)
    mine.do("git", "init", "--quiet", "--bare", str(origin))
    mine.do("git", "init", "--quiet", "--initial-branch=stag")
    mine.do("git", "remote", "add", "origin", str(origin))
    dvc.init(clone, mine.env())
    dvc.write(clone, dvc.Remote("stag", remote_url, NAMES.profile), frozenset())
    mine = replace(mine, folder=clone / below)
    mine.folder.mkdir(exist_ok=True)
    for name, text in {
        "data.csv": "1\n2\n3\n",
        "train.py": TRAIN,
        "dvc.yaml": PIPELINE,
        "requirements.txt": "scikit-learn\n",
    }.items():
        (mine.folder / name).write_text(text)
    mine.do("dvc", "add", "--quiet", "data.csv")
    mine.push("a pipeline")
    return mine


def runner(mine: Laptop, top: Path, auth: str, scope: Scope, key: KeyPair | None = None) -> Runner:
    """A machine of GitHub's that was told what `bootstrap github sync` tells for `stag`."""
    key = key or mine.cloud.ci
    told = {
        "vars.AWS_REGION": "us-east-1",
        "vars.DATA_BUCKET": NAMES.bucket,
        "vars.DVC_REMOTE_URL": NAMES.dvc_url(),
        "vars.MLFLOW_TRACKING_URI": "https://mlflow.example.org",
        "secrets.MLFLOW_TRACKING_USERNAME": "ci",
        "secrets.MLFLOW_TRACKING_PASSWORD": PASSWORD,
    }
    if auth == "oidc":
        told["vars.AWS_ROLE_ARN"] = mine.cloud.role
    else:
        told |= {"secrets.AWS_ACCESS_KEY_ID": key.id, "secrets.AWS_SECRET_ACCESS_KEY": key.secret}
    contexts = {}
    for name, value in told.items():
        kind, _, plain = name.partition(".")
        contexts[f"{kind}.{prefixed(plain, 'stag', scope)}"] = value
    home = top / "runner"
    home.mkdir()
    return Runner(mine.origin, home, "stag", contexts, mine.cloud.sign_in, {"AWS_ENDPOINT_URL": mine.cloud.url})


RUNS: dict[str, tuple[str, Scope, str, str, str]] = {
    # how it signs in, where GitHub keeps what it is told, the folder, the repository's own remote → where data goes
    "a role, a team's remote": ("oidc", "environment", "", NAMES.dvc_url("red"), "dvc/red/"),
    "a key, the remote of `up`, a folder": ("keys", "repository", "course", NAMES.dvc_url(), "dvc/ci/"),
}


@pytest.mark.by_turns
@pytest.mark.by_turns
@pytest.mark.parametrize(("auth", "scope", "below", "url", "place"), RUNS.values(), ids=RUNS.keys())
def test_train(cloud: Cloud, tmp_path: Path, auth: str, scope: Scope, below: str, url: str, place: str) -> None:
    mine = laptop(cloud, tmp_path, url, below)
    mine.do("dvc", "push")
    before = cloud.objects()
    assert len(before) == 1
    machine = runner(mine, tmp_path, auth, scope)

    assert machine.run(parsed(rendered("train.yml", auth, scope, folder=below))), machine.said

    assert machine.installed == ["-m pip install -r requirements.txt", "-m pip install dvc[s3]"]
    new = cloud.objects() - before
    assert {key for key in new if key.startswith(REPORTS)} == {f"{REPORTS}metrics.json", f"{REPORTS}dvc.lock"}
    assert len([key for key in new if key.startswith(f"{place}files/md5/")]) == 1
    assert all(key.startswith((REPORTS, place)) for key in new)
    assert json.loads(cloud.read(f"{REPORTS}metrics.json")) == {"accuracy": 0.9}
    assert PASSWORD not in machine.said
    assert "secret_access_key" not in (machine.workspace / ".dvc" / "config.local").read_text()

    # With the dvc.lock that was kept, a laptop gets the model that GitHub trained.
    (mine.folder / "dvc.lock").write_text(cloud.read(f"{REPORTS}dvc.lock"))
    mine.do("dvc", "pull", "--remote", "stag")
    assert (mine.folder / "model.txt").read_text() == "a model of 3 rows\n"


def test_a_remote_in_another_bucket_is_not_followed(cloud: Cloud, tmp_path: Path) -> None:
    """.dvc/config is the work of whoever may push; the environment says where its data is."""
    mine = laptop(cloud, tmp_path, f"s3://{NAMES.bucket}-of-others/dvc/ci")
    mine.do("dvc", "remote", "add", "right", NAMES.dvc_url())
    mine.do("dvc", "remote", "modify", "right", "profile", NAMES.profile)
    mine.do("dvc", "push", "--remote", "right")
    machine = runner(mine, tmp_path, "keys", "environment")
    assert machine.run(parsed(rendered("train.yml", "keys", "environment"))), machine.said
    assert f"{REPORTS}dvc.lock" in cloud.objects()


@pytest.mark.by_turns
def test_without_its_own_remote_the_runner_would_look_for_a_profile(cloud: Cloud, tmp_path: Path) -> None:
    mine = laptop(cloud, tmp_path, NAMES.dvc_url())
    mine.do("dvc", "push")
    machine = runner(mine, tmp_path, "keys", "environment")
    assert not machine.run(parsed(rendered("train.yml", "keys", "environment")), without="Lead DVC to the data")
    assert f"The config profile ({NAMES.profile}) could not be found" in machine.said


@pytest.mark.by_turns
def test_a_key_without_rights_is_not_taken_for_missing_data(cloud: Cloud, tmp_path: Path) -> None:
    mine = laptop(cloud, tmp_path, NAMES.dvc_url())
    mine.do("dvc", "push")
    machine = runner(mine, tmp_path, "keys", "environment", key=cloud.nobody)
    assert not machine.run(parsed(rendered("train.yml", "keys", "environment")))
    assert "Forbidden" in machine.said or "AccessDenied" in machine.said or "Access Denied" in machine.said


def test_data_that_nobody_pushed(cloud: Cloud, tmp_path: Path) -> None:
    mine = laptop(cloud, tmp_path, NAMES.dvc_url())
    machine = runner(mine, tmp_path, "keys", "environment")
    assert not machine.run(parsed(rendered("train.yml", "keys", "environment")))
    assert "data.csv" in machine.said
    assert cloud.objects() == set()


def test_before_the_first_sync(cloud: Cloud, tmp_path: Path) -> None:
    mine = laptop(cloud, tmp_path, NAMES.dvc_url())
    machine = runner(mine, tmp_path, "keys", "environment")
    machine.contexts.clear()
    assert not machine.run(parsed(rendered("train.yml", "keys", "environment", folder="course")))
    assert "Run: bootstrap github sync --env stag" in machine.said


INSTALLS = {
    "both": (("requirements.txt", "pyproject.toml"), "-m pip install -r requirements.txt"),
    "requirements.txt": (("requirements.txt",), "-m pip install -r requirements.txt"),
    "pyproject.toml": (("pyproject.toml",), "-m pip install ."),
    "neither": ((), None),
}


@pytest.mark.parametrize(("files", "installs"), INSTALLS.values(), ids=INSTALLS.keys())
def test_ci(cloud: Cloud, tmp_path: Path, files: tuple[str, ...], installs: str | None) -> None:
    mine = Laptop(cloud, tmp_path, tmp_path / "clone", tmp_path / "origin.git")
    mine.folder.mkdir()
    (tmp_path / ".gitconfig").write_text("[user]\n\tname = Ana\n\temail = ana@example.org\n")
    mine.do("git", "init", "--quiet", "--bare", str(mine.origin))
    mine.do("git", "init", "--quiet")
    mine.do("git", "remote", "add", "origin", str(mine.origin))
    for name in ("readme", *files):
        (mine.folder / name).write_text("")
    mine.push("a project")
    machine = runner(mine, tmp_path, "keys", "environment")
    assert machine.run(parsed(rendered("ci.yml", "keys", "environment"))), machine.said
    assert machine.installed == [*([installs] if installs else []), "-m pip install pytest", "-m pytest"]


EXPIRES = {
    # the last day in bootstrap.toml, where bootstrap comes from → whether the run goes well, what it says
    "past": ("2020-01-31", "bootstrap", False, "bootstrap down --env stag"),
    "not past": ("2999-12-31", "bootstrap", True, "Nothing is past its last day."),
    "not told where from": ("2020-01-31", "", False, "Run: gh variable set BOOTSTRAP_SOURCE"),
}


@pytest.mark.parametrize(("day", "source", "ends_well", "said"), EXPIRES.values(), ids=EXPIRES.keys())
def test_expire(cloud: Cloud, tmp_path: Path, day: str, source: str, ends_well: bool, said: str) -> None:
    """The installed `bootstrap` is this one; the pip of the machine only writes down what it is asked for."""
    mine = Laptop(cloud, tmp_path, tmp_path / "clone", tmp_path / "origin.git")
    mine.folder.mkdir()
    (tmp_path / ".gitconfig").write_text("[user]\n\tname = Ana\n\temail = ana@example.org\n")
    mine.do("git", "init", "--quiet", "--bare", str(mine.origin))
    mine.do("git", "init", "--quiet")
    mine.do("git", "remote", "add", "origin", str(mine.origin))
    (mine.folder / "bootstrap.toml").write_text(f'project = "course"\n[environments.stag]\nexpires = {day}\n')
    mine.push("a project with a last day")
    machine = runner(mine, tmp_path, "oidc", "environment")
    machine.contexts["vars.BOOTSTRAP_SOURCE"] = source
    # No way to AWS: neither an address nor credentials.
    machine.world = {"PYTHONPATH": str(Path(__file__).resolve().parents[2])}
    assert machine.run(parsed(rendered("expire.yml", "oidc", "environment"))) is ends_well, machine.said
    assert said in machine.said
    assert machine.installed == ([f"-m pip install {source}"] if source else [])
