"""What proves that a project export is whole, readable and of now, while it streams through.

GitLab has no export id: ``finished`` may be an old one, and a body without a length that ends
early looks like a whole one. So every byte is unpacked (gzip checks its own sum), the tar is walked
to its end, the members that make it an export must be there, and the repository bundle in it must
name the commit that the default branch has now. Flat in memory: nothing is kept of the data.
"""

from __future__ import annotations

import zlib
from typing import Final

from connectors.faults import Malformed, Transient

_BLOCK: Final = 512
_STEP: Final = 1024 * 1024
_GZIP: Final = 16 + zlib.MAX_WBITS
_HEAD: Final = 1024 * 1024
_BUNDLES: Final = ("project.bundle", "repository.bundle")
_METADATA: Final = ("project.json", "tree/project.json", "group.json", "tree/groups/_all.ndjson")


class ArchiveProof:
    """Watches one archive go by. Call :meth:`take` for each chunk and :meth:`finish` at the end."""

    def __init__(self) -> None:
        """Begin before the first byte."""
        self._gzip = zlib.decompressobj(_GZIP)
        self._pending = bytearray()
        self._left = 0
        self._padding = 0
        self._bundle: bytearray | None = None
        self._ended = False
        self.members: set[str] = set()
        self.heads = b""

    def take(self, chunk: bytes) -> None:
        """Look at the next bytes. Raises :class:`Malformed` for what is no archive."""
        try:
            data = self._gzip.decompress(chunk, _STEP)
            self._walk(data)
            while self._gzip.unconsumed_tail:
                self._walk(self._gzip.decompress(self._gzip.unconsumed_tail, _STEP))
        except zlib.error as error:
            raise Malformed("the archive is not gzip or is damaged", code="gitlab:gzip") from error
        if self._gzip.unused_data:
            raise Malformed("something follows the archive", code="gitlab:gzip")

    def finish(self) -> None:
        """Judge the whole. Raises :class:`Transient` when it was cut: it is fetched again."""
        if not self._gzip.eof or not self._ended:
            raise Transient("the archive was cut short", code="gitlab:cut")
        if self.members.isdisjoint(_METADATA):
            raise Malformed("the archive holds no project", code="gitlab:archive")

    def names(self, commit: str) -> bool:
        """Tell whether the repository in the archive has a branch at this commit."""
        return bool(commit) and commit.encode() in self.heads

    def _walk(self, data: bytes) -> None:
        self._pending += data
        while self._pending and not self._ended:
            if self._left or self._padding:
                self._content()
            elif len(self._pending) >= _BLOCK:
                self._header(bytes(self._pending[:_BLOCK]))
                del self._pending[:_BLOCK]
            else:
                return
        if self._ended:
            self._pending.clear()  # the rest is padding of the last record

    def _content(self) -> None:
        some = self._pending[: self._left]
        if self._bundle is not None and len(self._bundle) < _HEAD:
            self._bundle += some
        del self._pending[: len(some)]
        self._left -= len(some)
        if self._left:
            return
        if self._bundle is not None:
            # A bundle begins with lines "commit name", then an empty line (gitformat-bundle).
            self.heads = bytes(self._bundle).partition(b"\n\n")[0]
            self._bundle = None
        pad = min(self._padding, len(self._pending))
        del self._pending[:pad]
        self._padding -= pad

    def _header(self, header: bytes) -> None:
        """Read one header (POSIX.1-1988 ustar): its sum, name, size."""
        if not any(header):
            self._ended = True
            return
        try:
            told = int(header[148:156].strip(b" \0"), 8)
            size = _size(header[124:136])
        except ValueError as error:
            raise Malformed("the archive is no tar", code="gitlab:tar") from error
        if told != sum(header[:148]) + 8 * ord(" ") + sum(header[156:]):
            raise Malformed("the archive is damaged", code="gitlab:tar")
        name = header[:100].rstrip(b"\0").decode(errors="replace").removeprefix("./")
        self.members.add(name)
        self._left, self._padding = size, -size % _BLOCK
        self._bundle = bytearray() if name in _BUNDLES else None


def _size(field: bytes) -> int:
    """Read a size: octal digits, or base 256 above 8 GiB (GNU)."""
    if field[0] & 0x80:
        return int.from_bytes(bytes([field[0] & 0x7F]) + field[1:], "big")
    return int(field.strip(b" \0") or b"0", 8)
