"""The residual-access clock: the last instant at which anything issued could still work.

Pure: from the facts of one case and an instant. Called by the views and by the closing record.
It decides nothing: no gate and no check of closure asks it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from enum import IntEnum, StrEnum
from typing import Final

from connectors.contract import HoldingState, Kind, Strength, Support
from reconcile.facts import CaseFacts, HoldingFacts, Step, SystemFacts
from reconcile.gates import reachable


class Reach(IntEnum):
    """How long something may work, ordered: the worse of two is the larger."""

    ENDED = 0
    DATED = 1
    UNKNOWN = 2
    LASTING = 3
    """It has no end of its own: until somebody takes or rotates it. Above every date."""


class Shortening(StrEnum):
    """Where the action stands that shortens it."""

    CONFIRMED = "confirmed"
    PLANNED = "planned"
    DUTY = "duty"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class Clock:
    """One system's clock. ``holding`` is the number of what lasts longest; ``at`` iff dated.

    ``unseen``: the kinds the connector declares it cannot see; the clock says nothing of them.
    """

    system: str
    reach: Reach
    why: str
    at: datetime | None = None
    holding: int | None = None
    kind: str = ""
    shortening: Shortening = Shortening.NONE
    unseen: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ResidualAccess:
    """The leaver's clocks, one per configured system, excluded ones too."""

    clocks: tuple[Clock, ...]

    @property
    def longest_first(self) -> tuple[Clock, ...]:
        """The clocks in the order of how long they run, then of their systems' names."""
        named = sorted(self.clocks, key=lambda each: each.system)
        return tuple(sorted(named, key=_order, reverse=True))

    @property
    def reach(self) -> Reach:
        """How far the clock that runs longest reaches."""
        return self.last.reach if self.last else Reach.UNKNOWN  # Law 2: nobody looked

    @property
    def last(self) -> Clock | None:
        """The clock that runs longest; None where no system is configured."""
        return next(iter(self.longest_first), None)


def residual_access(facts: CaseFacts, now: datetime) -> ResidualAccess:
    """Compute the clock of every configured system at ``now`` (aware UTC)."""
    return ResidualAccess(tuple(_system(facts, system, now) for system in facts.systems))


def latest_end(facts: CaseFacts) -> datetime | None:
    """Return the latest end that any read told, over or not; None where none told one.

    Also of what is gone: a ticket outlives the principal it was issued to.
    """
    ends = (each.residual_until for each in facts.holdings)
    return max((end for end in ends if end), default=None)


_TAKING: Final = (Step.CONTAIN, Step.REVOKE)
_THINGS: Final = ("ownership.", "data.")
"""Kinds by which nothing is issued and nobody gets in: they are kept and handed over."""
_KEPT: Final = "left alone by the policy, so it works on"
_NO_END: Final = "no end of its own: until somebody takes or rotates it"


def _order(clock: Clock) -> tuple[int, float]:
    return clock.reach, clock.at.timestamp() if clock.at else 0.0


def _system(facts: CaseFacts, system: SystemFacts, now: datetime) -> Clock:
    unseen = tuple(str(gap.kind) for gap in system.card.gaps)
    return max(_clocks(facts, system, now, unseen), key=_order)


def _clocks(
    facts: CaseFacts, system: SystemFacts, now: datetime, unseen: tuple[str, ...]
) -> Iterator[Clock]:
    blind = _blind(facts, system)
    # Law 2: what was not read is not known, and never shown as ended.
    reach = Reach.UNKNOWN if blind else Reach.ENDED
    yield Clock(system.name, reach, blind or "nothing issued still works", unseen=unseen)
    for holding in facts.holdings:
        if holding.system == system.name and not holding.kind.startswith(_THINGS):
            yield _holding(facts, system, holding, now, unseen)


def _blind(facts: CaseFacts, system: SystemFacts) -> str:
    if system.excluded:
        return f"not looked at: {system.excluded}"
    reads = [each for each in facts.surveys if each.system == system.name]
    if not reads:
        return "not read yet"
    return max(reads, key=lambda each: each.read_at).blind


def _holding(
    facts: CaseFacts,
    system: SystemFacts,
    holding: HoldingFacts,
    now: datetime,
    unseen: tuple[str, ...],
) -> Clock:
    reach, why = _reach(holding, system.card.support(holding.kind), now)
    return Clock(
        system.name,
        reach,
        why,
        at=holding.residual_until if reach is Reach.DATED else None,
        holding=holding.number,
        kind=str(holding.kind),
        shortening=_shortening(facts, system, holding),
        unseen=unseen,
    )


def _reach(holding: HoldingFacts, support: Support | None, now: datetime) -> tuple[Reach, str]:
    until = holding.residual_until
    if holding.state is HoldingState.LIVE:
        # A live holding issues anew: the end of what it issued so far is no end.
        kept = holding.disposition.wanted is HoldingState.LIVE
        return Reach.LASTING, _KEPT if kept else _NO_END
    # What was issued outlives what issued it: also of what is gone.
    if until is not None:
        return (Reach.DATED, "runs out by itself") if until > now else (Reach.ENDED, "has run out")
    strength = support.revokes if support else Strength.NEVER
    if strength in (Strength.BOUNDED, Strength.ON_EXPIRY):
        # Law 2: the system lets it run on for a while, and no read gave a date; gone ones too.
        return Reach.UNKNOWN, "what it issued may run on, and no read gave an end"
    if holding.state is HoldingState.GONE:
        return Reach.ENDED, "seen gone"
    if strength is Strength.NOW:
        return Reach.ENDED, "seen blocked"
    return Reach.LASTING, _NO_END


def _shortening(facts: CaseFacts, system: SystemFacts, holding: HoldingFacts) -> Shortening:
    if holding.state is not HoldingState.LIVE:
        return Shortening.CONFIRMED
    if holding.duty:
        return Shortening.DUTY
    wanted = holding.disposition.wanted
    able = reachable(system.card, Kind(holding.kind), wanted)
    planned = able and any(facts.operation(holding.system, step) for step in _TAKING)
    return Shortening.PLANNED if planned else Shortening.NONE
