"""Builds :class:`~reconcile.facts.CaseFacts` from rows and configuration: the eyes of a pass."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from connectors.contract import Stage, kind
from policies.access_end import AccessEnd, Basis, anchors
from policies.dispose import dispose, excluded
from policies.schedule import due
from reconcile.facts import (
    WRITES,
    CaseFacts,
    HoldingFacts,
    Step,
    SystemFacts,
)
from reconcile.plan import plan_hash
from reconcile.store.account_rows import CANDIDATE, REJECTED, SERVICE, accepted_counts, by_decision
from reconcile.store.case_file import has_newer_case
from reconcile.store.evidence_log import records_published
from reconcile.store.guard_rows import open_breakers, slots_of, slots_used
from reconcile.store.holding_rows import load_holdings, load_surveys
from reconcile.store.instants import instant, instant_or_none
from reconcile.store.operation_rows import load_operations, settled_keys
from reconcile.store.question_rows import (
    load_approvals,
    load_holds,
    load_questions,
    load_reading,
)

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from policies.model import Policy
    from reconcile.estate import Estate
    from reconcile.event import Person
    from reconcile.store.case_file import CaseFile

BRAKED: Final = (Step.CONTAIN, Step.REVOKE, Step.DESTROY)


def load_facts(file: CaseFile, estate: Estate, policy: Policy) -> CaseFacts:
    """Read everything one pass reasons over; approvals count only for exactly this plan."""
    facts = _load(file, estate, policy)
    written = any(o.started_at for o in facts.operations if o.step in WRITES)
    facts = replace(facts, written=written)
    return replace(facts, approvals=load_approvals(file, lambda: plan_hash(facts)))


def _load(file: CaseFile, estate: Estate, policy: Policy) -> CaseFacts:
    person = file.person
    stage_at = stage_times(file, policy, person)
    theirs, own = accepted_counts(file)
    return CaseFacts(
        id=file.id,
        state=file.state,
        immediate=file.row["immediate"],
        access_end=file.access_end,
        stage_at=stage_at,
        approvals_needed={stage: policy.stage(stage).approvals.count for stage in Stage},
        approvals={},
        has_hr=estate.hr is not None,
        systems=_systems(file, estate, policy),
        operations=load_operations(file.connection, file.id),
        holdings=_holdings(file, policy),
        surveys=load_surveys(file),
        questions=load_questions(file),
        holds=load_holds(file),
        candidates=by_decision(file, CANDIDATE),
        rejected=by_decision(file, REJECTED),
        services=by_decision(file, SERVICE),
        accounts=theirs,
        own_accounts=own,
        hr=load_reading(file),
        contained=file.row["contained_at"] is not None,
        superseded=file.row["rescinded_at"] is not None and has_newer_case(file),
        rescinded=file.row["rescinded_at"] is not None,
        closing=file.row["closing_at"] is not None,
        records_published=file.row["closing_at"] is not None
        and records_published(file.connection, file.id),
        legal_hold=person.legal_hold is True,
        brake_admitted=slots_of(file.connection, file.id),
        brake_room=_room(file, estate),
        limits=estate.limits,
    )


def stage_times(file: CaseFile, policy: Policy, person: Person) -> Mapping[Stage, datetime]:
    """Resolve the policy's timings for this case; immediate cases begin to contain at once."""
    opened = instant(file.row["opened_at"])
    end = AccessEnd(
        at=file.access_end,
        basis=Basis(file.row["access_end_basis"]),
        time_zone=file.row["time_zone"],
        time_zone_basis=None,
        explanation=file.row["explanation"],
    )
    known = anchors(end, person.dates, received_at=opened, now=opened)
    immediate = file.row["immediate"]
    return {stage: due(policy, stage, known, immediate=immediate) for stage in Stage}


def _systems(file: CaseFile, estate: Estate, policy: Policy) -> tuple[SystemFacts, ...]:
    resting = open_breakers(file.connection, file.now)
    today = file.now.date()
    pace = estate.pace
    return tuple(
        SystemFacts(
            name=system.name,
            card=system.card,
            abilities=system.abilities,
            excluded=exclusion.reason
            if (exclusion := excluded(policy, system.name, today))
            else "",
            observe=estate.observe or system.observe,
            one_account=system.name in estate.rules.one_account,
            breaker_until=resting.get(system.name),
            settle=system.card.settle * pace.factor,
            verify_gap=pace.verify_gap * pace.factor,
        )
        for system in estate.systems.values()
    )


def _holdings(file: CaseFile, policy: Policy) -> tuple[HoldingFacts, ...]:
    settled = settled_keys(file.connection, file.id)
    preserved, transferred = settled[Step.PRESERVE], settled[Step.TRANSFER]
    today = file.now.date()
    return tuple(
        HoldingFacts(
            number=row.number,
            system=row.system,
            kind=kind(row.kind),
            state=row.state,
            sole=row.sole,
            duty=row.duty,
            disposition=dispose(policy, row.system, kind(row.kind), sole=row.sole, on=today),
            preserved=(row.system, row.key) in preserved,
            transferred=(row.system, row.key) in transferred,
            residual_until=instant_or_none(row.residual_until),
        )
        for row in load_holdings(file)
    )


def with_room(facts: CaseFacts, file: CaseFile, estate: Estate) -> CaseFacts:
    """Read the brake's window again, now that its row is locked (Law 5)."""
    return replace(facts, brake_room=_room(file, estate))


def _room(file: CaseFile, estate: Estate) -> dict[Step, int]:
    """Count the people who may still be let through the window, for each braked step."""
    used = slots_used(file.connection, file.now - estate.guards.window)
    return {step: estate.guards.people_per_window - used.get(step, 0) for step in BRAKED}
