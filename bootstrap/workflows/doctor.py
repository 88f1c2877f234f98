"""`doctor`: everything that could keep `up` from working, looked at before it does. Changes nothing anywhere.

Every check is a function that returns findings; they run side by side, and one that fails becomes a finding itself.
Without credentials all else is said all the same.
"""

from __future__ import annotations

import os
import shutil
import stat
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from functools import partial
from pathlib import Path
from typing import TypeVar

from bootstrap.adapters.emulator import require_local_extra
from bootstrap.adapters.process import Call, find, run
from bootstrap.adapters.terraform_install import VARIABLE, look_for_terraform, terraform_version
from bootstrap.adapters.terraform_mirror import find_mirror, platform_tag, wanted
from bootstrap.core.caller import partition_of
from bootstrap.core.dagshub import TOKEN
from bootstrap.core.doctor import (
    Finding,
    Group,
    Level,
    Report,
    Version,
    in_order,
    judge_room,
    shown,
    version_in,
    without_echoes,
)
from bootstrap.core.mlflow_kind import (
    OWN_ADDRESS,
    hub_wanted,
    kind_wanted,
    machine_wanted,
    odd_networks,
    require_usable,
)
from bootstrap.core.names import profile
from bootstrap.core.operator_policy import ANY_ACCOUNT, DOCUMENTS, Document, Whose, operator_policy, parts_of
from bootstrap.errors import BootstrapError
from bootstrap.workflows import github, local
from bootstrap.workflows import laptop as laptops
from bootstrap.workflows.doctor_aws import Request, envs_of, identified, operator_of, there
from bootstrap.workflows.mlflow_dagshub import given_token
from bootstrap.workflows.operator import operator_template
from bootstrap.workflows.project import Project
from bootstrap.workflows.provision import PROVIDER_VERSION
from bootstrap.workflows.story import Story

_SIDE_BY_SIDE = 8
_WAKE_SECONDS = 0.2
# A program that asks the network when it is asked for its version is not waited for longer than that.
_TOOL_SECONDS = 30.0
# As in the profile that `up` writes for the local target: older ones pass over `endpoint_url`.
# https://docs.aws.amazon.com/sdkref/latest/guide/feature-ss-endpoints.html
_AWS_CLI = {1: (1, 29), 2: (2, 13)}
_DVC_TESTED: Version = (3, 67)

Check = Callable[[], list[Finding]]
T = TypeVar("T")


def policy_of(project: Project, request: Request, document: Document, archive: str | None) -> dict[str, object]:
    """Return the operator's policy for this project; of one that needs nothing of the kind it has no statement.

    The account is the one of bootstrap.toml, of this folder's record, or of whoever is signed in; else any.
    """
    whose = Whose(project.spec.project, *_account_of(project, request), archive)
    wanted_parts = parts_of(project.spec, request.env, archive)
    return operator_policy(operator_template(), whose, [one for one in DOCUMENTS[document] if one in wanted_parts])


def _account_of(project: Project, request: Request) -> tuple[str, str]:
    """Return account and partition."""
    known = [one.account for name, one in project.spec.environments.items() if request.env in (None, name)]
    known += [record.account_id for record in project.recorded() if record.target == "aws"]
    try:
        caller = operator_of(project, request).caller()
    except BootstrapError:
        return next(filter(None, known), ANY_ACCOUNT), "aws"
    return next(filter(None, known), caller.account), partition_of(caller.arn)


def examine(project: Project, request: Request, story: Story, found: Sequence[Finding] = ()) -> Report:
    """Look at everything that `up` needs; `found` is what the caller knows already. Raises nothing of its own."""
    checks: list[Check] = [
        _python,
        partial(_terraform, project),
        partial(_tool, project, "git"),
        partial(_tool, project, "dvc"),
        partial(_tool, project, "aws"),
        partial(_disk, project),
        *(partial(_files, project, env) for env in envs_of(project, request)),
        partial(_credentials_file, project),
        partial(_github, project, request),
    ]
    if request.target == "local":
        checks.append(partial(_local, project))
    else:
        checks += [partial(_mlflow, project, env) for env in envs_of(project, request)]
    with story.step("Looking at what `up` needs"), ThreadPoolExecutor(_SIDE_BY_SIDE, "bootstrap-doctor") as pool:
        signing_in = pool.submit(identified, project, request) if request.target == "aws" else None
        running = [pool.submit(_safely, "This machine", check) for check in checks]
        if signing_in is not None:
            ground, said = _result(signing_in)
            found = [*found, *said]
            running += (
                [pool.submit(_safely, "AWS", partial(check, ground)) for check in there(ground)] if ground else []
            )
        return in_order(without_echoes([*found, *(one for future in running for one in _result(future))]))


