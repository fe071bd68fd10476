"""Takes in what was answered, within bounds. Called with any client; it parses nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final

from connectors.faults import Malformed, Transient

REQUEST_IDS: Final = ("x-request-id", "request-id", "x-correlation-id")
"""Under which names systems give a request's id, the usual first."""
MOST_REQUEST_ID: Final = 128


def bounded(
    room: str, chunks: Iterable[bytes], most: int, late: Callable[[], bool] | None
) -> bytes:
    """Join a body of at most ``most`` bytes; ``late`` says whether the time for it is over.

    A client's own timeout begins anew with each chunk, so a dripping answer would never end.
    ``late`` is None where a room has no time for the whole. Raises
    :class:`~connectors.faults.Malformed` (``<room>:size``) and
    :class:`~connectors.faults.Transient` (``<room>:timeout``).
    """
    taken = bytearray()
    for chunk in chunks:
        taken += chunk
        if len(taken) > most:
            raise Malformed(f"{room}: the answer is larger than allowed", code=f"{room}:size")
        if late is not None and late():
            raise Transient(f"{room}: the answer did not end in time", code=f"{room}:timeout")
    return bytes(taken)


def request_id(headers: Mapping[str, str], names: Sequence[str] = REQUEST_IDS) -> str:
    """Return the system's own id of the exchange, fit for logs and evidence; empty without one.

    ``headers`` finds the lower-case ``names``: a client's own headers do.
    """
    for name in names:
        text = headers.get(name, "")
        if text and text.isascii() and text.isprintable():
            return text[:MOST_REQUEST_ID]
    return ""
