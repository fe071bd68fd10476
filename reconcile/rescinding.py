"""Rescission: a case stops at once; after containment an undo is offered, never done silently.

Called by the desk (an event says so) and by the HR re-read (HR says so). Law 7.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from reconcile.case import CaseState
from reconcile.store.question_rows import answer, load_questions

if TYPE_CHECKING:
    from reconcile.store.case_file import CaseFile


MOOT: Final = "moot"
"""The answer of a question that a rescission has made pointless."""


def rescind(file: CaseFile, why: str) -> bool:
    """Stop the case; False when it was stopped before. No write follows but an approved restore.

    A closed case stays closed: its rescission is written beside it and opens an undo. One that is
    just closing is let close first; the pass then finds the rescission.
    """
    if file.row["rescinded_at"] is not None:
        return False
    contained = file.row["contained_at"] is not None
    file.update(rescinded_at=file.now.timestamp())
    closed = file.state is CaseState.CLOSED
    file.record("case.rescinded", {"contained": contained, "closed": closed, "why": why})
    for question in load_questions(file):
        if not question.answer:
            answer(file, question.id, MOOT, "rescission")
    if file.row["closing_at"] is None:
        file.move(CaseState.RESCINDED, why)
    return True
