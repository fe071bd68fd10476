"""ZKBio CVSecurity behind the verbs of this room. Called by ``connectors.doors.connector``.

It has a verb for a leaver: ``leave`` takes card, access levels and validity at once, ``reinstated``
brings them back from the person's whole body, which is kept before. What ``leave`` does on devices
is not stated anywhere, and no device state is shown: the card makes that a person's task.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any, Final
from urllib.parse import quote
from zoneinfo import ZoneInfo

from connectors.contract import HoldingState, Json, Kind, Probe
from connectors.doors.contract import (
    ACCOUNT,
    CARD,
    DOOR,
    Cut,
    Entries,
    Entry,
    Held,
    Inventory,
    Person,
)
from connectors.doors.wire import CLOCK_TOLERANCE
from connectors.doors.zkteco.server import Row, Server
from connectors.doors.zkteco.settings import Settings
from connectors.faults import Malformed, Refused

_KEPT: Final = (
    "pin", "name", "lastName", "deptCode", "gender", "email", "mobilePhone", "certNumber",
    "certType", "birthday", "hireDate", "cardNo", "supplyCards", "accLevelIds", "accStartTime",
    "accEndTime", "isDisabled", "isSendMail", "carPlate",
)  # fmt: skip
"""What ``reinstated`` needs. Never the password hash (``selfPwd``), photo or templates."""
CARDS: Final = "cards"


class ZktecoSystem:
    """One server and one token."""

    keeps_mails = False

    def __init__(self, settings: Settings, server: Server) -> None:
        self._settings = settings
        self._server = server
        self._zone = ZoneInfo(settings.time_zone)

    def close(self) -> None:
        """Close the connections."""
        self._server.close()

    # ----------------------------------------------------------------------------------- reads
    def inventory(self, person_id: str) -> Inventory | None:
        """Read the person; who has left is not listed any more."""
        row = self._row(person_id)
        return None if row is None else Inventory(_person(row), _held(row))

    def _row(self, pin: str) -> Row | None:
        try:
            rows = [row for page in self._server.people({"pins": pin}) for row in page]
        except Cut as cut:
            raise Malformed(f"doors: {cut}", code="zkteco:list") from cut
        return next((row for row in rows if row.get("pin") == pin), None)

    def search(self, number: str, mails: tuple[str, ...]) -> tuple[Person, ...]:
        """Find by personnel id; the list has no other search that is exact."""
        if not number:
            return ()
        if "," in number:
            raise Cut("the employee number cannot be searched for exactly")
        row = self._row(number)
        return () if row is None else (_person(row),)

    def people(self) -> Iterator[tuple[Person, ...]]:
        """Page through everybody who has not left."""
        for rows in self._server.people({}):
            yield tuple(map(_person, rows))

    def entries(self, person_id: str, since: datetime, until: datetime) -> Iterator[Entries]:
        """Read transactions by the time they happened; the server tells times without a zone."""
        path = f"/api/transaction/person/{quote(person_id, safe='')}"
        query = {"startDate": self._local(since), "endDate": self._local(until)}
        try:
            for rows in self._server.log(path, query):
                mine = [row for row in rows if row.get("pin") == person_id]
                yield Entries(tuple(map(self._entry, mine)))
        except Cut as cut:
            yield Entries(gaps=(f"door events: {cut}",))

    def _local(self, moment: datetime) -> str:
        return moment.astimezone(self._zone).strftime("%Y-%m-%d %H:%M:%S")

    def _entry(self, row: Row) -> Entry:
        try:
            local = datetime.fromisoformat(str(row["eventTime"]))
        except (KeyError, ValueError) as error:
            raise Malformed("doors: an event without a time", code="zkteco:event") from error
        at = local if local.utcoffset() is not None else local.replace(tzinfo=self._zone)
        door = row.get("eventPointName") or "a door"
        return Entry(str(row.get("id")), at, f"{row.get('eventName') or 'door event'} at {door}")

    # ---------------------------------------------------------------------------------- writes
    def suspend(self, inventory: Inventory, held: Held) -> str:
        """Let the person leave; cards and levels go with it, so a second call has nothing to do."""
        pin = inventory.person.id
        if self._row(pin) is not None:
            body = {
                "pin": pin,
                "leaveDate": self._local(self._server.clock())[:10],
                "leaveType": self._settings.leave_type,
            }
            self._server.post("/api/person/leave", body)
        return ""

    def remove(self, inventory: Inventory, held: Held) -> str:
        """Nothing is removed alone."""
        raise Refused("doors: it goes when the person leaves", code="zkteco:remove")

    def push(self, inventory: Inventory, held: Held) -> None:
        """Devices are told by the server; it does not say when."""

    def put_back(self, inventory: Inventory, of: Kind, before: Mapping[str, Json]) -> str:
        """Reinstate with the whole body of before."""
        return self.reinstate(inventory.person.id, before)

    def reinstate(self, person_id: str, before: Mapping[str, Json]) -> str:
        """Bring back who has left."""
        person = before.get("person")
        if not isinstance(person, Mapping) or person.get("pin") != person_id:
            raise Refused("doors: the body from before is needed", code="zkteco:reinstate")
        self._server.post("/api/person/reinstated", person)
        return ""

    def counterpart(
        self, inventory: Inventory, of: Kind, native_id: str, before: Mapping[str, Json]
    ) -> Held | None:
        """Ids stay what they are here."""
        return inventory.find(of, native_id)

    def delete(self, person_id: str) -> str:
        """Delete the person."""
        self._server.post("/api/v2/person/deleteByPins", {"pins": person_id})
        return ""

    # ------------------------------------------------------------------------------------ doctor
    def probe(self) -> Iterator[Probe]:
        """Check token and clock."""
        first = {"pageNo": 1, "pageSize": 1}
        answer = self._server.asked("/api/v2/person/getPersonList", first)
        yield Probe("token", holds=True, detail="people can be read")
        if answer.said_at is not None:
            apart = abs(answer.said_at - self._server.clock())
            detail = f"{apart.total_seconds():.0f} s apart"
            yield Probe("clock", holds=apart <= CLOCK_TOLERANCE, detail=detail)


def _person(row: Row) -> Person:
    pin = row.get("pin")
    if not isinstance(pin, str) or not pin:
        raise Malformed("doors: a person without a personnel id", code="zkteco:person")
    name = " ".join(str(row[part]) for part in ("name", "lastName") if row.get(part))
    mail = row.get("email")
    return Person(pin, pin, name, (str(mail),) if mail else ())


def _held(row: Row) -> tuple[Held, ...]:
    stopped = row.get("isDisabled") is True
    state = HoldingState.CONTAINED if stopped else HoldingState.LIVE
    body: dict[str, Any] = {name: row[name] for name in _KEPT if row.get(name) is not None}
    pin, restore = str(row["pin"]), {"person": body}
    held = [Held(ACCOUNT, pin, state, _person(row).display, restore=restore)]
    cards = _several(row.get("cardNo")) + _several(row.get("supplyCards"))
    if cards:  # a number is no id, and the product gives cards no other
        held.append(Held(CARD, CARDS, state, f"{len(cards)} card(s)", restore=restore))
    levels = dict.fromkeys(_several(row.get("accLevelIds")))
    held += [Held(DOOR, one, state, f"access level {one}", restore=restore) for one in levels]
    return tuple(held)


def _several(text: object) -> list[str]:
    return [one.strip() for one in text.split(",") if one.strip()] if isinstance(text, str) else []
