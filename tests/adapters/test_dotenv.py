"""Our block in `.env`, on real files: text before → text after."""

from __future__ import annotations

import os
import stat
import subprocess
from pathlib import Path

import pytest

from bootstrap.adapters import dotenv
from bootstrap.errors import BootstrapError, ConfigError

OWNER = "demo/stag"
VALUES = {"AWS_PROFILE": "demo-stag", "MLFLOW_TRACKING_PASSWORD": "s3cret=with-equals"}
BLOCK = (
    "# >>> bootstrap demo/stag, written by 'bootstrap up', removed by 'bootstrap down'{flag} >>>\n"
    "AWS_PROFILE=demo-stag\n"
    "MLFLOW_TRACKING_PASSWORD=s3cret=with-equals\n"
    "# <<< bootstrap demo/stag <<<\n"
)
OURS = BLOCK.format(flag="")

posix = pytest.mark.skipif(os.name == "nt", reason="mode bits as POSIX has them")


def put(path: Path, text: str | None) -> None:
    if text is not None:
        path.write_bytes(text.encode())


def get(path: Path) -> str | None:
    return path.read_bytes().decode() if path.exists() else None


WRITTEN = {
    "no file": (None, BLOCK.format(flag=" [new file]")),
    "an empty file": ("", OURS),
    "the user's own lines": ("# größe\nA=1\n", "# größe\nA=1\n" + OURS),
    "no last newline": ("A=1", "A=1\n" + BLOCK.format(flag=" [added newline]")),
    # A shell would take a carriage return for a part of the value, so ours have none.
    "Windows line endings": ("A=1\r\n", "A=1\r\n" + OURS),
    "Windows, no last newline": ("A=1\r\nB=2", "A=1\r\nB=2\n" + BLOCK.format(flag=" [added newline]")),
    "an older block of ours": (
        "A=1\n" + OURS.replace("s3cret", "old").replace("AWS_PROFILE=demo-stag\n", "") + "B=2\n",
        "A=1\n" + OURS + "B=2\n",
    ),
    "a block of another environment": (
        OURS.replace("demo/stag", "demo/prod"),
        OURS.replace("demo/stag", "demo/prod") + OURS,
    ),
}


@pytest.mark.parametrize(("before", "after"), WRITTEN.values(), ids=WRITTEN.keys())
def test_write(before: str | None, after: str, tmp_path: Path) -> None:
    path = tmp_path / ".env"
    put(path, before)
    assert dotenv.write(path, OWNER, VALUES) is True
    assert get(path) == after
    assert dotenv.read(path, OWNER) == VALUES
    assert dotenv.write(path, OWNER, VALUES) is False
    assert get(path) == after


@pytest.mark.parametrize(
    "before", [text for name, (text, _) in WRITTEN.items() if "older" not in name], ids=lambda text: repr(text)[:20]
)
def test_taking_out_gives_the_file_back(before: str | None, tmp_path: Path) -> None:
    path = tmp_path / ".env"
    put(path, before)
    dotenv.write(path, OWNER, VALUES)
    assert dotenv.take_out(path, OWNER) is True
    assert get(path) == before
    assert dotenv.take_out(path, OWNER) is False
    assert get(path) == before


def test_line_endings_that_an_editor_changed_are_put_right(tmp_path: Path) -> None:
    path = tmp_path / ".env"
    put(path, ("A=1\n" + OURS + "B=2\n").replace("\n", "\r\n"))
    assert dotenv.read(path, OWNER) == VALUES
    assert dotenv.write(path, OWNER, VALUES) is True
    assert get(path) == "A=1\r\n" + OURS + "B=2\r\n"
    assert dotenv.take_out(path, OWNER) is True
    assert get(path) == "A=1\r\nB=2\r\n"


