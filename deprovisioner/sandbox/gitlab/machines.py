"""Runners, agents, OAuth applications and service accounts: what works on when a person is gone.

A runner's token and an application's secret outlive whoever made them; a reset is the only cut.
OAuth grants of persons exist here and are in no answer, as in the product.
"""

from collections.abc import Iterable

from deprovisioner.sandbox.gitlab import access
from deprovisioner.sandbox.gitlab.errors import forbidden, not_found
from deprovisioner.sandbox.gitlab.lifecycle import vanish
from deprovisioner.sandbox.gitlab.routing import (
    ADMINISTRATOR,
    DEVELOPER,
    MAINTAINER,
    NOTHING,
    OWNER,
    SIGNED_IN,
    Answer,
    Call,
    Handler,
    Listing,
    Reply,
    in_group,
    in_project,
    routes,
)
from deprovisioner.sandbox.gitlab.showing import found, parent_of, show, shown
from deprovisioner.sandbox.gitlab.store import Record, Table, View
from deprovisioner.sandbox.gitlab.tokens import as_shown, revoke

_CHANGEABLE = frozenset(
    {"description", "paused", "tag_list", "run_untagged", "locked", "access_level",
     "maximum_timeout", "maintenance_note"}
)  # fmt: skip
_BRIEF = (
    "id", "description", "ip_address", "active", "paused", "is_shared", "runner_type", "name",
    "online", "created_at", "status",
)  # fmt: skip


# -------------------------------------------------------------------------------------- runners


def _runner(view: View, row: Record) -> Record:
    return {**{name: row[name] for name in _BRIEF}, "created_by": shown(view, row)["created_by"]}


def _runners(call: Call, rows: Iterable[Record]) -> Reply:
    wanted, paused = call.query.get("type"), call.flag("paused")
    kept = [
        row
        for row in rows
        if wanted in {None, row["runner_type"]} and paused in {None, row["paused"]}
    ]
    return Listing(kept, lambda row: _runner(call.view, row))


def _every_runner(call: Call) -> Reply:
    return _runners(call, call.view.every(Table.RUNNERS))


def _runners_here(call: Call) -> Reply:
    """List the runners of a project or group: its own, and for a group those below it."""
    if "project" in call.path:
        return _runners(call, call.view.where(Table.RUNNERS, _project=call.parent["id"]))
    groups = {row["id"] for row in access.descendants(call.view, call.parent)}
    projects = {row["id"] for row in call.view.every(Table.PROJECTS) if row["_group"] in groups}
    rows = call.view.every(Table.RUNNERS)
    return _runners(
        call, [row for row in rows if row["_group"] in groups or row["_project"] in projects]
    )


def _reached(call: Call) -> Record:
    """Return the runner of the path for whoever maintains where it is; raises Refusal 403, 404."""
    view = call.world.truth
    row = found(view, Table.RUNNERS, call.number("runner"), "Runner")
    if call.caller.is_administrator:
        return row
    project = view.get(Table.PROJECTS, row["_project"]) if row["_project"] else None
    group = view.get(Table.GROUPS, row["_group"]) if row["_group"] else None
    if project and call.caller.level_in_project(view, project) >= MAINTAINER:
        return row
    if group and call.caller.level_in_group(view, group) >= OWNER:
        return row
    raise forbidden("No access granted")


def _details(call: Call, row: Record) -> Record:
    project = call.view.get(Table.PROJECTS, row["_project"]) if row["_project"] else None
    group = call.view.get(Table.GROUPS, row["_group"]) if row["_group"] else None
    places = {
        "projects": [{"id": project["id"], "name": project["name"]}] if project else [],
        "groups": [{"id": group["id"], "name": group["name"]}] if group else [],
    }
    return {**shown(call.view, row), **places}


def _runner_shown(call: Call) -> Reply:
    _reached(call)
    row = found(call.view, Table.RUNNERS, call.number("runner"), "Runner")
    return Answer(200, _details(call, row))


