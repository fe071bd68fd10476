"""Hosts a pretended service between `start` and `stop`, and gives tests a hand in its state.

Called by the servers of the rooms, which add the controls of their product.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from types import TracebackType
from typing import Any, Generic, Self, TypeVar

from deprovisioner.sandbox.service.versions import VersionedStore
from deprovisioner.sandbox.service.wire import LoopbackServer

StoreT = TypeVar("StoreT", bound=VersionedStore[Any, Any])


class Started(ABC):
    """Runs between `start` and `stop`; a context manager."""

    @abstractmethod
    def start(self) -> None:
        """Begin."""

    @abstractmethod
    def stop(self) -> None:
        """End, and wait for the end."""

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()


class Listening(Started):
    """Listens on a loopback port; whoever inherits makes the server."""

    _server: LoopbackServer

    def start(self) -> None:
        """Listen on 127.0.0.1."""
        self._server.start()

    def stop(self) -> None:
        """Close the port."""
        self._server.stop()

    @property
    def url(self) -> str:
        """`http://127.0.0.1:port`, without a version; raises RuntimeError before `start`."""
        return self._server.url


class StatefulServer(Listening, Generic[StoreT]):
    """A state behind a loopback port. `under_lock` does something between two requests."""

    def __init__(
        self,
        store: StoreT,
        under_lock: Callable[[Callable[[], None]], None],
        server: LoopbackServer,
    ) -> None:
        self._store, self._under_lock, self._server = store, under_lock, server

    def edit(self, change: Callable[[StoreT], object], author: str = "somebody else") -> None:
        """Change the state past all rules, as somebody else would (a person, a worker, AD)."""

        def act() -> None:
            self._store.author = author
            change(self._store)

        self._under_lock(act)

    def _settled(self) -> StoreT:
        """Return the state after all that is due."""
        self._under_lock(lambda: None)
        return self._store
