"""What the connector sees and cannot take away is a person's task: asked once, believed when seen.

And what the successor was given where only the leaver's side shows it is seen there.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from connectors.contract import (
    Account,
    Card,
    Effect,
    Holding,
    Kind,
    Outcome,
    Page,
    Stage,
    Support,
)
from connectors.memory.connector import MemoryConnector
from reconcile.case import CaseState
from reconcile.event import Action
from tests.support.scenario import Scenario, hire

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from reconcile.views import CaseView, OperationView, QuestionView

SOON = timedelta(minutes=10)
HOURS = timedelta(hours=4)
WEEKS = timedelta(days=20)
ROLE = Kind("grant.role")
TEAM = Kind("ownership.group")
DRIVE = Kind("data.drive")
BY_RULE = "membership by rule"
STUCK = "refused, and nobody knows why"
TASK = "change the rule that makes this person a member"


class Ruled(MemoryConnector):
    """Sees what a rule of the system gives, and is refused when it takes or hands that over."""

    def survey(self, account: Account) -> Iterator[Page[Holding]]:
        """Name the task where a rule gives it."""
        for page in super().survey(account):
            items = (replace(one, duty=TASK) if _ruled(one) else one for one in page.items)
            yield replace(page, items=tuple(items))

    def revoke(self, account: Account, holdings: Sequence[Holding]) -> Sequence[Effect]:
        """Refuse what a rule gives."""
        free = [one for one in holdings if one.label not in {BY_RULE, STUCK}]
        return _refused(holdings, super().revoke(account, free) if free else ())

    def transfer(
        self, account: Account, holdings: Sequence[Holding], successor: Account
    ) -> Sequence[Effect]:
        """Refuse what a rule gives."""
        free = [one for one in holdings if not _ruled(one)]
        return _refused(holdings, super().transfer(account, free, successor) if free else ())


class SharedDrive(MemoryConnector):
    """A drive shows who else may write to it; nobody's own survey shows a drive of another's."""

    def card(self) -> Card:
        """Hand drives over as well."""
        card = super().card()
        stages = frozenset({Stage.PRESERVE, Stage.TRANSFER})
        others = (each for each in card.supports if each.kind != DRIVE)
        return replace(card, supports=(*others, Support(DRIVE, stages)))

    def survey(self, account: Account) -> Iterator[Page[Holding]]:
        """Show one's own drive, with those who may write to it."""
        for page in super().survey(account):
            own = [one for one in page.items if one.kind != DRIVE or one.label == "own"]
            yield replace(page, items=tuple(self._with_heirs(one) for one in own))

    def _with_heirs(self, holding: Holding) -> Holding:
        if holding.kind != DRIVE:
            return holding
        bearers = frozenset(self._world.holders(DRIVE, holding.native_id))
        return replace(holding, handed_to=bearers - {holding.account_id})

    def transfer(
        self, account: Account, holdings: Sequence[Holding], successor: Account
    ) -> Sequence[Effect]:
        """Share a drive; hand over the rest as usual."""
        rest = [one for one in holdings if one.kind != DRIVE]
        effects = list(super().transfer(account, rest, successor)) if rest else []
        for one in holdings:
            if one.kind == DRIVE:
                self._world.give(
                    successor.native_id, DRIVE, native_id=one.native_id, label="shared"
                )
                effects.append(Effect(one.key, Outcome.DONE))
        return effects


class SharesNothing(SharedDrive):
    """Answers that a drive was shared, and shares nothing."""

    def transfer(
        self, account: Account, holdings: Sequence[Holding], successor: Account
    ) -> Sequence[Effect]:
        """Do it for everything else."""
        drives = [Effect(one.key, Outcome.DONE) for one in holdings if one.kind == DRIVE]
        rest = [one for one in holdings if one.kind != DRIVE]
        return [*drives, *(super().transfer(account, rest, successor) if rest else ())]


def _ruled(holding: Holding) -> bool:
    return holding.label == BY_RULE


def _refused(holdings: Sequence[Holding], effects: Sequence[Effect]) -> list[Effect]:
    done = {effect.holding_key: effect for effect in effects}
    refused = (Effect(one.key, Outcome.REFUSED, why="a rule gives it") for one in holdings)
    return [done.get(effect.holding_key, effect) for effect in refused]


