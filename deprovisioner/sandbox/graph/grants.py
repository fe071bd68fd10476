"""What applications may do for people: consents (delegated grants) and app role assignments.

The rules kept: a user's list shows the roles of the groups it is a direct member of too, and those
cannot be deleted from the user; a consent of an administrator for everybody is nobody's own; a
second delete is a 404.
"""

from deprovisioner.sandbox.graph import objects
from deprovisioner.sandbox.graph.errors import bad_request, not_found
from deprovisioner.sandbox.graph.query import Typed
from deprovisioner.sandbox.graph.routing import Answer, Call, Item, Listing, Reply, Route, routes
from deprovisioner.sandbox.graph.store import Link, Record, Table
from deprovisioner.sandbox.graph.vocabulary import Kind
from deprovisioner.sandbox.graph.wording import words

CONSENT = Kind(
    "oAuth2PermissionGrant",
    words("clientId consentType id principalId resourceId scope"),
    basic={name: words("eq") for name in ("clientId", "consentType", "principalId", "resourceId")},
)
APP_ROLE = Kind(
    "appRoleAssignment",
    words(
        "appRoleId createdDateTime deletedDateTime id principalDisplayName principalId "
        "principalType resourceDisplayName resourceId"
    ),
    basic={"resourceId": words("eq"), "principalId": words("eq")},
)
_OPTIONS = words("$select $filter $top $skiptoken $count")


def _typed_roles(rows: list[Record]) -> list[Typed]:
    return [Typed(APP_ROLE, row) for row in rows]


def _roles_of_user(call: Call) -> Reply:
    key = objects.user(call.view, call.path["user"])["id"]
    principals = [key, *call.view.sources(Link.MEMBER, key)]
    rows = [row for row in call.view.every(Table.APP_ROLES) if row["principalId"] in principals]
    context = f"users('{key}')/appRoleAssignments"
    return Listing(APP_ROLE, _typed_roles(rows), context, options=_OPTIONS)


def _role_of_user(call: Call) -> Reply:
    found = _own(call)
    return Item(Typed(APP_ROLE, found), "appRoleAssignments/$entity")


def _own(call: Call) -> Record:
    key = objects.user(call.world.truth, call.path["user"])["id"]
    found = call.world.truth.get(Table.APP_ROLES, call.path["assignment"])
    if found is None or found["principalId"] != key:
        raise not_found(call.path["assignment"])
    return found


def _remove_role_of_user(call: Call) -> Reply:
    call.world.store.drop(Table.APP_ROLES, _own(call)["id"])
    return Answer(204)


def _roles_of_group(call: Call) -> Reply:
    found = objects.record(call.view, Table.GROUPS, call.path["group"])
    rows = call.view.where(Table.APP_ROLES, principalId=found["id"])
    context = f"groups('{found['id']}')/appRoleAssignments"
    return Listing(APP_ROLE, _typed_roles(rows), context, options=_OPTIONS)


def _roles_of_app(call: Call) -> Reply:
    found = objects.record(call.view, Table.SERVICE_PRINCIPALS, call.path["app"])
    rows = call.view.where(Table.APP_ROLES, principalId=found["id"])
    context = f"servicePrincipals('{found['id']}')/appRoleAssignments"
    return Listing(APP_ROLE, _typed_roles(rows), context, options=_OPTIONS)


def _roles_to_app(call: Call) -> Reply:
    found = objects.record(call.view, Table.SERVICE_PRINCIPALS, call.path["app"])
    rows = call.view.where(Table.APP_ROLES, resourceId=found["id"])
    context = f"servicePrincipals('{found['id']}')/appRoleAssignedTo"
    return Listing(APP_ROLE, _typed_roles(rows), context, options=_OPTIONS)


def _remove_role_to_app(call: Call) -> Reply:
    found = call.world.truth.get(Table.APP_ROLES, call.path["assignment"])
    if found is None or found["resourceId"] != call.path["app"]:
        raise not_found(call.path["assignment"])
    call.world.store.drop(Table.APP_ROLES, found["id"])
    return Answer(204)


def _assign_role(call: Call) -> Reply:
    principal, resource = call.text("principalId"), call.text("resourceId")
    expected = call.path.get("app") or objects.user(call.world.truth, call.path["user"])["id"]
    if expected not in {principal, resource}:
        raise bad_request("The resource or principal is not the one of the address.")
    found = call.world.truth.directory_object(principal)
    app = objects.record(call.world.truth, Table.SERVICE_PRINCIPALS, resource)
    if found is None:
        raise not_found(principal)
    wanted = {"principalId": principal, "resourceId": resource, "appRoleId": call.text("appRoleId")}
    if call.world.truth.where(Table.APP_ROLES, **wanted):
        raise bad_request("Permission being assigned already exists on the object.")
    types = {Table.USERS: "User", Table.GROUPS: "Group"}
    record: Record = {
        "id": call.world.new_id(),
        **wanted,
        "createdDateTime": objects.stamp(call.world.now),
        "deletedDateTime": None,
        "principalDisplayName": found[1].get("displayName"),
        "principalType": types.get(found[0], "ServicePrincipal"),
        "resourceDisplayName": app["displayName"],
    }
    call.world.store.put(Table.APP_ROLES, record)
    return Item(Typed(APP_ROLE, record), "appRoleAssignments/$entity", status=201)


