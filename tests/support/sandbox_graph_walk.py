"""A walk through every route of the fake Graph, as tables: what is read, and what is changed.

Walked by `tests/contract/test_sandbox_graph.py`, which has both sides judged by the vendor's
document.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import httpx

from deprovisioner.sandbox.graph import GraphServer, Table
from deprovisioner.sandbox.graph.communication import TEAM
from deprovisioner.sandbox.graph.privileges import definition_id
from deprovisioner.sandbox.graph.software import (
    DEFAULT_ROLE,
    ENTERPRISE,
    agent_name,
    application_name,
    product_id,
)
from deprovisioner.sandbox.graph.teams import member_id
from deprovisioner.sandbox.graph.tenant import identifier
from deprovisioner.sandbox.graph.wording import words
from tests.support.sandbox_graph import Clock

EXPORT = "/admin/exchange/mailboxes/{mailbox}/exportItems"
"""The document's answer has no member for the stream, which the vendor's page shows (`data`)."""


@dataclass
class Walk:
    """A client whose every exchange is judged, and the names of what is in the tenant."""

    graph: GraphServer
    clock: Clock
    client: httpx.Client

    def ask(self, method: str, path: str, status: int, body: object = None, **headers: str) -> Any:
        """Send, and expect a status; the transport judges form on both sides."""
        answer = self.client.request(method, path.lstrip("/"), json=body, headers=headers)
        assert answer.status_code == status, f"{method} {path}: {answer.text[:300]}"
        kind = answer.headers.get("content-type", "")
        return answer.json() if kind.startswith("application/json") else answer.content

    @property
    def user(self) -> str:
        """The cloud-only leaver, who holds one of everything."""
        tenant = self.graph.tenant
        return tenant.user_id(tenant.cloud_leaver.employment_id)

    @property
    def successor_id(self) -> str:
        """Who takes over."""
        return self.graph.tenant.user_id(self.graph.tenant.successor.employment_id)

    def reference(self, key: str) -> dict[str, str]:
        """Make the body of a `$ref` request."""
        return {"@odata.id": f"{self.graph.base_url}/directoryObjects/{key}"}

    def forward(self, **delta: float) -> None:
        """Turn the clock."""
        self.clock.now += timedelta(**delta)


PEOPLE_READS = sorted(
    words("""
/users /users?$top=5&$select=id,accountEnabled,licenseAssignmentStates,assignedLicenses
/users/{u} /users/{u}?$expand=manager
/users/{u}?$select=id,accountEnabled,passwordProfile,signInSessionsValidFromDateTime,proxyAddresses
/users/{u}?$select=onPremisesSyncEnabled,identities,authorizationInfo,employeeId,userType
/users/{u}/memberOf /users/{u}/memberOf/graph.group /users/{u}/memberOf/microsoft.graph.group
/users/{u}/memberOf/graph.directoryRole /users/{u}/memberOf/graph.administrativeUnit
/users/{u}/transitiveMemberOf?$select=id,isAssignableToRole
/users/{u}/transitiveMemberOf/graph.group /users/{u}/authentication/methods/{fido}
/users/{u}/authentication/fido2Methods/{fido} /users/{u}/appRoleAssignments/{wiki_role}
/users/{u}/mailFolders/inbox/messageRules/{rule} /users/{u}/messages/{message}
/users/{u}/events/{weekly} /users/{u}/calendar/calendarPermissions/{calendar}
/admin/exchange/mailboxes/{mailbox}/folders
/admin/exchange/mailboxes/{mailbox}/folders/{inbox}/items
/users/{u}/ownedObjects /users/{u}/createdObjects /users/{u}/directReports /users/{u}/manager
/users/{u}/manager/$ref /users/{u}/sponsorOf /users/{g}/sponsors /users/{u}/scopedRoleMemberOf
/users/{p}/scopedRoleMemberOf /users/{u}/appRoleAssignments /users/{u}/oauth2PermissionGrants
/users/{u}/licenseDetails /users/{l}/onPremisesSyncBehavior /users/{u}/ownedDevices
/users/{u}/registeredDevices /users/delta /users/{u}/authentication/methods
/users/{u}/authentication/passwordMethods /users/{u}/authentication/fido2Methods
/users/{u}/authentication/phoneMethods /users/{u}/authentication/emailMethods
/users/{u}/authentication/softwareOathMethods
/users/{u}/authentication/microsoftAuthenticatorMethods
/users/{u}/authentication/windowsHelloForBusinessMethods
/users/{u}/authentication/temporaryAccessPassMethods
/users/{u}/authentication/platformCredentialMethods
/users/{u}/authentication/externalAuthenticationMethods /users/{u}/mailboxSettings
/users/{u}/contacts /users/{u}/mailFolders /users/{u}/mailFolders/inbox/messageRules
/users/{u}/messages
/users/{u}/events /users/{u}/calendars /users/{u}/calendar/calendarPermissions
/users/{u}/calendarView?startDateTime=2026-12-18T00:00:00Z&endDateTime=2027-03-01T00:00:00Z
/users/{u}/drive /users/{u}/drives /users/{u}/drive/root/children /users/{u}/joinedTeams
""")
)
DIRECTORY_READS = sorted(
    words("""
