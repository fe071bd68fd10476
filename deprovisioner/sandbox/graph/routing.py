"""Routes as a table: method, path, permissions, handler; and what a handler gets and gives.

Every area of the fake exports `ROUTES`; `service` joins them. A path that is in no table is refused
as Graph refuses an unknown segment.
"""

import random
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from deprovisioner.sandbox.graph.access import Caller
from deprovisioner.sandbox.graph.errors import bad_request
from deprovisioner.sandbox.graph.query import Expansion, Query, Typed
from deprovisioner.sandbox.graph.store import Record, Store, View
from deprovisioner.sandbox.graph.vocabulary import Kind
from deprovisioner.sandbox.service import routes as routing
from deprovisioner.sandbox.service.agenda import Agenda

ANYBODY = ("*",)
"""In place of permissions: whoever has a token."""
LIST_OPTIONS = frozenset(
    {"$select", "$filter", "$top", "$skiptoken", "$count", "$expand", "$search"}
)
ITEM_OPTIONS = frozenset({"$select", "$expand"})


@dataclass(slots=True)
class Delays:
    """How long the tenant takes to do what it has accepted; all on the tenant's clock."""

    roles: timedelta = timedelta(seconds=30)
    """PIM and role requests, until the instances show it."""
    activation: timedelta = timedelta(minutes=10)
    """An enabled person activates again what is still eligible."""
    packages: timedelta = timedelta(minutes=2)
    """An access package puts its group back, or a removal is delivered."""
    dynamic: timedelta = timedelta(minutes=5)
    """A dynamic group is evaluated again."""
    copies: timedelta = timedelta(seconds=20)
    """A copied file is there."""
    audit: timedelta = timedelta(minutes=3)
    """A change is in the directory's audit log."""
    team_owners: timedelta = timedelta(0)
    """A team shows the owners of its group; up to two hours in the real service."""
    numbers: timedelta = timedelta(seconds=30)
    """A telephone number is free."""
    devices: timedelta = timedelta(minutes=1)
    """A managed device has done what it was told."""


@dataclass(slots=True)
class World:
    """What all handlers share."""

    store: Store
    agenda: Agenda
    delays: Delays
    new_id: Callable[[], str]
    new_secret: Callable[[], str]
    chance: random.Random
    base_url: str = ""

    @property
    def now(self) -> datetime:
        """The tenant's clock."""
        return self.store.now

    @property
    def truth(self) -> View:
        """The primary: the state as it is."""
        return self.store.view(self.store.now)


@dataclass(frozen=True, slots=True)
class Call:
    """One request, authorised and matched."""

    world: World
    caller: Caller
    view: View
    """What this request's replica shows: now, or a while ago."""
    query: Query
    headers: Mapping[str, str]
    path: Mapping[str, str]
    body: Record

    def text(self, name: str) -> str:
        """Return a text of the body; raises GraphError 400 when it is missing."""
        value = self.body.get(name)
        if not isinstance(value, str) or not value:
            raise bad_request(f"A value is required for property '{name}'.")
        return value


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer that needs no more work; `body` is JSON, or octets of `content_type`."""

    status: int
    body: Record | bytes | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    content_type: str = "application/json"


@dataclass(frozen=True, slots=True)
class Item:
    """One resource, to be shown under `$select` and `$expand`."""

    typed: Typed
    context: str
    mixed: bool = False
    expansions: Mapping[str, Expansion] = field(default_factory=dict)
    options: frozenset[str] = ITEM_OPTIONS
    status: int = 200


@dataclass(frozen=True, slots=True)
class Listing:
    """A list of resources, to be filtered, cut into pages and shown."""

    kind: Kind
    items: Iterable[Typed]
    context: str
    mixed: bool = False
    directory: bool = True
    """A list of the directory: `$count` and advanced filters need their header."""
    default: int = 100
    most: int = 999
    expansions: Mapping[str, Expansion] = field(default_factory=dict)
    options: frozenset[str] = LIST_OPTIONS
    complete: Callable[[View, Iterable[Record]], Iterator[Record]] | None = None
    """What is worked out for the items of a page and not for all."""
    extra: Mapping[str, object] = field(default_factory=dict)
    """Further members beside `value` (a delta link)."""


Reply = Answer | Item | Listing
Handler = Callable[[Call], Reply]


@dataclass(frozen=True, slots=True)
class Route:
    """One row of the table."""

    method: str
    path: str
    handler: Handler
    needs: tuple[str, ...]
    """One of these application permissions; empty: delegated only, so every app is refused."""
    units: int = 1
    """Resource units."""
    outlook: bool = False
    """Refused and throttled in Exchange's words."""


def routes(
    needs: str, *rows: tuple[str, str, Handler], units: int = 1, outlook: bool = False
) -> tuple[Route, ...]:
    """Return routes that share the permissions they need (separated by blanks)."""
    return tuple(
        Route(method, path, handler, tuple(needs.split()), units, outlook)
        for method, path, handler in rows
    )


def route_table(known: Iterable[Route]) -> routing.Table[Route]:
    """Return the table; a segment that begins with `$` is an operation, never somebody's id."""
    return routing.Table(
        known,
        no_path=lambda part: bad_request(
            f"Resource not found for the segment '{part}'.", "BadRequest"
        ),
        no_method=lambda _part: bad_request(
            "Specified HTTP method is not allowed for the request target."
        ),
        reserved="$",
    )
