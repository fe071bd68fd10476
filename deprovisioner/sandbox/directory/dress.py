"""What differs between the servers this one can dress up as (`facts` measured on slapd 2.5.13 and
389-ds 2.3.1).

Called by `operations` and `server`. Everything else is the same for both.
"""

from dataclasses import dataclass
from enum import StrEnum

from deprovisioner.sandbox.directory import protocol
from deprovisioner.sandbox.directory.schema import Schema, netscape_schema, openldap_schema


class Dress(StrEnum):
    """The server whose manners are shown."""

    OPENLDAP = "openldap"
    NETSCAPE = "389ds"


@dataclass(frozen=True, slots=True)
class Manners:
    """One server's differences."""

    schema: Schema
    lock_attribute: str
    own_identifier: str | None
    dereferences_aliases: bool
    password_change_unlocks: bool
    hashes_passwords: bool
    refuses_by_silence: bool
    """Whether a search without the right succeeds with nothing, instead of answering 32."""
    controls: tuple[str, ...]
    root_classes: tuple[str, ...]
    vendor_name: str | None
    vendor_version: str | None


def manners(dress: Dress) -> Manners:
    """Return the differences of a server."""
    shared = (protocol.PAGING, protocol.MANAGE_DSA_IT, protocol.PRE_READ, protocol.POST_READ)
    if dress is Dress.NETSCAPE:
        return Manners(
            schema=netscape_schema(),
            lock_attribute="nsaccountlock",
            own_identifier="nsUniqueId",
            dereferences_aliases=False,
            password_change_unlocks=False,
            hashes_passwords=True,
            refuses_by_silence=True,
            controls=(*shared, protocol.PASSWORD_POLICY),
            root_classes=("top",),
            vendor_name="389 Project",
            vendor_version="389-Directory/2.3.1 (sandbox)",
        )
    return Manners(
        schema=openldap_schema(),
        lock_attribute="pwdaccountlockedtime",
        own_identifier=None,
        dereferences_aliases=True,
        password_change_unlocks=True,
        hashes_passwords=False,
        refuses_by_silence=False,
        controls=(*shared, protocol.ASSERTION, protocol.PASSWORD_POLICY),
        root_classes=("top", "OpenLDAProotDSE"),
        vendor_name=None,
        vendor_version=None,
    )