/groups /groups?$expand=owners /groups/{group} /groups/{group}/members /groups/{group}/owners
/groups/{group}/members/{u} /groups/{group}/members/graph.user /groups/{group}/owners/graph.user
/groups/{group}/transitiveMembers /groups/{group}/memberOf /groups/{payroll}/appRoleAssignments
/directoryRoles /directoryRoles/{role}/members /directory/administrativeUnits
/directory/administrativeUnits/{unit} /directory/administrativeUnits/{unit}/members
/directory/administrativeUnits/{unit}/scopedRoleMembers /roleManagement/directory/roleDefinitions
/roleManagement/directory/roleAssignments?$expand=roleDefinition
/roleManagement/directory/roleAssignments/{assignment}
/roleManagement/directory/roleAssignmentSchedules
/roleManagement/directory/roleAssignmentScheduleInstances
/roleManagement/directory/roleAssignmentScheduleRequests
/roleManagement/directory/roleEligibilitySchedules
/roleManagement/directory/roleEligibilityScheduleInstances
/roleManagement/directory/roleEligibilityScheduleRequests
/identityGovernance/privilegedAccess/group/eligibilitySchedules
/identityGovernance/privilegedAccess/group/eligibilityScheduleInstances
/identityGovernance/privilegedAccess/group/eligibilityScheduleRequests
/identityGovernance/privilegedAccess/group/assignmentSchedules
/identityGovernance/privilegedAccess/group/assignmentScheduleInstances
/identityGovernance/privilegedAccess/group/assignmentScheduleRequests
/identityGovernance/entitlementManagement/assignments?$expand=target,accessPackage
/identityGovernance/entitlementManagement/assignmentRequests
/identityGovernance/entitlementManagement/assignmentPolicies
/identityGovernance/entitlementManagement/connectedOrganizations?$expand=internalSponsors
/identityGovernance/entitlementManagement/connectedOrganizations/{organisation}/internalSponsors
/identityGovernance/accessReviews/definitions /identity/conditionalAccess/policies
/identity/conditionalAccess/policies/{policy} /policies/crossTenantAccessPolicy
/policies/roleManagementPolicies?$expand=rules /organization /domains /subscribedSkus
/applications /applications/{app} /applications/{app}/owners
/applications/{app}/federatedIdentityCredentials /servicePrincipals /servicePrincipals/{sp}
/servicePrincipals/{sp}/owners /servicePrincipals/{wiki}/appRoleAssignedTo
/servicePrincipals/{sp}/appRoleAssignments /servicePrincipals/{wiki}/oauth2PermissionGrants
/servicePrincipals/graph.agentIdentity /servicePrincipals/microsoft.graph.agentIdentity
/servicePrincipals/{agent}/graph.agentIdentity/sponsors
/servicePrincipals/{agent}/microsoft.graph.agentIdentity/sponsors
/oauth2PermissionGrants /oauth2PermissionGrants/{consent} /directoryObjects/{u}
/directory/deletedItems/graph.user /directory/deletedItems/microsoft.graph.user
/directory/deletedItems/microsoft.graph.group /auditLogs/signIns /auditLogs/directoryAudits
/devices /devices/{device} /devices/{device}/registeredOwners /devices/{device}/registeredUsers
/deviceManagement/managedDevices /deviceManagement/managedDevices/{managed}
/informationProtection/bitlocker/recoveryKeys
/informationProtection/bitlocker/recoveryKeys/{key}?$select=key
/directory/deviceLocalCredentials /directory/deviceLocalCredentials/{laptop}?$select=credentials
/drives/{drive} /drives/{drive}/root /drives/{drive}/root/delta /drives/{drive}/items/root
/drives/{drive}/items/root/children /drives/{drive}/items/{file}
/drives/{drive}/items/{file}/permissions /drives/{drive}/items/{file}/permissions/{link}
/drives/{drive}/items/root/delta() /teams/{team} /teams/{team}/members /teams/{team}/channels
/teams/{team}/channels/{channel}/members
/admin/teams/telephoneNumberManagement/numberAssignments
""")
)


def names(walk: Walk) -> dict[str, str]:
    """Map the places of the walk to ids."""
    tenant, user, successor = walk.graph.tenant, walk.user, walk.successor_id
    leaver = tenant.cloud_leaver
    drives = walk.graph.truth.where(Table.DRIVES, _user=user)
    return {
        "u": user,
        "l": tenant.user_id(tenant.leaver.employment_id),
        "p": tenant.user_id(tenant.privileged_leaver.employment_id),
        "g": tenant.guest_id,
        "group": tenant.group_id("Platform Engineers"),
        "payroll": tenant.group_id("Payroll Users"),
        "role": identifier("directoryRole User Administrator"),
        "unit": identifier("unit Berlin"),
        "assignment": next(walk.graph.truth.every(Table.ROLE_ASSIGNMENTS))["id"],
        "organisation": identifier("organisation partner"),
        "policy": identifier("policy mfa"),
        "app": tenant.application_id(application_name(leaver)),
        "sp": tenant.service_principal_id(application_name(leaver)),
        "wiki": tenant.service_principal_id("Wiki"),
        "agent": tenant.service_principal_id(agent_name(leaver)),
        "consent": identifier("consent for all"),
        "device": tenant.device_id(leaver, "laptop"),
        "managed": identifier(f"managed device {leaver.employment_id}"),
        "key": identifier(f"recovery key {leaver.employment_id}"),
        "laptop": identifier(f"deviceId laptop {leaver.employment_id}"),
        "drive": drives[0]["id"],
        "file": identifier(f"file notes.txt {user}"),
        "link": identifier(f"anonymous {user}"),
        "fido": identifier(f"fido2AuthenticationMethod {leaver.employment_id} "),
        "wiki_role": identifier(f"app role Wiki {user}"),
        "rule": identifier(f"rule {user}"),
        "message": identifier(f"message 1 {user}"),
        "weekly": meeting("weekly", user, successor),
        "review": meeting("review", user, successor),
        "calendar": identifier(f"calendar permission {user}"),
        "mailbox": f"MBX:{identifier(f'mailbox {user}')}@tenant",
        "inbox": identifier(f"inbox {user}"),
        "s": successor,
        "team": tenant.group_id(TEAM),
        "channel": f"19:{identifier('channel Negotiations')}@thread.tacv2",
    }


def meeting(name: str, organiser: str, attendee: str) -> str:
    """Return the id of a meeting in its organiser's calendar."""
    return identifier(f"meeting {name} {organiser} {attendee} organiser")


