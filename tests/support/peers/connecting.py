"""Our connector pointed at a directory peer: settings as an operator would write them.

Used by the integration tests and the benchmark; keeps passwords where :class:`Secret` wants them.
"""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

from connectors.contract import Account, Credential, Holding, Reading, Subject, gather
from connectors.ldap import CanaryObject, LdapConnector, Login, Settings, open_connector
from connectors.secret import Secret
from tests.support.peers.population import (
    ACTOR,
    CANARIES,
    CANARY,
    SERVICE_PASSWORD,
    SUFFIX,
    VERIFIER,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.peers.directory import Directory

LEAVER_SUBJECT = Subject(
    employment_id="emp-1",
    employee_number="E-1042",
    emails=("lmeyer@example.com",),
    names=("Person 42",),
    logins=("lmeyer", "lm-admin"),
)
SUCCESSOR_SUBJECT = Subject(
    employment_id="emp-2", employee_number="E-1043", emails=("skhan@example.com",)
)


def now() -> dt.datetime:
    """The real time: these tests speak with servers that have their own clocks."""
    return dt.datetime.now(dt.UTC)


def held(password: str = SERVICE_PASSWORD) -> Secret:
    """A secret that a test made up itself."""
    return Secret.held(lambda: password, "test")


def canaries_of(directory: Directory) -> tuple[CanaryObject, ...]:
    """The complete canaries of a peer: what both products have, and what is its own."""
    own = {"openldap": ("authzTo", "authzFrom"), "389ds": ("nsRoleDN",)}[directory.product]
    return tuple(
        CanaryObject(dn=dn, attributes=(*names, *own) if dn == CANARY else names)
        for dn, names in CANARIES.items()
    )


def settings_for(directory: Directory, **changed: Any) -> Settings:
    """Settings of a peer; keyword arguments replace single ones."""
    values: dict[str, Any] = {
        "url": directory.secure_url,
        "act": Login(dn=ACTOR, password=held()),
        "verify": Login(dn=VERIFIER, password=held()),
        "base": SUFFIX,
        "people": (f"ou=people,{SUFFIX}",),
        "ca_file": directory.ca_file,
        "default_password_policy": f"cn=default,ou=policies,{SUFFIX}",
        "canaries": canaries_of(directory),
        "unused": ("nsSshPublicKey",),
        "settle": dt.timedelta(0),
        "receive_timeout": dt.timedelta(seconds=20),
    }
    return Settings(**(values | changed))


def connect(
    directory: Directory,
    credential: Credential,
    clock: Callable[[], dt.datetime] = now,
    **changed: Any,
) -> LdapConnector:
    """Make the connector of a peer; the caller closes it."""
    return open_connector("directory", settings_for(directory, **changed), credential, clock)


def account_of(connector: LdapConnector, subject: Subject = LEAVER_SUBJECT) -> Account:
    """Find the one account that is certain."""
    found = [one for one in gather(connector.find(subject)).items if one.confidence == 100]
    assert len(found) == 1
    return found[0]


def survey_of(connector: LdapConnector, account: Account) -> Reading[Holding]:
    """Read everything an account holds; the read could see."""
    reading = gather(connector.survey(account))
    assert not reading.blind, reading.blind
    return reading
