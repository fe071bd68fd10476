"""What the rows of the Entra room make of Graph's answers, without a server."""

import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta

import httpx
import pytest

from connectors.contract import KINDS, Account, Holding, Json, Outcome, kind
from connectors.entra import App as Registration
from connectors.entra import CanaryUser, Settings
from connectors.entra.card import card
from connectors.entra.clouds import CLOUDS, CloudName
from connectors.entra.connector import ROWS
from connectors.entra.delegations import DELEGATION
from connectors.entra.drive import _outward
from connectors.entra.graph import Graph
from connectors.entra.groups import End, end_of
from connectors.entra.queries import asking, literal
from connectors.entra.roles import _assignment
from connectors.entra.rows import Leaver, Row
from connectors.entra.settings import Feature
from connectors.entra.tokens import GivenToken
from connectors.faults import Refused, Unauthorised
from connectors.secret import Secret

NOW = datetime(2026, 12, 18, 10, 0, tzinfo=UTC)
USER = "6e7b768e-07e2-4810-8459-485f84f8f204"
OTHER = "1c1b768e-07e2-4810-8459-485f84f8f204"
GROUP = "7d54cb02-aaa3-4016-9f9c-a4b49422dd9b"
SKU = "87220a9c-97d9-5ea0-9aab-d47078b174d9"
GLOBAL_ADMINISTRATOR = "62e90394-69f5-4237-9190-012177145e10"
Answers = Mapping[str, object]


def settings(**more: object) -> Settings:
    """Settings of a tenant that does not exist."""
    secret = Secret.held(lambda: "an-invented-token", "token")

    def app(name: str) -> Registration:
        return Registration(client_id=name, token=secret)

    given: dict[str, object] = {
        "tenant": "t",
        "act": app("act"),
        "verify": app("verify"),
        "canary": CanaryUser(id=OTHER, employee_id="999999", group="canaries"),
        "base_url": "http://127.0.0.1:9",
    }
    return Settings.model_validate({**given, **more})


def answering(answers: Answers) -> Callable[[httpx.Request], httpx.Response]:
    """Answer by the end of the path; what is not named is an empty list or, by key, a 404."""

    def handler(request: httpx.Request) -> httpx.Response:
        path = request.url.path.removeprefix("/v1.0")
        for end, body in answers.items():
            if path.endswith(end):
                if isinstance(body, int):
                    return httpx.Response(body, json={"error": {"code": "Refused"}})
                return httpx.Response(200, json=body)
        if "/members/" in path:
            return httpx.Response(404, json={"error": {"code": "Request_ResourceNotFound"}})
        return httpx.Response(200, json={"value": []})

    return handler


def leaver(answers: Answers, user: Answers | None = None, **more: object) -> Leaver:
    """A leaver whose tenant answers so."""
    given = settings(**more)
    tokens = GivenToken(Secret.held(lambda: "an-invented-token", "token"))
    graph = Graph(
        CLOUDS[CloudName.GLOBAL],
        tokens,
        lambda: NOW,
        base_url="http://127.0.0.1:9",
        transport=httpx.MockTransport(answering(answers)),
    )
    account = Account("entra", USER, "someone@example.com")
    known = json.loads(json.dumps({"id": USER, **(user or {})}))
    return Leaver(graph, given, account, known, verifying=False)


def row(name: str) -> Row:
    """One row of the table."""
    return next(one for one in ROWS if one.name == name)


def read(name: str, answers: Answers, **more: object) -> list[Holding]:
    """Read one row; nothing may be hidden."""
    reading = row(name).read(leaver(answers, **more))  # type: ignore[arg-type]
    assert not reading.gaps
    return list(reading.holdings)


def page(*rows: Answers) -> Answers:
    """One page of a list."""
    return {"value": list(rows)}


# ----------------------------------------------------------------------------------- the table


def test_every_kind_belongs_to_one_row_and_to_the_vocabulary() -> None:
    """Effects are routed by kind, so two rows must not share one."""
    kinds = [of for one in ROWS for of in one.kinds]
    assert len(kinds) == len(set(kinds))
    assert set(kinds) <= KINDS


