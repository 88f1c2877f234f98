"""What Terraform is given to work with."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from bootstrap.adapters.aws.session import Aws, KeyPair
from bootstrap.adapters.process import Jobs
from bootstrap.adapters.servers import Server
from bootstrap.core.membership import Membership
from bootstrap.core.names import Names
from bootstrap.core.record import Target
from bootstrap.core.spec import Spec, parse_spec
from bootstrap.workflows.local import LocalAws
from bootstrap.workflows.project import Project
from bootstrap.workflows.provision import Tools, inputs, leaves_out_budget, prepare
from bootstrap.workflows.target import Place

OPERATOR = KeyPair("AKIAIOSFODNN7EXAMPLE", "operators-secret")
EMULATOR = LocalAws(Server(pid=1, created=0.0, port=4711, instance="abc"), OPERATOR, started=False)


def terraform_environment(folder: Path, environ: dict[str, str], *, mirror: Path | None) -> dict[str, str]:
    project = Project(folder, Spec.default("demo"), environ, folder)
    aws = Aws("us-east-1", "http://127.0.0.1:4711", key=OPERATOR)
    place = Place("local", Names("demo", "stag", "123456789012"), aws, EMULATOR, custom_endpoint=True, emulated=True)
    tools = Tools(binary=folder / "terraform", mirror=mirror, plugin_cache=folder / "cache", looked_in=())
    return dict(prepare(project, place, tools, Jobs(), membership=Membership()).terraform.environ)


@pytest.mark.parametrize(
    "name",
    ["AWS_PROFILE", "AWS_DEFAULT_PROFILE", "AWS_SESSION_TOKEN", "AWS_ENDPOINT_URL_S3", "AWS_ROLE_ARN", "AWS_CA_BUNDLE"],
)
def test_the_shells_own_aws_does_not_reach_terraform_on_the_local_target(name: str, tmp_path: Path) -> None:
    """After `down`, a shell that has read our `.env` still names a profile that is gone."""
    env = terraform_environment(tmp_path, {"PATH": "/bin", name: "of-the-shell"}, mirror=tmp_path)
    assert name not in env
    assert env["AWS_ACCESS_KEY_ID"] == OPERATOR.id
    assert env["AWS_ENDPOINT_URL"] == "http://127.0.0.1:4711"
    assert env["PATH"] == "/bin"


def test_without_a_mirror_the_provider_goes_into_one_cache_for_all(tmp_path: Path) -> None:
    assert "TF_PLUGIN_CACHE_DIR" not in terraform_environment(tmp_path, {}, mirror=tmp_path)
    theirs = {"TF_PLUGIN_CACHE_DIR": "/home/ana/plugins"}
    assert "TF_PLUGIN_CACHE_DIR" not in terraform_environment(tmp_path, theirs, mirror=tmp_path)
    assert terraform_environment(tmp_path, {}, mirror=None)["TF_PLUGIN_CACHE_DIR"] == str(tmp_path / "cache")


WITH_BUDGET = """\
project = "demo"
owner = "ana@example.org"
[environments.stag]
budget_usd = 12.5
[environments.devl]
"""
BUDGETS: dict[str, tuple[Target, bool, dict[str, object] | None]] = {
    "on AWS it is what bootstrap.toml says": (
        "aws",
        False,
        {
            "name": "demo.stag",
            "limit_usd": 12.5,
            "email": "ana@example.org",
            "project": "demo",
            "env": "stag",
            "rehearsal": False,
        },
    ),
    "a laptop needs none": ("local", True, None),
}


@pytest.mark.parametrize(("kind", "emulated", "budget"), BUDGETS.values(), ids=BUDGETS.keys())
def test_the_budget(kind: Target, emulated: bool, budget: dict[str, object] | None) -> None:
    spec = parse_spec(WITH_BUDGET, "bootstrap.toml")
    names = Names("demo", "stag", "123456789012")
    place = Place(kind, names, Aws("us-east-1", key=OPERATOR), None, custom_endpoint=False, emulated=emulated)
    assert inputs(spec, place, Membership())["environment"]["budget"] == budget
    assert not leaves_out_budget(spec, place)
    elsewhere = replace(place, names=replace(names, env="devl"))
    assert inputs(spec, elsewhere, Membership())["environment"]["budget"] is None


def test_an_emulator_in_place_of_aws_gets_no_budget() -> None:
    spec = parse_spec(WITH_BUDGET, "bootstrap.toml")
    names = Names("demo", "stag", "123456789012")
    place = Place("aws", names, Aws("us-east-1", key=OPERATOR), None, custom_endpoint=True, emulated=True)
    assert leaves_out_budget(spec, place)
    given = inputs(spec, place, Membership())["environment"]["budget"]
    assert isinstance(given, dict)
    assert given["rehearsal"] is True


MACHINE = """\
project = "demo"
[environments.stag.mlflow]
kind = "ec2"
instance_type = "t4g.small"
domain = "mlflow.example.org"
allowed_cidrs = ["203.0.113.0/24", "2001:db8::/32"]
volume_gb = 40
[environments.bare.mlflow]
kind = "ec2"
allowed_cidrs = ["203.0.113.7/32"]
[environments.closed]
[environments.hub.mlflow]
kind = "dagshub"
repository = "ana/course"
[environments.quiet]
mlflow.kind = "none"
"""


def machine_of(env: str, target: Target = "aws") -> object:
    place = Place(target, Names("demo", env, "123456789012"), Aws("us-east-1"), None, False, False)
    return inputs(parse_spec(MACHINE, "bootstrap.toml"), place, Membership())["environment"]["mlflow"]


def test_terraform_is_told_of_the_machine() -> None:
    assert machine_of("stag") == {
        "name": "demo.stag.mlflow",
        "path": "/demo/stag/",
        "parameter_path": "/demo/stag/",
        "instance_type": "t4g.small",
        "domain": "mlflow.example.org",
        "allowed_cidrs": ["203.0.113.0/24", "2001:db8::/32"],
        "challenge_cidrs": ["0.0.0.0/0"],
        "volume_gb": 40,
    }
    bare = machine_of("bare")
    assert isinstance(bare, dict)
    assert (bare["domain"], bare["instance_type"], bare["volume_gb"]) == ("", "t3.small", 20)


def test_an_emulator_is_not_asked_for_what_it_lacks() -> None:
    place = Place("aws", Names("demo", "bare", "123456789012"), Aws("us-east-1"), None, True, True)
    machine = inputs(parse_spec(MACHINE, "bootstrap.toml"), place, Membership())["environment"]["mlflow"]
    assert isinstance(machine, dict)
    assert machine["daily_snapshots"] is False
    assert machine["image_parameter"].startswith("/aws/service/ami-amazon-linux-latest/")


@pytest.mark.parametrize("env", ["closed", "hub", "quiet"])
def test_no_machine_where_none_is_wanted_or_nobody_may_reach_it(env: str) -> None:
    assert machine_of(env) is None


def test_no_machine_on_a_laptop() -> None:
    assert machine_of("stag", "local") is None
