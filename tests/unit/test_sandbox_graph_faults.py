"""Faults on purpose, throttling, batches, and the fake's own witness."""

from collections.abc import Iterator
from datetime import timedelta

import httpx
import pytest

from deprovisioner.sandbox.graph import App, Fault, FaultKind, Link, Table
from tests.support.sandbox_graph import World, code, world


@pytest.fixture
def tenant() -> Iterator[World]:
    """A fresh tenant."""
    with world() as made:
        yield made


@pytest.mark.parametrize("retry_after", [7, None])
def test_throttled_with_and_without_a_hint(tenant: World, retry_after: int | None) -> None:
    """A 429 with the seconds or without them, and once only when told so."""
    tenant.graph.faults.add(Fault(FaultKind.THROTTLED, times=1, retry_after=retry_after))

    busy, free = tenant.verify.get("users"), tenant.verify.get("users")

    assert (busy.status_code, free.status_code) == (429, 200)
    assert busy.headers.get("Retry-After") == (None if retry_after is None else "7")


def test_done_and_answered_504(tenant: World) -> None:
    """The work is done although the answer says that it failed."""
    who = tenant.user("cloud_leaver")
    tenant.graph.faults.add(Fault(FaultKind.DONE_BUT_FAILING, method="PATCH", path="/users/*"))

    answer = tenant.act.patch(f"users/{who}", json={"accountEnabled": False})

    user = tenant.graph.truth.get(Table.USERS, who)
    assert answer.status_code == 504
    assert user is not None
    assert user["accountEnabled"] is False


def test_ignored_writes_lie(tenant: World) -> None:
    """Success is answered and nothing is done, now or later."""
    who, group = tenant.user("cloud_leaver"), tenant.group("Platform Engineers")
    tenant.graph.faults.add(Fault(FaultKind.IGNORED, app="actor"))

    answer = tenant.act.delete(f"groups/{group}/members/{who}/$ref")

    assert answer.status_code == 204
    assert tenant.graph.truth.linked(Link.MEMBER, group, who)
    assert tenant.graph.witness.changes == ()


def test_failing_before_the_work(tenant: World) -> None:
    """A 503 does nothing."""
    who = tenant.user("cloud_leaver")
    tenant.graph.faults.add(Fault(FaultKind.FAILING, retry_after=3, times=1))

    answer = tenant.act.patch(f"users/{who}", json={"accountEnabled": False})

    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "3")
    assert tenant.graph.witness.changes == ()


def test_a_login_page_with_200(tenant: World) -> None:
    """A proxy's page is HTML and not JSON, whatever its status says."""
    tenant.graph.faults.add(Fault(FaultKind.HTML))

    answer = tenant.verify.get("users")

    assert answer.status_code == 200
    assert answer.headers["Content-Type"].startswith("text/html")


def test_an_empty_page_hides_nothing(tenant: World) -> None:
    """A page without items and with a next link: whoever goes on finds everything."""
    path = f"users/{tenant.user('cloud_leaver')}/memberOf"
    everything = tenant.rows(path)
    tenant.graph.faults.add(Fault(FaultKind.EMPTY_PAGE, path="*/memberOf", times=1))

    first = tenant.get(path)

    assert first["value"] == []
    assert tenant.rows(first["@odata.nextLink"]) == everything


def test_a_link_abroad(tenant: World) -> None:
    """The next link may lead to another host."""
    tenant.graph.faults.add(Fault(FaultKind.FOREIGN_LINK, host="thief.example"))

    link = tenant.get("users?$top=5")["@odata.nextLink"]

    assert link.startswith("https://thief.example/v1.0/users?")


def test_lists_that_lie_and_lists_that_end_early(tenant: World) -> None:
    """An empty list with success, and a list that stops after a page without saying so."""
    path = f"users/{tenant.user('cloud_leaver')}/memberOf"
    number = len(tenant.rows(path))

    tenant.graph.faults.add(Fault(FaultKind.LIES_EMPTY, times=1))
    empty = tenant.get(path)
    tenant.graph.faults.add(Fault(FaultKind.CUT, times=1))
    short = tenant.get(path)

    assert empty["value"] == []
    assert 0 < len(short["value"]) < number
    assert "@odata.nextLink" not in empty | short


