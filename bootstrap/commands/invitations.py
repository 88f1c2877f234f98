"""What the commands that hand out invites share: how these are sealed, and where the codes go."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import click

from bootstrap.adapters import sealing
from bootstrap.adapters.git import Git
from bootstrap.errors import UsageError
from bootstrap.workflows import handover
from bootstrap.workflows.handover import Code, CodesFile, Seal, SealFor, Tell
from bootstrap.workflows.project import Project

F = TypeVar("F", bound=Callable[..., Any])

_TOKENS = ("GITHUB_TOKEN", "GH_TOKEN")


def seal_options(command: F) -> F:
    """Add `--codes`, `--to-github` and `--passphrase`."""
    for option in (
        click.option(
            "--passphrase", is_flag=True, help="Seal to one passphrase, asked for now; 4 seconds for each invite."
        ),
        click.option("--to-github", is_flag=True, help="Seal to each person's ssh keys on GitHub: no code to send."),
        click.option(
            "--codes",
            type=click.Path(path_type=Path, dir_okay=False),
            help="Write the codes into this file (CSV, 0600) instead of showing them.",
        ),
    ):
        command = option(command)
    return command


@dataclass(frozen=True)
class Invitations:
    """How invites are sealed and told of. `codes` is the file for the codes; `shown`: they are on the terminal."""

    seal_for: SealFor
    tell: Tell
    codes: CodesFile | None = None
    shown: bool = False


def invitations(
    project: Project, env: str, *, codes: Path | None, to_github: bool, passphrase: bool, as_json: bool
) -> Invitations:
    """Read the options. Raises UsageError for two that exclude each other."""
    if sum((codes is not None, to_github, passphrase)) > 1:
        raise UsageError(
            "--codes, --to-github and --passphrase exclude each other.", hint="Choose one way to seal invites."
        )
    if to_github:
        token = next((value for name in _TOKENS if (value := project.environ.get(name))), None)
        return Invitations(partial(handover.seal_to_github, project.spec.github.api_url, token), _nothing)
    if passphrase:
        return Invitations(_ask_passphrase, _nothing)
    if codes is not None:
        path = codes.expanduser().resolve()
        file = CodesFile(path, env, project.folder, Git(_nearest_folder(path), project.environ))
        return Invitations(lambda _: Seal(), file.tell, file)
    if as_json:
        raise UsageError(
            "With --json the codes are not among what is printed.", hint="Name a file for them: --codes FILE"
        )
    return Invitations(lambda _: Seal(), partial(_show, project.folder), shown=True)


def _nearest_folder(path: Path) -> Path:
    return next(folder for folder in path.parents if folder.is_dir())


def _nothing(_: Sequence[Code]) -> None:
    """Tell no codes: there are none."""


def _ask_passphrase(_: Mapping[str, str]) -> Seal:
    if sys.stdin.isatty():
        given = click.prompt("Passphrase of the invites", hide_input=True, confirmation_prompt=True, err=True)
    else:
        given = sys.stdin.readline().rstrip("\r\n")
    sealing.check_passphrase(str(given))
    return Seal("passphrase", passphrase=str(given))


def _show(folder: Path, codes: Sequence[Code]) -> None:
    for one in codes:
        # Not click's echo: on a terminal, what moves there would be in the way, and knows of this stream alone.
        sys.stdout.write(f"{one.member}\t{one.invite.relative_to(folder).as_posix()}\t{one.code}\n")
    # The journal says that they were shown: then they have to be out.
    sys.stdout.flush()


def say_how_to_go_on(
    project: Project, env: str, found: Invitations, *, as_json: bool
) -> Callable[[Sequence[str]], None]:
    """Return what says, of people whose invites are written, what to do with these; with `--json` nothing is said."""
    return lambda names: None if as_json else click.echo(_how_to_go_on(project, env, names, found))


def _how_to_go_on(project: Project, env: str, names: Sequence[str], found: Invitations) -> str:
    folder = f"{handover.FOLDER}/{env}/"
    lines = [f"\nSend each person their file from {folder}. They run, in the folder they work in:"]
    files = [handover.invite_file(project, env, name).name for name in names]
    if len(files) == 1:
        lines.append(f"  bootstrap join {files[0]}")
    else:
        lines.append(
            f"  bootstrap join NAME{handover.SUFFIX}     each with their own, as in: bootstrap join {files[0]}"
        )
    if found.codes is not None:
        lines.append(f"The codes are in {found.codes.path}; send them by another channel than the files.")
    elif found.shown:
        lines.append("Send each code by another channel than the file. It was shown this once and is kept nowhere.")
    return "\n".join(lines)