def _runner_changed(call: Call) -> Reply:
    row = _reached(call)
    given = {name: value for name, value in call.body.items() if name in _CHANGEABLE}
    if "paused" in given:
        given["active"] = not given["paused"]
    return Answer(200, _details(call, call.world.store.change(Table.RUNNERS, row["id"], **given)))


def _runner_removed(call: Call) -> Reply:
    call.world.store.drop(Table.RUNNERS, _reached(call)["id"])
    return NOTHING


def _runner_token_reset(call: Call) -> Reply:
    token = f"glrt-{call.world.new_secret()}"
    call.world.store.change(Table.RUNNERS, _reached(call)["id"], _token=token)
    return Answer(201, {"token": token, "token_expires_at": None})


def _registration_reset(call: Call) -> Reply:
    token = f"GR1348941{call.world.new_secret()}"
    if call.parent:
        table = Table.PROJECTS if "project" in call.path else Table.GROUPS
        call.world.store.change(table, call.parent["id"], _runners_token=token)
    return Answer(201, {"token": token})


# --------------------------------------------------------------------------------------- agents


def _agents(call: Call) -> Reply:
    rows = call.view.where(Table.AGENTS, _project=call.parent["id"])
    project = {"id": call.parent["id"], "name": call.parent["name"]}
    return Listing(rows, lambda row: {**shown(call.view, row), "config_project": project})


def _agent_tokens(call: Call) -> Reply:
    agent = found(call.view, Table.AGENTS, call.number("agent"), "Agent", **parent_of(call))
    rows = call.view.every(Table.AGENT_TOKENS)
    kept = [row for row in rows if row["agent_id"] == agent["id"] and row["status"] == "active"]
    return Listing(kept, _brief_token)


def _brief_token(row: Record) -> Record:
    """The list leaves out when a token was last used."""
    return {name: value for name, value in row.items() if name[0] != "_" and name != "last_used_at"}


def _agent_token(call: Call) -> Record:
    agent = found(call.view, Table.AGENTS, call.number("agent"), "Agent", **parent_of(call))
    token = found(
        call.view, Table.AGENT_TOKENS, call.number("token"), "Agent Token", agent_id=agent["id"]
    )
    if token["status"] != "active":
        raise not_found("Agent Token")
    return token


def _agent_token_shown(call: Call) -> Reply:
    return Answer(200, shown(call.view, _agent_token(call)))


def _agent_token_revoked(call: Call) -> Reply:
    call.world.store.change(Table.AGENT_TOKENS, _agent_token(call)["id"], status="revoked")
    return NOTHING


# --------------------------------------------------------------------------------- applications


def _applications(call: Call) -> Reply:
    """List those of the instance; whose idea one was is not said."""
    return Listing(call.view.where(Table.APPLICATIONS, _user=None), show(call))


def _application(call: Call, **members: object) -> Record:
    key = call.number("application")
    return found(call.world.truth, Table.APPLICATIONS, key, "Application", **members)


def _application_removed(call: Call) -> Reply:
    call.world.store.drop(Table.APPLICATIONS, _application(call)["id"])
    return NOTHING


def _secret_renewed(call: Call) -> Reply:
    row, secret = _application(call), f"gloas-{call.world.new_secret()}"
    new = call.world.store.change(Table.APPLICATIONS, row["id"], _secret=secret)
    return Answer(200, {**shown(call.view, new), "secret": secret})


def _own_applications(call: Call) -> Reply:
    return Listing(call.view.where(Table.APPLICATIONS, _user=call.caller.id), show(call))


def _own_application_removed(call: Call) -> Reply:
    row = _application(call, _user=call.caller.id)
    call.world.store.drop(Table.APPLICATIONS, row["id"])
    return NOTHING


# ----------------------------------------------------------------------------- service accounts


