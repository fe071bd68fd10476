"""UniFi Access behind the verbs of this room. Called by ``connectors.doors.connector``.

Contain deactivates the user, which stops every credential, and suspends touch passes. Revoke takes
cards, plates, PIN, passes, direct policies and groups. No console says which hub has taken a change
over: closed means deactivated, and no hub or reader out of reach.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, Final

from connectors.contract import Json, Kind, Probe
from connectors.doors.contract import (
    ACCOUNT,
    CARD,
    DOOR,
    MOBILE_PASS,
    PIN,
    Cut,
    Entries,
    Entry,
    Held,
    Inventory,
    Panel,
    PanelState,
    Person,
)
from connectors.doors.unifi_access.console import Console, Row, at
from connectors.doors.unifi_access.settings import Settings
from connectors.doors.unifi_access.state import (
    DEACTIVATED,
    GROUP,
    PLATE,
    groups_of,
    held_of,
    network_of,
    panels_of,
    person_of,
    policies_of,
)
from connectors.doors.wire import CLOCK_TOLERANCE
from connectors.faults import Malformed, Missing, Refused

_REMOTE: Final = "REMOTE"


class UniFiSystem:
    """One console and one token."""

    keeps_mails = True

    def __init__(self, settings: Settings, console: Console) -> None:
        self._settings = settings
        self._console = console

    def close(self) -> None:
        """Close the connections."""
        self._console.close()

    # ----------------------------------------------------------------------------------- reads
    def inventory(self, person_id: str) -> Inventory | None:
        """Read user, policies, groups, network assignments and every hub and reader."""
        user = self._user(person_id)
        if user is None:
            return None
        person = person_of(user)
        if person.id != person_id:
            raise Malformed("doors: answered with another user", code="unifi:user")
        held = held_of(user, person) + policies_of(self._policies(person_id))
        held += groups_of(self._groups(person_id))
        if self._settings.identity:
            assigned = self._console.get(at("users", person_id, "identity", "assignments"))
            held += network_of(assigned if isinstance(assigned, dict) else {})
        return Inventory(person, tuple(held), tuple(self._panels()))

    def _user(self, person_id: str) -> Row | None:
        try:
            user = self._console.get(at("users", person_id), {"expand[]": "access_policy"})
        except Missing:
            return None
        if not isinstance(user, dict):
            raise Malformed("doors: a user that is no object", code="unifi:user")
        return user

    def _policies(self, person_id: str) -> list[Row]:
        own = {"only_user_policies": "true"}
        return self._console.rows(at("users", person_id, "access_policies"), own)

    def _groups(self, person_id: str) -> list[Row]:
        """No call tells a user's groups: every group is asked for its own members."""
        mine = []
        for group in self._console.rows("/user_groups"):
            members = self._console.rows(at("user_groups", str(group.get("id")), "users"))
            if any(one.get("id") == person_id for one in members):
                mine.append(group)
        return mine

    def _panels(self) -> list[Panel]:
        panels = panels_of(self._console.get("/devices"))
        return [one for one in panels if one.id not in self._settings.excluded_panels]

    def search(self, number: str, mails: tuple[str, ...]) -> tuple[Person, ...]:
        """Read everybody: the console's search knows no number."""
        wanted = {one.casefold() for one in mails}
        return tuple(
            one
            for people in self.people()
            for one in people
            if (number and one.number == number) or wanted & {mail.casefold() for mail in one.mails}
        )

    def people(self) -> Iterator[tuple[Person, ...]]:
        """Page through everybody."""
        for rows in self._console.pages("/users", {}):
            yield tuple(map(person_of, rows))

    def entries(self, person_id: str, since: datetime, until: datetime) -> Iterator[Entries]:
        """Read door openings by the time they happened."""
        wanted = {
            "topic": "door_openings",
            "since": int(since.timestamp()),
            "until": int(until.timestamp()) + 1,
            "actor_id": person_id,
        }
        try:
            for rows in self._console.log(wanted):
                yield Entries(tuple(_entry(one) for one in rows if _actor(one) == person_id))
        except Cut as cut:
            yield Entries(gaps=(f"door events: {cut}",))
        away = [one.name for one in self._panels() if one.state is PanelState.OFFLINE]
        yield Entries(gaps=tuple(f"events of {name}, which is offline" for name in sorted(away)))

    # ---------------------------------------------------------------------------------- writes
    def suspend(self, inventory: Inventory, held: Held) -> str:
        """Deactivate the user, or suspend a touch pass."""
        if held.kind == ACCOUNT:
            self._set_status(inventory, DEACTIVATED)
        elif held.kind == MOBILE_PASS:
            self._set_pass(held.id, "SUSPENDED")
        else:
            raise Refused("doors: deactivating the user stops it", code="unifi:suspend")
        return ""

    def remove(self, inventory: Inventory, held: Held) -> str:
        """Take one thing away; what is gone already shows in the re-read."""
        user = ("users", inventory.person.id)
        last = held.id.removeprefix(PLATE)
        ways: Mapping[Kind, Callable[[], Any]] = {
            CARD: lambda: self._remove_card(user, held),
            PIN: lambda: self._console.send("DELETE", at(*user, "pin_codes")),
            MOBILE_PASS: lambda: self._console.send("DELETE", at(*user, "touch_passes", last)),
            DOOR: lambda: self._set_policies(inventory, without=held.id),
            GROUP: lambda: self._console.send(
                "POST", at("user_groups", held.id, "users", "delete"), [inventory.person.id]
            ),
        }
        if held.kind not in ways:
            raise Refused("doors: not removed over the interface", code="unifi:remove")
        try:
            ways[held.kind]()
        except Missing as error:
            raise Refused("doors: what was to be removed is not there", code=error.code) from error
        return ""

    def _remove_card(self, user: tuple[str, str], held: Held) -> None:
        if held.id.startswith(PLATE):
            last = held.id.removeprefix(PLATE)
            self._console.send("DELETE", at(*user, "license_plates", last))
        else:
            token = {"token": held.restore["token"]}
            self._console.send("PUT", at(*user, "nfc_cards", "delete"), token)

    def push(self, inventory: Inventory, held: Held) -> None:
        """Hubs are told by the console; there is nothing to ask for."""

    def put_back(self, inventory: Inventory, of: Kind, before: Mapping[str, Json]) -> str:
        """Activate again, assign a card or plate, or grant a policy or group."""
        user = ("users", inventory.person.id)
        if of == ACCOUNT:
            self._set_status(inventory, "ACTIVE")
        elif of == CARD and "token" in before:
            token = {"token": before["token"]}
            self._console.send("PUT", at(*user, "nfc_cards"), token)
        elif of == CARD:
            self._console.send("PUT", at(*user, "license_plates"), [before["credential"]])
        elif of == DOOR:
            self._set_policies(inventory, also=str(before["policy"]))
        elif of == GROUP:
            group = at("user_groups", str(before["group"]), "users")
            self._console.send("POST", group, [inventory.person.id])
        elif of == MOBILE_PASS and inventory.find(of, str(before["pass"])):
            self._set_pass(str(before["pass"]), "ACTIVE")
        else:
            raise Refused("doors: enrolled anew by the person", code="unifi:restore")
        return ""

    def reinstate(self, person_id: str, before: Mapping[str, Json]) -> str:
        """Suspending takes nobody off this platform."""
        raise Refused("doors: the person was deleted: enrol them anew", code="doors:deleted")

    def counterpart(
        self, inventory: Inventory, of: Kind, native_id: str, before: Mapping[str, Json]
    ) -> Held | None:
        """Find what was put back: a plate gets another id."""
        if found := inventory.find(of, native_id):
            return found
        plate = before.get("credential")
        same = (one for one in inventory.held if plate and one.restore.get("credential") == plate)
        return next(same, None)

    def _set_status(self, inventory: Inventory, status: str) -> None:
        self._console.send("PUT", at("users", inventory.person.id), {"status": status})

    def _set_pass(self, native_id: str, status: str) -> None:
        path = at("credentials", "touch_passes", native_id)
        self._console.send("PUT", path, {"status": status})

    def _set_policies(self, inventory: Inventory, *, without: str = "", also: str = "") -> None:
        """Send the whole list, made of what is there now: others' changes stay."""
        now = [str(one["id"]) for one in self._policies(inventory.person.id)]
        wanted = [one for one in now if one != without] + ([also] if also else [])
        path = at("users", inventory.person.id, "access_policies")
        self._console.send("PUT", path, {"access_policy_ids": list(dict.fromkeys(wanted))})

    def delete(self, person_id: str) -> str:
        """Delete a user; the console only does it to one who is deactivated (3.1.30)."""
        user = self._user(person_id)
        if user is not None and user.get("status") != DEACTIVATED:
            self._console.send("PUT", at("users", person_id), {"status": DEACTIVATED})
        self._console.send("DELETE", at("users", person_id))
        return ""

    # ------------------------------------------------------------------------------------ doctor
    def probe(self) -> Iterator[Probe]:
        """Check token, clock, and what is out of reach."""
        answer = self._console.asked("/users", {"page_num": "1", "page_size": "1"})
        yield Probe("token", holds=True, detail="view:user")
        if answer.said_at is not None:
            apart = abs(answer.said_at - self._console.clock())
            detail = f"{apart.total_seconds():.0f} s apart"
            yield Probe("clock", holds=apart <= CLOCK_TOLERANCE, detail=detail)
        away = sorted(one.name for one in self._panels() if one.state is PanelState.OFFLINE)
        advice = "every case stays open until they are back" if away else ""
        yield Probe("devices", holds=not away, detail=", ".join(away), advice=advice)


def _source(row: Row) -> Mapping[str, Any]:
    source = row.get("_source")
    return source if isinstance(source, dict) else {}


def _actor(row: Row) -> str:
    return str((_source(row).get("actor") or {}).get("id", ""))


def _entry(row: Row) -> Entry:
    source = _source(row)
    event = source.get("event") or {}
    published = event.get("published")
    if not isinstance(published, int) or isinstance(published, bool):
        raise Malformed("doors: an event without a time", code="unifi:event")
    moment = datetime.fromtimestamp(published / 1000, UTC)
    doors = [one for one in source.get("target") or () if one.get("type") == "door"]
    door = doors[0].get("display_name") if doors else "a door"
    said = "was denied at" if event.get("result") == "BLOCKED" else "went through"
    provider = str((source.get("authentication") or {}).get("credential_provider", ""))
    # Since 3.3.21 whoever unlocks remotely may name any actor.
    doubt = " (remote unlock that names this person: no proof)" if _REMOTE in provider else ""
    return Entry(str(row.get("_id")), moment, f"{said} {door}{doubt}")
