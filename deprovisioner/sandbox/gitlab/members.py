"""Members of groups and projects: direct and inherited, added, changed, removed, counted.

The last owner of a group stays (403), whoever asks. Taking somebody out of a group takes them out
of everything below it too, unless `skip_subresources` is said.
"""

from deprovisioner.sandbox.gitlab import access
from deprovisioner.sandbox.gitlab.errors import forbidden, invalid, not_found, refused
from deprovisioner.sandbox.gitlab.lifecycle import is_sole_owner
from deprovisioner.sandbox.gitlab.routing import (
    GUEST,
    MAINTAINER,
    NOTHING,
    OWNER,
    Answer,
    Call,
    Listing,
    Reply,
    Route,
    in_group,
    in_project,
    routes,
)
from deprovisioner.sandbox.gitlab.showing import basic, show
from deprovisioner.sandbox.gitlab.store import Record, Table, View, stamp

_NAMES = {
    5: "Minimal Access", 10: "Guest", 15: "Planner", 20: "Reporter", 30: "Developer",
    40: "Maintainer", 50: "Owner",
}  # fmt: skip
_LEVELS = frozenset(_NAMES)


def _kind(call: Call) -> str:
    return "Project" if "project" in call.path else "Group"


def _direct(call: Call, view: View) -> list[Record]:
    return view.where(Table.MEMBERS, _source=call.parent["id"], _source_type=_kind(call))


def _member(call: Call, row: Record) -> Record:
    return {
        **(basic(call.view, row["_user"]) or {}),
        "access_level": row["access_level"],
        "created_at": row["created_at"],
        "created_by": basic(call.view, row["_created_by"]),
        "expires_at": row["expires_at"],
        "membership_state": "active",
    }


def _listed(call: Call, rows: list[Record]) -> Reply:
    wanted = call.query.get("query", "").casefold()
    kept = []
    for row in rows:
        person = call.view.get(Table.USERS, row["_user"])
        if person and (wanted in person["name"].casefold() or wanted in person["username"]):
            kept.append(row)
    return Listing(kept, lambda row: _member(call, row))


def _direct_members(call: Call) -> Reply:
    return _listed(call, _direct(call, call.view))


def _all_members(call: Call) -> Reply:
    return _listed(call, effective(call))


def effective(call: Call) -> list[Record]:
    """Return one membership for each person who is in: the highest, wherever it comes from."""
    view, best = call.view, dict[int, Record]()
    for kind, source in _sources(call, view):
        rows = access.members_of(view, kind, source)
        for share in view.where(Table.SHARES, _source=source, _source_type=kind):
            most = share["group_access_level"]
            invited = access.members_of(view, "Group", share["_invited"])
            rows += [{**row, "access_level": min(row["access_level"], most)} for row in invited]
        for row in rows:
            old = best.get(row["_user"])
            if old is None or old["access_level"] < row["access_level"]:
                best[row["_user"]] = row
    return sorted(best.values(), key=lambda row: int(row["_user"]))


def _sources(call: Call, view: View) -> list[tuple[str, int]]:
    group: Record | None = call.parent
    found = []
    if "project" in call.path:
        found.append(("Project", call.parent["id"]))
        group = view.get(Table.GROUPS, call.parent["_group"]) if call.parent["_group"] else None
    found += [("Group", one["id"]) for one in access.ancestors(view, group)] if group else []
    return found


def _direct_of(call: Call, view: View) -> Record:
    key = call.number("user")
    row = next((row for row in _direct(call, view) if row["_user"] == key), None)
    if row is None:
        raise not_found()
    return row


def _one(call: Call) -> Reply:
    return Answer(200, _member(call, _direct_of(call, call.view)))


def _one_of_all(call: Call) -> Reply:
    key = call.number("user")
    row = next((row for row in effective(call) if row["_user"] == key), None)
    if row is None:
        raise not_found()
    return Answer(200, _member(call, row))


def _level(call: Call) -> int:
    level = call.body.get("access_level")
    try:
        number = int(str(level))
    except ValueError:
        raise invalid("access_level is missing, access_level is invalid") from None
    if number not in _LEVELS:
        raise invalid("access_level does not have a valid value")
    if number > _own_level(call):
        raise forbidden()
    return number


def _own_level(call: Call) -> int:
    if "project" in call.path:
        return call.caller.level_in_project(call.world.truth, call.parent)
    return call.caller.level_in_group(call.world.truth, call.parent)


