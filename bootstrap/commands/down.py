"""`bootstrap down`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import click

from bootstrap import ui
from bootstrap.commands import options
from bootstrap.core.inventory import Thing
from bootstrap.core.s3_address import S3Address
from bootstrap.errors import BootstrapError, LeftBehind, Unfinished, UsageError
from bootstrap.workflows.down import Gone, Request, down, require_unprotected
from bootstrap.workflows.down_preview import Preview
from bootstrap.workflows.mlflow_database import WITHOUT
from bootstrap.workflows.project import Project
from bootstrap.workflows.sweep import find


@click.command(
    "down",
    short_help="Take an environment down again, with a receipt.",
    epilog="""\b
Examples:
  bootstrap down --env stag
  bootstrap down --env stag --archive ~/course-2026
  bootstrap down --env stag --archive s3://my-archives/course-2026
  bootstrap down --env stag --keep-data
  bootstrap down --all
  bootstrap down --env stag --confirm stag     in a script""",
)
@options.env_option(required=False)
@click.option("--all", "every", is_flag=True, help="Every environment of this project that is up here.")
@click.option(
    "--archive",
    type=options.ArchivePlace(),
    metavar="PLACE",
    help="First copy everything to a folder or to s3://BUCKET/PREFIX, verified: files, MLflow's runs, the roster.",
)
@click.option("--local", "local", is_flag=True, hidden=True)
@click.option("--versions", is_flag=True, help="With --archive: older versions of files too.")
@click.option(
    WITHOUT,
    "without_runs",
    is_flag=True,
    help="With --archive: without MLflow's runs, where its machine cannot be asked for them.",
)
@click.option("--keep-data", is_flag=True, help="Leave the bucket and every file in it; all else goes.")
@click.option("--unprotect", is_flag=True, help="Even if bootstrap.toml says protected = true.")
@click.option(
    "--confirm",
    "confirmed",
    metavar="NAME",
    help="The environment's (with --all: the project's) name.",
)
@options.acting_options
def command(
    env: str | None,
    every: bool,
    archive: Path | S3Address | None,
    local: bool,
    versions: bool,
    without_runs: bool,
    keep_data: bool,
    unprotect: bool,
    confirmed: str | None,
    profile: str | None,
    config: Path | None,
    as_json: bool,
    yes: bool,
    verbose: bool,
) -> None:
    """Take an environment down: all that `up` made, with every file in its bucket. There is no way back.

    Access ends first. Removes exactly the AWS profile, the DVC remote and the settings that `up` wrote, and leaves
    every other line of those files alone. Then the account is looked through for what is left, and a receipt is
    written (`bootstrap receipts`). Exit code 4: something is left. Exit code 5: what is on GitHub may be.
    """
    if local:
        # Left to itself, click would take this for a slip and propose --all.
        raise UsageError("`down` has no --local.", hint="It knows where each environment is up; leave --local out.")
    if (env is None) == (not every):
        raise UsageError("Name one environment, or all.", hint="Add --env stag, or --all.")
    for said, option in ((versions, "--versions"), (without_runs, WITHOUT)):
        if said and archive is None:
            raise UsageError(
                f"{option} says what an archive holds.", hint="Add --archive with a folder or s3://BUCKET/PREFIX."
            )
    project = options.project(config, verbose=verbose)
    envs = [env] if env is not None else [record.env for record in project.recorded()]
    name = env or project.spec.project
    if not envs:
        raise BootstrapError(
            f"No environment is up in {project.folder}.",
            hint="What was brought up elsewhere, or lost: bootstrap sweep shows it.",
        )
    if confirmed is not None and confirmed != name:
        raise UsageError(f"--confirm says '{confirmed}', but this is about '{name}'.", hint="Nothing was removed.")
    if env is not None and project.record(env) is None:
        project.spec.environment(env)  # a slip of the name is told before anybody has to answer for it
    sure = yes or confirmed is not None
    ui.require_an_answer(yes=sure)
    story = ui.TerminalStory()
    requests = [
        Request(
            env=one,
            profile=profile,
            unprotect=unprotect,
            keep_data=keep_data,
            archive=archive / one if archive is not None and every else archive,
            versions=versions,
            without_runs=without_runs,
            elsewhere=not yes or confirmed is not None,
        )
        for one in envs
    ]
    for request in requests if every else ():
        # Before the first of them goes.
        require_unprotected(project, request)

    ended: list[Gone] = []
    left: list[Thing] = []
    try:
        for request in requests:
            ended.append(down(project, request, story, _confirm_for(request, sure=sure)))
            if not as_json:
                _tell(ended[-1])
        if every:
            left = _look_for_more(project, profile, story, ended)
    finally:
        if as_json and ended:
            found = [_as_dict(gone) for gone in ended]
            options.print_json({"environments": found} if every else found[0])
    _judge(ended)
    if left:
        raise LeftBehind(
            f"Something of the project '{name}' is still there, for instance {left[0].what}.",
            hint="To see all of it: bootstrap sweep",
        )


def _confirm_for(request: Request, *, sure: bool) -> Callable[[Preview], bool]:
    def confirm(preview: Preview) -> bool:
        if request.archive is not None:
            click.echo(f"First everything is copied to {request.archive}, and verified. Then goes:", err=True)
        ui.show_plan(preview.plan)
        click.echo(f"What it costs until now: {preview.cost.dollars} a month. {preview.cost.says}", err=True)
        return ui.confirm_by_name("Remove all of this for good?", request.env, yes=sure)

    return confirm


def _look_for_more(project: Project, profile: str | None, story: ui.TerminalStory, ended: list[Gone]) -> list[Thing]:
    """Return what is left of the whole project in AWS, beside what a receipt tells of already."""
    if all(gone.record.target == "local" for gone in ended):
        return []
    told = {thing.arn for gone in ended for thing in (*gone.kept.receipt.kept, *gone.left)}
    return [thing for thing in find(project, None, profile, "aws", (), story).things if thing.arn not in told]


def _tell(gone: Gone) -> None:
    receipt = gone.kept.receipt
    if receipt.left or not receipt.could_look:
        click.echo(receipt.verdict)
        for thing in receipt.left:
            click.echo(f"  {thing.what}\n    → {thing.command}")
    else:
        rest = "what is on GitHub may be left" if gone.unfinished else "nothing of it is left"
        kept = ", ".join(thing.what for thing in receipt.kept)
        but = f" but what you kept: {kept}" if kept else ""
        click.echo(f"'{gone.record.env}' is gone: {rest}{but}.")
    click.echo(f"Receipt: {gone.kept.stored.page}")


def _as_dict(gone: Gone) -> dict[str, object]:
    receipt = gone.kept.receipt
    return {
        "env": gone.record.env,
        "removed": [one.id for one in receipt.removed],
        "left": [thing.arn for thing in receipt.left],
        "kept": [thing.arn for thing in receipt.kept],
        "archive": receipt.archive.folder if receipt.archive else None,
        "unfinished": gone.unfinished.message if gone.unfinished else None,
        "receipt": gone.kept.as_dict(),
    }


def _judge(ended: list[Gone]) -> None:
    """Raise LeftBehind or Unfinished if not all is gone."""
    for gone in ended:
        receipt = gone.kept.receipt
        if receipt.left or not receipt.could_look:
            env = gone.record.env
            hint = f"Run `bootstrap down --env {env}` again, or look what is there: bootstrap sweep --env {env}"
            raise LeftBehind(f"Not all of '{env}' is gone, or could be looked for.", hint=hint)
    for gone in ended:
        if gone.unfinished is not None:
            (step,) = gone.kept.receipt.unfinished
            raise Unfinished(f"All is gone but what is on GitHub. {step.what}", hint=step.command)
