"""Real programs: run, followed, interrupted, left in the background and found again."""

from __future__ import annotations

import os
import signal
import socket
import stat
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from bootstrap.adapters import process
from bootstrap.adapters.files import locked
from bootstrap.adapters.process import Call, Job, Jobs, ProcessId
from bootstrap.errors import BootstrapError, ToolMissing

PATIENCE = 30.0
posix = pytest.mark.skipif(os.name == "nt", reason="signals and mode bits as POSIX has them")


def python(code: str, *arguments: str, env: dict[str, str] | None = None, cwd: Path | None = None) -> Call:
    return Call((sys.executable, "-u", "-c", code, *arguments), cwd, env)


def eventually(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.01)


def spawn(call: Call, log: Path) -> ProcessId:
    return process.spawn_background(call, log, lambda _: None)


@pytest.fixture
def background() -> Iterator[list[ProcessId]]:
    """Processes that are ended after the test, whatever it did with them."""
    started: list[ProcessId] = []
    yield started
    for each in started:
        process.stop(each)


def test_run_tells_both_channels_apart(tmp_path: Path) -> None:
    code = "import os, sys; print('out', os.getcwd()); print('err', file=sys.stderr); sys.exit(3)"
    done = process.run(python(code, cwd=tmp_path))
    assert (done.returncode, done.stdout, done.stderr) == (3, f"out {tmp_path.resolve()}\n", "err\n")


