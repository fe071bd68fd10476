"""What the fake Graph does later: PIM, packages, dynamic groups, replicas, logs, tokens."""

from collections.abc import Iterator

import pytest

from deprovisioner.sandbox.graph import App, Link, Table
from deprovisioner.sandbox.graph.privileges import definition_id
from deprovisioner.sandbox.graph.tenant import identifier
from tests.support.sandbox_graph import START, World, code, world

ROLES = "roleManagement/directory"


@pytest.fixture
def tenant() -> Iterator[World]:
    """A fresh tenant."""
    with world() as made:
        yield made


def removal(who: str, role: str) -> dict[str, str]:
    """Make the body of a request to remove a role."""
    return {
        "action": "adminRemove",
        "principalId": who,
        "roleDefinitionId": definition_id(role),
        "directoryScopeId": "/",
    }


def instances(tenant: World, word: str, who: str) -> list[str]:
    """Return the roles that a person has by a collection's instances."""
    path = f"{ROLES}/role{word}ScheduleInstances?$filter=principalId eq '{who}'"
    return sorted(row["roleDefinitionId"] for row in tenant.rows(path))


def test_the_answer_to_a_request_is_not_the_effect(tenant: World) -> None:
    """An eligibility is `Revoked` at once in the answer and half a minute later in truth."""
    who = tenant.user("cloud_leaver")
    body = removal(who, "User Administrator")

    answer = tenant.act.post(f"{ROLES}/roleEligibilityScheduleRequests", json=body)

    assert (answer.status_code, answer.json()["status"]) == (201, "Revoked")
    assert instances(tenant, "Eligibility", who) == [definition_id("User Administrator")]
    tenant.clock.forward(seconds=30)
    assert instances(tenant, "Eligibility", who) == []


def test_an_activated_role_comes_back_while_eligible(tenant: World) -> None:
    """Active before eligible is the wrong order: an enabled person activates again."""
    who = tenant.user("privileged_leaver")
    body = removal(who, "Helpdesk Administrator")
    helpdesk = definition_id("Helpdesk Administrator")
    tenant.act.post(f"{ROLES}/roleAssignmentScheduleRequests", json=body)
    tenant.clock.forward(minutes=1)
    assert helpdesk not in instances(tenant, "Assignment", who)

    tenant.clock.forward(minutes=11)

    assert helpdesk in instances(tenant, "Assignment", who)
    again = tenant.act.post(f"{ROLES}/roleAssignmentScheduleRequests", json=body)
    assert (again.status_code, code(again)) == (400, "ActiveDurationTooShort")


def test_eligible_first_ends_it(tenant: World) -> None:
    """With the eligibility gone first, the activated role does not come back."""
    who = tenant.user("privileged_leaver")
    body = removal(who, "Helpdesk Administrator")
    tenant.act.post(f"{ROLES}/roleEligibilityScheduleRequests", json=body)
    tenant.clock.forward(minutes=1)

    tenant.act.post(f"{ROLES}/roleAssignmentScheduleRequests", json=body)
    tenant.clock.forward(hours=1)

    assert definition_id("Helpdesk Administrator") not in instances(tenant, "Assignment", who)


def test_a_role_for_the_directory_shows_as_membership(tenant: World) -> None:
    """`memberOf` has the directory role until the last assignment of it is gone."""
    who = tenant.user("privileged_leaver")
    path = f"users/{who}/memberOf/microsoft.graph.directoryRole"
    names = {row["displayName"] for row in tenant.rows(path)}
    rows = tenant.rows(f"{ROLES}/roleAssignments?$filter=principalId eq '{who}'")

    for row in rows:
        assert tenant.act.delete(f"{ROLES}/roleAssignments/{row['id']}").status_code == 204

    assert names == {"Security Reader", "Helpdesk Administrator"}
    assert tenant.rows(path) == []


def test_group_roles_end_in_the_group(tenant: World) -> None:
    """An active assignment by PIM for groups is a membership, and ends as one."""
    who, group = tenant.user("cloud_leaver"), tenant.group("Deploy Window")
    body = {
        "action": "adminRemove",
        "principalId": who,
        "groupId": group,
        "accessId": "member",
    }
    base = "identityGovernance/privilegedAccess/group"

    tenant.act.post(f"{base}/assignmentScheduleRequests", json=body)

    assert tenant.graph.truth.linked(Link.MEMBER, group, who)
    tenant.clock.forward(seconds=30)
    assert not tenant.graph.truth.linked(Link.MEMBER, group, who)
    assert tenant.rows(f"{base}/assignmentScheduleInstances?$filter=principalId eq '{who}'") == []


