"""The fake GitLab without its sockets: one request in, one answer out, one at a time.

Called by `server` for each HTTP request. The order is the product's own: token, route, group or
project (hidden before refused), right, handler, pages. Faults of the panel are applied around it.
"""

import contextlib
import json
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from email.utils import format_datetime
from urllib.parse import parse_qsl, unquote

from deprovisioner.sandbox.gitlab import audit, paging
from deprovisioner.sandbox.gitlab.access import Caller, authenticate, group_found, project_found
from deprovisioner.sandbox.gitlab.errors import (
    Refusal,
    forbidden,
    invalid,
    invalid_token,
    not_found,
)
from deprovisioner.sandbox.gitlab.faults import Fault, FaultKind, FaultPanel
from deprovisioner.sandbox.gitlab.routing import (
    Answer,
    Call,
    Listing,
    Reply,
    Right,
    Route,
    Sphere,
    World,
)
from deprovisioner.sandbox.gitlab.store import Record
from deprovisioner.sandbox.gitlab.witness import Seen, Witness
from deprovisioner.sandbox.service import routes
from deprovisioner.sandbox.service.wire import Cut, Request, Response

VERSION = "/api/v4"
_LOGIN_PAGE = b"<!DOCTYPE html><html><title>Sign in</title><body>Sign in to go on</body></html>"
_ERROR_PAGE = b"<!DOCTYPE html><html><title>GitLab is not responding</title></html>"
_HTML = "text/html; charset=utf-8"
_JSON = "application/json"
_MOST_PARAMETERS = 100
Met = Mapping[FaultKind, Fault]


@dataclass(frozen=True, slots=True)
class Consistency:
    """How far reads lag behind writes; settable while it runs."""

    replica: float = 0.0
    """Seconds of the injected clock."""
    stale_every: int = 1
    """Every n-th read goes to the lagging replica; 1: each one."""


