"""Migrations: they make exactly the tables of the code, once, and refuse what is newer."""

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from reconcile.engine.durable import prepare
from reconcile.store import migrate
from reconcile.store.database import Database
from reconcile.store.errors import DatabaseTooNew
from reconcile.store.ledger_schema import leaf
from reconcile.store.metadata import metadata
from tests.support.databases import BOTH, fresh_url
from tests.support.peers.postgres import Postgres

pytest_plugins = ("tests.support.peers.fixtures",)


@pytest.fixture(params=BOTH)
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    """An empty database of each kind."""
    opened = Database.open(fresh_url(request.param, tmp_path, request))
    yield opened
    opened.close()


def test_upgrade_makes_exactly_the_tables_of_the_code(database: Database) -> None:
    """No table, column, index or constraint differs between the steps and the metadata."""
    assert migrate.current_revision(database) is None

    assert migrate.upgrade(database) == migrate.newest_revision()

    assert migrate.current_revision(database) == migrate.newest_revision()
    assert migrate.differences(database) == []


def test_the_engine_s_own_tables_are_left_alone(database: Database) -> None:
    """The library's tables stand beside ours; comparing and upgrading again touches neither."""
    migrate.upgrade(database)
    prepare(database)

    migrate.upgrade(database)

    assert migrate.differences(database) == []
    prepare(database)


def test_the_log_is_append_only_after_a_migration(database: Database) -> None:
    """The triggers of the evidence log exist however the tables were made."""
    migrate.upgrade(database)
    row = {"idx": 0, "event_id": "e", "leaf_hash": b"h", "entry": b"n"}
    with database.begin() as connection:
        connection.execute(sa.insert(leaf).values(row))

    for change in (sa.update(leaf).values(entry=b"x"), sa.delete(leaf)):
        with pytest.raises(sa.exc.DBAPIError, match="append-only"), database.begin() as connection:
            connection.execute(change)
    with database.connect() as connection:
        assert connection.scalar(sa.select(leaf.c.entry)) == b"n"


def test_a_newer_database_is_refused(database: Database) -> None:
    """An old release must not touch rows whose meaning it does not know."""
    migrate.upgrade(database)
    with database.begin() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")

    with pytest.raises(DatabaseTooNew, match="9999"):
        migrate.check(database)
    with pytest.raises(DatabaseTooNew, match="9999"):
        migrate.upgrade(database)
    assert migrate.current_revision(database) == "9999"


def test_an_upgrade_that_fails_leaves_nothing(database: Database) -> None:
    """All steps are one transaction: a failure in the middle leaves the old database."""
    migrate.upgrade(database)
    with database.begin() as connection:
        metadata.drop_all(connection, tables=[leaf])
        connection.exec_driver_sql("DELETE FROM alembic_version")  # as if 0001 had not been run

    with pytest.raises(sa.exc.DBAPIError, match="already exists"):
        migrate.upgrade(database)

    with database.connect() as connection:
        assert not sa.inspect(connection).has_table(leaf.name)


@pytest.mark.peers
def test_nodes_that_start_together_upgrade_once(postgres: Postgres) -> None:
    """Creating tables races on PostgreSQL; under the lock the second node finds them made."""
    url = postgres.database()
    databases = [Database.open(url) for _ in range(4)]
    faults: list[Exception] = []

    def upgrade(database: Database) -> None:
        try:
            migrate.upgrade(database)
            prepare(database)
        except Exception as fault:  # noqa: BLE001 - whatever it is, it must not happen
            faults.append(fault)

    threads = [threading.Thread(target=upgrade, args=(database,)) for database in databases]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert faults == []
    assert migrate.differences(databases[0]) == []
    for database in databases:
        database.close()


def test_every_name_fits_postgresql() -> None:
    """PostgreSQL cuts names at 63 bytes, and a cut name would differ from the one we compare."""
    names = [
        str(name)
        for table in metadata.tables.values()
        for name in [
            *(constraint.name for constraint in table.constraints),
            *(index.name for index in table.indexes),
        ]
        if name is not None
    ]

    assert names
    assert [name for name in names if len(name) > 63] == []
