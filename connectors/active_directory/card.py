"""The capability card of a domain: what can be done with each kind, and what cannot.

Called by the connector; also the place to look up which right each kind needs. No I/O.
"""

from __future__ import annotations

from typing import Final

from connectors.active_directory.access import DUTY as ACCESS_DUTY
from connectors.active_directory.own import SID_HISTORY_LOST
from connectors.active_directory.rows import (
    ACL,
    ALIAS,
    CERTIFICATE,
    DELEGATION,
    GROUP,
    KERBEROS,
    KEY,
    OWNED_DEVICE,
    OWNED_ENTRY,
    OWNED_GROUP,
    PASSWORD,
    POLICY,
    RECOVERY,
    ROLE,
    SSH_KEY,
)
from connectors.active_directory.settings import Settings
from connectors.active_directory.sign_in import NOT_RESTORABLE
from connectors.contract import Card, Gap, Stage, Strength, Support, kind

SIGN_IN: Final = "sign-in"
"""The bundle of account, password and tickets: one disable and two resets stop all three."""
_KEEP: Final = frozenset({Stage.PRESERVE})
_TAKE: Final = frozenset({Stage.PRESERVE, Stage.REVOKE})
_FREEZE: Final = frozenset({Stage.CONTAIN, Stage.PRESERVE})
_ACCOUNT: Final = frozenset({Stage.CONTAIN, Stage.PRESERVE, Stage.DESTROY})
_HAND_OVER: Final = frozenset({Stage.PRESERVE, Stage.TRANSFER, Stage.REVOKE})
_NOTES: Final = tuple(
    """\
Sign-in is stopped on one controller; a session bound there before, and LDAP connections, go on.
The smart-card flag stays as it is: a card signs in to no disabled account.
Logon hours stay as they are, and lockout is never used: both are covered by disabling.
The account's primary group stays the neutral one; access through it ends with the account.
Nested groups end with the direct membership and are not listed one by one.
A time-bound membership (privileged access management) comes back on undo without its end.
uidNumber, login and addresses are never to be given to somebody else while files may bear them.
Without altRecipient mail is not forwarded, whatever deliverAndRedirect says; that flag stays.
Terminal-server settings inside userParameters end with the account and are not read.
""".splitlines()
)
_MOVE_NOTE: Final = (
    "leavers_ou is set: a hybrid user who leaves the scope of the cloud sync is deleted in the "
    "cloud, mailbox included. Keep the unit in scope, or secure the mailbox first."
)
_SESSION: Final = (
    "End open sessions: log the person off (logoff, quser /server:<host>), close LDAP connections "
    "at the applications or restart them, klist purge on shared hosts. LDAP ends none of them."
)
_HOSTS: Final = (
    "Look on the hosts: Get-ScheduledTask and Get-CimInstance Win32_Service that run as the "
    "person, Get-LocalGroupMember, SQL Server logins, icacls on shares, GPO scripts and "
    "preferences (Get-GPOReport -All -ReportType Xml)."
)
_TICKET_LOG: Final = (
    "Watch events 4768 and 4769 of this account on every controller until the residual time is "
    "over."
)
_CERTIFICATES: Final = (
    "Revoke the person's certificates at the authority (certutil -revoke <serial> 5) and publish "
    "its list; LDAP only takes them off the account."
)
_KNOWN: Final = (
    "Change what the person could read: LAPS passwords (Reset-LapsPassword), gMSA passwords, "
    "BitLocker keys. Of a Tier-0 leaver also: krbtgt twice, DSRM, AD CS keys, KDS root key, DPAPI "
    "backup key, trusts, the cloud sync account."
)
_PARTITIONS: Final = (
    "Look for this person's entry in the access rules of the configuration, schema and DNS "
    "partitions, certificate templates first: Get-ChildItem 'AD:CN=Configuration,<forest root>' "
    "-Recurse | Get-Acl; samba-tool dsacl get --objectdn=<object DN>."
)
_OTHER_DOMAINS: Final = (
    "Look in every other domain and trust: Get-ADObject -Server <domain> -LDAPFilter "
    "'(objectSid=<SID>)' in CN=ForeignSecurityPrincipals, and (member=<DN>) at a global catalog."
)


def card(settings: Settings) -> Card:
    """Make the card for these settings."""
    notes = (*_NOTES, _MOVE_NOTE) if settings.leavers_ou else _NOTES
    if settings.unused:
        names = ", ".join(sorted(settings.unused))
        notes = (*notes, f"Excluded by the setting unused, proven by no canary: {names}.")
    return Card(
        product="Active Directory domain (Microsoft or Samba)",
        supports=(*_sign_in(settings), *_credentials(), *_grants(settings), *_ownerships()),
        settle=settings.settle,
        gaps=tuple(_gaps(settings)),
        notes=notes,
    )


