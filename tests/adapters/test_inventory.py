"""The look through an account for what is ours (moto in this process): found by each mark, and by nothing less."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError
from moto import mock_aws

from bootstrap.adapters.aws import inventory
from bootstrap.adapters.aws.looking import in_region
from bootstrap.adapters.aws.session import Aws, KeyPair
from bootstrap.core.inventory import EVERYWHERE, Place, Scan
from bootstrap.core.names import Names

ACCOUNT = "123456789012"
ANYBODY = KeyPair("AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY")
HOME, ABROAD = "us-east-1", "eu-west-1"
ISSUER = "token.actions.githubusercontent.com"
PROVIDER = f"arn:aws:iam::{ACCOUNT}:oidc-provider/{ISSUER}"
POLICY = json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:*", "Resource": "*"}]})
NAMES = Names("course", "stag", ACCOUNT)
IAM_KINDS = ("user", "role", "MFA device", "instance profile", "iam:policy", "iam:group")


@pytest.fixture
def aws() -> Iterator[Aws]:
    """An AWS of this test's own, empty, that takes any key."""
    with mock_aws():
        yield Aws(HOME, key=ANYBODY)


def look(aws: Aws, env: str | None = None, **more: Any) -> Scan:
    settings: dict[str, Any] = {"envs_known": ("stag",), "regions": (HOME,), **more}
    return inventory.scan(aws, "course", ACCOUNT, env=env, **settings)


def seen(found: Scan) -> list[tuple[str, str, str | None, bool]]:
    """Return kind, last part of the ARN, environment and whether it can be removed, of all that was found."""
    return [(one.kind, one.arn.rpartition(":")[2], one.env, one.removable) for one in found.things]


def tag_set(**tags: str) -> list[dict[str, str]]:
    return [{"Key": f"bootstrap:{name}", "Value": value} for name, value in tags.items()]


def add_bucket(aws: Aws, name: str, tags: list[dict[str, str]] | None = None, holds: str = "") -> None:
    s3 = aws.client("s3")
    where = {} if aws.region == HOME else {"CreateBucketConfiguration": {"LocationConstraint": aws.region}}
    s3.create_bucket(Bucket=name, **where)
    if tags:
        s3.put_bucket_tagging(Bucket=name, Tagging={"TagSet": tags})
    if holds:
        s3.put_object(Bucket=name, Key=holds, Body=b"x")


def trust(arn: str) -> str:
    principal = {"Federated": arn} if "oidc" in arn else {"Service": arn}
    statement = {"Effect": "Allow", "Action": "sts:AssumeRoleWithWebIdentity", "Principal": principal}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def add_provider(aws: Aws, **tags: str) -> None:
    aws.client("iam").create_open_id_connect_provider(
        Url=f"https://{ISSUER}", ClientIDList=["sts.amazonaws.com"], Tags=tag_set(**tags)
    )


def add_all(aws: Aws, path: str, suffix: str = "") -> None:
    """Put one of each kind that lies on a path, onto one."""
    iam = aws.client("iam")
    iam.create_user(UserName=f"user{suffix}", Path=path)
    iam.create_role(RoleName=f"role{suffix}", Path=path, AssumeRolePolicyDocument=trust("ec2.amazonaws.com"))
    iam.create_policy(PolicyName=f"policy{suffix}", Path=path, PolicyDocument=POLICY)
    iam.create_group(GroupName=f"group{suffix}", Path=path)
    iam.create_instance_profile(InstanceProfileName=f"machine{suffix}", Path=path)
    iam.create_virtual_mfa_device(VirtualMFADeviceName=f"phone{suffix}", Path=path)


# --- found ---


def test_an_empty_account_was_looked_through_and_nothing_is_blind(aws: Aws) -> None:
    found = look(aws, regions=(HOME, ABROAD))
    everywhere = (*IAM_KINDS, "bucket", "identity provider")
    expected = {Place(kind, EVERYWHERE) for kind in everywhere}
    assert set(found.looked) == expected | {Place("tagged resources", HOME), Place("tagged resources", ABROAD)}
    assert (found.things, found.blind) == ((), ())


