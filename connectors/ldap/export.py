"""Export of a person's entry and of everything that points at it, as LDIF (RFC 2849), streamed.

Called by the connector's ``export``. The account's entry comes whole (``*`` and ``+``) while it
is there, then every entry that names the person. An export that cannot be complete raises; it never
just ends.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from connectors._directory.entries import Entry
from connectors._directory.ldif import HEAD, MEDIA_TYPE, ldif
from connectors.contract import Account, Export
from connectors.faults import Unauthorised
from connectors.ldap.directory import Directory
from connectors.ldap.references import ROWS, Identity, matching, search_filter

WHOLE: Final = ("*", "+")
_OPERATIONAL: Final = ("nsAccountLock", "nsRoleDN", "passwordPolicySubentry", "aci")
"""389-ds shows these only when asked by name."""


def export(directory: Directory, account: Account) -> Iterator[Export]:
    """Yield the account's own entry and, as a second object, everything that names the person.

    Of an entry that somebody deleted only the references are left; the second object's name says
    so. Raises ``Unauthorised`` when it may merely be hidden from us.
    """
    entry = directory.account_entry(account, (*WHOLE, *_OPERATIONAL))
    name = "references" if entry else "references-of-deleted-entry"
    if entry is not None:
        yield Export(f"{account.native_id}/entry.ldif", MEDIA_TYPE, iter((HEAD + ldif(entry),)))
    elif not _sees(directory):  # Law 2: empty is not absent
        raise Unauthorised("export: neither the account's entry nor all canaries are seen")
    yield Export(
        f"{account.native_id}/{name}.ldif",
        MEDIA_TYPE,
        _references(directory, directory.identity(account, entry)),
    )


def _sees(directory: Directory) -> bool:
    end = directory.end()
    return end.canary.seen and not end.gaps


def _references(directory: Directory, identity: Identity) -> Iterator[bytes]:
    """Write what names the person and no other's entry: the search asks for more than that."""
    yield HEAD
    wanted = search_filter(identity)
    for page in directory.session.search(directory.settings.base, wanted, WHOLE):
        naming = (found for found in page if _names(identity, found))
        if text := b"".join(ldif(found) for found in naming):
            yield text


def _names(identity: Identity, entry: Entry) -> bool:
    return any(matching(row, identity, entry.values(row.attribute)) for row in ROWS)
