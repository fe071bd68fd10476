"""What a hostile reading found about news: dates that move, people who stay, answers that expire.

Each test stands for a way in which the case went on as if something had not been said.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from connectors.hr.contract import EmploymentDates, EmploymentStatus
from policies.access_end import CivilDates
from reconcile.case import CaseState
from reconcile.event import Action
from reconcile.facts import Step
from reconcile.operations.runner import OperationRunner
from tests.support.scenario import Scenario, hire, scenario

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from reconcile.operations.run import Run

MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)
DECEMBER = date(2026, 12, 10)
AFTER = datetime(2026, 12, 12, tzinfo=UTC)


@pytest.fixture
def told(tmp_path: Path) -> Iterator[Scenario]:
    """Give a core with an HR system that knows the leaver and the successor."""
    with scenario(tmp_path, with_hr=True) as core:
        hr_says(core, EmploymentStatus.SCHEDULED)
        core.hr.employ("E-1007", EmploymentStatus.ACTIVE, employee_number="1007")
        yield core


def hr_says(core: Scenario, status: EmploymentStatus, last_day: date = DECEMBER) -> None:
    """Let HR say something of the leaver."""
    dates = EmploymentDates(last_working_day=last_day, time_zone="UTC")
    core.hr.employ("E-1042", status, dates=dates)


def state(core: Scenario, case_id: str) -> CaseState:
    """Say where a case stands."""
    return core.desk.case(case_id).summary.state


def test_an_end_that_hr_moves_after_containment_stops_what_is_irreversible(told: Scenario) -> None:
    """Law 7: HR is asked right before revoke, and what it says of the date is looked at."""
    leaver, _ = hire(told.world)
    hr_says(told, EmploymentStatus.SCHEDULED, date(2026, 11, 26))
    case_id = told.receive(Action.SCHEDULED, last_day=date(2026, 11, 26))
    told.settle(until=datetime(2026, 11, 27, 0, 30, tzinfo=UTC))
    assert told.account_state(leaver) == "contained"
    hr_says(told, EmploymentStatus.SCHEDULED, date(2027, 3, 31))
    told.settle(until=datetime(2026, 11, 28, tzinfo=UTC))
    assert "grant.group|g-dev" in told.world.state(leaver)
    assert (state(told, case_id), told.standing_holds(case_id)) == (CaseState.HELD, ["hr"])


def test_hr_that_shows_them_active_a_second_time_holds_a_second_time(told: Scenario) -> None:
    """Law 7: what two people have released was the former contradiction, not the next one."""
    leaver, _ = hire(told.world)
    hr_says(told, EmploymentStatus.ACTIVE)
    case_id = told.receive(Action.SCHEDULED, last_day=DECEMBER)
    told.settle(until=told.clock() + HOUR)
    assert told.standing_holds(case_id) == ["hr"]
    hr_says(told, EmploymentStatus.SCHEDULED)
    told.settle(until=told.clock() + timedelta(days=2))
    told.release_all(case_id, "ann", "ben")
    told.settle(until=told.clock() + timedelta(days=2))
    assert told.standing_holds(case_id) == []
    hr_says(told, EmploymentStatus.ACTIVE)
    told.settle(until=AFTER)
    assert (told.account_state(leaver), told.standing_holds(case_id)) == ("live", ["hr"])


def test_each_source_counts_its_own_revisions(core: Scenario) -> None:
    """A large number of one source does not make the other's rescission late."""
    leaver, _ = hire(core.world)
    case_id = core.receive(Action.SCHEDULED, last_day=DECEMBER, revision=1)
    hint = replace(core.event(Action.STATUS_HINT, revision=1_795_316_400_000), source="console")
    core.desk.receive(hint, raw=b"{}", principal="ann")
    core.receive(Action.RESCINDED, revision=2)
    core.settle(until=AFTER)
    assert (state(core, case_id), core.account_state(leaver)) == (CaseState.RESCINDED, "live")


def test_a_rescission_that_is_late_is_looked_at(core: Scenario) -> None:
    """Law 7: an overtaken rescission is not applied, and not passed over in silence either."""
    leaver, _ = hire(core.world)
    case_id = core.receive(Action.SCHEDULED, last_day=DECEMBER, revision=5)
    event = core.event(Action.RESCINDED, revision=3)
    assert core.desk.receive(event, raw=b"{}", principal="hr").outcome == "kept"
    core.settle(until=AFTER)
    assert (core.account_state(leaver), core.standing_holds(case_id)) == ("live", ["hr"])


def test_a_later_event_names_another_successor(core: Scenario) -> None:
    """The newest word about who takes over counts, with or without an HR system."""
    _, successor = hire(core.world)
    other = core.world.add_person("neo", employee_number="1008")
    core.receive(Action.SCHEDULED, last_day=DECEMBER)
    core.settle()
    core.receive(Action.RESCHEDULED, last_day=DECEMBER, successor="E-1008")
    core.settle(until=datetime(2026, 12, 9, tzinfo=UTC))
    assert "ownership.group|o-team" in core.world.state(other)
    assert "ownership.group|o-team" not in core.world.state(successor)


