"""`bootstrap access`."""

from __future__ import annotations

from pathlib import Path

import click

from bootstrap import ui
from bootstrap.commands import options
from bootstrap.commands.proof_text import proof_text
from bootstrap.errors import UsageError
from bootstrap.workflows.access import Tried
from bootstrap.workflows.proof import prove_members, prove_own

DIFFERS = 4


@click.command(
    "access",
    short_help="Prove who may do what, by trying it.",
    epilog="\b\nExamples:\n"
    "  bootstrap access --env stag             everybody in stag\n"
    "  bootstrap access ana --env stag         one person\n"
    "  bootstrap access                        yourself, where you opened your invite",
)
@click.argument("names", nargs=-1, metavar="[NAME]...")
@options.env_option(required=False)
@options.profile_option
@options.looking_options
def command(
    names: tuple[str, ...], env: str | None, profile: str | None, config: Path | None, as_json: bool, verbose: bool
) -> None:
    """Try, place by place, what people may do and what they may not, and show what came of it.

    Nothing is left behind. Where nobody but the person has the key (AWS), IAM's own simulator is asked. What could
    not be tried is shown as that, with the reason. Exit code 4 if anything is not as it should be.
    """
    project = options.project(config, verbose=verbose)
    story = ui.TerminalStory()
    if env is not None and project.record(env) is not None:
        proof = prove_members(project, env, names, profile, story)
    elif names:
        raise UsageError("Only where an environment is up can others' access be proved.", hint="Add --env stag.")
    else:
        proof = prove_own(project, env, story)
    if as_json:
        options.print_json({"right": not proof.wrong, "cells": [_as_dict(one) for one in proof.cells]})
    else:
        click.echo(proof_text(proof))
    if proof.wrong:
        click.get_current_context().exit(DIFFERS)


def _as_dict(one: Tried) -> dict[str, object]:
    return {
        "member": one.subject,
        "place": one.cell.place,
        "action": one.cell.action,
        "allowed": one.cell.allowed,
        "found": one.found,
        "how": one.how,
        "why": one.why,
        "right": one.right,
    }
