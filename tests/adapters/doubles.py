"""What stands in, in several tests, for the terminal that a workflow tells its story to."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext


class Step:
    """Something that takes a while; how far it is, nobody asks."""

    def detail(self, text: str) -> None: ...


class Story:
    """Remembers what was told: `told` is all of it in order, `said` and `notes` are the parts without the steps."""

    def __init__(self) -> None:
        self.told: list[str] = []
        self.said: list[str] = []
        self.notes: list[str] = []

    def say(self, text: str) -> None:
        self.told.append(text)
        self.said.append(text)

    def note(self, text: str) -> None:
        self.told.append(text)
        self.notes.append(text)

    def step(self, text: str) -> AbstractContextManager[Step]:
        self.told.append(text)
        return nullcontext(Step())
