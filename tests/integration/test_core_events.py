"""Events: once each, in any order; HR's word; rescission before and after containment."""

from __future__ import annotations

from datetime import date, timedelta
from typing import TYPE_CHECKING

import pytest

from connectors.contract import Kind
from connectors.hr.contract import EmploymentDates, EmploymentStatus
from reconcile.case import CaseState
from reconcile.errors import NotAllowed
from reconcile.event import Action
from tests.support.scenario import Scenario, hire, scenario

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

DECEMBER = date(2026, 12, 18)
LATER = timedelta(hours=3)


@pytest.fixture
def told(tmp_path: Path) -> Iterator[Scenario]:
    """Give a core with an HR system that knows the leaver, the successor and the manager."""
    with scenario(tmp_path, with_hr=True) as core:
        ends = EmploymentDates(last_working_day=DECEMBER, time_zone="Asia/Shanghai")
        core.hr.employ("E-1042", EmploymentStatus.SCHEDULED, dates=ends, manager="E-1001")
        core.hr.employ("E-1007", EmploymentStatus.ACTIVE, employee_number="1007")
        core.hr.employ("E-1001", EmploymentStatus.ACTIVE, employee_number="1001")
        yield core


def state(core: Scenario, case_id: str) -> CaseState:
    """Say where a case stands."""
    return core.desk.case(case_id).summary.state


def test_the_same_event_is_taken_once(core: Scenario) -> None:
    """A redelivery gets the same case and changes nothing."""
    hire(core.world)
    event = core.event(Action.IMMEDIATE)
    first = core.desk.receive(event, raw=b"{}", principal="hr")
    again = core.desk.receive(event, raw=b"{}", principal="hr")
    assert (first.case_id, again.outcome) == (again.case_id, "duplicate")
    assert len(core.desk.cases()) == 1
    received = [r for r in core.desk.records(first.case_id or "") if r.type == "event.received"]
    assert len(received) == 1


def test_two_events_for_one_person_are_one_case(core: Scenario) -> None:
    """A second event moves the date of the open case instead of opening another."""
    hire(core.world)
    case_id = core.receive(Action.SCHEDULED, last_day=DECEMBER)
    assert core.receive(Action.RESCHEDULED, last_day=date(2026, 12, 23)) == case_id
    core.settle()
    view = core.desk.case(case_id)
    assert view.summary.access_end.isoformat() == "2026-12-23T16:00:00+00:00"


def test_a_late_revision_is_kept_and_not_applied(core: Scenario) -> None:
    """An event that was overtaken is evidence, not news."""
    hire(core.world)
    case_id = core.receive(Action.RESCHEDULED, last_day=date(2026, 12, 23), revision=5)
    event = core.event(Action.SCHEDULED, last_day=DECEMBER, revision=3)
    receipt = core.desk.receive(event, raw=b"{}", principal="hr")
    assert (receipt.outcome, receipt.case_id) == ("kept", case_id)
    end = core.desk.case(case_id).summary.access_end
    assert end.isoformat() == "2026-12-23T16:00:00+00:00"


def test_a_termination_overtaken_by_its_rescission_opens_nothing(core: Scenario) -> None:
    """The rescission came first; the older event that follows does not open a case."""
    hire(core.world)
    late = core.event(Action.SCHEDULED, last_day=DECEMBER, revision=3)
    core.desk.receive(core.event(Action.RESCINDED, revision=4), raw=b"{}", principal="hr")
    assert core.desk.receive(late, raw=b"{}", principal="hr").outcome == "kept"
    assert core.desk.cases() == ()


def test_a_back_dated_event_is_due_at_once(core: Scenario) -> None:
    """A termination of last week contains now; backup and transfer still come before revoke."""
    hire(core.world)
    case_id = core.receive(Action.EFFECTIVE, last_day=date(2026, 11, 17))
    core.settle(until=core.clock() + timedelta(minutes=1))
    view = core.desk.case(case_id)
    assert view.contained_at is not None
    core.answer_all(case_id, confirm_termination="ends")
    core.settle(until=core.clock() + LATER)
    assert state(core, case_id) is CaseState.CLOSED


def test_immediate_overrides_a_date(core: Scenario) -> None:
    """An immediate event on a waiting case contains at once."""
    leaver, _ = hire(core.world)
    case_id = core.receive(Action.SCHEDULED, last_day=DECEMBER)
    core.settle()
    core.receive(Action.IMMEDIATE)
    core.settle(until=core.clock() + timedelta(minutes=1))
    account = core.world.state(leaver)[f"account.person|{leaver}"]
    assert account["state"] == "contained"  # type: ignore[index,call-overload]
    assert core.desk.case(case_id).immediate


