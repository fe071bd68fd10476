"""One termination through the core: what closes a case, and what keeps it open."""

from __future__ import annotations

from datetime import date, timedelta
from typing import TYPE_CHECKING

import pytest

from connectors.contract import Kind, Stage
from connectors.memory import Injection, Trouble
from reconcile.case import CaseState
from reconcile.errors import Conflict, NotAllowed
from reconcile.event import Action
from reconcile.evidence.verify import verify_bundle
from tests.support.scenario import Scenario, hire, scenario

if TYPE_CHECKING:
    from pathlib import Path

HOURS = timedelta(hours=3)


def close(core: Scenario, case_id: str) -> None:
    """Let everything run, with a person who answers what is asked."""
    core.settle(until=core.clock() + timedelta(minutes=10))
    core.answer_all(case_id, confirm_termination="ends", duty="done")
    core.settle(until=core.clock() + HOURS)


def steps(core: Scenario, case_id: str) -> dict[str, str]:
    """Map each step of the one system to its state."""
    return {each.step: each.state for each in core.desk.case(case_id).operations}


def waits(core: Scenario, case_id: str, step: str) -> str:
    """Say why a step is not done."""
    operation = next(o for o in core.desk.case(case_id).operations if o.step == step)
    return operation.waits or operation.error


def test_a_leaver_is_closed_at_one_hundred_percent(core: Scenario) -> None:
    """Everything is kept, handed over, blocked, removed, seen gone twice; then the case closes."""
    leaver, successor = hire(core.world)
    case_id = core.receive()
    close(core, case_id)
    view = core.desk.case(case_id)
    assert (view.summary.state, view.summary.percent) == (CaseState.CLOSED, 100)
    assert view.records_published
    left = {key: value["state"] for key, value in core.world.state(leaver).items() if "|" in key}  # type: ignore[index,call-overload]
    assert {key.split("|")[0]: state for key, state in left.items()} == {
        "account.person": "contained",
        "credential.password": "contained",
        "data.home": "live",
    }
    assert core.world.holders(Kind("grant.group"), "g-lone") == (successor,)
    assert core.world.holders(Kind("ownership.group"), "o-team") == (successor,)


def test_the_bundle_of_a_closed_case_verifies(core: Scenario, tmp_path: Path) -> None:
    """The evidence that is exported is accepted by the auditor's verifier under the log's key."""
    hire(core.world)
    case_id = core.receive()
    close(core, case_id)
    core.desk.export_bundle(case_id, tmp_path / "bundle.zip")
    verdict = verify_bundle(tmp_path / "bundle.zip", core.desk.verifier_key)
    assert verdict.case == case_id
    assert verdict.closed


def test_no_bundle_before_its_records_are_published(core: Scenario, tmp_path: Path) -> None:
    """Evidence that is not in a checkpoint yet is not handed out as if it were."""
    hire(core.world)
    case_id = core.receive()
    core.reconciler.reconcile(case_id)
    with pytest.raises(Conflict, match="checkpoint"):
        core.desk.export_bundle(case_id, tmp_path / "bundle.zip")


def test_nothing_happens_before_its_time(core: Scenario) -> None:
    """A scheduled termination waits; contain comes at access end, in the zone of the event."""
    leaver, _ = hire(core.world)
    before = core.world.state(leaver)
    case_id = core.receive(Action.SCHEDULED, last_day=date(2026, 12, 18))
    core.settle()
    view = core.desk.case(case_id)
    assert view.summary.access_end.isoformat() == "2026-12-18T16:00:00+00:00"
    assert view.summary.state is CaseState.QUESTIONED  # no HR: a person is asked early
    core.answer_all(case_id, confirm_termination="ends")
    core.settle()
    assert core.desk.case(case_id).summary.state is CaseState.WAITING
    assert core.world.state(leaver) == before
    core.settle(until=view.summary.access_end - timedelta(seconds=1))
    assert steps(core, case_id)["preserve"] == "done"
    assert steps(core, case_id)["contain"] == "todo"
    core.settle(until=view.summary.access_end + timedelta(minutes=1))
    assert steps(core, case_id)["contain"] == "done"


