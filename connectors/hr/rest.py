"""Pulls employments over HTTP from a source that serves the canonical JSON.

::

    GET {base_url}/employments/{employment_id}                      -> one employment, or 404
    GET {base_url}/employments?ended_since=YYYY-MM-DD&cursor=TEXT   -> {"employments": [], "next": }

Called through ``connectors.hr.contract``. It needs one bearer token with read access and nothing
else; it never writes. For systems without such an interface, a few lines in front of them (an
export job, a gateway) serve it. ``docs/connectors/`` shows the fields.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Final
from urllib.parse import quote

import httpx
from pydantic import BaseModel, ConfigDict, Field, field_validator

from connectors._http.faults import transport_faults
from connectors._http.reading import bounded
from connectors._http.trust import trust
from connectors._http.waiting import http_date, retry_after
from connectors.contract import Canary, Credential, Page, Probe, ReadEnd
from connectors.faults import Malformed, Refused, Transient, Unauthorised
from connectors.hr.contract import Employment, EmploymentReading, Existence
from connectors.hr.wire import EmploymentOnWire, ListOnWire, parsed
from connectors.secret import Secret, SecretUnavailable

MAX_BODY_BYTES: Final = 1024 * 1024
MAX_PAGES: Final = 10_000
MAX_ID_LENGTH: Final = 128
CLOCK_TOLERANCE: Final = timedelta(minutes=5)
_LOOPBACK: Final = frozenset({"localhost", "127.0.0.1", "::1"})
_JSON_TYPES: Final = frozenset({"application/json", "application/problem+json"})
_NOT_NOW: Final = frozenset({408, 425, 429})
_NOT_FOUND: Final = 404


class Settings(BaseModel):
    """Where the source is.

    ``canary`` is an employment id that is always there and that the token may read: without it
    nobody's absence can be believed (Law 2). ``ca_file`` replaces the machine's certificates.
    ``timeout`` bounds each call as a whole. Plain HTTP is allowed on loopback only.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    base_url: str
    token: Secret
    canary: str = ""
    ca_file: Path | None = None
    timeout: timedelta = Field(default=timedelta(seconds=10), gt=timedelta(0))

    @field_validator("base_url")
    @classmethod
    def _safe_address(cls, address: str) -> str:
        try:
            url = httpx.URL(address)
        except httpx.InvalidURL as error:
            raise ValueError("base_url is no address") from error
        if url.scheme != "https" and not (url.scheme == "http" and url.host in _LOOPBACK):
            raise ValueError("base_url starts with https:// (http:// on loopback only)")
        if url.query or url.fragment or url.userinfo:
            raise ValueError("base_url has no query, fragment or password in it")
        return address.rstrip("/")


