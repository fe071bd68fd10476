"""Projects: listed, shown, moved, archived, marked for deletion; what lies in their repository.

A transfer is refused where the vendor refuses it: into the namespace where it is, beside a project
of the same path, with images in the registry. A deletion that was scheduled by somebody who has
lost access restores the project instead.
"""

from collections.abc import Iterable

from deprovisioner.sandbox.gitlab import access
from deprovisioner.sandbox.gitlab.errors import invalid, not_found, refused
from deprovisioner.sandbox.gitlab.groups import shares
from deprovisioner.sandbox.gitlab.routing import (
    GUEST,
    MAINTAINER,
    OWNER,
    REPORTER,
    SIGNED_IN,
    Answer,
    Call,
    Listing,
    Reply,
    World,
    in_group,
    in_project,
    routes,
)
from deprovisioner.sandbox.gitlab.showing import shown, visible_projects
from deprovisioner.sandbox.gitlab.store import Record, Table, View
from deprovisioner.sandbox.gitlab.users import event, of_path

_KEYSET = frozenset({"id:asc", "id:desc"})
_DETAILS = (
    "id", "description", "name", "name_with_namespace", "path", "path_with_namespace",
    "created_at", "default_branch", "web_url", "visibility",
)  # fmt: skip


def namespace(view: View, project: Record) -> Record:
    """Return where a project lives: a group, or the namespace of a person."""
    group = view.get(Table.GROUPS, project["_group"]) if project["_group"] else None
    if group is not None:
        names = ("id", "name", "path", "full_path", "parent_id", "web_url")
        return {**{name: group[name] for name in names}, "kind": "group"}
    owner = view.get(Table.USERS, project["_owner"]) or {}
    return {
        "id": owner.get("namespace_id", 0),
        "name": owner.get("name"),
        "path": owner.get("username"),
        "kind": "user",
        "full_path": owner.get("username"),
        "parent_id": None,
        "web_url": owner.get("web_url"),
    }


def as_shown(call: Call, project: Record) -> Record:
    """Return a project as its readers see it."""
    view = call.view
    out = shown(view, project)
    if project["_owner"] is None:
        out.pop("owner")
    out["namespace"] = namespace(view, project)
    origin = view.get(Table.PROJECTS, project["_forked_from"]) if project["_forked_from"] else None
    if origin is not None:
        out["forked_from_project"] = {name: origin[name] for name in _DETAILS}
    out["shared_with_groups"] = shares(view, "Project", project)
    if call.caller.level_in_project(view, project) >= MAINTAINER:
        out["runners_token"] = project["_runners_token"]
    return out


def _chosen(call: Call, rows: Iterable[Record]) -> Reply:
    view, query = call.view, call.query
    least = int(query.get("min_access_level") or 0)
    text, visibility = query.get("search", "").casefold(), query.get("visibility")
    archived = call.flag("archived")
    kept = []
    for row in rows:
        if text not in row["name"].casefold() and text not in row["path"]:
            continue
        if visibility not in {None, row["visibility"]} or archived not in {None, row["archived"]}:
            continue
        if call.flag("owned") and access.project_levels(view, row).get(call.caller.id, 0) < OWNER:
            continue
        if call.flag("membership") and call.caller.id not in access.project_levels(view, row):
            continue
        if least and call.caller.level_in_project(view, row) < least:
            continue
        kept.append(row)
    by = query.get("order_by", "created_at")
    if by not in {"id", "name", "path", "created_at", "updated_at", "last_activity_at"}:
        raise invalid("order_by does not have a valid value")
    kept.sort(key=lambda row: (row.get(by, ""), row["id"]), reverse=query.get("sort") != "asc")
    return Listing(kept, lambda row: as_shown(call, row), _KEYSET)


def _several(call: Call) -> Reply:
    return _chosen(call, visible_projects(call.view, call.caller))


