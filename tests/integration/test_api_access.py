"""Who may call what: every route of the served document against every role, over a real socket."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deprovisioner.api.access import GRANTS, Permission
from reconcile.principals import Role
from tests.support.house_rig import MEDIA_TYPE, Visitor, event, problem, running_doors

CASE = "/v1/cases/none"
ROUTES: dict[tuple[str, str], tuple[Permission, str, object]] = {
    ("get", "/v1/cases"): (Permission.READ, "/v1/cases", None),
    ("get", "/v1/cases/{case_id}"): (Permission.READ, CASE, None),
    ("get", "/v1/cases/{case_id}/records"): (Permission.READ, f"{CASE}/records", None),
    ("get", "/v1/cases/{case_id}/bundle"): (Permission.READ, f"{CASE}/bundle", None),
    ("post", "/v1/cases/{case_id}/questions/{question_id}"): (
        Permission.ACT,
        f"{CASE}/questions/duty/door/3",
        {"answer": "done"},
    ),
    ("post", "/v1/cases/{case_id}/holds"): (Permission.ACT, f"{CASE}/holds", {"reason": "wait"}),
    ("post", "/v1/cases/{case_id}/holds/{hold_id}/release"): (
        Permission.DECIDE,
        f"{CASE}/holds/brake/release",
        {"bound_to": "x"},
    ),
    ("post", "/v1/cases/{case_id}/approvals"): (
        Permission.DECIDE,
        f"{CASE}/approvals",
        {"stage": "destroy", "bound_to": "x"},
    ),
    ("post", "/v1/cases/{case_id}/operations/{seq}/retry"): (
        Permission.ACT,
        f"{CASE}/operations/1/retry",
        None,
    ),
    ("get", "/v1/accounts"): (Permission.READ, "/v1/accounts", None),
    ("get", "/v1/cases/{case_id}/accounts"): (Permission.READ, f"{CASE}/accounts", None),
    ("post", "/v1/cases/{case_id}/accounts/{system}/{native_id}"): (
        Permission.ACT,
        f"{CASE}/accounts/door/uid=a/b",
        {"answer": "reject", "why": "a namesake"},
    ),
    ("post", "/v1/plan"): (
        Permission.ACT,
        "/v1/plan",
        {"subject": {"employment_id": "E-9"}, "urgency": "immediate"},
    ),
    ("get", "/v1/inbox"): (Permission.READ, "/v1/inbox?state=rejected", None),
    ("get", "/v1/inbox/{event_id}"): (Permission.READ, "/v1/inbox/none", None),
    ("get", "/v1/systems"): (Permission.SEE_SYSTEMS, "/v1/systems", None),
    ("get", "/v1/tokens"): (Permission.TOKENS, "/v1/tokens", None),
    ("post", "/v1/tokens"): (Permission.TOKENS, "/v1/tokens", {"principal": "x", "role": "hr"}),
    ("delete", "/v1/tokens/{token_id}"): (Permission.TOKENS, "/v1/tokens/none", None),
}
WORDS = {"subject", "employment_id", "dates", "answer", "reason", "bound_to", "stage", "urgency"}
ELSEWHERE = {("post", "/v1/terminations"), ("get", "/healthz"), ("get", "/readyz")}


@pytest.fixture(scope="module")
def door(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Visitor]:
    """One house at rest for the whole file."""
    with running_doors(tmp_path_factory.mktemp("access")) as visitor:
        yield visitor


@pytest.fixture(scope="module")
def approver(door: Visitor) -> httpx.Client:
    """Who may do everything with cases."""
    return door.as_(Role.APPROVER)


@pytest.fixture(scope="module")
def document(door: Visitor) -> dict[str, Any]:
    """The served OpenAPI document."""
    served: dict[str, Any] = door.as_(None).get("/openapi.json").json()
    return served


def call(client: httpx.Client, route: tuple[str, str]) -> httpx.Response:
    _, path, body = ROUTES[route]
    return client.request(route[0], path, json=body)


def test_every_served_route_is_judged_here(
    document: dict[str, Any],
) -> None:
    """A new route without a line in the table is a red test, not an open door."""
    served = {(method, path) for path, item in document["paths"].items() for method in item}
    assert served == set(ROUTES) | ELSEWHERE


@pytest.mark.parametrize("route", list(ROUTES), ids=" ".join)
def test_nobody_gets_in_without_a_token(door: Visitor, route: tuple[str, str]) -> None:
    """401, whether the thing exists or not."""
    assert problem(call(door.as_(None), route)) == (401, "unauthenticated")


@pytest.mark.parametrize("role", list(Role))
def test_each_role_does_its_own_and_no_more(
    door: Visitor, role: Role, document: dict[str, Any]
) -> None:
    """403 exactly where the role has no permission; what it may do answers as documented."""
    client = door.as_(role)
    for route, (permission, _, _) in ROUTES.items():
        answer = call(client, route)
        if permission in GRANTS[role]:
            assert answer.status_code not in {401, 403}, route
            assert answer.status_code < 500, (route, answer.text)
        else:
            assert problem(answer) == (403, "forbidden"), route
        item = document["paths"][route[1]][route[0]]
        responses = item["responses"]
        assert str(answer.status_code) in responses, (route, answer.status_code)


@pytest.mark.parametrize(
    "header",
    ["", "Bearer", "Basic eDp5", "Bearer dpv_" + "A" * 43, "Bearer " + "x" * 5000, "Bearer é"],
)  # fmt: skip
def test_what_is_no_token_is_401(door: Visitor, header: str) -> None:
    """One answer for every way of not having one."""
    headers = [(b"Authorization", header.encode())]
    assert problem(door.as_(None).get("/v1/cases", headers=headers)) == (401, "unauthenticated")


def test_a_revoked_token_is_401_at_once(door: Visitor) -> None:
    """Nothing remembers it."""
    admin = door.as_(Role.ADMIN)
    token = admin.post("/v1/tokens", json={"principal": "gone", "role": "auditor"}).json()["token"]
    bearer = {"Authorization": f"Bearer {token}"}
    assert door.as_(None).get("/v1/cases", headers=bearer).status_code == 200
    listed = next(t for t in admin.get("/v1/tokens").json() if t["principal"] == "gone")
    assert token not in str(listed)
    assert admin.delete(f"/v1/tokens/{listed['id']}").status_code == 204
    assert problem(door.as_(None).get("/v1/cases", headers=bearer)) == (401, "unauthenticated")


def test_a_token_is_stored_as_a_hash_only(door: Visitor) -> None:
    """Who reads the database cannot speak for anybody."""
    token = door.house.desk.issue_token("hashed", Role.AUDITOR)
    path = door.house.database.path
    assert path is not None
    stored = b"".join(p.read_bytes() for p in path.parent.glob("deprovisioner.db*"))
    assert b"hashed" in stored
    assert token.encode() not in stored


@pytest.mark.parametrize(
    ("method", "path", "body", "expected"),
    [
        ("post", "/v1/cases/c/holds", {"reason": ""}, (422, "unusable")),
        ("post", "/v1/cases/c/holds", {"reason": "x", "more": 1}, (422, "unusable")),
        ("post", "/v1/cases/c/holds", {"reason": "x" * 501}, (422, "unusable")),
        ("post", "/v1/cases/c/holds", {"reason": "x"}, (404, "unknown-case")),
        ("get", "/v1/cases/c", None, (404, "unknown-case")),
        ("get", "/v1/cases/" + "c" * 65, None, (422, "unusable")),
        ("get", "/v1/cases/%00", None, (422, "unusable")),
        ("get", "/v1/cases?employment_id=%00", None, (422, "unusable")),
        ("get", "/v1/cases?before=%00", None, (422, "unusable")),
        ("post", "/v1/cases/c/questions/%00", {"answer": "done"}, (422, "unusable")),
        ("post", "/v1/cases/c/questions/q", {"answer": "\0"}, (422, "unusable")),
        ("post", "/v1/cases/c/holds", {"reason": "a\nb"}, (422, "unusable")),
        ("post", "/v1/cases/c/accounts/door/a", {"answer": "maybe"}, (422, "unusable")),
        ("post", "/v1/cases/c/accounts/door/a", {"answer": "accept"}, (404, "unknown-case")),
        ("post", "/v1/cases/c/accounts/DOOR/a", {"answer": "accept"}, (422, "unusable")),
        ("get", "/v1/accounts?limit=0", None, (422, "unusable")),
        ("post", "/v1/plan", {"subject": {"employment_id": "E\0"}}, (422, "unusable")),
        ("get", "/v1/cases?limit=0", None, (422, "unusable")),
        ("get", "/v1/nothing", None, (404, "not-found")),
        ("post", "/v1/terminations/", {}, (404, "not-found")),
        ("get", "/v1/cases/", None, (404, "not-found")),
        ("put", "/v1/cases", None, (405, "method-not-allowed")),
        ("post", "/v1/cases/c/operations/x/retry", None, (422, "unusable")),
        ("post", "/v1/plan", {"subject": {"employment_id": "E", "emial": "x"}}, (422, "unusable")),
    ],
)
def test_every_no_is_a_problem_document(
    door: Visitor, method: str, path: str, body: object, expected: tuple[int, str]
) -> None:
    """RFC 9457 everywhere, also where the framework would have its own words."""
    answer = door.as_(Role.OPERATOR).request(method, path, json=body)
    assert problem(answer) == expected


def test_a_mistake_does_not_come_back_with_its_value(door: Visitor) -> None:
    """Law 10: FastAPI's own answer repeats the input."""
    answer = door.as_(Role.OPERATOR).post("/v1/plan", json={"subject": {"work_email": "robin!"}})
    assert problem(answer)[0] == 422
    assert "robin" not in answer.text


