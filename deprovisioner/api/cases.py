"""``/v1/cases``: what people and programs read of a case, and what they may do about it.

Every answer is the desk's view, every command the desk's command; who may call it is declared in
the signature. Endpoints are plain functions: they run on threads, because all below is synchronous.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path as FilePath
from typing import Annotated, BinaryIO, Final

from fastapi import APIRouter, Depends, Path, Query, Request
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, ConfigDict, Field

from connectors.contract import Stage
from deprovisioner.api import problems
from deprovisioner.api.access import Actor, Decider, Reader
from deprovisioner.api.problems import documented
from deprovisioner.intake.canonical import LINE, PersonData, person_of
from deprovisioner.wiring import House
from reconcile.views import CaseSummary, CaseView, Preview, RecordView

_CHUNK: Final = 64 * 1024
_READ: Final = (
    problems.UNAUTHENTICATED,
    problems.FORBIDDEN,
    problems.UNUSABLE,
    problems.UNAVAILABLE,
)
_ONE: Final = (*_READ, problems.UNKNOWN_CASE)
_WRITE: Final = (
    *_ONE,
    problems.UNKNOWN_QUESTION,
    problems.NOT_ALLOWED,
    problems.CONFLICT,
    problems.TOO_LARGE,
)

router = APIRouter(tags=["cases"])


def _house(request: Request) -> House:
    house: House = request.app.state.house
    return house


Here = Annotated[House, Depends(_house)]
ID: Final = r"^[A-Za-z0-9._-]{1,64}$"
CaseId = Annotated[str, Path(pattern=ID, description="The id of a case.")]
PartId = Annotated[str, Path(min_length=1, max_length=512, pattern=LINE)]
"""The id of a question or a hold; connectors' native ids may be part of it, slashes too."""
Words = Annotated[str, Field(min_length=1, max_length=500, pattern=LINE)]


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid")


class CaseList(BaseModel):
    """One page of cases, newest first. ``next`` continues it; null at the end."""

    cases: tuple[CaseSummary, ...]
    next: str | None


class Answer(_Body):
    """An answer to a question, or ``done`` for a duty."""

    answer: Words


class NewHold(_Body):
    """Why everything about this case must stop."""

    reason: Words


class Held(BaseModel):
    """The hold that was placed."""

    hold_id: str


class Release(_Body):
    """``bound_to`` repeats the plan's hash as seen: nobody releases what they did not see."""

    bound_to: Annotated[str, Field(max_length=128, pattern=LINE)]


class Approval(_Body):
    """Approves one stage for exactly the plan that was seen."""

    stage: Stage
    bound_to: Annotated[str, Field(min_length=1, max_length=128, pattern=LINE)]


@router.get("/v1/cases", responses=documented(*_READ))
def list_cases(
    house: Here,
    _who: Reader,
    *,
    open_only: bool = False,
    employment_id: Annotated[str, Query(max_length=256, pattern=LINE)] = "",
    limit: Annotated[int, Query(ge=1, le=500)] = 100,
    before: Annotated[str, Query(pattern="^[A-Za-z0-9._-]{0,64}$")] = "",
) -> CaseList:
    """List cases, newest first; all of one employment when ``employment_id`` is given."""
    if employment_id:
        return CaseList(cases=house.desk.find(employment_id), next=None)
    found = house.desk.cases(open_only=open_only, limit=limit, before=before)
    return CaseList(cases=found, next=found[-1].id if len(found) == limit else None)


@router.get("/v1/cases/{case_id}", responses=documented(*_ONE))
def show_case(house: Here, _who: Reader, case_id: CaseId) -> CaseView:
    """Everything about a case."""
    return house.desk.case(case_id)


@router.get("/v1/cases/{case_id}/records", responses=documented(*_ONE))
def list_records(house: Here, _who: Reader, case_id: CaseId) -> tuple[RecordView, ...]:
    """The evidence records of a case, without anything about the person."""
    return house.desk.records(case_id)


@router.get(
    "/v1/cases/{case_id}/bundle",
    response_class=StreamingResponse,
    responses=documented(*_ONE, problems.CONFLICT)
    | {200: {"content": {"application/zip": {}}, "description": "The bundle, a zip file."}},
)
def download_bundle(house: Here, _who: Reader, case_id: CaseId) -> StreamingResponse:
    """The evidence bundle, which an auditor verifies offline."""
    with tempfile.TemporaryDirectory(prefix="bundle-", dir=house.settings.data_directory) as folder:
        path = FilePath(folder) / "bundle.zip"
        house.desk.export_bundle(case_id, path)
        file = path.open("rb")  # outlives its name, so that a lost client leaves nothing behind
    headers = {
        "Content-Length": str(os.fstat(file.fileno()).st_size),
        "Content-Disposition": 'attachment; filename="bundle.zip"',
    }
    return StreamingResponse(_chunks(file), media_type="application/zip", headers=headers)


def _chunks(file: BinaryIO) -> Iterator[bytes]:
    with file:
        while chunk := file.read(_CHUNK):
            yield chunk


@router.post(
    "/v1/cases/{case_id}/questions/{question_id:path}",
    status_code=204,
    responses=documented(*_WRITE),
)
def answer_question(
    house: Here, who: Actor, case_id: CaseId, question_id: PartId, body: Answer
) -> None:
    """Answer a question, or confirm that a duty was done."""
    house.desk.answer(case_id, question_id, body.answer, principal=who.name)


@router.post("/v1/cases/{case_id}/holds", status_code=201, responses=documented(*_WRITE))
def place_hold(house: Here, who: Actor, case_id: CaseId, body: NewHold) -> Held:
    """Stop every write for this case until somebody releases it."""
    return Held(hold_id=house.desk.hold(case_id, body.reason, principal=who.name))


@router.post(
    "/v1/cases/{case_id}/holds/{hold_id:path}/release",
    status_code=204,
    responses=documented(*_WRITE, problems.STALE),
)
def release_hold(
    house: Here, who: Decider, case_id: CaseId, hold_id: PartId, body: Release
) -> None:
    """Release a hold; a tripped brake needs two different people (Law 5)."""
    house.desk.release(case_id, hold_id, body.bound_to, principal=who.name)


@router.post(
    "/v1/cases/{case_id}/approvals",
    status_code=204,
    responses=documented(*_WRITE, problems.STALE),
)
def approve_stage(house: Here, who: Decider, case_id: CaseId, body: Approval) -> None:
    """Approve a stage for exactly the plan that was looked at."""
    house.desk.approve(case_id, body.stage, body.bound_to, principal=who.name)


@router.post(
    "/v1/cases/{case_id}/operations/{seq}/retry", status_code=204, responses=documented(*_WRITE)
)
def retry_operation(
    house: Here, who: Actor, case_id: CaseId, seq: Annotated[int, Path(ge=0, le=2**31 - 1)]
) -> None:
    """Run an operation again that gave up or waits."""
    house.desk.retry(case_id, seq, principal=who.name)


@router.post(
    "/v1/plan",
    tags=["plan"],
    responses=documented(*_READ, problems.TOO_LARGE, problems.NOT_ALLOWED, problems.OUTSIDE),
)
def preview_plan(house: Here, _who: Actor, body: PersonData) -> Preview:
    """Survey every system now and say what would happen. Nothing is stored, nothing is written."""
    person = person_of(body)
    return house.desk.preview(person.subject, person)
