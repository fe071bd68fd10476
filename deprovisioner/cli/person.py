"""A person as known: what was typed, filled up with what HR says where HR can be read."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from connectors.faults import Fault
from connectors.hr.contract import Employment, Existence
from connectors.secret import SecretUnavailable
from deprovisioner import logs
from deprovisioner.cli import subject as typed
from deprovisioner.cli.exits import CommandFailed, Exit
from deprovisioner.cli.shell import Shell
from deprovisioner.intake.canonical import PersonData
from deprovisioner.wiring import open_hr, utc_now


def as_known(
    shell: Shell,
    employment: str,
    *,
    number: str,
    email: str,
    name: str,
    last_day: datetime | None,
    time_zone: str,
    successor: str,
) -> PersonData:
    """What was typed wins; HR fills the rest. Raises :class:`CommandFailed`."""
    values: dict[str, Any] = {
        "subject": typed.subject(employment, number, email, name),
        "dates": typed.dates(last_day, time_zone),
        "handover": {"successor": successor},
    }
    known = None if number or email or name else _hr(shell, employment)
    if known is not None:
        values = _merged(values, known)
    return typed.checked(PersonData, values)


def check_searchable(person: PersonData) -> None:
    """Refuse to survey for nobody: an empty answer would look like "nothing is held" (Law 2).

    An employment id is HR's own; outside systems do not know it.
    """
    subject = person.subject
    known = (subject.employee_number, subject.work_email, subject.upn, subject.person_id,
             subject.display_name)  # fmt: skip
    if not any(known):
        raise CommandFailed(
            Exit.NO,
            f"there is nothing to search {subject.employment_id} by: no HR system is configured, "
            "and nothing else was said",
            "add --employee-number NUMBER or --email ADDRESS, or configure hr",
        )


def _hr(shell: Shell, employment: str) -> Employment | None:
    """Ask HR; None where none is configured."""
    logs.configure(level="error", console=True)
    source = open_hr(shell.settings(), utc_now)
    if source is None:
        return None
    advice = "say who it is with --employee-number, --email or --name"
    try:
        reading = source.read(employment)
    except (Fault, SecretUnavailable) as error:
        raise CommandFailed(Exit.UNAVAILABLE, f"HR cannot be asked: {error}", advice) from error
    finally:
        source.close()
    if reading.existence is Existence.EXISTS:
        return reading.employment
    why = reading.blind or "HR has no such employment"
    code = Exit.UNAVAILABLE if reading.blind else Exit.UNKNOWN
    raise CommandFailed(code, why, advice)


def _merged(values: dict[str, Any], known: Employment) -> dict[str, Any]:
    day = known.dates.last_working_day or known.dates.termination_date
    subject = {
        "person_id": known.person_id,
        "employee_number": known.employee_number,
        "work_email": next(iter(known.emails), ""),
        "display_name": max(known.names, key=len, default=""),
        "worker_type": known.worker_type.value,
    }
    job = {
        "org_unit": known.org_unit,
        "country": known.country,
        "site": known.site,
        "manager": known.manager,
    }
    dates = {
        "last_working_day": day.isoformat() if day else "",
        "time_zone": known.dates.time_zone,
    }
    return {
        "subject": _said(subject) | values["subject"],
        "employment": _said(job),
        "role_key": known.role_key,
        "dates": _said(dates) | values["dates"],
        "handover": values["handover"],
    }


def _said(values: dict[str, str]) -> dict[str, str]:
    return {word: value for word, value in values.items() if value}
