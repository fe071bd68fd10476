"""Dynamic groups: who their rule means, and the evaluation that comes later.

Called by `groups` when a rule changes, by `users` when a person does, and by `collective` for the
start. Rules are of one form here: `user.<member> -eq "<value>"`; one that cannot be read means
nobody.
"""

from deprovisioner.sandbox.graph.routing import World
from deprovisioner.sandbox.graph.store import Link, Table, View


def matching(view: View, rule: str) -> list[str]:
    """Return the ids of the users that a rule means."""
    words = rule.replace("(", " ").replace(")", " ").split(maxsplit=2)
    if len(words) != 3 or words[1] != "-eq" or not words[0].startswith("user."):
        return []
    member, value = words[0].removeprefix("user."), words[2].strip().strip('"')
    wanted: object = {"true": True, "false": False}.get(value, value)
    return [user["id"] for user in view.every(Table.USERS) if user.get(member) == wanted]


def evaluate_later(world: World) -> None:
    """Bring every dynamic group in line with its rule, after a while."""
    world.agenda.after(world.delays.dynamic, lambda: _evaluate(world))


def _evaluate(world: World) -> None:
    view = world.truth
    for group in list(view.every(Table.GROUPS)):
        if "DynamicMembership" not in group["groupTypes"]:
            continue
        wanted = set(matching(view, group.get("membershipRule") or ""))
        present = set(view.targets(Link.MEMBER, group["id"]))
        for user in sorted(wanted - present):
            world.store.link(Link.MEMBER, group["id"], user)
        for user in sorted(present - wanted):
            world.store.unlink(Link.MEMBER, group["id"], user)
