"""The evidence log in the database: outbox, sequencer, checkpoints, proofs.

Workers call `append` inside the transaction of their own state change (Law 8). The daemon runs a
`Sequencer` (several nodes may: the row of ``ev_tree`` is the lock, there is no leader):
`Sequencer.integrate` gives pending entries their places, `Sequencer.publish` signs what is
committed and writes the static files. What this module does not know: what an entry means
(`evidence_log`), and when to run (the daemon).

Order of a publication, so that a crash between any two steps only repeats it::

    tree committed → tiles and entry bundles → anchor → checkpoint file → row in ev_checkpoint

Rollback trap: a restored backup or an asynchronous failover can lose entries whose root was
already signed. A log that then grows again has told two stories. Hence the anchor, a copy of the
newest checkpoint on another disk, against which every publication and every start compares the
database, and refuses.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from hmac import compare_digest
from pathlib import Path
from typing import Final

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from reconcile.evidence.audit import CHECKPOINT
from reconcile.evidence.checkpoint import Checkpoint, sign_checkpoint
from reconcile.evidence.encoding import HASH_SIZE
from reconcile.evidence.errors import NotVerified
from reconcile.evidence.keys import SigningKey
from reconcile.evidence.tiles import LEVELS, RightEdge, TiledTree, edge_width
from reconcile.evidence.tree import EMPTY_ROOT, leaf_hash
from reconcile.store import ledger_schema as schema
from reconcile.store.database import Database
from reconcile.store.ledger_files import (
    only_publisher,
    read_checkpoint,
    write_durably,
    write_head,
    write_tiles,
)

DEFAULT_BATCH: Final = 1000
_TREE_ROW: Final = 1


class LedgerRefused(Exception):
    """Root of the refusals below. None goes away by trying again; a person has to look."""


class EventConflict(LedgerRefused):
    """One event id was appended with two different entries."""


class LedgerDamaged(LedgerRefused):
    """Stored tiles do not lead to the stored root: rows were changed or lost from outside."""


class LedgerRolledBack(LedgerRefused):
    """The database lacks or contradicts what was already signed, or the anchor is gone."""


@dataclass(frozen=True, slots=True)
class Published:
    """The newest published checkpoint and when it was last said."""

    size: int
    note: bytes
    at: datetime


def append(connection: sa.Connection, event_id: str, entry: bytes, at: datetime) -> None:
    """Put an entry into the outbox, in the caller's transaction (Law 8).

    Appending the same event again does nothing (Law 6); with another entry it raises
    `EventConflict`.
    """
    if len(entry) != HASH_SIZE:
        raise ValueError("an entry of this log is exactly 32 opaque bytes")
    row = {"event_id": event_id, "entry": entry, "at": at.timestamp()}
    connection.execute(upsert(connection, schema.pending).values(row).on_conflict_do_nothing())
    # Looked up after the insert: a sequencer may have moved the first copy meanwhile.
    for table in (schema.leaf, schema.pending):
        known = sa.select(table.c.entry).where(table.c.event_id == event_id)
        stored = connection.execute(known).scalar_one_or_none()
        if stored is not None and not compare_digest(stored, entry):
            raise EventConflict(f"event {event_id} already has another entry")
        if stored is not None and table is schema.leaf:
            pending = schema.pending.c.event_id == event_id
            connection.execute(sa.delete(schema.pending).where(pending))


def append_fresh(
    connection: sa.Connection, entries: Sequence[tuple[str, bytes]], at: datetime
) -> None:
    """Put entries into the outbox whose event ids the caller knows to be new: it has just written
    them under a unique key of its own, in the same transaction.

    One statement. Should a log hold another entry of that event all the same, the sequencer
    refuses with `EventConflict`, as it does for every entry it takes.
    """
    rows = [{"event_id": event, "entry": entry, "at": at.timestamp()} for event, entry in entries]
    if any(len(entry) != HASH_SIZE for _, entry in entries):
        raise ValueError("an entry of this log is exactly 32 opaque bytes")
    connection.execute(sa.insert(schema.pending), rows)


def published(connection: sa.Connection) -> Published | None:
    """The newest published checkpoint."""
    table = schema.checkpoint
    newest = sa.select(table).order_by(table.c.size.desc()).limit(1)
    row = connection.execute(newest).one_or_none()
    return Published(row.size, row.note, datetime.fromtimestamp(row.at, UTC)) if row else None


def published_size(connection: sa.Connection) -> int:
    """How many entries the newest published checkpoint covers."""
    newest = published(connection)
    return newest.size if newest else 0


def tree_size(connection: sa.Connection) -> int:
    """How many entries have a place in the log, published or not."""
    return _read_tree(connection)[0]


def oldest_pending_age(connection: sa.Connection, now: datetime) -> float:
    """Seconds that the oldest entry has waited for its place; 0 when none waits. Alert above 60."""
    oldest = connection.execute(sa.select(sa.func.min(schema.pending.c.at))).scalar()
    return 0.0 if oldest is None else max(0.0, now.timestamp() - float(oldest))


def tiled_tree(connection: sa.Connection, size: int) -> TiledTree:
    """The tree as it was at ``size``, for roots and proofs; reads a handful of tiles, never all
    leaves.
    """

    def read(level: int, number: int, _width: int) -> bytes:
        return _tile(connection, level, number)

    return TiledTree(size, read)


class Sequencer:
    """Gives entries their places, and signs. Cheap to make; safe to run on several nodes at once.

    ``publish_directory`` gets the static files; ``anchor_path`` the newest checkpoint again and
    should lie on another disk. ``clock`` answers aware UTC.
    """

    def __init__(
        self,
        database: Database,
        signer: SigningKey,
        clock: Callable[[], datetime],
        publish_directory: Path,
        anchor_path: Path,
    ) -> None:
        self._database = database
        self._signer = signer
        self._verifier = signer.verifier
        self._clock = clock
        self._folder = publish_directory
        self._anchor = anchor_path

    def integrate(self, limit: int = DEFAULT_BATCH) -> int:
        """Give up to ``limit`` pending entries their places; answers how many left the outbox.

        Raises `LedgerDamaged` rather than build on rows that contradict each other.
        """
        with self._database.connect() as connection:
            if connection.execute(sa.select(schema.pending.c.id).limit(1)).first() is None:
                return 0
        with self._database.begin() as connection:
            size, root = _lock_tree(connection)
            batch = _take(connection, limit)
            fresh = [row for row in batch if row.known is None]
            edge = _right_edge(connection, size, root)
            hashes = [leaf_hash(row.entry) for row in fresh]
            _store_leaves(connection, size, fresh, hashes)
            _store_tiles(connection, edge, hashes)
            done = schema.pending.c.id.in_([row.id for row in batch])
            connection.execute(sa.delete(schema.pending).where(done))
            head = {"size": edge.size, "root": edge.root()}
            connection.execute(sa.update(schema.tree).values(head))
        return len(batch)

    def publish(self, *, heartbeat: bool = False) -> Checkpoint | None:
        """Sign the committed tree, write its files, and answer its checkpoint.

        None when there is nothing new, or another sequencer is publishing into the same folder
        right now. With ``heartbeat`` the newest checkpoint is said again, so that an idle log can
        be told from a dead one. Raises `LedgerRolledBack`, see `check_anchor`.
        """
        with only_publisher(self._folder) as alone:
            return self._publish(heartbeat=heartbeat) if alone else None

    def check_anchor(self) -> None:
        """Refuse to start on a database that lost or changed what was already signed.

        Raises `LedgerRolledBack` when the anchored checkpoint is newer than the database,
        contradicts it, is not ours, or is missing although checkpoints were published.
        """
        anchored = self._anchored()
        with self._database.connect() as connection:
            self._compare(connection, anchored)

    def _publish(self, *, heartbeat: bool) -> Checkpoint | None:
        # Read before the snapshot: another node may move the anchor forward at any time.
        anchored = self._anchored()
        with self._database.connect() as connection:
            size, root = _read_tree(connection)
            self._compare(connection, anchored)
            if not _is_due(connection, size, heartbeat=heartbeat):
                return None
            self._write_tiles(connection, size)
        checkpoint = Checkpoint(self._signer.name, size, root)
        with self._database.begin() as connection:
            _lock_tree(connection)
            anchored = self._anchored()
            if anchored is not None and anchored.size > size:
                return None  # another node was faster and is about to record it
            if not _is_due(connection, size, heartbeat=heartbeat):
                return None
            self._compare(connection, checkpoint)  # the database may have failed over since
            self._say(connection, checkpoint)
        return checkpoint

    def _anchored(self) -> Checkpoint | None:
        try:
            return read_checkpoint(self._anchor, self._verifier)
        except NotVerified as error:
            raise LedgerRolledBack(
                f"the anchor {self._anchor.name} is not a checkpoint of this log ({error.reason}); "
                "put back the newest checkpoint signed by this log's key"
            ) from error

    def _compare(self, connection: sa.Connection, anchored: Checkpoint | None) -> None:
        if anchored is None:
            if published_size(connection):
                raise LedgerRolledBack(
                    f"the anchor {self._anchor.name} is missing although this log was published; "
                    "put back the newest checkpoint that you trust"
                )
            return
        size, _root = _read_tree(connection)
        if anchored.size > size:
            raise LedgerRolledBack(
                f"the database holds {size} entries, but {anchored.size} were already signed: it "
                "was rolled back (restored backup, lost failover). Signing now would tell a second "
                "story: restore a newer copy, or begin a new log (docs/operations/database.md)"
            )
        try:
            root = tiled_tree(connection, anchored.size).root()
        except NotVerified as error:
            raise LedgerDamaged(f"the stored tiles are incomplete: {error.reason}") from error
        if not compare_digest(root, anchored.root):
            raise LedgerRolledBack(
                f"the first {anchored.size} entries of the database are not those that were signed"
            )

    def _write_tiles(self, connection: sa.Connection, size: int) -> None:
        def tile(level: int, number: int, _width: int) -> bytes:
            return _tile(connection, level, number)

        def entries(first: int, count: int) -> Iterator[bytes]:
            within = schema.leaf.c.idx.between(first, first + count - 1)
            rows = sa.select(schema.leaf.c.entry).where(within).order_by(schema.leaf.c.idx)
            return iter(connection.execute(rows).scalars())

        write_tiles(self._folder, self._folder_size(), size, tile, entries)

    def _folder_size(self) -> int:
        """What the folder already holds; a folder that was lost or is not ours is written anew."""
        try:
            held = read_checkpoint(self._folder / CHECKPOINT, self._verifier)
        except NotVerified:
            return 0
        return held.size if held else 0

    def _say(self, connection: sa.Connection, checkpoint: Checkpoint) -> None:
        note = sign_checkpoint(checkpoint, self._signer)
        write_durably(self._anchor, note)
        write_head(self._folder, note)
        row = {"size": checkpoint.size, "note": note, "at": self._clock().timestamp()}
        saying = upsert(connection, schema.checkpoint).values(row)
        again = {"note": saying.excluded.note, "at": saying.excluded.at}
        connection.execute(saying.on_conflict_do_update(index_elements=["size"], set_=again))


def upsert(connection: sa.Connection, table: sa.Table) -> sqlite.Insert | postgresql.Insert:
    """An insert that can say what happens ON CONFLICT, in the dialect of the connection."""
    if connection.dialect.name == "postgresql":
        return postgresql.insert(table)
    return sqlite.insert(table)


def _is_due(connection: sa.Connection, size: int, *, heartbeat: bool) -> bool:
    newest = published_size(connection)
    return newest < size or (heartbeat and 0 < newest == size)


def _read_tree(connection: sa.Connection) -> tuple[int, bytes]:
    row = connection.execute(sa.select(schema.tree)).one_or_none()
    return (row.size, row.root) if row else (0, EMPTY_ROOT)


def _lock_tree(connection: sa.Connection) -> tuple[int, bytes]:
    """Lock and read the head. On SQLite the transaction (BEGIN IMMEDIATE) is the lock itself."""
    locked = sa.select(schema.tree).with_for_update()
    row = connection.execute(locked).one_or_none()
    if row is None:
        first = {"id": _TREE_ROW, "size": 0, "root": EMPTY_ROOT}
        connection.execute(upsert(connection, schema.tree).values(first).on_conflict_do_nothing())
        row = connection.execute(locked).one()
    return row.size, row.root


def _take(connection: sa.Connection, limit: int) -> Sequence[sa.Row[int, str, bytes, bytes | None]]:
    """Any committed pending rows, with the entry that an earlier crash may have logged already.

    Never "id above the last seen": ids commit out of order and rows would be lost.
    """
    pending, leaf = schema.pending, schema.leaf
    rows = (
        sa.select(pending.c.id, pending.c.event_id, pending.c.entry, leaf.c.entry.label("known"))
        .select_from(pending.outerjoin(leaf, leaf.c.event_id == pending.c.event_id))
        .order_by(pending.c.id)
        .limit(limit)
        .with_for_update(of=pending, skip_locked=True)
    )
    taken = connection.execute(rows).all()
    for row in taken:
        if row.known is not None and not compare_digest(row.known, row.entry):
            raise EventConflict(f"event {row.event_id} already has another entry")
    return taken


def _right_edge(connection: sa.Connection, size: int, root: bytes) -> RightEdge:
    tiles = []
    for level in range(LEVELS):
        width = edge_width(size, level)
        stored = _tile(connection, level, size >> 8 * (level + 1)) if width else b""
        tiles.append(stored)
        if len(stored) != width * HASH_SIZE:
            raise LedgerDamaged(f"the right edge of the tree is damaged at level {level}")
    edge = RightEdge(size, tiles)
    if not compare_digest(edge.root(), root):
        raise LedgerDamaged("the stored tiles do not lead to the stored root")
    return edge


def _store_leaves(
    connection: sa.Connection,
    size: int,
    fresh: Sequence[sa.Row[int, str, bytes, bytes | None]],
    hashes: Sequence[bytes],
) -> None:
    rows = [
        {"idx": index, "event_id": row.event_id, "leaf_hash": hashed, "entry": row.entry}
        for index, (row, hashed) in enumerate(zip(fresh, hashes, strict=True), size)
    ]
    if rows:
        connection.execute(sa.insert(schema.leaf), rows)


def _store_tiles(connection: sa.Connection, edge: RightEdge, hashes: Sequence[bytes]) -> None:
    rows = [
        {"level": level, "number": number, "hashes": tile}
        for (level, number), tile in edge.append(hashes).items()
    ]
    if rows:
        storing = upsert(connection, schema.node)
        longer = {"hashes": storing.excluded.hashes}
        keys = ["level", "number"]
        connection.execute(storing.on_conflict_do_update(index_elements=keys, set_=longer), rows)


def _tile(connection: sa.Connection, level: int, number: int) -> bytes:
    table = schema.node
    found = sa.select(table.c.hashes).where(table.c.level == level, table.c.number == number)
    stored = connection.execute(found).scalar_one_or_none()
    return bytes(stored) if stored is not None else b""
