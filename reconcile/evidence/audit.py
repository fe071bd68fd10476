"""A whole published log, hashed again from its files: the deepest check an auditor can make of the
log itself.

Called by operators and auditors over a copy of the publish folder. It reads entry bundles one
after another (memory stays flat), compares every tile, and ends at the root that the checkpoint
signs.
"""

from collections.abc import Iterator
from hmac import compare_digest
from pathlib import Path
from typing import Final

from reconcile.evidence.checkpoint import Checkpoint, open_checkpoint
from reconcile.evidence.errors import NotVerified, Unreadable
from reconcile.evidence.keys import VerifierKey
from reconcile.evidence.tiles import (
    WIDTH,
    RightEdge,
    decode_entries,
    edge_width,
    entries_path,
    tile_path,
)
from reconcile.evidence.tree import leaf_hash

CHECKPOINT: Final = "checkpoint"


def audit_folder(folder: Path, key: VerifierKey) -> Checkpoint:
    """Hash every entry of the log in ``folder`` again and compare tiles and root.

    Raises `NotVerified` at the first difference and `Unreadable` when a file is missing.
    """
    checkpoint = open_checkpoint(_read(folder / CHECKPOINT), key)
    edge = RightEdge()
    for number, width in _bundles(checkpoint.size):
        name = entries_path(number, width)
        entries = decode_entries(_read(folder / name))
        if len(entries) != width:
            raise NotVerified("an entry bundle holds another number of entries", subject=name)
        for (level, tile_number), tile in edge.append(map(leaf_hash, entries)).items():
            _compare(folder, checkpoint.size, level, tile_number, tile)
    if not compare_digest(edge.root(), checkpoint.root):
        raise NotVerified(
            "the entries lead to another root than the checkpoint's", subject=CHECKPOINT
        )
    return checkpoint


def _bundles(size: int) -> Iterator[tuple[int, int]]:
    for number in range(size // WIDTH):
        yield number, WIDTH
    if edge_width(size, 0):
        yield size // WIDTH, edge_width(size, 0)


def _compare(folder: Path, size: int, level: int, number: int, tile: bytes) -> None:
    """Compare a tile that is in its final width; the edge grows through widths that no file has."""
    width = min(WIDTH, (size >> 8 * level) - number * WIDTH)
    if len(tile) != width * 32:
        return
    name = tile_path(level, number, width)
    if not compare_digest(tile, _read(folder / name)):
        raise NotVerified("a tile is not the hash of its entries", subject=name)


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise Unreadable(
            "a file of the log is missing or not readable", subject=path.name
        ) from error
