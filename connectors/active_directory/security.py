"""Security descriptors: read, judged and written as bytes (MS-DTYP 2.4.2, 2.4.4, 2.4.5, 2.4.6).

ldap3 has no reader for them. Everything that is read is kept, unknown entries too, so that writing
back changes nothing but what was meant. Called by ``access`` (who is named where), ``sight`` (what
an identity of ours may read) and ``protection`` (what keeps an object from being deleted).
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, replace
from enum import IntFlag
from typing import Final, NewType

from connectors.faults import Malformed

Sid = NewType("Sid", str)
"""A security identifier as people write it: ``S-1-5-21-...-1104``."""

EVERYONE: Final = Sid("S-1-1-0")
DOMAIN_ADMINS: Final = 512
_HEADER: Final = struct.Struct("<BBHIIII")
_ACL: Final = struct.Struct("<BBHHH")
_ACE: Final = struct.Struct("<BBH")
_SELF_RELATIVE: Final = 0x8000
_DACL_PRESENT: Final = 0x0004
_SACL_PRESENT: Final = 0x0010
_DACL_PROTECTED: Final = 0x1000
_DACL_AUTO_INHERITED: Final = 0x0400
_INHERIT_ONLY: Final = 0x08
_INHERITED: Final = 0x10
_OBJECT_TYPE: Final = 0x1
_INHERITED_TYPE: Final = 0x2
_ALLOW: Final = frozenset({0x00, 0x05, 0x09, 0x0B})
_DENY: Final = frozenset({0x01, 0x06, 0x0A, 0x0C})
_OBJECT: Final = frozenset({0x05, 0x06, 0x07, 0x0B, 0x0C, 0x0F})
_PLAIN: Final = frozenset({0x00, 0x01, 0x02, 0x09, 0x0A, 0x0D, 0x11, 0x12, 0x13})
_SID_HEAD: Final = 8
_MASK_SIZE: Final = 4
_GUID_SIZE: Final = 16
_MOST_AUTHORITIES: Final = 15


class Right(IntFlag):
    """Bits of an access mask that are judged here (MS-ADTS 5.1.3.2)."""

    LIST_CONTENTS = 0x4
    READ_PROPERTY = 0x10
    DELETE_TREE = 0x40
    DELETE = 0x10000
    GENERIC_ALL = 0x10000000
    GENERIC_READ = 0x80000000


def sid_text(octets: bytes) -> Sid:
    """Write the bytes of a security identifier as text. Raises ``Malformed``."""
    sid, used = _sid_at(octets, 0)
    if used != len(octets):
        raise Malformed("a security identifier with bytes behind it")
    return sid


def sid_bytes(sid: str) -> bytes:
    """Write a security identifier as bytes. Raises :class:`ValueError` for other text."""
    letter, revision, authority, *subs = sid.split("-")
    if letter != "S" or len(subs) > _MOST_AUTHORITIES:
        raise ValueError("not a security identifier")
    head = struct.pack("<BB", int(revision), len(subs)) + int(authority).to_bytes(6, "big")
    return head + b"".join(struct.pack("<I", int(sub)) for sub in subs)


def in_domain(domain: Sid, relative: int) -> Sid:
    """Return the identifier of a domain's own object, such as 512 for Domain Admins."""
    return Sid(f"{domain}-{relative}")


def relative_id(sid: Sid) -> int:
    """Return the last number of an identifier."""
    return int(sid.rpartition("-")[2])


