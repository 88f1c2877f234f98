"""A sweep takes away what is ours, whatever state was lost, and nothing that only looks like it.

AWS is moto in this process, the emulator of the local target a real one. An MLflow server is stood in for by a plain
web server under its record: only that its process ends is of interest.
"""

from __future__ import annotations

import json
import socket
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from botocore.exceptions import ClientError
from click.testing import CliRunner, Result
from moto import mock_aws

from bootstrap.adapters import servers
from bootstrap.adapters.aws.session import Aws
from bootstrap.adapters.emulator import Emulator
from bootstrap.adapters.process import Call
from bootstrap.commands import options
from bootstrap.commands import sweep as sweep_command
from bootstrap.core.inventory import Scan, Thing
from bootstrap.core.names import Names
from bootstrap.core.record import Record, Target
from bootstrap.core.spec import Spec, parse_spec
from bootstrap.errors import BootstrapError, Declined, UsageError
from bootstrap.workflows import history, local, sweep
from bootstrap.workflows.project import Project
from bootstrap.workflows.target import Place
from tests.adapters.doubles import Story
from tests.ports import some_port

ACCOUNT, HOME, ABROAD = "123456789012", "us-east-1", "eu-west-1"
NAMES = Names("course", "stag", ACCOUNT)
ISSUER = "token.actions.githubusercontent.com"
PROVIDER = f"arn:aws:iam::{ACCOUNT}:oidc-provider/{ISSUER}"
POLICY = json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:*", "Resource": "*"}]})


