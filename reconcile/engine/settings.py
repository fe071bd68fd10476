"""How the engine is set, and the arithmetic that its settings must obey.

Read by the roof, checked when the engine is made: a combination that could let a call outlive its
lease, or a job its timeout, is refused with the numbers in the message.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

BEATS_PER_LEASE: Final = 4
"""Heartbeats in one lease: three may be lost before a node is taken for dead."""
GUARDED: Final = 0.7
"""Share of the lease during which `guard` allows a call, from the start of the last good beat."""
_SYSTEM_NAME: Final = re.compile(r"[a-z0-9][a-z0-9_.-]{0,62}")


class EngineMisconfigured(Exception):
    """Settings that contradict each other. The message says which, and by how much."""


@dataclass(frozen=True)
class SystemLimits:
    """What one outside system bears from all nodes together."""

    concurrency: int = 4
    """Operations at once over all nodes. 4: a directory hardly notices, a person is done in
    seconds."""
    calls_per_second: float | None = None
    """The system's own request limit; None where it names none. Job starts are not calls, so the
    bound is kept by pacing each operation: see `pace`."""

    @property
    def pace(self) -> timedelta:
        """Return the least time between two calls of one operation (limit / concurrency each)."""
        if self.calls_per_second is None:
            return timedelta()
        return timedelta(seconds=self.concurrency / self.calls_per_second)


@dataclass(frozen=True)
class EngineSettings:
    """Times and sizes of the durable engine. The defaults are safe together."""

    lease: timedelta = timedelta(seconds=60)
    """How long a silent node counts as living. Shorter moves a dead node's work sooner, longer
    forgives a slower database. One minute: a crash costs about 76 s, an outage of 40 s nothing."""
    call_timeout: timedelta = timedelta(seconds=15)
    """Hard bound of one guarded connector call with its retries of seconds. Less than 0.3 lease,
    so that no call outlives the lease it was guarded by."""
    operation_budget: timedelta = timedelta(minutes=4)
    """Time after which an operation takes no new holding and asks for a fresh try. A job that
    overruns its timeout cannot be stopped and runs twice; only this prevents it."""
    record_room: timedelta = timedelta(seconds=60)
    """How long the database may be away between the last call of an operation and its record
    without the operation being taken for lost. One minute covers a restart of the server."""
    operation_timeout: timedelta = timedelta(minutes=10)
    """When a running operation counts as lost, from its start. More than the budget, one call and
    the record together; twice that is room for slow reads before the first call."""
    pass_timeout: timedelta = timedelta(minutes=2)
    """When a running pass of a case counts as lost. A pass is one short transaction; a stranded
    one blocks its case for this long."""
    poll: timedelta = timedelta(seconds=1)
    """How often each queue is looked at when nobody rang. Work of this node rings, so this only
    delays timers, other processes' work and recovery. Polling costs queues x nodes."""
    passes_at_once: int = 4
    """Cases looked at at the same time by one node. Passes wait for the database, not for each
    other; more than this only queues there."""
    sweep_after: timedelta = timedelta(seconds=60)
    """An open case untouched for this long is woken: the net under every lost job."""
    keep_finished: timedelta = timedelta(days=3)
    """How long finished jobs stay for the curious. They hold no truth; about 16 KB a case."""
    prune_every: timedelta = timedelta(minutes=10)
    """How often finished jobs past `keep_finished` are deleted. Zero or less never."""

    @property
    def beat(self) -> timedelta:
        """Return the time between two heartbeats."""
        return self.lease / BEATS_PER_LEASE

    @property
    def noticed_within(self) -> timedelta:
        """Return the longest time until a dead node's work is moved, with another node steady."""
        return self.lease + self.beat + self.poll


def check(settings: EngineSettings, systems: Mapping[str, SystemLimits]) -> None:
    """Raise `EngineMisconfigured` unless the settings keep every rule of the arithmetic."""
    for name in ("lease", "call_timeout", "operation_budget", "poll", "sweep_after"):
        _require(getattr(settings, name) > timedelta(), f"{name} must be more than zero")
    _require(settings.passes_at_once >= 1, "passes_at_once must be at least 1")
    margin = settings.lease * (1 - GUARDED)
    _require(
        settings.call_timeout < margin,
        f"call_timeout ({settings.call_timeout}) must be less than 0.3 of the lease ({margin}), "
        "or a call could outlive the lease it was guarded by",
    )
    needed = settings.operation_budget + settings.call_timeout + settings.record_room
    _require(
        settings.operation_timeout > needed,
        f"operation_timeout ({settings.operation_timeout}) must be more than operation_budget, "
        f"call_timeout and record_room together ({needed}), or an operation could run twice",
    )
    _require(
        settings.pass_timeout > settings.beat,
        f"pass_timeout ({settings.pass_timeout}) must be more than a heartbeat ({settings.beat})",
    )
    _require(
        settings.poll <= settings.beat,
        f"poll ({settings.poll}) must not be longer than a heartbeat ({settings.beat})",
    )
    for system, limits in systems.items():
        _require(
            _SYSTEM_NAME.fullmatch(system) is not None,
            f"{system!r} cannot be the name of a system: use a-z, 0-9 and ._- , 63 at most",
        )
        _require(limits.concurrency >= 1, f"concurrency of {system} must be at least 1")
        _require(
            limits.calls_per_second is None or limits.calls_per_second > 0,
            f"calls_per_second of {system} must be more than zero",
        )


def _require(kept: bool, otherwise: str) -> None:  # noqa: FBT001 - reads as a sentence
    if not kept:
        raise EngineMisconfigured(otherwise)
