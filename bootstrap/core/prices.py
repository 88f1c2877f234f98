"""What an environment costs in a month, as far as that can be told from how many bytes it holds."""

from __future__ import annotations

from dataclasses import dataclass

from bootstrap.core.counts import counted

# S3 Standard, first 50 TB of a month, US dollars per GB-month, before tax and free tier. The prices are those of
# https://aws.amazon.com/s3/pricing/, which AWS also gives out for programs, one file a region
# (https://pricing.us-east-1.amazonaws.com/offers/v1.0/aws/AmazonS3/current/REGION/index.json). Neither could be asked
# when this was written: the numbers are those of transcripts of that file, dated 2026-07-01 and, for the first seven,
# 2026-08-02 too. A region whose price was found once only, and not known otherwise, is left out.
_AS_OF = "July 2026"
_STANDARD = {
    "us-east-1": 0.023,
    "us-east-2": 0.023,
    "us-west-1": 0.026,
    "us-west-2": 0.023,
    "eu-west-1": 0.023,
    "eu-central-1": 0.0245,
    "sa-east-1": 0.0405,
    "ap-northeast-1": 0.025,
    "ap-northeast-2": 0.025,
    "ap-south-1": 0.025,
    "ap-southeast-1": 0.025,
    "ap-southeast-2": 0.025,
    "ca-central-1": 0.025,
    "eu-north-1": 0.023,
    "eu-west-2": 0.024,
    "eu-west-3": 0.024,
}
# What S3 counts as a GB, and as the 50 TB of the first tier (51200 in the file named above):
# https://aws.amazon.com/s3/faqs/, "How will I be charged and billed for my use of Amazon S3?"
_GB = 2**30
_FIRST_TIER = 51_200 * _GB
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
        if self.usd is None:
            return "not known"
        return "less than $0.01" if 0 < self.usd < 0.01 else f"${self.usd:,.2f}"


def monthly_storage(size: int, region: str) -> Estimate:
    """Estimate what `size` bytes (every version counts) in S3 Standard cost in a month in an AWS region.

    For a region that is not in the table `usd` is None, for no bytes in any region it is 0. Above 50 TB the estimate is
    a little too high.
    """
    if size == 0:
        return Estimate(0.0, f"Nothing is stored. {_IAM}")
    price = _STANDARD.get(region)
    if price is None:
        return Estimate(
            None,
            f"{counted(size, 'byte')} in S3; this version does not know the price in {region}"
            f" (https://aws.amazon.com/s3/pricing/). {_IAM}",
        )
    amount = f"{size / _GB:,.1f} GB" if size >= _GB // 10 else counted(size, "byte")
    above = " Beyond 50 TB S3 is cheaper than that." if size > _FIRST_TIER else ""
    return Estimate(
        round(size / _GB * price, 6),
        f"{amount} in S3 Standard at ${price:g} per GB in {region}, list price of {_AS_OF}."
        f"{above} {_IAM} Requests and data transfer are not in it.",
    )


def on_this_laptop() -> Estimate:
    """Return what the local target costs."""
    return Estimate(0.0, "All of it ran on a laptop: no AWS account, no bill.")
