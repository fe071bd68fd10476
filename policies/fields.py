"""The fields that a condition may speak about, declared once: name, type, allowed words, meaning.

The checker of conditions, the documentation and the suggestions of error messages read these
tables; :class:`Facts` carries the values. A field that HR did not give is *missing*, never empty
text: a condition that needs it is false, with the reason.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import Final

from connectors.contract import KINDS
from policies.access_end import Urgency


class ValueType(StrEnum):
    """Types of the condition language."""

    TEXT = "text"
    FLAG = "flag"
    NUMBER = "number"
    DATE = "date"


@dataclass(frozen=True, slots=True)
class DeclaredField:
    """One field. ``words`` closes the set of values that it can have; empty means open."""

    path: str
    type: ValueType
    meaning: str
    words: frozenset[str] = frozenset()
    source: str = ""
    """Attribute of :class:`Facts` that holds the value."""


@dataclass(frozen=True, slots=True)
class Scope:
    """The fields visible in one place of a policy file."""

    name: str
    fields: Mapping[str, DeclaredField]

    @property
    def roots(self) -> frozenset[str]:
        """First parts of dotted fields."""
        return frozenset(path.split(".")[0] for path in self.fields if "." in path)


WORKER_TYPES: Final = frozenset({"employee", "contractor", "intern", "dispatched", "other"})
REASONS: Final = frozenset(
    {"voluntary", "involuntary", "end_of_contract", "retirement", "death", "transfer", "unknown"}
)


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known about a termination when its policy is chosen. Empty or None: missing.

    Values come from the canonical event. Personal data; never logged.
    """

    employment_id: str = ""
    person_id: str = ""
    employee_number: str = ""
    email: str = ""
    upn: str = ""
    worker_type: str = ""
    legal_entity: str = ""
    org_unit: str = ""
    country: str = ""
    site: str = ""
    manager: str = ""
    job: str = ""
    role_key: str = ""
    reason_category: str = ""
    reason_code: str = ""
    urgency: str = ""
    notice_date: date | None = None
    last_working_day: date | None = None
    termination_date: date | None = None
    pay_through_date: date | None = None
    legal_hold: bool | None = None
    rehire_eligible: bool | None = None
    noncompete: bool | None = None
    keep_account: bool | None = None

    def values(self) -> dict[str, str | bool]:
        """Known values by declared path; dates as ISO text, which orders like dates."""
        known: dict[str, str | bool] = {}
        for declared in TERMINATION.fields.values():
            value: str | bool | date | None = getattr(self, declared.source)
            if value is None or value == "":
                continue
            known[declared.path] = value.isoformat() if isinstance(value, date) else value
        return known


def _scope(name: str, *declared: DeclaredField) -> Scope:
    return Scope(name, {one.path: one for one in declared})


_TEXT, _FLAG, _DATE = ValueType.TEXT, ValueType.FLAG, ValueType.DATE
_NONE: Final[frozenset[str]] = frozenset()

TERMINATION: Final = _scope(
    "match",
    DeclaredField("subject.employment_id", _TEXT, "id of the employment", _NONE, "employment_id"),
    DeclaredField("subject.person_id", _TEXT, "id of the person", _NONE, "person_id"),
    DeclaredField("subject.employee_number", _TEXT, "number in HR", _NONE, "employee_number"),
    DeclaredField("subject.email", _TEXT, "work e-mail address", _NONE, "email"),
    DeclaredField("subject.upn", _TEXT, "user principal name", _NONE, "upn"),
    DeclaredField("subject.org_unit", _TEXT, "the same as employment.org_unit", _NONE, "org_unit"),
    DeclaredField("worker.type", _TEXT, "how the person works here", WORKER_TYPES, "worker_type"),
    DeclaredField("employment.legal_entity", _TEXT, "employing company", _NONE, "legal_entity"),
    DeclaredField("employment.org_unit", _TEXT, "department", _NONE, "org_unit"),
    DeclaredField("employment.country", _TEXT, "country as HR writes it", _NONE, "country"),
    DeclaredField("employment.site", _TEXT, "place of work", _NONE, "site"),
    DeclaredField("employment.manager", _TEXT, "employment id of the manager", _NONE, "manager"),
    DeclaredField("employment.job", _TEXT, "job title or code", _NONE, "job"),
    DeclaredField("role_key", _TEXT, "the role that HR gives", _NONE, "role_key"),
    DeclaredField("reason.category", _TEXT, "why employment ends", REASONS, "reason_category"),
    DeclaredField("reason.code", _TEXT, "the source's own reason code", _NONE, "reason_code"),
    DeclaredField("urgency", _TEXT, "how it is carried out", frozenset(Urgency), "urgency"),
    DeclaredField("dates.notice_date", _DATE, "day of notice", _NONE, "notice_date"),
    DeclaredField("dates.last_working_day", _DATE, "last day of work", _NONE, "last_working_day"),
    DeclaredField("dates.termination_date", _DATE, "last day employed", _NONE, "termination_date"),
    DeclaredField("dates.pay_through_date", _DATE, "last day paid", _NONE, "pay_through_date"),
    DeclaredField("flags.legal_hold", _FLAG, "a legal hold is on", _NONE, "legal_hold"),
    DeclaredField("flags.rehire_eligible", _FLAG, "may be rehired", _NONE, "rehire_eligible"),
    DeclaredField("flags.noncompete", _FLAG, "a non-compete applies", _NONE, "noncompete"),
    DeclaredField("flags.keep_account", _FLAG, "HR asks to keep it", _NONE, "keep_account"),
)
"""Fields of ``match:``."""

HOLDING: Final = _scope(
    "when",
    DeclaredField("system", _TEXT, "name of the system, as configured"),
    DeclaredField("kind", _TEXT, "kind of the holding", frozenset(KINDS)),
    DeclaredField("sole", _FLAG, "nobody else owns, administers or is in it"),
)
"""Fields of ``when:`` in a holding rule."""
