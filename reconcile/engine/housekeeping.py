"""What the engine does about other nodes and about time: reap, sweep, prune.

Run by `durable` on a thread of its own, beside the heartbeat and never inside it, so that slow
housekeeping cannot cost the lease. The library has no lease and no recovery across nodes in its
open part; this is ours (docs/decisions/0002-durable-engine.md).
"""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Final, Protocol

import sqlalchemy as sa
import structlog
from dbos import DBOSClient

from reconcile.engine.jobs import finished_before
from reconcile.engine.lease import NodeLease
from reconcile.engine.port import Jobs, LeaseLost
from reconcile.engine.settings import EngineSettings
from reconcile.store.database import Database
from reconcile.store.errors import DatabaseUnavailable, unavailable
from reconcile.store.nodes import nodes

_log = structlog.get_logger(__name__)
_LOCK: Final = 0x6465_7072_0002
"""Advisory lock of housekeeping ("depr", 2). Resuming a job asks nobody who owns it, so two nodes
that judged at the same time could hand out one job twice."""
_BATCH: Final = 500
_KEEP_DEAD_NODES: Final = timedelta(days=1)


class StaleCases(Protocol):
    """Finds open cases that nobody has touched for a while; our rows are the caller's business."""

    def __call__(self, connection: sa.Connection, older_than: timedelta) -> Iterable[str]:
        """Return ids of open cases untouched for `older_than`, a bounded number of them."""


class Housekeeping:
    """Moves dead nodes' work, wakes forgotten cases, deletes finished jobs."""

    def __init__(
        self,
        database: Database,
        settings: EngineSettings,
        *,
        client: DBOSClient,
        jobs: Jobs,
        lease: NodeLease,
        stale_cases: StaleCases,
        now: Callable[[], datetime],
    ) -> None:
        self._database = database
        self._settings = settings
        self._client = client
        self._jobs = jobs
        self._lease = lease
        self._stale_cases = stale_cases
        self._now = now
        self._pruned: datetime | None = None

    def keep_until(self, stop: threading.Event) -> None:
        """Do a round after each heartbeat's time; a round that fails is made up by the next."""
        while not stop.wait(self._settings.beat.total_seconds()):
            self.round()

    def round(self) -> None:
        """Do what is due, if we may judge and nobody else is at it."""
        if not self._lease.steady:
            return
        try:
            with self._alone() as alone:
                if alone:
                    self.reap()
                    self.sweep()
                    self._prune_when_due()
        except (DatabaseUnavailable, LeaseLost) as fault:
            _log.warning("engine.housekeeping.put_off", fault=type(fault).__name__)

    def reap(self) -> None:
        """Give the jobs of dead nodes back to their queues, where the living take them."""
        with self._database.begin() as connection:
            expired = sa.and_(
                nodes.c.live,
                nodes.c.lease_until < self._database.now(),
                nodes.c.id != self._lease.node,  # only others may say that we are dead
            )
            dead = connection.execute(sa.update(nodes).where(expired).values(live=False)).rowcount
        with unavailable():
            pending = self._client.list_workflows(
                status="PENDING", load_input=False, load_output=False
            )
        # Read who lives AFTER the jobs: a node that joined in between owns none of them yet.
        with self._database.connect() as connection:
            alive = set(connection.scalars(sa.select(nodes.c.id).where(nodes.c.live)))
        orphans: defaultdict[str, list[str]] = defaultdict(list)
        for job in pending:
            if job.executor_id not in alive and job.queue_name is not None:
                orphans[job.queue_name].append(job.workflow_id)
        for queue, ids in orphans.items():
            self._lease.guard()  # frozen since we looked? then others have judged, we must not
            with unavailable():
                # Without its queue's name the library moves a job to one without limits.
                self._client.resume_workflows(ids, queue_name=queue)
        if dead or orphans:
            _log.warning("engine.reaped", nodes=dead, jobs=sum(map(len, orphans.values())))

    def sweep(self) -> None:
        """Wake open cases that nobody touched: whatever was lost, our rows remember the case."""
        window = int(self._now().timestamp() / self._settings.sweep_after.total_seconds())
        with self._database.begin() as connection:
            stale = list(self._stale_cases(connection, self._settings.sweep_after))
            for case_id in stale:
                self._jobs.wake(connection, case_id, f"sweep/{window}")
        if stale:
            _log.info("engine.swept", cases=len(stale))

    def prune(self, older_than: timedelta) -> int:
        """Delete one batch of jobs finished more than `older_than` ago; return how many.

        They hold no truth. Call again while it returns the size of a batch.
        """
        with unavailable():
            ids = finished_before(self._client, older_than, self._now(), _BATCH)
            if ids:
                self._client.delete_workflows(ids)
        with self._database.begin() as connection:
            dead_since = self._database.now() - _KEEP_DEAD_NODES.total_seconds()
            connection.execute(
                sa.delete(nodes).where(sa.not_(nodes.c.live), nodes.c.lease_until < dead_since)
            )
        return len(ids)

    def _prune_when_due(self) -> None:
        every, now = self._settings.prune_every, self._now()
        if every <= timedelta() or (self._pruned is not None and now - self._pruned < every):
            return
        if self.prune(self._settings.keep_finished) < _BATCH:
            self._pruned = now

    @contextmanager
    def _alone(self) -> Iterator[bool]:
        """Hold the lock of housekeeping for the block; False when another node has it."""
        if not self._database.is_postgresql:
            yield True
            return
        with self._database.begin() as connection:
            yield bool(connection.scalar(sa.select(sa.func.pg_try_advisory_xact_lock(_LOCK))))
