"""Users: read, find, disable, reset, end sessions, delete, and what they are tied to.

The rules of the vendor kept here: members that come only when asked for; a permission for each
kind of change; synced members that only AD may change; admins that need more than a Graph
permission; a reset of sessions that moves one date and does nothing for guests.
"""

from collections.abc import Mapping
from datetime import timedelta
from types import MappingProxyType

from deprovisioner.sandbox.graph import dynamic, licences, objects
from deprovisioner.sandbox.graph.errors import GraphError, bad_request, not_found
from deprovisioner.sandbox.graph.query import Expansion, Typed, show
from deprovisioner.sandbox.graph.routing import (
    Answer,
    Call,
    Item,
    Listing,
    Reply,
    Route,
    routes,
)
from deprovisioner.sandbox.graph.store import Link, Record, Table, View
from deprovisioner.sandbox.graph.vocabulary import (
    ADMINISTRATIVE_UNIT,
    DIRECTORY_OBJECT,
    DIRECTORY_ROLE,
    GROUP,
    USER,
    Kind,
)
from deprovisioner.sandbox.graph.wording import words

_READ = "User.Read.All User.ReadWrite.All Directory.Read.All Directory.ReadWrite.All"
_DIRECTORY_READ = "Directory.Read.All Directory.ReadWrite.All"
_OWN_PERMISSION: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "accountEnabled": ("User.EnableDisableAccount.All", "User.ReadWrite.All"),
        "passwordProfile": ("User-PasswordProfile.ReadWrite.All",),
        "identities": ("User.ManageIdentities.All", "User.ReadWrite.All"),
        "mail": ("User-Mail.ReadWrite.All", "User.ReadWrite.All"),
    }
)
"""Members whose change needs a permission of their own; all others need User.ReadWrite.All."""
_SENSITIVE = words(
    "accountEnabled passwordProfile mobilePhone businessPhones otherMails userPrincipalName"
)
_MASTERED_ABROAD = words(
    """
    displayName givenName surname jobTitle department companyName employeeId employeeType
    mobilePhone businessPhones officeLocation streetAddress city state country postalCode mail
    mailNickname proxyAddresses onPremisesExtensionAttributes userPrincipalName passwordProfile
    """
)
"""What only AD may change on a synced user; `accountEnabled` is accepted (until the next sync)."""
_CHANGEABLE = _MASTERED_ABROAD | words(
    """
    accountEnabled identities authorizationInfo otherMails usageLocation preferredLanguage
    employeeLeaveDateTime employeeHireDate employeeOrgData showInAddressList userType ageGroup
    passwordPolicies faxNumber preferredDataLocation
    """
)


def _manager(view: View, record: Record) -> object:
    keys = view.targets(Link.MANAGER, record["id"])
    found = objects.typed(view, keys)
    return show(found[0], None, mixed=True) if found else None


_EXPANSIONS: Mapping[str, Expansion] = MappingProxyType({"manager": _manager})


def _list(call: Call) -> Reply:
    users = call.view.every(Table.USERS)
    # Worked out from groups, so for everybody only where everybody is asked for it.
    if _filters_licences(call):
        users = licences.with_licences(call.view, users)
    asked = licences.MEMBERS & (call.query.selected(USER) or frozenset())
    return Listing(
        USER,
        [Typed(USER, user) for user in users],
        "users",
        expansions=_EXPANSIONS,
        complete=licences.with_licences if asked else None,
    )


def _filters_licences(call: Call) -> bool:
    return "assignedLicenses" in call.query.options.get("$filter", "")


def _count(call: Call) -> Reply:
    if not call.query.advanced:
        raise bad_request("$count is not currently supported.", "Request_BadRequest")
    number = sum(1 for _ in call.view.every(Table.USERS))
    return Answer(200, str(number).encode(), content_type="text/plain")


def _get(call: Call) -> Reply:
    found = licences.one(call.view, objects.user(call.view, call.path["user"]))
    return Item(Typed(USER, found), "users/$entity", expansions=_EXPANSIONS)


def _patch(call: Call) -> Reply:
    changes = {name: value for name, value in call.body.items() if name != "@odata.type"}
    old = objects.user(call.world.truth, call.path["user"])
    if not changes:
        raise bad_request("A payload is required.")
    for name in changes:
        if name not in _CHANGEABLE:
            raise bad_request(f"Property '{name}' is read-only and cannot be set.")
        call.caller.need(*_OWN_PERMISSION.get(name, ("User.ReadWrite.All",)))
    _refuse_synced(old, changes)
    if not _SENSITIVE.isdisjoint(changes):
        objects.refuse_privileged(call, old["id"])
    call.world.store.change(Table.USERS, old["id"], **_as_stored(call, changes))
    dynamic.evaluate_later(call.world)
    return Answer(204)


def _refuse_synced(old: Record, changes: Record) -> None:
    if old.get("onPremisesSyncEnabled") and not old.get("_cloudManaged"):
        for name in sorted(_MASTERED_ABROAD.intersection(changes)):
            raise bad_request(
                "Unable to update the specified properties for on-premises mastered Directory "
                f"Sync objects or objects currently undergoing migration: {name}."
            )


