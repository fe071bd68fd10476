"""Our two identities in the Samba peer, with the rights that the documentation asks for.

``docs/connectors/active_directory.md`` tells an operator the same in commands. The verifying
identity reads; the acting one may also change what a survey finds below the company's unit, and
nothing of the built-in groups. Used by ``samba_domain`` while the first controller runs.
"""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Final

from tests.support.peers.samba import CONFIGURATION, ROOT
from tests.support.peers.samba_population import (
    COMPANY,
    PASSWORD_SETTINGS,
    SERVICE_PASSWORD,
    SERVICES,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tests.support.peers.samba import DomainController

LOGINS: Final = ("deprovisioner-act", "deprovisioner-verify")
DELETED_OBJECTS: Final = f"CN=Deleted Objects,{ROOT}"
WRITABLE: Final[dict[str, tuple[str, ...]]] = {
    "user": (
        "userAccountControl", "accountExpires", "pwdLastSet", "logonHours", "lockoutTime",
        "primaryGroupID", "servicePrincipalName", "msDS-AllowedToDelegateTo", "adminCount",
        "altSecurityIdentities", "userCertificate", "userSMIMECertificate", "sshPublicKey",
        "msDS-KeyCredentialLink", "msPKIAccountCredentials", "msPKIDPAPIMasterKeys",
        "manager", "msNPAllowDialin", "loginShell", "name", "cn",
        "msRADIUSServiceType", "msRADIUSFramedIPAddress", "msRADIUSFramedRoute",
        "msRADIUSCallbackNumber", "msDS-AssignedAuthNPolicy", "msDS-AssignedAuthNPolicySilo",
    ),
    "group": ("member", "managedBy", "memberUid", "msSFU30PosixMember"),
    "computer": ("managedBy", "msDS-AllowedToActOnBehalfOfOtherIdentity"),
    "organizationalUnit": ("managedBy",),
    "msDS-GroupManagedServiceAccount": ("msDS-GroupMSAMembership", "managedBy"),
}  # fmt: skip
"""What the acting identity may write below the company, by class."""
_RESET_PASSWORD: Final = "00299570-246d-11d0-a768-00aa006e0529"
_REANIMATE: Final = "45ec5156-db7e-47bb-b53f-dbeb2d03c40f"
READ: Final = "(A;CI;RPLCLORC;;;{sid})"
READ_DELETED: Final = "(A;CI;RPLC;;;{sid})"
REANIMATE: Final = f"(OA;;CR;{_REANIMATE};;{{sid}})"
REWRITE_ACCESS_RULES: Final = "(A;CI;WD;;;{sid})"
"""Only for ``change_access_rules``: whoever may rewrite rules may give themselves any right."""
DELEGATING: Final = "SeEnableDelegationPrivilege"
"""The user right without which nobody changes who may delegate (``userAccountControl`` bits 0x80000
and 0x1000000, ``msDS-AllowedToDelegateTo``): Samba answers 50. It is set on controllers, by policy.
"""


def make_accounts(controller: DomainController) -> None:
    """Create the two accounts, as an administrator does at a controller."""
    controller.tool("ou", "add", SERVICES)
    unit = SERVICES.removesuffix(f",{ROOT}")
    for login in LOGINS:
        controller.tool("user", "add", login, SERVICE_PASSWORD, f"--userou={unit}")


def rights(
    controller: DomainController, actor: str, verifier: str
) -> Iterable[tuple[str, str, str]]:
    """Return (object, SDDL entries, trustee) for both identities."""
    guids = _schema_guids(controller)
    yield COMPANY, _acting(guids), actor
    yield COMPANY, READ, verifier
    applies = f"(OA;CIIO;WP;{guids['msDS-PSOAppliesTo']};;{{sid}})"
    yield PASSWORD_SETTINGS, READ + applies, actor
    yield PASSWORD_SETTINGS, READ, verifier
    yield ROOT, REANIMATE, actor
    for identity in (actor, verifier):
        yield DELETED_OBJECTS, READ_DELETED, identity


def _acting(guids: dict[str, str]) -> str:
    """What the acting identity gets on the company's unit."""
    writes = [
        f"(OA;CIIO;WP;{guids[name]};{guids[class_]};{{sid}})"
        for class_, names in WRITABLE.items()
        for name in names
    ]
    user = guids["user"]
    moves = [
        f"(OA;CIIO;CR;{_RESET_PASSWORD};{user};{{sid}})",
        f"(OA;CIIO;SD;;{user};{{sid}})",
        f"(OA;CI;CC;{user};;{{sid}})",  # with the right to delete children protection is void
    ]
    return "".join([READ, *writes, *moves, REWRITE_ACCESS_RULES])


def _schema_guids(controller: DomainController) -> dict[str, str]:
    """Return the schemaIDGUID of the classes and attributes that rights are given for."""
    names = {*WRITABLE, *(name for names in WRITABLE.values() for name in names)}
    wanted = "".join(f"(lDAPDisplayName={name})" for name in (*names, "msDS-PSOAppliesTo"))
    with controller.root() as connection:
        connection.search(
            f"CN=Schema,{CONFIGURATION}",
            f"(|{wanted})",
            attributes=["lDAPDisplayName", "schemaIDGUID"],
        )
        found = [row["raw_attributes"] for row in connection.response if "raw_attributes" in row]
    return {
        one["lDAPDisplayName"][0].decode(): str(uuid.UUID(bytes_le=one["schemaIDGUID"][0]))
        for one in found
    }
