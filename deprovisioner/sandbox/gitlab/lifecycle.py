"""What becomes of an account: blocked, deactivated, banned, deleted; and what follows later.

The rules are those of GitLab's moderation pages and of `lib/api/users.rb`: a second block answers
201 with `null` and does nothing, for banned and pending users too; a transition that does not exist
answers 201 with `false`; the worker that stops a blocked person's pipelines comes later.
"""

from datetime import timedelta

from deprovisioner.sandbox.gitlab import access
from deprovisioner.sandbox.gitlab.errors import forbidden, refused
from deprovisioner.sandbox.gitlab.routing import (
    ADMINISTRATOR,
    NOTHING,
    OWNER,
    Answer,
    Call,
    Reply,
    World,
    routes,
)
from deprovisioner.sandbox.gitlab.store import Record, Table, View
from deprovisioner.sandbox.gitlab.users import of_path

_BLOCKED = frozenset({"blocked", "ldap_blocked", "banned", "blocked_pending_approval"})
_DORMANT = timedelta(days=90)
_OWNED = (
    Table.MEMBERS, Table.EMAILS, Table.SSH_KEYS, Table.GPG_KEYS, Table.GRANTS,
    Table.ACCESS_REQUESTS,
)  # fmt: skip
"""What goes with its user."""
DONE, NO_SUCH_STEP = Answer(201, body=True), Answer(201, body=False)
UNCHANGED = Answer(201)
"""`null`: it was so already, or looks as if."""
_RUNNING = frozenset({"created", "pending", "running"})


def _block(call: Call) -> Reply:
    record = of_path(call, call.world.truth)
    if record["state"] == "ldap_blocked":
        raise forbidden("LDAP blocked users cannot be modified by the API")
    if call.caller.id == record["id"]:
        raise forbidden("The API initiating user cannot be blocked by the API")
    if record["_internal"]:
        raise forbidden("An internal user cannot be blocked")
    if record["state"] in _BLOCKED:
        return UNCHANGED
    _become(call, record, "blocked")
    call.world.agenda.after(call.world.delays.worker, lambda: stop(call.world, record["id"]))
    return DONE


def stop(world: World, user: int) -> None:
    """Cancel a blocked person's pipelines and switch their schedules off, as the worker does."""
    for pipeline in world.truth.every(Table.PIPELINES):
        if pipeline["_user"] == user and pipeline["status"] in _RUNNING:
            world.store.change(Table.PIPELINES, pipeline["id"], status="canceled")
    for schedule in world.truth.every(Table.SCHEDULES):
        if schedule["_owner"] == user and schedule["active"]:
            world.store.change(Table.SCHEDULES, schedule["id"], active=False)


def _unblock(call: Call) -> Reply:
    record = of_path(call, call.world.truth)
    if record["state"] == "ldap_blocked":
        raise forbidden("LDAP blocked users cannot be unblocked by the API")
    if record["state"] == "deactivated":
        raise forbidden("Deactivated users cannot be unblocked by the API")
    if record["state"] != "blocked":
        return NO_SUCH_STEP
    _become(call, record, "active")
    return DONE


def _deactivate(call: Call) -> Reply:
    record = of_path(call, call.world.truth)
    if record["state"] == "deactivated":
        return UNCHANGED
    if record["_internal"]:
        raise forbidden("Internal users cannot be deactivated")
    if record["state"] in _BLOCKED:
        raise forbidden("A blocked user must be unblocked to be deactivated")
    active = record["last_activity_on"]
    if active and active > (call.world.now - _DORMANT).date().isoformat():
        raise forbidden(
            "The user you are trying to deactivate has been active in the past 90 days and "
            "cannot be deactivated"
        )
    _become(call, record, "deactivated")
    return DONE


def _activate(call: Call) -> Reply:
    record = of_path(call, call.world.truth)
    if record["state"] in _BLOCKED:
        raise forbidden("A blocked user must be unblocked to be activated")
    if record["state"] != "deactivated":
        return NO_SUCH_STEP
    _become(call, record, "active")
    return DONE


