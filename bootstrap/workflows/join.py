"""`join`: the student's side of an invite. Everything is tried before the first byte is written, and again after."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Protocol

from bootstrap.adapters import sealing, servers
from bootstrap.adapters.aws import probes
from bootstrap.adapters.aws.session import Aws, KeyPair, error_code
from bootstrap.adapters.dagshub import Dagshub
from bootstrap.adapters.files import check_writable, locked
from bootstrap.core.dagshub import TOKEN, Hub, hub_of
from bootstrap.core.invite import ASK_FOR_A_NEW_ONE, Invite, InviteError, check_current, parse_invite
from bootstrap.core.last_day import day_in_utc
from bootstrap.core.names import Names
from bootstrap.core.record import Record
from bootstrap.errors import AwsFailed, BootstrapError, UsageError, VerificationFailed
from bootstrap.workflows import laptop as laptops
from bootstrap.workflows.laptop import Laptop
from bootstrap.workflows.mlflow_dagshub import given_token
from bootstrap.workflows.mlflow_kinds import checks_of
from bootstrap.workflows.project import Project, open_folder
from bootstrap.workflows.story import Story
from bootstrap.workflows.verify import Check, verified

# A new key is refused for some seconds on AWS, in each of its services by itself. After a while it is not new any more.
_NEW_FOR = timedelta(minutes=15)
_PATIENCE_SECONDS = 90.0
_FIRST_PAUSE_SECONDS = 0.25
_LONGEST_PAUSE_SECONDS = 4.0
# What STS and S3 say of a key that is not (or not yet) there, or switched off.
# https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html
_UNKNOWN_KEY = frozenset({"InvalidClientTokenId", "InvalidAccessKeyId"})
# What they say when the clocks of both sides are too far apart; nothing else can be wrong with a key from an invite.
_WRONG_CLOCK = frozenset({"SignatureDoesNotMatch", "RequestTimeTooSkewed", "RequestExpired"})
# As long as another `join` in the same folder may take.
_LOCK_SECONDS = 150.0
_PROFILE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")
_PROBE = ".bootstrap-probe"


class Opener(Protocol):
    """Where the secret comes from that opens an invite."""

    def code(self) -> str:
        """Return the invite's code."""

    def passphrase(self) -> str:
        """Return the invite's passphrase."""

    def key_passphrase(self, key: Path) -> str:
        """Return the passphrase of an ssh key."""


AskToken = Callable[[Hub], "str | None"]


def _nobody_is_asked(_: Hub) -> str | None:
    return None


@dataclass(frozen=True)
class Joined:
    """What a `join` did, and in which folder. `changed` is False if everything was there already."""

    project: Project
    record: Record
    invite: Invite
    checks: list[Check]
    changed: bool


def open_invite(sealed: str, opener: Opener, identities: Sequence[Path], home: Path) -> Invite:
    """Open the text of an invite's file. Raises InviteError.

    `identities`: the ssh keys to try, by default those of `home`. Only what this kind of invite needs is asked for.
    """
    kind = sealing.kind_of(sealed)
    if kind == "code":
        return parse_invite(sealing.open_with_code(sealed, opener.code()))
    if kind == "passphrase":
        return parse_invite(sealing.open_with_passphrase(sealed, opener.passphrase()))
    keys = list(identities) or sealing.ssh_identities(home)
    return parse_invite(sealing.open_with_ssh(sealed, keys, opener.key_passphrase))


