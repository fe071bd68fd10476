"""Entries, changes and names of a directory as plain values; no connection in here."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from ldap3.core.exceptions import LDAPInvalidDnError
from ldap3.utils.conv import escape_filter_chars
from ldap3.utils.dn import parse_dn

_ORDER: Final = re.compile(rb"^\{-?\d+\}")


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry as read: its current DN and raw values under lower-case attribute names.

    A requested attribute without values is simply not there; ask by :meth:`values`, which gives an
    empty tuple, so "absent" and "empty" cannot be told apart by accident.
    """

    dn: str
    attributes: Mapping[str, tuple[bytes, ...]] = field(default_factory=dict)

    def values(self, name: str) -> tuple[bytes, ...]:
        """Return all raw values of an attribute, whatever the case of its name."""
        return self.attributes.get(name.lower(), ())

    def texts(self, name: str) -> tuple[str, ...]:
        """Return all values as text; bytes that are no UTF-8 are escaped, never dropped."""
        return tuple(value.decode("utf-8", "backslashreplace") for value in self.values(name))

    def text(self, name: str) -> str:
        """Return the first value as text, or an empty string."""
        return next(iter(self.texts(name)), "")


class Edit(StrEnum):
    """The three edits of a modify request (RFC 4511, 4.6); the words are ldap3's."""

    ADD = "MODIFY_ADD"
    DELETE = "MODIFY_DELETE"
    REPLACE = "MODIFY_REPLACE"


@dataclass(frozen=True, slots=True)
class Change:
    """One edit of one attribute. No values with DELETE or REPLACE means all of them."""

    edit: Edit
    attribute: str
    values: tuple[bytes, ...] = ()


def equals(attribute: str, value: str) -> str:
    """Return an equality filter with the value escaped (RFC 4515, 3)."""
    return f"({attribute}={escape_filter_chars(value)})"


def any_of(filters: Sequence[str]) -> str:
    """Return the "or" of filters. Raises :class:`ValueError` for none: that would match nothing."""
    if not filters:
        raise ValueError("an empty alternative matches nothing")
    return filters[0] if len(filters) == 1 else f"(|{''.join(filters)})"


def normal(text: str) -> str:
    """Fold a login or number for comparison only: width, case, outer blanks (NFKC).

    Directories keep ``LMEYER `` beside ``lmeyer``; both are the person. Act on the original value.
    """
    return unicodedata.normalize("NFKC", text).casefold().strip()


def normal_dn(text: str) -> str:
    """Fold a DN for comparison only; text that is no DN is folded as it is."""
    try:
        parts = parse_dn(text, escape=False, strip=True)
    except (LDAPInvalidDnError, IndexError):  # ldap3 stumbles over some malformed text
        return normal(text)
    return "".join(f"{normal(name)}={_unescaped(value)}{joint}" for name, value, joint in parts)


def bare(value: bytes) -> bytes:
    """Leave out the ``{n}`` that OpenLDAP puts before ordered values and renumbers at will."""
    return _ORDER.sub(b"", value)


def same_dn(one: str, other: str) -> bool:
    """Say whether two DNs name the same entry, whatever their spelling."""
    return one == other or normal_dn(one) == normal_dn(other)


def below(dn: str, base: str) -> bool:
    """Say whether an entry is the base or lies below it."""
    folded, root = normal_dn(dn), normal_dn(base)
    return folded == root or folded.endswith("," + root)


def _unescaped(value: str) -> str:
    """Resolve the two escapes of RFC 4514 so that equal values compare equal."""
    if "\\" not in value:
        return normal(value)
    out = bytearray()
    index = 0
    raw = value.encode("utf-8")
    while index < len(raw):
        pair = raw[index + 1 : index + 3]
        if raw[index : index + 1] != b"\\":
            out += raw[index : index + 1]
            index += 1
        elif len(pair) == 2 and all(byte in b"0123456789abcdefABCDEF" for byte in pair):  # noqa: PLR2004 - two hex digits
            out.append(int(pair, 16))
            index += 3
        else:
            out += pair[:1]
            index += 2
    return normal(out.decode("utf-8", "backslashreplace"))
