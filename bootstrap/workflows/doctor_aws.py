"""The half of `doctor` that asks AWS: who we are there, and what the account still lets us make."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timezone

from bootstrap.adapters.aws import account
from bootstrap.adapters.aws.session import Aws, Caller
from bootstrap.adapters.aws.simulation import simulate
from bootstrap.core.caller import kind_of, partition_of, role_of
from bootstrap.core.doctor import Finding, Group, judge_permissions, judge_quota, judge_skew
from bootstrap.core.names import Names
from bootstrap.core.operator_policy import Whose, asks_of, operator_policy, parts_of
from bootstrap.core.record import Target
from bootstrap.errors import AwsFailed, BootstrapError
from bootstrap.workflows import laptop as laptops
from bootstrap.workflows.operator import ACADEMY, ACADEMY_FIX, ROOT_USER, operator_template
from bootstrap.workflows.project import Project
from bootstrap.workflows.target import profile_before, refuse_member_profile, refuse_other_account, require_same


@dataclass(frozen=True)
class Request:
    """What was asked for. `env` None: the checks are for the project. `profile` is the operator's AWS profile."""

    env: str | None
    target: Target
    profile: str | None = None


@dataclass(frozen=True)
class Ground:
    """The account that is looked at, and as whom."""

    project: Project
    request: Request
    aws: Aws
    caller: Caller

    @property
    def envs(self) -> tuple[str, ...]:
        """The environments that are asked about."""
        return envs_of(self.project, self.request)


def envs_of(project: Project, request: Request) -> tuple[str, ...]:
    """Return the environment that was named, else all that the project has."""
    return (request.env,) if request.env is not None else project.spec.environment_names


def operator_of(project: Project, request: Request) -> Aws:
    """Return whoever `up` would be. Raises BootstrapError for a member's profile."""
    name = request.profile or profile_before(project, request.env or "")
    refuse_member_profile(project, name)
    return Aws(region=project.spec.region, profile=name)


def identified(project: Project, request: Request) -> tuple[Ground | None, list[Finding]]:
    """Find out who we are; returns where to look further (None: nowhere), and what was found so far."""
    found = _variables(project)
    try:
        aws = operator_of(project, request)
        answer = account.identify(aws, lambda: datetime.now(timezone.utc))
    except BootstrapError as error:
        return None, [*found, Finding("AWS", "credentials", "problem", error.message, error.hint)]
    if answer.caller is not None:
        ground = Ground(project, request, aws, answer.caller)
        return ground, [*found, *_who(ground), judge_skew(answer.ahead)]
    if answer.elsewhere:
        found.append(_switched_off(project))
    elif answer.error is not None:
        found.append(Finding("AWS", "credentials", "problem", answer.error.message, answer.error.hint))
    return None, [*found, judge_skew(answer.ahead)] if answer.ahead is not None else found


def there(ground: Ground) -> tuple[Callable[[Ground], list[Finding]], ...]:
    """Return the checks that make sense in an account; in a learner lab hardly any may be asked."""
    if kind_of(ground.caller.arn) == "academy":
        return (_regions,)
    return (_regions, _users, _buckets, _network, _budgets, _permissions)


def _variables(project: Project) -> list[Finding]:
    """Look at the variables of the shell that lead AWS's tools elsewhere than people think."""
    findings = []
    if endpoint := project.environ.get("AWS_ENDPOINT_URL"):
        says = f"AWS_ENDPOINT_URL is set: without --local, AWS is what answers at {endpoint}"
        findings.append(Finding("AWS", "endpoint", "warning", says, "unset AWS_ENDPOINT_URL, if that is not meant"))
    if names := [name for name in laptops.shadowing(project.environ) if name != "AWS_ENDPOINT_URL"]:
        says = f"{', '.join(names)} in your shell win over every AWS profile, the one that `up` writes too"
        fix = f"unset {' '.join(names)}, before you use that profile"
        findings.append(Finding("AWS", "variables", "warning", says, fix))
    return findings


def _who(ground: Ground) -> Iterator[Finding]:
    """Tell who we are, and whether that is somebody who can bring up each environment."""
    caller, aws = ground.caller, ground.aws
    how = f"profile {aws.profile}" if aws.profile else f"found by {account.credentials_source(aws)}"
    says = f"{caller.arn}, account {caller.account} ({how})"
    kind = kind_of(caller.arn)
    if kind == "root":
        yield Finding("AWS", "credentials", "warning", says, ROOT_USER)
    elif kind == "academy":
        fix = ACADEMY_FIX.format(env=ground.envs[0])
        yield Finding("AWS", "credentials", "problem", f"{says}. {ACADEMY}", fix)
    else:
        yield Finding("AWS", "credentials", "ok", says)
    for env in ground.envs:
        record = ground.project.record(env)
        if ground.request.env is None and record is not None and record.target == "local":
            continue  # nobody has asked for this one on AWS
        try:
            require_same(ground.project, env, "aws")
            refuse_other_account(ground.project, env, caller)
        except BootstrapError as error:
            yield Finding("AWS", env, "problem", error.message, error.hint)


def _switched_off(project: Project) -> Finding:
    region, where = project.spec.region, project.spec.where("region")
    fix = f"Switch it on in the account's settings, under AWS Regions; or write another region ({where})."
    return Finding("AWS", "region", "problem", f"{region} is not switched on for this account", fix)


