"""A fake Hikvision iSecure Center: Artemis signatures, permissions with download states, devices.

Called by tests and the pretend company through `HikvisionSite.server`. What it refuses and keeps
apart is what the vendor's does: 200 with a code inside, configuration by tag, state 2 on a device
that is away, events that come late or were never subscribed.
"""

import hmac
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from connectors.doors.hikvision.signing import content_md5, signature, string_to_sign
from deprovisioner.sandbox.doors.hikvision_platform import (
    CONSOLE,
    NONE,
    OUR_TAG,
    PARTS,
    AccessCard,
    Enrolled,
    Item,
    Platform,
)
from deprovisioner.sandbox.doors.serving import DoorServer, Faults, Reply, Request

__all__ = ["CONSOLE", "HikvisionSite"]

_TOLERANCE = timedelta(minutes=15)
_SIGNATURE_WRONG, _TIME_OFF, _UNKNOWN_KEY, _REPLAYED = (
    "0x02401003", "0x02401005", "0x02401002", "0x02401006",
)  # fmt: skip
_NO_SUCH, _DEVICE_AWAY, _WRONG = "0x00052101", "0x00072301", "0x00052102"


@dataclass(slots=True)
class HikvisionSite(Platform):
    """The platform and its door to the world.

    ``partners`` are app keys with their secrets; ``writers`` those that may change something.
    """

    partners: Mapping[str, str]
    writers: frozenset[str]
    server: DoorServer = field(init=False)
    _nonces: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        Platform.__post_init__(self)  # `super()` does not find a class that was made with slots
        self.server = DoorServer(self._respond, self._clock)

    @property
    def faults(self) -> Faults:
        """What is broken."""
        return self.server.faults

    # ----------------------------------------------------------------------------------- gateway
    def _clock(self) -> datetime:
        return self.now() + timedelta(seconds=self.faults.clock_off)

    def _respond(self, request: Request) -> Reply:
        refused = self._refused(request)
        if refused:
            return _said(refused)
        try:
            body = json.loads(request.raw)
        except ValueError:
            return _said(_WRONG)
        self.settle()
        call = _CALLS.get(request.path.removeprefix("/artemis"))
        if call is None or request.method != "POST":
            return _said(_NO_SUCH)
        handle, writes = call
        if writes and request.headers["x-ca-key"] not in self.writers:
            return _said("0x02401007")
        if writes and self.faults.silent:
            return _said("0", None)
        return handle(self, body)

    def _refused(self, request: Request) -> str:
        head = request.headers
        secret = self.partners.get(head.get("x-ca-key", ""))
        if secret is None or self.faults.denied:
            return _UNKNOWN_KEY
        signed = head.get("x-ca-signature-headers", "").split(",")
        text = string_to_sign(request.method, request.path, head, signed)
        if not hmac.compare_digest(signature(secret, text), head.get("x-ca-signature", "")):
            return _SIGNATURE_WRONG
        if head.get("content-md5") != content_md5(request.raw):
            return _SIGNATURE_WRONG
        stamp = head.get("x-ca-timestamp", "")
        off = abs(int(stamp) / 1000 - self._clock().timestamp()) if stamp.isdigit() else 1e9
        if off > _TOLERANCE.total_seconds():
            return _TIME_OFF
        nonce = head.get("x-ca-nonce", "")
        if nonce in self._nonces:
            return _REPLAYED
        self._nonces.add(nonce)
        return ""

    def _listed(self, rows: list[dict[str, Any]], body: Mapping[str, Any]) -> Reply:
        page, size = int(body.get("pageNo", 1)), int(body.get("pageSize", 20))
        shown = rows[(page - 1) * size : page * size]
        if self.faults.truncated and page * size >= len(rows):
            shown = shown[:-1]
        return _said("0", {"total": len(rows), "pageNo": page, "pageSize": size, "list": shown})

    def _visible(self) -> list[Enrolled]:
        return [one for one in self.people.values() if not one.hidden]

    def _about(self, body: Mapping[str, Any]) -> set[str]:
        return set(body.get("personIds", ())) & {one.id for one in self._visible()}

    # ------------------------------------------------------------------------------------- reads
    def person_info(self, body: Mapping[str, Any]) -> Reply:
        field_of = {"personId": "id", "jobNo": "number"}.get(body.get("paramName", ""))
        if field_of is None:
            return _said(_WRONG)
        wanted = set(body.get("paramValue", ()))
        found = [one for one in self._visible() if getattr(one, field_of) in wanted]
        return self._listed([_person(one) for one in found], body)

    def person_list(self, body: Mapping[str, Any]) -> Reply:
        return self._listed([_person(one) for one in self._visible()], body)

    def card_list(self, body: Mapping[str, Any]) -> Reply:
        mine = self._about(body)
        rows = [
            {
                "cardId": one.id,
                "cardNo": one.number,
                "personId": one.person_id,
                "useStatus": 2 if one.lost else 1,
                "isBindFace": int(self.people[one.person_id].face),
                "isBindFinger": 0,
            }
            for one in self.cards.values()
            if one.person_id in mine
        ]
        return self._listed(rows, body)

    def freeze_list(self, body: Mapping[str, Any]) -> Reply:
        rows = [
            {"personId": one, "useStatus": int(self.people[one].frozen)}
            for one in sorted(self._about(body))
        ]
        return self._listed(rows, body)

    def config_search(self, body: Mapping[str, Any]) -> Reply:
        mine = self._about(body)
        rows = [
            {"personId": item.person_id, "resourceIndexCode": item.device_id}
            for item in self.items.values()
            if item.person_id in mine and item.configured and item.tag == OUR_TAG
        ]
        return self._listed(rows, body)

    def item_search(self, body: Mapping[str, Any]) -> Reply:
        mine = self._about(body)
        rows = [
            {
                "personId": item.person_id,
                "resourceIndexCode": item.device_id,
                **{f"{part}Status": state for part, state in item.states.items()},
            }
            for item in self.items.values()
            if item.person_id in mine
        ]
        return self._listed(rows, body)

    def online(self, body: Mapping[str, Any]) -> Reply:
        wanted = set(body.get("indexCodes") or self.panels.units)
        rows = [
            {"indexCode": one.id, "cn": one.name, "online": int(one.online)}
            for one in self.panels.units.values()
            if one.id in wanted
        ]
        return self._listed(rows, body)

    def record_search(self, body: Mapping[str, Any]) -> Reply:
        mine = self._about(body)
        return self._listed([one for one in self.records if one["personId"] in mine], body)

    def door_events(self, body: Mapping[str, Any]) -> Reply:
        """Events of everybody: the request has no person id."""
        by = "received_at" if "receiveStartTime" in body else "at"
        names = ("receiveStartTime", "receiveEndTime") if by == "received_at" else (
            "startTime", "endTime",
        )  # fmt: skip
        start, end = (datetime.fromisoformat(body[name]) for name in names)
        if end - start > timedelta(days=92):
            return _said(_WRONG)
        rows = [
            {
                "eventId": one.id,
                "personId": one.person_id,
                "eventTime": one.at.isoformat(),
                "receiveTime": one.received_at.isoformat(),
                "doorName": self.panels.units[one.panel_id].name,
                "inAndOutType": 1,
            }
            for one in self.panels.events
            if start <= getattr(one, by) <= end
        ]
        return self._listed(rows, body)

    # ------------------------------------------------------------------------------------ writes
    def freeze(self, body: Mapping[str, Any]) -> Reply:
        for one in self._about(body):
            self.people[one].frozen = body.get("useStatus") == 1
            self.reconsider(one)
        return _said("0", None)

    def card_loss(self, body: Mapping[str, Any]) -> Reply:
        return self._mark(body, lost=True)

    def card_unloss(self, body: Mapping[str, Any]) -> Reply:
        return self._mark(body, lost=False)

    def _mark(self, body: Mapping[str, Any], *, lost: bool) -> Reply:
        for line in body.get("cardList", ()):
            card = self._card(line)
            if card is None or card.lost == lost:
                return _said(_NO_SUCH)
            card.lost = lost
            self.reconsider(card.person_id)
        return _said("0", None)

    def _card(self, line: Mapping[str, Any]) -> AccessCard | None:
        key = (line.get("cardNumber"), line.get("personId"))
        return next(
            (one for one in self.cards.values() if (one.number, one.person_id) == key), None
        )

    def card_return(self, body: Mapping[str, Any]) -> Reply:
        card = self._card(body)
        if card is None:  # a second removal is refused here
            return _said(_NO_SUCH)
        del self.cards[card.id]
        self.reconsider(card.person_id)
        return _said("0", None)

    def config_add(self, body: Mapping[str, Any]) -> Reply:
        for person_id, device_id in _pairs(body):
            if person_id not in self.people or device_id not in self.panels.units:
                return _said(_NO_SUCH)
            states = dict.fromkeys(PARTS, NONE)
            item = Item(person_id, device_id, OUR_TAG, states, self.panels.due())
            known = self.items.setdefault((person_id, device_id), item)
            known.configured, known.tag = True, OUR_TAG
            self.reconsider(person_id)
        return _said("0", {"taskId": "t"})

    def config_delete(self, body: Mapping[str, Any]) -> Reply:
        """Only what the same tag granted; the rest is left, and success is answered."""
        for pair in _pairs(body):
            item = self.items.get(pair)
            if item is not None and item.tag == OUR_TAG:
                item.configured = False
                self.reconsider(item.person_id)
        return _said("0", {"taskId": "t"})

    def shortcut(self, body: Mapping[str, Any]) -> Reply:
        return _said("0", {"taskId": "t"})

    def simple_download(self, body: Mapping[str, Any]) -> Reply:
        person, device_id = body["personInfo"], body["resourceInfo"]["resourceIndexCode"]
        item = self.items.get((person["personId"], device_id))
        if item is None:
            return _said(_NO_SUCH)
        if not self.panels.units[device_id].online or device_id in self.failing:
            self.record(item, person["operatorType"], "1")
            return _said(_DEVICE_AWAY)
        if person["operatorType"] == 2:
            item.states = dict.fromkeys(PARTS, NONE)
            item.configured = item.configured and self.people[item.person_id].frozen
            self.record(item, 2, "0")
        return _said("0", {"persondownloadResult": "0"})

    def person_delete(self, body: Mapping[str, Any]) -> Reply:
        answers = []
        for person_id in body.get("personIds", ()):
            known = self.people.pop(person_id, None)
            answers.append({"personId": person_id, "code": "0" if known else _NO_SUCH})
            self.cards = {k: one for k, one in self.cards.items() if one.person_id != person_id}
            self.items = {k: one for k, one in self.items.items() if k[0] != person_id}
        return _said("0", answers)


