"""When a stage is due: an anchor and an exact offset, as in ``access_end - 5d``.

Policies are read with :func:`parse_timing`; the planner turns a timing into an instant with
:func:`resolve`. An offset is exact time: a day is 24 hours, because ``access_end`` is already the
one instant that a civil date became (Law 12). Business days of a calendar come later and will be
the unit ``bd``; the word is refused until then.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from policies.problems import WordError, nearest_word, one_of, quoted

MAX_OFFSET: Final = timedelta(days=3660)
_LONGEST: Final = 64
_TIMING: Final = re.compile(
    r"\s*(?P<anchor>[A-Za-z_]+)\s*(?:(?P<sign>[+-])\s*(?P<number>\d+)\s*(?P<unit>[A-Za-z]+))?\s*",
    re.ASCII,
)
_DURATION: Final = re.compile(r"(?P<number>\d+)\s*(?P<unit>[A-Za-z]+)", re.ASCII)

OFFSET_UNITS: Final = {
    "m": timedelta(minutes=1),
    "h": timedelta(hours=1),
    "d": timedelta(days=1),
    "w": timedelta(weeks=1),
}
"""Units of an offset: minutes, hours, days of 24 hours, weeks."""

RETENTION_UNITS: Final = {
    "d": timedelta(days=1),
    "w": timedelta(weeks=1),
    "y": timedelta(days=365),
}
"""Units of a retention; a year is 365 days."""


class Anchor(StrEnum):
    """What a timing counts from."""

    ACCESS_END = "access_end"
    NOW = "now"
    NOTICE = "notice"
    LAST_WORKING_DAY = "last_working_day"


@dataclass(frozen=True, slots=True)
class Timing:
    """An anchor and a signed offset. ``str()`` gives the canonical words back."""

    anchor: Anchor
    offset: timedelta = timedelta(0)

    def __str__(self) -> str:
        if not self.offset:
            return str(self.anchor)
        sign = "-" if self.offset < timedelta(0) else "+"
        return f"{self.anchor} {sign} {spell_duration(abs(self.offset), OFFSET_UNITS)}"


@dataclass(frozen=True, slots=True)
class Anchors:
    """The instants of one case, all aware. Built by :func:`policies.access_end.anchors`.

    ``notice`` is the beginning of the notice day, ``last_working_day`` the beginning of that day;
    ``now`` is the instant of the pass that asks.
    """

    access_end: datetime
    now: datetime
    notice: datetime
    last_working_day: datetime


def resolve(timing: Timing, anchors: Anchors) -> datetime:
    """The instant at which ``timing`` falls due. Offsets are exact; total for valid input."""
    instants = {
        Anchor.ACCESS_END: anchors.access_end,
        Anchor.NOW: anchors.now,
        Anchor.NOTICE: anchors.notice,
        Anchor.LAST_WORKING_DAY: anchors.last_working_day,
    }
    return instants[timing.anchor] + timing.offset


def parse_timing(text: str) -> Timing:
    """Read ``ANCHOR [+|- NUMBER UNIT]``. Raises :class:`WordError`."""
    match = _TIMING.fullmatch(text) if len(text) <= _LONGEST else None
    if match is None:
        expected = "an anchor with an offset, as in 'access_end - 5d'"
        raise WordError(f"{quoted(text)} is not a timing", expected=expected)
    anchor = _anchor(match)
    if match["sign"] is None:
        return Timing(anchor)
    if anchor is Anchor.NOW:
        message = "'now' takes no offset, since every pass would move it"
        raise WordError(message, expected="'now' alone", index=match.start("sign"))
    unit = _unit(match, OFFSET_UNITS)
    size = _times(match, unit)
    return Timing(anchor, -size if match["sign"] == "-" else size)


def parse_retention(text: str) -> timedelta:
    """Read ``NUMBER UNIT`` with days, weeks or years. Raises :class:`WordError`."""
    match = _DURATION.fullmatch(text) if len(text) <= _LONGEST else None
    if match is None:
        raise WordError(f"{quoted(text)} is not a duration", expected="a duration, as in '2y'")
    return _times(match, _unit(match, RETENTION_UNITS))


def spell_duration(duration: timedelta, units: dict[str, timedelta]) -> str:
    """Write a duration in the largest unit that divides it; units are in ascending order."""
    for name, unit in reversed(units.items()):
        if not duration % unit:
            return f"{duration // unit}{name}"
    raise ValueError(f"{duration} has no whole number of {one_of(units)}")


def _anchor(match: re.Match[str]) -> Anchor:
    word = match["anchor"]
    if word not in set(Anchor):
        raise WordError(
            f"{quoted(word)} is not an anchor",
            expected=one_of(Anchor),
            nearest=nearest_word(word, Anchor),
            index=match.start("anchor"),
        )
    return Anchor(word)


def _unit(match: re.Match[str], units: dict[str, timedelta]) -> timedelta:
    word, index = match["unit"], match.start("unit")
    if word == "bd":
        raise WordError(
            "business days ('bd') are not there yet: they need a calendar",
            expected=f"one of the units {one_of(units)}",
            index=index,
        )
    if word not in units:
        message = f"{quoted(word)} is not a unit"
        nearest = nearest_word(word[0], units)
        raise WordError(message, expected=one_of(units), nearest=nearest, index=index)
    return units[word]


def _times(match: re.Match[str], unit: timedelta) -> timedelta:
    number = int(match["number"])
    if number > MAX_OFFSET // unit:
        message = f"{quoted(match['number'] + match['unit'])} is too long"
        raise WordError(message, expected="at most ten years", index=match.start("number"))
    return unit * number
