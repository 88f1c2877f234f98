"""Reading exactly, writing whole or not at all, one writer at a time; on real files."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import platformdirs
import pytest

from bootstrap.adapters import files
from bootstrap.errors import BootstrapError, ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterator

posix = pytest.mark.skipif(os.name == "nt", reason="mode bits and links as POSIX has them")


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.fixture(autouse=True)
def _state_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))


@pytest.fixture
def unprivileged() -> Iterator[Path]:
    """A folder of somebody who is not root, and the test runs as them: root may write anything."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if os.geteuid() != 0:
            yield folder
            folder.chmod(0o700)
            return
        os.chown(folder, 65534, 65534)
        os.seteuid(65534)
        try:
            yield folder
        finally:
            os.seteuid(0)


def test_read_keeps_line_endings(tmp_path: Path) -> None:
    path = tmp_path / "f"
    path.write_bytes("a\r\nb\nc\rd\ufeffé".encode())
    assert files.read_text(path) == "a\r\nb\nc\rd\ufeffé"


def test_read_of_what_is_not_there(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "nowhere" / "f")
    assert files.read_text(tmp_path / "f") is None
    assert files.read_text(tmp_path / "no" / "f") is None
    assert files.read_text(tmp_path / "link") is None


@pytest.mark.parametrize(
    ("data", "line"),
    [(b"ok\nname = caf\xe9\n", 2), (b"a\r\nb\r\xff", 3), ("a = b".encode("utf-16"), 1)],
)
def test_read_names_the_line_that_is_not_text_and_shows_nothing(tmp_path: Path, data: bytes, line: int) -> None:
    path = tmp_path / "f"
    path.write_bytes(data)
    with pytest.raises(ConfigError, match=f", line {line}: ") as caught:
        files.read_text(path)
    assert caught.value.message.startswith(f"{path}, ")
    assert caught.value.__cause__ is None
    assert path.read_bytes() == data


@posix
@pytest.mark.parametrize("name", [os.devnull, "."])
def test_only_ordinary_files(name: str) -> None:
    for attempt in (files.read_text, files.check_writable, lambda path: files.write_atomic(path, "x")):
        with pytest.raises(BootstrapError, match="not an ordinary file"):
            attempt(Path(name))
    assert not Path(os.devnull).is_file()


@posix
def test_a_file_where_a_folder_should_be(tmp_path: Path) -> None:
    (tmp_path / "f").touch()
    for attempt in (files.read_text, files.check_writable, lambda path: files.write_atomic(path, "x")):
        with pytest.raises(BootstrapError, match="Not a directory"):
            attempt(tmp_path / "f" / "g")


@posix
def test_a_new_file_and_its_folder_are_private(tmp_path: Path) -> None:
    path = tmp_path / "new" / "f"
    assert files.write_atomic(path, "a\r\nb\n")
    assert path.read_bytes() == b"a\r\nb\n"
    assert mode_of(path) == 0o600
    assert mode_of(path.parent) == 0o700


@posix
@pytest.mark.parametrize(("asked", "result"), [(None, 0o640), (0o600, 0o600)])
def test_mode_stays_unless_asked(tmp_path: Path, asked: int | None, result: int) -> None:
    path = tmp_path / "f"
    path.write_text("old")
    path.chmod(0o640)
    assert files.write_atomic(path, "new", mode=asked)
    assert mode_of(path) == result
    path.chmod(0o640)
    assert files.write_atomic(path, "new", mode=asked) == (asked is not None), "a mode is put right, too"
    assert mode_of(path) == result


@posix
def test_a_link_stays_a_link(tmp_path: Path) -> None:
    (tmp_path / "dotfiles").mkdir()
    target, link = tmp_path / "dotfiles" / "f", tmp_path / "f"
    link.symlink_to(target)
    for text in ("new file at its end", "changed"):
        assert files.write_atomic(link, text)
        assert link.is_symlink()
        assert target.read_text() == text
    files.remove(link)
    assert link.is_symlink()
    assert not target.exists()


def test_unchanged_text_is_not_written(tmp_path: Path) -> None:
    path = tmp_path / "f"
    path.write_bytes(b"same\r\n")
    os.utime(path, (1, 1))
    before = path.stat()
    assert not files.write_atomic(path, "same\r\n")
    after = path.stat()
    assert (before.st_ino, before.st_mtime) == (after.st_ino, after.st_mtime)


@posix
def test_check_sees_the_finished_private_file_beside_its_target(tmp_path: Path) -> None:
    path = tmp_path / "f"
    path.write_text("old")
    path.chmod(0o644)
    seen: list[tuple[str, int, Path]] = []
    files.write_atomic(
        path,
        "new",
        check=lambda temporary: seen.append((temporary.read_text(), mode_of(temporary), temporary.parent)),
    )
    assert seen == [("new", 0o600, tmp_path)]


