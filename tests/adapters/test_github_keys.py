"""A person's ssh keys, from a server on loopback that stands in for GitHub, which no test can reach.

What it answers is written after GitHub's own description of GET /users/{username}/keys
(https://docs.github.com/rest/users/keys#list-public-keys-for-a-user) and of its rate limits
(https://docs.github.com/rest/using-the-rest-api/rate-limits-for-the-rest-api).
"""

from __future__ import annotations

import http.server
import json
import threading
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field
from email.message import Message
from typing import ClassVar

import pytest

from bootstrap.adapters.github_keys import public_keys
from bootstrap.errors import BootstrapError
from tests.ports import some_port

ED25519 = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHexampleexampleexampleexampleexampleexa"
RSA = "ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAABgQDexample+/=="
ECDSA = "ecdsa-sha2-nistp256 AAAAE2VjZHNhLXNoYTItbmlzdHAyNTY="
FIDO = "sk-ssh-ed25519@openssh.com AAAAGnNrLXNzaC1lZDI1NTE5QG9wZW5zc2guY29t"
TOKEN = "ghp_exampleexampleexampleexampleexample"
PATH = "/users/ana/keys?per_page=100"


def listed(*keys: str) -> bytes:
    return json.dumps([{"id": number, "key": key} for number, key in enumerate(keys, 1)]).encode()


@dataclass
class Answer:
    status: int = 200
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    cut_off: bool = False


@dataclass
class GitHub:
    """A server that answers in turn what it was told to, the last one for ever. `asked`: what it was asked."""

    url: str
    answers: list[Answer] = field(default_factory=list)
    asked: list[tuple[str, Message]] = field(default_factory=list)
    slept: list[float] = field(default_factory=list)

    def keys(self, login: str = "ana", token: str | None = None) -> list[str]:
        return public_keys(self.url, login, token, sleep=self.slept.append)

    def refusal(self, login: str = "ana", token: str | None = TOKEN) -> BootstrapError:
        with pytest.raises(BootstrapError) as caught:
            self.keys(login, token)
        shown = f"{caught.value.message} {caught.value.hint} {caught.value!r} {caught.value.__cause__!r}"
        assert TOKEN not in shown
        assert shown.isprintable()
        assert "instead" in caught.value.hint or "roster" in caught.value.hint
        return caught.value


@pytest.fixture
def github(monkeypatch: pytest.MonkeyPatch) -> Iterator[GitHub]:
    # A proxy of the user's has no business between two programs on one machine; this one would answer nothing.
    for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")

    class Handler(http.server.BaseHTTPRequestHandler):
        found: ClassVar[GitHub]

        def do_GET(self) -> None:
            self.found.asked.append((self.path, self.headers))
            answer = self.found.answers.pop(0) if len(self.found.answers) > 1 else self.found.answers[0]
            self.send_response(answer.status)
            for name, value in answer.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(answer.body) + (10 if answer.cut_off else 0)))
            self.end_headers()
            self.wfile.write(answer.body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - http.server's own name
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        Handler.found = GitHub(f"http://127.0.0.1:{server.server_address[1]}")
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield Handler.found
        server.shutdown()
        thread.join()


def test_the_keys_that_can_be_sealed_to(github: GitHub) -> None:
    github.answers = [Answer(body=listed(ECDSA, ED25519, FIDO, f"{RSA} ana@laptop"))]
    assert github.keys() == [ED25519, RSA]
    ((path, headers),) = github.asked
    assert path == PATH
    assert headers["Accept"] == "application/vnd.github+json"
    assert headers["User-Agent"]
    assert "Authorization" not in headers
    assert github.keys(token="\n") == [ED25519, RSA]
    assert "Authorization" not in github.asked[-1][1]


@pytest.mark.parametrize("slash", ["", "/", "/api/v3", "/api/v3/"])
def test_the_address_may_be_that_of_an_enterprise(github: GitHub, slash: str) -> None:
    github.answers = [Answer(body=listed(RSA))]
    github.url += slash
    assert github.keys("ana_corp") == [RSA]
    assert github.asked[0][0] == f"{slash.rstrip('/')}/users/ana_corp/keys?per_page=100"


def test_the_token_is_in_one_header_and_nowhere_else(github: GitHub) -> None:
    github.answers = [Answer(body=listed(RSA))]
    assert github.keys(token=TOKEN) == [RSA]
    ((path, headers),) = github.asked
    assert [name for name, value in headers.items() if TOKEN in value] == ["Authorization"]
    assert headers["Authorization"] == f"Bearer {TOKEN}"
    assert TOKEN not in path


@pytest.mark.parametrize("token", [f"{TOKEN}\n", f" {TOKEN}\r\n"])
def test_a_token_read_from_a_file_may_end_its_line(github: GitHub, token: str) -> None:
    github.answers = [Answer(body=listed(RSA))]
    assert github.keys(token=token) == [RSA]
    assert github.asked[0][1]["Authorization"] == f"Bearer {TOKEN}"


@pytest.mark.parametrize("token", [f"{TOKEN}\n{TOKEN}", f"{TOKEN}\u2026"])
def test_a_token_that_is_none_is_not_shown(github: GitHub, token: str) -> None:
    github.answers = [Answer(body=listed(RSA))]
    assert "the token, has a sign in it" in github.refusal(token=token).message


def test_an_address_that_is_none() -> None:
    with pytest.raises(BootstrapError, match="the address, or the token"):
        public_keys("nonsense", "ana", None)


def test_the_token_does_not_go_to_another_server(github: GitHub) -> None:
    elsewhere = github.url.replace("127.0.0.1", "localhost")
    github.answers = [Answer(302, headers={"Location": f"{elsewhere}{PATH}"}), Answer(body=listed(RSA))]
    assert github.keys(token=TOKEN) == [RSA]
    assert [("Authorization" in headers) for _, headers in github.asked] == [True, False]


def test_another_way_to_open_an_address_may_be_given(github: GitHub) -> None:
    class Counting(urllib.request.BaseHandler):
        seen: ClassVar[list[str]] = []

        def http_request(self, request: urllib.request.Request) -> urllib.request.Request:
            self.seen.append(request.full_url)
            return request

    github.answers = [Answer(body=listed(RSA))]
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), Counting())
    assert public_keys(github.url, "ana", None, opener) == [RSA]
    assert Counting.seen == [github.url + PATH]


