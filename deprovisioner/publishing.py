"""Publishes the evidence log every few seconds, and wakes the cases that waited for it.

A thread of the daemon. Several nodes may each run one: the ledger's row is the lock. A ledger that
refuses (rolled back, damaged) is never signed on: the thread says so and the daemon turns unready,
because a person has to look.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final

import structlog

from reconcile.engine.port import Jobs
from reconcile.evidence.checkpoint import Checkpoint
from reconcile.store.case_file import closing_cases
from reconcile.store.database import Database
from reconcile.store.errors import DatabaseError
from reconcile.store.ledger import DEFAULT_BATCH, LedgerRefused, Sequencer

_log = structlog.get_logger(__name__)
_MOST_BATCHES: Final = 100
"""Batches of one round; more waits for the next, so that a flood cannot starve publication."""


class Publisher:
    """Integrates, signs and wakes. ``every`` bounds how long a closed case waits for its proof."""

    def __init__(
        self,
        database: Database,
        sequencer: Sequencer,
        jobs: Jobs,
        *,
        clock: Callable[[], datetime],
        every: timedelta,
        heartbeat: timedelta,
    ) -> None:
        self._database = database
        self._sequencer = sequencer
        self._jobs = jobs
        self._clock = clock
        self._every = every.total_seconds()
        self._heartbeat = heartbeat
        self._said: datetime | None = None
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self.refused = ""
        """Why the ledger may not be signed on; empty while it may."""

    def start(self) -> None:
        """Publish on a thread until stopped."""
        self._thread = threading.Thread(target=self._run, name="publisher", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End the thread, and publish once more what the drained operations left."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join(timeout=self._every + 30)
        self._round()

    def _run(self) -> None:
        while not self._stop.wait(self._every):
            self._round()

    def _round(self) -> None:
        try:
            self.publish()
        except (DatabaseError, OSError) as error:
            _log.warning("evidence.not_published", fault=type(error).__name__)
        except LedgerRefused as error:
            self.refused = type(error).__name__
            _log.critical("evidence.refused", fault=self.refused, reason=str(error))

    def publish(self) -> Checkpoint | None:
        """Give waiting records their places, sign, and wake the cases that close by it."""
        for _ in range(_MOST_BATCHES):
            if self._sequencer.integrate() < DEFAULT_BATCH:
                break
        now = self._clock()
        due = self._said is None or now - self._said >= self._heartbeat
        checkpoint = self._sequencer.publish(heartbeat=due)
        self.refused = ""
        if checkpoint is not None:
            self._said = now
            self._wake_closing(checkpoint)
        return checkpoint

    def _wake_closing(self, checkpoint: Checkpoint) -> None:
        with self._database.connect() as connection:
            closing = closing_cases(connection)
        if closing:
            with self._database.begin() as connection:
                for case_id in closing:
                    self._jobs.wake(connection, case_id, f"published/{checkpoint.size}")
            _log.info("evidence.published", size=checkpoint.size, closing=len(closing))
