"""Instants in rows: seconds since 1970 in UTC, so that both databases compare them alike."""

from __future__ import annotations

from datetime import UTC, datetime


def epoch(at: datetime) -> float:
    """Convert an aware instant for a row."""
    return at.timestamp()


def instant(seconds: float) -> datetime:
    """Convert a row's seconds into an aware instant."""
    return datetime.fromtimestamp(seconds, UTC)


def instant_or_none(seconds: float | None) -> datetime | None:
    """Convert a column that may be empty."""
    return None if seconds is None else instant(seconds)


def epoch_or_none(at: datetime | None) -> float | None:
    """Convert an instant that may be missing."""
    return None if at is None else epoch(at)
