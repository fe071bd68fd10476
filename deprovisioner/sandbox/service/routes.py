"""Finds a route by method and path.

Called by the rooms, whose routes carry what their product asks of a caller. `{name}` in a path is a
place that holds one part.
"""

from collections.abc import Callable, Iterable
from typing import Generic, Protocol, TypeVar


class Row(Protocol):
    """What is found."""

    @property
    def method(self) -> str:
        """`GET`."""

    @property
    def path(self) -> str:
        """`/users/{id}`."""


RowT = TypeVar("RowT", bound=Row)


class Table(Generic[RowT]):
    """All routes.

    `no_path` and `no_method` make the refusal that `find` raises, of the last part of the path;
    a part that begins with `reserved` is never what a place holds.
    """

    def __init__(
        self,
        known: Iterable[RowT],
        *,
        no_path: Callable[[str], Exception],
        no_method: Callable[[str], Exception],
        reserved: str | None = None,
    ) -> None:
        self.routes = tuple(known)
        self._no_path, self._no_method, self._reserved = no_path, no_method, reserved
        self._by_length: dict[int, list[tuple[tuple[str, ...], RowT]]] = {}
        for route in sorted(self.routes, key=lambda row: row.path.count("{")):
            parts = tuple(route.path.strip("/").split("/"))
            self._by_length.setdefault(len(parts), []).append((parts, route))

    def find(self, method: str, parts: tuple[str, ...]) -> tuple[RowT, dict[str, str]]:
        """Return the route and what its places hold; raises what `no_path`, `no_method` make."""
        refuse = self._no_path
        for wanted, route in self._by_length.get(len(parts), ()):
            places = self._matched(wanted, parts)
            if places is not None and route.method == method:
                return route, places
            if places is not None:
                refuse = self._no_method
        raise refuse(parts[-1] if parts else "")

    def _matched(self, wanted: tuple[str, ...], parts: tuple[str, ...]) -> dict[str, str] | None:
        places: dict[str, str] = {}
        for pattern, part in zip(wanted, parts, strict=True):
            if pattern.startswith("{"):
                if self._reserved is not None and part.startswith(self._reserved):
                    return None
                places[pattern.strip("{}")] = part
            elif pattern != part:
                return None
        return places
