"""CloudEvents 1.0 (structured JSON) around our own termination event, version 1: wire to noun.

Every unknown word is refused with the nearest right one: a misspelt ``last_working_day`` that was
silently dropped would cut somebody on another day. What the schema has and this version does not
act on is refused where ignoring it would change what happens to a person, and otherwise only kept
with the raw bytes; docs/api.md lists which. Called by ``deprovisioner.api``; pure.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from hashlib import sha256
from typing import Annotated, Any, Final, Literal, Self

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StrictBool,
    StrictInt,
    StringConstraints,
    ValidationError,
    model_validator,
)

from config.shapes import complaints
from connectors.contract import Subject
from deprovisioner.intake import document
from deprovisioner.intake.refusals import Unusable
from policies.access_end import AccessEndError, CivilDates, ZoneBasis, find_zone, parse_civil_date
from reconcile.event import OPENS, Action, Employment, Person, TerminationEvent

TYPE: Final = re.compile(r"org\.deprovisioner\.termination\.([a-z_]+)\.v1")
_AHEAD: Final = timedelta(days=1)
"""How far the source's clock may be ahead. It becomes the revision when none is given, and one
from next year would make every later event look old."""
_INSTANT: Final = re.compile(
    r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?(Z|[+-]\d\d:\d\d)", re.ASCII | re.IGNORECASE
)
_URN: Final = re.compile(r"urn:hr:([^:]+)(?::(.+))?")
_LARGEST: Final = 2**53 - 1  # what evidence can hold (RFC 8785)


def _civil_date(value: object) -> date:
    if not isinstance(value, str):
        raise ValueError("a date is text, YYYY-MM-DD")  # noqa: TRY004 - pydantic catches ValueError
    return parse_civil_date(value, "it")


def _instant(value: object) -> datetime:
    if not isinstance(value, str) or not _INSTANT.fullmatch(value):
        raise ValueError("an instant is text with its offset, 2026-12-18T16:00:00Z (RFC 3339)")
    try:
        return datetime.fromisoformat(value.upper()).astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise ValueError("there is no such instant") from error


def _zone(value: object) -> str:
    if not isinstance(value, str):
        raise ValueError("a time zone is text")  # noqa: TRY004 - pydantic catches ValueError
    try:
        find_zone(value)
    except AccessEndError as error:
        raise ValueError("not an IANA time zone") from error
    return value


LINE: Final = r"^[^\x00-\x1f\x7f-\x9f]*$"
"""Text without control characters: PostgreSQL has no NUL, and a line break forges a second line."""
Text = Annotated[str, StringConstraints(max_length=256, strip_whitespace=True, pattern=LINE)]
Needed = Annotated[
    str, StringConstraints(min_length=1, max_length=256, strip_whitespace=True, pattern=LINE)
]
Email = Annotated[str, StringConstraints(max_length=320, pattern=r"^([^@\s]+@[^@\s]+)?$")]
CivilDate = Annotated[date, BeforeValidator(_civil_date)]
Instant = Annotated[datetime, BeforeValidator(_instant)]
Zone = Annotated[str, BeforeValidator(_zone)]


class _Shape(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class SubjectData(_Shape):
    """Who leaves. ``employment_id`` is the key: one person may hold several employments."""

    employment_id: Needed
    person_id: Text = ""
    employee_number: Text = ""
    work_email: Email = ""
    upn: Text = ""
    display_name: Text = ""
    im: dict[str, Text] = Field(default_factory=dict)
    worker_type: Literal["employee", "contractor", "intern", "dispatched", "other", ""] = ""


class EmploymentData(_Shape):
    """Where and as what they work; policies select by it."""

    legal_entity: Text = ""
    org_unit: Text = ""
    country: Text = ""
    site: Text = ""
    manager: Text = ""
    job: Text = ""


class DatesData(_Shape):
    """Civil dates in ``time_zone``; no instants (Law 12)."""

    notice_date: CivilDate | None = None
    last_working_day: CivilDate | None = None
    termination_date: CivilDate | None = None
    pay_through_date: CivilDate | None = None
    time_zone: Zone = ""
    time_zone_basis: Literal["event", "site", "tenant_default", "policy_default", ""] = ""
    source_convention: Literal["last_day_in", "first_day_out", ""] = ""

    @model_validator(mode="after")
    def _nobody_works_after_the_end(self) -> Self:
        worked, ended = self.last_working_day, self.termination_date
        if worked and ended and worked > ended:
            raise ValueError("last_working_day is after termination_date")
        return self


class ReasonData(_Shape):
    """Why; ``involuntary`` and ``death`` may be handled with more care by a policy."""

    category: Literal[
        "voluntary", "involuntary", "end_of_contract", "retirement", "death", "transfer", "unknown"
    ] = "unknown"
    code: Text = ""


class HandoverData(_Shape):
    """Who takes over: an employment id or a work e-mail address."""

    successor: Text = ""


class FlagsData(_Shape):
    """Yes or no."""

    legal_hold: StrictBool | None = None
    rehire_eligible: StrictBool = False
    noncompete: StrictBool = False


class AccessEndData(_Shape):
    """An instant that the source itself names; taken only with action ``immediate``."""

    at: Instant
    basis: Literal["source_instant"]


class PersonData(_Shape):
    """Who leaves, when and why: what a termination and a question "what would happen" share."""

    subject: SubjectData
    employment: EmploymentData = EmploymentData()
    role_key: Text = ""
    dates: DatesData = DatesData()
    reason: ReasonData = ReasonData()
    urgency: Literal["normal", "immediate", "covert"] = "normal"
    handover: HandoverData = HandoverData()
    flags: FlagsData = FlagsData()


class TerminationData(PersonData):
    """The ``data`` of the event."""

    action: Action
    completeness: Literal["complete", "pointer"] = "complete"
    missing: tuple[Text, ...] = Field(default=(), max_length=32)
    access_end: AccessEndData | None = None
    revision: Annotated[StrictInt, Field(ge=0, le=_LARGEST)] | None = None
    supersedes: Text = ""
    ext: dict[str, Any] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _dates_where_they_are_needed(self) -> Self:
        immediate = Action.IMMEDIATE in (self.action, self.urgency)
        if self.access_end and self.action is not Action.IMMEDIATE:
            raise ValueError("access_end is only taken with action immediate; send dates")
        dated = self.dates.last_working_day or self.dates.termination_date
        complete = self.completeness == "complete"
        if self.action in OPENS and complete and not immediate and not dated:
            raise ValueError("last_working_day or termination_date is needed, or 'pointer'")
        return self


class CloudEvent(_Shape):
    """The envelope (CloudEvents 1.0.2, JSON format). Extension attributes are not taken."""

    specversion: Literal["1.0"]
    id: Needed
    source: Needed
    type: Annotated[str, StringConstraints(pattern=TYPE.pattern)]
    time: Instant | None = None
    subject: Text = ""
    datacontenttype: Literal["application/json", ""] = ""
    dataschema: Text = ""
    data: TerminationData

    @model_validator(mode="after")
    def _says_one_thing(self) -> Self:
        match = TYPE.fullmatch(self.type)
        if match is None or match[1] != self.data.action:
            raise ValueError("type and data.action name different actions")
        kind, _, named = self.subject.partition("/")
        if kind == "employment" and named != self.data.subject.employment_id:
            raise ValueError("subject and data.subject.employment_id name different employments")
        return self


def read(raw: bytes, *, received_at: datetime) -> TerminationEvent:
    """Translate a body whose signature was checked. Raises :class:`Unusable`."""
    tree = document.parse(raw)
    try:
        event = CloudEvent.model_validate(tree)
    except ValidationError as error:
        raise Unusable(c.render() for c in complaints(error, CloudEvent)) from error
    if event.time and event.time > received_at + _AHEAD:
        raise Unusable(["time: it is in the future"])
    data = event.data
    return TerminationEvent(
        event_id=event_id(event),
        action=data.action,
        person=person_of(data),
        pointer=data.completeness == "pointer",
        source=event.source,
        received_at=received_at,
        revision=_revision(event, received_at),
        source_instant=data.access_end.at if data.access_end else None,
    )


def event_id(event: CloudEvent) -> str:
    """The idempotency key: sha256 of system, tenant, source event id, subject key and action.

    ``|`` and ``%`` inside a part are percent-encoded, so that two different events can never spell
    the same text.
    """
    match = _URN.fullmatch(event.source)
    system, tenant = (match[1], match[2] or "") if match else (event.source, "")
    key = event.data.subject.employment_id
    parts = (system, tenant, event.id, key, event.data.action.value)
    joined = "|".join(part.replace("%", "%25").replace("|", "%7C") for part in parts)
    return sha256(joined.encode()).hexdigest()


def rejected_id(raw: bytes) -> str:
    """The key under which an unusable delivery is kept: the same bytes twice are kept once."""
    return "rejected-" + sha256(raw).hexdigest()


def _revision(event: CloudEvent, received_at: datetime) -> int:
    if event.data.revision is not None:
        return event.data.revision
    return int((event.time or received_at).timestamp() * 1000)


def person_of(data: PersonData) -> Person:
    """The person as the core knows them."""
    subject, job, dates = data.subject, data.employment, data.dates
    return Person(
        subject=Subject(
            employment_id=subject.employment_id,
            person_id=subject.person_id,
            employee_number=subject.employee_number,
            emails=(subject.work_email,) if subject.work_email else (),
            upn=subject.upn,
            names=(subject.display_name,) if subject.display_name else (),
        ),
        employment=Employment(
            worker_type=subject.worker_type,
            legal_entity=job.legal_entity,
            org_unit=job.org_unit,
            country=job.country,
            site=job.site,
            job=job.job,
            manager=job.manager,
            role_key=data.role_key,
        ),
        # A canonical termination_date is always the last day in, whatever the source's own meant.
        dates=CivilDates(
            notice_date=dates.notice_date,
            last_working_day=dates.last_working_day,
            termination_date=dates.termination_date,
            time_zone=dates.time_zone,
            time_zone_basis=ZoneBasis(dates.time_zone_basis or ZoneBasis.EVENT),
        ),
        reason=data.reason.category,
        urgency=data.urgency,
        successor=data.handover.successor,
        chain=tuple(_successors(data)),
        legal_hold=data.flags.legal_hold,
    )


def _successors(data: PersonData) -> Iterator[Subject]:
    for who in (data.handover.successor, data.employment.manager):
        if "@" in who:
            yield Subject(employment_id="", emails=(who,))
        elif who:
            # Where no HR can say who that is, systems are searched by it as a number.
            yield Subject(employment_id=who, employee_number=who)


def compose(data: TerminationData, *, source_event_id: str, at: datetime, source: str) -> bytes:
    """Build the same event here: what ``terminate`` and ``rescind`` post, through the same door."""
    envelope = {
        "specversion": "1.0",
        "id": source_event_id,
        "source": source,
        "type": f"org.deprovisioner.termination.{data.action}.v1",
        "time": at.astimezone(UTC).isoformat().replace("+00:00", "Z"),
        "datacontenttype": "application/json",
        "data": data.model_dump(mode="json", exclude_defaults=True),
    }
    return json.dumps(envelope, ensure_ascii=False).encode()


def envelope_schema() -> dict[str, Any]:
    """JSON Schema of what :func:`read` takes, for the served OpenAPI document."""
    return CloudEvent.model_json_schema(ref_template="#/components/schemas/{model}")