def test_every_kind_is_found_in_the_order_in_which_it_has_to_go(aws: Aws) -> None:
    add_all(aws, "/course/stag/")
    add_bucket(aws, NAMES.bucket, tag_set(project="course", env="stag"), "dataset/a")
    add_bucket(aws, NAMES.state_bucket, tag_set(project="course", env="tfstate", owner="ana@example.org"))
    add_provider(aws, project="course", env="stag")
    found = look(aws)
    assert seen(found) == [
        ("user", "user/course/stag/user", "stag", True),
        ("MFA device", "mfa/course/stag/phone", "stag", True),
        ("instance profile", "instance-profile/course/stag/machine", "stag", True),
        ("role", "role/course/stag/role", "stag", True),
        ("bucket", NAMES.state_bucket, None, True),
        ("bucket", NAMES.bucket, "stag", True),
        ("identity provider", f"oidc-provider/{ISSUER}", None, True),
        ("iam:group", "group/course/stag/group", "stag", False),
        ("iam:policy", "policy/course/stag/policy", "stag", False),
    ]
    assert {one.command for one in found.things if one.removable and one.env} == {"bootstrap sweep --env stag --delete"}
    assert found.blind == ()


def test_of_one_environment_only_its_own_things_and_its_part_of_the_state_bucket(aws: Aws) -> None:
    for env in ("stag", "prod", "stag-2"):
        add_all(aws, f"/course/{env}/", f"-{env}")
        add_bucket(aws, Names("course", env, ACCOUNT).bucket, tag_set(project="course", env=env))
    add_bucket(aws, NAMES.state_bucket, tag_set(project="course", env="tfstate"), "stag-2/environment.tfstate")
    add_provider(aws, project="course", env="stag")
    removable = [one for one in seen(look(aws, "stag")) if one[3]]
    assert removable == [
        ("user", "user/course/stag/user-stag", "stag", True),
        ("MFA device", "mfa/course/stag/phone-stag", "stag", True),
        ("instance profile", "instance-profile/course/stag/machine-stag", "stag", True),
        ("role", "role/course/stag/role-stag", "stag", True),
        ("bucket", NAMES.bucket, "stag", True),
    ]
    aws.client("s3").put_object(Bucket=NAMES.state_bucket, Key="stag/members.json", Body=b"{}")
    [states] = [one for one in look(aws, "stag").things if one.kind == "state"]
    assert (states.arn, states.removable) == (f"arn:aws:s3:::{NAMES.state_bucket}/stag/", True)
    assert states.what == f"the Terraform states of stag in {NAMES.state_bucket}"


def test_what_is_deleted_but_has_versions_is_there(aws: Aws) -> None:
    add_bucket(aws, NAMES.state_bucket, tag_set(project="course", env="tfstate"))
    s3 = aws.client("s3")
    s3.put_bucket_versioning(Bucket=NAMES.state_bucket, VersioningConfiguration={"Status": "Enabled"})
    s3.put_object(Bucket=NAMES.state_bucket, Key="stag/environment.tfstate", Body=b"{}")
    s3.delete_object(Bucket=NAMES.state_bucket, Key="stag/environment.tfstate")
    assert [one.kind for one in look(aws, "stag").things] == ["state"]


def test_more_than_one_page_of_users(aws: Aws) -> None:
    for n in range(105):
        aws.client("iam").create_user(UserName=f"course.stag.m{n:03}", Path="/course/stag/")
    assert len(look(aws).things) == 105


def test_a_region_with_a_bucket_of_ours_is_looked_through_unasked(aws: Aws) -> None:
    there = in_region(aws, ABROAD)
    add_bucket(there, NAMES.bucket, tag_set(project="course", env="stag"))
    there.client("sqs").create_queue(QueueName="jobs", tags={"bootstrap:project": "course", "bootstrap:env": "stag"})
    for env in (None, "stag"):
        found = look(aws, env)
        assert [(one.kind, one.region) for one in found.things] == [("bucket", ABROAD), ("sqs", ABROAD)]
        assert Place("tagged resources", ABROAD) in found.looked


BY_TAG = {
    "ours": ({"bootstrap:project": "course", "bootstrap:env": "stag"}, True, True),
    "of another environment": ({"bootstrap:project": "course", "bootstrap:env": "prod"}, True, False),
    "of no environment": ({"bootstrap:project": "course"}, True, False),
    "of another project": ({"bootstrap:project": "course-2", "bootstrap:env": "stag"}, False, False),
    "in another case": ({"Bootstrap:Project": "course", "bootstrap:env": "stag"}, False, False),
    "in capitals": ({"bootstrap:project": "Course", "bootstrap:env": "stag"}, False, False),
}