@pytest.mark.parametrize("failure", [ConfigError("no"), OSError(28, "No space left on device"), KeyboardInterrupt()])
def test_a_failure_leaves_the_old_file_and_nothing_else(tmp_path: Path, failure: BaseException) -> None:
    path = tmp_path / "f"
    path.write_text("old")

    def check(temporary: Path) -> None:
        raise failure

    with pytest.raises((BootstrapError, KeyboardInterrupt)):
        files.write_atomic(path, "new", check=check)
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


@posix
def test_a_read_only_folder(unprivileged: Path) -> None:
    path = unprivileged / "f"
    path.write_text("old")
    unprivileged.chmod(0o500)
    for target in (path, unprivileged / "new", unprivileged / "deep" / "er" / "new"):
        with pytest.raises(BootstrapError, match="Permission denied") as caught:
            files.check_writable(target, hint="try elsewhere")
        assert str(target) in caught.value.message
        assert caught.value.hint == "try elsewhere"
        with pytest.raises(BootstrapError, match="Permission denied"):
            files.write_atomic(target, "new")
    with pytest.raises(BootstrapError, match="Permission denied"):
        files.remove(path)
    assert path.read_text() == "old"
    assert list(unprivileged.iterdir()) == [path]


@posix
def test_a_read_only_file(unprivileged: Path) -> None:
    path = unprivileged / "f"
    path.write_text("old")
    path.chmod(0o400)
    with pytest.raises(BootstrapError, match="Permission denied"):
        files.check_writable(path)
    with pytest.raises(BootstrapError, match="Permission denied"):
        files.write_atomic(path, "new")
    assert path.read_text() == "old"
    path.chmod(0o200)
    with pytest.raises(BootstrapError, match=r"cannot be read: Permission denied"):
        files.read_text(path)


def test_check_writable_leaves_no_trace(tmp_path: Path) -> None:
    path = tmp_path / "f"
    path.write_text("old")
    os.utime(path, (1, 1))
    files.check_writable(path)
    files.check_writable(tmp_path / "a" / "b")
    assert list(tmp_path.iterdir()) == [path]
    assert path.stat().st_mtime == 1


@pytest.mark.skipif(os.name == "nt" or os.geteuid() != 0, reason="only root writes other people's files")
def test_somebody_elses_file_stays_theirs(tmp_path: Path) -> None:
    path = tmp_path / "f"
    path.write_text("old")
    os.chown(path, 65534, 65534)
    files.write_atomic(path, "new")
    assert (path.stat().st_uid, path.stat().st_gid) == (65534, 65534)


def test_remove(tmp_path: Path) -> None:
    folder = tmp_path / "d"
    folder.mkdir()
    (folder / "f").touch()
    (folder / "g").touch()
    files.remove(folder / "f", and_empty_parent=True)
    assert folder.exists()
    files.remove(folder / "g")
    assert folder.exists()
    files.remove(folder / "g", and_empty_parent=True)
    assert not folder.exists()


def test_naming_puts_the_path_in_front() -> None:
    with pytest.raises(ConfigError) as caught, files.naming(Path("f")):
        raise ConfigError("line 3: oops", hint="mend it")
    assert (caught.value.message, caught.value.hint) == ("f, line 3: oops", "mend it")


HOLD = """
import sys
from pathlib import Path
from bootstrap.adapters import files
with files.locked(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


@posix
def test_another_process_waits_by_whatever_name_it_knows_the_file(tmp_path: Path) -> None:
    path, link = tmp_path / "f", tmp_path / "link"
    link.symlink_to(path)
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(BootstrapError, match="Another bootstrap"), files.locked(link, timeout=0.1):
            pass
        with files.locked(tmp_path / "other", timeout=0.1):
            pass
        holder.communicate("")
    with files.locked(link, timeout=5):
        pass
    assert sorted(tmp_path.iterdir()) == [link, tmp_path / "state"], "no lock file beside the user's own"


def test_a_lock_goes_when_the_work_fails(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="mine"), files.locked(tmp_path / "f"):
        raise OSError("mine")
    with files.locked(tmp_path / "f", timeout=0.1):
        pass


def test_locks_move_to_the_temporary_folder_when_the_state_folder_cannot_be_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "state").write_text("in the way")
    monkeypatch.setattr(platformdirs, "user_state_path", lambda name: tmp_path / "state" / name)
    (tmp_path / "tmp").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "tmp"))
    with files.locked(tmp_path / "f"):
        assert len(list((tmp_path / "tmp").glob("bootstrap-locks-*/*.lock"))) == 1
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "state"))
    with pytest.raises(BootstrapError, match="No lock"), files.locked(tmp_path / "f"):
        pass
