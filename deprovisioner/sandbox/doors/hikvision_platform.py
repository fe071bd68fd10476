"""What a fake iSecure Center knows, and what its devices have: a download later, or never.

Called by `hikvision`, which puts the vendor's interface in front, and through it by tests as the
guard's console. What the platform has configured and what a device has are kept apart, as there.
"""

import itertools
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from deprovisioner.sandbox.doors.panels import Site

NOT_DOWNLOADED, UPDATING, DELETING, DOWNLOADED, NONE = range(5)
CONSOLE = "console"
OUR_TAG = "0"
PARTS = ("person", "card", "face")


@dataclass(slots=True)
class Enrolled:
    """A person of the platform."""

    id: str
    number: str
    name: str
    frozen: bool = False
    face: bool = False
    hidden: bool = False


@dataclass(slots=True)
class AccessCard:
    """A card that was issued."""

    id: str
    number: str
    person_id: str
    lost: bool = False


@dataclass(slots=True)
class Item:
    """One person on one device: what is configured, by whom, and what the device has."""

    person_id: str
    device_id: str
    tag: str
    states: dict[str, int]
    due: datetime
    configured: bool = True


@dataclass(slots=True)
class Platform:
    """The platform's database, and the devices behind it."""

    now: Callable[[], datetime]
    panels: Site = field(init=False)
    people: dict[str, Enrolled] = field(init=False, default_factory=dict)
    cards: dict[str, AccessCard] = field(init=False, default_factory=dict)
    items: dict[tuple[str, str], Item] = field(init=False, default_factory=dict)
    records: list[dict[str, Any]] = field(init=False, default_factory=list)
    failing: set[str] = field(init=False, default_factory=set)
    _numbers: "itertools.count[int]" = field(init=False, default_factory=lambda: itertools.count(1))

    def __post_init__(self) -> None:
        self.panels = Site(self.now)

    # ------------------------------------------------------------------------ the guard's console
    def enrol(self, number: str, name: str) -> str:
        """Enrol a person; an id is never used twice."""
        native_id = f"p{next(self._numbers):06}"
        self.people[native_id] = Enrolled(native_id, number, name)
        return native_id

    def give_card(self, person_id: str, card_id: str, number: str) -> None:
        """Issue a card."""
        self.cards[card_id] = AccessCard(card_id, number, person_id)

    def enrol_face(self, person_id: str) -> None:
        """Keep that there is a face; the picture is nobody's business here."""
        self.people[person_id].face = True

    def delete_face(self, person_id: str) -> None:
        """Delete a face by hand; devices are told."""
        self.people[person_id].face = False
        self.reconsider(person_id)

    def grant(self, person_id: str, device_id: str, tag: str = OUR_TAG) -> None:
        """Open a device to a person, long ago: it has been downloaded."""
        states = {part: self._target(person_id, part) for part in PARTS}
        self.items[person_id, device_id] = Item(person_id, device_id, tag, states, self.now())

    def person_with(self, number: str) -> Enrolled:
        """Return a person by number; raises StopIteration on a stranger."""
        return next(one for one in self.people.values() if one.number == number)

    def opens(self, person_id: str, device_id: str) -> bool:
        """Say whether the *device* lets the person in, whatever the platform thinks."""
        self.settle()
        item = self.items.get((person_id, device_id))
        return item is not None and any(
            state in {UPDATING, DELETING, DOWNLOADED} for state in item.states.values()
        )

    def state_of(self, person_id: str) -> dict[str, Any]:
        """Read all of a person past the interface, without times."""
        self.settle()
        person = self.people.get(person_id)
        if person is None:
            return {}
        items = {
            key[1]: [item.configured, item.tag, dict(item.states)]
            for key, item in self.items.items()
            if key[0] == person_id and (item.configured or set(item.states.values()) != {NONE})
        }
        cards = {one.number: one.lost for one in self.cards.values() if one.person_id == person_id}
        return {"frozen": person.frozen, "face": person.face, "cards": cards, "items": items}

    # ------------------------------------------------------------------------------------ devices
    def _target(self, person_id: str, part: str) -> int:
        person = self.people[person_id]
        usable = {
            "person": True,
            "card": any(not one.lost for one in self.cards.values() if one.person_id == person_id),
            "face": person.face,
        }
        return DOWNLOADED if usable[part] and not person.frozen else NONE

    def reconsider(self, person_id: str) -> None:
        """Mark what devices have to be told after a change on the platform."""
        for item in self.items.values():
            if item.person_id != person_id:
                continue
            for part in PARTS:
                wanted = self._target(person_id, part) if item.configured else NONE
                has = item.states[part]
                if wanted == NONE and has != NONE:
                    item.states[part] = NONE if has == NOT_DOWNLOADED else DELETING
                elif wanted == DOWNLOADED and has in {NONE, DELETING}:
                    item.states[part] = NOT_DOWNLOADED
            item.due = self.panels.due()

    def settle(self) -> None:
        for item in self.items.values():
            underway = set(item.states.values()) & {NOT_DOWNLOADED, UPDATING, DELETING}
            if not underway or not self.panels.reached(item.device_id, item.due):
                continue
            removing = DELETING in underway
            if item.device_id in self.failing:
                self.record(item, 2 if removing else 0, "1")
                continue
            self._apply(item)
            self.record(item, 2 if removing else 0, "0")

    @staticmethod
    def _apply(item: Item) -> None:
        for part, state in item.states.items():
            if state == DELETING:
                item.states[part] = NONE
            elif state in {NOT_DOWNLOADED, UPDATING}:
                item.states[part] = DOWNLOADED

    def record(self, item: Item, operator: int, result: str) -> None:
        line = {
            "personId": item.person_id,
            "resourceIndexCode": item.device_id,
            "operatorType": operator,
            "persondownloadResult": result,
        }
        newest = next((one for one in reversed(self.records) if line.items() <= one.items()), None)
        if newest is None or result == "0":
            self.records.append({**line, "downloadTime": f"{len(self.records):09}"})
