"""The gates: which operation may run now, and why not. Pure.

Called by ``plan.decide`` in every pass and again by the operation runner right before it writes,
so that a fact which changed in between (a hold, a rescission) is seen. A shut gate says why in
words, and until when if time alone opens it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

from connectors.contract import HoldingState, Stage
from policies.model import Revocation
from reconcile.case import CaseState
from reconcile.facts import HR, WRITES, OperationState, QuestionKind, Step

if TYPE_CHECKING:
    from collections.abc import Iterator

    from connectors.contract import Card, Kind
    from reconcile.facts import CaseFacts, OperationFacts, SystemFacts


@dataclass(frozen=True, slots=True)
class Gate:
    """Open, or shut with a reason. ``until`` is set when only time is missing."""

    open: bool
    why: str = ""
    until: datetime | None = None


OPEN: Final = Gate(open=True)

_BEFORE: Final[dict[Step, tuple[Step, ...]]] = {
    Step.TRANSFER: (Step.PRESERVE,),
    Step.REVOKE: (Step.CONTAIN, Step.PRESERVE, Step.TRANSFER),
    Step.VERIFY_FIRST: (Step.CONTAIN, Step.PRESERVE, Step.TRANSFER, Step.REVOKE),
    Step.VERIFY_SECOND: (Step.VERIFY_FIRST,),
}
"""What must be observed done first in the same system (Law 3: contain waits for nothing)."""

STAGES: Final[dict[Step, Stage]] = {Step(stage.value): stage for stage in Stage}


_NOT_BY_A_GUESS: Final = frozenset({Step.TRANSFER, Step.REVOKE, Step.DESTROY})
"""What waits until a person has said which of several accounts are theirs; contain does not."""

_VERIFIES: Final = frozenset({Step.VERIFY_FIRST, Step.VERIFY_SECOND})

_AFTER_CLOSING: Final = frozenset({Step.DESTROY, Step.RESTORE, Step.CONFIRM})
"""What may still run in a closed case: its dated obligation, an undo, and asking HR before both."""


def supports(card: Card, kind: Kind, step: Step) -> bool:
    """Say whether a connector claims a step for a kind of holding."""
    support = card.support(kind)
    return support is not None and STAGES.get(step) in support.stages


_REACHES: Final = {
    HoldingState.LIVE: (),
    HoldingState.CONTAINED: (Step.CONTAIN, Step.REVOKE),
    HoldingState.GONE: (Step.REVOKE, Step.TRANSFER, Step.CONTAIN),
}


def reachable(card: Card, kind: Kind, wanted: HoldingState) -> bool:
    """Say whether a connector claims any step that brings such a holding where it is wanted."""
    return any(supports(card, kind, step) for step in _REACHES[wanted])


def shut(why: str, until: datetime | None = None) -> Gate:
    """Make a shut gate."""
    return Gate(open=False, why=why, until=until)


def gate(operation: OperationFacts, facts: CaseFacts, now: datetime) -> Gate:
    """Say whether an operation may run now: the first reason against it, or open."""
    return next(_reasons(operation, facts, now), OPEN)


def _reasons(operation: OperationFacts, facts: CaseFacts, now: datetime) -> Iterator[Gate]:
    if operation.state is not OperationState.TODO:
        yield shut(f"the operation is {operation.state}")
    if operation.not_before > now:
        yield shut("waits after its last try", operation.not_before)
    if facts.rescinded and operation.step is not Step.RESTORE:
        yield shut("the termination was rescinded")
    if facts.state is CaseState.CLOSED and operation.step not in _AFTER_CLOSING:
        yield shut("the case is closed")
    if operation.system == HR:
        return
    system = next((s for s in facts.covered if s.name == operation.system), None)
    if system is None:
        yield shut("the system is excluded or no longer configured")
        return
    if system.breaker_until and system.breaker_until > now:
        yield shut("the system failed repeatedly and is given a rest", system.breaker_until)
    if operation.step in WRITES:
        yield from _write_reasons(operation.step, system, facts)
    yield from _order_reasons(operation, system, facts, now)
    if operation.step in _VERIFIES:
        yield from _duty_reasons(system, facts)
    yield from _time_reasons(operation, system, facts, now)
    if operation.step in {Step.REVOKE, Step.DESTROY}:
        yield from _irreversible_reasons(facts, now)


def _write_reasons(step: Step, system: SystemFacts, facts: CaseFacts) -> Iterator[Gate]:
    """Law 5 and Law 7: what stops every write whatever the plan says."""
    if facts.holds:
        yield shut(f"held: {facts.holds[0].reason}")
    if system.observe:
        yield shut("observe-only: the system is surveyed and never written to")
    if step is Step.RESTORE:
        undo = facts.question(QuestionKind.UNDO)
        if not facts.rescinded or undo is None or undo.answer != "restore":
            yield shut("putting back waits for approval")
        if facts.superseded:
            yield shut("the employment has a newer case: putting this one back would undercut it")
    several = facts.question(f"{QuestionKind.SEVERAL_ACCOUNTS}/{system.name}")
    if several and not several.answer and step in _NOT_BY_A_GUESS:
        yield shut("more than one account matches: a person was asked")
    if step is Step.TRANSFER:
        question = facts.question(f"{QuestionKind.NO_SUCCESSOR}/{system.name}")
        if question and not question.answer:
            yield shut("no successor is known: a person was asked")
    stage = STAGES.get(step)
    if stage and facts.approvals.get(stage, 0) < facts.approvals_needed.get(stage, 0):
        missing = facts.approvals_needed[stage] - facts.approvals.get(stage, 0)
        yield shut(f"waits for {missing} more approval(s)")


def predecessors(step: Step, system: SystemFacts, *, immediate: bool) -> tuple[Step, ...]:
    """List what must be done before ``step``: the usual order, bent by the card's exceptions."""
    before = list(_BEFORE.get(step, ()))
    if immediate and step in {Step.PRESERVE, Step.TRANSFER}:
        before.append(Step.CONTAIN)
    for exception in (order for support in system.card.supports for order in support.order):
        if exception.before.value == step and not (immediate and step is Step.CONTAIN):
            before.append(Step(exception.first.value))
        if exception.first.value == step and exception.before.value in before:
            before.remove(Step(exception.before.value))
    return tuple(dict.fromkeys(before))


