"""The pretend company's wiki refuses what it should refuse, and keeps its own log."""

from __future__ import annotations

import contextlib
import itertools
import secrets
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest

from connectors.contract import Credential, HoldingState, Subject, gather
from connectors.scim import Settings, open_connector
from connectors.secret import Secret
from deprovisioner.sandbox.people import Person, people
from deprovisioner.sandbox.scim_application import CANARY, Wiki, WikiFaults, wiki

PEOPLE = people(1)
PATCH = "urn:ietf:params:scim:api:messages:2.0:PatchOp"


@contextlib.contextmanager
def running() -> Iterator[Wiki]:
    numbers = itertools.count()
    made = wiki(PEOPLE, "act", "verify", new_id=lambda: f"W{next(numbers):04}")
    made.server.start()
    try:
        yield made
    finally:
        made.server.stop()


@pytest.fixture
def company() -> Iterator[Wiki]:
    """The wiki of the whole company."""
    with running() as made:
        yield made


def call(made: Wiki, method: str, path: str, shown: str = "act", **more: Any) -> httpx.Response:
    headers = {"Authorization": f"Bearer {shown}"}
    return httpx.request(method, made.url + path, headers=headers, trust_env=False, **more)


def patched(made: Wiki, path: str, *operations: object, shown: str = "act") -> httpx.Response:
    body = {"schemas": [PATCH], "Operations": list(operations)}
    return call(made, "PATCH", path, shown, json=body)


def off(value: object = "False") -> dict[str, object]:
    return {"op": "replace", "value": {"active": value}}


def test_a_connector_made_of_its_own_settings_empties_a_person(company: Wiki) -> None:
    """What the wiki tells an operator to write is enough to find, contain and strip somebody."""
    person = _engineer()
    written = company.connector_settings("env:ACT", "env:VERIFY")
    written |= {name: Secret.held(lambda name=name: name, name) for name in ("act", "verify")}  # type: ignore[misc]
    connector = open_connector(
        "wiki", Settings.model_validate(written), Credential.ACT, lambda: datetime.now(UTC)
    )
    with contextlib.closing(connector):
        subject = Subject(person.employment_id, employee_number=person.employee_number)
        account = gather(connector.find(subject)).items[0]
        before = gather(connector.survey(account))
        sign_in = [one for one in before.items if one.kind.startswith(("account.", "credential."))]
        connector.contain(account, [one for one in sign_in if one.kind != "credential.certificate"])
        connector.revoke(account, [one for one in before.items if one.kind.startswith("grant.")])
        after = gather(connector.survey(account))

    assert {one.kind for one in before.items} >= {"grant.group", "grant.role", "grant.app_role"}
    assert not after.blind
    assert {one.state for one in after.items} == {HoldingState.CONTAINED}


def _engineer() -> Person:
    return next(person for person in PEOPLE if person.org_unit == "R&D/Platform")


def test_everybody_has_a_user_and_a_space(company: Wiki) -> None:
    """One user per person, the canary, and one group per unit."""
    assert len(company.user_ids()) == len(PEOPLE) + 1
    members = company.members_of()
    assert sorted(itertools.chain(*members.values())) == sorted(company.user_ids())


def test_without_a_token_nothing_is_said(company: Wiki) -> None:
    """A stranger gets 401."""
    assert call(company, "GET", "/Users", secrets.token_hex(4)).status_code == 401


def test_the_verifying_token_reads_and_does_not_write(company: Wiki) -> None:
    """The wiki itself tells the two apart."""
    assert call(company, "GET", f"/Users/{CANARY}", "verify").status_code == 200
    assert patched(company, f"/Users/{CANARY}", off(), shown="verify").status_code == 403
    assert call(company, "DELETE", f"/Users/{CANARY}", "verify").status_code == 403
    assert [event.acting for event in company.events] == [False] * 3


@pytest.mark.parametrize(
    ("operation", "wrong"),
    [
        ({"op": "replace", "path": "active", "value": "False"}, "invalidPath"),
        (off(value=False), "invalidValue"),
        ({"op": "remove", "value": {"roles": []}}, "invalidSyntax"),
        ({"op": "replace", "value": {"roles": "reader"}}, "invalidValue"),
        ({"op": "replace", "value": {"id": "another"}}, "invalidValue"),
        ({"op": "replace", "value": "False"}, "invalidValue"),
        ("replace", "invalidSyntax"),
    ],
)
def test_its_dialect_is_narrow(company: Wiki, operation: object, wrong: str) -> None:
    """Only a replace without a path, truth as text; nothing changes otherwise."""
    before = company.user(CANARY)

    response = patched(company, f"/Users/{CANARY}", off(), operation)

    assert (response.status_code, response.json()["scimType"]) == (400, wrong)
    assert company.user(CANARY) == before


def test_what_it_does_not_have(company: Wiki) -> None:
    """No filter, no PUT, no POST, no other resources."""
    asked = call(company, "GET", "/Users", params={"filter": 'userName eq "x"'})
    assert asked.json()["scimType"] == "invalidFilter"
    assert call(company, "PUT", f"/Users/{CANARY}", json={}).status_code == 405
    assert call(company, "POST", "/Users", json={}).status_code == 405
    assert call(company, "GET", "/Schemas").status_code == 404
    assert patched(company, f"/Users/{CANARY}").json()["scimType"] == "invalidSyntax"
    for count in ("x", "1x"):
        assert call(company, "GET", "/Users", params={"count": count}).status_code == 400


def test_a_change_is_answered_with_nothing(company: Wiki) -> None:
    """204, no body, no type; the password is kept and never shown."""
    secret = {"op": "Replace", "value": {"password": "new"}}
    response = patched(company, f"/Users/{CANARY}", off(), secret)

    assert (response.status_code, response.content) == (204, b"")
    assert "content-type" not in response.headers
    shown = call(company, "GET", f"/Users/{CANARY}").json()
    assert (shown["active"], "password" in shown) == ("False", False)
    assert company.user(CANARY)["password"] == "new"


def test_who_is_deleted_leaves_the_groups_and_is_404_after(company: Wiki) -> None:
    """The second DELETE finds nobody."""
    assert call(company, "DELETE", f"/Users/{CANARY}").status_code == 204
    assert call(company, "DELETE", f"/Users/{CANARY}").status_code == 404
    assert CANARY not in itertools.chain(*company.members_of().values())


def test_its_faults_are_real(company: Wiki) -> None:
    """It shows old state as often as told, forgets writes, miscounts and throttles."""
    company.faults = WikiFaults(stale_reads=2)
    patched(company, f"/Users/{CANARY}", off())
    shown = [call(company, "GET", f"/Users/{CANARY}").json()["active"] for _ in range(3)]
    assert shown == ["True", "True", "False"]

    company.faults = WikiFaults(forgets_writes=True)
    assert patched(company, f"/Users/{CANARY}", off("True")).status_code == 204
    assert call(company, "DELETE", f"/Users/{CANARY}").status_code == 204
    assert company.user(CANARY)["active"] == "False"

    company.faults = WikiFaults(miscounts=-1)
    assert call(company, "GET", "/Users").json()["totalResults"] == len(PEOPLE)

    company.faults = WikiFaults(answer_code=429, retry_after=3)
    throttled = call(company, "GET", "/Users")
    assert (throttled.status_code, throttled.headers["retry-after"]) == (429, "3")
