"""IAM users and their access keys."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime

from bootstrap.adapters.aws.session import Aws, KeyPair, explained
from bootstrap.errors import AwsFailed

# A new key is refused for some seconds on AWS; the emulator knows it at once.
_NEW_KEY_SECONDS = 90.0
_FIRST_PAUSE_SECONDS = 0.25
_LONGEST_PAUSE_SECONDS = 4.0
# https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html
KEYS_PER_USER = 2


@dataclass(frozen=True)
class KeyInfo:
    """An access key as IAM lists it. `last_used` is None if it never was."""

    id: str
    active: bool
    created: datetime
    last_used: datetime | None


def user_exists(aws: Aws, user: str, path: str) -> bool:
    """Tell whether a user is there, on this path. Raises AwsFailed if the name is taken on another path."""
    iam = aws.client("iam")
    with explained(f"look for the IAM user {user} (iam:GetUser)"):
        try:
            found = iam.get_user(UserName=user)["User"]
        except iam.exceptions.NoSuchEntityException:
            return False
    if found["Path"] != path:
        raise AwsFailed(
            f"An IAM user {user} exists on the path {found['Path']}; ours would be on {path}. It was left alone.",
            hint="Rename that user, or choose another `project` in bootstrap.toml.",
        )
    return True


def users_on_path(aws: Aws, path: str) -> list[str]:
    """Return the names of all users on an IAM path, sorted."""
    with explained(f"list the IAM users on {path} (iam:ListUsers)"):
        pages = aws.client("iam").get_paginator("list_users").paginate(PathPrefix=path)
        return sorted(str(user["UserName"]) for page in pages for user in page["Users"])


def keys_of(aws: Aws, user: str) -> list[KeyInfo]:
    """Return a user's access keys, oldest first; none if there is no such user."""
    iam = aws.client("iam")
    with explained(f"list the access keys of {user} (iam:ListAccessKeys)"):
        try:
            listed = iam.list_access_keys(UserName=user)["AccessKeyMetadata"]
        except iam.exceptions.NoSuchEntityException:
            return []
        found = [
            KeyInfo(
                id=entry["AccessKeyId"],
                active=entry["Status"] == "Active",
                created=entry["CreateDate"],
                last_used=iam.get_access_key_last_used(AccessKeyId=entry["AccessKeyId"])
                .get("AccessKeyLastUsed", {})
                .get("LastUsedDate"),
            )
            for entry in listed
        ]
    return sorted(found, key=lambda key: key.created)


def mint_key(aws: Aws, user: str) -> KeyPair:
    """Create an access key. The secret exists in the returned value and nowhere else."""
    with explained(f"create an access key for {user} (iam:CreateAccessKey)"):
        made = aws.client("iam").create_access_key(UserName=user)["AccessKey"]
    return KeyPair(id=made["AccessKeyId"], secret=made["SecretAccessKey"])


def delete_key(aws: Aws, user: str, key_id: str) -> None:
    """Delete an access key; fine if it is gone already."""
    iam = aws.client("iam")
    with explained(f"delete an access key of {user} (iam:DeleteAccessKey)"):
        try:
            iam.delete_access_key(UserName=user, AccessKeyId=key_id)
        except iam.exceptions.NoSuchEntityException:
            return


def delete_user(aws: Aws, user: str) -> None:
    """Delete a user with its inline policies and keys; fine if it is gone already."""
    iam = aws.client("iam")
    for key in keys_of(aws, user):
        delete_key(aws, user, key.id)
    with explained(f"delete the IAM user {user} (iam:DeleteUser)"):
        try:
            for policy in iam.list_user_policies(UserName=user)["PolicyNames"]:
                iam.delete_user_policy(UserName=user, PolicyName=policy)
            iam.delete_user(UserName=user)
        except iam.exceptions.NoSuchEntityException:
            return


def key_works(aws: Aws, user: str) -> bool:
    """Tell whether `aws`, which holds a key, is accepted right now and is this user."""
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        return bool(str(aws.client("sts").get_caller_identity()["Arn"]).endswith(f"/{user}"))
    except (BotoCoreError, ClientError):
        return False


def wait_until_accepted(aws: Aws, user: str, sleep: Callable[[float], None] = time.sleep) -> None:
    """Wait until AWS accepts a new key everywhere we can see. Raises AwsFailed after a minute and a half."""
    waited, pause = 0.0, _FIRST_PAUSE_SECONDS
    while not key_works(aws, user):
        if waited >= _NEW_KEY_SECONDS:
            raise AwsFailed(
                f"AWS did not accept the new access key of {user} within {_NEW_KEY_SECONDS:.0f} seconds.",
                hint="Run the same command again; it goes on where it stopped.",
            )
        sleep(pause)
        waited += pause
        pause = min(pause * 2, _LONGEST_PAUSE_SECONDS)


def create_operator(aws: Aws, user: str, path: str) -> KeyPair:
    """Make the emulator's own administrator, whom its permission checks need before they are switched on."""
    iam = aws.client("iam")
    policy = '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}'
    with explained("make the emulator's operator"):
        with suppress(iam.exceptions.EntityAlreadyExistsException):  # a run before this one got this far
            iam.create_user(UserName=user, Path=path)
        iam.put_user_policy(UserName=user, PolicyName="operator", PolicyDocument=policy)
    return mint_key(aws, user)
