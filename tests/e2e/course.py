"""A laptop for one test: a home of its own, a folder with a git repository in it, and the installed command."""

from __future__ import annotations

import configparser
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import psutil

from bootstrap.adapters.aws.session import Aws, KeyPair

COMMAND = Path(sys.executable).with_name("bootstrap")
ACCOUNT = "123456789012"
REGION = "us-east-1"

_THEIRS = ("AWS_", "BOOTSTRAP_", "DVC_", "GH_", "GITHUB_", "GIT_", "MLFLOW_", "MOTO_", "TF_", "XDG_")
# How a developer tells the command where Terraform and its provider are: that stays.
_KEPT = ("BOOTSTRAP_TERRAFORM", "BOOTSTRAP_TERRAFORM_RELEASES", "BOOTSTRAP_TF_MIRROR")
# Every process that a test starts has this one in its environment, and so has what that starts.
_MARK = "E2E_COURSE"
_SECONDS = 300.0
_POLL_SECONDS = 0.02


@dataclass(frozen=True)
class Done:
    """A command that has ended."""

    code: int
    out: str
    err: str

    @property
    def said(self) -> str:
        return f"--- exit code {self.code}\n--- stdout\n{self.out}\n--- stderr\n{self.err}"

    def json(self) -> dict[str, Any]:
        """Return standard output, which holds one JSON object and nothing else."""
        value = json.loads(self.out)
        assert isinstance(value, dict)
        return value


