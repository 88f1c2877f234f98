"""What is written on the user's own machine: AWS profile, DVC remote, `.env` block."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from bootstrap.adapters import dotenv, dvc
from bootstrap.adapters.aws.session import KeyPair
from bootstrap.adapters.aws_profile import AwsFiles
from bootstrap.adapters.files import locked
from bootstrap.adapters.git import Git
from bootstrap.core.plan import Step
from bootstrap.core.record import Record
from bootstrap.errors import ConfigError, ToolMissing
from bootstrap.workflows.project import Project
from bootstrap.workflows.story import Story

# As long as the `dvc init` of another run may take.
_DVC_SECONDS = 150.0


@dataclass(frozen=True)
class Laptop:
    """The places on this machine that concern one environment. `top` is None outside of a git repository."""

    files: AwsFiles
    env_file: Path
    gitignore: Path
    git: Git
    top: Path | None
    dvc_repository: Path | None

    @property
    def dvc_place(self) -> Path | None:
        """Where the DVC remote goes: an existing DVC repository, else the git repository's top."""
        return self.dvc_repository or self.top


def look_around(project: Project) -> Laptop:
    """Find the git and DVC repositories the project is in."""
    git = Git(project.folder, project.environ)
    top = git.top()
    return Laptop(
        files=AwsFiles.of(project.environ, project.home),
        env_file=project.folder / ".env",
        gitignore=project.folder / ".gitignore",
        git=git,
        top=top,
        dvc_repository=dvc.find_repository(project.folder, top) if top else None,
    )


def check(laptop: Laptop, profile: str, owner: str, remote: str) -> None:
    """Find out, before anything is provisioned, whether profile, remote and settings can be written.

    Raises ConfigError for a file that cannot be parsed, for a profile or remote of the same name that somebody wrote
    by hand and for an `.env` that git tracks; BootstrapError for a place that cannot be written.
    """
    laptop.files.check(profile, owner)
    dotenv.check(laptop.env_file)
    if laptop.top is not None and laptop.git.tracks(laptop.env_file):
        raise ConfigError(
            f"{laptop.env_file} is tracked by git; a password written there would end up in a commit.",
            hint="Take it out of git, the file stays: git rm --cached .env",
        )
    if laptop.dvc_repository is not None:
        dvc.check(laptop.dvc_repository, dvc.Remote(remote, "", profile))


def read_key(laptop: Laptop, record: Record) -> KeyPair | None:
    """Return the key in our profile, if there is one."""
    pair = laptop.files.read_key(record.aws_profile, record.owner)
    return KeyPair(*pair) if pair else None


def read_password(laptop: Laptop, record: Record) -> str | None:
    """Return the MLflow password in our `.env` block, if there is one."""
    return dotenv.read(laptop.env_file, record.owner).get("MLFLOW_TRACKING_PASSWORD")


def steps(laptop: Laptop, record: Record, key_works: bool) -> list[Step]:
    """Say what of it is missing or would change."""
    found: list[Step] = []
    profile = record.aws_profile
    written = laptop.files.region(profile, record.owner), laptop.files.endpoint(profile, record.owner)
    if laptop.files.read_key(profile, record.owner) is None:
        found.append(Step("create", "laptop", f"the AWS profile {profile}"))
    elif not key_works or written != (record.region, record.endpoint_url):
        found.append(Step("update", "laptop", f"the AWS profile {profile}"))
    if laptop.dvc_repository is not None or (laptop.top is not None and dvc.is_installed(laptop.git.environ)):
        if laptop.dvc_repository is None:
            found.append(Step("create", "laptop", f"a DVC repository in {laptop.dvc_place} (dvc init)"))
        if laptop.dvc_repository is None or not dvc.is_written(laptop.dvc_repository, _remote(record)):
            found.append(Step("create", "laptop", f"the DVC remote {record.env} → {record.dvc_remote_url}"))
    settings = dotenv.read(laptop.env_file, record.owner)
    expected = env_values(record, settings.get("MLFLOW_TRACKING_PASSWORD"))
    if not settings:
        found.append(Step("create", "laptop", f"a block of settings in {laptop.env_file.name} (ignored by git)"))
    elif settings != expected:
        found.append(Step("update", "laptop", f"the block of settings in {laptop.env_file.name}"))
    return found


