"""What is known of a person: one event laid over what others said, and what policies match on.

Pure. Called where an event is taken in, where HR answers, and where a plan is previewed.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from policies.fields import Facts

if TYPE_CHECKING:
    from policies.access_end import CivilDates
    from reconcile.event import Person


def merged(before: Person, after: Person) -> Person:
    """Lay what a later event says over what is known; silence changes nothing."""
    subject = replace(
        before.subject,
        **{
            name: getattr(after.subject, name)
            for name in ("person_id", "employee_number", "emails", "upn", "names", "logins")
            if getattr(after.subject, name)
        },
    )
    employment = replace(
        before.employment,
        **{
            name: getattr(after.employment, name)
            for name in after.employment.__slots__
            if getattr(after.employment, name)
        },
    )
    return replace(
        before,
        subject=subject,
        employment=employment,
        dates=_merged_dates(before.dates, after.dates),
        reason=after.reason if after.reason != "unknown" else before.reason,
        urgency=after.urgency if after.urgency != "normal" else before.urgency,
        successor=after.successor or before.successor,
        chain=after.chain or before.chain,
        legal_hold=before.legal_hold if after.legal_hold is None else after.legal_hold,
    )


def _merged_dates(before: CivilDates, after: CivilDates) -> CivilDates:
    """Take each date that the later event names; a zone that it does not name stays."""
    named = ("last_working_day", "termination_date", "notice_date")
    changes: dict[str, Any] = {
        name: getattr(after, name) for name in named if getattr(after, name) is not None
    }
    if after.time_zone:
        changes |= {"time_zone": after.time_zone, "time_zone_basis": after.time_zone_basis}
    if changes.get("termination_date"):
        changes["convention"] = after.convention
    return replace(before, **changes)


def facts_of(person: Person) -> Facts:
    """Make the facts that policies match on."""
    subject, employment, dates = person.subject, person.employment, person.dates
    return Facts(
        employment_id=subject.employment_id,
        person_id=subject.person_id,
        employee_number=subject.employee_number,
        email=subject.emails[0] if subject.emails else "",
        upn=subject.upn,
        worker_type=employment.worker_type,
        legal_entity=employment.legal_entity,
        org_unit=employment.org_unit,
        country=employment.country,
        site=employment.site,
        manager=employment.manager,
        job=employment.job,
        role_key=employment.role_key,
        reason_category=person.reason,
        urgency=person.urgency,
        notice_date=dates.notice_date,
        last_working_day=dates.last_working_day,
        termination_date=dates.termination_date,
        legal_hold=person.legal_hold,
    )