class RestSource:
    """An HR source over HTTP. One instance per thread."""

    def __init__(
        self,
        settings: Settings,
        clock: Callable[[], datetime],
        timer: Callable[[], float] = time.monotonic,
    ) -> None:
        """Remember the settings; no I/O. ``timer`` measures a call, in seconds."""
        self._settings = settings
        self._clock = clock
        self._timer = timer
        self._client: httpx.Client | None = None

    def read(self, employment_id: str) -> EmploymentReading:
        """Read one employment, and look again whether we see anybody when it is not there."""
        employment = self._employment(employment_id)
        if employment is not None:
            return EmploymentReading(Existence.EXISTS, self._clock(), employment)
        blind = self._why_blind()
        existence = Existence.BLIND if blind else Existence.DOES_NOT_EXIST
        return EmploymentReading(existence, self._clock(), blind=blind)

    def left_since(self, day: date) -> Iterator[Page[Employment]]:
        """Follow the cursor to its end; a chain that runs in a circle is malformed."""
        query = {"ended_since": day.isoformat()}
        seen: set[str] = set()
        for _ in range(MAX_PAGES):
            page = parsed(ListOnWire, _json_of(*self._call("/employments", query)))
            items = tuple(item.employment() for item in page.employments)
            if page.next is None:
                yield Page(items, self._end())
                return
            if page.next in seen:
                raise Malformed("hr: the page chain runs in a circle", code="hr:cursor")
            seen.add(page.next)
            query["cursor"] = page.next
            yield Page(items)
        raise Malformed("hr: the page chain does not end", code="hr:cursor")

    def probe(self) -> Iterator[Probe]:
        """Say whether the source answers, shows the canary and has the right time."""
        seen_at = self._clock()
        response, body = self._call("/employments", {"ended_since": seen_at.date().isoformat()})
        parsed(ListOnWire, _json_of(response, body))
        yield Probe("reachable", holds=True, detail="the list of leavers can be read")
        blind = self._why_blind()
        advice = "" if not blind else "set canary to an employment id that the token may read"
        yield Probe("canary", holds=not blind, detail=blind, advice=advice)
        said = http_date(response.headers.get("date", ""))
        if said is not None:
            offset = abs(said - seen_at)
            yield Probe(
                "clock",
                holds=offset <= CLOCK_TOLERANCE,
                detail=f"{offset.total_seconds():.0f} s apart",
                advice="" if offset <= CLOCK_TOLERANCE else "set the clock of one of the two",
            )

    def close(self) -> None:
        """Close the connections."""
        if self._client is not None:
            self._client.close()
            self._client = None

    # -------------------------------------------------------------------------------- reading
    def _employment(self, employment_id: str) -> Employment | None:
        if not 0 < len(employment_id) <= MAX_ID_LENGTH or employment_id in {".", ".."}:
            raise Refused("hr: not an employment id that can be asked for", code="hr:id")
        response, body = self._call(f"/employments/{quote(employment_id, safe='')}", {})
        document = _json_of(response, body)  # a proxy's own 404 page is not the source's word
        if response.status_code == _NOT_FOUND:
            return None
        employment = parsed(EmploymentOnWire, document).employment()
        if employment.employment_id != employment_id:
            raise Malformed("hr: answered with another employment", code="hr:id")
        return employment

    def _why_blind(self) -> str:
        """Read the canary. A source that shows nobody has not said that anybody is gone."""
        if not self._settings.canary:
            return "no canary is set for this HR source"
        seen = self._employment(self._settings.canary) is not None
        return "" if seen else "the canary employment was not seen"

    def _end(self) -> ReadEnd:
        return ReadEnd(
            complete=True,
            canary=Canary("canary employment", seen=not self._why_blind()),
            read_at=self._clock(),
            credential=Credential.VERIFY,
        )

    def _call(self, path: str, query: Mapping[str, str]) -> tuple[httpx.Response, bytes]:
        """Make one GET and read its bounded body. Raises faults, also for most status codes."""
        deadline = self._timer() + self._settings.timeout.total_seconds()
        try:
            token = self._settings.token.reveal()
        except SecretUnavailable as error:
            raise Unauthorised("hr: the token cannot be read", code="hr:token") from error
        with (
            _faults(),
            self._connected().stream(
                "GET",
                self._settings.base_url + path,
                params=query,
                headers={"Authorization": f"Bearer {token}"},
            ) as response,
        ):
            _judge_status(response, self._clock())
            body = bounded(
                "hr", response.iter_raw(), MAX_BODY_BYTES, lambda: self._timer() > deadline
            )
            return response, body

    def _connected(self) -> httpx.Client:
        if self._client is None:
            self._client = httpx.Client(
                verify=trust("hr", self._settings.base_url, self._settings.ca_file),
                timeout=self._settings.timeout.total_seconds(),
                follow_redirects=False,  # a redirect is a login page or a typing error
                trust_env=False,  # the environment's proxies and .netrc are not our settings
                headers={"Accept": "application/json", "Accept-Encoding": "identity"},
            )
        return self._client


def open_source(settings: Settings, clock: Callable[[], datetime]) -> RestSource:
    """Make the source; no I/O."""
    return RestSource(settings, clock)


@contextmanager
def _faults() -> Iterator[None]:
    with transport_faults("hr"):
        try:
            yield
        except httpx.InvalidURL as error:  # base_url and ids are ours, and a cursor is short
            raise Refused("hr: not an address that can be asked", code="hr:url") from error


def _judge_status(response: httpx.Response, now: datetime) -> None:
    """Let 200 and 404 pass; everything else is the fault that carries the decision."""
    status = response.status_code
    code = f"http:{status}"
    if status in {httpx.codes.OK, _NOT_FOUND}:
        return
    if status in {httpx.codes.UNAUTHORIZED, httpx.codes.FORBIDDEN}:
        raise Unauthorised("hr: the token was turned down", code=code)
    if status in _NOT_NOW or response.is_server_error:
        wait = retry_after(response.headers.get("retry-after", ""), now)
        raise Transient("hr: not now", code=code, retry_after=wait)
    if response.is_client_error:
        raise Refused("hr: the source refuses the request", code=code)
    raise Malformed("hr: an answer that is not an answer (redirect or empty)", code=code)


def _json_of(response: httpx.Response, body: bytes) -> bytes:
    """Return a body that says it is JSON: a 200 with a login page must not pass for an answer."""
    media_type = response.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type not in _JSON_TYPES or response.headers.get("content-encoding"):
        raise Malformed("hr: the answer is not plain JSON", code="hr:content-type")
    return body
