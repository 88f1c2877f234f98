"""Where an environment is: on AWS or on this laptop, as whom we act there, and what its things are called."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import urlsplit

from bootstrap.adapters.aws import machines
from bootstrap.adapters.aws.session import Aws, Caller
from bootstrap.adapters.aws_profile import AwsFiles
from bootstrap.adapters.emulator import ACCOUNT
from bootstrap.core.names import STATE, Names
from bootstrap.core.record import Record, Target
from bootstrap.errors import BootstrapError
from bootstrap.workflows import local
from bootstrap.workflows.local import LocalAws
from bootstrap.workflows.project import Project
from bootstrap.workflows.story import Story

_ENDPOINTS = ("AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3")
# The ARN of a user that `Names.iam_user` named, on the path of `Names.iam_path`.
_MEMBER = re.compile(r":user/([a-z0-9-]+)/([a-z0-9-]+)/\1\.\2\.")
_LOOPBACK = ("127.0.0.1", "localhost", "::1")


@dataclass(frozen=True)
class Place:
    """An environment's place. `aws` acts as the operator; `emulator` is None on AWS.

    `custom_endpoint`: S3 is reached by paths instead of host names, as everything that is not Amazon's needs.
    `emulated`: this AWS is a program on this machine, whichever target it stands in for. Such a one takes the
    condition of a rule as met, so a rule that refuses on a condition would refuse everything. `caller`: who the
    operator is on AWS, None on the local target.
    """

    kind: Target
    names: Names
    aws: Aws
    emulator: LocalAws | None
    custom_endpoint: bool
    emulated: bool
    caller: Caller | None = None

    @property
    def endpoint_url(self) -> str | None:
        """What a profile needs to find this AWS; None for Amazon's own."""
        return self.emulator.server.url if self.emulator else None

    def operator_environment(self, project: Project) -> dict[str, str]:
        """Return the environment in which another program acts as the operator here."""
        kept = {k: v for k, v in project.environ.items() if k not in self.aws.displaced_variables()}
        return kept | self.aws.credentials_environment(project.environ)


def open_place(project: Project, env: str, kind: Target, profile: str | None, story: Story) -> Place:
    """Reach an environment's AWS as the operator; starts the emulator on the local target.

    Raises AwsFailed without usable credentials, BootstrapError if they are a member's, or another account's than the
    one that the environment is tied to.
    """
    if kind == "local":
        emulator = local.ensure_emulator(project, story, port=_port_before(project.record(env)))
        return at_emulator(project, env, emulator)
    profile = profile or profile_before(project, env)
    refuse_member_profile(project, profile)
    aws = Aws(region=project.spec.region, profile=profile)
    caller = aws.caller()
    if _MEMBER.search(caller.arn):
        raise BootstrapError(
            f"You are signed in as {caller.arn}, a member of an environment. Members cannot administer one.",
            hint="Sign in as yourself: name your own profile with --profile.",
        )
    refuse_other_account(project, env, caller)
    endpoints = [value for name in _ENDPOINTS if (value := project.environ.get(name))]
    return Place(
        "aws",
        Names(project.spec.project, env, caller.account),
        aws,
        None,
        custom_endpoint=bool(endpoints),
        emulated=any(urlsplit(endpoint).hostname in _LOOPBACK for endpoint in endpoints),
        caller=caller,
    )


def at_emulator(project: Project, env: str, emulator: LocalAws) -> Place:
    """Return an environment's place on an emulator that runs."""
    names = Names(project.spec.project, env, ACCOUNT)
    aws = emulator.aws(project.spec.region)
    return Place("local", names, aws, emulator, custom_endpoint=True, emulated=True)


def reach(project: Project, record: Record, profile: str | None, story: Story) -> Place | None:
    """Reach where an environment already is; None if that was an emulator which is gone.

    Raises AwsFailed without usable credentials, BootstrapError if they are for another account.
    """
    if record.target == "local":
        emulator = local.running_emulator(project)
        return at_emulator(project, record.env, emulator) if emulator else None
    place = open_place(project, record.env, "aws", profile, story)
    if place.names.account != record.account_id:
        raise BootstrapError(
            f"'{record.env}' is in the AWS account {record.account_id}; you are signed in to {place.names.account}.",
            hint="Name the profile of that account with --profile.",
        )
    return place


