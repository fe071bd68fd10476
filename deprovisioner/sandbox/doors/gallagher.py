"""A fake Gallagher Command Centre: links, licences, memberships, doors with fault flags, events.

Called by tests and the pretend company through `GallagherSite.server`. It keeps the vendor's traps:
membership links change when a cardholder is changed, a number is only shown while a group shows
it, an unquoted search matches parts, divisions hide people and events, controllers take their time.
"""

import hmac
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from deprovisioner.sandbox.doors.gallagher_cardholders import (
    PHONE,
    STATES,
    Cardholder,
    Cardholders,
    Credential,
    Membership,
)
from deprovisioner.sandbox.doors.serving import DoorServer, Faults, Reply, Request

NUMBER_FIELD = (629, "Employee Number")
_GONE = Reply(404, {"message": "not found", "code": -1})


@dataclass(slots=True)
class GallagherSite(Cardholders):
    """The server and its door to the world.

    ``keys`` are API keys; ``writers`` those with edit privileges; ``licences`` what was bought;
    ``hidden`` divisions that the operators may not view.
    """

    keys: frozenset[str]
    writers: frozenset[str]
    server: DoorServer = field(init=False)
    licences: set[str] = field(
        default_factory=lambda: {"RESTCardholders", "RESTEvents", "RESTStatus"}
    )
    hidden: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        Cardholders.__post_init__(self)  # `super()` does not find a class that was made with slots
        self.server = DoorServer(self._respond, self._clock, cuts_bytes=True)

    @property
    def faults(self) -> Faults:
        """What is broken."""
        return self.server.faults

    def _clock(self) -> datetime:
        return self.now() + timedelta(seconds=self.faults.clock_off)

    # -------------------------------------------------------------------------------- interface
    def _respond(self, request: Request) -> Reply:
        shown = request.headers.get("authorization", "").encode()
        mine = [k for k in self.keys if hmac.compare_digest(f"GGL-API-KEY {k}".encode(), shown)]
        if not mine or self.faults.denied:
            return Reply(401, {"message": "no such API key"})
        parts = [part for part in request.path.split("/") if part]
        if parts == ["api"]:
            return Reply(200, {"version": "9.30.1", "features": self._features()})
        if request.method in {"PATCH", "DELETE"}:
            if mine[0] not in self.writers:
                return Reply(403, {"message": "privilege required"})
            if self.faults.silent:
                return Reply(204)
        return self._routed(request, parts)

    def _routed(self, request: Request, parts: list[str]) -> Reply:
        match parts:
            case ["api", "cardholders"]:
                reply = self._search(request)
            case ["api", "cardholders", native_id]:
                reply = self._cardholder(request, native_id)
            case ["api", "doors"]:
                reply = self._doors(request)
            case ["api", "items", "updates"]:
                reply = self._updates(request)
            case ["api", "events"]:
                reply = self._events(request)
            case _:
                reply = _GONE
        return reply

    def _features(self) -> dict[str, Any]:
        def at(path: str) -> dict[str, str]:
            return {"href": f"{self.server.url}/api/{path}"}

        rooms: dict[str, Any] = {}
        if "RESTCardholders" in self.licences:
            rooms["cardholders"] = {"cardholders": at("cardholders")}
        if "RESTEvents" in self.licences:
            rooms["events"] = {"events": at("events")}
        if "RESTStatus" in self.licences:
            rooms |= {"items": {"updates": at("items/updates")}, "doors": {"doors": at("doors")}}
        return rooms

    def _visible(self) -> list[Cardholder]:
        return [one for one in self.people.values() if one.division not in self.hidden]

    def _search(self, request: Request) -> Reply:
        if "RESTCardholders" not in self.licences:
            return Reply(403, {"message": "not licensed"})
        found = self._visible()
        wanted = request.query.get(f"pdf_{NUMBER_FIELD[0]}")
        if wanted:
            found = [one for one in found if self._shows(one) and _matches(one.number, wanted[0])]
        rows = [self._shown(one, request.first("fields")) for one in found]
        return self._paged(request, rows, "results")

    def _paged(self, request: Request, rows: list[dict[str, Any]], of: str) -> Reply:
        """Return a page; after the first one comes an empty page with a next link."""
        size, at = int(request.first("top", "100")), int(request.first("skip", "0"))
        body: dict[str, Any] = {of: rows[at : at + size]}
        query = {name: values[0] for name, values in request.query.items() if name != "skip"}
        rest = "&".join(f"{name}={_quoted(value)}" for name, value in query.items())
        if at == 0 and len(rows) > size and "pause" not in query:
            query["pause"] = "1"
            body["next"] = {
                "href": f"{self.server.url}{request.path}?{rest}&pause=1&skip={size}&hold=1"
            }
        elif "hold" in query:
            rest = rest.replace("&hold=1", "")
            body = {of: [], "next": {"href": f"{self.server.url}{request.path}?{rest}&skip={at}"}}
        elif at + size < len(rows):
            body["next"] = {"href": f"{self.server.url}{request.path}?{rest}&skip={at + size}"}
        return Reply(200, body)

    def _shows(self, person: Cardholder) -> bool:
        """A field is shown while a group of the cardholder shows it."""
        return any(self.groups[one.group_id].shows_number for one in person.access)

    def _shown(self, person: Cardholder, fields: str) -> dict[str, Any]:
        base = f"{self.server.url}/api/cardholders/{person.id}"
        given, _, family = person.name.partition(" ")
        row: dict[str, Any] = {
            "href": base,
            "id": person.id,
            "firstName": given,
            "lastName": family,
            "authorised": person.authorised,
            "cards": [self._card(base, one) for one in person.cards],
            "accessGroups": [self._member(base, "access_groups", "accessGroup", one)
                             for one in person.access],
            "operatorGroups": [self._member(base, "operator_groups", "operatorGroup", one)
                               for one in person.operator],
        }  # fmt: skip
        if person.last_access:
            row["lastSuccessfulAccessTime"] = person.last_access
        asked = set(fields.split(","))
        row = {name: value for name, value in row.items() if name in asked | {"href"}}
        if f"pdf_{NUMBER_FIELD[0]}" in asked and self._shows(person):
            row[f"@{NUMBER_FIELD[1]}"] = person.number
        return row

    def _card(self, base: str, one: Credential) -> dict[str, Any]:
        phone = one.type_id == PHONE
        row: dict[str, Any] = {
            "href": f"{base}/cards/{one.id}",
            "number": one.number,
            "status": {"value": one.value, "type": STATES[one.value]},
            "type": {"href": f"{self.server.url}/api/card_types/{one.type_id}", "name": "Badge"},
            "credentialClass": "mobile" if phone else "card",
        }
        if phone:
            row["invitation"] = {"status": "sent"}
        return row

    def _member(self, base: str, several: str, single: str, one: Membership) -> dict[str, Any]:
        group = self.groups[one.group_id]
        row: dict[str, Any] = {
            "href": f"{base}/{several}/{one.id}",
            single: {"href": f"{self.server.url}/api/{several}/{group.id}", "name": group.name},
        }
        if one.until:
            row["until"] = one.until
        return row

    def _cardholder(self, request: Request, native_id: str) -> Reply:
        person = self.people.get(native_id)
        if person is None or person.division in self.hidden:
            return _GONE
        if request.method == "GET":
            return Reply(200, self._shown(person, request.first("fields")))
        if request.method == "DELETE":
            del self.people[native_id]
            return Reply(204)
        try:
            body = request.json()
        except ValueError:
            return Reply(400, {"message": "No fields have been defined for update"})
        return self._patch(person, body)

    def _patch(self, person: Cardholder, body: Mapping[str, Any]) -> Reply:
        problem = self._invalid(person, body)
        if problem is not None:
            return problem
        if "authorised" in body:
            person.authorised = body["authorised"]
        cards = body.get("cards", {})
        gone = {one["href"].rpartition("/")[2] for one in cards.get("remove", ())}
        person.cards = [one for one in person.cards if one.id not in gone]
        for change in cards.get("update", ()):
            card = next(c for c in person.cards if change["href"].endswith(c.id))
            card.value = change["status"]["value"]
        for one in cards.get("add", ()):
            type_id = one["type"]["href"].rpartition("/")[2]
            person.cards.append(
                Credential(self.fresh(), one["number"], type_id, one["status"]["value"])
            )
        person.access = self._members(person.access, body.get("accessGroups", {}), "accessgroup")
        person.operator = self._members(
            person.operator, body.get("operatorGroups", {}), "operatorgroup"
        )
        return Reply(204)

    def _invalid(self, person: Cardholder, body: Mapping[str, Any]) -> Reply | None:
        cards = body.get("cards", {})
        named = [*cards.get("remove", ()), *cards.get("update", ())]
        known = {one.id for one in person.cards}
        if any(one["href"].rpartition("/")[2] not in known for one in named):
            return Reply(400, {"message": "the card is not there"})
        states = [
            one["status"]["value"] for one in (*cards.get("update", ()), *cards.get("add", ()))
        ]
        if any(one not in STATES for one in states):
            return Reply(400, {"message": "no such state of this card type"})
        groups = [("accessGroups", person.access), ("operatorGroups", person.operator)]
        for name, members in groups:
            ids = {one.id for one in members}
            removed = body.get(name, {}).get("remove", ())
            if any(one["href"].rpartition("/")[2] not in ids for one in removed):
                return Reply(400, {"message": "the membership is not there"})
        return None

    def _members(
        self, members: list[Membership], change: Mapping[str, Any], name: str
    ) -> list[Membership]:
        gone = {one["href"].rpartition("/")[2] for one in change.get("remove", ())}
        # Links of the memberships that stay are new ones after any change of a cardholder.
        stay = [
            Membership(self.fresh(), one.group_id, one.until)
            for one in members
            if one.id not in gone
        ]
        new = [
            Membership(self.fresh(), one[name]["href"].rpartition("/")[2], one.get("until", ""))
            for one in change.get("add", ())
        ]
        return stay + new

    # ----------------------------------------------------------------------------- doors, events
    def _doors(self, request: Request) -> Reply:
        rows = [{"id": one.id, "name": one.name} for one in self.panels.units.values()]
        return self._paged(request, rows, "results")

    def _updates(self, request: Request) -> Reply:
        wanted = set(map(str, request.json().get("itemIds", ())))
        rows = [
            {
                "id": one.id,
                "status": "" if one.online else "Steuerung offline",
                "statusFlags": [] if one.online else ["controllerOffline"],
            }
            for one in self.panels.units.values()
            if one.id in wanted
        ]
        return Reply(200, {"updates": rows, "next": {"href": f"{self.server.url}/api/next"}})

    def _events(self, request: Request) -> Reply:
        wanted = set(request.first("cardholder").split(","))
        visible = {one.id for one in self._visible()}
        after = datetime.fromisoformat(request.first("after"))
        rows = [
            {
                "id": one.id,
                "time": one.at.isoformat(),
                "type": {"id": "20001", "name": "Card Event"},
                "source": {"id": one.panel_id, "name": self.panels.units[one.panel_id].name},
                "location": {"type": "moved" if one.granted else "denied"},
            }
            for one in self.panels.events
            if one.person_id in wanted & visible and one.at >= after
        ]
        return self._paged(request, rows, "events")


def _matches(number: str, wanted: str) -> bool:
    """Quoted is exact; anything else is a part. Case never counts."""
    if len(wanted) > 1 and wanted[0] == wanted[-1] == '"':
        return wanted[1:-1].casefold() == number.casefold()
    return wanted.strip("%").casefold() in number.casefold()


def _quoted(value: str) -> str:
    return json.dumps(value)[1:-1].replace('\\"', "%22").replace(" ", "%20").replace("+", "%2B")
