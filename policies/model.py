"""The nouns of a policy: what a file says, and the effective policy that governs a case.

Loaded by :mod:`policies.load`; read by selection, disposition, lint and the planner. Nothing here
reads files. All of it is frozen: a case is tied to :attr:`Policy.policy_hash`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from enum import StrEnum
from typing import Final

from connectors.contract import Kind, Stage
from policies.expressions import Condition
from policies.problems import Position
from policies.timing import Anchor, Timing


class Need(StrEnum):
    """Whether a stage has to happen to a holding."""

    REQUIRED = "required"
    NEVER = "never"


class Transfer(StrEnum):
    """Whether a holding is handed over."""

    NEVER = "never"
    WHEN_SOLE = "when sole"
    REQUIRED = "required"
    OPTIONAL = "optional"


class Revocation(StrEnum):
    """When a holding is taken away: not at all, together with contain, or at the stage's time."""

    NEVER = "never"
    WITH_CONTAIN = "with contain"
    ON_TIME = "on time"


class SuccessorRole(StrEnum):
    """Who may receive a transfer."""

    SUCCESSOR = "successor"
    MANAGER = "manager"
    TEAM = "team"


@dataclass(frozen=True, slots=True)
class Successor:
    """One link of a successor chain. ``name`` is the team of ``team:NAME``."""

    role: SuccessorRole
    name: str = ""

    def __str__(self) -> str:
        return f"team:{self.name}" if self.name else str(self.role)


@dataclass(frozen=True, slots=True)
class Approvals:
    """How many different people must agree."""

    count: int = 0


@dataclass(frozen=True, slots=True)
class StageWords:
    """What one file says about a stage; None is silence."""

    stage: Stage
    position: Position
    at: Timing | None = None
    to: tuple[Successor, ...] | None = None
    approvals: Approvals | None = None


@dataclass(frozen=True, slots=True)
class StageRule:
    """When a stage starts, to whom it transfers, and who must agree.

    ``position`` is that of the words that say when; None where no file does.
    """

    stage: Stage
    at: Timing
    to: tuple[Successor, ...] = ()
    approvals: Approvals = Approvals()
    position: Position | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class HoldingRule:
    """What one rule says about the kinds its pattern covers; None is silence.

    ``depth`` counts from the most distant ancestor: a child's rule is deeper than its parent's.
    """

    pattern: str
    position: Position = field(compare=False)
    systems: tuple[str, ...] = ()
    when: Condition | None = None
    contain: Need | None = None
    preserve: Need | None = None
    transfer: Transfer | None = None
    revoke: Revocation | None = None
    destroy: Need | None = None
    retain: timedelta | None = None
    policy: str = ""
    depth: int = 0

    @property
    def narrowed(self) -> bool:
        """Whether the rule is for some systems or circumstances only."""
        return bool(self.systems) or self.when is not None

    @property
    def precedence(self) -> tuple[int, bool, int, int, int]:
        """Greater outweighs: exact kind, narrowed, child, later in the file."""
        return (
            specificity(self.pattern),
            self.narrowed,
            self.depth,
            self.position.line,
            self.position.column,
        )

    def covers(self, kind: Kind) -> bool:
        """Whether the pattern covers this kind."""
        return pattern_covers(self.pattern, kind)


@dataclass(frozen=True, slots=True)
class Exclusion:
    """A system, or some kinds in it, left alone for a reason. It counts through ``until``."""

    system: str
    reason: str
    until: date | None = None
    kinds: tuple[str, ...] = ()
    position: Position | None = field(default=None, compare=False)

    def counts_on(self, day: date) -> bool:
        """Law 4: an expired exclusion covers nothing, so the system is in again."""
        return self.until is None or day <= self.until

    def covers(self, kind: Kind) -> bool:
        """Whether holdings of this kind are left alone."""
        return not self.kinds or any(pattern_covers(pattern, kind) for pattern in self.kinds)


AT_ONCE: Final = Timing(Anchor.NOW)


@dataclass(frozen=True, slots=True)
class EmergencyWords:
    """What one file says about emergencies; None is silence."""

    contain: Timing | None = None
    quiet: bool | None = None


@dataclass(frozen=True, slots=True)
class Emergency:
    """An immediate termination: when to contain, and whether only those who must know are told."""

    contain: Timing = AT_ONCE
    quiet: bool = True


@dataclass(frozen=True, slots=True)
class PolicyFile:
    """One file as written, before its ancestors are laid under it."""

    name: str
    position: Position
    shipped: bool = False
    extends: str = ""
    extends_position: Position | None = None
    description: str = ""
    roles: tuple[str, ...] = ()
    match: Condition | None = None
    priority: int = 0
    time_zone: str = ""
    stages: tuple[StageWords, ...] = ()
    rules: tuple[HoldingRule, ...] = ()
    exclusions: tuple[Exclusion, ...] = ()
    emergency: EmergencyWords = EmergencyWords()


@dataclass(frozen=True, slots=True)
class Policy:
    """An effective policy: a file over its ancestors over the safe defaults.

    ``lineage`` runs from the policy itself to its most distant ancestor. ``rules`` stand in order
    of precedence, the weightiest first; ``rules_by_kind`` is the same, by kind. ``shipped``
    policies govern only where no policy of the operator fits.
    """

    name: str
    source: str
    lineage: tuple[str, ...]
    policy_hash: str
    roles: tuple[str, ...]
    match: Condition | None
    priority: int
    time_zone: str
    stages: tuple[StageRule, ...]
    rules: tuple[HoldingRule, ...]
    exclusions: tuple[Exclusion, ...]
    emergency: Emergency
    shipped: bool = False
    description: str = field(default="", compare=False)
    position: Position | None = field(default=None, compare=False)
    rules_by_kind: Mapping[Kind, tuple[HoldingRule, ...]] = field(
        default_factory=dict, compare=False, repr=False
    )

    def stage(self, stage: Stage) -> StageRule:
        """The rule of a stage; every policy has all five."""
        return next(rule for rule in self.stages if rule.stage is stage)


ANY_KIND: Final = "any"
"""The pattern that covers every kind."""

_DAY: Final = timedelta(days=1)
SAFE_STAGES: Final = (
    StageRule(Stage.PRESERVE, Timing(Anchor.ACCESS_END, -5 * _DAY)),
    StageRule(
        Stage.TRANSFER,
        Timing(Anchor.ACCESS_END, -2 * _DAY),
        to=(Successor(SuccessorRole.SUCCESSOR), Successor(SuccessorRole.MANAGER)),
    ),
    StageRule(Stage.CONTAIN, Timing(Anchor.ACCESS_END)),
    StageRule(Stage.REVOKE, Timing(Anchor.ACCESS_END, timedelta(hours=1))),
    StageRule(Stage.DESTROY, Timing(Anchor.ACCESS_END, 90 * _DAY), approvals=Approvals(count=2)),
)
"""What holds where no file speaks."""


def pattern_covers(pattern: str, kind: Kind) -> bool:
    """``any``, a family (``credential.*``) or an exact kind."""
    if pattern == ANY_KIND:
        return True
    if pattern.endswith(".*"):
        return kind.startswith(pattern[:-1])
    return pattern == kind


def specificity(pattern: str) -> int:
    """0 for ``any``, 1 for a family, 2 for an exact kind."""
    if pattern == ANY_KIND:
        return 0
    return 1 if pattern.endswith(".*") else 2