def what_it_lacks(place: Place | None) -> tuple[str, ...]:
    """Return the kinds of things that there cannot be at a place, so that nobody has to look for them.

    The emulators that target aws is rehearsed on have no Data Lifecycle Manager, and nothing is made there that needs
    one.
    """
    return (machines.SCHEDULE,) if place is not None and place.emulated else ()


def refuse_other_account(project: Project, env: str, caller: Caller) -> None:
    """Raise BootstrapError if an environment is tied to another account than the caller's: by bootstrap.toml, or by
    what this folder remembers of it. For an environment that the file does not name, any account of the file is right.
    """
    table = project.spec.environments.get(env)
    if table is not None and table.account not in (None, caller.account):
        where = project.spec.where("environments", env, "account")
        raise BootstrapError(
            f"{where}: '{env}' is in the AWS account {table.account}; you are signed in to {caller.account} "
            f"as {caller.arn}.",
            hint=f"Name the profile of {table.account} with --profile. To begin anew in {caller.account}: take '{env}' "
            "down there first, or take that line out if nothing of it is left.",
        )
    record = project.record(env)
    if record is not None and record.target == "aws" and record.account_id != caller.account:
        raise BootstrapError(
            f"'{env}' is in the AWS account {record.account_id}; you are signed in to {caller.account}.",
            hint="Name the profile of that account with --profile.",
        )
    known = {one.account for one in project.spec.environments.values() if one.account}
    if table is None and env == STATE and known and caller.account not in known:
        accounts = " and ".join(sorted(known))
        raise BootstrapError(
            f"{project.spec.where('environments')}: the environments are in the AWS account {accounts}; you are signed "
            f"in to {caller.account} as {caller.arn}.",
            hint="Name the profile of that account with --profile.",
        )


def refuse_member_profile(project: Project, profile: str | None) -> None:
    """Raise BootstrapError if the operator's profile is one that this tool wrote for a member."""
    name = profile or project.environ.get("AWS_PROFILE") or project.environ.get("AWS_DEFAULT_PROFILE")
    if not name:
        return
    owner = AwsFiles.of(project.environ, project.home).owner_of(name)
    if owner is not None:
        how = "--profile names" if profile else "AWS_PROFILE is"
        raise BootstrapError(
            f"{how} '{name}', the profile of a member of {owner}. It is never used to administer an environment.",
            hint="Name your own profile with --profile, or `unset AWS_PROFILE`.",
        )


def require_same(project: Project, env: str, kind: Target) -> None:
    """Raise BootstrapError if the environment is up on the other target, in another region or under another name."""
    record = project.record(env)
    if record is None:
        return
    first = f"Take it down first: bootstrap down --env {env}"
    if record.target != kind:
        if record.target == "local":
            raise BootstrapError(
                f"'{env}' is up on this laptop (--local), not on AWS.",
                hint=f"Add --local to work on that one. {first}",
            )
        raise BootstrapError(
            f"'{env}' is up on AWS, not on this laptop.",
            hint=f"Leave --local away, or rehearse under another name, for instance --env {env}-local",
        )
    for key, now, then in (
        ("project", project.spec.project, record.project),
        ("region", project.spec.region, record.region),
    ):
        if now != then:
            raise BootstrapError(
                f"{project.spec.where(key)}: {key} is '{now}', but '{env}' is up with {key} '{then}'.",
                hint=f"Write '{then}' again. To move: {first.lower()}",
            )


def profile_before(project: Project, env: str) -> str | None:
    """Return the profile that was named for this environment, unless the shell says who to be now."""
    if any(project.environ.get(name) for name in ("AWS_PROFILE", "AWS_DEFAULT_PROFILE", "AWS_ACCESS_KEY_ID")):
        return None
    record = project.record(env)
    return record.operator_profile if record else None


def _port_before(record: Record | None) -> int | None:
    port = record.endpoint_url.rpartition(":")[2] if record and record.endpoint_url else ""
    return int(port) if port.isdigit() else None
