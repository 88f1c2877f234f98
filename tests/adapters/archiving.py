"""What the tests of an archive in a folder and of one in S3 share."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Protocol

import pytest

from bootstrap.adapters.aws import copying
from bootstrap.adapters.aws.session import Aws
from bootstrap.core.manifest import Source
from bootstrap.workflows import copy_out


class Story:
    """Keeps what it is told, and calls `when` with the title of each step as it begins."""

    def __init__(self) -> None:
        self.told: list[str] = []
        self.when: Callable[[str], object] = lambda _: None

    def say(self, text: str) -> None:
        self.told.append(text)

    note = detail = say

    @contextmanager
    def step(self, text: str) -> Iterator[Any]:
        self.say(text)
        self.when(text)
        yield self


class Archiving(Protocol):
    """An environment, and what its archive is made into."""

    def make(self) -> object: ...

    def files(self) -> dict[str, bytes]: ...


def fetched(monkeypatch: pytest.MonkeyPatch, *, stop_after: int | None = None) -> list[str]:
    """Note each key that is fetched from now on; with `stop_after`, Ctrl-C comes at the one behind that many."""
    keys: list[str] = []
    fetch = copying.fetch

    def counted(aws: Aws, bucket: str, source: Source, *rest: Any) -> Any:
        if stop_after is not None and len(keys) >= stop_after:
            raise KeyboardInterrupt
        keys.append(source.key)
        return fetch(aws, bucket, source, *rest)

    monkeypatch.setattr(copying, "fetch", counted)
    return keys


def interrupt(course: Archiving, monkeypatch: pytest.MonkeyPatch, after: int) -> None:
    """Begin an archive, and press Ctrl-C when so many objects have been fetched."""
    with monkeypatch.context() as patch:
        patch.setattr(copy_out, "_SIDE_BY_SIDE", 1)
        fetched(patch, stop_after=after)
        with pytest.raises(KeyboardInterrupt):
            course.make()
    assert "manifest.json" not in course.files()
