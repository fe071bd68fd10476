"""Audit events: who changed what, told by the instance a moment later.

There is no filter by author: a parameter of that name is ignored and everybody's events come. Lists
need an entity or the rights of an administrator; each change that succeeds is noted by `service`.
"""

from collections.abc import Iterable

from deprovisioner.sandbox.gitlab.errors import invalid
from deprovisioner.sandbox.gitlab.routing import (
    ADMINISTRATOR,
    MAINTAINER,
    OWNER,
    Call,
    Handler,
    Listing,
    Reply,
    Route,
    in_group,
    in_project,
    routes,
)
from deprovisioner.sandbox.gitlab.showing import show
from deprovisioner.sandbox.gitlab.store import Record, Table, stamp

_TYPES = frozenset({"User", "Group", "Project", "Gitlab::Audit::InstanceScope"})
_KEYSET = frozenset({"id:desc"})


def note(call: Call, route: Route) -> None:
    """Remember a change that was made; it is in the lists a moment later."""
    world = call.world
    if "project" in call.path and call.parent:
        kind, key = "Project", call.parent["id"]
    elif "group" in call.path and call.parent:
        kind, key = "Group", call.parent["id"]
    elif call.path.get("user", "").isdigit():
        kind, key = "User", int(call.path["user"])
    else:
        kind, key = "Gitlab::Audit::InstanceScope", 1
    members: Record = {
        "author_id": call.caller.id,
        "entity_id": key,
        "entity_type": kind,
        "event_name": "api_request",
        "details": {
            "custom_message": f"{route.method} {route.path}",
            "author_name": call.caller.name,
        },
        "created_at": stamp(world.now),
    }

    def index() -> None:
        world.store.add(Table.AUDIT_EVENTS, **members)

    world.agenda.after(world.delays.indexed, index)


def _listed(call: Call, rows: Iterable[Record]) -> Reply:
    after, before = call.query.get("created_after", ""), call.query.get("created_before", "9")
    kept = [row for row in rows if after <= row["created_at"] <= before]
    kept.sort(key=lambda row: int(row["id"]), reverse=True)
    return Listing(kept, show(call), _KEYSET)


def _instance(call: Call) -> Reply:
    kind, key = call.query.get("entity_type"), call.query.get("entity_id")
    if key is not None and kind is None:
        raise invalid("entity_type is missing")
    if kind not in {None, *_TYPES}:
        raise invalid("entity_type does not have a valid value")
    rows = [
        row
        for row in call.view.every(Table.AUDIT_EVENTS)
        if kind in {None, row["entity_type"]} and key in {None, str(row["entity_id"])}
    ]
    return _listed(call, rows)


def _here(kind: str) -> Handler:
    def handler(call: Call) -> Reply:
        rows = call.view.where(Table.AUDIT_EVENTS, entity_type=kind, entity_id=call.parent["id"])
        return _listed(call, rows)

    return handler


ROUTES = (
    *routes(ADMINISTRATOR, ("GET", "/audit_events", _instance)),
    *routes(in_group(OWNER), ("GET", "/groups/{group}/audit_events", _here("Group"))),
    *routes(in_project(MAINTAINER), ("GET", "/projects/{project}/audit_events", _here("Project"))),
)
