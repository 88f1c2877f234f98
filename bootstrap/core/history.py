"""Who did what to an environment, when, and how it ended: one line of JSON for each command that changed something.

A line is an object of its own in the state bucket, so that two commands never write over each other's, and a command
costs one request. It is built from what a command knows itself to have been asked, never from the command line as it
was typed: names of people and settings are in it; codes, keys and passwords are in nothing that is passed here.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import Any, TypeAlias

from bootstrap.errors import BootstrapError, Unfinished
from bootstrap.redact import redact

SCHEMA = 1
DONE, INTERRUPTED, KILLED = "done", "interrupted", "killed"

# One thing that a command was asked for, or that follows from it.
Argument: TypeAlias = "str | int | bool | Sequence[str]"

_MOST_SIGNS = 500
_ARN_TAIL = re.compile(r"arn:[^:]*:[^:]*:[^:]*:[^:]*:(.+)")


@dataclass(frozen=True)
class Entry:
    """One command. `time` is when it began to act (ISO 8601, UTC), `seconds` how long that took.

    `who` is an ARN; None, as `seconds`, of a run that was killed: a later one has written this. `result` is `done`,
    `unfinished: …` (all but GitHub), `failed: …`, `interrupted` (Ctrl-C, or told to end) or `killed`.
    """

    time: str
    command: str
    result: str
    who: str | None = None
    seconds: float | None = None
    version: str = ""
    arguments: Mapping[str, Any] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        """Return it for `--json` and for a receipt."""
        return {
            "time": self.time,
            "command": self.command,
            "arguments": dict(self.arguments),
            "who": self.who,
            "version": self.version,
            "result": self.result,
            "seconds": self.seconds,
        }

    def to_json(self) -> str:
        """Return it as the text of its object: one line."""
        return json.dumps({"schema": SCHEMA, **self.as_dict()}) + "\n"

    @property
    def what(self) -> str:
        """Its arguments in words, as `added ana, bia; prune`."""
        return "; ".join(_in_words(name.replace("_", " "), value) for name, value in self.arguments.items())

    @property
    def who_in_short(self) -> str:
        """The part of the ARN that says who in the account it was, as `user/ana`; `-` if that is not known."""
        found = _ARN_TAIL.fullmatch(self.who or "")
        return found[1] if found else self.who or "-"


def parse_entry(text: str) -> Entry | None:
    """Read an object of the history; None if it is damaged or of a version we do not know."""
    try:
        found: Any = json.loads(text)
        if found["schema"] != SCHEMA:
            return None
        who, seconds = found["who"], found["seconds"]
        return Entry(
            time=_plain(datetime.fromisoformat(found["time"]).isoformat(timespec="milliseconds")),
            command=_plain(str(found["command"])),
            result=_plain(str(found["result"])),
            who=None if who is None else _plain(str(who)),
            seconds=None if seconds is None else float(seconds),
            version=_plain(str(found["version"])),
            arguments=arguments(found["arguments"]),
        )
    except (ValueError, TypeError, KeyError, AttributeError):
        return None


def arguments(given: Mapping[str, Any]) -> dict[str, Any]:
    """Return arguments as they are written: nothing that was not asked for, and no sign that a terminal would obey."""
    return {_plain(name): _argument(value) for name, value in given.items() if value}


def stamp(moment: datetime) -> str:
    """Return a moment as entries have it: ISO 8601 in UTC, to the millisecond."""
    return moment.astimezone(timezone.utc).isoformat(timespec="milliseconds")


def prefix(env: str) -> str:
    """Return where in the state bucket the history of an environment lies."""
    return f"{env}/history/"


def key(env: str, entry: Entry, mark: str) -> str:
    """Return where an entry lies. The order of the keys is that of time; `mark` (8 hex digits) tells two apart."""
    began = datetime.fromisoformat(entry.time).astimezone(timezone.utc)
    return f"{prefix(env)}{began:%Y%m%dT%H%M%S}.{began.microsecond // 1000:03d}Z-{mark}.json"


def own_mark(entry: Entry) -> str:
    """Return a mark that is always the same for the same entry, so that it is written once, whoever writes it."""
    return hashlib.sha256(entry.to_json().encode()).hexdigest()[:8]


def result_of(error: BaseException | None, unfinished: BootstrapError | None = None) -> str:
    """Say how a command ended, by what it raised; `unfinished` is what it could not do and did not raise."""
    if isinstance(error, KeyboardInterrupt):
        return INTERRUPTED
    if isinstance(error, Unfinished):
        return f"unfinished: {_first_line(error)}"
    if error is not None:
        return f"failed: {type(error).__name__}: {_first_line(error)}"
    return f"unfinished: {type(unfinished).__name__}: {_first_line(unfinished)}" if unfinished else DONE


def _first_line(error: BaseException) -> str:
    text = error.message if isinstance(error, BootstrapError) else str(error)
    line = _plain(redact(text).strip().partition("\n")[0])
    return line if len(line) <= _MOST_SIGNS else f"{line[: _MOST_SIGNS - 1]}…"


def _in_words(name: str, value: Any) -> str:
    if value is True:
        return name
    return f"{name} {', '.join(value) if isinstance(value, list) else value}"


def _argument(value: Any) -> Any:
    if isinstance(value, bool | int | float):
        return value
    if isinstance(value, str):
        return _plain(redact(value))
    return [_plain(redact(str(one))) for one in value]


def _plain(text: str) -> str:
    return "".join(sign if sign.isprintable() else "?" for sign in text)
