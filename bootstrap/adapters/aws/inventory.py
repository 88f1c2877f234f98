"""A look through an account for everything of one project, without the help of any Terraform state.

A thing is ours by its tags (`bootstrap:project`, `bootstrap:env`), by its IAM path (`/<project>/<env>/`, no more and no
less), or by a bucket's name that only we give. What may be removed carries two marks that agree: a path and a name
space of its own for users, roles and instance profiles, for a bucket and for what an MLflow machine consists of
(`machines`) the tags and the name that go with them. The one exception is an
empty bucket with our name and no tags at all, as a kill between its making and its tagging leaves it.

Every place that is looked at ends up in the result, as looked at or as blind: nobody can take "could not be asked" for
"is empty".
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from bootstrap.adapters.aws import buckets, identity_provider, machines
from bootstrap.adapters.aws.looking import ENV_TAG, PROJECT_TAG, Found, View, in_region, parts, plain, reason
from bootstrap.adapters.aws.session import Aws, error_code, explained
from bootstrap.core.inventory import EVERYWHERE, Blind, Mark, Place, Scan, Thing
from bootstrap.core.names import STATE, Names, environment_problem
from bootstrap.errors import AwsFailed

# The kinds that can be removed, in the order in which they have to go: whoever could still come in goes first, and the
# identity provider when no role of ours trusts it any more.
USER, DEVICE, PROFILE, ROLE, BUCKET, STATES, PROVIDER = (
    "user",
    "MFA device",
    "instance profile",
    "role",
    "bucket",
    "state",
    "identity provider",
)
# A machine goes before its role and before the bucket that it writes to.
ORDER = (USER, DEVICE, *machines.ORDER, PROFILE, ROLE, BUCKET, STATES, PROVIDER)
# What the Tagging API knows of in one region, of whatever kind.
TAGGED = "tagged resources"

_SIDE_BY_SIDE = 8
_WAKE_SECONDS = 0.2
_ABSENT = {"NoSuchBucket", "404", "NoSuchEntity"}

_REMOVERS = {
    "secretsmanager:secret": "aws secretsmanager delete-secret --region {region} --secret-id {arn}",
    "logs:log-group": "aws logs delete-log-group --region {region} --log-group-name {id}",
}


@dataclass(frozen=True)
class _OnPath:
    """A kind of IAM's that lies on a path: how it is listed, what it is called, how a person removes it by hand."""

    kind: str
    noun: str
    lister: str
    listed: str
    name: str
    by_hand: str = ""
    more: Mapping[str, str] = field(default_factory=dict)


_ON_PATHS = (
    _OnPath(USER, "the IAM user", "list_users", "Users", "UserName"),
    _OnPath(ROLE, "the IAM role", "list_roles", "Roles", "RoleName"),
    _OnPath(PROFILE, "the instance profile", "list_instance_profiles", "InstanceProfiles", "InstanceProfileName"),
    # This version makes none of these, but people do by hand, and another version may.
    _OnPath(
        *("iam:policy", "the managed policy", "list_policies", "Policies", "PolicyName"),
        by_hand="aws iam delete-policy --policy-arn {arn}",
        more={"Scope": "Local"},
    ),
    _OnPath(
        *("iam:group", "the IAM group", "list_groups", "Groups", "GroupName"),
        by_hand="aws iam delete-group --group-name {name}",
    ),
)
# Of these IAM's own lists tell what is there now, while the Tagging API goes on for a while to tell what was.
_LISTED_BY_IAM = ("user", "role", "policy", "group", "instance-profile", "mfa")


