"""What day it is, for everything that has a last one."""

from __future__ import annotations

from datetime import date, datetime, timezone

from bootstrap.core.last_day import day_in_utc


def today() -> date:
    """Return today's date in UTC, which is the day that AWS counts by, wherever this laptop is."""
    return day_in_utc(datetime.now(timezone.utc))