@pytest.mark.parametrize(("tags", "in_project", "in_stag"), BY_TAG.values(), ids=BY_TAG.keys())
def test_what_carries_our_tag_is_told_of_whatever_kind(
    tags: dict[str, str], in_project: bool, in_stag: bool, aws: Aws
) -> None:
    listed = [{"Key": key, "Value": value} for key, value in tags.items()]
    secret = aws.client("secretsmanager").create_secret(Name="token", SecretString="x", Tags=listed)["ARN"]
    remover = f"aws secretsmanager delete-secret --region {HOME} --secret-id {secret}"
    for env, expected in ((None, in_project), ("stag", in_stag)):
        found = look(aws, env).things
        assert [(one.kind, one.removable, one.command) for one in found] == (
            [("secretsmanager:secret", False, remover)] if expected else []
        )


def test_for_a_kind_that_nobody_foresaw_the_console_is_named(aws: Aws) -> None:
    aws.client("sqs").create_queue(QueueName="jobs", tags={"bootstrap:project": "course"})
    [found] = look(aws).things
    assert found.what == "sqs jobs"
    assert found.command == "AWS console, Tag Editor, region us-east-1: tag bootstrap:project = course"


# --- buckets: the tags and the name have to agree ---


BUCKETS: dict[str, tuple[str, dict[str, str], str, tuple[str | None, bool] | None]] = {
    "ours": ("course--stag--123456789012", {"project": "course", "env": "stag"}, "a", ("stag", True)),
    "ours, of an environment nobody knows": (
        *("course--old--123456789012", {"project": "course", "env": "old"}, "a"),
        ("old", True),
    ),
    "cut short": (
        Names("course", "an-environment-of-thirty-two-cha", ACCOUNT).bucket,
        {"project": "course", "env": "an-environment-of-thirty-two-cha"},
        "",
        ("an-environment-of-thirty-two-cha", True),
    ),
    "states": ("course--tfstate--123456789012", {"project": "course", "env": "tfstate"}, "a", (None, True)),
    "a kill before the tags": ("course--stag--123456789012", {}, "", ("stag", True)),
    "a kill before the tags of the states": ("course--tfstate--123456789012", {}, "", (None, True)),
    "ours by name, and somebody's files": ("course--stag--123456789012", {}, "thesis.pdf", ("stag", False)),
    "our name, another's tags": ("course--stag--123456789012", {"owner": "bob"}, "", None),
    "our name, another project's tags": ("course--stag--123456789012", {"project": "shop", "env": "stag"}, "", None),
    "our tags, another name": ("lecture-notes", {"project": "course", "env": "stag"}, "a", ("stag", False)),
    "our tags, another environment's name": (
        *("course--prod--123456789012", {"project": "course", "env": "stag"}, "a"),
        ("stag", False),
    ),
    "our tags, another account's name": (
        *("course--stag--210987654321", {"project": "course", "env": "stag"}, "a"),
        ("stag", False),
    ),
    "no environment among the tags": ("course--stag--123456789012", {"project": "course"}, "", (None, False)),
    "another account's name, no tags": ("course--stag--210987654321", {}, "", None),
    "a name of the same pattern, no tags": ("course--my--notes--123456789012", {}, "", None),
    "a longer project": ("course-2--stag--123456789012", {"project": "course-2", "env": "stag"}, "", None),
    "a longer project, no tags": ("course-2--stag--123456789012", {}, "", None),
}


@pytest.mark.parametrize(("name", "tags", "holds", "expected"), BUCKETS.values(), ids=BUCKETS.keys())
def test_whose_a_bucket_is(
    name: str, tags: dict[str, str], holds: str, expected: tuple[str | None, bool] | None, aws: Aws
) -> None:
    add_bucket(aws, name, tag_set(**tags), holds)
    found = look(aws)
    assert [(one.env, one.removable) for one in found.things] == ([expected] if expected else [])
    assert found.blind == ()


def test_an_unfinished_upload_is_something_too(aws: Aws) -> None:
    add_bucket(aws, NAMES.bucket)
    aws.client("s3").create_multipart_upload(Bucket=NAMES.bucket, Key="big")
    [found] = look(aws).things
    assert (found.mark, found.removable) == ("name", False)
    assert found.what == f"the bucket {NAMES.bucket}, with what is in it, without any tags"


