"""Users: found, shown (what depends on who asks), changed, and what of theirs is in one list.

`GET /users` without rights of an administrator finds by username and name only and shows little.
States are in `lifecycle`, what a user can sign in with in `credentials`.
"""

from collections.abc import Callable, Iterator
from datetime import timedelta

from deprovisioner.sandbox.gitlab import access
from deprovisioner.sandbox.gitlab.errors import forbidden, invalid, not_found, refused
from deprovisioner.sandbox.gitlab.routing import (
    ADMINISTRATOR,
    SIGNED_IN,
    Answer,
    Call,
    Listing,
    Reply,
    routes,
)
from deprovisioner.sandbox.gitlab.showing import BASIC, basic, found, show, shown
from deprovisioner.sandbox.gitlab.store import Record, Table, View

_PUBLIC = (*BASIC, "created_at", "bio", "location", "job_title", "organization", "bot")
_ORDERS = frozenset({"id", "name", "username", "created_at"})
_KEYSET = frozenset(f"{name}:{sort}" for name in _ORDERS for sort in ("asc", "desc"))
_BLOCKED = frozenset({"blocked", "ldap_blocked", "banned", "blocked_pending_approval"})
_CHANGEABLE = frozenset(
    {"name", "username", "email", "public_email", "note", "admin", "external", "projects_limit",
     "can_create_group", "private_profile", "bio", "location"}
)  # fmt: skip


def user(view: View, key: int) -> Record:
    """Return a user; raises Refusal 404."""
    return found(view, Table.USERS, key, "User")


def of_path(call: Call, view: View | None = None) -> Record:
    """Return the user whom the path names; raises Refusal 404."""
    return user(view or call.view, call.number("user"))


def own_or_administrator(call: Call) -> Record:
    """Return the user of the path for themselves and for administrators; raises Refusal 404."""
    key = call.number("user")
    if not call.caller.is_administrator and call.caller.id != key:
        raise not_found("User")
    return of_path(call)


def profile(call: Call, record: Record, *, listed: bool = False) -> Record:
    """Return a user as this caller sees them."""
    if not call.caller.is_administrator and call.caller.id != record["id"]:
        return {name: record[name] for name in _PUBLIC if name in record}
    out = shown(call.view, record)
    attributes = out.pop("custom_attributes")
    if not call.caller.is_administrator:
        for name in ("is_admin", "note", "created_by", "highest_role", "sign_in_count"):
            out.pop(name, None)
    elif call.flag("with_custom_attributes"):
        out["custom_attributes"] = attributes
    if listed:  # whether the product's list has it is not known: then rather not
        out.pop("created_by", None)
    return out


def _several(call: Call) -> Reply:
    rows = list(_chosen(call))
    falling = call.query.get("sort", "desc") == "desc"
    by = call.query.get("order_by", "id")
    if by not in _ORDERS:
        raise invalid("order_by does not have a valid value")
    rows.sort(key=lambda row: (row[by], row["id"]), reverse=falling)
    return Listing(rows, lambda row: profile(call, row, listed=True), _KEYSET)


def _chosen(call: Call) -> Iterator[Record]:
    query, administrator = call.query, call.caller.is_administrator
    if ("extern_uid" in query) != ("provider" in query):
        raise invalid("extern_uid, provider provide all or none of parameters")
    if "extern_uid" in query and not administrator:
        raise forbidden()
    tests = [_TESTS[name] for name in _TESTS if call.flag(name)]
    attributes = {
        name.removeprefix("custom_attributes[").removesuffix("]"): value
        for name, value in query.items()
        if name.startswith("custom_attributes[") and administrator
    }
    for row in call.view.every(Table.USERS):
        wanted = query.get("username")
        if wanted is not None and row["username"].casefold() != wanted.casefold():
            continue
        if "extern_uid" in query and not _has_identity(row, query["provider"], query["extern_uid"]):
            continue
        if "search" in query and not _is_found(call, row, query["search"]):
            continue
        if any(_attribute(row, key) != value for key, value in attributes.items()):
            continue
        if all(test(row) for test in tests):
            yield row


