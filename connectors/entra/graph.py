"""The session with Microsoft Graph: the one way out of this room.

Every module of the room makes a request with the SDK's builders (``graph.client``) or ``raw``, and
hands it over here; the answer is JSON as Graph wrote it. What the SDK would do itself is switched
off, because it loses data or asks twice (docs/decisions/0010-entra.md): its paging stops at an
empty page, its batch drops bodies and throttling, its retries repeat a POST, and its token goes to
any host. This is not a cache and never retries.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from threading import BoundedSemaphore, Lock
from typing import Final
from urllib.parse import quote, urlsplit

import httpx
from kiota_abstractions.authentication import AnonymousAuthenticationProvider
from kiota_abstractions.method import Method
from kiota_abstractions.request_information import RequestInformation
from msgraph.graph_request_adapter import GraphRequestAdapter
from msgraph.graph_service_client import GraphServiceClient

from connectors._http.faults import sendable, transport_faults
from connectors._http.reading import bounded
from connectors._http.waiting import http_date
from connectors.contract import Json
from connectors.entra.answers import Answer, Row, answered
from connectors.entra.clouds import Cloud
from connectors.entra.guard import refuse_deleting_a_linked_object
from connectors.entra.line import Line
from connectors.entra.together import Found, asking, side_by_side, together
from connectors.entra.tokens import Tokens
from connectors.faults import Fault, Malformed, Refused, Transient

BATCH: Final = 20
"""Graph's own limit of requests in one batch."""
CONCURRENT: Final = 4
"""Requests at once: the ceiling that Outlook sets for one app and mailbox."""
_WAITING: Final = 16
_CLAIMS: Final = re.compile(r'claims="([^"]+)"')
_JSON: Final = "application/json"


@dataclass(frozen=True, slots=True)
class Bounds:
    """How much one session may take in, and how long it waits."""

    answer_bytes: int = 64 * 1024 * 1024
    pages: int = 100_000
    connect_timeout: timedelta = timedelta(seconds=10)
    read_timeout: timedelta = timedelta(seconds=60)
    answer_timeout: timedelta = timedelta(minutes=5)


