"""What still opens something, told by the fake itself: the truth behind every claim of closure.

For tests and the demo: a connector reads inventories, this looks at what would be let in. Called
by `ForgeServer.still_works`; no answer to a client is made of it.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from deprovisioner.sandbox.gitlab.access import is_live
from deprovisioner.sandbox.gitlab.store import Record, Table, View


@dataclass(frozen=True, slots=True)
class Opener:
    """One thing that works now and that a person made, holds or could have copied."""

    table: Table
    key: int
    is_bound: bool
    """It works only while the person's account does; what is not bound outlives a block."""


def openers(view: View, user: int) -> tuple[Opener, ...]:
    """Return everything that opens something and comes from a user."""
    return (*_bound(view, user), *_unbound(view, user))


def _bound(view: View, user: int) -> Iterator[Opener]:
    person = view.get(Table.USERS, user)
    if person is None or person["state"] != "active":
        return
    for token in view.where(Table.TOKENS, user_id=user):
        if is_live(token, view.instant):
            yield Opener(Table.TOKENS, token["id"], is_bound=True)
    for table in (Table.SSH_KEYS, Table.GRANTS):
        for row in view.where(table, _user=user):
            yield Opener(table, row["id"], is_bound=True)
    for row in view.every(Table.TRIGGERS):
        if row["_owner"] == user:
            yield Opener(Table.TRIGGERS, row["id"], is_bound=True)
    for row in view.every(Table.SCHEDULES):
        if row["_owner"] == user and row["active"]:
            yield Opener(Table.SCHEDULES, row["id"], is_bound=True)
    for row in view.where(Table.DEPLOY_KEYS, _user=user):  # a blocked owner's key is rejected
        yield Opener(Table.DEPLOY_KEYS, row["id"], is_bound=True)


def _unbound(view: View, user: int) -> Iterator[Opener]:
    bots = {row["id"] for row in view.where(Table.USERS) if row["_created_by"] == user}
    for token in view.every(Table.TOKENS):
        if token["user_id"] in bots and _works(view, token):
            yield Opener(Table.TOKENS, token["id"], is_bound=False)
    for table, own in (
        (Table.DEPLOY_TOKENS, "_made_by"),
        (Table.RUNNERS, "_created_by"),
        (Table.HOOKS, "_made_by"),
        (Table.REMOTE_MIRRORS, "_made_by"),
    ):
        for row in view.every(table):
            if row[own] == user:
                yield Opener(table, row["id"], is_bound=False)
    for row in view.every(Table.AGENT_TOKENS):
        if row["created_by_user_id"] == user and row["status"] == "active":
            yield Opener(Table.AGENT_TOKENS, row["id"], is_bound=False)


def _works(view: View, token: Record) -> bool:
    owner = view.get(Table.USERS, token["user_id"])
    return is_live(token, view.instant) and owner is not None and owner["state"] == "active"
