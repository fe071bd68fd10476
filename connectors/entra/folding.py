"""Texts of identity: folded copies to compare, quoted ones to search with.

Called by ``finding``.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence

from connectors.entra.answers import Row as Object


def folded(text: str) -> str:
    """Fold width, case and outer spaces; leading zeros stay, they tell numbers apart."""
    return unicodedata.normalize("NFKC", text).strip().casefold()


def quoted(text: str) -> str:
    """Write a text literal of OData: a quote is doubled (OData 4.01 part 2, 5.1.1.6.1)."""
    return "'" + text.replace("'", "''") + "'"


def local_part(address: str) -> str:
    """Return what stands before the last ``@``; nothing when there is none."""
    return address.rpartition("@")[0]


def texts(user: Object, name: str) -> list[str]:
    """Return a member's texts, whether it is one or a list."""
    value = user.get(name)
    if isinstance(value, str):
        return [value] if value else []
    if isinstance(value, Sequence):
        return [one for one in value if isinstance(one, str) and one]
    return []
