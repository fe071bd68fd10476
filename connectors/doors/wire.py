"""One HTTP call to a door platform: bounded, never repeated, every failure a typed fault.

Called by the products. It knows no product: signing, tokens and the codes inside a 200 are theirs.
Texts of faults hold neither addresses nor answers (Law 10): both name people.
"""

from __future__ import annotations

import json
import ssl
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

import httpx

from connectors._http.faults import transport_faults
from connectors._http.reading import bounded
from connectors._http.trust import trust
from connectors._http.waiting import http_date, retry_after
from connectors.doors.settings import DoorSettings
from connectors.faults import Malformed, Missing, Refused, Transient, Unauthorised
from connectors.secret import Secret, SecretUnavailable

CLOCK_TOLERANCE: Final = timedelta(minutes=5)
_JSON_TYPES: Final = frozenset({"application/json", "application/problem+json"})
_NOT_NOW: Final = frozenset({408, 409, 425, 429})
_GONE: Final = frozenset({404, 410})


@dataclass(frozen=True, slots=True)
class Answer:
    """A successful answer: its JSON (None where there was no body) and the server's own time."""

    body: Any
    said_at: datetime | None

    def mapping(self) -> Mapping[str, Any]:
        """Take the body as an object. Raises Malformed."""
        if not isinstance(self.body, dict):
            raise Malformed("doors: the answer is not a JSON object", code="doors:json")
        return self.body


class Wire:
    """One platform. One instance per thread."""

    def __init__(
        self,
        settings: DoorSettings,
        clock: Callable[[], datetime],
        timer: Callable[[], float] = time.monotonic,
        transport: httpx.BaseTransport | None = None,
        wrap: Callable[[ssl.SSLContext], httpx.BaseTransport] | None = None,
    ) -> None:
        """Remember the settings; no I/O. ``timer`` measures a call, in seconds.

        ``wrap`` makes a transport of its own with the trust that it is given.
        """
        self._wrap = wrap
        self._settings = settings
        self._clock = clock
        self._timer = timer
        self._transport = transport
        self._client: httpx.Client | None = None

    def close(self) -> None:
        """Close the connections."""
        if self._client is not None:
            self._client.close()
            self._client = None

    def call(
        self,
        method: str,
        target: str,
        *,
        headers: Mapping[str, str],
        query: Mapping[str, str] | None = None,
        body: bytes | None = None,
    ) -> Answer:
        """Make one call; ``target`` is a path or an address of this very platform."""
        deadline = self._timer() + self._settings.timeout.total_seconds()
        with (
            transport_faults("doors"),
            self._connected().stream(
                method,
                self._own(target),  # a link that is no address is a fault of this call too
                params=dict(query) if query else None,
                content=body,
                headers=dict(headers),
            ) as response,
        ):
            most = self._settings.max_answer_bytes
            raw = bounded("doors", response.iter_raw(), most, lambda: self._timer() > deadline)
            _judge(response, raw, self._clock())
            return Answer(
                body=parsed(response, raw) if raw else None,
                said_at=http_date(response.headers.get("date", "")),
            )

    def _own(self, target: str) -> str:
        if target.startswith("/"):
            return self._settings.url + target
        base, url = httpx.URL(self._settings.url), httpx.URL(target)
        if (base.scheme, base.host, base.port) != (url.scheme, url.host, url.port):
            # A link to another host would take our key there.
            raise Malformed("doors: a link leads to another host", code="doors:link")
        return target

    def _connected(self) -> httpx.Client:
        if self._client is None:
            trusted = trust("doors", self._settings.url, self._settings.ca_file)
            self._client = httpx.Client(
                verify=trusted,
                timeout=self._settings.timeout.total_seconds(),
                follow_redirects=False,  # a redirect is a login page or a typing error
                trust_env=False,  # the environment's proxies and .netrc are not our settings
                headers={"Accept-Encoding": "identity"},
                transport=self._wrap(trusted) if self._wrap else self._transport,
            )
        return self._client


def revealed(secret: Secret) -> str:
    """Read a secret now. Raises Unauthorised when it cannot be read."""
    try:
        return secret.reveal()
    except SecretUnavailable as error:
        raise Unauthorised("doors: the credential cannot be read", code="doors:secret") from error


def parsed(response: httpx.Response, raw: bytes) -> Any:  # noqa: ANN401 - JSON as it was sent
    """Read JSON that says it is: a 200 with a login page is no answer."""
    media_type = response.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type not in _JSON_TYPES or response.headers.get("content-encoding"):
        raise Malformed("doors: the answer is not plain JSON", code="doors:content-type")
    try:
        return json.loads(raw)
    except (ValueError, RecursionError) as error:
        raise Malformed("doors: the answer is not JSON", code="doors:json") from error


def _judge(response: httpx.Response, raw: bytes, now: datetime) -> None:
    """Let success pass; everything else is the fault that carries the decision."""
    status = response.status_code
    code = f"http:{status}"
    if response.is_success:
        return
    if status in {httpx.codes.UNAUTHORIZED, httpx.codes.FORBIDDEN}:
        raise Unauthorised("doors: the credential was turned down", code=code)
    if status in _GONE:
        if raw:
            parsed(response, raw)  # a proxy's own 404 page is not the product's word
        raise Missing("doors: no such object", code=code)
    if status in _NOT_NOW or response.is_server_error:
        wait = retry_after(response.headers.get("retry-after", ""), now)
        raise Transient("doors: not now", code=code, retry_after=wait)
    if response.is_client_error:
        raise Refused("doors: the platform refuses the request", code=code)
    raise Malformed("doors: an answer that is not an answer (redirect)", code=code)
