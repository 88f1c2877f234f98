"""`bootstrap sweep`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import click

from bootstrap import ui
from bootstrap.commands import options
from bootstrap.core.counts import counted
from bootstrap.core.inventory import EVERYWHERE, Scan, Thing
from bootstrap.core.record import Target
from bootstrap.workflows.sweep import Swept, find, sweep

LEFT = 4
_HEADER = ("WHAT", "WHERE", "KNOWN BY", "TO REMOVE IT")


@click.command(
    "sweep",
    short_help="Find what is left of a project, and take it away.",
    epilog="\b\nExamples:\n"
    "  bootstrap sweep                         what is left of this project on AWS\n"
    "  bootstrap sweep --env stag --delete     take away what is left of stag\n"
    "  bootstrap sweep --local                 the same on this laptop",
)
@options.env_option(required=False)
@click.option(
    "--region", "regions", metavar="REGION", multiple=True, help="Look there too. May be given several times."
)
@click.option("--delete", is_flag=True, help="Take away what can be, after a question.")
@options.local_option
@options.acting_options
def command(
    env: str | None,
    regions: tuple[str, ...],
    delete: bool,
    local: bool,
    profile: str | None,
    config: Path | None,
    as_json: bool,
    yes: bool,
    verbose: bool,
) -> None:
    """Find everything of this project by tag, IAM path and name: what crashes and lost states left behind.

    Changes nothing without --delete. What is up in this folder is no leftover; an environment that was brought up
    in another folder or on another laptop looks like one. Exit code 4 if anything is left, or could not be looked at.
    """
    if delete:
        ui.require_an_answer(yes=yes)
    project = options.project(config, verbose=verbose)
    options.say_defaults(project)
    story = ui.TerminalStory()
    target: Target = "local" if local else "aws"

    def confirm(shown: Scan) -> bool:
        click.echo(_table(shown.things), err=True)
        kept = [thing for thing in shown.things if not thing.removable]
        if kept:
            click.echo(f"{counted(len(kept), 'thing')} of these will stay: see the last column.", err=True)
        count = counted(len(shown.things) - len(kept), "thing")
        return ui.confirm(f"Remove {count} of '{env or project.spec.project}' for good, with all files?", yes=yes)

    if delete:
        swept = sweep(project, env, profile, target, regions, story, confirm)
    else:
        swept = Swept((), find(project, env, profile, target, regions, story))
    for problem in swept.problems:
        story.note(problem)
    left = swept.left
    for blind in left.blind:
        story.note(f"Not looked at: {blind.place.kind} ({_where(blind.place.region)}): {blind.reason}")
    if as_json:
        options.print_json({"project": project.spec.project, "env": env, **_as_dict(swept)})
    else:
        _tell(swept, env or project.spec.project)
    if left.things or left.blind:
        click.get_current_context().exit(LEFT)


def _tell(swept: Swept, whose: str) -> None:
    left = swept.left
    if swept.removed:
        click.echo(f"Removed {counted(len(swept.removed), 'thing')} of '{whose}'.")
    if left.things:
        click.echo(_table(left.things))
        return
    if left.blind:
        click.echo(f"Nothing of '{whose}' was found, but not every place could be looked at.")
        return
    kinds = counted(len({place.kind for place in left.looked}), "kind")
    where = ", ".join(dict.fromkeys(_where(place.region) for place in left.looked))
    click.echo(f"Nothing of '{whose}' is left: {kinds} of things were looked for in {where}.")


def _table(things: Sequence[Thing]) -> str:
    return ui.table([(one.what, _where(one.region), one.mark, one.command) for one in things], _HEADER)


def _where(region: str) -> str:
    return "the whole account" if region == EVERYWHERE else region


def _as_dict(swept: Swept) -> dict[str, object]:
    return {
        "things": [asdict(one) for one in swept.left.things],
        "blind": [{**asdict(one.place), "reason": one.reason} for one in swept.left.blind],
        "looked": [asdict(one) for one in swept.left.looked],
        "removed": [asdict(one) for one in swept.removed],
        "problems": list(swept.problems),
    }
