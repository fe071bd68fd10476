"""The fake Graph refuses what the vendor refuses, and the state shows what was really done."""

from collections.abc import Iterator

import pytest

from deprovisioner.sandbox.graph import App, Link, Table
from deprovisioner.sandbox.graph.privileges import definition_id
from deprovisioner.sandbox.graph.software import ADD_ON, ENTERPRISE, application_name, product_id
from deprovisioner.sandbox.graph.tenant import identifier
from tests.support.sandbox_graph import World, code, world


@pytest.fixture
def tenant() -> Iterator[World]:
    """A fresh tenant."""
    with world() as made:
        yield made


def test_a_forgotten_ref_deletes_the_person(tenant: World) -> None:
    """`DELETE members/{id}` without `/$ref` deletes the member itself, as the vendor warns."""
    group, who = tenant.group("Platform Engineers"), tenant.user("cloud_leaver")

    answer = tenant.act.delete(f"groups/{group}/members/{who}")

    assert answer.status_code == 204
    assert tenant.graph.truth.get(Table.USERS, who) is None
    assert tenant.graph.truth.get(Table.DELETED, who) is not None


def test_the_last_owner_stays(tenant: World) -> None:
    """The only owner of a group is refused until somebody else owns it too."""
    group, who = tenant.group("Release Signers"), tenant.user("leaver")
    link = f"groups/{group}/owners/{who}/$ref"

    refused = tenant.act.delete(link)
    tenant.act.post(f"groups/{group}/owners/$ref", json=tenant.reference(tenant.user("successor")))
    done = tenant.act.delete(link)

    assert (refused.status_code, done.status_code) == (400, 204)
    assert tenant.graph.truth.targets(Link.OWNER, group) == [tenant.user("successor")]


@pytest.mark.parametrize(
    "name", ["IT (dynamic)", "Domain Developers", "Newsletter", "Security Notices"]
)
def test_groups_that_graph_cannot_change(tenant: World, name: str) -> None:
    """Dynamic, synced and mail-enabled groups are refused, and their members stay."""
    group = tenant.group(name)
    member = tenant.graph.truth.targets(Link.MEMBER, group)[0]

    answer = tenant.act.delete(f"groups/{group}/members/{member}/$ref")

    assert answer.status_code == 400
    assert tenant.graph.truth.linked(Link.MEMBER, group, member)


def test_role_assignable_groups_need_more(tenant: World) -> None:
    """Without the permission for roles a role-assignable group is refused, with it not."""
    group, who = tenant.group("Tier 1 Operators"), tenant.user("privileged_leaver")
    tenant.graph.withdraw(App.ACTOR, "RoleManagement.ReadWrite.Directory")

    refused = tenant.act.delete(f"groups/{group}/members/{who}/$ref")
    tenant.graph.consent(App.ACTOR, "RoleManagement.ReadWrite.Directory")
    done = tenant.act.delete(f"groups/{group}/members/{who}/$ref")

    assert (refused.status_code, done.status_code) == (403, 204)


def test_synced_people_are_changed_abroad(tenant: World) -> None:
    """On a synced user the block is taken, names and password are refused."""
    who = tenant.user("leaver")
    password = {"password": "Xy7-invented-and-long", "forceChangePasswordNextSignIn": True}

    block = tenant.act.patch(f"users/{who}", json={"accountEnabled": False})
    rename = tenant.act.patch(f"users/{who}", json={"department": "None"})
    reset = tenant.act.patch(f"users/{who}", json={"passwordProfile": password})

    assert (block.status_code, rename.status_code, reset.status_code) == (204, 400, 400)


@pytest.mark.parametrize("change", [{"accountEnabled": False}, {"otherMails": []}])
def test_admins_need_a_role_of_the_app(tenant: World, change: dict[str, object]) -> None:
    """Sensitive members of an admin are refused to an app that has Graph permissions only."""
    who = tenant.user("privileged_leaver")

    refused = tenant.act.patch(f"users/{who}", json=change)
    registration = tenant.graph.registrations.of(App.ACTOR)
    registration.directory_roles.add("Privileged Authentication Administrator")
    done = tenant.act.patch(f"users/{who}", json=change)

    assert code(refused) == "Authorization_RequestDenied"
    assert (refused.status_code, done.status_code) == (403, 204)