@pytest.mark.parametrize("cloud", list(CloudName))
def test_a_card_asks_for_no_kind_twice(cloud: CloudName) -> None:
    """A gap is asked under the name of its kind: a second one would never be asked."""
    made = card(settings(cloud=cloud), ROWS)
    kinds = [gap.kind for gap in made.gaps]
    assert len(kinds) == len(set(kinds))
    supported = [support.kind for support in made.supports]
    assert len(supported) == len(set(supported))
    declared = {of for one in ROWS for of in one.kinds} - set(supported)
    told_with_others = {kind("credential.recovery")}  # in the words about credential.mfa
    silent = declared - set(kinds) - told_with_others
    assert not silent, "a kind that is neither supported nor a gap is silence"


def test_what_a_cloud_lacks_is_a_task() -> None:
    """Numbers and sponsors are in the global cloud's schema only, inbox rules not in China's."""
    gaps = {gap.kind: gap for gap in card(settings(cloud=CloudName.CHINA), ROWS).gaps}
    assert "Get-CsPhoneNumberAssignment" in gaps["alias"].duty  # type: ignore[index]
    assert "Remove-InboxRule" in gaps[DELEGATION].duty
    assert "sponsor" in gaps["ownership.agent"].duty  # type: ignore[index]
    absent = settings(cloud=CloudName.CHINA, absent=frozenset({Feature.EXCHANGE}))
    assert DELEGATION not in {gap.kind for gap in card(absent, ROWS).gaps}


# ------------------------------------------------------------------------------------- queries


def test_options_are_encoded_on_both_kinds_of_request() -> None:
    """The SDK's builders and raw paths carry the same query."""
    graph = leaver({}).graph
    where = "principalId eq " + literal("o'neil")
    built = graph.client.users.by_user_id(USER).member_of.to_get_request_information()
    raw = graph.raw("GET", f"/users/{USER}/memberOf")
    wanted = {"$filter": "principalId eq 'o''neil'", "$select": "id,displayName", "$top": "5"}
    for request in (built, raw):
        asking(request, select=("id", "displayName"), where=where, top=5)
        assert dict(httpx.URL(graph._url(request)).params) == wanted


# --------------------------------------------------------------------------------------- roles


def test_a_role_through_a_group_is_the_groups() -> None:
    """What PIM shows through a group, or has revoked already, is no holding of its own."""
    definition = {"roleDefinitionId": "r1", "directoryScopeId": "/", "principalId": USER}
    held = read(
        "eligible roles",
        {
            "roleEligibilitySchedules": page(
                {**definition, "id": "1", "memberType": "Group"},
                {**definition, "id": "2", "memberType": "Direct", "status": "Revoked"},
            ),
            "eligibilityScheduleInstances": page(
                {"groupId": GROUP, "accessId": "owner", "principalId": USER, "memberType": "direct"}
            ),
        },
    )
    assert [one.native_id for one in held] == [f"group:{GROUP}:owner"]


def test_lists_that_show_the_same_role_make_one_holding() -> None:
    """The plain list knows the id, PIM knows until when; a restore needs both."""
    what = {"roleDefinitionId": "r1", "directoryScopeId": "/", "principalId": USER}
    held = read(
        "roles",
        {
            "roleAssignments": page({**what, "id": "a1"}),
            "roleAssignmentScheduleInstances": page(
                {**what, "id": "s1", "endDateTime": "2027-01-01T00:00:00Z", "memberType": "Direct"}
            ),
        },
    )
    assert len(held) == 1
    assert held[0].restore["assignment"] == "a1"
    assert held[0].restore["end"] == "2027-01-01T00:00:00Z"
    assert held[0].restore["pim"] is True


def test_the_only_global_administrator_is_never_taken() -> None:
    """Law 5: refused at the moment of the write, whatever the survey said."""
    what = {"roleDefinitionId": GLOBAL_ADMINISTRATOR, "directoryScopeId": "/", "principalId": USER}
    alone = leaver({"roleAssignments": page({**what, "id": "a1"})})
    held = row("roles").read(alone).holdings[0]
    assert held.sole
    revoke = row("roles").revoke
    assert revoke is not None
    effect = revoke(alone, [held])[0]
    assert effect.outcome is Outcome.REFUSED
    assert "somebody who stays" in effect.why


def test_an_activation_that_has_ended_is_not_put_back() -> None:
    """Undo gives nobody more than they had."""
    ended = (NOW - timedelta(hours=1)).isoformat()
    image: dict[str, Json] = {"roleDefinitionId": "r1", "pim": True, "end": ended}
    old = Holding(USER, kind("grant.role"), "role:r1:/", restore=image)
    restore = row("roles").restore
    assert restore is not None
    assert restore(leaver({}), [old])[0].outcome is Outcome.ALREADY