@dataclass(frozen=True, slots=True)
class Ace:
    """One access control entry; ``body`` is all behind its four-byte head, as read."""

    kind: int
    flags: int
    body: bytes

    @property
    def mask(self) -> int:
        """Access mask; 0 of a kind that is not known here."""
        known = self.kind in _OBJECT | _PLAIN and len(self.body) >= _MASK_SIZE
        return int.from_bytes(self.body[:_MASK_SIZE], "little") if known else 0

    @property
    def trustee(self) -> Sid | None:
        """Whom it names; ``None`` of a kind that is not known here."""
        if self.kind in _PLAIN:
            return _sid_at(self.body, _MASK_SIZE)[0]
        return _sid_at(self.body, self._after_types)[0] if self.kind in _OBJECT else None

    @property
    def of_everything(self) -> bool:
        """Whether it is about the whole object and not one attribute, set or extended right."""
        return self.kind not in _OBJECT or not self._types & _OBJECT_TYPE

    @property
    def inherited(self) -> bool:
        """Whether it comes from a container above."""
        return bool(self.flags & _INHERITED)

    @property
    def effective(self) -> bool:
        """Whether it is about this object, and not only for those below."""
        return not self.flags & _INHERIT_ONLY

    @property
    def allows(self) -> bool:
        """Whether it grants."""
        return self.kind in _ALLOW

    @property
    def denies(self) -> bool:
        """Whether it refuses."""
        return self.kind in _DENY

    @property
    def _types(self) -> int:
        return int.from_bytes(self.body[_MASK_SIZE : 2 * _MASK_SIZE], "little")

    @property
    def _after_types(self) -> int:
        types = self._types
        count = bool(types & _OBJECT_TYPE) + bool(types & _INHERITED_TYPE)
        return 2 * _MASK_SIZE + count * _GUID_SIZE


@dataclass(frozen=True, slots=True)
class Acl:
    """An access control list in its order, which carries meaning."""

    revision: int
    entries: tuple[Ace, ...]


@dataclass(frozen=True, slots=True)
class SecurityDescriptor:
    """A self-relative security descriptor. ``dacl`` ``None``: everybody may everything."""

    control: int
    owner: Sid | None = None
    group: Sid | None = None
    sacl: Acl | None = None
    dacl: Acl | None = None
    reserved: int = 0

    @property
    def entries(self) -> tuple[Ace, ...]:
        """The entries that grant or refuse."""
        return self.dacl.entries if self.dacl else ()

    @property
    def protected(self) -> bool:
        """Whether inheritance from above is switched off (AdminSDHolder does that)."""
        return bool(self.control & _DACL_PROTECTED)

    def names(self, sid: Sid) -> bool:
        """Say whether it names somebody: as owner, or in an entry of its own (not inherited)."""
        return self.owner == sid or any(_own_entry_of(ace, sid) for ace in self.entries)

    def without(self, sid: Sid, heir: Sid) -> SecurityDescriptor:
        """Return a copy that does not name ``sid``; what it owned is owned by ``heir``."""
        owner = heir if self.owner == sid else self.owner
        if self.dacl is None:
            return replace(self, owner=owner)
        left = tuple(ace for ace in self.dacl.entries if not _own_entry_of(ace, sid))
        return replace(self, owner=owner, dacl=replace(self.dacl, entries=left))

    def inheriting(self) -> SecurityDescriptor:
        """Return a copy that inherits from above again."""
        return replace(self, control=self.control & ~_DACL_PROTECTED | _DACL_AUTO_INHERITED)

    def keeps_from_deletion(self) -> tuple[Ace, ...]:
        """Entries of "protect from accidental deletion"."""
        wanted = Right.DELETE | Right.DELETE_TREE
        return tuple(
            ace
            for ace in self.entries
            if ace.denies and not ace.inherited and ace.trustee == EVERYONE and ace.mask & wanted
        )

    def deletable(self) -> SecurityDescriptor:
        """Return a copy without the entries that keep it from deletion."""
        if self.dacl is None:
            return self
        kept = self.keeps_from_deletion()
        left = tuple(ace for ace in self.dacl.entries if ace not in kept)
        return replace(self, dacl=replace(self.dacl, entries=left))

    def shows_everything_to(self, tokens: frozenset[Sid]) -> bool:
        """Say whether one of ``tokens`` may read every attribute that is not confidential.

        Entries are walked in order (MS-ADTS 5.1.3.3.2). Any refusal to read, be it of a single
        attribute, that comes before the grant of all is taken as hiding something (Law 2).
        """
        return self._grants(Right.READ_PROPERTY, tokens)

    def lists_children_to(self, tokens: frozenset[Sid]) -> bool:
        """Say whether one of ``tokens`` is shown what lies in this container, judged alike."""
        return self._grants(Right.LIST_CONTENTS, tokens)

    def _grants(self, right: Right, tokens: frozenset[Sid]) -> bool:
        if self.dacl is None:
            return True
        reads = right | Right.GENERIC_READ | Right.GENERIC_ALL
        for ace in self.dacl.entries:
            if not ace.effective or not ace.mask & reads or ace.trustee not in tokens:
                continue
            if ace.denies:
                return False
            if ace.allows and ace.of_everything:
                return True
        return False

    def pack(self) -> bytes:
        """Write it as bytes."""
        parts: list[bytes] = []
        offsets: list[int] = []
        at = _HEADER.size
        lists = [_acl_bytes(one) if one is not None else b"" for one in (self.sacl, self.dacl)]
        names = [sid_bytes(one) if one is not None else b"" for one in (self.owner, self.group)]
        for part in (*names, *lists):
            offsets.append(at if part else 0)
            parts.append(part)
            at += len(part)
        owner, group, sacl, dacl = offsets
        head = _HEADER.pack(1, self.reserved, self.control, owner, group, sacl, dacl)
        return head + b"".join(parts)

    @classmethod
    def parse(cls, octets: bytes) -> SecurityDescriptor:
        """Read bytes. Raises ``Malformed``: of a descriptor half understood nothing follows."""
        try:
            revision, reserved, control, owner, group, sacl, dacl = _HEADER.unpack_from(octets)
        except struct.error as error:
            raise Malformed("a security descriptor is cut short") from error
        if revision != 1 or not control & _SELF_RELATIVE:
            raise Malformed("a security descriptor of an unknown form")
        return cls(
            control=control,
            owner=_sid_at(octets, owner)[0] if owner else None,
            group=_sid_at(octets, group)[0] if group else None,
            sacl=_acl_at(octets, sacl) if sacl and control & _SACL_PRESENT else None,
            dacl=_acl_at(octets, dacl) if dacl and control & _DACL_PRESENT else None,
            reserved=reserved,
        )


