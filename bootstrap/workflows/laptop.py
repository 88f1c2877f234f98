"""What is written on the user's own machine: AWS profile, DVC remote, `.env` block."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

import platformdirs

from bootstrap.adapters import dotenv, dvc
from bootstrap.adapters.aws.session import KeyPair
from bootstrap.adapters.aws_profile import AwsFiles
from bootstrap.adapters.files import check_writable, locked, read_text, remove, write_atomic
from bootstrap.adapters.git import Git
from bootstrap.core.dagshub import REMOTE, Hub
from bootstrap.core.mlflow_names import experiment_of
from bootstrap.core.names import profile as profile_of
from bootstrap.core.plan import Step
from bootstrap.core.record import Before, Record
from bootstrap.errors import BootstrapError, ConfigError, ToolMissing
from bootstrap.workflows import dagshub_remote
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

    @property
    def ignores_env_file(self) -> bool:
        """Whether git leaves `.env` alone. Outside of a repository too: it may become one later."""
        return self.git.ignores(self.env_file) if self.top is not None else dotenv.is_ignored(self.gitignore)


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
        # DVC works without git too; then only a repository in this very folder is meant.
        dvc_repository=dvc.find_repository(project.folder, top or project.folder),
    )


def check(
    laptop: Laptop, profile: str, owner: str, remote: str, url: str = "", shared_profile: str | None = None
) -> None:
    """Find out, before anything is provisioned, whether profile, remote and settings can be written.

    With a `url`, a remote of the same name that leads to the same bucket is no obstacle. `shared_profile`: what the
    environment's profile is called for everybody, None if `profile` is that. Raises ConfigError for a file that cannot
    be parsed, for a profile or remote of the same name that somebody wrote by hand, and for an `.env` or a personal
    file of DVC's that git tracks; BootstrapError for a place that cannot be written.
    """
    laptop.files.check(profile, owner)
    dotenv.check(laptop.env_file)
    if laptop.top is not None and laptop.git.tracks(laptop.env_file):
        raise ConfigError(
            f"{laptop.env_file} is tracked by git; a password written there would end up in a commit.",
            hint="Take it out of git, the file stays: git rm --cached .env",
        )
    if not laptop.ignores_env_file:
        check_writable(laptop.gitignore)
    if laptop.dvc_repository is not None:
        found = _remote_of(remote, url, shared_profile or profile, profile)
        dvc.check(laptop.dvc_repository, found)
        if found.personal is not None:
            _check_local(laptop, laptop.dvc_repository)


def check_hub(project: Project, laptop: Laptop, hub: Hub | None) -> None:
    """Find out whether the DVC remote of a repository on DagsHub can be written, if there is to be one.

    Raises ConfigError, BootstrapError.
    """
    if hub is not None and laptop.dvc_repository is not None:
        dagshub_remote.check(project, laptop.dvc_repository, hub)
        _check_local(laptop, laptop.dvc_repository)


def _check_local(laptop: Laptop, repository: Path) -> None:
    path = dvc.local_path(repository)
    if laptop.top is not None and laptop.git.tracks(path):
        raise ConfigError(
            f"{path} is tracked by git; what is yours alone there would go to everybody.",
            hint=f"Take it out of git, the file stays: git rm --cached {os.path.relpath(path, laptop.top)}",
        )
    if not _ignores_local(laptop, repository):
        check_writable(dvc.local_gitignore(repository))


def read_key(laptop: Laptop, record: Record) -> KeyPair | None:
    """Return the key in our profile, if there is one."""
    pair = laptop.files.read_key(record.aws_profile, record.owner)
    return KeyPair(*pair) if pair else None


def read_password(laptop: Laptop, record: Record) -> str | None:
    """Return the MLflow password in our `.env` block, if there is one."""
    return dotenv.read(laptop.env_file, record.owner).get("MLFLOW_TRACKING_PASSWORD")


def steps(laptop: Laptop, record: Record, key_works: bool, password: str | None = None) -> list[Step]:
    """Say what of it is missing or would change. `password`: the one at MLflow, if it is not the one written here."""
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
        token = password or dotenv.read(laptop.env_file, record.owner).get("MLFLOW_TRACKING_PASSWORD")
        found += dagshub_remote.steps(laptop.dvc_repository, record, token)
    settings = dotenv.read(laptop.env_file, record.owner)
    expected = env_values(record, password or settings.get("MLFLOW_TRACKING_PASSWORD"))
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


def write_remote(project: Project, laptop: Laptop, record: Record, story: Story, token: str | None = None) -> Record:
    """Write the DVC remote, making the git repository a DVC repository first if it is none.

    With MLflow on DagsHub its DVC remote too, which the `token` opens. Returns the record with what `down` or `leave`
    needs to put things back. Without git or DVC it says so and goes on.
    """
    place = laptop.dvc_place
    if place is None:
        again = "`git init` and the same command again add it."
        story.note(f"This folder is in no git repository, so no DVC remote was written. {again}")
        return record
    # Two environments of one folder share the repository: one at a time, and each knows what the other found there.
    with locked(dvc.config_path(place), timeout=_DVC_SECONDS) as lock:
        try:
            _make_repository(project, place, record, lock)
        except ToolMissing as error:
            story.note(f"{error.message} {error.hint}")
            return record
        if record.member is not None:
            _remember(project, dvc_config=dvc.config_text(place))
            url = dvc.url_of(place, record.env)
            if record.dvc_repository is None and url not in (None, record.dvc_remote_url):
                story.note(
                    f"The DVC remote {record.env} of this repository led to {url}; from now on it leads to your team's "
                    "place. `bootstrap leave` puts it back."
                )
        others = _others(project, record)
        ours = frozenset(other.env for other in others)
        core = dvc.core(place)
        before = dvc.write(place, _remote(record), ours, autostage=laptop.top is not None)
        if record.member is not None:
            # A teammate's commit may have brought the remote; `leave` then has nothing to take out.
            before = before or core
        if (default := dvc.default_remote(place)) != record.env:
            story.note(f"Your default DVC remote '{default}' was kept; `dvc push -r {record.env}` uses this one.")
        if before is not None and record.dvc_repository is None:
            if earlier := _sharing(project, others, place):
                before = dvc.Before(earlier[0].dvc_default_before, earlier[0].dvc_autostage_before)
            record = replace(record, dvc_default_before=before.default, dvc_autostage_before=before.autostage)
        record = replace(record, dvc_repository=os.path.relpath(place, project.folder))
        project.save(record)
        record = _write_local(project, laptop, place, record)
        return dagshub_remote.write(project, place, record, token, lambda: _ignores_local(laptop, place))


def _write_local(project: Project, laptop: Laptop, place: Path, record: Record) -> Record:
    """Give the remote the name that a member's profile has on this machine, if it is not everybody's.

    A name that an earlier `join` wrote and that holds no more is taken out. Returns the record with what `leave` needs.
    """
    personal = _remote(record).personal
    if record.dvc_local_profile not in (None, personal):
        _take_out_local(project, place, record)
        record = replace(record, dvc_local_profile=None, dvc_local_before=None)
        project.save(record)
    if personal is None or dvc.personal_profile(place, record.env) == personal:
        return record
    if all(each.dvc_local_profile is None for each in project.joined()):
        # No line of ours is in it, so however it is by now, the user has made it so.
        _remember(project)
        if before := project.before():
            project.save_before(replace(before, dvc_local=dotenv.state(dvc.local_path(place))))
    record = replace(record, dvc_local_profile=personal, dvc_local_before=dvc.personal_before(place, record.env))
    project.save(record)
    if not _ignores_local(laptop, place):
        _remember(project, dvc_gitignore=dotenv.state(dvc.local_gitignore(place)))
        dotenv.ignore(dvc.local_gitignore(place), dvc.LOCAL_IGNORED)
    dvc.write_personal(place, record.env, personal)
    return record


def _take_out_local(project: Project, place: Path, record: Record) -> None:
    before = project.before()
    if record.dvc_local_profile is not None and record.dvc_local_before is not None and before is not None:
        state = before.dvc_local or "whole"
        dvc.remove_personal(place, record.env, record.dvc_local_profile, record.dvc_local_before, state)


def _ignores_local(laptop: Laptop, repository: Path) -> bool:
    """Tell whether git leaves DVC's personal file alone; outside of a repository, whether it would."""
    path = dvc.local_path(repository)
    return dvc.ignores_local(repository) or (laptop.top is not None and laptop.git.ignores(path))


