"""What iSecure Center shows of one person, read into the nouns of this room. Pure.

Called by ``system``. The rule of closure: no card in use, no row of ``auth_item`` in state 0, 1, 2
or 3 for person, card or face, and no device that had a row is offline without a record of the
removal. State 2 on a device that is offline is a door that still opens.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import IntEnum
from typing import Any, Final

from connectors.contract import HoldingState
from connectors.doors.contract import (
    ACCOUNT,
    BIOMETRIC,
    CARD,
    DOOR,
    Held,
    Panel,
    PanelState,
    Person,
)
from connectors.doors.folding import GUARDS
from connectors.faults import Malformed

FROZEN: Final = 1
LOST: Final = 2
SUCCEEDED: Final = "0"
FACE: Final = "face"
FINGERS: Final = "fingerprints"
BIOMETRIC_DUTY: Final = (
    "Delete this person's {what} in the platform's own client (person, biometric information), "
    "and check there that it is gone. It is never read over the interface."
)
_PARTS: Final = ("personStatus", "cardStatus", "faceStatus")


class Download(IntEnum):
    """``auth_item`` states: what a device has of a person."""

    NOT_DOWNLOADED = 0
    UPDATE_PENDING = 1
    DELETE_PENDING = 2
    DOWNLOADED = 3
    NOT_CONFIGURED = 4


@dataclass(frozen=True, slots=True)
class Device:
    """One row of ``auth_item`` with what else is known of the device."""

    id: str
    name: str
    states: Mapping[str, Download]
    online: bool
    removal: str
    """Result of the newest removal record: "" when there is none."""
    ours: bool
    """Whether it is in the configuration that our tag granted."""

    @property
    def known(self) -> frozenset[Download]:
        """States other than "not configured"."""
        return frozenset(self.states.values()) - {Download.NOT_CONFIGURED}


def device(
    row: Mapping[str, Any], seen: Mapping[str, Any] | None, removal: str, *, ours: bool
) -> Device:
    """Read one row. Raises Malformed on a state that is none: nothing is guessed about a door."""
    native_id = row.get("resourceIndexCode")
    if not isinstance(native_id, str) or not native_id:
        raise Malformed("doors: a permission without a device", code="artemis:auth-item")
    try:
        states = {part: Download(int(row[part])) for part in _PARTS}
    except (KeyError, TypeError, ValueError) as error:
        raise Malformed(
            "doors: a download state of no known value", code="artemis:auth-item"
        ) from (error)
    name = seen.get("cn") if seen else None
    online = bool(seen) and str(seen.get("online") if seen else "") == "1"
    return Device(native_id, name or native_id, states, online, removal, ours)


def panel_of(one: Device, *, stopped: bool) -> Panel:
    """Judge a device. ``stopped``: nothing of the person is to be on it any more."""
    if not one.online:
        settled = not one.known and one.removal == SUCCEEDED
        return Panel(one.id, one.name, PanelState.DONE if settled else PanelState.OFFLINE)
    underway = one.known - {Download.DOWNLOADED}
    if underway or (stopped and one.known):
        failed = one.removal not in {"", SUCCEEDED}
        return Panel(one.id, one.name, PanelState.FAILED if failed else PanelState.PENDING)
    return Panel(one.id, one.name, PanelState.DONE)


def door_of(one: Device) -> Held:
    """Make the grant of one device, in the platform's state."""
    if one.known - {Download.DELETE_PENDING}:
        state = HoldingState.LIVE
    elif one.ours:
        state = HoldingState.CONTAINED  # not on the device, and still a reason to be put there
    else:
        state = HoldingState.GONE
    stuck = state is HoldingState.LIVE and not one.online and not one.ours
    return Held(
        DOOR,
        one.id,
        state,
        label=one.name,
        panels=frozenset({one.id}),
        restore={"resourceIndexCode": one.id},
        # Granted in the client and the device is away: nothing can be asked of the platform.
        duty=GUARDS.format(panels=one.name) if stuck else "",
    )


def account_of(person: Person, *, frozen: bool) -> Held:
    """Make the account itself."""
    state = HoldingState.CONTAINED if frozen else HoldingState.LIVE
    return Held(ACCOUNT, person.id, state, label=person.display, restore={"useStatus": int(frozen)})


def card_of(row: Mapping[str, Any], last_used: datetime | None = None) -> Held:
    """Make a card, known by ``cardId``; its number is in the pre-image only."""
    native_id, number = row.get("cardId"), row.get("cardNo")
    if not isinstance(native_id, str) or not native_id or not isinstance(number, str):
        raise Malformed("doors: a card without an id", code="artemis:card")
    lost = str(row.get("useStatus")) == str(LOST)
    state = HoldingState.CONTAINED if lost else HoldingState.LIVE
    return Held(CARD, native_id, state, "card", restore={"cardNo": number}, last_used=last_used)


def biometrics_of(cards: Iterable[Mapping[str, Any]], devices: Iterable[Device]) -> list[Held]:
    """Say only that there are some; what they look like is never read."""
    cards, devices = list(cards), list(devices)
    with_face = any(str(row.get("isBindFace")) == "1" for row in cards) or any(
        one.states["faceStatus"] is not Download.NOT_CONFIGURED for one in devices
    )
    with_finger = any(str(row.get("isBindFinger")) == "1" for row in cards)
    held = [(FACE, with_face), (FINGERS, with_finger)]
    return [
        Held(BIOMETRIC, name, HoldingState.LIVE, name, duty=BIOMETRIC_DUTY.format(what=name))
        for name, there in held
        if there
    ]


def person_of(row: Mapping[str, Any]) -> Person:
    """Read a person. Raises Malformed without an id."""
    native_id = row.get("personId")
    if not isinstance(native_id, str) or not native_id:
        raise Malformed("doors: a person without an id", code="artemis:person")
    number, name = row.get("jobNo"), row.get("personName")
    return Person(
        native_id,
        number if isinstance(number, str) else "",
        name if isinstance(name, str) else "",
    )
