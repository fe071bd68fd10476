"""Closure: counted checks that say whether a case may close, and what stands in the way. Pure.

A case closes when every check passed; there is no other way and no override here. What cannot be
checked is a failed check with words (Law 4, Law 11). An empty list of checks fails: a case that
covers no system proves nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from connectors.contract import HoldingState, Stage
from reconcile.facts import HR, OperationState, QuestionKind, Step

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from reconcile.facts import CaseFacts, HoldingFacts, QuestionFacts, SurveyFacts, SystemFacts

_RANK: Final = {HoldingState.LIVE: 0, HoldingState.CONTAINED: 1, HoldingState.GONE: 2}
_GOOD_ANSWERS: Final[dict[QuestionKind, frozenset[str]]] = {
    QuestionKind.NO_ACCOUNT: frozenset({"none", "found"}),
    QuestionKind.SEVERAL_ACCOUNTS: frozenset({"all theirs", "one"}),
    QuestionKind.CANDIDATE: frozenset({"accept", "accept as service", "reject"}),
    QuestionKind.CONFIRM_TERMINATION: frozenset({"ends"}),
    QuestionKind.HR_DISAGREES: frozenset({"ends"}),
    QuestionKind.DUTY: frozenset({"done", "moot"}),
    QuestionKind.DEAD_LETTER: frozenset({"retry"}),
}


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that must hold. ``about`` is a system, a holding number or a question id."""

    name: str
    system: str
    about: str
    passed: bool
    why: str = ""


@dataclass(frozen=True, slots=True)
class Closure:
    """All checks of a case, counted."""

    checks: tuple[Check, ...]

    @property
    def passed(self) -> int:
        """Count the checks that hold."""
        return sum(check.passed for check in self.checks)

    @property
    def percent(self) -> int:
        """Whole percent, rounded down: 100 means every single check."""
        return 100 * self.passed // len(self.checks) if self.checks else 0

    @property
    def complete(self) -> bool:
        """Fail closed on an empty list."""
        return bool(self.checks) and self.passed == len(self.checks)

    @property
    def open(self) -> tuple[Check, ...]:
        """List what stands in the way."""
        return tuple(check for check in self.checks if not check.passed)


def satisfied(state: HoldingState, wanted: HoldingState) -> bool:
    """Say whether a holding is at least as far gone as the policy wants it."""
    return _RANK[state] >= _RANK[wanted]


def assess(facts: CaseFacts, now: datetime) -> Closure:
    """Count everything that must hold before the case may close."""
    if not facts.covered:
        return Closure(())
    return Closure(tuple(_checks(facts, now)))


def _checks(facts: CaseFacts, now: datetime) -> Iterator[Check]:
    for system in facts.covered:
        yield from _system_checks(system, facts, now)
    yield from _vanished_systems(facts)
    for holding in facts.holdings:
        if any(system.name == holding.system for system in facts.covered):
            yield _holding_check(holding)
    for question in facts.questions:
        if question.kind is not QuestionKind.UNDO:
            yield _question_check(question)
    yield _termination_check(facts)
    if facts.holds:
        yield Check("no hold", "", facts.holds[0].id, passed=False, why=facts.holds[0].reason)


def _vanished_systems(facts: CaseFacts) -> Iterator[Check]:
    """Law 4: a system taken out of the configuration while a case is open is not thereby clean."""
    configured = {system.name for system in facts.systems} | {HR}
    for name in sorted({o.system for o in facts.operations} - configured):
        why = "no longer configured: exclude it by policy, with a reason, or configure it again"
        yield Check("system configured", name, name, passed=False, why=why)


def _system_checks(system: SystemFacts, facts: CaseFacts, now: datetime) -> Iterator[Check]:
    """Law 2 and Law 4: two complete reads by the verifier, canary seen, settled, and apart."""
    operations = [o for o in facts.operations if o.system == system.name and o.step not in _LATER]
    undone = [o.step.value for o in operations if o.state is not OperationState.DONE]
    why = f"not done: {', '.join(undone)}" if undone else "" if operations else "never surveyed"
    yield Check("operations done", system.name, system.name, passed=not why, why=why)
    for phase in (Step.VERIFY_FIRST, Step.VERIFY_SECOND):
        why = why_unverified(system, phase, facts, now)
        yield Check(f"{phase} clean", system.name, system.name, passed=not why, why=why)