def test_a_large_body_is_413_on_every_route(door: Visitor) -> None:
    """The bound stands before the routes."""
    answer = door.as_(Role.OPERATOR).post("/v1/plan", content=b" " * 300_000)
    assert problem(answer) == (413, "too-large")


def test_answers_are_not_kept_by_anybody(door: Visitor) -> None:
    """Personal data in a proxy's cache would outlive its erasure."""
    answer = door.as_(Role.AUDITOR).get("/v1/cases")
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "server" not in answer.headers


def test_readiness_says_what_is_missing(door: Visitor) -> None:
    """A house at rest runs nothing, and says so; it is alive all the same."""
    client = door.as_(None)
    answer = client.get("/readyz")
    assert problem(answer) == (503, "not-ready")
    assert answer.json()["errors"] == ["the engine does not run"]
    assert client.get("/healthz").json() == {"status": "alive"}


def test_the_document_describes_the_event(
    document: dict[str, Any],
) -> None:
    """Every reference leads somewhere, and the event is described field by field."""
    text = str(document)
    schemas = document["components"]["schemas"]
    for word in text.split("'#/components/schemas/")[1:]:
        assert word.partition("'")[0] in schemas
    assert "last_working_day" in str(schemas["DatesData"])
    request = document["paths"]["/v1/terminations"]["post"]["requestBody"]
    assert list(request["content"]) == [MEDIA_TYPE]