def test_a_role_that_begins_later_is_put_back_to_begin_later() -> None:
    """A schedule for next month does not become a role of today by undo."""
    later = (NOW + timedelta(days=30)).isoformat()
    schedule = {
        "principalId": USER, "roleDefinitionId": "r1", "directoryScopeId": "/",
        "scheduleInfo": {"startDateTime": later},
    }  # fmt: skip
    (held,) = read("eligible roles", {"/roleEligibilitySchedules": page(schedule)})
    assert _assignment_start(held) == later
    now = {**schedule, "scheduleInfo": {"startDateTime": (NOW - timedelta(days=1)).isoformat()}}
    both = {"/roleEligibilitySchedules": page(schedule, now)}
    (held,) = read("eligible roles", both)
    assert _assignment_start(held) == NOW.isoformat()


def _assignment_start(holding: Holding) -> object:
    body = json.loads(_assignment(leaver({}), holding).content or b"{}")
    return body["scheduleInfo"]["startDateTime"]


# -------------------------------------------------------------------------------------- groups


@pytest.mark.parametrize(
    ("group", "end"),
    [
        ({"groupTypes": [], "mailEnabled": False}, End.GRAPH),
        ({"groupTypes": ["Unified"], "mailEnabled": True}, End.GRAPH),
        ({"groupTypes": ["DynamicMembership"], "mailEnabled": False}, End.RULE),
        ({"groupTypes": ["Unified", "DynamicMembership"], "mailEnabled": True}, End.RULE),
        ({"groupTypes": [], "mailEnabled": True}, End.EXCHANGE),
        ({"groupTypes": [], "mailEnabled": True, "onPremisesSyncEnabled": True},
         End.ACTIVE_DIRECTORY),
        ({"membershipType": "Dynamic"}, End.RULE),
    ],
)  # fmt: skip
def test_who_can_take_somebody_out_of_a_group(group: Answers, end: End) -> None:
    """Told from the group object alone."""
    assert end_of(group) is end  # type: ignore[arg-type]


def test_a_rule_that_names_a_person_is_not_told_in_full() -> None:
    """Law 10: the words of a task hold no address."""
    rule = 'user.mail -eq "someone@example.com" or user.extensionAttribute1 -eq "x"'
    dynamic = {
        "@odata.type": "#microsoft.graph.group", "id": GROUP, "displayName": "Rule",
        "groupTypes": ["DynamicMembership"], "membershipRule": rule,
    }  # fmt: skip
    duty = read("groups", {"memberOf": page(dynamic)})[0].duty
    assert "someone@example.com" not in duty
    assert "extensionAttribute1, mail" in duty


def test_a_membership_that_shows_only_its_id_is_a_gap() -> None:
    """Law 2: without the right Graph shows objects without members, and says success."""
    hidden = {"@odata.type": "#microsoft.graph.group", "id": GROUP, "displayName": None}
    reading = row("groups").read(leaver({"memberOf": page(hidden)}))
    assert reading.gaps == ("1 memberships (needs Directory.Read.All)",)


def test_a_missing_right_is_named_and_a_broken_token_is_raised() -> None:
    """403 on a part is a gap; 401 concerns everything."""
    reading = row("groups").read(leaver({"memberOf": 403}))
    assert reading.gaps == ("group memberships (needs Directory.Read.All)",)
    with pytest.raises(Unauthorised):
        row("groups").read(leaver({"memberOf": 401}))


# ------------------------------------------------------------------------------------ licences


def test_a_licence_left_behind_by_its_group_is_told() -> None:
    """While the membership stands it is the holding; without it the licence is one of its own."""
    states = {"licenseAssignmentStates": [{"skuId": SKU, "assignedByGroup": GROUP}]}
    left = row("licences").read(leaver({}, states)).holdings
    assert [one.native_id for one in left] == [f"{SKU}:{GROUP}"]
    there = leaver({f"/groups/{GROUP}/members/{USER}": {"id": USER}}, states)
    assert not row("licences").read(there).holdings


# ------------------------------------------------------------------------ secrets and delegates