SHELL = {
    "plain": "http://127.0.0.1:2/a-b_c.d@e%f+g,h",
    "blanks": "two  words",
    "a dollar": "$HOME `date` $(date)",
    "signs": "a&b;c|d<e>f*g?h[i]j{k}l!m#n",
    "double quotes": 'say "yes"',
    "a home": "~/data",
    "accents": "añá",
    "nothing": "",
}


@posix
@pytest.mark.parametrize("value", SHELL.values(), ids=SHELL.keys())
def test_a_shell_and_we_read_the_same(value: str, tmp_path: Path) -> None:
    path = tmp_path / ".env"
    dotenv.write(path, OWNER, {"VALUE": value})
    assert dotenv.read(path, OWNER) == {"VALUE": value}
    done = subprocess.run(
        ["sh", "-c", 'set -a; . ./.env; printf %s "$VALUE"'], cwd=tmp_path, capture_output=True, check=True
    )
    assert done.stdout.decode() == value


@pytest.mark.parametrize("value", ["it's", "a\\b", "a\nb", "a\rb", "a\0b", "a\tb"])
def test_a_value_that_a_shell_would_read_differently_is_refused(value: str, tmp_path: Path) -> None:
    path = tmp_path / ".env"
    put(path, "A=1\n")
    with pytest.raises(BootstrapError, match="The value of PASSWORD holds") as caught:
        dotenv.write(path, OWNER, {"AWS_PROFILE": "x", "PASSWORD": value})
    assert value not in caught.value.message + caught.value.hint
    assert get(path) == "A=1\n"


def test_taking_out_keeps_what_was_written_since(tmp_path: Path) -> None:
    path = tmp_path / ".env"
    dotenv.write(path, OWNER, VALUES)
    path.write_text(path.read_text() + "MINE=1\n")
    assert dotenv.take_out(path, OWNER) is True
    assert get(path) == "MINE=1\n"


@posix
@pytest.mark.parametrize("before", [None, "A=1\n"], ids=["a new file", "the user's file"])
def test_a_password_is_for_its_owner_alone(before: str | None, tmp_path: Path) -> None:
    path = tmp_path / ".env"
    put(path, before)
    if before:
        path.chmod(0o644)
    dotenv.write(path, OWNER, VALUES)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_only_our_block_is_read(tmp_path: Path) -> None:
    path = tmp_path / ".env"
    assert dotenv.read(path, OWNER) == {}
    put(path, "AWS_PROFILE=mine\n")
    assert dotenv.read(path, OWNER) == {}
    dotenv.write(path, "demo/prod", {"AWS_PROFILE": "demo-prod"})
    dotenv.write(path, OWNER, {"AWS_PROFILE": "demo-stag"})
    assert dotenv.read(path, OWNER) == {"AWS_PROFILE": "demo-stag"}
    assert dotenv.read(path, "demo/prod") == {"AWS_PROFILE": "demo-prod"}
    assert dotenv.owners(path) == ["demo/prod", "demo/stag"]
    assert dotenv.owners(tmp_path / "nowhere") == []


DAMAGED = {
    "no end": ("A=1\n" + OURS.rpartition("# <<<")[0], "line 2"),
    "no beginning": ("A=1\n# <<< bootstrap demo/stag <<<\n", "line 2"),
    "twice": (OURS + OURS, "line 5"),
}


@pytest.mark.parametrize(("text", "place"), DAMAGED.values(), ids=DAMAGED.keys())
def test_a_damaged_block_is_named_and_left_alone(text: str, place: str, tmp_path: Path) -> None:
    path = tmp_path / ".env"
    put(path, text)
    for attempt in (
        lambda: dotenv.check(path),
        lambda: dotenv.read(path, OWNER),
        lambda: dotenv.owners(path),
        lambda: dotenv.write(path, OWNER, VALUES),
        lambda: dotenv.take_out(path, OWNER),
    ):
        with pytest.raises(ConfigError) as caught:
            attempt()
        assert caught.value.message.startswith(f"{path}, {place}")
    assert get(path) == text


