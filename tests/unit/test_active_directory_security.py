"""Security descriptors as bytes: nothing is lost, nothing half understood, and who may see what."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.active_directory.security import (
    Ace,
    Acl,
    SecurityDescriptor,
    Sid,
    in_domain,
    relative_id,
    sid_bytes,
    sid_text,
)
from connectors.faults import Malformed

DOMAIN = Sid("S-1-5-21-1004336348-1177238915-682003330")
LEAVER, OTHER, ADMINS = (in_domain(DOMAIN, number) for number in (1104, 1105, 512))
EVERYONE = Sid("S-1-1-0")
ALLOW, DENY, OBJECT_ALLOW, OBJECT_DENY, AUDIT = 0x00, 0x01, 0x05, 0x06, 0x02
INHERIT_ONLY, INHERITED = 0x08, 0x10
READ, DELETE_BITS = 0x10, 0x10040
PRESENT, PROTECTED, SELF_RELATIVE = 0x0004, 0x1000, 0x8000


def ace(kind: int, mask: int, sid: Sid, flags: int = 0, types: bytes | None = None) -> Ace:
    """Make an entry; ``types`` is what object entries have between mask and trustee."""
    middle = b"" if types is None else types
    return Ace(kind, flags, mask.to_bytes(4, "little") + middle + sid_bytes(sid))


def descriptor(*entries: Ace, owner: Sid = ADMINS, control: int = PRESENT) -> SecurityDescriptor:
    """A descriptor with these entries."""
    return SecurityDescriptor(control | SELF_RELATIVE, owner, ADMINS, None, Acl(4, entries))


sids = st.builds(
    lambda authority, subs: Sid("-".join(map(str, ("S", 1, authority, *subs)))),
    st.integers(0, 2**48 - 1),
    st.lists(st.integers(0, 2**32 - 1), max_size=15),
)
masks = st.integers(0, 2**32 - 1)
guids = st.binary(min_size=16, max_size=16)
types = st.one_of(
    st.just(b"\0\0\0\0"),
    guids.map(lambda one: b"\1\0\0\0" + one),
    guids.map(lambda one: b"\2\0\0\0" + one),
    st.tuples(guids, guids).map(lambda two: b"\3\0\0\0" + b"".join(two)),
)
flag_bytes = st.integers(0, 255)
plain = st.builds(ace, st.sampled_from([ALLOW, DENY, AUDIT]), masks, sids, flag_bytes)
with_types = st.builds(
    ace, st.sampled_from([OBJECT_ALLOW, OBJECT_DENY]), masks, sids, flag_bytes, types
)
unknown = st.builds(
    Ace,
    st.integers(0x20, 0xFF),
    flag_bytes,
    st.integers(0, 12).flatmap(lambda words: st.binary(min_size=4 * words, max_size=4 * words)),
)
acls = st.builds(
    Acl,
    st.sampled_from([2, 4]),
    st.lists(st.one_of(plain, with_types, unknown), max_size=6).map(tuple),
)
descriptors = st.builds(
    SecurityDescriptor,
    control=st.just(SELF_RELATIVE | PRESENT | 0x0010),
    owner=st.none() | sids,
    group=st.none() | sids,
    sacl=st.none() | acls,
    dacl=st.none() | acls,
    reserved=st.integers(0, 255),
)


@given(sids)
def test_identifiers_come_back(sid: Sid) -> None:
    """Text to bytes to text."""
    assert sid_text(sid_bytes(sid)) == sid


@given(descriptors)
@settings(max_examples=200)
def test_nothing_is_lost(one: SecurityDescriptor) -> None:
    """What was read is written, entries of unknown kinds included."""
    packed = one.pack()

    assert SecurityDescriptor.parse(packed) == one
    assert SecurityDescriptor.parse(packed).pack() == packed


@given(st.binary(max_size=200))
def test_garbage_is_malformed_or_understood(octets: bytes) -> None:
    """Any bytes end in a descriptor or in the one fault, never in another error."""
    try:
        SecurityDescriptor.parse(octets)
    except Malformed:
        return


@given(descriptors, st.data())
def test_what_is_cut_short_is_refused(one: SecurityDescriptor, data: st.DataObject) -> None:
    """A list that says it is longer than it is does not lose its last entries."""
    packed = one.pack()
    if one.dacl is None:
        return
    end = data.draw(st.integers(0, len(packed) - 1))

    with pytest.raises(Malformed):
        SecurityDescriptor.parse(packed[:end])


def test_a_known_descriptor_is_read() -> None:
    """Bytes that Samba packed for ``O:BAD:(A;;0xf01ff;;;<domain>-1137)``."""
    octets = bytes.fromhex(
        "01000480140000000000000000000000240000000102000000000005200000002002000004002c0001000000"
        "00002400ff010f0001050000000000051500000045904e5e0180eb41b45deac871040000"
    )

    one = SecurityDescriptor.parse(octets)

    assert one.owner == "S-1-5-32-544"
    assert [(entry.allows, entry.mask) for entry in one.entries] == [(True, 0xF01FF)]
    assert relative_id(one.entries[0].trustee or Sid("")) == 0x471
    assert one.pack() == octets


@given(descriptors, sids, sids)
def test_without_somebody_names_them_no_more(one: SecurityDescriptor, sid: Sid, heir: Sid) -> None:
    """Everybody else's entries stay as they are, in their order."""
    if sid == heir:
        return
    left = one.without(sid, heir)

    assert not left.names(sid)
    others = [entry for entry in one.entries if entry.inherited or entry.trustee != sid]
    assert list(left.entries) == others


