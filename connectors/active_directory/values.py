"""Values as Active Directory writes them: account flags, times, ids. No connection in here."""

from __future__ import annotations

import base64
import re
import uuid
from datetime import UTC, datetime, timedelta
from enum import IntFlag
from typing import Final

from connectors.faults import Malformed

_EPOCH: Final = datetime(1601, 1, 1, tzinfo=UTC)
_TICKS_PER_MICROSECOND: Final = 10
NEVER: Final = frozenset({0, 0x7FFFFFFFFFFFFFFF})
"""accountExpires that never comes (MS-ADA1 2.2)."""
NO_HOURS: Final = bytes(21)
"""logonHours that allow no hour of the week."""
_GENERALIZED: Final = re.compile(r"(\d{14})(?:\.\d+)?Z")
_BINARY: Final = "\\{:02x}"


class Flag(IntFlag):
    """userAccountControl (MS-ADTS 2.2.16)."""

    DISABLED = 0x2
    PASSWORD_NOT_REQUIRED = 0x20
    REVERSIBLE_ENCRYPTION = 0x80
    NORMAL = 0x200
    PASSWORD_NEVER_EXPIRES = 0x10000
    SMART_CARD_REQUIRED = 0x40000
    TRUSTED_FOR_DELEGATION = 0x80000
    NOT_DELEGATED = 0x100000
    NO_PREAUTHENTICATION = 0x400000
    TRUSTED_TO_AUTHENTICATE = 0x1000000


CLEARED: Final = (
    Flag.PASSWORD_NOT_REQUIRED
    | Flag.REVERSIBLE_ENCRYPTION
    | Flag.PASSWORD_NEVER_EXPIRES
    | Flag.TRUSTED_FOR_DELEGATION
    | Flag.NO_PREAUTHENTICATION
    | Flag.TRUSTED_TO_AUTHENTICATE
)
"""Taken away by ``contain`` (row A02)."""


def contained(flags: int) -> int:
    """Return account flags as they are while contained. Starts from the stored ones, always."""
    return flags & ~CLEARED | Flag.DISABLED | Flag.NOT_DELEGATED


def filetime(at: datetime) -> int:
    """Write an aware instant as ticks of 100 ns since 1601 (MS-DTYP 2.3.3)."""
    microseconds = (at - _EPOCH) // timedelta(microseconds=1)
    return microseconds * _TICKS_PER_MICROSECOND


def instant(ticks: str) -> datetime | None:
    """Read ticks; ``None`` for never, nothing, and what is no time."""
    try:
        number = int(ticks)
        if number in NEVER or number < 0:
            return None
        return _EPOCH + timedelta(microseconds=number // _TICKS_PER_MICROSECOND)
    except (ValueError, OverflowError):
        return None


def generalized(text: str) -> datetime | None:
    """Read ``20261125015904.0Z``; ``None`` for anything else."""
    found = _GENERALIZED.fullmatch(text)
    try:
        return datetime.strptime(found[1], "%Y%m%d%H%M%S").replace(tzinfo=UTC) if found else None
    except ValueError:
        return None


def guid_text(octets: bytes) -> str:
    """Write an objectGUID as people do. Raises ``Malformed``."""
    try:
        return str(uuid.UUID(bytes_le=octets))
    except ValueError as error:
        raise Malformed("an objectGUID that is not 16 bytes") from error


def guid_dn(native_id: str) -> str:
    """Return the DN that finds an object by its immutable id (MS-ADTS 3.1.1.3.1.2.4)."""
    try:
        return f"<GUID={uuid.UUID(native_id)}>"
    except ValueError as error:
        raise Malformed("an account or object id that is no GUID") from error


def immutable_id(octets: bytes) -> str:
    """Return what a hybrid cloud directory calls onPremisesImmutableId."""
    return base64.b64encode(octets).decode("ascii")


def binary(octets: bytes) -> str:
    """Escape every byte for a filter (RFC 4515, 3)."""
    return "".join(_BINARY.format(octet) for octet in octets)


def password(text: str) -> bytes:
    """Write a password as unicodePwd takes it (MS-ADTS 3.1.1.3.1.5.1)."""
    return f'"{text}"'.encode("utf-16-le")
