"""The door systems of the pretend company for tests: furnished fakes, and a rig on each.

A rig looks at a fake past its interface; ``Doors`` says how, one class per product.
"""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any, Protocol

import httpx

from connectors.conformance import Situation
from connectors.contract import Connector, Credential, Holding, Json, Subject
from connectors.doors import gallagher, hikvision, unifi_access, zkteco
from connectors.doors.contract import ACCOUNT, CARD, DOOR, MOBILE_PASS
from connectors.secret import Secret
from deprovisioner.sandbox.company import Company
from deprovisioner.sandbox.doors import populace
from deprovisioner.sandbox.doors.gallagher import NUMBER_FIELD, GallagherSite
from deprovisioner.sandbox.doors.hikvision import HikvisionSite
from deprovisioner.sandbox.doors.serving import DoorServer
from deprovisioner.sandbox.doors.unifi_access import UniFiSite
from deprovisioner.sandbox.doors.zkteco import TIME_ZONE, ZktecoSite
from deprovisioner.sandbox.people import Person

START = datetime(2026, 11, 25, 9, 0, tzinfo=UTC)
NOBODY = "http://127.0.0.1:9"
"""A port of this machine where nothing listens."""


@dataclass
class Clock:
    """A clock that is turned."""

    at: datetime = START

    def now(self) -> datetime:
        return self.at


def held(value: str) -> Secret:
    return Secret.held(lambda: value, secrets.token_hex(4))


@cache
def company() -> Company:
    return Company(secret=lambda: secrets.token_hex(8), certificate=lambda name: name.encode())


def subject_of(person: Person) -> Subject:
    return Subject(
        employment_id=person.employment_id,
        employee_number=person.employee_number,
        emails=(person.work_email,),
        upn=person.upn,
        names=(person.display_name,),
        logins=(person.login,),
    )


class Doors(Protocol):
    """A furnished product: how to open a connector, and how to reach the world past it."""

    clock: Clock

    @property
    def server(self) -> DoorServer: ...

    def connector(self, credential: Credential, url: str, **more: Any) -> Connector: ...

    def witness(self, number: str) -> dict[str, Json]: ...

    def numbers(self) -> list[str]: ...

    def vanish(self, number: str, holding: Holding) -> None: ...

    def rename(self, number: str) -> None: ...

    def hide(self, numbers: Sequence[str], *, hidden: bool) -> None: ...


class HikvisionDoors:
    """Shanghai."""

    def __init__(self, people: int = 12, **settings: Any) -> None:
        self.clock = Clock()
        self.site = HikvisionSite(
            self.clock.now, {"ak-act": "sk-act", "ak-verify": "sk-verify"}, frozenset({"ak-act"})
        )
        some = populace.at_site(company(), populace.SHANGHAI)[:people]
        self.canary = populace.furnish_hikvision(self.site, some)
        self._settings = settings

    @property
    def server(self) -> DoorServer:
        return self.site.server

    def settings(self, url: str, **more: Any) -> hikvision.Settings:
        given: dict[str, Any] = {
            "url": url,
            "act": {"app_key": "ak-act", "secret": held("sk-act")},
            "verify": {"app_key": "ak-verify", "secret": held("sk-verify")},
            "canaries": ({"id": self.canary, "number": populace.CANARY_NUMBER},),
            "events_subscribed": True,
        }
        return hikvision.Settings.model_validate(given | self._settings | more)

    def connector(self, credential: Credential, url: str, **more: Any) -> Connector:
        settings = self.settings(url, **more)
        return hikvision.open_connector("shanghai", settings, credential, self.clock.now)

    def witness(self, number: str) -> dict[str, Json]:
        found = [one for one in self.site.people.values() if one.number == number]
        return self.site.state_of(found[0].id) if found else {}

    def numbers(self) -> list[str]:
        return [one.number for one in self.site.people.values()]

    def vanish(self, number: str, holding: Holding) -> None:
        person = self.site.person_with(number)
        if holding.kind == CARD:
            del self.site.cards[holding.native_id]
        elif holding.kind == DOOR:
            del self.site.items[person.id, holding.native_id]

    def rename(self, number: str) -> None:
        person = self.site.person_with(number)
        self.site.enrol("777777", person.name)
        person.name = "Somebody Renamed"

    def hide(self, numbers: Sequence[str], *, hidden: bool) -> None:
        for number in numbers:
            self.site.person_with(number).hidden = hidden


