"""The files of the log: tiles, entry bundles and checkpoint as c2sp.org/tlog-tiles names them.

Called by `ledger` only. A proof is never served from the hot database but from these files, which
any static web server or a copy on write-once storage can hold. Every file appears whole or not at
all (temporary name, fsync, rename), and the checkpoint comes last, so that it never promises what
a reader cannot fetch.
"""

import fcntl
import os
import shutil
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, TypeAlias

from reconcile.evidence.audit import CHECKPOINT
from reconcile.evidence.checkpoint import Checkpoint, open_checkpoint
from reconcile.evidence.encoding import HASH_SIZE
from reconcile.evidence.keys import VerifierKey
from reconcile.evidence.tiles import (
    WIDTH,
    ReadTile,
    encode_entries,
    entries_path,
    tile_path,
    tiles_between,
)

ReadEntries: TypeAlias = Callable[[int, int], Iterator[bytes]]
"""First index and number of entries wanted."""

_FOLDER_MODE: Final = 0o755


def write_durably(path: Path, data: bytes) -> None:
    """Put ``data`` at ``path`` so that a crash leaves the old file or the new one, never a part."""
    path.parent.mkdir(mode=_FOLDER_MODE, parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{os.getpid()}-{threading.get_ident()}.partial")
    with partial.open("wb") as stream:
        stream.write(data)
        stream.flush()
        os.fsync(stream.fileno())
    partial.replace(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


@contextmanager
def only_publisher(folder: Path) -> Iterator[bool]:
    """Whether no other process or thread publishes into ``folder`` for the length of the block.

    Two at once could remove each other's partial tiles. The lock dies with its process.
    """
    folder.mkdir(mode=_FOLDER_MODE, parents=True, exist_ok=True)
    with (folder / ".lock").open("wb") as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True


def read_checkpoint(path: Path, key: VerifierKey) -> Checkpoint | None:
    """The checkpoint at ``path``, or None when there is no file.

    Raises `NotVerified` when the file is no checkpoint of this log.
    """
    try:
        raw = path.read_bytes()
    except FileNotFoundError:
        return None
    return open_checkpoint(raw, key)


def write_tiles(folder: Path, old: int, new: int, tile: ReadTile, entries: ReadEntries) -> None:
    """Write what a tree of ``new`` has beyond one of ``old``; partial tiles now full go."""
    for level, number, width in tiles_between(old, new):
        if level == 0:
            bundle = encode_entries(entries(number * WIDTH, width))
            _write(folder, entries_path(number, width), bundle, width)
        hashes = tile(level, number, width)[: width * HASH_SIZE]
        _write(folder, tile_path(level, number, width), hashes, width)


def write_head(folder: Path, note: bytes) -> None:
    """Replace the checkpoint file."""
    write_durably(folder / CHECKPOINT, note)


def _write(folder: Path, name: str, data: bytes, width: int) -> None:
    path = folder / name
    write_durably(path, data)
    if width == WIDTH:
        shutil.rmtree(path.with_name(path.name + ".p"), ignore_errors=True)
