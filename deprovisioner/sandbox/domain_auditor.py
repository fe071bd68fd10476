"""An independent look at the Active Directory domain: is this person really out?

Called by the demo and by acceptance tests after a case has closed, beside `auditor`, which looks
into the other directory. It speaks plain LDAP, knows nothing of our connector, and reads the whole
company: links, logins, and every security descriptor for the person's identifier. No part of any
proof.
"""

import ssl
from collections.abc import Iterator
from typing import Any

import ldap3
from ldap3.core.exceptions import LDAPException
from ldap3.protocol.microsoft import security_descriptor_control

from deprovisioner.sandbox.auditor import Look
from deprovisioner.sandbox.company import Company
from deprovisioner.sandbox.forest.domain import COMPANY
from deprovisioner.sandbox.forest.identifiers import OWNER, RULES
from deprovisioner.sandbox.people import Person

_DISABLED, _INVALID_CREDENTIALS = 0x2, 49
_KEYS = (
    "userCertificate", "altSecurityIdentities", "msDS-KeyCredentialLink", "sshPublicKey",
    "servicePrincipalName", "msDS-AllowedToDelegateTo",
)  # fmt: skip
_OTHER_ENDS = frozenset(
    {"memberof", "directreports", "managedobjects", "msds-keycredentiallink-bl"}
)
"""Back links: whoever they name holds the link, and is looked at there."""
_HISTORY = frozenset({"ms-ds-creatorsid"})
"""Says who once made a machine, and gives nobody anything."""
Rows = list[tuple[str, dict[str, list[bytes]]]]


def look(url: str, company: Company, person: Person) -> tuple[Look, ...]:
    """Look at everything about a leaver whose case has closed. Raises LDAPException."""
    code = sign_in(url, person.upn, company.password_of(person))
    rows = _everything(url, company)
    own = _own(rows, person)
    keys = [word for word in _KEYS if own.get(word)]
    mentions = sorted(_mentions(rows, person))
    second = _enabled(rows, f"adm-{person.login}")
    return (
        Look("signing in to the domain", code == _INVALID_CREDENTIALS, f"LDAP {code}"),
        Look("keys, names and delegations in the domain", not keys, ", ".join(keys) or "none"),
        Look(
            "other objects of the domain that name them (members, owners, access rules)",
            not mentions,
            ", ".join(mentions) or f"none of {len(rows) - 1}",
        ),
        Look("their second account", not second, "enabled" if second else "disabled"),
    )


def holds_now(url: str, company: Company, person: Person) -> int:
    """Count the other objects that name a person, before anything was done."""
    return len(_mentions(_everything(url, company), person))


def sign_in(url: str, who: str, password: str) -> int:
    """Try a password; the LDAP result code of the bind (0 is success, 49 refused)."""
    connection = _connection(url, who, password)
    try:
        connection.bind()
        return int(connection.result["result"])
    finally:
        connection.unbind()


def _connection(url: str, who: str, password: str) -> Any:  # noqa: ANN401 - ldap3 is untyped
    # ldap3's own check of names warns on Python 3.11; this is our own server, on loopback.
    tls = ldap3.Tls(validate=ssl.CERT_NONE)
    server = ldap3.Server(url, tls=tls, get_info=ldap3.NONE)
    return ldap3.Connection(server, who, password, check_names=False, auto_referrals=False)


def _everything(url: str, company: Company) -> Rows:
    verify = company.domain_verify
    connection = _connection(url, verify.name, verify.password)
    try:
        connection.bind()
        found = connection.search(
            COMPANY,
            "(objectClass=*)",
            attributes=["*", "nTSecurityDescriptor"],
            controls=security_descriptor_control(sdflags=OWNER | RULES),
        )
        if not found or connection.result["result"] != 0:
            raise LDAPException("the domain could not be read as a whole")
        return [(row["dn"], dict(row["raw_attributes"])) for row in connection.response or ()]
    finally:
        connection.unbind()


def _own(rows: Rows, person: Person) -> dict[str, list[bytes]]:
    anchor = person.object_guid.bytes_le
    for _name, values in rows:
        if anchor in (*values.get("objectGUID", ()), *values.get("mS-DS-ConsistencyGuid", ())):
            return values
    raise LDAPException("the account is not there")


def _mentions(rows: Rows, person: Person) -> set[str]:
    """Names of objects, other than the own one, with a value that is or contains this person."""
    own = _own(rows, person)
    name = own["distinguishedName"][0]
    whole, sid = {name.lower(), person.login.encode().lower()}, own["objectSid"][0]
    return {
        other
        for other, values in rows
        if other.encode() != name
        and any(value.lower() in whole or sid in value for value in _telling(values))
    }


def _telling(values: dict[str, list[bytes]]) -> Iterator[bytes]:
    for word, held in values.items():
        if word.lower() not in _OTHER_ENDS | _HISTORY:
            yield from held


def _enabled(rows: Rows, login: str) -> bool:
    wanted = login[:20].encode()
    found = [values for _name, values in rows if values.get("sAMAccountName") == [wanted]]
    return any(not int(one["userAccountControl"][0]) & _DISABLED for one in found)
