"""OneDrive: items, changes, content, sharing, and copies that take a while.

The rules kept: content comes from a pre-authenticated address (302), not from Graph itself; an
inherited permission cannot be deleted where it is inherited; an invitation that does not say
`retainInheritedPermissions: true` where the item inherits cuts the inheritance when it says false;
a copy is accepted (202) and watched at the address that is given.
"""

import dataclasses
from datetime import UTC, datetime

from deprovisioner.sandbox.graph import objects
from deprovisioner.sandbox.graph.errors import GraphError, bad_request, item_not_found
from deprovisioner.sandbox.graph.query import Typed
from deprovisioner.sandbox.graph.routing import Answer, Call, Item, Listing, Reply, Route, routes
from deprovisioner.sandbox.graph.store import Record, Table, View
from deprovisioner.sandbox.graph.vocabulary import Kind
from deprovisioner.sandbox.graph.wording import words

DRIVE = Kind(
    "drive",
    words("createdDateTime description driveType id lastModifiedDateTime name owner quota webUrl"),
)
ITEM = Kind(
    "driveItem",
    words(
        "createdDateTime deleted description eTag file folder id lastModifiedDateTime name "
        "malware package parentReference root shared size webUrl"
    ),
)
PERMISSION = Kind(
    "permission",
    words(
        "expirationDateTime grantedToIdentitiesV2 grantedToV2 hasPassword id inheritedFrom "
        "invitation link roles shareId"
    ),
)
_OPTIONS = words("$select $top $skiptoken")
_DELTA_OPTIONS = _OPTIONS | words("$deltatoken token")
CONTENT_PATH, MONITOR_PATH = "/content/", "/monitor/"


def _drive(view: View, call: Call) -> Record:
    found = view.get(Table.DRIVES, call.path["drive"])
    if found is None:
        raise item_not_found()
    return found


def _drive_of(view: View, call: Call) -> Record:
    user = objects.user(view, call.path["user"])
    for found in view.where(Table.DRIVES, _user=user["id"]):
        return found
    raise GraphError(404, "ResourceNotFound", "User's mysite not found.")


def _of_user(call: Call) -> Reply:
    return Item(Typed(DRIVE, _drive_of(call.view, call)), "drives/$entity")


def _all_of_user(call: Call) -> Reply:
    user = objects.user(call.view, call.path["user"])
    items = [Typed(DRIVE, row) for row in call.view.where(Table.DRIVES, _user=user["id"])]
    return Listing(DRIVE, items, "drives", directory=False, options=_OPTIONS)


def _get(call: Call) -> Reply:
    return Item(Typed(DRIVE, _drive(call.view, call)), "drives/$entity")


def _root(call: Call) -> Reply:
    drive = _drive(call.view, call)
    return Item(Typed(ITEM, _found(call.view, drive, "root")), "driveItem")


def _found(view: View, drive: Record, key: str) -> Record:
    wanted = drive["_root"] if key == "root" else key
    found = view.get(Table.DRIVE_ITEMS, wanted)
    if found is None or found["_drive"] != drive["id"]:
        raise item_not_found()
    return found


def _item(call: Call) -> Reply:
    found = _found(call.view, _drive(call.view, call), call.path["item"])
    return Item(Typed(ITEM, found), "driveItem")


def _children(call: Call) -> Reply:
    if "drive" in call.path:
        drive = _drive(call.view, call)
        parent = _found(call.view, drive, call.path["item"])
    else:
        drive = _drive_of(call.view, call)
        parent = _found(call.view, drive, "root")
    rows = call.view.where(Table.DRIVE_ITEMS, _parent=parent["id"])
    items = [Typed(ITEM, row) for row in rows]
    return Listing(ITEM, items, "driveItem", directory=False, default=200, options=_OPTIONS)


def _delta(call: Call) -> Reply:
    drive = _drive(call.view, call)
    if call.path.get("item", "root") != "root":
        raise bad_request("Delta is tracked from the root only.", "invalidRequest")
    token = call.query.options.get("$deltatoken") or call.query.options.get("token")
    items = [Typed(ITEM, row) for row in _changed(call, drive, token)]
    stamp = call.view.instant.isoformat()
    link = f"{call.world.base_url}/drives/{drive['id']}/root/delta?$deltatoken={_quoted(stamp)}"
    return Listing(
        ITEM,
        items,
        "driveItem",
        directory=False,
        default=200,
        options=_DELTA_OPTIONS,
        extra={"@odata.deltaLink": link},
    )


