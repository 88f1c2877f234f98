"""The `bootstrap` command. The only place where an error becomes a message and an exit code.

Commands are imported when they are called: `bootstrap --help` has to answer at once.
"""

from __future__ import annotations

import atexit
import importlib
import os
import signal
import sys
from dataclasses import dataclass
from gettext import gettext
from typing import Any

import click

from bootstrap import __version__
from bootstrap.errors import BootstrapError, Declined

# name → what `--help` says; the module of the same name in bootstrap/commands holds `command`.
COMMANDS = {
    "init": "Write a commented bootstrap.toml and what belongs beside it.",
    "doctor": "Look at everything that `up` needs, before it does.",
    "plan": "Show what `up` would change, and change nothing.",
    "up": "Bring an environment up: bucket, access, MLflow, profile, DVC remote.",
    "onboard": "Bring people in: user, key, MLflow login and a sealed invite each.",
    "members": "Show who is in an environment, and whether their access is in use.",
    "join": "Open your invite: AWS profile, DVC remote, MLflow login.",
    "new": "Make a project: data, pipeline, model, API; in git and DVC.",
    "leave": "Undo what `join` wrote on this machine.",
    "rotate": "Give people new keys; nobody is ever without one.",
    "offboard": "End people's access; what they made stays.",
    "access": "Prove who may do what, by trying it.",
    "dataset": "Give a class its data, versioned and verified; fetch it.",
    "github": "Give workflows on GitHub what they need: secrets, variables, access.",
    "status": "Show what is up, and how it is.",
    "cost": "Show what an environment costs in a month, part by part.",
    "output": "Print an environment's names and addresses, for scripts.",
    "export": "Copy your own files, and your team's, out of an environment.",
    "down": "Take an environment down again, with a receipt.",
    "receipts": "Show what was taken down, and prove that a receipt is whole.",
    "restore-check": "Check an archive: every file, against its SHA-256.",
    "sweep": "Find what is left in the account without any state, and remove it.",
    "expire": "Show what is past its last day, and take it down if asked.",
    "history": "Show who did what to an environment, and how it ended.",
    "unlock": "Remove the lock that a run which died left on an environment.",
    "local": "Start, stop or look at the servers of the local target.",
    "completion": "Print the completion script for your shell.",
}

_EPILOG = """\b
Examples:
  bootstrap up --env stag --local     rehearse on this laptop, no AWS account needed
  bootstrap plan --env stag           what would change on AWS
  bootstrap onboard --roster members.csv --env stag
                                      bring in a class, an invite each
  bootstrap join ana.age              open your invite
  bootstrap new laptop-pricing        make a project, from data to an API
  bootstrap status                    what is up
  bootstrap down --env stag           take it away again

Each command has its own --help."""


class _LateGroup(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        if cmd_name not in COMMANDS:
            return None
        command = importlib.import_module(f"bootstrap.commands.{cmd_name.replace('-', '_')}").command
        return command if isinstance(command, click.Command) else None

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        with formatter.section(gettext("Commands")):
            formatter.write_dl(list(COMMANDS.items()))

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError as error:
            import difflib

            close = difflib.get_close_matches(args[0], COMMANDS, n=1)
            if close and "Did you mean" not in error.message:
                raise click.UsageError(f"{error.message} Did you mean '{close[0]}'?", ctx) from None
            raise


@click.group(
    name="bootstrap",
    cls=_LateGroup,
    epilog=_EPILOG,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(__version__, prog_name="bootstrap")
def cli() -> None:
    """One command gives an ML course or a small team its working ground on AWS.

    One command takes it away again. With --local all of it runs on your laptop, with no AWS account.
    """


def main(argv: list[str] | None = None) -> None:
    """Run the command line and exit: 0 done, 1 something to mend, 2 wrong usage, 3 `plan` saw changes,
    4 something is not as it should be (`access`, `github status`) or still there (`down`, `sweep`), 5 all is done but
    what is on GitHub, 130 Ctrl-C, 143 or 129 if it was told to end, or its terminal was closed.
    """
    told = _Told()
    _end_as_after_ctrl_c(told)
    for stream in (sys.stdout, sys.stderr):
        reconfigure: Any = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(errors="replace")  # a console that lacks a sign shows another, and does not fail
    try:
        code = cli.main(argv, prog_name="bootstrap", standalone_mode=False)
    except Declined as answer:
        click.echo(answer.message, err=True)
        sys.exit(answer.exit_code)
    except BootstrapError as error:
        _tell(error.message, error.hint)
        sys.exit(error.exit_code)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except (click.Abort, KeyboardInterrupt) as error:
        click.echo(f"\nInterrupted. {_after(error)}", err=True)
        sys.exit(128 + (told.first or signal.SIGINT))
    except BrokenPipeError:
        # Whoever read our output has gone, as `head` does. https://docs.python.org/3/library/signal.html#note-on-sigpipe
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except OSError as error:
        _tell(f"The system would not let this go on: {error}.", "Mend that, then run the same command again.")
        sys.exit(1)
    finally:
        told.is_leaving = True
        # Python gives handlers back at its very end: what comes then would end it as if nothing had been tidied up.
        atexit.register(_hear_no_more)
    sys.exit(code if isinstance(code, int) else 0)


# What tells a program to end, beside Ctrl-C. Windows has no SIGHUP.
_SIGNALS = [getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)]


@dataclass
class _Told:
    """Which signal told us to end, if any, and whether nothing is left to do but what Python does at its end."""

    first: int = 0
    is_leaving: bool = False


def _end_as_after_ctrl_c(told: _Told) -> None:
    """Tidy up, as after Ctrl-C, when told to end (`kill`) or when the terminal is closed; `told` learns of it."""

    def end(number: int, _: object) -> None:
        if told.is_leaving or (told.first and sys.exc_info()[0] is not None):
            return  # once is enough; the next would break off the tidying up
        # Nothing is being tidied up, so the first was lost: `input` swallows what comes while it shows its question.
        told.first = told.first or number
        if number != signal.SIGTERM:
            # The terminal is gone, and a message to it would be an error of its own.
            for stream in (sys.stdout, sys.stderr):
                os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
        raise KeyboardInterrupt

    for number in _SIGNALS:
        # `nohup` has it ignored, and means it.
        if signal.getsignal(number) is signal.SIG_DFL:
            signal.signal(number, end)


def _hear_no_more() -> None:
    for number in _SIGNALS:
        if callable(signal.getsignal(number)):
            signal.signal(number, signal.SIG_IGN)


def _after(interrupt: BaseException) -> str:
    """Return what to tell of an interrupted run: how it goes on, or that nothing of what it asked about was done."""
    if isinstance(interrupt, click.Abort):
        from bootstrap.ui import Unanswered

        if isinstance(interrupt, Unanswered):
            return "That was before the answer: nothing of what was asked about was changed."
    return "Run the same command again to go on from here."


def _tell(message: str, hint: str) -> None:
    click.secho("Error: ", fg="red", bold=True, nl=False, err=True)
    click.echo(message, err=True)
    if hint:
        click.echo(f"  → {hint}", err=True)