def test_each_change_has_its_permission(tenant: World) -> None:
    """A right for another member does not help, and nothing is half done."""
    who = tenant.user("cloud_leaver")
    tenant.graph.withdraw(App.ACTOR, "User.ReadWrite.All", "User-PasswordProfile.ReadWrite.All")
    password = {"password": "Xy7-invented-and-long"}
    both = {"accountEnabled": False, "passwordProfile": password}

    answer = tenant.act.patch(f"users/{who}", json=both)

    assert answer.status_code == 403
    user = tenant.graph.truth.get(Table.USERS, who)
    assert user is not None
    assert user["accountEnabled"] is True


def test_sessions_end_by_a_date_that_moves(tenant: World) -> None:
    """Revoking moves one date later than the call; a guest's does not move at all."""
    who, guest = tenant.user("cloud_leaver"), tenant.graph.tenant.guest_id
    path = "?$select=signInSessionsValidFromDateTime"
    before = {key: tenant.get(f"users/{key}{path}") for key in (who, guest)}

    for key in (who, guest):
        assert tenant.act.post(f"users/{key}/revokeSignInSessions").json()["value"] is True

    after = {key: tenant.get(f"users/{key}{path}") for key in (who, guest)}
    name = "signInSessionsValidFromDateTime"
    assert after[who][name] > tenant.clock().strftime("%Y-%m-%dT%H:%M:%SZ")
    assert after[guest][name] == before[guest][name]


def test_methods_go_in_their_order(tenant: World) -> None:
    """Mobile waits for alternate, the default for all others; rounds get there, a rest stays."""
    who = tenant.user("cloud_leaver")
    path = f"users/{who}/authentication"
    rounds = 0
    while rounds < 3:
        held = [
            row for row in tenant.rows(f"{path}/methods") if "password" not in row["@odata.type"]
        ]
        if not held:
            break
        rounds += 1
        for row in held:
            name = row["@odata.type"].removeprefix("#microsoft.graph.")
            tenant.act.delete(
                f"{path}/{name.replace('AuthenticationMethod', 'Methods')}/{row['id']}"
            )

    left = tenant.rows(f"{path}/methods")
    assert 1 < rounds <= 3
    assert [row["@odata.type"] for row in left] == ["#microsoft.graph.passwordAuthenticationMethod"]


def test_an_unknown_method_has_no_path(tenant: World) -> None:
    """Hardware OATH is listed and v1.0 has nothing to delete it by; beta has."""
    who = tenant.user("privileged_leaver")
    path = f"users/{who}/authentication"
    kind = "#microsoft.graph.hardwareOathAuthenticationMethod"
    (found,) = [row for row in tenant.rows(f"{path}/methods") if row["@odata.type"] == kind]

    here = tenant.act.delete(f"{path}/hardwareOathMethods/{found['id']}")
    beta = tenant.act.delete(f"{tenant.graph.url}/beta/{path}/hardwareOathMethods/{found['id']}")

    assert (here.status_code, beta.status_code) == (400, 204)


def test_licences_of_a_group_leave_with_the_group(tenant: World) -> None:
    """An inherited licence is refused directly; both arrays are needed; a direct one goes."""
    who = tenant.user("cloud_leaver")
    path = f"users/{who}/assignLicense"

    half = tenant.act.post(path, json={"removeLicenses": [product_id(ENTERPRISE)]})
    inherited = tenant.act.post(
        path, json={"addLicenses": [], "removeLicenses": [product_id(ADD_ON)]}
    )
    direct = tenant.act.post(
        path, json={"addLicenses": [], "removeLicenses": [product_id(ENTERPRISE)]}
    )
    group = tenant.group("Licences E5")
    tenant.act.delete(f"groups/{group}/members/{who}/$ref")

    assert (half.status_code, inherited.status_code, direct.status_code) == (400, 400, 200)
    left = tenant.get(f"users/{who}?$select=licenseAssignmentStates,assignedLicenses")
    assert left["licenseAssignmentStates"] == left["assignedLicenses"] == []


