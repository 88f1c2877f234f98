"""What the bytes that an environment holds cost in a month, and how an amount is told."""

from __future__ import annotations

from dataclasses import dataclass

from bootstrap.core.counts import counted
from bootstrap.core.price_table import STORAGE, STORAGE_AS_OF

# What S3 counts as a GB, and as the 50 TB of the first tier (51200 in AWS's price file):
# https://aws.amazon.com/s3/faqs/, "How will I be charged and billed for my use of Amazon S3?"
GB = 2**30
_FIRST_TIER = 51_200 * GB
# "IAM is an AWS service that you can use with no additional charge":
# https://docs.aws.amazon.com/cost-management/latest/userguide/security-iam.html
_IAM = "Users, roles and identity providers cost nothing."


@dataclass(frozen=True)
class Estimate:
    """US dollars a month, None if that cannot be told, and a sentence on what is in it."""

    usd: float | None
    says: str

    @property
    def dollars(self) -> str:
        """The amount for a person: `$1.20`, `less than $0.01` or `not known`."""
        return in_dollars(self.usd)


def in_dollars(usd: float | None) -> str:
    """Return an amount for a person: `$1.20`, `less than $0.01` or `not known`."""
    if usd is None:
        return "not known"
    return "less than $0.01" if 0 < usd < 0.01 else f"${usd:,.2f}"


def monthly_storage(size: int, region: str) -> Estimate:
    """Estimate what `size` bytes (every version counts) in S3 Standard cost in a month in an AWS region.

    For a region that is not in the table `usd` is None, for no bytes in any region it is 0. Above 50 TB the estimate is
    a little too high.
    """
    if size == 0:
        return Estimate(0.0, f"Nothing is stored. {_IAM}")
    price = STORAGE.usd.get(region)
    if price is None:
        return Estimate(
            None,
            f"{counted(size, 'byte')} in S3; this version does not know the price in {region} ({STORAGE.page}). {_IAM}",
        )
    amount = f"{size / GB:,.1f} GB" if size >= GB // 10 else counted(size, "byte")
    above = " Beyond 50 TB S3 is cheaper than that." if size > _FIRST_TIER else ""
    return Estimate(
        round(size / GB * price, 6),
        f"{amount} in S3 Standard at ${price:g} per GB in {region}, list price of {STORAGE_AS_OF}."
        f"{above} {_IAM} Requests and data transfer are not in it.",
    )


def on_this_laptop() -> Estimate:
    """Return what the local target costs."""
    return Estimate(0.0, "All of it ran on a laptop: no AWS account, no bill.")
