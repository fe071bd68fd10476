"""A ledger on a real database for tests: tables, sequencers with folders, a clock to turn."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import sqlalchemy as sa

from reconcile.evidence.keys import SigningKey
from reconcile.store import ledger
from reconcile.store import ledger_schema as schema
from reconcile.store.database import Database
from reconcile.store.metadata import metadata

KEY = SigningKey("log.example.com/evidence", bytes(range(32)))
TABLES = [
    schema.pending,
    schema.leaf,
    schema.node,
    schema.tree,
    schema.checkpoint,
    schema.chains,
    schema.records,
    schema.case_keys,
]


@dataclass
class TurnedClock:
    """A clock that stands still until it is turned."""

    now: datetime = datetime(2026, 11, 24, 22, 0, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now

    def turn(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)


@dataclass
class Ledger:
    """One database with its publish folder and its anchor."""

    database: Database
    folder: Path
    key: SigningKey = KEY
    clock: TurnedClock = field(default_factory=TurnedClock)

    @classmethod
    def create(cls, url: str, folder: Path) -> "Ledger":
        """Open the database and make the tables of the evidence."""
        database = Database.open(url)
        with database.begin() as connection:
            metadata.create_all(connection, tables=TABLES)
        return cls(database, folder)

    @property
    def published(self) -> Path:
        """The folder of static files."""
        return self.folder / "published"

    @property
    def anchor(self) -> Path:
        """The checkpoint on the other disk."""
        return self.folder / "anchor" / "checkpoint"

    def sequencer(self) -> ledger.Sequencer:
        """One more sequencer."""
        return ledger.Sequencer(self.database, self.key, self.clock, self.published, self.anchor)

    def append(self, *events: str) -> None:
        """Append entries derived from event ids, in one transaction."""
        with self.database.begin() as connection:
            for event in events:
                ledger.append(connection, event, entry_of(event), self.clock())

    def leaves(self) -> list[tuple[int, str, bytes]]:
        """The log as stored."""
        with self.database.connect() as connection:
            leaf = schema.leaf.c
            rows = sa.select(leaf.idx, leaf.event_id, leaf.entry).order_by(leaf.idx)
            return [(row.idx, row.event_id, row.entry) for row in connection.execute(rows)]


def entry_of(event: str) -> bytes:
    """A 32-byte entry that a test can recognise."""
    return event.encode().rjust(32, b".")[:32]
