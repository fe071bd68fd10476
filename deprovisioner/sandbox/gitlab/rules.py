"""Who may push, merge, deploy and must approve: protected branches, tags, environments, rules.

A protection is changed entry by entry (`_destroy` takes one out); an approval rule is replaced
whole. People who are not in the project are dropped from a rule without a word, as GitLab does, and
refused (422) in a protection.
"""

from collections.abc import Iterable
from itertools import count

from deprovisioner.sandbox.gitlab import access
from deprovisioner.sandbox.gitlab.errors import not_found, refused
from deprovisioner.sandbox.gitlab.routing import (
    DEVELOPER,
    MAINTAINER,
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
from deprovisioner.sandbox.gitlab.showing import found, listing, parent_of, shown
from deprovisioner.sandbox.gitlab.store import Record, Table, View

_BRANCH_LISTS = {
    "allowed_to_push": "push_access_levels",
    "allowed_to_merge": "merge_access_levels",
    "allowed_to_unprotect": "unprotect_access_levels",
}
_ENVIRONMENT_LISTS = {
    "deploy_access_levels": "deploy_access_levels",
    "approval_rules": "approval_rules",
}
_ENTRY = frozenset(
    {"user_id", "group_id", "access_level", "group_inheritance_type", "required_approvals"}
)


def _members(call: Call, view: View) -> set[int]:
    if "project" in call.path:
        return set(access.project_levels(view, call.parent))
    return set(access.group_levels(view, call.parent))


# --------------------------------------------------------------------------------- protections


def _protection(call: Call, table: Table, view: View) -> Record:
    for row in view.where(table, **parent_of(call)):
        if row["name"] == call.path["name"]:
            return row
    raise not_found()


def _branch(call: Call) -> Reply:
    return Answer(200, shown(call.view, _protection(call, Table.PROTECTED_BRANCHES, call.view)))


def _changed(table: Table, lists: dict[str, str], plain: frozenset[str]) -> Handler:
    def handler(call: Call) -> Reply:
        row = _protection(call, table, call.world.truth)
        given = {name: value for name, value in call.body.items() if name in plain}
        for word, name in lists.items():
            if word in call.body:
                given[name] = _merged(call, row[name], call.body[word])
        new = call.world.store.change(table, row["id"], **given)
        return Answer(200, _without_id(call, table, new))

    return handler


def _merged(call: Call, entries: list[Record], asked: Iterable[Record]) -> list[Record]:
    kept, members = list(entries), _members(call, call.world.truth)
    numbers = count(max((entry["id"] for entry in entries), default=0) + 1)
    for one in asked:
        if one.get("_destroy"):
            if not any(entry["id"] == one.get("id") for entry in kept):
                raise not_found()
            kept = [entry for entry in kept if entry["id"] != one["id"]]
            continue
        if one.get("user_id") is not None and one["user_id"] not in members:
            raise refused(422, "access levels: user is not a member of the project")
        if any(one.get("user_id") and entry["user_id"] == one["user_id"] for entry in kept):
            raise refused(422, "access levels: user has already been taken")
        new = {name: value for name, value in one.items() if name in _ENTRY}
        kept.append({**_EMPTY, **new, "id": next(numbers)})
    return kept


_EMPTY: Record = {"access_level": None, "user_id": None, "group_id": None}


def _without_id(call: Call, table: Table, row: Record) -> Record:
    out = shown(call.view, row)
    if table is not Table.PROTECTED_BRANCHES:
        out.pop("id")
    return out


def _named(table: Table) -> Handler:
    """List protections that have a name and no id."""

    def handler(call: Call) -> Reply:
        rows = call.view.where(table, **parent_of(call))
        return Listing(rows, lambda row: _without_id(call, table, row))

    return handler


# ------------------------------------------------------------------------------- approval rules


def _approval(call: Call, row: Record) -> Record:
    groups = [call.view.get(Table.GROUPS, key) for key in row["_groups"]]
    inside = [
        key
        for group in groups
        if group is not None
        for key in access.group_levels(call.view, group)
    ]
    eligible = sorted({*row["_approvers"], *inside})
    out = shown(call.view, {**row, "_eligible": eligible})
    return {**out, "groups": [shown(call.view, one) for one in groups if one is not None]}


def _approvals(call: Call) -> Reply:
    rows = call.view.where(Table.APPROVAL_RULES, **parent_of(call))
    return Listing(rows, lambda row: _approval(call, row))


def _approval_of(call: Call, view: View) -> Record:
    return found(view, Table.APPROVAL_RULES, call.number("rule"), "", **parent_of(call))


def _approval_shown(call: Call) -> Reply:
    return Answer(200, _approval(call, _approval_of(call, call.view)))


def _approval_changed(call: Call) -> Reply:
    row, body = _approval_of(call, call.world.truth), call.body
    given: Record = {
        name: body[name] for name in ("name", "approvals_required") if body.get(name) is not None
    }
    members = _members(call, call.world.truth)
    if "user_ids" in body or "group_ids" in body:  # what is not named is taken out
        given["_approvers"] = [key for key in body.get("user_ids") or [] if key in members]
        known = {one["id"] for one in call.world.truth.every(Table.GROUPS)}
        given["_groups"] = [key for key in body.get("group_ids") or [] if key in known]
    new = call.world.store.change(Table.APPROVAL_RULES, row["id"], **given)
    return Answer(200, _approval(call, new))


def _environments(at: str) -> tuple[tuple[str, str, Handler], ...]:
    table, plain = Table.PROTECTED_ENVIRONMENTS, frozenset({"required_approval_count"})
    return (
        ("GET", f"{at}/protected_environments", _named(table)),
        (
            "PUT",
            f"{at}/protected_environments/{{name}}",
            _changed(table, _ENVIRONMENT_LISTS, plain),
        ),
    )


ROUTES = (
    *routes(
        in_project(REPORTER),
        ("GET", "/projects/{project}/protected_tags", _named(Table.PROTECTED_TAGS)),
    ),
    *routes(
        in_project(DEVELOPER),
        ("GET", "/projects/{project}/protected_branches", listing(Table.PROTECTED_BRANCHES)),
        ("GET", "/projects/{project}/protected_branches/{name}", _branch),
        ("GET", "/projects/{project}/approval_rules", _approvals),
        ("GET", "/projects/{project}/approval_rules/{rule}", _approval_shown),
    ),
    *routes(
        in_project(MAINTAINER),
        (
            "PATCH",
            "/projects/{project}/protected_branches/{name}",
            _changed(
                Table.PROTECTED_BRANCHES,
                _BRANCH_LISTS,
                frozenset({"allow_force_push", "code_owner_approval_required"}),
            ),
        ),
        ("PUT", "/projects/{project}/approval_rules/{rule}", _approval_changed),
        *_environments("/projects/{project}"),
    ),
    *routes(
        in_group(OWNER),
        ("GET", "/groups/{group}/protected_branches", listing(Table.PROTECTED_BRANCHES)),
        ("GET", "/groups/{group}/approval_rules", _approvals),
        ("PUT", "/groups/{group}/approval_rules/{rule}", _approval_changed),
        *_environments("/groups/{group}"),
    ),
)