def test_without_hr_a_person_is_asked_before_anything_irreversible(core: Scenario) -> None:
    """Law 7: contain runs, revoke waits for somebody who says that the employment ends."""
    leaver, _ = hire(core.world)
    case_id = core.receive()
    core.settle(until=core.clock() + HOURS)
    assert steps(core, case_id)["contain"] == "done"
    assert waits(core, case_id, "revoke") == "the termination is being confirmed"
    assert core.world.holders(Kind("grant.group"), "g-dev")[0:] != ()
    core.answer_all(case_id, confirm_termination="active")
    core.settle(until=core.clock() + HOURS)
    assert core.desk.case(case_id).summary.state is CaseState.HELD
    assert leaver in core.world.holders(Kind("grant.group"), "g-dev")


@pytest.mark.parametrize(
    "trouble", [Trouble.TRUNCATED, Trouble.CANARY_HIDDEN, Trouble.TARGET_HIDDEN]
)
def test_no_case_closes_on_a_blind_verification(core: Scenario, trouble: Trouble) -> None:
    """Law 2: a verifier that cannot see closes nothing, however long one waits."""
    hire(core.world)
    case_id = core.receive()
    core.settle(until=core.clock() + timedelta(minutes=10))
    core.world.inject(Injection(trouble, credential="verify"))
    core.answer_all(case_id, confirm_termination="ends", duty="done")
    core.settle(until=core.clock() + HOURS)
    view = core.desk.case(case_id)
    assert view.summary.state is CaseState.RUNNING
    blind = [check.why for check in view.checks if check.name == "verify_first clean"]
    assert blind != [""]
    core.world.heal()
    core.settle(until=core.clock() + HOURS)
    assert core.desk.case(case_id).summary.state is CaseState.CLOSED


@pytest.mark.parametrize(
    "trouble", [Trouble.TRUNCATED, Trouble.CANARY_HIDDEN, Trouble.TARGET_HIDDEN]
)
def test_a_blind_first_survey_plans_nothing_but_containment(
    core: Scenario, trouble: Trouble
) -> None:
    """Law 2 and Law 3: at its date what showed is contained; nothing is taken away, all waits."""
    leaver, _ = hire(core.world)
    before = core.world.state(leaver)
    core.world.inject(Injection(trouble, credential="act"))
    case_id = core.receive(Action.SCHEDULED, last_day=core.clock().date())
    core.settle(until=core.clock() + timedelta(hours=5))
    assert core.world.state(leaver) == before
    core.settle(until=core.clock() + timedelta(hours=30))
    view = core.desk.case(case_id)
    assert {o.step for o in view.operations if o.system != "hr"} <= {"survey", "contain"}
    assert view.summary.state is not CaseState.CLOSED
    assert set(core.world.state(leaver)) == set(before)
    showed = trouble is Trouble.CANARY_HIDDEN  # the two others show nobody at all
    assert core.account_state(leaver) == ("contained" if showed else "live")


def test_zero_accounts_is_a_question(core: Scenario) -> None:
    """Law 2: a known employee without an account is a question to a person, not a success."""
    case_id = core.receive(number="9999", successor="")
    close(core, case_id)
    view = core.desk.case(case_id)
    assert view.summary.state is CaseState.QUESTIONED
    assert [q.kind for q in view.questions if not q.answer] == ["no_account"]
    core.answer_all(case_id, no_account="none")
    core.settle(until=core.clock() + HOURS)
    assert core.desk.case(case_id).summary.state is CaseState.CLOSED


def test_looking_again_finds_the_account_and_drops_the_question(core: Scenario) -> None:
    """A person may ask to look again; an account that turns up answers the question."""
    case_id = core.receive(successor="E-1007")
    core.settle()
    hire(core.world)
    core.answer_all(case_id, no_account="look again")
    close(core, case_id)
    view = core.desk.case(case_id)
    assert view.summary.state is CaseState.CLOSED
    assert [q.answer for q in view.questions if q.kind == "no_account"] == ["found"]


