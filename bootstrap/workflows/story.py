"""How a workflow tells the person at the terminal what goes on, without knowing that there is one."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Protocol


class Step(Protocol):
    """One thing that takes a while."""

    def detail(self, text: str) -> None:
        """Say how far it is."""


class Silent:
    """A step of which nothing is told: another one tells of it."""

    def detail(self, text: str) -> None:
        """Keep it to oneself."""


class Story(Protocol):
    """What goes to standard error."""

    def say(self, text: str) -> None:
        """Tell one thing that happened."""

    def note(self, text: str) -> None:
        """Tell something that the user should know but need not act on now."""

    def step(self, text: str) -> AbstractContextManager[Step]:
        """Show that something is going on until the block ends."""
