"""What a hostile reading found about guards: who is protected, who receives, who may let through.

Each test stands for a way in which somebody was touched, or given something, who must not be.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from connectors.contract import Account, Holding, Kind, Stage
from connectors.hr.contract import EmploymentDates, EmploymentStatus
from connectors.memory.connector import MemoryConnector
from policies.load import Source, load, shipped_sources
from policies.problems import PolicyError
from reconcile.case import CaseState
from reconcile.errors import NotAllowed, StaleApproval
from reconcile.estate import Guards
from reconcile.event import Action
from reconcile.principals import Role
from tests.support.scenario import Scenario, hire, scenario

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from connectors.contract import Export

MINUTE = timedelta(minutes=1)
HOURS = timedelta(hours=4)
TEAM = "ownership.group|o-team"


def test_who_is_protected_later_is_protected_at_the_next_write(core: Scenario) -> None:
    """Law 5: the list is asked before every write, not only when the case begins."""
    leaver, _ = hire(core.world)
    before = core.world.state(leaver)
    case_id = core.receive(Action.SCHEDULED, last_day=date(2026, 12, 10))
    core.settle(until=core.clock() + timedelta(days=1))
    core.change_estate(guards=Guards(protected=("E-1042",)))
    core.settle(until=datetime(2026, 12, 11, tzinfo=UTC))
    assert core.world.state(leaver) == before
    assert core.desk.case(case_id).summary.state is CaseState.HELD
    assert set(core.standing_holds(case_id)) == {"protected"}


def test_a_protected_account_that_a_verification_finds_is_not_touched(tmp_path: Path) -> None:
    """Law 5: however late an account turns up, the case is held rather than the account blocked."""
    with scenario(tmp_path, guards=Guards(protected=("adm-*",))) as core:
        hire(core.world)
        case_id = core.receive()
        core.settle(until=core.clock() + MINUTE)
        root = core.world.add_person("adm-root", employee_number="1042")
        core.finish(case_id)
        assert core.account_state(root) == "live"
        assert core.standing_holds(case_id) == ["protected"]


def test_a_protected_account_receives_nothing(tmp_path: Path) -> None:
    """Law 5: a protected identity is not made owner of things either; a person is asked."""
    with scenario(tmp_path, guards=Guards(protected=("sue",))) as core:
        _, successor = hire(core.world)
        before = core.world.state(successor)
        case_id = core.receive()
        core.settle(until=core.clock() + MINUTE)
        assert core.world.state(successor) == before
        assert "no_successor" in core.open_questions(case_id)


def test_configuration_that_protects_no_more_lets_go(tmp_path: Path) -> None:
    """Law 5: only configuration ends such a hold, and it does."""
    with scenario(tmp_path, guards=Guards(protected=("lver",))) as core:
        hire(core.world)
        case_id = core.receive()
        core.settle(until=core.clock() + MINUTE)
        view = core.desk.case(case_id)
        assert core.standing_holds(case_id) == ["protected"]
        with pytest.raises(NotAllowed):
            core.desk.release(case_id, view.holds[0].id, view.plan_hash, principal="ann")
        core.change_estate(guards=Guards())
        core.reconciler.reconcile(case_id)
        assert core.finish(case_id).summary.state is CaseState.CLOSED


def test_a_protected_candidate_of_somebody_else_holds_nothing(tmp_path: Path) -> None:
    """Law 5: an account that only looks like the leaver's does not stop the leaver's case."""
    with scenario(tmp_path, guards=Guards(protected=("svc-*",))) as core:
        hire(core.world)
        service = core.world.add_person("svc-backup", names=["Lea Ver"])
        case_id = core.receive()
        core.settle(until=core.clock() + MINUTE)
        core.answer_all(case_id, candidate="reject")
        assert core.finish(case_id).summary.state is CaseState.CLOSED
        assert core.account_state(service) == "live"


def test_one_person_in_two_spellings_is_one_person(tmp_path: Path) -> None:
    """Law 5: two people release the brake; ``Ann`` and ``ann`` are not two."""
    with scenario(tmp_path, guards=Guards(people_per_window=0)) as core:
        hire(core.world)
        case_id = core.receive()
        core.settle(until=core.clock() + MINUTE)
        for spelling in ("ann", " Ann ", "\N{FULLWIDTH LATIN SMALL LETTER A}nn"):
            token = core.desk.issue_token(spelling, Role.APPROVER)
            principal = core.desk.authenticate(token)
            assert principal is not None
            core.release_all(case_id, principal.name)
        assert core.standing_holds(case_id) == ["brake"]
        core.release_all(case_id, "ben")
        assert core.standing_holds(case_id) == []


def test_two_releases_of_two_plans_are_not_two_releases_of_one(tmp_path: Path) -> None:
    """Law 5: each release counts for the plan it was given for."""
    with scenario(tmp_path, guards=Guards(people_per_window=0)) as core:
        hire(core.world)
        case_id = core.receive()
        core.settle(until=core.clock() + MINUTE)
        former = core.desk.case(case_id)
        core.release_all(case_id, "ann")
        core.clock.turn(timedelta(hours=1))
        core.change_estate(systems={})  # the plan that is seen changes
        hold = former.holds[0].id
        with pytest.raises(StaleApproval):
            core.desk.release(case_id, hold, former.plan_hash, principal="ben")
        core.release_all(case_id, "ben")
        assert core.standing_holds(case_id) == ["brake"]
        core.release_all(case_id, "ann")
        assert core.standing_holds(case_id) == []


def test_an_edited_policy_does_not_take_over_a_running_case(tmp_path: Path) -> None:
    """A case keeps the version it began with: HR's daily answer does not adopt another."""
    with scenario(tmp_path, with_hr=True) as core:
        hire(core.world)
        dates = EmploymentDates(last_working_day=date(2026, 12, 10), time_zone="UTC")
        core.hr.employ("E-1042", EmploymentStatus.SCHEDULED, dates=dates)
        case_id = core.receive(Action.SCHEDULED, last_day=date(2026, 12, 10))
        core.settle(until=core.clock() + timedelta(hours=1))
        began = core.desk.case(case_id).policy_hash
        sources = tuple(
            replace(each, text=each.text.replace("{at: access_end} ", "{at: access_end - 10d} "))
            for each in shipped_sources()
        )
        edited = load(sources).policies
        assert began not in {policy.policy_hash for policy in edited if policy.name == "default"}
        core.change_estate(policies=edited, policy_sources=sources)
        core.settle(until=datetime(2026, 12, 5, tzinfo=UTC))
        view = core.desk.case(case_id)
        assert (view.policy_hash, view.contained_at) == (began, None)


