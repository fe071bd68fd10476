"""Law 3 meets Law 2: an immediate containment does not wait until a survey can see.

What a blind survey did show is contained. Nothing else follows from it: nobody is asked, nothing
counts as gone, nothing is taken away, nothing closes. When the survey sees, all goes on by itself.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from connectors.contract import Kind, ReadEnd
from connectors.memory import Injection, Trouble
from connectors.memory.connector import MemoryConnector
from reconcile.case import CaseState
from reconcile.estate import Guards
from reconcile.event import Action
from tests.support.scenario import Scenario, hire, scenario

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from connectors.memory.connector import Struck
    from reconcile.views import RecordView

SOON = timedelta(minutes=5)
HOURS = timedelta(hours=3)
LONG = timedelta(hours=30)
SLIT = 3
"""Holdings a page: a cut survey shows the first three and stops."""


class WithBlindSpot(MemoryConnector):
    """A credential that may not read one kind of holding, and says so."""

    def _end(self, struck: Struck, *gaps: str) -> ReadEnd:
        return super()._end(struck, *gaps, "grant.door")


@pytest.fixture
def slit(tmp_path: Path) -> Iterator[Scenario]:
    """Give a core whose directory answers in small pages."""
    with scenario(tmp_path, page_size=SLIT) as made:
        yield made


def by_canary(core: Scenario) -> None:
    """Somebody deleted the canary."""
    core.world.inject(Injection(Trouble.CANARY_HIDDEN))


def by_gap(core: Scenario) -> None:
    """A right was taken away."""
    core.connect_through(WithBlindSpot)


def by_cut(core: Scenario) -> None:
    """The server stops in the middle of an answer about an account."""
    core.world.inject(Injection(Trouble.TRUNCATED, operation="survey"))


def heal(core: Scenario) -> None:
    """Let the directory be seen again."""
    core.world.heal()
    core.connect_through(MemoryConnector)


def records(core: Scenario, case_id: str, type_: str) -> list[RecordView]:
    """List the evidence of one type."""
    return [each for each in core.desk.records(case_id) if each.type == type_]


def steps(core: Scenario, case_id: str) -> set[str]:
    """List the steps that are planned in the directory."""
    return {each.step for each in core.desk.case(case_id).operations if each.system != "hr"}


@pytest.mark.parametrize("blind", [by_canary, by_gap, by_cut])
def test_what_a_blind_survey_found_is_contained_at_once_and_nothing_else_follows(
    slit: Scenario, blind: object
) -> None:
    """Contained yes; nothing taken away, nobody asked, not closed however long it lasts."""
    core = slit
    leaver, _ = hire(core.world)
    assert callable(blind)
    blind(core)
    case_id = core.receive()
    core.settle(until=core.clock() + SOON)
    assert core.account_state(leaver) == "contained"
    assert core.desk.case(case_id).summary.state is CaseState.RUNNING
    assert steps(core, case_id) == {"survey", "contain"}
    core.answer_all(case_id, confirm_termination="ends")
    core.settle(until=core.clock() + HOURS)
    view = core.desk.case(case_id)
    assert view.summary.state is not CaseState.CLOSED
    assert steps(core, case_id) == {"survey", "contain"}
    assert core.open_questions(case_id) == []
    assert leaver in core.world.holders(Kind("grant.group"), "g-dev")
    assert {each.operation for each in core.world.audit()} == {"contain"}


@pytest.mark.parametrize("blind", [by_canary, by_gap, by_cut])
def test_when_the_survey_sees_the_case_goes_on_by_itself(slit: Scenario, blind: object) -> None:
    """Nobody has to do anything: the survey is repeated, and what it adds is contained too."""
    core = slit
    leaver, _ = hire(core.world)
    assert callable(blind)
    blind(core)
    case_id = core.receive()
    core.settle(until=core.clock() + SOON)
    heal(core)
    core.answer_all(case_id, confirm_termination="ends")
    core.settle(until=core.clock() + HOURS)
    core.answer_all(case_id, duty="done")
    core.settle(until=core.clock() + HOURS)
    assert core.desk.case(case_id).summary.state is CaseState.CLOSED
    assert leaver not in core.world.holders(Kind("grant.group"), "g-dev")


def test_evidence_says_that_a_containment_was_made_on_a_partial_read(core: Scenario) -> None:
    """Each effect, and the end of the operation, name why the read behind them could not see."""
    hire(core.world)
    by_canary(core)
    case_id = core.receive()
    core.settle(until=core.clock() + SOON)
    effects = records(core, case_id, "effect.recorded")
    assert effects
    assert {each.control["blind"] for each in effects} == {"the canary was not seen"}
    assert {each.control["outcome"] for each in effects} == {"done"}
    heal(core)
    core.finish(case_id)
    later = records(core, case_id, "effect.recorded")[len(effects) :]
    assert {each.control["blind"] for each in later} == {""}


def test_an_account_that_only_the_seeing_survey_finds_is_contained_before_anything_goes(
    core: Scenario,
) -> None:
    """Containing what was found first does not count as containing what is found later."""
    leaver, _ = hire(core.world)
    by_canary(core)
    case_id = core.receive()
    core.settle(until=core.clock() + SOON)
    second = core.world.add_person("lver-adm", employee_number="1042")
    heal(core)
    core.settle(until=core.clock() + HOURS)  # nobody has said yet that the employment ends
    assert (core.account_state(leaver), core.account_state(second)) == ("contained", "contained")
    assert leaver in core.world.holders(Kind("grant.group"), "g-dev")
    core.answer_all(case_id, confirm_termination="ends")
    core.finish(case_id)
    assert core.desk.case(case_id).summary.state is CaseState.CLOSED


def test_a_second_look_that_is_as_blind_contains_what_it_adds(core: Scenario) -> None:
    """Still without sight, an account that turns up is contained at the next look."""
    leaver, _ = hire(core.world)
    by_canary(core)
    core.receive()
    core.settle(until=core.clock() + SOON)
    second = core.world.add_person("lver-adm", employee_number="1042")
    core.settle(until=core.clock() + HOURS)
    assert (core.account_state(leaver), core.account_state(second)) == ("contained", "contained")


def test_an_unsure_match_is_neither_contained_nor_asked_about_without_sight(
    core: Scenario,
) -> None:
    """Only an immutable id or the HR number is enough; the question waits for a read that sees."""
    hire(core.world)
    alike = core.world.add_person("lver2", names=["Lea Ver"])
    by_canary(core)
    case_id = core.receive()
    core.settle(until=core.clock() + HOURS)
    assert core.account_state(alike) == "live"
    assert "candidate" not in core.open_questions(case_id)
    heal(core)
    core.settle(until=core.clock() + LONG)
    assert (core.account_state(alike), "candidate" in core.open_questions(case_id)) == (
        "live",
        True,
    )


def test_what_a_blind_re_read_does_not_show_is_not_taken_for_gone(core: Scenario) -> None:
    """Law 2: an ended session proves itself only to a read that could see."""
    leaver, _ = hire(core.world)
    core.world.give(leaver, Kind("session"), native_id="s-1", label="a session")
    by_canary(core)
    case_id = core.receive()
    core.settle(until=core.clock() + SOON)
    assert core.account_state(leaver) == "contained"
    view = core.desk.case(case_id)
    session = next(each for each in view.holdings if each.kind == "session")
    assert session.state == "live"
    contain = next(each for each in view.operations if each.step == "contain")
    assert contain.state == "todo"
    heal(core)
    core.settle(until=core.clock() + HOURS)
    view = core.desk.case(case_id)
    session = next(each for each in view.holdings if each.kind == "session")
    contain = next(each for each in view.operations if each.step == "contain")
    assert (session.state, contain.state) == ("gone", "done")


def test_a_canary_lost_between_survey_and_containment_does_not_delay_it(core: Scenario) -> None:
    """The survey saw; the containment that follows it acts on what it is shown."""
    leaver, _ = hire(core.world)
    case_id = core.receive()
    while "contain" not in steps(core, case_id):
        assert core.step()
    by_canary(core)
    core.settle(until=core.clock() + SOON)
    assert core.account_state(leaver) == "contained"


def test_a_protected_person_is_not_touched_on_a_partial_read_either(tmp_path: Path) -> None:
    """Law 5 comes first: the case is held, and nothing is written."""
    guards = Guards(protected=("lver",))
    with scenario(tmp_path, guards=guards) as core:
        leaver, _ = hire(core.world)
        by_canary(core)
        case_id = core.receive()
        core.settle(until=core.clock() + HOURS)
        assert core.desk.case(case_id).summary.state is CaseState.HELD
        assert core.account_state(leaver) == "live"
        assert core.world.audit() == ()


def test_the_brake_counts_a_containment_on_a_partial_read(tmp_path: Path) -> None:
    """Law 5: without room in the window the case is held, blind or not."""
    with scenario(tmp_path, guards=Guards(people_per_window=0)) as core:
        leaver, _ = hire(core.world)
        by_canary(core)
        case_id = core.receive()
        core.settle(until=core.clock() + HOURS)
        assert core.desk.case(case_id).summary.state is CaseState.HELD
        assert core.account_state(leaver) == "live"


def test_a_rescission_after_a_partial_containment_offers_the_undo(core: Scenario) -> None:
    """Law 9: pre-images were stored from the partial read too, so all comes back."""
    leaver, _ = hire(core.world)
    before = core.world.state(leaver)
    by_canary(core)
    case_id = core.receive()
    core.settle(until=core.clock() + SOON)
    assert core.account_state(leaver) == "contained"
    core.receive(Action.RESCINDED)
    core.settle(until=core.clock() + SOON)
    heal(core)
    core.answer_all(case_id, undo="restore")
    core.settle(until=core.clock() + HOURS)
    assert core.world.state(leaver) == before
    assert core.desk.case(case_id).summary.state is CaseState.RESCINDED
