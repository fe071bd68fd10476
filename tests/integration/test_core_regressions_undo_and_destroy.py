"""What a hostile reading found about the end of a case: putting back, and deleting for good.

Each test stands for access that came back in silence, or an account that went, or never could.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from connectors.contract import Account, Holding, Kind, Stage
from connectors.faults import Refused, Transient
from connectors.hr.contract import EmploymentDates, EmploymentStatus
from connectors.memory.connector import MemoryConnector
from reconcile.case import CaseState
from reconcile.errors import NotAllowed
from reconcile.estate import Guards
from reconcile.event import Action
from tests.support.scenario import Scenario, hire, scenario

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from connectors.contract import Effect

MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)
NEARLY = timedelta(days=88)


def approve(core: Scenario, case_id: str) -> None:
    """Let two people approve the deletion, seeing the present plan."""
    for person in ("ann", "ben"):
        bound_to = core.desk.case(case_id).plan_hash
        core.desk.approve(case_id, Stage.DESTROY, bound_to, principal=person)


def test_deleting_is_not_approved_months_ahead(core: Scenario) -> None:
    """Law 7: an approval of the day of closing knows nothing of the three months after it."""
    hire(core.world)
    case_id = core.receive()
    core.finish(case_id)
    with pytest.raises(NotAllowed, match="too early"):
        approve(core, case_id)


def test_who_is_back_is_not_deleted(core: Scenario) -> None:
    """The person was hired again and works: a rehire holds the deletion that was to come."""
    leaver, _ = hire(core.world)
    case_id = core.receive()
    core.finish(case_id)
    core.awaken(leaver)
    core.receive(Action.REHIRED)
    core.settle(until=core.clock() + NEARLY)
    approve(core, case_id)
    core.settle(until=core.clock() + timedelta(days=10))
    assert core.account_state(leaver) == "live"
    assert core.standing_holds(case_id) == ["hr"]


def test_an_account_that_works_again_is_not_deleted(core: Scenario) -> None:
    """Nobody told us, and still: what was switched on after us is a question, not a target."""
    leaver, _ = hire(core.world)
    case_id = core.receive()
    core.finish(case_id)
    core.awaken(leaver)
    core.settle(until=core.clock() + NEARLY)
    approve(core, case_id)
    core.settle(until=core.clock() + timedelta(days=10))
    assert core.account_state(leaver) == "live"
    assert core.open_questions(case_id) == ["dead_letter"]


def test_hr_is_asked_before_deleting_and_then_it_is_done(tmp_path: Path) -> None:
    """Law 7: with an HR system the deletion of a closed case asks it again, and runs."""
    with scenario(tmp_path, with_hr=True) as core:
        leaver, _ = hire(core.world)
        ended = EmploymentDates(last_working_day=date(2026, 11, 23), time_zone="UTC")
        core.hr.employ("E-1042", EmploymentStatus.TERMINATED, dates=ended)
        core.hr.employ("E-1007", EmploymentStatus.ACTIVE, employee_number="1007")
        case_id = core.receive()
        assert core.finish(case_id).summary.state is CaseState.CLOSED
        core.settle(until=core.clock() + NEARLY)
        asked = core.hr.asked
        approve(core, case_id)
        core.settle(until=core.clock() + timedelta(days=10))
        assert core.hr.asked > asked
        assert core.world.state(leaver) == {}


def test_the_brake_of_a_deletion_can_be_released(tmp_path: Path) -> None:
    """Law 5: the brake holds a closed case's deletion too, and two people let it through."""
    with scenario(tmp_path) as core:
        leaver, _ = hire(core.world)
        case_id = core.receive()
        core.finish(case_id)
        core.settle(until=core.clock() + NEARLY)
        core.change_estate(guards=Guards(people_per_window=0))
        approve(core, case_id)
        core.settle(until=core.clock() + timedelta(days=10))
        assert core.account_state(leaver) == "contained"
        assert core.standing_holds(case_id) == ["brake"]
        core.release_all(case_id, "ann", "ben")
        core.settle(until=core.clock() + HOUR)
        assert core.world.state(leaver) == {}


def test_an_undo_that_fails_asks_a_person(core: Scenario) -> None:
    """Law 11: a restore that gives up is a question with a deadline, also after closing."""

    class Lost(MemoryConnector):
        """Cannot put anything back."""

        def restore(self, account: Account, holdings: Sequence[Holding]) -> Sequence[Effect]:
            """Refuse."""
            raise Refused("the entry is gone")

    core.connect_through(Lost)
    hire(core.world)
    case_id = core.receive()
    core.finish(case_id)
    core.receive(Action.RESCINDED)
    core.settle(until=core.clock() + MINUTE)
    core.answer_all(case_id, undo="restore")
    core.settle(until=core.clock() + HOUR)
    restore = [each.state for each in core.desk.case(case_id).operations if each.step == "restore"]
    assert (restore, core.open_questions(case_id)) == (["failed"], ["dead_letter"])


