"""Policies, reviews and packages that may name a person, and what is said of the tenant itself.

Read only: who comes instead of a leaver is for a person to say. `Tenant` puts a leaver into one of
each.
"""

from collections.abc import Callable

from deprovisioner.sandbox.graph import objects
from deprovisioner.sandbox.graph.errors import GraphError
from deprovisioner.sandbox.graph.query import Expansion, Typed, show
from deprovisioner.sandbox.graph.routing import Answer, Call, Item, Listing, Reply, Route, routes
from deprovisioner.sandbox.graph.store import Record, Table, View
from deprovisioner.sandbox.graph.vocabulary import DIRECTORY_OBJECT, Kind
from deprovisioner.sandbox.graph.wording import words

CONDITIONAL = Kind(
    "conditionalAccessPolicy",
    words(
        "conditions createdDateTime description displayName grantControls id modifiedDateTime "
        "sessionControls state templateId"
    ),
    basic={"displayName": words("eq startswith"), "state": words("eq")},
)
REVIEW = Kind(
    "accessReviewScheduleDefinition",
    words(
        "createdBy createdDateTime descriptionForAdmins displayName fallbackReviewers id "
        "lastModifiedDateTime reviewers scope settings stageSettings status"
    ),
)
PACKAGE_POLICY = Kind(
    "accessPackageAssignmentPolicy",
    words(
        "allowedTargetScope createdDateTime description displayName expiration id modifiedDateTime "
        "requestApprovalSettings requestorSettings reviewSettings specificAllowedTargets"
    ),
)
ORGANISATION = Kind(
    "connectedOrganization",
    words("createdDateTime description displayName id identitySources modifiedDateTime state"),
)
ROLE_POLICY = Kind(
    "unifiedRoleManagementPolicy",
    words(
        "description displayName id isOrganizationDefault lastModifiedBy lastModifiedDateTime "
        "scopeId scopeType"
    ),
    basic={"scopeId": words("eq"), "scopeType": words("eq")},
)
COMPANY = Kind(
    "organization",
    words(
        "createdDateTime displayName id onPremisesLastSyncDateTime onPremisesSyncEnabled "
        "tenantType verifiedDomains"
    ),
)
DOMAIN = Kind("domain", words("authenticationType id isDefault isInitial isVerified"))
_OPTIONS = words("$select $filter $top $skiptoken $expand $count")


def _sponsors(view: View, record: Record) -> object:
    found = objects.typed(view, record["_sponsors"])
    return [show(item, words("id displayName"), mixed=True) for item in found]


def _rules(_view: View, record: Record) -> object:
    return record["_rules"]


_EXPANSIONS: dict[str, dict[str, Expansion]] = {
    ORGANISATION.name: {"internalSponsors": _sponsors},
    ROLE_POLICY.name: {"rules": _rules, "effectiveRules": _rules},
}


def _list(kind: Kind, context: str) -> Callable[[Call], Reply]:
    def listed(call: Call) -> Reply:
        items = [Typed(kind, row) for row in call.view.where(Table.POLICIES, _kind=kind.name)]
        return Listing(
            kind,
            items,
            context,
            directory=False,
            expansions=_EXPANSIONS.get(kind.name, {}),
            options=_OPTIONS,
        )

    return listed


def _one(view: View, kind: Kind, key: str) -> Record:
    found = view.get(Table.POLICIES, key)
    if found is None or found["_kind"] != kind.name:
        raise GraphError(404, "ResourceNotFound", f"{kind.name} was not found.")
    return found


def _conditional(call: Call) -> Reply:
    found = _one(call.view, CONDITIONAL, call.path["policy"])
    context = "identity/conditionalAccess/policies/$entity"
    return Item(Typed(CONDITIONAL, found), context, options=words("$select"))


def _internal_sponsors(call: Call) -> Reply:
    found = _one(call.view, ORGANISATION, call.path["organisation"])
    items = objects.typed(call.view, found["_sponsors"])
    return Listing(DIRECTORY_OBJECT, items, "directoryObjects", mixed=True, directory=False)


def _cross_tenant(call: Call) -> Reply:
    context = f"{call.world.base_url}/$metadata#policies/crossTenantAccessPolicy"
    return Answer(200, {"@odata.context": context, "displayName": "CrossTenantAccessPolicy"})


_GOVERNANCE = "identityGovernance/entitlementManagement"

ROUTES: tuple[Route, ...] = (
    *routes(
        "Policy.Read.All Policy.Read.ConditionalAccess",
        (
            "GET",
            "/identity/conditionalAccess/policies",
            _list(CONDITIONAL, "identity/conditionalAccess/policies"),
        ),
        ("GET", "/identity/conditionalAccess/policies/{policy}", _conditional),
        ("GET", "/policies/crossTenantAccessPolicy", _cross_tenant),
    ),
    *routes(
        "AccessReview.Read.All AccessReview.ReadWrite.All",
        (
            "GET",
            "/identityGovernance/accessReviews/definitions",
            _list(REVIEW, "identityGovernance/accessReviews/definitions"),
        ),
    ),
    *routes(
        "EntitlementManagement.Read.All EntitlementManagement.ReadWrite.All",
        (
            "GET",
            f"/{_GOVERNANCE}/assignmentPolicies",
            _list(PACKAGE_POLICY, f"{_GOVERNANCE}/assignmentPolicies"),
        ),
        (
            "GET",
            f"/{_GOVERNANCE}/connectedOrganizations",
            _list(ORGANISATION, f"{_GOVERNANCE}/connectedOrganizations"),
        ),
        (
            "GET",
            f"/{_GOVERNANCE}/connectedOrganizations/{{organisation}}/internalSponsors",
            _internal_sponsors,
        ),
    ),
    *routes(
        "RoleManagementPolicy.Read.Directory RoleManagement.Read.Directory "
        "RoleManagement.ReadWrite.Directory",
        (
            "GET",
            "/policies/roleManagementPolicies",
            _list(ROLE_POLICY, "policies/roleManagementPolicies"),
        ),
    ),
    *routes(
        "Organization.Read.All Directory.Read.All Directory.ReadWrite.All User.Read.All",
        ("GET", "/organization", _list(COMPANY, "organization")),
    ),
    *routes(
        "Domain.Read.All Directory.Read.All Directory.ReadWrite.All",
        ("GET", "/domains", _list(DOMAIN, "domains")),
    ),
)