def test_a_mailbox_needs_its_licence(tenant: World) -> None:
    """Without the licence the mailbox cannot be read any more, so it is emptied before."""
    who = tenant.user("cloud_leaver")
    body = {"addLicenses": [], "removeLicenses": [product_id(ENTERPRISE)]}

    before = tenant.verify.get(f"users/{who}/mailboxSettings")
    tenant.act.post(f"users/{who}/assignLicense", json=body)
    after = tenant.verify.get(f"users/{who}/mailboxSettings")

    assert before.json()["userPurpose"] == "user"
    assert (after.status_code, code(after)) == (404, "MailboxNotEnabledForRESTAPI")


def test_secrets_are_shown_once(tenant: World) -> None:
    """A new secret's value is in the answer that made it and in no read afterwards."""
    name = application_name(tenant.graph.tenant.cloud_leaver)
    app = f"applications/{tenant.graph.tenant.application_id(name)}"

    secret = tenant.act.post(f"{app}/addPassword", json={}).json()["secretText"]
    read = tenant.get(f"{app}?$select=passwordCredentials")

    assert len(read["passwordCredentials"]) == 3
    assert all(row["secretText"] is None for row in read["passwordCredentials"])
    assert secret not in str(read)
    assert secret not in str(tenant.graph.witness.changes)


def test_an_admins_consent_is_nobodys_own(tenant: World) -> None:
    """A person's list shows their own consents and not the one for everybody."""
    rows = tenant.rows(f"users/{tenant.user('cloud_leaver')}/oauth2PermissionGrants")

    assert {row["consentType"] for row in rows} == {"Principal"}
    everything = tenant.rows("oauth2PermissionGrants")
    assert "AllPrincipals" in {row["consentType"] for row in everything}


def test_app_roles_of_groups_cannot_be_deleted_from_the_person(tenant: World) -> None:
    """The list shows them with the group as principal; the delete is a 404."""
    who = tenant.user("cloud_leaver")
    rows = tenant.rows(f"users/{who}/appRoleAssignments")
    (derived,) = [row for row in rows if row["principalType"] == "Group"]

    answer = tenant.act.delete(f"users/{who}/appRoleAssignments/{derived['id']}")

    assert answer.status_code == 404
    tenant.act.delete(f"groups/{derived['principalId']}/members/{who}/$ref")
    left = tenant.rows(f"users/{who}/appRoleAssignments")
    assert {row["principalType"] for row in left} == {"User"}


def test_owner_links_of_devices_are_for_people(tenant: World) -> None:
    """An app cannot unlink a device's owner; a deleted device takes its recovery key along."""
    who = tenant.graph.tenant.cloud_leaver
    device = tenant.graph.tenant.device_id(who, "laptop")
    link = f"devices/{device}/registeredOwners/{tenant.user('cloud_leaver')}/$ref"
    key = identifier(f"recovery key {who.employment_id}")

    refused = tenant.act.delete(link)
    assert tenant.graph.truth.get(Table.RECOVERY_KEYS, key) is not None
    tenant.act.delete(f"devices/{device}")

    assert refused.status_code == 403
    assert tenant.graph.truth.get(Table.RECOVERY_KEYS, key) is None


def test_agents_keep_a_sponsor(tenant: World) -> None:
    """The only sponsor of an agent stays; on a plain service principal there are none in v1.0."""
    agent = tenant.graph.tenant.service_principal_id(
        f"agent of {tenant.graph.tenant.cloud_leaver.login}"
    )
    who = tenant.user("cloud_leaver")

    cast = f"servicePrincipals/{agent}/microsoft.graph.agentIdentity/sponsors/{who}/$ref"
    refused = tenant.act.delete(cast)
    plain = tenant.act.get(f"servicePrincipals/{agent}/sponsors")

    assert (refused.status_code, plain.status_code) == (400, 400)


def test_blueprints_have_sponsors(tenant: World) -> None:
    """What agents are made from is sponsored too, under its own type."""
    who, other = tenant.user("cloud_leaver"), tenant.user("successor")
    tenant.graph.edit(
        lambda store: store.put(
            Table.APPLICATIONS, {"id": "blue", "displayName": "Blueprint", "_agent": True}
        )
    )
    tenant.graph.edit(lambda store: store.link(Link.SPONSOR, "blue", who))
    link = "applications/microsoft.graph.agentIdentityBlueprint/blue/sponsors"

    sponsored = {row["@odata.type"] for row in tenant.rows(f"users/{who}/sponsorOf")}
    refused = tenant.act.delete(f"{link}/{who}/$ref")
    tenant.act.post(f"{link}/$ref", json=tenant.reference(other))
    done = tenant.act.delete(f"{link}/{who}/$ref")

    assert "#microsoft.graph.agentIdentityBlueprint" in sponsored
    assert (refused.status_code, done.status_code) == (400, 204)
    assert [row["id"] for row in tenant.rows(link)] == [other]