def _make_repository(project: Project, place: Path, record: Record, lock: int) -> None:
    """Run `dvc init` unless there is a DVC repository; for a member, remember it first. Raises ToolMissing.

    DVC holds the `lock` with us: a run that was killed meanwhile may have left it at work.
    """
    if (place / ".dvc").is_dir():
        return
    if record.member is None or not dvc.is_installed(project.environ):
        dvc.init(place, project.environ, holds=lock)
        return
    _remember(project, dvc_made={})
    made = dvc.init(place, project.environ, holds=lock)
    if before := project.before():
        project.save_before(replace(before, dvc_made=made))


_IGNORED = "/.env"


def write_env(laptop: Laptop, record: Record, password: str | None, project: Project | None = None) -> None:
    """Write the `.env` block, after git has been told to ignore the file.

    With a `project`, what that changes is remembered there first, for `leave`.
    """
    if not laptop.ignores_env_file:
        if project is not None:
            _remember(project, gitignore=dotenv.state(laptop.gitignore))
        dotenv.ignore(laptop.gitignore, _IGNORED)
    dotenv.write(laptop.env_file, record.owner, env_values(record, password))


def env_values(record: Record, password: str | None) -> dict[str, str]:
    """Return what the `.env` block holds."""
    values = {"AWS_PROFILE": record.aws_profile}
    if record.mlflow_tracking_uri and record.mlflow_username:
        values |= {
            "MLFLOW_TRACKING_URI": record.mlflow_tracking_uri,
            "MLFLOW_TRACKING_USERNAME": record.mlflow_username,
        }
        if password or record.member is None:
            values["MLFLOW_TRACKING_PASSWORD"] = password or ""
        if record.team is not None:
            # A script that names no experiment would use one that members have no access to.
            values["MLFLOW_EXPERIMENT_NAME"] = experiment_of(record.team)
        if record.target == "local":
            # MLflow's client would fetch files by presigned address, which an emulator that checks permissions refuses
            # and the client then tries for minutes. Without these it goes through the server, as for small ones.
            values |= {
                "MLFLOW_ENABLE_PROXY_MULTIPART_DOWNLOAD": "false",
                "MLFLOW_ENABLE_PROXY_MULTIPART_UPLOAD": "false",
            }
    return values