_TESTS: dict[str, Callable[[Record], bool]] = {
    "active": lambda row: row["state"] == "active",
    "blocked": lambda row: row["state"] in _BLOCKED,
    "external": lambda row: bool(row["external"]),
    "humans": lambda row: not row["bot"] and not row["_internal"],
    "without_project_bots": lambda row: row["_kind"] != "bot",
    "exclude_active": lambda row: row["state"] != "active",
    "exclude_external": lambda row: not row["external"],
    "exclude_humans": lambda row: row["bot"] or row["_internal"],
    "exclude_internal": lambda row: not row["_internal"],
    "admins": lambda row: bool(row["is_admin"]),
}


def _has_identity(row: Record, provider: str, extern_uid: str) -> bool:
    return any(
        one["provider"] == provider and one["extern_uid"] == extern_uid for one in row["identities"]
    )


def _attribute(row: Record, key: str) -> str | None:
    return next((one["value"] for one in row["custom_attributes"] if one["key"] == key), None)


def _is_found(call: Call, row: Record, wanted: str) -> bool:
    """An administrator finds private and secondary addresses, whole; others public ones only."""
    text = wanted.casefold()
    if text in row["username"].casefold() or text in row["name"].casefold():
        return True
    if row["public_email"] and row["public_email"].casefold() == text:
        return True
    if not call.caller.is_administrator:
        return False
    addresses = [one["email"] for one in call.view.where(Table.EMAILS, _user=row["id"])]
    return text in {row["email"].casefold(), *(one.casefold() for one in addresses)}


def _one(call: Call) -> Reply:
    call.world.limits.charge(
        "user_reads", call.caller.id, call.world.limits.user_reads, timedelta(minutes=10)
    )
    return Answer(200, profile(call, of_path(call)))


def _myself(call: Call) -> Reply:
    return Answer(200, profile(call, call.caller.user))


def _update(call: Call) -> Reply:
    """Change a profile; a new password is kept as such and never shown."""
    record = of_path(call, call.world.truth)
    body = call.body
    wanted = body.get("username", record["username"])
    if wanted != record["username"] and call.world.truth.first(Table.USERS, username=wanted):
        raise refused(409, "Username has already been taken")
    given = {name: value for name, value in body.items() if name in _CHANGEABLE}
    if "admin" in given:
        given["is_admin"] = bool(given.pop("admin"))
    if "password" in body:
        if len(str(body["password"])) < 8:
            raise refused(400, "password is too short (minimum is 8 characters)")
        given["_password_set"] = call.world.now.isoformat()
    if "provider" in body or "extern_uid" in body:
        given["identities"] = _with_identity(record, body)
    new = call.world.store.change(Table.USERS, record["id"], **given)
    return Answer(200, profile(call, new))


def _with_identity(record: Record, body: Record) -> list[Record]:
    if not {"provider", "extern_uid"} <= body.keys():
        raise invalid("extern_uid, provider provide all or none of parameters")
    kept = [one for one in record["identities"] if one["provider"] != body["provider"]]
    return [*kept, {"provider": body["provider"], "extern_uid": body["extern_uid"]}]


def _memberships(call: Call) -> Reply:
    key = of_path(call)["id"]
    rows = call.view.where(Table.MEMBERS, _user=key)
    wanted = call.query.get("type")
    if wanted not in {None, "Project", "Namespace"}:
        raise invalid("type does not have a valid value")
    kind = {"Project": "Project", "Namespace": "Group", None: None}[wanted]
    kept = [row for row in rows if kind is None or row["_source_type"] == kind]
    return Listing(kept, lambda row: _membership(call, row))


