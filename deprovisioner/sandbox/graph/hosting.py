"""The fake Graph, whole: a tenant in a store behind the service on a loopback port.

Used through `deprovisioner.sandbox.graph` (start reading there). Makes what is shared, joins the
route tables of all areas, and gives tests their controls: faults, consistency, tokens, time, and
the true state.
"""

import random
import secrets
import uuid
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qsl

from deprovisioner.sandbox.graph import (
    agents,
    applications,
    audit,
    authentication,
    batch,
    belongings,
    calendar,
    collective,
    communication,
    deleted,
    devices,
    drive,
    dynamic,
    grants,
    groups,
    licences,
    lookups,
    mail,
    mentions,
    packages,
    policies,
    populace,
    privileges,
    roles,
    schedules,
    software,
    teams,
    users,
)
from deprovisioner.sandbox.graph.access import App, Registrations
from deprovisioner.sandbox.graph.faults import FaultPanel
from deprovisioner.sandbox.graph.routing import (
    ANYBODY,
    Answer,
    Call,
    Delays,
    Reply,
    Route,
    World,
    route_table,
)
from deprovisioner.sandbox.graph.service import VERSION, Consistency, Service
from deprovisioner.sandbox.graph.store import BEGINNING, Store, Table, View
from deprovisioner.sandbox.graph.tenant import Tenant
from deprovisioner.sandbox.graph.throttle import ResourceUnits, units_for
from deprovisioner.sandbox.graph.witness import Witness
from deprovisioner.sandbox.service.agenda import Agenda
from deprovisioner.sandbox.service.hosting import StatefulServer
from deprovisioner.sandbox.service.wire import (
    LoopbackServer,
    Manner,
    Request,
    Response,
    json_response,
)

_AREAS = (
    users, groups, authentication, devices, roles, schedules, applications, agents, grants,
    packages, licences, deleted, mail, calendar, drive, teams, policies, lookups,
)  # fmt: skip
_LOADED = (populace, collective, belongings, privileges, software, communication, mentions)
_TOKEN_PATH = "/oauth2/v2.0/token"
_MANNER = Manner("sandbox-graph", too_long=json_response(413, {}), most_octets=4 * 1024 * 1024)


class GraphServer(StatefulServer[Store]):
    """A tenant on a free loopback port between `start` and `stop`; a context manager.

    `clock` returns aware UTC; everything that takes time (tokens, PIM, replicas) goes by it.
    """

    def __init__(
        self,
        tenant: Tenant,
        *,
        clock: Callable[[], datetime] | None = None,
        new_id: Callable[[], str] | None = None,
        new_secret: Callable[[], str] | None = None,
        port: int = 0,
    ) -> None:
        self.tenant = tenant
        self.clock = clock or _now
        new_id, new_secret = new_id or _new_id, new_secret or _new_secret
        self.witness = Witness()
        store = Store(self.clock, self.witness.heard)
        self._world = World(
            store, Agenda(store), Delays(), new_id, new_secret, random.Random(tenant.id)
        )
        self.registrations = Registrations(self.clock, new_secret, new_id)
        self._load()
        users_there = sum(1 for _ in store.view(self.clock()).every(Table.USERS))
        self.units = ResourceUnits(self.clock, units_for(users_there))
        reports = audit.Reports(self.witness)
        table = route_table([*_all_routes(), *reports.routes, self._batch_route()])
        self.service = Service(self._world, table, self.registrations, self.units, self.witness)
        server = LoopbackServer(self._respond, _MANNER, port=port)
        super().__init__(store, self.service.under_lock, server)

    def start(self) -> None:
        """Listen on 127.0.0.1; links in answers lead here."""
        super().start()
        self._world.base_url = self.base_url

    @property
    def base_url(self) -> str:
        """`http://127.0.0.1:port/v1.0`."""
        return f"{self.url}{VERSION}"

    # -------------------------------------------------------------------------------- controls

    @property
    def faults(self) -> FaultPanel:
        """What goes wrong: `faults.add(Fault(FaultKind.THROTTLED, retry_after=3))`."""
        return self.service.faults

    @property
    def delays(self) -> Delays:
        """How long accepted work takes."""
        return self._world.delays

    def lag(self, *, replica: float = 0.0, index: float = 0.0, stale_every: int = 1) -> None:
        """Let reads lag behind writes, in seconds of the tenant's clock; 0 ends it."""
        self.service.consistency = Consistency(replica, index, stale_every)

    def token(self, app: App = App.ACTOR, lifetime: timedelta = timedelta(hours=1)) -> str:
        """Return a new bearer token."""
        return self.registrations.token(app, lifetime)

    def withdraw(self, app: App, *permissions: str) -> None:
        """Take consent away, at once."""
        self.service.under_lock(lambda: self.registrations.withdraw(app, *permissions))

    def consent(self, app: App, *permissions: str) -> None:
        """Give consent."""
        self.service.under_lock(lambda: self.registrations.consent(app, *permissions))

    # ------------------------------------------------------------------------------ inspection

    @property
    def truth(self) -> View:
        """The state as it is now, past replicas and permissions."""
        return self._settled().view(self.clock())

    def evaluate_dynamic_groups(self) -> None:
        """Let dynamic groups follow what was edited, after `delays.dynamic`."""
        self.service.under_lock(lambda: dynamic.evaluate_later(self._world))

    # ----------------------------------------------------------------------------------- parts

    def _load(self) -> None:
        store, now = self._world.store, self.clock()
        store.at(BEGINNING)
        for part in _LOADED:
            part.load(store, self.tenant, now)
        store.at(None)
        self.witness.listening = True

    def _batch_route(self) -> Route:
        def answered(call: Call) -> Reply:
            return Answer(200, batch.answer_all(self.service, call.caller, call.body))

        return Route("POST", "/$batch", answered, ANYBODY, 0)

    def _respond(self, request: Request) -> Response:
        path = request.target.partition("?")[0]
        if path.endswith(_TOKEN_PATH):
            return self._token_response(request)
        if path.startswith((drive.CONTENT_PATH, drive.MONITOR_PATH)):
            return self._beside(path)
        return self.service.answer(request)

    def _beside(self, path: str) -> Response:
        """Answer the addresses that Graph gives out and that need no token."""
        view, key = self.truth, path.rpartition("/")[2]
        if path.startswith(drive.CONTENT_PATH):
            content = drive.content_of(view, key)
            if content is not None:
                return Response(200, {"Content-Type": "application/octet-stream"}, content)
            return json_response(404, {})
        found = view.get(Table.COPIES, key)
        if found is None:
            return json_response(404, {})
        done = found["status"] == "completed"
        shown = {"status": found["status"], "percentageComplete": 100.0 if done else 0.0}
        if done:
            shown["resourceId"] = found["resourceId"]
        return json_response(200 if done else 202, shown)

    def _token_response(self, request: Request) -> Response:
        text = request.body.decode("utf-8", "replace")
        fields = dict(parse_qsl(text, max_num_fields=20))
        given = fields.get("client_id", ""), fields.get("client_secret", "")
        token = self.registrations.for_secret(*given)
        if fields.get("grant_type") != "client_credentials" or token is None:
            return json_response(401, {"error": "invalid_client", "error_codes": [7000215]})
        return json_response(
            200, {"token_type": "Bearer", "expires_in": 3599, "access_token": token}
        )


def _all_routes() -> Iterable[Route]:
    for area in _AREAS:
        yield from area.ROUTES


def _now() -> datetime:
    return datetime.now(UTC)


def _new_id() -> str:
    return str(uuid.uuid4())


def _new_secret() -> str:
    return secrets.token_urlsafe(32)
