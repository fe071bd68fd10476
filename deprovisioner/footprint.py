"""Keeps an idle daemon small: one allocation arena, and nothing held for work that is not there.

Used by ``deprovisioner.daemon``. Under load it does nothing; it judges no work and delays none.
"""

from __future__ import annotations

import ctypes
import threading
from collections.abc import Callable
from typing import Final

import structlog

from reconcile.store.database import Database

_log = structlog.get_logger(__name__)
_ARENA_MAX: Final = -8
"""``M_ARENA_MAX`` of glibc's malloc.h; ``MALLOC_ARENA_MAX`` in the environment is the same."""
_BEAT: Final = 1.0
"""Seconds between two looks at whether anything runs."""
_QUIET: Final = 3
"""Looks in a row at which nothing ran, after which what was held for it is given back."""


def one_arena() -> None:
    """Let all threads share one arena; elsewhere than on glibc nothing happens.

    By default each thread gets one, up to eight for each core, and what a thread has freed there
    helps no other: 15 MB in a daemon with ten systems (benchmarks/bench_idle.py). Only one thread
    runs Python at a time, so they hardly wait for each other. Call it before they are made.
    """
    _of_libc("mallopt", _ARENA_MAX, 1)


def _of_libc(name: str, *numbers: int) -> None:
    function = getattr(ctypes.CDLL(None), name, None)
    if function is not None:
        function(*numbers)


class Rest:
    """Gives back connections and freed memory when operations have ended and none begins.

    A connection of SQLite holds up to 128 prepared statements and its page cache, and the work of
    a single leaver opens one for each of its systems. The next work opens what it needs.
    """

    def __init__(self, database: Database, running: Callable[[], int], beat: float = _BEAT) -> None:
        self._database = database
        self._running = running
        self._beat = beat
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="rest", daemon=True)

    def start(self) -> None:
        """Begin to look; returns at once."""
        self._thread.start()

    def stop(self) -> None:
        """End, and wait for it; it need not have begun."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join()

    def _watch(self) -> None:
        quiet = 0
        while not self._stopping.wait(self._beat):
            quiet = 0 if self._running() else quiet + 1
            if quiet == _QUIET:
                self._database.rest()
                _of_libc("malloc_trim", 0)
                _log.debug("daemon.rests")
