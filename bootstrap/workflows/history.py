"""The history of an environment: written as commands end, read by `bootstrap history` and into a teardown's receipt.

It lies beside the states, `<env>/history/`, an object for each command. It is there for people who ask later what
happened. No command depends on it: one that cannot be written is told of, and changes nothing about the command.

While a command acts, its line stands in the environment's own folder too, as that of a run that was killed. One that is
killed leaves it there, and the next command takes it to the others.
"""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as TookTooLong
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from bootstrap import __version__
from bootstrap.adapters.aws import buckets, objects
from bootstrap.adapters.aws.session import error_code
from bootstrap.adapters.files import read_text, write_atomic
from bootstrap.core.counts import counted
from bootstrap.core.history import KILLED, Argument, Entry, key, own_mark, parse_entry, prefix, result_of, stamp
from bootstrap.core.history import arguments as in_plain
from bootstrap.errors import AwsFailed, BootstrapError, Declined
from bootstrap.redact import redact
from bootstrap.workflows import local, receipts
from bootstrap.workflows.guard import Run
from bootstrap.workflows.project import Project
from bootstrap.workflows.story import Story
from bootstrap.workflows.target import Place, at_emulator, open_place, reach

T = TypeVar("T")

_TRACE = "acting.jsonl"
_LOOKUPS = 8
# How long the end of a command may wait for its line, on a network that is gone for instance.
_PATIENCE_SECONDS = 10.0
# The line is there already: written by the run before, or by a request whose answer was lost.
_THERE_ALREADY = frozenset({"PreconditionFailed", "412"})
# The bucket went with the environment, and the history with it.
_NOWHERE = frozenset({"NoSuchBucket", "404"})


class Chronicle:
    """What one command will have to say of itself when it ends. Made by `chronicled`."""

    def __init__(self, command: str, story: Story, run: Run | None) -> None:
        self._command = command
        self._story = story
        self._trace = run.trace.with_name(_TRACE) if run else None
        # Of runs that were killed: they could not write a line themselves.
        self._killed = _parsed(self._trace)
        self._place: Place | None = None
        self._began: tuple[datetime, float] | None = None
        self._who: Future[str] | None = None
        self._arguments: dict[str, Any] = {}
        self._unfinished: BootstrapError | None = None
        self._closed = False

    def reached(self, place: Place) -> None:
        """Say where the environment is, which is where its history is."""
        self._place = place

    def acts(self, **arguments: Argument) -> None:
        """Say that from here on something is changed, and what was asked for; never pass a secret.

        A command that never comes here (a preview, an answer of no, nothing to do) leaves no line. What is empty or
        False is left out. A second call replaces the arguments.
        """
        self._arguments = in_plain(arguments)
        if self._began is None:
            self._began = datetime.now(timezone.utc), time.monotonic()
            if self._place is not None:
                # Asked for now, while there is other work; at the end somebody waits.
                self._who = _begin(partial(_ask_who, self._place))
        self._remember([*self._killed, self._entry(self._began[0], KILLED)])

    @property
    def killed(self) -> tuple[dict[str, Any], ...]:
        """The lines of runs that were killed, oldest first, as `read` has the others: they are not among those yet."""
        return tuple(entry.as_dict() for entry in self._killed)

    def did_nothing(self) -> None:
        """Say that there was nothing to do after all."""
        self._began = None
        self._remember(self._killed)

    def unfinished(self, problem: BootstrapError | None) -> None:
        """Say what could not be done although the command goes on, if there is such a thing."""
        self._unfinished = problem

    def close(self) -> None:
        """Write nothing from here on: the place for it is about to be removed."""
        self._closed = True
        self._remember([])

    def end(self, error: BaseException | None) -> None:
        """Write what there is to write, and wait until it is written, though not for ever."""
        if self._closed:
            return
        lines = [*(_Line(entry, own_mark(entry)) for entry in self._killed), *self._own(error)]
        # What is written, or could not be, of this run, is nothing that the next one has to write.
        self._remember(self._killed)
        if self._place is None or not lines:
            return
        written = _begin(partial(_write, self._place, lines))
        try:
            written.result(_PATIENCE_SECONDS)
            self._remember([])
        except TookTooLong:
            self._story.note("This could not be written into the environment's history: that took too long.")
        except Exception as problem:  # noqa: BLE001 - whatever it is, the command itself has ended as it has
            told = problem.message if isinstance(problem, BootstrapError) else redact(str(problem))
            self._story.note(f"This could not be written into the environment's history: {told}")

    def _own(self, error: BaseException | None) -> list[_Line]:
        if self._began is None or isinstance(error, Declined):
            return []
        began, clock = self._began
        entry = self._entry(began, result_of(error, self._unfinished))
        entry = replace(entry, seconds=round(time.monotonic() - clock, 1))
        return [_Line(entry, secrets.token_hex(4), self._who)]

    def _entry(self, began: datetime, result: str) -> Entry:
        return Entry(stamp(began), self._command, result, version=__version__, arguments=self._arguments)

    def _remember(self, entries: Sequence[Entry]) -> None:
        """Keep the lines of these on this machine, for the next run. A full disk is no reason to fail for it."""
        if self._trace is None or not self._trace.parent.is_dir():
            return  # the folder goes with the last that is known of an environment
        with suppress(BootstrapError, OSError):
            if entries:
                write_atomic(self._trace, "".join(entry.to_json() for entry in entries))
            else:
                self._trace.unlink(missing_ok=True)


