"""Rows of the guards: slots of the rolling window, circuit breakers, switches.

Decisions about the window are made while holding the row "brake" of ``switches``, so that two
nodes cannot both give the last slot away (Law 5).
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

import sqlalchemy as sa

from reconcile.facts import Step
from reconcile.store.instants import epoch, instant
from reconcile.store.ledger import upsert
from reconcile.store.schema import brake_slots, breakers, switches

if TYPE_CHECKING:
    from collections.abc import Iterable

BRAKE: Final = "brake"
INBOX: Final = "inbox"


def lock(connection: sa.Connection, name: str) -> None:
    """Hold the row that serialises one kind of decision over all nodes, until the commit.

    ``BRAKE``: who gets the last slot of the window. ``INBOX``: which of two deliveries is first.
    """
    query = sa.select(switches.c.name).where(switches.c.name == name).with_for_update()
    if connection.scalar(query) is None:
        message = f"the row {name!r} of switches is missing: run the migrations"
        raise LookupError(message)


def ensure_switches(connection: sa.Connection, now: datetime) -> None:
    """Create the rows the guards lock; the roof calls it after migrating, on every node."""
    rows = [
        {"name": name, "value": "", "set_by": "", "set_at": epoch(now)} for name in (BRAKE, INBOX)
    ]
    connection.execute(upsert(connection, switches).values(rows).on_conflict_do_nothing())


# Built once: see operation_rows.
_USED: Final = (
    sa.select(brake_slots.c.stage, sa.func.count())
    .where(brake_slots.c.at > sa.bindparam("since"))
    .group_by(brake_slots.c.stage)
)
_TAKEN: Final = sa.select(brake_slots.c.stage).where(brake_slots.c.case_id == sa.bindparam("this"))
_RESTING: Final = sa.select(breakers.c.system, breakers.c.open_until).where(
    breakers.c.open_until > sa.bindparam("now")
)
_FORGIVE: Final = sa.update(breakers).where(
    breakers.c.system == sa.bindparam("name"), breakers.c.failures > 0
)


def slots_used(connection: sa.Connection, since: datetime) -> dict[Step, int]:
    """Count the people let through since ``since``, by step."""
    found = connection.execute(_USED, {"since": epoch(since)})
    return {Step(stage): number for stage, number in found}


def slots_of(connection: sa.Connection, case_id: str) -> frozenset[Step]:
    """List the steps for which a case has been let through."""
    return frozenset(Step(stage) for stage in connection.scalars(_TAKEN, {"this": case_id}))


def take_slots(
    connection: sa.Connection, case_id: str, steps: Iterable[Step], now: datetime
) -> None:
    """Let a case through for these steps."""
    rows = [{"case_id": case_id, "stage": step.value, "at": epoch(now)} for step in steps]
    if rows:
        connection.execute(sa.insert(brake_slots), rows)


def open_breakers(connection: sa.Connection, now: datetime) -> dict[str, datetime]:
    """Map resting systems to the end of their rest."""
    rows = connection.execute(_RESTING, {"now": epoch(now)})
    return {system: instant(until) for system, until in rows}


def count_failure(
    connection: sa.Connection,
    system: str,
    *,
    after: int,
    rest: timedelta,
    now: datetime,
    reason: str,
) -> bool:
    """Count a failure of a system; at ``after`` in a row it rests. Returns whether it rests now."""
    query = sa.select(breakers).where(breakers.c.system == system).with_for_update()
    row = connection.execute(query).mappings().first()
    failures = (row["failures"] if row else 0) + 1
    open_until = epoch(now + rest) if failures >= after else 0.0
    values = {"failures": failures, "open_until": open_until, "reason": reason}
    if row:
        connection.execute(sa.update(breakers).where(breakers.c.system == system).values(**values))
    else:
        connection.execute(sa.insert(breakers).values(system=system, **values))
    return failures >= after


def count_success(connection: sa.Connection, system: str) -> None:
    """Forget the failures of a system that has answered."""
    clean = {"failures": 0, "open_until": 0.0, "reason": ""}
    connection.execute(_FORGIVE, {"name": system, **clean})
