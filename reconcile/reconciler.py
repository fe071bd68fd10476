"""The pass: look at one case, decide, and carry the decision out in the same transaction.

Level-triggered: whoever woke the case is not asked. The pass does no I/O but the database; all
thinking is in ``plan``. A pass that runs twice does no harm, one that never ran is made up for by
the sweep.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import structlog

from reconcile.case import FINAL, CaseState
from reconcile.errors import PolicyLost
from reconcile.estate import PROTECTED
from reconcile.facts import OperationState, Step
from reconcile.plan import Decision, decide, plan_hash
from reconcile.policy_book import policy_of
from reconcile.residual import latest_end, residual_access
from reconcile.sealing import KeyDestroyed
from reconcile.store.account_rows import load_accounts
from reconcile.store.case_file import CaseFile, open_file, touch
from reconcile.store.fact_rows import load_facts, with_room
from reconcile.store.guard_rows import BRAKE, lock, take_slots
from reconcile.store.operation_rows import (
    OperationKey,
    carry,
    insert_operations,
    load_operations,
    reopen,
    try_later,
)
from reconcile.store.question_rows import ask, end_hold, load_holds, overdue, place_hold

if TYPE_CHECKING:
    import sqlalchemy as sa

    from reconcile.engine.port import Jobs
    from reconcile.estate import Estate
    from reconcile.facts import CaseFacts, OperationFacts
    from reconcile.store.case_file import Archive
    from reconcile.store.database import Database

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Carrier:
    """A running job that may go on with the next operation of its system.

    A job of its own would cost the operation more than its calls (docs/benchmarks.md).
    """

    job: str
    system: str
    after: Step

    def takes(self, operation: OperationFacts) -> bool:
        """Say whether the job goes on with this operation.

        Law 3: what follows a containment waits in the queue, or the containment of somebody else
        would wait for all of it.
        """
        free = not (operation.carrier or operation.taken)
        return free and operation.system == self.system and self.after is not Step.CONTAIN


@dataclass(slots=True)
class Reconciler:
    """Makes passes. Safe to call from many threads; the row lock keeps passes of a case apart."""

    database: Database
    estate: Estate
    jobs: Jobs
    archive: Archive

    def reconcile(self, case_id: str) -> None:
        """Make one pass over a case."""
        lost = self.jobs.lost_operations(self._sent(case_id))
        try:
            self.database.sure(lambda connection: self._pass(connection, case_id, lost))
        except KeyDestroyed:
            log.info("case.erased", case=case_id)
        except PolicyLost as error:
            log.error("case.policy_lost", case=case_id)  # noqa: TRY400 - the reason is said below
            why = str(error)
            self.database.sure(
                lambda connection: self._hold_without_policy(connection, case_id, why)
            )

    def _sent(self, case_id: str) -> frozenset[str]:
        """List the keys of the jobs that work on what is still to do."""
        with self.database.connect() as connection:
            operations = load_operations(connection, case_id)
        return frozenset(
            operation.carrier or str(OperationKey(case_id, operation.seq, operation.tries))
            for operation in operations
            if operation.state is OperationState.TODO
        )

    def _pass(self, connection: sa.Connection, case_id: str, lost: frozenset[str]) -> None:
        file = open_file(connection, case_id, self.archive, self.estate.clock())
        self._count_lost(file, lost)
        self._follow_protection(file)
        self.follow(file)

    def follow(self, file: CaseFile, carrier: Carrier | None = None) -> OperationFacts | None:
        """Make a pass within the transaction that changed the case: no job, no wait for a queue.

        The runner calls it when it records the end of an operation, so that what the end allows is
        sent by the same commit. Returns the one operation that ``carrier`` goes on with itself.
        Raises :class:`PolicyLost` before it has changed anything.
        """
        facts = self._facts(file)
        touch(file.connection, file.id, self.database.now())
        decision = decide(facts, file.now)
        if decision.operations or decision.reopened:
            # What is planned may be due at once: decide again over the rows it has become.
            self._plan(file, decision)
            facts = replace(facts, operations=load_operations(file.connection, file.id))
            decision = decide(facts, file.now)
        if decision.admit or decision.braked:
            lock(file.connection, BRAKE)
            facts = with_room(facts, file, self.estate)
            decision = decide(facts, file.now)
        return self._carry_out(file, facts, decision, carrier)

    def _hold_without_policy(self, connection: sa.Connection, case_id: str, why: str) -> None:
        """A case never goes on under a policy it did not begin with: it is held."""
        file = open_file(connection, case_id, self.archive, self.estate.clock())
        touch(connection, case_id, self.database.now())
        if file.state in FINAL or file.row["closing_at"] is not None:
            return
        place_hold(file, "policy", "policy", why, "", "guard")
        file.move(CaseState.HELD)

    def _facts(self, file: CaseFile) -> CaseFacts:
        return load_facts(file, self.estate, policy_of(file, self.estate))

    def _follow_protection(self, file: CaseFile) -> None:
        """A protected identity is held by configuration alone, so configuration alone lets go."""
        standing = [hold for hold in load_holds(file) if hold.kind == "protected"]
        guards, closing = self.estate.guards, file.row["closing_at"] is not None
        if not (standing or guards.protected) or (closing and file.state is not CaseState.CLOSED):
            return
        subject = file.person.subject
        accounts = [each for name in self.estate.systems for each in load_accounts(file, name)]
        protected = guards.protects(subject) or any(guards.protects(subject, a) for a in accounts)
        if protected and not standing:
            place_hold(file, "protected", "protected", PROTECTED, "", "guard")
        for hold in standing if not protected else ():
            end_hold(file, hold.id)
            file.record("hold.ended", {"kind": hold.kind, "why": "no longer protected"})

    def _count_lost(self, file: CaseFile, lost: frozenset[str]) -> None:
        """Give a job that ended without its end (timed out, node lost for good) a fresh try."""
        if not lost:
            return
        for operation in load_operations(file.connection, file.id):
            key = str(OperationKey(file.id, operation.seq, operation.tries))
            gone = (operation.carrier or key) in lost
            if operation.state is OperationState.TODO and gone:
                error = "the job ended without its end"
                try_later(
                    file.connection, file.id, operation.seq, at=file.now, error=error, failed=True
                )

    def _plan(self, file: CaseFile, decision: Decision) -> None:
        planned = [(each.system, each.step) for each in decision.operations]
        insert_operations(file.connection, file.id, planned, file.now)
        for each in decision.reopened:
            reopen(file.connection, file.id, each.seq, at=file.now, why=each.why)

    def _carry_out(
        self, file: CaseFile, facts: CaseFacts, decision: Decision, carrier: Carrier | None
    ) -> OperationFacts | None:
        for question in decision.questions:
            deadline = file.now + facts.limits.question_deadline
            ask(
                file, question.id, question.kind, question.system, question.about,
                question.words, deadline,
            )  # fmt: skip
        self._brake(file, facts, decision)
        file.move(decision.state)
        carried = self._send(file, facts, decision, carrier)
        self._escalate(file, facts)
        self._close(file, facts, decision)
        self._wake(file, decision)
        return carried

    def _brake(self, file: CaseFile, facts: CaseFacts, decision: Decision) -> None:
        """Law 5: take a slot of the rolling window, or hold the case for two people's release."""
        take_slots(file.connection, file.id, decision.admit, file.now)
        if decision.braked:
            window = self.estate.guards
            reason = (
                f"the brake: {window.people_per_window} people within {window.window} "
                "have been let through"
            )
            steps = "-".join(sorted(decision.braked))
            place_hold(file, f"brake/{steps}", "brake", reason, plan_hash(facts), "guard")
            log.warning("brake.tripped", case=file.id)

    def _send(
        self, file: CaseFile, facts: CaseFacts, decision: Decision, carrier: Carrier | None
    ) -> OperationFacts | None:
        operations = {operation.seq: operation for operation in facts.operations}
        carried: OperationFacts | None = None
        for operation in (operations[seq] for seq in decision.send):
            if operation.carrier:
                continue  # its job is running
            if carrier and carried is None and carrier.takes(operation):
                carry(file.connection, file.id, operation.seq, carrier.job)
                carried = operation
                continue
            key = OperationKey(file.id, operation.seq, operation.tries)
            # Law 3: what leads to containment goes before all that others still have to do.
            leads = facts.immediate and not facts.contained and operation.step is Step.SURVEY
            urgent = leads or operation.step is Step.CONTAIN
            self.jobs.send_operation(file.connection, str(key), operation.system, urgent=urgent)
        return carried

    def _escalate(self, file: CaseFile, facts: CaseFacts) -> None:
        """Law 11: a question past its deadline is said louder, and stays open."""
        late = any(not each.answer and each.deadline <= file.now for each in facts.questions)
        if file.row["closing_at"] is not None or not late:
            return
        for question_id in overdue(file):
            file.record("question.escalated", {}, {"question": question_id})
            log.warning("question.overdue", case=file.id)

    def _close(self, file: CaseFile, facts: CaseFacts, decision: Decision) -> None:
        if decision.write_closing:
            closure, end = decision.closure, latest_end(facts)
            control = {
                "checks": len(closure.checks),
                "passed": closure.passed,
                "percent": closure.percent,
                "state": CaseState.CLOSED.value,
                "policy": file.row["policy_hash"],
                "residual": residual_access(facts, file.now).reach.name.lower(),
                "residual_until": end.isoformat() if end else "",
            }
            self.archive.evidence.close(file.connection, file.id, file.now, control, {})
            file.update(closing_at=file.now.timestamp())
        if file.state is CaseState.CLOSED and file.row["closed_at"] is None:
            file.update(closed_at=file.now.timestamp())
            # What a closed case still owes is planned with the closing, so that nobody sees it
            # closed without it.
            self.follow(file)

    def _wake(self, file: CaseFile, decision: Decision) -> None:
        """Come back when time opens a gate; whatever else happens wakes the case itself.

        A timer that is armed for an earlier instant is enough: its pass arms the next one.
        """
        if decision.wake_at is None:
            return
        armed = file.row["armed_for"]
        if armed is None or not file.now.timestamp() < armed <= decision.wake_at.timestamp():
            reason = f"at/{int(decision.wake_at.timestamp() * 1000)}"
            self.jobs.wake(file.connection, file.id, reason, decision.wake_at)
            file.update(armed_for=decision.wake_at.timestamp())
