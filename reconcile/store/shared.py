"""The shared database: PostgreSQL, for several nodes.

Called by `database` only. Its settings exist for one reason each: a frozen or unreachable node
must not hold what the living ones need.
"""

from __future__ import annotations

from typing import Final

import sqlalchemy as sa

from reconcile.store.errors import DatabaseMisconfigured

_POOL: Final = 10
_OVERFLOW: Final = 20
"""At most 30 connections a node: max_connections of the server must be at least nodes x 30."""

_SESSION: Final = {
    # A node frozen inside a transaction keeps its row locks; the server ends it after this.
    "idle_in_transaction_session_timeout": "30s",
    # As long as the embedded database waits; then the transaction is tried again.
    "lock_timeout": "30s",
}
_CONNECT: Final = {
    "application_name": "deprovisioner",
    "connect_timeout": 5,
    "keepalives_idle": 5,
    "keepalives_interval": 2,
    "keepalives_count": 3,
    "tcp_user_timeout": 10_000,  # milliseconds; a vanished server is noticed within a heartbeat
}


def open_engine(url: sa.URL) -> sa.Engine:
    """Return the engine; it connects when first used."""
    if not url.database:
        raise DatabaseMisconfigured("name the database: postgresql://USER@HOST/NAME")
    options = " ".join(f"-c {name}={value}" for name, value in _SESSION.items())
    given = url.query.get("options")
    if given is not None:  # the operator's own options come last and win
        options += " " + (given if isinstance(given, str) else " ".join(given))
        url = url.difference_update_query(["options"])
    return sa.create_engine(
        url.set(drivername="postgresql+psycopg"),
        pool_size=_POOL,
        max_overflow=_OVERFLOW,
        pool_pre_ping=True,
        pool_timeout=30,
        connect_args={**_CONNECT, "options": options},
        hide_parameters=True,  # Law 10: no value of a statement in an error text
    )