def test_the_policy_says_who_receives(tmp_path: Path) -> None:
    """The order of ``to`` is the policy's: a successor it does not name gets nothing."""
    text = (
        "policy: managers\nextends: default\nmatch: 'true'\n"
        "stages:\n  transfer: {at: access_end - 2d, to: [manager]}\n"
    )
    with scenario(tmp_path, policy_texts=(Source("managers.yaml", text),)) as core:
        _, successor = hire(core.world)
        manager = core.world.add_person("boss", employee_number="E-1001")
        case_id = core.receive()
        assert core.finish(case_id).policy_name == "managers"
        assert TEAM in core.world.state(manager)
        assert TEAM not in core.world.state(successor)


def test_groups_of_approvers_are_refused_until_they_exist() -> None:
    """Law 5: a guard that is written and not kept is worse than none; the number stays."""
    text = "policy: a\nstages: {{revoke: {{approvals: {0}}}}}\n"
    with pytest.raises(PolicyError, match="groups of approvers"):
        load([Source("a.yaml", text.format("{from: [security], count: 1}"))])
    policy = load([Source("a.yaml", text.format("{count: 1}"))]).named("a")
    assert policy.stage(Stage.REVOKE).approvals.count == 1


def test_the_leaver_does_not_receive_what_is_theirs(core: Scenario) -> None:
    """An event that names the leaver as successor hands nothing over to nobody."""
    leaver, _ = hire(core.world)
    case_id = core.receive(successor="E-1042")
    core.settle(until=core.clock() + MINUTE)
    assert "no_successor" in core.open_questions(case_id)
    assert core.world.holders(Kind("ownership.group"), "o-team") == (leaver,)


def test_a_person_who_names_the_leaver_is_asked_again(core: Scenario) -> None:
    """An answer that helps nobody opens the question anew instead of being tried for ever."""
    leaver, successor = hire(core.world)
    case_id = core.receive(successor="")
    core.settle(until=core.clock() + MINUTE)
    core.answer_all(case_id, no_successor="1042", confirm_termination="ends")
    core.settle(until=core.clock() + MINUTE)
    assert core.open_questions(case_id) == ["no_successor"]
    assert core.world.holders(Kind("ownership.group"), "o-team") == (leaver,)
    core.answer_all(case_id, no_successor="1007")
    core.settle(until=core.clock() + HOURS)
    assert core.desk.case(case_id).summary.state is CaseState.CLOSED
    assert core.world.holders(Kind("ownership.group"), "o-team") == (successor,)


def test_who_has_left_already_receives_nothing(core: Scenario) -> None:
    """A blocked account would own things that nobody can reach: a person is asked."""
    _, successor = hire(core.world)
    first = core.receive(employment="E-1007", number="1007", successor="")
    core.settle(until=core.clock() + MINUTE)
    core.answer_all(first, candidate="reject")
    assert core.finish(first).summary.state is CaseState.CLOSED
    case_id = core.receive()
    core.settle(until=core.clock() + MINUTE)
    core.answer_all(case_id, candidate="reject", confirm_termination="ends")
    core.settle(until=core.clock() + HOURS)
    assert core.open_questions(case_id) == ["no_successor"]
    assert TEAM not in core.world.state(successor)


def test_an_empty_export_is_no_backup(core: Scenario) -> None:
    """Law 3: data counts as kept when the vault has it, not when the call came back."""

    class Empty(MemoryConnector):
        """Exports nothing, and says nothing."""

        def export(self, account: Account, holdings: Sequence[Holding]) -> Iterator[Export]:
            """Give no object."""
            del account, holdings
            return iter(())

    core.connect_through(Empty)
    leaver, _ = hire(core.world)
    case_id = core.receive()
    view = core.finish(case_id)
    assert view.summary.state is not CaseState.CLOSED
    assert [each.preserved for each in view.holdings if each.kind == "data.home"] == [False]
    assert "grant.group|g-dev" in core.world.state(leaver)
