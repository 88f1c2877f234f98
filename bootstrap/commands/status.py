"""`bootstrap status`."""

from __future__ import annotations

from pathlib import Path

import click

from bootstrap import ui
from bootstrap.commands import options
from bootstrap.core.counts import counted
from bootstrap.workflows.clock import today
from bootstrap.workflows.kept import KeptBucket
from bootstrap.workflows.status import EnvironmentStatus, status


@click.command(
    "status",
    short_help="Show what is up, and how it is.",
    epilog="\b\nExamples:\n  bootstrap status\n  bootstrap status --env stag --drift",
)
@options.env_option(required=False)
@click.option("--drift", is_flag=True, help="Also ask Terraform what differs from what was made (some seconds).")
@options.looking_options
def command(env: str | None, drift: bool, config: Path | None, as_json: bool, verbose: bool) -> None:
    """Show each environment: where it is, whether it is up, its bucket, MLflow, members and expiry.

    Of a bucket that `down --keep-data` left it tells what this machine's receipts know, without asking AWS.
    """
    project = options.project(config, verbose=verbose)
    found = status(project, env, ui.TerminalStory(), drift=drift, today=today())
    if as_json:
        options.print_json({"project": project.spec.project, "environments": [one.as_dict() for one in found]})
    elif not found:
        click.echo("Nothing is up here. `bootstrap up --env stag --local` brings up an environment on this laptop.")
    else:
        header = ("ENVIRONMENT", "STATE", "TARGET", "BUCKET", "MEMBERS", "MLFLOW", "EXPIRES")
        click.echo(ui.table([_row(one) for one in found], header))
        for one in found:
            if one.why:
                click.echo(f"{one.env}: {one.why}")
            if one.state in ("lost", "incomplete"):
                again = f"bootstrap up --env {one.env}{' --local' if one.target == 'local' else ''}"
                click.echo(
                    f"  To make it whole again: {again}\n  To take away the rest: bootstrap down --env {one.env}"
                )
            for kept in one.kept:
                click.echo(_about(kept))
            if one.drift is not None:
                click.echo(f"{one.env}: " + ("no drift" if not one.drift else "drift"))
                for line in one.drift:
                    click.echo(f"  {line}")


def _row(one: EnvironmentStatus) -> tuple[str, ...]:
    url = one.mlflow_url
    health = {None: url or "-", True: f"{url} (healthy)", False: f"{url} (not answering)"}
    expires = one.expires or "-"
    return (
        one.env,
        one.state,
        one.target or "-",
        one.bucket or (f"{one.kept[0].bucket} (kept)" if one.kept else "-"),
        "-" if one.members is None else str(one.members),
        health[one.mlflow_healthy],
        f"{expires} (past)" if one.expired else expires,
    )


def _about(one: KeptBucket) -> str:
    when = one.since[:16].replace("T", " ")
    where = "in this folder's emulator" if one.target == "local" else f"in AWS account {one.account_id}, {one.region}"
    held = "what is in it could not be counted"
    if one.objects is not None:
        detail = [counted(number, word) for number, word in ((one.versions, "version"), (one.bytes, "byte")) if number]
        held = f"it held {counted(one.objects, 'file')}" + (f" ({', '.join(detail)})" if detail else "")
    return (
        f"{one.env}: `down --keep-data` left the bucket {one.bucket} {where}, on {when} (UTC); {held}.\n"
        f"  It costs {one.cost.dollars} a month. {one.cost.says}\n"
        f"  To use it again: bootstrap up --env {one.env}{' --local' if one.target == 'local' else ''}\n"
        f"  To remove it with all in it: {one.command}"
    )
