"""The options that commands share, and what every command begins with."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from bootstrap.core.s3_address import S3Address, parse_s3_address
from bootstrap.errors import UsageError
from bootstrap.workflows.project import Project, open_project

F = TypeVar("F", bound=Callable[..., Any])

ENV_HELP = "The environment, for instance devl, stag or prod."


class ArchivePlace(click.ParamType["Path | S3Address"]):
    """A folder on this machine, as a path, or an address in S3. Raises UsageError for one that cannot be used."""

    name = "archive"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Path | S3Address:
        """Read what was typed."""
        if isinstance(value, str) and (address := parse_s3_address(value)) is not None:
            return address
        folder = click.Path(path_type=Path, file_okay=False).convert(value, param, ctx)
        return Path(folder)


def config_option(command: F) -> F:
    """Add `--config`."""
    return click.option(
        "--config",
        type=click.Path(path_type=Path),
        help="The bootstrap.toml to use; otherwise the nearest, from this folder upwards.",
    )(command)


def env_option(*, required: bool = True) -> Callable[[F], F]:
    """Add `--env`."""
    return click.option("--env", "env", metavar="NAME", required=required, help=ENV_HELP)


def json_option(command: F) -> F:
    """Add `--json`."""
    return click.option("--json", "as_json", is_flag=True, help="Print the result as JSON, for scripts.")(command)


def yes_option(command: F) -> F:
    """Add `--yes`."""
    return click.option("-y", "--yes", is_flag=True, help="Answer every question with yes.")(command)


def nothing_asked_option(command: F) -> F:
    """Accept `--yes` on a command that asks nothing, so that scripts can give it to all."""
    return click.option("-y", "--yes", is_flag=True, expose_value=False, help="Accepted; nothing is asked here.")(
        command
    )


def profile_option(command: F) -> F:
    """Add `--profile`."""
    return click.option(
        "--profile", metavar="NAME", help="Your own AWS profile, to administer with; default: AWS_PROFILE."
    )(command)


def local_option(command: F) -> F:
    """Add `--local`."""
    return click.option("--local", is_flag=True, help="On this laptop instead of AWS: no account, no bill.")(command)


def verbose_option(command: F) -> F:
    """Add `-v`."""
    return click.option("-v", "--verbose", is_flag=True, help="Tell more about what goes on.")(command)


def acting_options(command: F) -> F:
    """Add what every command of an operator has that changes something: profile, config, json, yes, verbose."""
    for option in (verbose_option, yes_option, json_option, config_option, profile_option):
        command = option(command)
    return command


def looking_options(command: F) -> F:
    """Add what every command has that only looks: config, json, a `--yes` that is not needed, verbose."""
    for option in (verbose_option, nothing_asked_option, json_option, config_option):
        command = option(command)
    return command


def set_up_logging(verbose: bool) -> None:
    """Let the libraries tell what they do, with `-v`."""
    if verbose:
        logging.basicConfig(level=logging.INFO, format="%(name)s: %(message)s")


def project(config: Path | None, *, verbose: bool = False) -> Project:
    """Open the project of the current folder; says so on standard error if there is no bootstrap.toml."""
    set_up_logging(verbose)
    try:
        home = Path.home()
        here = Path.cwd()
    except (RuntimeError, OSError) as error:
        raise UsageError(f"This folder or your home cannot be found: {error}.", hint="Go to another folder.") from error
    return open_project(here, config, os.environ, home)


def say_defaults(found: Project) -> None:
    """Tell, once, that there is no bootstrap.toml and what is assumed instead."""
    if not found.has_config:
        click.echo(
            f"No bootstrap.toml here: using project '{found.spec.project}' (from the folder's name) "
            f"in {found.spec.region}. `bootstrap init` writes one.",
            err=True,
        )


def print_json(value: object) -> None:
    """Print one JSON document to standard output."""
    click.echo(json.dumps(value, indent=2))
