"""The tree as tiles of 256 hashes (c2sp.org/tlog-tiles): appending to it, and making proofs from
it.

`RightEdge` is all that appending needs: the partial tile of each level, at most eight of them.
`TiledTree` makes roots and proofs for any size out of tiles that its caller reads for it (from a
database, a folder or a dictionary), a handful per proof. Entry bundles carry the entries
themselves. No I/O here.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Final, TypeAlias

from reconcile.evidence.encoding import HASH_SIZE
from reconcile.evidence.errors import NotVerified, UnfitValue
from reconcile.evidence.tree import EMPTY_ROOT, LARGEST_SIZE, node_hash, split_point

WIDTH: Final = 256
LEVELS: Final = 8
FULL_TILE: Final = WIDTH * HASH_SIZE
LARGEST_ENTRY: Final = 2**16 - 1

TileKey: TypeAlias = tuple[int, int]
"""Level and number of a tile."""

ReadTile: TypeAlias = Callable[[int, int, int], bytes]
"""Level, number and least width wanted; answers that many hashes or more (a later tile is a longer
one).
"""


def tile_path(level: int, number: int, width: int = WIDTH) -> str:
    """``tile/<L>/<N>[.p/<W>]``."""
    return f"tile/{level}/{_numbered(number, width)}"


def entries_path(number: int, width: int = WIDTH) -> str:
    """``tile/entries/<N>[.p/<W>]``."""
    return f"tile/entries/{_numbered(number, width)}"


def _numbered(number: int, width: int) -> str:
    parts = [f"{number % 1000:03d}"]
    while number := number // 1000:
        parts.insert(0, f"x{number % 1000:03d}")
    return "/".join(parts) + ("" if width == WIDTH else f".p/{width}")


def edge_width(size: int, level: int) -> int:
    """How many hashes the partial tile of ``level`` holds in a tree of ``size``; 0 when there is
    none.
    """
    return (size >> 8 * level) % WIDTH


def tiles_between(old: int, new: int) -> Iterator[tuple[int, int, int]]:
    """Level, number and width of every tile in a tree of ``new`` that one of ``old`` lacks."""
    for level in range(LEVELS):
        first, end = old >> 8 * (level + 1), new >> 8 * (level + 1)
        for number in range(first, end):
            yield level, number, WIDTH
        width = edge_width(new, level)
        if width and (end > first or width != edge_width(old, level)):
            yield level, end, width


def subtree_root(hashes: bytes) -> bytes:
    """Root over a power of two of joined hashes."""
    while len(hashes) > HASH_SIZE:
        hashes = b"".join(
            sha256(b"\x01" + hashes[at : at + 64]).digest() for at in range(0, len(hashes), 64)
        )
    return hashes


@dataclass(slots=True)
class RightEdge:
    """The growing right edge of a tree; feed it leaf hashes and store the tiles it answers with."""

    size: int = 0
    tiles: list[bytes] = field(default_factory=lambda: [b""] * LEVELS)

    def __post_init__(self) -> None:
        widths = [edge_width(self.size, level) * HASH_SIZE for level in range(LEVELS)]
        if [len(tile) for tile in self.tiles] != widths:
            raise UnfitValue("the tiles are not the right edge of a tree of this size")

    def append(self, leaf_hashes: Iterable[bytes]) -> Mapping[TileKey, bytes]:
        """Grow by these leaves; answers every tile that came into being or got longer."""
        changed: dict[TileKey, bytes] = {}
        arriving = list(leaf_hashes)
        size = self.size + len(arriving)
        for level in range(LEVELS):
            if not arriving:
                break
            number = self.size >> 8 * (level + 1)
            joined = self.tiles[level] + b"".join(arriving)
            arriving = []
            for at in range(0, len(joined) - FULL_TILE + 1, FULL_TILE):
                changed[level, number] = joined[at : at + FULL_TILE]
                arriving.append(subtree_root(joined[at : at + FULL_TILE]))
                number += 1
            self.tiles[level] = joined[len(arriving) * FULL_TILE :]
            if self.tiles[level]:
                changed[level, number] = self.tiles[level]
        self.size = size
        return changed

    def root(self) -> bytes:
        """Root of the tree as it is now."""
        root = b""
        for tile in self.tiles:
            width = len(tile) // HASH_SIZE
            for bit in range(width.bit_length()):
                if width >> bit & 1:
                    start = (width >> bit + 1 << bit + 1) * HASH_SIZE
                    whole = subtree_root(tile[start : start + (HASH_SIZE << bit)])
                    root = node_hash(whole, root) if root else whole
        return root or EMPTY_ROOT


class TiledTree:
    """A tree of one size over stored tiles, each read once per object, and never all of them."""

    def __init__(self, size: int, read: ReadTile) -> None:
        if not 0 <= size <= LARGEST_SIZE:
            raise UnfitValue("the tree size is out of range")
        self.size = size
        self._read = read
        self._seen: dict[TileKey, bytes] = {}

    def root(self) -> bytes:
        """RFC 6962 tree hash."""
        return self._range(0, self.size) if self.size else EMPTY_ROOT

    def inclusion(self, index: int) -> tuple[bytes, ...]:
        """Audit path of a leaf, from its sibling up (RFC 6962 section 2.1.1)."""
        if not 0 <= index < self.size:
            raise UnfitValue("the index lies outside the tree")
        path: list[bytes] = []
        low, high = 0, self.size
        while high - low > 1:
            middle = low + split_point(high - low)
            if index < middle:
                path.append(self._range(middle, high))
                high = middle
            else:
                path.append(self._range(low, middle))
                low = middle
        return tuple(reversed(path))

    def consistency(self, old: int) -> tuple[bytes, ...]:
        """Proof that this tree begins with the one of size ``old`` (RFC 6962 section 2.1.2)."""
        if not 0 < old <= self.size:
            raise UnfitValue("the old size lies outside the tree")
        path: list[bytes] = []
        low, high = 0, self.size
        while old < high:
            middle = low + split_point(high - low)
            if old <= middle:
                path.append(self._range(middle, high))
                high = middle
            else:
                path.append(self._range(low, middle))
                low = middle
        if low:
            path.append(self._range(low, high))
        return tuple(reversed(path))

    def _range(self, low: int, high: int) -> bytes:
        """Hash over leaves ``low`` to ``high``, where ``low`` is a multiple of the first subtree's
        width.
        """
        wholes: list[bytes] = []
        while low < high:
            height = (high - low).bit_length() - 1
            wholes.append(self._whole(height, low >> height))
            low += 1 << height
        root = wholes.pop()
        while wholes:
            root = node_hash(wholes.pop(), root)
        return root

    def _whole(self, height: int, number: int) -> bytes:
        level, within = divmod(height, 8)
        first = number << within
        tile = self._tile(level, first // WIDTH)
        start = first % WIDTH * HASH_SIZE
        return subtree_root(tile[start : start + (HASH_SIZE << within)])

    def _tile(self, level: int, number: int) -> bytes:
        known = self._seen.get((level, number))
        if known is not None:
            return known
        width = min(WIDTH, (self.size >> 8 * level) - number * WIDTH)
        tile = self._read(level, number, width)
        if len(tile) < width * HASH_SIZE or len(tile) % HASH_SIZE:
            raise NotVerified("a tile is shorter than the tree needs")
        return self._seen.setdefault((level, number), tile[: width * HASH_SIZE])


def encode_entries(entries: Iterable[bytes]) -> bytes:
    """An entry bundle: each entry after its length as a big-endian uint16."""
    parts: list[bytes] = []
    for entry in entries:
        if len(entry) > LARGEST_ENTRY:
            raise UnfitValue("an entry is longer than an entry bundle can hold")
        parts += (len(entry).to_bytes(2, "big"), entry)
    return b"".join(parts)


def decode_entries(bundle: bytes) -> list[bytes]:
    """The entries of a bundle; `NotVerified` when it ends in the middle of one."""
    entries: list[bytes] = []
    at = 0
    while at < len(bundle):
        start = at + 2
        at = start + int.from_bytes(bundle[at:start], "big")
        if start > len(bundle) or at > len(bundle):
            raise NotVerified("an entry bundle is cut short")
        entries.append(bundle[start:at])
    return entries
