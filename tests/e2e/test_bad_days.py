"""What people meet: each time a message that names the thing and the next step, and nothing lost."""

from __future__ import annotations

import os
import re
import shutil
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from .course import Course, Done, ended, laptop

pytestmark = pytest.mark.e2e

CONFIG = 'project = "course"\n'
UP = ("up", "--env", "stag", "--local", "--yes")
ON_AWS = ("up", "--env", "stag", "--yes")


def refused(course: Course, *words: str, code: int = 1, **variables: str | None) -> str:
    """Run a command that has to fail well: nothing of the user's changed, nothing left running. Returns the message."""
    before, running = course.snapshot(), course.argv_of_processes()
    done = course.bootstrap(*words, code=code, **variables)
    assert course.snapshot() == before
    assert course.argv_of_processes() == running
    assert done.out == ""
    message = done.err[done.err.index("Error: ") :]
    # On a line of its own, or in what bootstrap.toml's messages propose to write.
    assert re.search(r"\n  → |; write |; did you mean ", message), f"no next step: {message}"
    return message


def write(path: Path, text: str, mode: int = 0o644) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(mode)
    return path


def closed_port() -> int:
    """Return a port on loopback where nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def taken(*ports: int) -> Iterator[None]:
    """Listen on ports as another program would."""
    listeners = [socket.socket() for _ in ports]
    try:
        for listener, port in zip(listeners, ports, strict=True):
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(("127.0.0.1", port))
            listener.listen()
        yield
    finally:
        for listener in listeners:
            listener.close()


def path_without_terraform(course: Course) -> str:
    """Return a PATH with git on it and nothing else."""
    folder = course.folder.parent / "bin"
    folder.mkdir()
    git = shutil.which("git")
    assert git is not None
    (folder / "git").symlink_to(git)
    return str(folder)


class TestConfiguration:
    def test_an_environment_that_is_not_in_the_file(self, course: Course) -> None:
        write(course.folder / "bootstrap.toml", CONFIG + "[environments.devl]\n[environments.prod]\n")
        message = refused(course, *UP)
        assert "'stag'" in message
        assert "devl, prod" in message

    def test_toml_that_is_none(self, course: Course) -> None:
        write(course.folder / "bootstrap.toml", CONFIG + "region = us-east-1\n")
        message = refused(course, *UP)
        assert "bootstrap.toml:2:10: this is not TOML" in message

    def test_a_key_that_is_misspelt(self, course: Course) -> None:
        write(course.folder / "bootstrap.toml", CONFIG + "[environments.stag]\nexpire = 2030-01-01\n")
        message = refused(course, *UP)
        assert "bootstrap.toml:3: environments.stag.expire" in message
        assert "did you mean" in message.lower()
        assert "expires" in message

    def test_a_machine_for_mlflow_that_nobody_may_reach(self, course: Course) -> None:
        write(course.folder / "bootstrap.toml", CONFIG + '[environments.stag.mlflow]\nkind = "ec2"\n')
        message = refused(course, *ON_AWS)
        assert "bootstrap.toml:2: MLflow of 'stag' gets a machine of its own" in message
        assert 'allowed_cidrs = ["203.0.113.7/32"]' in message
        assert 'kind = "none"' in message


class TestTools:
    def test_no_terraform_and_no_network(self, course: Course) -> None:
        releases = f"http://127.0.0.1:{closed_port()}"
        message = refused(
            course,
            *UP,
            PATH=path_without_terraform(course),
            BOOTSTRAP_TERRAFORM=None,
            BOOTSTRAP_TERRAFORM_RELEASES=releases,
        )
        assert "Terraform is not on this machine" in message
        assert releases in message
        assert "BOOTSTRAP_TERRAFORM" in message

    def test_terraform_of_yesterday(self, course: Course) -> None:
        old = write(course.folder.parent / "old" / "terraform", "#!/bin/sh\necho Terraform v1.5.7\n", 0o755)
        message = refused(course, *UP, BOOTSTRAP_TERRAFORM=str(old))
        assert f"Terraform 1.5.7 at {old} is too old" in message
        assert "1.11" in message

    def test_a_mirror_that_is_none(self, course: Course) -> None:
        message = refused(course, *UP, BOOTSTRAP_TF_MIRROR=str(course.home))
        assert f"BOOTSTRAP_TF_MIRROR is {course.home}" in message
        assert "hashicorp/aws/5.100.0" in message

    def test_no_provider_and_no_way_to_one(self, course: Course) -> None:
        # Terraform as it answers without a network; the real one would wait for its timeouts.
        script = (
            '#!/bin/sh\n[ "$1" = version ] && echo Terraform v1.11.4 && exit\n'
            """echo '{"@level":"error","type":"diagnostic","diagnostic":{"severity":"error","""
            """"summary":"Failed to query available provider packages","detail":"could not connect to registry"}}'\n"""
            "exit 1\n"
        )
        fake = write(course.folder.parent / "fake" / "terraform", script, 0o755)
        done = course.bootstrap("plan", "--env", "stag", "--local", code=1, BOOTSTRAP_TERRAFORM=str(fake))
        if str(Path("/opt")) in done.err or "Looked in:" in done.err:
            assert "BOOTSTRAP_TF_MIRROR" in done.err
        else:  # a mirror is on this machine
            assert "Failed to query available provider packages" in done.err
        assert course.argv_of_processes() == []