def test_hidden_objects(tenant: World) -> None:
    """What is hidden is in no list and cannot be read by its id, with success all around."""
    canary = tenant.graph.tenant.canary_id
    tenant.graph.faults.add(Fault(FaultKind.HIDDEN, ids=frozenset({canary})))

    assert tenant.verify.get(f"users/{canary}").status_code == 404
    assert canary not in {row["id"] for row in tenant.rows("users?$select=id&$top=999")}


def test_consent_withdrawn_between_two_pages(tenant: World) -> None:
    """A right may go while pages are read: the next page is refused."""
    link = tenant.get("users?$top=5")["@odata.nextLink"]

    tenant.graph.withdraw(App.VERIFIER, "User.Read.All", "Directory.Read.All")

    answer = tenant.verify.get(link)
    assert (answer.status_code, code(answer)) == (403, "Authorization_RequestDenied")


def test_faults_wait_and_choose(tenant: World) -> None:
    """A fault can spare the first requests, and meet one app only."""
    tenant.graph.faults.add(Fault(FaultKind.FORBIDDEN, app="verifier", after=2, times=1))

    states = [tenant.verify.get("users?$top=1").status_code for _ in range(4)]

    assert states == [200, 200, 403, 200]
    assert tenant.act.get("users?$top=1").status_code == 200


def test_a_dropped_connection(tenant: World) -> None:
    """The work is done and no answer comes."""
    who = tenant.user("cloud_leaver")
    tenant.graph.faults.add(Fault(FaultKind.DROPPED, method="PATCH", times=1))

    with pytest.raises(httpx.TransportError):
        tenant.act.patch(f"users/{who}", json={"accountEnabled": False})

    assert len(tenant.graph.witness.changes_by("actor")) == 1


def test_faults_from_the_wire() -> None:
    """The controls of the sandbox read faults from JSON and refuse what does not exist."""
    made = Fault.from_wire({"kind": "hidden", "ids": ["a"], "times": 2})

    assert made == Fault(FaultKind.HIDDEN, ids=frozenset({"a"}), times=2)
    for wrong in ({"kind": "invented"}, {"kind": "html", "colour": "red"}, {}):
        with pytest.raises(ValueError, match=r"[Ff]ault"):
            Fault.from_wire(wrong)


def test_a_mailbox_takes_four_at_once(tenant: World) -> None:
    """With four requests under way the next one is a 429, as Outlook counts them by app."""
    path = f"users/{tenant.user('cloud_leaver')}/mailFolders/inbox/messageRules"
    places = tenant.graph.service._mailboxes
    under_way = [places.acquire(blocking=False) for _ in range(4)]

    crowded = tenant.verify.get(path)
    elsewhere = tenant.verify.get("users?$top=1")
    places.release()
    free = [tenant.verify.get(path).status_code for _ in range(2)]

    assert all(under_way)
    assert (crowded.status_code, code(crowded)) == (429, "ApplicationThrottled")
    assert (elsewhere.status_code, free) == (200, [200, 200])


def test_the_bucket_of_resource_units(tenant: World) -> None:
    """Each answer says its cost; an empty bucket is a 429 until the window has passed."""
    tenant.graph.units.limit = 6

    first = tenant.verify.get("users?$top=1")
    second = tenant.verify.get(f"groups/{tenant.group('canaries')}/members")
    third = tenant.verify.get("users?$top=1")
    tenant.clock.forward(seconds=10)

    assert [first.headers["x-ms-resource-unit"], second.headers["x-ms-resource-unit"]] == ["2", "3"]
    assert float(second.headers["x-ms-throttle-limit-percentage"]) >= 0.8
    assert (third.status_code, third.headers["Retry-After"]) == (429, "10")
    assert tenant.verify.get("users?$top=1").status_code == 200


# ------------------------------------------------------------------------------------- batches


def item(key: str, url: str, method: str = "GET", **more: object) -> dict[str, object]:
    """Make one request of a batch."""
    return {"id": key, "method": method, "url": url, **more}


