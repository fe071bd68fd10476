"""How records become what GitLab shows: references to people spelt out, the fake's own left out.

Called by the areas. What a caller may see of a user depends on who asks and is in `users`.
"""

from collections.abc import Callable, Mapping

from deprovisioner.sandbox.gitlab.access import Caller
from deprovisioner.sandbox.gitlab.errors import not_found
from deprovisioner.sandbox.gitlab.routing import Answer, Call, Handler, Listing, Reply
from deprovisioner.sandbox.gitlab.store import Record, Table, View

BASIC = ("id", "username", "public_email", "name", "state", "locked", "avatar_url", "web_url")
_PEOPLE = {
    "_owner": "owner",
    "_author": "author",
    "_created_by": "created_by",
    "_approvers": "users",
    "_eligible": "eligible_approvers",
    "_assignees": "assignees",
    "_reviewers": "reviewers",
}
"""Members that hold user ids, and under what name those people are shown."""


def basic(view: View, key: int | None) -> Record | None:
    """Return a user as everybody sees them; None where there is none."""
    user = view.get(Table.USERS, key) if key is not None else None
    return {name: user[name] for name in BASIC} if user is not None else None


def shown(view: View, record: Record) -> Record:
    """Return a record without the fake's own members and with its people spelt out."""
    out = {name: value for name, value in record.items() if not name.startswith("_")}
    for own, name in _PEOPLE.items():
        if own not in record:
            continue
        value = record[own]
        if isinstance(value, list):
            out[name] = [person for person in (basic(view, key) for key in value) if person]
        else:
            out[name] = basic(view, value)
    if "assignees" in out:
        out["assignee"] = out["assignees"][0] if out["assignees"] else None
    return out


def show(call: Call) -> Callable[[Record], Record]:
    """Return how the rows of an answer are shown."""
    return lambda record: shown(call.view, record)


def found(view: View, table: Table, key: int, what: str, **members: object) -> Record:
    """Return a record that belongs where the path says; raises Refusal 404."""
    record = view.get(table, key)
    if record is None or any(record.get(name) != value for name, value in members.items()):
        raise not_found(what)
    return record


def parent_of(call: Call) -> Mapping[str, object]:
    """Return the members by which records belong to the group or project of the path."""
    kind = "_project" if "project" in call.path else "_group"
    return {kind: call.parent["id"]} if call.parent else {}


def listing(table: Table, **members: object) -> Handler:
    """Return a handler for the list of what belongs to the group or project of the path."""

    def handler(call: Call) -> Reply:
        return Listing(call.view.where(table, **parent_of(call), **members), show(call))

    return handler


def single(table: Table, place: str, what: str, **members: object) -> Handler:
    """Return a handler for one of them."""

    def handler(call: Call) -> Reply:
        wanted = {**parent_of(call), **members}
        return Answer(
            200, shown(call.view, found(call.view, table, call.number(place), what, **wanted))
        )

    return handler


def removal(table: Table, place: str, what: str, **members: object) -> Handler:
    """Return a handler that deletes one of them; the second time it is not found."""

    def handler(call: Call) -> Reply:
        wanted = {**parent_of(call), **members}
        record = found(call.world.truth, table, call.number(place), what, **wanted)
        call.world.store.drop(table, record["id"])
        return Answer(204)

    return handler


def change(table: Table, place: str, what: str, names: frozenset[str]) -> Handler:
    """Return a handler that replaces the members it is given, of those that may be."""

    def handler(call: Call) -> Reply:
        record = found(call.world.truth, table, call.number(place), what, **parent_of(call))
        given = {name: value for name, value in call.body.items() if name in names}
        new = call.world.store.change(table, record["id"], **given)
        return Answer(200, shown(call.world.truth, new))

    return handler


def visible_projects(view: View, caller: Caller) -> list[Record]:
    """Return the projects that a caller may know of."""
    return [
        row
        for row in view.every(Table.PROJECTS)
        if row["visibility"] != "private" or caller.level_in_project(view, row)
    ]


def visible_groups(view: View, caller: Caller) -> list[Record]:
    """Return the groups that a caller may know of."""
    return [
        row
        for row in view.every(Table.GROUPS)
        if row["visibility"] != "private" or caller.level_in_group(view, row)
    ]
