"""`bootstrap new`."""

from __future__ import annotations

import os
import shlex
from pathlib import Path

import click

from bootstrap import __version__, ui
from bootstrap.commands import options
from bootstrap.core.new_project import BRANCHES, LANGUAGES, MODELS, TEMPLATES, language_of
from bootstrap.errors import UsageError
from bootstrap.workflows.new import Made, Wanted, new
from bootstrap.workflows.new_update import Changes, Updated, update
from bootstrap.workflows.project import here_and_home

# As the project's README has them.
_FIRST_DAY = (
    "python3 -m venv .venv && . .venv/bin/activate && pip install -r requirements.txt -e .",
    "dvc repro",
)


@click.command(
    "new",
    short_help="Make a project: data, pipeline, model, API; in git and DVC.",
    epilog="\b\nExamples:\n  bootstrap new laptop-pricing\n  bootstrap new laptop-pricing --lang pt-BR\n"
    "  cd laptop-pricing && bootstrap new --update",
)
@click.argument("name", required=False)
@click.option(
    "--update",
    "updating",
    is_flag=True,
    help="In a project that was made so: bring in what is new in the template; your changes stay.",
)
@click.option(
    "--template", type=click.Choice(TEMPLATES), default=TEMPLATES[0], show_default=True, help="What it is made from."
)
@click.option("--lang", type=click.Choice(LANGUAGES), help="Its language; default: that of your system.")
@click.option(
    "--model", type=click.Choice(MODELS), default=MODELS[0], show_default=True, help="What kind of value is predicted."
)
@click.option(
    "--env",
    metavar="NAME",
    help="The environment to connect it to; default: the one that you have joined or brought up.",
)
@click.option("--local", is_flag=True, help="Connect it only to an environment on this laptop, not to one on AWS.")
@click.option("--gitlab/--no-gitlab", default=None, help="Add a pipeline for GitLab; default: for GitHub alone.")
@click.option("--repository", metavar="OWNER/REPO", help="Where it is going to be, on GitHub or GitLab.")
@options.json_option
@options.nothing_asked_option
@options.verbose_option
@click.pass_context
def command(
    ctx: click.Context,
    name: str | None,
    updating: bool,
    template: str,
    lang: str | None,
    model: str,
    env: str | None,
    local: bool,
    gitlab: bool | None,
    repository: str | None,
    as_json: bool,
    verbose: bool,
) -> None:
    """Make the project NAME in a new folder of that name.

    It has a pipeline from data to a model, an API, a front end, tests and workflows, all of it working. It is in git
    with the branches main, stag and devl, and in DVC with the remote of the environment that you have joined or
    brought up; your login goes into .env, which git does not see. Without an environment it works too.
    """
    options.set_up_logging(verbose)
    here, home = here_and_home()
    story = ui.TerminalStory()
    if updating:
        _refuse_with_update(ctx)
        updated = update(here, os.environ, home, Changes(lang, gitlab, repository), __version__, story)
        if as_json:
            options.print_json(_updated_as_dict(updated))
        else:
            _tell_update(updated)
        return
    if name is None:
        raise UsageError("The name of the project is missing.", hint="For instance: bootstrap new laptop-pricing")
    wanted = Wanted(name, template, lang or language_of(os.environ), model, env, local, bool(gitlab), repository or "")
    made = new(here, os.environ, home, wanted, __version__, story)
    if as_json:
        options.print_json(_as_dict(made))
    else:
        _summary(made, here)


def _refuse_with_update(ctx: click.Context) -> None:
    """Raise UsageError for what only a new project can be given: an update keeps what was chosen then."""
    words = {"name": "NAME", "template": "--template", "model": "--model", "env": "--env", "local": "--local"}
    given = [
        word for key, word in words.items() if ctx.get_parameter_source(key) is click.core.ParameterSource.COMMANDLINE
    ]
    if given:
        raise UsageError(
            f"{given[0]} does not go with --update.",
            hint="Go into the project's folder, and run `bootstrap new --update` there.",
        )


def _as_dict(made: Made) -> dict[str, object]:
    return {
        "folder": str(made.folder),
        "template": made.template,
        "answers": made.answers.as_data(),
        "branches": list(BRANCHES),
        "commit": made.commit,
        "member": made.record.member if made.record else None,
        "output": made.record.output() if made.record else None,
    }


def _summary(made: Made, here: Path) -> None:
    answers, record = made.answers, made.record
    click.secho(f"\nThe project {answers.name} is ready.", bold=True)
    rows = [("folder", str(made.folder)), ("git", f"the branches {', '.join(BRANCHES)}; {BRANCHES[0]} is checked out")]
    if record is not None:
        who = f", as {record.member} of the team {record.team}" if record.member else ""
        rows.append(("environment", f"'{record.env}' of the project {record.project}{who}"))
        rows.append(("DVC remote", f"{record.env}: {record.dvc_remote_url}"))
        if record.mlflow_tracking_uri and record.mlflow_username:
            rows.append(("MLflow", f"{record.mlflow_tracking_uri}  (login {record.mlflow_username}, password in .env)"))
    for title, value in rows:
        click.echo(f"  {title:<12} {value}")
    folder = shlex.quote(os.path.relpath(made.folder, here))
    click.echo(f"\nNext:\n  cd {folder}")
    for line in _FIRST_DAY:
        click.echo(f"  {line}")
    click.echo("README.md goes on from there.")
    if record is None:
        click.echo("\nNo environment is known here. The project works without one; to connect it, in its folder:")
        click.echo("  bootstrap join INVITE.age             if you were sent an invite")
        click.echo(f"  bootstrap up --env {answers.env} --local      if you want one of your own, on this laptop")
        click.echo(
            "  bootstrap new --update                then: writes its addresses into the README and the workflows"
        )


def _updated_as_dict(updated: Updated) -> dict[str, object]:
    return {
        "folder": str(updated.folder),
        "template": updated.template,
        "answers": updated.answers.as_data(),
        "changed": updated.changed,
    }


def _tell_update(updated: Updated) -> None:
    if not updated.changed:
        click.echo(f"No changes: the template {updated.template} has nothing new for {updated.answers.name}.")
        return
    click.secho(f"\nWhat is new in the template {updated.template} is merged into {updated.answers.name}.", bold=True)
    click.echo("\nNext:")
    click.echo("  git show --stat --first-parent HEAD    what changed")
    click.echo("  git reset --hard ORIG_HEAD             takes it back")