def test_every_move_after_containment_is_a_hold_of_its_own(core: Scenario) -> None:
    """A release of the first move does not release the second, however alike their events are."""
    hire(core.world)
    case_id = core.receive(Action.SCHEDULED, last_day=date(2026, 11, 24))
    core.settle(until=datetime(2026, 11, 24, 16, 10, tzinfo=UTC))
    for number, moved in enumerate((date(2026, 12, 24), date(2027, 3, 24)), start=2):
        event_id = f"workday-2026-11-{number:04d}"
        core.receive(Action.RESCHEDULED, last_day=moved, event_id=event_id)
        core.settle(until=core.clock() + MINUTE)
        assert len(core.standing_holds(case_id)) == 1
        core.release_all(case_id, "ann")
        assert core.standing_holds(case_id) == []


def test_a_date_without_a_zone_keeps_the_zone_that_was_named(core: Scenario) -> None:
    """Law 12: silence about the zone is not UTC."""
    hire(core.world)
    case_id = core.receive(Action.SCHEDULED, last_day=DECEMBER)
    event = core.event(Action.RESCHEDULED)
    dates = CivilDates(last_working_day=date(2026, 12, 11))
    event = replace(event, person=replace(event.person, dates=dates))
    core.desk.receive(event, raw=b"{}", principal="hr")
    view = core.desk.case(case_id)
    assert view.time_zone == "Asia/Shanghai"
    assert view.summary.access_end == datetime(2026, 12, 11, 16, 0, tzinfo=UTC)


def test_a_rehire_holds_the_case_where_no_hr_can_be_asked(core: Scenario) -> None:
    """Law 7: somebody who was hired again is not cut off by the old case in silence."""
    leaver, _ = hire(core.world)
    case_id = core.receive(Action.SCHEDULED, last_day=DECEMBER)
    core.settle(until=core.clock() + MINUTE)
    core.answer_all(case_id, confirm_termination="ends")
    core.receive(Action.REHIRED)
    core.settle(until=AFTER)
    assert (core.account_state(leaver), state(core, case_id)) == ("live", CaseState.HELD)


def test_an_end_that_moves_between_gate_and_write_stops_the_write(
    core: Scenario, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Law 5: the leave to write was for another date; an event in that instant is not too late."""
    leaver, _ = hire(core.world)
    moved: list[str] = []
    step = OperationRunner._step

    def interrupted(self: OperationRunner, run: Run, *work: Any) -> Any:
        """Let the event come once, after the gate of containment was passed."""
        if run.step is Step.CONTAIN and not moved:
            moved.append(core.receive(Action.RESCHEDULED, last_day=date(2026, 12, 24)))
        return step(self, run, *work)

    monkeypatch.setattr(OperationRunner, "_step", interrupted)
    case_id = core.receive(Action.SCHEDULED, last_day=date(2026, 11, 24))
    core.settle(until=datetime(2026, 11, 24, 17, 0, tzinfo=UTC))
    assert moved == [case_id]
    assert (core.account_state(leaver), core.standing_holds(case_id)) == ("live", [])


def test_that_it_ends_was_said_of_one_date(core: Scenario) -> None:
    """Law 7: a person confirmed an end in June; for November they are asked again."""
    leaver, _ = hire(core.world)
    case_id = core.receive(Action.SCHEDULED, last_day=date(2027, 6, 30))
    core.settle(until=core.clock() + MINUTE)
    core.answer_all(case_id, confirm_termination="ends")
    core.receive(Action.RESCHEDULED, last_day=date(2026, 11, 24))
    core.settle(until=datetime(2026, 11, 25, tzinfo=UTC))
    assert core.open_questions(case_id) == ["confirm_termination"]
    assert "grant.group|g-dev" in core.world.state(leaver)
    core.answer_all(case_id, confirm_termination="ends")
    core.settle(until=datetime(2026, 11, 26, tzinfo=UTC))
    assert state(core, case_id) is CaseState.CLOSED


def test_who_releases_a_contradiction_is_asked_the_question_again(core: Scenario) -> None:
    """Law 11: after ``active`` and a release the case has an open question, not a dead end."""
    hire(core.world)
    case_id = core.receive()
    core.settle(until=core.clock() + MINUTE)
    core.answer_all(case_id, confirm_termination="active")
    core.settle(until=core.clock() + MINUTE)
    core.release_all(case_id, "ann", "ben")
    core.settle(until=core.clock() + MINUTE)
    assert core.open_questions(case_id) == ["confirm_termination"]
    assert core.finish(case_id).summary.state is CaseState.CLOSED


def test_look_again_looks_every_time(core: Scenario) -> None:
    """The same answer a second time is a second look."""
    case_id = core.receive()
    core.settle()
    counts = []
    for _ in range(3):
        counts.append(sum(each.operation == "find" for each in core.world.calls()))
        core.answer_all(case_id, no_account="look again")
        core.settle()
    assert counts[0] < counts[1] < counts[2]


def test_a_legal_hold_that_is_lifted_is_lifted(core: Scenario) -> None:
    """A later event that says so ends it; one that is silent does not."""
    leaver, _ = hire(core.world)
    case_id = core.receive(legal_hold=True)
    core.finish(case_id)
    core.receive()
    core.settle(until=core.clock() + HOUR)
    assert "grant.group|g-dev" in core.world.state(leaver)
    core.receive(legal_hold=False)
    assert core.finish(case_id).summary.state is CaseState.CLOSED
