"""`bootstrap github workflows`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from bootstrap.commands import options
from bootstrap.workflows.workflow_files import write_workflows

if TYPE_CHECKING:
    from bootstrap.core.github import Scope

KEPT = 1


@click.command(
    "workflows",
    short_help="Write the workflows that test and train on GitHub.",
    epilog="\b\nExamples:\n"
    "  bootstrap github workflows\n"
    "  bootstrap github workflows --force      also over what you changed in them",
)
@click.option("--force", is_flag=True, help="Overwrite them even where you changed them.")
@click.option(
    "--scope",
    type=click.Choice(["environment", "repository"]),
    default="environment",
    show_default=True,
    help="Where GitHub keeps the secrets. A private repository on a free plan has no environments: repository.",
)
@options.looking_options
def command(force: bool, scope: Scope, config: Path | None, as_json: bool, verbose: bool) -> None:
    """Write workflows into .github/workflows: tests on pull requests, training on an environment's branch.

    If an environment has a last day, also one that says every day what is past it. Writes files and nothing else;
    commit and push them yourself. Those that you have not touched are brought up to date. One that you changed is
    kept, with exit code 1.
    """
    project = options.project(config, verbose=verbose)
    options.say_defaults(project)
    done = write_workflows(project, scope, force=force)
    if as_json:
        options.print_json(
            {"folder": str(done.folder), "files": [{"path": one.path, "what": one.what} for one in done.files]}
        )
    else:
        for file in done.files:
            click.echo(f"{file.what:<12} {done.folder / file.path}")
    if done.kept:
        names = " and ".join(Path(file.path).name for file in done.kept)
        click.echo(
            f"\n{names}: kept, because it is not as `bootstrap` wrote it.\n"
            "  → `bootstrap github workflows --force` writes over it; git shows you the difference afterwards.",
            err=True,
        )
        click.get_current_context().exit(KEPT)
