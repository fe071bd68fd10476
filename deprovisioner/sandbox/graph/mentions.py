"""Which policies, reviews and packages name the leavers, and what is said of the tenant itself.

Called by `hosting` after the people are there; shown by `policies`.
"""

from collections.abc import Iterator
from datetime import datetime, timedelta

from deprovisioner.sandbox.graph import policies
from deprovisioner.sandbox.graph.objects import stamp
from deprovisioner.sandbox.graph.store import Record, Store, Table
from deprovisioner.sandbox.graph.tenant import Tenant, identifier


def load(store: Store, tenant: Tenant, now: datetime) -> None:
    """Make one of each that can name a person."""
    for record in (*_policies(tenant), *_company(tenant, now)):
        store.put(Table.POLICIES, record)


def _policies(tenant: Tenant) -> Iterator[Record]:
    people = (tenant.leaver, tenant.cloud_leaver)
    users = [tenant.user_id(person.employment_id) for person in people]
    yield {
        "id": identifier("policy mfa"),
        "displayName": "MFA for everybody",
        "state": "enabled",
        "conditions": {
            "users": {"includeUsers": ["All"], "excludeUsers": users},
            "clientAppTypes": ["all"],
        },
        "_kind": policies.CONDITIONAL.name,
    }
    yield {
        "id": identifier("review atlas"),
        "displayName": "Members of Atlas",
        "status": "InProgress",
        "reviewers": [{"query": f"/users/{user}", "queryType": "MicrosoftGraph"} for user in users],
        "_kind": policies.REVIEW.name,
    }
    approver = {"@odata.type": "#microsoft.graph.singleUser", "userId": users[0]}
    second = {"@odata.type": "#microsoft.graph.singleUser", "userId": users[1]}
    stage = {"primaryApprovers": [approver, second], "isApproverJustificationRequired": True}
    yield {
        "id": identifier("package policy atlas"),
        "displayName": "Initial policy",
        "allowedTargetScope": "allMemberUsers",
        "requestApprovalSettings": {"isApprovalRequiredForAdd": True, "stages": [stage]},
        "_kind": policies.PACKAGE_POLICY.name,
    }
    yield {
        "id": identifier("organisation partner"),
        "displayName": "Partner",
        "state": "configured",
        "_sponsors": users,
        "_kind": policies.ORGANISATION.name,
    }
    rule = {
        "@odata.type": "#microsoft.graph.unifiedRoleManagementPolicyApprovalRule",
        "id": "Approval_EndUser_Assignment",
        "setting": {"isApprovalRequired": True, "approvalStages": [stage]},
    }
    yield {
        "id": f"DirectoryRole_{tenant.id}_{identifier('role policy')}",
        "displayName": "DirectoryRole",
        "scopeId": "/",
        "scopeType": "DirectoryRole",
        "isOrganizationDefault": False,
        "_rules": [rule],
        "_kind": policies.ROLE_POLICY.name,
    }


def _company(tenant: Tenant, now: datetime) -> Iterator[Record]:
    yield {
        "id": tenant.id,
        "displayName": "Example",
        "onPremisesSyncEnabled": True,
        "onPremisesLastSyncDateTime": stamp(now - timedelta(minutes=11)),
        "tenantType": "AAD",
        "_kind": policies.COMPANY.name,
    }
    yield {
        "id": tenant.domain,
        "authenticationType": "Managed",
        "isDefault": True,
        "isInitial": False,
        "isVerified": True,
        "_kind": policies.DOMAIN.name,
    }