def scan(
    aws: Aws,
    project: str,
    account: str,
    *,
    env: str | None,
    envs_known: Iterable[str],
    regions: Iterable[str],
    lacks: Collection[str] = (),
    budgets_known: bool = False,
    progress: Callable[[str], None] = lambda _: None,
) -> Scan:
    """Look for everything of a project, or of one environment, side by side; changes nothing.

    With `env` what belongs to the whole project is left out, the state bucket and the identity provider; the
    environment's states within that bucket are then a thing of their own. `envs_known` are the names of environments
    that a bucket may have been named for. `regions` are looked through by tag, and so is each in which one of the
    project's buckets is. `progress` is told in words how far it is. Raises nothing of AWS's: what could not be looked
    at is in the result.

    An emulator of the local target is not asked for what only AWS has: machines with all that goes with them, and
    budgets. `lacks` are kinds that this AWS does not have at all, as one that is rehearsed on may lack them: nothing is
    made there that would need them.

    Until the account's owner opens the billing pages to IAM nobody may list budgets, and every look of most people
    would end blind. So a refusal counts only where `budgets_known` says that one was asked for; else budgets are
    neither among what was looked at nor among what could not be.
    """
    view = View(aws, project, account, env, frozenset(envs_known))
    looks: dict[Place, Callable[[], Found]] = {
        Place(one.kind, EVERYWHERE): partial(_on_path, view, one) for one in _ON_PATHS
    }
    looks[Place(DEVICE, EVERYWHERE)] = partial(_devices, view)
    looks[Place(BUCKET, EVERYWHERE)] = partial(_buckets, view)
    whole = (PROVIDER, _providers) if env is None else (STATES, _states)
    looks[Place(whole[0], EVERYWHERE)] = partial(whole[1], view)
    in_one = partial(_in_one_region, view, frozenset(lacks))
    for region in dict.fromkeys(regions):
        looks |= in_one(region)
    if _has_machines(aws):
        looks[Place(machines.BUDGET, EVERYWHERE)] = partial(_budgets, view, known=budgets_known)
    outcomes = _side_by_side(looks, in_one, progress)
    things = {thing.arn: thing for found in outcomes.values() for thing in reversed(found.things)}
    return Scan(
        tuple(sorted(things.values(), key=_in_order)),
        tuple(place for place, found in outcomes.items() if not found.unseen and not found.refused),
        tuple(Blind(place, "; ".join(found.unseen)) for place, found in outcomes.items() if found.unseen),
    )


def _has_machines(aws: Aws) -> bool:
    """Tell whether this is an AWS on which we make machines: one that this folder's emulator is not."""
    return aws.endpoint_url is None


def _in_one_region(view: View, lacks: Collection[str], region: str) -> dict[Place, Callable[[], Found]]:
    """Return all looks through one region."""
    found: dict[Place, Callable[[], Found]] = {Place(TAGGED, region): partial(_tagged, view, region)}
    if _has_machines(view.aws):
        found |= {place: look for place, look in machines.looks(view, region).items() if place.kind not in lacks}
    return found


def _budgets(view: View, *, known: bool) -> Found:
    try:
        return machines.budgets(view)
    except AwsFailed as error:
        if known or not machines.may_not_see_budgets(error):
            raise
        return Found(refused=True)


def delete_device(aws: Aws, arn: str) -> None:
    """Delete a virtual MFA device that is nobody's; fine if it is gone already. Raises AwsFailed."""
    iam = aws.client("iam")
    with explained(f"delete the MFA device {arn} (iam:DeleteVirtualMFADevice)"):
        try:
            iam.delete_virtual_mfa_device(SerialNumber=arn)
        except iam.exceptions.NoSuchEntityException:
            return


def strangers(aws: Aws, ours: Iterable[Thing], path: str) -> list[str]:
    """Return the buckets, users and roles of an account that are not among `ours`, nor users on `path`, in words.

    For an emulator only, which goes as a whole or not at all. Raises AwsFailed.
    """
    known = {thing.arn for thing in ours if thing.removable}
    iam, s3 = aws.client("iam"), aws.client("s3")
    with explained("look what else there is (s3:ListAllMyBuckets, iam:ListUsers, iam:ListRoles)"):
        names = [str(one["Name"]) for one in s3.list_buckets()["Buckets"]]
        found = [f"the bucket {name}" for name in names if f"arn:{s3.meta.partition}:s3:::{name}" not in known]
        for one in _ON_PATHS[:2]:
            pages = iam.get_paginator(one.lister).paginate()
            entries = [entry for page in pages for entry in page[one.listed]]
            others = [entry for entry in entries if entry["Arn"] not in known and entry["Path"] != path]
            found += [f"{one.noun} {entry[one.name]}" for entry in others]
    return found