def _result(future: Future[T]) -> T:
    """Wait, open to Ctrl-C (on Windows too, with a timeout)."""
    while not future.done():
        wait([future], timeout=_WAKE_SECONDS)
    return future.result()


def _safely(group: Group, check: Check) -> list[Finding]:
    """Run a check; what it raises is what it found."""
    try:
        return check()
    except BootstrapError as error:
        return [Finding(group, "look", "problem", error.message, error.hint)]
    except OSError as error:
        return [Finding(group, "look", "problem", f"The system would not let us look: {error}.", "Mend that.")]


# --- this machine ---


def _python() -> list[Finding]:
    version = ".".join(map(str, sys.version_info[:3]))
    return [Finding("This machine", "Python", "ok", f"{version}, {sys.executable}")]


def _terraform(project: Project) -> list[Finding]:
    from platformdirs import user_cache_path

    cache = user_cache_path("bootstrap", appauthor=False)
    group: Group = "This machine"
    findings = []
    try:
        found = look_for_terraform(project.environ, cache, platform_tag())
        if found.program is None:
            says = f"{found.why}; `up` fetches a pinned release (about 30 MB) into {cache} and checks its SHA-256"
            findings.append(Finding(group, "Terraform", "ok", says))
        else:
            version = shown(terraform_version(found.program, project.environ))
            how = f"by {VARIABLE}" if project.environ.get(VARIABLE) else "found on PATH"
            how = "in our own cache" if found.program.is_relative_to(cache) else how
            findings.append(Finding(group, "Terraform", "ok", f"{version}, {found.program} ({how})"))
    except BootstrapError as error:
        findings.append(Finding(group, "Terraform", "problem", error.message, error.hint))
    try:
        mirror = find_mirror(project.environ, project.home, project.folder, PROVIDER_VERSION)
    except BootstrapError as error:
        return [*findings, Finding(group, "AWS provider", "problem", error.message, error.hint)]
    plugins = Path(project.environ.get("TF_PLUGIN_CACHE_DIR") or cache / "terraform-plugins")
    if mirror is not None:
        says = f"{PROVIDER_VERSION}, from the mirror {mirror}"
    elif any(plugins.glob(wanted(PROVIDER_VERSION))):
        says = f"{PROVIDER_VERSION}, in the cache {plugins}"
    else:
        says = f"{PROVIDER_VERSION} is not here; Terraform downloads several hundred MB, once for this machine"
        findings.append(_room(plugins, download=True))
    return [*findings, Finding(group, "AWS provider", "ok", says)]


def _tool(project: Project, name: str) -> list[Finding]:
    """Look for a program of the user's, and at its version."""
    group: Group = "This machine"
    missing: dict[str, tuple[Level, str, str]] = {
        "git": ("warning", "not found: no DVC remote is written without a git repository", "Install git."),
        "dvc": ("warning", "not found: no DVC remote is written", "pip install 'dvc[s3]'"),
        "aws": ("warning", "not found: everything is set up without it, but it cannot be tried", "pip install awscli"),
    }
    program = find(name, project.environ)
    if program is None:
        return [Finding(group, name, *missing[name])]
    environ = dict(project.environ) | {"DVC_NO_ANALYTICS": "1"}
    done = run(Call((program, "--version"), env=environ), timeout=_TOOL_SECONDS)
    version = version_in(done.stdout or done.stderr) if done.returncode == 0 else None
    if version is None:
        return [Finding(group, name, "problem", f"{program} does not say its version", "Install it anew.")]
    says = f"{shown(version)}, {program}"
    if name == "dvc" and version < _DVC_TESTED:
        fix = f"pip install --upgrade 'dvc[s3]>={shown(_DVC_TESTED)}'"
        return [Finding(group, name, "warning", f"{says}: older than what this is tested with", fix)]
    if name == "aws" and version < _AWS_CLI.get(version[0], version):
        least = shown(_AWS_CLI[version[0]])
        says += f": before {least} it passes over the `endpoint_url` of a profile, which --local needs"
        return [Finding(group, name, "warning", says, f"Upgrade it to {least} or later.")]
    return [Finding(group, name, "ok", says)]


def _disk(project: Project) -> list[Finding]:
    return [_room(project.folder, download=False)]


