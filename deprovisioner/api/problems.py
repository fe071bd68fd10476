"""What the API answers when it says no: problem documents (RFC 9457), one table.

``type`` is a stable URN that programs may compare; ``title`` says the same to people; ``detail``
and ``errors`` say what is wrong with this request. None ever holds a stack trace, a value of the
request or anything about a person (Law 10).
"""

from __future__ import annotations

from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final

import structlog
from fastapi import FastAPI, HTTPException, Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException as StarletteHTTPException
from starlette.responses import JSONResponse

from connectors.faults import Fault
from connectors.secret import SecretUnavailable
from deprovisioner.intake.refusals import BadSignature, Rotating, Unusable
from policies.access_end import AccessEndError
from policies.select import SelectionError
from reconcile.errors import (
    Conflict,
    NotAllowed,
    ReconcileError,
    StaleApproval,
    UnknownCase,
    UnknownQuestion,
)
from reconcile.store.errors import DatabaseError
from reconcile.store.evidence_log import NotPublished

MEDIA_TYPE: Final = "application/problem+json"
_URN: Final = "urn:deprovisioner:problem:"
_log = structlog.get_logger(__name__)


class Problem(BaseModel):
    """A problem document (RFC 9457)."""

    type: str = Field(description="A stable URN; compare this, not the title.")
    title: str = Field(description="The kind of problem, for people.")
    status: int = Field(description="The HTTP status, repeated.")
    detail: str = Field(default="", description="What is wrong with this request.")
    errors: list[str] = Field(default_factory=list, description="One sentence per mistake.")


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of problem. ``retry_after``: seconds after which trying again makes sense."""

    name: str
    status: int
    title: str
    retry_after: int = 0

    def document(self, detail: str = "", errors: tuple[str, ...] = ()) -> JSONResponse:
        """The response."""
        body = Problem(
            type=_URN + self.name,
            title=self.title,
            status=self.status,
            detail=detail,
            errors=list(errors),
        )
        headers = {"Retry-After": str(self.retry_after)} if self.retry_after else {}
        if self.status == HTTPStatus.UNAUTHORIZED:
            headers["WWW-Authenticate"] = "Bearer"
        return JSONResponse(
            body.model_dump(exclude_defaults=True), self.status, headers, media_type=MEDIA_TYPE
        )


BAD_REQUEST: Final = Kind("bad-request", 400, "The request cannot be read")
UNAUTHENTICATED: Final = Kind("unauthenticated", 401, "No token that we know")
BAD_SIGNATURE: Final = Kind("bad-signature", 401, "The signature does not hold")
FORBIDDEN: Final = Kind("forbidden", 403, "This role may not do that")
NOT_ALLOWED: Final = Kind("not-allowed", 403, "A rule forbids it")
NOT_FOUND: Final = Kind("not-found", 404, "There is nothing here")
UNKNOWN_CASE: Final = Kind("unknown-case", 404, "There is no such case")
UNKNOWN_QUESTION: Final = Kind("unknown-question", 404, "The case has no such thing")
METHOD_NOT_ALLOWED: Final = Kind("method-not-allowed", 405, "Not with this method")
TOO_SLOW: Final = Kind("too-slow", 408, "The body did not arrive in time")
CONFLICT: Final = Kind("conflict", 409, "Not in this state")
STALE: Final = Kind("stale-approval", 409, "The plan changed since it was looked at")
NOT_PUBLISHED: Final = Kind("not-published", 409, "The records are not published yet", 5)
TOO_LARGE: Final = Kind("too-large", 413, "The body is too large")
WRONG_TYPE: Final = Kind("unsupported-media-type", 415, "Not this media type")
UNUSABLE: Final = Kind("unusable", 422, "The content cannot be used")
INTERNAL: Final = Kind("internal", 500, "Something failed here")
OUTSIDE: Final = Kind("outside-system", 502, "An outside system did not answer as it should")
UNAVAILABLE: Final = Kind("unavailable", 503, "Not now; try again", 5)
ROTATING: Final = Kind("rotating", 503, "A secret is being replaced; try again", 60)
NOT_READY: Final = Kind("not-ready", 503, "The daemon is not ready", 5)

_BY_STATUS: Final = {
    kind.status: kind
    for kind in (BAD_REQUEST, UNAUTHENTICATED, FORBIDDEN, NOT_FOUND, METHOD_NOT_ALLOWED, UNUSABLE)
}


class ProblemError(HTTPException):
    """Raised by this package to answer with a problem. FastAPI lets its own class pass through."""

    def __init__(self, kind: Kind, detail: str = "", errors: tuple[str, ...] = ()) -> None:
        super().__init__(kind.status, kind.title)
        self.kind = kind
        self.words = detail
        self.errors = errors


def respond(error: Exception) -> JSONResponse:
    """The problem document for anything that was raised."""
    match error:
        case ProblemError():
            answer = error.kind.document(error.words, error.errors)
        case Unusable():
            answer = UNUSABLE.document(errors=error.reasons)
        case RequestValidationError():
            answer = UNUSABLE.document(errors=tuple(map(_mistake, error.errors())))
        case StarletteHTTPException():
            answer = _BY_STATUS.get(error.status_code, BAD_REQUEST).document()
        case DatabaseError() | SecretUnavailable():
            _log.warning("http.unavailable", fault=type(error).__name__)
            answer = UNAVAILABLE.document()
        case Fault():
            answer = OUTSIDE.document(type(error).__name__)
        case _:
            answer = _known(error)
    return answer


def _known(error: Exception) -> JSONResponse:
    for known, kind in _KINDS:
        if isinstance(error, known):
            return kind.document(str(error))
    return INTERNAL.document()


_KINDS: Final[tuple[tuple[type[Exception], Kind], ...]] = (
    (BadSignature, BAD_SIGNATURE),
    (Rotating, ROTATING),
    (UnknownCase, UNKNOWN_CASE),
    (UnknownQuestion, UNKNOWN_QUESTION),
    (StaleApproval, STALE),
    (NotAllowed, NOT_ALLOWED),
    (Conflict, CONFLICT),
    (ReconcileError, CONFLICT),
    (NotPublished, NOT_PUBLISHED),
    (AccessEndError, UNUSABLE),
    (SelectionError, UNAVAILABLE),  # our policies, not the sender's event: it may come again
)
"""Whose messages are made to be shown: they hold no personal data."""


def _mistake(found: Any) -> str:  # noqa: ANN401 - pydantic's own dictionary
    """Name the field; never the input, which FastAPI's own answer would repeat."""
    where = ".".join(str(step) for step in found["loc"])
    return f"{where}: {found['msg']}"


def install(app: FastAPI) -> None:
    """Answer every exception of the application with a problem document."""

    def handle(_request: Request, error: Exception) -> JSONResponse:
        return respond(error)

    handled: tuple[type[Exception], ...] = (
        StarletteHTTPException,
        RequestValidationError,
        Unusable,
        DatabaseError,
        SecretUnavailable,
        Fault,
        *(known for known, _ in _KINDS),
        Exception,
    )
    for kind in handled:
        app.add_exception_handler(kind, handle)


def documented(*kinds: Kind) -> dict[int | str, dict[str, Any]]:
    """The ``responses`` of a route: each status once, with the titles of its problems."""
    titles: dict[int, list[str]] = {}
    for kind in kinds:
        titles.setdefault(kind.status, []).append(kind.title)
    schema = {"$ref": "#/components/schemas/Problem"}
    return {
        status: {
            "description": "; ".join(words),
            "content": {MEDIA_TYPE: {"schema": schema}},
        }
        for status, words in sorted(titles.items())
    }
