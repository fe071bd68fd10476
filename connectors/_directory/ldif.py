"""Entries as LDIF (RFC 2849), for the exports of connectors that speak LDAP; no connection here."""

from __future__ import annotations

import base64
from typing import Final

from connectors._directory.entries import Entry

MEDIA_TYPE: Final = "text/plain"
HEAD: Final = b"version: 1\n\n"
_SAFE_FIRST: Final = frozenset(range(0x21, 0x7F)) - set(b":<")
_SAFE: Final = frozenset(range(0x20, 0x7F))


def ldif(entry: Entry) -> bytes:
    """Write one entry with every value; what is not safe as it is goes as base64."""
    lines = [_line("dn", entry.dn.encode("utf-8"))]
    lines += [_line(name, value) for name, values in entry.attributes.items() for value in values]
    return b"\n".join(lines) + b"\n\n"


def _line(name: str, value: bytes) -> bytes:
    safe = not value or (
        value[0] in _SAFE_FIRST and all(byte in _SAFE for byte in value) and value[-1] != 0x20  # noqa: PLR2004 - a blank at the end
    )
    if safe:
        return name.encode() + b": " + value
    return name.encode() + b":: " + base64.b64encode(value)
