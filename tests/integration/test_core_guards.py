"""The guards: brake, protected list, holds, observe-only, and approvals bound to what was seen."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from reconcile.case import CaseState
from reconcile.errors import Conflict, NotAllowed, PolicyLost, StaleApproval
from reconcile.estate import Guards
from tests.support.scenario import Scenario, hire, scenario

if TYPE_CHECKING:
    from pathlib import Path

SOON = timedelta(minutes=10)


def leave(core: Scenario, number: str) -> str:
    """Hire somebody and let them leave at once; returns the case."""
    core.world.add_person(f"p{number}", employee_number=number, names=[f"Person {number}"])
    return core.receive(employment=f"E-{number}", number=number)


def state(core: Scenario, case_id: str) -> CaseState:
    """Say where a case stands."""
    return core.desk.case(case_id).summary.state


def test_the_brake_holds_the_one_too_many(tmp_path: Path) -> None:
    """Law 5: beyond the window's limit a case is held, not dropped; the others go on."""
    with scenario(tmp_path, guards=Guards(people_per_window=2)) as core:
        cases = [leave(core, str(number)) for number in range(3)]
        core.settle(until=core.clock() + SOON)
        contained = [core.desk.case(each).contained_at is not None for each in cases]
        assert contained == [True, True, False]
        assert state(core, cases[2]) is CaseState.HELD


def test_the_window_rolls(tmp_path: Path) -> None:
    """Slots count for the window only: a case that comes later needs no release."""
    with scenario(tmp_path, guards=Guards(people_per_window=1)) as core:
        leave(core, "1")
        core.settle(until=core.clock() + timedelta(hours=25))
        second = leave(core, "2")
        core.settle(until=core.clock() + SOON)
        assert core.desk.case(second).contained_at is not None


def test_two_different_people_release_the_brake(tmp_path: Path) -> None:
    """One person, even twice, does not let a held case through; two do."""
    with scenario(tmp_path, guards=Guards(people_per_window=1)) as core:
        leave(core, "1")
        held = leave(core, "2")
        core.settle(until=core.clock() + SOON)
        view = core.desk.case(held)
        hold = view.holds[0]
        for _ in range(2):
            core.desk.release(held, hold.id, view.plan_hash, principal="ann")
        core.settle(until=core.clock() + SOON)
        assert state(core, held) is CaseState.HELD
        core.desk.release(held, hold.id, view.plan_hash, principal="ben")
        core.settle(until=core.clock() + SOON)
        assert core.desk.case(held).contained_at is not None


def test_a_release_is_bound_to_what_was_seen(tmp_path: Path) -> None:
    """A plan that changed since it was looked at needs another look."""
    with scenario(tmp_path, guards=Guards(people_per_window=0)) as core:
        held = leave(core, "1")
        core.settle(until=core.clock() + SOON)
        hold = core.desk.case(held).holds[0]
        with pytest.raises(StaleApproval):
            core.desk.release(held, hold.id, "0" * 64, principal="ann")


def test_a_protected_person_is_never_touched(tmp_path: Path) -> None:
    """Law 5: a protected employment is held from the start, and nobody can release it."""
    with scenario(tmp_path, guards=Guards(protected=("E-1042",))) as core:
        leaver, _ = hire(core.world)
        before = core.world.state(leaver)
        case_id = core.receive()
        core.settle(until=core.clock() + timedelta(days=3))
        view = core.desk.case(case_id)
        assert (view.summary.state, core.world.state(leaver)) == (CaseState.HELD, before)
        with pytest.raises(NotAllowed, match="only configuration"):
            core.desk.release(case_id, view.holds[0].id, view.plan_hash, principal="ann")


def test_a_protected_login_is_never_touched(tmp_path: Path) -> None:
    """An account whose login is protected holds the case once the survey has seen it."""
    with scenario(tmp_path, guards=Guards(protected=("lv*",))) as core:
        leaver, _ = hire(core.world)
        before = core.world.state(leaver)
        case_id = core.receive()
        core.settle(until=core.clock() + timedelta(days=3))
        assert (state(core, case_id), core.world.state(leaver)) == (CaseState.HELD, before)