def _room(folder: Path, *, download: bool) -> Finding:
    while not folder.exists():
        folder = folder.parent
    return judge_room(str(folder), shutil.disk_usage(folder).free, download=download)


def _local(project: Project) -> list[Finding]:
    """Look at what the local target needs: the packages, and a port for the emulator."""
    group: Group = "This machine"
    findings = []
    for package, purpose in (("moto", "the AWS emulator"), ("mlflow", "the MLflow server")):
        try:
            require_local_extra(package, purpose)
            findings.append(Finding(group, package, "ok", f"installed, for {purpose}"))
        except BootstrapError as error:
            findings.append(Finding(group, package, "problem", error.message, error.hint))
    wanted_port, port = local.port_for_emulator(project)
    if local.emulator_runs(project):
        findings.append(Finding(group, "port", "ok", "the emulator of this folder is running"))
    elif port == wanted_port:
        findings.append(Finding(group, "port", "ok", f"{port} is free for the emulator"))
    else:
        says = f"{wanted_port} is taken by another program; the emulator will get {port}, and profiles that"
        fix = "Run `bootstrap up` again for each local environment that was up, and it is mended."
        findings.append(Finding(group, "port", "warning", f"{says} name the old one lead nowhere", fix))
    return findings


# --- the user's files ---


def _mlflow(project: Project, env: str) -> list[Finding]:
    """Look whether the environment can have the MLflow that bootstrap.toml asks for; `up` asks this before all else."""
    group: Group = "Your files"
    try:
        require_usable(project.spec, env, "aws")
    except BootstrapError as error:
        return [Finding(group, f"MLflow of {env}", "problem", error.message, error.hint)]
    if kind_wanted(project.spec, env, "aws") == "ec2":
        where = project.spec.where("environments", env, "mlflow", "allowed_cidrs")
        fix = f"The address that you have now: {OWN_ADDRESS}"
        odd = odd_networks(machine_wanted(project.spec, env).allowed_cidrs)
        return [
            Finding(group, f"MLflow of {env}", "warning", f"{where}: {network} {why}", fix)
            for network, why in odd.items()
        ]
    hub = hub_wanted(project.spec, env)
    record = project.record(env)
    if hub is None or given_token(project.environ) or (record is not None and record.mlflow == "dagshub"):
        return []
    fix = f"Make a token at {hub.token_page}, then: export {TOKEN}=…"
    return [Finding(group, f"MLflow of {env}", "problem", f"is at {hub.tracking_uri}, and {TOKEN} is not set", fix)]


def _files(project: Project, env: str) -> list[Finding]:
    """Try what `up` tries before it begins: can the profile, the DVC remote and the settings be written?"""
    group: Group = "Your files"
    name = profile(project.spec.project, env)
    try:
        laptops.check(laptops.look_around(project), name, f"{project.spec.project}/{env}", env)
    except BootstrapError as error:
        return [Finding(group, env, "problem", error.message, error.hint)]
    return [Finding(group, env, "ok", f"the profile {name}, the DVC remote {env} and .env can be written")]


def _credentials_file(project: Project) -> list[Finding]:
    """Look at the modes of AWS's two files, and where links among them lead."""
    group: Group = "Your files"
    files = laptops.look_around(project).files
    findings = []
    for path, is_secret in ((files.credentials, True), (files.config, False)):
        name = f"{path.name} file"
        if not path.exists():
            findings.append(Finding(group, name, "ok", f"{path} is not there yet; `up` makes it"))
            continue
        says = f"{path} can be read" + (f", and is a link to {path.resolve()}" if path.is_symlink() else "")
        mode = stat.S_IMODE(path.stat().st_mode)
        if is_secret and os.name == "posix" and mode & 0o077:
            says = f"{path} can be read by others on this machine (mode {mode:04o})"
            findings.append(Finding(group, name, "warning", says, f"chmod 600 {path}"))
        else:
            findings.append(Finding(group, name, "ok", says))
    return findings


# --- GitHub ---


def _github(project: Project, request: Request) -> list[Finding]:
    if not github.is_wanted(project):
        return [Finding("GitHub", "repository", "ok", "none is named in bootstrap.toml, so nothing is written there")]
    if github.is_rehearsal(project, request.target):
        says = "left alone with --local: its workflows cannot reach this laptop"
        return [Finding("GitHub", "repository", "ok", says)]
    try:
        found = github.connect(project).look()
    except BootstrapError as error:
        return [Finding("GitHub", "token", "problem", error.message, error.hint)]
    return [Finding("GitHub", "token", "ok", f"may change the settings of {found.name}, as {found.scope}")]
