"""Which attributes hold something of a person, and what kind of holding each is (rows A07 to A26).

:data:`OWN` lie on the person's own object; :data:`REFERENCES` are on other objects and name the
person; :data:`DESCRIPTORS` hold security descriptors. ``survey`` reads by these tables, ``changes``
edits by them. Nothing here talks to a server.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Final

from connectors.contract import Kind, kind

GROUP: Final = kind("grant.group")
DELEGATION: Final = kind("grant.delegation")
ROLE: Final = kind("grant.role")
POLICY: Final = kind("grant.policy")
ACL: Final = kind("grant.acl")
ALIAS: Final = kind("alias")
PASSWORD: Final = kind("credential.password")
KERBEROS: Final = kind("credential.kerberos")
CERTIFICATE: Final = kind("credential.certificate")
KEY: Final = kind("credential.access_key")
SSH_KEY: Final = kind("credential.ssh_key")
RECOVERY: Final = kind("credential.recovery")
OWNED_GROUP: Final = kind("ownership.group")
OWNED_DEVICE: Final = kind("ownership.device")
OWNED_ENTRY: Final = kind("ownership.entry")

OWN: Final[dict[str, Kind]] = {
    "userCertificate": CERTIFICATE,
    "userSMIMECertificate": CERTIFICATE,
    "altSecurityIdentities": CERTIFICATE,
    "msDS-KeyCredentialLink": KEY,
    "sshPublicKey": SSH_KEY,
    "msPKIAccountCredentials": RECOVERY,
    "msPKIDPAPIMasterKeys": RECOVERY,
    "servicePrincipalName": ALIAS,
    "msDS-AllowedToDelegateTo": DELEGATION,
    "publicDelegates": DELEGATION,
    "msExchDelegateListLink": DELEGATION,
    "authOrig": DELEGATION,
    "altRecipient": ALIAS,
    "sIDHistory": ROLE,
    "msDS-AssignedAuthNPolicy": POLICY,
    "msDS-AssignedAuthNPolicySilo": POLICY,
    "msRADIUSServiceType": POLICY,
    "msRADIUSFramedIPAddress": POLICY,
    "msRADIUSFramedRoute": POLICY,
    "msRADIUSCallbackNumber": POLICY,
}
"""Attributes of the person's own object of which every value is a holding."""

ALLOWED_TO_ACT: Final = "msDS-AllowedToActOnBehalfOfOtherIdentity"
GMSA_READERS: Final = "msDS-GroupMSAMembership"
DESCRIPTOR: Final = "nTSecurityDescriptor"
DESCRIPTORS: Final[dict[str, Kind]] = {
    ALLOWED_TO_ACT: DELEGATION,
    GMSA_READERS: DELEGATION,
    DESCRIPTOR: ACL,
}
"""Attributes of any object whose value is a security descriptor."""

ADMIN_COUNT: Final = "adminCount"
PLACE: Final = "place"
MEMBER: Final = "member"
MEMBER_UID: Final = "memberUid"
CREATOR: Final = "mS-DS-CreatorSID"
_KEY_LINK: Final = "msDS-KeyCredentialLink"
_DN_WITH_BINARY: Final = 3
"""Colons in ``B:<length>:<hex>:<dn>`` (MS-ADTS 3.1.1.2.2.2.2)."""
_SSH: Final = (b"sshkey:", b"ssh:", b"ssh-")


@dataclass(frozen=True, slots=True)
class Row:
    """One attribute of other objects that names a person by DN, or by login (``by_login``).

    ``back``: the linked attribute on the person's own object, which shows it even where the other
    object is hidden. ``hands_over``: an ownership, so a transfer takes the leaver out in the same
    request. ``needs_one``: taking the last one away would leave the thing to nobody (Law 5).
    """

    attribute: str
    kind: Kind
    back: str = ""
    hands_over: bool = False
    needs_one: bool = False
    by_login: bool = False


REFERENCES: Final[tuple[Row, ...]] = (
    Row("managedBy", OWNED_ENTRY, "managedObjects", hands_over=True, needs_one=True),
    Row("msExchCoManagedByLink", OWNED_ENTRY, "msExchCoManagedObjectsBL", hands_over=True),
    Row("owner", OWNED_ENTRY, "ownerBL", hands_over=True, needs_one=True),
    Row("manager", OWNED_ENTRY, "directReports", hands_over=True),
    Row("publicDelegates", DELEGATION, "publicDelegatesBL"),
    Row("msExchDelegateListLink", DELEGATION, "msExchDelegateListBL"),
    Row("authOrig", DELEGATION, "authOrigBL"),
    Row("altRecipient", ALIAS, "altRecipientBL", hands_over=True),
    Row("msDS-PSOAppliesTo", POLICY, "msDS-PSOApplied"),
    Row("msDS-ManagedAccountPrecededByLink", DELEGATION, "msDS-ManagedAccountPrecededByLinkBL"),
    Row("msSFU30PosixMember", GROUP, "msSFU30PosixMemberOf"),
    Row(MEMBER_UID, GROUP, by_login=True),
)
ROW_OF: Final = {row.attribute.lower(): row for row in REFERENCES}
MEMBERSHIP: Final = Row(MEMBER, GROUP, "memberOf")
BACK_LINKS: Final = tuple(row.back for row in (MEMBERSHIP, *REFERENCES) if row.back)


def kind_of_value(attribute: str, value: bytes) -> Kind:
    """Return the kind of one value of :data:`OWN`."""
    if attribute == "altSecurityIdentities" and value.lower().startswith(_SSH):
        return SSH_KEY
    return OWN[attribute]


def kind_of_reference(row: Row, object_classes: tuple[str, ...]) -> Kind:
    """Return the kind of a reference: an ownership is of a group, a device or another entry."""
    classes = {name.casefold() for name in object_classes}
    if row.kind is not OWNED_ENTRY:
        return row.kind
    if "group" in classes:
        return OWNED_GROUP
    return OWNED_DEVICE if "computer" in classes else OWNED_ENTRY


def fingerprint(attribute: str, value: bytes) -> str:
    """Name a value for good: of a key link only the key counts, of an SSH key not its comment."""
    material = value
    if attribute == _KEY_LINK and value.count(b":") >= _DN_WITH_BINARY:
        material = value.split(b":", _DN_WITH_BINARY)[2]
    if attribute == "sshPublicKey":
        material = next((part for part in value.split() if part.startswith(b"AAAA")), value)
    return hashlib.sha256(material).hexdigest()


def bound_to(attribute: str, value: bytes, dn: str) -> bytes:
    """Return a value as it must be written on an object that is at ``dn`` now.

    A key link carries the DN of the object it lies on, which may have moved since it was stored.
    """
    if attribute != _KEY_LINK or value.count(b":") < _DN_WITH_BINARY:
        return value
    head = value.split(b":", _DN_WITH_BINARY)[:_DN_WITH_BINARY]
    return b":".join([*head, dn.encode()])
