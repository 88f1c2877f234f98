"""`bootstrap restore-check`."""

from __future__ import annotations

from pathlib import Path

import click

from bootstrap import ui
from bootstrap.commands import options
from bootstrap.core.counts import counted
from bootstrap.core.manifest import size_text
from bootstrap.workflows.restore_check import Checked, restore_check

DIFFERS = 1
_SHOWN = 20


@click.command(
    "restore-check",
    short_help="Prove that an archive is still whole.",
    epilog="\b\nExamples:\n  bootstrap restore-check ~/archives/stag\n  bootstrap restore-check ~/archives/stag --json",
)
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path, file_okay=False))
@options.json_option
@options.nothing_asked_option
@options.verbose_option
def command(folder: Path, as_json: bool, verbose: bool) -> None:
    """Read every file of an archive or an export and compare it with the manifest.json there.

    It needs no project, no network and no AWS. Exit code 1 if a file is missing, has changed, or does not belong there.
    """
    options.set_up_logging(verbose)
    found = restore_check(folder, ui.TerminalStory())
    if as_json:
        options.print_json(_as_dict(folder, found))
    else:
        _tell(folder, found)
    if not found.right:
        click.get_current_context().exit(DIFFERS)


def _tell(folder: Path, found: Checked) -> None:
    manifest = found.manifest
    size = f"{counted(len(manifest.files), 'file')} ({size_text(manifest.size)})"
    click.echo(f"{folder}: {manifest.origin}, made {manifest.made}, {size}.")
    for what, paths in (("missing", found.missing), ("changed", found.changed), ("does not belong here", found.extra)):
        for path in paths[:_SHOWN]:
            click.echo(f"  {what}: {path}")
        if len(paths) > _SHOWN:
            click.echo(f"  {what}: {len(paths) - _SHOWN:,} more; --json lists them all")
    if found.right:
        click.echo(f"Every file is there and unchanged. SHA-256 of manifest.json: {found.manifest_sha256}")


def _as_dict(folder: Path, found: Checked) -> dict[str, object]:
    origin = found.manifest.origin
    return {
        "right": found.right,
        "folder": str(folder),
        "kind": origin.kind,
        "project": origin.project,
        "env": origin.env,
        "member": origin.member,
        "made": found.manifest.made,
        "files": len(found.manifest.files),
        "bytes": found.manifest.size,
        "manifest_sha256": found.manifest_sha256,
        "missing": list(found.missing),
        "changed": list(found.changed),
        "extra": list(found.extra),
    }