def filled(path: str, known: dict[str, str]) -> str:
    """Put ids into the places of a path."""
    return re.sub(r"\{(\w+)\}", lambda found: known[found.group(1)], path)


Step = tuple[str, str, int, object]
"""Method, path, status, body. `{last}` is the id in the answer before; WAIT turns the clock."""


def account_steps(walk: Walk, n: dict[str, str]) -> Iterator[Step]:
    """Disable, reset, end sessions, methods, licences, manager, deletion and return."""
    password = {"password": "Xy7-invented-and-long", "forceChangePasswordNextSignIn": True}
    user, methods = f"/users/{n['u']}", f"/users/{n['u']}/authentication"
    yield "PATCH", user, 204, {"@odata.type": "#microsoft.graph.user", "accountEnabled": False}
    yield "PATCH", user, 204, {"passwordProfile": password}
    yield "POST", f"{user}/revokeSignInSessions", 200, None
    for place, found in held_methods(walk):
        yield "GET", f"{methods}/{place}/{found}", 200, None
    for place, found in held_methods(walk):
        yield "DELETE", f"{methods}/{place}/{found}", 204, None
    for place in sorted({place for place, _ in held_methods(walk)} | EXTRA_METHODS):
        yield "DELETE", f"{methods}/{place}/gone", 404, None
        yield "GET", f"{methods}/{place}/gone", 404, None
    licence = product_id(ENTERPRISE)
    yield "POST", f"{user}/assignLicense", 200, {"addLicenses": [], "removeLicenses": [licence]}
    yield "POST", f"{user}/assignLicense", 400, {"addLicenses": [], "removeLicenses": [licence]}
    again = {"addLicenses": [{"skuId": licence, "disabledPlans": []}], "removeLicenses": []}
    yield "POST", f"{user}/assignLicense", 200, again
    yield "POST", f"{user}/getMemberObjects", 200, {"securityEnabledOnly": False}
    yield "POST", f"{user}/getMemberGroups", 200, {"securityEnabledOnly": True}
    yield "POST", f"{user}/checkMemberObjects", 200, {"ids": [n["group"]]}
    yield "POST", f"{user}/checkMemberGroups", 200, {"groupIds": [n["group"]]}
    manager = {"@odata.id": f"{walk.graph.base_url}/users/{n['s']}"}
    yield "PUT", f"{user}/manager/$ref", 204, manager
    yield "DELETE", f"{user}/manager/$ref", 204, None
    yield "DELETE", f"{user}/manager/$ref", 404, None
    yield "POST", f"/users/{n['g']}/sponsors/$ref", 204, walk.reference(n["s"])
    yield "DELETE", f"/users/{n['g']}/sponsors/{n['u']}/$ref", 204, None
    yield "PATCH", f"/users/{n['l']}/onPremisesSyncBehavior", 204, {"isCloudManaged": True}
    invited = {
        "invitedUserEmailAddress": "a@partner.example",
        "inviteRedirectUrl": "https://x.example",
    }
    yield "POST", "/invitations", 201, invited
    yield "POST", f"{methods}/methods/{n['fido']}/resetPassword", 403, {"newPassword": "x"}
    yield "POST", "/directoryObjects/getByIds", 200, {"ids": [n["u"], n["group"]]}


