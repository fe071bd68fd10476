"""One HR source behind one name for many threads, because a source need not be safe for several.

Made by ``deprovisioner.wiring``. It adds nothing to what the source answers.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from datetime import date

from connectors.contract import Page, Probe
from connectors.hr.contract import Employment, EmploymentReading, HrSource


class HrPerThread:
    """One HR source per thread behind one name: sources need not be safe for several threads."""

    def __init__(self, make: Callable[[], HrSource]) -> None:
        self._make = make
        self._mine = threading.local()
        self._all: list[HrSource] = []
        self._lock = threading.Lock()

    def _source(self) -> HrSource:
        source: HrSource | None = getattr(self._mine, "source", None)
        if source is None:
            source = self._mine.source = self._make()
            with self._lock:
                self._all.append(source)
        return source

    def read(self, employment_id: str) -> EmploymentReading:
        """Read one employment."""
        return self._source().read(employment_id)

    def left_since(self, day: date) -> Iterator[Page[Employment]]:
        """Page through leavers."""
        return self._source().left_since(day)

    def probe(self) -> Iterator[Probe]:
        """Answer ``doctor``."""
        return self._source().probe()

    def close(self) -> None:
        """Close the sources of all threads."""
        with self._lock:
            for source in self._all:
                source.close()
            self._all.clear()
