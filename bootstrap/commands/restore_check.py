"""`bootstrap restore-check`."""

from __future__ import annotations

from pathlib import Path

import click

from bootstrap import ui
from bootstrap.commands import options
from bootstrap.core.counts import counted
from bootstrap.core.manifest import size_text
from bootstrap.core.s3_address import S3Address
from bootstrap.errors import UsageError
from bootstrap.workflows.restore_check import Checked, restore_check

DIFFERS = 1
_SHOWN = 20


@click.command(
    "restore-check",
    short_help="Prove that an archive is still whole.",
    epilog="""\b
Examples:
  bootstrap restore-check ~/archives/stag
  bootstrap restore-check ~/archives/stag --json
  bootstrap restore-check s3://my-archives/stag --profile teacher""",
)
@click.argument("place", metavar="PLACE", type=options.ArchivePlace())
@click.option("--profile", metavar="NAME", help="In S3: the AWS profile to read with; default: AWS_PROFILE.")
@click.option(
    "--region",
    metavar="NAME",
    envvar=["AWS_REGION", "AWS_DEFAULT_REGION"],
    help="In S3: where to ask first; needed only in China and for the US government.",
)
@options.json_option
@options.nothing_asked_option
@options.verbose_option
def command(place: Path | S3Address, profile: str | None, region: str | None, as_json: bool, verbose: bool) -> None:
    """Read every file of an archive or an export and compare it with the manifest.json there.

    PLACE is a folder, and needs no project, no network and no AWS; or s3://BUCKET/PREFIX, where every object is read
    as it is there, with your own AWS profile. Exit code 1 if a file is missing, has changed, or does not belong there.
    """
    options.set_up_logging(verbose)
    if profile is not None and not isinstance(place, S3Address):
        raise UsageError("--profile is for an archive in S3.", hint=f"{place} is a folder: leave --profile away.")
    found = restore_check(place, ui.TerminalStory(), profile=profile, region=region or "")
    if as_json:
        options.print_json(_as_dict(place, found))
    else:
        _tell(place, found)
    if not found.right:
        click.get_current_context().exit(DIFFERS)


def _tell(place: Path | S3Address, found: Checked) -> None:
    manifest = found.manifest
    size = f"{counted(len(manifest.files), 'file')} ({size_text(manifest.size)})"
    click.echo(f"{place}: {manifest.origin}, made {manifest.made}, {size}.")
    for what, paths in (("missing", found.missing), ("changed", found.changed), ("does not belong here", found.extra)):
        for path in paths[:_SHOWN]:
            click.echo(f"  {what}: {path}")
        if len(paths) > _SHOWN:
            click.echo(f"  {what}: {len(paths) - _SHOWN:,} more; --json lists them all")
    if found.right:
        click.echo(f"Every file is there and unchanged. SHA-256 of manifest.json: {found.manifest_sha256}")


def _as_dict(place: Path | S3Address, found: Checked) -> dict[str, object]:
    origin = found.manifest.origin
    return {
        "right": found.right,
        "folder": str(place),
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