class GallagherDoors:
    """Berlin."""

    def __init__(self, people: int = 12, **settings: Any) -> None:
        self.clock = Clock()
        keys = frozenset({"key-act", "key-verify"})
        self.site = GallagherSite(self.clock.now, keys, frozenset({"key-act"}))
        some = populace.at_site(company(), populace.BERLIN)[:people]
        self.canary = populace.furnish_gallagher(self.site, some, START)
        self._settings = settings

    @property
    def server(self) -> DoorServer:
        return self.site.server

    def settings(self, url: str, **more: Any) -> gallagher.Settings:
        given: dict[str, Any] = {
            "url": url,
            "act": held("key-act"),
            "verify": held("key-verify"),
            "number_field": {"id": NUMBER_FIELD[0], "name": NUMBER_FIELD[1]},
            "canaries": ({"id": self.canary, "number": populace.CANARY_NUMBER},),
            "operator_scope": "every division",
        }
        return gallagher.Settings.model_validate(given | self._settings | more)

    def connector(self, credential: Credential, url: str, **more: Any) -> Connector:
        settings = self.settings(url, **more)
        return gallagher.open_connector("berlin", settings, credential, self.clock.now)

    def witness(self, number: str) -> dict[str, Json]:
        found = [one for one in self.site.people.values() if one.number == number]
        return self.site.state_of(found[0]) if found else {}

    def numbers(self) -> list[str]:
        return [one.number for one in self.site.people.values()]

    def vanish(self, number: str, holding: Holding) -> None:
        person = self.site.person_with(number)
        last = holding.native_id.rpartition("/")[2]
        if holding.kind in {CARD, MOBILE_PASS}:
            person.cards = [one for one in person.cards if one.id != last]
        elif holding.kind == DOOR:
            person.access = [one for one in person.access if one.group_id != last]

    def rename(self, number: str) -> None:
        person = self.site.person_with(number)
        self.site.enrol("777777", person.name)
        person.name = "Somebody Renamed"

    def hide(self, numbers: Sequence[str], *, hidden: bool) -> None:
        for number in numbers:
            self.site.person_with(number).division = "secret" if hidden else "main"
        self.site.hidden = {"secret"}


class UniFiDoors:
    """A small office with a console."""

    def __init__(self, people: int = 12, **settings: Any) -> None:
        self.clock = Clock()
        tokens = frozenset({"token-act", "token-verify"})
        self.site = UniFiSite(self.clock.now, tokens, frozenset({"token-act"}))
        some = populace.at_site(company(), populace.BERLIN)[:people]
        self.canary = populace.furnish_unifi(self.site, some)
        self.transport: httpx.BaseTransport | None = None
        self._settings = settings

    @property
    def server(self) -> DoorServer:
        return self.site.server

    def connector(self, credential: Credential, url: str, **more: Any) -> Connector:
        given: dict[str, Any] = {
            "url": url,
            "act": held("token-act"),
            "verify": held("token-verify"),
            "canaries": ({"id": self.canary, "number": populace.CANARY_NUMBER},),
        }
        settings = unifi_access.Settings.model_validate(given | self._settings | more)
        return unifi_access.open_connector(
            "studio", settings, credential, self.clock.now, transport=self.transport
        )

    def witness(self, number: str) -> dict[str, Json]:
        found = [one for one in self.site.people.values() if one.number == number]
        return self.site.state_of(found[0]) if found else {}

    def numbers(self) -> list[str]:
        return [one.number for one in self.site.people.values()]

    def vanish(self, number: str, holding: Holding) -> None:
        user = self.site.person_with(number)
        if holding.kind == CARD:
            user.cards, user.plates = [], {}
        elif holding.kind == MOBILE_PASS:
            user.passes = {}
        else:
            user.policies = []

    def rename(self, number: str) -> None:
        user = self.site.person_with(number)
        self.site.enrol("777777", user.name, user.mail)
        user.name, user.mail = "Somebody Renamed", "renamed@example.com"

    def hide(self, numbers: Sequence[str], *, hidden: bool) -> None:
        for number in numbers:
            self.site.person_with(number).hidden = hidden


