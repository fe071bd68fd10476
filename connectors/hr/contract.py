"""What an HR source answers: an employment, "no such employment", or "I could not see".

Called by intake, by the daily re-validation and right before the first irreversible step (Law 7).
The three answers are never mixed: a fault or a blind read is not "does not exist" (Law 2), and
"does not exist" is a question to a person, not a termination.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum
from typing import Protocol

from connectors.contract import Page, Probe, Subject


class EmploymentStatus(StrEnum):
    """What HR says of an employment now; dates say from when.

    A source may say ``terminated`` as soon as a termination is on record for a future day, so
    nothing may be cut on the status alone.
    """

    ACTIVE = "active"
    SCHEDULED = "scheduled"
    TERMINATED = "terminated"
    RESCINDED = "rescinded"


class WorkerType(StrEnum):
    """What kind of worker; a word that is not known is ``other``."""

    EMPLOYEE = "employee"
    CONTRACTOR = "contractor"
    INTERN = "intern"
    DISPATCHED = "dispatched"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class EmploymentDates:
    """Civil dates, each the last day *in* something, never an instant (Law 12).

    ``time_zone`` is the IANA name in which they are meant; empty when the source does not say.
    """

    notice_date: date | None = None
    last_working_day: date | None = None
    termination_date: date | None = None
    time_zone: str = ""


@dataclass(frozen=True, slots=True)
class Employment:
    """One employment as HR has it. Personal data throughout: never logged (Law 10).

    ``employment_id`` correlates, not the person: one person may hold several employments.
    ``manager`` is the manager's employment id. ``revision`` grows with each change; zero when the
    source does not count.
    """

    employment_id: str
    status: EmploymentStatus
    dates: EmploymentDates = field(default_factory=EmploymentDates)
    person_id: str = ""
    employee_number: str = ""
    manager: str = ""
    org_unit: str = ""
    country: str = ""
    site: str = ""
    role_key: str = ""
    worker_type: WorkerType = WorkerType.OTHER
    emails: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    revision: int = 0

    def subject(self) -> Subject:
        """Say of this person what connectors search by."""
        return Subject(
            employment_id=self.employment_id,
            person_id=self.person_id,
            employee_number=self.employee_number,
            emails=self.emails,
            names=self.names,
        )


class Existence(StrEnum):
    """What a read says about an employment being there."""

    EXISTS = "exists"
    DOES_NOT_EXIST = "does not exist"
    BLIND = "blind"


@dataclass(frozen=True, slots=True)
class EmploymentReading:
    """The answer to one read. ``employment`` is set exactly when it exists.

    ``blind`` says why nothing may be concluded, without personal data; empty otherwise.
    """

    existence: Existence
    read_at: datetime
    employment: Employment | None = None
    blind: str = ""


class HrSource(Protocol):
    """Answers about employments. Raises :class:`~connectors.faults.Fault` when it cannot."""

    def read(self, employment_id: str) -> EmploymentReading:
        """Read one employment; "does not exist" only with the canary seen just after."""
        ...

    def left_since(self, day: date) -> Iterator[Page[Employment]]:
        """Page through employments whose termination date is ``day`` or later, also future ones.

        The end of the last page carries the canary, as in every read.
        """
        ...

    def probe(self) -> Iterator[Probe]:
        """Answer ``doctor`` without changing anything."""
        ...

    def close(self) -> None:
        """Let go of connections. May be called twice."""
        ...