def _said(code: str, data: object = None) -> Reply:
    """Answer as Artemis does: HTTP 200 whatever happened."""
    return Reply(200, {"code": code, "msg": "SUCCESS" if code == "0" else "failed", "data": data})


def _person(one: Enrolled) -> dict[str, Any]:
    return {"personId": one.id, "personName": one.name, "jobNo": one.number}


def _pairs(body: Mapping[str, Any]) -> list[tuple[str, str]]:
    people = [one for each in body.get("personDatas", ()) for one in each["indexCodes"]]
    return [
        (person, resource["resourceIndexCode"])
        for person in people
        for resource in body.get("resourceInfos", ())
    ]


_Handler = Callable[[HikvisionSite, Mapping[str, Any]], Reply]
_ACPS = "/api/acps/v1"
_CALLS: Mapping[str, tuple[_Handler, bool]] = {
    "/api/resource/v1/person/condition/personInfo": (HikvisionSite.person_info, False),
    "/api/resource/v2/person/advance/personList": (HikvisionSite.person_list, False),
    "/api/irds/v1/card/advance/cardList": (HikvisionSite.card_list, False),
    f"{_ACPS}/authConfig/personAuth/useStatus/list": (HikvisionSite.freeze_list, False),
    f"{_ACPS}/auth_config/search": (HikvisionSite.config_search, False),
    f"{_ACPS}/auth_item/list/search": (HikvisionSite.item_search, False),
    "/api/nms/v1/online/acs_device/get": (HikvisionSite.online, False),
    "/api/acps/v2/download_record/person/detail/search": (HikvisionSite.record_search, False),
    "/api/acs/v2/door/events": (HikvisionSite.door_events, False),
    f"{_ACPS}/authConfig/personAuth/useStatus/configuration": (HikvisionSite.freeze, True),
    "/api/cis/v1/card/batch/loss": (HikvisionSite.card_loss, True),
    "/api/cis/v1/card/batch/unLoss": (HikvisionSite.card_unloss, True),
    "/api/cis/v1/card/deletion": (HikvisionSite.card_return, True),
    f"{_ACPS}/auth_config/add": (HikvisionSite.config_add, True),
    f"{_ACPS}/auth_config/delete": (HikvisionSite.config_delete, True),
    f"{_ACPS}/authDownload/configuration/shortcut": (HikvisionSite.shortcut, True),
    f"{_ACPS}/authDownload/task/simpleDownload": (HikvisionSite.simple_download, True),
    "/api/resource/v1/person/batch/delete": (HikvisionSite.person_delete, True),
}
