"""What a fake Command Centre knows of cardholders, and the workstation at which it is told.

Called by `gallagher`, which puts the vendor's interface in front, and through it by tests as the
operator. It keeps the vendor's words: a server that speaks German, links that change.
"""

import itertools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from deprovisioner.sandbox.doors.panels import Site

STATES: Mapping[str, str] = {
    "Aktiv": "active",
    "Disabled (manually)": "inactive",
    "Lost": "inactive",
    "Eingeladen": "pending",
}
"""A site whose server speaks German: words of a state mean nothing, types do."""
BADGE, PHONE = "600", "654"


@dataclass(slots=True)
class Membership:
    """One membership in a group; its link changes."""

    id: str
    group_id: str
    until: str = ""


@dataclass(slots=True)
class Credential:
    """A card or a mobile credential."""

    id: str
    number: str
    type_id: str
    value: str = "Aktiv"


@dataclass(slots=True)
class Group:
    """An access or operator group."""

    id: str
    name: str
    doors: tuple[str, ...] = ()
    shows_number: bool = False


@dataclass(slots=True)
class Cardholder:
    """A person of the server."""

    id: str
    number: str
    name: str
    authorised: bool = True
    division: str = "main"
    cards: list[Credential] = field(default_factory=list)
    access: list[Membership] = field(default_factory=list)
    operator: list[Membership] = field(default_factory=list)
    last_access: str = ""


@dataclass(slots=True)
class Cardholders:
    """The server's database, and the controllers behind it."""

    now: Callable[[], datetime]
    panels: Site = field(init=False)
    people: dict[str, Cardholder] = field(init=False, default_factory=dict)
    groups: dict[str, Group] = field(init=False, default_factory=dict)
    _numbers: "itertools.count[int]" = field(
        init=False, default_factory=lambda: itertools.count(325)
    )

    def __post_init__(self) -> None:
        self.panels = Site(self.now, lag=timedelta(0))

    # --------------------------------------------------------------------------- the workstation
    def add_group(
        self, name: str, doors: tuple[str, ...] = (), *, shows_number: bool = False
    ) -> str:
        """Make a group."""
        native_id = str(next(self._numbers))
        self.groups[native_id] = Group(native_id, name, doors, shows_number)
        return native_id

    def enrol(self, number: str, name: str, division: str = "main") -> str:
        """Make a cardholder; returns the path that is its id for us."""
        native_id = str(next(self._numbers))
        self.people[native_id] = Cardholder(native_id, number, name, division=division)
        return f"/api/cardholders/{native_id}"

    def join(self, person: str, group_id: str, until: datetime | None = None) -> None:
        """Put a cardholder into an access group, once more if need be."""
        text = until.isoformat() if until else ""
        self._of(person).access.append(Membership(self.fresh(), group_id, text))

    def make_operator(self, person: str, group_id: str) -> None:
        """Make a cardholder an operator of the software."""
        self._of(person).operator.append(Membership(self.fresh(), group_id))

    def give_card(self, person: str, number: str) -> None:
        """Assign a card."""
        self._of(person).cards.append(Credential(self.fresh(), number, BADGE))

    def give_mobile(self, person: str, number: str) -> None:
        """Invite a phone; the invitation is not accepted yet."""
        phone = Credential(self.fresh(), number, PHONE, "Eingeladen")
        self._of(person).cards.append(phone)

    def person_with(self, number: str) -> Cardholder:
        """Return a cardholder by number; raises StopIteration on a stranger."""
        return next(one for one in self.people.values() if one.number == number)

    def state_of(self, person: Cardholder) -> dict[str, Any]:
        """Read all of a cardholder past the interface, without links that change."""
        if person.id not in self.people:
            return {}
        return {
            "authorised": person.authorised,
            "cards": sorted([one.number, one.type_id, one.value] for one in person.cards),
            "access": sorted([one.group_id, one.until] for one in person.access),
            "operator": sorted(one.group_id for one in person.operator),
        }

    def _of(self, person: str) -> Cardholder:
        return self.people[person.rpartition("/")[2]]

    def fresh(self) -> str:
        return f"{next(self._numbers):x}ab"