def test_a_package_puts_the_group_back(tenant: World) -> None:
    """Out of the group, back by the package; out of the package, and it stays out."""
    who, group = tenant.user("cloud_leaver"), tenant.group("Atlas Package")
    tenant.act.delete(f"groups/{group}/members/{who}/$ref")
    assert not tenant.graph.truth.linked(Link.MEMBER, group, who)
    tenant.clock.forward(minutes=2)
    assert tenant.graph.truth.linked(Link.MEMBER, group, who)

    path = "identityGovernance/entitlementManagement"
    (held,) = tenant.rows(f"{path}/assignments?$filter=target/objectId eq '{who}'")
    body = {"requestType": "adminRemove", "assignment": {"id": held["id"]}}
    tenant.act.post(f"{path}/assignmentRequests", json=body)
    tenant.clock.forward(minutes=2)

    assert not tenant.graph.truth.linked(Link.MEMBER, group, who)
    tenant.clock.forward(hours=1)
    assert not tenant.graph.truth.linked(Link.MEMBER, group, who)


def test_a_dynamic_group_follows_its_rule_later(tenant: World) -> None:
    """A new rule is evaluated after a while, not with the answer."""
    group, who = tenant.group("IT (dynamic)"), tenant.user("cloud_leaver")
    rule = 'user.department -eq "Nowhere"'

    assert tenant.act.patch(f"groups/{group}", json={"membershipRule": rule}).status_code == 204

    assert tenant.graph.truth.linked(Link.MEMBER, group, who)
    tenant.clock.forward(minutes=5)
    assert tenant.graph.truth.targets(Link.MEMBER, group) == []


def test_a_dynamic_group_follows_the_person_later(tenant: World) -> None:
    """A changed attribute takes a person out of the group it was the reason for."""
    group, who = tenant.group("IT (dynamic)"), tenant.user("cloud_leaver")

    tenant.act.patch(f"users/{who}", json={"department": "left"})

    assert tenant.graph.truth.linked(Link.MEMBER, group, who)
    tenant.clock.forward(minutes=5)
    assert not tenant.graph.truth.linked(Link.MEMBER, group, who)


def test_a_replica_shows_the_past_for_twenty_minutes(tenant: World) -> None:
    """The write is done and every read denies it until the replica has caught up."""
    who = tenant.user("cloud_leaver")
    tenant.graph.lag(replica=1200)

    tenant.act.patch(f"users/{who}", json={"accountEnabled": False})

    user = tenant.graph.truth.get(Table.USERS, who)
    assert user is not None
    assert user["accountEnabled"] is False
    path = f"users/{who}?$select=accountEnabled"
    tenant.clock.forward(minutes=19)
    assert tenant.get(path)["accountEnabled"] is True
    tenant.clock.forward(minutes=1)
    assert tenant.get(path)["accountEnabled"] is False


def test_the_index_lags_more(tenant: World) -> None:
    """A filter over the index still shows what a read by key denies."""
    who = tenant.user("cloud_leaver")
    tenant.graph.lag(index=600)
    tenant.clock.forward(hours=1)
    tenant.act.patch(f"users/{who}", json={"accountEnabled": False})
    path = f"users?$filter=id eq '{who}'&$count=true&$select=accountEnabled"

    by_index = tenant.get(path, ConsistencyLevel="eventual")["value"]

    assert by_index == [{"accountEnabled": True}]
    assert tenant.get(f"users/{who}?$select=accountEnabled")["accountEnabled"] is False


def test_every_other_read_may_be_stale(tenant: World) -> None:
    """Two replicas answer in turn: a state that was seen is denied by the next read."""
    who = tenant.user("cloud_leaver")
    tenant.act.patch(f"users/{who}", json={"accountEnabled": False})
    tenant.graph.lag(replica=1200, stale_every=2)

    seen = [tenant.get(f"users/{who}?$select=accountEnabled") for _ in range(4)]

    assert {body["accountEnabled"] for body in seen} == {True, False}
    assert seen[0] != seen[1]