@dataclass(frozen=True)
class _Line:
    """An entry to be written; `who` is still being asked for."""

    entry: Entry
    mark: str
    who: Future[str] | None = None


@contextmanager
def chronicled(command: str, story: Story, run: Run | None = None) -> Iterator[Chronicle]:
    """Write a line into the environment's history when the block ends, however it ends, if anything was changed in it.

    Goes around the `Side` of a command: on Ctrl-C its work is stopped first. `run` holds the environment; without one
    nobody learns that this was killed. Never fails the command.
    """
    chronicle = Chronicle(command, story, run)
    try:
        yield chronicle
    except (Exception, KeyboardInterrupt) as error:
        chronicle.end(error)
        raise
    chronicle.end(None)


@dataclass(frozen=True)
class Gone:
    """An environment that was taken down: when (UTC, ISO 8601), the id of the receipt, how many lines are in that."""

    when: str
    receipt: str
    lines: int


@dataclass(frozen=True)
class Told:
    """The last entries of a history, oldest first, and how many there are before them.

    Where there are none, `gone` tells of the environment's receipt, if it was taken down from this machine.
    """

    entries: tuple[Entry, ...]
    older: int
    gone: Gone | None = None


def history(project: Project, env: str, profile: str | None, story: Story, *, limit: int) -> Told:
    """Return the last `limit` entries of an environment's history, whether or not it was brought up from here.

    One that was on this laptop and was taken down is not looked for in AWS, unless a profile is named. Raises
    BootstrapError if the environment cannot be reached, and no receipt tells of its end.
    """
    last = receipts.last_of(project.spec.project, env) if project.record(env) is None else None
    if last is None or last.receipt is None:
        return _told(project, env, profile, story, limit)
    gone = Gone(last.receipt.ended, last.receipt.id, len(last.receipt.history))
    if last.receipt.target == "local" and profile is None and local.running_emulator(project) is None:
        return Told((), 0, gone)
    try:
        told = _told(project, env, profile, story, limit)
    except AwsFailed as error:
        story.note(f"AWS could not be asked whether '{env}' is there again: {error.message}")
        told = Told((), 0)
    return told if told.entries else replace(told, gone=gone)


def read(place: Place, env: str, story: Story) -> tuple[dict[str, Any], ...]:
    """Return all of an environment's history, oldest first, as it goes into a receipt.

    What is damaged is left out and told of. Raises AwsFailed.
    """
    return tuple(entry.as_dict() for entry in _read(place, env, story, None).entries)


def find_place(project: Project, env: str, profile: str | None, story: Story) -> Place | None:
    """Reach an environment, whether or not it was brought up from here; None if its emulator is gone.

    Raises BootstrapError if it cannot be reached, ConfigError for a name that is no environment's.
    """
    if record := project.record(env):
        return reach(project.as_recorded(record), record, profile, story)
    project.spec.environment(env)
    if emulator := local.running_emulator(project):
        # An `up --local` that died before it could write anything down.
        return at_emulator(project, env, emulator)
    return open_place(project, env, "aws", profile, story)


def _told(project: Project, env: str, profile: str | None, story: Story, limit: int) -> Told:
    place = find_place(project, env, profile, story)
    if place is None:
        story.say("The emulator is not running; its history went with it.")
        return Told((), 0)
    return _read(place, env, story, limit)


def _read(place: Place, env: str, story: Story, limit: int | None) -> Told:
    aws, bucket = place.aws, place.names.state_bucket
    if not buckets.exists(aws, bucket, place.names.account):
        return Told((), 0)
    keys = sorted(one.key for one in objects.listed(aws, bucket, prefix(env)))
    older = 0 if limit is None else max(0, len(keys) - limit)
    with ThreadPoolExecutor(_LOOKUPS) as pool:
        texts = list(pool.map(partial(objects.read_text, aws, bucket), keys[older:]))
    found = [parse_entry(one.text) for one in texts if one is not None]
    entries = tuple(entry for entry in found if entry is not None)
    if missing := len(found) - len(entries):
        story.note(f"{counted(missing, 'line')} in s3://{bucket}/{prefix(env)} cannot be read: damaged, or too new.")
    return Told(entries, older)


def _write(place: Place, lines: Sequence[_Line]) -> None:
    names = place.names
    for line in lines:
        entry = line.entry
        if line.who is not None:
            with suppress(AwsFailed):  # a line without a name is better than none
                entry = replace(entry, who=line.who.result())
        where = key(names.env, entry, line.mark)
        try:
            objects.write_text(place.aws, names.state_bucket, where, entry.to_json(), None)
        except AwsFailed as error:
            code = error_code(error.__cause__)
            if code in _NOWHERE:
                return
            if code not in _THERE_ALREADY:
                raise


def _parsed(trace: Path | None) -> tuple[Entry, ...]:
    try:
        text = read_text(trace) if trace else None
    except BootstrapError:
        return ()
    found = [parse_entry(line) for line in (text or "").splitlines()]
    return tuple(entry for entry in found if entry is not None)


def _ask_who(place: Place) -> str:
    return place.aws.caller().arn


def _begin(work: Callable[[], T]) -> Future[T]:
    """Begin a piece of work that nobody has to wait for: a program that ends does not, as it would for a pool's."""
    future: Future[T] = Future()

    def do() -> None:
        try:
            future.set_result(work())
        except BaseException as error:  # noqa: BLE001 - whoever asks for the result gets it
            future.set_exception(error)

    threading.Thread(target=do, name="bootstrap-history", daemon=True).start()
    return future
