"""What the console shows of a user, read into the nouns of this room. Pure. Called by ``system``.

A card, plate or PIN works exactly while its user is active; a touch pass has a state of its own.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from typing import Any, Final

from connectors.contract import HoldingState, kind
from connectors.doors.contract import (
    ACCOUNT,
    CARD,
    DOOR,
    MOBILE_PASS,
    PIN,
    Held,
    Panel,
    PanelState,
    Person,
)
from connectors.doors.unifi_access.console import Row
from connectors.faults import Malformed

GROUP: Final = kind("grant.group")
NETWORK: Final = kind("grant.policy")
DEACTIVATED: Final = "DEACTIVATED"
PLATE: Final = "plate:"
_STATES: Final = frozenset({"ACTIVE", "PENDING", DEACTIVATED})
_PASSES: Final = frozenset({"ACTIVE", "PENDING"})
IDENTITY_DUTY: Final = (
    "In UniFi Identity, take {what} away from this person and check there that none is left; the "
    "interface shows it and has no call to remove it."
)


def person_of(row: Row) -> Person:
    """Read a user. Raises Malformed without an id."""
    native_id = row.get("id")
    if not isinstance(native_id, str) or not native_id:
        raise Malformed("doors: a user without an id", code="unifi:user")
    number, mail = row.get("employee_number"), row.get("user_email") or row.get("email")
    display = row.get("full_name") or f"{row.get('first_name', '')} {row.get('last_name', '')}"
    return Person(native_id, str(number or ""), str(display).strip(), (str(mail),) if mail else ())


def held_of(row: Row, person: Person) -> list[Held]:
    """Read the user and all credentials."""
    status = row.get("status")
    if status not in _STATES:
        raise Malformed("doors: a user in a state of no known name", code="unifi:user")
    state = HoldingState.CONTAINED if status == DEACTIVATED else HoldingState.LIVE
    held = [Held(ACCOUNT, person.id, state, person.display, restore={"status": status})]
    held += [_card(one, state) for one in row.get("nfc_cards") or ()]
    held += [_plate(one, state) for one in row.get("license_plates") or ()]
    held += [_pass(one, state) for one in row.get("touch_pass") or ()]
    pin = row.get("pin_code")
    if isinstance(pin, dict) and pin.get("token"):
        held.append(Held(PIN, "pin", state, "PIN"))  # that there is one; never which
    return held


def _card(row: Row, state: HoldingState) -> Held:
    token = row.get("token")
    if not isinstance(token, str) or not token:
        raise Malformed("doors: a card without a token", code="unifi:card")
    native_id = hashlib.sha256(token.encode()).hexdigest()[:32]
    return Held(CARD, native_id, state, "NFC card", restore={"token": token})


def _plate(row: Row, state: HoldingState) -> Held:
    restore = {"credential": str(row.get("credential")), "plate": str(row.get("id"))}
    return Held(CARD, f"{PLATE}{row.get('id')}", state, "licence plate", restore=restore)


def _pass(row: Row, state: HoldingState) -> Held:
    stopped = row.get("status") not in _PASSES
    now = HoldingState.CONTAINED if stopped else state
    return Held(MOBILE_PASS, str(row.get("id")), now, "Touch Pass", restore={"pass": row.get("id")})


def policies_of(rows: Iterable[Row]) -> list[Held]:
    """Grants by policies that are directly on the user."""
    return [
        Held(
            DOOR,
            str(row["id"]),
            HoldingState.LIVE,
            str(row.get("name") or row["id"]),
            restore={"policy": str(row["id"])},
        )
        for row in rows
    ]


def groups_of(rows: Iterable[Row]) -> list[Held]:
    """Groups the user is in: they carry policies, and whatever is added to them later."""
    return [
        Held(
            GROUP,
            str(row["id"]),
            HoldingState.LIVE,
            str(row.get("name") or row["id"]),
            restore={"group": str(row["id"])},
        )
        for row in rows
    ]


def network_of(assigned: Mapping[str, Any]) -> list[Held]:
    """WiFi, VPN and charging: another way in, that only a person can take away."""
    return [
        Held(NETWORK, name, HoldingState.LIVE, name, duty=IDENTITY_DUTY.format(what=name))
        for name, rows in sorted(assigned.items())
        if rows
    ]


def panels_of(groups: object) -> list[Panel]:
    """Judge hubs and readers; they come grouped by door."""
    if not isinstance(groups, list) or not all(isinstance(one, list) for one in groups):
        raise Malformed("doors: devices of an unknown shape", code="unifi:devices")
    return [
        Panel(
            str(row.get("id")),
            str(row.get("alias") or row.get("name") or row.get("id")),
            PanelState.DONE
            if row.get("is_online") is True and row.get("is_connected") is True
            else PanelState.OFFLINE,
        )
        for group in groups
        for row in group
        if row.get("is_adopted") is not False
    ]