class World:
    """An account, and a project folder that knows nothing of what is in it."""

    def __init__(self, folder: Path, aws: Aws, spec: Spec | None = None) -> None:
        self.project = Project(folder, spec or Spec.default("course"), {}, folder)
        self.story = Story()
        self.aws = aws
        self.iam, self.s3 = self.aws.client("iam"), self.aws.client("s3")

    def bucket(self, name: str, *, holds: tuple[str, ...] = (), region: str = HOME, **tags: str) -> None:
        s3 = Aws(region).client("s3")
        s3.create_bucket(
            Bucket=name,
            **({} if region == HOME else {"CreateBucketConfiguration": {"LocationConstraint": region}}),
        )
        if tags:
            s3.put_bucket_tagging(Bucket=name, Tagging={"TagSet": tag_set(**tags)})
        for key in holds:
            s3.put_object(Bucket=name, Key=key, Body=b"x")

    def environment(self, project: str = "course", env: str = "stag", region: str = HOME) -> None:
        """Make what `up` and a class in it leave when every state is lost, with much that was added by hand."""
        names = Names(project, env, ACCOUNT)
        self.bucket(names.bucket, region=region, project=project, env=env)
        s3 = Aws(region).client("s3")
        s3.put_bucket_versioning(Bucket=names.bucket, VersioningConfiguration={"Status": "Enabled"})
        for body in (b"1", b"2"):
            s3.put_object(Bucket=names.bucket, Key="dataset/a", Body=body)
        s3.delete_object(Bucket=names.bucket, Key="dataset/a")
        s3.create_multipart_upload(Bucket=names.bucket, Key="dataset/big")
        for member in ("ci", "ana"):
            user = names.iam_user(member)
            self.iam.create_user(UserName=user, Path=names.iam_path, Tags=tag_set(project=project, env=env))
            self.iam.create_access_key(UserName=user)
            self.iam.put_user_policy(UserName=user, PolicyName="bootstrap", PolicyDocument=POLICY)
        self.iam.create_login_profile(UserName=names.iam_user("ana"), Password="a-Long-One-1")
        self.iam.create_virtual_mfa_device(VirtualMFADeviceName=f"phone-{project}-{env}", Path=names.iam_path)
        self.role(names.github_role, names.iam_path)

    def project_wide(self, project: str = "course", *states: str) -> None:
        self.bucket(Names(project, "x", ACCOUNT).state_bucket, project=project, env="tfstate", holds=states)

    def role(self, name: str, path: str) -> None:
        statement = {
            "Effect": "Allow",
            "Action": "sts:AssumeRoleWithWebIdentity",
            "Principal": {"Federated": PROVIDER},
        }
        document = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
        self.iam.create_role(RoleName=name, Path=path, AssumeRolePolicyDocument=document)

    def provider(self, **tags: str) -> None:
        self.iam.create_open_id_connect_provider(
            Url=f"https://{ISSUER}", ClientIDList=["sts.amazonaws.com"], Tags=tag_set(**tags)
        )

    def remember(self, env: str, *, complete: bool = True, target: Target = "aws", account: str = ACCOUNT) -> None:
        names = Names("course", env, account)
        where = (names.bucket, names.state_bucket, names.profile, names.dvc_url())
        self.project.save(Record("course", env, target, HOME, account, None, *where, complete=complete))

    def everything(self) -> dict[str, object]:
        """Return all that is in the account, with all that can be changed about it; lines of histories come on top."""
        found: dict[str, object] = {}
        for bucket in self.s3.list_buckets()["Buckets"]:
            name = bucket["Name"]
            versions = self.s3.list_object_versions(Bucket=name)
            held = [
                (one["Key"], one["VersionId"])
                for one in versions.get("Versions", []) + versions.get("DeleteMarkers", [])
                if "/history/" not in one["Key"]
            ]
            found[name] = (sorted(held), len(self.s3.list_multipart_uploads(Bucket=name).get("Uploads", [])))
        for user in self.iam.list_users()["Users"]:
            keys = self.iam.list_access_keys(UserName=user["UserName"])["AccessKeyMetadata"]
            policies = self.iam.list_user_policies(UserName=user["UserName"])["PolicyNames"]
            found[user["Arn"]] = ([(key["AccessKeyId"], key["Status"]) for key in keys], policies)
        for role in self.iam.list_roles()["Roles"]:
            found[role["Arn"]] = role["RoleId"]
        for provider in self.iam.list_open_id_connect_providers()["OpenIDConnectProviderList"]:
            found[provider["Arn"]] = True
        for device in self.iam.list_virtual_mfa_devices()["VirtualMFADevices"]:
            found[device["SerialNumber"]] = True
        return found

    def find(self, env: str | None = None, *, regions: tuple[str, ...] = (), target: Target = "aws") -> Scan:
        return sweep.find(self.project, env, None, target, regions, self.story)

    def sweep(
        self,
        env: str | None = None,
        confirm: Callable[[Scan], bool] = lambda _: True,
        *,
        regions: tuple[str, ...] = (),
        target: Target = "aws",
    ) -> sweep.Swept:
        return sweep.sweep(self.project, env, None, target, regions, self.story, confirm)


def tag_set(**tags: str) -> list[dict[str, str]]:
    return [{"Key": f"bootstrap:{name}", "Value": value} for name, value in tags.items()]


def names_of(things: tuple[Thing, ...]) -> list[str]:
    return [one.arn.rpartition(":")[2].rpartition("/")[2] or one.arn for one in things]


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[Aws]:
    """An AWS of this test's own, empty, which is the one that a sweep reaches."""
    with mock_aws():
        found = Aws(HOME)
        # moto does not know this one call. A server of it answers with a page of HTML, in this process it raises.
        answer: Any = (SimpleNamespace(status_code=200), {"ServiceSpecificCredentials": []})
        found.client("iam").meta.events.register("before-call.iam.ListServiceSpecificCredentials", lambda **_: answer)
        monkeypatch.setattr("bootstrap.workflows.target.Aws", lambda **_: found)
        yield found


@pytest.fixture
def world(tmp_path: Path, aws: Aws) -> World:
    return World(tmp_path, aws)