def test_batch_items_are_throttled_on_their_own(tenant: World) -> None:
    """Inside an accepted batch one item is refused with its own hint."""
    tenant.graph.faults.add(Fault(FaultKind.THROTTLED, path="/groups*", times=1, retry_after=9))
    requests = [
        item("a", "/users?$top=1"),
        item("b", "/groups?$top=1"),
        item("c", "/groups?$top=1"),
    ]

    answer = tenant.act.post("$batch", json={"requests": requests})

    states = {one["id"]: one for one in answer.json()["responses"]}
    assert answer.status_code == 200
    assert [states[key]["status"] for key in "abc"] == [200, 429, 200]
    assert states["b"]["headers"]["Retry-After"] == "9"


def test_a_failed_predecessor_stops_the_rest(tenant: World) -> None:
    """What depends on a failure is answered 424 and not done."""
    who = tenant.user("cloud_leaver")
    change = {"headers": {"Content-Type": "application/json"}, "body": {"accountEnabled": False}}
    requests = [
        item("1", "/users/nobody"),
        item("2", f"/users/{who}", "PATCH", dependsOn=["1"], **change),
    ]

    answer = tenant.act.post("$batch", json={"requests": requests})

    states = {one["id"]: one["status"] for one in answer.json()["responses"]}
    assert states == {"1": 404, "2": 424}
    assert tenant.graph.witness.changes == ()


def test_answers_of_a_batch_come_in_any_order(tenant: World) -> None:
    """Twenty answers do not come in the order of the questions."""
    requests = [item(str(number), "/users?$top=1&$select=id") for number in range(20)]

    answer = tenant.act.post("$batch", json={"requests": requests}).json()["responses"]

    order = [one["id"] for one in answer]
    assert sorted(order, key=int) == [one["id"] for one in requests]
    assert order != [one["id"] for one in requests]


@pytest.mark.parametrize(
    "requests",
    [
        [],
        [item(str(number), "/users") for number in range(21)],
        [item("1", "/users"), item("1", "/groups")],
        [item("1", "http://127.0.0.1/v1.0/users")],
        [item("1", "/users", "PATCH", body={"a": 1})],
        [item("1", "/users", depends_on=["0"])],
        [item("1", "/users", dependsOn=["2"]), item("2", "/users")],
        [
            item("1", "/users"),
            item("2", "/users", dependsOn=["1"]),
            item("3", "/users"),
            item("4", "/users", dependsOn=["3"]),
        ],
    ],
)
def test_batches_that_are_refused(tenant: World, requests: list[object]) -> None:
    """Too many, doubled ids, absolute addresses, no content type, misspelt or mixed order."""
    answer = tenant.act.post("$batch", json={"requests": requests})

    assert answer.status_code == 400


# ------------------------------------------------------------------------------------- witness


def test_the_witness_tells_who_changed_what(tenant: World) -> None:
    """Every change has its author and the members that differ; passwords are withheld."""
    who = tenant.user("cloud_leaver")
    password = {"password": "Xy7-invented-and-long", "forceChangePasswordNextSignIn": True}
    tenant.act.patch(f"users/{who}", json={"accountEnabled": False})
    tenant.act.patch(f"users/{who}", json={"passwordProfile": password})
    tenant.graph.edit(lambda store: store.change(Table.USERS, who, jobTitle="left"))

    block, reset, other = tenant.graph.witness.changes

    assert (block.by, block.place, block.key) == ("actor", "users", who)
    assert (block.before, block.after) == ({"accountEnabled": True}, {"accountEnabled": False})
    assert "Xy7" not in str(reset)
    assert other.by == "somebody else"


def test_the_witness_tells_every_request(tenant: World) -> None:
    """Refused and batched requests are there too, each with its id."""
    tenant.act.get("nonsense")
    tenant.act.post("$batch", json={"requests": [item("1", "/users?$top=1")]})

    seen = [(one.path, one.status, one.batched) for one in tenant.graph.witness.requests]

    assert seen == [("/nonsense", 400, False), ("/users", 200, True), ("/$batch", 200, False)]
    assert len({one.request_id for one in tenant.graph.witness.requests}) == 3


def test_a_token_that_lives_short(tenant: World) -> None:
    """Between two calls a token may end; the second call is a 401."""
    with tenant.client(App.ACTOR, timedelta(minutes=5)) as client:
        before = client.get("users?$top=1")
        tenant.clock.forward(minutes=5)
        after = client.get("users?$top=1")

    assert (before.status_code, after.status_code) == (200, 401)