class ZktecoDoors:
    """A warehouse abroad."""

    def __init__(self, people: int = 12, **settings: Any) -> None:
        self.clock = Clock()
        tokens = frozenset({"token-act", "token-verify"})
        self.site = ZktecoSite(self.clock.now, tokens, frozenset({"token-act"}))
        some = populace.at_site(company(), populace.BERLIN)[:people]
        self.canary = populace.furnish_zkteco(self.site, some)
        self._settings = settings

    @property
    def server(self) -> DoorServer:
        return self.site.server

    def connector(self, credential: Credential, url: str, **more: Any) -> Connector:
        given: dict[str, Any] = {
            "url": url,
            "act": held("token-act"),
            "verify": held("token-verify"),
            "time_zone": TIME_ZONE,
            "canaries": ({"id": self.canary, "number": populace.CANARY_NUMBER},),
        }
        settings = zkteco.Settings.model_validate(given | self._settings | more)
        return zkteco.open_connector("warehouse", settings, credential, self.clock.now)

    def witness(self, number: str) -> dict[str, Json]:
        return self.site.state_of(number)

    def numbers(self) -> list[str]:
        return list(self.site.people)

    def vanish(self, number: str, holding: Holding) -> None:
        self.site.people[number]["accLevelIds"] = ""

    def rename(self, number: str) -> None:
        self.site.enrol("777777", self.site.people[number]["name"], "777777", "1")
        self.site.people[number]["name"] = "Somebody Renamed"

    def hide(self, numbers: Sequence[str], *, hidden: bool) -> None:
        self.site.hidden = set(numbers) if hidden else set()


@dataclass
class DoorRig:
    """The conformance suite's hands on one furnished product."""

    doors: Doors
    timeout: timedelta = timedelta(seconds=10)
    url: str = ""
    unsupported: Mapping[Situation, str] = field(
        default_factory=lambda: {
            Situation.SOLE: "nobody is the last one at a door: other people's doors are their own"
        }
    )

    def __post_init__(self) -> None:
        self.url = self.doors.server.url
        self._leaver, self._successor = company().demo_leaver(), company().demo_successor()

    @property
    def subject(self) -> Subject:
        return subject_of(self._leaver)

    @property
    def successor(self) -> Subject:
        return subject_of(self._successor)

    @property
    def stranger(self) -> Subject:
        return Subject("E-0", employee_number="111", emails=("nobody@example.com",))

    def connector(self, credential: Credential, *, page_size: int = 0) -> Connector:
        more: dict[str, Any] = {"timeout": self.timeout}
        if page_size:
            more["page_size"] = page_size
        return self.doors.connector(credential, self.url, **more)

    def witness(self) -> Mapping[str, Json]:
        return self.doors.witness(self._leaver.employee_number)

    def bystanders(self) -> Mapping[str, Json]:
        theirs = {self._leaver.employee_number, self._successor.employee_number}
        return {one: self.doors.witness(one) for one in self.doors.numbers() if one not in theirs}

    def vanish(self, holding: Holding) -> None:
        self.doors.vanish(self._leaver.employee_number, holding)

    def rename(self) -> None:
        self.doors.rename(self._leaver.employee_number)

    @contextlib.contextmanager
    def situation(self, situation: Situation) -> Iterator[None]:
        faults, url = self.doors.server.faults, self.url
        people = [populace.CANARY_NUMBER]
        match situation:
            case Situation.CANARY_HIDDEN:
                self.doors.hide(people, hidden=True)
            case Situation.TARGET_HIDDEN:  # a right is taken on a division: the canary goes too
                people.append(self._leaver.employee_number)
                self.doors.hide(people, hidden=True)
            case Situation.TRUNCATED:
                faults.truncated = True
            case Situation.UNREACHABLE:
                self.url = NOBODY
            case Situation.SLOW:
                faults.slow = self.timeout.total_seconds() + 0.2
            case Situation.THROTTLED:
                faults.retry_after = 17
            case Situation.DENIED:
                faults.denied = True
            case Situation.GARBLED:
                faults.page = True
            case Situation.SILENT:
                faults.silent = True
            case _:
                raise AssertionError(situation)
        try:
            yield
        finally:
            self.url = url
            faults.truncated = faults.denied = faults.page = faults.silent = False
            faults.slow, faults.retry_after = 0.0, 0
            if situation in {Situation.CANARY_HIDDEN, Situation.TARGET_HIDDEN}:
                self.doors.hide(people, hidden=False)

    def now(self) -> datetime:
        return self.doors.clock.at

    def pass_time(self, until: datetime) -> None:
        self.doors.clock.at = max(self.doors.clock.at, until)


@contextlib.contextmanager
def serving(doors: Any) -> Iterator[Any]:
    """Serve a product's fake while the block runs."""
    doors.server.start()
    try:
        yield doors
    finally:
        doors.server.stop()


def account_key(person_id: str) -> str:
    return Holding(person_id, ACCOUNT, person_id).key
