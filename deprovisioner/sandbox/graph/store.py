"""The tenant's objects and links, every version of them, so that a replica can show the past.

Written by the areas of the fake (one request at a time, see `service`), read through a `View` at
an instant: the primary is the view of now, a lagging replica the view of a while ago. It knows no
rule of Graph.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

Record = dict[str, Any]
"""A resource as JSON. Members that begin with an underscore are the fake's own and never leave."""

BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)


class Table(StrEnum):
    """Where records live; the first six hold directory objects, whose ids are unique together."""

    USERS = "users"
    GROUPS = "groups"
    DIRECTORY_ROLES = "directoryRoles"
    ADMINISTRATIVE_UNITS = "administrativeUnits"
    DEVICES = "devices"
    APPLICATIONS = "applications"
    SERVICE_PRINCIPALS = "servicePrincipals"
    DELETED = "deletedItems"
    AUTHENTICATION_METHODS = "authenticationMethods"
    ROLE_DEFINITIONS = "roleDefinitions"
    ROLE_ASSIGNMENTS = "roleAssignments"
    ROLE_ELIGIBILITIES = "roleEligibilities"
    ROLE_REQUESTS = "roleRequests"
    GROUP_ASSIGNMENTS = "groupAssignments"
    GROUP_ELIGIBILITIES = "groupEligibilities"
    GROUP_REQUESTS = "groupRequests"
    SCOPED_ROLES = "scopedRoles"
    ACCESS_PACKAGES = "accessPackages"
    PACKAGE_ASSIGNMENTS = "packageAssignments"
    PACKAGE_REQUESTS = "packageRequests"
    CONSENTS = "oauth2PermissionGrants"
    APP_ROLES = "appRoleAssignments"
    FEDERATED_CREDENTIALS = "federatedIdentityCredentials"
    MANAGED_DEVICES = "managedDevices"
    RECOVERY_KEYS = "recoveryKeys"
    LOCAL_CREDENTIALS = "localCredentials"
    PRODUCTS = "subscribedSkus"
    MAILBOXES = "mailboxes"
    MESSAGE_RULES = "messageRules"
    MESSAGES = "messages"
    EVENTS = "events"
    CALENDAR_PERMISSIONS = "calendarPermissions"
    DRIVES = "drives"
    DRIVE_ITEMS = "driveItems"
    DRIVE_PERMISSIONS = "drivePermissions"
    TEAMS = "teams"
    TEAM_MEMBERS = "teamMembers"
    CHANNELS = "channels"
    CHANNEL_MEMBERS = "channelMembers"
    NUMBERS = "numberAssignments"
    POLICIES = "policies"
    SIGN_INS = "signIns"
    REVIEWS = "accessReviews"
    COPIES = "copies"
    NOTICES = "notices"
    """Mail that went out: whom it told of which cancelled meeting."""


DIRECTORY_TABLES = (
    Table.USERS,
    Table.GROUPS,
    Table.DIRECTORY_ROLES,
    Table.ADMINISTRATIVE_UNITS,
    Table.DEVICES,
    Table.APPLICATIONS,
    Table.SERVICE_PRINCIPALS,
)


class Link(StrEnum):
    """Links between objects, named after the segment they are read by, from source to target."""

    MEMBER = "members"
    OWNER = "owners"
    MANAGER = "manager"
    SPONSOR = "sponsors"
    REGISTERED_OWNER = "registeredOwners"
    REGISTERED_USER = "registeredUsers"
    CREATED = "createdObjects"


@dataclass(frozen=True, slots=True)
class Written:
    """One change of the state: who, when, where, what was there and what is there now."""

    at: datetime
    by: str
    place: str
    key: str
    before: Record | None
    after: Record | None


_Key = tuple[str, str]
_INDEXED = frozenset({"_user", "principalId", "_parent", "_drive", "_item"})
"""Members that records are looked up by so often that whoever ever had a value is remembered."""
_Versions = list[tuple[datetime, Record | None]]


