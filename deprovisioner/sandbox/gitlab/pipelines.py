"""CI of a project: schedules, triggers, pipelines, job tokens, variables, secure files.

Only its owner may change a schedule; a maintainer takes it over first, in their own name (which an
administrator does with `sudo`). A trigger's token is shown whole to its owner only.
"""

from deprovisioner.sandbox.gitlab.errors import forbidden, invalid, not_found
from deprovisioner.sandbox.gitlab.routing import (
    ADMINISTRATOR,
    DEVELOPER,
    MAINTAINER,
    NOTHING,
    OWNER,
    REPORTER,
    Answer,
    Call,
    Handler,
    Listing,
    Reply,
    in_group,
    in_project,
    routes,
)
from deprovisioner.sandbox.gitlab.showing import found, listing, parent_of, removal, show, shown
from deprovisioner.sandbox.gitlab.store import Record, Table, View, stamp

_CHANGEABLE = frozenset({"description", "ref", "cron", "cron_timezone", "active"})
_FINISHED = frozenset({"success", "failed", "canceled", "skipped"})
_BASIC = (
    "id", "iid", "project_id", "sha", "ref", "status", "source", "created_at", "updated_at",
    "web_url",
)  # fmt: skip


# ------------------------------------------------------------------------------------ schedules


def _schedule(call: Call, view: View) -> Record:
    return found(
        view, Table.SCHEDULES, call.number("schedule"), "Pipeline Schedule", **parent_of(call)
    )


def _schedules(call: Call) -> Reply:
    rows = call.view.where(Table.SCHEDULES, _project=call.parent["id"])
    scope = call.query.get("scope")
    kept = [row for row in rows if scope is None or row["active"] == (scope == "active")]
    return Listing(kept, show(call))


def _details(call: Call, row: Record) -> Record:
    return {**shown(call.view, row), "last_pipeline": None, "variables": []}


def _schedule_shown(call: Call) -> Reply:
    return Answer(200, _details(call, _schedule(call, call.view)))


def _schedule_changed(call: Call) -> Reply:
    row = _schedule(call, call.world.truth)
    if row["_owner"] != call.caller.id:
        raise forbidden()
    given = {name: value for name, value in call.body.items() if name in _CHANGEABLE}
    new = call.world.store.change(
        Table.SCHEDULES, row["id"], **given, updated_at=stamp(call.world.now)
    )
    return Answer(200, _details(call, new))


def _schedule_taken(call: Call) -> Reply:
    row = _schedule(call, call.world.truth)
    if row["_owner"] == call.caller.id:
        raise forbidden()
    new = call.world.store.change(Table.SCHEDULES, row["id"], _owner=call.caller.id)
    return Answer(201, _details(call, new))


# ------------------------------------------------------------------------------------- triggers


def _trigger(call: Call, row: Record) -> Record:
    mine = row["_owner"] == call.caller.id
    token = row["_token"] if mine else row["_token"][:4]
    return {**shown(call.view, row), "token": token}


def _triggers(call: Call) -> Reply:
    rows = call.view.where(Table.TRIGGERS, _project=call.parent["id"])
    return Listing(rows, lambda row: _trigger(call, row))


def _trigger_shown(call: Call) -> Reply:
    row = found(call.view, Table.TRIGGERS, call.number("trigger"), "Trigger", **parent_of(call))
    return Answer(200, _trigger(call, row))


def _trigger_made(call: Call) -> Reply:
    if not call.body.get("description"):
        raise invalid("description is missing")
    row = call.world.store.add(
        Table.TRIGGERS,
        description=call.body["description"],
        created_at=stamp(call.world.now),
        updated_at=stamp(call.world.now),
        last_used=None,
        expires_at=call.body.get("expires_at"),
        _owner=call.caller.id,
        _project=call.parent["id"],
        _token=f"glptt-{call.world.new_secret()}",
    )
    return Answer(201, _trigger(call, row))


# ------------------------------------------------------------------------------------ pipelines


def _pipelines(call: Call) -> Reply:
    rows = call.view.where(Table.PIPELINES, _project=call.parent["id"])
    wanted, status, scope = (call.query.get(name) for name in ("username", "status", "scope"))
    if scope not in {None, "running", "pending", "finished", "branches", "tags"}:
        raise invalid("scope does not have a valid value")
    kept = [
        row
        for row in rows
        if (wanted is None or _name(call, row) == wanted)
        and (status is None or row["status"] == status)
        and _in_scope(row, scope)
    ]
    kept.sort(key=lambda row: int(row["id"]), reverse=call.query.get("sort") != "asc")
    return Listing(kept, lambda row: {name: row[name] for name in _BASIC})