def _added(call: Call) -> Reply:
    level, view = _level(call), call.world.truth
    try:
        key = int(str(call.body.get("user_id")))
    except ValueError:
        raise invalid("user_id is invalid") from None
    person = view.get(Table.USERS, key)
    if person is None:
        raise not_found("User")
    if any(row["_user"] == key for row in _direct(call, view)):
        raise refused(409, "Member already exists")
    inherited = next((row["access_level"] for row in effective(call) if row["_user"] == key), 0)
    if inherited > level:
        words = "should be greater than or equal to the inherited membership"
        raise refused(400, f"access_level {words}")
    row = call.world.store.add(
        Table.MEMBERS,
        access_level=level,
        created_at=stamp(call.world.now),
        expires_at=call.body.get("expires_at"),
        _source=call.parent["id"],
        _source_type=_kind(call),
        _user=key,
        _created_by=call.caller.id,
    )
    return Answer(201, _member(call, row))


def _changed(call: Call) -> Reply:
    row, level = _direct_of(call, call.world.truth), _level(call)
    if row["access_level"] > _own_level(call):
        raise forbidden()
    if level < row["access_level"]:
        _keep_last_owner(call, row)
    given: Record = {"access_level": level}
    if "expires_at" in call.body:
        given["expires_at"] = call.body["expires_at"] or None
    new = call.world.store.change(Table.MEMBERS, row["id"], **given)
    return Answer(200, _member(call, new))


def _keep_last_owner(call: Call, row: Record) -> None:
    """Refuse (403) what would leave a group without an owner."""
    if row["_source_type"] != "Group" or row["access_level"] < OWNER:
        return
    group = call.world.truth.get(Table.GROUPS, row["_source"])
    if group is not None and is_sole_owner(call.world.truth, group, row["_user"]):
        raise forbidden()


def _removed(call: Call) -> Reply:
    row = _direct_of(call, call.world.truth)
    if row["access_level"] > _own_level(call):
        raise forbidden()
    _keep_last_owner(call, row)
    limits = call.world.limits
    limits.charge("removals", (_kind(call), call.parent["id"]), limits.removals)
    below = set() if call.flag("skip_subresources") else _below(call)
    if call.flag("unassign_issuables"):
        unassign(call, row["_user"])
    for each in call.world.truth.where(Table.MEMBERS, _user=row["_user"]):
        if each["id"] == row["id"] or (each["_source_type"], each["_source"]) in below:
            call.world.store.drop(Table.MEMBERS, each["id"])
    return NOTHING


def _below(call: Call) -> set[tuple[str, int]]:
    if "project" in call.path:
        return set()
    view = call.world.truth
    groups = {one["id"] for one in access.descendants(view, call.parent)}
    projects = {one["id"] for one in view.every(Table.PROJECTS) if one["_group"] in groups}
    return {("Group", one) for one in groups} | {("Project", one) for one in projects}


def unassign(call: Call, user: int) -> None:
    """Take a person off the issues and merge requests of the group or project."""
    view, places = call.world.truth, _below(call) | {(_kind(call), call.parent["id"])}
    for table in (Table.MERGE_REQUESTS, Table.ISSUES):
        for row in view.every(table):
            if ("Project", row["_project"]) in places and user in row["_assignees"]:
                left = [one for one in row["_assignees"] if one != user]
                call.world.store.change(table, row["id"], _assignees=left)


# ------------------------------------------------------------------------------- everybody below


def _billable(call: Call) -> Reply:
    if call.parent.get("parent_id"):
        raise refused(400, "400 Bad request - Must be a top-level group")
    rows: dict[int, Record] = {}
    for kind, source in sorted(_below(call)):
        for row in access.members_of(call.view, kind, source):
            rows.setdefault(row["_user"], row)
        for share in call.view.where(Table.SHARES, _source=source, _source_type=kind):
            for row in access.members_of(call.view, "Group", share["_invited"]):
                rows.setdefault(row["_user"], {**row, "_source_type": f"{kind} share"})
    people = [call.view.get(Table.USERS, key) for key in sorted(rows)]
    kept = [one for one in people if one and one["state"] == "active" and not one["bot"]]
    return Listing(kept, lambda person: _billed(call, person, rows[person["id"]]))


_TYPES = {
    "Group": "group_member",
    "Project": "project_member",
    "Group share": "group_invite",
    "Project share": "project_invite",
}


def _billed(call: Call, person: Record, row: Record) -> Record:
    return {
        **(basic(call.view, person["id"]) or {}),
        "email": "",
        "membership_type": _TYPES[row["_source_type"]],
        "membership_state": "active",
        "removable": "share" not in row["_source_type"],
        "created_at": row["created_at"],
        "last_activity_on": person["last_activity_on"],
        "is_last_owner": is_sole_owner(call.view, call.parent, person["id"]),
        "last_login_at": person["last_sign_in_at"],
    }


