"""The objects of the pretend domain, with the history that a lagging controller needs.

Called by ``writing`` (which makes new states) and ``reading`` (which looks at one). A state never
changes: readers need no lock and see one moment. Links are kept by objectGUID, so they follow a
rename at once and a deletion hides them; undeleting brings them back, as with the recycle bin.
"""

import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import cached_property
from typing import Final
from uuid import UUID

from deprovisioner.sandbox.directory.names import Key, key_of
from deprovisioner.sandbox.directory.results import Code, RefusalError
from deprovisioner.sandbox.forest.attributes import BACK, TABLE
from deprovisioner.sandbox.forest.identifiers import Descriptor

_EPOCH_TICKS: Final = 116_444_736_000_000_000
_LINKED: Final = tuple(one for one in TABLE if one.linked)


def ticks(moment: datetime) -> int:
    """Count 100 ns since 1601 (FILETIME, MS-DTYP 2.3.3)."""
    return int(moment.timestamp() * 10_000_000) + _EPOCH_TICKS


def link(target: UUID, prefix: bytes = b"") -> bytes:
    """Write a link as it is kept; ``prefix`` is ``B:length:hexadecimal:`` or nothing."""
    return prefix + b"\0" + target.bytes


def target_of(value: bytes) -> UUID:
    """Return the object that a kept link leads to."""
    return UUID(bytes=value[-16:])


@dataclass(frozen=True, slots=True)
class Item:
    """One object. ``values`` by lower-case name; ``passwords``: the one now, the one before."""

    guid: UUID
    rdn: str
    parent: UUID | None
    values: Mapping[str, tuple[bytes, ...]]
    descriptor: Descriptor
    passwords: tuple[str, ...] = ()
    deleted: bool = False

    def first(self, key: str) -> str:
        """The first value as text, or nothing."""
        values = self.values.get(key, ())
        return values[0].decode("utf-8", "replace") if values else ""

    def number(self, key: str) -> int:
        """The first value as a number; 0 when there is none."""
        return int(self.first(key) or 0)

    def has_class(self, name: str) -> bool:
        """Tell whether an object is of a class or of one built on it."""
        wanted = name.encode().lower()
        return any(value.lower() == wanted for value in self.values.get("objectclass", ()))

    def with_values(self, **values: tuple[bytes, ...]) -> "Item":
        """Return this object with some attributes set, or removed by nothing."""
        kept = {**self.values, **{key.replace("__", "-"): new for key, new in values.items()}}
        return replace(self, values={key: new for key, new in kept.items() if new})