class TestFilesOfTheUsers:
    def test_an_aws_config_that_no_tool_can_read(self, course: Course) -> None:
        config = write(course.home / ".aws" / "config", "[default]\nregion = eu-west-1\n[default]\noutput = json\n")
        message = refused(course, *UP)
        assert f"{config}, line 3" in message
        assert "[default]" in message

    def test_a_profile_of_the_same_name(self, course: Course) -> None:
        config = write(course.home / ".aws" / "config", "# mine\n[profile course-stag]\nregion = eu-west-1\n")
        message = refused(course, *UP)
        assert f"{config}, line 2" in message
        assert "[profile course-stag]" in message
        assert "Rename" in message

    def test_settings_that_git_tracks(self, course: Course) -> None:
        settings = write(course.folder / ".env", "DEBUG=1\n")
        course.run("git", "add", ".env")
        message = refused(course, *UP)
        assert f"{settings} is tracked by git" in message
        assert "git rm --cached .env" in message

    def test_a_dvc_remote_of_the_same_name(self, course: Course) -> None:
        course.run("dvc", "init", "--quiet")
        course.run("dvc", "remote", "add", "stag", "s3://somewhere-else")
        message = refused(course, *UP)
        assert str(course.folder / ".dvc" / "config") in message
        assert "dvc remote rename stag" in message

    def test_a_home_that_is_none(self, course: Course) -> None:
        home = write(course.home / "a-file", "not a folder\n")
        message = refused(course, *UP, HOME=str(home))
        assert str(home / ".aws") in message

    def test_a_home_that_cannot_be_written(self, course: Course) -> None:
        drop = ("setpriv", "--bounding-set=-dac_override,-dac_read_search")
        root = hasattr(os, "geteuid") and os.geteuid() == 0
        if root and shutil.which(drop[0]) is None:
            pytest.skip("root may write everywhere, and there is no setpriv to give that up with")
        before = course.snapshot()
        course.home.chmod(0o500)
        try:
            command = (str(Path(sys.executable).with_name("bootstrap")), *UP)
            done = ended(course.start(*(drop if root else ()), *command), 1)
        finally:
            course.home.chmod(0o700)
        assert f"{course.home / '.aws'}" in done.err
        assert "cannot be written: Permission denied" in done.err
        assert "AWS_SHARED_CREDENTIALS_FILE" in done.err
        assert course.snapshot() == before
        assert course.argv_of_processes() == []

    def test_a_folder_that_cannot_be_written(self, course: Course) -> None:
        drop = ("setpriv", "--bounding-set=-dac_override,-dac_read_search")
        root = hasattr(os, "geteuid") and os.geteuid() == 0
        if root and shutil.which(drop[0]) is None:
            pytest.skip("root may write everywhere, and there is no setpriv to give that up with")
        course.folder.chmod(0o500)
        try:
            command = (str(Path(sys.executable).with_name("bootstrap")), *UP)
            done = ended(course.start(*(drop if root else ()), *command), 1)
        finally:
            course.folder.chmod(0o700)
        assert str(course.folder) in done.err
        assert "cannot be written: Permission denied" in done.err
        assert list(course.home.iterdir()) == []


