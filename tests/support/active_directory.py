"""Our Active Directory connector on the Samba peer, as an operator would configure it."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any, Final

from connectors.active_directory import CanaryObject, Login, Settings, open_connector
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


def kinds(holdings: Iterator[Holding]) -> list[str]:
    """Sorted words of the kinds."""
    return sorted(holding.kind for holding in holdings)


def _secret() -> Secret:
    return Secret.held(lambda: population.SERVICE_PASSWORD, "test")