def test_an_undo_does_not_undercut_a_newer_case(core: Scenario) -> None:
    """The old case's undo is approved after a new termination has closed: nothing comes back."""
    leaver, _ = hire(core.world)
    first = core.receive()
    core.settle(until=core.clock() + MINUTE)
    core.receive(Action.RESCINDED)
    core.settle(until=core.clock() + MINUTE)
    second = core.receive()
    assert second != first
    assert core.finish(second).summary.state is CaseState.CLOSED
    core.answer_all(first, undo="restore")
    core.settle(until=core.clock() + HOUR)
    assert core.account_state(leaver) == "contained"
    assert core.world.holders(Kind("grant.group"), "g-dev") != (leaver,)


def test_a_rescission_is_about_the_newest_case(core: Scenario) -> None:
    """Said twice, it does not reach for the closed case of an earlier employment."""
    hire(core.world)
    first = core.receive()
    assert core.finish(first).summary.state is CaseState.CLOSED
    core.clock.turn(timedelta(days=300))
    second = core.receive(Action.SCHEDULED, last_day=date(2028, 1, 1))
    assert second != first
    for _ in range(2):
        core.receive(Action.RESCINDED)
        core.settle(until=core.clock() + MINUTE)
    assert core.desk.case(second).summary.state is CaseState.RESCINDED
    assert core.desk.case(first).rescinded_at is None
    assert core.open_questions(first) == []


def test_a_rescission_after_the_transfer_offers_an_undo(core: Scenario) -> None:
    """Law 9: whatever has been written can be put back, not only what was blocked."""
    _, successor = hire(core.world)
    case_id = core.receive(Action.SCHEDULED, last_day=date(2026, 12, 10))
    core.settle(until=datetime(2026, 12, 9, tzinfo=UTC))
    assert "ownership.group|o-team" in core.world.state(successor)
    assert core.desk.case(case_id).contained_at is None
    core.receive(Action.RESCINDED)
    core.settle(until=core.clock() + MINUTE)
    assert core.open_questions(case_id) == ["undo"]


def test_an_undo_gives_back_only_what_this_case_took(core: Scenario) -> None:
    """Law 9: a role that an administrator had removed meanwhile is not granted again."""

    class Slow(MemoryConnector):
        """Fails the first removal."""

        failed = False

        def revoke(self, account: Account, holdings: Sequence[Holding]) -> Sequence[Effect]:
            """Fail before anything is changed, once."""
            if not Slow.failed:
                Slow.failed = True
                raise Transient("busy")
            return super().revoke(account, holdings)

    core.connect_through(Slow)
    leaver, _ = hire(core.world)
    core.world.give(leaver, Kind("grant.role"), native_id="root-role", label="root")
    case_id = core.receive()
    core.settle(until=core.clock() + MINUTE)
    core.answer_all(case_id, confirm_termination="ends")
    while not Slow.failed:
        if not core.step():
            core.clock.now = min(at for at in core.jobs.wakes.values() if at)
    core.world.take(leaver, Kind("grant.role"), "root-role")
    core.settle(until=core.clock() + timedelta(hours=3))
    assert core.desk.case(case_id).summary.state is CaseState.CLOSED
    core.receive(Action.RESCINDED)
    core.settle(until=core.clock() + MINUTE)
    core.answer_all(case_id, undo="restore")
    core.settle(until=core.clock() + HOUR)
    assert "grant.group|g-dev" in core.world.state(leaver)
    assert "grant.role|root-role" not in core.world.state(leaver)


def test_an_undo_ends_although_what_the_card_named_does_not_come_back(core: Scenario) -> None:
    """Law 9: a session that ended stays ended; the undo says so and is done, and asks nobody."""
    leaver, _ = hire(core.world)
    core.world.give(leaver, Kind("session"))
    before = core.world.state(leaver)
    case_id = core.receive()
    core.settle(until=core.clock() + MINUTE)
    assert core.account_state(leaver) == "contained"
    core.receive(Action.RESCINDED)
    core.settle(until=core.clock() + MINUTE)
    core.answer_all(case_id, undo="restore")
    core.settle(until=core.clock() + HOUR)

    after = core.world.state(leaver)
    lost = {name for name in before if after.get(name) != before[name]}
    restore = next(o for o in core.desk.case(case_id).operations if o.step == "restore")
    said = [r.control for r in core.desk.records(case_id) if r.type == "system.restored"]
    assert {name.split("|")[0] for name in lost} == {"session"}
    assert (restore.state, core.open_questions(case_id)) == ("done", [])
    assert said[-1]["not_back"] == []
    assert len(list(said[-1]["refused"])) == 1  # type: ignore[call-overload]
