"""Directory roles, their assignments, administrative units and roles within units.

Time-bound and eligible assignments (PIM) are in `schedules`; both areas share the table of active
assignments. An assignment for the whole directory also shows as membership of the role's object,
as `memberOf` does in the real service.
"""

from deprovisioner.sandbox.graph import objects
from deprovisioner.sandbox.graph.errors import bad_request, not_found
from deprovisioner.sandbox.graph.query import Typed
from deprovisioner.sandbox.graph.routing import Answer, Call, Item, Listing, Reply, Route, routes
from deprovisioner.sandbox.graph.store import Link, Record, Store, Table, View
from deprovisioner.sandbox.graph.vocabulary import (
    ADMINISTRATIVE_UNIT,
    DIRECTORY_OBJECT,
    DIRECTORY_ROLE,
    Kind,
)
from deprovisioner.sandbox.graph.wording import words

DEFINITION = Kind(
    "unifiedRoleDefinition",
    words("description displayName id isBuiltIn isEnabled templateId version"),
    basic={name: words("eq in startswith") for name in ("displayName", "id", "templateId")},
)
ASSIGNMENT = Kind(
    "unifiedRoleAssignment",
    words("appScopeId condition directoryScopeId id principalId roleDefinitionId"),
    basic={
        name: words("eq in") for name in ("principalId", "roleDefinitionId", "directoryScopeId")
    },
)
SCOPED = Kind("scopedRoleMembership", words("administrativeUnitId id roleId roleMemberInfo"))
_LISTED = words("$select $filter $top $skiptoken $expand $count")


def alive(record: Record, view: View) -> bool:
    """Tell whether a time-bound record still stands at the instant of a view."""
    end = record.get("_end")
    return end is None or end > objects.stamp(view.instant)


def role_object(view: View, definition: str) -> str | None:
    """Return the id of the directory role that stands for a definition."""
    for role in view.every(Table.DIRECTORY_ROLES):
        if role["roleTemplateId"] == definition:
            return str(role["id"])
    return None


def assign(store: Store, record: Record) -> None:
    """Make an assignment active; with the scope of the directory also a membership."""
    store.put(Table.ROLE_ASSIGNMENTS, record)
    role = role_object(store.view(store.now), record["roleDefinitionId"])
    if role is not None and record["directoryScopeId"] == "/":
        store.link(Link.MEMBER, role, record["principalId"])


def take_away(store: Store, record: Record) -> None:
    """End an active assignment, and the membership when no other one keeps it."""
    store.drop(Table.ROLE_ASSIGNMENTS, record["id"])
    view = store.view(store.now)
    left = view.where(
        Table.ROLE_ASSIGNMENTS,
        principalId=record["principalId"],
        roleDefinitionId=record["roleDefinitionId"],
        directoryScopeId="/",
    )
    role = role_object(view, record["roleDefinitionId"])
    if role is not None and not left:
        store.unlink(Link.MEMBER, role, record["principalId"])


def definition_of(view: View, record: Record) -> object:
    """Return what `$expand=roleDefinition` shows."""
    found = view.get(Table.ROLE_DEFINITIONS, record["roleDefinitionId"])
    return None if found is None else dict(found)


def principal_of(view: View, record: Record) -> object:
    """Return what `$expand=principal` shows."""
    found = objects.typed(view, [record["principalId"]])
    if not found:
        return None
    shown = {name: found[0].record.get(name) for name in ("id", "displayName")}
    return {"@odata.type": found[0].kind.odata_type, **shown}


_EXPANSIONS = {"roleDefinition": definition_of, "principal": principal_of}


def _definitions(call: Call) -> Reply:
    items = [Typed(DEFINITION, row) for row in call.view.every(Table.ROLE_DEFINITIONS)]
    context = "roleManagement/directory/roleDefinitions"
    return Listing(DEFINITION, items, context, directory=False, options=_LISTED)


