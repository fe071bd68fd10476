"""Read models: what the console, the API, the report and the command line show of a case.

Built by :class:`reconcile.desk.Desk`. Views hold personal data (labels, names) and are for
authorised eyes: they are never logged.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from reconcile.case import CaseState


@dataclass(frozen=True, slots=True)
class OperationView:
    """One operation and why it waits. ``counts`` maps effect state to how many holdings."""

    seq: int
    system: str
    step: str
    state: str
    tries: int
    failures: int
    due_at: datetime | None
    waits: str
    error: str
    started_at: datetime | None
    finished_at: datetime | None
    counts: dict[str, int]


@dataclass(frozen=True, slots=True)
class HoldingView:
    """One holding: what it is, what the policy wants of it and why, what became of it."""

    number: int
    system: str
    kind: str
    label: str
    state: str
    wanted: str
    rule: str
    sole: bool
    preserved: bool
    outcome: str
    cannot_be_undone: str
    residual_until: datetime | None


@dataclass(frozen=True, slots=True)
class QuestionView:
    """A question or duty for a person, with the answers that make sense."""

    id: str
    kind: str
    system: str
    about: str
    words: str
    asked_at: datetime
    deadline: datetime
    options: tuple[str, ...]
    answer: str
    answered_by: str
    answered_at: datetime | None


@dataclass(frozen=True, slots=True)
class HoldView:
    """A hold and who released it so far. ``bound_to`` must be repeated when releasing."""

    id: str
    kind: str
    reason: str
    bound_to: str
    placed_by: str
    placed_at: datetime
    released_by: tuple[str, ...]
    needs: int
    """How many different people must release it; 0 = it cannot be released (protected)."""
    released: bool


@dataclass(frozen=True, slots=True)
class CheckView:
    """One check of closure."""

    name: str
    system: str
    about: str
    passed: bool
    why: str


@dataclass(frozen=True, slots=True)
class SurveyView:
    """One read of one system: by which credential, what it could see, what was left."""

    system: str
    phase: str
    read_at: datetime
    credential: str
    complete: bool
    canary: bool
    blind: str
    accounts: int
    holdings: int
    residue: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class AccountView:
    """One account that was found: by which rule, how surely, and what became of it.

    ``decision``: accepted, service (theirs to hand over), candidate (waits for a person) or
    rejected. ``decided_by`` is empty where the rules decided; ``reason`` is a word of
    ``correlate.Reason``, empty where there is nothing to say.
    """

    case_id: str
    employment_id: str
    system: str
    native_id: str
    login: str
    display: str
    kind: str
    rule: str
    confidence: int
    reason: str
    decision: str
    decided_by: str


@dataclass(frozen=True, slots=True)
class ClockView:
    """Until when something issued to the leaver could still work in one system, and why.

    ``reach`` and ``shortening`` are words of :mod:`reconcile.residual`; ``until`` is set iff reach
    is ``dated``. ``holding`` is the number of what lasts longest, ``unseen`` the kinds of which the
    connector declares that it cannot see them.
    """

    system: str
    reach: str
    why: str
    until: datetime | None
    holding: int | None
    kind: str
    shortening: str
    unseen: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class BackupView:
    """One object in the vault, read back. ``sha256`` is of the ciphertext."""

    system: str
    name: str
    size: int
    sha256: str
    verified_at: datetime


@dataclass(frozen=True, slots=True)
class RecordView:
    """One evidence record of the case as control data (no personal data)."""

    seq: int
    type: str
    at: datetime
    control: dict[str, object]


@dataclass(frozen=True, slots=True)
class CaseSummary:
    """A line of ``case list``."""

    id: str
    employment_id: str
    state: CaseState
    access_end: datetime
    opened_at: datetime
    closed_at: datetime | None
    checks: int
    passed: int
    percent: int
    open_questions: int


@dataclass(frozen=True, slots=True)
class CaseView:
    """Everything about a case."""

    summary: CaseSummary
    person_name: str
    immediate: bool
    time_zone: str
    access_end_basis: str
    explanation: str
    policy_name: str
    policy_hash: str
    plan_hash: str
    contained_at: datetime | None
    rescinded_at: datetime | None
    operations: tuple[OperationView, ...]
    holdings: tuple[HoldingView, ...]
    questions: tuple[QuestionView, ...]
    holds: tuple[HoldView, ...]
    checks: tuple[CheckView, ...]
    surveys: tuple[SurveyView, ...]
    backups: tuple[BackupView, ...]
    approvals: tuple[tuple[str, str, datetime], ...]
    """(stage, principal, at)."""
    excluded: tuple[tuple[str, str], ...]
    """(system, reason) of every named exclusion."""
    hr_outcome: str
    hr_read_at: datetime | None
    records: int
    records_published: bool
    residual: tuple[ClockView, ...] = ()
    """The residual-access clock of every system, the one that runs longest first."""
    accounts: tuple[AccountView, ...] = ()
    """Every account that was found, the rejected ones too."""


@dataclass(frozen=True, slots=True)
class PreviewLine:
    """One holding found by ``plan EMPLOYMENT`` and what would be done with it, when."""

    system: str
    kind: str
    label: str
    state: str
    sole: bool
    will: tuple[tuple[str, datetime | None], ...]
    """(step, instant) in order."""
    wanted: str
    rule: str
    cannot_be_undone: str
    duty: str


@dataclass(frozen=True, slots=True)
class PreviewAccount:
    """An account that the search of a preview found, as the rules judge it."""

    system: str
    native_id: str
    login: str
    kind: str
    rule: str
    confidence: int
    standing: str
    reason: str


@dataclass(frozen=True, slots=True)
class Preview:
    """What ``plan EMPLOYMENT`` shows; nothing is stored and nothing is written anywhere."""

    employment_id: str
    access_end: datetime
    explanation: str
    policy_name: str
    policy_reason: str
    lines: tuple[PreviewLine, ...]
    warnings: tuple[str, ...]
    """Missing successors, blind reads, systems without an account, protected people, candidates."""
    excluded: tuple[tuple[str, str], ...]
    observe: bool
    accounts: tuple[PreviewAccount, ...] = ()
