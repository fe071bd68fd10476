"""``POST /v1/terminations``: the one door through which a leave comes in.

Verify on the raw bytes, store the raw bytes, answer 202, work: in this order. A 2xx means "stored
durably" and nothing else. Whoever has no webhook secret (the command line, a person) shows a
bearer token instead of a signature and is otherwise treated alike.
"""

from __future__ import annotations

from typing import Any, Final

import structlog
from fastapi import APIRouter, Request
from fastapi.concurrency import run_in_threadpool
from pydantic import BaseModel

from deprovisioner.api import problems
from deprovisioner.api.access import Permission, authenticate, authorise
from deprovisioner.api.problems import ProblemError, documented
from deprovisioner.intake import canonical, signature
from deprovisioner.intake.refusals import BadSignature, Rotating, Unusable
from deprovisioner.wiring import House
from policies.access_end import AccessEndError
from policies.select import SelectionError
from reconcile.errors import NotAllowed
from reconcile.receiving import Receipt

MEDIA_TYPE: Final = "application/cloudevents+json"
SIGNED_AS: Final = "webhook"
"""The principal of deliveries whose signature held: a shared secret names no single sender."""
_SIGNATURE_HEADERS: Final = frozenset({b"webhook-id", b"webhook-timestamp", b"webhook-signature"})
_BEARER: Final = b"bearer "
_log = structlog.get_logger(__name__)

router = APIRouter(tags=["terminations"])


class Accepted(BaseModel):
    """The delivery is stored. ``case_id`` is null when it concerns no case."""

    event_id: str
    case_id: str | None
    outcome: str

    @classmethod
    def of(cls, receipt: Receipt) -> Accepted:
        """Translate what the desk answered."""
        return cls(
            event_id=receipt.event_id, case_id=receipt.case_id, outcome=receipt.outcome.value
        )


_REQUEST: Final[dict[str, Any]] = {
    "requestBody": {
        "required": True,
        "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/CloudEvent"}}},
    },
    "security": [{"StandardWebhooks": []}, {"HTTPBearer": []}],
}


@router.post(
    "/v1/terminations",
    status_code=202,
    openapi_extra=_REQUEST,
    responses=documented(
        problems.UNAUTHENTICATED,
        problems.BAD_SIGNATURE,
        problems.FORBIDDEN,
        problems.TOO_SLOW,
        problems.TOO_LARGE,
        problems.WRONG_TYPE,
        problems.UNUSABLE,
        problems.ROTATING,
        problems.UNAVAILABLE,
    ),
)
async def deliver(request: Request) -> Accepted:
    """Take a termination event in. The same event twice is answered alike and taken once."""
    raw = await request.body()
    return await run_in_threadpool(_take, request.app.state.house, request, raw)


def _take(house: House, request: Request, raw: bytes) -> Accepted:
    headers = request.headers.raw
    sender = _sender(house, headers, raw)
    try:
        _check_media_type(request.headers.get("content-type", ""))
        event = canonical.read(raw, received_at=house.estate.clock())
        receipt = house.desk.receive(event, raw=raw, principal=sender)
    except (ProblemError, Unusable, NotAllowed, AccessEndError, SelectionError) as error:
        _keep(house, raw, sender, error)
        raise
    _log.info("intake.taken", event_id=receipt.event_id, case=receipt.case_id,
              outcome=receipt.outcome.value, action=event.action.value)  # fmt: skip
    return Accepted.of(receipt)


def _keep(house: House, raw: bytes, sender: str, error: Exception) -> None:
    """Who sent it is known, so nothing of it is lost, whatever is wrong with it."""
    key = canonical.rejected_id(raw)
    words = error.words if isinstance(error, ProblemError) else str(error)
    house.desk.reject(key, raw=raw, principal=sender, problem=words)
    _log.warning("intake.rejected", event_id=key, fault=type(error).__name__)


def _sender(house: House, headers: list[tuple[bytes, bytes]], raw: bytes) -> str:
    if any(name in _SIGNATURE_HEADERS for name, _ in headers):
        return _signed(house, headers, raw)
    given = [value for name, value in headers if name == b"authorization"]
    token = None
    if len(given) == 1 and given[0].lower().startswith(_BEARER):
        token = given[0][len(_BEARER) :].strip().decode("latin-1")
    principal = authenticate(house.desk, token)
    return authorise(principal, Permission.DELIVER).name


def _signed(house: House, headers: list[tuple[bytes, bytes]], raw: bytes) -> str:
    webhooks = house.settings.webhooks
    keys = [signature.key_of(secret) for secret in webhooks.secrets]
    now, tolerance = house.estate.clock(), webhooks.tolerance
    try:
        signature.verify(headers, raw, keys, now=now, tolerance=tolerance)
    except BadSignature as error:
        if webhooks.rotating:
            # Several HR systems never repeat a delivery that was answered 4xx.
            raise Rotating("the signature fits no secret of now") from error
        raise
    return SIGNED_AS


def _check_media_type(given: str) -> None:
    name, *parameters = (part.strip().lower() for part in given.split(";"))
    if name != MEDIA_TYPE or any(p not in {"charset=utf-8", 'charset="utf-8"'} for p in parameters):
        raise ProblemError(problems.WRONG_TYPE, f"send {MEDIA_TYPE}")
