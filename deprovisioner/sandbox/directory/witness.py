"""The directory's own diary of writes: an independent witness beside our evidence.

Written by `operations`, read by tests and the control endpoint. Passwords are never kept in it.
"""

import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

_SILENT = frozenset({"userpassword", "krbprincipalkey"})
WITHHELD = b"(withheld)"


@dataclass(frozen=True, slots=True)
class Change:
    """One line of a write: what happened to which values of which attribute."""

    action: str
    attribute: str
    values: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class Write:
    """One write request with the answer it really had (not the one a fault made of it)."""

    sequence: int
    at: datetime
    who: str
    operation: str
    name: str
    changes: tuple[Change, ...]
    result: int


class Witness:
    """Append-only list of writes and of refused sign-ins, safe to read from any thread."""

    def __init__(self, clock: Callable[[], datetime]) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._writes: list[Write] = []

    def record(
        self, who: str, operation: str, name: str, changes: tuple[Change, ...], result: int
    ) -> None:
        """Append one write."""
        kept = tuple(_without_secrets(change) for change in changes)
        with self._lock:
            number = len(self._writes) + 1
            self._writes.append(Write(number, self._clock(), who, operation, name, kept, result))

    def writes(self) -> tuple[Write, ...]:
        """Everything so far, in order."""
        with self._lock:
            return tuple(self._writes)


def _without_secrets(change: Change) -> Change:
    if change.attribute.partition(";")[0].lower() not in _SILENT:
        return change
    return Change(change.action, change.attribute, tuple(WITHHELD for _ in change.values))