def begin(core: Scenario, kind: Kind = ROLE) -> tuple[str, str]:
    """Let a leaver with one holding by rule leave; returns their account and the case."""
    core.connect_through(Ruled)
    leaver, _successor = hire(core.world)
    core.world.give(leaver, kind, native_id="ruled", label=BY_RULE)
    case_id = core.receive()
    core.settle(until=core.clock() + SOON)
    core.answer_all(case_id, confirm_termination="ends")
    core.settle(until=core.clock() + HOURS)
    return leaver, case_id


def of_step(view: CaseView, step: str) -> OperationView:
    """Find an operation of the one system."""
    return next(each for each in view.operations if each.step == step)


def duty(view: CaseView) -> QuestionView:
    """Find the one task of a case."""
    (found,) = (each for each in view.questions if each.kind == "duty")
    return found


def relabel(core: Scenario, label: str = "") -> None:
    """Let the rule be deleted, and what it gave stay; or let there be one."""
    with core.world.writing() as world:
        world.execute("UPDATE holdings SET label = ? WHERE native_id = 'ruled'", (label,))


def revoked(core: Scenario) -> list[str]:
    """List every key that a revoke was called for."""
    calls = [one for one in core.world.calls() if (one.operation, one.phase) == ("revoke", "start")]
    return [key for one in calls for key in one.holding_keys]


@pytest.mark.parametrize("kind", [ROLE, TEAM])
def test_a_task_fails_nothing_and_closes_when_it_is_done(core: Scenario, kind: Kind) -> None:
    """No failing tries, no dead letter, one question; done and answered, the case closes."""
    leaver, case_id = begin(core, kind)
    core.settle(until=core.clock() + WEEKS)
    view = core.desk.case(case_id)
    assert [each.kind for each in view.questions if not each.answer] == ["duty"]
    assert duty(view).words == TASK
    assert of_step(view, "transfer").state == "done"
    revoke = of_step(view, "revoke")
    assert (revoke.state, revoke.tries) == ("done", 1)  # with contain, and then the rest
    assert not [key for key in revoked(core) if key.endswith("|ruled")]
    assert leaver not in core.world.holders(Kind("grant.group"), "g-dev")  # the rest was taken
    core.world.take(leaver, kind, "ruled")
    core.answer_all(case_id, duty="done")
    core.settle(until=core.clock() + HOURS)
    view = core.desk.case(case_id)
    assert (view.summary.state, view.summary.percent) == (CaseState.CLOSED, 100)
    assert len(view.questions) == 2  # that the employment ends, and the task


def test_a_task_that_is_only_said_to_be_done_is_asked_again(core: Scenario) -> None:
    """Law 1: the re-read decides; what is still there keeps the case open, and a person busy."""
    leaver, case_id = begin(core)
    for _ in range(3):
        core.answer_all(case_id, duty="done")
        core.settle(until=core.clock() + HOURS)
        view = core.desk.case(case_id)
        assert view.summary.state is CaseState.QUESTIONED
        assert not duty(view).answer
        assert view.summary.percent < 100
    said = [each.type for each in core.desk.records(case_id)].count("question.reopened")
    assert said == 3
    core.settle(until=core.clock() + WEEKS)
    assert core.open_questions(case_id) == ["duty"]
    core.world.take(leaver, ROLE, "ruled")
    core.answer_all(case_id, duty="done")
    core.settle(until=core.clock() + HOURS)
    assert core.desk.case(case_id).summary.state is CaseState.CLOSED


@pytest.mark.parametrize("kind", [ROLE, TEAM])
def test_what_becomes_removable_is_removed(core: Scenario, kind: Kind) -> None:
    """A person deletes the rule and says so: what it gave is handed over and taken away by us."""
    leaver, case_id = begin(core, kind)
    relabel(core)
    core.answer_all(case_id, duty="done")
    core.settle(until=core.clock() + HOURS)
    view = core.desk.case(case_id)
    assert view.summary.state is CaseState.CLOSED
    assert [key for key in revoked(core) if key.endswith("|ruled")] == [f"{leaver}|{kind}|ruled"]
    assert leaver not in core.world.holders(kind, "ruled")
    assert bool(core.world.holders(kind, "ruled")) is (kind == TEAM)  # the successor has the team


