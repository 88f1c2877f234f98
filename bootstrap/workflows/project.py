"""The folder a command works in: its bootstrap.toml, and what is remembered under `.bootstrap/`."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from bootstrap.adapters.files import read_text, write_atomic
from bootstrap.adapters.git import Git
from bootstrap.core.names import slugify
from bootstrap.core.record import Before, Record, parse_before, parse_record
from bootstrap.core.spec import FILE_NAME, Environment, Spec, parse_spec
from bootstrap.errors import BootstrapError, ConfigError, UsageError

WORK = ".bootstrap"
# Two hyphens in a row are between the names of a project and an environment, and not in this one.
_BEFORE = "before.json"


@dataclass(frozen=True)
class Project:
    """One project folder, the user's environment variables and home."""

    folder: Path
    spec: Spec
    environ: Mapping[str, str]
    home: Path

    @property
    def has_config(self) -> bool:
        """Whether there is a bootstrap.toml, or we work on defaults."""
        return self.spec.source is not None

    @property
    def work(self) -> Path:
        """Where everything of ours in this folder lies."""
        return self.folder / WORK

    @property
    def local(self) -> Path:
        """What belongs to the emulator of this folder."""
        return self.work / "local"

    def env_folder(self, env: str) -> Path:
        """Return where one environment's own things lie."""
        return self.work / "envs" / env

    def make_work(self) -> None:
        """Make the folder, invisible to git from the first moment. Raises BootstrapError if it cannot be written."""
        if read_text(self.work / ".gitignore") is None:
            write_atomic(self.work / ".gitignore", "*\n", mode=0o644)

    def record(self, env: str) -> Record | None:
        """Return what is remembered of an environment, if anything."""
        text = read_text(self.env_folder(env) / "record.json")
        return parse_record(text) if text is not None else None

    def save(self, record: Record) -> None:
        """Remember an environment, or that somebody has joined one here."""
        write_atomic(self._file(record), record.to_json())

    def recorded(self) -> list[Record]:
        """Return what is remembered of all environments of this folder, by name."""
        envs = self.work / "envs"
        names = sorted(path.name for path in envs.iterdir() if path.is_dir()) if envs.is_dir() else []
        return [record for name in names if (record := self.record(name)) is not None]

    @property
    def joins(self) -> Path:
        """Where it is remembered who has joined what in this folder."""
        return self.work / "joined"

    def joined(self) -> list[Record]:
        """Return the environments that somebody has joined in this folder, by name."""
        texts = [read_text(path) for path in sorted(self.joins.glob("*--*.json"))]
        return [record for text in texts if text is not None and (record := parse_record(text)) is not None]

    def before(self) -> Before | None:
        """Return what this folder was like before the first `join` in it, if there was one."""
        text = read_text(self.joins / _BEFORE)
        return parse_before(text) if text is not None else None

    def save_before(self, before: Before) -> None:
        """Remember what this folder was like before the first `join` in it."""
        write_atomic(self.joins / _BEFORE, before.to_json())

    def forget_join(self, record: Record) -> None:
        """Forget that somebody has joined here; with the last one and no environment up, all of our folder goes."""
        self._file(record).unlink(missing_ok=True)
        if not self.joined():
            shutil.rmtree(self.joins, ignore_errors=True)
        self._tidy_work()

    def tidy(self, env: str) -> None:
        """Remove what a look at an environment left, if it is not up; with the last one, all of our folder."""
        folder = self.env_folder(env)
        if self.record(env) is None and not (folder / "mlflow").exists():
            shutil.rmtree(folder, ignore_errors=True)
        self._tidy_work()

    def _tidy_work(self) -> None:
        used = any(folder.is_dir() and any(folder.iterdir()) for folder in (self.work / "envs", self.joins))
        if not used and not (self.local / "emulator.json").exists():
            shutil.rmtree(self.work, ignore_errors=True)

    def _file(self, record: Record) -> Path:
        if record.member is None:
            return self.env_folder(record.env) / "record.json"
        return self.joins / f"{record.project}--{record.env}.json"

    def as_recorded(self, record: Record) -> Project:
        """Return the project under the name and in the region that an environment was brought up with.

        What is up is looked at and taken down as what it is, even if bootstrap.toml was changed since, or names the
        environment no more.
        """
        environments = self.spec.environments
        if environments and record.env not in environments:
            environments = {**environments, record.env: Environment().named(record.env)}
        changed = {"project": record.project, "region": record.region, "environments": environments}
        spec = self.spec.model_copy(update=changed)
        return replace(self, spec=spec)

    def require_record(self, env: str) -> Record:
        """Return what is remembered of an environment. Raises BootstrapError if it was not brought up here."""
        record = self.record(env)
        if record is None:
            if mine := next((one for one in self.joined() if one.env == env), None):
                raise BootstrapError(
                    f"You have joined '{env}' here as {mine.member}, a {mine.role}; this is for who administers it.",
                    hint="Run it where it was brought up. Yours are `bootstrap access`, `join` and `leave`.",
                )
            self.spec.environment(env)
            up = ", ".join(r.env for r in self.recorded())
            raise BootstrapError(
                f"The environment '{env}' is not up in {self.folder}." + (f" Up here: {up}." if up else ""),
                hint=f"`bootstrap up --env {env} --local` brings it up on this laptop.",
            )
        return record


def open_project(start: Path, config: Path | None, environ: Mapping[str, str], home: Path) -> Project:
    """Find and read bootstrap.toml: the one named, or the nearest from `start` upwards; else defaults.

    Raises ConfigError if a named file is not there or any has something wrong in it.
    """
    path = config if config is not None else _nearest(start)
    if path is None:
        project = Project(start, Spec.default(slugify(start.name)), environ, home)
        # The folder may have been renamed since; what is up here keeps its name.
        return project.as_recorded(up[0]) if (up := project.recorded()) else project
    if path.is_dir():
        path = path / FILE_NAME
    text = read_text(path)
    if text is None:
        raise ConfigError(f"There is no {path}.", hint="`bootstrap init` writes one.")
    shown = path.name if path.parent == start else str(path)
    return Project(path.resolve().parent, parse_spec(text, shown), environ, home)


def here_and_home() -> tuple[Path, Path]:
    """Return the current folder and the user's home. Raises UsageError if one of them is not there."""
    try:
        return Path.cwd(), Path.home()
    except (RuntimeError, OSError) as error:
        raise UsageError(f"This folder or your home cannot be found: {error}.", hint="Go to another folder.") from error


def open_folder(start: Path, environ: Mapping[str, str], home: Path) -> Project:
    """Return the folder that a member works in: the top of the git repository, else `start` itself.

    A member has no bootstrap.toml; if there is one, it is the operator's and is not read.
    """
    folder = Git(start, environ).top() or start
    return Project(folder, Spec.default(slugify(folder.name)), environ, home)


def _nearest(start: Path) -> Path | None:
    return next((path for folder in (start, *start.parents) if (path := folder / FILE_NAME).is_file()), None)
