"""Confirm: HR is read again, and what it says decides (Law 7).

On receipt (a pointer carries no dates), daily while a case waits, and right before the first
irreversible step. HR also names the successor chain: the people behind the ids.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from connectors.contract import Subject
from connectors.hr.contract import EmploymentStatus, Existence
from policies.access_end import AccessEndError, CivilDates, ZoneDefaults, derive
from reconcile.event import Employment as CaseEmployment
from reconcile.folding import facts_of
from reconcile.operations.run import Again, Blind, Closing, Finished, Run
from reconcile.policy_book import choose, store_policy
from reconcile.receiving import set_access_end
from reconcile.rescinding import rescind
from reconcile.store.case_file import PERSON
from reconcile.store.question_rows import place_hold, store_reading, was_released

if TYPE_CHECKING:
    from connectors.hr.contract import Employment, HrSource
    from reconcile.event import Person
    from reconcile.store.case_file import CaseFile


def confirm(run: Run) -> Finished | Closing:
    """Ask HR about the leaver, the named successor and the manager. Raises faults."""
    hr = run.estate.hr
    if hr is None:
        return Finished({"outcome": "no HR is configured"})
    person = run.transact(lambda file: file.person)
    employment = _read(run, hr, person.subject.employment_id)
    successors = (_read(run, hr, each) for each in _chain_ids(person, employment))
    by_mail = tuple(each for each in person.chain if not each.employment_id)
    known = tuple(each.subject() for each in successors if each is not None and _stays(each))
    chain = by_mail + known  # a successor named by mail address is first in the chain
    return Closing(lambda file: _answered(run, file, employment, chain))


def _read(run: Run, hr: HrSource, employment_id: str) -> Employment | None:
    """Read one employment; None only when HR could see that there is none (Law 2)."""
    run.guard()
    reading = hr.read(employment_id)
    if reading.existence is Existence.BLIND:
        message = f"HR: {reading.blind}"
        raise Blind(message)
    return reading.employment


def _stays(employment: Employment) -> bool:
    """One who is leaving is no successor."""
    return employment.status is EmploymentStatus.ACTIVE


def _chain_ids(person: Person, employment: Employment | None) -> tuple[str, ...]:
    manager = (employment.manager if employment else "") or person.employment.manager
    own = person.subject.employment_id
    named = (each for each in (person.successor, manager) if each and "@" not in each)
    return tuple(dict.fromkeys(each for each in named if each != own))


def _answered(
    run: Run, file: CaseFile, employment: Employment | None, chain: tuple[Subject, ...]
) -> Finished | Again:
    outcome = _outcome(employment)
    store_reading(file, outcome, "hr", file.now)
    file.record("hr.read", {"outcome": outcome, "successors": len(chain)})
    person = file.person
    if employment is not None:
        person = _enriched(person, employment)
    person = replace(person, chain=chain)
    file.update(person_sealed=file.seal(PERSON, person, "person"))
    if employment is not None and outcome == "ended":
        if file.row["contained_at"] is None:
            _follow_hr(run, file, person)
        else:
            _check_not_moved(run, file, person)
    if outcome == "rescinded":
        rescind(file, "HR says the termination is off")
    elif outcome == "active" and not file.row["immediate"]:
        # Law 7: never a silent continuation against what HR says; a person looks. An immediate
        # termination is contained first (Law 3), and asked about before anything irreversible.
        place_hold(file, "hr", "hr", "HR shows no termination for this employment", "", "hr")
    return Finished({"outcome": outcome})


def _follow_hr(run: Run, file: CaseFile, person: Person) -> None:
    """Before containment HR's dates and role are the truth, whatever the event said."""
    policy, reason, wrong = choose(run.estate, facts_of(person))
    if not file.row["immediate"]:
        defaults = ZoneDefaults(policy=policy.time_zone, tenant=run.estate.time_zone)
        end = derive(person.dates, immediate=False, received_at=file.now, defaults=defaults)
        set_access_end(file, end, immediate=False)
    if policy.name != file.row["policy_name"]:  # an edited policy waits for an explicit replan
        store_policy(file.connection, run.estate, policy, file.now)
        file.update(policy_name=policy.name, policy_hash=policy.policy_hash)
        control = {"policy": policy.name, "policy_hash": policy.policy_hash, "why": reason}
        file.record("policy.selected", control)
    if wrong and not was_released(file, "policy"):
        place_hold(file, "policy", "policy", wrong, "", "guard")


def _check_not_moved(run: Run, file: CaseFile, person: Person) -> None:
    """HR has moved the end into the future after containment: a person says what goes on."""
    if file.row["immediate"]:
        return
    defaults = ZoneDefaults(tenant=run.estate.time_zone or file.row["time_zone"])
    try:
        end = derive(person.dates, immediate=False, received_at=file.now, defaults=defaults)
    except AccessEndError:
        return  # no dates: HR's status alone is what it says
    if end.at > file.now and end.at.timestamp() != file.row["access_end_at"]:
        name = f"moved/{end.at.date().isoformat()}"
        if not was_released(file, name):
            reason = "HR moved the end after containment: rescind, or release to go on"
            place_hold(file, name, "hr", reason, "", "hr")


def _outcome(employment: Employment | None) -> str:
    if employment is None:
        return "unknown"
    return _OUTCOMES[employment.status]


_OUTCOMES: Final = {
    EmploymentStatus.ACTIVE: "active",
    EmploymentStatus.SCHEDULED: "ended",
    EmploymentStatus.TERMINATED: "ended",
    EmploymentStatus.RESCINDED: "rescinded",
}


def _enriched(person: Person, employment: Employment) -> Person:
    """Fill what the event left out; what the event said stays."""
    known = person.subject
    fresh = employment.subject()
    subject = Subject(
        employment_id=known.employment_id,
        person_id=known.person_id or fresh.person_id,
        employee_number=known.employee_number or fresh.employee_number,
        emails=known.emails or fresh.emails,
        upn=known.upn,
        names=known.names or fresh.names,
        logins=known.logins,
    )
    was = person.employment
    now = CaseEmployment(
        worker_type=was.worker_type or employment.worker_type.value,
        legal_entity=was.legal_entity,
        org_unit=was.org_unit or employment.org_unit,
        country=was.country or employment.country,
        site=was.site or employment.site,
        job=was.job,
        manager=employment.manager or was.manager,
        role_key=was.role_key or employment.role_key,
    )
    return replace(person, subject=subject, employment=now, dates=_dates(person, employment))


def _dates(person: Person, employment: Employment) -> CivilDates:
    dates = employment.dates
    if not (dates.last_working_day or dates.termination_date):
        return person.dates
    return CivilDates(
        last_working_day=dates.last_working_day,
        termination_date=dates.termination_date,
        notice_date=dates.notice_date or person.dates.notice_date,
        time_zone=dates.time_zone or person.dates.time_zone,
    )
