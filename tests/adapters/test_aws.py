"""Buckets, people and keys on moto in this process, and what AWS's refusals become."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from botocore.exceptions import (
    ClientError,
    EndpointConnectionError,
    NoCredentialsError,
    NoRegionError,
    PartialCredentialsError,
)
from botocore.parsers import ResponseParserError
from botocore.stub import Stubber
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from moto import mock_aws

from bootstrap.adapters.aws import buckets, emptying, people, probes, simulation
from bootstrap.adapters.aws.buckets import StateLock
from bootstrap.adapters.aws.session import Aws, KeyPair, error_code, explained, is_denied
from bootstrap.core.access import Ask
from bootstrap.errors import AwsFailed

ACCOUNT = "123456789012"
BUCKET = "demo--stag--123456789012"
ANYBODY = KeyPair("AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY")
USER, USER_PATH = "demo.stag.ci", "/demo/stag/"


@pytest.fixture
def aws() -> Iterator[Aws]:
    """An AWS of this test's own, empty, that takes any key."""
    with mock_aws():
        yield Aws("eu-west-1", key=ANYBODY)


@pytest.fixture
def s3(aws: Aws) -> Any:
    """A client of an AWS with one versioned bucket."""
    client = aws.client("s3")
    client.create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": aws.region})
    client.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})
    return client


@pytest.fixture
def iam(aws: Aws) -> Any:
    """A client of an AWS with one user of ours."""
    client = aws.client("iam")
    client.create_user(UserName=USER, Path=USER_PATH)
    return client


def refusal(code: str, operation: str = "CreateBucket", message: str = "No.") -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": message}}, operation)


# --- buckets ---


@pytest.mark.parametrize("region", ["us-east-1", "eu-west-1"])
def test_the_state_bucket_is_private_encrypted_versioned_and_tagged(aws: Aws, region: str) -> None:
    here = Aws(region, key=ANYBODY)
    tags = {"bootstrap:project": "demo", "bootstrap:env": "tfstate"}
    for _ in range(2):  # again, as after a crash
        buckets.create_state_bucket(here, BUCKET, tags)
    s3 = here.client("s3")
    assert s3.get_bucket_location(Bucket=BUCKET)["LocationConstraint"] == (None if region == "us-east-1" else region)
    assert set(s3.get_public_access_block(Bucket=BUCKET)["PublicAccessBlockConfiguration"].values()) == {True}
    assert s3.get_bucket_versioning(Bucket=BUCKET)["Status"] == "Enabled"
    [rule] = s3.get_bucket_encryption(Bucket=BUCKET)["ServerSideEncryptionConfiguration"]["Rules"]
    assert rule["ApplyServerSideEncryptionByDefault"] == {"SSEAlgorithm": "AES256"}
    [ownership] = s3.get_bucket_ownership_controls(Bucket=BUCKET)["OwnershipControls"]["Rules"]
    assert ownership["ObjectOwnership"] == "BucketOwnerEnforced"
    assert buckets.tags(here, BUCKET) == tags
    assert buckets.exists(here, BUCKET, ACCOUNT)


def test_a_bucket_that_is_not_there(aws: Aws) -> None:
    assert buckets.exists(aws, BUCKET, ACCOUNT) is False


def test_a_bucket_of_somebody_else_is_told(aws: Aws) -> None:
    with Stubber(aws.client("s3")) as stub:
        stub.add_client_error("head_bucket", "403", "Forbidden", http_status_code=403)
        with pytest.raises(AwsFailed, match=f"Could not look at bucket {BUCKET}") as caught:
            buckets.exists(aws, BUCKET, ACCOUNT)
    assert "lacks the permission for HeadBucket" in caught.value.hint


def test_a_bucket_without_tags(aws: Aws, s3: Any) -> None:
    assert buckets.tags(aws, BUCKET) == {}


def test_what_is_in_a_bucket_and_the_end_of_an_empty_one(aws: Aws, s3: Any) -> None:
    for key in ("dataset/a", "dataset/b", "mlflow/größe & +%", "mlflow/"):
        s3.put_object(Bucket=BUCKET, Key=key, Body=b"12345")
    assert not buckets.is_empty(aws, BUCKET)
    assert buckets.count_objects(aws, BUCKET) == (3, 15)
    emptying.empty(aws, BUCKET)
    assert buckets.is_empty(aws, BUCKET)
    buckets.delete(aws, BUCKET)
    assert not buckets.exists(aws, BUCKET, ACCOUNT)


def test_a_deleted_file_still_fills_a_bucket(aws: Aws, s3: Any) -> None:
    s3.put_object(Bucket=BUCKET, Key="a", Body=b"x")
    s3.delete_object(Bucket=BUCKET, Key="a")
    assert buckets.count_objects(aws, BUCKET) == (0, 0)
    assert not buckets.is_empty(aws, BUCKET)


def test_a_bucket_that_is_not_empty_is_not_deleted(aws: Aws, s3: Any) -> None:
    s3.put_object(Bucket=BUCKET, Key="a", Body=b"x")
    with pytest.raises(AwsFailed, match=f"Could not delete bucket {BUCKET}.*BucketNotEmpty"):
        buckets.delete(aws, BUCKET)


