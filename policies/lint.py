"""What is legal in a set of policies but probably not meant.

``policy lint`` and the tests of shipped policies call :func:`lint`. An ``ERROR`` is a policy that
must not become active; a ``WARNING`` is a question to its author. Pure: the day is given.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from itertools import combinations
from typing import Final

from connectors.contract import KINDS, Kind, Stage
from policies.dispose import leaves_access, weigh
from policies.load import PolicySet
from policies.model import HoldingRule, Policy, Revocation, Transfer
from policies.problems import Position

_SOME_OTHER_SYSTEM: Final = "any-other-system"
_ENOUGH_APPROVALS: Final = 2
_ORDER: Final = (
    (Stage.CONTAIN, Stage.REVOKE, "revoke starts before contain"),
    (Stage.PRESERVE, Stage.REVOKE, "revoke starts before preserve and would only wait for it"),
    (Stage.TRANSFER, Stage.REVOKE, "revoke starts before transfer and would only wait for it"),
    (Stage.REVOKE, Stage.DESTROY, "destroy starts before revoke"),
)


class Severity(StrEnum):
    """Whether a policy may become active."""

    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True, slots=True)
class Finding:
    """One finding. ``code`` is stable, so that it can be searched for in the documentation."""

    severity: Severity
    code: str
    policy: str
    position: Position
    message: str

    def render(self) -> str:
        """One line for a terminal or an editor."""
        return f"{self.position}: {self.severity} {self.code}: {self.message}"


def lint(policies: PolicySet, on: date) -> tuple[Finding, ...]:
    """Look at every policy; findings in order of place."""
    found: list[Finding] = []
    for policy in policies.policies:
        found.extend(_exclusions(policy, on))
        for check in (_order, _approvals, _uncovered, _idle_rules, _contradictions):
            found.extend(check(policy))
    found.extend(_rivals(policies))
    return tuple(sorted(found, key=lambda finding: (finding.position, finding.code)))


def _finding(
    severity: Severity, code: str, policy: Policy, position: Position | None, message: str
) -> Finding:
    return Finding(severity, code, policy.name, position or _place(policy), message)


def _place(policy: Policy) -> Position:
    return policy.position or Position(policy.source, 1, 1)


def _order(policy: Policy) -> Iterator[Finding]:
    """Stages that count from the same anchor in the wrong order."""
    for first, second, message in _ORDER:
        earlier, later = policy.stage(first), policy.stage(second)
        if earlier.at.anchor is later.at.anchor and later.at.offset < earlier.at.offset:
            words = f"{message}: '{later.at}' against '{earlier.at}'"
            place = later.position or earlier.position
            yield _finding(Severity.ERROR, "stage-order", policy, place, words)


def _approvals(policy: Policy) -> Iterator[Finding]:
    """Destroying is the one thing that nothing brings back."""
    rule = policy.stage(Stage.DESTROY)
    if rule.approvals.count == 0:
        message = "destroy needs no approval, and nothing brings back what it deletes"
        yield _finding(Severity.ERROR, "destroy-unapproved", policy, rule.position, message)
    elif rule.approvals.count < _ENOUGH_APPROVALS:
        message = "destroy needs one approval only; two people are the default"
        yield _finding(Severity.WARNING, "destroy-approvals", policy, rule.position, message)


def _exclusions(policy: Policy, on: date) -> Iterator[Finding]:
    """Exclusions that no longer count, and those that never end."""
    for exclusion in policy.exclusions:
        if not exclusion.counts_on(on):
            message = f"the exclusion of '{exclusion.system}' ended on {exclusion.until}"
            code = "exclusion-expired"
        elif exclusion.until is None:
            message = f"the exclusion of '{exclusion.system}' never ends; name a day in 'until'"
            code = "exclusion-endless"
        else:
            continue
        yield _finding(Severity.WARNING, code, policy, exclusion.position, message)


def _uncovered(policy: Policy) -> Iterator[Finding]:
    """Kinds for which only the safe default speaks."""
    missing = [
        kind
        for kind in sorted(KINDS)
        if not weigh(policy, _SOME_OTHER_SYSTEM, kind, sole=True).decided
    ]
    if missing:
        message = f"no rule covers {', '.join(missing)}; the safe default holds for them"
        yield _finding(Severity.WARNING, "kind-uncovered", policy, _place(policy), message)


def _idle_rules(policy: Policy) -> Iterator[Finding]:
    """The policy's own rules that decide nothing for any kind, system or circumstance."""
    youngest = len(policy.lineage) - 1
    own = [rule for rule in policy.rules if rule.depth == youngest]
    busy = {
        id(rule)
        for kind, system, sole in _circumstances(policy)
        for _, rule in weigh(policy, system, kind, sole=sole).decided
    }
    for rule in own:
        if id(rule) not in busy:
            message = f"the rule for '{rule.pattern}' never decides anything: {_why_idle(rule)}"
            yield _finding(Severity.WARNING, "rule-idle", policy, rule.position, message)


def _why_idle(rule: HoldingRule) -> str:
    if rule.when is not None:
        return "its condition never holds, or weightier rules say all that it says"
    return "weightier rules say all that it says"


def _circumstances(policy: Policy) -> Iterator[tuple[Kind, str, bool]]:
    """Every kind, in every system that the rules name and one that they do not, sole or not."""
    systems = {name for rule in policy.rules for name in rule.systems} | {_SOME_OTHER_SYSTEM}
    for rule in policy.rules:
        if rule.when is not None:
            systems.update(rule.when.texts)
    for kind in sorted(KINDS):
        for system in sorted(systems):
            yield kind, system, False
            yield kind, system, True


def _contradictions(policy: Policy) -> Iterator[Finding]:
    """Rules that a law overrules."""
    left = [kind for kind in sorted(KINDS) if leaves_access(policy, _SOME_OTHER_SYSTEM, kind)]
    if left:
        message = f"rules would leave {', '.join(left)} live; only an exclusion does (Law 4)"
        yield _finding(Severity.ERROR, "access-left", policy, _place(policy), message)
    for rule in policy.rules:
        required = rule.transfer is Transfer.REQUIRED
        if required and rule.revoke is Revocation.WITH_CONTAIN:
            message = "what must be handed over cannot go 'with contain'; it is revoked on time"
            yield _finding(Severity.ERROR, "transfer-too-late", policy, rule.position, message)
        if rule.transfer is Transfer.NEVER and rule.pattern.startswith("ownership."):
            message = "an ownership without transfer: sole ones are handed over all the same"
            yield _finding(Severity.WARNING, "ownership-kept", policy, rule.position, message)


def _rivals(policies: PolicySet) -> Iterator[Finding]:
    """Policies of the same rank for the same role."""
    for one, other in combinations(policies.policies, 2):
        shared = sorted(set(one.roles) & set(other.roles))
        if shared and one.priority == other.priority and one.shipped == other.shipped:
            if one.match is not None and other.match is not None:
                continue
            message = f"'{one.name}' is for the role '{shared[0]}' as well; give one a 'priority'"
            yield _finding(Severity.ERROR, "role-claimed-twice", other, None, message)
