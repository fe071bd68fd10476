"""Merge requests, issues and snippets: what people write and are asked to look at.

Without `scope=all` the lists show what the caller made, and nothing of anybody else.
"""

from collections.abc import Iterable

from deprovisioner.sandbox.gitlab.errors import invalid, not_found, refused
from deprovisioner.sandbox.gitlab.routing import (
    DEVELOPER,
    GUEST,
    NOTHING,
    SIGNED_IN,
    Answer,
    Call,
    Handler,
    Listing,
    Reply,
    in_project,
    routes,
)
from deprovisioner.sandbox.gitlab.showing import parent_of, show, shown, visible_projects
from deprovisioner.sandbox.gitlab.store import Record, Table, View, stamp

_STATES = {"close": "closed", "reopen": "opened"}
_PEOPLE = {"author_id": "_author", "assignee_id": "_assignees", "reviewer_id": "_reviewers"}


def _chosen(call: Call, rows: Iterable[Record], scope: str) -> Reply:
    if scope not in {"all", "created_by_me", "assigned_to_me", "created-by-me", "assigned-to-me"}:
        raise invalid("scope does not have a valid value")
    kept, me, state = [], call.caller.id, call.query.get("state", "all")
    for row in rows:
        if scope.startswith("created") and row["_author"] != me:
            continue
        if scope.startswith("assigned") and me not in row["_assignees"]:
            continue
        if state not in {"all", row["state"]}:
            continue
        if all(_is_of(row, own, call.query.get(name)) for name, own in _PEOPLE.items()):
            kept.append(row)
    kept.sort(key=lambda row: (row["created_at"], row["id"]), reverse=True)
    return Listing(kept, show(call))


def _is_of(row: Record, own: str, wanted: str | None) -> bool:
    if wanted is None:
        return True
    people = row.get(own, [])
    people = people if isinstance(people, list) else [people]
    if wanted in {"None", "Any"}:
        return bool(people) == (wanted == "Any")
    return wanted in {str(one) for one in people}


def _everywhere(table: Table) -> Handler:
    def handler(call: Call) -> Reply:
        seen = {row["id"] for row in visible_projects(call.view, call.caller)}
        rows = [row for row in call.view.every(table) if row["_project"] in seen]
        return _chosen(call, rows, call.query.get("scope", "created_by_me"))

    return handler


def _here(table: Table) -> Handler:
    def handler(call: Call) -> Reply:
        rows = call.view.where(table, **parent_of(call))
        return _chosen(call, rows, call.query.get("scope", "all"))

    return handler


def _changed(table: Table, lists: dict[str, str]) -> Handler:
    def handler(call: Call) -> Reply:
        view = call.world.truth
        rows = view.where(table, **parent_of(call))
        row = next((one for one in rows if one["iid"] == call.number("iid")), None)
        if row is None:
            raise not_found()
        given: Record = {
            name: call.body[name] for name in ("title", "description") if name in call.body
        }
        for word, own in lists.items():
            if word in call.body:
                given[own] = _known(view, call.body[word])
        if not given and "state_event" not in call.body:
            raise invalid(
                "title, assignee_ids are missing, at least one parameter must be provided"
            )
        if "state_event" in call.body:
            given["state"] = _STATES[call.body["state_event"]]
        new = call.world.store.change(table, row["id"], **given, updated_at=stamp(call.world.now))
        return Answer(200, shown(view, new))

    return handler


def _known(view: View, keys: Iterable[object]) -> list[int]:
    """Keep those who are there; 0 or nobody empties the list, as in the product."""
    return [int(str(key)) for key in keys if view.get(Table.USERS, int(str(key)))]


# ------------------------------------------------------------------------------------- snippets


def _snippets(call: Call) -> Reply:
    return Listing([row for row in call.view.every(Table.SNIPPETS) if _sees(call, row)], show(call))


def _sees(call: Call, row: Record) -> bool:
    mine = row["_author"] == call.caller.id
    return call.caller.is_administrator or mine or row["visibility"] != "private"


def _snippet(call: Call, view: View) -> Record:
    row = view.get(Table.SNIPPETS, call.number("snippet"))
    if row is None or row["project_id"] is not None or not _sees(call, row):
        raise not_found("Snippet")
    return row


def _snippet_shown(call: Call) -> Reply:
    return Answer(200, shown(call.view, _snippet(call, call.view)))


def _snippet_raw(call: Call) -> Reply:
    content = _snippet(call, call.view)["_content"]
    return Answer(200, content.encode(), "text/plain; charset=utf-8")


def _snippet_removed(call: Call) -> Reply:
    row = _snippet(call, call.world.truth)
    if row["_author"] != call.caller.id and not call.caller.is_administrator:
        raise refused(401, "401 Unauthorized")
    call.world.store.drop(Table.SNIPPETS, row["id"])
    return NOTHING


ROUTES = (
    *routes(
        SIGNED_IN,
        ("GET", "/merge_requests", _everywhere(Table.MERGE_REQUESTS)),
        ("GET", "/issues", _everywhere(Table.ISSUES)),
        ("GET", "/snippets/all", _snippets),
        ("GET", "/snippets/{snippet}", _snippet_shown),
        ("GET", "/snippets/{snippet}/raw", _snippet_raw),
        ("DELETE", "/snippets/{snippet}", _snippet_removed),
    ),
    *routes(
        in_project(GUEST),
        ("GET", "/projects/{project}/merge_requests", _here(Table.MERGE_REQUESTS)),
        ("GET", "/projects/{project}/issues", _here(Table.ISSUES)),
    ),
    *routes(
        in_project(DEVELOPER),
        (
            "PUT",
            "/projects/{project}/merge_requests/{iid}",
            _changed(
                Table.MERGE_REQUESTS,
                {"assignee_ids": "_assignees", "reviewer_ids": "_reviewers"},
            ),
        ),
        (
            "PUT",
            "/projects/{project}/issues/{iid}",
            _changed(Table.ISSUES, {"assignee_ids": "_assignees"}),
        ),
    ),
)