def test_run_gives_exactly_the_environment_of_the_call(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OURS", "1")
    show = "import os; print(os.environ.get('OURS'), os.environ.get('THEIRS'))"
    assert process.run(python(show)).stdout.strip() == "1 None"
    assert process.run(python(show, env={"THEIRS": "2"})).stdout.strip() == "None 2"


def test_run_has_no_one_to_ask() -> None:
    assert process.run(python("import sys; print(repr(sys.stdin.read()))")).stdout.strip() == "''"


def test_run_survives_bytes_that_are_no_text() -> None:
    done = process.run(python("import sys; sys.stdout.buffer.write(b'\\xff\\n')"))
    assert done.stdout == "\ufffd\n"


def test_run_never_goes_through_a_shell() -> None:
    nasty = "a b; $HOME `x` 'y'"
    assert process.run(python("import sys; print(sys.argv[1])", nasty)).stdout == nasty + "\n"


@pytest.mark.parametrize("start", ["run", "job"])
def test_a_program_that_is_not_there(start: str, tmp_path: Path) -> None:
    call = Call(("no-such-program-of-ours", "x"))
    with pytest.raises(ToolMissing, match="`no-such-program-of-ours` is not on this machine"):
        process.run(call) if start == "run" else Job(call, tmp_path / "log")


@posix
@pytest.mark.parametrize("start", ["run", "job"])
def test_a_program_that_cannot_be_run(start: str, tmp_path: Path) -> None:
    program = tmp_path / "terraform"
    program.write_text("not a program")
    call = Call((str(program), "version"))
    for mode in (0o644, 0o755):
        program.chmod(mode)
        with pytest.raises(ToolMissing, match="cannot be run") as caught:
            process.run(call) if start == "run" else Job(call, tmp_path / "log")
        assert str(program) in caught.value.message


def test_run_does_not_wait_for_ever() -> None:
    call = python("import time; time.sleep(60)", "--password", "hunter2")
    with pytest.raises(BootstrapError, match=r"did not end within 0 seconds") as caught:
        process.run(call, timeout=0.2)
    assert "hunter2" not in caught.value.message


def test_what_is_shown_of_a_call() -> None:
    call = Call(("tool", "a b", "--token", "t0ps3cret"), env={"AWS_SECRET_ACCESS_KEY": "s3cret"})
    assert call.shown() == "tool 'a b' --token ****"
    assert "s3cret" not in repr(replace(call, argv=("tool",)))


def test_find_looks_beside_this_python_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def program(folder: str, name: str) -> str:
        path = tmp_path / folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_text("#!/bin/sh\n")
        path.chmod(0o755)
        return str(path)

    monkeypatch.setattr(sys, "executable", program("venv", "python"))
    beside, on_path, other = program("venv", "dvc"), program("bin", "dvc"), program("bin", "aws")
    environ = {"PATH": str(tmp_path / "bin")}
    assert on_path != beside
    assert process.find("dvc", environ) == beside
    assert process.find("aws", environ) == other
    assert process.find("no-such-program-of-ours", environ) is None


STEPS = """
import sys, pathlib
print("one", flush=True)
sys.stdout.write("tw"); sys.stdout.flush()
pathlib.Path(sys.argv[1]).touch()
gate = pathlib.Path(sys.argv[2])
import time
while not gate.exists(): time.sleep(0.01)
print("o"); print("grün", file=sys.stderr)
sys.stdout.write("last, without a newline")
sys.exit(7)
"""


def test_a_job_is_followed_while_it_works(tmp_path: Path) -> None:
    half, gate = tmp_path / "half", tmp_path / "gate"
    env = dict(os.environ) | {"PYTHONIOENCODING": "utf-8"}
    job = Job(python(STEPS, str(half), str(gate), env=env), tmp_path / "logs" / "apply.jsonl")
    lines = job.lines()
    assert next(lines) == "one"
    eventually(half.exists)
    assert process.is_alive(job.id)
    gate.touch()
    assert list(lines) == ["two", "last, without a newline"]  # half a line was not taken for a whole one
    assert job.wait() == 7
    assert job.stderr() == "grün\n"
    assert job.log.read_text() == "one\ntwo\nlast, without a newline"


def test_a_job_that_says_nothing(tmp_path: Path) -> None:
    job = Job(python("pass"), tmp_path / "log.jsonl")
    assert list(job.lines()) == []
    assert (job.wait(), job.stderr()) == (0, "")


def test_a_job_that_says_much(tmp_path: Path) -> None:
    job = Job(python("for i in range(50_000): print(i)"), tmp_path / "log.jsonl")
    assert list(job.lines()) == [str(i) for i in range(50_000)]
    assert job.wait() == 0


def test_a_job_begins_its_log_anew(tmp_path: Path) -> None:
    (tmp_path / "log.jsonl").write_text("of the last run\n")
    job = Job(python("print('new')"), tmp_path / "log.jsonl")
    assert list(job.lines()) == ["new"]
    job.wait()


# Says when it is ready to be interrupted, and ends in order then, as Terraform does.
INTERRUPTIBLE = """
import sys, time
try:
    print("ready", flush=True)
    while True: time.sleep(0.01)
except KeyboardInterrupt:
    print("finished what it had begun", flush=True)
    sys.exit(1)
"""


@posix
def test_an_interrupted_job_finishes_what_it_has_begun(tmp_path: Path) -> None:
    job = Job(python(INTERRUPTIBLE), tmp_path / "log.jsonl")
    lines = job.lines()
    assert next(lines) == "ready"
    job.interrupt()
    assert list(lines) == ["finished what it had begun"]
    assert job.wait() == 1
    job.interrupt()  # of one that has ended: nothing


@posix
def test_ctrl_c_reaches_every_job_once_and_starts_no_more(tmp_path: Path) -> None:
    jobs = Jobs()
    running = [jobs.start(python(INTERRUPTIBLE), tmp_path / f"{n}.jsonl") for n in range(2)]
    gone = jobs.start(python("pass"), tmp_path / "gone.jsonl")
    gone.wait()
    jobs.ended(gone)
    followed = [job.lines() for job in running]
    assert [next(lines) for lines in followed] == ["ready", "ready"]
    assert jobs.interrupt() == 2
    assert [list(lines) for lines in followed] == [["finished what it had begun"]] * 2
    with pytest.raises(KeyboardInterrupt):
        jobs.start(python("pass"), tmp_path / "late.jsonl")
    assert not (tmp_path / "late.jsonl").exists()
    for job in running:
        job.wait()


@posix
def test_ctrl_c_in_the_terminal_does_not_reach_a_job_by_itself(tmp_path: Path) -> None:
    job = Job(python("import os; print(os.getpgrp())"), tmp_path / "log.jsonl")
    assert list(job.lines()) != [str(os.getpgrp())]
    job.wait()


# A server with a child of its own, both of them printing who they are.
FAMILY = """
import os, subprocess, sys
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
print(os.getpid(), child.pid, flush=True)
child.wait()
"""


def test_a_background_process_is_stopped_with_its_children(tmp_path: Path, background: list[ProcessId]) -> None:
    log = tmp_path / "logs" / "server.log"
    server = spawn(python(FAMILY), log)
    background.append(server)
    eventually(lambda: log.read_text().endswith("\n"))
    pid, child = map(int, log.read_text().split())
    family = process._identify(child)
    assert pid == server.pid
    assert process.is_alive(server)
    assert process.is_alive(family)
    assert process.stop(server) is True
    assert not process.is_alive(server)
    assert not process.is_alive(family)
    assert process.stop(server) is False


@posix
def test_one_that_will_not_go_is_made_to(
    tmp_path: Path, background: list[ProcessId], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(process, "_STOP_SECONDS", 0.3)
    code = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('ready'); time.sleep(600)"
    server = spawn(python(code), tmp_path / "log")
    background.append(server)
    eventually(lambda: (tmp_path / "log").read_text() == "ready\n")
    assert process.stop(server) is True
    assert not process.is_alive(server)


@posix
def test_what_a_server_says_is_for_its_owner_alone(tmp_path: Path, background: list[ProcessId]) -> None:
    log = tmp_path / "log"
    code = "import sys; print('out', flush=True); print('err', file=sys.stderr)"
    background.append(spawn(python(code), log))
    eventually(lambda: log.read_text() == "out\nerr\n")
    assert stat.S_IMODE(log.stat().st_mode) == 0o600


def test_a_process_that_ended_by_itself_is_not_alive(tmp_path: Path, background: list[ProcessId]) -> None:
    server = spawn(python("pass"), tmp_path / "log")
    background.append(server)
    eventually(lambda: not process.is_alive(server))  # a zombie does not count
    assert process.stop(server) is False


def test_a_later_process_with_the_same_number_is_left_alone(tmp_path: Path, background: list[ProcessId]) -> None:
    server = spawn(python("import time; time.sleep(600)"), tmp_path / "log")
    background.append(server)
    recycled = replace(server, created=server.created - 3600)
    assert not process.is_alive(recycled)
    assert process.stop(recycled) is False
    assert process.wait_for_end(recycled, timeout=0) is True
    assert process.is_alive(server)


def test_waiting_for_the_end_of_another(tmp_path: Path, background: list[ProcessId]) -> None:
    gate = tmp_path / "gate"
    code = "import pathlib, sys, time\nwhile not pathlib.Path(sys.argv[1]).exists(): time.sleep(0.01)"
    server = spawn(python(code, str(gate)), tmp_path / "log")
    background.append(server)
    assert process.wait_for_end(server, timeout=0.1) is False
    gate.touch()
    assert process.wait_for_end(server, timeout=PATIENCE) is True
    assert process.wait_for_end(server, timeout=0) is True


def test_a_server_begins_when_it_is_remembered(tmp_path: Path, background: list[ProcessId]) -> None:
    known: list[ProcessId] = []
    code = "import sys; print(repr(sys.stdin.read()), sys.argv[1:])"
    server = process.spawn_background(python(code, "a b", "$c"), tmp_path / "log", known.append)
    background.append(server)
    assert known == [server]
    eventually(lambda: (tmp_path / "log").read_text() == "'' ['a b', '$c']\n")


@posix
def test_a_server_that_nobody_remembers_never_begins(tmp_path: Path, background: list[ProcessId]) -> None:
    def remember(server: ProcessId) -> None:
        background.append(server)
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        process.spawn_background(python("print('here')"), tmp_path / "log", remember)
    eventually(lambda: not process.is_alive(background[0]))
    assert (tmp_path / "log").read_text() == ""


# Takes a lock, starts a program with it, and says so; the program lives on when this one is killed.
HOLDER = """
import sys
from pathlib import Path
from bootstrap.adapters.files import locked
from bootstrap.adapters.process import Call, run
with locked(Path(sys.argv[1])) as lock:
    wait = "import pathlib, sys, time\\npathlib.Path(sys.argv[1]).touch()\\n"
    wait += "while not pathlib.Path(sys.argv[2]).exists(): time.sleep(0.01)"
    run(Call((sys.executable, "-c", wait, *sys.argv[2:]), holds=lock))
"""


@posix
def test_a_program_holds_the_lock_for_a_run_that_was_killed(tmp_path: Path, background: list[ProcessId]) -> None:
    path, begun, gate = tmp_path / "f", tmp_path / "begun", tmp_path / "gate"
    killed = spawn(python(HOLDER, str(path), str(begun), str(gate), env=dict(os.environ)), tmp_path / "log")
    background.append(killed)
    eventually(begun.exists)
    os.kill(killed.pid, signal.SIGKILL)
    eventually(lambda: not process.is_alive(killed))
    with pytest.raises(BootstrapError, match="Another bootstrap"), locked(path, timeout=0.1):
        pass
    gate.touch()
    with locked(path, timeout=PATIENCE):
        pass


def test_who_we_are() -> None:
    assert process.own_id().pid == os.getpid()
    assert process.is_alive(process.own_id())


@pytest.fixture
def taken() -> Iterator[int]:
    """A loopback port on which somebody listens."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def test_a_port_that_is_taken_is_passed_over(taken: int) -> None:
    assert not process.port_is_free(taken)
    found = process.free_port(taken)
    assert taken < found <= taken + 199
    assert process.port_is_free(found)


def test_the_preferred_port_is_taken_if_it_is_free(taken: int) -> None:
    free = process.free_port(taken)
    assert process.free_port(free) == free


def test_a_port_counts_as_free_again_at_once(taken: int) -> None:
    port = process.free_port(taken)
    with socket.create_server(("127.0.0.1", port)) as server, socket.create_connection(("127.0.0.1", port)):
        server.accept()[0].close()  # the side that closes first keeps the port in TIME_WAIT
    assert process.port_is_free(port)


def test_no_port_at_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "port_is_free", lambda _: False)
    with pytest.raises(BootstrapError, match=r"no free port between 20000 and 20199 on 127\.0\.0\.1"):
        process.free_port(20000)
    with pytest.raises(BootstrapError, match="no free port"):
        process.free_port(65535)
