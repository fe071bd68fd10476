"""Listens on loopback for the fake door platforms, breaks when told to, and logs past the fakes.

Called by the products' modules. Unlike `loopback_http` it hands over raw bodies and headers:
signatures are checked on what was really sent. Not for anything that leaves this machine.
"""

import json
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from urllib.parse import parse_qs, urlsplit

from deprovisioner.sandbox.service import wire
from deprovisioner.sandbox.service.hosting import Listening
from deprovisioner.sandbox.service.wire import Cut, LoopbackServer, Manner, Response

_LOGIN_PAGE = b"<html><body>Sign in</body></html>"


@dataclass(frozen=True, slots=True)
class Request:
    """One request as it was sent; header names in lower case."""

    method: str
    path: str
    query: Mapping[str, list[str]]
    headers: Mapping[str, str]
    raw: bytes

    def json(self) -> Any:  # noqa: ANN401 - JSON as it was sent
        """Read the body; raises ValueError."""
        return json.loads(self.raw) if self.raw else {}

    def first(self, name: str, default: str = "") -> str:
        """Return the first value of a query parameter."""
        return self.query.get(name, [default])[0]


@dataclass(frozen=True, slots=True)
class Reply:
    """A status and its JSON; None goes without a body."""

    status: int
    body: Any = None
    headers: tuple[tuple[str, str], ...] = ()


@dataclass(slots=True)
class Faults:
    """The control object: what is broken now. Set by tests and by the control endpoint.

    ``slow`` waits before the answer, in seconds; ``retry_after`` answers 429; ``status`` answers
    with it and no word; ``page`` answers 200 with a login page; ``denied`` turns every credential
    down; ``truncated`` drops the last entry of every list (or half of the bytes where a list has no
    count); ``silent`` answers writes with success and does nothing; ``clock_off`` moves the
    platform's own clock, in seconds.
    """

    slow: float = 0.0
    retry_after: int = 0
    status: int = 0
    page: bool = False
    denied: bool = False
    truncated: bool = False
    silent: bool = False
    clock_off: int = 0


@dataclass(frozen=True, slots=True)
class LogLine:
    """What the server saw: kept by it, not by the platform behind it."""

    method: str
    path: str
    status: int


@dataclass(slots=True)
class DoorServer(Listening):
    """Serves `respond` on a free port between `start` and `stop`.

    `cuts_bytes`: lists of this product carry no count, so truncation cuts the answer itself.
    """

    respond: Callable[[Request], Reply]
    now: Callable[[], datetime]
    faults: Faults = field(default_factory=Faults)
    cuts_bytes: bool = False
    log: list[LogLine] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _released: threading.Event = field(default_factory=threading.Event)
    _server: LoopbackServer = field(init=False)

    def __post_init__(self) -> None:
        manner = Manner(
            "sandbox-doors",
            too_long=Response(413, {}),
            most_octets=1024 * 1024,
            clock=self.now,  # the platform's time, not the machine's
        )
        self._server = LoopbackServer(self._served, manner)

    def stop(self) -> None:
        """Close the port, and let go of whoever waits for a slow answer."""
        self._released.set()
        self._server.stop()

    def answer(self, request: Request) -> Reply:
        """Answer one request; one at a time, as the platform's database would."""
        if self.faults.slow:
            self._released.wait(self.faults.slow)
        if self.faults.retry_after:
            reply = Reply(429, None, (("Retry-After", str(self.faults.retry_after)),))
        elif self.faults.status:
            reply = Reply(self.faults.status)
        else:
            with self._lock:
                reply = self.respond(request)
        self.log.append(LogLine(request.method, request.path, reply.status))
        return reply

    def _served(self, sent: wire.Request) -> Response:
        split = urlsplit(sent.target)
        query = parse_qs(split.query, keep_blank_values=True)
        made = self.answer(Request(sent.method, split.path, query, sent.headers, sent.body))
        headers = dict(made.headers)
        if self.faults.page:
            return Response(200, {**headers, "Content-Type": "text/html"}, _LOGIN_PAGE)
        if made.body is None:
            return Response(made.status, headers)
        headers["Content-Type"] = "application/json"
        body = json.dumps(made.body, ensure_ascii=False).encode()
        cut = Cut.SHORT if self.faults.truncated and self.cuts_bytes else Cut.NOWHERE
        return Response(made.status, headers, body, cut=cut)
