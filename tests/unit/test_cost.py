"""What an environment costs in a month, part by part, and what is said where that is not known."""

from __future__ import annotations

import re
from datetime import date

import pytest

from bootstrap.assets import INFRA
from bootstrap.core import price_table
from bootstrap.core.cost import SYSTEM_VOLUME_GB, Machine, in_plan, machine_of, monthly, what_ends
from bootstrap.core.price_table import MACHINES, SOURCES, Rates
from bootstrap.core.spec import Environment, parse_spec
from bootstrap.workflows.cost import months_to_ask

GB = 2**30


def table(*lines: str) -> Environment:
    text = "\n".join(['project = "abc"', 'owner = "ana@example.org"', "[environments.stag]", *lines])
    return parse_spec(text, "bootstrap.toml").environment("stag")


DEFAULT = table()
SMALL_ARM = table('mlflow = { kind = "ec2", instance_type = "t4g.small" }')
NONE = table('mlflow = { kind = "none" }')
RATES = {name: one for name, one in vars(price_table).items() if isinstance(one, Rates)} | dict(MACHINES)


def parts(environment: Environment, region: str, stored: int | None = 0) -> dict[str, float | None]:
    return {line.what: line.usd for line in monthly(environment, region, stored).lines}


def test_the_default_environment_in_virginia() -> None:
    """Without a word on MLflow it is a t3.small with 20 GB: 730 hours of it and its address, 28 GB of disks."""
    assert parts(DEFAULT, "us-east-1") == {
        "machine for MLflow, t3.small": pytest.approx(730 * 0.0208),
        "its public IPv4 address": pytest.approx(730 * 0.005),
        "its disks, gp3": pytest.approx(36 * 0.08),
        "daily snapshots of the data": pytest.approx(2 * 0.05),
        "files in S3, all versions": 0.0,
        "users, roles, policies, parameters": 0.0,
    }


# The project was begun with the words "about 17 USD a month". No machine of the default kind costs that, with its
# address and its disks: the smallest that MLflow is comfortable on take 19 and 22 in Virginia.
SUMS = [
    (DEFAULT, "us-east-1", "about $21.81 a month"),
    (DEFAULT, "eu-west-1", "about $23.56 a month"),
    (DEFAULT, "eu-central-1", "about $24.71 a month"),
    (DEFAULT, "sa-east-1", "about $33.79 a month"),
    (SMALL_ARM, "us-east-1", "about $18.89 a month"),
    (SMALL_ARM, "sa-east-1", "about $28.82 a month"),
    (NONE, "us-east-1", "about $0.00 a month"),
    (DEFAULT, "us-east-2", "at least $21.71 a month (not known: daily snapshots of the data)"),
    (
        DEFAULT,
        "xx-nowhere-9",
        "a sum that is not known (machine for MLflow, t3.small, its public IPv4 address",
    ),
]


@pytest.mark.parametrize(("environment", "region", "words"), SUMS)
def test_the_sum_in_words(environment: Environment, region: str, words: str) -> None:
    found = monthly(environment, region)
    assert found.in_short.startswith(words)
    assert (found.usd is None) == ("about" not in words)


def test_what_is_not_in_the_table_is_not_known_and_says_where_to_look() -> None:
    odd = table('mlflow = { kind = "ec2", instance_type = "x9.small" }')
    [machine, address, *_] = monthly(odd, "us-east-1").lines
    assert (machine.usd, machine.price) == (None, "not known")
    assert "https://aws.amazon.com/ec2/pricing/on-demand/" in machine.note
    assert address.usd == pytest.approx(3.65)
    assert monthly(odd, "us-east-1").usd is None
    assert monthly(odd, "us-east-1").known == pytest.approx(3.65 + 2.88 + 0.1)


@pytest.mark.parametrize(
    ("stored", "usd", "amount"),
    [
        (0, 0.0, "0 GB so far"),
        (100 * GB, 2.3, "100.0 GB so far"),
        (1000, 0.0, "1,000 bytes so far"),
        (None, None, "not counted"),
    ],
)
def test_files(stored: int | None, usd: float | None, amount: str) -> None:
    [line] = [one for one in monthly(NONE, "us-east-1", stored).lines if "S3" in one.what]
    assert line.amount == amount
    assert line.usd == (None if usd is None else pytest.approx(usd, abs=1e-4))


def test_nothing_stored_costs_nothing_anywhere() -> None:
    assert parts(NONE, "xx-nowhere-9")["files in S3, all versions"] == 0.0
    assert parts(NONE, "xx-nowhere-9", 5 * GB)["files in S3, all versions"] is None


