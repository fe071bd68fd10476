"""A fake UniFi Access console: envelopes with codes, policies by user and by group, hubs, a log.

Called by tests and the pretend company through `UniFiSite.server`. HTTP says 200 whatever happened;
a user is only deleted when deactivated; after an upgrade the interface is gone.
"""

import hmac
import itertools
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import unquote

from deprovisioner.sandbox.doors.panels import Site
from deprovisioner.sandbox.doors.serving import DoorServer, Faults, Reply, Request

_NOT_THERE = "CODE_NOT_EXISTS"


@dataclass(slots=True)
class User:
    """A user of the console; credentials by their tokens."""

    id: str
    number: str
    name: str
    mail: str = ""
    status: str = "ACTIVE"
    hidden: bool = False
    cards: list[str] = field(default_factory=list)
    plates: dict[str, str] = field(default_factory=dict)
    passes: dict[str, str] = field(default_factory=dict)
    pin: str = ""
    policies: list[str] = field(default_factory=list)
    networks: dict[str, list[str]] = field(default_factory=dict)


@dataclass(slots=True)
class UniFiSite:
    """The console's database and its door to the world. ``scoped_out``: nothing of anybody shows.

    ``enterprise``: the console was upgraded, the interface is gone.
    """

    now: Callable[[], datetime]
    tokens: frozenset[str]
    writers: frozenset[str]
    panels: Site = field(init=False)
    server: DoorServer = field(init=False)
    people: dict[str, User] = field(default_factory=dict)
    policies: dict[str, str] = field(default_factory=dict)
    groups: dict[str, tuple[str, set[str]]] = field(default_factory=dict)
    enterprise: bool = False
    _hubs: dict[tuple[str, str], tuple[bool, datetime]] = field(default_factory=dict)
    _numbers: "itertools.count[int]" = field(default_factory=lambda: itertools.count(1))

    def __post_init__(self) -> None:
        self.panels = Site(self.now, lag=timedelta(seconds=20))
        self.server = DoorServer(self._respond, self._clock, cuts_bytes=True)

    @property
    def faults(self) -> Faults:
        """What is broken."""
        return self.server.faults

    def _clock(self) -> datetime:
        return self.now() + timedelta(seconds=self.faults.clock_off)

    def _fresh(self, prefix: str) -> str:
        return f"{prefix}-{next(self._numbers):06}"

    # ------------------------------------------------------------------------------- the console
    def add_policy(self, name: str) -> str:
        """Make a policy."""
        native_id = self._fresh("policy")
        self.policies[native_id] = name
        return native_id

    def add_group(self, name: str) -> str:
        """Make a group."""
        native_id = self._fresh("group")
        self.groups[native_id] = (name, set())
        return native_id

    def enrol(self, number: str, name: str, mail: str = "") -> str:
        """Make a user."""
        native_id = self._fresh("user")
        self.people[native_id] = User(native_id, number, name, mail)
        return native_id

    def person_with(self, number: str) -> User:
        """Return a user by number; raises StopIteration on a stranger."""
        return next(one for one in self.people.values() if one.number == number)

    def state_of(self, user: User) -> dict[str, Any]:
        """Read all of a user past the interface."""
        if user.id not in self.people:
            return {}
        return {
            "status": user.status,
            "cards": sorted(user.cards),
            "plates": sorted(user.plates.values()),
            "passes": dict(user.passes),
            "pin": bool(user.pin),
            "policies": sorted(user.policies),
            "groups": sorted(
                one for one, (_, members) in self.groups.items() if user.id in members
            ),
        }

    def opens(self, user_id: str, hub_id: str) -> bool:
        """Say whether a *hub* lets the user in: it goes by what it was last told."""
        self._settle()
        return self._hubs.get((user_id, hub_id), (True, self.now()))[0]

    def _tell_hubs(self, user: User) -> None:
        for hub in self.panels.units:
            self._hubs[user.id, hub] = (self.opens(user.id, hub), self.panels.due())

    def _settle(self) -> None:
        for (user_id, hub), (_, due) in list(self._hubs.items()):
            if self.panels.reached(hub, due):
                known = self.people.get(user_id)
                self._hubs[user_id, hub] = (known is not None and known.status == "ACTIVE", due)

    # -------------------------------------------------------------------------------- interface
    def _respond(self, request: Request) -> Reply:
        shown = request.headers.get("authorization", "").encode()
        mine = [t for t in self.tokens if hmac.compare_digest(f"Bearer {t}".encode(), shown)]
        if not mine or self.faults.denied:
            return _said("CODE_ACCESS_TOKEN_INVALID")
        if self.enterprise:
            return _said("CODE_OTHERS_UID_ADOPTED_NOT_SUPPORTED")
        parts = tuple(
            unquote(p) for p in request.path.removeprefix("/api/v1/developer/").split("/")
        )
        if request.method == "GET" or parts == ("system", "logs"):
            return self._read(request, parts)
        if mine[0] not in self.writers:
            return _said("CODE_UNAUTHORIZED")
        if self.faults.silent:
            return _said()
        return self._write(request, parts)

    def _visible(self) -> list[User]:
        return [one for one in self.people.values() if not one.hidden]

    def _known(self, user_id: str) -> User | None:
        found = self.people.get(user_id)
        return None if found is None or found.hidden else found

    def _read(self, request: Request, parts: tuple[str, ...]) -> Reply:
        match parts:
            case ("users",):
                reply = self._users(request)
            case ("users", user_id):
                user = self._known(user_id)
                reply = _said(_NOT_THERE) if user is None else _said(data=self._shown(user))
            case ("users", user_id, "access_policies"):
                user = self._known(user_id)
                reply = _said(data=self._policies(user.policies if user else []))
            case ("users", user_id, "identity", "assignments"):
                user = self._known(user_id)
                named = user.networks if user else {}
                data = {k: [{"id": v} for v in named.get(k, ())] for k in ("wifi", "vpn")}
                reply = _said(data=data)
            case ("user_groups",):
                reply = _said(data=[{"id": k, "name": v[0]} for k, v in self.groups.items()])
            case ("user_groups", group_id, "users"):
                reply = _said(data=[{"id": one} for one in sorted(self.groups[group_id][1])])
            case ("devices",):
                reply = _said(data=[[self._device(one)] for one in self.panels.units])
            case ("system", "logs"):
                reply = self._log(request)
            case _:
                reply = _said("CODE_RESOURCE_NOT_FOUND")
        return reply

    def _page(self, request: Request, rows: list[Any]) -> tuple[list[Any], dict[str, int]]:
        page, size = int(request.first("page_num", "1")), int(request.first("page_size", "25"))
        shown = rows[(page - 1) * size : page * size]
        if self.faults.truncated and page * size >= len(rows):
            shown = shown[:-1]
        return shown, {"page_num": page, "page_size": size, "total": len(rows)}

    def _users(self, request: Request) -> Reply:
        rows, pagination = self._page(request, [self._shown(one) for one in self._visible()])
        return _said(data=rows, pagination=pagination)

    def _shown(self, user: User) -> dict[str, Any]:
        given, _, family = user.name.partition(" ")
        row: dict[str, Any] = {
            "id": user.id,
            "first_name": given,
            "last_name": family,
            "full_name": user.name,
            "user_email": user.mail,
            "employee_number": user.number,
            "status": user.status,
            "nfc_cards": [{"id": "000", "token": one, "type": "ua_card"} for one in user.cards],
            "license_plates": [
                {
                    "id": k,
                    "credential": v,
                    "credential_type": "license",
                    "credential_status": "active",
                }
                for k, v in user.plates.items()
            ],
            "touch_pass": [{"id": k, "status": v} for k, v in user.passes.items()],
            "access_policy_ids": user.policies,
        }
        if user.pin:
            row["pin_code"] = {"token": user.pin}
        return row

    def _policies(self, ids: list[str]) -> list[dict[str, Any]]:
        return [{"id": one, "name": self.policies[one], "resources": []} for one in ids]

    def _device(self, hub_id: str) -> dict[str, Any]:
        hub = self.panels.units[hub_id]
        return {
            "id": hub.id,
            "name": hub.name,
            "alias": hub.name,
            "type": "UAH",
            "is_adopted": True,
            "is_connected": hub.online,
            "is_online": hub.online,
            "location_id": f"door-{hub.id}",
        }

    def _log(self, request: Request) -> Reply:
        wanted = request.json()
        hits = [
            {
                "_id": one.id,
                "@timestamp": one.received_at.isoformat(),
                "_source": {
                    "actor": {"id": one.person_id, "type": "user"},
                    "event": {
                        "type": "access.door.unlock",
                        "result": "ACCESS" if one.granted else "BLOCKED",
                        "published": int(one.at.timestamp() * 1000),
                    },
                    "authentication": {
                        "credential_provider": "REMOTE_THROUGH_UAH"
                        if one.kind == "remote"
                        else "NFC"
                    },
                    "target": [
                        {
                            "id": one.panel_id,
                            "type": "door",
                            "display_name": self.panels.units[one.panel_id].name,
                        }
                    ],
                },
            }
            for one in self.panels.events
            if one.person_id == wanted.get("actor_id")
            and wanted["since"] <= one.at.timestamp() <= wanted["until"]
        ]
        rows, pagination = self._page(request, hits)
        return _said(data={"hits": rows, "page": 1, "total": pagination["total"]})

    # ------------------------------------------------------------------------------------ writes
    def _write(self, request: Request, parts: tuple[str, ...]) -> Reply:
        body = request.json()
        match (request.method, *parts):
            case ("POST", "user_groups", group_id, "users"):
                self.groups[group_id][1].update(body)
                return _said()
            case ("POST", "user_groups", group_id, "users", "delete"):
                self.groups[group_id][1].difference_update(body)
                return _said()
            case ("PUT", "credentials", "touch_passes", pass_id):
                owner = next((u for u in self.people.values() if pass_id in u.passes), None)
                if owner is None:
                    return _said(_NOT_THERE)
                owner.passes[pass_id] = body["status"]
                return _said(data={"id": pass_id, "status": body["status"]})
            case (method, "users", user_id, *rest):
                user = self._known(user_id)
                return _said(_NOT_THERE) if user is None else self._user(user, method, rest, body)
        return _said("CODE_RESOURCE_NOT_FOUND")

    def _user(self, user: User, method: str, rest: list[str], body: Any) -> Reply:  # noqa: ANN401 - JSON
        match (method, *rest):
            case ("PUT",):
                user.status = body.get("status", user.status)
                self._tell_hubs(user)
            case ("DELETE",):
                if user.status != "DEACTIVATED":
                    return _said("CODE_OPERATION_FORBIDDEN")
                del self.people[user.id]
            case ("PUT", "nfc_cards"):
                user.cards = [*user.cards, body["token"]]
            case ("PUT", "nfc_cards", "delete") if body["token"] in user.cards:
                user.cards.remove(body["token"])
            case ("DELETE", "pin_codes") if user.pin:
                user.pin = ""
            case ("DELETE", "touch_passes", one) if one in user.passes:
                del user.passes[one]
                return _said(data={"id": one})
            case ("PUT", "license_plates"):
                user.plates |= {self._fresh("plate"): one for one in body}
            case ("DELETE", "license_plates", one) if one in user.plates:
                del user.plates[one]
            case ("PUT", "access_policies"):
                user.policies = list(body["access_policy_ids"])
            case _:
                return _said(_NOT_THERE)
        return _said()


def _said(code: str = "SUCCESS", data: object = None, **more: object) -> Reply:
    """Answer as the console does: HTTP 200 whatever happened."""
    body: dict[str, Any] = {"code": code, "msg": "success" if code == "SUCCESS" else "failed"}
    if data is not None:
        body["data"] = data
    return Reply(200, body | more)
