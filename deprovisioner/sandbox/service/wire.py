"""HTTP on a loopback port in front of a pretended service, down to what is cut and dropped.

Called by the rooms that pretend a service over HTTP, and by `loopback_http`. What a body or a token
means is theirs; nothing here listens on anything but 127.0.0.1.
"""

import contextlib
import json
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import format_datetime
from enum import StrEnum
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

LOOPBACK = "127.0.0.1"
_NO_CONTENT = 204


@dataclass(frozen=True, slots=True)
class Request:
    """One request as it came in; header names are in lower case."""

    method: str
    target: str
    """Path and query, as they were sent."""
    headers: Mapping[str, str]
    body: bytes = b""


class Cut(StrEnum):
    """How a body ends after its first half."""

    NOWHERE = "nowhere"
    UNSEEN = "unseen"
    """There is no length: the end of the connection looks like the end of the body."""
    SHORT = "short"
    """The length is that of the whole."""


@dataclass(frozen=True, slots=True)
class Response:
    """One answer as it goes out."""

    status: int
    headers: dict[str, str]
    body: bytes = b""
    wait: float = 0.0
    """Seconds that were waited before it is sent."""
    is_dropped: bool = False
    """The connection is closed instead."""
    cut: Cut = Cut.NOWHERE


def json_response(status: int, body: Mapping[str, object]) -> Response:
    """Return an answer in plain JSON."""
    return Response(status, {"Content-Type": "application/json"}, json.dumps(body).encode())


@dataclass(frozen=True, slots=True)
class Manner:
    """How a server behaves around the answers of its service."""

    name: str
    """Of its thread."""
    too_long: Response
    """For a request with more than `most_octets`, or with a length that is no number."""
    most_octets: int
    is_announced: bool = True
    """`Server` and `Date` go out with every answer; off: the answers bring all they need."""
    clock: Callable[[], datetime] | None = None
    """What `Date` tells; None: the time of the machine."""


class LoopbackServer:
    """Serves `respond` between `start` and `stop`; on port 0 the machine chooses a free one."""

    def __init__(
        self, respond: Callable[[Request], Response], manner: Manner, *, port: int = 0
    ) -> None:
        self._respond, self._manner, self._wanted_port = respond, manner, port
        self._server: _Server | None = None
        self._thread: threading.Thread | None = None
        self._url = ""

    def start(self) -> None:
        """Listen."""
        self._server = _Server(self._wanted_port, self._respond, self._manner)
        self._url = f"http://{LOOPBACK}:{self._server.server_address[1]}"
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.05,), name=self._manner.name, daemon=True
        )
        self._thread.start()

    def stop(self) -> None:
        """Close the port and wait for the thread."""
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
        if self._thread is not None:
            self._thread.join(timeout=5)
        self._server = self._thread = None

    @property
    def url(self) -> str:
        """`http://127.0.0.1:port`, also of a port that is closed again; raises RuntimeError before
        `start`.
        """
        if not self._url:
            raise RuntimeError("the server is not started")
        return self._url


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, port: int, respond: Callable[[Request], Response], manner: Manner) -> None:
        self.respond, self.manner = respond, manner
        super().__init__((LOOPBACK, port), _Handler)


class _Handler(BaseHTTPRequestHandler):
    """One connection."""

    server: _Server
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base's name
        """Say nothing: addresses and names of people are in the paths."""

    def date_time_string(self, timestamp: float | None = None) -> str:
        """Tell the time of the service, where it has its own."""
        clock = self.server.manner.clock
        if clock is None:
            return super().date_time_string(timestamp)
        return format_datetime(clock().astimezone(UTC), usegmt=True)

    def reply(self) -> None:
        """Read one request, answer it."""
        length = self.headers.get("Content-Length", "0")
        if not length.isdigit() or int(length) > self.server.manner.most_octets:
            self.close_connection = True
            self._write(self.server.manner.too_long)
            return
        headers = {name.lower(): value for name, value in self.headers.items()}
        raw = self.rfile.read(int(length))
        self._write(self.server.respond(Request(self.command, self.path, headers, raw)))

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = reply  # noqa: N815 - the base's names

    def _write(self, made: Response) -> None:
        if made.is_dropped:
            self.close_connection = True
            return
        with contextlib.suppress(OSError):  # the client may be gone
            self._write_head(made)
            whole = made.cut is Cut.NOWHERE
            self.wfile.write(made.body if whole else made.body[: len(made.body) // 2])
            self.wfile.flush()

    def _write_head(self, made: Response) -> None:
        is_announced = self.server.manner.is_announced
        begin = self.send_response if is_announced else self.send_response_only
        begin(made.status)
        for name, value in made.headers.items():
            self.send_header(name, value)
        if made.cut is Cut.UNSEEN:
            self.send_header("Connection", "close")
        elif made.status != _NO_CONTENT:
            self.send_header("Content-Length", str(len(made.body)))
        if made.cut is not Cut.NOWHERE:
            self.close_connection = True
        self.end_headers()
