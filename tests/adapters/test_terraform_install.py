"""Terraform is found, or fetched from a server on loopback and checked."""

from __future__ import annotations

import hashlib
import http.server
import io
import os
import stat
import threading
import urllib.error
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

import pytest

from bootstrap.adapters import terraform_install
from bootstrap.adapters.terraform_install import PINNED, SHA256, find_terraform, terraform_version
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
    """A server of releases. `answers` maps paths to what it gives; `asked` is what was asked for."""

    url: str
    answers: dict[str, bytes] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    cut_off: bool = False


@pytest.fixture
def releases(monkeypatch: pytest.MonkeyPatch) -> Iterator[Releases]:
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.setenv(name, "127.0.0.1")

    class Handler(http.server.BaseHTTPRequestHandler):
        found: ClassVar[Releases]

        def do_GET(self) -> None:
            self.found.asked.append(self.path)
            body = self.found.answers.get(self.path)
            self.send_response(200 if body is not None else 404)
            self.send_header("Content-Length", str(len(body or b"") + (10 if self.found.cut_off else 0)))
            self.end_headers()
            self.wfile.write(body or b"")

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - http.server's own name
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        Handler.found = Releases(f"http://127.0.0.1:{server.server_address[1]}")
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield Handler.found
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


def find(cache: Path, said: list[str] | None = None, /, tag: str = TAG, **variables: str) -> Path:
    return find_terraform(environ(**variables), cache, tag, (said if said is not None else []).append)


def files_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.rglob("*") if path.is_file())


def test_the_one_that_was_named_comes_first(tmp_path: Path) -> None:
    named, on_path = terraform(tmp_path / "mine" / "tf-1.12"), terraform(tmp_path / "bin" / "terraform")
    said: list[str] = []
    assert find(tmp_path, said, BOOTSTRAP_TERRAFORM=str(named), PATH=str(on_path.parent)) == named
    assert find(tmp_path, said, PATH=str(on_path.parent)) == on_path
    assert find(tmp_path, said, BOOTSTRAP_TERRAFORM="", PATH=str(on_path.parent)) == on_path
    assert said == []


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


@pytest.mark.parametrize("named", [True, False], ids=["named", "on PATH"])
@pytest.mark.parametrize(("says", "problem"), VERSIONS.values(), ids=VERSIONS.keys())
def test_only_one_that_is_new_enough(says: str, problem: str | None, named: bool, tmp_path: Path) -> None:
    path = terraform(tmp_path / "bin" / "terraform", says)
    variables = {"BOOTSTRAP_TERRAFORM": str(path)} if named else {"PATH": str(path.parent)}
    if problem is None:
        assert find(tmp_path, None, **variables) == path
        return
    with pytest.raises(ToolMissing) as caught:
        find(tmp_path, None, **variables)
    assert caught.value.message == problem.format(path=path)
    assert "BOOTSTRAP_TERRAFORM" in caught.value.hint


def test_a_version_as_numbers(tmp_path: Path) -> None:
    assert terraform_version(terraform(tmp_path / "terraform", "Terraform v1.11.4"), environ()) == (1, 11, 4)


def test_a_release_is_fetched_once(release: Releases, tmp_path: Path) -> None:
    cache, said = tmp_path / "cache", list[str]()
    variables = {"BOOTSTRAP_TERRAFORM_RELEASES": release.url}
    found = find(cache, said, **variables)
    assert found == cache / "terraform" / PINNED / "terraform"
    assert terraform_version(found, environ()) == (1, 12, 3)
    assert stat.S_IMODE(found.stat().st_mode) == 0o755
    assert len(said) == 1
    assert PINNED in said[0]
    assert str(found.parent) in said[0]
    assert find(cache, said, **variables) == found
    assert release.asked == [PATH]
    assert len(said) == 1
    assert files_in(cache) == ["terraform"]


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


UNREACHABLE = "Terraform is not on this machine and {url} cannot be reached"


def refused(cache: Path, url: str) -> ToolMissing:
    with pytest.raises(ToolMissing) as caught:
        find(cache, BOOTSTRAP_TERRAFORM_RELEASES=url)
    assert files_in(cache) == []
    assert (
        caught.value.hint
        == f"Install Terraform {PINNED} or later yourself, or point BOOTSTRAP_TERRAFORM at its program."
    )
    return caught.value


def test_nobody_answers(tmp_path: Path) -> None:
    url = f"http://127.0.0.1:{some_port()}"
    assert refused(tmp_path / "cache", url).message.startswith(UNREACHABLE.format(url=url + PATH))


def test_a_server_without_this_release(releases: Releases, tmp_path: Path) -> None:
    error = refused(tmp_path / "cache", releases.url)
    assert error.message.startswith(UNREACHABLE.format(url=releases.url + PATH))
    assert "404" in error.message
    assert isinstance(error.__cause__, urllib.error.HTTPError)
    error.__cause__.close()


def test_a_download_that_breaks_off(release: Releases, tmp_path: Path) -> None:
    release.cut_off = True
    assert refused(tmp_path / "cache", release.url).message.startswith(UNREACHABLE.format(url=release.url + PATH))


def test_an_address_that_is_none(tmp_path: Path) -> None:
    assert refused(tmp_path / "cache", "releases.example").message.startswith(
        "Terraform is not on this machine and releases.example"
    )


def test_a_machine_nothing_is_pinned_for(releases: Releases, tmp_path: Path) -> None:
    with pytest.raises(ToolMissing, match="no pinned Terraform for plan9_mips"):
        find(tmp_path, tag="plan9_mips", BOOTSTRAP_TERRAFORM_RELEASES=releases.url)
    assert releases.asked == []


def test_a_cache_that_cannot_be_written(release: Releases, tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("a file where a folder should be")
    with pytest.raises(BootstrapError, match="Cannot write") as caught:
        find(tmp_path / "cache", BOOTSTRAP_TERRAFORM_RELEASES=release.url)
    assert "BOOTSTRAP_TERRAFORM" in caught.value.hint


def test_the_network_is_hashicorps_own_unless_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def download(url: str) -> bytes:
        asked.append(url)
        raise ToolMissing("no network in a test")

    monkeypatch.setattr(terraform_install, "_download", download)
    with pytest.raises(ToolMissing):
        find(tmp_path)
    assert asked == [f"https://releases.hashicorp.com/terraform{PATH}"]
