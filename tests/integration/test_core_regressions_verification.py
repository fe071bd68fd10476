"""What a hostile reading found about closing: a verification counts only for what it has seen.

Each test stands for a way in which a case closed, or would have closed, on too little.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from connectors.contract import Account, Card, Credential, Gap, HoldingState, Kind, Subject
from connectors.hr.contract import EmploymentDates, EmploymentStatus
from connectors.memory import Injection, MemoryWorld, Trouble
from connectors.memory.connector import MemoryConnector
from reconcile.case import CaseState
from reconcile.event import Action
from reconcile.evidence.verify import verify_bundle
from tests.support.scenario import Scenario, hire, memory_system, scenario

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from connectors.contract import Holding, Page

SOON = timedelta(minutes=10)
HOURS = timedelta(hours=4)


class WithGap(MemoryConnector):
    """Says that it cannot see ACLs: that is a duty of a person."""

    def card(self) -> Card:
        """Add the gap."""
        gap = Gap(Kind("grant.acl"), "unseen", "edit the ACL by hand")
        return replace(super().card(), gaps=(gap,))


class Mixed(MemoryConnector):
    """Finds with the credential asked for, and reads what is held with the acting one."""

    def survey(self, account: Account) -> Iterator[Page[Holding]]:
        """Say who really read."""
        for page in super().survey(account):
            yield replace(page, end=page.end and replace(page.end, credential=Credential.ACT))


class Residual(MemoryConnector):
    """Knows of tickets that work for ten hours, also after what issued them is blocked."""

    def survey(self, account: Account) -> Iterator[Page[Holding]]:
        """Say until when."""
        until = datetime(2026, 11, 24, 19, 0, tzinfo=UTC)
        for page in super().survey(account):
            blocked = (
                replace(each, residual_until=until)
                if each.state is HoldingState.CONTAINED
                else each
                for each in page.items
            )
            yield replace(page, items=tuple(blocked))


def named_only(core: Scenario, *, with_sure: bool = True) -> str:
    """Add an account that matches the leaver by name alone; returns its native id."""
    if with_sure:
        core.world.add_person("lver", employee_number="1042", names=["Somebody"])
    return core.world.add_person("lver-test", names=["Lea Ver"])


def reads_of(core: Scenario, account_id: str) -> int:
    """Count the reads of an account."""
    calls = [each for each in core.world.calls() if each.phase == "start"]
    return sum((c.operation, c.account_id) == ("survey", account_id) for c in calls)


@pytest.mark.parametrize("with_sure", [True, False])
def test_an_account_accepted_after_the_verifications_is_closed_like_the_others(
    core: Scenario,
    with_sure: bool,
) -> None:
    """Law 4: what a person accepts late is blocked and read again, and the case still closes."""
    second = named_only(core, with_sure=with_sure)
    case_id = core.receive()
    core.settle(until=core.clock() + SOON)
    core.answer_all(case_id, confirm_termination="ends")
    core.settle(until=core.clock() + HOURS)
    assert core.desk.case(case_id).summary.state is not CaseState.CLOSED
    core.answer_all(case_id, candidate="accept")
    core.settle(until=core.clock() + HOURS)
    assert core.desk.case(case_id).summary.state is CaseState.CLOSED
    assert core.account_state(second) == "contained"


def test_an_accepted_account_is_read_by_the_verifier_before_the_case_closes(core: Scenario) -> None:
    """Law 1: that it was blocked already when it was accepted is not taken from the first read."""
    second = named_only(core)
    with core.world.writing() as world:
        world.execute("UPDATE holdings SET state = 'contained' WHERE account_id = ?", (second,))
    case_id = core.receive()
    core.settle(until=core.clock() + SOON)
    core.answer_all(case_id, confirm_termination="ends")
    core.settle(until=core.clock() + HOURS)
    assert reads_of(core, second) == 0
    core.answer_all(case_id, candidate="accept")
    core.settle(until=core.clock() + HOURS)
    assert core.desk.case(case_id).summary.state is CaseState.CLOSED
    accepted = max(r.at for r in core.desk.records(case_id) if r.type == "question.answered")
    verified = [s.read_at for s in core.desk.case(case_id).surveys if s.phase != "survey"]
    assert len(verified) == 2
    assert min(verified) >= accepted
    assert reads_of(core, second) >= 3


def test_a_duty_is_asked_for_an_accepted_account_too(core: Scenario) -> None:
    """Law 4: what the connector cannot see of an account accepted by a person is a named task."""
    core.connect_through(WithGap)
    named_only(core, with_sure=False)
    case_id = core.receive()
    core.settle()
    core.answer_all(case_id, candidate="accept", confirm_termination="ends")
    core.settle(until=core.clock() + HOURS)
    assert core.open_questions(case_id) == ["duty"]
    assert core.desk.case(case_id).summary.state is not CaseState.CLOSED
    core.answer_all(case_id, duty="done")
    core.settle(until=core.clock() + HOURS)
    assert core.desk.case(case_id).summary.state is CaseState.CLOSED


def test_nothing_to_search_by_is_blind(core: Scenario) -> None:
    """Law 2: an event that names nobody finds nobody, and that proves nothing."""
    leaver, _ = hire(core.world)
    event = core.event(Action.IMMEDIATE)
    event = replace(event, person=replace(event.person, subject=Subject("E-1042")))
    case_id = core.desk.receive(event, raw=b"{}", principal="hr").case_id or ""
    core.settle(until=core.clock() + SOON)
    core.answer_all(case_id, confirm_termination="ends", no_account="none")
    core.settle(until=core.clock() + HOURS)
    view = core.desk.case(case_id)
    assert (view.summary.state, core.account_state(leaver)) == (CaseState.RECEIVED, "live")
    assert [each.blind for each in view.surveys] == ["not readable: nothing to search by"]


def test_a_duty_done_months_later_has_everything_read_again(core: Scenario) -> None:
    """Law 1: verifications of two months ago do not close what has come to life since."""
    core.connect_through(WithGap)
    leaver = core.world.add_person("lver", employee_number="1042")
    case_id = core.receive()
    core.settle()
    core.answer_all(case_id, confirm_termination="ends")
    core.settle(until=core.clock() + HOURS)
    core.clock.turn(timedelta(days=60))
    core.awaken(leaver)
    core.answer_all(case_id, duty="done")
    core.settle(until=core.clock() + HOURS)
    view = core.desk.case(case_id)
    assert (view.summary.state, core.account_state(leaver)) == (CaseState.CLOSED, "contained")
    verified = [each.read_at for each in view.surveys if each.phase != "survey"]
    assert min(verified) > datetime(2027, 1, 1, tzinfo=UTC)


def test_no_case_closes_before_access_ends(core: Scenario) -> None:
    """Law 12: reads made for the former end do not close a case whose end was moved."""
    case_id = core.receive(Action.SCHEDULED, last_day=date(2026, 11, 24))
    core.settle(until=datetime(2026, 11, 25, tzinfo=UTC))
    core.receive(Action.RESCHEDULED, last_day=date(2026, 12, 24))
    core.release_all(case_id, "ann", "ben")
    core.settle(until=core.clock() + SOON)
    core.answer_all(case_id, no_account="none", confirm_termination="ends")
    core.settle(until=core.clock() + timedelta(days=1))
    assert core.desk.case(case_id).summary.state is not CaseState.CLOSED
    core.settle(until=datetime(2026, 12, 26, tzinfo=UTC))
    summary = core.desk.case(case_id).summary
    assert summary.state is CaseState.CLOSED
    assert summary.closed_at is not None
    assert summary.closed_at > summary.access_end


def closing(core: Scenario, case_id: str) -> None:
    """Run a case until its closing record is written and no checkpoint has it yet."""
    core.settle(until=core.clock() + SOON)
    core.answer_all(case_id, confirm_termination="ends")
    for _ in range(2000):
        with core.database.connect() as connection:
            query = "SELECT closing_at FROM cases WHERE closing_at IS NOT NULL"
            if connection.exec_driver_sql(query).first():
                break
        if not core.step():
            core.clock.now = min(at for at in core.jobs.wakes.values() if at)
    assert core.desk.case(case_id).summary.state is CaseState.RUNNING


def test_an_event_after_the_closing_record_is_kept_and_the_case_closes(
    core: Scenario, tmp_path: Path
) -> None:
    """Law 8: the closing record is the last word of its chain; news is kept beside it."""
    hire(core.world)
    case_id = core.receive(Action.SCHEDULED, last_day=date(2026, 11, 23))
    closing(core, case_id)
    event = core.event(Action.RESCHEDULED, last_day=date(2027, 1, 5))
    assert core.desk.receive(event, raw=b"{}", principal="hr").outcome == "kept"
    core.settle(until=core.clock() + HOURS)
    assert core.desk.case(case_id).summary.state is CaseState.CLOSED
    core.desk.export_bundle(case_id, tmp_path / "bundle.zip")
    assert verify_bundle(tmp_path / "bundle.zip", core.desk.verifier_key).closed


def test_a_system_configured_while_a_case_closes_does_not_break_its_chain(
    core: Scenario, tmp_path: Path
) -> None:
    """Law 8: between closing record and checkpoint nothing is planned, asked or recorded."""
    hire(core.world)
    case_id = core.receive()
    closing(core, case_id)
    name = f"second-{tmp_path}"
    MemoryWorld.register(name, MemoryWorld(clock=core.clock, pause=lambda _seconds: None))
    second = memory_system("second", name, core.clock)
    core.change_estate(systems={**core.estate.systems, "second": second})
    core.reconciler.reconcile(case_id)
    core.settle(until=core.clock() + HOURS)
    MemoryWorld.forget(name)
    assert core.desk.case(case_id).summary.state is CaseState.CLOSED
    core.desk.export_bundle(case_id, tmp_path / "bundle.zip")
    assert verify_bundle(tmp_path / "bundle.zip", core.desk.verifier_key).closed


def test_a_hint_while_a_case_closes_leaves_no_hold_behind(tmp_path: Path) -> None:
    """Law 7: HR is not asked in the gap before the checkpoint; the case does not hang in it."""
    with scenario(tmp_path, with_hr=True) as core:
        hire(core.world)
        ended = EmploymentDates(last_working_day=date(2026, 11, 23), time_zone="UTC")
        core.hr.employ("E-1042", EmploymentStatus.TERMINATED, dates=ended)
        core.hr.employ("E-1007", EmploymentStatus.ACTIVE, employee_number="1007")
        case_id = core.receive()
        closing(core, case_id)
        core.hr.employ("E-1042", EmploymentStatus.ACTIVE)
        core.receive(Action.STATUS_HINT)
        core.settle(until=core.clock() + HOURS)
        assert core.desk.case(case_id).summary.state is CaseState.CLOSED
        assert core.standing_holds(case_id) == []


@pytest.mark.parametrize(("said", "becomes"), [("accept", "contained"), ("reject", "live")])
def test_a_rejected_account_that_matches_for_sure_is_asked_about_again(
    core: Scenario, said: str, becomes: str
) -> None:
    """Law 4: the person who said no did not know what the directory knows now."""
    second = named_only(core)
    case_id = core.receive()
    core.settle(until=core.clock() + timedelta(minutes=1))
    core.answer_all(case_id, candidate="reject", confirm_termination="ends")
    core.number(second, "1042")
    core.settle(until=core.clock() + timedelta(days=3))  # it is read again, and not overruled
    assert core.open_questions(case_id) == ["candidate"]
    assert core.account_state(second) == "live"
    assert core.desk.case(case_id).summary.state is not CaseState.CLOSED
    core.answer_all(case_id, candidate=said)
    core.settle(until=core.clock() + HOURS)
    assert core.desk.case(case_id).summary.state is CaseState.CLOSED
    assert core.account_state(second) == becomes


def test_a_read_by_the_acting_credential_verifies_nothing(core: Scenario) -> None:
    """Law 1: every part of a verification is read by the verifying credential, or it is none."""
    core.connect_through(Mixed)
    hire(core.world)
    case_id = core.receive()
    view = core.finish(case_id)
    assert view.summary.state is not CaseState.CLOSED
    verify = next(each for each in view.operations if each.step == "verify_first")
    assert "blind" in verify.error
    (read,) = (each for each in view.surveys if each.phase == "verify_first")
    assert "the verifying credential (unauthorised" in read.blind


def test_a_wrong_verifying_credential_is_called_that(core: Scenario) -> None:
    """Law 11: the case stays open, and says that it is the credential, until it is mended."""
    hire(core.world)
    core.world.inject(Injection(Trouble.UNAUTHORISED, credential="verify"))
    case_id = core.receive()
    core.settle(until=core.clock() + SOON)
    core.answer_all(case_id, confirm_termination="ends", duty="done")
    core.settle(until=core.clock() + HOURS)
    view = core.desk.case(case_id)
    assert view.summary.state is CaseState.RUNNING
    why = next(each.why for each in view.checks if each.name == "verify_first clean")
    assert "the credential was turned down" in why
    core.world.heal()
    core.settle(until=core.clock() + HOURS)
    assert core.desk.case(case_id).summary.state is CaseState.CLOSED


def test_the_age_at_which_a_verification_is_made_again_is_a_setting(core: Scenario) -> None:
    """What is older than the setting says when the case could close is read again."""
    core.change_estate(limits=replace(core.estate.limits, verified_for=timedelta(hours=1)))
    core.connect_through(WithGap)
    hire(core.world)
    case_id = core.receive()
    core.settle(until=core.clock() + SOON)
    core.answer_all(case_id, confirm_termination="ends")
    core.settle(until=core.clock() + timedelta(minutes=50))
    first = max(each.read_at for each in core.desk.case(case_id).surveys)
    core.settle(until=core.clock() + timedelta(hours=2))
    case = core.desk.case(case_id)
    assert case.summary.state is not CaseState.CLOSED
    core.answer_all(case_id, duty="done")
    core.settle(until=core.clock() + HOURS)
    case = core.desk.case(case_id)
    assert case.summary.state is CaseState.CLOSED
    assert min(e.read_at for e in case.surveys if e.phase.startswith("verify")) > first


def test_a_verification_that_is_too_old_is_made_again(core: Scenario) -> None:
    """A replica that answers with yesterday's data delays the case; it does not block it."""

    class Behind(MemoryConnector):
        """Answers the first verification from five hours ago."""

        behind = True

        def find(self, subject: Subject) -> Iterator[Page[Account]]:
            """Say how old the answer is."""
            late = self._credential is Credential.VERIFY and Behind.behind
            for page in super().find(subject):
                end = page.end
                if end is not None and late:
                    Behind.behind = False
                    end = replace(end, read_at=end.read_at - timedelta(hours=5))
                yield replace(page, end=end)

    core.connect_through(Behind)
    hire(core.world)
    case_id = core.receive()
    view = core.finish(case_id)
    assert not Behind.behind
    assert view.summary.state is CaseState.CLOSED
    revoked = next(each.finished_at for each in view.operations if each.step == "revoke")
    assert revoked is not None
    assert min(each.read_at for each in view.surveys if each.phase != "survey") >= revoked


