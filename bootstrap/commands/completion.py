"""`bootstrap completion`."""

from __future__ import annotations

import click

SHELLS = ("bash", "zsh", "fish", "powershell")


@click.command(
    "completion",
    short_help="Print the completion script for your shell.",
    epilog="""\b
To switch it on:
  bash        echo 'eval "$(bootstrap completion bash)"' >> ~/.bashrc
  zsh         echo 'eval "$(bootstrap completion zsh)"' >> ~/.zshrc
  fish        bootstrap completion fish > ~/.config/fish/completions/bootstrap.fish
  powershell  bootstrap completion powershell | Out-String | Invoke-Expression""",
)
@click.argument("shell", type=click.Choice(SHELLS))
def command(shell: str) -> None:
    """Print the script that completes commands and options in your shell."""
    from click.shell_completion import get_completion_class

    found = get_completion_class(shell)
    if found is None:
        raise click.UsageError(f"This version of click cannot complete in {shell}.")
    root = click.get_current_context().find_root().command
    click.echo(found(root, {}, "bootstrap", "_BOOTSTRAP_COMPLETE").source())
