"""What the fake knows of each type of resource: its members, what a read shows unasked, what may be
filtered.

Used by `query` to refuse a `$select` or `$filter` that Graph would refuse. The lists are the part
of Graph that offboarding needs, in our own choice: a member that is missing here is refused (400),
never silently absent.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from deprovisioner.sandbox.graph.store import Record, Table
from deprovisioner.sandbox.graph.wording import words


@dataclass(frozen=True, slots=True)
class Kind:
    """A type of resource."""

    name: str
    members: frozenset[str]
    shown: frozenset[str] | None = None
    """What is shown without `$select`; None: everything."""
    basic: Mapping[str, frozenset[str]] = field(default_factory=dict)
    """Member or path to the operators that work on it without further ado."""
    advanced: Mapping[str, frozenset[str]] = field(default_factory=dict)
    """The same for queries that need `ConsistencyLevel: eventual` and `$count=true`."""

    @property
    def odata_type(self) -> str:
        """The value of `@odata.type`."""
        return f"#microsoft.graph.{self.name}"


def _table(operators: str, *groups: str) -> dict[str, frozenset[str]]:
    return {member: words(operators) for group in groups for member in group.split()}


_USER_SHOWN = words(
    "businessPhones displayName givenName id jobTitle mail mobilePhone officeLocation "
    "preferredLanguage surname userPrincipalName"
)
USER = Kind(
    "user",
    _USER_SHOWN
    | words(
        "accountEnabled ageGroup assignedLicenses assignedPlans authorizationInfo city companyName "
        "country createdDateTime creationType customSecurityAttributes deletedDateTime department "
        "employeeHireDate employeeId employeeLeaveDateTime employeeOrgData employeeType "
        "externalUserState externalUserStateChangeDateTime faxNumber identities imAddresses "
        "isManagementRestricted isResourceAccount lastPasswordChangeDateTime "
        "licenseAssignmentStates mailNickname onPremisesDistinguishedName onPremisesDomainName "
        "onPremisesExtensionAttributes onPremisesImmutableId onPremisesLastSyncDateTime "
        "onPremisesProvisioningErrors onPremisesSamAccountName onPremisesSecurityIdentifier "
        "onPremisesSyncEnabled onPremisesUserPrincipalName otherMails passwordPolicies "
        "passwordProfile postalCode preferredDataLocation provisionedPlans proxyAddresses "
        "securityIdentifier showInAddressList signInActivity signInSessionsValidFromDateTime "
        "state streetAddress usageLocation userType"
    ),
    _USER_SHOWN,
    basic={
        **_table("eq in startswith", "displayName givenName surname mail userPrincipalName"),
        **_table("eq in startswith", "mailNickname jobTitle department employeeId"),
        **_table("eq in", "id userType accountEnabled onPremisesSyncEnabled externalUserState"),
        **_table("eq in", "onPremisesImmutableId onPremisesSecurityIdentifier creationType"),
        **_table("any-eq any-startswith", "proxyAddresses otherMails imAddresses identities"),
        **_table("any-eq", "assignedLicenses"),
        **_table("ge le gt lt", "createdDateTime signInActivity/lastSignInDateTime"),
    },
    advanced={
        **_table("ne not endswith", "mail userPrincipalName"),
        **_table("ne not ge le", "displayName givenName surname mailNickname employeeId jobTitle"),
        **_table("ne not", "userType accountEnabled onPremisesSyncEnabled department"),
        **_table("any-ne any-endswith not", "proxyAddresses otherMails identities"),
        **_table("eq ne not in startswith", "onPremisesSamAccountName employeeType companyName"),
        **_table("eq ne not in startswith", "onPremisesUserPrincipalName onPremisesDomainName"),
    },
)
GROUP = Kind(
    "group",
    words(
        "assignedLabels assignedLicenses classification createdDateTime "
        "deletedDateTime description displayName expirationDateTime groupTypes id "
        "isAssignableToRole isManagementRestricted mail mailEnabled mailNickname membershipRule "
        "membershipRuleProcessingState onPremisesDomainName onPremisesLastSyncDateTime "
        "onPremisesSamAccountName onPremisesSecurityIdentifier onPremisesSyncEnabled "
        "proxyAddresses renewedDateTime resourceProvisioningOptions securityEnabled "
        "securityIdentifier visibility"
    ),
    basic={
        **_table("eq in startswith", "displayName mail mailNickname"),
        **_table("eq in", "id mailEnabled securityEnabled isAssignableToRole"),
        **_table("eq", "onPremisesSyncEnabled onPremisesSecurityIdentifier"),
        **_table("any-eq", "groupTypes assignedLicenses resourceProvisioningOptions"),
        **_table("any-eq any-startswith", "proxyAddresses"),
    },
    advanced={
        **_table("ne not", "displayName mail mailEnabled securityEnabled onPremisesSyncEnabled"),
        **_table("eq ne not in startswith", "membershipRule"),
        **_table("not", "groupTypes"),
    },
)
DIRECTORY_ROLE = Kind(
    "directoryRole",
    words("deletedDateTime description displayName id roleTemplateId"),
    basic=_table("eq", "roleTemplateId displayName id"),
)
ADMINISTRATIVE_UNIT = Kind(
    "administrativeUnit",
    words(
        "deletedDateTime description displayName id isMemberManagementRestricted membershipRule "
        "membershipRuleProcessingState membershipType visibility"
    ),
    basic=_table("eq startswith", "displayName id"),
)
DEVICE = Kind(
    "device",
    words(
        "accountEnabled approximateLastSignInDateTime deletedDateTime deviceId displayName id "
        "isCompliant isManaged managementType manufacturer model onPremisesSyncEnabled "
        "operatingSystem operatingSystemVersion profileType registrationDateTime trustType"
    ),
    basic={**_table("eq in startswith", "displayName deviceId id"), **_table("eq", "trustType")},
    advanced=_table("eq ne not", "accountEnabled isManaged isCompliant"),
)
APPLICATION = Kind(
    "application",
    words(
        "appId createdDateTime deletedDateTime description displayName id identifierUris "
        "keyCredentials notes passwordCredentials publisherDomain "
        "servicePrincipalLockConfiguration signInAudience tags"
    ),
    basic={**_table("eq in startswith", "displayName id"), **_table("eq in", "appId")},
)
_SERVICE_PRINCIPAL = words(
    "accountEnabled appDisplayName appId appOwnerOrganizationId appRoleAssignmentRequired "
    "createdDateTime deletedDateTime description displayName homepage id keyCredentials notes "
    "passwordCredentials servicePrincipalNames servicePrincipalType signInAudience tags"
)
SERVICE_PRINCIPAL = Kind(
    "servicePrincipal",
    _SERVICE_PRINCIPAL,
    basic={
        **_table("eq in startswith", "displayName id"),
        **_table("eq in", "appId servicePrincipalType accountEnabled"),
    },
)
AGENT_IDENTITY = Kind(
    "agentIdentity",
    _SERVICE_PRINCIPAL | words("agentIdentityBlueprintId createdByAppId"),
    basic=SERVICE_PRINCIPAL.basic,
)
AGENT_BLUEPRINT = Kind("agentIdentityBlueprint", APPLICATION.members, basic=APPLICATION.basic)
DIRECTORY_OBJECT = Kind(
    "directoryObject",
    frozenset[str]().union(
        *(kind.members for kind in (USER, GROUP, DIRECTORY_ROLE, ADMINISTRATIVE_UNIT, DEVICE)),
        *(kind.members for kind in (APPLICATION, AGENT_IDENTITY)),
    ),
    basic=_table("eq in", "id"),
    advanced=_table("eq in startswith", "displayName mailEnabled securityEnabled groupTypes"),
)

_OF_TABLE = {
    Table.USERS: USER,
    Table.GROUPS: GROUP,
    Table.DIRECTORY_ROLES: DIRECTORY_ROLE,
    Table.ADMINISTRATIVE_UNITS: ADMINISTRATIVE_UNIT,
    Table.DEVICES: DEVICE,
    Table.APPLICATIONS: APPLICATION,
    Table.SERVICE_PRINCIPALS: SERVICE_PRINCIPAL,
}


def kind_of(table: Table, record: Record) -> Kind:
    """Return the type of a directory object."""
    if record.get("_agent"):
        return AGENT_BLUEPRINT if table is Table.APPLICATIONS else AGENT_IDENTITY
    return _OF_TABLE[table]