@dataclass(frozen=True)
class PutBack:
    """What was taken out, or put back, and what was left as it is, each in words."""

    gone: list[str]
    left: list[str]


def take_out(project: Project, laptop: Laptop, record: Record, *, with_profile: bool = True) -> PutBack:
    """Take out exactly what was written for this environment.

    A member's remote that is committed by now stays: it is the team's, and would be gone for all with the next push.
    """
    gone: list[str] = []
    left: list[str] = []
    if with_profile and laptop.files.remove(record.aws_profile, record.owner):
        gone.append(f"the AWS profile {record.aws_profile}")
    repository = repository_of(project, record) or (laptop.dvc_repository if record.member is None else None)
    if repository is not None and repository.is_dir():
        with locked(dvc.config_path(repository), timeout=_DVC_SECONDS):
            if dagshub_remote.take_out(project, repository, record):
                gone.append(f"the DVC remote {REMOTE}")
            before, committed = _dvc_before(project, record, repository)
            if dvc.remove(repository, _remote(record), before):
                if record.member is None or dvc.url_of(repository, record.env) != record.dvc_remote_url:
                    gone.append(f"the DVC remote {record.env}")
                else:
                    why = "it is committed, for all of your team" if committed else "it was there before you joined"
                    left.append(f"the DVC remote {record.env} in .dvc/config, because {why}; no secret is in it")
            _take_out_local(project, repository, record)
    if dotenv.take_out(laptop.env_file, record.owner):
        gone.append(f"the block in {laptop.env_file.name}")
    return PutBack(gone, left)


def put_back(project: Project, laptop: Laptop, record: Record) -> PutBack:
    """Undo what the joins in this folder did to it beyond their own blocks, once the last of them is taken out."""
    before = project.before()
    gone: list[str] = []
    left: list[str] = []
    if before is None or any(other.owner != record.owner for other in project.joined()):
        return PutBack(gone, left)
    if before.gitignore is not None:
        if dotenv.owners(laptop.env_file) or (laptop.env_file.is_file() and not before.env_file):
            left.append(f"the line {_IGNORED} in .gitignore, because .env is there with lines that git must not see")
        elif dotenv.no_longer_ignore(laptop.gitignore, _IGNORED, before.gitignore):
            gone.append(f"the line {_IGNORED} in .gitignore")
    place = repository_of(project, record) or laptop.dvc_repository
    if before.dvc_gitignore is not None and place is not None:
        if dvc.local_path(place).is_file() and before.dvc_local == "no file":
            left.append(f"the line {dvc.LOCAL_IGNORED} in .dvc/.gitignore, because .dvc/config.local is there")
        elif dotenv.no_longer_ignore(dvc.local_gitignore(place), dvc.LOCAL_IGNORED, before.dvc_gitignore):
            gone.append(f"the line {dvc.LOCAL_IGNORED} in .dvc/.gitignore")
    if before.dvc_made is not None and place is not None and (place / ".dvc").is_dir():
        made = [place / path for path in before.dvc_made]
        if not dvc.is_untouched(place, before.dvc_made):
            left.append(".dvc/, which `dvc init` made here, because there is more in it by now")
        elif any(laptop.git.was_committed(path) for path in made):
            left.append(".dvc/, which `dvc init` made here, because it is committed")
        else:
            laptop.git.unstage_new(made)
            dvc.forget(place, before.dvc_made)
            gone.append(".dvc/, which `dvc init` made here")
    return PutBack(gone, left)