def test_the_closing_record_says_until_when_access_could_last(core: Scenario) -> None:
    """Law 1: tickets outlive what is blocked, and the record that closes the case says so."""
    core.connect_through(Residual)
    hire(core.world)
    case_id = core.receive()
    assert core.finish(case_id).summary.state is CaseState.CLOSED
    last = core.desk.records(case_id)[-1]
    assert last.control["residual_until"] == "2026-11-24T19:00:00+00:00"


def test_a_closing_record_without_residual_access_says_nothing(core: Scenario) -> None:
    """Law 1: no instant is made up where nothing is known to outlive the block."""
    hire(core.world)
    case_id = core.receive()
    core.finish(case_id)
    last = core.desk.records(case_id)[-1]
    assert (last.control["percent"], last.control["residual_until"]) == (100, "")


def test_a_closed_case_stays_at_one_hundred_percent(core: Scenario) -> None:
    """The proof is of the day of closing: it neither grows old nor waits for later obligations."""
    hire(core.world)
    case_id = core.receive()
    closed = core.finish(case_id).summary
    core.settle(until=core.clock() + timedelta(days=3))
    core.receive(Action.REHIRED)
    core.settle(until=core.clock() + SOON)
    later = core.desk.case(case_id).summary
    assert (later.state, later.percent, later.checks) == (CaseState.CLOSED, 100, closed.checks)
    assert core.desk.cases()[0].percent == 100
