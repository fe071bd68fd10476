"""Directory objects by id, in bulk or by membership, whatever their type; and changes of users.

Used by clients that know an id and not what it is of.
"""

from datetime import UTC, datetime

from deprovisioner.sandbox.graph import objects
from deprovisioner.sandbox.graph.errors import GraphError, bad_request, not_found
from deprovisioner.sandbox.graph.query import Typed, show
from deprovisioner.sandbox.graph.routing import Answer, Call, Item, Listing, Reply, Route, routes
from deprovisioner.sandbox.graph.store import Record, Table
from deprovisioner.sandbox.graph.vocabulary import USER
from deprovisioner.sandbox.graph.wording import words

_MOST_IDS = 1000
_MOST_CHECKED = 20


def _get(call: Call) -> Reply:
    found = objects.typed(call.view, [call.path["object"]])
    if not found:
        raise not_found(call.path["object"])
    return Item(found[0], "directoryObjects/$entity", mixed=True)


def _by_ids(call: Call) -> Reply:
    keys = call.body.get("ids")
    if not isinstance(keys, list) or len(keys) > _MOST_IDS:
        raise bad_request("Invalid value for parameter 'ids'.")
    types = call.body.get("types")
    items = objects.typed(call.world.truth, map(str, keys))
    if isinstance(types, list) and types:
        items = [item for item in items if item.kind.name in types]
    shown = [show(item, None, mixed=True) for item in items]
    context = f"{call.world.base_url}/$metadata#directoryObjects"
    return Answer(200, {"@odata.context": context, "value": shown})


def _memberships(call: Call) -> list[str]:
    user = objects.user(call.world.truth, call.path["user"])
    keys = objects.transitive_groups(call.world.truth, user["id"])
    if call.body.get("securityEnabledOnly"):
        rows = (call.world.truth.get(Table.GROUPS, key) for key in keys)
        return [row["id"] for row in rows if row is not None and row["securityEnabled"]]
    return keys


def _strings(call: Call, values: list[str]) -> Answer:
    context = f"{call.world.base_url}/$metadata#Collection(Edm.String)"
    return Answer(200, {"@odata.context": context, "value": values})


def _member_objects(call: Call) -> Reply:
    if not isinstance(call.body.get("securityEnabledOnly"), bool):
        raise bad_request("A value is required for parameter 'securityEnabledOnly'.")
    return _strings(call, _memberships(call))


def _check_objects(call: Call) -> Reply:
    wanted = call.body.get("ids") or call.body.get("groupIds")
    if not isinstance(wanted, list) or not 1 <= len(wanted) <= _MOST_CHECKED:
        raise bad_request("The number of ids must be between 1 and 20.")
    held = set(_memberships(call))
    return _strings(call, [key for key in wanted if key in held])


def _delta(call: Call) -> Reply:
    token, now = call.query.options.get("$deltatoken"), call.view.instant
    users = {row["id"]: row for row in call.view.every(Table.USERS)}
    changed = list(users.values())
    if token is not None:
        before = _before(call, token)
        changed = [row for key, row in users.items() if before.get(key) != row]
        removed: list[Record] = [
            {"id": key, "@removed": {"reason": "changed"}} for key in before if key not in users
        ]
        changed += removed
    link = f"{call.world.base_url}/users/delta?$deltatoken={now.isoformat().replace('+', '%2B')}"
    items = [Typed(_REMOVED if "@removed" in row else USER, row) for row in changed]
    options = words("$select $top $skiptoken $deltatoken")
    return Listing(USER, items, "users", options=options, extra={"@odata.deltaLink": link})


def _before(call: Call, token: str) -> dict[str, Record]:
    try:
        since = datetime.fromisoformat(token)
    except ValueError:
        raise GraphError(410, "syncStateNotFound", "The sync state is not found.") from None
    view = call.world.store.view(since if since.tzinfo else since.replace(tzinfo=UTC))
    return {row["id"]: row for row in view.every(Table.USERS)}


_REMOVED = type(USER)("user", words("id @removed"))
_MEMBERSHIPS = (
    "Directory.Read.All Directory.ReadWrite.All Group.Read.All GroupMember.Read.All "
    "User.Read.All User.ReadWrite.All"
)

ROUTES: tuple[Route, ...] = (
    *routes(
        "Directory.Read.All Directory.ReadWrite.All",
        ("GET", "/directoryObjects/{object}", _get),
        ("POST", "/directoryObjects/getByIds", _by_ids),
    ),
    *routes(
        _MEMBERSHIPS,
        ("POST", "/users/{user}/getMemberObjects", _member_objects),
        ("POST", "/users/{user}/getMemberGroups", _member_objects),
        ("POST", "/users/{user}/checkMemberObjects", _check_objects),
        ("POST", "/users/{user}/checkMemberGroups", _check_objects),
    ),
    *routes(
        "User.Read.All Directory.Read.All Directory.ReadWrite.All",
        ("GET", "/users/delta", _delta),
    ),
)
