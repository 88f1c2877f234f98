"""One profile comes and goes in files that botocore itself, and the AWS CLI, read and write."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import botocore.session
import pytest

from bootstrap.adapters.aws_profile import AwsFiles
from bootstrap.errors import BootstrapError, ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

NAME, OWNER = "demo-stag", "demo/stag"
KEY_ID, SECRET = "AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG=bPxRfiCYEXAMPLEKEY"
CONFIG = "# mine\n[default]\nregion = us-east-1 # really\n\n[profile work]\ns3 =\n    a = path\n; end\n"
CREDENTIALS = "[default]\naws_access_key_id = AKIAI44QH8DHBEXAMPLE\naws_secret_access_key = mine\n\n[work]\nx = y"


@pytest.fixture(autouse=True)
def aws(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AwsFiles:
    found = AwsFiles.of({}, tmp_path)
    for variable in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(variable)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(found.config))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(found.credentials))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    return found


def fill(aws: AwsFiles, config: str = CONFIG, credentials: str = CREDENTIALS) -> None:
    aws.config.parent.mkdir(exist_ok=True)
    aws.config.write_bytes(config.encode())
    aws.credentials.write_bytes(credentials.encode())


def write(
    aws: AwsFiles, name: str = NAME, owner: str = OWNER, secret: str = SECRET, endpoint: str | None = None
) -> list[Path]:
    return aws.write(
        name, owner, region="eu-west-1", access_key_id=KEY_ID, secret_access_key=secret, endpoint_url=endpoint
    )


def content(aws: AwsFiles) -> list[bytes | None]:
    return [path.read_bytes() if path.exists() else None for path in (aws.config, aws.credentials)]


def seen(profile: str) -> tuple[dict[str, Any], tuple[str, str] | None]:
    """Return what botocore makes of a profile."""
    session = botocore.session.Session(profile=profile)
    credentials = session.get_credentials()
    pair = (credentials.access_key, credentials.secret_key) if credentials else None
    return dict(session.get_scoped_config()), pair


def refused(aws: AwsFiles, message: str) -> ConfigError:
    """Assert that `check` and `write` say the same, show no key, and leave every byte."""
    before = content(aws)
    with pytest.raises(ConfigError, match=message) as checked:
        aws.check(NAME, OWNER)
    with pytest.raises(ConfigError) as written:
        write(aws)
    assert (checked.value.message, checked.value.hint) == (written.value.message, written.value.hint)
    assert content(aws) == before
    assert SECRET not in checked.value.message + checked.value.hint
    assert checked.value.__suppress_context__
    return checked.value


def test_files_are_where_aws_tools_look(tmp_path: Path) -> None:
    home = tmp_path / "home"
    assert AwsFiles.of({}, home) == AwsFiles(home / ".aws" / "config", home / ".aws" / "credentials")
    assert AwsFiles.of(
        {
            "AWS_CONFIG_FILE": "~/c",
            "AWS_SHARED_CREDENTIALS_FILE": "$COURSE/${MINE}/$NOT",
            "COURSE": "/c",
            "MINE": "m",
        },
        home,
    ) == AwsFiles(home / "c", Path("/c/m/$NOT"))
    assert AwsFiles.of({"AWS_CONFIG_FILE": ""}, home).config == home / ".aws" / "config"


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
@pytest.mark.parametrize("endpoint", [None, "http://127.0.0.1:5000"])
def test_round_trip_through_botocore(aws: AwsFiles, newline: str, endpoint: str | None) -> None:
    fill(aws, CONFIG.replace("\n", newline), CREDENTIALS.replace("\n", newline))
    before, work = content(aws), seen("work")
    aws.check(NAME, OWNER)
    assert write(aws, endpoint=endpoint) == [aws.credentials, aws.config]
    key = {"aws_access_key_id": KEY_ID, "aws_secret_access_key": SECRET}
    wanted = {"region": "eu-west-1"} | ({"endpoint_url": endpoint} if endpoint else {})
    settings, pair = seen(NAME)
    assert (settings, pair) == (wanted | key, (KEY_ID, SECRET))
    assert seen("work") == work
    assert aws.read_key(NAME, OWNER) == (KEY_ID, SECRET)
    assert aws.endpoint(NAME, OWNER) == endpoint
    assert aws.owner_of(NAME) == OWNER
    aws.check(NAME, OWNER)
    assert write(aws, endpoint=endpoint) == []
    assert aws.remove(NAME, OWNER) == [aws.credentials, aws.config]
    assert content(aws) == before
    assert aws.remove(NAME, OWNER) == []


def test_files_and_folder_of_ours_go_again(aws: AwsFiles, tmp_path: Path) -> None:
    aws.check(NAME, OWNER)
    assert not aws.config.parent.exists()
    assert (aws.read_key(NAME, OWNER), aws.endpoint(NAME, OWNER), aws.owner_of(NAME)) == (None, None, None)
    write(aws)
    write(aws, "demo-prod", "demo/prod")
    assert aws.remove(NAME, OWNER) == [aws.credentials, aws.config]
    assert aws.read_key("demo-prod", "demo/prod") == (KEY_ID, SECRET)
    aws.remove("demo-prod", "demo/prod")
    assert not aws.config.parent.exists()
    assert tmp_path.exists()


def test_a_folder_that_the_user_chose_stays(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    aws = AwsFiles(tmp_path / "mine" / "c", tmp_path / "mine" / "k")
    write(aws)
    aws.remove(NAME, OWNER)
    assert list((tmp_path / "mine").iterdir()) == []


def test_a_new_key_and_endpoint_replace_the_old(aws: AwsFiles) -> None:
    fill(aws)
    write(aws, endpoint="http://127.0.0.1:5000")
    assert write(aws, secret="rotated", endpoint="http://127.0.0.1:5000") == [aws.credentials]
    assert write(aws, secret="rotated") == [aws.config]
    assert aws.endpoint(NAME, OWNER) is None
    assert seen(NAME)[1] == (KEY_ID, "rotated")


def test_both_files_may_be_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one = tmp_path / "one"
    one.write_text(CONFIG)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(one))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(one))
    aws = AwsFiles(one, one)
    assert write(aws, endpoint="http://127.0.0.1:5000") == [one]
    assert seen(NAME)[1] == (KEY_ID, SECRET)
    assert aws.read_key(NAME, OWNER) == (KEY_ID, SECRET)
    assert aws.endpoint(NAME, OWNER) == "http://127.0.0.1:5000"
    assert write(aws, endpoint="http://127.0.0.1:5000") == []
    assert aws.remove(NAME, OWNER) == [one]
    assert one.read_text() == CONFIG


@pytest.mark.skipif(os.name == "nt", reason="mode bits and links as POSIX has them")
def test_modes_and_links(aws: AwsFiles, tmp_path: Path) -> None:
    fill(aws)
    dotfile = tmp_path / "dotfile"
    aws.credentials.rename(dotfile)
    aws.credentials.symlink_to(dotfile)
    for path in (aws.config, dotfile):
        path.chmod(0o644)
    write(aws)
    assert stat.S_IMODE(aws.config.stat().st_mode) == 0o644
    assert stat.S_IMODE(dotfile.stat().st_mode) == 0o600
    assert aws.credentials.is_symlink()
    dotfile.chmod(0o644)
    assert write(aws) == [aws.credentials]
    assert stat.S_IMODE(dotfile.stat().st_mode) == 0o600
    aws.remove(NAME, OWNER)
    assert aws.credentials.is_symlink()
    assert dotfile.read_text() == CREDENTIALS


UNREADABLE = {
    "byte-order mark": ("\ufeff[default]\n".encode(), 1),
    "latin-1": (b"[default]\n# caf\xe9\n", 2),
    "section twice": (b"[a]\n[b]\n\n[a]\n", 4),
    "key twice": (b"[a]\nx = 1\nX: 2\n", 3),
    "no section yet": (f"\n{SECRET}\n".encode(), 2),
    "neither key nor section": (b"[a]\nx = 1\n\nwJalrXUtnFEMI\n[b]\n", 4),
    "nested value without a value": (b"[a]\nb = c\ns3 =\n  x = 1\n  wJalrXUtnFEMI\n", 5),
    "marker without its pair": (b"[a]\n\n# <<< bootstrap demo/stag <<<\n", 3),
}


@pytest.mark.parametrize("which", ["config", "credentials"])
@pytest.mark.parametrize(("data", "line"), UNREADABLE.values(), ids=UNREADABLE)
def test_a_bad_file_is_named_by_line_and_left_alone(aws: AwsFiles, which: str, data: bytes, line: int) -> None:
    fill(aws)
    path: Path = getattr(aws, which)
    path.write_bytes(data)
    error = refused(aws, f", line {line}: ")
    assert error.message.startswith(f"{path}, ")
    assert "wJalr" not in error.message


@pytest.mark.parametrize("data", [b"[a]\n[a]\n", b"\xff"])
def test_remove_leaves_a_file_alone_that_it_cannot_check(aws: AwsFiles, data: bytes) -> None:
    write(aws)
    with aws.config.open("ab") as stream:
        stream.write(data)
    before = content(aws)
    with pytest.raises(ConfigError, match=r"config, line \d"):
        aws.remove(NAME, OWNER)
    assert content(aws) == before


@pytest.mark.skipif(os.name == "nt", reason="encoding by locale as POSIX has it")
def test_an_encoding_that_lacks_a_character() -> None:
    with tempfile.TemporaryDirectory() as name:
        path = Path(name, "c")
        path.write_bytes("[a]\n# é\n".encode())
        script = (
            "import sys; from pathlib import Path; from bootstrap.adapters.aws_profile import AwsFiles\n"
            "AwsFiles(Path(sys.argv[1]), Path(sys.argv[1])).check('n', 'o/p')"
        )
        environment = dict(os.environ, LC_ALL="C", PYTHONCOERCECLOCALE="0", PYTHONUTF8="0")
        run = subprocess.run(
            [sys.executable, "-c", script, str(path)],
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert f"ConfigError: {path}, line 2: a character that this system's encoding (ascii) lacks" in run.stderr


@pytest.mark.parametrize(
    ("config", "credentials", "place"),
    [
        ('\n[profile "demo-stag"]\n', "", r"config, line 2"),
        ("[profile demo-stag]\n", "", r"config, line 1"),
        ("", "[a]\n[ demo-stag ]\n", r"credentials, line 2"),
    ],
)
def test_a_profile_that_the_user_wrote_is_never_touched(
    aws: AwsFiles, config: str, credentials: str, place: str
) -> None:
    fill(aws, config, credentials)
    error = refused(aws, place)
    assert "is your own" in error.message
    assert "`project`" in error.hint
    assert aws.owner_of(NAME) is None
    assert aws.remove(NAME, OWNER) == []


def test_a_member_may_choose_another_name(aws: AwsFiles) -> None:
    fill(aws, "", "[demo-stag]\nx = y\n")
    for owner, hint in ((OWNER, "Rename that section"), (f"{OWNER}/ana", "add --profile NAME")):
        with pytest.raises(ConfigError, match="is your own") as caught:
            aws.check(NAME, owner)
        assert hint in caught.value.hint
    aws.credentials.unlink()
    write(aws)
    with pytest.raises(ConfigError, match=f"belongs to the environment {OWNER}") as caught:
        aws.check(NAME, f"{OWNER}/ana")
    assert "add --profile NAME" in caught.value.hint


def test_which_profile_somebody_has(aws: AwsFiles) -> None:
    assert aws.name_of(OWNER) is None
    write(aws)
    assert aws.name_of(OWNER) == NAME
    assert aws.name_of(f"{OWNER}/ana") is None
    aws.credentials.unlink()
    assert aws.name_of(OWNER) == NAME


def test_two_environments_whose_profiles_have_one_name(aws: AwsFiles) -> None:
    write(aws, "a-b-c", "a-b/c")
    assert aws.owner_of("a-b-c") == "a-b/c"
    with pytest.raises(ConfigError, match=r"credentials, line 2: .* belongs to the environment a-b/c"):
        aws.check("a-b-c", "a/b-c")
    with pytest.raises(ConfigError, match="belongs to"):
        write(aws, "a-b-c", "a/b-c")
    assert aws.read_key("a-b-c", "a/b-c") is None
    assert aws.remove("a-b-c", "a/b-c") == []


def test_a_nested_value_is_no_profile(aws: AwsFiles) -> None:
    fill(aws, "[profile work]\nnote =\n    [profile demo-stag] = x\n# [profile demo-stag]\n", "")
    before = content(aws)
    write(aws)
    aws.remove(NAME, OWNER)
    assert content(aws) == before


def test_settings_that_the_aws_cli_adds_stay_and_go_with_the_profile(aws: AwsFiles) -> None:
    pytest.importorskip("awscli")
    fill(aws, CONFIG.rstrip("\n"))
    before = content(aws)
    write(aws)
    for key, value, profile in (
        ("output", "json", NAME),
        ("s3.max_queue_size", "7", NAME),
        ("output", "text", "work"),
    ):
        subprocess.run(
            [sys.executable, "-m", "awscli", "configure", "set", key, value, "--profile", profile], check=True
        )
    added = {"output": "json", "s3": {"max_queue_size": "7"}}
    assert seen(NAME)[0].items() >= added.items()
    assert write(aws, secret="rotated") == [aws.credentials, aws.config]
    assert write(aws, secret="rotated") == []
    settings, pair = seen(NAME)
    assert settings.items() >= added.items()
    assert pair == (KEY_ID, "rotated")
    aws.remove(NAME, OWNER)
    assert aws.config.read_bytes().decode() == CONFIG.rstrip("\n").replace("; end", "output = text\n; end"), (
        "and what it set elsewhere stays"
    )
    assert aws.credentials.read_bytes() == before[1]


def test_a_session_token_goes_with_its_key_and_other_settings_stay(aws: AwsFiles) -> None:
    write(aws)
    aws.credentials.write_text(
        aws.credentials.read_text().replace("\n# <<<", "\naws_session_token = old\ncolour = red\n# <<<")
    )
    write(aws, secret="rotated")
    assert "old" not in aws.credentials.read_text()
    assert seen(NAME)[0]["colour"] == "red"


@pytest.mark.parametrize("start", ["", CONFIG])
def test_somebody_elses_section_inside_our_block_is_not_lost(aws: AwsFiles, start: str) -> None:
    fill(aws, start)
    write(aws)
    aws.config.write_text(aws.config.read_text().replace("\n# <<<", "\n[profile mine]\nregion = x\n# <<<"))
    before = content(aws)
    line = start.count("\n") + 1
    attempts: list[Callable[[], object]] = [
        lambda: write(aws, endpoint="http://x"),
        lambda: aws.remove(NAME, OWNER),
    ]
    for attempt in attempts:
        with pytest.raises(ConfigError, match=f"config, line {line}: the block of bootstrap demo/stag"):
            attempt()
        assert aws.config.read_bytes() == before[0]


def test_our_own_file_is_not_removed_with_somebody_elses_section_inside(aws: AwsFiles) -> None:
    write(aws)
    aws.config.write_text(aws.config.read_text().replace("\n# <<<", "\n[profile mine]\nregion = x\n# <<<"))
    with pytest.raises(ConfigError, match="config, line 1: "):
        aws.remove(NAME, OWNER)
    assert "[profile mine]" in aws.config.read_text()


@pytest.mark.parametrize("start", ["", CONFIG])
def test_keys_further_below_would_fall_to_another_section(aws: AwsFiles, start: str) -> None:
    fill(aws, start)
    write(aws)
    with aws.config.open("a") as stream:
        stream.write("\n# my note\noutput = json\n")
    before = aws.config.read_bytes()
    with pytest.raises(ConfigError, match="without changing another section"):
        aws.remove(NAME, OWNER)
    assert aws.config.read_bytes() == before


@pytest.fixture
def unprivileged(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The home of somebody who is not root, and the test runs as them: root may write anything."""
    with tempfile.TemporaryDirectory() as name:
        home = Path(name)
        monkeypatch.setenv("XDG_STATE_HOME", name)
        root = os.geteuid() == 0
        if root:
            os.chown(home, 65534, 65534)
            os.seteuid(65534)
        try:
            yield home
        finally:
            if root:
                os.seteuid(0)
            (home / ".aws").chmod(0o700)


