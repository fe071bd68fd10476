"""Calls to ZKBio CVSecurity; the code inside a 200 decides. Called by ``system``.

The product wants its token in the query. It is put there below the client that logs addresses, so
that no log line of ours or of a library has it (Law 10).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from typing import Any, Final

import httpx

from connectors.contract import Credential
from connectors.doors.contract import Cut
from connectors.doors.wire import Answer, Wire, revealed
from connectors.doors.zkteco.settings import Settings
from connectors.faults import Malformed, Refused, Unauthorised
from connectors.secret import Secret

TOKEN_REFUSED: Final = frozenset({-1001, 401, 403})
Row = Mapping[str, Any]


class TokenInQuery(httpx.BaseTransport):
    """Adds the access token to each address, as late as can be."""

    def __init__(self, token: Secret, inner: httpx.BaseTransport) -> None:
        self._token = token
        self._inner = inner

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Send with the token."""
        sent = httpx.Request(  # another one: the client logs the address of its own
            request.method,
            request.url.copy_merge_params({"access_token": revealed(self._token)}),
            headers=request.headers,
            stream=request.stream,
            extensions=request.extensions,
        )
        return self._inner.handle_request(sent)

    def close(self) -> None:
        """Close the connections."""
        self._inner.close()


class Server:
    """One server and one token."""

    def __init__(self, settings: Settings, clock: Callable[[], datetime], wire: Wire) -> None:
        self._settings = settings
        self.clock = clock
        self._wire = wire

    def close(self) -> None:
        """Close the connections."""
        self._wire.close()

    def asked(self, path: str, body: Mapping[str, Any]) -> Answer:
        """Post for the whole answer."""
        content = json.dumps(body, ensure_ascii=False).encode()
        headers = {"Content-Type": "application/json", "Accept": "application/json"}
        answer = self._wire.call("POST", path, headers=headers, body=content)
        _data(answer)
        return answer

    def post(self, path: str, body: Mapping[str, Any]) -> Any:  # noqa: ANN401 - JSON as it was sent
        """Post and return ``data``. Raises faults, also for a code inside a 200."""
        return self.asked(path, body).mapping().get("data")

    def people(self, wanted: Mapping[str, Any]) -> Iterator[tuple[Row, ...]]:
        """Page through people by their count."""
        path = "/api/v2/person/getPersonList"
        yield from self._pages(lambda page: self.post(path, {**wanted, **page}))

    def log(self, path: str, query: Mapping[str, str]) -> Iterator[tuple[Row, ...]]:
        """Page through transactions by their count."""

        def read(page: Mapping[str, int]) -> object:
            asked = {**query, **{name: str(value) for name, value in page.items()}}
            headers = {"Accept": "application/json"}
            return _data(self._wire.call("GET", path, headers=headers, query=asked))

        yield from self._pages(read)

    def _pages(self, read: Callable[[Mapping[str, int]], object]) -> Iterator[tuple[Row, ...]]:
        page, come, size = 1, 0, self._settings.page_size
        while True:
            rows, total = _listed(read({"pageNo": page, "pageSize": size}))
            come += len(rows)
            if rows:
                yield tuple(rows)
            if come > min(total, self._settings.max_people):
                raise Cut("more came than the server counts or max_people allows")
            if come == total:
                return
            if not rows:
                raise Cut("the list ended before all that was counted came")
            page += 1


def wire(settings: Settings, credential: Credential, clock: Callable[[], datetime]) -> Wire:
    """Make the connection whose addresses get the token last."""

    def transport(trust: Any) -> httpx.BaseTransport:  # noqa: ANN401 - an SSL context
        return TokenInQuery(settings.token(credential), httpx.HTTPTransport(verify=trust))

    return Wire(settings, clock, wrap=transport)


def _data(answer: Answer) -> object:
    body = answer.mapping()
    code = body.get("code")
    if not isinstance(code, int) or isinstance(code, bool):
        raise Malformed("doors: an answer without a code", code="zkteco:code")
    if code == 0:
        return body.get("data")
    if code in TOKEN_REFUSED:
        raise Unauthorised("doors: the token was turned down", code=f"zkteco:{code}")
    raise Refused("doors: the server says no", code=f"zkteco:{code}")


def _listed(data: object) -> tuple[list[Row], int]:
    rows = data.get("data") if isinstance(data, dict) else None
    total = data.get("total") if isinstance(data, dict) else None
    counted = isinstance(total, int) and not isinstance(total, bool)
    if not isinstance(rows, list) or not counted or not all(isinstance(r, dict) for r in rows):
        raise Malformed("doors: a list of an unknown shape", code="zkteco:list")
    return rows, int(total or 0)