LOCK = {
    "ID": "6d495122-cb0c-d0e7-6b96-0edee28381df",
    "Operation": "OperationTypeApply",
    "Info": "",
    "Who": "ana@lab-7",
    "Version": "1.11.4",
    "Created": "2026-11-21T08:12:32.011760835Z",
    "Path": f"{BUCKET}/stag/environment.tfstate",
}
STATE = "stag/environment.tfstate"


def test_a_lock_is_read_and_removed(aws: Aws, s3: Any) -> None:
    assert buckets.read_lock(aws, BUCKET, STATE) is None
    s3.put_object(Bucket=BUCKET, Key=f"{STATE}.tflock", Body=json.dumps(LOCK).encode())
    s3.put_object(Bucket=BUCKET, Key=STATE, Body=b"{}")
    lock = buckets.read_lock(aws, BUCKET, STATE)
    assert lock == StateLock(
        f"{STATE}.tflock", LOCK["ID"], "ana@lab-7", "2026-11-21T08:12:32.011760835Z", "OperationTypeApply"
    )
    assert buckets.read_lock(aws, BUCKET, "stag/members.tfstate") is None
    buckets.remove_lock(aws, BUCKET, lock)
    assert buckets.read_lock(aws, BUCKET, STATE) is None
    assert [entry["Key"] for entry in s3.list_objects_v2(Bucket=BUCKET)["Contents"]] == [STATE]


@pytest.mark.parametrize("body", [b"", b"{", b"\xff", b"{}"])
def test_a_lock_that_cannot_be_read_is_still_a_lock(body: bytes, aws: Aws, s3: Any) -> None:
    s3.put_object(Bucket=BUCKET, Key=f"{STATE}.tflock", Body=body)
    assert buckets.read_lock(aws, BUCKET, STATE) == StateLock(f"{STATE}.tflock", "", "", "", "")


def test_without_a_state_bucket_there_is_no_lock(aws: Aws) -> None:
    assert buckets.read_lock(aws, BUCKET, STATE) is None


# --- people ---


def test_whether_a_user_is_there(aws: Aws, iam: Any) -> None:
    assert people.user_exists(aws, USER, USER_PATH) is True
    assert people.user_exists(aws, "demo.stag.ana", USER_PATH) is False
    with pytest.raises(AwsFailed, match=f"{USER} exists on the path {USER_PATH}; ours would be on /demo/prod/"):
        people.user_exists(aws, USER, "/demo/prod/")


def test_who_is_on_a_path(aws: Aws, iam: Any) -> None:
    for name, path in (("demo.stag.ana", USER_PATH), ("demo.prod.ci", "/demo/prod/"), ("root", "/")):
        iam.create_user(UserName=name, Path=path)
    assert people.users_on_path(aws, USER_PATH) == ["demo.stag.ana", USER]
    assert people.users_on_path(aws, "/nobody/") == []


def test_a_key_is_minted_and_its_secret_does_not_show(aws: Aws, iam: Any) -> None:
    assert people.keys_of(aws, USER) == []
    key = people.mint_key(aws, USER)
    [listed] = people.keys_of(aws, USER)
    assert (listed.id, listed.active) == (key.id, True)
    assert len(key.secret) == 40
    assert key.secret not in repr(key)
    assert key.secret not in repr(aws.with_key(key))


def test_two_keys_are_the_most_and_deleting_one_makes_room(aws: Aws, iam: Any) -> None:
    first, second = people.mint_key(aws, USER), people.mint_key(aws, USER)
    with pytest.raises(AwsFailed, match=rf"Could not create an access key for {USER} \(iam:CreateAccessKey\).*Limit"):
        people.mint_key(aws, USER)
    people.delete_key(aws, USER, first.id)
    people.delete_key(aws, USER, first.id)  # gone already
    third = people.mint_key(aws, USER)
    keys = people.keys_of(aws, USER)
    assert {key.id for key in keys} == {second.id, third.id}
    assert [key.created for key in keys] == sorted(key.created for key in keys)


def test_keys_tell_which_of_them_is_spare(aws: Aws, iam: Any) -> None:
    used, idle = people.mint_key(aws, USER), people.mint_key(aws, USER)
    iam.update_access_key(UserName=USER, AccessKeyId=idle.id, Status="Inactive")
    aws.with_key(used).client("sts").get_caller_identity()
    keys = {key.id: key for key in people.keys_of(aws, USER)}
    assert (keys[used.id].active, keys[idle.id].active) == (True, False)
    assert keys[idle.id].last_used is None
    assert keys[used.id].created <= datetime.now(timezone.utc)


def test_nobody_has_no_keys(aws: Aws) -> None:
    assert people.keys_of(aws, "nobody") == []
    people.delete_key(aws, "nobody", "AKIAIOSFODNN7EXAMPLE")
    people.delete_user(aws, "nobody")
    with pytest.raises(AwsFailed, match="NoSuchEntity"):
        people.mint_key(aws, "nobody")


