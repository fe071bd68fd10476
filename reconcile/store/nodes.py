"""The table of running processes and until when each is known to live.

Read and written by the engine's lease and reaper; read once more by whoever must be alone with a
shared database. A row is a process start, not a machine: a restarted daemon is a new node, never
mistaken for the one whose work it takes.
"""

import sqlalchemy as sa

from reconcile.store.metadata import metadata

nodes = sa.Table(
    "nodes",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("started_at", sa.Double, nullable=False),
    sa.Column("lease_until", sa.Double, nullable=False),
    sa.Column("live", sa.Boolean, nullable=False),
)
"""Instants are seconds since 1970 on the clock of the database. ``live`` goes from true to false
once and never back: a node that finds it false ends itself."""


def keep_out(connection: sa.Connection, now: sa.ColumnElement[float]) -> bool:
    """Let no node join a shared database until this transaction ends; False when one lives there.

    ``now`` is the clock of the database. A node that was killed lives until its lease is over.
    """
    connection.execute(sa.text("LOCK TABLE nodes IN SHARE ROW EXCLUSIVE MODE"))
    living = sa.select(nodes.c.id).where(nodes.c.live, nodes.c.lease_until > now)
    return connection.execute(living).first() is None