def test_what_to_type_for_a_bucket_without_tags_makes_it_ours(aws: Aws) -> None:
    add_bucket(aws, NAMES.bucket, holds="a")
    [found] = look(aws).things
    tags = "{Key=bootstrap:project,Value=course},{Key=bootstrap:env,Value=stag}"
    assert found.command == f"aws s3api put-bucket-tagging --bucket {NAMES.bucket} --tagging 'TagSet=[{tags}]'"
    add_bucket(aws, NAMES.state_bucket, tag_set(project="course", env="tfstate"))
    aws.client("s3").put_bucket_tagging(Bucket=NAMES.bucket, Tagging={"TagSet": tag_set(project="course", env="stag")})
    assert all(one.removable for one in look(aws).things)


# --- IAM: the path, no more and no less ---


@pytest.mark.parametrize(
    "path",
    ["/", "/course/", "/course-2/stag/", "/course/stag/more/", "/my/course/stag/", "/Course/stag/", "/course/tfstate/"],
)
def test_another_path_is_anothers(path: str, aws: Aws) -> None:
    add_all(aws, path)
    assert look(aws).things == ()


def test_a_device_on_our_path_that_somebody_elses_user_lives_by(aws: Aws) -> None:
    iam = aws.client("iam")
    iam.create_user(UserName="bob", Path="/")
    iam.create_user(UserName="course.stag.ana", Path="/course/stag/")
    for user in ("bob", "course.stag.ana"):
        made = iam.create_virtual_mfa_device(VirtualMFADeviceName=f"phone-{user}", Path="/course/stag/")
        serial = made["VirtualMFADevice"]["SerialNumber"]
        iam.enable_mfa_device(
            UserName=user, SerialNumber=serial, AuthenticationCode1="123456", AuthenticationCode2="654321"
        )
    devices = {one.what: one.removable for one in look(aws).things if one.kind == "MFA device"}
    assert devices == {
        "the MFA device phone-bob, which is bob's": False,
        "the MFA device phone-course.stag.ana": True,
    }


@pytest.mark.parametrize(
    ("tags", "found"),
    [
        ({"project": "course", "env": "stag"}, True),
        ({"project": "course-2", "env": "stag"}, False),
        ({"owner": "bob"}, False),
        ({}, False),
    ],
    ids=str,
)
def test_whose_a_provider_is(tags: dict[str, str], found: bool, aws: Aws) -> None:
    add_provider(aws, **tags)
    assert [one.arn for one in look(aws).things] == ([PROVIDER] if found else [])
    assert look(aws, "stag").things == ()


@pytest.mark.parametrize(
    ("path", "stays"), [("/course/stag/", False), ("/shop/prod/", True), ("/", True), ("/course/", True)]
)
def test_a_provider_by_which_others_live_stays(path: str, stays: bool, aws: Aws) -> None:
    add_provider(aws, project="course", env="stag")
    aws.client("iam").create_role(RoleName="deploy", Path=path, AssumeRolePolicyDocument=trust(PROVIDER))
    [provider] = [one for one in look(aws).things if one.kind == "identity provider"]
    assert provider.removable is not stays
    assert provider.what == f"the identity provider {ISSUER}" + (", which deploy uses" if stays else "")
    assert ("untag-open-id-connect-provider" in provider.command) is stays


# --- blind ---


def refusing(code: str, operation: str, status: int = 400, message: str = "No.") -> Callable[..., None]:
    """Return a handler that answers a call as AWS would if it refused."""

    def answer(**_: object) -> None:
        metadata: Any = {"HTTPStatusCode": status}
        raise ClientError({"Error": {"Code": code, "Message": message}, "ResponseMetadata": metadata}, operation)

    return answer


REFUSED = {
    ("s3", "ListBuckets"): Place("bucket", EVERYWHERE),
    ("iam", "ListUsers"): Place("user", EVERYWHERE),
    ("iam", "ListRoles"): Place("role", EVERYWHERE),
    ("iam", "ListPolicies"): Place("iam:policy", EVERYWHERE),
    ("iam", "ListGroups"): Place("iam:group", EVERYWHERE),
    ("iam", "ListInstanceProfiles"): Place("instance profile", EVERYWHERE),
    ("iam", "ListVirtualMFADevices"): Place("MFA device", EVERYWHERE),
    ("iam", "ListOpenIDConnectProviders"): Place("identity provider", EVERYWHERE),
    ("resourcegroupstaggingapi", "GetResources"): Place("tagged resources", HOME),
}


