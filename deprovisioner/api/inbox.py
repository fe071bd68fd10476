"""``/v1/inbox``: the deliveries that came in, above all those that could not be used.

A refused delivery is no case, so nothing else shows it. Its body names a person: only who may work
on cases sees it, when they ask for it, and the log says that they did.
"""

from __future__ import annotations

from typing import Annotated, Final

import structlog
from fastapi import APIRouter, Query
from pydantic import BaseModel

from deprovisioner.api import problems
from deprovisioner.api.access import Permission, Reader, authorise
from deprovisioner.api.cases import Here, PartId
from deprovisioner.api.problems import documented
from reconcile.store.inbox_rows import Delivery, Taken

_READ: Final = (
    problems.UNAUTHENTICATED,
    problems.FORBIDDEN,
    problems.UNUSABLE,
    problems.UNAVAILABLE,
)
_log = structlog.get_logger(__name__)

router = APIRouter(tags=["inbox"])


class Shown(BaseModel):
    """A delivery; ``raw`` is its body as text, null unless it was asked for."""

    delivery: Delivery
    raw: str | None = None


@router.get("/v1/inbox", responses=documented(*_READ))
def list_inbox(
    house: Here,
    _who: Reader,
    state: Taken | None = None,
    limit: Annotated[int, Query(ge=1, le=500)] = 100,
) -> tuple[Delivery, ...]:
    """Deliveries, newest first, without their bodies; ``state=rejected``: those not usable."""
    return house.desk.deliveries(state, limit)


@router.get(
    "/v1/inbox/{event_id:path}",
    responses=documented(*_READ, problems.UNKNOWN_QUESTION, problems.NOT_ALLOWED),
)
def show_delivery(house: Here, who: Reader, event_id: PartId, *, raw: bool = False) -> Shown:
    """One delivery; with ``raw=1`` its body too, for those who may work on cases."""
    found = house.desk.delivery(event_id)
    if not raw:
        return Shown(delivery=found)
    authorise(who, Permission.ACT)
    content = house.desk.delivery_body(event_id)
    _log.info("intake.body_shown", event_id=event_id, by=who.name)
    return Shown(delivery=found, raw=content.decode("utf-8", "backslashreplace"))
