"""Deleted objects: soft for thirty days, restorable with their links, then gone for good.

Users, Microsoft 365 groups and applications are kept; security groups are not. A permanent delete
frees the name. The second delete of anything is a 404.
"""

from collections.abc import Callable
from datetime import timedelta

from deprovisioner.sandbox.graph import objects
from deprovisioner.sandbox.graph.errors import bad_request, not_found
from deprovisioner.sandbox.graph.query import Typed
from deprovisioner.sandbox.graph.routing import Answer, Call, Item, Listing, Reply, Route, routes
from deprovisioner.sandbox.graph.store import Record, Table, View
from deprovisioner.sandbox.graph.vocabulary import GROUP, USER, Kind, kind_of

KEPT = timedelta(days=30)


def _kept(view: View) -> list[Record]:
    since = objects.stamp(view.instant - KEPT)
    return [row for row in view.every(Table.DELETED) if row["deletedDateTime"] > since]


def _one(view: View, key: str) -> Record:
    for row in _kept(view):
        if row["id"] == key:
            return row
    raise not_found(key)


def _typed(row: Record) -> Typed:
    return Typed(kind_of(Table(row["_table"]), row), row)


def _list(table: Table, kind: Kind) -> Callable[[Call], Reply]:
    def listed(call: Call) -> Reply:
        rows = (row for row in _kept(call.view) if row["_table"] == table.value)
        items = [Typed(kind, row) for row in rows]
        return Listing(kind, items, f"directory/deletedItems/microsoft.graph.{kind.name}")

    return listed


def _get(call: Call) -> Reply:
    found = _typed(_one(call.view, call.path["item"]))
    return Item(found, "directoryObjects/$entity", mixed=True)


def _restore(call: Call) -> Reply:
    row = _one(call.world.truth, call.path["item"])
    table = Table(row["_table"])
    if table is Table.USERS:
        call.caller.need("User.DeleteRestore.All", "User.ReadWrite.All")
        objects.refuse_privileged(call, row["id"])
        name = row["userPrincipalName"].casefold()
        taken = call.world.truth.every(Table.USERS)
        if any(user["userPrincipalName"].casefold() == name for user in taken):
            raise bad_request("Another object with the same value for userPrincipalName exists.")
    back = {name: value for name, value in row.items() if name not in {"_table", "_links"}}
    back["deletedDateTime"] = None
    call.world.store.drop(Table.DELETED, row["id"])
    call.world.store.put(table, back)
    for kind, source, target in row["_links"]:
        call.world.store.link(kind, source, target)
    return Item(Typed(kind_of(table, back), back), "directoryObjects/$entity", mixed=True)


def _purge(call: Call) -> Reply:
    row = _one(call.world.truth, call.path["item"])
    call.world.store.drop(Table.DELETED, row["id"])
    return Answer(204)


_BASE = "/directory/deletedItems"
_READ = "User.Read.All User.ReadWrite.All Directory.Read.All User.DeleteRestore.All"

ROUTES: tuple[Route, ...] = (
    *routes(
        _READ,
        ("GET", f"{_BASE}/graph.user", _list(Table.USERS, USER)),
        ("GET", f"{_BASE}/microsoft.graph.user", _list(Table.USERS, USER)),
        ("GET", f"{_BASE}/microsoft.graph.group", _list(Table.GROUPS, GROUP)),
        ("GET", f"{_BASE}/{{item}}", _get),
    ),
    *routes(
        "User.DeleteRestore.All User.ReadWrite.All Group.ReadWrite.All Application.ReadWrite.All",
        ("POST", f"{_BASE}/{{item}}/restore", _restore),
        ("DELETE", f"{_BASE}/{{item}}", _purge),
    ),
)