EXTRA_METHODS = words(
    "temporaryAccessPassMethods platformCredentialMethods externalAuthenticationMethods"
)


def held_methods(walk: Walk) -> list[tuple[str, str]]:
    """Return the leaver's methods in an order in which they can go: place and id."""
    rows = walk.graph.truth.where(Table.AUTHENTICATION_METHODS, _user=walk.user)
    ordered = sorted(rows, key=lambda row: bool(row.get("_default")))
    return [
        (row["_type"].replace("AuthenticationMethod", "Methods"), row["id"])
        for row in ordered
        if row["_type"] != "passwordAuthenticationMethod"
    ]


def group_steps(walk: Walk, n: dict[str, str]) -> Iterator[Step]:
    """Members and owners, and what is refused about them."""
    group, who = f"/groups/{n['group']}", n["u"]
    yield "DELETE", f"{group}/members/{who}/$ref", 204, None
    yield "DELETE", f"{group}/members/{who}/$ref", 404, None
    yield "POST", f"{group}/members/$ref", 204, walk.reference(who)
    yield "POST", f"{group}/members/$ref", 400, walk.reference(who)
    yield "POST", f"{group}/owners/$ref", 204, walk.reference(n["s"])
    yield "POST", f"{group}/owners/$ref", 400, walk.reference(n["s"])
    yield "DELETE", f"{group}/owners/{n['s']}/$ref", 204, None
    yield "PATCH", group, 204, {"description": "handed over"}
    for name in ("Newsletter", "Security Notices", "Domain Developers", "IT (dynamic)"):
        key = walk.graph.tenant.group_id(name)
        yield "DELETE", f"/groups/{key}/members/{who}/$ref", 400, None
    unit = "/directory/administrativeUnits/" + identifier("unit Shanghai")
    yield "DELETE", f"{unit}/members/{who}/$ref", 204, None
    yield "POST", f"{unit}/members/$ref", 204, walk.reference(who)


