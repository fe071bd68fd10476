"""Comparing names and numbers of people: folded copies, and look-alikes. Pure.

Called by ``correlate`` and nobody else. The original value is what is acted upon and recorded:
nothing here is ever written anywhere.

Two texts are *equal* when they differ in width, case, Unicode composition or outer blanks only
(UAX #15, NFKC). They *look alike* when people could take one for the other although they are not
equal: a Cyrillic ``a`` for a Latin one, ``l`` for ``1``, an accent, an invisible character in the
middle. The table is the part of UTS #39 that imitates what logins and HR numbers are written
with. It need not be complete to be safe: what is not equal never matches, listed here or not.
"""

from __future__ import annotations

import unicodedata
from typing import Final

_IMITATIONS: Final = {
    "a": "\u0430\u03b1\u0251",
    "b": "\u044c\u0185\u15af6",
    "c": "\u0441\u03f2\u1d04",
    "d": "\u0501\u0257",
    "e": "\u0435\u0454\u04bd",
    "g": "\u0261\u0581",
    "h": "\u04bb\u0570",
    "i": "\u0456\u0131\u0269\u03b9\u04cfl1|!",
    "j": "\u0458\u03f3",
    "k": "\u043a\u03ba\u1d0b",
    "m": "\u043c\u1d0d",
    "n": "\u043f\u0578\u03b7",
    "o": "\u043e\u03bf\u0585\u03c30",
    "p": "\u0440\u03c1",
    "q": "\u051b\u0566",
    "r": "\u0433\u1d26",
    "s": "\u0455\u01bd5",
    "t": "\u0442\u03c4\u1d1b",
    "u": "\u03c5\u057d\u028b\u0446",
    "v": "\u03bd\u0475\u1d20",
    "w": "\u0461\u03c9\u051d",
    "x": "\u0445\u03c7\u00d7",
    "y": "\u0443\u04af\u03b3",
    "z": "\u1d222",
    "3": "\u0437\u025c\u04d9",
    "-": "\u2010\u2011\u2012\u2013\u2014\u2212_",
}
_SKELETON: Final = {
    ord(imitation): imitated
    for imitated, imitations in _IMITATIONS.items()
    for imitation in imitations
}
_PAIRS: Final = (("rn", "m"), ("vv", "w"), ("ci", "d"))
"""Two letters that read as one, after the table (which has made ``cl`` into ``ci``)."""
_UNSEEN: Final = frozenset({"Cf", "Mn", "Me", "Cc"})
"""Categories without a picture of their own: joiners, soft hyphens, accents, controls."""


def fold(text: str) -> str:
    """A copy to compare: width, case, composition and blanks do not count."""
    wide = unicodedata.normalize("NFKC", text).casefold()
    return " ".join(unicodedata.normalize("NFKC", wide).split())


def fold_number(text: str) -> str:
    """The same for an HR number; digits of another script are the same digits, zeros stay."""
    return "".join(
        str(unicodedata.decimal(char)) if char.isdecimal() else char for char in fold(text)
    )


def skeleton(text: str) -> str:
    """What people see at a glance; compare with another skeleton, never with anything else."""
    apart = unicodedata.normalize("NFKD", fold(text))
    seen = "".join(char for char in apart if unicodedata.category(char) not in _UNSEEN)
    shape = seen.translate(_SKELETON)
    for pair, letter in _PAIRS:
        shape = shape.replace(pair, letter)
    return shape


def looks_like(one: str, other: str) -> bool:
    """Say whether two texts are not equal and may be taken for each other."""
    return fold(one) != fold(other) and skeleton(one) == skeleton(other) != ""