def test_key_ids_cost_one_call(aws: Aws, iam: Any) -> None:
    made = [people.mint_key(aws, USER).id for _ in range(2)]
    calls = noted(iam)
    assert {key.id for key in people.key_ids(aws, USER)} == set(made)
    assert calls == ["ListAccessKeys"]
    assert people.key_ids(aws, "nobody") == []


def test_a_key_is_switched_off_and_on(aws: Aws, iam: Any) -> None:
    key = people.mint_key(aws, USER)
    for active in (False, False, True):
        people.set_key_active(aws, USER, key.id, active)
        assert [one.active for one in people.key_ids(aws, USER)] == [active]
    people.set_key_active(aws, USER, "AKIAIOSFODNN7EXAMPLE", False)  # gone already


def test_tags_of_a_user(aws: Aws, iam: Any) -> None:
    assert people.tags_of(aws, USER) == {}
    iam.tag_user(UserName=USER, Tags=[{"Key": "bootstrap:role", "Value": "student"}])
    assert people.tags_of(aws, USER) == {"bootstrap:role": "student"}
    assert people.tags_of(aws, "nobody") == {}


def noted(client: Any) -> list[str]:
    """Return a list that the names of all calls are added to from now on."""
    calls: list[str] = []
    client.meta.events.register("provide-client-params", lambda model, **_: calls.append(model.name))
    return calls


def answered(client: Any, operation: str, *replies: dict[str, Any] | Exception) -> list[dict[str, str]]:
    """Answer the next calls of what moto lacks; the last reply is for all that follow. Return what was asked."""
    asked: list[dict[str, str]] = []

    def answer(params: dict[str, Any], **_: object) -> tuple[SimpleNamespace, dict[str, Any]]:
        asked.append({key: value for key, value in params["body"].items() if key not in ("Action", "Version")})
        reply = replies[min(len(asked), len(replies)) - 1]
        if isinstance(reply, Exception):
            raise reply
        return SimpleNamespace(status_code=200), reply

    client.meta.events.register(f"before-call.iam.{operation}", answer)
    return asked


