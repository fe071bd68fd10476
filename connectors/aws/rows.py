"""The shape of a row: what each module of this room offers, and the connector puts in two tables.

A row owns its kinds of holdings together with a test of the native id: no other row of the same
table reports or changes them. A row translates and nothing else. Every write goes through
:func:`take`: look, say so when it is so already (Law 6), write, look again; whatever AWS answered,
only the second look decides (Law 1). Still read as before is pending: IAM is eventually
consistent.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from connectors.aws.answers import is_denied
from connectors.aws.documents import Names
from connectors.aws.session import Object, Sessions, request_id
from connectors.aws.settings import Settings
from connectors.contract import (
    Account,
    Effect,
    Gap,
    Holding,
    HoldingState,
    Json,
    Kind,
    Outcome,
    Support,
)
from connectors.faults import Fault, Malformed, Missing, Refused, Unauthorised


@dataclass(frozen=True, slots=True)
class Leaver:
    """Whose holdings a row reads or changes. ``user`` was read at the start of this very call.

    ``place`` is the AWS account id, or the identity store id of an Identity Center user. ``login``
    is the name of this moment: IAM takes names only, so it is looked up by immutable id each time.
    """

    sessions: Sessions
    account: Account
    place: str
    id: str
    login: str
    user: Object

    @property
    def settings(self) -> Settings:
        """What the operator said."""
        return self.sessions.settings

    @property
    def names(self) -> Names:
        """By what policies name this IAM user."""
        return Names.of(str(self.user["Arn"]), self.id, self.login)

    def iam(self, operation: str, **arguments: object) -> Object:
        """Make one IAM call about this user."""
        named = {"UserName": self.login, **arguments}
        return self.sessions.call(self.place, "iam", operation, "", **named)

    def iam_list(self, operation: str, member: str) -> list[Any]:
        """Read a whole IAM list of this user."""
        return self.sessions.listed(self.place, "iam", operation, member, UserName=self.login)

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
    ) -> Holding:
        """Make a holding of this account; the verifying identity reports no pre-image."""
        return Holding(
            account_id=self.account.native_id,
            kind=kind,
            native_id=native_id,
            label=label,
            state=state,
            sole=sole,
            restore={} if self.sessions.verifying else dict(restore or {}),
            last_used=last_used,
            duty=duty,
            residual_until=residual_until,
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


Change = Callable[[Leaver, Holding], Effect]
Transfer = Callable[[Leaver, Holding, Leaver], Effect]


@dataclass(frozen=True, slots=True)
class Row:
    """One module's offer. ``owns`` tells its holdings from another row's of the same kind.

    ``together``: its holdings are one switch, so one write changes all of them.
    """

    name: str
    kinds: frozenset[Kind]
    card: Callable[[Settings], RowCard]
    read: Callable[[Leaver], RowReading]
    contain: Change | None = None
    revoke: Change | None = None
    restore: Change | None = None
    transfer: Transfer | None = None
    owns: Callable[[str], bool] = field(default=lambda _native_id: True)
    absent: Callable[[Settings], bool] = field(default=lambda _settings: False)
    together: bool = False

    def has(self, holding: Holding) -> bool:
        """Tell whether a holding is this row's."""
        return holding.kind in self.kinds and self.owns(holding.native_id)


@dataclass(frozen=True, slots=True)
class Look:
    """What a re-read shows: whether the thing is where the write should bring it.

    ``wait``: why it cannot be done yet. ``refuse``: why never as it is.
    """

    reached: bool
    read_back: Mapping[str, Json] = field(default_factory=dict)
    write: Callable[[], Object] = field(default=dict)
    wait: str = ""
    refuse: str = ""


REMOVED_BY_HAND: Final = "look at the right that the card names"


def take(leaver: Leaver, holding: Holding, look: Callable[[], Look], *, lost: str = "") -> Effect:
    """Bring one holding where ``look`` says; see the module. Raises faults that concern all."""
    before = look()
    if before.reached:
        return Effect(holding.key, Outcome.ALREADY, before.read_back)
    if before.refuse:
        return Effect(holding.key, Outcome.REFUSED, before.read_back, why=before.refuse)
    if before.wait:
        return pending(leaver, holding, before.read_back, why=before.wait)
    request = ""
    try:
        request = request_id(before.write())
    except Missing:
        pass  # somebody was faster; the re-read decides (Law 6)
    except (Refused, Unauthorised) as fault:
        return _turned_down(holding, look(), fault)
    after = look()
    if not after.reached:
        return pending(leaver, holding, after.read_back, request, why=after.wait)
    return Effect(holding.key, Outcome.DONE, after.read_back, request, lost=lost)


def _turned_down(holding: Holding, after: Look, fault: Refused | Unauthorised) -> Effect:
    """AWS said no to this one thing; a dead credential concerns all."""
    if isinstance(fault, Unauthorised) and not is_denied(fault):
        raise fault
    if after.reached:
        return Effect(holding.key, Outcome.ALREADY, after.read_back)
    why = f"{fault} ({fault.code}); {REMOVED_BY_HAND}"
    return Effect(holding.key, Outcome.REFUSED, after.read_back, why=why)


def pending(
    leaver: Leaver,
    holding: Holding,
    read_back: Mapping[str, Json],
    request: str = "",
    why: str = "",
) -> Effect:
    """Say that AWS took a write and a read still shows the old state, or that it has to wait."""
    return Effect(
        holding.key,
        Outcome.PENDING,
        read_back,
        request,
        pending_until=leaver.sessions.clock() + leaver.settings.lag,
        why=why or "accepted, and still read as before",
    )


def refused(holding: Holding, why: str) -> Effect:
    """Say why it is not done, and what a person does."""
    return Effect(holding.key, Outcome.REFUSED, why=why)


def partly(read: Callable[[], Iterator[Holding]], what: str, right: str) -> RowReading:
    """Read one part of a row; what AWS refuses for this part alone is a gap (Law 2).

    The read is blind, says why, and the rest of it can still be contained. Every other fault ends
    the read: raises it.
    """
    try:
        return RowReading(tuple(read()))
    except Unauthorised as fault:
        if not is_denied(fault):
            raise
        return RowReading(gaps=(f"{what} (needs {right})",))
    except Refused as fault:
        return RowReading(gaps=(f"{what} ({fault.code})",))


def text(value: Object, name: str) -> str:
    """Return a text that must be there. Raises Malformed."""
    found = value.get(name)
    if not isinstance(found, str) or not found:
        raise Malformed(f"an answer has no {name}", code="aws:shape")
    return found


def stored(holding: Holding, name: str) -> str:
    """Return a text of the pre-image. Raises :class:`~connectors.faults.Refused`."""
    found = holding.restore.get(name)
    if not isinstance(found, str):
        raise Refused("no pre-image was stored", code="aws:pre-image")
    return found


def unless_missing(read: Callable[[], Object]) -> Object | None:
    """Read one object; None where AWS says that it is not there."""
    try:
        return read()
    except Missing:
        return None


__all__ = [
    "Change", "Fault", "Leaver", "Look", "Row", "RowCard", "RowReading", "Sequence", "partly",
    "pending", "refused", "stored", "take", "text", "unless_missing",
]  # fmt: skip
