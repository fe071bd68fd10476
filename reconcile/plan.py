"""The planner: what should exist, what may run now, and which state follows. Pure.

:func:`decide` is the whole brain of a pass. It takes what our rows say and the present instant and
returns a :class:`Decision`; ``reconcile.reconciler`` carries it out in the same transaction. The
same facts always give the same decision, so a pass that runs twice does no harm.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import rfc8785

from connectors.contract import HoldingState
from policies.model import Revocation, Transfer
from reconcile.case import CaseState
from reconcile.closure import Closure, assess, satisfied
from reconcile.facts import HR, WRITES, OperationState, QuestionKind, Step
from reconcile.gates import Gate, gate, reachable, supports
from reconcile.reopening import Reopened, look_again_at, reopenings

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from connectors.contract import Kind
    from policies.dispose import Disposition
    from reconcile.facts import CaseFacts, HoldingFacts, OperationFacts, SystemFacts

BRAKED: Final = frozenset({Step.CONTAIN, Step.REVOKE, Step.DESTROY})
"""Steps that take a slot in the rolling window before their first run (Law 5)."""


SERVICE_DUTY: Final = (
    "A service account or shared mailbox was theirs: name a new owner, then change its password, "
    "keys and tokens, which they may know. It is not disabled."
)


@dataclass(frozen=True, slots=True)
class PlannedOperation:
    """An operation that should exist and does not yet."""

    system: str
    step: Step


@dataclass(frozen=True, slots=True)
class PlannedQuestion:
    """A question that should have been asked. ``words`` hold no personal data."""

    id: str
    kind: QuestionKind
    system: str
    about: str
    words: str


@dataclass(frozen=True, slots=True)
class Decision:
    """What one pass does. ``shut`` says for every operation not sent why it waits."""

    state: CaseState
    operations: tuple[PlannedOperation, ...] = ()
    questions: tuple[PlannedQuestion, ...] = ()
    reopened: tuple[Reopened, ...] = ()
    send: tuple[int, ...] = ()
    shut: tuple[tuple[int, Gate], ...] = ()
    admit: frozenset[Step] = frozenset()
    braked: frozenset[Step] = frozenset()
    wake_at: datetime | None = None
    write_closing: bool = False
    closure: Closure = field(default_factory=lambda: Closure(()))


def decide(facts: CaseFacts, now: datetime) -> Decision:
    """Work out everything that follows from the facts at this instant."""
    if facts.closing and facts.state is not CaseState.CLOSED:
        return _frozen(facts, now)
    planned = tuple(op for op in _needed(facts) if facts.operation(op.system, op.step) is None)
    asked = tuple(q for q in _questions(facts) if facts.question(q.id) is None)
    reopened = tuple(reopenings(facts, now))
    again = {each.seq for each in reopened}
    gates = {o.seq: gate(o, facts, now) for o in facts.operations if o.seq not in again}
    due = [o for o in facts.operations if o.seq in gates and gates[o.seq].open]
    admit, braked = _brake(due, facts)
    send = () if braked else tuple(o.seq for o in due)
    closure = assess(facts, now)
    complete = closure.complete and not (planned or asked or reopened)
    busy = bool(planned) or any(o.system != HR for o in facts.operations if o.seq in send)
    state = _state(facts, busy=busy, brake=bool(braked), complete=complete)
    return Decision(
        state=state,
        operations=planned,
        questions=asked,
        reopened=reopened,
        send=send,
        shut=tuple((seq, g) for seq, g in gates.items() if not g.open),
        admit=admit,
        braked=braked,
        wake_at=_wake_at(facts, gates, now),
        write_closing=complete and not facts.rescinded and state is CaseState.RUNNING,
        closure=closure,
    )


def _frozen(facts: CaseFacts, now: datetime) -> Decision:
    """Between its closing record and the checkpoint a case only waits: the record is the last word.

    What happens to the person meanwhile is a new fact for afterwards, as it is for a closed case.
    """
    published = facts.records_published and facts.state is CaseState.RUNNING
    state = CaseState.CLOSED if published else CaseState.RUNNING
    return Decision(state=state, closure=assess(facts, now))


def _needed(facts: CaseFacts) -> Iterator[PlannedOperation]:
    if facts.rescinded:
        yield from _needed_for_undo(facts)
        return
    if facts.has_hr:
        yield PlannedOperation(HR, Step.CONFIRM)
    for system in facts.covered:
        yield PlannedOperation(system.name, Step.SURVEY)
        if not surveyed(facts, system.name):
            # Law 3: containing what a blind survey did show does not wait for sight.
            if facts.state is not CaseState.CLOSED and _wants(Step.CONTAIN, system, facts):
                yield PlannedOperation(system.name, Step.CONTAIN)
            continue
        if facts.state is CaseState.CLOSED:
            if _wants(Step.DESTROY, system, facts):
                yield PlannedOperation(system.name, Step.DESTROY)
            continue
        for step in (Step.CONTAIN, Step.PRESERVE, Step.TRANSFER, Step.REVOKE):
            if _wants(step, system, facts):
                yield PlannedOperation(system.name, step)
        yield PlannedOperation(system.name, Step.VERIFY_FIRST)
        yield PlannedOperation(system.name, Step.VERIFY_SECOND)


def _needed_for_undo(facts: CaseFacts) -> Iterator[PlannedOperation]:
    """Law 7 and Law 9: after containment an undo is offered, and runs only when approved."""
    undo = facts.question(QuestionKind.UNDO)
    if undo is None or undo.answer != "restore":
        return
    for system in facts.covered:
        touched = any(
            o.started_at for o in facts.operations if o.system == system.name and o.step in WRITES
        )
        if touched and Step.RESTORE in system.abilities:
            yield PlannedOperation(system.name, Step.RESTORE)


def surveyed(facts: CaseFacts, system: str) -> bool:
    """Say whether a first survey that could see is there (Law 2)."""
    survey = facts.survey(system, Step.SURVEY)
    return survey is not None and not survey.blind


def _wants(step: Step, system: SystemFacts, facts: CaseFacts) -> bool:
    """Say whether a step is to be done in a system: the policy wants it, the connector can."""
    mine = [each for each in facts.holdings if each.system == system.name and applies(step, each)]
    if step is Step.PRESERVE:
        return bool(mine)  # the snapshot is ours; only data needs an export of the connector's
    if step not in system.abilities:
        return False
    return any(step is Step.DESTROY or supports(system.card, each.kind, step) for each in mine)


def applies(step: Step, holding: HoldingFacts) -> bool:
    """Say whether the policy wants this step for this holding, whatever its state is now."""
    rule = holding.disposition
    match step:
        case Step.CONTAIN:
            return rule.contain
        case Step.PRESERVE:
            return rule.preserve
        case Step.TRANSFER:
            return rule.transfer in {Transfer.REQUIRED, Transfer.OPTIONAL}
        case Step.REVOKE:
            return rule.revoke is not Revocation.NEVER and rule.wanted is HoldingState.GONE
        case Step.DESTROY:
            return rule.destroy
        case _:
            return False


def _questions(facts: CaseFacts) -> Iterator[PlannedQuestion]:
    for operation in facts.operations:
        if operation.state is OperationState.FAILED:
            yield _dead_letter(operation)
    if facts.rescinded:
        if facts.written:
            words = "The termination was rescinded after containment: put everything back?"
            yield PlannedQuestion(QuestionKind.UNDO, QuestionKind.UNDO, "", "", words)
        return
    if not facts.has_hr:
        words = "No HR system can be read: does this employment really end on this date?"
        kind = QuestionKind.CONFIRM_TERMINATION
        yield PlannedQuestion(kind, kind, HR, "", words)
    against = facts.hr is not None and facts.hr.outcome == "active" and facts.immediate
    if facts.hr and (facts.hr.outcome == "unknown" or against):
        words = "HR does not show that this employment ends: does it really?"
        yield PlannedQuestion(QuestionKind.HR_DISAGREES, QuestionKind.HR_DISAGREES, HR, "", words)
    if facts.state is CaseState.CLOSED:
        return
    for system in facts.covered:
        yield from _system_questions(system, facts)


def _system_questions(system: SystemFacts, facts: CaseFacts) -> Iterator[PlannedQuestion]:
    survey = facts.survey(system.name, Step.SURVEY)
    if survey is None or survey.blind:
        return
    mine = [account for name, account in facts.candidates if name == system.name]
    for account in mine:
        words = "An account that may belong to this person: is it theirs?"
        name = f"{QuestionKind.CANDIDATE}/{system.name}/{account}"
        yield PlannedQuestion(name, QuestionKind.CANDIDATE, system.name, account, words)
    if not facts.accounts.get(system.name) and not mine:
        # Law 2: zero accounts for a known employee is a question to a person, not a success.
        others = sum(name == system.name for name, _account in facts.rejected)
        aside = f" ({others} were found and are not theirs: look why)" if others else ""
        words = f"No account was found although the read could see{aside}: is that right?"
        name = f"{QuestionKind.NO_ACCOUNT}/{system.name}"
        yield PlannedQuestion(name, QuestionKind.NO_ACCOUNT, system.name, "", words)
    if system.one_account and facts.own_accounts.get(system.name, 0) > 1:
        words = "More than one account matches for sure where one is expected: are all theirs?"
        name = f"{QuestionKind.SEVERAL_ACCOUNTS}/{system.name}"
        yield PlannedQuestion(name, QuestionKind.SEVERAL_ACCOUNTS, system.name, "", words)
    yield from _service_duties(system, facts)
    if facts.accounts.get(system.name):
        yield from _duties(system, facts)


def _service_duties(system: SystemFacts, facts: CaseFacts) -> Iterator[PlannedQuestion]:
    """What runs under a service account must go on running: it is handed over and rotated."""
    for account in (account for name, account in facts.services if name == system.name):
        name = f"{QuestionKind.DUTY}/{system.name}/service/{account}"
        yield PlannedQuestion(name, QuestionKind.DUTY, system.name, account, SERVICE_DUTY)


def _duties(system: SystemFacts, facts: CaseFacts) -> Iterator[PlannedQuestion]:
    """Law 4: what the connector cannot do becomes a named task, never silence."""
    for gap in system.card.gaps:
        if gap.duty:
            name = f"{QuestionKind.DUTY}/{system.name}/gap/{gap.kind}"
            yield PlannedQuestion(name, QuestionKind.DUTY, system.name, gap.kind, gap.duty)
    for holding in facts.holdings:
        words = _duty_of(holding, system) if holding.system == system.name else ""
        if words:
            name = f"{QuestionKind.DUTY}/{system.name}/{holding.number}"
            about = str(holding.number)
            yield PlannedQuestion(name, QuestionKind.DUTY, system.name, about, words)


def _duty_of(holding: HoldingFacts, system: SystemFacts) -> str:
    """Return what a person has to do about a holding because the connector cannot."""
    wanted = holding.disposition.wanted
    support = system.card.support(holding.kind)
    told = support.duty if support else ""
    if needs_export(holding.kind, holding.disposition) and not supports(
        system.card, holding.kind, Step.PRESERVE
    ):
        return told or f"Back up this {holding.kind} by hand: the connector cannot."
    if wanted is HoldingState.LIVE or satisfied(holding.state, wanted):
        return ""
    if holding.duty:
        return holding.duty
    if holding.disposition.must_transfer and not supports(system.card, holding.kind, Step.TRANSFER):
        return told or f"Hand over this {holding.kind} by hand: the connector cannot."
    if not reachable(system.card, holding.kind, wanted):
        return told or f"Take away this {holding.kind} by hand: the connector cannot."
    return ""


def needs_export(kind: Kind, rule: Disposition) -> bool:
    """Say whether a snapshot is not enough: data has to be in the vault."""
    return rule.preserve and kind.startswith("data.")


def _dead_letter(operation: OperationFacts) -> PlannedQuestion:
    words = f"{operation.step} gave up after repeated tries ({operation.error}): look, then retry."
    name = f"{QuestionKind.DEAD_LETTER}/{operation.seq}/{operation.tries}"
    about = str(operation.seq)
    return PlannedQuestion(name, QuestionKind.DEAD_LETTER, operation.system, about, words)


def _brake(due: list[OperationFacts], facts: CaseFacts) -> tuple[frozenset[Step], frozenset[Step]]:
    """Law 5: a case takes one slot per braked step; without room it is held, never dropped."""
    asking = {operation.step for operation in due} & BRAKED - facts.brake_admitted
    full = frozenset(step for step in asking if facts.brake_room.get(step, 0) <= 0)
    return (frozenset(), full) if full else (frozenset(asking), frozenset())


def _state(facts: CaseFacts, *, busy: bool, brake: bool, complete: bool) -> CaseState:
    if facts.state is CaseState.CLOSED:
        return CaseState.CLOSED
    if facts.rescinded:
        return CaseState.RESCINDED
    if facts.holds or brake:
        return CaseState.HELD
    return CaseState.RUNNING if complete else _open_state(facts, busy=busy)


def _open_state(facts: CaseFacts, *, busy: bool) -> CaseState:
    if not facts.contained and not all(surveyed(facts, s.name) for s in facts.covered):
        return CaseState.RECEIVED
    if busy or _in_backoff(facts):
        return CaseState.RUNNING
    if any(not question.answer for question in facts.questions):
        return CaseState.QUESTIONED
    return CaseState.RUNNING if facts.contained else CaseState.WAITING


def _in_backoff(facts: CaseFacts) -> bool:
    return any(o.failures and o.state is OperationState.TODO for o in facts.operations)


def _wake_at(facts: CaseFacts, gates: dict[int, Gate], now: datetime) -> datetime | None:
    times = [g.until for g in gates.values() if g.until]
    if facts.hr and not facts.rescinded and facts.state is not CaseState.CLOSED:
        times.append(facts.hr.read_at + facts.limits.hr_every)
    if not facts.rescinded and facts.state is not CaseState.CLOSED:
        times += look_again_at(facts)
    times += [q.deadline for q in facts.questions if not q.answer]
    return min((at for at in times if at > now), default=None)


def plan_hash(facts: CaseFacts) -> str:
    """Hash exactly what a person approves: what is held and what would be done with it."""
    document = {
        "access_end": facts.access_end.isoformat(),
        "holdings": [
            [each.number, each.system, each.kind, each.disposition.wanted.value]
            for each in facts.holdings
        ],
        "systems": sorted(system.name for system in facts.covered),
    }
    return hashlib.sha256(rfc8785.dumps(document)).hexdigest()