def test_systems_are_shown_with_their_cards(door: Visitor) -> None:
    """What each system can do, without asking it."""
    (system,) = door.as_(Role.AUDITOR).get("/v1/systems").json()
    assert system["name"] == "door"
    assert {"contain", "revoke", "restore"} <= set(system["abilities"])
    assert system["card"]["supports"]


def test_a_case_can_be_held_and_released(door: Visitor) -> None:
    """Hold and release through the API, bound to the plan as it was seen."""
    case_id = door.deliver(event(employment="E-held")).json()["case_id"]
    operator, approver = door.as_(Role.OPERATOR), door.as_(Role.APPROVER)
    hold = operator.post(f"/v1/cases/{case_id}/holds", json={"reason": "wrong person?"})
    assert hold.status_code == 201
    release = f"/v1/cases/{case_id}/holds/{hold.json()['hold_id']}/release"
    assert problem(approver.post(release, json={"bound_to": "old"})) == (409, "stale-approval")
    seen = approver.get(f"/v1/cases/{case_id}").json()["plan_hash"]
    assert approver.post(release, json={"bound_to": seen}).status_code == 204
    (held,) = approver.get(f"/v1/cases/{case_id}").json()["holds"]
    assert held["released"]


ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.dictionaries(st.sampled_from(sorted(WORDS)) | st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=8,
)


@settings(max_examples=60)
@given(
    route=st.sampled_from(sorted(r for r in ROUTES if r[0] == "post" and "token" not in r[1])),
    body=ANY_JSON,
)
def test_no_body_makes_it_fail(
    approver: httpx.Client, route: tuple[str, str], body: object
) -> None:
    """Whatever is posted: an answer of the table, never a 500."""
    answer = approver.request(route[0], ROUTES[route][1], content=json.dumps(body).encode(),
                            headers={"Content-Type": "application/json"})  # fmt: skip
    assert answer.status_code < 500, answer.text


def test_half_a_character_is_refused(approver: httpx.Client) -> None:
    """A lone surrogate is JSON by the letter and text nowhere."""
    answer = approver.post("/v1/cases/c/holds", content=b'{"reason": "\\ud800"}',
                           headers={"Content-Type": "application/json"})  # fmt: skip
    assert problem(answer) == (422, "unusable")