def join(
    start: Path,
    environ: Mapping[str, str],
    home: Path,
    invite: Invite,
    profile: str | None,
    story: Story,
    now: datetime,
    sleep: Callable[[float], None] = time.sleep,
    ask_token: AskToken = _nobody_is_asked,
) -> Joined:
    """Write and try out what an invite holds, in the git repository that `start` is in, else in `start` itself.

    `profile` names the AWS profile, None for the usual name; `now` is in UTC. `ask_token` asks for a token on DagsHub
    where MLflow is there and none is in the environment. Until the key is accepted nothing is
    written; safe to run again after an interruption. Raises InviteError for an invite that is of no use any more,
    ConfigError for what somebody wrote by hand in our place, VerificationFailed, any other BootstrapError.
    """
    check_current(invite, day_in_utc(now))
    project = open_folder(start, environ, home)
    with locked(project.joins, timeout=_LOCK_SECONDS):
        _refuse_folder(project, start, invite)
        laptop = laptops.look_around(project)
        record = _draft(project, invite, _profile_name(laptop, invite, profile, story))
        shared = invite.aws_profile
        laptops.check(laptop, record.aws_profile, record.owner, record.env, record.dvc_remote_url, shared)
        hub = hub_of(record.mlflow_tracking_uri)
        laptops.check_hub(project, laptop, hub)
        check_writable(project.joins / "before.json", hint="Run this in a folder of your own.")
        if names := laptops.shadowing(environ):
            story.note(
                f"Your shell sets {', '.join(names)}, and that wins over any AWS profile. `unset` before you use "
                f"the profile {record.aws_profile}."
            )
        key = KeyPair(invite.access_key_id, invite.secret_access_key)
        with story.step("Waiting until AWS accepts the key" if invite.target == "aws" else "Trying the key"):
            aws = _accepted(invite, key, now, sleep)
        password = invite.mlflow_password or laptops.read_password(laptop, record)
        if hub is not None:
            record, password = _at_dagshub(hub, record, password, environ, ask_token, story)
        key_before = laptops.read_key(laptop, record)
        steps = laptops.steps(laptop, record, key_before == key, password)
        changed = bool(steps) or not record.complete
        record = _write(project, laptop, record, key, password, story)
        with story.step("Trying out what was written"):
            checks = _verified(_try_out(laptop, record, aws))
        project.save(record.completed())
    # Each folder has the password in an `.env` of its own.
    if key_before not in (None, key) and (others := laptops.also_joined(project, record)):
        listed = ", ".join(map(str, others))
        story.note(f"The AWS profile {record.aws_profile} is used in {listed} too; open the invite there as well.")
    return Joined(project, record.completed(), invite, checks, changed)


def _verified(checks: list[Check]) -> list[Check]:
    """Return the checks if all came out right. Raises VerificationFailed with what a student can do about it."""
    try:
        return verified(checks)
    except VerificationFailed as error:
        hint = "Your role or team may have changed since the invite was made. " + ASK_FOR_A_NEW_ONE
        raise VerificationFailed(error.message, hint=hint) from None


def _refuse_folder(project: Project, start: Path, invite: Invite) -> None:
    """Raise BootstrapError where the remote or the settings of somebody else would be overwritten."""
    for folder in (start, *start.parents):
        up = replace(project, folder=folder).record(invite.env)
        if up is not None:
            raise BootstrapError(
                f"'{up.env}' of the project {up.project} was brought up from {folder}: this is an operator's folder.",
                hint="Open the invite in another folder: a clone of the repository, or an empty one.",
            )
        if folder == project.folder:
            break
    for other in project.joined():
        if other.env == invite.env and other.owner != _owner(invite):
            raise BootstrapError(
                f"{other.member} has joined '{other.env}' of the project {other.project} in {project.folder}.",
                hint=f"Open this invite in another folder, or first: bootstrap leave --env {other.env}",
            )


def _profile_name(laptop: Laptop, invite: Invite, wanted: str | None, story: Story) -> str:
    """Choose the AWS profile's name: the one there is, else the one asked for, else one that is not taken by us.

    Raises UsageError for a name that the AWS tools could not use, or if the member has another one here already.
    """
    if wanted is not None and not _PROFILE.fullmatch(wanted):
        raise UsageError(
            f"'{wanted}' cannot be the name of a profile.", hint="Take letters, digits and, between them, - _ and dots."
        )
    owner = _owner(invite)
    present = laptop.files.name_of(owner)
    if present is not None:
        if wanted not in (None, present):
            raise UsageError(
                f"{invite.member} has the AWS profile {present} on this machine already.",
                hint=f"Leave --profile away, or first: bootstrap leave --env {invite.env}",
            )
        return present
    if wanted is not None:
        return wanted
    holder = laptop.files.owner_of(invite.aws_profile)
    if holder is None or holder == owner:
        return invite.aws_profile
    name = f"{invite.aws_profile}-{invite.member}"
    story.note(f"The AWS profile {invite.aws_profile} on this machine is that of {holder}; yours is called {name}.")
    return name


