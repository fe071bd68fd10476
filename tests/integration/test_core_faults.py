"""Faults of the outside: each type decides, nothing is lost, and a person is asked in the end."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from connectors.contract import Kind
from connectors.faults import Refused
from connectors.memory import Injection, MemoryConnector, Trouble
from connectors.vaults.contract import Damaged
from reconcile.case import CaseState
from reconcile.facts import Step
from reconcile.store.operation_rows import load_operations, reopen
from tests.support.scenario import Scenario, hire

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from connectors.contract import Account, Connector, Credential, Effect, Holding, Page
    from connectors.vaults.contract import Receipt, Vault

LATER = timedelta(hours=3)


def operation(core: Scenario, case_id: str, step: str) -> tuple[str, int, str]:
    """Return state, failures and error of a step."""
    view = next(o for o in core.desk.case(case_id).operations if o.step == step)
    return view.state, view.failures, view.error


def finish(core: Scenario, case_id: str) -> CaseState:
    """Heal, answer what is asked, and run on."""
    core.world.heal()
    for _ in range(3):
        core.settle(until=core.clock() + LATER)
        core.answer_all(case_id, confirm_termination="ends", dead_letter="retry", duty="done")
    core.settle(until=core.clock() + LATER)
    return core.desk.case(case_id).summary.state


@pytest.mark.parametrize(
    "trouble",
    [Trouble.TRANSIENT, Trouble.UNAUTHORISED, Trouble.MALFORMED, Trouble.SLOW],
)
@pytest.mark.parametrize("call", ["find", "survey", "contain", "export", "transfer", "revoke"])
def test_a_fault_anywhere_delays_and_loses_nothing(
    core: Scenario, trouble: Trouble, call: str
) -> None:
    """While it lasts the case stays open; healed, it closes as if nothing had happened."""
    leaver, _ = hire(core.world)
    core.world.inject(Injection(trouble, operation=call, seconds=60.0))
    case_id = core.receive()
    core.settle(until=core.clock() + timedelta(minutes=30))
    core.answer_all(case_id, confirm_termination="ends")
    core.settle(until=core.clock() + timedelta(hours=2))
    assert core.desk.case(case_id).summary.state is not CaseState.CLOSED
    assert finish(core, case_id) is CaseState.CLOSED
    assert leaver not in core.world.holders(Kind("grant.group"), "g-dev")


def test_a_system_that_says_when_is_asked_no_sooner(core: Scenario) -> None:
    """The system's own retry-after is kept, whatever our backoff would be."""
    hire(core.world)
    wait = Injection(Trouble.TRANSIENT, operation="contain", times=1, seconds=90.0)
    core.world.inject(wait)
    case_id = core.receive()
    start = core.clock()
    core.settle(until=start + timedelta(seconds=89))
    assert operation(core, case_id, "contain")[0] == "todo"
    core.settle(until=start + timedelta(seconds=91))
    assert operation(core, case_id, "contain")[0] == "done"


def test_a_system_that_keeps_failing_is_given_a_rest(core: Scenario) -> None:
    """The breaker stops all work on the system, with a countdown that people can see."""
    hire(core.world)
    core.world.inject(Injection(Trouble.UNAUTHORISED))
    case_id = core.receive()
    core.settle(until=core.clock() + timedelta(seconds=5))
    view = core.desk.case(case_id)
    survey = next(o for o in view.operations if o.step == "survey")
    assert survey.waits in {
        "waits after its last try",
        "the system failed repeatedly and is given a rest",
    }
    calls = len(core.world.calls())
    core.settle(until=core.clock() + timedelta(seconds=50))
    assert len(core.world.calls()) == calls


def test_giving_up_asks_a_person(core: Scenario) -> None:
    """After repeated failures the operation is a dead letter: a question, never silence."""
    hire(core.world)
    core.change_estate(pace=replace(core.estate.pace, give_up=3))
    core.world.inject(Injection(Trouble.MALFORMED, operation="survey"))
    case_id = core.receive()
    core.settle(until=core.clock() + LATER)
    view = core.desk.case(case_id)
    assert operation(core, case_id, "survey")[0] == "failed"
    assert [q.kind for q in view.questions if not q.answer] == [
        "confirm_termination",
        "dead_letter",
    ]
    core.world.heal()
    core.answer_all(case_id, confirm_termination="ends", dead_letter="retry")
    core.settle(until=core.clock() + LATER)
    assert core.desk.case(case_id).summary.state is CaseState.CLOSED


def test_no_backup_no_revoke(core: Scenario) -> None:
    """Law 3: a vault that cannot prove what it stored keeps revoke shut."""
    leaver, _ = hire(core.world)
    vault = core.estate.vault
    assert vault is not None
    real: Vault = vault

    class LyingVault:
        """Stores, and fails every read-back."""

        put, read, list, delete = real.put, real.read, real.list, real.delete

        def verify(self, _receipt: Receipt) -> None:
            """Find the object damaged."""
            message = "the ciphertext is not what the receipt says"
            raise Damaged(message)

    core.change_estate(vault=LyingVault())
    case_id = core.receive()
    core.settle(until=core.clock() + timedelta(minutes=5))
    core.answer_all(case_id, confirm_termination="ends")
    core.settle(until=core.clock() + timedelta(hours=5))
    assert operation(core, case_id, "contain")[0] == "done"
    assert operation(core, case_id, "preserve")[0] != "done"
    assert leaver in core.world.holders(Kind("grant.group"), "g-dev")
    core.change_estate(vault=vault)
    assert finish(core, case_id) is CaseState.CLOSED


