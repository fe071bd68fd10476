"""The tenant's roles, units, eligibilities and access packages, and who has them.

Called by `hosting` after people and groups are there. The hybrid and the cloud-only leaver are
eligible only, so that an app may still disable them; the privileged leaver and the second accounts
are active admins, whom it may not.
"""

from datetime import datetime, timedelta

from deprovisioner.sandbox.graph import packages, roles
from deprovisioner.sandbox.graph.objects import stamp
from deprovisioner.sandbox.graph.store import Link, Record, Store, Table
from deprovisioner.sandbox.graph.tenant import Tenant, identifier

ROLE_NAMES = (
    "Global Administrator",
    "Privileged Authentication Administrator",
    "User Administrator",
    "Helpdesk Administrator",
    "Security Reader",
    "Application Administrator",
)


def definition_id(name: str) -> str:
    """Return the id of a role by its name."""
    return identifier(f"role {name}")


def load(store: Store, tenant: Tenant, now: datetime) -> None:
    """Make roles and units, and give them out."""
    for name in ROLE_NAMES:
        _role(store, name)
    for key in ("Shanghai", "Berlin"):
        unit = identifier(f"unit {key}")
        record: Record = {"id": unit, "displayName": f"{key} Office", "description": None}
        store.put(Table.ADMINISTRATIVE_UNITS, {**record, "visibility": None})
    for person in (tenant.leaver, tenant.cloud_leaver, tenant.privileged_leaver):
        user = tenant.user_id(person.employment_id)
        store.link(Link.MEMBER, identifier("unit Shanghai"), user)
        _eligible(store, tenant, user, now)
        _package(store, tenant, user)
    privileged = tenant.user_id(tenant.privileged_leaver.employment_id)
    _active(store, privileged, "Security Reader", now)
    _activated(store, privileged, "Helpdesk Administrator", now)
    _scoped(store, privileged, tenant.privileged_leaver.display_name)
    for number, person in enumerate((tenant.leaver, tenant.privileged_leaver)):
        admin = tenant.admin_id(person)
        _active(store, admin, "User Administrator", now)
        if number == 0:
            _activated(store, admin, "Application Administrator", now)
    _active(store, tenant.break_glass_id, "Global Administrator", now)
    _active(store, tenant.group_id("Tier 1 Operators"), "Helpdesk Administrator", now)


def _role(store: Store, name: str) -> None:
    key = definition_id(name)
    store.put(
        Table.ROLE_DEFINITIONS,
        {
            "id": key,
            "templateId": key,
            "displayName": name,
            "description": name,
            "isBuiltIn": True,
            "isEnabled": True,
            "version": "1",
        },
    )
    role: Record = {"id": identifier(f"directoryRole {name}"), "displayName": name}
    role.update(description=name, roleTemplateId=key, deletedDateTime=None)
    store.put(Table.DIRECTORY_ROLES, role)


def _held(user: str, name: str, now: datetime, word: str) -> Record:
    return {
        "id": identifier(f"{word} {name} {user}"),
        "principalId": user,
        "roleDefinitionId": definition_id(name),
        "directoryScopeId": "/",
        "_start": stamp(now - timedelta(days=60)),
        "_end": None,
        "_type": "Assigned",
    }


def _active(store: Store, user: str, name: str, now: datetime) -> None:
    roles.assign(store, _held(user, name, now, "active"))


def _activated(store: Store, user: str, name: str, now: datetime) -> None:
    """An eligible role that the person has activated for some hours."""
    store.put(Table.ROLE_ELIGIBILITIES, _held(user, name, now, "eligible"))
    record = _held(user, name, now, "activated")
    start, end = stamp(now - timedelta(hours=1)), stamp(now + timedelta(hours=7))
    roles.assign(store, {**record, "_start": start, "_end": end, "_type": "Activated"})


def _eligible(store: Store, tenant: Tenant, user: str, now: datetime) -> None:
    store.put(Table.ROLE_ELIGIBILITIES, _held(user, "User Administrator", now, "eligible"))
    group = tenant.group_id("Just In Time")
    record: Record = {
        "id": identifier(f"eligible group {user}"),
        "principalId": user,
        "groupId": group,
        "accessId": "member",
        "_start": stamp(now - timedelta(days=60)),
        "_end": stamp(now + timedelta(days=300)),
    }
    store.put(Table.GROUP_ELIGIBILITIES, record)
    deploy = tenant.group_id("Deploy Window")
    active = {**record, "id": identifier(f"active group {user}"), "groupId": deploy}
    store.put(Table.GROUP_ASSIGNMENTS, {**active, "_type": "Assigned"})
    store.link(Link.MEMBER, deploy, user)


def _scoped(store: Store, user: str, name: str) -> None:
    record: Record = {
        "id": identifier(f"scoped {user}"),
        "administrativeUnitId": identifier("unit Berlin"),
        "roleId": identifier("directoryRole Helpdesk Administrator"),
        "roleMemberInfo": {"id": user, "displayName": name},
        "_user": user,
    }
    store.put(Table.SCOPED_ROLES, record)


def _package(store: Store, tenant: Tenant, user: str) -> None:
    package: Record = {
        "id": identifier("package Atlas"),
        "displayName": "Atlas project",
        "_policy": identifier("package policy Atlas"),
        "_group": tenant.group_id("Atlas Package"),
    }
    store.put(Table.ACCESS_PACKAGES, package)
    record = store.view(store.now).get(Table.USERS, user)
    if record is not None:
        key = identifier(f"package Atlas {user}")
        store.put(Table.PACKAGE_ASSIGNMENTS, packages.delivered(key, package, record))
        store.link(Link.MEMBER, package["_group"], user)
