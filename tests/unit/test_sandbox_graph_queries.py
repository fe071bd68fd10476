"""What may be asked of the fake Graph: members, filters, pages; the rest is a 400."""

from collections.abc import Iterator
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deprovisioner.sandbox.forest.content import account_name
from deprovisioner.sandbox.graph import Table
from deprovisioner.sandbox.graph.errors import GraphError
from deprovisioner.sandbox.graph.filters import parse
from tests.support.sandbox_graph import World, code, world

EVENTUAL = {"ConsistencyLevel": "eventual"}


@pytest.fixture(scope="module")
def tenant() -> Iterator[World]:
    """One tenant for tests that only read."""
    with world() as made:
        yield made


def test_members_come_when_asked_for(tenant: World) -> None:
    """`accountEnabled` is not shown unasked, and asked for it is alone."""
    who = tenant.user("cloud_leaver")

    unasked = tenant.get(f"users/{who}")
    asked = tenant.get(f"users/{who}?$select=accountEnabled")

    assert "accountEnabled" not in unasked
    assert set(asked) == {"@odata.context", "accountEnabled"}


@pytest.mark.parametrize(
    "path",
    [
        "users?$select=id,acountEnabled",
        "users?$expand=everything",
        "users?$orderby=displayName",
        "users?$skip=5",
        "users?$top=0",
        "users?$top=1000",
        "users?$filter=invented eq 'x'",
        "users?$filter=displayName has 'x'",
        "users?$filter=displayName eq",
        "users?$filter=(displayName eq 'x'",
        "users?$skiptoken=guessed",
        "users?$count=maybe",
        "users?colour=red",
        "users/nobody/nothing",
        "nothing",
    ],
)
def test_what_is_not_understood_is_refused(tenant: World, path: str) -> None:
    """No option, member, operator or segment is silently ignored."""
    answer = tenant.verify.get(path)

    assert answer.status_code == 400
    assert answer.json()["error"]["innerError"]["request-id"] == answer.headers["request-id"]


@pytest.mark.parametrize(
    "path",
    [
        "users?$count=true",
        "users/$count",
        "users?$filter=accountEnabled ne true",
        "users?$filter=not(userType eq 'Guest')",
        "users?$filter=endswith(mail,'@example.com')",
        "users?$filter=onPremisesSamAccountName eq 'yue.lin'",
        'users?$search="displayName:Anna"',
    ],
)
def test_advanced_queries_need_their_header(tenant: World, path: str) -> None:
    """Without `ConsistencyLevel: eventual` they are refused, with it and a count they are not."""
    with_count = path if "$count" in path else f"{path}&$count=true"

    without = tenant.verify.get(path)
    answered = tenant.verify.get(with_count, headers=EVENTUAL)

    assert without.status_code == 400
    assert answered.status_code == 200, answered.text


def test_an_unknown_consistency_is_refused(tenant: World) -> None:
    """The header has one value."""
    answer = tenant.verify.get("users", headers={"ConsistencyLevel": "session"})

    assert answer.status_code == 400


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("employeeId eq '200042'", 1),
        ("employeeId eq '999999'", 1),
        ("employeeId eq '0200042'", 0),
        ("startswith(userPrincipalName,'adm-')", 3),
        ("proxyAddresses/any(p:p eq 'smtp:yue.lin@example.com')", 1),
        ("userType eq 'Guest' and accountEnabled eq true", 1),
        ("employeeId in ('200042','200051')", 2),
        ("employeeId eq '200042' or employeeId eq '200051'", 2),
        ("displayName eq 'O''Neill'", 0),
    ],
)
def test_filters(tenant: World, text: str, number: int) -> None:
    """Filters choose what they say, without regard to case."""
    assert len(tenant.rows(f"users?$filter={text}&$select=id")) == number


def test_hybrid_people_are_joined_to_the_domain(tenant: World) -> None:
    """The join is the GUID of the company's own domain, and found by it; contractors have none."""
    person = tenant.graph.tenant.leaver
    path = f"users?$filter=onPremisesImmutableId eq '{quote(person.immutable_id)}'"
    shown = "id,onPremisesDistinguishedName,onPremisesSamAccountName,onPremisesSyncEnabled"

    (found,) = tenant.rows(f"{path}&$select={shown}")
    cloud = tenant.get(f"users/{tenant.user('cloud_leaver')}?$select=onPremisesImmutableId")

    assert found["id"] == tenant.user("leaver")
    assert found["onPremisesDistinguishedName"] == account_name(person)
    assert found["onPremisesSyncEnabled"] is True
    assert cloud["onPremisesImmutableId"] is None


def test_names_are_encoded(tenant: World) -> None:
    """A guest is found by a principal name with `#EXT#`, percent-encoded."""
    guest = tenant.get("users?$filter=userType eq 'Guest'")["value"][0]
    name = guest["userPrincipalName"].replace("#", "%23").replace("@", "%40")

    assert tenant.get(f"users/{name}")["id"] == guest["id"]


@pytest.mark.parametrize("size", [1, 7, 100, 999])
def test_pages_hold_everything_once(tenant: World, size: int) -> None:
    """Whatever the size of a page, nobody is missing and nobody comes twice."""
    path = "users" if size > 1 else f"groups/{tenant.group('Platform Engineers')}/members"
    wanted = {row["id"] for row in tenant.graph.truth.every(Table.USERS)}

    found = [row["id"] for row in tenant.rows(f"{path}?$top={size}&$select=id")]

    assert len(found) == len(set(found))
    assert set(found) == wanted or (size == 1 and len(found) == 4)


def test_links_are_absolute_and_keep_the_question(tenant: World) -> None:
    """A next link has host, members and filter in it."""
    path = "users?$top=2&$select=id&$filter=userType eq 'Member'&$count=true"

    body = tenant.get(path, **EVENTUAL)
    link = body["@odata.nextLink"]

    assert link.startswith(f"{tenant.graph.base_url}/users?")
    assert set(tenant.get(link, **EVENTUAL)["value"][0]) == {"id"}
    assert body["@odata.count"] > 300


def test_writes_take_no_options(tenant: World) -> None:
    """An option on a change is refused and the change is not made."""
    who = tenant.user("successor")

    answer = tenant.act.patch(f"users/{who}?$select=id", json={"accountEnabled": False})

    assert answer.status_code == 400
    assert tenant.graph.witness.changes_by("actor") == ()


def test_bodies_are_json_objects(tenant: World) -> None:
    """Anything but a JSON object with its content type is refused."""
    who = tenant.user("successor")
    kind = {"Content-Type": "application/json"}

    answers = [
        tenant.act.patch(f"users/{who}", content=b"{", headers=kind),
        tenant.act.patch(f"users/{who}", content=b"[]", headers=kind),
        tenant.act.patch(f"users/{who}", content=b"{}", headers={"Content-Type": "text/plain"}),
    ]

    assert [code(answer) for answer in answers] == ["BadRequest"] * 3


@given(st.text(max_size=60))
def test_any_text_is_a_filter_or_a_refusal(text: str) -> None:
    """A filter is understood or refused; nothing else happens."""
    try:
        used = parse(text).used
    except GraphError as refusal:
        used = frozenset({("refused", str(refusal.status))})

    assert used
    assert all(operator == "400" for member, operator in used if member == "refused")


@given(st.text(max_size=30))
def test_any_text_can_be_asked_for(value: str) -> None:
    """A quoted text means itself, with its quotes doubled."""
    wanted = parse("displayName eq '" + value.replace("'", "''") + "'")

    assert wanted.passes({"displayName": value})
    assert not wanted.passes({"displayName": value + "x"})