def test_what_is_removable_before_its_time_is_removed_then(core: Scenario) -> None:
    """The task was asked early; by the time of revoke the thing is like any other."""
    core.connect_through(Ruled)
    leaver, _successor = hire(core.world)
    core.world.give(leaver, ROLE, native_id="ruled", label=BY_RULE)
    case_id = core.receive(Action.SCHEDULED, last_day=core.clock().date() + timedelta(days=2))
    core.settle()
    core.answer_all(case_id, confirm_termination="ends", duty="done")
    relabel(core)
    core.settle(until=core.clock() + timedelta(days=4))
    view = core.desk.case(case_id)
    assert view.summary.state is CaseState.CLOSED
    assert revoked(core).count(f"{leaver}|{ROLE}|ruled") == 1


def test_what_a_rule_begins_to_give_midway_is_a_task(core: Scenario) -> None:
    """A removal that was tried is given up without a dead letter once it is a person's."""
    core.connect_through(Ruled)
    leaver, _successor = hire(core.world)
    core.world.give(leaver, ROLE, native_id="ruled", label=STUCK)
    case_id = core.receive()
    core.settle(until=core.clock() + SOON)
    core.answer_all(case_id, confirm_termination="ends")
    core.settle(until=core.clock() + SOON + timedelta(hours=1))
    view = core.desk.case(case_id)
    assert (of_step(view, "revoke").state, core.open_questions(case_id)) == ("todo", [])
    relabel(core, BY_RULE)
    core.settle(until=core.clock() + WEEKS)
    assert core.open_questions(case_id) == ["duty"]
    core.world.take(leaver, ROLE, "ruled")
    core.answer_all(case_id, duty="done")
    core.settle(until=core.clock() + HOURS)
    assert core.desk.case(case_id).summary.state is CaseState.CLOSED


@pytest.mark.parametrize("task", [True, False])
def test_what_is_refused_beside_a_task_asks_no_dead_letter(core: Scenario, task: bool) -> None:
    """A licence waits for its mailbox, and goes after it; with no task open a person is asked."""
    core.connect_through(Ruled)
    leaver, _successor = hire(core.world)
    core.world.give(leaver, Kind("grant.licence"), native_id="ruled", label=STUCK)
    if task:
        core.world.give(leaver, ROLE, native_id="rule", label=BY_RULE)
    case_id = core.receive()
    core.settle(until=core.clock() + SOON)
    core.answer_all(case_id, confirm_termination="ends")
    core.settle(until=core.clock() + timedelta(days=5))
    assert core.open_questions(case_id) == ["duty" if task else "dead_letter"]
    core.world.take(leaver, ROLE, "rule")
    relabel(core)
    core.answer_all(case_id, duty="done", dead_letter="retry")
    core.settle(until=core.clock() + HOURS)
    assert core.desk.case(case_id).summary.state is CaseState.CLOSED


def test_a_task_is_looked_at_when_its_system_has_settled(core: Scenario) -> None:
    """A replica that still shows what a person has just taken away does not contradict them."""
    leaver, case_id = begin(core)
    directory = core.estate.systems["directory"]
    slow = replace(directory, card=replace(directory.card, settle=timedelta(minutes=20)))
    core.change_estate(systems={"directory": slow})
    core.answer_all(case_id, duty="done")
    core.settle(until=core.clock() + timedelta(minutes=15))
    core.world.take(leaver, ROLE, "ruled")  # from now on the replica shows it
    core.settle(until=core.clock() + HOURS)
    assert core.desk.case(case_id).summary.state is CaseState.CLOSED


def test_a_drive_that_only_its_owner_shows_is_seen_to_be_given(core: Scenario) -> None:
    """The successor's own survey shows nothing; the leaver's says who has it, and that counts."""
    core.connect_through(SharedDrive)
    leaver, successor = hire(core.world)
    core.world.give(leaver, DRIVE, native_id="d-1", label="own", content=b"plans")
    case_id = core.receive()
    view = core.finish(case_id)
    assert set(core.world.holders(DRIVE, "d-1")) == {leaver, successor}
    assert (view.summary.state, view.summary.percent) == (CaseState.CLOSED, 100)


def test_a_drive_that_was_not_given_keeps_the_case_open(core: Scenario) -> None:
    """Law 1: what the system answers is nothing while the owner's side does not show it."""
    core.connect_through(SharesNothing)
    leaver, _successor = hire(core.world)
    core.world.give(leaver, DRIVE, native_id="d-1", label="own", content=b"plans")
    view = core.finish(core.receive())
    assert view.summary.state is not CaseState.CLOSED
    assert of_step(view, "transfer").state != "done"
    assert core.world.holders(DRIVE, "d-1") == (leaver,)