@pytest.mark.skipif(os.name == "nt", reason="mode bits as POSIX has them")
@pytest.mark.parametrize("what", [".aws", ".aws/config"])
def test_read_only_is_found_before_anything_is_made(unprivileged: Path, what: str) -> None:
    aws = AwsFiles.of({}, unprivileged)
    fill(aws)
    before = content(aws)
    (unprivileged / what).chmod(0o500)
    variable = "AWS_SHARED_CREDENTIALS_FILE" if what == ".aws" else "AWS_CONFIG_FILE"
    with pytest.raises(BootstrapError, match="Permission denied") as caught:
        aws.check(NAME, OWNER)
    assert variable in caught.value.hint
    with pytest.raises(BootstrapError, match="Permission denied"):
        write(aws)
    assert content(aws) == before, "not one of the two was written"


WRITER = """
import sys
from pathlib import Path
from bootstrap.adapters.aws_profile import AwsFiles
aws, me = AwsFiles.of({}, Path(sys.argv[1])), sys.argv[2]
for number in range(12):
    aws.write(f"{me}-{number}", f"{me}/{number}", region="r", access_key_id=me, secret_access_key="s",
              endpoint_url=None)
    if number % 3 == 0:
        aws.remove(f"{me}-{number}", f"{me}/{number}")
"""


def test_two_processes_lose_nothing_of_each_other(aws: AwsFiles, tmp_path: Path) -> None:
    fill(aws)
    before = content(aws)
    writers = [subprocess.Popen([sys.executable, "-c", WRITER, str(tmp_path), me]) for me in ("one", "two")]
    assert [writer.wait(timeout=120) for writer in writers] == [0, 0]
    for me in ("one", "two"):
        for number in range(12):
            expected = None if number % 3 == 0 else (me, "s")
            assert aws.read_key(f"{me}-{number}", f"{me}/{number}") == expected
            aws.remove(f"{me}-{number}", f"{me}/{number}")
    assert content(aws) == before
