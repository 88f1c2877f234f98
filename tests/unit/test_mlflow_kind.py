"""Which MLflow an environment gets, and what is said where the file does not say enough."""

from __future__ import annotations

import pytest

from bootstrap.core.dagshub import Hub
from bootstrap.core.mlflow_kind import hub_wanted, kind_wanted, odd_networks, require_usable, who_may_come_in
from bootstrap.core.names import Names
from bootstrap.core.record import Record, Target
from bootstrap.core.spec import Spec, parse_spec
from bootstrap.errors import BootstrapError, ConfigError, NotSupportedYet

NETWORKS = 'allowed_cidrs = ["203.0.113.7/32"]'
KINDS = {
    "none": ('kind = "none"', "none", "none"),
    "ec2": (f'kind = "ec2"\n{NETWORKS}', "laptop", "ec2"),
    "ecs": (f'kind = "ecs"\n{NETWORKS}', "laptop", "ecs"),
    "dagshub": ('kind = "dagshub"\nrepository = "ana/course"', "laptop", "dagshub"),
}


def spec_of(table: str) -> Spec:
    return parse_spec(f'project = "demo"\n[environments.stag.mlflow]\n{table}\n', "bootstrap.toml")


@pytest.mark.parametrize(("table", "on_laptop", "on_aws"), KINDS.values(), ids=KINDS.keys())
def test_the_kind_follows_from_file_and_target(table: str, on_laptop: str, on_aws: str) -> None:
    assert kind_wanted(spec_of(table), "stag", "local") == on_laptop
    assert kind_wanted(spec_of(table), "stag", "aws") == on_aws


def test_without_a_table_it_is_the_laptops_or_a_machine() -> None:
    for spec in (Spec.default("demo"), parse_spec('project = "demo"\n[environments.stag]\n', "bootstrap.toml")):
        assert kind_wanted(spec, "stag", "local") == "laptop"
        assert kind_wanted(spec, "stag", "aws") == "ec2"


@pytest.mark.parametrize("table", [one for name, (one, *_) in KINDS.items() if name != "ecs"])
@pytest.mark.parametrize("target", ["aws", "local"])
def test_what_will_do(table: str, target: Target) -> None:
    require_usable(spec_of(table), "stag", target)


MISSING = {
    "no table": ('project = "demo"\n\n[environments.stag]\n', "bootstrap.toml:3"),
    "a table": ('project = "demo"\n\n[environments.stag.mlflow]\nkind = "ec2"\n', "bootstrap.toml:3"),
    "an empty list": (
        'project = "demo"\n\n[environments.stag.mlflow]\nkind = "ec2"\nallowed_cidrs = []\n',
        "bootstrap.toml:5",
    ),
}


@pytest.mark.parametrize(("text", "where"), MISSING.values(), ids=MISSING.keys())
def test_a_machine_that_nobody_may_reach(text: str, where: str) -> None:
    with pytest.raises(ConfigError) as caught:
        require_usable(parse_spec(text, "bootstrap.toml"), "stag", "aws")
    assert caught.value.message.startswith(f"{where}: MLflow of 'stag' gets a machine of its own")
    proposed = caught.value.hint.partition("\n\n")[2].partition("\n\n")[0]
    require_usable(parse_spec(f'project = "demo"\n{proposed}\n', "bootstrap.toml"), "stag", "aws")
    assert 'kind = "none"' in caught.value.hint
    assert "https://checkip.amazonaws.com" in caught.value.hint


def test_without_a_file_one_is_to_be_written() -> None:
    with pytest.raises(ConfigError) as caught:
        require_usable(Spec.default("demo"), "stag", "aws")
    assert "Write a bootstrap.toml (`bootstrap init` makes one)" in caught.value.hint


def test_a_kind_of_a_later_version() -> None:
    with pytest.raises(NotSupportedYet, match=r'bootstrap.toml:3: MLflow with kind = "ecs" is not supported yet'):
        require_usable(spec_of(KINDS["ecs"][0]), "stag", "aws")


def test_who_may_come_in() -> None:
    assert "(bootstrap.toml:4: 203.0.113.7/32)" in who_may_come_in(spec_of(KINDS["ec2"][0]), "stag")


@pytest.mark.parametrize(
    ("url", "hub"),
    [
        ("", Hub("https://dagshub.com", "ana/course")),
        ('url = "https://hub.example.org/"', Hub("https://hub.example.org", "ana/course")),
        ('url = "http://127.0.0.1:8080"', Hub("http://127.0.0.1:8080", "ana/course")),
    ],
)
def test_the_repository_on_dagshub(url: str, hub: Hub) -> None:
    assert hub_wanted(spec_of(f"{KINDS['dagshub'][0]}\n{url}"), "stag") == hub


def test_a_token_goes_nowhere_in_clear() -> None:
    with pytest.raises(BootstrapError, match="begin it with https://"):
        spec_of(f'{KINDS["dagshub"][0]}\nurl = "http://dagshub.example.org"')


RECORDS = {
    "an older version's": ({"target": "local", "mlflow_tracking_uri": "http://127.0.0.1:20001"}, "laptop"),
    "none": ({}, "none"),
    "to come": ({"mlflow_kind": "ec2"}, "ec2"),
    "who has joined a machine": ({"member": "ana", "mlflow_tracking_uri": "https://mlflow.example.org"}, "ec2"),
    "who has joined DagsHub": ({"mlflow_tracking_uri": "https://dagshub.com/ana/course.mlflow"}, "dagshub"),
}


@pytest.mark.parametrize(("values", "kind"), RECORDS.values(), ids=RECORDS.keys())
def test_a_record_tells_its_kind(values: dict[str, str], kind: str) -> None:
    names = Names("demo", "stag", "123456789012")
    known = {
        **dict.fromkeys(("endpoint_url", "aws_profile", "dvc_remote_url"), ""),
        "project": "demo",
        "env": "stag",
        "region": "us-east-1",
        "account_id": names.account,
        "target": "aws",
        "bucket": names.bucket,
        "state_bucket": names.state_bucket,
    }
    assert Record(**{**known, **values}).mlflow == kind  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("network", "why"),
    [
        ("8.8.4.4/32", None),
        ("2a00::/12", None),
        ("0.0.0.0/0", "the whole world"),
        ("::/0", "the whole world"),
        ("203.0.113.7/32", "from an example"),
        ("2001:db8:1::/48", "from an example"),
        ("192.168.0.0/24", "inside some network"),
        ("100.64.0.0/10", "inside some network"),
        ("fd00::/8", "inside some network"),
    ],
)
def test_networks_that_hardly_mean_what_they_say(network: str, why: str | None) -> None:
    found = odd_networks(["8.8.8.8/32", network])
    assert list(found) == ([network] if why else [])
    assert why is None or why in found[network]
