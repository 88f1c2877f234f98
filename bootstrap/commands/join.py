"""`bootstrap join`."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path

import click

from bootstrap import ui
from bootstrap.adapters import sealing
from bootstrap.commands import options
from bootstrap.core.dagshub import Hub
from bootstrap.errors import UsageError
from bootstrap.workflows.join import Joined, join, open_invite
from bootstrap.workflows.next_steps import missing_programs, next_steps, remote_lines
from bootstrap.workflows.project import here_and_home

CODE_VARIABLE = "BOOTSTRAP_INVITE_CODE"
_STDIN = "-"
# As much as `read_sealed` takes of a file.
_MOST_BYTES = 1_000_000


@click.command(
    "join",
    short_help="Open your invite: AWS profile, DVC remote, MLflow login.",
    epilog="\b\nExamples:\n  bootstrap join ana.age\n  bootstrap join ana.age --code - < code.txt",
)
@click.argument("invite")
@click.option(
    "--code",
    metavar="CODE",
    envvar=CODE_VARIABLE,
    show_envvar=True,
    help="The code that opens it; - reads it from standard input. Otherwise it is asked for, and not shown.",
)
@click.option(
    "--identity",
    "identities",
    metavar="FILE",
    multiple=True,
    type=click.Path(path_type=Path),
    help="The ssh key that opens it, if it is sealed to one; default: those in ~/.ssh. May be repeated.",
)
@click.option(
    "--profile",
    metavar="NAME",
    help="How the new AWS profile is called; default: the project's and the environment's name.",
)
@options.json_option
@options.nothing_asked_option
@options.verbose_option
def command(
    invite: str, code: str | None, identities: tuple[Path, ...], profile: str | None, as_json: bool, verbose: bool
) -> None:
    """Open INVITE, the .age file that you were sent (- reads it from standard input).

    Writes an AWS profile, the DVC remote of the git repository you are in, and settings for MLflow into .env; every
    other line of those files stays. Tries all of it out, and says what to type next. A second run changes nothing.
    """
    options.set_up_logging(verbose)
    here, home = here_and_home()
    opener = _Opener(code, stdin_is_the_invite=invite == _STDIN)
    sealed = _read_stdin() if invite == _STDIN else sealing.read_sealed(Path(invite))
    opened = open_invite(sealed, opener, identities, home)
    now = datetime.now(timezone.utc)
    done = join(here, os.environ, home, opened, profile, ui.TerminalStory(), now, ask_token=_ask_token)
    if as_json:
        options.print_json(_as_dict(done))
    else:
        _summary(done)


@dataclass(frozen=True)
class _Opener:
    """Asks at the terminal, with nothing shown; without one it reads a line from standard input."""

    given: str | None = field(repr=False)
    stdin_is_the_invite: bool

    def code(self) -> str:
        if self.given is not None and self.given != _STDIN:
            return self.given
        if self.given is None and not sys.stdin.isatty():
            raise UsageError(
                "This invite opens with a code, and nobody is there to type it: standard input is no terminal.",
                hint=f"Add --code -, and give the code on standard input, or set {CODE_VARIABLE}.",
            )
        return self._asked("The invite's code")

    def passphrase(self) -> str:
        return self._asked("The invite's passphrase")

    def key_passphrase(self, key: Path) -> str:
        return self._asked(f"The passphrase of {key}")

    def _asked(self, what: str) -> str:
        if sys.stdin.isatty():
            return str(click.prompt(what, hide_input=True, err=True))
        if self.stdin_is_the_invite:
            raise UsageError(
                f"{what} cannot be read from standard input, because the invite is.",
                hint="Name the invite's file, or set " + CODE_VARIABLE + " for a code.",
            )
        return sys.stdin.readline().rstrip("\r\n")


def _ask_token(hub: Hub) -> str | None:
    """Ask for a token on DagsHub, with nothing shown; nobody is asked where standard input is no terminal."""
    if not sys.stdin.isatty():
        return None
    question = f"MLflow is on DagsHub. Your token ({hub.token_page}; Enter: later)"
    return str(click.prompt(question, hide_input=True, default="", show_default=False, err=True)).strip() or None


def _read_stdin() -> str:
    if sys.stdin.isatty():
        raise UsageError("There is no invite on standard input.", hint="Name the .age file that you were sent.")
    return sys.stdin.buffer.read(_MOST_BYTES).decode("utf-8", errors="replace")


def _as_dict(done: Joined) -> dict[str, object]:
    record, expires = done.record, done.invite.expires
    return {
        "changed": done.changed,
        "folder": str(done.project.folder),
        "member": record.member,
        "role": record.role,
        "team": record.team,
        "expires": expires.isoformat() if expires else None,
        "output": record.output(),
        "checks": [{"what": c.what, "expected": c.expected, "found": c.found} for c in done.checks],
    }


def _summary(done: Joined) -> None:
    record, expires = done.record, done.invite.expires
    who = f"{record.member} ({record.role}, team {record.team})"
    if done.changed:
        where = f"'{record.env}' of the project {record.project}"
        click.secho(f"\nYou have joined {where} as {who}; {len(done.checks)} checks passed.", bold=True)
    else:
        click.echo(f"No changes: you are in '{record.env}' as {who}, and it works.")
    rows = [
        ("bucket", record.bucket),
        ("your folder", f"s3://{record.bucket}/members/{record.member}/"),
        ("AWS profile", record.aws_profile),
    ]
    if record.dvc_repository is not None:
        rows.append(("DVC remote", f"{record.env}: {record.dvc_remote_url}"))
    if record.mlflow_tracking_uri and record.mlflow_username:
        rows.append(("MLflow", f"{record.mlflow_tracking_uri}  (login {record.mlflow_username}, password in .env)"))
    if expires:
        rows.append(("last day", f"{expires.isoformat()} (UTC)"))
    for name, value in rows:
        click.echo(f"  {name:<12} {value}")
    click.echo("\nNext:")
    for step in next_steps(done.project, record):
        click.echo(f"  {step}")
    if record.dvc_repository is None:
        click.echo("\nIn a DVC repository of yours, these add the remote:")
        for line in remote_lines(record):
            click.echo(f"  {line}")
    if missing := missing_programs(done.project, record):
        click.echo(f"\nSome of this is not on this machine yet: pip install {' '.join(missing)}", err=True)