def add_look_alikes(world: World) -> None:
    """Fill the account with what a careless sweep would take for ours."""
    # A longer project's whole ground, and that of one whose environment's name is longer.
    world.environment("course-2", "stag")
    world.project_wide("course-2", "stag/environment.tfstate")
    world.environment("my-course", "stag")
    # Users and roles with our names, or on paths that begin or end as ours do.
    world.iam.create_user(UserName="course.exam.ana", Path="/")
    world.iam.create_user(UserName="course.stag.bob", Path="/course/")
    world.iam.create_user(UserName="course.stag.eve", Path="/course/stag/x/")
    world.role("course.exam.github", "/shop/prod/")
    world.iam.create_virtual_mfa_device(VirtualMFADeviceName="phone", Path="/")
    # Buckets with our name and another's tags, with our tags in another case, with our name and somebody's files.
    world.bucket(Names("course", "devl", ACCOUNT).bucket, holds=("a",), owner="bob")
    world.bucket(Names("course", "demo", ACCOUNT).bucket, holds=("a",), Project="course", Env="demo")
    world.bucket(Names("course", "exam", ACCOUNT).bucket, holds=("thesis.pdf",))
    world.bucket("course-notes", holds=("a",), project="Course", env="stag")
    world.bucket("holiday-pictures", holds=("a",))


# --- nothing of ours stays, nothing of anybody else's goes ---


def test_all_of_ours_goes_and_every_look_alike_stays_as_it_is(world: World) -> None:
    add_look_alikes(world)
    before = world.everything()
    world.environment("course", "stag")
    world.environment("course", "prod", region=ABROAD)
    world.bucket(Names("course", "new", ACCOUNT).bucket)  # a kill before the tags
    world.project_wide("course", "stag/environment.tfstate", "prod/members.tfstate")
    swept = world.sweep()
    assert world.everything() == before
    assert len(swept.removed) == 2 * 5 + 2
    assert swept.problems == ()
    # The one with our name and somebody's files is told, and how it can be made known as ours.
    [left] = swept.left.things
    assert (left.arn, left.removable) == (f"arn:aws:s3:::{Names('course', 'exam', ACCOUNT).bucket}", False)
    assert "put-bucket-tagging" in left.command
    assert not (world.project.folder / ".bootstrap").exists()


def test_of_one_environment_nothing_of_another_goes(world: World) -> None:
    add_look_alikes(world)
    for env in ("stag-2", "prod"):
        world.environment("course", env)
    world.project_wide("course", "prod/environment.tfstate", "stag-2/environment.tfstate")
    before = world.everything()
    world.environment("course", "stag")
    world.s3.put_object(Bucket=NAMES.state_bucket, Key="stag/environment.tfstate", Body=b"{}")
    swept = world.sweep("stag")
    assert world.everything() == before
    assert (len(swept.removed), swept.left.things, swept.left.blind) == (6, (), ())


def test_the_provider_goes_when_the_last_of_our_roles_has_gone(world: World) -> None:
    world.environment()
    world.provider(project="course", env="stag")
    swept = world.sweep()
    assert PROVIDER in [one.arn for one in swept.removed]
    assert world.everything() == {}


def test_a_provider_by_which_another_lives_stays_and_is_told(world: World) -> None:
    world.environment()
    world.provider(project="course", env="stag")
    world.role("deploy", "/shop/prod/")
    swept = world.sweep()
    assert sorted(world.everything()) == [PROVIDER, f"arn:aws:iam::{ACCOUNT}:role/shop/prod/deploy"]
    [left] = swept.left.things
    assert left.what == f"the identity provider {ISSUER}, which deploy uses"
    # What is told to type makes it theirs.
    world.iam.untag_open_id_connect_provider(
        OpenIDConnectProviderArn=PROVIDER, TagKeys=["bootstrap:project", "bootstrap:env"]
    )
    assert world.find().things == ()


def test_another_projects_provider_stays(world: World) -> None:
    world.environment()
    world.provider(project="course-2", env="stag")
    world.sweep()
    assert list(world.everything()) == [PROVIDER]


def test_looking_changes_nothing(world: World) -> None:
    world.environment()
    world.project_wide()
    before = world.everything()
    assert len(world.find().things) == 6
    assert world.everything() == before
    assert list(world.project.folder.iterdir()) == []


def test_an_empty_account_is_asked_nothing_about(world: World) -> None:
    def never(_: Scan) -> bool:
        raise AssertionError

    swept = world.sweep(confirm=never)
    assert (swept.removed, swept.left.things) == ((), ())


