"""`bootstrap receipts`, `receipts show` and `receipts verify`."""

from __future__ import annotations

from pathlib import Path

import click

from bootstrap import ui
from bootstrap.commands import options
from bootstrap.core.receipt import Receipt, Standing, printable
from bootstrap.core.receipt_page import facts, sections
from bootstrap.workflows import receipts
from bootstrap.workflows.receipts import Past

# Exit code of `verify` if any file is not proven to be whole.
NOT_PROVEN = 1

_UNSIGNED: dict[Standing, str] = {
    "edited": "edited since it was signed",
    "no receipt": "no receipt",
    "unknown key": "signed elsewhere",
}


@click.group(
    "receipts",
    invoke_without_command=True,
    short_help="What was taken down, and what was left.",
    epilog="\b\nExamples:\n"
    "  bootstrap receipts\n"
    "  bootstrap receipts --all --json\n"
    "  bootstrap receipts show my-course--stag--20261121T173252Z\n"
    "  bootstrap receipts verify receipt.json",
)
@click.option("--all", "every", is_flag=True, help="Those of all projects, not only of this one.")
@options.looking_options
@click.pass_context
def command(context: click.Context, every: bool, config: Path | None, as_json: bool, verbose: bool) -> None:
    """List the receipts of this project's teardowns, newest first.

    Each `down` writes one: a JSON file, signed, and a page to print. They lie in your data folder, not in the
    project's, and stay until you delete them.
    """
    if context.invoked_subcommand is not None:
        return
    project = options.project(config, verbose=verbose)
    found = receipts.past(None if every else project.spec.project)
    if as_json:
        options.print_json({"receipts": [one.as_dict() for one in found]})
    elif found:
        header = ("WHEN", "PROJECT", "ENV", "TARGET", "REMOVED", "LEFT", "VERDICT", "RECEIPT")
        click.echo(ui.table([_row(one) for one in found], header))
    else:
        whose = "No receipts" if every else f"No receipts of the project {project.spec.project}"
        click.echo(f"{whose} on this machine. `down` writes one.")


@command.command("show", epilog="\b\nExample:\n  bootstrap receipts show my-course--stag--20261121T173252Z")
@click.argument("receipt_id", metavar="ID")
@options.json_option
@options.nothing_asked_option
def show(receipt_id: str, as_json: bool) -> None:
    """Show one receipt: where its files are, and what it says. ID may be the beginning of an id.

    Exit code 1 if it is not proven to be whole.
    """
    found = receipts.open_receipt(receipt_id)
    if as_json:
        options.print_json(found.as_dict())
        return
    if not found.verdict.is_proven:
        click.echo(f"{click.style('Do not believe this one:', fg='red', bold=True)} {found.verdict.says}.", err=True)
    page = str(found.stored.page) if found.stored.page.exists() else "deleted"
    click.echo(f"receipt  {found.stored.json}\npage     {page}\nfile     {found.verdict.says}")
    if found.receipt is not None:
        click.echo(f"\n{_text(found.receipt)}")
    if not found.verdict.is_proven:
        click.get_current_context().exit(NOT_PROVEN)


@command.command(
    "verify",
    epilog="\b\nExamples:\n"
    "  bootstrap receipts verify my-course--stag--20261121T173252Z\n"
    "  bootstrap receipts verify receipt.json --key 5e0d-77aa-0b1c-9f3e-2d46-8c15-b7f0-a921",
)
@click.argument("files", metavar="FILE...", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--key", metavar="FINGERPRINT", help="The key it must be signed with; default: that of this machine.")
@options.json_option
@options.nothing_asked_option
def verify(files: tuple[Path, ...], key: str | None, as_json: bool) -> None:
    """Tell whether receipts are whole, or were edited. Exit code 0 if all are proven to be whole, else 1.

    A receipt of this machine may also be named by its id.

    On another machine than the one that wrote a receipt, ask its owner for the fingerprint of their key, by another way
    than the file came, and give it with --key. Without it nothing is proven there: whoever edits a receipt can sign it
    again with a key of their own.
    """
    checked = receipts.check(files, key)
    if as_json:
        rows = [
            {"file": str(path), "proven": one.is_proven, "signature": one.standing, "key": one.fingerprint}
            for path, one in checked
        ]
        options.print_json({"files": rows})
    else:
        for path, one in checked:
            click.echo(f"{path}: {click.style(one.says, fg='green' if one.is_proven else 'red')}")
            if one.standing == "unknown key":
                click.echo(f"  Ask who sent it whether that is their key; then: --key {one.fingerprint}", err=True)
            elif one.standing == "no receipt" and path.suffix.lower() in (".html", ".htm"):
                click.echo("  Of a receipt's two files the .json is signed; name that one.", err=True)
            elif one.standing == "no receipt" and not path.exists():
                click.echo("  `bootstrap receipts` lists those of this machine.", err=True)
    if not all(one.is_proven for _, one in checked):
        click.get_current_context().exit(NOT_PROVEN)


def _row(one: Past) -> tuple[str, ...]:
    receipt = one.receipt
    if receipt is None or one.verdict.standing in ("edited", "no receipt"):
        why = _UNSIGNED.get(one.verdict.standing) or one.problem
        return ("-", "-", "-", "-", "-", "-", click.style(why, fg="red"), printable(one.stored.id))
    # What was not looked at is not zero.
    left = f"{len(receipt.left)}{'' if receipt.could_look else ' or more'}"
    return (
        receipt.ended[:16].replace("T", " "),
        printable(receipt.project),
        printable(receipt.env or "(all)"),
        receipt.target,
        str(len(receipt.removed)),
        left,
        click.style(_verdict(one, receipt), fg="green" if receipt.is_clean else "red"),
        printable(one.stored.id),
    )


def _verdict(one: Past, receipt: Receipt) -> str:
    said: str = receipt.state
    if receipt.is_clean and receipt.kept:
        said = f"{len(receipt.kept)} kept, else nothing left"
    return f"{said}; {_UNSIGNED[one.verdict.standing]}" if one.verdict.standing in _UNSIGNED else said


def _text(receipt: Receipt) -> str:
    """Return what the page says, for a terminal."""
    lines = [click.style(printable(receipt.verdict), fg="green" if receipt.is_clean else "red", bold=True), ""]
    lines += [f"{name + ':':13} {printable(value)}" for name, value in facts(receipt)]
    for section in sections(receipt):
        lines += ["", click.style(section.title, bold=True)]
        lines += [f"  {printable(words)}" for words in section.words]
        if section.rows:
            rows = [tuple(printable(cell) for cell in row) for row in section.rows]
            lines += [f"  {line}" for line in ui.table(rows, section.header).splitlines() if line]
    return "\n".join(lines)
