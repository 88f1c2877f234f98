"""Where an unpacked AWS provider is looked for, and in what order."""

from __future__ import annotations

import platform
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from bootstrap.adapters import terraform_mirror
from bootstrap.adapters.terraform_mirror import find_mirror, platform_tag, search_places, wanted
from bootstrap.errors import ToolMissing

VERSION = "5.100.0"


class Machine:
    """A machine with a project folder, a home and a folder of optional software, all of them empty."""

    def __init__(self, root: Path) -> None:
        self.home, self.project, self.optional = root / "home", root / "project", root / "opt"
        self.environ: dict[str, str] = {"XDG_DATA_DIRS": f"{root / 'share-1'}:{root / 'share-2'}"}
        for folder in (self.home, self.project, self.optional):
            folder.mkdir(parents=True)
        self.root = root

    def find(self, version: str = VERSION) -> Path | None:
        return find_mirror(self.environ, self.home, self.project, version)


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    """A machine of our own: what this one has in its system folders must not be found."""
    found = Machine(tmp_path / "machine")
    look_into = terraform_mirror._optional_software
    monkeypatch.setattr(terraform_mirror, "_optional_software", lambda _: look_into(found.optional))
    monkeypatch.setattr(sys, "platform", "linux")
    return found


def unpack(
    mirror: Path,
    version: str = VERSION,
    *,
    tag: str | None = None,
    host: str = "registry.terraform.io",
    file: str = "terraform-provider-aws_v5.100.0_x5",
) -> Path:
    program = mirror / host / "hashicorp" / "aws" / version / (tag or platform_tag()) / file
    program.parent.mkdir(parents=True)
    program.write_text("")
    return mirror


# In the order they are looked at; the project's own folder first.
PLACES: dict[str, Callable[[Machine], Path]] = {
    "the project's own": lambda m: m.project / "terraform.d" / "plugins",
    "the user's plugins": lambda m: m.home / ".terraform.d" / "plugins",
    "the user's data": lambda m: m.home / ".local" / "share" / "terraform" / "plugins",
    "the machine's data": lambda m: m.root / "share-1" / "terraform" / "plugins",
    "more of the machine's data": lambda m: m.root / "share-2" / "terraform" / "plugins",
    "optional software": lambda m: m.optional / "a-mirror",
    "more optional software": lambda m: m.optional / "b-mirror",
}


@pytest.mark.parametrize("place", PLACES.values(), ids=PLACES.keys())
def test_each_place_is_looked_at(place: Callable[[Machine], Path], machine: Machine) -> None:
    assert machine.find() is None
    unpack(place(machine))
    assert machine.find() == place(machine).resolve()


def test_the_nearer_place_wins(machine: Machine) -> None:
    for place in reversed(PLACES.values()):
        unpack(place(machine))
        assert machine.find() == place(machine).resolve()


def test_a_nearer_place_with_another_version_does_not_hide_the_right_one(machine: Machine) -> None:
    unpack(PLACES["the project's own"](machine), "4.67.0")
    right = unpack(PLACES["optional software"](machine))
    assert machine.find() == right.resolve()
    assert machine.find("4.67.0") == PLACES["the project's own"](machine).resolve()


WRONG: dict[str, Callable[[Path], object]] = {
    "another version": lambda mirror: unpack(mirror, "5.99.0"),
    "a version that begins alike": lambda mirror: unpack(mirror, f"{VERSION}-beta1"),
    "another machine": lambda mirror: unpack(mirror, tag="plan9_mips"),
    "another file": lambda mirror: unpack(mirror, file="README.md"),
    "packed": lambda mirror: unpack(mirror / "registry.terraform.io" / "hashicorp" / "aws", file="x.zip"),
    "one folder too deep": lambda mirror: unpack(mirror / "providers"),
    "nothing": lambda mirror: mirror.mkdir(parents=True),
    "a file": lambda mirror: mirror.write_text(""),
}


@pytest.mark.parametrize("make", WRONG.values(), ids=WRONG.keys())
def test_what_does_not_hold_the_provider(make: Callable[[Path], object], machine: Machine) -> None:
    make(machine.optional / "mirror")
    assert machine.find() is None
    machine.environ["BOOTSTRAP_TF_MIRROR"] = str(machine.optional / "mirror")
    with pytest.raises(ToolMissing):
        machine.find()


