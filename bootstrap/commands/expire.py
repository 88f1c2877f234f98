"""`bootstrap expire`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path

import click

from bootstrap import ui
from bootstrap.commands import options
from bootstrap.workflows.clock import today
from bootstrap.workflows.down import Confirm
from bootstrap.workflows.down_preview import Preview
from bootstrap.workflows.expire import Ended, Past, PastEnvironment, look, take_down, worst


@click.command(
    "expire",
    short_help="Show what is past its last day, and take it down.",
    epilog="\b\nExamples:\n"
    "  bootstrap expire                     exit code 0: nothing is past its day, 3: something is\n"
    "  bootstrap expire --down --yes        from cron, where the environments were brought up",
)
@click.option("--down", "takes_down", is_flag=True, help="Take the environments down that are past their last day.")
@options.acting_options
def command(
    takes_down: bool, profile: str | None, config: Path | None, as_json: bool, yes: bool, verbose: bool
) -> None:
    """Show the environments and people whose last day (`expires`) is over, in UTC, and what to type to end them.

    With --down, those environments are taken down, one after the other; a protected one is left. People are only
    named: AWS refuses them by itself from that day on.
    """
    if takes_down:
        ui.require_an_answer(yes=yes)
    project = options.project(config, verbose=verbose)
    story = ui.TerminalStory()
    past = look(project, profile, story, today())
    if not as_json:
        click.echo("\n".join(_told(past)))
    for env, why in past.unseen:
        story.note(f"Whether people of '{env}' are past their day is not known: {why}")

    def confirm(env: str) -> Confirm:
        def ask(preview: Preview) -> bool:
            ui.show_plan(preview.plan)
            click.echo(f"What it costs until now: {preview.cost.dollars} a month. {preview.cost.says}", err=True)
            return ui.confirm_by_name("Remove all of this for good?", env, yes=yes)

        return ask

    ended: list[Ended] = []
    if takes_down:
        for one in take_down(project, past.environments, profile, story, confirm):
            ended.append(one)
            click.echo("\n".join(_ended(one)), err=as_json or one.code != 0)
        code = worst([*(one.code for one in ended), Past((), past.people).code])
    else:
        code = past.code
    if as_json:
        options.print_json(_as_dict(past, ended))
    click.get_current_context().exit(code)


def _told(past: Past) -> Iterator[str]:
    if past.code == 0:
        yield "Nothing is past its last day."
        return
    rows = [("environment", one.env, one.env, one.last_day.isoformat(), _about(one)) for one in past.environments]
    rows += [("person", one.name, one.env, one.last_day.isoformat(), "refused by AWS") for one in past.people]
    yield ui.table(rows, ("WHAT", "NAME", "ENVIRONMENT", "LAST DAY", "HOW IT IS"))
    yield "\nTo end it:"
    for one in past.environments:
        yield f"  {one.command}"
    for env, group in groupby(past.people, key=lambda one: one.env):
        yield f"  bootstrap offboard {' '.join(one.name for one in group)} --env {env}"
    for one in past.environments:
        if one.known == "unknown":
            yield f"\nNobody could look whether '{one.env}' is still there: {one.why}"
            yield "If it is gone, take its `expires` out of bootstrap.toml, or set another day."


def _ended(one: Ended) -> Iterator[str]:
    yield one.message
    if one.hint:
        yield f"  → {one.hint}"
    if one.receipt is not None:
        yield f"Receipt: {one.receipt}"


def _about(one: PastEnvironment) -> str:
    how = {"here": "up", "elsewhere": "up, from another folder", "unknown": "not known"}[one.known]
    return f"{how}, protected" if one.protected else how


def _as_dict(past: Past, ended: Sequence[Ended]) -> dict[str, object]:
    return {
        "environments": [
            {
                "env": one.env,
                "last_day": one.last_day.isoformat(),
                "known": one.known,
                "protected": one.protected,
                "why": one.why or None,
                "command": one.command,
            }
            for one in past.environments
        ],
        "people": [
            {"env": one.env, "name": one.name, "last_day": one.last_day.isoformat(), "command": one.command}
            for one in past.people
        ],
        "unseen": [{"env": env, "why": why} for env, why in past.unseen],
        "down": [
            {
                "env": one.env,
                "code": one.code,
                "message": one.message,
                "hint": one.hint or None,
                "receipt": str(one.receipt) if one.receipt else None,
            }
            for one in ended
        ],
    }
