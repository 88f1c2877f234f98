"""`bootstrap new`: a project from a template, in git and DVC, connected to the environment that its maker is in."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path

from bootstrap.adapters import copier, dvc
from bootstrap.adapters.files import check_writable, locked
from bootstrap.adapters.git import Git
from bootstrap.core.dagshub import hub_of
from bootstrap.core.names import slugify
from bootstrap.core.new_project import (
    BRANCHES,
    DEFAULT_ENV,
    Answers,
    author_of,
    check_environment,
    check_name,
    check_repository,
    choose,
    package_of,
    refuse_unknown,
    render_message,
    team_without_environment,
)
from bootstrap.core.record import Record
from bootstrap.core.spec import Spec
from bootstrap.errors import BootstrapError
from bootstrap.workflows import laptop as laptops
from bootstrap.workflows.project import Project, open_folder, open_project
from bootstrap.workflows.story import Story

WHO_ARE_YOU = 'git config --global user.name "Your Name" && git config --global user.email you@example.org'


@dataclass(frozen=True)
class Wanted:
    """What was asked for on the command line; `env` is None if no environment was named."""

    name: str
    template: str
    lang: str
    model: str
    env: str | None = None
    local: bool = False
    gitlab: bool = False
    repository: str = ""


@dataclass(frozen=True)
class Connection:
    """An environment that is known on this machine, and the project folder in which it is."""

    project: Project
    record: Record


@dataclass(frozen=True)
class Made:
    """A new project. `record` is that of its environment, None without one."""

    folder: Path
    template: str
    answers: Answers
    record: Record | None
    commit: str


def new(start: Path, environ: Mapping[str, str], home: Path, wanted: Wanted, version: str, story: Story) -> Made:
    """Make a project in the folder `start`, with one commit of the template and one of the DVC remote.

    It is made aside and renamed in the end, so an interruption leaves nothing. `version` is the tool's. Raises
    UsageError for a name, a repository or an environment that will not do, ToolMissing without git, BootstrapError for
    a folder that is not empty.
    """
    check_name(wanted.name)
    check_repository(wanted.repository)
    check_environment(wanted.env)
    start = start.resolve()
    folder = start / wanted.name
    _refuse_what_is_there(folder)
    check_writable(folder / ".git")
    connection = find_environment(start, environ, home, wanted.env, local=wanted.local)
    outside = Git(start, environ)
    answers = _answers(wanted, outside.who(), connection.record if connection else None, environ)
    if (top := outside.top()) is not None:
        story.note(
            f"{start} is in the git repository {top}. The project is a repository of its own inside of it; do not add "
            f"it there."
        )
    with locked(folder), _made_aside(folder) as aside:
        with story.step(f"Writing the project {wanted.name}"):
            copier.render(wanted.template, aside, answers.as_data())
        git = Git(aside, environ)
        commit = _first_commit(git, wanted.template, version, story)
        record = None
        if connection is not None:
            with story.step(f"Connecting it to '{connection.record.env}'"):
                record, commit = _connect(connection, Project(aside, _spec(folder), environ, home), git, commit, story)
        for branch in BRANCHES:
            git.point(branch, commit)
    if record is not None and record.member is not None:
        laptops.note_folder(Project(folder, _spec(folder), environ, home))
    return Made(folder, wanted.template, answers, record, commit)


def find_environment(
    start: Path, environ: Mapping[str, str], home: Path, env: str | None, *, local: bool = False
) -> Connection | None:
    """Return the environment to connect to: one that was joined or is up in `start`, else one joined elsewhere.

    Raises UsageError if it cannot be told which of several is meant, or if none of those known is called `env`.
    """
    here = open_folder(start, environ, home)
    operators = open_project(start, None, environ, home)
    elsewhere = [replace(here, folder=folder) for folder in laptops.joined_folders(here) if folder != here.folder]
    places = (
        [Connection(here, record) for record in here.joined()],
        [Connection(operators, record) for record in operators.recorded()],
        [Connection(project, record) for project in elsewhere for record in project.joined()],
    )
    for found in places:
        usable = [each for each in found if each.record.complete]
        # The same member may have joined in several folders; any of them has what is needed.
        owners = {each.record.owner: each for each in usable}
        record = choose([each.record for each in owners.values()], env, local=local)
        if record is not None:
            return owners[record.owner]
    if env is not None:
        refuse_unknown(env, {each.record.env for found in places for each in found})
    return None


def _answers(wanted: Wanted, said_by_git: str, record: Record | None, environ: Mapping[str, str]) -> Answers:
    author = author_of(said_by_git, record, environ)
    answers = Answers(
        name=wanted.name,
        package=package_of(wanted.name),
        lang=wanted.lang,
        model=wanted.model,
        author=author,
        team=team_without_environment(author),
        env=wanted.env or DEFAULT_ENV,
        gitlab=wanted.gitlab,
        repository=wanted.repository,
    )
    return answers.connected(record) if record is not None else answers


def _refuse_what_is_there(folder: Path) -> None:
    """Raise BootstrapError unless the folder can be made, or is there and empty."""
    if not folder.exists() and not folder.is_symlink():
        return
    if not folder.is_dir():
        raise BootstrapError(f"{folder} is there already, and is no folder.", hint="Choose another name.")
    if any(folder.iterdir()):
        raise BootstrapError(
            f"The folder {folder} is not empty; nothing in it was touched.",
            hint="Choose another name. In a project that `bootstrap new` made, `bootstrap new --update` brings what is "
            "new in the template.",
        )


@contextmanager
def _made_aside(folder: Path) -> Iterator[Path]:
    """Give a new folder beside `folder`, which becomes it if all goes well, and else is gone again."""
    aside = folder.with_name(f".{folder.name}.unfinished")
    # Of a run that was killed; whoever works on it now would hold the lock.
    shutil.rmtree(aside, ignore_errors=True)
    aside.mkdir()
    try:
        yield aside
        with suppress(FileNotFoundError):
            folder.rmdir()
        aside.rename(folder)
    except OSError as error:
        raise BootstrapError(
            f"{folder} could not be made: {error.strerror}.", hint="Mend that, then run the same command again."
        ) from error
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def _first_commit(git: Git, template: str, version: str, story: Story) -> str:
    """Make the folder a git repository with the template's files in one commit; return it."""
    git.init(BRANCHES[0])
    as_tool = not git.knows_who_commits()
    if as_tool:
        story.note(
            f"git does not know who you are, so the first commit is not in your name. Before yours: {WHO_ARE_YOU}"
        )
    tree = git.write_tree(git.folder)
    commit = git.commit(
        tree, (), render_message(f"A project of the template {template}", template, version, tree), as_tool=as_tool
    )
    git.point(BRANCHES[0], commit)
    return commit