NO_KEYS = {
    "none at all": ([], "ana has no ssh key on GitHub; an invite is sealed to a key of type ssh-ed25519 or ssh-rsa."),
    "others": (
        [FIDO, ECDSA, ECDSA],
        "ana has only ssh keys of other types (ecdsa-sha2-nistp256, sk-ssh-ed25519@openssh.com) on GitHub; an invite is"
        " sealed to a key of type ssh-ed25519 or ssh-rsa.",
    ),
}


@pytest.mark.parametrize(("keys", "message"), NO_KEYS.values(), ids=NO_KEYS.keys())
def test_somebody_without_a_key_we_can_use(github: GitHub, keys: list[str], message: str) -> None:
    github.answers = [Answer(body=listed(*keys))]
    error = github.refusal()
    assert error.message == message
    assert "github.com/settings/keys" in error.hint
    assert "code" in error.hint


@pytest.mark.parametrize(
    "login", ["", "@ana", "ana/keys", "../ana", "ana souza", "-ana", "ana\n", "ana?x", "añá", "a" * 101]
)
def test_a_name_that_nobody_can_have_is_not_asked_for(github: GitHub, login: str) -> None:
    github.answers = [Answer(body=listed(RSA))]
    assert "cannot be anybody's name on GitHub" in github.refusal(login).message
    assert github.asked == []


def test_nobody_has_that_name(github: GitHub) -> None:
    github.answers = [Answer(404, b'{"message": "Not Found"}')]
    error = github.refusal()
    assert error.message == f"Nobody is called ana on GitHub ({github.url.removeprefix('http://')})."
    assert "`github` column" in error.hint
    assert len(github.asked) == 1


@pytest.mark.parametrize(
    ("before", "waits"),
    [
        ([Answer(500)], [1.0]),
        ([Answer(502), Answer(503)], [1.0, 2.0]),
        ([Answer(503, headers={"Retry-After": "7"})], [7.0]),
        ([Answer(429, headers={"Retry-After": "3"})], [3.0]),
        ([Answer(403, headers={"Retry-After": "30"})], [30.0]),
    ],
)
def test_what_passes_is_waited_for(github: GitHub, before: list[Answer], waits: list[float]) -> None:
    github.answers = [*before, Answer(body=listed(RSA))]
    assert github.keys() == [RSA]
    assert github.slept == waits


