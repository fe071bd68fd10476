"""Our Active Directory connector on the Samba peer, as an operator would configure it."""

from __future__ import annotations

import contextlib
import datetime as dt
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final, Protocol

import ldap3
from ldap3.protocol.microsoft import security_descriptor_control

from connectors.active_directory import CanaryObject, Login, Settings, open_connector
from connectors.active_directory.security import Ace, Acl, SecurityDescriptor, sid_bytes
from connectors.contract import Credential, Subject, gather
from connectors.secret import Secret
from tests.support.peers import samba_population as population
from tests.support.peers.samba import REALM, ROOT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from connectors.active_directory import ActiveDirectoryConnector
    from connectors.contract import Account, Holding, Reading
    from tests.support.peers.samba_domain import SambaDomain
    from tests.support.peers.samba_population import Leaver

SYSTEM: Final = "ad"
CANARIES: Final = (
    CanaryObject(
        dn=population.CANARY,
        attributes=(
            "employeeID", "sAMAccountName", "userPrincipalName", "mail", "proxyAddresses",
            "nTSecurityDescriptor",
        ),
    ),
    CanaryObject(dn=population.group("engineers-canary"), attributes=("memberUid",)),
    CanaryObject(
        dn=population.person("PC-canary", "Computers"),
        attributes=("msDS-AllowedToActOnBehalfOfOtherIdentity",),
    ),
    CanaryObject(
        dn=population.person("gmsa-canary", "Managed"), attributes=("msDS-GroupMSAMembership",)
    ),
)  # fmt: skip
UNUSED: Final = ("mS-DS-CreatorSID", "msPKIAccountCredentials", "msPKIDPAPIMasterKeys")
"""Nobody joined a machine by quota here, and nobody roams."""


_DESCRIPTOR: Final = "nTSecurityDescriptor"
_DENY: Final = 0x01
_OBJECT_DENY: Final = 0x06
_READ: Final = (0x10).to_bytes(4, "little")
_INHERITED_BELOW: Final = 0x02


def now() -> dt.datetime:
    """The real time: the controllers have their own clocks."""
    return dt.datetime.now(dt.UTC)


def settings(domain: SambaDomain, **changed: Any) -> Settings:
    """Configure the domain; ``changed`` replaces single settings."""
    usual: dict[str, Any] = {
        "url": domain.first.secure_url,
        "act": Login(user=f"deprovisioner-act@{REALM}", password=_secret()),
        "verify": Login(user=f"deprovisioner-verify@{REALM}", password=_secret()),
        "base": ROOT,
        "canaries": CANARIES,
        "unused": UNUSED,
        "controllers": domain.addresses,
        "ca_file": domain.ca_file,
        "employee_attributes": ("employeeID",),
        "admins": (population.branch("Admins"),),
        "services": (population.branch("Services"),),
        "admin_logins": ("adm-{login}",),
        "access_bases": (population.branch("Delegated"),),
        "change_access_rules": True,
        "only_domain": True,
        "leavers_ou": population.LEAVERS,
        "settle": dt.timedelta(0),
        "push_replication": False,
    }
    return Settings(**(usual | changed))


def connect(
    domain: SambaDomain,
    credential: Credential,
    clock: Callable[[], dt.datetime] = now,
    **changed: Any,
) -> ActiveDirectoryConnector:
    """Open a connector."""
    return open_connector(SYSTEM, settings(domain, **changed), credential, clock)


class Connecting(Protocol):
    """Opens connectors to the peer and closes them when the test is over."""

    def __call__(self, credential: Credential, **changed: Any) -> ActiveDirectoryConnector:
        """Open one; ``changed`` replaces single settings."""
        ...


def subject_of(leaver: Leaver) -> Subject:
    """What HR knows about a leaver."""
    return Subject(
        employment_id=f"emp-{leaver.number}",
        employee_number=leaver.employee_number,
        emails=(leaver.mail,),
        logins=(leaver.login,),
        names=(f"Person {leaver.number}",),
    )


SUCCESSOR: Final = Subject(employment_id="emp-43", employee_number="E-43")


def account_of(connector: ActiveDirectoryConnector, subject: Subject) -> Account:
    """Return the one account that may be acted upon."""
    (found,) = [one for one in gather(connector.find(subject)).items if one.confidence == 100]
    return found


def survey(connector: ActiveDirectoryConnector, account: Account) -> Reading[Holding]:
    """Read everything."""
    return gather(connector.survey(account))


@contextlib.contextmanager
def hidden(domain: SambaDomain, name: str, attribute: bytes = b"") -> Iterator[None]:
    """Refuse our identities to read an object and those below it, before all that grants it.

    ``attribute``: the schemaIDGUID of the only attribute that is refused, as bytes. On the first
    controller only.
    """
    before = descriptor_of(domain, name)
    parsed = SecurityDescriptor.parse(before)
    assert parsed.dacl is not None
    kind, types = (_OBJECT_DENY, b"\1\0\0\0" + attribute) if attribute else (_DENY, b"")
    refusals = tuple(
        Ace(kind, _INHERITED_BELOW, _READ + types + sid_bytes(domain.sid(who)))
        for who in (population.ACTOR, population.VERIFIER)
    )
    entries = (*refusals, *parsed.dacl.entries)
    _set_descriptor(domain, name, replace(parsed, sacl=None, dacl=Acl(4, entries)).pack())
    try:
        yield
    finally:
        _set_descriptor(domain, name, before)


def descriptor_of(domain: SambaDomain, name: str) -> bytes:
    """Read the descriptor of an object as the administrator, as bytes."""
    with domain.first.root() as connection:
        connection.search(
            name, "(objectClass=*)", ldap3.BASE, attributes=[_DESCRIPTOR],
            controls=security_descriptor_control(sdflags=7),
        )  # fmt: skip
        return bytes(connection.response[0]["raw_attributes"][_DESCRIPTOR][0])


def _set_descriptor(domain: SambaDomain, name: str, packed: bytes) -> None:
    with domain.first.root() as connection:
        connection.modify(
            name, {_DESCRIPTOR: [(ldap3.MODIFY_REPLACE, [packed])]},
            controls=security_descriptor_control(sdflags=4),
        )  # fmt: skip


def _secret() -> Secret:
    return Secret.held(lambda: population.SERVICE_PASSWORD, "test")
