"""The RFC 6962 Merkle tree: its hashes, and the checking of proofs.

Called by `tiles` (which makes proofs), by `proof` and by `verify`. Nothing here stores anything. A
tree is named by its size and its 32-byte root; entries are bytes.
"""

from collections.abc import Sequence
from hashlib import sha256
from hmac import compare_digest
from typing import Final

from reconcile.evidence.encoding import HASH_SIZE
from reconcile.evidence.errors import NotVerified

EMPTY_ROOT: Final = sha256(b"").digest()
LARGEST_SIZE: Final = 2**63 - 1


def leaf_hash(entry: bytes) -> bytes:
    """``SHA256(0x00 || entry)``, RFC 6962 section 2.1."""
    return sha256(b"\x00" + entry).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """``SHA256(0x01 || left || right)``, RFC 6962 section 2.1."""
    return sha256(b"\x01" + left + right).digest()


def split_point(size: int) -> int:
    """The largest power of two smaller than ``size`` (at least 2): where RFC 6962 splits a tree."""
    return 1 << (size - 1).bit_length() - 1


def verify_inclusion(
    index: int, size: int, leaf: bytes, proof: Sequence[bytes], root: bytes
) -> None:
    """Check that ``leaf`` (a leaf hash) stands at ``index`` in the tree (RFC 9162 section
    2.1.3.2).
    """
    if not 0 <= index < size <= LARGEST_SIZE:
        raise NotVerified("the index lies outside the tree")
    _check_hashes(leaf, root, *proof)
    node, last, computed = index, size - 1, leaf
    for sibling in proof:
        if last == 0:
            raise NotVerified("the inclusion proof is too long")
        if node & 1 or node == last:
            computed = node_hash(sibling, computed)
            while not node & 1 and node:
                node, last = node >> 1, last >> 1
        else:
            computed = node_hash(computed, sibling)
        node, last = node >> 1, last >> 1
    if last != 0:
        raise NotVerified("the inclusion proof is too short")
    if not compare_digest(computed, root):
        raise NotVerified("the inclusion proof leads to another root")


def verify_consistency(
    old: int, new: int, old_root: bytes, new_root: bytes, proof: Sequence[bytes]
) -> None:
    """Check that the tree of size ``new`` begins with that of size ``old`` (RFC 9162 section
    2.1.4.2).

    An empty old tree has no proof and is refused: what follows from nothing is the caller's
    decision.
    """
    if not 0 < old <= new <= LARGEST_SIZE:
        raise NotVerified("the old tree is empty or larger than the new one")
    if old == new:
        if proof or not compare_digest(old_root, new_root):
            raise NotVerified("two trees of one size differ, or a proof is given where none is due")
        return
    _check_hashes(old_root, new_root, *proof)
    path = list(proof)
    if old & (old - 1) == 0:
        path.insert(0, old_root)
    if not path:
        raise NotVerified("the consistency proof is empty")
    _follow(old, new, old_root, new_root, path)


def _follow(old: int, new: int, old_root: bytes, new_root: bytes, path: Sequence[bytes]) -> None:
    node, last = old - 1, new - 1
    while node & 1:
        node, last = node >> 1, last >> 1
    from_old = from_new = path[0]
    for sibling in path[1:]:
        if last == 0:
            raise NotVerified("the consistency proof is too long")
        if node & 1 or node == last:
            from_old, from_new = node_hash(sibling, from_old), node_hash(sibling, from_new)
            while not node & 1 and node:
                node, last = node >> 1, last >> 1
        else:
            from_new = node_hash(from_new, sibling)
        node, last = node >> 1, last >> 1
    if last != 0:
        raise NotVerified("the consistency proof is too short")
    if not compare_digest(from_old, old_root) or not compare_digest(from_new, new_root):
        raise NotVerified("the consistency proof leads to another root")


def _check_hashes(*hashes: bytes) -> None:
    if any(len(value) != HASH_SIZE for value in hashes):
        raise NotVerified("a hash is not 32 bytes long")
