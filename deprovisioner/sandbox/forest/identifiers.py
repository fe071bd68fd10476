"""Security identifiers, and descriptors as the pretend domain keeps them (MS-DTYP 2.4).

Called by ``store``, ``content`` and ``reading``. Not the connector's code on purpose: sharing it
would prove nothing.
"""

import struct
from dataclasses import dataclass, replace
from typing import Final

EVERYONE: Final = bytes.fromhex("010100000000000100000000")
SYSTEM: Final = bytes.fromhex("010100000000000512000000")
AUTHENTICATED: Final = bytes.fromhex("01010000000000050b000000")
USERS: Final = bytes.fromhex("01020000000000052000000021020000")
FULL, READ, DELETE, DELETE_TREE = 0xF01FF, 0x20094, 0x10000, 0x40
_ALLOW, _DENY, _INHERITED = 0x00, 0x01, 0x12
_SELF_RELATIVE, _HAS_RULES = 0x8000, 0x0404
OWNER, GROUP, RULES = 1, 2, 4
"""Parts that LDAP_SERVER_SD_FLAGS asks for (MS-ADTS 3.1.1.3.4.1.11)."""


class MalformedDescriptorError(Exception):
    """The octets are no security descriptor that could be kept."""


def domain_sid(numbers: tuple[int, int, int]) -> bytes:
    """Write ``S-1-5-21-a-b-c``."""
    return struct.pack("<BB", 1, 4) + (5).to_bytes(6, "big") + struct.pack("<4I", 21, *numbers)


def relative(domain: bytes, number: int) -> bytes:
    """Write the identifier of a domain's own object."""
    return bytes((1, domain[1] + 1)) + domain[2:] + struct.pack("<I", number)


def number_of(sid: bytes) -> int:
    """Return the last number of an identifier."""
    return int.from_bytes(sid[-4:], "little")


def sid_text(sid: bytes) -> str:
    """Write an identifier as people do: ``S-1-5-21-...``."""
    authority = int.from_bytes(sid[2:8], "big")
    return "-".join(map(str, ("S", sid[0], authority, *struct.unpack(f"<{sid[1]}I", sid[8:]))))


def rule(trustee: bytes, mask: int, *, denies: bool = False, inherited: bool = False) -> bytes:
    """Pack one access control entry about a whole object."""
    kind, flags = (_DENY if denies else _ALLOW), (_INHERITED if inherited else 0)
    return struct.pack("<BBHI", kind, flags, 8 + len(trustee), mask) + trustee


@dataclass(frozen=True, slots=True)
class Descriptor:
    """Who owns an object and who may what; ``rules`` are packed entries in order."""

    owner: bytes
    group: bytes
    rules: tuple[bytes, ...]
    control: int = _SELF_RELATIVE | _HAS_RULES

    def pack(self, parts: int = OWNER | GROUP | RULES) -> bytes:
        """Write it, or the parts that are asked for."""
        owner = self.owner if parts & OWNER else b""
        group = self.group if parts & GROUP else b""
        entries = b"".join(self.rules)
        head = struct.pack("<BBHHH", 4, 0, 8 + len(entries), len(self.rules), 0)
        acl = head + entries if parts & RULES else b""
        at, offsets = 20, []
        for piece in (owner, group, acl):
            offsets.append(at if piece else 0)
            at += len(piece)
        control = self.control if parts & RULES else _SELF_RELATIVE
        header = struct.pack("<BBHIIII", 1, 0, control, offsets[0], offsets[1], 0, offsets[2])
        return header + owner + group + acl

    def with_parts(self, other: "Descriptor", parts: int) -> "Descriptor":
        """Return this descriptor with some parts of another."""
        changed = self
        if parts & OWNER:
            changed = replace(changed, owner=other.owner)
        if parts & GROUP:
            changed = replace(changed, group=other.group)
        if parts & RULES:
            changed = replace(changed, rules=other.rules, control=other.control)
        return changed

    @property
    def protected(self) -> bool:
        """Whether everybody is denied to delete the object."""
        return any(
            one[0] == _DENY and one[8:] == EVERYONE and int.from_bytes(one[4:8], "little") & DELETE
            for one in self.rules
        )


def read(octets: bytes) -> Descriptor:
    """Read what a client wrote. Raises `MalformedDescriptorError`."""
    try:
        revision, _, control, owner, group, _, acl = struct.unpack_from("<BBHIIII", octets)
        if revision != 1 or not control & _SELF_RELATIVE:
            raise MalformedDescriptorError("not a self-relative descriptor")
        return Descriptor(
            _sid_at(octets, owner), _sid_at(octets, group), _rules_at(octets, acl), control
        )
    except struct.error as error:
        raise MalformedDescriptorError("cut short") from error


def _sid_at(octets: bytes, at: int) -> bytes:
    if not at:
        return b""
    end = at + 8 + 4 * octets[at + 1] if at + 1 < len(octets) else len(octets) + 1
    if end > len(octets):
        raise MalformedDescriptorError("an identifier cut short")
    return octets[at:end]


def _rules_at(octets: bytes, at: int) -> tuple[bytes, ...]:
    if not at:
        return ()
    _, _, size, count, _ = struct.unpack_from("<BBHHH", octets, at)
    place, end, found = at + 8, at + size, []
    for _ in range(count):
        length = struct.unpack_from("<H", octets, place + 2)[0]
        if length < 4 or place + length > end or end > len(octets):
            raise MalformedDescriptorError("an entry cut short")
        found.append(octets[place : place + length])
        place += length
    return tuple(found)
