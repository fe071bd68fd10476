"""Graph's date and time texts as aware instants. Called by every row that compares times."""

from __future__ import annotations

from datetime import UTC, datetime


def instant(value: object) -> datetime | None:
    """Read an ISO 8601 text with any number of decimals; None for anything else.

    The year 1 is how Graph writes "never" in places.
    """
    if not isinstance(value, str):
        return None
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        return None
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return moment.astimezone(UTC) if moment.year > 1 else None
