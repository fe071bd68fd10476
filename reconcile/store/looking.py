"""Counts what waits, without owning the database: for the doctor, and for the log of a start.

`look` opens an embedded database that a daemon may be writing, or that nobody upgraded yet; it
never writes, and makes no file where none of SQLite's own lie. It judges nothing.
"""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from urllib.parse import quote

import sqlalchemy as sa

from reconcile.store.errors import unavailable
from reconcile.store.schema import cases


@dataclass(frozen=True, slots=True)
class Waiting:
    """Open cases, and how many of them are past their access end and not contained."""

    open_cases: int
    contain_due: int


def waiting(connection: sa.Connection, now: datetime) -> Waiting:
    """Count what a daemon that acts takes up."""
    ended = sa.or_(cases.c.immediate, cases.c.access_end_at <= now.timestamp())
    due = sa.and_(ended, cases.c.contained_at.is_(None), cases.c.rescinded_at.is_(None))
    query = sa.select(
        sa.func.count(), sa.func.coalesce(sa.func.sum(sa.case((due, 1), else_=0)), 0)
    ).where(cases.c.open)
    found, begin = connection.execute(query).one()
    return Waiting(int(found), int(begin))


def look(database: Path, now: datetime) -> Waiting:
    """Count in an embedded database, only reading. None of its files: nothing waits.

    Raises `DatabaseUnavailable` for what cannot be read.
    """
    if not database.exists():
        return Waiting(0, 0)
    # Without a journal beside it nobody writes; "immutable" then keeps SQLite from making one.
    still = not database.with_name(f"{database.name}-wal").exists()
    address = f"file:{quote(str(database.absolute()))}?mode=ro{'&immutable=1' if still else ''}"
    engine = sa.create_engine(
        "sqlite://",
        creator=lambda: sqlite3.connect(address, uri=True, timeout=5),
        poolclass=sa.NullPool,
        hide_parameters=True,
    )
    with unavailable(), engine.connect() as connection:
        return waiting(connection, now)