class State:
    """Everything at one moment."""

    def __init__(self, items: Mapping[UUID, Item]) -> None:
        self.items = items

    @cached_property
    def names(self) -> dict[UUID, str]:
        """The distinguished name of every object."""
        found: dict[UUID, str] = {}
        for item in self.items.values():
            self._name(item, found)
        return found

    def _name(self, item: Item, found: dict[UUID, str]) -> str:
        if item.guid not in found:
            above = self._name(self.items[item.parent], found) if item.parent else ""
            found[item.guid] = f"{item.rdn},{above}" if above else item.rdn
        return found[item.guid]

    @cached_property
    def by_name(self) -> dict[Key, Item]:
        """Every object by the normal form of its name."""
        return {key_of(name): self.items[guid] for guid, name in self.names.items()}

    @cached_property
    def by_sid(self) -> dict[bytes, Item]:
        """Every object that has a security identifier, by it."""
        held = ((item.values.get("objectsid"), item) for item in self.items.values())
        return {sids[0]: item for sids, item in held if sids}

    @cached_property
    def sources(self) -> dict[tuple[str, UUID], list[Item]]:
        """Who links to an object, by the attribute's lower-case name."""
        found: dict[tuple[str, UUID], list[Item]] = {}
        for item in self.items.values():
            for one in _LINKED:
                for value in item.values.get(one.key, ()):
                    found.setdefault((one.key, target_of(value)), []).append(item)
        return found

    def find(self, name: str, *, deleted: bool = False) -> Item:
        """Return the object of a name, ``<GUID=...>`` or ``<SID=...>``; raises `RefusalError`."""
        item = self._special(name) if name.startswith("<") else self.by_name.get(key_of(name))
        if item is None or (item.deleted and not deleted):
            raise RefusalError(Code.NO_SUCH_OBJECT, f"00002030: No such Base DN: {name}")
        return item

    def _special(self, name: str) -> Item | None:
        kind, _, value = name.strip("<>").partition("=")
        try:
            return self.items.get(UUID(value)) if kind.upper() == "GUID" else None
        except ValueError as error:
            raise RefusalError(Code.INVALID_DN_SYNTAX, "invalid GUID") from error

    def below(self, top: Item) -> Iterator[Item]:
        """Yield an object and everything below it."""
        yield top
        for child in self.children.get(top.guid, ()):
            yield from self.below(child)

    @cached_property
    def children(self) -> dict[UUID, list[Item]]:
        """The objects right below each one."""
        found: dict[UUID, list[Item]] = {}
        for item in self.items.values():
            if item.parent is not None:
                found.setdefault(item.parent, []).append(item)
        return found

    def is_below(self, item: Item, top: UUID) -> bool:
        """Tell whether an object is in the branch of another."""
        while item.guid != top:
            if item.parent is None:
                return False
            item = self.items[item.parent]
        return True

    def shown(self, item: Item, key: str) -> tuple[bytes, ...]:
        """Return the values of a stored attribute or back link as a client reads them."""
        if key == "distinguishedname":
            return (self.names[item.guid].encode(),)
        if key in BACK:
            sources = self.sources.get((BACK[key].key, item.guid), ())
            return tuple(self.names[one.guid].encode() for one in sources if not one.deleted)
        values = item.values.get(key, ())
        if key not in _LINKED_KEYS:
            return values
        targets = ((value, self.items.get(target_of(value))) for value in values)
        return tuple(
            value[:-17] + self.names[target.guid].encode()
            for value, target in targets
            if target is not None and not target.deleted
        )

    def groups_of(self, item: Item) -> set[UUID]:
        """Return every group an object is in, through others and through the primary group."""
        found: set[UUID] = set()
        todo = [item.guid]
        primary = item.number("primarygroupid")
        if primary and "objectsid" in item.values:
            sid = item.values["objectsid"][0][:-4] + primary.to_bytes(4, "little")
            todo += [self.by_sid[sid].guid] if sid in self.by_sid else []
            found.update(todo[1:])
        while todo:
            for group in self.sources.get(("member", todo.pop()), ()):
                if group.guid not in found and not group.deleted:
                    found.add(group.guid)
                    todo.append(group.guid)
        return found


_LINKED_KEYS: Final = frozenset(one.key for one in _LINKED)


class Store:
    """The current state, those before it, and what numbers come next. ``clock``: aware UTC."""

    def __init__(self, clock: Callable[[], datetime], new_id: Callable[[], UUID]) -> None:
        self.clock, self.new_id = clock, new_id
        self.lock = threading.RLock()
        self._state = State({})
        self._history: deque[tuple[datetime, State]] = deque(maxlen=512)
        self._last_ticks = 0
        self._next_number = 1103

    def state(self, lag_seconds: float = 0.0) -> State:
        """Return the state of now, or as it was some time ago."""
        if not lag_seconds:
            return self._state
        moment = self.clock() - timedelta(seconds=lag_seconds)
        seen: State | None = None
        for since, state in tuple(self._history):
            if seen is not None and since > moment:
                break
            seen = state
        return seen or self._state

    def put(self, *items: Item) -> None:
        """Store new or changed objects as one new state."""
        with self.lock:
            self._state = State({**self._state.items, **{one.guid: one for one in items}})
            self._history.append((self.clock(), self._state))

    def load(self, items: Iterable[Item]) -> None:
        """Store many objects at once, without history."""
        with self.lock:
            self._state = State({**self._state.items, **{one.guid: one for one in items}})

    def next_ticks(self) -> int:
        """Return the time in ticks, later than any before."""
        with self.lock:
            self._last_ticks = max(self._last_ticks + 1, ticks(self.clock()))
            return self._last_ticks

    def next_number(self) -> int:
        """Return the last number of the next security identifier."""
        with self.lock:
            self._next_number += 1
            return self._next_number

    def stamp(self) -> bytes:
        """The moment as whenChanged has it."""
        return self.clock().strftime("%Y%m%d%H%M%S.0Z").encode()
