"""What a pass knows about a case: frozen nouns, read from our rows, for the pure core.

``reconcile.store`` builds them, ``plan``, ``gates`` and ``closure`` reason over them. Nothing here
reads a clock or a database: every instant that matters is a field.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

    from connectors.contract import Card, HoldingState, Kind, Stage
    from policies.dispose import Disposition
    from reconcile.case import CaseState

HR: Final = "hr"
"""The name under which operations that ask HR are filed; no configured system may carry it."""


class Step(StrEnum):
    """What an operation does: the five stages, and the read-only steps that join them."""

    CONFIRM = "confirm"
    SURVEY = "survey"
    CONTAIN = "contain"
    PRESERVE = "preserve"
    TRANSFER = "transfer"
    REVOKE = "revoke"
    VERIFY_FIRST = "verify_first"
    VERIFY_SECOND = "verify_second"
    DESTROY = "destroy"
    RESTORE = "restore"


WRITES: Final = frozenset(
    {Step.CONTAIN, Step.PRESERVE, Step.TRANSFER, Step.REVOKE, Step.DESTROY, Step.RESTORE}
)
"""Steps that a hold, the brake, observe-only mode or a rescission stops."""


class OperationState(StrEnum):
    """Where an operation stands: derived from its effects and its re-read, never set by hand."""

    TODO = "todo"
    DONE = "done"
    FAILED = "failed"
    """Gave up; a question asks a person (dead letter)."""


class EffectState(StrEnum):
    """Where the change of one holding stands."""

    PLANNED = "planned"
    CALLING = "calling"
    DONE = "done"
    ALREADY = "already"
    PENDING = "pending"
    REFUSED = "refused"
    OPEN = "open"


SETTLED: Final = frozenset({EffectState.DONE, EffectState.ALREADY})


class QuestionKind(StrEnum):
    """What only a person can say or do."""

    NO_ACCOUNT = "no_account"
    SEVERAL_ACCOUNTS = "several_accounts"
    CANDIDATE = "candidate"
    NO_SUCCESSOR = "no_successor"
    CONFIRM_TERMINATION = "confirm_termination"
    HR_DISAGREES = "hr_disagrees"
    DEAD_LETTER = "dead_letter"
    DUTY = "duty"
    UNDO = "undo"


@dataclass(frozen=True, slots=True)
class SystemFacts:
    """A configured system as the core needs it; ``settle`` and ``verify_gap`` already scaled."""

    name: str
    card: Card
    abilities: frozenset[Step]
    excluded: str = ""
    observe: bool = False
    one_account: bool = False
    """A person has exactly one account of their own here: more sure hits are a question."""
    breaker_until: datetime | None = None
    settle: timedelta = timedelta(0)
    verify_gap: timedelta = timedelta(0)


@dataclass(frozen=True, slots=True)
class OperationFacts:
    """A row of ``operations``."""

    seq: int
    system: str
    step: Step
    state: OperationState
    tries: int
    failures: int
    not_before: datetime
    error: str = ""
    started_at: datetime | None = None
    finished_at: datetime | None = None
    carrier: str = ""
    """The running job that goes on with this operation; empty where it gets one of its own."""
    taken: bool = False
    """A run holds its token: it runs now, or a crash left it for the same job to take up."""


@dataclass(frozen=True, slots=True)
class HoldingFacts:
    """A holding with what the policy wants of it and what has been observed so far."""

    number: int
    system: str
    kind: Kind
    state: HoldingState
    sole: bool
    duty: str
    disposition: Disposition
    preserved: bool = False
    transferred: bool = False
    residual_until: datetime | None = None


@dataclass(frozen=True, slots=True)
class SurveyFacts:
    """The newest read of one phase in one system."""

    system: str
    phase: Step
    read_at: datetime
    blind: str
    accounts: int
    by_verifier: bool
    residue: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class QuestionFacts:
    """A question to a person; an empty ``answer`` means open."""

    id: str
    kind: QuestionKind
    system: str
    about: str
    deadline: datetime
    answer: str = ""
    answered_by: str = ""


@dataclass(frozen=True, slots=True)
class HoldFacts:
    """A hold that is not released yet."""

    id: str
    kind: str
    reason: str


@dataclass(frozen=True, slots=True)
class HrFacts:
    """The newest answer of HR. ``outcome`` is ended, active, rescinded, unknown or unreadable."""

    outcome: str
    read_at: datetime


@dataclass(frozen=True, slots=True)
class Limits:
    """Numbers from configuration that the core needs, already scaled where time is shortened."""

    hr_every: timedelta = timedelta(days=1)
    hr_before_revoke: timedelta = timedelta(minutes=10)
    question_deadline: timedelta = timedelta(days=2)
    verified_for: timedelta = timedelta(hours=24)
    """How long a verification read counts: what is older than this at closing is read again."""


@dataclass(frozen=True, slots=True)
class CaseFacts:
    """All that one pass reasons over."""

    id: str
    state: CaseState
    immediate: bool
    access_end: datetime
    stage_at: Mapping[Stage, datetime]
    approvals_needed: Mapping[Stage, int]
    approvals: Mapping[Stage, int]
    has_hr: bool
    systems: tuple[SystemFacts, ...]
    operations: tuple[OperationFacts, ...] = ()
    holdings: tuple[HoldingFacts, ...] = ()
    surveys: tuple[SurveyFacts, ...] = ()
    questions: tuple[QuestionFacts, ...] = ()
    holds: tuple[HoldFacts, ...] = ()
    candidates: tuple[tuple[str, str], ...] = ()
    rejected: tuple[tuple[str, str], ...] = ()
    """(system, native id) of accounts that the rules or a person say are somebody else's."""
    services: tuple[tuple[str, str], ...] = ()
    """(system, native id) of service accounts and shared mailboxes that are theirs to hand over."""
    accounts: Mapping[str, int] = field(default_factory=dict)
    """How many accounts of each system are theirs for sure (found so, or accepted by a person)."""
    own_accounts: Mapping[str, int] = field(default_factory=dict)
    """How many of these are a person's own and were found so: no administrator's, none accepted."""
    hr: HrFacts | None = None
    contained: bool = False
    written: bool = False
    """Whether any writing step has begun anywhere: from then on a rescission offers an undo."""
    superseded: bool = False
    """Whether the employment has a newer case that stands: an undo would undercut that."""
    rescinded: bool = False
    closing: bool = False
    records_published: bool = False
    legal_hold: bool = False
    brake_admitted: frozenset[Step] = frozenset()
    brake_room: Mapping[Step, int] = field(default_factory=dict)
    limits: Limits = Limits()

    def operation(self, system: str, step: Step) -> OperationFacts | None:
        """Find the operation of a system and step."""
        return next((o for o in self.operations if (o.system, o.step) == (system, step)), None)

    def done(self, system: str, step: Step) -> bool:
        """Say whether that operation exists and is done."""
        operation = self.operation(system, step)
        return operation is not None and operation.state is OperationState.DONE

    def survey(self, system: str, phase: Step) -> SurveyFacts | None:
        """Find the newest read of a phase."""
        return next((s for s in self.surveys if (s.system, s.phase) == (system, phase)), None)

    def question(self, question_id: str) -> QuestionFacts | None:
        """Find a question."""
        return next((q for q in self.questions if q.id == question_id), None)

    @property
    def covered(self) -> tuple[SystemFacts, ...]:
        """Every configured system minus the policy's named exclusions (Law 4)."""
        return tuple(system for system in self.systems if not system.excluded)