def _order_reasons(
    operation: OperationFacts, system: SystemFacts, facts: CaseFacts, now: datetime
) -> Iterator[Gate]:
    """Law 3: revoke waits for preserve and transfer; contain for a declared exception at most."""
    for step in predecessors(operation.step, system, immediate=facts.immediate):
        earlier = facts.operation(system.name, step)
        if earlier is None or earlier.state is OperationState.DONE:
            continue
        deadline = _patience(operation.step, step, system, facts)
        if deadline is None:
            yield shut(f"{step} is not done")
        elif now < deadline:
            yield shut(f"{step} must come first in this system", deadline)


def _duty_reasons(system: SystemFacts, facts: CaseFacts) -> Iterator[Gate]:
    """What people still have to do here would be found again and again, and prove nothing."""
    open_duties = sum(
        question.kind is QuestionKind.DUTY and question.system == system.name
        for question in facts.questions
        if not question.answer
    )
    if open_duties:
        yield shut(f"{open_duties} task(s) of people are open in this system")


def _patience(step: Step, earlier: Step, system: SystemFacts, facts: CaseFacts) -> datetime | None:
    """Until when contain waits for an order exception; None means without end."""
    if step is not Step.CONTAIN:
        return None
    patience = max(
        (
            order.deadline
            for support in system.card.supports
            for order in support.order
            if order.before is Stage.CONTAIN and order.first.value == earlier
        ),
        default=timedelta(0),
    )
    return facts.stage_at[Stage.CONTAIN] + patience


def _time_reasons(
    operation: OperationFacts, system: SystemFacts, facts: CaseFacts, now: datetime
) -> Iterator[Gate]:
    due = due_at(operation.step, system, facts)
    if due is not None and due > now:
        yield shut("its time has not come", due)


def due_at(step: Step, system: SystemFacts, facts: CaseFacts) -> datetime | None:
    """Return the instant a step is due by the policy, or by settle time and verification gap."""
    stage = STAGES.get(step)
    if step is Step.REVOKE and _some_with_contain(system, facts):
        return min(facts.stage_at[Stage.REVOKE], facts.stage_at[Stage.CONTAIN])
    if stage:
        return facts.stage_at[stage]
    if step is Step.VERIFY_FIRST:
        finished = [
            operation.finished_at
            for operation in facts.operations
            if operation.system == system.name and operation.step in WRITES - {Step.DESTROY}
            if operation.finished_at
        ]
        settled = max(finished) + system.settle if finished else facts.stage_at[Stage.CONTAIN]
        return max(settled, facts.stage_at[Stage.CONTAIN])
    if step is Step.VERIFY_SECOND:
        first = facts.survey(system.name, Step.VERIFY_FIRST)
        return first.read_at + system.verify_gap if first else None
    return None


def _some_with_contain(system: SystemFacts, facts: CaseFacts) -> bool:
    """Say whether the policy revokes something here together with contain, and it is there."""
    return any(
        holding.disposition.revoke is Revocation.WITH_CONTAIN
        for holding in facts.holdings
        if holding.system == system.name and holding.state is not HoldingState.GONE
    )


def _irreversible_reasons(facts: CaseFacts, now: datetime) -> Iterator[Gate]:
    """Law 7: HR is asked again right before the first irreversible step, else a person is."""
    if facts.legal_hold:
        yield shut("a legal hold is set")
    if not termination_confirmed(facts, now):
        yield shut("the termination is being confirmed")


def termination_confirmed(facts: CaseFacts, now: datetime) -> bool:
    """HR said so recently, or a person answered where no HR can be read or HR does not know.

    For ``destroy`` an answer of long ago is not asked for again: its approvals, which must be
    given shortly before, are the fresh word of people.
    """
    for kind in (QuestionKind.CONFIRM_TERMINATION, QuestionKind.HR_DISAGREES):
        question = facts.question(kind)
        if question and question.answer == "ends":
            return True
    fresh = facts.hr is not None and facts.hr.read_at >= now - facts.limits.hr_before_revoke
    return facts.has_hr and fresh and facts.hr is not None and facts.hr.outcome == "ended"
