"""What hangs on an IAM user or role and has to be taken from it before it can be deleted."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass

from bootstrap.adapters.aws.session import Aws, explained


@dataclass(frozen=True)
class Belonging:
    """One kind of it: the call that lists it, what its id is called, the call that takes it away."""

    what: str
    lister: str
    listed: str
    id: str
    remover: str


def take(aws: Aws, parameter: str, owner: str, belonging: Belonging) -> list[str]:
    """Take from an owner all that it has of one kind; returns the names or ids. Fine if there is no such owner.

    `parameter` is what IAM calls the owner's name: UserName or RoleName. Raises AwsFailed.
    """
    iam = aws.client("iam")
    # To the end before anything is removed: a page that is read while others shrink the list skips some of it.
    found = _listed(aws, parameter, owner, belonging)
    for one in found:
        with (
            explained(f"take {belonging.what} from {owner}"),
            suppress(iam.exceptions.NoSuchEntityException),
        ):
            getattr(iam, belonging.remover)(**{parameter: owner, belonging.id: one})
    return found


def _listed(aws: Aws, parameter: str, owner: str, belonging: Belonging) -> list[str]:
    from botocore.parsers import ResponseParserError

    iam = aws.client("iam")
    with explained(f"look for {belonging.what} of {owner}"), suppress(iam.exceptions.NoSuchEntityException):
        if iam.can_paginate(belonging.lister):
            pages = list(iam.get_paginator(belonging.lister).paginate(**{parameter: owner}))
        else:
            try:
                pages = [getattr(iam, belonging.lister)(**{parameter: owner})]
            except ResponseParserError:
                # moto does not know this one call and answers with a page of HTML, which IAM never does.
                pages = []
        entries = [entry for page in pages for entry in page[belonging.listed]]
        return [entry if isinstance(entry, str) else str(entry[belonging.id]) for entry in entries]
    return []