def _billable_memberships(call: Call) -> Reply:
    key, below = call.number("user"), _below(call)
    rows = [
        row
        for row in call.view.where(Table.MEMBERS, _user=key)
        if (row["_source_type"], row["_source"]) in below
    ]
    if not rows:
        raise not_found("User")
    return Listing(rows, lambda row: _billable_membership(call, row))


def _billable_membership(call: Call, row: Record) -> Record:
    is_group = row["_source_type"] == "Group"
    source = call.view.get(Table.GROUPS if is_group else Table.PROJECTS, row["_source"]) or {}
    return {
        "id": row["id"],
        "source_id": row["_source"],
        "source_full_name": source.get("full_name") or source.get("name_with_namespace"),
        "source_members_url": f"{source.get('web_url')}/-/members",
        "created_at": row["created_at"],
        "expires_at": row["expires_at"],
        "access_level": _NAMES[row["access_level"]],
    }


def _billable_removed(call: Call) -> Reply:
    key, below = call.number("user"), _below(call)
    rows = [
        row
        for row in call.world.truth.where(Table.MEMBERS, _user=key)
        if (row["_source_type"], row["_source"]) in below
    ]
    if not rows:
        raise not_found("User")
    for row in rows:
        _keep_last_owner(call, row)
    for row in rows:
        call.world.store.drop(Table.MEMBERS, row["id"])
    return NOTHING


# ----------------------------------------------------------- who may come in, and invited groups


def _waiting(call: Call, table: Table) -> list[Record]:
    return call.view.where(table, _source=call.parent["id"], _source_type=_kind(call))


def _invitations(call: Call) -> Reply:
    return Listing(_waiting(call, Table.INVITATIONS), show(call))


def _invitation_removed(call: Call) -> Reply:
    for row in _waiting(call, Table.INVITATIONS):
        if row["invite_email"].casefold() == call.path["email"].casefold():
            call.world.store.drop(Table.INVITATIONS, row["id"])
            return NOTHING
    raise not_found()


def _access_requests(call: Call) -> Reply:
    return Listing(
        _waiting(call, Table.ACCESS_REQUESTS),
        lambda row: {**(basic(call.view, row["_user"]) or {}), "requested_at": row["requested_at"]},
    )


def _access_request_denied(call: Call) -> Reply:
    for row in _waiting(call, Table.ACCESS_REQUESTS):
        if row["_user"] == call.number("user"):
            call.world.store.drop(Table.ACCESS_REQUESTS, row["id"])
            return NOTHING
    raise not_found()


def _unshared(call: Call) -> Reply:
    for row in _waiting(call, Table.SHARES):
        if row["_invited"] == call.number("invited"):
            call.world.store.drop(Table.SHARES, row["id"])
            return NOTHING
    raise not_found()


def _of(kind: str, level: int) -> tuple[Route, ...]:
    right = in_group(level) if kind == "groups" else in_project(level)
    at = f"/{kind}/{{{kind.removesuffix('s')}}}"
    reads = in_group(GUEST) if kind == "groups" else in_project(GUEST)
    return (
        *routes(
            reads,
            ("GET", f"{at}/members", _direct_members),
            ("GET", f"{at}/members/all", _all_members),
            ("GET", f"{at}/members/{{user}}", _one),
            ("GET", f"{at}/members/all/{{user}}", _one_of_all),
        ),
        *routes(
            right,
            ("POST", f"{at}/members", _added),
            ("PUT", f"{at}/members/{{user}}", _changed),
            ("DELETE", f"{at}/members/{{user}}", _removed),
            ("GET", f"{at}/invitations", _invitations),
            ("DELETE", f"{at}/invitations/{{email}}", _invitation_removed),
            ("GET", f"{at}/access_requests", _access_requests),
            ("DELETE", f"{at}/access_requests/{{user}}", _access_request_denied),
            ("DELETE", f"{at}/share/{{invited}}", _unshared),
        ),
    )


ROUTES = (
    *_of("groups", OWNER),
    *_of("projects", MAINTAINER),
    *routes(
        in_group(OWNER),
        ("GET", "/groups/{group}/billable_members", _billable),
        ("GET", "/groups/{group}/billable_members/{user}/memberships", _billable_memberships),
        ("DELETE", "/groups/{group}/billable_members/{user}", _billable_removed),
    ),
)
