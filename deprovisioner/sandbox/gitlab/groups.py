"""Groups: listed, shown, moved, marked for deletion; and what a top-level owner sees of people.

What owners of a group on gitlab.com have instead of rights of an administrator is here too:
enterprise users, SAML and SCIM identities, SSH certificates, keys of enterprise users.
"""

from collections.abc import Iterable

from deprovisioner.sandbox.gitlab import access
from deprovisioner.sandbox.gitlab.errors import not_found, refused
from deprovisioner.sandbox.gitlab.lifecycle import sole_groups, vanish
from deprovisioner.sandbox.gitlab.routing import (
    NOTHING,
    OWNER,
    SIGNED_IN,
    Answer,
    Call,
    Handler,
    Listing,
    Reply,
    World,
    in_group,
    routes,
)
from deprovisioner.sandbox.gitlab.showing import removal, show, shown, visible_groups
from deprovisioner.sandbox.gitlab.store import Record, Table, View
from deprovisioner.sandbox.gitlab.tokens import enterprise_users

_KEYSET = frozenset({"name:asc"})


def _chosen(call: Call, rows: Iterable[Record]) -> Reply:
    least = int(call.query.get("min_access_level") or 0)
    if call.flag("owned"):
        least = OWNER
    wanted = call.query.get("search", "").casefold()
    kept = [
        row
        for row in rows
        if wanted in row["full_name"].casefold()
        and not (call.flag("top_level_only") and row["parent_id"])
        and (not least or call.caller.level_in_group(call.view, row) >= least)
    ]
    by, falling = call.query.get("order_by", "name"), call.query.get("sort", "asc") == "desc"
    kept.sort(key=lambda row: (row.get(by, row["name"]), row["id"]), reverse=falling)
    return Listing(kept, show(call), _KEYSET)


def _several(call: Call) -> Reply:
    return _chosen(call, visible_groups(call.view, call.caller))


def _descendants(call: Call) -> Reply:
    below = access.descendants(call.view, call.parent)[1:]
    return _chosen(call, [row for row in below if call.caller.level_in_group(call.view, row)])


def _children(call: Call) -> Reply:
    rows = call.view.every(Table.GROUPS)
    return _chosen(call, [row for row in rows if row["parent_id"] == call.parent["id"]])


def _one(call: Call) -> Reply:
    group = call.view.get(Table.GROUPS, call.parent["id"])
    if group is None:
        raise not_found("Group")
    out = {**shown(call.view, group), "shared_with_groups": shares(call.view, "Group", group)}
    if call.caller.level_in_group(call.view, group) >= OWNER:
        out["runners_token"] = group["_runners_token"]
    return Answer(200, out)


def shares(view: View, kind: str, source: Record) -> list[Record]:
    """Return the groups that are invited into a group or project."""
    found = []
    for row in view.where(Table.SHARES, _source=source["id"], _source_type=kind):
        invited = view.get(Table.GROUPS, row["_invited"]) or {}
        found.append(
            {
                "group_id": row["_invited"],
                "group_name": invited.get("name"),
                "group_full_path": invited.get("full_path"),
                "group_access_level": row["group_access_level"],
                "expires_at": row["expires_at"],
            }
        )
    return found


def _transferred(call: Call) -> Reply:
    """Move below another group, or to the top without one."""
    view, target = call.world.truth, call.body.get("group_id")
    above = view.get(Table.GROUPS, int(target)) if target else None
    if target and above is None:
        raise not_found("Group")
    if above and call.caller.level_in_group(view, above) < OWNER:
        raise refused(400, "Transfer failed: You don't have enough permissions.")
    if call.parent["parent_id"] == (above["id"] if above else None):
        raise refused(400, "Transfer failed: Group is already associated to the parent group.")
    path = f"{above['full_path']}/{call.parent['path']}" if above else call.parent["path"]
    given = {"parent_id": above["id"] if above else None, "full_path": path}
    new = call.world.store.change(Table.GROUPS, call.parent["id"], **given)
    return Answer(201, shown(view, new))


def _deleted(call: Call) -> Reply:
    """Mark for deletion; whoever scheduled it must still be an owner when it runs."""
    world, key = call.world, call.parent["id"]
    if call.parent["marked_for_deletion_on"]:
        raise refused(400, "Group has been already marked for deletion")
    marked = world.now.date().isoformat()
    world.store.change(Table.GROUPS, key, marked_for_deletion_on=marked, _deleted_by=call.caller.id)
    world.agenda.after(world.delays.retention, lambda: _gone(world, key, marked))
    return Answer(202, {"message": "202 Accepted"})


def _gone(world: World, key: int, marked: str) -> None:
    group = world.truth.get(Table.GROUPS, key)
    if group is None or group["marked_for_deletion_on"] != marked:
        return
    for project in world.truth.where(Table.PROJECTS, _group=key):
        world.store.drop(Table.PROJECTS, project["id"])
    world.store.drop(Table.GROUPS, key)


def _restored(call: Call) -> Reply:
    if not call.parent["marked_for_deletion_on"]:
        raise refused(400, "Group has not been marked for deletion")
    new = call.world.store.change(Table.GROUPS, call.parent["id"], marked_for_deletion_on=None)
    return Answer(201, shown(call.world.truth, new))


# ------------------------------------------------- what a top-level owner sees of people


def _people(keys: str) -> Handler:
    def handler(call: Call) -> Reply:
        rows = call.view.every(Table.USERS)
        wanted = call.query.get("username")
        kept = [
            row
            for row in rows
            if row[keys] == call.parent["id"] and wanted in {None, row["username"]}
        ]
        return Listing(kept, lambda row: _person(call, row))

    return handler


