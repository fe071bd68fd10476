"""The outermost layer of the API: bounds on what is read, headers on what is sent, one log line.

A plain ASGI middleware, so that it holds for every route, also for those that do not exist.
"""

from __future__ import annotations

import asyncio
import time
from typing import Final

import structlog
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from deprovisioner.api.problems import TOO_LARGE, TOO_SLOW, ProblemError
from deprovisioner.intake.document import MAX_BYTES

BODY_SECONDS: Final = 20.0
"""How long a body may take; a sender that trickles bytes must not hold a place for ever."""
_HEADERS: Final = (
    (b"cache-control", b"no-store"),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
)
_log = structlog.get_logger(__name__)


class Boundary:
    """Wraps the application."""

    def __init__(self, app: ASGIApp, seconds: float = BODY_SECONDS) -> None:
        self._app = app
        self._seconds = seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request within bounds."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began, status = time.monotonic(), 500

        async def answer(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message.get("headers", ()), *_HEADERS]
            await send(message)

        try:
            await self._app(scope, _bounded(receive, self._seconds), answer)
        finally:
            # The route, never the path: a query may name a person (Law 10).
            route = getattr(scope.get("route"), "path", "unknown")
            milliseconds = round((time.monotonic() - began) * 1000)
            _log.debug(
                "http.answered",
                method=scope["method"], route=route, status=status, milliseconds=milliseconds,
            )  # fmt: skip


def _bounded(receive: Receive, seconds: float) -> Receive:
    """Count the bytes as they come: a length header may be missing or lie."""
    size = 0
    deadline = time.monotonic() + seconds
    more = True

    async def take() -> Message:
        nonlocal size, more
        if not more:  # the body is read; what comes now is only the client going away
            return await receive()
        try:
            async with asyncio.timeout(max(0.0, deadline - time.monotonic())):
                message = await receive()
        except TimeoutError as error:
            raise ProblemError(TOO_SLOW) from error
        size += len(message.get("body", b""))
        more = message.get("more_body", False)
        if size > MAX_BYTES:
            raise ProblemError(TOO_LARGE, f"at most {MAX_BYTES} bytes")
        return message

    return take
