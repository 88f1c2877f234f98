"""`bootstrap rotate`."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

import click

from bootstrap import ui
from bootstrap.commands import invitations, options
from bootstrap.core.counts import counted
from bootstrap.errors import UsageError
from bootstrap.workflows.rotate import Due, Request, rotate

_SHOWN = 6
_AGE = re.compile(r"(\d{1,4})d?")


@click.command(
    "rotate",
    short_help="Give people new keys.",
    epilog="\b\nExamples:\n"
    "  bootstrap rotate ana --env stag\n"
    "  bootstrap rotate --older-than 90d --env stag --codes ~/codes.csv\n"
    "  bootstrap rotate --all --env stag --to-github",
)
@click.argument("names", nargs=-1, metavar="[NAME]...")
@options.env_option()
@click.option("--all", "everyone", is_flag=True, help="The keys of everybody, and that of ci.")
@click.option("--older-than", metavar="DAYS", help="Only keys older than that, for instance 90d.")
@invitations.seal_options
@options.acting_options
def command(
    names: tuple[str, ...],
    env: str,
    everyone: bool,
    older_than: str | None,
    codes: Path | None,
    to_github: bool,
    passphrase: bool,
    profile: str | None,
    config: Path | None,
    as_json: bool,
    yes: bool,
    verbose: bool,
) -> None:
    """Replace access keys: make a new one, make sure that it works, hand it over as a new invite with a new MLflow
    password, then disable the old one and delete it.

    From then on the old key is dead: people go on when they have opened their new invite. The key of ci goes straight
    into the profile that `up` wrote. After an interruption the same command goes on.
    """
    chosen = {"NAMEs": bool(names), "--all": everyone, "--older-than": older_than is not None}
    ways = [way for way, is_given in chosen.items() if is_given]
    if not ways:
        raise UsageError("Name people, or say --all, or --older-than 90d.")
    if len(ways) > 1:
        raise UsageError(
            f"{' and '.join(ways)} exclude each other.",
            hint="NAMEs: the keys of these people. --all: everybody's. --older-than 90d: of everybody's, the old ones.",
        )
    found = _AGE.fullmatch(older_than) if older_than is not None else None
    if older_than is not None and found is None:
        raise UsageError(f"--older-than takes a number of days such as 90d, not {older_than!r}.")
    ui.require_an_answer(yes=yes)
    project = options.project(config, verbose=verbose)
    sealing = invitations.invitations(
        project, env, codes=codes, to_github=to_github, passphrase=passphrase, as_json=as_json
    )
    request = Request(
        env=env,
        seal_for=sealing.seal_for,
        names=names,
        older_than=timedelta(days=int(found[1])) if found else None,
        profile=profile,
        codes=sealing.codes,
    )

    def confirm(due: Sequence[Due]) -> bool:
        for one in due:
            age = "no key yet" if one.age is None else f"a key of {one.age.days} days"
            click.echo(f"  {click.style('~', fg='yellow')} {one.name}: {age}", err=True)
        return ui.confirm(f"Replace {keys_of([one.name for one in due])}? What was there stops working.", yes=yes)

    written = invitations.say_how_to_go_on(project, env, sealing, as_json=as_json)
    done = rotate(project, request, ui.TerminalStory(), confirm, sealing.tell, written)
    if as_json:
        options.print_json({"rotated": [one.name for one in done]})
        return
    if not done:
        click.echo("No changes: no key is that old.")
        return
    click.secho(f"\n{counted(len(done), 'key')} replaced; what was there before is deleted.", bold=True)


def keys_of(names: Sequence[str]) -> str:
    """Return whose keys these are, in words; of many people, some by name."""
    shown = list(names) if len(names) <= _SHOWN else [*names[: _SHOWN - 1], f"{len(names) - _SHOWN + 1} more"]
    listed = " and ".join(filter(None, (", ".join(shown[:-1]), shown[-1])))
    return f"the {'key' if len(names) == 1 else 'keys'} of {listed}"