@pytest.mark.parametrize(
    ("user", "started", "ends", "known"),
    [
        ({"accountEnabled": True}, -1, 10, True),
        ({"accountEnabled": False, "signInSessionsValidFromDateTime": -5}, -1, 10, False),
        ({"accountEnabled": False, "signInSessionsValidFromDateTime": -5}, -9, 10, True),
        ({"accountEnabled": False}, -1, 10, True),
        ({"accountEnabled": False, "signInSessionsValidFromDateTime": -5}, 3, 10, True),
        ({"accountEnabled": True}, -20, -1, False),
    ],
)
def test_which_secrets_their_owner_may_know(
    user: dict[str, object], started: int, ends: int, *, known: bool
) -> None:
    """All that work and were made before the person was shut out; in doubt it is known."""

    def day(offset: object) -> object:
        if isinstance(offset, bool) or not isinstance(offset, int):
            return offset
        return (NOW + timedelta(days=offset)).isoformat()

    key = {"keyId": "k", "startDateTime": day(started), "endDateTime": day(ends)}
    owned = {"@odata.type": "#microsoft.graph.application", "id": "app", "displayName": "a"}
    answers = {
        "ownedObjects": page(owned),
        "/applications/app/owners": page({"id": USER}, {"id": OTHER}),
        "/applications/app": {"id": "app", "passwordCredentials": [key], "keyCredentials": []},
    }
    who = leaver(answers, {name: day(value) for name, value in user.items()})
    kinds = [one.kind for one in row("owned applications").read(who).holdings]
    assert ("secret_known" in kinds) is known


def test_a_delegate_is_named_without_an_address() -> None:
    """Ids of holdings are told in many places (Law 10), and stay when Graph's own id changes."""
    rule = {
        "id": "AQAA", "displayName": "out", "sequence": 2, "isEnabled": True,
        "actions": {"forwardTo": [{"emailAddress": {"address": "me@home.example"}}]},
    }  # fmt: skip
    share = {
        "id": "p1", "role": "write", "isRemovable": True,
        "emailAddress": {"address": "someone@example.com", "name": "Someone"},
    }  # fmt: skip
    moved = {**rule, "id": "AQBB", "sequence": 1}

    def named(one: Answers) -> list[str]:
        answers = {"messageRules": page(one), "calendarPermissions": page(share)}
        return [holding.native_id for holding in read("delegations", answers)]

    assert named(rule) == named(moved)
    assert not any("@" in name for name in named(rule))


def test_who_is_outside() -> None:
    """Anybody by a link, and guests by their login; colleagues are not."""
    assert _outward({"link": {"scope": "anonymous"}})
    guest = {"user": {"email": "a_b.example#EXT#@example.com"}}
    assert _outward({"grantedToIdentitiesV2": [guest]})
    assert not _outward({"link": {"scope": "organization"}, "grantedToV2": {"user": {"id": OTHER}}})


def test_a_person_is_found_wherever_a_policy_names_them() -> None:
    """As a value and inside a query, but not as its author and not as who is reviewed."""
    conditional = {"id": "c1", "conditions": {"users": {"excludeUsers": [USER.upper()]}}}
    reviewed = {"id": "a1", "scope": {"query": f"/users/{USER}"}, "createdBy": {"id": USER}}
    reviewer = {"id": "a2", "reviewers": [{"query": f"/users/{USER}"}]}
    held = read(
        "policies and reviews",
        {
            "conditionalAccess/policies": page(conditional),
            "accessReviews/definitions": page(reviewed, reviewer),
        },
    )
    assert [one.native_id for one in held] == ["conditional-access-policy:c1", "access-review:a2"]
    assert all(USER in one.duty for one in held)


def test_the_verifier_reports_no_pre_image() -> None:
    """Pre-images may hold what nobody needs for looking."""
    who = leaver({"memberOf": page({
        "@odata.type": "#microsoft.graph.group", "id": GROUP, "displayName": "g", "groupTypes": [],
    })})  # fmt: skip
    verifying = Leaver(who.graph, who.settings, who.account, who.user, verifying=True)
    assert row("groups").read(who).holdings[0].restore
    assert not row("groups").read(verifying).holdings[0].restore


def test_a_member_is_never_deleted_itself() -> None:
    """Leaving a group sends a request that ends in $ref; anything else is stopped on its way."""
    who = leaver({})
    with pytest.raises(Refused):
        who.graph.send(who.graph.raw("DELETE", f"/groups/{GROUP}/members/{USER}"))
