"""What a policy wants done with one holding, and which rule says so.

The planner calls :func:`dispose` for every holding that a survey found. Rules are weighed word by
word: of all rules that cover the kind and whose condition holds, the weightiest that says anything
about a word decides that word. A word that no rule decides has the safe default. Laws stand above
every rule and are applied last.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import date, timedelta
from functools import lru_cache
from typing import Any, Final

from connectors.contract import HoldingState, Kind
from policies.expressions import Values, bind
from policies.fields import HOLDING
from policies.model import (
    Exclusion,
    HoldingRule,
    Need,
    Policy,
    Revocation,
    Transfer,
)

SAFE_DEFAULT: Final = "safe default"
"""What :attr:`Disposition.rule` says when no rule decided anything."""

WORDS: Final = ("contain", "preserve", "transfer", "revoke", "destroy", "retain")
"""The words that a holding rule may decide."""

_ACCESS: Final = frozenset({"account", "session", "credential", "grant"})
"""Families whose holdings are access itself, as against things and data."""


@dataclass(frozen=True, slots=True)
class Disposition:
    """What is wanted of one holding.

    ``transfer`` is ``REQUIRED`` for every sole holding that would be taken away (Law 5), so that
    ``WHEN_SOLE`` only remains where the holding is not sole. ``wanted`` is the state in which the
    case may close: ``LIVE`` leaves it alone, ``CONTAINED`` waits for ``destroy``. ``retain`` is how
    long the backup stays; None: as the vault is configured. ``rule`` is ``file:line`` of the
    weightiest rule that decided a word. ``uncovered``: no rule decided any.
    """

    contain: bool
    preserve: bool
    transfer: Transfer
    revoke: Revocation
    destroy: bool
    retain: timedelta | None
    wanted: HoldingState
    rule: str
    why: str
    uncovered: bool = False
    excluded: Exclusion | None = None

    @property
    def must_transfer(self) -> bool:
        """Whether it may only be taken away after a successor was seen to have it."""
        return self.transfer is Transfer.REQUIRED


def dispose(policy: Policy, system: str, kind: Kind, *, sole: bool, on: date) -> Disposition:
    """Decide one holding. Pure and total: every kind of the vocabulary has an answer.

    ``on`` is the civil day by which exclusions expire. Answers are remembered: every pass over a
    case asks again for each of its holdings, and most of them are alike.
    """
    return _dispose(_This(policy), system, kind, sole, on)


class _This:
    """A policy as a key by identity: it is frozen, and comparing two would cost more than asking.

    Holds the policy, so that its identity is not given to another one meanwhile.
    """

    __slots__ = ("policy",)

    def __init__(self, policy: Policy) -> None:
        self.policy = policy

    def __hash__(self) -> int:
        return id(self.policy)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _This) and other.policy is self.policy


@lru_cache(maxsize=4096)
def _dispose(this: _This, system: str, kind: Kind, sole: bool, on: date) -> Disposition:  # noqa: FBT001 - a key
    policy = this.policy
    exclusion = _exclusion_of(policy, system, kind, on)
    if exclusion is not None:
        return _left_alone(exclusion)
    weighing = weigh(policy, system, kind, sole=sole)
    words, laws = _Words.of(kind, weighing.decided).under_the_laws(kind, sole=sole)
    deciding = [rule for _, rule in weighing.decided]
    first = max(deciding, key=lambda rule: rule.precedence, default=None)
    return Disposition(
        contain=words.contain,
        preserve=words.preserve,
        transfer=words.transfer,
        revoke=words.revoke,
        destroy=words.destroy,
        retain=words.retain,
        wanted=words.wanted,
        rule=first.position.rule if first else SAFE_DEFAULT,
        why="; ".join([*_reasons(kind, weighing), *laws, *weighing.notes]),
        uncovered=first is None,
    )


def excluded(policy: Policy, system: str, on: date) -> Exclusion | None:
    """The exclusion that leaves a whole system alone on this day.

    Law 4: all systems by default; an expired exclusion, or one of some kinds only, does not count.
    """
    whole = (one for one in policy.exclusions if one.system == system and not one.kinds)
    return next((one for one in whole if one.counts_on(on)), None)


def gives_access(kind: Kind) -> bool:
    """Whether somebody gets in with a holding of this kind."""
    return kind.split(".")[0] in _ACCESS


def leaves_access(policy: Policy, system: str, kind: Kind) -> bool:
    """Whether the rules alone would leave such access live, so that a law has to step in."""
    words = _Words.of(kind, weigh(policy, system, kind, sole=False).decided)
    return gives_access(kind) and words.wanted is HoldingState.LIVE


@dataclass(frozen=True, slots=True)
class Weighing:
    """Which rule decides each word, and why some rules could not be asked."""

    decided: tuple[tuple[str, HoldingRule], ...]
    notes: tuple[str, ...]


def weigh(policy: Policy, system: str, kind: Kind, *, sole: bool) -> Weighing:
    """Weigh the rules for such a holding, word by word. Exclusions and laws come after."""
    rules, notes = _holding(policy, system, kind, sole=sole)
    deciding = (
        (word, next((rule for rule in rules if getattr(rule, word) is not None), None))
        for word in WORDS
    )
    return Weighing(tuple((word, rule) for word, rule in deciding if rule is not None), notes)


def _holding(
    policy: Policy, system: str, kind: Kind, *, sole: bool
) -> tuple[tuple[HoldingRule, ...], tuple[str, ...]]:
    """The rules that hold for such a holding, the weightiest first, and why others could not."""
    values: Values | None = None
    rules, notes = [], []
    for rule in policy.rules_by_kind[kind]:
        if rule.systems and system not in rule.systems:
            continue
        if rule.when is not None:
            values = values or bind({"system": system, "kind": kind, "sole": sole}, HOLDING)
            verdict = rule.when.evaluate(values)
            if verdict.reason:
                notes.append(f"{rule.position.rule} does not hold: {verdict.reason}")
            if not verdict.holds:
                continue
        rules.append(rule)
    return tuple(rules), tuple(notes)


@dataclass(frozen=True, slots=True)
class _Words:
    """The decided words over the safe default of a kind."""

    contain: bool = True
    preserve: bool = True
    transfer: Transfer = Transfer.WHEN_SOLE
    revoke: Revocation = Revocation.ON_TIME
    destroy: bool = False
    retain: timedelta | None = None

    @classmethod
    def of(cls, kind: Kind, decided: Iterable[tuple[str, HoldingRule]]) -> _Words:
        safe = cls(revoke=Revocation.NEVER) if _stays_until_destroy(kind) else cls()
        return replace(safe, **{word: _plain(getattr(rule, word)) for word, rule in decided})

    @property
    def wanted(self) -> HoldingState:
        if self.revoke is not Revocation.NEVER:
            return HoldingState.GONE
        return HoldingState.CONTAINED if self.contain else HoldingState.LIVE

    def under_the_laws(self, kind: Kind, *, sole: bool) -> tuple[_Words, list[str]]:
        """Raise what the laws demand, and say so."""
        words, laws = self, []
        if words.wanted is HoldingState.LIVE and gives_access(kind):
            # Law 4: access is left alone by a named exclusion with its reason, never by a rule.
            words = replace(words, contain=True)
            laws.append("contain is required because only an exclusion leaves access (Law 4)")
        taken = words.revoke is not Revocation.NEVER or words.destroy
        if sole and taken and words.transfer is not Transfer.REQUIRED:
            # Law 5: the last owner of a thing is never removed as it is.
            words = replace(words, transfer=Transfer.REQUIRED)
            laws.append("transfer is required because nobody else has it (Law 5)")
        if words.transfer is Transfer.REQUIRED and words.revoke is Revocation.WITH_CONTAIN:
            # Law 3: contain never waits, so what must be handed over first is revoked on time.
            words = replace(words, revoke=Revocation.ON_TIME)
            laws.append("revoke waits for the transfer (Law 3)")
        return words, laws


def _plain(value: Any) -> Any:  # noqa: ANN401 - a word of any type passes through
    return value is Need.REQUIRED if isinstance(value, Need) else value


def _reasons(kind: Kind, weighing: Weighing) -> list[str]:
    if not weighing.decided:
        return [f"no rule covers '{kind}', so the {SAFE_DEFAULT} holds"]
    return [f"{word} by {rule.position.rule} '{rule.pattern}'" for word, rule in weighing.decided]


def _stays_until_destroy(kind: Kind) -> bool:
    """Accounts and their passwords are disabled and stay so until ``destroy``."""
    return kind.startswith("account.") or kind == "credential.password"


def _exclusion_of(policy: Policy, system: str, kind: Kind, on: date) -> Exclusion | None:
    return next(
        (
            one
            for one in policy.exclusions
            if one.system == system and one.counts_on(on) and one.covers(kind)
        ),
        None,
    )


def _left_alone(exclusion: Exclusion) -> Disposition:
    until = f" until {exclusion.until.isoformat()}" if exclusion.until else ""
    return Disposition(
        contain=False,
        preserve=False,
        transfer=Transfer.NEVER,
        revoke=Revocation.NEVER,
        destroy=False,
        retain=None,
        wanted=HoldingState.LIVE,
        rule=exclusion.position.rule if exclusion.position else SAFE_DEFAULT,
        why=f"excluded{until}: {exclusion.reason}",
        excluded=exclusion,
    )
