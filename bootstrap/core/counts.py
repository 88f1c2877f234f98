"""How many of something, in words."""

from __future__ import annotations


def counted(count: int, word: str) -> str:
    """Return a count with its word, `1 file` or `1,024 files`; `word` is one that takes an s."""
    return f"{count:,} {word}" if count == 1 else f"{count:,} {word}s"