def _connect(connection: Connection, project: Project, git: Git, commit: str, story: Story) -> tuple[Record, str]:
    """Write DVC remote and login into a new project, as `join` does; return the environment's record and the commit."""
    source = laptops.look_around(connection.project)
    password = laptops.read_password(source, connection.record)
    laptop = laptops.look_around(project)
    record = connection.record
    if record.member is None:
        # What is up is remembered where it was brought up, and nowhere else: there it is taken down.
        dvc.write(project.folder, dvc.Remote(record.env, record.dvc_remote_url, record.aws_profile), frozenset())
        laptops.write_env(laptop, record, password)
    else:
        record = replace(
            record,
            dvc_repository=None,
            dvc_default_before=None,
            dvc_autostage_before=None,
            dvc_local_profile=None,
            dvc_local_before=None,
            dagshub_remote=None,
        )
        project.make_work()
        project.save(record)
        token = password if hub_of(record.mlflow_tracking_uri) is not None else None
        record = laptops.write_remote(project, laptop, record, story, token)
        laptops.write_env(laptop, record, password, project)
        project.save(record)
    tree = git.stage(os.path.relpath(dvc.config_path(project.folder), project.folder))
    message = f"The DVC remote of '{record.env}'"
    return record, git.commit(tree, (commit,), message, as_tool=not git.knows_who_commits())


def _spec(folder: Path) -> Spec:
    return Spec.default(slugify(folder.name))
