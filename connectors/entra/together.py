"""Reads that belong together: they go out side by side, and end together when one cannot go on.

Called by the session layer. Without it a Graph that hangs would be waited for once for each
request of a survey. A refusal of one part (403, 404) ends nothing; the rest may still be read.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import ContextVar, copy_context
from dataclasses import dataclass
from typing import Final, TypeVar

from connectors.faults import Fault, Malformed, Transient, Unauthorised

Given = TypeVar("Given")
Found = TypeVar("Found")


@dataclass(slots=True)
class _Scope:
    """What the reads of one call share: the fault that ended it."""

    ended_by: Fault | None = None


_SCOPE: Final[ContextVar[_Scope | None]] = ContextVar("entra_reads", default=None)


def side_by_side(
    workers: ThreadPoolExecutor, work: Callable[[Given], Found], items: Sequence[Given]
) -> list[Found]:
    """Do the same with each, at once, within the caller's scope. Raises the first exception."""
    futures = [workers.submit(copy_context().run, work, item) for item in items]
    return [future.result() for future in futures]


def together(workers: ThreadPoolExecutor, reads: Sequence[Callable[[], Found]]) -> list[Found]:
    """Run reads in a scope of their own. Raises the fault that ended it, else the first."""
    scope = _Scope()
    context = copy_context()
    context.run(_SCOPE.set, scope)
    futures = [workers.submit(context.copy().run, read) for read in reads]
    faults = [future.exception() for future in futures]
    first = scope.ended_by or next((fault for fault in faults if fault), None)
    if first is not None:
        raise first
    return [future.result() for future in futures]


@contextmanager
def asking() -> Iterator[None]:
    """Surround one request: not asked when its scope has ended; a fault of it may end the scope."""
    scope = _SCOPE.get()
    if scope is not None and scope.ended_by is not None:
        raise Transient("not asked: another request of this read failed", code="graph:unasked")
    try:
        yield
    except (Transient, Malformed, Unauthorised) as fault:
        ours_alone = isinstance(fault, Unauthorised) and not fault.code.startswith("graph:401")
        if scope is not None and not ours_alone:
            scope.ended_by = scope.ended_by or fault
        raise
