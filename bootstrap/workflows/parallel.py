"""Runs side by side what does not depend on each other, and stops in order on Ctrl-C."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import Any, TypeVar

from bootstrap.adapters.process import Jobs
from bootstrap.workflows.story import Story

T = TypeVar("T")

_WAKE_SECONDS = 0.2


class Side:
    """Background work of one command. Used as a context manager: leaving it waits for everything."""

    def __init__(self, jobs: Jobs, story: Story) -> None:
        self._jobs = jobs
        self._story = story
        self._pool = ThreadPoolExecutor(max_workers=8, thread_name_prefix="bootstrap")
        self._all: list[Future[Any]] = []

    def __enter__(self) -> Side:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is KeyboardInterrupt and self._jobs.interrupt():
            self._story.note("Stopping: Terraform finishes what it has begun, so that nothing is half-made …")
        self._settle()
        self._pool.shutdown(wait=True, cancel_futures=True)

    def start(self, work: Callable[[], T]) -> Future[T]:
        """Begin a piece of work."""
        future = self._pool.submit(work)
        self._all.append(future)
        return future

    def results(self, *futures: Future[T]) -> list[T]:
        """Wait for pieces of work and return their results; if one failed, the others end first.

        Raises what the first of them (in the order given) raised.
        """
        pending = set(futures)
        while pending:
            # With a timeout the main thread stays open to Ctrl-C, on Windows too.
            _, pending = wait(pending, timeout=_WAKE_SECONDS, return_when=FIRST_COMPLETED)
        return [future.result() for future in futures]

    def result(self, future: Future[T]) -> T:
        """Wait for one piece of work."""
        return self.results(future)[0]

    def _settle(self) -> None:
        for future in self._all:
            future.cancel()
        pending = {future for future in self._all if not future.done()}
        while pending:
            try:
                _, pending = wait(pending, timeout=_WAKE_SECONDS)
            except KeyboardInterrupt:
                self._jobs.interrupt()
                self._story.note("Still stopping. A second interrupt was passed on to Terraform.")
