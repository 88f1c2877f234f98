"""Buckets, people and keys on moto in this process, and what AWS's refusals become."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import (
    ClientError,
    EndpointConnectionError,
    NoCredentialsError,
    NoRegionError,
    PartialCredentialsError,
)
from botocore.stub import Stubber
from moto import mock_aws

from bootstrap.adapters.aws import buckets, people, probes
from bootstrap.adapters.aws.buckets import StateLock
from bootstrap.adapters.aws.session import Aws, KeyPair, error_code, explained, is_denied
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


def fill(s3: Any) -> dict[str, int]:
    """Put more into the bucket than one page holds, of everything a bucket can hold; return how many of each."""
    for n in range(1020):
        s3.put_object(Bucket=BUCKET, Key=f"dataset/{n % 510}", Body=b"x")
    s3.delete_objects(Bucket=BUCKET, Delete={"Objects": [{"Key": f"dataset/{n}"} for n in range(100)], "Quiet": True})
    for n in range(3):
        s3.create_multipart_upload(Bucket=BUCKET, Key=f"dataset/big/{n}")
    s3.put_object(Bucket=BUCKET, Key="mlflow/größe & +%", Body=b"12345")
    return {"versions": 1020, "markers": 100, "uploads": 3, "beside": 1}


def test_emptying_leaves_nothing_that_would_keep_billing(aws: Aws, s3: Any) -> None:
    there = fill(s3)
    assert not buckets.is_empty(aws, BUCKET)
    assert buckets.count_objects(aws, BUCKET) == (411, 415)
    told: list[int] = []
    assert buckets.empty(aws, BUCKET, "dataset/", told.append) == there["versions"] + there["markers"]
    assert told == sorted(told)
    assert told[-1] == 1120
    assert len(told) > 1  # one page after the other
    assert buckets.count_objects(aws, BUCKET) == (1, 5)
    assert buckets.empty(aws, BUCKET) == 1
    assert buckets.is_empty(aws, BUCKET)
    assert s3.list_multipart_uploads(Bucket=BUCKET).get("Uploads", []) == []
    buckets.delete(aws, BUCKET)
    assert not buckets.exists(aws, BUCKET, ACCOUNT)


def test_a_deleted_file_still_fills_a_bucket(aws: Aws, s3: Any) -> None:
    s3.put_object(Bucket=BUCKET, Key="a", Body=b"x")
    s3.delete_object(Bucket=BUCKET, Key="a")
    assert buckets.count_objects(aws, BUCKET) == (0, 0)
    assert not buckets.is_empty(aws, BUCKET)
    assert buckets.empty(aws, BUCKET) == 2


def test_emptying_an_empty_bucket(aws: Aws, s3: Any) -> None:
    told: list[int] = []
    assert buckets.empty(aws, BUCKET, progress=told.append) == 0
    assert told == []


def test_every_page_of_unfinished_uploads_is_aborted(aws: Aws) -> None:
    # The emulator gives all of them on one page; AWS gives a thousand.
    page = {"Bucket": BUCKET, "MaxUploads": 1000}
    with Stubber(aws.client("s3")) as stub:
        for marker, last in (({}, False), ({"KeyMarker": "a", "UploadIdMarker": "1"}, True)):
            key, number = ("b", "2") if last else ("a", "1")
            answer = page | {"IsTruncated": not last, "Uploads": [{"Key": key, "UploadId": number}]}
            if not last:
                answer |= {"NextKeyMarker": key, "NextUploadIdMarker": number}
            stub.add_response("list_multipart_uploads", answer, {"Bucket": BUCKET, "Prefix": "", **marker})
            stub.add_response("abort_multipart_upload", {}, {"Bucket": BUCKET, "Key": key, "UploadId": number})
        stub.add_response("list_object_versions", {})
        assert buckets.empty(aws, BUCKET) == 0
        stub.assert_no_pending_responses()


def test_only_uploads_of_the_folder_are_aborted(aws: Aws, s3: Any) -> None:
    for key in ("dataset/a", "members/ana/b"):
        s3.create_multipart_upload(Bucket=BUCKET, Key=key)
    buckets.empty(aws, BUCKET, "members/ana/")
    assert [upload["Key"] for upload in s3.list_multipart_uploads(Bucket=BUCKET)["Uploads"]] == ["dataset/a"]


def test_files_that_s3_will_not_delete_are_named(aws: Aws) -> None:
    with Stubber(aws.client("s3")) as stub:
        stub.add_response("list_multipart_uploads", {})
        stub.add_response("list_object_versions", {"Versions": [{"Key": "a", "VersionId": "1"}]})
        stub.add_response("delete_objects", {"Errors": [{"Key": "a", "VersionId": "1", "Code": "AccessDenied"}]})
        with pytest.raises(AwsFailed, match=rf"refused to delete 1 objects of {BUCKET}, the first of them a \(Acc"):
            buckets.empty(aws, BUCKET)


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


def test_a_user_goes_with_keys_and_policies(aws: Aws, iam: Any) -> None:
    people.mint_key(aws, USER)
    people.mint_key(aws, USER)
    statement = {"Effect": "Allow", "Action": "s3:ListBucket", "Resource": f"arn:aws:s3:::{BUCKET}"}
    for name in ("one", "two"):
        policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
        iam.put_user_policy(UserName=USER, PolicyName=name, PolicyDocument=policy)
    people.delete_user(aws, USER)
    assert people.user_exists(aws, USER, USER_PATH) is False


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

PROBES: dict[str, tuple[str, Callable[[Aws], bool]]] = {
    "put": ("put_object", lambda aws: probes.may_put(aws, BUCKET, "dataset/a", b"x")),
    "get": ("get_object", lambda aws: probes.may_get(aws, BUCKET, "dataset/a", b"x")),
    "delete": ("delete_object", lambda aws: probes.may_delete(aws, BUCKET, "dataset/a")),
    "list": ("list_objects_v2", lambda aws: probes.may_list(aws, BUCKET, "dataset/")),
    "list users": ("list_users", probes.may_list_users),
}


@pytest.mark.parametrize(("operation", "probe"), PROBES.values(), ids=PROBES.keys())
def test_a_probe_tells_allowed_from_refused_and_from_broken(
    operation: str, probe: Callable[[Aws], bool], aws: Aws, s3: Any
) -> None:
    s3.put_object(Bucket=BUCKET, Key="dataset/a", Body=b"x")
    assert probe(aws) is True
    with Stubber(aws.client("iam" if "users" in operation else "s3")) as stub:
        stub.add_client_error(operation, "AccessDenied", http_status_code=403)
        assert probe(aws) is False
        stub.add_client_error(operation, "SlowDown", http_status_code=400)
        with pytest.raises(AwsFailed, match="SlowDown"):
            probe(aws)


def test_other_bytes_are_not_what_was_written(aws: Aws, s3: Any) -> None:
    s3.put_object(Bucket=BUCKET, Key="dataset/a", Body=b"x")
    assert probes.may_get(aws, BUCKET, "dataset/a", b"y") is False


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
