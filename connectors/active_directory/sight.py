"""What a read must prove that it can see, and what nothing proves (Law 2).

In Active Directory an attribute or object that an access rule hides looks exactly like one that is
not there. Three proofs stand against that:

- canaries, each with attributes it must show and be found by, for what lies on other objects;
- the security descriptor of the person's own object: it must let our identity read everything, so
  no attribute on it and no link back from elsewhere can be hidden (confidential ones: a canary);
- an account that is not seen must be seen among the deleted objects.

What is left unproven is a gap, and a reading with a gap closes nothing. Called by ``survey``,
``finding`` and ``doctor``.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from connectors._directory.entries import Entry, below
from connectors._directory.session import ANYTHING, NO_ATTRIBUTES
from connectors.active_directory.domain import ID, OWNER_GROUP_DACL, Domain
from connectors.active_directory.rows import (
    ALLOWED_TO_ACT,
    BACK_LINKS,
    CREATOR,
    DESCRIPTOR,
    GMSA_READERS,
    MEMBER_UID,
    OWN,
    REFERENCES,
)
from connectors.active_directory.security import SecurityDescriptor
from connectors.active_directory.settings import CanaryObject, Settings
from connectors.contract import Canary, ReadEnd

ALWAYS_THERE: Final = ("userAccountControl", "primaryGroupID", "objectSid", "pwdLastSet")
"""Every account object has these; one without them is half hidden."""
LOGINS: Final = ("sAMAccountName", "userPrincipalName")
MAILS: Final = ("mail", "proxyAddresses")
_NEVER_SOUGHT: Final = frozenset({DESCRIPTOR.lower()})


def schema_names(settings: Settings) -> tuple[str, ...]:
    """Return all attributes whose existence in the schema matters."""
    return (
        *settings.employee_attributes,
        *LOGINS,
        *MAILS,
        *OWN,
        *(row.attribute for row in REFERENCES),
        *BACK_LINKS,
        ALLOWED_TO_ACT,
        GMSA_READERS,
        DESCRIPTOR,
        CREATOR,
        "msNPAllowDialin",
        "msExchHideFromAddressLists",
        "loginShell",
        "logonHours",
        "uid",
    )


def watched(domain: Domain) -> tuple[str, ...]:
    """Return the attributes that a canary must show: their absence would close something."""
    settings = domain.settings
    sweeping = (DESCRIPTOR,) if settings.read_access_rules else ()
    elsewhere = (MEMBER_UID, CREATOR, ALLOWED_TO_ACT, GMSA_READERS, *sweeping)
    secret = tuple(name for name in OWN if name.lower() in domain.facts.confidential)
    names = (*settings.employee_attributes, *LOGINS, *MAILS, *elsewhere, *secret)
    return tuple(domain.known_among(names))


def unproven(domain: Domain) -> tuple[str, ...]:
    """Return the watched attributes that neither a canary nor ``unused`` names."""
    settings = domain.settings
    named = {name.lower() for canary in settings.canaries for name in canary.attributes}
    named |= {name.lower() for name in settings.unused}
    return tuple(name for name in watched(domain) if name.lower() not in named)


def gaps_of_settings(domain: Domain) -> list[str]:
    """Say what the settings alone leave unproven."""
    return [f"no canary shows {name}" for name in unproven(domain)]


def end(domain: Domain, gaps: Sequence[str] = (), *, complete: bool = True) -> ReadEnd:
    """Read the canaries in this very session and say how the read ended."""
    seen = True
    places: list[str] = []
    unread = [*gaps, *gaps_of_settings(domain)]
    for number, canary in enumerate(domain.settings.canaries, 1):
        entry, hidden = look(domain, canary)
        seen = seen and entry is not None
        places += [entry.dn] if entry else []
        unread += [f"{name} of canary {number}" for name in hidden]
    unread += [
        f"no canary below account base {number}"
        for number, base in enumerate(domain.settings.account_bases, 1)
        if seen and not any(below(place, base) for place in places)
    ]
    return ReadEnd(
        complete=complete,
        canary=Canary("domain canaries", seen=seen),
        read_at=domain.clock(),
        credential=domain.credential,
        gaps=tuple(unread),
    )


def look(domain: Domain, canary: CanaryObject) -> tuple[Entry | None, list[str]]:
    """Read a canary: is it seen, and which of its attributes are not shown or not searchable?"""
    session, wanted = domain.session, list(canary.attributes)
    sought = [name for name in wanted if name.lower() not in _NEVER_SOUGHT]
    everything = f"(&{ANYTHING}{''.join(f'({name}=*)' for name in sought)})"
    controls = [OWNER_GROUP_DACL]
    entry = session.read(canary.dn, [ID, *wanted], everything, controls)
    if entry is not None and all(entry.values(name) for name in wanted):
        return entry, []
    entry = session.read(canary.dn, [ID, *wanted], controls=controls)
    if entry is None:
        return None, []
    hidden = [name for name in wanted if not entry.values(name)]
    unsearchable = [
        f"search by {name}"
        for name in sought
        if name not in hidden and session.read(canary.dn, [NO_ATTRIBUTES], f"({name}=*)") is None
    ]
    return entry, hidden + unsearchable


def of_account(domain: Domain, entry: Entry) -> list[str]:
    """Say what may be hidden on a person's own object; ``entry`` was read with its descriptor."""
    missing = [name for name in ALWAYS_THERE if not entry.values(name)]
    found = [f"{name} of the account" for name in missing]
    descriptor = entry.values(DESCRIPTOR)
    if not descriptor:
        return [*found, "the account's security descriptor"]
    if not domain.facts.tokens:
        return [*found, "which groups our own identity is in"]
    if not SecurityDescriptor.parse(descriptor[0]).shows_everything_to(domain.facts.tokens):
        found.append("the account's access rules hide attributes from this identity")
    return found


def of_absent(domain: Domain, native_id: str) -> list[str]:
    """Say why an account that is not seen is not known to be gone."""
    if domain.deleted(native_id) is not None:
        return []
    return ["the account is neither seen nor among the deleted objects"]


def used_after_all(domain: Domain, entries: Iterable[Entry]) -> set[str]:
    """Return the names from ``unused`` that some entry has nevertheless."""
    unused = {name.lower(): name for name in domain.settings.unused}
    return {
        unused[name]
        for entry in entries
        for name, values in entry.attributes.items()
        if values and name in unused
    }
