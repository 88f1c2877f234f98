"""Ties an environment to its AWS account in bootstrap.toml, so that another account's credentials touch nothing."""

from __future__ import annotations

from pathlib import Path

from bootstrap.adapters.files import read_text, write_atomic
from bootstrap.core.pin import put_account, take_account
from bootstrap.core.record import Record
from bootstrap.errors import BootstrapError
from bootstrap.workflows.project import Project
from bootstrap.workflows.story import Story


def pin_account(project: Project, record: Record, story: Story) -> None:
    """Write the account of an environment that is up on AWS into its table of bootstrap.toml, if it is not there yet.

    What cannot be written is told and stops nothing: this folder's record ties the environment to the account as well,
    but only here.
    """
    table = project.spec.environments.get(record.env)
    if record.target != "aws" or table is None or table.account is not None:
        return
    path = _file(project)
    advice = f'write account = "{record.account_id}" under [environments.{record.env}]'
    try:
        text = read_text(path) or ""
        changed = put_account(text, record.env, record.account_id)
        if changed is None:
            story.note(f"To keep other accounts' credentials away from '{record.env}', {advice} in {path.name}.")
            return
        write_atomic(path, changed)
    except BootstrapError as error:
        story.note(f"To keep other accounts' credentials away from '{record.env}', {advice}. {error.message}.")
        return
    story.say(f"Wrote the account {record.account_id} into {path.name}: another account is refused from now on.")


def unpin_account(project: Project, record: Record, story: Story) -> None:
    """Take out again what `pin_account` wrote; what a person wrote stays. What cannot be written is told."""
    if record.target != "aws" or not project.has_config:
        return
    path = _file(project)
    try:
        text = read_text(path)
        if text is not None:
            write_atomic(path, take_account(text, record.env))
    except BootstrapError as error:
        story.note(f"The line `account` of '{record.env}' stays in bootstrap.toml. {error.message}.")


def _file(project: Project) -> Path:
    # The name may be another one, by --config; the folder is always the file's own.
    return project.folder / Path(project.spec.source or "").name
