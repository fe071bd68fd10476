"""Stored passwords: salted SHA-1 as slapd writes it, and clear text as slapd keeps what it was
given.

Called by `operations` for binds and the password-modify extension, and by `company` to write the
LDIF. `{SSHA}` is what the imitated servers use; it is no recommendation.
"""

import base64
import binascii
import hashlib
import hmac

_SALT_OCTETS = 8


def ssha(password: str, salt: bytes) -> bytes:
    """Return the `{SSHA}` form of a password."""
    digest = hashlib.sha1(password.encode() + salt, usedforsecurity=False).digest()
    return b"{SSHA}" + base64.b64encode(digest + salt)


def matches(stored: bytes, presented: bytes) -> bool:
    """Tell whether a presented password opens a stored value.

    Schemes this server does not hash ({CRYPT}, {SASL} ...) open to nobody; a value without a
    scheme is clear text.
    """
    scheme, closing, rest = stored.partition(b"}")
    if not closing or not scheme.startswith(b"{"):
        return hmac.compare_digest(stored, presented)
    if scheme.upper() not in {b"{SSHA", b"{SHA"}:
        return False
    try:
        blob = base64.b64decode(rest, validate=True)
    except binascii.Error:
        return False
    digest, salt = blob[:20], blob[20:]
    wanted = hashlib.sha1(presented + salt, usedforsecurity=False).digest()
    return hmac.compare_digest(digest, wanted)
