"""Walks one fault through every request of a whole `up` and a whole `down`: README.md in this folder says how.

The environment is one of the local target. That target's record of its emulator names a process and a port; here the
port is the proxy's and the process a stand-in that only waits to be ended, so the emulator itself, with its bystanders
and all that may be left in it, outlives the `down` that would have stopped it and can be looked at afterwards. Not the
`aws` target, as the provider waits 55 seconds there for the lifecycle rules of each new bucket.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shlex
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from itertools import zip_longest
from pathlib import Path

from bootstrap.adapters.aws import people
from bootstrap.adapters.aws.session import Aws, KeyPair
from bootstrap.adapters.emulator import Emulator
from bootstrap.adapters.files import write_atomic
from bootstrap.adapters.servers import Server
from bootstrap.workflows.local import OPERATOR, OPERATOR_PATH
from tests.e2e.bystanders import Bystanders
from tests.e2e.course import REGION, Course, Done, StandIn, laptop
from tests.faults.proxy import Fault, FaultProxy, Seen
from tests.ports import some_port

UP = ("up", "--env", "stag", "--local", "--yes")
DOWN = ("down", "--env", "stag", "--yes")
WALKS = ("up", "down")
ANY = "*"

# Long enough for most clients to give up. Terraform's provider does not, while it makes a bucket, for 20 minutes.
_OUTAGE_SECONDS = 30.0

# What may go wrong, by the name that a point has for it. A client here tries a request two to five times: "-3" is
# meant to outlast the impatient ones, "-outage" all of them, and "-always" is what does not pass for one request.
FAULTS = {
    "error": Fault("error"),
    "error-3": Fault("error", times=3),
    "error-outage": Fault("error", everything=True, seconds=_OUTAGE_SECONDS),
    "busy": Fault("busy"),
    "busy-3": Fault("busy", times=3),
    "busy-outage": Fault("busy", everything=True, seconds=_OUTAGE_SECONDS),
    "denied": Fault("denied"),
    "denied-always": Fault("denied", times=None),
    "slow": Fault("slow"),
    "cut": Fault("cut"),
    "cut-3": Fault("cut", times=3),
    "cut-outage": Fault("cut", everything=True, seconds=_OUTAGE_SECONDS),
    "lost": Fault("lost"),
    "lost-3": Fault("lost", times=3),
    "lost-outage": Fault("lost", everything=True, seconds=_OUTAGE_SECONDS),
}
# Exit codes that are an answer: all well, told what went wrong, something is left (`down`), GitHub is not done.
_ANSWERS = {"up": (0, 1, 5), "down": (0, 1, 4, 5)}
_NOT_UP = "is not up in"

_CONFIG = 'project = "course"\n\n[environments.stag.mlflow]\nkind = "none"\n'


@dataclass(frozen=True)
class Point:
    """A fault at one request of a walk (one of WALKS): the `nth` with this label, or of all if that is ANY."""

    walk: str
    label: str
    nth: int
    fault: str

    def __str__(self) -> str:
        return f"{self.walk}:{self.label}#{self.nth}:{self.fault}"

    @property
    def aim(self) -> Fault:
        """What the proxy has to be told."""
        return replace(FAULTS[self.fault], label=None if self.label == ANY else self.label, nth=self.nth)


# The points of one round, by their walk. One round for both walks costs half of what two would: the `up` that mends
# what the first fault did is the one that the second fault's `down` needs.
Round = Mapping[str, Point]


def parse_point(text: str) -> Point:
    """Read a point as it is printed. Raises ValueError for what is none."""
    walk, _, rest = text.partition(":")
    where, _, fault = rest.rpartition(":")
    label, _, nth = where.rpartition("#")
    if walk not in WALKS or fault not in FAULTS or not label or not nth.isdigit():
        raise ValueError(f"{text!r} is no point: one looks like up:iam CreateUser UserName=course.stag.ci#1:lost")
    return Point(walk, label, int(nth), fault)


def all_points(walk: str, recorded: Sequence[Seen], seed: str, kinds: Sequence[str]) -> list[Point]:
    """Return a point for every request of a recorded run, each with the one of `kinds` that `seed` has for it.

    A request is known by what it asks for and how many such there were before it: two Terraforms work side by side, so
    a number in the whole run would be another request each time.
    """
    count: Counter[str] = Counter()
    found = []
    for one in recorded:
        count[one.label] += 1
        nth = count[one.label]
        found.append(Point(walk, one.label, nth, random.Random(f"{seed} {walk} {one.label} {nth}").choice(kinds)))  # noqa: S311
    return found


def sample(seed: str, size: int, requests: int) -> list[Round]:
    """Return `size` rounds with a point for each walk, somewhere among its first `requests`.

    None of them is an outage: those take half a minute each, until every client has given up.
    """
    kinds = [name for name, fault in FAULTS.items() if not fault.everything]
    chance = random.Random(seed)  # noqa: S311 - no secret
    return [
        {walk: Point(walk, ANY, chance.randint(1, requests), chance.choice(kinds)) for walk in WALKS}
        for _ in range(size)
    ]


def in_rounds(found: Sequence[Point]) -> list[Round]:
    """Put points into rounds, in order: a point of `up` shares one with the point of `down` that follows it."""
    rounds: list[dict[str, Point]] = []
    for point in found:
        if rounds and point.walk == "down" and "down" not in rounds[-1]:
            rounds[-1]["down"] = point
        else:
            rounds.append({point.walk: point})
    return list(rounds)


def told(one: Round) -> str:
    """Return the points of a round as `--points` takes them."""
    return ",".join(str(point) for point in one.values())


class Rehearsal:
    """An account behind the proxy, with bystanders in it, and a laptop with a course that is to come and go there."""

    def __init__(self, course: Course, proxy: FaultProxy, key: KeyPair) -> None:
        self.course = course
        self.proxy = proxy
        self.key = key
        # Not through the proxy: what is looked at here is none of its business.
        self.account = Aws(REGION, f"http://127.0.0.1:{proxy.upstream}", key=key)
        self._stand_in: StandIn | None = None
        self.theirs = Bystanders(self.account, OPERATOR_PATH + OPERATOR)
        self.theirs.put()
        (course.folder / "bootstrap.toml").write_text(_CONFIG)
        self._before = self._users_files()

    def try_round(self, one: Round) -> set[str]:
        """Do one round: `up` with its fault, `up` again, `down` with its fault, `down` again, and look.

        Returns the walks whose fault came up at all. Raises AssertionError with what went wrong.
        """
        self.open()
        came_up = set()
        if "up" in one and self._faulted(one["up"])[1]:
            came_up.add("up")
        again = self.course.bootstrap(*UP)
        assert "'stag' is up on this laptop" in again.out, again.said
        self._require_whole()
        if "down" not in one:
            self.course.bootstrap(*DOWN)
        else:
            done, struck = self._faulted(one["down"])
            if struck:
                came_up.add("down")
            if done.code == 0:
                self._require_gone()
            again = self.course.begin(*DOWN).wait()
            # One that ends with 4 may have taken all away, and only not have been able to look.
            was_done = done.code in (0, 4) and again.code == 1 and _NOT_UP in again.err
            assert was_done or (done.code != 0 and again.code == 0), f"first:\n{done.said}\nthen:\n{again.said}"
            if done.code == 0:
                return came_up
        self._require_gone()
        return came_up

    def record(self) -> dict[str, list[Seen]]:
        """Do a round in which nothing goes wrong; return the requests of `up` and of `down`."""
        self.open()
        found = {}
        for walk, words in (("up", UP), ("down", DOWN)):
            self.proxy.arm(None)
            self.course.bootstrap(*words)
            found[walk] = self.proxy.seen()
        self._require_gone()
        return found

    def open(self) -> None:
        """Let the command find the emulator: by a record as it writes it, with the stand-in's process in it."""
        self.close()
        self._stand_in = StandIn()
        server = Server(self._stand_in.pid, self._stand_in.created, self.proxy.port, "rehearsal")
        folder = self.course.work / "local"
        folder.mkdir(parents=True)
        (folder / "emulator.json").write_text(json.dumps(asdict(server)) + "\n")
        operator = {"instance": server.instance, "id": self.key.id, "secret": self.key.secret}
        write_atomic(folder / "operator.json", json.dumps(operator) + "\n", mode=0o600)

    def close(self) -> None:
        """End the stand-in if the command has not, and take its record away."""
        if self._stand_in is not None:
            self._stand_in.end()
            self._stand_in = None
        shutil.rmtree(self.course.work / "local", ignore_errors=True)
        # The folder itself goes with what is last in it; for a command that found nothing to do, that is this.
        with suppress(OSError):
            self.course.work.rmdir()

    def _faulted(self, point: Point) -> tuple[Done, bool]:
        """Run the walk's command with the fault; return what it said, and whether the fault came up."""
        self.proxy.arm(point.aim)
        done = self.course.begin(*(UP if point.walk == "up" else DOWN)).wait()
        struck = sum(bool(one.fault) for one in self.proxy.seen())
        self.proxy.arm(None)
        said = f"{point}: requests that were broken: {struck}\n{done.said}"
        assert done.code in _ANSWERS[point.walk], said
        assert "Traceback" not in done.said, said
        assert self.key.secret not in done.said, "the operator's secret was said"
        assert self.course.argv_of_processes() == [], said
        return done, struck > 0

    def _require_whole(self) -> None:
        """Look whether `up` has left all that it should, and no lock."""
        s3 = self.account.client("s3")
        listed = s3.list_objects_v2(Bucket=self.course.state_bucket)["Contents"]
        assert [one["Key"] for one in listed if one["Key"].endswith(".tflock")] == []
        assert self.theirs.everybody() == sorted([*self.theirs.users, "/course/stag/course.stag.ci"])
        keys = self.account.client("iam").list_access_keys(UserName="course.stag.ci")["AccessKeyMetadata"]
        assert 1 <= len(keys) <= people.KEYS_PER_USER, keys
        assert self.course.profiles() == ["course-stag"]

    def _require_gone(self) -> None:
        """Look into the account and at the laptop, and let a sweep look: nothing is left, and nobody else was hurt."""
        assert self._stand_in is None or not self._stand_in.runs, "the emulator was not stopped"
        assert not self.course.work.exists(), sorted(self.course.work.rglob("*"))
        now = self._users_files()
        other = {path for path in now.keys() | self._before.keys() if now.get(path) != self._before.get(path)}
        assert not other, f"other than before: {sorted(other)}"
        config = self.course.folder / ".dvc" / "config"
        assert not config.is_file() or "s3://" not in config.read_text()
        assert self.course.argv_of_processes() == []
        self.theirs.require_alone()
        as_operator: dict[str, str | None] = {
            "AWS_ENDPOINT_URL": self.proxy.url,
            "AWS_ACCESS_KEY_ID": self.key.id,
            "AWS_SECRET_ACCESS_KEY": self.key.secret,
        }
        # Of the `aws` target: that one looks through the account as it is, whatever this folder knows.
        swept = self.course.bootstrap("sweep", "--json", code=0, **as_operator)
        assert swept.json()["things"] == [], swept.said

    def _users_files(self) -> dict[str, tuple[bytes, int]]:
        """Return the user's files but those of which docs/what-is-written.md says that they stay."""
        staying = [str(self.course.folder / name) for name in (".dvc", ".gitignore")]
        return {path: what for path, what in self.course.snapshot().items() if not path.startswith(tuple(staying))}


