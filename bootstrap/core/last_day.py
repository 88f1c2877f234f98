"""When a last day (`expires`) is over: as the condition in the members' policies has it, whose times are in UTC.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_condition_operators.html (dates)
"""

from __future__ import annotations

from datetime import date, datetime, timezone
from typing import TypeGuard


def day_in_utc(moment: datetime) -> date:
    """Return the day that it is in UTC at a moment. One without a zone is taken for local time, as Python does."""
    return moment.astimezone(timezone.utc).date()


def is_past(last_day: date | None, today: date) -> TypeGuard[date]:
    """Tell whether a last day is over. `today` is the day in UTC; the last day itself still counts, None has no end."""
    return last_day is not None and last_day < today
