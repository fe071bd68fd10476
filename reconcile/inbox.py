"""Deliveries as they may be looked at: what came, what became of it, and why it was refused.

Called by the desk. It only reads; `reconcile.receiving` writes the rows. The body names a person
and stays sealed unless it is asked for.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Final

import sqlalchemy as sa

from reconcile.errors import NotAllowed, UnknownQuestion
from reconcile.receiving import UNASSIGNED, Taken
from reconcile.sealing import KeyDestroyed, unseal
from reconcile.store.instants import instant
from reconcile.store.schema import inbox

if TYPE_CHECKING:
    from reconcile.store.case_file import Archive

_SHOWN: Final = [column for column in inbox.c if column.name != "raw_sealed"]

_PLAIN: Final = frozenset(
    {"event_id", "principal", "source", "employment_id", "raw_sha256", "problem", "case_id"}
)


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


def deliveries(connection: sa.Connection, state: Taken | None, limit: int) -> tuple[Delivery, ...]:
    """The newest deliveries, newest first; of one state when it is given."""
    query = sa.select(*_SHOWN).order_by(inbox.c.received_at.desc(), inbox.c.event_id).limit(limit)
    if state is not None:
        query = query.where(inbox.c.state == state.value)
    return tuple(_delivery(row) for row in connection.execute(query).mappings())


def delivery(connection: sa.Connection, event_id: str) -> Delivery:
    """One delivery. Raises :class:`UnknownQuestion`."""
    query = sa.select(*_SHOWN).where(inbox.c.event_id == event_id)
    row = connection.execute(query).mappings().first()
    if row is None:
        raise UnknownQuestion("there is no such delivery")
    return _delivery(row)


def body(connection: sa.Connection, archive: Archive, event_id: str) -> bytes:
    """The bytes as they came. Raises :class:`UnknownQuestion`; :class:`NotAllowed` once erased."""
    query = sa.select(inbox.c.raw_sealed, inbox.c.case_id).where(inbox.c.event_id == event_id)
    row = connection.execute(query).first()
    if row is None:
        raise UnknownQuestion("there is no such delivery")
    try:
        key = archive.keys.get(connection, row.case_id or UNASSIGNED)
    except KeyDestroyed as error:
        raise NotAllowed("the body was erased with its case") from error
    if row.raw_sealed is None:
        raise NotAllowed("the body was erased with its case")
    return unseal(key, row.raw_sealed, f"inbox/{event_id}")


def _delivery(row: sa.RowMapping) -> Delivery:
    values = {column.name: row[column] for column in _SHOWN if column.name in _PLAIN}
    return Delivery(
        **values, received_at=instant(row[inbox.c.received_at]), state=Taken(row[inbox.c.state])
    )