def _quoted(stamp: str) -> str:
    return stamp.replace("+", "%2B")


def _changed(call: Call, drive: Record, token: str | None) -> list[Record]:
    now = call.view.where(Table.DRIVE_ITEMS, _drive=drive["id"])
    if token is None:
        return now
    if token == "latest":
        return []
    try:
        since = datetime.fromisoformat(token)
    except ValueError:
        raise GraphError(410, "resyncRequired", "Resync required.") from None
    before = call.world.store.view(since if since.tzinfo else since.replace(tzinfo=UTC))
    old = {row["id"]: row for row in before.where(Table.DRIVE_ITEMS, _drive=drive["id"])}
    gone = [key for key in old if call.view.get(Table.DRIVE_ITEMS, key) is None]
    removed: list[Record] = [{"id": key, "deleted": {"state": "deleted"}} for key in gone]
    return [row for row in now if old.get(row["id"]) != row] + removed


def _content(call: Call) -> Reply:
    found = _found(call.view, _drive(call.view, call), call.path["item"])
    if "file" not in found:
        raise bad_request("A folder has no content.", "invalidRequest")
    root = call.world.base_url.removesuffix("/v1.0")
    return Answer(302, headers={"Location": f"{root}{CONTENT_PATH}{found['_ticket']}"})


def content_of(view: View, ticket: str) -> bytes | None:
    """Return what a pre-authenticated address gives; whoever has it needs no token."""
    for row in view.where(Table.DRIVE_ITEMS, _ticket=ticket):
        return bytes(row["_content"])
    return None


# -------------------------------------------------------------------------------------- sharing


def _visible_permissions(view: View, item: Record) -> list[Record]:
    """Return an item's own permissions and those it inherits, marked as such."""
    shown = view.where(Table.DRIVE_PERMISSIONS, _item=item["id"])
    above = item
    while above["_parent"] is not None and not above.get("_unique"):
        parent = view.get(Table.DRIVE_ITEMS, above["_parent"])
        if parent is None:
            break
        origin = {"driveId": parent["_drive"], "id": parent["id"]}
        for row in view.where(Table.DRIVE_PERMISSIONS, _item=parent["id"]):
            shown.append({**row, "inheritedFrom": origin})
        above = parent
    return shown


def _permissions(call: Call) -> Reply:
    found = _found(call.view, _drive(call.view, call), call.path["item"])
    items = [Typed(PERMISSION, row) for row in _visible_permissions(call.view, found)]
    return Listing(PERMISSION, items, "permissions", directory=False, options=_OPTIONS)


def _one_permission(view: View, call: Call) -> tuple[Record, Record]:
    item = _found(view, _drive(view, call), call.path["item"])
    for row in _visible_permissions(view, item):
        if row["id"] == call.path["permission"]:
            return item, row
    raise item_not_found()


def _permission(call: Call) -> Reply:
    _, found = _one_permission(call.view, call)
    return Item(Typed(PERMISSION, found), "permissions/$entity")


def _own(call: Call) -> Record:
    _, found = _one_permission(call.world.truth, call)
    if found.get("inheritedFrom"):
        raise bad_request("Inherited permissions cannot be changed here.", "invalidRequest")
    if "owner" in found["roles"]:
        raise GraphError(403, "accessDenied", "The owner's permission cannot be changed.")
    return found


def _change_permission(call: Call) -> Reply:
    found, wanted = _own(call), call.body.get("roles")
    if not isinstance(wanted, list) or not set(wanted) <= {"read", "write"}:
        raise bad_request("'roles' is required.", "invalidRequest")
    changed = call.world.store.change(Table.DRIVE_PERMISSIONS, found["id"], roles=wanted)
    return Item(Typed(PERMISSION, changed), "permissions/$entity")


def _remove_permission(call: Call) -> Reply:
    call.world.store.drop(Table.DRIVE_PERMISSIONS, _own(call)["id"])
    return Answer(204)


