"""Rows of the inbox: every delivery whose signature held, and what became of it.

Written by ``reconcile.receiving`` in the transaction that applies the event, read by
``reconcile.inbox``. The body is sealed before it comes here. It decides nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

import sqlalchemy as sa

from reconcile.store.instants import epoch, instant
from reconcile.store.schema import inbox


class Taken(StrEnum):
    """What became of a delivery."""

    ACCEPTED = "accepted"
    DUPLICATE = "duplicate"
    KEPT = "kept"
    REJECTED = "rejected"


@dataclass(frozen=True, slots=True)
class Delivery:
    """One delivery without its body. ``problem`` says why it was refused; empty otherwise."""

    event_id: str
    received_at: datetime
    principal: str
    source: str
    employment_id: str
    raw_sha256: str
    state: Taken
    problem: str
    case_id: str | None


_PLAIN: Final = frozenset(
    {"event_id", "principal", "source", "employment_id", "raw_sha256", "problem", "case_id"}
)
_SHOWN: Final = [column for column in inbox.c if column.name != "raw_sealed"]


def insert_delivery(
    connection: sa.Connection, delivery: Delivery, sealed: bytes, revision: int
) -> None:
    """Keep a delivery with its sealed body. ``revision`` 0 overtakes nothing."""
    connection.execute(
        sa.insert(inbox).values(
            {name: getattr(delivery, name) for name in _PLAIN}
            | {
                "received_at": epoch(delivery.received_at),
                "state": delivery.state.value,
                "raw_sealed": sealed,
                "revision": revision,
            }
        )
    )


def load_delivery(connection: sa.Connection, event_id: str) -> Delivery | None:
    """Find one delivery by its event."""
    query = sa.select(*_SHOWN).where(inbox.c.event_id == event_id)
    row = connection.execute(query).mappings().first()
    return None if row is None else _delivery(row)


def load_deliveries(
    connection: sa.Connection, state: Taken | None, limit: int
) -> tuple[Delivery, ...]:
    """List the newest deliveries, newest first; of one state when it is given."""
    query = sa.select(*_SHOWN).order_by(inbox.c.received_at.desc(), inbox.c.event_id).limit(limit)
    if state is not None:
        query = query.where(inbox.c.state == state.value)
    return tuple(_delivery(row) for row in connection.execute(query).mappings())


def sealed_body(connection: sa.Connection, event_id: str) -> bytes | None:
    """Return the body as it was sealed; None when there is none any more."""
    query = sa.select(inbox.c.raw_sealed).where(inbox.c.event_id == event_id)
    sealed: bytes | None = connection.scalar(query)
    return sealed


def newest_revision(connection: sa.Connection, employment_id: str, source: str) -> int:
    """Return the highest revision that a source has sent about an employment; 0 for none.

    Each source counts for itself.
    """
    query = sa.select(sa.func.max(inbox.c.revision)).where(
        inbox.c.employment_id == employment_id,
        inbox.c.source == source,
        inbox.c.state != Taken.REJECTED.value,
    )
    return int(connection.scalar(query) or 0)


def _delivery(row: sa.RowMapping) -> Delivery:
    values = {column.name: row[column] for column in _SHOWN if column.name in _PLAIN}
    return Delivery(
        **values, received_at=instant(row[inbox.c.received_at]), state=Taken(row[inbox.c.state])
    )