def _service_accounts(call: Call) -> Reply:
    group = call.parent.get("id") if "group" in call.path else None
    rows = [row for row in call.view.every(Table.USERS) if row["_kind"] == "service"]
    return Listing([row for row in rows if row["_group"] == group], _service_account)


def _none(_call: Call) -> Reply:
    return Listing((), _service_account)


def _service_account(row: Record) -> Record:
    return {name: row[name] for name in ("id", "username", "name", "email", "public_email")}


def _service_account_of(call: Call) -> Record:
    row = call.view.get(Table.USERS, call.number("user"))
    if row is None or row["_kind"] != "service" or row["_group"] != call.parent["id"]:
        raise not_found("User")
    return row


def _service_account_removed(call: Call) -> Reply:
    row, world, hard = _service_account_of(call), call.world, bool(call.flag("hard_delete"))
    world.store.change(Table.USERS, row["id"], state="blocked")
    world.agenda.after(world.delays.deletion, lambda: vanish(world, row["id"], hard=hard))
    return NOTHING


def _service_tokens(call: Call) -> Reply:
    rows = call.view.where(Table.TOKENS, user_id=_service_account_of(call)["id"])
    return Listing(rows, lambda row: as_shown(call, row))


def _service_token_revoked(call: Call) -> Reply:
    owner = _service_account_of(call)["id"]
    token = found(call.view, Table.TOKENS, call.number("token"), "Token", user_id=owner)
    revoke(call.world, token)
    return NOTHING


def _metadata(_call: Call) -> Reply:
    return Answer(200, {"version": "19.2.0-ee", "revision": "0000000", "enterprise": True})


def _agent_routes() -> tuple[tuple[str, str, Handler], ...]:
    at = "/projects/{project}/cluster_agents/{agent}/tokens"
    return (
        ("GET", "/projects/{project}/cluster_agents", _agents),
        ("GET", at, _agent_tokens),
        ("GET", f"{at}/{{token}}", _agent_token_shown),
    )


ROUTES = (
    *routes(
        SIGNED_IN,
        ("GET", "/metadata", _metadata),
        ("GET", "/version", _metadata),
        ("GET", "/runners/{runner}", _runner_shown),
        ("PUT", "/runners/{runner}", _runner_changed),
        ("DELETE", "/runners/{runner}", _runner_removed),
        ("POST", "/runners/{runner}/reset_authentication_token", _runner_token_reset),
        ("GET", "/user/applications", _own_applications),
        ("DELETE", "/user/applications/{application}", _own_application_removed),
    ),
    *routes(
        ADMINISTRATOR,
        ("GET", "/runners/all", _every_runner),
        ("POST", "/runners/reset_registration_token", _registration_reset),
        ("GET", "/applications", _applications),
        ("DELETE", "/applications/{application}", _application_removed),
        ("POST", "/applications/{application}/renew-secret", _secret_renewed),
        ("GET", "/service_accounts", _service_accounts),
    ),
    *routes(in_project(DEVELOPER), *_agent_routes()),
    *routes(
        in_project(MAINTAINER),
        ("GET", "/projects/{project}/runners", _runners_here),
        ("POST", "/projects/{project}/runners/reset_registration_token", _registration_reset),
        (
            "DELETE",
            "/projects/{project}/cluster_agents/{agent}/tokens/{token}",
            _agent_token_revoked,
        ),
        ("GET", "/projects/{project}/service_accounts", _none),
    ),
    *routes(
        in_group(OWNER),
        ("GET", "/groups/{group}/runners", _runners_here),
        ("POST", "/groups/{group}/runners/reset_registration_token", _registration_reset),
        ("GET", "/groups/{group}/service_accounts", _service_accounts),
        ("DELETE", "/groups/{group}/service_accounts/{user}", _service_account_removed),
        ("GET", "/groups/{group}/service_accounts/{user}/personal_access_tokens", _service_tokens),
        (
            "DELETE",
            "/groups/{group}/service_accounts/{user}/personal_access_tokens/{token}",
            _service_token_revoked,
        ),
    ),
)