@pytest.mark.parametrize("action", [Action.STATUS_HINT, Action.RECORD_DELETED, Action.REHIRED])
def test_a_hint_alone_never_terminates(core: Scenario, action: Action) -> None:
    """A vanished record, a status flag or a rehire opens no case by itself."""
    hire(core.world)
    receipt = core.desk.receive(core.event(action), raw=b"{}", principal="hr")
    assert (receipt.outcome, receipt.case_id) == ("kept", None)


def test_a_rescission_before_containment_writes_nothing(core: Scenario) -> None:
    """The case stops, the world is as it was, and no undo is asked for."""
    leaver, _ = hire(core.world)
    before = core.world.state(leaver)
    case_id = core.receive(Action.SCHEDULED, last_day=DECEMBER)
    core.settle()
    core.receive(Action.RESCINDED)
    core.settle(until=core.clock() + timedelta(days=60))
    view = core.desk.case(case_id)
    assert view.summary.state is CaseState.RESCINDED
    assert core.world.state(leaver) == before
    assert "undo" not in [question.kind for question in view.questions]


def test_a_rescission_after_containment_waits_for_approval(core: Scenario) -> None:
    """Law 7: nothing is silently switched on again; approved, everything is as it was before."""
    leaver, _ = hire(core.world)
    before = core.world.state(leaver)
    case_id = core.receive()
    core.settle(until=core.clock() + timedelta(minutes=5))
    contained = core.world.state(leaver)
    assert contained != before
    core.receive(Action.RESCINDED)
    core.settle(until=core.clock() + timedelta(days=3))
    assert core.world.state(leaver) == contained
    core.answer_all(case_id, undo="restore")
    core.settle(until=core.clock() + LATER)
    after = core.world.state(leaver)
    assert after == before
    assert state(core, case_id) is CaseState.RESCINDED


def test_a_rescission_after_closing_opens_an_undo(core: Scenario) -> None:
    """Law 9: a closed case stays closed, and one approval puts back all that can come back."""
    leaver, _ = hire(core.world)
    before = core.world.state(leaver)
    case_id = core.receive()
    core.settle(until=core.clock() + timedelta(minutes=5))
    core.answer_all(case_id, confirm_termination="ends")
    core.settle(until=core.clock() + LATER)
    assert state(core, case_id) is CaseState.CLOSED
    assert core.receive(Action.RESCINDED) == case_id
    core.settle(until=core.clock() + timedelta(days=200))
    assert core.world.state(leaver) not in ({}, before)
    core.answer_all(case_id, undo="restore")
    core.settle(until=core.clock() + LATER)
    assert core.world.state(leaver) == before
    assert state(core, case_id) is CaseState.CLOSED


def test_after_a_rescission_a_new_termination_is_a_new_case(core: Scenario) -> None:
    """The old case stays final; the new event opens its own."""
    hire(core.world)
    first = core.receive(Action.SCHEDULED, last_day=DECEMBER)
    core.receive(Action.RESCINDED)
    second = core.receive(Action.SCHEDULED, last_day=date(2027, 1, 29))
    assert second not in {"", first}
    assert state(core, first) is CaseState.RESCINDED


def test_hr_gives_a_pointer_its_dates(told: Scenario) -> None:
    """An event without dates waits for HR's; nothing is due before they are known."""
    hire(told.world)
    case_id = told.receive(Action.SCHEDULED)
    assert told.desk.case(case_id).summary.access_end.year == 2199
    told.settle()
    view = told.desk.case(case_id)
    assert view.summary.access_end.isoformat() == "2026-12-18T16:00:00+00:00"
    assert view.summary.state is CaseState.WAITING


def test_a_pointer_that_nobody_can_read_is_refused(core: Scenario) -> None:
    """Without HR an event without dates is answered with words, and nothing is opened."""
    with pytest.raises(NotAllowed, match="no HR system is configured"):
        core.receive(Action.SCHEDULED)
    assert core.desk.cases() == ()


def test_hr_is_asked_daily_and_right_before_revoke(told: Scenario) -> None:
    """Law 7: while the case waits, and in the ten minutes before the first irreversible step."""
    hire(told.world)
    case_id = told.receive(Action.SCHEDULED, last_day=DECEMBER)
    told.settle()
    asked = told.hr.asked
    told.settle(until=told.clock() + timedelta(days=5))
    assert told.hr.asked >= asked + 3 * 4  # three people each time
    told.settle(until=told.desk.case(case_id).summary.access_end + LATER)
    view = told.desk.case(case_id)
    assert view.summary.state is CaseState.CLOSED
    revoke = next(o for o in view.operations if o.step == "revoke")
    reads = [r.at for r in told.desk.records(case_id) if r.type == "hr.read"]
    assert revoke.started_at is not None
    assert any(timedelta(0) <= revoke.started_at - at <= timedelta(minutes=10) for at in reads)


