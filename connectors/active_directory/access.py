"""Security descriptors that name the person: rights on objects, delegation, gMSA (A15 to A18).

Two scans: objects whose descriptor-valued attributes are set or that the person created, always;
and every object's own access rules, where the settings say so. Nothing but ``security`` judges the
bytes.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from connectors._directory.entries import Change, Edit, Entry
from connectors._directory.preimage import pack, unpack
from connectors.active_directory.domain import (
    ID,
    ONLY_DACL,
    OWNER_DACL,
    OWNER_GROUP_DACL,
    Domain,
    unchanged,
)
from connectors.active_directory.person import Person
from connectors.active_directory.rows import (
    ALLOWED_TO_ACT,
    CREATOR,
    DESCRIPTOR,
    DESCRIPTORS,
    GMSA_READERS,
)
from connectors.active_directory.security import (
    DOMAIN_ADMINS,
    SecurityDescriptor,
    Sid,
    in_domain,
    sid_bytes,
)
from connectors.active_directory.values import binary
from connectors.contract import Effect, Holding, Outcome

_CONTAINERS: Final = frozenset({b"organizationalunit", b"container", b"domaindns"})
_SHOWN: Final = {name.lower(): name for name in DESCRIPTORS}
_CHANGED_SINCE: Final = "its access rules were changed since: put the person back by hand"
DUTY: Final = (
    "Take this person's entry out of the access rules of this object, and give it another owner "
    "if they are it: dsacls <object DN> /R <account>; samba-tool dsacl delete --objectdn=<object "
    "DN> --sddl=<entry>. Or let the daemon do it: change_access_rules."
)


class Access:
    """One survey's reading of security descriptors, page by page, and what it could not see."""

    def __init__(self, domain: Domain, person: Person) -> None:
        """Nothing is read yet."""
        self._domain, self._person = domain, person
        self._seen: set[str] = set()
        self.unreadable = 0
        self.unlisted = 0

    def pages(self) -> Iterator[list[Entry]]:
        """Page through the objects of both scans."""
        domain, sid = self._domain, self._person.sid
        if sid is None:
            return
        known = domain.known_among([ALLOWED_TO_ACT, GMSA_READERS])
        parts = [f"({name}=*)" for name in known]
        parts += [f"({CREATOR}={binary(sid_bytes(sid))})"] if domain.knows(CREATOR) else []
        if parts:
            wanted = [ID, DESCRIPTOR, *known]
            found_by = f"(|{''.join(parts)})"
            yield from self._search(domain.settings.base, found_by, wanted)
        if domain.settings.read_access_rules:
            for base in domain.settings.access_bases or (domain.settings.base,):
                wanted = [ID, DESCRIPTOR, "objectClass"]
                yield from self._search(base, domain.settings.access_filter, wanted)

    def holdings(self, page: list[Entry]) -> Iterator[Holding]:
        """Report what one page says about the person."""
        sid = self._person.sid
        if sid is None:
            return
        raw = sid_bytes(sid)
        for entry in page:
            self.unreadable += not entry.values(DESCRIPTOR)
            self.unlisted += self._hides_children(entry)
            if not entry.values(ID):
                self.unreadable += 1
                continue
            for attribute in DESCRIPTORS:
                for value in entry.values(attribute):
                    if raw in value and SecurityDescriptor.parse(value).names(sid):
                        yield from self._holding(entry, attribute, value)

    def gaps(self) -> list[str]:
        """Say of how many objects the access rules are hidden, and how many hide objects."""
        rules = [f"the access rules of {self.unreadable} objects"] if self.unreadable else []
        inside = [f"what lies in {self.unlisted} containers"] if self.unlisted else []
        return rules + inside

    def _hides_children(self, entry: Entry) -> bool:
        """Law 2: below a container that we may not list, nothing looks like an empty container."""
        classes = {value.lower() for value in entry.values("objectClass")}
        rules = entry.values(DESCRIPTOR)
        if not rules or not classes & _CONTAINERS:
            return False
        tokens = self._domain.facts.tokens
        return not SecurityDescriptor.parse(rules[0]).lists_children_to(tokens)

    def _search(self, base: str, found_by: str, wanted: list[str]) -> Iterator[list[Entry]]:
        controls = [OWNER_GROUP_DACL]
        yield from self._domain.search(base, found_by, wanted, controls=controls)

    def _holding(self, entry: Entry, attribute: str, value: bytes) -> Iterator[Holding]:
        domain, native = self._domain, self._domain.id_of(entry)
        native_id = f"{native}:{attribute.lower()}"
        if native == self._person.account.native_id or native_id in self._seen:
            return
        self._seen.add(native_id)
        by_hand = attribute == DESCRIPTOR and not domain.settings.change_access_rules
        yield Holding(
            account_id=self._person.account.native_id,
            kind=DESCRIPTORS[attribute],
            native_id=native_id,
            label=f"{attribute} of {entry.dn}",
            restore={"descriptor": pack([value])} if domain.images else {},
            duty=DUTY if by_hand else "",
        )


