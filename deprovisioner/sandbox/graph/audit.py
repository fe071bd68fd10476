"""The directory's own logs: changes some minutes late, sign-ins, and their narrow request limit.

`directoryAudits` is written from what the state itself noted (`witness`), not from requests, so it
tells what changed and by whom. The vendor's limit for these reports is 5 requests in 10 s.
"""

from collections.abc import Callable
from datetime import timedelta

from deprovisioner.sandbox.graph import objects
from deprovisioner.sandbox.graph.errors import throttled
from deprovisioner.sandbox.graph.query import Typed
from deprovisioner.sandbox.graph.routing import Call, Listing, Reply, Route, routes
from deprovisioner.sandbox.graph.store import Record, Table
from deprovisioner.sandbox.graph.vocabulary import Kind
from deprovisioner.sandbox.graph.witness import Changed, Witness
from deprovisioner.sandbox.graph.wording import words

SIGN_IN = Kind(
    "signIn",
    words(
        "appDisplayName appId clientAppUsed correlationId createdDateTime id ipAddress "
        "isInteractive resourceDisplayName status userDisplayName userId userPrincipalName"
    ),
    basic={
        "userId": words("eq"),
        "createdDateTime": words("ge le gt lt"),
        "userPrincipalName": words("eq startswith"),
        "appId": words("eq"),
    },
)
AUDIT = Kind(
    "directoryAudit",
    words(
        "activityDateTime activityDisplayName additionalDetails category correlationId id "
        "initiatedBy loggedByService operationType result resultReason targetResources"
    ),
    basic={
        "activityDateTime": words("ge le gt lt"),
        "category": words("eq"),
        "targetResources": words("any-eq"),
        "activityDisplayName": words("eq startswith"),
    },
)
_OPTIONS = words("$filter $top $skiptoken")
_LIMIT, _WINDOW = 5, timedelta(seconds=10)


class Reports:
    """The handlers of the logs: they need the witness and count requests by app."""

    def __init__(self, witness: Witness) -> None:
        self._witness = witness
        self._asked: dict[str, list[float]] = {}

    @property
    def routes(self) -> tuple[Route, ...]:
        """The routes of the logs."""
        return routes(
            "AuditLog.Read.All",
            ("GET", "/auditLogs/signIns", self._limited(self._sign_ins)),
            ("GET", "/auditLogs/directoryAudits", self._limited(self._audits)),
        )

    def _limited(self, handler: Callable[[Call], Reply]) -> Callable[[Call], Reply]:
        def limited(call: Call) -> Reply:
            now = call.world.now.timestamp()
            asked = self._asked.setdefault(call.caller.app.value, [])
            asked[:] = [at for at in asked if now - at < _WINDOW.total_seconds()]
            if len(asked) >= _LIMIT:
                raise throttled(max(1, round(_WINDOW.total_seconds() - (now - asked[0]))))
            asked.append(now)
            return handler(call)

        return limited

    def _sign_ins(self, call: Call) -> Reply:
        items = [Typed(SIGN_IN, row) for row in call.view.every(Table.SIGN_INS)]
        context = "auditLogs/signIns"
        return Listing(SIGN_IN, items, context, directory=False, most=1000, options=_OPTIONS)

    def _audits(self, call: Call) -> Reply:
        until = call.world.now - call.world.delays.audit
        told = [
            Typed(AUDIT, _told(number, change))
            for number, change in enumerate(self._witness.changes)
            if change.at <= until
        ]
        context = "auditLogs/directoryAudits"
        return Listing(AUDIT, told, context, directory=False, most=1000, options=_OPTIONS)


def _told(number: int, change: Changed) -> Record:
    source, _, target = change.key.partition("/")
    verbs = {(True, False): "Add", (False, True): "Delete"}
    verb = verbs.get((change.before is None, change.after is None), "Update")
    return {
        "id": f"Directory_{number:08d}",
        "activityDateTime": objects.stamp(change.at),
        "activityDisplayName": f"{verb} {change.place}",
        "category": _CATEGORIES.get(change.place, "Core Directory"),
        "correlationId": None,
        "result": "success",
        "resultReason": "",
        "loggedByService": "Core Directory",
        "operationType": verb,
        "initiatedBy": {"app": {"displayName": change.by}, "user": None},
        "targetResources": [{"id": key} for key in (target, source) if key],
        "additionalDetails": [],
    }


_CATEGORIES = {
    "users": "UserManagement",
    "members": "GroupManagement",
    "owners": "GroupManagement",
    "roleAssignments": "RoleManagement",
    "roleEligibilities": "RoleManagement",
    "devices": "Device",
}