def test_on_a_no_nothing_goes(world: World) -> None:
    world.environment()
    before = world.everything()
    with pytest.raises(Declined, match="Nothing was removed"):
        world.sweep(confirm=lambda _: False)
    assert world.everything() == before


def test_a_second_time_there_is_nothing_to_do(world: World) -> None:
    world.environment()
    world.sweep()
    assert world.sweep().removed == ()


def test_a_region_that_nobody_remembers_can_be_named(world: World) -> None:
    there = Aws(ABROAD).client("sqs")
    there.create_queue(QueueName="jobs", tags={"bootstrap:project": "course"})
    assert world.find().things == ()
    [found] = world.find(regions=(ABROAD,)).things
    assert (found.kind, found.region) == ("sqs", ABROAD)


def test_the_regions_of_what_was_begun_here_are_looked_through(world: World) -> None:
    world.remember("old", complete=False)
    record = world.project.record("old")
    assert record is not None
    world.project.save(replace(record, region=ABROAD))
    assert {one.region for one in world.find().looked} == {"global", HOME, ABROAD}


# --- between the question and the answer ---


def test_what_comes_after_the_question_stays(world: World) -> None:
    world.environment("course", "stag")

    def meanwhile(_: Scan) -> bool:
        world.environment("course", "prod")
        return True

    swept = world.sweep(confirm=meanwhile)
    assert {one.env for one in swept.removed} == {"stag"}
    assert {one.env for one in swept.left.things} == {"prod"}
    assert world.iam.list_access_keys(UserName="course.prod.ana")["AccessKeyMetadata"]


def test_a_bucket_that_is_used_after_the_question_stays(world: World) -> None:
    world.bucket(NAMES.bucket)

    def meanwhile(_: Scan) -> bool:
        world.s3.put_object(Bucket=NAMES.bucket, Key="thesis.pdf", Body=b"x")
        return True

    swept = world.sweep(confirm=meanwhile)
    assert swept.removed == ()
    assert world.s3.get_object(Bucket=NAMES.bucket, Key="thesis.pdf")["Body"].read() == b"x"


def test_a_bucket_that_is_used_at_the_last_moment_stays(world: World) -> None:
    world.bucket(NAMES.bucket)

    def meanwhile(**_: object) -> None:
        # By now every look is over.
        world.s3.put_object(Bucket=NAMES.bucket, Key="thesis.pdf", Body=b"x")

    world.s3.meta.events.register("before-call.s3.DeleteBucket", meanwhile)
    swept = world.sweep()
    assert swept.removed == ()
    [problem] = swept.problems
    assert NAMES.bucket in problem
    assert world.s3.get_object(Bucket=NAMES.bucket, Key="thesis.pdf")["Body"].read() == b"x"


def test_an_environment_that_comes_up_meanwhile_is_spared(world: World) -> None:
    world.environment()

    def meanwhile(_: Scan) -> bool:
        world.remember("stag")
        return True

    before = world.everything()
    with pytest.raises(BootstrapError, match="'stag' is up here"):
        world.sweep("stag", confirm=meanwhile)
    swept = world.sweep(confirm=meanwhile)
    assert (swept.removed, swept.left.things) == ((), ())
    assert world.everything() == before


# --- what is up, protected or being worked on ---


def test_what_is_up_here_is_no_leftover(world: World) -> None:
    for env in ("stag", "prod"):
        world.environment("course", env)
    world.project_wide("course", "stag/environment.tfstate")
    world.provider(project="course", env="prod")
    world.remember("stag")
    for work in (world.find, world.sweep):
        with pytest.raises(BootstrapError, match="'stag' is up here") as caught:
            work("stag")
        assert caught.value.hint == "To take it away: bootstrap down --env stag"
    assert {one.env for one in world.find().things} == {"prod"}
    swept = world.sweep()
    assert {one.env for one in swept.removed} == {"prod"}
    assert swept.left.things == ()
    assert {NAMES.bucket, NAMES.state_bucket, PROVIDER} <= set(world.everything())
    assert "'stag' is up here: what it has and needs is no leftover, and stays." in world.story.notes


