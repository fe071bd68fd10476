"""What a connector's author brings to the conformance suite: a :class:`Rig`, hands on a real world.

The suite drives connectors only through ``connectors.contract`` and looks at the world only
through the rig, which must read it *past* the connector (another client, another account, a file).
This module holds the Protocol and the few moves that every check makes; the checks themselves are
in ``reads``, ``writes``, ``undo`` and ``troubles``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol, TypeVar, cast

from connectors.contract import (
    Account,
    Card,
    Connector,
    Contains,
    Credential,
    Effect,
    Holding,
    HoldingState,
    Json,
    Outcome,
    Reading,
    Revokes,
    Stage,
    Subject,
    gather,
)

Ability = TypeVar("Ability")


class Situation(StrEnum):
    """Something a rig can bring about. What it cannot, it declares with a reason."""

    CANARY_HIDDEN = "the canary cannot be read"
    TARGET_HIDDEN = "rights on the person were taken away; the system answers with less, or nothing"
    TRUNCATED = "a read ends before its last page"
    UNREACHABLE = "nothing listens at the address"
    SLOW = "the system answers after the connector's own timeout"
    THROTTLED = "the system asks to come back later and says when"
    DENIED = "the credential was revoked or expired"
    GARBLED = "the answer is not what the protocol says"
    SILENT = "a write is answered with success and changes nothing"
    VANISHED = "the object is taken away between read and write"
    RENAMED = "the person gets another name, the old name goes to somebody else where it can"
    SOLE = "the person is the last owner, admin or member of something"


class Rig(Protocol):
    """A fresh world holding one leaver, and hooks on it that do not go through the connector."""

    @property
    def subject(self) -> Subject:
        """Who leaves: has one account found with confidence 100, and at least three holdings."""
        ...

    @property
    def successor(self) -> Subject:
        """Who takes over; has an account in the same system."""
        ...

    @property
    def stranger(self) -> Subject:
        """Somebody HR knows who has no account here."""
        ...

    @property
    def unsupported(self) -> Mapping[Situation, str]:
        """What this rig cannot bring about, each with its reason. Printed, never silent."""
        ...

    def connector(self, credential: Credential, *, page_size: int = 0) -> Connector:
        """Open a new connector; ``page_size`` 0 means as shipped."""
        ...

    def witness(self) -> Mapping[str, Json]:
        """Read all state of the leaver past the connector, without times that reading changes."""
        ...

    def bystanders(self) -> Mapping[str, Json]:
        """Read all state of everybody but leaver and successor past the connector."""
        ...

    def vanish(self, holding: Holding) -> None:
        """Take one holding away behind the connector's back."""
        ...

    def rename(self) -> None:
        """Give the leaver other names; give the old ones to somebody new where that can be."""
        ...

    def situation(self, situation: Situation) -> AbstractContextManager[None]:
        """Bring about one of the troubles that last (all but VANISHED, RENAMED and SOLE)."""
        ...

    def now(self) -> datetime:
        """Tell the time that the connector's clock tells."""
        ...

    def pass_time(self, until: datetime) -> None:
        """Turn the clock, or wait."""
        ...


OpensRig = Callable[[], AbstractContextManager[Rig]]
"""Makes a fresh rig; leaving the context takes its world down."""


class Nonconformity(Exception):
    """The connector does not keep the contract; the message says where."""


class NotClaimed(Exception):
    """The check is about an ability or a kind of holding that this connector does not claim."""


def expect(condition: object, message: str) -> None:
    """Raise :class:`Nonconformity` unless ``condition`` holds."""
    if not condition:
        raise Nonconformity(message)


@contextmanager
def opened(rig: Rig, credential: Credential, *, page_size: int = 0) -> Iterator[Connector]:
    """Open a connector and close it whatever happens."""
    connector = rig.connector(credential, page_size=page_size)
    try:
        yield connector
    finally:
        connector.close()


def claimed(connector: object, ability: Callable[..., Ability]) -> Ability:
    """Narrow a connector to an ability. Raises :class:`NotClaimed`."""
    # The type system has no word for "a Protocol class", only for classes that can be called.
    protocol = cast("type[Ability]", ability)
    if not isinstance(connector, protocol):
        raise NotClaimed(f"the connector does not claim {protocol.__name__}")
    return connector


