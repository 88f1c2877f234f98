"""Work that a member does with nothing but what `join` wrote on this machine."""

from __future__ import annotations

from bootstrap.adapters import servers
from bootstrap.adapters.aws.session import Aws, error_code
from bootstrap.core.record import Record
from bootstrap.errors import AwsFailed, BootstrapError, UsageError
from bootstrap.workflows import laptop as laptops
from bootstrap.workflows.project import Project

# What STS says of a key that is not there (any more).
_DEAD_KEY = frozenset({"InvalidClientTokenId", "InvalidAccessKeyId"})


def joined(folder: Project, env: str | None) -> Record | None:
    """Return the environment that somebody has joined in a folder, `env` or the only one; None if there is none.

    Raises UsageError if it is not said which of several is meant.
    """
    found = [record for record in folder.joined() if env in (None, record.env)]
    if len(found) > 1:
        here = ", ".join(record.env for record in found)
        raise UsageError(
            f"Several environments are joined in {folder.folder}: {here}.", hint="Say which one: --env NAME"
        )
    return found[0] if found else None


def signed_in(folder: Project, record: Record) -> Aws:
    """Return AWS as the member sees it. Raises BootstrapError if their key is gone or dead."""
    key = laptops.read_key(laptops.look_around(folder), record)
    if key is None:
        raise BootstrapError(
            f"The profile {record.aws_profile} has no key any more.", hint="Open your invite once more."
        )
    if record.endpoint_url is not None and not servers.answers(f"{record.endpoint_url}/moto-api/"):
        raise BootstrapError(
            f"'{record.env}' is a rehearsal on the laptop of the person who invited you, and no server for it runs at "
            f"{record.endpoint_url}.",
            hint="What was in it is gone, unless that server still runs on another machine.",
        )
    aws = Aws(record.region, record.endpoint_url, key=key)
    try:
        aws.caller()
    except AwsFailed as error:
        if error_code(error.__cause__) in _DEAD_KEY:
            raise BootstrapError(
                f"AWS does not know the key in the profile {record.aws_profile} any more: it was replaced, or your "
                "access has ended.",
                hint="Open your newest invite with `bootstrap join`, or ask for one.",
            ) from None
        raise
    return aws
