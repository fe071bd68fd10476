"""The states of a case and the legal moves between them. Pure data and two functions.

A pass derives the state from facts (``reconcile.plan``) and asks :func:`check_move` before it
writes. A move that is not in :data:`MOVES` is a defect of ours, never a way out.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final


class CaseState(StrEnum):
    """Where a case stands (DESIGN section 2)."""

    RECEIVED = "received"
    """The event is in; systems are being surveyed for the first time."""
    QUESTIONED = "questioned"
    """Nothing is due, and a person's answer is needed before anything can be."""
    WAITING = "waiting"
    """Planned; the next step has its date."""
    HELD = "held"
    """A brake, a protected identity or a person stopped it; nothing is written anywhere."""
    RUNNING = "running"
    """Something is due or under way, or the closing records wait for their checkpoint."""
    CLOSED = "closed"
    """Every check passed, and the records stand in a published checkpoint. Final."""
    RESCINDED = "rescinded"
    """The termination is off. Final; what was contained is put back only on approval (Law 7)."""


_OPEN: Final = frozenset(
    {
        CaseState.RECEIVED,
        CaseState.QUESTIONED,
        CaseState.WAITING,
        CaseState.HELD,
        CaseState.RUNNING,
    }
)
FINAL: Final = frozenset({CaseState.CLOSED, CaseState.RESCINDED})

MOVES: Final[dict[CaseState, frozenset[CaseState]]] = {
    CaseState.RECEIVED: _OPEN | {CaseState.RESCINDED},
    CaseState.QUESTIONED: _OPEN | {CaseState.RESCINDED},
    CaseState.WAITING: _OPEN | {CaseState.RESCINDED},
    CaseState.HELD: _OPEN | {CaseState.RESCINDED},
    CaseState.RUNNING: _OPEN | FINAL,
    CaseState.CLOSED: frozenset({CaseState.CLOSED}),
    CaseState.RESCINDED: frozenset({CaseState.RESCINDED}),
}
"""Closing is possible only from ``running``; the two final states are never left."""


class IllegalMove(Exception):
    """A pass tried a move that the table does not have."""


def check_move(before: CaseState, after: CaseState) -> None:
    """Raise :class:`IllegalMove` unless the table has the move."""
    if after not in MOVES[before]:
        message = f"a case may not go from {before} to {after}"
        raise IllegalMove(message)
