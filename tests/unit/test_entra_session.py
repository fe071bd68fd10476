"""The session with Graph: paging, batches, pinned hosts, bounds, and every refusal's fault."""

import json
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from threading import Barrier, Lock

import httpx
import pytest
from kiota_abstractions.request_information import RequestInformation

from connectors.entra.clouds import CLOUDS, CloudName
from connectors.entra.graph import BATCH, CONCURRENT, Bounds, Graph, segment
from connectors.entra.line import Line
from connectors.entra.tokens import GivenToken
from connectors.faults import Fault, Malformed, Missing, Refused, Transient, Unauthorised
from connectors.secret import Secret

NOW = datetime(2026, 12, 18, 10, 0, tzinfo=UTC)
USER = "6e7b768e-07e2-4810-8459-485f84f8f204"
GROUP = "7d54cb02-aaa3-4016-9f9c-a4b49422dd9b"
ROOT = "https://graph.microsoft.com"
Handler = Callable[[httpx.Request], httpx.Response]


def session(handler: Handler, *, bounds: Bounds | None = None, base_url: str = "") -> Graph:
    """A session whose other end is ``handler``."""
    tokens = GivenToken(Secret.held(lambda: "an-invented-token", "token"))
    transport = httpx.MockTransport(handler)
    cloud = CLOUDS[CloudName.GLOBAL]
    return Graph(cloud, tokens, lambda: NOW, base_url=base_url, bounds=bounds, transport=transport)


def answering(status: int, **more: object) -> Handler:
    """Answer every request alike."""
    return lambda _request: httpx.Response(status, **more)  # type: ignore[arg-type]


def groups_of(graph: Graph) -> RequestInformation:
    """A list, asked for with the SDK's builder."""
    return graph.client.users.by_user_id(USER).member_of.to_get_request_information()


def rows(pages: Sequence[Sequence[object]]) -> list[object]:
    """Flatten pages."""
    return [row for page in pages for row in page]


