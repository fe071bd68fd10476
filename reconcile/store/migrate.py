"""Brings our tables to the version this code was written for, and refuses what is newer.

Called by the roof before anything reads a row, and by the operator's command. The steps are in
`migrations/versions`, inside the package, so that an installed wheel can upgrade its own database.
Tables of the engine library are not touched here: `reconcile.engine` prepares those.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import sqlalchemy as sa
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory

from reconcile.store import ledger_schema, nodes, schema
from reconcile.store.database import Database
from reconcile.store.errors import DatabaseTooNew
from reconcile.store.metadata import metadata

TABLES: Final = (nodes, schema, ledger_schema)
"""Every module that hangs tables on the metadata: without its import a table does not exist."""

_LOCK: Final = 0x6465_7072_0001
"""Advisory lock of migrations ("depr", 1): nodes that start together take turns."""


def upgrade(database: Database) -> str:
    """Upgrade our tables in one transaction and return the revision they now have.

    Nodes may call it at the same time; cases may be in flight. Raises `DatabaseTooNew` when a
    newer release has already been here.
    """
    with database.begin() as connection:
        if database.is_postgresql:
            connection.exec_driver_sql("SET LOCAL lock_timeout = 0")  # a long upgrade is waited for
            connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_LOCK)))
        _refuse_newer(_revision(connection))
        command.upgrade(_config(connection), "head")
    return newest_revision()


def draft(database: Database, message: str, revision: str) -> None:
    """Write the difference between `database` and the tables of this code as the next revision.

    For developers (`python -m reconcile.store.migrations`); the draft is read and corrected.
    """
    with database.begin() as connection:
        config = _config(connection)
        command.upgrade(config, "head")
        command.revision(config, message, autogenerate=True, rev_id=revision)


def check(database: Database) -> None:
    """Raise `DatabaseTooNew` when a newer release has written here; for callers that only read."""
    _refuse_newer(current_revision(database))


def current_revision(database: Database) -> str | None:
    """Return the revision the database stands at; None when it was never upgraded."""
    with database.connect() as connection:
        return _revision(connection)


def newest_revision() -> str:
    """Return the revision this code was written for."""
    head = _scripts().get_current_head()
    if head is None:
        raise DatabaseTooNew("this installation has no migrations; install the package again")
    return head


def differences(database: Database) -> list[Any]:
    """Compare the database with the tables of this code; an empty list means that they agree."""
    with database.begin() as connection:
        context = MigrationContext.configure(
            connection, opts={"include_name": include_name, "compare_type": True}
        )
        return list(compare_metadata(context, metadata))


def include_name(name: str | None, kind: str, _parents: object) -> bool:
    """Leave out tables that are not ours: the engine library keeps its own beside them."""
    return kind != "table" or name in metadata.tables


def _refuse_newer(revision: str | None) -> None:
    known = {script.revision for script in _scripts().walk_revisions()}
    if revision is not None and revision not in known:
        raise DatabaseTooNew(
            f"the database stands at revision {revision}, which this release does not know; "
            "install the release that wrote it, or a newer one"
        )


def _revision(connection: sa.Connection) -> str | None:
    return MigrationContext.configure(connection).get_current_revision()


def _scripts() -> ScriptDirectory:
    return ScriptDirectory.from_config(_config())


def _config(connection: sa.Connection | None = None) -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    return config
