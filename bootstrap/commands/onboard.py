"""`bootstrap onboard`."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import click

from bootstrap import ui
from bootstrap.commands import invitations, options
from bootstrap.core.last_day import is_past
from bootstrap.core.membership import Difference, Member, changes
from bootstrap.core.roster import day_of
from bootstrap.errors import UsageError
from bootstrap.workflows.clock import today
from bootstrap.workflows.onboard import Outcome, Request, onboard, people_named

_SHOWN = 20


@click.command(
    "onboard",
    short_help="Bring people in.",
    epilog="\b\nExamples:\n"
    "  bootstrap onboard ana --env stag --team red\n"
    "  bootstrap onboard --roster members.csv --env stag --codes ~/codes.csv\n"
    "  bootstrap onboard --roster members.csv --env stag --prune --to-github",
)
@click.argument("names", nargs=-1, metavar="[NAME]...")
@options.env_option()
@click.option(
    "--roster", type=click.Path(path_type=Path, dir_okay=False), help="Make the environment equal to this roster."
)
@click.option("--prune", is_flag=True, help="With --roster: whoever is not in it loses access.")
@click.option("--role", type=click.Choice(["student", "instructor"]), help="What NAME may do; default: student.")
@click.option("--team", metavar="TEAM", help="Whose DVC remote and experiments to share; default: one named NAME.")
@click.option("--email", metavar="ADDRESS", help="For the roster.")
@click.option("--github", metavar="LOGIN", help="For the roster, and for --to-github.")
@click.option("--expires", metavar="DAY", help="Last day of access, as 2026-12-31.")
@invitations.seal_options
@options.acting_options
def command(
    names: tuple[str, ...],
    env: str,
    roster: Path | None,
    prune: bool,
    role: str | None,
    team: str | None,
    email: str | None,
    github: str | None,
    expires: str | None,
    codes: Path | None,
    to_github: bool,
    passphrase: bool,
    profile: str | None,
    config: Path | None,
    as_json: bool,
    yes: bool,
    verbose: bool,
) -> None:
    """Bring people into an environment that is up: an IAM user that may do what they need and no more, a key, an MLflow
    login, and a sealed invite in invites/ENV/.

    With NAMEs, these people are added to the roster and brought in. With --roster, the environment becomes equal to
    that file: shows the difference, asks, does it. Nobody is removed without --prune. A second run changes nothing,
    and after an interruption the same command goes on.
    """
    given: dict[str, object] = {"role": role, "team": team, "email": email, "github": github, "expires": expires}
    if bool(names) == (roster is not None):
        raise UsageError("Name people, or a roster with --roster.", hint="As in: bootstrap onboard ana --env stag")
    if roster is not None and (wrong := [f"--{name}" for name, value in given.items() if value is not None]):
        raise UsageError(f"{', '.join(wrong)} goes with NAMEs; with --roster the file says it.")
    if prune and roster is None:
        raise UsageError("--prune goes with --roster: it removes whoever is not in that file.")
    now = today()
    given = {name: value for name, value in given.items() if value is not None}
    if expires is not None:
        given["expires"] = _last_day(expires, now)
    project = options.project(config, verbose=verbose)
    ui.require_an_answer(yes=yes)
    people = people_named(project, names, given)
    sealing = invitations.invitations(
        project, env, codes=codes, to_github=to_github, passphrase=passphrase, as_json=as_json
    )
    request = Request(
        env=env,
        seal_for=sealing.seal_for,
        today=now,
        people=people,
        whole_roster=roster is not None,
        roster=roster.expanduser() if roster else None,
        prune=prune,
        profile=profile,
        codes=sealing.codes,
    )

    def confirm(difference: Difference) -> bool:
        click.echo(difference_text(difference), err=True)
        return ui.confirm("Do this?", yes=yes)

    written = invitations.say_how_to_go_on(project, env, sealing, as_json=as_json)
    outcome = onboard(project, request, ui.TerminalStory(), confirm, sealing.tell, written)
    if outcome.lists_nobody:
        click.echo(f"No changes: {roster} lists nobody.", err=as_json)
        click.echo("A line that begins with # is not read: take away the # in front of people.", err=as_json)
    if as_json:
        options.print_json(_as_dict(outcome))
    else:
        _summary(env, outcome)
    if outcome.moved:
        again = f"bootstrap rotate {' '.join(outcome.moved)} --env {env}"
        click.echo(f"A new role or team reaches their laptop in a new invite: {again}", err=True)


def _last_day(text: str, now: date) -> date | None:
    """Read a last day as the roster reads its cell. Raises UsageError for what it would refuse, and for a past day."""
    day, wrong = day_of(text.strip())
    if wrong:
        raise UsageError(f"--expires: {wrong}")
    if is_past(day, now):
        raise UsageError(
            f"--expires: {day.isoformat()} is past; an invite that ends then could never be opened.",
            hint="`bootstrap offboard` ends somebody's access.",
        )
    return day


def difference_text(difference: Difference) -> str:
    """Return a difference as text: who, and what about them; long lists are cut."""
    waiting = "an invite, which an earlier run did not get to"
    lines = [
        *_some("+", [f"{one.name}: {_about(one)}" for one in difference.added], "green"),
        *_some("+", [f"{name}: {waiting}" for name in difference.waiting], "green"),
        *_some("~", [f"{after.name}: {_changed(now, after)}" for now, after in difference.changed], "yellow"),
        *_some("-", [f"{name}: all access ends; their files stay" for name in difference.removed], "red"),
    ]
    if difference.extra:
        lines.append(f"Not in the roster, and kept (--prune removes them): {', '.join(difference.extra)}")
    return "\n".join([*lines, "", f"{difference.summary()}."])


def _some(sign: str, what: list[str], colour: str) -> list[str]:
    shown = what if len(what) <= _SHOWN else what[: _SHOWN - 1]
    lines = [f"  {click.style(sign, fg=colour)} {one}" for one in shown]
    if len(shown) < len(what):
        lines.append(f"  {click.style(sign, fg=colour)} … and {len(what) - len(shown)} more")
    return lines


def _changed(now: Member, after: Member) -> str:
    return ", ".join(f"{what} {was} → {becomes}" for what, (was, becomes) in changes(now, after).items())


def _about(one: Member) -> str:
    until = f", until {one.expires.isoformat()}" if one.expires else ""
    return f"{one.role}, team {one.team_name}{until}"


def _as_dict(outcome: Outcome) -> dict[str, object]:
    difference = outcome.difference
    return {
        "added": [one.name for one in difference.added],
        "changed": [after.name for _, after in difference.changed],
        "removed": list(difference.removed),
        "kept": list(difference.extra),
        "invited": outcome.invited,
        "moved": outcome.moved,
        "mlflow": outcome.mlflow,
    }


def _summary(env: str, outcome: Outcome) -> None:
    difference = outcome.difference
    for line in outcome.mlflow:
        click.echo(f"MLflow: {line}", err=True)
    if difference.is_empty:
        if not outcome.lists_nobody:
            click.echo(f"No changes: '{env}' has these people already.")
        if difference.extra:
            click.echo(f"Not in the roster, and kept (--prune removes them): {', '.join(difference.extra)}")
        return
    done = [
        *([f"{len(outcome.invited)} invited"] if outcome.invited else []),
        *([f"{len(difference.changed)} changed"] if difference.changed else []),
        *([f"{len(difference.removed)} removed"] if difference.removed else []),
    ]
    click.secho(f"\n'{env}': {', '.join(done)}.", bold=True)
