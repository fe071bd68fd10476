"""The tenant's objects and links, every version of them, so that a replica can show the past.

Written by the areas of the fake (one request at a time, see `service`), read through a `View` at
an instant: the primary is the view of now, a lagging replica the view of a while ago. It knows no
rule of Graph.
"""

from collections.abc import Callable, Sequence
from datetime import datetime
from enum import StrEnum

from deprovisioner.sandbox.service.versions import (
    BEGINNING,
    History,
    Record,
    VersionedStore,
    VersionedView,
    Written,
    last,
)

__all__ = ["BEGINNING", "DIRECTORY_TABLES", "Link", "Record", "Store", "Table", "View"]


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


_INDEXED = frozenset({"_user", "principalId", "_parent", "_drive", "_item"})


class Store(VersionedStore[Table, str]):
    """All versions of everything; `listen` hears each change. Between objects there are links."""

    def __init__(
        self, clock: Callable[[], datetime], listen: Callable[[Written[str]], None]
    ) -> None:
        super().__init__(Table, clock, listen, author="the tenant", indexed=_INDEXED)
        self._links: dict[tuple[Link, str, str], History] = {}
        self._targets: dict[tuple[Link, str], dict[str, None]] = {}
        self._sources: dict[tuple[Link, str], dict[str, None]] = {}

    def put(self, table: Table, record: Record) -> None:
        """Make or replace a record, by its `id`, or by its `_key` where ids are not unique."""
        self._put(table, str(record.get("_key") or record["id"]), record)

    def link(self, kind: Link, source: str, target: str) -> None:
        """Tie two objects together."""
        history = self._links.setdefault((kind, source, target), [])
        self._targets.setdefault((kind, source), {})[target] = None
        self._sources.setdefault((kind, target), {})[source] = None
        if last(history) is None:
            self._write(history, kind, f"{source}/{target}", {"id": target})

    def unlink(self, kind: Link, source: str, target: str) -> None:
        """Untie; nothing happens where no link is."""
        history = self._links.get((kind, source, target), [])
        if last(history) is not None:
            self._write(history, kind, f"{source}/{target}", None)

    def view(self, instant: datetime) -> "View":
        """Return the state at an instant."""
        return View(self, instant)

    def tie(self, kind: Link, source: str, target: str) -> Sequence[tuple[datetime, Record | None]]:
        """Return the versions of a link, oldest first; none where there never was one."""
        return self._links.get((kind, source, target), ())

    def targets(self, kind: Link, source: str) -> list[str]:
        """Return whatever a source ever pointed to."""
        return list(self._targets.get((kind, source), ()))

    def sources(self, kind: Link, target: str) -> list[str]:
        """Return whatever ever pointed to a target."""
        return list(self._sources.get((kind, target), ()))


class View(VersionedView[Table, str]):
    """The state at one instant. Records are shared: never change one."""

    def __init__(self, store: Store, instant: datetime) -> None:
        super().__init__(store, instant)
        self._store = store

    def linked(self, kind: Link, source: str, target: str) -> bool:
        """Tell whether two objects are tied together."""
        return self._seen(self._store.tie(kind, source, target)) is not None

    def targets(self, kind: Link, source: str) -> list[str]:
        """Return what a source points to."""
        known = self._store.targets(kind, source)
        return [target for target in known if self.linked(kind, source, target)]

    def sources(self, kind: Link, target: str) -> list[str]:
        """Return what points to a target."""
        known = self._store.sources(kind, target)
        return [source for source in known if self.linked(kind, source, target)]

    def directory_object(self, key: str) -> tuple[Table, Record] | None:
        """Return any directory object by its id."""
        for table in DIRECTORY_TABLES:
            record = self.get(table, key)
            if record is not None:
                return table, record
        return None