@pytest.mark.parametrize(
    ("known", "counts"),
    [
        ({}, False),
        ({"complete": False}, True),
        ({"target": "local"}, True),
    ],
    ids=str,
)
def test_only_what_is_up_is_spared(known: dict[str, Any], counts: bool, world: World) -> None:
    world.environment()
    world.remember("stag", **known)
    assert bool(world.find().things) is counts


def test_in_another_account_than_the_one_it_is_up_in_nobody_sweeps_it(world: World) -> None:
    world.environment()
    world.remember("stag", account="210987654321")
    with pytest.raises(BootstrapError, match="'stag' is in the AWS account 210987654321; you are signed in to"):
        world.find()


def test_for_what_was_begun_here_down_is_named_too(world: World) -> None:
    world.environment()
    world.remember("stag", complete=False)
    assert len(world.sweep().removed) == 5
    assert world.project.record("stag") is not None
    [note] = world.story.notes
    assert "`bootstrap down --env stag` also takes away what is on this laptop" in note


PROTECTED = 'project = "course"\n[environments.stag]\n[environments.prod]\nprotected = true\n'


def test_what_is_protected_stays_with_all_that_it_needs(tmp_path: Path, aws: Aws) -> None:
    world = World(tmp_path, aws, parse_spec(PROTECTED, "bootstrap.toml"))
    for env in ("stag", "prod"):
        world.environment("course", env)
    world.project_wide("course", "prod/environment.tfstate")
    swept = world.sweep()
    assert {one.env for one in swept.removed} == {"stag"}
    assert {one.env for one in swept.left.things} == {"prod", None}
    assert {one.command.partition(", then")[0] for one in swept.left.things} == {
        "protected = false at bootstrap.toml:4"
    }
    assert len(world.iam.list_access_keys(UserName="course.prod.ana")["AccessKeyMetadata"]) == 1


def test_a_state_bucket_with_nothing_of_a_protected_environment_goes(tmp_path: Path, aws: Aws) -> None:
    world = World(tmp_path, aws, parse_spec(PROTECTED, "bootstrap.toml"))
    world.project_wide("course", "stag/environment.tfstate")
    assert names_of(world.sweep().removed) == [NAMES.state_bucket]


def add_lock(world: World, who: str, created: str) -> None:
    lock = {"ID": "1", "Who": who, "Created": created, "Operation": "OperationTypeApply"}
    world.s3.put_object(
        Bucket=NAMES.state_bucket, Key="stag/environment.tfstate.tflock", Body=json.dumps(lock).encode()
    )


@pytest.mark.parametrize("env", [None, "stag"])
def test_what_somebody_is_working_on_stays(env: str | None, world: World) -> None:
    world.environment()
    world.project_wide("course", "stag/environment.tfstate")
    add_lock(world, "bia@lab", "2026-11-21T10:00:00Z")
    before = world.everything()
    with pytest.raises(BootstrapError, match="'stag' is being worked on: bia@lab holds its state since 2026") as caught:
        world.sweep(env)
    assert "bootstrap unlock --env stag" in caught.value.hint
    assert world.everything() == before
    assert not (world.project.folder / ".bootstrap").exists()


def test_the_lock_of_a_run_that_died_here_is_no_hindrance(world: World) -> None:
    world.environment()
    world.project_wide("course", "stag/environment.tfstate")
    add_lock(world, f"me@{socket.gethostname()}", "2026-11-21T10:00:01Z")
    trace = world.project.env_folder("stag") / "run.json"
    trace.parent.mkdir(parents=True)
    trace.write_text(json.dumps({"command": "up", "started": "2026-11-21T10:00:00+00:00", "terraform": []}))
    world.sweep()
    assert world.everything() == {}
    assert world.story.said == ["Removed the lock that the interrupted run had left on `stag/environment.tfstate`."]


# --- when not all goes well ---