def test_a_builder_writes_the_address_and_we_send_it() -> None:
    """Ids are encoded by the SDK, the token and the version are ours."""
    seen: list[httpx.Request] = []

    def handler(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return httpx.Response(200, json={"id": "x"})

    graph = session(handler)
    builder = graph.client.users.by_user_id("jane#EXT#@example.com/..")
    assert graph.get(builder.to_get_request_information()) == {"id": "x"}
    path = seen[0].url.raw_path
    assert path == b"/v1.0/users/jane%23EXT%23%40example.com%2F.."
    assert seen[0].headers["authorization"] == "Bearer an-invented-token"
    assert segment("jane#EXT#@example.com/..").encode() in path


def test_an_answer_that_drips_ends_with_its_time() -> None:
    """Every byte comes within the read timeout; the whole is Transient when its time is over."""
    ticks = iter(range(0, 100_000, 10))

    def drip() -> Iterator[bytes]:
        for _ in range(1000):
            yield b" "

    graph = Graph(
        CLOUDS[CloudName.GLOBAL],
        GivenToken(Secret.held(lambda: "an-invented-token", "token")),
        lambda: NOW,
        bounds=Bounds(answer_timeout=timedelta(seconds=60)),
        timer=lambda: next(ticks),
        transport=httpx.MockTransport(lambda _request: httpx.Response(200, content=drip())),
    )
    with pytest.raises(Transient) as raised:
        graph.get(graph.raw("GET", "/organization"))
    assert raised.value.code == "graph:timeout"
    assert next(ticks) < 1000


def test_a_token_with_a_line_break_is_never_sent() -> None:
    """It came so out of a file: an incident for people, not a connection to try again."""
    sent: list[httpx.Request] = []

    def handler(request: httpx.Request) -> httpx.Response:
        sent.append(request)
        return httpx.Response(200, json={})

    tokens = GivenToken(Secret.held(lambda: "an-invented\ntoken", "token"))
    transport = httpx.MockTransport(handler)
    graph = Graph(CLOUDS[CloudName.GLOBAL], tokens, lambda: NOW, transport=transport)
    with pytest.raises(Unauthorised) as raised:
        graph.get(graph.raw("GET", "/organization"))
    assert raised.value.code == "graph:token"
    assert "invented" not in str(raised.value)
    assert sent == []


def test_the_environment_gives_no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    """A proxy of the environment would see our token; the one of the settings is taken."""
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:1")
    for line, proxied in ((Line(), False), (Line(proxy="http://127.0.0.1:2"), True)):
        with line.client(ROOT, timedelta(1), timedelta(1), None) as client:
            assert client.trust_env is False
            assert bool(client._mounts) is proxied


def test_every_cloud_has_its_own_host() -> None:
    """A sovereign cloud changes the host of builder and raw requests alike."""
    seen: list[str] = []

    def handler(request: httpx.Request) -> httpx.Response:
        seen.append(str(request.url))
        return httpx.Response(200, json={"value": []})

    tokens = GivenToken(Secret.held(lambda: "t", "token"))
    for cloud in CLOUDS.values():
        graph = Graph(cloud, tokens, lambda: NOW, transport=httpx.MockTransport(handler))
        list(graph.pages(groups_of(graph)))
        graph.get(graph.raw("GET", "/organization"))
        graph.get(graph.raw("GET", "/organization", beta=True))
        hosts = {url.split("/v1.0")[0].split("/beta")[0] for url in seen}
        assert hosts == {cloud.graph}
        assert seen[2].endswith("/beta/organization")
        seen.clear()


def test_the_sdk_itself_can_send_nothing() -> None:
    """A module that awaits a builder instead of handing it over reaches nobody."""
    graph = session(answering(200, json={}))
    with pytest.raises(Refused):
        # The SDK's adapter is asked directly, as `await builder.get()` would.
        graph._adapter._http_client._transport.handler(httpx.Request("GET", ROOT))


def test_an_empty_page_with_a_next_link_goes_on() -> None:
    """The end of a list is a page without next link, and nothing else."""
    pages = {
        None: {"value": [{"id": "1"}], "@odata.nextLink": f"{ROOT}/v1.0/x?$skiptoken=a"},
        "a": {"value": [], "@odata.nextLink": f"{ROOT}/v1.0/x?$skiptoken=b"},
        "b": {"value": [{"id": "3"}]},
    }
    graph = session(
        lambda request: httpx.Response(200, json=pages[request.url.params.get("$skiptoken")])
    )
    assert rows(list(graph.pages(groups_of(graph)))) == [{"id": "1"}, {"id": "3"}]


def test_the_following_pages_are_asked_for_like_the_first() -> None:
    """An eventual read stays one: its header goes with every page."""
    seen: list[str] = []

    def handler(request: httpx.Request) -> httpx.Response:
        seen.append(request.headers.get("consistencylevel", ""))
        last = "skiptoken" in str(request.url)
        more = {} if last else {"@odata.nextLink": f"{ROOT}/v1.0/users?$skiptoken=a"}
        return httpx.Response(200, json={"value": [], **more})

    graph = session(handler)
    request = graph.raw("GET", "/users")
    request.headers.add("ConsistencyLevel", "eventual")
    list(graph.pages(request))
    assert seen == ["eventual", "eventual"]


@pytest.mark.parametrize(
    "link",
    [
        "https://graph.attacker.example/v1.0/users?$skiptoken=a",
        "https://graph.microsoft.com.attacker.example/v1.0/users",
        "http://graph.microsoft.com/v1.0/users",
        "https://graph.microsoft.com:8443/v1.0/users",
        "https://someone@graph.microsoft.com/v1.0/users",
        "//attacker.example/v1.0/users",
        "https://graph.microsoft.com/v1.0/users#fragment",
        "not an address",
        7,
    ],
)
def test_a_next_link_to_elsewhere_gets_no_token(link: object) -> None:
    """The token goes to the one host it is for, whatever an answer says."""
    seen: list[str] = []

    def handler(request: httpx.Request) -> httpx.Response:
        seen.append(request.url.host)
        return httpx.Response(200, json={"value": [], "@odata.nextLink": link})

    graph = session(handler)
    with pytest.raises(Malformed):
        list(graph.pages(groups_of(graph)))
    assert seen == ["graph.microsoft.com"]


def test_pages_that_lead_back_end_the_read() -> None:
    """A chain of pages that runs in a circle is no complete read."""
    link = f"{ROOT}/v1.0/users?$skiptoken=a"
    graph = session(answering(200, json={"value": [], "@odata.nextLink": link}))
    with pytest.raises(Malformed):
        list(graph.pages(groups_of(graph)))


def test_pages_without_end_end_the_read() -> None:
    """A chain of ever new pages is cut at the bound, and says so."""

    def handler(request: httpx.Request) -> httpx.Response:
        number = int(request.url.params.get("$skiptoken", 0)) + 1
        link = f"{ROOT}/v1.0/users?$skiptoken={number}"
        return httpx.Response(200, json={"value": [], "@odata.nextLink": link})

    graph = session(handler, bounds=Bounds(pages=5))
    with pytest.raises(Malformed):
        list(graph.pages(groups_of(graph)))


@pytest.mark.parametrize(
    "body",
    [b"<html>Sign in</html>", b"", b"[]", b'"x"', b'{"value": {}}', b'{"value": [1]}', b"{}"],
)
def test_a_page_that_holds_no_list_is_no_empty_list(body: bytes) -> None:
    """A login page with status 200 must never read as "nobody" (Law 2)."""
    graph = session(answering(200, content=body))
    with pytest.raises(Malformed):
        list(graph.pages(groups_of(graph)))


def test_an_answer_larger_than_allowed_is_refused() -> None:
    """Memory is bounded by us, not by whoever answers."""
    body = json.dumps({"value": [{"id": "x" * 5000}]}).encode()
    graph = session(answering(200, content=body), bounds=Bounds(answer_bytes=1000))
    with pytest.raises(Malformed):
        list(graph.pages(groups_of(graph)))


def refusal(code: str) -> dict[str, object]:
    """Write an OData error whose message names somebody."""
    return {"error": {"code": code, "message": "jane.doe@example.com was not found"}}


TABLE = [
    (400, "Request_BadRequest", Refused),
    (401, "InvalidAuthenticationToken", Unauthorised),
    (403, "Authorization_RequestDenied", Unauthorised),
    (404, "Request_ResourceNotFound", Missing),
    (405, "Request_BadRequest", Refused),
    (409, "ConcurrencyViolation", Transient),
    (412, "PreconditionFailed", Transient),
    (423, "ErrorItemLocked", Transient),
    (424, "FailedDependency", Transient),
    (429, "TooManyRequests", Transient),
    (500, "InternalServerError", Transient),
    (501, "NotImplemented", Refused),
    (502, "BadGateway", Transient),
    (503, "ServiceUnavailable", Transient),
    (504, "GatewayTimeout", Transient),
]


@pytest.mark.parametrize(("status", "code", "due"), TABLE)
def test_each_refusal_is_the_fault_that_decides(status: int, code: str, due: type[Fault]) -> None:
    """Status and Graph's code are told; its message, which names people, is not (Law 10)."""
    graph = session(answering(status, json=refusal(code)))
    with pytest.raises(due) as raised:
        graph.get(groups_of(graph))
    assert raised.value.code == f"graph:{status}:{code}"
    assert "jane" not in f"{raised.value}{raised.value.code}"


@pytest.mark.parametrize("status", [300, 302, 400, 403, 404, 410])
def test_a_refusal_that_is_not_graphs_proves_nothing(status: int) -> None:
    """A proxy's 404 page is not "the user is gone"."""
    graph = session(answering(status, html="<p>Blocked by your company's proxy</p>"))
    with pytest.raises(Malformed):
        graph.get(groups_of(graph))


def test_a_code_that_could_hold_anything_is_not_told() -> None:
    """What does not look like a code of Graph's is left out of the fault."""
    graph = session(answering(400, json=refusal("jane.doe@example.com")))
    with pytest.raises(Refused) as raised:
        graph.get(groups_of(graph))
    assert raised.value.code == "graph:400"


@pytest.mark.parametrize(
    ("header", "wait"),
    [
        ({"Retry-After": "17"}, timedelta(seconds=17)),
        ({"Retry-After": "Fri, 18 Dec 2026 10:01:00 GMT"}, timedelta(minutes=1)),
        ({"Retry-After": "Fri, 18 Dec 2026 09:00:00 GMT"}, timedelta(0)),
        ({"Retry-After": "soon"}, timedelta(0)),
        ({"Retry-After": "99999999999999999999"}, timedelta(days=1)),
        ({}, timedelta(0)),
    ],
)
@pytest.mark.parametrize("status", [429, 503, 504])
def test_the_wait_asked_for_is_passed_on(
    status: int, header: dict[str, str], wait: timedelta
) -> None:
    """Seconds, a date, or nothing at all: then the engine chooses."""
    graph = session(answering(status, headers=header, json=refusal("TooManyRequests")))
    with pytest.raises(Transient) as raised:
        graph.get(groups_of(graph))
    assert raised.value.retry_after == wait


@pytest.mark.parametrize("status", [401, 429, 502, 503, 504])
def test_status_decides_where_the_body_is_a_page(status: int) -> None:
    """A gateway answers in HTML; what it means is in its status."""
    graph = session(answering(status, html="<p>504</p>"))
    with pytest.raises((Transient, Unauthorised)):
        graph.get(groups_of(graph))


def test_a_write_is_sent_once_whatever_happens() -> None:
    """A POST whose answer was lost may have happened: it is never repeated here."""
    sent: list[str] = []

    def handler(request: httpx.Request) -> httpx.Response:
        sent.append(request.method)
        return httpx.Response(504, json=refusal("GatewayTimeout"))

    graph = session(handler)
    builder = graph.client.users.by_user_id(USER).revoke_sign_in_sessions
    with pytest.raises(Transient):
        graph.send(builder.to_post_request_information())
    assert sent == ["POST"]


@pytest.mark.parametrize(
    "error", [httpx.ConnectError, httpx.ReadTimeout, httpx.RemoteProtocolError, httpx.PoolTimeout]
)
def test_the_network_failing_decides_nothing(error: type[httpx.TransportError]) -> None:
    """Nothing that happens below HTTP is an answer."""

    def handler(request: httpx.Request) -> httpx.Response:
        raise error("jane.doe", request=request)

    graph = session(handler)
    with pytest.raises(Transient) as raised:
        graph.get(groups_of(graph))
    assert "jane" not in str(raised.value)


def test_a_claims_challenge_is_answered_once() -> None:
    """A token that was recalled is replaced by one with the claims asked for."""
    asked: list[str] = []

    class Recalled:
        def token(self, claims: str) -> str:
            asked.append(claims)
            return "second" if claims else "first"

        def close(self) -> None:
            """Nothing is open."""

    def handler(request: httpx.Request) -> httpx.Response:
        if request.headers["authorization"] == "Bearer second":
            return httpx.Response(200, json={"id": "x"})
        challenge = 'Bearer realm="", error="insufficient_claims", claims="eyJhY2Nlc3MifQ=="'
        return httpx.Response(401, headers={"www-authenticate": challenge}, json=refusal("x"))

    transport = httpx.MockTransport(handler)
    graph = Graph(CLOUDS[CloudName.GLOBAL], Recalled(), lambda: NOW, transport=transport)
    assert graph.get(groups_of(graph)) == {"id": "x"}
    assert asked == ["", "eyJhY2Nlc3MifQ=="]


@pytest.mark.parametrize(
    ("path", "safe"),
    [
        (f"/groups/{GROUP}/members/{USER}/$ref", True),
        (f"/groups/{GROUP}/owners/{USER}/%24ref", True),
        (f"/groups/{GROUP}/members/{USER}", False),
        (f"/groups/{GROUP}/members/{USER}/", False),
        (f"/groups/{GROUP}/Members/{USER}", False),
        (f"/groups/{GROUP}/%6Dembers/{USER}", False),
        (f"/groups/{GROUP}/members/{USER}/microsoft.graph.user", False),
        (f"/groups/{GROUP}/owners/{USER}", False),
        (f"/devices/{GROUP}/registeredOwners/{USER}", False),
        (f"/servicePrincipals/{GROUP}/sponsors/{USER}", False),
        (f"/teams/{GROUP}/members/{USER}", True),
        (f"/teams/{GROUP}/channels/19:x/members/{USER}", True),
        (f"/chats/{GROUP}/members/{USER}", True),
        (f"/users/{USER}", True),
    ],
)
@pytest.mark.parametrize("batched", [False, True])
def test_a_member_is_never_deleted_for_its_membership(path: str, safe: bool, batched: bool) -> None:
    """Without `/$ref` Graph deletes the user: such a request is not sent."""
    sent: list[str] = []

    def handler(request: httpx.Request) -> httpx.Response:
        sent.append(str(request.url))
        return httpx.Response(200, json={"responses": [{"id": "0", "status": 204}]})

    graph = session(handler)
    request = graph.raw("DELETE", path)
    if safe:
        graph.batch([request]) if batched else graph.send(request)
        assert len(sent) == 1
        return
    with pytest.raises(Refused):
        graph.batch([request]) if batched else graph.send(request)
    assert not sent


def batched(request: httpx.Request) -> list[dict[str, object]]:
    """Return the items of a batch that was sent."""
    body = json.loads(request.content)
    items = body["requests"]
    assert isinstance(items, list)
    return items


def test_a_batch_keeps_order_bodies_and_each_answer() -> None:
    """Twenty at a time, relative addresses, answers by id whatever their order."""
    sizes: list[int] = []

    def handler(request: httpx.Request) -> httpx.Response:
        items = batched(request)
        sizes.append(len(items))
        assert all(str(item["url"]).startswith("/users/") for item in items)
        answers = [
            {"id": item["id"], "status": 200, "body": {"id": str(item["url"]).split("/")[2]}}
            for item in items
        ]
        return httpx.Response(200, json={"responses": answers[::-1]})

    graph = session(handler)
    requests = [graph.raw("GET", f"/users/{number}") for number in range(45)]
    answers = graph.batch(requests)
    assert sizes == [BATCH, BATCH, 5]
    assert [answer.body["id"] for answer in answers if not isinstance(answer, Fault)] == [
        str(number) for number in range(45)
    ]


def test_a_batch_of_builders_is_relative_after_the_first_request_too() -> None:
    """The SDK writes absolute addresses once anything was sent; Graph wants them relative."""
    urls: list[object] = []

    def handler(request: httpx.Request) -> httpx.Response:
        if request.method == "GET":
            return httpx.Response(200, json={"id": "x"})
        items = batched(request)
        urls.extend(item["url"] for item in items)
        return httpx.Response(200, json={"responses": [{"id": "0", "status": 204}]})

    graph = session(handler)
    graph.get(graph.client.users.by_user_id(USER).to_get_request_information())
    link = graph.client.groups.by_group_id(GROUP).members.by_directory_object_id(USER).ref
    graph.batch([link.to_delete_request_information()])
    assert urls == [f"/groups/{GROUP}/members/{USER}/$ref"]


def test_inside_a_batch_each_request_fails_by_itself() -> None:
    """A throttled, an unattempted, a missing and an unanswered request are four faults."""
    answers = [
        {"id": "0", "status": 204},
        {
            "id": "1",
            "status": 429,
            "headers": {"Retry-After": "7"},
            "body": refusal("TooManyRequests"),
        },
        {"id": "2", "status": 424, "body": refusal("FailedDependency")},
        {"id": "3", "status": 404, "body": refusal("Request_ResourceNotFound")},
    ]
    graph = session(answering(200, json={"responses": answers}))
    requests = [graph.raw("GET", f"/users/{number}") for number in range(5)]
    done, throttled, unattempted, missing, unanswered = graph.batch(requests)
    assert not isinstance(done, Fault)
    assert isinstance(throttled, Transient)
    assert throttled.retry_after == timedelta(seconds=7)
    assert isinstance(unattempted, Transient)
    assert isinstance(missing, Missing)
    assert isinstance(unanswered, Malformed)


def test_requests_go_out_together_and_not_more_than_allowed() -> None:
    """A gather is parallel up to the bound; a fault stands where its rows would be."""
    lock, now, most = Lock(), [0], [0]
    gate = Barrier(CONCURRENT)

    def handler(request: httpx.Request) -> httpx.Response:
        with lock:
            now[0] += 1
            most[0] = max(most[0], now[0])
        gate.wait(10)
        with lock:
            now[0] -= 1
        if request.url.path.endswith("/3"):
            return httpx.Response(403, json=refusal("Authorization_RequestDenied"))
        return httpx.Response(200, json={"value": [{"id": request.url.path[-1]}]})

    graph = session(handler)
    answers = graph.gather([graph.raw("GET", f"/users/{number}") for number in range(8)])
    graph.close()
    assert most[0] == CONCURRENT
    assert isinstance(answers[3], Unauthorised)
    assert [answer[0]["id"] for answer in answers if isinstance(answer, list)] == list("0124567")


def test_closing_twice_is_fine_and_nothing_opens_before_a_request() -> None:
    """A connector may be made and dropped without a network."""
    graph = session(answering(500))
    graph.close()
    graph.close()