def why_unverified(system: SystemFacts, phase: Step, facts: CaseFacts, now: datetime) -> str:
    """Say why a verification does not count, or does not count any more; empty when it does."""
    survey = facts.survey(system.name, phase)
    if survey is None or not facts.done(system.name, phase):
        return _why_unread(system, phase, facts)
    if survey.blind:
        return f"the read was blind: {survey.blind}"
    if not survey.by_verifier:
        return "not read by the verifying credential"
    if survey.residue:
        return f"still there: holding {', '.join(map(str, survey.residue))}"
    return _why_outdated(system, survey, facts, now) or _why_too_close(system, phase, facts)


def _why_unread(system: SystemFacts, phase: Step, facts: CaseFacts) -> str:
    """Law 11: a system or a credential that keeps a verification from being made is named."""
    operation = facts.operation(system.name, phase)
    failed = operation is not None and operation.failures > 0 and operation.error
    return f"not read yet: {failed}" if failed else "not read yet"


def _why_outdated(system: SystemFacts, survey: SurveyFacts, facts: CaseFacts, now: datetime) -> str:
    """A clean read proves nothing about what was changed, found or due after it."""
    if survey.read_at < facts.stage_at[Stage.CONTAIN]:
        return "read before access ends"
    changed = [
        o.finished_at + (system.settle if o.step is not Step.SURVEY else timedelta(0))
        for o in facts.operations
        if o.system == system.name and o.finished_at and o.step not in _READS | _LATER
    ]
    if changed and survey.read_at < max(changed):
        return "read before the last change had settled"
    if survey.read_at < now - facts.limits.verified_for:
        return "read too long ago"
    return ""


def _why_too_close(system: SystemFacts, phase: Step, facts: CaseFacts) -> str:
    first = facts.survey(system.name, Step.VERIFY_FIRST)
    second = facts.survey(system.name, Step.VERIFY_SECOND)
    apart = first and second and second.read_at >= first.read_at + system.verify_gap
    if phase is Step.VERIFY_SECOND and not apart:
        return "read too soon after the first verification"
    return ""


_LATER: Final = frozenset({Step.DESTROY, Step.RESTORE})
"""Obligations of a case that is final already; they have records and verification of their own."""
_READS: Final = frozenset({Step.CONFIRM, Step.VERIFY_FIRST, Step.VERIFY_SECOND})


def _holding_check(holding: HoldingFacts) -> Check:
    wanted = holding.disposition.wanted
    ok = satisfied(holding.state, wanted)
    why = "" if ok else f"{holding.kind} is {holding.state}, wanted {wanted}"
    return Check("holding as wanted", holding.system, str(holding.number), passed=ok, why=why)


def _question_check(question: QuestionFacts) -> Check:
    good = _GOOD_ANSWERS.get(question.kind)
    ok = bool(question.answer) and (good is None or question.answer in good)
    why = "" if ok else "waits for a person" if not question.answer else "answered otherwise"
    return Check(question.kind.value, question.system, question.id, passed=ok, why=why)


def _termination_check(facts: CaseFacts) -> Check:
    """Law 7. Freshness was the gate's business; here it must have been said at all."""
    asking = facts.operation(HR, Step.CONFIRM)
    if asking and asking.state is not OperationState.DONE:
        return Check("termination confirmed", HR, HR, passed=False, why="HR is being asked")
    said = any(
        question.answer == "ends"
        for question in facts.questions
        if question.kind in {QuestionKind.CONFIRM_TERMINATION, QuestionKind.HR_DISAGREES}
    )
    by_hr = facts.hr is not None and facts.hr.outcome == "ended"
    ok = said or by_hr
    return Check("termination confirmed", HR, HR, passed=ok, why="" if ok else "not confirmed yet")