def refuse(client: Any, operation: str, **only: str) -> None:
    """Make AWS refuse a call, or only those with one parameter."""

    def answer(params: dict[str, Any], **_: object) -> None:
        if all(params.get(name) == value for name, value in only.items()):
            raise ClientError({"Error": {"Code": "AccessDenied", "Message": "No."}}, operation)

    client.meta.events.register(f"provide-client-params.*.{operation}", answer)


def test_one_thing_that_will_not_go_keeps_nothing_else(world: World) -> None:
    world.environment()
    world.project_wide()
    refuse(world.iam, "DeleteUser", UserName="course.stag.ana")
    swept = world.sweep()
    assert [one.what for one in swept.left.things] == ["the IAM user course.stag.ana"]
    assert len(swept.removed) == 5
    [problem] = swept.problems
    assert "delete the IAM user course.stag.ana" in problem
    assert "lacks the permission for DeleteUser" in problem
    # But it opens nothing any more.
    assert world.iam.list_access_keys(UserName="course.stag.ana")["AccessKeyMetadata"] == []


def test_access_ends_before_anything_else(world: World) -> None:
    world.environment()
    world.project_wide()
    world.provider(project="course", env="stag")
    calls: list[str] = []
    for client in (world.iam, world.s3):
        client.meta.events.register("provide-client-params", lambda model, **_: calls.append(model.name))
    world.sweep()
    order = ["DeleteAccessKey", "DeleteUser", "DeleteRole", "DeleteBucket", "DeleteOpenIDConnectProvider"]
    last = {name: len(calls) - calls[::-1].index(name) for name in order}
    assert sorted(order, key=lambda name: last[name]) == order


@pytest.mark.parametrize(
    ("env", "regions", "message"),
    [
        ("Stag", (), "'Stag' cannot be an environment's name"),
        ("tfstate", (), "the name of the project's own state bucket"),
        ("../..", (), "cannot be an environment's name"),
        (None, ("us-east-1a",), "--region: 'us-east-1a' is an availability zone; its region is us-east-1"),
    ],
)
def test_what_cannot_be_is_refused_at_once(
    env: str | None, regions: tuple[str, ...], message: str, world: World
) -> None:
    with pytest.raises(UsageError, match=message):
        world.find(env, regions=regions)


# --- this laptop ---


@pytest.fixture
def laptop(tmp_path: Path) -> Iterator[World]:
    """A folder whose emulator runs, and whose operator knows of no environment."""
    project = Project(tmp_path, Spec.default("course"), {}, tmp_path)
    try:
        yield World(tmp_path, local.ensure_emulator(project, Story()).aws(HOME))
    finally:
        local.stop_emulator(project)


def add_mlflow(project: Project, env: str) -> servers.Server:
    found = local.mlflow_server(project, env)
    found.folder.mkdir(parents=True)
    (found.folder / "mlflow.db").touch()
    port = some_port()
    call = Call((sys.executable, "-m", "http.server", "--bind", "127.0.0.1", str(port)), cwd=found.folder, env={})
    return servers.launch(call, name="it", port=port, instance="x", record=found.record, log=found.log)


def test_on_this_laptop_what_nobody_keeps_goes_with_the_emulator(laptop: World) -> None:
    names = Names("course", "stag", ACCOUNT)
    laptop.s3.create_bucket(Bucket=names.bucket)
    laptop.s3.put_bucket_tagging(Bucket=names.bucket, Tagging={"TagSet": tag_set(project="course", env="stag")})
    laptop.s3.put_object(Bucket=names.bucket, Key="dataset/a", Body=b"x")
    laptop.iam.create_user(UserName=names.iam_user("ana"), Path=names.iam_path)
    server = add_mlflow(laptop.project, "stag")
    try:
        found = laptop.find(target="local")
        assert [(one.kind, one.region, one.removable) for one in found.things] == [
            ("user", "global", True),
            ("bucket", HOME, True),
            ("MLflow server", "this laptop", True),
            ("emulator", "this laptop", True),
        ]
        assert found.blind == ()
        assert found.things[0].command == "bootstrap sweep --env stag --local --delete"
        swept = laptop.sweep(target="local")
        assert (len(swept.removed), swept.left.things, swept.left.blind) == (4, (), ())
        assert not server.alive
        assert Emulator(laptop.project.local).running() is None
        assert not (laptop.project.folder / ".bootstrap").exists()
    finally:
        servers.end(local.mlflow_server(laptop.project, "stag").record)