def _side_by_side(
    looks: Mapping[Place, Callable[[], Found]],
    in_one: Callable[[str], Mapping[Place, Callable[[], Found]]],
    progress: Callable[[str], None],
) -> dict[Place, Found]:
    """Look everywhere at once, and in each further region that a look came upon."""
    outcomes: dict[Place, Found] = {}
    with ThreadPoolExecutor(_SIDE_BY_SIDE, thread_name_prefix="bootstrap-scan") as pool:
        places: dict[Future[Found], Place] = {pool.submit(_looked, look): place for place, look in looks.items()}
        waiting = set(places)
        try:
            while waiting:
                # With a timeout the main thread stays open to Ctrl-C, on Windows too.
                done, waiting = wait(waiting, timeout=_WAKE_SECONDS, return_when=FIRST_COMPLETED)
                for future in done:
                    found = outcomes[places[future]] = future.result()
                    for region in sorted(found.regions):
                        if Place(TAGGED, region) not in places.values():
                            more = {pool.submit(_looked, look): place for place, look in in_one(region).items()}
                            places |= more
                            waiting |= set(more)
                    progress(f"{len(outcomes)} of {len(places)} places")
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    return dict(sorted(outcomes.items(), key=lambda one: (one[0].region != EVERYWHERE, one[0].region, one[0].kind)))


def _looked(look: Callable[[], Found]) -> Found:
    try:
        return look()
    except AwsFailed as error:
        return Found(unseen=[reason(error)])


def _in_order(thing: Thing) -> tuple[int, str, str, str]:
    kinds = ORDER.index(thing.kind) if thing.kind in ORDER else len(ORDER)
    return kinds, thing.env or "", thing.kind, thing.arn


# --- IAM ---


def _on_path(view: View, one: _OnPath) -> Found:
    found = Found()
    for entry, env in _entries(view, one):
        arn, name = str(entry["Arn"]), str(entry[one.name])
        by_hand = one.by_hand.format(arn=shlex.quote(arn), name=shlex.quote(name))
        found.things.append(
            Thing(
                one.kind,
                arn,
                f"{one.noun} {name}",
                EVERYWHERE,
                "path",
                env,
                view.by_hand(by_hand) if by_hand else view.sweep(env),
                removable=not by_hand,
            )
        )
    return found


def _entries(view: View, one: _OnPath) -> Iterator[tuple[Mapping[str, Any], str]]:
    """Yield what IAM lists of a kind on paths of ours, each with its environment."""
    action = "".join(word.capitalize() for word in one.lister.split("_"))
    with explained(f"list what is on {view.path} (iam:{action})"):
        for page in view.aws.client("iam").get_paginator(one.lister).paginate(PathPrefix=view.path, **one.more):
            for entry in page[one.listed]:
                if (env := view.env_of_path(str(entry["Path"]))) and view.wants(env):
                    yield entry, env


def _devices(view: View) -> Found:
    """Look for virtual MFA devices on our paths: one outlives its user, and there may have been none yet.

    https://docs.aws.amazon.com/IAM/latest/APIReference/API_ListVirtualMFADevices.html
    """
    found = Found()
    with explained("list the virtual MFA devices (iam:ListVirtualMFADevices)"):
        pages = view.aws.client("iam").get_paginator("list_virtual_mfa_devices").paginate()
        entries = [(str(entry["SerialNumber"]), entry.get("User")) for page in pages for entry in page[_DEVICES]]
    for arn, user in entries:
        path, _, name = arn.partition(":mfa")[2].rpartition("/")
        env = view.env_of_path(f"{path}/")
        if env is None or not view.wants(env):
            continue
        # Whoever has no path in the answer is the account's own root user.
        foreign = user is not None and view.env_of_path(str(user.get("Path", ""))) is None
        whose = f", which is {user.get('UserName', 'the root user')}'s" if foreign else ""
        by_hand = view.by_hand(f"aws iam delete-virtual-mfa-device --serial-number {shlex.quote(arn)}")
        what, command = f"the MFA device {name}{whose}", by_hand if foreign else view.sweep(env)
        found.things.append(Thing(DEVICE, arn, what, EVERYWHERE, "path", env, command, removable=not foreign))
    return found


_DEVICES = "VirtualMFADevices"


