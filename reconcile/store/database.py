"""One open database: an embedded SQLite file that one process owns, or a PostgreSQL shared by many.

Opened by the roof and handed to everything that reads or writes rows, the durable engine included:
its jobs commit in the same transaction as our rows only because both use this one connection pool.
It knows no table; tables hang on `metadata`, their versions are the business of `migrate`.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final, Self, TypeVar

import sqlalchemy as sa
import tenacity

from reconcile.store import embedded, shared
from reconcile.store.errors import DatabaseMisconfigured, DatabaseUnavailable, unavailable

T = TypeVar("T")

_PAUSES: Final = (0.1, 0.2, 0.5, 1.0)
"""Seconds between tries of `Database.sure`; the last one repeats until the database is back."""


class Database:
    """The way to our rows. Made by `open`; safe to use from many threads.

    `begin` writes, `connect` only reads, `sure` writes what must not get lost. Every failure of
    the database itself, as opposed to a wrong statement, is raised as `DatabaseUnavailable`.
    """

    def __init__(self, engine: sa.Engine, held: ExitStack) -> None:
        self.engine: Final = engine
        self.is_postgresql: Final = engine.dialect.name == "postgresql"
        self._held = held
        self._closing = threading.Event()

    @classmethod
    def open(cls, url: str) -> Self:
        """Open `sqlite:///PATH` or `postgresql://USER:PASSWORD@HOST/NAME`.

        Raises `DatabaseInUse` when another process owns the file, `DatabaseMisconfigured` for a
        URL or a place we refuse, `DatabaseUnavailable` when a server does not answer.
        """
        try:
            parsed = sa.make_url(url)
        except sa.exc.ArgumentError as error:
            raise DatabaseMisconfigured(
                "the database URL cannot be read; write sqlite:///PATH or postgresql://HOST/NAME"
            ) from error
        with ExitStack() as held:
            match parsed.get_backend_name():
                case "sqlite":
                    engine = embedded.open_engine(parsed, held)
                case "postgresql":
                    engine = shared.open_engine(parsed)
                case other:
                    raise DatabaseMisconfigured(
                        f"databases of kind {other!r} are not supported; use sqlite or postgresql"
                    )
            held.callback(engine.dispose)
            database = cls(engine, held)
            with database.connect() as connection:
                connection.execute(sa.select(1))
            database._held = held.pop_all()
            return database

    @contextmanager
    def begin(self) -> Iterator[sa.Connection]:
        """Run one transaction that may write; commits at the end, rolls back on any exception.

        On SQLite it holds the write lock from its first instant, so that what it reads cannot
        change before it writes. On PostgreSQL it is READ COMMITTED: lock rows you decide on.
        """
        with unavailable(), self.engine.begin() as connection:
            if not self.is_postgresql:
                connection.exec_driver_sql("BEGIN IMMEDIATE")
            yield connection

    @contextmanager
    def connect(self) -> Iterator[sa.Connection]:
        """Read one consistent snapshot; a write through it is refused by the database."""
        with unavailable(), self.engine.connect() as connection:
            if self.is_postgresql:
                yield connection.execution_options(
                    isolation_level="REPEATABLE READ", postgresql_readonly=True
                )
            else:
                with embedded.reading(connection):
                    yield connection

    def sure(self, work: Callable[[sa.Connection], T]) -> T:
        """Run `work` in a transaction, again and again until the database has taken it.

        For what must land once it has happened outside, above all the record of a finished call
        (Law 1). `work` may run several times and must only touch the connection it is given.
        Raises `DatabaseUnavailable` only after `close`.
        """
        retrying = tenacity.Retrying(
            retry=tenacity.retry_if_exception_type(DatabaseUnavailable),
            wait=tenacity.wait_chain(*map(tenacity.wait_fixed, _PAUSES)),
            stop=tenacity.stop_when_event_set(self._closing),
            sleep=tenacity.sleep_using_event(self._closing),
            reraise=True,
        )

        def once() -> T:
            with self.begin() as connection:
                return work(connection)

        return retrying(once)

    def now(self) -> sa.ColumnElement[float]:
        """Return the database's clock as SQL, in seconds since 1970: node clocks never matter."""
        if self.is_postgresql:
            return sa.cast(sa.literal_column("extract(epoch from clock_timestamp())"), sa.Double)
        return sa.literal_column("((julianday('now') - 2440587.5) * 86400.0)", sa.Double)

    def backup(self, path: Path) -> None:
        """Copy an embedded database, consistent while it is being written, to a new file.

        The copy appears under its name only when it is whole, checked and on the disk. Raises
        `FileExistsError` rather than overwrite, `DatabaseMisconfigured` on PostgreSQL, where
        `pg_dump` is the tool (docs/operations/database.md).
        """
        if self.is_postgresql:
            raise DatabaseMisconfigured("back up PostgreSQL with pg_dump; see docs/operations")
        with unavailable(), self.engine.connect() as connection:
            embedded.copy(connection, path)

    def rest(self) -> None:
        """Close the connections that nobody uses; whoever needs one later opens it."""
        # Not the engine's: that one forgets the connections in use, and nobody would close them.
        self.engine.pool.dispose()

    def close(self) -> None:
        """Let go of the connections and of the file; `sure` gives up from now on."""
        self._closing.set()
        self._held.close()

    @property
    def path(self) -> Path | None:
        """The file of an embedded database."""
        name = self.engine.url.database
        return None if self.is_postgresql or name is None else Path(os.fspath(name))