def test_an_emulator_with_anybody_elses_things_stays(laptop: World) -> None:
    laptop.s3.create_bucket(Bucket="bystander")
    laptop.iam.create_user(UserName="course.stag.ana", Path="/course/stag/")
    swept = laptop.sweep(target="local")
    assert names_of(swept.removed) == ["course.stag.ana"]
    [left] = swept.left.things
    assert (left.kind, left.removable, left.command) == ("emulator", False, "bootstrap local stop")
    assert "which holds the bucket bystander" in left.what
    assert Emulator(laptop.project.local).running() is not None


def test_an_emulator_that_an_environment_uses_is_no_leftover(laptop: World) -> None:
    laptop.remember("stag", target="local")
    assert laptop.find(target="local").things == ()


def test_without_an_emulator_the_laptop_is_looked_at_all_the_same(world: World) -> None:
    for env in ("stag", "prod", "newer"):
        folder = local.mlflow_server(world.project, env).folder
        folder.mkdir(parents=True)
        (folder / "mlflow.db").touch()
    world.remember("prod", target="local")
    (world.project.env_folder("newer") / "record.json").write_text('{"of": "another version"}')
    [found] = world.find(target="local").things
    assert found.what == "the MLflow server of stag with its runs and accounts, stopped"
    assert world.find("prod-2", target="local").things == ()
    assert names_of(world.sweep("stag", target="local").removed) == ["mlflow"]
    assert not world.project.env_folder("stag").exists()
    assert (world.project.env_folder("newer") / "mlflow" / "mlflow.db").exists()
    assert (world.project.env_folder("prod") / "mlflow" / "mlflow.db").exists()
    assert "The emulator is not running" in world.story.notes[0]


# --- the command ---


def run(world: World, monkeypatch: pytest.MonkeyPatch, *words: str) -> Result:
    monkeypatch.setattr(options, "project", lambda *_, **__: world.project)
    return CliRunner().invoke(sweep_command.command, [*words, "--yes"])


