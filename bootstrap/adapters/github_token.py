"""Where the token for GitHub comes from: the environment, or GitHub's own command line. Never an option of ours."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import urlsplit

from bootstrap.adapters.process import Call, find, run
from bootstrap.errors import BootstrapError, GitHubFailed

VARIABLES = ("GITHUB_TOKEN", "GH_TOKEN")


def find_token(environ: Mapping[str, str], api_url: str) -> str:
    """Return the token for the GitHub at `api_url`: GITHUB_TOKEN, GH_TOKEN, or what `gh auth token` says.

    https://cli.github.com/manual/gh_auth_token. Raises GitHubFailed if there is none.
    """
    for name in VARIABLES:
        if value := environ.get(name, "").strip():
            return value
    host = (urlsplit(api_url).hostname or "").removeprefix("api.")
    if program := find("gh", environ):
        try:
            done = run(Call((program, "auth", "token", "--hostname", host), env=dict(environ)), timeout=15)
        except BootstrapError:
            done = None
        if done and done.returncode == 0 and (token := done.stdout.strip()):
            return token
    raise GitHubFailed(
        f"There is no token for GitHub ({host}).",
        hint="Set GITHUB_TOKEN, or sign in once with GitHub's own command line: gh auth login",
    )
