"""Routes as a table: method, path, right, handler; and what a handler gets and gives.

Every area of the fake exports `ROUTES`; `hosting` joins them. `{group}` and `{project}` in a path
are found, hidden (404) and guarded (403) by `service` before the handler is called.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from deprovisioner.sandbox.gitlab.access import Caller
from deprovisioner.sandbox.gitlab.errors import Refusal, invalid
from deprovisioner.sandbox.gitlab.limits import Limits
from deprovisioner.sandbox.gitlab.store import Record, Store, View
from deprovisioner.sandbox.service import routes as routing
from deprovisioner.sandbox.service.agenda import Agenda

NO_ACCESS, GUEST, REPORTER, DEVELOPER, MAINTAINER, OWNER = 0, 10, 20, 30, 40, 50


@dataclass(slots=True)
class Delays:
    """How long the instance takes to do what it has accepted; all on the injected clock."""

    worker: timedelta = timedelta(seconds=30)
    """A blocked person's pipelines are cancelled and schedules switched off."""
    deletion: timedelta = timedelta(minutes=5)
    """A deleted user is gone; until then it is shown, blocked."""
    export_start: timedelta = timedelta(seconds=5)
    """A queued export is started."""
    export: timedelta = timedelta(seconds=20)
    """A started export is finished."""
    export_kept: timedelta = timedelta(hours=24)
    """The file of an export is kept."""
    retention: timedelta = timedelta(days=30)
    """A project or group that is marked for deletion is gone."""
    indexed: timedelta = timedelta(seconds=2)
    """A change is in the audit events."""


class Sphere(StrEnum):
    """What a right is about."""

    INSTANCE = "instance"
    GROUP = "group"
    PROJECT = "project"


@dataclass(frozen=True, slots=True)
class Right:
    """What a route asks of its caller: a level in a group or project, or to be administrator."""

    sphere: Sphere
    level: int = 0
    administrator: bool = False


SIGNED_IN = Right(Sphere.INSTANCE)
ADMINISTRATOR = Right(Sphere.INSTANCE, administrator=True)


def in_group(level: int) -> Right:
    """Ask for a level in the group of the path."""
    return Right(Sphere.GROUP, level)


def in_project(level: int) -> Right:
    """Ask for a level in the project of the path."""
    return Right(Sphere.PROJECT, level)


@dataclass(slots=True)
class World:
    """What all handlers share."""

    store: Store
    agenda: Agenda
    delays: Delays
    limits: Limits
    new_secret: Callable[[], str]
    secrets: dict[int, str] = field(default_factory=dict)
    """The clear text of access tokens by id, for tests that try them; no answer is made of it."""
    url: str = ""

    @property
    def now(self) -> datetime:
        """The instance's clock."""
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
    path: Mapping[str, str]
    query: Mapping[str, str]
    body: Record
    parent: Record
    """The group or project of the path; empty where there is none."""
    is_stuck: bool = False
    """The fault `stuck` is met."""

    def number(self, name: str) -> int:
        """Return a place of the path that is an id; raises Refusal 400 for anything else."""
        text = self.path[name]
        if not text.isdigit():
            raise invalid(f"{name} is invalid")
        return int(text)

    def flag(self, name: str) -> bool | None:
        """Return a boolean of the query; None where it is not given."""
        text = self.query.get(name, "").casefold()
        return {"true": True, "1": True, "false": False, "0": False}.get(text)


@dataclass(frozen=True, slots=True)
class Answer:
    """One object, or octets of `content_type`; `nothing` has no body at all."""

    status: int = 200
    body: object = None
    content_type: str = "application/json"
    headers: Mapping[str, str] = field(default_factory=dict)


NOTHING = Answer(204)


@dataclass(frozen=True, slots=True)
class Listing:
    """A list, to be cut into pages; `show` is asked for the rows of a page only."""

    rows: Iterable[Record]
    show: Callable[[Record], Record]
    keyset: frozenset[str] = frozenset()
    """Orders (`id:asc`) in which keyset paging is offered; where there is none, it is ignored."""
    paged: bool = True
    """Off: the list comes whole and without paging headers."""


Reply = Answer | Listing
Handler = Callable[[Call], Reply]


@dataclass(frozen=True, slots=True)
class Route:
    """One row of the table."""

    method: str
    path: str
    handler: Handler
    right: Right


def routes(right: Right, *rows: tuple[str, str, Handler]) -> tuple[Route, ...]:
    """Return routes that ask for the same right."""
    return tuple(Route(method, path, handler, right) for method, path, handler in rows)


def route_table(known: Iterable[Route]) -> routing.Table[Route]:
    """Return the table."""
    return routing.Table(
        known,
        no_path=lambda _part: Refusal(404, {"error": "404 Not Found"}),
        no_method=lambda _part: Refusal(405, {"error": "405 Not Allowed"}),
    )
