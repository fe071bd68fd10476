"""What a pretended service does later, on its own clock: workers, replicas, delivery.

Called by the handlers of the rooms (`after`) and by their services before each request (`settle`).
"""

import heapq
from collections.abc import Callable
from datetime import datetime, timedelta
from itertools import count
from typing import Any

from deprovisioner.sandbox.service.versions import VersionedStore


class Agenda:
    """What is due, and in whose name."""

    def __init__(self, store: VersionedStore[Any, Any]) -> None:
        self._store, self._numbers = store, count()
        self._waiting: list[tuple[datetime, int, str, Callable[[], None]]] = []

    def after(self, delay: timedelta, action: Callable[[], None]) -> None:
        """Do something later, in the name of whoever asks now."""
        if self._store.is_muted:
            return
        due = self._store.now + delay
        heapq.heappush(self._waiting, (due, next(self._numbers), self._store.author, action))

    def settle(self) -> None:
        """Do what is due, stamped with the instant at which it was."""
        now = self._store.clock()
        while self._waiting and self._waiting[0][0] <= now:
            due, _, author, action = heapq.heappop(self._waiting)
            self._store.author = author
            self._store.at(due)
            action()
        self._store.at(None)
