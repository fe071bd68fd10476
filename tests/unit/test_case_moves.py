"""The table of legal moves, and the pure core over made-up facts: what may never happen."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.contract import (
    Card,
    HoldingState,
    OrderException,
    Stage,
    Support,
    kind,
)
from policies.dispose import Disposition
from policies.model import Revocation, Transfer
from reconcile.case import FINAL, MOVES, CaseState, IllegalMove, check_move
from reconcile.closure import assess
from reconcile.facts import (
    HR,
    WRITES,
    CaseFacts,
    HoldFacts,
    HoldingFacts,
    HrFacts,
    OperationFacts,
    OperationState,
    QuestionFacts,
    QuestionKind,
    Step,
    SurveyFacts,
    SystemFacts,
)
from reconcile.gates import gate
from reconcile.plan import decide

if TYPE_CHECKING:
    from collections.abc import Sequence

NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
EVERY_STAGE = frozenset(Stage)
KINDS = ("account.person", "credential.password", "credential.ssh_key", "grant.group")
CARD = Card("test", tuple(Support(kind(each), EVERY_STAGE) for each in KINDS), timedelta(seconds=5))
MINUTES = st.integers(-120, 120).map(lambda minutes: NOW + timedelta(minutes=minutes))


def system(name: str = "ldap", **values: object) -> SystemFacts:
    """Configure a system that can do everything."""
    steps = frozenset(Step(stage.value) for stage in Stage) | {Step.RESTORE}
    facts = SystemFacts(name, CARD, steps, settle=timedelta(seconds=5))
    return replace(facts, **values)  # type: ignore[arg-type]


def case(systems: Sequence[SystemFacts], **values: object) -> CaseFacts:
    """Make a case in the middle of its life."""
    defaults: dict[str, object] = {
        "id": "C-1",
        "state": CaseState.RUNNING,
        "immediate": False,
        "access_end": NOW,
        "stage_at": dict.fromkeys(Stage, NOW - timedelta(minutes=1)),
        "approvals_needed": {},
        "approvals": {},
        "has_hr": True,
        "systems": tuple(systems),
        "brake_room": dict.fromkeys(Step, 5),
    }
    return CaseFacts(**{**defaults, **values})  # type: ignore[arg-type]


def rule(wanted: HoldingState, *, transfer: Transfer = Transfer.NEVER) -> Disposition:
    """Decide a holding."""
    revoke = Revocation.ON_TIME if wanted is HoldingState.GONE else Revocation.NEVER
    return Disposition(
        contain=True,
        preserve=True,
        transfer=transfer,
        revoke=revoke,
        destroy=False,
        retain=None,
        wanted=wanted,
        rule="test:1",
        why="",
    )


@st.composite
def operations(draw: st.DrawFn) -> tuple[OperationFacts, ...]:
    """Draw some operations of two systems in any state, each system and step at most once."""
    places = draw(
        st.lists(
            st.tuples(st.sampled_from(("ldap", "door")), st.sampled_from(tuple(Step))),
            unique=True,
            max_size=14,
        )
    )
    return tuple(
        OperationFacts(
            seq=number,
            system=HR if step is Step.CONFIRM else name,
            step=step,
            state=draw(st.sampled_from(tuple(OperationState))),
            tries=draw(st.integers(0, 3)),
            failures=draw(st.integers(0, 3)),
            not_before=draw(MINUTES),
            finished_at=draw(st.none() | MINUTES),
        )
        for number, (name, step) in enumerate(places, start=1)
    )


@st.composite
def any_facts(draw: st.DrawFn) -> CaseFacts:
    """Draw a case with anything in it that rows could hold."""
    systems = (
        system("ldap", observe=draw(st.booleans())),
        system("door", excluded=draw(st.sampled_from(("", "archive")))),
    )
    surveys = draw(
        st.lists(
            st.builds(
                SurveyFacts,
                system=st.sampled_from(("ldap", "door")),
                phase=st.sampled_from((Step.SURVEY, Step.VERIFY_FIRST, Step.VERIFY_SECOND)),
                read_at=MINUTES,
                blind=st.sampled_from(("", "", "the canary was not seen")),
                accounts=st.integers(0, 2),
                by_verifier=st.booleans(),
                residue=st.sampled_from(((), (), (1,))),
            ),
            unique_by=lambda each: (each.system, each.phase),
            max_size=6,
        )
    )
    holdings = draw(
        st.lists(
            st.builds(
                HoldingFacts,
                number=st.integers(1, 99),
                system=st.sampled_from(("ldap", "door")),
                kind=st.sampled_from(KINDS).map(kind),
                state=st.sampled_from(HoldingState),
                sole=st.booleans(),
                duty=st.sampled_from(("", "collect the card")),
                disposition=st.sampled_from(HoldingState).map(rule),
                preserved=st.booleans(),
                transferred=st.booleans(),
            ),
            unique_by=lambda each: each.number,
            max_size=5,
        )
    )
    questions = draw(
        st.lists(
            st.builds(
                QuestionFacts,
                id=st.uuids().map(str),
                kind=st.sampled_from(QuestionKind),
                system=st.just("ldap"),
                about=st.just("1"),
                deadline=MINUTES,
                answer=st.sampled_from(("", "ends", "done", "none", "restore", "no")),
            ),
            max_size=3,
        )
    )
    hr = st.none() | st.builds(
        HrFacts, st.sampled_from(("ended", "active", "rescinded", "unknown")), MINUTES
    )
    return case(
        systems,
        state=draw(st.sampled_from(CaseState)),
        immediate=draw(st.booleans()),
        stage_at={stage: draw(MINUTES) for stage in Stage},
        approvals_needed={Stage.REVOKE: draw(st.integers(0, 1)), Stage.DESTROY: 2},
        has_hr=draw(st.booleans()),
        operations=draw(operations()),
        surveys=tuple(surveys),
        holdings=tuple(holdings),
        questions=tuple(questions),
        holds=draw(st.sampled_from(((), (), (HoldFacts("h", "manual", "wait"),)))),
        hr=draw(hr),
        contained=draw(st.booleans()),
        rescinded=draw(st.booleans()),
        closing=draw(st.booleans()),
        records_published=draw(st.booleans()),
        legal_hold=draw(st.booleans()),
        brake_room=dict.fromkeys(Step, draw(st.integers(-1, 1))),
    )


def test_final_states_are_never_left() -> None:
    """Closed and rescinded have no way out, and every state is in the table."""
    assert set(MOVES) == set(CaseState)
    assert all(MOVES[state] == {state} for state in FINAL)


def test_only_a_running_case_closes() -> None:
    """No other state has a move to closed."""
    ways = {state for state, after in MOVES.items() if CaseState.CLOSED in after}
    assert ways == {CaseState.RUNNING, CaseState.CLOSED}


def test_an_illegal_move_is_refused() -> None:
    """The check raises instead of writing."""
    with pytest.raises(IllegalMove, match="from closed to running"):
        check_move(CaseState.CLOSED, CaseState.RUNNING)


@given(any_facts())
def test_every_decision_is_a_legal_move(facts: CaseFacts) -> None:
    """Whatever the rows hold, the derived state follows from the present one by the table."""
    started = facts.state
    if facts.closing and facts.state not in {CaseState.RUNNING, CaseState.CLOSED}:
        return  # the closing record is written in a running case only
    if facts.rescinded and not facts.closing and facts.state is not CaseState.CLOSED:
        started = CaseState.RESCINDED  # written together with its instant
    if facts.state is CaseState.RESCINDED and not facts.rescinded:
        return  # rows never say so: the state rescinded and its instant are written together
    check_move(started, decide(facts, NOW).state)


@given(any_facts())
def test_the_same_facts_give_the_same_decision(facts: CaseFacts) -> None:
    """A pass that runs twice does no harm."""
    assert decide(facts, NOW) == decide(facts, NOW)


@given(any_facts())
def test_nothing_is_written_while_held_rescinded_or_observed(facts: CaseFacts) -> None:
    """Law 5 and Law 7: holds, rescission and observe-only stop every write but an approved undo."""
    decision = decide(facts, NOW)
    observed = {each.name for each in facts.systems if each.observe}
    for operation in facts.operations:
        if operation.seq in decision.send and operation.step in WRITES:
            assert not facts.holds
            assert operation.system not in observed
            assert not facts.rescinded or operation.step is Step.RESTORE


@given(any_facts())
def test_revoke_is_sent_only_after_preserve_and_transfer(facts: CaseFacts) -> None:
    """Law 3: what cannot be undone waits for what must be kept and handed over, and for HR."""
    decision = decide(facts, NOW)
    for operation in facts.operations:
        if operation.seq not in decision.send or operation.step is not Step.REVOKE:
            continue
        for step in (Step.PRESERVE, Step.TRANSFER, Step.CONTAIN):
            earlier = facts.operation(operation.system, step)
            assert earlier is None or earlier.state is OperationState.DONE
        said = any(question.answer == "ends" for question in facts.questions)
        assert said or (facts.hr is not None and facts.hr.outcome == "ended")
        assert not facts.legal_hold


@given(any_facts())
def test_contain_never_waits_for_backup_or_transfer(facts: CaseFacts) -> None:
    """Law 3: no reason against contain ever names preserve or transfer, without an exception."""
    for operation in facts.operations:
        if operation.step is Step.CONTAIN:
            why = gate(operation, facts, NOW).why
            assert "preserve" not in why
            assert "transfer" not in why


@given(any_facts())
def test_a_case_closes_only_on_two_clean_reads_by_the_verifier(facts: CaseFacts) -> None:
    """Law 2 and Law 4: closing needs every covered system seen twice, with nothing left."""
    decision = decide(facts, NOW)
    closing = decision.write_closing or (
        decision.state is CaseState.CLOSED and facts.state is not CaseState.CLOSED
    )
    if not closing:
        return
    assert facts.covered
    assert not facts.holds
    for each in facts.covered:
        for phase in (Step.VERIFY_FIRST, Step.VERIFY_SECOND):
            survey = facts.survey(each.name, phase)
            assert survey is not None
            assert (survey.blind, survey.by_verifier, survey.residue) == ("", True, ())
    for holding in facts.holdings:
        if any(each.name == holding.system for each in facts.covered):
            ranks = [HoldingState.LIVE, HoldingState.CONTAINED, HoldingState.GONE]
            wanted = holding.disposition.wanted
            assert ranks.index(holding.state) >= ranks.index(wanted)
    assert all(q.answer for q in facts.questions if q.kind is not QuestionKind.UNDO)


@given(any_facts())
def test_a_full_brake_sends_nothing(facts: CaseFacts) -> None:
    """Law 5: a case the window has no room for is held as a whole, and no slot is taken."""
    decision = decide(facts, NOW)
    if decision.braked:
        assert decision.send == ()
        assert decision.admit == frozenset()


def test_no_covered_system_proves_nothing() -> None:
    """An empty list of checks fails closed."""
    facts = case([system(excluded="archive")], hr=HrFacts("ended", NOW))
    closure = assess(facts, NOW)
    assert (closure.complete, closure.percent) == (False, 0)


def test_a_system_taken_out_of_configuration_is_not_thereby_clean() -> None:
    """Law 4: operations of a system that is gone keep the case open, and say what to do."""
    left = OperationFacts(1, "door", Step.SURVEY, OperationState.DONE, 0, 0, NOW)
    closure = assess(case([system()], operations=(left,), hr=HrFacts("ended", NOW)), NOW)
    words = [check.why for check in closure.open if check.about == "door"]
    assert words == [
        "no longer configured: exclude it by policy, with a reason, or configure it again"
    ]


def exception(deadline: timedelta) -> SystemFacts:
    """Make a system whose schedules must be taken over before contain."""
    order = OrderException(Stage.TRANSFER, Stage.CONTAIN, "schedules die", deadline)
    support = Support(kind("grant.group"), EVERY_STAGE, order=(order,))
    return system(card=Card("test", (support,), timedelta(0)))


def two(first: Step, second: Step, state: OperationState) -> tuple[OperationFacts, OperationFacts]:
    """Make two operations of one system; ``state`` is of the second."""
    return (
        OperationFacts(1, "ldap", first, OperationState.TODO, 0, 0, NOW - timedelta(hours=1)),
        OperationFacts(2, "ldap", second, state, 0, 0, NOW - timedelta(hours=1)),
    )


def test_a_declared_exception_delays_contain_until_its_deadline() -> None:
    """Contain waits for the declared step, at most until the deadline the card names."""
    contain, transfer = two(Step.CONTAIN, Step.TRANSFER, OperationState.TODO)
    facts = case([exception(timedelta(minutes=10))], operations=(contain, transfer))
    answer = gate(contain, facts, NOW)
    assert (answer.open, answer.until) == (False, NOW + timedelta(minutes=9))
    assert gate(contain, facts, NOW + timedelta(minutes=9)).open


def test_an_immediate_case_waits_for_no_exception() -> None:
    """Law 3: when the termination is immediate the deadline is zero."""
    contain, transfer = two(Step.CONTAIN, Step.TRANSFER, OperationState.TODO)
    facts = case([exception(timedelta(minutes=10))], operations=(contain, transfer), immediate=True)
    assert gate(contain, facts, NOW).open