def _of_group(call: Call) -> Reply:
    below = {call.parent["id"]}
    if call.flag("include_subgroups"):
        below = {row["id"] for row in access.descendants(call.view, call.parent)}
    rows = [row for row in visible_projects(call.view, call.caller) if row["_group"] in below]
    if call.flag("with_shared") is not False:
        shared = {
            row["_source"]
            for row in call.view.every(Table.SHARES)
            if row["_invited"] in below and row["_source_type"] == "Project"
        }
        known = {row["id"] for row in rows}
        rows += [
            row for row in visible_projects(call.view, call.caller) if row["id"] in shared - known
        ]
    return _chosen(call, rows)


def _of_user(call: Call) -> Reply:
    owner = of_path(call)["id"]
    rows = visible_projects(call.view, call.caller)
    return _chosen(call, [row for row in rows if row["_owner"] == owner])


def _forks(call: Call) -> Reply:
    rows = visible_projects(call.view, call.caller)
    return _chosen(call, [row for row in rows if row["_forked_from"] == call.parent["id"]])


def _one(call: Call) -> Reply:
    limits = call.world.limits
    limits.charge("project_reads", call.caller.id, limits.project_reads)
    project = call.view.get(Table.PROJECTS, call.parent["id"])
    if project is None:
        raise not_found("Project")
    return Answer(200, as_shown(call, project))


# ------------------------------------------------------------------------------------- its place


def _transferred(call: Call) -> Reply:
    view, project = call.world.truth, call.parent
    group, owner = _target(call, view)
    if group is not None and call.caller.level_in_group(view, group) < MAINTAINER:
        raise refused(400, "Transfer failed: You don't have permission to transfer projects there.")
    if owner is not None and owner["id"] != call.caller.id and not call.caller.is_administrator:
        raise refused(400, "Transfer failed: You don't have permission to transfer projects there.")
    here = namespace(view, project)["id"]
    there = group["id"] if group is not None else (owner or {})["namespace_id"]
    if here == there:
        raise refused(400, "Transfer failed: Project is already in this namespace.")
    if view.where(Table.REGISTRY, _project=project["id"]):
        words = "Project cannot be transferred, because tags are present in its container registry"
        raise refused(400, f"Transfer failed: {words}")
    above = group["full_path"] if group is not None else (owner or {})["username"]
    path = f"{above}/{project['path']}"
    if any(row["path_with_namespace"] == path for row in view.every(Table.PROJECTS)):
        words = "Project with same name or path in target namespace already exists"
        raise refused(400, f"Transfer failed: {words}")
    new = call.world.store.change(
        Table.PROJECTS,
        project["id"],
        path_with_namespace=path,
        _group=group["id"] if group is not None else None,
        _owner=owner["id"] if owner is not None else None,
    )
    return Answer(200, as_shown(call, new))


def _target(call: Call, view: View) -> tuple[Record | None, Record | None]:
    """Return the group or the person whose namespace the body names; raises Refusal 404."""
    wanted = str(call.body.get("namespace", ""))
    if not wanted:
        raise invalid("namespace is missing")
    for group in view.every(Table.GROUPS):
        if wanted in {str(group["id"]), group["full_path"]}:
            return group, None
    for person in view.every(Table.USERS):
        if wanted in {str(person["namespace_id"]), person["username"]}:
            return None, person
    raise not_found("Namespace")


def _archived(call: Call) -> Reply:
    new = call.world.store.change(Table.PROJECTS, call.parent["id"], archived=True)
    return Answer(201, as_shown(call, new))


def _unarchived(call: Call) -> Reply:
    new = call.world.store.change(Table.PROJECTS, call.parent["id"], archived=False)
    return Answer(201, as_shown(call, new))


def _deleted(call: Call) -> Reply:
    """Mark for deletion; a second call deletes at once."""
    world, key = call.world, call.parent["id"]
    if call.parent["marked_for_deletion_on"]:
        world.store.drop(Table.PROJECTS, key)
        return Answer(202, {"message": "202 Accepted"})
    marked = world.now.date().isoformat()
    world.store.change(
        Table.PROJECTS,
        key,
        marked_for_deletion_on=marked,
        marked_for_deletion_at=marked,
        _deleted_by=call.caller.id,
    )
    world.agenda.after(world.delays.retention, lambda: _gone(world, key, marked))
    return Answer(202, {"message": "202 Accepted"})


