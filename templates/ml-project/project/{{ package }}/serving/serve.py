"""`serve`: run the API."""

from __future__ import annotations

import os
import socket

import click

from ..errors import ProjectError


@click.command(epilog="Example: serve --port 8000, then open http://127.0.0.1:8000/docs")
@click.option("--host", default="127.0.0.1", show_default=True, help="0.0.0.0 lets other machines in.")
@click.option("--port", default=8000, show_default=True, type=click.IntRange(0, 65535), help="0 takes a free one.")
@click.option(
    "--model",
    "model_uri",
    metavar="ADDRESS",
    help="models:/NAME@champion, or a file. By default what MODEL_URI says, else models/model.joblib.",
)
def command(host: str, port: int, model_uri: str | None) -> None:
    """Run the API. Ctrl-C ends it, after the requests that are under way."""
    import uvicorn

    _require_free(host, port)
    if model_uri:
        os.environ["MODEL_URI"] = model_uri
    uvicorn.run(
        f"{__package__}.app:create_app",
        factory=True,
        host=host,
        port=port,
        # A line for each request would be most of the log; /metrics counts them.
        access_log=False,
        server_header=False,
        # Kubernetes waits for half a minute.
        timeout_graceful_shutdown=20,
    )


def _require_free(host: str, port: int) -> None:
    """Raise ProjectError if another program has the port: uvicorn would say it in the system's words."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as one:
        # As uvicorn does it: what a server has just left counts as free.
        one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            one.bind((host, port))
        except OSError as error:
            raise ProjectError(
                f"The API cannot listen on {host}:{port}: {error.strerror}.", f"Another port: --port {port + 1}"
            ) from None
