"""Everybody in the tenant: people, second accounts, guests, the emergency account, the canary.

Called by `hosting` while it fills the store. A person's record is written here once; what they hold
comes from `collective` and `holdings`.
"""

from collections.abc import Iterator
from datetime import datetime, timedelta

from deprovisioner.sandbox.forest.domain import REALM
from deprovisioner.sandbox.graph.objects import stamp
from deprovisioner.sandbox.graph.store import Link, Record, Store, Table
from deprovisioner.sandbox.graph.tenant import Tenant, identifier
from deprovisioner.sandbox.people import Person

ADMINISTRATIVE_LOGINS = (31, 42, 68)
"""Who has a second account `adm-…`: the numbers of the employments."""


def load(store: Store, tenant: Tenant, now: datetime) -> None:
    """Make all users and their managers."""
    for person in tenant.people:
        store.put(Table.USERS, _person(tenant, person, now))
    for person in tenant.people:
        if person.manager is not None:
            me, manager = tenant.user_id(person.employment_id), tenant.user_id(person.manager)
            store.link(Link.MANAGER, me, manager)
    for record in _others(tenant, now):
        store.put(Table.USERS, record)
    store.link(Link.SPONSOR, tenant.guest_id, tenant.user_id(tenant.leaver.employment_id))
    store.link(Link.SPONSOR, tenant.guest_id, tenant.user_id(tenant.cloud_leaver.employment_id))


def _person(tenant: Tenant, person: Person, now: datetime) -> Record:
    key = tenant.user_id(person.employment_id)
    record = _user(tenant, key, person.login, person.display_name, now)
    record.update(
        givenName=person.given_name,
        surname=person.family_name,
        jobTitle=person.title,
        department=person.org_unit,
        officeLocation=person.site.name,
        country=person.site.country,
        usageLocation=person.site.country,
        employeeId=person.employee_number,
        employeeType=person.worker_type.value,
        employeeHireDate=f"{person.hire_date}T00:00:00Z",
        companyName="Example",
    )
    if tenant.is_synced(person):
        return {**record, **_synced(tenant, person, now)}
    return {**record, "passwordProfile": _PROFILE}


_PROFILE = {
    "forceChangePasswordNextSignIn": False,
    "forceChangePasswordNextSignInWithMfa": False,
    "password": None,
}


def _synced(tenant: Tenant, person: Person, now: datetime) -> Record:
    known = tenant.abroad(person)
    return {
        "onPremisesSyncEnabled": True,
        "onPremisesImmutableId": known.immutable_id,
        "onPremisesSamAccountName": known.sam_account_name,
        "onPremisesDistinguishedName": known.distinguished_name,
        "onPremisesSecurityIdentifier": known.security_identifier,
        "onPremisesDomainName": REALM,
        "onPremisesUserPrincipalName": f"{person.login}@{tenant.domain}",
        "onPremisesLastSyncDateTime": stamp(now - timedelta(minutes=11)),
        "onPremisesExtensionAttributes": {"extensionAttribute1": person.employment_id},
    }


def _user(tenant: Tenant, key: str, login: str, name: str, now: datetime) -> Record:
    mail = f"{login}@{tenant.domain}"
    return {
        "id": key,
        "userPrincipalName": mail,
        "mail": mail,
        "mailNickname": login,
        "displayName": name,
        "accountEnabled": True,
        "userType": "Member",
        "businessPhones": [],
        "otherMails": [],
        "proxyAddresses": [f"SMTP:{mail}"],
        "imAddresses": [mail],
        "identities": [
            {
                "signInType": "userPrincipalName",
                "issuer": f"{tenant.domain}",
                "issuerAssignedId": mail,
            }
        ],
        "assignedLicenses": [],
        "licenseAssignmentStates": [],
        "createdDateTime": stamp(now - timedelta(days=900)),
        "lastPasswordChangeDateTime": stamp(now - timedelta(days=100)),
        "signInSessionsValidFromDateTime": stamp(now - timedelta(days=100)),
        "securityIdentifier": _security_identifier(key),
    }


def _security_identifier(key: str) -> str:
    number = int(key.replace("-", ""), 16)
    parts = (str(number >> shift & 0xFFFFFFFF) for shift in (96, 64, 32, 0))
    return "S-1-12-1-" + "-".join(parts)


def _others(tenant: Tenant, now: datetime) -> Iterator[Record]:
    for person in (tenant.people[number - 1] for number in ADMINISTRATIVE_LOGINS):
        login = f"adm-{person.login}"
        record = _user(tenant, tenant.admin_id(person), login, f"Admin {person.display_name}", now)
        yield {**record, "mail": None, "proxyAddresses": [], "passwordProfile": _PROFILE}
    yield _guest(tenant, now)
    emergency = _user(tenant, tenant.break_glass_id, "break-glass", "Break glass", now)
    yield {**emergency, "passwordProfile": _PROFILE}
    canary = _user(tenant, tenant.canary_id, "canary", "Canary", now)
    yield {**canary, "employeeId": tenant.canary_employee_id, "accountEnabled": False}
    desk = _user(tenant, identifier("user frontdesk"), "frontdesk", "Front desk", now)
    yield {**desk, "isResourceAccount": True, "accountEnabled": False}
    for number in range(tenant.further_users):
        name = f"further{number:06d}"
        yield _user(tenant, identifier(f"user {name}"), name, f"Further {number}", now)


def _guest(tenant: Tenant, now: datetime) -> Record:
    login = f"dana.partner_partner.example#EXT#@{tenant.domain}"
    mail = "dana.partner@partner.example"
    record = _user(tenant, tenant.guest_id, "dana.partner", "Dana Partner", now)
    record.update(
        userPrincipalName=login,
        mail=mail,
        userType="Guest",
        externalUserState="Accepted",
        externalUserStateChangeDateTime=stamp(now - timedelta(days=30)),
        creationType="Invitation",
        otherMails=[mail],
        proxyAddresses=[f"SMTP:{mail}"],
        identities=[
            {
                "signInType": "federated",
                "issuer": "ExternalAzureAD",
                "issuerAssignedId": None,
            }
        ],
    )
    return record