def test_observe_only_surveys_and_never_writes(core: Scenario) -> None:
    """The starting mode plans and surveys; the world stays as it was and the case says why."""
    leaver, _ = hire(core.world)
    before = core.world.state(leaver)
    core.change_estate(observe=True)
    case_id = core.receive()
    core.settle(until=core.clock() + SOON)
    core.answer_all(case_id, confirm_termination="ends")
    core.settle(until=core.clock() + timedelta(hours=5))
    view = core.desk.case(case_id)
    assert core.world.state(leaver) == before
    assert core.world.audit() == ()
    why = {operation.step: operation.waits for operation in view.operations}
    assert why["contain"] == "observe-only: the system is surveyed and never written to"
    assert view.summary.state is not CaseState.CLOSED
    core.change_estate(observe=False)
    core.reconciler.reconcile(case_id)
    core.settle(until=core.clock() + timedelta(hours=5))
    assert state(core, case_id) is CaseState.CLOSED


def test_a_hold_stops_the_very_next_write(core: Scenario) -> None:
    """A person's hold takes effect between two holdings of one operation."""
    hire(core.world)
    case_id = core.receive()
    core.settle(until=core.clock() + SOON)
    core.answer_all(case_id, confirm_termination="ends")
    core.clock.turn(timedelta(hours=1))
    core.reconciler.reconcile(case_id)
    writes_before = len(core.world.audit())
    hold_id = ""

    def hold_then_guard() -> None:
        nonlocal hold_id
        if not hold_id and len(core.world.audit()) > writes_before:
            hold_id = core.desk.hold(case_id, "stop, please", principal="ann")

    runner = core.runner
    runner.lease.guard = hold_then_guard  # type: ignore[method-assign]
    runner.run(core.jobs.operations.pop(0))
    assert hold_id
    assert len(core.world.audit()) - writes_before <= 2
    core.settle()
    assert state(core, case_id) is CaseState.HELD
    view = core.desk.case(case_id)
    core.desk.release(case_id, hold_id, view.plan_hash, principal="ben")
    core.settle(until=core.clock() + timedelta(hours=3))
    assert state(core, case_id) is CaseState.CLOSED


def test_a_final_case_takes_no_more_commands(core: Scenario) -> None:
    """A closed case refuses holds and answers with words."""
    hire(core.world)
    case_id = core.receive()
    core.settle(until=core.clock() + SOON)
    core.answer_all(case_id, confirm_termination="ends")
    core.settle(until=core.clock() + timedelta(hours=3))
    with pytest.raises(Conflict, match="final"):
        core.desk.hold(case_id, "too late", principal="ann")


def test_a_lost_policy_version_stops_the_case(core: Scenario) -> None:
    """A case never goes on under a policy it did not begin with."""
    leaver, _ = hire(core.world)
    before = core.world.state(leaver)
    case_id = core.receive()
    core.change_estate(policies=(), policy_sources=())
    with core.database.begin() as connection:
        connection.exec_driver_sql("DELETE FROM policies")
    core.settle(until=core.clock() + SOON)
    assert core.world.state(leaver) == before
    assert [each.state for each in core.desk.cases()] == [CaseState.HELD]
    with pytest.raises(PolicyLost):
        core.desk.case(case_id)


def test_the_request_limit_of_a_system_is_kept(core: Scenario) -> None:
    """Between two calls of an operation there is at least the system's pace."""
    hire(core.world)
    waited: list[float] = []
    system = replace(core.estate.systems["directory"], pace=timedelta(seconds=30))
    core.change_estate(systems={"directory": system}, pause=waited.append)
    case_id = core.receive()
    core.settle(until=core.clock() + SOON)
    calls = [line for line in core.world.calls() if line.phase == "start"]
    operations = [o for o in core.desk.case(case_id).operations if o.started_at]
    assert len(waited) >= len(calls) - len(operations)
    assert all(0 < seconds <= 30 for seconds in waited)
