"""The canonical termination event: what HR said, as nouns. No parsing, no signature, no I/O here.

The roof's intake turns bytes into a :class:`TerminationEvent`; :class:`reconcile.desk.Desk` takes
it. Dates stay civil dates with their source's convention (Law 12); the one instant is derived by
``policies.access_end``. Everything about a person is personal data.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from connectors.contract import Subject
from policies.access_end import CivilDates


class Action(StrEnum):
    """What happened to the employment, in the words of the canonical schema, version 1."""

    SCHEDULED = "scheduled"
    RESCHEDULED = "rescheduled"
    EFFECTIVE = "effective"
    IMMEDIATE = "immediate"
    RESCINDED = "rescinded"
    REHIRED = "rehired"
    RECORD_DELETED = "record_deleted"
    STATUS_HINT = "status_hint"


OPENS = frozenset({Action.SCHEDULED, Action.RESCHEDULED, Action.EFFECTIVE, Action.IMMEDIATE})
"""Actions that open a case or change the dates of an open one."""


@dataclass(frozen=True, slots=True)
class Employment:
    """Where and as what the person works: the fields that policies match on."""

    worker_type: str = ""
    legal_entity: str = ""
    org_unit: str = ""
    country: str = ""
    site: str = ""
    job: str = ""
    manager: str = ""
    role_key: str = ""


@dataclass(frozen=True, slots=True)
class Person:
    """All that a case knows about its person; stored sealed under the key of the case."""

    subject: Subject
    employment: Employment = field(default_factory=Employment)
    dates: CivilDates = field(default_factory=CivilDates)
    reason: str = "unknown"
    urgency: str = "normal"
    successor: str = ""
    chain: tuple[Subject, ...] = ()
    """Possible successors in order, as HR knows them: named successor first, then the manager."""
    legal_hold: bool | None = None
    """None: nobody has said. A hold that HR or counsel lifts is an event that says False."""


@dataclass(frozen=True, slots=True)
class TerminationEvent:
    """One canonical event. ``event_id`` is the idempotency key: the same id is taken once."""

    event_id: str
    action: Action
    person: Person
    pointer: bool
    source: str
    received_at: datetime
    revision: int = 0
    source_instant: datetime | None = None
    """An instant the source itself gave for the end of access; used only with ``immediate``."""
