"""What was done and does not count any more: HR's word, surveys, verifications. Pure.

Called by ``plan.decide`` in every pass. Nothing here undoes a change: an operation that is reopened
reads the world again, and does what is then still wrong.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from connectors.contract import Stage
from reconcile.case import CaseState
from reconcile.closure import why_unverified
from reconcile.facts import HR, OperationState, Step
from reconcile.gates import gate, termination_confirmed

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from reconcile.facts import CaseFacts

_BEFOREHAND: Final = timedelta(hours=1)
"""How long before the end of access everything is looked at once more."""


@dataclass(frozen=True, slots=True)
class Reopened:
    """An operation that was done and must run again, with the reason."""

    seq: int
    why: str


def reopenings(facts: CaseFacts, now: datetime) -> Iterator[Reopened]:
    """Find what was done and does not count any more."""
    if facts.rescinded:
        return
    yield from _hr_again(facts, now)
    if facts.state is not CaseState.CLOSED:
        yield from _surveys_again(facts, now)
        yield from _verifications_again(facts, now)


def _surveys_again(facts: CaseFacts, now: datetime) -> Iterator[Reopened]:
    """A case may have waited for weeks: whose each account is, and what there is, has changed.

    Once shortly before the end of access, so that people can be asked before anybody is touched
    (Law 5), and once at the end, for what came in between. Contain waits for neither (Law 3).
    """
    for system in facts.covered:
        operation = facts.operation(system.name, Step.SURVEY)
        if operation is None or operation.state is not OperationState.DONE:
            continue
        made = operation.finished_at
        if made and any(made < at <= now for at in look_again_at(facts)):
            yield Reopened(operation.seq, "surveyed again for the end of access")


def look_again_at(facts: CaseFacts) -> tuple[datetime, datetime]:
    """Return when surveys made before do not count any more."""
    end = facts.stage_at[Stage.CONTAIN]
    return end - _BEFOREHAND, end


def _hr_again(facts: CaseFacts, now: datetime) -> Iterator[Reopened]:
    """HR is asked again daily while a case waits, and right before an irreversible step."""
    confirm = facts.operation(HR, Step.CONFIRM)
    if confirm is None or confirm.state is not OperationState.DONE or facts.hr is None:
        return
    open_case = facts.state is not CaseState.CLOSED
    if open_case and facts.hr.read_at + facts.limits.hr_every <= now:
        yield Reopened(confirm.seq, "asked daily")
    elif _only_confirmation_missing(facts, now):
        yield Reopened(confirm.seq, "asked right before an irreversible step")


def _verifications_again(facts: CaseFacts, now: datetime) -> Iterator[Reopened]:
    """A verification counts only for what was so when it was read."""
    for system in facts.covered:
        for phase in (Step.VERIFY_FIRST, Step.VERIFY_SECOND):
            operation = facts.operation(system.name, phase)
            if operation is None or operation.state is not OperationState.DONE:
                continue
            why = why_unverified(system, phase, facts, now)
            if why:
                yield Reopened(operation.seq, why)


def _only_confirmation_missing(facts: CaseFacts, now: datetime) -> bool:
    if termination_confirmed(facts, now) or facts.hr is None or facts.hr.outcome != "ended":
        return False
    return any(
        operation.step in {Step.REVOKE, Step.DESTROY}
        and gate(operation, facts, now).why == "the termination is being confirmed"
        for operation in facts.operations
    )
