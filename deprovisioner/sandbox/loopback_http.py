"""A small JSON server on loopback with bearer tokens, for the HR system, the control endpoint and
the wiki's SCIM side.

Called by `human_resources`, `control` and `scim_application`. Standard library only; not for
anything that leaves this machine.
"""

import contextlib
import hmac
import json
import threading
from collections.abc import Callable
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit

LOOPBACK = "127.0.0.1"
_MOST_OCTETS = 1024 * 1024
_METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
_NO_CONTENT = 204


@dataclass(frozen=True, slots=True)
class Call:
    """One request, already authorised and read; `token` is the one that was shown."""

    method: str
    path: tuple[str, ...]
    query: dict[str, str]
    body: dict[str, Any]
    token: str = ""


@dataclass(frozen=True, slots=True)
class Answer:
    """A status and the JSON that goes with it; 204 goes without. `media_type` names another kind
    of JSON.
    """

    status: int
    body: dict[str, Any]
    media_type: str = ""
    headers: tuple[tuple[str, str], ...] = ()


def problem(status: int, title: str) -> Answer:
    """Return a problem document (RFC 9457)."""
    return Answer(status, {"type": "about:blank", "status": status, "title": title})


class JsonServer:
    """Serves `respond` on a free port between `start` and `stop`, to whoever has a token."""

    def __init__(self, respond: Callable[[Call], Answer], *tokens: str, port: int = 0) -> None:
        self._respond, self._tokens, self._wanted_port = respond, tokens, port
        self._server: ThreadingHTTPServer | None = None
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Listen."""
        handler = _handler(self._answer)
        self._server = ThreadingHTTPServer((LOOPBACK, self._wanted_port), handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.05,), name="sandbox-http", daemon=True
        )
        self._thread.start()

    def stop(self) -> None:
        """Close the port and wait for the thread."""
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

    def _answer(self, method: str, target: str, authorization: str, raw: bytes) -> Answer:
        shown = authorization.encode("utf-8", "replace")
        known = [
            token
            for token in self._tokens
            if hmac.compare_digest(f"Bearer {token}".encode(), shown)
        ]
        if not known:
            return problem(401, "a bearer token is needed")
        split = urlsplit(target)
        try:
            body = json.loads(raw) if raw else {}
        except (ValueError, RecursionError):
            return problem(400, "the body is not JSON")
        if not isinstance(body, dict):
            return problem(400, "the body is not a JSON object")
        path = tuple(part for part in split.path.split("/") if part)
        return self._respond(Call(method, path, dict(parse_qsl(split.query)), body, known[0]))


def _handler(
    answer: Callable[[str, str, str, bytes], Answer],
) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        """One connection."""

        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base's name
            """Say nothing: addresses and names of people are in the paths."""

        def reply(self) -> None:
            """Read one request, answer it."""
            length = self.headers.get("Content-Length", "0")
            if not length.isdigit() or int(length) > _MOST_OCTETS:
                self.close_connection = True
                self._write(problem(413, "the body is too long"))
                return
            raw = self.rfile.read(int(length))
            authorization = self.headers.get("Authorization", "")
            self._write(answer(self.command, self.path, authorization, raw))

        def _write(self, made: Answer) -> None:
            empty = made.status == _NO_CONTENT
            body = b"" if empty else json.dumps(made.body, ensure_ascii=False).encode()
            good = made.status < 400
            kind = made.media_type or ("application/json" if good else "application/problem+json")
            with contextlib.suppress(OSError):  # the client may be gone
                self.send_response(made.status)
                if not empty:
                    self.send_header("Content-Type", kind)
                    self.send_header("Content-Length", str(len(body)))
                for name, value in made.headers:
                    self.send_header(name, value)
                if made.status == 401:
                    self.send_header("WWW-Authenticate", "Bearer")
                self.end_headers()
                self.wfile.write(body)

    for method in _METHODS:
        setattr(Handler, f"do_{method}", Handler.reply)
    return Handler
