"""DagsHub as one person with a token: who they are, and whether the MLflow of a repository takes them.

Read in DagsHub's own client (dagshub/common/api/user.py, init.py) and in its pages on MLflow and storage; it could not
be asked itself from where this was written. https://dagshub.com/docs/api/
"""

from __future__ import annotations

import base64
import http.client
import json
import urllib.error
import urllib.request
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from bootstrap.core.dagshub import TOKEN, Hub
from bootstrap.errors import BootstrapError

_SECONDS = 30.0


@dataclass(frozen=True)
class Dagshub:
    """A repository's services as whoever has the token. Neither repr nor any message has the token in it."""

    hub: Hub
    token: str = field(repr=False)

    def user(self) -> str:
        """Return the name of the person whose token it is. Raises BootstrapError if it is nobody's."""
        status, answer = self._request("GET", f"{self.hub.url}/api/v1/user", f"Bearer {self.token}")
        name = answer.get("username")
        if status in (401, 403, 404):
            raise BootstrapError(
                f"{self.hub.url} does not know the token in {TOKEN} (HTTP {status}).",
                hint=f"Make a new one at {self.hub.token_page} and set {TOKEN} to it.",
            )
        if status != 200 or not isinstance(name, str) or not name:
            raise BootstrapError(
                f"{self.hub.url} would not say whose token that is (HTTP {status}).",
                hint="Run the same command again. If it stays so, look whether DagsHub has trouble.",
            )
        return name

    def login_works(self, username: str) -> bool:
        """Tell whether the repository's MLflow takes this person with the token."""
        pair = base64.b64encode(f"{username}:{self.token}".encode()).decode()
        where = f"{self.hub.tracking_uri}/api/2.0/mlflow/experiments/search?max_results=1"
        status, _ = self._request("GET", where, f"Basic {pair}")
        return status == 200

    def _request(self, method: str, url: str, authorization: str) -> tuple[int, dict[str, Any]]:
        headers = {"Authorization": authorization, "Accept": "application/json"}
        request = urllib.request.Request(url, headers=headers, method=method)  # noqa: S310 - checked in the file
        local = urlsplit(url).hostname in ("127.0.0.1", "localhost")
        proxies = urllib.request.ProxyHandler({}) if local else urllib.request.ProxyHandler()
        try:
            # Whoever sent us elsewhere would be handed the token there.
            with urllib.request.build_opener(proxies, _Stays()).open(request, timeout=_SECONDS) as answer:
                return answer.status, _json(answer.read())
        except urllib.error.HTTPError as error:
            with error:
                return error.code, _json(error.read())
        except (OSError, http.client.HTTPException) as error:
            why = getattr(error, "reason", error)  # urllib wraps what happened into an error of its own
            raise BootstrapError(
                f"DagsHub at {self.hub.url} cannot be reached: {why}.",
                hint="Check your network, then run the same command again.",
            ) from error


@dataclass(frozen=True)
class HubLogin:
    """One person's login at the MLflow of a repository."""

    hub: Dagshub
    username: str

    def login_works(self) -> bool:
        """Tell whether the server accepts it. Raises BootstrapError if DagsHub cannot be reached."""
        return self.hub.login_works(self.username)


class _Stays(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: object) -> None:
        return None


def _json(body: bytes) -> dict[str, Any]:
    try:
        parsed = json.loads(body)
    except ValueError:
        return {}
    return parsed if isinstance(parsed, dict) else {}
