"""The main job: up, use, look, mend and down on the local target, with the real programs."""

from __future__ import annotations

import re
import stat
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from bootstrap.core.record import OUTPUT_KEYS

from .course import ACCOUNT, Course, Done, argv_of, laptop
from .known_secrets import found_in, places_of, secrets_on

pytestmark = pytest.mark.e2e

# What people have there: comments, CRLF, a nested value, no newline at the end.
THEIR_CONFIG = (
    b"# of the company, do not touch\r\n[default]\r\nregion = eu-west-1\r\n\r\n"
    b"[profile work]\r\n; nested\r\ns3 =\r\n  max_concurrent_requests = 4\r\n  addressing_style = path"
)
THEIR_CREDENTIALS = (
    b"[default]\naws_access_key_id = AKIAIOSFODNN7EXAMPLE\naws_secret_access_key = theirs-and-nobody-elses\n\n"
    b"# old laptop\n[work]\naws_access_key_id=AKIAIOSFODNN7EXAMPLE\naws_secret_access_key=theirs-too\n"
)
FOLDERS = ["dataset/", "dvc/", "members/", "mlflow/"]


def next_lines(done: Done) -> list[str]:
    """Return the command lines that `up` printed to be typed next."""
    return [line.strip() for line in done.out.partition("\nNext:\n")[2].splitlines()]


def aws_files(course: Course) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted((course.home / ".aws").iterdir())}


@pytest.fixture(scope="module")
def laptop_with_profiles(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Course]:
    with laptop(tmp_path_factory.mktemp("main")) as course:
        (course.home / ".aws").mkdir()
        (course.home / ".aws" / "config").write_bytes(THEIR_CONFIG)
        (course.home / ".aws" / "credentials").write_bytes(THEIR_CREDENTIALS)
        yield course


@pytest.fixture(scope="module")
def first(laptop_with_profiles: Course) -> tuple[Done, set[str]]:
    """Return what the first `up` said, and every command line that it ran."""
    argv: set[str] = set()
    started = laptop_with_profiles.begin("up", "--env", "stag", "--local", "--yes")
    while not started.ended:
        argv |= {" ".join(argv_of(child)) for child in started.children()}
        time.sleep(0.05)
    return started.wait(), argv


class TestMainJob:
    """One environment, beside profiles that the user had before."""

    @pytest.fixture
    def course(self, laptop_with_profiles: Course, first: tuple[Done, set[str]]) -> Course:
        """Return the laptop with `stag` up, whatever the test before this one did."""
        assert first[0].code == 0, first[0].said
        if not (laptop_with_profiles.work / "envs" / "stag" / "record.json").is_file():
            laptop_with_profiles.up()
        return laptop_with_profiles

    def test_up_tells_what_there_is_now(self, first: tuple[Done, set[str]]) -> None:
        done, _ = first
        assert done.code == 0, done.said
        assert "'stag' is up on this laptop" in done.out
        assert f"course--stag--{ACCOUNT}" in done.out
        assert "No bootstrap.toml here: using project 'course'" in done.err
        assert len(next_lines(done)) == 3

    def test_its_next_lines_work_as_printed(self, course: Course, first: tuple[Done, set[str]]) -> None:
        listing, push, run = next_lines(first[0])
        listed = course.bash(listing).out
        assert re.findall(r"PRE (\S+)", listed) == FOLDERS
        pushed = course.bash(push)
        assert "1 file pushed" in pushed.out, pushed.said
        course.bash(run)

        (artifact,) = [key for key in course.keys(course.bucket, "mlflow/") if key.endswith("/artifacts/hello.txt")]
        body = course.operator().client("s3").get_object(Bucket=course.bucket, Key=artifact)["Body"].read()
        assert body == b"hello"

        course.run("git", "add", "--all")
        course.run("git", "commit", "--quiet", "--message", "data")
        clone = course.folder.with_name("clone")
        course.run("git", "clone", "--quiet", str(course.folder), str(clone))
        assert not (clone / "hello.txt").exists()
        course.run("dvc", "--cd", str(clone), "pull")
        assert (clone / "hello.txt").read_text() == "hello\n"

    def test_a_second_up_changes_nothing_even_with_the_settings_loaded(self, course: Course) -> None:
        before = course.snapshot()
        done = course.bash("set -a; . ./.env; set +a; bootstrap up --env stag --local --yes")
        assert done.out.startswith("No changes: 'stag' is up on this laptop")
        assert course.snapshot() == before

    def test_output_is_one_json_object_without_a_secret(self, course: Course) -> None:
        done = course.bootstrap("output", "--env", "stag", "--json")
        found = done.json()
        assert set(found) == set(OUTPUT_KEYS)
        assert len(found) == 12
        assert found["target"] == "local"
        assert found["account_id"] == ACCOUNT
        assert found["bucket"] == course.bucket
        assert found["aws_profile"] == "course-stag"
        assert found["mlflow_tracking_uri"] == course.dotenv()["MLFLOW_TRACKING_URI"]
        assert found_in(secrets_on(course), {"standard output": done.out.encode()}) == set()

    def test_status(self, course: Course) -> None:
        done = course.bootstrap("status")
        header, row = done.out.splitlines()
        assert header.split()[:3] == ["ENVIRONMENT", "STATE", "TARGET"]
        assert row.split()[:5] == ["stag", "up", "local", course.bucket, "1"]
        assert "(healthy)" in row
        found = course.bootstrap("status", "--env", "stag", "--json").json()
        (one,) = found["environments"]
        assert (one["env"], one["state"], one["mlflow_healthy"], one["drift"]) == ("stag", "up", True, None)

    def test_drift_is_seen_and_mended(self, course: Course) -> None:
        course.operator().client("s3").put_bucket_versioning(
            Bucket=course.bucket, VersioningConfiguration={"Status": "Suspended"}
        )
        (seen,) = course.bootstrap("status", "--drift", "--json").json()["environments"]
        assert [line for line in seen["drift"] if line.startswith("update: versioning")], seen
        done = course.up()
        assert "versioning of the bucket" in done.err
        versioning = course.operator().client("s3").get_bucket_versioning(Bucket=course.bucket)
        assert versioning["Status"] == "Enabled"

    def test_no_secret_is_anywhere_but_where_it_belongs(self, course: Course, first: tuple[Done, set[str]]) -> None:
        course.run("git", "add", "--all")
        secrets = secrets_on(course)
        places = places_of(course, course.operator()) | {f"a command line: {argv}": argv.encode() for argv in first[1]}
        assert any(argv.startswith("a command line") and "mlflow server" in argv for argv in places)
        assert any(".tfstate?" in place for place in places)
        mlflow = course.work / "envs" / "stag" / "mlflow"
        credentials = course.home / ".aws" / "credentials"
        found = found_in(secrets, places)
        assert found == {
            # The first two are the user's own, from before.
            ("default: aws_secret_access_key of credentials", str(credentials)),
            ("work: aws_secret_access_key of credentials", str(credentials)),
            ("course-stag: aws_secret_access_key of credentials", str(credentials)),
            ("MLFLOW_TRACKING_PASSWORD of .env", str(course.folder / ".env")),
            ("mlflow: admin_password of stag", str(mlflow / "basic_auth.ini")),
            ("what signs MLflow's sessions of stag", str(mlflow / "flask_secret_key")),
            ("the operator's key", str(course.work / "local" / "operator.json")),
        }
        assert {name for name, _ in found} == set(secrets)
        assert {stat.S_IMODE(Path(place).stat().st_mode) for _, place in found} == {0o600}
        assert stat.S_IMODE(mlflow.stat().st_mode) == 0o700

    def test_git_never_sees_the_settings(self, course: Course) -> None:
        listed = course.run("git", "status", "--porcelain", "--untracked-files=all").out
        assert ".env" not in listed
        assert ".bootstrap/" not in listed
        assert "/.env" in (course.folder / ".gitignore").read_text().splitlines()

    def test_down_leaves_everything_as_it_was(self, course: Course) -> None:
        done = course.bootstrap("down", "--env", "stag", "--yes")
        assert "nothing of it is left" in done.out
        assert aws_files(course) == {"config": THEIR_CONFIG, "credentials": THEIR_CREDENTIALS}
        assert not (course.folder / ".env").exists()
        assert not course.work.exists()
        assert course.run("dvc", "remote", "list").out == ""
        assert course.argv_of_processes() == []


