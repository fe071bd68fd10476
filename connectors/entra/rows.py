"""The shape of a row: what each module of this room offers, and the connector puts in one table.

A row owns its kinds of holdings: no other row reports or changes them. ``connector.ROWS`` names
the rows in the order in which holdings are reported, and so revoked: PIM-eligible roles before
active ones, access packages before the groups they would put back.

A row translates and nothing else. Its ``read`` asks with ``leaver.graph.gather`` so that requests
go out together, and turns each answer into holdings or a gap with :func:`seen`. Its changes
re-read by key, answer one effect for each holding in order, and raise faults that concern all.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from connectors.contract import (
    Account,
    Effect,
    Export,
    Gap,
    Holding,
    HoldingState,
    Json,
    Kind,
    Outcome,
    Support,
)
from connectors.entra.answers import Row as Json_object
from connectors.entra.graph import Graph
from connectors.entra.settings import Settings
from connectors.faults import Fault, Missing, Refused, Unauthorised


@dataclass(frozen=True, slots=True)
class Leaver:
    """Whose holdings a row reads or changes, and the session to do it with.

    ``user`` is the user object as read at the start of this very call (``account.SELECT``).
    """

    graph: Graph
    settings: Settings
    account: Account
    user: Json_object
    verifying: bool

    @property
    def id(self) -> str:
        """The immutable object id."""
        return self.account.native_id

    @property
    def synced(self) -> bool:
        """Mastered in Active Directory (``onPremisesSyncEnabled``)."""
        return self.user.get("onPremisesSyncEnabled") is True

    @property
    def guest(self) -> bool:
        """An external user: neither revocation of sessions nor CAE works on one."""
        return self.user.get("userType") == "Guest"

    def now(self) -> datetime:
        """Tell the time."""
        return self.graph.clock()

    def later(self) -> datetime:
        """When a replica that still answers the old state is asked again."""
        return self.now() + self.settings.lag

    def holding(  # noqa: PLR0913 - the contract's own noun
        self,
        kind: Kind,
        native_id: str,
        label: str = "",
        *,
        state: HoldingState = HoldingState.LIVE,
        sole: bool = False,
        restore: Mapping[str, Json] | None = None,
        duty: str = "",
        last_used: datetime | None = None,
        residual_until: datetime | None = None,
        handed_to: frozenset[str] = frozenset(),
    ) -> Holding:
        """Make a holding of this account; the verifying identity reports no pre-image."""
        return Holding(
            account_id=self.id,
            kind=kind,
            native_id=native_id,
            label=label,
            state=state,
            sole=sole,
            restore={} if self.verifying else dict(restore or {}),
            last_used=last_used,
            duty=duty,
            residual_until=residual_until,
            handed_to=handed_to,
        )

    def pending(self, holding: Holding, read_back: Mapping[str, Json], request: str = "") -> Effect:
        """Say that Graph took a write and a replica still shows the old state (Law 1)."""
        return Effect(
            holding.key,
            Outcome.PENDING,
            read_back,
            request,
            pending_until=self.later(),
            why="accepted, and still read as before",
        )


@dataclass(frozen=True, slots=True)
class RowReading:
    """What a row read. ``gaps`` name what could not be read, without personal data (Law 2)."""

    holdings: tuple[Holding, ...] = ()
    gaps: tuple[str, ...] = ()

    def __add__(self, other: RowReading) -> RowReading:
        """Join what two parts of a row read."""
        return RowReading(self.holdings + other.holdings, self.gaps + other.gaps)


@dataclass(frozen=True, slots=True)
class RowCard:
    """A row's part of the capability card, for these settings. Made without I/O."""

    supports: tuple[Support, ...] = ()
    gaps: tuple[Gap, ...] = ()
    notes: tuple[str, ...] = ()


Change = Callable[[Leaver, Sequence[Holding]], Sequence[Effect]]
Transfer = Callable[[Leaver, Sequence[Holding], Account], Sequence[Effect]]
Exporting = Callable[[Leaver, Sequence[Holding]], Iterator[Export]]


@dataclass(frozen=True, slots=True)
class Row:
    """One module's offer. A stage that is None is on the card for none of its kinds.

    ``kinds`` is everything ``read`` may report. ``ends_sessions``: what a revocation takes away is
    carried in tokens for up to a day (groups, roles), so the connector ends sessions once more
    right after it.
    """

    name: str
    kinds: frozenset[Kind]
    card: Callable[[Settings], RowCard]
    read: Callable[[Leaver], RowReading]
    contain: Change | None = None
    revoke: Change | None = None
    restore: Change | None = None
    transfer: Transfer | None = None
    export: Exporting | None = None
    ends_sessions: bool = False
    absent: Callable[[Settings], bool] = field(default=lambda _settings: False)
    """Whether the operator says that this tenant has nothing of it; then it is not read."""


def seen(
    answer: Sequence[Json_object] | Fault, what: str, right: str
) -> tuple[Sequence[Json_object], tuple[str, ...]]:
    """Split one answer of ``gather`` into rows and gaps.

    What Graph refuses for this part alone is a gap (a right is missing, or the tenant has no such
    feature, which the setting ``absent`` then names): the read is blind, says why, and the rest of
    it can still be contained. Every other fault ends the read: raises it.
    """
    if isinstance(answer, Unauthorised) and answer.code.startswith("graph:403"):
        return (), (f"{what} (needs {right})",)
    if isinstance(answer, Refused):
        return (), (f"{what} ({answer.code})",)
    if isinstance(answer, Fault):
        raise answer
    return answer, ()


def seen_or_missing(
    answer: Sequence[Json_object] | Fault, what: str, right: str
) -> tuple[Sequence[Json_object], tuple[str, ...]]:
    """Like :func:`seen`, where 404 is how Graph says that there is none (no drive, no mailbox)."""
    return ((), ()) if isinstance(answer, Missing) else seen(answer, what, right)


def refused(holding: Holding, fault: Refused | Unauthorised, duty: str) -> Effect:
    """Say that Graph will not do it for one holding, with Graph's own code and a person's task."""
    return Effect(holding.key, Outcome.REFUSED, why=f"{fault} {fault.code}; {duty}")