# -------------------------------------------------------------------------------------- changes
def revoke(domain: Domain, person: Person, holding: Holding) -> Effect:
    """Write the descriptor without the person; what they owned goes to Domain Admins."""
    attribute = _attribute(holding)
    if attribute == DESCRIPTOR and not domain.settings.change_access_rules:
        return Effect(holding.key, Outcome.REFUSED, why=DUTY)
    now, sid = _read(domain, holding), person.sid
    if now is None or sid is None or not now.names(sid):
        return Effect(holding.key, Outcome.ALREADY, {"named": False})
    left = now.without(sid, _heir(domain)).pack()
    why = _write(domain, holding, left, owner=now.owner == sid)
    after = _read(domain, holding)
    if after is not None and after.names(sid):
        return unchanged("revoke", holding, {"named": True}, why)
    return Effect(holding.key, Outcome.ALREADY if why else Outcome.DONE, {"named": False})


def restore(domain: Domain, person: Person, holding: Holding) -> Effect:
    """Write the stored descriptor back, if nobody changed anything else meanwhile."""
    stored = unpack(holding.restore, "descriptor")
    now, sid = _read(domain, holding), person.sid
    if not stored or sid is None:
        return Effect(holding.key, Outcome.REFUSED, why="the account or its pre-image is gone")
    before = SecurityDescriptor.parse(stored[0])
    if now is not None and now.names(sid):
        return Effect(holding.key, Outcome.ALREADY, {"named": True})
    if now is None or _comparable(now) != _comparable(before.without(sid, _heir(domain))):
        return Effect(holding.key, Outcome.REFUSED, why=_CHANGED_SINCE)
    why = _write(domain, holding, stored[0], owner=before.owner == sid)
    after = _read(domain, holding)
    if after is None or not after.names(sid):
        return unchanged("restore", holding, {"named": False}, why)
    return Effect(holding.key, Outcome.DONE, {"named": True})


def is_access(native_id: str) -> bool:
    """Say whether a holding's id is of this module."""
    return native_id.partition(":")[2] in _SHOWN


def _attribute(holding: Holding) -> str:
    return _SHOWN[holding.native_id.partition(":")[2]]


def _heir(domain: Domain) -> Sid:
    return in_domain(domain.facts.domain, DOMAIN_ADMINS)


def _read(domain: Domain, holding: Holding) -> SecurityDescriptor | None:
    attribute, native = _attribute(holding), holding.native_id.partition(":")[0]
    controls = [OWNER_GROUP_DACL] if attribute == DESCRIPTOR else []
    entry = domain.by_id(native, [attribute], controls)
    values = entry.values(attribute) if entry else ()
    return SecurityDescriptor.parse(values[0]) if values else None


def _write(domain: Domain, holding: Holding, descriptor: bytes, *, owner: bool) -> str:
    """Write a descriptor and say how it was turned down. Without SACL: that takes a privilege."""
    attribute, native = _attribute(holding), holding.native_id.partition(":")[0]
    controls = [OWNER_DACL if owner else ONLY_DACL] if attribute == DESCRIPTOR else []
    change = Change(Edit.REPLACE, attribute, (descriptor,))
    return domain.attempt(native, [change], controls)


def _comparable(descriptor: SecurityDescriptor) -> tuple[object, ...]:
    """Owner and own entries; what is inherited changes with the tree above."""
    return descriptor.owner, tuple(ace for ace in descriptor.entries if not ace.inherited)