@pytest.mark.parametrize(("call", "place"), REFUSED.items(), ids=lambda one: one[1] if isinstance(one, tuple) else "")
def test_what_cannot_be_looked_at_is_told_and_nothing_else_suffers(
    call: tuple[str, str], place: Place, aws: Aws
) -> None:
    everything = set(look(aws).looked)
    service, operation = call
    aws.client(service).meta.events.register(f"before-call.*.{operation}", refusing("AccessDenied", operation))
    found = look(aws)
    assert [(one.place, one.reason) for one in found.blind] == [
        (place, f"{operation}: you lack the permission (AccessDenied)")
    ]
    assert set(found.looked) == everything - {place}


REASONS = {
    "Throttling": (400, "No.", "GetResources: AWS would not be asked so often (Throttling)"),
    "UnrecognizedClientException": (
        *(400, "The security token included in the request is invalid."),
        "GetResources: this region is not switched on for the account (UnrecognizedClientException)",
    ),
    "500": (500, "<!doctype html>\n<h1>Oh</h1>", "GetResources: AWS answered with an error of its own (500)"),
    "Strange": (400, "x " * 300, "GetResources: " + ("x " * 300)[:186] + " …"),
}


@pytest.mark.parametrize(("code", "status", "message", "reason"), [(k, *v) for k, v in REASONS.items()], ids=REASONS)
def test_the_reason_is_a_line_that_a_person_can_read(
    code: str, status: int, message: str, reason: str, aws: Aws
) -> None:
    events = aws.client("resourcegroupstaggingapi").meta.events
    events.register("before-call.*.GetResources", refusing(code, "GetResources", status, message))
    assert [one.reason for one in look(aws).blind] == [reason]


def test_a_region_that_cannot_be_reached(aws: Aws) -> None:
    def gone(**_: object) -> None:
        raise EndpointConnectionError(endpoint_url="https://tagging.example.org")

    aws.client("resourcegroupstaggingapi").meta.events.register("before-call.*.GetResources", gone)
    assert [one.reason for one in look(aws).blind] == ["could not be reached"]


def test_one_bucket_that_hides_its_tags_makes_buckets_blind_and_the_others_are_found(aws: Aws) -> None:
    for env in ("stag", "prod"):
        add_bucket(aws, Names("course", env, ACCOUNT).bucket, tag_set(project="course", env=env))
    secret = Names("course", "prod", ACCOUNT).bucket

    def answer(params: dict[str, Any], **_: object) -> None:
        if params.get("Bucket") == secret:
            refusing("AccessDenied", "GetBucketTagging")()

    aws.client("s3").meta.events.register("provide-client-params.s3.GetBucketTagging", answer)
    found = look(aws)
    assert [one.env for one in found.things] == ["stag"]
    assert [(one.place.kind, one.reason) for one in found.blind] == [
        ("bucket", f"{secret}: GetBucketTagging: you lack the permission (AccessDenied)")
    ]
    assert Place("bucket", EVERYWHERE) not in found.looked


def test_a_bucket_that_goes_while_we_look_is_no_blind_spot(aws: Aws) -> None:
    add_bucket(aws, NAMES.bucket, tag_set(project="course", env="stag"))
    aws.client("s3").meta.events.register(
        "before-call.s3.GetBucketTagging", refusing("NoSuchBucket", "GetBucketTagging", 404)
    )
    found = look(aws)
    assert (found.things, found.blind) == ((), ())


# --- how it goes about it ---


def test_it_tells_how_far_it_is(aws: Aws) -> None:
    told: list[str] = []
    look(aws, progress=told.append)
    assert told == [f"{n} of 9 places" for n in range(1, 10)]


def test_one_environment_of_a_class_takes_no_time(aws: Aws) -> None:
    add_all(aws, "/course/stag/")
    for n in range(40):
        aws.client("iam").create_user(UserName=f"course.stag.m{n}", Path="/course/stag/")
    look(aws)
    began = time.monotonic()
    look(aws, "stag")
    assert time.monotonic() - began < 2


def test_an_interrupt_ends_it_and_leaves_no_thread(aws: Aws) -> None:
    def stop(_: str) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        look(aws, progress=stop)
    assert [one.name for one in threading.enumerate() if one.name.startswith("bootstrap-scan")] == []
