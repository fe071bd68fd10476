"""The shared database: what a caller sees when the server stops, and that sessions cannot hang."""

import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
import sqlalchemy as sa

from reconcile.store.database import Database
from reconcile.store.errors import DatabaseMisconfigured, DatabaseUnavailable
from tests.support.peers.postgres import Postgres
from tests.support.peers.processes import free_port
from tests.support.waiting import wait_until

pytest_plugins = ("tests.support.peers.fixtures",)
pytestmark = pytest.mark.peers

_counter = sa.Table("counter", sa.MetaData(), sa.Column("value", sa.Integer, nullable=False))


@pytest.fixture
def database(postgres: Postgres) -> Iterator[Database]:
    """A database on a real server, with a counter at zero."""
    opened = Database.open(postgres.database())
    with opened.begin() as connection:
        _counter.create(connection)
        connection.execute(sa.insert(_counter).values(value=0))
    yield opened
    opened.close()


def test_sure_lands_after_the_server_came_back(postgres: Postgres, database: Database) -> None:
    """The record of a finished call rides out an outage, and lands once."""
    postgres.stop("immediate")
    try:
        with pytest.raises(DatabaseUnavailable), database.begin():
            pass
        thread = threading.Thread(target=database.sure, args=(_add_one,))
        thread.start()
        thread.join(1.0)
        assert thread.is_alive()
    finally:
        postgres.start()
    thread.join(20.0)

    assert not thread.is_alive()
    assert _value(database) == 1


def test_a_server_that_stops_inside_a_transaction_is_unavailable(
    postgres: Postgres, database: Database
) -> None:
    """A connection cut in the middle counts as "not there now", and nothing was written."""

    def interrupted() -> None:
        with database.begin() as connection:
            connection.execute(sa.update(_counter).values(value=7))
            postgres.restart("immediate")
            connection.execute(sa.update(_counter).values(value=8))

    with pytest.raises(DatabaseUnavailable):
        interrupted()

    assert _value(database) == 0


def test_a_reader_sees_one_instant_and_cannot_write(database: Database) -> None:
    """A report reads one snapshot whatever happens meanwhile, and never changes a row."""
    with database.connect() as reader:
        before = reader.scalar(sa.select(_counter.c.value))
        database.sure(_add_one)
        assert (before, reader.scalar(sa.select(_counter.c.value))) == (0, 0)
        with pytest.raises(sa.exc.InternalError, match="read-only"):
            reader.execute(sa.update(_counter).values(value=7))

    database.sure(_add_one)  # the connection that was read-only can write again
    assert _value(database) == 2


def test_a_wrong_statement_is_not_unavailable(database: Database) -> None:
    """A defect of ours must surface; retrying it would hide it for ever."""
    with pytest.raises(sa.exc.ProgrammingError), database.begin() as connection:
        connection.exec_driver_sql("SELECT * FROM nowhere")


def test_a_deadlock_is_unavailable(database: Database) -> None:
    """The server ends one of two transactions that wait for each other; that one tries again."""
    with database.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE two (id integer primary key, n integer)")
        connection.exec_driver_sql("INSERT INTO two VALUES (1, 0), (2, 0)")
    both = threading.Barrier(2)
    refused: list[Exception] = []

    def work(first: int, second: int) -> None:
        try:
            with database.begin() as connection:
                update = "UPDATE two SET n = n + 1 WHERE id = "
                connection.exec_driver_sql(update + str(first))
                both.wait(10)
                connection.exec_driver_sql(update + str(second))
        except DatabaseUnavailable as error:
            refused.append(error)

    threads = [threading.Thread(target=work, args=order) for order in ((1, 2), (2, 1))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(refused) == 1


def test_a_frozen_node_cannot_keep_its_locks(database: Database) -> None:
    """The server itself ends a transaction that sits idle, and a wait for a lock."""
    with database.connect() as connection:
        limits = [
            connection.exec_driver_sql(f"SHOW {name}").scalar()
            for name in ("idle_in_transaction_session_timeout", "lock_timeout", "application_name")
        ]

    assert limits == ["30s", "30s", "deprovisioner"]


def test_the_clock_is_the_server_s(database: Database) -> None:
    """`now` is seconds since 1970 and moves inside a transaction."""
    with database.connect() as connection:
        first = connection.scalar(sa.select(database.now())) or 0.0

        def moved() -> bool:
            return (connection.scalar(sa.select(database.now())) or 0.0) > first

        assert wait_until(moved, 2)
    assert abs(first - datetime.now(UTC).timestamp()) < 60


def test_no_server_is_unavailable_and_a_copy_is_refused(database: Database, tmp_path: Path) -> None:
    """Opening towards nothing says so; backing up a server is pg_dump's work."""
    with pytest.raises(DatabaseUnavailable):
        Database.open(f"postgresql://nobody@127.0.0.1:{free_port()}/nothing")
    with pytest.raises(DatabaseMisconfigured, match="pg_dump"):
        database.backup(tmp_path / "copy.db")


def _add_one(connection: sa.Connection) -> None:
    connection.execute(sa.update(_counter).values(value=_counter.c.value + 1))


def _value(database: Database) -> int | None:
    with database.connect() as connection:
        return connection.scalar(sa.select(_counter.c.value))
