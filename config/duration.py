"""Lengths of time as operators write them: ``250ms``, ``5s``, ``15m``, ``1h``, ``3d``, ``1h30m``.

Used while the settings file is read. Offsets of policies are another language
(``policies.timing``): they speak of days around a date, this one of machine time.
"""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Final

from policies.problems import WordError, nearest_word, one_of, quoted

UNITS: Final = {
    "ms": timedelta(milliseconds=1),
    "s": timedelta(seconds=1),
    "m": timedelta(minutes=1),
    "h": timedelta(hours=1),
    "d": timedelta(days=1),
}
LONGEST: Final = timedelta(days=3660)
_PART: Final = re.compile(r"(\d{1,12})\s*([A-Za-z]+)\s*", re.ASCII)
_WHOLE: Final = re.compile(r"(?:\d{1,12}\s*[A-Za-z]+\s*){1,5}", re.ASCII)


def parse_duration(text: str) -> timedelta:
    """Read a sum of ``NUMBER UNIT``; ``0`` needs no unit. Raises :class:`WordError`."""
    text = text.strip()
    if text == "0":
        return timedelta(0)
    if not _WHOLE.fullmatch(text):
        raise WordError(f"{quoted(text)} is not a length of time", expected="one like '5m'")
    total = timedelta(0)
    for match in _PART.finditer(text):
        unit = UNITS.get(match[2])
        if unit is None:
            near = nearest_word(match[2][0], UNITS)
            raise WordError(
                f"{quoted(match[2])} is not a unit",
                expected=one_of(UNITS),
                nearest=near,
                index=match.start(2),
            )
        total += unit * min(int(match[1]), LONGEST // unit + 1)
    if total > LONGEST:
        raise WordError(f"{quoted(text)} is too long", expected="at most ten years")
    return total


def spell_duration(duration: timedelta) -> str:
    """Write a length of time in the largest unit that divides it; the inverse of parsing."""
    if not duration:
        return "0"
    for name, unit in reversed(UNITS.items()):
        if not duration % unit:
            return f"{duration // unit}{name}"
    raise ValueError("no whole number of milliseconds")