def _name(call: Call, row: Record) -> str:
    person = call.view.get(Table.USERS, row["_user"])
    return str(person["username"]) if person else ""


def _in_scope(row: Record, scope: str | None) -> bool:
    if scope == "finished":
        return row["status"] in _FINISHED
    return scope not in {"running", "pending"} or row["status"] == scope


def _pipeline(call: Call) -> Reply:
    row = found(call.view, Table.PIPELINES, call.number("pipeline"), "", **parent_of(call))
    return Answer(200, {name: row[name] for name in _BASIC})


def _cancelled(call: Call) -> Reply:
    row = found(call.world.truth, Table.PIPELINES, call.number("pipeline"), "", **parent_of(call))
    if row["status"] not in _FINISHED:
        row = call.world.store.change(Table.PIPELINES, row["id"], status="canceled")
    return Answer(201, {name: row[name] for name in _BASIC})


# ----------------------------------------------------------------------------------- job tokens


def _scope(_call: Call) -> Reply:
    return Answer(200, {"inbound_enabled": True, "outbound_enabled": False})


def _allowed(kind: str) -> Handler:
    table = Table.PROJECTS if kind == "project" else Table.GROUPS
    names = ("id", "name", "web_url") if kind == "group" else ("id", "name", "path_with_namespace")

    def handler(call: Call) -> Reply:
        rows = call.view.where(Table.JOB_TOKEN_ENTRIES, _project=call.parent["id"], _kind=kind)
        targets = [call.view.get(table, row["_target"]) for row in rows]
        kept = [row for row in targets if row is not None]
        return Listing(kept, lambda row: {name: row[name] for name in names})

    return handler


def _disallowed(kind: str) -> Handler:
    def handler(call: Call) -> Reply:
        rows = call.world.truth.where(
            Table.JOB_TOKEN_ENTRIES, _project=call.parent["id"], _kind=kind
        )
        for row in rows:
            if row["_target"] == call.number("target"):
                call.world.store.drop(Table.JOB_TOKEN_ENTRIES, row["id"])
                return NOTHING
        raise not_found("Target project")

    return handler


def _variables(call: Call) -> Reply:
    rows = call.view.where(Table.VARIABLES, **(parent_of(call) or {"_project": None}))
    kept = [row for row in rows if call.parent or row["_group"] is None]
    return Listing(kept, _without_id)


def _without_id(row: Record) -> Record:
    hidden = {name: value for name, value in row.items() if not name.startswith("_")}
    hidden.pop("id")
    return hidden


ROUTES = (
    *routes(
        in_project(REPORTER),
        ("GET", "/projects/{project}/pipelines", _pipelines),
        ("GET", "/projects/{project}/pipelines/{pipeline}", _pipeline),
    ),
    *routes(
        in_project(DEVELOPER),
        ("GET", "/projects/{project}/pipeline_schedules", _schedules),
        ("GET", "/projects/{project}/pipeline_schedules/{schedule}", _schedule_shown),
        ("PUT", "/projects/{project}/pipeline_schedules/{schedule}", _schedule_changed),
        ("POST", "/projects/{project}/pipelines/{pipeline}/cancel", _cancelled),
    ),
    *routes(
        in_project(MAINTAINER),
        (
            "POST",
            "/projects/{project}/pipeline_schedules/{schedule}/take_ownership",
            _schedule_taken,
        ),
        (
            "DELETE",
            "/projects/{project}/pipeline_schedules/{schedule}",
            removal(Table.SCHEDULES, "schedule", "Pipeline Schedule"),
        ),
        ("GET", "/projects/{project}/triggers", _triggers),
        ("GET", "/projects/{project}/triggers/{trigger}", _trigger_shown),
        ("POST", "/projects/{project}/triggers", _trigger_made),
        (
            "DELETE",
            "/projects/{project}/triggers/{trigger}",
            removal(Table.TRIGGERS, "trigger", "Trigger"),
        ),
        ("GET", "/projects/{project}/job_token_scope", _scope),
        ("GET", "/projects/{project}/job_token_scope/allowlist", _allowed("project")),
        (
            "DELETE",
            "/projects/{project}/job_token_scope/allowlist/{target}",
            _disallowed("project"),
        ),
        ("GET", "/projects/{project}/job_token_scope/groups_allowlist", _allowed("group")),
        (
            "DELETE",
            "/projects/{project}/job_token_scope/groups_allowlist/{target}",
            _disallowed("group"),
        ),
        ("GET", "/projects/{project}/variables", _variables),
        ("GET", "/projects/{project}/secure_files", listing(Table.SECURE_FILES)),
    ),
    *routes(in_group(OWNER), ("GET", "/groups/{group}/variables", _variables)),
    *routes(ADMINISTRATOR, ("GET", "/admin/ci/variables", _variables)),
)
