"""A fake ZKBio CVSecurity: the token in the address, leave and reinstated, devices that lag.

Called by tests and the pretend company through `ZktecoSite.server`. It shows a password hash in
reads, as the vendor does, and says nothing of what devices have.
"""

import hmac
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from deprovisioner.sandbox.doors.panels import Site
from deprovisioner.sandbox.doors.serving import DoorServer, Faults, Reply, Request

TIME_ZONE = "Asia/Bangkok"
_HASH = "e10adc3949ba59abbe56e057f20f883e"
_NO_SUCH, _BAD_TOKEN, _NO_RIGHT, _WRONG = -22, -1001, 403, -50


@dataclass(slots=True)
class ZktecoSite:
    """The server's database and its door to the world."""

    now: Callable[[], datetime]
    tokens: frozenset[str]
    writers: frozenset[str]
    panels: Site = field(init=False)
    server: DoorServer = field(init=False)
    people: dict[str, dict[str, Any]] = field(default_factory=dict)
    left: set[str] = field(default_factory=set)
    hidden: set[str] = field(default_factory=set)
    _devices: dict[tuple[str, str], tuple[bool, datetime]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.panels = Site(self.now)
        self.server = DoorServer(self._respond, self._clock)

    @property
    def faults(self) -> Faults:
        """What is broken."""
        return self.server.faults

    def _clock(self) -> datetime:
        return self.now() + timedelta(seconds=self.faults.clock_off)

    # ---------------------------------------------------------------------------- the workstation
    def enrol(self, pin: str, name: str, card: str, levels: str) -> str:
        """Enrol a person with a card and access levels."""
        self.people[pin] = {
            "pin": pin,
            "name": name,
            "cardNo": card,
            "supplyCards": "",
            "accLevelIds": levels,
            "accEndTime": "2030-12-31 23:59:59",
            "isDisabled": False,
            "selfPwd": _HASH,
        }
        return pin

    def state_of(self, pin: str) -> dict[str, Any]:
        """Read all of a person past the interface."""
        known = dict(self.people.get(pin, {}))
        known.pop("selfPwd", None)
        return known | {"left": pin in self.left} if known else {}

    def opens(self, pin: str, device_id: str) -> bool:
        """Say whether a *device* lets the person in: it goes by what it was last told."""
        for key, (_, due) in list(self._devices.items()):
            if self.panels.reached(key[1], due):
                self._devices[key] = (key[0] in self.people and key[0] not in self.left, due)
        return self._devices.get((pin, device_id), (pin in self.people, self.now()))[0]

    def _tell_devices(self, pin: str) -> None:
        for device in self.panels.units:
            self._devices[pin, device] = (self.opens(pin, device), self.panels.due())

    # -------------------------------------------------------------------------------- interface
    def _respond(self, request: Request) -> Reply:
        shown = request.first("access_token").encode()
        mine = [t for t in self.tokens if hmac.compare_digest(t.encode(), shown)]
        if not mine or self.faults.denied:
            return _said(_BAD_TOKEN)
        if request.path == "/api/v2/person/getPersonList":
            return self._list(request.json())
        if request.path.startswith("/api/transaction/person/"):
            return self._transactions(request, request.path.rpartition("/")[2])
        handle = _WRITES.get(request.path)
        if handle is None:
            return _said(_NO_SUCH)
        if mine[0] not in self.writers:
            return _said(_NO_RIGHT)
        return _said(0) if self.faults.silent else handle(self, request.json())

    def _listed(self) -> list[dict[str, Any]]:
        gone = self.left | self.hidden
        return [one for pin, one in self.people.items() if pin not in gone]

    def _page(self, rows: list[dict[str, Any]], page: int, size: int) -> Reply:
        shown = rows[(page - 1) * size : page * size]
        if self.faults.truncated and page * size >= len(rows):
            shown = shown[:-1]
        return _said(0, {"data": shown, "total": len(rows)})

    def _list(self, body: Mapping[str, Any]) -> Reply:
        rows = self._listed()
        if body.get("pins"):
            rows = [one for one in rows if one["pin"] in body["pins"].split(",")]
        return self._page(rows, body["pageNo"], body["pageSize"])

    def _transactions(self, request: Request, pin: str) -> Reply:
        zone = ZoneInfo(TIME_ZONE)
        start, end = (
            datetime.fromisoformat(request.first(name)).replace(tzinfo=zone)
            for name in ("startDate", "endDate")
        )
        rows = [
            {
                "id": one.id,
                "pin": pin,
                "eventTime": one.at.astimezone(zone).strftime("%Y-%m-%d %H:%M:%S"),
                "eventName": "Normal Verify Open" if one.granted else "Access Denied",
                "eventPointName": self.panels.units[one.panel_id].name,
            }
            for one in self.panels.events
            if one.person_id == pin and start <= one.at <= end
        ]
        return self._page(rows, int(request.first("pageNo")), int(request.first("pageSize")))

    def leave(self, body: Mapping[str, Any]) -> Reply:
        """Let somebody leave; whoever has left cannot leave again."""
        pin = body.get("pin", "")
        if pin not in self.people or pin in self.left or not body.get("leaveDate"):
            return _said(_NO_SUCH)
        self.left.add(pin)
        self._tell_devices(pin)
        return _said(0)

    def reinstated(self, body: Mapping[str, Any]) -> Reply:
        """Take somebody back as the body says: what is not in it is gone."""
        pin = body.get("pin", "")
        if pin not in self.left:
            return _said(_NO_SUCH)
        if not {"name", "cardNo", "accLevelIds"} <= set(body):
            return _said(_WRONG)
        self.left.discard(pin)
        self.people[pin] = {"supplyCards": "", **body, "selfPwd": _HASH}
        self._tell_devices(pin)
        return _said(0)

    def delete(self, body: Mapping[str, Any]) -> Reply:
        """Delete people; an unknown one is no error."""
        for pin in body.get("pins", "").split(","):
            self.people.pop(pin, None)
        return _said(0)


def _said(code: int, data: object = None) -> Reply:
    """Answer as the server does: HTTP 200 whatever happened."""
    return Reply(200, {"code": code, "message": "success" if code == 0 else "failed", "data": data})


_WRITES: Mapping[str, Callable[[ZktecoSite, Mapping[str, Any]], Reply]] = {
    "/api/person/leave": ZktecoSite.leave,
    "/api/person/reinstated": ZktecoSite.reinstated,
    "/api/v2/person/deleteByPins": ZktecoSite.delete,
}
