"""Ports for the servers of tests."""

from __future__ import annotations

import random

from bootstrap.adapters.process import free_port

# Below those that `up --local` chooses from, and those that the system gives to outgoing connections.
_FIRST, _LAST = 10000, 19000


def some_port() -> int:
    """Return a free port, most likely another one each time.

    A server takes seconds until it listens: two tests at once that both took the first free one would meet there.
    """
    return free_port(random.SystemRandom().randrange(_FIRST, _LAST))
