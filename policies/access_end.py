"""Law 12: the one instant at which access ends, derived from civil dates and stored with its basis.

Intake and the daily re-validation call :func:`derive`; an auditor can recompute the result from
what it carries. Civil days end at 00:00 of the next day in an IANA zone. This module reads no
clock: "now" is always given.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from enum import StrEnum
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

from policies.problems import nearest_word, quoted
from policies.timing import Anchors

_EARLIEST: Final = date(1970, 1, 2)
_LATEST: Final = date(2199, 12, 31)
_ONE_DAY: Final = timedelta(days=1)
_ONE_SECOND: Final = timedelta(seconds=1)
_NOT_ZONES: Final = frozenset({"localtime", "posixrules", "Factory"})
"""Names that resolve on some machines and mean something else on the next."""


class AccessEndError(ValueError):
    """Access end cannot be derived; the case is a question to a person, never a guess."""


class DatesMissing(AccessEndError):
    """There is no date to derive from."""


class ImpossibleDates(AccessEndError):
    """A date that does not exist, or dates that contradict one another."""


class UnknownTimeZone(AccessEndError):
    """No zone, or a name the IANA database does not have; ``nearest`` is the closest it has."""

    def __init__(self, message: str, nearest: str = "") -> None:
        self.nearest = nearest
        hint = f"; did you mean {nearest}?" if nearest else ""
        super().__init__(message + hint)


class Urgency(StrEnum):
    """How the termination is carried out (canonical event)."""

    NORMAL = "normal"
    IMMEDIATE = "immediate"
    COVERT = "covert"


class Convention(StrEnum):
    """What a termination date means: the last day in employment, or the first day out of it."""

    LAST_DAY_IN = "last_day_in"
    FIRST_DAY_OUT = "first_day_out"


class ZoneBasis(StrEnum):
    """Where the time zone came from."""

    EVENT = "event"
    SITE = "site"
    TENANT_DEFAULT = "tenant_default"
    POLICY_DEFAULT = "policy_default"


class Basis(StrEnum):
    """What the instant was derived from."""

    END_OF_LAST_WORKING_DAY = "end_of_last_working_day"
    END_OF_TERMINATION_DATE = "end_of_termination_date"
    IMMEDIATE = "immediate"
    SOURCE_INSTANT = "source_instant"


@dataclass(frozen=True, slots=True)
class CivilDates:
    """The dates of a termination, as days.

    ``convention`` says what *this* ``termination_date`` means. A canonical event is already
    normalised to the last day in, whatever its ``source_convention`` records: it is passed with
    ``LAST_DAY_IN``. ``last_working_day`` is a last day by its name and is never shifted.
    """

    last_working_day: date | None = None
    termination_date: date | None = None
    notice_date: date | None = None
    time_zone: str = ""
    time_zone_basis: ZoneBasis = ZoneBasis.EVENT
    convention: Convention = Convention.LAST_DAY_IN


@dataclass(frozen=True, slots=True)
class ZoneDefaults:
    """Zones to fall back to, the nearest first; empty means unknown."""

    site: str = ""
    tenant: str = ""
    policy: str = ""


@dataclass(frozen=True, slots=True)
class AccessEnd:
    """The instant (aware, UTC) with all that is needed to recompute it."""

    at: datetime
    basis: Basis
    time_zone: str
    time_zone_basis: ZoneBasis | None
    explanation: str
    day: date | None = None


def derive(
    dates: CivilDates,
    *,
    immediate: bool,
    received_at: datetime,
    defaults: ZoneDefaults = ZoneDefaults(),
    source_instant: datetime | None = None,
) -> AccessEnd:
    """Derive the instant: immediate, else the source's own instant, else the end of a civil day.

    ``immediate`` is true for action or urgency ``immediate`` and overrides all dates; it means the
    instant of receipt, never the source's clock. Raises :class:`AccessEndError`.
    """
    if immediate:
        at = _utc(received_at, "received_at")
        words = f"Immediate termination: access ends when it was received, {spell_instant(at)}."
        return AccessEnd(at, Basis.IMMEDIATE, "", None, words)
    if source_instant is not None:
        at = _utc(source_instant, "the instant of the source")
        words = f"The source named the instant: access ends {spell_instant(at)}."
        return AccessEnd(at, Basis.SOURCE_INSTANT, "", None, words)
    day, basis = _last_day(dates)
    zone, zone_name, zone_basis = _zone(dates, defaults)
    local = start_of_day(day + _ONE_DAY, zone)
    at = local.astimezone(UTC)
    words = (
        f"{_SENTENCE[basis]} {day.isoformat()} in {zone_name} ({zone_basis.replace('_', ' ')}): "
        f"access ends {local.isoformat(sep=' ', timespec='minutes')} = {spell_instant(at)}."
    )
    return AccessEnd(at, basis, zone_name, zone_basis, words, day)


_SENTENCE: Final = {
    Basis.END_OF_LAST_WORKING_DAY: "End of the last working day",
    Basis.END_OF_TERMINATION_DATE: "End of the termination date",
}


def anchors(end: AccessEnd, dates: CivilDates, *, received_at: datetime, now: datetime) -> Anchors:
    """Build the anchors of timings.

    Where HR gives no notice date, notice is the receipt; where there is no last working day, it is
    the day that ``access_end`` closes. So every timing of a policy resolves for every case.
    """
    zone = find_zone(end.time_zone) if end.time_zone else UTC
    notice = start_of_day(dates.notice_date, zone) if dates.notice_date else received_at
    last_day = dates.last_working_day or end.day
    begins = start_of_day(last_day, zone) if last_day else end.at - _ONE_DAY
    return Anchors(end.at, now.astimezone(UTC), notice.astimezone(UTC), begins.astimezone(UTC))


def parse_civil_date(text: str, name: str) -> date:
    """Read ``YYYY-MM-DD``. Raises :class:`ImpossibleDates` naming the field, not the value."""
    try:
        day = datetime.strptime(text, "%Y-%m-%d").date()  # noqa: DTZ007 - a civil date on purpose
    except ValueError as error:
        raise ImpossibleDates(f"{name} is not a date of the calendar (YYYY-MM-DD)") from error
    if len(text) != len("2026-12-18"):
        raise ImpossibleDates(f"{name} is not written as YYYY-MM-DD")
    return _bounded(day, name)


def find_zone(name: str) -> ZoneInfo:
    """Look up an IANA zone. Raises :class:`UnknownTimeZone` with the nearest name."""
    if not name or name in _NOT_ZONES:
        raise UnknownTimeZone(f"{quoted(name)} is not an IANA time zone")
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        near = nearest_word(name, {zone.lower() for zone in available_timezones()})
        right = next((zone for zone in available_timezones() if zone.lower() == near), "")
        raise UnknownTimeZone(f"{quoted(name)} is not an IANA time zone", right) from error


def start_of_day(day: date, zone: tzinfo) -> datetime:
    """The instant from which on it is ``day`` or later in ``zone`` and never earlier again.

    Where midnight does not exist (clocks go forward over it) that is the first instant after the
    gap; where clocks go back over midnight it is the last time the earlier day ends (PEP 495).
    """
    wall = datetime.combine(day, time(0), tzinfo=zone)
    first, second = wall.astimezone(UTC), wall.replace(fold=1).astimezone(UTC)
    if first == second:
        return wall
    if first < second:  # midnight happens twice
        falls_back = (second - _ONE_SECOND).astimezone(zone).date() < day
        return (second if falls_back else first).astimezone(zone)
    while first - second > _ONE_SECOND:  # midnight is skipped; the change lies between the two
        middle = second + timedelta(seconds=(first - second) // _ONE_SECOND // 2)
        if middle.astimezone(zone).date() < day:
            second = middle
        else:
            first = middle
    return (second if second.astimezone(zone).date() >= day else first).astimezone(zone)


def spell_instant(at: datetime) -> str:
    """UTC with ``Z``, the way evidence writes instants."""
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z")


def _last_day(dates: CivilDates) -> tuple[date, Basis]:
    last, end = dates.last_working_day, dates.termination_date
    if end is not None:
        end = _bounded(end, "termination_date")
        if dates.convention is Convention.FIRST_DAY_OUT:
            end -= _ONE_DAY
    if last is not None:
        last = _bounded(last, "last_working_day")
        if end is not None and last > end:
            raise ImpossibleDates("last_working_day lies after the last day in employment")
        return last, Basis.END_OF_LAST_WORKING_DAY
    if end is None:
        raise DatesMissing("neither last_working_day nor termination_date is known")
    return end, Basis.END_OF_TERMINATION_DATE


def _zone(dates: CivilDates, defaults: ZoneDefaults) -> tuple[ZoneInfo, str, ZoneBasis]:
    candidates = (
        (dates.time_zone, dates.time_zone_basis),
        (defaults.site, ZoneBasis.SITE),
        (defaults.tenant, ZoneBasis.TENANT_DEFAULT),
        (defaults.policy, ZoneBasis.POLICY_DEFAULT),
    )
    for name, basis in candidates:
        if name:
            return find_zone(name), name, basis
    raise UnknownTimeZone("no time zone: neither the event nor a default names one")


def _bounded(day: date, name: str) -> date:
    if not _EARLIEST <= day <= _LATEST:
        raise ImpossibleDates(f"{name} lies outside the years 1970 to 2199")
    return day


def _utc(at: datetime, name: str) -> datetime:
    if at.tzinfo is None:
        raise ImpossibleDates(f"{name} has no time zone")
    return at.astimezone(UTC)
