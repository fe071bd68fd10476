"""The JSON of an HR source, checked field by field and turned into the contract's nouns.

Unknown fields are ignored, wrong ones make the whole answer malformed. Values never appear in
error texts (Law 10).
"""

from __future__ import annotations

import re
from datetime import date
from typing import Annotated, Final, TypeVar
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
)

from connectors.faults import Malformed
from connectors.hr.contract import Employment, EmploymentDates, EmploymentStatus, WorkerType

MAX_TEXT: Final = 512
MAX_ITEMS: Final = 5_000
_DAY: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
Text = Annotated[str, StringConstraints(max_length=MAX_TEXT)]


def _only_a_day(value: object) -> date:
    """Refuse instants and numbers: midnight of whose zone would that day be? (Law 12)."""
    if isinstance(value, str) and _DAY.fullmatch(value):
        return date.fromisoformat(value)
    raise ValueError("a day is YYYY-MM-DD")


CivilDate = Annotated[date, BeforeValidator(_only_a_day)]
Shape = TypeVar("Shape", bound="_Wire")


class _Wire(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)


class DatesOnWire(_Wire):
    """Civil dates as ``YYYY-MM-DD`` or null."""

    notice_date: CivilDate | None = None
    last_working_day: CivilDate | None = None
    termination_date: CivilDate | None = None
    time_zone: Text | None = None


class EmploymentOnWire(_Wire):
    """One employment. ``names`` is a list, or an object whose values are names.

    ``time_zone`` may stand with the dates or beside them; with the dates wins.
    """

    employment_id: Annotated[str, StringConstraints(min_length=1, max_length=MAX_TEXT)]
    status: EmploymentStatus
    dates: DatesOnWire = DatesOnWire()
    time_zone: Text | None = None
    person_id: Text | None = None
    employee_number: Text | None = None
    names: list[Text] | dict[str, Text | None] = Field(default_factory=list, max_length=16)
    work_email: Text | None = None
    manager: Text | None = None
    org_unit: Text | None = None
    country: Text | None = None
    site: Text | None = None
    role_key: Text | None = None
    worker_type: Text | None = None
    revision: Annotated[int, Field(ge=0)] = 0

    def employment(self) -> Employment:
        """Turn into the contract's noun. Raises :class:`~connectors.faults.Malformed`."""
        names = self.names.values() if isinstance(self.names, dict) else self.names
        return Employment(
            employment_id=self.employment_id,
            status=self.status,
            dates=EmploymentDates(
                notice_date=self.dates.notice_date,
                last_working_day=self.dates.last_working_day,
                termination_date=self.dates.termination_date,
                time_zone=_zone(self.dates.time_zone or self.time_zone or ""),
            ),
            person_id=self.person_id or "",
            employee_number=self.employee_number or "",
            manager=self.manager or "",
            org_unit=self.org_unit or "",
            country=self.country or "",
            site=self.site or "",
            role_key=self.role_key or "",
            worker_type=_worker_type(self.worker_type or ""),
            emails=(self.work_email,) if self.work_email else (),
            names=tuple(name for name in names if name),
            revision=self.revision,
        )


class ListOnWire(_Wire):
    """A page of employments; ``next`` must be there, null on the last page."""

    employments: Annotated[list[EmploymentOnWire], Field(max_length=MAX_ITEMS)]
    next: Annotated[str, StringConstraints(min_length=1, max_length=MAX_TEXT)] | None


def parsed(shape: type[Shape], body: bytes) -> Shape:
    """Check JSON against a shape, strictly. Raises :class:`~connectors.faults.Malformed`."""
    try:
        return shape.model_validate_json(body, strict=True)
    except ValidationError as error:
        where = error.errors(include_input=False, include_url=False)[0]["loc"]
        field = ".".join(str(part) for part in where) or "the document"
        raise Malformed(f"hr: not as agreed at {field}", code="hr:shape") from error


def _zone(name: str) -> str:
    """Check an IANA name, so that a wrong one is a fault today and no wrong instant later."""
    try:
        return ZoneInfo(name).key if name else ""
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise Malformed("hr: not an IANA time zone", code="hr:time-zone") from error


def _worker_type(word: str) -> WorkerType:
    return WorkerType(word) if word in set(WorkerType) else WorkerType.OTHER
