"""What a `down` has taken away, and when: on the disk as it goes, so that a kill takes nothing from the receipt."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from bootstrap.adapters.files import append_line, read_text
from bootstrap.core.inventory import Thing
from bootstrap.core.receipt import Removed, Where

_FILE = "removed.jsonl"


def now() -> str:
    """Return the time as receipts have it: UTC, ISO 8601, to the second."""
    return datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


@dataclass
class Ledger:
    """What was there before, and what of it is gone by now. `began` is when the first of several tries began."""

    file: Path
    began: str
    things: dict[str, Thing] = field(default_factory=dict)
    removed: list[Removed] = field(default_factory=list)
    facts: dict[str, Any] = field(default_factory=dict)
    _writing: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def begin(self) -> None:
        """Write down when it began, unless an earlier try has."""
        if not self.file.exists():
            self._note({"began": self.began})

    def expect(self, things: Iterable[Thing]) -> None:
        """Write down what is there before anything goes."""
        for thing in things:
            if thing.arn not in self.things:
                self.things[thing.arn] = thing
                self._note({"thing": asdict(thing)})

    def enter(self, place: Where, kind: str, ids: Iterable[str]) -> None:
        """Write down that things went just now; what is written already stays as it is."""
        with self._writing:
            known = {(one.kind, one.id) for one in self.removed}
        for one in [Removed(kind, each, place, now()) for each in ids if (kind, each) not in known]:
            self.removed.append(one)
            self._note({"removed": asdict(one)})

    def learn(self, **facts: Any) -> None:
        """Write down what can be known only as long as nothing is gone; what an earlier try knew wins."""
        for name, value in facts.items():
            if name not in self.facts:
                self.facts[name] = value
                self._note({"fact": name, "value": value})

    def _note(self, entry: dict[str, object]) -> None:
        with self._writing:
            append_line(self.file, json.dumps(entry))


def forget_ledger(folder: Path) -> None:
    """Forget a `down` that did not end: the environment is brought up again."""
    (folder / _FILE).unlink(missing_ok=True)


def open_ledger(folder: Path) -> Ledger:
    """Open the ledger of an environment, with what an interrupted `down` wrote into it. A damaged line is left out."""
    ledger = Ledger(folder / _FILE, now())
    for line in (read_text(ledger.file) or "").splitlines():
        try:
            entry = json.loads(line)
            if "began" in entry:
                ledger.began = str(entry["began"])
            elif "fact" in entry:
                ledger.facts[str(entry["fact"])] = entry["value"]
            elif "thing" in entry:
                thing = Thing(**entry["thing"])
                ledger.things[thing.arn] = thing
            else:
                ledger.removed.append(Removed(**entry["removed"]))
        except (ValueError, TypeError, KeyError):
            continue  # the last line of a run that was killed while it wrote
    return ledger
