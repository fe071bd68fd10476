"""What Graph answers, and which of our faults each refusal is.

Called by the session layer for every answer, single or inside a batch. No I/O, no decision about
what to do next. Texts hold the status and Graph's own error code and nothing of its message, which
may name people (Law 10).
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from connectors._http.reading import request_id
from connectors._http.waiting import retry_after
from connectors.contract import Json
from connectors.faults import Fault, Malformed, Missing, Refused, Transient, Unauthorised

Row = Mapping[str, Json]
"""One JSON object as Graph wrote it."""

_CODE: Final = re.compile(r"[A-Za-z0-9_.]{1,80}")
_BUSY: Final = frozenset({408, 409, 412, 423, 425, 429})
_TELLS_BY_STATUS: Final = frozenset({401, 429})
_NOT_ATTEMPTED: Final = 424
_REQUEST_IDS: Final = ("request-id",)
"""Graph's own; what a proxy in front gives is no use to Microsoft."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A successful answer: its status, JSON body (empty where none came) and Graph's request id."""

    status: int
    body: Row = field(default_factory=dict)
    request_id: str = ""


def answered(status: int, headers: Mapping[str, str], content: bytes, now: datetime) -> Answer:
    """Return what came. Raises the fault of anything but success with JSON or nothing."""
    if 300 <= status < 400:  # noqa: PLR2004 - RFC 9110 section 15.4
        raise Malformed("Graph redirects", code=f"graph:{status}")
    body = _parsed(content)
    if status < 300:  # noqa: PLR2004 - RFC 9110 section 15.3
        if content and body is None:
            raise Malformed("the answer is not a JSON object", code=f"graph:{status}:not-json")
        return Answer(status, body or {}, request_id(headers, _REQUEST_IDS))
    raise fault(status, headers, body, now)


def fault(status: int, headers: Mapping[str, str], body: Row | None, now: datetime) -> Fault:
    """Translate one refusal; the table is exhaustive: what is not named falls in a group."""
    code = _code(status, body)
    if status in _BUSY or (status >= 500 and status != 501):  # noqa: PLR2004 - RFC 9110 section 15.6
        # 504 after a write leaves open whether it happened: the re-read of the next run decides.
        wait = retry_after(headers.get("retry-after", ""), now)
        return Transient("Graph is busy or could not finish", code=code, retry_after=wait)
    if status == _NOT_ATTEMPTED:
        return Transient("not attempted: another request of the batch failed", code=code)
    if body is None and status not in _TELLS_BY_STATUS:
        return Malformed("the refusal is not Graph's", code=code)  # a proxy's or a portal's page
    if status in {401, 403}:
        return Unauthorised("Graph does not accept our token or our rights", code=code)
    if status == 404:  # noqa: PLR2004 - RFC 9110 section 15.5.5
        return Missing("Graph does not have the object", code=code)
    return Refused("Graph refuses the request", code=code)


def _parsed(content: bytes) -> Row | None:
    try:
        body = json.loads(content, parse_float=str) if content.strip() else None
    except (ValueError, RecursionError):
        return None
    return body if isinstance(body, dict) else None


def _code(status: int, body: Row | None) -> str:
    error = (body or {}).get("error")
    named = error.get("code") if isinstance(error, Mapping) else None
    if isinstance(named, str) and _CODE.fullmatch(named):
        return f"graph:{status}:{named}"
    return f"graph:{status}"
