"""Hangs up on a client that connects and does not send a request.

The server library waits for ever for the first byte and for the end of the headers; a few hundred
idle connections would then keep everybody else out. Used by ``serving``; the body has its own
bound in ``boundary``.
"""

from __future__ import annotations

import asyncio
from typing import Any, ClassVar

from uvicorn.protocols.http.h11_impl import H11Protocol, RequestResponseCycle


class PatientProtocol(H11Protocol):
    """HTTP/1.1 where each request must have its headers complete within :attr:`seconds`."""

    seconds: ClassVar[float] = 10.0

    def __init__(self, *arguments: Any, **named: Any) -> None:  # noqa: ANN401 - the library's own
        super().__init__(*arguments, **named)
        self._running_out: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait for the first request."""
        super().connection_made(transport)
        self._wait()

    def data_received(self, data: bytes) -> None:
        """Stop waiting when a request has begun; wait when only a part of its headers is here."""
        super().data_received(data)
        if self._nothing_asked:
            self._wait()
        else:
            self._stop_waiting()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the timer."""
        self._stop_waiting()
        super().connection_lost(exc)

    @property
    def _nothing_asked(self) -> bool:
        last: RequestResponseCycle | None = self.cycle  # None before the first request
        return last is None or last.response_complete

    def _wait(self) -> None:
        if self._running_out is None:
            self._running_out = self.loop.call_later(self.seconds, self._hang_up)

    def _stop_waiting(self) -> None:
        if self._running_out is not None:
            self._running_out.cancel()
            self._running_out = None

    def _hang_up(self) -> None:
        self._running_out = None
        if self._nothing_asked:
            self.transport.close()
