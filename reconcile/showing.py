"""Builds the read models of :mod:`reconcile.views` from rows, for the desk. Changes nothing."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from connectors.contract import Kind
from reconcile.attribution import show_accounts
from reconcile.case import CaseState
from reconcile.closure import Closure, assess
from reconcile.errors import PolicyLost
from reconcile.facts import OperationState, QuestionKind, Step
from reconcile.gates import due_at, gate
from reconcile.plan import plan_hash
from reconcile.policy_book import policy_of
from reconcile.residual import residual_access
from reconcile.store.backup_rows import load_backups
from reconcile.store.case_file import CaseFile, open_file
from reconcile.store.evidence_log import records_published
from reconcile.store.fact_rows import load_facts
from reconcile.store.holding_rows import load_holdings
from reconcile.store.instants import instant, instant_or_none
from reconcile.store.operation_rows import effect_counts, outcomes
from reconcile.store.view_rows import (
    asked_since,
    case_ids,
    count_records,
    load_approval_views,
    load_hold_views,
    load_question_views,
    load_survey_views,
)
from reconcile.views import (
    CaseSummary,
    CaseView,
    CheckView,
    ClockView,
    HoldingView,
    OperationView,
)

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    import sqlalchemy as sa

    from reconcile.estate import Estate
    from reconcile.facts import CaseFacts, HoldingFacts, OperationFacts
    from reconcile.store.case_file import Archive

RELEASES_NEEDED: Final = {"brake": 2, "policy": 2, "hr": 2, "manual": 1, "protected": 0}
"""How many different people end a hold of each kind; 0 = only configuration or a rescission."""

_OPTIONS: Final[dict[QuestionKind, tuple[str, ...]]] = {
    QuestionKind.NO_ACCOUNT: ("none", "look again"),
    QuestionKind.SEVERAL_ACCOUNTS: ("all theirs",),
    QuestionKind.CANDIDATE: ("accept", "accept as service", "reject"),
    QuestionKind.NO_SUCCESSOR: (),
    QuestionKind.CONFIRM_TERMINATION: ("ends", "active"),
    QuestionKind.HR_DISAGREES: ("ends", "active"),
    QuestionKind.DEAD_LETTER: ("retry",),
    QuestionKind.DUTY: ("done",),
    QuestionKind.UNDO: ("restore", "leave"),
}


def options_for(question: QuestionKind) -> tuple[str, ...]:
    """List the answers that a question takes; empty means a short text (an employment id)."""
    return _OPTIONS[question]


def summaries(
    connection: sa.Connection,
    archive: Archive,
    estate: Estate,
    *,
    limit: int,
    open_only: bool = False,
    before: str = "",
    employment_id: str = "",
) -> tuple[CaseSummary, ...]:
    """List cases, newest first."""
    ids = case_ids(
        connection, open_only=open_only, employment_id=employment_id, before=before, limit=limit
    )
    files = (open_file(connection, each, archive, estate.clock(), lock=False) for each in ids)
    return tuple(_summary(file, estate) for file in files)


def _summary(file: CaseFile, estate: Estate) -> CaseSummary:
    try:
        facts = load_facts(file, estate, policy_of(file, estate))
    except PolicyLost:
        return _summarised(file, Closure(()), 0)
    return _summarised(file, _closure(file, facts), _open_questions(facts))


def _closure(file: CaseFile, facts: CaseFacts) -> Closure:
    """Count the checks; those of a case with a closing record as they stood when it was written.

    It is written only when every check passes. That its reads have grown old since, or that
    somebody is asked about a later obligation, takes nothing of the proof back.
    """
    if file.row["closing_at"] is None:
        return assess(facts, file.now)
    later = asked_since(file, file.row["closing_at"])
    proven = {each.system for each in facts.surveys if each.phase is Step.VERIFY_SECOND}
    then = replace(
        facts,
        systems=tuple(each for each in facts.systems if each.name in proven),
        operations=tuple(each for each in facts.operations if each.system in proven),
        questions=tuple(each for each in facts.questions if each.id not in later),
        holds=(),
    )
    checks = assess(then, instant(file.row["closing_at"])).checks
    return Closure(tuple(replace(each, passed=True, why="") for each in checks))


def _open_questions(facts: CaseFacts) -> int:
    return sum(not question.answer for question in facts.questions)


def _summarised(file: CaseFile, closure: Closure, open_questions: int) -> CaseSummary:
    return CaseSummary(
        id=file.id,
        employment_id=file.row["employment_id"],
        state=CaseState(file.row["state"]),
        access_end=file.access_end,
        opened_at=instant(file.row["opened_at"]),
        closed_at=instant_or_none(file.row["closed_at"]),
        checks=len(closure.checks),
        passed=closure.passed,
        percent=closure.percent,
        open_questions=open_questions,
    )


def show_case(file: CaseFile, estate: Estate) -> CaseView:
    """Show everything about a case."""
    policy = policy_of(file, estate)
    facts = load_facts(file, estate, policy)
    closure = _closure(file, facts)
    person = file.person
    return CaseView(
        summary=_summarised(file, closure, _open_questions(facts)),
        person_name=max(person.subject.names, key=len, default=""),
        immediate=file.row["immediate"],
        time_zone=file.row["time_zone"],
        access_end_basis=file.row["access_end_basis"],
        explanation=file.row["explanation"],
        policy_name=file.row["policy_name"],
        policy_hash=file.row["policy_hash"],
        plan_hash=plan_hash(facts),
        contained_at=_contained_at(facts),
        rescinded_at=instant_or_none(file.row["rescinded_at"]),
        operations=_operations(file, facts),
        holdings=_holdings(file, facts, estate),
        questions=load_question_views(file, options_for),
        holds=load_hold_views(file, RELEASES_NEEDED),
        checks=tuple(
            CheckView(each.name, each.system, each.about, each.passed, each.why)
            for each in closure.checks
        ),
        surveys=load_survey_views(file),
        backups=load_backups(file),
        approvals=load_approval_views(file),
        excluded=tuple((s.name, s.excluded) for s in facts.systems if s.excluded),
        hr_outcome=facts.hr.outcome if facts.hr else "",
        hr_read_at=facts.hr.read_at if facts.hr else None,
        records=count_records(file),
        records_published=records_published(file.connection, file.id),
        residual=_clocks(facts, file.now),
        accounts=show_accounts(file),
    )


def _contained_at(facts: CaseFacts) -> datetime | None:
    """When the last system had been contained; None while one is not."""
    mine = [o for o in facts.operations if o.step is Step.CONTAIN]
    ends = [o.finished_at for o in mine if o.finished_at and o.state is OperationState.DONE]
    return max(ends) if mine and len(ends) == len(mine) else None


def _operations(file: CaseFile, facts: CaseFacts) -> tuple[OperationView, ...]:
    counts = effect_counts(file.connection, file.id)
    return tuple(_operation(each, facts, file.now, counts) for each in facts.operations)


def _operation(
    operation: OperationFacts,
    facts: CaseFacts,
    now: datetime,
    counts: Mapping[int, dict[str, int]],
) -> OperationView:
    system = next((s for s in facts.covered if s.name == operation.system), None)
    return OperationView(
        seq=operation.seq,
        system=operation.system,
        step=operation.step.value,
        state=operation.state.value,
        tries=operation.tries,
        failures=operation.failures,
        due_at=due_at(operation.step, system, facts) if system else None,
        waits=gate(operation, facts, now).why if operation.state == "todo" else "",
        error=operation.error,
        started_at=operation.started_at,
        finished_at=operation.finished_at,
        counts=counts.get(operation.seq, {}),
    )


def _holdings(file: CaseFile, facts: CaseFacts, estate: Estate) -> tuple[HoldingView, ...]:
    words = outcomes(file.connection, file.id)
    rows = {row.number: row for row in load_holdings(file)}
    views = []
    for holding in facts.holdings:
        row = rows[holding.number]
        said, lost = words.get((row.system, row.key), ("", ""))
        views.append(
            HoldingView(
                number=holding.number,
                system=holding.system,
                kind=holding.kind,
                label=row.snapshot(file).label,
                state=holding.state.value,
                wanted=holding.disposition.wanted.value,
                rule=holding.disposition.rule,
                sole=holding.sole,
                preserved=holding.preserved,
                outcome=said,
                cannot_be_undone=lost or _not_restorable(estate, holding),
                residual_until=holding.residual_until,
            )
        )
    return tuple(views)


def _not_restorable(estate: Estate, holding: HoldingFacts) -> str:
    system = estate.systems.get(holding.system)
    support = system.card.support(Kind(holding.kind)) if system else None
    return support.not_restorable if support else ""


def _clocks(facts: CaseFacts, now: datetime) -> tuple[ClockView, ...]:
    """Show what outlives the accounts, the longest first."""
    found = residual_access(facts, now).longest_first
    return tuple(
        ClockView(
            each.system,
            each.reach.name.lower(),
            each.why,
            each.at,
            each.holding,
            each.kind,
            each.shortening.value,
            each.unseen,
        )
        for each in found
    )
