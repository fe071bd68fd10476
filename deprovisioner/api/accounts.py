"""``/v1/accounts``: accounts that wait for a person, and what people say of them.

A rule finds, a person decides: whose an account is and what it is for. The answer of a person is
remembered for the next case of theirs.
"""

from __future__ import annotations

from typing import Annotated, Final

from fastapi import APIRouter, Path, Query
from pydantic import BaseModel, ConfigDict, Field

from deprovisioner.api import problems
from deprovisioner.api.access import Actor, Reader
from deprovisioner.api.cases import CaseId, Here
from deprovisioner.api.problems import documented
from deprovisioner.intake.canonical import LINE
from reconcile.attribution import Word
from reconcile.views import AccountView

_READ: Final = (
    problems.UNAUTHENTICATED,
    problems.FORBIDDEN,
    problems.UNUSABLE,
    problems.UNAVAILABLE,
)
SystemName = Annotated[str, Path(pattern="^[a-z0-9][a-z0-9_.-]{0,62}$")]
NativeId = Annotated[str, Path(min_length=1, max_length=512, pattern=LINE)]
"""A system's own id of an account; there may be slashes in it."""

router = APIRouter(tags=["accounts"])


class Attribution(BaseModel):
    """Whose an account is. ``why`` stands in the sealed part of the evidence."""

    model_config = ConfigDict(extra="forbid")

    answer: Word
    why: Annotated[str, Field(max_length=500, pattern=rf"^$|{LINE}")] = ""


@router.get("/v1/accounts", responses=documented(*_READ))
def list_waiting(
    house: Here, _who: Reader, limit: Annotated[int, Query(ge=1, le=500)] = 100
) -> tuple[AccountView, ...]:
    """Accounts that wait for a person, of all open cases; the likeliest of each case first."""
    return house.desk.accounts()[:limit]


@router.get("/v1/cases/{case_id}/accounts", responses=documented(*_READ, problems.UNKNOWN_CASE))
def list_accounts(house: Here, _who: Reader, case_id: CaseId) -> tuple[AccountView, ...]:
    """Every account that was found for a case, the rejected ones with their reasons."""
    return house.desk.accounts(case_id)


@router.post(
    "/v1/cases/{case_id}/accounts/{system}/{native_id:path}",
    status_code=204,
    responses=documented(
        *_READ,
        problems.UNKNOWN_CASE,
        problems.UNKNOWN_QUESTION,
        problems.NOT_ALLOWED,
        problems.CONFLICT,
        problems.TOO_LARGE,
    ),
)
def attribute(
    house: Here,
    who: Actor,
    case_id: CaseId,
    system: SystemName,
    native_id: NativeId,
    body: Attribution,
) -> None:
    """Say whose an account is; also takes an earlier answer, or a rule's, back."""
    house.desk.attribute(case_id, system, native_id, body.answer, principal=who.name, why=body.why)
