"""What a hostile reading found about evidence: who did it, whether it was done, and what is lost.

Each test stands for a record that said more, or less, than what had happened.
"""

from __future__ import annotations

import json
from datetime import timedelta
from typing import TYPE_CHECKING

from connectors.contract import Account, Effect, Holding, Kind, Outcome
from connectors.faults import Refused
from connectors.memory.connector import MemoryConnector
from reconcile.case import CaseState
from reconcile.reconciler import Carrier, Reconciler
from tests.support.scenario import Scenario, hire

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import pytest

    from connectors.contract import Export
    from reconcile.facts import OperationFacts
    from reconcile.store.case_file import CaseFile

MINUTE = timedelta(minutes=1)


def effects(core: Scenario, case_id: str, kind: str) -> list[tuple[object, object, object]]:
    """List stage, outcome and attribution of what was recorded of a kind of holding."""
    said = [r.control for r in core.desk.records(case_id) if r.type == "effect.recorded"]
    return [(s["stage"], s["outcome"], s["how"]) for s in said if s["kind"] == kind]


def test_what_was_refused_to_us_and_removed_by_others_is_not_ours(core: Scenario) -> None:
    """Law 6: ``found done`` is another word than ``done``, also for what we had tried."""

    class Refusing(MemoryConnector):
        """Does not take roles away."""

        def revoke(self, account: Account, holdings: Sequence[Holding]) -> Sequence[Effect]:
            """Refuse roles."""
            if any(each.kind == "grant.role" for each in holdings):
                return [Effect(each.key, Outcome.REFUSED, why="elsewhere") for each in holdings]
            return super().revoke(account, holdings)

    core.connect_through(Refusing)
    leaver, _ = hire(core.world)
    core.world.give(leaver, Kind("grant.role"), native_id="r1", label="role")
    case_id = core.receive()
    core.settle(until=core.clock() + MINUTE)
    core.answer_all(case_id, confirm_termination="ends")
    core.settle(until=core.clock() + timedelta(hours=1))
    core.world.take(leaver, Kind("grant.role"), "r1")
    core.settle(until=core.clock() + timedelta(days=1))
    core.answer_all(case_id, dead_letter="retry")
    core.settle(until=core.clock() + timedelta(hours=3))
    assert core.desk.case(case_id).summary.state is CaseState.CLOSED
    revoked = [each for each in effects(core, case_id, "grant.role") if each[0] == "revoke"]
    assert revoked[-1] == ("revoke", "already", "not by us")
    assert not any(outcome == "done" for _stage, outcome, _how in revoked)


def test_what_becomes_theirs_for_sure_later_is_contained_before_it_is_called_so(
    core: Scenario,
) -> None:
    """Law 1: no account is recorded as found contained that a read has shown to be live."""
    core.world.add_person("lver", employee_number="1042", names=["Somebody"])
    second = core.world.add_person("lver2", names=["Lea Ver"])
    core.world.give(second, Kind("grant.role"), native_id="r2")
    case_id = core.receive()
    core.settle(until=core.clock() + MINUTE)
    core.number(second, "1042")
    assert core.finish(case_id).summary.state is CaseState.CLOSED
    contained = [each for each in effects(core, case_id, "account.person") if each[0] == "contain"]
    assert contained == [("contain", "done", "ours")] * 2
    assert core.account_state(second) == "contained"


def test_a_hold_names_its_author_only_in_the_personal_part(core: Scenario) -> None:
    """Law 10: the control part is published for ever and names nobody."""
    case_id = core.receive()
    core.settle()
    core.desk.hold(case_id, "wait for the lawyers", principal="Jane Example")
    placed = [each.control for each in core.desk.records(case_id) if each.type == "hold.placed"]
    assert len(placed) == 1
    assert "Jane" not in json.dumps(placed)


def test_a_person_can_have_an_operation_tried_again(core: Scenario) -> None:
    """Law 8: the command is recorded in words that evidence can hold, and takes effect."""

    class Closed(MemoryConnector):
        """Exports nothing until it is opened."""

        opened = False

        def export(self, account: Account, holdings: Sequence[Holding]) -> Iterator[Export]:
            """Refuse."""
            if not Closed.opened:
                raise Refused("not today")
            yield from super().export(account, holdings)

    core.connect_through(Closed)
    hire(core.world)
    case_id = core.receive()
    core.settle(until=core.clock() + MINUTE)
    core.answer_all(case_id, confirm_termination="ends")
    seq = next(o.seq for o in core.desk.case(case_id).operations if o.step == "preserve")
    Closed.opened = True
    core.desk.retry(case_id, seq, principal="ann")
    core.settle(until=core.clock() + MINUTE)
    operation = next(o for o in core.desk.case(case_id).operations if o.seq == seq)
    assert operation.state == "done"
    retried = [r.control for r in core.desk.records(case_id) if r.type == "operation.retried"]
    assert [each["operation"] for each in retried] == [seq]


def test_a_pass_that_fails_loses_no_record_and_repeats_no_call(
    core: Scenario, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Law 1 and Law 6: what was done outside is recorded although the pass after it goes wrong."""
    leaver, _ = hire(core.world)
    follow, failed = Reconciler.follow, list[str]()

    def limping(
        self: Reconciler, file: CaseFile, carrier: Carrier | None = None
    ) -> OperationFacts | None:
        """Fail once, in the middle, after the containment."""
        carried = follow(self, file, carrier)
        if core.account_state(leaver) == "contained" and not failed:
            failed.append(file.id)
            raise ZeroDivisionError
        return carried

    monkeypatch.setattr(Reconciler, "follow", limping)
    case_id = core.receive()
    while not failed:
        assert core.step()
    contain = next(o for o in core.desk.case(case_id).operations if o.step == "contain")
    assert (contain.state, contain.tries, contain.failures) == ("done", 0, 0)
    assert core.finish(case_id).summary.state is CaseState.CLOSED
    calls = [c for c in core.world.calls() if (c.operation, c.phase) == ("contain", "start")]
    keys = [key for call in calls for key in call.holding_keys]
    assert len(keys) == len(set(keys))
    done = [r for r in core.desk.records(case_id) if r.type == "operation.done"]
    assert [r.control["stage"] for r in done].count("contain") == 1
