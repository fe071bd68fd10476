"""Directory objects for all areas: found, typed, referred to, linked and refused.

Called by the areas. Here are the rules that hold for every kind of directory object; the rules of
one kind are in its own area.
"""

from collections.abc import Iterable
from datetime import datetime
from typing import Never
from urllib.parse import unquote, urlsplit

from deprovisioner.sandbox.graph.errors import bad_request, denied, not_found
from deprovisioner.sandbox.graph.query import Typed
from deprovisioner.sandbox.graph.routing import Call
from deprovisioner.sandbox.graph.store import DIRECTORY_TABLES, Link, Record, Table, View
from deprovisioner.sandbox.graph.vocabulary import kind_of

ADMINISTRATORS = frozenset({"Global Administrator", "Privileged Authentication Administrator"})
"""Directory roles that an app needs before it may touch sensitive members of an admin."""


def delegated_only(_call: Call) -> Never:
    """Refuse what only a signed-in person may do; no application permission reaches it."""
    raise denied()


def stamp(instant: datetime) -> str:
    """Return an instant as Graph writes it."""
    return instant.strftime("%Y-%m-%dT%H:%M:%SZ")


def user(view: View, key: str) -> Record:
    """Return a user by id or principal name; raises GraphError 404."""
    found = view.get(Table.USERS, key)
    if found is None and "@" in key:
        wanted = key.casefold()
        for record in view.every(Table.USERS):
            if record["userPrincipalName"].casefold() == wanted:
                return record
    if found is None:
        raise not_found(key)
    return found


def record(view: View, table: Table, key: str) -> Record:
    """Return a record; raises GraphError 404 in the directory's words."""
    found = view.get(table, key)
    if found is None:
        raise not_found(key)
    return found


def typed(view: View, keys: Iterable[str]) -> list[Typed]:
    """Return directory objects with their types; those that are gone are left out."""
    found = (view.directory_object(key) for key in keys)
    return [Typed(kind_of(*pair), pair[1]) for pair in found if pair is not None]


def of_table(view: View, table: Table) -> list[Typed]:
    """Return a whole table of directory objects."""
    return [Typed(kind_of(table, item), item) for item in view.every(table)]


def referred(call: Call) -> str:
    """Return the id in an `@odata.id` of the body; raises GraphError 400 and 404."""
    address = call.body.get("@odata.id")
    if set(call.body) != {"@odata.id"} or not isinstance(address, str):
        raise bad_request("A value is required for property '@odata.id' in the payload.")
    parts = urlsplit(address).path.strip("/").split("/")
    if len(parts) != 3 or parts[0] != "v1.0" or parts[1] not in _REFERABLE:
        raise bad_request("Invalid URL format specified in payload.")
    key = unquote(parts[2])
    if call.world.truth.directory_object(key) is None:
        raise not_found(key)
    return key


_REFERABLE = frozenset({"directoryObjects", *(table.value for table in DIRECTORY_TABLES)})


def add_link(call: Call, kind: Link, source: str, target: str) -> None:
    """Tie; raises GraphError 400 when it is tied already, as the vendor does."""
    if call.world.truth.linked(kind, source, target):
        raise bad_request(
            "One or more added object references already exist for the following modified "
            f"properties: '{kind.value}'."
        )
    call.world.store.link(kind, source, target)


def remove_link(call: Call, kind: Link, source: str, target: str) -> None:
    """Untie; raises GraphError 404 when it is not tied."""
    if not call.world.truth.linked(kind, source, target):
        raise not_found(target)
    call.world.store.unlink(kind, source, target)


def is_privileged(view: View, key: str) -> bool:
    """Tell whether a user is an admin, or member or owner of a role-assignable group."""
    if any(row["principalId"] == key for row in view.every(Table.ROLE_ASSIGNMENTS)):
        return True
    groups = {*view.sources(Link.MEMBER, key), *view.sources(Link.OWNER, key)}
    held = (view.get(Table.GROUPS, group) for group in groups)
    return any(group is not None and group.get("isAssignableToRole") for group in held)


def refuse_privileged(call: Call, key: str) -> None:
    """Refuse (403) sensitive changes of an admin by an app without such a role itself."""
    if is_privileged(call.world.truth, key) and not (call.caller.directory_roles & ADMINISTRATORS):
        raise denied()


def transitive_groups(view: View, key: str) -> list[str]:
    """Return everything an object is a member of, directly or through groups."""
    found: dict[str, None] = {}
    waiting = view.sources(Link.MEMBER, key)
    while waiting:
        source = waiting.pop()
        if source not in found:
            found[source] = None
            waiting += view.sources(Link.MEMBER, source)
    return list(found)


def drop_object(call: Call, table: Table, key: str) -> None:
    """Delete a directory object: users, M365 groups and applications can be restored for a while.

    Its links go with it; those of a user or group are kept for the restore.
    """
    store, view = call.world.store, call.world.truth
    gone = record(view, table, key)
    kept = table in {Table.USERS, Table.GROUPS, Table.APPLICATIONS}
    unified = "Unified" in gone.get("groupTypes", ())
    links = [
        (kind, source, target)
        for kind in Link
        for source, target in [
            *((source, key) for source in view.sources(kind, key)),
            *((key, target) for target in view.targets(kind, key)),
        ]
    ]
    for kind, source, target in links:
        store.unlink(kind, source, target)
    store.drop(table, key)
    if kept and (table is not Table.GROUPS or unified):
        when = stamp(call.world.now)
        store.put(
            Table.DELETED,
            {**gone, "deletedDateTime": when, "_table": table.value, "_links": links},
        )
