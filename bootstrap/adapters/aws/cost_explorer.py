"""What AWS itself says an environment has cost: Cost Explorer, which takes money for being asked.

https://docs.aws.amazon.com/aws-cost-management/latest/APIReference/API_GetCostAndUsage.html
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from typing import Any

from bootstrap.adapters.aws.session import Aws, error_code, explained, is_denied
from bootstrap.errors import AwsFailed

ACTION = "ce:GetCostAndUsage"
# The name in https://docs.aws.amazon.com/aws-cost-management/latest/APIReference/API_GetCostAndUsage.html#API_GetCostAndUsage_Errors
_NO_DATA = "DataUnavailableException"


@dataclass(frozen=True)
class Spent:
    """US dollars that were spent from `start` to the day before `end`, as billed without tax spread over services.

    `services`: what each of AWS's services took, the dearest first. `is_estimate`: AWS has not closed this time yet.
    """

    start: date
    end: date
    usd: float
    services: tuple[tuple[str, float], ...]
    is_estimate: bool


def spent(aws: Aws, project: str, env: str, start: date, end: date) -> list[Spent]:
    """Ask what the environment's tags have cost from `start` to the day before `end`, month by month.

    One request, which costs; each further page of the answer one more, and a course's bill fits on one. Raises
    AwsFailed, with the permission or the setting that is missing.
    """
    services: dict[tuple[date, date], dict[str, float]] = defaultdict(lambda: defaultdict(float))
    estimates: set[tuple[date, date]] = set()
    for month in _months(aws, project, env, start, end):
        span = (date.fromisoformat(month["TimePeriod"]["Start"]), date.fromisoformat(month["TimePeriod"]["End"]))
        services[span] = services[span]
        if month.get("Estimated"):
            estimates.add(span)
        for group in month.get("Groups", []):
            services[span][group["Keys"][0]] += float(group["Metrics"]["UnblendedCost"]["Amount"])
    return [
        Spent(
            *span,
            round(sum(found.values()), 6),
            tuple(sorted(found.items(), key=lambda one: (-one[1], one[0]))),
            span in estimates,
        )
        for span, found in sorted(services.items())
    ]


def _months(aws: Aws, project: str, env: str, start: date, end: date) -> Iterator[dict[str, Any]]:
    """Yield AWS's answer month by month; a month may come in several parts."""
    from botocore.exceptions import ClientError

    asked: dict[str, Any] = {
        "TimePeriod": {"Start": start.isoformat(), "End": end.isoformat()},
        "Granularity": "MONTHLY",
        "Metrics": ["UnblendedCost"],
        "GroupBy": [{"Type": "DIMENSION", "Key": "SERVICE"}],
        "Filter": {"And": [_tag("bootstrap:project", project), _tag("bootstrap:env", env)]},
    }
    while True:
        with explained(f"ask what '{env}' has cost ({ACTION})"):
            try:
                answer = aws.client("ce").get_cost_and_usage(**asked)
            except ClientError as error:
                raise _in_words(error, env) from error
        yield from answer["ResultsByTime"]
        if not answer.get("NextPageToken"):
            return
        asked["NextPageToken"] = answer["NextPageToken"]


def _tag(key: str, value: str) -> dict[str, Any]:
    return {"Tags": {"Key": key, "Values": [value], "MatchOptions": ["EQUALS"]}}


def _in_words(error: Exception, env: str) -> Exception:
    """Return what to raise for a refusal: for those that a setting of the account explains, that setting."""
    if is_denied(error):
        return AwsFailed(
            f"You may not ask what '{env}' has cost: your identity lacks {ACTION}, or the account keeps its billing "
            "data from IAM users.",
            hint=f"Somebody who administers the account gives you {ACTION}; the root user lets IAM users see billing "
            "data: https://docs.aws.amazon.com/IAM/latest/UserGuide/tutorial_billing.html",
        )
    if error_code(error) == _NO_DATA:
        return AwsFailed(
            "Cost Explorer has no data for this account yet.",
            hint="It is switched on in the billing console, under Cost Explorer, and takes up to 24 hours to begin.",
        )
    return error
