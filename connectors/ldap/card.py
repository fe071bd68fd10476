"""The capability card of an LDAP directory: what can be done with each kind, and what cannot.

Called by the connector; also the place to look up which right each kind needs. No I/O.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from connectors.contract import Card, Gap, Kind, Stage, Strength, Support, kind
from connectors.ldap.references import ALIAS, DELEGATION, ENTRY, GROUP, SUDO
from connectors.ldap.settings import Product, Settings

SESSION: Final = kind("session")
ACL: Final = kind("grant.acl")
PASSWORD: Final = kind("credential.password")
SSH_KEY: Final = kind("credential.ssh_key")
CERTIFICATE: Final = kind("credential.certificate")
KERBEROS: Final = kind("credential.kerberos")
NETGROUP: Final = kind("grant.netgroup")
ROLE: Final = kind("grant.role")
SIGN_IN: Final = "sign-in"
"""The bundle of account and password: lock and scramble are one modify, or the lock is lost."""

ACL_DUTY: Final = (
    "Edit the access rule (olcAccess, aci) that names this person, by hand: the order of rules "
    "carries meaning."
)
SESSION_DUTY: Final = (
    "Close this person's open connections: restart the server or close them at the applications. "
    "LDAP has no operation for it and the lock does not end them."
)
_HASH: Final = (
    "the password hash comes back only where the acting identity may read it and write it back "
    "(389-ds: passwordAdminDN); otherwise issue a new password"
)
_NOTES: Final = tuple(
    """\
Access through %group or +netgroup in sudo and through nested groups shows as the membership.
A lock does not end open connections; see the kind session.
An access rule that hides one single entry looks like a deletion; canaries show wider ones.
""".splitlines()
)
_PRODUCTS: Final = {
    Product.AUTO: "LDAP directory (OpenLDAP or 389-ds, recognised when first read)",
    Product.OPENLDAP: "OpenLDAP",
    Product.THREE_EIGHT_NINE: "389 Directory Server",
}
_KEEP: Final = frozenset({Stage.PRESERVE})
_TAKE: Final = frozenset({Stage.PRESERVE, Stage.REVOKE})
_FREEZE: Final = frozenset({Stage.CONTAIN, Stage.PRESERVE})
_ACCOUNT: Final = frozenset({Stage.CONTAIN, Stage.PRESERVE, Stage.DESTROY})
_HAND_OVER: Final = frozenset({Stage.PRESERVE, Stage.TRANSFER, Stage.REVOKE})


def card(settings: Settings) -> Card:
    """Make the card for these settings."""
    return Card(
        product=_PRODUCTS[settings.product],
        supports=(*_accounts(), *_credentials(settings), *_grants(), *_watched(settings)),
        settle=settings.settle,
        gaps=tuple(_gaps(settings)),
        notes=(*_NOTES, *_excluded(settings)),
    )


def _accounts() -> list[Support]:
    rights = (
        "OpenLDAP: write on userPassword, pwdAccountLockedTime, loginShell, shadowExpire",
        "389-ds: write on nsAccountLock, userPassword",
    )
    kinds = [kind(f"account.{word}") for word in ("person", "admin", "service")]
    return [Support(one, _ACCOUNT, rights=rights, bundle=SIGN_IN) for one in kinds]


def _credentials(settings: Settings) -> list[Support]:
    return [
        Support(
            PASSWORD,
            _FREEZE,
            rights=("read and write on userPassword",),
            bundle=SIGN_IN,
            not_restorable="" if settings.product is Product.OPENLDAP else _HASH,
        ),
        Support(
            SSH_KEY,
            _FREEZE | _TAKE,  # no freeze exists and a key works around the lock: store and remove
            rights=("write on sshPublicKey",),
        ),
        Support(CERTIFICATE, _FREEZE | _TAKE, rights=("write on userCertificate",)),
        Support(
            KERBEROS,
            _FREEZE | _TAKE,
            revokes=Strength.BOUNDED,
            revoke_bound=settings.kerberos_ticket_life,
            rights=("read and write on krb* attributes",),
        ),
    ]


def _grants() -> list[Support]:
    def write(*attributes: str) -> tuple[str, ...]:
        return (f"write on {', '.join(attributes)}",)

    return [
        Support(GROUP, _HAND_OVER, rights=write("member", "uniqueMember", "memberUid")),
        Support(NETGROUP, _TAKE, rights=write("nisNetgroupTriple")),
        Support(SUDO, _TAKE, rights=write("sudoUser", "sudoRunAsUser")),
        Support(ROLE, _TAKE, rights=write("nsRoleDN")),
        Support(DELEGATION, _TAKE, rights=write("authzTo", "authzFrom")),
        Support(
            ENTRY,
            _HAND_OVER,
            rights=write("manager", "owner", "seeAlso", "secretary", "roleOccupant"),
        ),
        Support(
            ALIAS,
            _HAND_OVER,
            rights=write("aliasedObjectName", "rfc822MailMember", "mgrpRFC822MailMember"),
        ),
    ]


def _watched(settings: Settings) -> list[Support]:
    """Kinds that are seen but never changed by us: each is a duty."""
    supports = []
    if settings.read_access_rules:
        supports.append(_duty(ACL, ACL_DUTY, f"read on aci, or on {settings.config_base}"))
    if settings.read_sessions:
        right = f"read on {settings.monitor_base}"
        bound = settings.idle_timeout
        supports.append(
            Support(
                SESSION,
                frozenset({Stage.CONTAIN}),
                revokes=Strength.BOUNDED,
                revoke_bound=bound,
                rights=(right,),
            )
            if bound
            else _duty(SESSION, SESSION_DUTY, right)
        )
    return supports


def _duty(of: Kind, words: str, right: str) -> Support:
    return Support(
        of,
        frozenset(),
        revokes=Strength.NEVER,
        revoke_bound=timedelta(0),
        rights=(right,),
        duty=words,
    )


def _excluded(settings: Settings) -> tuple[str, ...]:
    """Name what the operator says is not there, so that nobody takes it for proven."""
    names = ", ".join(sorted(settings.unused))
    return (f"Excluded by the setting unused, proven by no canary: {names}.",) if names else ()


def _gaps(settings: Settings) -> list[Gap]:
    gaps = []
    if not settings.read_access_rules:
        gaps.append(Gap(ACL, "access rules are not read (read_access_rules is off)", ACL_DUTY))
    if not settings.read_sessions:
        why = "open connections are not read (read_sessions is off)"
        gaps.append(Gap(SESSION, why, SESSION_DUTY))
    return gaps