def _as_stored(call: Call, changes: Record) -> Record:
    stored = dict(changes)
    profile = stored.pop("passwordProfile", None)
    if profile is not None:
        if not isinstance(profile, dict) or len(str(profile.get("password", ""))) < 8:
            raise bad_request(
                "The specified password does not comply with password complexity requirements."
            )
        # Write-only: a later read shows null.
        stored["_password"] = profile["password"]
        forced = bool(profile.get("forceChangePasswordNextSignIn"))
        stored["passwordProfile"] = {
            "forceChangePasswordNextSignIn": forced,
            "forceChangePasswordNextSignInWithMfa": False,
            "password": None,
        }
        stored["lastPasswordChangeDateTime"] = objects.stamp(call.world.now)
    if "accountEnabled" in stored and not isinstance(stored["accountEnabled"], bool):
        raise bad_request("Cannot convert the value of 'accountEnabled' to Edm.Boolean.")
    return stored


def _delete(call: Call) -> Reply:
    old = objects.user(call.world.truth, call.path["user"])
    objects.refuse_privileged(call, old["id"])
    if old.get("onPremisesSyncEnabled"):
        raise bad_request("Synced objects are deleted where they are mastered.")
    objects.drop_object(call, Table.USERS, old["id"])
    return Answer(204)


def _revoke_sessions(call: Call) -> Reply:
    old = objects.user(call.world.truth, call.path["user"])
    # No effect on external users: the call succeeds, the date does not move.
    if old.get("userType") != "Guest":
        when = call.world.now + timedelta(seconds=1)
        call.world.store.change(
            Table.USERS, old["id"], signInSessionsValidFromDateTime=objects.stamp(when)
        )
    context = f"{call.world.base_url}/$metadata#Edm.Boolean"
    return Answer(200, {"@odata.context": context, "value": True})


# ------------------------------------------------------------------------------- what they hold


def _visible(call: Call, keys: list[str], cast: str = "") -> list[Typed]:
    """Return group-like objects; of those the caller may not see, only type and id."""
    shown = []
    for item in objects.typed(call.view, keys):
        if cast and item.kind.name != cast:
            continue
        blind = not call.caller.has(*_SEES.get(item.kind.name, ()), *_DIRECTORY_READ.split())
        shown.append(Typed(item.kind, {"id": item.record["id"]}) if blind else item)
    return shown


_SEES: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "group": ("Group.Read.All", "Group.ReadWrite.All", "GroupMember.Read.All"),
        "directoryRole": ("RoleManagement.Read.Directory", "RoleManagement.ReadWrite.Directory"),
        "administrativeUnit": ("AdministrativeUnit.Read.All", "AdministrativeUnit.ReadWrite.All"),
    }
)
_CASTS: Mapping[str, Kind] = MappingProxyType(
    {kind.name: kind for kind in (GROUP, DIRECTORY_ROLE, ADMINISTRATIVE_UNIT)}
)


def _cast(call: Call) -> str:
    name = call.path.get("cast", "").removeprefix("microsoft.").removeprefix("graph.")
    if "cast" in call.path and name not in _CASTS:
        raise bad_request(
            f"Resource not found for the segment '{call.path['cast']}'.", "BadRequest"
        )
    return name


def _member_of(call: Call) -> Reply:
    key, cast = objects.user(call.view, call.path["user"])["id"], _cast(call)
    items = _visible(call, call.view.sources(Link.MEMBER, key), cast)
    return _memberships(items, cast)


def _transitive_member_of(call: Call) -> Reply:
    key, cast = objects.user(call.view, call.path["user"])["id"], _cast(call)
    return _memberships(_visible(call, objects.transitive_groups(call.view, key), cast), cast)


def _memberships(items: list[Typed], cast: str) -> Listing:
    if cast:
        return Listing(_CASTS[cast], items, f"{cast}s")
    return Listing(DIRECTORY_OBJECT, items, "directoryObjects", mixed=True)


def _owned_objects(call: Call) -> Reply:
    key = objects.user(call.view, call.path["user"])["id"]
    items = objects.typed(call.view, call.view.sources(Link.OWNER, key))
    return Listing(DIRECTORY_OBJECT, items, "directoryObjects", mixed=True)


def _created_objects(call: Call) -> Reply:
    key = objects.user(call.view, call.path["user"])["id"]
    items = objects.typed(call.view, call.view.targets(Link.CREATED, key))
    return Listing(DIRECTORY_OBJECT, items, "directoryObjects", mixed=True)


def _direct_reports(call: Call) -> Reply:
    key = objects.user(call.view, call.path["user"])["id"]
    items = objects.typed(call.view, call.view.sources(Link.MANAGER, key))
    return Listing(DIRECTORY_OBJECT, items, "directoryObjects", mixed=True)


