"""An independent look into the Entra tenant: is this person really out?

Called by the demo and by acceptance tests after a case has closed, beside `auditor` and
`domain_auditor`. It reads the tenant's true state past Graph, replicas and permissions, knows
nothing of our connector, and searches every table for the person's object id: what the connector
overlooks, this finds. No part of any proof.
"""

from collections.abc import Iterator
from datetime import datetime
from typing import Final

from deprovisioner.sandbox.auditor import Look
from deprovisioner.sandbox.graph import GraphServer, Link, Record, Table, View
from deprovisioner.sandbox.people import Person

_HISTORY: Final = frozenset(
    {
        Table.ROLE_REQUESTS, Table.GROUP_REQUESTS, Table.PACKAGE_REQUESTS, Table.SIGN_INS,
        Table.DELETED, Table.NOTICES, Table.COPIES,
    }
)  # fmt: skip
"""What was once asked for or happened. It gives nobody anything."""
_OWN: Final = frozenset(
    {
        Table.USERS, Table.MAILBOXES, Table.MESSAGES, Table.EVENTS, Table.DRIVES,
        Table.DRIVE_ITEMS, Table.CALENDAR_PERMISSIONS, Table.DRIVE_PERMISSIONS,
        Table.AUTHENTICATION_METHODS,
    }
)  # fmt: skip
"""The person's account and data, which stay until they are destroyed; looked at one by one."""
_HISTORIC_LINKS: Final = frozenset({Link.CREATED})
_PASSWORD: Final = "passwordAuthenticationMethod"


def look(graph: GraphServer, person: Person, successor: Person) -> tuple[Look, ...]:
    """Look at everything about a leaver whose case has closed."""
    view, tenant = graph.truth, graph.tenant
    who = tenant.user_id(person.employment_id)
    second = tenant.admin_id(person)
    methods = _methods(view, who)
    mentions = sorted(_mentions(view, who) | _mentions(view, second))
    left = _not_with(view, who, tenant.user_id(successor.employment_id))
    return (
        _blocked(graph, who, "the account in the tenant and its sessions"),
        _blocked(graph, second, "their second account there"),
        Look("ways to sign in beside the password", not methods, ", ".join(methods) or "none"),
        Look(
            "other objects of the tenant that name them (groups, roles, consents, devices, rules)",
            not mentions,
            ", ".join(mentions) or f"none of {sum(1 for _ in _elsewhere(view))}",
        ),
        Look("applications that they owned", not left, ", ".join(left) or "with the successor"),
    )


def holds_now(graph: GraphServer, person: Person) -> int:
    """Count what names a person in the tenant, before anything was done."""
    return len(_mentions(graph.truth, graph.tenant.user_id(person.employment_id)))


def _blocked(graph: GraphServer, who: str, what: str) -> Look:
    """Blocked, and every session ended after that: what was issued before may not be renewed."""
    user = graph.truth.get(Table.USERS, who)
    if user is None:
        return Look(what, holds=True, seen="deleted")
    if user["accountEnabled"] is not False:
        return Look(what, holds=False, seen="enabled")
    ended = datetime.fromisoformat(user["signInSessionsValidFromDateTime"])
    after = ended >= _since(graph, who).replace(microsecond=0)
    return Look(what, after, "disabled, sessions ended" if after else "disabled, sessions live on")


def _since(graph: GraphServer, who: str) -> datetime:
    """When the account was blocked for the last time."""
    changes = [one for one in graph.witness.changes if (one.place, one.key) == (Table.USERS, who)]
    blocks = [one.at for one in changes if (one.after or {}).get("accountEnabled") is False]
    return blocks[-1] if blocks else datetime.fromtimestamp(0, graph.clock().tzinfo)


def _methods(view: View, who: str) -> list[str]:
    held = view.where(Table.AUTHENTICATION_METHODS, _user=who)
    return sorted(str(row["_type"]) for row in held if row["_type"] != _PASSWORD)


def _mentions(view: View, who: str) -> set[str]:
    """What names a person elsewhere: links from and to them, and records with their id in it."""
    found = {f"{table} {_word(row)}" for table, row in _elsewhere(view) if who in str(row)}
    for kind in set(Link) - _HISTORIC_LINKS:
        found |= {f"{kind} of {one}" for one in view.sources(kind, who)}
    return found


def _elsewhere(view: View) -> Iterator[tuple[Table, Record]]:
    for table in Table:
        if table not in _HISTORY | _OWN:
            yield from ((table, row) for row in view.every(table) if not _is_over(table, row))


def _is_over(table: Table, row: Record) -> bool:
    """An access package that was taken away is still listed, and gives nothing."""
    return table is Table.PACKAGE_ASSIGNMENTS and row["state"] == "expired"


def _word(row: Record) -> str:
    return str(row.get("displayName") or row["id"])


def _not_with(view: View, who: str, successor: str) -> list[str]:
    """Applications that a person made and that the successor does not own, or they still do."""
    made = (view.get(Table.APPLICATIONS, one) for one in view.targets(Link.CREATED, who))
    owners = {row["id"]: set(view.targets(Link.OWNER, row["id"])) for row in made if row}
    return sorted(key for key, held in owners.items() if successor not in held or who in held)
