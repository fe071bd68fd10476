"""The Merkle tree against the definition of RFC 6962, written down as recursively as it stands
there.
"""

from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconcile.evidence.errors import NotVerified, UnfitValue
from reconcile.evidence.tiles import (
    WIDTH,
    RightEdge,
    TiledTree,
    decode_entries,
    encode_entries,
    entries_path,
    tile_path,
    tiles_between,
)
from reconcile.evidence.tree import leaf_hash, verify_consistency, verify_inclusion

LARGEST = 520
ENTRIES = [b"entry %d" % number for number in range(LARGEST)]
LEAVES = [leaf_hash(entry) for entry in ENTRIES]


def split(size: int) -> int:
    return max(1 << bit for bit in range(size.bit_length()) if 1 << bit < size)


def mth(entries: list[bytes]) -> bytes:
    """RFC 6962 section 2.1, word for word."""
    if not entries:
        return sha256().digest()
    if len(entries) == 1:
        return sha256(b"\0" + entries[0]).digest()
    k = split(len(entries))
    return sha256(b"\1" + mth(entries[:k]) + mth(entries[k:])).digest()


def path(m: int, entries: list[bytes]) -> list[bytes]:
    """RFC 6962 section 2.1.1, word for word."""
    if len(entries) == 1:
        return []
    k = split(len(entries))
    if m < k:
        return [*path(m, entries[:k]), mth(entries[k:])]
    return [*path(m - k, entries[k:]), mth(entries[:k])]


def subproof(m: int, entries: list[bytes], whole: bool) -> list[bytes]:
    """RFC 6962 section 2.1.2, word for word."""
    if m == len(entries):
        return [] if whole else [mth(entries)]
    k = split(len(entries))
    if m <= k:
        return [*subproof(m, entries[:k], whole), mth(entries[k:])]
    return [*subproof(m - k, entries[k:], False), mth(entries[:k])]


def grown(size: int, step: int = 100) -> TiledTree:
    """A tiled tree over the first ``size`` entries, grown in batches."""
    edge = RightEdge()
    tiles: dict[tuple[int, int], bytes] = {}
    for start in range(0, size, step):
        tiles.update(edge.append(LEAVES[start : min(size, start + step)]))
    return TiledTree(size, lambda level, number, _width: tiles[level, number])


@pytest.fixture(scope="module")
def full() -> dict[tuple[int, int], bytes]:
    """All tiles of the largest tree; smaller trees read prefixes of them."""
    return dict(RightEdge().append(LEAVES))


def test_every_size_has_the_root_of_the_definition(full: dict[tuple[int, int], bytes]) -> None:
    """Roots for every size from 0 to 520, out of tiles and out of an edge that grew one by one."""
    edge = RightEdge()
    for size in range(LARGEST + 1):
        expected = mth(ENTRIES[:size])
        assert TiledTree(size, lambda level, number, _w: full[level, number]).root() == expected
        assert edge.root() == expected
        edge.append(LEAVES[size : size + 1])


@given(st.integers(1, LARGEST), st.data())
def test_inclusion_proofs_are_those_of_the_definition(size: int, data: st.DataObject) -> None:
    """The path of a random leaf in a random tree equals the recursion's, and verifies."""
    index = data.draw(st.integers(0, size - 1))
    proof = grown(size).inclusion(index)
    assert list(proof) == path(index, ENTRIES[:size])
    verify_inclusion(index, size, LEAVES[index], proof, mth(ENTRIES[:size]))


@given(st.integers(1, LARGEST), st.data())
def test_consistency_proofs_are_those_of_the_definition(size: int, data: st.DataObject) -> None:
    """The proof between two random sizes equals the recursion's, and verifies."""
    old = data.draw(st.integers(1, size))
    proof = grown(size).consistency(old)
    assert list(proof) == subproof(old, ENTRIES[:size], True)
    verify_consistency(old, size, mth(ENTRIES[:old]), mth(ENTRIES[:size]), proof)


