"""Threads that work through batches of requests, and slow down when the service asks for it."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Generic, TypeVar

from bootstrap.adapters.aws.session import error_code
from bootstrap.errors import AwsFailed

T = TypeVar("T")

# A request that the service had no time for is made again after growing pauses, half a minute together; botocore has
# tried it several times before each. https://docs.aws.amazon.com/AmazonS3/latest/userguide/optimizing-performance.html
_TRIES = 8
_FIRST_PAUSE_SECONDS = 0.25
_LONGEST_PAUSE_SECONDS = 15.0
# How long a request under way may take to end once the user said stop; its thread never keeps the program alive.
_LEAVE_SECONDS = 5.0
# With a timeout the main thread stays open to Ctrl-C, on Windows too.
_WAKE_SECONDS = 0.2
# https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html
BUSY = frozenset(
    ("SlowDown", "ServiceUnavailable", "InternalError", "RequestTimeout", "OperationAborted", "Throttling")
)


def patiently(call: Callable[[], T]) -> T:
    """Make a request, again if the service has no time for it. Raises AwsFailed if it never has, ClientError."""
    from botocore.exceptions import ClientError

    for number in range(_TRIES):
        try:
            return call()
        except ClientError as error:
            if not is_busy(error):
                raise
            code = error_code(error)
        if number + 1 < _TRIES:
            time.sleep(_pause(number))
    raise too_busy(code)


def is_busy(error: Exception) -> bool:
    """Tell whether the service had no time for a request, or failed in a way that passes."""
    status = getattr(error, "response", {}).get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    return error_code(error) in BUSY or int(status) >= 500


def too_busy(code: str) -> AwsFailed:
    """Return the error that ends all patience; `code` is the last answer."""
    return AwsFailed(
        f"AWS has no time for us: it still answers {code} after {_TRIES} tries.",
        hint="Wait some minutes, then run the same command again; it goes on where it stopped.",
    )


def _pause(number: int) -> float:
    return float(min(_FIRST_PAUSE_SECONDS * 2**number, _LONGEST_PAUSE_SECONDS))


class Crew(Generic[T]):
    """Threads that work through batches. Used as a context manager, from one thread; leaving it ends them.

    `work` returns what it had no time for: that is tried again after a pause, with half as many at work at once. The
    pauses grow while that goes on, and the number at work grows again, one by one, when it is over. `meanwhile` is
    called in the caller's thread whenever that waits. Raises in `put` and `drain` what `work` raised.
    """

    def __init__(
        self,
        work: Callable[[Sequence[T]], tuple[list[T], str]],
        size: int,
        meanwhile: Callable[[], None],
    ) -> None:
        self._work = work
        self._size = self._limit = size
        self._meanwhile = meanwhile
        self._change = threading.Condition()
        self._waiting: deque[Sequence[T]] = deque()
        self._at_work = 0
        self._smooth = 0
        self._in_vain = 0
        self._not_before = self._slowed = time.monotonic()
        self._stopped = False
        self._failure: BaseException | None = None
        self._threads: list[threading.Thread] = []

    def __enter__(self) -> Crew[T]:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self._stopped = True
        with self._change:
            self._change.notify_all()
        deadline = time.monotonic() + _LEAVE_SECONDS
        for thread in self._threads:
            if thread.ident is not None:
                thread.join(max(0.0, deadline - time.monotonic()))

    def put(self, items: Sequence[T]) -> None:
        """Have a batch worked through; wait while as many are waiting as can be at work."""
        self._wait_until(lambda: len(self._waiting) < self._size)
        with self._change:
            self._waiting.append(items)
            self._change.notify_all()
            wanted = min(self._limit, self._at_work + len(self._waiting))
        if len(self._threads) < wanted:
            # A daemon: a request that hangs must not keep the program from ending.
            self._threads.append(threading.Thread(target=self._run, name="bootstrap-crew", daemon=True))
            self._threads[-1].start()

    def drain(self) -> None:
        """Wait until everything is worked through."""
        self._wait_until(lambda: not self._waiting and not self._at_work)

    def one_at_a_time(self) -> None:
        """From now on, work through one batch after the other."""
        with self._change:
            self._size = self._limit = 1

    def _wait_until(self, ready: Callable[[], bool]) -> None:
        while True:
            with self._change:
                if self._failure is not None:
                    raise self._failure
                done = ready()
                if not done:
                    self._change.wait(_WAKE_SECONDS)
            self._meanwhile()
            if done:
                return

    def _run(self) -> None:
        while (items := self._take()) is not None:
            began = time.monotonic()
            try:
                left, code = self._work(items)
            except BaseException as error:  # noqa: BLE001 - raised again where the caller waits
                self._fail(error)
                return
            self._settle(items, left, code, began)

    def _take(self) -> Sequence[T] | None:
        with self._change:
            while not self._stopped and self._failure is None:
                rest = self._not_before - time.monotonic()
                if self._waiting and self._at_work < self._limit and rest <= 0:
                    self._at_work += 1
                    self._change.notify_all()
                    return self._waiting.popleft()
                self._change.wait(rest if rest > 0 else _WAKE_SECONDS)
            return None

    def _settle(self, items: Sequence[T], left: list[T], code: str, began: float) -> None:
        with self._change:
            self._at_work -= 1
            if len(left) < len(items):
                self._in_vain = 0
            if left:
                self._waiting.appendleft(left)
                self._slow_down(code, began)
            else:
                self._smooth += 1
                if self._smooth >= self._limit:
                    self._smooth = 0
                    self._limit = min(self._size, self._limit + 1)
            self._change.notify_all()

    def _slow_down(self, code: str, began: float) -> None:
        if began < self._slowed:
            return  # asked for before we slowed down: the service has not seen yet that we did
        self._slowed = time.monotonic()
        self._smooth = 0
        self._limit = max(1, self._limit // 2)
        self._not_before = self._slowed + _pause(self._in_vain)
        self._in_vain += 1
        if self._in_vain >= _TRIES:
            self._failure = self._failure or too_busy(code)

    def _fail(self, error: BaseException) -> None:
        with self._change:
            self._at_work -= 1
            self._failure = self._failure or error
            self._change.notify_all()
