"""The fake GitLab, whole: a forge in a store behind the service on a loopback port.

Used through `deprovisioner.sandbox.gitlab` (start reading there). Makes what is shared, joins the
route tables of all areas, and gives tests their controls: faults, replicas, tokens, time, and the
true state.
"""

import secrets
from collections.abc import Callable, Iterable
from datetime import UTC, datetime

from deprovisioner.sandbox.gitlab import (
    audit,
    credentials,
    deploy,
    exports,
    groups,
    holdings,
    lifecycle,
    machines,
    members,
    outward,
    pipelines,
    places,
    populace,
    projects,
    rules,
    tokens,
    users,
    work,
)
from deprovisioner.sandbox.gitlab.faults import FaultPanel
from deprovisioner.sandbox.gitlab.forge import Account, Forge
from deprovisioner.sandbox.gitlab.limits import Limits
from deprovisioner.sandbox.gitlab.residual import Opener, openers
from deprovisioner.sandbox.gitlab.routing import Delays, Route, World, route_table
from deprovisioner.sandbox.gitlab.service import VERSION, Consistency, Service
from deprovisioner.sandbox.gitlab.store import BEGINNING, Record, Store, Table, View
from deprovisioner.sandbox.gitlab.witness import Witness
from deprovisioner.sandbox.people import Person
from deprovisioner.sandbox.service.agenda import Agenda
from deprovisioner.sandbox.service.hosting import StatefulServer
from deprovisioner.sandbox.service.wire import LoopbackServer, Manner, json_response

_AREAS = (
    users, lifecycle, credentials, tokens, members, groups, projects, deploy, pipelines, machines,
    outward, rules, work, exports, audit,
)  # fmt: skip
_LOADED = (populace, places)
_MANNER = Manner(
    "sandbox-gitlab",
    too_long=json_response(413, {"error": "413 Request Entity Too Large"}),
    most_octets=4 * 1024 * 1024,
    is_announced=False,  # `Date` is in the answers, by the clock of the instance
)
_SCOPES: dict[object, list[str]] = {
    Account.ACTOR: ["api", "sudo", "admin_mode"],
    Account.VERIFIER: ["read_api", "admin_mode"],
    Account.OWNER: ["api"],
    Account.OWNER_VERIFIER: ["read_api"],
    Account.PLAIN: ["api"],
}


class ForgeServer(StatefulServer[Store]):
    """A GitLab on a free loopback port between `start` and `stop`; a context manager.

    `clock` returns aware UTC; everything that takes time (workers, exports, replicas, limits) goes
    by it.
    """

    def __init__(
        self,
        forge: Forge,
        *,
        clock: Callable[[], datetime] | None = None,
        new_id: Callable[[], str] | None = None,
        new_secret: Callable[[], str] | None = None,
        port: int = 0,
    ) -> None:
        self.forge = forge
        self.clock = clock or _now
        self.witness = Witness()
        store = Store(self.clock, self.witness.heard)
        self._world = World(
            store, Agenda(store), Delays(), Limits(self.clock), new_secret or _new_secret
        )
        self._load()
        self.service = Service(
            self._world, route_table(_all_routes()), self.witness, new_id or _new_id
        )
        server = LoopbackServer(self.service.answer, _MANNER, port=port)
        super().__init__(store, self.service.under_lock, server)

    def start(self) -> None:
        """Listen on 127.0.0.1; links in answers lead here."""
        super().start()
        self._world.url = self.url

    @property
    def api(self) -> str:
        """`http://127.0.0.1:port/api/v4`."""
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

    @property
    def limits(self) -> Limits:
        """How often; 0 is off."""
        return self._world.limits

    def lag(self, *, replica: float = 0.0, stale_every: int = 1) -> None:
        """Let reads lag behind writes, in seconds of the instance's clock; 0 ends it."""
        self.service.consistency = Consistency(replica, stale_every)

    def token(
        self,
        account: Account | Person | str = Account.ACTOR,
        *scopes: str,
        expires_at: str | None = None,
    ) -> str:
        """Return a new personal access token, by default with the scopes of the account."""
        kept = list(scopes) or _SCOPES.get(account, ["api"])
        made: list[Record] = []

        def make() -> None:
            user, name = self.user_id(account), "made by a test"
            made.append(
                tokens.issue(self._world, "personal", user, name, kept, expires_at=expires_at)
            )

        self.edit(lambda _store: make())
        return self._world.secrets[made[0]["id"]]

    def secret_of(self, token: int) -> str:
        """Return the clear text of an access token by its id: to try whether it still works."""
        return self._world.secrets[token]

    # ------------------------------------------------------------------------------ inspection

    @property
    def truth(self) -> View:
        """The state as it is now, past replicas and rights."""
        return self._settled().view(self.clock())

    def still_works(self, who: Person | str) -> tuple[Opener, ...]:
        """Return what comes from a person and opens something now, attributed or not."""
        return openers(self.truth, self.user_id(who))

    def user_id(self, who: Person | str) -> int:
        """Return the id of a person or of a username; raises KeyError on a stranger."""
        name = who if isinstance(who, str) else who.login
        return self._id(Table.USERS, "username", str(name))

    def group_id(self, path: str) -> int:
        """Return the id of a group by its full path."""
        return self._id(Table.GROUPS, "full_path", path)

    def project_id(self, path: str) -> int:
        """Return the id of a project by its full path."""
        return self._id(Table.PROJECTS, "path_with_namespace", path)

    def _id(self, table: Table, name: str, wanted: str) -> int:
        for row in self.truth.every(table):
            if row[name] == wanted:
                return int(row["id"])
        raise KeyError(wanted)

    def _load(self) -> None:
        store, now = self._world.store, self.clock()
        store.at(BEGINNING)
        for part in _LOADED:
            part.load(store, self.forge, now)
        holdings.load(self._world, self.forge, now)
        store.at(None)
        self.witness.listening = True


def _all_routes() -> Iterable[Route]:
    for area in _AREAS:
        yield from area.ROUTES


def _now() -> datetime:
    return datetime.now(UTC)


def _new_id() -> str:
    return secrets.token_hex(13).upper()


def _new_secret() -> str:
    return secrets.token_urlsafe(15)