def test_the_logs_tell_later_who_did_what(tenant: World) -> None:
    """A change is in the audit log after minutes, with its author; five reads in ten seconds."""
    who = tenant.user("cloud_leaver")
    tenant.act.patch(f"users/{who}", json={"accountEnabled": False})
    path = f"auditLogs/directoryAudits?$filter=activityDateTime ge {START:%Y-%m-%dT%H:%M:%SZ}"

    early = tenant.rows(path)
    tenant.clock.forward(minutes=3)
    (told,) = tenant.rows(path)

    assert early == []
    assert told["initiatedBy"]["app"]["displayName"] == "actor"
    assert told["targetResources"] == [{"id": who}]
    answers = [tenant.verify.get(path).status_code for _ in range(6)]
    assert answers[-1] == 429


def test_tokens_end(tenant: World) -> None:
    """A token lives for an hour on the tenant's clock, or until it is ended."""
    with tenant.client(App.ACTOR, lifetime=START - START) as stale:
        ended = stale.get("users")
    tenant.graph.registrations.expire_tokens(App.VERIFIER)
    expired = tenant.verify.get("users")
    unknown = tenant.act.get("users", headers={"Authorization": "Bearer invented"})

    for answer in (ended, expired, unknown):
        assert (answer.status_code, code(answer)) == (401, "InvalidAuthenticationToken")


def test_the_token_endpoint_knows_its_apps(tenant: World) -> None:
    """Client credentials buy a token that works; a wrong secret buys none."""
    app = tenant.graph.registrations.of(App.VERIFIER)
    form = {"grant_type": "client_credentials", "client_id": app.client_id, "scope": "x/.default"}
    url = f"{tenant.graph.url}/{tenant.graph.tenant.id}/oauth2/v2.0/token"

    good = tenant.verify.post(url, data={**form, "client_secret": app.secret})
    bad = tenant.verify.post(url, data={**form, "client_secret": "guessed"})

    headers = {"Authorization": f"Bearer {good.json()['access_token']}"}
    assert tenant.verify.get("users?$top=1", headers=headers).status_code == 200
    assert bad.status_code == 401


def test_copies_take_a_while(tenant: World) -> None:
    """A copy is accepted, watched without a token, and there in the end."""
    who, other = tenant.user("cloud_leaver"), tenant.user("successor")
    drive, target = (tenant.get(f"users/{key}/drive")["id"] for key in (who, other))
    notes = identifier(f"file notes.txt {who}")
    body = {"parentReference": {"driveId": target, "id": "root"}, "name": "handed over.txt"}

    place = tenant.act.post(f"drives/{drive}/items/{notes}/copy", json=body).headers["Location"]

    assert tenant.verify.get(place, headers={"Authorization": ""}).json()["status"] == "inProgress"
    tenant.clock.forward(seconds=20)
    done = tenant.verify.get(place).json()
    assert done["status"] == "completed"
    assert tenant.get(f"drives/{target}/items/{done['resourceId']}")["name"] == "handed over.txt"


def test_content_comes_from_elsewhere(tenant: World) -> None:
    """Graph gives an address that needs no token; there the octets are what is stored."""
    who = tenant.user("cloud_leaver")
    drive = tenant.get(f"users/{who}/drive")["id"]
    item = identifier(f"file contract.txt {who}")

    moved = tenant.verify.get(f"drives/{drive}/items/{item}/content")

    assert moved.status_code == 302
    content = tenant.verify.get(moved.headers["Location"], headers={"Authorization": ""}).content
    assert content == "合同 contract text\n".encode()


def test_delta_tells_what_changed(tenant: World) -> None:
    """After a delta link only what changed comes, and what is gone is named as deleted."""
    who = tenant.user("cloud_leaver")
    drive = tenant.get(f"users/{who}/drive")["id"]
    everything = tenant.get(f"drives/{drive}/root/delta")
    gone = identifier(f"file notes.txt {who}")
    tenant.clock.forward(minutes=1)
    tenant.graph.edit(lambda store: store.drop(Table.DRIVE_ITEMS, gone))

    later = tenant.get(everything["@odata.deltaLink"])

    assert len(everything["value"]) == 4
    assert later["value"] == [{"id": gone, "deleted": {"state": "deleted"}}]