def _assignments(call: Call) -> Reply:
    rows = (row for row in call.view.every(Table.ROLE_ASSIGNMENTS) if alive(row, call.view))
    items = [Typed(ASSIGNMENT, row) for row in rows]
    context = "roleManagement/directory/roleAssignments"
    return Listing(
        ASSIGNMENT, items, context, directory=False, expansions=_EXPANSIONS, options=_LISTED
    )


def _assignment(call: Call) -> Reply:
    found = objects.record(call.view, Table.ROLE_ASSIGNMENTS, call.path["assignment"])
    context = "roleManagement/directory/roleAssignments/$entity"
    return Item(Typed(ASSIGNMENT, found), context, expansions=_EXPANSIONS)


def _assign(call: Call) -> Reply:
    record: Record = {
        "id": call.world.new_id(),
        "principalId": call.text("principalId"),
        "roleDefinitionId": call.text("roleDefinitionId"),
        "directoryScopeId": call.text("directoryScopeId"),
    }
    wanted = {name: value for name, value in record.items() if name != "id"}
    if call.world.truth.directory_object(record["principalId"]) is None:
        raise not_found(record["principalId"])
    objects.record(call.world.truth, Table.ROLE_DEFINITIONS, record["roleDefinitionId"])
    if call.world.truth.where(Table.ROLE_ASSIGNMENTS, **wanted):
        raise bad_request(
            "A conflicting object with one or more of the specified property values is present."
        )
    assign(call.world.store, {**record, "_type": "Assigned", "_start": None, "_end": None})
    context = "roleManagement/directory/roleAssignments/$entity"
    return Item(Typed(ASSIGNMENT, record), context, status=201)


def _unassign(call: Call) -> Reply:
    found = objects.record(call.world.truth, Table.ROLE_ASSIGNMENTS, call.path["assignment"])
    take_away(call.world.store, found)
    return Answer(204)


def _roles(call: Call) -> Reply:
    items = objects.of_table(call.view, Table.DIRECTORY_ROLES)
    options = words("$select $filter $expand")
    return Listing(DIRECTORY_ROLE, items, "directoryRoles", options=options)


def _role_members(call: Call) -> Reply:
    found = objects.record(call.view, Table.DIRECTORY_ROLES, call.path["role"])
    items = objects.typed(call.view, call.view.targets(Link.MEMBER, found["id"]))
    return Listing(DIRECTORY_OBJECT, items, "directoryObjects", mixed=True)


# ------------------------------------------------------------------------ administrative units


def _units(call: Call) -> Reply:
    items = objects.of_table(call.view, Table.ADMINISTRATIVE_UNITS)
    return Listing(ADMINISTRATIVE_UNIT, items, "directory/administrativeUnits")


def _unit(call: Call) -> Reply:
    found = objects.record(call.view, Table.ADMINISTRATIVE_UNITS, call.path["unit"])
    return Item(Typed(ADMINISTRATIVE_UNIT, found), "directory/administrativeUnits/$entity")


def _unit_members(call: Call) -> Reply:
    found = objects.record(call.view, Table.ADMINISTRATIVE_UNITS, call.path["unit"])
    items = objects.typed(call.view, call.view.targets(Link.MEMBER, found["id"]))
    return Listing(DIRECTORY_OBJECT, items, "directoryObjects", mixed=True)


def _changeable_unit(call: Call) -> Record:
    found = objects.record(call.world.truth, Table.ADMINISTRATIVE_UNITS, call.path["unit"])
    if found.get("membershipType") == "Dynamic":
        raise bad_request("Cannot update an administrative unit with dynamic membership.")
    return found


def _add_unit_member(call: Call) -> Reply:
    found = _changeable_unit(call)
    objects.add_link(call, Link.MEMBER, found["id"], objects.referred(call))
    return Answer(204)


def _remove_unit_member(call: Call) -> Reply:
    found = _changeable_unit(call)
    objects.remove_link(call, Link.MEMBER, found["id"], call.path["member"])
    return Answer(204)