class TestAnswers:
    def test_nobody_there_to_answer(self, course: Course) -> None:
        assert "Add --yes." in refused(course, *UP[:-1], code=2)
        assert "Add --yes." in refused(course, "down", "--env", "stag", code=2)

    def test_no_credentials_on_aws(self, course: Course) -> None:
        config = write(course.folder / "bootstrap.toml", CONFIG + '[environments.stag]\nmlflow.kind = "none"\n')
        try:
            message = refused(course, *ON_AWS)
        finally:
            config.unlink()
        assert "There are no AWS credentials on this machine" in message
        assert "--local" in message
        assert "--profile" in message

    def test_nothing_is_up(self, course: Course) -> None:
        for words in (("output", "--env", "stag", "--json"), ("down", "--env", "stag", "--yes")):
            message = refused(course, *words)
            assert f"The environment 'stag' is not up in {course.folder}." in message
        assert course.bootstrap("status").out.startswith("Nothing is up here.")
        assert course.bootstrap("status", "--json").json() == {"project": "course", "environments": []}
        stopped = course.bootstrap("local", "stop").out
        assert stopped == "Nothing was running.\n"
        assert list(course.folder.iterdir()) == [course.folder / ".git"]


def emulator_port(done: Done) -> int:
    (emulator,) = done.json()["servers"]
    assert emulator["state"] == "running"
    return int(emulator["url"].rpartition(":")[2])


@pytest.fixture(scope="module")
def on_other_ports(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Course, range]]:
    """Return a laptop with `stag` up, and the ports it would have had if others had not listened there."""
    with laptop(tmp_path_factory.mktemp("ports")) as course:
        port = emulator_port(course.bootstrap("local", "start", "--json"))
        course.bootstrap("local", "stop", "--yes")
        ports = range(port, port + 11)  # MLflow's is one of the ten above
        with taken(*ports):
            assert emulator_port(course.bootstrap("local", "start", "--json")) not in ports
            course.up()
            yield course, ports


@pytest.mark.by_turns("beside others")
class TestUpBesideOthers:
    """An environment that came up while other programs listened on its ports."""

    @pytest.fixture
    def course(self, on_other_ports: tuple[Course, range]) -> Course:
        return on_other_ports[0]

    def test_it_moved_and_works(self, course: Course, on_other_ports: tuple[Course, range]) -> None:
        found = course.bootstrap("output", "--env", "stag", "--json").json()
        urls = (found["endpoint_url"], found["mlflow_tracking_uri"])
        ports = [int(url.rpartition(":")[2]) for url in urls]
        assert not {*ports} & {*on_other_ports[1]}
        listed = course.run("aws", "--profile", "course-stag", "s3", "ls", f"s3://{course.bucket}/").out
        assert "PRE dvc/" in listed

    def test_a_members_profile_administers_nothing(self, course: Course) -> None:
        config = write(course.folder / "bootstrap.toml", CONFIG + '[environments.prod]\nmlflow.kind = "none"\n')
        try:
            messages = (
                refused(course, "up", "--env", "prod", "--yes", AWS_PROFILE="course-stag"),
                refused(course, "up", "--env", "prod", "--yes", "--profile", "course-stag"),
            )
        finally:
            config.unlink()
        for message in messages:
            assert "'course-stag', the profile of a member of course/stag" in message
            assert "--profile" in message

    def test_it_is_up_on_this_laptop_and_not_on_aws(self, course: Course) -> None:
        message = refused(course, *ON_AWS)
        assert "'stag' is up on this laptop (--local), not on AWS." in message

    def test_another_environment_is_named_where_one_is_up(self, course: Course) -> None:
        assert "Up here: stag" in refused(course, "output", "--env", "prod")

    def test_what_is_protected_is_not_taken_down(self, course: Course) -> None:
        config = write(course.folder / "bootstrap.toml", CONFIG + "[environments.stag]\nprotected = true\n")
        try:
            message = refused(course, "down", "--env", "stag", "--yes")
        finally:
            config.unlink()
        assert "'stag' is protected." in message
        assert "Set protected = false at bootstrap.toml:3" in message
