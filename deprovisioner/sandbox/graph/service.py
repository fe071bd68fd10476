"""The fake Graph without its sockets: one request in, one answer out, one at a time.

Called by `server` for each HTTP request and by `batch` for each request inside one. The order is
the service's own: token, route, permission, throttling, query, handler. Faults of the panel are
applied around it.
"""

import json
import random
import re
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import unquote, urlencode

from deprovisioner.sandbox.graph import query as querying
from deprovisioner.sandbox.graph.access import Caller, Registrations
from deprovisioner.sandbox.graph.errors import (
    GraphError,
    access_denied,
    bad_request,
    denied,
    not_found,
    throttled,
    unauthenticated,
)
from deprovisioner.sandbox.graph.faults import Fault, FaultKind, FaultPanel
from deprovisioner.sandbox.graph.query import Query
from deprovisioner.sandbox.graph.routing import (
    ANYBODY,
    Answer,
    Call,
    Item,
    Listing,
    Reply,
    Route,
    World,
)
from deprovisioner.sandbox.graph.store import Record
from deprovisioner.sandbox.graph.throttle import ResourceUnits
from deprovisioner.sandbox.graph.vocabulary import Kind
from deprovisioner.sandbox.graph.witness import Seen, Witness
from deprovisioner.sandbox.service import routes
from deprovisioner.sandbox.service.wire import Request, Response

VERSION = "/v1.0"
BETA = "/beta"
"""Only what v1.0 lacks is here; the rest of beta does not exist in this fake."""
JSON_TYPE = (
    "application/json;odata.metadata=minimal;odata.streaming=true;"
    "IEEE754Compatible=false;charset=utf-8"
)
_LOGIN_PAGE = b"<!DOCTYPE html><html><title>Sign in</title><body>Sign in to the proxy</body></html>"
MAILBOX_REQUESTS = 4
"""So many requests at once to mailboxes; the next one is refused, as Outlook does."""
_MAILBOX = re.compile(r"/v1\.0/users/[^/]+/(mail|message|event|calendar)")
_READS = frozenset({"GET"})
Met = Mapping[FaultKind, Fault]


@dataclass(frozen=True, slots=True)
class Consistency:
    """How far reads lag behind writes, in seconds; settable while it runs."""

    replica: float = 0.0
    index: float = 0.0
    """Further lag of advanced queries (`ConsistencyLevel: eventual`)."""
    stale_every: int = 1
    """Every n-th read goes to the lagging replica; 1: each one."""