@given(st.integers(2, 300), st.data())
def test_a_proof_verifies_nothing_else(size: int, data: st.DataObject) -> None:
    """Another index, leaf, root, size of another shape, or a changed, cut or longer path is
    refused.
    """
    index = data.draw(st.integers(0, size - 1))
    proof = list(grown(size).inclusion(index))
    root = mth(ENTRIES[:size])
    at = data.draw(st.integers(0, len(proof) - 1))
    changed = [*proof[:at], bytes(32), *proof[at + 1 :]]
    other = data.draw(st.integers(0, size - 1).filter(lambda number: number != index))
    leaf = LEAVES[index]
    for wrong in (
        (other, size, leaf, proof, root),
        (index, size, LEAVES[other], proof, root),
        (index, size, leaf, proof, bytes(32)),
        (index, size, leaf, changed, root),
        (index, size, leaf, proof[:-1], root),
        (index, size, leaf, [*proof, bytes(32)], root),
        (index, size, leaf, [*proof[:-1], b"short"], root),
        (size, size, leaf, proof, root),
        (-1, size, leaf, proof, root),
    ):
        with pytest.raises(NotVerified):
            verify_inclusion(*wrong)


@given(st.lists(st.integers(0, 300), max_size=6))
def test_batches_do_not_matter(batches: list[int]) -> None:
    """However the leaves arrive, tiles and root are the same as when they arrive at once."""
    leaves = [leaf_hash(b"%d" % number) for number in range(sum(batches))]
    edge, tiles, at = RightEdge(), dict[tuple[int, int], bytes](), 0
    for count in batches:
        tiles.update(edge.append(leaves[at : at + count]))
        at += count
    once = RightEdge()
    assert tiles == dict(once.append(leaves))
    assert edge.root() == once.root()


def test_three_levels_of_tiles() -> None:
    """A tree of 70,000 has the tiles that c2sp.org/tlog-tiles names for it, and proofs."""
    size = 70_000
    leaves = [leaf_hash(number.to_bytes(4, "big")) for number in range(size)]
    edge = RightEdge()
    tiles = dict(edge.append(leaves))
    widths = {(level, number): len(tile) // 32 for (level, number), tile in tiles.items()}
    assert widths[0, 273] == 112
    assert (widths[1, 0], widths[1, 1], widths[2, 0]) == (256, 17, 1)
    assert len(widths) == 274 + 2 + 1
    assert {(*key, width) for key, width in widths.items()} == set(tiles_between(0, size))
    tree = TiledTree(size, lambda level, number, _width: tiles[level, number])
    assert tree.root() == edge.root()
    for index in (0, 255, 256, 65_535, 65_536, 69_999):
        verify_inclusion(index, size, leaves[index], tree.inclusion(index), edge.root())


@given(st.integers(0, 3000), st.integers(0, 3000))
def test_tiles_between_two_sizes_complete_the_smaller(first: int, second: int) -> None:
    """What two steps write is what one step writes, but for partial tiles that grew."""
    old, new = sorted((first, second))
    whole = {tile for tile in tiles_between(0, new) if tile[2] == WIDTH}
    stepped = {tile for tile in tiles_between(0, old) if tile[2] == WIDTH}
    assert stepped | {t for t in tiles_between(old, new) if t[2] == WIDTH} == whole
    missing = set(tiles_between(0, new)) - set(tiles_between(0, old))
    assert missing == set(tiles_between(old, new))


def test_paths_are_those_of_the_specification() -> None:
    """The examples of c2sp.org/tlog-tiles."""
    assert tile_path(0, 1_234_067) == "tile/0/x001/x234/067"
    assert tile_path(1, 0, 17) == "tile/1/000.p/17"
    assert entries_path(273, 112) == "tile/entries/273.p/112"


def test_what_is_not_a_tree_is_refused() -> None:
    """Wrong edges, indices, sizes and tiles that are too short are errors, never wrong answers."""
    with pytest.raises(UnfitValue):
        RightEdge(3)
    with pytest.raises(UnfitValue):
        grown(5).inclusion(5)
    with pytest.raises(UnfitValue):
        grown(5).consistency(0)
    with pytest.raises(UnfitValue):
        TiledTree(-1, lambda *_: b"")
    with pytest.raises(NotVerified, match="shorter"):
        TiledTree(5, lambda *_: bytes(32)).root()


@given(st.lists(st.binary(max_size=70), max_size=20))
def test_entry_bundles_come_back(entries: list[bytes]) -> None:
    """Entries of any length survive the bundle; a bundle cut inside an entry is refused."""
    bundle = encode_entries(entries)
    assert decode_entries(bundle) == entries
    if entries:
        with pytest.raises(NotVerified):
            decode_entries(bundle + b"\0")
        with pytest.raises(NotVerified):
            decode_entries(bundle + b"\0\5four")


def test_an_entry_too_long_for_a_bundle_is_refused() -> None:
    """The length prefix has 16 bits."""
    with pytest.raises(UnfitValue):
        encode_entries([bytes(65_536)])
