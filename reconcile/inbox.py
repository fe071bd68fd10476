"""Deliveries as they may be looked at: what came, what became of it, and why it was refused.

Called by the desk. It only reads; ``reconcile.receiving`` takes deliveries in. The body names a
person and stays sealed unless it is asked for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from reconcile.errors import NotAllowed, UnknownQuestion
from reconcile.sealing import KeyDestroyed, unseal
from reconcile.store.inbox_rows import load_delivery, sealed_body

if TYPE_CHECKING:
    import sqlalchemy as sa

    from reconcile.store.case_file import Archive
    from reconcile.store.inbox_rows import Delivery

UNASSIGNED: Final = "unassigned"
"""The key under which deliveries that belong to no case are sealed."""


def delivery(connection: sa.Connection, event_id: str) -> Delivery:
    """One delivery. Raises :class:`UnknownQuestion`."""
    found = load_delivery(connection, event_id)
    if found is None:
        raise UnknownQuestion("there is no such delivery")
    return found


def body(connection: sa.Connection, archive: Archive, event_id: str) -> bytes:
    """The bytes as they came. Raises :class:`UnknownQuestion`; :class:`NotAllowed` once erased."""
    found = delivery(connection, event_id)
    try:
        key = archive.keys.get(connection, found.case_id or UNASSIGNED)
    except KeyDestroyed as error:
        raise NotAllowed("the body was erased with its case") from error
    sealed = sealed_body(connection, event_id)
    if sealed is None:
        raise NotAllowed("the body was erased with its case")
    return unseal(key, sealed, f"inbox/{event_id}")