def _providers(view: View) -> Found:
    """Look for identity providers with our tag. One by which others live is theirs to keep."""
    found = Found()
    iam = view.aws.client("iam")
    with explained("list the account's identity providers (iam:ListOpenIDConnectProviders)"):
        # Never more than one page: this call has no second one.
        arns = [str(one["Arn"]) for one in iam.list_open_id_connect_providers()["OpenIDConnectProviderList"]]
    for arn in arns:
        with explained(f"look at the identity provider {arn} (iam:GetOpenIDConnectProvider)"):
            try:
                tags = plain(iam.get_open_id_connect_provider(OpenIDConnectProviderArn=arn).get("Tags", []))
            except iam.exceptions.NoSuchEntityException:
                continue
        if tags.get(PROJECT_TAG) != view.project:
            continue
        ours = {str(role["RoleName"]) for role, _ in _entries(view, _ON_PATHS[1])}
        others = [role for role in identity_provider.roles_trusting(view.aws, arn) if role not in ours]
        what = f"the identity provider {arn.partition(':oidc-provider/')[2]}"
        command = view.sweep(None)
        if others:
            what += f", which {', '.join(others[:3])} {'use' if len(others) > 1 else 'uses'}"
            # Without our tags it is theirs, and no leftover any more.
            command = view.by_hand(
                "aws iam untag-open-id-connect-provider "
                f"--open-id-connect-provider-arn {shlex.quote(arn)} --tag-keys {PROJECT_TAG} {ENV_TAG}"
            )
        found.things.append(Thing(PROVIDER, arn, what, EVERYWHERE, "tag", None, command, removable=not others))
    return found


# --- S3 ---


def _buckets(view: View) -> Found:
    """Look at the buckets whose name begins as ours do; others of ours are found by their tags (`_tagged`)."""
    found = Found()
    with explained("list the account's buckets (s3:ListAllMyBuckets)"):
        listed = [str(one["Name"]) for one in view.aws.client("s3").list_buckets()["Buckets"]]
    for name in listed:
        if not name.startswith(f"{view.project}--"):
            continue
        try:
            tags = buckets.tags(view.aws, name)
            claim = _claim(view, name, tags)
            if claim is None:
                continue
            region = _region_of(view.aws, name)
            found.regions.add(region)
            if view.wants(claim.env):
                found.things.append(_bucket(view, name, region, claim))
        except AwsFailed as error:
            if error_code(error.__cause__) not in _ABSENT:  # somebody else deletes it at this very moment
                found.unseen.append(f"{name}: {reason(error)}")
    return found


@dataclass(frozen=True)
class _Claim:
    """Why a bucket is ours. `sure`: the tags and the name agree, or the name is ours and nobody has tagged it."""

    mark: Mark
    env: str | None
    sure: bool


def _claim(view: View, name: str, tags: Mapping[str, str]) -> _Claim | None:
    """Say why a bucket is ours, None if it is not: with anybody's tags but ours it is somebody's, whatever its name."""
    named_for = view.env_of_bucket(name)
    if not tags:
        return _Claim("name", _or_project(named_for), sure=True) if named_for else None
    if tags.get(PROJECT_TAG) != view.project:
        return None
    env = tags.get(ENV_TAG)
    if named_for is None and env and environment_problem(env) is None:
        # An environment that nobody here knows, with a name so long that it had to be cut short.
        named_for = env if Names(view.project, env, view.account).bucket == name else None
    return _Claim("tag", _or_project(env), sure=env is not None and env == named_for)


def _or_project(env: str | None) -> str | None:
    return None if env == STATE else env


def _bucket(view: View, name: str, region: str, claim: _Claim) -> Thing:
    holds = not buckets.is_empty(view.aws, name) or _has_uploads(view.aws, name)
    what = f"the bucket {name}, " + ("with what is in it" if holds else "empty")
    removable, command = claim.sure, view.sweep(claim.env)
    if claim.mark == "name":
        removable = not holds
        what += ", without any tags"
        if holds:
            env = claim.env or STATE
            tags = f"{{Key={PROJECT_TAG},Value={view.project}}},{{Key={ENV_TAG},Value={env}}}"
            # Who knows it to be ours says so, and the next sweep takes it away.
            command = view.by_hand(f"aws s3api put-bucket-tagging --bucket {name} --tagging 'TagSet=[{tags}]'")
    elif not removable:
        what += ", which is not named as its tags say"
        command = view.by_hand(f"aws s3 rb s3://{name} --force")
    arn = f"arn:{view.partition}:s3:::{name}"
    return Thing(BUCKET, arn, what, region, claim.mark, claim.env, command, removable=removable)


