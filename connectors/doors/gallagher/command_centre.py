"""Calls to Command Centre's REST interface, by its own links only. Called by ``system``.

Addresses are found from ``GET /api`` on ("do not build it yourself"); a feature that is missing
there is not licensed, which is an incident and not an empty list.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from typing import Any, Final
from urllib.parse import urlsplit

from connectors.contract import Credential
from connectors.doors.contract import Cut
from connectors.doors.gallagher.settings import Settings
from connectors.doors.wire import Answer, Wire, revealed
from connectors.faults import Malformed, Unauthorised

MAX_PAGES: Final = 100_000
Row = Mapping[str, Any]
Query = Mapping[str, str]


class CommandCentre:
    """One server and one API key."""

    def __init__(
        self,
        settings: Settings,
        credential: Credential,
        clock: Callable[[], datetime],
        wire: Wire,
    ) -> None:
        self._settings = settings
        self._key = settings.key(credential)
        self.clock = clock
        self._wire = wire
        self._features: Mapping[str, Any] | None = None

    def close(self) -> None:
        """Close the connections."""
        self._wire.close()

    def root(self) -> Answer:
        """Read ``/api``."""
        return self._call("GET", "/api")

    def feature(self, room: str, name: str) -> str:
        """Find the address of a feature. Raises Unauthorised where it is not licensed."""
        if self._features is None:
            found = self.root().mapping().get("features")
            if not isinstance(found, dict):
                raise Malformed("doors: /api names no features", code="gallagher:features")
            self._features = found
        of = self._features.get(room)
        if not isinstance(of, dict) or name not in of:
            raise Unauthorised(
                f"doors: {room}.{name} is not licensed on this server", code="gallagher:licence"
            )
        return link(of[name])

    def get(self, address: str, query: Query | None = None) -> Row:
        """Read an object."""
        return self._call("GET", address, query=query).mapping()

    def send(self, method: str, address: str, body: Mapping[str, Any] | None = None) -> Row:
        """Write; 200 may come with a body and 204 never does."""
        answer = self._call(method, address, body=body)
        return answer.mapping() if answer.body is not None else {}

    def pages(self, address: str, query: Query, of: str) -> Iterator[tuple[Row, ...]]:
        """Follow ``next`` to the end; an empty page with a next one is not the end.

        Raises :class:`Cut` when the chain does not end.
        """
        at: str | None = address
        first: Query | None = query
        seen: set[str] = set()
        while at is not None:
            if at in seen or len(seen) > MAX_PAGES:
                raise Cut("the page chain runs in a circle")
            seen.add(at)
            body = self.get(at, first)
            rows = body.get(of)
            if not isinstance(rows, list) or not all(isinstance(one, dict) for one in rows):
                raise Malformed("doors: a list of an unknown shape", code="gallagher:list")
            if rows:
                yield tuple(rows)
            at, first = (link(body["next"]) if "next" in body else None), None

    def _call(
        self,
        method: str,
        address: str,
        *,
        query: Query | None = None,
        body: Mapping[str, Any] | None = None,
    ) -> Answer:
        headers = {
            "Authorization": f"GGL-API-KEY {revealed(self._key)}",
            "Accept": "application/json",
        }
        content = None
        if body is not None:
            headers["Content-Type"] = "application/json"
            content = json.dumps(body, ensure_ascii=False).encode()
        return self._wire.call(method, address, headers=headers, query=query, body=content)


def link(of: object) -> str:
    """Take the address out of a link object. Raises Malformed."""
    href = of.get("href") if isinstance(of, dict) else None
    if not isinstance(href, str) or not href:
        raise Malformed("doors: a link without an address", code="gallagher:link")
    return href


def path(of: object) -> str:
    """Take the path of a link: the immutable id that we keep, whatever the host is called."""
    return urlsplit(link(of)).path