def role_steps(walk: Walk, n: dict[str, str]) -> Iterator[Step]:
    """Assignments, schedules and access packages, by request and directly."""
    base, user = "/roleManagement/directory", n["u"]
    what = {"roleDefinitionId": definition_id("User Administrator"), "directoryScopeId": "/"}
    lasting = {"startDateTime": None, "expiration": {"type": "noExpiration"}}
    asked = {"principalId": user, **what}
    yield "POST", f"{base}/roleAssignments", 201, asked
    yield "POST", f"{base}/roleAssignments", 400, asked
    found = f"{base}/roleAssignmentScheduleRequests"
    yield "POST", found, 201, {"action": "adminRemove", **asked}
    yield "GET", f"{found}/{{last}}", 200, None
    yield "POST", f"{found}/{{last}}/cancel", 204, None
    yield "POST", found, 201, {"action": "adminRemove", **asked}
    yield "WAIT", "", 40, None
    yield "POST", found, 400, {"action": "adminRemove", **asked}
    yield "POST", found, 201, {"action": "adminAssign", **asked, "scheduleInfo": lasting}
    yield "POST", f"{found}/{{last}}/cancel", 204, None  # an active admin could not be disabled
    eligible = f"{base}/roleEligibilityScheduleRequests"
    yield "POST", eligible, 201, {"action": "adminRemove", **asked}
    yield "GET", f"{eligible}/{{last}}", 200, None
    yield "POST", f"{eligible}/{{last}}/cancel", 204, None
    groups = "/identityGovernance/privilegedAccess/group"
    for word, name in (("assignment", "Deploy Window"), ("eligibility", "Just In Time")):
        held = {"groupId": walk.graph.tenant.group_id(name), "accessId": "member"}
        body = {"action": "adminRemove", "principalId": user, **held}
        yield "POST", f"{groups}/{word}ScheduleRequests", 201, body
        yield "POST", f"{groups}/{word}ScheduleRequests/{{last}}/cancel", 204, None
    package = identifier(f"package Atlas {user}")
    requests = "/identityGovernance/entitlementManagement/assignmentRequests"
    yield "POST", requests, 201, {"requestType": "adminRemove", "assignment": {"id": package}}
    yield "GET", f"{requests}/{{last}}", 200, None
    yield "DELETE", f"{base}/roleAssignments/{n['assignment']}", 204, None
    yield "DELETE", f"{base}/roleAssignments/{n['assignment']}", 404, None
    unit = "/directory/administrativeUnits/" + identifier("unit Berlin")
    member = {"roleId": n["role"], "roleMemberInfo": {"id": user}}
    yield "POST", f"{unit}/scopedRoleMembers", 201, member
    yield "DELETE", f"{unit}/scopedRoleMembers/{{last}}", 204, None