def _person(call: Call, row: Record) -> Record:
    """An owner sees of an enterprise user what an administrator would, but for their notes."""
    out = shown(call.view, row)
    for name in ("custom_attributes", "is_admin", "note", "created_by", "highest_role"):
        out.pop(name, None)
    return out


def _enterprise_user(call: Call) -> Record:
    person = call.view.get(Table.USERS, call.number("user"))
    if person is None or person["id"] not in enterprise_users(call):
        raise not_found("User")
    return person


def _enterprise_user_shown(call: Call) -> Reply:
    return Answer(200, _person(call, _enterprise_user(call)))


def _enterprise_user_changed(call: Call) -> Reply:
    person = _enterprise_user(call)
    given = {name: call.body[name] for name in ("name", "email") if name in call.body}
    return Answer(200, _person(call, call.world.store.change(Table.USERS, person["id"], **given)))


def _enterprise_user_deleted(call: Call) -> Reply:
    person, hard, world = _enterprise_user(call), bool(call.flag("hard_delete")), call.world
    if not hard and sole_groups(world.truth, person["id"]):
        raise refused(409, "User cannot be removed while is the sole-owner of a group")
    world.store.change(Table.USERS, person["id"], state="blocked")
    world.agenda.after(world.delays.deletion, lambda: vanish(world, person["id"], hard=hard))
    return NOTHING


def _identities(kind: str) -> Handler:
    def handler(call: Call) -> Reply:
        rows = call.view.where(Table.GROUP_IDENTITIES, _group=call.parent["id"], _kind=kind)
        return Listing(rows, _identity, paged=False)

    return handler


def _identity(row: Record) -> Record:
    out = {"extern_uid": row["extern_uid"], "user_id": row["user_id"]}
    return {**out, "active": row["active"]} if row["_kind"] == "scim" else out


def _identity_found(call: Call, kind: str) -> Record:
    rows = call.view.where(Table.GROUP_IDENTITIES, _group=call.parent["id"], _kind=kind)
    row = next((row for row in rows if row["extern_uid"] == call.path["uid"]), None)
    if row is None:
        raise not_found("Identity")
    return row


def _identity_shown(kind: str) -> Handler:
    return lambda call: Answer(200, _identity(_identity_found(call, kind)))


def _identity_removed(kind: str) -> Handler:
    def handler(call: Call) -> Reply:
        row = _identity_found(call, kind)
        call.world.store.drop(Table.GROUP_IDENTITIES, row["id"])
        return NOTHING

    return handler


def _keys_below(call: Call) -> list[Record]:
    users = enterprise_users(call)
    return [row for row in call.view.every(Table.SSH_KEYS) if row["_user"] in users]


def _keys(call: Call) -> Reply:
    return Listing(_keys_below(call), lambda row: _key(call, row))


def _key(call: Call, row: Record) -> Record:
    out = {**shown(call.view, row), "user_id": row["_user"]}
    out.pop("key")
    return out


def _key_removed(call: Call) -> Reply:
    wanted = call.number("key")
    if wanted not in {row["id"] for row in _keys_below(call)}:
        raise not_found("SSH Key")
    call.world.store.drop(Table.SSH_KEYS, wanted)
    return NOTHING


def _certificates(call: Call) -> Reply:
    rows = call.view.where(Table.SSH_CERTIFICATES, _group=call.parent["id"])
    return Listing(rows, show(call))


ROUTES = (
    *routes(SIGNED_IN, ("GET", "/groups", _several)),
    *routes(
        in_group(0),
        ("GET", "/groups/{group}", _one),
        ("GET", "/groups/{group}/subgroups", _children),
        ("GET", "/groups/{group}/descendant_groups", _descendants),
    ),
    *routes(
        in_group(OWNER),
        ("POST", "/groups/{group}/transfer", _transferred),
        ("DELETE", "/groups/{group}", _deleted),
        ("POST", "/groups/{group}/restore", _restored),
        ("GET", "/groups/{group}/enterprise_users", _people("enterprise_group_id")),
        ("GET", "/groups/{group}/enterprise_users/{user}", _enterprise_user_shown),
        ("PATCH", "/groups/{group}/enterprise_users/{user}", _enterprise_user_changed),
        ("DELETE", "/groups/{group}/enterprise_users/{user}", _enterprise_user_deleted),
        ("GET", "/groups/{group}/provisioned_users", _people("provisioned_by_group_id")),
        ("GET", "/groups/{group}/saml/identities", _identities("saml")),
        ("GET", "/groups/{group}/saml/{uid}", _identity_shown("saml")),
        ("DELETE", "/groups/{group}/saml/{uid}", _identity_removed("saml")),
        ("GET", "/groups/{group}/scim/identities", _identities("scim")),
        ("GET", "/groups/{group}/scim/{uid}", _identity_shown("scim")),
        ("DELETE", "/groups/{group}/scim/{uid}", _identity_removed("scim")),
        ("GET", "/groups/{group}/manage/ssh_keys", _keys),
        ("DELETE", "/groups/{group}/manage/ssh_keys/{key}", _key_removed),
        ("GET", "/groups/{group}/ssh_certificates", _certificates),
        (
            "DELETE",
            "/groups/{group}/ssh_certificates/{certificate}",
            removal(Table.SSH_CERTIFICATES, "certificate", "SSH Certificate"),
        ),
    ),
)