class Service:
    """The pipeline; `world` is the state, everything else is around it."""

    def __init__(
        self,
        world: World,
        table: routes.Table[Route],
        registrations: Registrations,
        units: ResourceUnits,
        witness: Witness,
    ) -> None:
        self.world, self.table, self.registrations = world, table, registrations
        self.units, self.witness = units, witness
        self.faults = FaultPanel()
        self.consistency = Consistency()
        self._lock = threading.RLock()
        self._mailboxes = threading.BoundedSemaphore(MAILBOX_REQUESTS)
        self._reads = 0

    def answer(self, request: Request) -> Response:
        """Answer one request from outside."""
        mailbox = _MAILBOX.match(request.target) is not None
        crowded = mailbox and not self._mailboxes.acquire(blocking=False)
        try:
            with self._lock:
                self.world.agenda.settle()
                response = self._answer(request, None, crowded=crowded)
            time.sleep(response.wait)  # a slow mailbox keeps its place among the four
            return response
        finally:
            if mailbox and not crowded:
                self._mailboxes.release()

    def inner(self, request: Request, caller: Caller) -> Response:
        """Answer one request of a batch, in the name of the batch's caller."""
        return self._answer(request, caller, crowded=False)

    def under_lock(self, action: Callable[[], None]) -> None:
        """Do something to the state between two requests."""
        with self._lock:
            self.world.agenda.settle()
            action()

    def _answer(self, request: Request, caller: Caller | None, *, crowded: bool) -> Response:
        request_id, batched = self.world.new_id(), caller is not None
        path = request.target.partition("?")[0].removeprefix(VERSION)
        headers = {"request-id": request_id, "client-request-id": request_id}
        if request.headers.get("client-request-id"):
            headers["client-request-id"] = request.headers["client-request-id"]
        met: Met = {}
        app = "nobody"
        try:
            caller = caller or self.registrations.caller(request.headers.get("authorization", ""))
            app = caller.app.value
            if crowded:
                raise throttled(1, "ApplicationThrottled")
            met = self.faults.met_by(request.method, path, app)
            answer, more = self._served(request, caller, met)
            headers.update(more)
            response = _response(answer, headers, met)
        except GraphError as error:
            response = self._refusal(error, headers, met)
        self.witness.saw(
            Seen(self.world.now, app, request.method, path, response.status, request_id, batched)
        )
        return response

    def _served(self, request: Request, caller: Caller, met: Met) -> tuple[Answer, dict[str, str]]:
        _fail_before(met)
        raw, _, options = request.target.partition("?")
        parts = _parts(raw)
        route, places = self.table.find(request.method, parts)
        hidden = met[FaultKind.HIDDEN].ids if FaultKind.HIDDEN in met else frozenset()
        for place in places.values():
            if place in hidden:
                raise not_found(place)
        if route.needs != ANYBODY and not caller.has(*route.needs):
            raise access_denied() if route.outlook else denied()
        share = self.units.charge(caller.app.value, _cost(route, options))
        query = Query.read(options, request.headers.get("consistencylevel", ""))
        call = Call(
            self.world,
            caller,
            self.world.store.view(self._instant(request, query, met)),
            query,
            request.headers,
            places,
            _body(request),
        )
        answer = self._done(route, call, met, hidden, raw)
        return answer, _unit_headers(route, options, share)

    def _done(self, route: Route, call: Call, met: Met, hidden: frozenset[str], raw: str) -> Answer:
        if route.method not in _READS:
            call.query.allow(frozenset())
        self.world.store.author = call.caller.app.value
        if FaultKind.IGNORED in met:
            with self.world.store.muted():
                reply = route.handler(call)
        else:
            reply = route.handler(call)
        answer = self._rendered(reply, call, met, hidden, raw)
        if FaultKind.DONE_BUT_FAILING in met:
            fault = met[FaultKind.DONE_BUT_FAILING]
            raise GraphError(fault.code, "GatewayTimeout", "The operation timed out.")
        return answer

    def _instant(self, request: Request, query: Query, met: Met) -> datetime:
        now = self.world.now
        if request.method not in _READS:
            return now
        if FaultKind.STALE in met:
            return now - met[FaultKind.STALE].lag
        self._reads += 1
        lagging = self._reads % self.consistency.stale_every == 0
        lag = self.consistency.replica if lagging else 0.0
        if query.advanced:
            lag += self.consistency.index
        return datetime.fromtimestamp(now.timestamp() - lag, now.tzinfo) if lag else now

    def _rendered(
        self, reply: Reply, call: Call, met: Met, hidden: frozenset[str], raw: str
    ) -> Answer:
        if isinstance(reply, Answer):
            if call.query.options and reply.content_type == "application/json":
                call.query.allow(frozenset())
            return reply
        context = f"{self.world.base_url}/$metadata#{reply.context}"
        if isinstance(reply, Item):
            call.query.allow(reply.options)
            body = self._shown(reply.typed, call, reply, reply.typed.kind)
            return Answer(reply.status, {"@odata.context": context, **body})
        return self._listed(reply, call, met, hidden, raw, context)

    def _listed(
        self,
        listing: Listing,
        call: Call,
        met: Met,
        hidden: frozenset[str],
        raw: str,
        context: str,
    ) -> Answer:
        query = call.query
        query.allow(listing.options)
        visible = (item for item in listing.items if item.record["id"] not in hidden)
        chosen = querying.choose(query, listing.kind, visible, directory=listing.directory)
        if FaultKind.LIES_EMPTY in met:
            chosen = []
        page = querying.cut(query, chosen, default=listing.default, most=listing.most)
        items, token = page.items, page.token
        if FaultKind.CUT in met:
            items, token = items[: (len(items) + 1) // 2 if token is None else None], None
        if FaultKind.EMPTY_PAGE in met:
            items, token = (), querying.token_for_empty_page(query)
        body: Record = {"@odata.context": context}
        if query.counts():
            body["@odata.count"] = page.total
        if token is not None:
            body["@odata.nextLink"] = self._next_link(raw, query, token, met)
        body.update(listing.extra if token is None else {})
        if listing.complete is not None:
            records = listing.complete(call.view, [item.record for item in items])
            items = tuple(querying.Typed(listing.kind, record) for record in records)
        body["value"] = [self._shown(item, call, listing, listing.kind) for item in items]
        return Answer(200, body)

    def _shown(
        self, typed: querying.Typed, call: Call, reply: Item | Listing, kind: Kind
    ) -> Record:
        shown = querying.show(typed, call.query.selected(kind), mixed=reply.mixed)
        for name in call.query.expanded(reply.expansions):
            shown[name] = reply.expansions[name](call.view, typed.record)
        return shown

    def _next_link(self, raw: str, query: Query, token: str, met: Met) -> str:
        base = self.world.base_url
        if FaultKind.FOREIGN_LINK in met:
            base = f"https://{met[FaultKind.FOREIGN_LINK].host}{VERSION}"
        options = urlencode({**query.options, "$skiptoken": token}, safe="$,():/'")
        return f"{base}{raw.removeprefix(VERSION)}?{options}"

    def _refusal(self, error: GraphError, headers: dict[str, str], met: Met) -> Response:
        stamp = self.world.now.strftime("%Y-%m-%dT%H:%M:%S")
        inner = {
            "date": stamp,
            "request-id": headers["request-id"],
            "client-request-id": headers["client-request-id"],
        }
        body = {"error": {"code": error.code, "message": error.message, "innerError": inner}}
        answer = Answer(error.status, body, error.headers)
        return _response(answer, headers, met)


def _fail_before(met: Met) -> None:
    if FaultKind.EXPIRED in met:
        raise unauthenticated("Lifetime validation failed, the token is expired.")
    if FaultKind.THROTTLED in met:
        raise throttled(met[FaultKind.THROTTLED].retry_after)
    if FaultKind.FAILING in met:
        fault = met[FaultKind.FAILING]
        hint = {} if fault.retry_after is None else {"Retry-After": str(fault.retry_after)}
        raise GraphError(fault.code, "serviceNotAvailable", "The service is unavailable.", hint)
    if FaultKind.FORBIDDEN in met:
        raise denied()


def _parts(path: str) -> tuple[str, ...]:
    if path.startswith(BETA + "/"):
        return tuple(unquote(part) for part in path.strip("/").split("/"))
    if not path.startswith(VERSION + "/"):
        raise bad_request("Invalid version.", "BadRequest")
    rest = path.removeprefix(VERSION).strip("/").split("/")
    return tuple(unquote(part).removesuffix("()") for part in rest)


def _cost(route: Route, options: str) -> int:
    units = route.units - ("$select=" in options) + ("$expand=" in options)
    return max(1, units)


def _unit_headers(route: Route, options: str, share: float) -> dict[str, str]:
    headers = {"x-ms-resource-unit": str(_cost(route, options))}
    if share >= 0.8:
        headers["x-ms-throttle-limit-percentage"] = f"{share:.2f}"
    return headers


def _body(request: Request) -> Record:
    if not request.body:
        return {}
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json":
        raise bad_request("A Content-Type of application/json is needed.", "BadRequest")
    try:
        body = json.loads(request.body)
    except (ValueError, RecursionError):
        raise bad_request("Unable to read JSON request payload.", "BadRequest") from None
    if not isinstance(body, dict):
        raise bad_request("Unable to read JSON request payload.", "BadRequest")
    return body


def _response(answer: Answer, headers: dict[str, str], met: Met) -> Response:
    headers = {**headers, **answer.headers}
    status, body = answer.status, b""
    if FaultKind.HTML in met:
        status, body = 200, _LOGIN_PAGE
        headers["Content-Type"] = "text/html; charset=utf-8"
    elif isinstance(answer.body, bytes):
        body, headers["Content-Type"] = answer.body, answer.content_type
    elif answer.body is not None:
        body = json.dumps(answer.body, ensure_ascii=False).encode()
        headers["Content-Type"] = JSON_TYPE
    wait = met[FaultKind.SLOW].seconds if FaultKind.SLOW in met else 0.0
    return Response(status, headers, body, wait, FaultKind.DROPPED in met)


def shuffled(items: list[Record], chance: random.Random) -> list[Record]:
    """Return items in another order: the answers of a batch come in any."""
    mixed = list(items)
    chance.shuffle(mixed)
    return mixed