def account_of(connector: Connector, subject: Subject) -> Account:
    """Find the one account that may be acted upon. Raises :class:`Nonconformity`."""
    reading = gather(connector.find(subject))
    sure = [account for account in reading.items if account.confidence == 100]  # noqa: PLR2004 - the contract's own number for an immutable match
    expect(sure, "find returned no account with confidence 100 for a person the rig put there")
    return sure[0]


def survey(rig: Rig, credential: Credential, account: Account) -> Reading[Holding]:
    """Survey with a connector of its own; the read must not be blind."""
    with opened(rig, credential) as connector:
        reading = gather(connector.survey(account))
    expect(not reading.blind, f"an undisturbed survey is blind: {reading.blind}")
    return reading


def actionable(card: Card, holdings: Sequence[Holding], stage: Stage) -> list[Holding]:
    """Holdings that the card says this stage works on, without duties.

    Sole ones are only handed over, never worked on otherwise (Law 5).
    """
    chosen = []
    for holding in holdings:
        support = card.support(holding.kind)
        may = stage is Stage.TRANSFER or not holding.sole
        if support and stage in support.stages and may and not holding.duty:
            chosen.append(holding)
    return chosen


def calls(card: Card, holdings: Sequence[Holding]) -> list[list[Holding]]:
    """Group holdings into calls: one per bundle, and one per holding without a bundle."""
    grouped: dict[str, list[Holding]] = {}
    for holding in holdings:
        support = card.support(holding.kind)
        bundle = f"bundle {support.bundle}" if support and support.bundle else holding.key
        grouped.setdefault(bundle, []).append(holding)
    return list(grouped.values())


Write = Callable[[Account, Sequence[Holding]], Sequence[Effect]]


def write(act: Write, card: Card, account: Account, holdings: Sequence[Holding]) -> list[Effect]:
    """Make the calls for ``holdings``; effects are matched by key and come in their order.

    That the connector itself keeps the order is a check of its own.
    """
    answered: dict[str, Effect] = {}
    for call in calls(card, holdings):
        answered |= {effect.holding_key: effect for effect in act(account, call)}
    missing = [holding for holding in holdings if holding.key not in answered]
    expect(not missing, f"no effect answered for: {kinds_of(missing)}")
    return [answered[holding.key] for holding in holdings]


def settle(rig: Rig, card: Card, effects: Sequence[Effect]) -> None:
    """Let pending effects and the system's own settle time pass."""
    for effect in effects:
        expect(
            (effect.outcome is Outcome.PENDING) == (effect.pending_until is not None),
            "pending_until and the outcome pending belong together",
        )
    moments = [effect.pending_until for effect in effects if effect.pending_until]
    rig.pass_time(max([rig.now(), *moments]) + card.settle)


def kinds_of(holdings: Sequence[Holding]) -> str:
    """Name holdings for a message: kinds only, labels may be personal data (Law 10)."""
    return ", ".join(str(holding.kind) for holding in holdings)


def keys_in(holdings: Sequence[Holding], state: HoldingState | None = None) -> set[str]:
    """Keys of the holdings in ``state`` (of all when None), those gone left out."""
    return {
        holding.key
        for holding in holdings
        if holding.state is not HoldingState.GONE and state in (None, holding.state)
    }


@dataclass(frozen=True, slots=True)
class Scene:
    """The opening of most checks: an acting connector, its card, the account and its survey."""

    connector: Connector
    card: Card
    account: Account
    holdings: tuple[Holding, ...]

    def of(self, stage: Stage) -> list[Holding]:
        """Holdings this stage works on. Raises :class:`NotClaimed` when the card has none."""
        chosen = actionable(self.card, self.holdings, stage)
        if not any(stage in support.stages for support in self.card.supports):
            raise NotClaimed(f"the card supports {stage} for no kind")
        expect(chosen, f"the rig's leaver holds nothing that {stage} works on")
        return chosen

    def act(self, stage: Stage) -> Write:
        """Return the method of a stage. Raises :class:`NotClaimed`."""
        if stage is Stage.CONTAIN:
            return claimed(self.connector, Contains).contain
        return claimed(self.connector, Revokes).revoke


@contextmanager
def scene(rig: Rig) -> Iterator[Scene]:
    """Find and survey the leaver with the acting credential."""
    with opened(rig, Credential.ACT) as connector:
        account = account_of(connector, rig.subject)
        reading = gather(connector.survey(account))
        expect(not reading.blind, f"an undisturbed survey is blind: {reading.blind}")
        yield Scene(connector, connector.card(), account, reading.items)
