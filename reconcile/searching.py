"""Searching a system for a person's accounts: by all that is known, and judged at once.

Called by ``operations.surveying`` and by ``previewing``; both give the way to read. Decides
nothing: ``correlate`` does.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from reconcile.alike import fold
from reconcile.correlate import (
    Match,
    Standing,
    addresses,
    correlate,
    expanded,
    immutable_ids,
    joined,
    logins,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from connectors.contract import Account, Reading, Subject
    from reconcile.correlate import Known, Rules, Verdict


@dataclass(frozen=True, slots=True)
class Found:
    """What a search brought: who was known and searched for, the reads, a verdict per account."""

    known: Known
    searched: Subject
    readings: tuple[Reading[Account], ...]
    verdicts: tuple[Verdict, ...]

    @property
    def sure(self) -> tuple[Account, ...]:
        """The accounts that are theirs without a person's word."""
        return tuple(each.account for each in self.verdicts if each.standing is Standing.SURE)

    @property
    def blind(self) -> str:
        """Why nothing may be concluded from absence; empty when every read could see (Law 2)."""
        return next((each.blind for each in self.readings if each.blind), "")

    def counted(self, standing: Standing) -> int:
        """How many accounts stand so."""
        return sum(each.standing is standing for each in self.verdicts)


def search(
    find: Callable[[Subject], Reading[Account]],
    known: Known,
    rules: Rules,
    system: str,
    strangers: frozenset[str] = frozenset(),
) -> Found:
    """Search; where naming patterns are configured, once more by the logins that this brought.

    ``strangers``: native ids of which a person said that they are somebody else's: nothing is
    learned from them. Raises what ``find`` raises.
    """
    searched = widened(known, rules, system)
    first = find(searched)
    verdicts = correlate(first.items, known, rules)
    if rules.has_patterns(system):
        sure = (each.account for each in verdicts if each.standing is Standing.SURE)
        learned = (each for each in sure if each.native_id not in strangers)
        more = replace(known, accounts=joined(known.accounts, learned))
        wider = widened(more, rules, system)
        if grown(searched, wider):
            second = find(wider)
            both = correlate((*first.items, *second.items), known, rules)
            return Found(known, wider, (first, second), both)
    return Found(known, searched, (first,), verdicts)


def widened(known: Known, rules: Rules, system: str) -> Subject:
    """The subject a connector is to search for: HR's words, what was learned, what patterns make.

    The more is known, the wider the search; what is found is judged by ``known`` all the same.
    """
    made = [
        login
        for rule in rules.of(system)
        if rule.match is Match.PATTERN
        for login in expanded(rule, known)
    ]
    return replace(
        known.subject,
        emails=addresses(known),
        logins=tuple(dict.fromkeys((*logins(known), *made))),
        identifiers=immutable_ids(known, system),
    )


def grown(before: Subject, now: Subject) -> bool:
    """Say whether there is more to search by than there was."""

    def words(subject: Subject) -> set[str]:
        ids = {each.value for each in subject.identifiers}
        return ids | {fold(value) for value in (*subject.emails, *subject.logins)}

    return bool(words(now) - words(before))