def test_only_organisers_cancel(tenant: World) -> None:
    """An attendee is refused; the organiser's cancel sends mail, and the meeting is gone."""
    who, other = tenant.user("cloud_leaver"), tenant.user("successor")
    invited = identifier(f"meeting invited {other} {who} attendee")
    weekly = identifier(f"meeting weekly {who} {other} organiser")

    refused = tenant.act.post(f"users/{who}/events/{invited}/cancel", json={})
    done = tenant.act.post(f"users/{who}/events/{weekly}/cancel", json={"Comment": "left"})
    again = tenant.act.post(f"users/{who}/events/{weekly}/cancel", json={"Comment": "left"})

    assert (refused.status_code, done.status_code, again.status_code) == (400, 202, 404)
    assert len(list(tenant.graph.truth.every(Table.NOTICES))) == 1


def test_inherited_permissions_stay(tenant: World) -> None:
    """What an item inherits cannot be taken from it; an invitation may cut the inheritance."""
    who = tenant.user("cloud_leaver")
    drive = tenant.get(f"users/{who}/drive")["id"]
    item = f"drives/{drive}/items/{identifier(f'file contract.txt {who}')}"
    rows = tenant.rows(f"{item}/permissions")
    body = {
        "recipients": [{"objectId": tenant.user("leaver")}],
        "roles": ["read"],
        "retainInheritedPermissions": False,
    }

    refused = tenant.act.delete(f"{item}/permissions/{rows[0]['id']}")
    tenant.act.post(f"{item}/invite", json=body)

    assert all(row["inheritedFrom"] for row in rows)
    assert refused.status_code == 400
    assert [role for row in tenant.rows(f"{item}/permissions") for role in row["roles"]] == ["read"]


def test_deleted_people_come_back_with_their_links(tenant: World) -> None:
    """A restore brings memberships back within thirty days, and not one day later."""
    who, group = tenant.user("cloud_leaver"), tenant.group("Platform Engineers")
    tenant.act.delete(f"users/{who}")
    assert not tenant.graph.truth.linked(Link.MEMBER, group, who)
    tenant.act.post(f"directory/deletedItems/{who}/restore")
    assert tenant.graph.truth.linked(Link.MEMBER, group, who)
    tenant.act.delete(f"users/{who}")

    tenant.clock.forward(days=30, seconds=1)

    with tenant.client(App.ACTOR) as fresh:
        late = fresh.post(f"directory/deletedItems/{who}/restore")
    assert late.status_code == 404


def test_limited_sight_shows_type_and_id_only(tenant: World) -> None:
    """Without the directory right a membership is an id without a name, not an absence."""
    who = tenant.user("cloud_leaver")
    everything = tenant.rows(f"users/{who}/memberOf")
    tenant.graph.withdraw(App.VERIFIER, "Directory.Read.All")
    tenant.graph.consent(App.VERIFIER, "GroupMember.ReadBasic.All")

    limited = tenant.rows(f"users/{who}/memberOf")

    assert len(limited) == len(everything)
    groups = [row for row in limited if row["@odata.type"] == "#microsoft.graph.group"]
    assert all(set(row) == {"@odata.type", "id"} for row in groups)


def test_a_second_removal_of_a_role_says_so(tenant: World) -> None:
    """A request to remove what is not there is a 400 with the vendor's word."""
    body = {
        "action": "adminRemove",
        "principalId": tenant.user("cloud_leaver"),
        "roleDefinitionId": definition_id("Global Administrator"),
        "directoryScopeId": "/",
    }

    path = "roleManagement/directory/roleAssignmentScheduleRequests"
    answer = tenant.act.post(path, json=body)

    assert (answer.status_code, code(answer)) == (400, "RoleAssignmentDoesNotExist")