class Started:
    """A command that runs: the leader of a process group of its own, as a shell starts it."""

    def __init__(self, argv: tuple[str, ...], cwd: Path, env: Mapping[str, str], heard: list[str]) -> None:
        # Files, not pipes: nobody has to read while it runs.
        self._out = tempfile.TemporaryFile()  # noqa: SIM115 - closed in `wait`
        self._err = tempfile.TemporaryFile()  # noqa: SIM115
        self._heard = heard
        self.argv = argv
        self.process = subprocess.Popen(
            argv,
            cwd=cwd,
            env=dict(env),
            stdin=subprocess.DEVNULL,
            stdout=self._out,
            stderr=self._err,
            start_new_session=True,
        )

    @property
    def ended(self) -> bool:
        return self.process.poll() is not None

    @property
    def err(self) -> str:
        """What it has said on standard error so far."""
        return self._read(self._err)

    def children(self) -> list[psutil.Process]:
        with suppress(psutil.NoSuchProcess):
            return list(psutil.Process(self.process.pid).children(recursive=True))
        return []

    def interrupt(self) -> None:
        """Do what Ctrl-C in a terminal does: the signal goes to the whole foreground group."""
        os.killpg(self.process.pid, signal.SIGINT)

    def kill(self, *, with_terraform: bool) -> Done:
        """End it as the kernel does when memory runs out, by itself or with the Terraform it started."""
        terraform = [child for child in self.children() if with_terraform and "terraform" in name_of(child)]
        self.process.kill()
        for child in terraform:
            with suppress(psutil.NoSuchProcess):
                child.kill()
        psutil.wait_procs(terraform, timeout=10)
        return self.wait()

    def wait(self) -> Done:
        """Wait for its end."""
        try:
            code = self.process.wait(timeout=_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise AssertionError(f"{self.argv} did not end:\n{self._read(self._err)}") from None
        done = Done(code, self._read(self._out), self._read(self._err))
        self._out.close()
        self._err.close()
        self._heard += [done.out, done.err]
        return done

    @staticmethod
    def _read(stream: IO[bytes]) -> str:
        # The position in the file is the program's as well; this one does not move it.
        size = os.fstat(stream.fileno()).st_size
        return os.pread(stream.fileno(), size, 0).decode("utf-8", errors="replace")


@dataclass
class Course:
    """The laptop. `heard` is all that any command has said so far."""

    folder: Path
    home: Path
    env: dict[str, str]
    heard: list[str] = field(default_factory=list, repr=False)

    @property
    def name(self) -> str:
        return self.folder.name

    @property
    def work(self) -> Path:
        return self.folder / ".bootstrap"

    @property
    def bucket(self) -> str:
        return self.bucket_of("stag")

    @property
    def state_bucket(self) -> str:
        return self.bucket_of("tfstate")

    def bucket_of(self, env: str) -> str:
        return f"{self.name}--{env}--{ACCOUNT}"

    def start(self, *argv: str, **variables: str | None) -> Started:
        """Start a program in the folder; a variable that is None is taken out of the environment."""
        env = {name: value for name, value in (self.env | variables).items() if value is not None}
        return Started(argv, self.folder, env, self.heard)

    def run(self, *argv: str, **variables: str | None) -> Done:
        """Run a program that has to succeed."""
        done = self.start(*argv, **variables).wait()
        assert done.code == 0, f"{argv}\n{done.said}"
        return done

    def bash(self, line: str) -> Done:
        """Run a line as it stands, as typed into a shell. It has to succeed."""
        return self.run("bash", "-c", line)

    def begin(self, *words: str, **variables: str | None) -> Started:
        """Start `bootstrap`."""
        return self.start(str(COMMAND), *words, **variables)

    def bootstrap(self, *words: str, code: int = 0, **variables: str | None) -> Done:
        """Run `bootstrap`, which has to end with `code` and never with a traceback."""
        return ended(self.begin(*words, **variables), code)

    def up(self, env: str = "stag") -> Done:
        return self.bootstrap("up", "--env", env, "--local", "--yes")

    def emulator(self) -> dict[str, Any]:
        """Return what is recorded of the emulator."""
        found = json.loads((self.work / "local" / "emulator.json").read_text())
        assert isinstance(found, dict)
        return found

    def operator(self) -> Aws:
        """Return the emulator as its operator sees it."""
        key = json.loads((self.work / "local" / "operator.json").read_text())
        return Aws(REGION, f"http://127.0.0.1:{self.emulator()['port']}", key=KeyPair(key["id"], key["secret"]))

    def keys(self, bucket: str, prefix: str = "") -> list[str]:
        """Return the keys of the objects in a bucket."""
        pages = self.operator().client("s3").get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
        return [entry["Key"] for page in pages for entry in page.get("Contents", [])]

    def buckets(self) -> list[str]:
        return [bucket["Name"] for bucket in self.operator().client("s3").list_buckets()["Buckets"]]

    def users(self, env: str) -> list[str]:
        listed = self.operator().client("iam").list_users(PathPrefix=f"/{self.name}/{env}/")["Users"]
        return [user["UserName"] for user in listed]

    def profiles(self) -> list[str]:
        """Return the names of the AWS profiles that have a key."""
        credentials = configparser.ConfigParser(interpolation=None)
        credentials.read(self.home / ".aws" / "credentials")
        return sorted(credentials.sections())

    def dotenv(self) -> dict[str, str]:
        """Return the variables in `.env`."""
        lines = [line for line in (self.folder / ".env").read_text().splitlines() if "=" in line and line[0] != "#"]
        return dict(line.split("=", 1) for line in lines)

    def snapshot(self) -> dict[str, tuple[bytes, int]]:
        """Return content and mode of every file of the user's; not what is the command's own, nor inside of .git."""
        own = [self.home / ".local" / where / "bootstrap" for where in ("state", "share")]
        ours = (self.work, *own, self.home / ".cache", self.folder / ".git")
        return {
            str(path): (path.read_bytes(), path.stat().st_mode)
            for top in (self.home, self.folder)
            for path in sorted(top.rglob("*"))
            if path.is_file() and not any(path.is_relative_to(one) for one in ours)
        }

    def processes(self) -> list[psutil.Process]:
        """Return every process that runs because of this test."""
        return [process for process in psutil.process_iter() if mark_of(process) == self.env[_MARK]]

    def argv_of_processes(self) -> list[str]:
        """Return the command line of each of them."""
        return [" ".join(argv_of(process)) for process in self.processes()]

    def close(self) -> None:
        """Stop the servers the plain way; end what is left all the same, by its number, and fail on it."""
        try:
            if (self.work / "local").is_dir() or (self.work / "envs").is_dir():
                self.bootstrap("local", "stop", "--yes")
        finally:
            _, left = psutil.wait_procs(self.processes(), timeout=5)
            told = [f"{process.pid}: {' '.join(argv_of(process))}" for process in left]
            for process in left:
                with suppress(psutil.NoSuchProcess):
                    process.kill()
            psutil.wait_procs(left, timeout=5)
        assert not told, f"left running: {told}"


class StandIn:
    """A process that only waits to be ended, in place of the emulator's."""

    def __init__(self) -> None:
        argv = [sys.executable, "-c", "import signal; signal.pause()"]
        self._process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, start_new_session=True)
        self.pid = self._process.pid
        self.created = float(psutil.Process(self.pid).create_time())
        # Until somebody asks after its end, a child that has ended is still there for whoever ended it.
        self._asking = threading.Thread(target=self._process.wait)
        self._asking.start()

    @property
    def runs(self) -> bool:
        """Whether nobody has ended it yet."""
        return self._asking.is_alive()

    def end(self) -> None:
        """End it, if it has not been."""
        self._process.kill()
        self._asking.join()


