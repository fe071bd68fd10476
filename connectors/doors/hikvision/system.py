"""iSecure Center behind the verbs of this room. Paths and states: ``docs/connectors/doors.md``.

Called by ``connectors.doors.connector``. Contain freezes the person's permissions and reports
cards lost; both come back. Revoke removes the configuration first, the reason, and then asks each
device that can be reached to forget the person; one that cannot keeps state 2, and the case open.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from connectors.contract import Json, Kind, Probe
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
from connectors.doors.hikvision.artemis import Artemis, Row, one_of
from connectors.doors.hikvision.settings import Settings
from connectors.doors.hikvision.state import (
    FROZEN,
    Device,
    account_of,
    biometrics_of,
    card_of,
    device,
    door_of,
    panel_of,
    person_of,
)
from connectors.doors.wire import CLOCK_TOLERANCE
from connectors.faults import Malformed, Refused

PERSON: Final = "/api/resource/v1/person/condition/personInfo"
PEOPLE: Final = "/api/resource/v2/person/advance/personList"
DELETE: Final = "/api/resource/v1/person/batch/delete"
CARDS: Final = "/api/irds/v1/card/advance/cardList"
CARD_LOSS: Final = "/api/cis/v1/card/batch/loss"
CARD_UNLOSS: Final = "/api/cis/v1/card/batch/unLoss"
CARD_RETURN: Final = "/api/cis/v1/card/deletion"
FREEZE: Final = "/api/acps/v1/authConfig/personAuth/useStatus/configuration"
FREEZE_LIST: Final = "/api/acps/v1/authConfig/personAuth/useStatus/list"
CONFIG: Final = "/api/acps/v1/auth_config"
SHORTCUT: Final = "/api/acps/v1/authDownload/configuration/shortcut"
SIMPLE: Final = "/api/acps/v1/authDownload/task/simpleDownload"
RECORDS: Final = "/api/acps/v2/download_record/person/detail/search"
ITEMS: Final = "/api/acps/v1/auth_item/list/search"
ONLINE: Final = "/api/nms/v1/online/acs_device/get"
EVENTS: Final = "/api/acs/v2/door/events"
ADD, REMOVE = 0, 2
EVERYTHING: Final = 7
"""taskType: card, finger and face."""
WINDOW: Final = timedelta(days=89)
"""A query of events spans at most three months."""
UNSUBSCRIBED: Final = (
    "whether door events are subscribed in the access component (check, then set events_subscribed)"
)


class HikvisionSystem:
    """One platform and one API partner."""

    keeps_mails = False

    def __init__(self, settings: Settings, artemis: Artemis) -> None:
        self._settings = settings
        self._artemis = artemis

    def close(self) -> None:
        """Close the connections."""
        self._artemis.close()

    # ----------------------------------------------------------------------------------- reads
    def inventory(self, person_id: str) -> Inventory | None:
        """Read person, cards, freeze, configuration and every device that has or had a row."""
        person = self._person("personId", person_id)
        if person is None:
            return None
        of = {"personIds": [person_id]}
        cards = self._mine(self._artemis.every(CARDS, of), person_id)
        frozen = self._frozen(person_id)
        devices = self._devices(person_id)
        panels = [
            panel_of(one, stopped=frozen)
            for one in devices
            if one.id not in self._settings.excluded_panels
        ]
        held = [
            account_of(person, frozen=frozen),
            *map(card_of, cards),
            *biometrics_of(cards, devices),
            *map(door_of, devices),
        ]
        return Inventory(person, tuple(held), tuple(panels))

    def _person(self, name: str, value: str) -> Person | None:
        found = self._people_where(name, value)
        mine = [one for one in found if name != "personId" or one.id == value]
        return mine[0] if mine else None

    def _people_where(self, name: str, value: str) -> list[Person]:
        body = {"paramName": name, "paramValue": [value]}
        return [person_of(row) for row in self._artemis.every(PERSON, body)]

    def _frozen(self, person_id: str) -> bool:
        rows = self._artemis.every(FREEZE_LIST, {"personIds": [person_id]})
        row = one_of(rows, "personId", person_id)
        return row is not None and str(row.get("useStatus")) == str(FROZEN)

    def _devices(self, person_id: str) -> list[Device]:
        of = {"personIds": [person_id]}
        rows = {
            str(row.get("resourceIndexCode")): row
            for row in self._mine(
                self._artemis.every(ITEMS, {**of, "queryType": "acsDevice"}), person_id
            )
        }
        granted = self._mine(self._artemis.every(f"{CONFIG}/search", of), person_id)
        ours = {str(row.get("resourceIndexCode")) for row in granted}
        for name in ours - set(rows):  # configured and in no row: it will be downloaded
            rows[name] = {"resourceIndexCode": name} | dict.fromkeys(
                ("personStatus", "cardStatus", "faceStatus"), 4
            )
        if not rows:
            return []
        online = self._artemis.every(ONLINE, {"indexCodes": sorted(rows)})
        removals = self._removals(person_id)
        return [
            device(
                row, one_of(online, "indexCode", name), removals.get(name, ""), ours=name in ours
            )
            for name, row in sorted(rows.items())
        ]

    def _removals(self, person_id: str) -> dict[str, str]:
        """By device whose newest record is about a removal: how that ended.

        A removal before which something was put there again says nothing of what is there now.
        """
        rows = self._mine(self._artemis.every(RECORDS, {"personIds": [person_id]}), person_id)
        ordered = sorted(rows, key=lambda row: str(row.get("downloadTime")))
        newest = {str(row.get("resourceIndexCode")): row for row in ordered}
        return {
            device: str(row.get("persondownloadResult"))
            for device, row in newest.items()
            if str(row.get("operatorType")) == str(REMOVE)
        }

    @staticmethod
    def _mine(rows: Sequence[Row], person_id: str) -> list[Row]:
        """Keep one person's rows: an answer about somebody else is none about them.

        Raises Malformed on a row of nobody: it may be theirs (Law 2).
        """
        if any(not isinstance(row.get("personId"), str) for row in rows):
            raise Malformed("doors: a row names no person", code="artemis:person")
        return [row for row in rows if row.get("personId") == person_id]

    def search(self, number: str, mails: tuple[str, ...]) -> tuple[Person, ...]:
        """Find by job number; the platform keeps no addresses."""
        if not number:
            return ()
        return tuple(one for one in self._people_where("jobNo", number) if one.number == number)

    def people(self) -> Iterator[tuple[Person, ...]]:
        """Page through everybody."""
        for rows in self._artemis.rows(PEOPLE, {}):
            yield tuple(map(person_of, rows))

    def entries(self, person_id: str, since: datetime, until: datetime) -> Iterator[Entries]:
        """Read by event time, and by receive time: an offline device reports old events late.

        The request knows no person id, so the rows of others are left out here.
        """
        if not self._settings.events_subscribed:
            yield Entries(gaps=(UNSUBSCRIBED,))
        seen: set[str] = set()
        for names in (("startTime", "endTime"), ("receiveStartTime", "receiveEndTime")):
            for start, end in _windows(since, until):
                body = {names[0]: _text(start), names[1]: _text(end)}
                try:
                    for rows in self._artemis.rows(EVENTS, body):
                        # Doors tell much of nobody: a button, an alarm, a card of no one.
                        theirs = (row for row in rows if row.get("personId") == person_id)
                        found = [_entry(row) for row in theirs]
                        fresh = [one for one in found if one.id not in seen]
                        seen |= {one.id for one in fresh}
                        yield Entries(tuple(fresh))
                except Cut as cut:
                    yield Entries(gaps=(f"door events: {cut}",))
        yield Entries(gaps=self._silent_devices())

    def _silent_devices(self) -> tuple[str, ...]:
        """Name devices that are away: what happened there has not been told yet."""
        rows = self._artemis.every(ONLINE, {})
        names = [
            str(row.get("cn") or row.get("indexCode"))
            for row in rows
            if str(row.get("online")) != "1"
            and str(row.get("indexCode")) not in self._settings.excluded_panels
        ]
        return tuple(f"events of door panel {name}, which is offline" for name in sorted(names))

    # ---------------------------------------------------------------------------------- writes
    def suspend(self, inventory: Inventory, held: Held) -> str:
        """Freeze the person, or report a card lost."""
        person_id = inventory.person.id
        if held.kind == ACCOUNT:
            self._artemis.post(FREEZE, {"personIds": [person_id], "useStatus": FROZEN})
        elif held.kind == CARD:
            self._artemis.post(CARD_LOSS, {"cardList": [_card(person_id, held.restore)]})
        else:
            raise Refused("doors: freezing the person stops it", code="artemis:suspend")
        return ""

    def remove(self, inventory: Inventory, held: Held) -> str:
        """Return a card, or take a door away: first the reason, then what the device has."""
        person_id = inventory.person.id
        if held.kind == CARD:
            self._artemis.post(CARD_RETURN, _card(person_id, held.restore))
        elif held.kind == DOOR:
            self._artemis.post(f"{CONFIG}/delete", _configuration(person_id, held.id))
            # A device that refuses shows in its download state; who granted it does not matter.
            self._forget(inventory, held.id)
        else:
            raise Refused("doors: not removed over the interface", code="artemis:remove")
        return ""

    def push(self, inventory: Inventory, held: Held) -> None:
        """Ask the devices that are behind, and can be reached, to forget the person."""
        for panel in inventory.panels:
            if panel.state in {"pending", "failed"} and (
                held.panels is None or panel.id in held.panels
            ):
                self._forget(inventory, panel.id)

    def _forget(self, inventory: Inventory, device_id: str) -> None:
        offline = {panel.id for panel in inventory.panels if panel.state == "offline"}
        if device_id not in offline:
            self._download(inventory.person.id, device_id, REMOVE)

    def _download(self, person_id: str, device_id: str, operator: int) -> None:
        self._artemis.post(
            SIMPLE,
            {
                "resourceInfo": {"resourceIndexCode": device_id, "resourceType": "acsDevice"},
                "personInfo": {"personId": person_id, "operatorType": operator},
                "taskType": EVERYTHING,
            },
        )

    def put_back(self, inventory: Inventory, of: Kind, before: Mapping[str, Json]) -> str:
        """Unfreeze, find a card again, or configure and download a door."""
        person_id = inventory.person.id
        if of == ACCOUNT:
            self._artemis.post(FREEZE, {"personIds": [person_id], "useStatus": 0})
        elif of == CARD:
            numbers = {one.restore.get("cardNo") for one in inventory.held if one.kind == CARD}
            if before.get("cardNo") not in numbers:
                raise Refused("doors: the card was returned: issue one anew", code="artemis:card")
            self._artemis.post(CARD_UNLOSS, {"cardList": [_card(person_id, before)]})
        elif of == DOOR:
            device_id = str(before.get("resourceIndexCode"))
            configuration = _configuration(person_id, device_id)
            self._artemis.post(f"{CONFIG}/add", configuration)
            self._artemis.post(
                SHORTCUT,
                {"taskType": EVERYTHING, "resourceInfos": configuration["resourceInfos"]},
            )
        else:
            raise Refused("doors: enrolled anew at a reader", code="artemis:restore")
        return ""

    def reinstate(self, person_id: str, before: Mapping[str, Json]) -> str:
        """Suspending takes nobody off this platform."""
        raise Refused("doors: the person was deleted: enrol them anew", code="doors:deleted")

    def counterpart(
        self, inventory: Inventory, of: Kind, native_id: str, before: Mapping[str, Json]
    ) -> Held | None:
        """Ids stay what they are here."""
        return inventory.find(of, native_id)

    def delete(self, person_id: str) -> str:
        """Delete the person; the answer has a code for each."""
        rows = self._artemis.post(DELETE, {"personIds": [person_id]})
        for row in rows if isinstance(rows, list) else []:
            if row.get("personId") == person_id and str(row.get("code")) != "0":
                raise Refused("doors: the person was not deleted", code=f"artemis:{row['code']}")
        return ""

    # ------------------------------------------------------------------------------------ doctor
    def probe(self) -> Iterator[Probe]:
        """Check signature, clock, and each right that a read needs."""
        answer = self._artemis.asked(PEOPLE, {"pageNo": 1, "pageSize": 1})
        yield Probe("signature", holds=True, detail="the gateway takes our key and secret")
        if answer.said_at is not None:
            apart = abs(answer.said_at - self._artemis.clock())
            yield Probe(
                "clock",
                holds=apart <= CLOCK_TOLERANCE,
                detail=f"{apart.total_seconds():.0f} s apart",
                advice="" if apart <= CLOCK_TOLERANCE else "the gateway refuses old signatures",
            )
        away = self._silent_devices()
        yield Probe(
            "panels",
            holds=not away,
            detail="; ".join(away),
            advice="a case of anybody with these doors stays open until they are back"
            if away
            else "",
        )


def _card(person_id: str, before: Mapping[str, Json]) -> dict[str, Any]:
    return {"cardNumber": before.get("cardNo"), "personId": person_id}


def _configuration(person_id: str, device_id: str) -> dict[str, Any]:
    return {
        "personDatas": [{"indexCodes": [person_id], "personDataType": "person"}],
        "resourceInfos": [{"resourceIndexCode": device_id, "resourceType": "acsDevice"}],
    }


def _windows(since: datetime, until: datetime) -> Iterator[tuple[datetime, datetime]]:
    start = since
    while start < until:
        end = min(start + WINDOW, until)
        yield start, end
        start = end


def _text(moment: datetime) -> str:
    return moment.isoformat(timespec="milliseconds")


def _entry(row: Row) -> Entry:
    try:
        at = datetime.fromisoformat(str(row["eventTime"]))
    except (KeyError, ValueError) as error:
        raise Malformed("doors: an event without a time", code="artemis:event") from error
    if at.utcoffset() is None:
        raise Malformed("doors: an event whose time has no zone", code="artemis:event")
    door = str(row.get("doorName") or "a door")
    return Entry(str(row.get("eventId")), at, f"door event at {door}")