def test_an_object_that_vanishes_under_the_call_is_not_an_error(core: Scenario) -> None:
    """What is gone when we come to take it is found gone, and the case closes."""
    hire(core.world)
    core.world.inject(Injection(Trouble.VANISHING, operation="revoke", times=1))
    case_id = core.receive()
    assert finish(core, case_id) is CaseState.CLOSED


def test_an_unforeseen_error_leaves_the_operation_open(core: Scenario) -> None:
    """Whatever a connector does wrong, the operation stays open with its class, not its text."""
    hire(core.world)
    system = core.estate.systems["directory"]

    def broken(_credential: Credential) -> Connector:
        message = "lver has a secret"
        raise ZeroDivisionError(message)

    core.change_estate(systems={"directory": replace(system, connect=broken)})
    case_id = core.receive()
    core.settle(until=core.clock() + timedelta(seconds=30))
    state, failures, error = operation(core, case_id, "survey")
    assert (state, error) == ("todo", "unexpected ZeroDivisionError")
    assert failures > 1
    core.change_estate(systems={"directory": system})
    assert finish(core, case_id) is CaseState.CLOSED


def test_a_job_that_was_lost_is_given_a_fresh_try(core: Scenario) -> None:
    """A try whose job ended without its end is counted, and the next one is sent."""
    hire(core.world)
    case_id = core.receive()
    core.reconciler.reconcile(case_id)
    key = core.jobs.operations.pop(0)
    core.jobs.lost.add(key)
    core.reconciler.reconcile(case_id)
    core.settle()
    assert operation(core, case_id, "survey")[0] == "done"


def test_nothing_personal_is_logged(core: Scenario, capsys: pytest.CaptureFixture[str]) -> None:
    """Law 10: a whole case with faults in it leaves no name, login or number in the logs."""
    hire(core.world)
    core.world.inject(Injection(Trouble.TRANSIENT, operation="contain", times=2))
    case_id = core.receive()
    assert finish(core, case_id) is CaseState.CLOSED
    written = capsys.readouterr()
    told = written.out + written.err
    assert "operation.ran" in told
    for word in ("Lea", "lver", "1042", "developers", "laptop"):
        assert word not in told


class Overreaching(MemoryConnector):
    """Takes the person out of a group, and sees that everybody else went too."""

    def revoke(self, account: Account, holdings: Sequence[Holding]) -> Sequence[Effect]:
        """Do it, and say what else has happened."""
        effects = super().revoke(account, holdings)
        if any(one.kind == "grant.group" for one in holdings):
            message = "all other members went too"
            raise Refused(message, code="test:others", beyond=True)
        return effects


def test_what_did_more_than_was_asked_stops_and_asks_a_person(core: Scenario) -> None:
    """Law 5: the next group is not emptied as well, and the case closes over nobody's head."""
    leaver, _ = hire(core.world)
    core.world.give(leaver, Kind("grant.group"), native_id="g-ops", label="operators")
    core.world.give(leaver, Kind("grant.group"), native_id="g-all", label="everybody")
    core.connect_through(Overreaching)
    case_id = core.receive()
    core.settle(until=core.clock() + timedelta(minutes=30))
    core.answer_all(case_id, confirm_termination="ends", duty="done")
    core.settle(until=core.clock() + LATER)

    revokes = [line for line in core.world.audit() if line.operation == "revoke"]
    assert sum("grant.group" in line.holding_key for line in revokes) == 1
    assert "dead_letter" in core.open_questions(case_id)
    assert core.desk.case(case_id).summary.state is not CaseState.CLOSED
    assert operation(core, case_id, "revoke")[2].startswith("all other members went too")


def test_what_is_reopened_while_it_runs_comes_to_its_end_and_runs_again(core: Scenario) -> None:
    """No operation runs twice at once: who asks for it meanwhile gets it afterwards."""
    queued: list[list[str]] = []

    class Asked(MemoryConnector):
        """Somebody asks for the survey again in the middle of it, once."""

        def survey(self, account: Account) -> Iterator[Page[Holding]]:
            """Read, and let the desk ask meanwhile."""
            if not queued:
                with core.database.begin() as connection:
                    case_id = core.desk.cases()[0].id
                    survey = next(
                        o for o in load_operations(connection, case_id)
                        if (o.system, o.step) == ("directory", Step.SURVEY)
                    )  # fmt: skip
                    reopen(connection, case_id, survey.seq, at=core.clock(), why="asked again")
                    queued.append(list(core.jobs.operations))
                    again = {o.seq: o for o in load_operations(connection, case_id)}[survey.seq]
                    assert (again.tries, again.taken) == (survey.tries, True)
            yield from super().survey(account)

    core.connect_through(Asked)
    hire(core.world)
    case_id = core.receive()
    core.settle(until=core.clock() + timedelta(minutes=1))
    done = [r.control for r in core.desk.records(case_id) if r.type == "operation.done"]
    assert queued
    assert [r["try"] for r in done if r["stage"] == "survey"] == [0, 1]
    assert core.finish(case_id).summary.state is CaseState.CLOSED
