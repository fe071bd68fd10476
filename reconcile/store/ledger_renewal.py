"""Begins a new log over entries whose later companions are lost for good.

Called by `deprovisioner.keeping` alone, on a copy of the database that nobody else has open. A log
whose signed entries are lost has ended: continuing it would tell a second story under one name. So
the entries that are left become the first entries of a log with another name and another key. What
the old log had signed is said in the first new record, so that an auditor who kept the old
checkpoints sees exactly what is missing.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from reconcile.evidence.checkpoint import Checkpoint
from reconcile.evidence.encoding import Json
from reconcile.evidence.keys import VerifierKey
from reconcile.store import ledger_schema as schema
from reconcile.store.evidence_log import SYSTEM, EvidenceLog
from reconcile.store.ledger import published_size

RENEWED = "log.renewed"


@dataclass(frozen=True, slots=True)
class Ended:
    """The log that ended: its key, and the newest checkpoint that is known of it, if any is."""

    key: VerifierKey
    signed: Checkpoint | None


def renew(
    connection: sa.Connection,
    evidence: EvidenceLog,
    ended: Ended,
    new_origin: str,
    clock: Callable[[], datetime],
) -> None:
    """Record in the `SYSTEM` chain which log ended where, and let nothing count as published.

    The checkpoints in ``ev_checkpoint`` are signed by the old key and promise nothing in the new
    log: they go, and the newest of them stands in the record. Cases that wait for their
    checkpoint wait for the first of the new log.
    """
    held = connection.execute(sa.select(schema.tree.c.size)).scalar_one_or_none() or 0
    waiting = sa.select(sa.func.count()).select_from(schema.pending)
    control: dict[str, Json] = {
        "old_origin": ended.key.name,
        "old_key": str(ended.key),
        "old_size": ended.signed.size if ended.signed else published_size(connection),
        "old_root": ended.signed.root.hex() if ended.signed else "",
        "published_in_copy": published_size(connection),
        "held_in_copy": held,
        "waiting_in_copy": connection.execute(waiting).scalar_one(),
        "new_origin": new_origin,
    }
    connection.execute(sa.delete(schema.checkpoint))
    evidence.append(connection, SYSTEM, RENEWED, clock(), control, {})
