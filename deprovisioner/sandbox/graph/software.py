"""The tenant's applications, service principals, agents, consents, app roles and licences.

Called by `hosting` after people and groups are there. Each leaver owns an application of their own
with two secrets, a certificate and a federated credential, and sponsors an agent.
"""

from datetime import datetime, timedelta

from deprovisioner.sandbox.graph.objects import stamp
from deprovisioner.sandbox.graph.store import Link, Record, Store, Table
from deprovisioner.sandbox.graph.tenant import Tenant, identifier
from deprovisioner.sandbox.people import Person

GRAPH = "Microsoft Graph"
DEFAULT_ROLE = "00000000-0000-0000-0000-000000000000"
ENTERPRISE, ADD_ON = "SPE_E5", "VISIO_PLAN2"


def product_id(name: str) -> str:
    """Return the skuId of a product by its part number."""
    return identifier(f"product {name}")


def load(store: Store, tenant: Tenant, now: datetime) -> None:
    """Make the software and its ties to people."""
    for name in (GRAPH, "Payroll", "Wiki"):
        store.put(Table.SERVICE_PRINCIPALS, _service_principal(tenant, name, now))
    _products(store, tenant)
    for person in (tenant.leaver, tenant.cloud_leaver, tenant.privileged_leaver):
        _application(store, tenant, person, now)
        _agent(store, tenant, person, now)
        _consents(store, tenant, person)
        _app_roles(store, tenant, person, now)
        key = tenant.user_id(person.employment_id)
        licence = {"skuId": product_id(ENTERPRISE), "disabledPlans": []}
        store.change(Table.USERS, key, _licences=[licence])
    _tenant_wide(store, tenant, now)


def _service_principal(tenant: Tenant, name: str, now: datetime) -> Record:
    return {
        "id": tenant.service_principal_id(name),
        "appId": identifier(f"appId {name}"),
        "displayName": name,
        "appDisplayName": name,
        "accountEnabled": True,
        "appOwnerOrganizationId": tenant.id,
        "appRoleAssignmentRequired": False,
        "servicePrincipalType": "Application",
        "servicePrincipalNames": [identifier(f"appId {name}")],
        "createdDateTime": stamp(now - timedelta(days=500)),
        "keyCredentials": [],
        "passwordCredentials": [],
        "tags": [],
    }


def application_name(person: Person) -> str:
    """Return the name of the application that a person owns."""
    return f"build-bot of {person.login}"


def agent_name(person: Person) -> str:
    """Return the name of the agent that a person sponsors."""
    return f"agent of {person.login}"


def _application(store: Store, tenant: Tenant, person: Person, now: datetime) -> None:
    name, user = application_name(person), tenant.user_id(person.employment_id)
    key = tenant.application_id(name)
    record: Record = {
        "id": key,
        "appId": identifier(f"appId {name}"),
        "displayName": name,
        "createdDateTime": stamp(now - timedelta(days=400)),
        "signInAudience": "AzureADMyOrg",
        "identifierUris": [],
        "publisherDomain": tenant.domain,
        "passwordCredentials": [_secret(name, number, now) for number in (1, 2)],
        "keyCredentials": [_certificate(name, now)],
        "tags": [],
    }
    store.put(Table.APPLICATIONS, record)
    store.put(Table.SERVICE_PRINCIPALS, _service_principal(tenant, name, now))
    store.put(
        Table.FEDERATED_CREDENTIALS,
        {
            "id": identifier(f"federated {name}"),
            "name": "pipeline",
            "issuer": "https://ci.example.com",
            "subject": "project:build-bot",
            "audiences": ["api://AzureADTokenExchange"],
            "description": None,
            "_application": key,
        },
    )
    for target in (key, tenant.service_principal_id(name)):
        store.link(Link.OWNER, target, user)
        store.link(Link.CREATED, user, target)
    if person.employment_id == tenant.leaver.employment_id:
        successor = tenant.user_id(tenant.successor.employment_id)
        store.link(Link.OWNER, key, successor)


