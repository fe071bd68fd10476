"""What a bind with an unknown password proves about a lock. Called by ``sign_in``.

A failed bind counts towards a lock-out, so it is only ever tried on an account that is locked.
"""

from __future__ import annotations

from typing import Final

from connectors._directory.binding import try_bind
from connectors.ldap.directory import PPOLICY_CONTROL, Directory
from connectors.ldap.settings import Product

UNWILLING_TO_PERFORM: Final = 53
"""RFC 4511, 4.1.9."""


def refused_as_locked(directory: Directory, dn: str, password: str) -> bool:
    """Try a bind with a random password: does the server itself say that the account is locked?

    Only asked when the lock attribute is set, so that it cannot lock a living account. OpenLDAP
    says so in the password policy control where ``ppolicy_use_lockout`` is on.
    """
    answer = try_bind(directory.endpoint, dn, password, [PPOLICY_CONTROL])
    return _says_locked(answer.controls.get(PPOLICY_CONTROL, b""))


def _says_locked(answer: bytes) -> bool:
    """``PasswordPolicyResponseValue`` with ``error [1] accountLocked (1)``, in BER."""
    return answer[:1] == b"\x30" and answer.endswith(b"\x81\x01\x01")


def of_lock(directory: Directory, dn: str, password: str) -> str:
    """Bind with a random password and name what the refusal proves; empty when nothing.

    389-ds answers 53 for a locked account whatever the password; 49 proves nothing anywhere.
    """
    if directory.product is Product.OPENLDAP:
        return "accountLocked" if refused_as_locked(directory, dn, password) else ""
    answer = try_bind(directory.endpoint, dn, password)
    return "unwillingToPerform" if answer.code == UNWILLING_TO_PERFORM else ""
