"""Groups: members and owners, and everything that Graph refuses about them.

The rules kept here: dynamic membership follows a rule; synced groups are changed in AD; groups of
Exchange (distribution lists, mail-enabled security) are not changed by Graph; role-assignable ones
need a permission more; the last owner stays. `DELETE …/members/{id}` **without `/$ref` deletes the
member itself**, as the vendor's documentation warns.
"""

from collections.abc import Mapping
from types import MappingProxyType

from deprovisioner.sandbox.graph import dynamic, objects, packages
from deprovisioner.sandbox.graph.errors import bad_request, denied, not_found
from deprovisioner.sandbox.graph.query import Expansion, Typed, show
from deprovisioner.sandbox.graph.routing import Answer, Call, Item, Listing, Reply, Route, routes
from deprovisioner.sandbox.graph.store import Link, Record, Table, View
from deprovisioner.sandbox.graph.vocabulary import DIRECTORY_OBJECT, GROUP, USER
from deprovisioner.sandbox.graph.wording import words

_MOST_EXPANDED = 20
_CHANGEABLE = words(
    """
    displayName description mailNickname visibility membershipRule membershipRuleProcessingState
    classification
    """
)


def _linked(kind: Link) -> Expansion:
    def expand(view: View, record: Record) -> object:
        keys = view.targets(kind, record["id"])[:_MOST_EXPANDED]
        return [show(item, None, mixed=True) for item in objects.typed(view, keys)]

    return expand


_EXPANSIONS: Mapping[str, Expansion] = MappingProxyType(
    {"members": _linked(Link.MEMBER), "owners": _linked(Link.OWNER)}
)


def _list(call: Call) -> Reply:
    items = objects.of_table(call.view, Table.GROUPS)
    return Listing(GROUP, items, "groups", expansions=_EXPANSIONS)


def _get(call: Call) -> Reply:
    found = objects.record(call.view, Table.GROUPS, call.path["group"])
    return Item(Typed(GROUP, found), "groups/$entity", expansions=_EXPANSIONS)


def _patch(call: Call) -> Reply:
    old = objects.record(call.world.truth, Table.GROUPS, call.path["group"])
    changes = {name: value for name, value in call.body.items() if name != "@odata.type"}
    if not changes or not _CHANGEABLE.issuperset(changes):
        raise bad_request("The payload holds nothing that can be changed.")
    _refuse_synced(old)
    _need_for_roles(call, old)
    call.world.store.change(Table.GROUPS, old["id"], **changes)
    if "membershipRule" in changes:
        dynamic.evaluate_later(call.world)
    return Answer(204)


def _members(call: Call) -> Reply:
    return _links(call, Link.MEMBER)


def _owners(call: Call) -> Reply:
    return _links(call, Link.OWNER)


def _links(call: Call, kind: Link) -> Reply:
    found = objects.record(call.view, Table.GROUPS, call.path["group"])
    items = objects.typed(call.view, call.view.targets(kind, found["id"]))
    if "cast" not in call.path:
        return Listing(DIRECTORY_OBJECT, items, "directoryObjects", mixed=True)
    if call.path["cast"] not in {"graph.user", "microsoft.graph.user"}:
        raise bad_request(
            f"Resource not found for the segment '{call.path['cast']}'.", "BadRequest"
        )
    return Listing(USER, [item for item in items if item.kind is USER], "users")


def _count_members(call: Call) -> Reply:
    if not call.query.advanced:
        raise bad_request("$count is not currently supported.")
    found = objects.record(call.view, Table.GROUPS, call.path["group"])
    number = len(call.view.targets(Link.MEMBER, found["id"]))
    return Answer(200, str(number).encode(), content_type="text/plain")


def _member(call: Call) -> Reply:
    if call.path["member"] in {"graph.user", "microsoft.graph.user"}:
        return _links(_as_cast(call), Link.MEMBER)
    found = objects.record(call.view, Table.GROUPS, call.path["group"])
    if not call.view.linked(Link.MEMBER, found["id"], call.path["member"]):
        raise not_found(call.path["member"])
    item = objects.typed(call.view, [call.path["member"]])
    if not item:
        raise not_found(call.path["member"])
    return Item(item[0], "directoryObjects/$entity", mixed=True)


def _owner(call: Call) -> Reply:
    if call.path["owner"] in {"graph.user", "microsoft.graph.user"}:
        return _links(_as_cast(call), Link.OWNER)
    raise bad_request("Specified HTTP method is not allowed for the request target.")


def _as_cast(call: Call) -> Call:
    cast = call.path.get("member") or call.path["owner"]
    places = {"group": call.path["group"], "cast": cast}
    return Call(call.world, call.caller, call.view, call.query, call.headers, places, call.body)


def _transitive_members(call: Call) -> Reply:
    found = objects.record(call.view, Table.GROUPS, call.path["group"])
    seen: dict[str, None] = {}
    waiting = call.view.targets(Link.MEMBER, found["id"])
    while waiting:
        key = waiting.pop()
        if key not in seen:
            seen[key] = None
            waiting += call.view.targets(Link.MEMBER, key)
    items = objects.typed(call.view, seen)
    return Listing(DIRECTORY_OBJECT, items, "directoryObjects", mixed=True)


def _member_of(call: Call) -> Reply:
    found = objects.record(call.view, Table.GROUPS, call.path["group"])
    items = objects.typed(call.view, call.view.sources(Link.MEMBER, found["id"]))
    return Listing(DIRECTORY_OBJECT, items, "directoryObjects", mixed=True)