def _sign_in(settings: Settings) -> list[Support]:
    rights = (
        "write on userAccountControl, accountExpires, msNPAllowDialin, loginShell",
        "write on msExchHideFromAddressLists",
        "destroy: delete, and list on Deleted Objects",
    )
    kinds = [kind(f"account.{word}") for word in ("person", "admin", "service")]
    accounts = [Support(one, _ACCOUNT, rights=rights, bundle=SIGN_IN) for one in kinds]
    return [
        *accounts,
        Support(
            PASSWORD,
            _FREEZE,
            revokes=Strength.BOUNDED,
            revoke_bound=settings.old_password_life,
            rights=("extended right User-Force-Change-Password",),
            not_restorable=NOT_RESTORABLE,
            bundle=SIGN_IN,
        ),
        Support(
            KERBEROS,
            _FREEZE,
            revokes=Strength.BOUNDED,
            revoke_bound=settings.kerberos_ticket_life,
            rights=("write on userAccountControl",),
            bundle=SIGN_IN,
        ),
    ]


def _credentials() -> list[Support]:
    return [
        Support(SSH_KEY, _FREEZE | _TAKE, rights=_write("sshPublicKey", "altSecurityIdentities")),
        Support(
            CERTIFICATE,
            _TAKE,
            rights=_write("userCertificate", "userSMIMECertificate", "altSecurityIdentities"),
        ),
        Support(KEY, _TAKE, rights=_write("msDS-KeyCredentialLink")),
        Support(
            RECOVERY,
            _TAKE,
            rights=("control access and write on msPKIAccountCredentials, msPKIDPAPIMasterKeys",),
        ),
    ]


def _grants(settings: Settings) -> list[Support]:
    descriptors = "read on security descriptors (owner, group, DACL)"
    access = Support(ACL, _TAKE, rights=(descriptors, "write on DACL and owner"))
    if not settings.change_access_rules:
        access = Support(ACL, _KEEP, Strength.NEVER, rights=(descriptors,), duty=ACCESS_DUTY)
    delegation = _write(
        "msDS-AllowedToDelegateTo",
        "msDS-AllowedToActOnBehalfOfOtherIdentity",
        "msDS-GroupMSAMembership",
        "publicDelegates",
    )
    history = "approval first: write on sIDHistory"
    return [
        Support(GROUP, _HAND_OVER, rights=_write("member", "memberUid", "primaryGroupID")),
        Support(DELEGATION, _TAKE, rights=delegation),
        Support(ROLE, _TAKE, rights=(history,), not_restorable=SID_HISTORY_LOST),
        Support(POLICY, _TAKE, rights=("write on adminCount and DACL", "move to leavers_ou")),
        Support(ALIAS, _TAKE, rights=_write("servicePrincipalName", "altRecipient")),
        access,
    ]


def _ownerships() -> list[Support]:
    rights = _write("managedBy", "manager", "owner", "msExchCoManagedByLink")
    kinds = (OWNED_GROUP, OWNED_DEVICE, OWNED_ENTRY)
    return [Support(one, _HAND_OVER, rights=rights) for one in kinds]


def _write(*attributes: str) -> tuple[str, ...]:
    return (f"write on {', '.join(attributes)}",)


def _gaps(settings: Settings) -> list[Gap]:
    gaps = [
        _gap("session", "sessions on hosts and bound connections are not in the domain", _SESSION),
        _gap("credential.kerberos", "tickets in use show in event logs only", _TICKET_LOG),
        _gap("credential.certificate", "the authority's own records are not read", _CERTIFICATES),
        _gap("secret_known", "what the person could read is not recorded", _KNOWN),
        _gap("ownership.schedule", "tasks and services on hosts are not in the domain", _HOSTS),
    ]
    if not settings.only_domain:
        why = "other domains of the forest and trusts are not read (only_domain is off)"
        gaps.append(Gap(GROUP, why, _OTHER_DOMAINS))
    if not settings.read_access_rules:
        gaps.append(Gap(ACL, "access rules are not read (read_access_rules is off)", ACCESS_DUTY))
    elif settings.access_bases or settings.access_filter != "(objectClass=*)":
        why = "access rules are read of a part of the domain only (access_bases, access_filter)"
        gaps.append(Gap(ACL, why, ACCESS_DUTY))
    else:
        why = "access rules in the configuration, schema and DNS partitions are not read"
        gaps.append(Gap(ACL, why, _PARTITIONS))
    return gaps


def _gap(word: str, why: str, duty: str) -> Gap:
    return Gap(kind(word), why, duty)