def certificate() -> str:
    """Return a certificate that nobody trusts, which is all that IAM asks of one for signing."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.oid.NameOID.COMMON_NAME, "ana")])
    now = datetime.now(timezone.utc)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now)
        .not_valid_after(now + timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    return made.public_bytes(serialization.Encoding.PEM).decode()


POLICY = json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:*", "Resource": "*"}]})
MOTO_HAS_NONE = ResponseParserError("Unable to parse response")  # what becomes of the page of HTML that moto sends


@pytest.fixture
def owner(aws: Aws, iam: Any) -> Any:
    """A client of an AWS with a user who has one of everything that can hang on a user."""
    for _ in range(2):
        people.mint_key(aws, USER)
    iam.create_login_profile(UserName=USER, Password="correct horse battery staple")
    device = iam.create_virtual_mfa_device(VirtualMFADeviceName="phone")["VirtualMFADevice"]["SerialNumber"]
    for serial in (device, "GAHT12345678"):
        iam.enable_mfa_device(
            UserName=USER, SerialNumber=serial, AuthenticationCode1="123456", AuthenticationCode2="654321"
        )
    iam.upload_ssh_public_key(UserName=USER, SSHPublicKeyBody="ssh-ed25519 AAAA ana")
    iam.upload_signing_certificate(UserName=USER, CertificateBody=certificate())
    for name in ("one", "two"):
        iam.put_user_policy(UserName=USER, PolicyName=name, PolicyDocument=POLICY)
    policy = iam.create_policy(PolicyName="managed", PolicyDocument=POLICY)["Policy"]["Arn"]
    iam.attach_user_policy(UserName=USER, PolicyArn=policy)
    iam.create_group(GroupName="lab")
    iam.add_user_to_group(UserName=USER, GroupName="lab")
    return iam


def belongings(iam: Any) -> dict[str, int]:
    """Count what hangs on the user."""
    listed = {
        "keys": iam.list_access_keys(UserName=USER)["AccessKeyMetadata"],
        "devices": iam.list_mfa_devices(UserName=USER)["MFADevices"],
        "virtual devices": iam.list_virtual_mfa_devices()["VirtualMFADevices"],
        "ssh keys": iam.list_ssh_public_keys(UserName=USER)["SSHPublicKeys"],
        "certificates": iam.list_signing_certificates(UserName=USER)["Certificates"],
        "inline": iam.list_user_policies(UserName=USER)["PolicyNames"],
        "attached": iam.list_attached_user_policies(UserName=USER)["AttachedPolicies"],
        "groups": iam.list_groups_for_user(UserName=USER)["Groups"],
    }
    return {what: len(found) for what, found in listed.items()}


def test_a_user_is_stripped_of_everything_keys_first(aws: Aws, owner: Any) -> None:
    answered(owner, "ListServiceSpecificCredentials", MOTO_HAS_NONE)
    assert min(belongings(owner).values()) > 0
    calls = noted(owner)
    people.strip_user(aws, USER)
    assert calls[:5] == ["ListAccessKeys", *["UpdateAccessKey"] * 2, *["DeleteAccessKey"] * 2]
    assert set(belongings(owner).values()) == {0}
    with pytest.raises(owner.exceptions.NoSuchEntityException):
        owner.get_login_profile(UserName=USER)
    people.strip_user(aws, USER)  # again, as after a crash
    assert people.user_exists(aws, USER, USER_PATH)
    people.delete_user(aws, USER)
    assert people.user_exists(aws, USER, USER_PATH) is False
    assert owner.get_group(GroupName="lab")["Users"] == []
    assert [one["PolicyName"] for one in owner.list_policies(Scope="Local")["Policies"]] == ["managed"]


def test_passwords_for_one_service_go_too(aws: Aws, iam: Any) -> None:
    listed = [{"ServiceSpecificCredentialId": f"ACCAEXAMPLE000000000{n}", "UserName": USER} for n in range(2)]
    answered(iam, "ListServiceSpecificCredentials", {"ServiceSpecificCredentials": listed})
    deleted = answered(iam, "DeleteServiceSpecificCredential", {})
    people.strip_user(aws, USER)
    assert [one["ServiceSpecificCredentialId"] for one in deleted] == [
        one["ServiceSpecificCredentialId"] for one in listed
    ]


@pytest.mark.parametrize("operation", ["ListServiceSpecificCredentials", "ListMFADevices"])
def test_what_aws_itself_refuses_is_not_passed_over(operation: str, aws: Aws, iam: Any) -> None:
    answered(iam, operation, refusal("ServiceFailure", operation))
    answered(iam, "ListServiceSpecificCredentials", MOTO_HAS_NONE)
    with pytest.raises(AwsFailed, match=f"ServiceFailure.*{operation}"):
        people.strip_user(aws, USER)


def test_a_boundary_goes_last(aws: Aws, iam: Any) -> None:
    answered(iam, "ListServiceSpecificCredentials", MOTO_HAS_NONE)
    boundary = {"PermissionsBoundaryType": "Policy", "PermissionsBoundaryArn": "arn:aws:iam::aws:policy/ReadOnlyAccess"}
    answered(iam, "GetUser", {"User": {"UserName": USER, "PermissionsBoundary": boundary}})
    removed = answered(iam, "DeleteUserPermissionsBoundary", {})
    calls = noted(iam)
    people.strip_user(aws, USER)
    assert removed == [{"UserName": USER}]
    assert calls[-1] == "DeleteUserPermissionsBoundary"


def test_every_page_of_belongings_is_read(aws: Aws, iam: Any) -> None:
    answered(iam, "ListServiceSpecificCredentials", MOTO_HAS_NONE)
    first: dict[str, Any] = {"Groups": [{"GroupName": "a"}], "IsTruncated": True, "Marker": "m"}
    asked = answered(iam, "ListGroupsForUser", first, {"Groups": [{"GroupName": "b"}]})
    left = answered(iam, "RemoveUserFromGroup", {})
    people.strip_user(aws, USER)
    assert [one.get("Marker") for one in asked] == [None, "m"]
    assert [one["GroupName"] for one in left] == ["a", "b"]


def test_nobody_is_stripped_of_nothing(aws: Aws, iam: Any) -> None:
    calls = noted(iam)
    people.strip_user(aws, "nobody")
    assert calls == ["ListAccessKeys", "GetUser"]


def test_whether_a_key_works(aws: Aws, iam: Any) -> None:
    iam.create_user(UserName="ci", Path="/")
    key, other = people.mint_key(aws, USER), people.mint_key(aws, "ci")
    assert people.key_works(aws.with_key(key), USER) is True
    assert people.key_works(aws.with_key(other), USER) is False  # it works, but is somebody else's
    assert people.key_works(aws.with_key(key), "ci") is False  # `ci` is only the end of the name


def test_a_key_that_is_refused_does_not_work(aws: Aws) -> None:
    with Stubber(aws.client("sts")) as stub:
        stub.add_client_error("get_caller_identity", "InvalidClientTokenId")
        assert people.key_works(aws, USER) is False


def test_waiting_until_a_new_key_is_accepted(aws: Aws) -> None:
    pauses: list[float] = []
    with Stubber(aws.client("sts")) as stub:
        for _ in range(3):
            stub.add_client_error("get_caller_identity", "InvalidClientTokenId")
        arn = f"arn:aws:iam::{ACCOUNT}:user{USER_PATH}{USER}"
        stub.add_response("get_caller_identity", {"Account": ACCOUNT, "Arn": arn, "UserId": "x"})
        people.wait_until_accepted(aws, USER, pauses.append)
    assert pauses == [0.25, 0.5, 1.0]


def test_a_key_that_is_never_accepted(aws: Aws) -> None:
    pauses: list[float] = []
    with Stubber(aws.client("sts")) as stub:
        for _ in range(50):
            stub.add_client_error("get_caller_identity", "InvalidClientTokenId")
        with pytest.raises(AwsFailed, match=f"did not accept the new access key of {USER} within 90 seconds"):
            people.wait_until_accepted(aws, USER, pauses.append)
    assert 90 <= sum(pauses) < 95
    assert max(pauses) == 4


def test_the_emulators_operator_is_made_once(aws: Aws) -> None:
    first = people.create_operator(aws, "operator", "/bootstrap-local/")
    second = people.create_operator(aws, "operator", "/bootstrap-local/")
    assert first.id != second.id
    assert people.users_on_path(aws, "/bootstrap-local/") == ["operator"]
    assert people.key_works(aws.with_key(second), "operator")


# --- probes: with one key, what it may and may not do ---

MISSING = "members/ana/not-there"
UPLOADING = "create_multipart_upload"
# What is tried → the call, and the probe; all of them are allowed here.
PROBES: dict[str, tuple[str, Callable[[Aws], bool]]] = {
    "put": ("put_object", lambda aws: probes.may_put(aws, BUCKET, "dataset/a", b"x")),
    "get": ("get_object", lambda aws: probes.may_get(aws, BUCKET, "dataset/a", b"x")),
    "delete": ("delete_object", lambda aws: probes.may_delete(aws, BUCKET, "dataset/a")),
}
HARMLESS: dict[str, tuple[str, Callable[[Aws], bool]]] = {
    "read": ("get_object", lambda aws: probes.may_read(aws, BUCKET, "dataset/a")),
    "read what is not there": ("get_object", lambda aws: probes.may_read(aws, BUCKET, MISSING)),
    "read an old version": ("get_object", lambda aws: probes.may_read(aws, BUCKET, MISSING, "null")),
    "read an empty file": ("get_object", lambda aws: probes.may_read(aws, BUCKET, "dataset/empty")),
    "write": (UPLOADING, lambda aws: probes.may_begin_upload(aws, BUCKET, MISSING)),
    "copy": (UPLOADING, lambda aws: probes.may_copy(aws, BUCKET, "dataset/a", MISSING)),
    "copy an empty file": (UPLOADING, lambda aws: probes.may_copy(aws, BUCKET, "dataset/empty", MISSING)),
    "copy what is not there": (UPLOADING, lambda aws: probes.may_copy(aws, BUCKET, "dataset/-", MISSING)),
    "break off": ("abort_multipart_upload", lambda aws: probes.may_abort_upload(aws, BUCKET, MISSING)),
    "delete if it is there": ("delete_object", lambda aws: probes.may_delete_if_there(aws, BUCKET, MISSING)),
    "delete a version": ("delete_object", lambda aws: probes.may_delete_version(aws, BUCKET, MISSING)),
    "list": ("list_objects_v2", lambda aws: probes.may_list(aws, BUCKET, "dataset/")),
    "list versions": ("list_object_versions", lambda aws: probes.may_list_versions(aws, BUCKET, "dataset/")),
    "list uploads": ("list_multipart_uploads", lambda aws: probes.may_list_uploads(aws, BUCKET)),
    "read the region": ("get_bucket_location", lambda aws: probes.may_read_region(aws, BUCKET)),
    "read settings": ("get_bucket_versioning", lambda aws: probes.may_read_settings(aws, BUCKET)),
    "change settings": ("put_bucket_versioning", lambda aws: probes.may_keep_versions(aws, BUCKET)),
    "delete the bucket": ("delete_bucket", lambda aws: probes.may_delete_bucket(aws, BUCKET)),
    "list buckets": ("list_buckets", probes.may_list_buckets),
    "read a user": ("get_user", lambda aws: probes.may_read_user(aws, "nobody")),
    "list keys": ("list_access_keys", lambda aws: probes.may_list_keys(aws, "nobody")),
    "list users": ("list_users", probes.may_list_users),
    "list users here": ("list_users", lambda aws: probes.may_list_users(aws, USER_PATH)),
}


def filled(s3: Any) -> list[str]:
    """Put something into the bucket; return everything in it, also what is hidden or unfinished."""
    for key, body in (("dataset/a", b"x"), ("dataset/empty", b"")):
        s3.put_object(Bucket=BUCKET, Key=key, Body=body)
    return everything(s3)


def everything(s3: Any) -> list[str]:
    listed = s3.list_object_versions(Bucket=BUCKET)
    found = [f"{one['Key']} {one['VersionId']}" for one in listed.get("Versions", []) + listed.get("DeleteMarkers", [])]
    return sorted(found + [one["Key"] for one in s3.list_multipart_uploads(Bucket=BUCKET).get("Uploads", [])])


@pytest.mark.parametrize(("operation", "probe"), [*PROBES.values(), *HARMLESS.values()], ids=[*PROBES, *HARMLESS])
def test_a_probe_tells_allowed_from_refused_and_from_broken(
    operation: str, probe: Callable[[Aws], bool], aws: Aws, s3: Any
) -> None:
    filled(s3)
    assert probe(aws) is True
    with Stubber(aws.client("iam" if hasattr(aws.client("iam"), operation) else "s3")) as stub:
        stub.add_client_error(operation, "AccessDenied", http_status_code=403)
        assert probe(aws) is False
        stub.add_client_error(operation, "SlowDown", http_status_code=400)
        with pytest.raises(AwsFailed, match="SlowDown"):
            probe(aws)


@pytest.mark.parametrize("probe", [probe for _, probe in HARMLESS.values()], ids=HARMLESS)
def test_a_harmless_probe_leaves_nothing_where_it_is_allowed(probe: Callable[[Aws], bool], aws: Aws, s3: Any) -> None:
    there = filled(s3)
    assert probe(aws) is True
    assert everything(s3) == there
    assert probes.keeps_versions(aws, BUCKET)


UPLOAD = {"Bucket": BUCKET, "Key": MISSING, "UploadId": "1"}


def test_a_copy_of_what_may_not_be_read_is_refused_and_broken_off(aws: Aws) -> None:
    # The emulator does not look at the source of a copy, so this is AWS in a stub.
    with Stubber(aws.client("s3")) as stub:
        stub.add_response("create_multipart_upload", {"UploadId": "1"})
        source = {"Bucket": BUCKET, "Key": "mlflow/a"}
        stub.add_client_error(
            "upload_part_copy", "AccessDenied", expected_params={**UPLOAD, "PartNumber": 1, "CopySource": source}
        )
        stub.add_response("abort_multipart_upload", {}, UPLOAD)
        assert probes.may_copy(aws, BUCKET, "mlflow/a", MISSING) is False
        stub.assert_no_pending_responses()


def test_whoever_may_write_but_not_break_off_may_write(aws: Aws) -> None:
    with Stubber(aws.client("s3")) as stub:
        stub.add_response("create_multipart_upload", {"UploadId": "1"})
        stub.add_client_error("abort_multipart_upload", "AccessDenied", expected_params=UPLOAD)
        assert probes.may_begin_upload(aws, BUCKET, MISSING) is True
        stub.assert_no_pending_responses()


def test_a_file_that_is_there_anyway(aws: Aws, s3: Any) -> None:
    assert probes.first_file(aws, BUCKET, "dataset/") is None
    s3.put_object(Bucket=BUCKET, Key="dataset/", Body=b"")
    assert probes.first_file(aws, BUCKET, "dataset/") is None
    version = s3.put_object(Bucket=BUCKET, Key="dataset/a", Body=b"x")["VersionId"]
    assert probes.first_file(aws, BUCKET, "dataset/") == ("dataset/a", version)
    with Stubber(aws.client("s3")) as stub:
        stub.add_client_error("list_objects_v2", "AccessDenied")
        assert probes.first_file(aws, BUCKET, "dataset/") is None
        stub.add_response("list_objects_v2", {"Contents": [{"Key": "dataset/a"}]})
        stub.add_client_error("head_object", "403")
        assert probes.first_file(aws, BUCKET, "dataset/") is None


def test_files_for_others_to_try_come_and_go(aws: Aws, s3: Any) -> None:
    there = filled(s3)
    files = {(BUCKET, f"{place}/probe"): probes.put_file(aws, BUCKET, f"{place}/probe", b"x") for place in ("a", "b")}
    assert len(everything(s3)) == len(there) + 2
    assert probes.anything_begins_with(aws, BUCKET, "a/pro")
    assert not probes.anything_begins_with(aws, BUCKET, "c/pro")
    probes.remove_files(aws, files)
    probes.remove_files(aws, files)
    assert everything(s3) == there
    s3.create_multipart_upload(Bucket=BUCKET, Key="c/probe")
    assert probes.anything_begins_with(aws, BUCKET, "c/pro")


def test_other_bytes_are_not_what_was_written(aws: Aws, s3: Any) -> None:
    s3.put_object(Bucket=BUCKET, Key="dataset/a", Body=b"x")
    assert probes.may_get(aws, BUCKET, "dataset/a", b"y") is False


# --- the simulator, which no emulator here has: AWS's own answers, in a stub ---

ARN = f"arn:aws:iam::{ACCOUNT}:user{USER_PATH}{USER}"
NOON = datetime(2028, 2, 1, 12, tzinfo=timezone.utc)
SIMULATED = "simulate_principal_policy"


def in_s3(resource: str) -> str:
    return f"arn:aws:s3:::{BUCKET}{resource}"


def circumstances(**others: str) -> list[dict[str, object]]:
    """Return what the simulator is told of a request, as it wants it."""
    values = {"aws:CurrentTime": "2028-02-01T12:00:00Z", "aws:SecureTransport": "true", **others}
    kinds = {"aws:CurrentTime": "date", "aws:SecureTransport": "boolean"}
    return [
        {"ContextKeyName": key, "ContextKeyValues": [value], "ContextKeyType": kinds.get(key, "string")}
        for key, value in sorted(values.items())
    ]


def question(actions: list[str], arns: list[str], **others: str) -> dict[str, object]:
    return {
        "PolicySourceArn": ARN,
        "ActionNames": actions,
        "ResourceArns": arns,
        "ContextEntries": circumstances(**others),
        "MaxItems": 1000,
    }


def answer(action: str, arn: str, decision: str) -> dict[str, object]:
    return {"EvalActionName": action, "EvalResourceName": arn, "EvalDecision": decision}


def test_one_call_answers_all_that_happens_in_the_same_circumstances(aws: Aws) -> None:
    red, blue = in_s3("/dvc/red/a"), in_s3("/dvc/blue/a")
    reading, writing = (Ask("s3:GetObject", red), Ask("s3:GetObject", blue)), (Ask("s3:PutObject", red),)
    with Stubber(aws.client("iam")) as stub:
        said = [answer("s3:GetObject", blue, "implicitDeny"), answer("s3:GetObject", red, "allowed")]
        asked = question(["s3:GetObject", "s3:PutObject"], [blue, red])
        stub.add_response(SIMULATED, {"EvaluationResults": said, "IsTruncated": True, "Marker": "m"}, asked)
        more = [answer("s3:PutObject", blue, "explicitDeny"), answer("s3:PutObject", red, "allowed")]
        stub.add_response(SIMULATED, {"EvaluationResults": more}, {**asked, "Marker": "m"})
        found = simulation.simulate(aws, ARN, [*reading, *writing], NOON)
        stub.assert_no_pending_responses()
    assert found == {reading[0]: True, reading[1]: False, writing[0]: True}


def test_each_circumstance_and_kind_of_resource_is_a_call(aws: Aws) -> None:
    listed = [Ask("s3:ListBucket", in_s3(""), (("s3:prefix", prefix),)) for prefix in ("dataset/", "mlflow/")]
    in_clear = Ask("s3:GetObject", in_s3("/a"), (("aws:SecureTransport", "false"),))
    too_late = Ask("s3:GetObject", in_s3("/a"), (("aws:CurrentTime", "2028-02-29T00:00:00Z"),))
    keys, role = Ask("iam:ListAccessKeys", ARN), Ask("sts:AssumeRole", f"arn:aws:iam::{ACCOUNT}:role/any")
    expected: list[tuple[Ask, dict[str, str]]] = [
        *((ask, dict(ask.context)) for ask in (*listed, in_clear, too_late)),
        (keys, {}),
        (role, {}),
    ]
    with Stubber(aws.client("iam")) as stub:
        for ask, others in expected:
            said = [answer(ask.action, ask.arn, "allowed" if ask in (listed[0], keys) else "implicitDeny")]
            stub.add_response(SIMULATED, {"EvaluationResults": said}, question([ask.action], [ask.arn], **others))
        found = simulation.simulate(aws, ARN, [ask for ask, _ in expected], NOON)
        stub.assert_no_pending_responses()
    assert [ask for ask, allowed in found.items() if allowed] == [listed[0], keys]
    assert len(found) == len(expected)


def test_answers_may_be_listed_by_resource(aws: Aws) -> None:
    red, blue = in_s3("/dvc/red/a"), in_s3("/dvc/blue/a")
    specific = [
        {"EvalResourceName": red, "EvalResourceDecision": "allowed"},
        {"EvalResourceName": blue, "EvalResourceDecision": "implicitDeny"},
    ]
    said = {**answer("s3:GetObject", "*", "implicitDeny"), "ResourceSpecificResults": specific}
    with Stubber(aws.client("iam")) as stub:
        stub.add_response(SIMULATED, {"EvaluationResults": [said]})
        found = simulation.simulate(aws, ARN, [Ask("s3:GetObject", red), Ask("s3:GetObject", blue)], NOON)
    assert list(found.values()) == [True, False]


def test_what_the_simulator_answers_for_something_else_is_no_answer(aws: Aws) -> None:
    with Stubber(aws.client("iam")) as stub:
        stub.add_response(SIMULATED, {"EvaluationResults": [answer("iam:ListUsers", "*", "allowed")]})
        assert simulation.simulate(aws, ARN, [Ask("iam:ListUsers", f"arn:aws:iam::{ACCOUNT}:user/")], NOON) == {}


def test_an_operator_who_may_not_simulate_is_told(aws: Aws) -> None:
    with Stubber(aws.client("iam")) as stub:
        stub.add_client_error(SIMULATED, "AccessDenied")
        with pytest.raises(AwsFailed, match="simulate what arn:aws:iam") as caught:
            simulation.simulate(aws, ARN, [Ask("iam:GetUser", ARN)], NOON)
    assert "SimulatePrincipalPolicy" in caught.value.hint


# --- what refusals become ---

REFUSALS: dict[str, tuple[Exception, str, str]] = {
    "nobody has signed in": (NoCredentialsError(), "There are no AWS credentials on this machine", "--local"),
    "half a key": (
        PartialCredentialsError(provider="env", cred_var="aws_secret_access_key"),
        "There are no AWS credentials",
        "aws configure",
    ),
    "not allowed": (
        refusal("AccessDenied", "CreateBucket", "User: x is not authorized to perform: s3:CreateBucket"),
        "Could not make it: An error occurred (AccessDenied) when calling the CreateBucket operation",
        "Your identity lacks the permission for CreateBucket.",
    ),
    "an old session": (
        refusal("ExpiredToken", message="The provided token has expired."),
        "The provided token has expired.",
        "Your AWS session has expired: sign in again",
    ),
    "an unknown key": (
        refusal("InvalidClientTokenId", message="The security token included in the request is invalid."),
        "The security token included in the request is invalid.",
        "AWS does not know this access key",
    ),
    "a wrong secret": (refusal("SignatureDoesNotMatch"), "SignatureDoesNotMatch", "sign in again"),
    "anything else": (refusal("SlowDown"), "SlowDown", "Try the same command again"),
    "no network": (
        EndpointConnectionError(endpoint_url="https://s3.eu-west-1.amazonaws.com/"),
        "Could not make it: Could not connect to the endpoint URL",
        "Check your network",
    ),
    "a broken configuration": (NoRegionError(), "Could not make it: You must specify a region", "AWS configuration"),
}


@pytest.mark.parametrize(("error", "message", "hint"), REFUSALS.values(), ids=REFUSALS.keys())
def test_a_refusal_in_words(error: Exception, message: str, hint: str) -> None:
    with pytest.raises(AwsFailed) as caught, explained("make it"):
        raise error
    assert message in caught.value.message
    assert hint in caught.value.hint


def test_what_is_not_awss_passes() -> None:
    for error in (ValueError("ours"), AwsFailed("told already")):
        with pytest.raises(type(error)) as caught, explained("make it"):
            raise error
        assert caught.value is error


def test_a_refusal_shows_no_key() -> None:
    with pytest.raises(AwsFailed) as caught, explained("make it"):
        raise refusal("SlowDown", message=f"{ANYBODY.id} aws_secret_access_key={ANYBODY.secret}")
    assert ANYBODY.id not in caught.value.message
    assert ANYBODY.secret not in caught.value.message


def test_codes() -> None:
    assert error_code(refusal("NoSuchBucket")) == "NoSuchBucket"
    assert error_code(ValueError()) == ""
    assert is_denied(refusal("AccessDenied"))
    assert not is_denied(refusal("ExpiredToken"))


# --- who speaks ---


def test_without_credentials_the_next_step_is_told() -> None:
    with pytest.raises(AwsFailed, match="There are no AWS credentials") as caught:
        Aws("eu-west-1").caller()
    assert "--local" in caught.value.hint


def test_a_profile_that_is_not_there(home: Path) -> None:
    with pytest.raises(AwsFailed, match="There is no AWS profile 'gone' in your AWS configuration") as caught:
        Aws("eu-west-1", profile="gone").caller()
    assert "aws configure list-profiles" in caught.value.hint


def test_exactly_the_given_key_is_used(aws: Aws, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {
        "AWS_ACCESS_KEY_ID": "AKIAI44QH8DHBEXAMPLE",
        "AWS_SECRET_ACCESS_KEY": "theirs",
        "AWS_SESSION_TOKEN": "theirs",
    }.items():
        monkeypatch.setenv(name, value)
    used = Aws("eu-west-1", key=ANYBODY)._session.get_credentials()
    assert (used.access_key, used.secret_key, used.token) == (ANYBODY.id, ANYBODY.secret, None)


@pytest.mark.parametrize("variable", ["AWS_PROFILE", "AWS_DEFAULT_PROFILE"])
def test_with_a_key_no_profile_of_the_users_matters(variable: str, aws: Aws, monkeypatch: pytest.MonkeyPatch) -> None:
    # As on a laptop whose shell still names the profile of an environment that is gone.
    monkeypatch.setenv(variable, "gone")
    assert Aws("eu-west-1", key=ANYBODY).caller().account == ACCOUNT


def test_who_we_are(aws: Aws, iam: Any) -> None:
    caller = aws.with_key(people.mint_key(aws, USER)).caller()
    assert (caller.account, caller.arn) == (ACCOUNT, f"arn:aws:iam::{ACCOUNT}:user{USER_PATH}{USER}")


LOCAL = Aws("eu-west-1", "http://127.0.0.1:20000", key=ANYBODY)
IDENTITIES = {
    "a key on the emulator": (
        LOCAL,
        {
            "AWS_REGION": "eu-west-1",
            "AWS_DEFAULT_REGION": "eu-west-1",
            "AWS_ENDPOINT_URL": "http://127.0.0.1:20000",
            "AWS_EC2_METADATA_DISABLED": "true",
            "NO_PROXY": "intranet,127.0.0.1,localhost",
            "no_proxy": "intranet,127.0.0.1,localhost",
            "AWS_ACCESS_KEY_ID": ANYBODY.id,
            "AWS_SECRET_ACCESS_KEY": ANYBODY.secret,
        },
    ),
    "a profile on AWS": (
        Aws("eu-west-1", profile="admin"),
        {"AWS_REGION": "eu-west-1", "AWS_DEFAULT_REGION": "eu-west-1", "AWS_PROFILE": "admin"},
    ),
    "whoever is signed in": (Aws("us-east-1"), {"AWS_REGION": "us-east-1", "AWS_DEFAULT_REGION": "us-east-1"}),
}


@pytest.mark.parametrize(("who", "variables"), IDENTITIES.values(), ids=IDENTITIES.keys())
def test_how_another_program_becomes_us(who: Aws, variables: dict[str, str]) -> None:
    assert who.credentials_environment({"NO_PROXY": "intranet", "AWS_PROFILE": "theirs"}) == variables


def test_what_would_make_another_program_somebody_else_is_displaced() -> None:
    assert {"AWS_PROFILE", "AWS_SESSION_TOKEN", "AWS_ENDPOINT_URL_S3"} <= set(LOCAL.displaced_variables())
    assert "AWS_ACCESS_KEY_ID" in Aws("eu-west-1", profile="admin").displaced_variables()
    assert Aws("eu-west-1").displaced_variables() == ()