def _ban(call: Call) -> Reply:
    """Ban: only who is active; the worker that stops pipelines does not follow."""
    record = of_path(call, call.world.truth)
    if record["state"] != "active" or record["_internal"]:
        raise forbidden(f"You cannot ban {record['state']} users.")
    _become(call, record, "banned")
    return DONE


def _unban(call: Call) -> Reply:
    record = of_path(call, call.world.truth)
    if record["state"] != "banned":
        raise forbidden(f"You cannot unban {record['state']} users.")
    _become(call, record, "active")
    return DONE


def _reject(call: Call) -> Reply:
    record = of_path(call, call.world.truth)
    if record["state"] != "blocked_pending_approval":
        raise refused(409, "User does not have a pending request")
    vanish(call.world, record["id"], hard=False)
    return Answer(201, {"message": "Success"})


def _delete(call: Call) -> Reply:
    """Delete later, block at once. `hard_delete` walks past the guard of sole owners."""
    record = of_path(call, call.world.truth)
    hard = bool(call.flag("hard_delete"))
    if record["_internal"]:
        raise forbidden("An internal user cannot be deleted")
    if not hard and sole_groups(call.world.truth, record["id"]):
        raise refused(409, "User cannot be removed while is the sole-owner of a group")
    if record["state"] not in _BLOCKED:
        _become(call, record, "blocked")
        call.world.agenda.after(call.world.delays.worker, lambda: stop(call.world, record["id"]))
    world = call.world
    world.agenda.after(world.delays.deletion, lambda: vanish(world, record["id"], hard=hard))
    return NOTHING


def _become(call: Call, record: Record, state: str) -> None:
    call.world.store.change(Table.USERS, record["id"], state=state)


def sole_groups(view: View, user: int) -> list[Record]:
    """Return the groups that nobody but this user owns, neither directly nor from above."""
    found = []
    for row in view.where(Table.MEMBERS, _user=user, _source_type="Group", access_level=OWNER):
        group = view.get(Table.GROUPS, row["_source"])
        if group is not None and is_sole_owner(view, group, user):
            found.append(group)
    return found


def is_sole_owner(view: View, group: Record, user: int) -> bool:
    """Tell whether a user is the last active person who owns a group."""
    owners = {key for key, level in access.group_levels(view, group).items() if level >= OWNER}
    people = [view.get(Table.USERS, key) for key in owners - {user}]
    others = [one for one in people if one and one["state"] == "active" and not one["bot"]]
    return user in owners and not others


def vanish(world: World, user: int, *, hard: bool) -> None:
    """Take a user away with what is theirs; what they wrote goes to the ghost, or goes too."""
    store, view = world.store, world.truth
    ghost = next(row["id"] for row in view.every(Table.USERS) if row["_kind"] == "ghost")
    for project in [row for row in view.every(Table.PROJECTS) if row["_owner"] == user]:
        store.drop(Table.PROJECTS, project["id"])
    for group in sole_groups(view, user) if hard else ():
        store.drop(Table.GROUPS, group["id"])
    for table in _OWNED:
        for row in view.where(table, _user=user):
            store.drop(table, row["id"])
    for token in view.where(Table.TOKENS, user_id=user):
        store.drop(Table.TOKENS, token["id"])
    for snippet in view.every(Table.SNIPPETS):
        if snippet["_author"] == user:
            store.drop(Table.SNIPPETS, snippet["id"])
    for table in (Table.MERGE_REQUESTS, Table.ISSUES):
        for row in view.every(table):
            if row["_author"] == user and hard:
                store.drop(table, row["id"])
            elif row["_author"] == user:
                store.change(table, row["id"], _author=ghost)
    store.drop(Table.USERS, user)


ROUTES = routes(
    ADMINISTRATOR,
    ("POST", "/users/{user}/block", _block),
    ("POST", "/users/{user}/unblock", _unblock),
    ("POST", "/users/{user}/deactivate", _deactivate),
    ("POST", "/users/{user}/activate", _activate),
    ("POST", "/users/{user}/ban", _ban),
    ("POST", "/users/{user}/unban", _unban),
    ("POST", "/users/{user}/reject", _reject),
    ("DELETE", "/users/{user}", _delete),
)
