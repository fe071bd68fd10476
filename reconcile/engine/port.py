"""What the rest of reconcile sees of the durable engine: two small abilities and a deadline.

`Jobs` puts work in motion inside the caller's own transaction; `Lease` says whether this process
may still touch the outside world. Nothing here names a library: another engine fits behind it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Protocol, Self

import sqlalchemy as sa

RECONCILE_CASE: Final = "reconcile_case"
RUN_OPERATION: Final = "run_operation"
"""The two durable jobs, with one string argument each. Their names and arguments never change:
rows written by an old release are run by a new one. All evolution is rows, migrations and wakes."""


class LeaseLost(Exception):
    """This process may no longer act: another one may already do its work. Start nothing more."""


class Jobs(Protocol):
    """Puts durable jobs in motion. Both calls are no-ops for a job that is already known.

    They write through the caller's connection: the job exists exactly if the transaction commits
    (Law 8). A job runs at least once, never twice at the same time for one case (`wake`) or one
    key (`send_operation`) while its node lives, and may run again after a crash (Law 6).
    """

    def wake(
        self, connection: sa.Connection, case_id: str, reason: str, at: datetime | None = None
    ) -> None:
        """Have the case looked at, now or at an instant.

        `reason` names the fact ("opened", "after/3/0", "approved/4", "at/1767225600"), never a
        random value: the same reason twice is one wake, and a reason that has been served does
        nothing. A wake too many is harmless.
        """

    def send_operation(
        self, connection: sa.Connection, key: str, system: str, *, urgent: bool = False
    ) -> None:
        """Have one try of one operation run; `key` is `<case>/<seq>/<try>`.

        `urgent` goes before everything else that waits for the system (containment: Law 3).
        """

    def lost_operations(self, keys: Collection[str]) -> frozenset[str]:
        """Return those keys whose job ended without running to its end.

        It timed out, its handler raised, or the engine gave it up. Such a key never runs again:
        the caller counts the try and sends the next one.
        """


class Lease(Protocol):
    """The right of this process to act on the outside world."""

    def guard(self) -> None:
        """Raise `LeaseLost` unless the lease is surely ours. Before EVERY connector call."""

    def deadline(self) -> Deadline:
        """Return the deadline of an operation that starts now: past it, take no new holding."""


def boottime() -> float:
    """Return seconds since boot, time asleep included: a suspended host must lose its lease.

    CLOCK_MONOTONIC stands still during suspend, CLOCK_BOOTTIME does not (clock_gettime(2)).
    """
    return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))


@dataclass(frozen=True)
class Deadline:
    """An instant on the boot clock by which an operation stops cleanly and asks for a fresh try."""

    at: float
    clock: Callable[[], float] = boottime

    @classmethod
    def after(cls, budget: timedelta, clock: Callable[[], float] = boottime) -> Self:
        """Return the deadline `budget` from now."""
        return cls(clock() + budget.total_seconds(), clock)

    @property
    def passed(self) -> bool:
        """Say whether the budget is spent."""
        return self.clock() >= self.at

    @property
    def remaining(self) -> timedelta:
        """Return what is left of the budget, never less than nothing."""
        return timedelta(seconds=max(0.0, self.at - self.clock()))