def _gone(world: World, key: int, marked: str) -> None:
    """Delete what was marked; where whoever marked it has lost access, restore it instead."""
    project = world.truth.get(Table.PROJECTS, key)
    if project is None or project["marked_for_deletion_on"] != marked:
        return
    who = world.truth.get(Table.USERS, project["_deleted_by"]) or {"state": "gone"}
    level = access.project_levels(world.truth, project).get(project["_deleted_by"], 0)
    if who["state"] == "active" and (level >= OWNER or who["is_admin"]):
        world.store.drop(Table.PROJECTS, key)
    else:
        _unmark(world, key)


def _unmark(world: World, key: int) -> Record:
    return world.store.change(
        Table.PROJECTS, key, marked_for_deletion_on=None, marked_for_deletion_at=None
    )


def _restored(call: Call) -> Reply:
    if not call.parent["marked_for_deletion_on"]:
        raise refused(400, "Project has not been marked for deletion")
    return Answer(201, as_shown(call, _unmark(call.world, call.parent["id"])))


# -------------------------------------------------------------------------- what is in it


def _file(call: Call) -> Reply:
    """Return a file of the default branch, its content in base64."""
    if "ref" not in call.query:
        raise invalid("ref is missing")
    rows = call.view.where(Table.FILES, _project=call.parent["id"])
    row = next((row for row in rows if row["file_path"] == call.path["file"]), None)
    if row is None or call.query["ref"] not in {"HEAD", call.parent["default_branch"]}:
        raise not_found("File")
    out = shown(call.view, row)
    out.pop("id")
    return Answer(200, {**out, "ref": call.query["ref"], "commit_id": call.parent["_commit"]})


def _branch(call: Call) -> Reply:
    if call.path["branch"] != call.parent["default_branch"]:
        raise not_found("Branch")
    project = call.view.get(Table.PROJECTS, call.parent["id"]) or call.parent
    commit = {"id": project["_commit"], "short_id": project["_commit"][:8]}
    return Answer(200, {"name": project["default_branch"], "default": True, "commit": commit})


def _events(call: Call) -> Reply:
    rows = call.view.where(Table.EVENTS, _project=call.parent["id"])
    rows.sort(key=lambda row: (row["created_at"], row["id"]), reverse=True)
    return Listing(rows, lambda row: event(call.view, row))


def _import(call: Call) -> Reply:
    names = _DETAILS[:7]
    return Answer(200, {**{name: call.parent[name] for name in names}, "import_status": "none"})


ROUTES = (
    *routes(
        SIGNED_IN,
        ("GET", "/projects", _several),
        ("GET", "/users/{user}/projects", _of_user),
    ),
    *routes(in_group(GUEST), ("GET", "/groups/{group}/projects", _of_group)),
    *routes(
        in_project(0),
        ("GET", "/projects/{project}", _one),
        ("GET", "/projects/{project}/forks", _forks),
        ("GET", "/projects/{project}/events", _events),
    ),
    *routes(
        in_project(REPORTER),
        ("GET", "/projects/{project}/repository/files/{file}", _file),
        ("GET", "/projects/{project}/repository/branches/{branch}", _branch),
    ),
    *routes(in_project(MAINTAINER), ("GET", "/projects/{project}/import", _import)),
    *routes(
        in_project(OWNER),
        ("PUT", "/projects/{project}/transfer", _transferred),
        ("POST", "/projects/{project}/archive", _archived),
        ("POST", "/projects/{project}/unarchive", _unarchived),
        ("DELETE", "/projects/{project}", _deleted),
        ("POST", "/projects/{project}/restore", _restored),
    ),
)