class Store:
    """All versions of everything; `listen` hears each change."""

    def __init__(self, clock: Callable[[], datetime], listen: Callable[[Written], None]) -> None:
        self.clock, self._listen = clock, listen
        self.author = "the tenant"
        self.is_muted = False
        self._now: datetime | None = BEGINNING
        self._rows: dict[Table, dict[str, _Versions]] = {table: {} for table in Table}
        self._links: dict[tuple[Link, str, str], _Versions] = {}
        self._holding: dict[tuple[str, str, object], dict[str, None]] = {}
        self._targets: dict[tuple[Link, str], dict[str, None]] = {}
        self._sources: dict[tuple[Link, str], dict[str, None]] = {}

    def at(self, instant: datetime | None) -> None:
        """Stamp what follows with this instant; with None, by the clock again."""
        self._now = instant

    @property
    def now(self) -> datetime:
        """The instant that writes are stamped with."""
        return self._now or self.clock()

    @contextmanager
    def muted(self) -> Iterator[None]:
        """Let writes succeed and change nothing."""
        self.is_muted = True
        try:
            yield
        finally:
            self.is_muted = False

    def put(self, table: Table, record: Record) -> None:
        """Make or replace a record, by its `id`, or by its `_key` where ids are not unique."""
        key = str(record.get("_key") or record["id"])
        self._write(self._rows[table].setdefault(key, []), table, key, record)

    def change(self, table: Table, key: str, **members: Any) -> Record:  # noqa: ANN401 - JSON
        """Replace members of a record; raises KeyError on a stranger."""
        old = self._last(self._rows[table].get(key, []))
        if old is None:
            raise KeyError(key)
        new = {**old, **members}
        self.put(table, new)
        return new

    def drop(self, table: Table, key: str) -> None:
        """Take a record away; nothing happens where none is."""
        versions = self._rows[table].get(key, [])
        if self._last(versions) is not None:
            self._write(versions, table, key, None)

    def link(self, kind: Link, source: str, target: str) -> None:
        """Tie two objects together."""
        versions = self._links.setdefault((kind, source, target), [])
        self._targets.setdefault((kind, source), {})[target] = None
        self._sources.setdefault((kind, target), {})[source] = None
        if self._last(versions) is None:
            self._write(versions, kind, f"{source}/{target}", {"id": target})

    def unlink(self, kind: Link, source: str, target: str) -> None:
        """Untie; nothing happens where no link is."""
        versions = self._links.get((kind, source, target), [])
        if self._last(versions) is not None:
            self._write(versions, kind, f"{source}/{target}", None)

    def view(self, instant: datetime) -> "View":
        """Return the state at an instant."""
        return View(self, instant)

    def _write(self, versions: _Versions, place: str, key: str, new: Record | None) -> None:
        if self.is_muted:
            return
        for name in _INDEXED.intersection(new or ()):
            self._holding.setdefault((place, name, (new or {})[name]), {})[key] = None
        before, now = self._last(versions), self.now
        versions.append((now, new))
        self._listen(Written(now, self.author, place, key, before, new))

    def _last(self, versions: _Versions) -> Record | None:
        return versions[-1][1] if versions else None


class View:
    """The state at one instant. Records are shared: never change one."""

    def __init__(self, store: Store, instant: datetime) -> None:
        self._store, self.instant = store, instant

    def get(self, table: Table, key: str) -> Record | None:
        """Return a record, None where there is none."""
        return self._seen(self._store._rows[table].get(key, ()))  # noqa: SLF001 - one room

    def every(self, table: Table) -> Iterator[Record]:
        """Yield the records of a table in the order in which they were first made."""
        for versions in list(self._store._rows[table].values()):  # noqa: SLF001 - one room
            record = self._seen(versions)
            if record is not None:
                yield record

    def where(self, table: Table, **members: Any) -> list[Record]:  # noqa: ANN401 - JSON
        """Return the records whose members have these values."""
        wanted = members.items()
        return [
            record
            for record in self._candidates(table, members)
            if all(record.get(name) == value for name, value in wanted)
        ]

    def _candidates(self, table: Table, members: Record) -> Iterator[Record]:
        for name in _INDEXED.intersection(members):
            key = (table, name, members[name])
            known = self._store._holding.get(key, ())  # noqa: SLF001 - one room
            found = (self.get(table, one) for one in list(known))
            return (record for record in found if record is not None)
        return self.every(table)

    def linked(self, kind: Link, source: str, target: str) -> bool:
        """Tell whether two objects are tied together."""
        key = (kind, source, target)
        return self._seen(self._store._links.get(key, ())) is not None  # noqa: SLF001 - one room

    def targets(self, kind: Link, source: str) -> list[str]:
        """Return what a source points to."""
        known = list(self._store._targets.get((kind, source), ()))  # noqa: SLF001 - one room
        return [target for target in known if self.linked(kind, source, target)]

    def sources(self, kind: Link, target: str) -> list[str]:
        """Return what points to a target."""
        known = list(self._store._sources.get((kind, target), ()))  # noqa: SLF001 - one room
        return [source for source in known if self.linked(kind, source, target)]

    def directory_object(self, key: str) -> tuple[Table, Record] | None:
        """Return any directory object by its id."""
        for table in DIRECTORY_TABLES:
            record = self.get(table, key)
            if record is not None:
                return table, record
        return None

    def _seen(self, versions: "_Versions | tuple[()]") -> Record | None:
        for at, record in reversed(versions):
            if at <= self.instant:
                return record
        return None