def test_a_silent_rescission_is_seen_by_asking(told: Scenario) -> None:
    """No event came; the daily question finds that HR has taken the termination back."""
    leaver, _ = hire(told.world)
    before = told.world.state(leaver)
    case_id = told.receive(Action.SCHEDULED, last_day=DECEMBER)
    told.settle(until=told.clock() + timedelta(days=3))
    told.hr.employ("E-1042", EmploymentStatus.RESCINDED)
    told.settle(until=told.clock() + timedelta(days=60))
    assert (state(told, case_id), told.world.state(leaver)) == (CaseState.RESCINDED, before)


def test_hr_that_shows_no_termination_holds_the_case(told: Scenario) -> None:
    """Never a silent continuation against what HR says: two people look."""
    leaver, _ = hire(told.world)
    before = told.world.state(leaver)
    told.hr.employ("E-1042", EmploymentStatus.ACTIVE)
    case_id = told.receive(Action.SCHEDULED, last_day=DECEMBER)
    told.settle(until=told.clock() + timedelta(days=60))
    view = told.desk.case(case_id)
    assert (view.summary.state, [hold.kind for hold in view.holds]) == (CaseState.HELD, ["hr"])
    assert told.world.state(leaver) == before


def test_an_employment_hr_does_not_know_is_a_question(told: Scenario) -> None:
    """HR could see and has no such employment: a person says whether it ends, before revoke."""
    hire(told.world)
    del told.hr.people["E-1042"]
    case_id = told.receive()
    told.settle(until=told.clock() + LATER)
    view = told.desk.case(case_id)
    assert "hr_disagrees" in [question.kind for question in view.questions]
    assert told.world.holders(Kind("grant.group"), "g-dev")
    assert view.summary.state is not CaseState.CLOSED


def test_a_blind_hr_confirms_nothing(told: Scenario) -> None:
    """Law 2: HR that cannot see neither ends nor rescinds anything; revoke waits."""
    hire(told.world)
    told.hr.blind = "the canary was not seen"
    case_id = told.receive()
    told.settle(until=told.clock() + LATER)
    revoke = next(o for o in told.desk.case(case_id).operations if o.step == "revoke")
    assert (revoke.state, revoke.waits) == ("todo", "the termination is being confirmed")


def test_a_leaving_manager_is_no_successor(told: Scenario) -> None:
    """The chain skips who is leaving: with nobody left a person is asked."""
    hire(told.world)
    told.hr.employ("E-1001", EmploymentStatus.TERMINATED)
    case_id = told.receive(successor="")
    told.settle(until=told.clock() + LATER)
    kinds = [q.kind for q in told.desk.case(case_id).questions if not q.answer]
    assert kinds == ["no_successor"]


def test_immediate_contains_although_hr_shows_nothing(told: Scenario) -> None:
    """Law 3: contain does not wait for HR; what cannot be undone waits for a person's answer."""
    leaver, _ = hire(told.world)
    told.hr.employ("E-1042", EmploymentStatus.ACTIVE)
    case_id = told.receive()
    told.settle(until=told.clock() + LATER)
    account = told.world.state(leaver)[f"account.person|{leaver}"]
    assert account["state"] == "contained"  # type: ignore[index,call-overload]
    assert leaver in told.world.holders(Kind("grant.group"), "g-dev")
    asked = [q.kind for q in told.desk.case(case_id).questions if not q.answer]
    assert asked == ["hr_disagrees"]
    told.answer_all(case_id, hr_disagrees="ends")
    told.settle(until=told.clock() + LATER)
    assert state(told, case_id) is CaseState.CLOSED


def test_a_successor_who_cannot_take_over_is_asked_about_again(core: Scenario) -> None:
    """An answer that leads nowhere opens the question again; it neither spins nor wedges."""
    hire(core.world)
    case_id = core.receive(successor="")
    core.settle(until=core.clock() + LATER)
    core.answer_all(case_id, no_successor="nobody", confirm_termination="ends")
    calls = len(core.world.calls())
    core.settle(until=core.clock() + LATER)
    assert len(core.world.calls()) - calls < 40
    asked = [q.kind for q in core.desk.case(case_id).questions if not q.answer]
    assert asked == ["no_successor"]
    core.answer_all(case_id, no_successor="1007")
    core.settle(until=core.clock() + LATER)
    assert state(core, case_id) is CaseState.CLOSED


def test_after_an_undo_the_case_shows_what_is(core: Scenario) -> None:
    """What was put back is shown as it was read, and no question of the case is left open."""
    hire(core.world)
    case_id = core.receive()
    core.settle(until=core.clock() + timedelta(minutes=5))
    core.receive(Action.RESCINDED)
    core.settle(until=core.clock() + LATER)
    core.answer_all(case_id, undo="restore")
    core.settle(until=core.clock() + LATER)
    view = core.desk.case(case_id)
    states = {holding.kind: holding.state for holding in view.holdings}
    assert states["account.person"] == states["credential.ssh_key"] == "live"
    assert [question.kind for question in view.questions if not question.answer] == []
