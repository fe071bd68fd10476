"""The fake GitLab on a loopback port: HTTP in front of the service.

Started through `ForgeServer` by the sandbox, tests and benchmarks. Plain HTTP on 127.0.0.1 and
nothing else. Unlike the fake Graph it must be able to end a body early without a length, and to
tell the time of the injected clock in `Date`.
"""

import contextlib
import json
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from deprovisioner.sandbox.gitlab.service import Request, Response
from deprovisioner.sandbox.loopback_http import LOOPBACK

_MOST_OCTETS = 4 * 1024 * 1024
_METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")


class LoopbackServer:
    """Serves `respond` on a free port between `start` and `stop`."""

    def __init__(self, respond: Callable[[Request], Response], *, port: int = 0) -> None:
        self._respond, self._wanted_port = respond, port
        self._server: ThreadingHTTPServer | None = None
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Listen."""
        self._server = _Quiet((LOOPBACK, self._wanted_port), _handler(self._respond))
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.05,), name="sandbox-gitlab", daemon=True
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
        """`http://127.0.0.1:port`; raises RuntimeError before `start`."""
        if self._server is None:
            raise RuntimeError("the server is not started")
        return f"http://{LOOPBACK}:{self._server.server_address[1]}"


class _Quiet(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128


def _handler(respond: Callable[[Request], Response]) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        """One connection."""

        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True
        wbufsize = -1

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base's name
            """Say nothing: names of people are in the paths."""

        def reply(self) -> None:
            """Read one request, answer it."""
            length = self.headers.get("Content-Length", "0")
            if not length.isdigit() or int(length) > _MOST_OCTETS:
                self.close_connection = True
                words = json.dumps({"error": "413 Request Entity Too Large"}).encode()
                self._write(Response(413, {"Content-Type": "application/json"}, words))
                return
            headers = {name.lower(): value for name, value in self.headers.items()}
            raw = self.rfile.read(int(length))
            self._write(respond(Request(self.command, self.path, headers, raw)))

        def _write(self, made: Response) -> None:
            if made.is_dropped:
                self.close_connection = True
                return
            body = made.body[: len(made.body) // 2] if made.is_truncated else made.body
            with contextlib.suppress(OSError):  # the client may be gone
                self.send_response_only(made.status)
                for name, value in made.headers.items():
                    self.send_header(name, value)
                if made.is_truncated:
                    self.close_connection = True
                    self.send_header("Connection", "close")
                elif made.status != 204:
                    self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)
                self.wfile.flush()

    for method in _METHODS:
        setattr(Handler, f"do_{method}", Handler.reply)
    return Handler
