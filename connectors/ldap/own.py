"""Credentials and grants that lie on a person's own entry: keys, certificates, Kerberos, roles.

Each function reads holdings off one entry, or says which edits take one away. ``survey`` and
``changes`` call them (rows L04, L10 and part of L11).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Final

from connectors._directory.entries import Change, Edit, Entry, bare
from connectors._directory.preimage import pack, unpack
from connectors.contract import Account, Holding, HoldingState, Json, Kind
from connectors.ldap.card import CERTIFICATE, KERBEROS, ROLE, SSH_KEY
from connectors.ldap.references import DELEGATION

VALUE_ROWS: Final[Mapping[str, Kind]] = {
    "sshPublicKey": SSH_KEY,
    "nsSshPublicKey": SSH_KEY,
    "userCertificate": CERTIFICATE,
    "userCertificate;binary": CERTIFICATE,
    "nsRoleDN": ROLE,
    "authzTo": DELEGATION,
}
"""Attributes of which every value is a holding of its own."""
_PRINCIPAL: Final = (
    "krbPrincipalName",
    "krbCanonicalName",
    "krbPrincipalAliases",
    "krbPrincipalKey",
    "krbAllowedToDelegateTo",
    "krbPrincipalExpiration",
)
"""What makes an entry a principal; without it a KDC finds none (as after kadmin's delprinc)."""
_KERBEROS_ID: Final = "kerberos"
_EXPIRATION: Final = "krbPrincipalExpiration"
_KERBEROS_TIME: Final = "%Y%m%d%H%M%SZ"
_BACKDATED: Final = timedelta(minutes=5)
"""An expiry a little in the past, so that a KDC with a slow clock refuses at once."""
_LOCKING_ROLES: Final = ("cn=nsmanageddisabledrole,", "cn=nsdisabledrole,")
ATTRIBUTES: Final = (*VALUE_ROWS, *_PRINCIPAL)


def holdings(
    account: Account, entry: Entry, now: datetime, ticket_life: timedelta, *, images: bool
) -> Iterator[Holding]:
    """Report what lies on the entry; with ``images`` also what undo needs."""
    for attribute, kind in VALUE_ROWS.items():
        for value in entry.values(attribute):
            if kind is ROLE and _is_lock(value):
                continue  # a lock is a state of the account, not something that gives access
            yield Holding(
                account_id=account.native_id,
                kind=kind,
                native_id=f"{attribute.lower()}:{fingerprint(attribute, value)}",
                label=_label(attribute, value),
                restore={"attribute": attribute, "values": pack([value])} if images else {},
            )
    if entry.values("krbPrincipalName") or entry.values("krbPrincipalKey"):
        yield _principal(account, entry, now, ticket_life, images=images)


def value_of(entry: Entry, native_id: str) -> tuple[str, bytes] | None:
    """Find the attribute and raw value a holding stands for; ``None`` when it is not there."""
    wanted, _, digest = native_id.partition(":")
    for attribute in VALUE_ROWS:
        if attribute.lower() != wanted:
            continue
        for value in entry.values(attribute):
            if fingerprint(attribute, value) == digest:
                return attribute, value
    return None


def fingerprint(attribute: str, value: bytes) -> str:
    """Name a value for good: of an SSH key only the key counts, not its comment."""
    material = bare(value)
    if "sshpublickey" in attribute.lower():
        fields = value.split()
        material = next((field for field in fields if field.startswith(b"AAAA")), value)
    return hashlib.sha256(material).hexdigest()


def is_kerberos(holding: Holding) -> bool:
    """Say whether a holding is the entry's principal."""
    return holding.kind == KERBEROS


def expire(entry: Entry, now: datetime) -> list[Change]:
    """Edits that stop new tickets; none when they are stopped already."""
    if _expired(entry, now):
        return []
    stamp = (now - _BACKDATED).astimezone(UTC).strftime(_KERBEROS_TIME)
    return [Change(Edit.REPLACE, _EXPIRATION, (stamp.encode(),))]


def unmake_principal(entry: Entry) -> list[Change]:
    """Edits that take the principal off the entry."""
    return [Change(Edit.DELETE, name) for name in _PRINCIPAL if entry.values(name)]


def remake_principal(entry: Entry, image: Mapping[str, Json]) -> list[Change]:
    """Edits that put the principal back as the pre-image has it."""
    return [
        Change(Edit.REPLACE, name, unpack(image, name))
        for name in _PRINCIPAL
        if set(unpack(image, name)) != set(entry.values(name))
    ]


def _principal(
    account: Account, entry: Entry, now: datetime, ticket_life: timedelta, *, images: bool
) -> Holding:
    expires = _expiry(entry)
    expired = _expired(entry, now)
    return Holding(
        account_id=account.native_id,
        kind=KERBEROS,
        native_id=_KERBEROS_ID,
        label="Kerberos principal",
        state=HoldingState.CONTAINED if expired else HoldingState.LIVE,
        restore={name: pack(entry.values(name)) for name in _PRINCIPAL} if images else {},
        residual_until=expires + _BACKDATED + ticket_life if expires and expired else None,
    )


def _expiry(entry: Entry) -> datetime | None:
    try:
        return datetime.strptime(entry.text(_EXPIRATION), _KERBEROS_TIME).replace(tzinfo=UTC)
    except ValueError:  # absent, or a form we do not know: not known to be in the past
        return None


def _expired(entry: Entry, now: datetime) -> bool:
    expires = _expiry(entry)
    return expires is not None and expires <= now


def _is_lock(value: bytes) -> bool:
    return value.decode("utf-8", "backslashreplace").casefold().startswith(_LOCKING_ROLES)


def _label(attribute: str, value: bytes) -> str:
    if "sshpublickey" in attribute.lower():
        return b" ".join(value.split()[2:3]).decode("utf-8", "backslashreplace") or "SSH key"
    if "certificate" in attribute.lower():
        return f"certificate {hashlib.sha256(value).hexdigest()[:16]}"
    return value.decode("utf-8", "backslashreplace")
