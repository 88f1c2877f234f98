"""`bootstrap up`."""

from __future__ import annotations

from pathlib import Path

import click

from bootstrap import ui
from bootstrap.commands import options
from bootstrap.core.plan import Plan
from bootstrap.errors import Unfinished
from bootstrap.workflows.github_desk import finish
from bootstrap.workflows.next_steps import next_steps
from bootstrap.workflows.project import Project
from bootstrap.workflows.up import Outcome, Request, up


@click.command(
    "up",
    short_help="Bring an environment up.",
    epilog="\b\nExamples:\n  bootstrap up --env stag --local\n  bootstrap up --env stag --profile me --yes",
)
@options.env_option()
@options.local_option
@options.acting_options
def command(
    env: str, local: bool, profile: str | None, config: Path | None, as_json: bool, yes: bool, verbose: bool
) -> None:
    """Bring an environment up, or up to date.

    Shows what will change, asks, does exactly that, writes the AWS profile, the DVC remote and the settings in .env,
    and tries all of it out. A second run changes nothing; after an interruption, the same command goes on.
    """
    project = options.project(config, verbose=verbose)
    options.say_defaults(project)
    story = ui.TerminalStory()

    def confirm(plan: Plan) -> bool:
        ui.show_plan(plan)
        return ui.confirm("Do this?", yes=yes)

    outcome = up(project, Request(env, "local" if local else "aws", profile), story, confirm, sure=yes)
    if as_json:
        checks = [{"what": c.what, "expected": c.expected, "found": c.found} for c in outcome.checks]
        unfinished = outcome.unfinished.message if outcome.unfinished else None
        options.print_json(
            {
                "changed": outcome.changed,
                "output": outcome.record.output(),
                "checks": checks,
                "unfinished": unfinished,
            }
        )
    else:
        _summary(project, outcome)
    if outcome.unfinished is not None:
        raise Unfinished(
            f"All is done but GitHub. {outcome.unfinished.message}",
            hint=finish(outcome.finish, outcome.unfinished.hint),
        )


def _summary(project: Project, outcome: Outcome) -> None:
    record = outcome.record
    where = "on this laptop" if record.target == "local" else f"in AWS account {record.account_id}, {record.region}"
    if not outcome.changed:
        click.echo(f"No changes: '{record.env}' is up {where} and works.")
        return
    click.secho(f"\n'{record.env}' is up {where}; {len(outcome.checks)} checks passed.", bold=True)
    rows = [
        ("bucket", record.bucket),
        ("AWS profile", record.aws_profile),
        ("DVC remote", record.dvc_remote_url),
    ]
    if record.mlflow_tracking_uri:
        rows.append(("MLflow", f"{record.mlflow_tracking_uri}  (login {record.mlflow_username}, password in .env)"))
    for name, value in rows:
        click.echo(f"  {name:<12} {value}")
    click.echo("\nNext:")
    for step in next_steps(project, record):
        click.echo(f"  {step}")
