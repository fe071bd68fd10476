"""One SCIM endpoint over HTTP with one token: single calls, bounded answers, typed faults.

Called by ``target`` and ``listing``. It never repeats a call and follows no redirect. Texts of
faults hold neither addresses nor answers (Law 10): both name people.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final
from urllib.parse import quote

import httpx

from connectors._http.faults import sendable, transport_faults
from connectors._http.reading import bounded, request_id
from connectors._http.trust import trust
from connectors._http.waiting import http_date, retry_after
from connectors.contract import Credential
from connectors.faults import Malformed, Missing, Refused, Transient, Unauthorised
from connectors.scim.settings import Settings
from connectors.secret import SecretUnavailable

MEDIA_TYPE: Final = "application/scim+json"
MAX_ID_LENGTH: Final = 512
_JSON_TYPES: Final = frozenset({MEDIA_TYPE, "application/json"})
_NOT_NOW: Final = frozenset({408, 425, 429})
_GONE: Final = frozenset({404, 410})
_NO_CONTENT: Final = 204
_CHANGED: Final = 412
_NOT_SUPPORTED: Final = frozenset({400, 405, 415, 422, 428, 501})
"""The server understood that it does not take this form: another one may be tried."""


class NotSupported(Refused):
    """A definite 4xx (or 501) that says: not in this form."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What was answered: a JSON object (empty with 204), its version and the server's own time."""

    body: Mapping[str, Any] = field(default_factory=dict)
    etag: str = ""
    request_id: str = ""
    said_at: datetime | None = None


class Service:
    """One target and one token. One instance per thread."""

    def __init__(
        self,
        settings: Settings,
        credential: Credential,
        clock: Callable[[], datetime],
        timer: Callable[[], float] = time.monotonic,
    ) -> None:
        """Remember the settings; no I/O. ``timer`` measures a call, in seconds."""
        self._settings = settings
        self._token = settings.token(credential)
        self._clock = clock
        self._timer = timer
        self._client: httpx.Client | None = None

    def close(self) -> None:
        """Close the connections."""
        if self._client is not None:
            self._client.close()
            self._client = None

    def get(self, path: str, query: Mapping[str, str] | None = None) -> Answer:
        """Read; an answer without a JSON object is malformed. Raises faults."""
        return self._call("GET", path, query=query)

    def send(
        self, method: str, path: str, body: Mapping[str, Any] | None = None, etag: str = ""
    ) -> Answer:
        """Write; ``etag`` makes it conditional (RFC 7644 section 3.14). Raises faults."""
        return self._call(method, path, body=body, etag=etag)

    def _call(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: Mapping[str, Any] | None = None,
        etag: str = "",
    ) -> Answer:
        headers = {"Authorization": f"Bearer {self._revealed()}"}
        content = None
        if body is not None:
            content = json.dumps(body, ensure_ascii=False).encode()
            headers["Content-Type"] = MEDIA_TYPE
        if etag:
            headers["If-Match"] = etag
        deadline = self._timer() + self._settings.timeout.total_seconds()
        with (
            transport_faults("scim"),
            self._connected().stream(
                method, self._settings.url + path, params=query, content=content, headers=headers
            ) as response,
        ):
            most = self._settings.max_answer_bytes
            raw = bounded("scim", response.iter_raw(), most, lambda: self._timer() > deadline)
            return self._answer(response, raw, reading=method == "GET")

    def _answer(self, response: httpx.Response, raw: bytes, *, reading: bool) -> Answer:
        _judge(response, raw, self._clock())
        empty = not raw and (response.status_code == _NO_CONTENT or not reading)
        if empty and reading:
            raise Malformed("scim: nothing was answered to a read", code="scim:empty")
        body = {} if empty else parsed(response, raw)
        return Answer(
            body=body,
            etag=response.headers.get("etag", ""),
            request_id=request_id(response.headers),
            said_at=http_date(response.headers.get("date", "")),
        )

    def _revealed(self) -> str:
        try:
            return sendable("scim", self._token.reveal())
        except SecretUnavailable as error:
            raise Unauthorised("scim: the token cannot be read", code="scim:token") from error

    def _connected(self) -> httpx.Client:
        if self._client is None:
            self._client = httpx.Client(
                verify=trust("scim", self._settings.url, self._settings.ca_file),
                timeout=self._settings.timeout.total_seconds(),
                follow_redirects=False,  # a redirect is a login page or a typing error
                trust_env=False,  # the environment's proxies and .netrc are not our settings
                headers={
                    "Accept": f"{MEDIA_TYPE}, application/json;q=0.9",
                    "Accept-Encoding": "identity",
                },
            )
        return self._client


def at(endpoint: str, native_id: str) -> str:
    """Return the path of a resource. Raises :class:`~connectors.faults.Malformed` on no id."""
    if not 0 < len(native_id) <= MAX_ID_LENGTH or native_id in {".", ".."}:
        raise Malformed("scim: not an id that can be asked for", code="scim:id")
    return f"{endpoint}/{quote(native_id, safe='')}"


def parsed(response: httpx.Response, raw: bytes) -> Mapping[str, Any]:
    """Read a JSON object that says it is one: a 200 with a login page is no answer."""
    if not _is_json(response):
        raise Malformed("scim: the answer is not plain JSON", code="scim:content-type")
    try:
        document = json.loads(raw, parse_constant=_no_number)
    except (ValueError, RecursionError) as error:
        raise Malformed("scim: the answer is not JSON", code="scim:json") from error
    if not isinstance(document, dict):
        raise Malformed("scim: the answer is not a JSON object", code="scim:json")
    return document


def _is_json(response: httpx.Response) -> bool:
    media_type = response.headers.get("content-type", "").partition(";")[0].strip().lower()
    return media_type in _JSON_TYPES and not response.headers.get("content-encoding")


def _no_number(_: str) -> float:
    raise ValueError("not a JSON number")


def _judge(response: httpx.Response, raw: bytes, now: datetime) -> None:
    """Let success pass; everything else is the fault that carries the decision."""
    status = response.status_code
    code = f"http:{status}"
    if response.is_success:
        return
    if status in {httpx.codes.UNAUTHORIZED, httpx.codes.FORBIDDEN}:
        raise Unauthorised("scim: the token was turned down", code=code)
    if status in _GONE:
        if raw and not _is_json(response):  # a proxy's own 404 page is not the product's word
            raise Malformed("scim: a page that is not SCIM says not found", code=code)
        raise Missing("scim: no such resource", code=code)
    if status == _CHANGED:
        raise Transient("scim: somebody changed it in between", code=code)
    if status in _NOT_SUPPORTED:
        raise NotSupported("scim: the target does not take it in this form", code=code)
    if status in _NOT_NOW or response.is_server_error:
        wait = retry_after(response.headers.get("retry-after", ""), now)
        raise Transient("scim: not now", code=code, retry_after=wait)
    if response.is_client_error:
        raise Refused("scim: the target refuses the request", code=code)
    raise Malformed("scim: an answer that is not an answer (redirect)", code=code)