def _draft(project: Project, invite: Invite, profile: str) -> Record:
    """Return the record of the join as it will be; complete if that is how it was left the last time."""
    # Who somebody is on DagsHub, only their token tells.
    is_ours = invite.mlflow_tracking_uri is not None and hub_of(invite.mlflow_tracking_uri) is None
    new = Record(
        project=invite.project,
        env=invite.env,
        target=invite.target,
        region=invite.region,
        account_id=invite.account_id,
        endpoint_url=invite.endpoint_url,
        bucket=invite.bucket,
        state_bucket=invite.state_bucket,
        aws_profile=profile,
        dvc_remote_url=invite.dvc_remote_url,
        mlflow_tracking_uri=invite.mlflow_tracking_uri,
        mlflow_username=invite.member if is_ours else None,
        member=invite.member,
        role=invite.role,
        team=invite.team,
        expires=invite.expires.isoformat() if invite.expires else None,
    )
    before = next((record for record in project.joined() if record.owner == new.owner), None)
    if before is None:
        return new
    new = replace(
        new,
        dvc_repository=before.dvc_repository,
        dvc_default_before=before.dvc_default_before,
        dvc_autostage_before=before.dvc_autostage_before,
        dvc_local_profile=before.dvc_local_profile,
        dvc_local_before=before.dvc_local_before,
        dagshub_remote=before.dagshub_remote,
        mlflow_username=new.mlflow_username or before.mlflow_username,
    )
    return new.completed() if new.completed() == before else new


def _at_dagshub(
    hub: Hub, record: Record, known: str | None, environ: Mapping[str, str], ask: AskToken, story: Story
) -> tuple[Record, str | None]:
    """Return the record with the member's name on DagsHub, and their token; without one all but MLflow is written.

    Raises UsageError, BootstrapError for a token that is none.
    """
    token = given_token(environ) or known or given_token({TOKEN: ask(hub) or ""})
    if token is None:
        story.note(
            f"MLflow is at {hub.tracking_uri}, where you log in as yourself. Make a token of your own at "
            f"{hub.token_page}, then: export {TOKEN}=… and open this invite again."
        )
        return record, None
    user = Dagshub(hub, token).user()
    if not Dagshub(hub, token).login_works(user):
        story.note(
            f"MLflow at {hub.tracking_uri} does not take {user} yet. Ask the person who invited you to add you to the "
            f"repository {hub.repository} on DagsHub, then open this invite again."
        )
        return record, None
    return replace(record, mlflow_username=user), token


def _write(
    project: Project, laptop: Laptop, record: Record, key: KeyPair, password: str | None, story: Story
) -> Record:
    """Write everything; a second time the same changes no byte. What `leave` needs is written first, each time."""
    project.make_work()
    project.save(record)
    laptops.note_folder(project)
    laptops.write_profile(laptop, record, key)
    at_dagshub = hub_of(record.mlflow_tracking_uri) is not None
    record = laptops.write_remote(project, laptop, record, story, password if at_dagshub else None)
    if record.mlflow_tracking_uri and not password and not at_dagshub:
        story.note(
            f"This invite leaves {record.member}'s password at MLflow as it was, and there is none in .env here. "
            "Open the invite that came before it first, or ask for a new one."
        )
    laptops.write_env(laptop, record, password, project)
    return record


