"""Faults of our own database, and the one rule that tells "not there now" from "wrong statement".

Raised by `database` and `migrate`; callers decide by type. Faults of outside systems are in
`connectors.faults`, not here.

    DatabaseError
    ├── DatabaseUnavailable    not there now: try again later, nothing was written
    ├── DatabaseInUse          another process owns the embedded file
    ├── DatabaseMisconfigured  this URL or this place will never do
    └── DatabaseTooNew         written by a newer release than this one
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import sqlalchemy as sa

_SQLITE_PASSING: Final = frozenset(
    {
        sqlite3.SQLITE_BUSY,
        sqlite3.SQLITE_LOCKED,
        sqlite3.SQLITE_IOERR,
        sqlite3.SQLITE_FULL,
        sqlite3.SQLITE_CANTOPEN,
        sqlite3.SQLITE_NOMEM,
    }
)
"""Primary result codes (sqlite.org/rescode.html) that say something about the machine, not us."""

_POSTGRESQL_PASSING: Final = ("08", "40", "53", "55P03", "57P", "58")
"""SQLSTATE classes: connection, rollback (deadlock), resources, lock timeout, shutdown, system
(PostgreSQL documentation, appendix A)."""


class DatabaseError(Exception):
    """A fault of our own database. The message never carries a value of a statement."""


class DatabaseUnavailable(DatabaseError):
    """The database did not take the transaction now; nothing of it was written. Try again."""


class DatabaseInUse(DatabaseError):
    """Another process has this embedded database open. The message says what to do."""


class DatabaseMisconfigured(DatabaseError):
    """The URL, or the place it names, is one we refuse. The message says what to write instead."""


class DatabaseTooNew(DatabaseError):
    """The tables were written by a newer release; starting this one could damage them."""


@contextmanager
def unavailable() -> Iterator[None]:
    """Turn what SQLAlchemy raises for an absent database into `DatabaseUnavailable`."""
    try:
        yield
    except sa.exc.TimeoutError as error:
        raise DatabaseUnavailable("no free connection to the database") from error
    except sa.exc.DBAPIError as error:
        if not is_passing(error):
            raise
        raise DatabaseUnavailable("the database does not answer") from error


def is_passing(error: sa.exc.DBAPIError) -> bool:
    """Say whether the same statement may succeed later without being changed."""
    if error.connection_invalidated:
        return True
    original = error.orig
    if isinstance(original, sqlite3.Error):
        code = getattr(original, "sqlite_errorcode", None)
        return code is not None and code & 0xFF in _SQLITE_PASSING
    state = getattr(original, "sqlstate", None)
    if state is None:  # psycopg gives no state when the server was never reached
        return isinstance(error, sa.exc.OperationalError | sa.exc.InterfaceError)
    return str(state).startswith(_POSTGRESQL_PASSING)
