"""What can be made to go wrong in a remembered world, and what it writes down about itself."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class Trouble(StrEnum):
    """What can be made to go wrong, as the connector meets it."""

    TRUNCATED = "truncated"
    CANARY_HIDDEN = "canary hidden"
    TARGET_HIDDEN = "target hidden"
    TRANSIENT = "transient"
    UNAUTHORISED = "unauthorised"
    MALFORMED = "malformed"
    SILENT = "silent"
    VANISHING = "vanishing"
    SLOW = "slow"


@dataclass(frozen=True, slots=True)
class Injection:
    """A trouble and where it strikes; empty fields mean everywhere.

    ``times`` -1 lasts until healed. ``seconds`` is the latency of SLOW and the retry-after of
    TRANSIENT.
    """

    trouble: Trouble
    operation: str = ""
    account_id: str = ""
    credential: str = ""
    times: int = -1
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class AuditLine:
    """One change that really happened, written in the same transaction as the change."""

    at: datetime
    credential: str
    operation: str
    holding_key: str


@dataclass(frozen=True, slots=True)
class CallLine:
    """One end of one call: ``phase`` is ``start`` or ``end``; a killed process leaves no end."""

    at: float
    pid: int
    thread: int
    call: str
    phase: str
    operation: str
    account_id: str
    holding_keys: tuple[str, ...]
