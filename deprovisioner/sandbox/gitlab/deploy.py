"""Deploy keys and deploy tokens: what machines read and write repositories with.

A deploy key belongs to the person who added it first, which only `/keys?fingerprint=` shows. Adding
a public key that is known already ties that same key to one more project and changes no owner: so
whoever re-homes one takes it out of every project first. A deploy token belongs to nobody.
"""

from deprovisioner.sandbox.gitlab import access
from deprovisioner.sandbox.gitlab.credentials import fingerprints
from deprovisioner.sandbox.gitlab.errors import invalid, not_found, refused
from deprovisioner.sandbox.gitlab.routing import (
    ADMINISTRATOR,
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
from deprovisioner.sandbox.gitlab.showing import listing, removal, show, shown, single
from deprovisioner.sandbox.gitlab.store import Record, Table, View, stamp
from deprovisioner.sandbox.gitlab.users import own_or_administrator

_IDENTITY = (
    "id", "description", "name", "name_with_namespace", "path", "path_with_namespace", "created_at",
)  # fmt: skip


def _known(view: View, key: Record) -> Record:
    """Return a key as instance lists show it: with its projects and without its owner."""
    md5, sha = fingerprints(key["key"])
    links = view.where(Table.DEPLOY_KEY_PROJECTS, _key=key["id"])
    writing = [row["_project"] for row in links if row["can_push"]]
    reading = [row["_project"] for row in links if not row["can_push"]]
    return {
        **shown(view, key),
        "fingerprint": md5,
        "fingerprint_sha256": sha,
        "projects_with_write_access": _projects(view, writing),
        "projects_with_readonly_access": _projects(view, reading),
    }


def _projects(view: View, keys: list[int]) -> list[Record]:
    rows = [view.get(Table.PROJECTS, key) for key in keys]
    return [{name: row[name] for name in _IDENTITY} for row in rows if row is not None]


def _every(call: Call) -> Reply:
    return Listing(call.view.every(Table.DEPLOY_KEYS), lambda row: _known(call.view, row))


def _links(call: Call, view: View) -> list[Record]:
    return view.where(Table.DEPLOY_KEY_PROJECTS, _project=call.parent["id"])


def _of_project(call: Call) -> Reply:
    rows = _links(call, call.view)
    return Listing(rows, lambda row: _linked(call.view, row))


def _linked(view: View, link: Record) -> Record:
    key = view.get(Table.DEPLOY_KEYS, link["_key"])
    return {**shown(view, key or {}), "can_push": link["can_push"]}


def _link(call: Call, view: View) -> Record:
    wanted = call.number("key")
    for row in _links(call, view):
        if row["_key"] == wanted:
            return row
    raise not_found("Deploy Key")


def _one(call: Call) -> Reply:
    return Answer(200, _linked(call.view, _link(call, call.view)))


def _added(call: Call) -> Reply:
    view = call.world.truth
    text, title = str(call.body.get("key", "")), call.body.get("title")
    if not text or not title:
        raise invalid("key is missing, title is missing")
    sha = fingerprints(text)[1]
    known = [row for row in view.every(Table.DEPLOY_KEYS) if fingerprints(row["key"])[1] == sha]
    if known and any(row["_key"] == known[0]["id"] for row in _links(call, view)):
        return Answer(201, _linked(view, _tie(call, known[0], can_push=False)))
    if known and not _may_use(call, view, known[0]):
        raise refused(400, "fingerprint_sha256 has already been taken")
    key = known[0] if known else _new(call, str(title), text)
    link = _tie(call, key, can_push=bool(call.body.get("can_push")))
    return Answer(201, {**shown(view, key), "can_push": link["can_push"]})


def _new(call: Call, title: str, text: str) -> Record:
    return call.world.store.add(
        Table.DEPLOY_KEYS,
        title=title,
        key=text,
        created_at=stamp(call.world.now),
        expires_at=call.body.get("expires_at"),
        last_used_at=None,
        usage_type="auth_and_signing",
        _user=call.caller.id,
    )


def _may_use(call: Call, view: View, key: Record) -> bool:
    """Tell whether a key is in a project that the caller is in."""
    projects = [
        view.get(Table.PROJECTS, row["_project"])
        for row in view.where(Table.DEPLOY_KEY_PROJECTS, _key=key["id"])
    ]
    return any(one and call.caller.level_in_project(view, one) for one in projects)


def _tie(call: Call, key: Record, *, can_push: bool) -> Record:
    for row in _links(call, call.world.truth):
        if row["_key"] == key["id"]:
            return row
    return call.world.store.add(
        Table.DEPLOY_KEY_PROJECTS,
        can_push=can_push,
        _project=call.parent["id"],
        _key=key["id"],
    )


def _changed(call: Call) -> Reply:
    link = _link(call, call.world.truth)
    if "title" in call.body:
        call.world.store.change(Table.DEPLOY_KEYS, link["_key"], title=call.body["title"])
    if "can_push" in call.body:
        given = bool(call.body["can_push"])
        link = call.world.store.change(Table.DEPLOY_KEY_PROJECTS, link["id"], can_push=given)
    return Answer(200, _linked(call.world.truth, link))


def _enabled(call: Call) -> Reply:
    view = call.world.truth
    key = view.get(Table.DEPLOY_KEYS, call.number("key"))
    if key is None or not _may_use(call, view, key):
        raise not_found("Deploy Key")
    _tie(call, key, can_push=False)
    return Answer(201, shown(view, key))


def _removed(call: Call) -> Reply:
    """Take a key out of a project; out of the last one, it is gone."""
    link = _link(call, call.world.truth)
    call.world.store.drop(Table.DEPLOY_KEY_PROJECTS, link["id"])
    if not call.world.truth.where(Table.DEPLOY_KEY_PROJECTS, _key=link["_key"]):
        call.world.store.drop(Table.DEPLOY_KEYS, link["_key"])
    return NOTHING


def _reachable(call: Call) -> Reply:
    """List the keys of the projects that a user is in: not those that they own."""
    view, user = call.view, own_or_administrator(call)["id"]
    projects = {
        row["id"] for row in view.every(Table.PROJECTS) if user in access.project_levels(view, row)
    }
    links = view.every(Table.DEPLOY_KEY_PROJECTS)
    known = {row["_key"] for row in links if row["_project"] in projects}
    rows = [row for row in view.every(Table.DEPLOY_KEYS) if row["id"] in known]
    return Listing(rows, lambda row: _known(view, row))


def _tokens(call: Call) -> Reply:
    return Listing(call.view.every(Table.DEPLOY_TOKENS), show(call))


def _of(at: str) -> tuple[tuple[str, str, Handler], ...]:
    table, what = Table.DEPLOY_TOKENS, "Deploy Token"
    return (
        ("GET", f"{at}/deploy_tokens", listing(table)),
        ("GET", f"{at}/deploy_tokens/{{token}}", single(table, "token", what)),
        ("DELETE", f"{at}/deploy_tokens/{{token}}", removal(table, "token", what)),
    )


ROUTES = (
    *routes(ADMINISTRATOR, ("GET", "/deploy_keys", _every), ("GET", "/deploy_tokens", _tokens)),
    *routes(SIGNED_IN, ("GET", "/users/{user}/project_deploy_keys", _reachable)),
    *routes(
        in_project(MAINTAINER),
        ("GET", "/projects/{project}/deploy_keys", _of_project),
        ("GET", "/projects/{project}/deploy_keys/{key}", _one),
        ("POST", "/projects/{project}/deploy_keys", _added),
        ("PUT", "/projects/{project}/deploy_keys/{key}", _changed),
        ("POST", "/projects/{project}/deploy_keys/{key}/enable", _enabled),
        ("DELETE", "/projects/{project}/deploy_keys/{key}", _removed),
        *_of("/projects/{project}"),
    ),
    *routes(in_group(OWNER), *_of("/groups/{group}")),
)
