"""Command Centre behind the verbs of this room. Called by ``connectors.doors.connector``.

Contain de-authorises the cardholder, which denies every request from then on, and makes each card
inactive, which de-authorising does not. Revoke removes cards, mobile credentials, memberships and
operator groups. Nothing is ever addressed by name, and no address is made up.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, Final

from connectors.contract import Json, Kind, Probe
from connectors.doors.contract import (
    ACCOUNT,
    CARD,
    MOBILE_PASS,
    ROLE,
    Cut,
    Entries,
    Entry,
    Held,
    Inventory,
    Panel,
    PanelState,
    Person,
)
from connectors.doors.gallagher.command_centre import CommandCentre, Row
from connectors.doors.gallagher.settings import Settings
from connectors.doors.gallagher.state import (
    addition,
    held_of,
    moment,
    panels_of,
    person_of,
    removal,
)
from connectors.doors.wire import CLOCK_TOLERANCE
from connectors.faults import Malformed, Missing, Refused, Unauthorised

FIELDS: Final = (
    "href,id,firstName,lastName,authorised,cards,accessGroups,operatorGroups,"
    "lastSuccessfulAccessTime"
)
LEGACY_TYPES: Final = "20001,20002,20003,20047,20107,15582,15583,15800,15808,42415"
"""Common movements up to 8.60; later servers know ``hasLocation``."""
_UNSEARCHABLE: Final = "the employee number cannot be searched for exactly"
_NO_STATUS: Final = "states of doors (needs licence RESTStatus)"
_WILD: Final = frozenset('"%_\\')


class GallagherSystem:
    """One server and one API key."""

    keeps_mails = False

    def __init__(self, settings: Settings, centre: CommandCentre) -> None:
        self._settings = settings
        self._centre = centre
        self._fields = f"{FIELDS},pdf_{settings.number_field.id}"

    def close(self) -> None:
        """Close the connections."""
        self._centre.close()

    # ----------------------------------------------------------------------------------- reads
    def inventory(self, person_id: str) -> Inventory | None:
        """Read the cardholder by address, and every door of the site.

        Every door, because memberships that are removed no longer say which ones it could be.
        """
        row = self._cardholder(person_id)
        if row is None:
            return None
        person = person_of(row, self._settings.number_field.name)
        if person.id != person_id:
            raise Malformed("doors: answered with another cardholder", code="gallagher:cardholder")
        panels, gaps = self._panels()
        return Inventory(person, tuple(held_of(row, person)), panels, gaps)

    def _cardholder(self, person_id: str) -> Row | None:
        self._centre.feature("cardholders", "cardholders")
        try:
            return self._centre.get(person_id, {"fields": self._fields})
        except Missing:
            return None

    def _panels(self) -> tuple[tuple[Panel, ...], tuple[str, ...]]:
        try:
            doors = self._doors()
            flags = self._flags([str(one.get("id")) for one in doors])
        except Unauthorised as error:
            if error.code not in {"gallagher:licence", "http:403"}:
                raise
            return (), (_NO_STATUS,)  # Law 2: without states nothing is ever closed
        watched = [
            one for one in panels_of(doors, flags) if one.id not in self._settings.excluded_panels
        ]
        return tuple(watched), ()

    def _doors(self) -> list[Row]:
        address = self._centre.feature("doors", "doors")
        query = {"top": str(self._settings.page_size)}
        try:
            return [row for page in self._centre.pages(address, query, "results") for row in page]
        except Cut as cut:
            raise Malformed(f"doors: {cut}", code="gallagher:doors") from cut

    def _flags(self, wanted: list[str]) -> Mapping[str, frozenset[str]]:
        if not wanted:
            return {}
        address = self._centre.feature("items", "updates")
        body = self._centre.send("POST", address, {"itemIds": wanted})
        updates = body.get("updates")
        if not isinstance(updates, list):
            raise Malformed("doors: states of no known shape", code="gallagher:updates")
        return {
            str(one.get("id")): frozenset(map(str, one.get("statusFlags") or ()))
            for one in updates
            if isinstance(one, dict)
        }

    def search(self, number: str, mails: tuple[str, ...]) -> tuple[Person, ...]:
        """Find by the number's field, quoted: without quotes 88 also finds 888."""
        if not number:
            return ()
        if set(number) & _WILD:
            raise Cut(_UNSEARCHABLE)
        address = self._centre.feature("cardholders", "cardholders")
        field = self._settings.number_field
        query = {f"pdf_{field.id}": f'"{number}"', "fields": self._fields}
        query["top"] = str(self._settings.page_size)
        found = [
            person_of(row, field.name)
            for page in self._centre.pages(address, query, "results")
            for row in page
        ]
        return tuple(one for one in found if one.number.casefold() == number.casefold())

    def people(self) -> Iterator[tuple[Person, ...]]:
        """Page through every cardholder that the operator may see."""
        address = self._centre.feature("cardholders", "cardholders")
        query = {"top": str(self._settings.page_size), "sort": "id", "fields": self._fields}
        come = 0
        for rows in self._centre.pages(address, query, "results"):
            come += len(rows)
            if come > self._settings.max_people:
                raise Cut("more entries than max_people allows")
            yield tuple(person_of(row, self._settings.number_field.name) for row in rows)

    def entries(self, person_id: str, since: datetime, until: datetime) -> Iterator[Entries]:
        """Read movements and denials by the time they happened; late ones have old times."""
        row = self._cardholder(person_id)
        if row is None:
            yield Entries()
            return
        met = False
        try:
            for rows in self._centre.pages(*self._asked(row, since), "events"):
                found = tuple(_entry(one) for one in rows)
                met = met or any(one.at >= since for one in found)
                yield Entries(found)
        except Cut as cut:
            yield Entries(gaps=(f"door events: {cut}",))
        last = moment(row.get("lastSuccessfulAccessTime"))
        if last is not None and last >= since and not met:
            where = f"operators see: {self._settings.operator_scope}"
            yield Entries(gaps=(f"an access after the end whose event is not shown ({where})",))
        yield Entries(gaps=self._silent())

    def _asked(self, row: Row, since: datetime) -> tuple[str, Mapping[str, str]]:
        movements = LEGACY_TYPES if self._settings.legacy_events else "hasLocation"
        return self._centre.feature("events", "events"), {
            "cardholder": str(row.get("id")),
            "after": since.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z"),
            "type": movements,
            "fields": "id,time,type,source,location",
            "top": str(self._settings.page_size),
        }

    def _silent(self) -> tuple[str, ...]:
        panels, gaps = self._panels()
        away = [one.name for one in panels if one.state is PanelState.OFFLINE]
        return (*gaps, *(f"events of door {name}, which is out of reach" for name in sorted(away)))

    # ---------------------------------------------------------------------------------- writes
    def suspend(self, inventory: Inventory, held: Held) -> str:
        """De-authorise the cardholder, or make one credential inactive."""
        if held.kind == ACCOUNT:
            return self._patch(inventory, {"authorised": False})
        if held.kind in {CARD, MOBILE_PASS}:
            status = {"href": held.id, "status": {"value": self._settings.disabled_state}}
            return self._patch(inventory, {"cards": {"update": [status]}})
        if held.kind == ROLE:  # no freeze for a software operator: stored, and taken away
            return self.remove(inventory, held)
        raise Refused("doors: de-authorising the person stops it", code="gallagher:suspend")

    def remove(self, inventory: Inventory, held: Held) -> str:
        """Remove a credential, or all memberships of one group as they are now."""
        if held.kind == ACCOUNT:
            raise Refused("doors: a cardholder is deleted, not revoked", code="gallagher:remove")
        now = self._as_of_now(inventory, held)
        return self._patch(inventory, removal(now)) if now is not None else ""

    def _as_of_now(self, inventory: Inventory, held: Held) -> Held | None:
        """Read again: links of memberships are new ones after any change of the cardholder."""
        row = self._cardholder(inventory.person.id)
        if row is None:
            return None
        mine = held_of(row, inventory.person)
        return next((one for one in mine if (one.kind, one.id) == (held.kind, held.id)), None)

    def push(self, inventory: Inventory, held: Held) -> None:
        """Controllers are told by the server; there is nothing to ask for."""

    def put_back(self, inventory: Inventory, of: Kind, before: Mapping[str, Json]) -> str:
        """Authorise again, give a card its state, or add what was removed."""
        if of == ACCOUNT:
            return self._patch(inventory, {"authorised": True})
        there = self._alike(inventory, of, before) if of in {CARD, MOBILE_PASS} else None
        if there is not None:
            status = {"href": there.id, "status": {"value": before.get("value")}}
            return self._patch(inventory, {"cards": {"update": [status]}})
        if of == MOBILE_PASS:
            raise Refused("doors: a mobile credential is invited anew", code="gallagher:mobile")
        return self._patch(inventory, addition(of, before))

    def reinstate(self, person_id: str, before: Mapping[str, Json]) -> str:
        """Suspending takes nobody off this platform."""
        raise Refused("doors: the person was deleted: enrol them anew", code="doors:deleted")

    def counterpart(
        self, inventory: Inventory, of: Kind, native_id: str, before: Mapping[str, Json]
    ) -> Held | None:
        """Find what was put back: a card that was added again has another address."""
        return inventory.find(of, native_id) or self._alike(inventory, of, before)

    @staticmethod
    def _alike(inventory: Inventory, of: Kind, before: Mapping[str, Json]) -> Held | None:
        if of not in {CARD, MOBILE_PASS}:
            return None
        same = ("number", "type")
        return next(
            (
                one
                for one in inventory.held
                if one.kind == of and all(one.restore.get(n) == before.get(n) for n in same)
            ),
            None,
        )

    def _patch(self, inventory: Inventory, body: Mapping[str, Any]) -> str:
        try:
            self._centre.send("PATCH", inventory.person.id, body)
        except Missing as error:
            # The card or membership was taken away in between: the re-read decides.
            raise Refused("doors: what was to be changed is not there", code=error.code) from error
        return ""

    def delete(self, person_id: str) -> str:
        """Delete the cardholder; refused while part of something else."""
        try:
            self._centre.send("DELETE", person_id)
        except Missing:
            return ""
        return ""

    # ------------------------------------------------------------------------------------ doctor
    def probe(self) -> Iterator[Probe]:
        """Check key, clock, each licence, and which doors are out of reach."""
        answer = self._centre.root()
        version = answer.mapping().get("version")
        yield Probe("key", holds=True, detail=f"Command Centre {version}")
        if answer.said_at is not None:
            apart = abs(answer.said_at - self._centre.clock())
            detail = f"{apart.total_seconds():.0f} s apart"
            yield Probe("clock", holds=apart <= CLOCK_TOLERANCE, detail=detail)
        for room, name, licence in (
            ("cardholders", "cardholders", "RESTCardholders"),
            ("events", "events", "RESTEvents"),
            ("items", "updates", "RESTStatus"),
            ("doors", "doors", "RESTStatus"),
        ):
            yield self._licensed(room, name, licence)
        panels, _ = self._panels()
        away = sorted(one.name for one in panels if one.state is not PanelState.DONE)
        advice = "every case with these doors stays open until they are back" if away else ""
        yield Probe("doors", holds=not away, detail=", ".join(away), advice=advice)

    def _licensed(self, room: str, name: str, licence: str) -> Probe:
        try:
            self._centre.feature(room, name)
        except Unauthorised as error:
            return Probe(f"{room}.{name}", holds=False, detail=str(error), advice=f"add {licence}")
        return Probe(f"{room}.{name}", holds=True)


def _entry(row: Row) -> Entry:
    at = moment(row.get("time"))
    if at is None:
        raise Malformed("doors: an event without a time", code="gallagher:event")
    source, location = row.get("source"), row.get("location")
    door = source.get("name") if isinstance(source, dict) else None
    denied = isinstance(location, dict) and location.get("type") == "denied"
    said = "was denied at" if denied else "went through"
    return Entry(str(row.get("id")), at, f"{said} {door or 'a door'}")