def write_profile(laptop: Laptop, record: Record, key: KeyPair) -> None:
    """Write the AWS profile."""
    laptop.files.write(
        record.aws_profile,
        record.owner,
        region=record.region,
        access_key_id=key.id,
        secret_access_key=key.secret,
        endpoint_url=record.endpoint_url,
    )


def write_remote(project: Project, laptop: Laptop, record: Record, story: Story) -> Record:
    """Write the DVC remote, making the git repository a DVC repository first if it is none.

    Returns the record with what `down` needs to put things back. Without git or DVC it says so and goes on.
    """
    place = laptop.dvc_place
    if place is None:
        story.note(
            "This folder is in no git repository, so no DVC remote was written. "
            "`git init` and the same command again add it."
        )
        return record
    # Two environments of one folder share the repository: one at a time, and each knows what the other found there.
    with locked(dvc.config_path(place), timeout=_DVC_SECONDS):
        if not (place / ".dvc").is_dir():
            try:
                dvc.init(place, project.environ)
            except ToolMissing as error:
                story.note(f"{error.message} {error.hint}")
                return record
        others = _others(project, record)
        before = dvc.write(place, _remote(record), frozenset(r.env for r in others))
        if (default := dvc.default_remote(place)) != record.env:
            story.note(f"Your default DVC remote '{default}' was kept; `dvc push -r {record.env}` uses this one.")
        if before is not None and record.dvc_repository is None:
            if earlier := _sharing(project, others, place):
                before = dvc.Before(earlier[0].dvc_default_before, earlier[0].dvc_autostage_before)
            record = replace(record, dvc_default_before=before.default, dvc_autostage_before=before.autostage)
        record = replace(record, dvc_repository=os.path.relpath(place, project.folder))
        project.save(record)
    return record


_IGNORED = "/.env"


def write_env(laptop: Laptop, record: Record, password: str | None) -> None:
    """Write the `.env` block, after git has been told to ignore the file."""
    # Outside of a repository too: it may become one later, and then the password must not be in it.
    if not (laptop.git.ignores(laptop.env_file) if laptop.top is not None else dotenv.is_ignored(laptop.gitignore)):
        dotenv.ignore(laptop.gitignore, _IGNORED)
    dotenv.write(laptop.env_file, record.owner, env_values(record, password))


def env_values(record: Record, password: str | None) -> dict[str, str]:
    """Return what the `.env` block holds."""
    values = {"AWS_PROFILE": record.aws_profile}
    if record.mlflow_tracking_uri and record.mlflow_username:
        values |= {
            "MLFLOW_TRACKING_URI": record.mlflow_tracking_uri,
            "MLFLOW_TRACKING_USERNAME": record.mlflow_username,
            "MLFLOW_TRACKING_PASSWORD": password or "",
        }
    return values


def take_out(project: Project, laptop: Laptop, record: Record) -> list[str]:
    """Take out exactly what was written for this environment; return what that was, in words."""
    gone: list[str] = []
    if laptop.files.remove(record.aws_profile, record.owner):
        gone.append(f"the AWS profile {record.aws_profile}")
    repository = repository_of(project, record) or laptop.dvc_repository
    if repository is not None and repository.is_dir():
        with locked(dvc.config_path(repository), timeout=_DVC_SECONDS):
            before = dvc.Before(record.dvc_default_before, record.dvc_autostage_before)
            if staying := _sharing(project, _others(project, record), repository):
                before = dvc.Before(staying[0].env, "true")
            if dvc.remove(repository, _remote(record), before):
                gone.append(f"the DVC remote {record.env}")
    if dotenv.take_out(laptop.env_file, record.owner):
        gone.append(f"the block in {laptop.env_file.name}")
    return gone


def shadowing(environ: Mapping[str, str]) -> list[str]:
    """Return variables set in the user's shell that win over the profile we write."""
    return [name for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_ENDPOINT_URL") if name in environ]


def repository_of(project: Project, record: Record) -> Path | None:
    """Return the DVC repository that got the environment's remote."""
    return (project.folder / record.dvc_repository).resolve() if record.dvc_repository is not None else None


def _others(project: Project, record: Record) -> list[Record]:
    return [other for other in project.recorded() if other.env != record.env]


def _sharing(project: Project, records: list[Record], repository: Path) -> list[Record]:
    return [record for record in records if repository_of(project, record) == repository.resolve()]


def _remote(record: Record) -> dvc.Remote:
    return dvc.Remote(record.env, record.dvc_remote_url, record.aws_profile)