def _own_entry_of(ace: Ace, sid: Sid) -> bool:
    return not ace.inherited and ace.trustee == sid


def _sid_at(octets: bytes, at: int) -> tuple[Sid, int]:
    head = octets[at : at + _SID_HEAD]
    count = head[1] if len(head) == _SID_HEAD else _MOST_AUTHORITIES + 1
    end = at + _SID_HEAD + 4 * count
    if count > _MOST_AUTHORITIES or end > len(octets):
        raise Malformed("a security identifier is cut short")
    subs = struct.unpack_from(f"<{count}I", octets, at + _SID_HEAD)
    parts = ("S", head[0], int.from_bytes(head[2:], "big"), *subs)
    return Sid("-".join(str(part) for part in parts)), end - at


def _acl_at(octets: bytes, at: int) -> Acl:
    try:
        revision, _, size, count, _ = _ACL.unpack_from(octets, at)
    except struct.error as error:
        raise Malformed("an access control list is cut short") from error
    end = at + size
    if end > len(octets):
        raise Malformed("an access control list is cut short")
    entries = []
    place = at + _ACL.size
    for _ in range(count):
        if place + _ACE.size > end:
            raise Malformed("an access control entry is cut short")
        kind, flags, length = _ACE.unpack_from(octets, place)
        if length < _ACE.size or place + length > end:
            raise Malformed("an access control entry is cut short")
        ace = Ace(kind, flags, octets[place + _ACE.size : place + length])
        _ = ace.trustee  # raises now what would be half understood later
        entries.append(ace)
        place += length
    return Acl(revision, tuple(entries))


def _acl_bytes(acl: Acl) -> bytes:
    entries = b"".join(
        _ACE.pack(ace.kind, ace.flags, _ACE.size + len(ace.body)) + ace.body for ace in acl.entries
    )
    return _ACL.pack(acl.revision, 0, _ACL.size + len(entries), len(acl.entries), 0) + entries
