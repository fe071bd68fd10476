"""The Entra connector beside what it stands on: a survey beside its raw requests, a sweep beside
the SDK's typed models.

Prints two ratios measured in one run. A survey of a person with 50 memberships is recorded on the
pretend tenant; its answers are then served from memory by a process of their own, so that neither
side pays for the fake. The sweep reads 10,000 users; the SDK's typed reading is measured on one
page of 200 and scaled, because 10,000 of them take minutes.
"""

import argparse
import asyncio
import contextlib
import json
import multiprocessing
import statistics
import time
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from multiprocessing.connection import Connection

import httpx

warnings.simplefilter("ignore", DeprecationWarning)

from kiota_abstractions.authentication import AnonymousAuthenticationProvider  # noqa: E402
from msgraph.graph_request_adapter import GraphRequestAdapter  # noqa: E402
from msgraph.graph_service_client import GraphServiceClient  # noqa: E402

from connectors.contract import Account, Credential, gather  # noqa: E402
from connectors.entra import App, CanaryUser, EntraConnector, Settings  # noqa: E402
from connectors.entra.graph import CONCURRENT  # noqa: E402
from connectors.secret import Secret  # noqa: E402
from deprovisioner.sandbox.graph import App as Caller  # noqa: E402
from deprovisioner.sandbox.graph import GraphServer, Link, Store, Table, Tenant  # noqa: E402
from deprovisioner.sandbox.people import people  # noqa: E402

MEMBERSHIPS = 50
ANSWER_SECONDS = 0.02
"""How long Graph takes to answer; on loopback it would be nothing, and nothing is not a network."""
SWEEP = 10_000
TYPED_SAMPLE = 200
HOME = "http://127.0.0.1"
Canned = dict[str, tuple[int, bytes]]


def now() -> datetime:
    """Tell the time, as the daemon's roof does."""
    return datetime.now(UTC)


