"""What other objects say about a person: managed by, manager, delegate, member by login (A19).

Read by a search for the person's DN, and checked against the links back on the person's own
object: an object that only the link shows is hidden from us, and a gap (Law 2).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from connectors._directory.entries import Change, Edit, Entry, any_of, equals, normal_dn
from connectors._directory.preimage import pack, unpack
from connectors.active_directory.domain import ID, Domain, unchanged
from connectors.active_directory.person import Person
from connectors.active_directory.rows import REFERENCES, ROW_OF, Row, kind_of_reference
from connectors.contract import Effect, Holding, Json, Outcome

_SMALL: Final = 100
"""Attributes with more values than this are not kept whole in a pre-image."""
_LAST: Final = "the last value of {attribute}: hand it over first"
_OWN_MASTER: Final = "the successor would be named on their own object: choose somebody else"


@dataclass(frozen=True, slots=True)
class Target:
    """Where a reference lies: its row, the object as it is now, and the values of the person."""

    row: Row
    entry: Entry | None
    named: tuple[bytes, ...]

    @property
    def values(self) -> tuple[bytes, ...]:
        """All values of the attribute."""
        return self.entry.values(self.row.attribute) if self.entry else ()

    @property
    def read_back(self) -> dict[str, Json]:
        """For evidence: how many values there are and how many name the person."""
        if self.entry is None:
            return {"object": "absent"}
        return {
            "attribute": self.row.attribute,
            "values": len(self.values),
            "of the person": len(self.named),
        }


class Links:
    """One survey's reading of references, page by page, and what it could not see."""

    def __init__(self, domain: Domain, person: Person) -> None:
        """Nothing is read yet."""
        self._domain, self._person = domain, person
        self._rows = [row for row in REFERENCES if domain.knows(row.attribute)]
        self._found: set[tuple[str, str]] = set()

    def pages(self) -> Iterator[list[Entry]]:
        """Page through every object that may name the person."""
        person, rows = self._person, self._rows
        parts = [f"({row.attribute}=*)" for row in rows if row.by_login and person.logins]
        if person.dn:
            parts += [equals(row.attribute, person.dn) for row in rows if not row.by_login]
        if not parts:
            return
        wanted = [ID, "objectClass", *(row.attribute for row in rows)]
        base = self._domain.settings.base
        yield from self._domain.search(base, any_of(parts), wanted)

    def holdings(self, page: Sequence[Entry]) -> Iterator[Holding]:
        """Report what one page says about the person."""
        for entry in page:
            for row in self._rows:
                named = matching(row, self._person, entry.values(row.attribute))
                if not named or not entry.values(ID):  # half hidden: a link without its object
                    continue
                self._found.add((row.attribute, normal_dn(entry.dn)))
                if not self._person.is_named_by(entry.dn.encode()):  # own delegates are own values
                    yield self._holding(row, entry, named)

    def gaps(self, entry: Entry) -> list[str]:
        """Say which links back nothing explains."""
        hidden = {
            row.attribute: len(missing)
            for row in self._rows
            if row.back
            and (
                missing := {normal_dn(text) for text in entry.texts(row.back)}
                - {dn for attribute, dn in self._found if attribute == row.attribute}
            )
        }
        return [f"{count} objects whose {name} is this account" for name, count in hidden.items()]

    def left(self) -> list[str]:
        """Name the attributes that still name the person, for ``destroy``."""
        return [
            row.attribute
            for page in self.pages()
            for entry in page
            for row in self._rows
            if matching(row, self._person, entry.values(row.attribute))
            and not self._person.is_named_by(entry.dn.encode())
        ]

    def _holding(self, row: Row, entry: Entry, named: tuple[bytes, ...]) -> Holding:
        values = entry.values(row.attribute)
        image: dict[str, Json] = {"values": pack(named)}
        if len(values) <= _SMALL:
            image["before"] = pack(values)
        return Holding(
            account_id=self._person.account.native_id,
            kind=kind_of_reference(row, entry.texts("objectClass")),
            native_id=f"{self._domain.id_of(entry)}:{row.attribute.lower()}",
            label=f"{row.attribute} of {entry.dn}",
            sole=row.needs_one and len(named) == len(values),
            restore=image if self._domain.images else {},
        )


def matching(row: Row, person: Person, values: Sequence[bytes]) -> tuple[bytes, ...]:
    """Return the values of an attribute that name the person."""
    names = person.is_login if row.by_login else person.is_named_by
    return tuple(value for value in values if names(value))


