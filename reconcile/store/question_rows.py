"""Rows of what people decide: questions, holds, releases, approvals, and the answer of HR."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Final

import sqlalchemy as sa
from pydantic import TypeAdapter

from connectors.contract import Stage
from reconcile.facts import HoldFacts, HrFacts, QuestionFacts, QuestionKind
from reconcile.store.instants import epoch, instant
from reconcile.store.schema import approvals, holds, questions, readings, releases

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from reconcile.store.case_file import CaseFile

WORDS: Final = TypeAdapter(str)


# Built once: see operation_rows.
_QUESTIONS: Final = (
    sa.select(questions)
    .where(questions.c.case_id == sa.bindparam("this"))
    .order_by(questions.c.asked_at)
)
_HOLDS: Final = (
    sa.select(holds.c.id, holds.c.kind, holds.c.reason)
    .where(holds.c.case_id == sa.bindparam("this"), holds.c.released_at.is_(None))
    .order_by(holds.c.placed_at)
)
_APPROVALS: Final = sa.select(approvals.c.stage, approvals.c.bound_to).where(
    approvals.c.case_id == sa.bindparam("this")
)
_READING: Final = sa.select(readings.c.outcome, readings.c.read_at).where(
    readings.c.case_id == sa.bindparam("this")
)
_OVERDUE: Final = sa.select(questions.c.id).where(
    questions.c.case_id == sa.bindparam("this"),
    questions.c.answer == "",
    questions.c.deadline <= sa.bindparam("now"),
    questions.c.escalated_at.is_(None),
)


def ask(
    file: CaseFile,
    question_id: str,
    kind: QuestionKind,
    system: str,
    about: str,
    words: str,
    deadline: datetime,
) -> None:
    """Ask a question once; asking it again changes nothing. Recorded in evidence."""
    query = sa.select(questions.c.id).where(
        questions.c.case_id == file.id, questions.c.id == question_id
    )
    if file.connection.scalar(query) is not None:
        return
    file.connection.execute(
        sa.insert(questions).values(
            case_id=file.id, id=question_id, kind=kind.value, system=system, about=about,
            text_sealed=file.seal(WORDS, words, "question"), asked_at=epoch(file.now),
            deadline=epoch(deadline), answer="", answered_by="",
        )
    )  # fmt: skip
    file.record("question.asked", {"kind": kind.value, "system": system}, {"question": question_id})


def answer(file: CaseFile, question_id: str, said: str, principal: str) -> None:
    """Write an answer; the caller has checked that it is allowed."""
    file.connection.execute(
        sa.update(questions)
        .where(questions.c.case_id == file.id, questions.c.id == question_id)
        .values(answer=said, answered_by=principal, answered_at=epoch(file.now))
    )


def ask_again(file: CaseFile, question_id: str, why: str) -> None:
    """Take an answer back because what it was about has changed; recorded when there was one.

    It is asked anew: people get as long for it as the first time, and then it is escalated again.
    """
    this = sa.and_(questions.c.case_id == file.id, questions.c.id == question_id)
    query = sa.select(questions.c.answer, questions.c.asked_at, questions.c.deadline).where(this)
    row = file.connection.execute(query).first()
    if row is None or not row.answer:
        return
    now = epoch(file.now)
    file.connection.execute(
        sa.update(questions)
        .where(this)
        .values(
            answer="", answered_by="", answered_at=None, escalated_at=None,
            asked_at=now, deadline=now + row.deadline - row.asked_at,
        )
    )  # fmt: skip
    file.record("question.reopened", {"why": why}, {"question": question_id})


def load_questions(file: CaseFile) -> tuple[QuestionFacts, ...]:
    """Read the questions of a case, oldest first."""
    found = file.connection.execute(_QUESTIONS, {"this": file.id})
    return tuple(
        QuestionFacts(
            id=row["id"],
            kind=QuestionKind(row["kind"]),
            system=row["system"],
            about=row["about"],
            deadline=instant(row["deadline"]),
            answer=row["answer"],
            answered_by=row["answered_by"],
        )
        for row in found.mappings()
    )


def overdue(file: CaseFile) -> tuple[str, ...]:
    """Mark open questions whose deadline has passed as escalated; returns the new ones."""
    late = tuple(file.connection.scalars(_OVERDUE, {"this": file.id, "now": epoch(file.now)}))
    for question_id in late:
        file.connection.execute(
            sa.update(questions)
            .where(questions.c.case_id == file.id, questions.c.id == question_id)
            .values(escalated_at=epoch(file.now))
        )
    return late


def place_hold(
    file: CaseFile, hold_id: str, kind: str, reason: str, bound_to: str, placed_by: str
) -> None:
    """Stop every write of the case until released.

    Placing a hold that stands already changes nothing. One that was released and has its cause
    again is a new hold, with a number: what people released was the former one.
    """
    query = sa.select(holds.c.id, holds.c.released_at).where(
        holds.c.case_id == file.id,
        sa.or_(holds.c.id == hold_id, holds.c.id.startswith(f"{hold_id}#", autoescape=True)),
    )
    former = file.connection.execute(query).all()
    if any(row.released_at is None for row in former):
        return
    file.connection.execute(
        sa.insert(holds).values(
            case_id=file.id, id=f"{hold_id}#{len(former) + 1}" if former else hold_id,
            kind=kind, reason=reason, bound_to=bound_to, placed_by=placed_by,
            placed_at=epoch(file.now),
        )
    )  # fmt: skip
    file.record("hold.placed", {"kind": kind, "bound_to": bound_to}, {"by": placed_by})


def was_released(file: CaseFile, hold_id: str) -> bool:
    """Say whether people have looked at this cause before and let the case go on."""
    query = sa.select(holds.c.id).where(
        holds.c.case_id == file.id, holds.c.id == hold_id, holds.c.released_at.is_not(None)
    )
    return file.connection.scalar(query) is not None


def add_release(file: CaseFile, hold_id: str, principal: str, bound_to: str) -> frozenset[str]:
    """Write who released a hold, seeing which plan; returns all who have for this plan."""
    mine = sa.and_(releases.c.case_id == file.id, releases.c.hold_id == hold_id)
    file.connection.execute(sa.delete(releases).where(mine, releases.c.principal == principal))
    file.connection.execute(
        sa.insert(releases).values(
            case_id=file.id, hold_id=hold_id, principal=principal, bound_to=bound_to,
            at=epoch(file.now),
        )
    )  # fmt: skip
    query = sa.select(releases.c.principal).where(mine, releases.c.bound_to == bound_to)
    return frozenset(file.connection.scalars(query))


def end_hold(file: CaseFile, hold_id: str) -> None:
    """Lift a hold; the caller has counted the releases."""
    file.connection.execute(
        sa.update(holds)
        .where(holds.c.case_id == file.id, holds.c.id == hold_id)
        .values(released_at=epoch(file.now))
    )


def load_holds(file: CaseFile) -> tuple[HoldFacts, ...]:
    """Read the holds that still stand."""
    found = file.connection.execute(_HOLDS, {"this": file.id})
    return tuple(HoldFacts(*row) for row in found)


def approve(file: CaseFile, stage: Stage, principal: str, bound_to: str) -> None:
    """Write one approval; the same person's later approval replaces the earlier one."""
    where = sa.and_(
        approvals.c.case_id == file.id,
        approvals.c.stage == stage.value,
        approvals.c.principal == principal,
    )
    file.connection.execute(sa.delete(approvals).where(where))
    file.connection.execute(
        sa.insert(approvals).values(
            case_id=file.id, stage=stage.value, principal=principal, bound_to=bound_to,
            at=epoch(file.now),
        )
    )  # fmt: skip


def load_approvals(file: CaseFile, plan: Callable[[], str]) -> dict[Stage, int]:
    """Count approvals by stage that were given for exactly that plan.

    ``plan`` hashes it, and is only asked when there is an approval at all.
    """
    given = file.connection.execute(_APPROVALS, {"this": file.id}).all()
    wanted = plan() if given else ""
    return dict(Counter(Stage(stage) for stage, bound_to in given if bound_to == wanted))


def store_reading(file: CaseFile, outcome: str, source: str, read_at: datetime) -> None:
    """Keep the newest answer of HR (Law 7)."""
    file.connection.execute(sa.delete(readings).where(readings.c.case_id == file.id))
    file.connection.execute(
        sa.insert(readings).values(
            case_id=file.id, read_at=epoch(read_at), outcome=outcome, source=source
        )
    )


def load_reading(file: CaseFile) -> HrFacts | None:
    """Read the newest answer of HR."""
    row = file.connection.execute(_READING, {"this": file.id}).first()
    return HrFacts(row.outcome, instant(row.read_at)) if row else None
