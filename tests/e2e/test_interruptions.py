"""Killed, interrupted, run twice at once, locked out, robbed of its servers: the next `up` brings it right again.

Nothing here waits for a time to pass: each test waits until the command has come to a certain point.
"""

from __future__ import annotations

import base64
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import psutil
import pytest

from .course import COMMAND, Course, Done, ended, events, laptop, wait_for

pytestmark = pytest.mark.e2e

UP = ("up", "--env", "stag", "--local", "--yes")
DOWN = ("down", "--env", "stag", "--yes")
BUCKET = "module.storage.aws_s3_bucket.this"


def emulator_is_recorded(course: Course) -> bool:
    return (course.work / "local" / "emulator.json").is_file()


def terraform_begins(course: Course) -> bool:
    return ("apply_start", BUCKET) in applied(course)


def bucket_is_there(course: Course) -> bool:
    return ("apply_complete", BUCKET) in applied(course)


def key_is_written(course: Course) -> bool:
    return (course.home / ".aws" / "credentials").is_file()


def applied(course: Course) -> list[tuple[str, str]]:
    return events(course.work / "envs" / "stag" / "infra" / "environment" / "logs" / "apply.jsonl")


def converges(course: Course) -> Done:
    """Run `up`, which mends, and see that everything is there once. Returns what it did."""
    mended = course.up()
    assert "'stag' is up on this laptop" in mended.out
    assert course.users("stag") == ["course.stag.ci"]
    assert len(keys_of_ci(course)) <= 2
    locks = [key for key in course.keys(course.state_bucket) if key.endswith(".tflock")]
    assert locks == []
    servers = course.argv_of_processes()
    assert len([argv for argv in servers if "moto.server" in argv]) == 1, servers
    wanted = 0 if (course.folder / "bootstrap.toml").exists() else 1
    assert len([argv for argv in servers if " mlflow server " in argv]) == wanted, servers
    return mended


def without_mlflow(course: Course) -> None:
    """Leave out the server where a test is about something else: it takes as long as all the rest."""
    text = f'project = "{course.name}"\n[environments.stag.mlflow]\nkind = "none"\n'
    (course.folder / "bootstrap.toml").write_text(text)


def keys_of_ci(course: Course) -> list[str]:
    listed = course.operator().client("iam").list_access_keys(UserName="course.stag.ci")["AccessKeyMetadata"]
    return [key["AccessKeyId"] for key in listed]


@pytest.mark.by_turns
class TestKilled:
    """`kill -9`, as the kernel does it when memory runs out."""

    @pytest.mark.parametrize(
        ("moment", "with_terraform"),
        [
            pytest.param(terraform_begins, False, id="while the emulator starts, and then while Terraform works on"),
            pytest.param(bucket_is_there, True, id="with its Terraform, half the resources made"),
            pytest.param(key_is_written, False, id="with the key in the profile and no record of it"),
        ],
    )
    def test_the_next_up_converges(
        self, course: Course, moment: Callable[[Course], bool], with_terraform: bool
    ) -> None:
        without_mlflow(course)
        if moment is terraform_begins:
            started = course.begin(*UP)
            wait_for(lambda: emulator_is_recorded(course), during=started)
            assert started.kill(with_terraform=False).code == -9
        started = course.begin(*UP)
        wait_for(lambda: moment(course), during=started)
        assert started.kill(with_terraform=with_terraform).code == -9
        had_key = course.profiles() and keys_of_ci(course)
        mended = converges(course)
        if with_terraform:
            assert course.up().out.startswith("No changes: 'stag' is up on this laptop and works.")
        assert "The last `up` did not end; going on from what it left." in mended.err
        if had_key:
            assert keys_of_ci(course) == had_key


@pytest.mark.by_turns
class TestInterrupted:
    """Ctrl-C, which the terminal sends to the whole group."""

    def test_while_terraform_applies(self, course: Course) -> None:
        without_mlflow(course)
        started = course.begin(*UP)
        wait_for(lambda: terraform_begins(course), during=started)
        started.interrupt()
        done = ended(started, 130)
        assert "Interrupted. Run the same command again to go on from here." in done.err
        assert [
            argv for argv in course.argv_of_processes() if argv.startswith("terraform") or "/terraform " in argv
        ] == []
        converges(course)

    def test_while_it_waits_for_another_run(self, course: Course) -> None:
        first = course.begin("plan", "--env", "stag", "--local")
        wait_for((course.work / "envs" / "stag" / "run.json").is_file, during=first)
        second = course.begin("plan", "--env", "stag", "--local")
        try:
            wait_for(lambda: "waiting for it to end" in second.err, during=second)
            second.interrupt()
            ended(second, 130)
        finally:
            ended(first, 3)