def test_each_kind_of_mlflow() -> None:
    assert list(parts(NONE, "us-east-1")) == ["files in S3, all versions", "users, roles, policies, parameters"]
    dagshub = table('mlflow = { kind = "dagshub", repository = "ana/course" }')
    assert parts(dagshub, "us-east-1")["MLflow at DagsHub"] == 0.0
    ecs = table('mlflow = { kind = "ecs" }')
    assert parts(ecs, "us-east-1")["MLflow in a container"] is None
    assert [machine_of(one) for one in (NONE, dagshub, ecs)] == [None] * 3
    assert machine_of(DEFAULT) == Machine("t3.small", 20)
    big = table('mlflow = { kind = "ec2", instance_type = "t4g.large", volume_gb = 100 }')
    assert machine_of(big) == Machine("t4g.large", 100)
    assert parts(big, "us-east-1")["its disks, gp3"] == pytest.approx(116 * 0.08)


def test_a_budget_is_a_part_that_is_free() -> None:
    [line] = [one for one in monthly(table("budget_usd = 20"), "us-east-1").lines if "budget" in one.what]
    assert line.usd == 0.0
    assert "the first 2 of an account are free" in line.note


def test_use_is_told_by_the_unit() -> None:
    extras = {one.unit: one.usd for one in monthly(DEFAULT, "sa-east-1").extras}
    assert extras == {
        "GB in S3, a month": 0.0405,
        "1,000 requests that write or list": 0.007,
        "10,000 requests that read": 0.0056,
        "GB out to the internet": 0.15,
    }
    elsewhere = monthly(DEFAULT, "eu-north-1").extras[1]
    assert (elsewhere.usd, elsewhere.sources) == (None, ())
    assert elsewhere.page == "https://aws.amazon.com/s3/pricing/"


def test_what_a_plan_says() -> None:
    on_aws = in_plan(DEFAULT, "stag", "us-east-1", "aws")
    assert on_aws.usd == pytest.approx(21.814)
    assert on_aws.says == (
        "about $21.81 a month, and $0.023 for each GB in the bucket; part by part: bootstrap cost --env stag"
    )
    here = in_plan(DEFAULT, "stag", "us-east-1", "local")
    assert (here.usd, here.says) == (0.0, "nothing: all of it is on this laptop")
    assert "GB in the bucket" not in in_plan(DEFAULT, "stag", "xx-nowhere-9", "aws").says


def test_what_ends() -> None:
    alone = what_ends(None, "us-east-1", 100 * GB)
    assert alone.usd == pytest.approx(2.3)
    both = what_ends(Machine("t3.small", 20), "us-east-1", 100 * GB)
    assert both.usd == pytest.approx(24.114)
    assert both.says.startswith("MLflow's machine (t3.small) with its address, disks and snapshots: $21.81 (730 hours")
    assert "100.0 GB in S3 Standard" in both.says
    unknown = what_ends(Machine("x9.small", 20), "us-east-1", 0)
    assert unknown.usd is None
    assert "at least $6.63; not known: machine for MLflow, x9.small" in unknown.says
    assert what_ends(Machine("t3.small", 20), "us-east-1", 0).usd == pytest.approx(21.814)


@pytest.mark.parametrize("name", RATES)
def test_each_price_says_where_it_was_read(name: str) -> None:
    rates = RATES[name]
    assert rates.page.startswith("https://aws.amazon.com/")
    for region, usd in rates.usd.items():
        assert 0 < usd < 1
        assert rates.sources(region), f"{name} in {region} comes from nowhere"
        assert all(re.search(r"20\d\d", source.dated) for source in rates.sources(region))
    assert rates.sources("xx-nowhere-9") == ()


def test_each_source_is_read_by_something() -> None:
    assert {key for rates in RATES.values() for key in rates.read} == SOURCES.keys()


def test_sizes_of_machines_double() -> None:
    """AWS sells t3 and t4g so: a slip of a digit would show."""
    for family in ("t3", "t4g"):
        small, medium, large = (MACHINES[f"{family}.{size}"].usd for size in ("small", "medium", "large"))
        assert small.keys() == medium.keys() == large.keys()
        for region, usd in small.items():
            assert medium[region] == pytest.approx(2 * usd)
            assert large[region] == pytest.approx(4 * usd)


@pytest.mark.parametrize(
    ("today", "months"),
    [
        (date(2026, 11, 21), (date(2026, 10, 1), date(2026, 11, 22))),
        (date(2026, 3, 31), (date(2026, 2, 1), date(2026, 4, 1))),
        (date(2027, 1, 1), (date(2026, 12, 1), date(2027, 1, 2))),
    ],
)
def test_the_months_that_are_asked_about(today: date, months: tuple[date, date]) -> None:
    assert months_to_ask(today) == months


def test_the_system_disk_is_as_large_as_the_module_makes_it() -> None:
    main = INFRA / "modules" / "mlflow_ec2" / "main.tf"
    if not main.is_file():
        pytest.skip("there is no module for the machine")
    [block] = re.findall(r"^  root_block_device \{\n(.*?)^  \}", main.read_text(), re.MULTILINE | re.DOTALL)
    [size] = re.findall(r"volume_size\s*= (\d+)", block)
    assert int(size) == SYSTEM_VOLUME_GB
