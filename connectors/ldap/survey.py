"""Everything one account holds in a directory, read in one session with its canaries.

The order is that of the facts: the account and its password (L01 to L03), what lies on its own
entry (L04, L10), what points at it from elsewhere (L05 to L09), access rules and connections (L11,
L12). Called by the connector's ``survey``.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from connectors._directory.entries import Entry
from connectors._directory.preimage import pack
from connectors._directory.results import OutOfRange, Referred, Truncated
from connectors._directory.session import NO_ATTRIBUTES
from connectors.contract import (
    Account,
    Holding,
    Json,
    Kind,
    Page,
    kind,
)
from connectors.ldap import coverage, own, sign_in, watched
from connectors.ldap.card import PASSWORD
from connectors.ldap.directory import Directory
from connectors.ldap.references import (
    GROUP,
    ROWS,
    TWO_BEARERS,
    Identity,
    Row,
    contested,
    is_alias_entry,
    matching,
    search_filter,
)

MEMBER_OF: Final = "memberOf"
_SMALL: Final = 100
"""Attributes with more values than this are not kept whole in a pre-image."""
_STOPPED: Final = (Truncated, Referred, OutOfRange)


def survey(directory: Directory, account: Account) -> Iterator[Page[Holding]]:
    """Yield pages of holdings; the last page has the end. An account that is gone yields none.

    A gone account may still be pointed at by entries that nobody cleaned: those are reported,
    because the next bearer of the name would inherit them.
    """
    gaps: list[str] = []
    used: set[str] = set()
    try:
        entry = directory.account_entry(account, (*sign_in.STATE, *own.ATTRIBUTES, MEMBER_OF))
        identity = directory.identity(account, entry)
        if entry is not None:
            used |= coverage.used_after_all(directory.settings, [entry])
            yield Page(tuple(_on_entry(directory, account, entry)))
        groups: set[str] = set()
        for page in _referring(directory, identity):
            used |= coverage.used_after_all(directory.settings, page)
            yield Page(tuple(_references(directory, account, identity, page, groups)))
        if entry is not None:
            gaps += _unseen_groups(directory, entry, groups)
        gaps += [f"{name} is named unused and is used" for name in sorted(used)]
        yield Page(tuple(watched.access_rules(directory, account, identity)))
        yield Page(tuple(watched.sessions(directory, account, identity)))
    except _STOPPED as stop:
        yield Page((), directory.end([str(stop)], complete=False))
        return
    yield Page((), directory.end(gaps))


def references_left(directory: Directory, identity: Identity) -> list[Kind]:
    """Say what still points at a person; raises when that cannot be read completely.

    A contested name is left out: it does not dangle, another living entry bears it.
    """
    return [
        row.kind
        for page in _referring(directory, identity)
        for entry in page
        for row in ROWS
        if entry.dn != identity.dn
        and set(matching(row, identity, entry.values(row.attribute)))
        - set(contested(row, identity, entry.values(row.attribute)))
    ]


def _on_entry(directory: Directory, account: Account, entry: Entry) -> Iterator[Holding]:
    images = _images(directory)
    current = sign_in.read(directory, entry)
    account_duty = "" if current.lockable or current.scrambled else sign_in.ACCOUNT_DUTY
    yield Holding(
        account_id=account.native_id,
        kind=kind(f"account.{account.kind.value}"),
        native_id=account.native_id,
        label=account.login,
        state=current.state,
        restore=sign_in.image(current) if images else {},
        duty=account_duty,
    )
    yield Holding(
        account_id=account.native_id,
        kind=PASSWORD,
        native_id="userpassword",
        label="password",
        state=current.state,
        restore={"userPassword": pack(entry.values("userPassword"))} if images else {},
    )
    life = directory.settings.kerberos_ticket_life
    yield from own.holdings(account, entry, directory.clock(), life, images=images)


def _referring(directory: Directory, identity: Identity) -> Iterator[list[Entry]]:
    wanted = [directory.id_attribute, "objectClass", *(row.attribute for row in ROWS)]
    return directory.session.search(directory.settings.base, search_filter(identity), wanted)


def _references(
    directory: Directory,
    account: Account,
    identity: Identity,
    page: list[Entry],
    groups: set[str],
) -> Iterator[Holding]:
    for entry in page:
        native = ""
        for row in ROWS:
            values = entry.values(row.attribute)
            named = matching(row, identity, values) if values else ()
            if not named or directory.id_of(entry) == account.native_id:
                continue
            native = native or directory.id_of(entry)
            if row.kind == GROUP:
                groups.add(entry.dn.casefold())
            yield Holding(
                account_id=account.native_id,
                kind=row.kind,
                native_id=f"{native}:{row.attribute.lower()}",
                label=f"{row.attribute} of {entry.dn}",
                sole=row.needs_one and len(named) == len(values),
                duty=TWO_BEARERS if contested(row, identity, values) else "",
                restore=_image(directory, row, entry, named) if _images(directory) else {},
            )


def _image(
    directory: Directory, row: Row, entry: Entry, named: tuple[bytes, ...]
) -> dict[str, Json]:
    values = entry.values(row.attribute)
    image: dict[str, Json] = {"values": pack(named)}
    if len(values) <= _SMALL:
        image["before"] = pack(values)
    if is_alias_entry(row):
        # An alias cannot be without its target: revoke deletes it, undo adds it again.
        whole = directory.session.read(entry.dn, ["*"]) or entry
        image["dn"] = entry.dn
        image["entry"] = {name: pack(values) for name, values in whole.attributes.items()}
    return image


def _unseen_groups(directory: Directory, entry: Entry, seen: set[str]) -> list[str]:
    """Read membership from the other side too: memberOf may name a group we cannot see (Law 2).

    memberOf also names nested groups and lags, so only a group that is there for the server and
    hidden from us is a gap; the person's own membership in it would be in the search.
    """
    hidden = 0
    for group in entry.texts(MEMBER_OF):
        if group.casefold() in seen:
            continue
        if directory.session.read(group, [NO_ATTRIBUTES]) is None:
            hidden += 1
    return [f"{hidden} groups that memberOf names"] if hidden else []


def _images(directory: Directory) -> bool:
    """Pre-images may hold secrets, so only the acting credential brings them."""
    return directory.credential.value == "act"