def test_an_unsure_match_is_never_touched_until_a_person_decides(core: Scenario) -> None:
    """A candidate account is asked about; rejected it stays as it was, and the case closes."""
    hire(core.world)
    alike = core.world.add_person("lver2", names=["Lea Ver"])
    before = core.world.state(alike)
    case_id = core.receive()
    close(core, case_id)
    view = core.desk.case(case_id)
    assert [q.kind for q in view.questions if not q.answer] == ["candidate"]
    assert view.summary.state is not CaseState.CLOSED
    core.answer_all(case_id, candidate="reject")
    core.settle(until=core.clock() + HOURS)
    assert core.desk.case(case_id).summary.state is CaseState.CLOSED
    assert core.world.state(alike) == before


def test_an_accepted_candidate_is_closed_like_the_rest(core: Scenario) -> None:
    """Once a person says the account is theirs, it is contained and verified too."""
    hire(core.world)
    second = core.world.add_person("lver-test", names=["Lea Ver"])
    case_id = core.receive()
    core.settle()
    core.answer_all(case_id, candidate="accept")
    close(core, case_id)
    assert core.desk.case(case_id).summary.state is CaseState.CLOSED
    state = core.world.state(second)[f"account.person|{second}"]
    assert state["state"] == "contained"  # type: ignore[index,call-overload]


def test_the_last_one_is_never_removed_without_a_successor(core: Scenario) -> None:
    """Law 5: what nobody else has waits for a successor, whom a person names."""
    leaver, _ = hire(core.world)
    case_id = core.receive(successor="")
    close(core, case_id)
    view = core.desk.case(case_id)
    assert leaver in core.world.holders(Kind("ownership.group"), "o-team")
    assert [q.kind for q in view.questions if not q.answer] == ["no_successor"]
    question = next(q for q in view.questions if q.kind == "no_successor")
    core.desk.answer(case_id, question.id, "1007", principal="pat")
    core.settle(until=core.clock() + HOURS)
    assert core.desk.case(case_id).summary.state is CaseState.CLOSED


def test_what_appears_after_the_backup_is_kept_before_it_is_removed(core: Scenario) -> None:
    """Law 3: a holding gained late is preserved before revoke takes it."""
    leaver, _ = hire(core.world)
    case_id = core.receive()
    core.settle(until=core.clock() + timedelta(minutes=10))
    assert steps(core, case_id)["preserve"] == "done"
    core.world.give(leaver, Kind("grant.group"), native_id="g-late", label="late group")
    core.world.give(core.world.add_person("mate"), Kind("grant.group"), native_id="g-late")
    core.answer_all(case_id, confirm_termination="ends")
    core.settle(until=core.clock() + HOURS)
    view = core.desk.case(case_id)
    late = next(h for h in view.holdings if h.label == "late group")
    assert (view.summary.state, late.state, late.preserved) == (CaseState.CLOSED, "gone", True)


def test_what_comes_back_is_named_and_removed_again(core: Scenario) -> None:
    """A grant that somebody gives back between the verifications keeps the case open."""
    leaver, _ = hire(core.world)
    case_id = core.receive()
    core.settle(until=core.clock() + timedelta(minutes=10))
    core.answer_all(case_id, confirm_termination="ends", duty="done")
    core.settle(until=core.clock() + timedelta(minutes=52))
    assert steps(core, case_id)["verify_first"] == "done"
    assert steps(core, case_id)["verify_second"] == "todo"
    core.world.give(leaver, Kind("grant.group"), native_id="g-dev", label="developers")
    core.settle(until=core.clock() + HOURS)
    assert core.desk.case(case_id).summary.state is CaseState.CLOSED
    assert leaver not in core.world.holders(Kind("grant.group"), "g-dev")
    residues = [
        record.control["residue"]
        for record in core.desk.records(case_id)
        if record.type == "system.verified"
    ]
    assert any(residues)


def test_a_success_that_did_nothing_is_not_believed(core: Scenario) -> None:
    """Law 1: a write answered with success that changed nothing leaves the operation open."""
    leaver, _ = hire(core.world)
    core.world.inject(Injection(Trouble.SILENT, operation="contain"))
    case_id = core.receive()
    core.settle(until=core.clock() + timedelta(minutes=5))
    assert steps(core, case_id)["contain"] == "todo"
    assert "read back unchanged" in waits_error(core, case_id, "contain")
    core.world.heal()
    close(core, case_id)
    assert core.desk.case(case_id).summary.state is CaseState.CLOSED
    assert core.world.state(leaver)[f"account.person|{leaver}"]["state"] == "contained"  # type: ignore[index,call-overload]


