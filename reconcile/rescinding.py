"""Rescission: a case stops at once; after containment an undo is offered, never done silently.

Called by the desk (an event says so) and by the HR re-read (HR says so). Law 7.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from reconcile.case import FINAL, CaseState

if TYPE_CHECKING:
    from reconcile.store.case_file import CaseFile


def rescind(file: CaseFile, why: str) -> bool:
    """Stop the case; False when it was final already. No write follows but an approved restore."""
    if file.state in FINAL or file.row["closing_at"] is not None:
        return False
    file.update(rescinded_at=file.now.timestamp())
    file.record("case.rescinded", {"contained": file.row["contained_at"] is not None, "why": why})
    file.move(CaseState.RESCINDED, why)
    return True
