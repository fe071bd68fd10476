"""The sandbox company's HR system: employments over HTTP, terminations that can be scheduled and
called off.

Started by `running`; read by the project's HR connector; changed by tests and the demo in Python
or through `control`. It is the truth about employments in the sandbox: webhooks (`sender`) are
wake-up calls.
"""

import threading
from dataclasses import dataclass, replace
from datetime import date
from enum import StrEnum
from typing import Any

from deprovisioner.sandbox.loopback_http import Answer, Call, JsonServer, problem
from deprovisioner.sandbox.people import EmploymentId, Person

_MOST_PER_PAGE = 500


class EmploymentStatus(StrEnum):
    """What HR says; `terminated` as soon as a termination is on record, also for a future day."""

    ACTIVE = "active"
    TERMINATED = "terminated"
    RESCINDED = "rescinded"


@dataclass(frozen=True, slots=True)
class Termination:
    """The end of an employment in civil dates, both the last day in employment."""

    last_working_day: date
    termination_date: date
    notice_date: date | None = None
    reason: str = "voluntary"
    urgency: str = "normal"
    successor: EmploymentId | None = None


@dataclass(frozen=True, slots=True)
class Employment:
    """One person's employment as HR has it; `revision` grows by one with every change."""

    person: Person
    status: EmploymentStatus = EmploymentStatus.ACTIVE
    termination: Termination | None = None
    revision: int = 1


@dataclass(frozen=True, slots=True)
class HumanResourcesFaults:
    """What is wrong with the HR system: answer every call with a code, or forget everybody."""

    answer_code: int = 0
    forgets_everybody: bool = False


class HumanResources:
    """The employments of the company, safe to change from any thread, and the server that shows
    them.
    """

    def __init__(self, people: tuple[Person, ...], token: str, *, port: int = 0) -> None:
        self._lock = threading.Lock()
        self._employments = {person.employment_id: Employment(person) for person in people}
        self.faults = HumanResourcesFaults()
        self.server = JsonServer(self._respond, token, port=port)

    def employment(self, employment: EmploymentId) -> Employment:
        """Return one employment; raises KeyError on a stranger."""
        with self._lock:
            return self._employments[employment]

    def schedule(self, employment: EmploymentId, termination: Termination) -> Employment:
        """Put a termination on record, or move it; raises KeyError on a stranger."""
        return self._change(employment, EmploymentStatus.TERMINATED, termination)

    def rescind(self, employment: EmploymentId) -> Employment:
        """Call a termination off; the dates are gone, as in most real systems."""
        return self._change(employment, EmploymentStatus.RESCINDED, None)

    def _change(
        self, employment: EmploymentId, status: EmploymentStatus, termination: Termination | None
    ) -> Employment:
        with self._lock:
            old = self._employments[employment]
            new = replace(old, status=status, termination=termination, revision=old.revision + 1)
            self._employments[employment] = new
            return new

    def _respond(self, call: Call) -> Answer:
        if self.faults.answer_code:
            return problem(self.faults.answer_code, "told to by a fault")
        if call.method != "GET" or call.path[:1] != ("employments",):
            return problem(404, "no such resource")
        if len(call.path) == 1:
            return self._page(call.query)
        with self._lock:
            known = self._employments.get(EmploymentId(call.path[1]))
        if len(call.path) != 2 or known is None or self.faults.forgets_everybody:
            return problem(404, "no such employment")
        return Answer(200, as_wire(known))

    def _page(self, query: dict[str, str]) -> Answer:
        try:
            since = date.fromisoformat(query["ended_since"]) if "ended_since" in query else None
            start, limit = int(query.get("cursor", "0")), int(query.get("limit", "100"))
        except ValueError:
            return problem(400, "ended_since is a date, cursor and limit come from us")
        if start < 0 or not 1 <= limit <= _MOST_PER_PAGE:
            return problem(400, f"limit is 1 to {_MOST_PER_PAGE}")
        with self._lock:
            every = list(self._employments.values())
        chosen = [] if self.faults.forgets_everybody else [e for e in every if _ended(e, since)]
        following = str(start + limit) if start + limit < len(chosen) else None
        page = [as_wire(employment) for employment in chosen[start : start + limit]]
        return Answer(200, {"employments": page, "next": following})


def _ended(employment: Employment, since: date | None) -> bool:
    if since is None:
        return True
    termination = employment.termination
    return termination is not None and termination.termination_date >= since


def as_wire(employment: Employment) -> dict[str, Any]:
    """Return the JSON of one employment. `manager` is an employment id; dates are civil, last day
    in.
    """
    person, termination = employment.person, employment.termination
    return {
        "employment_id": person.employment_id,
        "person_id": person.person_id,
        "employee_number": person.employee_number,
        "names": {
            "given": person.given_name,
            "family": person.family_name,
            "display": person.display_name,
        },
        "work_email": person.work_email,
        "status": employment.status.value,
        "dates": {"hire_date": person.hire_date, **dates_as_wire(termination)},
        "time_zone": person.site.time_zone,
        "manager": person.manager,
        "org_unit": person.org_unit,
        "role_key": person.role_key,
        "worker_type": person.worker_type.value,
        "site": person.site.name,
        "country": person.site.country,
        "revision": employment.revision,
    }


def dates_as_wire(termination: Termination | None) -> dict[str, str | None]:
    """Return the civil dates of a termination, all null without one."""
    days = (
        (None, None, None)
        if termination is None
        else (
            termination.notice_date,
            termination.last_working_day,
            termination.termination_date,
        )
    )
    names = ("notice_date", "last_working_day", "termination_date")
    return {name: day.isoformat() if day else None for name, day in zip(names, days, strict=True)}


def termination_from_wire(body: dict[str, Any]) -> Termination:
    """Read a termination; raises ValueError on anything but the documented fields."""
    known = {
        "last_working_day",
        "termination_date",
        "notice_date",
        "reason",
        "urgency",
        "successor",
    }
    strangers = sorted(set(body) - known)
    wrong = [name for name, value in body.items() if not isinstance(value, str)]
    if strangers or wrong or "last_working_day" not in body:
        raise ValueError("a termination is last_working_day and optional texts")
    last = date.fromisoformat(body["last_working_day"])
    notice = body.get("notice_date")
    return Termination(
        last_working_day=last,
        termination_date=date.fromisoformat(body.get("termination_date", last.isoformat())),
        notice_date=date.fromisoformat(notice) if notice else None,
        reason=body.get("reason", "voluntary"),
        urgency=body.get("urgency", "normal"),
        successor=EmploymentId(body["successor"]) if "successor" in body else None,
    )