@contextmanager
def rehearsal(place: Path) -> Iterator[Rehearsal]:
    """Set up an account, a proxy and a laptop below `place`; nothing of it runs any more afterwards."""
    emulator = Emulator(place / "account")
    try:
        server = emulator.start(some_port(), dict(os.environ))
        key = people.create_operator(Aws(REGION, server.url, key=KeyPair("a", "b")), OPERATOR, OPERATOR_PATH)
        emulator.enforce_permissions(server)
        with FaultProxy(server.port) as proxy, laptop(place) as course:
            found = Rehearsal(course, proxy, key)
            try:
                yield found
            finally:
                found.close()
    finally:
        emulator.stop()


def main(words: Sequence[str] | None = None) -> int:
    """Run the campaign; print each round and the count; return the exit code, 1 if a round went wrong."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--up", action="store_true", help="Walk through `up` only.")
    parser.add_argument("--down", action="store_true", help="Walk through `down` only.")
    parser.add_argument("--every", type=int, default=1, metavar="N", help="Every N-th request only.")
    parser.add_argument("--seed", default=str(random.SystemRandom().randrange(10**6)), help="Which fault comes where.")
    parser.add_argument("--from", type=int, default=1, metavar="N", dest="first", help="Begin with the N-th round.")
    parser.add_argument("--kinds", default=",".join(FAULTS), help="Of these faults, with commas between.")
    parser.add_argument("--points", default="", help="Exactly these, as a round that went wrong prints them.")
    asked = parser.parse_args(words)
    kinds = asked.kinds.split(",")
    if unknown := sorted(set(kinds) - set(FAULTS)):
        parser.error(f"no such fault: {', '.join(unknown)}; there are {', '.join(FAULTS)}")
    try:
        exact = [parse_point(text) for text in asked.points.split(",") if text]
    except ValueError as error:
        parser.error(str(error))
    walks = [walk for walk in WALKS if getattr(asked, walk)] or list(WALKS)
    with tempfile.TemporaryDirectory(prefix="bootstrap-faults-") as folder:
        rounds = in_rounds(exact) or _walked(Path(folder) / "clean", walks, asked.seed, kinds, asked.every)
        begins = f", from round {asked.first}" if asked.first > 1 else ""
        _say(f"seed {asked.seed}: {len(rounds)} rounds{begins}")
        return _campaign(Path(folder), rounds[asked.first - 1 :])


def _walked(place: Path, walks: Sequence[str], seed: str, kinds: Sequence[str], every: int) -> list[Round]:
    """Record a clean run, and return the rounds that walk through all its requests, or every so many."""
    with rehearsal(place) as stage:
        recorded = stage.record()
    first = random.Random(seed).randrange(every)  # noqa: S311 - no secret
    found = []
    for walk in walks:
        there = all_points(walk, recorded[walk], seed, kinds)
        _say(f"{walk}: {len(there)} requests")
        found.append(there[first::every])
    pairs = zip_longest(*found)
    return [{point.walk: point for point in pair if point is not None} for pair in pairs]


def _campaign(folder: Path, rounds: Sequence[Round]) -> int:
    """Do the rounds, each on the clean state that the one before has left; one that failed is followed by a new start.

    Returns the exit code.
    """
    todo, survived, missed, failed = list(rounds), 0, 0, []
    start = 0
    while todo:
        start += 1
        one: Round | None = None
        try:
            with rehearsal(folder / f"start-{start}") as stage:
                while todo:
                    one = todo.pop(0)
                    began = time.monotonic()
                    came_up = stage.try_round(one)
                    survived += len(came_up)
                    missed += len(one) - len(came_up)
                    not_met = "".join(f" ({one[walk]} did not come up)" for walk in one if walk not in came_up)
                    _say(f"ok {time.monotonic() - began:5.1f} s  {told(one)}{not_met}")
        except Exception as error:
            if one is None:
                raise
            _say(f"FAILED  {told(one)}\n{_in_words(error)}\nagain: {_again(one)}\n")
            failed.append(one)
    _say(f"{survived} fault points survived, {len(failed)} rounds failed, {missed} points did not come up")
    for one in failed:
        _say(f"again: {_again(one)}")
    return 1 if failed else 0


def _in_words(error: BaseException) -> str:
    """Return what went wrong in a round and, if that did as well, in cleaning up after it."""
    before = error.__context__
    return f"{_in_words(before)}\n{error}" if before is not None else str(error) or repr(error)


def _again(one: Round) -> str:
    return f"python -m tests.faults.campaign --points {shlex.quote(told(one))}"


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
