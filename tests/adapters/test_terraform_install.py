"""Terraform is found, or fetched from a server on loopback and checked."""

from __future__ import annotations

import hashlib
import http
import http.server
import io
import os
import socket
import ssl
import stat
import threading
import time
import zipfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from pathlib import Path
from types import SimpleNamespace
from typing import ClassVar

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from bootstrap.adapters import terraform_install
from bootstrap.adapters.terraform_install import (
    PINNED,
    SHA256,
    Found,
    find_terraform,
    look_for_terraform,
    terraform_version,
)
from bootstrap.errors import BootstrapError, ToolMissing
from tests.ports import some_port

TAG = "linux_amd64"
PATH = f"/{PINNED}/terraform_{PINNED}_{TAG}.zip"

pytestmark = pytest.mark.skipif(os.name == "nt", reason="the stand-ins for Terraform are shell scripts")


def terraform(path: Path, says: str = "Terraform v1.12.3\\non linux_amd64") -> Path:
    """Write a stand-in for Terraform that answers `version`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f'#!/bin/sh\n[ "$1" = version ] && [ "$CHECKPOINT_DISABLE" = 1 ] && printf \'{says}\\n\'\n')
    path.chmod(0o755)
    return path


@dataclass
class Releases:
    """A server of releases. `answers` maps paths to what it gives; `asked` is what was asked for, `ranges` from where.

    Of the coming requests, each takes one of `troubles`: a status to answer with, or how many bytes to send before the
    connection is dropped. `goes_on`: whether it sends the rest of what was begun, or begins anew.
    """

    url: str
    answers: dict[str, bytes] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    ranges: list[str | None] = field(default_factory=list)
    troubles: list[http.HTTPStatus | int] = field(default_factory=list)
    goes_on: bool = True
    may_answer: threading.Event = field(default_factory=threading.Event)


def serve(server: http.server.HTTPServer) -> threading.Thread:
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    return thread


@pytest.fixture(autouse=True)
def no_proxy_of_the_developer_s(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.fixture
def releases(monkeypatch: pytest.MonkeyPatch) -> Iterator[Releases]:
    monkeypatch.setattr(terraform_install, "_PAUSES", (0.0, 0.0))

    class Handler(http.server.BaseHTTPRequestHandler):
        found: ClassVar[Releases]

        def do_GET(self) -> None:
            self.found.asked.append(self.path)
            self.found.ranges.append(self.headers["Range"])
            assert self.found.may_answer.wait(30)
            body = self.found.answers.get(self.path)
            trouble = self.found.troubles.pop(0) if self.found.troubles else None
            if body is None or isinstance(trouble, http.HTTPStatus):
                self.send_error(http.HTTPStatus.NOT_FOUND if trouble is None else trouble)
                return
            begin = int(self.headers["Range"][6:-1]) if self.headers["Range"] and self.found.goes_on else 0
            self.send_response(206 if begin else 200)
            if begin:
                self.send_header("Content-Range", f"bytes {begin}-{len(body) - 1}/{len(body)}")
            self.send_header("Content-Length", str(len(body) - begin))
            self.end_headers()
            self.wfile.write(body[begin : None if trouble is None else begin + trouble])

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - http.server's own name
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        Handler.found = Releases(f"http://127.0.0.1:{server.server_address[1]}")
        Handler.found.may_answer.set()
        thread = serve(server)
        yield Handler.found
        Handler.found.may_answer.set()
        server.shutdown()
        thread.join()


@pytest.fixture
def release(releases: Releases, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Releases:
    """A server that has the pinned release, and the pinned hash is the one of what it gives."""
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("LICENSE.txt", "words")
        file.writestr("terraform", terraform(tmp_path / "made" / "terraform").read_bytes())
    releases.answers[PATH] = archive.getvalue()
    monkeypatch.setitem(SHA256, TAG, hashlib.sha256(archive.getvalue()).hexdigest())
    return releases


def environ(**more: str) -> dict[str, str]:
    return {"PATH": "/nowhere", **more}


@dataclass
class Told:
    """Takes what is said before, and while, something is fetched."""

    before: list[str] = field(default_factory=list)
    steps: list[str] = field(default_factory=list)
    details: list[str] = field(default_factory=list)

    @contextmanager
    def step(self, text: str) -> Iterator[Told]:
        self.steps.append(text)
        yield self

    def detail(self, text: str) -> None:
        self.details.append(text)


def find(cache: Path, told: Told | None = None, /, tag: str = TAG, **variables: str) -> Path:
    told = told or Told()
    return find_terraform(environ(**variables), cache, tag, told.before.append, told.step)


def files_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.rglob("*") if path.is_file())


def test_the_one_that_was_named_comes_first(tmp_path: Path) -> None:
    named, on_path = terraform(tmp_path / "mine" / "tf-1.12"), terraform(tmp_path / "bin" / "terraform")
    told = Told()
    assert find(tmp_path, told, BOOTSTRAP_TERRAFORM=str(named), PATH=str(on_path.parent)) == named
    assert find(tmp_path, told, PATH=str(on_path.parent)) == on_path
    assert find(tmp_path, told, BOOTSTRAP_TERRAFORM="", PATH=str(on_path.parent)) == on_path
    assert told == Told()


def test_a_name_may_begin_at_home(home: Path, tmp_path: Path) -> None:
    named = terraform(home / "tools" / "terraform")
    assert find(tmp_path, BOOTSTRAP_TERRAFORM="~/tools/terraform") == named


def test_what_was_named_is_not_silently_replaced(tmp_path: Path) -> None:
    on_path = terraform(tmp_path / "bin" / "terraform")
    with pytest.raises(ToolMissing, match=r"BOOTSTRAP_TERRAFORM is /no/terraform, but there is no such") as caught:
        find(tmp_path, BOOTSTRAP_TERRAFORM="/no/terraform", PATH=str(on_path.parent))
    assert "point BOOTSTRAP_TERRAFORM at" in caught.value.hint


def test_a_folder_is_no_program(tmp_path: Path) -> None:
    with pytest.raises(ToolMissing, match="there is no such program"):
        find(tmp_path, BOOTSTRAP_TERRAFORM=str(tmp_path))


def test_a_file_that_cannot_be_run(tmp_path: Path) -> None:
    named = terraform(tmp_path / "terraform")
    named.chmod(0o644)
    with pytest.raises(ToolMissing, match="cannot be run"):
        find(tmp_path, BOOTSTRAP_TERRAFORM=str(named))


VERSIONS = {
    "older": ("Terraform v1.5.7", "Terraform 1.5.7 at {path} is too old; this needs 1.11.0 or later."),
    "just too old": ("Terraform v1.10.99", "Terraform 1.10.99 at {path} is too old; this needs 1.11.0 or later."),
    "the least": ("Terraform v1.11.0", None),
    "two digits beat one": ("Terraform v1.100.0", None),
    "the next": ("Terraform v2.0.0", None),
    "told to upgrade": ("Terraform v1.12.0\\n\\nYour version is out of date! The latest is 1.99.0", None),
    "a beta": ("Terraform v1.13.0-beta1", None),
    "another program": ("Hello", "{path} does not answer like Terraform."),
    "silence": ("", "{path} does not answer like Terraform."),
}


@pytest.mark.parametrize(("says", "problem"), VERSIONS.values(), ids=VERSIONS.keys())
def test_only_a_named_one_that_is_new_enough(says: str, problem: str | None, tmp_path: Path) -> None:
    path = terraform(tmp_path / "bin" / "terraform", says)
    if problem is None:
        assert find(tmp_path, BOOTSTRAP_TERRAFORM=str(path)) == path
        return
    with pytest.raises(ToolMissing) as caught:
        find(tmp_path, BOOTSTRAP_TERRAFORM=str(path))
    assert caught.value.message == problem.format(path=path)
    assert "BOOTSTRAP_TERRAFORM" in caught.value.hint


@pytest.mark.parametrize(("says", "problem"), VERSIONS.values(), ids=VERSIONS.keys())
def test_one_on_path_that_is_too_old_stays_and_another_is_fetched(
    says: str, problem: str | None, release: Releases, tmp_path: Path
) -> None:
    path = terraform(tmp_path / "bin" / "terraform", says)
    before, told, cache = path.read_bytes(), Told(), tmp_path / "cache"
    variables = {"PATH": str(path.parent), "BOOTSTRAP_TERRAFORM_RELEASES": release.url}
    if problem is None:
        assert find(cache, None, **variables) == path
    elif "too old" in problem:
        found = find(cache, told, **variables)
        assert found == cache / "terraform" / PINNED / "terraform"
        assert told.before[0].startswith(f"{problem.format(path=path).removesuffix('.')}; fetching {PINNED} into")
        assert find(cache, None, **variables) == found
    else:
        with pytest.raises(ToolMissing) as caught:
            find(cache, None, **variables)
        assert caught.value.message == problem.format(path=path)
    assert path.read_bytes() == before
    assert len(release.asked) == ("too old" in (problem or ""))


def test_a_look_around_asks_no_network(tmp_path: Path) -> None:
    assert look_for_terraform(environ(), tmp_path, TAG) == Found(None, "Terraform is not on this machine")
    old = terraform(tmp_path / "bin" / "terraform", "Terraform v1.5.7")
    found = look_for_terraform(environ(PATH=str(old.parent)), tmp_path, TAG)
    assert found == Found(None, f"Terraform 1.5.7 at {old} is too old; this needs 1.11.0 or later")
    cached = terraform(tmp_path / "terraform" / PINNED / "terraform")
    assert look_for_terraform(environ(PATH=str(old.parent)), tmp_path, TAG) == Found(cached)


def test_a_version_as_numbers(tmp_path: Path) -> None:
    assert terraform_version(terraform(tmp_path / "terraform", "Terraform v1.11.4"), environ()) == (1, 11, 4)


def test_a_release_is_fetched_once(release: Releases, tmp_path: Path) -> None:
    cache, told = tmp_path / "cache", Told()
    variables = {"BOOTSTRAP_TERRAFORM_RELEASES": release.url}
    found = find(cache, told, **variables)
    assert found == cache / "terraform" / PINNED / "terraform"
    assert terraform_version(found, environ()) == (1, 12, 3)
    assert stat.S_IMODE(found.stat().st_mode) == 0o755
    [before] = told.before
    assert before.startswith(f"Terraform is not on this machine; fetching {PINNED} into {found.parent} (about 30 MB)")
    assert told.steps == [f"Fetching Terraform {PINNED}"]
    assert find(cache, told, **variables) == found
    assert release.asked == [PATH]
    assert len(told.before) == 1
    assert files_in(cache) == ["terraform"]


def test_how_far_it_is_with_rate_and_time_left(
    release: Releases, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seconds = iter(range(1000))
    monkeypatch.setattr(terraform_install, "_CHUNK", 100)
    monkeypatch.setattr(terraform_install, "time", SimpleNamespace(monotonic=lambda: next(seconds)))
    told = Told()
    find(tmp_path / "cache", told, BOOTSTRAP_TERRAFORM_RELEASES=release.url)
    size = len(release.answers[PATH])
    assert told.details[0] == f"100 bytes of {size} bytes, 100 bytes/s, {(size - 100) / 100:.0f} s left"
    assert told.details[-1].startswith(f"{size} bytes of {size} bytes, ")
    assert told.details[-1].endswith(" 0 s left")


def test_a_connection_that_drops_is_gone_on_with_from_there(release: Releases, tmp_path: Path) -> None:
    release.troubles = [100, 50]
    told = Told()
    found = find(tmp_path / "cache", told, BOOTSTRAP_TERRAFORM_RELEASES=release.url)
    assert terraform_version(found, environ()) == (1, 12, 3)
    assert release.ranges == [None, "bytes=100-", "bytes=150-"]
    assert [detail for detail in told.details if detail.endswith("trying again")] == [
        f"broke off after {count} bytes ({len(release.answers[PATH])} bytes were promised); trying again"
        for count in (100, 150)
    ]


def test_a_server_that_cannot_go_on_begins_anew(release: Releases, tmp_path: Path) -> None:
    release.troubles, release.goes_on = [100], False
    assert terraform_version(find(tmp_path, BOOTSTRAP_TERRAFORM_RELEASES=release.url), environ()) == (1, 12, 3)
    assert release.ranges == [None, "bytes=100-"]


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
def test_a_server_that_is_busy_is_asked_again(status: int, release: Releases, tmp_path: Path) -> None:
    release.troubles = [http.HTTPStatus(status)]
    assert terraform_version(find(tmp_path, BOOTSTRAP_TERRAFORM_RELEASES=release.url), environ()) == (1, 12, 3)
    assert release.asked == [PATH, PATH]


def test_two_that_fetch_at_once_fetch_once(release: Releases, tmp_path: Path) -> None:
    release.may_answer.clear()
    with ThreadPoolExecutor(2) as pool:
        both = [Told(), Told()]
        variables = {"BOOTSTRAP_TERRAFORM_RELEASES": release.url}
        running = [pool.submit(find, tmp_path / "cache", told, **variables) for told in both]
        deadline = time.monotonic() + 30
        while not all(told.steps for told in both):  # both have seen that there is none
            assert time.monotonic() < deadline
            time.sleep(0.01)
        release.may_answer.set()
        assert {future.result() for future in running} == {tmp_path / "cache" / "terraform" / PINNED / "terraform"}
    assert release.asked == [PATH]
    assert files_in(tmp_path / "cache") == ["terraform"]


def test_ctrl_c_leaves_no_half_file(release: Releases, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    cache, variables = tmp_path / "cache", {"BOOTSTRAP_TERRAFORM_RELEASES": release.url}
    with monkeypatch.context() as patch:
        patch.setattr(terraform_install, "_SHOWN_EVERY_SECONDS", 0.0)
        told = Told()
        patch.setattr(told, "detail", interrupted)
        with pytest.raises(KeyboardInterrupt):
            find(cache, told, **variables)
    assert files_in(cache) == []
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", interrupted)  # the file is written, and not yet in its place
        with pytest.raises(KeyboardInterrupt):
            find(cache, **variables)
    assert files_in(cache) == []
    assert terraform_version(find(cache, **variables), environ()) == (1, 12, 3)


def test_what_a_killed_run_left_is_written_anew(release: Releases, tmp_path: Path) -> None:
    part = tmp_path / "cache" / "terraform" / PINNED / "terraform.part"
    part.parent.mkdir(parents=True)
    part.write_bytes(b"#!/bin/sh\nexit 1\n" * 1000)
    found = find(tmp_path / "cache", BOOTSTRAP_TERRAFORM_RELEASES=release.url)
    assert terraform_version(found, environ()) == (1, 12, 3)
    assert files_in(tmp_path / "cache") == ["terraform"]


def test_a_release_with_the_wrong_hash_is_thrown_away(release: Releases, tmp_path: Path) -> None:
    release.answers[PATH] += b"a byte more"
    digest = hashlib.sha256(release.answers[PATH]).hexdigest()
    with pytest.raises(ToolMissing) as caught:
        find(tmp_path / "cache", BOOTSTRAP_TERRAFORM_RELEASES=release.url)
    for part in (release.url + PATH, digest, SHA256[TAG], "It was thrown away"):
        assert part in caught.value.message
    assert "another network" in caught.value.hint
    assert files_in(tmp_path / "cache") == []


def test_what_is_pinned_is_no_placeholder() -> None:
    assert {len(bytes.fromhex(digest)) for digest in SHA256.values()} == {32}
    assert len(set(SHA256.values())) == len(SHA256)


UNREACHABLE = "Terraform is not on this machine, and {url} "


def refused(cache: Path, url: str) -> ToolMissing:
    with pytest.raises(ToolMissing) as caught:
        find(cache, BOOTSTRAP_TERRAFORM_RELEASES=url)
    assert files_in(cache) == []
    for way_out in ("HTTPS_PROXY", f"Install Terraform {PINNED} or later yourself", "point BOOTSTRAP_TERRAFORM at"):
        assert way_out in caught.value.hint
    return caught.value


def test_nobody_answers(tmp_path: Path) -> None:
    url = f"http://127.0.0.1:{some_port()}"
    message = refused(tmp_path / "cache", url).message
    assert message.startswith(UNREACHABLE.format(url=url + PATH) + "cannot be reached (")
    assert "refused" in message


def test_a_name_that_nobody_knows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The answer is the one of a machine without a network; no test asks a name server."""

    def unknown(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    message = refused(tmp_path / "cache", "http://releases.invalid").message
    assert message.startswith(UNREACHABLE.format(url=f"http://releases.invalid{PATH}") + "cannot be reached (")
    assert message.endswith("Name or service not known).")


def test_a_server_without_this_release(releases: Releases, tmp_path: Path) -> None:
    message = refused(tmp_path / "cache", releases.url).message
    assert message == UNREACHABLE.format(url=releases.url + PATH) + "answered 404 Not Found."
    assert len(releases.asked) == 1


def test_a_server_that_stays_busy(release: Releases, tmp_path: Path) -> None:
    release.troubles = [http.HTTPStatus.INTERNAL_SERVER_ERROR] * 9
    message = refused(tmp_path / "cache", release.url).message
    assert message == UNREACHABLE.format(url=release.url + PATH) + "answered 500 Internal Server Error."
    assert len(release.asked) == 3


def test_a_download_that_breaks_off_again_and_again(release: Releases, tmp_path: Path) -> None:
    release.troubles = [10] * 9
    message = refused(tmp_path / "cache", release.url).message
    size = len(release.answers[PATH])
    why = f"broke off after 30 bytes ({size} bytes were promised)."
    assert message == UNREACHABLE.format(url=release.url + PATH) + why


def test_a_server_that_hangs_up_at_once(release: Releases, tmp_path: Path) -> None:
    release.troubles = [0] * 9
    assert "broke off after 0 bytes (" in refused(tmp_path / "cache", release.url).message


def test_a_server_that_falls_silent(release: Releases, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(terraform_install, "_SILENCE_SECONDS", 0.05)
    release.may_answer.clear()
    assert "timed out" in refused(tmp_path / "cache", release.url).message


@pytest.mark.parametrize("address", ["releases.example", "http://", "http://127.0.0.1:port", "http://[::1"])
def test_an_address_that_is_none(address: str, tmp_path: Path) -> None:
    assert "cannot be reached (" in refused(tmp_path / "cache", address).message


def test_a_login_in_the_address_is_not_repeated(tmp_path: Path) -> None:
    with pytest.raises(ToolMissing, match="BOOTSTRAP_TERRAFORM_RELEASES has a login in it") as caught:
        find(tmp_path, BOOTSTRAP_TERRAFORM_RELEASES="https://ana:geheim@releases.example/tf")
    assert "geheim" not in caught.value.message + caught.value.hint


def test_a_machine_nothing_is_pinned_for(releases: Releases, tmp_path: Path) -> None:
    with pytest.raises(ToolMissing, match="not on this machine, and there is no pinned one for plan9_mips") as caught:
        find(tmp_path, tag="plan9_mips", BOOTSTRAP_TERRAFORM_RELEASES=releases.url)
    assert "Install Terraform" in caught.value.hint
    assert releases.asked == []


def test_a_cache_that_cannot_be_written_is_told_before_anything_is_fetched(release: Releases, tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("a file where a folder should be")
    with pytest.raises(BootstrapError, match="cannot be written: ") as caught:
        find(tmp_path / "cache", BOOTSTRAP_TERRAFORM_RELEASES=release.url)
    assert "BOOTSTRAP_TERRAFORM" in caught.value.hint
    assert release.asked == []


def test_a_disk_that_is_full(release: Releases, tmp_path: Path) -> None:
    """The system itself refuses to write on, as it does where no space is left."""
    import resource
    import signal

    limit = resource.RLIMIT_FSIZE
    soft, hard = resource.getrlimit(limit)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(limit, (16, hard))
    try:
        with pytest.raises(BootstrapError, match="terraform cannot be written: File too large") as caught:
            find(tmp_path / "cache", BOOTSTRAP_TERRAFORM_RELEASES=release.url)
    finally:
        resource.setrlimit(limit, (soft, hard))
        signal.signal(signal.SIGXFSZ, handler)
    assert "BOOTSTRAP_TERRAFORM" in caught.value.hint
    assert files_in(tmp_path / "cache") == []


def test_the_network_is_hashicorps_own_unless_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def download(url: str, *_: object) -> bytes:
        asked.append(url)
        raise ToolMissing("no network in a test")

    monkeypatch.setattr(terraform_install, "_download", download)
    with pytest.raises(ToolMissing):
        find(tmp_path)
    assert asked == [f"https://releases.hashicorp.com/terraform{PATH}"]


# --- behind a school's proxy ---


@pytest.fixture
def proxy(release: Releases, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """A proxy that takes every tunnel to a server of its own; what it was asked for is the list.

    That server shows a certificate for releases.example of an authority that SSL_CERT_FILE names, as schools have
    them whose proxies look inside.
    """
    asked: list[str] = []
    certificate, key = certify("releases.example", tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_CONNECT(self) -> None:
            asked.append(self.path)
            self.send_response(200)
            self.end_headers()
            # Whoever trusts no such certificate hangs up.
            with suppress(ssl.SSLError, OSError), context.wrap_socket(self.connection, server_side=True) as inside:
                path = inside.recv(4096).split(b" ")[1].decode()
                body = release.answers[path]
                inside.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - http.server's own name
            pass

        def finish(self) -> None:
            """Leave the connection alone: what was inside of it is closed."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = serve(server)
        monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{server.server_address[1]}")
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
        yield asked
        server.shutdown()
        thread.join()


def certify(host: str, folder: Path) -> tuple[Path, Path]:
    """Write a certificate that vouches for itself, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, host)])
    now = datetime.now(timezone.utc)
    built = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(host)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    files = folder / "certificate.pem", folder / "key.pem"
    files[0].write_bytes(built.public_bytes(Encoding.PEM))
    files[1].write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return files


def test_https_goes_through_the_proxy_that_the_user_names(proxy: list[str], tmp_path: Path) -> None:
    found = find(tmp_path / "cache", BOOTSTRAP_TERRAFORM_RELEASES="https://releases.example")
    assert terraform_version(found, environ()) == (1, 12, 3)
    assert proxy == ["releases.example:443"]


def test_a_certificate_that_nobody_vouches_for(
    proxy: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SSL_CERT_FILE")
    message = refused(tmp_path / "cache", "https://releases.example").message
    assert "certificate verify failed" in message
    assert proxy == ["releases.example:443"]
