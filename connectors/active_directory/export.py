"""Export of a person's object and of everything that points at it, as LDIF (RFC 2849), streamed.

Called by the connector's ``export``. The object comes with its security descriptor and constructed
attributes; without the recycle bin this is all that is left of it after deletion. An export that
cannot be complete raises; it never just ends.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from connectors._directory.entries import equals
from connectors._directory.ldif import HEAD, MEDIA_TYPE, ldif
from connectors.active_directory import sight
from connectors.active_directory.access import Access
from connectors.active_directory.domain import ID, OWNER_GROUP_DACL, Domain
from connectors.active_directory.links import Links
from connectors.active_directory.person import Person
from connectors.active_directory.rows import BACK_LINKS, DESCRIPTOR, MEMBER
from connectors.contract import Account, Export
from connectors.faults import Unauthorised

WHOLE: Final = (
    "*", "tokenGroups", "msDS-User-Account-Control-Computed", "msDS-ReplAttributeMetaData",
    "msDS-ReplValueMetaData", DESCRIPTOR, *BACK_LINKS,
)  # fmt: skip
_REFERENCES: Final = ("*", DESCRIPTOR)


def export(domain: Domain, account: Account) -> Iterator[Export]:
    """Yield the account's own object and, as a second one, everything that names the person.

    Raises ``Unauthorised`` when something may merely be hidden from us (Law 2).
    """
    entry = domain.account_entry(account, WHOLE, [OWNER_GROUP_DACL])
    person, native = Person.of(domain, account, entry), account.native_id
    hidden = sight.of_account(domain, entry) if entry else sight.of_absent(domain, native)
    end = sight.end(domain, hidden)
    if end.gaps or not end.canary.seen:
        raise Unauthorised("export: " + (", ".join(end.gaps) or "a canary is not seen"))
    if entry is not None:
        yield Export(f"{native}/object.ldif", MEDIA_TYPE, iter((HEAD + ldif(entry),)))
    yield Export(f"{native}/references.ldif", MEDIA_TYPE, _references(domain, person))


def _references(domain: Domain, person: Person) -> Iterator[bytes]:
    """Write each object that names the person once, as it is now."""
    yield HEAD
    written: set[str] = set()
    for native_id in _naming(domain, person):
        if native_id in written:
            continue
        written.add(native_id)
        entry = domain.by_id(native_id, _REFERENCES, [OWNER_GROUP_DACL])
        if entry is not None:
            yield ldif(entry)


def _naming(domain: Domain, person: Person) -> Iterator[str]:
    if person.dn:
        for page in domain.search(domain.settings.base, equals(MEMBER, person.dn), [ID]):
            yield from (domain.id_of(group) for group in page)
    links, access = Links(domain, person), Access(domain, person)
    for pages, holdings in ((links.pages(), links.holdings), (access.pages(), access.holdings)):
        for page in pages:
            yield from (one.native_id.partition(":")[0] for one in holdings(page))