def test_the_command_shows_first_and_deletes_only_when_told(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.bucket(NAMES.bucket, project="course", env="stag", holds=("a",))
    shown = run(world, monkeypatch)
    assert shown.exit_code == 4
    assert shown.stdout.splitlines() == [
        "WHAT" + " " * 55 + "WHERE      KNOWN BY  TO REMOVE IT",
        f"the bucket {NAMES.bucket}, with what is in it  us-east-1  tag       bootstrap sweep --env stag --delete",
    ]
    done = run(world, monkeypatch, "--delete")
    assert done.exit_code == 0
    assert done.stdout.splitlines() == [
        "Removed 1 thing of 'course'.",
        "Nothing of 'course' is left: 9 kinds of things were looked for in the whole account, us-east-1.",
    ]
    assert "success" not in (shown.output + done.output).lower()


def test_a_leftover_that_stays_is_exit_code_4(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.bucket(NAMES.bucket, holds=("thesis.pdf",))
    world.bucket(NAMES.state_bucket)
    done = run(world, monkeypatch, "--delete")
    assert done.exit_code == 4
    assert done.stdout.startswith("Removed 1 thing of 'course'.\nWHAT")
    assert "1 thing of these will stay" in done.stderr


def test_a_place_that_could_not_be_looked_at_is_exit_code_4(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    refuse(world.iam, "ListGroups")
    done = run(world, monkeypatch)
    assert done.exit_code == 4
    assert done.stdout == "Nothing of 'course' was found, but not every place could be looked at.\n"
    note = "Not looked at: iam:group (the whole account): ListGroups: you lack the permission (AccessDenied)"
    assert note in done.stderr
    content = json.loads(run(world, monkeypatch, "--json").stdout)
    assert content["blind"] == [
        {"kind": "iam:group", "region": "global", "reason": "ListGroups: you lack the permission (AccessDenied)"}
    ]


def test_as_json_for_scripts(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.environment()
    done = run(world, monkeypatch, "--env", "stag", "--delete", "--json")
    content = json.loads(done.stdout)
    assert (done.exit_code, content["project"], content["env"]) == (0, "course", "stag")
    assert [one["kind"] for one in content["removed"]] == ["user", "user", "MFA device", "role", "bucket"]
    assert (content["things"], content["blind"], content["problems"]) == ([], [], [])
    assert {"kind": "tagged resources", "region": "us-east-1"} in content["looked"]


def test_nobody_there_to_answer(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(options, "project", lambda *_, **__: world.project)
    done = CliRunner().invoke(sweep_command.command, ["--delete"])
    assert isinstance(done.exception, UsageError)
    assert CliRunner().invoke(sweep_command.command, []).exit_code == 0


# --- the history ---


def lines(world: World, env: str) -> list[tuple[str, str, dict[str, Any]]]:
    """Return what stands in an environment's history: the command, how it ended, and what it was about."""
    names = Names("course", env, ACCOUNT)
    place = Place("aws", names, world.aws, None, custom_endpoint=False, emulated=False)
    found = history.read(place, env, world.story)
    return [(one["command"], one["result"], one["arguments"]) for one in found]


@pytest.mark.parametrize("env", [None, "stag"])
def test_who_keeps_the_state_bucket_reads_of_it(env: str | None, world: World) -> None:
    world.environment("course", "stag")
    world.environment("course", "prod")
    world.remember("prod")
    world.project_wide("course", "prod/environment.tfstate", "stag/environment.tfstate", "Not An Env/x")
    count = len(world.sweep(env).removed)
    told = ("sweep", "done", {"envs": ["stag"], "removed": count})
    assert lines(world, "prod") == [told]
    # As long as its states are there so is its history. Where they went, a line would be the next leftover.
    assert lines(world, "stag") == ([told] if env is None else [])
    assert world.find(env).things == ()
    stored = world.s3.list_objects_v2(Bucket=NAMES.state_bucket)["Contents"]
    assert {one["Key"].partition("/")[0] for one in stored} == {"prod", "Not An Env", *([] if env else ["stag"])}


def test_a_look_a_no_and_nothing_to_do_leave_no_line(world: World) -> None:
    world.remember("prod")
    world.project_wide("course", "prod/environment.tfstate")
    world.sweep()
    world.environment("course", "stag")
    world.find()
    with pytest.raises(Declined):
        world.sweep(confirm=lambda _: False)
    assert lines(world, "prod") == []


def test_with_the_state_bucket_the_history_goes(world: World) -> None:
    world.environment("course", "stag")
    world.project_wide("course", "stag/environment.tfstate")
    world.sweep()
    assert world.everything() == {}
    assert world.story.notes == []


@pytest.mark.parametrize(("call", "words"), [("ListObjectsV2", {"Delimiter": "/"}), ("PutObject", {})])
def test_a_history_that_cannot_be_written_keeps_nothing_from_going(
    call: str, words: dict[str, str], world: World
) -> None:
    world.environment("course", "stag")
    world.remember("prod")
    world.project_wide("course", "prod/environment.tfstate")
    before = len(world.everything())

    def refused(params: dict[str, Any], **_: object) -> None:
        if words.items() <= params.items():
            raise ClientError({"Error": {"Code": "AccessDenied", "Message": "no"}}, call)

    def meanwhile(_: Scan) -> bool:
        world.s3.meta.events.register(f"before-parameter-build.s3.{call}", refused)
        return True

    swept = world.sweep(confirm=meanwhile)
    world.s3.meta.events.unregister(f"before-parameter-build.s3.{call}", refused)
    assert len(swept.removed) == before - len(world.everything()) == 5
    assert any("could not be written into the environment" in note for note in world.story.notes)
    assert lines(world, "prod") == []