def _secret(name: str, number: int, now: datetime) -> Record:
    return {
        "keyId": identifier(f"secret {number} {name}"),
        "displayName": f"secret {number}",
        "hint": f"a{number}x",
        "secretText": None,
        "customKeyIdentifier": None,
        "startDateTime": stamp(now - timedelta(days=100)),
        "endDateTime": stamp(now + timedelta(days=265)),
    }


def _certificate(name: str, now: datetime) -> Record:
    return {
        "keyId": identifier(f"certificate {name}"),
        "displayName": "CN=build-bot",
        "type": "AsymmetricX509Cert",
        "usage": "Verify",
        "key": None,
        "customKeyIdentifier": None,
        "startDateTime": stamp(now - timedelta(days=100)),
        "endDateTime": stamp(now + timedelta(days=265)),
    }


def _agent(store: Store, tenant: Tenant, person: Person, now: datetime) -> None:
    name = agent_name(person)
    record = _service_principal(tenant, name, now)
    record.update(
        servicePrincipalType="ServiceIdentity",
        agentIdentityBlueprintId=identifier("blueprint"),
        createdByAppId=identifier("appId blueprint"),
        _agent=True,
    )
    store.put(Table.SERVICE_PRINCIPALS, record)
    store.link(Link.SPONSOR, record["id"], tenant.user_id(person.employment_id))


def _consents(store: Store, tenant: Tenant, person: Person) -> None:
    user = tenant.user_id(person.employment_id)
    for client, scope in (("Payroll", "User.Read"), ("Wiki", "Files.ReadWrite offline_access")):
        store.put(
            Table.CONSENTS,
            {
                "id": identifier(f"consent {client} {user}"),
                "clientId": tenant.service_principal_id(client),
                "consentType": "Principal",
                "principalId": user,
                "resourceId": tenant.service_principal_id(GRAPH),
                "scope": scope,
            },
        )


def _app_roles(store: Store, tenant: Tenant, person: Person, now: datetime) -> None:
    user, name = tenant.user_id(person.employment_id), person.display_name
    store.put(Table.APP_ROLES, _app_role(tenant, user, "User", name, "Wiki", now))


def _app_role(
    tenant: Tenant, principal: str, kind: str, name: str, resource: str, now: datetime
) -> Record:
    return {
        "id": identifier(f"app role {resource} {principal}"),
        "appRoleId": DEFAULT_ROLE,
        "createdDateTime": stamp(now - timedelta(days=90)),
        "deletedDateTime": None,
        "principalDisplayName": name,
        "principalId": principal,
        "principalType": kind,
        "resourceDisplayName": resource,
        "resourceId": tenant.service_principal_id(resource),
    }


def _tenant_wide(store: Store, tenant: Tenant, now: datetime) -> None:
    """Give what belongs to nobody: a consent for all, and a role that comes with a group."""
    store.put(
        Table.CONSENTS,
        {
            "id": identifier("consent for all"),
            "clientId": tenant.service_principal_id("Wiki"),
            "consentType": "AllPrincipals",
            "principalId": None,
            "resourceId": tenant.service_principal_id(GRAPH),
            "scope": "User.Read",
        },
    )
    group = tenant.group_id("Payroll Users")
    role = _app_role(tenant, group, "Group", "Payroll Users", "Payroll", now)
    store.put(Table.APP_ROLES, role)
    licence = {"skuId": product_id(ADD_ON), "disabledPlans": []}
    store.change(Table.GROUPS, tenant.group_id("Licences E5"), assignedLicenses=[licence])


def _products(store: Store, tenant: Tenant) -> None:
    for name, exchange in ((ENTERPRISE, True), (ADD_ON, False)):
        key = product_id(name)
        plan: Record = {
            "servicePlanId": identifier(f"plan {name}"),
            "servicePlanName": "EXCHANGE_S_ENTERPRISE" if exchange else "VISIO",
            "provisioningStatus": "Success",
            "appliesTo": "User",
        }
        store.put(
            Table.PRODUCTS,
            {
                "id": f"{tenant.id}_{key}",
                "skuId": key,
                "skuPartNumber": name,
                "appliesTo": "User",
                "capabilityStatus": "Enabled",
                "consumedUnits": 3,
                "servicePlans": [plan],
                "_exchange": exchange,
            },
        )
