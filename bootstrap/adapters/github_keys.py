"""The public ssh keys of a person on GitHub, to seal an invite to."""

from __future__ import annotations

import http.client
import json
import re
import time
import urllib.error
import urllib.parse
import urllib.request
from typing import TYPE_CHECKING, Any

from bootstrap.core.github_limits import is_limit, wait_seconds
from bootstrap.core.invite import SSH_KEY_TYPES
from bootstrap.errors import BootstrapError

if TYPE_CHECKING:
    from collections.abc import Callable
    from email.message import Message

_SECONDS = 15.0
_ATTEMPTS = 3
# A longer wait than this is for the user to decide on.
_MOST_WAIT_SECONDS = 30.0
_LOGIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,99}", re.ASCII)
_LOOPBACK = ("127.0.0.1", "localhost", "::1")
_OTHERWISE = "Or seal this invite to a code instead."


def public_keys(
    api_url: str,
    login: str,
    token: str | None,
    opener: urllib.request.OpenerDirector | None = None,
    *,
    sleep: Callable[[float], None] = time.sleep,
) -> list[str]:
    """Return the ssh keys of `login` that an invite can be sealed to, as lines such as `ssh-ed25519 AAAA…`.

    GET /users/{username}/keys: https://docs.github.com/rest/users/keys#list-public-keys-for-a-user. It needs no token;
    with one (None: without) GitHub answers more often in an hour. A server's error, or being told to wait for some
    seconds, is tried again, three times in all. Raises BootstrapError: nobody has that name, they have no key that can
    be used, GitHub refuses the token or any more requests, or it cannot be reached.
    """
    if not _LOGIN.fullmatch(login):
        raise BootstrapError(
            f"{login!a} cannot be anybody's name on GitHub.",
            hint="Correct it in the roster's `github` column: it is the last part of github.com/NAME.",
        )
    # Read from a file, it may end its line.
    token = (token or "").strip() or None
    url = f"{api_url.rstrip('/')}/users/{urllib.parse.quote(login, safe='')}/keys?per_page=100"
    lines = _lines(_get(url, login, token, opener or _opener(url), sleep), url)
    usable = [line for line in lines if line.partition(" ")[0] in SSH_KEY_TYPES]
    if usable:
        return usable
    kinds = sorted({line.partition(" ")[0] for line in lines})
    has = f"only ssh keys of other types ({', '.join(kinds)})" if kinds else "no ssh key"
    raise BootstrapError(
        f"{login} has {has} on GitHub; an invite is sealed to a key of type {' or '.join(SSH_KEY_TYPES)}.",
        hint=f"Ask them to add one at github.com/settings/keys. {_OTHERWISE}",
    )


def _opener(url: str) -> urllib.request.OpenerDirector:
    local = urllib.parse.urlsplit(url).hostname in _LOOPBACK
    return urllib.request.build_opener(urllib.request.ProxyHandler({} if local else None))


def _get(
    url: str, login: str, token: str | None, opener: urllib.request.OpenerDirector, sleep: Callable[[float], None]
) -> bytes:
    """Return the body of a good answer."""
    for left in reversed(range(_ATTEMPTS)):
        status, headers, body = _ask_once(url, token, opener)
        if status == 200:
            return body
        wait = wait_seconds(status, headers.get, _ATTEMPTS - left, time.time())
        if wait is None or wait > _MOST_WAIT_SECONDS or not left:
            break
        sleep(wait)
    raise _refused(url, login, token, status, headers)


def _ask_once(url: str, token: str | None, opener: urllib.request.OpenerDirector) -> tuple[int, Message, bytes]:
    headers = {
        "Accept": "application/vnd.github+json",
        "X-GitHub-Api-Version": "2022-11-28",
        # GitHub turns away whoever sends none.
        "User-Agent": "bootstrap",
    }
    try:
        request = urllib.request.Request(url, headers=headers)  # noqa: S310 - checked where bootstrap.toml is read
        if token:
            # Unredirected: wherever GitHub sends us on to, the token does not come along.
            request.add_unredirected_header("Authorization", f"Bearer {token}")
        with opener.open(request, timeout=_SECONDS) as answer:
            return answer.status, answer.headers, answer.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.headers, b""
    except ValueError:
        # Not shown: where the token is at fault, Python's own words have it in them.
        raise BootstrapError(
            f"GitHub at {_host(url)} cannot be asked: the address, or the token, has a sign in it that none has.",
            hint=f"Correct `api_url` in bootstrap.toml, or the token. {_OTHERWISE}",
        ) from None
    except (OSError, http.client.HTTPException) as error:
        raise BootstrapError(
            f"GitHub at {_host(url)} cannot be reached: {_reason(error)}.",
            hint=f"Check the network and `api_url` in bootstrap.toml, then run again. {_OTHERWISE}",
        ) from None


def _refused(url: str, login: str, token: str | None, status: int, headers: Message) -> BootstrapError:
    if status == 404:
        return BootstrapError(
            f"Nobody is called {login} on GitHub ({_host(url)}).",
            hint="Correct it in the roster's `github` column: it is the last part of github.com/NAME.",
        )
    wait = wait_seconds(status, headers.get, 0, time.time())
    if is_limit(status, headers.get, time.time()):
        when = f"in {max(1, round(wait / 60))} min" if wait is not None else "later"
        more = "" if token else " With a token it answers more often."
        return BootstrapError(
            f"GitHub at {_host(url)} answers no more requests for now.", hint=f"Run again {when}.{more} {_OTHERWISE}"
        )
    if status in (401, 403):
        return BootstrapError(
            f"GitHub at {_host(url)} refuses the {'token' if token else 'request'} (HTTP {status}).",
            hint=f"Renew the token, or run again without one: the keys are public. {_OTHERWISE}"
            if token
            else f"Run again with a token. {_OTHERWISE}",
        )
    return BootstrapError(
        f"GitHub at {_host(url)} did not say which keys {login} has (HTTP {status}).",
        hint=f"Run again later. {_OTHERWISE}",
    )


def _lines(body: bytes, url: str) -> list[str]:
    """Return the keys of an answer, each as its type and its data."""
    try:
        content: Any = json.loads(body)
        lines = [" ".join(entry["key"].split()[:2]) for entry in content]
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        lines = [""]
    # A type that is shown to the user holds nothing that a terminal would obey.
    if not all(re.fullmatch(r"[A-Za-z0-9@.-]{1,64} [A-Za-z0-9+/=]+", line, re.ASCII) for line in lines):
        raise BootstrapError(
            f"What {_host(url)} answered is not GitHub's list of keys.",
            hint=f"Check `api_url` in bootstrap.toml. {_OTHERWISE}",
        )
    return lines


def _host(url: str) -> str:
    return urllib.parse.urlsplit(url).netloc or url


def _reason(error: Exception) -> str:
    reason = getattr(error, "reason", None)
    return str(reason or error or type(error).__name__)
