"""What IAM's own simulator says a user may do: for people whose key nobody but they themselves have.

It judges the user's own policies, those of their groups and their boundary, with conditions, and without touching
anything. https://docs.aws.amazon.com/IAM/latest/APIReference/API_SimulatePrincipalPolicy.html
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime

from bootstrap.adapters.aws.session import Aws, explained
from bootstrap.core.access import Ask

_PAGE = 1000
# https://docs.aws.amazon.com/IAM/latest/APIReference/API_ContextEntry.html
_KEY_TYPES = {"aws:SecureTransport": "boolean", "aws:CurrentTime": "date"}
_ALLOWED = "allowed"

Context = tuple[tuple[str, str], ...]


def simulate(aws: Aws, user_arn: str, asks: Iterable[Ask], now: datetime) -> dict[Ask, bool]:
    """Ask the simulator about a user; what it gives no answer to is not in the result.

    One call answers all actions on all resources of one kind in the same circumstances, which are TLS and the time
    `now` (UTC) unless an ask says otherwise. Raises AwsFailed.
    """
    found: dict[Ask, bool] = {}
    for group in _groups(asks):
        answers = dict(_answers(aws, user_arn, group, now))
        found |= {ask: answers[ask.action, ask.arn] for ask in group if (ask.action, ask.arn) in answers}
    return found


def _groups(asks: Iterable[Ask]) -> list[list[Ask]]:
    """Put together what one call can answer: the same circumstances, and resources of the same kind."""
    groups: dict[tuple[Context, str], list[Ask]] = {}
    for ask in asks:
        groups.setdefault((ask.context, _kind(ask)), []).append(ask)
    return list(groups.values())


def _kind(ask: Ask) -> str:
    """Tell what kind of resource it is about: the simulator pairs every action of a call with every resource of it."""
    resource = ask.arn.rpartition(":")[2]
    if ":s3:::" in ask.arn:
        return "object" if "/" in resource else "bucket"
    return resource.partition("/")[0]


def _answers(aws: Aws, user_arn: str, group: list[Ask], now: datetime) -> Iterator[tuple[tuple[str, str], bool]]:
    """Yield action and resource → allowed, for every pair that the simulator judged."""
    circumstances = {"aws:SecureTransport": "true", "aws:CurrentTime": now.strftime("%Y-%m-%dT%H:%M:%SZ")}
    circumstances.update(group[0].context)
    with explained(f"simulate what {user_arn} may do (iam:SimulatePrincipalPolicy)"):
        pages = (
            aws.client("iam")
            .get_paginator("simulate_principal_policy")
            .paginate(
                PolicySourceArn=user_arn,
                ActionNames=sorted({ask.action for ask in group}),
                ResourceArns=sorted({ask.arn for ask in group}),
                ContextEntries=[
                    {
                        "ContextKeyName": key,
                        "ContextKeyValues": [value],
                        "ContextKeyType": _KEY_TYPES.get(key, "string"),
                    }
                    for key, value in sorted(circumstances.items())
                ],
                PaginationConfig={"PageSize": _PAGE},
            )
        )
        for result in (result for page in pages for result in page["EvaluationResults"]):
            action = result["EvalActionName"]
            yield (action, result.get("EvalResourceName", "*")), result["EvalDecision"] == _ALLOWED
            # With several resources the answer may be one for each action, with the resources in a list of its own.
            for specific in result.get("ResourceSpecificResults", []):
                yield (action, specific["EvalResourceName"]), specific["EvalResourceDecision"] == _ALLOWED
