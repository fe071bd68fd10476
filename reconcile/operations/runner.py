"""Takes one try of an operation off the queue and sees it through to a row.

The engine calls :meth:`OperationRunner.run` with a key. The try takes a fencing token, asks the
gates once more, runs its step, and ends as done, as a fresh try later, or as a dead letter that
asks a person. The commit that ends it may open the next operation of the same system: the same job
goes on with that one, and takes it up again after a crash. This is one of the two places where any
exception is caught: an operation that fails in a way nobody foresaw stays open with an error, it
never disappears.
"""

from __future__ import annotations

import traceback
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Final

import structlog

from connectors.faults import Fault, Refused, Transient, Unauthorised
from connectors.secret import SecretUnavailable
from reconcile.engine.port import LeaseLost
from reconcile.errors import PolicyLost
from reconcile.facts import HR, OperationState, QuestionKind, Step
from reconcile.gates import gate
from reconcile.operations.changing import contain, revoke
from reconcile.operations.confirming import confirm
from reconcile.operations.destroying import destroy
from reconcile.operations.handover import transfer
from reconcile.operations.preserving import preserve
from reconcile.operations.restoring import restore
from reconcile.operations.run import Again, Blind, Closing, Finished, OutOfBudget, Run, Stopped
from reconcile.operations.surveying import survey, verify
from reconcile.policy_book import policy_of
from reconcile.reconciler import Carrier, Reconciler
from reconcile.sealing import KeyDestroyed
from reconcile.store.case_file import open_file
from reconcile.store.errors import DatabaseUnavailable, unavailable
from reconcile.store.fact_rows import load_facts
from reconcile.store.guard_rows import count_failure, count_success
from reconcile.store.operation_rows import (
    OperationKey,
    Superseded,
    finish,
    give_up,
    load_operations,
    take,
    try_later,
)
from reconcile.store.question_rows import load_questions

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    import sqlalchemy as sa

    from reconcile.engine.port import Deadline, Jobs, Lease
    from reconcile.estate import Estate
    from reconcile.facts import OperationFacts
    from reconcile.store.case_file import Archive, CaseFile
    from reconcile.store.database import Database

log = structlog.get_logger(__name__)

_STEPS: Final[dict[Step, Callable[[Run], Finished | Again | Closing]]] = {
    Step.CONFIRM: confirm,
    Step.SURVEY: survey,
    Step.CONTAIN: contain,
    Step.PRESERVE: preserve,
    Step.TRANSFER: transfer,
    Step.REVOKE: revoke,
    Step.VERIFY_FIRST: verify,
    Step.VERIFY_SECOND: verify,
    Step.DESTROY: destroy,
    Step.RESTORE: restore,
}


