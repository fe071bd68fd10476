"""An independent look at the sandbox directory: is this person really out?

Called by the demo and by acceptance tests after a case has closed. It speaks plain LDAP as the
directory's administrator, knows nothing of our connector, and reads the whole tree: what the
connector overlooks, this finds. Works on the fake and on slapd alike. Not part of any proof.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import ldap3
from ldap3.core.exceptions import LDAPException

from deprovisioner.sandbox.company import SUFFIX, Company, ServiceAccount
from deprovisioner.sandbox.people import Person

_INVALID_CREDENTIALS = 49
_KEYS = ("sshPublicKey", "userCertificate;binary", "krbPrincipalKey", "krbAllowedToDelegateTo")


@dataclass(frozen=True, slots=True)
class Look:
    """One thing that was looked at, whether it is as it must be, and what was seen."""

    what: str
    holds: bool
    seen: str


def look(url: str, company: Company, person: Person) -> tuple[Look, ...]:
    """Look at everything about a leaver whose case has closed. Raises LDAPException."""
    own = company.name_of(person)
    code = sign_in(url, own, company.password_of(person))
    entries = dict(_everything(url, company.administrator))
    mine = next((entry for name, entry in entries.items() if name.lower() == own.lower()), {})
    keys = [word for word in _KEYS if mine.get(word)]
    mentions = sorted(set(_mentions(entries, own, person)))
    return (
        Look("signing in with the password they had", code == _INVALID_CREDENTIALS, f"LDAP {code}"),
        Look("keys and certificates on the account", not keys, ", ".join(keys) or "none"),
        Look(
            "other entries that name them (groups, sudo, netgroups, owners, aliases)",
            not mentions,
            ", ".join(mentions) or f"none of {len(entries) - 1}",
        ),
    )


def sign_in(url: str, name: str, password: str) -> int:
    """Try a password; the LDAP result code of the bind (RFC 4511: 0 is success, 49 refused)."""
    connection = ldap3.Connection(ldap3.Server(url), name, password)
    try:
        connection.bind()
        return int(connection.result["result"])
    finally:
        connection.unbind()


def holds_now(url: str, company: Company, person: Person) -> int:
    """Count the other entries that name a person, before anything was done."""
    entries = dict(_everything(url, company.administrator))
    return len(set(_mentions(entries, company.name_of(person), person)))


def _everything(
    url: str, administrator: ServiceAccount
) -> Iterator[tuple[str, dict[str, list[bytes]]]]:
    connection = ldap3.Connection(
        ldap3.Server(url), administrator.name, administrator.password, auto_bind=True
    )
    try:
        # Aliases are entries here, not pointers to follow.
        found = connection.search(
            SUFFIX, "(objectClass=*)", attributes=["*"], dereference_aliases=ldap3.DEREF_NEVER
        )
        if not found or connection.result["result"] != 0:
            raise LDAPException("the directory could not be read as a whole")
        for entry in connection.response or ():
            yield entry["dn"], dict(entry["raw_attributes"])
    finally:
        connection.unbind()


def _mentions(
    entries: dict[str, dict[str, list[bytes]]], own: str, person: Person
) -> Iterator[str]:
    """Names of entries, other than the own one, with a value that is or contains this person."""
    whole = {own.lower(), person.login.lower(), person.work_email.lower()}
    inside = f",{person.login.lower()},"  # a netgroup triple
    for name, entry in entries.items():
        if name.lower() == own.lower():
            continue
        for values in entry.values():
            texts = [value.decode("utf-8", "replace").strip().lower() for value in values]
            if any(text in whole or inside in text for text in texts):
                yield name