def _accepted(invite: Invite, key: KeyPair, now: datetime, sleep: Callable[[float], None]) -> Aws:
    """Return AWS as the member sees it, once both STS and S3 take the key.

    Raises InviteError for a key that is not there (any more) or is somebody else's.
    """
    # Asked first: whatever else listens on that port answers in no way that an AWS client understands.
    if invite.endpoint_url is not None and not servers.answers(f"{invite.endpoint_url}/moto-api/"):
        raise BootstrapError(
            f"This invite is for a rehearsal on the laptop of the person who invited you, and no server for it runs at "
            f"{invite.endpoint_url}.",
            hint=f"It opens on that laptop alone, after `bootstrap up --env {invite.env} --local` there.",
        )
    aws = Aws(invite.region, invite.endpoint_url, key=key)
    made = datetime.fromisoformat(invite.created.replace("Z", "+00:00"))
    patience = _PATIENCE_SECONDS if invite.target == "aws" and now - made < _NEW_FOR else 0.0
    waited, pause = 0.0, _FIRST_PAUSE_SECONDS
    while True:
        try:
            caller = aws.caller()
            # What a new user may do takes as long to arrive as the key does.
            if probes.may_list(aws, invite.bucket, f"members/{invite.member}/") or waited >= patience:
                break
        except AwsFailed as error:
            _explain(error, invite, still_waiting=waited < patience)
        sleep(pause)
        waited += pause
        pause = min(pause * 2, _LONGEST_PAUSE_SECONDS)
    user = Names(invite.project, invite.env, invite.account_id).iam_user(invite.member)
    if caller.account != invite.account_id or not caller.arn.endswith(f"/{user}"):
        raise InviteError(
            f"The key in this invite is not {invite.member}'s: AWS says it is of {caller.arn}.", hint=ASK_FOR_A_NEW_ONE
        )
    return aws


def _explain(error: AwsFailed, invite: Invite, *, still_waiting: bool) -> None:
    """Say what a refusal means for somebody with an invite; return if it is worth another try."""
    code = error_code(error.__cause__) if isinstance(error.__cause__, Exception) else ""
    if code in _UNKNOWN_KEY:
        if still_waiting:
            return
        raise InviteError(
            f"This invite is no longer valid: AWS does not know its key, so {invite.member} was given another one, "
            f"or is not in '{invite.env}' any more.",
            hint=ASK_FOR_A_NEW_ONE,
        ) from error
    if code in _WRONG_CLOCK:
        hint = "Look at the clock of this machine: AWS refuses one that is wrong."
    elif code:
        hint = f"Run the same command again. If it stays so: {ASK_FOR_A_NEW_ONE}"
    else:
        hint = "Check your network, then run the same command again."
    raise BootstrapError(error.message, hint=hint) from error


def _try_out(laptop: Laptop, record: Record, aws: Aws) -> list[Check]:
    """Use what stands in the files now, the way the member will; nothing is left behind."""
    written = laptops.read_key(laptop, record), laptop.files.endpoint(record.aws_profile, record.owner)
    team, own = f"dvc/{record.team}/", f"members/{record.member}/"
    checks = [
        # So what is tried with `aws` is tried with the profile.
        Check("read the AWS profile back", True, written == (aws.key, aws.endpoint_url)),
        Check("list dataset/", True, probes.may_list(aws, record.bucket, "dataset/")),
        Check(f"list {team}", True, probes.may_list(aws, record.bucket, team)),
        Check(f"write below {team}", True, probes.may_begin_upload(aws, record.bucket, f"{team}{_PROBE}")),
        Check(f"list {own}", True, probes.may_list(aws, record.bucket, own)),
        Check(f"write below {own}", True, probes.may_begin_upload(aws, record.bucket, f"{own}{_PROBE}")),
    ]
    try:
        checks += checks_of(record, laptops.read_password(laptop, record))
    except BootstrapError as error:
        raise BootstrapError(
            f"{error.message} Everything else is written, and works.",
            hint="Ask the person who invited you whether that server runs, and whether it lets your address in; then "
            "run the same command again.",
        ) from error
    return checks


def _owner(invite: Invite) -> str:
    return f"{invite.project}/{invite.env}/{invite.member}"