@pytest.mark.skipif(os.name == "nt", reason="signals and terminals as POSIX has them")
class TestToldToEnd:
    """By `kill`, or as here by a terminal that is closed, while a question waits for its answer."""

    def test_at_the_question(self, course: Course) -> None:
        import pty

        ours, theirs = pty.openpty()
        # Tests that were started with `nohup` would hand on that nobody hears a terminal close.
        hears = (
            "import os, signal, sys; signal.signal(signal.SIGHUP, signal.SIG_DFL); os.execv(sys.argv[1], sys.argv[1:])"
        )
        argv = [sys.executable, "-c", hears, str(COMMAND), "up", "--env", "stag", "--local"]
        process = subprocess.Popen(
            argv, cwd=course.folder, env=course.env, stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True
        )
        try:
            said = b""
            while b"Do this?" not in said:
                said += os.read(ours, 4096)
            # One may come in the moment before Python begins to wait for an answer, which then goes on waiting.
            for _ in range(30):
                process.send_signal(signal.SIGHUP)
                with suppress(subprocess.TimeoutExpired):
                    process.wait(timeout=2)
                    break
            assert process.poll() == 129
        finally:
            process.kill()
            process.wait()
            os.close(ours)
            os.close(theirs)
        assert course.argv_of_processes() == []
        assert not course.work.exists()


@pytest.mark.by_turns
class TestOneAfterTheOther:
    """Commands that wait for one that takes away what they stand on."""

    def test_down_after_a_kill_then_an_up_then_two_downs(self, course: Course) -> None:
        without_mlflow(course)
        killed = course.begin(*UP)
        wait_for(lambda: bucket_is_there(course), during=killed)
        killed.kill(with_terraform=True)

        away = course.begin(*DOWN)
        wait_for(lambda: "going on from what it left" in away.err, during=away)
        again = course.begin(*UP)
        assert "nothing of it is left" in ended(away, 0).out
        assert "'stag' is up on this laptop" in ended(again, 0).out
        assert sorted(course.buckets()) == [course.bucket, course.state_bucket]

        told = [started.wait() for started in [course.begin(*DOWN), course.begin(*DOWN)]]
        assert sorted(one.code for one in told) == [0, 1], "\n".join(one.said for one in told)
        (late,) = [one for one in told if one.code == 1]
        assert f"The environment 'stag' is not up in {course.folder}." in late.err
        assert "Traceback" not in late.err
        assert not course.work.exists()
        assert not (course.home / ".aws").exists()
        assert not (course.folder / ".env").exists()
        assert course.argv_of_processes() == []


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Course, list[Done]]]:
    """Return a laptop where two `up` were started at once, and what they said."""
    with laptop(tmp_path_factory.mktemp("standing")) as course:
        started = [course.begin(*UP), course.begin(*UP)]
        yield course, [one.wait() for one in started]