@contextmanager
def laptop(place: Path, name: str = "course") -> Iterator[Course]:
    """Set up a laptop below `place`, with a git repository `name`; nothing of it runs any more afterwards."""
    home, folder, temporary = place / "home", place / name, place / "tmp"
    for path in (home, folder, temporary):
        path.mkdir(parents=True)
    kept = {k: v for k, v in os.environ.items() if k in _KEPT or not k.startswith(_THEIRS)}
    env = kept | {
        "HOME": str(home),
        "USERPROFILE": str(home),
        "TMPDIR": str(temporary),
        "PATH": f"{COMMAND.parent}{os.pathsep}{kept['PATH']}",
        # Without credentials, boto3 would ask a server on the network whether this is an EC2 machine.
        "AWS_EC2_METADATA_DISABLED": "true",
        "DVC_NO_ANALYTICS": "1",
        "GIT_CONFIG_NOSYSTEM": "1",
        **{f"GIT_{who}_{what}": "ana@example.org" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")},
        _MARK: str(place),
    }
    course = Course(folder, home, env)
    course.run("git", "init", "--quiet")
    try:
        yield course
    finally:
        course.close()


def ended(started: Started, code: int) -> Done:
    """Wait for a `bootstrap` that has to end with `code`, and never with a traceback."""
    done = started.wait()
    assert done.code == code, f"{started.argv}: not exit code {code}\n{done.said}"
    assert "Traceback" not in done.err, done.said
    return done


def wait_for(condition: Callable[[], object], *, during: Started) -> None:
    """Wait until something is so while a command runs; fail if that ends before."""
    deadline = time.monotonic() + _SECONDS
    while not condition():
        assert not during.ended, f"ended before it came to that\n{during.wait().said}"
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(_POLL_SECONDS)


def events(log: Path) -> list[tuple[str, str]]:
    """Return what Terraform has said into a log so far: type of the event and address of the resource."""
    found = []
    for line in log.read_text().splitlines() if log.is_file() else []:
        with suppress(ValueError, AttributeError):
            event = json.loads(line)
            found.append((event["type"], event.get("hook", {}).get("resource", {}).get("addr", "")))
    return found


def name_of(process: psutil.Process) -> str:
    try:
        return str(process.name())
    except psutil.Error:
        return ""


def argv_of(process: psutil.Process) -> list[str]:
    try:
        return list(process.cmdline())
    except psutil.Error:
        return []


def mark_of(process: psutil.Process) -> str | None:
    try:
        mark = process.environ().get(_MARK) if process.status() != psutil.STATUS_ZOMBIE else None
    except (psutil.Error, OSError):
        return None
    return None if mark is None else str(mark)
