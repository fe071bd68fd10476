"""Records in every version they had, so that a replica can show the past.

Called by the stores of the rooms, which add what their product needs (ids, links). Written one
request at a time, read through a `Versions` view at an instant: the primary is the view of now. It
knows no rule of any product.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Generic, TypeVar

Record = dict[str, Any]
"""A resource as JSON. Members that begin with an underscore are the fake's own and never leave."""

BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)

TableT = TypeVar("TableT", bound=StrEnum)
KeyT = TypeVar("KeyT", bound=str | int)
History = list[tuple[datetime, Record | None]]
"""What one record was, from when on; None: it was not there."""


@dataclass(frozen=True, slots=True)
class Written(Generic[KeyT]):
    """One change of the state: who, when, where, what was there and what is there now."""

    at: datetime
    by: str
    place: str
    key: KeyT
    before: Record | None
    after: Record | None


class VersionedStore(Generic[TableT, KeyT]):
    """All versions of everything; `listen` hears each change.

    `indexed` are members that records are looked up by so often that whoever ever had a value is
    remembered.
    """

    def __init__(
        self,
        tables: type[TableT],
        clock: Callable[[], datetime],
        listen: Callable[[Written[KeyT]], None],
        *,
        author: str,
        indexed: frozenset[str],
    ) -> None:
        self.clock, self._listen = clock, listen
        self.author, self.indexed = author, indexed
        self.is_muted = False
        self._now: datetime | None = BEGINNING
        self._rows: dict[TableT, dict[KeyT, History]] = {table: {} for table in tables}
        self._holding: dict[tuple[str, str, object], dict[KeyT, None]] = {}

    def at(self, instant: datetime | None) -> None:
        """Stamp what follows with this instant; with None, by the clock again."""
        self._now = instant

    @property
    def now(self) -> datetime:
        """The instant that writes are stamped with."""
        return self._now or self.clock()

    @contextmanager
    def muted(self) -> Iterator[None]:
        """Let writes succeed and change nothing."""
        self.is_muted = True
        try:
            yield
        finally:
            self.is_muted = False

    def change(self, table: TableT, key: KeyT, **members: Any) -> Record:  # noqa: ANN401 - JSON
        """Replace members of a record; raises KeyError on a stranger."""
        history = self._rows[table].get(key, [])
        old = last(history)
        if old is None:
            raise KeyError(key)
        new = {**old, **members}
        self._write(history, table, key, new)
        return new

    def drop(self, table: TableT, key: KeyT) -> None:
        """Take a record away; nothing happens where none is."""
        history = self._rows[table].get(key, [])
        if last(history) is not None:
            self._write(history, table, key, None)

    def history(self, table: TableT, key: KeyT) -> Sequence[tuple[datetime, Record | None]]:
        """Return the versions of a record, oldest first; none of a stranger."""
        return self._rows[table].get(key, ())

    def keys(self, table: TableT) -> list[KeyT]:
        """Return every key there ever was, in the order of the first version."""
        return list(self._rows[table])

    def held(self, table: TableT, name: str, value: object) -> list[KeyT]:
        """Return whoever ever had a value in an indexed member, in the order in which they did."""
        return list(self._holding.get((table, name, value), ()))

    def _put(self, table: TableT, key: KeyT, record: Record) -> None:
        self._write(self._rows[table].setdefault(key, []), table, key, record)

    def _write(self, history: History, place: str, key: KeyT, new: Record | None) -> None:
        if self.is_muted:
            return
        for name in self.indexed.intersection(new or ()):
            self._holding.setdefault((place, name, (new or {})[name]), {})[key] = None
        before, now = last(history), self.now
        history.append((now, new))
        self._listen(Written(now, self.author, place, key, before, new))


class VersionedView(Generic[TableT, KeyT]):
    """The state at one instant. Records are shared: never change one."""

    def __init__(self, store: VersionedStore[TableT, KeyT], instant: datetime) -> None:
        self._records, self.instant = store, instant

    def get(self, table: TableT, key: KeyT) -> Record | None:
        """Return a record, None where there is none."""
        return self._seen(self._records.history(table, key))

    def every(self, table: TableT) -> Iterator[Record]:
        """Yield the records of a table in the order in which they were first made."""
        return self._found(table, self._records.keys(table))

    def where(self, table: TableT, **members: Any) -> list[Record]:  # noqa: ANN401 - JSON
        """Return the records whose members have these values."""
        wanted = members.items()
        return [
            record
            for record in self._candidates(table, members)
            if all(record.get(name) == value for name, value in wanted)
        ]

    def first(self, table: TableT, **members: Any) -> Record | None:  # noqa: ANN401 - JSON
        """Return the first record whose members have these values."""
        return next(iter(self.where(table, **members)), None)

    def _candidates(self, table: TableT, members: Record) -> Iterator[Record]:
        for name in sorted(self._records.indexed.intersection(members)):
            known = self._records.held(table, name, members[name])
            return self._found(table, self._ordered(known))
        return self.every(table)

    def _ordered(self, keys: list[KeyT]) -> list[KeyT]:
        return keys

    def _found(self, table: TableT, keys: Iterable[KeyT]) -> Iterator[Record]:
        found = (self.get(table, key) for key in keys)
        return (record for record in found if record is not None)

    def _seen(self, history: Sequence[tuple[datetime, Record | None]]) -> Record | None:
        for written, record in reversed(history):
            if written <= self.instant:
                return record
        return None


def last(history: History) -> Record | None:
    """Return the newest version; None of a stranger and of what was taken away."""
    return history[-1][1] if history else None