def test_what_was_named_comes_first(machine: Machine, tmp_path: Path) -> None:
    unpack(PLACES["the project's own"](machine))
    named = unpack(tmp_path / "usb stick" / "providers", host="mirror.example.org")
    machine.environ["BOOTSTRAP_TF_MIRROR"] = str(named)
    assert machine.find() == named.resolve()


def test_what_was_named_may_begin_at_home(machine: Machine, home: Path) -> None:
    unpack(home / "providers")
    machine.environ["BOOTSTRAP_TF_MIRROR"] = "~/providers"
    assert machine.find() == (home / "providers").resolve()


def test_what_was_named_is_given_as_a_full_path(
    machine: Machine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Terraform works in another folder than the one the user is in.
    monkeypatch.chdir(tmp_path)
    unpack(tmp_path / "providers")
    machine.environ["BOOTSTRAP_TF_MIRROR"] = "providers"
    assert machine.find() == (tmp_path / "providers").resolve()


@pytest.mark.parametrize("there", [True, False], ids=["an empty folder", "no folder"])
def test_what_was_named_is_not_silently_replaced(there: bool, machine: Machine, tmp_path: Path) -> None:
    unpack(PLACES["the project's own"](machine))
    named = tmp_path / "providers"
    if there:
        named.mkdir()
    machine.environ["BOOTSTRAP_TF_MIRROR"] = str(named)
    with pytest.raises(ToolMissing) as caught:
        machine.find()
    assert caught.value.message == f"BOOTSTRAP_TF_MIRROR is {named}, but there is no {wanted(VERSION)} in it."
    assert "unset the variable" in caught.value.hint


def test_an_empty_variable_is_none(machine: Machine) -> None:
    machine.environ["BOOTSTRAP_TF_MIRROR"] = ""
    assert machine.find() is None


def places(machine: Machine, system: str, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    monkeypatch.setattr(sys, "platform", system)
    return [
        place.as_posix().replace(machine.home.as_posix(), "~").replace(machine.root.as_posix(), "/somewhere")
        for place in search_places(machine.environ, machine.home, machine.project)
    ]


def test_where_linux_looks(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    machine.environ = {}
    assert places(machine, "linux", monkeypatch) == [
        "/somewhere/project/terraform.d/plugins",
        "~/.terraform.d/plugins",
        "~/.local/share/terraform/plugins",
        "/usr/local/share/terraform/plugins",
        "/usr/share/terraform/plugins",
    ]


def test_the_variables_of_the_desktop_are_honoured(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    machine.environ = {"XDG_DATA_HOME": "/mine", "XDG_DATA_DIRS": "/mine::/theirs"}
    assert places(machine, "linux", monkeypatch)[2:] == ["/mine/terraform/plugins", "/theirs/terraform/plugins"]


def test_where_macos_looks_too(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    found = places(machine, "darwin", monkeypatch)
    support = "Library/Application Support/io.terraform/plugins"
    assert {f"~/{support}", f"/{support}", "~/.terraform.d/plugins"} <= set(found)


def test_where_windows_looks(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    machine.environ = {"APPDATA": "C:/Users/ana/AppData/Roaming"}
    assert places(machine, "win32", monkeypatch) == [
        "/somewhere/project/terraform.d/plugins",
        "C:/Users/ana/AppData/Roaming/terraform.d/plugins",
        "C:/Users/ana/AppData/Roaming/HashiCorp/Terraform/plugins",
    ]


TAGS = {
    ("linux", "x86_64"): "linux_amd64",
    ("linux", "aarch64"): "linux_arm64",
    ("darwin", "arm64"): "darwin_arm64",
    ("win32", "AMD64"): "windows_amd64",
    ("freebsd", "i386"): "freebsd_386",
    ("linux", "riscv64"): "linux_riscv64",
}


@pytest.mark.parametrize(("here", "tag"), TAGS.items(), ids=TAGS.values())
def test_this_machine_in_terraforms_words(here: tuple[str, str], tag: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", here[0])
    monkeypatch.setattr(platform, "machine", lambda: here[1])
    assert platform_tag() == tag
