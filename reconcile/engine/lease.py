"""The lease of this process: a row in `nodes`, a heartbeat that renews it, a guard that reads it.

Run by `durable`; asked by every operation before every call. It decides only about this process.
Who is dead and what becomes of their work is decided in `housekeeping`.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Final, NoReturn

import sqlalchemy as sa
import structlog

from reconcile.engine.port import Deadline, LeaseLost, boottime
from reconcile.engine.settings import GUARDED, EngineSettings
from reconcile.store.database import Database
from reconcile.store.errors import DatabaseUnavailable
from reconcile.store.nodes import nodes

EVICTED: Final = 70
"""Exit code of a process whose work was given to others (EX_SOFTWARE of sysexits(3)); a
supervisor starts it again, under a new id."""

_log = structlog.get_logger(__name__)


def leave() -> NoReturn:
    """End the process at once, running nothing more: someone else already does our work."""
    os._exit(EVICTED)


class NodeLease:
    """The lease of one process start. `join` first, then a thread in `beat_until`."""

    def __init__(
        self,
        database: Database,
        settings: EngineSettings,
        node: str,
        *,
        clock: Callable[[], float] = boottime,
        evicted: Callable[[], NoReturn] = leave,
    ) -> None:
        self.node: Final = node
        self._database = database
        self._seconds = settings.lease.total_seconds()
        self._beat = settings.beat.total_seconds()
        self._budget = settings.operation_budget
        self._clock = clock
        self._evicted = evicted
        self._stopped = threading.Event()
        self._fresh = float("-inf")
        self._steady_since = float("inf")

    def join(self) -> None:
        """Write our row. On SQLite all other nodes are dead: we hold the file."""
        begun = self._clock()
        now = self._database.now()
        with self._database.begin() as connection:
            if not self._database.is_postgresql:
                connection.execute(sa.update(nodes).where(nodes.c.live).values(live=False))
            connection.execute(
                sa.insert(nodes).values(
                    id=self.node, started_at=now, lease_until=now + self._seconds, live=True
                )
            )
        self._fresh = self._steady_since = begun

    def guard(self) -> None:
        """Raise `LeaseLost` unless our last good beat began less than 0.7 lease ago."""
        if self._stopped.is_set() or self._clock() - self._fresh > self._seconds * GUARDED:
            raise LeaseLost("the lease is not fresh")

    def deadline(self) -> Deadline:
        """Return the deadline of an operation that starts now."""
        return Deadline.after(self._budget, self._clock)

    @property
    def steady(self) -> bool:
        """Say whether we may judge others.

        Only after our own beats went through for one whole lease, without a failure or a gap:
        else the first node back after an outage or a suspend would evict all the others. On
        SQLite there are no others: the file lock proves it.
        """
        if not self._database.is_postgresql:
            return True
        gap = self._clock() - self._fresh > self._seconds
        return not gap and self._fresh - self._steady_since > self._seconds

    def beat_until(self, stop: threading.Event) -> None:
        """Renew the lease every quarter of it; ends the process when it was given away."""
        while not stop.wait(self._beat):
            self.beat()

    def beat(self) -> None:
        """Renew the lease once. The lease counts from before the renewal, never from after."""
        begun = self._clock()
        try:
            with self._database.begin() as connection:
                kept = connection.execute(
                    sa.update(nodes)
                    .where(nodes.c.id == self.node, nodes.c.live)
                    .values(lease_until=self._database.now() + self._seconds)
                ).rowcount
        except DatabaseUnavailable:
            self._steady_since = self._clock()
            _log.warning("engine.lease.beat_failed", node=self.node)
            return
        if kept != 1:
            _log.critical("engine.lease.evicted", node=self.node)
            self._evicted()
        if begun - self._fresh > self._seconds:  # we were asleep: the others may have been, too
            self._steady_since = begun
        self._fresh = begun

    def refuse(self) -> None:
        """Let `guard` refuse every call from now on; the row stays until `resign` or its end."""
        self._stopped.set()

    def resign(self) -> None:
        """Give the lease back, so that others need not wait for it. Only with nothing running."""
        self.refuse()
        with self._database.begin() as connection:
            connection.execute(sa.update(nodes).where(nodes.c.id == self.node).values(live=False))

    @property
    def remaining(self) -> timedelta:
        """Return how long `guard` will still allow calls without another beat."""
        left = self._fresh + self._seconds * GUARDED - self._clock()
        return timedelta(seconds=max(0.0, left))