# -------------------------------------------------------------------------------------- changes
def revoke(domain: Domain, person: Person, holding: Holding) -> Effect:
    """Take the person out of one attribute of one object."""
    target = _target(domain, person, holding)
    if target.entry is None or not target.named:
        return Effect(holding.key, Outcome.ALREADY, target.read_back)
    if target.row.needs_one and len(target.named) == len(target.values):
        why = _LAST.format(attribute=target.row.attribute)  # Law 5: looked at now
        return Effect(holding.key, Outcome.REFUSED, target.read_back, why=why)
    why = domain.attempt(_native(holding), [_change(target, Edit.DELETE, target.named)])
    after = _target(domain, person, holding)
    if after.named:
        return unchanged("revoke", holding, after.read_back, why)
    return Effect(holding.key, Outcome.ALREADY if why else Outcome.DONE, after.read_back)


def transfer(domain: Domain, person: Person, heir: Person, holding: Holding) -> Effect:
    """Put the successor in; an ownership leaves the leaver in the same request."""
    target = _target(domain, person, holding)
    if target.entry is None or heir.entry is None:
        return Effect(holding.key, Outcome.REFUSED, target.read_back, why="it is not there")
    if target.row.hands_over and heir.is_named_by(target.entry.dn.encode()):
        return Effect(holding.key, Outcome.REFUSED, target.read_back, why=_OWN_MASTER)
    changes = _handing_over(target, heir)
    if not changes:
        return Effect(holding.key, Outcome.ALREADY, target.read_back)
    why = domain.attempt(_native(holding), changes)
    after = _target(domain, person, holding)
    if _handing_over(after, heir):
        return unchanged("transfer", holding, after.read_back, why)
    return Effect(holding.key, Outcome.DONE, after.read_back | {"successor": "is there"})


def restore(domain: Domain, person: Person, holding: Holding) -> Effect:
    """Put the person's values back, and take out the one value a handover put in their place."""
    target = _target(domain, person, holding)
    if target.entry is None or person.entry is None:
        why = "the object it lay on, or the account, is gone"
        return Effect(holding.key, Outcome.REFUSED, target.read_back, why=why)
    changes = _putting_back(target, person, holding.restore)
    if not changes:
        return Effect(holding.key, Outcome.ALREADY, target.read_back)
    why = domain.attempt(_native(holding), changes)
    after = _target(domain, person, holding)
    if _putting_back(after, person, holding.restore):
        return unchanged("restore", holding, after.read_back, why)
    return Effect(holding.key, Outcome.DONE, after.read_back)


def is_reference(native_id: str) -> bool:
    """Say whether a holding's id is of this module."""
    return native_id.partition(":")[2] in ROW_OF


def _target(domain: Domain, person: Person, holding: Holding) -> Target:
    row = ROW_OF[holding.native_id.partition(":")[2]]
    entry = domain.by_id(_native(holding), [row.attribute])
    values = entry.values(row.attribute) if entry else ()
    return Target(row, entry, matching(row, person, values))


def _native(holding: Holding) -> str:
    return holding.native_id.partition(":")[0]


def _handing_over(target: Target, heir: Person) -> list[Change]:
    """Edits still needed; none when the successor is there and an ownership left the leaver."""
    if heir.entry is None:
        return []
    row = target.row
    value = heir.entry.values("sAMAccountName")[0] if row.by_login else heir.dn.encode()
    add = not matching(row, heir, target.values)
    drop = row.hands_over and bool(target.named)
    if add and drop and len(target.named) == len(target.values):
        return [_change(target, Edit.REPLACE, (value,))]  # also for single-valued attributes
    added = [_change(target, Edit.ADD, (value,))] if add else []
    return added + ([_change(target, Edit.DELETE, target.named)] if drop else [])


def _putting_back(target: Target, person: Person, image: Mapping[str, Json]) -> list[Change]:
    """The person may have moved since, so it is the DN of now that is written."""
    stored, before = unpack(image, "values"), unpack(image, "before")
    row, now = target.row, target.values
    if target.named or not stored:
        return []
    mine = stored if row.by_login else (person.dn.encode(),)
    new = tuple(value for value in now if value not in before) if before else ()
    handed = row.hands_over and len(new) == 1 and bool(before)
    if handed and len(now) == 1:
        return [_change(target, Edit.REPLACE, mine)]  # also for single-valued attributes
    added = [_change(target, Edit.ADD, mine)]
    return added + ([_change(target, Edit.DELETE, new)] if handed else [])


def _change(target: Target, edit: Edit, values: tuple[bytes, ...]) -> Change:
    return Change(edit, target.row.attribute, values)
