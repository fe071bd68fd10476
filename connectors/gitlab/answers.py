"""What GitLab answers, and which of our faults each refusal is.

Called by the session layer for every answer. No I/O and no decision about what to do next. Texts
hold the status and nothing of GitLab's message, which may name people (Law 10).
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Final

from connectors._http.waiting import retry_after
from connectors.contract import Json
from connectors.faults import Fault, Malformed, Missing, Refused, Transient, Unauthorised

Object = Mapping[str, Json]
"""One JSON object as GitLab wrote it."""

FORBIDDEN: Final = "gitlab:403"
_JSON: Final = "application/json"
_BUSY: Final = frozenset({408, 423, 425, 429})
_BY_STATUS_ALONE: Final = frozenset({401, 429})
"""A proxy in front may answer these in words of its own, and means the same."""


def parsed(content: bytes, kind: str, status: int) -> Json:
    """Read a successful body. Raises :class:`Malformed` for anything but JSON.

    A login page of a proxy is answered with 200 and ``text/html``: that is no success.
    """
    if not content.strip():
        return None
    if kind.partition(";")[0].strip().casefold() != _JSON:
        raise Malformed("the answer is not JSON", code=f"gitlab:{status}:not-json")
    try:
        body: Json = json.loads(content, parse_float=str)
    except (ValueError, RecursionError) as error:
        raise Malformed("the answer is not JSON", code=f"gitlab:{status}:not-json") from error
    return body


def fault(status: int, headers: Mapping[str, str], content: bytes, now: datetime) -> Fault:
    """Translate one refusal; what is not named falls in a group, so that none is forgotten."""
    code = f"gitlab:{status}"
    if 300 <= status < 400:  # noqa: PLR2004 - RFC 9110 section 15.4
        return Malformed("GitLab redirects; look at its address in the settings", code=code)
    if status in _BUSY or status >= 500:  # noqa: PLR2004 - RFC 9110 section 15.6
        # After a write it is open whether it happened: the re-read of the next run decides.
        wait = retry_after(headers.get("Retry-After", ""), now)
        return Transient("GitLab is busy or could not finish", code=code, retry_after=wait)
    if status not in _BY_STATUS_ALONE and not _is_gitlabs(content):
        return Malformed("the refusal is not GitLab's", code=code)
    if status in {401, 403}:
        return Unauthorised("GitLab does not accept our token or our rights", code=code)
    if status == 404:  # noqa: PLR2004 - RFC 9110 section 15.5.5
        return Missing("GitLab does not have the object", code=code)
    return Refused("GitLab refuses the request", code=code)


def _is_gitlabs(content: bytes) -> bool:
    """Tell whether a refusal has the shape that GitLab's have: an object that says why."""
    try:
        body = json.loads(content)
    except (ValueError, RecursionError):
        return False
    return isinstance(body, dict) and not body.keys().isdisjoint({"message", "error"})


def instant(value: Json) -> datetime | None:
    """Read a time as GitLab writes it (RFC 3339); a bare date is the start of that day in UTC."""
    if not isinstance(value, str):
        return None
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def text(of: Object, name: str) -> str:
    """Return a member as text; empty when it is absent, null or not text."""
    value = of.get(name)
    return value if isinstance(value, str) else ""


def number(of: Object, name: str) -> int:
    """Return an integer member. Raises :class:`Malformed`: ids are never guessed."""
    value = of.get(name)
    if not isinstance(value, int) or isinstance(value, bool):
        raise Malformed(f"an object without {name}", code="gitlab:shape")
    return value


def part(of: Object, name: str) -> Object:
    """Return a member that is an object; empty when it is absent or null."""
    value = of.get(name)
    return value if isinstance(value, Mapping) else {}


def parts(of: Object, name: str) -> list[Object]:
    """Return the objects of a list member; empty when it is absent or null."""
    value = of.get(name)
    if not isinstance(value, Sequence) or isinstance(value, str):
        return []
    return [one for one in value if isinstance(one, Mapping)]
