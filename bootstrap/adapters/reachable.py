"""Whether a server somewhere in the world answers over HTTPS, and what stands in the way if it does not."""

from __future__ import annotations

import http.client
import socket
import ssl
import urllib.error
import urllib.request
from dataclasses import dataclass
from typing import Literal

_SECONDS = 10.0

Obstacle = Literal["name", "silence", "refusal", "certificate", "not ready", "network"]


@dataclass(frozen=True)
class Look:
    """What a look at a server saw. `obstacle` is None if it answers as it should; `said` is what stood in the way.

    name: nobody knows the server's name. silence: nothing answers, as behind a firewall that lets nobody in. refusal:
    the machine is there and the server is not. certificate: it has none that is valid for its name. not ready:
    something answers in its place, as a proxy does while what is behind it starts. network: all else.
    """

    obstacle: Obstacle | None
    said: str = ""


def look(url: str, *, timeout: float = _SECONDS) -> Look:
    """Ask `url` once; takes at most about `timeout` seconds. Certificates and proxies are what the system has.

    Behind a proxy (HTTPS_PROXY) the name is looked up there, and all that the proxy cannot do is `network`.
    """
    try:
        with urllib.request.urlopen(url, timeout=timeout) as answer:  # noqa: S310 - the scheme is the caller's
            return Look(None) if 200 <= answer.status < 300 else Look("not ready", f"HTTP {answer.status}")
    except urllib.error.HTTPError as error:
        with error:
            return Look("not ready", f"HTTP {error.code}")
    except urllib.error.URLError as error:
        why = error.reason
        return _seen(why) if isinstance(why, Exception) else Look("network", str(why))
    except (OSError, http.client.HTTPException) as error:  # while the answer is read
        return _seen(error)


def _seen(error: Exception) -> Look:
    said = str(error) or type(error).__name__
    if isinstance(error, socket.gaierror):
        return Look("name", said)
    if isinstance(error, TimeoutError):
        return Look("silence", said)
    if isinstance(error, ConnectionRefusedError):
        return Look("refusal", said)
    if isinstance(error, ssl.SSLError):
        # A server that has no certificate yet breaks off with an alert, one with another's fails the verification.
        return Look("certificate", error.verify_message if isinstance(error, ssl.SSLCertVerificationError) else said)
    return Look("network", said)