def _states(view: View) -> Found:
    """Look for the environment's Terraform states, and whatever else lies beside them in the state bucket."""
    name, found = view.state_bucket, Found()
    try:
        claim = _claim(view, name, buckets.tags(view.aws, name))
        if claim is None:
            return found
        with explained(f"list {name} (s3:ListBucketVersions)"):
            page = view.aws.client("s3").list_object_versions(Bucket=name, Prefix=f"{view.env}/", MaxKeys=1)
        if page.get("Versions") or page.get("DeleteMarkers"):
            region = _region_of(view.aws, name)
            ours = claim.mark == "tag" and claim.sure
            what = f"the Terraform states of {view.env} in {name}"
            command = view.sweep(view.env)
            if not ours:
                what += ", which carries no tags of ours"
                command = view.by_hand(f"aws s3 rm --recursive s3://{name}/{view.env}/")
            arn = f"arn:{view.partition}:s3:::{name}/{view.env}/"
            found.things.append(Thing(STATES, arn, what, region, claim.mark, view.env, command, removable=ours))
    except AwsFailed as error:
        if error_code(error.__cause__) not in _ABSENT:
            raise
    return found


def _has_uploads(aws: Aws, name: str) -> bool:
    with explained(f"list the unfinished uploads in {name} (s3:ListBucketMultipartUploads)"):
        return bool(aws.client("s3").list_multipart_uploads(Bucket=name, MaxUploads=1).get("Uploads"))


def _region_of(aws: Aws, name: str) -> str:
    """Return a bucket's region. us-east-1 answers with nothing, and the oldest buckets in Ireland with `EU`.

    https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetBucketLocation.html
    """
    with explained(f"look where {name} is (s3:GetBucketLocation)"):
        answer = aws.client("s3").get_bucket_location(Bucket=name)["LocationConstraint"]
    return {None: "us-east-1", "EU": "eu-west-1"}.get(answer, str(answer))


# --- everything else, by its tags ---


def _tagged(view: View, region: str) -> Found:
    """Ask the Tagging API what carries our tag in one region, of whatever service.

    https://docs.aws.amazon.com/resourcegroupstagging/latest/APIReference/API_GetResources.html
    """
    found = Found()
    aws = in_region(view.aws, region)
    filters = [{"Key": PROJECT_TAG, "Values": [view.project]}]
    with explained(f"look for tagged resources in {region} (tag:GetResources)"):
        pages = aws.client("resourcegroupstaggingapi").get_paginator("get_resources").paginate(TagFilters=filters)
        entries = [(str(one["ResourceARN"]), plain(one["Tags"])) for page in pages for one in page[_MAPPINGS]]
    for arn, tags in entries:
        env = tags.get(ENV_TAG)
        if tags.get(PROJECT_TAG) != view.project or not view.wants(_or_project(env)):
            continue
        service, place, resource = parts(arn)
        if service == "s3" and not place and "/" not in resource:
            _by_its_tags(view, resource, found)
        elif not _has_its_own_list(view, service, resource):
            found.things.append(_of_another_kind(view, arn, place or region, _or_project(env)))
    return found


_MAPPINGS = "ResourceTagMappingList"


def _by_its_tags(view: View, name: str, found: Found) -> None:
    """Add a bucket that is tagged as ours and not named so, if it is there: this API tells of deleted ones too."""
    if name.startswith(f"{view.project}--"):
        return  # `_buckets` knows better
    try:
        claim = _claim(view, name, buckets.tags(view.aws, name))
        if claim is not None and view.wants(claim.env):
            found.things.append(_bucket(view, name, _region_of(view.aws, name), claim))
    except AwsFailed as error:
        if error_code(error.__cause__) not in _ABSENT:
            found.unseen.append(f"{name}: {reason(error)}")


def _has_its_own_list(view: View, service: str, resource: str) -> bool:
    kind, _, rest = resource.partition("/")
    if service == "ssm":
        return _has_machines(view.aws) and machines.env_of_parameter(view, f"/{rest}") is not None
    if service != "iam":
        return _has_machines(view.aws) and (service, kind) in machines.LISTED
    return kind == "oidc-provider" or (kind in _LISTED_BY_IAM and rest.startswith(f"{view.project}/"))


def _of_another_kind(view: View, arn: str, region: str, env: str | None) -> Thing:
    service, _, resource = parts(arn)
    kind, _, name = re.sub("[:/]", "\n", resource, count=1).partition("\n")
    aws_kind = f"{service}:{kind}" if name else service
    remover = _REMOVERS.get(aws_kind)
    if remover is not None:
        command = remover.format(region=region, id=shlex.quote(name), arn=shlex.quote(arn))
    else:
        command = f"AWS console, Tag Editor, region {region}: tag {PROJECT_TAG} = {view.project}"
    what = f"{aws_kind} {name or resource}"
    return Thing(aws_kind, arn, what, region, "tag", env, view.by_hand(command), removable=False)