def _get_manager(call: Call) -> Reply:
    key = objects.user(call.view, call.path["user"])["id"]
    found = objects.typed(call.view, call.view.targets(Link.MANAGER, key))
    if not found:
        raise not_found("manager")
    return Item(found[0], "directoryObjects/$entity", mixed=True)


def _get_manager_reference(call: Call) -> Reply:
    key = objects.user(call.view, call.path["user"])["id"]
    keys = call.view.targets(Link.MANAGER, key)
    if not keys:
        raise not_found("manager")
    base = call.world.base_url
    body = {
        "@odata.context": f"{base}/$metadata#$ref",
        "@odata.id": f"{base}/directoryObjects/{keys[0]}/microsoft.graph.user",
    }
    return Answer(200, body)


def _put_manager(call: Call) -> Reply:
    old = objects.user(call.world.truth, call.path["user"])
    _refuse_synced_manager(old)
    manager = objects.referred(call)
    for key in call.world.truth.targets(Link.MANAGER, old["id"]):
        call.world.store.unlink(Link.MANAGER, old["id"], key)
    call.world.store.link(Link.MANAGER, old["id"], manager)
    return Answer(204)


def _delete_manager(call: Call) -> Reply:
    old = objects.user(call.world.truth, call.path["user"])
    _refuse_synced_manager(old)
    keys = call.world.truth.targets(Link.MANAGER, old["id"])
    if not keys:
        raise not_found("manager")
    call.world.store.unlink(Link.MANAGER, old["id"], keys[0])
    return Answer(204)


def _refuse_synced_manager(old: Record) -> None:
    if old.get("onPremisesSyncEnabled") and not old.get("_cloudManaged"):
        raise bad_request(
            "Unable to update the specified properties for on-premises mastered Directory Sync "
            "objects or objects currently undergoing migration: manager."
        )


def _sync_behavior(call: Call) -> Reply:
    found = objects.user(call.view, call.path["user"])
    if not found.get("onPremisesSyncEnabled"):
        raise GraphError(404, "Request_ResourceNotFound", "The object is not synced.")
    body = {"id": found["id"], "isCloudManaged": bool(found.get("_cloudManaged"))}
    context = f"{call.world.base_url}/$metadata#users('{found['id']}')/onPremisesSyncBehavior"
    return Answer(200, {"@odata.context": context, **body})


def _set_sync_behavior(call: Call) -> Reply:
    found = objects.user(call.world.truth, call.path["user"])
    value = call.body.get("isCloudManaged")
    if not isinstance(value, bool):
        raise bad_request("A value is required for property 'isCloudManaged'.")
    call.world.store.change(Table.USERS, found["id"], _cloudManaged=value)
    return Answer(204)


ROUTES: tuple[Route, ...] = (
    *routes(
        _READ,
        ("GET", "/users", _list),
        ("GET", "/users/$count", _count),
        ("GET", "/users/{user}", _get),
        ("GET", "/users/{user}/ownedObjects", _owned_objects),
        ("GET", "/users/{user}/createdObjects", _created_objects),
        ("GET", "/users/{user}/directReports", _direct_reports),
        ("GET", "/users/{user}/manager", _get_manager),
        ("GET", "/users/{user}/manager/$ref", _get_manager_reference),
        units=2,
    ),
    *routes(
        "Directory.Read.All Directory.ReadWrite.All Group.ReadBasic.All GroupMember.ReadBasic.All",
        ("GET", "/users/{user}/memberOf", _member_of),
        ("GET", "/users/{user}/memberOf/{cast}", _member_of),
        units=2,
    ),
    *routes(
        "User.Read.All Directory.Read.All Group.Read.All Group.ReadBasic.All GroupMember.Read.All",
        ("GET", "/users/{user}/transitiveMemberOf", _transitive_member_of),
        ("GET", "/users/{user}/transitiveMemberOf/{cast}", _transitive_member_of),
        units=5,
    ),
    *routes(
        "User.ReadWrite.All User.EnableDisableAccount.All User-PasswordProfile.ReadWrite.All "
        "User.ManageIdentities.All User-Mail.ReadWrite.All",
        ("PATCH", "/users/{user}", _patch),
    ),
    *routes("User.DeleteRestore.All User.ReadWrite.All", ("DELETE", "/users/{user}", _delete)),
    *routes(
        "User.RevokeSessions.All User.ReadWrite.All Directory.ReadWrite.All",
        ("POST", "/users/{user}/revokeSignInSessions", _revoke_sessions),
    ),
    *routes(
        "User.ReadWrite.All Directory.ReadWrite.All",
        ("PUT", "/users/{user}/manager/$ref", _put_manager),
        ("DELETE", "/users/{user}/manager/$ref", _delete_manager),
    ),
    *routes(
        "User-OnPremisesSyncBehavior.ReadWrite.All",
        ("GET", "/users/{user}/onPremisesSyncBehavior", _sync_behavior),
        ("PATCH", "/users/{user}/onPremisesSyncBehavior", _set_sync_behavior),
    ),
    Route(
        "POST",
        "/users/{user}/authentication/methods/{method}/resetPassword",
        objects.delegated_only,
        (),
    ),
)
