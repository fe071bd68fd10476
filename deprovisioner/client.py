"""The way to the daemon's API for the command line, the demo and its scripted people.

One client, two roads: the Unix socket of a running daemon, or the same application in this process
over a house at rest. What is asked and who may ask it is the same on both. It knows HTTP, problem
documents and tokens; it decides nothing and retries nothing.
"""

from __future__ import annotations

import asyncio
import socket
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self, TypeVar

import httpx
from pydantic import TypeAdapter, ValidationError

Shape = TypeVar("Shape")
TIMEOUT: Final = 120.0
"""Seconds for one answer: `plan` surveys every system before it answers."""
_ERROR: Final = 400


class NoAnswer(Exception):
    """Nobody answers on the socket, or the connection broke."""


class Problem(Exception):
    """The API said no: the fields of its problem document (RFC 9457)."""

    def __init__(self, status: int, kind: str, title: str, details: tuple[str, ...]) -> None:
        super().__init__("; ".join((title, *details)))
        self.status, self.kind, self.title, self.details = status, kind, title, details


class Client:
    """Speaks to one daemon with one token. A context manager; not for several threads."""

    def __init__(self, transport: httpx.AsyncBaseTransport, token: str = "") -> None:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        self._runner = asyncio.Runner()
        self._http = httpx.AsyncClient(
            transport=transport,
            base_url="http://daemon",
            headers=headers,
            timeout=TIMEOUT,
            trust_env=False,  # a proxy of the environment must not see our traffic
        )

    @classmethod
    def over_socket(cls, path: Path, token: str = "") -> Self:
        """Speak to a running daemon."""
        return cls(httpx.AsyncHTTPTransport(uds=str(path)), token)

    @classmethod
    def in_process(cls, app: Any, token: str = "") -> Self:  # noqa: ANN401 - any ASGI application
        """Speak to an application of this process."""
        return cls(httpx.ASGITransport(app=app, raise_app_exceptions=False), token)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the connection."""
        self._runner.run(self._http.aclose())
        self._runner.close()

    def get(self, path: str, shape: type[Shape], **query: str | int | bool) -> Shape:
        """Read one thing in its shape. Raises :class:`Problem`, :class:`NoAnswer`."""
        return _shaped(self._ask("GET", path, params=query).content, shape)

    def post(self, path: str, body: Any, shape: type[Shape]) -> Shape:  # noqa: ANN401 - JSON
        """Send JSON and read the answer in its shape. Raises the same."""
        return _shaped(self._ask("POST", path, json=body).content, shape)

    def command(self, path: str, body: Any = None) -> None:  # noqa: ANN401 - JSON
        """Send JSON where nothing comes back. Raises the same."""
        self._ask("POST", path, **({} if body is None else {"json": body}))

    def delete(self, path: str) -> None:
        """End something. Raises the same."""
        self._ask("DELETE", path)

    def deliver(self, event: bytes, shape: type[Shape]) -> Shape:
        """Post an event as the webhook door takes it, with our token in place of a signature."""
        headers = {"Content-Type": "application/cloudevents+json"}
        answer = self._ask("POST", "/v1/terminations", content=event, headers=headers)
        return _shaped(answer.content, shape)

    def download(self, path: str) -> bytes:
        """Read bytes as they are. Raises the same."""
        return self._ask("GET", path).content

    def _ask(self, method: str, path: str, **how: Any) -> httpx.Response:  # noqa: ANN401 - httpx's
        try:
            answer = self._runner.run(self._http.request(method, path, **how))
        except httpx.HTTPError as error:
            raise NoAnswer(f"the daemon did not answer: {type(error).__name__}") from error
        if answer.status_code >= _ERROR:
            raise _problem(answer)
        return answer


def listens(path: Path) -> bool:
    """Say whether a daemon listens on the socket. Raises OSError where we may not look."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(2)
        try:
            probe.connect(str(path))
        except (FileNotFoundError, ConnectionRefusedError):
            return False
    return True


def _shaped(body: bytes, shape: type[Shape]) -> Shape:
    try:
        return TypeAdapter(shape).validate_json(body)
    except ValidationError as error:
        raise NoAnswer("the answer has another shape: is the daemon of another release?") from error


def _problem(answer: httpx.Response) -> Problem:
    try:
        said = answer.json()
    except ValueError:
        said = {}
    known = said if isinstance(said, dict) else {}
    kind = str(known.get("type", "")).rpartition(":")[2]
    details = tuple(str(line) for line in [known.get("detail", ""), *known.get("errors", [])])
    title = str(known.get("title", f"HTTP status {answer.status_code}"))
    return Problem(answer.status_code, kind, title, tuple(line for line in details if line))
