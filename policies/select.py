"""Chooses the one policy that governs a termination, and says why not the others.

Intake and ``policy explain`` call :func:`select`. Order: the operator's policies before shipped
ones; then a ``role:`` that names the role key before a ``match:`` alone; then the greater
``priority``. What is still level is a question to a person (:class:`Ambiguous`), never a guess.
Where nothing fits, ``default`` governs.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, NamedTuple

from policies.expressions import Values, bind
from policies.fields import TERMINATION, Facts
from policies.model import Policy

DEFAULT: Final = "default"


class SelectionError(LookupError):
    """No single policy governs; the case is a question."""


class Ambiguous(SelectionError):
    """Several policies fit equally well."""

    def __init__(self, names: tuple[str, ...]) -> None:
        self.names = names
        listed = ", ".join(names)
        super().__init__(f"several policies fit equally well: {listed}; give one a 'priority'")


class NoPolicy(SelectionError):
    """Nothing fits, and there is no policy ``default``."""


class Rejected(NamedTuple):
    """A policy that does not govern, and why."""

    name: str
    why: str


@dataclass(frozen=True, slots=True)
class Selection:
    """The policy that governs, why, and why no other does (in order of name)."""

    policy: Policy
    reason: str
    rejected: tuple[Rejected, ...] = ()


@dataclass(frozen=True, slots=True)
class _Fit:
    """How well a policy fits; compared by ``rank``, the greater the better."""

    policy: Policy
    reason: str
    by_role: bool

    @property
    def rank(self) -> tuple[bool, bool, int]:
        return (not self.policy.shipped, self.by_role, self.policy.priority)


def select(policies: Iterable[Policy], facts: Facts) -> Selection:
    """Choose. Independent of the order of ``policies``. Raises :class:`SelectionError`."""
    ordered = sorted(policies, key=lambda policy: policy.name)
    values = bind(facts.values(), TERMINATION)
    fits: list[_Fit] = []
    rejected: dict[str, str] = {}
    for policy in ordered:
        fit = _fit(policy, facts.role_key, values)
        if isinstance(fit, _Fit):
            fits.append(fit)
        else:
            rejected[policy.name] = fit
    best = _best(fits)
    if best is None:
        return _fallback(ordered, rejected)
    for fit in fits:
        if fit is not best:
            rejected[fit.policy.name] = _outranked(fit, best)
    return Selection(best.policy, best.reason, _listed(rejected))


def _fit(policy: Policy, role_key: str, values: Values) -> _Fit | str:
    """How a policy fits, or why it does not."""
    if not policy.roles and policy.match is None:
        return "governs where nothing else does" if policy.name == DEFAULT else "only a parent"
    if policy.roles and role_key not in policy.roles:
        return f"is for the roles {', '.join(policy.roles)}" if role_key else "no role is known"
    if policy.match is not None:
        verdict = policy.match.evaluate(values)
        if not verdict.holds:
            return f"'match' does not hold{': ' if verdict.reason else ''}{verdict.reason}"
    if policy.roles:
        also = " and 'match' holds" if policy.match else ""
        return _Fit(policy, f"'role' names '{role_key}'{also}", by_role=True)
    return _Fit(policy, "'match' holds", by_role=False)


def _best(fits: list[_Fit]) -> _Fit | None:
    if not fits:
        return None
    top = max(fit.rank for fit in fits)
    level = [fit for fit in fits if fit.rank == top]
    if len(level) > 1:
        raise Ambiguous(tuple(fit.policy.name for fit in level))
    return level[0]


def _outranked(fit: _Fit, best: _Fit) -> str:
    name = best.policy.name
    if fit.policy.shipped and not best.policy.shipped:
        return f"fits, but '{name}' is the operator's own"
    if best.by_role and not fit.by_role:
        return f"fits, but '{name}' names the role"
    return f"fits, but '{name}' has priority {best.policy.priority} over {fit.policy.priority}"


def _fallback(ordered: list[Policy], rejected: dict[str, str]) -> Selection:
    default = next((policy for policy in ordered if policy.name == DEFAULT), None)
    if default is None:
        raise NoPolicy("no policy fits, and there is no policy 'default'")
    others = {name: why for name, why in rejected.items() if name != DEFAULT}
    return Selection(default, "no other policy fits", _listed(others))


def _listed(rejected: dict[str, str]) -> tuple[Rejected, ...]:
    return tuple(Rejected(name, why) for name, why in sorted(rejected.items()))
