"""IAM users and their access keys."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime

from bootstrap.adapters.aws.belongings import Belonging, take
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
    """An access key as IAM lists it. `last_used` is None if it never was, or if nobody asked (`key_ids`)."""

    id: str
    active: bool
    created: datetime
    last_used: datetime | None


# What lets somebody in comes first.
_BELONGINGS = (
    Belonging(
        "a service-specific credential",
        "list_service_specific_credentials",
        "ServiceSpecificCredentials",
        "ServiceSpecificCredentialId",
        "delete_service_specific_credential",
    ),
    Belonging(
        "a signing certificate",
        "list_signing_certificates",
        "Certificates",
        "CertificateId",
        "delete_signing_certificate",
    ),
    Belonging("an ssh key", "list_ssh_public_keys", "SSHPublicKeys", "SSHPublicKeyId", "delete_ssh_public_key"),
    Belonging("an MFA device", "list_mfa_devices", "MFADevices", "SerialNumber", "deactivate_mfa_device"),
    Belonging("an inline policy", "list_user_policies", "PolicyNames", "PolicyName", "delete_user_policy"),
    Belonging(
        "an attached policy", "list_attached_user_policies", "AttachedPolicies", "PolicyArn", "detach_user_policy"
    ),
    Belonging("a group's membership", "list_groups_for_user", "Groups", "GroupName", "remove_user_from_group"),
)
# What a virtual device's serial number contains; it is an ARN of its own and outlives the user unless it is deleted.
_VIRTUAL_DEVICE = ":mfa/"


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
    """Return the names of all users on exactly this IAM path, sorted."""
    with explained(f"list the IAM users on {path} (iam:ListUsers)"):
        pages = aws.client("iam").get_paginator("list_users").paginate(PathPrefix=path)
        # The prefix of a path would let in those of paths below it, which are nobody's of ours.
        return sorted(str(user["UserName"]) for page in pages for user in page["Users"] if user["Path"] == path)


def tags_of(aws: Aws, user: str) -> dict[str, str]:
    """Return a user's tags; none if there is no such user."""
    iam = aws.client("iam")
    with explained(f"read the tags of {user} (iam:ListUserTags)"), suppress(iam.exceptions.NoSuchEntityException):
        pages = iam.get_paginator("list_user_tags").paginate(UserName=user)
        return {str(tag["Key"]): str(tag["Value"]) for page in pages for tag in page["Tags"]}
    return {}


def key_ids(aws: Aws, user: str) -> list[KeyInfo]:
    """Return a user's access keys, oldest first, without when they were last used; none if there is no such user.

    One call. `keys_of` makes one more for each key, which for a class of 300 takes its time.
    """
    iam = aws.client("iam")
    with explained(f"list the access keys of {user} (iam:ListAccessKeys)"):
        try:
            # Never more than one page: a user has at most KEYS_PER_USER keys.
            listed = iam.list_access_keys(UserName=user)["AccessKeyMetadata"]
        except iam.exceptions.NoSuchEntityException:
            return []
    found = [KeyInfo(entry["AccessKeyId"], entry["Status"] == "Active", entry["CreateDate"], None) for entry in listed]
    return sorted(found, key=lambda key: key.created)


def keys_of(aws: Aws, user: str) -> list[KeyInfo]:
    """Return a user's access keys, oldest first; none if there is no such user."""
    iam = aws.client("iam")
    found = []
    for key in key_ids(aws, user):
        with explained(f"look when an access key of {user} was last used (iam:GetAccessKeyLastUsed)"):
            used = iam.get_access_key_last_used(AccessKeyId=key.id).get("AccessKeyLastUsed", {})
        found.append(replace(key, last_used=used.get("LastUsedDate")))
    return found


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


def set_key_active(aws: Aws, user: str, key_id: str, active: bool) -> None:
    """Switch an access key on or off; fine if it is gone."""
    iam = aws.client("iam")
    with (
        explained(f"switch an access key of {user} {'on' if active else 'off'} (iam:UpdateAccessKey)"),
        suppress(iam.exceptions.NoSuchEntityException),
    ):
        iam.update_access_key(UserName=user, AccessKeyId=key_id, Status="Active" if active else "Inactive")


def strip_user(aws: Aws, user: str, ended: Callable[[str], None] = lambda _: None) -> None:
    """Take from a user all that lets somebody in, and all that keeps a user from being deleted; safe to run again.

    `ended` gets the id of each access key as it ends.

    Access keys first. The policies go too: a session that was begun with a key may outlive the key by hours, and can
    then do nothing any more. Fine if there is no such user.

    https://docs.aws.amazon.com/IAM/latest/UserGuide/id_users_remove.html
    """
    keys = key_ids(aws, user)
    for key in keys:
        set_key_active(aws, user, key.id, active=False)
    for key in keys:
        delete_key(aws, user, key.id)
        ended(key.id)
    iam = aws.client("iam")
    gone = iam.exceptions.NoSuchEntityException
    with explained(f"look for the IAM user {user} (iam:GetUser)"):
        try:
            bounded = "PermissionsBoundary" in iam.get_user(UserName=user)["User"]
        except gone:
            return
    with explained(f"delete the console password of {user} (iam:DeleteLoginProfile)"), suppress(gone):
        iam.delete_login_profile(UserName=user)
    for belonging in _BELONGINGS:
        for one in take(aws, "UserName", user, belonging):
            if belonging.id == "SerialNumber" and _VIRTUAL_DEVICE in one:
                with explained(f"delete the virtual MFA device of {user}"), suppress(gone):
                    iam.delete_virtual_mfa_device(SerialNumber=one)
    if bounded:
        # Last: by now there is nothing left that it would hold back.
        with (
            explained(f"take the permissions boundary from {user}"),
            suppress(gone),
        ):
            iam.delete_user_permissions_boundary(UserName=user)


def delete_user(aws: Aws, user: str) -> None:
    """Delete a user with everything that hangs on it; fine if it is gone already."""
    strip_user(aws, user)
    iam = aws.client("iam")
    with explained(f"delete the IAM user {user} (iam:DeleteUser)"), suppress(iam.exceptions.NoSuchEntityException):
        iam.delete_user(UserName=user)


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


def create_artifact_store(aws: Aws, user: str, path: str, bucket: str) -> KeyPair:
    """Make the identity of the emulator's MLflow server: it reaches `mlflow/` in one bucket and nothing else.

    Its key is a new one each time; the one of an earlier start goes.
    """
    iam, arn = aws.client("iam"), f"arn:aws:s3:::{bucket}"
    statements = [
        {
            "Effect": "Allow",
            "Action": ["s3:GetObject", "s3:PutObject", "s3:DeleteObject", "s3:AbortMultipartUpload"],
            "Resource": f"{arn}/mlflow/*",
        },
        {
            "Effect": "Allow",
            "Action": "s3:ListBucket",
            "Resource": arn,
            "Condition": {"StringLike": {"s3:prefix": "mlflow/*"}},
        },
    ]
    policy = json.dumps({"Version": "2012-10-17", "Statement": statements})
    with explained("make the identity of the MLflow server"):
        with suppress(iam.exceptions.EntityAlreadyExistsException):
            iam.create_user(UserName=user, Path=path)
        iam.put_user_policy(UserName=user, PolicyName="artifacts", PolicyDocument=policy)
    for key in key_ids(aws, user):
        delete_key(aws, user, key.id)
    return mint_key(aws, user)