def _scoped_of_user(call: Call) -> Reply:
    key = objects.user(call.view, call.path["user"])["id"]
    rows = (row for row in call.view.every(Table.SCOPED_ROLES) if row["_user"] == key)
    return Listing(SCOPED, [Typed(SCOPED, row) for row in rows], "scopedRoleMemberships")


def _scoped_of_unit(call: Call) -> Reply:
    found = objects.record(call.view, Table.ADMINISTRATIVE_UNITS, call.path["unit"])
    rows = call.view.where(Table.SCOPED_ROLES, administrativeUnitId=found["id"])
    return Listing(SCOPED, [Typed(SCOPED, row) for row in rows], "scopedRoleMemberships")


def _add_scoped(call: Call) -> Reply:
    found = objects.record(call.world.truth, Table.ADMINISTRATIVE_UNITS, call.path["unit"])
    info = call.body.get("roleMemberInfo")
    member = info.get("id") if isinstance(info, dict) else None
    if not isinstance(member, str):
        raise bad_request("A value is required for property 'roleMemberInfo'.")
    user = objects.user(call.world.truth, member)
    role = objects.record(call.world.truth, Table.DIRECTORY_ROLES, call.text("roleId"))
    record: Record = {
        "id": call.world.new_id(),
        "roleId": role["id"],
        "administrativeUnitId": found["id"],
        "roleMemberInfo": {"id": user["id"], "displayName": user["displayName"]},
    }
    call.world.store.put(Table.SCOPED_ROLES, {**record, "_user": user["id"]})
    return Item(Typed(SCOPED, record), "scopedRoleMemberships/$entity", status=201)


def _remove_scoped(call: Call) -> Reply:
    found = objects.record(call.world.truth, Table.SCOPED_ROLES, call.path["scoped"])
    if found["administrativeUnitId"] != call.path["unit"]:
        raise not_found(call.path["scoped"])
    call.world.store.drop(Table.SCOPED_ROLES, found["id"])
    return Answer(204)


_DIRECTORY = "/roleManagement/directory"
_UNITS = "/directory/administrativeUnits"
_READ = (
    "RoleManagement.Read.Directory RoleManagement.ReadWrite.Directory Directory.Read.All "
    "Directory.ReadWrite.All"
)

ROUTES: tuple[Route, ...] = (
    *routes(
        _READ,
        ("GET", f"{_DIRECTORY}/roleDefinitions", _definitions),
        ("GET", f"{_DIRECTORY}/roleAssignments", _assignments),
        ("GET", f"{_DIRECTORY}/roleAssignments/{{assignment}}", _assignment),
        ("GET", "/directoryRoles", _roles),
        ("GET", "/directoryRoles/{role}/members", _role_members),
        ("GET", f"{_UNITS}/{{unit}}/scopedRoleMembers", _scoped_of_unit),
    ),
    *routes(
        "RoleManagement.ReadWrite.Directory",
        ("POST", f"{_DIRECTORY}/roleAssignments", _assign),
        ("DELETE", f"{_DIRECTORY}/roleAssignments/{{assignment}}", _unassign),
        ("POST", f"{_UNITS}/{{unit}}/scopedRoleMembers", _add_scoped),
        ("DELETE", f"{_UNITS}/{{unit}}/scopedRoleMembers/{{scoped}}", _remove_scoped),
    ),
    *routes(
        "Directory.Read.All Directory.ReadWrite.All AdministrativeUnit.Read.All "
        "AdministrativeUnit.ReadWrite.All",
        ("GET", _UNITS, _units),
        ("GET", f"{_UNITS}/{{unit}}", _unit),
        ("GET", f"{_UNITS}/{{unit}}/members", _unit_members),
    ),
    *routes(
        "Directory.Read.All Directory.ReadWrite.All",
        ("GET", "/users/{user}/scopedRoleMemberOf", _scoped_of_user),
    ),
    *routes(
        "AdministrativeUnit.ReadWrite.All",
        ("POST", f"{_UNITS}/{{unit}}/members/$ref", _add_unit_member),
        ("DELETE", f"{_UNITS}/{{unit}}/members/{{member}}/$ref", _remove_unit_member),
    ),
)