def _invite(call: Call) -> Reply:
    item = _found(call.world.truth, _drive(call.world.truth, call), call.path["item"])
    recipients, given = call.body.get("recipients"), call.body.get("roles")
    if not isinstance(recipients, list) or not recipients or not isinstance(given, list):
        raise bad_request("'recipients' and 'roles' are required.", "invalidRequest")
    if call.body.get("retainInheritedPermissions") is False:
        call.world.store.change(Table.DRIVE_ITEMS, item["id"], _unique=True)
    made = [_grant(call, item, one, given) for one in recipients]
    items = [Typed(PERMISSION, row) for row in made]
    # The list that is answered takes no query options, as for any write.
    return Listing(PERMISSION, items, "permissions", directory=False, options=frozenset())


def _grant(call: Call, item: Record, recipient: object, given: list[str]) -> Record:
    key = recipient.get("objectId") if isinstance(recipient, dict) else None
    if not isinstance(key, str):
        raise bad_request("A recipient is named by objectId here.", "invalidRequest")
    user = objects.user(call.world.truth, key)
    record = permission(call.world.new_id(), item["id"], user, given)
    call.world.store.put(Table.DRIVE_PERMISSIONS, record)
    return record


def permission(key: str, item: str, user: Record, given: list[str]) -> Record:
    """Return a permission of a person on an item."""
    who = {"id": user["id"], "displayName": user["displayName"]}
    return {"id": key, "roles": list(given), "grantedToV2": {"user": who}, "_item": item}


# ---------------------------------------------------------------------------------------- copies


def _copy(call: Call) -> Reply:
    item = _found(call.world.truth, _drive(call.world.truth, call), call.path["item"])
    target = call.body.get("parentReference")
    if not isinstance(target, dict) or "driveId" not in target:
        raise bad_request("'parentReference' is required.", "invalidRequest")
    places = {**call.path, "drive": str(target["driveId"])}
    there = _drive(call.world.truth, dataclasses.replace(call, path=places))
    parent = _found(call.world.truth, there, str(target.get("id", "root")))
    key, name = call.world.new_id(), call.body.get("name") or item["name"]
    call.world.store.put(Table.COPIES, {"id": key, "status": "inProgress", "resourceId": None})

    def carry_out() -> None:
        new = call.world.new_id()
        copied = {**item, "id": new, "name": name, "_drive": there["id"], "_parent": parent["id"]}
        copied.update(
            parentReference={"driveId": there["id"], "id": parent["id"]},
            _ticket=call.world.new_secret(),
        )
        call.world.store.put(Table.DRIVE_ITEMS, copied)
        call.world.store.change(Table.COPIES, key, status="completed", resourceId=new)

    call.world.agenda.after(call.world.delays.copies, carry_out)
    root = call.world.base_url.removesuffix("/v1.0")
    return Answer(202, headers={"Location": f"{root}{MONITOR_PATH}{key}"})


_READ = "Files.Read.All Files.ReadWrite.All Sites.Read.All Sites.ReadWrite.All"
_WRITE = "Files.ReadWrite.All Sites.ReadWrite.All"
_ONE = "/drives/{drive}/items/{item}"

ROUTES: tuple[Route, ...] = (
    *routes(
        _READ,
        ("GET", "/users/{user}/drive", _of_user),
        ("GET", "/users/{user}/drives", _all_of_user),
        ("GET", "/users/{user}/drive/root/children", _children),
        ("GET", "/drives/{drive}", _get),
        ("GET", "/drives/{drive}/root", _root),
        ("GET", "/drives/{drive}/root/delta", _delta),
        ("GET", _ONE, _item),
        ("GET", f"{_ONE}/children", _children),
        ("GET", f"{_ONE}/delta", _delta),
        ("GET", f"{_ONE}/content", _content),
        ("GET", f"{_ONE}/permissions", _permissions),
        ("GET", f"{_ONE}/permissions/{{permission}}", _permission),
    ),
    *routes(
        _WRITE,
        ("POST", f"{_ONE}/invite", _invite),
        ("POST", f"{_ONE}/copy", _copy),
        ("PATCH", f"{_ONE}/permissions/{{permission}}", _change_permission),
        ("DELETE", f"{_ONE}/permissions/{{permission}}", _remove_permission),
    ),
)