class Graph:
    """One identity's session with one tenant. Safe for threads; opens nothing before a call."""

    def __init__(
        self,
        cloud: Cloud,
        tokens: Tokens,
        clock: Callable[[], datetime],
        *,
        base_url: str = "",
        bounds: Bounds | None = None,
        line: Line | None = None,
        timer: Callable[[], float] = time.monotonic,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        """``base_url`` replaces the cloud's own (a sandbox on loopback); it carries no version."""
        self.cloud = cloud
        self.clock = clock
        self._tokens = tokens
        self._bounds = bounds or Bounds()
        self._root = (base_url or cloud.graph).rstrip("/")
        self._origin = urlsplit(self._root)
        self._line, self._timer, self._transport = line or Line(), timer, transport
        self._adapter = GraphRequestAdapter(AnonymousAuthenticationProvider(), client=_mute())
        self._adapter.base_url = f"{self._root}/v1.0"
        self.client = GraphServiceClient(request_adapter=self._adapter)
        self._at_once = BoundedSemaphore(CONCURRENT)
        self._lock = Lock()
        self._http: httpx.Client | None = None
        self._workers: ThreadPoolExecutor | None = None
        self.server_time: datetime | None = None
        """What Graph's own clock said in the last answer."""

    def token(self) -> str:
        """Return our token, to read what it says of our rights. Raises faults."""
        return self._tokens.token("")

    # -------------------------------------------------------------------------------- requests
    def raw(
        self, method: str, path: str, body: Mapping[str, Json] | None = None, *, beta: bool = False
    ) -> RequestInformation:
        """Make a request that the SDK has no builder for, or whose body must be exact.

        ``path`` begins with a slash and is encoded by the caller (:func:`segment`). A body that
        the SDK writes carries every unset boolean as ``false``; one given here goes as it is.
        """
        request = RequestInformation()
        request.http_method = Method(method)
        request.url = f"{self._root}/{'beta' if beta else 'v1.0'}{path}"
        request.headers.try_add("Accept", _JSON)
        if body is not None:
            request.headers.try_add("Content-Type", _JSON)
            request.content = json.dumps(body, separators=(",", ":")).encode()
        return request

    def reference(self, of: str, native_id: str) -> Mapping[str, Json]:
        """Make the body of a ``$ref`` request: ``graph.reference("directoryObjects", id)``."""
        return {"@odata.id": f"{self._root}/v1.0/{of}/{segment(native_id)}"}

    # ----------------------------------------------------------------------------------- reads
    def get(self, request: RequestInformation) -> Row:
        """Read one object. Raises faults, :class:`~connectors.faults.Missing` on 404."""
        return self._exchange(request).body

    def pages(self, request: RequestInformation) -> Iterator[Sequence[Row]]:
        """Read every page. An empty page with a next link goes on; nothing else ends it early.

        Raises faults; :class:`~connectors.faults.Malformed` for a page without ``value``, a next
        link to another host or to a page that was read already (Law 2).
        """
        headers = dict(request.request_headers or {})
        seen: set[str] = set()
        url = self._url(request)
        for _ in range(self._bounds.pages):
            body = self._exchange(self._following(url, headers)).body
            yield _rows(body)
            link = body.get("@odata.nextLink")
            if link is None:
                return
            seen.add(url)
            if not isinstance(link, str) or link in seen:
                raise Malformed("the chain of pages leads back", code="graph:next-link")
            url = link
        raise Malformed("the chain of pages does not end", code="graph:next-link")

    def stream(self, request: RequestInformation) -> Iterator[bytes]:
        """Read a file's bytes, whatever its size. Raises faults; what ends early raises.

        Graph answers with the bytes, or with the address of a store that needs no token of ours:
        that address is itself the permission, so our token does not go there.
        """
        url = self._url(request)
        self._stay_home(url)
        headers = {"accept": "*/*"}
        sent = {**headers, "authorization": self._bearer("")}
        with self._at_once:
            away = yield from self._bytes(url, sent)
            if away:
                self._may_fetch(away)
                if (yield from self._bytes(away, headers)):
                    raise Malformed("a file's address leads on", code="graph:redirects")

    def gather(self, requests: Sequence[RequestInformation]) -> list[list[Row] | Fault]:
        """Read all pages of each request, some at once; a fault stands where rows would be."""
        if len(requests) == 1:
            return [self._all(requests[0])]
        return side_by_side(self._pool(), self._all, requests)

    def objects(self, requests: Sequence[RequestInformation]) -> list[Row | Fault]:
        """Read one object for each request, some at once; a fault stands where one would be."""
        return side_by_side(self._pool(), self._one, requests)

    def together(self, reads: Sequence[Callable[[], Found]]) -> list[Found]:
        """Run reads that make requests of their own, side by side. Raises the fault that ended it.

        They have workers of their own, because they wait for those of ``gather``; what is bounded
        is how many requests are out at once.
        """
        with ThreadPoolExecutor(_WAITING, thread_name_prefix="graph-reads") as workers:
            return together(workers, reads)

    # ---------------------------------------------------------------------------------- writes
    def send(self, request: RequestInformation) -> Answer:
        """Write. Raises faults; a lost answer is :class:`Transient`, and only a re-read decides."""
        return self._exchange(request)

    def batch(self, requests: Sequence[RequestInformation]) -> list[Answer | Fault]:
        """Send requests 20 at a time; one answer or fault for each, in order.

        Inside an accepted batch each request is throttled and refused on its own. Raises faults
        only when a whole batch got no answer; what it did by then is found by re-reading.
        """
        done: list[Answer | Fault] = []
        for start in range(0, len(requests), BATCH):
            done += self._batch(requests[start : start + BATCH])
        return done

    def close(self) -> None:
        """Let go of connections and threads. May be called twice."""
        with self._lock:
            http, workers, self._http, self._workers = self._http, self._workers, None, None
        if workers is not None:
            workers.shutdown(wait=True, cancel_futures=True)
        if http is not None:
            http.close()
        self._tokens.close()

    # --------------------------------------------------------------------------------- details
    def _all(self, request: RequestInformation) -> list[Row] | Fault:
        try:
            return [row for page in self.pages(request) for row in page]
        except Fault as fault:
            return fault

    def _one(self, request: RequestInformation) -> Row | Fault:
        try:
            return self.get(request)
        except Fault as fault:
            return fault

    def _batch(self, requests: Sequence[RequestInformation]) -> list[Answer | Fault]:
        items = [self._item(number, request) for number, request in enumerate(requests)]
        body = self.send(self.raw("POST", "/$batch", {"requests": items})).body
        answers = body.get("responses")
        if not isinstance(answers, Sequence) or isinstance(answers, str):
            raise Malformed("a batch was answered without answers", code="graph:batch")
        by_id = {one.get("id"): one for one in answers if isinstance(one, Mapping)}
        return [self._of_item(by_id.get(str(number))) for number in range(len(requests))]

    def _item(self, number: int, request: RequestInformation) -> dict[str, Json]:
        url, method = self._url(request), _method(request)
        refuse_deleting_a_linked_object(method, url)
        self._stay_home(url)
        item: dict[str, Json] = {
            "id": str(number),
            "method": method,
            "url": url.removeprefix(f"{self._root}/v1.0"),
        }
        headers = dict(request.request_headers or {})
        headers.pop("accept", None)
        if request.content:
            item["body"] = json.loads(request.content)
        if headers:
            item["headers"] = headers
        return item

    def _of_item(self, item: Row | None) -> Answer | Fault:
        status = item.get("status") if item else None
        if item is None or not isinstance(status, int):
            return Malformed("an answer is missing from the batch", code="graph:batch")
        given = item.get("headers")
        headers = {
            str(name).casefold(): str(value)
            for name, value in (given.items() if isinstance(given, Mapping) else ())
        }
        body = item.get("body")
        content = json.dumps(body).encode() if body is not None else b""
        try:
            return answered(status, headers, content, self.clock())
        except Fault as fault:
            return fault

    def _exchange(self, request: RequestInformation) -> Answer:
        url, method = self._url(request), _method(request)
        refuse_deleting_a_linked_object(method, url)
        self._stay_home(url)
        headers = dict(request.request_headers or {})
        with self._at_once, asking():
            return self._asked(method, url, headers, request.content)

    def _asked(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes | None
    ) -> Answer:
        status, got, content = self._round_trip(method, url, headers, body, "")
        challenge = _CLAIMS.search(got.get("www-authenticate", ""))
        if status == 401 and challenge:  # noqa: PLR2004 - RFC 9110 section 15.5.2
            # Continuous access evaluation asks for a token with claims: the request was not
            # looked at, so this is the second half of signing in and not a retry.
            status, got, content = self._round_trip(method, url, headers, body, challenge.group(1))
        self.server_time = http_date(got.get("date", "")) or self.server_time
        return answered(status, got, content, self.clock())

    def _round_trip(
        self, method: str, url: str, headers: Mapping[str, str], content: bytes | None, claims: str
    ) -> tuple[int, Mapping[str, str], bytes]:
        sent = {**headers, "authorization": self._bearer(claims)}
        deadline = self._deadline()
        with (
            _faults(),
            self._client().stream(method, url, headers=sent, content=content) as response,
        ):
            return response.status_code, response.headers, self._bounded(response, deadline)

    def _bytes(self, url: str, headers: Mapping[str, str]) -> Generator[bytes, None, str]:
        """Yield the body; return where a redirect leads, empty when the body was it."""
        with _faults(), self._client().stream("GET", url, headers=headers) as response:
            if response.has_redirect_location:
                return response.headers["location"]
            if not response.is_success:
                content = self._bounded(response, self._deadline())
                answered(response.status_code, response.headers, content, self.clock())
            yield from response.iter_bytes()
            return ""

    def _may_fetch(self, url: str) -> None:
        """Follow only to an encrypted address, or back to where we are (a sandbox)."""
        parts = urlsplit(url)
        same = (parts.scheme, parts.netloc.casefold()) == (
            self._origin.scheme,
            self._origin.netloc.casefold(),
        )
        if not same and parts.scheme != "https":
            raise Malformed("a file's address is not encrypted", code="graph:foreign-host")

    def _bearer(self, claims: str) -> str:
        return f"Bearer {sendable('graph', self._tokens.token(claims))}"

    def _deadline(self) -> float:
        return self._timer() + self._bounds.answer_timeout.total_seconds()

    def _bounded(self, response: httpx.Response, deadline: float) -> bytes:
        most = self._bounds.answer_bytes
        return bounded("graph", response.iter_bytes(), most, lambda: self._timer() > deadline)

    def _following(self, url: str, headers: Mapping[str, str]) -> RequestInformation:
        request = RequestInformation()
        request.http_method, request.url = Method.GET, url
        for name, value in headers.items():  # a page of an eventual read is asked for as such
            request.headers.try_add(name, value)
        return request

    def _url(self, request: RequestInformation) -> str:
        self._adapter.set_base_url_for_request_information(request)
        return request.url

    def _stay_home(self, url: str) -> None:
        """Let the token go to the one host it is for, whatever a next link says."""
        parts = urlsplit(url)
        home = (self._origin.scheme, self._origin.netloc.casefold())
        if (parts.scheme, parts.netloc.casefold()) != home or parts.fragment:
            raise Malformed("a link leads to another host", code="graph:foreign-host")

    def _client(self) -> httpx.Client:
        with self._lock:
            if self._http is None:
                bounds = self._bounds
                self._http = self._line.client(
                    self._root, bounds.connect_timeout, bounds.read_timeout, self._transport
                )
            return self._http

    def _pool(self) -> ThreadPoolExecutor:
        with self._lock:
            if self._workers is None:
                self._workers = ThreadPoolExecutor(_WAITING, thread_name_prefix="graph")
            return self._workers


@contextmanager
def _faults() -> Iterator[None]:
    with transport_faults("graph"):
        try:
            yield
        except httpx.RemoteProtocolError as error:
            # Behind many front doors, what is below HTTP is no answer of Graph's: try another.
            raise Transient("graph: the connection was cut", code="graph:cut") from error


def segment(native_id: str) -> str:
    """Encode one part of a path: ids of guests hold ``#`` and may hold a slash."""
    return quote(native_id, safe="")


def _rows(body: Row) -> Sequence[Row]:
    value = body.get("value")
    if not isinstance(value, list) or not all(isinstance(row, dict) for row in value):
        raise Malformed("a page holds no list of objects", code="graph:page")
    return value


def _method(request: RequestInformation) -> str:
    return request.http_method.value if request.http_method else "GET"


def _mute() -> httpx.AsyncClient:
    """Give the SDK a client that can send nothing: it only writes requests."""

    def never(_: httpx.Request) -> httpx.Response:
        raise Refused("requests go through the session layer", code="graph:sdk")

    return httpx.AsyncClient(transport=httpx.MockTransport(never))
