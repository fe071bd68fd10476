"""Everybody on the instance: people, second accounts, service accounts, the canary, the ghost.

Called by `hosting` while it fills the store. What they hold comes from `places` and `holdings`.
"""

from datetime import datetime, timedelta

from deprovisioner.sandbox.company import SUFFIX
from deprovisioner.sandbox.gitlab.forge import (
    CANARY,
    DOMAIN,
    EMPLOYEE_ATTRIBUTE,
    ENTRA_PROVIDER,
    LDAP_PROVIDER,
    Account,
    Forge,
)
from deprovisioner.sandbox.gitlab.store import Record, Store, Table, stamp
from deprovisioner.sandbox.people import Person

ADMINISTRATIVE = (31, 42, 68)
"""Who has a second account `adm-…`: the numbers of the employments."""
_NAMESPACES = 500_000
"""Ids of people's own namespaces are this much higher than their user ids."""


def load(store: Store, forge: Forge, now: datetime) -> None:
    """Make all users."""
    root = add_user(store, "root", "Administrator", now, is_admin=True)
    add_user(store, "ghost", "Ghost User", now, _kind="ghost", _internal=True, bot=False)
    add_user(
        store, "alert-bot", "GitLab Alert Bot", now, _kind="internal", _internal=True, bot=True
    )
    for account in Account:
        administers = account in {Account.ACTOR, Account.VERIFIER}
        add_user(store, account.value, account.value, now, is_admin=administers, _created_by=1)
    add_user(store, CANARY, "Canary", now, state="blocked", _created_by=root["id"])
    add_user(store, "break-glass", "Break glass", now, is_admin=True, _created_by=root["id"])
    for person in forge.people:
        _add_person(store, forge, person, now)
    for number in ADMINISTRATIVE:
        person = forge.person(number)
        login, name = f"adm-{person.login}", f"Admin {person.display_name}"
        add_user(store, login, name, now, is_admin=number == 31, _created_by=root["id"])
    add_user(store, "dana.partner", "Dana Partner", now, external=True, _created_by=root["id"])
    for number in range(forge.further_users):
        add_user(store, f"further{number:06d}", f"Further {number}", now)


def add_user(store: Store, username: str, name: str, now: datetime, **more: object) -> Record:
    """Make a user with what every user has; `more` replaces and adds members."""
    created = stamp(now - timedelta(days=900))
    seen = (now - timedelta(days=1)).date().isoformat()
    members: Record = {
        "username": username,
        "name": name,
        "state": "active",
        "locked": False,
        "public_email": "",
        "avatar_url": None,
        "web_url": f"https://gitlab.example.com/{username}",
        "created_at": created,
        "bio": "",
        "location": "",
        "job_title": "",
        "organization": "",
        "bot": False,
        "last_sign_in_at": created,
        "confirmed_at": created,
        "last_activity_on": seen,
        "email": f"{username}@{DOMAIN}",
        "commit_email": f"{username}@{DOMAIN}",
        "projects_limit": 100,
        "current_sign_in_at": stamp(now - timedelta(days=1)),
        "identities": [],
        "scim_identities": [],
        "can_create_group": True,
        "can_create_project": True,
        "two_factor_enabled": True,
        "external": False,
        "private_profile": False,
        "is_admin": False,
        "note": None,
        "namespace_id": None,
        "using_license_seat": True,
        "is_auditor": False,
        "provisioned_by_group_id": None,
        "enterprise_group_id": None,
        "custom_attributes": [],
        "_kind": "human",
        "_internal": False,
        "_created_by": None,
    }
    record = store.add(Table.USERS, **{**members, **more})
    return store.change(Table.USERS, record["id"], namespace_id=record["id"] + _NAMESPACES)


def _add_person(store: Store, forge: Forge, person: Person, now: datetime) -> None:
    states = {
        forge.directory_blocked.login: "ldap_blocked",
        forge.banned.login: "banned",
        forge.pending.login: "blocked_pending_approval",
        forge.dormant.login: "deactivated",
    }
    identities = [{"provider": ENTRA_PROVIDER, "extern_uid": forge.extern_uid(person)}]
    if person.hybrid:
        name = f"uid={person.login},ou=people,{SUFFIX}"
        identities.insert(0, {"provider": LDAP_PROVIDER, "extern_uid": name})
    last = now - timedelta(days=200 if person == forge.dormant else 1)
    add_user(
        store,
        person.login,
        person.display_name,
        now,
        state=states.get(person.login, "active"),
        email=person.work_email,
        commit_email=person.work_email,
        job_title=person.title,
        location=person.site.name,
        organization="Example",
        identities=identities,
        custom_attributes=[{"key": EMPLOYEE_ATTRIBUTE, "value": person.employee_number}],
        last_activity_on=last.date().isoformat(),
        current_sign_in_at=stamp(last),
    )
