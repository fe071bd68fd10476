"""Tables of the evidence: the log (``ev_*``), the chains and records of cases, and the keys of
cases.

Read and written by `ledger`, `evidence_log` and `reconcile.sealing`; the migration makes them from
the shared metadata and runs `APPEND_ONLY`. Instants are UTC seconds since 1970. Nothing in an
``ev_*`` table says anything about anybody: entries are opaque 32-byte values (Law 10).
"""

from collections.abc import Mapping
from typing import Final

import sqlalchemy as sa

from reconcile.store.metadata import metadata

_BIG = sa.BigInteger().with_variant(sa.Integer, "sqlite")  # only INTEGER counts up by itself there

pending = sa.Table(
    "ev_pending",
    metadata,
    sa.Column("id", _BIG, primary_key=True, autoincrement=True),
    sa.Column("event_id", sa.Text, nullable=False, unique=True),
    sa.Column("entry", sa.LargeBinary, nullable=False),
    sa.Column("at", sa.Float, nullable=False),
)
"""The outbox: entries whose transaction committed and that have no place in the log yet. Ids
commit out of order, so nothing may ever be selected by "id above the last one seen"."""

leaf = sa.Table(
    "ev_leaf",
    metadata,
    sa.Column("idx", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("event_id", sa.Text, nullable=False, unique=True),
    sa.Column("leaf_hash", sa.LargeBinary, nullable=False),
    sa.Column("entry", sa.LargeBinary, nullable=False),
)
"""The log: contiguous from 0, append-only by trigger (hygiene; the proof is the signed root)."""

node = sa.Table(
    "ev_node",
    metadata,
    sa.Column("level", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("number", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("hashes", sa.LargeBinary, nullable=False),
)
"""Tiles of the tree, the partial ones in their newest width."""

tree = sa.Table(
    "ev_tree",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("size", sa.BigInteger, nullable=False),
    sa.Column("root", sa.LargeBinary, nullable=False),
)
"""One row, number 1: the committed head, and the lock that makes any number of sequencers one."""

checkpoint = sa.Table(
    "ev_checkpoint",
    metadata,
    sa.Column("size", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("note", sa.LargeBinary, nullable=False),
    sa.Column("at", sa.Float, nullable=False),
)
"""Every checkpoint that was published; ``at`` is when it was last said (heartbeats say it again).
"""

chains = sa.Table(
    "evidence_chains",
    metadata,
    sa.Column("case_id", sa.Text, primary_key=True),
    sa.Column("seq", sa.Integer, nullable=False),
    sa.Column("tip", sa.LargeBinary, nullable=False),
    sa.Column("closed", sa.Boolean, nullable=False),
)
"""The end of each chain; its row lock orders the records of a case."""

records = sa.Table(
    "evidence_records",
    metadata,
    sa.Column("case_id", sa.Text, primary_key=True),
    sa.Column("seq", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("event_id", sa.Text, nullable=False, unique=True),
    sa.Column("type", sa.Text, nullable=False),
    sa.Column("at", sa.Float, nullable=False),
    sa.Column("control", sa.Text, nullable=False),
    sa.Column("control_salt", sa.LargeBinary, nullable=False),
    sa.Column("person_sealed", sa.LargeBinary),
    sa.Column("person_commit", sa.LargeBinary, nullable=False),
    sa.Column("entry", sa.LargeBinary, nullable=False),
)
"""``control`` is canonical JSON, readable for ever; ``person_sealed`` holds the person part and
its salt under the key of the case, and is null once erased."""

case_keys = sa.Table(
    "case_keys",
    metadata,
    sa.Column("case_id", sa.Text, primary_key=True),
    sa.Column("wrapped", sa.LargeBinary),
    sa.Column("created_at", sa.Float, nullable=False),
    sa.Column("destroyed_at", sa.Float),
)
"""One data key per case, wrapped by the key-encryption key; ``wrapped`` is null once destroyed."""

_REFUSE = "BEGIN SELECT RAISE(ABORT, 'ev_leaf is append-only'); END"

APPEND_ONLY: Final[Mapping[str, tuple[str, ...]]] = {
    "sqlite": (
        f"CREATE TRIGGER ev_leaf_no_update BEFORE UPDATE ON ev_leaf {_REFUSE}",
        f"CREATE TRIGGER ev_leaf_no_delete BEFORE DELETE ON ev_leaf {_REFUSE}",
    ),
    "postgresql": (
        """
        CREATE OR REPLACE FUNCTION ev_leaf_append_only() RETURNS trigger LANGUAGE plpgsql
        AS $$ BEGIN RAISE EXCEPTION 'ev_leaf is append-only'; END $$
        """,
        """
        CREATE TRIGGER ev_leaf_no_change BEFORE UPDATE OR DELETE OR TRUNCATE ON ev_leaf
        FOR EACH STATEMENT EXECUTE FUNCTION ev_leaf_append_only()
        """,
    ),
}
"""Statements per dialect that make `leaf` append-only; ``create_all`` runs them, a migration must.
"""


def _make_append_only(_table: sa.Table, connection: sa.Connection, **_: object) -> None:
    for statement in APPEND_ONLY[connection.dialect.name]:
        connection.exec_driver_sql(statement)


sa.event.listen(leaf, "after_create", _make_append_only)