@pytest.mark.by_turns("standing")
class TestStanding:
    """What happens to an environment that stands."""

    @pytest.fixture
    def course(self, both: tuple[Course, list[Done]]) -> Course:
        """Return the laptop with `stag` up and its emulator running, whatever the test before this one did."""
        course, _ = both
        (found,) = course.bootstrap("status", "--json").json()["environments"]
        if found["state"] != "up":
            course.up()
        return course

    def test_of_two_at_once_one_waits_and_says_for_whom(self, both: tuple[Course, list[Done]]) -> None:
        _, done = both
        assert [one.code for one in done] == [0, 0], "\n".join(one.said for one in done)
        whose = r"`up` \(process \d+, since [\d:]+\) is working on 'stag' in this folder; waiting for it to end"
        waited = [one for one in done if re.search(whose, one.err)]
        assert len(waited) == 1
        assert waited[0].out.startswith("No changes: 'stag' is up on this laptop and works.")

    def test_a_lock_of_somebody_elses_is_named_and_can_be_removed(self, course: Course) -> None:
        lock = {
            "ID": "0d9ab2f4-3d0c-4c4e-9d3c-1a2b3c4d5e6f",
            "Operation": "OperationTypeApply",
            "Info": "",
            "Who": "ana@elsewhere",
            "Version": "1.11.4",
            "Created": "2026-03-01T09:30:00.000000001Z",
            "Path": f"{course.state_bucket}/stag/members.tfstate",
        }
        key = "stag/members.tfstate.tflock"
        s3 = course.operator().client("s3")
        s3.put_object(Bucket=course.state_bucket, Key=key, Body=json.dumps(lock).encode())
        refused = course.bootstrap(*UP, code=1)
        assert "`members` is locked by ana@elsewhere since 2026-03-01" in refused.err
        assert "bootstrap unlock" in refused.err
        assert key in course.keys(course.state_bucket)

        removed = course.bootstrap("unlock", "--env", "stag", "--yes")
        assert "members: held by ana@elsewhere, since 2026-03-01" in removed.err
        assert "Removed 1 lock(s)." in removed.out
        assert course.bootstrap("unlock", "--env", "stag", "--yes").out == "'stag' is not locked.\n"
        course.up()

    def test_an_emulator_that_is_gone_is_noticed_and_built_again(self, course: Course) -> None:
        run = log_run(course)
        process = psutil.Process(course.emulator()["pid"])
        process.kill()
        psutil.wait_procs([process], timeout=10)
        (found,) = course.bootstrap("status", "--json").json()["environments"]
        assert (found["state"], found["why"]) == ("lost", "the emulator is not running")
        said = course.bootstrap("status").out
        assert "stag: the emulator is not running" in said
        assert "To make it whole again: bootstrap up --env stag --local" in said

        mended = course.up()
        assert "The emulator was restarted since the last `up` and has lost what it held in memory" in mended.err
        assert run in runs(course)
        assert course.keys(course.bucket) == ["dataset/", "dvc/", "members/", "mlflow/"]

    def test_stop_and_start_keep_what_mlflow_knows(self, course: Course) -> None:
        run = log_run(course)
        stopped = course.bootstrap("local", "stop", "--yes")
        assert stopped.out == "Stopped: MLflow of stag, the AWS emulator.\n"
        assert course.argv_of_processes() == []
        again = course.bootstrap("local", "start", "--json")
        assert "The emulator is new and empty." in again.err
        servers = again.json()["servers"]
        assert [(one["name"], one["state"]) for one in servers] == [
            ("AWS emulator", "running"),
            ("MLflow (stag)", "running"),
        ]
        assert run in runs(course)

    def test_servers_whose_folder_was_deleted_do_not_outlive_the_next_up(self, course: Course) -> None:
        before, emulator = course.argv_of_processes(), course.emulator()
        shutil.rmtree(course.work)
        assert course.argv_of_processes() == before
        lost = course.bootstrap("local", "status", "--json").json()["servers"]
        assert sorted((one["name"], one["state"]) for one in lost if one["pid"]) == [
            ("AWS emulator", "lost"),
            ("MLflow (stag)", "lost"),
        ]
        again = course.up()
        assert "Stopped what ran for this folder though its record was gone" in again.err
        assert not psutil.pid_exists(emulator["pid"])
        assert course.emulator()["port"] == emulator["port"]
        assert len(course.argv_of_processes()) == len(before)

        shutil.rmtree(course.work)
        stopped = course.bootstrap("local", "stop", "--yes").out
        assert "the AWS emulator (process" in stopped
        assert "the MLflow server of stag (process" in stopped
        assert course.argv_of_processes() == []


def mlflow(course: Course, path: str, body: dict[str, object]) -> dict[str, Any]:
    """Ask MLflow as `ci`, with what stands in `.env`."""
    settings = course.dotenv()
    login = f"{settings['MLFLOW_TRACKING_USERNAME']}:{settings['MLFLOW_TRACKING_PASSWORD']}"
    request = urllib.request.Request(  # noqa: S310 - loopback
        f"{settings['MLFLOW_TRACKING_URI']}/api/2.0/mlflow/{path}",
        data=json.dumps(body).encode(),
        headers={
            "Content-Type": "application/json",
            "Authorization": f"Basic {base64.b64encode(login.encode()).decode()}",
        },
    )
    with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=30) as answer:
        found = json.load(answer)
    assert isinstance(found, dict)
    return found


def log_run(course: Course) -> str:
    """Make a run in MLflow; return its id."""
    run = str(mlflow(course, "runs/create", {"experiment_id": "0"})["run"]["info"]["run_id"])
    assert re.fullmatch(r"[0-9a-f]{32}", run)
    return run


def runs(course: Course) -> list[str]:
    """Return the ids of MLflow's runs."""
    return [run["info"]["run_id"] for run in mlflow(course, "runs/search", {"experiment_ids": ["0"]}).get("runs", [])]