class Service:
    """The pipeline; `world` is the state, everything else is around it."""

    def __init__(
        self, world: World, table: routes.Table[Route], witness: Witness, new_id: Callable[[], str]
    ) -> None:
        self.world, self.table, self.witness = world, table, witness
        self.faults = FaultPanel()
        self.consistency = Consistency()
        self._new_id = new_id
        self._lock = threading.RLock()
        self._reads = 0

    def answer(self, request: Request) -> Response:
        """Answer one request from outside."""
        with self._lock:
            self.world.agenda.settle()
            response = self._answer(request)
        time.sleep(response.wait)
        return response

    def under_lock(self, action: Callable[[], None]) -> None:
        """Do something to the state between two requests."""
        with self._lock:
            self.world.agenda.settle()
            action()

    def _answer(self, request: Request) -> Response:
        raw, _, options = request.target.partition("?")
        path = raw.removeprefix(VERSION)
        query = dict(parse_qsl(options, keep_blank_values=True, max_num_fields=_MOST_PARAMETERS))
        sudo = request.headers.get("sudo", "") or query.get("sudo", "")
        headers = {
            "X-Request-Id": self._new_id(),
            "Date": format_datetime(self.world.store.clock(), usegmt=True),
        }
        met: Met = {}
        name, real = "nobody", "nobody"
        try:
            caller = authenticate(self.world.truth, _secret(request), request.method, sudo)
            name, real = caller.name, str(caller.real["username"])
            met = self.faults.met_by(request.method, path, real)
            reply = self._served(request, caller, raw, query, met)
            response = self._rendered(reply, headers, raw, query, met)
        except Refusal as error:
            response = _refusal(error, headers)
        except _Fronted as front:
            front.response.headers.update(headers)
            response = front.response
        acting = name if name != real else ""
        self.witness.saw(
            Seen(
                self.world.now,
                real,
                acting,
                request.method,
                path,
                options,
                response.status,
                headers["X-Request-Id"],
            )
        )
        return response

    def _served(
        self, request: Request, caller: Caller, raw: str, query: Mapping[str, str], met: Met
    ) -> Reply:
        self._fail_before(request, met)
        if not raw.startswith(VERSION + "/"):
            raise not_found()
        parts = tuple(unquote(part) for part in raw.removeprefix(VERSION).strip("/").split("/"))
        route, places = self.table.find(request.method, parts)
        hidden = met[FaultKind.HIDDEN].ids if FaultKind.HIDDEN in met else frozenset()
        if any(place.isdigit() and int(place) in hidden for place in places.values()):
            raise not_found()
        view = self.world.store.view(self._instant(request, met))
        parent = self._guarded(route.right, caller, places)
        stuck = FaultKind.STUCK in met
        call = Call(self.world, caller, view, places, query, _body(request), parent, stuck)
        self.world.store.author = caller.name
        reply = self._done(route, call, met)
        if FaultKind.DONE_BUT_FAILING in met:
            raise _Fronted(_page(met[FaultKind.DONE_BUT_FAILING].code, _ERROR_PAGE))
        return reply

    def _done(self, route: Route, call: Call, met: Met) -> Reply:
        if not {FaultKind.IGNORED, FaultKind.LATE}.isdisjoint(met):
            with self.world.store.muted():
                reply = route.handler(call)
            if FaultKind.LATE in met:
                self.world.agenda.after(met[FaultKind.LATE].lag, lambda: _catch_up(route, call))
            return reply
        reply = route.handler(call)
        if route.method != "GET":
            audit.note(call, route)
        return reply

    def _guarded(self, right: Right, caller: Caller, places: Mapping[str, str]) -> Record:
        """Return the group or project of the path; raises Refusal 404 and 403."""
        if right.administrator and not caller.is_administrator:
            raise forbidden()
        if right.sphere is Sphere.INSTANCE:
            return {}
        found = group_found if right.sphere is Sphere.GROUP else project_found
        parent, level = found(self.world.truth, caller, places[right.sphere.value])
        if level < right.level:
            raise forbidden()
        return parent

    def _instant(self, request: Request, met: Met) -> datetime:
        now = self.world.now
        if request.method != "GET":
            return now
        if FaultKind.STALE in met:
            return now - met[FaultKind.STALE].lag
        self._reads += 1
        lagging = self._reads % self.consistency.stale_every == 0
        return now - timedelta(seconds=self.consistency.replica if lagging else 0.0)

    def _fail_before(self, request: Request, met: Met) -> None:
        if FaultKind.EXPIRED in met:
            raise invalid_token("Token is expired.")
        if FaultKind.THROTTLED in met:
            headers = self._come_back(met[FaultKind.THROTTLED])
            raise Refusal(429, {}, headers, plain="Retry later\n")
        if FaultKind.FAILING in met:
            fault = met[FaultKind.FAILING]
            raise _Fronted(_page(fault.code, _ERROR_PAGE, self._come_back(fault)))
        if FaultKind.HTML in met:
            raise _Fronted(_page(200, _LOGIN_PAGE))
        if FaultKind.REDIRECT in met:
            target = f"https://{met[FaultKind.REDIRECT].host}{request.target}"
            raise _Fronted(_page(302, b"", {"Location": target}))
        if FaultKind.FORBIDDEN in met:
            raise forbidden()

    def _come_back(self, fault: Fault) -> dict[str, str]:
        if fault.retry_after is None:
            return {}
        if not fault.retry_date:
            return {"Retry-After": str(fault.retry_after)}
        moment = self.world.store.clock() + timedelta(seconds=fault.retry_after)
        return {"Retry-After": format_datetime(moment, usegmt=True)}

    def _rendered(
        self,
        reply: Reply,
        headers: dict[str, str],
        raw: str,
        query: Mapping[str, str],
        met: Met,
    ) -> Response:
        if isinstance(reply, Listing):
            reply = self._listed(reply, raw, query, met)
        status, body = reply.status, b""
        headers = {**headers, **reply.headers}
        if isinstance(reply.body, bytes):
            body = reply.body
        elif status != 204:
            body = json.dumps(reply.body, ensure_ascii=False).encode()
        if status != 204:
            headers["Content-Type"] = reply.content_type
        if FaultKind.DAMAGED in met:
            half = len(body) // 2
            body = body[:half] + bytes(len(body) - half)
        wait = met[FaultKind.SLOW].seconds if FaultKind.SLOW in met else 0.0
        cut = Cut.UNSEEN if FaultKind.TRUNCATED in met else Cut.NOWHERE
        return Response(status, headers, body, wait, FaultKind.DROPPED in met, cut)

    def _listed(self, listing: Listing, raw: str, query: Mapping[str, str], met: Met) -> Answer:
        hidden = met[FaultKind.HIDDEN].ids if FaultKind.HIDDEN in met else frozenset()
        rows = [row for row in listing.rows if row["id"] not in hidden]
        if FaultKind.LIES_EMPTY in met:
            rows = []
        if not listing.paged:
            return Answer(200, [listing.show(row) for row in rows])
        page = paging.cut(rows, query, listing.keyset)
        shown = [listing.show(row) for row in page.rows]
        headers, base = dict(page.totals), self.world.url + raw
        if FaultKind.CUT in met:
            return Answer(200, shown[: len(shown) // 2])
        if FaultKind.SHORT_PAGE in met:
            shown = shown[: len(shown) // 2]
        if FaultKind.FOREIGN_LINK in met:
            base = f"https://{met[FaultKind.FOREIGN_LINK].host}{raw}"
        following = dict(query) if FaultKind.LOOP in met else page.following
        if following is not None:
            headers["Link"] = paging.link(base, following)
        return Answer(200, shown, headers=headers)


def _catch_up(route: Route, call: Call) -> None:
    """Do late what was answered; what the state does not allow any more is dropped."""
    with contextlib.suppress(Refusal):
        route.handler(call)
        audit.note(call, route)


class _Fronted(Exception):
    """What stands in front of GitLab has answered."""

    def __init__(self, response: Response) -> None:
        super().__init__(response.status)
        self.response = response


def _page(status: int, page: bytes, headers: Mapping[str, str] | None = None) -> Response:
    return Response(status, {"Content-Type": _HTML, **(headers or {})}, page)


def _refusal(error: Refusal, headers: dict[str, str]) -> Response:
    kind = "text/plain" if error.plain else _JSON
    body = error.plain or json.dumps(error.body)
    return Response(error.status, {**headers, **error.headers, "Content-Type": kind}, body.encode())


def _secret(request: Request) -> str:
    """Return the token that is shown."""
    scheme, _, text = request.headers.get("authorization", "").partition(" ")
    shown = request.headers.get("private-token", "")
    return shown or (text if scheme.casefold() == "bearer" else "")


def _body(request: Request) -> Record:
    kind = request.headers.get("content-type", "").partition(";")[0].strip().casefold()
    if not request.body:
        return {}
    if kind == "application/x-www-form-urlencoded":
        text = request.body.decode("utf-8", "replace")
        return dict(parse_qsl(text, max_num_fields=_MOST_PARAMETERS))
    if kind != _JSON:
        raise Refusal(415, {"error": "The provided content-type is not supported."})
    try:
        body = json.loads(request.body)
    except (ValueError, RecursionError):
        raise invalid("Problem while parsing request body") from None
    if not isinstance(body, dict):
        raise invalid("Problem while parsing request body")
    return body
