"""The desk: every command and every question that people and programs may put to the daemon.

The HTTP API and the command line speak to nothing else. Each command is one transaction that
changes rows, writes evidence and wakes the case; the pass does the rest. Refusals are
``reconcile.errors``. Who may call what is the roof's business; who may *decide* what is checked
here: two different people release a brake, and nobody approves a plan they did not see.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Final, TypeVar

from connectors.contract import Stage
from reconcile.attribution import Word, decide, find_account, show_accounts
from reconcile.case import FINAL, CaseState
from reconcile.errors import Conflict, NotAllowed, StaleApproval, UnknownQuestion
from reconcile.facts import OperationState, QuestionKind, Step
from reconcile.inbox import body, delivery
from reconcile.plan import plan_hash
from reconcile.policy_book import policy_of
from reconcile.previewing import preview
from reconcile.principals import Principal, Principals, Role, TokenView
from reconcile.receiving import Receipt, Reception
from reconcile.showing import RELEASES_NEEDED, options_for, show_case, summaries
from reconcile.store.account_rows import attributed
from reconcile.store.case_file import open_cases, open_file, undecided_cases
from reconcile.store.evidence_log import NotPublished
from reconcile.store.fact_rows import load_facts
from reconcile.store.guard_rows import INBOX, lock, slots_of, take_slots
from reconcile.store.inbox_rows import Taken, load_deliveries, load_delivery
from reconcile.store.operation_rows import load_operations, reopen
from reconcile.store.question_rows import (
    add_release,
    answer,
    approve,
    ask_again,
    end_hold,
    load_holds,
    load_questions,
    place_hold,
)
from reconcile.store.view_rows import load_record_views

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import sqlalchemy as sa

    from connectors.contract import Subject
    from reconcile.engine.port import Jobs
    from reconcile.estate import Estate
    from reconcile.event import Person, TerminationEvent
    from reconcile.evidence.keys import VerifierKey
    from reconcile.facts import QuestionFacts
    from reconcile.store.account_rows import AccountRow
    from reconcile.store.case_file import Archive, CaseFile
    from reconcile.store.database import Database
    from reconcile.store.inbox_rows import Delivery
    from reconcile.views import AccountView, CaseSummary, CaseView, Preview, RecordView

Result = TypeVar("Result")

AT_ONCE: Final = timedelta(0)
LONGEST_REASON: Final = 500
APPROVED_AHEAD: Final = timedelta(days=7)
"""How long before its date a destroy may be approved."""


@dataclass(slots=True)
class Desk:
    """Safe to call from many threads."""

    database: Database
    estate: Estate
    jobs: Jobs
    archive: Archive
    verifier_key: VerifierKey

    def receive(self, event: TerminationEvent, *, raw: bytes, principal: str) -> Receipt:
        """Take an event in: stored and applied, or neither. Raises :class:`NotAllowed`."""
        with self.database.begin() as connection:
            lock(connection, INBOX)
            return self._reception(connection).take(event, raw, principal)

    def reject(self, event_id: str, *, raw: bytes, principal: str, problem: str) -> None:
        """Keep a delivery whose signature held and whose content cannot be used."""
        with self.database.begin() as connection:
            lock(connection, INBOX)
            if load_delivery(connection, event_id) is None:
                self._reception(connection).store_raw(
                    event_id, raw, principal, outcome=Taken.REJECTED, problem=problem
                )

    def deliveries(self, state: Taken | None = None, limit: int = 100) -> tuple[Delivery, ...]:
        """List what was delivered, newest first, without the bodies."""
        with self.database.connect() as connection:
            return load_deliveries(connection, state, limit)

    def delivery(self, event_id: str) -> Delivery:
        """Show one delivery without its body. Raises :class:`UnknownQuestion`."""
        with self.database.connect() as connection:
            return delivery(connection, event_id)

    def delivery_body(self, event_id: str) -> bytes:
        """Open the body of a delivery. Raises :class:`UnknownQuestion`, :class:`NotAllowed`."""
        with self.database.connect() as connection:
            return body(connection, self.archive, event_id)

    def _reception(self, connection: sa.Connection) -> Reception:
        now = self.database.now()
        return Reception(connection, self.estate, self.archive, self.jobs, now)

    def cases(
        self, *, open_only: bool = False, limit: int = 100, before: str = ""
    ) -> tuple[CaseSummary, ...]:
        """List cases, newest first; ``before`` is the id of the last one already seen."""
        with self.database.connect() as connection:
            return summaries(
                connection, self.archive, self.estate,
                open_only=open_only, limit=min(max(limit, 1), 1000), before=before,
            )  # fmt: skip

    def find(self, employment_id: str) -> tuple[CaseSummary, ...]:
        """List the cases of an employment, newest first."""
        with self.database.connect() as connection:
            return summaries(
                connection, self.archive, self.estate, employment_id=employment_id, limit=100
            )

    def case(self, case_id: str) -> CaseView:
        """Show everything about a case. Raises :class:`UnknownCase`."""
        with self.database.connect() as connection:
            file = open_file(connection, case_id, self.archive, self.estate.clock(), lock=False)
            return show_case(file, self.estate)

    def records(self, case_id: str) -> tuple[RecordView, ...]:
        """Show the control parts of the evidence of a case. Raises :class:`UnknownCase`."""
        with self.database.connect() as connection:
            file = open_file(connection, case_id, self.archive, self.estate.clock(), lock=False)
            return load_record_views(file)

    def export_bundle(self, case_id: str, path: Path) -> None:
        """Write the evidence bundle. Raises :class:`Conflict` until its records are published."""
        with self.database.connect() as connection:
            open_file(connection, case_id, self.archive, self.estate.clock(), lock=False)
            try:
                self.archive.evidence.export_bundle(connection, case_id, path, self.verifier_key)
            except NotPublished as error:
                raise Conflict(str(error)) from error

    def preview(self, subject: Subject, person: Person) -> Preview:
        """Survey live and say what would happen; stores nothing, writes nowhere. Raises faults."""

        def signed_off(system: str) -> tuple[frozenset[str], frozenset[str]]:
            with self.database.connect() as connection:
                return attributed(connection, subject, system)

        return preview(self.estate, subject, person, signed_off)

    def answer(self, case_id: str, question_id: str, said: str, *, principal: str) -> None:
        """Answer a question or confirm a duty. Raises :class:`Conflict`, :class:`NotAllowed`."""

        def work(file: CaseFile) -> None:
            question = next((q for q in load_questions(file) if q.id == question_id), None)
            if question is None:
                message = "the case has no such question"
                raise UnknownQuestion(message)
            if question.answer:
                message = "the question was answered already"
                raise Conflict(message)
            allowed = options_for(question.kind)
            if (allowed and said not in allowed) or not 0 < len(said) <= LONGEST_REASON:
                message = f"an answer is one of: {', '.join(allowed) or 'a short text'}"
                raise NotAllowed(message)
            answer(file, question_id, said, principal)
            file.record(
                "question.answered",
                {"kind": question.kind.value, "system": question.system},
                {"question": question_id, "answer": said, "by": principal},
            )
            self._follow(file, question, said, principal)

        reason = f"answered/{question_id}/{self.estate.new_id()}"
        self._change(case_id, reason, work, final_too=True)

    def _follow(self, file: CaseFile, question: QuestionFacts, said: str, principal: str) -> None:
        """Do what an answer means at once; the pass does the rest."""
        match question.kind:
            case QuestionKind.CANDIDATE:
                row = find_account(file, question.system, question.about)
                self._decide(file, row, Word(said), principal)
            case QuestionKind.NO_ACCOUNT if said == "look again":
                answer(file, question.id, "", "")
                self._again(file, question.system, {Step.SURVEY}, "a person asked to look again")
            case QuestionKind.DEAD_LETTER:
                self._reopen(file, int(question.about), "a person asked to try again")
            case QuestionKind.DUTY:
                # Law 1: what a person did is looked at like everything else, once it has settled.
                steps = {Step.VERIFY_FIRST, Step.VERIFY_SECOND}
                wait = self._settle(question.system)
                self._again(file, question.system, steps, "a duty was confirmed", wait)
                self._sooner(file, question.system, wait)
            case QuestionKind.NO_SUCCESSOR:
                self._again(file, question.system, {Step.TRANSFER}, "a successor was named")
            case QuestionKind.HR_DISAGREES | QuestionKind.CONFIRM_TERMINATION if said == "active":
                place_hold(file, "hr", "hr", "a person says the employment goes on", "", "desk")
            case _:
                return

    def accounts(self, case_id: str = "", *, waiting_only: bool = False) -> tuple[AccountView, ...]:
        """Show the accounts of a case, or without one those that wait for a person, of all cases.

        Raises :class:`UnknownCase`.
        """
        with self.database.connect() as connection:
            now = self.estate.clock()
            ids = (case_id,) if case_id else undecided_cases(connection)
            files = (open_file(connection, each, self.archive, now, lock=False) for each in ids)
            waiting = waiting_only or not case_id
            return tuple(
                shown for file in files for shown in show_accounts(file, waiting_only=waiting)
            )

    def attribute(
        self,
        case_id: str,
        system: str,
        native_id: str,
        word: Word,
        *,
        principal: str,
        why: str = "",
    ) -> None:
        """Say whose an account is. Raises :class:`UnknownQuestion`, :class:`Conflict`."""

        def work(file: CaseFile) -> None:
            self._decide(file, find_account(file, system, native_id), word, principal, why)

        self._change(case_id, f"attributed/{self.estate.new_id()}", work)

    def _decide(
        self, file: CaseFile, row: AccountRow, word: Word, principal: str, why: str = ""
    ) -> None:
        decide(file, row, word, principal, why)
        if word is Word.ACCEPT:
            for system in self.estate.systems:  # its login may be another one's there
                self._again(file, system, {Step.SURVEY}, "an account was accepted")

    def _again(
        self, file: CaseFile, system: str, steps: set[Step], why: str, wait: timedelta = AT_ONCE
    ) -> None:
        """Run steps of a system again, at once or after a wait."""
        for operation in load_operations(file.connection, file.id):
            if operation.system == system and operation.step in steps:
                self._reopen(file, operation.seq, why, wait)

    def _sooner(self, file: CaseFile, system: str, wait: timedelta) -> None:
        """Let what waits to be tried again, perhaps for this task, be tried when it has settled."""
        for operation in load_operations(file.connection, file.id):
            waits = operation.state is OperationState.TODO
            mine = operation.system == system and operation.step in {Step.TRANSFER, Step.REVOKE}
            if waits and mine and operation.not_before > file.now + wait:
                self._reopen(file, operation.seq, "a duty was confirmed", wait)

    def _settle(self, system: str) -> timedelta:
        """How long after a write a system's answers may still be old ones."""
        configured = self.estate.systems.get(system)
        return configured.card.settle * self.estate.pace.factor if configured else AT_ONCE

    def _reopen(self, file: CaseFile, seq: int, why: str, wait: timedelta = AT_ONCE) -> None:
        reopen(file.connection, file.id, seq, at=file.now + wait, why=why)

    def hold(self, case_id: str, reason: str, *, principal: str) -> str:
        """Stop every write of a case. Returns the id of the hold."""
        if not 0 < len(reason) <= LONGEST_REASON:
            message = "a hold needs a reason of at most 500 characters"
            raise NotAllowed(message)

        def work(file: CaseFile) -> str:
            hold_id = f"manual-{self.estate.new_id()}"
            place_hold(file, hold_id, "manual", reason, self._plan_hash(file), principal)
            return hold_id

        return self._change(case_id, f"held/{self.estate.new_id()}", work)

    def release(self, case_id: str, hold_id: str, bound_to: str, *, principal: str) -> None:
        """Release a hold; some kinds need two different people, bound to what they saw.

        Raises :class:`StaleApproval` when the plan has changed since, :class:`NotAllowed`.
        """

        def work(file: CaseFile) -> None:
            hold = next((each for each in load_holds(file) if each.id == hold_id), None)
            if hold is None:
                message = "the case has no such standing hold"
                raise UnknownQuestion(message)
            needed = RELEASES_NEEDED[hold.kind]
            if needed == 0:
                message = "this hold protects an identity: only configuration ends it"
                raise NotAllowed(message)
            self._check_bound(file, bound_to)
            released = add_release(file, hold_id, principal, bound_to)
            file.record(
                "hold.released",
                {"kind": hold.kind, "releases": len(released), "bound_to": bound_to},
                {"by": principal},
            )
            if len(released) >= needed:
                end_hold(file, hold_id)
                self._let_through(file, hold.kind)

        reason = f"released/{hold_id}/{self.estate.new_id()}"
        self._change(case_id, reason, work, final_too=True)

    def _let_through(self, file: CaseFile, kind: str) -> None:
        """Do what the release means: slots beyond the limit, or a question asked anew."""
        if kind == "brake":
            steps = {Step.CONTAIN, Step.REVOKE}
            if file.state is CaseState.CLOSED:
                steps = {Step.DESTROY}
            fresh = steps - slots_of(file.connection, file.id)
            take_slots(file.connection, file.id, fresh, file.now)
        elif kind == "hr":
            for question in (QuestionKind.CONFIRM_TERMINATION, QuestionKind.HR_DISAGREES):
                ask_again(file, question, "the hold was released")

    def approve(self, case_id: str, stage: Stage, bound_to: str, *, principal: str) -> None:
        """Approve a stage for exactly the plan seen. Raises :class:`StaleApproval`."""

        def work(file: CaseFile) -> None:
            self._check_bound(file, bound_to)
            self._check_not_too_early(file, stage)
            approve(file, stage, principal, bound_to)
            control = {"stage": stage.value, "bound_to": bound_to}
            file.record("stage.approved", control, {"by": principal})

        reason = f"approved/{stage}/{self.estate.new_id()}"
        self._change(case_id, reason, work, final_too=True)

    def _check_not_too_early(self, file: CaseFile, stage: Stage) -> None:
        """Deleting is approved shortly before it is due: by then the person may be back."""
        if stage is Stage.DESTROY:
            facts = load_facts(file, self.estate, policy_of(file, self.estate))
            if file.now < facts.stage_at[stage] - APPROVED_AHEAD:
                message = "too early: destroy is approved within the week before it is due"
                raise NotAllowed(message)

    def retry(self, case_id: str, seq: int, *, principal: str) -> None:
        """Try an operation again at once instead of waiting for its backoff."""

        def work(file: CaseFile) -> None:
            operation = next(
                (o for o in load_operations(file.connection, file.id) if o.seq == seq), None
            )
            if operation is None:
                message = "the case has no such operation"
                raise UnknownQuestion(message)
            if operation.state is OperationState.DONE:
                message = "the operation is done"
                raise Conflict(message)
            self._reopen(file, seq, "a person asked to try again")
            file.record("operation.retried", {"operation": seq}, {"by": principal})

        self._change(case_id, f"retry/{seq}/{self.estate.new_id()}", work, final_too=True)

    def _change(
        self,
        case_id: str,
        reason: str,
        work: Callable[[CaseFile], Result],
        *,
        final_too: bool = False,
    ) -> Result:
        """Run a command on a locked case that is not final, then wake it."""
        with self.database.begin() as connection:
            file = open_file(connection, case_id, self.archive, self.estate.clock())
            undo = file.row["rescinded_at"] is not None
            if file.state in FINAL and not final_too and not undo:
                message = "the case is final"
                raise Conflict(message)
            if file.row["closing_at"] is not None and not (final_too or undo):
                message = "the case is closing"
                raise Conflict(message)
            result = work(file)
            self.jobs.wake(connection, case_id, reason)
            return result

    def _plan_hash(self, file: CaseFile) -> str:
        return plan_hash(load_facts(file, self.estate, policy_of(file, self.estate)))

    def _check_bound(self, file: CaseFile, bound_to: str) -> None:
        if bound_to != self._plan_hash(file):
            message = "the plan has changed since it was looked at: look again"
            raise StaleApproval(message)

    def wake_open_cases(self, reason: str) -> int:
        """Have every open case looked at: a daemon that starts knows things the last one did not.

        Another configuration, another policy, another mode, or a case opened while none was there.
        """
        with self.database.begin() as connection:
            found = open_cases(connection)
            for case_id in found:
                self.jobs.wake(connection, case_id, reason)
        return len(found)

    def issue_token(self, principal: str, role: Role) -> str:
        """Make a token; shown once."""
        return Principals(self.database, self.estate).issue(principal, role)

    def authenticate(self, token: str) -> Principal | None:
        """Find who a token belongs to."""
        return Principals(self.database, self.estate).authenticate(token)

    def revoke_token(self, token_id: str) -> None:
        """End a token."""
        Principals(self.database, self.estate).revoke(token_id)

    def tokens(self) -> tuple[TokenView, ...]:
        """List tokens without showing them."""
        return Principals(self.database, self.estate).all()
