"""Signed calls to the Artemis gateway; the code inside a 200 decides. Called by ``system``."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from connectors.contract import Credential
from connectors.doors.contract import Cut
from connectors.doors.hikvision.settings import Settings
from connectors.doors.hikvision.signing import (
    SIGNATURE,
    SIGNED_HEADERS,
    content_md5,
    signature,
    string_to_sign,
)
from connectors.doors.wire import CLOCK_TOLERANCE, Answer, Wire, revealed
from connectors.faults import Malformed, Refused, Unauthorised

OK: Final = "0"
GATEWAY_REFUSES: Final = "0x0240"
"""Codes of the gateway itself begin so: key unknown, signature wrong, time off, no permission."""
_MAX_CODE: Final = 32
Row = Mapping[str, Any]


class Artemis:
    """One platform and one API partner."""

    def __init__(
        self,
        settings: Settings,
        credential: Credential,
        clock: Callable[[], datetime],
        wire: Wire,
        nonce: Callable[[], str],
    ) -> None:
        """``nonce`` gives a value that was never used before; the gateway refuses a second use."""
        self._settings = settings
        self._partner = settings.partner(credential)
        self.clock = clock
        self._wire = wire
        self._nonce = nonce

    def close(self) -> None:
        """Close the connections."""
        self._wire.close()

    def post(self, path: str, body: Mapping[str, Any]) -> Any:  # noqa: ANN401 - JSON as sent
        """Call and return ``data``. Raises faults, also for a code inside a 200."""
        return self._data(self._call(path, body))

    def asked(self, path: str, body: Mapping[str, Any]) -> Answer:
        """Call for the whole answer, for ``doctor``: the server's time is in it."""
        answer = self._call(path, body)
        self._data(answer)
        return answer

    def rows(self, path: str, body: Mapping[str, Any]) -> Iterator[tuple[Row, ...]]:
        """Page through a list. Raises :class:`Cut` in the end when less came than was counted."""
        page, come, counted = 1, 0, 0
        size = self._settings.page_size
        while True:
            data = self.post(path, {**body, "pageNo": page, "pageSize": size})
            rows, total = _page(data)
            if total < counted:
                # What stood on a later page has moved up to one that was read already.
                raise Cut("the list shrank while it was read")
            come, counted = come + len(rows), total
            if come > self._settings.max_people:
                raise Cut("more entries than max_people allows")
            if rows:
                yield rows
            if come > total:
                raise Cut("more came than the platform counts")
            if come == total:
                return
            if not rows:
                raise Cut("the list ended before all that was counted came")
            page += 1

    def every(self, path: str, body: Mapping[str, Any]) -> list[Row]:
        """Read a list whole. Raises Malformed when it was cut short (Law 2)."""
        try:
            return [row for page in self.rows(path, body) for row in page]
        except Cut as cut:
            raise Malformed(f"doors: {cut}", code="artemis:list") from cut

    def _call(self, path: str, body: Mapping[str, Any]) -> Answer:
        content = json.dumps(body, ensure_ascii=False).encode()
        full = f"/artemis{path}"
        try:
            return self._wire.call("POST", full, headers=self._signed(full, content), body=content)
        except Unauthorised as error:
            raise Unauthorised(
                "doors: the gateway turned the signature down: key, secret or clock",
                code=error.code,
            ) from error

    def _signed(self, path: str, content: bytes) -> dict[str, str]:
        named = {
            "tagId": self._settings.tag_id,
            "X-Ca-Key": self._partner.app_key,
            "X-Ca-Nonce": self._nonce(),
            "X-Ca-Timestamp": str(int(self.clock().timestamp() * 1000)),
        }
        headers = {
            "Accept": "*/*",
            "Content-MD5": content_md5(content),
            "Content-Type": "application/json",
            **named,
        }
        text = string_to_sign("POST", path, headers, named)
        headers[SIGNED_HEADERS] = ",".join(named)
        headers[SIGNATURE] = signature(revealed(self._partner.secret), text)
        return headers

    def _data(self, answer: Answer) -> Any:  # noqa: ANN401 - JSON as sent
        body = answer.mapping()
        code = body.get("code")
        if not isinstance(code, str) or len(code) > _MAX_CODE or not code.isprintable():
            raise Malformed("doors: an answer without a code", code="artemis:code")
        if code == OK:
            return body.get("data")
        if code.lower().startswith(GATEWAY_REFUSES):
            raise Unauthorised(
                "doors: the gateway turned us down" + self._skew(answer), code=f"artemis:{code}"
            )
        raise Refused("doors: the platform says no", code=f"artemis:{code}")

    def _skew(self, answer: Answer) -> str:
        """Say so when clocks are apart: the gateway then refuses every signature."""
        if answer.said_at is None:
            return ""
        apart = abs(answer.said_at - self.clock())
        if apart <= CLOCK_TOLERANCE:
            return ""
        return f"; its clock and ours are {apart.total_seconds():.0f} s apart"


def _page(data: object) -> tuple[tuple[Row, ...], int]:
    if not isinstance(data, dict):
        raise Malformed("doors: a list without data", code="artemis:list")
    rows, total = data.get("list"), data.get("total")
    if rows is None:
        rows = []
    counted = isinstance(total, int) and not isinstance(total, bool)
    if not isinstance(rows, list) or not counted or not all(isinstance(r, dict) for r in rows):
        raise Malformed("doors: a list of an unknown shape", code="artemis:list")
    return tuple(rows), int(total or 0)


def one_of(rows: Sequence[Row], key: str, wanted: str) -> Row | None:
    """Take the row of an id; another's row is no answer."""
    return next((row for row in rows if row.get(key) == wanted), None)
