"""Runs one durable job: the engine's side of a handler, and the one broad catch of this floor.

Called by the library on a thread of its own, through the two functions that `durable` registers.
It never decides what comes next: a job that does not reach its end is recorded as lost, and the
next try comes from our rows.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Final

import sqlalchemy as sa
import structlog

from reconcile.engine.bell import Bells
from reconcile.engine.jobs import CASES
from reconcile.engine.port import RECONCILE_CASE, RUN_OPERATION, Jobs
from reconcile.store.database import Database
from reconcile.store.errors import DatabaseUnavailable

_log = structlog.get_logger(__name__)
_PAUSE: Final = 1.0
"""Seconds between tries of a pass while the database is away."""
_AFTER_A_LOSS: Final = timedelta(seconds=2)
"""The library records a failure only after the handler is left; a pass before that would not see
the try as lost, and send it again in vain."""


class JobEndedShort(Exception):
    """Tells the library to record the job as failed. Carries the kind of fault and nothing else."""


class Worker:
    """Runs handlers, counts what is running, and turns every fault into "this try is lost"."""

    def __init__(
        self,
        database: Database,
        jobs: Jobs,
        bells: Bells,
        *,
        on_case: Callable[[str], None],
        on_operation: Callable[[str], None],
        now: Callable[[], datetime],
    ) -> None:
        self._database = database
        self._jobs = jobs
        self._bells = bells
        self._on_case = on_case
        self._on_operation = on_operation
        self._now = now
        self._running = 0
        self._changed = threading.Condition()
        self._stopping = threading.Event()

    def reconcile_case(self, case_id: str) -> None:
        """Run one pass; while the database is away, try the same pass again."""
        with self._job(RECONCILE_CASE, case_id, CASES):
            while True:
                try:
                    return self._on_case(case_id)
                except DatabaseUnavailable:
                    if self._stopping.wait(_PAUSE):
                        raise

    def run_operation(self, key: str, queue: str | None) -> None:
        """Run one try of one operation."""
        with self._job(RUN_OPERATION, key, queue):
            self._on_operation(key)

    def drain(self, seconds: float) -> bool:
        """Wait until nothing runs; False when something still does after `seconds`."""
        self._stopping.set()
        with self._changed:
            return self._changed.wait_for(lambda: self._running == 0, seconds)

    @property
    def running(self) -> int:
        """Return how many handlers run in this process now."""
        return self._running

    @contextmanager
    def _job(self, job: str, argument: str, queue: str | None) -> Iterator[None]:
        self._bells.job_begins(queue)
        with self._changed:
            self._running += 1
        try:
            yield
        except Exception as fault:  # noqa: BLE001 - the one broad catch: a worker must outlive a handler
            self._lost(job, argument, fault)
        finally:
            self._bells.job_ends(queue)
            with self._changed:
                self._running -= 1
                self._changed.notify_all()

    def _lost(self, job: str, argument: str, fault: Exception) -> None:
        # Law 10: the class and the place, never the text: a vendor's message may name a person.
        _log.error("engine.job.lost", job=job, key=argument, fault=type(fault).__name__,
                   at=_place(fault))  # fmt: skip
        if job == RUN_OPERATION:
            self._wake(argument)
        raise JobEndedShort(type(fault).__name__) from None

    def _wake(self, key: str) -> None:
        """Have the case look at the lost try, once the database is back; else the sweep does it.

        Waiting here also spares the library its own retries of the outcome, which slow down to a
        minute: by then the database takes it at once.
        """
        case_id, seq, number = key.rsplit("/", 2)

        def write(connection: sa.Connection) -> None:
            at = self._now() + _AFTER_A_LOSS
            self._jobs.wake(connection, case_id, f"lost/{seq}/{number}", at)

        try:
            self._database.sure(write)
        except DatabaseUnavailable:  # closed meanwhile: this process is leaving
            _log.warning("engine.job.lost_without_wake", key=key)


def _place(fault: Exception) -> str:
    """Return file and line where the fault arose: enough to find it, nothing of what it said."""
    trace = fault.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    if trace is None:
        return "unknown"
    return f"{trace.tb_frame.f_code.co_filename.rsplit('/', 1)[-1]}:{trace.tb_lineno}"