def waits_error(core: Scenario, case_id: str, step: str) -> str:
    """Say what went wrong with a step last."""
    return next(o.error for o in core.desk.case(case_id).operations if o.step == step)


def test_asynchronous_removal_is_waited_for(tmp_path: Path) -> None:
    """A system that works later gives its instant; the operation comes back then, not sooner."""
    with scenario(tmp_path, asynchronous=("grant.group",)) as core:
        leaver, _ = hire(core.world)
        case_id = core.receive()
        close(core, case_id)
        assert core.desk.case(case_id).summary.state is CaseState.CLOSED
        assert leaver not in core.world.holders(Kind("grant.group"), "g-dev")


def test_already_gone_is_not_claimed_as_ours(core: Scenario) -> None:
    """Law 6: what somebody else removed first is found done, not done, in the evidence."""
    leaver, _ = hire(core.world)
    case_id = core.receive()
    core.settle(until=core.clock() + timedelta(minutes=10))
    core.world.take(leaver, Kind("grant.group"), "g-dev")
    core.answer_all(case_id, confirm_termination="ends")
    core.settle(until=core.clock() + HOURS)
    view = core.desk.case(case_id)
    words = {holding.label: holding.outcome for holding in view.holdings}
    assert words["developers"] == "revoke: already (not by us)"
    assert words["laptop"] == "revoke: done (ours)"


def test_an_answer_that_makes_no_sense_is_refused(core: Scenario) -> None:
    """The desk says which answers a question takes."""
    hire(core.world)
    case_id = core.receive()
    core.settle()
    question = core.desk.case(case_id).questions[0]
    with pytest.raises(NotAllowed, match="one of: ends, active"):
        core.desk.answer(case_id, question.id, "perhaps", principal="pat")
    core.desk.answer(case_id, question.id, "ends", principal="pat")
    with pytest.raises(Conflict, match="already"):
        core.desk.answer(case_id, question.id, "active", principal="sam")


def test_destroy_waits_for_its_date_and_two_people(core: Scenario) -> None:
    """A closed case keeps a dated obligation: delete the account, approved by two, seen gone."""
    leaver, _ = hire(core.world)
    case_id = core.receive()
    close(core, case_id)
    core.settle(until=core.clock() + timedelta(days=100))
    assert steps(core, case_id)["destroy"] == "todo"
    assert core.world.state(leaver) != {}
    bound = core.desk.case(case_id).plan_hash
    core.desk.approve(case_id, Stage.DESTROY, bound, principal="ann")
    core.desk.approve(case_id, Stage.DESTROY, bound, principal="ann")
    core.settle(until=core.clock() + HOURS)
    assert waits(core, case_id, "destroy") == "waits for 1 more approval(s)"
    core.desk.approve(case_id, Stage.DESTROY, bound, principal="ben")
    core.settle(until=core.clock() + HOURS)
    assert core.world.state(leaver) == {}
    view = core.desk.case(case_id)
    assert (view.summary.state, steps(core, case_id)["destroy"]) == (CaseState.CLOSED, "done")


def test_verification_waits_for_the_tasks_of_people(core: Scenario) -> None:
    """A task that is open for weeks fails no read and asks no dead letter; its answer goes on."""
    leaver, _ = hire(core.world)
    laptop = core.world.give(leaver, Kind("asset.laptop"))
    case_id = core.receive()
    core.settle(until=core.clock() + timedelta(minutes=10))
    core.answer_all(case_id, confirm_termination="ends")
    core.settle(until=core.clock() + timedelta(days=20))
    view = core.desk.case(case_id)
    assert "duty" in {q.kind for q in view.questions if not q.answer}
    assert "dead_letter" not in {q.kind for q in view.questions}
    verify = next(o for o in view.operations if o.step == "verify_first")
    assert (verify.state, verify.tries) == ("todo", 0)
    core.world.take(leaver, Kind("asset.laptop"), laptop)
    core.answer_all(case_id, duty="done")
    core.settle(until=core.clock() + HOURS)
    assert core.desk.case(case_id).summary.state is CaseState.CLOSED