def test_check_finds_nothing_wrong_and_leaves_no_trace(tmp_path: Path) -> None:
    path = tmp_path / ".env"
    dotenv.check(path)
    assert list(tmp_path.iterdir()) == []
    put(path, "A=1\n" + OURS)
    dotenv.check(path)
    assert get(path) == "A=1\n" + OURS


def test_check_finds_what_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / ".env").mkdir()
    with pytest.raises(BootstrapError, match="not an ordinary file"):
        dotenv.check(tmp_path / ".env")


IGNORED = {
    "no file": (None, "/.env\n"),
    "an empty file": ("", "/.env\n"),
    "lines": ("*.pyc\n", "*.pyc\n/.env\n"),
    "no last newline": ("*.pyc", "*.pyc\n/.env\n"),
    "Windows line endings": ("*.pyc\r\n", "*.pyc\r\n/.env\r\n"),
    "Windows, no last newline": ("*.pyc\r\nx", "*.pyc\r\nx\r\n/.env\r\n"),
}


@pytest.mark.parametrize(("before", "after"), IGNORED.values(), ids=IGNORED.keys())
def test_ignore(before: str | None, after: str, tmp_path: Path) -> None:
    path = tmp_path / ".gitignore"
    put(path, before)
    dotenv.ignore(path, "/.env")
    assert get(path) == after


@pytest.mark.parametrize("before", [text for text, _ in IGNORED.values()], ids=IGNORED.keys())
def test_no_longer_ignoring_gives_the_file_back(before: str | None, tmp_path: Path) -> None:
    path = tmp_path / ".gitignore"
    put(path, before)
    state = dotenv.state(path)
    dotenv.ignore(path, "/.env")
    assert dotenv.no_longer_ignore(path, "/.env", state) is True
    assert get(path) == before
    assert dotenv.no_longer_ignore(path, "/.env", state) is False
    assert get(path) == before


SINCE = {
    "lines after ours": ("/.env\nmine\n", "no file", "mine\n"),
    "lines after, where we added a newline": ("a\n/.env\nb\n", "no newline", "a\nb\n"),
    "lines before": ("mine\n/.env\n", "no file", "mine\n"),
    "an editor's line endings": ("a\r\n/.env\r\n", "whole", "a\r\n"),
    "the same line before ours": ("/.env\nb\n/.env\n", "whole", "/.env\nb\n"),
    "the last newline gone": ("a\n/.env", "whole", "a\n"),
    "ours gone": ("a\n", "whole", "a\n"),
}


@pytest.mark.parametrize(("text", "state", "after"), SINCE.values(), ids=SINCE.keys())
def test_no_longer_ignoring_keeps_what_was_written_since(text: str, state: str, after: str, tmp_path: Path) -> None:
    path = tmp_path / ".gitignore"
    put(path, text)
    assert dotenv.no_longer_ignore(path, "/.env", state) is (text != after)
    assert get(path) == after


@posix
def test_everybody_may_read_what_is_shared_through_git(tmp_path: Path) -> None:
    path = tmp_path / ".gitignore"
    dotenv.ignore(path, "/.env")
    assert stat.S_IMODE(path.stat().st_mode) == 0o644
    path.chmod(0o664)
    dotenv.ignore(path, "/other")
    assert stat.S_IMODE(path.stat().st_mode) == 0o664


@pytest.mark.parametrize(
    ("text", "ignored"),
    [
        (None, False),
        ("", False),
        ("*.pyc\n", False),
        (".env\n", True),
        ("a\r\n/.env\r\n", True),
        (".env.example\n", False),
    ],
)
def test_a_gitignore_that_git_does_not_read_yet(text: str | None, ignored: bool, tmp_path: Path) -> None:
    """A folder may become a repository later; the password must not get into it then."""
    gitignore = tmp_path / ".gitignore"
    if text is not None:
        gitignore.write_bytes(text.encode())
    assert dotenv.is_ignored(gitignore) is ignored