def application_steps(walk: Walk, n: dict[str, str]) -> Iterator[Step]:
    """Owners, secrets, agents, consents and app roles."""
    for base in (f"/applications/{n['app']}", f"/servicePrincipals/{n['sp']}"):
        yield "POST", f"{base}/owners/$ref", 204, walk.reference(n["s"])
        yield "DELETE", f"{base}/owners/{n['u']}/$ref", 204, None
        yield "POST", f"{base}/addPassword", 200, {"passwordCredential": {"displayName": "new"}}
        yield "POST", f"{base}/removePassword", 204, {"keyId": "{last}"}
        yield "POST", f"{base}/removePassword", 400, {"keyId": "{last}"}
        yield "PATCH", base, 204, {"notes": "handed over"}
    app, sponsors = f"/applications/{n['app']}", f"/servicePrincipals/{n['agent']}"
    key = {"keyId": identifier(f"certificate {application_name(walk.graph.tenant.cloud_leaver)}")}
    yield "POST", f"{app}/removeKey", 204, {**key, "proof": "a.b.c"}
    federated = f"federated {application_name(walk.graph.tenant.cloud_leaver)}"
    path = f"{app}/federatedIdentityCredentials/{identifier(federated)}"
    yield "DELETE", path, 204, None
    yield "DELETE", path, 404, None
    for cast, new in (("graph", n["s"]), ("microsoft.graph", n["l"])):
        link = f"{sponsors}/{cast}.agentIdentity/sponsors"
        yield "POST", f"{link}/$ref", 204, walk.reference(new)
        yield "DELETE", f"{link}/{new}/$ref", 204, None
    switch = f"/servicePrincipals/microsoft.graph.agentIdentity/{n['agent']}"
    yield "PATCH", switch, 204, {"accountEnabled": False}
    consent = {
        "clientId": n["wiki"], "consentType": "Principal", "principalId": n["s"],
        "resourceId": n["wiki"], "scope": "User.Read",
    }  # fmt: skip
    yield "POST", "/oauth2PermissionGrants", 201, consent
    yield "PATCH", "/oauth2PermissionGrants/{last}", 204, {"scope": "Mail.Read"}
    yield "DELETE", "/oauth2PermissionGrants/{last}", 204, None
    role = {"principalId": n["s"], "resourceId": n["wiki"], "appRoleId": DEFAULT_ROLE}
    yield "POST", f"/users/{n['s']}/appRoleAssignments", 201, role
    yield "DELETE", f"/users/{n['s']}/appRoleAssignments/{{last}}", 204, None
    yield "POST", f"/servicePrincipals/{n['wiki']}/appRoleAssignedTo", 201, role
    yield "DELETE", f"/servicePrincipals/{n['wiki']}/appRoleAssignedTo/{{last}}", 204, None


def device_steps(_walk: Walk, n: dict[str, str]) -> Iterator[Step]:
    """Directory devices and managed ones."""
    device, managed = f"/devices/{n['device']}", f"/deviceManagement/managedDevices/{n['managed']}"
    yield "PATCH", device, 204, {"accountEnabled": False}
    for link in ("registeredOwners", "registeredUsers"):
        yield "DELETE", f"{device}/{link}/{n['u']}/$ref", 403, None
    yield "POST", f"{managed}/remoteLock", 204, None
    yield "POST", f"{managed}/retire", 204, None
    yield "POST", f"{managed}/wipe", 204, {"keepEnrollmentData": False, "keepUserData": False}
    yield "WAIT", "", 90, None
    yield "GET", managed, 200, None
    yield "DELETE", managed, 204, None
    yield "DELETE", device, 204, None
    yield "DELETE", device, 404, None