# ------------------------------------------------------------------------------------- consents


def _consents_of_user(call: Call) -> Reply:
    key = objects.user(call.view, call.path["user"])["id"]
    rows = call.view.where(Table.CONSENTS, principalId=key)
    return _consent_list(rows)


def _consents_of_app(call: Call) -> Reply:
    found = objects.record(call.view, Table.SERVICE_PRINCIPALS, call.path["app"])
    return _consent_list(call.view.where(Table.CONSENTS, clientId=found["id"]))


def _consents(call: Call) -> Reply:
    return _consent_list(list(call.view.every(Table.CONSENTS)))


def _consent_list(rows: list[Record]) -> Reply:
    items = [Typed(CONSENT, row) for row in rows]
    context = "oauth2PermissionGrants"
    return Listing(CONSENT, items, context, options=_OPTIONS)


def _consent(call: Call) -> Reply:
    found = objects.record(call.view, Table.CONSENTS, call.path["consent"])
    return Item(Typed(CONSENT, found), "oauth2PermissionGrants/$entity")


def _give_consent(call: Call) -> Reply:
    kind = call.text("consentType")
    principal = call.body.get("principalId")
    if kind not in {"Principal", "AllPrincipals"} or (kind == "Principal") != bool(principal):
        raise bad_request("consentType and principalId do not fit together.")
    record: Record = {
        "id": call.world.new_id(),
        "clientId": call.text("clientId"),
        "consentType": kind,
        "principalId": principal,
        "resourceId": call.text("resourceId"),
        "scope": call.text("scope"),
    }
    same = {name: record[name] for name in ("clientId", "principalId", "resourceId")}
    if call.world.truth.where(Table.CONSENTS, **same):
        raise bad_request(
            "Permission entry already exists.", "Request_MultipleObjectsWithSameKeyValue"
        )
    call.world.store.put(Table.CONSENTS, record)
    return Item(Typed(CONSENT, record), "oauth2PermissionGrants/$entity", status=201)


def _change_consent(call: Call) -> Reply:
    found = objects.record(call.world.truth, Table.CONSENTS, call.path["consent"])
    call.world.store.change(Table.CONSENTS, found["id"], scope=call.text("scope"))
    return Answer(204)


def _remove_consent(call: Call) -> Reply:
    found = objects.record(call.world.truth, Table.CONSENTS, call.path["consent"])
    call.world.store.drop(Table.CONSENTS, found["id"])
    return Answer(204)


_READ_ROLES = "Directory.Read.All AppRoleAssignment.ReadWrite.All Directory.ReadWrite.All"
_WRITE_ROLES = "AppRoleAssignment.ReadWrite.All"
_READ_CONSENTS = "Directory.Read.All DelegatedPermissionGrant.ReadWrite.All Directory.ReadWrite.All"
_WRITE_CONSENTS = "DelegatedPermissionGrant.ReadWrite.All Directory.ReadWrite.All"
_OF_USER, _TO_APP = "/users/{user}/appRoleAssignments", "/servicePrincipals/{app}/appRoleAssignedTo"

ROUTES: tuple[Route, ...] = (
    *routes(
        _READ_ROLES,
        ("GET", _OF_USER, _roles_of_user),
        ("GET", f"{_OF_USER}/{{assignment}}", _role_of_user),
    ),
    *routes(
        f"{_READ_ROLES} Application.Read.All Application.ReadWrite.All",
        ("GET", "/groups/{group}/appRoleAssignments", _roles_of_group),
        ("GET", "/servicePrincipals/{app}/appRoleAssignments", _roles_of_app),
        ("GET", _TO_APP, _roles_to_app),
    ),
    *routes(
        _WRITE_ROLES,
        ("POST", _OF_USER, _assign_role),
        ("DELETE", f"{_OF_USER}/{{assignment}}", _remove_role_of_user),
        ("POST", _TO_APP, _assign_role),
        ("DELETE", f"{_TO_APP}/{{assignment}}", _remove_role_to_app),
    ),
    *routes(
        _READ_CONSENTS,
        ("GET", "/users/{user}/oauth2PermissionGrants", _consents_of_user),
        ("GET", "/servicePrincipals/{app}/oauth2PermissionGrants", _consents_of_app),
        ("GET", "/oauth2PermissionGrants", _consents),
        ("GET", "/oauth2PermissionGrants/{consent}", _consent),
        units=2,
    ),
    *routes(
        _WRITE_CONSENTS,
        ("POST", "/oauth2PermissionGrants", _give_consent),
        ("PATCH", "/oauth2PermissionGrants/{consent}", _change_consent),
        ("DELETE", "/oauth2PermissionGrants/{consent}", _remove_consent),
    ),
)
