"""Listens on loopback for the fake door platforms, breaks when told to, and logs past the fakes.

Called by the products' modules. Unlike `loopback_http`, whose answers it shares, it hands over raw
bodies and headers: signatures are checked on what was really sent. Not for anything that leaves
this machine.
"""

import contextlib
import json
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from deprovisioner.sandbox.loopback_http import LOOPBACK

_MOST_OCTETS = 1024 * 1024
_NO_CONTENT = 204


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
class DoorServer:
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
    _server: ThreadingHTTPServer | None = None
    _thread: threading.Thread | None = None

    def start(self) -> None:
        """Listen."""
        self._server = ThreadingHTTPServer((LOOPBACK, 0), _handler(self))
        self._server.daemon_threads = True
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.02,), name="sandbox-doors", daemon=True
        )
        self._thread.start()

    def stop(self) -> None:
        """Close the port and wait for the thread."""
        self._released.set()
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
        if self._thread is not None:
            self._thread.join(timeout=5)

    @property
    def url(self) -> str:
        """The base URL; raises RuntimeError before `start`."""
        if self._server is None:
            raise RuntimeError("the server is not started")
        return f"http://{LOOPBACK}:{self._server.server_address[1]}"

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

    def stamped(self) -> str:
        """Return the platform's time for the Date header."""
        return format_datetime(self.now().astimezone(UTC), usegmt=True)


def _handler(server: DoorServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        """One connection."""

        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base's name
            """Say nothing: addresses and names of people are in the paths."""

        def date_time_string(self, timestamp: float | None = None) -> str:
            """Tell the platform's time, not the machine's."""
            return server.stamped()

        def reply(self) -> None:
            """Read one request, answer it."""
            length = int(self.headers.get("Content-Length") or 0)
            if length > _MOST_OCTETS:
                self.close_connection = True
                self._write(Reply(413))
                return
            split = urlsplit(self.path)
            query = parse_qs(split.query, keep_blank_values=True)
            headers = {name.lower(): value for name, value in self.headers.items()}
            raw = self.rfile.read(length)
            self._write(server.answer(Request(self.command, split.path, query, headers, raw)))

        def _write(self, made: Reply) -> None:
            body = b"" if made.body is None else json.dumps(made.body, ensure_ascii=False).encode()
            kind, length = "application/json", len(body)
            if server.faults.page:
                body, kind = b"<html><body>Sign in</body></html>", "text/html"
                length = len(body)
            elif server.faults.truncated and server.cuts_bytes and body:
                body, self.close_connection = body[: len(body) // 2], True
            with contextlib.suppress(OSError):  # the client may be gone
                self.send_response(200 if server.faults.page else made.status)
                if made.status != _NO_CONTENT:
                    self.send_header("Content-Length", str(length))
                if body:
                    self.send_header("Content-Type", kind)
                for name, value in made.headers:
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body)

    for method in ("GET", "POST", "PUT", "PATCH", "DELETE"):
        setattr(Handler, f"do_{method}", Handler.reply)
    return Handler