def test_the_hour_begins_anew_in_a_few_seconds(github: GitHub) -> None:
    headers = {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": str(int(time.time()) + 5)}
    github.answers = [Answer(403, headers=headers), Answer(body=listed(RSA))]
    assert github.keys() == [RSA]
    assert len(github.slept) == 1
    assert 1 <= github.slept[0] <= 6


def test_a_server_that_stays_down_is_not_asked_for_ever(github: GitHub) -> None:
    github.answers = [Answer(503)]
    assert "did not say which keys ana has (HTTP 503)" in github.refusal().message
    assert len(github.asked) == 3
    assert github.slept == [1.0, 2.0]


LIMITS = {
    "the hour is used up": (
        403,
        lambda: {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": str(int(time.time()) + 1500)},
        "Run again in 25 min.",
    ),
    "told to wait long": (429, lambda: {"Retry-After": "600"}, "Run again in 10 min."),
    "told no time": (429, dict, "Run again later."),
    "told no number": (429, lambda: {"Retry-After": "Wed, 21 Oct 2026 07:28:00 GMT"}, "Run again later."),
}


@pytest.mark.parametrize(("status", "headers", "hint"), LIMITS.values(), ids=LIMITS.keys())
def test_too_many_requests(github: GitHub, status: int, headers: type[dict[str, str]], hint: str) -> None:
    github.answers = [Answer(status, headers=headers())]
    error = github.refusal()
    assert "answers no more requests for now" in error.message
    assert error.hint.startswith(hint)
    assert "With a token" not in error.hint
    assert github.slept == []
    assert "With a token" in github.refusal(token=None).hint


def test_waiting_ends_even_if_told_to_wait_again_and_again(github: GitHub) -> None:
    github.answers = [Answer(429, headers={"Retry-After": "20"})]
    assert "answers no more requests for now" in github.refusal().message
    assert github.slept == [20.0, 20.0]


REFUSED = {
    "a bad token": (401, TOKEN, "refuses the token (HTTP 401)", "Renew the token"),
    "a token without single sign-on": (403, TOKEN, "refuses the token (HTTP 403)", "Renew the token"),
    "no token where one is needed": (401, None, "refuses the request (HTTP 401)", "Run again with a token"),
    "an answer that is none of these": (418, None, "did not say which keys ana has (HTTP 418)", "Run again later"),
}


@pytest.mark.parametrize(("status", "token", "message", "hint"), REFUSED.values(), ids=REFUSED.keys())
def test_refused(github: GitHub, status: int, token: str | None, message: str, hint: str) -> None:
    github.answers = [Answer(status, b'{"message": "Bad credentials"}')]
    error = github.refusal(token=token)
    assert message in error.message
    assert error.hint.startswith(hint)
    assert len(github.asked) == 1


OTHER_ANSWERS = {
    "a page": b"<html>Sign in to the network</html>",
    "nothing": b"",
    "an object": b'{"message": "x"}',
    "a list of something else": b'[{"id": 1}]',
    "a list of words": b'["ssh-rsa AAAA"]',
    "keys that are no text": b'[{"key": 5}]',
    "a key without data": b'[{"key": "ssh-rsa"}]',
    "signs that a terminal obeys": json.dumps([{"key": "\x1b[2J AAAA"}]).encode(),
    "bytes that are no text": b"\xff\xff",
    "deeper than anybody writes": b"[" * 100_000,
}


@pytest.mark.parametrize("body", OTHER_ANSWERS.values(), ids=OTHER_ANSWERS.keys())
def test_an_answer_that_is_not_github_s(github: GitHub, body: bytes) -> None:
    github.answers = [Answer(body=body)]
    error = github.refusal()
    assert "is not GitHub's list of keys" in error.message
    assert "`api_url` in bootstrap.toml" in error.hint


def test_an_answer_that_breaks_off(github: GitHub) -> None:
    github.answers = [Answer(body=listed(RSA), cut_off=True)]
    assert "cannot be reached" in github.refusal().message


@pytest.mark.parametrize("scheme", ["http://127.0.0.1:{port}", "http://", "unknown://host"])
def test_nobody_answers(scheme: str) -> None:
    url = scheme.format(port=some_port())
    with pytest.raises(BootstrapError, match="cannot be reached") as caught:
        public_keys(url, "ana", TOKEN)
    assert "Check the network" in caught.value.hint
    assert TOKEN not in f"{caught.value.message} {caught.value.hint}"