@dataclass(slots=True)
class OperationRunner:
    """Runs operations. Safe to call from many threads; holds no state between runs."""

    database: Database
    estate: Estate
    jobs: Jobs
    archive: Archive
    lease: Lease

    def run(self, key_text: str) -> None:
        """Run one job. Raises :class:`LeaseLost` when this process may no longer act."""
        case_id, deadline = OperationKey.parse(key_text).case_id, self.lease.deadline()

        def take_up() -> Run | None:
            return self.database.sure(lambda c: self._take(c, key_text, case_id, deadline))

        run = take_up()
        while run is not None:
            try:
                run = self._run(run)
            except KeyDestroyed:
                return
            except Superseded:
                log.info("operation.superseded", case=case_id, job=key_text)
                # The commit that ended it may be our own, its answer lost with the connection:
                # then the next operation is still ours to run.
                self.lease.guard()
                run = take_up()

    def _run(self, run: Run) -> Run | None:
        """Run one try; return the run of the operation that the same job goes on with."""
        started = self.estate.clock()
        outcome = self._step(run, lambda: _STEPS[run.step](run))
        done, following = run.transact(lambda file: self._write(run, file, outcome))
        log.info(
            "operation.ran",
            case=run.key.case_id, system=run.system_name, step=run.step.value,
            tries=run.key.tries, done=done,
            seconds=round((self.estate.clock() - started).total_seconds(), 3),
        )  # fmt: skip
        return following

    def _take(
        self, connection: sa.Connection, job: str, case_id: str, deadline: Deadline
    ) -> Run | None:
        """Take the token and ask the gates again: what changed since the pass is seen here."""
        file = open_file(connection, case_id, self.archive, self.estate.clock())
        facts = load_facts(file, self.estate, policy_of(file, self.estate))
        operation = _due_to(job, case_id, facts.operations)
        if operation is None:
            return None
        answer = gate(operation, facts, file.now)
        if not answer.open:
            # This job is spent: the next one needs a key of its own, so the try is spent too.
            at = answer.until or file.now
            try_later(connection, case_id, operation.seq, at=at, error=answer.why, failed=False)
            self.jobs.wake(connection, case_id, f"shut/{operation.seq}/{operation.tries}")
            return None
        return self._begin(file, operation, job, deadline)

    def _begin(
        self, file: CaseFile, operation: OperationFacts, job: str, deadline: Deadline
    ) -> Run | None:
        """Take the token of an operation whose gates are open."""
        key = OperationKey(file.id, operation.seq, operation.tries)
        token = self.estate.new_id()
        row = take(file.connection, key, token, file.now)
        if row is None:
            return None
        if row["starts"] > self.estate.pace.max_starts:
            give_up(file.connection, file.id, key.seq, error="started too often without an end")
            self.jobs.wake(file.connection, file.id, f"gave-up/{key.seq}/{key.tries}")
            return None
        return Run(
            self.database, self.estate, self.archive, self.jobs, self.lease, deadline,
            job, key, token, operation.system, operation.step, file.row["access_end_at"],
        )  # fmt: skip

    def _step(
        self, run: Run, work: Callable[[], Finished | Again | Closing]
    ) -> Finished | Again | Closing | Fault:
        """Do work of this run; a fault, even one nobody foresaw, is an outcome like the others."""
        try:
            return work()
        except (LeaseLost, Superseded, DatabaseUnavailable, KeyDestroyed):
            raise
        except Fault as fault:
            return fault
        except SecretUnavailable as error:
            return Unauthorised(str(error))
        except OutOfBudget:
            return Again("its time is over; it goes on at once", failed=False)
        except Stopped as stopped:
            return Again(f"stopped: {stopped}", failed=False)
        except Exception as error:  # noqa: BLE001 - the named place: it stays open
            # Law 10: its text may hold anything, so only its class and its place are said.
            log.error(  # noqa: TRY400 - a traceback would print values
                "operation.failed",
                case=run.key.case_id,
                step=run.step.value,
                error=type(error).__name__,
                at=place_of(error),
            )
            return Again(f"unexpected {type(error).__name__}")

    def _write(
        self, run: Run, file: CaseFile, outcome: Finished | Again | Closing | Fault
    ) -> tuple[bool, Run | None]:
        """Write the end of the try: whether it is done, and what the job goes on with."""
        key, connection = run.key, file.connection
        following: Run | None = None
        if isinstance(outcome, Closing):
            outcome = outcome.judge(file)
        if isinstance(outcome, Finished):
            finish(connection, key.case_id, key.seq, now=file.now, result=outcome.result)
            count_success(connection, run.system_name)
            control = {"system": run.system_name, "stage": run.step.value, "try": key.tries}
            file.record("operation.done", {**control, "result": dict(outcome.result)})
            following = self._follow(run, file)
        elif isinstance(outcome, Again):
            self._again(run, file, outcome)
        else:
            self._fault(run, file, outcome)
        return isinstance(outcome, Finished), following

    def _follow(self, run: Run, file: CaseFile) -> Run | None:
        """Let the same commit send what the end of this operation allows, or begin it.

        A job of its own would cost more than the pass, and contain would wait for two queues. But
        what happened outside must be recorded whatever becomes of the pass (Law 1, Law 6): it has
        a savepoint of its own, and where it fails the case is woken for a pass that may fail alone.
        """
        begun: list[Run | None] = []

        def follow() -> Finished | Again:
            with unavailable(), file.connection.begin_nested():
                try:
                    begun.append(self._pass(run, file))
                except PolicyLost:  # a pass of its own will hold the case
                    return Again("the policy is not available")
            return Finished()

        if not isinstance(self._step(run, follow), Finished):
            self.jobs.wake(file.connection, file.id, f"after/{run.key.seq}/{run.key.tries}")
            return None
        return begun[-1]

    def _pass(self, run: Run, file: CaseFile) -> Run | None:
        """Make a pass; begin the one operation that the job goes on with, while it has time."""
        reconciler = Reconciler(self.database, self.estate, self.jobs, self.archive)
        may = not run.deadline.passed
        carrier = Carrier(run.job, run.system_name, run.step) if may else None
        carried = reconciler.follow(file, carrier)
        return self._begin(file, carried, run.job, run.deadline) if carried else None

    def _again(
        self, run: Run, file: CaseFile, outcome: Again, wait: timedelta | None = None
    ) -> None:
        key = run.key
        # A licence waits for its mailbox: a dead letter beside the open task would ask twice.
        waits = outcome.refused and _asked_of_people(file, run.system_name)
        failed = outcome.failed and not waits
        failures = self._failures(file, key) + failed
        if failures >= self.estate.pace.give_up and failed:
            give_up(file.connection, key.case_id, key.seq, error=outcome.why)
            file.record("operation.gave_up", {"system": run.system_name, "stage": run.step.value})
        else:
            pause = self.estate.pace.backoff_cap if waits else self._backoff(failures)
            at = outcome.at or file.now + max(pause, wait or timedelta(0))
            try_later(
                file.connection, key.case_id, key.seq, at=at, error=outcome.why, failed=failed
            )
        self.jobs.wake(file.connection, key.case_id, f"again/{key.seq}/{key.tries}")

    def _fault(self, run: Run, file: CaseFile, fault: Fault) -> None:
        """Let the type of the fault decide (connectors.faults)."""
        why = f"{fault} {fault.code}".strip()
        if isinstance(fault, Refused):
            give_up(file.connection, run.key.case_id, run.key.seq, error=why)
            self.jobs.wake(
                file.connection, run.key.case_id, f"refused/{run.key.seq}/{run.key.tries}"
            )
            return
        if run.system_name != HR and not isinstance(fault, Blind):
            pace = self.estate.pace
            after = 1 if isinstance(fault, Unauthorised) else pace.breaker_after
            resting = count_failure(
                file.connection, run.system_name,
                after=after, rest=pace.breaker_rest, now=file.now, reason=type(fault).__name__,
            )  # fmt: skip
            if resting:
                log.warning("system.resting", system=run.system_name, why=type(fault).__name__)
        wait = fault.retry_after if isinstance(fault, Transient) else None
        # Law 11: what cannot be reached stays open; only a person can end the waiting.
        self._again(run, file, Again(why), wait)

    def _failures(self, file: CaseFile, key: OperationKey) -> int:
        operations = load_operations(file.connection, key.case_id)
        return next(each.failures for each in operations if each.seq == key.seq)

    def _backoff(self, failures: int) -> timedelta:
        pace = self.estate.pace
        doubled: timedelta = pace.backoff * 2 ** min(max(failures - 1, 0), 20)
        return min(doubled, pace.backoff_cap)


def _asked_of_people(file: CaseFile, system: str) -> bool:
    """Say whether a task of people is open in a system."""
    return any(
        question.kind is QuestionKind.DUTY and question.system == system and not question.answer
        for question in load_questions(file)
    )


def _due_to(job: str, case_id: str, operations: Iterable[OperationFacts]) -> OperationFacts | None:
    """Find what a job has to run: its own operation, or, after a crash, the one it carried."""
    todo = [each for each in operations if each.state is OperationState.TODO]
    carried = (each for each in todo if each.carrier == job)
    own = (
        each
        for each in todo
        if not each.carrier and str(OperationKey(case_id, each.seq, each.tries)) == job
    )
    return next(carried, None) or next(own, None)


def place_of(error: BaseException) -> str:
    """Say where an error came from, without any value: ``module:line``."""
    frames = traceback.extract_tb(error.__traceback__)
    return f"{Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else ""