def _regions(ground: Ground) -> list[Finding]:
    region, where = ground.aws.region, ground.project.spec.where("region")
    findings = []
    own = ground.aws.configured_region()
    if own is not None and own != region:
        says = f"your profile says {own}, bootstrap.toml says {region}: everything is made in {region}"
        findings.append(Finding("AWS", "region", "warning", says, f"If {own} is meant, write it into {where}."))
    try:
        choice = account.region_choice(ground.aws)
    except AwsFailed as error:
        return [*findings, _unasked("AWS", "region", error)]
    if choice == "off":
        return [*findings, _switched_off(ground.project)]
    if choice == "unknown":
        says = f"{region} is not among the regions that AWS lists"
        return [*findings, Finding("AWS", "region", "warning", says, f"Look for a slip in {where}.")]
    return [*findings, Finding("AWS", "region", "ok", f"{region} is switched on")]


def _users(ground: Ground) -> list[Finding]:
    fix = "Remove users that nobody needs, or ask AWS to raise the quota (Service Quotas, IAM, users per account)."
    try:
        quota = account.user_quota(ground.aws)
    except AwsFailed as error:
        return [_unasked("AWS", "IAM users", error)]
    return [judge_quota("IAM users", quota.used, quota.most, _new(ground), fix, quota.source)]


def _buckets(ground: Ground) -> list[Finding]:
    try:
        quota = account.bucket_quota(ground.aws)
    except AwsFailed as error:
        return [_unasked("AWS", "buckets", error)]
    needs = _new(ground)
    needs += bool(needs)  # the state bucket
    return [judge_quota("buckets", quota.used, quota.most, needs, "Remove buckets that nobody needs.", quota.source)]


def _network(ground: Ground) -> list[Finding]:
    """Look at what an MLflow machine needs: an address, and the region's default network."""
    aws, project = ground.aws, ground.project
    machines = [env for env in ground.envs if "ec2" in parts_of(project.spec, env)]
    if not machines:
        return []
    findings = []
    try:
        quota = account.addresses(aws)
        fix = (
            f"Release one that nobody uses in {aws.region}, or ask AWS to raise the quota (Service Quotas, EC2-VPC "
            'Elastic IPs). Or do without the server: kind = "none" under the environment\'s mlflow.'
        )
        needs = sum(project.record(env) is None for env in machines)
        findings.append(judge_quota("Elastic IPs", quota.used, quota.most, needs, fix, quota.source))
    except AwsFailed as error:
        findings.append(_unasked("AWS", "Elastic IPs", error))
    try:
        has_network = account.has_default_vpc(aws)
    except AwsFailed as error:
        return [*findings, _unasked("AWS", "network", error)]
    if has_network:
        return [*findings, Finding("AWS", "network", "ok", f"{aws.region} has its default VPC, with a subnet")]
    says = f"{aws.region} has no default VPC with a subnet, where the MLflow machine would go"
    fix = f"aws ec2 create-default-vpc --region {aws.region}"
    return [*findings, Finding("AWS", "network", "problem", says, fix)]


def _budgets(ground: Ground) -> list[Finding]:
    if "budget" not in parts_of(ground.project.spec, ground.request.env):
        return []
    try:
        if account.may_see_budgets(ground.aws, ground.caller.account):
            return [Finding("AWS", "budgets", "ok", "may be read")]
    except AwsFailed as error:
        return [_unasked("AWS", "budgets", error)]
    fix = (
        "The root user lets IAM see the billing pages, in the account's settings; then the operator's policy is "
        "enough. Or leave `budget_usd` out."
    )
    return [Finding("AWS", "budgets", "problem", "may not be read, and `budget_usd` makes one", fix)]


def _permissions(ground: Ground) -> list[Finding]:
    """Ask IAM's simulator for each action of the operator's policy, by name."""
    caller, aws, spec, env = ground.caller, ground.aws, ground.project.spec, ground.request.env
    if kind_of(caller.arn) == "root":
        return [Finding("Permissions", "all", "ok", "the root user may do everything")]
    whose = Whose(spec.project, caller.account, partition_of(caller.arn))
    policy = operator_policy(operator_template(), whose, parts_of(spec, env))
    asks = list(asks_of(policy, Names(spec.project, ground.envs[0], caller.account), aws.region))
    try:
        role = role_of(caller.arn)
        arn = caller.arn if role is None else account.role_arn(aws, role)
        answers = simulate(aws, arn, asks, datetime.now(timezone.utc))
    except AwsFailed as error:
        return [_unasked("Permissions", "simulator", error)]
    # An action may stand in several statements, on other things each: all of them are needed.
    allowed: dict[str, bool] = {}
    for ask in asks:
        allowed[ask.action] = allowed.get(ask.action, True) and answers.get(ask, False)
    named = f" --env {env}" if env else ""
    fix = f"Give {arn} the operator's policy; this prints it: bootstrap doctor{named} --policy"
    return judge_permissions(allowed, fix)


def _new(ground: Ground) -> int:
    """Return how many of the environments this folder has not brought up yet."""
    return sum(ground.project.record(env) is None for env in ground.envs)


def _unasked(group: Group, what: str, error: AwsFailed) -> Finding:
    """Return the finding for what AWS would not tell: no obstacle by itself."""
    return Finding(group, what, "warning", f"not known: {error.message}", error.hint)