def joined_folders(project: Project) -> list[Path]:
    """Return the folders of this machine in which somebody has joined, as far as is known."""
    return [folder for folder in _folders() if replace(project, folder=folder).joined()]


def also_joined(project: Project, record: Record) -> list[Path]:
    """Return the other folders of this machine that use the AWS profile of who has joined here.

    The list of folders is a hint: what counts is what is remembered in each of them, now.
    """
    return [
        folder
        for folder in _folders()
        if folder != project.folder
        and any(
            (other.owner, other.aws_profile) == (record.owner, record.aws_profile)
            for other in replace(project, folder=folder).joined()
        )
    ]


def note_folder(project: Project) -> None:
    """Write down that somebody has joined in this folder; folders that nobody has joined (any more) leave the list.

    Without a state folder that can be written, `leave` does not know of other folders; it is no reason to fail.
    """
    path = _folders_file()
    with suppress(BootstrapError), locked(path):
        before = _folders()
        now = joined_folders(project)
        if project.joined() and project.folder not in now:
            now.append(project.folder)
        if now == before:
            return
        if now:
            write_atomic(path, json.dumps([str(folder) for folder in now], indent=2) + "\n")
        else:
            remove(path)


def _folders() -> list[Path]:
    with suppress(BootstrapError, ValueError, TypeError):
        return [Path(folder) for folder in json.loads(read_text(_folders_file()) or "[]")]
    return []


def _folders_file() -> Path:
    return platformdirs.user_state_path("bootstrap") / "joined.json"


def shadowing(environ: Mapping[str, str]) -> list[str]:
    """Return variables set in the user's shell that win over the profile we write."""
    return [name for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_ENDPOINT_URL") if name in environ]


def repository_of(project: Project, record: Record) -> Path | None:
    """Return the DVC repository that got the environment's remote."""
    return (project.folder / record.dvc_repository).resolve() if record.dvc_repository is not None else None


def _remember(
    project: Project,
    gitignore: str | None = None,
    dvc_config: str | None = None,
    dvc_made: dict[str, str] | None = None,
    dvc_gitignore: str | None = None,
) -> None:
    """Write down how something was before the first `join` changes it; what is written down already stays."""
    before = project.before() or Before(env_file=(project.folder / ".env").is_file())
    now = replace(
        before,
        gitignore=gitignore if before.gitignore is None else before.gitignore,
        dvc_config=dvc_config if before.dvc_config is None else before.dvc_config,
        dvc_made=dvc_made if before.dvc_made is None else before.dvc_made,
        dvc_gitignore=dvc_gitignore if before.dvc_gitignore is None else before.dvc_gitignore,
    )
    project.save_before(now)


def _dvc_before(project: Project, record: Record, repository: Path) -> tuple[dvc.Before, bool]:
    """Return what to put back into a repository's configuration when the record's remote goes.

    And whether that is what git has: where a member's remote is committed, that counts, whoever wrote it.
    """
    found = dvc.Before(record.dvc_default_before, record.dvc_autostage_before)
    if staying := _sharing(project, _others(project, record), repository):
        found = dvc.Before(staying[0].env, "true")
    before = project.before() if record.member is not None else None
    if before is None:
        return found, False
    found = replace(found, text=before.dvc_config)
    committed = Git(repository, project.environ).committed_text(dvc.CONFIG)
    shared = dvc.committed_before(repository, _remote(record), found, committed or "")
    return shared or found, shared is not None


def _others(project: Project, record: Record) -> list[Record]:
    return [other for other in (*project.recorded(), *project.joined()) if other.owner != record.owner]


def _sharing(project: Project, records: list[Record], repository: Path) -> list[Record]:
    return [record for record in records if repository_of(project, record) == repository.resolve()]


def _remote(record: Record) -> dvc.Remote:
    shared = profile_of(record.project, record.env)
    return _remote_of(record.env, record.dvc_remote_url, shared, record.aws_profile)


def _remote_of(name: str, url: str, shared: str, own: str) -> dvc.Remote:
    return dvc.Remote(name, url, shared, own if own != shared else None)