def _membership(call: Call, row: Record) -> Record:
    table = Table.GROUPS if row["_source_type"] == "Group" else Table.PROJECTS
    source = call.view.get(table, row["_source"]) or {}
    return {
        "source_id": row["_source"],
        "source_name": source.get("name"),
        "source_type": "Namespace" if row["_source_type"] == "Group" else "Project",
        "access_level": row["access_level"],
    }


def _associations(call: Call) -> Reply:
    key, view = own_or_administrator(call)["id"], call.view
    members = view.where(Table.MEMBERS, _user=key)
    counts = {
        "groups_count": sum(1 for row in members if row["_source_type"] == "Group"),
        "projects_count": sum(1 for row in members if row["_source_type"] == "Project"),
        "issues_count": sum(1 for row in view.every(Table.ISSUES) if row["_author"] == key),
        "merge_requests_count": sum(
            1 for row in view.every(Table.MERGE_REQUESTS) if row["_author"] == key
        ),
    }
    return Answer(200, counts)


def _own_events(call: Call) -> Reply:
    return _listed_events(call, call.caller.id)


def _events(call: Call) -> Reply:
    return _listed_events(call, of_path(call)["id"])


def _listed_events(call: Call, key: int) -> Reply:
    rows = call.view.where(Table.EVENTS, _author=key)
    after, before = call.query.get("after", ""), call.query.get("before", "9")
    kept = [
        row for row in rows if row["created_at"][:10] > after[:10] and row["created_at"] < before
    ]
    kept.sort(key=lambda row: (row["created_at"], row["id"]), reverse=True)
    return Listing(kept, lambda row: event(call.view, row))


def event(view: View, row: Record) -> Record:
    """Return an event with its author in all three ways in which they are named."""
    author = basic(view, row["_author"]) or {}
    return {
        **shown(view, row),
        "author_id": row["_author"],
        "author_username": author.get("username"),
    }


def _identity_removed(call: Call) -> Reply:
    record = of_path(call, call.world.truth)
    kept = [one for one in record["identities"] if one["provider"] != call.path["provider"]]
    if len(kept) == len(record["identities"]):
        raise not_found("Identity")
    call.world.store.change(Table.USERS, record["id"], identities=kept)
    return Answer(204)


def _second_factor_off(call: Call) -> Reply:
    record = of_path(call, call.world.truth)
    if not record["two_factor_enabled"]:
        raise refused(
            400, "400 Bad request - Two-factor authentication is not enabled for this user"
        )
    if record["is_admin"]:
        raise forbidden("Two-factor authentication for admins cannot be disabled via the API")
    call.world.store.change(Table.USERS, record["id"], two_factor_enabled=False)
    return Answer(204)


def contributed(call: Call) -> Reply:
    """Answer the projects in which somebody did something, as far as the caller may see them."""
    key = of_path(call)["id"]
    done = {row["project_id"] for row in call.view.where(Table.EVENTS, _author=key)}
    rows = [row for row in call.view.every(Table.PROJECTS) if row["id"] in done]
    kept = [row for row in rows if access.project_levels(call.view, row).get(call.caller.id)
            or call.caller.is_administrator or row["visibility"] != "private"]  # fmt: skip
    return Listing(kept, show(call))


ROUTES = (
    *routes(
        SIGNED_IN,
        ("GET", "/users", _several),
        ("GET", "/users/{user}", _one),
        ("GET", "/user", _myself),
        ("GET", "/events", _own_events),
        ("GET", "/users/{user}/associations_count", _associations),
        ("GET", "/users/{user}/events", _events),
        ("GET", "/users/{user}/contributed_projects", contributed),
    ),
    *routes(
        ADMINISTRATOR,
        ("PUT", "/users/{user}", _update),
        ("GET", "/users/{user}/memberships", _memberships),
        ("DELETE", "/users/{user}/identities/{provider}", _identity_removed),
        ("PATCH", "/users/{user}/disable_two_factor", _second_factor_off),
    ),
)
