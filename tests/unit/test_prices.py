"""What a bucket costs in a month, as far as it is known."""

from __future__ import annotations

import pytest

from bootstrap.core.prices import Estimate, monthly_storage, on_this_laptop

GB = 2**30


@pytest.mark.parametrize(
    ("size", "region", "usd", "dollars"),
    [
        (GB, "us-east-1", 0.023, "$0.02"),
        (100 * GB, "us-east-1", 2.3, "$2.30"),
        (100 * GB, "sa-east-1", 4.05, "$4.05"),
        (100 * GB, "eu-central-1", 2.45, "$2.45"),
        (51_200 * GB, "us-east-1", 1177.6, "$1,177.60"),
        (1_000_000, "us-east-1", 0.000021, "less than $0.01"),
        (0, "us-east-1", 0.0, "$0.00"),
        (0, "xx-nowhere-9", 0.0, "$0.00"),
        (100 * GB, "xx-nowhere-9", None, "not known"),
    ],
)
def test_storage(size: int, region: str, usd: float | None, dollars: str) -> None:
    found = monthly_storage(size, region)
    assert found.usd == (pytest.approx(usd) if usd is not None else None)
    assert found.dollars == dollars


def test_what_is_in_it_is_said() -> None:
    known = monthly_storage(100 * GB, "eu-west-1").says
    assert "100.0 GB in S3 Standard" in known
    assert "$0.023 per GB in eu-west-1, list price of July 2026" in known
    assert "Users, roles and identity providers cost nothing" in known
    assert "Requests and data transfer are not in it" in known
    assert "50 TB" not in known
    assert "Beyond 50 TB" in monthly_storage(51_201 * GB, "eu-west-1").says
    assert "does not know the price in xx-nowhere-9" in monthly_storage(1, "xx-nowhere-9").says


def test_the_local_target_costs_nothing() -> None:
    assert on_this_laptop().usd == 0.0
    assert on_this_laptop().dollars == "$0.00"


def test_an_unknown_price_is_not_zero() -> None:
    assert Estimate(None, "").dollars != Estimate(0.0, "").dollars
