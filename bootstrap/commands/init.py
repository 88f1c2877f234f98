"""`bootstrap init`."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from bootstrap.commands import options
from bootstrap.core.names import slugify
from bootstrap.core.spec import FILE_NAME
from bootstrap.errors import UsageError
from bootstrap.workflows.init import run_init

_DEFAULT_REGION = "us-east-1"


@click.command(
    "init",
    short_help="Write a commented bootstrap.toml and what belongs beside it.",
    epilog="\b\nExamples:\n  bootstrap init\n  bootstrap init --project ml-2026 --region sa-east-1",
)
@click.option("--project", metavar="NAME", help="Name of the course or project; default: from the folder's name.")
@click.option("--region", metavar="REGION", help=f"AWS region; default: {_DEFAULT_REGION}.")
@click.option("--owner", metavar="EMAIL", help="Who answers for it, and for its bill.")
@options.config_option
@options.json_option
@options.yes_option
@options.verbose_option
def command(
    project: str | None,
    region: str | None,
    owner: str | None,
    config: Path | None,
    as_json: bool,
    yes: bool,
    verbose: bool,
) -> None:
    """Write a commented bootstrap.toml, an example members.csv and the .gitignore lines.

    Asks for what is not given as an option, if somebody is there to answer. Overwrites nothing.
    """
    options.set_up_logging(verbose)
    folder = _folder(config)
    ask = sys.stdin.isatty() and not yes
    writes = run_init(
        folder,
        _answer("Project", project, slugify(folder.resolve().name), ask),
        _answer("AWS region", region, _DEFAULT_REGION, ask),
        _answer("Owner's e-mail address (may stay empty)", owner, "", ask),
    )
    if as_json:
        options.print_json({"folder": str(folder), "files": {write.path: write.what for write in writes}})
        return
    for write in writes:
        click.echo(f"{write.what:<12} {folder / write.path}")
    click.echo("\nNext:\n  bootstrap up --env stag --local")


def _folder(config: Path | None) -> Path:
    if config is None:
        return Path.cwd()
    if config.is_dir():
        return config
    if config.name != FILE_NAME:
        raise UsageError(
            f"`init` writes files named {FILE_NAME}, not {config.name}.", hint="Name a folder with --config."
        )
    return config.parent


def _answer(question: str, given: str | None, default: str, ask: bool) -> str:
    if given is not None:
        return given
    if not ask:
        return default
    return str(click.prompt(question, default=default, show_default=bool(default), err=True))
