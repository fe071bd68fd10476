"""Decides what became of a change to one holding, from what a call answered and a re-read showed.

Pure, called by the writing loop. The words it chooses are those of the evidence: done or found so,
by us or not by us (Law 1, Law 6).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from connectors.contract import Outcome
from reconcile.facts import SETTLED, EffectState
from reconcile.store.operation_rows import EffectRow

if TYPE_CHECKING:
    from connectors.contract import Effect

AFTER_CRASH = "ours: seen at the re-read after a crash"
LATER = "ours: took effect later"
NOT_BY_US = "not by us"
ANSWERED_ALREADY = f"answered {Outcome.ALREADY}"
ANSWERED_OURS = frozenset({f"answered {Outcome.DONE}", f"answered {Outcome.PENDING}"})
"""What a call must have answered for a change that a re-read shows to be ours."""


def answered(effect: Effect) -> EffectRow:
    """Say what an answer alone is worth: only the re-read makes a change done."""
    state = {
        Outcome.DONE: EffectState.CALLING,
        Outcome.ALREADY: EffectState.CALLING,
        Outcome.PENDING: EffectState.PENDING,
        Outcome.REFUSED: EffectState.REFUSED,
    }[effect.outcome]
    return EffectRow(
        effect.holding_key,
        state,
        how=f"answered {effect.outcome}",
        why=effect.why,
        lost=effect.lost,
        pending_until=effect.pending_until,
    )


def left_by_crash(row: EffectRow, reached: bool) -> EffectRow | None:  # noqa: FBT001 - a fact
    """Decide about what an earlier run left half done, from the re-read."""
    if row.state in SETTLED:
        return None if reached else EffectRow(row.key, EffectState.OPEN, why="it came back")
    if not reached:
        return None
    if row.state is EffectState.CALLING and row.how != ANSWERED_ALREADY:
        return EffectRow(row.key, EffectState.DONE, how=AFTER_CRASH, lost=row.lost)
    if row.how in ANSWERED_OURS:  # it was answered, and took effect later
        return EffectRow(row.key, EffectState.DONE, how=LATER, lost=row.lost)
    return EffectRow(row.key, EffectState.ALREADY, how=NOT_BY_US)


def decided(row: EffectRow, *, reached: bool) -> EffectRow:
    """Decide about a change of this run, from the closing re-read."""
    if not reached:
        if row.state in {EffectState.PENDING, EffectState.REFUSED}:
            return row
        why = row.why or ("answered, and still there" if row.how else "still there")
        return EffectRow(row.key, EffectState.OPEN, how=row.how, why=why, lost=row.lost)
    if row.how in ANSWERED_OURS:
        return EffectRow(row.key, EffectState.DONE, how="ours", lost=row.lost)
    return EffectRow(row.key, EffectState.ALREADY, how=NOT_BY_US, lost=row.lost)
