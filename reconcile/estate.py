"""The estate: everything that is configured, as the core needs it. Built once by the roof.

Systems with their two credentials, HR, vault, policies, guards and limits; plus the three things
that come from outside (Law 12): clock, randomness, ids. The core reads it and never changes it.
"""

from __future__ import annotations

import fnmatch
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from connectors.contract import (
    Contains,
    Destroys,
    Preserves,
    Restores,
    Revokes,
    Transfers,
)
from reconcile.correlate import Rules
from reconcile.facts import Limits, Step

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import datetime

    from connectors.contract import Account, Card, Connector, Credential, Subject
    from connectors.hr.contract import HrSource
    from connectors.vaults.contract import CaseIdentity, Vault
    from policies.load import Source
    from policies.model import Policy

_ABILITIES: Final[dict[Step, type[Any]]] = {
    Step.CONTAIN: Contains,
    Step.PRESERVE: Preserves,
    Step.TRANSFER: Transfers,
    Step.REVOKE: Revokes,
    Step.RESTORE: Restores,
    Step.DESTROY: Destroys,
}


@dataclass(frozen=True, slots=True)
class System:
    """A configured outside system. ``connect`` makes a connector and does no I/O."""

    name: str
    connect: Callable[[Credential], Connector]
    card: Card
    abilities: frozenset[Step]
    observe: bool = False
    pace: timedelta = timedelta(0)
    """The least time between two calls of one operation, so that the system's own request limit
    holds over all operations that may run at once (concurrency / calls per second)."""


def abilities_of(connector: Connector) -> frozenset[Step]:
    """List the steps a connector claims statically by implementing their Protocol."""
    return frozenset(step for step, claim in _ABILITIES.items() if isinstance(connector, claim))


PROTECTED: Final = "a protected identity"
"""Why a case is held, or a run stopped, that is about somebody whom :class:`Guards` protects."""


@dataclass(frozen=True, slots=True)
class Guards:
    """Guards that are on from the first day (Law 5).

    ``people_per_window`` bounds how many people may be contained, revoked or destroyed within
    ``window``, counted for each of the three and over all triggers and systems.
    ``protected`` holds employment ids, native ids and login patterns (``svc-*``) that are never
    touched.
    """

    people_per_window: int = 10
    window: timedelta = timedelta(hours=24)
    protected: tuple[str, ...] = ()

    def protects(self, subject: Subject, account: Account | None = None) -> bool:
        """Say whether a person or an account must never be touched."""
        names = [subject.employment_id, subject.employee_number]
        if account is not None:
            names += [account.native_id, account.login]
        return any(
            fnmatch.fnmatchcase(name.casefold(), pattern.casefold())
            for name in names
            if name
            for pattern in self.protected
        )


@dataclass(frozen=True, slots=True)
class Pace:
    """How long things may take and how often they are tried.

    ``budget``: an operation stops taking new holdings after this long and asks for a fresh try.
    ``backoff`` doubles with each failure up to ``backoff_cap``; after ``give_up`` failures in a
    row a person is asked. ``breaker_after`` consecutive failures of a system over all cases rest
    it for ``breaker_rest``. ``factor`` shortens settle times and gaps in the sandbox only.
    """

    budget: timedelta = timedelta(seconds=240)
    backoff: timedelta = timedelta(seconds=1)
    backoff_cap: timedelta = timedelta(hours=1)
    give_up: int = 20
    max_starts: int = 50
    breaker_after: int = 5
    breaker_rest: timedelta = timedelta(seconds=60)
    verify_gap: timedelta = timedelta(minutes=5)
    factor: float = 1.0


def no_identity() -> CaseIdentity:
    """Refuse: without escrow keys nothing can be kept for a case."""
    message = "no escrow keys are configured"
    raise LookupError(message)


@dataclass(frozen=True, slots=True)
class Estate:
    """Everything configured."""

    systems: Mapping[str, System]
    policies: Sequence[Policy]
    clock: Callable[[], datetime]
    token_bytes: Callable[[int], bytes]
    new_id: Callable[[], str]
    policy_sources: Sequence[Source] = ()
    """The texts the policies were read from, stored with each case's policy hash."""
    pause: Callable[[float], None] = lambda _seconds: None
    """Waits that many seconds; only for the pace of a system."""
    hr: HrSource | None = None
    vault: Vault | None = None
    make_identity: Callable[[], CaseIdentity] = no_identity
    """Makes the key pair of a case, sealed to the escrow holders."""
    guards: Guards = field(default_factory=Guards)
    rules: Rules = field(default_factory=Rules)
    """By which an account that was found is somebody's (``reconcile.correlate``)."""
    limits: Limits = field(default_factory=Limits)
    pace: Pace = field(default_factory=Pace)
    observe: bool = False
    """Observe-only for everything: plan and survey, never write."""
    time_zone: str = "UTC"
    """The zone of dates that come without one (basis ``tenant_default``)."""