# ------------------------------------------------------------------------------------- changing


def refuse_membership_change(call: Call, group: Record) -> None:
    """Refuse what Graph cannot or may not change about who is in a group."""
    if "DynamicMembership" in group.get("groupTypes", ()):
        raise bad_request("Cannot Update a group with dynamic membership.")
    _refuse_synced(group)
    mail = group.get("mailEnabled") and "Unified" not in group.get("groupTypes", ())
    if mail:
        raise bad_request("Cannot Update a mail-enabled security groups and or distribution list.")
    _need_for_roles(call, group)


def _refuse_synced(group: Record) -> None:
    if group.get("onPremisesSyncEnabled"):
        raise bad_request(
            "Unable to update the specified properties for on-premises mastered Directory Sync "
            "objects or objects currently undergoing migration."
        )


def _need_for_roles(call: Call, group: Record) -> None:
    if group.get("isAssignableToRole"):
        call.caller.need("RoleManagement.ReadWrite.Directory")


def _add_member(call: Call) -> Reply:
    group = objects.record(call.world.truth, Table.GROUPS, call.path["group"])
    refuse_membership_change(call, group)
    objects.add_link(call, Link.MEMBER, group["id"], objects.referred(call))
    return Answer(204)


def _remove_member(call: Call) -> Reply:
    group = objects.record(call.world.truth, Table.GROUPS, call.path["group"])
    refuse_membership_change(call, group)
    objects.remove_link(call, Link.MEMBER, group["id"], call.path["member"])
    packages.put_back_later(call.world, group["id"], call.path["member"])
    return Answer(204)


def _delete_member_itself(call: Call) -> Reply:
    """Delete the object that the path ends at: the trap of a forgotten `/$ref`."""
    group = objects.record(call.world.truth, Table.GROUPS, call.path["group"])
    key = call.path.get("member") or call.path["owner"]
    kind = Link.MEMBER if "member" in call.path else Link.OWNER
    if not call.world.truth.linked(kind, group["id"], key):
        raise not_found(key)
    found = call.world.truth.directory_object(key)
    if found is None or found[0] is not Table.USERS:
        raise denied()
    call.caller.need("User.ReadWrite.All", "User.DeleteRestore.All", "Directory.ReadWrite.All")
    objects.refuse_privileged(call, key)
    objects.drop_object(call, Table.USERS, key)
    return Answer(204)


def _add_owner(call: Call) -> Reply:
    group = objects.record(call.world.truth, Table.GROUPS, call.path["group"])
    _refuse_owner_change(call, group)
    objects.add_link(call, Link.OWNER, group["id"], objects.referred(call))
    return Answer(204)


def _remove_owner(call: Call) -> Reply:
    group, key = _group(call), call.path["owner"]
    _refuse_owner_change(call, group)
    view = call.world.truth
    owners = [
        owner
        for owner in view.targets(Link.OWNER, group["id"])
        if view.get(Table.USERS, owner) is not None
    ]
    if owners == [key]:
        raise bad_request(
            "The group must have at least one owner, hence this owner cannot be removed."
        )
    objects.remove_link(call, Link.OWNER, group["id"], key)
    return Answer(204)


def _group(call: Call) -> Record:
    return objects.record(call.world.truth, Table.GROUPS, call.path["group"])


def _refuse_owner_change(call: Call, group: Record) -> None:
    _refuse_synced(group)
    if group.get("mailEnabled") and "Unified" not in group.get("groupTypes", ()):
        raise bad_request("Cannot Update a mail-enabled security groups and or distribution list.")
    _need_for_roles(call, group)


_READ = "Directory.Read.All Directory.ReadWrite.All Group.Read.All Group.ReadWrite.All"
_READ_MEMBERS = f"{_READ} GroupMember.Read.All GroupMember.ReadWrite.All"

ROUTES: tuple[Route, ...] = (
    *routes(_READ, ("GET", "/groups", _list), ("GET", "/groups/{group}", _get), units=2),
    *routes(
        _READ_MEMBERS,
        ("GET", "/groups/{group}/members", _members),
        ("GET", "/groups/{group}/members/$count", _count_members),
        ("GET", "/groups/{group}/members/{member}", _member),
        ("GET", "/groups/{group}/owners", _owners),
        ("GET", "/groups/{group}/owners/{owner}", _owner),
        ("GET", "/groups/{group}/memberOf", _member_of),
        units=3,
    ),
    *routes(
        _READ_MEMBERS, ("GET", "/groups/{group}/transitiveMembers", _transitive_members), units=5
    ),
    *routes(
        "Group.ReadWrite.All Directory.ReadWrite.All",
        ("PATCH", "/groups/{group}", _patch),
        ("POST", "/groups/{group}/owners/$ref", _add_owner),
        ("DELETE", "/groups/{group}/owners/{owner}/$ref", _remove_owner),
        ("DELETE", "/groups/{group}/owners/{owner}", _delete_member_itself),
    ),
    *routes(
        "GroupMember.ReadWrite.All Group.ReadWrite.All Directory.ReadWrite.All",
        ("POST", "/groups/{group}/members/$ref", _add_member),
        ("DELETE", "/groups/{group}/members/{member}/$ref", _remove_member),
        ("DELETE", "/groups/{group}/members/{member}", _delete_member_itself),
    ),
)