# ------------------------------------------------------------------------------ answers from memory
def serve(canned: Canned, told: Connection) -> None:
    """Answer from memory until the process is ended."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True
        wbufsize = -1

        def do_GET(self) -> None:
            time.sleep(ANSWER_SECONDS)
            status, body = canned.get(self.path, (404, b"{}"))
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base's name
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    told.send(server.server_address[1])
    server.serve_forever()


@contextlib.contextmanager
def served(canned: Canned) -> Iterator[str]:
    """Serve answers from another process; yields the address."""
    here, there = multiprocessing.Pipe()
    process = multiprocessing.get_context("fork").Process(target=serve, args=(canned, there))
    process.start()
    try:
        yield f"{HOME}:{here.recv()}"
    finally:
        process.terminate()
        process.join()


class Recorder(httpx.BaseTransport):
    """Keeps what was answered to what."""

    def __init__(self, canned: Canned) -> None:
        self.inner, self.canned = httpx.HTTPTransport(), canned

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        answer = self.inner.handle_request(request)
        body = answer.read()
        self.canned[request.url.raw_path.decode()] = answer.status_code, body
        return httpx.Response(answer.status_code, headers=answer.headers, content=body)

    def close(self) -> None:
        self.inner.close()


# ---------------------------------------------------------------------------------------- a tenant
def settings(tenant: Tenant, url: str, act: str, verify: str) -> Settings:
    """Settings of the pretend tenant."""

    def app(name: str, token: str) -> App:
        return App(client_id=name, token=Secret.held(lambda: token, name))

    return Settings(
        tenant=tenant.id,
        act=app("act", act),
        verify=app("verify", verify),
        canary=CanaryUser(
            id=tenant.canary_id, employee_id=tenant.canary_employee_id, group=tenant.canary_group
        ),
        base_url=url,
    )


def join_groups(store: Store, user: str, wanted: int) -> None:
    """Put somebody into so many groups."""
    there = len(store.view(store.clock()).sources(Link.MEMBER, user))
    for number in range(wanted - there):
        group = f"00000000-0000-4000-8000-{number:012d}"
        record = {
            "id": group,
            "displayName": f"Group {number}",
            "groupTypes": [],
            "securityEnabled": True,
            "mailEnabled": False,
        }
        store.put(Table.GROUPS, record)
        store.link(Link.MEMBER, group, user)


def recorded() -> tuple[Settings, Account, Canned]:
    """Survey the leaver once on the pretend tenant, and keep every answer."""
    canned: Canned = {}
    tenant = Tenant(people(1))
    with GraphServer(tenant) as graph:
        user = tenant.user_id(tenant.cloud_leaver.employment_id)
        graph.edit(lambda store: join_groups(store, user, MEMBERSHIPS))
        given = settings(tenant, graph.url, graph.token(Caller.ACTOR), graph.token(Caller.VERIFIER))
        account = Account("entra", user, "leaver")
        connector = EntraConnector(
            "entra", given, Credential.VERIFY, now, transport=Recorder(canned)
        )
        reading = gather(connector.survey(account))
        connector.close()
        assert not reading.blind, reading.blind
        assert sum(one.kind == "grant.group" for one in reading.items) >= MEMBERSHIPS
    return given, account, canned


# ------------------------------------------------------------------------------------- the measure
def median(once: Callable[[], object], times: int) -> float:
    """Seconds that the middle one of so many runs takes, after one that does not count."""
    once()
    spent = []
    for _ in range(times):
        begun = time.perf_counter()
        once()
        spent.append(time.perf_counter() - begun)
    return statistics.median(spent)


def survey_ratio(times: int) -> None:
    """Compare a survey with the same requests, raw and in parallel."""
    given, account, canned = recorded()
    with served(canned) as url:
        connector = EntraConnector(
            "entra", given.model_copy(update={"base_url": url}), Credential.VERIFY, now
        )
        http = httpx.Client(headers={"authorization": "Bearer x"})
        workers = ThreadPoolExecutor(CONCURRENT)

        def raw() -> None:
            list(workers.map(lambda path: json.loads(http.get(url + path).content), canned))

        ours = median(lambda: gather(connector.survey(account)), times)
        plain = median(raw, times)
        connector.close()
        workers.shutdown()
        http.close()
    print(
        f"survey, {MEMBERSHIPS} memberships, {len(canned)} requests of "
        f"{ANSWER_SECONDS * 1000:.0f} ms: {ours * 1000:.0f} ms; "
        f"raw, {CONCURRENT} at once: {plain * 1000:.0f} ms; "
        f"ratio {ours / plain:.2f} (target 1.2)"
    )


def users(count: int, first: int = 0) -> list[dict[str, object]]:
    """Users as a sweep reads them."""
    return [
        {
            "id": f"00000000-0000-4000-9000-{number:012d}",
            "userPrincipalName": f"user{number}@example.com",
            "displayName": f"User {number}",
            "mail": f"user{number}@example.com",
            "mailNickname": f"user{number}",
            "otherMails": [],
            "proxyAddresses": [f"SMTP:user{number}@example.com"],
            "employeeId": f"{number:06d}",
            "userType": "Member",
            "isResourceAccount": None,
            "onPremisesImmutableId": None,
            "onPremisesSamAccountName": None,
        }
        for number in range(first, first + count)
    ]


class Pages(httpx.BaseTransport):
    """Answers a list of users in pages, without a network on either side."""

    def __init__(self, total: int, size: int) -> None:
        self.pages = []
        for first in range(0, total, size):
            last = first + size >= total
            link = {} if last else {"@odata.nextLink": f"{HOME}/v1.0/users?skip={first + size}"}
            rows = users(min(size, total - first), first)
            self.pages.append(json.dumps({"value": rows, **link}).encode())
        self.size = size

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        number = int(request.url.params.get("skip", 0)) // self.size
        return httpx.Response(200, content=self.pages[number], headers={"content-type": JSON})


JSON = "application/json"


def sweep_ratio() -> None:
    """Compare a sweep with the SDK's typed reading of the same users."""
    tenant = Tenant(people(1))
    given = settings(tenant, HOME, "token", "token")
    transport = Pages(SWEEP, 999)
    connector = EntraConnector("entra", given, Credential.VERIFY, now, transport=transport)
    begun = time.perf_counter()
    seen = sum(len(page.items) for page in connector.list_accounts())
    ours = time.perf_counter() - begun
    connector.close()
    assert seen == SWEEP, seen
    typed = asyncio.run(typed_reading(TYPED_SAMPLE)) * SWEEP / TYPED_SAMPLE
    print(
        f"sweep of {SWEEP} users: {ours:.2f} s; typed by the SDK, scaled from {TYPED_SAMPLE}: "
        f"{typed:.1f} s; {typed / ours:.0f} times faster (target 20)"
    )


async def typed_reading(count: int) -> float:
    """Seconds in which the SDK reads so many users, after a first page that does not count."""
    body = json.dumps({"value": users(count)}).encode()

    def answer(_: httpx.Request) -> httpx.Response:
        return httpx.Response(200, content=body, headers={"content-type": JSON})

    client = httpx.AsyncClient(transport=httpx.MockTransport(answer))
    adapter = GraphRequestAdapter(AnonymousAuthenticationProvider(), client=client)
    graph = GraphServiceClient(request_adapter=adapter)
    await graph.users.get()
    begun = time.perf_counter()
    page = await graph.users.get()
    spent = time.perf_counter() - begun
    assert page
    assert page.value
    assert len(page.value) == count
    return spent


def main() -> None:
    """Print both ratios."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--times", type=int, default=15, help="surveys to take the middle of")
    chosen = parser.parse_args()
    survey_ratio(chosen.times)
    sweep_ratio()


if __name__ == "__main__":
    main()
