"""Git and DVC repositories as the real programs make and read them."""

from __future__ import annotations

import os
import stat
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bootstrap.adapters import dvc
from bootstrap.adapters.dvc import Before, Remote
from bootstrap.adapters.git import Git
from bootstrap.adapters.process import Call, find, run
from bootstrap.errors import BootstrapError, ConfigError, ToolMissing

STAG = Remote("stag", "s3://demo--stag--123456789012/dvc/ci", "demo-stag")
PROD = Remote("prod", "s3://demo--prod--123456789012/dvc/ci", "demo-prod")
NONE: frozenset[str] = frozenset()


def git(folder: Path, *words: str) -> None:
    subprocess.run(["git", *words], cwd=folder, check=True, capture_output=True)


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A git repository that is a DVC repository too, with an empty configuration."""
    folder = tmp_path / "course"
    (folder / ".dvc").mkdir(parents=True)
    (folder / ".dvc" / "config").touch()
    git(folder, "init", "-q")
    return folder


def config(repository: Path, text: str) -> None:
    dvc.config_path(repository).write_bytes(text.encode())


def text_of(repository: Path) -> str:
    return dvc.config_path(repository).read_bytes().decode()


# --- git ---


def test_the_top_of_a_repository(tmp_path: Path) -> None:
    inside = tmp_path / "course" / "week 1"
    inside.mkdir(parents=True)
    assert Git(inside, os.environ).top() is None
    git(tmp_path / "course", "init", "-q")
    assert Git(inside, os.environ).top() == (tmp_path / "course").resolve()


def test_without_git_there_is_no_repository(repository: Path, tmp_path: Path) -> None:
    assert Git(repository, {"PATH": str(tmp_path)}).top() is None


@pytest.mark.parametrize("variable", ["GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_COMMON_DIR"])
def test_variables_of_another_repository_do_not_lead_astray(variable: str, repository: Path, tmp_path: Path) -> None:
    # As when the command runs in a hook of another repository.
    other = tmp_path / "other"
    other.mkdir()
    git(other, "init", "-q")
    (repository / ".env").touch()
    git(repository, "add", ".env")
    values = {"GIT_WORK_TREE": other, "GIT_INDEX_FILE": other / ".git" / "index"}
    found = Git(repository, dict(os.environ) | {variable: str(values.get(variable, other / ".git"))})
    assert found.top() == repository.resolve()
    assert found.tracks(repository / ".env")


IGNORED = {
    "nothing": (None, False),
    "the file": ("/.env\n", True),
    "a pattern": ("*.pyc\n.env*\n", True),
    "another file": (".envrc\n", False),
    "taken back": (".env\n!.env\n", False),
}


@pytest.mark.parametrize(("gitignore", "ignored"), IGNORED.values(), ids=IGNORED.keys())
def test_what_git_ignores(gitignore: str | None, ignored: bool, repository: Path) -> None:
    if gitignore is not None:
        (repository / ".gitignore").write_text(gitignore)
    assert Git(repository, os.environ).ignores(repository / ".env") is ignored


def test_what_git_tracks(repository: Path) -> None:
    here = Git(repository, os.environ)
    (repository / ".env").touch()
    assert not here.tracks(repository / ".env")
    assert not here.tracks(repository / "nowhere")
    git(repository, "add", "-f", ".env")
    assert here.tracks(repository / ".env")
    git(repository, "rm", "-q", "--cached", ".env")
    assert not here.tracks(repository / ".env")


def test_what_was_committed_on_any_branch(repository: Path) -> None:
    here = Git(repository, os.environ)
    path = repository / "a.txt"
    path.touch()
    who = ("-c", "user.name=ana", "-c", "user.email=ana@example.org")
    assert not here.was_committed(path)  # there is no commit at all
    git(repository, "add", "a.txt")
    assert not here.was_committed(path)
    git(repository, "checkout", "-q", "-b", "other")
    git(repository, *who, "commit", "-q", "-m", "a")
    git(repository, "checkout", "-q", "--orphan", "new")
    git(repository, "rm", "-q", "-f", "a.txt")
    assert here.was_committed(path)
    assert not here.was_committed(repository / "b.txt")


def test_where_git_cannot_say_everything_counts_as_committed(tmp_path: Path) -> None:
    assert Git(tmp_path, os.environ).was_committed(tmp_path / "a.txt")


def test_what_is_new_leaves_the_next_commit(repository: Path) -> None:
    for name in ("a.txt", "b.txt", "c.txt"):
        (repository / name).write_text(name)
    git(repository, "add", "a.txt", "b.txt")
    here = Git(repository, os.environ)
    (repository / "a.txt").write_text("changed since")
    here.unstage_new([repository / "a.txt", repository / "c.txt", repository / "nowhere"])
    assert [name for name in ("a.txt", "b.txt", "c.txt") if here.tracks(repository / name)] == ["b.txt"]
    assert (repository / "a.txt").read_text() == "changed since"


# --- DVC: where ---


def test_the_nearest_dvc_repository_up_to_gits_top(tmp_path: Path) -> None:
    top, inner = tmp_path / "top", tmp_path / "top" / "inner"
    deep = inner / "a" / "b"
    deep.mkdir(parents=True)
    (tmp_path / ".dvc").mkdir()  # outside of the git repository
    assert dvc.find_repository(deep, top) is None
    (top / ".dvc").mkdir()
    assert dvc.find_repository(deep, top) == top
    (inner / ".dvc").mkdir()
    assert dvc.find_repository(deep, top) == inner
    assert dvc.find_repository(inner, top) == inner
    assert dvc.find_repository(top, top) == top


def test_init_is_dvcs_own(tmp_path: Path) -> None:
    git(tmp_path, "init", "-q")
    (tmp_path / ".dvcignore").write_text("# mine\n")
    made = dvc.init(tmp_path, os.environ)
    assert {".dvc/.gitignore", ".dvc/config"} <= set(made)
    assert ".dvcignore" not in made
    assert dvc.find_repository(tmp_path, tmp_path) == tmp_path
    assert (tmp_path / ".dvc" / ".gitignore").is_file()
    dvc.write(tmp_path, STAG, NONE)
    assert dvc_says(tmp_path)["remote"]["stag"]["url"] == STAG.url


def put(path: Path) -> None:
    path.parent.mkdir(parents=True)
    path.touch()


def test_what_init_made_can_be_told_from_what_came_since(tmp_path: Path) -> None:
    git(tmp_path, "init", "-q")
    made = dvc.init(tmp_path, os.environ)
    assert dvc.is_untouched(tmp_path, made)
    (tmp_path / ".dvc" / "tmp" / "rwlock").touch()  # as any of DVC's commands leaves it
    assert dvc.is_untouched(tmp_path, made)
    changes: list[Callable[[], object]] = [
        lambda: (tmp_path / ".dvcignore").write_text("mine\n"),
        lambda: dvc.write(tmp_path, STAG, NONE),
        lambda: put(tmp_path / ".dvc" / "cache" / "files" / "a"),
        lambda: put(tmp_path / ".dvc" / "tmp" / "exps" / "a"),
        lambda: (tmp_path / ".dvc" / ".gitignore").unlink(),
    ]
    for change in changes:
        before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
        change()
        assert not dvc.is_untouched(tmp_path, made)
        for path in [path for path in tmp_path.rglob("*") if path.is_file() and path not in before]:
            path.unlink()
        for path, content in before.items():
            path.write_bytes(content)
    assert dvc.is_untouched(tmp_path, made)
    assert not dvc.is_untouched(tmp_path, {})
    dvc.forget(tmp_path, made)
    assert [path.name for path in tmp_path.iterdir()] == [".git"]


def test_init_that_fails_says_why(repository: Path, tmp_path: Path) -> None:
    with pytest.raises(BootstrapError, match=r"(?s)`dvc init` in .* failed: .*exists") as caught:
        dvc.init(repository, os.environ)
    assert "run the same command again" in caught.value.hint


def test_without_dvc_the_way_to_it_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dvc, "find", lambda *_: None)
    with pytest.raises(ToolMissing, match="DVC is not on this machine") as caught:
        dvc.init(tmp_path, {})
    assert "pip install 'dvc[s3]'" in caught.value.hint


# --- DVC: what ---

OURS = f"['remote \"stag\"']\n    url = {STAG.url}\n    profile = demo-stag\n"
OTHERS = "[core]\n    remote = mine\n['remote \"mine\"']\n    url = /data\n"

WRITTEN = {
    "an empty file": ("", "[core]\n    autostage = true\n    remote = stag\n" + OURS, Before(None, None)),
    "no default yet": (
        "['remote \"mine\"']\n    url = /data\n",
        "['remote \"mine\"']\n    url = /data\n[core]\n    autostage = true\n    remote = stag\n" + OURS,
        Before(None, None),
    ),
    "the user's default, which stays": (
        OTHERS,
        "[core]\n    remote = mine\n    autostage = true\n['remote \"mine\"']\n    url = /data\n" + OURS,
        Before("mine", None),
    ),
    "the default of another environment of ours": (
        OTHERS.replace("mine", "prod"),
        "[core]\n    remote = stag\n    autostage = true\n['remote \"prod\"']\n    url = /data\n" + OURS,
        Before("prod", None),
    ),
    "autostage off": (
        "[core]\n    autostage = false\n",
        "[core]\n    autostage = true\n    remote = stag\n" + OURS,
        Before(None, "false"),
    ),
    "our own with an old address": (
        "[core]\n    remote = stag\n    autostage = true\n" + OURS.replace("123456789012", "999999999999"),
        "[core]\n    remote = stag\n    autostage = true\n" + OURS,
        Before("stag", "true"),
    ),
    "comments and an empty line": (
        "# größe\n[core]\n    # why\n    analytics = false    # really\n\n# the last word\n",
        "# größe\n[core]\n    # why\n    analytics = false    # really\n    autostage = true\n    remote = stag\n"
        + OURS
        + "\n# the last word\n",
        Before(None, None),
    ),
}


@pytest.mark.parametrize(("before", "after", "core"), WRITTEN.values(), ids=WRITTEN.keys())
def test_write(before: str, after: str, core: Before, repository: Path) -> None:
    config(repository, before)
    assert not dvc.is_written(repository, STAG)
    assert dvc.write(repository, STAG, frozenset({"prod"})) == core
    assert text_of(repository) == after
    assert dvc.is_written(repository, STAG)
    written = text_of(repository)
    assert dvc.write(repository, STAG, frozenset({"prod"})) is None
    assert text_of(repository) == written


@pytest.mark.parametrize(
    "before", [text for name, (text, _, _) in WRITTEN.items() if "our own" not in name], ids=lambda text: text[:25]
)
def test_removing_gives_the_settings_back(before: str, repository: Path) -> None:
    config(repository, before)
    core = dvc.write(repository, STAG, frozenset({"prod"}))
    assert core is not None
    assert dvc.remove(repository, STAG, core) is True
    assert text_of(repository).strip() == before.strip()
    assert not dvc.is_written(repository, STAG)
    assert dvc.remove(repository, STAG, core) is False


def test_removing_one_of_two_environments_of_ours(repository: Path) -> None:
    first = dvc.write(repository, PROD, NONE)
    second = dvc.write(repository, STAG, frozenset({"prod"}))
    assert first is not None
    assert second is not None
    assert dvc.default_remote(repository) == "stag"
    assert dvc.remove(repository, STAG, second) is True
    assert dvc.default_remote(repository) == "prod"
    assert dvc.remove(repository, PROD, first) is True
    assert text_of(repository).strip() == ""


def test_removing_leaves_what_the_user_changed_since(repository: Path) -> None:
    core = dvc.write(repository, STAG, NONE)
    assert core is not None
    config(repository, text_of(repository).replace("remote = stag", "remote = mine").replace("true", "false"))
    assert dvc.remove(repository, STAG, core) is True
    assert text_of(repository) == "[core]\n    autostage = false\n    remote = mine\n"


THEIRS = {
    "nothing": "",
    "no last newline": "[core]\n    analytics = false",
    "Windows line endings": "[core]\r\n    remote = mine\r\n['remote \"mine\"']\r\n    url = /data\r\n",
    "as a person writes it": "# größe\n[core]\nanalytics=false # no\n\n[ 'remote \"mine\"' ]\nurl=/data\n\n# end",
    "a remote of our name": "[core]\n    remote = stag\n['remote \"stag\"']\n    # fast\n    jobs = 4\n    url = s3://demo--stag--"
    "123456789012/dvc/red\n    profile = demo-stag\n",
    "ours already": "[core]\n    autostage = true\n    remote = stag\n" + OURS,
}


@pytest.mark.parametrize("text", THEIRS.values(), ids=THEIRS.keys())
def test_removing_gives_every_byte_back_if_the_text_is_known(text: str, repository: Path) -> None:
    config(repository, text)
    core = dvc.core(repository)
    dvc.write(repository, STAG, NONE)
    assert dvc.is_written(repository, STAG)
    assert dvc.remove(repository, STAG, Before(core.default, core.autostage, text)) is True
    assert text_of(repository) == text


def test_what_was_changed_since_stays_even_if_the_text_is_known(repository: Path) -> None:
    text = THEIRS["a remote of our name"]
    config(repository, text)
    core = dvc.core(repository)
    dvc.write(repository, STAG, NONE)
    config(repository, text_of(repository) + "['remote \"new\"']\n    url = /new\n")
    dvc.remove(repository, STAG, Before(core.default, core.autostage, text))
    assert text_of(repository) == text + "['remote \"new\"']\n    url = /new\n"


# --- DVC: the file for this machine alone ---

MINE = Remote("stag", STAG.url, STAG.profile, "mine")
LOCAL = "['remote \"stag\"']\n    profile = mine\n"
PERSONAL = {
    "no file": (None, LOCAL, "no section", "no file"),
    "an empty file": ("", LOCAL, "no section", "whole"),
    "no last newline": ("[cache]\n    dir=/x # big", f"[cache]\n    dir=/x # big\n{LOCAL}", "no section", "no newline"),
    "another remote": (
        "['remote \"prod\"']\n    url = /p\n",
        f"['remote \"prod\"']\n    url = /p\n{LOCAL}",
        "no section",
        "whole",
    ),
    "a section of the remote": (
        "# a\n[ 'remote \"stag\"' ] # b\n\n    jobs = 4\n[cache]\n    type = copy\n",
        "# a\n[ 'remote \"stag\"' ] # b\n    profile = mine\n\n    jobs = 4\n[cache]\n    type = copy\n",
        "no profile",
        "whole",
    ),
    "a profile of the user's": (
        "['remote \"stag\"']\n  jobs=4\n  profile=old # why",
        "['remote \"stag\"']\n  jobs=4\n    profile = mine",
        "  profile=old # why",
        "no newline",
    ),
}


@pytest.mark.parametrize(("text", "after", "before", "file"), PERSONAL.values(), ids=PERSONAL.keys())
def test_a_personal_profile_comes_and_goes(
    text: str | None, after: str, before: str, file: str, repository: Path
) -> None:
    path = dvc.local_path(repository)
    if text is not None:
        path.write_bytes(text.encode())
    dvc.write(repository, MINE, NONE)
    assert OURS in text_of(repository)
    assert not dvc.is_written(repository, MINE)
    dvc.check(repository, MINE)
    assert dvc.personal_before(repository, "stag") == before
    for _ in range(2):
        dvc.write_personal(repository, "stag", "mine")
        assert path.read_bytes().decode() == after
    assert dvc.is_written(repository, MINE)
    assert dvc_says(repository)["remote"]["stag"]["profile"] == "mine"
    assert dvc.remove_personal(repository, "stag", "another", before, file) is False
    assert dvc.remove_personal(repository, "stag", "mine", before, file) is True
    assert (path.read_bytes().decode() if path.exists() else None) == text
    assert dvc.remove_personal(repository, "stag", "mine", before, file) is False


def test_a_personal_profile_that_is_shared_is_ours_only_with_our_bucket(repository: Path) -> None:
    config(repository, OURS.replace("demo-stag\n", "mine\n"))
    assert dvc.remove(repository, MINE, Before(None, None)) is True
    theirs = OURS.replace("demo-stag\n", "mine\n").replace(STAG.url, "s3://mine/dvc")
    config(repository, theirs)
    with pytest.raises(ConfigError):
        dvc.check(repository, MINE)
    assert dvc.remove(repository, MINE, Before(None, None)) is False
    assert text_of(repository) == theirs


def test_without_git_nothing_is_staged(repository: Path) -> None:
    dvc.write(repository, STAG, NONE, autostage=False)
    assert dvc.core(repository) == Before("stag", None)


def test_a_remote_into_the_same_bucket_came_with_the_repository(repository: Path) -> None:
    """As an instructor or a teammate has committed it; a member whose profile has another name takes it over."""
    other = Remote("stag", STAG.url.replace("/ci", "/red"), "demo-stag-ana")
    dvc.write(repository, STAG, NONE)
    dvc.check(repository, other)
    with pytest.raises(ConfigError):
        dvc.check(repository, Remote("stag", "s3://demo--stag--1/dvc/red", "demo-stag-ana"))
    with pytest.raises(ConfigError):
        dvc.check(repository, Remote("stag", "", "demo-stag-ana"))


BY_HAND = {
    "another profile": "['remote \"stag\"']\n    url = s3://mine\n    profile = mine\n",
    "no profile": "['remote \"stag\"']\n    url = /data\n",
}


@pytest.mark.parametrize("text", BY_HAND.values(), ids=BY_HAND.keys())
def test_a_remote_written_by_hand_is_refused_and_never_removed(text: str, repository: Path) -> None:
    config(repository, text)
    with pytest.raises(ConfigError) as caught:
        dvc.check(repository, STAG)
    assert "has a DVC remote 'stag' that this tool did not write; it was left alone" in caught.value.message
    assert str(dvc.config_path(repository)) in caught.value.message
    assert caught.value.hint == "Give it another name: dvc remote rename stag my-stag"
    assert dvc.remove(repository, STAG, Before(None, None)) is False
    assert text_of(repository) == text


def test_a_name_that_is_free_or_ours_is_not_refused(repository: Path) -> None:
    dvc.check(repository, STAG)
    dvc.write(repository, STAG, NONE)
    dvc.check(repository, STAG)
    dvc.config_path(repository).unlink()
    dvc.check(repository, STAG)


def test_a_file_that_dvc_cannot_read_either(repository: Path) -> None:
    broken = "[core]\n    remote = mine\n[core\n"
    config(repository, broken)
    attempts: list[Callable[[], object]] = [
        lambda: dvc.check(repository, STAG),
        lambda: dvc.write(repository, STAG, NONE),
    ]
    for attempt in attempts:
        with pytest.raises(ConfigError) as caught:
            attempt()
        assert caught.value.message.startswith(f"{dvc.config_path(repository)}:3: DVC cannot read this line")
    assert text_of(repository) == broken


@pytest.mark.skipif(os.name == "nt", reason="mode bits as POSIX has them")
def test_everybody_may_read_what_is_shared_through_git(repository: Path) -> None:
    dvc.write(repository, STAG, NONE)
    assert stat.S_IMODE(dvc.config_path(repository).stat().st_mode) == 0o644


# --- DVC reads what we wrote ---


def dvc_says(repository: Path) -> Any:
    """Return what DVC itself makes of the file that is shared through git, checked against its schema."""
    from dvc.config import Config

    return Config(dvc_dir=str(repository / ".dvc"), validate=True)


@pytest.mark.parametrize("before", [text for text, _, _ in WRITTEN.values()], ids=WRITTEN.keys())
def test_dvc_reads_what_was_written(before: str, repository: Path) -> None:
    config(repository, before)
    dvc.write(repository, STAG, frozenset({"prod"}))
    said = dvc_says(repository)
    assert (said["remote"]["stag"]["url"], said["remote"]["stag"]["profile"]) == (STAG.url, STAG.profile)
    assert said["core"]["autostage"] is True
    assert said["core"]["remote"] == dvc.default_remote(repository)


def test_the_program_lists_our_remote(repository: Path) -> None:
    dvc.write(repository, STAG, NONE)
    program = find("dvc", os.environ)
    assert program is not None
    done = run(Call((program, "remote", "list"), repository, dict(os.environ)))
    assert done.stdout.split() == ["stag", STAG.url, "(default)"]


EDITS: dict[str, Callable[[Any], object]] = {
    "a remote more": lambda conf: conf["remote"].update({"mine": {"url": "s3://a,b/c#1"}}),
    "another default": lambda conf: conf["core"].update({"remote": "prod"}),
}


@pytest.mark.parametrize("edit", EDITS.values(), ids=EDITS.keys())
def test_what_dvc_writes_after_us_we_leave_as_it_is(edit: Callable[[Any], object], repository: Path) -> None:
    dvc.write(repository, PROD, NONE)
    core = dvc.write(repository, STAG, frozenset({"prod"}))
    assert core is not None
    with dvc_says(repository).edit("repo") as conf:
        edit(conf)
    before = dvc_says(repository)
    assert dvc.remove(repository, STAG, core) is True
    after = dvc_says(repository)
    assert after["remote"] == {name: remote for name, remote in before["remote"].items() if name != "stag"}
    assert after["core"]["remote"] == "prod"
