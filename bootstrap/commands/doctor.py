"""`bootstrap doctor`."""

from __future__ import annotations

import os
from pathlib import Path

import click

from bootstrap import ui
from bootstrap.commands import options
from bootstrap.core.doctor import GROUPS, Finding, Report
from bootstrap.core.operator_policy import DOCUMENTS, Document
from bootstrap.errors import ConfigError, UsageError
from bootstrap.workflows.doctor import examine, policy_of
from bootstrap.workflows.doctor_aws import Request
from bootstrap.workflows.project import Project, here_and_home, open_folder

_COLOURS = {"ok": "green", "warning": "yellow", "problem": "red"}
_ELSEWHERE = {
    "base": "MLflow on a machine in AWS and a budget take a second policy: bootstrap doctor --policy server",
    "server": "All else takes the other policy: bootstrap doctor --policy",
}


@click.command(
    "doctor",
    short_help="Look at everything that `up` needs, before it does.",
    epilog="\b\nExamples:\n"
    "  bootstrap doctor                        for all environments of bootstrap.toml, on AWS\n"
    "  bootstrap doctor --env stag --profile me\n"
    "  bootstrap doctor --env stag --local     what a rehearsal on this laptop needs\n"
    "  bootstrap doctor --policy > operator.json\n"
    "                                          the IAM policy that you need, and no more",
)
@options.env_option(required=False)
@options.local_option
@click.option(
    "--policy",
    "document",
    type=click.Choice(list(DOCUMENTS)),
    is_flag=False,
    flag_value="base",
    help="Print the IAM policy that the operator needs, and look at nothing: base, or what a server and a budget take.",
)
@click.option("--archive-bucket", metavar="BUCKET", help="With --policy: a bucket of yours that archives go to.")
@options.profile_option
@options.looking_options
def command(
    env: str | None,
    local: bool,
    document: Document | None,
    archive_bucket: str | None,
    profile: str | None,
    config: Path | None,
    as_json: bool,
    verbose: bool,
) -> None:
    """Look at everything that could keep `up` from working, and say what to do about it. Changes nothing.

    Terraform and its provider, your files, credentials and account, region, clock, quotas, permissions by name, GitHub.
    Exit code 1 if there is a problem; what is only a warning does not stop `up`.
    """
    project, found = _opened(config, env, must_be_right=document is not None, verbose=verbose)
    # Of an environment that the file does not have nothing more can be said.
    request = Request(None if found else env, "local" if local else "aws", profile)
    if document is not None:
        policy = policy_of(project, request, document, archive_bucket)
        if not policy["Statement"]:
            raise UsageError("Nothing of this project runs on a machine in AWS, and there is no `budget_usd`.")
        click.echo(_ELSEWHERE[document], err=True)
        options.print_json(policy)
        return
    if archive_bucket is not None:
        raise UsageError("--archive-bucket goes with --policy.")
    if not found:
        options.say_defaults(project)
    report = examine(project, request, ui.TerminalStory(), found)
    if as_json:
        options.print_json(report.as_dict())
    else:
        _tell(report)
    if report.problems:
        click.get_current_context().exit(1)


def _opened(
    config: Path | None, env: str | None, *, must_be_right: bool, verbose: bool
) -> tuple[Project, list[Finding]]:
    """Open the project; a bootstrap.toml with something wrong in it is a finding, and all else is still looked at."""
    try:
        project = options.project(config, verbose=verbose)
    except ConfigError as error:
        if must_be_right:
            raise
        here, home = here_and_home()
        return open_folder(here, os.environ, home), [_wrong(error)]
    try:
        if env is not None:
            project.spec.environment(env)
    except ConfigError as error:
        if must_be_right:
            raise
        return project, [_wrong(error)]
    return project, []


def _wrong(error: ConfigError) -> Finding:
    return Finding("Your files", "bootstrap.toml", "problem", error.message, error.hint)


def _tell(report: Report) -> None:
    width = max(len(one.what) for one in report.findings)
    for group in GROUPS:
        findings = [one for one in report.findings if one.group == group]
        if not findings:
            continue
        click.secho(f"\n{group}", bold=True)
        for one, following in zip(findings, [*findings[1:], None], strict=True):
            level = click.style(f"{one.level:<7}", fg=_COLOURS[one.level])
            click.echo(f"  {level}  {one.what:<{width}}  {one.says}")
            # What mends several lines in a row is said once, below the last of them.
            if one.fix and one.level != "ok" and (following is None or following.fix != one.fix):
                # A fix of several lines, as one that shows what to write, stays below its own line.
                below = "\n" + " " * (width + 13)
                click.echo(f"  {'':7}  {'':{width}}  → {one.fix.replace(chr(10), below)}")
    click.echo(f"\n{report.verdict}")
