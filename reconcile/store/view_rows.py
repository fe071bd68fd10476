"""Rows as people are shown them: what the console, the API and the report need and a pass does not.

Called by ``reconcile.showing``, which adds what follows from the facts. Changes nothing.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import sqlalchemy as sa

from reconcile.facts import QuestionKind
from reconcile.store.instants import instant, instant_or_none
from reconcile.store.ledger_schema import records as evidence_records
from reconcile.store.question_rows import WORDS
from reconcile.store.schema import approvals, cases, holds, questions, releases, surveys
from reconcile.views import HoldView, QuestionView, RecordView, SurveyView

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    from reconcile.store.case_file import CaseFile


def case_ids(
    connection: sa.Connection, *, open_only: bool, employment_id: str, before: str, limit: int
) -> tuple[str, ...]:
    """List cases, newest first; ``before`` is the last one already seen."""
    query = sa.select(cases.c.id).order_by(cases.c.opened_at.desc(), cases.c.id.desc())
    if open_only:
        query = query.where(cases.c.open)
    if employment_id:
        query = query.where(cases.c.employment_id == employment_id)
    if before:
        mark = sa.select(cases.c.opened_at, cases.c.id).where(cases.c.id == before)
        row = connection.execute(mark).first()
        if row is not None:
            place = sa.tuple_(cases.c.opened_at, cases.c.id)
            query = query.where(place < sa.tuple_(row.opened_at, row.id))
    return tuple(connection.scalars(query.limit(limit)))


def asked_since(file: CaseFile, seconds: float) -> frozenset[str]:
    """List the questions that were asked later than an instant."""
    query = sa.select(questions.c.id).where(
        questions.c.case_id == file.id, questions.c.asked_at > seconds
    )
    return frozenset(file.connection.scalars(query))


def load_question_views(
    file: CaseFile, options: Callable[[QuestionKind], tuple[str, ...]]
) -> tuple[QuestionView, ...]:
    """Show the questions of a case in the order they were asked, with the answers each takes."""
    query = sa.select(questions).where(questions.c.case_id == file.id)
    return tuple(
        QuestionView(
            id=row["id"],
            kind=row["kind"],
            system=row["system"],
            about=row["about"],
            words=file.unseal(WORDS, row["text_sealed"], "question"),
            asked_at=instant(row["asked_at"]),
            deadline=instant(row["deadline"]),
            options=options(QuestionKind(row["kind"])),
            answer=row["answer"],
            answered_by=row["answered_by"],
            answered_at=instant_or_none(row["answered_at"]),
        )
        for row in file.connection.execute(query.order_by(questions.c.asked_at)).mappings()
    )


def load_hold_views(file: CaseFile, needs: Mapping[str, int]) -> tuple[HoldView, ...]:
    """Show the holds of a case, standing and released; ``needs`` says how many people each kind."""
    released: dict[str, list[str]] = {}
    query = sa.select(releases).where(releases.c.case_id == file.id).order_by(releases.c.at)
    for row in file.connection.execute(query).mappings():
        released.setdefault(row["hold_id"], []).append(row["principal"])
    rows = file.connection.execute(
        sa.select(holds).where(holds.c.case_id == file.id).order_by(holds.c.placed_at)
    ).mappings()
    return tuple(_hold(row, tuple(released.get(row["id"], ())), needs) for row in rows)


def _hold(row: sa.RowMapping, released_by: tuple[str, ...], needs: Mapping[str, int]) -> HoldView:
    return HoldView(
        id=row["id"],
        kind=row["kind"],
        reason=row["reason"],
        bound_to=row["bound_to"],
        placed_by=row["placed_by"],
        placed_at=instant(row["placed_at"]),
        released_by=released_by,
        needs=needs[row["kind"]],
        released=row["released_at"] is not None,
    )


def load_survey_views(file: CaseFile) -> tuple[SurveyView, ...]:
    """Show the newest read of every phase, oldest first."""
    query = sa.select(surveys).where(surveys.c.case_id == file.id).order_by(surveys.c.read_at)
    return tuple(
        SurveyView(
            system=row["system"], phase=row["phase"], read_at=instant(row["read_at"]),
            credential=row["credential"], complete=row["complete"], canary=row["canary"],
            blind=row["blind"], accounts=row["accounts"], holdings=row["holdings"],
            residue=tuple(row["residue"]),
        )
        for row in file.connection.execute(query).mappings()
    )  # fmt: skip


def load_approval_views(file: CaseFile) -> tuple[tuple[str, str, datetime], ...]:
    """Show who approved which stage when."""
    query = sa.select(approvals).where(approvals.c.case_id == file.id).order_by(approvals.c.at)
    rows = file.connection.execute(query).mappings()
    return tuple((row["stage"], row["principal"], instant(row["at"])) for row in rows)


def count_records(file: CaseFile) -> int:
    """Count the evidence records of a case."""
    query = sa.select(sa.func.count()).where(evidence_records.c.case_id == file.id)
    return int(file.connection.scalar(query) or 0)


def load_record_views(file: CaseFile) -> tuple[RecordView, ...]:
    """Show the control parts of the evidence, which hold nothing personal."""
    table = evidence_records
    query = sa.select(table.c.seq, table.c.type, table.c.at, table.c.control)
    rows = file.connection.execute(query.where(table.c.case_id == file.id).order_by(table.c.seq))
    return tuple(
        RecordView(row.seq, row.type, instant(row.at), json.loads(row.control)) for row in rows
    )
