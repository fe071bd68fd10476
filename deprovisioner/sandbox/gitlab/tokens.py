"""Access tokens: personal, impersonation, project and group; listed, rotated, revoked.

A project or group token belongs to a bot user that is a member, whoever made it. Revoking one takes
the bot's membership away, so that the second call finds nothing; a personal one can be revoked
again with success. The clear text is shown once, at a rotation.
"""

from collections.abc import Callable, Iterable
from datetime import timedelta

from deprovisioner.sandbox.gitlab import access
from deprovisioner.sandbox.gitlab.access import digest, is_live
from deprovisioner.sandbox.gitlab.errors import forbidden, invalid, not_found, refused, unauthorized
from deprovisioner.sandbox.gitlab.routing import (
    ADMINISTRATOR,
    MAINTAINER,
    NOTHING,
    OWNER,
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
from deprovisioner.sandbox.gitlab.showing import shown
from deprovisioner.sandbox.gitlab.store import Record, Table, stamp
from deprovisioner.sandbox.gitlab.users import of_path

_LIFETIME = timedelta(days=7)
Show = Callable[[Call, Record], Record]
_RESOURCE = ("access_level", "resource_type", "resource_id")


def issue(
    world: World, kind: str, user: int, name: str, scopes: list[str], **more: object
) -> Record:
    """Make a token; its clear text is kept in `World.secrets` for tests only."""
    secret = f"glpat-{world.new_secret()}"
    members: Record = {
        "name": name,
        "revoked": False,
        "created_at": stamp(world.now),
        "description": None,
        "scopes": scopes,
        "user_id": user,
        "last_used_at": None,
        "expires_at": None,
        "_kind": kind,
        "_digest": digest(secret),
    }
    token = world.store.add(Table.TOKENS, **{**members, **more})
    world.secrets[token["id"]] = secret
    return token


def as_shown(call: Call, token: Record) -> Record:
    """Return a token as lists show it: without its value."""
    out = {**shown(call.view, token), "active": is_live(token, call.world.now)}
    if token["_kind"] == "impersonation":
        out["impersonation"] = True
    return out


def _listing(call: Call, rows: Iterable[Record], show: Show | None = None) -> Reply:
    state, revoked = call.query.get("state"), call.flag("revoked")
    if state not in {None, "active", "inactive", "all"}:
        raise invalid("state does not have a valid value")
    kept = [
        row
        for row in rows
        if (state in {None, "all"} or is_live(row, call.world.now) == (state == "active"))
        and (revoked is None or row["revoked"] == revoked)
    ]
    return Listing(kept, lambda row: (show or as_shown)(call, row))


# ------------------------------------------------------------------------------------- personal


def _personal(call: Call) -> Reply:
    """List: an administrator everybody's, others their own; asking for another's is a 401."""
    wanted = call.query.get("user_id")
    rows = [row for row in call.view.every(Table.TOKENS) if row["_kind"] != "impersonation"]
    if not call.caller.is_administrator:
        if wanted is not None and wanted != str(call.caller.id):
            raise unauthorized()
        wanted = str(call.caller.id)
    kept = [row for row in rows if wanted is None or str(row["user_id"]) == wanted]
    return _listing(call, kept, _as_personal)


def _found(call: Call) -> Record:
    """Return the token of the path for its owner and administrators; `self`: the caller."""
    text = call.path["token"]
    if text == "self":
        return call.caller.token
    if not text.isdigit():
        raise invalid("id is invalid")
    token = call.view.get(Table.TOKENS, int(text))
    mine = token is not None and token["user_id"] == call.caller.id
    if token is None or not (mine or call.caller.is_administrator):
        raise not_found() if call.caller.is_administrator else unauthorized()
    return token


def _one(call: Call) -> Reply:
    return Answer(200, _as_personal(call, _found(call)))


def _as_personal(call: Call, token: Record) -> Record:
    """Return any token in the form of a personal one: without what it is of."""
    kept = {name: value for name, value in token.items() if name not in _RESOURCE}
    return as_shown(call, kept)


def _revoked(call: Call) -> Reply:
    revoke(call.world, _found(call))
    return NOTHING


def revoke(world: World, token: Record) -> None:
    """Revoke; that of a bot takes the bot's membership along."""
    world.store.change(Table.TOKENS, token["id"], revoked=True)
    if token["_kind"] in {"project", "group"}:
        for row in world.truth.where(Table.MEMBERS, _user=token["user_id"]):
            world.store.drop(Table.MEMBERS, row["id"])


def _rotated(call: Call) -> Reply:
    return _rotation(call, _found(call))


def _rotation(call: Call, token: Record) -> Reply:
    if not is_live(token, call.world.now):
        raise refused(400, "400 Bad request - token already revoked")
    ends = call.body.get("expires_at") or (call.world.now + _LIFETIME).date().isoformat()
    kept = {name: token[name] for name in _RESOURCE if name in token}
    call.world.store.change(Table.TOKENS, token["id"], revoked=True)
    new = issue(
        call.world,
        token["_kind"],
        token["user_id"],
        token["name"],
        token["scopes"],
        expires_at=ends,
        **kept,
    )
    show = as_shown if call.parent else _as_personal
    return Answer(200, {**show(call, new), "token": call.world.secrets[new["id"]]})


def _associations(call: Call) -> Reply:
    caller, view = call.caller, call.view
    groups = [row for row in view.every(Table.GROUPS) if caller.level_in_group(view, row)]
    projects = [row for row in view.every(Table.PROJECTS) if caller.level_in_project(view, row)]
    reach = {
        "groups": [{"id": row["id"], "name": row["name"]} for row in groups],
        "projects": [{"id": row["id"], "name": row["name"]} for row in projects],
    }
    return Answer(200, reach)


# -------------------------------------------------------------------------------- impersonation


def _impersonations(call: Call) -> Reply:
    user = of_path(call)["id"]
    return _listing(call, call.view.where(Table.TOKENS, user_id=user, _kind="impersonation"))


def _impersonation(call: Call) -> Record:
    user, token = of_path(call)["id"], call.view.get(Table.TOKENS, call.number("token"))
    if token is None or token["user_id"] != user or token["_kind"] != "impersonation":
        raise not_found("Impersonation Token")
    return token


def _impersonation_shown(call: Call) -> Reply:
    return Answer(200, as_shown(call, _impersonation(call)))


def _impersonation_revoked(call: Call) -> Reply:
    revoke(call.world, _impersonation(call))
    return NOTHING


# --------------------------------------------------------------------- of a project or a group


def _resource_tokens(call: Call) -> Reply:
    kind = "project" if "project" in call.path else "group"
    rows = [
        row
        for row in call.view.every(Table.TOKENS)
        if row["_kind"] == kind and row["resource_id"] == call.parent["id"]
    ]
    return _listing(call, rows)


def _resource_token(call: Call) -> Record:
    token = call.view.get(Table.TOKENS, call.number("token"))
    source = call.parent["id"]
    if token is None or token.get("resource_id") != source:
        raise not_found("Could not find token")
    kind = "Project" if "project" in call.path else "Group"
    if token["resource_type"] != kind.casefold():
        raise not_found("Could not find token")
    if not call.view.where(
        Table.MEMBERS, _source=source, _source_type=kind, _user=token["user_id"]
    ):
        raise not_found("Could not find token")
    return token


def _resource_token_shown(call: Call) -> Reply:
    return Answer(200, as_shown(call, _resource_token(call)))


def _resource_token_revoked(call: Call) -> Reply:
    revoke(call.world, _resource_token(call))
    return NOTHING


def _resource_token_rotated(call: Call) -> Reply:
    return _rotation(call, _resource_token(call))


# ------------------------------------------------- the owner of a top-level group (gitlab.com)


def top_level(call: Call) -> Record:
    """Return the group of the path; raises Refusal 400 below the top."""
    if call.parent.get("parent_id"):
        raise refused(400, "400 Bad request - Must be a top-level group")
    return call.parent


def enterprise_users(call: Call) -> set[int]:
    """Return the users whom the group of the path may manage."""
    group = top_level(call)["id"]
    rows = call.view.every(Table.USERS)
    return {row["id"] for row in rows if row["enterprise_group_id"] == group}


def _managed(call: Call) -> Reply:
    users = enterprise_users(call)
    rows = call.view.every(Table.TOKENS)
    return _listing(
        call, [row for row in rows if row["_kind"] == "personal" and row["user_id"] in users]
    )


def _managed_revoked(call: Call) -> Reply:
    token = call.view.get(Table.TOKENS, call.number("token"))
    if token is None or token["user_id"] not in enterprise_users(call):
        raise not_found("Personal Access Token")
    revoke(call.world, token)
    return NOTHING


def _resources_below(call: Call) -> list[Record]:
    groups = {row["id"] for row in access.descendants(call.view, top_level(call))}
    projects = {row["id"] for row in call.view.every(Table.PROJECTS) if row["_group"] in groups}
    below = {"group": groups, "project": projects}
    rows = call.view.every(Table.TOKENS)
    return [row for row in rows if row.get("resource_id") in below.get(row["_kind"], ())]


def _managed_resources(call: Call) -> Reply:
    return _listing(call, _resources_below(call))


def _managed_resource_revoked(call: Call) -> Reply:
    wanted = call.number("token")
    token = next((row for row in _resources_below(call) if row["id"] == wanted), None)
    if token is None:
        raise not_found("Resource Access Token")
    revoke(call.world, token)
    return NOTHING


# ------------------------------------------------------------------------- any token, by value


def _by_value(call: Call) -> Record:
    wanted = digest(str(call.body.get("token", "")))
    rows = call.view.every(Table.TOKENS)
    token = next((row for row in rows if row["_digest"] == wanted), None)
    if token is None:
        raise not_found()
    return token


def _told(call: Call) -> Reply:
    return Answer(200, as_shown(call, _by_value(call)))


def _revoked_by_value(call: Call) -> Reply:
    token = _by_value(call)
    if token["id"] == call.caller.token["id"]:
        raise forbidden()
    revoke(call.world, token)
    return NOTHING


ROUTES = (
    *routes(
        SIGNED_IN,
        ("GET", "/personal_access_tokens", _personal),
        ("GET", "/personal_access_tokens/{token}", _one),
        ("DELETE", "/personal_access_tokens/{token}", _revoked),
        ("POST", "/personal_access_tokens/{token}/rotate", _rotated),
        ("GET", "/personal_access_tokens/self/associations", _associations),
    ),
    *routes(
        ADMINISTRATOR,
        ("GET", "/users/{user}/impersonation_tokens", _impersonations),
        ("GET", "/users/{user}/impersonation_tokens/{token}", _impersonation_shown),
        ("DELETE", "/users/{user}/impersonation_tokens/{token}", _impersonation_revoked),
        ("POST", "/admin/token", _told),
        ("DELETE", "/admin/token", _revoked_by_value),
    ),
    *routes(
        in_project(MAINTAINER),
        ("GET", "/projects/{project}/access_tokens", _resource_tokens),
        ("GET", "/projects/{project}/access_tokens/{token}", _resource_token_shown),
        ("DELETE", "/projects/{project}/access_tokens/{token}", _resource_token_revoked),
        ("POST", "/projects/{project}/access_tokens/{token}/rotate", _resource_token_rotated),
    ),
    *routes(
        in_group(OWNER),
        ("GET", "/groups/{group}/access_tokens", _resource_tokens),
        ("GET", "/groups/{group}/access_tokens/{token}", _resource_token_shown),
        ("DELETE", "/groups/{group}/access_tokens/{token}", _resource_token_revoked),
        ("POST", "/groups/{group}/access_tokens/{token}/rotate", _resource_token_rotated),
        ("GET", "/groups/{group}/manage/personal_access_tokens", _managed),
        ("DELETE", "/groups/{group}/manage/personal_access_tokens/{token}", _managed_revoked),
        ("GET", "/groups/{group}/manage/resource_access_tokens", _managed_resources),
        (
            "DELETE",
            "/groups/{group}/manage/resource_access_tokens/{token}",
            _managed_resource_revoked,
        ),
    ),
)
