"""What somebody may have meant who typed a name that is none of those there are."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return ` Did you mean 'stag'?`, to go behind a message, for the one of `known` that is closest; else nothing."""
    close = difflib.get_close_matches(word, list(known), n=1)
    return f" Did you mean '{close[0]}'?" if close else ""
