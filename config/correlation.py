"""The ``correlation`` group of the settings: whose an account is. See docs/correlation.md.

Read by ``config.settings``, which holds it, and by the roof, which makes the core's rules of it.
A rule that would match everybody does not load.
"""

from __future__ import annotations

import fnmatch
from typing import Final, Self

from pydantic import Field, field_validator, model_validator

from config.group import Group
from connectors.contract import AccountKind
from reconcile.correlate import DEFAULT_RULES, PLACEHOLDERS, Match, Rule, Rules

_UNLIKE: Final = ("lver", "jdoe", "0042", "zq-7", "M.Mueller")
"""Logins that have nothing in common: what fits two of them fits everybody."""


class CorrelationRule(Group):
    """One way to come to a candidate: an account that a person is asked about."""

    match: Match
    """What is compared: ``upn``, ``mail``, ``login``, ``owner``, ``name``, or ``pattern``."""
    pattern: str = ""
    """With ``match: pattern`` only: the login such accounts have, with ``{login}`` or
    ``{employee_number}`` in it, as in ``adm-{login}``. It is searched for, and never sure."""
    confidence: int = Field(ge=1, le=99)
    """How likely it is, from 1 to 99; it orders the queue. 100 belongs to the HR number, immutable
    ids and people: names, addresses and logins are given to somebody else one day."""
    kind: AccountKind | None = None
    """What such accounts are: ``person``, ``admin`` or ``service``. Left out: as the connector
    says. A service account is handed over and rotated, never disabled."""
    systems: tuple[str, ...] = ()
    """Systems the rule is for, by name. Empty: all."""

    @model_validator(mode="after")
    def _matches_somebody_and_not_everybody(self) -> Self:
        if self.match is not Match.PATTERN:
            if self.pattern:
                raise ValueError("a pattern stands here, and 'match' is not 'pattern'")
            return self
        if not any(word in self.pattern for word in PLACEHOLDERS):
            words = " or ".join(PLACEHOLDERS)
            raise ValueError(f"'pattern' needs {words}: without it everybody's account is the same")
        rest = self.pattern
        for word in PLACEHOLDERS:
            rest = rest.replace(word, "")
        if "{" in rest or "}" in rest:
            raise ValueError(f"'pattern' knows only {' and '.join(PLACEHOLDERS)} in braces")
        if set(rest) & set("*?[]"):
            raise ValueError("'pattern' takes no wildcard: it would match everybody")
        if not any(char.isalnum() for char in rest):
            raise ValueError("'pattern' adds no letter or digit: that is 'match: login'")
        return self


class Correlation(Group):
    """Whose an account is, where no number or immutable id says so."""

    services: tuple[str, ...] = ()
    """Logins of accounts that are nobody's own, such as ``svc-*``. Such an account is never
    disabled because its owner leaves: handing it over and rotating it becomes a duty. Empty: only
    what connectors and rules call a service."""
    one_account: tuple[str, ...] = ()
    """Systems in which everybody has exactly one account of their own. Where more than one matches
    for sure, a person is asked, and nothing is handed over or taken away before. Empty: nowhere,
    because a second account with the same number is usual where administrators have one."""
    ask_from: int = Field(default=1, ge=1, le=99)
    """Candidates less likely than this are recorded as rejected instead of being asked about. 1:
    everything is asked about. What contradicts an HR number is asked about in any case."""
    rules: tuple[CorrelationRule, ...] = tuple(
        CorrelationRule(match=rule.match, confidence=rule.confidence, kind=rule.kind)
        for rule in DEFAULT_RULES
    )
    """Tried in order; the first that fits says how likely it is. What you list replaces the rules
    that are shipped: upn 65, mail 60, login 50, owner 50 (service), name 30. The HR number and
    immutable ids come before all of them and cannot be switched off."""

    @field_validator("services")
    @classmethod
    def _not_everybody(cls, patterns: tuple[str, ...]) -> tuple[str, ...]:
        for number, pattern in enumerate(patterns, 1):
            if sum(fnmatch.fnmatchcase(login, pattern) for login in _UNLIKE) > 1:
                raise ValueError(f"entry {number} would match everybody")
        return patterns

    def as_rules(self) -> Rules:
        """The same for the core, which does not know settings."""
        rules = tuple(Rule(**rule.model_dump()) for rule in self.rules)
        return Rules(rules, self.services, self.one_account, self.ask_from)