def communication_steps(_walk: Walk, n: dict[str, str]) -> Iterator[Step]:
    """Mail, calendar, files and teams."""
    user = f"/users/{n['u']}"
    replies = {"status": "alwaysEnabled", "internalReplyMessage": "left", "externalAudience": "all"}
    yield "PATCH", f"{user}/mailboxSettings", 200, {"automaticRepliesSetting": replies}
    rules = f"{user}/mailFolders/inbox/messageRules"
    yield "DELETE", f"{rules}/{n['rule']}", 204, None
    yield "DELETE", f"{rules}/{n['rule']}", 404, None
    new = {"displayName": "again", "sequence": 2, "actions": {"stopProcessingRules": True}}
    yield "POST", rules, 201, new
    yield "PATCH", f"{rules}/{{last}}", 200, {"isEnabled": False}
    yield "GET", f"{user}/messages/{n['message']}/$value", 200, None
    yield "POST", filled(EXPORT, n), 200, {"ItemIds": ["nothing-of-this-id"]}
    yield "POST", f"{user}/events/{n['weekly']}/cancel", 202, {"Comment": "left"}
    yield "POST", f"{user}/events/{n['weekly']}/cancel", 404, {"Comment": "left"}
    yield "DELETE", f"{user}/events/{n['review']}", 204, None
    granted = {"emailAddress": {"address": "a@example.com", "name": "A"}, "role": "read"}
    yield "POST", f"{user}/calendar/calendarPermissions", 201, granted
    yield "PATCH", f"{user}/calendar/calendarPermissions/{{last}}", 200, {"role": "write"}
    yield "DELETE", f"{user}/calendar/calendarPermissions/{n['calendar']}", 204, None
    file = f"/drives/{n['drive']}/items/{n['file']}"
    yield "GET", f"{file}/content", 302, None
    yield "POST", f"{file}/copy", 202, {"parentReference": {"driveId": n["drive"], "id": "root"}}
    yield "DELETE", f"{file}/permissions/{n['link']}", 204, None
    invitation = {
        "recipients": [{"objectId": n["s"]}], "roles": ["read"], "requireSignIn": True,
        "sendInvitation": False, "retainInheritedPermissions": True,
    }  # fmt: skip
    yield "POST", f"{file}/invite", 200, invitation
    yield "PATCH", f"{file}/permissions/{{last}}", 200, {"roles": ["write"]}


def team_steps(walk: Walk, n: dict[str, str]) -> Iterator[Step]:
    """Members of teams and channels, and numbers."""
    channel, who = f"/teams/{n['team']}/channels/{n['channel']}/members", n["u"]
    typed = {"@odata.type": "#microsoft.graph.aadUserConversationMember"}
    bound = {**typed, "user@odata.bind": f"{walk.graph.base_url}/users('{n['p']}')"}
    yield "POST", f"/teams/{n['team']}/members", 201, {**bound, "roles": []}
    yield "POST", channel, 201, {**bound, "roles": []}
    yield "PATCH", f"{channel}/{{last}}", 200, {**typed, "roles": ["owner"]}
    yield "DELETE", f"{channel}/{member_id(n['channel'], who)}", 204, None
    member = f"/teams/{n['team']}/members/{member_id(n['team'], who)}"
    yield "GET", member, 200, None
    yield "PATCH", member, 200, {**typed, "roles": []}
    yield "DELETE", member, 204, None
    yield "DELETE", member, 404, None
    numbers = "/admin/teams/telephoneNumberManagement/numberAssignments"
    yield "POST", f"{numbers}/unassignNumber", 202, {"telephoneNumber": "+862155550001"}
    cast = "microsoft.graph.teamsAdministration.unassignNumber"
    yield "POST", f"{numbers}/{cast}", 202, {"telephoneNumber": "+862155550000"}


def deletion_steps(_walk: Walk, n: dict[str, str]) -> Iterator[Step]:
    """Soft, back, and for good."""
    kept = f"/directory/deletedItems/{n['u']}"
    yield "DELETE", f"/users/{n['u']}", 204, None
    yield "DELETE", f"/users/{n['u']}", 404, None
    yield "GET", kept, 200, None
    yield "POST", f"{kept}/restore", 200, None
    yield "GET", f"/users/{n['u']}", 200, None
    yield "DELETE", f"/users/{n['u']}", 204, None
    yield "DELETE", kept, 204, None
    yield "DELETE", kept, 404, None


AREAS = (
    group_steps, role_steps, application_steps, device_steps, communication_steps, team_steps,
    account_steps, deletion_steps,
)  # fmt: skip
