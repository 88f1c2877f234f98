"""Terraform's `-json` stream: lines of text → what changes, how far it is, what went wrong.

https://developer.hashicorp.com/terraform/internals/machine-readable-ui - types we do not know are passed over,
as that page asks.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import Any, Literal

Action = Literal["create", "update", "replace", "delete", "import", "forget"]
_ACTIONS: dict[str, Action] = {
    "create": "create",
    "update": "update",
    "replace": "replace",
    "delete": "delete",
    "import": "import",
    "remove": "forget",
}


@dataclass(frozen=True)
class Change:
    """One resource that a plan changes. `address` is Terraform's, `kind` its resource type."""

    address: str
    kind: str
    action: Action


@dataclass(frozen=True)
class Diagnostic:
    """An error or a warning of Terraform's."""

    severity: str
    summary: str
    detail: str = ""
    address: str = ""

    def text(self) -> str:
        """Return it as one paragraph for a person."""
        where = f" ({self.address})" if self.address else ""
        detail = f": {self.detail.strip()}" if self.detail.strip() else ""
        return f"{self.summary}{where}{detail}"


@dataclass(frozen=True)
class LockHolder:
    """Who holds a state's lock. `created` is Terraform's own text of a UTC time."""

    id: str
    who: str
    created: str
    operation: str


@dataclass
class Stream:
    """All that one Terraform run has said so far. Feed it line by line.

    `changes` are complete once `planned` is true.
    """

    changes: list[Change] = field(default_factory=list)
    drift: list[Change] = field(default_factory=list)
    diagnostics: list[Diagnostic] = field(default_factory=list)
    outputs: dict[str, Any] = field(default_factory=dict)
    started: list[str] = field(default_factory=list)
    finished: list[str] = field(default_factory=list)
    planned: bool = False

    def feed(self, line: str) -> str | None:
        """Take one line in; return the address of the resource that has just been finished, if one has."""
        try:
            event = json.loads(line)
        except ValueError:
            return None
        if not isinstance(event, dict):
            return None
        kind = event.get("type")
        if kind == "planned_change":
            self._keep(self.changes, event.get("change"))
        elif kind == "resource_drift":
            self._keep(self.drift, event.get("change"))
        elif kind == "diagnostic":
            found = event.get("diagnostic") or {}
            self.diagnostics.append(
                Diagnostic(
                    severity=str(found.get("severity", "error")),
                    summary=str(found.get("summary", "")),
                    detail=str(found.get("detail", "")),
                    address=str(found.get("address", "")),
                )
            )
        elif kind == "change_summary":
            # Comes again after an apply; by then the plan has long been complete.
            self.planned = True
        elif kind == "outputs":
            self.outputs = {
                name: output["value"]
                for name, output in (event.get("outputs") or {}).items()
                if isinstance(output, dict) and "value" in output
            }
        elif kind == "apply_start":
            self.started.append(_address(event.get("hook")))
        elif kind == "apply_complete":
            self.finished.append(_address(event.get("hook")))
            return self.finished[-1]
        return None

    @property
    def errors(self) -> list[Diagnostic]:
        """The diagnostics that made the run fail."""
        return [d for d in self.diagnostics if d.severity == "error"]

    @property
    def lock_holder(self) -> LockHolder | None:
        """Who holds the state's lock, if that is why the run failed.

        Not being able to make a lock, or to release one's own, is another matter: then no holder is named.
        """
        for diagnostic in self.errors:
            if "acquiring the state lock" in diagnostic.summary and (holder := parse_lock_info(diagnostic.detail)).id:
                return holder
        return None

    def _keep(self, into: list[Change], change: Any) -> None:
        if not isinstance(change, dict):
            return
        resource = change.get("resource") or {}
        action = _ACTIONS.get(str(change.get("action")))
        if change.get("importing") and action is None:
            action = "import"
        if action is not None:
            into.append(Change(str(resource.get("addr")), str(resource.get("resource_type")), action))


def _address(hook: Any) -> str:
    resource = hook.get("resource") if isinstance(hook, dict) else None
    return str(resource.get("addr")) if isinstance(resource, dict) else ""


def parse_lock_info(detail: str) -> LockHolder:
    """Read the lines under `Lock Info:` in the message of a state that is locked."""

    def value(name: str) -> str:
        match = re.search(rf"^\s*{name}:[ \t]*(.*?)\s*$", detail, re.MULTILINE)
        return match.group(1) if match else ""

    return LockHolder(value("ID"), value("Who"), value("Created"), value("Operation"))
