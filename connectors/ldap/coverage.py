"""Which attributes a read must prove that it can see, and what no canary proves (Law 2).

An attribute that may not be read looks exactly like one that nobody has. So each attribute whose
absence would close something is *watched*: some configured canary shows it in the same session, or
the operator says that this directory does not use it (``unused``). What is neither is a gap, and a
reading with a gap closes nothing. Called by ``directory``, ``survey``, ``doctor`` and ``rights``.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from connectors._directory.entries import Entry, below
from connectors._directory.session import ANYTHING, NO_ATTRIBUTES, Session
from connectors.contract import Credential
from connectors.ldap import own
from connectors.ldap.references import ROWS
from connectors.ldap.settings import CanaryObject, Product, Settings

_PRODUCT: Final = {
    "nssshpublickey": Product.THREE_EIGHT_NINE,
    "nsroledn": Product.THREE_EIGHT_NINE,
    "authzto": Product.OPENLDAP,
    "authzfrom": Product.OPENLDAP,
}
"""Attributes that only one of the products has."""
_ACTING: Final = ("userPassword", "krbPrincipalKey")
"""Secrets: only the acting identity reads them, for the pre-image that undo needs."""
_ACTING_ONLY: Final = frozenset(name.lower() for name in _ACTING)


def base_name(attribute: str) -> str:
    """Fold an attribute description: no case, no options (``;binary``)."""
    return attribute.partition(";")[0].casefold()


def searched(settings: Settings) -> tuple[str, ...]:
    """Attributes by which we search: reading them is not enough, 389-ds has a right for that."""
    return (
        settings.employee_attribute,
        settings.login_attribute,
        *settings.mail_attributes,
        "uidNumber",
        *(row.attribute for row in ROWS),
    )


def watched(settings: Settings, product: Product, credential: Credential) -> tuple[str, ...]:
    """Return all attributes whose absence would close something, each once."""
    secrets = _ACTING if credential is Credential.ACT else ()
    on_person = (*own.VALUE_ROWS, "krbPrincipalName", *secrets)
    names = {base_name(name): name.partition(";")[0] for name in (*searched(settings), *on_person)}
    return tuple(name for folded, name in names.items() if _PRODUCT.get(folded, product) is product)


def unproven(settings: Settings, product: Product, credential: Credential) -> tuple[str, ...]:
    """Return the watched attributes that neither a canary nor ``unused`` names."""
    named = {base_name(name) for canary in settings.canaries for name in canary.attributes}
    named |= {base_name(name) for name in settings.unused}
    return tuple(
        name for name in watched(settings, product, credential) if base_name(name) not in named
    )


def gaps(settings: Settings, product: Product, credential: Credential) -> list[str]:
    """Say what the settings alone leave unproven."""
    found = [f"no canary shows {name}" for name in unproven(settings, product, credential)]
    return found + [
        f"no canary below account base {number}"
        for number, base in enumerate(settings.account_bases, 1)
        if not any(below(canary.dn, base) for canary in settings.canaries)
    ]


def used_after_all(settings: Settings, entries: Iterable[Entry]) -> set[str]:
    """Return the names from ``unused`` that some entry has nevertheless."""
    unused = {base_name(name): name for name in settings.unused}
    if not unused:
        return set()
    return {
        unused[base_name(name)]
        for entry in entries
        for name, values in entry.attributes.items()
        if values and base_name(name) in unused
    }


def look(
    session: Session, settings: Settings, canary: CanaryObject, credential: Credential
) -> tuple[bool, list[str]]:
    """Read a canary: is it seen, and which of its attributes are not shown or not searchable?

    One request where all is well: the filter asks for every attribute that we search by.
    """
    wanted = [
        name
        for name in canary.attributes
        if credential is Credential.ACT or base_name(name) not in _ACTING_ONLY
    ]
    ours = {base_name(name) for name in searched(settings)}
    sought = [name for name in wanted if base_name(name) in ours]
    everything = f"(&{ANYTHING}{''.join(f'({name}=*)' for name in sought)})"
    asked = wanted or [NO_ATTRIBUTES]
    entry = session.read(canary.dn, asked, everything)
    if entry is not None and all(shows(entry, name) for name in wanted):
        return True, []
    entry = session.read(canary.dn, asked)
    if entry is None:
        return False, []
    hidden = [name for name in wanted if not shows(entry, name)]
    unsearchable = [
        f"search by {name}"
        for name in sought
        if name not in hidden and session.read(canary.dn, [NO_ATTRIBUTES], f"({name}=*)") is None
    ]
    return True, hidden + unsearchable


def shows(entry: Entry, name: str) -> bool:
    """Say whether an entry shows an attribute, with or without options."""
    return any(
        values and base_name(found) == base_name(name) for found, values in entry.attributes.items()
    )
