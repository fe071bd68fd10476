"""Calls to the console; the code in the envelope decides, HTTP says 200 to most failures.

Called by ``system``.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from typing import Any, Final
from urllib.parse import quote

from connectors.contract import Credential
from connectors.doors.contract import Cut
from connectors.doors.unifi_access.settings import Settings
from connectors.doors.wire import Answer, Wire, revealed
from connectors.faults import Malformed, Missing, Refused, Transient, Unauthorised

PREFIX: Final = "/api/v1/developer"
SUCCESS: Final = "SUCCESS"
_UNAUTHORISED: Final = frozenset(
    {"CODE_AUTH_FAILED", "CODE_ACCESS_TOKEN_INVALID", "CODE_UNAUTHORIZED"}
)
_MISSING: Final = frozenset(
    {
        "CODE_NOT_EXISTS",
        "CODE_RESOURCE_NOT_FOUND",
        "CODE_USER_ACCOUNT_NOT_EXIST",
        "CODE_USER_WORKER_NOT_EXISTS",
    }
)
_NOT_NOW: Final = frozenset({"CODE_SYSTEM_ERROR", "CODE_DEVICE_DEVICE_OFFLINE"})
ENTERPRISE: Final = "CODE_OTHERS_UID_ADOPTED_NOT_SUPPORTED"
_MAX_CODE: Final = 80
Row = Mapping[str, Any]


class Console:
    """One console and one token."""

    def __init__(
        self,
        settings: Settings,
        credential: Credential,
        clock: Callable[[], datetime],
        wire: Wire,
    ) -> None:
        self._settings = settings
        self._token = settings.token(credential)
        self.clock = clock
        self._wire = wire

    def close(self) -> None:
        """Close the connections."""
        self._wire.close()

    def asked(self, path: str, query: Mapping[str, str] | None = None) -> Answer:
        """Read for the whole answer, for ``doctor``."""
        answer = self._call("GET", path, query=query)
        _judge(answer.mapping())
        return answer

    def get(self, path: str, query: Mapping[str, str] | None = None) -> Any:  # noqa: ANN401 - JSON
        """Read ``data``. Raises faults by the envelope's code."""
        return self.asked(path, query).mapping().get("data")

    def send(self, method: str, path: str, body: object = None) -> Any:  # noqa: ANN401 - JSON
        """Write."""
        answer = self._call(method, path, body=body).mapping()
        _judge(answer)
        return answer.get("data")

    def rows(self, path: str, query: Mapping[str, str] | None = None) -> list[Row]:
        """Read a list that comes whole."""
        return _listed(self.get(path, query))

    def pages(self, path: str, query: Mapping[str, str]) -> Iterator[tuple[Row, ...]]:
        """Page through a list by its count. Raises :class:`Cut` when less came than was counted."""
        page, come, size = 1, 0, self._settings.page_size
        while True:
            paged = {**query, "page_num": str(page), "page_size": str(size)}
            body = self.asked(path, paged).mapping()
            rows, total = _listed(body.get("data")), _total(body.get("pagination"))
            come += len(rows)
            if rows:
                yield tuple(rows)
            if _whole(come, total, len(rows), self._settings.max_people):
                return
            page += 1

    def log(self, wanted: Mapping[str, Any]) -> Iterator[tuple[Row, ...]]:
        """Page through the system log."""
        page, come, size = 1, 0, self._settings.page_size
        while True:
            paged = {"page_num": str(page), "page_size": str(size)}
            answer = self._call("POST", "/system/logs", query=paged, body=wanted).mapping()
            _judge(answer)
            data = answer.get("data")
            if not isinstance(data, dict):
                raise Malformed("doors: a log without data", code="unifi:log")
            rows, total = _listed(data.get("hits")), _total(data)
            come += len(rows)
            if rows:
                yield tuple(rows)
            if _whole(come, total, len(rows), self._settings.max_people):
                return
            page += 1

    def _call(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: object = None,
    ) -> Answer:
        headers = {
            "Authorization": f"Bearer {revealed(self._token)}",
            "Accept": "application/json",
        }
        content = None
        if body is not None:
            headers["Content-Type"] = "application/json"
            content = json.dumps(body, ensure_ascii=False).encode()
        return self._wire.call(method, PREFIX + path, headers=headers, query=query, body=content)


def at(*parts: str) -> str:
    """Build a path of parts that may hold anything; nothing leaves its place."""
    return "".join(f"/{quote(part, safe='')}" for part in parts)


def _judge(body: Mapping[str, Any]) -> None:
    code = body.get("code")
    if not isinstance(code, str) or len(code) > _MAX_CODE or not code.isprintable():
        raise Malformed("doors: an answer without a code", code="unifi:code")
    named = f"unifi:{code}"
    if code == SUCCESS:
        return
    if code in _UNAUTHORISED:
        raise Unauthorised("doors: the token or one of its scopes was turned down", code=named)
    if code == ENTERPRISE:
        raise Unauthorised(
            "doors: the console was upgraded to Identity Enterprise and has no interface any more",
            code=named,
        )
    if code in _MISSING:
        raise Missing("doors: no such object", code=named)
    if code in _NOT_NOW:
        raise Transient("doors: not now", code=named)
    raise Refused("doors: the console says no", code=named)


def _listed(rows: object) -> list[Row]:
    if rows is None:
        return []
    if not isinstance(rows, list) or not all(isinstance(one, dict) for one in rows):
        raise Malformed("doors: a list of an unknown shape", code="unifi:list")
    return rows


def _total(of: object) -> int:
    total = of.get("total") if isinstance(of, dict) else None
    if not isinstance(total, int) or isinstance(total, bool):
        raise Malformed("doors: a list without a count", code="unifi:list")
    return total


def _whole(come: int, total: int, last: int, most: int) -> bool:
    if come > most:
        raise Cut("more entries than max_people allows")
    if come > total:
        raise Cut("more came than the console counts")
    if come < total and not last:
        raise Cut("the list ended before all that was counted came")
    return come == total
