"""`frontend`: run the page in front of the API."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import click


@click.command(epilog="Example: frontend --api http://127.0.0.1:8000, then open http://127.0.0.1:8501")
@click.option("--api", envvar="API_URL", default="http://127.0.0.1:8000", show_default=True, help="Where the API is.")
@click.option("--host", default="127.0.0.1", show_default=True, help="0.0.0.0 lets other machines in.")
@click.option("--port", default=8501, show_default=True, type=click.IntRange(1, 65535))
@click.option("--lang", type=click.Choice(["en", "pt-BR"]), help="By default the browser's language.")
def command(api: str, host: str, port: int, lang: str | None) -> None:
    """Run the page in front of the API. Ctrl-C ends it."""
    page = Path(__file__).with_name("page.py")
    # https://docs.streamlit.io/develop/api-reference/configuration/config.toml
    settings = {
        "server.address": host,
        "server.port": port,
        # It opens no browser, asks for no mail address, and tells nobody that it runs.
        "server.headless": "true",
        "browser.gatherUsageStats": "false",
        "client.toolbarMode": "minimal",
    }
    options = [f"--{name}={value}" for name, value in settings.items()]
    env = {**os.environ, "API_URL": api, "FRONTEND_PACKAGE": __package__.partition(".")[0]}
    if lang:
        env["FRONTEND_LANG"] = lang
    # Not as a process below this one: in a container, nobody would tell it to stop.
    os.execve(sys.executable, [sys.executable, "-m", "streamlit", "run", str(page), *options], env)
