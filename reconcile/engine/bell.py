"""Wakes the queue pollers of this process the moment there is something for them.

Made by `durable`, rung by `jobs` and by finished jobs. The engine library polls each queue at an
interval; a bell ends the wait early, so an urgent case does not wait for a poll and an idle daemon
need not poll often. A ring that gets lost costs one interval, never a job.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable
from typing import Any, Final

import sqlalchemy as sa

_SETTLE: Final = 0.005
"""Seconds between a ring and the poll: rings of one burst are served together, and a finished job
has left the library's list of running ones."""
_RINGS: Final = "deprovisioner.rings"


class Bell(threading.Event):
    """What the library takes for its stop event: waiting on it ends early when it is rung."""

    def __init__(self) -> None:
        super().__init__()
        self._rung = threading.Event()

    def ring(self) -> None:
        """End the current wait, or the next one."""
        self._rung.set()

    def set(self) -> None:
        """Stop the poller."""
        super().set()
        self._rung.set()

    def wait(self, timeout: float | None = None) -> bool:
        """Wait for a ring, a stop or the timeout; True only for a stop."""
        if self.is_set():
            return True
        if self._rung.wait(timeout):
            super().wait(_SETTLE)
        self._rung.clear()  # before the poll: what was committed until now, the poll will see
        return self.is_set()


class Bells:
    """One bell per queue, rung when a transaction that concerns the queue has ended."""

    def __init__(self, queues: Iterable[str]) -> None:
        self.by_queue: Final = {queue: Bell() for queue in queues}
        self._job = threading.local()

    def attach(self, engine: sa.Engine) -> None:
        """Listen to the pool: a connection comes back right after its transaction has ended."""
        sa.event.listen(engine, "checkin", self._checkin)

    def detach(self, engine: sa.Engine) -> None:
        """Stop listening."""
        sa.event.remove(engine, "checkin", self._checkin)

    def job_begins(self, queue: str | None) -> None:
        """Forget the job that ran on this thread before."""
        self._job.running, self._job.ended = queue, None

    def job_ends(self, queue: str | None) -> None:
        """Ring when the library has written the outcome of this thread's job: a slot is free."""
        self._job.running, self._job.ended = None, queue

    def stop(self) -> None:
        """Stop every poller."""
        for bell in self.by_queue.values():
            bell.set()

    def _checkin(self, _connection: object, record: Any) -> None:  # noqa: ANN401 - pool's record
        rings: set[str] = record.info.pop(_RINGS, None) or set()
        # What a job sends to its own queue at its end waits for the ring of that end: one poll
        # instead of two, and a poll costs as much as the job.
        rings.discard(getattr(self._job, "running", None) or "")
        ended: str | None = getattr(self._job, "ended", None)
        if ended is not None:
            rings.add(ended)
        for queue in rings:
            if (bell := self.by_queue.get(queue)) is not None:
                bell.ring()


def ring_after(connection: sa.Connection, queue: str) -> None:
    """Ring the bell of `queue` once the transaction of `connection` has ended, if there is one."""
    connection.info.setdefault(_RINGS, set()).add(queue)