def test_an_owner_is_named_and_replaced() -> None:
    """Owning an object is a right of its own."""
    one = descriptor(owner=LEAVER)

    assert one.names(LEAVER)
    assert one.without(LEAVER, ADMINS).owner == ADMINS


def test_inherited_entries_are_the_container_s() -> None:
    """An inherited entry goes where it comes from, or it comes back."""
    one = descriptor(ace(ALLOW, READ, LEAVER, INHERITED))

    assert not one.names(LEAVER)
    assert one.without(LEAVER, ADMINS) == one


def test_inheritance_is_switched_on_again() -> None:
    """What AdminSDHolder froze inherits again."""
    frozen = descriptor(control=PRESENT | PROTECTED)

    assert frozen.protected
    assert not frozen.inheriting().protected


def test_deletion_protection_is_seen_and_lifted() -> None:
    """Only the refusal to everybody is taken out."""
    kept = ace(DENY, DELETE_BITS, OTHER)
    one = descriptor(ace(DENY, DELETE_BITS, EVERYONE), kept)

    assert len(one.keeps_from_deletion()) == 1
    assert one.deletable().entries == (kept,)


TOKENS = frozenset({OTHER, EVERYONE})
MAIL = b"\1\0\0\0" + bytes(range(16))


@pytest.mark.parametrize(
    ("entries", "shown"),
    [
        ((ace(ALLOW, READ, OTHER),), True),
        ((ace(OBJECT_ALLOW, READ, OTHER, types=b"\0\0\0\0"),), True),
        ((), False),
        ((ace(ALLOW, READ, LEAVER),), False),
        ((ace(OBJECT_ALLOW, READ, OTHER, types=MAIL),), False),
        ((ace(ALLOW, READ, OTHER, INHERIT_ONLY),), False),
        ((ace(DENY, READ, EVERYONE), ace(ALLOW, READ, OTHER)), False),
        ((ace(OBJECT_DENY, READ, EVERYONE, types=MAIL), ace(ALLOW, READ, OTHER)), False),
        ((ace(ALLOW, READ, OTHER), ace(DENY, READ, EVERYONE)), True),
        ((ace(DENY, READ, LEAVER), ace(ALLOW, READ, OTHER)), True),
    ],
    ids=str,
)
def test_sight_needs_a_grant_of_everything(entries: tuple[Ace, ...], *, shown: bool) -> None:
    """A refusal of one attribute, or a grant of some, hides the rest (Law 2)."""
    assert descriptor(*entries).shows_everything_to(TOKENS) is shown


def test_no_list_at_all_shows_everything() -> None:
    """A descriptor without DACL grants everybody everything (MS-DTYP 2.5.3)."""
    assert SecurityDescriptor(SELF_RELATIVE).shows_everything_to(frozenset())


@pytest.mark.parametrize("octets", [b"", b"\1", bytes(8), b"\1\xff" + bytes(20)])
def test_damaged_identifiers_are_malformed(octets: bytes) -> None:
    """No name is made of half an identifier."""
    with pytest.raises(Malformed):
        sid_text(octets + b"\0")
