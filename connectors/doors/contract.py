"""The verbs that every door product has, in one small contract inside this room.

``connector`` speaks it on one side and the contract of the daemon on the other; each product
implements :class:`DoorSystem`. Nothing here does I/O.

The rule that all of it serves: what the platform says is not what a door does. A platform pushes to
panels, later. So a holding has a state *on the platform* (:class:`Held`), each panel has a state of
its own (:class:`Panel`), and only both together say what may still be opened (:mod:`folding`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Final, Protocol

from connectors.contract import HoldingState, Json, Kind, Probe, kind

ACCOUNT: Final = kind("account.person")
CARD: Final = kind("credential.card")
PIN: Final = kind("credential.pin")
BIOMETRIC: Final = kind("credential.biometric")
MOBILE_PASS: Final = kind("credential.mobile_pass")
DOOR: Final = kind("grant.door")
ROLE: Final = kind("grant.role")


class Cut(Exception):
    """A list was not read whole; the message says how, in words without personal data."""


class PanelState(StrEnum):
    """Whether a panel has what the platform has about one person."""

    DONE = "done"
    PENDING = "pending"
    FAILED = "failed"
    OFFLINE = "offline"


@dataclass(frozen=True, slots=True)
class Panel:
    """A controller or door, with a name that guards know; no personal data."""

    id: str
    name: str
    state: PanelState


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody as the platform knows them. Personal data throughout."""

    id: str
    number: str = ""
    display: str = ""
    mails: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Held:
    """One thing a person has, in the state that the *platform* gives it.

    ``panels``: where it counts; None is everywhere. ``GONE`` is for what the platform has let go
    of and a panel may still know. ``restore`` is the pre-image; it may hold card numbers, so it is
    only ever reported with the acting credential, and stored sealed.
    """

    kind: Kind
    id: str
    state: HoldingState
    label: str = ""
    panels: frozenset[str] | None = None
    restore: Mapping[str, Json] = field(default_factory=dict)
    last_used: datetime | None = None
    duty: str = ""


@dataclass(frozen=True, slots=True)
class Inventory:
    """All that a person has, and the sync state per panel, as of one read.

    ``gaps`` name what could not be read. The account itself is always among ``held``.
    """

    person: Person
    held: tuple[Held, ...]
    panels: tuple[Panel, ...] = ()
    gaps: tuple[str, ...] = ()

    def find(self, of: Kind, native_id: str) -> Held | None:
        """Find a thing by its immutable id."""
        return next((one for one in self.held if (one.kind, one.id) == (of, native_id)), None)


@dataclass(frozen=True, slots=True)
class Entry:
    """Something that happened at a door, by the time it happened and not that of its report."""

    id: str
    at: datetime
    what: str


@dataclass(frozen=True, slots=True)
class Entries:
    """A page of events of one person; ``gaps`` say where events may be that were not shown."""

    entries: tuple[Entry, ...] = ()
    gaps: tuple[str, ...] = ()


class DoorSystem(Protocol):
    """One product, spoken to with one credential. Translates and nothing else; raises faults."""

    keeps_mails: bool
    """Whether people can be found by address; where not, a person without number is unseen."""

    def inventory(self, person_id: str) -> Inventory | None:
        """Read all of a person, panels too; None when the platform does not know them."""
        ...

    def suspend(self, inventory: Inventory, held: Held) -> str:
        """Make it useless, reversibly. Returns the product's request id."""
        ...

    def remove(self, inventory: Inventory, held: Held) -> str:
        """Take it away."""
        ...

    def push(self, inventory: Inventory, held: Held) -> None:
        """Ask panels again that have not taken what the platform has; may do nothing."""
        ...

    def put_back(self, inventory: Inventory, of: Kind, before: Mapping[str, Json]) -> str:
        """Restore from a pre-image, whether suspended or removed."""
        ...

    def reinstate(self, person_id: str, before: Mapping[str, Json]) -> str:
        """Bring back somebody whom suspending took off the platform. Raises Refused elsewhere."""
        ...

    def counterpart(
        self, inventory: Inventory, of: Kind, native_id: str, before: Mapping[str, Json]
    ) -> Held | None:
        """Find what was put back; products give it another id."""
        ...

    def delete(self, person_id: str) -> str:
        """Delete the person."""
        ...

    def search(self, number: str, mails: tuple[str, ...]) -> tuple[Person, ...]:
        """Find by employee number, and by address where the product keeps one.

        Raises :class:`Cut` when not all of it could be read.
        """
        ...

    def people(self) -> Iterator[tuple[Person, ...]]:
        """Page through everybody. Raises :class:`Cut` at the end of a list that was cut short."""
        ...

    def entries(self, person_id: str, since: datetime, until: datetime) -> Iterator[Entries]:
        """Page through events that happened since, however late they were reported."""
        ...

    def probe(self) -> Iterator[Probe]:
        """Check rights and clock without changing anything."""
        ...

    def close(self) -> None:
        """Let go of connections."""
        ...
