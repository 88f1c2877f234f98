"""What every look through an account shares: whose things are looked for, what was found, and why a look was blind."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from bootstrap.adapters.aws.session import Aws, error_code, is_denied
from bootstrap.core.inventory import EVERYWHERE, Thing
from bootstrap.core.names import STATE, Names, environment_problem
from bootstrap.errors import AwsFailed
from bootstrap.redact import redact

PROJECT_TAG, ENV_TAG = "bootstrap:project", "bootstrap:env"

_REASON_LENGTH = 200
_THROTTLED = {"Throttling", "ThrottlingException", "ThrottledException", "RequestLimitExceeded", "SlowDown"}
# What a region that has to be switched on answers to an account that has not done so.
# https://docs.aws.amazon.com/accounts/latest/reference/manage-acct-regions.html
_SWITCHED_OFF = {"UnrecognizedClientException", "InvalidClientTokenId", "AuthFailure", "OptInRequired"}
_REGIONAL = {
    *("GetResources", "GetLifecyclePolicies", "DescribeParameters", "DescribeInstances", "DescribeVolumes"),
    *("DescribeSnapshots", "DescribeAddresses", "DescribeNetworkInterfaces", "DescribeSecurityGroups"),
}


@dataclass
class Found:
    """What one look found, what it could not make out, in words, and in which regions there is something of ours.

    `refused`: nobody may look there, and nothing says that there is anything.
    """

    things: list[Thing] = field(default_factory=list)
    unseen: list[str] = field(default_factory=list)
    regions: set[str] = field(default_factory=set)
    refused: bool = False


@dataclass(frozen=True)
class View:
    """Whose things are looked for. `env` None: those of the whole project."""

    aws: Aws
    project: str
    account: str
    env: str | None
    envs_known: frozenset[str]

    @property
    def path(self) -> str:
        """The IAM path of what is looked for, and that of its parameters in SSM: with a slash at both ends."""
        return f"/{self.project}/{self.env}/" if self.env else f"/{self.project}/"

    @property
    def state_bucket(self) -> str:
        """The project's bucket of states."""
        return Names(self.project, STATE, self.account).state_bucket

    @property
    def partition(self) -> str:
        """The partition of ARNs here: aws, aws-cn or aws-us-gov."""
        return str(self.aws.client("s3").meta.partition)

    def wants(self, env: str | None) -> bool:
        """Tell whether an environment's things are looked for; None is for what belongs to the whole project."""
        return self.env is None or env == self.env

    def env_of_path(self, path: str) -> str | None:
        """Return the environment whose path this is; None for every other path, be it below or above one of ours."""
        found = re.fullmatch(rf"/{re.escape(self.project)}/([^/]+)/", path)
        return found[1] if found and environment_problem(found[1]) is None else None

    def env_of_bucket(self, name: str) -> str | None:
        """Return the environment for which we would give this name, STATE for the state bucket; None if we never do.

        Only of an environment whose name had to be cut short must it be known beforehand.
        """
        if name == self.state_bucket:
            return STATE
        written = name.removeprefix(f"{self.project}--").removesuffix(f"--{self.account}")
        for env in (written, *sorted(self.envs_known)):
            if environment_problem(env) is None and Names(self.project, env, self.account).bucket == name:
                return env
        return None

    def sweep(self, env: str | None) -> str:
        """Return the command that removes what is an environment's, or the whole project's."""
        where = " --local" if self.aws.endpoint_url else ""
        return f"bootstrap sweep{f' --env {env}' if env else ''}{where} --delete"

    def by_hand(self, command: str) -> str:
        """Return what to type for what we do not remove: nobody has a key for the emulator, but it can be stopped."""
        return "bootstrap local stop" if self.aws.endpoint_url else command


def in_region(aws: Aws, region: str) -> Aws:
    """Return the same identity in another region."""
    if region in (aws.region, EVERYWHERE):
        return aws
    return Aws(region, aws.endpoint_url, aws.profile, aws.key)


def parts(arn: str) -> tuple[str, str, str]:
    """Return service, region and resource of an ARN; the region is empty for what has none.

    https://docs.aws.amazon.com/IAM/latest/UserGuide/reference-arns.html
    """
    _, _, service, region, _, resource = arn.split(":", 5)
    return service, region, resource


def plain(tags: Collection[Mapping[str, Any]]) -> dict[str, str]:
    """Return tags as most services answer them, a list of `Key` and `Value`, as key → value."""
    return {str(tag["Key"]): str(tag["Value"]) for tag in tags}


def reason(error: AwsFailed) -> str:
    """Say in a line why a place could not be looked at: what AWS answers with may be a page of HTML."""
    from botocore.exceptions import ClientError, EndpointConnectionError
    from botocore.parsers import ResponseParserError

    cause = error.__cause__
    if isinstance(cause, ClientError):
        code = error_code(cause)
        if is_denied(cause):
            why = "you lack the permission"
        elif code in _THROTTLED:
            why = "AWS would not be asked so often"
        elif code in _SWITCHED_OFF and cause.operation_name in _REGIONAL:
            why = "this region is not switched on for the account"
        elif int(cause.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)) >= 500:
            why = "AWS answered with an error of its own"
        else:
            why = redact(str(cause.response.get("Error", {}).get("Message", ""))) or "AWS refused"
        text = f"{cause.operation_name}: {why} ({code})"
    elif isinstance(cause, EndpointConnectionError):
        text = "could not be reached"
    elif isinstance(cause, ResponseParserError):
        text = "what answered does not know this call"
    else:
        text = error.message
    line = " ".join(text.split())
    return line if len(line) <= _REASON_LENGTH else f"{line[:_REASON_LENGTH]} …"
