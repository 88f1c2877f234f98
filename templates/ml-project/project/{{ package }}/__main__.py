"""`python -m <this package> WORD`: the only place where an error becomes a message and an exit code."""

from __future__ import annotations

import importlib
import sys

import click

from .commands import COMMANDS
from .errors import ProjectError


class _Late(click.Group):
    """A group that imports a command's module only when that command is run: none waits for another's libraries."""

    def list_commands(self, _ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, _ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(COMMANDS[cmd_name][0], __package__)
        command = module.command
        assert isinstance(command, click.Command)
        return command

    def format_commands(self, _ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(word, told) for word, (_, told) in COMMANDS.items()])


@click.group(cls=_Late, context_settings={"help_option_names": ["-h", "--help"]})
def main() -> None:
    """Run one step of the project. `dvc repro` runs those of the pipeline in their order."""


def run() -> int:
    """Run what the command line says and return its exit code: 0, 1 for what went wrong, 2 for a wrong call."""
    try:
        main.main(prog_name=f"python -m {__package__}", standalone_mode=False)
    except ProjectError as error:
        click.echo(f"Error: {error}", err=True)
        if error.hint:
            click.echo(f"  {error.hint}", err=True)
        return 1
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except (click.Abort, KeyboardInterrupt):
        click.echo("Stopped.", err=True)
        return 130
    except click.exceptions.Exit as error:
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(run())
