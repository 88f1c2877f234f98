"""When it is worth asking GitHub again.

https://docs.github.com/rest/using-the-rest-api/best-practices-for-using-the-rest-api#handle-rate-limit-errors-appropriately
"""

from __future__ import annotations

import re
from collections.abc import Callable

# A header's value by its name, in whatever case; None if it did not come.
Header = Callable[[str], str | None]


def wait_seconds(status: int, header: Header, attempt: int, now: float) -> float | None:
    """Return after how many seconds it is worth asking again, None for never.

    `attempt` counts from 1; `now` in seconds since 1970, as GitHub tells when the hour's allowance begins anew.
    """
    if (told := _number(header("Retry-After"))) is not None and status in (403, 429, 500, 502, 503, 504):
        return told
    if status in (403, 429):
        return _until_reset(header, now)
    return float(attempt) if status >= 500 else None


def is_limit(status: int, header: Header, now: float) -> bool:
    """Tell whether GitHub answers no more requests for now."""
    return status == 429 or (status == 403 and wait_seconds(status, header, 1, now) is not None)


def _until_reset(header: Header, now: float) -> float | None:
    """Return in how many seconds the hour's allowance begins anew, None if that is not what stopped us."""
    reset = _number(header("X-RateLimit-Reset"))
    if header("X-RateLimit-Remaining") != "0" or reset is None:
        return None
    return max(1.0, reset - now + 1)


def _number(text: str | None) -> float | None:
    return float(text) if text is not None and re.fullmatch(r"[0-9]{1,12}", text.strip(), re.ASCII) else None
