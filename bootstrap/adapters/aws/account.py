"""What an account is like for who is about to build in it: who we are there, its clock, its regions and its quotas.

Only reads. Each question says in its AwsFailed which permission it takes; whoever asks decides whether that matters.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import Any, Literal

from bootstrap.adapters.aws.session import Aws, Caller, error_code, explained, is_denied
from bootstrap.errors import AwsFailed

# In the partition `aws` the one region that cannot be switched off.
# https://docs.aws.amazon.com/accounts/latest/reference/manage-acct-regions.html
ALWAYS_ON = "us-east-1"
# What a region that has to be switched on answers to an account that has not done so.
_SWITCHED_OFF = {"UnrecognizedClientException", "InvalidClientTokenId", "AuthFailure", "OptInRequired"}
# Quota codes are listed by `aws service-quotas list-service-quotas --service-code ec2` (and `s3`); what holds as long
# as nobody raised it: https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/elastic-ip-addresses-eip.html and
# https://docs.aws.amazon.com/AmazonS3/latest/userguide/BucketRestrictions.html.
_QUOTAS = {"addresses": ("ec2", "L-0263D0A3", 5), "buckets": ("s3", "L-DC2B2D3D", 10_000)}
_DEFAULT = "AWS's default"

Choice = Literal["on", "off", "unknown"]


@dataclass(frozen=True)
class Answer:
    """What came of asking AWS who we are: the caller, or why there is none.

    `ahead`: by how many seconds this machine's clock is ahead of AWS's; None if AWS did not say its time. `elsewhere`:
    the same credentials are good in another region, so it is the region that refuses them.
    """

    caller: Caller | None
    ahead: float | None
    error: AwsFailed | None = None
    elsewhere: bool = False


@dataclass(frozen=True)
class Quota:
    """How many there are of a thing, and how many there may be; `source` says where the latter comes from."""

    used: int
    most: int
    source: str = ""


def identify(aws: Aws, now: Callable[[], datetime]) -> Answer:
    """Ask AWS who we are, and what time it is there: each answer of AWS's carries its date, a refusal too.

    https://docs.aws.amazon.com/STS/latest/APIReference/API_GetCallerIdentity.html
    """
    from botocore.exceptions import ClientError

    ahead: float | None = None
    switched_off = False
    try:
        with explained("find out who you are (sts:GetCallerIdentity)"):
            try:
                answer = aws.client("sts").get_caller_identity()
            except ClientError as error:
                ahead = _ahead(error.response, now())
                switched_off = error_code(error) in _SWITCHED_OFF
                raise
    except AwsFailed as error:
        elsewhere = switched_off and aws.region != ALWAYS_ON and _works(Aws(ALWAYS_ON, profile=aws.profile))
        return Answer(None, ahead, error, elsewhere)
    caller = Caller(account=str(answer["Account"]), arn=str(answer["Arn"]))
    return Answer(caller, _ahead(answer, now()))


def _works(aws: Aws) -> bool:
    try:
        aws.caller()
    except AwsFailed:
        return False
    return True


def _ahead(answer: Any, now: datetime) -> float | None:
    text = answer.get("ResponseMetadata", {}).get("HTTPHeaders", {}).get("date")
    try:
        return (now - parsedate_to_datetime(text)).total_seconds()
    except (TypeError, ValueError):
        return None


def credentials_source(aws: Aws) -> str:
    """Return in botocore's word where the credentials come from (`env`, `shared-credentials-file`, `sso`, …)."""
    with explained("find your credentials"):
        return aws.credentials_source() or "unknown"


def region_choice(aws: Aws) -> Choice:
    """Tell whether the region of `aws` is switched on for this account. Raises AwsFailed (ec2:DescribeRegions).

    https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DescribeRegions.html
    """
    with explained(f"look whether {aws.region} is switched on (ec2:DescribeRegions)"):
        found = aws.client("ec2").describe_regions(RegionNames=[aws.region], AllRegions=True)["Regions"]
    if not found:
        return "unknown"
    return "off" if found[0].get("OptInStatus") == "not-opted-in" else "on"


def addresses(aws: Aws) -> Quota:
    """Return the Elastic IPs of the region. Raises AwsFailed (ec2:DescribeAddresses)."""
    with explained("count the Elastic IPs (ec2:DescribeAddresses)"):
        used = len(aws.client("ec2").describe_addresses()["Addresses"])
    return _quota(aws, "addresses", used)


def bucket_quota(aws: Aws) -> Quota:
    """Return the account's buckets. Raises AwsFailed (s3:ListAllMyBuckets)."""
    with explained("count the buckets (s3:ListAllMyBuckets)"):
        pages = aws.client("s3").get_paginator("list_buckets").paginate()
        used = sum(len(page.get("Buckets", [])) for page in pages)
    return _quota(aws, "buckets", used)


def user_quota(aws: Aws) -> Quota:
    """Return the account's IAM users. Raises AwsFailed (iam:GetAccountSummary).

    https://docs.aws.amazon.com/IAM/latest/APIReference/API_GetAccountSummary.html
    """
    with explained("count the IAM users (iam:GetAccountSummary)"):
        summary = aws.client("iam").get_account_summary()["SummaryMap"]
    return Quota(int(summary.get("Users", 0)), int(summary.get("UsersQuota", 5000)))


def has_default_vpc(aws: Aws) -> bool:
    """Tell whether the region has its default network with a subnet in it. Raises AwsFailed (ec2:DescribeVpcs).

    https://docs.aws.amazon.com/vpc/latest/userguide/default-vpc.html
    """
    ec2 = aws.client("ec2")
    with explained("look for the default VPC (ec2:DescribeVpcs, ec2:DescribeSubnets)"):
        found = ec2.describe_vpcs(Filters=[{"Name": "is-default", "Values": ["true"]}])["Vpcs"]
        if not found:
            return False
        subnets = ec2.describe_subnets(Filters=[{"Name": "vpc-id", "Values": [found[0]["VpcId"]]}])["Subnets"]
    return bool(subnets)


def may_see_budgets(aws: Aws, account: str) -> bool:
    """Tell whether the budgets of the account may be read. Raises AwsFailed if that cannot be told.

    https://docs.aws.amazon.com/awsaccountbilling/latest/aboutv2/control-access-billing.html
    """
    from botocore.exceptions import ClientError

    with explained("look at the budgets (budgets:ViewBudget)"):
        try:
            aws.client("budgets").describe_budgets(AccountId=account, MaxResults=1)
        except ClientError as error:
            if is_denied(error):
                return False
            raise
    return True


def role_arn(aws: Aws, role: str) -> str:
    """Return a role's ARN, whose path is not in that of its sessions. Raises AwsFailed (iam:GetRole)."""
    with explained(f"look at the role {role} (iam:GetRole)"):
        return str(aws.client("iam").get_role(RoleName=role)["Role"]["Arn"])


def _quota(aws: Aws, what: str, used: int) -> Quota:
    """Return what Service Quotas says may be; its default for whom it says nothing.

    https://docs.aws.amazon.com/servicequotas/2019-06-24/apireference/API_GetServiceQuota.html
    """
    service, code, default = _QUOTAS[what]
    try:
        with explained(f"ask for the quota of {what} (servicequotas:GetServiceQuota)"):
            found = aws.client("service-quotas").get_service_quota(ServiceCode=service, QuotaCode=code)
        value = found.get("Quota", {}).get("Value")
    except AwsFailed:
        value = None
    return Quota(used, int(value)) if value else Quota(used, default, _DEFAULT)