@pytest.mark.by_turns
def test_two_environments_come_up_at_once_and_go_one_by_one(course: Course) -> None:
    environments = ("stag", "devl")
    text = f'project = "{course.name}"\n[environments.stag.mlflow]\nkind = "none"\n[environments.devl]\n'
    (course.folder / "bootstrap.toml").write_text(text)
    running = [course.begin("up", "--env", env, "--local", "--yes", "--json") for env in environments]
    for env, started in zip(environments, running, strict=True):
        done = started.wait()
        assert done.code == 0, done.said
        assert done.json()["output"]["env"] == env
    config = course.folder / ".dvc" / "config"
    assert all(f"s3://{course.bucket_of(env)}/dvc/ci" in config.read_text() for env in environments)
    assert course.profiles() == ["course-devl", "course-stag"]
    emulator = course.emulator()

    course.bootstrap("down", "--env", "stag", "--yes")
    assert course.emulator() == emulator
    assert sorted(course.buckets()) == [course.bucket_of("devl"), course.state_bucket]
    assert course.users("stag") == []
    assert [key for key in course.keys(course.state_bucket) if key.startswith("stag/")] == []
    assert course.profiles() == ["course-devl"]
    assert '"stag"' not in config.read_text()
    assert course.run("dvc", "remote", "default").out == "devl\n"
    assert "autostage = true" in config.read_text()
    assert course.dotenv()["AWS_PROFILE"] == "course-devl"

    (seen,) = course.bootstrap("status", "--env", "devl", "--json").json()["environments"]
    assert (seen["state"], seen["mlflow_healthy"]) == ("up", True)
    (course.folder / "data.txt").write_text("more\n")
    course.run("dvc", "add", "data.txt")
    course.run("dvc", "push", "--remote", "devl")
    pushed = [key for key in course.keys(course.bucket_of("devl"), "dvc/ci/") if "/files/" in key]
    assert pushed

    course.bootstrap("down", "--env", "devl", "--keep-data", "--yes")
    (course.folder / "bootstrap.toml").write_text(text + '[environments.devl.mlflow]\nkind = "none"\n')
    assert course.buckets() == [course.bucket_of("devl")]
    assert course.users("devl") == []
    (seen,) = course.bootstrap("status", "--env", "devl", "--json").json()["environments"]
    (kept,) = seen["kept"]
    assert (seen["state"], kept["bucket"]) == ("down", course.bucket_of("devl"))
    assert kept["command"] == "bootstrap sweep --env devl --local --delete"
    course.up("devl")
    assert [key for key in course.keys(course.bucket_of("devl"), "dvc/ci/") if "/files/" in key] == pushed

    course.bootstrap("down", "--all", "--yes")
    assert config.read_text().strip() == ""
    assert not (course.home / ".aws").exists()
    assert not (course.folder / ".env").exists()
    assert not course.work.exists()
    assert course.argv_of_processes() == []
    assert "'devl' is gone: it was taken down on" in course.bootstrap("history", "--env", "devl").out
    assert "(kept)" not in course.bootstrap("status").out
