"""How long a server asks us to wait, and what time it has: two headers that anybody may garble.

Called by every room that speaks HTTP, with any client. It reads text and never waits.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Final

LONGEST_WAIT: Final = timedelta(days=1)
"""An absurd wait would put a case to sleep for ever."""
_MOST_DIGITS: Final = len(str(int(LONGEST_WAIT.total_seconds())))


def retry_after(text: str, now: datetime | None) -> timedelta:
    """Read ``Retry-After``, seconds or a date (RFC 9110 section 10.2.3), at most a day.

    Nonsense, the past and nothing are no wait: then the engine chooses. ``now`` is aware; where it
    is not known (None), a date is no wait.
    """
    text = text.strip()
    if text.isascii() and text.isdigit():  # "²" is a digit and no number
        digits = text.lstrip("0")
        if len(digits) > _MOST_DIGITS:  # Python refuses to read thousands of digits
            return LONGEST_WAIT
        return min(timedelta(seconds=int(digits or "0")), LONGEST_WAIT)
    moment = http_date(text)
    if moment is None or now is None:
        return timedelta(0)
    return min(max(moment - now, timedelta(0)), LONGEST_WAIT)


def http_date(text: str) -> datetime | None:
    """Read an HTTP date (RFC 9110 section 5.6.7) as an aware time; None for anything else."""
    try:
        moment = parsedate_to_datetime(text)
    except (ValueError, OverflowError):  # the standard library counts with what it was given
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
