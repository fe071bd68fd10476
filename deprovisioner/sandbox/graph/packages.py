"""Access packages: assignments that put people into groups, and back again when taken out.

The rules kept: a request is accepted first and delivered after `Delays.packages`; while an
assignment is delivered, whoever is taken out of its group is put back. So the assignment goes
before the group.
"""

from deprovisioner.sandbox.graph import objects
from deprovisioner.sandbox.graph.errors import GraphError, bad_request
from deprovisioner.sandbox.graph.query import Typed
from deprovisioner.sandbox.graph.routing import Call, Item, Listing, Reply, Route, World, routes
from deprovisioner.sandbox.graph.store import Link, Record, Table, View
from deprovisioner.sandbox.graph.vocabulary import Kind
from deprovisioner.sandbox.graph.wording import words

_ASSIGNMENT_SHOWN = words(
    "customExtensionCalloutInstances expiredDateTime id schedule state status"
)
ASSIGNMENT = Kind(
    "accessPackageAssignment",
    _ASSIGNMENT_SHOWN,
    _ASSIGNMENT_SHOWN,
    basic={
        name: words("eq")
        for name in ("target/objectId", "target/id", "state", "accessPackage/id", "id")
    },
)
_REQUEST_SHOWN = words("completedDateTime createdDateTime id requestType schedule state status")
REQUEST = Kind("accessPackageAssignmentRequest", _REQUEST_SHOWN, _REQUEST_SHOWN)
_OPTIONS = words("$select $filter $top $skiptoken $expand $count")


def _target(_view: View, record: Record) -> object:
    return record["target"]


def _package(_view: View, record: Record) -> object:
    return record["accessPackage"]


def _policy(_view: View, record: Record) -> object:
    return record["assignmentPolicy"]


_EXPANSIONS = {"target": _target, "accessPackage": _package, "assignmentPolicy": _policy}


def _assignments(call: Call) -> Reply:
    items = [Typed(ASSIGNMENT, row) for row in call.view.every(Table.PACKAGE_ASSIGNMENTS)]
    context = "identityGovernance/entitlementManagement/assignments"
    return Listing(
        ASSIGNMENT, items, context, directory=False, expansions=_EXPANSIONS, options=_OPTIONS
    )


def _requests(call: Call) -> Reply:
    items = [Typed(REQUEST, row) for row in call.view.every(Table.PACKAGE_REQUESTS)]
    context = "identityGovernance/entitlementManagement/assignmentRequests"
    return Listing(REQUEST, items, context, directory=False, options=_OPTIONS)


def _request(call: Call) -> Reply:
    found = call.view.get(Table.PACKAGE_REQUESTS, call.path["request"])
    if found is None:
        raise GraphError(404, "ResourceNotFound", "The assignment request was not found.")
    context = "identityGovernance/entitlementManagement/assignmentRequests/$entity"
    return Item(Typed(REQUEST, found), context)


def _ask(call: Call) -> Reply:
    kind, assignment = call.body.get("requestType"), call.body.get("assignment")
    if not isinstance(assignment, dict) or kind not in {"adminRemove", "adminAdd"}:
        raise bad_request("requestType and assignment are needed.", "InvalidRequest")
    carry_out = _removal(call, assignment) if kind == "adminRemove" else _addition(call, assignment)
    record: Record = {
        "id": call.world.new_id(),
        "requestType": kind,
        "state": "submitted",
        "status": "Accepted",
        "createdDateTime": objects.stamp(call.world.now),
        "completedDateTime": None,
        "schedule": None,
    }
    call.world.store.put(Table.PACKAGE_REQUESTS, record)

    def deliver() -> None:
        carry_out(call.world)
        done = objects.stamp(call.world.now)
        call.world.store.change(
            Table.PACKAGE_REQUESTS,
            record["id"],
            state="delivered",
            status="Delivered",
            completedDateTime=done,
        )

    call.world.agenda.after(call.world.delays.packages, deliver)
    context = "identityGovernance/entitlementManagement/assignmentRequests/$entity"
    return Item(Typed(REQUEST, record), context, status=201)


class _Work:
    """What a request does when it is delivered."""

    def __init__(self, record: Record, *, standing: bool) -> None:
        self._record, self._standing = record, standing

    def __call__(self, world: World) -> None:
        """Put the person in, or take the person out."""
        user, group = self._record["target"]["objectId"], self._record["_group"]
        if self._standing:
            world.store.put(Table.PACKAGE_ASSIGNMENTS, self._record)
            world.store.link(Link.MEMBER, group, user)
            return
        ended = {"state": "expired", "status": "ExpiredRequest"}
        world.store.change(
            Table.PACKAGE_ASSIGNMENTS,
            self._record["id"],
            **ended,
            expiredDateTime=objects.stamp(world.now),
        )
        world.store.unlink(Link.MEMBER, group, user)


def _removal(call: Call, assignment: Record) -> _Work:
    key = str(assignment.get("id", ""))
    found = call.world.truth.get(Table.PACKAGE_ASSIGNMENTS, key)
    if found is None:
        raise GraphError(404, "ResourceNotFound", "The assignment was not found.")
    if found["state"] != "delivered":
        raise bad_request("The assignment is not delivered.", "InvalidRequest")
    return _Work(found, standing=False)


def _addition(call: Call, assignment: Record) -> _Work:
    package = call.world.truth.get(
        Table.ACCESS_PACKAGES, str(assignment.get("accessPackageId", ""))
    )
    if package is None:
        raise GraphError(404, "ResourceNotFound", "The access package was not found.")
    user = objects.user(call.world.truth, str(assignment.get("targetId", "")))
    return _Work(delivered(call.world.new_id(), package, user), standing=True)


def delivered(key: str, package: Record, user: Record) -> Record:
    """Return an assignment of a package to a user, delivered."""
    return {
        "id": key,
        "state": "delivered",
        "status": "Delivered",
        "expiredDateTime": None,
        "schedule": {
            "startDateTime": None,
            "recurrence": None,
            "expiration": {"endDateTime": None, "duration": None, "type": "noExpiration"},
        },
        "customExtensionCalloutInstances": [],
        "target": {
            "id": key,
            "objectId": user["id"],
            "displayName": user["displayName"],
            "principalName": user["userPrincipalName"],
        },
        "accessPackage": {"id": package["id"], "displayName": package["displayName"]},
        "assignmentPolicy": {"id": package["_policy"], "displayName": "Initial Policy"},
        "_group": package["_group"],
    }


def put_back_later(world: World, group: str, user: str) -> None:
    """Let a package put a person back whom somebody took out of its group."""

    def standing() -> bool:
        rows = world.truth.where(Table.PACKAGE_ASSIGNMENTS, _group=group, state="delivered")
        return any(row["target"]["objectId"] == user for row in rows)

    def put_back() -> None:
        if standing():
            world.store.link(Link.MEMBER, group, user)

    if standing():
        world.agenda.after(world.delays.packages, put_back)


_BASE = "/identityGovernance/entitlementManagement"

ROUTES: tuple[Route, ...] = (
    *routes(
        "EntitlementManagement.Read.All EntitlementManagement.ReadWrite.All",
        ("GET", f"{_BASE}/assignments", _assignments),
        ("GET", f"{_BASE}/assignmentRequests", _requests),
        ("GET", f"{_BASE}/assignmentRequests/{{request}}", _request),
    ),
    *routes("EntitlementManagement.ReadWrite.All", ("POST", f"{_BASE}/assignmentRequests", _ask)),
)
