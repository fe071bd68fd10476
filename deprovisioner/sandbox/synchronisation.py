"""A pretend Entra Connect: carries what the domain says over to the tenant, cycle after cycle.

Started by `running` beside a domain and a tenant. It reads the domain as it is, joins people by
their anchor (`mS-DS-ConsistencyGuid`, else `objectGUID`) and groups by login, and writes only what
differs, in its own name: whether an account is enabled, names and places, managers, members of
synced groups. What somebody changed in the cloud of what the domain masters is put back, as the
real one does. It knows nothing of our connectors, and synchronises no passwords and no deletions.
"""

import base64
import threading
from collections.abc import Iterator, Mapping
from datetime import timedelta
from types import MappingProxyType
from typing import Final
from uuid import UUID

from deprovisioner.sandbox.forest.domain import Domain
from deprovisioner.sandbox.forest.identifiers import sid_text
from deprovisioner.sandbox.forest.store import Item, State, target_of
from deprovisioner.sandbox.graph import GraphServer, Link, Record, Store, Table, View
from deprovisioner.sandbox.graph.objects import stamp

AUTHOR: Final = "Entra Connect"
_DISABLED: Final = 0x2
_ATTRIBUTES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "displayName": "displayname",
        "givenName": "givenname",
        "surname": "sn",
        "jobTitle": "title",
        "department": "department",
        "employeeId": "employeeid",
        "onPremisesSamAccountName": "samaccountname",
    }
)
"""Members of a user in the tenant, and the attribute that masters each."""


class Synchronisation:
    """Runs a cycle at once when it starts, and one `every` so often until it stops."""

    def __init__(self, domain: Domain, graph: GraphServer, every: timedelta) -> None:
        self._domain, self._graph, self._every = domain, graph, every
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="sandbox-sync", daemon=True)

    def start(self) -> None:
        """Carry everything over once, then go on in the background."""
        self.cycle()
        self._thread.start()

    def stop(self) -> None:
        """End after the cycle under way."""
        self._stopping.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stopping.wait(self._every.total_seconds()):
            self.cycle()

    def cycle(self) -> None:
        """Make the tenant say what the domain says now."""
        state = self._domain.store.state()
        changed = False

        def carry(store: Store) -> None:
            nonlocal changed
            changed = _Cycle(state, store).carry()

        self._graph.edit(carry, author=AUTHOR)
        if changed:
            self._graph.evaluate_dynamic_groups()


class _Cycle:
    """One cycle: a state of the domain against the tenant of now."""

    def __init__(self, state: State, store: Store) -> None:
        self._state, self._store = state, store
        self._view: View = store.view(store.now)
        self._people = {_anchor(item): item for item in state.items.values() if _is_person(item)}
        users = [user for user in self._view.every(Table.USERS) if _is_synced(user)]
        joined = [(user, self._people.get(str(user["onPremisesImmutableId"]))) for user in users]
        self._joined = [(user, item) for user, item in joined if item is not None]
        self._cloud: dict[UUID, str] = {item.guid: user["id"] for user, item in self._joined}

    def carry(self) -> bool:
        """Write what differs; tell whether a user was changed."""
        changed = [self._person(user, item) for user, item in self._joined]
        for user, item in self._joined:
            managers = {self._cloud[guid] for guid in _links(item, "manager") & set(self._cloud)}
            self._tie(Link.MANAGER, user["id"], managers)
        groups = {item.first("samaccountname"): item for item in self._groups()}
        for group in self._view.every(Table.GROUPS):
            master = groups.get(str(group.get("onPremisesSamAccountName")))
            if _is_synced(group) and master is not None:
                self._group(group, master)
        return any(changed)

    def _person(self, user: Record, item: Item) -> bool:
        said: Record = {member: item.first(key) or None for member, key in _ATTRIBUTES.items()}
        said["accountEnabled"] = not item.number("useraccountcontrol") & _DISABLED
        said["onPremisesDistinguishedName"] = self._state.names[item.guid]
        said["onPremisesSecurityIdentifier"] = sid_text(item.values["objectsid"][0])
        return self._differs(Table.USERS, user, said)

    def _group(self, group: Record, item: Item) -> None:
        sid = sid_text(item.values["objectsid"][0])
        self._differs(Table.GROUPS, group, {"onPremisesSecurityIdentifier": sid})
        members = {self._cloud[guid] for guid in _links(item, "member") & set(self._cloud)}
        self._tie(Link.MEMBER, group["id"], members)

    def _differs(self, table: Table, there: Record, said: Record) -> bool:
        news = {name: value for name, value in said.items() if there.get(name) != value}
        if news:
            when = stamp(self._store.now)
            self._store.change(table, there["id"], **news, onPremisesLastSyncDateTime=when)
        return bool(news)

    def _tie(self, kind: Link, source: str, wanted: set[str]) -> None:
        there = set(self._view.targets(kind, source))
        for target in sorted(wanted - there):
            self._store.link(kind, source, target)
        for target in sorted(there - wanted):
            self._store.unlink(kind, source, target)

    def _groups(self) -> Iterator[Item]:
        return (
            item for item in self._state.items.values() if item.has_class("group") and _lives(item)
        )


def _is_synced(record: Record) -> bool:
    return record.get("onPremisesSyncEnabled") is True


def _is_person(item: Item) -> bool:
    return item.has_class("user") and not item.has_class("computer") and _lives(item)


def _lives(item: Item) -> bool:
    return not item.deleted


def _anchor(item: Item) -> str:
    """`onPremisesImmutableId`: the octets of the anchor in base64."""
    anchor = item.values.get("ms-ds-consistencyguid") or (item.guid.bytes_le,)
    return base64.b64encode(anchor[0]).decode()


def _links(item: Item, key: str) -> set[UUID]:
    return {target_of(value) for value in item.values.get(key, ())}
